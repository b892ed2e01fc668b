r"""RELAX and REBAR: the score function with a control variate that is reparameterised, and so correlated with it.

Logits z lie on the last axis (..., K). u makes the position s, that of the largest :math:`w = z + G(u)`; v makes
:math:`\tilde w`, perturbed logits drawn anew given s. The control variate is linear in a relaxed choice,
:math:`c(w) = \sum_i \varphi_i \operatorname{softmax}_i(w / \tau)`: RELAX with weights of its own, REBAR with
:math:`\varphi = \eta f`, as f is known at the corners alone. For logits of -inf and bad rows see
`refengine.attention.hard`.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_number
from refengine.attention._choices import (
    Shares,
    at_open,
    centred,
    gumbels,
    gumbels_good,
    handed_back,
    number_back,
    score,
    shares,
    softmax_vjp,
)
from refengine.distributions._noise import uniform as noise
from refengine.distributions._rows import largest, rows, sum_row
from refengine.domains import Array, Real, Unit

__all__ = ["noise", "rebar", "rebar_vjp", "relax", "relax_vjp"]


def relax(logits: Real, u: Unit, v: Unit, reward: Real, surrogate: Real, *, temperature: float) -> Array:
    r"""The RELAX estimate of the gradient of the expected reward to the logits.

    .. math:: \hat g = \bigl(r - c(\tilde w)\bigr) (e_s - p) + \frac{\partial c(w)}{\partial z}
              - \frac{\partial c(\tilde w)}{\partial z}, \qquad
              \tilde w_i = -\log\Bigl(-\frac{\log v_i}{p_i} - \log v_s\Bigr), \quad
              \tilde w_s = -\log(-\log v_s)

    logits, u, v, surrogate :math:`\varphi`: (..., K), reward r, that of the position
    `refengine.attention.hard.sample_gumbel_max` of u: (...), leading axes broadcast; result: (..., K), float64 unless
    all are float32. Its mean over u and v is the gradient of `refengine.attention.hard.expected` for all surrogates;
    with 0 it is `refengine.attention.hard.score_function` without a baseline. temperature is a positive number; where
    one p is nearly 1 and temperature above 1, the terms of w and of its new draw cancel, and gradients lose digits.
    Infinite or nan rewards and surrogates, noise outside (0, 1): nan.
    Source: Grathwohl et al. 2018, eq. 7 with the conditional of appendix B.

    >>> relax([0.0, 0.0], [0.75, 0.25], [0.5, 0.5], 3.0, [0.0, 0.0], temperature=1.0).tolist()
    [1.5, -1.5]
    """
    _check(temperature)
    vectors = {"logits": logits, "u": u, "v": v, "surrogate": surrogate}
    xp, dtype, z, u, v, c, r = rows(vectors, {"reward": reward})
    with np.errstate(all="ignore"):
        d = _drawn(xp, z, u, v, c, temperature)
        return xp.astype(xp.where(d.good & xp.isfinite(r), _estimate(xp, d, r), xp.nan), dtype, copy=False)


def relax_vjp(
    g: Array, logits: Real, u: Unit, v: Unit, reward: Real, surrogate: Real, *, temperature: float
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of logits, u, v, reward and surrogate, with s held.

    With :math:`\gamma = g - \sum_i p_i g_i`, :math:`h = \partial c / \partial w`, :math:`\tilde h` the same at
    :math:`\tilde w`, and :math:`\rho_i = \partial \tilde w_i / \partial \log p_i`, which is 0 for i = s, the product
    with the cotangent is

    .. math:: g \cdot \hat g = (r - c(\tilde w)) \gamma_s + \sum_i g_i h_i - \sum_i \gamma_i \rho_i \tilde h_i

    and a cotangent a of h goes to w, with :math:`y = \operatorname{softmax}(w / \tau)` and means weighted by y, as

    .. math:: \bar w_k = \frac{y_k}{\tau^2} \Bigl((a_k - \bar a)(\varphi_k - \bar\varphi)
              - \sum_i y_i (a_i - \bar a)(\varphi_i - \bar\varphi)\Bigr), \qquad
              \bar\varphi_k = \frac{y_k}{\tau} (a_k - \bar a)
    """
    _check(temperature)
    vectors = {"logits": logits, "u": u, "v": v, "surrogate": surrogate, "g": g}
    xp, dtype, z, u_, v_, c, g, r = rows(vectors, {"reward": reward})
    with np.errstate(all="ignore"):
        d = _drawn(xp, z, u_, v_, c, temperature)
        good = d.good & xp.isfinite(r)
        dz, du, dv, dr, dc = _pull(xp, d, xp.where(d.p.open, g, 0.0), r)
        return (
            *handed_back(xp, good, dtype, (dz, logits), (du, u), (dv, v)),
            number_back(xp, good, dtype, dr, reward),
            *handed_back(xp, good, dtype, (dc, surrogate)),
        )


