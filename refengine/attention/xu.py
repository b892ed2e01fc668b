r"""Hard attention as Xu et al. train it: the objective, the learning rule with its coin, the moving-average baseline.

Logits z lie on the last axis (..., K); :math:`p = \operatorname{softmax}(z)` are the paper's :math:`\alpha`. For logits
of -inf and bad rows see `refengine.attention.hard`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_number, elementwise, namespace, unbroadcast
from refengine.attention._choices import (
    Shares,
    at_open,
    centred,
    chosen,
    handed_back,
    number_back,
    score,
    score_vjp,
    shares,
    softmax_vjp,
)
from refengine.distributions._noise import uniform as noise
from refengine.distributions._rows import rows, sum_row
from refengine.domains import Array, Mask, Real, Unit

__all__ = [
    "learning_rule",
    "learning_rule_vjp",
    "moving_average",
    "moving_average_vjp",
    "noise",
    "objective",
    "objective_vjp",
]


def objective(
    logits: Real, log_likelihood: Real, *, reward_weight: float = 1.0, entropy_weight: float = 0.002
) -> Array:
    r"""What the learning rule climbs: the variational lower bound on the log-likelihood, and the entropy.

    .. math:: \lambda_r \sum_i p_i \ell_i + \lambda_e H(p)

    logits, log_likelihood: (..., K), leading axes broadcast; result: (...), float64 unless both are float32. The paper
    leaves the weights to cross-validation; 0.002 is the default of the authors' code. An infinite or nan log-likelihood
    at a position that can be chosen: nan. Source: Xu et al. 2015, section 4.1.

    >>> round(float(objective([0.0, 0.0], [-1.0, -3.0], entropy_weight=1.0)), 12)  # log(2) - 2
    -1.30685281944
    """
    check_number("reward_weight", reward_weight)
    check_number("entropy_weight", entropy_weight)
    xp, dtype, z, l = rows({"logits": logits, "log_likelihood": log_likelihood})
    with np.errstate(all="ignore"):
        s = shares(xp, z)
        l, good = at_open(xp, s, l)
        entropy = -sum_row(xp, s.p * xp.where(s.p > 0, s.log_p, 0.0))
        value = reward_weight * sum_row(xp, s.p * l) + entropy_weight * entropy
        return xp.astype(xp.where(good, value, xp.nan)[..., 0], dtype, copy=False)


def objective_vjp(
    g: Array, logits: Real, log_likelihood: Real, *, reward_weight: float = 1.0, entropy_weight: float = 0.002
) -> tuple[Array, Array]:
    r"""Cotangents of logits and log-likelihoods.

    .. math:: \bar z_i = \lambda_r p_i (\ell_i - J) - \lambda_e p_i (\log p_i + H), \qquad \bar \ell_i = \lambda_r p_i
    """
    check_number("reward_weight", reward_weight)
    check_number("entropy_weight", entropy_weight)
    xp, dtype, z, l, g = rows({"logits": logits, "log_likelihood": log_likelihood}, {"g": g})
    with np.errstate(all="ignore"):
        s = shares(xp, z)
        l, good = at_open(xp, s, l)
        dz = reward_weight * softmax_vjp(xp, s.p, l) + entropy_weight * _entropy_slope(xp, s)[0]
        return handed_back(xp, good, dtype, (g * dz, logits), (g * reward_weight * s.p, log_likelihood))


def learning_rule(
    logits: Real,
    u: Unit,
    log_likelihood: Real,
    baseline: Real,
    coin: Mask,
    *,
    reward_weight: float = 1.0,
    entropy_weight: float = 0.002,
) -> Array:
    r"""One draw's share in the gradient to the logits.

    .. math:: \hat g = \lambda_r (\ell - b) \frac{\partial \log p(\tilde s)}{\partial z}
              + \lambda_e \frac{\partial H}{\partial z}, \qquad
              \frac{\partial \log p(\tilde s)}{\partial z_i} = \tilde s_i - p_i

    logits: (..., K); u, log_likelihood :math:`\log p(y \mid \tilde s, a)`, baseline and coin, of booleans: (...),
    leading axes broadcast; result: (..., K), float64 unless all are float32. :math:`\tilde s` is the one-hot vector of
    `refengine.attention.hard.sample`, and where the coin is True it is set to its expectation p. There the first term
    vanishes exactly, and what the coin changes is the forward pass, which sees the mean position. Not part of it is
    :math:`\partial \ell / \partial W`, which reaches no logits. With the coin False the mean over u is the gradient of
    `objective`; a coin thrown with probability 1/2, as in the paper, halves the first term of that mean.
    Infinite or nan log-likelihood or baseline, u outside (0, 1): nan. Source: Xu et al. 2015, section 4.1.

    >>> learning_rule([0.0, 0.0], 0.25, -1.0, -3.0, [False, True])[0].tolist()  # uniform: no slope of the entropy
    [1.0, -1.0]
    """
    xp, dtype, z, u, l, b, tossed = _checked(logits, u, log_likelihood, baseline, coin, reward_weight, entropy_weight)
    with np.errstate(all="ignore"):
        s = shares(xp, z)
        hot, good = chosen(xp, s, z, u)
        weight = xp.where(tossed > 0, 0.0, reward_weight * (l - b))
        value = weight * score(xp, s, hot) + entropy_weight * _entropy_slope(xp, s)[0]
        return xp.astype(xp.where(good & xp.isfinite(l) & xp.isfinite(b), value, xp.nan), dtype, copy=False)


def learning_rule_vjp(
    g: Array,
    logits: Real,
    u: Unit,
    log_likelihood: Real,
    baseline: Real,
    coin: Mask,
    *,
    reward_weight: float = 1.0,
    entropy_weight: float = 0.002,
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of logits, u, log-likelihood and baseline, with :math:`\tilde s` held; its coin has none.

    With :math:`\gamma_i = g_i - \sum_j p_j g_j` and :math:`c_i = \log p_i + H`,

    .. math:: \bar z_i = -\lambda_r (\ell - b) p_i \gamma_i
              - \lambda_e p_i \Bigl(\gamma_i (1 + c_i) - \sum_j p_j \gamma_j (1 + c_j)\Bigr), \qquad
              \bar u = 0, \qquad \bar \ell = -\bar b = \lambda_r \gamma_s

    Where the coin is True the terms with :math:`\lambda_r` are 0.
    """
    xp, dtype, z, u_, l, b, tossed = _checked(logits, u, log_likelihood, baseline, coin, reward_weight, entropy_weight)
    g = rows({"logits": logits, "g": g}, {"u": u_[..., 0]})[3]
    with np.errstate(all="ignore"):
        s = shares(xp, z)
        hot, good = chosen(xp, s, z, u_)
        good = good & xp.isfinite(l) & xp.isfinite(b)
        weight = xp.where(tossed > 0, 0.0, reward_weight * (l - b))
        dz, slope = score_vjp(xp, s, hot, weight, g)
        above = centred(xp, s.p, xp.where(s.open, g, 0.0))
        dz = dz - entropy_weight * softmax_vjp(xp, s.p, above * (1 + _entropy_slope(xp, s)[1]))
        slope = xp.where(tossed > 0, 0.0, reward_weight * slope)
        numbers = ((0 * slope, u), (slope, log_likelihood), (-slope, baseline))
        return (
            *handed_back(xp, good, dtype, (dz, logits)),
            *(number_back(xp, good, dtype, d, like) for d, like in numbers),
        )


