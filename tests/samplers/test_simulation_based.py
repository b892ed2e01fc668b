"""Simulation-based calibration and Geweke's joint distribution test with exact p-values and a fixed false-alarm rate.

Gandy and Scott (2020), arXiv:2001.06465: parameters and data are drawn from their joint distribution and put at a
random place of a chain, which is continued forwards by the sampler and backwards by its reversal. The rank of a
statistic at that place among all places is then uniform, exactly and for chains of any length, whether or not they
mix. For simulation-based calibration the data stay; for Geweke's test they are drawn anew after every step. The
p-values are exact tails of binomial distributions, and more chains are asked for only where they leave a doubt.
"""

from functools import partial
from itertools import product
from math import factorial

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom

from refengine.distributions import gamma, normal
from refengine.estimation import normal_normal
from refengine.samplers import Target, gibbs, hamiltonian, nuts, random_walk, slice
from tests.samplers.calls import mutant

PLACES, ROWS = 5, 4
FALSE_ALARMS, TESTS, ROUNDS = 1e-6, 10, 3
"""Of all ten tests together; a test doubles its chains twice at most."""
LOC, SCALE, SHAPE, RATE = 0.5, 1.5, 3.0, 2.0


def log_density(x, data):
    """Of the mean and the log precision of normal data, with a normal and a gamma prior."""
    mean, log_tau = x[..., 0], x[..., 1]
    squares = np.sum((data - mean[..., None]) ** 2, axis=-1)
    prior = -(((mean - LOC) / SCALE) ** 2) / 2 + SHAPE * log_tau - RATE * np.exp(log_tau)
    return prior + data.shape[-1] / 2 * log_tau - np.exp(log_tau) * squares / 2


def gradient(x, data):
    away, tau = data - x[..., :1], np.exp(x[..., 1])
    to_mean = tau * np.sum(away, axis=-1) - (x[..., 0] - LOC) / SCALE**2
    to_log_tau = SHAPE + data.shape[-1] / 2 - tau * (RATE + np.sum(away**2, axis=-1) / 2)
    return np.stack([to_mean, to_log_tau], axis=-1)


def posterior(data):
    return Target(log_density, gradient, parameters=(data,))


def drawn_parameters(rng, chains):
    return np.stack([rng.normal(LOC, SCALE, chains), np.log(rng.gamma(SHAPE, 1 / RATE, chains))], axis=-1)


def drawn_data(rng, x):
    return x[:, :1] + np.exp(-x[:, 1:] / 2) * rng.standard_normal((len(x), ROWS))


def step_of(sampler, *shared, **constants):
    """A reversible sampler: its step is its own reversal."""

    def step(rng, x, data, backwards):
        target = posterior(data)
        state = sampler.init(x, target)
        return sampler.step(state, sampler.noise(rng, state), target, *shared, **constants).state.position

    return step


def nuts_step(sampler, rng, x, data, backwards):
    """One chain at a time: each has data of its own, and a tree sees one chain."""
    found = []
    for row, own in zip(x, data, strict=True):
        target = posterior(own)
        state = sampler.init(row, target)
        noise = sampler.noise(rng, state, 2)
        found.append(sampler.step(state, noise, target, np.array([1.3, 0.6]), step_size=0.7).state.position)
    return np.array(found)


def slice_step(bracket, rng, x, data, backwards):
    """One coordinate after the other, the last one first on the way back."""
    target = posterior(data)
    for direction in np.array([[1.2, 0.0], [0.0, 1.0]])[:: -1 if backwards else 1]:
        state = slice.init(x, target)
        drawn = slice.noise(rng, state, 6)
        x = slice.step(state, drawn, target, direction, max_steps=3, bracket=bracket).state.position
    return x


def gibbs_step(rows, rng, x, data, backwards):
    """The conjugate conditionals of mean and precision."""

    def mean_given_precision(at, z):
        after = normal_normal.posterior(data, LOC, SCALE, 1 / at[1])
        return normal.sample(z, after.loc, after.scale), at[1]

    def precision_given_mean(at, z):
        rate = RATE + np.sum((data - at[0][:, None]) ** 2, axis=-1) / 2
        return at[0], gamma.sample(ndtr(z), SHAPE + rows / 2, rate)

    scan = "reverse" if backwards else "systematic"
    both = [mean_given_precision, precision_given_mean]
    mean, tau = gibbs.sweep((x[:, 0], np.exp(x[:, 1])), rng.standard_normal((2, len(x))), both, scan=scan)
    return np.stack([mean, np.log(tau)], axis=-1)


