"""Every sampler with arguments that its step takes, and mutants of its text: what the tests of samplers share."""

import inspect
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from refengine import samplers
from refengine.samplers import (
    Target,
    adaptive_rejection,
    ghmc,
    gibbs,
    importance,
    metropolis_hastings,
    parallel_tempering,
    sgld,
    sir,
    smc,
    stretch,
    underdamped_langevin,
)
from refengine.samplers.targets import gaussian

QUARTIC = Target(
    lambda x, k: -k * np.sum(x**4, axis=-1),
    lambda x, k: -4 * k * x**3,
    lambda g, x, k: (-12 * k * x**2 * g,),
    (0.25,),
)


class Drawn(NamedTuple):
    """The arguments of a step: those that have the axes of chains, those that all chains share, and the constants."""

    chained: tuple[Any, ...]
    shared: tuple[Any, ...]
    constants: dict[str, Any]

    @property
    def arguments(self):
        return self.chained + self.shared


def metric(size):
    return np.linspace(0.5, 2.0, size)


def factor(size):
    return np.tril(np.full((size, size), 0.25)) + 0.5 * np.eye(size)


def on_coordinates(name, *shared, **of_noise):
    def made(rng, chains, size, target):
        sampler = getattr(samplers, name)
        state = sampler.init(rng.normal(size=(*chains, size)), target)
        return (state, sampler.noise(rng, state, **of_noise)), (target, *(make(size) for make in shared))

    return made


def with_momentum(sampler):
    def made(rng, chains, size, target):
        x, p = rng.normal(size=(2, *chains, size))
        state = sampler.init(x, target, p)
        return (state, sampler.noise(rng, state)), (target, metric(size))

    return made


def of_a_crowd(sampler):
    def made(rng, chains, size, target):
        state = sampler.init(rng.normal(size=(*chains, 4, size)), target)
        return (state, sampler.noise(rng, state)), (target,)

    return made


def hastings(rng, chains, size, target):
    state = metropolis_hastings.init(rng.normal(size=(*chains, size)), target)
    noise = metropolis_hastings.noise(
        rng, state, lambda rng, x: x / 2 + rng.standard_normal(x.shape), lambda y, x: -np.sum((y - x / 2) ** 2, -1) / 2
    )
    return (state, noise), (target,)


def conditionals(rng, chains, size, target):
    state = gibbs.init(rng.normal(size=(*chains, size)))
    return (state, gibbs.noise(rng, state)), (gaussian.target(np.ones(size), np.eye(size) * 2 + 1),)


def gradients(rng, chains, size, target):
    state = sgld.init(rng.normal(size=(*chains, size)))
    return (state, sgld.noise(rng, state), rng.normal(size=(*chains, size))), ()


def hulls(rng, chains, size, target):
    points = np.sort(rng.normal(size=(*chains, 3)), axis=-1) + np.array([-2.0, 0.0, 2.0])
    target = gaussian.target(np.zeros(1), np.eye(1))
    state = adaptive_rejection.init(points, target)
    return (state, adaptive_rejection.noise(rng, state)), (target,)


def weighed(rng, chains, size, target):
    draws = importance.noise(rng, np.zeros(size), 5).normals if not chains else rng.normal(size=(*chains, 5, size))
    return (importance.Noise(draws),), (target, np.ones(size), metric(size))


def offspring(rng, chains, size, target):
    state = sir.State(rng.normal(size=(*chains, 4, size)), rng.normal(size=(*chains, 4)))
    return (state, sir.noise(rng, state, 5)), ()


def ladder(rng, chains, size, target):
    state = parallel_tempering.init(rng.normal(size=(*chains, 4, size)), target)
    return (state, parallel_tempering.noise(rng, state)), (np.array([1.0, 0.7, 0.4, 0.2]),)


ALL = {
    "adaptive_rejection": (hulls, {}),
    "elliptical_slice": (on_coordinates("elliptical_slice", lambda size: 3 * factor(size), tries=1), {}),
    "ghmc": (with_momentum(ghmc), {"step_size": 0.5, "persistence": 0.6, "steps": 3}),
    "gibbs": (conditionals, {}),
    "hamiltonian": (on_coordinates("hamiltonian", metric), {"step_size": 0.6, "steps": 4, "metric_convention": "mass"}),
    "importance": (weighed, {}),
    "independence": (on_coordinates("independence", np.zeros, metric), {}),
    "langevin": (on_coordinates("langevin"), {"step_size": 0.1}),
    "mala": (on_coordinates("mala"), {"step_size": 0.3}),
    "metropolis_hastings": (hastings, {}),
    "metropolis_within_gibbs": (on_coordinates("metropolis_within_gibbs", metric), {}),
    "nuts": (on_coordinates("nuts", metric, max_depth=2), {"step_size": 0.4}),
    "parallel_tempering": (ladder, {}),
    "preconditioned_mala": (on_coordinates("preconditioned_mala", factor), {"step_size": 0.3}),
    "random_walk": (on_coordinates("random_walk"), {"scale": 0.7}),
    "rejection": (on_coordinates("rejection", np.zeros, np.ones, tries=4), {"log_bound": 3.5}),
    "sgld": (gradients, {"step_size": 0.1}),
    "sir": (offspring, {}),
    "slice": (on_coordinates("slice", metric, tries=4), {"max_steps": 3}),
    "smc": (of_a_crowd(smc), {"before": 0.2, "after": 0.7, "scale": 0.5}),
    "stretch": (of_a_crowd(stretch), {}),
    "underdamped_langevin": (with_momentum(underdamped_langevin), {"step_size": 0.3, "friction": 0.7}),
}  # fmt: skip


def drawn(name, chains=(50,), size=3, target=QUARTIC, rng=None):
    made, constants = ALL[name]
    chained, shared = made(np.random.default_rng(1) if rng is None else rng, chains, size, target)
    return Drawn(chained, shared, constants)


def leaves(tree):
    return [leaf for part in tree for leaf in leaves(part)] if isinstance(tree, tuple) else [np.asarray(tree)]


def mapped(change, tree):
    return type(tree)(*(mapped(change, part) for part in tree)) if hasattr(tree, "_fields") else change(tree)


def seeds(value, rng):
    """A cotangent for every array of a result."""
    return mapped(lambda leaf: rng.normal(size=np.shape(leaf)), value)


def mutant(module: ModuleType, right: str, wrong: str) -> ModuleType:
    """The module with one place of its text changed."""
    source = inspect.getsource(module)
    assert source.count(right) == 1, f"{module.__name__} has {source.count(right)} places with {right!r}"
    changed = ModuleType(f"{module.__name__}_mutant")
    exec(compile(source.replace(right, wrong), changed.__name__, "exec"), changed.__dict__)
    return changed
