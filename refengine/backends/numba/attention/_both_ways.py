"""Both sweeps at once: every block of queries goes there and back, and keeps its exponentials in between."""

from __future__ import annotations

from typing import Any

import numba

from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.attention._backward import center_block, meet_block, start_of
from refengine.backends.numba.attention._forward import forward_block
from refengine.backends.numba.attention._tiles import a_strip


@parallel
def there_and_back(
    t: Any, x: Any, z: Any, out: Any, y: Any, dq: Any, dk: Any, dv: Any, more_k: Any, more_v: Any, dbias: Any
) -> None:
    """Both sweeps at once, a part of the queries a task: the way back finds its weights in a strip.

    The first part adds to dk and dv, each of the others to sums of its own in ``more_k`` and ``more_v``.
    """
    key_heads = t.k.shape[1]
    for task in numba.prange(t.k.shape[0] * key_heads * t.parts):
        head, part = task // t.parts, task % t.parts
        b, key_head = head // key_heads, head % key_heads
        of_k, of_v = (more_k[part - 1], more_v[part - 1]) if part else (dk, dv)
        _there_and_back(t, x, z, out, y, dq, of_k, of_v, dbias, b, key_head, part)


@numba.njit(cache=True)
def _there_and_back(
    t: Any, x: Any, z: Any, out: Any, y: Any, dq: Any, dk: Any, dv: Any, dbias: Any, b: int, key_head: int, part: int
) -> None:
    group, strip = t.q.shape[1] // t.k.shape[1], a_strip(t)
    for h in range(key_head * group, (key_head + 1) * group):
        for i0 in range(start_of(t.q, t.rows, part, t.parts), start_of(t.q, t.rows, part + 1, t.parts), t.rows):
            forward_block(t, x, z, out, strip, b, h, i0)
            center_block(t, x, z, y, b, h, i0, min(t.rows, t.q.shape[2] - i0))
            meet_block(t, x, z, y, dq, dk, dv, dbias, strip, b, h, i0, (0, t.k.shape[2]))
