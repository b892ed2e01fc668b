"""The cases of every transition: ordinary chains, carried states, saturated targets, uniforms of 0, wide steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

import refengine
from refengine._call import bind
from refengine._walk import Operation
from validation.exact.draws import Draw, short
from validation.exact.samplers._metropolis import SATURATED, STANDARD, draw_target

Arrays = dict[str, Any]
CHAINS = ((), (2,), (), (2, 1))


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
    """At most three coordinates."""
    return draw_target(rng, i - 2 if i // 2 % 4 == 3 else i)


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
        position = short(rng.normal(size=(*CHAINS[i // 8 % 4], size)) * scale, 4)
        drawn, begun = noise(rng, position), start(rng, position)
        return case(sampler, name, parameters, position, drawn, given, shared(rng, size), begun, **options)

    for i in range(36):
        given = constants(rng, i)
        others = alternatives(given)
        yield one(i, given, flags=("AMBIGUOUS_CONVENTION",) if others else (), alternatives=others)
    carried = [f for f in sampler.State._fields if f != "position"]
    for i in range(8 if carried else 0):  # what the state carries is an input, not computed again
        plain = one(i, constants(rng, i))
        field = f"state.{carried[i % len(carried)]}"
        moved = plain.arguments[field] + np.asarray(short(rng.normal(size=plain.arguments[field].shape), 4))
        flags = tuple({*plain.flags, "CARRIED_STATE"})
        yield Draw(plain.arguments | {field: moved}, plain.constants, flags, difficulty=3)
    for logit in (800.0, -800.0, 40.0, -40.0) if saturated else ():
        for _ in range(2):
            position = np.array([logit, 1.0])
            given = noise(rng, position), constants(rng, 0), shared(rng, 2), start(rng, position)
            flags = ("SATURATION", "LARGE_LOGITS")
            yield case(sampler, "logistic_regression", SATURATED, position, *given, flags=flags, difficulty=3)
    for i, given in enumerate(wide):  # steps that move nothing, steps that never land
        yield one(i, given, 1.0, difficulty=3, flags=("HUGE_PARAMETER",))
    for i in range(12):
        name, parameters, size = target(rng, i)
        position = short(rng.normal(size=(2, size)) * 3, 4)
        drawn = noise(rng, position)
        edge = {k: np.zeros(np.shape(v)) for k, v in drawn.items() if k.startswith("uniform")}
        if not edge:
            yield one(i, constants(rng, i), 3.0, difficulty=2)
            continue
        given = drawn | edge, constants(rng, i), shared(rng, size), start(rng, position)
        yield case(sampler, name, parameters, position, *given, flags=("ZERO_LOG_ZERO",), difficulty=3)


def standard_case(
    sampler: ModuleType, start: float, normal: float, uniform: float, constants: Arrays, **options: Any
) -> Draw:
    """One coordinate, the standard normal density, one normal and one uniform."""
    noise = {"normal": np.array([normal]), "uniform": np.array(uniform)}
    return case(sampler, "gaussian", STANDARD, np.array([start]), noise, constants, **options)
