"""Steps that are linear in a Gaussian target: their stationary covariances and biases are known exactly."""

import numpy as np
import pytest

from refengine.samplers import gibbs, langevin, sgld, underdamped_langevin
from refengine.samplers.targets import gaussian
from tests.samplers.calls import mutant

K, H = 1.7, 0.9
PRECISION = np.array([[2.0, 0.7, -0.4], [0.7, 1.5, 0.5], [-0.4, 0.5, 1.2]])
MEAN, COVARIANCE = np.array([0.3, -1.0, 0.6]), np.linalg.inv(PRECISION)


def stationary_covariance(a, b):
    """Of x' = A x + B z."""
    size = len(a)
    return np.linalg.solve(np.eye(size**2) - np.kron(a, a), (b @ b.T).ravel()).reshape(size, size)


def langevin_variance(sampler, convention):
    target = gaussian.target(np.zeros(1), np.array([[K]]))
    ends = []
    for x, z in ((1.0, 0.0), (0.0, 1.0)):
        given = {"step_size": 0.4, "step_size_convention": convention}
        state = langevin.init(np.array([x]), target)
        if "gradient" in sampler.State._fields:
            after = sampler.step(sampler.State(*state), sampler.Noise(np.array([z])), target, **given)
        else:
            after = sampler.step(sampler.State(state.position), sampler.Noise(np.array([z])), state.gradient, **given)
        ends.append(after.state.position)
    return stationary_covariance(*(end[:, None] for end in ends))[0, 0]


@pytest.mark.parametrize("sampler", [langevin, sgld], ids=["langevin", "sgld"])
@pytest.mark.parametrize(
    ("convention", "epsilon"), [("epsilon", 0.4), ("half_epsilon", 0.2), ("half_epsilon_squared", 0.08)]
)
def test_the_bias_of_unadjusted_steps(sampler, convention, epsilon):
    assert langevin_variance(sampler, convention) == pytest.approx(1 / (K * (1 - epsilon * K / 2)), rel=1e-14)


@pytest.mark.parametrize(
    ("sampler", "right", "wrong"),
    [
        (
            langevin,
            "drift, diffusion = epsilon * slope, sqrt(2 * epsilon) * z",
            "drift, diffusion = epsilon * slope, sqrt(epsilon) * z",
        ),
        (langevin, "drift, diffusion = epsilon * slope", "drift, diffusion = epsilon * slope / 2"),
        (sgld, "sqrt(2 * epsilon * heat)", "epsilon * heat"),
        (sgld, "sqrt(2 * epsilon * heat)", "sqrt(epsilon * heat)"),
        (sgld, "drift, diffusion = epsilon * slope", "drift, diffusion = epsilon * slope / 2"),
    ],
)
def test_planted_mistakes_of_unadjusted_steps_are_found(sampler, right, wrong):
    wanted = 1 / (K * (1 - 0.4 * K / 2))
    assert abs(langevin_variance(mutant(sampler, right, wrong), "epsilon") - wanted) > 1e-2


def test_the_temperature_scales_the_variance():
    spread = [
        sgld.step(sgld.init(np.zeros(1)), sgld.Noise(np.ones(1)), np.zeros(1), step_size=0.4, temperature=t).state[0][0]
        for t in (0.25, 1.0)
    ]
    assert spread[0] == pytest.approx(spread[1] / 2, rel=1e-15)


def baoab(sampler, k, w=0.6, friction=0.8):
    """A and B of (q, p)."""
    target = gaussian.target(np.zeros(1), np.array([[k]]))

    def move(q, p, z):
        state = sampler.State(*underdamped_langevin.init(np.array([q]), target, np.array([p])))
        noise = sampler.Noise(np.array([z]))
        after, _ = sampler.step(state, noise, target, np.array([w]), step_size=H, friction=friction)
        return [after.position[0], after.momentum[0]]

    return np.array([move(1.0, 0.0, 0.0), move(0.0, 1.0, 0.0)]).T, np.array([move(0.0, 0.0, 1.0)]).T


def baoab_error(sampler, w=0.6, friction=0.8):
    """From the covariance in a normal density, and from the exact decay of the momentum in a flat one."""
    covariance = stationary_covariance(*baoab(sampler, K))
    wanted = [[1 / K, 0], [0, (1 - H * H * w * K / 4) / w]]
    a, b = baoab(sampler, 0.0)
    c = np.exp(-friction * H)
    free = [a[1, 1] - c, b[1, 0] ** 2 - (1 - c * c) / w, a[0, 1] - H / 2 * w * (1 + c)]
    return max(np.abs(covariance - wanted).max(), np.abs(free).max())


