"""The posterior of the documentation: its exact values by another rule, every sampler's estimate, the warm-up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from refengine.samplers import diagnostics, hamiltonian
from refengine.samplers.adaptation import windows
from tests import examples


@pytest.fixture(scope="module")
def example() -> Any:
    return examples.example("posterior")


def in_the_cold(example: Any) -> Any:
    return lambda b: example.probability(b, [example.COLD])[:, 0]


def test_the_quadrature_is_that_of_another_rule(example: Any) -> None:
    """Gauss and Legendre's, over a window that is wider."""
    target, (z, w) = example.posterior(), np.polynomial.legendre.leggauss(360)
    grid = np.stack(np.meshgrid(14 * z - 3, 25 * z - 7, indexing="ij"), axis=-1).reshape(-1, 2)
    log_density = target.log_density(grid, *target.parameters)
    weight = 14 * 25 * np.outer(w, w).ravel() * np.exp(log_density - log_density.max())
    mean = np.sum(weight * in_the_cold(example)(grid)) / np.sum(weight)
    evidence = np.log(np.sum(weight)) + log_density.max()
    found, log_evidence = example.quadrature(in_the_cold(example))
    assert found == pytest.approx(mean, rel=1e-12)
    assert log_evidence == pytest.approx(evidence, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "draws"),
    [
        ("MALA", 600),
        ("HMC", 300),
        pytest.param("random walk", 1000, marks=pytest.mark.slow),
        pytest.param("NUTS", 60, marks=pytest.mark.slow),
    ],
)
def test_every_sampler_is_within_its_standard_error(example: Any, name: str, draws: int) -> None:
    found = example.sample(name, draws=draws, tuned=120)
    p = example.probability(found.draws, [example.COLD])[..., 0]
    assert found.draws.shape == (example.CHAINS, draws, 2)
    assert abs(p.mean() - example.exact()) < 5 * float(diagnostics.mcse_mean(p))
    mean, _ = example.quadrature(lambda b: b)
    z = (found.draws.mean(axis=(0, 1)) - mean) / diagnostics.mcse_mean(found.draws)
    assert np.abs(z).max() < 5
    assert diagnostics.r_hat(found.draws).max() < 1.1


def test_the_warm_up_finds_metric_and_step_size(example: Any) -> None:
    sampler, target, rng = example.SAMPLERS["HMC"], example.posterior(), np.random.default_rng(7)
    state = hamiltonian.init(np.zeros((4, 2)), target)
    state, metric, step_size = example.warm_up(sampler, target, state, rng, 300)
    mean, _ = example.quadrature(lambda b: b)
    variance, _ = example.quadrature(lambda b: (b - mean) ** 2)
    assert np.all(np.abs(np.log(metric / variance)) < 0.7)
    accepted = []
    for _ in range(60):
        given = sampler.given(metric, step_size)
        state, info = hamiltonian.step(state, hamiltonian.noise(rng, state), target, **given)
        accepted.append(example.acceptance(info))
    assert sampler.aim - 0.05 < np.mean(accepted) < 0.98  # the average lies below where acceptance falls steeply


def test_the_metric_changes_at_the_ends_of_windows(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    sampler = example.SAMPLERS["HMC"]
    watched = sampler._replace(given=lambda metric, h: seen.append(metric.copy()) or sampler.given(metric, h))
    state = hamiltonian.init(np.zeros((4, 2)), example.posterior())
    example.warm_up(watched, example.posterior(), state, np.random.default_rng(8), 150)
    changed = [t for t in range(1, 150) if not np.array_equal(seen[t], seen[t - 1])]
    number = windows.window(np.arange(150), 150)
    slow = [t + 1 for t in range(149) if number[t] != number[t + 1] and number[t] > 0]
    assert changed == slow


def test_the_sensitivity_is_the_slope_of_the_posterior_mean(example: Any) -> None:
    """With weights of the quadrature in the place of draws, the covariance is the derivative."""
    target, h = example.posterior(), 2e-2
    parameters = target.parameters

    def both(b: Any) -> Any:
        p = in_the_cold(example)(b)
        slope = np.sum(b**2, axis=-1) / parameters[2] ** 3
        return np.stack([p, slope, p * slope], axis=-1)

    (p, slope, product), _ = example.quadrature(both)
    at = {k: example.quadrature(in_the_cold(example), example.PRIOR_SCALE + k * h)[0] for k in (-3, -2, -1, 1, 2, 3)}
    differences = [at[k] - at[-k] for k in (1, 2, 3)]  # of sixth order
    assert product - p * slope == pytest.approx(np.dot([45, -9, 1], differences) / (60 * h), rel=1e-9)
    draws = example.sample("HMC", draws=400, tuned=120).draws
    chance = in_the_cold(example)(draws.reshape(-1, 2)).reshape(draws.shape[:2])
    bend = np.sum(draws**2, axis=-1) / parameters[2] ** 3
    error = diagnostics.mcse_mean((chance - chance.mean()) * (bend - bend.mean()))
    assert abs(example.sensitivity(draws) - (product - p * slope)) < 4 * error < product - p * slope
