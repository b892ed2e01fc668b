"""What is true of every sampler: targets of the user, decisions at the edges, noise, cotangents left out."""

from importlib import import_module
from pkgutil import iter_modules
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from scipy.special import ndtr

import refengine
from refengine import random
from refengine.backends.numba import _parallel
from refengine.backends.numba.samplers import _chains
from refengine.samplers import Target, mala, random_walk
from refengine.samplers.targets import gaussian
from tests.samplers.calls import ALL, QUARTIC, drawn, leaves, mapped, seeds

KERNELS = [
    name
    for name in ALL
    if getattr(refengine.backend("numba").samplers, name).step is not getattr(refengine.samplers, name).step
]
DECIDING = (
    "ghmc", "hamiltonian", "independence", "mala", "metropolis_hastings", "preconditioned_mala", "random_walk"
)  # fmt: skip
"""Those with one proposal, decided by one uniform and the log density that the state carries."""
QUICK = ("random_walk", "mala")
"""Functions that are handed in are compiled anew in every process; they reach all kernels in the same way."""
ALIKE = {"adaptive_rejection", "gibbs", "parallel_tempering", "sgld", "sir"}
"""Those that take no target of the user."""


@numba.njit
def quartic(x, k):
    return -k * np.sum(x**4)


@numba.njit
def quartic_gradient(x, k):
    return -4 * k * x**3


@numba.njit
def quartic_gradient_vjp(g, x, k):
    return (-12 * k * x**2 * g,)


COMPILED = Target(quartic, quartic_gradient, quartic_gradient_vjp, (0.25,))
INSIDE_UNIT = Target(
    lambda x: np.where(np.all(np.abs(x) < 1, axis=-1), 0.0, -np.inf), np.zeros_like, lambda g, x: (0.0 * g,)
)
GAUSSIAN = gaussian.target(np.ones(3), np.eye(3) * 2 + 1)


def on(backend, name):
    return getattr(refengine.backend(backend).samplers, name)


def both(sampler, g, call):
    return leaves(refengine.value_and_vjp(sampler.step, g, *call.arguments, **call.constants))


def test_every_sampler_is_here():
    found = [m.name for m in iter_modules(refengine.samplers.__path__) if not (m.ispkg or m.name.startswith("_"))]
    modules = [import_module(f"refengine.samplers.{name}") for name in found]
    assert sorted(ALL) == sorted(name for name, module in zip(found, modules, strict=True) if hasattr(module, "step"))


def compiled_or_python():
    for name in ALL:
        if name not in ALIKE:
            yield pytest.param(name, QUARTIC, id=f"{name}-python")
        if name in KERNELS and name not in ALIKE:
            marks = () if name in QUICK else pytest.mark.slow
            yield pytest.param(name, COMPILED, id=f"{name}-compiled", marks=marks)


