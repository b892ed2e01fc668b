"""Loops over chains that serve every target: its type says whose functions of one chain are meant.

The types need names of their own: to the linker two named tuples of the same name and fields are one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine.backends.numba.samplers._chains import Compiled, gradient_at, log_density_at, loop_over_chains, rows


def densities(dtype: Any, position: np.ndarray, target: Any) -> Any:
    """The log densities (...) at positions (..., D)."""
    value = np.empty(position.shape[:-1])
    _densities(value.size, Compiled(target, None, None, None, ()), rows(position), value.reshape(-1))
    return np.asarray(value, dtype)[()]


def gradients(dtype: Any, position: np.ndarray, target: Any) -> np.ndarray:
    """Their gradients (..., D)."""
    points = rows(position)
    value = np.empty(points.shape)
    _gradients(len(points), Compiled(target, None, None, None, ()), points, value)
    return np.asarray(value.reshape(position.shape), dtype)


@loop_over_chains
def _densities(start, stop, target, position, value):
    for b in range(start, stop):
        value[b] = log_density_at(target, position[b])


@loop_over_chains
def _gradients(start, stop, target, position, value):
    for b in range(start, stop):
        value[b] = gradient_at(target, position[b])
