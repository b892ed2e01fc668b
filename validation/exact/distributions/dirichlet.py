"""The Dirichlet density as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.distributions._rows import all_of, dyadic, is_nan, rowwise, shapes, shares, total
from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, digamma, lgamma, log, number, stated


def is_shape(alpha: Any) -> bool:
    """Whether all shapes are positive and finite."""
    return all(0 < number(a) < inf for a in alpha)


@rowwise("(k),(k)->()")
def log_prob(x: Any, alpha: Any) -> Any:
    """log Gamma(A) - sum_i log Gamma(alpha_i) + sum_i (alpha_i - 1) log x_i; on faces the limits from inside.

    Source: johnson-kotz-balakrishnan-1997, chapter 49
    """
    if not is_shape(alpha) or any(is_nan(v) for v in x):
        return all_of(nan, x, alpha)
    if any(v < 0 or v > 1 for v in x):
        return all_of(-inf, x, alpha)
    if any(v == 0 for v in x):
        return _on_face(x, alpha)
    return normaliser(alpha) + total((a - 1) * log(v) for v, a in zip(x, alpha, strict=True))


def normaliser(alpha: Any) -> Any:
    """-log B(alpha)."""
    return lgamma(total(alpha)) - total(lgamma(a) for a in alpha)


def _on_face(x: Any, alpha: Any) -> Number:
    signs = {1 if a < 1 else -1 for v, a in zip(x, alpha, strict=True) if v == 0 and a != 1}
    if len(signs) == 2:
        return all_of(nan, x, alpha)
    pairs = list(zip(x, alpha, strict=True))
    value = normaliser(alpha) + total((a - 1) * log(v) for v, a in pairs if v > 0)
    slopes: list[Any] = [(v, _slope(a) if v == 0 else (a - 1) / v) for v, a in pairs]
    everything = digamma(total(alpha))
    slopes += [(a, -inf if v == 0 else log(v) + everything - digamma(a)) for v, a in pairs]
    return stated(signs.pop() * inf if signs else value.ball, *slopes)


def _slope(a: Number) -> float:
    return 0.0 if a == 1 else inf if a > 1 else -inf


@rowwise("(k),(k)->()")
def outside(x: Any, alpha: Any) -> Any:
    """The convention that a point off the simplex, or on a face, lies outside the support."""
    return all_of(-inf, x, alpha)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5, 9):
        for _ in range(6):
            yield Draw({"x": dyadic(rng, size), "alpha": shapes(rng, size, 0.1, 50, rounded=True)})
    for _ in range(12):
        alpha = shapes(rng, int(rng.integers(2, 6)), 0.05, 1e4)
        yield Draw({"x": near(rng, alpha), "alpha": alpha}, difficulty=2)
    for _ in range(20):
        alpha = shapes(rng, int(rng.integers(2, 6)), 1e5, 1e15)
        yield Draw({"x": near(rng, alpha), "alpha": alpha}, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(10):  # small and huge shapes together
        alpha = np.concatenate([shapes(rng, 2, 1e-3, 20), shapes(rng, 2, 1e6, 1e15)])
        yield Draw({"x": near(rng, alpha), "alpha": alpha}, flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(8):  # tiny shapes: log(alpha / x) must not be the difference of two logarithms
        alpha = shapes(rng, 3, 1e-300, 1e-3)
        x = np.clip(alpha * np.exp(rng.normal(size=3)), 1e-320, 1)
        yield Draw({"x": x, "alpha": alpha}, flags=("NEAR_POLE",), difficulty=4)
    for _ in range(8):
        alpha = shapes(rng, 3, 1e-8, 1e-2)
        yield Draw({"x": shares(rng, 3, 0.1), "alpha": alpha}, flags=("NEAR_POLE",), difficulty=3)
    for _ in range(8):  # far from the mode
        yield Draw({"x": shares(rng, 4, 0.05), "alpha": shapes(rng, 4, 0.1, 1e6)}, difficulty=3)
    for switch in (0.5, 0.75, 1.0, 2.0, 8.0, 12.0):  # where the algorithms of libraries change over
        for a in (np.nextafter(switch, 0), switch, np.nextafter(switch, 99)):
            alpha = np.array([a, 1.25, decades(rng, 0.1, 1e6)])
            yield Draw({"x": near(rng, alpha), "alpha": alpha}, flags=("WRONG_BRANCH",), difficulty=3)
    for tiny in (5e-324, 1e-310, 1e-20, 2.0**-53):
        x = np.array([tiny, 0.25, 0.75])
        flags = ("SUBNORMAL",) if tiny < 1e-307 else ("SUPPORT_EDGE",)
        yield Draw({"x": x, "alpha": np.array([0.5, 1.0, 2.5])}, flags=flags, difficulty=3)
        yield Draw({"x": x, "alpha": np.array([2.5, 0.25, 1.0])}, flags=flags, difficulty=3)
    for size, low, high in ((60, 0.01, 100), (60, 1e6, 1e15), (1000, 1e-2, 1e12)):
        alpha = shapes(rng, size, low, high)
        yield Draw({"x": near(rng, alpha), "alpha": alpha}, difficulty=4)
    for alpha in ([1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [2.0, 3.0, 0.5], [1.0, 0.5, 4.0]):
        flags = ("SUPPORT_EDGE", "AMBIGUOUS_CONVENTION")
        arguments = {"x": np.array([0.0, 0.5, 0.5]), "alpha": np.array(alpha)}
        yield Draw(arguments, flags=flags, result="ambiguous", alternatives={"open_support": outside})
    arguments = {"x": np.array([0.0, 0.0, 1.0]), "alpha": np.array([1.0, 2.0, 3.0])}
    yield Draw(arguments, flags=("SUPPORT_EDGE",), difficulty=3)
    arguments = {"x": np.array([0.0, 0.0, 1.0]), "alpha": np.array([0.5, 2.0, 3.0])}
    yield Draw(arguments, flags=("SUPPORT_EDGE",), result="undefined")
    for x in ([0.25, 0.25, 0.25], [0.5, 0.5, 0.75], [1.0, 1.0, 1.0]):
        for alpha in ([2.0, 2.0, 2.0], [0.5, 4.0, 1e6]):
            arguments = {"x": np.array(x), "alpha": np.array(alpha)}
            flags = ("OUT_OF_SUPPORT", "AMBIGUOUS_CONVENTION")
            yield Draw(arguments, flags=flags, result="ambiguous", alternatives={"simplex_only": outside})
    for bad in (-0.25, 1.25, -5e-324, inf, -inf):
        yield Draw({"x": np.array([0.5, bad]), "alpha": np.array([2.0, 1.5])}, flags=("OUT_OF_SUPPORT",))
    for x, a in ((0.5, -1.0), (0.5, 0.0), (nan, 2.0), (0.5, nan), (0.5, inf), (-1.0, 0.0)):
        yield Draw({"x": np.array([0.5, x]), "alpha": np.array([1.5, a])}, result="invalid")
    x = np.stack([dyadic(rng, 3), dyadic(rng, 3)])
    yield Draw({"x": x, "alpha": shapes(rng, 9, 0.3, 100).reshape(3, 1, 3)}, flags=("BROADCAST",))


def near(rng: np.random.Generator, alpha: np.ndarray) -> np.ndarray:
    """A point within a few standard deviations of the mean, as far as rounding lets it."""
    mean = alpha / alpha.sum()
    x = mean * (1 + rng.normal(size=alpha.size) / np.sqrt(1 + alpha))
    x = np.where(x > 0, x, mean * rng.uniform(0.01, 1, size=alpha.size))
    return np.asarray(np.minimum(x / x.sum(), 1.0))
