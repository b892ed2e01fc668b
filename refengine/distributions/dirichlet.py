r"""Dirichlet distribution on the simplex, :math:`f(x; \alpha) = \prod_i x_i^{\alpha_i - 1} / B(\alpha)`.

Points x and shapes alpha lie on the last axis (..., K). With :math:`A = \sum_i \alpha_i`,
:math:`B(\alpha) = \prod_i \Gamma(\alpha_i) / \Gamma(A)`. No float64 row sums to exactly 1 in general: the density is the
formula as it stands, a function of K numbers in [0, 1], whatever their sum, and its gradient is the ambient one.
"""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

from refengine._arrays import unbroadcast
from refengine.distributions._deviance import bent, top_and_rest
from refengine.distributions._rows import every, rows, sum_row
from refengine.distributions._twice import cross, single, total
from refengine.domains import Array, Positive, Unit
from refengine.special._saddle_point import (
    log_minus_digamma,
    log_product,
    log_quotient,
    remainder,
    weight,
)

__all__ = [
    "log_prob",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
]


def log_prob(x: Unit, alpha: Positive) -> Array:
    r"""Logarithm of the Dirichlet density, accurate to a few ulp for shapes of any size.

    .. math:: \log f(x; \alpha) = \log\Gamma(A) - \sum_i \log\Gamma(\alpha_i) + \sum_i (\alpha_i - 1) \log x_i

    x, alpha: (..., K), leading axes broadcast; result: (...). float32 when every floating array is, else float64, and
    float64 inside. The sum of x is not tested. Where an entry of x is 0, value and gradients are the limits from
    inside: the value is inf for alpha below 1 there, finite at 1, -inf above; nan where two entries disagree. An entry
    outside [0, 1]: -inf and zero gradients. Shapes that are not positive and finite, and nan: nan.

    Loader's saddle point (2000) for K shapes, from which the large terms have been cancelled on paper: A x - alpha is
    computed with twice the digits. Definition: Johnson, Kotz and Balakrishnan (1997), chapter 49.

    >>> round(float(np.exp(log_prob([0.25, 0.75], [2.0, 1.0]))), 15)  # 2 x
    0.5
    >>> round(float(np.exp(log_prob([0.0, 0.5, 0.5], [1.0, 1.0, 1.0]))), 15)
    2.0
    """
    xp, dtype, x, alpha = rows({"x": x, "alpha": alpha})
    with np.errstate(all="ignore"):
        z, a = xp.where(x > 0, x, 1.0), xp.where(_valid(xp, alpha), alpha, 1.0)
        value = xp.where(every(xp, (x >= 0) & (x <= 1)), _saddle_point(xp, xp.where(x > 0, x, 0.0), z, a), -xp.inf)
        value = xp.where(_defined(xp, x, alpha), value + _faces(xp, x, alpha), xp.nan)
        return xp.astype(value[..., 0], dtype, copy=False)


def log_prob_vjp(g: Array, x: Unit, alpha: Positive) -> tuple[Array, Array]:
    r"""Cotangents of x and alpha.

    .. math:: \partial_{x_i} = \frac{\alpha_i - 1}{x_i}, \qquad
              \partial_{\alpha_i} = \log x_i + \psi(A) - \psi(\alpha_i)
              = \log \frac{x_i A}{\alpha_i} + h(\alpha_i) - h(A), \qquad h(a) = \log a - \psi(a)

    where log x cancels the digammas near the mode; for alpha < 1 first :math:`\psi(a) = \psi(a+1) - 1/a`, in both, which
    leaves :math:`1/\alpha_i - 1/A`. On a face x = 0 the limits are inf, 0 or -inf to x for alpha above, at or below
    1, and -inf to alpha.
    """
    xp, dtype, y, a, g = rows({"x": x, "alpha": alpha}, {"g": g})
    with np.errstate(all="ignore"):
        dx = xp.where(a == 1, 0.0, (a - 1) / xp.abs(y))
        da = _shape_slopes(xp, y, xp.where(_valid(xp, a), a, 1.0))
        inside, agree = every(xp, (y >= 0) & (y <= 1)), ~xp.isnan(_faces(xp, y, a))
        good = _defined(xp, y, a) & (agree | ~inside)
        dx, da = (g * xp.where(good, xp.where(inside, slope, 0.0), xp.nan) for slope in (dx, da))
        return unbroadcast(dx, x, dtype), unbroadcast(da, alpha, dtype)


def log_prob_value_and_vjp(g: Array, x: Unit, alpha: Positive) -> tuple[Array, tuple[Array, Array]]:
    """`log_prob` and `log_prob_vjp`, which share little but the arguments here; kernels make one pass of both.

    >>> value, (dx, da) = log_prob_value_and_vjp(1.0, [0.5, 0.5], [1.0, 2.0])
    >>> dx.tolist()
    [0.0, 2.0]
    """
    return log_prob(x, alpha), log_prob_vjp(g, x, alpha)


def _valid(xp: Any, alpha: Array) -> Array:
    return (alpha > 0) & (alpha < xp.inf)


def _defined(xp: Any, x: Array, alpha: Array) -> Array:
    return every(xp, _valid(xp, alpha) & ~xp.isnan(x))


def _faces(xp: Any, x: Array, alpha: Array) -> Array:
    """(..., 1): 0 inside, the infinite limit on a face, nan where two faces disagree or a shape is nan."""
    inside = every(xp, (x >= 0) & (x <= 1))
    at = xp.where((x == 0) & (alpha != 1) & inside, xp.where(alpha > 1, -xp.inf, xp.inf), 0.0)
    return sum_row(xp, at)


def _saddle_point(xp: Any, x: Array, z: Array, a: Array) -> Array:
    """The value, with the logarithms of z and the excess of x: on a face x is 0 and z is 1, where alpha is 1."""
    one, all_a, all_x = single(1 + 0 * a), total(xp, single(a)), total(xp, single(x))
    wide = (all_a[0] + 0 * a, all_a[1] + 0 * a)
    e = cross(single(x), wide, single(a), one)
    deviance = xp.where(x > 0, bent(xp, a, e, log_product(xp, z, all_a[0] / a)), a * xp.log(all_a[0] / a) - e)
    off = all_a[0] * ((all_x[0] - 1) + all_x[1])
    density = log_quotient(xp, weight(xp, a), z, 1 + 0 * a) - remainder(xp, a)
    return sum_row(xp, deviance + density) + off - (xp.log(weight(xp, all_a[0])) - remainder(xp, all_a[0]))


def _shape_slopes(xp: Any, x: Array, a: Array) -> Array:
    _, rest, (all_a, _) = top_and_rest(xp, a)
    steep = a < 1
    p, q = xp.where(steep, a + 1, a), xp.where(steep, all_a + 1, all_a)
    slope = log_product(xp, x, q / p) + (log_minus_digamma(xp, p) - log_minus_digamma(xp, q))
    return slope + xp.where(steep, rest / all_a / a, 0.0)
