r"""Lewandowski, Kurowicka and Joe's distribution of correlation matrices, on their Cholesky factors L.

With concentration 1 the correlation matrix is uniform; above it the identity is preferred. The density of
:math:`L L^\top` is proportional to :math:`\det(L L^\top)^{\eta - 1}`; that of L, here, is with respect to its entries
below the diagonal, which are free, while :math:`L_{ii} = (1 - \sum_{j<i} L_{ij}^2)^{1/2}`. Axes: D rows and columns.
"""

from __future__ import annotations

from functools import partial
from math import pi
from typing import Any

import numpy as np

from refengine._arrays import check_number, check_shape, elementwise, promote, unbroadcast
from refengine.distributions import _half_steps, _lkj, _matrix
from refengine.distributions._noise import uniform as noise
from refengine.distributions._pointwise import cotangents, positive, value
from refengine.domains import Array, Positive, Real, Unit

__all__ = [
    "entropy",
    "entropy_vjp",
    "log_prob",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
    "maximum_likelihood",
    "maximum_likelihood_vjp",
    "mode",
    "mode_vjp",
    "noise",
    "sample",
    "sample_vjp",
]


def log_prob(x: Real, concentration: Positive) -> Array:
    r"""Logarithm of the density of a Cholesky factor.

    .. math:: \log f(L; \eta) = \sum_{i=2}^D \left[ (D - i + 2\eta - 2) \log L_{ii}
              - \tfrac{i-1}2 \log\pi - \log\Gamma(\eta + \tfrac{D-i}2) + \log\Gamma(\eta + \tfrac{D-1}2) \right]

    x: (..., D, D); concentration: (...); leading axes broadcast and give the result's shape. float32 when every
    floating array is, else float64, and float64 inside. Only the diagonal counts: that rows have unit length is not
    checked, and what stands above the diagonal is not read. A diagonal that is not positive, infinite entries: -inf
    with zero gradient. A concentration that is not positive and finite, and nan: nan.
    Lewandowski, Kurowicka and Joe (2009), Generating random correlation matrices based on vines and extended onion
    method, section 3. Each row is a point in a unit ball, whose integral is a beta function: the constant is the one
    that makes the density integrate to 1 over the entries below the diagonal.

    >>> round(float(log_prob([[1.0, 0.0], [0.6, 0.8]], 1.0)), 12)  # uniform on (-1, 1): -log(2)
    -0.69314718056
    """
    xp, dtype, x, eta = _matrix.batched("", "x", x=x, concentration=concentration)
    with np.errstate(all="ignore"):
        return xp.astype(_value(xp, x, eta), dtype, copy=False)


def log_prob_vjp(g: Array, x: Real, concentration: Positive) -> tuple[Array, Array]:
    r"""Cotangents of x and concentration; that of x is ambient, on the diagonal alone.

    .. math:: \bar L_{ii} = g \frac{D - i + 2\eta - 2}{L_{ii}}, \qquad \bar\eta = g \sum_{i=2}^D
              \left[ 2 \log L_{ii} + \psi(\eta + \tfrac{D-1}2) - \psi(\eta + \tfrac{D-i}2) \right]

    Along the free entries below the diagonal, :math:`\partial_{ij} = -\bar L_{ii} L_{ij} / L_{ii}`.
    """
    xp, dtype, x1, eta = _matrix.batched("", "x", x=x, concentration=concentration)
    with np.errstate(all="ignore"):
        size, found = x1.shape[-1], _value(xp, x1, eta)
        g = _matrix.cotangent(xp, g, found.shape)
        inside = xp.isfinite(found)
        diagonal = xp.where(inside[..., None], _matrix.diagonal(xp, x1), 1.0)
        rise = sum((_lkj.rise(xp, eta, size, n)[0] for n in range(1, size)), 0.0 * eta)
        to_eta = g * xp.where(inside, 2 * xp.sum(xp.log(diagonal[..., 1:]), axis=-1) + rise, 0.0)
        to_x = g[..., None] * xp.where(inside[..., None], _powers(xp, eta, size) / diagonal, 0.0)
        to_x = xp.where(xp.eye(size, dtype=xp.bool), to_x[..., None], 0.0)  # what overflows stays on the diagonal
        undefined = xp.isnan(found)
        to_x = xp.where(undefined[..., None, None], xp.tril(xp.full(to_x.shape, xp.nan)), to_x)
        to_eta = xp.where(undefined, xp.nan, to_eta)
        return unbroadcast(to_x, x1, dtype), unbroadcast(to_eta, eta, dtype)


