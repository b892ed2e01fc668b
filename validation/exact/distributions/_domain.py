"""What the definitions of continuous distributions share: values at bad parameters and beyond the support, draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, Undecided, digamma, exp, lgamma, number, pointwise, stated
from validation.exact.root import root


def undefined(*arguments: Number) -> Any:
    """nan, with nan gradients."""
    return stated(nan, *((x, nan) for x in arguments))


def level(value: float, *arguments: Number) -> Any:
    """A value without slopes."""
    return stated(value, *((x, 0.0) for x in arguments))


def positive(*parameters: Number) -> bool:
    """Whether every one is positive and finite."""
    return all(0 < p < inf for p in parameters)


def known(*arguments: Number) -> bool:
    """Whether none is nan."""
    return all(x == x for x in arguments)


@pointwise
def expm1(x: Number) -> Number:
    """exp(x) - 1, whose ball is narrow where x is small."""
    return Number(x.ball.expm1(), [(x, lambda g: g * exp(x))])


@pointwise
def log1p(x: Number) -> Number:
    """log(1 + x), whose ball is narrow where x is small."""
    return Number(x.ball.log1p(), [(x, lambda g: g / (1 + x))])


@pointwise
def gamma(x: Number) -> Number:
    """The gamma function."""
    return exp(lgamma(x))


def euler() -> Number:
    """Euler's constant."""
    return -digamma(number(1))


def data_draws(
    rng: np.random.Generator, quantile: Callable[..., Any], low: float = 0.0, sizes: tuple[int, ...] = (2, 3, 4)
) -> Iterator[Draw]:
    """Samples to estimate from: ``quantile(u, shape)`` of uniform numbers; small and large, nearly equal, ties, bad."""
    for size in sizes * 9:
        yield Draw({"data": np.array([short(v) for v in quantile(rng.uniform(size=size), decades(rng, 0.3, 5))])})
    for size in sizes * 5:
        yield Draw({"data": quantile(rng.uniform(size=size), decades(rng, 0.1, 20))}, difficulty=2)
    for size in sizes * 3:  # a narrow sample
        data = quantile(rng.uniform(size=size), decades(rng, 1e3, 1e6))
        yield Draw({"data": data}, flags=("CANCELLATION",), difficulty=4)
    for size in (1, 2):
        data = quantile(rng.uniform(size=size + 1), decades(rng, 0.5, 2))
        yield Draw({"data": np.append(data, data[:1])}, flags=("TIE",))
    for size in (2,):
        data = quantile(rng.uniform(size=size), decades(rng, 0.5, 2))
        yield Draw({"data": np.concatenate([data, data])}, flags=("TIE",))
    for size in (2 * sizes[-1],):
        yield Draw({"data": quantile(rng.uniform(size=size), decades(rng, 0.5, 2))}, difficulty=3)
    good = quantile(rng.uniform(size=4), 1.0)
    for bad in (nan, inf, low - 1.0):
        yield Draw({"data": np.append(good, bad)}, result="invalid")
    yield Draw({"data": np.full(3, good[0])}, result="invalid")
    yield Draw({"data": good[:1]}, result="invalid")


def unknown_estimate(data: Any) -> Any:
    """nan, with nan gradients to all the data."""
    return undefined(*data)


def solved(score: Callable[..., Any], start: list[float]) -> list[Number]:
    """`root`, where a slope that the precision in force does not tell from 0 asks for more bits."""
    try:
        return root(score, start)
    except ZeroDivisionError:
        raise Undecided("a slope may vanish") from None
