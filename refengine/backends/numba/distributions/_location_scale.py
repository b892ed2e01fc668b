"""What the kernels of families of a location and a scale share, for scalars."""

from __future__ import annotations

import math

import numba

__all__: list[str] = []


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def valid(x: float, loc: float, scale: float) -> bool:
    """Whether the parameters are inside their domain and x is a number."""
    return 0.0 < scale < math.inf and -math.inf < loc < math.inf and x == x


@numba.njit(error_model="numpy", cache=True, forceinline=True)
def standardised(x: float, loc: float, scale: float) -> float:
    """``(x - loc) / scale``: where the difference of finite numbers overflows, that of their halves."""
    z = (x - loc) / scale
    if math.isinf(z):
        z = (0.5 * x - 0.5 * loc) / scale * 2.0
    return z
