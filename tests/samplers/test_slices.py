"""The slice samplers run backwards: the noise that leads home has the same density as the noise that led away.

The level is the same height under both points, so that :math:`\\pi(x) du_0 = \\pi(x') du_0'`; the bracket of the way
back has the same ends, from another place and share; the tries that fail are the same numbers, and the one that
succeeds lies in the same bracket, whose width is the density of both.
"""

import numpy as np
import pytest

from refengine.samplers import elliptical_slice, slice
from refengine.samplers.targets import logistic_regression
from tests.samplers.calls import mutant

CHAINS, TRIES, STEPS = 500, 4, 3
TARGET = logistic_regression.target(np.array([[3.0, 0.5], [-0.5, 4.0], [2.5, -3.0]]), np.array([1, 0, 1]), 0.8)
DIRECTION, FACTOR = np.array([0.5, 0.3]), np.array([[0.9, 0.0], [0.4, 1.1]])


def starts(sampler):
    rng = np.random.default_rng(0)
    state = sampler.init(rng.normal(size=(CHAINS, 2)), TARGET)
    return state, sampler.noise(rng, state, TRIES)


def tries_home(low, high, tries, failures):
    """The tries with the one after the failures replaced by the number that leads to 0 in its bracket."""
    tries = tries.copy()
    for k in range(TRIES):
        point = low + tries[:, k] * (high - low)
        last = failures == k
        tries[last, k] = (-low / (high - low))[last]
        low, high = np.where(point < 0, point, low), np.where(point < 0, high, point)
    return tries


def slice_error(sampler, **options):
    state, noise = starts(sampler)
    run = {"max_steps": STEPS, **options}
    after, told = sampler.step(state, noise, TARGET, DIRECTION, **run)
    assert {1, 2, TRIES} <= set(told.tries.tolist())
    shift = np.floor(told.offset + noise.place)  # by so many widths the other start of the bracket lies to the right
    steps = np.floor(STEPS * noise.share) + shift
    back = sampler.Noise(
        np.exp(told.log_level - after.log_density),
        told.offset + noise.place - shift,
        (steps + 0.5) / STEPS,
        tries_home(told.left, told.right, noise.tries, told.tries - 1),
    )
    home, found = sampler.step(after, back, TARGET, DIRECTION, **run)
    inside = (steps >= 0) & (steps < STEPS)
    ends = [found.left + told.offset - told.left, found.right + told.offset - told.right, found.tries - told.tries]
    errors = [home.position - state.position, np.stack(ends, -1)]
    return max(np.abs(np.where((told.accepted & inside)[:, None], e, 0)).max() for e in errors) + np.sum(
        told.accepted & ~inside
    )


def test_slice_sampling_leads_home():
    assert slice_error(slice) < 1e-12


def test_the_bracket_from_the_point_does_not_lead_home():
    assert slice_error(slice, bracket="from_point") > 1e-2


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("1.0, most - 1 - left_steps, most, inside", "1.0, 0 * left_steps + most, most, inside"),
        ("left = _stepped(xp, -place, -1.0", "left = _stepped(xp, -place, -0.5"),
        ("log_level = log_density + xp.log(u)", "log_level = log_density - 0.3"),
    ],
    ids=["no_share", "half_a_step", "level"],
)
def test_planted_mistakes_of_slice_sampling_are_found(right, wrong):
    assert slice_error(mutant(slice, right, wrong)) > 1e-2


def elliptical_error(sampler):
    state, noise = starts(sampler)
    after, told = sampler.step(state, noise, TARGET, FACTOR)
    assert {1, 2, TRIES} <= set(told.tries.tolist())
    cosine, sine = np.cos(told.angle)[:, None], np.sin(told.angle)[:, None]
    other = told.ellipse * cosine - state.position * sine
    first = np.where(told.tries == 1, 1 - noise.angle, noise.angle - told.angle / (2 * np.pi))
    whitened = np.linalg.solve(FACTOR, np.stack([state.position, told.ellipse, after.position, other], -1))
    squares = np.sum(whitened**2, axis=1)
    prior = squares[:, 0] + squares[:, 1] - squares[:, 2] - squares[:, 3]
    start = 2 * np.pi * noise.angle  # the upper end, whether or not the first angle fails
    tries = tries_home(start - 2 * np.pi, start, noise.tries, told.tries - 2)
    back = sampler.Noise(whitened[:, :, 3], np.exp(told.log_level - after.log_density), first, tries)
    home, found = sampler.step(after, back, TARGET, FACTOR)
    errors = [home.position - state.position, np.stack([prior, found.tries - told.tries], -1)]
    return max(np.abs(np.where(told.accepted[:, None], e, 0)).max() for e in errors)


def test_elliptical_slice_sampling_leads_home():
    assert elliptical_error(elliptical_slice) < 1e-11


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("x * xp.cos(angle)[..., None] + ellipse", "x + ellipse"),
        ("first - 2 * pi,", "-first,"),
        ("log_level = log_density + xp.log(u)", "log_level = log_density - 0.3"),
    ],
    ids=["no_cosine", "bracket", "level"],
)
def test_planted_mistakes_of_elliptical_slice_sampling_are_found(right, wrong):
    assert elliptical_error(mutant(elliptical_slice, right, wrong)) > 1e-2
