"""BlackJAX: its kernels' keys, split as the kernels split them, give back the noise.

Density and gradient at the start of a step are those that its state carries.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import patch

import blackjax
import jax
import numpy as np
from blackjax.adaptation.mass_matrix import mass_matrix_adaptation
from blackjax.adaptation.staged_adaptation import build_schedule
from blackjax.adaptation.step_size import dual_averaging_adaptation, find_reasonable_step_size
from blackjax.mcmc.random_walk import build_additive_step, normal
from blackjax.mcmc.random_walk import init as at
from blackjax.smc import resampling
from blackjax.smc.ess import ess
from jax import numpy as jnp

from refengine.samplers import diagnostics as d
from refengine.samplers import (
    elliptical_slice,
    ghmc,
    hamiltonian,
    independence,
    mala,
    metropolis_hastings,
    nuts,
    random_walk,
    sgld,
    sir,
    smc,
)
from refengine.samplers.adaptation import dual_averaging, reasonable_step_size, welford, windows
from validation.peers.samplers import _streams
from validation.peers.samplers._jax import (
    METRIC,
    SIZE,
    START,
    TARGET,
    chain,
    compiled,
    drawn,
    log_density,
    normal_and_uniform,
)
from validation.peers.samplers._rows import Compared, Row, conventions, difference, probability

split, uniform, fold_in = jax.random.split, jax.random.uniform, jax.random.fold_in


def _carried(state: Any, *more: Any) -> tuple[Any, ...]:
    return state.position, state.logdensity, state.logdensity_grad, *more


def _decision(info: Any, told: Any) -> tuple[tuple[Any, Any], ...]:
    return (probability(info.log_accept_ratio), told.acceptance_rate), (info.accepted, told.is_accepted)


def _walked() -> tuple[Any, Any, Any]:
    sampler = blackjax.additive_step_random_walk(log_density, normal(jnp.asarray(0.8)))
    keys, before, after, told = chain(sampler.step, sampler.init(START))
    noise = random_walk.Noise(*drawn(normal_and_uniform, keys))
    return random_walk.step(random_walk.State(*before), noise, TARGET, scale=0.8), after, told


def walk() -> Row:
    ours, after, told = _walked()
    same = [(ours.state.position, after.position), (ours.state.log_density, after.logdensity)]
    return Row("random_walk.step", len(told.is_accepted), {"": difference(*same, *_decision(ours.info, told))})


def walk_proposal() -> Row:
    ours, _, told = _walked()
    worst = difference((ours.info.proposal, told.proposal.position))
    return Row("random_walk.step", len(told.is_accepted), {"": worst}, "the next state, not the one proposed")


def hastings() -> Row:
    """A proposal that is drawn back to 0, whose log density takes the point moved from as its first argument."""

    def propose(key: Any, x: Any) -> Any:
        return 0.9 * x + 0.7 * jax.random.normal(key, (SIZE,))

    def log_q(start: Any, end: Any) -> Any:
        return -jnp.sum(((end.position - 0.9 * start.position) / 0.7) ** 2) / 2

    sampler = blackjax.rmh(log_density, propose, log_q)
    keys, before, after, told = chain(sampler.step, sampler.init(START))
    z, u = drawn(normal_and_uniform, keys)
    y = 0.9 * before.position + 0.7 * z
    forward, reverse = (-np.sum(r * r, axis=1) / 2 for r in (z, (before.position - 0.9 * y) / 0.7))
    noise = metropolis_hastings.Noise(y, forward, reverse, u)
    ours = metropolis_hastings.step(metropolis_hastings.State(*before), noise, TARGET)
    worst = difference((ours.state.position, after.position), *_decision(ours.info, told))
    return Row("metropolis_hastings.step", len(u), {"": worst})


def independent() -> Row:
    loc, scale = np.array([0.1, 0.2, 0.0]), np.array([1.5, 1.2, 1.1])

    def log_q(_: Any, end: Any) -> Any:
        return -jnp.sum(((end.position - loc) / scale) ** 2) / 2

    sampler = blackjax.irmh(log_density, lambda key: loc + scale * jax.random.normal(key, (SIZE,)), log_q)
    keys, before, after, told = chain(sampler.step, sampler.init(START))
    noise = independence.Noise(*drawn(normal_and_uniform, keys))
    ours = independence.step(independence.State(*before), noise, TARGET, loc, scale)
    worst = difference((ours.state.position, after.position), *_decision(ours.info, told))
    return Row("independence.step", len(told.is_accepted), {"": worst})


def langevin() -> Row:
    sampler = blackjax.mala(log_density, 0.3)
    keys, before, after, told = chain(sampler.step, sampler.init(START))
    noise = mala.Noise(*drawn(normal_and_uniform, keys))
    worst = {}
    for name, option in conventions("step_size_convention", "half_epsilon", "half_epsilon_squared"):
        ours = mala.step(mala.State(*_carried(before)), noise, TARGET, step_size=0.3, **option)
        same = zip(ours.state, _carried(after), strict=True)
        worst[name] = difference(*same, *_decision(ours.info, told))
    return Row("mala.step", len(told.is_accepted), worst)


def _hamiltonian() -> tuple[Any, Any, Any]:
    sampler = blackjax.hmc(log_density, 0.4, jnp.asarray(METRIC), 5)
    keys, before, after, told = chain(sampler.step, sampler.init(START))
    noise = hamiltonian.Noise(*drawn(normal_and_uniform, keys))
    ours = hamiltonian.step(hamiltonian.State(*_carried(before)), noise, TARGET, METRIC, step_size=0.4, steps=5)
    return ours, after, told


def hmc() -> Row:
    ours, after, told = _hamiltonian()
    info = ours.info
    same = [*zip(ours.state, _carried(after), strict=True), *_decision(info, told)]
    same += [(info.momentum, told.momentum), (info.proposal, told.proposal.position)]
    same += [(-info.proposal_momentum, told.proposal.momentum), (info.proposal_energy, told.energy)]
    return Row("hamiltonian.step", len(info.accepted), {"": difference(*same, (info.divergent, told.is_divergent))})


def generalised() -> Row:
    """alpha is the variance of the fresh part; the uniform that decides is kept from step to step, and moved on."""
    scale, alpha, delta = np.sqrt(METRIC), 0.3, 0.2
    sampler = blackjax.ghmc(log_density, 0.5, jnp.asarray(scale), alpha, delta)
    keys, before, after, told = chain(sampler.step, sampler.init(START, jax.random.key(1)))
    z = drawn(lambda key: normal_and_uniform(key)[0], keys)
    u = np.abs((before.slice + 1 + delta) % 2 - 1)
    option: dict[str, Any] = {"step_size": 0.5, "persistence": np.sqrt(1 - alpha), "metric_convention": "inverse_scale"}
    start = ghmc.State(*_carried(before, before.momentum))
    worst = {}
    for name, given in conventions("on_reject", "keep"):
        ours = ghmc.step(start, ghmc.Noise(z, u), TARGET, scale, **option, **given)
        same = zip(ours.state, _carried(after, after.momentum), strict=True)
        worst[name] = difference(*same, *_decision(ours.info, told))
    return Row("ghmc.step", len(u), worst)


def no_u_turn() -> Row:
    depth = 6
    sampler = blackjax.nuts(log_density, 0.35, jnp.asarray(METRIC), max_num_doublings=depth)
    keys, before, after, told = chain(sampler.step, sampler.init(START), 200)

    def noise(key: Any) -> tuple[Any, ...]:
        first, second = split(key)
        ways, halves, leaves = [], [], []
        for j in range(depth):
            way, leaf, half = split(fold_in(second, j), 3)
            ways.append(uniform(way))
            halves.append(uniform(half))
            leaves.append(jax.vmap(lambda s, leaf=leaf: uniform(fold_in(leaf, s)))(jnp.arange(2**j)))
        return jax.random.normal(first, (SIZE,)), jnp.stack(ways), jnp.stack(halves), jnp.concatenate(leaves)

    start, found = nuts.State(*_carried(before)), nuts.Noise(*drawn(noise, keys))
    worst = {}
    for turn, option in conventions("turn", "momentum_sum", "stan", "position"):
        ours = nuts.step(start, found, TARGET, METRIC, step_size=0.35, **option)
        info, ended = ours.info, ~told.is_divergent
        same = [*zip(ours.state, _carried(after), strict=True), (info.momentum, told.momentum)]
        same += [(info.acceptance, told.acceptance_rate), (info.leaves, told.num_integration_steps)]
        same += [(info.proposal_energy, told.energy), (info.divergent, told.is_divergent)]
        worst[turn] = difference(*same, ((info.turning & ended), (told.is_turning & ended)))
    return Row("nuts.step", len(ended), worst)


def ellipse() -> Row:
    factor, tries = np.array([[1.2, 0.0, 0.0], [0.4, 0.9, 0.0], [0.1, -0.3, 1.1]]), 40
    sampler = blackjax.elliptical_slice(log_density, mean=jnp.zeros(SIZE), cov=jnp.asarray(factor @ factor.T))
    keys, before, after, told = chain(sampler.step, sampler.init(START))

    def noise(key: Any) -> tuple[Any, ...]:
        shrink, ellipse, level, angle = split(key, 4)
        more = jax.vmap(lambda k: uniform(fold_in(shrink, k)))(jnp.arange(1, tries + 1))
        return jax.random.normal(ellipse, (SIZE,)), uniform(level), uniform(angle), more

    drawn_noise = elliptical_slice.Noise(*drawn(noise, keys))
    ours = elliptical_slice.step(elliptical_slice.State(*before), drawn_noise, TARGET, factor)
    same = [(ours.state.position, after.position), (ours.state.log_density, after.logdensity)]
    same += [(ours.info.angle, told.theta), (ours.info.tries, told.subiter)]
    return Row("elliptical_slice.step", len(told.theta), {"": difference(*same)})


def stochastic_gradient() -> Row:
    sampler = blackjax.sgld(lambda x, _: jax.grad(log_density)(x))
    keys, before, after, _ = chain(
        lambda key, x: (sampler.step(key, x, None, 0.05, 0.5), ()), sampler.init(jnp.asarray(START))
    )
    noise = sgld.Noise(drawn(lambda key: jax.random.normal(key, (SIZE,)), keys))
    slope = TARGET.gradient(before, *TARGET.parameters)
    worst = {}
    for name, option in conventions("step_size_convention", "half_epsilon", "half_epsilon_squared"):
        ours = sgld.step(sgld.State(before), noise, slope, step_size=0.05, temperature=0.5, **option)
        worst[name] = difference((ours.state.position, after))
    return Row("sgld.step", len(before), worst)


def resample(scheme: str) -> Row:
    """Multinomial resampling draws its uniforms in order."""
    size, offspring = 12, 20
    keys = split(jax.random.key(3), 200)
    weights = np.random.default_rng(2).gamma(0.4, size=(len(keys), size))
    weights /= weights.sum(axis=1, keepdims=True)
    scheme_of = jax.vmap(partial(getattr(resampling, scheme), num_samples=offspring))
    wanted = compiled(scheme_of)(keys, jnp.asarray(weights))
    draws = {
        "systematic": lambda key: jnp.broadcast_to(uniform(key), (offspring,)),
        "stratified": lambda key: uniform(key, (offspring,)),
        "multinomial": lambda key: resampling._sorted_uniforms(key, offspring),
    }
    state = sir.State(np.zeros((*weights.shape, 1)), np.log(weights))
    ours = sir.step(state, sir.Noise(drawn(draws[scheme], keys)), scheme=scheme)
    return Row("sir.step", len(keys), {"": difference((ours.info.ancestors, np.asarray(wanted, dtype=np.int64)))})


def resample_at_zero() -> Row:
    """jax's uniforms include 0, with probability 2^-23 in float32."""
    weights = jnp.asarray([0.0, 0.5, 0.5])
    with patch.object(jax.random, "uniform", lambda *_: jnp.asarray(0.0)):
        wanted = np.asarray(resampling.systematic(jax.random.key(0), weights, 2), dtype=np.int64)
    with np.errstate(divide="ignore"):
        state = sir.State(np.zeros((3, 1)), np.log(np.asarray(weights)))
    worst = {}
    for side, option in conventions("side", "left"):
        ours = sir.step(state, sir.Noise(np.zeros(2)), scheme="systematic", **option)
        worst[side] = difference((ours.info.ancestors, wanted))
    return Row("sir.step", 1, worst, "takes a draw of weight 0")


