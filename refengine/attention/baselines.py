r"""What a baseline does to the score-function estimate: its exact variance, and the baseline with the least.

The estimate is :math:`\hat g = (f_s - b)(e_s - p)` for a position s drawn from :math:`p = \operatorname{softmax}(z)`;
see `refengine.attention.hard.score_function`, and `refengine.attention.hard` for logits of -inf and for bad rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine.attention._choices import Shares, at_open, centred, handed_back, number_back, shares, softmax_vjp
from refengine.distributions._rows import largest, rows, sum_row
from refengine.domains import Array, Real

__all__ = ["optimal", "optimal_vjp", "variance", "variance_vjp"]


def variance(logits: Real, f: Real, baseline: Real) -> Array:
    r"""The variance of the score-function estimate, summed over its K entries.

    .. math:: V = \sum_i p_i (f_i - b)^2 \|e_i - p\|^2 - \sum_k p_k^2 (f_k - J)^2, \qquad J = \sum_i p_i f_i

    logits, f: (..., K), baseline: (...), leading axes broadcast; result: (...), float64 unless all are float32. It is
    computed as :math:`\sum_i p_i \|\hat g_i - \bar g\|^2`, which keeps its digits where it nearly vanishes. Infinite or
    nan f at an open position, or baseline: nan. Definition: Greensmith, Bartlett and Baxter 2004, section 4.

    >>> float(variance([0.0, 0.0], [1.0, 3.0], 0.0)), float(variance([0.0, 0.0], [1.0, 3.0], 2.0))
    (2.0, 0.0)
    """
    xp, dtype, z, f, b = rows({"logits": logits, "f": f}, {"baseline": baseline})
    with np.errstate(all="ignore"):
        value, _, good = _spread(xp, z, f, b)
        return xp.astype(xp.where(good, value, xp.nan)[..., 0], dtype, copy=False)


def variance_vjp(g: Array, logits: Real, f: Real, baseline: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of logits, f and baseline.

    With :math:`d_{ik}` the entries of :math:`\hat g_i - \bar g`, whose means :math:`\sum_i p_i d_{ik}` are 0, so that
    the derivative of :math:`\bar g` takes no part,

    .. math:: \frac{\partial V}{\partial f_i} = 2 p_i \Bigl(d_{ii} - \sum_k p_k d_{ik}\Bigr), \qquad
              \frac{\partial V}{\partial b} = -\sum_i \frac{\partial V}{\partial f_i}, \qquad
              \frac{\partial V}{\partial p_m} = \sum_k d_{mk}^2 - 2 \sum_i p_i d_{im} (f_i - J)

    For three positions that are about equally likely this cancels; there :math:`\delta = p - 1/3` is in

    .. math:: \frac{\partial}{\partial z_m} \sum_i p_i w_i (f_i - b)^2 = -3 p_m w_m \delta_m (f_m - b)^2
              + p_m \sum_{i \ne m} p_i \Bigl(4 \delta_i + 2 \delta_m - 3 \sum_j \delta_j^2\Bigr) (f_i - b)^2

    and for a baseline far from all f the squares are taken less :math:`(J - b)^2`, as :math:`\sum_i p_i w_i` is
    :math:`1 - \sum_i p_i^2`.
    """
    xp, dtype, z, f_, b, g = rows({"logits": logits, "f": f}, {"baseline": baseline, "g": g})
    with np.errstate(all="ignore"):
        _, (dz, df), good = _spread(xp, z, f_, b)
        found = handed_back(xp, good, dtype, (g * dz, logits), (g * df, f))
        return *found, number_back(xp, good, dtype, -g * sum_row(xp, df), baseline)


def optimal(logits: Real, f: Real) -> Array:
    r"""The baseline for which the variance is least.

    .. math:: b^* = \frac{\sum_i p_i w_i f_i}{\sum_i p_i w_i}, \qquad w_i = \|e_i - p\|^2

    logits, f: (..., K), leading axes broadcast; result: (...). With one open position every baseline gives the variance
    0: nan. Where one p is nearly 1 it is the mean over the other positions, not f at that one.
    Source: Greensmith, Bartlett and Baxter 2004, section 4.

    >>> float(optimal([0.0, 0.0], [1.0, 3.0])), round(float(optimal([0.0, 40.0], [1.0, 3.0])), 12)
    (2.0, 1.0)
    """
    xp, dtype, z, f = rows({"logits": logits, "f": f})
    with np.errstate(all="ignore"):
        found = _weights(xp, z, f)
        return xp.astype(xp.where(found.good, sum_row(xp, found.share * found.f), xp.nan)[..., 0], dtype, copy=False)


