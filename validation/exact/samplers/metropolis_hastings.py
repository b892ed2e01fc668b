"""Metropolis and Hastings as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import metropolis_hastings as sampler
from refengine.samplers.metropolis_hastings import Info, Noise, State, Transition
from validation.exact.draws import Draw, short
from validation.exact.number import log, number
from validation.exact.samplers._cases import case, cases, uniforms
from validation.exact.samplers._metropolis import STANDARD, accepted, choose


def step(state: State, noise: Noise, target: Any, *, acceptance: str = "strict") -> Transition:
    """The proposal is accepted if u < pi(y) q(x | y) / (pi(x) q(y | x)).

    Source: hastings-1970, section 2
    """
    log_density = target.log_density(noise.proposal, *target.parameters)
    log_ratio = (log_density + noise.log_q_reverse) - (state.log_density + noise.log_q_forward)
    decision = accepted(noise.uniform, log_ratio)
    if acceptance == "closed":
        pairs = zip(np.ravel(noise.uniform), np.ravel(log_ratio), strict=True)
        decision = np.array([u == 0 or bool(log(u) <= number(r)) for u, r in pairs]).reshape(decision.shape)
    after = State(choose(decision, noise.proposal, state.position), choose(decision, log_density, state.log_density))
    return Transition(after, Info(log_density, log_ratio, decision))


def _noise(rng: np.random.Generator, position: Any) -> dict[str, Any]:
    chains = position.shape[:-1]
    q = {f"log_q_{way}": short(rng.normal(size=chains), 5) for way in ("forward", "reverse")}
    return {"proposal": short(rng.normal(size=position.shape) * 2, 5), **q, "uniform": uniforms(rng, chains)}


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    yield from cases(rng, sampler, lambda rng, i: {"acceptance": ("strict", "closed")[i % 2]}, (), _noise)
    for acceptance in ("strict", "closed"):
        for to in (0.5, -0.5, 0.25, -0.75):  # log u = log r at the first two
            noise = {"proposal": [to], "log_q_forward": 0.0, "log_q_reverse": 0.0, "uniform": 1.0}
            others = {"acceptance": acceptance}
            yield case(sampler, "gaussian", STANDARD, np.array([0.5]), noise, others, flags=("TIE",), difficulty=3)
    for huge in (1e5, 1e300):
        noise = {"proposal": [0.25], "log_q_forward": -huge, "log_q_reverse": -huge, "uniform": 0.5}
        yield case(sampler, "gaussian", STANDARD, np.array([0.5]), noise, {}, flags=("CANCELLATION",), difficulty=4)
