r"""Robust adaptive Metropolis: the shape of the proposal follows the acceptance of the direction that was tried.

Axes: T draws, D coordinates; leading axes are chains.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine.distributions._matrix import outer
from refengine.domains import Array, Real, Unit
from refengine.samplers._chains import cast, cotangents
from refengine.samplers.adaptation._stream import check_between, check_chains, checked, together

__all__ = ["State", "adapt", "adapt_vjp", "init", "step"]


class State(NamedTuple):
    """What is carried: the factor of the proposal's covariance (..., D, D), and the draws so far."""

    factor: Array
    draws: int


def init(factor: Array) -> State:
    """The state before the first draw.

    >>> init([[1.0]]).draws
    0
    """
    xp, _, factor = checked("factor", "(..., D, D)", 2, factor=factor)
    return State(xp.tril(factor), 0)


def step(state: State, acceptance: Array, normal: Array, *, target: float = 0.234, exponent: float = 2 / 3) -> State:
    """The state after one more draw, whose proposal was the position plus the factor times ``normal``.

    >>> after = step(init([[1.0]]), np.array(0.75), np.array([0.5]), target=0.25)
    >>> round(float(after.factor[0, 0]) ** 2, 12)
    1.5
    """
    xp = checked("factor", "(..., D, D)", 2, factor=state.factor)[0]
    m, size = state.draws + 1, state.factor.shape[-1]
    with np.errstate(all="ignore"):
        change = _rate(m, size, exponent) * (acceptance - target)
        return State(xp.matmul(state.factor, _parts(xp, change, _unit(xp, normal)).matrix), m)


def adapt(acceptance: Unit, normal: Real, factor: Real, *, target: float = 0.234, exponent: float = 2 / 3) -> Array:
    r"""Factors of the proposal's covariance along a stream of acceptance probabilities and proposal noise.

    .. math:: S_m S_m^\top = S_{m-1} \Bigl(I + \eta_m (\alpha_m - \alpha_*) \frac{z_m z_m^\top}{|z_m|^2}\Bigr)
              S_{m-1}^\top, \qquad \eta_m = \min(1, D m^{-\kappa})

    acceptance :math:`\alpha`: (..., T); normal z: (..., T, D), where the proposal was :math:`x + S_{m-1} z_m`; factor
    :math:`S_0`: (..., D, D), lower triangular with a positive diagonal; result (..., T, D, D), again of that kind.
    ``target`` is :math:`\alpha_*` and ``exponent`` :math:`\kappa`. What stands above the diagonal of the first factor
    is not read. A z of zeros has no direction: nan from there on. Raises ValueError for other shapes or
    constants out of their range, TypeError for other dtypes.
    Vihola (2012), Robust adaptive Metropolis algorithm with coerced acceptance rate, eq. 1.

    In one dimension 1 + (0.75 - 0.25) = 1.5, the square of 1.2247:

    >>> np.round(adapt([0.75], [[-2.0]], [[1.0]], target=0.25) ** 2, 12).tolist()
    [[[1.5]]]
    """
    target, exponent = check_between("target", target, 0, 1), check_between("exponent", exponent, 0)
    xp, dtype, acceptance, normal, factor = _checked(acceptance, normal, factor)
    state, path = init(factor), []
    for t in range(acceptance.shape[-1]):
        state = step(state, acceptance[..., t], normal[..., t, :], target=target, exponent=exponent)
        path.append(state.factor)
    return cast(together(xp, path, -3, (*normal.shape, normal.shape[-1])), dtype)


