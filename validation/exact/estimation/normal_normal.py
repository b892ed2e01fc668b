"""Bayes' theorem for normal data of known variance and a normal prior, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf, nan
from typing import Any

import numpy as np

from refengine.estimation.normal_normal import Parameters
from validation.exact.draws import Draw, decades, short
from validation.exact.estimation._problems import distinct, each, finite, positive, sized, sizes, total, undefined
from validation.exact.number import Number, exp, log, number, pi, sqrt


def posterior(x: Any, loc: Any, scale: Any, variance: Any) -> Parameters:
    """Precisions add, and weigh the mean: eq. 2.11 and 2.12.

    Source: gelman-2013, eq. 2.12
    """
    return _each(_posterior, x, loc, scale, variance)


def _posterior(x: Any, loc: Number, scale: Number, variance: Number) -> Parameters:
    if not positive(scale, variance) or not finite(x, loc):
        nothing = undefined(x, loc, scale, variance)
        return Parameters(nothing, nothing)
    precision = 1 / (scale * scale) + len(x) / variance
    return Parameters((loc / (scale * scale) + total(x) / variance) / precision, 1 / sqrt(precision))


def log_evidence(x: Any, loc: Any, scale: Any, variance: Any) -> Any:
    """Likelihood times prior over posterior, all at the mean 0.

    Source: murphy-2007, eq. 42
    """
    return _each(_log_evidence, x, loc, scale, variance)


def _log_evidence(x: Any, loc: Number, scale: Number, variance: Number) -> Any:
    after = _posterior(x, loc, scale, variance)
    if after.loc.stated:
        return undefined(x, loc, scale, variance)
    if len(x) == 0:
        return Number(0)
    likelihood = total([_log_normal(v, number(0), variance) for v in x])
    prior, now = _log_normal(number(0), loc, scale * scale), _log_normal(number(0), after.loc, after.scale**2)
    return likelihood + prior - now


def _log_normal(x: Any, loc: Any, variance: Any) -> Any:
    return -(log(2 * pi() * variance) + (x - loc) ** 2 / variance) / 2


def maximum_likelihood(x: Any) -> Any:
    """The mean.

    Source: murphy-2007, eq. 4
    """
    return _each(lambda x: total(x) / len(x) if len(x) and finite(x) else undefined(x), x)


def maximum_a_posteriori(x: Any, loc: Any, scale: Any, variance: Any) -> Any:
    """The posterior mean.

    Source: gelman-2013, eq. 2.12
    """
    return posterior(x, loc, scale, variance).loc


def predictive_log_prob(new: Any, x: Any, loc: Any, scale: Any, variance: Any) -> Any:
    """A normal density around the posterior mean, the variances of observation and mean added.

    Source: gelman-2013, section 2.5
    """

    def one(new: Number, x: Any, loc: Number, scale: Number, variance: Number) -> Any:
        after = _posterior(x, loc, scale, variance)
        if after.loc.stated or not finite(new):
            return undefined(new, x, loc, scale, variance)
        return _log_normal(new, after.loc, variance + after.scale**2)

    return each(one, (new, 0), (x, 1), (loc, 0), (scale, 0), (variance, 0))


def predictive_standard_deviation(new: Any, x: Any, loc: Any, scale: Any, variance: Any) -> Any:
    """The square of a normal density is one of half the variance times 1 / (2 sqrt(pi v)).

    Source: gelman-2013, section 2.5
    """

    def one(new: Number, x: Any, loc: Number, scale: Number, variance: Number) -> Any:
        after = _posterior(x, loc, scale, variance)
        if after.loc.stated or not finite(new):
            return undefined(new, x, loc, scale, variance)
        log_first = _log_normal(new, after.loc, variance + after.scale**2)
        log_second = _log_normal(new, after.loc, variance / 2 + after.scale**2) - log(4 * pi() * variance) / 2
        return sqrt(exp(log_second - 2 * log_first) - 1)

    return each(one, (new, 0), (x, 1), (loc, 0), (scale, 0), (variance, 0))


def _each(definition: Any, x: Any, *prior: Any) -> Any:
    return each(definition, (x, 1), *((p, 0) for p in prior))


def near_data(rng: np.random.Generator, lead: Any, size: int, loc: Any, spread: float) -> Any:
    """Numbers around loc, of few bits where they are moderate."""
    values = np.asarray(loc)[..., None] + spread * rng.normal(size=(*lead, 1 if size else 0))
    values = values + spread * rng.normal(size=(*lead, size))
    return short(values, 10) if 0.01 < spread < 100 else values


def _draws(rng: np.random.Generator, new: bool = False, prior: bool = True) -> Iterator[Draw]:
    def parameters(low: float, high: float, lead: Any) -> dict[str, Any]:
        low, high = max(low, 1e-12), min(high, 1e12)
        loc = sized(rng, 0.1 if low > 0.1 else low, high, lead) * float(rng.choice([-1.0, 1.0]))
        scale, variance = sized(rng, low, high, lead), sized(rng, low, high, lead)
        return {"loc": loc, "scale": scale, "variance": variance}

    def draw(lead: Any, size: int, given: dict[str, Any], **keywords: Any) -> Draw:
        loc = np.broadcast_to(given["loc"], lead)
        x = near_data(rng, lead, size, loc, float(np.sqrt(np.max(given["variance"]))))
        ahead = {"new": near_data(rng, lead, 1, loc, 2.0)[..., 0]} if new else {}
        return Draw(ahead | {"x": x} | (given if prior else {}), **keywords)

    for lead, size, given, keywords in sizes(rng, parameters):
        yield draw(lead, size, given, **keywords)
    for i in range(8):  # far from the origin: the mean square less the squared mean has no digits
        given = {"loc": 10.0 ** (2 + i), "scale": decades(rng, 0.1, 10), "variance": decades(rng, 1e-3, 10)}
        yield draw((), 2 + i, given, flags=("CANCELLATION",), difficulty=4)
    for i in range(6):  # a prior much narrower or much wider than the data
        given = {"loc": 0.5, "scale": (1e-8, 1e8)[i % 2], "variance": (1.0, 1e-6, 1e6)[i % 3]}
        yield draw((), 1 + i, given, flags=("HUGE_PARAMETER",), difficulty=3)
    if prior:
        given = {"loc": np.array([[1.5], [2.5]]), "scale": np.array(0.75), "variance": np.array([0.5, 1.0, 2.0])}
        yield draw((2, 3), 2, given, flags=("BROADCAST",))
    x = np.full(4, 1.25)  # all equal, and equal to the prior's mean
    given = {"loc": 1.25, "scale": 2.0, "variance": 0.5} if prior else {}
    yield Draw(({"new": 1.25} if new else {}) | {"x": x} | given, flags=("ZERO_DISTANCE",))
    ahead = {"new": 0.5} if new else {}
    for name, value in (
        ("scale", 0.0),
        ("scale", -1.0),
        ("variance", 0.0),
        ("variance", inf),
        ("loc", nan),
        ("loc", inf),
    ):
        if prior:
            good = {"loc": 0.5, "scale": 1.5, "variance": 2.0} | {name: value}
            yield Draw(ahead | {"x": np.array([1.0, 2.0])} | good, result="invalid")
    for value in (nan, inf):
        good = {"loc": 0.5, "scale": 1.5, "variance": 2.0} if prior else {}
        yield Draw(ahead | {"x": np.array([1.0, value])} | good, result="invalid")


def draw_posterior(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)


def draw_log_evidence(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from distinct(_draws(rng, prior=False))


def draw_maximum_a_posteriori(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)


def draw_predictive_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, new=True)
    yield Draw({"new": inf, "x": np.array([1.0]), "loc": 0.5, "scale": 1.5, "variance": 2.0}, result="invalid")


def draw_predictive_standard_deviation(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in _draws(rng, new=True):
        x, loc, scale, variance = (np.asarray(draw.arguments[k]) for k in ("x", "loc", "scale", "variance"))
        if draw.result == "required":  # within a few standard deviations: far away the square overflows
            n, share = x.shape[-1], variance + x.shape[-1] * scale * scale
            centre = (variance * loc + scale * scale * x.sum(axis=-1)) / share
            width = np.sqrt(variance + (scale * scale / share if n else scale * scale) * (variance if n else 1.0))
            new = centre + width * rng.normal(size=np.shape(centre)) * 2
            draw = replace(draw, arguments=draw.arguments | {"new": short(new, 12 if np.max(np.abs(new)) < 64 else 45)})
        yield draw
