"""Kernels on finitely many states, built exactly by going through the noise: stationary, and reversible where said."""

from functools import partial

import numpy as np
import pytest
from scipy.special import ndtr

from refengine.distributions import gamma, normal
from refengine.estimation import normal_normal
from refengine.samplers import gibbs, metropolis_hastings, parallel_tempering, sir
from refengine.samplers.targets import finite
from tests.samplers.calls import mutant

TABLE = np.array([[0.1, 0.25, 0.05], [0.2, 0.1, 0.3]])
WEIGHTS = np.array([0.1, 0.4, 0.2, 0.3])


def table_target(weights=WEIGHTS):
    return finite.target(np.log(weights))


def stationary(kernel, weights):
    return np.abs(weights @ kernel - weights).max()


def unbalanced(kernel, weights):
    flow = weights[:, None] * kernel
    return np.abs(flow - flow.T).max()


def pieces(*tables):
    """Midpoints and lengths of the intervals of (0, 1) in which no inverse distribution function jumps."""
    ends = np.unique(np.concatenate([[0.0, 1.0], *(np.cumsum(t)[:-1] for t in tables)]))
    return list(zip((ends[1:] + ends[:-1]) / 2, np.diff(ends), strict=True))


def row_given_column(at, u):
    share = TABLE[:, at[1]] / TABLE[:, at[1]].sum()
    return int(np.searchsorted(np.cumsum(share), u)), at[1]


def column_given_row(at, u):
    share = TABLE[at[0]] / TABLE[at[0]].sum()
    return at[0], int(np.searchsorted(np.cumsum(share), u))


CONDITIONALS = [row_given_column, column_given_row]
ROWS = pieces(*(TABLE.T / TABLE.T.sum(1, keepdims=True)))
COLUMNS = pieces(*(TABLE / TABLE.sum(1, keepdims=True)))


def gibbs_kernel(scan, of=tuple(CONDITIONALS), noises=(ROWS, COLUMNS)):
    kernel = np.zeros((6, 6))
    plan = {"systematic": noises, "reverse": noises[::-1], "palindrome": noises + noises[-2::-1]}[scan]
    for i, start in enumerate(np.ndindex(TABLE.shape)):
        for picked in np.ndindex(*map(len, plan)):
            drawn = [part[k] for part, k in zip(plan, picked, strict=True)]
            after = gibbs.sweep(start, [u for u, _ in drawn], of, scan=scan)
            kernel[i, np.ravel_multi_index(after, TABLE.shape)] += np.prod([length for _, length in drawn])
    return kernel


def test_a_systematic_sweep_is_stationary_and_not_reversible():
    weights = TABLE.ravel()
    for scan in ("systematic", "reverse", "palindrome"):
        assert stationary(gibbs_kernel(scan), weights) < 1e-15
    assert unbalanced(gibbs_kernel("systematic"), weights) > 1e-2
    assert unbalanced(gibbs_kernel("palindrome"), weights) < 1e-15
    there, back = (weights[:, None] * gibbs_kernel(scan) for scan in ("systematic", "reverse"))
    np.testing.assert_allclose(there, back.T, atol=1e-15)


def test_one_update_alone_is_reversible():
    weights = TABLE.ravel()
    for conditional, noise in zip(CONDITIONALS, (ROWS, COLUMNS), strict=True):
        kernel = gibbs_kernel("systematic", (conditional,), (noise,))
        assert stationary(kernel, weights) < 1e-15
        assert unbalanced(kernel, weights) < 1e-15


def test_a_conditional_of_the_wrong_variable_is_found():
    def marginal(at, u):
        return int(np.searchsorted(np.cumsum(TABLE.sum(1)), u)), at[1]

    kernel = gibbs_kernel("systematic", (marginal, column_given_row), (pieces(TABLE.sum(1)), COLUMNS))
    assert kernel.sum() == pytest.approx(6)
    alone = gibbs_kernel("systematic", (marginal,), (pieces(TABLE.sum(1)),))
    assert stationary(alone, TABLE.ravel()) > 1e-2
    backwards = gibbs_kernel("reverse", (marginal, column_given_row), (pieces(TABLE.sum(1)), COLUMNS))
    assert stationary(backwards, TABLE.ravel()) > 1e-2


