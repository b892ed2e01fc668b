r"""Multivariate normal distribution, :math:`f(x; m, S) = \det(2\pi S)^{-1/2} \exp(-\tfrac12 (x-m)^\top S^{-1} (x-m))`.

Axes: D coordinates; leading axes broadcast. Matrices are symmetric by contract; of one that is not, the symmetric part
is read, and its cotangent is symmetric: :math:`(\bar S + \bar S^\top)/2` of the ambient one. Where only the lower
triangle is free, the derivative to an entry below the diagonal is twice the one given here and that above it 0
(``lower_triangle`` among the alternatives of the golden files).
"""

from __future__ import annotations

from math import log, pi
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_shape, promote, unbroadcast
from refengine.distributions import _matrix
from refengine.distributions._noise import normal as noise
from refengine.domains import Array, Real
from refengine.special._saddle_point import log1p_minus

__all__ = [
    "Parameters",
    "entropy",
    "entropy_vjp",
    "kl_divergence",
    "kl_divergence_vjp",
    "log_prob",
    "log_prob_cholesky",
    "log_prob_cholesky_value_and_vjp",
    "log_prob_cholesky_vjp",
    "log_prob_precision",
    "log_prob_precision_value_and_vjp",
    "log_prob_precision_vjp",
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


class Parameters(NamedTuple):
    """What `maximum_likelihood` estimates."""

    mean: Real
    covariance: Real


def log_prob(x: Real, mean: Real, covariance: Real) -> Array:
    r"""Logarithm of the normal density with a covariance matrix.

    .. math:: \log f(x; m, S) = -\tfrac12 \left( (x-m)^\top S^{-1} (x-m) + \log\det S + D \log 2\pi \right)

    x, mean: (..., D); covariance: (..., D, D); the result has shape (...). float32 when every floating array is, else
    float64, and float64 inside. An infinite coordinate lies outside the support: -inf with zero gradient. A covariance
    whose symmetric part is not positive definite, infinite parameters, and nan: nan. ValueError for other shapes.
    Bishop (2006), Pattern Recognition and Machine Learning, eq. 2.43.

    >>> round(float(log_prob([1.0, 2.0], [1.0, 1.0], [[1.0, 0.0], [0.0, 1.0]])), 12)  # -1/2 - log(2 pi)
    -2.337877066409
    """
    xp, dtype, x, mean, covariance = _matrix.batched("x mean", "covariance", x=x, mean=mean, covariance=covariance)
    with np.errstate(all="ignore"):
        factor = _matrix.cholesky(xp, _matrix.symmetric(xp, covariance))
        return xp.astype(_density(xp, x, mean, factor, _forward(xp, x, mean, factor)), dtype, copy=False)


def log_prob_vjp(g: Array, x: Real, mean: Real, covariance: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, mean and covariance.

    With :math:`a = S^{-1}(x - m)`, from :math:`d S^{-1} = -S^{-1}\, dS\, S^{-1}` and
    :math:`d \log\det S = \operatorname{tr}(S^{-1} dS)`:

    .. math:: \bar x = -g a, \qquad \bar m = g a, \qquad \bar S = \tfrac g2 (a a^\top - S^{-1})
    """
    return log_prob_value_and_vjp(g, x, mean, covariance)[1]


def log_prob_value_and_vjp(g: Array, x: Real, mean: Real, covariance: Real) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`, which share the factor.

    >>> value, (dx, dmean, dcovariance) = log_prob_value_and_vjp(1.0, [2.0], [0.0], [[1.0]])
    >>> dx.tolist(), dmean.tolist(), dcovariance.tolist()
    ([-2.0], [2.0], [[1.5]])
    """
    xp, dtype, x1, mean1, matrix = _matrix.batched("x mean", "covariance", x=x, mean=mean, covariance=covariance)
    with np.errstate(all="ignore"):
        factor = _matrix.cholesky(xp, _matrix.symmetric(xp, matrix))
        z = _forward(xp, x1, mean1, factor)
        value = _density(xp, x1, mean1, factor, z)
        g, a = _weighted(xp, g, x1, value, _matrix.solve_upper(xp, factor, z))
        slope = _matrix.sum_outer(xp, a, g[..., None] * a, matrix)
        slope = (slope - _matrix.shared(xp, g, _matrix.inverse(xp, factor), matrix)) / 2
        to_x = -g[..., None] * a
        cotangents = unbroadcast(to_x, x1, dtype), unbroadcast(-to_x, mean1, dtype), xp.astype(slope, dtype, copy=False)
        return xp.astype(value, dtype, copy=False), cotangents


def log_prob_cholesky(x: Real, mean: Real, cholesky: Real) -> Array:
    r"""Logarithm of the normal density with the Cholesky factor of its covariance matrix.

    .. math:: \log f(x; m, L) = -\tfrac12 \lVert L^{-1} (x-m) \rVert^2 - \sum_i \log L_{ii} - \tfrac D2 \log 2\pi

    x, mean: (..., D); cholesky: (..., D, D), of which the lower triangle is read; the result has shape (...). A
    diagonal that is not positive: nan. All else as in `log_prob`; Bishop (2006), eq. 2.43.

    >>> round(float(log_prob_cholesky([2.0], [0.0], [[2.0]])), 12)  # -1/2 - log(2) - log(2 pi) / 2
    -2.112085713765
    """
    xp, dtype, x, mean, cholesky = _matrix.batched("x mean", "cholesky", x=x, mean=mean, cholesky=cholesky)
    with np.errstate(all="ignore"):
        factor = _matrix.lower_factor(xp, cholesky)
        return xp.astype(_density(xp, x, mean, factor, _forward(xp, x, mean, factor)), dtype, copy=False)


def log_prob_cholesky_vjp(g: Array, x: Real, mean: Real, cholesky: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, mean and cholesky; the last one is 0 above the diagonal.

    With :math:`z = L^{-1}(x - m)` and :math:`a = L^{-\top} z`, from :math:`dz = -L^{-1}\, dL\, z`:

    .. math:: \bar x = -g a, \qquad \bar m = g a, \qquad
              \bar L = g \left( \operatorname{tril}(a z^\top) - \operatorname{diag}(1 / L_{ii}) \right)
    """
    return log_prob_cholesky_value_and_vjp(g, x, mean, cholesky)[1]


def log_prob_cholesky_value_and_vjp(
    g: Array, x: Real, mean: Real, cholesky: Real
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob_cholesky` and `log_prob_cholesky_vjp` in one pass.

    >>> log_prob_cholesky_value_and_vjp(1.0, [2.0], [0.0], [[1.0]])[1][2].tolist()
    [[3.0]]
    """
    xp, dtype, x1, mean1, matrix = _matrix.batched("x mean", "cholesky", x=x, mean=mean, cholesky=cholesky)
    with np.errstate(all="ignore"):
        factor = _matrix.lower_factor(xp, matrix)
        z = _forward(xp, x1, mean1, factor)
        value = _density(xp, x1, mean1, factor, z)
        g, a, z = _weighted(xp, g, x1, value, _matrix.solve_upper(xp, factor, z), z)
        inverse = xp.eye(factor.shape[-1], dtype=factor.dtype) / _matrix.diagonal(xp, factor)[..., None, :]
        slope = _matrix.sum_outer(xp, a, g[..., None] * z, matrix) - _matrix.shared(xp, g, inverse, matrix)
        to_x, slope = -g[..., None] * a, xp.astype(xp.tril(slope), dtype, copy=False)
        cotangents = unbroadcast(to_x, x1, dtype), unbroadcast(-to_x, mean1, dtype), slope
        return xp.astype(value, dtype, copy=False), cotangents


def log_prob_precision(x: Real, mean: Real, precision: Real) -> Array:
    r"""Logarithm of the normal density with a precision matrix, the inverse of the covariance.

    .. math:: \log f(x; m, P) = -\tfrac12 \left( (x-m)^\top P (x-m) - \log\det P + D \log 2\pi \right)

    x, mean: (..., D); precision: (..., D, D); the result has shape (...). All else as in `log_prob`; Bishop (2006),
    eq. 2.43. No matrix is inverted.

    >>> round(float(log_prob_precision([2.0], [0.0], [[0.25]])), 12)  # -1/2 - log(2) - log(2 pi) / 2
    -2.112085713765
    """
    xp, dtype, x, mean, precision = _matrix.batched("x mean", "precision", x=x, mean=mean, precision=precision)
    with np.errstate(all="ignore"):
        precision = _matrix.symmetric(xp, precision)
        factor = _matrix.cholesky(xp, precision)
        value = _with_precision(xp, x, mean, factor, _product(xp, precision, x - mean))
        return xp.astype(value, dtype, copy=False)


def log_prob_precision_vjp(g: Array, x: Real, mean: Real, precision: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, mean and precision.

    With :math:`r = x - m`, since the log density is linear in P but for its log determinant:

    .. math:: \bar x = -g P r, \qquad \bar m = g P r, \qquad \bar P = \tfrac g2 (P^{-1} - r r^\top)
    """
    return log_prob_precision_value_and_vjp(g, x, mean, precision)[1]


def log_prob_precision_value_and_vjp(
    g: Array, x: Real, mean: Real, precision: Real
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob_precision` and `log_prob_precision_vjp` in one pass.

    >>> log_prob_precision_value_and_vjp(1.0, [2.0], [0.0], [[1.0]])[1][2].tolist()
    [[-1.5]]
    """
    xp, dtype, x1, mean1, matrix = _matrix.batched("x mean", "precision", x=x, mean=mean, precision=precision)
    with np.errstate(all="ignore"):
        symmetric, r = _matrix.symmetric(xp, matrix), x1 - mean1
        factor = _matrix.cholesky(xp, symmetric)
        a = _product(xp, symmetric, r)
        value = _with_precision(xp, x1, mean1, factor, a)
        g, a, r = _weighted(xp, g, x1, value, a, r)
        slope = _matrix.sum_outer(xp, r, g[..., None] * r, matrix)
        slope = (_matrix.shared(xp, g, _matrix.inverse(xp, factor), matrix) - slope) / 2
        to_x = -g[..., None] * a
        cotangents = unbroadcast(to_x, x1, dtype), unbroadcast(-to_x, mean1, dtype), xp.astype(slope, dtype, copy=False)
        return xp.astype(value, dtype, copy=False), cotangents


def entropy(mean: Real, covariance: Real) -> Array:
    r"""Differential entropy, in nats.

    .. math:: H = \tfrac12 \log\det S + \tfrac D2 (1 + \log 2\pi)

    mean: (..., D); covariance: (..., D, D); the result has shape (...). Undefined parameters as in `log_prob`: nan.
    Cover and Thomas (2006), Elements of Information Theory, section 8.4.

    >>> round(float(entropy([0.0], [[1.0]])), 12)  # (1 + log(2 pi)) / 2
    1.418938533205
    """
    xp, dtype, mean, covariance, factor = _parameters(mean, covariance)
    with np.errstate(all="ignore"):
        value = _matrix.sum_of_logs(xp, _matrix.diagonal(xp, factor)) + mean.shape[-1] * (1 + log(2 * pi)) / 2
        return xp.astype(xp.where(_defined(xp, mean, factor), value, xp.nan), dtype, copy=False)


def entropy_vjp(g: Array, mean: Real, covariance: Real) -> tuple[Array, Array]:
    r"""Cotangents of mean, which is 0, and covariance: :math:`\bar S = \tfrac g2 S^{-1}`."""
    xp, dtype, mean1, covariance1, factor = _parameters(mean, covariance)
    with np.errstate(all="ignore"):
        g = _where_defined(xp, g, mean1, factor, 0)
        slope = _matrix.shared(xp, g / 2, _matrix.inverse(xp, factor), covariance1)
        return unbroadcast(g[..., None] * xp.zeros_like(mean1), mean1, dtype), xp.astype(slope, dtype, copy=False)


def mean(mean: Real, covariance: Real) -> Array:
    r"""Mean, the parameter of that name.

    .. math:: \operatorname{E} x = m

    mean: (..., D); covariance: (..., D, D); the result has shape (..., D). Undefined parameters: nan. Bishop (2006),
    eq. 2.59.

    >>> mean([1.0, 2.0], [[1.0, 0.0], [0.0, 1.0]]).tolist()
    [1.0, 2.0]
    """
    xp, dtype, centre, _, factor = _parameters(mean, covariance)
    with np.errstate(all="ignore"):
        return xp.astype(_where_defined(xp, centre, centre, factor, 1), dtype, copy=False)


_mean = mean  # which an argument of the same name hides


def mean_vjp(g: Array, mean: Real, covariance: Real) -> tuple[Array, Array]:
    r"""Cotangents of mean, :math:`\bar m = g`, and covariance, which is 0."""
    xp, dtype, centre, covariance1, factor = _parameters(mean, covariance)
    with np.errstate(all="ignore"):
        g = _where_defined(xp, g, centre, factor, 1)
        none = unbroadcast(g[..., None] * xp.zeros_like(covariance1), covariance1, dtype)
        return unbroadcast(g, centre, dtype), none


def mode(mean: Real, covariance: Real) -> Array:
    r"""Mode, where the density is largest: the mean.

    .. math:: \arg\max_x f(x; m, S) = m

    Shapes and edges as in `mean`: (..., D). Bishop (2006), section 2.3.

    >>> mode([1.0, 2.0], [[1.0, 0.0], [0.0, 1.0]]).tolist()
    [1.0, 2.0]
    """
    return _mean(mean, covariance)


def mode_vjp(g: Array, mean: Real, covariance: Real) -> tuple[Array, Array]:
    r"""Cotangents of mean, :math:`\bar m = g`, and covariance, which is 0."""
    return mean_vjp(g, mean, covariance)


def variance(mean: Real, covariance: Real) -> Array:
    r"""Variances of the coordinates, the diagonal of the covariance.

    .. math:: \operatorname{Var} x_i = S_{ii}

    mean: (..., D); covariance: (..., D, D); the result has shape (..., D). Undefined parameters: nan. Bishop (2006),
    eq. 2.64.

    >>> variance([1.0, 2.0], [[3.0, 1.0], [1.0, 4.0]]).tolist()
    [3.0, 4.0]
    """
    xp, dtype, centre, covariance, factor = _parameters(mean, covariance)
    with np.errstate(all="ignore"):
        value = _where_defined(xp, _matrix.diagonal(xp, covariance), centre, factor, 1)
        return xp.astype(value, dtype, copy=False)


def variance_vjp(g: Array, mean: Real, covariance: Real) -> tuple[Array, Array]:
    r"""Cotangents of mean, which is 0, and covariance, :math:`\bar S = \operatorname{diag}(g)`."""
    xp, dtype, centre, covariance1, factor = _parameters(mean, covariance)
    with np.errstate(all="ignore"):
        g = _where_defined(xp, g, centre, factor, 1)
        slope = g[..., None] * xp.eye(centre.shape[-1], dtype=g.dtype)
        return unbroadcast(0.0 * g, centre, dtype), unbroadcast(slope, covariance1, dtype)


def kl_divergence(mean_p: Real, covariance_p: Real, mean_q: Real, covariance_q: Real) -> Array:
    r"""Kullback-Leibler divergence of q from p, without cancellation where they are nearly equal.

    .. math:: \mathrm{KL}(p \| q) = \tfrac12 \left( \operatorname{tr}(S_q^{-1} S_p) - D
              + (m_q - m_p)^\top S_q^{-1} (m_q - m_p) + \log\frac{\det S_q}{\det S_p} \right)

    means: (..., D); covariances: (..., D, D); the result has shape (...). Undefined parameters of either: nan. With
    :math:`K = L_q^{-1} L_p` it is half the sum of :math:`K_{ii}^2 - 1 - \log K_{ii}^2`, of the squares of K below the
    diagonal and of those of :math:`L_q^{-1}(m_q - m_p)`, which are all positive. Kullback (1959), Information Theory
    and Statistics, chapter 9.

    >>> float(kl_divergence([1.0], [[1.0]], [0.0], [[1.0]]))
    0.5
    """
    xp, dtype, p, q = _two(mean_p, covariance_p, mean_q, covariance_q)
    with np.errstate(all="ignore"):
        triangle, z, defined = _between(xp, p, q)
        k = _matrix.diagonal(xp, triangle)
        deviation = (k - 1) * (k + 1)
        near = xp.abs(deviation) <= 0.5
        bent = log1p_minus(xp, xp.where(near, deviation, 0.0))
        bent = xp.where(near, bent, 2 * xp.log(k) - deviation)
        below = xp.sum(xp.tril(triangle, k=-1) ** 2, axis=(-2, -1))
        value = (below + xp.sum(z * z, axis=-1) - xp.sum(bent, axis=-1)) / 2
        return xp.astype(xp.where(defined, value, xp.nan), dtype, copy=False)


def kl_divergence_vjp(
    g: Array, mean_p: Real, covariance_p: Real, mean_q: Real, covariance_q: Real
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of the parameters of p and q.

    With :math:`a = S_q^{-1}(m_q - m_p)`:

    .. math:: \bar m_q = g a = -\bar m_p, \qquad \bar S_p = \tfrac g2 (S_q^{-1} - S_p^{-1}), \qquad
              \bar S_q = \tfrac g2 (S_q^{-1} - S_q^{-1} S_p S_q^{-1} - a a^\top)
    """
    xp, dtype, p, q = _two(mean_p, covariance_p, mean_q, covariance_q)
    with np.errstate(all="ignore"):
        triangle, z, defined = _between(xp, p, q)
        g = xp.where(defined, _matrix.cotangent(xp, g, defined.shape), xp.nan)
        pull = g[..., None] * _matrix.solve_upper(xp, q[2], z)
        inverse_p, inverse_q = _matrix.inverse(xp, p[2]), _matrix.inverse(xp, q[2])
        both = _matrix.with_transpose(xp, _matrix.left_upper(xp, q[2], triangle))
        a = _matrix.solve_upper(xp, q[2], z)
        to_p, to_q = (inverse_q - inverse_p) / 2, (inverse_q - both - _matrix.outer(a, a)) / 2
        to_p, to_q = (unbroadcast(_matrix.times(g, s), like[1], dtype) for s, like in ((to_p, p), (to_q, q)))
        return unbroadcast(-pull, p[0], dtype), to_p, unbroadcast(pull, q[0], dtype), to_q


def sample(noise: Real, mean: Real, covariance: Real) -> Array:
    r"""Points from standard normal noise, by Cholesky's factor of the covariance.

    .. math:: x = m + L z, \qquad L L^\top = S

    noise, mean: (..., D); covariance: (..., D, D); the result has shape (..., D). Undefined parameters, infinite noise
    and nan: nan. Bishop (2006), section 11.1.1.

    >>> sample([1.0, -1.0], [0.0, 1.0], [[4.0, 0.0], [0.0, 9.0]]).tolist()
    [2.0, -2.0]
    """
    xp, dtype, z, mean, covariance = _matrix.batched(
        "noise mean", "covariance", noise=noise, mean=mean, covariance=covariance
    )
    with np.errstate(all="ignore"):
        factor = _matrix.cholesky(xp, _matrix.symmetric(xp, covariance))
        value = mean + xp.sum(factor * z[..., None, :], axis=-1)
        return xp.astype(_where_defined(xp, value, mean + 0.0 * z, factor, 1), dtype, copy=False)


def sample_vjp(g: Array, noise: Real, mean: Real, covariance: Real) -> tuple[Array, Array, Array]:
    r"""Pathwise cotangents of noise, mean and covariance.

    The derivative of Cholesky's factor is :math:`dL = L\, \Phi(L^{-1} dS\, L^{-\top})`, where :math:`\Phi` takes the
    lower triangle with half the diagonal (Murray 2016, Differentiation of the Cholesky decomposition, eq. 8), so that
    with :math:`\bar L = g z^\top`

    .. math:: \bar z = L^\top g, \qquad \bar m = g, \qquad \bar S = \operatorname{sym}
              \left( L^{-\top} \Phi(L^\top \bar L) L^{-1} \right)
    """
    xp, dtype, z, mean1, matrix = _matrix.batched(
        "noise mean", "covariance", noise=noise, mean=mean, covariance=covariance
    )
    with np.errstate(all="ignore"):
        factor = _matrix.cholesky(xp, _matrix.symmetric(xp, matrix))
        g = _where_defined(xp, g, mean1 + 0.0 * z, factor, 1)
        to_noise = xp.sum(factor * g[..., :, None], axis=-2)
        slope = _matrix.cholesky_vjp(xp, factor, _matrix.outer(to_noise, z))
        return unbroadcast(to_noise, z, dtype), unbroadcast(g, mean1, dtype), unbroadcast(slope, matrix, dtype)


def maximum_likelihood(data: Real) -> Parameters:
    r"""Mean and covariance under which the data are most probable.

    .. math:: \hat m = \frac1N \sum_n x_n, \qquad \hat S = \frac1N \sum_n (x_n - \hat m)(x_n - \hat m)^\top

    data: (N, D); the estimates have shapes (D,) and (D, D). The divisor is N, not N - 1. Where the covariance is
    singular, as with fewer than D + 1 points, it is given all the same, though it is the parameter of no density. No
    data, or infinite ones: nan. Bishop (2006), eq. 2.121 and 2.122.

    >>> maximum_likelihood([[0.0, 1.0], [2.0, 1.0]]).covariance.tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    xp, dtype, data = _data(data)
    with np.errstate(all="ignore"):
        centre, offsets = _centred(xp, data)
        covariance = xp.matmul(_matrix.transposed(xp, offsets), offsets) / data.shape[0]
        return Parameters(xp.astype(centre, dtype, copy=False), xp.astype(covariance, dtype, copy=False))


def maximum_likelihood_vjp(g: Parameters, data: Real) -> tuple[Array]:
    r"""Cotangent of the data.

    .. math:: \bar x_n = \frac1N \left( \bar m + (\bar S + \bar S^\top)(x_n - \hat m) \right)
    """
    xp, dtype, data = _data(data)
    with np.errstate(all="ignore"):
        _, offsets = _centred(xp, data)
        to_mean, to_covariance = (xp.astype(a, xp.float64, copy=False) for a in promote(mean=g[0], covariance=g[1])[2:])
        both = to_covariance + _matrix.transposed(xp, to_covariance)
        return (xp.astype((to_mean + xp.matmul(offsets, both)) / data.shape[0], dtype, copy=False),)


def _data(data: Array) -> tuple[Any, Any, Array]:
    xp, dtype, data = promote(data=data)
    check_shape("data", data, ("N", "D"))
    return xp, dtype, xp.astype(data, xp.float64, copy=False)


def _centred(xp: Any, data: Array) -> tuple[Array, Array]:
    """The mean and the data less the mean, computed from their distances to the first point."""
    data = xp.where(xp.all(xp.isfinite(data)), data, xp.nan)
    if data.shape[0] == 0:
        return xp.full(data.shape[1:], xp.nan), data
    offsets = data - data[:1, :]
    shift = xp.sum(offsets, axis=0) / data.shape[0]
    return data[0, :] + shift, offsets - shift


def _parameters(mean: Array, covariance: Array) -> tuple[Any, ...]:
    xp, dtype, mean, covariance = _matrix.batched("mean", "covariance", mean=mean, covariance=covariance)
    with np.errstate(all="ignore"):
        return xp, dtype, mean, covariance, _matrix.cholesky(xp, _matrix.symmetric(xp, covariance))


def _two(mean_p: Array, covariance_p: Array, mean_q: Array, covariance_q: Array) -> tuple[Any, ...]:
    """``xp, dtype`` and mean, covariance, factor of p and of q."""
    arguments = {"mean_p": mean_p, "covariance_p": covariance_p, "mean_q": mean_q, "covariance_q": covariance_q}
    xp, dtype, *arrays = _matrix.batched("mean_p mean_q", "covariance_p covariance_q", **arguments)
    with np.errstate(all="ignore"):
        factors = [_matrix.cholesky(xp, _matrix.symmetric(xp, a)) for a in arrays[1::2]]
    return xp, dtype, (*arrays[:2], factors[0]), (*arrays[2:], factors[1])


def _between(xp: Any, p: tuple[Array, ...], q: tuple[Array, ...]) -> tuple[Array, Array, Array]:
    """``L_q^-1 L_p``, ``L_q^-1 (m_q - m_p)`` and where both are defined."""
    triangle = xp.tril(_matrix.left_lower(xp, q[2], p[2]))
    z = _matrix.solve_lower(xp, q[2], q[0] - p[0])
    return triangle, z, _defined(xp, p[0], p[2]) & _defined(xp, q[0], q[2])


def _defined(xp: Any, mean: Array, factor: Array) -> Array:
    return xp.all(xp.isfinite(mean), axis=-1) & _matrix.valid(xp, factor)


def _where_defined(xp: Any, value: Array, mean: Array, factor: Array, rank: int) -> Array:
    """A value or a cotangent of numbers (...) or vectors (..., D) in its full shape, nan where undefined."""
    defined = _defined(xp, mean, factor)
    shape = (*defined.shape, *mean.shape[-1:])[: defined.ndim + rank]
    value = _matrix.cotangent(xp, value, shape)
    return xp.where(defined[..., None] if rank else defined, value, xp.nan)


def _infinite(xp: Any, x: Array) -> Array:
    return xp.any(xp.isinf(x), axis=-1)


def _forward(xp: Any, x: Array, mean: Array, factor: Array) -> Array:
    return _matrix.solve_lower(xp, factor, x - mean)


def _product(xp: Any, matrix: Array, r: Array) -> Array:
    return xp.sum(matrix * r[..., None, :], axis=-1)


def _density(xp: Any, x: Array, mean: Array, factor: Array, z: Array) -> Array:
    """The log density, given a factor of the covariance and ``z = L^-1 (x - m)``."""
    scale = _matrix.sum_of_logs(xp, _matrix.diagonal(xp, factor))
    return _within_support(xp, x, mean, factor, -xp.sum(z * z, axis=-1) / 2 - scale)


def _with_precision(xp: Any, x: Array, mean: Array, factor: Array, a: Array) -> Array:
    """The log density, given a factor of the precision and ``a = P (x - m)``."""
    scale = _matrix.sum_of_logs(xp, _matrix.diagonal(xp, factor))
    return _within_support(xp, x, mean, factor, scale - xp.sum((x - mean) * a, axis=-1) / 2)


def _within_support(xp: Any, x: Array, mean: Array, factor: Array, terms: Array) -> Array:
    value = xp.where(_infinite(xp, x), -xp.inf, terms - x.shape[-1] * log(2 * pi) / 2)
    defined = xp.all(xp.isfinite(mean), axis=-1) & ~xp.any(xp.isnan(x), axis=-1) & _matrix.valid(xp, factor)
    return xp.where(defined, value, xp.nan)


def _weighted(xp: Any, g: Array, x: Array, value: Array, *vectors: Array) -> tuple[Array, ...]:
    """The cotangent, nan where the density is undefined, 0 where it is 0; and the vectors, 0 there too."""
    g, outside = _matrix.cotangent(xp, g, value.shape), xp.broadcast_to(_infinite(xp, x), value.shape)
    g = xp.where(xp.isnan(value), xp.nan, xp.where(outside, 0.0, g))
    shape = (*value.shape, vectors[0].shape[-1])
    return g, *(xp.where(outside[..., None], 0.0, xp.broadcast_to(v, shape)) for v in vectors)
