"""The density of Lewandowski, Kurowicka and Joe on Cholesky factors of correlation matrices, row by row.

A row of i numbers ends in the square root of one less the squares of the others, so that its density is that of a
point in the unit ball of i - 1 dimensions, a power of the distance to its surface.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf, nan
from typing import Any

import numpy as np

from refengine.distributions.lkj_cholesky import maximum_likelihood as guess
from refengine.domains import Interval
from refengine.special._incomplete_inverse import beta_quantile
from validation.exact.distributions._domain import solved
from validation.exact.draws import Draw, decades, short, spread
from validation.exact.incomplete import log_beta_p
from validation.exact.linear_algebra import finite, has_nan, over_batch, undefined, undefined_array
from validation.exact.number import digamma, exp, lgamma, log, number, pi, pointwise, sqrt, stated


def log_prob(x: Any, concentration: Any) -> Any:
    """sum_i (D - i + 2 eta - 2) log L_ii - log Z, i = 2 ... D; Z is the product of integrals over balls.

    Source: lewandowski-2009, section 3
    """

    def density(x: Any, eta: Any) -> Any:
        size, diagonal = len(x), np.diagonal(x)[1:]
        used = x[np.tril_indices(size)]
        if eta.stated or not eta > 0 or has_nan(used):
            return undefined(used, eta)
        if not finite(used) or not all(d > 0 for d in [x[0, 0], *diagonal]):
            return stated(-inf)
        terms = ((size - i + 2 * eta - 2) * log(d) - log_ball(i - 1, size, eta) for i, d in enumerate(diagonal, 2))
        return sum(terms, number(0) * eta)

    return over_batch(density, (2, 0), x, concentration)


def log_ball(dimensions: int, size: int, eta: Any) -> Any:
    """The integral of (1 - |l|^2)^(eta - 1 + (D - i)/2) over the unit ball of i - 1 dimensions, as a logarithm."""
    power = eta + number(size - 1 - dimensions) / 2
    half = number(dimensions) / 2
    return half * log(pi()) + lgamma(power) - lgamma(power + half)


def sample(noise: Any, concentration: Any) -> Any:
    """The C-vine: partial correlations 2 b - 1 with b symmetric beta variates, whose shape falls by 1/2 per column.

    Source: lewandowski-2009, section 2.4
    """

    def one(u: Any, eta: Any) -> Any:
        size = len(u)
        below = u[np.tril_indices(size, -1)]
        if eta.stated or not eta > 0 or not finite(below) or not all(0 < v < 1 for v in below):
            return undefined_array(u.shape, below, eta)
        factor = np.array([[number(0)] * size for _ in range(size)], dtype=object)
        for i in range(size):
            left = number(1) + 0 * eta
            for j in range(i):
                z = correlation(u[i, j], eta + number(size - 2 - j) / 2)
                factor[i, j] = z * left
                left = left * sqrt(1 - z * z)
            factor[i, i] = left
        return factor

    return over_batch(one, (2, 0), noise, concentration)


def correlation(u: Any, shape: Any) -> Any:
    """2 b - 1 for the b at which the symmetric beta distribution function is u; the right half by symmetry."""
    upper = u > 0.5
    lower = 1 - u if upper else u
    start = beta_quantile(np, *(np.float64(float(v)) for v in (shape, shape, lower, 1 - lower)))[0]

    def equation(unknowns: list[Any]) -> list[Any]:
        b = exp(unknowns[0])
        return [log_beta_p(shape, shape, b, 1 - b) - log(lower)]

    z = 2 * exp(solved(equation, [float(np.log(start))])[0]) - 1
    return -z if upper else z


def entropy(concentration: Any, *, size: int) -> Any:
    """Minus the expectation of `log_prob`: the square of L_ii is a beta variate, E log L_ii half a fall of digammas.

    Source: lewandowski-2009, section 3
    """

    @pointwise
    def of(eta: Any) -> Any:
        if eta.stated or not eta > 0:
            return undefined(eta)
        total = number(0) * eta
        for i in range(2, size + 1):
            left, whole = eta + number(size - i) / 2, eta + number(size - 1) / 2
            total = total - (size - i + 2 * eta - 2) * (digamma(left) - digamma(whole)) / 2 + log_ball(i - 1, size, eta)
        return total

    return of(concentration)


def mode(concentration: Any, *, size: int) -> Any:
    """The identity, where all powers of the diagonal are positive.

    Source: lewandowski-2009, section 3
    """

    def one(eta: Any) -> Any:
        if eta.stated or not eta > 0 or (size > 1 and not eta > 1):
            return undefined_array((size, size), eta)
        return np.array([[number(i == j) + 0 * eta for j in range(size)] for i in range(size)], dtype=object)

    return over_batch(one, (0,), concentration)


def maximum_likelihood(data: Any) -> Any:
    """The root of sum_i (psi(eta + (D - 1)/2) - psi(eta + (D - i)/2)) = -2 mean(sum_i log L_ii), solved for log eta.

    Source: lewandowski-2009, section 3
    """
    size = data.shape[-1]
    used = data[:, *np.tril_indices(size)]
    diagonal = np.diagonal(data, axis1=1, axis2=2)
    if size < 2 or not len(data) or not finite(used) or not all(d > 0 for d in np.ravel(diagonal)):
        return undefined(used)
    gap = -2 * sum((log(d) for d in np.ravel(diagonal[:, 1:])), number(0)) / len(data)
    if not gap > 0:
        return undefined(used)

    def equation(unknowns: list[Any]) -> list[Any]:
        eta = exp(unknowns[0])
        whole = (size - 1) * digamma(eta + number(size - 1) / 2)
        return [whole - sum((digamma(eta + number(size - i) / 2) for i in range(2, size + 1)), number(0)) - gap]

    floats = np.array([float(x) for x in np.ravel(data)]).reshape(data.shape)
    return exp(solved(equation, [float(np.log(guess(floats)))])[0])


def near(rng: np.random.Generator, size: int, eta: float) -> np.ndarray:
    """A factor where the density is not negligible."""
    factor = np.eye(size)
    for i in range(1, size):
        direction = rng.normal(size=i)
        y = rng.beta(i / 2, eta + (size - 1 - i) / 2)
        y = min(y, 1 - 1e-9)
        factor[i, :i] = direction / np.linalg.norm(direction) * np.sqrt(y)
        factor[i, i] = np.sqrt(1 - y)
    return factor


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, eta: Any, **keywords: Any) -> Draw:
        return Draw({"x": x, "concentration": eta}, **keywords)

    for i in range(30):
        eta = short(decades(rng, 0.2, 30))
        yield draw(short(near(rng, 1 + i % 6, eta)), eta)
    for eta in (1e3, 1e5, 1e8, 1e10, 1e12, 1e15):
        for size in (2, 3, 6):
            given = eta * rng.uniform(0.5, 1)
            yield draw(near(rng, size, given), given, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for eta in (1e-12, 1e-6, 1e-3):
        for size in (2, 5):
            yield draw(near(rng, size, 0.5), eta, flags=("NEAR_POLE",), difficulty=4)
    for size in (10, 20, 50):
        yield draw(near(rng, size, 1.0), 1.0, difficulty=3)
        yield draw(near(rng, size, 3.5), 3.5, difficulty=3)
    for size in (2, 3, 4):
        yield draw(np.eye(size), 1.0, flags=("SUPPORT_EDGE",))
        yield draw(np.eye(size), 2.5, flags=("ZERO_LOG_ZERO",))
    for last in (1e-8, 1e-160, 1e-300, 5e-324):  # correlations of nearly one
        flags = ("SUBNORMAL", "SATURATION") if last < 1e-307 else ("SATURATION",)
        yield draw(np.array([[1.0, 0.0], [1.0, last]]), 1.5, flags=flags, difficulty=4)
    x = short(near(rng, 3, 1.0))
    yield draw(np.stack([x, np.eye(3)]), np.array([[0.5], [1.0], [7.0]]), flags=("BROADCAST",))
    yield draw(x, np.array([0.5, 16.0]), flags=("BROADCAST",))
    yield draw(
        x + np.triu(np.ones((3, 3)), 1), 2.0, flags=("AMBIGUOUS_CONVENTION",)
    )  # above the diagonal nothing is read
    for bad in (-1.0, 0.0):
        yield draw(x * np.where(np.eye(3) * [0, 1, 0] > 0, bad, 1.0), 2.0, flags=("OUT_OF_SUPPORT",))
    yield draw(x * [[1], [1], [-1]], 2.0, flags=("OUT_OF_SUPPORT",))
    for eta in (0.0, -0.5, nan, inf):
        yield draw(x, eta, result="invalid")
    yield draw(x * [[1], [nan], [1]], 2.0, result="invalid")


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(size: int, eta: Any, low: float = 0.02, **keywords: Any) -> Draw:
        u = rng.uniform(low, 1 - low, size=(size, size))
        return Draw({"noise": short(u), "concentration": eta}, **keywords)

    for i in range(36):
        yield draw((2, 2, 3)[i % 3], short(decades(rng, 0.3, 30)), difficulty=2)
    for eta in (1e2, 1e3, 1e5, 1e8, 1e10):
        for size in (2, 2, 3):
            yield draw(size, eta * rng.uniform(0.5, 1), flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for eta in (1e-2, 3e-2, 0.1):
        for size in (2, 3):
            yield draw(size, eta, 0.2, flags=("NEAR_POLE",), difficulty=4)
    for u in (1e-12, 1e-6, 0.5 - 2.0**-40, 0.5, 0.5 + 2.0**-30, 1 - 2.0**-20, 1 - 2.0**-53):
        for eta in (0.75, 20.0):
            given = {"noise": np.array([[0.5, 0.5], [u, 0.5]]), "concentration": eta}
            yield Draw(given, flags=("SATURATION", "NEAR_ROOT"), difficulty=4)
    yield draw(1, 2.5)
    yield draw(4, 1.5, difficulty=3)
    yield draw(5, 1.0, difficulty=3)
    u = short(rng.uniform(0.05, 0.95, size=(2, 3, 3)))
    yield Draw({"noise": u, "concentration": np.array([[0.5], [4.0]])}, flags=("BROADCAST",))
    yield Draw({"noise": u[0], "concentration": np.array([0.75, 9.0])}, flags=("BROADCAST",))
    unread = np.where(np.tri(3, k=-1) > 0, u[0], nan)
    yield Draw({"noise": unread, "concentration": 2.0}, flags=("AMBIGUOUS_CONVENTION",))
    for bad in (0.0, 1.0, -0.5, 1.5, nan):
        yield Draw({"noise": np.where(np.tri(3, k=-2) > 0, bad, u[0]), "concentration": 2.0}, result="invalid")
    for eta in (0.0, -1.0, nan, inf):
        yield Draw({"noise": u[0], "concentration": eta}, result="invalid")


def draw_entropy(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 4, 6, 9):
        ranges = {"concentration": (1e-12 if size > 1 else 1e-300, 1e15)}
        for draw in spread(rng, {"concentration": Interval(0)}, None, ranges, count=36):
            yield replace(draw, constants={"size": size})


def draw_mode(rng: np.random.Generator) -> Iterator[Draw]:
    yield Draw({"concentration": np.array([2.0, 7.0])}, {"size": 2}, flags=("BROADCAST",))
    for size in (1, 2, 3):
        for _ in range(12):
            yield Draw({"concentration": short(1 + decades(rng, 0.1, 30))}, {"size": size})
        for eta in (1 + 2.0**-52, 1e6, 1e300):
            yield Draw({"concentration": eta}, {"size": size}, flags=("SUPPORT_EDGE",), difficulty=2)
        for eta in (0.25, 0.5, 1 - 2.0**-53, 1.0, 0.0, -1.0, nan, inf):
            result = "required" if size == 1 and 0 < eta < inf else "invalid"
            yield Draw({"concentration": eta}, {"size": size}, flags=("SUPPORT_EDGE",), result=result)
        yield Draw({"concentration": np.array([[2.0, 0.5]])}, {"size": size}, flags=("BROADCAST",))


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    def sample(size: int, count: int, eta: float) -> np.ndarray:
        return np.stack([near(rng, size, eta) for _ in range(count)])

    for i in range(36):
        data = sample(2 + i % 3, 1 + i // 3 % 4, decades(rng, 0.3, 30))
        yield Draw({"data": short(data)})
    for eta in (1e3, 1e5, 1e8, 1e12, 1e15):
        for size in (2, 3):
            flags = ("HUGE_PARAMETER", "CANCELLATION")
            yield Draw({"data": sample(size, 2, eta)}, flags=flags, difficulty=4)
    for last in (1e-8, 1e-160, 1e-300, 5e-324):
        for size in (2, 3):
            data = sample(size, 2, 1.5)
            data[0, -1, -1] = last
            flags = ("SUBNORMAL", "NEAR_POLE") if last < 1e-307 else ("NEAR_POLE",)
            yield Draw({"data": data}, flags=flags, difficulty=4)
    for size in (6, 10):
        yield Draw({"data": sample(size, 2, 2.0)}, difficulty=3)
    yield Draw({"data": sample(2, 12, 2.0)}, difficulty=2)
    data = sample(3, 2, 1.5)
    yield Draw({"data": np.stack([*data, np.eye(3)])}, flags=("SUPPORT_EDGE",))
    yield Draw({"data": data + np.triu(np.ones((3, 3)), 1)}, flags=("AMBIGUOUS_CONVENTION",))
    yield Draw({"data": data[[0, 0]]}, flags=("TIE",))
    for bad in (
        np.eye(3),
        2 * data[0],
        data[0] * nan,
        data[0] + np.diag([0, inf, 0]),
        -data[0],
        data[0] * [[1], [0], [1]],
    ):
        yield Draw({"data": bad[None]}, result="invalid")
    yield Draw({"data": np.stack([*data, data[0] * nan])}, result="invalid")
    yield Draw({"data": np.ones((2, 1, 1))}, result="invalid")
