"""The relaxed Bernoulli distribution as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.distributions.relaxed_bernoulli import Parameters
from refengine.domains import Interval
from validation.exact.distributions._domain import solved
from validation.exact.distributions._location_scale import estimable, no_estimate
from validation.exact.draws import Draw, decades, spread
from validation.exact.number import Number, exp, log, log1p, number, pointwise, stated, tanh

RANGES = {"temperature": (1e-8, 1e8), "logits": (1e-300, 1e8)}
X = {"x": Interval(0, 1, closed=True), "logits": Interval(), "temperature": Interval(0)}


def near(rng: np.random.Generator, logits: float, temperature: float) -> float:
    """A draw."""
    w = (logits + rng.logistic()) / temperature
    return float(1 / (1 + np.exp(-w))) if abs(w) < 36 else float(rng.uniform())


def _valid(x: Number, l: Number, t: Number) -> bool:
    return bool(-inf < l < inf and 0 < t < inf and x == x)


def _softplus(v: Number) -> Number:
    return v + log1p(exp(-v)) if v > 0 else log1p(exp(v))


def _sigmoid(v: Number) -> Number:
    return 1 / (1 + exp(-v))


def _v(x: Number, l: Number, t: Number) -> Number:
    return t * log(x / (1 - x)) - l


@pointwise
def log_prob(x: Number, logits: Number, temperature: Number) -> Any:
    """log t + l - t y - 2 log(1 + e^(l - t y)) - log x - log(1 - x) for y = log(x / (1 - x)); limits on the edges.

    Source: maddison-2017, appendix B
    """
    l, t = logits, temperature
    if not _valid(x, l, t):
        return stated(nan, (x, nan), (l, nan), (t, nan))
    if x < 0 or x > 1:
        return stated(-inf, (x, 0), (l, 0), (t, 0))
    if x == 0 or x == 1:
        side = 1 if x == 0 else -1
        slope = -2 * (exp(-side * l) - 1) if t == 1 else number(inf if t > 1 else -inf)
        value = -side * l if t == 1 else number(inf if t < 1 else -inf)
        return stated(value.ball, (x, side * slope), (l, -side), (t, -inf))
    return log(t) - _v(x, l, t) - 2 * _softplus(-_v(x, l, t)) - log(x) - log(1 - x)


@pointwise
def open_support(x: Number, logits: Number, temperature: Number) -> Any:
    """The convention that 0 and 1 lie outside the support."""
    return stated(-inf, (x, 0), (logits, 0), (temperature, 0))


@pointwise
def cdf(x: Number, logits: Number, temperature: Number) -> Any:
    """sigmoid(t log(x / (1 - x)) - l).

    Source: maddison-2017, appendix B
    """
    return _of_v(_sigmoid, (0.0, 1.0), x, logits, temperature)


@pointwise
def sf(x: Number, logits: Number, temperature: Number) -> Any:
    """sigmoid(l - t log(x / (1 - x))).

    Source: maddison-2017, appendix B
    """
    return _of_v(lambda v: _sigmoid(-v), (1.0, 0.0), x, logits, temperature)


@pointwise
def log_cdf(x: Number, logits: Number, temperature: Number) -> Any:
    """-log(1 + e^(l - t log(x / (1 - x)))).

    Source: maddison-2017, appendix B
    """
    return _of_v(lambda v: -_softplus(-v), (-inf, 0.0), x, logits, temperature)


@pointwise
def log_sf(x: Number, logits: Number, temperature: Number) -> Any:
    """-log(1 + e^(t log(x / (1 - x)) - l)).

    Source: maddison-2017, appendix B
    """
    return _of_v(lambda v: -_softplus(v), (0.0, -inf), x, logits, temperature)


def _of_v(function: Any, ends: tuple[float, float], x: Number, l: Number, t: Number) -> Any:
    if not _valid(x, l, t):
        return stated(nan, (x, nan), (l, nan), (t, nan))
    if x < 0 or x > 1:
        return stated(ends[0] if x < 0 else ends[1], (x, 0), (l, 0), (t, 0))
    if x == 0 or x == 1:
        return _end(ends, x, l, t)
    return function(_v(x, l, t))


def _end(ends: tuple[float, float], x: Number, l: Number, t: Number) -> Number:
    """The limits: of e^(-l) x^t near 0 and of e^l (1 - x)^t near 1, or of their logarithms."""
    side, rising = (1, 1) if x == 0 else (-1, 1)
    rising = 1 if ends in ((0.0, 1.0), (-inf, 0.0)) else -1
    value = ends[0] if x == 0 else ends[1]
    if value == -inf:
        return stated(value, (x, rising * inf), (l, -rising), (t, -inf))
    density = exp(-side * l) if t == 1 else number(inf if t < 1 else 0.0)
    return stated(value, (x, rising * density), (l, 0), (t, 0))


@pointwise
def icdf(u: Number, logits: Number, temperature: Number) -> Any:
    """sigmoid((l + log(u / (1 - u))) / t).

    Source: maddison-2017, appendix B
    """
    l, t = logits, temperature
    if not _valid(u, l, t) or u < 0 or u > 1:
        return stated(nan, (u, nan), (l, nan), (t, nan))
    if u == 0 or u == 1:
        slope = exp((1 if u == 0 else -1) * l) if t == 1 else number(inf if t > 1 else 0.0)
        return stated(float(u), (u, slope), (l, 0), (t, 0))
    return _sigmoid((l + log(u / (1 - u))) / t)


@pointwise
def sample(noise: Number, logits: Number, temperature: Number) -> Any:
    """sigmoid((l + log(u / (1 - u))) / t).

    Source: maddison-2017, appendix B
    """
    return icdf(noise, logits, temperature)


def _edges(name: str) -> Iterator[dict[str, Any]]:
    for end in (0.0, 1.0):
        for t in (0.5, 1.0, 2.0):
            yield {name: end, "logits": 0.75, "temperature": t}


def _draws(rng: np.random.Generator, name: str, count: int) -> Iterator[Draw]:
    domains = {name if key == "x" else key: domain for key, domain in X.items()}
    yield from spread(rng, domains, near if name == "x" else None, RANGES, count)
    for _ in range(12):  # saturated
        t, l = decades(rng, 0.01, 1), rng.normal() * 30
        yield Draw(
            {name: decades(rng, 1e-300, 0.5), "logits": l, "temperature": t}, flags=("SATURATION",), difficulty=3
        )
    for arguments in _edges(name):
        yield Draw(arguments, flags=("SUPPORT_EDGE",))
    for l, t in ((inf, 1.0), (-inf, 2.0), (0.5, inf)):
        yield Draw({name: 0.5, "logits": l, "temperature": t}, result="invalid")


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in _draws(rng, "x", 170):
        if "SUPPORT_EDGE" in draw.flags:
            flags, others = ("SUPPORT_EDGE", "AMBIGUOUS_CONVENTION"), {"open_support": open_support}
            yield Draw(draw.arguments, flags=flags, result="ambiguous", alternatives=others)
        else:
            yield draw
    for x in (0.25, 0.5, 0.75):
        for near_x in (np.nextafter(x, 0), x, np.nextafter(x, 1)):
            arguments = {"x": float(near_x), "logits": 1e-9, "temperature": 0.75}
            yield Draw(arguments, flags=("WRONG_BRANCH", "NEAR_ROOT"), difficulty=3)


def draw_cdf(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, "x", 165)


def draw_sf(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, "x", 165)


def draw_log_cdf(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, "x", 165)


def draw_log_sf(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, "x", 165)


def draw_icdf(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, "u", 165)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, "noise", 165)


def maximum_likelihood(data: Any) -> Parameters:
    """Where both scores vanish: for v = t log(x / (1 - x)) - l, sum tanh(v/2) = 0 and sum v tanh(v/2) = N.

    Source: maddison-2017, appendix B
    """
    values = [float(x) for x in data]
    if not all(0 < x < 1 for x in values) or not estimable(data):
        return Parameters(*no_estimate(data))
    from refengine.distributions.relaxed_bernoulli import maximum_likelihood as guess

    odds = [log(x / (1 - x)) for x in data]
    middle = odds[values.index(sorted(values)[len(values) // 2])]
    steps = [y - middle for y in odds]

    def score(unknowns: list[Number]) -> list[Any]:
        # the first is one unit away from a shift, so that it is not 0 for symmetric data
        v = [unknowns[1] * d - unknowns[0] + 1 for d in steps]
        return [sum(tanh(w / 2) for w in v), sum(w * tanh(w / 2) for w in v) - len(v)]

    logits, temperature = (float(p) for p in guess(np.array(values)))
    shift, t = solved(score, [1 + logits - temperature * float(middle), temperature])
    return Parameters(t * middle + shift - 1, t)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    """Squashed logistic data: around 1/2, to one side, next to 0 and nearly equal."""

    def squashed(y: Any) -> Any:
        return 1 / (1 + np.exp(-y))

    for _ in range(26):
        data = squashed(rng.logistic(size=int(rng.integers(2, 6))) * decades(rng, 0.2, 3) + rng.normal())
        yield Draw({"data": np.clip(np.round(data * 256), 1, 255) / 256})
    for _ in range(14):  # steep: next to 0 and 1
        data = squashed(rng.logistic(size=int(rng.integers(2, 6))) * decades(rng, 3, 8))
        yield Draw({"data": np.minimum(data, 1 - 2.0**-40)}, flags=("SATURATION",), difficulty=3)
    for _ in range(10):  # next to 0
        data = np.exp(rng.logistic(size=int(rng.integers(2, 6))) * decades(rng, 0.1, 2)) * decades(rng, 1e-250, 1e-3)
        yield Draw({"data": np.minimum(data, 0.5)}, flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(10):  # nearly equal
        data = squashed(rng.logistic(size=int(rng.integers(2, 6))) * decades(rng, 1e-9, 1e-3) + 3 * rng.normal())
        yield Draw({"data": data}, flags=("CANCELLATION",), difficulty=4)
    for _ in range(4):
        data = np.round(squashed(rng.logistic(size=3)) * 14 + 1) / 16
        yield Draw({"data": np.append(data, [data[0], 0.5])}, flags=("TIE",))
    yield Draw({"data": squashed(rng.logistic(size=10))}, difficulty=2)
    for bad in ([0.25, 1.5], [0.0, 0.5, 0.25], [0.5, 1.0], [0.5, nan], [0.25], [0.75, 0.75], [2.0, 3.0]):
        yield Draw({"data": np.array(bad)}, result="invalid")
