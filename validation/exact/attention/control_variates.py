"""RELAX and REBAR as they are defined: the derivatives of the control variate are taken by differentiation."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.attention._choices import (
    finite,
    open_positions,
    order,
    perturbed,
    probabilities,
    score,
    spoilt,
    undefined_row,
    unit,
)
from validation.exact.attention._choices import logits as rows_of_logits
from validation.exact.distributions._rows import rowwise, softmax, total, vector
from validation.exact.draws import Draw, short
from validation.exact.number import Number, gradient, log, number


@rowwise("(k),(k),(k),(),(k)->(k)")
def _relax(z: Any, u: Any, v: Any, reward: Any, surrogate: Any, temperature: Any) -> Any:
    at = open_positions(z)
    noise = [(u[i], v[i]) for i in at]
    if not at or not unit(noise) or not finite(reward, [surrogate[i] for i in at]):
        return undefined_row(len(z), z, u, v, [reward], surrogate)
    s, p = order(z, u)[0], probabilities(z)

    def relaxed(w: Any) -> Any:
        y = softmax([x / temperature for x in w]) if len(at) > 1 else [Number(1)]
        return total(surrogate[i] * share for i, share in zip(at, y, strict=True))

    e = {i: -log(v[i]) for i in at}
    new = [-log(e[i] if i == s else e[i] / p[i] + e[s]) for i in at]
    before, after = relaxed(perturbed([z[i] for i in at], [u[i] for i in at])), relaxed(new)
    slopes = [gradient([c], [1], list(z)) for c in (before, after)]
    return (number(reward) - after) * score(p, s) + vector(slopes[0]) - vector(slopes[1])


def relax(logits: Any, u: Any, v: Any, reward: Any, surrogate: Any, *, temperature: Any) -> Any:
    """(r - c(w~)) d log p(s) + d c(w) - d c(w~), for w~ given s.

    Source: grathwohl-2018, eq. 7
    """
    return _relax(logits, u, v, reward, surrogate, temperature=temperature)


def rebar(logits: Any, u: Any, v: Any, f: Any, *, temperature: Any, scale: Any) -> Any:
    """(f(s) - eta c(w~)) d log p(s) + eta d c(w) - eta d c(w~), for c the relaxed f.

    Source: tucker-2017, section 3
    """

    @rowwise("(k),(k),(k),(k)->(k)")
    def estimate(z: Any, a: Any, b: Any, h: Any) -> Any:
        at = open_positions(z)
        if not at or not unit([(a[i], b[i]) for i in at]) or not finite([h[i] for i in at]):
            return undefined_row(len(z), z, a, b, h)
        reward = h[order(z, a)[0]]
        return _relax(z, a, b, reward, vector([number(scale) * x for x in h]), temperature=temperature)

    return estimate(logits, u, v, f)


def _draw(rng: np.random.Generator, rewarded: bool) -> Iterator[Draw]:
    def draw(i: int, z: Any, u: Any, v: Any, f: Any, reward: Any = 1.5, **why: Any) -> Draw:
        constants = {"temperature": (1.0, 0.5, 0.75, 0.25)[i % 4]} | ({} if rewarded else {"scale": (1.0, 0.5)[i % 2]})
        constants |= {name: why.pop(name) for name in list(why) if name in constants}
        arguments = {"logits": z, "u": u, "v": v}
        arguments |= {"reward": reward, "surrogate": f} if rewarded else {"f": f}
        return Draw({name: np.asarray(x) for name, x in arguments.items()}, constants, **why)

    def noise(*shape: int) -> np.ndarray:
        return np.asarray(np.round(rng.uniform(size=shape) * 254 + 1) / 256)

    for i, (z, why) in enumerate(rows_of_logits(rng)):
        if z.size <= 3:
            u, v, f = noise(z.size), noise(z.size), short(rng.normal(size=z.size))
            u, v, f = (np.where(z > -inf, x, nan) for x in (u, v, f))
            yield draw(i, z, u, v, f, short(rng.normal()), **why)
    for i in range(14):
        size = 2 + i % 2
        u, v = rng.uniform(size=(2, size))
        yield draw(i, rng.normal(size=size) * 2, u, v, rng.normal(size=size), rng.normal(), difficulty=2)
    for i, gap in enumerate((60.0, 300.0, 700.0)):
        z, (u, v) = np.array([0.5, gap, -0.25][: 2 + i % 2]), rng.uniform(size=(2, 2 + i % 2))
        yield draw(i, z, u, v, rng.normal(size=z.size), flags=("SATURATION", "LARGE_LOGITS"), difficulty=4)
    for i, t in enumerate((0.1, 10.0, 100.0)):
        flags = ("SATURATION",) if t < 1 else ("CANCELLATION",)
        z, f = short(rng.normal(size=(2, 2)))
        yield draw(i, z, noise(2), noise(2), f, temperature=t, flags=flags, difficulty=3)
    z = short(rng.normal(size=(2, 1, 2)))
    yield draw(0, z, noise(2, 2), noise(2), short(rng.normal(size=2)), flags=("BROADCAST",))
    for size in (0.0, 1.0):
        yield draw(1, [0.0, 0.0], [0.75, 0.25], [0.5, 0.25], [size, size], flags=("TIE",), difficulty=2)
    yield draw(1, [1.0, 1.0], [0.5, 0.5], [0.5, 0.25], [0.5, 1.0], flags=("TIE",), difficulty=2)
    for bad in spoilt([0.5, 1.0]):
        yield draw(1, bad, [0.5, 0.25], [0.5, 0.75], [1.0, 2.0], flags=("FULLY_MASKED",), result="undefined")
    for u, v, f in ((0.0, 0.5, 1.0), (0.5, 1.0, 1.0), (nan, 0.5, 1.0), (0.5, nan, 1.0), (0.5, 0.5, inf)):
        yield draw(1, [0.5, 0.0], [0.5, u], [0.25, v], [0.5, f], result="invalid")


def draw_relax(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw(rng, rewarded=True)


def draw_rebar(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw(rng, rewarded=False)
