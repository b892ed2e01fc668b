"""Student's t distribution as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np
from scipy import special

from refengine.distributions import student_t
from refengine.distributions.student_t import Parameters
from refengine.domains import Interval
from validation.exact import incomplete
from validation.exact.distributions._domain import known, level, log1p, positive, undefined
from validation.exact.distributions._location_scale import no_estimate, samples, units
from validation.exact.draws import Draw, decades, short, spread
from validation.exact.number import Number, digamma, exp, lgamma, log, number, pi, pointwise, sqrt, stated
from validation.exact.root import root

RANGES = {"df": (1e-3, 1e15), "loc": (1e-300, 1e15), "scale": (1e-300, 1e15)}
DOMAINS = {"x": Interval(), "df": Interval(0), "loc": Interval(), "scale": Interval(0)}


def near(rng: np.random.Generator, df: float, loc: float, scale: float) -> float | None:
    """A random number."""
    with np.errstate(all="ignore"):
        x = float(loc + scale * rng.normal() / np.sqrt(rng.gamma(df / 2) / (df / 2)))
    return x if -1e100 < x < 1e100 else None


@pointwise
def log_prob(x: Number, df: Number, loc: Number, scale: Number) -> Any:
    """log Gamma((df+1)/2) - log Gamma(df/2) - log(pi df scale^2)/2 - (df+1)/2 log(1 + z^2/df).

    Source: johnson-kotz-balakrishnan-1995, chapter 28
    """
    if not (_defined(df, loc, scale) and known(x)):
        return undefined(x, df, loc, scale)
    if not -inf < x < inf:
        return level(-inf, x, df, loc, scale)
    z = (x - loc) / scale
    return _normaliser(df) - log(scale) - (df + 1) / 2 * log(1 + z * z / df)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from spread(rng, DOMAINS, near, RANGES)
    for _ in range(25):  # many degrees of freedom at a few standard deviations: where digammas cancel
        draw = {"x": rng.normal() * 2, "df": decades(rng, 1e3, 1e15), "loc": 0.0, "scale": 1.0}
        yield Draw(draw, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(15):  # far out
        x = decades(rng, 1e3, 1e100)
        draw = {"x": x, "df": decades(rng, 1e-3, 1e15), "loc": 0.5, "scale": decades(rng, 1e-3, 1e3)}
        yield Draw(draw, difficulty=4)
    for df in (1.0, 23.999999, 24.0, 2.0, 1e-3, 1e15):  # where series and branches change over
        for z in sorted({0.0, 1.0, float(np.sqrt(df)), float(np.nextafter(np.sqrt(df), inf))}):
            draw = {"x": float(z), "df": df, "loc": 0.0, "scale": 1.0}
            yield Draw(draw, flags=("WRONG_BRANCH",), difficulty=3)
    for x in (inf, -inf):
        yield Draw({"x": x, "df": 2.0, "loc": 0.0, "scale": 1.0}, flags=("OUT_OF_SUPPORT",))


def draw_mean(rng: np.random.Generator) -> Iterator[Draw]:
    """Those first that have a variance."""
    domains = {name: DOMAINS[name] for name in ("df", "loc", "scale")}
    yield from sorted(spread(rng, domains, None, RANGES), key=lambda draw: not np.all(draw.arguments["df"] > 2))


draw_variance = draw_mean


def _normaliser(df: Number) -> Any:
    return lgamma((df + 1) / 2) - lgamma(df / 2) - log(pi() * df) / 2


def _defined(df: Number, loc: Number, scale: Number) -> bool:
    return positive(df, scale) and -inf < loc < inf


@pointwise
def entropy(df: Number, loc: Number, scale: Number) -> Any:
    """(df+1)/2 (psi((df+1)/2) - psi(df/2)) less the normaliser, plus log scale.

    Source: johnson-kotz-balakrishnan-1995, chapter 28
    """
    if not _defined(df, loc, scale):
        return undefined(df, loc, scale)
    return (df + 1) / 2 * (digamma((df + 1) / 2) - digamma(df / 2)) - _normaliser(df) + log(scale) + 0 * loc


@pointwise
def mean(df: Number, loc: Number, scale: Number) -> Any:
    """The location where df > 1.

    Source: johnson-kotz-balakrishnan-1995, chapter 28
    """
    if not (_defined(df, loc, scale) and df > 1):
        return undefined(df, loc, scale)
    return loc + 0 * df + 0 * scale


@pointwise
def variance(df: Number, loc: Number, scale: Number) -> Any:
    """scale^2 df / (df - 2).

    Source: johnson-kotz-balakrishnan-1995, chapter 28
    """
    if not (_defined(df, loc, scale) and df > 1):
        return undefined(df, loc, scale)
    return scale * scale * df / (df - 2) + 0 * loc if df > 2 else level(inf, df, loc, scale)


@pointwise
def mode(df: Number, loc: Number, scale: Number) -> Any:
    """The location.

    Source: johnson-kotz-balakrishnan-1995, chapter 28
    """
    return loc + 0 * df + 0 * scale if _defined(df, loc, scale) else undefined(df, loc, scale)


@pointwise
def cdf(x: Number, df: Number, loc: Number, scale: Number) -> Any:
    """I_X(df/2, 1/2)/2 with X = df/(df + z^2) for z < 0, 1 less that for z > 0.

    Source: nist-dlmf, 8.17.2
    """
    return _probability(-1, False, x, df, loc, scale)


@pointwise
def sf(x: Number, df: Number, loc: Number, scale: Number) -> Any:
    """The cdf of the mirrored point.

    Source: nist-dlmf, 8.17.2
    """
    return _probability(1, False, x, df, loc, scale)


@pointwise
def log_cdf(x: Number, df: Number, loc: Number, scale: Number) -> Any:
    """The logarithm of the cdf.

    Source: nist-dlmf, 8.17.2
    """
    return _probability(-1, True, x, df, loc, scale)


@pointwise
def log_sf(x: Number, df: Number, loc: Number, scale: Number) -> Any:
    """The logarithm of the sf.

    Source: nist-dlmf, 8.17.2
    """
    return _probability(1, True, x, df, loc, scale)


def _probability(side: int, in_log: bool, x: Number, df: Number, loc: Number, scale: Number) -> Any:
    if not (_defined(df, loc, scale) and known(x)):
        return undefined(x, df, loc, scale)
    if not -inf < x < inf:
        whole = side * x < 0
        return level((0.0 if in_log else 1.0) if whole else (-inf if in_log else 0.0), x, df, loc, scale)
    if x == loc:
        slope = -side * exp(_normaliser(df)) / scale * (2 if in_log else 1)
        value = log(number(0.5)).ball if in_log else 0.5
        return stated(value, (x, slope), (df, 0.0), (loc, -slope), (scale, 0.0))
    z = (x - loc) / scale
    place = df / 2, number(0.5), df / (df + z * z), z * z / (df + z * z)
    if side * x > side * loc:
        return incomplete.log_beta_p(*place) - log(number(2)) if in_log else incomplete.beta_p(*place) / 2
    tail = incomplete.beta_p(*place) / 2
    return log1p(-tail) if in_log else 1 - tail


@pointwise
def icdf(u: Number, df: Number, loc: Number, scale: Number) -> Any:
    """The root of cdf = u, solved for logit X = -log(z^2/df).

    Source: nist-dlmf, 8.17.2
    """
    if not (_defined(df, loc, scale) and 0 <= u <= 1):
        return undefined(u, df, loc, scale)
    if u == 0 or u == 1:
        end = inf if u == 1 else -inf
        return stated(end, (u, inf), (df, -end), (loc, 1.0), (scale, end))
    if u == 0.5:
        return stated(float(loc), (u, scale / exp(_normaliser(df))), (df, 0.0), (loc, 1.0), (scale, 0.0))
    low = u if u < 0.5 else 1 - u
    half, both, rest = (float(v) for v in (df / 2, 2 * low, 1 - 2 * low))
    x = special.betaincinv(half, 0.5, both)
    power = (np.log(both) + np.log(half) + special.betaln(half, 0.5)) / half
    start = float((np.log(x) if x > 1e-290 else power) - np.log(special.betaincinv(0.5, half, rest)))
    logit = incomplete.beta_quantile(df / 2, number(0.5), 2 * low, 1 - 2 * low, start)
    distance = sqrt(df) * exp(-logit / 2)
    return loc + scale * distance if u > 0.5 else loc - scale * distance


@pointwise
def sample(noise: Number, df: Number, loc: Number, scale: Number) -> Any:
    """The quantile at the noise.

    Source: figurnov-2018, equation 5
    """
    return icdf(noise, df, loc, scale)


def draw_cdf(rng: np.random.Generator) -> Iterator[Draw]:
    ranges = {"x": (1e-60, 1e15), "df": (1e-2, 1e10), "loc": (1e-60, 1e15), "scale": (1e-60, 1e15)}
    yield from spread(rng, DOMAINS, near, ranges, count=130)
    for _ in range(30):  # many degrees of freedom at a few standard deviations: where derivatives cancel
        draw = {"x": rng.normal() * 3, "df": decades(rng, 1e2, 1e10), "loc": 0.0, "scale": 1.0}
        yield Draw(draw, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(25):  # far out
        df = decades(rng, 1e-2, 1e10)
        x = decades(rng, 3.0, 30.0 if df > 100 else 1e30) * float(rng.choice([-1.0, 1.0]))
        yield Draw({"x": x, "df": df, "loc": 0.5, "scale": decades(rng, 0.5, 3)}, difficulty=4)
    for _ in range(12):  # where z^2 overflows
        x = decades(rng, 1e135, 1e300) * float(rng.choice([-1.0, 1.0]))
        yield Draw({"x": x, "df": decades(rng, 1e-2, 30.0), "loc": 0.5, "scale": 2.0}, difficulty=5)
    for df in (0.01, 0.2, 1.0, 2.0, 8.0, 8.5, 30.0, 1e10):  # about where the score to df changes its sign
        for z in (1.5, 1.7, 2.5):
            draw = {"x": z, "df": df, "loc": 0.0, "scale": 1.0}
            yield Draw(draw, flags=("WRONG_BRANCH",), difficulty=3)
    for df in (0.5, 3.0, 1e6):
        yield Draw({"x": 1.5, "df": df, "loc": 1.5, "scale": 2.0}, flags=("NEAR_ROOT",))
    for x in (inf, -inf):
        yield Draw({"x": x, "df": 2.0, "loc": 0.0, "scale": 1.0}, flags=("OUT_OF_SUPPORT",))


draw_sf = draw_log_cdf = draw_log_sf = draw_cdf


def _quantiles(name: str) -> Any:
    def draw(rng: np.random.Generator) -> Iterator[Draw]:
        for low, high, count, flags in (
            (0.1, 30.0, 85, ()),
            (0.03, 1e4, 50, ()),
            (1e5, 1e10, 30, ("HUGE_PARAMETER", "CANCELLATION")),
        ):
            for _ in range(count):
                u, df = float(rng.uniform(0.01, 0.99)), decades(rng, low, high)
                loc, scale = float(rng.normal()), decades(rng, 0.1, 10.0) if low == 0.1 else decades(rng, 1e-6, 1e6)
                if low == 0.1:
                    u, df, loc, scale = short(u), short(df), short(loc), short(scale)
                yield Draw({name: u, "df": df, "loc": loc, "scale": scale}, flags=flags, difficulty=4 if flags else 2)
        for _ in range(25):  # tails
            df = decades(rng, 0.1, 1e8)
            least = 10.0 ** -min(60.0, 50 * df)
            u = decades(rng, least, 0.1) if rng.integers(2) else 1 - decades(rng, max(least, 2.0**-50), 0.1)
            draw = {name: u, "df": df, "loc": 0.0, "scale": decades(rng, 0.1, 10.0)}
            yield Draw(draw, flags=("SATURATION",), difficulty=3)
        for _ in range(10):  # quantiles of which the square overflows
            df = decades(rng, 0.01, 1.5)
            u = 10.0 ** -(df * rng.uniform(130, 200))
            yield Draw({name: u, "df": df, "loc": 0.0, "scale": 2.0}, flags=("SATURATION",), difficulty=5)
        for _ in range(15):  # next to the middle
            u = 0.5 + decades(rng, 1e-15, 1e-2) * float(rng.choice([-1.0, 1.0]))
            draw = {name: u, "df": decades(rng, 0.1, 1e8), "loc": 0.0, "scale": 2.0}
            yield Draw(draw, flags=("NEAR_ROOT",), difficulty=4)
        for u in (0.0, 0.5, 1.0):
            yield Draw({name: u, "df": 3.0, "loc": 1.0, "scale": 2.0}, flags=("SUPPORT_EDGE",))
        good = {name: 0.25, "df": 3.0, "loc": 1.0, "scale": 2.0}
        for key, bad in ((name, -0.5), (name, 1.5), (name, np.nan), ("df", 0.0), ("df", inf), ("loc", inf)):
            yield Draw(good | {key: bad}, result="invalid")
        for key, bad in (("scale", 0.0), ("scale", -1.0), ("df", np.nan), ("scale", np.nan)):
            yield Draw(good | {key: bad}, result="invalid")
        grid = {name: np.array([[0.125], [0.625]]), "df": np.array([0.5, 2.0, 50.0]), "loc": np.array(1.0)}
        yield Draw(grid | {"scale": np.array(2.0)}, flags=("BROADCAST",))

    return draw


draw_icdf, draw_sample = _quantiles("u"), _quantiles("noise")


def maximum_likelihood(data: Any, df: Any) -> Any:
    """Where both scores vanish: for the weights u = (nu + 1) / (nu + z^2), sum u z = 0 and sum u = N.

    The latter says that sum u z^2 = N, since u (nu + z^2) = nu + 1.

    Source: kent-tyler-1991, section 2
    """
    df, values = number(df), [float(v) for v in data]
    tie, size = max((values.count(v) for v in values), default=0), len(values)
    if not (all(-inf < v < inf for v in values) and 1 <= df < inf and tie < (size - tie) * df):
        return Parameters(*no_estimate([*data, df]))
    centre, unit = units(data)
    z = [(x - centre) / unit for x in data]

    def score(t: list[Number]) -> list[Any]:
        # t[0] is one unit away from the location, so that it is not 0 for symmetric data
        m, square = t[0] - 1, t[1] * t[1]
        apart, below = [y - m for y in z], df * square
        u = [1 / (below + d * d) for d in apart]
        return [sum(d * w for d, w in zip(apart, u, strict=True)), (df + 1) * square * sum(u) - size]

    loc, scale = (float(v) for v in student_t.maximum_likelihood(np.array(values), float(df)))  # prove nothing
    m, s = root(score, [(loc - centre) / unit + 1, scale / unit])
    return Parameters(centre + unit * (m - 1), unit * s)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    for i, draw in enumerate(samples(rng, lambda size: rng.standard_t(3.0, size=size), least=3)):
        if i % 4 == 3:
            arguments = draw.arguments | {"df": decades(rng, 1e2, 1e12)}
            yield Draw(arguments, flags=("HUGE_PARAMETER",), difficulty=4, result=draw.result)
        else:
            arguments = draw.arguments | {"df": short(decades(rng, 1.0, 30.0)) if i % 2 else decades(rng, 1.0, 30.0)}
            yield Draw(arguments, flags=draw.flags, difficulty=draw.difficulty, result=draw.result)
    for data, df in (
        ([2.0, 2.0, 5.0, 5.5], 1.0),
        ([2.0, 2.0, 5.0], 2.0),
        ([2.0, 2.0, 5.0], 2.000001),
        ([1.0, 4.0, 4.0, 4.0, 6.0], 1.5),
        ([1.0, 4.0, 4.0, 4.0, 6.0], 2.5),
    ):
        yield Draw({"data": np.array(data), "df": df}, flags=("TIE",), difficulty=3)
    for df in (1.0, float(np.nextafter(1.0, 0.0))):
        yield Draw({"data": np.array([1.0, 2.0, 4.0, 16.0]), "df": df}, flags=("SUPPORT_EDGE",))
    for df in (0.5, 0.0, -1.0, inf, np.nan):
        yield Draw({"data": np.array([1.0, 2.0, 4.0]), "df": df}, result="invalid")
