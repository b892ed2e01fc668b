"""Transitions on continuous densities: invariance by quadrature or from exact draws, leapfrog geometry, biases."""

import numpy as np
import pytest

from refengine.samplers import (
    _leapfrog,
    adaptive_rejection,
    elliptical_slice,
    ghmc,
    hamiltonian,
    independence,
    langevin,
    metropolis_within_gibbs,
    nuts,
    preconditioned_mala,
    rejection,
    sgld,
    slice,
    stretch,
    underdamped_langevin,
)
from refengine.samplers.targets import gaussian, logistic_regression

ONE = np.ones(1)
NORMAL = gaussian.target(np.array([0.3]), np.array([[1.7]]))
LOGISTIC = logistic_regression.target(np.array([[1.0, 0.5], [-0.5, 2.0], [1.5, -1.0]]), np.array([1, 0, 1]), 1.5)


def f(position):
    return np.sin(1.3 * position[..., 0]) + position[..., 0] ** 2


def grid(*axes):
    """Points of a grid in columns, and normalised Gaussian weights along each of its axes."""
    mesh = np.meshgrid(*(points for points, _ in axes), indexing="ij")
    weights = 1.0
    for i, (_, density) in enumerate(axes):
        weights = weights * np.reshape(density / density.sum(), [-1 if i == j else 1 for j in range(len(axes))])
    return [a.reshape(-1, 1) for a in mesh], np.ravel(weights)


def normal_axis(points, precision=1.0, mean=0.0):
    return points, np.exp(-precision * (points - mean) ** 2 / 2)


X = normal_axis(np.linspace(-8, 9, 601), 1.7, 0.3)
Z = normal_axis(np.linspace(-8, 8, 241))


def drift(step, weights, x, state_of):
    """E f after the step minus E f before, the decision integrated by its probability."""
    info = step.info
    probability = np.exp(np.minimum(info.log_accept_ratio, 0))
    return np.sum(weights * probability * (f(info.proposal) - f(x)))


def quadrature(name):
    (x, z), weights = grid(X, Z)
    half = np.full(x.shape[:-1], 0.5)
    if name == "independence":
        state = independence.init(x, NORMAL)
        step = independence.step(state, independence.Noise(z, half), NORMAL, np.array([-0.4]), np.array([1.3]))
    elif name == "preconditioned_mala":
        state = preconditioned_mala.init(x, NORMAL)
        noise = preconditioned_mala.Noise(z, half)
        step = preconditioned_mala.step(state, noise, NORMAL, np.array([[0.8]]), step_size=0.7)
    else:
        state = hamiltonian.init(x, NORMAL)
        step = hamiltonian.step(state, hamiltonian.Noise(z, half), NORMAL, 0.6 * ONE, step_size=0.9, steps=3)
    return abs(drift(step, weights, x, None))


@pytest.mark.parametrize("name", ["independence", "preconditioned_mala", "hamiltonian"])
def test_invariance_by_quadrature(name):
    assert quadrature(name) < 1e-5


def test_a_wrong_half_step_is_found(monkeypatch):
    def mistaken(xp, target, x, slope, p, w, epsilon, steps):
        path = _leapfrog.leapfrog(xp, target, x, slope, p, w, epsilon, steps)
        return path._replace(kick=path.kick - epsilon / 2 * path.gradients[-1])  # the last half of a kick is left out

    monkeypatch.setattr(hamiltonian, "leapfrog", mistaken)
    assert quadrature("hamiltonian") > 1e-2


def ghmc_drift(on_reject):
    """Of q and p together, whose product a momentum that is not reversed changes."""
    (x, p, z), weights = grid(
        normal_axis(np.linspace(-5, 5.6, 81), 1.7, 0.3),
        normal_axis(np.linspace(-6, 6, 61)),
        normal_axis(np.linspace(-6, 6, 61)),
    )
    state, half = ghmc.init(x, NORMAL, p), np.full(x.shape[:-1], 0.5)
    given = {"step_size": 1.2, "persistence": 0.8, "on_reject": on_reject}
    ends = [ghmc.step(state, ghmc.Noise(z, u + 0 * half), NORMAL, ONE, **given) for u in (0.0, 1.0)]
    probability = np.exp(np.minimum(ends[0].info.log_accept_ratio, 0))
    accepted, rejected = (np.sin(end[0].position + 0.4 * end[0].momentum)[:, 0] for end in ends)
    rejected = np.where(probability < 1, rejected, accepted)
    after = probability * accepted + (1 - probability) * rejected
    return abs(np.sum(weights * (after - np.sin(x + 0.4 * p)[:, 0])))


