"""What the definitions of count distributions share."""

from __future__ import annotations

import math
from math import inf
from typing import Any

import numpy as np

from validation.exact.number import Number, lgamma, log, number


def whole(k: Number) -> bool:
    """Whether k is a finite whole number."""
    return not k.stated and k == number(math.floor(float(k)))


def count(k: Number) -> bool:
    return whole(k) and k >= 0


def positive(a: Number) -> bool:
    return bool(0 < a < inf)


def unit(p: Number) -> bool:
    return bool(0 <= p <= 1)


def is_nan(*numbers: Number) -> bool:
    return any(math.isnan(float(x)) for x in numbers)


def log_choose(n: Number, k: Number) -> Any:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def times_log(k: Number, p: Number) -> Any:
    """k log p with 0 log 0 = 0."""
    return k * log(p) if k != 0 else number(0)


def around(rng: np.random.Generator, mean: float, sd: float, most: float = 2.0**53) -> int:
    """A count within a few standard deviations of the mean."""
    return int(min(max(round(mean + sd * rng.normal()), 0), most))
