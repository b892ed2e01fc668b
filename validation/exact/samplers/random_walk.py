"""Random-walk Metropolis as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import random_walk
from refengine.samplers.random_walk import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.samplers._metropolis import SATURATED, STANDARD, accepted, choose, draw_case, draw_target


def step(state: State, noise: Noise, target: Any, *, scale: float) -> Transition:
    """y = x + scale z, accepted if u < pi(y) / pi(x).

    Source: metropolis-1953, section II
    """
    proposal = state.position + scale * noise.normal
    log_density = target.log_density(proposal, *target.parameters)
    log_ratio = log_density - state.log_density
    decision = accepted(noise.uniform, log_ratio)
    after = State(choose(decision, proposal, state.position), choose(decision, log_density, state.log_density))
    return Transition(after, Info(proposal, log_density, log_ratio, decision))


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(48):
        name, parameters, size = draw_target(rng, i)
        chains = ((), (3,), (), (2, 2))[i // 8 % 4]
        position = short(rng.normal(size=(*chains, size)) * 2, 4)
        scale = short(decades(rng, 0.1, 4), 3)
        yield draw_case(rng, random_walk, name, parameters, position, {"scale": scale}, near=i % 3 == 0)
    for i in range(16):  # steps that move nothing, steps that never land
        name, parameters, size = draw_target(rng, i, spread=2)
        huge = i % 4 > 1
        scale = decades(rng, 1e3, 1e6) if huge else decades(rng, 1e-8, 1e-3)
        position = rng.normal(size=(2, size)) * decades(rng, 1e-2, 10)
        yield draw_case(
            rng,
            random_walk,
            name,
            parameters,
            position,
            {"scale": scale},
            difficulty=3,
            normal=rng.normal(size=(2, size)),
        )
    for logit in (800.0, -800.0, 40.0, -40.0):
        for near in (False, True):
            position = np.array([logit, 1.0])
            yield draw_case(
                rng,
                random_walk,
                "logistic_regression",
                SATURATED,
                position,
                {"scale": 0.5},
                near,
                ("SATURATION", "LARGE_LOGITS"),
                3,
            )
    for start, normal, u in ((30.0, 8.0, 5e-324), (3.0, -1.0, 5e-324), (1.0, 38.0, 1e-310), (1.0, 36.0, 1e-310)):
        given = {"normal": np.array([normal]), "uniform": np.array(u)}
        yield draw_case(
            rng,
            random_walk,
            "gaussian",
            STANDARD,
            np.array([start]),
            {"scale": 1.0},
            flags=("SUBNORMAL",),
            difficulty=4,
            **given,
        )
    for start, normal in ((0.0, 30.0), (1.0, 1.0), (-2.0, 1e3)):  # u = 0 accepts, however unlikely
        given = {"normal": np.array([normal]), "uniform": np.array(0.0)}
        yield draw_case(
            rng,
            random_walk,
            "gaussian",
            STANDARD,
            np.array([start]),
            {"scale": 1.0},
            flags=("ZERO_LOG_ZERO",),
            difficulty=3,
            **given,
        )
    for start, normal in ((0.0, 60.0), (5.0, 1e4), (0.0, 1e100), (-1.0, 1e160)):  # the ratio underflows, then its log
        given = {"normal": np.array([normal]), "uniform": np.array(2.0**-1022)}
        yield draw_case(
            rng,
            random_walk,
            "gaussian",
            STANDARD,
            np.array([start]),
            {"scale": 1.0},
            flags=("OVERFLOW_F32",),
            difficulty=4,
            **given,
        )
    for carried in (-0.25, -700.0, 3.0, 0.0):  # the carried density is an input: it is not computed again
        draw = draw_case(
            rng,
            random_walk,
            "gaussian",
            STANDARD,
            np.array([0.5]),
            {"scale": 0.5},
            normal=np.array([1.0]),
            uniform=np.array(0.375),
        )
        arguments = draw.arguments | {"state.log_density": np.array(carried)}
        yield Draw(arguments, draw.constants, ("CARRIED_STATE",), difficulty=3)
