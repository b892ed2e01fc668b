"""What is true of some compiled loops alone: targets without a kernel, constants, shapes, and metrics out of range."""

import numpy as np
import pytest

import refengine
from refengine.samplers import langevin
from refengine.samplers.targets import gaussian
from tests.samplers.calls import drawn, leaves


def test_a_built_in_target_without_a_kernel_takes_the_shared_text():
    target = refengine.samplers.targets.funnel.target(3.0)
    state = langevin.init(np.zeros((2, 3)), target)
    noise = langevin.Noise(np.ones((2, 3)))
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
    call, kernel = drawn("hamiltonian"), refengine.backend(backend).samplers.hamiltonian
    with pytest.raises(ValueError, match=named):
        kernel.step(*call.arguments, **call.constants | change)


def test_wrong_shapes_of_metric_and_noise_are_named(backend):
    call, kernel = drawn("hamiltonian"), refengine.backend(backend).samplers.hamiltonian
    (state, noise), (target, metric) = call.chained, call.shared
    with pytest.raises(ValueError, match=r"metric must have shape \(D\) = \(3,\), got \(2,\)"):
        kernel.step(state, noise, target, np.ones(2), **call.constants)
    with pytest.raises(ValueError, match=r"noise\.normal must have shape \(\.\.\., D\) = \(50, 3\)"):
        kernel.step(state, noise._replace(normal=np.zeros((50, 2))), target, metric, **call.constants)


@pytest.mark.parametrize("name", ["ghmc", "hamiltonian"])
@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan])
def test_a_metric_out_of_its_domain_rejects(backend, name, bad):
    """On a target that the compiled loops know; energies that the metric enters are nan."""
    target = gaussian.target(np.zeros(3), np.eye(3))
    call, kernel = drawn(name, target=target), getattr(refengine.backend(backend).samplers, name)
    state, noise = call.chained
    after, info = kernel.step(state, noise, target, np.array([1.0, bad, 1.0]), **call.constants)
    assert not np.any(info.accepted)
    assert np.all(info.divergent)
    assert np.array_equal(after.position, state.position)
    for energies in (info.energy, info.proposal_energy, info.log_accept_ratio):
        assert np.all(np.isnan(energies))
