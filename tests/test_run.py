"""Whole runs over noise drawn before, on every backend, and how their draws are named."""

from __future__ import annotations

import sys
import types
from functools import partial
from importlib import import_module

import numpy as np
import pytest

import refengine
from refengine.samplers import _run, diagnostics, ghmc, mala, pre_drawn, random_walk, run, to_arviz
from refengine.samplers.targets import gaussian

TARGET = gaussian.target(np.array([1.0, -2.0]), np.array([[2.0, 0.5], [0.5, 1.0]]))
KERNELS = {"random_walk": {"scale": 1.2}, "mala": {"step_size": 0.6}}


def start(name, draws=200, chains=4):
    sampler, rng = getattr(refengine.samplers, name), np.random.default_rng(2)
    state = sampler.init(rng.normal(size=(chains, 2)), TARGET)
    return state, pre_drawn(sampler.noise, rng, state, draws)


@pytest.mark.parametrize("name", KERNELS)
def test_a_run_is_its_steps(name, backend):
    sampler = getattr(refengine.backend(backend).samplers, name)
    kernel = partial(sampler.step, target=TARGET, **KERNELS[name])
    state, noise = start(name, draws=7)
    result = refengine.backend(backend).samplers.run(kernel, state, noise, 7, chains=4)
    for t in range(7):
        state, info = kernel(state, type(noise)(*(leaf[t] for leaf in noise)))
        assert np.array_equal(result.posterior["position"][:, t], state.position)
        for stats in (state, info):
            for field in set(stats._fields) - {"position"}:
                assert np.array_equal(result.sample_stats[field][:, t], getattr(stats, field))
    assert all(np.array_equal(a, b) for a, b in zip(result.state, state, strict=True))


@pytest.mark.parametrize("name", KERNELS)
def test_a_run_in_float32_is_its_steps(name, backend):
    """Every step rounds the state, whatever the backend keeps in between."""
    sampler = getattr(refengine.backend(backend).samplers, name)
    kernel = partial(sampler.step, target=TARGET, **KERNELS[name])
    state, noise = (type(t)(*(np.asarray(leaf, np.float32) for leaf in t)) for t in start(name, draws=7))
    result = refengine.backend(backend).samplers.run(kernel, state, noise, 7, chains=4)
    for t in range(7):
        state, _ = kernel(state, type(noise)(*(leaf[t] for leaf in noise)))
        assert state.position.dtype == result.posterior["position"].dtype == np.float32
        assert np.array_equal(result.posterior["position"][:, t], state.position)


def test_two_runs_are_one():
    kernel = partial(mala.step, target=TARGET, step_size=0.6)
    state, noise = start("mala", draws=20)
    whole = run(kernel, state, noise, 20, chains=4)
    first = run(kernel, state, type(noise)(*(leaf[:8] for leaf in noise)), 8, chains=4)
    second = run(kernel, first.state, type(noise)(*(leaf[8:] for leaf in noise)), 12, chains=4)
    for name, draws in whole.sample_stats.items():
        both = np.concatenate([first.sample_stats[name], second.sample_stats[name]], axis=1)
        assert np.array_equal(both, draws)


@pytest.mark.parametrize("name", KERNELS)
def test_the_draws_are_those_of_the_target(name):
    sampler = getattr(refengine.backend("numba").samplers, name)
    state, noise = start(name, draws=2000)
    result = run(partial(sampler.step, target=TARGET, **KERNELS[name]), state, noise, 2000, chains=4)
    position = result.posterior["position"][:, 100:]
    z = (position.mean(axis=(0, 1)) - TARGET.parameters[0]) / diagnostics.mcse_mean(position)
    assert np.abs(z).max() < 4
    assert diagnostics.r_hat(position).max() < 1.03
    assert diagnostics.ess_bulk(position).min() > 300
    spread = np.sqrt(np.diag(np.linalg.inv(TARGET.parameters[1])))
    z = (position.std(axis=(0, 1)) - spread) / diagnostics.mcse_sd(position, effective="squares")
    assert np.abs(z).max() < 4


