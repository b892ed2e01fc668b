"""Losses on the cosines of a batch: one N x N buffer that holds cosines, then derivatives; two matrix products.

The rows stand in the order of their classes, so that the positives of a row are neighbours and everything else lies to
the left and to the right: no loop asks for labels. A loss fills each row of the buffer with its own derivatives, up to
a factor for the row's positives and one for its negatives. Both rows of a pair meet in `Batch.pulled`, which needs
nothing else. The buffer has the precision of the inputs; sums are in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refengine.backends.numba._parallel import shared_out
from refengine.backends.numba.losses._rows import (
    contiguous,
    count_nan,
    exp_row,
    largest_number,
    orthogonal_rows,
    place_of,
    scalar,
    sum_of,
    unit_vectors,
)

TILE = 32


class Batch:
    """The rows of a batch in the order of their classes, and the buffer ``c`` of their cosines.

    The positives of row i are those from ``first[i]`` to before ``last[i]``, without i. Whatever is given or taken by
    row is in the caller's order. Rounding may carry a cosine beyond 1.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, dtype: Any) -> None:
        _, place, counts = np.unique(y, return_inverse=True, return_counts=True)
        self.order, starts = np.argsort(place, kind="stable"), np.cumsum(counts) - counts
        place = place[self.order]
        self.first, self.last = (contiguous(ends[place], np.int64) for ends in (starts, starts + counts))
        self.dtype, self.real = dtype, np.float32 if dtype == np.float32 else np.float64
        self.unit, self.largest, self.norm = unit_vectors(contiguous(x[self.order], self.real))
        with np.errstate(all="ignore"):
            self.c = np.matmul(self.unit, self.unit.copy().T)  # of an array and itself BLAS makes one half, and copies

    def given(self, by_row: Any) -> np.ndarray:
        """In our order, what a kernel takes."""
        return contiguous(np.asarray(by_row)[self.order], self.real)

    def taken(self, by_row: np.ndarray) -> np.ndarray:
        """In the caller's order."""
        result = np.empty_like(by_row)
        result[self.order] = by_row
        return result

    @property
    def positives(self) -> np.ndarray:
        """How many other rows have the label of each."""
        return self.taken(self.last - self.first - 1.0)

    def two_sums(self, gamma_p: float, sign: float, gamma_n: float, mining: float = np.nan) -> Any:
        """``tops, sums``, both (N, 2) and described at the loop below."""
        tops, sums = np.empty((len(self.c), 2)), np.empty((len(self.c), 2))
        constants = (self.real(v) for v in (gamma_p, sign, gamma_n, mining))
        _two_sums(len(self.c), self.c, self.first, self.last, *constants, tops, sums)
        return self.taken(tops), self.taken(sums)

    def against(self, denominator: str, scale: float, each: np.ndarray, weights: np.ndarray | None = None) -> Any:
        """Minus log of the softmax at the positives, summed for each row (N,), or by pair (N, N) if they have weights.

        Beside a positive the softmax has "all" others or the "negatives"; the loops below say what the buffer takes.
        """
        losses, by_pair, given = np.empty(len(self.c)), np.zeros((0, 0)), np.zeros((0, 0))
        pairs = np.ix_(self.order, self.order)
        if weights is not None:
            by_pair, given = np.zeros(weights.shape), weights[pairs]
        rows = {"all": _against_all, "negatives": _against_negatives}[denominator]
        wanted = contiguous(given, self.real), weights is not None, losses, by_pair
        rows(len(self.c), self.c, self.first, self.last, self.real(scale), self.given(each), *wanted)
        if weights is None:
            return self.taken(losses)
        result = np.empty_like(by_pair)
        result[pairs] = by_pair
        return result

    def pulled(self, of_p: Any, of_n: Any) -> tuple[np.ndarray]:
        """Cotangent of x from the buffer of derivatives, which is used up."""
        if np.any(np.isnan(self.norm)):  # every row meets the one that has no direction
            return (np.full(self.unit.shape, np.nan, self.dtype),)
        with np.errstate(all="ignore"):
            size = np.max(np.abs([of_p, of_n]), initial=0.0)
            size = np.ldexp(1.0, np.frexp(size)[1]) if 0 < size < np.inf else 1.0  # float32 holds what is near 1
            tiles = (len(self.c) + TILE - 1) // TILE
            _both_ways(tiles, self.c, self.first, self.last, self.given(of_p / size), self.given(of_n / size))
            dx = np.matmul(self.c, self.unit)
            orthogonal_rows(len(dx), dx, self.unit, self.largest, self.norm)
            return ((size * self.taken(dx).astype(np.float64, copy=False)).astype(self.dtype, copy=False),)


