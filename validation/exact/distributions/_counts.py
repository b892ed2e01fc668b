"""What the definitions and the test points of count distributions share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, lgamma, log, number, stated

LARGEST = 2**63 - 1


def whole(k: Number) -> bool:
    """Whether k is a finite whole number."""
    return not k.stated and k == number(math.floor(float(k)))


def count(k: Number) -> bool:
    return whole(k) and k >= 0


def positive(a: Number) -> bool:
    return bool(0 < a < inf)


def unit(p: Number) -> bool:
    return bool(0 <= p <= 1)


def is_nan(*numbers: Number) -> bool:
    return any(math.isnan(float(x)) for x in numbers)


def log_choose(n: Number, k: Number) -> Any:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def times_log(k: Number, p: Number) -> Any:
    """k log p with 0 log 0 = 0."""
    return k * log(p) if k != 0 else number(0)


def undefined(*parameters: Number) -> Number:
    return stated(nan, *((p, nan) for p in parameters))


def flat(value: float, *parameters: Number) -> Number:
    """A value that does not change."""
    return stated(value, *((p, 0) for p in parameters))


def stated_at(value: Number, *parents: tuple[Number, float]) -> Number:
    """A value with its own derivatives, and those that are stated."""
    return Number(value.ball, [(value, lambda g: g), *((x, lambda g, s=s: g * s) for x, s in parents)])


def tail(name: str, k: Number, end: Any, inner: Callable[[Number], Any], *parameters: Number) -> Any:
    """cdf, sf, log_cdf or log_sf: what they are before 0 and from the end of the support on, between them ``inner``."""
    low, high = {"cdf": (0.0, 1.0), "sf": (1.0, 0.0), "log_cdf": (-inf, 0.0), "log_sf": (0.0, -inf)}[name]
    if k < 0 or k >= end:
        return flat(low if k < 0 else high, *parameters)
    return inner(number(math.floor(float(k))))


def integers(of_numbers: Callable[..., int]) -> Callable[..., Any]:
    """A definition whose results are counts, over arrays, as int64."""
    over_arrays = np.frompyfunc(lambda *a: of_numbers(*map(number, a)), of_numbers.__code__.co_argcount, 1)

    @wraps(of_numbers)
    def apply(*arguments: Any) -> Any:
        with np.errstate(invalid="ignore"):  # NumPy reports the nans among the arguments
            return np.asarray(over_arrays(*arguments)).astype(np.int64)

    return apply


def quantile(u: Number, cdf: Callable[[int], Any], guess: float) -> int:
    """The smallest count with cdf(count) >= u, from a guess that proves nothing."""
    k, step = max(int(guess), 0), 1
    while cdf(k) < u:
        k, step = k + step, 2 * step
    low = -1
    step = 1
    while k - step >= 0:
        if cdf(k - step) < u:
            low = k - step
            break
        k, step = k - step, 2 * step
    while k - low > 1:
        middle = (k + low) // 2
        low, k = (low, middle) if cdf(middle) >= u else (middle, k)
    return k


def around(rng: np.random.Generator, mean: float, sd: float, most: float = 2.0**53) -> int:
    """A count within a few standard deviations of the mean."""
    return int(min(max(round(mean + sd * rng.normal()), 0), most))


Draws = Callable[..., Iterator[Draw]]


def distinct(draws: Draws) -> Draws:
    """The same test points without those that have come before: short numbers meet."""

    @wraps(draws)
    def apply(*arguments: Any) -> Iterator[Draw]:
        seen = set()
        for draw in draws(*arguments):
            key = tuple((n, np.shape(v), np.asarray(v, dtype=np.float64).tobytes()) for n, v in draw.arguments.items())
            if key not in seen:
                seen.add(key)
                yield draw

    return apply


Point = Callable[[np.random.Generator, float, float, float], dict[str, Any]]
"""``point(rng, low, high, sds)``: k and parameters of a size between low and high, k some ``sds`` from the mean."""


@distinct
def draw_tails(
    rng: np.random.Generator, point: Point, edges: Sequence[dict[str, Any]], invalid: Sequence[dict[str, Any]]
) -> Iterator[Draw]:
    """Points for cdf, sf and their logarithms."""
    for _ in range(60):
        yield Draw({n: short(v) if isinstance(v, float) else v for n, v in point(rng, 0.5, 30, 1.5).items()})
    for _ in range(50):
        yield Draw(point(rng, 0.01, 1e4, 2), difficulty=2)
    for _ in range(35):
        yield Draw(point(rng, 1e5, 1e12, 1), flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(35):  # tails
        yield Draw(point(rng, 1, 1e6, 12), flags=("SATURATION",), difficulty=3)
    for edge in edges:
        yield Draw(edge, flags=("SUPPORT_EDGE",))
    for k in (-1, -0.5, 0.5, 1.75, inf, -inf):
        yield Draw(point(rng, 5, 9, 1) | {"k": k}, flags=("OUT_OF_SUPPORT",))
    yield Draw(point(rng, 5, 9, 1) | {"k": nan}, result="invalid")
    for bad in invalid:
        yield Draw(point(rng, 5, 9, 1) | bad, result="invalid")
    points = [point(rng, 2, 10, 1) for _ in range(3)]
    yield broadcast(points)
    yield broadcast(points[:2])


def broadcast(points: list[dict[str, Any]]) -> Draw:
    """The first argument a column, the others rows."""
    first = next(iter(points[0]))
    arrays = {n: np.array([p[n] for p in points]) for n in points[0]}
    return Draw(arrays | {first: arrays[first][:, None]}, flags=("BROADCAST",))


def draw_quantiles(
    rng: np.random.Generator,
    point: Point,
    edges: Sequence[dict[str, Any]],
    invalid: Sequence[dict[str, Any]],
    first: str = "u",
) -> Iterator[Draw]:
    """Points for `icdf` and `sample`, whose first argument is ``first``."""

    def at(u: float, low: float, high: float) -> dict[str, Any]:
        return {first: u} | {n: v for n, v in point(rng, low, high, 1).items() if n != "k"}

    for low, high, many, flags in ((0.5, 30, 70, ()), (0.01, 1e4, 60, ()), (1e5, 1e9, 20, ("HUGE_PARAMETER",))):
        for _ in range(many):
            yield Draw(at(rng.uniform(), low, high), flags=flags, difficulty=2)
    for _ in range(20):
        yield Draw(at(decades(rng, 1e-300, 1e-3), 1, 1e6), flags=("TINY_P",), difficulty=3)
        yield Draw(at(1 - decades(rng, 1e-15, 1e-3), 1, 1e6), flags=("SATURATION",), difficulty=3)
    for u in (0.0, 1.0):
        yield Draw(at(u, 1, 10), flags=("SUPPORT_EDGE",))
    for edge in edges:
        yield Draw({first if n == "u" else n: v for n, v in edge.items()}, flags=("SUPPORT_EDGE",))
    for u in (-0.5, 1.5, nan):
        yield Draw(at(u, 1, 10), result="invalid")
    for bad in invalid:
        yield Draw(at(0.5, 1, 10) | bad, result="invalid")
    yield broadcast([at(rng.uniform(), 1, 10) for _ in range(3)])
    yield broadcast([at(rng.uniform(), 1, 10) for _ in range(2)])


@distinct
def draw_modes(
    rng: np.random.Generator, point: Point, special: Sequence[dict[str, Any]], invalid: Sequence[dict[str, Any]]
) -> Iterator[Draw]:
    """Points for `mode`; ``special`` holds ties and edges."""
    for low, high, many, flags in (
        (0.5, 30, 80, ()),
        (0.01, 1e4, 60, ()),
        (1e5, 1e15, 60, ("HUGE_PARAMETER",)),
    ):
        for _ in range(many):
            yield Draw({n: v for n, v in point(rng, low, high, 1).items() if n != "k"}, flags=flags, difficulty=2)
    for arguments in special:
        yield Draw(arguments, flags=("TIE",))
    valid = {n: v for n, v in point(rng, 5, 9, 1).items() if n != "k"}
    for bad in invalid:
        yield Draw(valid | bad, result="invalid")
    if len(valid) > 1:
        yield broadcast([{n: v for n, v in point(rng, 2, 10, 1).items() if n != "k"} for _ in range(3)])


@distinct
def draw_samples(
    rng: np.random.Generator, counts: Callable[[int, float], Any], invalid: float = -1.0
) -> Iterator[Draw]:
    """Data for a maximum likelihood estimate: ``counts(size, scale)``."""
    for i in range(40):
        data = np.asarray(counts(int(decades(rng, 1, 200)), decades(rng, 0.1, 1e4)), dtype=np.float64)
        yield Draw({"data": data}, difficulty=1 + i % 2)
    for _ in range(8):
        data = np.asarray(counts(int(decades(rng, 2, 50)), decades(rng, 1e6, 1e12)), dtype=np.float64)
        yield Draw({"data": data}, flags=("HUGE_PARAMETER",), difficulty=3)
    for _ in range(8):  # real numbers take the place of counts
        yield Draw({"data": short(rng.uniform(0, 1, size=int(rng.integers(2, 9))))})
    for edge in ([0.0], [0.0, 0.0, 0.0], [1.0], [5e-324, 0.0], [0.0, 1.0]):
        yield Draw({"data": np.array(edge)}, flags=("SUPPORT_EDGE",))
    for bad in ([], [nan, 1.0], [1.0, invalid], [inf, 0.0]):
        yield Draw({"data": np.array(bad)}, result="invalid")


def bernoulli_divergence(p: Number, q: Number) -> Any:
    """p log(p / q) + (1 - p) log((1 - p) / (1 - q)), 0 log 0 = 0; at the ends the limits from inside."""
    if (q == 0 and p > 0) or (q == 1 and p < 1):
        return flat(inf, p, q)
    if p == 0:
        return stated(0.0, (p, inf), (q, 1)) if q == 0 else stated_at(-log(1 - q), (p, -inf))
    if p == 1:
        return stated(0.0, (p, -inf), (q, -1)) if q == 1 else stated_at(-log(q), (p, inf))
    return p * log(p / q) + (1 - p) * log((1 - p) / (1 - q))


def times(n: Number, value: Number, *parameters: Number) -> Any:
    """n times a value, infinite or not."""
    return flat(inf, *parameters) if value.stated else n * value


@distinct
def draw_pairs(
    rng: np.random.Generator, other: Callable[[], dict[str, Any]], invalid: Sequence[dict[str, Any]]
) -> Iterator[Draw]:
    """Two probabilities for a divergence, and the other parameters."""

    def draw(p: float, q: float, **why: Any) -> Draw:
        return Draw(other() | {"p_p": p, "p_q": q}, **why)

    for _ in range(70):
        yield draw(short(rng.uniform(0.01, 0.99)), short(rng.uniform(0.01, 0.99)))
    for _ in range(50):
        yield draw(decades(rng, 1e-6, 1), decades(rng, 1e-6, 1), difficulty=2)
    for _ in range(40):  # nearly the same
        p = decades(rng, 1e-6, 1)
        q = min(p * (1 + rng.normal() * decades(rng, 1e-15, 1e-1)), 1 - 2.0**-53)
        yield draw(p, q, flags=("NEAR_ROOT", "CANCELLATION"), difficulty=4)
    for _ in range(20):
        yield draw(decades(rng, 1e-300, 1), decades(rng, 1e-300, 1), flags=("TINY_P",), difficulty=5)
        yield draw(1 - decades(rng, 1e-15, 0.1), 1 - decades(rng, 1e-15, 0.1), flags=("SATURATION",), difficulty=4)
    for p in (0.0, 1.0, 0.25, 5e-324):
        for q in (0.0, 1.0, 0.25, 5e-324):
            yield draw(p, q, flags=("SUPPORT_EDGE",))
    for p, q in ((-0.5, 0.5), (1.5, 0.5), (nan, 0.5), (0.5, -0.5), (0.5, 1.5), (0.5, nan)):
        yield draw(p, q, result="invalid")
    for bad in invalid:
        yield Draw(other() | bad | {"p_p": 0.5, "p_q": 0.25}, result="invalid")
    yield broadcast([other() | {"p_p": rng.uniform(), "p_q": rng.uniform()} for _ in range(3)])


@distinct
def draw_probabilities(rng: np.random.Generator) -> Iterator[Draw]:
    """Points for the functions of one probability."""
    for _ in range(60):
        yield Draw({"p": short(rng.uniform(), 16)})
    for _ in range(60):
        yield Draw({"p": decades(rng, 1e-4, 1)}, difficulty=2)
    for _ in range(40):
        yield Draw({"p": decades(rng, 1e-150, 1e-4)}, flags=("TINY_P",), difficulty=3)
        yield Draw({"p": 1 - decades(rng, 1e-15, 1e-1)}, flags=("SATURATION",), difficulty=3)
    for _ in range(10):
        yield Draw({"p": 0.5 + rng.normal() * decades(rng, 1e-15, 1e-2)}, flags=("NEAR_ROOT",), difficulty=4)
    for p in (0.0, 1.0, 0.5, 1e-300, 1e-310, 5e-324, 1 - 2.0**-53):
        yield Draw({"p": p}, flags=("SUPPORT_EDGE",))
    for p in (-0.5, 1.5, nan):
        yield Draw({"p": p}, result="invalid")
