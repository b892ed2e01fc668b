"""Invariance without chance: E f after a step is E f before it, by quadrature that knows where acceptance has kinks."""

import numpy as np
import pytest

from refengine.samplers import (
    ghmc,
    hamiltonian,
    independence,
    mala,
    preconditioned_mala,
    random_walk,
    smc,
)
from refengine.samplers.targets import logistic_regression
from tests.samplers.calls import mutant

TARGET = logistic_regression.target(np.array([[2.0], [-0.7], [1.1]]), np.array([1, 0, 0]), 1.2)
X = np.linspace(-9, 9, 361)
WIDTH, CELLS = 9.0, np.linspace(-9.0, 9.0, 577)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)
CONVENTIONS = ("epsilon", "half_epsilon", "half_epsilon_squared")


def f(x):
    return np.sin(1.3 * x) + 0.2 * x * x


def log_density(x, power=1.0):
    return power * TARGET.log_density(x[:, None], *TARGET.parameters)


def normalised(log_weights):
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def expectation(weights, after, log_ratio):
    """Of after(rows, z) over the weights of the rows X and a standard normal z, cut where the log ratio is 0.

    A kink of min(1, r) costs a rule with equal steps all but two powers of the step. Between the zeros, found by
    bisection, the integrand is smooth.
    """
    rows, cells = (a.ravel() for a in np.meshgrid(np.arange(len(X)), CELLS, indexing="ij"))
    above = (log_ratio(rows, cells) > 0).reshape(len(X), -1)
    row, cell = np.nonzero(above[:, 1:] != above[:, :-1])
    low, high, sign = CELLS[cell], CELLS[cell + 1], above[row, cell]
    for _ in range(50):
        middle = (low + high) / 2
        same = (log_ratio(row, middle) > 0) == sign
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    cuts = [np.unique(np.concatenate([CELLS[::96], low[row == r]])) for r in range(len(X))]
    left, right = np.concatenate([c[:-1] for c in cuts]), np.concatenate([c[1:] for c in cuts])
    where = np.repeat(np.arange(len(X)), [len(c) - 1 for c in cuts])
    z = (left + right)[:, None] / 2 + (right - left)[:, None] / 2 * NODES
    weight = (right - left)[:, None] / 2 * WEIGHTS * np.exp(-z * z / 2) / np.sqrt(2 * np.pi) * weights[where, None]
    return np.sum(weight.ravel() * after(np.repeat(where, len(NODES)), z.ravel()))


def drift(sampler, *shared, told=lambda info, x: info.log_accept_ratio, **constants):
    """E f after a step less E f before; the decision is integrated by its probability."""

    def step(rows, z):
        x = X[rows, None]
        noise = sampler.Noise(z[:, None], np.full(len(rows), 0.5))
        return sampler.step(sampler.init(x, TARGET), noise, TARGET, *shared, **constants).info

    def change(rows, z):
        info = step(rows, z)
        probability = np.exp(np.minimum(told(info, X[rows]), 0))
        return probability * (f(info.proposal[:, 0]) - f(X[rows]))

    return abs(expectation(normalised(log_density(X)), change, lambda rows, z: told(step(rows, z), X[rows])))


ONE = np.ones(1)
CALLS = {
    "random_walk": (random_walk, (), {"scale": 0.9}),
    "independence": (independence, (np.array([-0.4]), np.array([1.3])), {}),
    "hamiltonian": (hamiltonian, (0.6 * ONE,), {"step_size": 0.9, "steps": 3}),
    "preconditioned_mala": (preconditioned_mala, (np.array([[0.8]]),), {"step_size": 0.7}),
    **{f"mala_{c}": (mala, (), {"step_size": 0.8, "step_size_convention": c}) for c in CONVENTIONS},
}


@pytest.mark.parametrize("name", CALLS)
def test_invariance_by_quadrature(name):
    sampler, shared, constants = CALLS[name]
    assert drift(sampler, *shared, **constants) < 1e-7


@pytest.mark.parametrize("name", ["independence", "preconditioned_mala", "mala_epsilon"])
def test_a_swapped_proposal_density_is_found(name):
    sampler, shared, constants = CALLS[name]

    def swapped(info, x):
        return info.proposal_log_density - log_density(x) + info.log_q_forward - info.log_q_reverse

    assert drift(sampler, *shared, told=swapped, **constants) > 1e-2


def test_a_walk_that_is_pulled_back_is_found():
    sampler, shared, constants = CALLS["random_walk"]
    assert drift(mutant(sampler, "y = x + scale * z", "y = 0.8 * x + scale * z"), *shared, **constants) > 1e-2


