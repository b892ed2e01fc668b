"""Hamiltonian Monte Carlo as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import hamiltonian as sampler
from refengine.samplers.hamiltonian import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import sqrt
from validation.exact.samplers._cases import METRICS, cases, draw_metric, inverse_mass, other_metrics
from validation.exact.samplers._hamiltonian import divergent, energy, leapfrog
from validation.exact.samplers._metropolis import accepted, choose


def step(
    state: State,
    noise: Noise,
    target: Any,
    metric: Any,
    *,
    step_size: float,
    steps: int,
    metric_convention: str = "inverse_mass",
    divergence_threshold: float = 1000.0,
) -> Transition:
    """A momentum, L leapfrog steps, accepted if u < exp(H - H').

    Source: neal-2011, section 5.3.2
    """
    w = inverse_mass(metric, metric_convention)
    p = noise.normal / sqrt(w)
    y, arrived, gradient = leapfrog(target, state.position, p, state.gradient, w, step_size, steps)
    log_density = target.log_density(y, *target.parameters)
    before, after = energy(state.log_density, p, w), energy(log_density, arrived, w)
    log_ratio = before - after
    decision = accepted(noise.uniform, log_ratio)
    proposed = (y, log_density, gradient)
    then = State(*(choose(decision, new, old) for new, old in zip(proposed, state, strict=True)))
    told = Info(p, before, *proposed, arrived, after, log_ratio, decision, divergent(log_ratio, divergence_threshold))
    return Transition(then, told)


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    def constants(rng: np.random.Generator, i: int) -> dict[str, Any]:
        given = {"step_size": short(decades(rng, 0.05, 0.6), 3), "steps": 1 + i % 3}
        return given | {"metric_convention": METRICS[i % 3]}

    ends = ((1e-10, 1e-4), (10.0, 1e4))
    wide = [{"step_size": decades(rng, *h), "steps": 1 + i % 2} for h in ends for i in range(5)]
    yield from cases(rng, sampler, constants, wide, shared=draw_metric, alternatives=other_metrics)
