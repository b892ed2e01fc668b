"""The adaptations against other programs, their one-draw maps against their streams, and what they do at the ends."""

from __future__ import annotations

from contextlib import contextmanager
from math import exp, inf, log, log2, nan

import numpy as np
import pytest

from refengine.samplers import adaptation
from refengine.samplers.adaptation import (
    adaptive_covariance,
    dual_averaging,
    reasonable_step_size,
    robbins_monro,
    robust_adaptive_metropolis,
    welford,
    windows,
)
from validation.exact.samplers.adaptation.windows import schedule_of

ACCEPTANCE = np.random.default_rng(3).uniform(size=40)
CHAIN = np.random.default_rng(4).normal(size=(40, 3)).cumsum(axis=0)


@contextmanager
def doubles():
    """Other programs that compute with jax do so in float64 here."""
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def test_dual_averaging_is_numpyros():
    util = pytest.importorskip("numpyro.infer.hmc_util")
    with doubles():
        init, update = util.dual_averaging()
        state, path = init(log(10 * 0.5)), dual_averaging.adapt(ACCEPTANCE, 0.5)
        for t, alpha in enumerate(ACCEPTANCE):
            state = update(0.8 - alpha, state)
            np.testing.assert_allclose([path.log_step[t], path.log_step_average[t]], state[:2], rtol=1e-12)


def test_the_previous_iterate_is_blackjaxs():
    """Its first average is the logarithm of the first step size, whatever the first acceptance was."""
    new, previous = (dual_averaging.adapt(ACCEPTANCE, 0.5, average=a) for a in ("new", "previous"))
    assert previous.log_step_average[0] == log(0.5)
    assert np.array_equal(new.log_step, previous.log_step)
    optimizers = pytest.importorskip("blackjax.optimizers.dual_averaging", reason="blackjax is not installed")
    with doubles():
        init, update, _ = optimizers.dual_averaging()
        state = init(0.5)
        for t, alpha in enumerate(ACCEPTANCE):
            state = update(state, 0.8 - alpha)
            np.testing.assert_allclose(previous.log_step_average[t], state.log_x_avg, rtol=1e-12)


def test_dual_averaging_finds_the_step_size_of_a_known_acceptance():
    """With acceptance exp(-eps) the step size of acceptance 0.8 is -log 0.8."""
    state = dual_averaging.init(5.0)
    for _ in range(20_000):
        state = dual_averaging.step(state, np.exp(-np.exp(state.log_step)))
    assert abs(float(state.log_step_average) - log(-log(0.8))) < 0.01


@pytest.mark.parametrize("count", [*range(1, 260), 299, 300, 301, 375, 1000, 2500])
def test_windows_are_numpyros(count):
    util = pytest.importorskip("numpyro.infer.hmc_util")
    wanted = [i for i, w in enumerate(util.build_adaptation_schedule(count)) for _ in range(w.start, w.end + 1)]
    found = windows.window(np.arange(count), count, schedule="numpyro")
    assert found.tolist() == wanted


def test_windows_without_buffers_and_of_every_length():
    for initial, first, last in ((0, 1, 0), (3, 2, 1), (0, 7, 5), (75, 25, 50)):
        for schedule in ("stan", "numpyro"):
            for count in range(0, 400, 7):
                found = windows.window(
                    np.arange(count), count, initial=initial, first=first, last=last, schedule=schedule
                )
                assert found.tolist() == list(schedule_of(count, initial, first, last, schedule))


def test_stan_keeps_a_first_window_that_numpyro_stretches():
    stan, numpyro = (windows.window(np.arange(151), 151, schedule=s) for s in ("stan", "numpyro"))
    assert np.bincount(stan).tolist() == [75, 25, 1, 50]
    assert np.bincount(numpyro).tolist() == [75, 26, 50]


def test_one_draw_at_a_time_is_the_stream():
    state, path = robbins_monro.init(2.0), robbins_monro.adapt(ACCEPTANCE, 2.0)
    for t, alpha in enumerate(ACCEPTANCE):
        state = robbins_monro.step(state, alpha)
        assert state.log_scale == path[t]
    moments, found = adaptive_covariance.init(CHAIN[0]), adaptive_covariance.adapt(CHAIN)
    for t, position in enumerate(CHAIN):
        moments = adaptive_covariance.step(moments, position)
        assert np.array_equal(adaptive_covariance.covariance(moments), found.covariance[t])
    assert np.array_equal(welford.estimate(moments).covariance, welford.adapt(CHAIN).covariance)


def test_haarios_recursion_is_the_covariance_of_the_chain():
    path, s, eps = adaptive_covariance.adapt(CHAIN), 5.76 / 3, 1e-6
    np.testing.assert_allclose(path.covariance[0], s * eps * np.eye(3), rtol=1e-15)
    for t in range(1, len(CHAIN)):
        c = s * np.cov(CHAIN[: t + 1].T) + s * eps * np.eye(3)
        np.testing.assert_allclose(path.covariance[t], c, rtol=1e-13, atol=1e-13 * np.abs(c).max())
        old, new, x = path.mean[t - 1], path.mean[t], CHAIN[t]
        step = t * np.outer(old, old) - (t + 1) * np.outer(new, new) + np.outer(x, x) + eps * np.eye(3)
        c = (t - 1) / t * path.covariance[t - 1] + s / t * step
        large = s * (np.outer(x, x) + np.outer(old, old) + np.outer(new, new)).max()  # the products that cancel
        np.testing.assert_allclose(path.covariance[t], c, rtol=1e-13, atol=4e-16 * large)


