"""The multinomial probability as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.distributions import categorical
from validation.exact.distributions._rows import (
    all_of,
    dyadic,
    is_logits,
    is_nan,
    is_probability,
    is_whole,
    rowwise,
    shares,
    softmax,
    total,
    vector,
)
from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, lgamma, log, number, stated


@rowwise("(k),(k)->()")
def log_prob(k: Any, p: Any, *, simplex: str = "ambient") -> Any:
    """log n! - sum_i log k_i! + sum_i k_i log p_i with 0 log 0 = 0; where p = 0 < k the slope is inf.

    Source: johnson-kotz-balakrishnan-1997, chapter 35
    """
    if not is_probability(p) or any(is_nan(v) for v in k) or (simplex == "tangent" and all(v == 0 for v in p)):
        return all_of(nan, p)
    if not all(is_whole(v) for v in k):
        return all_of(-inf, p)
    sum_p, n = total(p), total(number(v) for v in k)
    if any(c > 0 and v == 0 for c, v in zip(k, p, strict=True)):
        back = n / sum_p if simplex == "tangent" else Number(0)
        return stated(
            -inf, *((v, (inf if c > 0 else -back) if v == 0 else c / v - back) for c, v in zip(k, p, strict=True))
        )
    share = [v / sum_p for v in p] if simplex == "tangent" else list(p)
    return _coefficient(k) + total(c * log(v) for c, v in zip(k, share, strict=True) if c > 0)


def _coefficient(k: Any) -> Any:
    counts = [number(v) for v in k]
    return lgamma(total(counts) + 1) - total(lgamma(c + 1) for c in counts)


@rowwise("(k),(k)->()")
def last_by_difference(k: Any, p: Any) -> Any:
    """The convention that the last probability is 1 less the others, whatever it was given as."""
    *first, _ = p
    share = [*first, 1 - total(first)]
    return _coefficient(k) + total(c * log(v) for c, v in zip(k, share, strict=True) if c > 0)


@rowwise("(k),(k)->()")
def log_prob_logits(k: Any, logits: Any) -> Any:
    """log n! - sum_i log k_i! + sum_i k_i log softmax(z)_i.

    Source: johnson-kotz-balakrishnan-1997, chapter 35
    """
    if not is_logits(logits) or any(is_nan(v) for v in k):
        return all_of(nan, logits)
    if not all(is_whole(v) for v in k):
        return all_of(-inf, logits)
    p, n = softmax(logits), total(number(v) for v in k)
    if any(c > 0 and float(z) == -inf for c, z in zip(k, logits, strict=True)):
        return stated(-inf, *((z, c - n * v) for c, z, v in zip(k, logits, p, strict=True)))
    if len(logits) == 1:
        return Number(0)
    return _coefficient(k) + total(c * log(v) for c, v in zip(k, p, strict=True) if c > 0)


@rowwise("(),(k)->(k)")
def mean(n: Any, p: Any) -> Any:
    """n p_i.

    Source: johnson-kotz-balakrishnan-1997, chapter 35
    """
    if not (is_probability(p) and is_whole(n)):
        return vector([all_of(nan, p) for _ in p])
    return vector([number(n) * v for v in p])


@rowwise("(),(k)->(k)")
def variance(n: Any, p: Any) -> Any:
    """n p_i (1 - p_i).

    Source: johnson-kotz-balakrishnan-1997, chapter 35
    """
    if not (is_probability(p) and is_whole(n)):
        return vector([all_of(nan, p) for _ in p])
    return vector([number(n) * v * (1 - v) for v in p])


@rowwise("(),(k),(k)->()")
def kl_divergence(n: Any, p_p: Any, p_q: Any) -> Any:
    """n sum_i p_i log(p_i / q_i) with 0 log 0 = 0; inf where q is 0 and p is not.

    Source: cover-thomas-2006, eq. 2.26
    """
    if not (is_probability(p_p) and is_probability(p_q) and is_whole(n)):
        return all_of(nan, p_p, p_q)
    if n == 0:
        return all_of(0.0, p_p, p_q, slope=0.0)
    if any(q == 0 and p > 0 for p, q in zip(p_p, p_q, strict=True)):
        return all_of(inf, p_p, p_q)
    return number(n) * total(categorical.divergence_term(p, q) for p, q in zip(p_p, p_q, strict=True))


def sample(noise: Any, p: Any) -> Any:
    """How often each category is chosen: the smallest i with u_j (p_1 + ... + p_K) < p_1 + ... + p_i.

    Source: devroye-1986, section III.2
    """

    @rowwise("(n),(k)->(k)")
    def counts(u: Any, row: Any) -> Any:
        found = [categorical.chosen(v, row) for v in u]
        return vector([-1 if -1 in found else found.count(i) for i in range(len(row))])

    return np.asarray(counts(noise, p)).astype(np.int64)


def maximum_likelihood(data: Any) -> Any:
    """Column sums over the sum of all.

    Source: murphy-2012, section 3.4
    """
    return categorical.maximum_likelihood(data)


def counts_near(rng: np.random.Generator, n: int, p: np.ndarray) -> np.ndarray:
    """Counts within a few standard deviations of n p that sum to n."""
    wanted = np.maximum(np.round(n * p + rng.normal(size=p.size) * np.sqrt(n * p * (1 - p))), 0)
    top = int(np.argmax(wanted))
    while wanted.sum() > n:
        wanted = np.floor(wanted / 2)
    wanted[top] += n - wanted.sum()
    return wanted


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    both = ({"simplex": "ambient"}, {"simplex": "tangent"})
    for size in (1, 2, 3, 5, 9):
        for i in range(6):
            p = dyadic(rng, size)
            k = rng.multinomial(int(rng.integers(1, 40)), p)
            yield Draw({"k": k.astype(float) if i % 3 == 2 else k, "p": p}, both[i % 2])
    for i in range(16):
        n, p = int(decades(rng, 10, 1e5)), shares(rng, int(rng.integers(2, 7)))
        yield Draw({"k": counts_near(rng, n, p), "p": p}, both[i % 2], difficulty=2)
    for i in range(20):
        n, p = int(decades(rng, 1e6, 1e15)), shares(rng, int(rng.integers(2, 5)))
        flags = ("HUGE_PARAMETER", "CANCELLATION")
        yield Draw({"k": counts_near(rng, n, p), "p": p}, both[i % 2], flags=flags, difficulty=4)
    for i in range(10):  # few of very many
        n = int(decades(rng, 1e6, 1e15))
        p = np.array([decades(rng, 0.01, 100) / n, 1.0, decades(rng, 0.01, 10) / n])
        p[1] -= p[0] + p[2]
        k = np.array([rng.poisson(n * p[0]), 0.0, rng.poisson(n * p[2])])
        k[1] = n - k.sum()
        yield Draw({"k": k, "p": p}, both[i % 2], flags=("HUGE_PARAMETER", "TINY_P"), difficulty=4)
    for i in range(6):  # far from the mode
        k, p = rng.integers(0, 30, size=4), shares(rng, 4, 0.2)
        yield Draw({"k": k, "p": p}, both[i % 2], difficulty=3)
    for i, tiny in enumerate((1e-20, 1e-300, 1e-310, 5e-324)):
        flags = ("TINY_P", "SUBNORMAL") if tiny < 1e-307 else ("TINY_P",)
        for k in ([3, 2], [0, 7], [4, 0]):
            yield Draw({"k": np.array(k), "p": np.array([tiny, 1 - tiny])}, both[i % 2], flags=flags, difficulty=3)
    for side in (0.5, 1.5):  # deviations of half the count, where a series ends
        for near in (np.nextafter(side, 0), side, np.nextafter(side, 2)):
            p = np.array([near * 0.25, 1 - near * 0.25])
            yield Draw({"k": np.array([10, 30]), "p": p}, both[1], flags=("WRONG_BRANCH",), difficulty=3)
    for k, p in (([2, 3, 1], [0.25, 0.375, 0.125]), ([2, 3, 1], [0.5, 0.25, 0.5]), ([0, 5, 2], [0.25, 0.5, 0.75])):
        others = {"renormalised": {"simplex": "tangent"}}
        if sum(p[:-1]) < 1:
            others["last_by_difference"] = last_by_difference
        arguments = {"k": np.array(k), "p": np.array(p)}
        yield Draw(arguments, flags=("AMBIGUOUS_CONVENTION",), result="ambiguous", alternatives=others)
    arguments = {"k": np.array([2, 3, 5]), "p": np.array([0.25, 0.25, 0.5])}
    tangent = {"tangent": {"simplex": "tangent"}}
    yield Draw(arguments, flags=("AMBIGUOUS_CONVENTION",), result="ambiguous", alternatives=tangent)
    for i, (k, p) in enumerate(
        (
            ([0, 4], [0.0, 1.0]),
            ([1, 3], [0.0, 1.0]),
            ([1, 3, 0], [0.0, 0.25, 0.75]),
            ([0, 0], [0.5, 0.5]),
            ([0, 0], [0.0, 1.0]),
            ([2, 0, 3], [0.5, 0.0, 0.5]),
        )
    ):
        yield Draw({"k": np.array(k), "p": np.array(p)}, both[i % 2], flags=("ZERO_LOG_ZERO",), difficulty=3)
    for k in ([-1, 3], [0.5, 1.5], [2, inf]):
        yield Draw({"k": np.array(k), "p": np.array([0.5, 0.5])}, flags=("OUT_OF_SUPPORT",))
    for k, p in (([1, 2], [-0.5, 0.5]), ([1, 2], [nan, 0.5]), ([nan, 2], [0.5, 0.5]), ([1, 2], [1.5, 0.5])):
        yield Draw({"k": np.array(k), "p": np.array(p)}, result="invalid")
    yield Draw({"k": np.array([1, 2]), "p": np.zeros(2)}, both[1], result="invalid")
    p = np.array([[[0.25, 0.75]], [[0.5, 0.5]]])
    yield Draw({"k": np.array([[1, 2], [0, 9], [1000, 3001]]), "p": p}, both[1], flags=("BROADCAST",))
    p = shares(rng, 100)
    yield Draw({"k": rng.multinomial(1000, p), "p": p}, both[1], difficulty=3)


def draw_log_prob_logits(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5, 9):
        for i in range(5):
            z = short(rng.normal(size=size) * decades(rng, 0.1, 5))
            k = rng.multinomial(int(rng.integers(1, 40)), _softmax(z))
            yield Draw({"k": k.astype(float) if i % 3 == 2 else k, "logits": z})
    for _ in range(10):
        z = rng.normal(size=4) * decades(rng, 0.1, 10)
        yield Draw({"k": counts_near(rng, int(decades(rng, 10, 1e5)), _softmax(z)), "logits": z}, difficulty=2)
    for _ in range(12):
        z = rng.normal(size=3) * decades(rng, 0.01, 3)
        k = counts_near(rng, int(decades(rng, 1e6, 1e15)), _softmax(z))
        yield Draw({"k": k, "logits": z}, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for scale in (1e-300, 1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 1e-2):  # nearly equal logits, nearly equal counts
        for n in (300, 3 * 10**9):
            k = n / 3 + np.array([1.0, 0.0, -1.0])
            flags = ("CANCELLATION", "NEAR_ROOT")
            yield Draw({"k": k, "logits": rng.normal(size=3) * scale}, flags=flags, difficulty=4)
    for gap in (36.0, 40.0, 100.0, 700.0, 1000.0):
        for k in ([5, 0, 0], [5, 1, 0], [0, 2, 2]):
            z = np.array([gap, 0.25, -0.5])
            yield Draw({"k": np.array(k), "logits": z}, flags=("SATURATION", "LARGE_LOGITS"), difficulty=3)
    for small in (0.3, 0.499, 0.5, 0.501, 499.0, 501.0, -600.0):  # where the exponentials change form
        z = np.array([small, small - 100, small - 0.75])
        yield Draw({"k": np.array([3, 0, 0]), "logits": z}, flags=("WRONG_BRANCH",), difficulty=3)
    for shift in (1e3, -1e6):
        z = shift + short(rng.normal(size=3), 4)
        yield Draw({"k": np.array([3, 4, 5]), "logits": z}, flags=("LARGE_LOGITS",), difficulty=3)
    for k in ([1, 0, 2], [1, 1, 2], [0, 0, 0]):
        z = np.array([0.5, -inf, 1.5])
        yield Draw({"k": np.array(k), "logits": z}, flags=("ZERO_LOG_ZERO",), difficulty=3)
    for k in ([-1, 3], [0.5, 1.5], [2, inf]):
        yield Draw({"k": np.array(k), "logits": np.array([0.5, 1.0])}, flags=("OUT_OF_SUPPORT",))
    for k, z in (([1, 2], [nan, 0.5]), ([1, 2], [inf, 0.5]), ([nan, 2], [0.5, 0.5])):
        yield Draw({"k": np.array(k), "logits": np.array(z)}, result="invalid")
    yield Draw({"k": np.array([1, 2]), "logits": np.full(2, -inf)}, flags=("FULLY_MASKED",), result="undefined")
    yield Draw({"k": np.array([[1, 2], [0, 9]]), "logits": short(rng.normal(size=(3, 1, 2)))}, flags=("BROADCAST",))
    z = rng.normal(size=20)
    yield Draw({"k": rng.multinomial(1000, _softmax(z)), "logits": z}, difficulty=3)


def _softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - np.max(z))
    return np.asarray(e / e.sum())


def _draw_n_and_p(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5, 9):
        for _ in range(8):
            yield Draw({"n": np.array(int(decades(rng, 1, 1000))), "p": dyadic(rng, size)})
    for _ in range(10):
        n = np.array([int(decades(rng, 1, 1e15)) for _ in range(2)])
        yield Draw({"n": n, "p": shares(rng, 3, 0.2)}, flags=("HUGE_PARAMETER",), difficulty=2)
    for tiny in (1e-20, 1e-300, 5e-324):
        yield Draw({"n": np.array(7), "p": np.array([tiny, 1 - tiny])}, flags=("TINY_P",), difficulty=3)
    for p in ([0.25, 0.25], [0.0, 1.0], [0.0, 0.0]):
        yield Draw({"n": np.array([0, 3]), "p": np.array(p)}, flags=("AMBIGUOUS_CONVENTION", "ZERO_LOG_ZERO"))
    for n, p in ((-1, 0.5), (1.5, 0.5), (nan, 0.5), (inf, 0.5), (3, -0.5), (3, nan), (3, 1.25)):
        yield Draw({"n": np.array(n), "p": np.array([p, 0.5])}, result="invalid")
    yield Draw({"n": np.array([[1], [40]]), "p": np.stack([dyadic(rng, 3) for _ in range(2)])}, flags=("BROADCAST",))


def draw_mean(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw_n_and_p(rng)


def draw_variance(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw_n_and_p(rng)


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in categorical.pairs(rng):
        n = np.array(int(decades(rng, 1, 1e6)))
        yield Draw({"n": n} | draw.arguments, {}, draw.flags, draw.difficulty, draw.result)
    p, q = np.array([0.5, 0.5]), np.array([0.0, 1.0])
    yield Draw({"n": np.array(0), "p_p": p, "p_q": q}, flags=("ZERO_LOG_ZERO",))
    for n in (-1, 0.5, nan):
        yield Draw({"n": np.array(n), "p_p": p, "p_q": p}, result="invalid")


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from categorical.draw_sample(rng)
    yield Draw({"noise": np.zeros(0), "p": np.array([0.25, 0.75])}, flags=("EMPTY_ROW",))


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5):
        for n in (1, 2, 4):
            for _ in range(3):
                yield Draw({"data": rng.integers(0, 20, size=(n, size)) + 0.0})
    for draw in categorical.draw_maximum_likelihood(rng):
        if draw.flags or draw.difficulty > 1 or draw.result != "required":
            yield draw
