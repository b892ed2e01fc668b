"""Both sweeps at once: every block of queries goes there and back, and keeps its exponentials in between."""

from __future__ import annotations

from typing import Any

from refengine.backends.numba._parallel import shared_out
from refengine.backends.numba.attention._backward import center_block, meet_block, start_of
from refengine.backends.numba.attention._forward import forward_block
from refengine.backends.numba.attention._tiles import a_strip


@shared_out
def there_and_back(
    start: int, stop: int, t: Any, x: Any, z: Any, out: Any, y: Any, dq: Any, dk: Any, dv: Any, dbias: Any
) -> None:
    """Both sweeps at once, a part of the queries a task: the way back finds its weights in a strip.

    Each part adds to sums of its own in ``dk`` and ``dv``, (parts, B, H, K, .).
    """
    key_heads, group, strip = t.k.shape[1], t.q.shape[1] // max(t.k.shape[1], 1), a_strip(t)
    for task in range(start, stop):
        head, part = task // t.parts, task % t.parts
        b, first = head // key_heads, head % key_heads * group
        for h in range(first, first + group):
            for i0 in range(start_of(t.q, t.rows, part, t.parts), start_of(t.q, t.rows, part + 1, t.parts), t.rows):
                forward_block(t, x, z, out, strip, b, h, i0)
                center_block(t, x, z, y, b, h, i0, min(t.rows, t.q.shape[2] - i0))
                meet_block(t, x, z, y, dq, dk[part], dv[part], dbias, strip, b, h, i0, (0, t.k.shape[2]))