def rebar(logits: Real, u: Unit, v: Unit, f: Real, *, temperature: float, scale: float = 1.0) -> Array:
    r"""The REBAR estimate: `relax` with the relaxed reward itself as the surrogate.

    .. math:: \hat g = (f_s - \eta \tilde c) (e_s - p) + \eta \frac{\partial c}{\partial z}
              - \eta \frac{\partial \tilde c}{\partial z}, \qquad
              c = \sum_i f_i \operatorname{softmax}_i(w / \tau)

    logits, u, v, f: (..., K), leading axes broadcast; result: (..., K). scale is :math:`\eta`, temperature
    :math:`\tau > 0`. The paper evaluates f at the relaxed choice; here f is known at the positions, and is linear in
    between. Infinite or nan f, noise outside (0, 1): nan. Source: Tucker et al. 2017, section 3.

    >>> rebar([0.0, 0.0], [0.75, 0.25], [0.5, 0.5], [3.0, 1.0], temperature=1.0, scale=0.0).tolist()
    [1.5, -1.5]
    """
    _check(temperature, scale)
    xp, dtype, z, u, v, f = rows({"logits": logits, "u": u, "v": v, "f": f})
    with np.errstate(all="ignore"):
        d = _drawn(xp, z, u, v, f, temperature)
        r = sum_row(xp, xp.where(d.hot, d.c, 0.0))
        return xp.astype(xp.where(d.good, _estimate(xp, _scaled(d, scale), r), xp.nan), dtype, copy=False)