def test_the_momentum_must_turn_round_where_a_trajectory_is_rejected():
    assert ghmc_drift("flip") < 1e-5
    assert ghmc_drift("keep") > 1e-3


def test_leapfrog_comes_back():
    rng = np.random.default_rng(0)
    q, p, w = rng.normal(size=(5, 2)), rng.normal(size=(5, 2)), np.array([0.5, 2.0])
    run = {"target": LOGISTIC, "w": w, "epsilon": 0.3, "steps": 7}
    there = _leapfrog.leapfrog(np, x=q, slope=LOGISTIC.gradient(q, *LOGISTIC.parameters), p=p, **run)
    back = _leapfrog.leapfrog(np, x=there.positions[-1], slope=there.gradients[-1], p=-(p + there.kick), **run)
    np.testing.assert_allclose(back.positions[-1], q, atol=1e-13)
    np.testing.assert_allclose(-(p + there.kick) + back.kick, -p, atol=1e-13)


def test_leapfrog_keeps_volume_and_the_symplectic_form():
    """The Jacobian of (q, p) from the cotangents of four unit vectors, the gradient at the start a function of q."""
    q, p, w = np.array([0.4, -1.0]), np.array([0.7, 0.2]), np.array([0.5, 2.0])
    slope = LOGISTIC.gradient(q, *LOGISTIC.parameters)
    path = _leapfrog.leapfrog(np, LOGISTIC, q, slope, p, w, 0.4, 5)
    rows = []
    for unit in np.eye(4):
        seeds = {5: (unit[:2], np.zeros(2), unit[2:], np.zeros(2))}
        to_q, to_slope, to_p, _, _ = _leapfrog.leapfrog_vjp(np, LOGISTIC, path, w, 0.4, seeds)
        rows.append([*(to_q + LOGISTIC.gradient_vjp(to_slope, q, *LOGISTIC.parameters)[0]), *to_p])
    jacobian, form = np.array(rows), np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])
    assert np.linalg.det(jacobian) == pytest.approx(1, abs=1e-13)
    np.testing.assert_allclose(jacobian.T @ form @ jacobian, form, atol=1e-13)


def stationary_covariance(a, b):
    """Of x' = A x + B z."""
    size = len(a)
    return np.linalg.solve(np.eye(size**2) - np.kron(a, a), (b @ b.T).ravel()).reshape(size, size)


@pytest.mark.parametrize(
    ("convention", "epsilon"), [("epsilon", 0.4), ("half_epsilon", 0.2), ("half_epsilon_squared", 0.08)]
)
def test_the_bias_of_the_unadjusted_langevin_algorithm(convention, epsilon):
    k, target = 1.7, gaussian.target(np.zeros(1), np.array([[1.7]]))

    def move(x, z):
        given = {"step_size": 0.4, "step_size_convention": convention}
        after = langevin.step(langevin.init(x, target), langevin.Noise(z), target, **given).state.position
        same = sgld.step(sgld.init(x), sgld.Noise(z), -k * x, **given).state.position
        np.testing.assert_allclose(after, same, rtol=1e-15)
        return after

    variance = stationary_covariance(move(np.eye(1), np.zeros((1, 1))), move(np.zeros((1, 1)), np.eye(1)))
    assert variance[0, 0] == pytest.approx(1 / (k * (1 - epsilon * k / 2)), rel=1e-14)


def test_the_bias_of_baoab_is_in_the_momentum_alone():
    k, h, target = 1.7, 0.9, gaussian.target(np.zeros(1), np.array([[1.7]]))

    def move(q, p, z):
        state = underdamped_langevin.init(np.array([q]), target, np.array([p]))
        noise = underdamped_langevin.Noise(np.array([z]))
        after, _ = underdamped_langevin.step(state, noise, target, ONE, step_size=h, friction=0.8)
        return [after.position[0], after.momentum[0]]

    a = np.array([move(1.0, 0.0, 0.0), move(0.0, 1.0, 0.0)]).T
    covariance = stationary_covariance(a, np.array([move(0.0, 0.0, 1.0)]).T)
    np.testing.assert_allclose(covariance, [[1 / k, 0], [0, 1 - h * h * k / 4]], atol=1e-14)


