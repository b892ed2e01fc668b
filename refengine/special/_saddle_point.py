r"""The pieces of a density near its mode, where everything large has been cancelled on paper.

After Loader, "Fast and accurate computation of binomial probabilities" (2000): a binomial or beta density is
:math:`\exp(-\text{deviance} - \text{Stirling errors})` times a power, and each piece keeps its relative accuracy.
"""

from __future__ import annotations

from math import log, pi, sqrt

from refengine.domains import Array

# B_2k / (2k (2k - 1)): lgamma(x) ~ (x - 1/2) log x - x + log(2 pi)/2 + sum_k ... / x^(2k-1)  (NIST DLMF 5.11.1)
_STIRLING = (
    *(1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400),
    *(43867 / 244188, -174611 / 125400),
)
# B_2k / (2k): log x - psi(x) ~ 1/(2x) + sum_k ... / x^2k  (5.11.2)
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160, 43867 / 14364)
# B_2k: psi'(x) ~ 1/x + 1/(2 x^2) + sum_k ... / x^(2k+1)
_TRIGAMMA = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_CLIMB = 12
# terms that matter of the series in 1 / (2y + 1)^2 for y in [1, 2), [2, 3), ..., [7, 8)
_STEP_TERMS = (17, 12, 10, 9, 8, 8, 7)
_SPLITTER = 2.0**27 + 1


def stirling_error(xp: Array, x: Array) -> Array:
    r""":math:`S(x) = \log\Gamma(x) - (x - 1/2) \log x + x - \log(2\pi)/2`, to an ulp of 0.1 for x >= 1, of 1 below.

    :math:`S(y) - S(y+1) = (y + 1/2) \log(1 + 1/y) - 1 = \operatorname{artanh}(r)/r - 1, r = 1/(2y + 1)`: a series
    of positive terms, by which arguments below 8 climb to where Stirling's series begins to be exact.
    """
    small = x < len(_STEP_TERMS) + 1
    first = xp.where(
        x < 1, (x + 0.5) * (xp.log1p(x) - xp.log(x)) - 1, _stirling_step(xp.maximum(x, 1.0), _STEP_TERMS[0])
    )
    climb = sum((_stirling_step(x + k, terms) for k, terms in enumerate(_STEP_TERMS[:-1], 1)), first)
    r = 1 / xp.where(small, x + len(_STEP_TERMS), x)
    series = 0.0 * r
    for c in reversed(_STIRLING):
        series = c + series * r * r
    return xp.where(small, climb, 0.0) + series * r


def _stirling_step(y: Array, terms: int) -> Array:
    r = 1 / (2 * y + 1)
    series = 0.0 * r
    for j in range(terms, 0, -1):
        series = (1 / (2 * j + 1) + series) * r * r
    return series


def weight(xp: Array, a: Array) -> Array:
    """``a (a/e)^a / a!`` but for the exponential of the `remainder`."""
    return xp.where(a < 1, a, xp.sqrt(a) / sqrt(2 * pi))


def remainder(xp: Array, a: Array) -> Array:
    """Stirling's error; for a < 1 the logarithm of ``a! / (a/e)^a``, which vanishes with a."""
    small = a < 1
    y = xp.where(small, a, 0.5)
    error = stirling_error(xp, xp.where(small, a + 1, a))
    below = (y + 0.5) * xp.log1p(y) - y * xp.log(y) + (log(2 * pi) / 2 - 1 + error)
    return xp.where(small, below, error)


def log_minus_digamma(xp: Array, x: Array) -> Array:
    r""":math:`\log x - \psi(x) > 0`, to a few ulp."""
    return 0.5 / x + stirling_fall(xp, x)


def stirling_fall(xp: Array, x: Array) -> Array:
    r""":math:`-S'(x) = \log x - \psi(x) - 1/(2x) > 0`, to a few ulp.

    :math:`S'(y+1) - S'(y) = (y + 1/2) / (y (y+1)) - \log(1 + 1/y) = \sum_j 4 j r^{2j+1} / (2j+1), r = 1/(2y + 1)`, by
    which arguments below 10 climb, positive term by positive term, to where the asymptotic series begins to be exact.
    """
    steps = (*_STEP_TERMS, 7, 6)
    small = x < len(steps) + 1
    first = xp.where(x < 1, (x + 0.5) / (x + 1) / x - xp.log1p(1 / x), _fall_step(xp.maximum(x, 1.0), steps[0] + 1))
    climb = sum((_fall_step(x + k, terms + 1) for k, terms in enumerate(steps[:-1], 1)), first)
    r = 1 / xp.where(small, x + len(steps), x)
    series = 0.0 * r
    for c in reversed(_DIGAMMA):
        series = (c + series) * r * r
    return xp.where(small, climb, 0.0) + series


