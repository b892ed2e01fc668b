"""What an argument may hold, said where the argument stands: ``def log_prob(x: Unit, a: Positive, ...)``.

Tests, golden generator, documentation and command line read the domains from the signatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Annotated, Any, TypeAlias

Array: TypeAlias = Any
"""A NumPy, CuPy or other array-API array; a Python number where a 0-d array would do."""


@dataclass(frozen=True)
class Interval:
    """Real numbers between ``low`` and ``high``; the ends belong to it where ``closed`` says so."""

    low: float = -inf
    high: float = inf
    closed: bool = False
    differentiable = True

    def __str__(self) -> str:
        if (self.low, self.high) == (-inf, inf):
            return "real numbers"
        left, right = "[]" if self.closed else "()"
        return f"{left if self.low > -inf else '('}{self.low:g}, {self.high:g}{right if self.high < inf else ')'}"


@dataclass(frozen=True)
class Integers:
    """Whole numbers from ``low`` to ``high``, in an integer array or in a floating one."""

    low: float = -inf
    high: float = inf
    differentiable = False

    def __str__(self) -> str:
        return f"integers >= {self.low:g}" if self.high == inf else f"integers {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Booleans:
    """True or False."""

    differentiable = False

    def __str__(self) -> str:
        return "booleans"


Domain: TypeAlias = Interval | Integers | Booleans

Real = Annotated[Array, Interval()]
Positive = Annotated[Array, Interval(0)]
NonNegative = Annotated[Array, Interval(0, closed=True)]
Unit = Annotated[Array, Interval(0, 1, closed=True)]
Count = Annotated[Array, Integers(0)]
Labels = Annotated[Array, Integers(0)]
Indices = Annotated[Array, Integers(0)]
Mask = Annotated[Array, Booleans()]