def optimal_vjp(g: Array, logits: Real, f: Real) -> tuple[Array, Array]:
    r"""Cotangents of logits and f, with :math:`a_i = p_i w_i` and its sum A.

    .. math:: \frac{\partial b^*}{\partial f_i} = \frac{a_i}{A}, \qquad
              A \frac{\partial b^*}{\partial z_m} = a_m (1 - 2 p_m) (f_m - b^*)
              + 2 \sum_{i \ne m} p_m p_i \Bigl(p_i + p_m - \sum_j p_j^2\Bigr) (f_i - b^*)

    from :math:`\partial w_i / \partial z_m = 2 p_m (p_i + p_m - \sum_j p_j^2) - 2 p_i [i = m]`, as
    :math:`\sum_i a_i (f_i - b^*) = 0`. For three positions that are about equally likely this cancels; there, with
    :math:`\delta = p - 1/3`, and :math:`(1 - 2 p_m) \sum_i a_i (f_i - b^*)` taken off,

    .. math:: A \frac{\partial b^*}{\partial z_m} = \sum_{i \ne m} p_i \Bigl(\tfrac83 \delta_m + \tfrac43 \delta_i
              - \sum_j \delta_j^2 + 2 \delta_m^2 - 2 \delta_m \delta_i\Bigr) (f_i - b^*)
    """
    xp, dtype, z, f_, g = rows({"logits": logits, "f": f}, {"g": g})
    with np.errstate(all="ignore"):
        found = _weights(xp, z, f_)
        above = centred(xp, found.share, found.f)
        crossed = xp.sum(found.pairs * above[..., None, :], axis=-1)
        dz = found.share * (1 - 2 * found.p) * above + 2 * crossed
        d, three = _thirds(xp, z, found.p)
        m, i = d[..., None], d[..., None, :]
        slope = 8 * m / 3 + 4 * i / 3 - sum_row(xp, d * d)[..., None] + 2 * m * (m - i)
        slope = xp.where(_different(xp, z > -xp.inf), slope, 0.0) * found.p[..., None, :]
        dz = xp.where(three, xp.sum(slope * above[..., None, :], axis=-1) / found.total, dz)
        return handed_back(xp, found.good, dtype, (g * dz, logits), (g * found.share, f))


def _spread(xp: Any, z: Array, f: Array, b: Array) -> tuple[Array, tuple[Array, Array], Array]:
    """The variance (..., 1), its derivatives to logits and f, and good rows."""
    s = shares(xp, z)
    f, good = at_open(xp, s, f)
    above, own = centred(xp, s.p, f), xp.eye(z.shape[-1], dtype=xp.float64)
    p, rest = s.p[..., None, :], s.rest[..., None, :]
    d = (f - b)[..., None] * xp.where(own > 0, rest, -p) - p * above[..., None, :]
    squares = xp.sum(d * d, axis=-1)
    along = xp.sum(d * xp.where(own > 0, rest, -p), axis=-1)
    dp = squares - 2 * xp.sum((s.p * above)[..., None] * d, axis=-2)
    dz, c = softmax_vjp(xp, s.p, dp), f - b
    thirds, three = _thirds(xp, z, s.p)
    size = xp.max(xp.abs(above) * xp.astype(s.open, xp.float64), axis=-1, keepdims=True)
    off = sum_row(xp, s.p * c)  # J - b
    dz = xp.where(xp.abs(off) > 2 * size, _far_baseline(xp, z, s, c, above, off), dz)
    dz = xp.where(three, _among_three(xp, s.p, thirds, c, above), dz)
    return sum_row(xp, s.p * squares), (dz, 2 * s.p * along), good & xp.isfinite(b)


def _among_three(xp: Any, p: Array, d: Array, c: Array, above: Array) -> Array:
    r"""The derivative of :math:`\sum_i a_i c_i^2 - \sum_k p_k^2 (f_k - J)^2` to the logits, with p = 1/3 + d."""
    m, i = d[..., None], d[..., None, :]
    slope = xp.where(_different(xp, p > 0), 4 * i + 2 * m - 3 * sum_row(xp, d * d)[..., None], 0.0)
    others = p * xp.sum(slope * (p * c * c)[..., None, :], axis=-1)
    w = (1 - p) ** 2 + sum_row(xp, p * p) - p * p
    return others - 3 * d * p * w * c * c - _squared_mean(xp, p, above)


