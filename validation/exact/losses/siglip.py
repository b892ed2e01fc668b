"""The sigmoid loss as the paper's algorithm writes it."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.losses._pairs import similarities, vectors, whole
from validation.exact.losses._rows import undefined
from validation.exact.number import Number, exp, log, number, stated

REDUCTIONS = ("mean", "sum", "none", "mean_over_pairs")


def loss(image: Any, text: Any, temperature: Any, bias: Any, *, normalize: bool, reduction: str) -> Any:
    """-log sigmoid(z_ij (t c_ij + b)) over all pairs.

    Source: zhai-2023, algorithm 1
    """
    n = len(image)
    fine = isfinite(float(temperature)) and isfinite(float(bias)) and temperature > 0
    c = similarities(image, text) if normalize else image @ text.T
    losses = np.empty((n, n), dtype=object)
    for i, j in np.ndindex(n, n):
        if not fine or not whole(image[i], text[j]) or c[i, j].stated:
            losses[i, j] = undefined(*image[i], *text[j], temperature, bias)
        else:
            z = 1 if i == j else -1
            losses[i, j] = log(1 + exp(-z * (temperature * c[i, j] + bias)))
    if reduction == "none":
        return losses
    if n == 0 and reduction != "sum":
        return stated(nan)
    share = number(1) / {"sum": 1, "mean": n, "mean_over_pairs": n * n}[reduction]
    if any(v.stated for v in losses.ravel()):
        return stated(nan, *((v, share) for v in losses.ravel()))  # pairs of other rows keep their gradients
    return sum(losses.ravel(), Number(0)) * share


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, y: Any, t: float = 10.0, b: float = -10.0, *, i: int = 0, **keywords: Any) -> Draw:
        arguments = {"image": np.asarray(x, dtype=float), "text": np.asarray(y, dtype=float)}
        constants = {k: keywords.pop(k, v) for k, v in (("normalize", True), ("reduction", REDUCTIONS[i % 4]))}
        return Draw(arguments | {"temperature": t, "bias": b}, constants, **keywords)

    for i in range(36):
        n, d = rng.integers(1, 5), rng.integers(2, 5)
        t, b = short(decades(rng, 0.5, 64)), short(float(rng.normal(scale=5)))
        keywords: dict[str, Any] = {"normalize": i % 5 > 0}
        if i % 6 == 0 and n > 1:
            keywords |= {"reduction": "mean", "flags": ("AMBIGUOUS_CONVENTION",), "result": "ambiguous"}
            keywords["alternatives"] = {"mean_over_pairs": {"reduction": "mean_over_pairs"}}
        yield draw(vectors(rng, n, d), vectors(rng, n, d), t, b, i=i, **keywords)
    for i, t in enumerate((100.0, 1e3, 1e4, 1e-3)):  # saturated on both sides
        yield draw(vectors(rng, 3, 3), vectors(rng, 3, 3), t, 0.0, i=i, flags=("LARGE_LOGITS", "OVERFLOW_F16"))
        yield draw(vectors(rng, 2, 3), vectors(rng, 2, 3), 10.0, -t, i=i, flags=("SATURATION",))
    for i, gap in enumerate((1e-2, 1e-5, 1e-9, 1e-13)):  # almost parallel, almost opposite
        x = rng.normal(size=(3, 3))
        y = x * np.array([[1.0], [2.0], [-1.0]]) + gap * rng.normal(size=(3, 3))
        yield draw(x, y, i=i, flags=("ACOS_AT_ONE", "CANCELLATION"), difficulty=4)
    for i, factor in enumerate((1.0, 4.0, -2.0)):  # exactly parallel
        x = short(rng.normal(size=(3, 3)))
        yield draw(x, factor * x, i=i, flags=("ACOS_AT_ONE",), difficulty=3)
        yield draw(x, factor * x[[0, 0, 1]], 64.0, -32.0, i=i, flags=("ACOS_AT_ONE", "TIE"), difficulty=3)
    for i, size in enumerate((1e-200, 1e200)):
        yield draw(size * rng.normal(size=(2, 3)), rng.normal(size=(2, 3)) / size, i=i, flags=("OVERFLOW_F32",))
    for i in range(4):
        yield draw(vectors(rng, 1, 2), vectors(rng, 1, 2), i=i, flags=("EMPTY_ROW",))  # no negatives
        result = "required" if i in (1, 2) else "ambiguous"
        yield draw(np.zeros((0, 2)), np.zeros((0, 2)), i=i, flags=("EMPTY_ROW",), result=result)
        x = vectors(rng, 3, 2)
        x[1] = 0
        yield draw(x, vectors(rng, 3, 2), i=i, flags=("ZERO_NORM",), result="undefined")
    x = vectors(rng, 3, 2)
    x[0, 1] = np.nan
    yield draw(vectors(rng, 3, 2), x, i=2, result="invalid")
    for t, b in ((0.0, 1.0), (-2.0, 1.0), (np.nan, 1.0), (1.0, np.nan), (np.inf, 1.0)):
        yield draw(vectors(rng, 2, 2), vectors(rng, 2, 2), t, b, i=2, result="invalid")
