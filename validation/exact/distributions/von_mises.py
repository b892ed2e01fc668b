"""The von Mises density as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan, pi
from typing import Any, NamedTuple

import numpy as np

from refengine.domains import Interval
from validation.exact import number
from validation.exact.distributions import _angle
from validation.exact.distributions._directions import inverse_mean_cosine
from validation.exact.draws import Draw, decades, short, spread
from validation.exact.number import Number, bessel_i, cos, hypergeometric_0f1, log, pointwise, stated
from validation.exact.root import root

RANGES = {"x": (1e-300, 1e15), "loc": (1e-300, 1e15), "concentration": (1e-300, 1e15)}


def near(rng: np.random.Generator, loc: float, concentration: float) -> float:
    """An angle within a few standard deviations of the mode, some whole turns away."""
    return loc + min(pi, 3 / concentration**0.5) * float(rng.normal()) + 2 * pi * int(rng.integers(-1, 2))


@pointwise
def log_prob(x: Number, loc: Number, concentration: Number) -> Any:
    """kappa cos(x - mu) - log(2 pi I_0(kappa)).

    Source: mardia-jupp-2000, eq. 3.5.17
    """
    if x.stated or loc.stated or not 0 <= concentration < inf:
        return stated(nan, (x, nan), (loc, nan), (concentration, nan))
    return concentration * cos(x - loc) - log(2 * number.pi() * bessel_0(concentration))


def bessel_0(concentration: Number) -> Any:
    """I_0, also at 0."""
    if concentration > 0:
        return bessel_i(0, concentration)
    return hypergeometric_0f1(1, concentration * concentration / 4)


def mean_cosine(concentration: Number) -> Any:
    """I_1 / I_0, also at 0."""
    if concentration > 0:
        return bessel_i(1, concentration) / bessel_i(0, concentration)
    return concentration / 2


def _known(loc: Number, concentration: Number) -> bool:
    return not loc.stated and bool(0 <= concentration < inf)


@pointwise
def entropy(loc: Number, concentration: Number) -> Any:
    """log(2 pi I_0) - kappa A.

    Source: mardia-jupp-2000, eq. 3.5.17
    """
    if not _known(loc, concentration):
        return stated(nan, (loc, nan), (concentration, nan))
    return log(2 * number.pi() * bessel_0(concentration)) - concentration * mean_cosine(concentration)


@pointwise
def mean(loc: Number, concentration: Number) -> Any:
    """mu, where there is a mean direction.

    Source: mardia-jupp-2000, section 3.4.2
    """
    if not (_known(loc, concentration) and concentration > 0):
        return stated(nan, (loc, nan), (concentration, nan))
    return 1 * loc


@pointwise
def mode(loc: Number, concentration: Number) -> Any:
    """mu, where there is a mode.

    Source: mardia-jupp-2000, section 3.5.4
    """
    return mean(loc, concentration)


@pointwise
def variance(loc: Number, concentration: Number) -> Any:
    """1 - A.

    Source: mardia-jupp-2000, eq. 2.3.5 and 3.4.8
    """
    if not _known(loc, concentration):
        return stated(nan, (loc, nan), (concentration, nan))
    return 1 - mean_cosine(concentration)


@pointwise
def kl_divergence(loc_p: Number, concentration_p: Number, loc_q: Number, concentration_q: Number) -> Any:
    """log I_0(q) - log I_0(p) + A(p) (kappa_p - kappa_q cos(mu_p - mu_q)).

    Source: mardia-jupp-2000, eq. 3.5.17
    """
    if not (_known(loc_p, concentration_p) and _known(loc_q, concentration_q)):
        return stated(nan, *((v, nan) for v in (loc_p, concentration_p, loc_q, concentration_q)))
    if loc_p == loc_q and concentration_p == concentration_q:
        return _same(loc_p, concentration_p, loc_q, concentration_q)
    gap = mean_cosine(concentration_p) * (concentration_p - concentration_q * cos(loc_p - loc_q))
    return log(bessel_0(concentration_q)) - log(bessel_0(concentration_p)) + gap


def _same(*arguments: Number) -> Number:
    """0, with the slope 0 to every argument, which no ball can prove."""
    return stated(0.0, *((v, 0) for v in arguments))


@pointwise
def cdf(x: Number, loc: Number, concentration: Number) -> Any:
    """The integral of the density from -pi to x - mu, less whole turns.

    Source: mardia-jupp-2000, eq. 3.5.17
    """
    if x.stated or not _known(loc, concentration):
        return stated(nan, (x, nan), (loc, nan), (concentration, nan))
    if x == loc:
        slope = 1 / (2 * _angle.tail(concentration, number.number(0), 2, True))
        return Number(
            number.number(0.5).ball,
            [(x, lambda g: g * slope), (loc, lambda g: -g * slope), (concentration, lambda g: g * 0)],
        )
    angle = x - loc
    turns = round(float(angle / (2 * number.pi())))
    angle = angle - 2 * turns * number.pi() if turns else angle
    if not -number.pi() < angle <= number.pi():
        angle = angle - 2 * number.pi() * (1 if angle > 0 else -1)
    lower, upper = (_angle.tail(concentration, abs(angle), 2, side) for side in (False, True))
    beyond = upper / (2 * (lower + upper))
    return 1 - beyond if angle >= 0 else beyond


@pointwise
def sample(noise: Number, loc: Number, concentration: Number) -> Any:
    """The root x of F(x) = u.

    Source: mardia-jupp-2000, section 3.5.4
    """
    if not _known(loc, concentration) or not 0 < noise < 1:
        return stated(nan, (noise, nan), (loc, nan), (concentration, nan))
    if noise == 0.5:
        slope = 2 * _angle.tail(concentration, number.number(0), 2, True)
        return Number(loc.ball, [(noise, lambda g: g * slope), (loc, lambda g: g), (concentration, lambda g: g * 0)])
    if noise < 0.5:
        return loc - _angle.quantile(2 * noise, concentration, 2)
    return loc + _angle.quantile(2 * (1 - noise), concentration, 2)


class Parameters(NamedTuple):
    """As in the reference."""

    loc: Any
    concentration: Any


def maximum_likelihood(data: Any) -> Any:
    """The direction of the resultant, and the root of A(kappa) = its length.

    Source: mardia-jupp-2000, eq. 5.3.2 to 5.3.5
    """
    every = list(data)
    if every and not any(v.stated for v in every):
        c, s = cos(data).sum() / len(every), number.sin(data).sum() / len(every)
        square = c * c + s * s
        if 0 < square < 1:
            length = number.sqrt(square)
            kappa = root(lambda t: [mean_cosine(t[0]) - length], [inverse_mean_cosine(float(length), 2)])[0]
            angle = 2 * number.atan(s / (length + c)) if c > 0 or s != 0 else number.pi()
            return Parameters(angle, kappa)
    return Parameters(*(stated(nan, *((v, nan) for v in every)) for _ in range(2)))


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    domains = {"x": Interval(), "loc": Interval(), "concentration": Interval(0, closed=True)}
    yield from spread(rng, domains, near, RANGES, count=150)
    for switch in (7.75, 8.0, 16.0, 30.0, 32.0, 100.0, 700.0):  # where the algorithms of libraries change over
        for k in (np.nextafter(switch, 0), switch, np.nextafter(switch, 999)):
            draw = {"x": float(rng.normal()), "loc": float(rng.normal()), "concentration": float(k)}
            yield Draw(draw, flags=("WRONG_BRANCH",), difficulty=3)
    for _ in range(20):  # next to the mode, where a large concentration cancels
        k, loc = decades(rng, 1.0, 1e15), float(rng.normal())
        x = loc + float(rng.normal()) / k**0.5
        yield Draw({"x": x, "loc": loc, "concentration": k}, flags=("CANCELLATION",), difficulty=4)
    for x, loc, k in ((1.5, 0.25, 0.0), (-2.0, 1e9, 0.0), (3.0, 3.0, 1e15), (0.0, 0.0, 5e-324), (pi, 0.0, 1e300)):
        yield Draw({"x": x, "loc": loc, "concentration": k}, flags=("SATURATION",), difficulty=3)
    for x, loc, k in ((inf, 0.0, 1.0), (0.5, -inf, 1.0), (0.5, 0.25, inf)):
        yield Draw({"x": x, "loc": loc, "concentration": k}, result="invalid")


def draw_cdf(rng: np.random.Generator) -> Iterator[Draw]:
    domains = {"x": Interval(), "loc": Interval(), "concentration": Interval(0, closed=True)}
    yield from spread(rng, domains, near, RANGES | {"concentration": (1e-300, 1e6)}, count=180)
    for _ in range(20):  # in the tails
        k, loc, depth = decades(rng, 3.0, 1e6), float(rng.normal()), rng.uniform(1, 300)
        x = loc + float(rng.choice([-1.0, 1.0])) * float(np.arccos(max(1 - depth / k, -1.0)))
        yield Draw({"x": x, "loc": loc, "concentration": k}, flags=("SATURATION",), difficulty=4)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    domains = {"noise": Interval(0, 1, closed=True), "loc": Interval(), "concentration": Interval(0, closed=True)}
    ranges = {"noise": (2.0**-53, 2.0**53), "loc": (1e-300, 1e15), "concentration": (1e-300, 1e6)}
    yield from spread(rng, domains, None, ranges, count=190)
    for u in (0.5, np.nextafter(0.5, 0), np.nextafter(0.5, 1), 2.0**-53, 1 - 2.0**-53):
        for k in (0.5, 20.0, 3e3):
            yield Draw({"noise": float(u), "loc": float(rng.normal()), "concentration": k}, flags=("WRONG_BRANCH",))


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(30):
        x = rng.vonmises(float(rng.normal()), decades(rng, 0.3, 30), size=2 + i % 6)
        yield Draw({"data": short(x)})
    for i in range(22):
        x = rng.vonmises(float(rng.normal()), decades(rng, 10, 1e6), size=3) + 2 * pi * i
        yield Draw({"data": x}, flags=("SATURATION",), difficulty=3)
    for _ in range(8):  # nearly uniform
        x = rng.uniform(-pi, pi, size=3)
        yield Draw({"data": np.concatenate([x, x + 3.125, [0.5]])}, flags=("NEAR_ROOT",), difficulty=3)
    yield Draw({"data": np.array([0.5, inf])}, result="invalid")
    yield Draw({"data": np.array([0.5, nan])}, result="invalid")
    yield Draw({"data": np.zeros(0)}, flags=("EMPTY_ROW",), result="invalid")


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    domains = {"loc_p": Interval(), "concentration_p": Interval(0, closed=True)}
    domains |= {"loc_q": Interval(), "concentration_q": Interval(0, closed=True)}
    sizes, angles = (1e-300, 1e15), (1e-300, 1e6)
    ranges = {"loc_p": angles, "loc_q": angles, "concentration_p": sizes, "concentration_q": sizes}
    yield from spread(rng, domains, None, ranges, count=150)
    for i in range(50):  # nearly the same distribution
        k, gap, loc = decades(rng, 0.01, 1e9), decades(rng, 1e-14, 0.6), float(rng.normal())
        other = loc + gap * float(rng.normal()) * (i % 3)
        draw = {"loc_p": loc, "concentration_p": k, "loc_q": other, "concentration_q": k * (1 + (-1) ** i * gap)}
        yield Draw(draw, flags=("CANCELLATION", "NEAR_ROOT"), difficulty=4)
    for k, other in ((3.0, 3.0), (0.0, 0.0), (0.0, 2.0), (2.0, 0.0)):
        draw = {"loc_p": 0.5, "concentration_p": k, "loc_q": 0.5, "concentration_q": other}
        yield Draw(draw, flags=("SATURATION",))
