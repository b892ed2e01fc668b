"""Bayes' theorem for normal data and a normal-inverse-gamma prior, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.estimation.normal_inverse_gamma import Estimate, Parameters
from validation.exact.draws import Draw, decades
from validation.exact.estimation._problems import distinct, each, finite, positive, sized, sizes, total, undefined
from validation.exact.estimation.normal_normal import near_data
from validation.exact.number import Number, lgamma, log, number, pi


def posterior(x: Any, loc: Any, kappa: Any, concentration: Any, rate: Any) -> Parameters:
    """The squares completed: b' = b + (sum x^2 + kappa loc^2 - kappa' loc'^2) / 2.

    Source: murphy-2007, eq. 197-200
    """
    return _each(_posterior, x, loc, kappa, concentration, rate)


def _posterior(x: Any, loc: Number, kappa: Number, a: Number, b: Number) -> Parameters:
    if not positive(kappa, a, b) or not finite(x, loc):
        return Parameters(*[undefined(x, loc, kappa, a, b)] * 4)
    more = kappa + len(x)
    mean = (kappa * loc + total(x)) / more
    squares = total([v * v for v in x]) + kappa * loc * loc - more * mean * mean
    return Parameters(mean, more, a + number(len(x)) / 2, b + squares / 2)


def log_evidence(x: Any, loc: Any, kappa: Any, concentration: Any, rate: Any) -> Any:
    """Likelihood times prior over posterior, all at mean 0 and variance 1.

    Source: murphy-2007, eq. 203
    """
    return _each(_log_evidence, x, loc, kappa, concentration, rate)


def _log_evidence(x: Any, loc: Number, kappa: Number, a: Number, b: Number) -> Any:
    after = _posterior(x, loc, kappa, a, b)
    if after.loc.stated:
        return undefined(x, loc, kappa, a, b)
    if len(x) == 0:
        return Number(0)
    likelihood = -(total([v * v for v in x]) + len(x) * log(2 * pi())) / 2
    return likelihood + _log_prior(loc, kappa, a, b) - _log_prior(*after)


def _log_prior(loc: Number, kappa: Number, a: Number, b: Number) -> Any:
    """The density at mean 0 and variance 1."""
    return (log(kappa / (2 * pi())) - kappa * loc * loc) / 2 + a * log(b) - lgamma(a) - b


def maximum_likelihood(x: Any) -> Estimate:
    """Mean, and mean square around it.

    Source: murphy-2007, eq. 6
    """
    return _each(_maximum_likelihood, x)


def _maximum_likelihood(x: Any) -> Estimate:
    if not finite(x) or all(v == x[0] for v in x):
        return Estimate(*[undefined(x)] * 2)
    mean = total(x) / len(x)
    return Estimate(mean, total([(v - mean) ** 2 for v in x]) / len(x))


def maximum_a_posteriori(x: Any, loc: Any, kappa: Any, concentration: Any, rate: Any) -> Estimate:
    """loc' and b' / (a' + 3/2), where the joint density is largest.

    Source: murphy-2007, section 6
    """
    return _each(lambda *problem: _mode(*problem, 1.5), x, loc, kappa, concentration, rate)


def marginal(x: Any, loc: Any, kappa: Any, concentration: Any, rate: Any) -> Estimate:
    """The mode of the variance alone, the mean integrated out: b' / (a' + 1)."""
    return _each(lambda *problem: _mode(*problem, 1.0), x, loc, kappa, concentration, rate)


def _mode(x: Any, loc: Number, kappa: Number, a: Number, b: Number, more: float) -> Estimate:
    after = _posterior(x, loc, kappa, a, b)
    if after.loc.stated:
        return Estimate(*[undefined(x, loc, kappa, a, b)] * 2)
    return Estimate(after.loc, after.rate / (after.concentration + more))


def predictive_log_prob(new: Any, x: Any, loc: Any, kappa: Any, concentration: Any, rate: Any) -> Any:
    """Student's density with 2 a' degrees of freedom, location loc', squared scale b' (kappa' + 1) / (a' kappa').

    Source: murphy-2007, eq. 206
    """

    def one(new: Number, *problem: Any) -> Any:
        after = _posterior(*problem)
        if after.loc.stated or not finite(new):
            return undefined(new, *problem)
        df = 2 * after.concentration
        square = after.rate * (after.kappa + 1) / (after.concentration * after.kappa)
        value = lgamma((df + 1) / 2) - lgamma(df / 2) - log(df * pi() * square) / 2
        return value - (df + 1) / 2 * log(1 + (new - after.loc) ** 2 / (df * square))

    return each(one, (new, 0), (x, 1), (loc, 0), (kappa, 0), (concentration, 0), (rate, 0))


def _each(definition: Any, x: Any, *prior: Any) -> Any:
    return each(definition, (x, 1), *((p, 0) for p in prior))


NAMES = ("loc", "kappa", "concentration", "rate")


def _draws(rng: np.random.Generator, new: bool = False, prior: bool = True) -> Iterator[Draw]:
    def parameters(low: float, high: float, lead: Any) -> dict[str, Any]:
        low, high = max(low, 1e-12), min(high, 1e12)
        loc = sized(rng, 0.1 if low > 0.1 else low, high, lead) * float(rng.choice([-1.0, 1.0]))
        concentration = sized(rng, low, high, lead)
        rate = concentration * sized(rng, 0.3, 3.0, lead) if low > 1 else sized(rng, low, high, lead)
        return {"loc": loc, "kappa": sized(rng, low, high, lead), "concentration": concentration, "rate": rate}

    def draw(lead: Any, size: int, given: dict[str, Any], spread: float = 1.5, **keywords: Any) -> Draw:
        loc = np.broadcast_to(given["loc"], lead)
        x = near_data(rng, lead, size, loc, spread)
        ahead = {"new": near_data(rng, lead, 1, loc, spread)[..., 0]} if new else {}
        return Draw(ahead | {"x": x} | (given if prior else {}), **keywords)

    for lead, size, given, keywords in sizes(rng, parameters):
        yield draw(lead, min(size, 60), given, **keywords)
    for i in range(8):  # far from the origin: the mean square less the squared mean has no digits
        given = {
            "loc": 10.0 ** (2 + i),
            "kappa": decades(rng, 0.1, 10),
            "concentration": 2.5,
            "rate": decades(rng, 0.1, 9),
        }
        yield draw((), 2 + i, given, flags=("CANCELLATION",), difficulty=4)
    for i in range(6):  # a prior much narrower or much wider than the data
        given = {"loc": 0.5, "kappa": (1e-8, 1e8)[i % 2], "concentration": (1e-4, 2.0, 1e8)[i % 3], "rate": 1.5}
        yield draw((), 1 + i, given, (1e-6, 1.0, 1e6)[i % 3], flags=("HUGE_PARAMETER",), difficulty=3)
    if prior:
        given = {"loc": np.array([[1.5], [2.5]]), "kappa": np.array(0.75), "concentration": np.array([0.5, 1.0, 2.0])}
        yield draw((2, 3), 2, given | {"rate": np.array(1.25)}, flags=("BROADCAST",))
    good = dict(zip(NAMES, (1.25, 2.0, 0.5, 0.75), strict=True)) if prior else {}
    ahead = {"new": 1.25} if new else {}
    for x in (np.full(4, 1.25), np.full(1, 0.5)):  # all equal
        yield Draw(ahead | {"x": x} | good, flags=("ZERO_DISTANCE",), result="required" if prior else "undefined")
    wrong = [("kappa", 0.0), ("kappa", -1.0), ("concentration", 0.0), ("rate", inf), ("rate", -1.0), ("loc", nan)]
    for name, value in wrong if prior else []:
        yield Draw(ahead | {"x": np.array([1.0, 2.0])} | good | {name: value}, result="invalid")
    for value in (nan, inf):
        yield Draw(ahead | {"x": np.array([1.0, value])} | good, result="invalid")


def draw_posterior(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)


def draw_log_evidence(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from distinct(_draws(rng, prior=False))


def draw_maximum_a_posteriori(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)
    for i in range(3):
        given = dict(zip(NAMES, (0.5, 1.0 + i, 2.5, 1.5), strict=True))
        x = near_data(rng, (), 3 * i, 0.5, 1.0)
        flags = ("AMBIGUOUS_CONVENTION",)
        yield Draw({"x": x} | given, flags=flags, result="ambiguous", alternatives={"marginal": marginal})


def draw_predictive_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, new=True)
