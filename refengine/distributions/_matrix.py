"""Triangular factors of stacks of symmetric matrices, in array-API text: what the matrix distributions share.

Matrices are (..., D, D), vectors (..., D), and leading axes broadcast. A library's own factorisation raises, or not,
where a matrix of a stack is not positive definite, and pivots where a triangle is solved; here the former gives nan
and the latter keeps the componentwise accuracy that graded matrices need.
"""

from __future__ import annotations

from math import log, prod
from typing import Any

import numpy as np

from refengine._arrays import promote, unbroadcast
from refengine.domains import Array


def batched(vectors: str, matrices: str, **arguments: Array) -> tuple[Any, Any, *tuple[Any, ...]]:
    """``xp, dtype, *arrays`` in float64; vectors (..., D), matrices (..., D, D), others (...), by name.

    ValueError that names the argument where the last axes are not D >= 1 or leading ones do not broadcast.
    """
    xp, dtype, *arrays = promote(**arguments)
    ranks = [2 if n in matrices.split() else 1 if n in vectors.split() else 0 for n in arguments]
    size = next(a.shape[-1] for a, rank in zip(arrays, ranks, strict=True) if rank and a.ndim)
    for name, a, rank in zip(arguments, arrays, ranks, strict=True):
        if a.ndim < rank or tuple(a.shape[a.ndim - rank :]) != (size,) * rank or size == 0:
            axes = "".join([", D"] * rank)
            raise ValueError(f"{name} must have shape (...{axes}) with D = {max(size, 1)}, got {tuple(a.shape)}")
    try:
        np.broadcast_shapes(*(a.shape[: a.ndim - rank] for a, rank in zip(arrays, ranks, strict=True)))
    except ValueError:
        shapes = ", ".join(f"{name} {tuple(a.shape)}" for name, a in zip(arguments, arrays, strict=True))
        raise ValueError(f"leading axes do not broadcast: {shapes}") from None
    return xp, dtype, *(xp.astype(a, xp.float64, copy=False) for a in arrays)


def cotangent(xp: Any, g: Array, shape: tuple[int, ...]) -> Array:
    """The cotangent of a result of that shape, in float64. ValueError where it does not broadcast to it."""
    g = xp.astype(promote(g=g)[2], xp.float64, copy=False)
    try:
        return xp.broadcast_to(g, shape)
    except (ValueError, RuntimeError):
        raise ValueError(f"g must have the result's shape {shape}, got {tuple(g.shape)}") from None


def transposed(xp: Any, a: Array) -> Array:
    return xp.matrix_transpose(a)


def symmetric(xp: Any, a: Array) -> Array:
    """The symmetric part."""
    return a / 2 + transposed(xp, a) / 2


def diagonal(xp: Any, a: Array) -> Array:
    return xp.linalg.diagonal(a)


def cholesky(xp: Any, a: Array) -> Array:
    """The lower triangular L with positive diagonal and ``L L^T = a``; nan where there is none."""
    size, columns = a.shape[-1], []
    for j in range(size):
        column = a[..., 0] / xp.sqrt(a[..., 0, 0])[..., None]
        columns.append(xp.concat([xp.zeros((*a.shape[:-2], j), dtype=a.dtype), column], axis=-1))
        a = a[..., 1:, 1:] - column[..., 1:, None] * column[..., None, 1:]
    factor = xp.stack(columns, axis=-1)
    return xp.where(xp.all(xp.isfinite(factor), axis=(-2, -1))[..., None, None], factor, xp.nan)


def lower_factor(xp: Any, a: Array) -> Array:
    """The lower triangle of a; nan where its diagonal is not positive or an entry is not finite."""
    factor = xp.tril(a)
    valid = xp.all(diagonal(xp, factor) > 0, axis=-1) & xp.all(xp.isfinite(factor), axis=(-2, -1))
    return xp.where(valid[..., None, None], factor, xp.nan)


def valid(xp: Any, factor: Array) -> Array:
    """Whether there is a factor."""
    return xp.isfinite(factor[..., 0, 0])


def solve_lower(xp: Any, factor: Array, b: Array) -> Array:
    """``L^-1 b`` for vectors b."""
    found = []
    for j in range(factor.shape[-1]):
        found.append(b[..., 0] / factor[..., j, j])
        b = b[..., 1:] - factor[..., j + 1 :, j] * found[-1][..., None]
    return xp.stack(found, axis=-1)


def solve_upper(xp: Any, factor: Array, b: Array) -> Array:
    """``L^-T b`` for vectors b."""
    found = []
    for j in reversed(range(factor.shape[-1])):
        found.append(b[..., j] / factor[..., j, j])
        b = b[..., :j] - factor[..., j, :j] * found[-1][..., None]
    return xp.stack(found[::-1], axis=-1)


def left_lower(xp: Any, factor: Array, b: Array) -> Array:
    """``L^-1 B`` for matrices B."""
    return transposed(xp, solve_lower(xp, factor[..., None, :, :], transposed(xp, b)))


def left_upper(xp: Any, factor: Array, b: Array) -> Array:
    """``L^-T B`` for matrices B."""
    return transposed(xp, solve_upper(xp, factor[..., None, :, :], transposed(xp, b)))


def inverse(xp: Any, factor: Array) -> Array:
    """``(L L^T)^-1``."""
    rows = solve_lower(xp, factor[..., None, :, :], xp.eye(factor.shape[-1], dtype=factor.dtype))  # L^-T
    return with_transpose(xp, rows)


def with_transpose(xp: Any, a: Array) -> Array:
    """``A A^T``."""
    return xp.matmul(a, transposed(xp, a))


def cholesky_vjp(xp: Any, factor: Array, back: Array) -> Array:
    r"""The symmetric cotangent of a matrix from :math:`L^\top \bar L`, of its factor's; Murray 2016, eq. 8 and 9."""
    half = xp.tril(back) * (1 - xp.eye(factor.shape[-1], dtype=factor.dtype) / 2)
    middle = left_upper(xp, factor, half)  # then from the right, by its transpose
    return symmetric(xp, left_upper(xp, factor, transposed(xp, middle)))


def sum_of_logs(xp: Any, values: Array) -> Array:
    """The sum over the last axis of the logarithms of positive numbers.

    Their binary exponents are added apart, so that large logarithms of opposite signs leave no error.
    """
    exponents = xp.round(xp.log2(values))
    half = xp.round(exponents / 2)  # 2^-1074 has no reciprocal
    rest = xp.sum(xp.log(values * 2.0**-half * 2.0 ** (half - exponents)), axis=-1)
    return rest + xp.sum(exponents, axis=-1) * log(2)


def times(a: Array, b: Array) -> Array:
    """Numbers (...) times matrices (..., D, D)."""
    return a[..., None, None] * b


def outer(u: Array, v: Array) -> Array:
    return u[..., :, None] * v[..., None, :]


def sum_outer(xp: Any, u: Array, v: Array, like: Array) -> Array:
    """The outer products of vectors, summed over the axes along which ``like`` was broadcast."""
    if len(np.shape(like)) > 2:
        return unbroadcast(outer(u, v), like)
    rows = (prod(u.shape[:-1]), u.shape[-1])
    return xp.matmul(transposed(xp, xp.reshape(u, rows)), xp.reshape(v, rows))


def shared(xp: Any, g: Array, matrix: Array, like: Array) -> Array:
    """``g`` times a matrix of the shape of ``like``, summed over the rows that share it."""
    if like.ndim == 2:
        return xp.sum(g) * matrix
    return unbroadcast(times(g, matrix), like)
