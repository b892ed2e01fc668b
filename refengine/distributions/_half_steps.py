r"""Gamma functions half steps apart, where the leading terms of large arguments have been cancelled on paper.

What the multivariate t, Wishart and LKJ normalisers are made of. With :math:`h = \nu/2`, D steps of one half are D/2
whole ones, finite sums without cancellation, and where D is odd one half of a step, a series.
"""

from __future__ import annotations

from math import log, pi
from typing import Any

from refengine.domains import Array
from refengine.special._saddle_point import _STIRLING, log1p_minus, log_minus_digamma, stirling_error

# (4^k - 1) B_2k / (2k): with z = 2h, psi(h + 1/2) - psi(h) - 1/(2h) ~ 2 sum_k ... / z^2k  (NIST DLMF 5.11.2 at h, 2h)
_SERIES = (1 / 4, -1 / 8, 1 / 4, -17 / 16, 31 / 4, -691 / 8, 5461 / 4, -929569 / 32)
_LARGE = 32
# B_2k: psi'(x) ~ 1/x + 1/(2x^2) + sum_k ... / x^(2k+1)  (derivative of 5.11.2)
_TRIGAMMA = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_FAR = 12


def log_ratio(xp: Any, h: Array, steps: int) -> Array:
    r""":math:`\log\Gamma(h + \tfrac n2) - \log\Gamma(h) - \tfrac n2 \log h` for n steps."""
    if steps % 2:
        start, total = 0.5, _half_step_of_log(xp, h)
    else:
        start, total = 0.0, 0.0 * h
    return sum((xp.log1p((start + k) / h) for k in range(steps // 2)), total)


def digamma_rise(xp: Any, h: Array, steps: int) -> Array:
    r""":math:`\psi(h + \tfrac n2) - \psi(h) - \tfrac n{2h}` for n steps, the derivative of `log_ratio`."""
    if steps % 2:
        start, total = 0.5, _half_step_of_digamma(xp, h)
    else:
        start, total = 0.0, 0.0 * h
    return total - sum((start + k) / h / (h + start + k) for k in range(steps // 2))


def _half_step_of_digamma(xp: Any, h: Array) -> Array:
    z, total = 2 * h, 0.0 * h
    for k in range(0, _LARGE, 2):
        total = total + 2 / ((z + k) * (z + k + 1)) / (z + k + 2)
    far = z >= _LARGE
    u, series = 1 / xp.where(far, z, z + _LARGE), 0.0 * h
    for c in reversed(_SERIES):
        series = (c + series) * u * u
    return xp.where(far, 0.0, total) + 2 * series


def _half_step_of_log(xp: Any, h: Array) -> Array:
    z = 2 * h
    total = (xp.log(z) + xp.log(z + 2)) / 2 - xp.log1p(z)
    for k in range(2, _LARGE, 2):
        total = total + xp.log1p(-1 / (z + k + 1) / (z + k + 1)) / 2
    far = z >= _LARGE
    u, series = 1 / xp.where(far, z, z + _LARGE), 0.0 * h
    for k in range(len(_SERIES), 0, -1):
        series = (-_SERIES[k - 1] / (2 * k - 1) + series) * u * u
    return xp.where(far, 0.0, total) + series / u


def stirling_rest(xp: Any, h: Array, steps: int) -> Array:
    r""":math:`h \log h - h - \log\Gamma(h - \tfrac n2)`: what is left of gamma without :math:`h^h e^{-h}`."""
    b, y = h - steps / 2, steps / 2 / h
    near = y <= 0.5
    power = xp.where(near, -h * log1p_minus(xp, -xp.where(near, y, 0.0)), -h * xp.log(b / h) - steps / 2)
    return power + (steps + 1) / 2 * xp.log(b) - log(2 * pi) / 2 - stirling_error(xp, b)


def log_minus_digamma_below(xp: Any, h: Array, steps: int) -> Array:
    r""":math:`\log h - \psi(h - \tfrac n2)`."""
    b, y = h - steps / 2, steps / 2 / h
    near = y <= 0.5
    return log_minus_digamma(xp, b) + xp.where(near, -xp.log1p(-xp.where(near, y, 0.0)), xp.log(h / b))


def trigamma_rest(xp: Any, x: Array) -> Array:
    r""":math:`\psi'(x) - 1/x > 0`."""
    far, total = x >= _FAR, 0.0 * x
    for k in range(_FAR):
        total = total + 1 / (x + k) / (x + k) / (x + k + 1)
    r = 1 / xp.where(far, x, x + _FAR)
    series = 0.0 * x
    for c in reversed(_TRIGAMMA):
        series = (c + series) * r * r
    return xp.where(far, 0.0, total) + r * (r / 2 + series)


def trigamma_fall(xp: Any, h: Array, steps: int) -> Array:
    r""":math:`\tfrac n{2h} + (h + \tfrac n2) (\psi'(h + \tfrac n2) - \psi'(h))`, of the order of h^-2 for large h.

    With :math:`j = 0, 1, \dots` or :math:`\tfrac12, \tfrac32, \dots` it is the sum of
    :math:`(2 h j + j^2 - h n/2) / (h (h+j)^2)` and, for odd n, what half a step leaves.
    """
    half = steps / 2
    if steps % 2:
        start, total = 0.5, (h + half) * _half_step_of_trigamma(xp, h) - half / 2 / h / h
    else:
        start, total = 0.0, 0.0 * h
    for k in range(steps // 2):
        j = start + k
        total = total + ((2 * j - half) + j * j / h) / (h + j) / (h + j)
    return total


def _half_step_of_trigamma(xp: Any, h: Array) -> Array:
    """``psi'(h + 1/2) - psi'(h) + 1 / (2 h^2)``, the derivative of `_half_step_of_digamma`."""
    z, total = 2 * h, 0.0 * h
    for k in range(0, _LARGE, 2):
        a, b, c = z + k, z + (k + 1), z + (k + 2)
        total = total - 4 / (a * b) / c * (1 / a + 1 / b + 1 / c)
    far = z >= _LARGE
    u, series = 1 / xp.where(far, z, z + _LARGE), 0.0 * h
    for k in range(len(_SERIES), 0, -1):
        series = (-8 * k * _SERIES[k - 1] + series) * u * u
    return xp.where(far, 0.0, total) + series * u


def divergence(xp: Any, p: Array, q: Array, steps: int) -> Array:
    r""":math:`R(p) - R(q) + (q - p) R'(p)` for the R of `stirling_rest`, whose derivative is `log_minus_digamma_below`.

    With :math:`d = q - p, b = p - \tfrac n2, c = q - \tfrac n2, \phi(t) = \log(1 + t) - t`, of the three parts of R

    .. math:: -\tfrac{n+1}2 \phi(d/b), \qquad q\, \phi\left(\frac{n d}{2 b q}\right), \qquad
              \sum_k \left[ \left( c_k + \tfrac12 \right) \phi\left(\frac{-d}{c_k (b_k+1)}\right)
              + \frac{d^2}{2 b_k c_k (b_k + 1)} \right], \; b_k = b + k, c_k = c + k:

    powers, what is left of h log h, and Stirling's errors, which end in their series. Nothing cancels where d is small.
    """
    d, b, c = q - p, p - steps / 2, q - steps / 2
    value = q * _bent(xp, steps / 2 * d / b / q, p / b * (c / q)) - (steps + 1) / 2 * _bent(xp, d / b, c / b)
    for _ in range(_FAR):
        value = value + (c + 0.5) * _bent(xp, -d / c / (b + 1), (c + 1) / c * (b / (b + 1)))
        value = value + (d / b) * (d / c) / (2 * (b + 1))
        b, c = b + 1, c + 1
    r, s = 1 / b, 1 / c
    for k, coefficient in enumerate(_STIRLING[:7]):
        power = 2 * k + 1
        for j in range(1, power + 1):
            value = value + (coefficient * j) * ((d * r) ** 2 * r ** (j - 1) * s ** (power + 1 - j))
    return value


def _bent(xp: Any, t: Array, ratio: Array) -> Array:
    """``log(1 + t) - t``, where 1 + t is the ratio."""
    near = xp.abs(t) <= 0.5
    return xp.where(near, log1p_minus(xp, xp.where(near, t, 0.0)), xp.log(ratio) - t)
