"""Facts of conjugate pairs: Bayes' theorem to the last bits, stationary estimates, predictions that add up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

import refengine
from refengine.estimation import (
    beta_binomial,
    dirichlet_multinomial,
    gamma_poisson,
    monte_carlo,
    normal_inverse_gamma,
    normal_inverse_wishart,
    normal_normal,
)
from tests import examples

U = 2.0**-53


def normal_logpdf(x: Any, mean: Any, variance: Any) -> Any:
    return -(np.log(2 * np.pi * variance) + (x - mean) ** 2 / variance) / 2


def gamma_logpdf(x: float, a: float, b: float) -> float:
    return a * math.log(b) - math.lgamma(a) + (a - 1) * math.log(x) - b * x


def beta_logpdf(x: float, a: float, b: float) -> float:
    return math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x)


def inverse_gamma_logpdf(v: float, a: float, b: float) -> float:
    return a * math.log(b) - math.lgamma(a) - (a + 1) * math.log(v) - b / v


def terms_add_up(*terms: float) -> None:
    """log prior + log likelihood - log posterior - log evidence is 0 but for the rounding of each."""
    assert abs(math.fsum(terms)) <= 64 * U * (1 + sum(map(abs, terms)))


@pytest.mark.parametrize("size", [0, 1, 7])
def test_bayes_theorem_for_binomial_counts(rng: np.random.Generator, size: int) -> None:
    for _ in range(10):
        n = rng.integers(0, 20, size)
        k, theta, a, b = rng.binomial(n, 0.3), rng.uniform(0.05, 0.95), *rng.gamma(2, 2, 2)
        after = beta_binomial.posterior(k, n, a, b)
        likelihood = np.sum(refengine.distributions.binomial.log_prob(k, n, theta))
        prior, posterior = beta_logpdf(theta, a, b), beta_logpdf(theta, float(after.a), float(after.b))
        terms_add_up(prior, likelihood, -posterior, -float(beta_binomial.log_evidence(k, n, a, b)))


@pytest.mark.parametrize("size", [0, 1, 7])
def test_bayes_theorem_for_multinomial_counts(rng: np.random.Generator, size: int) -> None:
    for _ in range(10):
        alpha, theta = rng.gamma(2, 2, 4), rng.dirichlet(np.full(4, 3.0))
        k = rng.multinomial(6, theta, size=size)
        likelihood = float(np.sum(special.gammaln(7) - special.gammaln(k + 1).sum(axis=1) + k @ np.log(theta)))
        prior = stats.dirichlet.logpdf(theta, alpha)
        posterior = stats.dirichlet.logpdf(theta, dirichlet_multinomial.posterior(k, alpha))
        terms_add_up(prior, likelihood, -posterior, -float(dirichlet_multinomial.log_evidence(k, alpha)))


@pytest.mark.parametrize("size", [0, 1, 7])
def test_bayes_theorem_for_poisson_counts(rng: np.random.Generator, size: int) -> None:
    for _ in range(10):
        k, theta, a, b = rng.poisson(4, size), rng.gamma(3), *rng.gamma(2, 2, 2)
        after = gamma_poisson.posterior(k, a, b)
        likelihood = float(np.sum(k * np.log(theta) - theta - special.gammaln(k + 1)))
        prior, posterior = gamma_logpdf(theta, a, b), gamma_logpdf(theta, *map(float, after))
        terms_add_up(prior, likelihood, -posterior, -float(gamma_poisson.log_evidence(k, a, b)))


@pytest.mark.parametrize("size", [0, 1, 7])
def test_bayes_theorem_for_normal_data(rng: np.random.Generator, size: int) -> None:
    for _ in range(10):
        x, mean, v, m = rng.normal(size=size), rng.normal(), rng.gamma(3), rng.normal()
        s, kappa, a, b = rng.gamma(2, 2, 4)
        likelihood = float(np.sum(normal_logpdf(x, mean, v)))
        after = normal_normal.posterior(x, m, s, v)
        prior, posterior = normal_logpdf(mean, m, s * s), normal_logpdf(mean, after.loc, after.scale**2)
        terms_add_up(prior, likelihood, -posterior, -float(normal_normal.log_evidence(x, m, s, v)))
        now = normal_inverse_gamma.posterior(x, m, kappa, a, b)
        prior = normal_logpdf(mean, m, v / kappa) + inverse_gamma_logpdf(v, a, b)
        posterior = normal_logpdf(mean, now.loc, v / now.kappa)
        posterior += inverse_gamma_logpdf(v, float(now.concentration), float(now.rate))
        terms_add_up(prior, likelihood, -posterior, -float(normal_inverse_gamma.log_evidence(x, m, kappa, a, b)))


@pytest.mark.parametrize("size", [0, 1, 7])
def test_bayes_theorem_for_normal_vectors(rng: np.random.Generator, size: int) -> None:
    for _ in range(5):
        x, mean, m = rng.normal(size=(size, 3)), rng.normal(size=3), rng.normal(size=3)
        psi, covariance = (a @ a.T + np.eye(3) for a in rng.normal(size=(2, 3, 3)))
        kappa, df = rng.gamma(2), 3 + rng.gamma(2)
        after = normal_inverse_wishart.posterior(x, m, kappa, df, psi)
        likelihood = float(np.sum(stats.multivariate_normal.logpdf(x, mean, covariance))) if size else 0.0

        def density(m: Any, kappa: Any, df: Any, psi: Any, mean: Any = mean, covariance: Any = covariance) -> float:
            normal = stats.multivariate_normal.logpdf(mean, m, covariance / kappa)
            return float(normal + stats.invwishart.logpdf(covariance, float(df), psi))

        evidence = float(normal_inverse_wishart.log_evidence(x, m, kappa, df, psi))
        terms_add_up(density(m, kappa, df, psi), likelihood, -density(*after), -evidence)


def test_predictions_are_quotients_of_evidences(rng: np.random.Generator) -> None:
    """p(x*, x) = p(x*| x) p(x), whatever the order in which the data came."""
    k, n = np.array([3, 0, 7, 2]), np.array([5, 4, 9, 2])
    x, rows = rng.normal(size=4), rng.normal(size=(4, 2))
    cases: list[tuple[Any, list[np.ndarray], list[Any]]] = [
        (beta_binomial, [k, n], [1.5, 2.5]),
        (gamma_poisson, [k], [1.5, 2.5]),
        (dirichlet_multinomial, [np.stack([k, n - k, n], axis=1)], [np.array([0.5, 1.5, 2.0])]),
        (normal_normal, [x], [0.5, 1.5, 2.0]),
        (normal_inverse_gamma, [x], [0.5, 1.5, 2.0, 0.75]),
        (normal_inverse_wishart, [rows], [np.array([0.5, 1.0]), 1.5, 4.0, np.eye(2)]),
    ]
    for pair, data, prior in cases:
        together = pair.log_evidence(*data, *prior)
        one_by_one = sum(
            pair.predictive_log_prob(*(d[i] for d in data), *(d[:i] for d in data), *prior) for i in range(4)
        )
        np.testing.assert_allclose(one_by_one, together, rtol=1e-13)


def test_predictive_probabilities_sum_to_one() -> None:
    counts = np.arange(13)
    assert abs(np.exp(beta_binomial.predictive_log_prob(counts, 12, [3, 1], [4, 4], 0.5, 2.0)).sum() - 1) < 1e-14
    many = np.arange(4000)
    assert abs(np.exp(gamma_poisson.predictive_log_prob(many, [3, 1], 0.5, 2.0)).sum() - 1) < 1e-13


def test_the_score_is_zero_at_the_estimate(rng: np.random.Generator) -> None:
    """No step in any direction makes the data, or data and prior, more probable."""
    k, n = rng.integers(1, 9, 6), np.full(6, 9)
    x, rows = rng.normal(size=8), rng.normal(size=(8, 2))

    def highest(function: Any, at: float) -> None:
        best = function(at)
        for step in (1e-4, 1e-2, 0.1):
            assert function(at * (1 + step)) < best
            assert function(at * (1 - step)) < best

    highest(lambda p: float(np.sum(stats.binom.logpmf(k, n, p))), float(beta_binomial.maximum_likelihood(k, n)))
    highest(lambda r: float(np.sum(stats.poisson.logpmf(k, r))), float(gamma_poisson.maximum_likelihood(k)))
    after = beta_binomial.posterior(k, n, 2.5, 3.5)
    highest(lambda p: stats.beta.logpdf(p, *after), float(beta_binomial.maximum_a_posteriori(k, n, 2.5, 3.5)))
    now = gamma_poisson.posterior(k, 2.5, 3.5)
    mode = float(gamma_poisson.maximum_a_posteriori(k, 2.5, 3.5))
    highest(lambda r: gamma_logpdf(r, *map(float, now)), mode)
    mean, variance = normal_inverse_gamma.maximum_likelihood(x)
    highest(lambda v: float(np.sum(normal_logpdf(x, mean, v))), float(variance))
    centre, covariance = normal_inverse_wishart.maximum_likelihood(rows)
    highest(lambda c: float(np.sum(stats.multivariate_normal.logpdf(rows, centre, covariance * c))), 1.0)


def test_one_dimension_is_the_scalar_pair(rng: np.random.Generator) -> None:
    """An inverse Wishart matrix of one number is inverse gamma: df = 2 a, Psi = 2 b."""
    x = rng.normal(size=5)
    scalar = normal_inverse_gamma.log_evidence(x, 0.5, 1.5, 2.0, 0.75)
    matrix = normal_inverse_wishart.log_evidence(x[:, None], [0.5], 1.5, 4.0, [[1.5]])
    np.testing.assert_allclose(matrix, scalar, rtol=1e-14)


def test_a_dirichlet_prior_of_two_classes_is_a_beta_prior() -> None:
    k, n = np.array([3, 0, 7]), np.array([5, 4, 9])
    two = dirichlet_multinomial.log_evidence(np.stack([k, n - k], axis=1), [1.5, 2.5])
    np.testing.assert_allclose(two, beta_binomial.log_evidence(k, n, 1.5, 2.5), rtol=1e-15)


def test_no_data_leave_the_prior() -> None:
    none = np.zeros(0)
    assert [float(p) for p in beta_binomial.posterior(none, none, 1.5, 2.5)] == [1.5, 2.5]
    assert float(beta_binomial.log_evidence(none, none, 1.5, 2.5)) == 0.0
    assert float(gamma_poisson.log_evidence(none, 1.5, 2.5)) == 0.0
    assert float(normal_inverse_gamma.log_evidence(none, 0.5, 1.5, 2.0, 0.75)) == 0.0
    assert math.isnan(float(beta_binomial.maximum_likelihood(none, none)))


def test_monte_carlo_prediction_has_the_exact_z_score() -> None:
    """The standard deviation of p(k* | theta) is known: p^2 is a binomial probability of twice the counts."""
    k, n, a, b, new_k, new_n, draws = np.array([7, 2]), np.array([12, 9]), 1.5, 2.0, 3, 8, 4000
    after = beta_binomial.posterior(k, n, a, b)
    once = float(np.exp(beta_binomial.predictive_log_prob(new_k, new_n, k, n, a, b)))
    twice = float(np.exp(beta_binomial.predictive_log_prob(2 * new_k, 2 * new_n, k, n, a, b)))
    square = special.binom(new_n, new_k) ** 2 / special.binom(2 * new_n, 2 * new_k) * twice
    deviation = math.sqrt(square - once**2) / math.sqrt(draws)
    relative = float(beta_binomial.predictive_standard_deviation(new_k, new_n, k, n, a, b))
    np.testing.assert_allclose(relative * once / math.sqrt(draws), deviation, rtol=1e-12)
    rng, z = np.random.default_rng(1), []
    for _ in range(200):
        theta = rng.beta(after.a, after.b, size=draws)
        found = monte_carlo.predictive(lambda p: refengine.distributions.binomial.log_prob(new_k, new_n, p), theta)
        z.append((float(np.exp(found.log_prob)) - once) / deviation)
        assert 0.8 < float(found.standard_error) * once / deviation < 1.25
    assert abs(np.mean(z)) < 5 / math.sqrt(len(z))
    assert stats.chi2.sf(np.sum(np.square(z)), len(z)) > 1e-6
    assert stats.chi2.cdf(np.sum(np.square(z)), len(z)) > 1e-6


def test_standard_deviations_are_those_of_draws(rng: np.random.Generator) -> None:
    """Of a hundred thousand probabilities under draws from the posterior, to the error of their own spread."""
    size = 100_000
    rates = rng.gamma(9.5, 1 / 4.0, size)
    shares = stats.poisson.pmf(2, rates)
    expected = gamma_poisson.predictive_standard_deviation(2, [3, 5], 1.5, 2.0)
    np.testing.assert_allclose(np.std(shares) / np.mean(shares), expected, rtol=0.02)
    after = normal_normal.posterior([0.5, 1.5], 0.0, 1.0, 2.0)
    densities = np.exp(normal_logpdf(2.5, rng.normal(after.loc, after.scale, size), 2.0))
    expected = normal_normal.predictive_standard_deviation(2.5, [0.5, 1.5], 0.0, 1.0, 2.0)
    np.testing.assert_allclose(np.std(densities) / np.mean(densities), expected, rtol=0.02)
    theta = rng.dirichlet([2.5, 1.5, 4.0], size)
    shares = 2 * theta[:, 0] * theta[:, 2]
    expected = dirichlet_multinomial.predictive_standard_deviation([1, 0, 1], [[2, 1, 3]], [0.5, 0.5, 1.0])
    np.testing.assert_allclose(np.std(shares) / np.mean(shares), expected, rtol=0.02)


def test_an_array_of_log_densities_will_do() -> None:
    assert monte_carlo.predictive(np.array([0.5, 1.5]), None) == monte_carlo.log_mean(np.array([0.5, 1.5]))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: beta_binomial.posterior(3, 4, 1.0, 1.0), "k must have shape"),
        (lambda: beta_binomial.posterior([3, 1, 2], [4, 4], 1.0, 1.0), "shapes do not broadcast: k"),
        (lambda: dirichlet_multinomial.posterior([3, 1], [1.0, 1.0]), "counts must have shape"),
        (lambda: dirichlet_multinomial.posterior([[3, 1]], [1.0, 1.0, 1.0]), "alpha must have shape"),
        (lambda: normal_inverse_wishart.posterior([[1.0]], [0.0, 1.0], 1.0, 1.0, [[1.0]]), "mean must have shape"),
        (lambda: normal_inverse_wishart.maximum_likelihood([1.0]), "x must have shape"),
        (lambda: monte_carlo.log_mean(0.5), "log_prob must have shape"),
        (lambda: gamma_poisson.log_evidence_vjp(np.ones(3), [1, 2], 1.0, 1.0), "g must have the result's shape"),
    ],
)
def test_wrong_shapes_are_named(call: Any, named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}"):
        call()


def test_the_example_of_the_documentation_has_the_published_counts() -> None:
    example = examples.example("estimation")
    assert np.bincount(example.DEATHS.ravel()).tolist() == [144, 91, 32, 11, 2]
    assert example.DEATHS.sum(axis=1).tolist() == [16, 16, 12, 12, 8, 11, 17, 12, 7, 13, 15, 25, 24, 8]
    fisher = np.delete(example.DEATHS, [0, 1, 6, 11], axis=0)  # the ten corps of like size
    assert np.bincount(fisher.ravel()).tolist() == [109, 65, 22, 3, 1]
    found = example.compare(example.DEATHS[:, 0])
    error = found["prediction, Monte Carlo"] - found["prediction, Bayesian"]
    assert abs(error) < 4 * found["its standard error"]