@pytest.mark.parametrize(("name", "target"), list(compiled_or_python()))
def test_a_target_of_the_user_on_the_numba_backend(name, target):
    call = drawn(name)
    wanted = on("numpy", name).step(*call.arguments, **call.constants)
    g = seeds(wanted, np.random.default_rng(2))
    handed_in = call._replace(shared=tuple(target if part is QUARTIC else part for part in call.shared))
    assert target is QUARTIC or handed_in.shared != call.shared
    if hasattr(wanted.info, "accepted"):
        assert 0 < np.mean(wanted.info.accepted) < 1
    for got, right in zip(both(on("numba", name), g, handed_in), both(on("numpy", name), g, call), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", ALL)
def test_chains_do_not_see_each_other(name, backend):
    sampler, call = on(backend, name), drawn(name, (2, 3), target=GAUSSIAN)
    together = leaves(sampler.step(*call.arguments, **call.constants))
    one = call._replace(chained=tuple(mapped(lambda leaf: leaf[1, 2], part) for part in call.chained))
    alone = leaves(sampler.step(*one.arguments, **one.constants))
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a[1, 2], b, rtol=1e-14)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="there is one thread")
@pytest.mark.parametrize("name", KERNELS)
def test_the_bits_do_not_depend_on_the_number_of_threads(name, monkeypatch):
    monkeypatch.setattr(_chains, "STEPS_A_THREAD", 1)
    pool, parts, results = _parallel._pool(), [], []
    counted = SimpleNamespace(submit=lambda *loop: (parts.append(loop[1:3]), pool.submit(*loop))[1])
    monkeypatch.setattr(_parallel, "_pool", lambda: counted)
    sampler, call = on("numba", name), drawn(name, target=GAUSSIAN)
    g = seeds(sampler.step(*call.arguments, **call.constants), np.random.default_rng(2))
    before = numba.get_num_threads()
    for threads in (1, 2):
        parts.clear()
        numba.set_num_threads(threads)
        results.append(both(sampler, g, call))
        assert set(parts) == ({(25, 50)} if threads == 2 else set())  # the first half stays on the thread that asks
    numba.set_num_threads(before)
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def decided(name, target, positions, normals, uniforms):
    """A call of one coordinate with its noise given: the proposal of `metropolis_hastings` is the number itself."""
    call = drawn(name, positions.shape[:-1], 1, target)
    state, noise = call.chained
    start = on("numpy", name).init(positions, target, *(np.zeros_like(positions) for f in state._fields[3:]))
    fields = {f: np.zeros_like(uniforms) for f in noise._fields} | {"uniform": uniforms}
    fields |= {f: normals for f in ("normal", "proposal") if f in fields}
    return call._replace(chained=(start, type(noise)(**fields)))


@pytest.mark.parametrize("name", DECIDING)
@pytest.mark.parametrize(
    ("uniform", "carried", "accepted"),
    [(0.0, 1e300, True), (0.5, np.nan, False), (0.0, np.inf, False), (1.0, -9, True)],
)
def test_decisions_at_the_edges(name, backend, uniform, carried, accepted):
    call = decided(name, gaussian.target(np.zeros(1), np.eye(1)), np.array([0.5]), np.array([0.25]), np.array(uniform))
    state = call.chained[0]._replace(log_density=np.array(carried))
    info = on(backend, name).step(state, call.chained[1], *call.shared, **call.constants).info
    assert bool(info.accepted) is accepted


@pytest.mark.parametrize("name", DECIDING)
def test_a_proposal_outside_the_support_is_rejected_even_by_a_uniform_of_zero(name):
    normals = np.array([[50.0], [0.125]])
    call = decided(name, INSIDE_UNIT, np.array([[0.5], [0.5]]), normals, np.zeros(2))
    sampler = on("numpy", name)
    value = sampler.step(*call.arguments, **call.constants)
    assert value.info.accepted.tolist() == [False, True]
    assert value.state.position[0] == 0.5
    assert value.info.log_accept_ratio[0] == -np.inf
    g = seeds(value, np.random.default_rng(0))
    assert all(np.all(np.isfinite(c)) for c in leaves(sampler.step_vjp(g, *call.arguments, **call.constants)))


@pytest.mark.parametrize("name", ALL)
def test_a_cotangent_left_out_is_zero(name, backend):
    sampler, call = on(backend, name), drawn(name, (4,), target=GAUSSIAN)
    value = sampler.step(*call.arguments, **call.constants)
    onwards = mapped(lambda leaf: leaf, value.state)
    no_info, zeros = (mapped(change, value.info) for change in (lambda leaf: None, lambda leaf: 0.0 * leaf))
    zeros = mapped(np.nan_to_num, zeros)
    one, other = (
        leaves(sampler.step_vjp(sampler.Transition(onwards, part), *call.arguments, **call.constants))
        for part in (no_info, zeros)
    )
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


