"""Bayes' theorem for multinomial counts and a Dirichlet prior, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

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


def posterior(counts: Any, alpha: Any) -> Any:
    """alpha + sum k.

    Source: gelman-2013, section 3.4
    """
    return _each(_posterior, counts, alpha)


def _posterior(counts: Any, alpha: Any) -> Any:
    if not positive(*alpha) or not _possible(counts):
        return _filled(undefined(counts, alpha), len(alpha))
    return _array([a + total(column) for a, column in zip(alpha, np.transpose(counts), strict=True)])


def log_evidence(counts: Any, alpha: Any) -> Any:
    """The multinomial coefficients and the ratio of the normalisers.

    Source: gelman-2013, section 3.4
    """
    return _each(_log_evidence, counts, alpha)


def _log_evidence(counts: Any, alpha: Any) -> Any:
    if not positive(*alpha) or any(float(k) != float(k) for k in np.ravel(counts)):
        return undefined(alpha)
    if not all(map(whole, np.ravel(counts))):
        return everywhere(-inf, 0.0, alpha)
    value = total([lgamma(number(sum(map(float, row))) + 1) for row in counts])
    value = value - total([lgamma(number(k) + 1) for k in np.ravel(counts)])
    for a, column in zip(alpha, np.transpose(counts), strict=True):
        value = value + lgamma(a + sum(map(float, column))) - lgamma(a)
    whole_alpha = total(alpha)
    return value + lgamma(whole_alpha) - lgamma(whole_alpha + sum(map(float, np.ravel(counts))))


def maximum_likelihood(counts: Any) -> Any:
    """Counts by class over their sum.

    Source: gelman-2013, section 3.4
    """

    def one(counts: Any) -> Any:
        if not _possible(counts) or not total(counts) > 0:
            return _filled(undefined(counts), np.shape(counts)[1])
        return _array([total(column) / total(counts) for column in np.transpose(counts)])

    return each(one, (counts, 2))


def maximum_a_posteriori(counts: Any, alpha: Any) -> Any:
    """(alpha' - 1) / sum (alpha' - 1), or for two classes the corner where the density is infinite.

    Source: gelman-2013, section 3.4
    """
    return _each(_maximum_a_posteriori, counts, alpha)


def _maximum_a_posteriori(counts: Any, alpha: Any, face: bool = False) -> Any:
    after = _posterior(counts, alpha)
    nothing = _filled(undefined(counts, alpha), len(alpha))
    if after[0].stated:
        return nothing
    less = [a - 1 for a in after]
    if all(v >= 0 for v in less) and any(v > 0 for v in less):
        return _array([v / total(less) for v in less])
    if len(less) == 2 and any(v >= 0 for v in less) and any(v < 0 for v in less):
        return _array([Number(int(v >= 0)) for v in less])
    if face and any(v > 0 for v in less):
        kept = [v if v > 0 else Number(0) for v in less]
        return _array([v / total(kept) for v in kept])
    return nothing


def on_the_face(counts: Any, alpha: Any) -> Any:
    """The mode on the face where classes with alpha' < 1 have probability 0."""
    return _each(lambda *problem: _maximum_a_posteriori(*problem, face=True), counts, alpha)


def predictive_log_prob(new: Any, counts: Any, alpha: Any) -> Any:
    """The Dirichlet-multinomial probability of the new counts at the posterior's parameter.

    Source: gelman-2013, section 3.4
    """

    def one(new: Any, counts: Any, alpha: Any) -> Any:
        after = _posterior(counts, alpha)
        value = number(nan) if after[0].stated else _log_evidence([new], after)
        if value.stated:
            return everywhere(float(value), 0.0 if float(value) == -inf else nan, counts, alpha)
        return value

    return each(one, (new, 1), (counts, 2), (alpha, 1))


