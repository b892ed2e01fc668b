"""What is true of the samplers alone: targets of the user, decisions at the edges, noise, cotangents left out."""

import numba
import numpy as np
import pytest

import refengine
from refengine.samplers import Target, mala, random_walk
from refengine.samplers.targets import gaussian, logistic_regression

SAMPLERS = {"random_walk": {"scale": 0.7}, "mala": {"step_size": 0.3}}


@numba.njit
def quartic(x, k):
    return -k * np.sum(x**4)


@numba.njit
def quartic_gradient(x, k):
    return -4 * k * x**3


@numba.njit
def quartic_gradient_vjp(g, x, k):
    return (-12 * k * x**2 * g,)


PYTHON = Target(
    lambda x, k: -k * np.sum(x**4, axis=-1),
    lambda x, k: -4 * k * x**3,
    lambda g, x, k: (-12 * k * x**2 * g,),
    (0.25,),
)
COMPILED = Target(quartic, quartic_gradient, quartic_gradient_vjp, (0.25,))
INSIDE_UNIT = Target(
    lambda x: np.where(np.all(np.abs(x) < 1, axis=-1), 0.0, -np.inf), np.zeros_like, lambda g, x: (0.0 * g,)
)


def leaves(tree):
    return [leaf for part in tree for leaf in leaves(part)] if isinstance(tree, tuple) else [np.asarray(tree)]


def drawn(sampler, target, shape=(50, 3)):
    rng = np.random.default_rng(1)
    state = sampler.init(rng.normal(size=shape), target)
    return state, sampler.noise(rng, state), rng