def _fall_step(y: Array, terms: int) -> Array:
    r = 1 / (2 * y + 1)
    series = 0.0 * r
    for j in range(terms, 0, -1):
        series = (4 * j / (2 * j + 1) + series) * r * r
    return series * r


def excess_trigamma(xp: Array, x: Array) -> Array:
    r""":math:`\psi'(x) - 1/x > 0`, the sum of :math:`1 / ((x+k)^2 (x+k+1))`, to a few ulp."""
    small = x < _CLIMB
    head = 0.0 * x
    for k in range(_CLIMB):
        head = head + xp.where(small, 1 / (x + k) / (x + k) / (x + k + 1), 0.0)
    r = 1 / xp.where(small, x + _CLIMB, x)
    series = 0.0 * r
    for c in reversed(_TRIGAMMA):
        series = (c + series) * r * r
    return head + r * (r / 2 + series)


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
    scale = xp.where(xp.abs(y) > 2.0**500, xp.asarray(2.0**-600), 1.0)
    y, z = y * scale, z * scale
    high = x * y
    x1, y1 = _upper(x), _upper(y)
    x2, y2 = x - x1, y - y1
    low = ((x1 * y1 - high) + x1 * y2 + x2 * y1) + x2 * y2
    return ((high - z) + low) / scale


def _upper(x: Array) -> Array:
    c = _SPLITTER * x
    return c - (c - x)


def sum_error(a: Array, b: Array) -> Array:
    """What rounding took from ``a + b`` (Knuth)."""
    s = a + b
    rest = s - a
    return (a - (s - rest)) + (b - rest)


def log_product(xp: Array, x: Array, y: Array) -> Array:
    """``log(x * y)`` for positive x, which may be subnormal, and a product that does not overflow."""
    tiny = x < 2.0**-1000
    return xp.log(xp.where(tiny, x * 2.0**54, x) * y) - 54 * log(2) * xp.astype(tiny, x.dtype)


def log_quotient(xp: Array, x: Array, y: Array, rest: Array) -> Array:
    """``log(x / y * rest)`` for positive x and y of any size and a moderate rest."""
    quotient = x / y
    fits = (quotient > 2.0**-900) & (quotient < 2.0**900)
    return xp.where(fits, xp.log(xp.where(fits, quotient, 1.0) * rest), xp.log(x) - xp.log(y) + xp.log(x * 0 + rest))


def deviance(xp: Array, x: Array, a: Array, b: Array, e: Array) -> Array:
    r""":math:`a \log(x (a+b) / a) + b \log((1-x) (a+b) / b) \le 0`, given :math:`e = x (a+b) - a`."""
    return share_deviance(xp, x, 1 - x, a, b, e)


def share_deviance(xp: Array, x: Array, y: Array, a: Array, b: Array, e: Array) -> Array:
    r"""`deviance` with y for 1 - x, which may be tiny.

    The logarithms are :math:`\log(1 + e/a)` and :math:`\log(1 - e/b)`, whose first order terms cancel: near the mode
    they are left out; far from it nothing else can cancel.
    """
    # beyond 1e300 a weight that makes the quotient overflow makes the term vanish
    ta, tb = xp.minimum(e / a, 1e300), xp.minimum(-e / b, 1e300)
    near = (xp.abs(ta) <= 0.5) & (xp.abs(tb) <= 0.5)
    left = xp.where(ta > -0.5, xp.log1p(ta), log_product(xp, x, xp.where(ta > -0.5, 1.0, (a + b) / a)))
    right = xp.where(tb > -0.5, xp.log1p(tb), xp.log(y * ((a + b) / b)))
    return xp.where(near, a * log1p_minus(xp, ta) + b * log1p_minus(xp, tb), a * left + b * right)


def cross_minus(xp: Array, x: Array, y: Array, z: Array, w: Array) -> Array:
    """``x * y - z * w`` with about one rounding error of the result."""
    high = z * w
    return product_minus(xp, x, y, high) - product_minus(xp, z, w, high)