def tempered() -> Row:
    """A step there resamples, moves and weighs: ours begins with the weights of one step and ends with the next."""
    size, ladder, scale = 64, np.linspace(0, 1, 13), 0.6
    walk = build_additive_step()

    def move(key: Any, state: Any, density: Any) -> Any:
        return walk(key, state, density, normal(jnp.asarray(scale)))

    sampler = blackjax.tempered_smc(
        lambda x: -jnp.sum(x * x) / 2, log_density, move, at, {}, resampling.systematic, num_mcmc_steps=1
    )
    state = sampler.init(jax.random.normal(jax.random.key(5), (size, SIZE)))
    state = state._replace(tempering_param=jnp.asarray(0.0))
    keys, found, step = split(jax.random.key(6), len(ladder) - 1), [], compiled(sampler.step)
    for key, temperature in zip(keys, ladder[1:], strict=True):
        state, told = step(key, state, temperature)
        found.append((np.asarray(state.particles), np.asarray(state.weights), told))

    def noise(key: Any) -> tuple[Any, ...]:
        updating, resample = split(key)
        z, u = jax.vmap(lambda k: normal_and_uniform(split(k, 1)[0]))(split(updating, size))
        return jnp.broadcast_to(uniform(resample), (size,)), z, u

    draws, worst, even = drawn(noise, keys), 0.0, np.full(size, -np.log(size))
    for t in range(len(found) - 1):
        x, weights, told = found[t]
        start = smc.State(x, TARGET.log_density(x, *TARGET.parameters), even, np.zeros(()))
        given = smc.Noise(*(leaf[t + 1] for leaf in draws))
        option = {"before": ladder[t], "after": ladder[t + 1], "scale": scale, "threshold": 2.0}
        ours = smc.step(start, given, TARGET, **option)
        told_next = found[t + 1][2]
        same = [(ours.info.weights[None], weights[None]), (ours.state.position, found[t + 1][0])]
        same += [(ours.info.ancestors, np.asarray(told_next.ancestors, dtype=np.int64))]
        same += [(ours.state.log_evidence[None], np.asarray(told.log_likelihood_increment)[None])]
        same += [(ours.info.effective_size[None], np.asarray(ess(jnp.log(weights)))[None])]
        same += [(ours.info.accepted, np.asarray(told_next.update_info.is_accepted)[:, 0])]
        worst = max(worst, difference(*same))
    return Row("smc.step", len(found) - 1, {"": worst})


