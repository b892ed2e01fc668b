"""Golden cases, chosen by flag and dtype, with arguments that can be handed to the function under test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from refengine.golden import Case, load

EXACT_IN = {"float64": None, "float32": "EXACT_F32", "float16": "EXACT_F16", "bfloat16": "EXACT_BF16"}


def cases(
    operation: str,
    *,
    convention: str = "default",
    flags: str | Iterable[str] | None = None,
    dtype: str = "float64",
) -> list[Case]:
    """The golden cases of an operation, for ``pytest.mark.parametrize("case", cases(...))``.

    convention: whose answers count; ``refengine.golden.conventions(operation)`` lists them.
    flags: only cases that carry one of these flags. dtype: "float32", "float16" and "bfloat16" select the cases whose
    inputs are exact in it, and cast arguments and cotangent to it, so that only arithmetic is judged. NumPy has no
    bfloat16: those arguments come as float32 and lose nothing in a cast.

    Raises ValueError that lists the choices for an unknown operation, convention, flag or dtype, and when no case is
    left.

    >>> case = cases("special.log_beta", dtype="float32")[0]
    >>> float(case.arguments["a"]), str(case.arguments["a"].dtype)
    (9.6875, 'float32')
    """
    if dtype not in EXACT_IN:
        raise ValueError(f"dtype must be one of {', '.join(map(repr, EXACT_IN))}, got {dtype!r}")
    everything = load(operation, convention).cases
    wanted = {flags} if isinstance(flags, str) else None if flags is None else set(flags)
    known = sorted({flag for case in everything for flag in case.flags})
    if wanted is not None and (unknown := wanted - set(known)):
        raise ValueError(f"flags of {operation} are {', '.join(known)}; got {', '.join(sorted(unknown))}")
    found = [
        _cast(case, dtype)
        for case in everything
        if (wanted is None or wanted & set(case.flags)) and _exact(case, dtype)
    ]
    if not found:
        raise ValueError(f"{operation} has no cases with these flags that are exact in {dtype}")
    return found


def readable(case: Case) -> str:
    """The name of a case among a test's parameters."""
    flags = [flag for flag in case.flags if not flag.startswith("EXACT_")]
    return "-".join([case.operation, *([] if case.convention == "default" else [case.convention]), case.uid, *flags])


def _exact(case: Case, dtype: str) -> bool:
    """Whether the dtype holds arguments, array constants and cotangent as they are; the flags speak for arguments."""
    flag = EXACT_IN[dtype]
    others = [*case.cotangent.values(), *(v for v in case.constants.values() if isinstance(v, np.ndarray))]
    return flag is None or (flag in case.flags and all(_survives(array, dtype) for array in others))


def _survives(array: np.ndarray, dtype: str) -> bool:
    if array.dtype.kind != "f":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        short = array.astype("float32" if dtype == "bfloat16" else dtype)
    same = bool(np.all((short == array) | np.isnan(array)))
    return same and (dtype != "bfloat16" or not np.any(short.view(np.uint32) & 0xFFFF))


def _cast(case: Case, dtype: str) -> Case:
    """Fresh, writable arrays: what a test does to its arguments stays in that test."""
    target = "float32" if dtype == "bfloat16" else dtype

    def cast(array: np.ndarray) -> np.ndarray:
        return np.array(array, dtype=target if array.dtype.kind == "f" else array.dtype)

    return replace(
        case,
        dtype=dtype,
        arguments={k: cast(v) for k, v in case.arguments.items()},
        constants={k: cast(v) if isinstance(v, np.ndarray) else v for k, v in case.constants.items()},
        cotangent={k: cast(v) for k, v in case.cotangent.items()},
    )
