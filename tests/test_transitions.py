"""What every sampler has in common: `init`, `noise` and `step` in the same manner, for any number of chains."""

from __future__ import annotations

import numpy as np
import pytest

import refengine
from refengine.samplers.targets import gaussian
from tests.test_samplers import leaves

SIZE = 2
TARGET = gaussian.target(np.array([1.0, -2.0]), np.array([[2.0, 0.5], [0.5, 1.0]]))
ONES, ZEROS, EYE = np.ones(SIZE), np.zeros(SIZE), np.eye(SIZE)

PLAIN = (SIZE,)
# the axes behind those of the chains, what `init` and `step` take besides, the constants
SAMPLERS = {
    "elliptical_slice": (PLAIN, (TARGET,), (TARGET, EYE), {}),
    "ghmc": (PLAIN, (TARGET,), (TARGET, ONES), {"step_size": 0.1, "persistence": 0.5}),
    "gibbs": (PLAIN, (), (TARGET,), {}),
    "hamiltonian": (PLAIN, (TARGET,), (TARGET, ONES), {"step_size": 0.1, "steps": 2}),
    "importance": ((3, SIZE), (), (TARGET, ZEROS, ONES), {}),
    "independence": (PLAIN, (TARGET,), (TARGET, ZEROS, ONES), {}),
    "langevin": (PLAIN, (TARGET,), (TARGET,), {"step_size": 0.1}),
    "mala": (PLAIN, (TARGET,), (TARGET,), {"step_size": 0.1}),
    "metropolis_hastings": (PLAIN, (TARGET,), (TARGET,), {}),
    "metropolis_within_gibbs": (PLAIN, (TARGET,), (TARGET, ONES), {}),
    "nuts": (PLAIN, (TARGET,), (TARGET, ONES), {"step_size": 0.5}),
    "parallel_tempering": ((3, SIZE), (TARGET,), (np.array([1.0, 0.5, 0.25]),), {}),
    "preconditioned_mala": (PLAIN, (TARGET,), (TARGET, EYE), {"step_size": 0.1}),
    "random_walk": (PLAIN, (TARGET,), (TARGET,), {"scale": 1.0}),
    "rejection": (PLAIN, (TARGET,), (TARGET, ZEROS, ONES), {"log_bound": 1.0}),
    "sgld": (PLAIN, (), (), {"step_size": 0.1}),
    "sir": ((3, SIZE), (), (), {}),
    "slice": (PLAIN, (TARGET,), (TARGET, ONES), {}),
    "smc": ((3, SIZE), (TARGET,), (TARGET,), {"before": 0.25, "after": 0.5, "scale": 1.0}),
    "stretch": ((4, SIZE), (TARGET,), (TARGET,), {}),
    "underdamped_langevin": (PLAIN, (TARGET,), (TARGET, ONES), {"step_size": 0.1, "friction": 1.0}),
}
DIVERGING = ("ghmc", "hamiltonian", "nuts")


def drawn(sampler, name, chains):
    """The arguments of ``step`` for chains of this shape, and its constants."""
    axes, begun, shared, constants = SAMPLERS[name]
    rng = np.random.default_rng(6)
    x = rng.normal(size=(*chains, *axes))
    state = sampler.init(x, *begun)
    noise = sampler.noise(rng, state, 3) if name == "nuts" else sampler.noise(rng, state)
    args = (noise,) if name == "importance" else (state, noise)
    return (*args, *((x,) if name == "sgld" else ()), *shared), constants


def test_no_sampler_is_left_out():
    found = {name.split(".")[1] for name in refengine.golden.operations() if name.endswith(".step")}
    assert found == {*SAMPLERS, "adaptive_rejection"}


