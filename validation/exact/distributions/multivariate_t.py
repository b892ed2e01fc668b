"""The multivariate t density as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from math import inf, nan
from typing import Any

import numpy as np

from refengine.distributions.multivariate_t import Noise, Parameters
from refengine.distributions.multivariate_t import maximum_likelihood as fitted
from validation.exact.distributions._matrices import covariance_like, matrix_draws, parameter_draws
from validation.exact.distributions._rows import total
from validation.exact.distributions.wishart import gamma_quantile
from validation.exact.draws import Draw, decades, short
from validation.exact.linear_algebra import (
    eliminate,
    finite,
    form,
    forward,
    from_lower,
    has_nan,
    log_det,
    over_batch,
    square_root,
    symmetric,
    undefined,
    undefined_array,
)
from validation.exact.number import Number, digamma, lgamma, lift, log, number, pi, sqrt, stated
from validation.exact.root import held_root


def log_prob(x: Any, df: Any, mean: Any, scale_matrix: Any, part: Any = symmetric) -> Any:
    """log Gamma((n + D)/2) - log Gamma(n/2) - D/2 log(pi n) - log det S / 2 - (n + D)/2 log(1 + r' S^-1 r / n).

    Source: kotz-nadarajah-2004, eq. 1.1
    """

    def density(x: Any, df: Any, mean: Any, scale_matrix: Any) -> Any:
        size = len(x)
        factors = eliminate(part(scale_matrix)) if finite(mean, scale_matrix, df) and not has_nan(x) else None
        if factors is None or not df > 0:
            return undefined(x, df, mean, scale_matrix)
        if not finite(x):
            return stated(-inf)
        q = form(factors, x - mean)
        constant = lgamma((df + size) / 2) - lgamma(df / 2) - size * log(pi() * df) / 2
        return constant - log_det(factors) / 2 - (df + size) / 2 * log(1 + q / df)

    return over_batch(density, (1, 0, 1, 2), x, df, mean, scale_matrix)


def lower_triangle(x: Any, df: Any, mean: Any, scale_matrix: Any) -> Any:
    """The convention in which only the lower triangle is read: off-diagonal derivatives are doubled."""
    return log_prob(x, df, mean, scale_matrix, part=from_lower)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, df: Any, mean: Any, matrix: Any, **keywords: Any) -> Draw:
        return Draw({"x": x, "df": df, "mean": mean, "scale_matrix": matrix}, **keywords)

    for size, matrix, flags, difficulty in matrix_draws(rng, covariance_like):
        mean, df = short(rng.normal(size=size) * decades(rng, 0.1, 10)), short(decades(rng, 0.3, 100))
        step = np.linalg.cholesky(matrix) @ rng.normal(size=size) * rng.choice([0.1, 1, 1, 30])
        yield draw(
            mean + (short(step) if difficulty == 1 else step), df, mean, matrix, flags=flags, difficulty=difficulty
        )
    for df in (1e3, 1e5, 1e7, 1e8, 1e10, 1e12, 1e14, 1e15):
        for size in (1, 2, 5):
            matrix = covariance_like(rng, size)
            x = np.linalg.cholesky(matrix) @ rng.normal(size=size)
            yield draw(
                x,
                df * rng.uniform(0.5, 1),
                np.zeros(size),
                matrix,
                flags=("HUGE_PARAMETER", "CANCELLATION"),
                difficulty=4,
            )
    for df, size in ((1e-3, 2), (1e-2, 3), (0.1, 1), (0.1, 4), (31.9, 3), (32.1, 3), (1.49, 1), (1.51, 1), (1.0, 9)):
        matrix = covariance_like(rng, size)
        yield draw(short(rng.normal(size=size)), df, np.zeros(size), matrix, flags=("WRONG_BRANCH",), difficulty=3)
    matrix, df = covariance_like(rng, 3), 5.0
    for reach in (1e8, 1e100, 1e150, 1e-9, 1e-100):  # far out, and next to the centre
        yield draw(np.array([1.0, -2.0, 0.5]) * reach, df, np.zeros(3), matrix, flags=("CANCELLATION",), difficulty=4)
    yield draw(np.ones(3), df, np.ones(3), matrix, flags=("ZERO_DISTANCE",))
    yield draw(np.ones(2), 1e9, np.ones(2), matrix[:2, :2], flags=("ZERO_DISTANCE",))
    for shape in ((4, 3), (2, 1, 3)):
        x = short(rng.normal(size=shape))
        yield draw(x, np.array(2.5), short(rng.normal(size=3)), matrix, flags=("BROADCAST",))
        several = np.stack([covariance_like(rng, 3), covariance_like(rng, 3)])
        yield draw(x[:1], np.array([[1.5], [40.0]]), short(rng.normal(size=3)), several, flags=("BROADCAST",))
    x, mean, crooked = short(rng.normal(size=3)), short(rng.normal(size=3)), matrix.copy()
    crooked[0, 2] += 0.125
    for given in (crooked, matrix):
        conventions = {"lower_triangle": lower_triangle}
        flags = ("AMBIGUOUS_CONVENTION",)
        yield draw(x, df, mean, given, flags=flags, result="ambiguous", alternatives=conventions)
    yield draw(np.array([1.0, inf, 0.0]), df, mean, matrix, flags=("OUT_OF_SUPPORT",))
    yield draw(x * nan, df, mean, matrix, result="invalid")
    yield draw(x, df, mean * [1, nan, 1], matrix, result="invalid")
    yield draw(x, df, mean, -matrix, result="invalid")
    for bad in (0.0, -1.0, nan, inf):
        yield draw(x, bad, mean, matrix, result="invalid")


def entropy(df: Any, mean: Any, scale_matrix: Any) -> Any:
    """Minus the expectation of the log density: that of log(1 + q / n) is a difference of digammas.

    Source: kotz-nadarajah-2004
    """

    def one(n: Any, m: Any, s: Any) -> Any:
        size = len(m)
        constant = lgamma((n + size) / 2) - lgamma(n / 2) - size * log(pi() * n) / 2
        spread = (n + size) / 2 * (digamma((n + size) / 2) - digamma(n / 2))
        return log_det(eliminate(s)) / 2 - constant + spread

    return _of_parameters(one, df, mean, scale_matrix, inner=False)


def mean(df: Any, mean: Any, scale_matrix: Any) -> Any:
    """m, where n > 1.

    Source: kotz-nadarajah-2004
    """
    return _of_parameters(lambda n, m, s: m if n > 1 else None, df, mean, scale_matrix)


def mode(df: Any, mean: Any, scale_matrix: Any) -> Any:
    """m.

    Source: kotz-nadarajah-2004, eq. 1.1
    """
    return _of_parameters(lambda n, m, s: m, df, mean, scale_matrix)


def variance(df: Any, mean: Any, scale_matrix: Any) -> Any:
    """n / (n - 2) times the diagonal of S, infinite where 1 < n <= 2.

    Source: kotz-nadarajah-2004
    """

    def one(n: Any, m: Any, s: Any) -> Any:
        if n > 2:
            return np.diagonal(s) * (n / (n - 2))
        return np.array([stated(inf) for _ in m], dtype=object) if n > 1 else None

    return _of_parameters(one, df, mean, scale_matrix)


def sample(noise: Noise, df: Any, mean: Any, scale_matrix: Any) -> Any:
    """m + L z sqrt(n / chi2) with Cholesky's L, the chi-square variate of n degrees of freedom as a quantile.

    Source: kotz-nadarajah-2004, section 1.2
    """

    def one(z: Any, u: Any, n: Any, m: Any, s: Any) -> Any:
        fine = finite(z, u, n, m, s) and n > 0 and 0 < u < 1
        factors = eliminate(symmetric(s)) if fine else None
        if factors is None:
            return undefined_array(m.shape, z, u, n, m, s)
        return m + square_root(factors) @ z * sqrt(n / (2 * gamma_quantile(n / 2, u)))

    return over_batch(one, (1, 0, 0, 1, 2), noise.normal, noise.uniform, df, mean, scale_matrix)


def maximum_likelihood(data: Any, df: Any) -> Parameters:
    """Where the scores vanish: sum w (x - m) = 0 and sum w (x - m)(x - m)' = N S for w = (n + D) / (n + q).

    They are solved in the frame of a guess, for m and for the triangle C with S^-1 = C' C there. Existence is decided
    exactly: no flat of d < D dimensions may hold N (n + d) / (n + D) of the data.

    Source: kent-tyler-1991, section 2
    """
    (rows, size), n = data.shape, number(df)
    if not finite(data, n) or not n >= 1 or not _estimable(data, n):
        return Parameters(undefined_array((size,), data, n), undefined_array((size, size), data, n))
    guess = fitted(np.array(data, dtype=np.float64), float(n))  # proves nothing
    origin, frame = lift(guess.mean, False), lift(np.linalg.cholesky(guess.scale_matrix), False)
    y = [forward(frame, x - origin) for x in data]
    lower = [(i, j) for i in range(size) for j in range(i + 1)]
    one = lift(np.eye(size), False)

    def given(unknowns: list[Number]) -> tuple[Any, Any]:
        # what is near 0 is one unit away from it
        triangle = one - one
        for (i, j), t in zip(lower, unknowns[size:], strict=True):
            triangle[i, j] = t if i == j else t - 1
        return np.array([t - 1 for t in unknowns[:size]], dtype=object), triangle

    def score(unknowns: list[Number]) -> list[Any]:
        centre, triangle = given(unknowns)
        z = [[total(triangle[i, j] * v[j] for j in range(i + 1)) for i in range(size)] for v in (u - centre for u in y)]
        w = [(n + size) / (n + total(v * v for v in row)) for row in z]
        means = [total(a * row[i] for a, row in zip(w, z, strict=True)) for i in range(size)]
        squares = [
            total(a * row[i] * row[j] for a, row in zip(w, z, strict=True)) - rows * int(i == j) for i, j in lower
        ]
        return means + squares

    centre, triangle = given(held_root(score, [1.0] * (size + len(lower))))
    root = frame @ forward(triangle, one)
    return Parameters(origin + frame @ centre, root @ root.T)


def _estimable(data: Any, n: Number) -> bool:
    """Whether no flat holds too many of the data; flats through d + 1 of them are enough."""
    points = [[Fraction(float(v)) for v in row] for row in data]
    rows, size = data.shape
    if rows <= size:
        return False
    for d in range(size):
        for chosen in combinations(points, d + 1):
            rank = _rank(chosen)
            held = sum(_rank([*chosen, point]) == rank for point in points)
            if not held * (n + size) < rows * (n + rank):
                return False
    return True


def _rank(points: Any) -> int:
    """The dimension of the flat through points, by elimination among their differences to the first."""
    left = [[a - b for a, b in zip(point, points[0], strict=True)] for point in points[1:]]
    rank = 0
    for j in range(len(points[0])):
        pivot = next((row for row in left if row[j] != 0), None)
        if pivot is not None:
            left = [
                [a - row[j] / pivot[j] * b for a, b in zip(row, pivot, strict=True)] for row in left if row is not pivot
            ]
            rank += 1
    return rank


def _of_parameters(function: Any, df: Any, mean: Any, scale_matrix: Any, inner: bool = True) -> Any:
    def one(n: Any, m: Any, s: Any) -> Any:
        fine = finite(n, m, s) and n > 0 and eliminate(symmetric(s)) is not None
        found = function(n, m, symmetric(s)) if fine else None
        if found is None:
            return undefined_array(m.shape, n, m, s) if inner else undefined(n, m, s)
        return found

    return over_batch(one, (0, 1, 2), df, mean, scale_matrix)


def draw_entropy(rng: np.random.Generator) -> Iterator[Draw]:
    def make(rng: np.random.Generator, size: int) -> dict[str, Any]:
        df = short(decades(rng, 0.3, 100)) if rng.uniform() < 0.7 else decades(rng, 1e-2, 1e6)
        return {"df": df, "mean": short(rng.normal(size=size) * decades(rng, 0.1, 10))}

    yield from parameter_draws(rng, make, "scale_matrix")
    for df in (1e3, 1e6, 1e9, 1e12, 1e15):
        for size in (1, 2, 3, 5):
            arguments = {"df": df, "mean": np.zeros(size), "scale_matrix": covariance_like(rng, size)}
            yield Draw(arguments, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for df in (0.75, 1.0, 1.5, 2.0, 2.0 + 2.0**-40, 31.75, 32.5):
        arguments = {"df": df, "mean": np.ones(3), "scale_matrix": covariance_like(rng, 3)}
        yield Draw(arguments, flags=("SUPPORT_EDGE",), difficulty=2)
    for df in (0.0, -1.0):
        yield Draw(arguments | {"df": df}, result="invalid")


draw_mean = draw_mode = draw_variance = draw_entropy


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    def make(size: int, df: float, u: float, condition: float = 10.0) -> dict[str, Any]:
        noise = {"noise.normal": short(rng.normal(size=size)), "noise.uniform": u}
        return noise | {
            "df": df,
            "mean": short(rng.normal(size=size)),
            "scale_matrix": covariance_like(rng, size, condition),
        }

    for i in range(36):
        given = make(1 + i % 4, short(decades(rng, 0.5, 40)), short(rng.uniform(0.02, 0.98)))
        yield Draw(given, difficulty=2)
    for i in range(10):
        given = make(2 + i % 3, decades(rng, 1, 20), rng.uniform(), 10.0 ** rng.integers(2, 12))
        yield Draw(given, flags=("CANCELLATION",), difficulty=3)
    for df in (1e2, 1e3, 1e4, 1e5, 1e6, 1e8, 1e10, 1e12):
        for u in (0.5, rng.uniform(0.01, 0.99)):
            yield Draw(make(2, df, u), flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for df in (0.1, 0.3, 1.0, 15.9, 16.0, 17.0):
        yield Draw(make(2, df, rng.uniform(0.01, 0.99)), flags=("WRONG_BRANCH",), difficulty=4)
    for u in (1e-30, 1e-12, 1e-3, 1 - 2.0**-20, 1 - 2.0**-53):
        for df in (0.75, 5.0, 60.0):
            yield Draw(make(2, df, u), flags=("SATURATION",), difficulty=4)
    yield Draw(make(2, 0.02, 0.25), flags=("SUBNORMAL",), difficulty=5)  # a chi-square variate that underflows
    given = make(3, 4.5, 0.25)
    several = np.stack([covariance_like(rng, 3), covariance_like(rng, 3)])
    yield Draw(given | {"noise.uniform": np.array([0.25, 0.5, 0.875])}, flags=("BROADCAST",))
    yield Draw(given | {"scale_matrix": several, "df": np.array([[2.5], [9.0]])}, flags=("BROADCAST",))
    yield Draw(given | {"noise.normal": short(rng.normal(size=(4, 3)))}, flags=("BROADCAST",))
    crooked = given["scale_matrix"] + 0.0
    crooked[0, 2] += 0.0625
    yield Draw(given | {"scale_matrix": crooked}, flags=("AMBIGUOUS_CONVENTION",))
    for scale in (1e-290, 1e280):
        yield Draw(given | {"scale_matrix": given["scale_matrix"] * scale}, flags=("OVERFLOW_F32",), difficulty=4)
    for u in (0.0, 1.0, 1.5, -0.5, nan):
        yield Draw(given | {"noise.uniform": u}, result="invalid")
    for df in (0.0, -1.0, nan, inf):
        yield Draw(given | {"df": df}, result="invalid")
    for name in ("noise.normal", "mean", "scale_matrix"):
        yield Draw(given | {name: given[name] * nan}, result="invalid")
    yield Draw(given | {"noise.normal": given["noise.normal"] * inf}, result="invalid")
    yield Draw(given | {"scale_matrix": -several[0]}, result="invalid")


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    def points(size: int, extra: int = 2) -> Any:
        mixed = np.eye(size) + rng.normal(size=(size, size)) / 2
        return rng.standard_t(3.0, size=(size + int(rng.integers(extra, 4)), size)) @ mixed

    def draw(data: Any, df: Any, **keywords: Any) -> Draw:
        return Draw({"data": np.asarray(data, dtype=float), "df": df}, **keywords)

    for i in range(22):
        data = points(1 + (i % 3 > 0)) + rng.integers(-4, 5)
        yield draw(np.round(data * 64) / 64, short(decades(rng, 1.0, 30.0)) + 1 / 16)
    for _ in range(3):
        yield draw(points(3), decades(rng, 1.0, 10.0), difficulty=2)
    for i in range(6):  # far from the origin
        yield draw(
            points(1 + i % 2) + 10.0 ** rng.uniform(3, 8), decades(rng, 1, 9), flags=("CANCELLATION",), difficulty=3
        )
    for i in range(6):  # tiny and huge units
        units = 10.0 ** rng.uniform(-120, 120, size=1 + i % 2)
        yield draw(points(1 + i % 2) * units, decades(rng, 1, 9), flags=("HUGE_PARAMETER",), difficulty=4)
    for i in range(6):  # one observation far out
        data = points(1 + i % 2)
        data[0] = data[0] * 10.0 ** rng.uniform(2, 4)
        yield draw(data, decades(rng, 1, 9), flags=("HUGE_PARAMETER",), difficulty=4)
    for i in range(6):  # nearly normal
        yield draw(points(1 + i % 2), decades(rng, 1e2, 1e12), flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(5):  # nearly in a line
        data = points(2)
        data[:, 1] = data[:, 0] + data[:, 1] * 10.0 ** rng.uniform(-6, -2)
        yield draw(data, decades(rng, 1, 9), flags=("CANCELLATION",), difficulty=4)
    corner, far = [[0.0, 0.0], [0.0, 3.0], [3.0, 0.0]], [5.0, 4.0]
    yield draw([*corner, far, far], 3.5, flags=("TIE",), difficulty=3)
    yield draw([*corner, far, far, [-1.0, 2.0]], 1.25, flags=("TIE",), difficulty=3)
    yield draw([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0], [3.0, 0.0], [0.5, 2.0]], 2.5, flags=("TIE",), difficulty=3)
    for df in (1.0, float(np.nextafter(1.0, 0.0))):
        yield draw([*corner, far, [1.0, 1.5]], df, flags=("SUPPORT_EDGE",))
    yield draw([*corner, far, far], 1.0, result="invalid")  # 2 = 5 / 3 of a point and more
    yield draw([*corner, far, far, [1.0, 1.0]], 1.0, result="invalid")  # as many as a point may not hold
    yield draw([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0], [3.0, 0.0]], 2.0, result="invalid")  # and a line
    yield draw([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0], [5.0, 5.0], [3.0, 0.0]], 2.0, result="invalid")
    yield draw([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0], [5.0, 5.0]], 9.0, result="invalid")
    yield draw(corner, 1.0, result="invalid")
    yield draw(corner[:2], 5.0, result="invalid")
    yield draw(np.zeros((0, 2)), 5.0, result="invalid")
    for bad in (nan, inf):
        yield draw([*corner, [bad, 1.0]], 2.0, result="invalid")
    for df in (0.5, 0.0, -1.0, inf, nan):
        yield draw([*corner, far, [1.0, 1.0]], df, result="invalid")