def moving_average(baseline: Real, log_likelihood: Real, *, decay: float = 0.9) -> Array:
    r"""The baseline after one more observation: an exponentially weighted mean of the rewards so far.

    .. math:: b_k = \rho \, b_{k-1} + (1 - \rho) \log p(y \mid \tilde s_k, a)

    baseline, log_likelihood: broadcast together; float64 unless both are float32. decay is :math:`\rho`, in [0, 1]. The
    paper starts from what it does not say; the authors' code starts from 0, with which the first baselines are too
    near 0. Infinite or nan arguments: nan. Source: Xu et al. 2015, section 4.1.

    >>> float(moving_average(-4.0, -2.0, decay=0.75))
    -3.5
    """
    xp, dtype, b, l = _averaged(baseline, log_likelihood, decay)
    with np.errstate(all="ignore"):
        return xp.astype(decay * b + (1 - decay) * l, dtype, copy=False)


def moving_average_vjp(g: Array, baseline: Real, log_likelihood: Real, *, decay: float = 0.9) -> tuple[Array, Array]:
    r"""Cotangents of baseline and log-likelihood: :math:`\rho g` and :math:`(1 - \rho) g`."""
    xp, dtype, b, l = _averaged(baseline, log_likelihood, decay)
    with np.errstate(all="ignore"):
        known = g * (1 + 0 * (b + l))
        return unbroadcast(decay * known, baseline, dtype), unbroadcast((1 - decay) * known, log_likelihood, dtype)


def _averaged(baseline: Array, log_likelihood: Array, decay: float) -> tuple[Any, Any, Any, Any]:
    if not 0 <= check_number("decay", decay) <= 1:
        raise ValueError(f"decay must lie in [0, 1], got {decay!r}")
    xp, dtype, b, l = elementwise(baseline=baseline, log_likelihood=log_likelihood)
    good = xp.isfinite(b) & xp.isfinite(l)
    return xp, dtype, xp.where(good, b, xp.nan), xp.where(good, l, xp.nan)


def _entropy_slope(xp: Any, s: Shares) -> tuple[Any, Any]:
    """The derivative of the entropy to the logits, and ``log p + H``, 0 where p is 0."""
    above = centred(xp, s.p, xp.where(s.p > 0, s.gap, 0.0))  # near 0 without the constant
    return -s.p * above, above


def _checked(
    logits: Array,
    u: Array,
    log_likelihood: Array,
    baseline: Array,
    coin: Array,
    reward_weight: float,
    entropy_weight: float,
) -> tuple[Any, ...]:
    """``xp, dtype, logits, u, log_likelihood, baseline, coin``, the latter 0 or 1."""
    check_number("reward_weight", reward_weight)
    check_number("entropy_weight", entropy_weight)
    xp = namespace(logits, u, log_likelihood, baseline, coin)
    coin = xp.asarray(coin)
    if not xp.isdtype(coin.dtype, "bool"):
        raise TypeError(f"coin must hold booleans, got {coin.dtype}")
    numbers = {"u": u, "log_likelihood": log_likelihood, "baseline": baseline, "coin": xp.astype(coin, xp.int64)}
    return rows({"logits": logits}, numbers)
