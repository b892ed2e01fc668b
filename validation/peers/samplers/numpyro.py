"""NumPyro: its kernels' keys, split as the kernels split them, give back the noise. The state carries the key."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from numpyro import diagnostics as theirs
from numpyro.infer import AIES
from numpyro.infer.hmc import hmc, momentum_generator
from numpyro.infer.hmc_util import (
    IntegratorState,
    build_adaptation_schedule,
    dual_averaging,
    euclidean_kinetic_energy,
    find_reasonable_step_size,
    welford_covariance,
)

from refengine.samplers import diagnostics as d
from refengine.samplers import hamiltonian, nuts, random_walk, stretch
from refengine.samplers.adaptation import dual_averaging as averages
from refengine.samplers.adaptation import reasonable_step_size, welford, windows
from validation.peers.samplers import _streams
from validation.peers.samplers._jax import METRIC, SIZE, START, TARGET, compiled, drawn, log_density
from validation.peers.samplers._rows import Compared, Row, conventions, difference, probability

split, uniform = jax.random.split, jax.random.uniform


def _potential(x: Any) -> Any:
    return -log_density(x)


def _chain(algorithm: str, count: int, **given: Any) -> tuple[Any, Any]:
    """All states, the first one too; their keys are those of the step that follows."""
    init, sample = hmc(_potential, algo=algorithm)
    state = init(
        jnp.asarray(START),
        num_warmup=0,
        inverse_mass_matrix=jnp.asarray(METRIC),
        adapt_step_size=False,
        adapt_mass_matrix=False,
        rng_key=jax.random.key(7),
        **given,
    )

    def once(state: Any, _: Any) -> Any:
        after = sample(state)
        return after, (state, after)

    _, (before, after) = compiled(lambda: jax.lax.scan(once, state, length=count))()
    return before, after


def _carried(state: Any) -> tuple[Any, ...]:
    return np.asarray(state.z), -np.asarray(state.potential_energy), -np.asarray(state.z_grad)


def trajectory() -> Row:
    before, after = _chain("HMC", 300, step_size=0.4, num_steps=5, trajectory_length=None)

    def noise(key: Any) -> tuple[Any, Any]:
        _, momentum, decision = split(key, 3)
        return jax.random.normal(momentum, (SIZE,)), uniform(decision)

    given = hamiltonian.Noise(*drawn(noise, before.rng_key))
    ours = hamiltonian.step(hamiltonian.State(*_carried(before)), given, TARGET, METRIC, step_size=0.4, steps=5)
    energy = np.where(ours.info.accepted, ours.info.proposal_energy, ours.info.energy)
    same = [*zip(ours.state, _carried(after), strict=True), (energy, after.energy)]
    same += [(probability(ours.info.log_accept_ratio), after.accept_prob), (ours.info.divergent, after.diverging)]
    return Row("hamiltonian.step", len(energy), {"": difference(*same)})


def no_u_turn() -> Row:
    depth = 6
    before, after = _chain("NUTS", 200, step_size=0.35, max_tree_depth=depth)

    def noise(key: Any) -> tuple[Any, ...]:
        _, momentum, tree = split(key, 3)
        ways, halves, leaves = [], [], []
        for j in range(depth):
            tree, way, doubling = split(tree, 3)
            branch, half = split(doubling)
            ways.append(uniform(way))
            halves.append(uniform(half))
            _, found = jax.lax.scan(lambda branch, _: tuple(split(branch)), branch, length=2**j)
            leaves.append(jax.vmap(uniform)(found))
        return jax.random.normal(momentum, (SIZE,)), jnp.stack(ways), jnp.stack(halves), jnp.concatenate(leaves)

    start, found = nuts.State(*_carried(before)), nuts.Noise(*drawn(noise, before.rng_key))
    worst = {}
    for turn, option in conventions("turn", "momentum_sum", "stan", "position"):
        ours = nuts.step(start, found, TARGET, METRIC, step_size=0.35, **option)
        same = [*zip(ours.state, _carried(after), strict=True), (ours.info.proposal_energy, after.energy)]
        same += [(ours.info.acceptance, after.accept_prob), (ours.info.divergent, after.diverging)]
        worst[turn] = difference(*same, (ours.info.leaves, np.asarray(after.num_steps)))
    return Row("nuts.step", len(found.normal), worst)


def move() -> Row:
    """The affine-invariant ensemble with stretch moves alone; the first half moves first, as ours."""
    walkers, count = 10, 200
    half = walkers // 2
    kernel = AIES(potential_fn=_potential, moves={AIES.StretchMove(): 1.0})
    start = np.random.default_rng(1).normal(size=(walkers, SIZE))
    state = kernel.init(split(jax.random.key(2), walkers), 0, jnp.asarray(start))

    def once(state: Any, _: Any) -> Any:
        after = kernel.sample(state, (), {})
        return after, (state.z, after.z, state.inner_state.rng_key, after.inner_state.accept_prob)

    _, (before, after, keys, share) = compiled(lambda: jax.lax.scan(once, state, length=count))()

    def noise(key: Any) -> tuple[Any, ...]:
        parts = []
        for _ in range(2):
            key, _, proposal, decision = split(key, 4)
            factor, partner = split(proposal)
            number = jax.random.randint(partner, (half,), 0, half)
            parts.append((uniform(factor, (half,)), (number + 0.5) / half, uniform(decision, (half,))))
        return tuple(map(jnp.concatenate, zip(*parts, strict=True)))

    before, given = np.asarray(before), stretch.Noise(*drawn(noise, keys))
    ours = stretch.step(random_walk.State(before, TARGET.log_density(before, *TARGET.parameters)), given, TARGET)
    last_half = np.mean(ours.info.accepted[:, half:], axis=1)
    return Row("stretch.step", count, {"": difference((ours.state.position, after), (last_half, share))})


def averaging() -> Row:
    acceptance = np.random.default_rng(4).random(200)
    init, update = dual_averaging()
    state, states = init(jnp.log(10 * 0.5)), []
    for alpha in acceptance:
        state = update(0.8 - alpha, state)
        states.append(state[:3])
    wanted = np.array(states).T
    worst = {}
    for average, option in conventions("average", "previous"):
        path = averages.adapt(acceptance, 0.5, **option)
        worst[average] = difference(*zip(path, wanted, strict=True))
    return Row("dual_averaging.adapt", len(acceptance), worst)


def metric(diagonal: bool) -> Row:
    draws = np.random.default_rng(6).normal(size=(80, SIZE)) @ np.diag([1.0, 30.0, 0.01]) + 5
    init, update, final = welford_covariance(diagonal)
    state = init(SIZE)
    for x in draws:
        state = update(jnp.asarray(x), state)
    wanted = np.asarray(final(state, regularize=True)[0])
    worst = {}
    for shrinkage, option in conventions("shrinkage", "stan"):
        found = welford.adapt(draws, **option).covariance
        worst[shrinkage] = difference((np.diag(found) if diagonal else found, wanted))
    return Row("welford.adapt", len(draws), worst)


def schedule() -> Row:
    lengths = [*range(1, 60), *range(60, 2000, 61), 1000]
    worst = {}
    for name, option in conventions("schedule", "numpyro"):
        found = [np.bincount(windows.window(np.arange(n), n, **option)).tolist() for n in lengths]
        wanted = [[w.end - w.start + 1 for w in build_adaptation_schedule(n)] for n in lengths]
        worst[name] = 0.0 if found == wanted else np.inf
    return Row("windows.window", len(lengths), worst)


def first_step_size(metric: np.ndarray, why: str = "") -> Row:
    """Every try has a key of its own; a try is known by its step size."""
    starts, first_key = [1e-3, 0.3, 1.0, 50.0], jax.random.key(8)
    state = hamiltonian.init(START, TARGET)
    info = IntegratorState(jnp.asarray(START), None, -state.log_density, -jnp.asarray(state.gradient))

    def log_ratio(size: float, first: float, power: float) -> Any:
        key = first_key
        for _ in range(round(abs(np.log2(size / first))) + 1):
            key, momentum = split(key)
        z = np.asarray(jax.random.normal(momentum, (SIZE,))) * metric**power
        noise = hamiltonian.Noise(z, np.array(0.5))
        return hamiltonian.step(state, noise, TARGET, metric, step_size=size, steps=1).info.log_accept_ratio

    wanted = [
        float(
            find_reasonable_step_size(
                _potential,
                euclidean_kinetic_energy,
                momentum_generator,
                jnp.asarray(s),
                jnp.asarray(metric),
                info,
                first_key,
            )
        )
        for s in starts
    ]
    worst = {}
    for name, power in {"": 0.0, "momenta w z in the place of z / sqrt(w)": 1.5}.items():
        found = [reasonable_step_size(partial(log_ratio, first=s, power=power), s, threshold=0.8) for s in starts]
        worst[name] = difference((np.array(found), np.array(wanted)))
    return Row("reasonable_step_size", len(starts), worst, why)


ROWS: dict[str, Compared] = {
    "HMC": trajectory,
    "NUTS": no_u_turn,
    "AIES, StretchMove": move,
    "dual_averaging": averaging,
    "welford_covariance": partial(metric, False),
    "welford_covariance, diagonal": partial(metric, True),
    "build_adaptation_schedule": schedule,
    "find_reasonable_step_size, unit metric": partial(first_step_size, np.ones(SIZE)),
    "find_reasonable_step_size, another metric": partial(
        first_step_size, np.array([16.0, 0.25, 4.0]), "takes the inverse mass for the root of the mass"
    ),
    "split_gelman_rubin": partial(
        _streams.compare,
        "r_hat",
        theirs.split_gelman_rubin,
        {"": d.r_hat},
        _streams.EVEN,
        "of the draws, not of their ranks",
        2,
    ),
    "effective_sample_size": partial(
        _streams.compare,
        "ess_mean",
        theirs.effective_sample_size,
        {"": d.ess_mean},
        _streams.EVEN,
        "of whole chains, without a bound",
    ),
}
