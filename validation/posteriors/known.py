"""The posteriors: names, targets of a backend, exact moments, and how positions become parameters.

Those named as in posteriordb, ``data-model``, have its data and model (`magnusson-2025`); the others have the data of
textbooks under the same models. Regressions are sampled in coordinates in which the coefficients are independent given
the noise, a linear map of the model's, which is what a QR decomposition of the features gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from validation.posteriors import _mixture, _others, _series
from validation.posteriors._data import load
from validation.posteriors._quadrature import Moments
from validation.posteriors._regression import Regression, half_cauchy, half_normal


class Posterior(NamedTuple):
    """``target(targets)`` makes the density from a backend's module of targets, ``start`` and ``width`` say where it is
    (both only roughly), ``parameters(position)`` maps (..., D) to the named parameters (..., P)."""

    name: str
    names: tuple[str, ...]
    target: Callable[[Any], Any]
    start: np.ndarray
    width: np.ndarray
    parameters: Callable[[np.ndarray], np.ndarray]
    moments: Callable[..., Moments]


def posteriors() -> Iterator[Posterior]:
    """All of them."""
    yield from _kidiq()
    yield from _mesquite()
    yield from _autoregressions()
    yield from _textbooks()
    yield from _with_normal_priors()
    yield _eight_schools()
    yield from _logistic()
    yield from _time_series()
    yield _normal_mixture()
    yield from _closed_forms()


def regression(name: str, outcomes: np.ndarray, *columns: Any, rate: float = 0.0, precision: float = 0.0) -> Posterior:
    """A flat or N(0, 1 / precision) prior of the coefficients, a flat or half-Cauchy one of the noise."""
    features = np.column_stack([np.ones(len(outcomes)), *columns])
    size = features.shape[1]
    model = Regression(features, outcomes, np.zeros(size), np.full(size, precision), half_cauchy(rate))
    to_beta, fit, mean, p = model.independent()
    miss = outcomes - features @ (to_beta @ fit)
    free = len(miss) - size
    unit = np.sqrt(miss @ miss / free) * np.sqrt(2 * free)  # each coordinate as wide as the log of the noise
    to_beta = to_beta * unit

    def target(targets: Any) -> Any:
        given = features @ to_beta, outcomes, mean / unit, np.diag(p) * unit**2, rate
        return targets.half_cauchy_regression.target(*given)

    def parameters(position: np.ndarray) -> np.ndarray:
        return np.concatenate([position[..., :-1] @ to_beta.T, np.exp(position[..., -1:])], axis=-1)

    start = np.append(fit / unit, np.log(unit / np.sqrt(2 * free)))
    width = np.full(size + 1, 1 / np.sqrt(2 * free))
    return Posterior(name, _coefficients(size), target, start, width, parameters, model.moments)


def _coefficients(size: int) -> tuple[str, ...]:
    return (*(f"beta[{i + 1}]" for i in range(size)), "sigma")


def _kidiq() -> Iterator[Posterior]:
    score, school, iq = load("kidiq").values()
    weak = 1 / 2.5
    yield regression("kidiq-kidscore_momhs", score, school, rate=weak)
    yield regression("kidiq-kidscore_momiq", score, iq, rate=weak)
    yield regression("kidiq-kidscore_momhsiq", score, school, iq, rate=weak)
    yield regression("kidiq-kidscore_interaction", score, school, iq, school * iq, rate=weak)
    name = "kidiq_with_mom_work-kidscore_interaction"
    for suffix, a, b in (
        ("c", school - school.mean(), iq - iq.mean()),
        ("c2", school - 0.5, iq - 100),
        ("z", _standard(school) / 2, _standard(iq) / 2),
    ):
        yield regression(f"{name}_{suffix}", score, a, b, a * b)


def _mesquite() -> Iterator[Posterior]:
    data = load("mesquite")
    log = {name: np.log(data[name]) for name in data if name != "group"}
    sizes = ("diam1", "diam2", "canopy_height", "total_height", "density")
    group, weight = data["group"], log["weight"]
    area, shape = log["diam1"] + log["diam2"], log["diam1"] - log["diam2"]
    volume = area + log["canopy_height"]
    yield regression("mesquite-mesquite", data["weight"], *(data[name] for name in sizes), group)
    yield regression("mesquite-logmesquite", weight, *(log[name] for name in sizes), group)
    yield regression("mesquite-logmesquite_logvolume", weight, volume)
    yield regression("mesquite-logmesquite_logva", weight, volume, area, group)
    tall, dense = log["total_height"], log["density"]
    yield regression("mesquite-logmesquite_logvas", weight, volume, area, shape, tall, dense, group)
    yield regression("mesquite-logmesquite_logvash", weight, volume, area, shape, tall, group)


def _autoregressions() -> Iterator[Posterior]:
    yield autoregression("arK-arK", load("ar")["y"], 5)
    yield autoregression("lake_huron-arK", load("lake_huron")["value"] - 579, 2)
    yield autoregression("lynx-arK", np.log10(load("lynx")["value"]), 2)
    yield in_its_own_coordinates("nile-arK", _standard(load("nile")["value"]), 1)
    yield in_its_own_coordinates("lh-arK", load("lh")["value"] - 2.4, 3)


def autoregression(name: str, series: np.ndarray, order: int) -> Posterior:
    """posteriordb's arK: the first values given, priors N(0, 10^2) and half-Cauchy with the scale 2.5."""
    lags = (series[order - k : len(series) - k] for k in range(1, order + 1))
    return regression(name, series[order:], *lags, rate=1 / 2.5, precision=1 / 100)


