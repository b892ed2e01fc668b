"""Compiled chains of the samplers with trajectories, weights or given gradients: the numbers of the NumPy steps."""

from functools import partial
from math import fsum, log

import numba
import numpy as np
import pytest

import refengine
from refengine.backends.numba.samplers import _chains
from refengine.backends.numba.samplers._weights import precise_sum
from refengine.samplers import Target, adaptive_rejection, importance, metropolis_hastings, nuts, sir, smc
from refengine.samplers.targets import gaussian
from tests.test_samplers import leaves


@numba.njit
def fenced(x, k):
    """No power: only for plain products do both backends have the same bits."""
    return -k * np.sum(x * x * x * x) if abs(x[0]) < 1.5 else -np.inf


@numba.njit
def fenced_gradient(x, k):
    return -4 * k * x * x * x


PYTHON = Target(
    lambda x, k: np.where(np.abs(x[..., 0]) < 1.5, -k * np.sum(x * x * x * x, axis=-1), -np.inf),
    lambda x, k: -4 * k * x * x * x,
    parameters=(0.25,),
)
COMPILED = Target(fenced, fenced_gradient, parameters=(0.25,))

BUILT_IN = gaussian.target(np.array([0.5, -1.0, 0.0]), np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 3.0]]))
METRIC, ONES = np.array([0.5, 1.0, 2.0]), np.ones(3)
FACTOR = np.array([[1.0, 9.0, 9.0], [-0.4, 0.8, 9.0], [0.3, 0.1, 1.2]])
CHAINS = {
    "nuts": ({"metric": METRIC, "step_size": 0.2}, {"max_depth": 4}),
    "ghmc": ({"metric": METRIC, "step_size": 0.7, "persistence": 0.6, "steps": 3}, {}),
    "preconditioned_mala": ({"factor": FACTOR, "step_size": 0.2}, {}),
    "rejection": ({"loc": 0.2 * ONES, "scale": 1.5 * ONES, "log_bound": 4.5}, {"tries": 4}),
}
STEPS = {
    "smc": {"before": 0.2, "after": 0.7, "scale": 0.8, "threshold": 0.9},
    "importance": {"loc": 0.2 * ONES, "scale": 1.5 * ONES},
    "sir": {"scheme": "stratified"},
    "parallel_tempering": {"inverse_temperatures": np.array([1.0, 0.7, 0.4, 0.2, 0.1]), "schedule": "odd"},
    "sgld": {"gradient": np.ones((40, 5, 3)), "step_size": 0.1, "temperature": 0.5},
}


def sampler(name, backend="numpy"):
    return getattr(refengine.backend(backend).samplers, name)


def chains_drawn(name, target, draws=50, chains=3):
    """The kernels of both backends, a state, and the noise of a run."""
    constants, sizes = CHAINS[name]
    rng, more = np.random.default_rng(3), ()
    if name == "ghmc":
        more = (rng.normal(size=(chains, 3)),)
    state = sampler(name).init(rng.normal(size=(chains, 3)), target, *more)
    noise = refengine.samplers.pre_drawn(partial(sampler(name).noise, **sizes), rng, state, draws)
    kernels = (partial(sampler(name, b).step, target=target, **constants) for b in ("numpy", "numba"))
    return *kernels, state, noise


def step_drawn(name, target=BUILT_IN, over=(40,)):
    """The arguments of a step of so many ensembles of 5."""
    rng = np.random.default_rng(4)
    position = rng.normal(size=(*over, 5, 3))
    noises, constants = sampler(name).noise, STEPS[name]
    if name == "importance":
        drawn = importance.Noise(position)
        return (drawn, target), constants
    if name == "sir":
        state = sir.State(position, rng.normal(size=(*over, 5)))
        return (state, noises(rng, state, 7)), constants
    state = sampler(name).init(position, *((target,) if name != "sgld" else ()))
    drawn = noises(rng, state, *((constants["schedule"],) if name == "parallel_tempering" else ()))
    return (state, drawn, target) if name == "smc" else (state, drawn), constants


def assert_same(got, wanted, exact=()):
    for part, other in zip(got, wanted, strict=True):
        for field, a in part._asdict().items():
            b = getattr(other, field)
            if a is None:
                continue
            assert a.dtype == b.dtype
            if field in exact or a.dtype.kind in "bi":
                np.testing.assert_array_equal(a, b, err_msg=field)
            else:
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12, err_msg=field)


