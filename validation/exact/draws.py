"""One case to be certified, and how test points are drawn: over decades, both signs, edges."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Draw:
    """Arguments and constants of one case, and why it is there.

    ``arguments`` are plain numbers or arrays by name (``state.position`` for fields); ``alternatives`` gives for each
    named convention the constants in which it differs, or a definition of its own.
    """

    arguments: dict[str, Any]
    constants: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    difficulty: int = 1
    result: str = "required"
    alternatives: dict[str, Any] = field(default_factory=dict)


def decades(rng: np.random.Generator, low: float, high: float) -> float:
    """A positive number whose logarithm is uniform between those of ``low`` and ``high``."""
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def short(x: Any, bits: int = 8) -> Any:
    """Rounded to ``bits`` significant bits (8 fit bfloat16, 11 float16), so that low precisions get the same input."""
    mantissa, exponent = np.frexp(np.asarray(x, dtype=np.float64))
    rounded = np.ldexp(np.round(mantissa * 2**bits), exponent - bits)
    return rounded if rounded.ndim else float(rounded)
