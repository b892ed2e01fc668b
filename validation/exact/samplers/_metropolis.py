"""The decision of Metropolis and Hastings, and what the draws of the samplers share."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from refengine._call import bind
from refengine._walk import Operation
from validation.exact.draws import Draw, decades, short
from validation.exact.number import log, number
from validation.exact.samplers.targets import gaussian, logistic_regression

STANDARD = {"target.mean": np.zeros(1), "target.precision": np.ones((1, 1))}
SATURATED = {
    "target.features": np.array([[1.0, 0.0], [-1.0, 1.0], [0.5, 2.0]]),
    "target.outcomes": np.array([1, 0, 1]),
    "target.prior_scale": 256.0,
}


def accepted(uniform: Any, log_ratio: Any) -> np.ndarray:
    """u < ratio, for every chain; the logarithm of 0 is below every number, and not below minus infinity."""
    decisions = [_accepts(number(u), number(r)) for u, r in zip(np.ravel(uniform), np.ravel(log_ratio), strict=True)]
    return np.array(decisions, dtype=bool).reshape(np.shape(uniform))


def _accepts(uniform: Any, log_ratio: Any) -> bool:
    return log_ratio > -np.inf if uniform == 0 else bool(log(uniform) < log_ratio)


def choose(decision: np.ndarray, proposed: Any, current: Any) -> Any:
    """The proposed value where the decision is to accept."""
    proposed, current = np.asarray(proposed, dtype=object), np.asarray(current, dtype=object)
    return np.where(decision[..., None] if proposed.ndim > decision.ndim else decision, proposed, current)


def draw_target(rng: np.random.Generator, i: int, spread: float = 0.5) -> tuple[str, dict[str, Any], int]:
    """The name of a target, its parameters as arguments, its dimension."""
    size = 1 + i // 2 % 4
    if i % 2:
        name, parameters = "logistic_regression", logistic_regression.draw_parameters(rng, 2 + i % 5, size)
    else:
        name, parameters = "gaussian", gaussian.draw_parameters(rng, size, spread)
    return name, {f"target.{k}": v for k, v in parameters.items()}, size


def draw_case(
    rng: np.random.Generator,
    sampler: ModuleType,
    name: str,
    parameters: dict[str, Any],
    position: np.ndarray,
    constants: dict[str, Any],
    near: bool = False,
    flags: tuple[str, ...] = (),
    difficulty: int = 1,
    **noise: Any,
) -> Draw:
    """A state as ``sampler.init`` makes it, and noise for it; the reference only helps to choose the inputs."""
    chains = position.shape[:-1]
    fields = [f"state.{field}" for field in sampler.State._fields]
    arguments = dict.fromkeys(fields, position) | {
        "noise.normal": noise.get("normal", short(rng.normal(size=position.shape), 5)),
        "noise.uniform": noise.get("uniform", np.full(chains, 0.5)),
    }
    operation, constants = Operation("", sampler.step), {"target": name, **constants}
    (_, trial, target), keywords = bind(operation, arguments | parameters, constants)
    state = sampler.init(position, target)
    arguments |= dict(zip(fields, map(np.asarray, state), strict=True))
    log_ratio = sampler.step(state, trial, target, **keywords).info.log_accept_ratio
    if "uniform" not in noise:
        arguments["noise.uniform"] = _uniforms(rng, log_ratio, near)
    with np.errstate(divide="ignore"):
        rejected = np.any(~(np.log(arguments["noise.uniform"]) < log_ratio))
    return Draw(arguments | parameters, constants, (*flags, *(("REJECTED",) if rejected else ())), difficulty)


def _uniforms(rng: np.random.Generator, log_ratio: Any, near: bool) -> Any:
    """Uniforms of 12 bits; those that are near lie just off the ratio, each on a side of its own."""
    u = rng.uniform(2.0**-10, 1 - 2.0**-10, size=np.shape(log_ratio))
    if near:
        ratio = np.exp(np.clip(log_ratio, -600.0, 0.0))
        u = np.minimum(ratio * (1 + rng.choice([-1, 1], size=np.shape(ratio)) * decades(rng, 2.0**-8, 2.0**-4)), 0.999)
    return short(u, 12)
