r"""Von Mises-Fisher distribution on the unit sphere, :math:`f(x; \mu, \kappa) \propto e^{\kappa \mu \cdot x}`.

With :math:`\nu = D/2 - 1` and :math:`A_D = I_{\nu+1} / I_\nu`, the mean of the cosine :math:`\mu \cdot x`.
"""

from __future__ import annotations

import numpy as np

from refengine._arrays import unbroadcast
from refengine.distributions._directions import arguments, back, cotangent, log_area
from refengine.domains import Array, NonNegative, Real
from refengine.special._bessel import Pieces
from refengine.special.stirling_error import stirling_error

__all__ = ["log_prob", "log_prob_value_and_vjp", "log_prob_vjp"]


def log_prob(x: Real, mean_direction: Real, concentration: NonNegative) -> Array:
    r"""Logarithm of the von Mises-Fisher density with respect to the area of the sphere.

    .. math:: \log f(x; \mu, \kappa) = \kappa \, \mu \cdot x + \nu \log\kappa
              - \tfrac{D}{2} \log 2\pi - \log I_\nu(\kappa)

    x, mean_direction: (..., D) with D >= 2, concentration: (...); the axes before the last broadcast together and are
    those of the result. float32 when every floating array is, else float64, and float64 inside. Unit vectors are taken
    as they come: the formula is evaluated off the sphere too, and nothing is normalised. Concentration 0 is the
    uniform distribution, exactly. A negative or infinite concentration, and nan: nan. Other shapes are a ValueError.

    Computed as :math:`\kappa \, \mu \cdot x - \log {}_0F_1(; D/2; \kappa^2/4) - \log(\text{area})`, in which nothing
    overflows or cancels for a small concentration: SciPy's density is infinite there in many dimensions.
    Mardia and Jupp (2000), eq. 9.3.4.

    >>> x, mu = np.array([0.6, 0.8, 0.0]), np.array([0.0, 1.0, 0.0])
    >>> round(float(log_prob(x, mu, 0.0)), 12)  # -log(4 pi)
    -2.531024246969
    """
    xp, dtype, x, mu, kappa = arguments(x=x, mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        k = _defined(xp, kappa)
        value = k * xp.sum(x * mu, axis=-1) - (log_normaliser(xp, k, x.shape[-1]) + log_area(x.shape[-1]))
        return xp.astype(value, dtype, copy=False)


def log_prob_vjp(g: Array, x: Real, mean_direction: Real, concentration: NonNegative) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, mean_direction and concentration.

    .. math:: \partial_x = \kappa \mu, \qquad \partial_\mu = \kappa x, \qquad
              \partial_\kappa = \mu \cdot x - A_D(\kappa)

    the derivatives of the formula in all of space (ambient), since :math:`(\log(\kappa^{-\nu} I_\nu))' = A_D`. The
    tangent convention, which named alternatives give, is their part across the vector:
    :math:`\kappa (x - (\mu \cdot x) \mu)` for the mean direction.
    """
    like = (x, mean_direction, concentration)
    xp, dtype, x1, mu, kappa = arguments(x=x, mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        k = _defined(xp, kappa)
        cosine = xp.sum(x1 * mu, axis=-1)
        g = cotangent(g, cosine, k)
        dk = g * (cosine - mean_cosine(xp, k, x1.shape[-1]))
        weight = g * xp.where(xp.isnan(cosine), xp.nan, k)
        return back(weight, mu, like[0], dtype), back(weight, x1, like[1], dtype), unbroadcast(dk, like[2], dtype)


def log_prob_value_and_vjp(
    g: Array, x: Real, mean_direction: Real, concentration: NonNegative
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dmu, dk) = log_prob_value_and_vjp(1.0, np.array([0.6, 0.8]), np.array([0.0, 1.0]), 0.0)
    >>> dx.tolist(), float(dk)
    ([0.0, 0.0], 0.8)
    """
    return (
        log_prob(x, mean_direction, concentration),
        log_prob_vjp(g, x, mean_direction, concentration),
    )


def _defined(xp: Array, kappa: Array) -> Array:
    return xp.where((kappa >= 0) & (kappa < xp.inf), kappa, xp.nan)


def _order(xp: Array, kappa: Array, dimensions: int) -> Array:
    return dimensions / 2 - 1 + xp.zeros_like(kappa)


def log_normaliser(xp: Array, kappa: Array, dimensions: int) -> Array:
    r""":math:`\log {}_0F_1(; D/2; \kappa^2/4)`, the logarithm of the mean of :math:`e^{\kappa t}` over the sphere."""
    stirling = float(stirling_error(dimensions / 2 - 1)) if dimensions > 2 else 0.0
    return Pieces(xp, kappa, _order(xp, kappa, dimensions)).log_hypergeometric(stirling)


def mean_cosine(xp: Array, kappa: Array, dimensions: int) -> Array:
    r""":math:`A_D(\kappa)`."""
    return Pieces(xp, kappa, _order(xp, kappa, dimensions)).ratio()