def test_a_last_half_kick_that_is_left_out_is_found(monkeypatch):
    leapfrog = hamiltonian.leapfrog

    def mistaken(xp, target, x, slope, p, w, epsilon, steps):
        path = leapfrog(xp, target, x, slope, p, w, epsilon, steps)
        return path._replace(kick=path.kick - epsilon / 2 * path.gradients[-1])

    monkeypatch.setattr(hamiltonian, "leapfrog", mistaken)
    sampler, shared, constants = CALLS["hamiltonian"]
    assert drift(sampler, *shared, **constants | {"step_size": 1.0}) > 1e-2


def ghmc_drift(on_reject, sampler=ghmc):
    """Of q and p together, whose product a momentum that is not reversed changes; nothing is refreshed."""
    given = {"step_size": 1.6, "persistence": 1.0, "on_reject": on_reject}

    def step(rows, p, uniform):
        state = sampler.State(*ghmc.init(X[rows, None], TARGET, p[:, None]))
        return sampler.step(state, sampler.Noise(0 * p[:, None], np.full(len(p), uniform)), TARGET, ONE, **given)

    def change(rows, p):
        accepted, rejected = (step(rows, p, u) for u in (0.0, 1.0))
        chance = np.exp(np.minimum(accepted.info.log_accept_ratio, 0))
        moved, stayed = (np.sin(s.state.position + 0.4 * s.state.momentum)[:, 0] for s in (accepted, rejected))
        return chance * moved + (1 - chance) * np.where(chance < 1, stayed, 0) - np.sin(X[rows] + 0.4 * p)

    weights = normalised(log_density(X))
    return abs(expectation(weights, change, lambda rows, p: step(rows, p, 0.5).info.log_accept_ratio))


def test_the_momentum_must_turn_round_where_a_trajectory_is_rejected():
    assert ghmc_drift("flip") < 1e-7
    assert ghmc_drift("keep") > 1e-2


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("begun = x, log_density, slope, kept * p", "begun = x, log_density, slope, p"),
        ("mixed[0] * before", "mixed[0] / 4 * before"),
    ],
    ids=["not_reversed", "damped"],
)
def test_planted_mistakes_of_ghmc_are_found(right, wrong):
    assert ghmc_drift("flip", mutant(ghmc, right, wrong)) > 1e-2


def test_a_refreshed_momentum_has_the_variance_of_the_old_one():
    w, alpha = np.array([0.4]), 0.6

    def refreshed(p, z):
        state = ghmc.init(np.zeros(1), TARGET, np.array([p]))
        noise = ghmc.Noise(np.array([z]), np.array(0.5))
        return ghmc.step(state, noise, TARGET, w, step_size=0.1, persistence=alpha).info.momentum[0]

    assert refreshed(1.0, 0.0) ** 2 / w[0] + refreshed(0.0, 1.0) ** 2 == pytest.approx(1 / w[0], rel=1e-14)
    assert refreshed(1.0, 0.0) == alpha


def tempered_drift(sampler, before=0.3, after=0.8):
    """Of one particle of the density at one temperature: what it weighs times f after its move, for the next one."""
    prior = -X * X / 2

    def step(rows, z):
        start = sampler.init(X[rows, None, None], TARGET)
        half = np.full((len(rows), 1), 0.5)
        noise = sampler.Noise(half, z[:, None, None], half)
        return sampler.step(start, noise, TARGET, before=before, after=after, scale=0.9, threshold=0.0)

    def weighed(rows, z):
        value = step(rows, z)
        chance = np.exp(np.minimum(value.info.log_accept_ratio[:, 0], 0))
        moved = chance * f(value.info.proposals[:, 0, 0]) + (1 - chance) * f(X[rows])
        return np.exp(value.state.log_evidence) * moved

    found = expectation(
        normalised(prior + log_density(X, before)), weighed, lambda rows, z: step(rows, z).info.log_accept_ratio[:, 0]
    )
    there, here = np.exp(prior + log_density(X, after)), np.exp(prior + log_density(X, before))
    return abs(found - np.sum(there * f(X)) / np.sum(here))


def test_a_weighed_and_moved_particle_is_of_the_next_temperature():
    assert tempered_drift(smc) < 1e-7


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("(after - before) * density", "(before - after) * density"),
        ("ratio = after * (proposed - density)", "ratio = before * (proposed - density)"),
        ("- xp.sum(moved * (x + moved / 2), axis=-1)", "- 0 * xp.sum(moved * x, axis=-1)"),
        ("total = found.log_mean + log(count)", "total = -found.log_mean + log(count)"),
    ],
    ids=["sign", "old_temperature", "no_prior", "evidence"],
)
def test_planted_mistakes_of_tempering_are_found(right, wrong):
    assert tempered_drift(mutant(smc, right, wrong)) > 1e-3
