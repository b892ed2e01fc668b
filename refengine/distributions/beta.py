r"""Beta distribution on (0, 1), :math:`f(x; a, b) = x^{a-1} (1-x)^{b-1} / B(a, b)`."""

from __future__ import annotations

from math import pi

import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.domains import Array, Positive, Unit
from refengine.special._saddle_point import (
    deviance,
    log_minus_digamma,
    log_product,
    log_quotient,
    product_minus,
    remainder,
    stirling_error,
    sum_error,
    weight,
)
from refengine.special.digamma_difference import digamma_difference

__all__ = ["log_prob", "log_prob_value_and_vjp", "log_prob_vjp"]


def log_prob(x: Unit, a: Positive, b: Positive) -> Array:
    r"""Logarithm of the beta density, accurate to a few ulp for shapes of any size.

    .. math:: \log f(x; a, b) = (a-1) \log x + (b-1) \log(1-x) - \log B(a, b)

    x, a, b: broadcast together; the result has the broadcast shape. float32 when every floating array is, else
    float64, and float64 inside. On the edges 0 and 1 value and gradients are the limits from inside the support: at 0
    the value is -inf, log b or inf for a above, at or below 1; at 1 likewise with a and b exchanged. x outside [0, 1]:
    -inf and zero gradients. Shapes that are not positive and finite, and nan: nan.

    For shapes from 1/2 to 2 the definition is computed as it stands; elsewhere Loader's saddle point (2000), her
    binomial with real counts, from which the large terms have been cancelled on paper. Definition: the integrand of
    NIST DLMF 5.12.1, normalised.

    >>> round(float(np.exp(log_prob(0.25, 2.0, 1.0))), 15)  # 2 x
    0.5
    >>> float(log_prob(0.0, 1.0, 8.0))  # log(8)
    2.0794415416798357
    """
    xp, dtype, x, a, b = elementwise(x=x, a=a, b=b)
    with np.errstate(all="ignore"):
        inside = (x > 0) & (x < 1)
        z, p, q = xp.where(inside, x, 0.5), xp.where(_valid(xp, a), a, 1.0), xp.where(_valid(xp, b), b, 1.0)
        plain = (xp.minimum(p, q) >= 0.5) & (xp.maximum(p, q) <= 2)
        value = xp.where(plain, _plain(xp, z, p, q), _saddle_point(xp, z, p, q))
        value = xp.where(inside, value, -xp.inf)
        value = xp.where(x == 0, _edge(xp, a, b), xp.where(x == 1, _edge(xp, b, a), value))
        return xp.astype(xp.where(_defined(xp, x, a, b), value, xp.nan), dtype, copy=False)


def log_prob_vjp(g: Array, x: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, a and b.

    .. math::
        \partial_x = \frac{a-1}{x} - \frac{b-1}{1-x} = \frac{2x - 1 - e}{x (1-x)}, \quad e = x(a+b) - a, \qquad
        \partial_a = \log x + \psi(a+b) - \psi(a), \qquad \partial_b = \log(1-x) + \psi(a+b) - \psi(b)

    e is computed as if with twice the digits. The derivative to b is a sum of terms that the input's own rounding
    covers; in that to a, log x cancels the digammas near a small mode, hence with :math:`h(a) = \log a - \psi(a)`

    .. math:: \partial_a = \log(x (a+b) / a) + h(a) - h(a+b),

    where for a < 1 first :math:`\psi(a) = \psi(a+1) - 1/a` and :math:`\psi(a+b) = \psi(a+b+1) - 1/(a+b)`.
    From x = 1/2 on, log x is small and the difference of digammas is taken whole. On the edge x = 0 the limits are
    inf, 1 - b or -inf to x for a above, at or below 1, -inf to a, and the difference of digammas to b; 1 mirrors it.
    """
    xp, dtype, g, x1, a1, b1 = elementwise(g=g, x=x, a=a, b=b)
    with np.errstate(all="ignore"):
        slopes = _slopes(xp, x1, a1, b1)
        off = (x1 < 0) | (x1 > 1)
        defined = _defined(xp, x1, a1, b1)
        dx, da, db = (g * xp.where(defined, xp.where(off, 0.0, slope), xp.nan) for slope in slopes)
        return unbroadcast(dx, x, dtype), unbroadcast(da, a, dtype), unbroadcast(db, b, dtype)


def log_prob_value_and_vjp(g: Array, x: Unit, a: Positive, b: Positive) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`, which share little but the arguments here; kernels make one pass of both.

    >>> value, (dx, da, db) = log_prob_value_and_vjp(1.0, 0.5, 1.0, 1.0)
    >>> float(value), float(dx), round(float(da), 12)  # da is 1 - log(2)
    (0.0, 0.0, 0.30685281944)
    """
    return log_prob(x, a, b), log_prob_vjp(g, x, a, b)


def _valid(xp: Array, shape: Array) -> Array:
    return (shape > 0) & (shape < xp.inf)


def _defined(xp: Array, x: Array, a: Array, b: Array) -> Array:
    return _valid(xp, a) & _valid(xp, b) & ~xp.isnan(x)


def _edge(xp: Array, a: Array, b: Array) -> Array:
    return xp.where(a == 1, xp.log(xp.where(b > 0, b, 1.0)), xp.sign(1 - a) * xp.inf)


def _plain(xp: Array, x: Array, a: Array, b: Array) -> Array:
    a, b = xp.clip(a, 0.5, 2.0), xp.clip(b, 0.5, 2.0)
    c = a + b
    errors = stirling_error(xp, a) + stirling_error(xp, b) - stirling_error(xp, c)
    log_beta = errors - ((a - 0.5) * xp.log(c / a) + (b - 0.5) * xp.log(c / b) + xp.log(c / (2 * pi)) / 2)
    log_beta = xp.where((a == 1) & (b == 1), 0.0, log_beta)  # the uniform density is 1 to the last bit
    return (a - 1) * xp.log(x) + (b - 1) * xp.log1p(-x) - log_beta + 0.0


def _saddle_point(xp: Array, x: Array, a: Array, b: Array) -> Array:
    low, high = xp.minimum(a, b), xp.maximum(a, b)
    density = log_quotient(xp, weight(xp, low), x, weight(xp, high) / weight(xp, low + high) / (1 - x))
    errors = remainder(xp, low) + (remainder(xp, high) - remainder(xp, low + high))
    return deviance(xp, x, a, b, _excess(xp, x, a, b)) + density - errors


def _excess(xp: Array, x: Array, a: Array, b: Array) -> Array:
    """``x (a + b) - a``, rounded about once."""
    return product_minus(xp, x, a + b, a) + x * sum_error(a, b)


def _slopes(xp: Array, x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    dx = (2 * x - 1 - _excess(xp, x, a, b)) / (1 - x) / x
    dx = xp.where(x == 0, xp.where(a == 1, 1 - b, xp.sign(a - 1) * xp.inf), dx)
    dx = xp.where(x == 1, xp.where(b == 1, a - 1, xp.sign(1 - b) * xp.inf), dx)
    steep = a < 1
    p = xp.where(steep, a + 1, a)
    da = log_product(xp, x, (p + b) / p) + (log_minus_digamma(xp, p) - log_minus_digamma(xp, p + b))
    da = da + xp.where(steep, b / (a + b) / a, 0.0)
    da = xp.where(x < 0.5, da, xp.log(x) + digamma_difference(a, b))
    return dx, da, xp.log1p(-x) + digamma_difference(b, a)
