"""Every estimator of hard attention, enumerated: its expectation is the exact gradient, whatever the baseline."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from refengine.attention import (
    baselines,
    control_variates,
    gumbel_softmax,
    gumbel_top_k,
    hard,
    leave_one_out,
    paths,
    xu,
)

BASELINES = (0.0, 1.0, -3.5, 1e3)
LOGITS = [[0.5, -1.0, 0.25], [0.0, 0.0], [2.0, -1.0, 0.5, -0.25], [12.0, 0.0, -3.0], [0.5, -np.inf, 1.5]]


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return e / e.sum()


def middle(z: np.ndarray) -> np.ndarray:
    """For every position a uniform number that chooses it; nan for those that none does."""
    p = softmax(z)
    return np.where(p > 0, np.cumsum(p) - p / 2, np.nan)


def expectation(z: np.ndarray, samples: int, estimate: Any) -> np.ndarray:
    """The sum over all choices of so many positions of their probability times the estimate."""
    p, u = softmax(z), middle(z)
    open_ = np.flatnonzero(p)
    found = [np.prod(p[list(s)]) * estimate(u[list(s)], np.array(s)) for s in product(open_, repeat=samples)]
    return np.sum(found, axis=0)


@pytest.fixture(params=LOGITS, ids=str)
def case(request: Any) -> tuple[np.ndarray, np.ndarray]:
    z = np.array(request.param)
    return z, np.array([1.5, -0.25, 2.0, 0.75])[: z.size]


def close(found: np.ndarray, exact: np.ndarray, size: float = 1.0) -> None:
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-14 * max(size, 1.0))


def test_the_noise_in_the_middle_of_a_step_chooses_it(case: tuple[np.ndarray, np.ndarray]) -> None:
    z, _ = case
    u = middle(z)
    places = np.flatnonzero(~np.isnan(u))
    assert hard.sample(z, u[places]).tolist() == places.tolist()


def test_the_exact_gradient_is_that_of_the_enumerated_sum(case: tuple[np.ndarray, np.ndarray]) -> None:
    z, f = case
    p = softmax(z)
    gradient, _ = hard.expected_vjp(1.0, z, f)
    close(gradient, p * (f - p @ f))
    close(hard.expected(z, f), p @ f)


@pytest.mark.parametrize("baseline", BASELINES)
def test_score_function(case: tuple[np.ndarray, np.ndarray], baseline: float) -> None:
    z, f = case
    found = expectation(z, 1, lambda u, s: hard.score_function(z, u[0], f[s[0]], baseline))
    close(found, hard.expected_vjp(1.0, z, f)[0], abs(baseline))


@pytest.mark.parametrize("baseline", BASELINES)
def test_learning_rule(case: tuple[np.ndarray, np.ndarray], baseline: float) -> None:
    z, f = case
    weights = {"reward_weight": 0.75, "entropy_weight": 0.5}
    found = expectation(z, 1, lambda u, s: xu.learning_rule(z, u[0], f[s[0]], baseline, False, **weights))
    close(found, xu.objective_vjp(1.0, z, f, **weights)[0], abs(baseline))


def test_the_coin_halves_the_reward(case: tuple[np.ndarray, np.ndarray]) -> None:
    z, f = case

    def thrown(u: np.ndarray, s: np.ndarray) -> Any:
        return (xu.learning_rule(z, u[0], f[s[0]], 0.5, True) + xu.learning_rule(z, u[0], f[s[0]], 0.5, False)) / 2

    close(expectation(z, 1, thrown), xu.objective_vjp(1.0, z, f, reward_weight=0.5)[0])


@pytest.mark.parametrize("samples", [2, 3])
def test_leave_one_out(case: tuple[np.ndarray, np.ndarray], samples: int) -> None:
    z, f = case
    found = expectation(z, samples, lambda u, s: leave_one_out.score_function(z, u, f[s]))
    close(found, hard.expected_vjp(1.0, z, f)[0])


@pytest.mark.parametrize("samples", [2, 3])
def test_vimco(case: tuple[np.ndarray, np.ndarray], samples: int) -> None:
    """Its target is the gradient of the mean of log (1/M) sum_m e^l_m over independent positions."""
    z, f = case
    p = softmax(z)
    found = expectation(z, samples, lambda u, s: leave_one_out.vimco(z, u, f[s]))
    exact = np.zeros(z.size)
    for s in product(np.flatnonzero(p), repeat=samples):
        score = np.bincount(s, minlength=z.size) - samples * p
        exact += np.prod(p[list(s)]) * np.log(np.mean(np.exp(f[list(s)]))) * score
    close(found, exact)


def test_the_bound_of_many_samples_lies_below_the_marginal(case: tuple[np.ndarray, np.ndarray]) -> None:
    z, f = case
    p = softmax(z)
    bounds = [
        sum(np.prod(p[list(s)]) * np.log(np.mean(np.exp(f[list(s)]))) for s in product(np.flatnonzero(p), repeat=m))
        for m in (1, 2, 3)
    ]
    assert hard.expected(z, f) == pytest.approx(bounds[0], rel=1e-14)
    assert bounds[0] < bounds[1] < bounds[2] < hard.marginal_log_likelihood(z, f)


@pytest.mark.parametrize("baseline", BASELINES)
def test_variance(case: tuple[np.ndarray, np.ndarray], baseline: float) -> None:
    z, f = case
    mean = hard.expected_vjp(1.0, z, f)[0]

    def squares(u: np.ndarray, s: np.ndarray) -> Any:
        return np.sum((hard.score_function(z, u[0], f[s[0]], baseline) - mean) ** 2)

    found = baselines.variance(z, f, baseline)
    np.testing.assert_allclose(found, expectation(z, 1, squares), rtol=1e-13)


def test_no_baseline_has_a_smaller_variance_than_the_optimal_one(case: tuple[np.ndarray, np.ndarray]) -> None:
    z, f = case
    best = baselines.optimal(z, f)
    least = baselines.variance(z, f, best)
    assert all(baselines.variance(z, f, best + step) > least for step in (-1.0, -1e-3, 1e-3, 1.0))
    slope = baselines.variance_vjp(1.0, z, f, best)[2]
    steepest = baselines.variance_vjp(1.0, z, f, best + 1)[2]
    assert abs(slope) < 1e-13 * max(1.0, abs(steepest))


def test_the_moving_average_is_the_weighted_sum_of_all_rewards() -> None:
    rewards, b = np.array([-3.0, -1.0, -2.5, -0.5]), 0.0
    for r in rewards:
        b = xu.moving_average(b, r)
    assert b == pytest.approx(0.1 * np.sum(0.9 ** np.arange(3, -1, -1) * rewards), rel=1e-14)


def test_straight_through_has_the_gradient_of_the_relaxed_sample() -> None:
    z, u, g = np.array([0.5, -1.0, 0.25]), np.array([0.3, 0.9, 0.6]), np.array([1.0, -2.0, 0.5])
    soft = gumbel_softmax.sample_vjp(g, z, u, temperature=0.5)
    through = gumbel_softmax.sample_vjp(g, z, u, temperature=0.5, hard=True)
    exact = gumbel_softmax.sample_vjp(g, z, u, temperature=0.5, hard=True, gradient="exact")
    np.testing.assert_array_equal(soft, through)
    np.testing.assert_array_equal(exact, np.zeros((2, 3)))
    one_hot = gumbel_softmax.sample(z, u, temperature=0.5, hard=True)
    assert one_hot.tolist() == (np.arange(3) == hard.sample_gumbel_max(z, u)).tolist()


def test_probabilities_of_all_orders_add_up_to_one() -> None:
    z = np.array([0.5, -1.0, 0.25, 2.0])
    orders = np.array([s for s in product(range(4), repeat=2) if len(set(s)) == 2])
    assert np.exp(gumbel_top_k.log_prob(z, orders)).sum() == pytest.approx(1.0, rel=1e-14)


def test_frequencies_of_gumbel_choices() -> None:
    """Both ways of sampling follow the softmax, and the top two the law of draws without replacement."""
    z, n = np.array([0.5, -1.0, 0.25]), 40_000
    u = hard.noise(np.random.default_rng(1), (n, 3))
    p = softmax(z)
    for places in (hard.sample(z, u[:, 0]), hard.sample_gumbel_max(z, u)):
        assert np.abs(np.bincount(places, minlength=3) / n - p).max() < 0.01
    pairs = gumbel_top_k.sample(z, u, k=2)
    for s in ((0, 1), (1, 2), (2, 0)):
        share = np.mean(np.all(pairs == s, axis=-1))
        assert abs(share - np.exp(gumbel_top_k.log_prob(z, s))) < 0.01


def test_steps_are_estimated_one_by_one() -> None:
    """The reward of the whole path, each step with a baseline of its own."""
    z, f = np.array([[0.5, -1.0], [0.25, 0.0], [-0.5, 1.0]]), np.arange(8) ** 2 / 8 - 3
    u, p = np.stack([middle(row) for row in z]), np.stack([softmax(row) for row in z])
    exact, of_paths = paths.expected_vjp(1.0, z, f)
    found = np.zeros_like(z)
    for n, s in enumerate(product(range(2), repeat=3)):
        chance = np.prod(p[range(3), s])
        assert of_paths[n] == pytest.approx(chance, rel=1e-14)
        found += chance * hard.score_function(z, u[range(3), s], f[n], [0.5, -2.0, 10.0])
    close(found, exact, 10.0)


def test_steps_that_depend_on_each_other() -> None:
    """A path's score has entries in the nodes that it passes alone."""
    z, f = np.array([[0.5, -1.0], [0.25, 0.0], [-0.5, 1.0]]), np.array([1.5, -0.25, 2.0, 0.75])
    u, p = np.stack([middle(row) for row in z]), np.stack([softmax(row) for row in z])
    found = np.zeros_like(z)
    for n, (i, j) in enumerate(product(range(2), repeat=2)):
        nodes, s = [0, 1 + i], [i, j]
        estimate = hard.score_function(z[nodes], u[nodes, s], f[n], [0.5, -2.0])
        found[nodes] += p[0, i] * p[1 + i, j] * estimate
    close(found, paths.expected_tree_vjp(1.0, z, f)[0], 2.0)


