"""Bayes' theorem for binomial counts and a beta prior, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.estimation.beta_binomial import Parameters
from validation.exact.draws import Draw, decades
from validation.exact.estimation._problems import (
    certified_spread,
    distinct,
    each,
    everywhere,
    positive,
    sized,
    sizes,
    total,
    undefined,
    whole,
)
from validation.exact.number import Number, exp, lgamma, number, sqrt


def posterior(k: Any, n: Any, a: Any, b: Any) -> Parameters:
    """a + sum k, b + sum (n - k).

    Source: gelman-2013, section 2.4
    """
    return _each(_posterior, k, n, a, b)


def _posterior(k: Any, n: Any, a: Number, b: Number) -> Parameters:
    if not positive(a, b) or not _possible(k, n):
        nothing = undefined(k, n, a, b)
        return Parameters(nothing, nothing)
    return Parameters(a + total(k), b + (total(n) - total(k)))


def log_evidence(k: Any, n: Any, a: Any, b: Any) -> Any:
    """The sum of the logarithms of the binomial coefficients, plus log B(a', b') - log B(a, b).

    Source: gelman-2013, section 2.4
    """
    return _each(_log_evidence, k, n, a, b)


def _log_evidence(k: Any, n: Any, a: Number, b: Number) -> Any:
    if not positive(a, b) or not all(map(whole, n)) or any(float(v) != float(v) for v in k):
        return undefined(a, b)
    if not all(map(whole, k)) or not _possible(k, n):
        return everywhere(-inf, 0.0, a, b)
    coefficients = total([_log_choose(number(j), number(m)) for j, m in zip(k, n, strict=True)])
    hits, trials = sum(map(float, k)), sum(map(float, n))
    return coefficients + _log_beta(a + hits, b + (trials - hits)) - _log_beta(a, b)


def maximum_likelihood(k: Any, n: Any) -> Any:
    """sum k / sum n.

    Source: gelman-2013, section 2.4
    """
    return _each(_maximum_likelihood, k, n)


def _maximum_likelihood(k: Any, n: Any) -> Any:
    if not _possible(k, n) or not total(n) > 0:
        return undefined(k, n)
    return total(k) / total(n)


def maximum_a_posteriori(k: Any, n: Any, a: Any, b: Any) -> Any:
    """(a' - 1) / (a' + b' - 2), or the end of [0, 1] from which the density falls.

    Source: gelman-2013, section 2.4
    """
    return _each(_maximum_a_posteriori, k, n, a, b)


def _maximum_a_posteriori(k: Any, n: Any, a: Number, b: Number, at_one: bool = True) -> Any:
    after = _posterior(k, n, a, b)
    if after.a.stated:
        return undefined(k, n, a, b)
    p, q = after.a - 1, after.b - 1
    if (p > 0 and q > 0) or (at_one and (p > 0 or q > 0) and not (p < 0 or q < 0)):
        return p / (p + q)
    if (p <= 0 and q > 0) or (p < 0 and q == 0):
        return Number(0)
    return Number(1) if (q <= 0 and p > 0) or (q < 0 and p == 0) else undefined(k, n, a, b)


def no_slope(k: Any, n: Any, a: Any, b: Any) -> Any:
    """Where a' or b' is 1, the mode is taken to stay at the end: no slope."""
    return _each(lambda *problem: _maximum_a_posteriori(*problem, at_one=False), k, n, a, b)


def predictive_log_prob(new_k: Any, new_n: Any, k: Any, n: Any, a: Any, b: Any) -> Any:
    """The beta-binomial probability of the new counts at the posterior's shapes.

    Source: gelman-2013, section 2.4
    """

    def one(new_k: Any, new_n: Any, *problem: Any) -> Any:
        after = _posterior(*problem)
        value = number(nan) if after.a.stated else _log_evidence([new_k], [new_n], *after)
        if value.stated:
            return everywhere(float(value), 0.0 if float(value) == -inf else nan, *problem)
        return value

    k, n = np.broadcast_arrays(np.asarray(k, dtype=object), np.asarray(n, dtype=object))
    return each(one, (new_k, 0), (new_n, 0), (k, 1), (n, 1), (a, 0), (b, 0))


def predictive_standard_deviation(new_k: Any, new_n: Any, k: Any, n: Any, a: Any, b: Any) -> Any:
    """From the first two moments of p^k (1 - p)^(n - k) under the posterior, quotients of beta functions.

    Source: nist-dlmf, 5.12.1
    """

    def one(new_k: Any, new_n: Any, *problem: Any) -> Any:
        after = _posterior(*problem)
        if after.a.stated or not (whole(new_k) and whole(new_n) and 0 <= float(new_k) <= float(new_n)):
            return undefined(*problem)
        if float(new_n) == 0:
            return Number(0)
        hits, misses = float(new_k), float(new_n) - float(new_k)
        log_first = _log_beta(after.a + hits, after.b + misses) - _log_beta(*after)
        log_second = _log_beta(after.a + 2 * hits, after.b + 2 * misses) - _log_beta(*after)
        return sqrt(exp(log_second - 2 * log_first) - 1)

    k, n = np.broadcast_arrays(np.asarray(k, dtype=object), np.asarray(n, dtype=object))
    return each(one, (new_k, 0), (new_n, 0), (k, 1), (n, 1), (a, 0), (b, 0))


def _each(definition: Any, k: Any, n: Any, *prior: Any) -> Any:
    k, n = np.broadcast_arrays(np.asarray(k, dtype=object), np.asarray(n, dtype=object))
    return each(definition, (k, 1), (n, 1), *((p, 0) for p in prior))


def _possible(k: Any, n: Any) -> bool:
    return all(0 <= number(j) <= number(m) < inf for j, m in zip(k, n, strict=True))


def _log_choose(k: Number, n: Number) -> Any:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _log_beta(a: Any, b: Any) -> Any:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _draws(rng: np.random.Generator, new: bool = False, prior: bool = True) -> Iterator[Draw]:
    def counts(lead: Any, size: Any, low: int = 1, high: int = 40) -> dict[str, Any]:
        shape = (*lead, size)
        n = np.array([round(decades(rng, low, high)) for _ in range(int(np.prod(shape)))]).reshape(shape)
        share = rng.beta(2, 2)
        return {"k": np.array(rng.binomial(n.astype(np.int64), share)), "n": n.astype(np.int64)}

    def draw(data: Any, prior_: Any, lead: Any = (), **keywords: Any) -> Draw:
        trials = np.array(rng.integers(0, 12, size=lead))
        ahead = {"new_k": np.array(rng.binomial(trials, 0.4)), "new_n": trials} if new else {}
        return Draw(ahead | data | (prior_ if prior else {}), **keywords)

    def shapes(low: float, high: float, lead: Any) -> dict[str, Any]:
        return {"a": sized(rng, low, high, lead), "b": sized(rng, low, high, lead)}

    for lead, size, given, keywords in sizes(rng, shapes):
        yield draw(counts(lead, size), given, lead, **keywords)
    for i in range(8):  # very many trials
        flags = ("HUGE_PARAMETER", "CANCELLATION")
        yield draw(counts((), 1 + i % 3, 10**6, 10**14), shapes(0.1, 10.0 ** (2 * i), ()), flags=flags, difficulty=4)
    for i in range(6):  # one shape small, the other huge
        given = {"a": decades(rng, 1e-6, 10), "b": decades(rng, 1e6, 1e15)}
        given = given if i % 2 else {"a": given["b"], "b": given["a"]}
        yield draw(counts((), 2 + i), given, flags=("HUGE_PARAMETER",), difficulty=4)
    for k, n in (([0, 0], [5, 9]), ([5, 9], [5, 9]), ([0], [10**6]), ([0, 0], [0, 0]), ([], [])):  # 0 log 0
        for given in ({"a": 0.5, "b": 2.0}, {"a": 1e-12, "b": 3.0}, {"a": 2.0, "b": 1e9}):
            data = {"k": np.array(k, dtype=np.int64), "n": np.array(n, dtype=np.int64)}
            flags = ("ZERO_LOG_ZERO", "EMPTY_ROW") if sum(n) == 0 else ("ZERO_LOG_ZERO",)
            if prior or given["a"] == 0.5:
                yield draw(data, given, flags=flags, difficulty=2)
    many = {"k": np.array([[3], [0], [7]]), "n": np.array([7, 12])}
    yield draw(
        many, {"a": np.array([[1.5], [2.5]]), "b": np.array(0.75)} if prior else {}, (2, 3), flags=("BROADCAST",)
    )


def _bad(rng: np.random.Generator, new: bool, prior: bool) -> Iterator[Draw]:
    ahead = {"new_k": 1, "new_n": 2} if new else {}
    data = {"k": np.array([1.0, 2.0]), "n": np.array([3.0, 2.0])}
    for a, b in ((0.0, 1.0), (1.0, -2.0), (nan, 1.0), (1.0, inf)) if prior else ():
        yield Draw(ahead | data | {"a": a, "b": b}, result="invalid")
    shapes = {"a": 1.5, "b": 2.0} if prior else {}
    for k, n in (([nan, 1.0], [3.0, 2.0]), ([1.0, 1.0], [3.0, nan]), ([1.0, 1.0], [-3.0, 2.0])):
        yield Draw(ahead | {"k": np.array(k), "n": np.array(n)} | shapes, result="invalid")


def _fractions(rng: np.random.Generator, new: bool = False, prior: bool = True) -> Iterator[Draw]:
    """Counts that are not whole, where they may be: weights, expected counts."""
    for i in range(6):
        n = rng.uniform(0, 9, size=3)
        given = {"a": 1.5 + i, "b": 2.25} if prior else {}
        ahead = {"new_k": i % 3, "new_n": 4} if new else {}
        yield Draw(ahead | {"k": n * rng.uniform(size=3), "n": n} | given, difficulty=2)
    ahead = {"new_k": 1, "new_n": 2} if new else {}
    for k in (4.0, -1.0):
        data = {"k": np.array([k, 1.0]), "n": np.array([3.0, 2.0])}
        yield Draw(ahead | data | ({"a": 1.5, "b": 2.0} if prior else {}), flags=("OUT_OF_SUPPORT",), result="invalid")


def draw_posterior(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)
    yield from _fractions(rng)
    yield from _bad(rng, False, True)


def draw_log_evidence(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)
    for k in (4.0, -1.0, 0.5, inf):
        yield Draw({"k": np.array([k, 1.0]), "n": np.array([3.0, 2.0]), "a": 1.5, "b": 2.0}, flags=("OUT_OF_SUPPORT",))
    yield Draw({"k": np.array([1.0]), "n": np.array([2.5]), "a": 1.5, "b": 2.0}, result="invalid")
    yield from _bad(rng, False, True)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from distinct(_draws(rng, prior=False))
    yield from _fractions(rng, prior=False)
    yield from _bad(rng, False, False)


def draw_maximum_a_posteriori(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)
    yield from _fractions(rng)
    none = {"k": np.zeros(0), "n": np.zeros(0)}
    for a, b in ((1.0, 1.0), (0.5, 0.5), (0.25, 0.75)):  # a plateau, two modes
        yield Draw(none | {"a": a, "b": b}, flags=("TIE",), result="undefined")
    for a, b in ((0.5, 1.0), (1.0, 0.5), (0.5, 3.0), (3.0, 0.5), (1.0 - 2.0**-53, 2.0), (1 + 2.0**-52, 1 + 2.0**-50)):
        yield Draw(none | {"a": a, "b": b}, flags=("SUPPORT_EDGE",), difficulty=2)
    for a, b in ((1.0, 3.0), (3.0, 1.0)):
        flags = ("SUPPORT_EDGE", "KINK", "AMBIGUOUS_CONVENTION")
        yield Draw(none | {"a": a, "b": b}, flags=flags, result="ambiguous", alternatives={"no_slope": no_slope})
    yield from _bad(rng, False, True)


def draw_predictive_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, new=True)
    yield from _fractions(rng, new=True)
    for new_k in (5, -1, 0.5):
        data = {"k": np.array([1, 2]), "n": np.array([3, 2]), "a": 1.5, "b": 2.0}
        yield Draw({"new_k": new_k, "new_n": 4} | data, flags=("OUT_OF_SUPPORT",))
    yield from _bad(rng, True, True)


def draw_predictive_standard_deviation(rng: np.random.Generator) -> Iterator[Draw]:
    yield from certified_spread(_draws(rng, new=True), "a", "b")
    yield from _fractions(rng, new=True)
    for i in range(14):
        a, b, trials = decades(rng, 0.5, 300), decades(rng, 0.5, 300), 3 * i + 1
        data = {"k": np.array([i, 2]), "n": np.array([2 * i, 5]), "a": a, "b": b}
        yield Draw({"new_k": int(rng.binomial(trials, a / (a + b))), "new_n": trials} | data, difficulty=3)
    for a, b in ((3.0, 9.0), (300.0, 900.0), (3e4, 9e4)):  # new counts in the proportion of the posterior
        for new_k, new_n in ((1, 4), (5, 20), (5, 19)):
            data = {"new_k": new_k, "new_n": new_n, "k": np.zeros(0), "n": np.zeros(0), "a": a, "b": b}
            yield Draw(data, flags=("CANCELLATION",), difficulty=4)
    for new_k in (5, -1, 0.5):
        data = {"k": np.array([1, 2]), "n": np.array([3, 2]), "a": 1.5, "b": 2.0}
        yield Draw({"new_k": new_k, "new_n": 4} | data, flags=("OUT_OF_SUPPORT",), result="undefined")
    yield from _bad(rng, True, True)
