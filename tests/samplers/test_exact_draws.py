"""Samplers that are started from exact draws of the target, or draw from it: the means must stay where they are."""

import numpy as np
import pytest

from refengine.samplers import adaptive_rejection, elliptical_slice, rejection, slice
from refengine.samplers.targets import gaussian
from tests.samplers.calls import mutant

ONE = np.ones(1)
NORMAL = gaussian.target(np.array([0.3]), np.array([[1.7]]))


def f(position):
    return np.sin(1.3 * position[..., 0]) + position[..., 0] ** 2


def z_score(sampler, move, target=NORMAL, chains=200_000):
    """The change of E f in its standard deviations."""
    rng = np.random.default_rng(0)
    x = 0.3 + rng.normal(size=(chains, 1)) / np.sqrt(1.7)
    change = f(move(rng, sampler.init(x, target)).position) - f(x)
    return abs(change.mean()) / (change.std() / np.sqrt(chains))


def test_slice_sampling_from_exact_draws():
    def move(rng, state, bracket="from_left"):
        noise = slice.noise(rng, state, tries=3)
        return slice.step(state, noise, NORMAL, 0.8 * ONE, max_steps=3, bracket=bracket).state

    assert z_score(slice, move) < 4
    assert z_score(slice, lambda rng, state: move(rng, state, "from_point")) > 20


def test_elliptical_slice_sampling_from_exact_draws():
    likelihood = gaussian.target(np.array([0.51 / 0.7]), np.array([[0.7]]))  # with a standard normal prior: NORMAL

    def move(rng, state):
        return elliptical_slice.step(state, elliptical_slice.noise(rng, state, 3), likelihood, np.eye(1)).state

    def mistaken(rng, state):
        return elliptical_slice.step(state, elliptical_slice.noise(rng, state, 3), likelihood, 1.2 * np.eye(1)).state

    assert z_score(elliptical_slice, move, likelihood) < 4
    assert z_score(elliptical_slice, mistaken, likelihood) > 20


def moment_scores(drawn):
    """Mean and variance of draws of NORMAL, in their standard deviations."""
    mean, variance = (drawn.mean() - 0.3) * np.sqrt(1.7 * len(drawn)), (drawn.var() * 1.7 - 1) / np.sqrt(2 / len(drawn))
    return max(abs(mean), abs(variance))


def rejection_draws(sampler):
    rng, chains = np.random.default_rng(0), 100_000
    state = sampler.init(np.full((chains, 1), np.nan), NORMAL)
    loc, scale = np.zeros(1), np.array([1.5])
    bound = np.log(1.5) + np.log(2 * np.pi) / 2 + 0.3**2 * 1.7 / (2 * (1.7 * 1.5**2 - 1))
    return sampler.step(state, sampler.noise(rng, state, 8), NORMAL, loc, scale, log_bound=bound)


def test_rejection_draws_the_target():
    after, info = rejection_draws(rejection)
    assert info.log_accept_ratio.max() <= 1e-12
    assert moment_scores(after.position[info.accepted][:, 0]) < 4
    assert np.all(np.isnan(after.position[~info.accepted]))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("log_ratio = (densities - log_bound) - log_q", "log_ratio = (densities - log_bound) + 0 * log_q"),
        ("kept = accept(xp, u, log_ratio)", "kept = accept(xp, u * u, log_ratio)"),
    ],
    ids=["no_proposal", "another_uniform"],
)
def test_planted_mistakes_of_rejection_are_found(right, wrong):
    after, info = rejection_draws(mutant(rejection, right, wrong))
    assert moment_scores(after.position[info.accepted][:, 0]) > 20


def accepted_draws(points, sampler=adaptive_rejection, **ends):
    rng, hulls = np.random.default_rng(0), 100_000
    state = sampler.init(np.broadcast_to(np.array(points), (hulls, len(points))), NORMAL)
    after, info = sampler.step(state, sampler.noise(rng, state), NORMAL, **ends)
    if sampler is adaptive_rejection:
        assert np.all(info.hull >= info.log_density - 1e-12)
        assert np.all(info.chord <= info.log_density + 1e-12)
        assert np.all(info.accepted | ~info.squeezed)
        assert np.all(np.diff(after.abscissae, axis=-1) > 0)
    return info.draw[info.accepted]


def test_adaptive_rejection_draws_the_target():
    assert moment_scores(accepted_draws([-1.0, 0.2, 1.5])) < 4


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("density - hull\n", "0 * density - 0.3\n"),
        (
            "down = left + _log_mixed(xp, choice.part, choice.rest, growth) / slope",
            "down = left + choice.part / xp.abs(slope)",
        ),
    ],
    ids=["everything_accepted", "uniform"],
)
def test_planted_mistakes_of_adaptive_rejection_are_found(right, wrong):
    assert moment_scores(accepted_draws([-1.0, 0.2, 1.5], mutant(adaptive_rejection, right, wrong))) > 20


def test_adaptive_rejection_between_two_ends():
    drawn = accepted_draws([0.1, 0.5], lower=0.0, upper=1.0)
    x = np.linspace(0, 1, 20001)
    density = np.exp(-1.7 * (x - 0.3) ** 2 / 2)
    mean = (x * density).sum() / density.sum()
    spread = np.sqrt(((x - mean) ** 2 * density).sum() / density.sum())
    assert abs(drawn.mean() - mean) < 4 * spread / np.sqrt(len(drawn))
    assert 0 < drawn.min() < drawn.max() < 1
