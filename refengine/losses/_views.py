"""What the losses on two views of a batch share. Statistics go over the rows, so that views are turned: (D, N)."""

from __future__ import annotations

from typing import Any

from refengine._arrays import check_shape, promote
from refengine.domains import Array


def checked_views(x: Array, y: Array) -> tuple[Any, Any, Any, Any]:
    """``xp, dtype, x, y`` of two arrays (N, D), D >= 1, in float64; all nan where anything is nan or infinite."""
    xp, dtype, x, y = promote(x=x, y=y)
    check_shape("x", x, ("N", "D"))
    check_shape("y", y, ("N", "D"), N=x.shape[0], D=x.shape[1])
    if x.shape[1] == 0:
        raise ValueError(f"x must have shape (N, D) with D >= 1, got {tuple(x.shape)}")
    fine = xp.all(xp.isfinite(x)) & xp.all(xp.isfinite(y))
    return xp, dtype, *(xp.where(fine, xp.astype(v, xp.float64, copy=False), xp.nan) for v in (x, y))


def centred(xp: Any, x: Array) -> Any:
    """The columns of x (N, D) less their means, as rows (D, N): exactly 0 where a column does not vary."""
    c = (x - x[:1, :]).T
    for _ in range(2):  # the first mean is rounded
        c = c - xp.sum(c / c.shape[1], axis=1, keepdims=True)
    return c