def test_a_field_of_info_by_the_name_of_one_of_the_state_keeps_its_own_draws():
    rng, ones = np.random.default_rng(7), np.ones(2)
    kernel = partial(ghmc.step, target=TARGET, metric=ones, step_size=0.9, persistence=0.5)
    state = ghmc.init(rng.normal(size=(3, 2)), TARGET, rng.normal(size=(3, 2)))
    noise = pre_drawn(ghmc.noise, rng, state, 6)
    stats = run(kernel, state, noise, 6, chains=3).sample_stats
    for t in range(6):
        state, info = kernel(state, type(noise)(*(leaf[t] for leaf in noise)))
        assert np.array_equal(stats["momentum"][:, t], state.momentum)
        assert np.array_equal(stats["info.momentum"][:, t], info.momentum)
    assert not np.array_equal(stats["momentum"], stats["info.momentum"])


def test_nothing_to_draw():
    state, noise = start("mala", draws=0)
    assert noise.normal.shape == (0, 4, 2)
    result = run(partial(mala.step, target=TARGET, step_size=0.6), state, noise, 0, chains=4)
    assert result == ({}, {}, state)


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"draws": 6}, ValueError, r"noise.normal must have shape \(draws, chains, ...\) = \(6, 4\), got \(5, 4, 2\)"),
        ({"chains": 3}, ValueError, r"state.position must have shape \(chains, ...\) = \(3,\), got \(4, 2\)"),
        ({"draws": 5.0}, TypeError, "draws must be an integer"),
        ({"chains": -1}, ValueError, "chains must not be negative"),
    ],
)
def test_bad_input_is_named(change, error, named):
    state, noise = start("mala", draws=5)
    given = {"draws": 5, "chains": 4} | change
    with pytest.raises(error, match=f"^{named}"):
        run(partial(mala.step, target=TARGET, step_size=0.6), state, noise, given.pop("draws"), **given)


def test_arviz_gets_the_draws_by_name():
    pytest.importorskip("arviz_base", reason="arviz-base is not installed")
    state, noise = start("random_walk", draws=10)
    result = run(partial(random_walk.step, target=TARGET, scale=1.0), state, noise, 10, chains=4)
    tree = to_arviz(result)
    assert tree["posterior"]["position"].dims[:2] == ("chain", "draw")
    assert np.array_equal(tree["posterior"]["position"].values, result.posterior["position"])
    assert np.array_equal(tree["sample_stats"]["lp"].values, result.sample_stats["log_density"])
    assert tree["sample_stats"]["accepted"].dtype == bool


def test_arviz_before_1_and_none_at_all(monkeypatch):
    state, noise = start("random_walk", draws=3)
    result = run(partial(random_walk.step, target=TARGET, scale=1.0), state, noise, 3, chains=4)
    monkeypatch.setattr(_run, "find_spec", lambda name: name == "arviz" or None)
    monkeypatch.setitem(sys.modules, "arviz", types.SimpleNamespace(from_dict=lambda **groups: groups))
    assert to_arviz(result).keys() == {"posterior", "sample_stats"}
    monkeypatch.setattr(_run, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="arviz-base"):
        to_arviz(result)


def test_a_long_run_shows_a_bar_on_a_terminal_and_nothing_elsewhere(monkeypatch, capsys):
    state, noise = start("random_walk", draws=30)
    kernel = partial(random_walk.step, target=TARGET, scale=1.0)
    monkeypatch.setattr(_run, "PATIENCE", 0.0)
    run(kernel, state, noise, 30, chains=4)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    run(kernel, state, noise, 30, chains=4)
    assert "draws" in capsys.readouterr().err
    run(kernel, state, noise, 30, chains=4, progress=False)
    assert capsys.readouterr().err == ""


def test_a_compiled_run_of_more_chains_than_steps_a_turn(monkeypatch):
    """Turns of one draw each, all chains together; the last state is an array of its own."""
    tree = refengine.backend("numba").samplers
    state, noise = start("random_walk", draws=3)
    kernel = partial(tree.random_walk.step, target=TARGET, scale=1.2)
    whole = tree.run(kernel, state, noise, 3, chains=4)
    monkeypatch.setattr(import_module("refengine.backends.numba.samplers._run"), "STEPS_A_TURN", 2)
    turns = tree.run(kernel, state, noise, 3, chains=4)
    assert np.array_equal(whole.posterior["position"], turns.posterior["position"])
    assert not np.shares_memory(whole.state.position, whole.posterior["position"])
