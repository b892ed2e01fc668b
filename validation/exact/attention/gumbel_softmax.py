"""The Gumbel-softmax as it is defined."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from validation.exact.attention._choices import logits as rows_of_logits
from validation.exact.attention._choices import open_positions, order, perturbed, spoilt, undefined_row, unit
from validation.exact.distributions._rows import rowwise, total, vector
from validation.exact.draws import Draw, short
from validation.exact.number import Number, exp


@rowwise("(k),(k)->(k)")
def _relaxed(logits: Any, u: Any, temperature: Any, hard: bool, gradient: str) -> Any:
    at = open_positions(logits)
    if not at or not unit([u[i] for i in at]):
        return undefined_row(len(logits), logits, u)
    w = {i: perturbed([logits[i]], [u[i]])[0] / temperature for i in at}
    found = [1 / total(exp(v - w[i]) for v in w.values()) if i in at else Number(0) for i in range(len(logits))]
    found = [Number(int(i in at)) for i in range(len(logits))] if len(at) == 1 else found
    if not hard:
        return vector(found)
    best = order(logits, u)[0]
    held = [y if gradient == "straight_through" else Number(0) for y in found]
    return vector([Number(int(i == best), [(y, lambda g: g)]) for i, y in enumerate(held)])


def sample(logits: Any, u: Any, *, temperature: Any, hard: bool, gradient: str) -> Any:
    """softmax((z + G) / tau) for G = -log(-log u), or the one-hot vector of its largest entry.

    Source: jang-2017, eq. 2
    """
    return _relaxed(logits, u, temperature=temperature, hard=hard, gradient=gradient)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(i: int, z: Any, u: Any, **why: Any) -> Draw:
        constants = {"temperature": (1.0, 0.5, 2.0, 0.1)[i % 4], "hard": i % 3 == 2, "gradient": "straight_through"}
        constants |= {name: why.pop(name) for name in list(why) if name in constants}
        if constants["hard"] and "result" not in why:
            other = "exact" if constants["gradient"] == "straight_through" else "straight_through"
            why |= {"result": "ambiguous", "alternatives": {other: {"gradient": other}}}
        return Draw({"logits": np.asarray(z), "u": np.asarray(u)}, constants, **why)

    for i, (z, why) in enumerate(rows_of_logits(rng)):
        u = np.round(rng.uniform(size=z.size) * 254 + 1) / 256 if i < 30 else rng.uniform(size=z.size)
        yield draw(i, z, np.where(z > -np.inf, u, nan), **why)
    for i, t in enumerate((1e-3, 1e-2, 10.0, 1e3)):
        for hard in (False, True):
            flags = ("SATURATION",) if t < 1 else ("CANCELLATION",)
            z, u = short(rng.normal(size=3)), rng.uniform(size=3)
            yield draw(i, z, u, temperature=t, hard=hard, flags=flags, difficulty=3)
    for i, u in enumerate((2.0**-53, 1e-300, 1 - 2.0**-53, np.exp(-1.0))):  # Gumbel noise from -6.6 to 36.7, and 0
        yield draw(i, [0.5, 0.0], [u, 0.5], hard=False, flags=("SATURATION",), difficulty=4)
    for i, (z, u) in enumerate((([0.5, 0.5], [0.25, 0.25]), ([0.0, 1.0, 1.0], [0.5] * 3))):
        for gradient in ("straight_through", "exact"):
            yield draw(i, z, u, hard=True, gradient=gradient, flags=("TIE",), difficulty=3)
    yield draw(0, short(rng.normal(size=(2, 1, 3))), rng.uniform(size=(2, 3)), hard=False, flags=("BROADCAST",))
    for i, z in enumerate(spoilt([0.5, 1.0])):
        yield draw(i, z, [0.5, 0.25], flags=("FULLY_MASKED",), result="undefined")
    for i, u in enumerate((0.0, 1.0, -0.5, nan)):
        yield draw(i, [0.5, 0.0], [0.5, u], result="invalid")
