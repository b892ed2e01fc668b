r"""Hard attention: one position is looked at, drawn with probabilities :math:`p = \operatorname{softmax}(z)`.

Logits z lie on the last axis (..., K). -inf is a position that is never chosen: whatever f holds there, nan too, is
left out, and its gradient is exactly 0. A row with nan or +inf, or with -inf alone, has no distribution: nan (an index
is -1). Noise is an argument: u is uniform in (0, 1), and 0, 1 and whatever lies outside are refused with nan, not
clipped. As a function of u an estimate is a step function: the cotangent of u is 0.
"""

from __future__ import annotations

import numpy as np

from refengine.attention._choices import (
    at_open,
    centred,
    chosen,
    gumbels,
    gumbels_good,
    handed_back,
    inverse,
    number_back,
    score,
    score_vjp,
    shares,
)
from refengine.distributions._noise import uniform as noise
from refengine.distributions._rows import largest, rows, sum_row
from refengine.distributions.categorical import entropy_logits, entropy_logits_vjp
from refengine.domains import Array, Real, Unit

__all__ = [
    "entropy",
    "entropy_vjp",
    "expected",
    "expected_vjp",
    "marginal_log_likelihood",
    "marginal_log_likelihood_vjp",
    "noise",
    "sample",
    "sample_gumbel_max",
    "score_function",
    "score_function_vjp",
]


def sample(logits: Real, u: Unit) -> Array:
    r"""The position that one uniform number chooses by inversion of the cumulative probabilities.

    .. math:: s = \min \Bigl\{i : u \sum_j e^{z_j} < \sum_{j \le i} e^{z_j}\Bigr\}

    logits: (..., K), u: (...), leading axes broadcast; result: (...) of int64, from 0; no derivative. The sums carry
    twice the digits, the exponentials one rounding each: equal logits divide (0, 1) exactly. -1 for u outside (0, 1)
    and where there is no distribution. Drawn as in Xu et al. 2015, section 4.1; inversion: Devroye (1986).

    >>> sample([0.0, -np.inf, 0.0], [0.25, 0.5, 0.75]).tolist()  # the step at 1/2 belongs to what follows
    [0, 2, 2]
    """
    xp, _, z, u = rows({"logits": logits}, {"u": u})
    with np.errstate(all="ignore"):
        good = shares(xp, z).good & (u > 0) & (u < 1)
        return xp.where(good[..., 0], inverse(xp, z, u), -1)


def sample_gumbel_max(logits: Real, u: Unit) -> Array:
    r"""The position that K uniform numbers choose as the place of the largest perturbed logit.

    .. math:: s = \operatorname*{argmax}_i \; z_i - \log(-\log u_i)

    logits, u: (..., K), leading axes broadcast; result: (...) of int64, the first of several that are equal; no
    derivative. u is not read where a logit is -inf. -1 for u outside (0, 1) and where there is no distribution.
    Maddison, Tarlow and Minka 2014, section 2: the Gumbel-max trick (2014).

    >>> int(sample_gumbel_max([0.0, 1.0], [0.5, 0.5])), int(sample_gumbel_max([0.0, 1.0], [0.9, 0.5]))
    (1, 0)
    """
    xp, _, z, u = rows({"logits": logits, "u": u})
    with np.errstate(all="ignore"):
        s = shares(xp, z)
        w = xp.where(s.open, gumbels(xp, z, xp.where(s.open, u, 0.5)), -xp.inf)
        place = xp.astype(xp.argmax(w, axis=-1), xp.int64)
        return xp.where(gumbels_good(xp, s, u)[..., 0], place, -1)


