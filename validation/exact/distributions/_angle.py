"""The angle to the mean direction: integrals of its density, and the samples that are made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from math import inf, nan
from typing import Any

import numpy as np
from flint import acb, arb, ctx

from validation.exact.distributions._directions import dot, unit
from validation.exact.draws import Draw, decades, short
from validation.exact.incomplete import _Key
from validation.exact.number import Number, cos, exp, number, sin, sqrt, stated
from validation.exact.root import root

Cosine = Callable[[Number, Number, int], Any]
"""``angle(uniform, concentration, dimensions)``: cosine and sine."""


def density(kappa: Any, angle: Any, dimensions: int) -> Any:
    """exp(kappa (cos - 1)) sin^(D - 2), which is not normalised."""
    return exp(kappa * (cos(angle) - 1)) * sin(angle) ** (dimensions - 2)


def tail(kappa: Number, angle: Number, dimensions: int, upper: bool, k: int = 0) -> Number:
    """The integral of (cos - 1)^k times the density from 0 to the angle, or from there to pi."""
    sign = -1 if upper else 1
    return Number(
        _integral(_Key(kappa.ball), _Key(angle.ball), dimensions, upper, k, ctx.prec),
        [
            (kappa, lambda g: g * tail(kappa, angle, dimensions, upper, k + 1)),
            (angle, lambda g: g * sign * (cos(angle) - 1) ** k * density(kappa, angle, dimensions)),
        ],
    )


@lru_cache(maxsize=256)
def _integral(kappa: _Key, angle: _Key, dimensions: int, upper: bool, k: int, bits: int) -> Any:
    """Up to the middle of the angle's ball, and what the rest of the ball may add."""

    def integrand(x: Any, _: Any) -> Any:
        versine = 2 * (x / 2).sin() ** 2
        return (-versine) ** k * (-acb(kappa.ball) * versine).exp() * x.sin() ** (dimensions - 2)

    ends = (angle.ball.mid(), arb.pi()) if upper else (arb(0), angle.ball.mid())
    rest = arb(0)
    start = float(kappa.ball) * (1 - np.cos(float(angle.ball))) if upper else 0.0
    depth = start + 0.7 * bits + 60 + (dimensions - 2) * np.log(1 + float(kappa.ball)) / 2
    if upper and depth < 2 * float(kappa.ball):
        cut = arb(2 * np.arcsin(np.sqrt(depth / float(kappa.ball) / 2)))
        if cut > ends[0]:  # beyond, |cos - 1| is at most 2 and the exponential falls
            rest = 4 * arb(2) ** k * (-2 * kappa.ball * (cut / 2).sin() ** 2).exp()
            ends = (ends[0], cut)
    tolerance = 8 * bits + int(2 * start)
    whole = acb.integral(integrand, *map(acb, ends), abs_tol=arb(2) ** -tolerance).real
    return whole + arb(0, 1) * (angle.ball.rad() * integrand(acb(angle.ball), None).real + rest)


def quantile(u: Number, kappa: Number, dimensions: int) -> Number:
    """The angle that is exceeded with probability u: the root of E = u L - (1 - u) U for the two tails L and U.

    Its slopes are those of the implicit function, -(L + U) / h and -(u dL/dkappa - (1 - u) dU/dkappa) / h.
    """
    held, fixed = number(u.ball), number(kappa.ball)
    start = _guess(float(u), float(kappa), dimensions)
    ball = root(lambda t: [_excess(held, fixed, t[0], dimensions, 0)], [start])[0].ball

    def by_u(g: Number) -> Any:
        return -g * sum(tail(kappa, angle, dimensions, s) for s in (False, True)) / density(kappa, angle, dimensions)

    def by_kappa(g: Number) -> Any:
        return -g * _excess(u, kappa, angle, dimensions, 1) / density(kappa, angle, dimensions)

    angle = Number(ball, [(u, by_u), (kappa, by_kappa)])
    return angle


def _excess(u: Number, kappa: Number, angle: Number, dimensions: int, k: int) -> Number:
    lower, upper = (tail(kappa, angle, dimensions, s, k) for s in (False, True))
    return u * lower - (1 - u) * upper


