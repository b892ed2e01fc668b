"""Exact moments of posteriors: closed forms, published figures, convergence; and one posterior sampled."""

from math import lgamma

import numpy as np
import pytest

import refengine
from refengine._walk import find
from validation.posteriors.__main__ import bound, main
from validation.posteriors._data import FOLDER, load, source
from validation.posteriors._regression import Regression, half_cauchy
from validation.posteriors.known import posteriors
from validation.posteriors.sample import PLANS, Plan, score

KNOWN = {p.name: p for p in posteriors()}


def test_flat_priors_have_a_closed_form():
    """sigma^2 is inverse gamma with (N - D - 1) / 2 and half the squares, beta Student-t around least squares."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    found = Regression(x, y, np.zeros(3), np.zeros(3), half_cauchy(0.0)).moments()
    best, (squares,), *_ = np.linalg.lstsq(x, y, rcond=None)
    shape = (20 - 3 - 1) / 2
    mean = np.sqrt(squares / 2) * np.exp(lgamma(shape - 0.5) - lgamma(shape))
    variance = squares / 2 / (shape - 1)
    np.testing.assert_allclose(found.mean, [*best, mean], rtol=1e-12)
    deviations = np.sqrt(variance * np.diag(np.linalg.inv(x.T @ x)))
    np.testing.assert_allclose(found.sd, [*deviations, np.sqrt(variance - mean**2)], rtol=1e-12)


def test_a_narrow_prior_is_met():
    x, y = np.ones((5, 1)), np.zeros(5)
    found = Regression(x, y, np.array([3.0]), np.array([1e12]), half_cauchy(0.5)).moments()
    np.testing.assert_allclose([found.mean[0], found.sd[0]], [3.0, 1e-6], rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("kidiq-kidscore_momiq", ["25.79977785", "0.60997457", "18.277474"]),
        ("eight_schools-eight_schools_noncentered", ["4.396821", "3.5977055", "6.211884"]),
    ],
)
def test_means_are_those_of_another_program(name, means):
    """All digits that were noted of a quadrature written apart from this one; the spread's by mpmath."""
    found = KNOWN[name].moments().mean
    for value, noted in zip(found[: len(means)], means, strict=True):
        assert abs(value - float(noted)) <= 0.5001 * 10.0 ** -len(noted.partition(".")[2])


def test_means_agree_with_the_draws_of_posteriordb():
    """Means with their standard errors, from its 10 000 draws."""
    for name, mean, error in (
        ("arK-arK", [-0.000718650251, 0.692163280, 0.439043080, 0.105816025, -0.035435038, -0.301512066, 0.150566659],
         [0.000106241, 0.000722052, 0.000907973, 0.000922856, 0.000854131, 0.000699560, 7.96547e-05]),
        ("mesquite-mesquite", [-727.038222, 187.037002, 373.695945, 355.612263, -101.687498, 132.05907, -365.330401,
         277.761547], [1.503834, 1.195848, 1.297726, 2.26549, 1.921106, 0.362622, 1.065381, 0.321104]),
        ("arma-arma11", [0.00691486351, 0.957012889, -0.0336960218, 0.166481622],
         [0.000116069718, 0.000227498746, 0.000606613465, 8.39209405e-05]),
        ("garch-garch11", [5.05001794660, 1.47075973804, 0.567284282814, 0.293024546082],
         [0.00123500863505, 0.00568114335897, 0.00128025972218, 0.00125411180837]),
    ):  # fmt: skip
        z = (KNOWN[name].moments().mean - mean) / error
        assert np.abs(z).max() < 4, name


MORE = {"eight_schools-eight_schools_noncentered": 1999, "kidiq-logistic": 240, "arma-arma11": 90, "garch-garch11": 40}
"""Twice as many nodes, or fewer where there are several dimensions; 999 for all others."""


