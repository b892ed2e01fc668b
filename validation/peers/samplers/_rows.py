"""A row for each comparison: how many steps were compared, and whether they agree, under whose convention.

A file in this folder is a peer, named as the library is. Its ``ROWS`` hold what was compared by its name there, as
functions without arguments that give a `Row`. A step of ours starts where one of theirs did, with the noise that theirs
drew, so that rounding does not build up along the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import version
from types import ModuleType
from typing import Any

import numpy as np

from validation.peers._table import name_of, peers

LIMIT = 1e-12
"""The relative difference up to which two steps agree."""


@dataclass(frozen=True)
class Row:
    """Our operation, the number of steps, the worst difference under each convention ("" is our default), and why."""

    operation: str
    steps: int
    worst: dict[str, float]
    why: str = ""

    @property
    def convention(self) -> str:
        """The one that fits best, the first of those that fit equally well."""
        return min(self.worst, key=lambda name: max(self.worst[name], LIMIT))

    @property
    def agrees(self) -> bool:
        return self.worst[self.convention] <= LIMIT

    @property
    def verdict(self) -> str:
        if not self.agrees:
            return "differs"
        return f"matches {self.convention}" if self.convention else "agrees"

    def __str__(self) -> str:
        verdict = self.verdict
        if self.convention and "" in self.worst:
            verdict += f" (our default: {self.worst['']:.2g})"
        told = f"{verdict}: {self.why}" if self.why else verdict
        return f"{self.operation:32} {self.steps:>6} {self.worst[self.convention]:>9.2g}  {told}"


HEAD = f"{'peer':54} {'operation':32} {'steps':>6} {'worst':>9}  verdict"


def difference(*pairs: tuple[Any, Any]) -> float:
    """The worst relative difference of arrays with the steps along the first axis, in the largest norm of each step.

    inf where numbers of another kind than floating ones differ, or where nan or inf meets another number.
    """
    return max(_difference(np.asarray(found), np.asarray(wanted)) for found, wanted in pairs)


def _difference(found: np.ndarray, wanted: np.ndarray) -> float:
    if found.shape != wanted.shape:
        return np.inf
    if not np.issubdtype(wanted.dtype, np.floating):
        return 0.0 if np.array_equal(found, wanted) else np.inf
    finite = np.isfinite(wanted)
    odd = ~(finite & np.isfinite(found))
    if not np.array_equal(found[odd], wanted[odd], equal_nan=True):
        return np.inf
    if not found.size:
        return 0.0
    rows = len(wanted)
    apart = np.abs(np.where(finite, found, 0) - np.where(finite, wanted, 0)).reshape(rows, -1).max(axis=1)
    size = np.abs(np.where(finite, wanted, 0)).reshape(rows, -1).max(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.max(np.where(apart == 0, 0, apart / size)))


def conventions(option: str, *others: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Our default, then the other values of an option: a name and the constants for each."""
    yield "", {}
    yield from ((f"{option}={other}", {option: other}) for other in others)


def probability(log_ratio: Any) -> np.ndarray:
    """The acceptance probability, 0 for nan."""
    with np.errstate(over="ignore"):
        return np.nan_to_num(np.minimum(np.exp(log_ratio), 1), nan=0.0)


def rows(family: ModuleType, patterns: list[str]) -> Iterator[tuple[str, Row]]:
    """Name and row of every comparison; of those only whose name or operation a pattern matches."""
    for module in peers(family)[0]:
        for what, compared in module.ROWS.items():
            name = f"{name_of(module)} {what}"
            if _wanted(name, patterns):
                yield name, compared()


def _wanted(name: str, patterns: Iterable[str]) -> bool:
    return not patterns or any(fnmatch(name, f"*{pattern}*") for pattern in patterns)


Compared = Callable[[], Row]


def main(family: ModuleType, patterns: list[str], verbose: bool) -> int:
    """Print the table, with ``verbose`` the difference under each convention."""
    modules, missing = peers(family)
    print(", ".join(f"{name_of(module)} {version(name_of(module))}" for module in modules))
    if missing:
        print(f"not installed: {', '.join(missing)}")
    print(HEAD, flush=True)
    for name, row in rows(family, patterns):
        print(f"{name:54} {row}", flush=True)
        for convention, worst in row.worst.items() if verbose else ():
            print(f"    {convention or 'default'}: {worst:.3g}")
    return 0
