r"""Relative positions: Shaw's tables of vectors, and T5's table of one number for a head and a range of distances."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_shape, check_switch, promote
from refengine.attention._arguments import check_cotangent
from refengine.attention._offsets import ahead, check_count, rows_at, to_rows
from refengine.domains import Array, Real

__all__ = [
    "shaw_scores",
    "shaw_scores_vjp",
    "shaw_values",
    "shaw_values_vjp",
    "t5_bias",
    "t5_bias_vjp",
    "t5_buckets",
]


def shaw_scores(q: Real, table: Real, *, keys: int, alignment: str = "top_left") -> Array:
    r"""What relative positions add to the products of queries and keys.

    .. math:: S_{ij} = q_i \cdot a_{\operatorname{clip}(j - i, -k, k)}

    q (..., Q, D); table (R, D) with R = 2 k + 1 rows for the distances -k..k; the result has shape (..., Q, keys),
    float64 unless both are float32. It is added before the scale: :math:`(q_i \cdot k_j + S_{ij}) / \sqrt D`. With
    ``alignment="bottom_right"`` query i stands at i + K - Q. Definition: Shaw et al. 2018, eq. 4 and eq. 5.

    >>> shaw_scores(np.array([[2.0], [2.0]]), np.array([[-1.0], [0.0], [1.0]]), keys=3)
    array([[ 0.,  2.,  2.],
           [-2.,  0.,  2.]])
    """
    xp, dtype, q, table, places = _checked_shaw("q", q, table, keys, alignment)
    with np.errstate(all="ignore"):
        value = xp.sum(q[..., :, None, :] * rows_at(xp, table, places), axis=-1)
        return xp.astype(value, dtype, copy=False)


def shaw_scores_vjp(g: Array, q: Real, table: Real, *, keys: int, alignment: str = "top_left") -> tuple[Array, Array]:
    r"""Cotangents of q and table.

    .. math:: \bar q_i = \sum_j g_{ij} a_{c(i, j)}, \qquad \bar a_r = \sum_{ij : c(i, j) = r} g_{ij} q_i

    with :math:`c(i, j)` the clipped distance; the batch axes are summed in :math:`\bar a`.
    """
    xp, dtype, q, table, places = _checked_shaw("q", q, table, keys, alignment)
    g = _cotangent(xp, g, (*q.shape[:-1], keys))[..., None]
    with np.errstate(all="ignore"):
        dq = xp.sum(g * rows_at(xp, table, places), axis=-2)
        dtable = to_rows(xp, g * q[..., :, None, :], places, table.shape[0])
        return xp.astype(dq, dtype, copy=False), xp.astype(dtable, dtype, copy=False)


def shaw_values(weights: Real, table: Real, *, alignment: str = "top_left") -> Array:
    r"""What relative positions add to the averaged values.

    .. math:: O_i = \sum_j P_{ij} \, a_{\operatorname{clip}(j - i, -k, k)}

    weights (..., Q, K); table (R, V) with R = 2 k + 1 rows for the distances -k..k; the result has shape (..., Q, V),
    float64 unless both are float32. ``alignment`` as in `shaw_scores`. Definition: Shaw et al. 2018, eq. 3.

    >>> shaw_values(np.array([[0.5, 0.25, 0.25]]), np.array([[9.0], [0.0], [2.0]]))
    array([[1.]])
    """
    xp, dtype, p, table, places = _checked_shaw("weights", weights, table, None, alignment)
    with np.errstate(all="ignore"):
        value = xp.sum(p[..., None] * rows_at(xp, table, places), axis=-2)
        return xp.astype(value, dtype, copy=False)


def shaw_values_vjp(g: Array, weights: Real, table: Real, *, alignment: str = "top_left") -> tuple[Array, Array]:
    r"""Cotangents of weights and table.

    .. math:: \bar P_{ij} = g_i \cdot a_{c(i, j)}, \qquad \bar a_r = \sum_{ij : c(i, j) = r} P_{ij} g_i
    """
    xp, dtype, p, table, places = _checked_shaw("weights", weights, table, None, alignment)
    g = _cotangent(xp, g, (*p.shape[:-1], table.shape[-1]))[..., :, None, :]
    with np.errstate(all="ignore"):
        dp = xp.sum(g * rows_at(xp, table, places), axis=-1)
        dtable = to_rows(xp, p[..., None] * g, places, table.shape[0])
        return xp.astype(dp, dtype, copy=False), xp.astype(dtable, dtype, copy=False)


def t5_buckets(
    *,
    queries: int,
    keys: int,
    buckets: int = 32,
    bidirectional: bool = True,
    max_distance: int = 128,
    alignment: str = "top_left",
) -> Array:
    r"""The bucket of every pair of query and key, whole numbers (Q, K).

    Distances :math:`n` below e = half the buckets of a side have one each; beyond, bucket
    :math:`e + \lfloor (b - e) \log(n / e) / \log(M / e) \rfloor`, at most b - 1, where b is the number of buckets of a
    side and M is ``max_distance``. The ranges are found in whole numbers, as n^(b - e) against M^k e^(b - e - k): at
    their ends, such as n = 16, the rounded logarithm may fall on either side. Both sides of the query have buckets if
    ``bidirectional``, keys after the query the upper half; else those count as distance 0.
    Definition: Raffel et al. 2020, section 2.1, and the authors' code.

    >>> t5_buckets(queries=1, keys=20)[0]
    array([ 0, 17, 18, 19, 20, 21, 22, 23, 24, 24, 24, 24, 25, 25, 25, 25, 26,
           26, 26, 26])
    """
    check_switch("bidirectional", bidirectional)
    away = ahead(np, check_count("queries", queries), check_count("keys", keys), alignment)
    side = check_count("buckets", buckets, 4 if bidirectional else 2) // (2 if bidirectional else 1)
    n = abs(away) if bidirectional else -away * (away < 0)
    exact = side // 2
    if check_count("max_distance", max_distance) <= exact:
        raise ValueError(f"max_distance must exceed {exact}, the distances with buckets of their own")
    starts = [_start(k, exact, side - exact, max_distance) for k in range(1, side - exact)]
    found = sum((n >= start) for start in (*range(1, exact + 1), *starts))
    return found + side * (away > 0) if bidirectional else found


def t5_bias(
    table: Real,
    *,
    queries: int,
    keys: int,
    bidirectional: bool = True,
    max_distance: int = 128,
    alignment: str = "top_left",
) -> Array:
    r"""The bias that a head has for the range in which the distance of a key falls.

    .. math:: B_{hij} = t_{b(j - i), h}

    table (B, H), one row a bucket; the result has shape (H, queries, keys), float64 unless the table is float32. The
    buckets b are those of `t5_buckets`, with as many as the table has rows; 32 in the paper, both sides together if
    ``bidirectional``, as in the encoder. T5 adds it to products without a scale. With ``alignment="bottom_right"``
    query i stands at i + K - Q. Definition: Raffel et al. 2020, section 2.1.

    >>> t5_bias(np.array([[0.5], [1.0], [2.0], [3.0]]), queries=2, keys=2, max_distance=8)
    array([[[0.5, 3. ],
            [1. , 0.5]]])
    """
    xp, dtype, table, places = _checked_t5(table, queries, keys, bidirectional, max_distance, alignment)
    return xp.astype(xp.permute_dims(rows_at(xp, table, places), (2, 0, 1)), dtype, copy=False)


def t5_bias_vjp(
    g: Array,
    table: Real,
    *,
    queries: int,
    keys: int,
    bidirectional: bool = True,
    max_distance: int = 128,
    alignment: str = "top_left",
) -> tuple[Array]:
    r"""Cotangent of the table: what arrives at all pairs of a bucket.

    .. math:: \bar t_{rh} = \sum_{ij : b(j - i) = r} g_{hij}
    """
    xp, dtype, table, places = _checked_t5(table, queries, keys, bidirectional, max_distance, alignment)
    g = _cotangent(xp, g, (table.shape[1], *places.shape))
    with np.errstate(all="ignore"):
        total = to_rows(xp, xp.permute_dims(g, (1, 2, 0)), places, table.shape[0])
        return (xp.astype(total, dtype, copy=False),)


def _start(k: int, exact: int, log_buckets: int, max_distance: int) -> int:
    """The smallest distance n in the k-th bucket by logarithm: ``(n / e)^s >= (M / e)^k``."""
    wanted, low, high = max_distance**k * exact ** (log_buckets - k), exact, max_distance
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if middle**log_buckets >= wanted else (middle + 1, high)
    return low


def _checked_shaw(name: str, array: Array, table: Array, keys: int | None, alignment: str) -> tuple[Any, ...]:
    """``xp, dtype``, the arrays in float64, and the rows of the table for all pairs."""
    xp, dtype, a, table = promote(**{name: array, "table": table})
    if a.ndim < 2:
        raise ValueError(f"{name} must have shape (..., Q, {'D' if name == 'q' else 'K'}), got {tuple(a.shape)}")
    check_shape("table", table, ("R", "D"), **({"D": a.shape[-1]} if name == "q" else {}))
    if table.shape[0] % 2 == 0:
        raise ValueError(f"table must have an odd number of rows, 2 k + 1, got shape {tuple(table.shape)}")
    k = table.shape[0] // 2
    away = ahead(xp, a.shape[-2], a.shape[-1] if keys is None else check_count("keys", keys), alignment)
    places = xp.clip(away, -k, k) + k
    return xp, dtype, xp.astype(a, xp.float64, copy=False), xp.astype(table, xp.float64, copy=False), places


def _checked_t5(
    table: Array, queries: int, keys: int, bidirectional: bool, max_distance: int, alignment: str
) -> tuple[Any, ...]:
    xp, dtype, table = promote(table=table)
    check_shape("table", table, ("B", "H"))
    least = 4 if bidirectional else 2
    if table.shape[0] < least or (bidirectional and table.shape[0] % 2):
        raise ValueError(f"table must have at least {least} rows, an even number if bidirectional, got {table.shape}")
    places = t5_buckets(
        queries=queries,
        keys=keys,
        buckets=table.shape[0],
        bidirectional=bidirectional,
        max_distance=max_distance,
        alignment=alignment,
    )
    return xp, dtype, xp.astype(table, xp.float64, copy=False), xp.asarray(places)


def _cotangent(xp: Any, g: Array, shape: tuple[int, ...]) -> Any:
    _, _, g = promote(g=g)
    check_cotangent(g, tuple(shape))
    return xp.astype(g, xp.float64, copy=False)
