"""Detailed balance at random pairs of points: the flow from x to y is that from y to x, to rounding."""

import numpy as np
import pytest

from refengine.samplers import (
    hamiltonian,
    independence,
    mala,
    metropolis_hastings,
    metropolis_within_gibbs,
    preconditioned_mala,
    random_walk,
    stretch,
)
from refengine.samplers.targets import logistic_regression
from tests.samplers.calls import mapped, mutant

PAIRS = 200
TARGET = logistic_regression.target(np.array([[1.0, 0.5], [-0.5, 2.0], [1.5, -1.0]]), np.array([1, 0, 1]), 1.5)
FACTOR, METRIC = np.array([[0.9, 0.0], [0.4, 0.6]]), np.array([0.5, 2.0])
GIVEN = {
    "random_walk": ((), {"scale": 0.8}),
    "mala": ((), {"step_size": 0.5}),
    "preconditioned_mala": ((FACTOR,), {"step_size": 0.6, "step_size_convention": "half_epsilon"}),
    "independence": ((np.array([0.2, -0.3]), np.array([1.2, 0.7])), {}),
    "hamiltonian": ((METRIC,), {"step_size": 0.6, "steps": 3}),
}
MODULES = {
    m.__name__.rpartition(".")[2]: m for m in (random_walk, mala, preconditioned_mala, independence, hamiltonian)
}
MISTAKES = {
    "random_walk": ("y = x + scale * z", "y = 0.9 * x + scale * z"),
    "mala": ("(z + a / 2 * pull)", "(z - a / 2 * pull)"),
    "preconditioned_mala": (
        "pull = _apply(xp, upper, slope + slope_y)\n        c",
        "pull = slope + slope_y\n        c",
    ),
    "independence": ("(z - w) * (z + w)", "(w - z) * (z + w)"),
    "hamiltonian": ("p = z / xp.sqrt(w)", "p = z * xp.sqrt(w)"),
}


def log_normal(z):
    return -np.sum(z * z, axis=-1) / 2 - z.shape[-1] * np.log(2 * np.pi) / 2


def flow(sampler, x, z, given):
    """log pi(x) q(y | x) a(x, y) and y, with log q from the normals by the Jacobian of the proposal, from the vjp."""
    shared, constants = given
    state, half = sampler.init(x, TARGET), np.full(x.shape[:-1], 0.5)
    arguments = state, sampler.Noise(z, half), TARGET, *shared
    value = sampler.step(*arguments, **constants)
    none = sampler.Transition(mapped(np.zeros_like, value.state), mapped(np.zeros_like, value.info))
    rows = []
    for unit in np.eye(x.shape[-1]):
        g = none._replace(info=none.info._replace(proposal=np.zeros(x.shape) + unit))
        rows.append(sampler.step_vjp(g, *arguments, **constants)[1].normal)
    jacobian = np.stack(rows, axis=-2)
    log_q = log_normal(z) - np.linalg.slogdet(jacobian)[1]
    return (
        TARGET.log_density(x, *TARGET.parameters) + log_q + np.minimum(value.info.log_accept_ratio, 0),
        value,
        jacobian,
    )


def imbalance(name, sampler):
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(2, PAIRS, 2))
    there, value, _ = flow(sampler, x, z, GIVEN[name])
    y = value.info.proposal
    if name == "hamiltonian":  # the normals of the momentum that comes back
        back = -value.info.proposal_momentum * np.sqrt(METRIC)
    else:  # the proposal is affine in the normals
        _, at_zero, jacobian = flow(sampler, y, 0 * z, GIVEN[name])
        back = np.linalg.solve(jacobian, (x - at_zero.info.proposal)[..., None])[..., 0]
    home, returned, _ = flow(sampler, y, back, GIVEN[name])
    assert np.min(value.info.log_accept_ratio) < -0.05
    return max(np.abs(there - home).max(), np.abs(returned.info.proposal - x).max())


