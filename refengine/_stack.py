"""Cases of one scalar each, stacked: one call answers hundreds of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from refengine.golden import Case, Certified
from refengine.testing._judge import Verdict, judge, units


@dataclass(frozen=True)
class Stack:
    """Cases whose arguments are numbers, with the same names, dtypes and constants, along one axis."""

    cases: tuple[Case, ...]

    def _along(self, of: Callable[[Case], dict[str, Any]]) -> dict[str, Any]:
        return {name: _stacked([of(case)[name] for case in self.cases]) for name in of(self.cases[0])}

    @cached_property
    def arguments(self) -> dict[str, np.ndarray]:
        return self._along(lambda case: case.arguments)

    @cached_property
    def cotangent(self) -> dict[str, np.ndarray]:
        return self._along(lambda case: case.cotangent)

    @property
    def constants(self) -> dict[str, Any]:
        return self.cases[0].constants

    @property
    def id(self) -> int:
        return self.cases[0].id

    def __str__(self) -> str:
        return f"{self.cases[0]} and {len(self.cases) - 1} more"

    @cached_property
    def _truth(self) -> list[tuple[str, str, Any, np.ndarray]]:
        """Label, name, truth and condition of every output and gradient; a zero gradient as in `judge`."""
        slopes = self._along(lambda case: case.gradients)
        sizes = [np.where(np.isfinite(s.hi), np.abs(s.hi), 0.0) for s in slopes.values()]
        largest = np.max(sizes, axis=0) if sizes else np.zeros(len(self.cases))
        conditions = self._along(lambda case: case.condition)
        steepness = self._along(lambda case: case.gradient_condition)
        values = self._along(lambda case: case.value)
        return [(n, n, v, conditions.get(n, np.zeros(len(self.cases)))) for n, v in values.items()] + [
            (f"d/d{n}", n, s, np.where((s.hi == 0) & (steepness[n] == 0), largest, steepness[n]))
            for n, s in slopes.items()
        ]

    def judge(
        self, value: dict[str, Any], gradients: dict[str, Any] | None, dtype: str | None = None
    ) -> list[dict[str, float]]:
        """The error of every output and gradient of each case. KeyError or ValueError where one does not fit."""
        found = {
            label: units((gradients or {} if label != name else value)[name], truth, condition, dtype)
            for label, name, truth, condition in self._truth
            if label == name or gradients is not None
        }
        return [{label: float(error[i]) for label, error in found.items()} for i in range(len(self.cases))]


def _stacked(leaves: list[Any]) -> Any:
    if not isinstance(leaves[0], Certified):
        return np.stack(leaves)
    return Certified(*(np.stack([getattr(leaf, part) for leaf in leaves]) for part in ("hi", "lo", "radius")))


def pieces(cases: Iterable[Case]) -> list[Stack | Case]:
    """The cases with those that can be answered together in stacks, good and bad input apart."""
    groups: dict[Any, list[Case]] = {}
    alone: list[Stack | Case] = []
    for case in cases:
        arrays = [*case.arguments.values(), *case.cotangent.values()]
        if all(a.ndim == 0 for a in arrays) and not any(isinstance(v, np.ndarray) for v in case.constants.values()):
            good = case.result in ("required", "ambiguous")
            key = (good, repr(case.constants), *((name, str(a.dtype)) for name, a in case.arguments.items()))
            groups.setdefault(key, []).append(case)
        else:
            alone.append(case)
    return [Stack(tuple(g)) if len(g) > 1 else g[0] for g in groups.values()] + alone


def verdicts(
    piece: Stack | Case, value: dict[str, Any], gradients: dict[str, Any] | None, dtype: str | None = None
) -> list[tuple[Case, Verdict]]:
    """Every case of a piece with its verdict."""
    if isinstance(piece, Case):
        return [(piece, judge(piece, value, gradients, dtype=dtype))]
    try:
        found = piece.judge(value, gradients, dtype)
    except (KeyError, TypeError, ValueError) as error:
        return [(case, Verdict({}, (f"{type(error).__name__}: {error}",))) for case in piece.cases]
    return [(case, Verdict(errors)) for case, errors in zip(piece.cases, found, strict=True)]
