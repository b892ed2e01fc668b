"""Generalised Hamiltonian Monte Carlo as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import ghmc as sampler
from refengine.samplers.ghmc import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import number, sqrt
from validation.exact.samplers._cases import METRICS, cases, draw_metric, inverse_mass, normals, other_metrics, usual
from validation.exact.samplers._hamiltonian import divergent, energy, leapfrog
from validation.exact.samplers._metropolis import accepted, choose


def step(
    state: State,
    noise: Noise,
    target: Any,
    metric: Any,
    *,
    step_size: float,
    persistence: float,
    steps: int = 1,
    on_reject: str = "flip",
    metric_convention: str = "inverse_mass",
    divergence_threshold: float = 1000.0,
) -> Transition:
    """A momentum refreshed in part, L leapfrog steps, accepted if u < exp(H - H'); else the momentum is reversed.

    Source: neal-2011, section 5.5.3
    """
    w, alpha = inverse_mass(metric, metric_convention), number(persistence)
    rest = sqrt(1 - alpha * alpha) if alpha < 1 else 0
    p = state.momentum * alpha + noise.normal / sqrt(w) * rest
    y, arrived, gradient = leapfrog(target, state.position, p, state.gradient, w, step_size, steps)
    log_density = target.log_density(y, *target.parameters)
    before, after = energy(state.log_density, p, w), energy(log_density, arrived, w)
    log_ratio = before - after
    decision = accepted(noise.uniform, log_ratio)
    proposed = (y, log_density, gradient)
    then = (choose(decision, new, old) for new, old in zip(proposed, state[:3], strict=True))
    told = Info(p, before, *proposed, arrived, after, log_ratio, decision, divergent(log_ratio, divergence_threshold))
    return Transition(State(*then, choose(decision, arrived, p if on_reject == "keep" else -p)), told)


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    def constants(rng: np.random.Generator, i: int) -> dict[str, Any]:
        alpha = (0.0, 0.5, 0.875, short(rng.uniform(0.01, 0.99), 5), 1.0)[i % 5]
        given = {"step_size": short(decades(rng, 0.05, 0.8), 3), "persistence": alpha, "steps": 1 + i % 2}
        return given | {"metric_convention": METRICS[i % 3], "on_reject": ("flip", "keep")[i % 2]}

    def start(rng: np.random.Generator, position: Any) -> dict[str, Any]:
        return {"momentum": normals(rng, position.shape)}

    ends = ((1e-10, 1e-4), (10.0, 1e4))
    wide = [
        {"step_size": decades(rng, *h), "persistence": 1 - 2.0**-40 if i % 2 else 0.75} for h in ends for i in range(5)
    ]
    yield from cases(rng, sampler, constants, wide, usual, draw_metric, start, alternatives=other_metrics)