def walked(name, kernel, state, noise):
    """A compiled run as states (chain, 1 + draw, ...), the first among them, and infos (chain, draw, ...).

    None for a field of the info that goes by the name of one of the state.
    """
    draws, chains = noise[0].shape[:2]
    result = refengine.backend("numba").samplers.run(kernel, state, noise, draws, chains=chains)
    found = result.posterior | result.sample_stats
    first = ((field, np.asarray(leaf)[:, None]) for field, leaf in state._asdict().items())
    states = type(state)(*(np.concatenate([leaf, found[field]], axis=1) for field, leaf in first))
    info = sampler(name).Info
    return states, info(*(None if field in state._fields else found[field] for field in info._fields))


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("target", ["built_in", "handed_in"])
def test_every_step_of_a_compiled_chain_is_that_of_the_reference(name, target):
    """From the same state, so that differences do not add up; where the target gives the same bits, so does a tree."""
    target, python = (BUILT_IN, BUILT_IN) if target == "built_in" else (COMPILED, PYTHON)
    kernel = chains_drawn(name, python)[0]
    _, compiled, state, noise = chains_drawn(name, python)
    compiled = partial(compiled.func, **compiled.keywords | {"target": target})
    states, infos = walked(name, compiled, state, noise)
    before, after = (type(state)(*(leaf[:, part] for leaf in states)) for part in (slice(-1), slice(1, None)))
    wanted = kernel(before, type(noise)(*(np.swapaxes(leaf, 0, 1) for leaf in noise)))
    exact = ("position", "gradient", "log_density", "momentum") if name == "nuts" and target is COMPILED else ()
    assert_same((after, infos), wanted, exact)
    moved = np.any(after.position != before.position, axis=-1)
    assert 0.1 < np.mean(moved)
    assert name == "nuts" or np.mean(moved) < 0.99


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("over", [(), (40,), (0,)], ids=str)
def test_a_compiled_step_is_that_of_the_reference(name, over):
    arguments, constants = step_drawn(name, over=over)
    if name == "sgld":
        constants = constants | {"gradient": np.ones((*over, 5, 3))}
    assert_same(sampler(name, "numba").step(*arguments, **constants), sampler(name).step(*arguments, **constants))


@pytest.mark.parametrize("name", ["smc", "importance"])
def test_a_compiled_step_on_a_target_of_the_user(name):
    (*arguments, _), constants = step_drawn(name, PYTHON)
    got = sampler(name, "numba").step(*arguments, COMPILED, **constants)
    assert_same(got, sampler(name).step(*arguments, PYTHON, **constants))


@pytest.mark.parametrize("name", [*CHAINS, *STEPS])
def test_one_thread_gives_the_bits_of_two(name, monkeypatch):
    monkeypatch.setattr(_chains, "STEPS_A_THREAD", 1)
    before, results = numba.get_num_threads(), []
    if before < 2:
        pytest.skip("one thread is all there is")
    for threads in (1, 2):
        numba.set_num_threads(threads)
        try:
            if name in CHAINS:
                _, kernel, state, noise = chains_drawn(name, BUILT_IN)
                states, infos = walked(name, kernel, state, noise)
                results.append(leaves((states, tuple(leaf for leaf in infos if leaf is not None))))
            else:
                arguments, constants = step_drawn(name)
                results.append(leaves(sampler(name, "numba").step(*arguments, **constants)))
        finally:
            numba.set_num_threads(before)
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("turn", nuts.TURNS)
@pytest.mark.parametrize("step_size", [0.05, 1.1])
def test_trees_that_turn_and_trees_that_diverge(turn, step_size):
    """Many shapes of the tree; the last ones begin with a density of 0, which carries no weight."""
    rng = np.random.default_rng(5)
    state = nuts.init(rng.normal(size=(60, 3)), BUILT_IN)
    density = np.where(np.arange(60) < 55, state.log_density, -np.inf)
    state, noise = state._replace(log_density=density), nuts.noise(rng, state, 6)
    arguments = state, noise, BUILT_IN, METRIC
    constants = {"step_size": step_size, "turn": turn, "divergence_threshold": 3.0, "metric_convention": "mass"}
    wanted = nuts.step(*arguments, **constants)
    assert_same(sampler("nuts", "numba").step(*arguments, **constants), wanted)
    assert set(wanted.info.depth) >= ({3, 4, 5} if step_size < 1 else {0, 1})
    assert np.any(wanted.info.turning)
    assert np.any(wanted.info.divergent) == (step_size > 1)