def cotangents(sampler, rng, value):
    state, info = (type(part)(*(rng.normal(size=np.shape(leaf)) for leaf in part)) for part in value)
    return sampler.Transition(state, info._replace(accepted=None))


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("target", [COMPILED, PYTHON], ids=["compiled", "python"])
def test_a_target_of_the_user_on_the_numba_backend(name, target):
    reference = getattr(refengine.samplers, name)
    kernel = getattr(refengine.backend("numba").samplers, name)
    state, noise, rng = drawn(reference, PYTHON)
    expected = reference.step(state, noise, PYTHON, **SAMPLERS[name])
    g = cotangents(reference, rng, expected)
    expected = expected, reference.step_vjp(g, state, noise, PYTHON, **SAMPLERS[name])
    value = kernel.step_value_and_vjp(g, state, noise, target, **SAMPLERS[name])
    assert 0 < np.mean(value[0].info.accepted) < 1
    for got, want in zip(leaves(value), leaves(expected), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", SAMPLERS)
def test_chains_do_not_see_each_other(name, backend):
    sampler = getattr(refengine.backend(backend).samplers, name)
    target = logistic_regression.target(np.eye(3) * 2, np.array([1, 0, 1]), 1.5)
    state, noise, _ = drawn(sampler, target, (2, 3, 3))
    together = leaves(sampler.step(state, noise, target, **SAMPLERS[name]))
    state, noise = (type(t)(*(leaf[1, 2] for leaf in t)) for t in (state, noise))
    alone = leaves(sampler.step(state, noise, target, **SAMPLERS[name]))
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a[1, 2], b, rtol=1e-14)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_bits_do_not_depend_on_the_number_of_threads(name):
    sampler = getattr(refengine.backend("numba").samplers, name)
    target = gaussian.target(np.ones(3), np.eye(3) * 2 + 1)
    state, noise, rng = drawn(sampler, target)
    g = cotangents(sampler, rng, sampler.step(state, noise, target, **SAMPLERS[name]))
    before, results = numba.get_num_threads(), []
    for threads in (1, before):
        numba.set_num_threads(threads)
        results.append(leaves(sampler.step_value_and_vjp(g, state, noise, target, **SAMPLERS[name])))
    numba.set_num_threads(before)
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(
    ("uniform", "carried", "accepted"),
    [(0.0, 1e300, True), (0.5, np.nan, False), (0.0, np.inf, False), (1.0, -9, True)],
)
def test_decisions_at_the_edges(name, backend, uniform, carried, accepted):
    sampler = getattr(refengine.backend(backend).samplers, name)
    target = gaussian.target(np.zeros(1), np.eye(1))
    state = sampler.init(np.array([0.5]), target)._replace(log_density=np.array(carried))
    noise = sampler.Noise(np.array([0.25]), np.array(uniform))
    assert bool(sampler.step(state, noise, target, **SAMPLERS[name]).info.accepted) is accepted


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_proposal_outside_the_support_is_rejected_even_by_a_uniform_of_zero(name):
    sampler = getattr(refengine.samplers, name)
    state = sampler.init(np.array([[0.5], [0.5]]), INSIDE_UNIT)
    noise = sampler.Noise(np.array([[50.0], [0.125]]), np.zeros(2))
    after, info = sampler.step(state, noise, INSIDE_UNIT, **SAMPLERS[name])
    assert info.accepted.tolist() == [False, True]
    assert after.position[0] == 0.5
    assert info.log_accept_ratio[0] == -np.inf
    g = cotangents(sampler, np.random.default_rng(0), (after, info))
    assert all(np.all(np.isfinite(c)) for c in leaves(sampler.step_vjp(g, state, noise, INSIDE_UNIT, **SAMPLERS[name])))


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_cotangent_left_out_is_zero(name, backend):
    sampler = getattr(refengine.backend(backend).samplers, name)
    target = gaussian.target(np.zeros(2), np.eye(2))
    state, noise, _ = drawn(sampler, target, (4, 2))
    value = sampler.step(state, noise, target, **SAMPLERS[name])
    no_info = sampler.Info(*(None for _ in sampler.Info._fields))
    zeros = sampler.Info(*(np.zeros(np.shape(leaf)) for leaf in value.info))
    g = sampler.Transition(value.state, no_info), sampler.Transition(value.state, zeros)
    one, other = (leaves(sampler.step_vjp(seed, state, noise, target, **SAMPLERS[name])) for seed in g)
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_what_is_missing_is_named(backend):
    samplers = refengine.backend(backend).samplers
    target = Target(PYTHON.log_density, PYTHON.gradient, parameters=(1.0,))
    state, noise, rng = drawn(mala, target)
    g = cotangents(mala, rng, mala.step(state, noise, target, step_size=0.1))
    with pytest.raises(TypeError, match=r"target\.gradient_vjp is missing"):
        samplers.mala.step_vjp(g, state, noise, target, step_size=0.1)
    with pytest.raises(ValueError, match=r"noise\.normal must have shape \(\.\.\., D\)"):
        samplers.mala.step(state, noise._replace(normal=np.zeros(2)), target, step_size=0.1)
    with pytest.raises(ValueError, match="step_size must be a positive number"):
        samplers.mala.step(state, noise, target, step_size=0.0)
    with pytest.raises(ValueError, match="step_size_convention must be one of"):
        samplers.mala.step(state, noise, target, step_size=0.1, step_size_convention="tfp")
    with pytest.raises(ValueError, match="precision must have shape"):
        samplers.random_walk.step(
            random_walk.State(*state[:2]), noise, gaussian.target(np.zeros(3), np.eye(2)), scale=1.0
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_is_open_and_has_the_dtype_of_the_state(dtype):
    state = random_walk.State(np.zeros((4000, 1), dtype=dtype), np.zeros(4000, dtype=dtype))
    noise = random_walk.noise(np.random.default_rng(0), state)
    assert noise.normal.dtype == noise.uniform.dtype == dtype
    assert 0 < noise.uniform.min() < 0.01 < 0.99 < noise.uniform.max() < 1


@pytest.mark.parametrize("name", SAMPLERS)
def test_float32_in_float32_out(name, backend):
    sampler = getattr(refengine.backend(backend).samplers, name)
    target = gaussian.target(np.zeros(2), np.eye(2))
    state, noise, rng = drawn(sampler, target, (4, 2))
    state, noise = (type(t)(*(np.asarray(leaf, np.float32) for leaf in t)) for t in (state, noise))
    g = cotangents(sampler, rng, sampler.step(state, noise, target, **SAMPLERS[name]))
    result = leaves(sampler.step_value_and_vjp(g, state, noise, target, **SAMPLERS[name]))
    assert {leaf.dtype for leaf in result} == {np.dtype(np.float32), np.dtype(bool)}


@pytest.mark.parametrize("convention", ["epsilon", "half_epsilon", "half_epsilon_squared"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_step_leaves_the_target_invariant(name, convention):
    """By quadrature, no randomness: E_pi K f = E_pi f for f = sin(1.3 x) + x^2 and a Gaussian that is not standard."""
    constants = {"scale": 0.9} if name == "random_walk" else {"step_size": 0.8, "step_size_convention": convention}
    sampler, target = getattr(refengine.samplers, name), gaussian.target(np.array([0.3]), np.array([[1.7]]))
    x, z = (np.linspace(-9, 9, 1201), np.linspace(-8, 8, 401))
    density = np.exp(np.asarray(target.log_density(x[:, None], *target.parameters)))
    normal = np.exp(-z * z / 2)
    weights = (density / density.sum())[:, None] * (normal / normal.sum())
    grid = np.broadcast_to(x[:, None, None], (x.size, z.size, 1))
    state = sampler.init(grid, target)
    noise = sampler.Noise(np.broadcast_to(z[:, None], grid.shape), np.full(weights.shape, 0.5))
    info = sampler.step(state, noise, target, **constants).info
    probability = np.exp(np.minimum(info.log_accept_ratio, 0))

    def f(position):
        return np.sin(1.3 * position[..., 0]) + position[..., 0] ** 2

    assert abs(np.sum(weights * probability * (f(info.proposal) - f(grid)))) < 3e-6
