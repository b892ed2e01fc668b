"""Functions of a point and parameters that find value and slopes together: the frame around such a core.

A core takes the namespace and float64 arrays and returns where it is defined, its value and one slope for each array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from refengine._arrays import elementwise, unbroadcast
from refengine.domains import Array

Core: TypeAlias = Callable[..., tuple[Array, ...]]


def value(core: Core, **arguments: Array) -> Array:
    """The core's value, nan where it is not defined or an argument is nan."""
    xp, dtype, *arrays = elementwise(**arguments)
    with np.errstate(all="ignore"):
        defined, found, *_ = core(xp, *arrays)
        return xp.astype(xp.where(_known(xp, defined, arrays), found, xp.nan), dtype, copy=False)


def cotangents(core: Core, g: Array, **arguments: Array) -> tuple[Any, ...]:
    """The cotangent of each argument: g times the core's slopes, summed to the argument's shape."""
    xp, dtype, g, *arrays = elementwise(g=g, **arguments)
    with np.errstate(all="ignore"):
        defined, _, *slopes = core(xp, *arrays)
        known = _known(xp, defined, arrays)
        parts = (g * xp.where(known, slope, xp.nan) for slope in slopes)
        return tuple(unbroadcast(part, a, dtype) for part, a in zip(parts, arguments.values(), strict=True))


def both(core: Core, g: Array, **arguments: Array) -> tuple[Array, tuple[Any, ...]]:
    """Value and cotangents."""
    return value(core, **arguments), cotangents(core, g, **arguments)


def positive(xp: Any, *parameters: Array) -> Array:
    """Where every parameter is positive and finite."""
    found = parameters[0] == parameters[0]
    for p in parameters:
        found = found & (p > 0) & (p < xp.inf)
    return found


def flat(xp: Any, where: Array, level: Array | float, results: tuple[Array, ...]) -> tuple[Array, ...]:
    """The results, but a level without slopes ``where``: beyond the support."""
    first, *slopes = results
    return xp.where(where, level, first), *(xp.where(where, 0.0, s) for s in slopes)


def _known(xp: Any, defined: Array, arrays: list[Array]) -> Array:
    for a in arrays:
        defined = defined & ~xp.isnan(a)
    return defined
