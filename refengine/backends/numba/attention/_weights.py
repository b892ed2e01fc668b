"""The weights themselves, from what the forward sweep has found."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numba
import numpy as np

from refengine.backends.numba._exponential import fall
from refengine.backends.numba._parallel import shared_out
from refengine.backends.numba.attention._products import transpose
from refengine.backends.numba.attention._tiles import TILE, block_of, fill_scores, matrix


@shared_out
def fill_weights(start: int, stop: int, t: Any, x: Any, z: Any, out: Any) -> None:
    """The weights themselves, (B, H, Q, K), a block of queries a task."""
    for task in range(start, stop):
        b, h, i0 = block_of(t, task)
        _weights_block(t, x, z, out, b, h, i0)


@numba.njit(cache=True)
def _weights_block(t: Any, x: Any, z: Any, out: Any, b: int, h: int, i0: int) -> None:
    rows = min(t.rows, t.q.shape[2] - i0)
    tiles = np.empty((2, t.rows * TILE), t.q.dtype)
    queries = np.empty((t.q.shape[3], rows), t.q.dtype)
    transpose(queries, t.q[b, h, i0 : i0 + rows], t.scale)
    for j0 in range(0, t.k.shape[2], TILE):
        s = matrix(tiles[0], min(TILE, t.k.shape[2] - j0), rows)
        fill_scores(s, matrix(tiles[1], *s.shape), queries, t, b, h, i0, j0)
        for r in range(rows):
            i = i0 + r
            for j in range(s.shape[0]):
                if z.best[b, h, i] < 0:
                    out[b, h, i, j0 + j] = nan if x.nan else (1 / t.k.shape[2] if x.mean else 0)
                else:
                    e = fall(s[j, r] - z.largest[b, h, i])
                    out[b, h, i, j0 + j] = 0 if s[j, r] == -inf else e / (1 + z.rest[b, h, i])