def test_stans_shrinkage_is_its_formula_and_numpyros():
    found, n = welford.adapt(CHAIN, shrinkage="stan").covariance, len(CHAIN)
    wanted = n / (n + 5) * np.cov(CHAIN.T) + 1e-3 * 5 / (n + 5) * np.eye(3)
    np.testing.assert_allclose(found, wanted, rtol=1e-13)
    util = pytest.importorskip("numpyro.infer.hmc_util")
    with doubles():
        init, update, final = util.welford_covariance(diagonal=False)
        state = init(3)
        for position in CHAIN:
            state = update(position, state)
        np.testing.assert_allclose(found, final(state, regularize=True)[0], rtol=1e-12)


def test_the_factor_of_a_long_robust_adaptation_is_a_cholesky_factor():
    normal, factor = np.random.default_rng(5).normal(size=(40, 3)), np.tril(np.full((3, 3), 0.5)) + np.eye(3)
    path, s = robust_adaptive_metropolis.adapt(ACCEPTANCE, normal, factor), factor
    for t, (alpha, z) in enumerate(zip(ACCEPTANCE, normal, strict=True)):
        rate = min(1.0, 3 * (t + 1) ** (-2 / 3))
        s = np.linalg.cholesky(s @ (np.eye(3) + rate * (alpha - 0.234) * np.outer(z, z) / (z @ z)) @ s.T)
        np.testing.assert_allclose(path[t], s, rtol=1e-11, atol=1e-12)


def test_nothing_and_too_little():
    assert dual_averaging.adapt(np.zeros((2, 0)), np.ones(2)).error.shape == (2, 0)
    assert robbins_monro.adapt(np.zeros((2, 0)), np.ones(2)).shape == (2, 0)
    assert adaptive_covariance.adapt(np.zeros((0, 3))).covariance.shape == (0, 3, 3)
    assert robust_adaptive_metropolis.adapt(np.zeros(0), np.zeros((0, 2)), np.eye(2)).shape == (0, 2, 2)
    mean, covariance = welford.adapt([[1.0, 2.0]])
    assert mean.tolist() == [1.0, 2.0]
    assert np.isnan(covariance).all()
    assert all(np.isnan(part).all() for part in welford.adapt(np.zeros((0, 2))))
    assert windows.window([0.5, nan, inf, -inf, 2.0], 30).tolist() == [-1, -1, -1, -1, 0]
    for start in (0.0, -1.0, nan):
        assert np.isnan(dual_averaging.adapt([0.5], start).log_step).all()
        assert np.isnan(robbins_monro.adapt([0.5], start)).all()
    assert np.isnan(robust_adaptive_metropolis.adapt([0.5], [[0.0, 0.0]], np.eye(2))).any()


@pytest.mark.parametrize("threshold", [0.5, 0.8])
@pytest.mark.parametrize("scale", [1e-6, 0.3, 1.0, 40.0, 1e9])
def test_a_reasonable_step_size_lies_across_the_threshold(scale, threshold):
    def crosses(eps):
        return exp(-((eps / scale) ** 2)) > threshold

    found = reasonable_step_size(lambda eps: -((eps / scale) ** 2), threshold=threshold)
    assert crosses(found) is not crosses(1.0)
    assert crosses(found / 2 if crosses(1.0) else 2 * found) is crosses(1.0)
    assert log2(found) == round(log2(found))


@pytest.mark.parametrize("ratio", [nan, -inf, 0.0, inf])
def test_no_reasonable_step_size(ratio):
    with pytest.raises(ValueError, match="log_accept_ratio must cross"):
        adaptation.reasonable_step_size(lambda eps: ratio)


BAD = [
    (dual_averaging.adapt, (0.5, 1.0), {}, ValueError, "acceptance"),
    (dual_averaging.adapt, ([0.5], [1.0, 2.0]), {}, ValueError, "step_size"),
    (dual_averaging.adapt, ([0.5], 1.0), {"kappa": 0.0}, ValueError, "kappa"),
    (dual_averaging.adapt, ([0.5], 1.0), {"target": 1.0}, ValueError, "target"),
    (dual_averaging.adapt, ([0.5], 1.0), {"average": "old"}, ValueError, "average"),
    (robbins_monro.adapt, ([0.5], 1.0), {"gain": nan}, ValueError, "gain"),
    (welford.adapt, ([0.5],), {}, ValueError, "position"),
    (adaptive_covariance.adapt, ([[0.5]],), {"regularization": -1.0}, ValueError, "regularization"),
    (adaptive_covariance.adapt, ([[0.5]],), {"regularization": -5e-324}, ValueError, "regularization"),
    (adaptive_covariance.adapt, ([[0.5]],), {"regularization": inf}, ValueError, "regularization"),
    (adaptive_covariance.adapt, ([[0.5]],), {"regularization": nan}, ValueError, "regularization"),
    (dual_averaging.step, (dual_averaging.init(1.0), 0.5), {"average": "old"}, ValueError, "average"),
    (robust_adaptive_metropolis.adapt, ([0.5], [[0.5]], np.eye(2)), {}, ValueError, "factor"),
    (robust_adaptive_metropolis.adapt, ([0.5, 0.5], [[0.5]], np.eye(1)), {}, ValueError, "acceptance"),
    (windows.window, ("a", 10), {}, TypeError, "draw"),
    (windows.window, (0, 10), {"first": 0}, ValueError, "first"),
    (windows.window, (0, 10), {"last": 1.5}, TypeError, "last"),
    (reasonable_step_size, (abs,), {"threshold": 1.5}, ValueError, "threshold"),
]


@pytest.mark.parametrize(("function", "args", "constants", "error", "named"), BAD)
def test_bad_input_is_named(function, args, constants, error, named):
    with pytest.raises(error, match=f"^{named} must"):
        function(*args, **constants)
