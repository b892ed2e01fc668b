"""What the definitions of hard attention share: the softmax, the choice, one-hot rows; and logits to try."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isfinite, nan
from typing import Any

import numpy as np

from validation.exact.distributions._rows import all_of, is_logits, total, vector
from validation.exact.draws import decades, short
from validation.exact.number import Number, exp, log, number


def unit(u: Any) -> bool:
    """Whether all of these lie in (0, 1)."""
    return all(0 < number(v) < 1 for v in np.ravel(u))


def finite(*numbers: Any) -> bool:
    return all(isfinite(float(v)) for part in numbers for v in np.ravel(part))


def open_positions(z: Any) -> list[int]:
    """Those whose logit is not -inf; none where no softmax exists."""
    return [i for i, v in enumerate(z) if float(v) > -inf] if is_logits(z) else []


def probabilities(z: Any) -> list[Number]:
    """The softmax; 1 without a derivative where one position is open."""
    at = open_positions(z)
    if len(at) == 1:
        return [Number(int(i in at)) for i in range(len(z))]
    e = [exp(v) if i in at else Number(0) for i, v in enumerate(z)]
    return [v / total(e) for v in e]


def inverse(z: Any, u: Any) -> int:
    """The first position whose cumulative probability exceeds u."""
    e = [exp(v) if i in open_positions(z) else Number(0) for i, v in enumerate(z)]
    point, reached = number(u) * total(e), Number(0)
    for i, v in enumerate(e):
        reached = reached + v
        if point < reached:
            return i
    raise AssertionError("u is below 1")


def perturbed(z: Any, u: Any) -> list[Number]:
    """The logits with Gumbel noise."""
    return [a - log(-log(b)) for a, b in zip(z, u, strict=True)]


def order(z: Any, u: Any) -> list[int]:
    """The open positions by their perturbed logits, the largest first; equal ones from left to right."""
    at = open_positions(z)
    w = {i: perturbed([z[i]], [u[i]])[0] for i in at}
    place: list[int] = []
    for i in at:
        same = [(float(z[j]), float(u[j])) == (float(z[i]), float(u[i])) for j in place]
        n = next((n for n, j in enumerate(place) if not same[n] and w[i] > w[j]), len(place))
        place.insert(n, i)
    return place


def score(p: list[Number], s: int) -> Any:
    """One-hot less probabilities."""
    return vector([(1 if i == s else 0) - v for i, v in enumerate(p)])


def undefined_row(size: int, *arguments: Any) -> Any:
    """A row of nan with nan derivatives."""
    return vector([all_of(nan, *arguments) for _ in range(size)])


def logits(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """Rows of logits, and why each is there."""
    for size in (1, 2, 3, 4, 5):
        for _ in range(6):
            yield short(rng.normal(size=size) * decades(rng, 0.1, 4)), {}
    for scale in (0.01, 1.0, 3.0, 10.0):
        yield rng.normal(size=3) * scale, {"difficulty": 2}
    for size in (2, 3, 4):
        yield np.zeros(size), {"flags": ("TIE",)}
    for scale in (1e-300, 1e-12, 1e-6):
        yield rng.normal(size=3) * scale, {"flags": ("CANCELLATION",), "difficulty": 3}
    for gap in (5.0, 20.0, 36.0, 37.0, 40.0, 100.0, 300.0):
        yield np.array([gap, 0.25, -0.5]), {"flags": ("SATURATION", "CANCELLATION"), "difficulty": 4}
        yield np.array([0.5, gap]), {"flags": ("SATURATION", "CANCELLATION"), "difficulty": 4}
    for shift in (1e3, -1e4, 1e6):
        yield shift + short(rng.normal(size=3), 4), {"flags": ("LARGE_LOGITS",), "difficulty": 3}
    for z in ([0.5, -inf, 1.5], [-inf, 0.0, -inf, 0.0], [-inf, 2.0]):
        yield np.array(z), {"flags": ("MASKED_NAN",), "difficulty": 3}


def spoilt(z: Any) -> Iterator[np.ndarray]:
    """Rows that have no softmax."""
    for bad in (nan, inf):
        yield np.array([*z[:-1], bad])
    yield np.full(len(z), -inf)
