"""What `check` has seen in this process, and the sum of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refengine.testing._assess import Assessment


@dataclass(frozen=True)
class Record:
    """One check, small enough to be sent between processes."""

    operation: str
    uid: str
    right: bool
    convention: str
    units: tuple[float, ...]
    worst: float


@dataclass(frozen=True)
class Summary:
    """All checks of one operation. ``expected`` counts failures that the expected-failure list names."""

    operation: str
    cases: int
    worst: float
    median: float
    failures: int
    expected: int
    conventions: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        conventions = ", ".join(f"{name} {count}" for name, count in self.conventions.items())
        failures = f"{self.failures} failed" + (f", {self.expected} expected to" if self.expected else "")
        return (
            f"{self.operation}: {self.cases} cases, worst {self.worst:.3g}, median {self.median:.3g} units, {failures}"
            f"{f'; matched {conventions}' if conventions else ''}"
        )


class Report(tuple[Summary, ...]):
    """The summaries of all operations that were checked; ``str`` gives one line each."""

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def as_dicts(self) -> list[dict[str, Any]]:
        return [vars(summary) for summary in self]


RECORDS: list[Record] = []
EXPECTED_FAILURES: dict[str, str] = {}
"""uid to reason, from the list that the pytest plugin reads."""


def record(assessment: Assessment) -> None:
    case, verdict = assessment.case, assessment.verdict
    RECORDS.append(
        Record(
            case.operation,
            case.uid,
            assessment.right,
            assessment.convention,
            tuple(verdict.units.values()),
            verdict.worst,
        )
    )


def report(*, clear: bool = False) -> Report:
    """All calls of `check` in this process, summed by operation; ``clear`` forgets them afterwards.

    Worst and median are over values and gradients, in units of ``u * (|f| + cond)``.
    """
    summaries = Report(_sum(operation) for operation in sorted({r.operation for r in RECORDS}))
    if clear:
        RECORDS.clear()
    return summaries


def _sum(operation: str) -> Summary:
    records = [r for r in RECORDS if r.operation == operation]
    failed = [r for r in records if not r.right]
    expected = sum(r.uid in EXPECTED_FAILURES for r in failed)
    every = [u for r in records for u in r.units]
    return Summary(
        operation,
        len({r.uid for r in records}),
        max(r.worst for r in records),
        float(np.median(every)) if every else 0.0,
        len(failed) - expected,
        expected,
        dict(Counter(r.convention for r in records if r.convention).most_common()),
    )
