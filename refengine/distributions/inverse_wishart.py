r"""Inverse Wishart distribution: X where the inverse of X is Wishart with n degrees of freedom and scale V^-1.

Axes: D rows and columns; leading axes broadcast. Matrices are symmetric by contract; of one that is not, the symmetric
part is read, and its cotangent is symmetric (`refengine.distributions.multivariate_normal` says more).
"""

from __future__ import annotations

import numpy as np

from refengine.distributions import _wishart
from refengine.domains import Array, Positive, Real

__all__ = ["log_prob", "log_prob_value_and_vjp", "log_prob_vjp"]


def log_prob(x: Real, df: Positive, scale_matrix: Real) -> Array:
    r"""Logarithm of the inverse Wishart density, accurate for degrees of freedom of any size.

    .. math:: \log f(X; n, V) = \tfrac n2 \log\det V - \tfrac{n+D+1}2 \log\det X
              - \tfrac12 \operatorname{tr}(V X^{-1}) - \tfrac{nD}2 \log 2 - \log\Gamma_D(\tfrac n2)

    with :math:`\log\Gamma_D(a) = \tfrac{D(D-1)}4 \log\pi + \sum_{i<D} \log\Gamma(a - \tfrac i2)`.
    x, scale_matrix: (..., D, D); df: (...), above D - 1; the result has shape (...). float32 when every floating array
    is, else float64, and float64 inside. x that is not positive definite: -inf with zero gradient. A scale matrix that
    is not, df of D - 1 or less, infinite parameters, and nan: nan. ValueError for other shapes.
    Mardia, Kent and Bibby (1979), Multivariate Analysis, eq. 3.8.2 (with df = m - p - 1 there).

    >>> round(float(log_prob([[1.0]], 2.0, [[1.0]])), 12)  # inverse chi-square: -1/2 - log(2)
    -1.193147180560
    """
    xp, dtype, *arrays = _wishart.checked(x, df, scale_matrix)
    with np.errstate(all="ignore"):
        return xp.astype(_wishart.parts(xp, *arrays, inverse=True).value, dtype, copy=False)


def log_prob_vjp(g: Array, x: Real, df: Positive, scale_matrix: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, df and scale_matrix.

    From :math:`d\log\det X = \operatorname{tr}(X^{-1} dX)` and :math:`dX^{-1} = -X^{-1}\, dX\, X^{-1}`:

    .. math:: \bar X = \tfrac g2 \left( X^{-1} V X^{-1} - (n+D+1) X^{-1} \right), \qquad
              \bar V = \tfrac g2 \left( n V^{-1} - X^{-1} \right), \qquad
              \bar n = \tfrac g2 \sum_{i<D} \left[ \log\tfrac{K_{ii}^2}n + \log\tfrac n2 - \psi(\tfrac{n-i}2) \right]

    where :math:`\prod K_{ii}^2 = \det V / \det X` and the digammas are taken from the logarithm on paper.
    """
    return log_prob_value_and_vjp(g, x, df, scale_matrix)[1]


def log_prob_value_and_vjp(
    g: Array, x: Real, df: Positive, scale_matrix: Real
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`, which share the factors.

    >>> value, (dx, ddf, dscale) = log_prob_value_and_vjp(1.0, [[2.0]], 4.0, [[1.0]])
    >>> dx.tolist(), dscale.tolist()
    ([[-1.25]], [[1.75]])
    """
    value, (to_x, to_df, to_scale) = _wishart.value_and_vjp(g, x, df, scale_matrix, inverse=True)
    return value, (to_x, to_df, to_scale)