def _far_baseline(xp: Any, z: Array, s: Shares, c: Array, above: Array, off: Array) -> Array:
    r"""The same for any number of positions, where all :math:`c_i` are about equal to :math:`J - b`.

    Their squares are taken less that of J - b, with which :math:`\sum_i a_i = 1 - \sum p^2` comes in as a whole.
    """
    p, squares = s.p, sum_row(xp, s.p * s.p)
    m, i = p[..., None], p[..., None, :]
    slope = xp.where(_different(xp, s.open), m * i * (4 * i + 2 * m - 3 * squares[..., None] - 1), 0.0)
    w = s.rest * s.rest + squares - p * p
    more = above * (c + off)
    found = p * w * (1 - 3 * p) * more + xp.sum(slope * more[..., None, :], axis=-1)
    step = z[..., None] - z[..., None, :]
    near = xp.abs(step) < 1
    whole = -2 * p * xp.sum(i * xp.where(near, i * xp.expm1(xp.where(near, step, 0.0)), m - i), axis=-1)
    return found + off * off * whole - _squared_mean(xp, p, above)


def _squared_mean(xp: Any, p: Array, above: Array) -> Array:
    r"""The derivative of :math:`\sum_k p_k^2 (f_k - J)^2` to the logits."""
    mean = sum_row(xp, (p * above) ** 2) + above * sum_row(xp, p * p * above)
    return 2 * p * (p * above * above - mean)


class _Weights(NamedTuple):
    """Probabilities, f, the shares a / A, and ``p_m p_i (p_i + p_m - sum p^2) / A`` for i unlike m."""

    p: Any
    f: Any
    share: Any
    pairs: Any
    total: Any
    good: Any


def _weights(xp: Any, z: Array, f: Array) -> _Weights:
    """All but the top have the factor ``exp(second - top)``, which may underflow: a and A are without it."""
    s = shares(xp, z)
    f, good = at_open(xp, s, f)
    top = largest(xp, z)
    second = xp.max(xp.where(top, -xp.inf, z), axis=-1, keepdims=True)
    factor = xp.exp(second - xp.max(z, axis=-1, keepdims=True))
    p_top = sum_row(xp, xp.where(top, s.p, 0.0))
    without = xp.where(top, 0.0, xp.exp(z - second)) * p_top
    others = xp.where(top, 0.0, s.p)
    squares = sum_row(xp, others * others)
    w = s.rest * s.rest + sum_row(xp, s.p * s.p) - s.p * s.p
    w_top = factor * (sum_row(xp, without) ** 2 + sum_row(xp, without * without))
    a = xp.where(top, p_top * w_top, without * w)
    total = sum_row(xp, a)
    # p_i + p_m - sum p^2, where one of them is the top
    beside = p_top * sum_row(xp, others) - squares
    m, i = top[..., None], top[..., None, :]
    both = others[..., None] + others[..., None, :]
    excess = both + xp.where(m | i, beside[..., None], -(p_top * p_top + squares)[..., None])
    product = xp.where(m, s.p[..., None] * without[..., None, :], without[..., None] * s.p[..., None, :])
    pairs = xp.where(_different(xp, s.open), product * excess / total[..., None], 0.0)
    return _Weights(s.p, f, a / total, pairs, total * factor, good & (second > -xp.inf))


def _thirds(xp: Any, z: Array, p: Array) -> tuple[Any, Any]:
    r"""``d, rows``: p - 1/3, and the rows where it is needed: three open positions, about equally likely.

    Where they are equally likely, all that a position's probability has to do with :math:`a_i = p_i w_i` cancels:
    :math:`\partial a_i / \partial z_m = 0`.
    """
    here = z > -xp.inf
    three = xp.sum(xp.astype(here, xp.int64), axis=-1, keepdims=True) == 3
    z = xp.where(here & three, z, 0.0)
    steps = p[..., None, :] * xp.expm1(z[..., None] - z[..., None, :])
    d = xp.where(here, xp.sum(steps, axis=-1) / 3, 0.0)
    return d, three & xp.all(xp.abs(d) < 0.1, axis=-1, keepdims=True)


def _different(xp: Any, here: Array) -> Any:
    """Booleans (..., K, K): two positions, both open."""
    places = xp.arange(here.shape[-1])
    return (places[:, None] != places[None, :]) & here[..., None] & here[..., None, :]
