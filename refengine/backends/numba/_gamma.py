"""Gamma and digamma in centred form, for scalars: what the kernels of the beta and binomial families share.

With ``m = x - 1/2`` Stirling's series has no term of its own for the half powers (NIST DLMF 5.11.8 with h = 1/2):

    lgamma(m + 1/2) = m log m - m + log(2 pi)/2 + sigma(m),    psi(m + 1/2) = log m + sigma'(m),

so that in a beta function the linear terms cancel to one half. sigma and sigma' are quotients of polynomials in 1/m
(`refengine.backends.numba._polynomials`).
"""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine.backends.numba import _polynomials

__all__: list[str] = []

_SPLITTER = 2.0**27 + 1
_LARGE_DIFFERENCE, _LARGE_TRIGAMMA = 10.0, 12.0  # a derivative takes one more power of the argument
_SQRT_HALF = np.int64(np.float64(math.sqrt(0.5)).view(np.int64))
_LN2, _LN2_LOW = float.fromhex("0x1.62e42fefa38p-1"), float.fromhex("0x1.ef35793c7673p-45")  # k _LN2 is exact
SMALLEST = 0.75  # of the shapes that sigma serves; smaller ones are raised by one
# B_2k(1/2) / 2k for k = 1, 2, ...: psi(m + 1/2) = log m - sum_k ... / m^2k
_CENTRED = np.array(
    [
        -1 / 24,
        7 / 960,
        -31 / 8064,
        127 / 30720,
        -511 / 67584,
        1414477 / 67092480,
        -8191 / 98304,
        118518239 / 267386880,
        -5749691557 / 1882718208,
        91546277357 / 3460300800,
    ]
)
# the same as coefficients of r^0, r^1, ... for r = 1/m: psi(m + 1/2) - log m, and its derivative to m
_DIGAMMA_SERIES = np.zeros(2 * len(_CENTRED) + 1)
_DIGAMMA_SERIES[2::2] = -_CENTRED
_TRIGAMMA_SERIES = np.zeros(2 * len(_CENTRED) + 2)
_TRIGAMMA_SERIES[1] = 1.0
_TRIGAMMA_SERIES[3::2] = 2 * np.arange(1, len(_CENTRED) + 1) * _CENTRED
_TETRAGAMMA_SERIES = np.zeros(2 * len(_CENTRED) + 3)
_TETRAGAMMA_SERIES[1:] = np.arange(len(_TRIGAMMA_SERIES)) * _TRIGAMMA_SERIES
# B_2k / (2k (2k - 1)) for k = 1, 2, ...
_STIRLING = np.array([1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400])
_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
_ONE_MINUS_EULER = 0.42278433509846713
_ROOT, _ROOT_LOW = float.fromhex("0x1.762d86356be3fp+0"), float.fromhex("0x1.b86a722197829p-54")  # of digamma


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def sigma(m: float) -> tuple[float, float]:
    """``sigma(m)`` and its derivative for m >= 1/4: no branch, so that loops over it use the vector unit."""
    r = 1.0 / m
    value = -r * _polynomials.sigma_above(r) / _polynomials.sigma_below(r)
    return value, r * r * _polynomials.slope_above(r) / _polynomials.slope_below(r)


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def log1p_minus(t: float) -> float:
    """``log(1 + t) - t`` for abs(t) <= 1/2: log(1 + t) is 2 artanh(r) and t is 2 r / (1 - r), with r = t / (2 + t)."""
    r = t / (2.0 + t)
    u = r * r
    return r * (2.0 * u * _polynomials.artanh_rest(u) - t)


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def log1p_parts(t: float, share: float) -> tuple[float, float]:
    """``log(1 + t)`` and, where abs(t) <= 1/2, ``log(1 + t) - t``; ``share`` is 1 + t, for where t is near -1.

    No branch; share must be normal. Beyond 1/2 it is ``2^k (1 + f)`` with f between sqrt(1/2) - 1 and sqrt(2) - 1.
    """
    near = abs(t) <= 0.5
    v = 1.0 + t if t > -0.5 else share
    lost = (t - (v - 1.0)) / v if -0.5 < t < 1e18 else 0.0  # what rounding took from 1 + t
    bits = np.float64(v).view(np.int64)
    k = (bits - _SQRT_HALF) >> 52
    reduced = np.int64(bits - (k << 52)).view(np.float64) - 1.0
    f = t if near else reduced
    rest = log1p_minus(f)
    return f + rest if near else k * _LN2 + (f + (rest + (lost + k * _LN2_LOW))), rest


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def log_quotient(x: float, y: float) -> float:
    """``log(x / y)`` for positive numbers of any size."""
    quotient = x / y
    return math.log(quotient) if 1e-290 < quotient < 1e290 else math.log(x) - math.log(y)


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def log_share(t: float, x: float, ratio: float) -> float:
    """``log(x * ratio)``, given ``t = x * ratio - 1`` without cancellation."""
    if t > -0.5:
        return math.log1p(t)
    return math.log(x * ratio) if x > 1e-290 else math.log(x * 2.0**54 * ratio) - 54 * math.log(2.0)


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def two_sum(x: float, y: float) -> tuple[float, float]:
    """``x + y`` rounded, and what rounding took (Knuth)."""
    s = x + y
    rest = s - x
    return s, (x - (s - rest)) + (y - rest)


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def minus_product(z: float, x: float, y: float, y_low: float) -> float:
    """``z - x (y + y_low)`` for 0 <= x <= 1, rounded about once (Veltkamp's split, Dekker's product)."""
    scale = 1e-30 if y > 1e290 else 1.0  # the split must not overflow
    z, y, y_low = z * scale, y * scale, y_low * scale
    high = x * y
    c, d = _SPLITTER * x, _SPLITTER * y
    x_high, y_high = c - (c - x), d - (d - y)
    x_rest, y_rest = x - x_high, y - y_high
    low = ((x_high * y_high - high) + x_high * y_rest + x_rest * y_high) + x_rest * y_rest
    return ((z - high) - (low + x * y_low)) / scale


