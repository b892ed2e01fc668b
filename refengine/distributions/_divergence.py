"""What Kullback-Leibler divergences are made of: differences that vanish where p is q, computed without subtraction."""

from __future__ import annotations

from typing import Any

from refengine._arrays import special_functions
from refengine.domains import Array
from refengine.special._saddle_point import log1p_minus, log_quotient

EULER = 0.5772156649015329
# zeta(k) - 1 for k = 2, 3, ...
_ZETA_MINUS_1 = (
    *(0.6449340668482264, 0.2020569031595943, 0.08232323371113819, 0.03692775514336993, 0.01734306198444914),
    *(0.008349277381922827, 0.00407735619794434, 0.0020083928260822143, 0.0009945751278180853, 0.0004941886041194645),
    *(0.00024608655330804832, 0.00012271334757848915, 6.124813505870483e-05, 3.058823630702049e-05),
    *(1.5282259408651873e-05, 7.637197637899763e-06, 3.817293264999839e-06, 1.908212716553939e-06),
    *(9.539620338727962e-07, 4.769329867878064e-07, 2.38450502727733e-07, 1.1921992596531107e-07),
    *(5.960818905125948e-08, 2.980350351465228e-08, 1.490155482836504e-08, 7.450711789835430e-09),
)


def expm1_minus(xp: Any, t: Array) -> Array:
    """``exp(t) - 1 - t``, by its series for abs(t) < 1/2."""
    near = xp.abs(t) < 0.5
    u = xp.where(near, t, 0.0)
    series = 0.0 * u
    for k in range(16, 1, -1):
        series = (1 + series) * u / k
    return xp.where(near, series * u, xp.where(t > 710, xp.inf, xp.expm1(t) - t))


def excess(s: Array, t: Array) -> Array:
    """``(s/t)^2 - 1`` for positive s and t."""
    return (s - t) / t * (s / t + 1)


def excess_minus_log(xp: Any, e: Array, s: Array, t: Array, power: int = 1, factor: float = 1.0) -> Array:
    """``e - log(1 + e) >= 0``, where ``1 + e = (factor * s/t)^power``."""
    near = xp.abs(e) <= 0.5
    return xp.where(
        near,
        0.0 - log1p_minus(xp, xp.where(near, e, 0.0)),
        e - power * log_quotient(xp, s, t, xp.zeros_like(s) + factor),
    )


def expm1_over(xp: Any, w: Array, t: Array) -> Array:
    r"""``expm1(w) / t``, which overflows only where the result does: :math:`2 \sinh(w/2) e^{w/2} / t`."""
    large = w > 100
    half = xp.exp(xp.where(large, w, 0.0) / 2)
    return xp.where(large, half / t * half, xp.expm1(w) / t)


def less_one(xp: Any, total: Array, over: Array, s: Array) -> Array:
    """``(total - 1) / s``; ``over`` is total / s, for where the total has overflowed."""
    return xp.where(total < 1e300, (total - 1) / s, over)


def log_gamma_excess(xp: Any, r: Array) -> Array:
    r""":math:`\log\Gamma(r) + \gamma (r - 1) \ge 0`, zero at r = 1, around which it is a series."""
    t = r - 1
    near = xp.abs(t) <= 0.5
    far = special_functions(xp).gammaln(xp.where(r < 1e-17, 1.0, r)) + EULER * t
    far = xp.where(r < 1e-17, -xp.log(r) - EULER, far)
    return xp.where(near, _excess_series(xp, xp.where(near, t, 0.0)), far)


def log_gamma1p(xp: Any, r: Array) -> Array:
    r""":math:`\log\Gamma(1 + r)` for r >= 0, with relative accuracy near 0."""
    near = r <= 0.5
    return xp.where(near, _excess_series(xp, xp.where(near, r, 0.0)) - EULER * r, special_functions(xp).gammaln(1 + r))


def _excess_series(xp: Any, t: Array) -> Array:
    """`log_gamma_excess` of 1 + t for abs(t) <= 1/2 (NIST DLMF 5.7.3)."""
    series = 0.0 * t
    for i in reversed(range(len(_ZETA_MINUS_1))):
        series = _ZETA_MINUS_1[i] / (i + 2) - t * series
    return series * t * t - log1p_minus(xp, t)
