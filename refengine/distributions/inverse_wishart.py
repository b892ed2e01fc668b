r"""Inverse Wishart distribution: X where the inverse of X is Wishart with n degrees of freedom and scale V^-1.

Axes: D rows and columns; leading axes broadcast. Matrices are symmetric by contract; of one that is not, the symmetric
part is read, and its cotangent is symmetric (`refengine.distributions.multivariate_normal` says more).
"""

from __future__ import annotations

import numpy as np

from refengine.distributions import _wishart
from refengine.domains import Array, Positive, Real

__all__ = [
    "entropy",
    "entropy_vjp",
    "log_prob",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
    "mean",
    "mean_vjp",
    "mode",
    "mode_vjp",
    "variance",
    "variance_vjp",
]


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
    -1.19314718056
    """
    xp, dtype, *arrays = _wishart.checked(x, df, scale_matrix)
    with np.errstate(all="ignore"):
        return xp.astype(_wishart.parts(xp, True, *arrays).value, dtype, copy=False)


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

    >>> value, (dx, ddf, dscale) = log_prob_value_and_vjp(1.0, [[4.0]], 4.0, [[1.0]])
    >>> dx.tolist(), dscale.tolist()
    ([[-0.71875]], [[1.875]])
    """
    value, (to_x, to_df, to_scale) = _wishart.value_and_vjp(g, x, df, scale_matrix, inverse=True)
    return value, (to_x, to_df, to_scale)


def entropy(df: Positive, scale_matrix: Real) -> Array:
    r"""Differential entropy, in nats.

    .. math:: H = \tfrac{D+1}2 \log\det V - \tfrac{D(D+1)}2 \log 2 + \log\Gamma_D(\tfrac n2)
              - \tfrac{n+D+1}2 \sum_{i<D} \psi(\tfrac{n-i}2) + \tfrac{nD}2

    df: (...); scale_matrix: (..., D, D); the result has shape (...). Undefined parameters as in `log_prob`: nan. The
    expectation of minus the logarithm of the density in Mardia, Kent and Bibby (1979).

    >>> round(float(entropy(2.0, [[1.0]])), 12)  # 1 - log(2) + 2 * 0.57722
    1.461284149243
    """
    return _wishart.entropy(df, scale_matrix, -1)


def entropy_vjp(g: Array, df: Positive, scale_matrix: Real) -> tuple[Array, Array]:
    r"""Cotangents of df and scale_matrix.

    .. math:: \bar V = g \tfrac{D+1}2 V^{-1}, \qquad \bar n = \tfrac g2 \sum_{i<D} \left[
              1 - \left( \tfrac n2 + \tfrac{D+1}2 \right) \psi'(\tfrac{n-i}2) \right]

    where the 1 is taken from the trigamma on paper.
    """
    return _wishart.entropy_vjp(g, df, scale_matrix, -1)


def mean(df: Positive, scale_matrix: Real) -> Array:
    r"""Mean for n above D + 1.

    .. math:: \operatorname{E} X = \frac{V}{n - D - 1}

    df: (...); scale_matrix: (..., D, D); the result has shape (..., D, D). Undefined parameters: nan.
    Mardia, Kent and Bibby (1979), eq. 3.8.3.

    >>> mean(6.0, [[1.0, 0.5], [0.5, 2.0]]).tolist()
    [[0.3333333333333333, 0.16666666666666666], [0.16666666666666666, 0.6666666666666666]]
    """
    return _wishart.multiple(df, scale_matrix, _mean)


def mean_vjp(g: Array, df: Positive, scale_matrix: Real) -> tuple[Array, Array]:
    r"""Cotangents of df and scale_matrix.

    .. math:: \bar n = -(n-D-1)^{-2} \textstyle\sum_{ij} g_{ij} V_{ij}, \qquad \bar V = (n-D-1)^{-1} (g + g^\top) / 2
    """
    return _wishart.multiple_vjp(g, df, scale_matrix, _mean)


def variance(df: Positive, scale_matrix: Real) -> Array:
    r"""Variance of each entry for n above D + 3.

    .. math:: \operatorname{Var} X_{ij} = \frac{(n-D+1) V_{ij}^2 + (n-D-1) V_{ii} V_{jj}}{(n-D) (n-D-1)^2 (n-D-3)}

    df: (...); scale_matrix: (..., D, D); the result has shape (..., D, D). Undefined parameters: nan.
    Press (1982), Applied Multivariate Analysis, section 5.2.
    His degrees of freedom are n + D + 1.

    >>> variance(6.0, [[1.0]]).tolist()
    [[0.0625]]
    """
    return _wishart.variance(df, scale_matrix, _variance)


def variance_vjp(g: Array, df: Positive, scale_matrix: Real) -> tuple[Array, Array]:
    r"""Cotangents of df and scale_matrix.

    With the variance written as :math:`a(n) V_{ij}^2 + b(n) V_{ii} V_{jj}`:

    .. math:: \bar n = \sum_{ij} g_{ij} (a' V_{ij}^2 + b' V_{ii} V_{jj}), \qquad \bar V = a (g + g^\top) \circ V
              + b \operatorname{diag}\left( (g + g^\top) \operatorname{diag} V \right)
    """
    return _wishart.variance_vjp(g, df, scale_matrix, _variance)


def mode(df: Positive, scale_matrix: Real) -> Array:
    r"""Mode, where the density is largest.

    .. math:: \arg\max_X f(X; n, V) = \frac{V}{n + D + 1}

    df: (...); scale_matrix: (..., D, D); the result has shape (..., D, D). Undefined parameters: nan. The root of the
    derivative to X of the density in Mardia, Kent and Bibby (1979).

    >>> mode(6.0, [[1.0, 0.5], [0.5, 2.0]]).tolist()
    [[0.1111111111111111, 0.05555555555555555], [0.05555555555555555, 0.2222222222222222]]
    """
    return _wishart.multiple(df, scale_matrix, _mode)


def mode_vjp(g: Array, df: Positive, scale_matrix: Real) -> tuple[Array, Array]:
    r"""Cotangents of df and scale_matrix.

    .. math:: \bar n = -(n+D+1)^{-2} \textstyle\sum_{ij} g_{ij} V_{ij}, \qquad \bar V = (n+D+1)^{-1} (g + g^\top) / 2
    """
    return _wishart.multiple_vjp(g, df, scale_matrix, _mode)


def _mean(df: Array, size: int) -> tuple[Array, ...]:
    c = 1 / (df - (size + 1))
    return c, -c * c, df > size + 1


def _mode(df: Array, size: int) -> tuple[Array, ...]:
    c = 1 / (df + (size + 1))
    return c, -c * c, df > size - 1


def _variance(df: Array, size: int) -> tuple[Array, ...]:
    m, zero, two = df - (size + 1), df - size, df - (size + 3)
    b = 1 / zero / m / two
    a = b * ((df - (size - 1)) / m)
    both = 1 / m + 1 / two
    return a, b, -a * (1 / zero / (df - (size - 1)) + 1 / m + both), -b * (1 / zero + both), df > size + 3
