"""The Wishart density as it is written, with determinants and inverses by elimination."""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np
from scipy import special

from refengine.distributions.wishart import Noise, Parameters
from refengine.distributions.wishart import maximum_likelihood as guess
from validation.exact.distributions._domain import solved
from validation.exact.distributions._matrices import covariance_like, matrix_draws, parameter_draws
from validation.exact.draws import Draw, decades, short
from validation.exact.incomplete import gamma_p
from validation.exact.linear_algebra import (
    eliminate,
    finite,
    from_lower,
    has_nan,
    log_det,
    over_batch,
    solve,
    square_root,
    symmetric,
    undefined,
    undefined_array,
)
from validation.exact.number import Number, digamma, exp, lgamma, log, number, pi, sqrt, stated
from validation.exact.root import root

RANKS = (2, 0, 2)


def log_prob(x: Any, df: Any, scale_matrix: Any, part: Any = symmetric) -> Any:
    """(n - D - 1)/2 log det X - tr(V^-1 X)/2 - n D/2 log 2 - n/2 log det V - log Gamma_D(n/2).

    Source: wishart-1928, section 5
    """

    def density(x: Any, df: Any, scale_matrix: Any) -> Any:
        size, scale = len(x), eliminate(part(scale_matrix)) if finite(scale_matrix, df) and not has_nan(x) else None
        if scale is None or not df > size - 1:
            return undefined(x, df, scale_matrix)
        factors = eliminate(part(x)) if finite(x) else None
        if factors is None:
            return stated(-inf)
        trace = np.trace(solve(scale, part(x)))
        terms = (df - size - 1) * log_det(factors) - trace - df * size * log(number(2)) - df * log_det(scale)
        return terms / 2 - log_multivariate_gamma(df / 2, size)

    return over_batch(density, RANKS, x, df, scale_matrix)


def log_multivariate_gamma(a: Any, size: int) -> Number:
    """log Gamma_D(a) = D (D - 1)/4 log pi + sum_i log Gamma(a - i/2), i < D."""
    return sum((lgamma(a - number(i) / 2) for i in range(size)), number(size * (size - 1)) / 4 * log(pi()))


def lower_triangle(x: Any, df: Any, scale_matrix: Any) -> Any:
    """The convention in which only the lower triangles are read: off-diagonal derivatives are doubled."""
    return log_prob(x, df, scale_matrix, part=from_lower)