def expected(logits: Real, f: Real) -> Array:
    r"""The expectation over all positions, by enumeration: what every estimator of its gradient is judged by.

    .. math:: J = \sum_i p_i f_i

    logits, f: (..., K), f the value downstream if position i is chosen, leading axes broadcast; result: (...), float64
    unless both are float32. An infinite or nan f at a position that can be chosen: nan.
    Xu et al. 2015, section 4.1: the objective :math:`L_s` for f = log p(y | s, a).

    >>> float(expected([0.0, 0.0, -np.inf], [1.0, 2.0, np.nan]))
    1.5
    """
    xp, dtype, z, f = rows({"logits": logits, "f": f})
    with np.errstate(all="ignore"):
        s = shares(xp, z)
        f, good = at_open(xp, s, f)
        return xp.astype(xp.where(good, sum_row(xp, s.p * f), xp.nan)[..., 0], dtype, copy=False)


def expected_vjp(g: Array, logits: Real, f: Real) -> tuple[Array, Array]:
    r"""Cotangents of logits and f: the exact gradient.

    .. math:: \frac{\partial J}{\partial z_i} = p_i (f_i - J), \qquad \frac{\partial J}{\partial f_i} = p_i
    """
    xp, dtype, z, f_, g = rows({"logits": logits, "f": f}, {"g": g})
    with np.errstate(all="ignore"):
        s = shares(xp, z)
        f_, good = at_open(xp, s, f_)
        return handed_back(xp, good, dtype, (g * s.p * centred(xp, s.p, f_), logits), (g * s.p, f))


def score_function(logits: Real, u: Unit, reward: Real, baseline: Real) -> Array:
    r"""The score-function (REINFORCE) estimate of the gradient of the expected reward to the logits.

    .. math:: \hat g_i = (r - b) \bigl([i = s] - p_i\bigr), \qquad s = \operatorname{sample}(z, u)

    logits: (..., K); u, reward (that of the position s), baseline: (...), leading axes broadcast; result: (..., K),
    float64 unless all are float32. Its mean over u is the gradient of `expected` for every baseline that does not
    depend on s. Infinite or nan rewards and baselines, and u outside (0, 1): nan.
    Source: Williams 1992, eq. 2 with the softmax's eligibility :math:`\partial \log p_s / \partial z_i`.

    >>> score_function([0.0, 0.0], 0.25, 3.0, 1.0).tolist()
    [1.0, -1.0]
    """
    xp, dtype, z, u, r, b = rows({"logits": logits}, {"u": u, "reward": reward, "baseline": baseline})
    with np.errstate(all="ignore"):
        s = shares(xp, z)
        hot, good = chosen(xp, s, z, u)
        good = good & xp.isfinite(r) & xp.isfinite(b)
        return xp.astype(xp.where(good, (r - b) * score(xp, s, hot), xp.nan), dtype, copy=False)