def test_what_is_missing_is_named(backend):
    samplers = refengine.backend(backend).samplers
    state, noise = drawn("mala").chained
    target = Target(QUARTIC.log_density, QUARTIC.gradient, parameters=(1.0,))
    g = seeds(mala.step(state, noise, target, step_size=0.1), np.random.default_rng(0))
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


def numbers(noise):
    """The uniform numbers that a noise was made of, and the place of its normal ones among uniform ones."""
    found = []
    for field, leaf in noise._asdict().items():
        if not field.startswith("log_q"):  # densities of `metropolis_hastings`
            found.append(np.ravel(ndtr(leaf) if field in ("normal", "normals", "proposal") else leaf))
    return np.concatenate(found)


def noise_of(name, rng, state):
    """From the sampler's own function, as drawn there; the first argument of ``importance.noise`` is no state."""
    if name == "importance":
        return refengine.samplers.importance.noise(rng, np.zeros(3), 5)
    if name == "metropolis_hastings":
        return refengine.samplers.metropolis_hastings.noise(
            rng, state, lambda rng, x: rng.standard_normal(x.shape), lambda y, x: np.zeros(x.shape[:-1])
        )
    given = {"nuts": (3,), "rejection": (4,), "sir": (5,)}
    return getattr(refengine.samplers, name).noise(rng, state, *given.get(name, ()))


@pytest.mark.parametrize(
    "source", [np.random.default_rng, lambda seed: random.Stream(random.key(seed))], ids=["numpy", "own"]
)
@pytest.mark.parametrize("name", ALL)
def test_no_random_number_is_used_twice(name, source):
    state = drawn(name, (20,), target=GAUSSIAN).chained[0]
    state = mapped(lambda leaf: 0 * leaf, state)  # nothing of the noise comes from where the chains are
    rng = source(5)
    first, second = noise_of(name, rng, state), noise_of(name, rng, state)
    once = np.sort(np.concatenate([numbers(first), numbers(second)]))
    assert np.min(np.diff(once)) > 1e-10
    mirrored = np.sort(np.minimum(once, 1 - once))  # u and 1 - u are one number too
    assert np.min(np.diff(mirrored)) > 1e-10
    again = noise_of(name, source(5), state)
    assert all(np.array_equal(a, b) for a, b in zip(leaves(first), leaves(again), strict=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ALL)
def test_noise_is_open_and_has_the_dtype_of_the_state(name, dtype):
    state = mapped(lambda leaf: np.asarray(leaf, dtype), drawn(name, (500,), target=GAUSSIAN).chained[0])
    if name == "importance":
        noise = on("numpy", name).noise(np.random.default_rng(0), np.zeros(2, dtype), 500)
    elif name == "metropolis_hastings":
        noise = on("numpy", name).noise(np.random.default_rng(0), state)
    else:
        noise = noise_of(name, np.random.default_rng(0), state)
    assert {leaf.dtype for leaf in leaves(noise)} == {np.dtype(dtype)}
    for field, leaf in noise._asdict().items():
        if field not in ("normal", "normals", "proposal", "log_q_forward", "log_q_reverse"):
            assert 0 < leaf.min() < 0.02 < 0.98 < leaf.max() < 1


@pytest.mark.parametrize("name", ALL)
def test_float32_in_float32_out(name, backend):
    sampler, call = on(backend, name), drawn(name, (4,), target=GAUSSIAN)
    single = tuple(mapped(lambda leaf: np.asarray(leaf, np.float32), part) for part in call.chained)
    shared = tuple(part.astype(np.float32) if isinstance(part, np.ndarray) else part for part in call.shared)
    call = call._replace(chained=single, shared=shared)
    g = seeds(sampler.step(*call.arguments, **call.constants), np.random.default_rng(2))
    found = {leaf.dtype for leaf in both(sampler, g, call)}
    assert {dtype for dtype in found if dtype.kind == "f"} == {np.dtype(np.float32)}
    assert found <= {np.dtype(t) for t in (np.float32, bool, np.int64)}