def hastings_kernel(q, reverse):
    count = len(WEIGHTS)
    y, x = (a.ravel()[:, None].astype(float) for a in np.meshgrid(range(count), range(count)))
    target = table_target()
    state = metropolis_hastings.init(x, target)
    forward = np.log(q[x[:, 0].astype(int), y[:, 0].astype(int)])
    drawn = metropolis_hastings.Noise(y, forward, reverse(forward, x, y), np.full(len(x), 0.5))
    info = metropolis_hastings.step(state, drawn, target).info
    kernel = q * np.exp(np.minimum(info.log_accept_ratio, 0)).reshape(count, count)
    return kernel + np.diag(1 - kernel.sum(1))


def test_metropolis_hastings_is_reversible_for_any_proposal():
    q = np.random.default_rng(0).dirichlet(np.ones(4), size=4)

    def back(forward, x, y):
        return np.log(q[y[:, 0].astype(int), x[:, 0].astype(int)])

    assert unbalanced(hastings_kernel(q, back), WEIGHTS) < 1e-15
    assert stationary(hastings_kernel(q, back), WEIGHTS) < 1e-15
    assert stationary(hastings_kernel(q, lambda forward, x, y: forward), WEIGHTS) > 1e-2  # the correction forgotten
    assert stationary(hastings_kernel(q, lambda forward, x, y: 2 * forward - back(forward, x, y)), WEIGHTS) > 1e-2


def exchange_errors(sampler, given):
    """How far the exchange is from stationary and from reversible, for the powers 1 and 0.3 of the table."""
    beta = np.array([1.0, 0.3])
    powers = [WEIGHTS**b / (WEIGHTS**b).sum() for b in beta]
    joint, count = np.outer(*powers).ravel(), len(WEIGHTS)
    kernel = np.zeros((count**2, count**2))
    for k, pair in enumerate(np.ndindex(count, count)):
        x = np.array(pair, dtype=float)[:, None]
        state = sampler.State(*parallel_tempering.init(x, table_target()))
        info = sampler.step(state, sampler.Noise(np.array([0.5])), given).info
        probability = np.exp(min(info.log_accept_ratio[0], 0))
        kernel[k, np.ravel_multi_index(pair[::-1], (count, count))] += probability
        kernel[k, k] += 1 - probability
    return stationary(kernel, joint), unbalanced(kernel, joint)


def test_an_exchange_keeps_the_joint_density():
    beta = np.array([1.0, 0.3])
    assert max(exchange_errors(parallel_tempering, beta)) < 1e-15
    assert min(exchange_errors(parallel_tempering, beta[::-1].copy())) > 1e-2


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (
            "(beta[i] - beta[j]) * (log_density[..., j] - log_density[..., i]) for",
            "log_density[..., j] - log_density[..., i] for",
        ),
        ("(log_density[..., j] - log_density[..., i]) for", "(log_density[..., i] - log_density[..., j]) for"),
    ],
    ids=["powers", "sign"],
)
def test_planted_mistakes_of_an_exchange_are_found(right, wrong):
    assert min(exchange_errors(mutant(parallel_tempering, right, wrong), np.array([1.0, 0.3]))) > 1e-2


def offspring_bias(sampler, scheme, offspring=3):
    """How far the mean number of offspring is from M W: exactly, by the pieces of the uniforms without a jump."""
    sums = np.cumsum(WEIGHTS)[:-1]
    rows = range(offspring) if scheme != "multinomial" else [0]
    jumps = [offspring * sums - m if scheme != "multinomial" else sums for m in rows]
    ends = np.unique(np.clip(np.concatenate([[0.0, 1.0], *jumps]), 0, 1))
    lengths, middles = np.diff(ends), (ends[1:] + ends[:-1]) / 2
    shape = (len(middles), len(WEIGHTS))
    state = sir.State(np.zeros((*shape, 1)), np.broadcast_to(np.log(WEIGHTS * 7), shape))
    _, info = sampler.step(
        sampler.State(*state), sampler.Noise(np.repeat(middles[:, None], offspring, axis=1)), scheme=scheme
    )
    means = [np.sum(lengths[:, None] * (info.ancestors == n)) for n in range(len(WEIGHTS))]
    return np.abs(np.array(means) - offspring * WEIGHTS).max()