@pytest.mark.parametrize("turn", nuts.TURNS)
@pytest.mark.parametrize("uniform", [0.0, 0.5, 1.0])
def test_trees_at_ties_of_every_decision(turn, uniform):
    """A flat density has equal weights and momenta, so that shares are 1 / n; a momentum of 0 turns at equality."""
    flat = gaussian.target(np.zeros(2), np.zeros((2, 2)))
    state = nuts.init(np.array([[0.0, 0.0], [0.25, -0.5]]), flat)
    normal = np.array([[0.0, 0.0], [1.0, 0.5]])
    noise = nuts.Noise(normal, np.array([[0.5, 0.25, 0.0]] * 2), np.full((2, 3), uniform), np.full((2, 7), uniform))
    arguments, constants = (state, noise, flat, np.ones(2)), {"step_size": 0.5, "turn": turn}
    wanted = nuts.step(*arguments, **constants)
    assert_same(sampler("nuts", "numba").step(*arguments, **constants), wanted, nuts.State._fields)
    assert wanted.info.depth.tolist() == [3 if turn == "position" else 1, 3]


@pytest.mark.parametrize("threshold", [1000.0, np.inf])
def test_a_tree_outside_the_support(threshold):
    """Points of density 0 diverge, or weigh nothing where no loss is too large."""
    rng = np.random.default_rng(6)
    state = nuts.init(rng.uniform(-1.4, 1.4, size=(40, 3)), PYTHON)
    arguments = state, nuts.noise(rng, state, 4)
    constants = {"metric": np.ones(3), "step_size": 0.25, "divergence_threshold": threshold}
    wanted = nuts.step(*arguments, PYTHON, **constants)
    assert_same(sampler("nuts", "numba").step(*arguments, COMPILED, **constants), wanted, nuts.State._fields)
    assert np.any(wanted.info.divergent) == (threshold < np.inf)
    assert np.all(np.abs(wanted.state.position[:, 0]) < 1.5)


def test_a_deep_tree_needs_no_memory_for_its_leaves():
    """A thousand small steps along a circle: every leaf is near the level of its start, none turns back."""
    target = gaussian.target(np.zeros(2), np.eye(2))
    state = nuts.init(np.array([1.0, 0.0]), target)
    drawn = nuts.noise(np.random.default_rng(7), state, 10)._replace(normal=np.array([0.0, 1.0]))
    after, info = sampler("nuts", "numba").step(state, drawn, target, np.ones(2), step_size=0.001)
    assert (info.depth, info.leaves, bool(info.turning)) == (10, 1023, False)
    assert abs(info.log_weight - log(1024)) < 1e-6
    assert abs(np.hypot(*after.position) - 1) < 1e-6
    assert np.arctan2(after.position[1], after.position[0]) != 0


@pytest.mark.parametrize("name", ["nuts", "ghmc", "hamiltonian"])
def test_a_metric_whose_square_underflows(name, backend):
    constants = {"nuts": {}, "ghmc": {"persistence": 0.0}, "hamiltonian": {"steps": 2}}[name]
    kernel, rng = sampler(name, backend), np.random.default_rng(8)
    more = (np.ones((1, 3)),) if name == "ghmc" else ()
    state = kernel.init(np.zeros((1, 3)), BUILT_IN, *more)
    noise = kernel.noise(rng, state, **({"max_depth": 2} if name == "nuts" else {}))
    metric = np.array([1.0, 1e-200, 1.0])
    after, info = kernel.step(
        state, noise, BUILT_IN, metric, step_size=0.1, metric_convention="inverse_scale", **constants
    )
    assert np.isinf(info.momentum[0, 1])
    assert after.position[0, 1] == 0
    assert np.all(info.divergent)


@pytest.mark.parametrize("name", CHAINS)
def test_a_target_of_plain_python_takes_the_shared_text(name):
    kernel, compiled, state, noise = chains_drawn(name, PYTHON, draws=2)
    first = type(noise)(*(leaf[0] for leaf in noise))
    assert all(
        np.array_equal(a, b) for a, b in zip(leaves(compiled(state, first)), leaves(kernel(state, first)), strict=True)
    )


def test_wrong_noise_is_named(backend):
    _, _, state, noise = chains_drawn("nuts", BUILT_IN, draws=1)
    first = nuts.Noise(*(leaf[0] for leaf in noise))
    with pytest.raises(ValueError, match=r"noise\.leaves must have shape \(\.\.\., 2\^J - 1\) for J = 4 > 0"):
        sampler("nuts", backend).step(
            state, first._replace(leaves=first.leaves[:, 1:]), BUILT_IN, METRIC, step_size=0.1
        )
    (start, drawn), constants = step_drawn("parallel_tempering")
    with pytest.raises(ValueError, match=r"noise\.uniforms must have shape \(\.\.\., P\) with P = 2"):
        sampler("parallel_tempering", backend).step(start, type(drawn)(drawn.uniforms[:, :1]), **constants)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("scheme", ["multinomial", "stratified", "systematic"])