def score_function_vjp(
    g: Array, logits: Real, u: Unit, reward: Real, baseline: Real
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of logits, u, reward and baseline, with s held.

    .. math:: \bar z_i = -(r - b) \, p_i \Bigl(g_i - \sum_j p_j g_j\Bigr), \qquad \bar u = 0, \qquad
              \bar r = -\bar b = g_s - \sum_j p_j g_j
    """
    xp, dtype, z, g, u_, r, b = rows({"logits": logits, "g": g}, {"u": u, "reward": reward, "baseline": baseline})
    with np.errstate(all="ignore"):
        s = shares(xp, z)
        hot, good = chosen(xp, s, z, u_)
        good = good & xp.isfinite(r) & xp.isfinite(b)
        dz, dr = score_vjp(xp, s, hot, r - b, g)
        numbers = ((0 * dr, u), (dr, reward), (-dr, baseline))
        return (
            *handed_back(xp, good, dtype, (dz, logits)),
            *(number_back(xp, good, dtype, d, like) for d, like in numbers),
        )


def marginal_log_likelihood(logits: Real, log_likelihood: Real) -> Array:
    r"""The log-likelihood with the position summed out, of which the expected log-likelihood is a lower bound.

    .. math:: L = \log \sum_i p_i e^{\ell_i} \ge \sum_i p_i \ell_i

    logits, log_likelihood: (..., K), leading axes broadcast; result: (...). A log-likelihood of -inf is a position that
    excludes the observation; where all do, L is -inf with zero gradients. inf and nan: nan.
    Xu et al. 2015, section 4.1 (its bound); latent alignment: Deng et al. 2018, eq. 1.

    >>> round(float(marginal_log_likelihood([0.0, 0.0], [0.0, -np.inf])), 12)  # log(1/2)
    -0.69314718056
    """
    xp, dtype, z, l = rows({"logits": logits, "log_likelihood": log_likelihood})
    with np.errstate(all="ignore"):
        value, _, _, good = _marginal(xp, z, l)
        return xp.astype(xp.where(good, value, xp.nan)[..., 0], dtype, copy=False)


def marginal_log_likelihood_vjp(g: Array, logits: Real, log_likelihood: Real) -> tuple[Array, Array]:
    r"""Cotangents of logits and log-likelihoods, with the posterior :math:`q_i = p_i e^{\ell_i - L}`.

    .. math:: \frac{\partial L}{\partial z_i} = q_i - p_i = p_i \, \bigl(e^{\ell_i - L} - 1\bigr), \qquad
              \frac{\partial L}{\partial \ell_i} = q_i
    """
    xp, dtype, z, l, g = rows({"logits": logits, "log_likelihood": log_likelihood}, {"g": g})
    with np.errstate(all="ignore"):
        _, q, difference, good = _marginal(xp, z, l)
        return handed_back(xp, good, dtype, (g * difference, logits), (g * q, log_likelihood))


def entropy(logits: Real) -> Array:
    r"""Entropy of the choice in nats.

    .. math:: H = -\sum_i p_i \log p_i

    logits: (..., K); result: (...). The same as `refengine.distributions.categorical.entropy_logits`.
    Added to the objective in Xu et al. 2015, section 4.1; definition: Cover and Thomas (2006), eq. 2.1.

    >>> round(float(entropy([0.0, 0.0, -np.inf])), 12)  # log(2)
    0.69314718056
    """
    return entropy_logits(logits)


def entropy_vjp(g: Array, logits: Real) -> tuple[Array]:
    r"""Cotangent of the logits: :math:`-p_i (\log p_i + H)`."""
    return entropy_logits_vjp(g, logits)


def _marginal(xp: Array, z: Array, l: Array) -> tuple[Array, Array, Array, Array]:
    r"""Value (..., 1), posterior, posterior less prior, and good rows.

    :math:`L = \ell_j + \log(1 + \sum_i p_i (e^{\ell_i - \ell_j} - 1))`, with j where the posterior is largest: there
    :math:`\ell_j` is no larger than what L is made of.
    """
    s = shares(xp, z)
    l = xp.where(s.open, l, 0.0)
    good = s.good & xp.all(l < xp.inf, axis=-1, keepdims=True)
    joint = xp.where(s.open, s.log_p + l, -xp.inf)
    possible = xp.any(joint > -xp.inf, axis=-1, keepdims=True)
    top = largest(xp, joint)
    m, prior = (sum_row(xp, xp.where(top, v, 0.0)) for v in (l, s.log_p))
    step = l - m
    here = xp.where(s.open, xp.exp(s.log_p - prior + step), 0.0)  # 1 at the top, and no more elsewhere
    total = sum_row(xp, here)
    more = xp.where(step < 1, s.p * xp.expm1(xp.where(step < 1, step, 0.0)), xp.exp(s.log_p + step) - s.p)
    excess = sum_row(xp, more)
    small = excess > -0.5
    log_total = xp.where(small, xp.log1p(xp.where(small, excess, 0.0)), prior + xp.log(total))
    q, ahead = here / total, step - log_total
    near = xp.abs(ahead) < 1
    difference = xp.where(near, s.p * xp.expm1(xp.where(near, ahead, 0.0)), q - s.p)
    value = xp.where(possible, m + log_total, -xp.inf)
    return value, xp.where(possible, q, 0.0), xp.where(possible, difference, 0.0), good
