"""Loops over chains that serve every target: its type says whose functions of one chain are meant.

The types need names of their own: to the linker two named tuples of the same name and fields are one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from refengine.backends.numba.samplers._chains import gradient_at, log_density_at, loop_over_chains, rows


def densities(dtype: Any, position: np.ndarray, target: Any) -> Any:
    """The log densities (...) at positions (..., D)."""
    value = _densities(position[..., 0].size, target, None, None, None, (), rows(position))
    return np.asarray(value.reshape(position.shape[:-1]), dtype)[()]


def gradients(dtype: Any, position: np.ndarray, target: Any) -> np.ndarray:
    """Their gradients (..., D)."""
    value = _gradients(position[..., 0].size, target, None, None, None, (), rows(position))
    return np.asarray(value.reshape(position.shape), dtype)


@loop_over_chains
def _densities(target, log_density, gradient, gradient_vjp, parameters, position):
    value = np.empty(position.shape[0])
    for b in prange(position.shape[0]):
        value[b] = log_density_at(target, log_density, parameters, position[b])
    return value


@loop_over_chains
def _gradients(target, log_density, gradient, gradient_vjp, parameters, position):
    value = np.empty(position.shape)
    for b in prange(position.shape[0]):
        value[b] = gradient_at(target, gradient, parameters, position[b])
    return value
