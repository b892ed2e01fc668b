r"""Second differences :math:`f(x) - f(x + d) - f(x + r) + f(x + r + d)`, where all large terms cancel.

Families of Polya's urn need them: a shape x beside others that add up to r, of which d is drawn.
"""

from __future__ import annotations

from refengine.domains import Array
from refengine.special._saddle_point import log1p_minus
from refengine.special.digamma_difference import _DIGAMMA_SERIES, _slope

_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
_SHIFT = 14


def digamma_fall(xp: Array, x: Array, d: Array, r: Array) -> Array:
    r""":math:`[\psi(x+d) - \psi(x)] - [\psi(x+r+d) - \psi(x+r)] \ge 0` for x, r > 0 and whole d >= 0.

    The sum over j of :math:`d r (2(x+j) + r + d) / ((x+j)(x+j+d)(x+j+r)(x+j+r+d))`, of which the first terms are taken
    as they stand until x has grown to 14; then the asymptotic series.
    """
    small, fall = x < _SHIFT, 0.0 * (x + d + r)
    for j in range(_SHIFT):
        y = x + j
        term = (d / (y + d) / y) * (r / (y + r)) * ((2 * y + r + d) / (y + r + d))
        fall = fall + xp.where(small, term, 0.0)
    y = xp.where(small, x + _SHIFT, x)
    a, b, c = y + d, y + r, y + r + d
    # log and 1/(2x) are differenced on paper; of the rest, differences to r are exact and those to d harmless
    logs = xp.log1p((d / y) * (r / c))
    halves = (d / y / a) * (r / b) * ((a + b) / c) / 2
    return fall + logs + halves + (_series_fall(y, r) - _series_fall(a, r))


def _series_fall(x: Array, r: Array) -> Array:
    """The series B_2k / (2k x^2k) at x less that at x + r."""
    s, t = 1 / x / x, 1 / (x + r) / (x + r)
    return (r / x / (x + r)) * (1 / x + 1 / (x + r)) * _slope(_DIGAMMA_SERIES, s, t)


def log_gamma_fall(xp: Array, x: Array, d: Array, r: Array) -> Array:
    r""":math:`\log\Gamma(x+d) - \log\Gamma(x) - \log\Gamma(x+r+d) + \log\Gamma(x+r) \le 0`, likewise.

    Minus the sum over j of :math:`\log(1 + d r / ((x+j)(x+r+d+j)))`.
    """
    small, total = x < _SHIFT, 0.0 * (x + d + r)
    for j in range(_SHIFT):
        y = x + j
        total = total + xp.where(small, _log1p_quotient(xp, d * (r / (y + r + d)), y), 0.0)
    y = xp.where(small, x + _SHIFT, x)
    c = y + r + d
    t = (d / y) * (r / c)
    by_d = xp.where(r < y + d, log1p_minus(xp, -r / c), xp.log((y + d) / c) + r / c)
    main = y * log1p_minus(xp, t) + d * by_d + r * xp.where(d < y + r, xp.log1p(-d / c), xp.log((y + r) / c))
    return main - xp.log1p(t) / 2 - total - (_stirling_fall(y, r) - _stirling_fall(y + d, r))


def _log1p_quotient(xp: Array, u: Array, y: Array) -> Array:
    """``log(1 + u / y)``, also where the quotient overflows."""
    quotient = u / y
    return xp.where(quotient < 1e300, xp.log1p(quotient), xp.log(u) - xp.log(y))


def _stirling_fall(x: Array, r: Array) -> Array:
    """Stirling's series at x less that at x + r."""
    u, v = 1 / x, 1 / (x + r)
    power = 0.0 * u
    for c in reversed(_STIRLING):
        power = c + power * v * v
    # u p(u^2) - v p(v^2) = u (p(u^2) - p(v^2)) + (u - v) p(v^2)
    step = r / x / (x + r)
    return step * power + u * step * (u + v) * _slope(_STIRLING[1:], u * u, v * v)
