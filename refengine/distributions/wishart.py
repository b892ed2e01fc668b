r"""Wishart distribution of positive definite matrices: sums of outer products of n normal vectors of covariance V.

Axes: D rows and columns; leading axes broadcast. Matrices are symmetric by contract; of one that is not, the symmetric
part is read, and its cotangent is symmetric (`refengine.distributions.multivariate_normal` says more).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from refengine.distributions import _noise, _wishart, _wishart_fit
from refengine.domains import Array, Positive, Real, Unit

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


class Noise(NamedTuple):
    """What `sample` is made of: normals, of which those below the diagonal count, and uniforms for the diagonal."""

    normal: Real
    uniform: Unit


class Parameters(NamedTuple):
    """What `maximum_likelihood` estimates."""

    df: Positive
    scale_matrix: Real


def noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Noise:
    """Standard normals of that shape, (..., D, D), and uniforms in (0, 1), (..., D).

    >>> noise(np.random.default_rng(0), (5, 2, 2)).uniform.shape
    (5, 2)
    """
    return Noise(_noise.normal(rng, shape), _noise.uniform(rng, shape[:-1]))


def log_prob(x: Real, df: Positive, scale_matrix: Real) -> Array:
    r"""Logarithm of the Wishart density, accurate for degrees of freedom of any size.

    .. math:: \log f(X; n, V) = \tfrac{n-D-1}2 \log\det X - \tfrac12 \operatorname{tr}(V^{-1} X)
              - \tfrac{nD}2 \log 2 - \tfrac n2 \log\det V - \log\Gamma_D(\tfrac n2)

    with :math:`\log\Gamma_D(a) = \tfrac{D(D-1)}4 \log\pi + \sum_{i<D} \log\Gamma(a - \tfrac i2)`.
    x, scale_matrix: (..., D, D); df: (...), above D - 1; the result has shape (...). float32 when every floating array
    is, else float64, and float64 inside. x that is not positive definite: -inf with zero gradient. A scale matrix that
    is not, df of D - 1 or less, infinite parameters, and nan: nan. ValueError for other shapes.
    Wishart (1928), The generalised product moment distribution in samples from a normal multivariate population.

    >>> round(float(log_prob([[1.0]], 2.0, [[1.0]])), 12)  # chi-square: -1/2 - log(2)
    -1.19314718056
    """
    xp, dtype, *arrays = _wishart.checked(x, df, scale_matrix)
    with np.errstate(all="ignore"):
        return xp.astype(_wishart.parts(xp, False, *arrays).value, dtype, copy=False)


def log_prob_vjp(g: Array, x: Real, df: Positive, scale_matrix: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, df and scale_matrix.

    From :math:`d\log\det X = \operatorname{tr}(X^{-1} dX)` and :math:`dV^{-1} = -V^{-1}\, dV\, V^{-1}`:

    .. math:: \bar X = \tfrac g2 \left( (n-D-1) X^{-1} - V^{-1} \right), \qquad
              \bar V = \tfrac g2 \left( V^{-1} X V^{-1} - n V^{-1} \right), \qquad
              \bar n = \tfrac g2 \sum_{i<D} \left[ \log\tfrac{K_{ii}^2}n + \log\tfrac n2 - \psi(\tfrac{n-i}2) \right]

    where :math:`\prod K_{ii}^2 = \det X / \det V` and the digammas are taken from the logarithm on paper.
    """
    return log_prob_value_and_vjp(g, x, df, scale_matrix)[1]


