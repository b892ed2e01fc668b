"""The diagnostics are those of arviz-stats; without it, what they are where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from refengine.samplers import diagnostics


def autoregressive(phi, chains, count, seed=0):
    noise = np.random.default_rng(seed).normal(size=(chains, count))
    x = noise.copy()
    for t in range(1, count):
        x[:, t] = phi * x[:, t - 1] + np.sqrt(1 - phi**2) * noise[:, t]
    return x


RNG = np.random.default_rng(1)
STREAMS = {
    "independent": RNG.normal(size=(4, 100)),
    "odd": RNG.normal(size=(3, 101)),
    "shortest": RNG.normal(size=(2, 4)),
    "short": RNG.normal(size=(4, 5)),
    "seven": RNG.normal(size=(2, 7)),
    "one chain": RNG.normal(size=(1, 60)),
    "slow": autoregressive(0.95, 4, 500),
    "antithetic": autoregressive(-0.9, 4, 500),
    "apart": RNG.normal(size=(4, 50)) + np.arange(4)[:, None] * 3,
    "wider": RNG.normal(size=(4, 50)) * np.array([[1], [1], [1], [9]]),
    "heavy": RNG.standard_cauchy(size=(4, 80)),
    "ties": RNG.integers(0, 4, size=(4, 60)).astype(float),
    "two values": RNG.integers(0, 2, size=(2, 30)).astype(float),
    "constant": np.full((3, 20), 0.1),
    "constant chains": np.broadcast_to(np.arange(3.0)[:, None], (3, 20)).copy(),
    "nearly constant": 1 + 2.0**-52 * RNG.integers(0, 2, size=(2, 20)),
    "far away": 1e8 + RNG.normal(size=(4, 64)),
    "nan": np.where(np.arange(40).reshape(2, 20) == 33, np.nan, RNG.normal(size=(2, 20))),
    "all nan": np.full((2, 20), np.nan),
    "infinite": np.where(np.arange(40).reshape(2, 20) == 33, np.inf, RNG.normal(size=(2, 20))),
    "too short": RNG.normal(size=(2, 3)),
    "trend": np.arange(40.0).reshape(2, 20),
}
CALLS = {
    "r_hat": (diagnostics.r_hat, "rhat", {}),
    "ess_bulk": (diagnostics.ess_bulk, "ess", {"method": "bulk"}),
    "ess_tail": (diagnostics.ess_tail, "ess", {"method": "tail", "prob": (0.05, 0.95)}),
    "ess_mean": (diagnostics.ess_mean, "ess", {"method": "mean"}),
    "ess_median": (lambda x: diagnostics.ess_quantile(x, 0.5), "ess", {"method": "quantile", "prob": 0.5}),
    "mcse_mean": (diagnostics.mcse_mean, "mcse", {"method": "mean"}),
    "mcse_sd": (diagnostics.mcse_sd, "mcse", {"method": "sd"}),
    "mcse_0.1": (lambda x: diagnostics.mcse_quantile(x, 0.1), "mcse", {"method": "quantile", "prob": 0.1}),
    "mcse_0.5": (lambda x: diagnostics.mcse_quantile(x, 0.5), "mcse", {"method": "quantile", "prob": 0.5}),
    "mcse_0.97": (lambda x: diagnostics.mcse_quantile(x, 0.97), "mcse", {"method": "quantile", "prob": 0.97}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("name", CALLS)
def test_equal_to_arviz_stats(name, stream):
    base = pytest.importorskip("arviz_stats.base", reason="arviz-stats is not installed")
    ours, theirs, constants = CALLS[name]
    wanted = getattr(base.array_stats, theirs)(STREAMS[stream], **constants)
    np.testing.assert_allclose(ours(STREAMS[stream]), wanted, rtol=1e-12, atol=0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("stream", ["independent", "slow", "constant", "nan", "shortest"])
def test_bfmi_is_that_of_arviz_stats(stream):
    base = pytest.importorskip("arviz_stats.base", reason="arviz-stats is not installed")
    np.testing.assert_allclose(
        diagnostics.bfmi(STREAMS[stream]), base.array_stats.bfmi(STREAMS[stream]), rtol=1e-12, atol=0
    )


def test_every_element_is_judged_by_itself():
    draws = np.stack([STREAMS["slow"], STREAMS["antithetic"]], axis=-1)[..., None]
    for function, *_ in CALLS.values():
        found = function(draws)
        assert found.shape == (2, 1)
        assert [function(STREAMS[name]) for name in ("slow", "antithetic")] == found.ravel().tolist()
    assert diagnostics.r_hat(np.zeros((2, 8, 0, 3))).shape == (0, 3)


def test_what_independent_slow_and_antithetic_draws_know():
    """The correlation time of an autoregression is (1 + phi) / (1 - phi)."""
    for phi in (0.0, 0.6, -0.4):
        draws = autoregressive(phi, 4, 10_000)
        wanted = 40_000 * (1 - phi) / (1 + phi)
        assert abs(float(diagnostics.ess_bulk(draws)) / wanted - 1) < 0.12
        assert float(diagnostics.r_hat(draws)) < 1.002


def test_the_error_of_the_standard_deviation_of_antithetic_draws():
    """Their squares are positively correlated: the spread of standard deviations over runs is that of "squares"."""
    draws = autoregressive(-0.9, 200, 1000)
    spread = np.std(np.std(draws, axis=1, ddof=1), ddof=1)
    found = {
        effective: np.mean([float(diagnostics.mcse_sd(d[None], effective=effective)) for d in draws[:40]])
        for effective in ("draws", "squares")
    }
    assert 0.8 < found["squares"] / spread < 1.2
    assert found["draws"] / spread < 0.6


def test_strict_arrays_give_the_same():
    strict = pytest.importorskip("array_api_strict")
    for function, *_ in CALLS.values():
        for name in ("odd", "ties", "constant", "nan"):
            np.testing.assert_array_equal(np.asarray(function(strict.asarray(STREAMS[name]))), function(STREAMS[name]))
    assert np.array_equal(
        np.asarray(diagnostics.bfmi(strict.asarray(STREAMS["odd"]))), diagnostics.bfmi(STREAMS["odd"])
    )


@pytest.mark.parametrize(
    ("function", "args", "constants", "error", "named"),
    [
        (diagnostics.r_hat, (np.zeros(8),), {}, ValueError, "draws"),
        (diagnostics.r_hat, ([["a"] * 4] * 2,), {}, TypeError, "draws"),
        (diagnostics.bfmi, (np.zeros((2, 3, 4)),), {}, ValueError, "energy"),
        (diagnostics.ess_quantile, (np.zeros((2, 8)), 1.5), {}, ValueError, "probability"),
        (diagnostics.mcse_quantile, (np.zeros((2, 8)), np.nan), {}, ValueError, "probability"),
        (diagnostics.ess_tail, (np.zeros((2, 8)),), {"probabilities": (0.1, 2)}, ValueError, "probabilities"),
        (diagnostics.mcse_sd, (np.zeros((2, 8)),), {"effective": "mean"}, ValueError, "effective"),
    ],
)
def test_bad_input_is_named(function, args, constants, error, named):
    with pytest.raises(error, match=f"^{named} must"):
        function(*args, **constants)
