"""Exponentials of exponentials, logarithms of small probabilities: what closed distribution functions share."""

from __future__ import annotations

from math import fsum, log, perm
from typing import Any

from refengine.domains import Array
from refengine.special._saddle_point import log1p_minus
from refengine.special.digamma_difference import _slope

EULER = 0.57721566490153286061


def log1mexp(xp: Any, w: Array, log_w: Array) -> Array:
    """``log(1 - exp(-w))`` for w >= 0, given its logarithm for where w underflows."""
    near = w < log(2)
    u = xp.where(near, w, 1.0)
    value = xp.where(near, xp.log(-xp.expm1(-u)), xp.log1p(-xp.exp(-w)))
    return xp.where(w < 1e-8, log_w - w / 2, value)


def over_expm1(xp: Any, w: Array) -> Array:
    """``w / (exp(w) - 1)`` for w >= 0; 1 at 0."""
    w = xp.minimum(w, xp.asarray(1000.0))
    return xp.where(w == 0, 1.0, w / xp.expm1(xp.where(w == 0, 1.0, w)))


def expm1_minus(xp: Any, v: Array) -> Array:
    """``exp(v) - 1 - v >= 0``."""
    return xp.where(xp.abs(v) <= 1, v * expm1_minus_over(xp, v), xp.expm1(v) - v)


def expm1_minus_over(xp: Any, v: Array) -> Array:
    """``(exp(v) - 1 - v) / v`` for abs(v) <= 1."""
    u = xp.where(xp.abs(v) <= 1, v, 0.0)
    series = 0.0 * u
    for k in range(20, 2, -1):
        series = (1 + series) * u / k
    return u / 2 * (1 + series)


def minus_log(xp: Any, x: Array, y: Array) -> Array:
    """``r - 1 - log(r) >= 0`` for r = x / y > 0."""
    r = x / y
    near = xp.abs(r - 1) <= 0.5
    return xp.where(near, -log1p_minus(xp, xp.where(near, r - 1, 0.0)), r - 1 - log_ratio(xp, x, y))


def log_ratio(xp: Any, x: Array, y: Array) -> Array:
    """``log(x / y)`` for positive x and y of any size."""
    quotient = x / y
    fits = (quotient > 2.0**-900) & (quotient < 2.0**900)
    return xp.where(fits, xp.log(xp.where(fits, quotient, 1.0)), xp.log(x) - xp.log(y))


def power(xp: Any, t: Array, factor: Array) -> Array:
    """``factor * exp(t)``, where the exponential alone may overflow or underflow."""
    half = xp.exp(t / 2)
    return half * (factor * half)


# B_2k / (2k)!
_EULER_MACLAURIN = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000)


def zeta(n: int) -> float:
    """Riemann's zeta at a whole number from 2 on, by Euler and Maclaurin's formula from 20 on (NIST DLMF 25.2.9)."""
    rest = [20.0 ** (1 - n) / (n - 1), 20.0**-n / 2]
    rest += [c * perm(n + 2 * k, 2 * k + 1) * 20.0 ** (-n - 1 - 2 * k) for k, c in enumerate(_EULER_MACLAURIN)]
    return fsum([*rest, *(float(k) ** -n for k in range(1, 20))])


_LGAMMA = tuple(zeta(n) / n for n in range(2, 56))


def lgamma1p_rest(xp: Any, r: Array) -> Array:
    r""":math:`\log\Gamma(1 + r) + \gamma r = \sum_{n \ge 2} \zeta(n) (-r)^n / n` for abs(r) <= 1/2 (DLMF 5.7.3)."""
    series = 0.0 * r
    for c in reversed(_LGAMMA):
        series = c - r * series
    return r * r * series


# B_2k: psi'(x) - 1/x ~ 1/(2 x^2) + sum_k B_2k / x^(2k+1)
_TRIGAMMA = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)


def trigamma_minus(xp: Any, x: Array) -> Array:
    r""":math:`\psi'(x) - 1/x = \sum_k 1 / ((x+k)^2 (x+k+1)) > 0`; the tail by its series (NIST DLMF 5.15.8)."""
    low = x < 12
    head = 0.0 * x
    for k in range(12):
        head = head + xp.where(low, 1 / (x + k) / (x + k) / (x + k + 1), 0.0)
    r = 1 / xp.where(low, x + 12, x)
    series = 0.0 * r
    for c in reversed(_TRIGAMMA):
        series = c + series * r * r
    return head + r * r * (0.5 + r * series)


def trigamma_minus_fall(xp: Any, x: Array, d: Array) -> Array:
    """``(psi'(x) - 1/x) - (psi'(x+d) - 1/(x+d))``, every term with the subtraction done on paper."""
    low = x < 12
    fall = 0.0 * (x + d)
    for k in range(12):
        y, z = x + k, x + k + d
        terms = 1 / (y + 1) / y + 1 / (z + 1) / z + 1 / (y + 1) / (z + 1)
        fall = fall + xp.where(low, d / z / y * terms, 0.0)
    y = xp.where(low, x + 12, x)
    r, q = 1 / y, 1 / (y + d)
    step = d / (y + d) / y
    tail = 0.0 * r
    for c in reversed(_TRIGAMMA):
        tail = (c + tail) * q * q
    return fall + step * ((r + q) / 2 + tail) + r * (step * (r + q) * _slope(_TRIGAMMA, r * r, q * q))
