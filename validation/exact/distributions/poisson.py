"""The Poisson distribution as it is written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from math import inf, nan
from typing import Any

import numpy as np
import scipy.stats

from validation.exact.distributions._counts import (
    LARGEST,
    around,
    count,
    distinct,
    draw_modes,
    draw_quantiles,
    draw_samples,
    draw_tails,
    flat,
    integers,
    is_nan,
    quantile,
    stated_at,
    tail,
    undefined,
    unit,
    whole,
)
from validation.exact.draws import Draw, decades, short
from validation.exact.incomplete import gamma_p, gamma_q, log_gamma_p, log_gamma_q
from validation.exact.number import Number, lgamma, log, number, pointwise, stated


@pointwise
def log_prob(k: Number, rate: Number) -> Any:
    """k log(rate) - rate - log k!, 0 log 0 = 0; at rate 0 the slope from inside.

    Source: loader-2000
    """
    if is_nan(k) or not 0 <= rate < inf:
        return stated(nan, (rate, nan))
    if not count(k):
        return stated(-inf, (rate, 0))
    if k == 0:
        return -rate
    return k * log(rate) - rate - lgamma(k + 1) if rate > 0 else stated(-inf, (rate, inf))


@pointwise
def zero_slope(k: Number, rate: Number) -> Any:
    """The convention that an impossible event has no slope."""
    return stated(-inf, (rate, 0))


@distinct
def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    k: Any
    flags: Any
    for _ in range(60):
        rate = short(decades(rng, 0.05, 40))
        yield Draw({"k": around(rng, rate, rate**0.5 + 1), "rate": rate})
    for low, high, flags in ((1e-3, 1e5, ()), (1e5, 1e15, ("HUGE_PARAMETER", "CANCELLATION"))):
        for _ in range(45):
            rate = decades(rng, low, high)
            yield Draw({"k": around(rng, rate, rate**0.5), "rate": rate}, flags=flags, difficulty=4)
    for _ in range(30):  # tails
        k, rate = int(decades(rng, 1, 1e15)), decades(rng, 1e-300, 1e15)
        yield Draw({"k": k, "rate": rate}, difficulty=3)
    for rate in (1e-300, 1e-310, 5e-324, 1e-20):
        for k in (0, 1, 7):
            flags = ("SUBNORMAL",) if rate < 1e-307 else ("TINY_P",)
            yield Draw({"k": k, "rate": rate}, flags=flags, difficulty=3)
    for side in (0.5, 1.5, 2.0):  # deviations of half the mean, where a series ends
        for k in (1, 2, 7, 8, 15, 16, 40, 2**20):
            for near in (np.nextafter(side, 0), side):
                yield Draw({"k": k, "rate": float(near) * k}, flags=("WRONG_BRANCH",), difficulty=3)
    yield Draw({"k": 0, "rate": 0.0}, flags=("ZERO_LOG_ZERO",))
    for k in (1, 5):
        conventions = {"zero_slope": zero_slope}
        flags = ("ZERO_LOG_ZERO", "AMBIGUOUS_CONVENTION")
        yield Draw({"k": k, "rate": 0.0}, flags=flags, result="ambiguous", alternatives=conventions)
    for k in (-1, 0.5, 4.75, inf, -inf):
        yield Draw({"k": k, "rate": 2.5}, flags=("OUT_OF_SUPPORT",))
    for k, rate in ((1, -0.5), (1, inf), (1, nan), (nan, 0.5), (-1, -1.0)):
        yield Draw({"k": k, "rate": rate}, result="invalid")
    yield Draw({"k": np.array([[0], [1], [30]]), "rate": np.array([0.25, 12.0, 1e4])}, flags=("BROADCAST",))
    yield Draw({"k": np.array([1, 0, 3, 1]), "rate": np.array(0.625)}, flags=("BROADCAST",))


def _valid(rate: Number) -> bool:
    return bool(0 <= rate < inf)


def _tail(name: str, k: Number, rate: Number) -> Any:
    if is_nan(k) or not _valid(rate):
        return undefined(rate)
    return tail(name, k, inf, lambda j: _inside(name, j, rate), rate)


def _inside(name: str, k: Number, rate: Number) -> Any:
    if rate == 0:
        first = 1 if k == 0 else 0
        slope = {"cdf": -first, "sf": first, "log_cdf": -first, "log_sf": inf}[name]
        return stated({"cdf": 1.0, "sf": 0.0, "log_cdf": 0.0, "log_sf": -inf}[name], (rate, slope))
    function = {"cdf": gamma_q, "sf": gamma_p, "log_cdf": log_gamma_q, "log_sf": log_gamma_p}[name]
    return function(k + 1, rate)


@pointwise
def cdf(k: Number, rate: Number) -> Any:
    """The sum of the probabilities of 0, ..., k: Q(k + 1, rate).

    Source: nist-dlmf, 8.4.10
    """
    return _tail("cdf", k, rate)


@pointwise
def sf(k: Number, rate: Number) -> Any:
    """1 - F(k).

    Source: nist-dlmf, 8.4.10
    """
    return _tail("sf", k, rate)


@pointwise
def log_cdf(k: Number, rate: Number) -> Any:
    """log F(k).

    Source: nist-dlmf, 8.4.10
    """
    return _tail("log_cdf", k, rate)


@pointwise
def log_sf(k: Number, rate: Number) -> Any:
    """log(1 - F(k)).

    Source: nist-dlmf, 8.4.10
    """
    return _tail("log_sf", k, rate)


def point(rng: np.random.Generator, low: float, high: float, sds: float) -> dict[str, Any]:
    rate = decades(rng, low, high)
    return {"k": around(rng, rate, sds * rate**0.5), "rate": rate}


INVALID = ({"rate": -0.5}, {"rate": inf}, {"rate": nan})


def draw_cdf(rng: np.random.Generator) -> Iterator[Draw]:
    edges = [{"k": k, "rate": rate} for k in (0, 1, 7) for rate in (0.0, 1e-20, 1e-300, 5e-324, 800.0)]
    yield from draw_tails(rng, point, edges, INVALID)


draw_sf = draw_log_cdf = draw_log_sf = draw_cdf


@integers
def icdf(u: Number, rate: Number) -> int:
    """The smallest count with F(k) >= u.

    Source: devroye-1986, III.2.1
    """
    if not _valid(rate) or is_nan(u) or not unit(u):
        return -1
    if u == 0 or rate == 0:
        return 0
    guess = scipy.stats.poisson.ppf(float(u), float(rate))
    return LARGEST if u == 1 else quantile(u, lambda k: gamma_q(number(k + 1), rate), guess)


sample = icdf


def draw_icdf(rng: np.random.Generator, first: str = "u") -> Iterator[Draw]:
    edges = [{"u": u, "rate": rate} for u in (0.0, 0.25, 1.0) for rate in (0.0, 1e-300, 700.0)]
    yield from draw_quantiles(rng, point, edges, INVALID, first)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_icdf(rng, "noise")


@pointwise
def mean(rate: Number) -> Any:
    """The rate.

    Source: johnson-kemp-kotz-2005, 4.1.1
    """
    return rate + 0 if _valid(rate) else undefined(rate)


variance = mean


@distinct
def draw_mean(rng: np.random.Generator) -> Iterator[Draw]:
    for low, high, many, flags in ((0.1, 30, 70, ()), (1e-3, 1e4, 70, ()), (1e-300, 1e300, 70, ("HUGE_PARAMETER",))):
        for _ in range(many):
            yield Draw({"rate": decades(rng, low, high)}, flags=flags)
    for rate in (0.0, 0.5, 1.5, 5e-324, 1e-310):
        yield Draw({"rate": rate}, flags=("SUPPORT_EDGE",))
    for bad in INVALID:
        yield Draw(bad, result="invalid")


draw_variance = draw_mean


@integers
def mode(rate: Number) -> int:
    """The largest whole number below the rate; none where the rate is whole and two counts are equally probable.

    Source: johnson-kemp-kotz-2005, 4.4
    """
    if not _valid(rate) or (whole(rate) and rate > 0):
        return -1
    return min(math.floor(float(rate)), LARGEST)


def draw_mode(rng: np.random.Generator) -> Iterator[Draw]:
    special = [{"rate": r} for r in (0.0, 1.0, 7.0, 1e15, 1e300, 0.5, 1 - 2.0**-53, 5e-324, np.nextafter(8.0, 9))]
    yield from draw_modes(rng, point, special, INVALID)


@pointwise
def kl_divergence(rate_p: Number, rate_q: Number) -> Any:
    """rate_p log(rate_p / rate_q) - rate_p + rate_q.

    Source: kullback-leibler-1951, 2.6
    """
    if not (_valid(rate_p) and _valid(rate_q)):
        return undefined(rate_p, rate_q)
    if rate_p == 0:
        if rate_q == 0:
            return stated(0.0, (rate_p, inf), (rate_q, 1))
        return stated_at(rate_q, (rate_p, -inf))
    if rate_q == 0:
        return flat(inf, rate_p, rate_q)
    return rate_p * log(rate_p / rate_q) - rate_p + rate_q


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    for low, high, many, flags in ((0.1, 30, 70, ()), (1e-3, 1e4, 50, ()), (1e5, 1e15, 30, ("HUGE_PARAMETER",))):
        for _ in range(many):
            p, q = decades(rng, low, high), decades(rng, low, high)
            p, q = (short(p), short(q)) if many == 70 else (p, q)
            yield Draw({"rate_p": p, "rate_q": q}, flags=flags)
    for _ in range(40):  # nearly the same
        p = decades(rng, 1e-3, 1e15)
        q = p * (1 + rng.normal() * decades(rng, 1e-15, 1e-1))
        yield Draw({"rate_p": p, "rate_q": q}, flags=("NEAR_ROOT", "CANCELLATION"), difficulty=4)
    for _ in range(20):
        p, q = decades(rng, 1e-300, 1e15), decades(rng, 1e-300, 1e15)
        yield Draw({"rate_p": p, "rate_q": q}, difficulty=5)
    for p, q in ((0.0, 2.5), (2.5, 0.0), (0.0, 0.0), (2.5, 2.5), (0.0, 5e-324), (5e-324, 1.0), (1.0, 5e-324)):
        yield Draw({"rate_p": p, "rate_q": q}, flags=("SUPPORT_EDGE",))
    for p, q in ((-1.0, 1.0), (1.0, -1.0), (nan, 1.0), (1.0, nan), (inf, 1.0), (1.0, inf)):
        yield Draw({"rate_p": p, "rate_q": q}, result="invalid")
    rows = {"rate_p": np.array([[0.5], [4.0]]), "rate_q": np.array([0.5, 3.0, 1e3])}
    yield Draw(rows, flags=("BROADCAST",))


@pointwise
def kl_divergence_bernoulli(rate_p: Number, p_q: Number) -> Any:
    """Infinite, for a Poisson variable may exceed 1; for rate 0 the divergence from a certain 0.

    Source: kullback-leibler-1951, 2.6
    """
    return _from_bounded(rate_p, number(1), p_q)


@pointwise
def kl_divergence_binomial(rate_p: Number, n_q: Number, p_q: Number) -> Any:
    """Infinite, for a Poisson variable may exceed n; for rate 0 the divergence from a certain 0.

    Source: kullback-leibler-1951, 2.6
    """
    return _from_bounded(rate_p, number(float(n_q)), p_q)


def _from_bounded(rate: Number, n: Number, p: Number) -> Any:
    if not (_valid(rate) and count(n) and unit(p)):
        return undefined(rate, p)
    if rate > 0 or (p == 1 and n > 0):
        return flat(inf, rate, p)
    return stated_at(-n * log(1 - p), (rate, inf)) if n > 0 else stated(0.0, (rate, inf), (p, 0))


def draw_kl_divergence_bernoulli(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in draw_kl_divergence_binomial(rng):
        yield replace(draw, arguments={n: v for n, v in draw.arguments.items() if n != "n_q"})


def draw_kl_divergence_binomial(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(195):
        rate, p = decades(rng, 1e-3, 1e5), float(rng.uniform())
        rate, p = (0.0, decades(rng, 1e-300, 1) if i % 4 else 1 - p) if i % 2 else (rate, p)
        flags = ("ZERO_LOG_ZERO",) if i % 2 else ("OUT_OF_SUPPORT",)
        yield Draw({"rate_p": rate, "n_q": int(decades(rng, 1, 1e6)), "p_q": p}, flags=flags)
    for rate, p in ((0.0, 0.0), (0.0, 1.0), (2.0, 0.0), (2.0, 1.0), (5e-324, 0.5)):
        yield Draw({"rate_p": rate, "n_q": 3, "p_q": p}, flags=("SUPPORT_EDGE",))
    for rate, p in ((-1.0, 0.5), (inf, 0.5), (nan, 0.5), (0.0, -0.5), (0.0, 1.5), (0.0, nan)):
        yield Draw({"rate_p": rate, "n_q": 3, "p_q": p}, result="invalid")
    rows = {"rate_p": np.array([[0.0], [4.0]]), "n_q": np.array([1, 2, 3]), "p_q": np.array([0.5, 0.25, 0.0])}
    yield Draw(rows, flags=("BROADCAST",))


def maximum_likelihood(data: Any) -> Any:
    """The mean.

    Source: johnson-kemp-kotz-2005, 4.7
    """
    return data.sum() / data.size if data.size and all(_valid(x) for x in data) else undefined(*data)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_samples(rng, lambda size, scale: rng.poisson(scale, size))
