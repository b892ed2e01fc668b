"""One library's answers to the golden cases of an operation: how far they are from the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from refengine._stack import Stack, pieces, verdicts
from refengine.golden import Case, load

Answer = tuple[Any, dict[str, Any] | None]
"""A value, and gradients by name where the library has any."""


@dataclass(frozen=True)
class Score:
    """Errors in units of ``u * (|f| + cond)`` over the required cases; inf where a finite truth met nan or inf."""

    operation: str
    library: str
    values: np.ndarray
    gradients: np.ndarray

    @staticmethod
    def _text(errors: np.ndarray) -> str:
        if not errors.size:
            return f"{'-':>9} {'-':>9} {'-':>5}"
        wrong = np.mean(~(errors <= 8))
        return f"{np.median(errors):9.2g} {np.max(errors):9.2g} {wrong:5.0%}"

    def __str__(self) -> str:
        return f"{self.operation:44} {self.library:10} {self._text(self.values)}   {self._text(self.gradients)}"


def score(operation: str, library: str, answer: Callable[[Stack | Case], Answer]) -> Score:
    """Ask for every required case with finite arguments; what raises counts as an error of inf."""
    cases = [c for c in load(operation).cases if c.result == "required" and _finite(c)]
    found: dict[str, list[float]] = {"value": [], "gradient": []}
    for piece in pieces(cases):
        for case, verdict in _ask(piece, answer):
            for label in ("value", *(f"d/d{name}" for name in case.gradients)):
                error = verdict.units.get(label)
                if error is not None:
                    found["gradient" if label != "value" else "value"].append(error)
    return Score(operation, library, np.array(found["value"]), np.array(found["gradient"]))


def _finite(case: Case) -> bool:
    return all(np.all(np.isfinite(a)) for a in case.arguments.values())


def _ask(piece: Stack | Case, answer: Callable[[Stack | Case], Answer]) -> Any:
    try:
        value, gradients = answer(piece)
        value = np.asarray(value, dtype=np.float64)
        gradients = None if gradients is None else {k: np.asarray(v, dtype=np.float64) for k, v in gradients.items()}
        return verdicts(piece, {"value": value}, gradients)
    except Exception:  # whatever a library raises is an answer
        return [(case, _nothing(case)) for case in (piece.cases if isinstance(piece, Stack) else [piece])]


def _nothing(case: Case) -> Any:
    from refengine.testing._judge import Verdict

    return Verdict(dict.fromkeys(["value", *(f"d/d{name}" for name in case.gradients)], np.inf))