def averaging() -> Row:
    """Hoffman and Gelman average the step size that was just computed, here it is the one before."""
    acceptance = np.random.default_rng(4).random(200)
    init, update, _ = dual_averaging_adaptation(0.8)
    state, states = init(0.5), []
    for alpha in acceptance:
        state = update(state, alpha)
        states.append((state.log_step_size, state.log_step_size_avg, state.avg_error))
    wanted = np.array(states).T
    worst = {}
    for average, option in conventions("average", "previous"):
        path = dual_averaging.adapt(acceptance, 0.5, **option)
        worst[average] = difference(*zip(path, wanted, strict=True))
    return Row("dual_averaging.adapt", len(acceptance), worst, "the average lags one step behind")


def metric(diagonal: bool) -> Row:
    draws = np.random.default_rng(6).normal(size=(80, SIZE)) @ np.diag([1.0, 30.0, 0.01]) + 5
    init, update, final = mass_matrix_adaptation(diagonal)
    state = init(SIZE)
    for x in draws:
        state = update(state, jnp.asarray(x))
    wanted = np.asarray(final(state).inverse_mass_matrix)
    worst = {}
    for shrinkage, option in conventions("shrinkage", "stan"):
        found = welford.adapt(draws, **option).covariance
        worst[shrinkage] = difference((np.diag(found) if diagonal else found, wanted))
    return Row("welford.adapt", len(draws), worst)


