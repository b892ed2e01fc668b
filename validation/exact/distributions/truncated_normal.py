"""The truncated normal distribution as it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from math import inf, nan
from typing import Any

import numpy as np
from flint import arb, ctx

from refengine.distributions.truncated_normal import Parameters
from refengine.distributions.truncated_normal import icdf as guess
from refengine.distributions.truncated_normal import maximum_likelihood as estimate
from validation.exact.distributions._domain import known, level, positive, solved, undefined
from validation.exact.draws import Draw, decades, short
from validation.exact.number import (
    Number,
    Undecided,
    detached,
    erfc,
    exp,
    log,
    number,
    pi,
    pointwise,
    sqrt,
    stated,
    tanh,
)


@pointwise
def log_prob(x: Number, loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """-z^2/2 - log(2 pi)/2 - log(scale) - log(Phi(beta) - Phi(alpha)).

    Source: johnson-kotz-balakrishnan-1994, section 10.1
    """
    if not (_defined(loc, scale, low, high) and known(x)):
        return undefined(x, loc, scale, low, high)
    if not low <= x <= high or not -inf < x < inf:
        return level(-inf, x, loc, scale, low, high)
    z = (x - loc) / scale
    return -z * z / 2 - log(2 * pi()) / 2 - log(scale) - log(_mass(loc, scale, low, high)) + _none(low, high)


def _defined(loc: Number, scale: Number, low: Number, high: Number) -> bool:
    return positive(scale) and -inf < loc < inf and low < high


def _none(*bounds: Number) -> Any:
    """0, with derivatives 0 to finite bounds."""
    return sum((0 * b for b in bounds if not b.stated), number(0))


def _mass(loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """Phi(beta) - Phi(alpha), by the tails on the side of the interval."""
    if high < loc:
        return _tail((loc - high) / scale) - (0 if low.stated else _tail((loc - low) / scale))
    left, right = (number(1) if low.stated else _tail((low - loc) / scale)), number(0)
    if not high.stated:
        right = _tail((high - loc) / scale)
    return left - right


def _tail(z: Number) -> Any:
    """1 - Phi(z)."""
    return _mills(z) * exp(-z * z / 2) / sqrt(2 * pi()) if z > 30 else erfc(z / sqrt(number(2))) / 2


@pointwise
def _mills(z: Number) -> Number:
    """(1 - Phi(z)) / phi(z) = U(1/2, 1/2, z^2/2) / sqrt(2), DLMF 7.11.2."""
    half = arb(1) / 2
    return Number((z.ball * z.ball / 2).hypgeom_u(half, half) / arb(2).sqrt(), [(z, lambda g: g * (z * _mills(z) - 1))])


def _density(loc: Number, scale: Number, bound: Number, power: int) -> Any:
    """z^power phi(z) at a bound."""
    if bound.stated:
        return number(0)
    z = (bound - loc) / scale
    return (z if power else 1) * exp(-z * z / 2) / sqrt(2 * pi())


def _first(loc: Number, scale: Number, low: Number, high: Number, mass: Number) -> Any:
    return (_density(loc, scale, low, 0) - _density(loc, scale, high, 0)) / mass


def _cut(x: Number, loc: Number, scale: Number, low: Number, high: Number) -> tuple[Any, Any]:
    """Phi(z) - Phi(alpha) and Phi(beta) - Phi(z)."""
    return _mass(loc, scale, low, x), _mass(loc, scale, x, high)


def _share(part: int, logarithm: bool, x: Number, loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """The share of the part below x (0) or above it (1), or its logarithm."""
    if not (_defined(loc, scale, low, high) and known(x)):
        return undefined(x, loc, scale, low, high)
    empty, full = (-inf, 0.0) if logarithm else (0.0, 1.0)
    if not low <= x <= high or not -inf < x < inf:
        return level(empty if (x < low or x == -inf) == (part == 0) else full, x, loc, scale, low, high)
    if x == low or x == high:
        return _at_end(part, logarithm, x, loc, scale, low, high)
    cut = _cut(x, loc, scale, low, high)
    share = cut[part] / _mass(loc, scale, low, high) + _none(low, high)
    return log(share) if logarithm else share


def _at_end(part: int, logarithm: bool, x: Number, loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """The limits on an end: the share moves with the end and the point alone, but the logarithm of an empty part."""
    mass, turn = _mass(loc, scale, low, high), 1 if part == 0 else -1
    ends = [_density(loc, scale, e, 0) / mass / scale for e in (low, high)]
    end, other = (low, high) if x == low else (high, low)
    here, there = ends if x == low else ends[::-1]
    empty = (x == low) == (part == 0)
    if not (empty and logarithm):
        value = (0.0 if logarithm else 1.0) if not empty else 0.0
        return stated(value, (x, turn * here), (loc, 0.0), (scale, 0.0), (end, -turn * here), (other, 0.0))
    z = (x - loc) / scale
    first = _first(loc, scale, low, high, mass)
    second = 1 + (_density(loc, scale, low, 1) - _density(loc, scale, high, 1)) / mass
    slopes = (x, turn * inf), (loc, (z - first) / scale), (scale, (z * z - second) / scale), (end, -turn * inf)
    return stated(-inf, *slopes, (other, -turn * there))


@pointwise
def cdf(x: Number, loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """(Phi(z) - Phi(alpha)) / (Phi(beta) - Phi(alpha)).

    Source: johnson-kotz-balakrishnan-1994, section 10.1
    """
    return _share(0, False, x, loc, scale, low, high)


@pointwise
def sf(x: Number, loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """(Phi(beta) - Phi(z)) / (Phi(beta) - Phi(alpha)).

    Source: johnson-kotz-balakrishnan-1994, section 10.1
    """
    return _share(1, False, x, loc, scale, low, high)


@pointwise
def log_cdf(x: Number, loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """log((Phi(z) - Phi(alpha)) / (Phi(beta) - Phi(alpha))).

    Source: johnson-kotz-balakrishnan-1994, section 10.1
    """
    return _share(0, True, x, loc, scale, low, high)


@pointwise
def log_sf(x: Number, loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """log((Phi(beta) - Phi(z)) / (Phi(beta) - Phi(alpha))).

    Source: johnson-kotz-balakrishnan-1994, section 10.1
    """
    return _share(1, True, x, loc, scale, low, high)


@pointwise
def icdf(u: Number, loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """Where the cdf is u.

    Source: johnson-kotz-balakrishnan-1994, section 10.1
    """
    if not (_defined(loc, scale, low, high) and 0 <= u <= 1):
        return undefined(u, loc, scale, low, high)
    if u == 0 or u == 1:
        end, other = (low, high) if u == 0 else (high, low)
        if end.stated:
            sign = -1 if u == 0 else 1
            return stated(sign * inf, (u, inf), (loc, 1.0), (scale, sign * inf), (end, 0.0), (other, 0.0))
        density = _density(loc, scale, end, 0) / _mass(loc, scale, low, high) / scale
        return end + (u - u.ball) / density + 0 * loc + 0 * scale + _none(low, high)
    return _quantile(u, loc, scale, low, high)


@pointwise
def sample(noise: Number, loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """Where the cdf is the noise.

    Source: johnson-kotz-balakrishnan-1994, section 10.1
    """
    return icdf(noise, loc, scale, low, high)


def _quantile(u: Number, loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """A ball around the point, with the derivatives of the implicit function F(x) = u.

    Those to loc and scale are what the others leave of a shift and of a stretch of all but u.
    """
    arguments = u, loc, scale, low, high
    which, start = _guess(*(float(v) for v in arguments))
    held = [detached(v) for v in arguments]
    ball = (held[which] + held[2] * Number(_distance(which, start, held))).ball

    def moved(power: int) -> Any:
        ends = (1 - u) * _density(loc, scale, low, power) + u * _density(loc, scale, high, power)
        return (1 if power == 0 else (x - loc) / scale) - ends / _density(loc, scale, x, 0)

    def with_end(end: Number, share: Any) -> Any:
        return share * _density(loc, scale, end, 0) / _density(loc, scale, x, 0)

    x = Number(
        ball,
        [
            (u, lambda g: g * scale * _between(loc, scale, low, high) / _density(loc, scale, x, 0)),
            (loc, lambda g: g * moved(0)),
            (scale, lambda g: g * moved(1)),
            (low, lambda g: g * with_end(low, 1 - u)),
            (high, lambda g: g * with_end(high, u)),
        ],
    )
    return x


@lru_cache
def _guess(u: float, loc: float, scale: float, low: float, high: float) -> tuple[int, float]:
    """The argument that the quantile is next to, and the distance: seeds, which prove nothing."""
    points = {k: v for k, v in ((1, loc), (3, low), (4, high)) if abs(v) < inf}
    x = float(guess(u, loc, scale, low, high))
    which = min(points, key=lambda k: abs(points[k] - x))
    loc, low, high = ((v - points[which]) / scale for v in (loc, low, high))
    return which, float(guess(u, loc, 1.0, low, high))


def _lack(t: Number, which: int, u: Number, loc: Number, scale: Number, low: Number, high: Number) -> tuple[Any, Any]:
    """The logarithm of the smaller tail over what it should be, and its slope."""
    x = (u, loc, scale, low, high)[which] + scale * t
    upper = float(u) > 0.5
    part = _between(loc, scale, x, high) if upper else _between(loc, scale, low, x)
    if not part > 0:
        raise Undecided("an empty tail")
    slope = _density(loc, scale, x, 0) / part
    return log(part / _between(loc, scale, low, high) / (1 - u if upper else u)), -slope if upper else slope


def _distance(which: int, start: float, held: list[Number]) -> Any:
    """A ball of the distance that Newton's operator maps into itself; ``start`` is a guess and proves nothing."""
    middle = arb(start)
    for _ in range(ctx.prec.bit_length() + 4):
        lack, slope = _lack(Number(middle), which, *held)
        step = (lack.ball / slope.ball).mid()
        middle = (middle - step).mid()
        if abs(step) < abs(middle) * arb(2) ** (-ctx.prec // 2):
            break
    lack, _ = _lack(Number(middle), which, *held)
    for bits in (ctx.prec - 24, ctx.prec // 2, ctx.prec // 4, ctx.prec // 8):
        wide = middle + abs(middle) * arb(0, 1) * arb(2) ** -bits
        image = middle - lack.ball / _lack(Number(wide), which, *held)[1].ball
        if wide.contains_interior(image):
            return image
    raise Undecided("no ball is mapped into itself")


@pointwise
def mean(loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """loc + scale (phi(alpha) - phi(beta)) / (Phi(beta) - Phi(alpha)).

    Source: johnson-kotz-balakrishnan-1994, section 10.1
    """
    if not _defined(loc, scale, low, high):
        return undefined(loc, scale, low, high)
    return loc + scale * _first(loc, scale, low, high, _mass(loc, scale, low, high))


def _second(loc: Number, scale: Number, low: Number, high: Number, mass: Number) -> Any:
    """E[z^2]."""
    return 1 + (_density(loc, scale, low, 1) - _density(loc, scale, high, 1)) / mass


@pointwise
def variance(loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """scale^2 (E[z^2] - E[z]^2).

    Source: johnson-kotz-balakrishnan-1994, section 10.1
    """
    if not _defined(loc, scale, low, high):
        return undefined(loc, scale, low, high)
    mass = _mass(loc, scale, low, high)
    first = _first(loc, scale, low, high, mass)
    return scale * scale * (_second(loc, scale, low, high, mass) - first * first) + _none(low, high)


@pointwise
def entropy(loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """Minus the mean of the log density.

    Source: johnson-kotz-balakrishnan-1994, section 10.1
    """
    if not _defined(loc, scale, low, high):
        return undefined(loc, scale, low, high)
    mass = _mass(loc, scale, low, high)
    found = _second(loc, scale, low, high, mass) / 2 + log(2 * pi()) / 2 + log(scale) + log(mass)
    return found + _none(low, high)


@pointwise
def kl_divergence(
    loc_p: Number,
    scale_p: Number,
    low_p: Number,
    high_p: Number,
    loc_q: Number,
    scale_q: Number,
    low_q: Number,
    high_q: Number,
) -> Any:
    """The mean under p of log p - log q; inf where p is not inside q.

    Source: johnson-kotz-balakrishnan-1994, section 10.1
    """
    p, q = (loc_p, scale_p, low_p, high_p), (loc_q, scale_q, low_q, high_q)
    if not (_defined(*p) and _defined(*q)):
        return undefined(*p, *q)
    if low_p < low_q or high_p > high_q:
        return level(inf, *p, *q)
    mass = _mass(*p)
    first, second = _first(*p, mass), _second(*p, mass)
    off = loc_p - loc_q
    square = (scale_p * scale_p * second + 2 * off * scale_p * first + off * off) / (scale_q * scale_q)  # of z_q
    logs = log(scale_q * _mass(*q)) - log(scale_p * mass)
    return logs + (square - second) / 2 + _none(low_p, high_p, low_q, high_q)


@pointwise
def mode(loc: Number, scale: Number, low: Number, high: Number) -> Any:
    """The point of the interval next to loc.

    Source: johnson-kotz-balakrishnan-1994, section 10.1
    """
    if not _defined(loc, scale, low, high):
        return undefined(loc, scale, low, high)
    return (low if low > loc else high if high < loc else loc) + 0 * scale


def _between(loc: Number, scale: Number, a: Number, b: Number) -> Any:
    """Phi at b less Phi at a: the side that the tails are taken on makes no difference to what is enclosed."""
    left, middle = not b.stated and float(b) < float(loc), float(loc)
    if left:
        return _tail((loc - b) / scale) - (0 if a.stated else _tail((loc - a) / scale))
    if a.stated or float(a) < middle:
        below = number(0) if a.stated else _tail((loc - a) / scale)
        return 1 - below - (0 if b.stated else _tail((b - loc) / scale))
    return _tail((a - loc) / scale) - (0 if b.stated else _tail((b - loc) / scale))


def _place(rng: np.random.Generator, kind: str) -> tuple[float, float]:
    """Standardised bounds of one kind."""
    if kind == "around":
        return -decades(rng, 0.01, 5), decades(rng, 0.01, 5)
    if kind == "tail":
        start = decades(rng, 0.1, 30)
        return start, start + decades(rng, 0.01, 5)
    if kind == "far":
        start = decades(rng, 10, 1e8)
        return start, start + decades(rng, 0.01, 100) / start
    if kind == "narrow":
        start = rng.normal() * 3
        return start, start + decades(rng, 1e-12, 1e-3)
    start = rng.normal() * 4
    return start, inf


def _cases(with_x: bool) -> Callable[[np.random.Generator], Iterator[Draw]]:
    def draw(rng: np.random.Generator) -> Iterator[Draw]:
        for _ in range(6):  # whose bounds may be exchanged among them
            low, high = -rng.uniform(1, 4), rng.uniform(1, 4)
            names = {"x": rng.uniform(-1, 1)} if with_x else {}
            names |= {"loc": rng.normal(), "scale": rng.uniform(0.5, 2), "low": low, "high": high}
            yield Draw({k: short(v) for k, v in names.items()})
        for kind, count, flags, difficulty in (
            ("around", 64, (), 1),
            ("tail", 40, ("SATURATION",), 2),
            ("far", 30, ("HUGE_PARAMETER", "CANCELLATION"), 4),
            ("narrow", 30, ("CANCELLATION",), 4),
            ("open", 30, (), 2),
        ):
            for _ in range(count):
                low, high = _place(rng, kind)
                if rng.integers(2):
                    low, high = -high, -low
                loc, scale = rng.normal() * decades(rng, 0.1, 10), decades(rng, 0.1, 10)
                if kind != "around" and rng.integers(3) == 0:
                    loc, scale = loc * 2.0 ** rng.integers(-40, 40), scale * 2.0 ** rng.integers(-40, 40)
                yield _case(rng, with_x, loc, scale, loc + scale * low, loc + scale * high, flags, difficulty)
        for loc, scale, low, high in (
            (0.0, 1.0, -inf, inf),
            (1.0, 2.0, 1.0, inf),
            (1.0, 2.0, -inf, 1.0),
            (0.0, 1.0, 0.0, 2.0),
        ):
            yield _case(rng, with_x, loc, scale, low, high, ("WRONG_BRANCH",), 2)
        yield _case(rng, with_x, -1e8, 1.0, 0.0, inf, ("HUGE_PARAMETER",), 4)
        yield from _bad(with_x)

    return draw


def _case(rng: Any, with_x: bool, loc: Any, scale: Any, low: Any, high: Any, flags: Any, difficulty: int) -> Draw:
    loc, scale, low, high = (float(v) for v in (loc, scale, low, high))
    if difficulty == 1:
        loc, scale, low, high = (short(v) for v in (loc, scale, low, high))
    if not low < high:
        high = float(np.nextafter(low, inf))
    arguments = {"loc": loc, "scale": scale, "low": low, "high": high}
    if with_x:
        a, b = max(low, min(loc - 4 * scale, high - 1)), min(high, max(loc + 4 * scale, low + 1))
        reach = min(b - a, scale * scale / max(abs(low - loc), abs(high - loc), scale) * 20) if b > a else 0.0
        x = a + rng.uniform() * reach if low >= loc else b - rng.uniform() * reach
        x = (
            float(min(max(x, low), high))
            if rng.uniform() > 0.1
            else (low if low > -inf else high if high < inf else 0.0)
        )
        x = short(x) if difficulty == 1 else x
        if not low <= x <= high:
            flags = (*flags, "OUT_OF_SUPPORT")
        arguments = {"x": x, **arguments}
    return Draw(arguments, flags=flags, difficulty=difficulty)


def _bad(with_x: bool) -> Iterator[Draw]:
    names = ("loc", "scale", "low", "high")
    for bad in (
        (0.0, 1.0, 1.0, 1.0),
        (0.0, 1.0, 2.0, 1.0),
        (0.0, 0.0, -1.0, 1.0),
        (0.0, -1.0, -1.0, 1.0),
        (inf, 1.0, -1.0, 1.0),
        (0.0, nan, -1.0, 1.0),
        (0.0, 1.0, nan, 1.0),
        (0.0, 1.0, inf, inf),
    ):
        yield Draw(({"x": 0.5} if with_x else {}) | dict(zip(names, bad, strict=True)), result="invalid")
    good = dict(zip(names, (0.0, 1.0, -1.0, 2.0), strict=True))
    if with_x:
        for x in (-1.5, 2.5, inf, -inf):
            yield Draw({"x": x, **good}, flags=("OUT_OF_SUPPORT",))
        yield Draw({"x": nan, **good}, result="invalid")
        for x in (-1.0, 2.0):
            yield Draw({"x": x, **good}, flags=("SUPPORT_EDGE",))
    columns = {"scale": np.array([1.0, 2.5]), "low": np.array([0.5, -4.0]), "high": np.array([3.0, 0.25])}
    column = {"loc": np.array([[0.5], [-1.0], [2.0]])}
    yield Draw(({"x": np.array([0.75, 0.0])} if with_x else {}) | column | columns, flags=("BROADCAST",))


def _with_tails(rng: np.random.Generator) -> Iterator[Draw]:
    """Those of the density, points far out in a tail, and small distances that the rounding of x does not blur."""
    yield from _cases(True)(rng)
    for _ in range(12):
        low, x, high = sorted(rng.normal(size=3) * decades(rng, 1e-12, 3))
        yield Draw({"x": x, "loc": 0.0, "scale": 1.0, "low": low, "high": high}, flags=("CANCELLATION",), difficulty=4)
        turn, width = float(rng.choice([-1, 1])), decades(rng, 1e-12, 3)
        low, x, high = sorted((0.0, turn * width * rng.uniform(), turn * width))
        loc = turn * -decades(rng, 0.1, 1e6)
        yield Draw({"x": x, "loc": loc, "scale": 1.0, "low": low, "high": high}, flags=("CANCELLATION",), difficulty=4)
    for _ in range(12):
        loc, scale, z = rng.normal(), decades(rng, 0.1, 10), -decades(rng, 3, 30)
        low, high = (-inf, float(rng.normal())) if rng.integers(2) else (z - decades(rng, 1e-6, 2), -1.0)
        if rng.integers(2):
            low, z, high = -high, -z, -low
        x, low, high = (float(loc + scale * v) for v in (z, low, high))
        yield Draw({"x": x, "loc": loc, "scale": scale, "low": low, "high": high}, flags=("SATURATION",), difficulty=3)


draw_log_prob = _cases(True)
draw_cdf = draw_sf = draw_log_cdf = draw_log_sf = _with_tails


def _probabilities(name: str) -> Callable[[np.random.Generator], Iterator[Draw]]:
    """In the middle, in both tails and on the ends, for the parameters of the other draws."""

    def draw(rng: np.random.Generator) -> Iterator[Draw]:
        for case in _with_tails(rng):
            given = dict(case.arguments)
            x = given.pop("x")
            flags = tuple(f for f in case.flags if f not in ("OUT_OF_SUPPORT", "SUPPORT_EDGE"))
            u: Any = rng.uniform(size=x.shape) if isinstance(x, np.ndarray) else _level(rng)
            u = 0.5 if case.result == "invalid" else u
            yield Draw({name: u, **given}, flags=flags, difficulty=case.difficulty, result=case.result)
        good = {"loc": 0.0, "scale": 2.0, "low": -1.0, "high": 3.0}
        for end in (0.0, 1.0):
            for low, high in ((-1.0, 3.0), (1.0, 3.0), (-3.0, -1.0), (0.0, 2.0), (-inf, 2.0), (-2.0, inf), (-inf, inf)):
                yield Draw({name: end, **good, "low": low, "high": high}, flags=("SUPPORT_EDGE",))
        for bad in (-0.5, 1.5):
            yield Draw({name: bad, **good}, flags=("OUT_OF_SUPPORT",))
        yield Draw({name: nan, **good}, result="invalid")

    return draw


def _level(rng: np.random.Generator) -> float:
    kind = rng.uniform()
    if kind < 0.5:
        return float(short(rng.uniform(0.001, 0.999)))
    return decades(rng, 1e-300, 0.1) if kind < 0.75 else 1 - decades(rng, 1e-15, 0.1)


draw_icdf, draw_sample = _probabilities("u"), _probabilities("noise")


draw_mean = draw_mode = draw_variance = draw_entropy = _cases(False)


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    """Pairs with one support or a larger one for q, far apart and close, from the parameters of the other draws."""
    names = ("loc", "scale", "low", "high")
    for i, case in enumerate(_cases(False)(rng)):
        p = case.arguments
        if case.result == "invalid" or any(isinstance(v, np.ndarray) for v in p.values()):
            q, flags = {"loc": 0.25, "scale": 1.5, "low": -8.0, "high": inf}, case.flags
        else:
            q, flags = dict(zip(names, _other(rng, i % 5, *(p[n] for n in names)), strict=True)), case.flags
            if not (q["low"] <= p["low"] and p["high"] <= q["high"]):
                flags = (*flags, "OUT_OF_SUPPORT")
        pair = {f"{n}_p": v for n, v in p.items()} | {f"{n}_q": v for n, v in q.items()}
        yield Draw(pair, flags=flags, difficulty=case.difficulty, result=case.result)
    good = dict(zip(names, (0.0, 1.0, -1.0, 2.0), strict=True))
    for bad in ({"scale": 0.0}, {"loc": nan}, {"low": 3.0}):
        pair = {f"{n}_p": v for n, v in good.items()} | {f"{n}_q": v for n, v in (good | bad).items()}
        yield Draw(pair, result="invalid")


def maximum_likelihood(data: Any, low: Any, high: Any) -> Parameters:
    """Where E[z] and E[z^2] are the averages of the data's; none where an exponential density does better.

    Source: johnson-kotz-balakrishnan-1994, section 10.1
    """
    low, high = number(low), number(high)
    values, ends = np.array([float(x) for x in data]), (float(low), float(high))
    inner = known(*data, low, high) and low < high and np.all((values >= ends[0]) & (values <= ends[1]))
    if not inner or len(set(values)) < 2 or not np.all(np.isfinite(values)) or _too_wide(data, low, high):
        return Parameters(undefined(*data, low, high), undefined(*data, low, high))
    centre, unit = float(np.mean(values)), float(np.std(values))
    y, a, b = [(x - centre) / unit for x in data], (low - centre) / unit, (high - centre) / unit
    mean, square = (sum((v**n for v in y), number(0)) / len(y) for n in (1, 2))

    def score(unknowns: list[Number]) -> list[Any]:
        loc, scale = unknowns[0] - 1, unknowns[1]  # the first is not 0 for symmetric data
        mass = _mass(loc, scale, a, b)
        if not mass > 0:
            raise Undecided("an empty interval")
        first, second = (mean - loc) / scale, (square - 2 * loc * mean + loc * loc) / (scale * scale)
        return [_first(loc, scale, a, b, mass) - first, _second(loc, scale, a, b, mass) - second]

    found = estimate(values, *ends)
    loc, scale = solved(score, [(float(found.loc) - centre) / unit + 1, float(found.scale) / unit])
    return Parameters(centre + unit * (loc - 1) + _none(low, high), unit * scale + _none(low, high))


def _too_wide(data: Any, low: Number, high: Number) -> bool:
    """Whether the variance is that of the exponential density with the same mean, or larger."""
    mean = sum((number(x.ball) for x in data), number(0)) / len(data)
    square = sum(((x - mean) ** 2 for x in (number(v.ball) for v in data)), number(0)) / len(data)
    if low.stated or high.stated:
        near = [abs(float(e) - float(mean)) for e in (low, high) if not e.stated]
        return bool(near) and bool(square >= min((mean - e) ** 2 for e in (low, high) if not e.stated))
    low, high = number(low.ball), number(high.ball)
    if 2 * mean == low + high:
        return bool(square >= (high - low) ** 2 / 12)
    half, aim = (high - low) / 2, abs(2 * mean - low - high) / (high - low)
    s = float(aim)
    k = solved(lambda t: [1 / tanh(t[0]) - 1 / t[0] - aim], [s * (3 - s * s) / (1 - s * s)])[0]
    return bool(square >= half * half * (1 / (k * k) + 1 - 1 / tanh(k) ** 2))


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    """Data between the ends: around loc, on one side, with open ends, narrow, too wide."""
    for kind, count, flags, difficulty in (
        ("around", 16, (), 1),
        ("tail", 12, ("SATURATION",), 3),
        ("open", 12, (), 2),
        ("narrow", 8, ("CANCELLATION",), 3),
        ("large", 8, ("HUGE_PARAMETER",), 4),
        ("whole", 2, ("SUPPORT_EDGE",), 1),
    ):
        for _ in range(count):
            yield _sample(rng, kind, flags, difficulty)
    good = {"data": np.array([0.5, 1.0, 1.75]), "low": 0.0, "high": 2.0}
    for change in (
        {"data": np.array([0.125, 1.875, 2.0])},
        {"data": np.array([0.0, 2.0])},
        {"data": np.array([0.0, 1.0, 9.0]), "high": inf},
        {"data": np.array([0.5, 2.5])},
        {"data": np.array([0.5, 0.5])},
        {"data": np.array([0.5])},
        {"data": np.array([0.5, nan])},
        {"low": nan},
        {"low": 2.0},
    ):
        yield Draw(good | change, result="invalid")
    yield Draw({"data": np.array([0.25, 0.5, 0.5, 0.75]), "low": 0.0, "high": 1.0}, flags=("TIE",))


def _sample(rng: np.random.Generator, kind: str, flags: Any, difficulty: int) -> Draw:
    while True:
        low, high = -decades(rng, 0.3, 5), decades(rng, 0.3, 5)
        if kind == "tail":
            low = decades(rng, 0.1, 4)
            high = low + decades(rng, 0.3, 5)
        low, high = {"open": (low, inf), "whole": (-inf, inf), "narrow": (9 * low, 9 * high)}.get(kind, (low, high))
        u = rng.uniform(size=int(rng.choice([2, 3, 3])))
        data = guess(u, 0.0, 0.01 if kind == "narrow" else 1.0, low, high)
        loc, scale = (10 ** rng.uniform(-3, 9), 10 ** rng.uniform(-3, 6)) if kind == "large" else (0.0, 1.0)
        data, low, high = ((v * scale + loc) if kind != "around" else short(v) for v in (data, low, high))
        if kind != "large" and rng.integers(2):
            data, low, high = -data, -high, -low
        found = estimate(data, low, high)
        if abs(float(found.loc) - np.mean(data)) < 30 * np.std(data):
            return Draw({"data": data, "low": float(low), "high": float(high)}, flags=flags, difficulty=difficulty)


def _other(rng: np.random.Generator, kind: int, loc: float, scale: float, low: float, high: float) -> Any:
    """Parameters of q: close or not, with the same support, a wider one, one more open, seldom a narrower one."""
    off = decades(rng, 1e-12, 1e-2) if kind == 0 else decades(rng, 1e-2, 3)
    width = min(high - low, 10 * scale)
    q = [loc + off * rng.normal() * scale, scale * float(np.exp(off * rng.normal())), low, high]
    if kind == 2:
        q[2:] = [low - decades(rng, 1e-6, 3) * width, high + decades(rng, 1e-6, 3) * width]
    if kind == 3:
        q[2:] = [(-inf, high), (low, inf)][int(rng.integers(2))]
    if kind == 4 and rng.integers(6) == 0:
        q[2] = low + width / 4 if low > -inf else loc
    return [float(v) for v in q]