@pytest.mark.parametrize("scheme", ["multinomial", "stratified", "systematic"])
def test_every_draw_has_its_share_of_the_offspring(scheme):
    assert offspring_bias(sir, scheme) < 1e-14


@pytest.mark.parametrize(
    ("scheme", "right", "wrong"),
    [
        ("systematic", "u[..., :1])) / count", "u[..., :1])) / (count + 1)"),
        (
            "stratified",
            "row = xp.astype(xp.arange(count), xp.float64)",
            "row = xp.astype(xp.arange(count), xp.float64) * 0",
        ),
        (
            "multinomial",
            "sums = xp.cumulative_sum(weights, axis=-1)",
            "sums = xp.cumulative_sum(weights**0.5, axis=-1)",
        ),
        ("multinomial", "below = sums <= u", "below = 1 - sums <= u"),
    ],
)
def test_planted_mistakes_of_resampling_are_found(scheme, right, wrong):
    assert offspring_bias(mutant(sir, right, wrong), scheme) > 1e-2


def test_a_draw_of_weight_zero_is_never_taken():
    state = sir.State(np.zeros((4, 1)), np.array([-np.inf, 0.0, 0.0, -np.inf]))
    for u in (0.0, 0.5, 1.0):
        taken = sir.step(state, sir.Noise(np.full(3, u))).info.ancestors
        assert set(taken.tolist()) <= {1, 2}
    assert sir.step(state, sir.Noise(np.zeros(1)), side="left").info.ancestors.tolist() == [0]


DATA = np.array([0.3, 1.1, -0.4, 0.9])
PRIOR = {"loc": 0.5, "scale": 1.5, "shape": 3.0, "rate": 2.0}
"""Of normal data: their mean is normal, their precision gamma-distributed, independent before the data."""


def mean_given_precision(at, z):
    after = normal_normal.posterior(DATA, PRIOR["loc"], PRIOR["scale"], 1 / at[1])
    return normal.sample(z, after.loc, after.scale), at[1]


def precision_given_mean(at, z, degrees=4):
    rate = PRIOR["rate"] + np.sum((DATA - np.asarray(at[0])[..., None]) ** 2, axis=-1) / 2
    return at[0], gamma.sample(ndtr(z), PRIOR["shape"] + degrees / 2, rate)


def conjugate_drift(conditionals):
    """E f after a sweep less E f before, for the posterior of mean and log precision on a grid; all is smooth."""

    def f(mu, tau):
        return np.sin(mu + 0.3 * np.log(tau))

    mu, log_tau = np.meshgrid(np.linspace(-7, 8, 301), np.linspace(-7, 4, 111), indexing="ij")
    tau = np.exp(log_tau)
    log_joint = normal.log_prob(mu, PRIOR["loc"], PRIOR["scale"]) + log_tau
    log_joint = log_joint + gamma.log_prob(tau, PRIOR["shape"], PRIOR["rate"])
    log_joint = log_joint + np.sum(normal.log_prob(DATA, mu[..., None], tau[..., None] ** -0.5), axis=-1)
    joint = np.exp(log_joint - log_joint.max())
    joint = joint / joint.sum()
    z = np.linspace(-7.5, 7.5, 31)
    weight = np.exp(-z * z / 2)
    weight = weight / weight.sum()
    start = 0.0, tau[0, ::2, None, None]  # the mean at the start plays no part
    after = gibbs.sweep(start, [z[:, None], z], conditionals)
    weights = 2 * joint.sum(0)[::2, None, None] * weight[:, None] * weight
    return abs(np.sum(weights * f(*after)) - np.sum(joint * f(mu, tau)))


def test_a_conjugate_example_of_gibbs_sampling():
    assert conjugate_drift([mean_given_precision, precision_given_mean]) < 1e-9
    assert conjugate_drift([mean_given_precision, partial(precision_given_mean, degrees=3)]) > 1e-3
