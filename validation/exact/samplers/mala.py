"""The Metropolis-adjusted Langevin algorithm, by the densities of its two proposals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import mala
from refengine.samplers.mala import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import log, number, pi, sqrt
from validation.exact.samplers._metropolis import SATURATED, STANDARD, accepted, choose, draw_case, draw_target


def step(
    state: State, noise: Noise, target: Any, *, step_size: float, step_size_convention: str = "epsilon"
) -> Transition:
    """y = x + eps g(x) + sqrt(2 eps) z, accepted if u < pi(y) q(x | y) / (pi(x) q(y | x)).

    Source: roberts-tweedie-1996
    """
    h = number(step_size)
    epsilon = {"epsilon": h, "half_epsilon": h / 2, "half_epsilon_squared": h * h / 2}[step_size_convention]
    proposal = state.position + state.gradient * epsilon + noise.normal * sqrt(2 * epsilon)
    log_density = target.log_density(proposal, *target.parameters)
    gradient = target.gradient(proposal, *target.parameters)
    forward = _log_q(proposal, state.position, state.gradient, epsilon)
    reverse = _log_q(state.position, proposal, gradient, epsilon)
    log_ratio = (log_density + reverse) - (state.log_density + forward)
    decision = accepted(noise.uniform, log_ratio)
    proposed = (proposal, log_density, gradient)
    after = State(*(choose(decision, new, old) for new, old in zip(proposed, state, strict=True)))
    return Transition(after, Info(*proposed, forward, reverse, log_ratio, decision))


def _log_q(to: Any, start: Any, gradient: Any, epsilon: Any) -> Any:
    """The density at ``to`` of the normal distribution with mean start + eps g and covariance 2 eps I."""
    miss = to - start - gradient * epsilon
    constant = -(np.shape(to)[-1] * log(4 * pi() * epsilon) / 2)
    return -(miss * miss).sum(axis=-1) * (1 / (4 * epsilon)) + constant


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    conventions = ("epsilon", "half_epsilon", "half_epsilon_squared")
    for i in range(48):
        name, parameters, size = draw_target(rng, i)
        chains = ((), (3,), (), (2, 2))[i // 8 % 4]
        position = short(rng.normal(size=(*chains, size)) * 2, 4)
        step_size = short(decades(rng, 0.02, 0.5), 3)
        yield draw_case(rng, mala, name, parameters, position, {"step_size": step_size}, near=i % 3 == 0)
    for i in range(12):  # the same letter means three things: every library's step by its name
        name, parameters, size = draw_target(rng, i)
        position, step_size = short(rng.normal(size=(2, size))), short(decades(rng, 0.05, 0.5), 3)
        constants = {"step_size": step_size, "step_size_convention": conventions[i % 3]}
        draw = draw_case(rng, mala, name, parameters, position, constants, difficulty=2)
        others = {c: {"step_size_convention": c} for c in conventions if c != conventions[i % 3]}
        flags = (*draw.flags, "AMBIGUOUS_CONVENTION")
        yield Draw(draw.arguments, draw.constants, flags, 2, alternatives=others)
    for i in range(16):  # steps that move nothing, steps that never land
        name, parameters, size = draw_target(rng, i, spread=2)
        step_size = decades(rng, 30, 1e5) if i % 4 > 1 else decades(rng, 1e-14, 1e-4)
        position, normal = rng.normal(size=(2, size)) * decades(rng, 1e-2, 10), rng.normal(size=(2, size))
        yield draw_case(rng, mala, name, parameters, position, {"step_size": step_size}, difficulty=3, normal=normal)
    for logit in (800.0, -800.0, 40.0, -40.0):
        for near in (False, True):
            position, constants = np.array([logit, 1.0]), {"step_size": 0.25}
            flags = ("SATURATION", "LARGE_LOGITS")
            yield draw_case(rng, mala, "logistic_regression", SATURATED, position, constants, near, flags, 3)
    for start, normal, u, step_size in (
        (30.0, 8.0, 5e-324, 1.5),
        (1.0, -1.0, 5e-324, 0.5),
        (1.0, 40.0, 1e-310, 0.5),
        (0.0, 30.0, 0.0, 0.5),
        (-2.0, 1e3, 0.0, 1.0),
        (1.0, 1.0, 0.0, 0.125),
    ):  # u = 0 accepts, however unlikely
        given = {"normal": np.array([normal]), "uniform": np.array(u), "difficulty": 4}
        flags, constants = ("ZERO_LOG_ZERO",) if u == 0 else ("SUBNORMAL",), {"step_size": step_size}
        yield draw_case(rng, mala, "gaussian", STANDARD, np.array([start]), constants, flags=flags, **given)
    for start, normal in ((0.0, 60.0), (5.0, 1e4), (0.0, 1e100), (-1.0, 1e160), (1e50, 1.0)):
        given = {"normal": np.array([normal]), "uniform": np.array(2.0**-1022), "difficulty": 4}
        flags, constants = ("OVERFLOW_F32",), {"step_size": 0.5}
        yield draw_case(rng, mala, "gaussian", STANDARD, np.array([start]), constants, flags=flags, **given)
    for step_size in (0.0795774715459477, 0.07957, 0.08, 0.0796875):  # 4 pi eps next to 1, where its logarithm vanishes
        given = {"normal": np.array([2.0**-20, 0.0]), "uniform": np.array(0.375), "difficulty": 4}
        parameters = {"target.mean": np.zeros(2), "target.precision": np.array([[2.0, 1.0], [1.0, 3.0]])}
        position, constants = np.array([0.25, -0.125]), {"step_size": step_size}
        yield draw_case(rng, mala, "gaussian", parameters, position, constants, flags=("NEAR_ROOT",), **given)
    for field, carried in (("log_density", -0.25), ("log_density", -700.0), ("gradient", [3.0]), ("gradient", [0.0])):
        given = {"normal": np.array([1.0]), "uniform": np.array(0.375)}  # carried: inputs, not computed again
        draw = draw_case(rng, mala, "gaussian", STANDARD, np.array([0.5]), {"step_size": 0.5}, **given)
        arguments = draw.arguments | {f"state.{field}": np.array(carried)}
        yield Draw(arguments, draw.constants, ("CARRIED_STATE",), difficulty=3)
