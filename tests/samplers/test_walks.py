"""Whole chains in compiled code are the steps of the reference, on a built-in target and on one of the user."""

from functools import partial
from typing import get_type_hints

import numba
import numpy as np
import pytest

import refengine
from refengine.backends.numba.samplers import _chains, _run
from refengine.backends.numba.samplers._by_chain import by_chain
from refengine.domains import Unit
from refengine.samplers import metropolis_hastings, pre_drawn
from refengine.samplers.targets import gaussian
from tests.samplers.calls import QUARTIC, drawn, leaves, seeds
from tests.test_samplers import COMPILED

DRAWS = 50
CALLS = {
    "independence": {"loc": np.array([0.1, -0.2, 0.3]), "scale": np.array([1.5, 1.0, 2.0])},
    "metropolis_hastings": {"acceptance": "closed"},
    "metropolis_within_gibbs": {"scale": np.array([0.5, 1.0, 2.0]), "scan": "reverse"},
    "slice": {"direction": np.array([0.5, -0.25, 0.5]), "max_steps": 5},
    "elliptical_slice": {"factor": np.array([[1.0, 0.0, 0.0], [0.5, 0.75, 0.0], [-0.25, 0.5, 1.25]])},
    "stretch": {"a": 2.5},
    "gibbs": {"scan": "systematic", "block_size": 2},
}
NORMAL = gaussian.target(
    np.array([0.5, -1.0, 0.0]), np.array([[2.0, 0.5, -0.25], [0.5, 1.0, 0.25], [-0.25, 0.25, 1.5]])
)
PAIRS = [pytest.param(name, NORMAL, NORMAL, id=f"{name}-normal") for name in CALLS]
PAIRS += [  # in every process the functions of the user are compiled anew, into each loop that they go through
    pytest.param(name, COMPILED, QUARTIC, id=f"{name}-own", marks=() if name == "stretch" else pytest.mark.slow)
    for name in CALLS
    if name != "gibbs"
]


def begun(name, target):
    """A state of three chains, and noise."""
    sampler, rng = getattr(refengine.samplers, name), np.random.default_rng(3)
    x = rng.normal(size=(3, 6, 3) if name == "stretch" else (3, 3))
    state = sampler.init(x) if name == "gibbs" else sampler.init(x, target)
    if name == "metropolis_hastings":
        y = rng.normal(size=(DRAWS, *x.shape))
        q = rng.normal(size=(2, DRAWS, len(x)))
        return state, metropolis_hastings.Noise(y, *q, rng.random(size=q.shape[1:]))
    noise = partial(sampler.noise, tries=2) if "slice" in name else sampler.noise
    return state, pre_drawn(noise, rng, state, DRAWS)


def walked(name, target, state, noise):
    kernel = partial(getattr(refengine.backend("numba").samplers, name).step, target=target, **CALLS[name])
    return refengine.backend("numba").samplers.run(kernel, state, noise, DRAWS, chains=3)


@pytest.mark.parametrize(("name", "target", "python"), PAIRS)
def test_a_compiled_walk_makes_the_steps_of_the_reference(name, target, python, monkeypatch):
    """Every step from the state that the walk itself has reached; on one thread and on two, to the bit."""
    sampler = getattr(refengine.samplers, name)
    state, noise = begun(name, python)
    monkeypatch.setattr(_chains, "STEPS_A_THREAD", 1)
    monkeypatch.setattr(_run.reference, "run", None)  # the walk must not fall back on it
    before, results = numba.get_num_threads(), []
    for threads in (1, before):
        numba.set_num_threads(threads)
        results.append(walked(name, target, state, noise))
    result, again = results
    found = result.posterior | result.sample_stats
    for field, values in (again.posterior | again.sample_stats).items():
        assert np.array_equal(values, found[field], equal_nan=True)
    for t in range(DRAWS):
        value = sampler.step(state, type(noise)(*(leaf[t] for leaf in noise)), python, **CALLS[name])
        for part in value:
            for field, wanted in part._asdict().items():
                np.testing.assert_allclose(found[field][:, t], wanted, rtol=1e-12, atol=1e-13, err_msg=field)
        state = type(state)(*(found[field][:, t] for field in state._fields))
    assert all(np.array_equal(a, b) for a, b in zip(leaves(state), leaves(result.state), strict=True))
    decided = found.get("accepted", found.get("updated"))
    assert decided.any()
    assert name == "gibbs" or not decided.all()