@pytest.mark.parametrize("name", GIVEN)
def test_the_flow_is_the_same_both_ways(name):
    assert imbalance(name, MODULES[name]) < 1e-12


@pytest.mark.parametrize("name", GIVEN)
def test_a_planted_mistake_unbalances_the_flow(name):
    assert imbalance(name, mutant(MODULES[name], *MISTAKES[name])) > 1e-2


@pytest.mark.parametrize("name", ["independence", "mala", "preconditioned_mala"])
def test_the_densities_told_are_those_of_the_proposals(name):
    sampler = MODULES[name]
    x, z = np.random.default_rng(4).normal(size=(2, PAIRS, 2))
    there, value, _ = flow(sampler, x, z, GIVEN[name])
    log_q = there - TARGET.log_density(x, *TARGET.parameters) - np.minimum(value.info.log_accept_ratio, 0)
    np.testing.assert_allclose(value.info.log_q_forward, log_q, rtol=1e-12, atol=1e-12)
    difference = TARGET.log_density(value.info.proposal, *TARGET.parameters) - TARGET.log_density(x, *TARGET.parameters)
    ratio = difference + value.info.log_q_reverse - value.info.log_q_forward
    np.testing.assert_allclose(value.info.log_accept_ratio, ratio, rtol=1e-12, atol=1e-12)


def hastings_imbalance(sampler):
    """For proposals of a Cauchy walk whose width depends on where it starts."""

    def log_q(y, x):
        width = 0.5 + np.abs(x)
        return np.sum(np.log(width) - np.log(width**2 + (y - x) ** 2) - np.log(np.pi), axis=-1)

    x, y = np.random.default_rng(5).normal(size=(2, PAIRS, 2))
    sides = []
    for start, end in ((x, y), (y, x)):
        noise = sampler.Noise(end, log_q(end, start), log_q(start, end), np.full(PAIRS, 0.5))
        info = sampler.step(sampler.init(start, TARGET), noise, TARGET).info
        pi = TARGET.log_density(start, *TARGET.parameters)
        sides.append(pi + log_q(end, start) + np.minimum(info.log_accept_ratio, 0))
    return np.abs(sides[0] - sides[1]).max()


def test_metropolis_hastings_balances_any_proposal():
    assert hastings_imbalance(metropolis_hastings) < 1e-13
    swapped = mutant(metropolis_hastings, "(reverse - forward)", "(forward - reverse)")
    assert hastings_imbalance(swapped) > 1e-2


def sweep_imbalance(sampler):
    """A sweep, and from its end the reverse one with the normals of the steps that were accepted turned round."""
    rng, scale = np.random.default_rng(6), np.array([0.9, 1.4])
    x, z = rng.normal(size=(2, PAIRS, 2))

    def path(x, z, uniforms, scan):
        value = sampler.step(sampler.init(x, TARGET), sampler.Noise(z, uniforms), TARGET, scale, scan=scan)
        info = value.info
        chance = np.minimum(np.exp(info.log_densities - info.log_densities_before), 1)
        with np.errstate(divide="ignore"):
            log_path = np.sum(np.log(np.where(info.accepted, chance, 1 - chance)), axis=-1)
        return TARGET.log_density(x, *TARGET.parameters) + log_path, value

    there, value = path(x, z, rng.uniform(size=x.shape), "systematic")
    accepted = value.info.accepted
    assert {tuple(row) for row in accepted.tolist()} == {(a, b) for a in (True, False) for b in (True, False)}
    home, returned = path(value.state.position, np.where(accepted, -z, z), np.where(accepted, 0.0, 1.0), "reverse")
    apart = np.abs(returned.state.position - x).max()
    return max(apart, np.max(np.where(np.isfinite(home), np.abs(there - home), 1.0)))


SWEEPS = {
    "same_order_both_ways": ('[:: 1 if scan == "systematic" else -1]', "[::1]"),
    "density_of_the_start": (
        "choose(xp, accepted, y, x), choose(xp, accepted, proposed, log_density)\n",
        "choose(xp, accepted, y, x), log_density\n",
    ),
    "position_of_the_start": ("y = xp.where(here, x + steps, x)", "y = xp.where(here, x + steps, arrays[0])"),
}


