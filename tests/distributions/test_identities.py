"""What holds between the functions of one distribution, whatever their formulas."""

from __future__ import annotations

from collections import defaultdict
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri, polygamma
from scipy.stats import kstwo

from refengine._walk import find
from refengine.domains import Integers
from refengine.golden import load
from tests import checks
from tests.distributions._quadrature import LEVELS, WEIGHTS, expectation
from validation.exact.number import Number, exp, gradient, lift, number, working_precision

# moderate values by the name of the parameter; tails light enough for sixteen digits to hold a variance
VALUES: dict[str, float] = {
    "loc": 0.3,
    "scale": 0.7,
    "concentration": 2.6,
    "rate": 1.9,
    "a": 2.4,
    "b": 3.1,
    "df": 14.5,
    "p": 0.35,
    "n": 12,
    "low": -1.2,
    "high": 2.1,
    "alpha": 13.5,
    "r": 4.2,
    "temperature": 0.8,
    "logits": 0.4,
    "population": 40,
    "successes": 15,
    "draws": 12,
}
OWN = {"inverse_gamma": {"concentration": 14.5}, "log_normal": {"scale": 0.3}}
FALSE_ALARM = 1e-9
SAMPLES = 20_000


def functions() -> dict[str, dict[str, Any]]:
    """The elementwise operations of each distribution by name."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for path, operation in find().items():
        if path.startswith("distributions.") and checks.elementwise(operation):
            found[operation.module.rpartition(".")[2]][operation.name] = operation
    return found


FUNCTIONS = functions()
CONTINUOUS = [name for name, f in FUNCTIONS.items() if "x" in getattr(f.get("log_prob"), "domains", {})]
COUNTS = [name for name, f in FUNCTIONS.items() if "k" in getattr(f.get("log_prob"), "domains", {})]


def module(name: str) -> ModuleType:
    return import_module(f"refengine.distributions.{name}")


def parameters(name: str) -> dict[str, float]:
    """Moderate parameters of a distribution."""
    names = [p for p in FUNCTIONS[name]["log_prob"].domains if p not in ("x", "k")]
    return {p: OWN.get(name, {}).get(p, VALUES[p]) for p in names}


def having(names: list[str], *needed: str) -> Any:
    return pytest.mark.parametrize("name", [n for n in names if set(needed) <= FUNCTIONS[n].keys()])


def quantile(name: str) -> Any:
    given = parameters(name)
    return lambda u: module(name).icdf(u, *given.values())


def log_prob(name: str, x: Any) -> Any:
    return module(name).log_prob(x, *parameters(name).values())


@having(CONTINUOUS, "cdf")
def test_the_density_is_the_derivative_of_the_distribution_function(name: str) -> None:
    """With limits 0 and 1 that is the normalisation; certified derivatives against our density."""
    for case in load(f"distributions.{name}.cdf").cases:
        if case.result == "required" and all(a.ndim == 0 for a in case.arguments.values()):
            slope = float(case.gradients["x"].hi)
            with np.errstate(over="ignore"):
                density = float(np.exp(module(name).log_prob(*case.arguments.values())))
            unit = float(case.gradient_condition["x"]) + abs(slope)
            if np.isfinite(unit) and abs(slope) > 1e-290:
                log_size = 1 + abs(float(np.log(density))) if density > 0 else 1.0
                assert abs(slope - density) <= 8 * 2.0**-53 * (unit + log_size * abs(slope)), case


@having(CONTINUOUS, "cdf", "sf", "log_cdf", "log_sf", "icdf")
def test_distribution_functions_fit_each_other(name: str) -> None:
    d, given = module(name), tuple(parameters(name).values())
    u = np.linspace(1e-3, 1 - 1e-3, 97)
    x = d.icdf(u, *given)
    slope = np.abs(x) * np.exp(d.log_prob(x, *given))  # what a rounding of x changes
    np.testing.assert_array_less(np.abs(d.cdf(x, *given) - u), 1e-14 + 8 * 2.0**-53 * slope)
    np.testing.assert_allclose(d.cdf(x, *given) + d.sf(x, *given), 1.0, rtol=1e-14)
    np.testing.assert_allclose(np.exp(d.log_cdf(x, *given)), d.cdf(x, *given), rtol=1e-13)
    np.testing.assert_allclose(np.exp(d.log_sf(x, *given)), d.sf(x, *given), rtol=1e-13)


@having(CONTINUOUS, "icdf")
def test_the_score_has_mean_zero(name: str) -> None:
    """For every parameter that does not move the support."""
    d, given = module(name), parameters(name)
    fixed = {"uniform": ("low", "high"), "truncated_normal": ("low", "high"), "pareto": ("scale",)}.get(name, ())
    x = quantile(name)(LEVELS)
    gradients = d.log_prob_vjp(np.ones_like(x), x, *(np.full_like(x, v) for v in given.values()))
    for parameter, slope in zip(given, gradients[1:], strict=True):
        if parameter not in fixed:
            assert abs(np.sum(WEIGHTS * slope)) <= 1e-9 * np.sum(WEIGHTS * np.abs(slope)), parameter


@having(CONTINUOUS, "icdf", "entropy")
def test_entropy_is_the_mean_of_the_negative_log_density(name: str) -> None:
    found = -expectation(lambda x: log_prob(name, x), quantile(name))
    np.testing.assert_allclose(module(name).entropy(*parameters(name).values()), found, rtol=1e-9, atol=1e-9)


@having(CONTINUOUS, "icdf", "mean", "variance")
def test_mean_and_variance_are_integrals(name: str) -> None:
    d, given = module(name), tuple(parameters(name).values())
    mean = float(d.mean(*given))
    if np.isnan(mean) or np.isinf(mean):
        pytest.skip("no mean")
    found = expectation(lambda x: x, quantile(name))
    np.testing.assert_allclose(mean, found, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(d.variance(*given), expectation(lambda x: (x - found) ** 2, quantile(name)), rtol=1e-8)


@having(CONTINUOUS, "icdf", "kl_divergence")
def test_divergence_is_the_mean_of_the_log_ratio(name: str) -> None:
    d, given = module(name), parameters(name)
    other = {
        k: 1.25 * v if k not in ("low", "high") else (v - 0.5 if k == "low" else v + 0.5) for k, v in given.items()
    }
    if name == "pareto":
        other["scale"] = given["scale"] / 1.25
    if name == "laplace":  # one kink, at the median
        other["loc"] = given["loc"]
    ratio = expectation(lambda x: log_prob(name, x) - d.log_prob(x, *other.values()), quantile(name))
    np.testing.assert_allclose(d.kl_divergence(*given.values(), *other.values()), ratio, rtol=1e-9, atol=1e-10)
    assert abs(float(d.kl_divergence(*given.values(), *given.values()))) < 2.0**-100


@having(COUNTS, "log_prob")
def test_probabilities_sum_to_one_and_scores_to_nothing(name: str) -> None:
    """In ball arithmetic, with the Fisher information: sum p s = 0 and sum p (s s' + H) = 0, where sums are finite."""
    exact = import_module(f"validation.exact.distributions.{name}")
    given = parameters(name)
    domains = FUNCTIONS[name]["log_prob"].domains
    floating = [p for p in given if not isinstance(domains[p], Integers)]
    top = {"bernoulli": 1, "hypergeometric": 12}.get(name, int(given.get("n", 0)))
    if not top:
        pytest.skip("infinitely many counts")
    with working_precision(256):
        lifted = {p: lift(np.asarray(float(v))) if p in floating else number(int(v)) for p, v in given.items()}
        leaves = [lifted[p] for p in floating]
        total: Any = Number(0)
        scores = [Number(0) for _ in leaves]
        information = [[Number(0) for _ in leaves] for _ in leaves]
        for k in range(top + 1):
            log_p = number(exact.log_prob(number(k), *lifted.values()))
            p = exp(log_p)
            total = total + p
            score = gradient([log_p], [1], leaves)
            for i, s in enumerate(score):
                scores[i] = scores[i] + p * s
                for j, h in enumerate(gradient([s], [1], leaves)):
                    information[i][j] = information[i][j] + p * (s * score[j] + h)
    for what in (total - 1, *scores, *(h for row in information for h in row)):
        assert abs(float(what)) < 1e-60
        assert what.ball.contains(0)


@having(COUNTS, "cdf")
def test_steps_of_the_distribution_function_are_the_probabilities(name: str) -> None:
    d, given = module(name), tuple(parameters(name).values())
    k = np.arange(13.0)
    steps = np.diff(d.cdf(np.arange(-1.0, 13.0), *given))
    np.testing.assert_allclose(steps, np.exp(d.log_prob(k, *given)), rtol=1e-11, atol=1e-15)
    if "sf" in FUNCTIONS[name]:
        np.testing.assert_allclose(d.cdf(k, *given) + d.sf(k, *given), 1.0, rtol=1e-14)


SAMPLED = [name for name in FUNCTIONS if "sample" in FUNCTIONS[name] and "cdf" in FUNCTIONS[name]]


@pytest.mark.parametrize("name", SAMPLED)
def test_samples_follow_the_distribution(name: str) -> None:
    """Kolmogorov and Smirnov's exact test; for counts on the randomised probability transform."""
    d, given, rng = module(name), tuple(parameters(name).values()), np.random.default_rng(20261127)
    sample = np.asarray(d.sample(d.noise(rng, (SAMPLES,)), *given), dtype=np.float64)
    level = d.cdf(sample, *given)
    if name in COUNTS:
        level = level - rng.uniform(size=SAMPLES) * np.exp(d.log_prob(sample, *given))
    level = np.sort(level)
    gap = max(np.max(np.arange(1, SAMPLES + 1) / SAMPLES - level), np.max(level - np.arange(SAMPLES) / SAMPLES))
    assert kstwo.sf(gap, SAMPLES) > FALSE_ALARM / len(SAMPLED)


# on a circle mean and variance are those of directions
PATHWISE = [n for n in CONTINUOUS if {"sample", "mean", "variance"} <= FUNCTIONS[n].keys() and n != "von_mises"]
UNIFORM_NOISE = [n for n in PATHWISE if "normal" not in module(n).noise.__name__]


@pytest.mark.parametrize("name", UNIFORM_NOISE)
def test_pathwise_gradients_integrate_to_those_of_the_moments(name: str) -> None:
    """d E f / d theta = E f'(x) dx/dtheta for f = x and f = x^2."""
    d, given = module(name), parameters(name)
    mean = float(d.mean(*given.values()))
    if not np.isfinite(mean):
        pytest.skip("no mean")
    spread = [np.full_like(LEVELS, v) for v in given.values()]
    x = d.sample(LEVELS, *spread)
    first = d.mean_vjp(1.0, *given.values())
    second = [s + 2 * mean * f for s, f in zip(d.variance_vjp(1.0, *given.values()), first, strict=True)]
    for slope, exact in ((np.ones_like(x), first), (2 * x, second)):
        _, *along = d.sample_vjp(slope, LEVELS, *spread)
        for parameter, path, wanted in zip(given, along, exact, strict=True):
            np.testing.assert_allclose(np.sum(WEIGHTS * path), wanted, rtol=1e-8, atol=1e-9, err_msg=parameter)


# E log x, differentiated by hand to each parameter; a = 2.6, b = 1.7
_TRIGAMMA = {v: float(polygamma(1, v)) for v in (2.6, 1.7, 4.3)}
LOGARITHM = {
    "gamma": (_TRIGAMMA[2.6], -1 / 1.7),  # psi(a) - log b
    "inverse_gamma": (-_TRIGAMMA[2.6], 1 / 1.7),  # log b - psi(a)
    "beta": (_TRIGAMMA[2.6] - _TRIGAMMA[4.3], -_TRIGAMMA[4.3]),  # psi(a) - psi(a + b)
    "log_normal": (1.0, 0.0),
    "weibull": (np.euler_gamma / 2.6**2, 1 / 1.7),  # log scale - gamma / concentration
    "pareto": (1 / 2.6, -1 / 1.7**2),  # log scale + 1 / alpha
}


@pytest.mark.parametrize("name", LOGARITHM)
def test_pathwise_gradients_of_the_mean_logarithm(name: str) -> None:
    """d E log x / d theta = E dx/dtheta / x."""
    d = module(name)
    noise = ndtri(LEVELS) if name == "log_normal" else LEVELS
    given = np.full_like(LEVELS, 2.6), np.full_like(LEVELS, 1.7)
    _, *along = d.sample_vjp(1 / d.sample(noise, *given), noise, *given)
    for path, wanted in zip(along, LOGARITHM[name], strict=True):
        np.testing.assert_allclose(np.sum(WEIGHTS * path), wanted, rtol=1e-8, atol=1e-9)


def test_limits() -> None:
    """At the rate that theory gives: the first correction is of the order of one over the large parameter."""
    k, x = np.arange(8.0), np.linspace(-4, 4, 33)
    large = 1e12
    beta_binomial = module("beta_binomial").log_prob(k, 9, 0.3 * large, 0.7 * large)
    np.testing.assert_allclose(beta_binomial, module("binomial").log_prob(k, 9, 0.3), rtol=0, atol=200 / large)
    student = module("student_t").log_prob(x, large, 0.0, 1.0)
    np.testing.assert_allclose(student, module("normal").log_prob(x, 0.0, 1.0), rtol=0, atol=200 / large + 1e-14)
    negative = module("negative_binomial").log_prob(k, large, 2.5 / large)
    np.testing.assert_allclose(negative, module("poisson").log_prob(k, 2.5), rtol=0, atol=200 / large + 1e-14)
    direction = np.array([0.6, 0.0, 0.8])
    sphere = module("von_mises_fisher").log_prob(direction, np.array([1.0, 0.0, 0.0]), 1e-12)
    np.testing.assert_allclose(sphere, -np.log(4 * np.pi), rtol=1e-11)