ROUND = gaussian.target(np.zeros(3), np.eye(3))  # its density at 1e200 is zero
EDGES = {"log_density": [-1.0, 0.0, np.nan, -np.inf, np.inf], Unit: [0.0, 0.25, 1.0, np.nan]}
OTHERS = [0.0, 0.5, -1.0, 1e200, np.nan]


def at_the_edges(name, chains):
    """A step's state and noise with every value drawn from those that decide otherwise than the usual ones."""
    sampler, rng = getattr(refengine.samplers, name), np.random.default_rng(4)
    state, noise = begun(name, ROUND)
    hints = get_type_hints(type(noise), include_extras=True)
    made = []
    for tree, skip in ((state, 1), (noise, 2)):
        values = (EDGES.get(field, EDGES.get(hints.get(field), OTHERS)) for field in tree._fields)
        made.append([rng.choice(v, (chains, *leaf.shape[skip:])) for v, leaf in zip(values, tree, strict=True)])
    return sampler, type(state)(*made[0]), type(noise)(*made[1])


@pytest.mark.parametrize("name", CALLS)
def test_decisions_at_the_edges_are_those_of_the_reference(name):
    sampler, state, noise = at_the_edges(name, 400)
    wanted = sampler.step(state, noise, ROUND, **CALLS[name])
    kernel = getattr(refengine.backend("numba").samplers, name)
    for a, b in zip(leaves(kernel.step(state, noise, ROUND, **CALLS[name])), leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    state, noise = (type(tree)(*(leaf[:0] for leaf in tree)) for tree in (state, noise))
    for a, b in zip(leaves(kernel.step(state, noise, ROUND, **CALLS[name])), leaves(wanted), strict=True):
        assert a.shape == (0, *b.shape[1:])


def test_gibbs_refuses_what_it_has_no_conditionals_of(backend):
    kernel = refengine.backend(backend).samplers.gibbs
    state, noise = begun("gibbs", NORMAL)
    first = type(noise)(*(leaf[0] for leaf in noise))
    for target in (COMPILED, QUARTIC, refengine.backend(backend).samplers.targets.funnel.target(3.0)):
        with pytest.raises(TypeError, match=r"target must be that of targets\.gaussian"):
            kernel.step(state, first, target)
    flat = gaussian.target(np.zeros(3), np.ones((3, 3)) - 2 * np.eye(3))
    assert np.isnan(kernel.step(state, first, flat, block_size=3).state.position).all()


def test_walkers_come_in_pairs(backend):
    kernel = refengine.backend(backend).samplers.stretch
    state = kernel.init(np.zeros((3, 2)), gaussian.target(np.zeros(2), np.eye(2)))
    with pytest.raises(ValueError, match=r"state\.position must have shape \(\.\.\., W, D\) with an even W > 0"):
        kernel.step(state, kernel.Noise(*np.full((3, 3), 0.5)), NORMAL)


@pytest.mark.parametrize("name", ["independence", "mala"])  # by the gradient, and by the Hessian too
@pytest.mark.parametrize("chains", [(2, 3), (0,)])
def test_the_shared_text_takes_a_compiled_target_chain_by_chain(name, chains):
    sampler, call = getattr(refengine.samplers, name), drawn(name, chains)
    g = seeds(sampler.step(*call.arguments, **call.constants), np.random.default_rng(2))
    wanted = leaves(sampler.step_vjp(g, *call.arguments, **call.constants))
    target, *shared = call.shared
    assert target is QUARTIC
    got = leaves(by_chain(sampler.step_vjp)(g, *call.chained, COMPILED, *shared, **call.constants))
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
        assert a.shape == b.shape