def schedule() -> Row:
    """Which draws are in slow windows, and which end one."""
    lengths = [*range(1, 60), *range(60, 2000, 61), 1000]
    wanted = [np.asarray(build_schedule(n)).reshape(-1, 2).tolist() for n in lengths]
    worst = {}
    for name, option in conventions("schedule", "numpyro"):
        same = [_stages(windows.window(np.arange(n), n, **option)) == w for n, w in zip(lengths, wanted, strict=True)]
        worst[name] = 0.0 if all(same) else np.inf
    return Row("windows.window", len(lengths), worst)


def _stages(numbers: np.ndarray) -> list[list[int]]:
    slow = (numbers > 0) & (numbers < numbers.max(initial=0))
    ends = slow & (np.append(numbers[1:], -1) != numbers)
    return [[int(s), int(e)] for s, e in zip(slow, ends, strict=True)]


def first_step_size() -> Row:
    """Every try has a key of its own; a try is known by its step size."""
    starts, key = [1e-3, 0.3, 1.0, 50.0], jax.random.key(8)
    state = blackjax.hmc.init(jnp.asarray(START), log_density)
    ours = hamiltonian.State(*map(np.asarray, state))

    def kernel(size: Any) -> Any:
        return lambda key, state: blackjax.hmc.build_kernel()(key, state, log_density, size, jnp.asarray(METRIC), 1)

    def log_ratio(size: float, first: float) -> Any:
        z, u = normal_and_uniform(fold_in(key, round(abs(np.log2(size / first)))))
        noise = hamiltonian.Noise(np.asarray(z), np.asarray(u))
        return hamiltonian.step(ours, noise, TARGET, METRIC, step_size=size, steps=1).info.log_accept_ratio

    wanted = [float(find_reasonable_step_size(key, kernel, state, jnp.asarray(s))) for s in starts]
    found = [reasonable_step_size(partial(log_ratio, first=s), s, threshold=0.65) for s in starts]
    return Row("reasonable_step_size", len(starts), {"": difference((np.array(found), np.array(wanted)))})


