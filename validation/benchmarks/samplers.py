"""Samplers on a regression with three parameters and 434 rows, against BlackJAX, NumPyro and emcee.

Our noise is drawn within the time; theirs is drawn where it is used. Both evaluate the density row by row. Children's
test scores on their mothers' IQ (Gelman and Hill 2007), both in units near their standard deviation, so that all three
parameters have nearly the same scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np

import refengine
from refengine.samplers import Target
from refengine.samplers.diagnostics import ess_bulk
from refengine.samplers.targets import linear_regression
from validation.benchmarks._compare import Comparison, available_threads, compare

FASTER = 1 / 5
DRAWS, SPREAD, STEPS, STEP_SIZE, SCALE = 20_000, 0.045, 3, 0.9, 0.06
CHAINS, CHAIN_DRAWS = 1_000, 100
PRIOR_SCALE = 10.0
METRIC = np.full(3, SPREAD**2)
DATA = Path(__file__).parents[1] / "posteriors" / "data" / "kidiq.csv"


SCORES, _, IQ = np.loadtxt(DATA, delimiter=",", skiprows=2).T
NAME, FEATURES, OUTCOMES = "kidiq", np.column_stack([np.ones(SCORES.size), (IQ - 100) / 15]), SCORES / 20
BUILT_IN = linear_regression.target(FEATURES, OUTCOMES, PRIOR_SCALE)


@numba.njit
def log_density(position, features, outcomes, scale):  # type: ignore[no-untyped-def]
    rows, size = features.shape
    z, w = (outcomes - features @ position[:size]) * math.exp(-position[size]), position[:size] / scale
    spread = math.exp(position[size]) / scale
    return -0.5 * (z @ z + w @ w + spread * spread) - (rows - 1) * position[size]


@numba.njit
def gradient(position, features, outcomes, scale):  # type: ignore[no-untyped-def]
    rows, size = features.shape
    noise, slope = math.exp(-position[size]), np.empty(size + 1)
    z = (outcomes - features @ position[:size]) * noise
    slope[:size] = (z @ features) * noise - position[:size] / scale**2
    slope[size] = z @ z - (rows - 1) - (math.exp(position[size]) / scale) ** 2
    return slope


COMPILED = Target(log_density, gradient, None, (FEATURES, OUTCOMES, PRIOR_SCALE))
TARGETS = {"built-in target": BUILT_IN, "functions compiled by the user": COMPILED}
TREE = refengine.backend("numba").samplers
START = np.array([4.34, 0.457, -0.09])


def walk(target: Target, draws: int = DRAWS, chains: int = 1) -> Any:
    return _run(TREE.random_walk, target, draws, chains, scale=SCALE)


def hmc(target: Target, draws: int = DRAWS, chains: int = 1) -> Any:
    return _run(TREE.hamiltonian, target, draws, chains, metric=METRIC, step_size=STEP_SIZE, steps=STEPS)


def _run(sampler: Any, target: Target, draws: int, chains: int, **constants: Any) -> Any:
    """Draws (chain, draw, 3) from noise that is drawn first."""
    rng = np.random.default_rng(0)
    noise = sampler.Noise(rng.standard_normal((draws, chains, 3)), 1 - rng.random((draws, chains)))
    kernel = partial(sampler.step, target=target, **constants)
    start = [np.repeat(np.asarray(leaf)[None], chains, axis=0) for leaf in sampler.init(START, target)]
    return TREE.run(kernel, sampler.State(*start), noise, draws, chains=chains, progress=False).posterior["position"]


def run() -> Iterator[Comparison]:
    for name, ours in {"random walk": walk, "HMC": hmc}.items():  # first: others' threads would go on spinning
        yield _threads(name, partial(ours, BUILT_IN, CHAIN_DRAWS, CHAINS))
    theirs = {"random walk": _blackjax_walk(), "HMC, 3 leapfrog steps": _blackjax_hmc()}
    for (name, peer), ours in zip(theirs.items(), (walk, hmc), strict=True):
        for said, target in TARGETS.items():
            head = f"{name} on {NAME}, {DRAWS} draws, {said}"
            limit = FASTER if target is BUILT_IN else float("inf")  # what a user's functions cost is the user's
            yield compare(head, partial(ours, target), peer, peer="blackjax in one jitted scan", limit=limit, rounds=3)
    for peer, call in _samplers(theirs).items():
        yield _per_effective_draw(partial(hmc, BUILT_IN), call, peer)


def _per_effective_draw(ours: Callable[[], Any], theirs: Callable[[], Any], peer: str) -> Comparison:
    """Time for a thousand effective draws of the parameter that has the fewest; warm-up is not counted."""
    found = compare("", ours, theirs, peer=peer, rounds=3)
    size, size_theirs = (float(np.min(ess_bulk(np.asarray(call())))) for call in (ours, theirs))
    rates = f"{size / found.ours:.3g} against {size_theirs / found.theirs:.3g} a second"
    name = f"1000 effective draws on {NAME}, HMC ({rates})"
    return replace(found, name=name, ours=1000 * found.ours / size, theirs=1000 * found.theirs / size_theirs)


def _threads(name: str, call: Callable[[], Any]) -> Comparison:
    """The scaling from one thread to all; what the machine's cores share bounds it."""
    many = available_threads()

    def under(threads: int) -> Any:
        numba.set_num_threads(threads)
        return call()

    head = f"{name} on {NAME}, {CHAINS} chains of {CHAIN_DRAWS}, {many} threads"
    return compare(head, partial(under, many), partial(under, 1), peer="one thread", rounds=3)


