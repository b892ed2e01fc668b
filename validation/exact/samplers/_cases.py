"""The cases of every transition: ordinary chains, carried states, saturated targets, uniforms of 0, wide steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

import refengine
from refengine._call import bind
from refengine._walk import Operation
from validation.exact.draws import Draw, decades, short
from validation.exact.number import number
from validation.exact.samplers._metropolis import SATURATED, STANDARD
from validation.exact.samplers.targets import gaussian, logistic_regression

Arrays = dict[str, Any]
CHAINS = ((), (2,), (), (1, 2))
ENOUGH = 64


def uniforms(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Uniforms of 12 bits."""
    return short(rng.uniform(2.0**-10, 1 - 2.0**-10, size=shape), 12)


def normals(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Normals of 5 bits."""
    return short(rng.normal(size=shape), 5)


def usual(rng: np.random.Generator, position: Any) -> Arrays:
    """A normal for every coordinate and a uniform for every chain."""
    return {"normal": normals(rng, position.shape), "uniform": uniforms(rng, position.shape[:-1])}


def small_target(rng: np.random.Generator, i: int) -> tuple[str, Arrays, int]:
    """At most three coordinates, and three rows of data."""
    size = (1, 2, 1, 2, 3)[i // 2 % 5]
    if i % 2:
        name, parameters = "logistic_regression", logistic_regression.draw_parameters(rng, 1 + i % 3, size)
    else:
        name, parameters = "gaussian", gaussian.draw_parameters(rng, size, 0.5)
    return name, {f"target.{k}": v for k, v in parameters.items()}, size


def case(
    sampler: ModuleType,
    name: str,
    parameters: Arrays,
    position: Any,
    noise: Arrays,
    constants: Arrays,
    shared: Arrays | None = None,
    start: Arrays | None = None,
    carried: Arrays | None = None,
    flags: Iterable[str] = (),
    difficulty: int = 1,
    alternatives: Arrays | None = None,
) -> Draw:
    """A state as ``sampler.init`` makes it, except for what is ``carried``; ``shared`` are the arrays of all chains."""
    target = getattr(refengine.samplers.targets, name).target(
        **{k.removeprefix("target."): v for k, v in parameters.items()}
    )
    state = sampler.init(position, target, **(start or {}))
    arguments = {f"state.{k}": np.asarray(v) for k, v in state._asdict().items()}
    arguments |= {f"state.{k}": np.asarray(v) for k, v in (carried or {}).items()}
    arguments |= {f"noise.{k}": np.asarray(v) for k, v in noise.items()}
    arguments |= {k: np.asarray(v) for k, v in (shared or {}).items()} | parameters
    constants = {"target": name, **constants}
    args, keywords = bind(Operation("", sampler.step), arguments, constants)
    accepted = getattr(sampler.step(*args, **keywords).info, "accepted", True)
    flags = (*flags, *(() if np.all(accepted) else ("REJECTED",)))
    return Draw(arguments, constants, flags, difficulty, alternatives=alternatives or {})


def cases(
    rng: np.random.Generator,
    sampler: ModuleType,
    constants: Callable[[np.random.Generator, int], Arrays],
    wide: Iterable[Arrays],
    noise: Callable[[np.random.Generator, Any], Arrays] = usual,
    shared: Callable[[np.random.Generator, int], Arrays] = lambda rng, size: {},
    start: Callable[[np.random.Generator, Any], Arrays] = lambda rng, position: {},
    target: Callable[[np.random.Generator, int], tuple[str, Arrays, int]] = small_target,
    alternatives: Callable[[Arrays], Arrays] = lambda constants: {},
    saturated: bool = True,
) -> Iterator[Draw]:
    """At least 60 cases of a transition."""

    def one(i: int, given: Arrays, scale: float = 2.0, **options: Any) -> Draw:
        name, parameters, size = target(rng, i)
        chains = CHAINS[i // 8 % 4] if size < 3 else ()
        position = short(rng.normal(size=(*chains, size)) * scale, 4)
        drawn, begun = noise(rng, position), start(rng, position)
        return case(sampler, name, parameters, position, drawn, given, shared(rng, size), begun, **options)

    wide, carried = list(wide), [f for f in sampler.State._fields if f != "position"]
    edges, kept, logits = 8, 6 if carried else 0, (800.0, -800.0, 40.0, -40.0) if saturated else ()
    for i in range(max(24, ENOUGH - edges - kept - 2 * len(logits) - len(wide))):
        given = constants(rng, i)
        others = alternatives(given) if i < 9 else {}
        yield one(i, given, flags=("AMBIGUOUS_CONVENTION",) if others else (), alternatives=others)
    for i in range(kept):  # what the state carries is an input, not computed again
        plain = one(i, constants(rng, i))
        field = f"state.{carried[i % len(carried)]}"
        moved = plain.arguments[field] + np.asarray(short(rng.normal(size=plain.arguments[field].shape), 4))
        flags = tuple({*plain.flags, "CARRIED_STATE"})
        yield Draw(plain.arguments | {field: moved}, plain.constants, flags, difficulty=3)
    for logit in logits:
        for _ in range(2):
            position = np.array([logit, 1.0])
            rest: Any = noise(rng, position), constants(rng, 0), shared(rng, 2), start(rng, position)
            flags = ("SATURATION", "LARGE_LOGITS")
            yield case(sampler, "logistic_regression", SATURATED, position, *rest, flags=flags, difficulty=3)
    for i, given in enumerate(wide):  # steps that move nothing, steps that never land
        yield one(i, given, 1.0, difficulty=3, flags=("HUGE_PARAMETER",))
    for i in range(edges):
        name, parameters, size = target(rng, i)
        position = short(rng.normal(size=(2 if size < 2 else 1, size)) * 3, 4)
        drawn = noise(rng, position)
        edge = {k: np.zeros(np.shape(v)) for k, v in drawn.items() if k.startswith("uniform")}
        if not edge:
            yield one(i, constants(rng, i), 3.0, difficulty=2)
            continue
        rest = drawn | edge, constants(rng, i), shared(rng, size), start(rng, position)
        yield case(sampler, name, parameters, position, *rest, flags=("ZERO_LOG_ZERO",), difficulty=3)


def standard_case(
    sampler: ModuleType, start: float, normal: float, uniform: float, constants: Arrays, **options: Any
) -> Draw:
    """One coordinate, the standard normal density, one normal and one uniform."""
    noise = {"normal": np.array([normal]), "uniform": np.array(uniform)}
    return case(sampler, "gaussian", STANDARD, np.array([start]), noise, constants, **options)


STEPS = ("epsilon", "half_epsilon", "half_epsilon_squared")


def epsilon_of(step_size: float, convention: str) -> Any:
    """Half the variance of a Langevin step."""
    h = number(step_size)
    return {"epsilon": h, "half_epsilon": h / 2, "half_epsilon_squared": h * h / 2}[convention]


def other_steps(constants: Arrays) -> Arrays:
    """The conventions of the step size that are not the one in force."""
    return {c: {"step_size_convention": c} for c in STEPS if c != constants["step_size_convention"]}


METRICS = ("inverse_mass", "mass", "inverse_scale")


def inverse_mass(metric: Any, convention: str) -> Any:
    """What multiplies the momentum in a drift."""
    return {"inverse_mass": metric, "mass": 1 / metric, "inverse_scale": metric * metric}[convention]


def draw_metric(rng: np.random.Generator, size: int) -> Arrays:
    """A number of few bits for every coordinate."""
    return {"metric": np.array([short(decades(rng, 0.3, 3.0), 5) for _ in range(size)])}


def other_metrics(constants: Arrays) -> Arrays:
    """The conventions of the metric that are not the one in force."""
    return {c: {"metric_convention": c} for c in METRICS if c != constants["metric_convention"]}