@numba.njit(error_model="numpy", cache=True)
def divided_difference(coefficients: np.ndarray, r: float, q: float) -> float:
    """``(p(r) - p(q)) / (r - q)`` for the polynomial p, by Horner's scheme."""
    value, slope = 0.0, 0.0
    for k in range(len(coefficients) - 1, -1, -1):
        slope = slope * q + value
        value = value * r + coefficients[k]
    return slope


@numba.njit(error_model="numpy", cache=True)
def digamma_difference(x: float, d: float) -> float:
    """``psi(x + d) - psi(x)`` for x > 0, d >= 0.

    While x is small the terms d / (y (y + d)) are added as one fraction: its numerator and denominator only grow.
    """
    total = 0.0
    if x < 1.0:
        total = d / (x + d) / x
        x += 1.0
    if x < _LARGE_DIFFERENCE:
        c = 1.0 / (x + d)
        numerator, denominator, k = 0.0, 1.0, 0.0
        while x + k < _LARGE_DIFFERENCE:
            term = (x + k) * (1.0 + k * c)
            numerator = numerator * term + denominator
            denominator *= term
            k += 1.0
        total += numerator / denominator * (d * c)
        x += k
    m = x - 0.5
    r, q = 1.0 / m, 1.0 / (m + d)
    if d > 1e300:
        return total + (math.log(d) - math.log(m)) - r * divided_difference(_DIGAMMA_SERIES, r, 0.0)
    return total + math.log1p(d / m) - d * r * q * divided_difference(_DIGAMMA_SERIES, r, q)


@numba.njit(error_model="numpy", cache=True)
def trigamma(x: float) -> float:
    """``psi'(x)`` for x > 0."""
    total = 0.0
    while x < _LARGE_TRIGAMMA:
        total += 1.0 / x / x
        x += 1.0
    return total + divided_difference(_TRIGAMMA_SERIES, 1.0 / (x - 0.5), 0.0) / (x - 0.5)


@numba.njit(error_model="numpy", cache=True)
def trigamma_fall(x: float, d: float) -> float:
    """``psi'(x) - psi'(x + d)`` for x > 0, d >= 0: a sum of differences of squares, each as a product."""
    total = 0.0
    while x < _LARGE_TRIGAMMA:
        total += (d / (x + d) / x) * (1.0 / x + 1.0 / (x + d))
        x += 1.0
    m = x - 0.5
    r, q = 1.0 / m, 1.0 / (m + d)
    return total + (d * r * q) * divided_difference(_TRIGAMMA_SERIES, r, q)


@numba.njit(error_model="numpy", cache=True)
def tetragamma(x: float) -> float:
    """``psi''(x)`` for x > 0."""
    total = 0.0
    while x < _LARGE_TRIGAMMA:
        total += 2.0 / x / x / x
        x += 1.0
    r = 1.0 / (x - 0.5)
    return -(total + divided_difference(_TETRAGAMMA_SERIES, r, 0.0) * r)


@numba.njit(error_model="numpy", cache=True)
def lgamma(x: float) -> float:
    """``log Gamma(x)`` for x > 0: up to 2.5 with the exact distance s to a whole number, near 2."""
    if x > 2.5:
        m = x - 0.5
        return m * (math.log(m) - 1.0) + (_HALF_LOG_TWO_PI + sigma(m)[0])
    s = x if x < 0.5 else x - 1.0 if x <= 1.5 else x - 2.0
    near_two = s * (_ONE_MINUS_EULER + s * (_polynomials.two_above(s) / _polynomials.two_below(s)))
    if x > 1.5:
        return near_two
    return near_two - math.log1p(s) - (math.log(x) if x < 0.5 else 0.0)


@numba.njit(error_model="numpy", cache=True)
def digamma(x: float) -> float:
    """``psi(x)`` for x > 0: between 1 and 2 a multiple of the distance to the root."""
    if x > 2.0:
        return math.log(x - 0.5) + sigma(x - 0.5)[1]
    s = x if x < 1.0 else x - 1.0
    distance = (s - (_ROOT - 1.0)) - _ROOT_LOW
    return distance * _polynomials.root_above(s) / _polynomials.root_below(s) - (1.0 / x if x < 1.0 else 0.0)


@numba.njit(error_model="numpy", cache=True)
def stirling_error(x: float) -> tuple[float, float]:
    """``lgamma(x) - (x - 1/2) log x + x - log(2 pi)/2`` and its derivative, for x > 0: sigma, moved by half a step."""
    if x < 1.0:
        log_x = math.log(x)
        value = (lgamma(x) + 0.5 * log_x) - x * log_x + (x - _HALF_LOG_TWO_PI)
        return value, digamma(x + 1.0) - log_x - 0.5 / x
    r = 1.0 / x
    if x > 12.0:
        value, slope = 0.0, 0.0
        for k in range(len(_STIRLING) - 1, -1, -1):
            value, slope = (_STIRLING[k] + value) * r * r, ((2 * k + 1) * _STIRLING[k] + slope) * r * r
        return value * x, -slope
    rest = log1p_minus(-0.5 * r)
    value, slope = sigma(x - 0.5)
    return 0.25 * r + (x - 0.5) * rest + value, rest + slope
