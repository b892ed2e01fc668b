"""What the golden vectors are made of: a case, its answers, and the file that holds the cases of an operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


class GoldenFormatError(ValueError):
    """A golden file is malformed, truncated or altered; the message names the file and the place in it."""


@dataclass(frozen=True)
class Certified:
    """``hi + lo`` is the truth to within ``radius``; ``hi`` is the truth rounded to float64."""

    hi: np.ndarray
    lo: np.ndarray
    radius: np.ndarray


Leaf = Certified | np.ndarray


@dataclass(frozen=True)
class Answer:
    """Values and gradients by name: what a convention gives."""

    value: dict[str, Leaf]
    gradients: dict[str, Leaf]


@dataclass(frozen=True)
class Case(Answer):
    """One certified case. Results with one array hold it under the name ``value``."""

    id: int
    uid: str
    operation: str
    convention: str
    flags: tuple[str, ...]
    difficulty: int
    arguments: dict[str, np.ndarray]
    constants: dict[str, Any]
    cotangent: dict[str, np.ndarray]
    condition: dict[str, np.ndarray]
    gradient_condition: dict[str, np.ndarray]
    result: str
    alternatives: dict[str, Answer]
    notes: dict[str, dict[str, Any]]
    dtype: str = "float64"
    """The dtype in which the arguments are given, and the narrowest in which an answer is expected."""

    def __str__(self) -> str:
        return f"{self.operation}[{self.id}-{self.uid}]"


@dataclass(frozen=True)
class GoldenFile:
    """One operation under one convention."""

    operation: str
    convention: str
    definition: dict[str, str]
    generator: dict[str, str]
    notes: dict[str, dict[str, Any]]
    cases: tuple[Case, ...]