@scalar
def _copy_tile(c, i, j, tile, back):
    """Copy a square of c from row i and column j on, as much as there is, into the tile; or back."""
    rows, columns = min(TILE, c.shape[0] - i), min(TILE, c.shape[1] - j)
    for k in range(rows):
        row = c[i + k, j : j + columns]
        for m in range(columns):
            if back:
                row[m] = tile[k, m]
            else:
                tile[k, m] = row[m]


@scalar
def _add_turned(upper, lower, first, last, own_p, own_n, of_p, of_n):
    """Replace row i of a tile by its sum with column i of the tile's mirror image, and that column too."""
    for j in range(upper.shape[0]):
        positive = first <= j < last
        upper[j] = (own_p if positive else own_n) * upper[j] + (of_p[j] if positive else of_n[j]) * lower[j]
        lower[j] = upper[j]


@shared_out
def _both_ways(start, stop, c, first, last, of_p, of_n):
    """Replace c by its sum with its transpose, each row scaled: by of_p where the labels agree, else by of_n.

    Tile by tile, through copies, as columns of c lie too far apart. Row t from the top and row t from the bottom of the
    tiles make equal work.
    """
    n = c.shape[0]
    tiles, upper, lower = (n + TILE - 1) // TILE, np.empty((TILE, TILE), c.dtype), np.empty((TILE, TILE + 1), c.dtype)
    for t in range(start, stop):
        i = (t // 2 if t % 2 == 0 else tiles - 1 - t // 2) * TILE
        for j in range(i, n, TILE):
            rows, columns = min(TILE, n - i), min(TILE, n - j)
            _copy_tile(c, i, j, upper, False)
            for k in range(columns):
                row = c[j + k, i : i + rows]
                for m in range(rows):
                    lower[m, k] = row[m]
            for m in range(rows):
                ends = first[i + m] - j, last[i + m] - j
                own = of_p[i + m], of_n[i + m]
                _add_turned(upper[m, :columns], lower[m], *ends, *own, of_p[j:], of_n[j:])
                if i == j:
                    upper[m, m] = 0
            _copy_tile(c, i, j, upper, True)
            if i != j:
                for k in range(columns):
                    row = c[j + k, i : i + rows]
                    for m in range(rows):
                        row[m] = lower[m, k]


@scalar
def clip_row(row):
    """Min and max would pass over nan."""
    one = row.dtype.type(1)
    for j in range(row.shape[0]):
        row[j] = one if row[j] > one else (-one if row[j] < -one else row[j])


@scalar
def top_of(row):
    """The largest entry: nan where there is one, -inf where there is nothing."""
    if row.shape[0] == 0:
        return row.dtype.type(-np.inf)
    return largest_number(row) if count_nan(row) == 0 else row.dtype.type(np.nan)


@scalar
def _powers_below(row, top, gamma, mining, bound):
    """Exponentials of gamma times what a row is below the top, 0 where row + mining is up to the bound; their sum."""
    out = row.dtype.type(-np.inf)
    for j in range(row.shape[0]):
        row[j] = out if row[j] + mining <= bound else gamma * (row[j] - top)
    exp_row(row)
    return sum_of(row)


@shared_out
def _two_sums(start, stop, c, first, last, gamma_p, sign, gamma_n, mining, tops, sums):
    """The largest ``sign * c`` of each row's positives and the largest c of its negatives, and their exponentials.

    The buffer takes the exponentials of gamma times what they are below the largest, ``sums`` their sums. Where there
    is none the largest is 0, and the sum too. Unless ``mining`` is nan, a positive whose cosine is as much above the
    largest of the negatives is left out, and a negative as much below the least of the positives; sign is -1 then.
    """
    for i in range(start, stop):
        row, nothing = c[i], c.dtype.type(-np.inf)
        left, own, right = row[: first[i]], row[first[i] : last[i]], row[last[i] :]
        clip_row(row)
        before, after = top_of(left), top_of(right)
        top_n = before if before > after or before != before else after
        row[i] = sign * nothing
        for j in range(own.shape[0]):
            own[j] *= sign
        top_p = top_of(own)
        sums[i, 0] = _powers_below(own, top_p, gamma_p, mining, -top_n) if own.shape[0] > 1 else 0.0
        row[i] = 0
        sums[i, 1] = 0.0
        for part in (left, right):
            if part.shape[0] > 0:
                sums[i, 1] += _powers_below(part, top_n, gamma_n, mining, -top_p)
        tops[i, 0] = 0.0 if top_p == nothing else top_p
        tops[i, 1] = 0.0 if top_n == nothing else top_n


@shared_out
def _against_all(start, stop, c, first, last, scale, each, g, weights, losses, by_pair):
    """Minus log of the softmax at every positive: ``losses`` gets the sum over a row's, ``by_pair`` each, if wanted.

    The buffer takes the derivatives to scale * c, of the losses times ``each`` of the row or, where there are such,
    the weights ``g`` of the pairs. At the largest cosine they follow from the others, as 1 less them would cancel.
    """
    for i in range(start, stop):
        row, nothing = c[i], c.dtype.type(-np.inf)
        clip_row(row)
        row[i] = nothing
        top = top_of(row)
        place = place_of(row, top)
        for j in range(row.shape[0]):
            row[j] = scale * (row[j] - top)
        at_top, beside, gaps, count = 0.0, 0.0, 0.0, 0
        for j in range(first[i], last[i]):
            if j != i:
                weight = g[i, j] if weights else each[i]
                gaps -= row[j]
                count += 1
                if weights:
                    by_pair[i, j] = -row[j]
                if j == place:
                    at_top = weight
                else:
                    beside += weight
        row[i] = nothing
        if place < row.shape[0]:
            row[place] = nothing
        exp_row(row)
        rest, whole = sum_of(row), at_top + beside
        total = math.log1p(rest)
        losses[i] = gaps + count * total if count > 0 else 0.0
        share = c.dtype.type(whole / (1 + rest))
        for j in range(row.shape[0]):
            row[j] *= share
        for j in range(first[i], last[i]):
            if j != i:
                row[j] -= g[i, j] if weights else each[i]
                if weights:
                    by_pair[i, j] = by_pair[i, j] + total
        row[i] = 0.0
        if place < row.shape[0]:
            row[place] = beside - whole * (rest / (1 + rest))


@shared_out
def _against_negatives(start, stop, c, first, last, scale, each, g, weights, losses, by_pair):
    """As `_against_all`, of softmaxes over one positive and all negatives."""
    for i in range(start, stop):
        row = c[i]
        left, right = row[: first[i]], row[last[i] :]
        clip_row(row)
        before, after = top_of(left), top_of(right)
        top, rest = before if before > after or before != before else after, 0.0
        for part in (left, right):
            for j in range(part.shape[0]):
                part[j] = scale * (part[j] - top)
            exp_row(part)
            rest += sum_of(part)
        whole, losses[i] = 0.0, 0.0
        for j in range(first[i], last[i]):
            if j != i:
                h = scale * (top - row[j]) + math.log(rest) if top != -np.inf else -np.inf * abs(row[j] + 2)
                small = math.exp(-abs(h))
                loss = (0.0 if h < 0 else h) + math.log1p(small)
                slope = (small if h < 0 else 1.0) / (1 + small) * (g[i, j] if weights else each[i])
                losses[i] += loss
                if weights:
                    by_pair[i, j] = loss
                whole += slope
                row[j] = -slope
        share = c.dtype.type(whole / rest)
        for part in (left, right):
            for j in range(part.shape[0]):
                part[j] *= share
