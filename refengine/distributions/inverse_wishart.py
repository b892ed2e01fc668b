r"""Inverse Wishart distribution: X where the inverse of X is Wishart with n degrees of freedom and scale V^-1.

Axes: D rows and columns; leading axes broadcast. Matrices are symmetric by contract; of one that is not, the symmetric
part is read, and its cotangent is symmetric (`refengine.distributions.multivariate_normal` says more).
"""

from __future__ import annotations

import numpy as np

from refengine.distributions import _matrix, _wishart, _wishart_fit
from refengine.distributions.wishart import Noise, Parameters, noise
from refengine.domains import Array, Positive, Real

__all__ = [
    "Noise",
    "Parameters",
    "entropy",
    "entropy_vjp",
    "kl_divergence",
    "kl_divergence_vjp",
    "log_prob",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
    "maximum_likelihood",
    "maximum_likelihood_vjp",
    "mean",
    "mean_vjp",
    "mode",
    "mode_vjp",
    "noise",
    "sample",
    "sample_vjp",
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


def kl_divergence(df_p: Positive, scale_matrix_p: Real, df_q: Positive, scale_matrix_q: Real) -> Array:
    r"""Kullback-Leibler divergence of q from p, without cancellation for nearly equal or huge parameters.

    .. math:: \mathrm{KL}(p \| q) = \tfrac{n_q}2 \log\frac{\det V_p}{\det V_q} + \tfrac{n_p}2 \left(
              \operatorname{tr}(V_p^{-1} V_q) - D \right) + \log\frac{\Gamma_D(\frac{n_q}2)}{\Gamma_D(\frac{n_p}2)}
              + \tfrac{n_p - n_q}2 \sum_{i<D} \psi(\tfrac{n_p - i}2)

    df: (...); scale matrices: (..., D, D); the result has shape (...). Undefined parameters of either: nan. It is that
    of the Wishart distributions of the inverses, whose scale matrices are :math:`V_p^{-1}` and :math:`V_q^{-1}`, and
    is computed like theirs (`refengine.distributions.wishart.kl_divergence`) from :math:`L_p^{-1} L_q`.
    Kullback (1959), Information Theory and Statistics, chapter 9, applied to the density of Wishart (1928).

    >>> float(kl_divergence(5.0, [[2.0]], 5.0, [[2.0]]))
    0.0
    """
    return _wishart.divergence(df_p, scale_matrix_p, df_q, scale_matrix_q, inverse=True)


def kl_divergence_vjp(
    g: Array, df_p: Positive, scale_matrix_p: Real, df_q: Positive, scale_matrix_q: Real
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the parameters of p and q.

    .. math:: \bar n_p = \tfrac g2 \left[ \operatorname{tr}(V_p^{-1} V_q) - D + \tfrac{n_p - n_q}2 \textstyle\sum_i
              \psi'(\tfrac{n_p - i}2) \right], \quad \bar n_q = \tfrac g2 \left[ \log\tfrac{\det V_p}{\det V_q}
              + \textstyle\sum_i \left( \psi(\tfrac{n_q - i}2) - \psi(\tfrac{n_p - i}2) \right) \right]

    .. math:: \bar V_q = \tfrac g2 (n_p V_p^{-1} - n_q V_q^{-1}), \qquad
              \bar V_p = \tfrac g2 (n_q V_p^{-1} - n_p V_p^{-1} V_q V_p^{-1})
    """
    a, b, c, d = _wishart.divergence_vjp(g, df_p, scale_matrix_p, df_q, scale_matrix_q, inverse=True)
    return a, b, c, d


def sample(noise: Noise, df: Positive, scale_matrix: Real) -> Array:
    r"""Matrices from normal and uniform noise, by Bartlett's decomposition of the inverse.

    .. math:: X^{-1} = L^{-\top} A A^\top L^{-1}, \qquad L L^\top = V, \qquad A_{ij} = z_{ij} \; (i > j), \qquad
              P(\tfrac{n-i}2, \tfrac12 A_{ii}^2) = u_i, \quad i = 0, \dots, D - 1

    noise: normal (..., D, D), of which the part below the diagonal is read, and uniform (..., D); df: (...);
    scale_matrix: (..., D, D); the result has shape (..., D, D). P is the regularised incomplete gamma function. No
    matrix but A is inverted: :math:`X = T T^\top, T = L A^{-\top}`. The root :math:`L^{-\top}` of the inverse scale
    matrix is not its Cholesky factor, so that the sample is not the inverse of the one that
    `refengine.distributions.wishart.sample` makes of the same noise; its distribution is the same. Undefined
    parameters, noise that is infinite or not in (0, 1), and nan: nan. Tested for df to 1e3.
    Kshirsagar (1959), Bartlett decomposition and Wishart distribution.

    >>> round(float(sample(Noise([[0.0]], [0.5]), 2.0, [[1.0]])[0, 0]), 12)  # 1 / (2 log(2))
    0.721347520444
    """
    return _wishart.sample(noise, df, scale_matrix, inverse=True)


def sample_vjp(g: Array, noise: Noise, df: Positive, scale_matrix: Real) -> tuple[Noise, Array, Array]:
    r"""Pathwise cotangents of noise, df and scale_matrix.

    With :math:`\bar T = (g + g^\top) T` and :math:`dA^{-\top} = -A^{-\top}\, dA^\top A^{-\top}`:

    .. math:: \bar L = \bar T A^{-1}, \qquad \bar A = -A^{-\top} T^\top \bar T

    the lower triangles of both; the rest is as in `refengine.distributions.wishart.sample_vjp`.
    """
    (normal, uniform), to_df, to_scale = _wishart.sample_vjp(g, noise, df, scale_matrix, inverse=True)
    return Noise(normal, uniform), to_df, to_scale


def maximum_likelihood(data: Real) -> Parameters:
    r"""Degrees of freedom and scale matrix under which the data are most probable.

    .. math:: \hat V = \hat n M^{-1}, \qquad \sum_{i<D} \left[ \log\tfrac{\hat n}2 - \psi(\tfrac{\hat n - i}2) \right]
              = \log\det M + \frac1N \sum_k \log\det X_k, \qquad M = \frac1N \sum_k X_k^{-1}

    data: (N, D, D); the estimates have shapes () and (D, D). The inverses of the data are Wishart matrices with scale
    matrix :math:`V^{-1}`, whose estimate this is. Fewer than two distinct matrices, and one that is not positive
    definite or not finite: nan. The score of the density in Mardia, Kent and Bibby (1979).

    >>> estimate = maximum_likelihood([[[1.0]], [[2.0]], [[4.0]]])
    >>> round(float(estimate.df / estimate.scale_matrix[0, 0]), 12)
    0.583333333333
    """
    xp, dtype, found = _wishart_fit.fit(data, inverse=True)
    with np.errstate(all="ignore"):
        scale = found.df * found.mean * found.unit
        return Parameters(xp.astype(found.df, dtype, copy=False), xp.astype(scale, dtype, copy=False))


def maximum_likelihood_vjp(g: Parameters, data: Real) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem.

    With s(n) the left side of the equation for n, :math:`Y_k = X_k^{-1}, dY_k = -Y_k\, dX_k\, Y_k` and
    :math:`\bar V` made symmetric:

    .. math:: \bar X_k = \frac1N \left[ n Y_k M^{-1} \bar V M^{-1} Y_k + \frac1{s'(n)} \left( \bar n +
              \textstyle\sum_{ij} \bar V_{ij} M^{-1}_{ij} \right) \left( Y_k - Y_k M^{-1} Y_k \right) \right]
    """
    xp, dtype, found = _wishart_fit.fit(data, inverse=True)
    with np.errstate(all="ignore"):
        to_df, to_scale = _wishart_fit.estimate_cotangents(xp, g)
        to_scale = to_scale * found.unit
        to_df = to_df + xp.sum(to_scale * found.mean)
        half = xp.matmul(found.inverses, found.mean)
        slope = found.df * xp.matmul(xp.matmul(half, to_scale), _matrix.transposed(xp, half))
        slope = slope + to_df * found.by_gap * (found.inverses - xp.matmul(half, found.inverses))
        slope = slope / found.inverses.shape[0] / found.unit
        return (xp.astype(_matrix.symmetric(xp, slope), dtype, copy=False),)


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
