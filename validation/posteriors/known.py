"""The posteriors: names, targets of a backend, exact moments, and how positions become parameters.

Those named as in posteriordb, ``data-model``, have its data and model (`magnusson-2025`); the others have the data of
textbooks under the same models.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from validation.posteriors import _mixture, _others, _series
from validation.posteriors._data import load
from validation.posteriors._posterior import Posterior, as_it_is, made, noise_last
from validation.posteriors._regressions import regressions


def posteriors() -> Iterator[Posterior]:
    """All of them."""
    yield from regressions()
    yield _eight_schools()
    yield from _logistic()
    yield from _time_series()
    yield _normal_mixture()
    yield from _closed_forms()


def _eight_schools() -> Posterior:
    data = load("eight_schools")
    outcomes, errors = data["y"], data["sigma"]

    def parameters(position: np.ndarray) -> np.ndarray:
        mu, tau, eta = position[..., :1], np.exp(position[..., 1:2]), position[..., 2:]
        return np.concatenate([mu, tau, mu + tau * eta], axis=-1)

    names = ("mu", "tau", *(f"theta[{j + 1}]" for j in range(8)))
    target = partial(made, "eight_schools", outcomes, errors)
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
        target = partial(made, "logistic_regression", features, labels, scale)
        moments = partial(_others.logistic, features, labels, scale)
        start, width = np.zeros(2), np.full(2, 3 / np.sqrt(len(slope)))
        yield Posterior(name, ("beta[1]", "beta[2]"), target, start, width, as_it_is, moments)


def _time_series() -> Iterator[Posterior]:
    series = load("arma")["y"]
    start, width = np.array([0.0, 0.95, 0.0, -1.8]), np.array([0.01, 0.02, 0.06, 0.05])
    target = partial(made, "arma11", series)
    moments = partial(_series.arma11, series, (start[1:], width[1:]))
    yield Posterior("arma-arma11", ("mu", "phi", "theta", "sigma"), target, start, width, noise_last, moments)
    series = load("garch")["y"]
    target, moments = partial(made, "garch11", series, 0.5), partial(_series.garch11, series, 0.5, (5.05, 0.12))
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
    target = partial(made, "normal_mixture", values)
    return Posterior("faithful-low_dim_gauss_mix", names, target, start, steps, parameters, moments)


def _closed_forms() -> Iterator[Posterior]:
    mean, precision = np.array([1.0, -2.0, 0.5]), np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 0.5]])
    for name, given, moments in (
        ("gaussian", (mean, precision), partial(_others.gaussian, mean, precision)),
        ("banana", (0.2, 1.5), partial(_others.banana, 0.2, 1.5, 3)),
        ("funnel", (0.8,), partial(_others.funnel, 0.8, 3)),
    ):
        names = ("x[1]", "x[2]", "x[3]")
        target = partial(made, name, *given)
        yield Posterior(name, names, target, np.zeros(3), np.ones(3), as_it_is, lambda nodes=0, m=moments: m())