def test_the_bias_of_baoab_is_in_the_momentum_alone():
    assert baoab_error(underdamped_langevin) < 1e-14


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("kicked = p + h / 2 * slope", "kicked = p + h * slope"),
        ("sqrt(-expm1(-2 * rubbing * h))", "sqrt(-expm1(-rubbing * h))"),
        ("h, exp(-rubbing * h), ", "h, exp(-rubbing * h / 2), "),
        ("h, exp(-rubbing * h), sqrt(-expm1(-2 * rubbing * h))", "h, exp(-rubbing), sqrt(-expm1(-2 * rubbing))"),
        ("c * kicked + k * z / xp.sqrt(w)", "c * kicked + k * z"),
        ("y = half + h / 2 * w * refreshed", "y = half + h / 2 * w * kicked"),
        ("refreshed + h / 2 * slope_y", "refreshed + h / 2 * slope"),
    ],
)
def test_planted_mistakes_of_baoab_are_found(right, wrong):
    assert baoab_error(mutant(underdamped_langevin, right, wrong)) > 1e-2


def gibbs_maps(sampler, u, scan, block_size):
    """A and B of x - m, exactly: the step is affine in x and z."""
    target = gaussian.target(MEAN, PRECISION)

    def move(x, z):
        state, noise = sampler.State(MEAN + x), sampler.Noise(z, np.full(len(z), u))
        return sampler.step(state, noise, target, scan=scan, block_size=block_size).state.position - MEAN

    zero, unit = np.zeros((3, 3)), np.eye(3)
    assert np.abs(move(zero, zero)).max() < 1e-15
    return move(unit, zero).T, move(zero, unit).T


def gibbs_errors(sampler, scan, block_size=1, u=0.5):
    """Of stationarity, A S A' + B B' = S, and of reversibility, A S = (A S)': the covariance of x' and x."""
    a, b = gibbs_maps(sampler, u, scan, block_size)
    flow = a @ COVARIANCE
    return np.abs(a @ COVARIANCE @ a.T + b @ b.T - COVARIANCE).max(), np.abs(flow - flow.T).max()


@pytest.mark.parametrize("block_size", [1, 2, 3])
@pytest.mark.parametrize("scan", ["systematic", "reverse"])
def test_a_sweep_is_stationary_and_not_reversible(scan, block_size):
    unbalanced, irreversible = gibbs_errors(gibbs, scan, block_size)
    assert unbalanced < 1e-14
    assert (irreversible > 1e-2) == (block_size < 3)  # all in one block is an independent draw
    there, back = (gibbs_maps(gibbs, 0.5, s, block_size)[0] @ COVARIANCE for s in ("systematic", "reverse"))
    np.testing.assert_allclose(there, back.T, atol=1e-14)


@pytest.mark.parametrize("block_size", [1, 2, 3])
def test_a_random_scan_is_reversible(block_size):
    blocks = -(-3 // block_size)
    for b in range(blocks):
        assert max(gibbs_errors(gibbs, "random", block_size, u=(b + 0.5) / blocks)) < 1e-14
    changed = [
        np.flatnonzero(gibbs_maps(gibbs, (b + 0.5) / blocks, "random", block_size)[1].any(1)) for b in range(blocks)
    ]
    assert np.concatenate(changed).tolist() == [0, 1, 2]


@pytest.mark.parametrize("u", [0.0, 1 / 3 - 1e-15, 1 / 3 + 1e-15, 1.0])
def test_every_block_of_a_random_scan_has_its_share_of_the_uniforms(u):
    changed = gibbs_maps(gibbs, u, "random", 1)[1].any(1)
    assert np.flatnonzero(changed).tolist() == [min(int(u * 3), 2)]


@pytest.mark.parametrize(
    ("right", "wrong", "block_size"),
    [
        ("conditional = mean - xp.matmul(x - mean", "conditional = mean + xp.matmul(x - mean", 1),
        ("_padded(xp, xp.matrix_transpose(inverse), start, size)", "_padded(xp, inverse, start, size)", 2),
        (
            "pull = xp.matmul(xp.matrix_transpose(inverse), xp.matmul(inverse, rest))",
            "pull = xp.matmul(inverse, rest)",
            1,
        ),
        ("left_lower(xp, factor, xp.eye", "left_lower(xp, factor * factor, xp.eye", 2),
    ],
    ids=["sign", "transposed", "precision", "factor"],
)
def test_planted_mistakes_of_gibbs_sampling_are_found(right, wrong, block_size):
    assert gibbs_errors(mutant(gibbs, right, wrong), "systematic", block_size)[0] > 1e-2
