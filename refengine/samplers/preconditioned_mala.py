r"""MALA with a preconditioner: the noise has the covariance C = L L' and the drift is C times the gradient.

Axes: D coordinates; leading axes are chains, each with a decision of its own.

It is ``mala`` in the coordinates :math:`L^{-1} x`, whose gradient is :math:`L^\top \nabla\log\pi`, so that it inherits
detailed balance: the Jacobian of the fixed linear map cancels in the ratio.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from refengine._arrays import namespace
from refengine.domains import Array, Real
from refengine.samplers._chains import (
    LAYOUT,
    Noise,
    accept,
    cast,
    choose,
    cotangents,
    evaluate,
    inputs,
    noise,
    shares,
    times,
)
from refengine.samplers.mala import Info, State, Transition, epsilon_of, init
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import check_hessian, sum_outer

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]


def step(
    state: State,
    noise: Noise,
    target: Target,
    factor: Real,
    *,
    step_size: float,
    step_size_convention: str = "epsilon",
) -> Transition:
    r"""One transition as a pure function of state and noise.

    .. math:: y = x + \epsilon C \nabla \log \pi(x) + \sqrt{2 \epsilon}\, L z, \qquad C = L L^\top, \qquad
              q(\cdot \mid x) = N(x + \epsilon C \nabla \log \pi(x),\, 2 \epsilon C)

    and :math:`x' = y` if :math:`\log u < \log \pi(y) q(x | y) - \log \pi(x) q(y | x)`, else x. state: position
    x (..., D), log_density (...), gradient (..., D); noise: normal z (..., D), uniform u (...); factor: (D, D), of
    which the lower triangle is L, the same for all chains. A diagonal entry that is not positive: nan, which rejects.
    The decision, ``step_size_convention``, dtypes and errors are as in ``mala.step``, which this is for L = I.
    Roberts and Stramer (2002), Methodology and Computing in Applied Probability 4, 337-357, with constant C.

    A factor of 2 under a density of standard deviation 2 is a step of MALA under the standard normal one:

    >>> from refengine.samplers.targets import gaussian
    >>> target = gaussian.target([0.0], [[0.25]])
    >>> start = init(np.array([2.0]), target)
    >>> noise = Noise(np.array([1.0]), np.array(0.5))
    >>> state, info = step(start, noise, target, np.array([[2.0]]), step_size=0.5)
    >>> float(info.log_accept_ratio), state.position.tolist()
    (-0.15625, [3.0])
    """
    _, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise), factor=factor)
    return cast(_step(target, *epsilon_of(step_size, step_size_convention), *arrays), dtype)


def step_vjp(
    g: Transition,
    state: State,
    noise: Noise,
    target: Target,
    factor: Real,
    *,
    step_size: float,
    step_size_convention: str = "epsilon",
) -> tuple[State, Noise, Array]:
    r"""Cotangents of state, noise and factor, the decision held fixed.

    With :math:`t = L^\top \nabla\log\pi(x)`, :math:`v = \epsilon t + \sqrt{2\epsilon} z`, :math:`y = x + L v`,
    :math:`s = L^\top (\nabla\log\pi(x) + \nabla\log\pi(y))`, :math:`a = \sqrt{\epsilon / 2}` and :math:`w = z + a s`
    the ratio and both densities are those of ``mala.step_vjp``, the densities with :math:`-\log\det L` besides. Hence
    with :math:`\bar s = -a(\bar r + \bar b) w` and :math:`\bar p = L \bar s`, which goes to both gradients:

    .. math:: \bar y = \bar y_0 + \bar\ell_y \nabla\log\pi(y) + H(y)(\bar g_y + \bar p), \qquad
              \bar v = L^\top \bar y, \qquad \bar x = \bar x_0 + \bar y, \qquad
              \bar g_x = \bar g_{x0} + \epsilon L \bar v + \bar p

    .. math:: \bar z = \sqrt{2\epsilon}\, \bar v - a \bar r s - \bar b w - \bar f z, \qquad
              \bar L = \operatorname{tril} \sum \bigl[\bar y v^\top + \epsilon \nabla\log\pi(x) \bar v^\top
              + (\nabla\log\pi(x) + \nabla\log\pi(y)) \bar s^\top\bigr]
              - \sum (\bar f + \bar b) \operatorname{diag} L^{-1}

    where :math:`\bar f, \bar b` are the cotangents of the forward and reverse density and the sums run over the chains.
    """
    _, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise), factor=factor)
    epsilon, log_variance = epsilon_of(step_size, step_size_convention)
    check_hessian(target)
    value = _step(target, epsilon, log_variance, *arrays)
    to_state, to_noise, to_factor = _vjp(cotangents(g, value), value.info, arrays, target, epsilon)
    return cast(to_state, dtype), cast(to_noise, dtype), cast(to_factor, dtype)


def factor_of(xp: Any, factor: Array) -> tuple[Array, Array]:
    """L and its diagonal, nan where that is not positive."""
    diagonal = xp.linalg.diagonal(factor)
    bad = xp.where(diagonal > 0, xp.zeros_like(diagonal), xp.nan)
    return xp.tril(factor) + bad[:, None] * xp.eye(factor.shape[0], dtype=factor.dtype), diagonal + bad


def _apply(xp: Any, matrix: Array, vectors: Array) -> Array:
    """The matrix times the vector of every chain."""
    return xp.matmul(vectors, xp.matrix_transpose(matrix))


def _step(target: Target, epsilon: float, log_variance: float, *arrays: Array) -> Transition:
    x, log_density, slope, z, u, factor = arrays
    xp, a = namespace(x), sqrt(epsilon / 2)
    with np.errstate(all="ignore"):
        lower, diagonal = factor_of(xp, factor)
        upper = xp.matrix_transpose(lower)
        y = x + _apply(xp, lower, epsilon * _apply(xp, upper, slope) + 2 * a * z)
        proposed, slope_y = evaluate(xp, target, "log_density", y), evaluate(xp, target, "gradient", y)
        pull = _apply(xp, upper, slope + slope_y)
        constant = -x.shape[-1] * log_variance / 2 - xp.sum(xp.log(diagonal))
        forward = constant - xp.sum(z * z, axis=-1) / 2
        reverse = constant - xp.sum((z + a * pull) ** 2, axis=-1) / 2
        log_ratio = proposed - log_density - a * xp.sum(pull * (z + a / 2 * pull), axis=-1)
        log_ratio = xp.where(proposed == -xp.inf, proposed, log_ratio)
    accepted = accept(xp, u, log_ratio)
    pairs = ((y, x), (proposed, log_density), (slope_y, slope))
    after = State(*(choose(xp, accepted, new, old) for new, old in pairs))
    return Transition(after, Info(y, proposed, slope_y, forward, reverse, log_ratio, accepted))


def _vjp(g: Transition, info: Info, arrays: Any, target: Target, epsilon: float) -> tuple[State, Noise, Array]:
    x, _, slope, z, u, factor = arrays
    xp, a, told = namespace(x), sqrt(epsilon / 2), g.info
    new, old = shares(xp, info.accepted, g.state)
    ratio, back, forth = (leaf[..., None] for leaf in (told.log_accept_ratio, told.log_q_reverse, told.log_q_forward))
    with np.errstate(all="ignore"):
        lower, diagonal = factor_of(xp, factor)
        upper = xp.matrix_transpose(lower)
        both = slope + info.proposal_gradient
        pull = _apply(xp, upper, both)
        v, w = epsilon * _apply(xp, upper, slope) + 2 * a * z, z + a * pull
        to_pull = -a * times(xp, ratio + back, w)
        to_both = _apply(xp, lower, to_pull)
        to_density = (new.log_density + told.proposal_log_density)[..., None] + ratio
        to_y = new.position + told.proposal + times(xp, to_density, info.proposal_gradient)
        to_slope_y = new.gradient + told.proposal_gradient + to_both
        to_y = to_y + evaluate(xp, target, "gradient_vjp", info.proposal, to_slope_y)
        to_v = _apply(xp, upper, to_y)
        to_z = 2 * a * to_v - a * times(xp, ratio, pull) - times(xp, back, w) - times(xp, forth, z)
        to_gradient = old.gradient + epsilon * _apply(xp, lower, to_v) + to_both
        to_state = State(old.position + to_y, old.log_density - told.log_accept_ratio, to_gradient)
        to_factor = sum_outer(xp, to_y, v) + epsilon * sum_outer(xp, slope, to_v) + sum_outer(xp, both, to_pull)
        pulled = xp.sum(forth + back) / diagonal
        to_factor = xp.tril(to_factor) - pulled[:, None] * xp.eye(factor.shape[0], dtype=factor.dtype)
    return to_state, Noise(to_z, xp.zeros_like(u)), to_factor
