"""The geometric distribution of the failures before the first success, as it is written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.distributions._counts import (
    LARGEST,
    count,
    distinct,
    draw_modes,
    draw_pairs,
    draw_probabilities,
    draw_quantiles,
    draw_samples,
    draw_tails,
    flat,
    integers,
    is_nan,
    quantile,
    stated_at,
    tail,
    times_log,
    undefined,
    unit,
)
from validation.exact.draws import Draw, decades, short
from validation.exact.incomplete import log1m_exp
from validation.exact.number import Number, exp, log, pointwise, stated


@pointwise
def log_prob(k: Number, p: Number) -> Any:
    """k log(1 - p) + log p, 0 log 0 = 0; at 0 and 1 the limits from inside.

    Source: feller-1968, VI.8
    """
    if is_nan(k, p) or not unit(p):
        return stated(nan, (p, nan))
    if not count(k):
        return stated(-inf, (p, 0))
    if p == 0:
        return stated(-inf, (p, inf))
    if p == 1 and k > 0:
        return stated(-inf, (p, -inf))
    return log(p) + times_log(k, 1 - p)


@pointwise
def trials(k: Number, p: Number) -> Any:
    """The convention that the trial of the success is counted as well."""
    return log_prob(k - 1, p)


@distinct
def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    k: Any
    other = {"trials": trials}
    for _ in range(70):
        p = short(rng.uniform(0.01, 0.99))
        k = int(rng.geometric(p)) - 1
        yield Draw({"k": k, "p": p}, flags=("AMBIGUOUS_CONVENTION",), result="ambiguous", alternatives=other)
    for _ in range(60):
        p = decades(rng, 1e-15, 1)
        yield Draw({"k": int(rng.exponential() / p), "p": p}, flags=("HUGE_PARAMETER",), difficulty=3)
    for _ in range(40):  # next to the mean, where the slope vanishes
        p = decades(rng, 1e-14, 0.5)
        k = round((1 - p) / p) + int(rng.integers(-1, 2))
        yield Draw({"k": k, "p": p}, flags=("CANCELLATION",), difficulty=4)
    for p in (1e-20, 1e-300, 1e-310, 5e-324, 2.0**-53, 1 - 2.0**-53, 1 - 2.0**-24):
        for k in (0, 1, 10, 10**15):
            flags = ("SUBNORMAL", "TINY_P") if p < 1e-307 else ("SATURATION",)
            yield Draw({"k": k, "p": p}, flags=flags, difficulty=3)
    for k, p in ((0, 1.0), (0, 0.0), (3, 0.0), (3, 1.0)):
        yield Draw({"k": k, "p": p}, flags=("ZERO_LOG_ZERO",))
    for k in (-1, 0.5, 4.75, inf, -inf):
        yield Draw({"k": k, "p": 0.5}, flags=("OUT_OF_SUPPORT",))
    for k, p in ((1, -0.5), (1, 1.5), (0, nan), (nan, 0.5), (0.5, nan)):
        yield Draw({"k": k, "p": p}, result="invalid")
    yield Draw({"k": np.array([[0], [1], [30]]), "p": np.array([0.25, 0.5, 0.75])}, flags=("BROADCAST",))
    yield Draw({"k": np.array([1, 0, 1, 1]), "p": np.array(0.625)}, flags=("BROADCAST",))


def _tail(name: str, k: Number, p: Number) -> Any:
    return tail(name, k, inf, lambda j: _inside(name, j, p), p) if unit(p) and not is_nan(k) else undefined(p)


def _inside(name: str, k: Number, p: Number) -> Any:
    if p == 0:
        slope = {"cdf": k + 1, "sf": -k - 1, "log_cdf": inf, "log_sf": -k - 1}[name]
        return stated({"cdf": 0.0, "sf": 1.0, "log_cdf": -inf, "log_sf": 0.0}[name], (p, slope))
    if p == 1:
        first = 1 if k == 0 else 0
        slope = {"cdf": first, "sf": -first, "log_cdf": first, "log_sf": -inf}[name]
        return stated({"cdf": 1.0, "sf": 0.0, "log_cdf": 0.0, "log_sf": -inf}[name], (p, slope))
    log_sf = (k + 1) * log(1 - p)
    if name == "log_cdf":
        return log1m_exp(log_sf)
    return {"cdf": 1 - exp(log_sf), "sf": exp(log_sf), "log_sf": log_sf}[name]


def point(rng: np.random.Generator, low: float, high: float, sds: float) -> dict[str, Any]:
    p = 1 / (1 + decades(rng, low, high))
    return {"k": int(rng.exponential() * sds / p), "p": p}


INVALID = ({"p": -0.5}, {"p": 1.5}, {"p": nan})
EDGES = [{"k": k, "p": p} for k in (0, 4, 1000, 10**9) for p in (0.0, 1.0, 1e-20, 1e-300, 5e-324, 1 - 2.0**-53, 0.5)]
QUANTILES = [{"u": u, "p": p} for u in (0.0, 0.25, 1.0) for p in (1.0, 1e-300, 0.375)]


@pointwise
def cdf(k: Number, p: Number) -> Any:
    """The sum of the probabilities of 0, ..., k.

    Source: feller-1968, VI.8
    """
    return _tail("cdf", k, p)


@pointwise
def sf(k: Number, p: Number) -> Any:
    """1 - F(k).

    Source: feller-1968, VI.8
    """
    return _tail("sf", k, p)


@pointwise
def log_cdf(k: Number, p: Number) -> Any:
    """log F(k).

    Source: feller-1968, VI.8
    """
    return _tail("log_cdf", k, p)


@pointwise
def log_sf(k: Number, p: Number) -> Any:
    """log(1 - F(k)).

    Source: feller-1968, VI.8
    """
    return _tail("log_sf", k, p)


def draw_cdf(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_tails(rng, point, EDGES, INVALID)


draw_sf = draw_log_cdf = draw_log_sf = draw_cdf


@integers
def icdf(u: Number, p: Number) -> int:
    """The smallest count with F(k) >= u.

    Source: devroye-1986, III.2.1
    """
    if is_nan(u) or not (unit(p) and unit(u)) or p == 0:
        return -1
    if u == 0 or p == 1:
        return 0
    guess = math.log1p(-float(u)) / math.log1p(-float(p)) if u < 1 else inf
    return LARGEST if guess > 2.0**63 else quantile(u, lambda k: 1 - exp((k + 1) * log(1 - p)), guess)


sample = icdf


def draw_icdf(rng: np.random.Generator, first: str = "u") -> Iterator[Draw]:
    yield from draw_quantiles(rng, point, QUANTILES, INVALID, first)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_icdf(rng, "noise")


@pointwise
def mean(p: Number) -> Any:
    """(1 - p) / p.

    Source: feller-1968, IX.3
    """
    if not unit(p):
        return undefined(p)
    return (1 - p) / p if p > 0 else stated(inf, (p, -inf))


@pointwise
def variance(p: Number) -> Any:
    """(1 - p) / p^2.

    Source: feller-1968, IX.3
    """
    if not unit(p):
        return undefined(p)
    return (1 - p) / (p * p) if p > 0 else stated(inf, (p, -inf))


@pointwise
def entropy(p: Number) -> Any:
    """-log p - (1 - p) log(1 - p) / p.

    Source: cover-thomas-2006, 2.1
    """
    if not unit(p):
        return undefined(p)
    if p == 0 or p == 1:
        return stated(inf if p == 0 else 0.0, (p, -inf))
    return -log(p) - (1 - p) * log(1 - p) / p


@integers
def mode(p: Number) -> int:
    """0.

    Source: feller-1968, VI.8
    """
    return 0 if unit(p) and p > 0 else -1


def draw_mode(rng: np.random.Generator) -> Iterator[Draw]:
    special = [{"p": p} for p in (0.0, 1.0, 0.5, 1e-300, 5e-324, 1 - 2.0**-53)]
    yield from draw_modes(rng, point, special, INVALID)


def draw_mean(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_probabilities(rng)


draw_variance = draw_entropy = draw_mean


@pointwise
def kl_divergence(p_p: Number, p_q: Number) -> Any:
    """log(p / q) + (1-p) / p log((1-p) / (1-q)).

    Source: kullback-leibler-1951, 2.6
    """
    if not (unit(p_p) and unit(p_q)) or p_p == 0:
        return undefined(p_p, p_q)
    if p_q == 0 or (p_q == 1 and p_p < 1):
        return flat(inf, p_p, p_q)
    if p_p == 1:
        if p_q == 1:
            return stated(0.0, (p_p, -inf), (p_q, -1))
        return stated_at(-log(p_q), (p_p, inf))
    return log(p_p / p_q) + (1 - p_p) / p_p * log((1 - p_p) / (1 - p_q))


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_pairs(rng, dict, ())


def maximum_likelihood(data: Any) -> Any:
    """N / (N + sum).

    Source: johnson-kemp-kotz-2005, 5.8
    """
    fits = data.size and all(0 <= x < inf for x in data)
    return data.size / (data.size + data.sum()) if fits else undefined(*data)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_samples(rng, lambda size, scale: rng.geometric(1 / (1 + scale), size) - 1)