def test_a_sweep_of_metropolis_within_gibbs_is_balanced_by_the_reverse_sweep():
    assert sweep_imbalance(metropolis_within_gibbs) < 1e-12


@pytest.mark.parametrize("mistake", SWEEPS)
def test_a_wrong_order_of_the_conditionals_is_found(mistake):
    assert sweep_imbalance(mutant(metropolis_within_gibbs, *SWEEPS[mistake])) > 1e-2


def stretch_imbalance(sampler, size, a=2.5):
    """Of the first walker towards the other one: on the line through that, r has the density pi r^(D - 1)."""
    rng = np.random.default_rng(7)
    target = logistic_regression.target(rng.normal(size=(4, size)), np.array([1, 0, 1, 1]), 1.5)
    x, center, u = rng.normal(size=(PAIRS, size)), rng.normal(size=(PAIRS, size)), rng.uniform(size=PAIRS)

    def moved(x, u):
        state = sampler.init(np.stack([x, center], axis=-2), target)
        noise = sampler.Noise(np.stack([u, u], axis=-1), np.full((PAIRS, 2), 0.5), np.full((PAIRS, 2), 0.5))
        value = sampler.step(state, noise, target, a=a)
        g = sampler.Transition(mapped(np.zeros_like, value.state), mapped(np.zeros_like, value.info))
        g = g._replace(info=g.info._replace(factor=np.ones((PAIRS, 2))))
        slope = sampler.step_vjp(g, state, noise, target, a=a)[1].stretch[:, 0]
        info = mapped(lambda leaf: leaf[:, 0], value.info)
        r = np.linalg.norm(x - center, axis=-1)
        density = target.log_density(x, *target.parameters) + (size - 1) * np.log(r)
        return density - np.log(slope) - np.log(r) + np.minimum(info.log_accept_ratio, 0), info

    there, info = moved(x, u)
    back = (np.sqrt(a / info.factor) - 1) / (a - 1)
    home, returned = moved(info.proposals, back)
    return max(np.abs(there - home).max(), np.abs(returned.proposals - x).max())


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_stretch_move_is_balanced_on_its_line(size):
    assert stretch_imbalance(stretch, size) < 1e-12


@pytest.mark.parametrize(
    "mistake",
    [
        ("ratio = (x.shape[-1] - 1) * xp.log(z)", "ratio = 0 * xp.log(z)"),
        ("ratio = (x.shape[-1] - 1) * xp.log(z)", "ratio = x.shape[-1] * xp.log(z)"),
        ("z = ((a - 1) * noise.stretch + 1) ** 2 / a", "z = 1 / a + noise.stretch * (a - 1 / a)"),
    ],
    ids=["no_exponent", "exponent_D", "uniform_factor"],
)
def test_a_wrong_exponent_or_factor_of_the_stretch_move_is_found(mistake):
    assert stretch_imbalance(mutant(stretch, *mistake), 2) > 1e-2


def off_the_line(sampler):
    """How far from the first half, as it is after its move, the lines of the second half pass."""
    rng = np.random.default_rng(8)
    state = sampler.init(rng.normal(size=(PAIRS, 2, 2)), TARGET)
    after, info = sampler.step(state, sampler.noise(rng, state), TARGET)
    assert 0.1 < info.accepted[:, 0].mean() < 0.9
    z = info.factor[:, 1:]
    return np.abs((info.proposals[:, 1] - z * state.position[:, 1]) - (1 - z) * after.position[:, 0]).max()


def test_the_second_half_moves_towards_the_first_one_as_it_is():
    assert off_the_line(stretch) < 1e-14
    late = mutant(stretch, "states[1], early.position, noises[1]", "states[1], states[0].position, noises[1]")
    assert off_the_line(late) > 1e-2
