r"""Combinations of digamma and trigamma from which the large terms have been taken on paper."""

from __future__ import annotations

from refengine.domains import Array
from refengine.special import _polygamma
from refengine.special._saddle_point import log1p_minus, log_minus_digamma, remainder, stirling_error
from refengine.special.digamma_difference import _DIGAMMA_SERIES, _slope, _trigamma_fall

_TRIGAMMA = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
_SERIES = tuple(c for k in reversed(_STIRLING) for c in (k, 0.0))  # in 1/x, from the highest power down to the constant
_SHIFT = 12


def trigamma_excess(xp: Array, a: Array) -> Array:
    r""":math:`a \psi'(a) - 1 = \sum_{j \ge 0} \frac{a}{(a+j)^2 (a+j+1)} > 0`, about 1/(2a)."""
    small, head = a < _SHIFT, 0.0 * a
    for j in range(_SHIFT):
        y = a + j
        head = head + xp.where(small, a / y / y / (y + 1), 0.0)
    y = xp.where(small, a + _SHIFT, a)
    r, series = 1 / y, 0.0 * y
    for c in reversed(_TRIGAMMA):
        series = (c + series) * r * r
    return head + (a / y) * (r / 2 + series)


def trigamma_excess_fall(xp: Array, a: Array, r: Array) -> Array:
    r""":math:`c(a) - c(a + r) \ge 0` for :math:`c(x) = x \psi'(x) - 1`, also where r is small."""
    large, b = a >= _SHIFT, a + r
    gap = r / a / b
    series = gap / 2 + gap * (1 / a + 1 / b) * _slope(_TRIGAMMA, 1 / a / a, 1 / b / b)
    return xp.where(large, series, a * _trigamma_fall(xp, a, r) - r * _polygamma.trigamma(xp, b))


def inverse_trigamma_lack(xp: Array, a: Array) -> Array:
    r""":math:`a - 1 / \psi'(a) > 0`, which nears 1/2."""
    return trigamma_excess(xp, a) / _polygamma.trigamma(xp, a)


def log_less_digamma_change(xp: Array, p: Array, q: Array, d: Array) -> Array:
    r""":math:`h(p) - h(q)` for :math:`h(x) = \log x - \psi(x)` and :math:`d = q - p`, also where d is small."""
    near, total = xp.abs(d) <= p / 2, 0.0 * (p + q)
    small = (p < _SHIFT) | (q < _SHIFT)
    for j in range(_SHIFT):
        a, b = p + j, q + j
        w = d / b / (a + 1)
        total = total + xp.where(small, d / b / a / (a + 1) + log1p_minus(xp, xp.where(near, -w, 0.0)), 0.0)
    a, b = xp.where(small, p + _SHIFT, p), xp.where(small, q + _SHIFT, q)
    s, t = 1 / a / a, 1 / b / b
    gap = d / a / b
    series = total + gap / 2 + gap * (1 / a + 1 / b) * _slope(_DIGAMMA_SERIES, s, t)
    return xp.where(near, series, log_minus_digamma(xp, p) - log_minus_digamma(xp, q))


def stirling_bend(xp: Array, p: Array, q: Array, d: Array) -> Array:
    r""":math:`S(q) - S(p) - d S'(p) \ge 0` for Stirling's error S and :math:`d = q - p`, also where d is small.

    The sum over j of the same of :math:`(x + 1/2) \log(1 + 1/x) - 1` at p + j and q + j.
    """
    near, total = xp.abs(d) <= p / 2, 0.0 * (p + q)
    small = (p < _SHIFT) | (q < _SHIFT)
    for j in range(_SHIFT):
        a, b = p + j, q + j
        w = d / b / (a + 1)
        bend = (b + 0.5) * log1p_minus(xp, xp.where(near, -w, 0.0)) + (d / a) * (d / b) / (a + 1) / 2
        total = total + xp.where(small, bend, 0.0)
    a, b = xp.where(small, p + _SHIFT, p), xp.where(small, q + _SHIFT, q)
    r, s = 1 / a, 1 / b
    # of the series as a polynomial in 1/x: its slope at 1/p and its second divided difference at 1/q, 1/p, 1/p
    value, slope, second = 0.0 * r, 0.0 * r, 0.0 * r
    for c in _SERIES:
        second = slope + s * second
        slope = value + r * slope
        value = c + r * value
    rest = (d * r) * (d * r) * s * (s * second + slope)
    # S'(p) = 1/(2p) - (log p - psi(p))
    tiny = (p < 1) & (q < 1)  # S(x) is remainder(x) - log(2 pi x) / 2
    change = remainder(xp, q) - remainder(xp, p) - (xp.log(q / p) / 2)
    change = xp.where(tiny, change, stirling_error(xp, q) - stirling_error(xp, p))
    return xp.where(near, total + rest, change + d * (log_minus_digamma(xp, p) - 0.5 / p))
