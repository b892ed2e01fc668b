r"""What Stirling's formula leaves out of the logarithm of the gamma function."""

from __future__ import annotations

import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.domains import Array, Positive
from refengine.special import _saddle_point

__all__ = ["stirling_error", "stirling_error_value_and_vjp", "stirling_error_vjp"]

# B_2k / (2k): S'(x) ~ -sum_k ... / x^2k, the derivative of NIST DLMF 5.11.1
_SLOPE = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160)
_LARGE, _STEPS = 12, 12
_SMALLEST = 0.35  # below it the step to x + 1 is computed as it is written
_TERMS = (36, 17, 12, 10, 9, 8, 8, 7, 7, 7, 6, 6)  # of the series of a step from x + 0, x + 1, ...


def stirling_error(x: Positive) -> Array:
    r"""Error of Stirling's formula, to a few ulp for every x > 0.

    .. math:: S(x) = \log\Gamma(x) - \left(x - \tfrac12\right) \log x + x - \tfrac12 \log(2\pi)

    x: any shape, which the result has (nothing to broadcast). float32 for float32, else float64, and float64 inside.
    Outside x > 0: nan. From 8 on Stirling's series (NIST DLMF 5.11.1); below, with r = 1/(2x + 1), the positive terms
    of :math:`S(x) - S(x+1) = \operatorname{artanh}(r)/r - 1`.

    >>> round(float(stirling_error(1.0)), 15)  # 1 - log(2 pi) / 2
    0.081061466795327
    """
    xp, dtype, x = elementwise(x=x)
    with np.errstate(all="ignore"):
        r = 1 / (2 * x + 1)
        step = xp.where(x < _SMALLEST, (x + 0.5) * (xp.log1p(x) - xp.log(x)) - 1, _series(r, _ONE_OVER, _TERMS[0]))
        small = x < 1
        value = _saddle_point.stirling_error(xp, xp.where(small, x + 1, x)) + xp.where(small, step, 0.0)
        return xp.astype(xp.where(x > 0, value, xp.nan), dtype, copy=False)


def stirling_error_vjp(g: Array, x: Positive) -> tuple[Array]:
    r"""Cotangent of x.

    .. math:: S'(x) = \psi(x) - \log x + \frac{1}{2x}, \qquad
              S'(x) - S'(x+1) = -\sum_{j \ge 1} \frac{4j}{2j+1} r^{2j+1}, \quad r = \frac{1}{2x + 1},

    steps of one sign, by which x climbs to where the derivative of Stirling's series begins to be exact.
    """
    xp, dtype, g, x1 = elementwise(g=g, x=x)
    with np.errstate(all="ignore"):
        inside = x1 > 0
        return (unbroadcast(g * xp.where(inside, _slope(xp, xp.where(inside, x1, 1.0)), xp.nan), x, dtype),)


def stirling_error_value_and_vjp(g: Array, x: Positive) -> tuple[Array, tuple[Array]]:
    """`stirling_error` and `stirling_error_vjp`; kernels make one pass of both.

    >>> round(float(stirling_error_value_and_vjp(1.0, 1.0)[1][0]), 12)  # 1/2 minus Euler's constant
    -0.077215664902
    """
    return stirling_error(x), stirling_error_vjp(g, x)


_ONE_OVER = tuple(1 / (2 * j + 1) for j in range(1, max(_TERMS) + 1))
_SLOPE_OF_STEP = tuple(4 * j / (2 * j + 1) for j in range(1, max(_TERMS) + 1))


def _series(r: Array, coefficients: tuple[float, ...], terms: int) -> Array:
    """``sum_j coefficients[j-1] r^2j``."""
    series = 0.0 * r
    for c in reversed(coefficients[:terms]):
        series = (c + series) * r * r
    return series


def _slope(xp: Array, x: Array) -> Array:
    first = (xp.log1p(x) - xp.log(x)) - (1 / x + 1 / (x + 1)) / 2
    climb = 0.0 * x
    for k, terms in enumerate(_TERMS):
        r = 1 / (2 * xp.maximum(x + k, _SMALLEST) + 1)
        step = -r * _series(r, _SLOPE_OF_STEP, terms)
        climb = climb + (xp.where(x < _SMALLEST, first, step) if k == 0 else step)
    small = x < _LARGE
    y = 1 / xp.where(small, x + _STEPS, x)
    return xp.where(small, climb, 0.0) - _series(y, _SLOPE, len(_SLOPE))