METRIC = np.array([1.5, 0.5])
SAMPLERS = {
    "random_walk": step_of(random_walk, scale=0.8),
    "hamiltonian": step_of(hamiltonian, METRIC, step_size=0.5, steps=3),
    "nuts": partial(nuts_step, nuts),
    "gibbs": partial(gibbs_step, ROWS),
    "slice": partial(slice_step, "from_left"),
}
CHAINS = {"random_walk": 16_000, "hamiltonian": 16_000, "nuts": 300, "gibbs": 2000, "slice": 16_000}
"""In the first round."""


def mistaken(name):
    """The sampler with a mistake: pulled back, a wrong momentum, weights swapped, a degree of freedom, an old PyMC."""
    if name == "random_walk":
        return step_of(mutant(random_walk, "y = x + scale * z", "y = 0.8 * x + scale * z"), scale=0.8)
    if name == "hamiltonian":
        wrong = mutant(hamiltonian, "p = z / xp.sqrt(w)", "p = z * xp.sqrt(w)")
        return step_of(wrong, METRIC, step_size=0.5, steps=3)
    if name == "nuts":
        weights = "tree.log_weight(points)", "tree.log_weight(tree.points)"
        return partial(nuts_step, mutant(nuts, " - ".join(weights), " - ".join(weights[::-1])))
    return partial(gibbs_step, 0) if name == "gibbs" else partial(slice_step, "from_point")


def statistics(x, data):
    return np.stack([x[:, 0], x[:, 1], log_density(x, data)])


def ranks(step, rng, chains, redraw):
    """Ranks (statistics, chains) of the place of the drawn parameters, ties in random order."""
    x = drawn_parameters(rng, chains)
    data = drawn_data(rng, x)
    there, back = [statistics(x, data)], []
    for backwards, found in ((False, there), (True, back)):
        at, seen = x, data
        for _ in range(PLACES - 1):
            seen = drawn_data(rng, at) if redraw and backwards else seen
            at = step(rng, at, seen, backwards)
            seen = drawn_data(rng, at) if redraw and not backwards else seen
            found.append(statistics(at, seen))
    line = np.array(back[::-1] + there)  # the drawn parameters in the middle
    start = rng.integers(PLACES, size=chains)
    window = np.take_along_axis(line, (start + np.arange(PLACES)[:, None])[:, None, :], axis=0)
    below, equal = np.sum(window < there[0], axis=0), np.sum(window == there[0], axis=0)
    return below + np.floor(rng.uniform(size=below.shape) * equal)


def p_value(ranks, places):
    """Of uniformity, by the exact binomial tails of the numbers of ranks below each place; conservative."""
    tails = []
    for r in range(1, places):
        low = np.sum(ranks < r)
        law = binom(len(ranks), r / places)
        tails.append(2 * min(law.cdf(low), law.sf(low - 1)))
    return min(1.0, (places - 1) * min(tails))


def fails(step, redraw, chains):
    """Sequentially: a round fails with a p-value up to beta / gamma^i, and only one up to gamma asks for another.

    Round i is reached with the probability gamma^i at most, so that every round adds beta to the false alarms.
    """
    rng, beta = np.random.default_rng(11), FALSE_ALARMS / TESTS / ROUNDS
    gamma_ = beta ** (1 / ROUNDS)
    for i in range(ROUNDS):
        found = ranks(step, rng, chains * 2**i, redraw)
        p = len(found) * min(p_value(row, PLACES) for row in found)
        if p <= beta / gamma_**i:
            return True
        if p > gamma_:
            return False
    return False


def test_the_p_value_is_no_smaller_than_it_may_be():
    """All outcomes of six ranks among three places."""
    outcomes = []
    for counts in product(range(7), repeat=3):
        if sum(counts) == 6:
            chance = factorial(6) / np.prod([float(factorial(c)) for c in counts]) / 3**6
            outcomes.append((p_value(np.repeat(np.arange(3), counts), 3), chance))
    for level in {p for p, _ in outcomes}:
        assert sum(chance for p, chance in outcomes if p <= level) <= level + 1e-12


def test_the_gradient_of_the_model():
    rng = np.random.default_rng(0)
    x = drawn_parameters(rng, 20)
    data, h = drawn_data(rng, x), 2e-3
    for i, unit in enumerate(np.eye(2)):
        one, two, three = (log_density(x + k * h * unit, data) - log_density(x - k * h * unit, data) for k in (1, 2, 3))
        slope = (45 * one - 9 * two + three) / (60 * h)  # of sixth order
        np.testing.assert_allclose(gradient(x, data)[:, i], slope, rtol=1e-10, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("redraw", [False, True], ids=["calibration", "geweke"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_ranks_are_uniform(name, redraw):
    assert not fails(SAMPLERS[name], redraw, CHAINS[name])


@pytest.mark.slow
@pytest.mark.parametrize("redraw", [False, True], ids=["calibration", "geweke"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_ranks_of_a_mistaken_sampler_are_not(name, redraw):
    assert fails(mistaken(name), redraw, CHAINS[name])
