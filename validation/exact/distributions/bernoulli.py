"""The Bernoulli distribution as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.distributions._counts import (
    bernoulli_divergence,
    distinct,
    draw_modes,
    draw_pairs,
    draw_probabilities,
    draw_quantiles,
    draw_tails,
    flat,
    integers,
    is_nan,
    stated_at,
    tail,
    undefined,
    unit,
)
from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, exp, log, number, pointwise, stated


@pointwise
def log_prob(k: Number, p: Number) -> Any:
    """k log p + (1 - k) log(1 - p), 0 log 0 = 0; at 0 and 1 the slope from inside.

    Source: bishop-2006, 2.2
    """
    if is_nan(k, p) or not unit(p):
        return stated(nan, (p, nan))
    if k == 1:
        return log(p) if p > 0 else stated(-inf, (p, inf))
    if k == 0:
        return log(1 - p) if p < 1 else stated(-inf, (p, -inf))
    return stated(-inf, (p, 0))


@pointwise
def zero_slope(k: Number, p: Number) -> Any:
    """The convention that an impossible event has no slope."""
    return stated(-inf, (p, 0))


@pointwise
def clamped(k: Number, p: Number) -> Any:
    """The convention that a probability of exactly 0 or 1 is moved inside by 2^-52, where it does not move on."""
    eps = number(2.0**-52)
    return Number(log_prob(k, eps if p == 0 else 1 - eps).ball)


PROBABILITIES = (1e-20, 1e-100, 1e-300, 1e-310, 5e-324, 2.0**-53, 1e-8, 1 - 2.0**-53, 1 - 2.0**-24, 0.5)


@distinct
def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    k: Any
    for i in range(70):
        yield Draw({"k": i % 2, "p": short(rng.uniform(0.01, 0.99))})
    for i in range(60):
        yield Draw({"k": i % 2, "p": decades(rng, 1e-6, 1)}, difficulty=2)
    for i in range(30):
        yield Draw({"k": i % 2, "p": decades(rng, 1e-300, 1e-6)}, flags=("TINY_P",), difficulty=3)
    for i in range(30):
        yield Draw({"k": i % 2, "p": 1 - decades(rng, 1e-15, 1e-2)}, flags=("SATURATION",), difficulty=3)
    for p in PROBABILITIES:
        for k in (0.0, 1.0):
            flags = ("SUBNORMAL", "TINY_P") if p < 1e-307 else ("SATURATION",)
            yield Draw({"k": k, "p": p}, flags=flags, difficulty=3)
    for k, p in ((0, 0.0), (1, 1.0)):
        yield Draw({"k": k, "p": p}, flags=("ZERO_LOG_ZERO",))
    for k, p in ((1, 0.0), (0, 1.0)):
        conventions = {"zero_slope": zero_slope, "clamped": clamped}
        flags = ("SATURATION", "AMBIGUOUS_CONVENTION")
        yield Draw({"k": k, "p": p}, flags=flags, result="ambiguous", alternatives=conventions)
    for k in (2, -1, 0.5, inf, -inf, 5e-324):
        yield Draw({"k": k, "p": 0.5}, flags=("OUT_OF_SUPPORT",))
    for k, p in ((1, -0.5), (1, 1.5), (0, nan), (nan, 0.5), (0.5, nan)):
        yield Draw({"k": k, "p": p}, result="invalid")
    yield Draw({"k": np.array([[0], [1]]), "p": np.array([0.25, 0.5, 0.75])}, flags=("BROADCAST",))
    yield Draw({"k": np.array([1, 0, 1, 1]), "p": np.array(0.625)}, flags=("BROADCAST",))


@pointwise
def log_prob_logits(k: Number, logits: Number) -> Any:
    """k l - log(1 + exp(l)).

    Source: bishop-2006, 2.2 and 4.59
    """
    if is_nan(k, logits):
        return stated(nan, (logits, nan))
    if not (k == 0 or k == 1):
        return stated(-inf, (logits, 0))
    if logits.stated:
        certain = (k == 1) == (logits > 0)
        return stated(0.0, (logits, 0)) if certain else stated(-inf, (logits, 1 if k == 1 else -1))
    return -log(1 + exp(-logits if k == 1 else logits))


@distinct
def draw_log_prob_logits(rng: np.random.Generator) -> Iterator[Draw]:
    k: Any
    for i in range(80):
        yield Draw({"k": i % 2, "logits": short(rng.normal() * 3)})
    for i in range(60):
        sign = rng.choice([-1, 1])
        yield Draw({"k": i % 2, "logits": sign * decades(rng, 1e-20, 1)}, flags=("CANCELLATION",), difficulty=2)
    for i in range(50):
        sign = rng.choice([-1, 1])
        yield Draw({"k": i % 2, "logits": sign * decades(rng, 1, 1e5)}, flags=("SATURATION",), difficulty=3)
    for logits in (0.0, 1e5, -1e5, 36.7, -36.8, 709.9, -709.9, 745.2, -745.2, inf, -inf):
        for k in (0, 1):
            yield Draw({"k": k, "logits": logits}, flags=("LARGE_LOGITS",), difficulty=3)
    for k in (2, -1, 0.5):
        yield Draw({"k": k, "logits": 0.25}, flags=("OUT_OF_SUPPORT",))
    for k, logits in ((1, nan), (nan, 0.5)):
        yield Draw({"k": k, "logits": logits}, result="invalid")
    yield Draw({"k": np.array([[0], [1]]), "logits": np.array([0.25, -0.5, 7.5])}, flags=("BROADCAST",))
    yield Draw({"k": np.array([1, 0, 1, 1]), "logits": np.array(0.625)}, flags=("BROADCAST",))


def _tail(name: str, k: Number, p: Number) -> Any:
    return tail(name, k, 1, lambda j: _inside(name, p), p) if unit(p) and not is_nan(k) else undefined(p)


def _inside(name: str, p: Number) -> Any:
    if name in ("cdf", "sf"):
        return 1 - p if name == "cdf" else p + 0
    if name == "log_cdf":
        return log(1 - p) if p < 1 else stated(-inf, (p, -inf))
    return log(p) if p > 0 else stated(-inf, (p, inf))


def point(rng: np.random.Generator, low: float, high: float, sds: float) -> dict[str, Any]:
    size = decades(rng, low, high)
    return {"k": 0 if rng.uniform() < 0.75 else 1, "p": 1 / (1 + size) if rng.integers(2) else size / (1 + size)}


INVALID = ({"p": -0.5}, {"p": 1.5}, {"p": nan})
EDGES = [{"k": k, "p": p} for k in (0, 0.5, 1) for p in (0.0, 1.0, *PROBABILITIES)]
QUANTILES = [{"u": u, "p": p} for u in (0.0, 0.375, 0.625, 1.0) for p in (0.0, 1.0, 0.375, 1e-300)]


@pointwise
def cdf(k: Number, p: Number) -> Any:
    """The sum of the probabilities of 0, ..., k.

    Source: bishop-2006, 2.2
    """
    return _tail("cdf", k, p)


@pointwise
def sf(k: Number, p: Number) -> Any:
    """1 - F(k).

    Source: bishop-2006, 2.2
    """
    return _tail("sf", k, p)


@pointwise
def log_cdf(k: Number, p: Number) -> Any:
    """log F(k).

    Source: bishop-2006, 2.2
    """
    return _tail("log_cdf", k, p)


@pointwise
def log_sf(k: Number, p: Number) -> Any:
    """log(1 - F(k)).

    Source: bishop-2006, 2.2
    """
    return _tail("log_sf", k, p)


def draw_cdf(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_tails(rng, point, EDGES, INVALID)


draw_sf = draw_log_cdf = draw_log_sf = draw_cdf


@integers
def icdf(u: Number, p: Number) -> int:
    """0 where u <= 1 - p, else 1.

    Source: devroye-1986, III.2.1
    """
    if is_nan(u) or not (unit(p) and unit(u)):
        return -1
    return 0 if u + p <= 1 else 1


sample = icdf


def draw_icdf(rng: np.random.Generator, first: str = "u") -> Iterator[Draw]:
    yield from draw_quantiles(rng, point, QUANTILES, INVALID, first)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_icdf(rng, "noise")


@pointwise
def mean(p: Number) -> Any:
    """p.

    Source: bishop-2006, 2.3
    """
    return p + 0 if unit(p) else undefined(p)


@pointwise
def variance(p: Number) -> Any:
    """p (1 - p).

    Source: bishop-2006, 2.4
    """
    return p * (1 - p) if unit(p) else undefined(p)


@pointwise
def entropy(p: Number) -> Any:
    """-p log p - (1 - p) log(1 - p).

    Source: bishop-2006, B.4
    """
    if not unit(p):
        return undefined(p)
    if p == 0 or p == 1:
        return stated(0.0, (p, inf if p == 0 else -inf))
    return -p * log(p) - (1 - p) * log(1 - p)


@integers
def mode(p: Number) -> int:
    """0 below 1/2, 1 above.

    Source: bishop-2006, 2.2
    """
    if not unit(p) or p == 0.5:
        return -1
    return 1 if p > 0.5 else 0


def draw_mode(rng: np.random.Generator) -> Iterator[Draw]:
    special = [{"p": p} for p in (0.0, 1.0, *PROBABILITIES, np.nextafter(0.5, 0), np.nextafter(0.5, 1))]
    yield from draw_modes(rng, point, special, INVALID)


def draw_mean(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_probabilities(rng)


draw_variance = draw_entropy = draw_mean


@pointwise
def kl_divergence(p_p: Number, p_q: Number) -> Any:
    """p log(p / q) + (1 - p) log((1 - p) / (1 - q)).

    Source: kullback-leibler-1951, 2.6
    """
    return bernoulli_divergence(p_p, p_q) if unit(p_p) and unit(p_q) else undefined(p_p, p_q)


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_pairs(rng, dict, ())


@pointwise
def kl_divergence_poisson(p_p: Number, rate_q: Number) -> Any:
    """p log p + (1 - p) log(1 - p) - p log(rate) + rate.

    Source: kullback-leibler-1951, 2.6
    """
    if not (unit(p_p) and 0 <= rate_q < inf):
        return undefined(p_p, rate_q)
    if p_p == 0:
        if rate_q == 0:
            return stated(0.0, (p_p, inf), (rate_q, 1))
        return stated_at(rate_q, (p_p, -inf))
    if rate_q == 0:
        return flat(inf, p_p, rate_q)
    if p_p == 1:
        return stated_at(rate_q - log(rate_q), (p_p, inf))
    return p_p * log(p_p / rate_q) + (1 - p_p) * log(1 - p_p) + rate_q


def draw_kl_divergence_poisson(rng: np.random.Generator) -> Iterator[Draw]:
    for _ in range(70):
        yield Draw({"p_p": short(rng.uniform(0.01, 0.99)), "rate_q": short(decades(rng, 0.05, 20))})
    for _ in range(60):
        yield Draw({"p_p": decades(rng, 1e-6, 1), "rate_q": decades(rng, 1e-6, 1e6)}, difficulty=2)
    for _ in range(40):  # the small difference of two distributions of rare events
        p = decades(rng, 1e-12, 0.6)
        rate = p * (1 + rng.normal() * decades(rng, 1e-12, 0.3))
        yield Draw({"p_p": p, "rate_q": rate}, flags=("NEAR_ROOT", "CANCELLATION"), difficulty=4)
    for _ in range(20):
        yield Draw({"p_p": decades(rng, 1e-300, 1), "rate_q": decades(rng, 1e-300, 1e15)}, difficulty=5)
    for p in (0.0, 1.0, 5e-324, 1 - 2.0**-53):
        for rate in (0.0, 1.0, 2.5, 5e-324):
            yield Draw({"p_p": p, "rate_q": rate}, flags=("SUPPORT_EDGE",))
    for p, rate in ((-0.5, 1.0), (1.5, 1.0), (nan, 1.0), (0.5, -1.0), (0.5, inf), (0.5, nan)):
        yield Draw({"p_p": p, "rate_q": rate}, result="invalid")
    rows = {"p_p": np.array([[0.5], [0.25]]), "rate_q": np.array([0.5, 3.0, 1e3])}
    yield Draw(rows, flags=("BROADCAST",))


def maximum_likelihood(data: Any) -> Any:
    """The mean.

    Source: bishop-2006, 2.7
    """
    return data.sum() / data.size if data.size and all(unit(x) for x in data) else undefined(*data)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(60):
        size = int(decades(rng, 2, 500))
        draws = (rng.uniform(size=size) < decades(rng, 0.01, 1)) * (1.0 if i % 4 else rng.uniform(size=size))
        yield Draw({"data": draws}, flags=() if i % 4 else ("WRONG_BRANCH",))
    for data in ([0.0], [1.0], [5e-324, 0.0], [1.0, 1.0, 1.0], [0.0] * 4):
        yield Draw({"data": np.array(data)}, flags=("SUPPORT_EDGE",))
    for data in ([], [nan, 1.0], [1.0, 2.0], [-0.5], [inf]):
        yield Draw({"data": np.array(data)}, result="invalid")
