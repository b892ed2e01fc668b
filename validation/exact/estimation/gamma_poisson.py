"""Bayes' theorem for Poisson counts and a gamma prior, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.estimation.gamma_poisson import Parameters
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
from validation.exact.number import Number, exp, lgamma, log, number, sqrt


def posterior(counts: Any, concentration: Any, rate: Any) -> Parameters:
    """a + sum k, b + N.

    Source: gelman-2013, section 2.6
    """
    return _each(_posterior, counts, concentration, rate)


def _posterior(counts: Any, a: Number, b: Number) -> Parameters:
    if not positive(a, b) or not _possible(counts):
        nothing = undefined(counts, a, b)
        return Parameters(nothing, nothing)
    return Parameters(a + total(counts), b + len(counts))


def log_evidence(counts: Any, concentration: Any, rate: Any) -> Any:
    """log Gamma(a') - log Gamma(a) + a log b - a' log b' - sum log k!.

    Source: gelman-2013, section 2.6
    """
    return _each(_log_evidence, counts, concentration, rate)


def _log_evidence(counts: Any, a: Number, b: Number) -> Any:
    if not positive(a, b) or any(float(k) != float(k) for k in counts):
        return undefined(a, b)
    if not all(map(whole, counts)):
        return everywhere(-inf, 0.0, a, b)
    grown, more = a + sum(map(float, counts)), b + len(counts)
    factorials = total([lgamma(number(k) + 1) for k in counts])
    return lgamma(grown) - lgamma(a) + a * log(b) - grown * log(more) - factorials


def maximum_likelihood(counts: Any) -> Any:
    """The mean.

    Source: gelman-2013, section 2.6
    """
    return _each(lambda k: total(k) / len(k) if _possible(k) and len(k) else undefined(k), counts)


def maximum_a_posteriori(counts: Any, concentration: Any, rate: Any) -> Any:
    """(a' - 1) / b', or 0 where a' is at most 1.

    Source: gelman-2013, section 2.6
    """
    return _each(_maximum_a_posteriori, counts, concentration, rate)


def _maximum_a_posteriori(counts: Any, a: Number, b: Number, at_one: bool = True) -> Any:
    after = _posterior(counts, a, b)
    if after.concentration.stated:
        return undefined(counts, a, b)
    less = after.concentration - 1
    return less / after.rate if less > 0 or (at_one and less == 0) else Number(0)


def no_slope(counts: Any, concentration: Any, rate: Any) -> Any:
    """At a' = 1 the mode is taken to stay at 0: no slope."""
    return _each(lambda *problem: _maximum_a_posteriori(*problem, at_one=False), counts, concentration, rate)


def predictive_log_prob(new: Any, counts: Any, concentration: Any, rate: Any) -> Any:
    """The negative binomial probability of the new count at the posterior's parameters.

    Source: gelman-2013, section 2.6
    """

    def one(new: Any, *problem: Any) -> Any:
        after = _posterior(*problem)
        value = number(nan) if after.rate.stated else _log_evidence([new], *after)
        if value.stated:
            return everywhere(float(value), 0.0 if float(value) == -inf else nan, *problem)
        return value

    return each(one, (new, 0), (counts, 1), (concentration, 0), (rate, 0))


def predictive_standard_deviation(new: Any, counts: Any, concentration: Any, rate: Any) -> Any:
    """From the first two moments of x^k e^-x under the posterior, quotients of gamma functions.

    Source: nist-dlmf, 5.9.1
    """

    def one(new: Any, *problem: Any) -> Any:
        after = _posterior(*problem)
        if after.rate.stated or not whole(new):
            return undefined(*problem)
        a, b, k = *after, float(new)
        log_first = lgamma(a + k) - lgamma(a) + a * log(b) - (a + k) * log(b + 1)
        log_second = lgamma(a + 2 * k) - lgamma(a) + a * log(b) - (a + 2 * k) * log(b + 2)
        return sqrt(exp(log_second - 2 * log_first) - 1)

    return each(one, (new, 0), (counts, 1), (concentration, 0), (rate, 0))


def _each(definition: Any, counts: Any, *prior: Any) -> Any:
    return each(definition, (counts, 1), *((p, 0) for p in prior))


def _possible(counts: Any) -> bool:
    return all(0 <= number(k) < inf for k in counts)


def _draws(rng: np.random.Generator, new: bool = False, prior: bool = True) -> Iterator[Draw]:
    def counts(lead: Any, size: Any, mean: float = 4.0) -> dict[str, Any]:
        return {"counts": np.array(rng.poisson(mean * rng.gamma(2, 0.5, size=(*lead, 1)), size=(*lead, size)))}

    def draw(data: Any, given: Any, lead: Any = (), **keywords: Any) -> Draw:
        ahead = {"new": np.array(rng.poisson(3, size=lead))} if new else {}
        return Draw(ahead | data | (given if prior else {}), **keywords)

    def parameters(low: float, high: float, lead: Any) -> dict[str, Any]:
        return {"concentration": sized(rng, low, high, lead), "rate": sized(rng, low, high, lead)}

    for lead, size, given, keywords in sizes(rng, parameters):
        yield draw(counts(lead, size), given, lead, **keywords)
    for i in range(8):  # very large counts; concentration and rate in the ratio of the data
        rate, mean = decades(rng, 1, 10.0 ** (2 * i)), decades(rng, 1e3, 1e12)
        given = {"concentration": mean * rate, "rate": rate}
        flags = ("HUGE_PARAMETER", "CANCELLATION")
        yield draw(counts((), 1 + i % 3, mean), given, flags=flags, difficulty=4)
    for i in range(8):  # one parameter small, the other huge
        given = {"concentration": decades(rng, 1e-6, 10), "rate": decades(rng, 1e6, 1e15)}
        given = given if i % 2 else {"concentration": given["rate"], "rate": given["concentration"]}
        yield draw(counts((), 1 + i), given, flags=("HUGE_PARAMETER",), difficulty=4)
    for data in ([0, 0], [0], []):
        for a, b in ((0.5, 2.0), (1e-12, 3.0), (2.0, 1e9)):
            given = {"concentration": a, "rate": b}
            flags = ("ZERO_LOG_ZERO",) if data else ("EMPTY_ROW",)
            if prior or a == 0.5:
                yield draw({"counts": np.array(data, dtype=np.int64)}, given, flags=flags, difficulty=2)
    if prior:
        given = {"concentration": np.array([[1.5], [2.5]]), "rate": np.array(0.75)}
        yield draw({"counts": np.array([[3, 1], [0, 4], [7, 7]])}, given, (2, 3), flags=("BROADCAST",))


def _fractions(rng: np.random.Generator, new: bool = False, prior: bool = True) -> Iterator[Draw]:
    """Counts that are not whole, where they may be."""
    for i in range(8):
        given = {"concentration": 1.5 + i, "rate": 2.25} if prior else {}
        ahead = {"new": i % 3} if new else {}
        lead = (2,) if i % 2 else ()
        yield Draw(ahead | {"counts": rng.uniform(0, 9, size=(*lead, 3))} | given, difficulty=2)


def _bad(new: bool = False, prior: bool = True) -> Iterator[Draw]:
    ahead, data = {"new": 1} if new else {}, {"counts": np.array([1.0, 2.0])}
    for a, b in ((0.0, 1.0), (1.0, -2.0), (nan, 1.0), (1.0, inf)) if prior else ():
        yield Draw(ahead | data | {"concentration": a, "rate": b}, result="invalid")
    yield Draw(
        ahead | {"counts": np.array([nan, 2.0])} | ({"concentration": 1.5, "rate": 2.0} if prior else {}),
        result="invalid",
    )


def _impossible(new: bool = False, prior: bool = True) -> Iterator[Draw]:
    given = {"concentration": 1.5, "rate": 2.0} if prior else {}
    yield Draw(
        ({"new": 1} if new else {}) | {"counts": np.array([-1.0, 2.0])} | given,
        flags=("OUT_OF_SUPPORT",),
        result="invalid",
    )


def draw_posterior(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)
    yield from _fractions(rng)
    yield from _impossible()
    yield from _bad()


def draw_log_evidence(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)
    for k in (-1.0, 0.5, inf):
        given = {"concentration": 1.5, "rate": 2.0}
        yield Draw({"counts": np.array([k, 1.0])} | given, flags=("OUT_OF_SUPPORT",))
    yield from _bad()


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from distinct(_draws(rng, prior=False))
    yield from _fractions(rng, prior=False)
    yield from _impossible(prior=False)
    yield from _bad(prior=False)


def draw_maximum_a_posteriori(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)
    yield from _fractions(rng)
    none = {"counts": np.zeros(0)}
    for a in (0.5, 1.0 - 2.0**-53, 1.0 + 2.0**-52):
        yield Draw(none | {"concentration": a, "rate": 2.0}, flags=("SUPPORT_EDGE",), difficulty=2)
    flags = ("SUPPORT_EDGE", "KINK", "AMBIGUOUS_CONVENTION")
    given = none | {"concentration": 1.0, "rate": 2.0}
    yield Draw(given, flags=flags, result="ambiguous", alternatives={"no_slope": no_slope})
    yield from _impossible()
    yield from _bad()


def draw_predictive_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, new=True)
    yield from _fractions(rng, new=True)
    for new in (-1, 0.5, inf):
        data = {"counts": np.array([1, 2]), "concentration": 1.5, "rate": 2.0}
        yield Draw({"new": new} | data, flags=("OUT_OF_SUPPORT",))
    yield from _impossible(new=True)
    yield from _bad(new=True)


def draw_predictive_standard_deviation(rng: np.random.Generator) -> Iterator[Draw]:
    yield from certified_spread(_draws(rng, new=True), "concentration", "rate")
    yield from _fractions(rng, new=True)
    for rate in (3.0, 300.0, 3e4):  # a new count at the posterior's mean
        for new in (1, 2, 3, 6):
            data = {"new": new, "counts": np.zeros(0), "concentration": new * rate, "rate": rate}
            yield Draw(data, flags=("CANCELLATION",), difficulty=4)
    for new in (-1, 0.5, inf):
        data = {"counts": np.array([1, 2]), "concentration": 1.5, "rate": 2.0}
        yield Draw({"new": new} | data, flags=("OUT_OF_SUPPORT",), result="undefined")
    yield from _impossible(new=True)
    yield from _bad(new=True)
