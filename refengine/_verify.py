"""Every operation on every backend against the golden truth."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

import refengine
from refengine._call import bind, cotangents_by_name, flatten, unflatten
from refengine._stack import Stack, pieces, verdicts
from refengine._walk import Operation
from refengine.golden import Case, load
from refengine.testing._assess import LIMIT
from refengine.testing._judge import Verdict

__all__ = ["LIMIT", "Outcome", "run_case", "run_cases", "verify"]


@dataclass(frozen=True)
class Outcome:
    """One operation on one backend over all its cases."""

    operation: str
    backend: str
    cases: int
    worst: float
    median: float
    worst_case: str
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.failures


def _answers(operation: Operation, backend: str, piece: Stack | Case) -> Iterator[tuple[str, Any, Any]]:
    """Value and gradients by name: of the function with its vjp, then of the fused pass where there is one."""
    arrays = import_module("cupy").asarray if backend == "cupy" else np.asarray
    arguments, cotangent = ({k: arrays(v) for k, v in part.items()} for part in (piece.arguments, piece.cotangent))
    constants = {k: arrays(v) if isinstance(v, np.ndarray) else v for k, v in piece.constants.items()}
    args, keywords = bind(operation, arguments, constants, refengine.backend(backend).__name__)
    function = operation.on(backend)
    value = function(*args, **keywords)
    if not operation.has_vjp:
        yield "", flatten(value), None
        return
    g, module = unflatten(value, cotangent), import_module(function.__module__)
    gradients = getattr(module, f"{operation.name}_vjp")(g, *args, **keywords)
    yield "", flatten(value), cotangents_by_name(operation, arguments, gradients)
    fused = getattr(module, f"{operation.name}_value_and_vjp", None)
    if fused is not None:
        value, gradients = fused(g, *args, **keywords)
        yield "fused ", flatten(value), cotangents_by_name(operation, arguments, gradients)


def _run(operation: Operation, backend: str, piece: Stack | Case) -> list[tuple[Case, Verdict]]:
    found: dict[str, tuple[Case, Verdict]] = {}
    for prefix, value, gradients in _answers(operation, backend, piece):
        for case, verdict in verdicts(piece, value, gradients):
            before = found.get(case.uid, (case, Verdict({})))[1]
            named = {prefix + label: error for label, error in verdict.units.items()}
            found[case.uid] = case, Verdict(before.units | named, before.problems + verdict.problems)
    return list(found.values())


def run_case(operation: Operation, backend: str, case: Case) -> Verdict:
    """Call one implementation on one case: the function, its vjp and the fused pass, each against the truth."""
    return _run(operation, backend, case)[0][1]


def run_cases(operation: Operation, backend: str, cases: Iterable[Case]) -> Iterator[tuple[Case, Verdict]]:
    """`run_case` for many, those of one scalar in one call; a stack that raises is taken case by case."""
    for piece in pieces(cases):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                yield from _run(operation, backend, piece)
        except Exception as error:  # one broken case must not hide the others
            if isinstance(piece, Case):
                yield piece, Verdict({}, (f"{type(error).__name__}: {error}",))
            else:
                for case in piece.cases:
                    yield from run_cases(operation, backend, [case])


def verify(operation: Operation, backend: str) -> Outcome:
    """The outcome over all golden cases."""
    worst, worst_case, medians, failures = -1.0, "", [], []
    cases = load(operation.path).cases
    for case, verdict in run_cases(operation, backend, cases):
        if verdict.worst > worst:
            worst, worst_case = verdict.worst, str(case)
        if not verdict.worst <= LIMIT:
            failures.append(f"{case}: {'; '.join(verdict.problems) or verdict.units}")
        medians += list(verdict.units.values())
    median = float(np.median(medians)) if medians else np.nan
    return Outcome(operation.path, backend, len(cases), worst, median, worst_case, tuple(failures))