def predictive_standard_deviation(new: Any, counts: Any, alpha: Any) -> Any:
    """From the first two moments of the product of p^k under the posterior, quotients of multivariate beta functions.

    Source: gelman-2013, section 3.4
    """

    def one(new: Any, counts: Any, alpha: Any) -> Any:
        after = _posterior(counts, alpha)
        if after[0].stated or not all(map(whole, new)):
            return undefined(counts, alpha)
        if sum(map(float, new)) == 0 or len(alpha) == 1:
            return Number(0)
        steps = [_log_beta([a + float(k) * times for a, k in zip(after, new, strict=True)]) for times in (0, 1, 2)]
        return sqrt(exp(steps[2] + steps[0] - 2 * steps[1]) - 1)

    return each(one, (new, 1), (counts, 2), (alpha, 1))


def _log_beta(alpha: Any) -> Any:
    return total([lgamma(a) for a in alpha]) - lgamma(total(alpha))


def _each(definition: Any, counts: Any, alpha: Any) -> Any:
    return each(definition, (counts, 2), (alpha, 1))


def _possible(counts: Any) -> bool:
    return all(0 <= number(k) < inf for k in np.ravel(counts))


def _array(values: list[Any]) -> Any:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _filled(value: Any, size: int) -> Any:
    return _array([value] * size)


