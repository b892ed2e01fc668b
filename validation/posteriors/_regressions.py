"""The posteriors of regressions and autoregressions.

They are sampled in coordinates in which the coefficients are independent given the noise, a linear map of the model's,
which is what a QR decomposition of the features gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from validation.posteriors._data import load
from validation.posteriors._posterior import Posterior, made, noise_last, standard
from validation.posteriors._regression import Regression, half_cauchy, half_normal


def regressions() -> Iterator[Posterior]:
    """All of them."""
    yield from _kidiq()
    yield from _mesquite()
    yield from _autoregressions()
    yield from _textbooks()
    yield from _with_normal_priors()


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
        ("z", standard(school) / 2, standard(iq) / 2),
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
    yield in_its_own_coordinates("nile-arK", standard(load("nile")["value"]), 1)
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
    target = partial(made, "autoregression", series)
    return model._replace(target=target, start=start, width=width, parameters=noise_last)


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
    yield regression("longley", longley.pop("Employed"), *map(standard, longley.values()), rate=1 / 2.5)


def _with_normal_priors() -> Iterator[Posterior]:
    """posteriordb's blr: N(0, 10^2) and half-normal with the scale 10; all variables standardised."""
    for name, outcome, *others in (("hills", "time", "dist", "climb"), ("mtcars", "mpg", "wt", "hp")):
        data = {key: standard(column) for key, column in load(name).items()}
        outcomes, features = data[outcome], np.column_stack([data[key] for key in others])
        size = features.shape[1]
        model = Regression(features, outcomes, np.zeros(size), np.full(size, 0.01), half_normal(10.0))
        to_beta, fit, *_ = model.independent()
        miss = outcomes - features @ (to_beta @ fit)
        spread = np.sqrt(miss @ miss / (len(miss) - size))
        start = np.append(to_beta @ fit, np.log(spread))
        width = np.append(np.full(size, spread / np.sqrt(len(miss))), 1 / np.sqrt(2 * len(miss)))
        target = partial(made, "linear_regression", features, outcomes, 10.0)
        yield Posterior(f"{name}-blr", _coefficients(size), target, start, width, noise_last, model.moments)
