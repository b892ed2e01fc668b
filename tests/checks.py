"""The shared checks: each judges one operation on one backend, and each must catch every planted mutant."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

import refengine
from refengine._call import bind, cotangents_by_name, flatten, unflatten
from refengine._verify import LIMIT, run_case
from refengine._walk import Operation
from refengine.golden import Case, load
from refengine.testing._judge import judge
from validation.generate import certified_case, draws


def relaid(array: Any, layout: str) -> Any:
    """The same numbers in another memory layout, or in an array of another library."""
    array = np.asarray(array)
    if layout == "writable":
        return array.copy()
    if layout == "read_only":
        result = array.copy()
        result.flags.writeable = False
        return result
    if layout == "fortran":
        return np.array(array, order="F")
    if layout == "strided" and array.ndim:
        buffer = np.zeros(tuple(2 * n for n in array.shape), array.dtype)
        view = buffer[tuple(slice(None, None, 2) for _ in array.shape)]
        view[...] = array
        return view
    if layout == "reversed":
        return np.flip(np.flip(array).copy()) if array.ndim else array.copy()
    if layout == "strided":
        return array.copy()
    if layout == "array_api_strict":
        import array_api_strict

        return array_api_strict.asarray(array.copy())
    raise AssertionError(layout)


LAYOUTS = ("read_only", "fortran", "strided", "reversed")


def call(operation: Operation, backend: str, case: Case, change: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Value and gradients by name, with every argument changed by ``change``; no warning may escape."""
    arguments = {name: change(array) for name, array in case.arguments.items()}
    constants = {k: change(v) if isinstance(v, np.ndarray) else v for k, v in case.constants.items()}
    args, keywords = bind(operation, arguments, constants, refengine.backend(backend).__name__)
    function = operation.on(backend)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = function(*args, **keywords)
        if not operation.has_vjp:
            return flatten(value), None
        g = unflatten(value, {name: change(array) for name, array in case.cotangent.items()})
        if case.id % 2:
            value, gradients = refengine.value_and_vjp(function, g, *args, **keywords)
        else:  # the vjp by itself, which the line above passes over where there is a fused pass
            gradients = getattr(import_module(function.__module__), f"{operation.name}_vjp")(g, *args, **keywords)
    return flatten(value), cotangents_by_name(operation, arguments, gradients)


def agrees_with_golden(operation: Operation, backend: str) -> None:
    """Every golden case: value, gradients and fused pass within the limit."""
    for case in load(operation.path).cases:
        verdict = run_case(operation, backend, case)
        assert verdict.worst <= LIMIT, f"{case} {case.flags}: {verdict}"


def elementwise(operation: Operation) -> bool:
    """Whether the operation maps broadcast scalars to scalars: then most of its cases are 0-d."""
    return all(array.ndim == 0 for array in load(operation.path).cases[0].arguments.values())


@cache
def fresh_cases(operation: Operation, salt: str = "fresh") -> tuple[Case, ...]:
    """Newly drawn cases, certified now: no golden file takes part."""
    every = 1 if elementwise(operation) else 5
    return tuple(
        certified_case(operation, draw, 1000 + i)
        for i, draw in enumerate(draws(operation, salt=salt))
        if i % every == 0
    )


def agrees_with_exact(operation: Operation, backend: str, salt: str = "fresh") -> None:
    """Points that the golden file has never seen, against the exact tier itself."""
    for case in fresh_cases(operation, salt):
        verdict = run_case(operation, backend, case)
        assert verdict.worst <= LIMIT, f"{case.arguments} {case.constants}: {verdict}"


def agrees_in_every_layout(operation: Operation, backend: str) -> None:
    """Strided, reversed, read-only, Fortran-ordered: same answers, arguments untouched, cotangents of their shape."""
    for case, layout in layouts_of(operation):
        kept = {k: v.tobytes() for k, v in case.arguments.items()}
        value, gradients = call(operation, backend, case, lambda a, layout=layout: relaid(a, layout))
        verdict = judge(case, value, gradients)
        assert verdict.worst <= LIMIT, f"{case} {layout}: {verdict}"
        assert kept == {k: v.tobytes() for k, v in case.arguments.items()}, f"{case} {layout}: an argument was changed"


def layouts_of(operation: Operation) -> Iterator[tuple[Case, str]]:
    for i, case in enumerate(load(operation.path).cases):
        if case.result in ("required", "ambiguous"):
            yield case, LAYOUTS[i % len(LAYOUTS)]


def agrees_in_float32(operation: Operation, backend: str) -> None:
    """float32 arguments give float32 results within the limit, in units of float32's round-off."""

    def single(array: Any) -> Any:
        return array.astype(np.float32) if array.dtype == np.float64 else array

    for case in load(operation.path).cases:
        if "EXACT_F32" in case.flags and case.result in ("required", "ambiguous"):
            value, gradients = call(operation, backend, case, single)
            floats = [v for leaves in (value, gradients or {}) for v in leaves.values() if v.dtype.kind == "f"]
            assert all(v.dtype == np.float32 for v in floats), f"{case}: {[v.dtype for v in floats]}"
            verdict = judge(case, value, gradients, dtype="float32")
            assert verdict.worst <= LIMIT, f"{case} float32: {verdict}"


def agrees_on_strict_arrays(operation: Operation, backend: str) -> None:
    """The reference text on array_api_strict, which has no NumPy extensions: a stand-in for a GPU array library."""
    for case in load(operation.path).cases:
        if case.result in ("required", "ambiguous"):
            value, gradients = call(operation, backend, case, lambda a: relaid(a, "array_api_strict"))
            for leaf in (*value.values(), *(gradients or {}).values()):
                assert type(leaf).__module__.startswith("array_api_strict"), f"{case}: {type(leaf)} came back"
            value = {k: np.asarray(v) for k, v in value.items()}
            gradients = None if gradients is None else {k: np.asarray(v) for k, v in gradients.items()}
            verdict = judge(case, value, gradients)
            assert verdict.worst <= LIMIT, f"{case} array_api_strict: {verdict}"


SHARED = (agrees_with_golden, agrees_with_exact, agrees_in_every_layout)
