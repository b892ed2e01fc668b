"""What the definitions of families of a location and a scale share: domains, the ends of the line, cases."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from math import inf, nan
from typing import Any

import numpy as np

from refengine.domains import Domain, Interval
from validation.exact.draws import Draw, spread
from validation.exact.number import Number, exp, hypergeometric_u, log, log1p, number, pi, sqrt, stated
from validation.exact.number import erfc as _erfc


def defined(
    low: float = nan, high: float = nan, *, from_0: bool = False, closed: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A definition on numbers for every element of broadcast arrays, nan outside the domains that the names tell.

    ``low``, ``high``: the values at x = -inf and inf, where nothing has a slope; the former for x < 0 too, and, unless
    the support is ``closed``, for x = 0, where the support begins at 0.
    """

    def decorate(definition: Callable[..., Any]) -> Callable[..., Any]:
        names = list(inspect.signature(definition).parameters)

        def checked(*values: Any) -> Any:
            numbers = [number(v) for v in values]
            if not all(_inside(n.partition("_")[0], v) for n, v in zip(names, numbers, strict=True)):
                return stated(nan, *((v, nan) for v in numbers))
            if names[0] == "x" and numbers[0].stated:
                return stated(low if numbers[0] < 0 else high, *((v, 0) for v in numbers))
            if from_0 and (numbers[0] < 0 or (numbers[0] == 0 and not closed)):
                return stated(low, *((v, 0) for v in numbers))
            return definition(*numbers)

        over_arrays = np.frompyfunc(checked, len(names), 1)

        @wraps(definition)
        def apply(*arguments: Any) -> Any:
            with np.errstate(invalid="ignore"):
                return over_arrays(*arguments)

        return apply

    return decorate


def _inside(name: str, v: Number) -> bool:
    if v != v:
        return False
    if name in ("scale", "rate", "alpha", "a", "b", "concentration"):
        return 0 < v < inf
    if name in ("loc", "low", "high"):
        return -inf < v < inf
    return 0 <= v <= 1 if name == "u" else True


def expm1(x: Any) -> Any:
    return Number(x.ball.expm1(), [(x, lambda g: g * exp(x))])


def erf(x: Any) -> Any:
    return Number(x.ball.erf(), [(x, lambda g: 2 * g * exp(-x * x) / sqrt(pi()))])


def upper(z: Any) -> Any:
    """The probability of a standard normal number above z."""
    return _erfc(z / sqrt(number(2))) / 2


def log_upper(z: Any) -> Any:
    """Its logarithm; where it is nearly 1 the complement decides how many bits it takes.

    Far out, where erfc(x) as a ball has no bits, it is exp(-x^2) U(1/2, 1/2, x^2) / sqrt(pi) (NIST DLMF 7.11.5).
    """
    if z < 1000:
        return log1p(-upper(-z)) if z < 0 else log(upper(z))
    return log(hypergeometric_u(0.5, 0.5, z * z / 2)) - z * z / 2 - log(4 * pi()) / 2


REAL, POSITIVE = Interval(), Interval(0)
LINE: dict[str, Domain] = {"x": REAL, "loc": REAL, "scale": POSITIVE}


def draws(rng: np.random.Generator, near: Any, switches: tuple[float, ...] = (), kink: Any = None) -> Iterator[Draw]:
    """Cases of a log density on the line: ``switches`` are values of z beside which its algorithm changes."""
    yield from spread(rng, LINE, near)
    for z in switches:
        for at in (np.nextafter(z, -inf), z, np.nextafter(z, inf)):
            yield Draw({"x": float(at), "loc": 0.0, "scale": 1.0}, flags=("WRONG_BRANCH",), difficulty=3)
    for x, loc, scale in (
        (1.5e308, -1.5e308, 1e308),  # the difference overflows, the quotient does not
        (1e300, 0.0, 1e-300),
        (-1e300, 1.0, 1e-5),
        (1e-320, 0.0, 1e-322),
        (5e-324, 0.0, 1e-310),
        (3e-310, -2e-310, 1e-309),
        (1e160, 0.0, 1e200),
        (-1e10, 1e10, 1e-10),
        (3e-200, 1e-200, 1e-200),
        (-700.0, 0.0, 1.0),
        (700.0, 0.0, 1.0),
        (-40.0, 0.0, 1.0),
        (1e16, 1e16 + 4, 2.0),
    ):
        flags = ("SUBNORMAL",) if 0 < scale < 1e-307 else ("HUGE_PARAMETER",)
        yield Draw({"x": x, "loc": loc, "scale": scale}, flags=flags, difficulty=5)
    for scale in (1.0, 0.25, 8.0):
        conventions = kink or {}
        flags = ("KINK", "AMBIGUOUS_CONVENTION") if kink else ("NEAR_ROOT",)
        result = "ambiguous" if kink else "required"
        arguments = {"x": 1.5, "loc": 1.5, "scale": scale}
        yield Draw(arguments, flags=flags, result=result, alternatives=conventions)
    for x in (inf, -inf):
        yield Draw({"x": x, "loc": 1.0, "scale": 2.0}, flags=("OUT_OF_SUPPORT",))
    for loc, scale in ((inf, 1.0), (1.0, inf), (1.0, -1.0), (-inf, 2.0)):
        yield Draw({"x": 0.5, "loc": loc, "scale": scale}, result="invalid")


