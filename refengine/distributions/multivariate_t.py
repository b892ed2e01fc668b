r"""Multivariate t distribution with n degrees of freedom, centre m and scale matrix S.

Axes: D coordinates; leading axes broadcast. Matrices are symmetric by contract; of one that is not, the symmetric part
is read, and its cotangent is symmetric (`refengine.distributions.multivariate_normal` says more).
"""

from __future__ import annotations

from math import log, pi
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import as_float64, check_shape, promote, unbroadcast
from refengine.distributions import _chi, _half_steps, _matrix, _multivariate_t_fit, _noise
from refengine.domains import Array, Positive, Real, Unit
from refengine.special._saddle_point import log1p_minus

__all__ = [
    "Noise",
    "Parameters",
    "entropy",
    "entropy_vjp",
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
    """What `sample` is made of: normals for the direction and a uniform number for the chi-square variate."""

    normal: Real
    uniform: Unit


class Parameters(NamedTuple):
    """What `maximum_likelihood` estimates."""

    mean: Real
    scale_matrix: Real


def noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Noise:
    """Standard normals of that shape, (..., D), and uniforms in (0, 1), (...).

    >>> noise(np.random.default_rng(0), (5, 2)).uniform.shape
    (5,)
    """
    return Noise(_noise.normal(rng, shape), _noise.uniform(rng, shape[:-1]))


def log_prob(x: Real, df: Positive, mean: Real, scale_matrix: Real) -> Array:
    r"""Logarithm of the multivariate t density, accurate for degrees of freedom of any size.

    .. math:: \log f(x; n, m, S) = \log\frac{\Gamma(\frac{n+D}2)}{\Gamma(\frac n2)} - \tfrac D2 \log(n \pi)
              - \tfrac12 \log\det S - \tfrac{n+D}2 \log\left(1 + \tfrac1n (x-m)^\top S^{-1} (x-m)\right)

    x, mean: (..., D); df: (...); scale_matrix: (..., D, D); the result has shape (...). float32 when every floating
    array is, else float64, and float64 inside. An infinite coordinate lies outside the support: -inf with zero
    gradient. A scale matrix whose symmetric part is not positive definite, df not positive, infinite parameters, and
    nan: nan. Accurate as long as the quadratic form does not overflow. S is the covariance times (n - 2) / n. Kotz and
    Nadarajah (2004), Multivariate t Distributions and Their Applications, eq. 1.1.

    >>> round(float(log_prob([1.0], 1.0, [0.0], [[1.0]])), 12)  # Cauchy: -log(2 pi)
    -1.837877066409
    """
    xp, dtype, *arrays = _checked(x, df, mean, scale_matrix)
    with np.errstate(all="ignore"):
        return xp.astype(_parts(xp, *arrays).value, dtype, copy=False)


def log_prob_vjp(g: Array, x: Real, df: Positive, mean: Real, scale_matrix: Real) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of x, df, mean and scale_matrix.

    With :math:`a = S^{-1}(x - m)`, :math:`q = (x-m)^\top a`, :math:`t = q/n` and :math:`w = (n + D)/(n + q)`:

    .. math:: \bar x = -g w a, \qquad \bar m = g w a, \qquad \bar S = \tfrac g2 (w a a^\top - S^{-1}), \qquad
              \bar n = \tfrac g2 \left( \left[ \psi(\tfrac{n+D}2) - \psi(\tfrac n2) - \tfrac Dn \right]
              - \left[ \log(1 + t) - \tfrac t{1+t} \right] + \tfrac Dn \tfrac t{1+t} \right)

    For large n the brackets are of the order :math:`n^{-2}`; each is computed without what cancels in it.
    """
    return log_prob_value_and_vjp(g, x, df, mean, scale_matrix)[1]


def log_prob_value_and_vjp(
    g: Array, x: Real, df: Positive, mean: Real, scale_matrix: Real
) -> tuple[Array, tuple[Array, Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`, which share the factor.

    >>> value, (dx, ddf, dmean, dscale) = log_prob_value_and_vjp(1.0, [1.0], 1.0, [0.0], [[1.0]])
    >>> dx.tolist(), dmean.tolist(), dscale.tolist()
    ([-1.0], [1.0], [[0.0]])
    """
    xp, dtype, x1, df1, mean1, matrix = _checked(x, df, mean, scale_matrix)
    with np.errstate(all="ignore"):
        parts = _parts(xp, x1, df1, mean1, matrix)
        size, outside = x1.shape[-1], parts.outside
        share, t = parts.q / (df1 + parts.q), parts.q / df1
        bent = xp.where(t <= 0.5, log1p_minus(xp, xp.where(t <= 0.5, t, 0.0)) + t * share, xp.log1p(t) - share)
        to_df = (_half_steps.digamma_rise(xp, df1 / 2, size) - bent + size / df1 * share) / 2
        g = _matrix.cotangent(xp, g, parts.value.shape)
        g = xp.where(xp.isnan(parts.value), xp.nan, xp.where(outside, 0.0, g))
        a = xp.where(outside[..., None], 0.0, xp.broadcast_to(parts.a, (*g.shape, size)))
        pull = (g * xp.where(outside, 0.0, (df1 + size) / (df1 + parts.q)))[..., None] * a
        slope = _matrix.sum_outer(xp, a, pull, matrix)
        slope = (slope - _matrix.shared(xp, g, _matrix.inverse(xp, parts.factor), matrix)) / 2
        to_df = unbroadcast(g * xp.where(outside, 0.0, to_df), df1, dtype)
        cotangents = unbroadcast(-pull, x1, dtype), to_df, unbroadcast(pull, mean1, dtype)
        return xp.astype(parts.value, dtype, copy=False), (*cotangents, xp.astype(slope, dtype, copy=False))


class _Parts(NamedTuple):
    value: Array
    factor: Array
    q: Array
    a: Array
    outside: Array


def _checked(x: Array, df: Array, mean: Array, scale_matrix: Array) -> tuple[Any, ...]:
    return _matrix.batched("x mean", "scale_matrix", x=x, df=df, mean=mean, scale_matrix=scale_matrix)


def _parts(xp: Any, x: Array, df: Array, mean: Array, scale_matrix: Array) -> _Parts:
    """The log density, and with what it shares with its gradient."""
    size, factor = x.shape[-1], _matrix.cholesky(xp, _matrix.symmetric(xp, scale_matrix))
    z = _matrix.solve_lower(xp, factor, x - mean)
    q = xp.sum(z * z, axis=-1)
    scale = _matrix.sum_of_logs(xp, _matrix.diagonal(xp, factor))
    constant = _half_steps.log_ratio(xp, df / 2, size) - size * log(2 * pi) / 2
    value = constant - scale - (df + size) / 2 * xp.log1p(q / df)
    outside = xp.broadcast_to(xp.any(xp.isinf(x), axis=-1), value.shape)
    defined = xp.all(xp.isfinite(mean), axis=-1) & ~xp.any(xp.isnan(x), axis=-1) & _matrix.valid(xp, factor)
    defined = defined & (df > 0) & (df < xp.inf)
    value = xp.where(defined, xp.where(outside, -xp.inf, value), xp.nan)
    return _Parts(value, factor, q, _matrix.solve_upper(xp, factor, z), outside)


def entropy(df: Positive, mean: Real, scale_matrix: Real) -> Array:
    r"""Differential entropy, in nats.

    .. math:: H = \tfrac12 \log\det S + \tfrac D2 \log(n \pi) - \log\frac{\Gamma(\frac{n+D}2)}{\Gamma(\frac n2)}
              + \tfrac{n+D}2 \left( \psi(\tfrac{n+D}2) - \psi(\tfrac n2) \right)

    df: (...); mean: (..., D); scale_matrix: (..., D, D); the result has shape (...). Undefined parameters as in
    `log_prob`: nan. Kotz and Nadarajah (2004).

    >>> round(float(entropy(1.0, [0.0], [[1.0]])), 12)  # Cauchy: log(4 pi)
    2.531024246969
    """
    xp, dtype, df, mean, _, factor, defined = _parameters(df, mean, scale_matrix)
    with np.errstate(all="ignore"):
        size, h = mean.shape[-1], df / 2
        rise = (h + size / 2) * _half_steps.digamma_rise(xp, h, size) + size / 2 + size * size / (4 * h)
        value = _matrix.sum_of_logs(xp, _matrix.diagonal(xp, factor)) + size * log(2 * pi) / 2
        value = value - _half_steps.log_ratio(xp, h, size) + rise
        return xp.astype(xp.where(defined, value, xp.nan), dtype, copy=False)


def entropy_vjp(g: Array, df: Positive, mean: Real, scale_matrix: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of df, mean, which is 0, and scale_matrix.

    .. math:: \bar n = \tfrac g2 \left[ \tfrac Dn + \tfrac{n+D}2 \left( \psi'(\tfrac{n+D}2)
              - \psi'(\tfrac n2) \right) \right], \qquad \bar S = \tfrac g2 S^{-1}

    For large n the bracket is of the order :math:`n^{-2}` and the two terms are joined step by step.
    """
    xp, dtype, df1, mean1, matrix, factor, defined = _parameters(df, mean, scale_matrix)
    with np.errstate(all="ignore"):
        g = xp.where(defined, _matrix.cotangent(xp, g, defined.shape), xp.nan)
        to_df = g * _half_steps.trigamma_fall(xp, df1 / 2, mean1.shape[-1]) / 2
        to_scale = _matrix.shared(xp, g / 2, _matrix.inverse(xp, factor), matrix)
        to_mean = unbroadcast(g[..., None] * xp.zeros_like(mean1), mean1, dtype)
        return unbroadcast(to_df, df1, dtype), to_mean, xp.astype(to_scale, dtype, copy=False)


def mean(df: Positive, mean: Real, scale_matrix: Real) -> Array:
    r"""Mean; nan where it does not exist, for df of 1 or less.

    .. math:: \operatorname{E} x = m, \qquad n > 1

    df: (...); mean: (..., D); scale_matrix: (..., D, D); the result has shape (..., D). Undefined parameters: nan. Kotz
    and Nadarajah (2004).

    >>> mean(3.0, [1.0, 2.0], [[1.0, 0.0], [0.0, 1.0]]).tolist()
    [1.0, 2.0]
    """
    return _centre(df, mean, scale_matrix, 1.0)


def mean_vjp(g: Array, df: Positive, mean: Real, scale_matrix: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of df, 0, of mean, :math:`\bar m = g`, and of scale_matrix, 0."""
    return _centre_vjp(g, df, mean, scale_matrix, 1.0)


def mode(df: Positive, mean: Real, scale_matrix: Real) -> Array:
    r"""Mode, where the density is largest.

    .. math:: \arg\max_x f(x; n, m, S) = m

    df: (...); mean: (..., D); scale_matrix: (..., D, D); the result has shape (..., D). Undefined parameters: nan. Kotz
    and Nadarajah (2004), eq. 1.1.

    >>> mode(0.5, [1.0, 2.0], [[1.0, 0.0], [0.0, 1.0]]).tolist()
    [1.0, 2.0]
    """
    return _centre(df, mean, scale_matrix, 0.0)


def mode_vjp(g: Array, df: Positive, mean: Real, scale_matrix: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of df, 0, of mean, :math:`\bar m = g`, and of scale_matrix, 0."""
    return _centre_vjp(g, df, mean, scale_matrix, 0.0)


def variance(df: Positive, mean: Real, scale_matrix: Real) -> Array:
    r"""Variances of the coordinates, the diagonal of the covariance; inf for df from above 1 to 2, nan up to 1.

    .. math:: \operatorname{Var} x_i = \frac n{n-2} S_{ii}, \qquad n > 2

    df: (...); mean: (..., D); scale_matrix: (..., D, D); the result has shape (..., D). Undefined parameters: nan.
    Where the variance is infinite its gradients are zero. Kotz and Nadarajah (2004).

    >>> variance(4.0, [0.0, 0.0], [[1.0, 0.0], [0.0, 3.0]]).tolist()
    [2.0, 6.0]
    """
    xp, dtype, df, _, matrix, _, defined = _parameters(df, mean, scale_matrix)
    with np.errstate(all="ignore"):
        factor = xp.where(df > 2, df / (df - 2), xp.where(df > 1, xp.asarray(xp.inf), xp.nan))
        value = factor[..., None] * _matrix.diagonal(xp, matrix)
        return xp.astype(xp.where(defined[..., None], value, xp.nan), dtype, copy=False)


def variance_vjp(g: Array, df: Positive, mean: Real, scale_matrix: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of df, mean, which is 0, and scale_matrix.

    .. math:: \bar n = -\frac2{(n-2)^2} \sum_i g_i S_{ii}, \qquad \bar S = \frac n{n-2} \operatorname{diag}(g)
    """
    xp, dtype, df1, mean1, matrix, _, defined = _parameters(df, mean, scale_matrix)
    with np.errstate(all="ignore"):
        shape = (*defined.shape, mean1.shape[-1])
        g = xp.where((defined & (df1 > 1))[..., None], _matrix.cotangent(xp, g, shape), xp.nan)
        factor = xp.where(df1 > 2, df1 / (df1 - 2), 0.0 * df1)
        slope = xp.where(df1 > 2, -2 / (df1 - 2) / (df1 - 2), 0.0 * df1)
        to_df = slope * xp.sum(g * _matrix.diagonal(xp, matrix), axis=-1)
        to_scale = (factor[..., None] * g)[..., None] * xp.eye(shape[-1], dtype=g.dtype)
        to_mean = unbroadcast(0.0 * g, mean1, dtype)
        return unbroadcast(to_df, df1, dtype), to_mean, unbroadcast(to_scale, matrix, dtype)


def sample(noise: Noise, df: Positive, mean: Real, scale_matrix: Real) -> Array:
    r"""Points from normal and uniform noise, the uniform as the quantile of a chi-square variate.

    .. math:: x = m + \sqrt{\frac{n}{2 \gamma}}\, L z, \qquad L L^\top = S, \qquad P(\tfrac n2, \gamma) = u

    noise: normal z (..., D) and uniform u (...); df: (...); mean: (..., D); scale_matrix: (..., D, D); the result has
    shape (..., D). P is the regularised incomplete gamma function, so that :math:`2\gamma` is a chi-square variate with
    n degrees of freedom; a small u gives a point far out. Undefined parameters, noise that is infinite or not in
    (0, 1), and nan: nan. Tested for df from 0.1 to 1e12. Kotz and Nadarajah (2004), section 1.2.

    >>> sample(Noise([1.0], 0.75), 2.0, [0.0], [[1.0]]).round(12).tolist()  # 1 / sqrt(log(4))
    [0.849321800288]
    """
    xp, dtype, found = _path(noise, df, mean, scale_matrix)
    with np.errstate(all="ignore"):
        value = found.mean + found.factor[..., None] * found.direction
        return xp.astype(xp.where(found.defined[..., None], value, xp.nan), dtype, copy=False)


def sample_vjp(
    g: Array, noise: Noise, df: Positive, mean: Real, scale_matrix: Real
) -> tuple[Noise, Array, Array, Array]:
    r"""Pathwise cotangents of noise, df, mean and scale_matrix.

    With :math:`r = \sqrt{n/(2\gamma)}` and :math:`\bar r = g^\top L z`, by the implicit function theorem

    .. math:: \bar z = r L^\top g, \qquad \bar m = g, \qquad \bar u = -\bar r \frac r{2 \gamma P_\gamma}, \qquad
              \bar n = \bar r \frac r2 \left( \frac1n + \frac{P_a}{2 \gamma P_\gamma} \right)

    where what cancels in the bracket, which is of the order :math:`n^{-3/2}`, is not formed;
    :math:`\bar S` follows from :math:`\bar L = r g z^\top` as in
    `refengine.distributions.multivariate_normal.sample_vjp`.
    """
    xp, dtype, found = _path(noise, df, mean, scale_matrix)
    with np.errstate(all="ignore"):
        g = _matrix.cotangent(xp, g, (*found.defined.shape, found.mean.shape[-1]))
        g = xp.where(found.defined[..., None], g, xp.nan)
        to_normal = found.factor[..., None] * xp.sum(found.root * g[..., :, None], axis=-2)
        to_factor = xp.sum(g * found.direction, axis=-1)
        to_scale = _matrix.cholesky_vjp(xp, found.root, _matrix.outer(to_normal, found.normal))
        to_noise = Noise(
            unbroadcast(to_normal, found.normal, dtype), unbroadcast(to_factor * found.by_uniform, found.uniform, dtype)
        )
        to_df = unbroadcast(to_factor * found.by_df, found.df, dtype)
        return to_noise, to_df, unbroadcast(g, found.mean, dtype), unbroadcast(to_scale, found.scale_matrix, dtype)


class _Path(NamedTuple):
    """Arguments, the root of the scale matrix, the normal vector that it makes, its factor and where all is defined."""

    normal: Array
    uniform: Array
    df: Array
    mean: Array
    scale_matrix: Array
    root: Array
    direction: Array
    factor: Array
    by_uniform: Array
    by_df: Array
    defined: Array


def _path(noise: Noise, df: Array, mean: Array, scale_matrix: Array) -> tuple[Any, Any, _Path]:
    arguments = {"normal": noise[0], "uniform": noise[1], "df": df, "mean": mean, "scale_matrix": scale_matrix}
    xp, dtype, z, u, df, mean, matrix = _matrix.batched("normal mean", "scale_matrix", **arguments)
    with np.errstate(all="ignore"):
        root = _matrix.cholesky(xp, _matrix.symmetric(xp, matrix))
        inside = (df > 0) & (df < xp.inf) & (u > 0) & (u < 1)
        r, by_u, by_h = _chi.student_factor(xp, xp.where(inside, df, 1.0) / 2, xp.where(inside, u, 0.5))
        defined = (
            inside & _matrix.valid(xp, root) & xp.all(xp.isfinite(z), axis=-1) & xp.all(xp.isfinite(mean), axis=-1)
        )
        direction = xp.sum(root * z[..., None, :], axis=-1)
        return xp, dtype, _Path(z, u, df, mean, matrix, root, direction, r, by_u, by_h / 2, defined)


def _centre(df: Array, mean: Array, scale_matrix: Array, above: float) -> Array:
    xp, dtype, df, centre, _, _, defined = _parameters(df, mean, scale_matrix)
    defined = (defined & (df > above))[..., None]
    return xp.astype(xp.where(defined, centre, xp.nan), dtype, copy=False)


def _centre_vjp(g: Array, df: Array, mean: Array, scale_matrix: Array, above: float) -> tuple[Array, Array, Array]:
    xp, dtype, df1, centre, matrix, _, defined = _parameters(df, mean, scale_matrix)
    with np.errstate(all="ignore"):
        g = _matrix.cotangent(xp, g, (*defined.shape, centre.shape[-1]))
        g = xp.where((defined & (df1 > above))[..., None], g, xp.nan)
        to_df, to_scale = 0.0 * xp.sum(g, axis=-1), 0.0 * g[..., None] * xp.ones_like(matrix)
        return unbroadcast(to_df, df1, dtype), unbroadcast(g, centre, dtype), unbroadcast(to_scale, matrix, dtype)


def _parameters(df: Array, mean: Array, scale_matrix: Array) -> tuple[Any, ...]:
    """``xp, dtype``, the arguments, the factor, and where they are defined."""
    arguments = {"df": df, "mean": mean, "scale_matrix": scale_matrix}
    xp, dtype, df, mean, matrix = _matrix.batched("mean", "scale_matrix", **arguments)
    with np.errstate(all="ignore"):
        factor = _matrix.cholesky(xp, _matrix.symmetric(xp, matrix))
        defined = xp.all(xp.isfinite(mean), axis=-1) & _matrix.valid(xp, factor) & (df > 0) & (df < xp.inf)
        return xp, dtype, df, mean, matrix, factor, defined


def maximum_likelihood(data: Real, df: Positive) -> Parameters:
    r"""Centre and scale matrix of largest likelihood for given degrees of freedom.

    .. math:: \sum_k w_k (x_k - \hat m) = 0, \qquad \hat S = \frac1N \sum_k w_k (x_k - \hat m)(x_k - \hat m)^\top,
              \qquad w_k = \frac{n + D}{n + (x_k - \hat m)^\top \hat S^{-1} (x_k - \hat m)}

    data: (N, D); df: one number; the estimates have shapes (D,) and (D, D). float32 when both are, else float64. From
    n = 1 on there is exactly one stationary point, the maximum, if every point, line, plane and so on of d < D
    dimensions holds less than :math:`N (n + d) / (n + D)` of the data, after Kent and Tyler (1991), section 2: for
    data in general position if N > D + 1, or n > 1 and N > D. Else, for n < 1, where there may be several, and for
    data that are not finite: nan. That a plane holds too many is seen as a scale matrix which becomes singular on the
    way, by 12 digits. If n were free the likelihood would have no bound: it is infinite at an observation for n below
    D / (N - 1). Newton's method.

    >>> found = maximum_likelihood([[0.0, 0.0], [0.0, 3.0], [3.0, 0.0]], 2.0)  # three points: mean and covariance
    >>> found.mean.round(12).tolist(), found.scale_matrix.round(12).tolist()
    ([1.0, 1.0], [[2.0, -1.0], [-1.0, 2.0]])
    """
    xp, dtype, x, n = _observed(data, df)
    with np.errstate(all="ignore"):
        found = _multivariate_t_fit.estimate(xp, x, _multivariate_t_fit.fit(xp, x, n))
        return Parameters(*(xp.astype(part, dtype, copy=False) for part in found))


def maximum_likelihood_vjp(g: Parameters, data: Real, df: Positive) -> tuple[Array, Array]:
    r"""Cotangents of data and df, by the implicit function theorem.

    In the frame of the estimate, :math:`z = L^{-1}(x - \hat m)`, :math:`\zeta = (z, 1)` and :math:`L L^\top = \hat S`,
    the score equations make the mean of :math:`w \zeta \zeta^\top` the identity. With the symmetric matrix Y, whose
    last entry is 0, for which

    .. math:: \frac1{2N} \sum w \Bigl[ \langle Y\zeta, T\zeta \rangle
              - \frac{\zeta^\top Y \zeta \; \zeta^\top T \zeta}{n + z^\top z} \Bigr]
              = \langle L^\top g_S L, E \rangle + \langle L^\top g_m, a \rangle, \qquad
              T = \begin{pmatrix} E & a \\ a^\top & 0 \end{pmatrix},

    for all such T, the cotangents are the first D entries of

    .. math:: \bar x = \frac{w}N L^{-\top} \left( Y \zeta - \frac{\zeta^\top Y \zeta}{n + z^\top z} \zeta \right),
              \qquad \bar n = \frac1{2N} \sum \frac{z^\top z - D}{(n + z^\top z)^2} \, \zeta^\top Y \zeta
    """
    xp, dtype, x, n = _observed(data, df)
    to_centre, to_scale = (as_float64(xp, "g", part) for part in g)
    with np.errstate(all="ignore"):
        found = _multivariate_t_fit.fit(xp, x, n)
        parts = _multivariate_t_fit.cotangents(xp, x, found, n, to_centre, to_scale)
        return tuple(xp.astype(part, dtype, copy=False) for part in parts)


def _observed(data: Array, df: Array) -> tuple[Any, Any, Array, Array]:
    xp, dtype, x, n = promote(data=data, df=df)
    check_shape("data", x, ("N", "D"), D=max(1, x.shape[-1] if x.ndim else 1))
    check_shape("df", n, ())
    return xp, dtype, xp.astype(x, xp.float64, copy=False), xp.astype(n, xp.float64, copy=False)