def _draws(rng: np.random.Generator, new: bool = False, prior: bool = True) -> Iterator[Draw]:
    classes = iter((2, 3, 4, 3, 1, 5, 2, 6) * 100)

    def counts(lead: Any, size: Any, k: int, trials: float = 8.0) -> dict[str, Any]:
        share = rng.dirichlet(np.full(k, 1.5))
        n = rng.poisson(trials, size=(*lead, size))
        return {"counts": np.array(rng.multinomial(n, share))}

    def draw(data: Any, given: Any, lead: Any = (), **keywords: Any) -> Draw:
        k = data["counts"].shape[-1]
        ahead = {"new": np.array(rng.multinomial(rng.poisson(3, size=lead), np.full(k, 1 / k)))} if new else {}
        return Draw(ahead | data | (given if prior else {}), **keywords)

    def parameters(low: float, high: float, lead: Any) -> dict[str, Any]:
        return {"alpha": sized(rng, low, high, (*lead, next(classes)))}

    for lead, size, given, keywords in sizes(rng, parameters):
        if size <= 30:
            yield draw(counts(lead, min(size, 8), given["alpha"].shape[-1]), given, lead, **keywords)
        else:
            yield draw(counts(lead, size // 4, 3), {"alpha": np.array([0.5, 2.0, 1.25])}, lead, **keywords)
    flags = ("HUGE_PARAMETER", "CANCELLATION")
    for i in range(8):  # very many trials
        given = parameters(0.1, 10.0 ** (2 * i), ())
        yield draw(counts((), 1 + i % 3, len(given["alpha"]), 1e12), given, flags=flags, difficulty=4)
    for i in range(6):  # one class nearly certain
        alpha = np.array([decades(rng, 1e-6, 10), decades(rng, 1e6, 1e15), decades(rng, 1e-3, 10)])
        yield draw(counts((), 2 + i, 3), {"alpha": np.roll(alpha, i)}, flags=("HUGE_PARAMETER",), difficulty=4)
    for k in ([[0, 5, 0]], [[0, 0, 0]], np.zeros((0, 3)), [[3, 0, 4], [1, 0, 0]]):
        for alpha in ([0.5, 2.0, 1.0], [1e-12, 3.0, 1e-3], [2.0, 1e9, 1.0]):
            flag = "ZERO_LOG_ZERO" if np.sum(k) else "EMPTY_ROW"
            if prior or alpha[0] == 0.5:
                data = {"counts": np.array(k, dtype=np.int64)}
                yield draw(data, {"alpha": np.array(alpha)}, flags=(flag,), difficulty=2)
    if prior:
        many = {"counts": np.array([[[3, 1]], [[0, 4]], [[7, 7]]])}
        yield draw(many, {"alpha": np.array([[[1.5, 2.0]], [[2.5, 0.75]]])}, (2, 3), flags=("BROADCAST",))


def _fractions(rng: np.random.Generator, new: bool = False, prior: bool = True) -> Iterator[Draw]:
    """Counts that are not whole, where they may be."""
    for i in range(8):
        given = {"alpha": np.array([1.5 + i, 2.25, 1.0])} if prior else {}
        ahead = {"new": np.array([1, 0, i % 3])} if new else {}
        lead = (2,) if i % 2 else ()
        yield Draw(ahead | {"counts": rng.uniform(0, 9, size=(*lead, 2, 3))} | given, difficulty=2)


def _bad(new: bool = False, prior: bool = True, data: bool = True) -> Iterator[Draw]:
    ahead, good = {"new": np.array([1, 0])} if new else {}, {"counts": np.array([[1.0, 2.0]])}
    for alpha in ([0.0, 1.0], [1.0, -2.0], [nan, 1.0], [1.0, inf]) if prior else ():
        yield Draw(ahead | good | {"alpha": np.array(alpha)}, result="invalid")
    given = {"alpha": np.array([1.5, 2.0])} if prior else {}
    yield Draw(ahead | {"counts": np.array([[nan, 2.0]])} | given, result="invalid")
    if data:
        wrong = {"counts": np.array([[-1.0, 2.0]])}
        yield Draw(ahead | wrong | given, flags=("OUT_OF_SUPPORT",), result="invalid")


def draw_posterior(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)
    yield from _fractions(rng)
    yield from _bad()


def draw_log_evidence(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)
    for k in (-1.0, 0.5, inf):
        yield Draw({"counts": np.array([[k, 1.0]]), "alpha": np.array([1.5, 2.0])}, flags=("OUT_OF_SUPPORT",))
    yield from _bad(data=False)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from distinct(_draws(rng, prior=False))
    yield from _fractions(rng, prior=False)
    yield from _bad(prior=False)


def draw_maximum_a_posteriori(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)
    yield from _fractions(rng)

    def none(*alpha: float) -> dict[str, Any]:
        return {"counts": np.zeros((0, len(alpha))), "alpha": np.array(alpha)}

    for alpha in ((1.0, 1.0), (1.0, 1.0, 1.0), (0.5, 0.5)):  # a plateau, two modes
        yield Draw(none(*alpha), flags=("TIE",), result="undefined")
    for alpha in ((0.5, 1.0), (0.5, 3.0), (3.0, 0.5), (1.0, 2.0, 3.0), (1.0, 2.0, 1.0), (1.0, 2.0)):
        yield Draw(none(*alpha), flags=("SUPPORT_EDGE",), difficulty=2)
    for alpha in ((0.5, 2.0, 3.0), (0.5, 0.5, 3.0), (0.25, 1.0, 2.0)):
        flags = ("SUPPORT_EDGE", "AMBIGUOUS_CONVENTION")
        yield Draw(none(*alpha), flags=flags, result="ambiguous", alternatives={"on_the_face": on_the_face})
    yield from _bad()


def draw_predictive_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, new=True)
    yield from _fractions(rng, new=True)
    for k in (-1, 0.5):
        data = {"counts": np.array([[1, 2]]), "alpha": np.array([1.5, 2.0])}
        yield Draw({"new": np.array([k, 1])} | data, flags=("OUT_OF_SUPPORT",))
    yield from _bad(new=True)


def draw_predictive_standard_deviation(rng: np.random.Generator) -> Iterator[Draw]:
    yield from certified_spread(_draws(rng, new=True), "alpha")
    yield from _fractions(rng, new=True)
    for scale in (1.0, 10.0, 100.0, 1e4):  # new counts in the proportion of the posterior
        for new in ([1, 2, 3], [2, 4, 6], [2, 4, 5], [0, 1, 1]):
            data = {"new": np.array(new), "counts": np.zeros((0, 3)), "alpha": scale * np.array([2.0, 4.0, 6.0])}
            yield Draw(data, flags=("CANCELLATION",), difficulty=4)
    for k in (-1, 0.5):
        data = {"counts": np.array([[1, 2]]), "alpha": np.array([1.5, 2.0])}
        yield Draw({"new": np.array([k, 1])} | data, flags=("OUT_OF_SUPPORT",), result="undefined")
    yield from _bad(new=True)
