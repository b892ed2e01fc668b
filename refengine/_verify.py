"""Every operation on every backend against the golden truth."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

import numpy as np

import refengine
from refengine._call import bind, cotangents_by_name, flatten, unflatten
from refengine._walk import Operation
from refengine.golden import Case, load
from refengine.testing._assess import LIMIT
from refengine.testing._judge import Verdict, judge

__all__ = ["LIMIT", "Outcome", "run_case", "verify"]


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


def run_case(operation: Operation, backend: str, case: Case) -> Verdict:
    """Call one implementation on one case: the function, its vjp and the fused pass, each against the truth."""
    arrays = import_module("cupy").asarray if backend == "cupy" else np.asarray
    arguments, cotangent = ({k: arrays(v) for k, v in part.items()} for part in (case.arguments, case.cotangent))
    constants = {k: arrays(v) if isinstance(v, np.ndarray) else v for k, v in case.constants.items()}
    args, keywords = bind(operation, arguments, constants, refengine.backend(backend).__name__)
    function = operation.on(backend)
    value = function(*args, **keywords)
    if not operation.has_vjp:
        return judge(case, flatten(value), None)
    g, module = unflatten(value, cotangent), import_module(function.__module__)
    gradients = getattr(module, f"{operation.name}_vjp")(g, *args, **keywords)
    verdict = judge(case, flatten(value), cotangents_by_name(operation, arguments, gradients))
    fused = getattr(module, f"{operation.name}_value_and_vjp", None)
    if fused is None:
        return verdict
    value, gradients = fused(g, *args, **keywords)
    again = judge(case, flatten(value), cotangents_by_name(operation, arguments, gradients))
    return Verdict(verdict.units | {f"fused {k}": v for k, v in again.units.items()}, verdict.problems + again.problems)


def verify(operation: Operation, backend: str) -> Iterator[Verdict | Outcome]:
    """One verdict a case, then the outcome over all of them."""
    worst, worst_case, medians, failures = -1.0, "", [], []
    cases = load(operation.path).cases
    for case in cases:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                verdict = run_case(operation, backend, case)
        except Exception as error:  # one broken case must not hide the others
            verdict = Verdict({}, (f"{type(error).__name__}: {error}",))
        if verdict.worst > worst:
            worst, worst_case = verdict.worst, str(case)
        if not verdict.worst <= LIMIT:
            failures.append(f"{case}: {'; '.join(verdict.problems) or verdict.units}")
        medians += list(verdict.units.values())
        yield verdict
    median = float(np.median(medians)) if medians else np.nan
    yield Outcome(operation.path, backend, len(cases), worst, median, worst_case, tuple(failures))
