"""The power spherical density as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np
from scipy import special

from validation.exact.distributions import _angle, _directions
from validation.exact.distributions._directions import draw_directions, draw_parameters, over_rows, over_vectors
from validation.exact.draws import Draw
from validation.exact.incomplete import _beta_integral, _beta_left, _beta_scale, log_beta_p, log_beta_q
from validation.exact.number import Number, digamma, exp, lgamma, log, log1p, number, pi, sqrt, stated
from validation.exact.root import root


def log_prob(x: Any, mean_direction: Any, concentration: Any) -> Any:
    """kappa log(1 + mu . x) - (alpha + beta) log 2 - beta log pi - log(Gamma(alpha) / Gamma(alpha + beta)).

    Source: de-cao-aziz-2020, eq. 1 and 2
    """
    return over_rows(_density)(x, mean_direction, concentration)


def _density(cosine: Number, concentration: Number, dimensions: int) -> Any:
    beta = number(dimensions - 1) / 2
    alpha = beta + concentration
    if cosine < -1:
        return stated(-inf, (cosine, 0), (concentration, 0))
    normaliser = (alpha + beta) * log(number(2)) + beta * log(pi()) + lgamma(alpha) - lgamma(alpha + beta)
    if cosine == -1:
        if concentration == 0:
            return stated((-normaliser).ball, (cosine, 0), (concentration, -inf))
        return stated(-inf, (cosine, inf), (concentration, -inf))
    return concentration * log(1 + cosine) - normaliser


def entropy(mean_direction: Any, concentration: Any) -> Any:
    """The mean of -log f, where the mean of log(1 + mu . x) is log 2 + psi(alpha) - psi(alpha + beta).

    Source: de-cao-aziz-2020, section 3
    """
    return over_vectors(_entropy, mean_direction, concentration)


def _entropy(mean_direction: Any, concentration: Number, dimensions: int) -> Any:
    beta = number(dimensions - 1) / 2
    alpha = beta + concentration
    normaliser = (alpha + beta) * log(number(2)) + beta * log(pi()) + lgamma(alpha) - lgamma(alpha + beta)
    return normaliser - concentration * (log(number(2)) + digamma(alpha) - digamma(alpha + beta))


def mean(mean_direction: Any, concentration: Any) -> Any:
    """(alpha - beta) / (alpha + beta) mu.

    Source: de-cao-aziz-2020, section 3
    """
    return over_vectors(lambda mu, k, d: k / (k + (d - 1)) * mu, mean_direction, concentration)


def mode(mean_direction: Any, concentration: Any) -> Any:
    """The mean direction.

    Source: de-cao-aziz-2020, section 3
    """
    return _directions.mode(mean_direction, concentration)


def sample(noise: Any, mean_direction: Any, concentration: Any) -> Any:
    """t mu + sqrt(1 - t^2) v with (1 + t)/2 the quantile of Beta(alpha, beta) at u.

    Source: de-cao-aziz-2020, section 3.2
    """
    return _angle.sample(_turned, noise, mean_direction, concentration)


def _turned(u: Number, kappa: Number, dimensions: int) -> Any:
    """Solved for the log odds of the beta variate; its slopes are those of the implicit function."""
    b = number(dimensions - 1) / 2
    a, held, shape = b + kappa, number(u.ball), b + number(kappa.ball)

    def lack(t: list[Number]) -> Any:
        x, y = 1 / (1 + exp(-t[0])), 1 / (1 + exp(t[0]))
        return [log_beta_p(shape, b, x, y) - log(held) if u < 0.5 else log_beta_q(shape, b, x, y) - log1p(-held)]

    upper = float(special.betaincinv(float(b), float(a), 1 - float(u)))
    ball = root(lack, [float(np.log1p(-upper) - np.log(upper))])[0].ball
    odds = Number(ball, [(u, lambda g: g * by_u()), (a, lambda g: g * by_a())])
    x, y = 1 / (1 + exp(-odds)), 1 / (1 + exp(odds))

    def by_u() -> Any:
        return exp(-_beta_scale(a, b, x, y))

    def by_a() -> Any:
        log_slope = log(x) + digamma(a + b) - digamma(a)
        if _beta_left(a, b, x, y):
            return -(log_slope * _beta_integral(0, 0, a, b, x, y) + _beta_integral(1, 0, a, b, x, y))
        return log_slope * _beta_integral(0, 0, b, a, y, x) + _beta_integral(0, 1, b, a, y, x)

    return x - y, 2 * sqrt(x * y)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _angle.draw_sample(rng)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_directions(rng, log_prob)
    pole = np.array([0.0, 1.0])
    yield Draw({"x": 1.25 * pole, "mean_direction": -pole, "concentration": 2.0}, flags=("OUT_OF_SUPPORT",))


def draw_entropy(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_parameters(rng)


draw_mean = draw_mode = draw_entropy
