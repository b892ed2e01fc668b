"""Gaussian elimination on arrays of numbers, as a textbook has it: solutions, determinants, definiteness.

Arguments are symmetric by contract; of others the symmetric part is read. Where a matrix is not positive definite
there are no factors, None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from validation.exact.number import Number, lift, log, number, sqrt, stated


def over_batch(definition: Callable[..., Any], ranks: tuple[int, ...], *arrays: Any) -> Any:
    """``definition`` on every element of stacks of numbers, vectors or matrices, whose leading axes broadcast."""
    arrays = tuple(np.asarray(a) if np.asarray(a).dtype == object else np.asarray(lift(a, False)) for a in arrays)
    leading = np.broadcast_shapes(*(a.shape[: a.ndim - rank] for a, rank in zip(arrays, ranks, strict=True)))
    spread = [np.broadcast_to(a, leading + a.shape[a.ndim - rank :]) for a, rank in zip(arrays, ranks, strict=True)]
    results = [definition(*(a[i] for a in spread)) for i in np.ndindex(leading)]
    inner = np.shape(results[0]) if results else ()
    flat = np.empty((len(results), *inner), dtype=object)
    for i, result in enumerate(results):
        flat[i] = result
    return flat.reshape(leading + inner) if leading + inner else flat[0]


def symmetric(a: Any) -> Any:
    """The symmetric part; a itself, entry by entry, where it is the lower triangle that counts."""
    return (a + a.T) / 2


def from_lower(a: Any) -> Any:
    """The symmetric matrix with this lower triangle: the convention in which the upper one is not read."""
    return np.array([[a[max(i, j), min(i, j)] for j in range(len(a))] for i in range(len(a))], dtype=object)


def finite(*arrays: Any) -> bool:
    return not any(x.stated for a in arrays for x in np.ravel(a))


def has_nan(*arrays: Any) -> bool:
    return any(x.stated and float(x) != float(x) for a in arrays for x in np.ravel(a))


def undefined(*arrays: Any, value: float = float("nan")) -> Number:
    """nan, with nan derivatives to all."""
    return stated(value, *((x, float("nan")) for a in arrays for x in np.ravel(a)))


def eliminate(a: Any) -> tuple[Any, Any] | None:
    """The unit lower triangle l and the pivots d of ``a = l diag(d) l^T``, a positive definite."""
    a, size = a.copy(), len(a)
    lower, pivots = np.empty((size, size), dtype=object), np.empty(size, dtype=object)
    for j in range(size):
        pivots[j] = a[j, j]
        if not pivots[j] > 0:
            return None
        for i in range(size):
            lower[i, j] = number(i == j) if i <= j else a[i, j] / pivots[j]
        for i in range(j + 1, size):
            for k in range(j + 1, i + 1):
                a[i, k] = a[k, i] = a[i, k] - lower[i, j] * a[k, j]
    return lower, pivots


def forward(lower: Any, b: Any) -> Any:
    """``l^-1 b`` for a vector or a matrix b and a lower triangle l."""
    found: list[Any] = []
    for i in range(len(b)):
        rest = b[i]
        for j in range(i):
            rest = rest - lower[i, j] * found[j]
        found.append(rest / lower[i, i])
    return np.array(found, dtype=object)


def backward(upper: Any, b: Any) -> Any:
    """``u^-1 b`` for a vector or a matrix b and an upper triangle u."""
    return forward(upper[::-1, ::-1], b[::-1])[::-1]


def form(factors: tuple[Any, Any], r: Any) -> Any:
    """``r^T a^-1 r``."""
    y = forward(factors[0], r)
    return (y * y / factors[1]).sum()


def log_det(factors: tuple[Any, Any]) -> Any:
    return log(factors[1]).sum()


def solve(factors: tuple[Any, Any], b: Any) -> Any:
    """``a^-1 b``."""
    lower, pivots = factors
    y = forward(lower, b)
    return backward(lower.T, y / (pivots if y.ndim == 1 else pivots[:, None]))


def square_root(factors: tuple[Any, Any]) -> Any:
    """Cholesky's factor, the lower triangle with positive diagonal of which a is the square."""
    return factors[0] * sqrt(factors[1])[None, :]