BAD = ([1.0, 1.0, 1.0], [], [2.0], [1.0, nan, 2.0], [1.0, inf, 0.0], [-inf, 1.0, 3.0])
BAD_SCALES = ([0.0, 0.0, 0.0], [], [1.0, -2.0], [1.0, nan, 2.0], [1.0, inf, 0.0], [-inf, 1.0, 3.0])


def distinct(**domains: Domain) -> Callable[[np.random.Generator], Iterator[Draw]]:
    """Cases of few arguments, of which no two are the same although many are short numbers."""

    def draw(rng: np.random.Generator) -> Iterator[Draw]:
        seen = set()
        for case in spread(rng, domains):
            key = str({name: np.asarray(value).tolist() for name, value in case.arguments.items()})
            if key not in seen:
                seen.add(key)
                yield case

    return draw


HALF_LINE: dict[str, Domain] = {"x": Interval(0, closed=True), "scale": POSITIVE}


def half_draws(rng: np.random.Generator, near: Any) -> Iterator[Draw]:
    """Cases of a log density on x >= 0."""
    yield from spread(rng, HALF_LINE, near)
    for x, scale in (
        (1e300, 1e-300),
        (1e-320, 1e-322),
        (5e-324, 1e-310),
        (1e160, 1e200),
        (1.5e308, 1e308),
        (40.0, 1.0),
    ):
        flags = ("SUBNORMAL",) if scale < 1e-307 else ("HUGE_PARAMETER",)
        yield Draw({"x": x, "scale": scale}, flags=flags, difficulty=5)
    for scale in (1.0, 0.3, 1e9):
        yield Draw({"x": 0.0, "scale": scale}, flags=("SUPPORT_EDGE",))
        yield Draw({"x": -0.0, "scale": 2 * scale}, flags=("SUPPORT_EDGE",))
    for x in (-5e-324, -1.0, inf, -inf):
        yield Draw({"x": x, "scale": 2.0}, flags=("OUT_OF_SUPPORT",))
    for scale in (inf, -1.0, -inf):
        yield Draw({"x": 0.5, "scale": scale}, result="invalid")


def samples(
    rng: np.random.Generator, family: Callable[..., Any], *, least: int = 2, positive: bool = False, bad: Any = BAD
) -> Iterator[Draw]:
    """Data for maximum likelihood: ``family(size=n)`` draws from the family with location 0 and scale 1."""

    def standard(size: int) -> Any:
        return np.abs(family(size=size)) + 1 / 16 if positive else family(size=size)

    move = 0 if positive else 1
    for _ in range(26):
        n = int(rng.integers(least, 6))
        data = _short(standard(size=n) * 2.0 ** rng.integers(-3, 4) + move * rng.integers(-4, 5)) + (1 - move) / 16
        yield Draw({"data": data}, difficulty=1)
    for _ in range(8):  # far from the origin
        data = standard(size=int(rng.integers(least, 6))) + 10.0 ** rng.uniform(3, 9)
        yield Draw({"data": data}, flags=("CANCELLATION",), difficulty=3)
    for _ in range(8):  # tiny and huge units
        data = standard(size=int(rng.integers(least, 6))) * 10.0 ** rng.uniform(-250, 250)
        yield Draw({"data": data}, flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(6):  # one observation far out
        data = np.append(standard(size=int(rng.integers(3, 6))), 10.0 ** rng.uniform(2, 6))
        yield Draw({"data": data}, flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(6):  # grouped data
        n = int(rng.integers(4, 7))
        yield Draw(
            {"data": np.append(rng.integers(0, 5, size=n - 2).astype(float), [7.0, 6.0 - 12 * move])}, flags=("TIE",)
        )
    yield Draw({"data": standard(size=10)}, difficulty=2)
    for values in bad:
        yield Draw({"data": np.array(values)}, result="invalid")


def _short(values: np.ndarray) -> np.ndarray:
    return np.round(values * 16) / 16


def estimable(data: Any, largest_tie: float = inf) -> bool:
    """Whether the data are finite and not all equal, less than ``largest_tie`` of them one number."""
    values = [float(v) for v in data]
    finite = all(abs(v) < inf for v in values)
    return finite and len(set(values)) > 1 and max(values.count(v) for v in values) < largest_tie


def non_negative(data: Any) -> bool:
    """Whether the data are finite, not negative, and not all 0."""
    values = [float(v) for v in data]
    return all(0 <= v < inf for v in values) and any(v > 0 for v in values)


def no_estimate(data: Any, count: int = 2) -> list[Any]:
    return [stated(nan, *((v, nan) for v in data)) for _ in range(count)]


def units(data: Any) -> tuple[float, float]:
    """Round numbers near the middle of the data and near their spread, by which equations are freed from units."""
    values = np.sort([float(v) for v in data])
    middle = float(np.median(values))
    distances = np.abs(values - middle)
    return middle, float(np.median(distances[distances > 0]))
