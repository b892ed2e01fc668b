"""What an answer is worth: right, right under another convention, wrong, or an exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refengine.golden import Answer, Case, Certified
from refengine.testing._judge import UNIT_ROUNDOFF, Verdict, as_float64, judge, units

LIMIT = 8.0
"""The worst error that passes, in units of ``u * (|f| + cond)``."""
_BITS = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}


@dataclass(frozen=True)
class Assessment:
    """How one answer to one case was judged.

    ``status`` is "right", "wrong" or "raised". ``convention`` names the convention that the answer agrees with, "" for
    none; it may agree with one and still be wrong, where the case asks for another.
    """

    case: Case
    status: str
    convention: str
    verdict: Verdict
    explanation: str = ""

    @property
    def right(self) -> bool:
        return self.status == "right"


def assess(
    case: Case, value: Any, gradients: Any = None, *, limit: float = LIMIT, dtype: str | None = None
) -> Assessment:
    """Judge what a function answered; ``value``, ``gradients`` may be the exceptions that it raised."""
    if isinstance(value, Exception):
        return _raised(case, value)
    values, problems = by_name(value, list(case.value), "value")
    slopes, more = _slopes(case, gradients)
    problems += more + tuple(_narrower(case, values | (slopes or {}), dtype))
    if case.result in ("invalid", "undefined"):
        return _without_answer(case, values, problems, limit, dtype)
    answers: dict[str, Answer] = {case.convention: case, **case.alternatives}
    verdicts = {name: _judge(case, values, slopes, answer, dtype) for name, answer in answers.items()}
    matched = [name for name, verdict in verdicts.items() if verdict.worst <= limit]
    accepted = matched[:1] if case.result == "ambiguous" else [name for name in matched if name == case.convention]
    own = verdicts[(accepted or [case.convention])[0]]
    if accepted and not problems:
        return Assessment(case, "right", accepted[0], own)
    verdict = Verdict(own.units, problems + own.problems)
    lines = [*verdict.problems, *_worst_element(case, values, slopes, verdict, limit, dtype)]
    if matched:
        lines.append(f"matches {matched[0]!r}, not {case.convention!r}")
    elif case.alternatives:
        off = ", ".join(f"{verdicts[name].worst:.3g}" for name in answers)
        lines.append(f"matches none of {', '.join(map(repr, answers))}: off by {off} units")
    return Assessment(case, "wrong", (matched or [""])[0], verdict, "\n".join(lines))


def _raised(case: Case, error: Exception) -> Assessment:
    said = f"raised {type(error).__name__}: {error}"
    if case.result in ("invalid", "undefined"):
        return Assessment(case, "right", case.convention, Verdict({}), said)
    return Assessment(case, "raised", "", Verdict({}, (said,)), said)


def _without_answer(
    case: Case, values: dict[str, Any], problems: tuple[str, ...], limit: float, dtype: str | None
) -> Assessment:
    """A case without a right number: nan (for bad input an infinity too) where the truth has none, else the truth."""
    found: dict[str, float] = {}
    for name, leaf in case.value.items():
        if name in values:
            try:
                got, _ = as_float64(values[name])
                error = np.asarray(units(values[name], leaf, case.condition.get(name, 0.0), dtype))
                hi = leaf.hi if isinstance(leaf, Certified) else leaf
                open_ = ~np.isfinite(hi) if not np.all(np.isfinite(hi)) else np.ones(hi.shape, dtype=bool)
                allowed = np.isnan(got) | (np.isinf(got) & (case.result == "invalid"))
                found[name] = float(np.max(np.where(open_ & allowed, 0.0, error), initial=0.0))
                if case.result == "invalid" and np.any(open_ & np.isfinite(got)):
                    problems += (f"{name} is finite for bad input, where an error or nan is right",)
            except Exception as error_:  # an answer of any type may come
                problems += (f"{name}: {error_}",)
    verdict = Verdict(found, problems)
    right = verdict.worst <= limit
    said = "" if right else "\n".join(problems) or f"{case.result}: an error or nan is right, or {_stated(case)}"
    return Assessment(case, "right" if right else "wrong", case.convention if right else "", verdict, said)


def _stated(case: Case) -> str:
    return ", ".join(str((v.hi if isinstance(v, Certified) else v).tolist()) for v in case.value.values())


def _leaves(tree: Any, name: str = "") -> dict[str, Any]:
    """The arrays of nested dicts and tuples by dotted name, by position in a plain tuple; a list is an array."""
    fields = dict(tree) if isinstance(tree, Mapping) else None
    if hasattr(tree, "_fields"):
        fields = {field: getattr(tree, field) for field in tree._fields}
    elif isinstance(tree, tuple):
        fields = {f"#{i}": branch for i, branch in enumerate(tree)}
    if fields is None:
        return {name: tree}
    dot = f"{name}." if name else ""
    return {k: v for field, branch in fields.items() for k, v in _leaves(branch, f"{dot}{field}").items()}


def by_name(given: Any, names: list[str], what: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The answer's arrays under the case's names, and what does not fit."""
    if len(names) == 1 and not isinstance(given, Mapping | tuple):
        is_list_of_one = what == "gradient" and isinstance(given, list) and len(given) == 1
        return {names[0]: given[0] if is_list_of_one else given}, ()
    leaves = _leaves(tuple(given) if isinstance(given, list) else given)
    if leaves and leaves.keys() <= set(names):
        missing = [name for name in names if name not in leaves]
        return leaves, (f"{what} of {', '.join(missing)} is missing",) if missing else ()
    if len(leaves) == len(names) and not isinstance(given, Mapping):
        return dict(zip(names, leaves.values(), strict=True)), ()
    came = ", ".join(leaves) if isinstance(given, Mapping) else f"{len(leaves)} arrays"
    return {}, (f"{what} must be {', '.join(names) or 'nothing'}, got {came or 'nothing'}",)


