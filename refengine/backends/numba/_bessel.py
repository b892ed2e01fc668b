"""Modified Bessel functions for scalars: what the kernels of the special functions and of directions share.

Below s = sqrt(v^2 + x^2) = 32 series of positive terms, added until they no longer matter; from there on the uniform
expansion, whose coefficients are exact rational numbers (`refengine.special._bessel`).
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine.special import _bessel

__all__: list[str] = []

LARGE = 32.0
_TERMS = _bessel.TERMS
_TINY = 2.0**-60


def _square(table: tuple[tuple[float, ...], ...]) -> np.ndarray:
    square = np.zeros((_TERMS, _TERMS + 1))
    for k, row in enumerate(table):
        square[k, : len(row)] = row
    return square


_RATIO, _SLOPE, _INTEGRAL = map(_square, (_bessel.RATIO, _bessel.SLOPE, _bessel.INTEGRAL))


@numba.njit(error_model="numpy", cache=True)
def expansion(table: np.ndarray, s: float, u: float) -> float:
    """``sum_k table[k](u) / s^(k+1)``, added until two terms in a row no longer matter: every other one may vanish."""
    total, power, before = 0.0, 1.0, 1.0
    for k in range(_TERMS):
        power /= s
        inner = 0.0
        for j in range(k + 1, -1, -1):
            inner = inner * u + table[k, j]
        term = inner * power
        total += term
        if max(abs(term), abs(before)) <= _TINY * abs(total):
            break
        before = term
    return total


@numba.njit(error_model="numpy", cache=True)
def hypergeometric(b: float, q: float) -> float:
    """``0F1(; b; q) - 1`` for q >= 0."""
    term, total, k = 1.0, 0.0, 0.0
    while True:
        term *= q / (b + k) / (k + 1.0)
        total += term
        k += 1.0
        if not (term > _TINY * total and k < 400.0):
            return total


@numba.njit(error_model="numpy", cache=True)
def length(x: float, v: float) -> float:
    """``sqrt(x^2 + v^2)`` without overflow."""
    return math.hypot(x, v)


@numba.njit(error_model="numpy", cache=True)
def ratio(x: float, v: float) -> float:
    """``I_{v+1}(x) / I_v(x)`` for finite x >= 0: as a continued fraction, from far enough down, or expanded."""
    s = length(x, v)
    if s >= LARGE:
        t = v / s
        return x / s * (1.0 / (1.0 + t) + expansion(_RATIO, s, t * t))
    k = float(math.floor(12.0 + 1.25 * x))
    y = 0.0  # x times the ratio
    while k > 1.0:
        y = x * x / (2.0 * (v + k) + y)
        k -= 1.0
    return x / (2.0 * (v + 1.0) + y)


@numba.njit(error_model="numpy", cache=True)
def ratio_slope(x: float, v: float) -> float:
    """The derivative of the ratio."""
    s = length(x, v)
    if s >= LARGE:
        t = v / s
        return (t / (1.0 + t) + expansion(_SLOPE, s, t * t)) / s
    q, term, total, k = 0.5 * x * x, 1.0, 1.0, 1.0
    while True:
        term *= q * (2.0 * (v + k) - 1.0) / ((v + k + 1.0) * (2.0 * v + k + 1.0) * k)
        total += term
        k += 1.0
        if not (term > _TINY * total and k < 400.0):
            break
    bessel = 1.0 + hypergeometric(v + 1.0, 0.5 * q)
    return total / bessel / bessel / (2.0 * (v + 1.0))


@numba.njit(error_model="numpy", cache=True)
def log_far(x: float, v: float) -> float:
    """``log I_v(x)`` where s is large."""
    s = length(x, v)
    t = v / s
    quotient = x / (v + s)
    power = 0.0 if v == 0.0 else v * (math.log(quotient) if quotient > 1e-300 else math.log(x) - math.log(v + s))
    return s + power - 0.5 * math.log(2.0 * math.pi * s) + expansion(_INTEGRAL, s, t * t)


@numba.njit(error_model="numpy", cache=True)
def log_hypergeometric(x: float, v: float, stirling: float) -> float:
    """``log 0F1(; v + 1; x^2 / 4)``, what is left of ``log I_v`` without its power; ``stirling`` is that error of v."""
    s = length(x, v)
    if s < LARGE or x * x <= 4.0 * (v + 1.0):
        return math.log1p(hypergeometric(v + 1.0, 0.25 * x * x))
    t = v / s
    rest = expansion(_INTEGRAL, s, t * t)
    if v == 0.0:
        return s - 0.5 * math.log(2.0 * math.pi * s) + rest
    gap = x / (s + v) * x  # s - v
    return gap - v * math.log1p(0.5 * gap / v) - 0.5 * math.log(s / v) + stirling + rest


@numba.njit(error_model="numpy", cache=True)
def circle(x: float) -> tuple[float, float]:
    """``log(2 pi exp(-x) I_0(x))`` and ``1 - I_1(x) / I_0(x)``.

    The latter from the Riccati equation R' = 1 - R^2 - R/x, below 32 with ``R' = sum / (2 I_0^2)`` as a series.
    """
    if x >= LARGE:
        lack = -expansion(_RATIO, x, 0.0)
        return expansion(_INTEGRAL, x, 0.0) + 0.5 * math.log(2.0 * math.pi / x), lack
    bessel = 1.0 + hypergeometric(1.0, 0.25 * x * x)
    r = ratio(x, 0.0)
    share = r / x if x > 0.0 else 0.5
    lack = 1.0 - r if x < 1.0 else (ratio_slope(x, 0.0) + share) / (1.0 + r)
    return math.log(2.0 * math.pi * bessel * math.exp(-x)), lack