END = "also takes in the last pairs of correlations"
HALVES = "leaves out the last draw, not the one in the middle"


def diagnosed(name: str, streams: dict[str, np.ndarray], why: str = "", fewest_chains: int = 1) -> Row:
    theirs, operation = compiled(getattr(blackjax, name)), "r_hat" if name == "rhat" else name
    return _streams.compare(operation, theirs, {"": getattr(d, operation)}, streams, why, fewest_chains)


ROWS: dict[str, Compared] = {
    "additive_step_random_walk": walk,
    "additive_step_random_walk, info.proposal": walk_proposal,
    "rmh, with the density of proposals": hastings,
    "irmh": independent,
    "mala": langevin,
    "hmc": hmc,
    "ghmc": generalised,
    "nuts": no_u_turn,
    "elliptical_slice": ellipse,
    "sgld": stochastic_gradient,
    **{f"resampling.{scheme}": partial(resample, scheme) for scheme in ("systematic", "stratified", "multinomial")},
    "resampling.systematic, u = 0": resample_at_zero,
    "tempered_smc": tempered,
    "dual_averaging_adaptation": averaging,
    "mass_matrix_adaptation": partial(metric, False),
    "mass_matrix_adaptation, diagonal": partial(metric, True),
    "build_schedule": schedule,
    "find_reasonable_step_size": first_step_size,
    "rhat": partial(diagnosed, "rhat", _streams.EVEN | _streams.POSITIVE, fewest_chains=2),
    "rhat, odd": partial(diagnosed, "rhat", _streams.ODD, HALVES),
    "ess_bulk": partial(diagnosed, "ess_bulk", _streams.EVEN),
    "ess_bulk, positive correlations to the end": partial(diagnosed, "ess_bulk", _streams.POSITIVE, END),
    "ess_bulk, odd": partial(diagnosed, "ess_bulk", _streams.ODD, HALVES),
    "ess_bulk, constant": partial(diagnosed, "ess_bulk", _streams.CONSTANT, "0, not the number of draws"),
    "ess_tail": partial(diagnosed, "ess_tail", _streams.EVEN),
    "ess_tail, ties": partial(diagnosed, "ess_tail", _streams.TIES, "the upper quantile itself counts as above it"),
}
