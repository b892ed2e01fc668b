"""What the definitions of the losses share."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np

from validation.exact.number import Number, exp, log, number, sqrt, stated


def reduce(losses: list[Number], reduction: str) -> Any:
    """The losses, their sum, or their mean: nan where there is none."""
    if reduction == "none":
        return np.array(losses, dtype=object)
    total = sum(losses, Number(0))
    if reduction == "sum":
        return total
    return total / len(losses) if losses else stated(nan)


def is_stated(z: Any, value: float) -> bool:
    """Whether a number is this infinity or nan."""
    z = number(z)
    return z.stated and (float(z) == value or (np.isnan(value) and np.isnan(float(z))))


def undefined(*parents: Number) -> Number:
    """nan, with derivative nan to everything that it depends on."""
    return stated(nan, *((parent, nan) for parent in parents))


def minus_log_softmax(z: np.ndarray, y: int) -> Number:
    """-log(e^{z_y} / sum_j e^{z_j}); e^{-inf} is 0."""
    if any(is_stated(v, nan) or is_stated(v, np.inf) for v in z) or all(is_stated(v, -np.inf) for v in z):
        return undefined(*z)
    if len(z) == 1:
        return Number(0)
    finite = [v for v in z if not is_stated(v, -np.inf)]
    if is_stated(z[y], -np.inf):
        total = sum(exp(v) for v in finite)
        return stated(np.inf, (z[y], -1.0), *((v, exp(v) / total) for v in finite))
    return -log(exp(z[y]) / sum(exp(v) for v in finite))


def norm(x: np.ndarray) -> Any:
    """Euclidean length."""
    return sqrt((x * x).sum())


def parallel(x: np.ndarray, w: np.ndarray) -> bool:
    """Whether one vector is exactly a multiple of the other."""
    return all(x[i] * w[j] == x[j] * w[i] for i in range(len(x)) for j in range(i))
