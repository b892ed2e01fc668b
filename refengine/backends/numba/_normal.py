"""The normal distribution function for scalars: what the kernels of the normal family share."""

from __future__ import annotations

import math

import numba

from refengine.backends.numba import _polynomials

__all__: list[str] = []

_SQRT_HALF, _DENSITY = math.sqrt(0.5), math.sqrt(2 / math.pi)
_NEAR = 1.5


@numba.njit(error_model="numpy", cache=True)
def scaled_tail(z: float) -> float:
    """``exp(z^2) erfc(z)`` for z >= 1."""
    r = 1.0 / (1.0 + z)
    return r * _polynomials.tail_above(r) / _polynomials.tail_below(r)


@numba.njit(error_model="numpy", cache=True)
def log_ndtr(x: float) -> tuple[float, float]:
    """``log Phi(x)`` and its derivative, the inverse Mills ratio."""
    half_square = 0.5 * x * x
    if x < -_NEAR:
        if x < -1e100:
            return -half_square, -x
        scaled = scaled_tail(-x * _SQRT_HALF)
        return math.log(0.5 * scaled) - half_square, _DENSITY / scaled
    density = math.exp(-half_square)
    if x > _NEAR:
        above = 0.5 * density * scaled_tail(x * _SQRT_HALF) if x < 1e100 else 0.0
        return math.log1p(-above), 0.5 * _DENSITY * density / (1.0 - above)
    below = math.erfc(-x * _SQRT_HALF)
    value = math.log1p(-0.5 * math.erfc(x * _SQRT_HALF)) if x > 0.0 else math.log(0.5 * below)
    return value, _DENSITY * density / below
