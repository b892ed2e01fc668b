"""What other people's tests import: certified cases, and the check of an answer in units of rounding.

>>> from refengine.special import log_beta, log_beta_vjp
>>> for case in cases("special.log_beta", flags="NEAR_ROOT"):
...     value = log_beta(**case.arguments, **case.constants)
...     gradients = log_beta_vjp(case.cotangent["value"], **case.arguments)
...     _ = check(case, value, gradients)
"""

from __future__ import annotations

from typing import Any

from refengine.golden import Case
from refengine.testing._assess import LIMIT, Assessment, assess
from refengine.testing._cases import cases
from refengine.testing._records import Report, Summary, report
from refengine.testing._records import record as _record

__all__ = ["Assessment", "Case", "Report", "Summary", "cases", "check", "report"]


def check(
    case: Case, value: Any, gradients: Any = None, *, units: float = LIMIT, dtype: str | None = None
) -> Assessment:
    """AssertionError unless the answer is as near to the certified one as ``units * u * (|f| + cond)``.

    value: an array; several outputs as tuple, NamedTuple or dict; or the exception that the function raised.
    gradients: those of ``sum(case.cotangent * value)``; tuple or list in the order of ``case.gradients``, or a dict by
    name; None leaves them out.
    Arrays of NumPy, torch (on any device, attached to a graph or not), jax, CuPy, and whatever has ``__array__`` or
    speaks DLPack. Judged by the unit round-off u of the dtype that came; ``dtype`` names another.

    An "ambiguous" case accepts the answer of any of its conventions, and the result says which. Where a case is
    "undefined", nan or an exception are right; where it is "invalid" an infinity is too, and no finite number.
    The message names the worst element, the flags of the case with their notes, and the convention that matches.

    >>> case = cases("special.log_beta")[0]
    >>> check(case, 1.6017779724413779).status
    'right'
    """
    assessment = assess(case, value, gradients, limit=units, dtype=dtype)
    _record(assessment)
    if not assessment.right:
        raise AssertionError(explain(assessment))
    return assessment


def explain(assessment: Assessment) -> str:
    """The whole story of an answer that is not right."""
    case = assessment.case
    inputs = ", ".join(f"{k}={v.tolist()}" for k, v in case.arguments.items())
    constants = "".join(f", {k}={v!r}" for k, v in case.constants.items())
    found = ", ".join(f"{label} {error:.3g}" for label, error in assessment.verdict.units.items())
    notes = [f"{flag}: {note['bug']} ({note['effect']})" for flag, note in case.notes.items()]
    lines = [
        f"{case} ({case.result}, {case.convention})",
        assessment.explanation,
        f"units: {found}" if found else "",
        f"flags: {', '.join(case.flags)}" if case.flags else "",
        *notes,
        f"inputs: {inputs}{constants}"[:1000],
    ]
    return "\n".join(line for line in lines if line)