def draws(rng: np.random.Generator, near: Any, convention: Any, huge: float = 1e15) -> Iterator[Draw]:
    """Cases of a density of matrices; ``near(rng, df, scale_matrix)`` draws one."""

    def draw(x: Any, df: Any, matrix: Any, **keywords: Any) -> Draw:
        return Draw({"x": x, "df": df, "scale_matrix": matrix}, **keywords)

    for size, matrix, flags, difficulty in matrix_draws(rng, covariance_like, sizes=(12,), most=7):
        df = size - 1 + short(decades(rng, 0.3, 30))
        x = covariance_like(rng, size) if rng.uniform() < 0.2 else near(rng, max(df, size + 2.0), matrix)
        x = near(rng, max(df, size + 2.0), matrix) if difficulty == 4 else x
        yield draw(short(x) if difficulty == 1 else x, df, matrix, flags=flags, difficulty=difficulty)
    for df in (1e3, 1e5, 1e8, 1e10, 1e12, huge):
        for size in (1, 2, 4):
            matrix = covariance_like(rng, size)
            given = df * rng.uniform(0.5, 1)
            yield draw(near(rng, given, matrix), given, matrix, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for size in (2, 3, 5):
        matrix = covariance_like(rng, size)
        for above in (1e-12, 1e-6, 1e-2):
            yield draw(covariance_like(rng, size), size - 1 + above, matrix, flags=("NEAR_POLE",), difficulty=4)
        for df in (size + 1.0, 8.0, 9.0, 12.0):
            yield draw(short(near(rng, size + 2.0, matrix)), df, matrix, flags=("WRONG_BRANCH",), difficulty=2)
    units = np.diag([1.0, 2.0**-20, 2.0**20])
    x, matrix = covariance_like(rng, 3) * 4, covariance_like(rng, 3)
    yield draw(units @ x @ units, 5.0, units @ matrix @ units, flags=("CANCELLATION",), difficulty=4)
    yield draw(units @ x @ units, 5.0, matrix, flags=("CANCELLATION",), difficulty=4)
    for scale in (1e-290, 1e280):
        yield draw(x * scale, 5.0, matrix * scale, flags=("OVERFLOW_F32",), difficulty=4)
    yield draw(np.stack([x, matrix]), np.array([[4.5], [20.0]]), matrix, flags=("BROADCAST",))
    yield draw(x, np.array(4.5), np.stack([x, matrix]), flags=("BROADCAST",))
    crooked = matrix.copy()
    crooked[0, 2] += 0.0625
    for given in (crooked, matrix):
        flags, conventions = ("AMBIGUOUS_CONVENTION",), {"lower_triangle": convention}
        yield draw(x, 6.0, given, flags=flags, result="ambiguous", alternatives=conventions)
        yield draw(given, 6.0, x, flags=flags, result="ambiguous", alternatives=conventions)
    for outside in (-x, np.zeros((3, 3)), np.ones((3, 3)), x + np.diag([inf, 0, 0])):
        yield draw(outside, 6.0, matrix, flags=("OUT_OF_SUPPORT",))
    for df in (2.0, 0.5, -1.0, nan, inf):
        yield draw(x, df, matrix, result="invalid")
    yield draw(x, 6.0, -matrix, result="invalid")
    yield draw(x, 6.0, np.ones((3, 3)), result="invalid")
    yield draw(x + np.diag([nan, 0, 0]), 6.0, matrix, result="invalid")


def near(rng: np.random.Generator, df: float, scale_matrix: np.ndarray) -> np.ndarray:
    """A matrix where the density is not negligible, by Bartlett's decomposition."""
    size, root = len(scale_matrix), np.linalg.cholesky(scale_matrix)
    triangle = np.tril(rng.normal(size=(size, size)), -1)
    chi = [
        np.sqrt(df - i) + rng.normal() / np.sqrt(2) if df > 1e3 else np.sqrt(rng.chisquare(df - i)) for i in range(size)
    ]
    factor = root @ (triangle + np.diag(chi))
    lower = np.tril(factor @ factor.T)
    return lower + np.tril(lower, -1).T


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draws(rng, near, lower_triangle)


def entropy(df: Any, scale_matrix: Any) -> Any:
    """Minus the expectation of the log density: E log det X = log det V + D log 2 + sum psi, E tr(V^-1 X) = n D.

    Source: wishart-1928, section 5
    """

    def one(n: Any, size: int, v: Any, factors: Any) -> Any:
        digammas = sum((digamma((n - i) / 2) for i in range(size)), number(0))
        expected = log_det(factors) + size * log(number(2)) + digammas
        constant = n * size * log(number(2)) / 2 + n * log_det(factors) / 2 + log_multivariate_gamma(n / 2, size)
        return constant - (n - size - 1) / 2 * expected + n * size / 2

    return _of_parameters(one, df, scale_matrix, inner=False)


def mean(df: Any, scale_matrix: Any) -> Any:
    """n V.

    Source: mardia-1979, section 3.4
    """
    return _of_parameters(lambda n, size, v, factors: n * v, df, scale_matrix)


def mode(df: Any, scale_matrix: Any) -> Any:
    """(n - D - 1) V.

    Source: wishart-1928, section 5
    """
    return _of_parameters(lambda n, size, v, factors: (n - size - 1) * v if n > size + 1 else None, df, scale_matrix)


def variance(df: Any, scale_matrix: Any) -> Any:
    """n (V_ij^2 + V_ii V_jj).

    Source: mardia-1979, section 3.4
    """
    return _of_parameters(
        lambda n, size, v, factors: n * (v * v + np.outer(np.diagonal(v), np.diagonal(v))), df, scale_matrix
    )


def kl_divergence(df_p: Any, scale_matrix_p: Any, df_q: Any, scale_matrix_q: Any) -> Any:
    """n_q/2 log(det V_q / det V_p) + n_p/2 (tr(V_q^-1 V_p) - D) + log Gamma_D's + (n_p - n_q)/2 sum psi.

    Source: kullback-1959, chapter 9
    """

    def one(n_p: Any, v_p: Any, n_q: Any, v_q: Any) -> Any:
        fine, size = finite(n_p, v_p, n_q, v_q), len(v_p)
        p, q = (eliminate(symmetric(v_p)), eliminate(symmetric(v_q))) if fine else (None, None)
        if p is None or q is None or not n_p > size - 1 or not n_q > size - 1:
            return undefined(n_p, v_p, n_q, v_q)
        trace = np.trace(solve(q, symmetric(v_p)))
        gammas = log_multivariate_gamma(n_q / 2, size) - log_multivariate_gamma(n_p / 2, size)
        digammas = sum((digamma((n_p - i) / 2) for i in range(size)), number(0))
        return (n_q * (log_det(q) - log_det(p)) + n_p * (trace - size) + (n_p - n_q) * digammas) / 2 + gammas

    return over_batch(one, (0, 2, 0, 2), df_p, scale_matrix_p, df_q, scale_matrix_q)


def sample(noise: Noise, df: Any, scale_matrix: Any) -> Any:
    """L A A' L' with Cholesky's L, normals below the diagonal of A and roots of chi-square variates on it.

    Source: kshirsagar-1959
    """

    def one(z: Any, u: Any, n: Any, v: Any) -> Any:
        size = len(v)
        below = z[np.tril_indices(size, -1)]
        fine = finite(below, u, n, v) and n > size - 1 and all(0 < x < 1 for x in u)
        factors = eliminate(symmetric(v)) if fine else None
        if factors is None:
            return undefined_array(v.shape, below, u, n, v)
        a = np.array([[z[i, j] if i > j else number(0) for j in range(size)] for i in range(size)], dtype=object)
        for i in range(size):
            a[i, i] = sqrt(2 * gamma_quantile((n - i) / 2, u[i]))
        root_of_x = square_root(factors) @ a
        return root_of_x @ root_of_x.T

    return over_batch(one, (2, 1, 0, 2), noise.normal, noise.uniform, df, scale_matrix)


def gamma_quantile(a: Any, u: Any) -> Any:
    """The root x of P(a, x) = u."""
    guess = float(special.gammaincinv(float(a), float(u)))
    return exp(root(lambda t: [gamma_p(a, exp(t[0])) - u], [float(np.log(guess))])[0])


def maximum_likelihood(data: Any) -> Parameters:
    """The root n of sum_i (log(n/2) - psi((n - i)/2)) = log det of the mean less mean of the log dets; the mean over n.

    Source: wishart-1928, section 5
    """
    factors = usable(data)
    if factors is None:
        return Parameters(undefined(data), undefined_array(data.shape[1:], data))
    mean = sum((symmetric(x) for x in data[1:]), symmetric(data[0])) / len(data)
    gap = log_det(eliminate(mean)) - sum((log_det(f) for f in factors), number(0)) / len(data)
    n = degrees(gap, len(mean), float(guess(as_floats(data)).df))
    return Parameters(n, mean * (1 / n))


def as_floats(data: Any) -> np.ndarray:
    return np.array([float(x) for x in np.ravel(data)]).reshape(data.shape)


def usable(data: Any) -> list[Any] | None:
    """The factors of positive definite matrices, not all of them the same."""
    if len(data) < 2 or not finite(data):
        return None
    floats = as_floats(data)
    doubled = floats + np.swapaxes(floats, 1, 2)
    factors = [eliminate(symmetric(x)) for x in data]
    return None if np.all(doubled == doubled[:1]) or any(f is None for f in factors) else factors


def degrees(gap: Number, size: int, start: float) -> Number:
    """The n at which the digammas leave this gap, from its distance to D - 1."""

    def equation(unknowns: list[Number]) -> list[Any]:
        n = 2 * exp(unknowns[0]) + (size - 1)
        return [sum((log(n / 2) - digamma((n - i) / 2) for i in range(size)), number(0)) - gap]

    return 2 * exp(solved(equation, [math.log((start - (size - 1)) / 2)])[0]) + (size - 1)


def _of_parameters(function: Any, df: Any, scale_matrix: Any, inner: bool = True) -> Any:
    def one(n: Any, v: Any) -> Any:
        factors = eliminate(symmetric(v)) if finite(n, v) else None
        found = None if factors is None or not n > len(v) - 1 else function(n, len(v), symmetric(v), factors)
        if found is None:
            return undefined_array(v.shape, n, v) if inner else undefined(n, v)
        return found

    return over_batch(one, (0, 2), df, scale_matrix)


def make(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Degrees of freedom: moderate, near the edge, and huge."""
    kind = rng.integers(6)
    if kind == 0:
        return {"df": decades(rng, 1e3, 1e15)}
    return {"df": size - 1 + (decades(rng, 1e-3, 1) if kind == 1 else short(decades(rng, 0.5, 60)))}


def draw_entropy(rng: np.random.Generator) -> Iterator[Draw]:
    yield from parameter_draws(rng, make, "scale_matrix")
    matrix = covariance_like(rng, 3)
    for df in (1e3, 1e6, 1e9, 1e12, 1e15):
        yield Draw({"df": df, "scale_matrix": matrix}, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for df in (2.0, 1.0, -1.0):
        yield Draw({"df": df, "scale_matrix": matrix}, result="invalid")
    for df in (4.0, 5.0, 6.0, 6.5):
        yield Draw({"df": df, "scale_matrix": matrix}, flags=("SUPPORT_EDGE",), difficulty=2)


draw_mean = draw_mode = draw_entropy


def draw_variance(rng: np.random.Generator) -> Iterator[Draw]:
    yield from (d for d in draw_entropy(rng) if not np.max(np.abs(d.arguments["scale_matrix"])) > 1e150)


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    def both(rng: np.random.Generator, size: int) -> dict[str, Any]:
        given = {"df_p": make(rng, size)["df"], "df_q": make(rng, size)["df"]}
        return given | {"scale_matrix_p": covariance_like(rng, size)}

    for draw in parameter_draws(rng, both, "scale_matrix_q"):
        given = {n: draw.arguments[n] for n in ("df_p", "scale_matrix_p", "df_q", "scale_matrix_q")}
        if not np.max(np.abs(given["scale_matrix_q"])) > 1e150 and not np.min(np.abs(given["scale_matrix_q"])) < 1e-150:
            yield Draw(given, flags=draw.flags, difficulty=draw.difficulty, result=draw.result)
    for gap in (2.0**-50, 1e-12, 1e-9, 1e-6, 1e-3):  # nearly the same
        for size, df in ((1, 2.5), (2, 7.0), (3, 1e6), (2, 1e12)):
            v = covariance_like(rng, size)
            given = {"df_p": df * (1 + gap), "scale_matrix_p": v * (1 - 0.75 * gap), "df_q": df, "scale_matrix_q": v}
            yield Draw(given, flags=("CANCELLATION", "NEAR_ROOT"), difficulty=4)
    for df in (1e3, 1e6, 1e9, 1e12):  # the same mean
        v = covariance_like(rng, 2)
        given = {"df_p": df, "scale_matrix_p": v, "df_q": 4 * df, "scale_matrix_q": v / 4}
        yield Draw(given, flags=("CANCELLATION", "HUGE_PARAMETER"), difficulty=4)
    for df in (1.001, 1.5, 1e3, 1e5):
        given = {"df_p": df, "scale_matrix_p": v, "df_q": 1e6, "scale_matrix_q": v / 4}
        yield Draw(given, flags=("HUGE_PARAMETER",), difficulty=4)
        yield Draw(given | {"df_p": 1e6, "df_q": df}, flags=("HUGE_PARAMETER",), difficulty=4)
    yield Draw(given | {"df_p": 3.0, "df_q": 3.0, "scale_matrix_q": v}, flags=("NEAR_ROOT",))
    yield Draw(given | {"df_p": 1.0}, result="invalid")
    yield Draw(given | {"df_q": -1.0}, result="invalid")


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    def both(rng: np.random.Generator, size: int) -> dict[str, Any]:
        df = size - 1 + short(decades(rng, 0.5, 30))
        uniform = short(rng.uniform(0.02, 0.98, size=size))
        return {"noise.normal": short(rng.normal(size=(size, size))), "noise.uniform": uniform, "df": df}

    for i in range(40):
        size = 1 + i % 3
        condition = 10.0 ** (rng.integers(1, 12) if i > 24 else 1)
        flags = ("CANCELLATION",) if i > 24 else ()
        yield Draw(both(rng, size) | {"scale_matrix": covariance_like(rng, size, condition)}, flags=flags, difficulty=2)
    several = np.stack([covariance_like(rng, 2), covariance_like(rng, 2)])
    yield Draw(both(rng, 2) | {"scale_matrix": several}, flags=("BROADCAST",))
    yield Draw(both(rng, 2) | {"df": np.array([2.5, 6.0]), "scale_matrix": several[0]}, flags=("BROADCAST",))
    for scale in (1e-290, 1e-100, 1e100, 1e280):
        yield Draw(both(rng, 2) | {"scale_matrix": several[0] * scale}, flags=("OVERFLOW_F32",), difficulty=4)
    for df in (1e2, 3e2, 1e3):
        given = both(rng, 2) | {"df": df, "scale_matrix": covariance_like(rng, 2)}
        yield Draw(given, flags=("HUGE_PARAMETER",), difficulty=4)
    for u in (1e-12, 1e-3, 1 - 2.0**-20):
        given = both(rng, 2) | {"noise.uniform": np.array([0.5, u]), "scale_matrix": covariance_like(rng, 2)}
        yield Draw(given, flags=("SATURATION",), difficulty=4)
    for u in (0.0, 1.0, 1.5, -0.5, nan):
        yield Draw(given | {"noise.uniform": np.array([0.5, u])}, result="invalid")
    for df in (1.0, -1.0, nan, inf):
        yield Draw(given | {"df": df}, result="invalid")
    yield Draw(given | {"scale_matrix": -several[0]}, result="invalid")
    yield Draw(given | {"noise.normal": given["noise.normal"] * nan}, result="invalid")


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from estimate_draws(rng, near)


def estimate_draws(rng: np.random.Generator, near: Any) -> Iterator[Draw]:
    """Matrices to estimate from: few, nearly equal, far apart, in odd units, and bad ones."""

    def sample(size: int, count: int, df: float, condition: float = 10.0) -> np.ndarray:
        matrix = covariance_like(rng, size, condition)
        return np.stack([near(rng, df, matrix) for _ in range(count)])

    for i in range(30):
        size = (1, 2, 2, 1, 2, 2, 1, 2, 2, 3)[i % 10]
        yield Draw({"data": short(sample(size, 2 + i // 3 % 3, size + decades(rng, 1, 30)))})
    for i in range(10):
        data = sample(2 if i % 10 else 3, 2 + i % 3, decades(rng, 5, 20), 10.0 ** rng.integers(2, 10))
        yield Draw({"data": data}, flags=("CANCELLATION",), difficulty=3)
    for df in (1e3, 1e5, 1e8, 1e12, 1e20):  # hardly different
        for size in (1, 2):
            matrix, step = covariance_like(rng, size), rng.normal(size=(3, size, size)) / np.sqrt(df)
            data = matrix * (1 + step + np.swapaxes(step, 1, 2))
            yield Draw({"data": data}, flags=("CANCELLATION", "HUGE_PARAMETER"), difficulty=4)
    for spread in (1e3, 1e10, 1e40, 1e100):  # very different: n next to D - 1
        for size in (1, 2):
            scales = np.array([1.0, spread, 1 / spread])[:, None, None]
            yield Draw({"data": sample(size, 3, size + 2.0) * scales}, flags=("NEAR_POLE",), difficulty=4)
    yield Draw({"data": sample(3, 2, 6.0) * np.array([1.0, 1e6])[:, None, None]}, flags=("NEAR_POLE",), difficulty=4)
    data = sample(3, 2, 6.0)
    units = np.diag([1.0, 2.0**-20, 2.0**20])
    yield Draw({"data": units @ data @ units}, flags=("CANCELLATION",), difficulty=4)
    for scale in (1e-290, 1e280):
        yield Draw({"data": data * scale}, flags=("OVERFLOW_F32",), difficulty=4)
    yield Draw({"data": data[[0, 0, 1], :2, :2]}, flags=("TIE",))
    yield Draw({"data": np.concatenate([data, data])[:, :2, :2]}, flags=("TIE",))
    yield Draw({"data": np.stack([data[0], 2 * data[0]])}, flags=("TIE",))  # multiples of one matrix
    yield Draw({"data": sample(5, 3, 9.0)}, difficulty=3)
    crooked = data.copy()
    crooked[1, 0, 2] += 0.0625
    yield Draw({"data": crooked}, flags=("AMBIGUOUS_CONVENTION",))
    yield Draw({"data": data[:1]}, result="invalid")
    yield Draw({"data": data[[1, 1, 1]]}, result="invalid")
    for bad in (-data[0], np.zeros((3, 3)), np.ones((3, 3)), data[0] * nan, data[0] * inf):
        yield Draw({"data": np.stack([*data, bad])}, result="invalid")