def _potential(x: Any) -> Any:
    """The same log density in jax, without the constant, with its sign turned."""
    jnp = _jax().numpy
    z = (OUTCOMES - FEATURES @ x[:2]) * jnp.exp(-x[2])
    rest = jnp.sum((x[:2] / PRIOR_SCALE) ** 2) + (jnp.exp(x[2]) / PRIOR_SCALE) ** 2
    return (jnp.sum(z * z) + rest) / 2 + (OUTCOMES.size - 1) * x[2]


def _jax() -> Any:
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def _blackjax(sampler: Any) -> Callable[[], Any]:
    """One chain in one compiled scan that keeps the positions."""
    jax = _jax()
    state = sampler.init(START)

    def once(state: Any, key: Any) -> Any:
        state, _ = sampler.step(key, state)
        return state, state.position

    scan = jax.jit(lambda key: jax.lax.scan(once, state, jax.random.split(key, DRAWS))[1])
    return lambda: scan(jax.random.key(0)).block_until_ready()[None]


def _density(x: Any) -> Any:
    return -_potential(x)


def _blackjax_walk() -> Callable[[], Any]:
    import blackjax

    step = blackjax.mcmc.random_walk.normal(_jax().numpy.asarray(SCALE))
    return _blackjax(blackjax.additive_step_random_walk(_density, step))


def _blackjax_hmc() -> Callable[[], Any]:
    import blackjax

    return _blackjax(blackjax.hmc(_density, STEP_SIZE, _jax().numpy.asarray(METRIC), STEPS))


def _samplers(theirs: dict[str, Callable[[], Any]]) -> dict[str, Callable[[], Any]]:
    import blackjax

    nuts = blackjax.nuts(_density, STEP_SIZE, _jax().numpy.asarray(METRIC))
    return {
        "blackjax HMC": theirs["HMC, 3 leapfrog steps"],
        "blackjax NUTS": _blackjax(nuts),
        "numpyro NUTS": _numpyro(),
        "emcee, 32 walkers": _emcee(),
    }


def _numpyro() -> Callable[[], Any]:
    """After a warm-up of its own, in one compiled scan."""
    jax = _jax()
    from numpyro.infer import NUTS

    kernel = NUTS(potential_fn=_potential)
    state = kernel.init(jax.random.key(0), 1000, jax.numpy.asarray(START))

    def once(state: Any, _: Any) -> Any:
        state = kernel.sample(state, (), {})
        return state, state.z

    warm = jax.jit(lambda state: jax.lax.scan(once, state, length=1000)[0])(state)
    scan = jax.jit(lambda state: jax.lax.scan(once, state, length=DRAWS)[1])
    return lambda: scan(warm).block_until_ready()[None]


def _emcee() -> Callable[[], Any]:
    """As many draws as the others, all walkers in one call of NumPy; begun among them."""
    import emcee

    start = START + SPREAD * np.random.default_rng(0).normal(size=(32, 3))

    def density(x: np.ndarray) -> np.ndarray:
        z = (OUTCOMES - x[:, :2] @ FEATURES.T) * np.exp(-x[:, 2:])
        rest = np.sum((x[:, :2] / PRIOR_SCALE) ** 2, axis=1) + (np.exp(x[:, 2]) / PRIOR_SCALE) ** 2
        return -(np.sum(z * z, axis=1) + rest) / 2 - (OUTCOMES.size - 1) * x[:, 2]

    def draw() -> np.ndarray:
        sampler = emcee.EnsembleSampler(32, 3, density, vectorize=True)
        sampler.run_mcmc(start, DRAWS // 32)
        return np.swapaxes(sampler.get_chain(), 0, 1)

    return draw


if __name__ == "__main__":
    for comparison in run():
        print(comparison, flush=True)
