r"""Several samples of the position, each with a baseline made of the others: leave-one-out and VIMCO.

Logits z lie on the last axis (..., K), the M >= 2 samples of a row on the last axis of the other arguments. For logits
of -inf and bad rows see `refengine.attention.hard`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import as_float64, promote
from refengine.attention._choices import Shares, centred, chosen, handed_back, number_back, score, shares
from refengine.distributions._divergence import expm1_minus
from refengine.distributions._noise import uniform as noise
from refengine.distributions._rows import rows
from refengine.domains import Array, Real, Unit
from refengine.special._saddle_point import log1p_minus

__all__ = ["noise", "score_function", "score_function_vjp", "vimco", "vimco_vjp"]


def score_function(logits: Real, u: Unit, reward: Real) -> Array:
    r"""The mean of M score-function estimates, each with the mean reward of the other samples as its baseline.

    .. math:: \hat g = \frac1M \sum_m \Bigl(r_m - \frac{1}{M-1} \sum_{j \ne m} r_j\Bigr) (e_{s_m} - p)
              = \frac{1}{M (M-1)} \sum_{m < j} (r_m - r_j) (e_{s_m} - e_{s_j})

    logits: (..., K); u, reward: (..., M), leading axes and M broadcast; result: (..., K), float64 unless all are
    float32. :math:`s_m` is `refengine.attention.hard.sample` of :math:`u_m`. The weights add up to 0, so that p drops
    out: given the positions the estimate does not depend on the logits. Its mean over u is the gradient of
    `refengine.attention.hard.expected`. Fewer than two samples are a ValueError; an infinite or nan reward, u outside
    (0, 1): nan. Source: Mnih and Rezende 2016, section 2; Kool, van Hoof and Welling (2019).

    >>> score_function([0.0, 0.0], [0.25, 0.75], [3.0, 1.0]).tolist()
    [1.0, -1.0]
    """
    xp, dtype, s, r = _drawn(logits, u, "reward", reward)
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(s.good, xp.sum(_pairs(xp, s, r) * s.hot, axis=-2), xp.nan), dtype, copy=False)


def score_function_vjp(g: Array, logits: Real, u: Unit, reward: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of logits and u, which are 0, and of the rewards, with the positions held.

    .. math:: \bar r_m = \frac{1}{M (M-1)} \sum_{j} (g_{s_m} - g_{s_j})
    """
    xp, dtype, s, _ = _drawn(logits, u, "reward", reward)
    with np.errstate(all="ignore"):
        g = xp.where(s.shares.open, as_float64(xp, "g", g)[..., None, :], 0.0)
        at = xp.sum(xp.where(s.hot > 0, g, 0.0), axis=-1, keepdims=True)
        dr = _pairs(xp, s, at)
        nothing = 0 * s.shares.p
        return (
            *handed_back(xp, s.good, dtype, (xp.sum(nothing, axis=-2), logits)),
            number_back(xp, s.good[..., None], dtype, 0 * dr, u),
            number_back(xp, s.good[..., None], dtype, dr, reward),
        )


def vimco(logits: Real, u: Unit, log_likelihood: Real) -> Array:
    r"""The estimate for the bound of M samples, each measured against a geometric mean of the others in its place.

    .. math:: \hat g = \sum_m \bigl(\hat L - \hat L_{-m}\bigr) (e_{s_m} - p), \qquad
              \hat L = \log \frac1M \sum_j e^{\ell_j}, \qquad
              \hat L_{-m} = \log \frac1M \Bigl(\sum_{j \ne m} e^{\ell_j} + e^{\bar\ell_{-m}}\Bigr), \qquad
              \bar\ell_{-m} = \frac{1}{M-1} \sum_{j \ne m} \ell_j

    logits: (..., K); u, log_likelihood: (..., M), leading axes and M broadcast; result: (..., K), float64 unless all
    are float32. The positions are drawn from p itself, so that the bound depends on the logits through them alone; the
    mean of the estimate over u is the gradient of the mean of :math:`\hat L`, which for M to infinity is
    `refengine.attention.hard.marginal_log_likelihood`. Fewer than two samples are a ValueError; an infinite or nan
    log-likelihood, u outside (0, 1): nan. Source: Mnih and Rezende 2016, section 2, with the geometric mean.

    >>> [round(v, 12) for v in vimco([0.0, 0.0], [0.25, 0.75], [np.log(3.0), 0.0]).tolist()]  # log(2), log(2/3)
    [0.549306144334, -0.549306144334]
    """
    xp, dtype, s, l = _drawn(logits, u, "log_likelihood", log_likelihood)
    with np.errstate(all="ignore"):
        rest, _ = _gains(xp, l)
        linear = xp.where(_near(xp, l), _pairs(xp, s, l), 0.0)
        value = xp.sum(linear * s.hot + rest * score(xp, s.shares, s.hot > 0), axis=-2)
        return xp.astype(xp.where(s.good, value, xp.nan), dtype, copy=False)


