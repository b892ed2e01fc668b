r"""Second differences of lgamma and digamma, which relative accuracy needs where two differences nearly cancel.

.. math:: R(x; n, a) = \log \frac{\Gamma(x) \Gamma(x+n+a)}{\Gamma(x+n) \Gamma(x+a)} \ge 0, \qquad
          Q(x; n, a) = \psi(x+n) + \psi(x+a) - \psi(x) - \psi(x+n+a) \ge 0

Both climb from x to x + 1 by positive terms and end in Stirling's series (NIST DLMF 5.11), differenced on paper.
"""

from __future__ import annotations

from refengine.domains import Array
from refengine.special._saddle_point import _DIGAMMA, _STIRLING, log1p_minus
from refengine.special.digamma_difference import _slope

_SHIFT = 12
_Jet = tuple[Array, Array, Array, Array]  # a function at x; minus at x + n; minus at x + a; its second difference


def lgamma_difference(xp: Array, x: Array, n: Array, a: Array) -> Array:
    """R for x > 0 and n, a >= 0."""
    low = x < _SHIFT
    head = xp.where(low, _log_step(xp, x, n, a), 0.0)
    for j in range(1, _SHIFT):
        head = head + xp.where(low, xp.log1p(_step(x + j, n, a)), 0.0)
    y = xp.where(low, x + _SHIFT, x)
    q, s, t = _step(y, n, a), a / (y + n), n / (y + a)
    near = xp.maximum(xp.maximum(q, s), t) <= 0.5
    first = a * (n / (y + n)) + a * (n / (y + a)) * (n / (y + n + a))  # of n s + a t - y q
    rest = n * log1p_minus(xp, s) + a * log1p_minus(xp, t) - y * log1p_minus(xp, q)
    whole = n * xp.log1p(s) + a * xp.log1p(t) - y * xp.log1p(q)
    series = _times(_reciprocal(y, n, a), _series(_STIRLING, y, n, a))[3]
    return head + (xp.where(near, first + rest, whole) + xp.log1p(q) / 2 + series)


def digamma_fall(xp: Array, x: Array, n: Array, a: Array) -> Array:
    """Q for x > 0 and n, a >= 0."""
    low = x < _SHIFT
    head = xp.zeros_like(x + n + a)
    for j in range(_SHIFT):
        head = head + xp.where(low, _reciprocal(x + j, n, a)[3], 0.0)
    y = xp.where(low, x + _SHIFT, x)
    square = _times(_reciprocal(y, n, a), _reciprocal(y, n, a))
    series = _times(square, _series(_DIGAMMA, y, n, a))[3]
    return head + (xp.log1p(_step(y, n, a)) + _reciprocal(y, n, a)[3] / 2 + series)


def beyond_log(xp: Array, x: Array, d: Array) -> Array:
    r""":math:`\psi(x+d) - \psi(x) - \log((x+d)/x)` for x > 0 and d >= 0, without the logarithms' size."""
    low = x < _SHIFT
    head = -xp.log1p(_SHIFT * (d / (x + d + _SHIFT) / x))
    for j in range(_SHIFT):
        head = head + d / (x + d + j) / (x + j)
    y = xp.where(low, x + _SHIFT, x)
    gap = d / (y + d) / y
    s, t = 1 / y / y, 1 / (y + d) / (y + d)
    return xp.where(low, head, 0.0) + gap / 2 + gap * (1 / y + 1 / (y + d)) * _slope(_DIGAMMA, s, t)


def _step(y: Array, n: Array, a: Array) -> Array:
    """``(y + n) (y + a) / (y (y + n + a)) - 1``."""
    return (a / y) * (n / (y + n + a))


def _log_step(xp: Array, y: Array, n: Array, a: Array) -> Array:
    """``log(1 + step)`` for a y so small that the step may overflow."""
    step = _step(y, n, a)
    huge = step > 1e290
    return xp.where(huge, xp.log(a) - xp.log(y) + xp.log(n / (y + n + a)), xp.log1p(xp.where(huge, 1.0, step)))


def _reciprocal(y: Array, n: Array, a: Array) -> _Jet:
    return 1 / y, n / (y + n) / y, a / (y + a) / y, (n / (y + n)) * (a / (y + a)) * (1 / y + 1 / (y + n + a))


def _times(f: _Jet, g: _Jet) -> _Jet:
    """The product rule for differences."""
    f0, fn, fa, ff = f
    g0, gn, ga, gg = g
    cross = fn * ga + fa * gn
    return (
        f0 * g0,
        fn * g0 + (f0 - fn) * gn,
        fa * g0 + (f0 - fa) * ga,
        ff * (g0 - gn - ga + gg) + gg * (f0 - fn - fa) + cross,
    )


def _series(coefficients: tuple[float, ...], y: Array, n: Array, a: Array) -> _Jet:
    """``sum_k coefficients[k] / y^2k`` by Horner's scheme."""
    r = _reciprocal(y, n, a)
    square = _times(r, r)
    total = (0.0 * r[0],) * 4
    for c in reversed(coefficients):
        product = _times(total, square)
        total = (c + product[0], *product[1:])
    return total