def test_resampling_at_ties_and_without_weights(scheme, side):
    """Sums of eighths are met exactly, by weights of 0 too; then all weights are 0, infinite, or one is nan."""
    weights = np.array([0.0, 1.0, 2.0, 0.0, 0.0, 4.0, 1.0, 0.0])
    with np.errstate(divide="ignore"):
        log_weight = np.stack(
            [np.log(weights), np.full(8, -np.inf), np.full(8, np.inf), np.where(weights, 0.0, np.nan)]
        )
    uniforms = np.tile([0.0, 0.125, 0.375, 0.5, 0.875, 1.0, np.nan, 0.25], (4, 1))
    state = sir.State(np.arange(64.0).reshape(4, 8, 2), log_weight)
    got, wanted = (
        sampler("sir", b).step(state, sir.Noise(uniforms), scheme=scheme, side=side) for b in ("numba", "numpy")
    )
    assert_same(got, wanted)


def test_many_offspring_of_many_draws():
    """As many as would not fit into memory by pairs: the uniforms between two sums go to the draw between them."""
    count = 200_000
    rng = np.random.default_rng(9)
    ancestors = rng.integers(count, size=count)
    state = sir.State(np.arange(1.0 * count)[:, None], np.zeros(count))
    after, info = sampler("sir", "numba").step(state, sir.Noise((ancestors + 0.5) / count))
    assert np.array_equal(info.ancestors, ancestors)
    assert np.array_equal(after.position[:, 0], ancestors)
    assert abs(info.effective_size - count) < 1e-9 * count


def test_sums_of_weights_do_not_lose_digits():
    values = np.exp(np.random.default_rng(10).normal(size=100_000) * 5)
    assert abs(precise_sum(values) - fsum(values)) <= np.spacing(fsum(values))
    assert precise_sum(np.array([1.0, np.inf, 2.0])) == np.inf


def test_adaptive_rejection_on_functions_of_a_user(monkeypatch):
    """Hulls of four points each, some of them not where the density is largest, on two threads."""
    monkeypatch.setattr(_chains, "STEPS_A_THREAD", 1)
    rng = np.random.default_rng(5)
    points = np.sort(rng.normal(size=(40, 4)) * 0.5, axis=-1) + rng.choice([0.0, 0.4], size=(40, 1))
    state = adaptive_rejection.init(points, PYTHON)
    noise = adaptive_rejection.noise(rng, state)
    got = sampler("adaptive_rejection", "numba").step(state, noise, COMPILED)
    assert_same(got, adaptive_rejection.step(state, noise, PYTHON))
    assert 0 < np.sum(got.info.accepted) < 40
    assert np.sum(np.isnan(got.info.draw)) > 0, "a hull without an integral"


def test_a_sample_of_none_is_refused(backend):
    """By every backend alike: there is no mean of no weights, and no hull over no points."""
    importance_of, smc_of, hull_of = (sampler(name, backend) for name in ("importance", "smc", "adaptive_rejection"))
    with pytest.raises(ValueError, match=r"noise\.normals .* N > 0"):
        importance_of.step(importance.Noise(np.zeros((0, 3))), BUILT_IN, ONES, ONES)
    with pytest.raises(ValueError, match=r"position .* N > 0"):
        smc_of.init(np.zeros((0, 3)), BUILT_IN)
    state = smc.State(np.zeros((0, 3)), np.zeros(0), np.zeros(0), np.zeros(()))
    with pytest.raises(ValueError, match=r"state\.position .* N > 0"):
        smc_of.step(state, smc_of.noise(np.random.default_rng(0), state), BUILT_IN, before=0.2, after=0.7, scale=0.8)
    with pytest.raises(ValueError, match=r"abscissae .* N > 0"):
        hull_of.init(np.zeros(0), gaussian.target([0.0], [[1.0]]))
    nothing = adaptive_rejection.State(*(np.zeros((2, 0)) for _ in range(3)))
    drawn = adaptive_rejection.Noise(np.full(2, 0.5), np.full(2, 0.5))
    with pytest.raises(ValueError, match=r"state\.abscissae .* N > 0"):
        hull_of.step(nothing, drawn, gaussian.target([0.0], [[1.0]]))


def test_a_proposal_comes_with_its_density():
    state = metropolis_hastings.init(np.zeros((2, 3)), BUILT_IN)
    with pytest.raises(TypeError, match="given together"):
        metropolis_hastings.noise(np.random.default_rng(0), state, lambda rng, x: x + 1)
    with pytest.raises(TypeError, match="draws must be said"):
        importance.noise(np.random.default_rng(0), np.zeros(3))