def test_equal_nodes_are_independent_steps() -> None:
    z, f = np.array([[0.5, -1.0], [0.25, 0.0]]), np.array([1.5, -0.25, 2.0, 0.75])
    tree = paths.expected_tree_vjp(1.0, z[[0, 1, 1]], f)[0]
    steps = paths.expected_vjp(1.0, z, f)[0]
    np.testing.assert_allclose([tree[0], tree[1] + tree[2]], steps, rtol=0, atol=1e-15)


def quadrature(points: int = 121) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the double exponential rule on (0, 1)."""
    t = np.linspace(-3.1, 3.1, points)
    u = 1 / (1 + np.exp(-np.pi * np.sinh(t)))
    return u, np.pi * np.cosh(t) * u * (1 - u) * (t[1] - t[0])


@pytest.mark.parametrize("surrogate", [[0.0, 0.0], [0.5, -2.0], [1.5, -0.25]])
@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_control_variates_keep_the_expectation(surrogate: list[float], temperature: float) -> None:
    """Integrated over both noises; the term of u alone, h, apart, so that no integrand has a step."""
    z, f, c = np.array([0.5, -0.25]), np.array([1.5, -0.25]), np.array(surrogate)
    x, weight = quadrature()
    grid = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1)
    area = weight[:, None, None] * weight[None, :, None]

    def h(u: np.ndarray) -> np.ndarray:
        w = (z - np.log(-np.log(u))) / temperature
        y = np.exp(w - w.max(axis=-1, keepdims=True))
        y = y / y.sum(axis=-1, keepdims=True)
        return np.asarray(y * (c - np.sum(y * c, axis=-1, keepdims=True)) / temperature)

    found = np.sum(area * h(grid), axis=(0, 1))
    for s, p in enumerate(softmax(z)):
        u = np.where(np.arange(2) == s, 0.9, 0.1)
        assert hard.sample_gumbel_max(z, u) == s
        estimate = control_variates.relax(z, u, grid, f[s], c, temperature=temperature)
        found = found + p * np.sum(area * (estimate - h(u)), axis=(0, 1))
    np.testing.assert_allclose(found, hard.expected_vjp(1.0, z, f)[0], rtol=0, atol=2e-14)


def test_rebar_is_relax_with_the_reward_as_surrogate() -> None:
    z, f = np.array([0.5, -1.0, 0.25]), np.array([1.5, -0.25, 2.0])
    u, v = hard.noise(np.random.default_rng(2), (2, 7, 3))
    reward = f[hard.sample_gumbel_max(z, u)]
    found = control_variates.rebar(z, u, v, f, temperature=0.5, scale=0.75)
    other = control_variates.relax(z, u, v, reward, 0.75 * f, temperature=0.5)
    np.testing.assert_allclose(found, other, rtol=1e-14)


def test_control_variates_lower_the_variance() -> None:
    z, f, n = np.array([0.5, -1.0, 0.25]), np.array([1.5, -0.25, 2.0]), 4000
    u, v = hard.noise(np.random.default_rng(3), (2, n, 3))
    spread = [
        np.sum(np.var(control_variates.rebar(z, u, v, f, temperature=0.5, scale=scale), axis=0)) for scale in (0.0, 1.0)
    ]
    assert spread[1] < spread[0] / 2
    assert spread[0] == pytest.approx(float(baselines.variance(z, f, 0.0)), rel=0.1)


@pytest.mark.parametrize(
    ("function", "args", "constants", "error", "named"),
    [
        (hard.sample, (np.zeros(()), 0.5), {}, ValueError, "logits"),
        (hard.expected, (np.zeros(3), np.zeros(2)), {}, ValueError, "f"),
        (hard.score_function, (np.zeros(3), "a", 1.0, 0.0), {}, TypeError, "u"),
        (xu.learning_rule, (np.zeros(3), 0.5, 1.0, 0.0, 1.0), {}, TypeError, "coin"),
        (xu.moving_average, (0.0, 1.0), {"decay": 1.5}, ValueError, "decay"),
        (xu.objective, (np.zeros(3), np.zeros(3)), {"entropy_weight": "0"}, TypeError, "entropy_weight"),
        (leave_one_out.score_function, (np.zeros(3), [0.5], [1.0]), {}, ValueError, "u"),
        (leave_one_out.vimco, (np.zeros(3), [0.5, 0.5], 1.0), {}, ValueError, "log_likelihood"),
        (gumbel_softmax.sample, (np.zeros(3), np.full(3, 0.5)), {"temperature": 0.0}, ValueError, "temperature"),
        (gumbel_softmax.sample, (np.zeros(3), np.full(3, 0.5)), {"temperature": 1, "hard": 1}, TypeError, "hard"),
        (gumbel_top_k.sample, (np.zeros(3), np.full(3, 0.5)), {"k": 4}, ValueError, "k"),
        (gumbel_top_k.log_prob, (np.zeros(3), 1), {}, ValueError, "indices"),
        (paths.expected, (np.zeros((2, 2)), np.zeros(3)), {}, ValueError, "f"),
        (paths.expected_tree, (np.zeros((2, 2)), np.zeros(4)), {}, ValueError, "logits"),
        (control_variates.rebar, (*np.full((4, 3), 0.5),), {"temperature": -1}, ValueError, "temperature"),
        (gumbel_top_k.log_prob, (np.zeros(3), [0.5]), {}, TypeError, "indices"),
    ],
)
def test_bad_input_is_named(function: Any, args: Any, constants: Any, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=f"^{named} must"):
        function(*args, **constants)