def in_its_own_coordinates(name: str, series: np.ndarray, order: int) -> Posterior:
    """The same by the target of time series, for one whose lags are not all alike."""
    model = autoregression(name, series, order)
    mean, sd = model.moments()
    start, width = np.append(mean[:-1], np.log(mean[-1])), np.append(sd[:-1], sd[-1] / mean[-1])
    target = partial(_made, "autoregression", series)
    return model._replace(target=target, start=start, width=width, parameters=_noise_last)


def _textbooks() -> Iterator[Posterior]:
    """Least squares classics with flat priors of the coefficients and a half-Cauchy one of the noise."""
    cars, trees, mammals = load("cars"), load("trees"), load("mammals")
    yield regression("cars-quadratic", cars["dist"], cars["speed"], cars["speed"] ** 2, rate=1 / 2.5)
    yield regression("trees-log", *(np.log(trees[name]) for name in ("Volume", "Girth", "Height")), rate=1 / 2.5)
    yield regression("mammals-log", np.log(mammals["brain"]), np.log(mammals["body"]), rate=1 / 2.5)
    for name, outcome in (
        ("stackloss", "stack.loss"),
        ("swiss", "Fertility"),
        ("cement", "y"),
        ("attitude", "rating"),
        ("diabetes", "target"),
        ("faithful", "waiting"),
        ("kilpisjarvi", "temperature"),
    ):
        data = load(name)
        yield regression(name, data.pop(outcome), *data.values(), rate=1 / 2.5)
    longley = load("longley")
    yield regression("longley", longley.pop("Employed"), *map(_standard, longley.values()), rate=1 / 2.5)


def _with_normal_priors() -> Iterator[Posterior]:
    """posteriordb's blr: N(0, 10^2) and half-normal with the scale 10; all variables standardised."""
    for name, outcome, *others in (("hills", "time", "dist", "climb"), ("mtcars", "mpg", "wt", "hp")):
        data = {key: _standard(column) for key, column in load(name).items()}
        outcomes, features = data[outcome], np.column_stack([data[key] for key in others])
        size = features.shape[1]
        model = Regression(features, outcomes, np.zeros(size), np.full(size, 0.01), half_normal(10.0))
        to_beta, fit, *_ = model.independent()
        miss = outcomes - features @ (to_beta @ fit)
        spread = np.sqrt(miss @ miss / (len(miss) - size))
        start = np.append(to_beta @ fit, np.log(spread))
        width = np.append(np.full(size, spread / np.sqrt(len(miss))), 1 / np.sqrt(2 * len(miss)))
        target = partial(_made, "linear_regression", features, outcomes, 10.0)
        yield Posterior(f"{name}-blr", _coefficients(size), target, start, width, _noise_last, model.moments)


def _noise_last(position: np.ndarray) -> np.ndarray:
    return np.concatenate([position[..., :-1], np.exp(position[..., -1:])], axis=-1)


def _eight_schools() -> Posterior:
    data = load("eight_schools")
    outcomes, errors = data["y"], data["sigma"]

    def parameters(position: np.ndarray) -> np.ndarray:
        mu, tau, eta = position[..., :1], np.exp(position[..., 1:2]), position[..., 2:]
        return np.concatenate([mu, tau, mu + tau * eta], axis=-1)

    names = ("mu", "tau", *(f"theta[{j + 1}]" for j in range(8)))
    target = partial(_made, "eight_schools", outcomes, errors)
    moments = partial(_others.eight_schools, outcomes, errors)
    start, width = np.array([4.0, 1.0, *[0.0] * 8]), np.array([3.0, *[1.0] * 9])
    return Posterior("eight_schools-eight_schools_noncentered", names, target, start, width, parameters, moments)