def log_prob_value_and_vjp(g: Array, x: Real, concentration: Positive) -> tuple[Array, tuple[Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dconcentration) = log_prob_value_and_vjp(1.0, [[1.0, 0.0], [0.6, 0.8]], 2.0)
    >>> dx.tolist()
    [[0.0, 0.0], [0.0, 2.5]]
    """
    return log_prob(x, concentration), log_prob_vjp(g, x, concentration)


def sample(noise: Unit, concentration: Positive) -> Array:
    r"""Cholesky factors from uniform noise, by the C-vine of partial correlations.

    .. math:: L_{ij} = z_{ij} \prod_{k<j} (1 - z_{ik}^2)^{1/2} \; (i > j), \qquad
              L_{ii} = \prod_{k<i} (1 - z_{ik}^2)^{1/2}, \qquad
              I_{(1 + z_{ij})/2}(\beta_j, \beta_j) = u_{ij}, \quad \beta_j = \eta + \tfrac{D-2-j}2

    noise: (..., D, D), uniform in (0, 1), of which the part below the diagonal is read; concentration: (...); the
    result has shape (..., D, D). i and j count from 0; I is the regularised incomplete beta function, so that each
    noise belongs to one free entry, which rises with it. A concentration that is not positive and finite, noise not in
    (0, 1), and nan: nan. Tested for concentrations from 1e-2 to 1e10. Lewandowski, Kurowicka and Joe (2009), section
    2.4.

    >>> sample([[0.5, 0.5], [0.75, 0.5]], 1.0).round(12).tolist()  # uniform on (-1, 1)
    [[1.0, 0.0], [0.5, 0.866025403784]]
    """
    xp, dtype, found = _lkj.path(noise, concentration)
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(found.defined[..., None, None], found.factor, xp.nan), dtype, copy=False)


def sample_vjp(g: Array, noise: Unit, concentration: Positive) -> tuple[Array, Array]:
    r"""Pathwise cotangents of noise and concentration, implicit through the beta variates.

    With F the distribution function and f the density of a variate z:

    .. math:: \bar z_{ij} = g_{ij} \prod_{k<j} (1 - z_{ik}^2)^{1/2}
              - \frac{z_{ij}}{1 - z_{ij}^2} \sum_{m>j} g_{im} L_{im}, \qquad
              \bar u_{ij} = \frac{\bar z_{ij}}{f(z_{ij})}, \qquad
              \bar\eta = -\sum_{i>j} \bar z_{ij} \frac{\partial_\beta F(z_{ij})}{f(z_{ij})}
    """
    xp, dtype, found = _lkj.path(noise, concentration)
    with np.errstate(all="ignore"):
        defined = found.defined[..., None, None]
        g = xp.where(defined, _matrix.cotangent(xp, g, found.factor.shape), xp.nan)
        to_noise, to_eta = _lkj.path_cotangents(xp, found, g)
        to_eta = xp.where(found.defined, to_eta, xp.nan)
        return unbroadcast(to_noise, found.noise, dtype), unbroadcast(to_eta, found.eta, dtype)


def entropy(concentration: Positive, *, size: int) -> Array:
    r"""Differential entropy of factors of ``size`` rows, with respect to the entries below the diagonal, in nats.

    .. math:: H = \sum_{n=1}^{D-1} \left[ (\alpha_n - 1) \left( \psi(\alpha_n + \tfrac n2) - \psi(\alpha_n) \right)
              + \tfrac n2 \log\pi - \log\frac{\Gamma(\alpha_n + \frac n2)}{\Gamma(\alpha_n)} \right], \qquad
              \alpha_n = \eta + \tfrac{D-1-n}2

    concentration: (...), broadcast; size: D, at least 1. A concentration that is not positive and
    finite: nan. The square of :math:`L_{ii}, i = n + 1`, is a beta variate with shapes :math:`\alpha_n, n/2`, whose
    logarithm has the expectation in parentheses, less its sign: the expectation of minus the logarithm of the density
    of Lewandowski, Kurowicka and Joe (2009), section 3.

    >>> round(float(entropy(1.0, size=2)), 12)  # uniform on (-1, 1): log(2)
    0.69314718056
    """
    return value(partial(_entropy, size=_checked(size)), concentration=concentration)


def entropy_vjp(g: Array, concentration: Positive, *, size: int) -> tuple[Array]:
    r"""Cotangent of the concentration.

    .. math:: \bar\eta = g \sum_{n=1}^{D-1} (\alpha_n - 1) \left( \psi'(\alpha_n + \tfrac n2) - \psi'(\alpha_n) \right)
    """
    found = cotangents(partial(_entropy, size=_checked(size)), g, concentration=concentration)
    return (found[0],)


def mode(concentration: Positive, *, size: int) -> Array:
    r"""The factor of ``size`` rows at which the density is largest: the identity for concentrations above 1, else nan.

    .. math:: \arg\max_L f(L; \eta) = I, \qquad \eta > 1

    concentration: (...); the result has shape (..., D, D), D the size. At 1 the density does not depend on the last
    row, below 1 it has no upper bound; the one matrix of size 1 is its mode in any case. Lewandowski, Kurowicka and Joe
    (2009), section 3.

    >>> mode(2.0, size=2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    xp, dtype, eta, defined = _with_mode(concentration, size)
    found = xp.where(defined[..., None, None], xp.eye(int(size), dtype=eta.dtype), xp.nan)
    return xp.astype(found, dtype, copy=False)


def mode_vjp(g: Array, concentration: Positive, *, size: int) -> tuple[Array]:
    r"""Cotangent of the concentration: :math:`\bar\eta = 0`."""
    xp, dtype, eta, defined = _with_mode(concentration, size)
    with np.errstate(all="ignore"):
        g = _matrix.cotangent(xp, g, (*eta.shape, int(size), int(size)))
        return (xp.astype(xp.where(defined, 0.0 * xp.sum(g, axis=(-2, -1)), xp.nan), dtype, copy=False),)


def maximum_likelihood(data: Real) -> Array:
    r"""The concentration under which observed factors are most probable.

    .. math:: \sum_{n=1}^{D-1} \left[ \psi(\hat\alpha_n + \tfrac n2) - \psi(\hat\alpha_n) \right]
              = -\frac2N \sum_k \sum_{i=2}^D \log L_{k,ii}, \qquad \hat\alpha_n = \hat\eta + \tfrac{D-1-n}2

    data: (N, D, D); the result has shape (). The left side falls from infinity to 0 and is solved by Newton's method;
    one factor suffices. Where the right side is not positive, as for identities alone (the likelihood rises to the
    end), for D = 1, no data, and those outside the support of `log_prob`: nan. As there only the diagonal counts.
    The score of the density of Lewandowski, Kurowicka and Joe (2009), section 3.

    >>> round(float(maximum_likelihood([[[1.0, 0.0], [0.677244, 0.735758882343]]])), 9)  # psi(3/2) - psi(1), of 2 / e
    1.0
    """
    xp, dtype, _, eta, _ = _fitted(data)
    return xp.astype(eta, dtype, copy=False)


def maximum_likelihood_vjp(g: Array, data: Real) -> tuple[Array]:
    r"""Cotangent of the data, on the diagonals alone, by the implicit function theorem.

    .. math:: \bar L_{k,ii} = \frac{2 g}{N L_{k,ii}} \left( \sum_{n=1}^{D-1} \left[ \psi'(\hat\alpha_n)
              - \psi'(\hat\alpha_n + \tfrac n2) \right] \right)^{-1}, \qquad i > 1
    """
    xp, dtype, x, eta, by_gap = _fitted(data)
    with np.errstate(all="ignore"):
        g = _matrix.cotangent(xp, g, ())
        slope = -2 * g * by_gap / x.shape[0] / _matrix.diagonal(xp, x)[..., None] if x.shape[0] else x
        slope = xp.where(_beyond_first(xp, x), slope, 0.0)
        slope = xp.where(xp.isnan(eta), xp.tril(xp.full(x.shape, xp.nan)), slope)
        return (xp.astype(slope, dtype, copy=False),)


def _fitted(data: Array) -> tuple[Any, ...]:
    """``xp, dtype, data, estimate`` and its derivative to the right side of its equation."""
    xp, dtype, x = promote(data=data)
    check_shape("data", x, ("N", "D", "D"), D=max(1, x.shape[-1] if x.ndim else 1))
    x = xp.astype(x, xp.float64, copy=False)
    with np.errstate(all="ignore"):
        diagonal = _matrix.diagonal(xp, x)
        inside = xp.all(diagonal > 0) & xp.all(xp.isfinite(xp.tril(x)))
        gap = -2 * xp.sum(xp.log(xp.where(diagonal > 0, diagonal, 1.0)[:, 1:])) / max(x.shape[0], 1)
        gap = xp.where(inside & (gap > 0), gap, xp.nan)
        return xp, dtype, x, *_lkj.optimum(xp, gap, x.shape[-1])


def _beyond_first(xp: Any, x: Array) -> Array:
    """The diagonal but for its first entry, which is not free."""
    size = x.shape[-1]
    return xp.eye(size, dtype=xp.bool) & (xp.arange(size) > 0)


def _checked(size: int) -> int:
    number = check_number("size", size)
    if number != int(number) or number < 1:
        raise ValueError(f"size must be a whole number of 1 or more, got {size!r}")
    return int(number)


def _with_mode(concentration: Array, size: int) -> tuple[Any, ...]:
    size = _checked(size)
    xp, dtype, eta = elementwise(concentration=concentration)
    return xp, dtype, eta, positive(xp, eta) & ((eta > 1) | (size == 1))


def _entropy(xp: Any, eta: Array, *, size: int) -> tuple[Array, ...]:
    defined = positive(xp, eta)
    eta = xp.where(defined, eta, 1.0)
    found, by_eta = 0.0 * eta, 0.0 * eta
    for n in range(1, size):
        rise, slope = _lkj.rise(xp, eta, size, n)
        above = (eta - 1) + (size - 1 - n) / 2
        found, by_eta = found + above * rise - _log_ball(xp, eta, size, n), by_eta + above * slope
    return defined, found, by_eta


def _powers(xp: Any, eta: Array, size: int) -> Array:
    """``D - i + 2 eta - 2`` of the diagonal, 0 in the first row."""
    rows = xp.astype(xp.arange(2, size + 1), eta.dtype)
    powers = 2 * eta[..., None] + (size - rows - 2)  # rounded once
    return xp.concat([0.0 * eta[..., None], powers], axis=-1)


def _log_ball(xp: Any, eta: Array, size: int, steps: int) -> Array:
    """``log Gamma(eta + (D-1)/2) - log Gamma(eta + (D-1-n)/2) - n/2 log(pi)`` for n steps."""
    low = eta + (size - 1 - steps) / 2
    return _half_steps.log_ratio(xp, low, steps) + steps / 2 * xp.log(low / pi)


def _value(xp: Any, x: Array, eta: Array) -> Array:
    size, lower = x.shape[-1], xp.tril(x)
    diagonal = _matrix.diagonal(xp, lower)
    logs = xp.log(xp.where(diagonal > 0, diagonal, 1.0))
    value = xp.sum(_powers(xp, eta, size) * logs, axis=-1)
    value = value + sum((_log_ball(xp, eta, size, n) for n in range(1, size)), 0.0 * eta)
    inside = xp.all(diagonal > 0, axis=-1) & xp.all(xp.isfinite(lower), axis=(-2, -1))
    defined = (eta > 0) & (eta < xp.inf) & ~xp.any(xp.isnan(lower), axis=(-2, -1))
    return xp.where(defined, xp.where(inside, value, -xp.inf), xp.nan)
