"""Importance sampling by quadrature over its noise: what a draw weighs makes every expectation exact."""

import numpy as np
import pytest

from refengine.samplers import _chains, _weights, importance
from refengine.samplers.targets import gaussian
from tests.samplers.calls import mutant

PRECISION, MEAN = np.array([[1.7, 0.4], [0.4, 1.1]]), np.array([0.3, -0.2])
LOC, SCALE = np.array([-0.1, 0.2]), np.array([1.3, 1.6])


def weighing_error(sampler):
    """E_q[w f] against the integral of the target times f, for f = 1, x, x x'; two-dimensional, on a grid of noise."""
    z = np.linspace(-9, 9, 121)
    grid = np.stack(np.meshgrid(z, z, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(-np.sum(grid**2, axis=-1) / 2)
    value = sampler.step(sampler.Noise(grid[:, None, :]), gaussian.target(MEAN, PRECISION), LOC, SCALE)
    weighed = density / density.sum() * np.exp(value.state.log_weight[:, 0])
    x, normaliser = value.state.position[:, 0], 2 * np.pi / np.sqrt(np.linalg.det(PRECISION))
    first = weighed @ x / normaliser
    second = x.T @ (weighed[:, None] * x) / normaliser - np.outer(MEAN, MEAN)
    found = [weighed.sum() / normaliser - 1, *(first - MEAN), *(second - np.linalg.inv(PRECISION)).ravel()]
    np.testing.assert_allclose(value.info.log_evidence, value.state.log_weight[:, 0], rtol=1e-14)  # of one draw
    return np.abs(found).max()


def test_weighed_draws_have_the_expectations_of_the_target():
    assert weighing_error(importance) < 1e-12


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("log_weight = density - log_q", "log_weight = density + log_q"),
        ("log_weight = density - log_q", "log_weight = density"),
        ("x = m + s * z\n", "x = m + s * s * z\n"),
    ],
    ids=["sign", "no_proposal", "variance"],
)
def test_planted_mistakes_of_weights_are_found(right, wrong):
    assert weighing_error(mutant(importance, right, wrong)) > 1e-2


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("/ 2 - xp.sum(xp.log(scale))", "/ 2 + xp.sum(xp.log(scale))"),
        ("- z.shape[-1] * log(2 * pi) / 2", "- log(2 * pi) / 2"),
    ],
    ids=["scale", "one_coordinate"],
)
def test_planted_mistakes_of_the_proposal_are_found(monkeypatch, right, wrong):
    monkeypatch.setattr(importance, "normal_log_q", mutant(_chains, right, wrong).normal_log_q)
    assert weighing_error(importance) > 1e-2


def summary_error(weights):
    """Of normalised weights, log mean and effective number against their definitions."""
    log_weights = np.random.default_rng(0).normal(size=(5, 7)) * 2 + 700
    found = weights.weigh(np, log_weights)
    w = np.exp(log_weights - 700)
    wanted = w / w.sum(-1, keepdims=True), np.log(w.mean(-1)) + 700, w.sum(-1) ** 2 / (w**2).sum(-1)
    return max(np.abs(a - b).max() for a, b in zip(found, wanted, strict=True))


def test_what_is_told_of_the_weights():
    assert summary_error(_weights) < 1e-12


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("- log(log_weights.shape[-1]) + top", "+ top"),
        ("1 / xp.sum(weights * weights, axis=-1)", "1 / xp.max(weights, axis=-1)"),
        ("weights = scaled / total[..., None]", "weights = scaled"),
    ],
    ids=["sum_for_mean", "perplexity", "not_normalised"],
)
def test_planted_mistakes_of_the_summary_are_found(right, wrong):
    assert summary_error(mutant(_weights, right, wrong)) > 1e-2
