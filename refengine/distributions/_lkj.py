r"""Samples of Cholesky factors of correlation matrices and the digammas of their estimates.

By the C-vine the correlation of coordinates i and j < i, given those before j, is a symmetric beta variate on (-1, 1)
with both shapes :math:`\beta_j = \eta + (D - 2 - j)/2` (Lewandowski, Kurowicka and Joe 2009, section 2.4; counted from
0). Its size :math:`|z|` has :math:`P(|z| \le t) = I_{t^2}(\tfrac12, \beta_j)`: solved for the square and what is left
of it to 1 it loses nothing next to 0, where it is for large shapes, nor next to 1. With :math:`F = |2u - 1|`,

.. math:: \frac{\partial z}{\partial u} = \frac{|z| (1 - z^2)}{m}, \qquad
          \frac{\partial z}{\partial \beta} = -\frac{z (1 - z^2)}{2 m} \frac{\partial F}{\partial \beta}, \qquad
          m = z^2 (1 - z^2) \frac{\partial F}{\partial (z^2)}.
"""

from __future__ import annotations

from math import pi
from typing import Any, NamedTuple

import numpy as np

from refengine.distributions import _half_steps, _matrix
from refengine.domains import Array
from refengine.special._incomplete import incomplete_beta
from refengine.special._incomplete_inverse import beta_quantile

_STEPS = 100


class Path(NamedTuple):
    """Noise and concentration, partial correlations and 1 less their squares, slopes, the factor; where defined.

    On the diagonal the former are 1, above it 0, and the latter 1.
    """

    noise: Array
    eta: Array
    correlations: Array
    rest: Array
    by_noise: Array
    by_eta: Array
    products: Array
    factor: Array
    defined: Array


def path(noise: Array, concentration: Array) -> tuple[Any, Any, Path]:
    """``xp, dtype`` and a sample with what it is made of."""
    xp, dtype, u, eta = _matrix.batched("", "noise", noise=noise, concentration=concentration)
    with np.errstate(all="ignore"):
        size = u.shape[-1]
        below = xp.tril(xp.ones((size, size), dtype=xp.bool), k=-1)
        good = (eta > 0) & (eta < xp.inf)
        defined = good & xp.all(~below | ((u > 0) & (u < 1)), axis=(-2, -1))
        columns = xp.astype(xp.arange(size), eta.dtype)
        beta = xp.where(good, eta, 1.0)[..., None, None] + (size - 2 - columns) / 2
        beta, inner = xp.broadcast_arrays(xp.where(below, beta, 1.0), xp.where(below & (u > 0) & (u < 1), u, 0.5))
        z, rest, by_noise, by_beta = _correlation(xp, inner, beta)
        z = xp.where(below, z, xp.eye(size, dtype=z.dtype))
        left, products = xp.ones_like(z[..., 0]), []
        for j in range(size):
            products.append(left)
            left = left * xp.sqrt(rest[..., j])
        products = xp.stack(products, axis=-1)
        return xp, dtype, Path(u, eta, z, rest, by_noise, by_beta, products, z * products, defined)


def path_cotangents(xp: Any, found: Path, g: Array) -> tuple[Array, Array]:
    r"""Cotangents of noise and concentration, of which all shapes have the same derivative, before broadcasting.

    .. math:: \bar z_{ij} = \bar L_{ij} \prod_{k<j} (1 - z_{ik}^2)^{1/2}
              - \frac{z_{ij}}{1 - z_{ij}^2} \sum_{m>j} \bar L_{im} L_{im}
    """
    after, tails = xp.zeros_like(found.factor[..., 0]), []
    for j in reversed(range(found.factor.shape[-1])):
        tails.append(after)
        after = after + g[..., j] * found.factor[..., j]
    back = g * found.products - found.correlations / found.rest * xp.stack(tails[::-1], axis=-1)
    back = xp.tril(back, k=-1)
    return back * found.by_noise, xp.sum(back * found.by_eta, axis=(-2, -1))


def _correlation(xp: Any, u: Array, beta: Array) -> tuple[Array, ...]:
    """z, 1 - z^2 and the slopes of z to u and beta."""
    lower, upper = xp.abs(2 * u - 1), 2 * xp.minimum(u, 1 - u)
    half = 0.5 + 0.0 * beta
    square, rest = beta_quantile(xp, half, beta, lower, upper)
    found = incomplete_beta(xp, half, beta, square, rest)
    missed = xp.where(lower < 0.5, lower - found.lower, found.upper - upper)
    mass = found.mass * (1 + (1 - beta) * square * (missed / found.mass))  # the square is rounded
    size = xp.sqrt(square)
    z, centre = xp.where(u < 0.5, -size, size), square == 0
    flat = xp.sqrt(pi / beta) * xp.exp(-_half_steps.log_ratio(xp, beta, 1))  # 1 over the density at 0
    by_u = xp.where(centre, flat, size * rest / xp.where(centre, 1.0, mass))
    return z, rest, by_u, -z * rest * found.drifts[1] / 2


def rise(xp: Any, eta: Array, size: int, steps: int) -> tuple[Array, Array]:
    r""":math:`\psi(\alpha + \tfrac n2) - \psi(\alpha), \alpha = \eta + (D-1-n)/2`, for n steps, and its slope."""
    low, half = eta + (size - 1 - steps) / 2, steps / 2
    slope = (_half_steps.trigamma_fall(xp, low, steps) - half / low) / (low + half)
    return _half_steps.digamma_rise(xp, low, steps) + half / low, slope


def optimum(xp: Any, gap: Array, size: int) -> tuple[Array, Array]:
    """The concentration at which the rises are the gap, and its derivative to it: Newton's method on 1 / their sum."""
    eta = size * (size - 1) / 4 / gap
    for _ in range(_STEPS):
        total, slope = _total(xp, eta, size)
        step = xp.clip((1 - total / gap) * total / (slope * eta), -0.9, 9.0)
        eta = eta * (1 + step)
        if not bool(xp.abs(step) > 1e-15):
            break
    return eta, 1 / _total(xp, eta, size)[1]


def _total(xp: Any, eta: Array, size: int) -> tuple[Array, Array]:
    found = [rise(xp, eta, size, n) for n in range(1, size)]
    return sum((f[0] for f in found), 0.0 * eta), sum((f[1] for f in found), 0.0 * eta)