def adapt_vjp(
    g: Array, acceptance: Unit, normal: Real, factor: Real, *, target: float = 0.234, exponent: float = 2 / 3
) -> tuple[Array, Array, Array]:
    r"""Cotangents of acceptance, normal and factor, from the last draw to the first.

    With the unit vector :math:`w = z / |z|` and :math:`c = \eta (\alpha - \alpha_*)` the factor of
    :math:`I + c\, w w^\top` is known: for :math:`a_j = 1 + c \sum_{k \le j} w_k^2`, :math:`a_0 = 1`,

    .. math:: L_{jj} = \sqrt{a_j / a_{j-1}}, \qquad L_{ij} = \frac{c\, w_i w_j}{\sqrt{a_j a_{j-1}}} \quad (i > j)

    and :math:`S_m = S_{m-1} L`, so that :math:`\bar L = S_{m-1}^\top \bar S_m` and
    :math:`\bar S_{m-1} = \bar S_m L^\top`. Column j depends on its
    :math:`a_j, a_{j-1}`, on c and on w; with :math:`u_j = \sum_{i>j} \bar L_{ij} w_i` and
    :math:`v_j = \bar L_{jj} a_j`, :math:`n_j = c\, w_j u_j`, :math:`r_j = \sqrt{a_j a_{j-1}}`,

    .. math:: \bar a_j = \frac{v_j - n_j}{2 a_j r_j} - \frac{v_{j+1} + n_{j+1}}{2 a_j r_{j+1}}, \qquad
              \bar c = \sum_j \frac{w_j u_j}{r_j} + \sum_j \bar a_j \sum_{k \le j} w_k^2

    and w gets :math:`c u_j / r_j + c \sum_{k < j} \bar L_{jk} w_k / r_k - 2 c\, w_j \sum_{k < j} \bar a_k`, up to a
    multiple of w, of which z gets what is orthogonal to w, over :math:`|z|`.
    """
    target, exponent = check_between("target", target, 0, 1), check_between("exponent", exponent, 0)
    xp, dtype, acceptance, normal, factor = _checked(acceptance, normal, factor)
    size = normal.shape[-1]
    g = cotangents(g, xp.zeros((*normal.shape, size), dtype=xp.float64))
    state, before = init(factor), []
    for t in range(acceptance.shape[-1]):
        before.append(state.factor)
        state = step(state, acceptance[..., t], normal[..., t, :], target=target, exponent=exponent)
    to_factor, to_acceptance, to_normal = xp.zeros_like(factor), [], []
    with np.errstate(all="ignore"):
        for t in reversed(range(acceptance.shape[-1])):
            rate, z = _rate(t + 1, size, exponent), normal[..., t, :]
            w, length = _unit(xp, z), xp.sqrt(xp.sum(z * z, axis=-1))
            parts = _parts(xp, rate * (acceptance[..., t] - target), w)
            arrived = to_factor + g[..., t, :, :]
            to_change, to_w = _parts_vjp(xp, xp.matmul(xp.matrix_transpose(before[t]), arrived), parts, w)
            to_factor = xp.matmul(arrived, xp.matrix_transpose(parts.matrix))
            to_acceptance.append(rate * to_change)
            turned = outer(w, to_w) - outer(to_w, w)  # to_w less its part along w, without its cancellation
            to_normal.append(xp.sum(w[..., :, None] * turned, axis=-2) / length[..., None])
    return (
        cast(together(xp, to_acceptance[::-1], -1, acceptance.shape), dtype),
        cast(together(xp, to_normal[::-1], -2, normal.shape), dtype),
        cast(xp.tril(to_factor), dtype),
    )


class _Parts(NamedTuple):
    """The factor L of I + c w w^T with what it is made of: c (..., 1), and a_j, a_(j-1), r_j (..., D)."""

    matrix: Array
    change: Array
    after: Array
    before: Array
    root: Array


def _parts(xp: Any, change: Array, w: Array) -> _Parts:
    c = xp.asarray(change)[..., None]
    after = 1 + c * xp.cumulative_sum(w * w, axis=-1)
    before = xp.concat([xp.ones_like(after[..., :1]), after[..., :-1]], axis=-1)
    root = xp.sqrt(after * before)
    below = xp.tril(outer(w, c * w / root), k=-1)
    diagonal = (after / root)[..., None] * xp.eye(w.shape[-1], dtype=xp.float64)
    return _Parts(below + diagonal, c, after, before, root)


def _parts_vjp(xp: Any, g: Array, parts: _Parts, w: Array) -> tuple[Array, Array]:
    """What arrives at c (...) and at w (..., D)."""
    c, root = parts.change, parts.root
    below = xp.tril(g, k=-1)
    u = xp.sum(below * w[..., :, None], axis=-2)
    size = w.shape[-1]
    v = xp.sum(g * xp.eye(size, dtype=xp.float64), axis=-2) * parts.after
    n = c * w * u
    own = (v - n) / (2 * parts.after * root)
    next_one = (v + n)[..., 1:] / (2 * parts.after[..., :-1] * root[..., 1:])
    to_a = own - xp.concat([next_one, xp.zeros_like(own[..., :1])], axis=-1)
    to_change = xp.sum(w * u / root + to_a * xp.cumulative_sum(w * w, axis=-1), axis=-1)
    earlier = xp.cumulative_sum(to_a, axis=-1) - to_a
    left = xp.sum(below * (w / root)[..., None, :], axis=-1)
    return to_change, c * (u / root + left - 2 * w * earlier)


def _unit(xp: Any, normal: Array) -> Array:
    return normal / xp.sqrt(xp.sum(normal * normal, axis=-1))[..., None]


def _rate(m: int, size: int, exponent: float) -> float:
    return min(1.0, float(size * m**-exponent))


def _checked(acceptance: Array, normal: Array, factor: Array) -> tuple[Any, Any, Array, Array, Array]:
    xp, dtype, acceptance, normal, factor = checked(
        "normal", "(..., T, D)", 2, acceptance=acceptance, normal=normal, factor=factor
    )
    check_chains("acceptance", acceptance, normal.shape[:-1], "(..., T)")
    wanted = (*normal.shape[:-2], normal.shape[-1], normal.shape[-1])
    check_chains("factor", factor, wanted, "(..., D, D)")
    return xp, dtype, acceptance, normal, factor
