"""What a check found: a row and a line for each case, and the totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from refengine.testing import explain
from refengine.testing._assess import Assessment


def row_of(assessment: Assessment) -> dict[str, Any]:
    """One case in the JSON and in the table of the page."""
    case = assessment.case
    return {
        "id": case.id,
        "uid": case.uid,
        "status": _status(assessment),
        "convention": assessment.convention,
        "result": case.result,
        "units": assessment.verdict.units,
        "worst": assessment.verdict.worst,
        "flags": _telling(case.flags),
        "explanation": assessment.explanation,
    }


def line_of(assessment: Assessment, verbose: bool) -> str:
    """One case on the terminal; ``verbose`` tells the whole story of what is not right."""
    status, case = _status(assessment), assessment.case
    if verbose and not assessment.right:
        return f"{status}: {explain(assessment)}\n"
    parts = [" ".join(_telling(case.flags)), assessment.explanation.partition("\n")[0]]
    return f"{status:8} {case.uid} {assessment.verdict.worst:<9.3g} {': '.join(filter(None, parts))}".rstrip()


def totals(assessments: Sequence[Assessment], limit: float) -> dict[str, Any]:
    """The counts, the worst case and the median."""
    worst = max(assessments, key=lambda a: (not a.right, a.verdict.worst))
    every = [u for a in assessments for u in a.verdict.units.values()]
    statuses = Counter(a.status for a in assessments)
    return {
        "limit": limit,
        "total": len(assessments),
        "right": statuses["right"],
        "wrong": statuses["wrong"],
        "raised": statuses["raised"],
        "conventions": dict(Counter(a.convention for a in assessments if a.convention)),
        "worst": worst.verdict.worst,
        "median": float(np.median(every)) if every else np.nan,
        "worst_case": {
            "case": str(worst.case),
            "flags": list(worst.case.flags),
            "notes": worst.case.notes,
            "explanation": worst.explanation,
        },
        "passed": statuses["right"] == len(assessments),
    }


def total_lines(result: dict[str, Any]) -> list[str]:
    """The totals in words."""
    case = result["worst_case"]
    matched = ", ".join(f"{name} {count}" for name, count in result["conventions"].items())
    return [
        f"{result['target']} against {result['operation']}, {result['dtype']}, convention {result['convention']}",
        f"{result['total']} cases: {result['right']} right, {result['wrong']} wrong, {result['raised']} raised"
        f"{f'; agrees with {matched}' if matched else ''}",
        f"worst {result['worst']:.3g}, median {result['median']:.3g} units of u * (|f| + cond), "
        f"{result['limit']:g} allowed",
        f"worst case: {case['case']} {' '.join(_telling(case['flags']))}".rstrip(),
        *(f"  {line}" for line in case["explanation"].splitlines()),
        *(f"  {flag}: {note['bug']} ({note['effect']})" for flag, note in case["notes"].items()),
    ]


def _status(assessment: Assessment) -> str:
    if assessment.status == "wrong" and assessment.convention:
        return f"matches {assessment.convention}"
    return assessment.status


def _telling(flags: Sequence[str]) -> list[str]:
    """The flags that say what a case is there to catch; in which dtypes its inputs are exact is no news."""
    return [flag for flag in flags if not flag.startswith("EXACT_")]
