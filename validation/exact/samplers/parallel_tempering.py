"""The exchange of parallel tempering, by the joint density of the replicas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers.parallel_tempering import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.samplers._cases import uniforms
from validation.exact.samplers._metropolis import accepted


def step(state: State, noise: Noise, inverse_temperatures: Any, *, schedule: str = "even") -> Transition:
    """Neighbours exchange if u < pi(x_j)^b_i pi(x_i)^b_j / (pi(x_i)^b_i pi(x_j)^b_j).

    Source: geyer-1991
    """
    position, density = np.array(state.position, dtype=object), np.array(state.log_density, dtype=object)
    ratio, beta = np.empty(np.shape(noise.uniforms), dtype=object), inverse_temperatures
    for p, i in enumerate(range(schedule == "odd", density.shape[-1] - 1, 2)):
        for ladder in np.ndindex(density.shape[:-1]):
            here, there = density[(*ladder, i)], density[(*ladder, i + 1)]
            ratio[(*ladder, p)] = beta[i] * there + beta[i + 1] * here - (beta[i] * here + beta[i + 1] * there)
    decisions = np.asarray(accepted(noise.uniforms, ratio))
    for p, i in enumerate(range(schedule == "odd", density.shape[-1] - 1, 2)):
        for ladder in np.ndindex(density.shape[:-1]):
            if decisions[(*ladder, p)]:
                for field in (position, density):
                    field[(*ladder, i)], field[(*ladder, i + 1)] = (
                        np.array(field[(*ladder, i + 1)])[()],
                        np.array(field[(*ladder, i)])[()],
                    )
    return Transition(State(position, density), Info(ratio, decisions))


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(70):
        count, ladders, schedule = 2 + i % 4, ((), (2,), (), (1, 2))[i % 4], ("even", "odd")[i // 3 % 2]
        schedule = "even" if count == 2 else schedule
        pairs = len(range(schedule == "odd", count - 1, 2))
        spread = 3.0 if i < 44 else decades(rng, 1e-6, 1e4)
        density = rng.normal(size=(*ladders, count)) * spread
        density = short(density, 6) if i < 44 else density
        flags: tuple[str, ...] = () if i < 44 else ("HUGE_PARAMETER",)
        u = uniforms(rng, (*ladders, pairs))
        if i % 8 == 7:
            u, flags = np.zeros((*ladders, pairs)), (*flags, "ZERO_LOG_ZERO")
        if i % 9 == 8:  # the exchange changes nothing, and log u = log r for u = 1
            density[..., 1:], u, flags = density[..., :1], np.ones((*ladders, pairs)), (*flags, "TIE")
        beta = short(np.sort(rng.uniform(0.05, 1, size=count))[::-1], 5)
        if i % 5 == 4:  # far from 1, where nothing is left
            beta[-1], flags = 0.0, (*flags, "SUPPORT_EDGE")
        others = (
            {s: {"schedule": s} for s in ("even", "odd") if s != schedule} if pairs * 2 == count - 1 and i < 9 else {}
        )
        arguments = {
            "state.position": short(rng.normal(size=(*ladders, count, 1 + i % 3)), 5),
            "state.log_density": density,
            "noise.uniforms": u,
            "inverse_temperatures": beta,
        }
        flags = (*flags, "AMBIGUOUS_CONVENTION") if others else flags
        yield Draw(arguments, {"schedule": schedule}, flags, 1 + len(flags), alternatives=others)
