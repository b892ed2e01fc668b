"""The Pareto distribution as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isfinite
from typing import Any

import numpy as np

from refengine.distributions.pareto import Parameters
from refengine.domains import Interval
from validation.exact.distributions._domain import (
    data_draws,
    expm1,
    known,
    level,
    log1p,
    positive,
    undefined,
    unknown_estimate,
)
from validation.exact.draws import Draw, spread
from validation.exact.number import Number, exp, lgamma, log, number, pi, pointwise, power, stated

RANGES = {name: (1e-300, 1e15) for name in ("scale", "alpha", "scale_p", "alpha_p", "scale_q", "alpha_q")}
RANGES |= {"concentration_q": (1e-12, 1e15), "rate_q": (1e-300, 1e15)}


def near(rng: np.random.Generator, scale: float, alpha: float) -> float | None:
    """A quantile, or none where it is not a number."""
    with np.errstate(over="ignore"):
        x = float(scale * np.exp(rng.exponential() / alpha))
    return x if scale <= x < inf else None


@pointwise
def log_prob(x: Number, scale: Number, alpha: Number) -> Any:
    """log(alpha) + alpha log(scale) - (alpha + 1) log x.

    Source: johnson-kotz-balakrishnan-1994, chapter 20
    """
    return _inside(x, scale, alpha, -inf, -inf, lambda: log(alpha) + alpha * log(scale) - (alpha + 1) * log(x))


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from spread(rng, dict.fromkeys(("x", "scale", "alpha"), Interval(0)), near, RANGES)
    for scale, alpha in ((1.0, 2.0), (3.5, 0.25), (1e15, 1e9)):
        for x in (scale, np.nextafter(scale, inf), np.nextafter(scale, 0)):
            flag = "SUPPORT_EDGE" if x >= scale else "OUT_OF_SUPPORT"
            yield Draw({"x": float(x), "scale": scale, "alpha": alpha}, flags=(flag,), difficulty=3)


draw_log_cdf = draw_cdf = draw_sf = draw_log_prob


@pointwise
def cdf(x: Number, scale: Number, alpha: Number) -> Any:
    """1 - (scale / x)^alpha.

    Source: johnson-kotz-balakrishnan-1994, chapter 20
    """
    return _inside(x, scale, alpha, 0.0, 1.0, lambda: -expm1(alpha * log(scale / x)))


@pointwise
def log_cdf(x: Number, scale: Number, alpha: Number) -> Any:
    """log(1 - (scale / x)^alpha).

    Source: johnson-kotz-balakrishnan-1994, chapter 20
    """
    if positive(scale, alpha) and x == scale:
        return stated(-inf, (x, inf), (scale, -inf), (alpha, 1 / alpha))
    return _inside(x, scale, alpha, -inf, 0.0, lambda: log(-expm1(alpha * log(scale / x))))


@pointwise
def sf(x: Number, scale: Number, alpha: Number) -> Any:
    """(scale / x)^alpha.

    Source: johnson-kotz-balakrishnan-1994, chapter 20
    """
    return _inside(x, scale, alpha, 1.0, 0.0, lambda: power(scale / x, alpha))


@pointwise
def log_sf(x: Number, scale: Number, alpha: Number) -> Any:
    """alpha log(scale / x).

    Source: johnson-kotz-balakrishnan-1994, chapter 20
    """
    return _inside(x, scale, alpha, 0.0, -inf, lambda: alpha * log(scale / x))


def _inside(x: Number, scale: Number, alpha: Number, below: float, above: float, f: Any) -> Any:
    if not (positive(scale, alpha) and known(x)):
        return undefined(x, scale, alpha)
    if x < scale or x == inf:
        return level(below if x < scale else above, x, scale, alpha)
    return f()


@pointwise
def icdf(u: Number, scale: Number, alpha: Number) -> Any:
    """scale (1 - u)^(-1/alpha).

    Source: johnson-kotz-balakrishnan-1994, chapter 20
    """
    if not (positive(scale, alpha) and 0 <= u <= 1):
        return undefined(u, scale, alpha)
    if u == 1:
        return stated(inf, (u, inf), (scale, inf), (alpha, -inf))
    return scale * exp(-log1p(-u) / alpha)


@pointwise
def sample(noise: Number, scale: Number, alpha: Number) -> Any:
    """scale (1 - u)^(-1/alpha).

    Source: johnson-kotz-balakrishnan-1994, chapter 20
    """
    return icdf(noise, scale, alpha)


@pointwise
def entropy(scale: Number, alpha: Number) -> Any:
    """log(scale / alpha) + 1 + 1 / alpha.

    Source: johnson-kotz-balakrishnan-1994, chapter 20
    """
    return log(scale / alpha) + 1 + 1 / alpha if positive(scale, alpha) else undefined(scale, alpha)


@pointwise
def mean(scale: Number, alpha: Number) -> Any:
    """alpha scale / (alpha - 1).

    Source: johnson-kotz-balakrishnan-1994, chapter 20
    """
    if not positive(scale, alpha):
        return undefined(scale, alpha)
    return alpha * scale / (alpha - 1) if alpha > 1 else level(inf, scale, alpha)


@pointwise
def variance(scale: Number, alpha: Number) -> Any:
    """alpha scale^2 / ((alpha - 1)^2 (alpha - 2)).

    Source: johnson-kotz-balakrishnan-1994, chapter 20
    """
    if not positive(scale, alpha):
        return undefined(scale, alpha)
    return alpha * scale**2 / ((alpha - 1) ** 2 * (alpha - 2)) if alpha > 2 else level(inf, scale, alpha)


@pointwise
def mode(scale: Number, alpha: Number) -> Any:
    """The scale.

    Source: johnson-kotz-balakrishnan-1994, chapter 20
    """
    return scale + 0 * alpha if positive(scale, alpha) else undefined(scale, alpha)


@pointwise
def kl_divergence(scale_p: Number, alpha_p: Number, scale_q: Number, alpha_q: Number) -> Any:
    """The expectation under p of log p - log q, where E log x = log m + 1/alpha.

    Source: johnson-kotz-balakrishnan-1994, chapter 20 (the moment)
    """
    m, a, n, b = scale_p, alpha_p, scale_q, alpha_q
    if not positive(m, a, n, b):
        return undefined(m, a, n, b)
    if m < n:
        return level(inf, m, a, n, b)
    return _minus_entropy(m, a) - (log(b) + b * log(n) - (b + 1) * (log(m) + 1 / a))


@pointwise
def kl_divergence_exponential(scale_p: Number, alpha_p: Number, rate_q: Number) -> Any:
    """The expectation under p of log p - log q, where E x = alpha m / (alpha - 1).

    Source: johnson-kotz-balakrishnan-1994, chapter 20 (the moment)
    """
    m, a, rate = scale_p, alpha_p, rate_q
    if not positive(m, a, rate):
        return undefined(m, a, rate)
    if a <= 1:
        return level(inf, m, a, rate)
    return _minus_entropy(m, a) - (log(rate) - rate * m * a / (a - 1))


@pointwise
def kl_divergence_gamma(scale_p: Number, alpha_p: Number, concentration_q: Number, rate_q: Number) -> Any:
    """The expectation under p of log p - log q, where E log x = log m + 1/alpha and E x = alpha m / (alpha - 1).

    Source: johnson-kotz-balakrishnan-1994, chapter 20 (the moments)
    """
    m, a, c, rate = scale_p, alpha_p, concentration_q, rate_q
    if not positive(m, a, c, rate):
        return undefined(m, a, c, rate)
    if a <= 1:
        return level(inf, m, a, c, rate)
    other = c * log(rate) - lgamma(c) + (c - 1) * (log(m) + 1 / a) - rate * m * a / (a - 1)
    return _minus_entropy(m, a) - other


@pointwise
def kl_divergence_normal(scale_p: Number, alpha_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """The expectation under p of log p - log q, by mean and variance of p.

    Source: johnson-kotz-balakrishnan-1994, chapter 20 (the moments)
    """
    m, a, loc, scale = scale_p, alpha_p, loc_q, scale_q
    if not positive(m, a, scale) or not -inf < loc < inf:
        return undefined(m, a, loc, scale)
    if a <= 2:
        return level(inf, m, a, loc, scale)
    spread = m**2 * a / ((a - 1) ** 2 * (a - 2))
    off = a * m / (a - 1) - loc
    return _minus_entropy(m, a) + log(2 * pi()) / 2 + log(scale) + (spread + off * off) / (2 * scale * scale)


def _minus_entropy(scale: Number, alpha: Number) -> Any:
    return log(alpha) - log(scale) - 1 - 1 / alpha


def maximum_likelihood(data: Any) -> Parameters:
    """The smallest, and one over the average logarithm of the ratios to it.

    Source: johnson-kotz-balakrishnan-1994, chapter 20
    """
    floats = [float(x) for x in data]
    if len(floats) < 2 or not all(isfinite(x) and x > 0 for x in floats) or len(set(floats)) == 1:
        return Parameters(unknown_estimate(data), unknown_estimate(data))
    scale = data[int(np.argmin(floats))]
    return Parameters(scale + 0, len(floats) / sum((log(x / scale) for x in data), number(0)))


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from data_draws(rng, lambda u, a: u ** (-1 / a) * 2.0 ** rng.integers(-9, 9))
    for size, scale in ((3, 1e-300), (4, 1e200), (5, 1e15), (30, 1.0)):
        yield Draw({"data": scale * rng.uniform(size=size) ** -0.5}, flags=("HUGE_PARAMETER",), difficulty=4)
