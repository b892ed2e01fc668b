"""The negative binomial distribution as it is written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import inf, nan, sqrt
from typing import Any

import numpy as np
import scipy.stats

from refengine.distributions import negative_binomial
from refengine.distributions.negative_binomial import Parameters
from validation.exact.distributions._counts import (
    LARGEST,
    around,
    count,
    distinct,
    draw_modes,
    draw_pairs,
    draw_quantiles,
    draw_tails,
    flat,
    integers,
    is_nan,
    positive,
    quantile,
    stated_at,
    tail,
    times_log,
    undefined,
    unit,
)
from validation.exact.draws import Draw, decades, short
from validation.exact.incomplete import beta_p, beta_q, log_beta_p, log_beta_q
from validation.exact.number import Number, digamma, lgamma, log, number, pointwise, stated
from validation.exact.root import root


@pointwise
def log_prob(k: Number, r: Number, p: Number) -> Any:
    """log Gamma(k + r) - log k! - log Gamma(r) + r log(1 - p) + k log p; at p = 0 and 1 the limits from inside.

    Source: johnson-kemp-kotz-2005, 5.1
    """
    if is_nan(k) or not (positive(r) and unit(p)):
        return stated(nan, (r, nan), (p, nan))
    if not count(k):
        return stated(-inf, (r, 0), (p, 0))
    if p == 1:
        return stated(-inf, (r, -inf), (p, -inf))
    if p == 0 and k > 0:
        return stated(-inf, (r, digamma(k + r) - digamma(r)), (p, inf))
    return lgamma(k + r) - lgamma(k + 1) - lgamma(r) + r * log(1 - p) + times_log(k, p)


@pointwise
def failures(k: Number, r: Number, p: Number) -> Any:
    """The convention that p multiplies r."""
    return log_prob(k, r, 1 - p)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    k: Any
    r: Any
    other = {"p_multiplies_r": failures}
    for _ in range(60):
        draw = _typical(rng, short(decades(rng, 0.1, 50)), short(rng.uniform(0.02, 0.98)))
        yield Draw(draw, flags=("AMBIGUOUS_CONVENTION",), result="ambiguous", alternatives=other)
    for _ in range(40):
        yield Draw(_typical(rng, decades(rng, 1e-3, 1e4), rng.uniform(1e-3, 0.999)), difficulty=2)
    for _ in range(40):
        draw = _typical(rng, decades(rng, 1e5, 1e15), rng.uniform(1e-3, 0.9))
        yield Draw(draw, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(20):  # nearly Poisson
        r = decades(rng, 1e6, 1e15)
        yield Draw(_typical(rng, r, decades(rng, 0.01, 100) / r), flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(20):  # nearly the log series
        draw = {"k": int(decades(rng, 1, 1e9)), "r": decades(rng, 1e-300, 1e-3), "p": rng.uniform()}
        yield Draw(draw, flags=("NEAR_POLE",), difficulty=4)
    for _ in range(30):  # tails
        draw = {"k": int(decades(rng, 1, 1e15)), "r": decades(rng, 1e-6, 1e15), "p": decades(rng, 1e-12, 1)}
        yield Draw(draw, difficulty=3)
    for p in (1e-20, 1e-300, 1e-310, 5e-324, 2.0**-53, 1 - 2.0**-53, 1 - 2.0**-24):
        for k, r in ((0, 2.5), (1, 0.5), (10, 8.0)):
            flags = ("SUBNORMAL", "TINY_P") if p < 1e-307 else ("SATURATION",)
            yield Draw({"k": k, "r": r, "p": p}, flags=flags, difficulty=3)
    for r in (5e-324, 1e-310):
        for k in (0, 1, 5):
            yield Draw({"k": k, "r": r, "p": 0.375}, flags=("SUBNORMAL",), difficulty=5)
    for k, r, p in ((0, 2.5, 0.0), (3, 2.5, 0.0), (0, 2.5, 1.0), (3, 2.5, 1.0)):
        yield Draw({"k": k, "r": r, "p": p}, flags=("ZERO_LOG_ZERO",))
    for k in (-1, 0.5, 4.75, inf, -inf):
        yield Draw({"k": k, "r": 1.5, "p": 0.5}, flags=("OUT_OF_SUPPORT",))
    for k, r, p in (
        (1, 2, -0.5),
        (1, 2, 1.5),
        (1, 2, nan),
        (1, 0.0, 0.5),
        (1, -1.0, 0.5),
        (1, nan, 0.5),
        (nan, 2, 0.5),
    ):
        yield Draw({"k": k, "r": float(r), "p": p}, result="invalid")
    yield Draw({"k": 1, "r": inf, "p": 0.5}, result="invalid")
    rates = np.array([[0.5], [40.0], [1e9]])
    yield Draw({"k": np.array([0, 1, 30]), "r": rates, "p": np.array(0.625)}, flags=("BROADCAST",))
    yield Draw({"k": 3.0, "r": np.array([3.0, 11.0]), "p": np.array([[0.25], [0.5]])}, flags=("BROADCAST",))


def _typical(rng: np.random.Generator, r: float, p: float) -> dict[str, Any]:
    return {"k": around(rng, r * p / (1 - p), sqrt(r * p) / (1 - p)), "r": r, "p": float(p)}


def _valid(r: Number, p: Number) -> bool:
    return positive(r) and unit(p)


def _tail(name: str, k: Number, r: Number, p: Number) -> Any:
    if not _valid(r, p) or is_nan(k):
        return undefined(r, p)
    return tail(name, k, inf, lambda j: _inside(name, j, r, p), r, p)


def _inside(name: str, k: Number, r: Number, p: Number) -> Any:
    if p == 0:
        first = r if k == 0 else number(0)
        slope: Any = {"cdf": -first, "sf": first, "log_cdf": -first, "log_sf": inf}[name]
        by_r = digamma(k + 1 + r) - digamma(r) if name == "log_sf" else 0
        return stated({"cdf": 1.0, "sf": 0.0, "log_cdf": 0.0, "log_sf": -inf}[name], (r, by_r), (p, slope))
    if p == 1:
        last: Any = k + 1 if r == 1 else inf if r < 1 else 0
        slope = {"cdf": -last, "sf": last, "log_cdf": -inf, "log_sf": last}[name]
        by_r = -inf if name == "log_cdf" else 0
        return stated({"cdf": 0.0, "sf": 1.0, "log_cdf": -inf, "log_sf": 0.0}[name], (r, by_r), (p, slope))
    function = {"cdf": beta_q, "sf": beta_p, "log_cdf": log_beta_q, "log_sf": log_beta_p}[name]
    return function(k + 1, r, p)


def point(rng: np.random.Generator, low: float, high: float, sds: float) -> dict[str, Any]:
    r, p = decades(rng, low, high), float(rng.uniform(0.01, 0.95))
    return {"k": around(rng, r * p / (1 - p), sds * sqrt(r * p) / (1 - p)), "r": r, "p": p}


INVALID = ({"p": -0.5}, {"p": 1.5}, {"p": nan}, {"r": -1.0}, {"r": 0.0}, {"r": nan}, {"r": inf})
EDGES = [
    {"k": k, "r": r, "p": p}
    for k in (0, 4)
    for r in (0.5, 1.0, 2.5)
    for p in (0.0, 1.0, 1e-20, 1e-300, 5e-324, 1 - 2.0**-53, 0.5)
]
QUANTILES = [{"u": u, "r": r, "p": p} for u in (0.0, 0.375, 1.0) for r in (0.5, 9.0) for p in (0.0, 1e-300, 0.375)]


@pointwise
def cdf(k: Number, r: Number, p: Number) -> Any:
    """The sum of the probabilities of 0, ..., k.

    Source: nist-dlmf, 8.17.24
    """
    return _tail("cdf", k, r, p)


@pointwise
def sf(k: Number, r: Number, p: Number) -> Any:
    """1 - F(k).

    Source: nist-dlmf, 8.17.24
    """
    return _tail("sf", k, r, p)


@pointwise
def log_cdf(k: Number, r: Number, p: Number) -> Any:
    """log F(k).

    Source: nist-dlmf, 8.17.24
    """
    return _tail("log_cdf", k, r, p)


@pointwise
def log_sf(k: Number, r: Number, p: Number) -> Any:
    """log(1 - F(k)).

    Source: nist-dlmf, 8.17.24
    """
    return _tail("log_sf", k, r, p)


def draw_cdf(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_tails(rng, point, EDGES, INVALID)


draw_sf = draw_log_cdf = draw_log_sf = draw_cdf


@integers
def icdf(u: Number, r: Number, p: Number) -> int:
    """The smallest count with F(k) >= u.

    Source: devroye-1986, III.2.1
    """
    if is_nan(u) or not (_valid(r, p) and unit(u)) or p == 1:
        return -1
    if u == 0 or p == 0:
        return 0
    guess = scipy.stats.nbinom.ppf(float(u), float(r), 1 - float(p))
    return LARGEST if u == 1 else quantile(u, lambda k: beta_q(number(k + 1), r, p), guess if guess < 1e15 else 0)


sample = icdf


def draw_icdf(rng: np.random.Generator, first: str = "u") -> Iterator[Draw]:
    yield from draw_quantiles(rng, point, QUANTILES, INVALID, first)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_icdf(rng, "noise")


@pointwise
def mean(r: Number, p: Number) -> Any:
    """r p / (1 - p).

    Source: johnson-kemp-kotz-2005, 5.1
    """
    if not _valid(r, p):
        return undefined(r, p)
    return r * p / (1 - p) if p < 1 else stated(inf, (r, inf), (p, inf))


@pointwise
def variance(r: Number, p: Number) -> Any:
    """r p / (1 - p)^2.

    Source: johnson-kemp-kotz-2005, 5.1
    """
    if not _valid(r, p):
        return undefined(r, p)
    return r * p / (1 - p) ** 2 if p < 1 else stated(inf, (r, inf), (p, inf))


@integers
def mode(r: Number, p: Number) -> int:
    """The largest whole number below (r - 1) p / (1 - p), at least 0; none where that is whole and positive.

    Source: johnson-kemp-kotz-2005, 5.4
    """
    if not _valid(r, p) or p == 1:
        return -1
    top = (r - 1) * p / (1 - p)
    if r <= 1 or p == 0:
        return 0
    k = math.floor(float(top.ball.floor().mid()))
    tie = k > 0 and (r - 1) * p == k * (1 - p)
    if k > 2**53:
        return LARGEST
    return -1 if tie else k


def draw_mode(rng: np.random.Generator) -> Iterator[Draw]:
    special = [{"r": r, "p": p} for r in (0.5, 1.0, 2.0, 5.0, 3.25) for p in (0.0, 0.25, 0.5, 0.75, 1.0, 1e-300)]
    yield from draw_modes(rng, point, special, INVALID)


@pointwise
def kl_divergence(r: Number, p_p: Number, p_q: Number) -> Any:
    """r log((1-p) / (1-q)) + r p / (1-p) log(p / q).

    Source: kullback-leibler-1951, 2.6
    """
    if not (positive(r) and unit(p_p) and unit(p_q)) or p_p == 1:
        return undefined(r, p_p, p_q)
    if p_q == 1 or (p_q == 0 and p_p > 0):
        return flat(inf, r, p_p, p_q)
    if p_p == 0:
        if p_q == 0:
            return stated(0.0, (r, 0), (p_p, inf), (p_q, r))
        return stated_at(-r * log(1 - p_q), (p_p, -inf))
    return r * log((1 - p_p) / (1 - p_q)) + r * p_p / (1 - p_p) * log(p_p / p_q)


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_pairs(rng, lambda: {"r": decades(rng, 1e-3, 1e9)}, ({"r": -1.0}, {"r": 0.0}, {"r": inf}))


def maximum_likelihood(data: Any) -> Any:
    """The root of the score: sum(psi(x + r) - psi(r)) = N log(1 + mean / r), p = mean / (mean + r).

    Source: johnson-kemp-kotz-2005, 5.8.4
    """
    fits = data.size > 0 and all(0 <= x < inf for x in data)
    size, average = data.size, data.sum() / max(data.size, 1) if data.size else number(0)
    if not fits or sum((x - average) ** 2 for x in data) <= size * average:
        return Parameters(undefined(*data), undefined(*data))
    scale = number(float(reference([float(x) for x in data])))

    def score(unknown: list[Number]) -> list[Any]:
        r = scale * unknown[0]
        return [sum(digamma(x + r) for x in data) - size * digamma(r) - size * log(1 + average / r)]

    r = scale * root(score, [1.0])[0]
    return Parameters(r, average / (average + r))


def reference(data: list[float]) -> Any:
    """A guess, which proves nothing."""
    return negative_binomial.maximum_likelihood(np.array(data)).r


@distinct
def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    data: Any
    for _ in range(45):
        r, p = decades(rng, 0.2, 30), rng.uniform(0.2, 0.95)
        data = rng.negative_binomial(r, 1 - p, size=int(decades(rng, 3, 12))).astype(np.float64)
        yield Draw({"data": data}, flags=("NEAR_ROOT",) if data.var() < 1.2 * data.mean() else (), difficulty=2)
    for _ in range(8):  # large counts
        data = rng.negative_binomial(decades(rng, 1, 50), 1e-4, size=6).astype(np.float64)
        yield Draw({"data": data}, flags=("HUGE_PARAMETER",), difficulty=3)
    for _ in range(5):  # real numbers take the place of counts
        yield Draw({"data": rng.exponential(4.0, size=5)})
    for data in ([0.0], [3.0], [2.0, 2.0, 2.0], [0.0, 1.0], [0.0, 0.0]):
        yield Draw({"data": np.array(data)}, flags=("SUPPORT_EDGE",))
    for data in ([], [nan, 1.0, 9.0], [0.0, -1.0, 9.0], [inf, 0.0]):
        yield Draw({"data": np.array(data)}, result="invalid")
