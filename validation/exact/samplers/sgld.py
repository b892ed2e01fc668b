"""Stochastic gradient Langevin dynamics as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers.sgld import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import number, sqrt
from validation.exact.samplers._cases import CHAINS, STEPS, epsilon_of, normals, other_steps


def step(
    state: State,
    noise: Noise,
    gradient: Any,
    *,
    step_size: float,
    temperature: float = 1.0,
    step_size_convention: str = "epsilon",
) -> Transition:
    """theta' = theta + eps g + sqrt(2 eps T) z.

    Source: welling-2011, eq. 4
    """
    epsilon = epsilon_of(step_size, step_size_convention)
    heat = number(temperature)
    drift = gradient * epsilon
    diffusion = noise.normal * sqrt(2 * epsilon * heat) if heat > 0 else noise.normal * 0
    return Transition(State(state.position + drift + diffusion), Info(drift, diffusion))


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(66):
        shape = (*CHAINS[i % 4], 1 + i % 3)
        size, hot = (0.02, 1.0), short(decades(rng, 0.1, 4.0), 4)
        flags: tuple[str, ...] = ("AMBIGUOUS_CONVENTION",) if i < 9 else ()
        if i >= 36:
            size, flags = ((1e-14, 1e-4), (30.0, 1e5))[i % 2], ("HUGE_PARAMETER",)
        if i % 11 == 10:  # no noise at all
            hot, flags = 0.0, (*flags, "SUPPORT_EDGE")
        constants = {
            "step_size": short(decades(rng, *size), 5),
            "temperature": hot,
            "step_size_convention": STEPS[i % 3],
        }
        arguments = {
            "state.position": short(rng.normal(size=shape) * 4, 5),
            "noise.normal": normals(rng, shape),
            "gradient": short(rng.normal(size=shape) * decades(rng, 1e-2, 1e2), 5),
        }
        others = other_steps(constants) if i < 9 else {}
        yield Draw(arguments, constants, flags, 1 if i < 36 else 3, alternatives=others)
