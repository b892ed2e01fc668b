"""One library's answers to the golden cases of an operation: how far they are from the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refengine._stack import Stack, pieces, verdicts
from refengine.golden import Case, conventions, load

Answer = tuple[Any, dict[str, Any] | None]
"""A value, and gradients by name where the library has any."""
LIMIT = 8


@dataclass(frozen=True)
class Score:
    """Errors in units of ``u * (|f| + cond)`` over the required cases; inf where a finite truth met nan or inf.

    So does what raises. They are those under the convention that the library comes closest to.
    """

    operation: str
    library: str
    convention: str
    values: np.ndarray
    gradients: np.ndarray

    @property
    def wrong(self) -> int:
        return int(sum(np.sum(~(errors <= LIMIT)) for errors in (self.values, self.gradients)))

    @staticmethod
    def _text(errors: np.ndarray) -> str:
        if not errors.size:
            return f"{'-':>9} {'-':>9} {'-':>5}"
        return f"{np.median(errors):9.2g} {np.max(errors):9.2g} {np.mean(~(errors <= LIMIT)):5.0%}"

    def __str__(self) -> str:
        texts = f"{self._text(self.values)}   {self._text(self.gradients)}"
        named = "" if self.convention == "default" else f"   {self.convention}"
        return f"{self.operation:44} {self.library:10} {texts}{named}"


def score(operation: str, library: str, answer: Callable[[Stack | Case], Answer], slopes: bool = True) -> Score:
    """Ask for every required case with finite arguments, once, and judge under each convention.

    ``slopes`` says whether the library has any, for the cases in which it raises.
    """
    cases = [c for c in load(operation).cases if c.result == "required" and _finite(c)]
    answers = [found for piece in pieces(cases) for found in _ask(piece, answer)]
    scores = []
    for convention in conventions(operation):
        under = {case.uid: case for case in load(operation, convention).cases}
        errors: dict[bool, list[float]] = {True: [], False: []}
        for piece, found in answers:
            for label, error in _errors(_under(piece, under), found, slopes):
                errors[label == "value"].append(error)
        scores.append(Score(operation, library, convention, np.array(errors[True]), np.array(errors[False])))
    return min(scores, key=lambda s: s.wrong)


def _finite(case: Case) -> bool:
    return all(np.all(np.isfinite(a)) for a in case.arguments.values())


def _ask(piece: Stack | Case, answer: Callable[[Stack | Case], Answer]) -> list[tuple[Stack | Case, Answer | None]]:
    """The answer to a piece, or to each of its cases where that raises; None where a case raises."""
    try:
        value, slopes = answer(piece)
        value = np.asarray(value, dtype=np.float64)
        slopes = None if slopes is None else {k: np.asarray(v, dtype=np.float64) for k, v in slopes.items()}
    except Exception:  # whatever a library raises is an answer
        if isinstance(piece, Stack):
            return [found for case in piece.cases for found in _ask(case, answer)]
        return [(piece, None)]
    return [(piece, (value, slopes))]


def _under(piece: Stack | Case, cases: dict[str, Case]) -> Stack | Case:
    if isinstance(piece, Stack):
        return replace(piece, cases=tuple(cases[case.uid] for case in piece.cases))
    return cases[piece.uid]


def _errors(piece: Stack | Case, found: Answer | None, slopes: bool) -> list[tuple[str, float]]:
    """Label and error of every output: of a shape or of a number that does not fit, inf."""
    listed = []
    given = [] if found is None else verdicts(piece, {"value": found[0]}, found[1])
    units = {case.uid: verdict.units for case, verdict in given if not verdict.problems}
    slopes = slopes if found is None else found[1] is not None
    for case in piece.cases if isinstance(piece, Stack) else [piece]:
        labels = ["value", *(f"d/d{name}" for name in case.gradients if slopes)]
        listed += [(label, units.get(case.uid, {}).get(label, np.inf)) for label in labels]
    return listed