def _logistic() -> Iterator[Posterior]:
    shuttle, children = load("challenger"), load("kidiq")
    for name, slope, outcomes, scale in (
        ("challenger-logistic", (shuttle["Temperature"] - 70) / 7, shuttle["Total"] > 0, 10.0),
        ("kidiq-logistic", (children["mom_iq"] - 100) / 15, children["mom_hs"] > 0, 2.5),
    ):
        features, labels = np.column_stack([np.ones_like(slope), slope]), outcomes.astype(np.int64)
        target = partial(_made, "logistic_regression", features, labels, scale)
        moments = partial(_others.logistic, features, labels, scale)
        start, width = np.zeros(2), np.full(2, 3 / np.sqrt(len(slope)))
        yield Posterior(name, ("beta[1]", "beta[2]"), target, start, width, _as_it_is, moments)


def _time_series() -> Iterator[Posterior]:
    series = load("arma")["y"]
    start, width = np.array([0.0, 0.95, 0.0, -1.8]), np.array([0.01, 0.02, 0.06, 0.05])
    target = partial(_made, "arma11", series)
    moments = partial(_series.arma11, series, (start[1:], width[1:]))
    yield Posterior("arma-arma11", ("mu", "phi", "theta", "sigma"), target, start, width, _noise_last, moments)
    series = load("garch")["y"]
    target, moments = partial(_made, "garch11", series, 0.5), partial(_series.garch11, series, 0.5, (5.05, 0.12))
    start, width = np.array([5.0, 0.3, 0.3, 0.8]), np.array([0.12, 0.4, 0.5, 1.0])
    names = ("mu", "alpha0", "alpha1", "beta1")
    yield Posterior("garch-garch11", names, target, start, width, _variances, moments)


def _variances(position: np.ndarray) -> np.ndarray:
    mu, log_least, of_square, of_rest = np.moveaxis(position, -1, 0)
    alpha_1 = 1 / (1 + np.exp(-of_square))
    beta_1 = 1 / (1 + np.exp(of_square)) / (1 + np.exp(-of_rest))
    return np.stack([mu, np.exp(log_least), alpha_1, beta_1], axis=-1)


def _normal_mixture() -> Posterior:
    """posteriordb's low_dim_gauss_mix: short eruptions and long ones, in minutes."""
    values = load("faithful")["eruptions"]
    center, width = np.array([2.02, 4.27, -1.41, -0.82, -0.6]), np.array([0.027, 0.034, 0.1, 0.06, 0.13])

    def parameters(position: np.ndarray) -> np.ndarray:
        lower, gap, logs, logit = position[..., :1], position[..., 1:2], position[..., 2:4], position[..., 4:]
        return np.concatenate([lower, lower + np.exp(gap), np.exp(logs), 1 / (1 + np.exp(-logit))], axis=-1)

    start, steps = center.copy(), width.copy()
    start[1], steps[1] = np.log(center[1] - center[0]), 0.02
    names = ("mu[1]", "mu[2]", "sigma[1]", "sigma[2]", "theta")
    moments = partial(_mixture.normal_mixture, values, (center, width))
    target = partial(_made, "normal_mixture", values)
    return Posterior("faithful-low_dim_gauss_mix", names, target, start, steps, parameters, moments)


def _closed_forms() -> Iterator[Posterior]:
    mean, precision = np.array([1.0, -2.0, 0.5]), np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 0.5]])
    for name, given, moments in (
        ("gaussian", (mean, precision), partial(_others.gaussian, mean, precision)),
        ("banana", (0.2, 1.5), partial(_others.banana, 0.2, 1.5, 3)),
        ("funnel", (0.8,), partial(_others.funnel, 0.8, 3)),
    ):
        names = ("x[1]", "x[2]", "x[3]")
        target = partial(_made, name, *given)
        yield Posterior(name, names, target, np.zeros(3), np.ones(3), _as_it_is, lambda nodes=0, m=moments: m())


def _made(name: str, *rest: Any) -> Any:
    """The target of that name, from a backend's module of targets, which comes last."""
    *given, targets = rest
    return getattr(targets, name).target(*given)


def _as_it_is(position: np.ndarray) -> np.ndarray:
    return position


def _standard(column: np.ndarray) -> np.ndarray:
    result: np.ndarray = (column - column.mean()) / column.std(ddof=1)
    return result
