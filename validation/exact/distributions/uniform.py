"""The uniform distribution on a closed interval, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.distributions.uniform import Parameters
from validation.exact.distributions._location_scale import (
    POSITIVE,
    REAL,
    defined,
    estimable,
    no_estimate,
    samples,
)
from validation.exact.draws import Draw, decades, short, spread
from validation.exact.number import Number, exp, lgamma, log, log1p, number, pi, pointwise, stated


def _bad(low: Number, high: Number, *others: Number) -> Any:
    """nan where the ends are not in order, else None."""
    return None if low < high else stated(nan, *((v, nan) for v in (low, high, *others)))


@defined(-inf, -inf)
def log_prob(x: Number, low: Number, high: Number) -> Any:
    """-log(high - low) from low to high, both included.

    Source: johnson-1995, chapter 26
    """
    if low >= high:
        return _bad(low, high, x)
    outside = x < low or x > high
    return stated(-inf, (x, 0), (low, 0), (high, 0)) if outside else 0 * x - log(high - low)


@pointwise
def half_open(x: Number, low: Number, high: Number) -> Any:
    """The convention that the upper end lies outside the support."""
    return stated(-inf, (x, 0), (low, 0), (high, 0))


def _side(x: Number, low: Number, high: Number, below: float, above: float) -> Any:
    """The value where x is outside, or the ends are not in order, else None."""
    if low >= high:
        return _bad(low, high, x)
    if low <= x <= high:
        return None
    return stated(below if x < low else above, (x, 0), (low, 0), (high, 0))


@defined(0.0, 1.0)
def cdf(x: Number, low: Number, high: Number) -> Any:
    """P(X <= x).

    Source: johnson-1995, chapter 26
    """
    outside = _side(x, low, high, 0.0, 1.0)
    return (x - low) / (high - low) if outside is None else outside


@defined(-inf, 0.0)
def log_cdf(x: Number, low: Number, high: Number) -> Any:
    """log P(X <= x).

    Source: johnson-1995, chapter 26
    """
    outside = _side(x, low, high, -inf, 0.0)
    if outside is None and x == low:
        return stated(-inf, (x, 0), (low, 0), (high, 0))
    return log1p((x - high) / (high - low)) if outside is None else outside


@defined(1.0, 0.0)
def sf(x: Number, low: Number, high: Number) -> Any:
    """P(X > x).

    Source: johnson-1995, chapter 26
    """
    outside = _side(x, low, high, 1.0, 0.0)
    return (high - x) / (high - low) if outside is None else outside


@defined(0.0, -inf)
def log_sf(x: Number, low: Number, high: Number) -> Any:
    """log P(X > x).

    Source: johnson-1995, chapter 26
    """
    outside = _side(x, low, high, 0.0, -inf)
    if outside is None and x == high:
        return stated(-inf, (x, 0), (low, 0), (high, 0))
    return log1p((low - x) / (high - low)) if outside is None else outside


@defined()
def icdf(u: Number, low: Number, high: Number) -> Any:
    """low + u (high - low).

    Source: johnson-1995, chapter 26
    """
    return low + u * (high - low) if low < high else _bad(low, high, u)


@defined()
def sample(noise: Number, low: Number, high: Number) -> Any:
    """The quantile at u = noise.

    Source: johnson-1995, chapter 26
    """
    return icdf(noise, low, high)


@defined()
def entropy(low: Number, high: Number) -> Any:
    """Minus the mean of the log density.

    Source: johnson-1995, chapter 26
    """
    return log(high - low) if low < high else _bad(low, high)


@defined()
def mean(low: Number, high: Number) -> Any:
    """The mean.

    Source: johnson-1995, chapter 26
    """
    return (low + high) / 2 if low < high else _bad(low, high)


@defined()
def variance(low: Number, high: Number) -> Any:
    """The variance.

    Source: johnson-1995, chapter 26
    """
    return (high - low) * (high - low) / 12 if low < high else _bad(low, high)


@defined()
def kl_divergence(low_p: Number, high_p: Number, low_q: Number, high_q: Number) -> Any:
    """log((high_q - low_q) / (high_p - low_p)), inf where p is not inside q.

    Source: gil-2011
    """
    everything = (low_p, high_p, low_q, high_q)
    if low_p >= high_p or low_q >= high_q:
        return stated(nan, *((v, nan) for v in everything))
    if low_p < low_q or high_p > high_q:
        return stated(inf, *((v, 0) for v in everything))
    return log((high_q - low_q) / (high_p - low_p))


@defined()
def kl_divergence_exponential(low_p: Number, high_p: Number, rate_q: Number) -> Any:
    """Minus the entropy, and the mean of rate x - log(rate); inf where low < 0.

    Source: johnson-1995, chapter 26
    """
    if low_p >= high_p:
        return _bad(low_p, high_p, rate_q)
    if low_p < 0:
        return stated(inf, (low_p, 0), (high_p, 0), (rate_q, 0))
    return rate_q * (low_p + high_p) / 2 - log(rate_q) - log(high_p - low_p)


def _mean_log(low: Number, high: Number) -> Any:
    """The mean of log x between two numbers, of which the lower one may be 0."""
    return (high * log(high) - (low * log(low) if low > 0 else 0 * low)) / (high - low) - 1


@pointwise
def kl_divergence_beta(low_p: Number, high_p: Number, a_q: Number, b_q: Number) -> Any:
    """Minus the entropy, and minus the mean of log q; inf where p is not inside [0, 1].

    Source: johnson-1995, chapter 26
    """
    everything = (low_p, high_p, a_q, b_q)
    if not (-inf < low_p < high_p < inf and 0 < a_q < inf and 0 < b_q < inf):
        return stated(nan, *((v, nan) for v in everything))
    if low_p < 0 or high_p > 1:
        return stated(inf, *((v, 0) for v in everything))
    low, high = (number(v.ball) if v == e and s != 1 else v for v, e, s in ((low_p, 0, a_q), (high_p, 1, b_q)))
    found = lgamma(a_q) + lgamma(b_q) - lgamma(a_q + b_q) - log(high - low)
    for shape, ends in ((a_q, (low, high)), (b_q, (1 - high, 1 - low))):
        found = found - (shape - 1) * _mean_log(*ends)
    if low_p == 0 and a_q != 1:
        found = found + stated(0.0, (low_p, inf if a_q < 1 else -inf))
    if high_p == 1 and b_q != 1:
        found = found + stated(0.0, (high_p, -inf if b_q < 1 else inf))
    return found


@pointwise
def kl_divergence_gamma(low_p: Number, high_p: Number, concentration_q: Number, rate_q: Number) -> Any:
    """Minus the entropy, and minus the mean of log q; inf where low < 0.

    Source: johnson-1995, chapter 26
    """
    k, everything = concentration_q, (low_p, high_p, concentration_q, rate_q)
    if not (-inf < low_p < high_p < inf and 0 < k < inf and 0 < rate_q < inf):
        return stated(nan, *((v, nan) for v in everything))
    if low_p < 0:
        return stated(inf, *((v, 0) for v in everything))
    low = number(low_p.ball) if low_p == 0 and k != 1 else low_p
    found = lgamma(k) - k * log(rate_q) - log(high_p - low) + rate_q * (low + high_p) / 2
    found = found - (k - 1) * _mean_log(low, high_p)
    return found + stated(0.0, (low_p, inf if k < 1 else -inf)) if low_p == 0 and k != 1 else found


@defined()
def kl_divergence_gumbel(low_p: Number, high_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """Minus the entropy, and the mean of y + exp(-y) + log s for y = (x - m) / s.

    Source: johnson-1995, chapter 26
    """
    if low_p >= high_p:
        return _bad(low_p, high_p, loc_q, scale_q)
    a, b = (low_p - loc_q) / scale_q, (high_p - loc_q) / scale_q
    return (a + b) / 2 + (exp(-a) - exp(-b)) / (b - a) - log(b - a)


@defined()
def kl_divergence_normal(low_p: Number, high_p: Number, loc_q: Number, scale_q: Number) -> Any:
    """Minus the entropy, and the mean of (x - m)^2 / (2 s^2) + log s + log(2 pi)/2.

    Source: johnson-1995, chapter 26
    """
    if low_p >= high_p:
        return _bad(low_p, high_p, loc_q, scale_q)
    w, d = high_p - low_p, (low_p + high_p) / 2 - loc_q
    return (d * d + w * w / 12) / (2 * scale_q * scale_q) + log(scale_q) + log(2 * pi()) / 2 - log(w)


@defined()
def kl_divergence_pareto(low_p: Number, high_p: Number, scale_q: Number, alpha_q: Number) -> Any:
    """Minus the entropy, and the mean of (alpha + 1) log x - log(alpha) - alpha log(s); inf where low < s.

    Source: johnson-1995, chapter 26
    """
    if low_p >= high_p:
        return _bad(low_p, high_p, scale_q, alpha_q)
    if low_p < scale_q:
        return stated(inf, (low_p, 0), (high_p, 0), (scale_q, 0), (alpha_q, 0))
    w = high_p - low_p
    mean_log = (high_p * log(high_p) - low_p * log(low_p)) / w - 1
    return (alpha_q + 1) * mean_log - log(alpha_q) - alpha_q * log(scale_q) - log(w)


def maximum_likelihood(data: Any) -> Any:
    """The smallest and the largest observation, of equal ones the first.

    Source: johnson-1995, chapter 26
    """
    if not estimable(data):
        return Parameters(*no_estimate(data))
    values = [float(x) for x in data]
    return Parameters(data[values.index(min(values))], data[values.index(max(values))])


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from samples(rng, rng.uniform)


_SHARES: Any = (
    (70, (), 1, 0.1, 30.0),
    (60, (), 2, 1e-3, 1e4),
    (30, ("HUGE_PARAMETER", "CANCELLATION"), 4, 1e5, 1e15),
    (30, ("NEAR_POLE",), 4, 1e-300, 1e-3),
    (30, (), 5, 1e-12, 1e12),
)


def _intervals(rng: np.random.Generator, count: int = 1) -> Iterator[tuple[list[float], tuple[str, ...], int]]:
    """Ends of intervals: of any size, on either side of 0 or around it, narrow or wide."""
    for share, flags, difficulty, least, most in _SHARES:
        for i in range(share):
            low = decades(rng, least, most) * (1 if i % 3 else -1)
            width = abs(low) * decades(rng, 1e-6, 1) if i % 4 == 0 else decades(rng, least, most)
            ends = [low, low + width]
            if difficulty == 1:
                ends = [float(short(low)), float(short(low)) + float(short(width))]
            if ends[0] < ends[1]:
                yield ends, flags, difficulty
    yield [-1.5e308, 1.5e308], ("HUGE_PARAMETER",), 5
    yield [0.0, 5e-324], ("SUBNORMAL",), 5
    yield [-3e-310, 1e-309], ("SUBNORMAL",), 5
    yield [0.0, 1.0], ("NEAR_ROOT",), 1
    yield [1.0, float(np.nextafter(1.0, 2.0))], ("CANCELLATION",), 3
    yield [0.0, 3.0], ("SUPPORT_EDGE",), 1


def _points(rng: np.random.Generator) -> Iterator[Draw]:
    for ends, flags, difficulty in _intervals(rng):
        low, high = ends
        x = float(rng.choice([low, high])) if rng.uniform() < 0.04 else low * (1 - (u := rng.uniform())) + high * u
        x = high + abs(high) * 0.5 + 1 if rng.uniform() < 0.04 else min(max(x, low), high)
        yield Draw({"x": x, "low": low, "high": high}, flags=flags, difficulty=difficulty)
    for x in (-inf, inf, 0.5, 2.5, float(np.nextafter(1.0, 0.0)), float(np.nextafter(2.0, 3.0))):
        yield Draw({"x": x, "low": 1.0, "high": 2.0}, flags=("OUT_OF_SUPPORT",))
    for low, high in ((1.0, 2.0), (-3.0, 5.0)):
        for step in (2.0**-1074, 2.0**-50, 2.0**-20):
            yield Draw({"x": low + step * 4, "low": low, "high": high}, flags=("SUPPORT_EDGE",), difficulty=3)
        yield Draw({"x": float(np.nextafter(high, low)), "low": low, "high": high}, flags=("SUPPORT_EDGE",))
    for x, low, high in ((nan, 0.0, 1.0), (0.5, nan, 1.0), (0.5, 0.0, nan), (0.5, 1.0, 0.0), (1.0, 1.0, 1.0)):
        yield Draw({"x": x, "low": low, "high": high}, result="invalid")
    for low, high in ((-inf, 1.0), (0.0, inf)):
        yield Draw({"x": 0.5, "low": low, "high": high}, result="invalid")
    yield Draw({"x": np.array([[0.5], [1.5]]), "low": np.array([0.0, 0.25]), "high": np.array([2.0, 3.0])}, flags=_B)


_B = ("BROADCAST",)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _points(rng)
    for low, high in ((0.0, 1.0), (1.0, 3.0), (-2.0, 0.0)):
        flags = ("SUPPORT_EDGE", "AMBIGUOUS_CONVENTION")
        arguments = {"x": high, "low": low, "high": high}
        yield Draw(arguments, flags=flags, result="ambiguous", alternatives={"half_open": half_open})
        yield Draw({"x": low, "low": low, "high": high + 1}, flags=("SUPPORT_EDGE",))


draw_cdf = draw_log_cdf = draw_sf = draw_log_sf = _points


def _of_unit(name: str) -> Any:
    def draw(rng: np.random.Generator) -> Iterator[Draw]:
        for ends, flags, difficulty in _intervals(rng):
            u = float(short(rng.uniform(0.01, 0.99))) if difficulty == 1 else float(rng.uniform())
            yield Draw({name: u, "low": ends[0], "high": ends[1]}, flags=flags, difficulty=difficulty)
        for u in (0.0, 1.0, 5e-324, 1e-300, 2.0**-53, 1 - 2.0**-53):
            yield Draw({name: u, "low": 1.0, "high": 3.0}, flags=("SATURATION",))
        for u, low, high in ((-0.5, 0.0, 1.0), (1.5, 0.0, 1.0), (nan, 0.0, 1.0), (0.5, 1.0, 0.0), (0.5, 0.0, inf)):
            yield Draw({name: u, "low": low, "high": high}, result="invalid")
        rows = {"low": np.array([0.0, 0.25]), "high": np.array([2.0, 3.0])}
        yield Draw({name: np.array([[0.5], [0.25]])} | rows, flags=_B)

    return draw


draw_icdf, draw_sample = _of_unit("u"), _of_unit("noise")


def _ends(rng: np.random.Generator) -> Iterator[Draw]:
    for ends, flags, difficulty in _intervals(rng):
        yield Draw({"low": ends[0], "high": ends[1]}, flags=flags, difficulty=difficulty)
    for low, high in ((1.0, 0.0), (1.0, 1.0), (nan, 1.0), (0.0, nan), (-inf, 0.0), (0.0, inf)):
        yield Draw({"low": low, "high": high}, result="invalid")
    yield Draw({"low": np.array([[0.5], [0.25]]), "high": np.array([2.0, 3.0])}, flags=_B)


draw_entropy = draw_mean = draw_variance = _ends


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    names = ("low_p", "high_p", "low_q", "high_q")
    for ends, flags, difficulty in _intervals(rng):
        wider = [decades(rng, 1e-9, 10) * (ends[1] - ends[0]) for _ in range(2)]
        q = [ends[0] - wider[0], ends[1] + wider[1]] if rng.uniform() < 0.9 else [ends[0] + 0.1, ends[1] + wider[1]]
        if q[0] < q[1] and np.all(np.isfinite(q)):
            yield Draw(dict(zip(names, ends + q, strict=True)), flags=flags, difficulty=difficulty)
    yield Draw(dict(zip(names, (1.0, 2.0, 1.0, 2.0), strict=True)), flags=("NEAR_ROOT",))
    yield Draw(dict(zip(names, (1.0, 2.0, 1.0, 1.5), strict=True)), flags=("OUT_OF_SUPPORT",))
    for bad in ((2.0, 1.0, 0.0, 3.0), (1.0, 2.0, 3.0, 0.0), (nan, 1.0, 0.0, 1.0), (0.0, 1.0, -inf, 2.0)):
        yield Draw(dict(zip(names, bad, strict=True)), result="invalid")
    rows = {"high_p": np.array([2.0, 3.0]), "low_q": np.array([-1.0, 0.25]), "high_q": np.array([4.0, 3.0])}
    yield Draw({"low_p": np.array([[0.5], [0.25]])} | rows, flags=_B)


def _against(**domains: Any) -> Any:
    """Cases of a divergence from another family, whose parameters are drawn from their domains."""

    def draw(rng: np.random.Generator) -> Iterator[Draw]:
        others = list(spread(rng, domains, None, dict.fromkeys(domains, (1e-3, 1e3)), 260))
        scalars = [d.arguments for d in others if all(np.isfinite(d.arguments[n]).all() for n in domains)]
        scalars = [a for a in scalars if all(np.ndim(v) == 0 for v in a.values()) and all(_in(a, domains))]
        for (ends, flags, difficulty), other in zip(_intervals(rng), scalars, strict=False):
            size = max(abs(e) for e in ends)
            other = {n: v * (size if n != "alpha_q" else 1) for n, v in other.items()}
            other = {n: v / size / size if n == "rate_q" else v for n, v in other.items()}
            if "alpha_q" in domains:
                ends = [abs(ends[0]) + 1e-300, abs(ends[0]) + ends[1] - ends[0]]
                other["scale_q"] = min(other["scale_q"], ends[0]) if rng.uniform() < 0.9 else ends[0] * 2
            other = {n: min(max(v, -1e308), 1e308) for n, v in other.items()}
            if "rate_q" in domains and rng.uniform() < 0.8:
                ends = [abs(ends[0]), abs(ends[0]) + ends[1] - ends[0]]
            if ends[0] < ends[1] < inf and all(v != 0 for v in other.values()):
                yield Draw({"low_p": ends[0], "high_p": ends[1]} | other, flags=flags, difficulty=difficulty)
        plain = {n: 1.5 for n in domains}
        yield Draw({"low_p": -0.5, "high_p": 2.0} | plain, flags=("OUT_OF_SUPPORT",))
        yield Draw({"low_p": 1.5, "high_p": 2.0} | plain, flags=("SUPPORT_EDGE",))
        for low, high in ((2.0, 1.0), (nan, 1.0), (1.0, nan), (1.0, inf)):
            yield Draw({"low_p": low, "high_p": high} | plain, result="invalid")
        for name in domains:
            yield Draw({"low_p": 2.0, "high_p": 3.0} | plain | {name: nan}, result="invalid")
        rows = {"high_p": np.array([4.0, 3.0])} | {n: np.array([1.0, 1.25]) for n in domains}
        yield Draw({"low_p": np.array([[1.5], [2.25]])} | rows, flags=_B)

    return draw


def _in(arguments: dict[str, Any], domains: dict[str, Any]) -> Iterator[bool]:
    return (domains[n].low < v < domains[n].high for n, v in arguments.items())


draw_kl_divergence_exponential = _against(rate_q=POSITIVE)
draw_kl_divergence_gumbel = draw_kl_divergence_normal = _against(loc_q=REAL, scale_q=POSITIVE)
draw_kl_divergence_pareto = _against(scale_q=POSITIVE, alpha_q=POSITIVE)


_SIZES: Any = (
    (60, (), 1, 0.2, 20.0),
    (50, (), 2, 1e-3, 1e4),
    (40, ("HUGE_PARAMETER", "CANCELLATION"), 4, 1e4, 1e12),
    (30, ("NEAR_POLE",), 4, 1e-300, 1e-3),
)


def _within(rng: np.random.Generator, least: float, edge: float) -> tuple[float, float]:
    """An interval in (0, edge), narrow or wide, which may reach next to the edges."""
    middle = decades(rng, least, 1) / 2 * edge
    if np.isfinite(edge) and rng.integers(2):
        middle = edge - middle
    width = min(middle, edge - middle) * 2 * (decades(rng, 1e-9, 1) if rng.integers(3) else rng.uniform(0.5, 1))
    return middle - width / 2, middle + width / 2


def draw_kl_divergence_beta(rng: np.random.Generator) -> Iterator[Draw]:
    for count, flags, difficulty, least, most in _SIZES:
        for i in range(count):
            low, high = _within(rng, 1e-12 if i % 4 == 0 else 1e-2, 1.0)
            a, b = decades(rng, least, most), decades(rng, least, most)
            if i % 3 == 0:  # with its mean inside
                b = a * (2 - low - high) / (low + high)
            given = {"low_p": low, "high_p": high, "a_q": a, "b_q": b}
            given = {n: float(short(v)) for n, v in given.items()} if difficulty == 1 else given
            if 0 < given["low_p"] < given["high_p"] < 1:
                yield Draw(given, flags=flags, difficulty=difficulty)
    names = ("low_p", "high_p", "a_q", "b_q")
    for a in (0.5, 1.0, 2.0):
        for b in (0.25, 1.0, 3.0):
            for low, high in ((0.0, 1.0), (0.0, 0.5), (0.75, 1.0)):
                yield Draw(dict(zip(names, (low, high, a, b), strict=True)), flags=("SUPPORT_EDGE",))
    for off in (1e-12, 1e-6, -1e-3, 0.2):
        for low, high in ((0.0, 1.0), (1e-9, 1.0), (0.0, 0.9999), (1e-6, 0.99999)):
            given = dict(zip(names, (low, high, 1 + off, 1 - off / 2), strict=True))
            yield Draw(given, flags=("NEAR_ROOT",), difficulty=4)
    for low, high in ((-0.5, 0.5), (0.5, 1.5), (-1.0, 2.0), (2.0, 3.0)):
        yield Draw(dict(zip(names, (low, high, 1.5, 2.0), strict=True)), flags=("OUT_OF_SUPPORT",))
    yield from _bad_pairs(names)


def _bad_pairs(names: tuple[str, ...]) -> Iterator[Draw]:
    good = (0.25, 0.5, 1.5, 2.0)
    for i, bad in ((0, 0.75), (0, nan), (1, inf), (1, 0.25), (2, 0.0), (2, nan), (3, -1.0), (3, inf)):
        yield Draw(dict(zip(names, (*good[:i], bad, *good[i + 1 :]), strict=True)), result="invalid")
    rows = {names[1]: np.array([0.75, 1.0]), names[2]: np.array([2.0, 1.25]), names[3]: np.array([1.5, 4.0])}
    yield Draw({names[0]: np.array([[0.5], [0.25]])} | rows, flags=_B)


def draw_kl_divergence_gamma(rng: np.random.Generator) -> Iterator[Draw]:
    names = ("low_p", "high_p", "concentration_q", "rate_q")
    for count, flags, difficulty, least, most in _SIZES:
        for i in range(count):
            size = decades(rng, 0.1, 10) if difficulty == 1 else decades(rng, 1e-6, 1e6)
            middle = decades(rng, 0.1, 10) * size
            width = 2 * middle * (decades(rng, 1e-9, 1) if rng.integers(3) else rng.uniform(0.5, 1))
            k = decades(rng, least, most)
            rate = k / middle * (1.0 if i % 3 == 0 else decades(rng, 1e-2, 1e2))
            given = dict(zip(names, (middle - width / 2, middle + width / 2, k, rate), strict=True))
            given = {n: float(short(v)) for n, v in given.items()} if difficulty == 1 else given
            if 0 < given["low_p"] < given["high_p"]:
                yield Draw(given, flags=flags, difficulty=difficulty)
    for k in (0.25, 0.5, 1.0, 2.0, 9.0):
        for high in (1e-3, 0.5, 1.0, 30.0):
            for rate in (0.5, 3.0):
                yield Draw(dict(zip(names, (0.0, high, k, rate), strict=True)), flags=("SUPPORT_EDGE",))
    for low, high in ((-0.5, 0.5), (-2.0, -1.0)):
        yield Draw(dict(zip(names, (low, high, 1.5, 2.0), strict=True)), flags=("OUT_OF_SUPPORT",))
    yield from _bad_pairs(names)