def vimco_vjp(g: Array, logits: Real, u: Unit, log_likelihood: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of logits, u and log-likelihoods, with the positions held.

    With :math:`\gamma_k = g_k - \sum_i p_i g_i`, :math:`\Delta_m = \hat L - \hat L_{-m}`, the shares
    :math:`a_j = e^{\ell_j} / \sum_i e^{\ell_i}`, and :math:`c_m` that of :math:`\bar\ell_{-m}` in :math:`\hat L_{-m}`,

    .. math:: \bar z_k = -\sum_m \Delta_m \, p_k \gamma_k, \qquad \bar u = 0, \qquad
              \bar\ell_j = \gamma_{s_j} a_j + \sum_{m \ne j} \gamma_{s_m}
              \Bigl(a_j (1 - e^{\Delta_m}) - \frac{c_m}{M-1}\Bigr)
    """
    xp, dtype, s, l = _drawn(logits, u, "log_likelihood", log_likelihood)
    with np.errstate(all="ignore"):
        g = xp.where(s.shares.open, as_float64(xp, "g", g)[..., None, :], 0.0)
        above = centred(xp, s.shares.p, g)
        rest, slopes = _gains(xp, l)
        dz = -xp.sum(rest * s.shares.p * above, axis=-2)
        at = xp.sum(xp.where(s.hot > 0, above, 0.0), axis=-1, keepdims=True)
        pairs = xp.where(_near(xp, l), _pairs(xp, s, at), 0.0)
        dl = pairs + xp.sum(at * slopes, axis=-2)[..., None]
        return (
            *handed_back(xp, s.good, dtype, (dz, logits)),
            number_back(xp, s.good[..., None], dtype, 0 * dl, u),
            number_back(xp, s.good[..., None], dtype, dl, log_likelihood),
        )


class _Drawn(NamedTuple):
    """For every sample the softmax of its row, (..., M, K), and a one-hot float row; (..., 1) good rows."""

    shares: Shares
    hot: Any
    good: Any


def _drawn(logits: Array, u: Array, name: str, values: Array) -> tuple[Any, Any, _Drawn, Any]:
    """``xp, dtype, drawn, values``, the latter (..., M, 1)."""
    xp, dtype, z, *numbers = promote(logits=logits, u=u, **{name: values})
    for own, array in zip(("u", name), numbers, strict=True):
        if array.ndim == 0:
            raise ValueError(f"{own} must have shape (..., M), got {tuple(array.shape)}")
    wide = z[..., None, :] if z.ndim else z
    xp, _, z, u, values = rows({"logits": wide}, {"u": numbers[0], name: numbers[1]})
    if z.shape[-2] < 2:
        raise ValueError(f"u must have shape (..., M) with M >= 2, got {tuple(numbers[0].shape)}")
    with np.errstate(all="ignore"):
        s = shares(xp, z)
        hot, good = chosen(xp, s, z, u)
        good = xp.all(good & xp.isfinite(values), axis=-2)
        return xp, dtype, _Drawn(s, xp.astype(hot, xp.float64), good), values


def _pairs(xp: Any, s: _Drawn, v: Array) -> Array:
    """(..., M, 1): the mean over m and j of v_m - v_j, of the pairs at different positions, for every m."""
    same = xp.matmul(s.hot, xp.matrix_transpose(s.hot)) > 0
    count = v.shape[-2]
    gaps = xp.where(same, 0.0, v - xp.matrix_transpose(v))
    return xp.sum(gaps, axis=-1, keepdims=True) / (count * (count - 1))


def _near(xp: Any, l: Array) -> Array:
    """(..., 1, 1): whether the log-likelihoods of a row are about equal."""
    return (xp.max(l, axis=-2, keepdims=True) - xp.min(l, axis=-2, keepdims=True)) < 0.5


def _gains(xp: Any, l: Array) -> tuple[Array, Array]:
    r""":math:`\Delta_m` (..., M, 1), and its derivatives to :math:`\ell_j` (..., M, M).

    Where the log-likelihoods are about equal, without the linear part :math:`(\ell_m - \bar\ell_{-m}) / M`, which adds
    up to 0 over m: p meets the rest alone.
    """
    count, across = l.shape[-2], xp.matrix_transpose(l)
    own, near = xp.eye(count, dtype=xp.float64) > 0, _near(xp, l)
    ahead = xp.sum(l - across, axis=-1, keepdims=True) / (count - 1)  # over the mean of the others
    gain, slopes = _far(xp, l, own, ahead)
    steps = xp.where(near, across - l, 0.0)
    back = xp.where(near, -ahead, 0.0)
    e, excess = xp.expm1(back), xp.sum(xp.expm1(steps), axis=-1, keepdims=True)
    total = count + excess
    rest = (back * excess - count * expm1_minus(xp, back)) / (count * total) - log1p_minus(xp, e / total)
    part = xp.exp(steps) / total
    others = (excess + e * (1 - count)) / (count * (total + e)) / (count - 1)
    bent = xp.where(own, -excess / (count * total), others - part * xp.expm1(gain))
    return xp.where(near, rest, gain), xp.where(near, bent, slopes)


def _far(xp: Any, l: Array, own: Array, ahead: Array) -> tuple[Array, Array]:
    """All of the gains (..., M, 1), and their derivatives (..., M, M)."""
    count, across = l.shape[-2], xp.matrix_transpose(l)
    others = xp.where(own, -xp.inf, across + 0 * l)
    best = xp.max(others, axis=-1, keepdims=True)
    top = xp.maximum(l, best)
    rest = xp.exp(others - best)
    mean = xp.exp((l - best) - ahead)
    with_mean = mean + xp.sum(rest, axis=-1, keepdims=True)
    with_own = xp.exp(l - top) + xp.sum(xp.exp(others - top), axis=-1, keepdims=True)
    share = xp.exp(l - top) / with_own
    up = -xp.expm1(-ahead) * share  # 1 - exp(-gain)
    climb = xp.where(up < 0.5, -xp.log1p(-xp.minimum(up, 0.5 + 0 * up)), (top - best) + xp.log(with_own / with_mean))
    fall = xp.log1p(xp.expm1(xp.minimum(ahead, 0 * ahead)) * mean / with_mean)
    gain = xp.where(ahead > 0, climb, fall)
    part = xp.exp(others - top) / with_own
    less = xp.where(gain < 1, -part * xp.expm1(xp.minimum(gain, 1 + 0 * gain)), part - rest / with_mean)
    slopes = xp.where(own, share + 0 * across, less - mean / with_mean / (count - 1))
    return gain, slopes