@pytest.mark.parametrize(
    "name", [name for name in KNOWN if name not in ("gaussian", "banana", "funnel", "faithful-low_dim_gauss_mix")]
)
def test_more_nodes_change_nothing(name):
    posterior, nodes = KNOWN[name], MORE.get(name, 999)
    once, twice = posterior.moments(), posterior.moments(nodes=nodes)
    assert np.max(np.abs(once.mean - twice.mean) / twice.sd) < 1e-9
    assert np.max(np.abs(once.sd / twice.sd - 1)) < 1e-9


@pytest.mark.slow
def test_more_nodes_change_little_of_a_mixture():
    """Five dimensions allow no more than this."""
    posterior = KNOWN["faithful-low_dim_gauss_mix"]
    once, more = posterior.moments(), posterior.moments(nodes=28)
    assert np.max(np.abs(once.mean - more.mean) / more.sd) < 2e-7
    assert np.max(np.abs(once.sd / more.sd - 1)) < 2e-7


@pytest.mark.parametrize("name", ["nile-arK", "arma-arma11", "garch-garch11", "faithful-low_dim_gauss_mix"])
def test_means_agree_with_weighted_draws(name):
    """Draws of Student's t weighted by the target, twice adapted; their parameters by the maps that the chains take."""
    posterior, rng = KNOWN[name], np.random.default_rng(5)
    target = posterior.target(refengine.samplers.targets)
    center, covariance = posterior.start, np.diag((2 * posterior.width) ** 2)
    for _ in range(4):
        z = rng.standard_normal((8000, center.size)) / np.sqrt(rng.chisquare(5, (8000, 1)) / 5)
        x = center + z @ np.linalg.cholesky(covariance).T
        log_ratio = target.log_density(x, *target.parameters) + (5 + center.size) / 2 * np.log1p(np.sum(z * z, 1) / 5)
        weight = np.exp(log_ratio - log_ratio.max())
        weight /= weight.sum()
        center = weight @ x
        covariance = (weight * (x - center).T) @ (x - center)
    values = posterior.parameters(x)
    mean, truth = weight @ values, posterior.moments(nodes=16) if "mix" in name else posterior.moments()
    error = np.sqrt(weight**2 @ (values - mean) ** 2)
    assert np.all(np.abs(mean - truth.mean) < 4 * error)
    assert np.all(error < 0.05 * truth.sd)
    np.testing.assert_allclose(np.sqrt(weight @ (values - mean) ** 2), truth.sd, rtol=0.1)


def test_every_built_in_target_with_a_gradient_is_sampled():
    """States of a finite target are no positions: tests/samplers/test_finite.py takes all of them."""

    class Targets:
        def __init__(self):
            self.asked = set()

        def __getattr__(self, name):
            self.asked.add(name)
            return getattr(refengine.samplers.targets, name)

    targets = Targets()
    for posterior in posteriors():
        posterior.target(targets)
    names = {path.split(".")[2] for path in find() if path.startswith("samplers.targets.")}
    assert targets.asked == names - {"finite"}


def test_there_are_many_and_each_has_a_source():
    assert len(KNOWN) >= 30
    assert len(KNOWN) == len(list(posteriors()))
    known = (FOLDER.parents[2] / "docs" / "references.bib").read_text("utf-8")
    for path in FOLDER.iterdir():
        assert load(path.stem)
        assert f"{{{source(path.stem)}," in known, path.name


@pytest.mark.parametrize("sampler", PLANS)
def test_a_posterior_is_sampled(sampler):
    plan = Plan(8, 60, 60) if sampler == "nuts" else Plan(32, 90, 200)
    found = score(KNOWN["cars-quadratic"], sampler, plan, np.random.default_rng(1))
    assert found.worst < bound(8)
    assert found.effective > 100


def test_wrong_moments_are_noticed():
    posterior = KNOWN["cars-quadratic"]
    truth = posterior.moments()
    wrong = posterior._replace(moments=lambda: truth._replace(mean=truth.mean + 0.5 * truth.sd))
    assert score(wrong, "hamiltonian", Plan(32, 90, 200), np.random.default_rng(1)).worst > bound(8)


def test_an_unknown_name_is_an_error(capsys):
    with pytest.raises(SystemExit):
        main(["no_such_posterior"])
    assert "no posterior" in capsys.readouterr().err
