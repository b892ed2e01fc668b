"""The categorical distribution as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

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
from validation.exact.number import Number, log, number, stated


@rowwise("(),(k)->()")
def log_prob(k: Any, p: Any) -> Any:
    """log p_k for p as it stands; at p_k = 0 the slope is inf.

    Source: murphy-2012, section 2.3.2
    """
    if not is_probability(p) or is_nan(k):
        return all_of(nan, p)
    if not (is_whole(k) and float(k) < len(p)):
        return all_of(-inf, p)
    chosen = p[int(float(k))]
    return stated(-inf, (chosen, inf)) if chosen == 0 else log(chosen)


@rowwise("(),(k)->()")
def renormalised(k: Any, p: Any) -> Any:
    """The convention that p is divided by its sum first."""
    return log(p[int(k)] / total(p))


@rowwise("(),(k)->()")
def log_prob_logits(k: Any, logits: Any) -> Any:
    """z_k - log sum_j e^z_j.

    Source: murphy-2012, section 8.3.7
    """
    if not is_logits(logits) or is_nan(k):
        return all_of(nan, logits)
    if not (is_whole(k) and float(k) < len(logits)):
        return all_of(-inf, logits)
    if len(logits) == 1:
        return Number(0)
    i, p = int(float(k)), softmax(logits)
    if float(logits[i]) == -inf:
        return stated(-inf, *((z, (1 if j == i else 0) - p[j]) for j, z in enumerate(logits)))
    return log(p[i])


@rowwise("(k)->()")
def entropy(p: Any) -> Any:
    """-sum_i p_i log p_i with 0 log 0 = 0, whose slope at 0 is inf.

    Source: cover-thomas-2006, eq. 2.1
    """
    if not is_probability(p):
        return all_of(nan, p)
    return total(stated(0.0, (v, inf)) if v == 0 else -(v * log(v)) for v in p)


@rowwise("(k)->()")
def entropy_logits(logits: Any) -> Any:
    """-sum_i p_i log p_i for p = softmax(z).

    Source: cover-thomas-2006, eq. 2.1
    """
    if not is_logits(logits):
        return all_of(nan, logits)
    finite = [z for z in logits if float(z) > -inf]
    return -total(v * log(v) for v in softmax(finite)) if len(finite) > 1 else Number(0)


@rowwise("(k)->()")
def mean(p: Any) -> Any:
    """sum_i i p_i.

    Source: murphy-2012, section 2.2.7
    """
    return total(i * v for i, v in enumerate(p)) if is_probability(p) else all_of(nan, p)


@rowwise("(k)->()")
def variance(p: Any) -> Any:
    """sum_i (i - m)^2 p_i.

    Source: murphy-2012, section 2.2.7
    """
    if not is_probability(p):
        return all_of(nan, p)
    m = total(i * v for i, v in enumerate(p))
    return total((i - m) ** 2 * v for i, v in enumerate(p))


def mode(p: Any) -> Any:
    """The first i whose p_i no other exceeds.

    Source: murphy-2012, section 2.2.7
    """

    @rowwise("(k)->()")
    def first(row: Any) -> Any:
        if not is_probability(row):
            return -1
        return next(i for i in range(len(row)) if all(row[i] >= v for v in row))

    return np.asarray(first(p)).astype(np.int64)


@rowwise("(k),(k)->()")
def kl_divergence(p_p: Any, p_q: Any) -> Any:
    """sum_i p_i log(p_i / q_i) with 0 log 0 = 0; inf where q is 0 and p is not.

    Source: cover-thomas-2006, eq. 2.26
    """
    if not (is_probability(p_p) and is_probability(p_q)):
        return all_of(nan, p_p, p_q)
    if any(q == 0 and p > 0 for p, q in zip(p_p, p_q, strict=True)):
        return all_of(inf, p_p, p_q)
    return total(divergence_term(p, q) for p, q in zip(p_p, p_q, strict=True))


def divergence_term(p: Number, q: Number) -> Number:
    """p log(p / q); at p = 0 the slope to p is -inf, and inf where q is 0 too."""
    if p == 0:
        return stated(0.0, (p, inf if q == 0 else -inf), (q, 0.0))
    return p * log(p / q)


def sample(noise: Any, p: Any) -> Any:
    """The smallest i with u (p_1 + ... + p_K) < p_1 + ... + p_i.

    Source: devroye-1986, section III.2
    """

    @rowwise("(),(k)->()")
    def inverse(u: Any, row: Any) -> Any:
        return chosen(u, row)

    return np.asarray(inverse(noise, p)).astype(np.int64)


def chosen(u: Any, weights: Any) -> int:
    """The category that a uniform number chooses; -1 where it or the weights are not valid."""
    if not is_probability(weights) or not 0 < number(u) < 1 or all(v == 0 for v in weights):
        return -1
    point, sum_so_far = number(u) * total(weights), Number(0)
    for i, weight in enumerate(weights):
        sum_so_far = sum_so_far + weight
        if point < sum_so_far:
            return i
    raise AssertionError("u is below 1")


def maximum_likelihood(data: Any) -> Any:
    """Column sums over the sum of all.

    Source: murphy-2012, section 3.4
    """
    everything = [v for row in data for v in row]
    if not everything or not all(0 <= v < inf for v in everything) or all(v == 0 for v in everything):
        return vector([all_of(nan, np.array(everything, dtype=object)) for _ in range(data.shape[1])])
    return vector([total(data[:, i]) / total(everything) for i in range(data.shape[1])])


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5, 8, 17):
        for _ in range(5):
            p, k = dyadic(rng, size), rng.integers(0, size, size=3)
            yield Draw({"k": k, "p": p})
    for _ in range(12):
        yield Draw(
            {"k": rng.integers(0, 4, size=2), "p": np.stack([shares(rng, 4, 0.1), shares(rng, 4)])}, difficulty=2
        )
    for tiny in (1e-20, 1e-300, 1e-310, 5e-324, 1 - 2.0**-53):
        for k in (0, 1):
            flags = ("TINY_P", "SUBNORMAL") if tiny < 1e-307 else ("TINY_P",)
            yield Draw({"k": np.array([k]), "p": np.array([tiny, 1 - tiny])}, flags=flags, difficulty=3)
    for p in ([0.25, 0.5, 0.125], [0.5, 0.5, 0.5], [1e-3, 2e-3, 5e-3]):
        flags = ("AMBIGUOUS_CONVENTION",)
        arguments = {"k": np.array([1]), "p": np.array(p)}
        yield Draw(arguments, flags=flags, result="ambiguous", alternatives={"renormalised": renormalised})
    for k in (0, 1, 2):
        yield Draw({"k": np.array([k]), "p": np.array([0.0, 1.0, 0.0])}, flags=("ZERO_LOG_ZERO", "SATURATION"))
    for k in (3, -1, 0.5, inf, -inf):
        yield Draw({"k": np.array([k]), "p": np.array([0.25, 0.25, 0.5])}, flags=("OUT_OF_SUPPORT",))
    for k, bad in ((0, -0.25), (1, 1.5), (0, nan), (nan, 0.5), (7, 2.0)):
        yield Draw({"k": np.array([k]), "p": np.array([0.5, bad])}, result="invalid")
    yield Draw(
        {"k": np.arange(3)[:, None], "p": np.array([[0.25, 0.25, 0.5], [0.5, 0.125, 0.375]])}, flags=("BROADCAST",)
    )
    yield Draw({"k": np.array(2), "p": shares(rng, 1000)}, difficulty=2)


def draw_log_prob_logits(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5, 8, 17):
        for _ in range(5):
            z = short(rng.normal(size=size) * decades(rng, 0.1, 10))
            yield Draw({"k": rng.integers(0, size, size=2), "logits": z})
    for scale in (1e-300, 1e-12, 1e-6, 1e-3, 30.0, 300.0):
        yield Draw({"k": np.arange(3), "logits": rng.normal(size=3) * scale}, flags=("CANCELLATION",), difficulty=3)
    for gap in (20.0, 36.0, 37.0, 40.0, 100.0, 700.0, 745.0, 1000.0):
        for k in (0, 1):
            z = np.array([gap, 0.25, -0.5])
            yield Draw({"k": np.array([k]), "logits": z}, flags=("SATURATION", "LARGE_LOGITS"), difficulty=3)
    for small in (0.3, 0.499, 0.5, 0.501, 499.0, 501.0, -499.0, -600.0):  # where the exponentials change form
        z = np.array([small, small - 100, small - 0.75])
        yield Draw({"k": np.array([0, 1]), "logits": z}, flags=("WRONG_BRANCH",), difficulty=3)
    for shift in (1e3, -1e6, 1e15):
        z = shift + short(rng.normal(size=3), 4)
        yield Draw({"k": np.array([0]), "logits": z}, flags=("LARGE_LOGITS",), difficulty=3)
    for k in (0, 1):
        yield Draw({"k": np.array([k]), "logits": np.array([0.5, -inf, 1.5])}, flags=("ZERO_LOG_ZERO",), difficulty=3)
    yield Draw({"k": np.array([0]), "logits": np.array([5.0, -inf])}, flags=("ZERO_LOG_ZERO", "SATURATION"))
    for k in (3, -1, 0.5, inf):
        yield Draw({"k": np.array([k]), "logits": np.array([0.5, 1.0, -1.0])}, flags=("OUT_OF_SUPPORT",))
    for k, bad in ((0, nan), (0, inf), (nan, 1.0)):
        yield Draw({"k": np.array([k]), "logits": np.array([0.5, bad])}, result="invalid")
    yield Draw({"k": np.array([0]), "logits": np.full(2, -inf)}, flags=("FULLY_MASKED",), result="undefined")
    yield Draw({"k": np.arange(3)[:, None], "logits": short(rng.normal(size=(2, 3)))}, flags=("BROADCAST",))
    yield Draw({"k": np.array(7), "logits": rng.normal(size=20)}, difficulty=2)


def _draw_p(rng: np.random.Generator) -> Iterator[Draw]:
    yield Draw({"p": np.array([1.0])})
    for size in (2, 3, 5, 8, 17):
        for _ in range(7):
            yield Draw({"p": dyadic(rng, size)})
    for concentration in (0.02, 0.1, 0.5, 1.0, 10.0):
        for size in (2, 4):
            yield Draw({"p": shares(rng, size, concentration)}, difficulty=2)
    for tiny in (1e-20, 1e-300, 1e-310, 5e-324, 2.0**-53):
        flags = ("TINY_P", "SUBNORMAL") if tiny < 1e-307 else ("TINY_P",)
        yield Draw({"p": np.array([tiny, 1 - tiny])}, flags=flags, difficulty=3)
    for p in ([0.25, 0.5, 0.125], [0.5, 0.5, 0.5], [1e-3, 2e-3, 5e-3]):
        yield Draw({"p": np.array(p)}, flags=("AMBIGUOUS_CONVENTION",))
    for p in ([0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.0]):
        yield Draw({"p": np.array(p)}, flags=("ZERO_LOG_ZERO",))
    for bad in (-0.25, 1.5, nan, inf):
        yield Draw({"p": np.array([0.5, bad])}, result="invalid")
    yield Draw({"p": np.stack([dyadic(rng, 4), dyadic(rng, 4)])})
    yield Draw({"p": shares(rng, 60)}, difficulty=2)


def draw_entropy(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw_p(rng)


def draw_mean(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw_p(rng)


def draw_variance(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw_p(rng)


def draw_mode(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw_p(rng)
    yield Draw({"p": np.array([0.25, 0.375, 0.375])}, flags=("TIE",))
    yield Draw({"p": np.array([[0.25, 0.25, 0.5], [0.125, 0.75, 0.125]])}, flags=("TIE",))


def draw_entropy_logits(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5, 8, 17):
        for _ in range(5):
            yield Draw({"logits": short(rng.normal(size=size) * decades(rng, 0.1, 10))})
    for scale in (1e-300, 1e-12, 1e-6, 1e-3, 1e-2, 30.0, 300.0):
        yield Draw({"logits": rng.normal(size=3) * scale}, flags=("CANCELLATION",), difficulty=3)
    for gap in (20.0, 36.0, 37.0, 40.0, 100.0, 700.0, 1000.0):
        yield Draw({"logits": np.array([gap, 0.25, -0.5])}, flags=("SATURATION", "LARGE_LOGITS"), difficulty=3)
        yield Draw({"logits": np.array([gap, -gap])}, flags=("SATURATION", "LARGE_LOGITS"), difficulty=3)
    for shift in (1e3, -1e6, 1e15):
        yield Draw({"logits": shift + short(rng.normal(size=3), 4)}, flags=("LARGE_LOGITS",), difficulty=3)
    for z in ([0.0, 0.0, -inf], [0.5, -inf, -inf], [3.0, -inf, 1.0, 1.0]):
        yield Draw({"logits": np.array(z)}, flags=("ZERO_LOG_ZERO",), difficulty=3)
    for bad in (nan, inf):
        yield Draw({"logits": np.array([0.5, bad])}, result="invalid")
    yield Draw({"logits": np.full(2, -inf)}, flags=("FULLY_MASKED",), result="undefined")
    yield Draw({"logits": short(rng.normal(size=(2, 3)))})
    yield Draw({"logits": rng.normal(size=20)}, difficulty=2)


def pairs(rng: np.random.Generator) -> Iterator[Draw]:
    """Two rows of probabilities: far apart, nearly equal, with zeros."""
    yield Draw({"p_p": np.array([1.0]), "p_q": np.array([1.0])})
    for size in (2, 3, 5, 8):
        for _ in range(8):
            yield Draw({"p_p": dyadic(rng, size), "p_q": dyadic(rng, size)})
    for concentration in (0.02, 0.1, 0.5, 10.0):
        for size in (2, 4):
            p, q = shares(rng, size, concentration), shares(rng, size, concentration)
            yield Draw({"p_p": p, "p_q": q}, difficulty=2)
    for step in (1e-15, 1e-12, 1e-8, 1e-4, 1e-2):
        p = shares(rng, 3)
        q = np.clip(p * (1 + step * rng.normal(size=3)), 0, 1)
        yield Draw({"p_p": p, "p_q": q}, flags=("CANCELLATION", "NEAR_ROOT"), difficulty=4)
    yield Draw({"p_p": np.array([0.25, 0.75]), "p_q": np.array([0.25, 0.75])}, flags=("NEAR_ROOT",))
    for tiny in (1e-20, 1e-300, 5e-324):
        p, q = np.array([tiny, 1 - tiny]), np.array([0.5, 0.5])
        yield Draw({"p_p": p, "p_q": q}, flags=("TINY_P",), difficulty=3)
        yield Draw({"p_p": q, "p_q": p}, flags=("TINY_P",), difficulty=3)
    for p, q in (
        ([0.0, 1.0], [0.5, 0.5]),
        ([0.5, 0.5], [0.0, 1.0]),
        ([0.0, 1.0], [0.0, 1.0]),
        ([0.0, 0.25, 0.75], [0.0, 0.5, 0.5]),
        ([1.0, 0.0], [0.0, 1.0]),
    ):
        yield Draw({"p_p": np.array(p), "p_q": np.array(q)}, flags=("ZERO_LOG_ZERO",), difficulty=3)
    for bad in (-0.25, 1.5, nan):
        yield Draw({"p_p": np.array([0.5, bad]), "p_q": np.array([0.5, 0.5])}, result="invalid")
        yield Draw({"p_p": np.array([0.5, 0.5]), "p_q": np.array([0.5, bad])}, result="invalid")
    yield Draw(
        {"p_p": dyadic(rng, 3)[None, :], "p_q": np.stack([dyadic(rng, 3) for _ in range(3)])}, flags=("BROADCAST",)
    )


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    yield from pairs(rng)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5, 17):
        for _ in range(6):
            yield Draw({"noise": rng.uniform(size=4), "p": dyadic(rng, size)})
            yield Draw({"noise": rng.uniform(size=(2, 1)), "p": np.stack([shares(rng, size, 0.3)] * 2)}, difficulty=2)
    for p in ([0.25, 0.0, 0.5, 0.25], [0.0, 0.5, 0.5], [0.5, 0.5, 0.0]):  # on the steps themselves
        yield Draw({"noise": np.array([0.25, 0.5, 0.75]), "p": np.array(p)}, flags=("TIE",), difficulty=3)
    for p in ([0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [1 / 3, 1 / 3, 1 / 3]):  # steps that rounding moves
        u = np.array([0.1, 0.3, 0.1 + 0.2, 0.6, 1 / 3, 2 / 3])
        yield Draw({"noise": u, "p": np.array(p)}, flags=("TIE",), difficulty=4)
    for p in ([0.125, 0.25, 0.125], [1e-3, 1e-3, 2e-3]):
        yield Draw({"noise": rng.uniform(size=3), "p": np.array(p)}, flags=("AMBIGUOUS_CONVENTION",))
    for u in (2.0**-53, 1 - 2.0**-53, 1e-300):
        yield Draw({"noise": np.array([u]), "p": np.array([0.0, 1e-20, 1.0, 0.0])}, flags=("TINY_P",), difficulty=3)
    for u in (0.0, 1.0, -0.5, nan):
        yield Draw({"noise": np.array([u]), "p": np.array([0.5, 0.5])}, result="invalid")
    for bad in (-0.5, nan, 1.5):
        yield Draw({"noise": np.array([0.5]), "p": np.array([0.5, bad])}, result="invalid")
    yield Draw({"noise": np.array([0.5]), "p": np.zeros(2)}, result="invalid")
    yield Draw({"noise": rng.uniform(size=5), "p": shares(rng, 100)}, difficulty=2)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5):
        for n in (1, 2, 4, 7):
            for _ in range(2):
                yield Draw(
                    {"data": np.eye(size)[rng.integers(0, size, size=n)] + 0.0625 * rng.integers(0, 4, size=(n, 1))}
                )
    for _ in range(20):
        yield Draw({"data": rng.uniform(size=(3, 3)) * decades(rng, 1e-6, 1e6)}, difficulty=2)
    for scale in (1e-300, 1e-310, 1e200, 1e15):
        flags = ("SUBNORMAL",) if scale < 1e-305 else ("HUGE_PARAMETER",)
        yield Draw({"data": rng.uniform(size=(2, 3)) * scale}, flags=flags, difficulty=3)
    yield Draw({"data": np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])}, flags=("SATURATION",))
    yield Draw({"data": np.zeros((3, 2))}, flags=("EMPTY_ROW",), result="undefined")
    yield Draw({"data": np.zeros((0, 2))}, flags=("EMPTY_ROW",), result="undefined")
    for bad in (-1.0, nan, inf):
        yield Draw({"data": np.array([[1.0, bad], [0.5, 0.25]])}, result="invalid")
