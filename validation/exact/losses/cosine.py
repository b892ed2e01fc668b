"""Cosines as inner products over lengths."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.losses._rows import norm, parallel, undefined
from validation.exact.number import Number


def cosine(x: np.ndarray, w: np.ndarray, zero: str = "nan") -> Number:
    """x . w / (|x| |w|)."""
    if all(v == 0 for v in x) or all(v == 0 for v in w):
        return undefined(*x, *w) if zero == "nan" else Number(0)
    if parallel(x, w):
        return _extremum(x, w, 1 if (x * w).sum() > 0 else -1)
    return (x * w).sum() / (norm(x) * norm(w))


def _extremum(x: np.ndarray, w: np.ndarray, sign: int) -> Number:
    """1 or -1 for parallel vectors, with gradient exactly 0, which no ball can prove.

    The gradient to x is (w/|w| - c x/|x|) / |x|. It vanishes, but its derivatives do not, and belong to its condition.
    """

    def zero(k: int, own: Any, other: Any, g: Any) -> Number:
        def back(v: Any, factor: Any) -> list[Any]:
            square = (own * own).sum()
            return [
                (v[l], lambda h, l=l: h * g * factor * ((1 if k == l else 0) - own[k] * own[l] / square))
                for l in range(len(own))
            ]

        length, other_length = norm(own), norm(other)
        return Number(0, back(other, 1 / (length * other_length)) + back(own, -sign / (length * length)))

    parents = [(x[k], partial(zero, k, x, w)) for k in range(len(x))]
    return Number(sign, parents + [(w[k], partial(zero, k, w, x)) for k in range(len(w))])


def similarity(x: Any, weight: Any, zero: str = "nan") -> Any:
    """c_ij = x_i . w_j / (|x_i| |w_j|).

    Source: deng-2019-arcface, before eq. 2
    """
    c = np.empty((len(x), len(weight)), dtype=object)
    for i, j in np.ndindex(c.shape):
        c[i, j] = cosine(x[i], weight[j], zero)
    return c


def zero_direction(x: Any, weight: Any) -> Any:
    """The convention of a normalisation that leaves the zero vector as it is, and stops its gradient."""
    return similarity(x, weight, "zero")


def draw_similarity(rng: np.random.Generator) -> Iterator[Draw]:
    def vectors(n: int, d: int) -> Any:
        return short(rng.normal(size=(n, d)))

    for n, c, d in rng.integers(1, 5, size=(30, 3)):
        yield Draw({"x": vectors(n, d + 1), "weight": vectors(c, d + 1)})
    for n, c, d in rng.integers(1, 4, size=(12, 3)):
        x, w = rng.normal(size=(n, d + 1)), rng.normal(size=(c, d + 1))
        yield Draw({"x": x * decades(rng, 1e-3, 1e3), "weight": w * decades(rng, 1e-3, 1e3)}, difficulty=2)
    for size_x, size_w in ((1e300, 1e300), (1e-300, 1.0), (1e-300, 1e300), (1e200, 1e-200), (1e160, 1e160)):
        x, w = rng.normal(size=(2, 3)) * size_x, rng.normal(size=(3, 3)) * size_w
        yield Draw({"x": x, "weight": w}, flags=("OVERFLOW_F32",), difficulty=4)
    x = rng.normal(size=(3, 4)) * np.array([[1e-250], [1.0], [1e250]])
    yield Draw({"x": x, "weight": x[::-1] + rng.normal(size=(3, 4))}, flags=("OVERFLOW_F32",), difficulty=4)
    for gap in (1e-3, 1e-6, 1e-8, 1e-12, 1e-15):  # almost parallel
        x = rng.normal(size=(2, 3))
        w = np.concatenate([x + gap * rng.normal(size=(2, 3)), -x[:1] + gap * rng.normal(size=(1, 3))])
        yield Draw({"x": x, "weight": w}, flags=("ACOS_AT_ONE", "CANCELLATION"), difficulty=4)
    for tilt in (1e-2, 1e-5, 1e-9, 1e-150):  # almost along an axis: 1 minus the square of a component cancels
        x, w = np.array([[1.0, tilt, -2 * tilt]]), np.array([[1.0, 3 * tilt, tilt], [-2.0, tilt, tilt]])
        yield Draw({"x": x, "weight": w}, flags=("CANCELLATION",), difficulty=5)
    for factor in (1.0, 3.0, -2.0, 0.1875):  # exactly parallel
        x = short(rng.normal(size=(2, 3)))
        yield Draw(
            {"x": x, "weight": np.concatenate([factor * x, vectors(1, 3)])}, flags=("ACOS_AT_ONE",), difficulty=3
        )
    yield Draw({"x": np.array([[2.0], [-0.5]]), "weight": np.array([[3.0], [-7.0]])}, flags=("ACOS_AT_ONE",))
    yield Draw({"x": np.array([[1.0, 2.0]]), "weight": np.array([[-2.0, 1.0], [4.0, -2.0]])}, flags=("CANCELLATION",))
    yield Draw({"x": np.zeros((0, 3)), "weight": vectors(2, 3)}, flags=("EMPTY_ROW",))
    zero = np.zeros((1, 3))
    for x, w in (
        (np.concatenate([vectors(1, 3), zero]), vectors(2, 3)),
        (vectors(2, 3), np.concatenate([zero, vectors(1, 3)])),
        (zero, zero),
    ):
        yield Draw(
            {"x": x, "weight": w},
            flags=("ZERO_NORM",),
            difficulty=3,
            result="ambiguous",
            alternatives={"zero": zero_direction},
        )