def log_prob_value_and_vjp(
    g: Array, x: Real, df: Positive, scale_matrix: Real
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`, which share the factors.

    >>> value, (dx, ddf, dscale) = log_prob_value_and_vjp(1.0, [[4.0]], 4.0, [[1.0]])
    >>> dx.tolist(), dscale.tolist()
    ([[-0.25]], [[0.0]])
    """
    value, (to_x, to_df, to_scale) = _wishart.value_and_vjp(g, x, df, scale_matrix, inverse=False)
    return value, (to_x, to_df, to_scale)


def entropy(df: Positive, scale_matrix: Real) -> Array:
    r"""Differential entropy, in nats.

    .. math:: H = \tfrac{D+1}2 \log\det V + \tfrac{D(D+1)}2 \log 2 + \log\Gamma_D(\tfrac n2)
              - \tfrac{n-D-1}2 \sum_{i<D} \psi(\tfrac{n-i}2) + \tfrac{nD}2

    df: (...); scale_matrix: (..., D, D); the result has shape (...). Undefined parameters as in `log_prob`: nan. The
    expectation of minus the logarithm of the density of Wishart (1928).

    >>> round(float(entropy(2.0, [[1.0]])), 12)  # chi-square: 1 + log(2)
    1.69314718056
    """
    return _wishart.entropy(df, scale_matrix, 1)


def entropy_vjp(g: Array, df: Positive, scale_matrix: Real) -> tuple[Array, Array]:
    r"""Cotangents of df and scale_matrix.

    .. math:: \bar V = g \tfrac{D+1}2 V^{-1}, \qquad \bar n = \tfrac g2 \sum_{i<D} \left[
              1 - \left( \tfrac n2 - \tfrac{D+1}2 \right) \psi'(\tfrac{n-i}2) \right]

    where the 1 is taken from the trigamma on paper.
    """
    return _wishart.entropy_vjp(g, df, scale_matrix, 1)


def mean(df: Positive, scale_matrix: Real) -> Array:
    r"""Mean.

    .. math:: \operatorname{E} X = n V

    df: (...); scale_matrix: (..., D, D); the result has shape (..., D, D). Undefined parameters: nan.
    Mardia, Kent and Bibby (1979), section 3.4.

    >>> mean(6.0, [[1.0, 0.5], [0.5, 2.0]]).tolist()
    [[6.0, 3.0], [3.0, 12.0]]
    """
    return _wishart.multiple(df, scale_matrix, _mean)


def mean_vjp(g: Array, df: Positive, scale_matrix: Real) -> tuple[Array, Array]:
    r"""Cotangents of df and scale_matrix.

    .. math:: \bar n =  \textstyle\sum_{ij} g_{ij} V_{ij}, \qquad \bar V = n (g + g^\top) / 2
    """
    return _wishart.multiple_vjp(g, df, scale_matrix, _mean)


def variance(df: Positive, scale_matrix: Real) -> Array:
    r"""Variance of each entry.

    .. math:: \operatorname{Var} X_{ij} = n (V_{ij}^2 + V_{ii} V_{jj})

    df: (...); scale_matrix: (..., D, D); the result has shape (..., D, D). Undefined parameters: nan.
    Mardia, Kent and Bibby (1979), section 3.4.

    >>> variance(6.0, [[1.0]]).tolist()
    [[12.0]]
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
    r"""Mode, where the density is largest; nan unless n exceeds D + 1, since it then lies on the edge of the support.

    .. math:: \arg\max_X f(X; n, V) = (n - D - 1) V

    df: (...); scale_matrix: (..., D, D); the result has shape (..., D, D). Undefined parameters: nan. The root of the
    derivative to X of the density of Wishart (1928).

    >>> mode(6.0, [[1.0, 0.5], [0.5, 2.0]]).tolist()
    [[3.0, 1.5], [1.5, 6.0]]
    """
    return _wishart.multiple(df, scale_matrix, _mode)


def mode_vjp(g: Array, df: Positive, scale_matrix: Real) -> tuple[Array, Array]:
    r"""Cotangents of df and scale_matrix.

    .. math:: \bar n =  \textstyle\sum_{ij} g_{ij} V_{ij}, \qquad \bar V = (n - D - 1) (g + g^\top) / 2
    """
    return _wishart.multiple_vjp(g, df, scale_matrix, _mode)


def kl_divergence(df_p: Positive, scale_matrix_p: Real, df_q: Positive, scale_matrix_q: Real) -> Array:
    r"""Kullback-Leibler divergence of q from p, without cancellation for nearly equal or huge parameters.

    .. math:: \mathrm{KL}(p \| q) = \tfrac{n_q}2 \log\frac{\det V_q}{\det V_p} + \tfrac{n_p}2 \left(
              \operatorname{tr}(V_q^{-1} V_p) - D \right) + \log\frac{\Gamma_D(\frac{n_q}2)}{\Gamma_D(\frac{n_p}2)}
              + \tfrac{n_p - n_q}2 \sum_{i<D} \psi(\tfrac{n_p - i}2)

    df: (...); scale matrices: (..., D, D); the result has shape (...). Undefined parameters of either: nan. The
    divergence of inverse Wishart distributions with scale matrices :math:`V_p^{-1}, V_q^{-1}` is the same. With
    :math:`M = \sqrt{n_p / n_q}\, L_q^{-1} L_p` it is n_q/2 times the sum of :math:`M_{ii}^2 - 1 - \log M_{ii}^2` and of
    the squares of M below the diagonal, and what remains of the gammas; each is small where p and q are close.
    Kullback (1959), Information Theory and Statistics, chapter 9, applied to the density of Wishart (1928).

    >>> float(kl_divergence(5.0, [[2.0]], 5.0, [[2.0]]))
    0.0
    """
    return _wishart.divergence(df_p, scale_matrix_p, df_q, scale_matrix_q)


def kl_divergence_vjp(
    g: Array, df_p: Positive, scale_matrix_p: Real, df_q: Positive, scale_matrix_q: Real
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the parameters of p and q.

    .. math:: \bar n_p = \tfrac g2 \left[ \operatorname{tr}(V_q^{-1} V_p) - D + \tfrac{n_p - n_q}2 \textstyle\sum_i
              \psi'(\tfrac{n_p - i}2) \right], \quad \bar n_q = \tfrac g2 \left[ \log\tfrac{\det V_q}{\det V_p}
              + \textstyle\sum_i \left( \psi(\tfrac{n_q - i}2) - \psi(\tfrac{n_p - i}2) \right) \right]

    .. math:: \bar V_p = \tfrac g2 (n_p V_q^{-1} - n_q V_p^{-1}), \qquad
              \bar V_q = \tfrac g2 (n_q V_q^{-1} - n_p V_q^{-1} V_p V_q^{-1})
    """
    a, b, c, d = _wishart.divergence_vjp(g, df_p, scale_matrix_p, df_q, scale_matrix_q)
    return a, b, c, d


def sample(noise: Noise, df: Positive, scale_matrix: Real) -> Array:
    r"""Matrices from normal and uniform noise, by Bartlett's decomposition.

    .. math:: X = L A A^\top L^\top, \qquad L L^\top = V, \qquad A_{ij} = z_{ij} \; (i > j), \qquad
              P(\tfrac{n-i}2, \tfrac12 A_{ii}^2) = u_i, \quad i = 0, \dots, D - 1

    noise: normal (..., D, D), of which the part below the diagonal is read, and uniform (..., D); df: (...);
    scale_matrix: (..., D, D); the result has shape (..., D, D). P is the regularised incomplete gamma function: the
    diagonal holds the roots of chi-square variates with n - i degrees of freedom (Bartlett 1933). Undefined parameters,
    noise that is infinite or not in (0, 1), and nan: nan. The inverse of a sample with the inverse of a scale matrix is
    an inverse Wishart sample. Tested for df to 1e3: beyond, the rounding of the variate shows in the cotangent of the
    uniforms. Kshirsagar (1959), Bartlett decomposition and Wishart distribution.

    >>> round(float(sample(Noise([[0.0]], [0.5]), 2.0, [[1.0]])[0, 0]), 12)  # 2 log(2)
    1.38629436112
    """
    return _wishart.sample(noise, df, scale_matrix)


def sample_vjp(g: Array, noise: Noise, df: Positive, scale_matrix: Real) -> tuple[Noise, Array, Array]:
    r"""Pathwise cotangents of noise, df and scale_matrix.

    With :math:`T = L A` and :math:`\bar T = (g + g^\top) T`: :math:`\bar A = L^\top \bar T`,
    :math:`\bar L = \bar T A^\top`, from which :math:`\bar V` follows as in
    `refengine.distributions.multivariate_normal.sample_vjp`. On the diagonal :math:`\gamma = A_{ii}^2 / 2` is
    defined by :math:`P(a, \gamma) = u, a = (n-i)/2`, hence by the implicit
    function theorem

    .. math:: \frac{\partial\gamma}{\partial u} = \frac1{P_\gamma}, \qquad
              \frac{\partial\gamma}{\partial n} = -\frac{P_a}{2 P_\gamma}, \qquad dA_{ii} = d\gamma / A_{ii}
    """
    (normal, uniform), to_df, to_scale = _wishart.sample_vjp(g, noise, df, scale_matrix)
    return Noise(normal, uniform), to_df, to_scale


def maximum_likelihood(data: Real) -> Parameters:
    r"""Degrees of freedom and scale matrix under which the data are most probable.

    .. math:: \hat V = \frac M{\hat n}, \qquad \sum_{i<D} \left[ \log\tfrac{\hat n}2 - \psi(\tfrac{\hat n - i}2) \right]
              = \log\det M - \frac1N \sum_k \log\det X_k, \qquad M = \frac1N \sum_k X_k

    data: (N, D, D); the estimates have shapes () and (D, D). The equation for n has one root above D - 1, found by
    Newton's method, unless all data are equal. Fewer than two distinct matrices, and one that is not positive definite
    or not finite: nan. The score of the density of Wishart (1928).

    >>> estimate = maximum_likelihood([[[1.0]], [[2.0]], [[4.0]]])
    >>> round(float(estimate.df * estimate.scale_matrix[0, 0]), 12)
    2.333333333333
    """
    xp, dtype, found = _wishart_fit.fit(data, inverse=False)
    with np.errstate(all="ignore"):
        scale = found.mean / found.df * found.unit
        return Parameters(xp.astype(found.df, dtype, copy=False), xp.astype(scale, dtype, copy=False))


def maximum_likelihood_vjp(g: Parameters, data: Real) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem.

    With s(n) the left side of the equation for n and :math:`\bar V` made symmetric:

    .. math:: \bar X_k = \frac1N \left[ \frac{\bar V}n + \frac1{s'(n)} \left( \bar n - \frac1{n^2}
              \textstyle\sum_{ij} \bar V_{ij} M_{ij} \right) \left( M^{-1} - X_k^{-1} \right) \right]
    """
    xp, dtype, found = _wishart_fit.fit(data, inverse=False)
    with np.errstate(all="ignore"):
        to_df, to_scale = _wishart_fit.estimate_cotangents(xp, g)
        to_scale = to_scale * found.unit
        to_df = to_df - xp.sum(to_scale * (found.mean / found.df)) / found.df
        slope = to_scale / found.df + to_df * found.by_gap * (found.mean_inverse - found.inverses)
        slope = slope / found.inverses.shape[0] / found.unit
        return (xp.astype(slope, dtype, copy=False),)


def _mean(df: Array, size: int) -> tuple[Array, ...]:
    return df, 1.0 + 0.0 * df, df > size - 1


def _mode(df: Array, size: int) -> tuple[Array, ...]:
    return df - (size + 1), 1.0 + 0.0 * df, df > size + 1


def _variance(df: Array, size: int) -> tuple[Array, ...]:
    one = 1.0 + 0.0 * df
    return df, df, one, one, df > size - 1
