"""What the definitions of vector distributions share: rows of broadcast arrays, sums, softmax, whole counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import decades, short
from validation.exact.number import Number, exp, number, stated


def rowwise(signature: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A definition on one row, applied to all rows of arrays whose leading axes broadcast: ``"(k),()->()"``."""

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def apply(*arguments: Any, **constants: Any) -> Any:
            over = np.vectorize(lambda *row: function(*row, **constants), signature=signature, otypes=[object])
            return over(*(np.asarray(a, dtype=object) for a in arguments))

        apply.__doc__ = function.__doc__
        apply.__name__ = function.__name__
        return apply

    return wrap


def vector(entries: list[Any]) -> np.ndarray:
    """An object array of these entries."""
    found = np.empty(len(entries), dtype=object)
    found[:] = entries
    return found


def total(terms: Any) -> Any:
    """The sum of numbers."""
    return sum(terms, Number(0))


def all_of(value: float, *rows: Any, slope: float | None = None) -> Number:
    """A stated value with one slope to everything: the value itself (nan), or 0 where it is infinite."""
    found = slope if slope is not None else (nan if math.isnan(value) else 0.0)
    return stated(value, *((x, found) for row in rows for x in np.ravel(row) if isinstance(x, Number)))


def is_nan(x: Any) -> bool:
    return math.isnan(float(x))


def is_whole(count: Any) -> bool:
    """Whether this is 0, 1, 2, ..."""
    value = float(count)
    return math.isfinite(value) and value >= 0 and value == math.floor(value)


def is_probability(p: Any) -> bool:
    """Whether all entries lie in [0, 1]."""
    return all(0 <= number(v) <= 1 for v in p)


def is_logits(z: Any) -> bool:
    """Whether a softmax of these exists: no nan, no inf, not all -inf."""
    values = [float(v) for v in z]
    return not any(math.isnan(v) or v == inf for v in values) and any(v > -inf for v in values)


def softmax(z: Any) -> list[Any]:
    """e^z_i / sum_j e^z_j; e^-inf is 0."""
    terms = [Number(0) if float(v) == -inf else exp(v) for v in z]
    return [t / total(terms) for t in terms]


def shares(rng: np.random.Generator, size: int, concentration: float = 1.0) -> np.ndarray:
    """A point of the simplex, as far as rounding lets it."""
    g = rng.gamma(concentration, size=size) + 1e-300
    return g / g.sum()


def dyadic(rng: np.random.Generator, size: int, bits: int = 7) -> np.ndarray:
    """Probabilities that low precisions hold and that sum to exactly 1."""
    cuts = np.sort(rng.choice(np.arange(1, 2**bits), size - 1, replace=False)) if size > 1 else np.array([])
    return np.diff(np.concatenate([[0], cuts, [2**bits]])) / 2.0**bits


def shapes(rng: np.random.Generator, size: int, low: float, high: float, rounded: bool = False) -> np.ndarray:
    """Positive parameters over decades."""
    found = np.array([decades(rng, low, high) for _ in range(size)])
    return np.asarray(short(found)) if rounded else found
