"""Kernels on finitely many states, built exactly by going through the noise: stationary, and reversible where said."""

import numpy as np
import pytest

from refengine.samplers import gibbs, metropolis_hastings, parallel_tempering, sir
from refengine.samplers.targets import finite

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


def gibbs_kernel(scan, of=tuple(CONDITIONALS)):
    kernel = np.zeros((6, 6))
    plans = {"systematic": (ROWS, COLUMNS), "reverse": (COLUMNS, ROWS), "palindrome": (ROWS, COLUMNS, ROWS)}
    for i, start in enumerate(np.ndindex(TABLE.shape)):
        for noise in np.ndindex(*map(len, plans[scan])):
            drawn = [part[k] for part, k in zip(plans[scan], noise, strict=True)]
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


def test_a_random_scan_is_reversible():
    kernels = [np.zeros((6, 6)) for _ in range(2)]
    for kernel, conditional, noise in zip(kernels, CONDITIONALS, (ROWS, COLUMNS), strict=True):
        for i, start in enumerate(np.ndindex(TABLE.shape)):
            for u, length in noise:
                kernel[i, np.ravel_multi_index(conditional(start, u), TABLE.shape)] += length
    mixed = (kernels[0] + kernels[1]) / 2
    assert stationary(mixed, TABLE.ravel()) < 1e-15
    assert unbalanced(mixed, TABLE.ravel()) < 1e-15


def test_a_conditional_of_the_wrong_variable_is_found():
    def joint(at, u):
        return int(np.searchsorted(np.cumsum(TABLE.sum(1)), u)), at[1]  # the marginal

    kernel = gibbs_kernel("systematic", (joint, column_given_row))
    kernel_alone = np.zeros((6, 6))
    for i, start in enumerate(np.ndindex(TABLE.shape)):
        for u, length in pieces(TABLE.sum(1)):
            kernel_alone[i, np.ravel_multi_index(joint(start, u), TABLE.shape)] += length
    assert stationary(kernel_alone, TABLE.ravel()) > 1e-2
    assert kernel.sum() == pytest.approx(6)


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


@pytest.mark.parametrize("mistaken", [False, True])
def test_an_exchange_keeps_the_joint_density(mistaken):
    beta = np.array([1.0, 0.3])
    powers = [WEIGHTS**b / (WEIGHTS**b).sum() for b in beta]
    joint, count = np.outer(*powers).ravel(), len(WEIGHTS)
    kernel = np.zeros((count**2, count**2))
    for k, pair in enumerate(np.ndindex(count, count)):
        x = np.array(pair, dtype=float)[:, None]
        state = parallel_tempering.init(x, table_target())
        given = beta[::-1].copy() if mistaken else beta
        info = parallel_tempering.step(state, parallel_tempering.Noise(np.array([0.5])), given).info
        probability = np.exp(min(info.log_accept_ratio[0], 0))
        kernel[k, np.ravel_multi_index(pair[::-1], (count, count))] += probability
        kernel[k, k] += 1 - probability
    assert (stationary(kernel, joint) > 1e-2) == mistaken
    assert (unbalanced(kernel, joint) > 1e-2) == mistaken


@pytest.mark.parametrize("scheme", ["multinomial", "stratified", "systematic"])
def test_every_draw_has_its_share_of_the_offspring(scheme):
    """The mean over the uniforms, a row of midpoints so fine that it misses each jump by 1e-4 at most."""
    u = (np.arange(4000) + 0.5) / 4000
    state = sir.State(np.zeros((4000, 4, 1)), np.broadcast_to(np.log(WEIGHTS * 7), (4000, 4)))
    _, info = sir.step(state, sir.Noise(np.repeat(u[:, None], 3, axis=1)), scheme=scheme)
    shares = [np.mean(info.ancestors == n) for n in range(4)]
    np.testing.assert_allclose(shares, WEIGHTS, atol=4e-4)


def test_a_draw_of_weight_zero_is_never_taken():
    state = sir.State(np.zeros((4, 1)), np.array([-np.inf, 0.0, 0.0, -np.inf]))
    for u in (0.0, 0.5, 1.0):
        taken = sir.step(state, sir.Noise(np.full(3, u))).info.ancestors
        assert set(taken.tolist()) <= {1, 2}
    assert sir.step(state, sir.Noise(np.zeros(1)), side="left").info.ancestors.tolist() == [0]


def test_a_conjugate_example_of_gibbs_sampling():
    """Mean and precision of normal data given each other: the sweep keeps their joint posterior, by quadrature."""
    data = np.array([0.3, 1.1, -0.4, 0.9])
    n, shape, rate, spread = len(data), 3.0, 2.0, 1.5
    mu, tau = np.linspace(-4, 5, 181), np.exp(np.linspace(-6, 3.5, 181))
    squares = ((data[:, None] - mu) ** 2).sum(0)
    log_joint = (shape + n / 2) * np.log(tau) - tau * (rate + squares[:, None] / 2) - (mu[:, None] / spread) ** 2 / 2
    joint = np.exp(log_joint - log_joint.max())  # with the Jacobian of the grid in log tau
    joint /= joint.sum()

    def draw_mean(at, share):  # the conditional distributions, on the grid
        precision = 1 / spread**2 + n * at[1]
        center = data.sum() * at[1] / precision
        density = np.exp(-precision * (mu - center) ** 2 / 2)
        return density / density.sum()

    def draw_precision(at, share):
        density = (shape + n / 2) * np.log(tau) - tau * (rate + ((data - at[0]) ** 2).sum() / 2)
        return np.exp(density - density.max()) / np.exp(density - density.max()).sum()

    given_tau = np.array([gibbs.sweep((0.0, t), [None], [draw_mean]) for t in tau])
    given_mu = np.array([gibbs.sweep((m, 0.0), [None], [draw_precision]) for m in mu])
    after_mean = given_tau.T * joint.sum(0)
    after_both = given_mu * after_mean.sum(1)[:, None]
    np.testing.assert_allclose(after_mean, joint, atol=1e-15)
    np.testing.assert_allclose(after_both, joint, atol=1e-15)
