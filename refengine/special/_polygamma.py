r"""Derivatives of digamma for x > 0, :math:`\psi^{(n)}(x) = (-1)^{n+1} n! \sum_{k \ge 0} (x+k)^{-n-1}`.

All terms are positive: the first ones are added as they stand, the tail from 12 on is the asymptotic series
(NIST DLMF 5.15.8 and 5.15.9).
"""

from __future__ import annotations

from refengine.domains import Array

# B_2k: psi'(x) ~ 1/x + 1/(2x^2) + sum_k B_2k / x^(2k+1)
_TRIGAMMA = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
# (2k + 1) B_2k: -psi''(x) ~ 1/x^2 + 1/x^3 + sum_k (2k + 1) B_2k / x^(2k+2)
_TETRAGAMMA = tuple((2 * k + 1) * c for k, c in enumerate(_TRIGAMMA, 1))
_SHIFT = 12


def trigamma(xp: Array, x: Array) -> Array:
    r""":math:`\psi'(x)`."""
    head = xp.zeros_like(x)
    for k in range(_SHIFT):
        head = head + xp.where(x < _SHIFT, 1 / (x + k) / (x + k), 0.0)
    r = 1 / xp.where(x < _SHIFT, x + _SHIFT, x)
    return head + r * (1 + r / 2 + _even(_TRIGAMMA, r))


def tetragamma(xp: Array, x: Array) -> Array:
    r""":math:`\psi''(x) < 0`."""
    head = xp.zeros_like(x)
    for k in range(_SHIFT):
        head = head + xp.where(x < _SHIFT, 2 / (x + k) / (x + k) / (x + k), 0.0)
    r = 1 / xp.where(x < _SHIFT, x + _SHIFT, x)
    return -(head + r * r * (1 + r + _even(_TETRAGAMMA, r)))


def _even(coefficients: tuple[float, ...], r: Array) -> Array:
    series = 0.0 * r
    for c in reversed(coefficients):
        series = (c + series) * r * r
    return series