def z_score(sampler, move, target=NORMAL, chains=200_000, walkers=None):
    """From exact draws of the target: the change of E f in its standard deviations."""
    rng = np.random.default_rng(0)
    shape = (chains, 1) if walkers is None else (chains, walkers, 1)
    x = 0.3 + rng.normal(size=shape) / np.sqrt(1.7)
    state = sampler.init(x, target)
    change = f(move(rng, state).position) - f(x)
    change = change if walkers is None else change.mean(-1)
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


def test_the_stretch_move_from_exact_draws():
    def move(rng, state):
        return stretch.step(state, stretch.noise(rng, state), NORMAL).state

    assert z_score(stretch, move, chains=50_000, walkers=4) < 4


def test_metropolis_within_gibbs_from_exact_draws():
    def move(rng, state):
        noise = metropolis_within_gibbs.noise(rng, state)
        return metropolis_within_gibbs.step(state, noise, NORMAL, ONE).state

    assert z_score(metropolis_within_gibbs, move) < 4


@pytest.mark.parametrize("turn", ["trapezoidal", "momentum_sum", "stan", "position"])
def test_nuts_from_exact_draws(turn):
    def move(rng, state):
        return nuts.step(state, nuts.noise(rng, state, 2), NORMAL, ONE, step_size=0.9, turn=turn).state

    assert z_score(nuts, move, chains=150) < 4


def test_rejection_draws_the_target():
    rng, chains = np.random.default_rng(0), 100_000
    state = rejection.init(np.full((chains, 1), np.nan), NORMAL)
    noise = rejection.noise(rng, state, 8)
    loc, scale = np.zeros(1), np.array([1.5])
    bound = np.log(1.5) + np.log(2 * np.pi) / 2 + 0.3**2 * 1.7 / (2 * (1.7 * 1.5**2 - 1))
    after, info = rejection.step(state, noise, NORMAL, loc, scale, log_bound=bound)
    assert info.log_accept_ratio.max() <= 1e-12
    drawn = after.position[info.accepted][:, 0]
    assert abs(drawn.mean() - 0.3) < 4 / np.sqrt(1.7 * len(drawn))
    assert abs(drawn.var() * 1.7 - 1) < 4 * np.sqrt(2 / len(drawn))
    assert np.all(np.isnan(after.position[~info.accepted]))


def accepted_draws(points, **ends):
    rng, hulls = np.random.default_rng(0), 100_000
    state = adaptive_rejection.init(np.broadcast_to(np.array(points), (hulls, len(points))), NORMAL)
    after, info = adaptive_rejection.step(state, adaptive_rejection.noise(rng, state), NORMAL, **ends)
    assert np.all(info.hull >= info.log_density - 1e-12)
    assert np.all(info.chord <= info.log_density + 1e-12)
    assert np.all(info.accepted | ~info.squeezed)
    assert np.all(np.diff(after.abscissae, axis=-1) > 0)
    return info.draw[info.accepted]


def test_adaptive_rejection_draws_the_target():
    drawn = accepted_draws([-1.0, 0.2, 1.5])
    assert abs(drawn.mean() - 0.3) < 4 / np.sqrt(1.7 * len(drawn))
    assert abs(drawn.var() * 1.7 - 1) < 4 * np.sqrt(2 / len(drawn))


def test_adaptive_rejection_between_two_ends():
    drawn = accepted_draws([0.1, 0.5], lower=0.0, upper=1.0)
    x = np.linspace(0, 1, 20001)
    density = np.exp(-1.7 * (x - 0.3) ** 2 / 2)
    mean = (x * density).sum() / density.sum()
    spread = np.sqrt(((x - mean) ** 2 * density).sum() / density.sum())
    assert abs(drawn.mean() - mean) < 4 * spread / np.sqrt(len(drawn))
    assert 0 < drawn.min() < drawn.max() < 1