def _slopes(case: Case, gradients: Any) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """Gradients by name; None, which frameworks give where no path leads to an argument, is a gradient of zeros."""
    if gradients is None:
        return None, ()
    if isinstance(gradients, Exception):
        return None, (f"the gradient raised {type(gradients).__name__}: {gradients}",)
    slopes, problems = by_name(gradients, list(case.gradients), "gradient")
    return {k: np.zeros(case.arguments[k].shape) if v is None else v for k, v in slopes.items()}, problems


def _narrower(case: Case, answers: dict[str, Any], dtype: str | None) -> list[str]:
    """A result of a shorter dtype than the arguments': it may look right, and has lost digits."""
    found = []
    for name, array in answers.items():
        got = str(getattr(array, "dtype", "")).rpartition(".")[2]
        if dtype is None and _BITS.get(got, 99) < _BITS[case.dtype]:
            found.append(
                f"{name}: dtype {got} came, {case.dtype} was expected "
                f"(cases(..., dtype={got!r}) gives arguments that are exact in {got})"
            )
    return found


def _judge(case: Case, values: Any, slopes: Any, answer: Answer, dtype: str | None) -> Verdict:
    try:
        return judge(case, values, slopes, answer, dtype)
    except Exception as error:  # an answer of any type may come
        return Verdict({}, (f"{type(error).__name__}: {error}",))


def _worst_element(
    case: Case, values: Any, slopes: Any, verdict: Verdict, limit: float, dtype: str | None
) -> list[str]:
    """Where the largest error is, what was expected there and what came."""
    beyond = {label: error for label, error in verdict.units.items() if not error <= limit}
    if not beyond:
        return []
    label = max(beyond, key=lambda key: beyond[key])
    name = label.removeprefix("d/d")
    slope = label.startswith("d/d")
    leaf = case.gradients[name] if slope else case.value[name]
    given = slopes[name] if slope else values[name]
    condition = case.gradient_condition[name] if slope else case.condition.get(name, 0.0)
    error = units(given, leaf, condition, dtype)
    index = np.unravel_index(int(np.argmax(error)), error.shape)
    got, own = as_float64(given)
    wanted = (leaf.hi if isinstance(leaf, Certified) else leaf)[index]
    unit = dtype or (own if own in UNIT_ROUNDOFF else "float64")
    where = f"{label}[{', '.join(map(str, index))}]" if index else label
    return [
        f"{where}: expected {wanted!s}, got {got[index]!s}: {error[index]:.3g} units of u * (|f| + cond), "
        f"{limit:g} allowed ({unit})"
    ]
