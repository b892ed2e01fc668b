"""MALA with a preconditioner, by the densities of its two proposals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import preconditioned_mala as sampler
from refengine.samplers.preconditioned_mala import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.linear_algebra import forward
from validation.exact.number import log, pi, sqrt
from validation.exact.samplers._cases import cases, epsilon_of, other_steps
from validation.exact.samplers._metropolis import accepted, choose


def step(
    state: State,
    noise: Noise,
    target: Any,
    factor: Any,
    *,
    step_size: float,
    step_size_convention: str = "epsilon",
) -> Transition:
    """y = x + eps C g(x) + sqrt(2 eps) L z, accepted if u < pi(y) q(x | y) / (pi(x) q(y | x)).

    Source: roberts-stramer-2002
    """
    epsilon = epsilon_of(step_size, step_size_convention)
    lower = np.array([[x if j <= i else 0 for j, x in enumerate(row)] for i, row in enumerate(factor)], dtype=object)
    covariance = lower @ lower.T
    proposal = state.position + (state.gradient @ covariance) * epsilon + (noise.normal @ lower.T) * sqrt(2 * epsilon)
    log_density = target.log_density(proposal, *target.parameters)
    gradient = target.gradient(proposal, *target.parameters)
    forward = _log_q(proposal, state.position, state.gradient, epsilon, lower)
    reverse = _log_q(state.position, proposal, gradient, epsilon, lower)
    log_ratio = (log_density + reverse) - (state.log_density + forward)
    decision = accepted(noise.uniform, log_ratio)
    proposed = (proposal, log_density, gradient)
    after = State(*(choose(decision, new, old) for new, old in zip(proposed, state, strict=True)))
    return Transition(after, Info(*proposed, forward, reverse, log_ratio, decision))


def _log_q(to: Any, start: Any, gradient: Any, epsilon: Any, lower: Any) -> Any:
    """The density at ``to`` of the normal distribution with mean start + eps C g and covariance 2 eps C."""
    miss = np.moveaxis(to - start - (gradient @ (lower @ lower.T)) * epsilon, -1, 0)
    solved = forward(lower, miss)
    constant = -(len(lower) * log(4 * pi() * epsilon) / 2 + log(np.diag(lower)).sum())
    return -(solved * solved).sum(axis=0) * (1 / (4 * epsilon)) + constant


def _shared(rng: np.random.Generator, size: int) -> dict[str, Any]:
    factor = short(rng.normal(size=(size, size)), 4)  # what stands above the diagonal is not looked at
    for i in range(size):
        factor[i, i] = short(decades(rng, 0.3, 3.0), 5)
    return {"factor": factor}


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    def constants(rng: np.random.Generator, i: int) -> dict[str, Any]:
        conventions = ("epsilon", "half_epsilon", "half_epsilon_squared")
        return {"step_size": short(decades(rng, 0.02, 0.5), 3), "step_size_convention": conventions[i % 3]}

    wide = [{"step_size": decades(rng, *ends)} for ends in ((1e-14, 1e-4), (30.0, 1e5)) for _ in range(4)]
    yield from cases(rng, sampler, constants, wide, shared=_shared, alternatives=other_steps)
