"""The power spherical density as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np
from scipy import optimize, special

from refengine.distributions.power_spherical import Parameters
from refengine.distributions.power_spherical import maximum_likelihood as fitted
from validation.exact.distributions import _angle, _directions
from validation.exact.distributions._directions import (
    close,
    dot,
    draw_directions,
    draw_parameters,
    over_rows,
    over_vectors,
    unit,
)
from validation.exact.distributions._rows import total
from validation.exact.draws import Draw, decades
from validation.exact.incomplete import _beta_integral, _beta_left, _beta_scale, log_beta_p, log_beta_q
from validation.exact.number import (
    Number,
    Undecided,
    detached,
    digamma,
    exp,
    lgamma,
    log,
    log1p,
    number,
    pi,
    sqrt,
    stated,
)
from validation.exact.root import held_root, root


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


def maximum_likelihood(data: Any) -> Parameters:
    """Where h = sum log(1 + mu . x) is largest on the sphere, and psi(2 beta + k) - psi(beta + k) = log 2 - h / N.

    The direction is proved where grad h = lambda mu with lambda = sum c / (1 + c) > 0, for then mu is the largest on
    the convex ball; that there is none is proved by a point inside the ball where grad h = 0.

    Source: de-cao-aziz-2020, eq. 1 and 2
    """
    n, d = data.shape
    every = list(data.ravel())
    finite = not any(v.stated for v in every)
    if n == 0 or not finite or all((row == data[0]).all() for row in data) or _flat(data):
        return _none(every, d)
    guess = fitted(np.array(data, dtype=np.float64))  # proves nothing
    if np.isnan(guess.concentration):
        _balance(data)
        return _none(every, d)
    pole = int(np.argmax(np.abs(guess.mean_direction)))
    others = [k for k in range(d) if k != pole]
    sign = float(np.sign(guess.mean_direction[pole]))

    def pointed(unknowns: list[Number]) -> Any:
        # the tangents of a direction with entry +-1 in the place of the largest, two units away from 0
        v = np.array([number(sign)] * d, dtype=object)
        v[others] = [u - 2 for u in unknowns]
        return v * (1 / sqrt(dot(v, v)))

    def across(unknowns: list[Number]) -> list[Any]:
        mu = pointed(unknowns)
        slope = _slope(data, mu)
        return [slope[k] * mu[pole] - slope[pole] * mu[k] for k in others]

    tangents = guess.mean_direction[others] / abs(guess.mean_direction[pole])
    mu = pointed(held_root(across, list(tangents + 2)))
    cosines = [dot(x, mu) for x in data]
    if not total(c / (1 + c) for c in cosines) > 0:
        raise Undecided("a direction that may not be the only one")
    q, beta = -total(log((1 + c) / 2) for c in cosines) / n, number(d - 1) / 2
    if not q > 0:
        return _none(every, d)
    start = float(guess.concentration)
    kappa = root(lambda t: [digamma(2 * beta + t[0]) - digamma(beta + t[0]) - q], [start])[0]
    return Parameters(mu, kappa)


def _slope(data: Any, mu: Any) -> Any:
    return sum(x * (1 / (1 + dot(x, mu))) for x in data)


def _flat(data: Any) -> bool:
    """Whether the centre of the ball is where the gradient vanishes."""
    return all(total(column) == 0 for column in data.T)


def _balance(data: Any) -> None:
    """Prove that the gradient vanishes inside the ball."""
    values, d = np.array(data, dtype=np.float64), data.shape[1]
    held = np.vectorize(detached, otypes=[object])(data)
    found = optimize.root(lambda mu: (values / (1 + values @ mu)[:, None]).sum(axis=0), np.zeros(d))
    inner = held_root(lambda t: list(_slope(held, np.array([v - 2 for v in t], dtype=object))), list(found.x + 2))
    inside = np.array([v - 2 for v in inner], dtype=object)
    if not (dot(inside, inside) < 1 and all(1 + dot(x, inside) > 0 for x in held)):
        raise Undecided("a point that may not lie inside the ball")


def _none(every: Any, dimensions: int) -> Parameters:
    nothing = [stated(nan, *((v, nan) for v in every)) for _ in range(dimensions + 1)]
    return Parameters(np.array(nothing[:dimensions], dtype=object), nothing[dimensions])


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _angle.draw_sample(rng)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_directions(rng, log_prob)
    pole = np.array([0.0, 1.0])
    yield Draw({"x": 1.25 * pole, "mean_direction": -pole, "concentration": 2.0}, flags=("OUT_OF_SUPPORT",))


def draw_entropy(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_parameters(rng)


draw_mean = draw_mode = draw_entropy


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    def data(n: int, d: int, k: float) -> Any:
        return close(rng, unit(rng, d), np.full(n, k))

    for i in range(28):
        n, d = int(rng.integers(2, 8)), (2, 3, 3, 2)[i % 4]
        yield Draw({"data": data(n, d, decades(rng, 5, 50))})
    for i in range(16):
        yield Draw({"data": data(5, 2 + i % 2, decades(rng, 50, 1e6))}, flags=("SATURATION",), difficulty=3)
    for i in range(6):
        d = 2 + i % 2
        points = data(5, d, 10.0)
        far = -points[:1] + decades(rng, 1e-3, 0.3) * rng.normal(size=d)  # a point nearly opposite to another one
        yield Draw({"data": np.concatenate([points, far / np.linalg.norm(far)])}, flags=("CANCELLATION",), difficulty=3)
    for i in range(4):
        points = data(4, 2 + i % 2, 20.0)
        yield Draw({"data": np.concatenate([points, points[:2]])}, flags=("TIE",))
    yield Draw({"data": data(6, 4, 20.0)}, difficulty=2)
    yield Draw({"data": data(4, 5, 50.0)}, flags=("HUGE_PARAMETER",), difficulty=2)
    for d in (2, 3):  # scattered
        corners = np.concatenate([np.eye(d), -np.ones((1, d)) / np.sqrt(d)])
        yield Draw({"data": corners}, flags=("NEAR_ROOT",), result="invalid")
    yield Draw({"data": np.array([[0.6, 0.8], [-0.6, 0.8], [0.28, -0.96]])}, flags=("NEAR_ROOT",))
    yield Draw({"data": np.array([[0.6, 0.8], [0.6, 0.8]])}, flags=("SATURATION",), result="invalid")
    yield Draw({"data": np.array([[0.0, 1.0], [0.0, -1.0]])}, flags=("ZERO_NORM",), result="invalid")
    yield Draw({"data": np.array([[0.0, 0.0, 1.0]])}, flags=("SATURATION",), result="invalid")
    yield Draw({"data": np.zeros((0, 3))}, flags=("EMPTY_ROW",), result="invalid")
    for bad in (nan, inf):
        yield Draw({"data": np.array([[0.6, bad], [0.0, 1.0]])}, result="invalid")
