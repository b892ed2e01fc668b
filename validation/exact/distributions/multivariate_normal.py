"""The multivariate normal density as it is written: a quadratic form and a determinant by elimination."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.distributions.multivariate_normal import Parameters
from validation.exact.distributions._matrices import covariance_like, graded, matrix_draws, parameter_draws
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
    solve,
    square_root,
    symmetric,
    undefined,
    undefined_array,
)
from validation.exact.number import log, number, pi, stated

RANKS = (1, 1, 2)


def log_prob(x: Any, mean: Any, covariance: Any, part: Any = symmetric) -> Any:
    """-(x - m)' S^-1 (x - m) / 2 - log det(2 pi S) / 2; of S, the symmetric part.

    Source: bishop-2006, eq. 2.43
    """

    def density(x: Any, mean: Any, covariance: Any) -> Any:
        factors = eliminate(part(covariance)) if finite(mean, covariance) and not has_nan(x) else None
        if factors is None:
            return undefined(x, mean, covariance)
        return _density(x, lambda: -form(factors, x - mean) - log_det(factors))

    return over_batch(density, RANKS, x, mean, covariance)


def log_prob_cholesky(x: Any, mean: Any, cholesky: Any) -> Any:
    """The same for S = L L', where L is the lower triangle of the argument.

    Source: bishop-2006, eq. 2.43
    """

    def density(x: Any, mean: Any, cholesky: Any) -> Any:
        used = cholesky[np.tril_indices(len(x))]
        if not finite(mean, used) or has_nan(x) or not all(d > 0 for d in np.diagonal(cholesky)):
            return undefined(x, mean, used)

        def terms() -> Any:
            z = forward(cholesky, x - mean)
            return -(z * z).sum() - 2 * log(np.diagonal(cholesky)).sum()

        return _density(x, terms)

    return over_batch(density, RANKS, x, mean, cholesky)


def log_prob_precision(x: Any, mean: Any, precision: Any, part: Any = symmetric) -> Any:
    """The same for S = P^-1; of P, the symmetric part.

    Source: bishop-2006, eq. 2.43
    """

    def density(x: Any, mean: Any, precision: Any) -> Any:
        p = part(precision)
        factors = eliminate(p) if finite(mean, precision) and not has_nan(x) else None
        if factors is None:
            return undefined(x, mean, precision)
        return _density(x, lambda: log_det(factors) - ((x - mean) * (p @ (x - mean))).sum())

    return over_batch(density, RANKS, x, mean, precision)


def lower_triangle(definition: Any) -> Any:
    """The convention in which only the lower triangle is read: off-diagonal derivatives are doubled."""
    return lambda *arguments: definition(*arguments, part=from_lower)


def _density(x: Any, terms: Any) -> Any:
    if not finite(x):
        return stated(-inf)
    return (terms() - len(x) * log(2 * pi())) / number(2)


def entropy(mean: Any, covariance: Any) -> Any:
    """log det(2 pi e S) / 2.

    Source: cover-thomas-2006, section 8.4
    """
    return _of_parameters(
        lambda m, s: (log_det(eliminate(s)) + len(m) * (1 + log(2 * pi()))) / number(2), mean, covariance, inner=False
    )


def mean(mean: Any, covariance: Any) -> Any:
    """m.

    Source: bishop-2006, eq. 2.59
    """
    return _of_parameters(lambda m, s: m, mean, covariance)


def mode(mean: Any, covariance: Any) -> Any:
    """m.

    Source: bishop-2006, section 2.3
    """
    return _of_parameters(lambda m, s: m, mean, covariance)


def variance(mean: Any, covariance: Any) -> Any:
    """The diagonal of S.

    Source: bishop-2006, eq. 2.64
    """
    return _of_parameters(lambda m, s: np.diagonal(s), mean, covariance)


def _of_parameters(function: Any, mean: Any, covariance: Any, inner: bool = True) -> Any:
    def one(m: Any, s: Any) -> Any:
        if not finite(m, s) or eliminate(symmetric(s)) is None:
            return undefined_array(m.shape, m, s) if inner else undefined(m, s)
        return function(m, symmetric(s))

    return over_batch(one, (1, 2), mean, covariance)


def kl_divergence(mean_p: Any, covariance_p: Any, mean_q: Any, covariance_q: Any) -> Any:
    """(tr(S_q^-1 S_p) - D + (m_q - m_p)' S_q^-1 (m_q - m_p) + log det S_q - log det S_p) / 2.

    Source: kullback-1959, chapter 9
    """

    def one(m_p: Any, s_p: Any, m_q: Any, s_q: Any) -> Any:
        fine = finite(m_p, s_p, m_q, s_q)
        p, q = (eliminate(symmetric(s_p)), eliminate(symmetric(s_q))) if fine else (None, None)
        if p is None or q is None:
            return undefined(m_p, s_p, m_q, s_q)
        trace = np.trace(solve(q, symmetric(s_p)))
        return (trace - len(m_p) + form(q, m_q - m_p) + log_det(q) - log_det(p)) / 2

    return over_batch(one, (1, 2, 1, 2), mean_p, covariance_p, mean_q, covariance_q)


def sample(noise: Any, mean: Any, covariance: Any) -> Any:
    """m + L z, where L is Cholesky's factor.

    Source: bishop-2006, section 11.1.1
    """

    def one(z: Any, m: Any, s: Any) -> Any:
        factors = eliminate(symmetric(s)) if finite(z, m, s) else None
        return undefined_array(m.shape, z, m, s) if factors is None else m + square_root(factors) @ z

    return over_batch(one, (1, 1, 2), noise, mean, covariance)


def maximum_likelihood(data: Any) -> Parameters:
    """The mean of the points, and that of the products of their deviations.

    Source: bishop-2006, eq. 2.121 and 2.122
    """
    size = data.shape[1]
    if len(data) == 0 or not finite(data):
        return Parameters(undefined_array((size,), data), undefined_array((size, size), data))
    centre = data.sum(axis=0) / len(data)
    return Parameters(centre, (data - centre).T @ (data - centre) / len(data))


def _draws(
    rng: np.random.Generator, name: str, make: Any, sizes: tuple[int, ...] = (20,), **conventions: Any
) -> Iterator[Draw]:
    def draw(x: Any, mean: Any, matrix: Any, **keywords: Any) -> Draw:
        return Draw({"x": x, "mean": mean, name: matrix}, **keywords)

    for size, matrix, flags, difficulty in matrix_draws(rng, make, sizes=sizes):
        mean = short(rng.normal(size=size) * decades(rng, 0.1, 10))
        root = np.linalg.cholesky(matrix) if name != "cholesky" else np.tril(matrix)
        z = rng.normal(size=size) * rng.choice([0.1, 1, 1, 5])
        step = np.linalg.solve(root.T, z) if name == "precision" else root @ z
        x = mean + (short(step) if difficulty == 1 else step)
        yield draw(x, mean, matrix, flags=flags, difficulty=difficulty)
    matrix = make(rng, 3)
    for shape in ((4, 3), (2, 1, 3)):
        x = short(rng.normal(size=shape))
        yield draw(x, short(rng.normal(size=3)), matrix, flags=("BROADCAST",))
        several = np.stack([make(rng, 3), make(rng, 3)])
        mean = short(rng.normal(size=(2, 3)))
        yield draw(x[:1], mean, several, flags=("BROADCAST",))
    yield draw(short(rng.normal(size=2)), np.zeros(2), np.stack([make(rng, 2)] * 3), flags=("BROADCAST",))
    for scale in (1e-300, 1e-150, 1e150, 1e280):
        unit = np.sqrt(scale) if name == "cholesky" else scale
        x = np.array([1.0, -2.0, 0.5]) * (scale**-0.5 if name == "precision" else scale**0.5)
        yield draw(x, np.zeros(3), matrix * unit, flags=("OVERFLOW_F32",), difficulty=4)
    for gap in (1e-15, 1e-9):  # next to the mean
        mean = np.array([3.0, -1.0, 0.25])
        yield draw(mean * (1 + gap), mean, matrix, flags=("CANCELLATION",), difficulty=4)
    yield draw(mean, mean, matrix, flags=("ZERO_DISTANCE",))
    opposite = np.diag([2.0**40, 2.0**-40]) @ make(rng, 2) @ np.diag([2.0**40, 2.0**-40])
    opposite = np.tril(opposite) if name == "cholesky" else opposite
    yield draw(np.array([0.5, 0.25]), np.zeros(2), opposite, flags=("CANCELLATION",), difficulty=4)
    crooked = matrix.copy()
    crooked[0, 2] += 0.125
    flags = ("AMBIGUOUS_CONVENTION",)
    x, mean = short(rng.normal(size=3)), short(rng.normal(size=3))
    for given in (crooked, matrix, make(rng, 1), make(rng, 4)):
        point = (x, mean) if len(given) == 3 else (np.ones(len(given)), np.zeros(len(given)))
        yield draw(
            *point, given, flags=flags, result="ambiguous" if conventions else "required", alternatives=conventions
        )
    for i, value in ((0, inf), (2, -inf)):
        yield draw(np.where(np.arange(3) == i, value, x), mean, matrix, flags=("OUT_OF_SUPPORT",))
    yield draw(x * nan, mean, matrix, result="invalid")
    yield draw(x, mean * [1, nan, 1], matrix, result="invalid")
    yield draw(x, mean * [inf, 1, 1], matrix, result="invalid")
    yield draw(x, mean, matrix * [[1, 1, 1], [nan, 1, 1], [1, 1, 1]], result="invalid")
    yield draw(x, mean, -matrix, result="invalid")
    yield draw(x, mean, np.zeros((3, 3)), result="invalid")
    if name != "cholesky":
        yield draw(x[:2], mean[:2], np.ones((2, 2)), result="invalid")
        yield draw(x[:2], mean[:2], np.array([[1.0, 2.0], [2.0, 1.0]]), result="invalid")


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, "covariance", covariance_like, (20, 50), lower_triangle=lower_triangle(log_prob))


def draw_log_prob_precision(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, "precision", covariance_like, lower_triangle=lower_triangle(log_prob_precision))


def draw_log_prob_cholesky(rng: np.random.Generator) -> Iterator[Draw]:
    def make(rng: np.random.Generator, size: int, condition: float = 10.0) -> Any:
        upper = np.triu(short(rng.normal(size=(size, size))), 1)  # which is not read
        return np.linalg.cholesky(covariance_like(rng, size, condition)) + upper

    yield from _draws(rng, "cholesky", make)


def _vectors(*names: str) -> Any:
    return lambda rng, size: {n: short(rng.normal(size=size) * decades(rng, 0.1, 10)) for n in names}


def draw_entropy(rng: np.random.Generator) -> Iterator[Draw]:
    yield from parameter_draws(rng, _vectors("mean"), "covariance")


draw_mean = draw_mode = draw_variance = draw_entropy


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from parameter_draws(rng, _vectors("noise", "mean"), "covariance")


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    def make(rng: np.random.Generator, size: int) -> dict[str, Any]:
        return _vectors("mean_p", "mean_q")(rng, size) | {"covariance_p": covariance_like(rng, size)}

    for draw in parameter_draws(rng, make, "covariance_q"):
        given = draw.arguments
        yield Draw(
            {n: given[n] for n in ("mean_p", "covariance_p", "mean_q", "covariance_q")},
            flags=draw.flags,
            difficulty=draw.difficulty,
            result=draw.result,
        )
    for gap in (2.0**-50, 1e-12, 1e-9, 1e-6, 1e-3):  # nearly the same
        for size in (1, 2, 4):
            m, s = short(rng.normal(size=size)), covariance_like(rng, size)
            change = gap * np.diag(rng.normal(size=size))
            arguments = {"mean_p": m, "covariance_p": s + s * change, "mean_q": m * (1 + gap), "covariance_q": s}
            yield Draw(arguments, flags=("CANCELLATION", "NEAR_ROOT"), difficulty=4)
    yield Draw({"mean_p": m, "covariance_p": s, "mean_q": m, "covariance_q": s}, flags=("NEAR_ROOT",))


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(36):
        points, size = 1 + i % 7, 1 + i % 4
        yield Draw({"data": short(rng.normal(size=(points, size)) * decades(rng, 0.1, 10))})
    for i in range(12):
        root = np.linalg.cholesky(graded(rng, 2 + i % 3, 1e12))
        yield Draw({"data": rng.normal(size=(8, 2 + i % 3)) @ root.T}, flags=("CANCELLATION",), difficulty=4)
    for shift in (1e3, 1e6, 1e9, 1e12, -1e15):  # far from the origin
        yield Draw(
            {"data": shift + short(rng.normal(size=(6, 2)))}, flags=("CANCELLATION", "LARGE_LOGITS"), difficulty=4
        )
    for scale in (1e-160, 1e-100, 1e100, 1e150):
        yield Draw({"data": rng.normal(size=(5, 2)) * scale}, flags=("OVERFLOW_F32",), difficulty=4)
    for points in (1, 2, 4):
        yield Draw({"data": np.full((points, 2), 1.5)}, flags=("ZERO_DISTANCE",))
    yield Draw({"data": np.zeros((0, 2))}, flags=("EMPTY_ROW",), result="undefined")
    for bad in (nan, inf):
        yield Draw({"data": np.array([[1.0, 2.0], [bad, 1.0], [0.5, 0.25]])}, result="invalid")