def _guess(u: float, kappa: float, dimensions: int) -> float:
    """From sums over a grid of log tan(angle / 2)."""
    grid = np.linspace(-25, 25, 20001)
    height = (dimensions - 1) * -np.log(np.cosh(grid)) - kappa * (1 + np.tanh(grid))
    mass = np.exp(height - height.max())
    lower, upper = (np.log(np.maximum(np.cumsum(m) / mass.sum(), 1e-300)) for m in (mass, mass[::-1]))
    if u < 0.5:
        log_tangent = np.interp(np.log(u), upper, grid[::-1])
    else:
        log_tangent = np.interp(np.log1p(-u), lower, grid)
    return float(2 * np.arctan(np.exp(log_tangent)))


def sample(angle: Cosine, noise: Any, mean_direction: Any, concentration: Any) -> Any:
    """t mu + sqrt(1 - t^2) v, with v the unit vector of z - (mu . z) mu, row by row."""
    u, k = (np.asarray(a, dtype=object) for a in (noise.uniform, concentration))
    z, mu = noise.normal, mean_direction
    batch, d = np.broadcast_shapes(u.shape, z.shape[:-1], mu.shape[:-1], k.shape), z.shape[-1]
    u, k = np.broadcast_to(u, batch), np.broadcast_to(k, batch)
    z, mu = np.broadcast_to(z, (*batch, d)), np.broadcast_to(mu, (*batch, d))
    x = np.empty((*batch, d), dtype=object)
    for i in np.ndindex(batch):
        row = (u[i], *z[i], *mu[i], k[i])
        if any(v.stated for v in row) or not (0 < u[i] < 1 and 0 <= k[i] < inf):
            x[i] = [stated(nan, *((v, nan) for v in row)) for _ in range(d)]
        else:
            cosine, sine = angle(u[i], k[i], d)
            across = z[i] - dot(mu[i], z[i]) * mu[i]
            x[i] = cosine * mu[i] + sine / sqrt(dot(across, across)) * across
    return x


def draw_sample(rng: np.random.Generator, largest: float = 1e6) -> Iterator[Draw]:
    """Cases of a sample."""

    def case(u: Any, k: Any, d: int) -> dict[str, Any]:
        shape = np.shape(k)
        given = {"noise.uniform": u, "noise.normal": short(rng.normal(size=(*shape, d)))}
        return given | {"mean_direction": unit(rng, d), "concentration": k}

    for i in range(24):
        d, n = (2, 3, 4, 5)[i % 4], 1 + (i % 8 == 1)
        yield Draw(case(short(rng.uniform(0.02, 0.98, size=n)), short(np.exp(rng.normal(size=n) * 1.5)), d))
    for i in range(16):
        d, k = (2, 3, 3, 8)[i % 4], decades(rng, 30.0, largest)
        yield Draw(case(float(rng.uniform()), k, d), flags=("HUGE_PARAMETER",), difficulty=3)
    for i in range(8):
        yield Draw(case(float(rng.uniform()), decades(rng, 1e-12, 1e-2), (2, 3, 6, 3)[i % 4]), flags=("NEAR_POLE",))
    for i, u in enumerate((2.0**-53, 1e-9, 1e-4, 1 - 2.0**-20, 1 - 2.0**-53) * 2):
        yield Draw(case(u, (0.5, 12.0, 300.0)[i % 3], (2, 3, 5)[i % 3]), flags=("SATURATION",), difficulty=4)
    for d, k in ((16, 5.0), (16, 1e3), (32, 40.0)):
        yield Draw(case(float(rng.uniform()), k, d), flags=("HUGE_PARAMETER",), difficulty=4)
    for d in (2, 3, 4):
        yield Draw(case(0.3, 0.0, d), flags=("SATURATION",))
    several = case(np.array([0.2, 0.7]), np.array([[1.5], [20.0]]), 3) | {"noise.normal": short(rng.normal(size=3))}
    yield Draw(several, flags=("BROADCAST",))
    yield Draw(several | {"mean_direction": unit(rng, 2, 3), "concentration": 2.0}, flags=("BROADCAST",))
    yield Draw(case(np.zeros(0), np.zeros(0), 3), flags=("EMPTY_ROW",))
    for u, k in ((0.0, 1.0), (1.0, 1.0), (-0.5, 1.0), (nan, 1.0), (0.5, -1.0), (0.5, nan), (0.5, inf)):
        yield Draw(case(u, k, 3), result="invalid")
    given = case(0.5, 1.0, 3)
    for wrong in (nan, inf):
        yield Draw(given | {"noise.normal": np.array([0.5, wrong, 1.0])}, result="invalid")
    yield Draw(given | {"mean_direction": np.array([0.6, nan, 0.0])}, result="invalid")
