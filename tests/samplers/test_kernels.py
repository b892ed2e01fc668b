"""The compiled loops of the samplers with momentum or without a decision: targets of the user, threads, cotangents."""

from importlib import import_module

import numba
import numpy as np
import pytest

import refengine
from refengine.samplers import hamiltonian, langevin, underdamped_langevin
from tests.test_samplers import COMPILED, PYTHON, leaves

METRIC = np.array([0.5, 1.0, 2.0])
CALLS = {
    "langevin": (langevin, (), {"step_size": 0.1}),
    "underdamped_langevin": (underdamped_langevin, (METRIC,), {"step_size": 0.3, "friction": 0.7}),
    "hamiltonian": (hamiltonian, (METRIC,), {"step_size": 0.4, "steps": 4, "metric_convention": "mass"}),
}


def drawn(name):
    sampler, shared, constants = CALLS[name]
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 3))
    begun = (rng.normal(size=x.shape),) if name == "underdamped_langevin" else ()
    state = sampler.init(x, PYTHON, *begun)
    noise = sampler.noise(rng, state)
    value = sampler.step(state, noise, PYTHON, *shared, **constants)
    g = type(value)(*(type(part)(*(rng.normal(size=np.shape(leaf)) for leaf in part)) for part in value))
    return sampler, shared, constants, state, noise, g


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("target", [COMPILED, PYTHON], ids=["compiled", "python"])
def test_a_target_of_the_user_on_the_numba_backend(name, target):
    sampler, shared, constants, state, noise, g = drawn(name)
    kernel = getattr(refengine.backend("numba").samplers, name)
    wanted = sampler.step_value_and_vjp(g, state, noise, PYTHON, *shared, **constants)
    got = kernel.step_value_and_vjp(g, state, noise, target, *shared, **constants)
    for a, b in zip(leaves(got), leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CALLS)
def test_the_bits_do_not_depend_on_the_number_of_threads(name):
    _, shared, constants, state, noise, g = drawn(name)
    kernel = getattr(refengine.backend("numba").samplers, name)
    before, results = numba.get_num_threads(), []
    for threads in (1, before):
        numba.set_num_threads(threads)
        results.append(leaves(kernel.step_value_and_vjp(g, state, noise, COMPILED, *shared, **constants)))
    numba.set_num_threads(before)
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


BUILT_IN = {
    "arma11": ([0.1, 0.5, -0.3, 0.2], [0.5, -1.0, 2.0, 0.25]),
    "autoregression": ([0.1, 0.5, -0.3, 0.2], [0.5, -1.0, 2.0, 0.25]),
    "banana": ([0.5, -1.0, 0.3, 0.2], 0.3, 1.5),
    "eight_schools": ([0.5, -1.0, 0.3, 0.2], [1.0, 4.0], [2.0, 1.0]),
    "funnel": ([0.5, -1.0, 0.3, 0.2], 1.5),
    "garch11": ([0.5, -1.0, 0.3, 0.2], [0.5, -1.0, 2.0, 0.25], 0.7),
    "half_cauchy_regression": ([0.5, -1.0, 0.2], [[1.0, 2.0]] * 3, [1.0, 0.0, 2.0], [0.1, 0.2], np.eye(2), 0.4),
    "linear_regression": ([0.5, -1.0, 0.2], [[1.0, 2.0]] * 3, [1.0, 0.0, 2.0], 2.0),
    "normal_mixture": ([0.5, -1.0, 0.3, 0.2, 0.1], [0.5, -1.0, 2.0]),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_compiled_derivatives_of_one_chain_are_those_of_the_shared_text(name):
    position, *parameters = map(np.array, BUILT_IN[name])
    reference = getattr(refengine.samplers.targets, name)
    built_in = getattr(refengine.backend("numba").samplers.targets, name).compiled(position, *parameters)
    chain = import_module(type(built_in).__module__)
    g = np.array([0.7, -0.4, 1.1, 0.3, -0.9])[: position.size]
    for got, wanted in (
        (chain.chain_log_density(position, built_in), reference.log_density(position, *parameters)),
        (chain.chain_gradient(position, built_in), reference.gradient(position, *parameters)),
        (chain.chain_hessian_product(g, position, built_in), reference.gradient_vjp(g, position, *parameters)[0]),
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-13)


def test_a_built_in_target_without_a_kernel_takes_the_shared_text():
    target = refengine.samplers.targets.finite.target([0.0, -1.0])
    state = langevin.init(np.zeros((2, 1)), target)
    noise = langevin.Noise(np.ones((2, 1)))
    here, there = (
        refengine.backend(b).samplers.langevin.step(state, noise, target, step_size=0.1) for b in ("numba", "numpy")
    )
    assert all(np.array_equal(a, b) for a, b in zip(leaves(here), leaves(there), strict=True))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"step_size": 0.0}, "step_size must be a positive number"),
        ({"steps": 0}, "steps must be a whole number of at least 1"),
        ({"steps": 1.5}, "steps must be a whole number"),
        ({"metric_convention": "covariance"}, "metric_convention must be one of"),
    ],
)
def test_wrong_constants_are_named(backend, change, named):
    _, shared, constants, state, noise, _ = drawn("hamiltonian")
    kernel = refengine.backend(backend).samplers.hamiltonian
    with pytest.raises(ValueError, match=named):
        kernel.step(state, noise, PYTHON, *shared, **constants | change)


def test_wrong_shapes_are_named(backend):
    _, _, constants, state, noise, _ = drawn("hamiltonian")
    kernel = refengine.backend(backend).samplers.hamiltonian
    with pytest.raises(ValueError, match=r"metric must have shape \(D\) = \(3,\), got \(2,\)"):
        kernel.step(state, noise, PYTHON, np.ones(2), **constants)
    with pytest.raises(ValueError, match=r"noise\.normal must have shape \(\.\.\., D\) = \(40, 3\)"):
        kernel.step(state, noise._replace(normal=np.zeros((40, 2))), PYTHON, METRIC, **constants)


def test_a_metric_out_of_its_domain_rejects(backend):
    _, _, constants, state, noise, _ = drawn("hamiltonian")
    kernel = refengine.backend(backend).samplers.hamiltonian
    after, info = kernel.step(state, noise, PYTHON, np.array([1.0, 0.0, 1.0]), **constants)
    assert not np.any(info.accepted)
    assert np.all(info.divergent)
    assert np.array_equal(after.position, state.position)