@pytest.mark.parametrize("name", SAMPLERS)
def test_chains_of_any_number_and_none_at_all(name, backend):
    sampler = getattr(refengine.backend(backend).samplers, name)
    shapes = {}
    for chains in ((0,), (5,), (2, 0), (2, 5)):
        args, constants = drawn(sampler, name, chains)
        value = sampler.step(*args, **constants)
        pulled = sampler.step_vjp(value, *args, **constants)
        shared = [np.shape(a) for a in args if isinstance(a, np.ndarray) and a is not args[0]]
        for leaf in leaves(value):
            assert leaf.shape[: len(chains)] == chains
        own = leaves(pulled)[: -len(shared) or None] if name != "sgld" else leaves(pulled)
        for leaf in own:
            assert leaf.shape[: len(chains)] == chains
        shapes[chains] = [(leaf.dtype, leaf.shape[len(chains) :]) for leaf in [*leaves(value), *own]]
        if 0 in chains and name != "sgld":  # what all chains share gets the sum over none of them
            assert all(np.array_equal(leaf, np.zeros_like(leaf)) for leaf in leaves(pulled)[len(own) :])
    assert all(shape == shapes[(5,)] for shape in shapes.values())


@pytest.mark.parametrize("name", DIVERGING)
@pytest.mark.parametrize("function", ["step", "step_vjp"])
@pytest.mark.parametrize("wrong", ["far", None, [1.0, 2.0]], ids=["text", "nothing", "two"])
def test_the_threshold_of_a_divergence_is_a_number(name, function, wrong, backend):
    sampler = getattr(refengine.backend(backend).samplers, name)
    args, constants = drawn(sampler, name, (2,))
    g = (sampler.step(*args, **constants),) if function == "step_vjp" else ()
    with pytest.raises(TypeError, match=r"^divergence_threshold must"):
        getattr(sampler, function)(*g, *args, **constants, divergence_threshold=wrong)


def test_a_general_proposal_is_a_normal_step_unless_said():
    sampler = refengine.samplers.metropolis_hastings
    state = sampler.init(np.zeros((1000, SIZE)), TARGET)
    noise = sampler.noise(np.random.default_rng(0), state)
    assert noise.log_q_forward.tolist() == noise.log_q_reverse.tolist()
    np.testing.assert_allclose(
        noise.log_q_forward, -np.log(2 * np.pi) - np.sum(noise.proposal**2, axis=1) / 2, rtol=1e-14
    )
    assert np.all(np.abs(np.mean(noise.proposal, axis=0)) < 4 / np.sqrt(1000))
    assert np.all(np.abs(np.mean(noise.proposal**2, axis=0) - 1) < 4 * np.sqrt(2 / 1000))


def test_a_momentum_that_is_not_said_is_0():
    state = refengine.samplers.ghmc.init(np.ones((3, SIZE)), TARGET)
    assert state.momentum.tolist() == np.zeros((3, SIZE)).tolist()


def test_offspring_and_draws_are_as_many_as_there_are_unless_said():
    importance, sir = refengine.samplers.importance, refengine.samplers.sir
    rng, state = np.random.default_rng(0), importance.init(np.zeros((2, 5, SIZE)))
    assert sir.noise(rng, state).uniforms.shape == (2, 5)
    assert sir.noise(rng, state, 7).uniforms.shape == (2, 7)
    assert importance.noise(rng, state).normals.shape == (2, 5, SIZE)
    assert importance.noise(rng, np.zeros(SIZE), 7).normals.shape == (7, SIZE)


def test_a_vjp_along_the_gradient_says_what_the_target_lacks(backend):
    for name in ("langevin", "mala", "hamiltonian", "ghmc", "nuts", "preconditioned_mala", "underdamped_langevin"):
        sampler = getattr(refengine.backend(backend).samplers, name)
        args, constants = drawn(sampler, name, (2,))
        args = tuple(a._replace(gradient_vjp=None) if a is TARGET else a for a in args)
        with pytest.raises(TypeError, match=r"^target\.gradient_vjp is missing: this vjp needs the Hessian"):
            sampler.step_vjp(sampler.step(*args, **constants), *args, **constants)
