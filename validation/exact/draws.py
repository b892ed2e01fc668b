"""One case to be certified, and how test points are drawn: over decades, both signs, edges."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeAlias

import numpy as np

from refengine.domains import Domain, Integers, Interval

Near: TypeAlias = Callable[..., Any]
"""``near(rng, **parameters)``: data where the density is not negligible."""


@dataclass(frozen=True)
class Draw:
    """Arguments and constants of one case, and why it is there.

    ``arguments`` are plain numbers or arrays by name (``state.position`` for fields); ``alternatives`` gives for each
    named convention the constants in which it differs, or a definition of its own.
    """

    arguments: dict[str, Any]
    constants: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    difficulty: int = 1
    result: str = "required"
    alternatives: dict[str, Any] = field(default_factory=dict)


def decades(rng: np.random.Generator, low: float, high: float) -> float:
    """A positive number whose logarithm is uniform between those of ``low`` and ``high``."""
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def short(x: Any, bits: int = 8) -> Any:
    """Rounded to ``bits`` significant bits (8 fit bfloat16, 11 float16), so that low precisions get the same input."""
    mantissa, exponent = np.frexp(np.asarray(x, dtype=np.float64))
    rounded = np.ldexp(np.round(mantissa * 2**bits), exponent - bits)
    return rounded if rounded.ndim else float(rounded)


def spread(
    rng: np.random.Generator,
    domains: dict[str, Domain],
    near: Near | None = None,
    ranges: dict[str, tuple[float, float]] | None = None,
    count: int = 200,
) -> Iterator[Draw]:
    """At least ``count`` cases of an elementwise operation, from the domains in its signature.

    Moderate values that low precisions hold, then decades, huge and tiny parameters, edges, points out of the support,
    bad parameters, broadcasting. ``near(rng, **parameters)`` places the data ``x`` or ``k`` where their probability
    is; ``ranges`` says how small and how large the size of an argument may become, where that is not 1e-300 to 1e15.
    """
    plan = _Plan(rng, domains, near, ranges or {})
    for flags, difficulty, share, low, high in _SHARES:
        for _ in range(math.ceil(share * count)):
            yield Draw(plan.point(low, high, low_precision=difficulty == 1), flags=flags, difficulty=difficulty)
    yield from plan.edges()
    yield from plan.outside()
    yield from plan.broadcast()


def near_points(
    rng: np.random.Generator, name: str, roots: Iterable[float], switches: Iterable[float]
) -> Iterator[Draw]:
    """Cases of one argument: next to zeros of the function, and on both sides of where algorithms change over."""
    for root in roots:
        for _ in range(10):
            x = root + float(rng.choice([-1.0, 1.0])) * decades(rng, 1e-15, 1e-2)
            yield Draw({name: x}, flags=("NEAR_ROOT",), difficulty=4)
        yield Draw({name: root}, flags=("NEAR_ROOT",))
    for switch in switches:
        for x in (np.nextafter(switch, -math.inf), switch, np.nextafter(switch, math.inf)):
            yield Draw({name: float(x)}, flags=("WRONG_BRANCH",), difficulty=3)


def distinct(*draws: Iterable[Draw]) -> Iterator[Draw]:
    """The draws of one argument after another, without those that came before."""
    seen = set()
    for draw in chain(*draws):
        key = repr(sorted(draw.arguments.items()))
        if key not in seen:
            seen.add(key)
            yield draw


_SHARES: tuple[tuple[tuple[str, ...], int, float, float, float], ...] = (
    ((), 1, 0.3, 0.1, 30.0),
    ((), 2, 0.25, 1e-3, 1e4),
    (("HUGE_PARAMETER", "CANCELLATION"), 4, 0.2, 1e5, 1e15),
    (("NEAR_POLE",), 4, 0.1, 1e-300, 1e-3),
    ((), 5, 0.15, 1e-12, 1e12),
)


@dataclass(frozen=True)
class _Plan:
    """How the arguments of one elementwise operation are drawn."""

    rng: np.random.Generator
    domains: dict[str, Domain]
    near: Near | None
    ranges: dict[str, tuple[float, float]]

    @property
    def data(self) -> str | None:
        return next((name for name in ("x", "k") if name in self.domains), None)

    def value(self, name: str, low: float, high: float) -> float | int:
        """One value inside the domain whose size lies between ``low`` and ``high`` as far as the ranges allow."""
        domain = self.domains[name]
        smallest, largest = self.ranges.get(name, (1e-300, 1e15))
        size = decades(self.rng, min(max(low, smallest), largest), max(min(high, largest), smallest))
        if isinstance(domain, Integers):
            return int(min(max(round(size), domain.low), domain.high))
        assert isinstance(domain, Interval)
        if math.isfinite(domain.low) and math.isfinite(domain.high):
            share = size / (1 + size)  # a large size comes near the upper end
            return domain.low + (domain.high - domain.low) * min(max(share, 1e-300), 1 - 2.0**-53)
        if math.isfinite(domain.low):
            return domain.low + size
        return size * float(self.rng.choice([-1.0, 1.0]))

    def point(self, low: float, high: float, low_precision: bool = False) -> dict[str, Any]:
        """All arguments; every other time the data is placed by ``near``, else by its own domain."""
        found: dict[str, Any] = {n: self.value(n, low, high) for n in self.domains if n != self.data}
        if low_precision:
            found = {n: short(v) if isinstance(v, float) else v for n, v in found.items()}
        if self.data is not None:
            placed = None if self.near is None else self.near(self.rng, **found)
            if placed is None or self.rng.uniform() < 0.25:
                placed = self.value(self.data, low, high)
            found[self.data] = short(placed) if low_precision and isinstance(placed, float) else placed
        return {n: found[n] for n in self.domains}

    def edges(self) -> Iterator[Draw]:
        """Next to the ends of every closed domain and of the numbers themselves."""
        for name, domain in self.domains.items():
            if isinstance(domain, Interval) and name not in self.ranges:
                tiny = (5e-324, 1e-310) if domain.low == 0 else ()
                for value in tiny:
                    flags = ("SUBNORMAL",)
                    yield Draw(self.point(0.1, 30.0) | {name: value}, flags=flags, difficulty=5)
                if (domain.low, domain.high) == (0, 1):
                    for value in (2.0**-53, 1e-20, 1 - 2.0**-53, 1 - 2.0**-24):
                        yield Draw(self.point(0.1, 30.0) | {name: value}, flags=("SATURATION",), difficulty=3)

    def outside(self) -> Iterator[Draw]:
        """Data out of the support, parameters out of their domain, nan."""
        for name, domain in self.domains.items():
            wrong = (
                [float(v) for v in (domain.low - 1, domain.high + 1) if math.isfinite(v)]
                if domain.differentiable
                else []
            )
            if isinstance(domain, Integers):
                wrong = [v for v in (domain.low - 1.0, domain.high + 1.0, domain.low + 0.5) if math.isfinite(v)]
            if isinstance(domain, Interval) and not domain.closed and name != self.data:
                wrong += [float(v) for v in (domain.low, domain.high) if math.isfinite(v)]
            for value in wrong:
                if name == self.data:
                    yield Draw(self.point(0.1, 30.0) | {name: value}, flags=("OUT_OF_SUPPORT",))
                else:
                    yield Draw(self.point(0.1, 30.0) | {name: value}, result="invalid")
            yield Draw(self.point(0.1, 30.0) | {name: math.nan}, result="invalid")

    def broadcast(self) -> Iterator[Draw]:
        """The first argument a column, the others rows."""
        for rows in (2, 3):
            points = [self.point(0.3, 10.0) for _ in range(rows)]
            first, *others = self.domains
            column = np.array([[p[first]] for p in points])
            row = {name: np.array([p[name] for p in points]) for name in others}
            if others:
                yield Draw({first: column, **row}, flags=("BROADCAST",))
