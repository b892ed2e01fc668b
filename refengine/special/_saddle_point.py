r"""The pieces of a density near its mode, where everything large has been cancelled on paper.

After Loader, "Fast and accurate computation of binomial probabilities" (2000): a binomial or beta density is
:math:`\exp(-\text{deviance} - \text{Stirling errors})` times a power, and each piece keeps its relative accuracy.
"""

from __future__ import annotations

from refengine._arrays import special_functions
from refengine.domains import Array

# B_2k / (2k (2k - 1)): lgamma(x) ~ (x - 1/2) log x - x + log(2 pi)/2 + sum_k ... / x^(2k-1)  (NIST DLMF 5.11.1)
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
# B_2k / (2k): log x - psi(x) ~ 1/(2x) + sum_k ... / x^2k  (5.11.2)
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160)
_LARGE = 12
_SPLITTER = 2.0**27 + 1


def stirling_error(xp: Array, x: Array) -> Array:
    r""":math:`\log\Gamma(x) - (x - 1/2) \log x + x - \log(2\pi)/2`, to an ulp of 1 or better, for x > 0."""
    small = x < _LARGE
    total = xp.zeros_like(x)
    for k in range(_LARGE):
        y = xp.where(small, x + k, 1.0)
        total = (
            total + xp.where(small, (y + 0.5) * (xp.log1p(y) - xp.log(y)) - 1, 0.0)
            if k == 0
            else (total + xp.where(small, (y + 0.5) * xp.log1p(1 / y) - 1, 0.0))
        )
    r = 1 / xp.where(small, x + _LARGE, x)
    series = 0.0 * r
    for c in reversed(_STIRLING):
        series = c + series * r * r
    return total + series * r


def log_minus_digamma(xp: Array, x: Array) -> Array:
    r""":math:`\log x - \psi(x) > 0`, to a few ulp."""
    small = x < _LARGE
    y = xp.where(small, x, 1.0)
    r = 1 / xp.where(small, 1.0, x)
    series = 0.0 * r
    for c in reversed(_DIGAMMA):
        series = (c + series) * r * r
    return xp.where(small, xp.log(y) - special_functions(xp).digamma(y), r / 2 + series)


def log1p_minus(xp: Array, t: Array) -> Array:
    r""":math:`\log(1 + t) - t \le 0`, for |t| <= 1/2 from :math:`2 \operatorname{artanh}(r), r = t / (2 + t)`."""
    near = xp.abs(t) <= 0.5
    u = xp.where(near, t, 0.0)
    r = u / (2 + u)
    series = 0.0 * r
    for k in range(37, 1, -2):
        series = (1 / k + series) * r * r
    return xp.where(near, r * (2 * series - u), xp.log1p(t) - t)


def product_minus(xp: Array, x: Array, y: Array, z: Array) -> Array:
    """``x * y - z`` with one rounding error of the result: the product is split into two exact halves (Dekker)."""
    scale = xp.where(xp.abs(y) > 2.0**500, 2.0**-600, 1.0)
    y, z = y * scale, z * scale
    high = x * y
    x1, y1 = _upper(x), _upper(y)
    x2, y2 = x - x1, y - y1
    low = ((x1 * y1 - high) + x1 * y2 + x2 * y1) + x2 * y2
    return ((high - z) + low) / scale


def _upper(x: Array) -> Array:
    c = _SPLITTER * x
    return c - (c - x)
