r"""Several steps of hard attention, enumerated: the exact expectation over all paths, for small K and T.

A path takes one of K positions in each of T steps. f, (K^T,), is the value downstream of every path, in lexicographic
order: the first step changes slowest. For logits of -inf see `refengine.attention.hard`; what is downstream of a
position that is never chosen is left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import as_float64, check_shape, promote
from refengine.attention._choices import Shares, shares, softmax_vjp
from refengine.distributions._rows import sum_row
from refengine.domains import Array, Real

__all__ = ["expected", "expected_tree", "expected_tree_vjp", "expected_vjp"]


def expected(logits: Real, f: Real) -> Array:
    r"""The expectation over all paths of steps that are independent of each other.

    .. math:: J = \sum_{s_1, \dots, s_T} \Bigl(\prod_t p_{t s_t}\Bigr) f_{s_1 \dots s_T}

    logits: (T, K), T >= 1, f: (K^T,); result (), float64 unless both are float32. A row without a distribution, and an
    infinite or nan f of a possible path: nan. Wrong shapes: ValueError.
    Xu et al. 2015, section 4.1: the objective :math:`L_s` for f = log p(y | s, a).

    >>> float(expected(np.zeros((2, 2)), [0.0, 1.0, 2.0, 3.0]))
    1.5
    """
    xp, dtype, z, f = _checked(logits, f)
    with np.errstate(all="ignore"):
        return xp.astype(_walk(xp, _repeated(xp, z), f).value, dtype, copy=False)


def expected_vjp(g: Array, logits: Real, f: Real) -> tuple[Array, Array]:
    r"""Cotangents of logits and f.

    .. math:: \frac{\partial J}{\partial z_{ti}} = p_{ti} \bigl(\operatorname{E}[f \mid s_t = i] - J\bigr), \qquad
              \frac{\partial J}{\partial f_s} = \prod_t p_{t s_t}

    They are the sums over the nodes of `expected_tree_vjp` that are in the same step.
    """
    xp, dtype, z, f = _checked(logits, f)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ())
    with np.errstate(all="ignore"):
        found = _walk(xp, _repeated(xp, z), f)
        dz = xp.stack([xp.sum(d, axis=0) for d in found.dz])
        return xp.astype(g * dz, dtype, copy=False), xp.astype(g * found.df, dtype, copy=False)


def expected_tree(logits: Real, f: Real) -> Array:
    r"""The expectation over all paths where the logits of a step depend on the positions before it.

    .. math:: J = V_0, \qquad V_n = \sum_i p_{ni} V_{n K + 1 + i}, \qquad p_n = \operatorname{softmax}(z_n)

    logits: (N, K) with N = 1 + K + ... + K^(T-1), one row for each node of the tree of positions so far, level by
    level: the node after n and i is n K + 1 + i; f: (K^T,) are the values of the leaves; result (), float64 unless both
    are float32. A node that can be reached but has no distribution, an infinite or nan f of a possible path: nan. Wrong
    shapes: ValueError. Xu et al. 2015, section 4.1, where attention depends on the state of the decoder.

    >>> float(expected_tree([[0.0, 0.0], [0.0, -np.inf], [0.0, 0.0]], [8.0, np.nan, 2.0, 4.0]))  # (8 + (2 + 4)/2)/2
    5.5
    """
    xp, dtype, z, f = _checked(logits, f, tree=True)
    with np.errstate(all="ignore"):
        return xp.astype(_walk(xp, _levels(z), f).value, dtype, copy=False)


def expected_tree_vjp(g: Array, logits: Real, f: Real) -> tuple[Array, Array]:
    r"""Cotangents of logits and f, with :math:`R_n` the probability of coming to the node n.

    .. math:: \frac{\partial J}{\partial z_{ni}} = R_n \, p_{ni} \bigl(V_{n K + 1 + i} - V_n\bigr), \qquad
              \frac{\partial J}{\partial f} = R \text{ of the leaf}
    """
    xp, dtype, z, f = _checked(logits, f, tree=True)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ())
    with np.errstate(all="ignore"):
        found = _walk(xp, _levels(z), f)
        return xp.astype(g * xp.concat(found.dz), dtype, copy=False), xp.astype(g * found.df, dtype, copy=False)


class _Walk(NamedTuple):
    value: Any
    dz: list[Any]
    df: Any


def _walk(xp: Any, levels: list[Any], f: Array) -> _Walk:
    """Down the tree for the probabilities of the nodes, up for their values; everything is nan where one is."""
    reached, chance = xp.ones(1) > 0, xp.ones(1)
    chances, good = [chance], reached[0]
    steps: list[Shares] = []
    for z in levels:
        s = shares(xp, xp.where(reached[:, None], z, 0.0))
        good, steps = good & xp.all(s.good), [*steps, s]
        reached = xp.reshape(reached[:, None] & s.open, (-1,))
        chance = xp.where(reached, xp.reshape(chance[:, None] * s.p, (-1,)), 0.0)
        chances.append(chance)
    good = good & xp.all(xp.where(reached, xp.isfinite(f), True))
    value = xp.where(reached, f, 0.0)
    dz: list[Any] = []
    for s, chance in zip(reversed(steps), reversed(chances[:-1]), strict=True):
        below = xp.reshape(value, s.p.shape)
        dz = [xp.where(good, chance[:, None] * softmax_vjp(xp, s.p, below), xp.nan), *dz]
        value = sum_row(xp, s.p * below)[:, 0]
    return _Walk(xp.where(good, value[0], xp.nan), dz, xp.where(good, chances[-1], xp.nan))


def _repeated(xp: Any, z: Array) -> list[Any]:
    """The row of each step, at all nodes of its level."""
    steps, k = z.shape
    return [xp.broadcast_to(z[t, :], (k**t, k)) for t in range(steps)]


def _levels(z: Array) -> list[Any]:
    found, start, size = [], 0, 1
    while start < z.shape[0]:
        found.append(z[start : start + size, :])
        start, size = start + size, size * z.shape[1]
    return found


def _checked(logits: Array, f: Array, tree: bool = False) -> tuple[Any, Any, Any, Any]:
    """``xp, dtype, logits, f`` in float64."""
    xp, dtype, z, f = promote(logits=logits, f=f)
    letters = "(N, K) with N = 1 + K + ... + K^(T-1)" if tree else "(T, K)"
    fits = z.ndim == 2 and z.shape[0] > 0 and z.shape[1] > 0
    if not fits or (tree and _levels(z)[-1].shape[0] != z.shape[1] ** (len(_levels(z)) - 1)):
        raise ValueError(f"logits must have shape {letters}, T, K >= 1, got {tuple(z.shape)}")
    steps = len(_levels(z)) if tree else z.shape[0]
    if f.shape != (z.shape[1] ** steps,):
        raise ValueError(f"f must have shape ({z.shape[1] ** steps},), K^T, got {tuple(f.shape)}")
    return xp, dtype, xp.astype(z, xp.float64, copy=False), xp.astype(f, xp.float64, copy=False)
