"""Student's t distribution as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

from refengine.domains import Interval
from validation.exact.distributions._domain import known, level, positive, undefined
from validation.exact.draws import Draw, decades, spread
from validation.exact.number import Number, digamma, lgamma, log, pi, pointwise

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