def rebar_vjp(
    g: Array, logits: Real, u: Unit, v: Unit, f: Real, *, temperature: float, scale: float = 1.0
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of logits, u, v, f: of `relax_vjp`, with :math:`\bar f_i = [i = s] \bar r + \eta \bar\varphi_i`."""
    _check(temperature, scale)
    xp, dtype, z, u_, v_, f_, g = rows({"logits": logits, "u": u, "v": v, "f": f, "g": g})
    with np.errstate(all="ignore"):
        d = _drawn(xp, z, u_, v_, f_, temperature)
        r = sum_row(xp, xp.where(d.hot, d.c, 0.0))
        dz, du, dv, dr, dc = _pull(xp, _scaled(d, scale), xp.where(d.p.open, g, 0.0), r)
        df = scale * dc + xp.where(d.hot, dr, 0.0)
        return handed_back(xp, d.good, dtype, (dz, logits), (du, u), (dv, v), (df, f))


class _Drawn(NamedTuple):
    """What the noise made: w, its new draw, the relaxed choices y of both; e = -log v, odds = e / p."""

    u: Any
    v: Any
    c: Any
    tau: float
    p: Shares
    hot: Any
    w: Any
    w_new: Any
    y: Any
    y_new: Any
    e: Any
    odds: Any
    sums: Any
    good: Any


def _drawn(xp: Any, z: Array, u: Array, v: Array, c: Array, temperature: float) -> _Drawn:
    s = shares(xp, z)
    c, good = at_open(xp, s, c)
    good = good & gumbels_good(xp, s, u) & gumbels_good(xp, s, v)
    u, v = (xp.where(s.open, x, 0.5) for x in (u, v))
    w = xp.where(s.open, gumbels(xp, z, u), -xp.inf)
    hot, e = largest(xp, w), -xp.log(v)
    e_own = sum_row(xp, xp.where(hot, e, 0.0))
    odds = xp.where(s.open, e * xp.exp(-s.log_p), 1.0)
    sums = xp.where(hot, e, odds + e_own)
    w_new = xp.where(s.open, -xp.log(sums), -xp.inf)
    y, y_new = (shares(xp, x / temperature).p for x in (w, w_new))
    return _Drawn(u, v, c, temperature, s, hot, w, w_new, y, y_new, e, odds, sums, good)


def _scaled(d: _Drawn, scale: float) -> _Drawn:
    return d._replace(c=scale * d.c)


def _slope(xp: Any, d: _Drawn, y: Array) -> Array:
    """The derivative of the control variate to the perturbed logits."""
    return softmax_vjp(xp, y, d.c) / d.tau


def _share(xp: Any, d: _Drawn) -> Array:
    """The derivative of the new perturbed logits to the log-probabilities."""
    return xp.where(d.hot, 0.0, d.odds / d.sums)


def _estimate(xp: Any, d: _Drawn, r: Array) -> Array:
    along = _share(xp, d) * _slope(xp, d, d.y_new)
    value = (r - sum_row(xp, d.c * d.y_new)) * score(xp, d.p, d.hot)
    return value + _slope(xp, d, d.y) - (along - d.p.p * sum_row(xp, along))


def _pull(xp: Any, d: _Drawn, g: Array, r: Array) -> tuple[Any, ...]:
    """Cotangents of the logits, of u and v, of the reward and of the surrogate."""
    p, above = d.p.p, centred(xp, d.p.p, g)
    own = sum_row(xp, xp.where(d.hot, above, 0.0))
    share, h = _share(xp, d), _slope(xp, d, d.y_new)
    # through p in above
    weights = (r - sum_row(xp, d.c * d.y_new)) - sum_row(xp, share * h)
    # through w, and through its new draw
    dw, dc = _curved(xp, d, d.w, d.y, g)
    dw_new, dc_new = _curved(xp, d, d.w_new, d.y_new, -share * above)
    dw_new = dw_new - own * h
    dc = dc + dc_new - own * d.y_new
    dshare = xp.where(d.hot, 0.0, -h * above)
    rest = sum_row(xp, xp.where(d.hot, d.e, 0.0)) / d.sums  # 1 - share
    dodds = share * (dshare * rest - dw_new)  # times the odds
    de_own = sum_row(xp, xp.where(d.hot, -dw_new / d.e, -(dw_new + dshare * share) / d.sums))
    dz = dw - weights * p * above - (dodds - p * sum_row(xp, dodds))
    de = xp.where(d.hot, de_own, dodds / d.e)
    closed = [xp.where(d.p.open, x, 0.0) for x in (dw / (-d.u * xp.log(d.u)), -de / d.v, dc)]
    return dz, closed[0], closed[1], own, closed[2]


def _curved(xp: Any, d: _Drawn, w: Array, y: Array, a: Array) -> tuple[Any, Any]:
    """Cotangents of the perturbed logits and of the surrogate, given that of the slope.

    Of two positions the former has the factor y_2 - y_1, which the general form would take from rounded y.
    """
    off = centred(xp, y, a)
    dw = softmax_vjp(xp, y, off * centred(xp, y, d.c))
    w = xp.where(d.p.open, w, 0.0)
    steps = [x[..., None] - x[..., None, :] for x in (w, a, d.c)]
    weights = y[..., None] * y[..., None, :] * xp.tanh(steps[0] / (-2 * d.tau))
    two = xp.sum(xp.astype(d.p.open, xp.int64), axis=-1, keepdims=True) == 2
    dw = xp.where(two, xp.sum(weights * steps[1] * steps[2], axis=-1), dw)
    return dw / d.tau**2, y * off / d.tau


def _check(temperature: float, scale: float = 1.0) -> None:
    check_number("scale", scale)
    if not 0 < check_number("temperature", temperature) < inf:
        raise ValueError(f"temperature must be positive and finite, got {temperature!r}")
