"""How far an answer is from the truth, in units of ``u * (|f| + cond)``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from refengine.golden import Answer, Case, Certified

UNIT_ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
_SMALLEST = {"float64": 2.0**-1074, "float32": 2.0**-149, "float16": 2.0**-24, "bfloat16": 2.0**-133}
_LARGEST = {
    "float64": np.finfo(np.float64).max,
    "float32": float(np.finfo(np.float32).max),
    "float16": 65504.0,
    "bfloat16": (2 - 2.0**-7) * 2.0**127,
}


@dataclass(frozen=True)
class Verdict:
    """The worst error of each output and gradient in units; ``problems`` says what is wrong beyond rounding."""

    units: dict[str, float]
    problems: tuple[str, ...] = ()

    @property
    def worst(self) -> float:
        return np.inf if self.problems else max(self.units.values(), default=0.0)


def as_float64(array: Any) -> tuple[np.ndarray, str]:
    """Any array as float64 NumPy values (integers and booleans as they are), and the name of its own dtype.

    Takes NumPy arrays, Python numbers, torch and jax tensors, and whatever speaks DLPack or ``__array__``.
    """
    named = re.search(r"bfloat16|\w+", str(getattr(array, "dtype", "float64")).rpartition(".")[2])
    dtype = named[0] if named else ""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        array = array.double() if array.is_floating_point() else array
    elif hasattr(array, "get") and hasattr(array, "__cuda_array_interface__"):
        array = array.get()
    try:
        values = np.asarray(array)
    except (TypeError, ValueError, RuntimeError):
        values = np.asarray(None)
    if values.dtype == object and hasattr(array, "__dlpack__"):
        values = np.from_dlpack(array)
    if values.dtype.kind not in "biuf" and not (values.dtype.kind == "V" and dtype == "bfloat16"):
        came = type(array).__name__ + (f" of dtype {values.dtype}" if values.dtype != object else "")
        raise TypeError(f"an answer must be an array of numbers, got {came}")
    return (values, dtype) if values.dtype.kind in "biu" else (values.astype(np.float64), dtype)


def units(got: Any, truth: Certified | np.ndarray, condition: Any = 0.0, dtype: str | None = None) -> np.ndarray:
    """The error of every element in units of ``u * (|f| + cond)`` of the dtype that came; inf where it is not finite.

    A result beyond the dtype's range may be infinite, one below it is judged by its smallest subnormal number.
    Raises ValueError for a wrong shape.
    """
    values, own = as_float64(got)
    if isinstance(truth, np.ndarray):
        _same_shape(values, truth)
        return np.where(values == truth, 0.0, np.inf)
    dtype = dtype or (own if own in UNIT_ROUNDOFF else "float64")
    hi, lo = truth.hi, truth.lo
    _same_shape(values, hi)
    with np.errstate(all="ignore"):
        error = np.abs((values - hi) - lo)
        scale = np.maximum(UNIT_ROUNDOFF[dtype] * (np.abs(hi) + condition), _SMALLEST[dtype])
        overflow = np.isinf(values) & (np.sign(values) == np.sign(hi)) & (np.abs(hi) >= _LARGEST[dtype])
        same = (values == hi) & (lo == 0) | np.isnan(values) & np.isnan(hi) | overflow
        return np.where(same, 0.0, np.where(np.isfinite(error), error / scale, np.inf))


def _same_shape(values: np.ndarray, truth: np.ndarray) -> None:
    if values.shape != truth.shape:
        raise ValueError(f"shape {values.shape} came, {truth.shape} was expected")


def judge(
    case: Case,
    value: dict[str, Any],
    gradients: dict[str, Any] | None,
    answer: Answer | None = None,
    dtype: str | None = None,
) -> Verdict:
    """Compare outputs and gradients by name with the case, or with one of its alternatives.

    A gradient that is 0 whatever the arguments are has neither size nor condition; what a sum leaves there is judged
    by the largest gradient of the case. An alternative has no condition on record, and the case's own may be 0 where
    the alternative's is not (a key that only one convention masks): the largest condition of the case stands for it.
    """
    answer = answer or case
    largest = max((_largest(leaf) for leaf in answer.gradients.values()), default=0.0)
    conditions = {name: case.condition.get(name, 0.0) for name in answer.value}
    slopes: dict[str, Any] = dict(case.gradient_condition) if gradients is not None else {}
    if answer is not case:
        conditions = {name: _largest(condition) for name, condition in conditions.items()}
        slopes = dict.fromkeys(slopes, max([largest, *map(_largest, slopes.values())]))
    parts = [(name, value, leaf, conditions[name]) for name, leaf in answer.value.items()]
    if gradients is not None:
        parts += [
            (name, gradients, leaf, _floor(leaf, slopes[name], largest)) for name, leaf in answer.gradients.items()
        ]
    found, problems = {}, []
    for i, (name, group, leaf, condition) in enumerate(parts):
        label = name if i < len(answer.value) else f"d/d{name}"
        try:
            found[label] = float(np.max(units(group[name], leaf, condition, dtype), initial=0.0))
        except KeyError:
            problems.append(f"{label} is missing")
        except (TypeError, ValueError) as error:
            problems.append(f"{label}: {error}")
    return Verdict(found, tuple(problems))


def _largest(leaf: Any) -> float:
    hi = np.asarray(leaf.hi if isinstance(leaf, Certified) else leaf)
    return float(np.max(np.abs(hi), initial=0.0, where=np.isfinite(hi)))


def _floor(leaf: Certified | np.ndarray, condition: Any, largest: float) -> np.ndarray:
    hi = leaf.hi if isinstance(leaf, Certified) else leaf
    return np.where((hi == 0) & (condition == 0), largest, condition)
