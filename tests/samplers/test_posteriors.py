"""Exact moments of posteriors: closed forms, published figures, convergence; and one posterior sampled."""

from math import lgamma

import numpy as np
import pytest

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
    ):  # fmt: skip
        z = (KNOWN[name].moments().mean - mean) / error
        assert np.abs(z).max() < 4, name


@pytest.mark.parametrize("name", [name for name in KNOWN if name not in ("gaussian", "banana", "funnel")])
def test_more_nodes_change_nothing(name):
    """But for closed forms; the logistic regression of many rows is dear, there it is half as many again."""
    posterior = KNOWN[name]
    nodes = 1999 if "schools" in name else 240 if name.startswith("kidiq-logistic") else 999
    once, twice = posterior.moments(), posterior.moments(nodes=nodes)
    assert np.max(np.abs(once.mean - twice.mean) / twice.sd) < 1e-9
    assert np.max(np.abs(once.sd / twice.sd - 1)) < 1e-9


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
