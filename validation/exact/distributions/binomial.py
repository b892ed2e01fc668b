"""The binomial probability as it is written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import inf, nan, sqrt
from typing import Any

import numpy as np
import scipy.stats

from validation.exact.distributions._counts import (
    around,
    bernoulli_divergence,
    count,
    draw_modes,
    draw_pairs,
    draw_quantiles,
    draw_tails,
    flat,
    integers,
    is_nan,
    log_choose,
    quantile,
    tail,
    times,
    undefined,
    unit,
    whole,
)
from validation.exact.draws import Draw, decades, short
from validation.exact.incomplete import beta_p, beta_q, log_beta_p, log_beta_q
from validation.exact.number import Number, exp, lgamma, log, number, pointwise, stated


@pointwise
def log_prob(k: Number, n: Number, p: Number) -> Any:
    """log n! - log k! - log (n - k)! + k log p + (n - k) log(1 - p), 0 log 0 = 0; at 0 and 1 the slope from inside.

    Source: loader-2000
    """
    if not (0 <= p <= 1 and whole(n) and n >= 0) or math.isnan(float(k)):
        return stated(nan, (p, nan))
    if not (whole(k) and 0 <= k <= n):
        return stated(-inf, (p, 0))
    if p == 0:
        return stated(0.0, (p, -n)) if k == 0 else stated(-inf, (p, inf))
    if p == 1:
        return stated(0.0, (p, n)) if k == n else stated(-inf, (p, -inf))
    terms = [lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)]
    terms += [k * log(p)] if k > 0 else []
    terms += [(n - k) * log(1 - p)] if k < n else []
    return sum(terms[1:], terms[0])


@pointwise
def zero_slope(k: Number, n: Number, p: Number) -> Any:
    """The convention that an impossible event has no slope."""
    return stated(-inf, (p, 0))


@pointwise
def clamped(k: Number, n: Number, p: Number) -> Any:
    """The convention that a probability of exactly 0 or 1 is moved inside by 2^-52, where it does not move on."""
    eps = number(2.0**-52)
    return Number(log_prob(k, n, eps if p == 0 else 1 - eps).ball)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    k: Any
    n: Any
    for _ in range(60):
        n = int(rng.integers(1, 40))
        yield Draw({"k": int(rng.integers(0, n + 1)), "n": n, "p": short(rng.uniform(0.01, 0.99))})
    for _ in range(50):
        n = int(decades(rng, 10, 1e5))
        yield Draw(_typical(rng, n, rng.uniform(1e-3, 1)), difficulty=2)
    for _ in range(50):
        n = int(decades(rng, 1e6, 1e15))
        yield Draw(_typical(rng, n, rng.uniform(1e-3, 1)), flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(20):  # few of very many
        n = int(decades(rng, 1e6, 1e15))
        yield Draw(_typical(rng, n, decades(rng, 0.01, 100) / n), flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(20):  # tails
        n = int(decades(rng, 2, 1e9))
        k = int(rng.integers(0, n + 1))
        yield Draw({"k": k, "n": n, "p": decades(rng, 1e-12, 1)}, difficulty=3)
    for p in (1e-20, 1e-100, 1e-300, 1e-310, 5e-324, 2.0**-53, 1e-8):
        for k, n in ((0, 10), (1, 10), (3, 10), (10, 10), (7, 10**15)):
            flags = ("TINY_P", "SUBNORMAL") if p < 1e-307 else ("TINY_P",)
            yield Draw({"k": k, "n": n, "p": p}, flags=flags, difficulty=3)
    for p in (1 - 2.0**-53, 1 - 2.0**-24):
        for k, n in ((0, 10), (9, 10), (10, 10), (10**15 - 7, 10**15)):
            yield Draw({"k": k, "n": n, "p": p}, flags=("SATURATION",), difficulty=3)
    for side in (0.5, 1.5):  # deviations of half the mean, where a series ends
        for k, n in ((40, 10**6), (2, 5), (700, 1000)):
            for near in (np.nextafter(side, 0), side, np.nextafter(side, 2)):
                if near * k < n:
                    yield Draw({"k": k, "n": n, "p": float(near) * k / n}, flags=("WRONG_BRANCH",), difficulty=3)
    for k, n in ((1, 2), (1, 9), (7, 8), (8, 16), (12, 25), (15, 16)):  # where tables of Stirling's error end
        yield Draw({"k": k, "n": n, "p": k / n}, flags=("WRONG_BRANCH",))
    for k, p in ((0, 0.0), (10, 1.0)):
        yield Draw({"k": k, "n": 10, "p": p}, flags=("ZERO_LOG_ZERO",))
    for k, p in ((3, 0.0), (10, 0.0), (0, 1.0), (3, 1.0)):
        conventions = {"zero_slope": zero_slope, "clamped": clamped}
        flags = ("SATURATION", "AMBIGUOUS_CONVENTION")
        yield Draw({"k": k, "n": 10, "p": p}, flags=flags, result="ambiguous", alternatives=conventions)
    for p in (0.0, 0.25, 1.0):
        yield Draw({"k": 0, "n": 0, "p": p}, flags=("ZERO_LOG_ZERO",))
    for k in (6, -1, 0.5, 4.75, inf, -inf):
        yield Draw({"k": k, "n": 5, "p": 0.5}, flags=("OUT_OF_SUPPORT",))
    yield Draw({"k": 6, "n": 5, "p": 1.0}, flags=("OUT_OF_SUPPORT",))
    for k, n, p in (
        (1, 2, -0.5),
        (1, 2, 1.5),
        (1, 2, nan),
        (1, -1, 0.5),
        (1.0, 2.5, 0.5),
        (nan, 2, 0.5),
        (1, inf, 0.5),
    ):
        yield Draw({"k": k, "n": n, "p": p}, result="invalid")
    trials = np.array([[1], [40], [10**9]])
    yield Draw({"k": np.array([0, 1, 30]), "n": trials, "p": np.array(0.625)}, flags=("BROADCAST",))
    yield Draw({"k": 3.0, "n": np.array([3.0, 11.0]), "p": np.array([[0.25], [0.5]])}, flags=("BROADCAST",))


def _typical(rng: np.random.Generator, n: int, p: float) -> dict[str, Any]:
    """A count within a few standard deviations of the mean."""
    k = round(n * p + rng.normal() * math.sqrt(n * p * (1 - p)))
    return {"k": min(max(k, 0), n), "n": n, "p": float(p)}


def _valid(n: Number, p: Number) -> bool:
    return count(n) and unit(p)


def _tail(name: str, k: Number, n: Number, p: Number) -> Any:
    n = number(float(n))
    return tail(name, k, n, lambda j: _inside(name, j, n, p), p) if _valid(n, p) and not is_nan(k) else undefined(p)


def _inside(name: str, k: Number, n: Number, p: Number) -> Any:
    if p == 0:
        first = n if k == 0 else 0
        slope = {"cdf": -first, "sf": first, "log_cdf": -first, "log_sf": inf}[name]
        return stated({"cdf": 1.0, "sf": 0.0, "log_cdf": 0.0, "log_sf": -inf}[name], (p, slope))
    if p == 1:
        last = n if k == n - 1 else 0
        slope = {"cdf": -last, "sf": last, "log_cdf": -inf, "log_sf": last}[name]
        return stated({"cdf": 0.0, "sf": 1.0, "log_cdf": -inf, "log_sf": 0.0}[name], (p, slope))
    function = {"cdf": beta_q, "sf": beta_p, "log_cdf": log_beta_q, "log_sf": log_beta_p}[name]
    return function(k + 1, n - k, p)


def point(rng: np.random.Generator, low: float, high: float, sds: float) -> dict[str, Any]:
    n, p = math.ceil(decades(rng, low, high)), float(rng.uniform(0.001, 0.999))
    return {"k": around(rng, n * p, sds * sqrt(n * p * (1 - p)), n - 1), "n": n, "p": p}


INVALID = ({"p": -0.5}, {"p": 1.5}, {"p": nan}, {"n": -1}, {"n": 2.5})
EDGES = [{"k": k, "n": 9, "p": p} for k in (0, 4, 8, 9) for p in (0.0, 1.0, 1e-20, 1e-300, 5e-324, 1 - 2.0**-53, 0.5)]
QUANTILES = [{"u": u, "n": n, "p": p} for u in (0.0, 0.25, 1.0) for n in (0, 9) for p in (0.0, 1.0, 1e-300, 0.375)]


@pointwise
def cdf(k: Number, n: Number, p: Number) -> Any:
    """The sum of the probabilities of 0, ..., k.

    Source: nist-dlmf, 8.17.5
    """
    return _tail("cdf", k, n, p)


@pointwise
def sf(k: Number, n: Number, p: Number) -> Any:
    """1 - F(k).

    Source: nist-dlmf, 8.17.5
    """
    return _tail("sf", k, n, p)


@pointwise
def log_cdf(k: Number, n: Number, p: Number) -> Any:
    """log F(k).

    Source: nist-dlmf, 8.17.5
    """
    return _tail("log_cdf", k, n, p)


@pointwise
def log_sf(k: Number, n: Number, p: Number) -> Any:
    """log(1 - F(k)).

    Source: nist-dlmf, 8.17.5
    """
    return _tail("log_sf", k, n, p)


def draw_cdf(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_tails(rng, point, EDGES, INVALID)


draw_sf = draw_log_cdf = draw_log_sf = draw_cdf


@integers
def icdf(u: Number, n: Number, p: Number) -> int:
    """The smallest count with F(k) >= u.

    Source: devroye-1986, III.2.1
    """
    if is_nan(u) or not (_valid(n, p) and unit(u)):
        return -1
    if u == 0 or p == 0 or n == 0:
        return 0
    trials = int(float(n))
    if u == 1 or p == 1:
        return trials
    guess = scipy.stats.binom.ppf(float(u), trials, float(p))
    return quantile(u, lambda k: beta_q(number(k + 1), number(trials - k), p) if k < trials else number(1), guess)


sample = icdf


def draw_icdf(rng: np.random.Generator, first: str = "u") -> Iterator[Draw]:
    yield from draw_quantiles(rng, point, QUANTILES, INVALID, first)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_icdf(rng, "noise")


@pointwise
def mean(n: Number, p: Number) -> Any:
    """n p.

    Source: johnson-kemp-kotz-2005, 3.2
    """
    return number(float(n)) * p if _valid(n, p) else undefined(p)


@pointwise
def variance(n: Number, p: Number) -> Any:
    """n p (1 - p).

    Source: johnson-kemp-kotz-2005, 3.2
    """
    return number(float(n)) * p * (1 - p) if _valid(n, p) else undefined(p)


@integers
def mode(n: Number, p: Number) -> int:
    """The largest whole number below (n + 1) p; none where that is whole and two counts are equally probable.

    Source: johnson-kemp-kotz-2005, 3.4
    """
    if not _valid(n, p):
        return -1
    top = (n + 1) * p
    k = math.floor(float(top.ball.floor().mid()))
    if top == k and 0 < k <= n:
        return -1
    return min(k, int(float(n)))


def draw_mode(rng: np.random.Generator) -> Iterator[Draw]:
    special = [{"n": n, "p": p} for n in (0, 1, 3, 7, 2**52 - 1) for p in (0.0, 0.25, 0.5, 0.75, 1.0, 1e-300)]
    yield from draw_modes(rng, point, special, INVALID)


@pointwise
def kl_divergence(n: Number, p_p: Number, p_q: Number) -> Any:
    """n times the divergence of Bernoulli distributions.

    Source: kullback-leibler-1951, 2.6
    """
    n = number(float(n))
    if not (count(n) and unit(p_p) and unit(p_q)):
        return undefined(p_p, p_q)
    return times(n, bernoulli_divergence(p_p, p_q), p_p, p_q) if n > 0 else flat(0.0, p_p, p_q)


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_pairs(rng, lambda: {"n": int(decades(rng, 1, 1e9))}, ({"n": -1}, {"n": 2.5}))


def maximum_likelihood(data: Any, n: Any) -> Any:
    """The sum of the data over the sum of the trials.

    Source: johnson-kemp-kotz-2005, 3.8.2
    """
    trials = [number(float(m)) for m in np.broadcast_to(n, data.shape)]
    fits = all(count(m) and 0 <= x <= m for x, m in zip(data, trials, strict=True))
    total = sum(trials, number(0))
    return data.sum() / total if data.size and fits and total > 0 else undefined(*data)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    n: Any
    data: Any
    for i in range(45):
        n = rng.integers(1, int(decades(rng, 2, 1e6)), size=int(decades(rng, 1, 100)))
        n = n if i % 3 else n[:1].reshape(())
        data = np.atleast_1d(np.asarray(rng.binomial(n, rng.uniform()), dtype=np.float64))
        yield Draw({"data": data, "n": n}, flags=("BROADCAST",) if n.ndim == 0 else ())
    for _ in range(10):
        n = rng.integers(10**12, 10**15, size=5)
        yield Draw({"data": rng.binomial(n, rng.uniform()).astype(np.float64), "n": n}, flags=("HUGE_PARAMETER",))
    for data, n in (([0.0], 5), ([5.0], 5), ([0.5, 1.25], 3), ([0.0, 0.0], 4), ([0.0, 2.0], np.array([0, 2]))):
        yield Draw({"data": np.array(data), "n": np.array(n)}, flags=("SUPPORT_EDGE",))
    for data, n in (([], 5), ([0.0], 0), ([6.0], 5), ([-1.0], 5), ([nan], 5), ([1.0], -1), ([1.0], 2.5)):
        yield Draw({"data": np.array(data), "n": np.array(n)}, result="invalid")


@pointwise
def log_prob_logits(k: Number, n: Number, logits: Number) -> Any:
    """log C(n, k) + k l - n log(1 + exp(l)).

    Source: loader-2000
    """
    if is_nan(k, logits) or not count(n):
        return undefined(logits)
    k, n = number(float(k)), number(float(n))
    if not (count(k) and k <= n):
        return flat(-inf, logits)
    if logits.stated:
        certain = k == (n if logits > 0 else 0)
        return flat(0.0, logits) if certain else stated(-inf, (logits, k - n if logits > 0 else k))
    return log_choose(n, k) - k * log(1 + exp(-logits)) - (n - k) * log(1 + exp(logits))


def draw_log_prob_logits(rng: np.random.Generator) -> Iterator[Draw]:
    k: Any
    n: Any
    logits: Any
    for _ in range(60):
        n = int(rng.integers(1, 40))
        yield Draw({"k": int(rng.integers(0, n + 1)), "n": n, "logits": short(2 * rng.normal())})
    for low, high, flags in ((10, 1e5, ()), (1e6, 1e15, ("HUGE_PARAMETER", "CANCELLATION"))):
        for _ in range(45):
            n, logits = int(decades(rng, low, high)), rng.choice([-1, 1]) * decades(rng, 1e-10, 8)
            p = 1 / (1 + math.exp(-logits))
            k = around(rng, n * p, sqrt(n * p * (1 - p)), n)
            yield Draw({"k": k, "n": n, "logits": float(logits)}, flags=flags, difficulty=4)
    for _ in range(30):  # few of very many
        n, expected = int(decades(rng, 1e6, 1e15)), decades(rng, 0.1, 100)
        k, logits = around(rng, expected, sqrt(expected)), math.log(expected / n)
        k, logits = (k, logits) if rng.integers(2) else (n - k, -logits)
        yield Draw({"k": k, "n": n, "logits": logits}, flags=("HUGE_PARAMETER",), difficulty=4)
    for logits in (0.0, 1e5, -1e5, 36.7, -36.8, 745.2, -745.2, inf, -inf, 1.0, -1.0, 5e-324):
        for k in (0, 3, 10):
            yield Draw({"k": k, "n": 10, "logits": logits}, flags=("LARGE_LOGITS",), difficulty=3)
    for k in (11, -1, 0.5):
        yield Draw({"k": k, "n": 10, "logits": 0.25}, flags=("OUT_OF_SUPPORT",))
    yield Draw({"k": 0, "n": 0, "logits": 0.25}, flags=("SUPPORT_EDGE",))
    for k, n, logits in ((1, 2, nan), (nan, 2, 0.5), (1, -1, 0.5), (1, 2.5, 0.5)):
        yield Draw({"k": k, "n": n, "logits": logits}, result="invalid")
    trials = np.array([[1], [40], [10**9]])
    yield Draw({"k": np.array([0, 1, 30]), "n": trials, "logits": np.array(0.625)}, flags=("BROADCAST",))
