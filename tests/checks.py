"""The shared checks: each judges one operation on one backend, and each must catch every planted mutant."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from typing import Any

import numpy as np

import refengine
from refengine._call import bind, cotangents_by_name, flatten, unflatten
from refengine._stack import Stack, pieces, verdicts
from refengine._verify import LIMIT, run_cases
from refengine._walk import Operation
from refengine.golden import Case, load
from refengine.golden._text import first_case, path_of
from refengine.testing._judge import Verdict
from validation.exact.certify import NotCertified
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


def call(
    operation: Operation, backend: str, piece: Stack | Case, change: Callable[[Any], Any], fused: bool = True
) -> tuple[Any, Any]:
    """Value and gradients by name, with every argument changed by ``change``; no warning may escape.

    ``fused`` asks for the fused pass where there is one, else the vjp is called by itself.
    """
    arguments = {name: change(array) for name, array in piece.arguments.items()}
    constants = {k: change(v) if isinstance(v, np.ndarray) else v for k, v in piece.constants.items()}
    args, keywords = bind(operation, arguments, constants, refengine.backend(backend).__name__)
    function = operation.on(backend)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = function(*args, **keywords)
        if not operation.has_vjp:
            return flatten(value), None
        g = unflatten(value, {name: change(array) for name, array in piece.cotangent.items()})
        if fused:
            value, gradients = refengine.value_and_vjp(function, g, *args, **keywords)
        else:
            gradients = getattr(import_module(function.__module__), f"{operation.name}_vjp")(g, *args, **keywords)
    return flatten(value), cotangents_by_name(operation, arguments, gradients)


def good_pieces(operation: Operation, flag: str | None = None) -> list[Stack | Case]:
    """The golden cases that have an answer (with a flag), stacked where they are numbers."""
    cases = load(operation.path).cases
    return pieces(c for c in cases if c.result in ("required", "ambiguous") and (flag is None or flag in c.flags))


def one_of_each_kind(found: list[Stack | Case]) -> list[Stack | Case]:
    """The first piece with each set of constants and of axes: the others run the same text."""
    kinds: dict[Any, Stack | Case] = {}
    for piece in found:
        kinds.setdefault((repr(piece.constants), *(array.ndim for array in piece.arguments.values())), piece)
    return list(kinds.values())


def assert_right(said: str, found: Iterable[tuple[Case, Verdict]]) -> list[float]:
    """Every verdict within the limit; all errors in units."""
    errors = []
    for case, verdict in found:
        assert verdict.worst <= LIMIT, f"{case} {case.flags} {said}: {verdict}"
        errors += list(verdict.units.values())
    return errors


def agrees_with_golden(operation: Operation, backend: str) -> list[float]:
    """Every golden case: value, gradients and fused pass within the limit; the errors."""
    return assert_right(backend, run_cases(operation, backend, load(operation.path).cases))


@cache
def elementwise(operation: Operation) -> bool:
    """Whether the operation maps broadcast scalars to scalars: then its first case is 0-d."""
    return all(tensor["shape"] == [] for tensor in first_case(path_of(operation.path))["arguments"].values())


@cache
def fresh_cases(operation: Operation, salt: str = "fresh", every: int = 5) -> tuple[Case, ...]:
    """Newly drawn cases, certified now: no golden file takes part."""
    found = []
    for i, draw in enumerate(draws(operation, salt=salt)):
        if i % every == 0 or (elementwise(operation) and any(map(np.ndim, draw.arguments.values()))):
            with suppress(NotCertified):  # a chance point without a truth; a golden file may have none
                found.append(certified_case(operation, draw, 1000 + i))
    return tuple(found)


def agrees_with_exact(operation: Operation, backend: str, salt: str = "fresh", every: int = 10) -> None:
    """Points that the golden file has never seen, against the exact tier itself."""
    assert_right(f"{backend} fresh", run_cases(operation, backend, fresh_cases(operation, salt, every)))


def agrees_in_every_layout(operation: Operation, backend: str) -> None:
    """Strided, reversed, read-only, Fortran-ordered: same answers, arguments untouched, cotangents of their shape."""
    for i, piece in enumerate(good_pieces(operation)):
        kept = {k: v.tobytes() for k, v in piece.arguments.items()}
        for turn, layout in enumerate(LAYOUTS if isinstance(piece, Stack) else [LAYOUTS[i % len(LAYOUTS)]]):
            change = partial(relaid, layout=layout)
            value, gradients = call(operation, backend, piece, change, fused=(i + turn) % 2 == 0)
            assert_right(layout, verdicts(piece, value, gradients))
            after = {k: v.tobytes() for k, v in piece.arguments.items()}
            assert kept == after, f"{piece} {layout}: an argument was changed"


def agrees_in_float32(operation: Operation, backend: str) -> None:
    """float32 arguments give float32 results within the limit, in units of float32's round-off."""

    def single(array: Any) -> Any:
        return array.astype(np.float32) if array.dtype == np.float64 else array

    for i, piece in enumerate(good_pieces(operation, "EXACT_F32")):
        if not any(array.dtype.kind == "f" for array in piece.arguments.values()):
            continue  # counts alone give float64
        value, gradients = call(operation, backend, piece, single, fused=i % 2 == 0)
        floats = [v for leaves in (value, gradients or {}) for v in leaves.values() if v.dtype.kind == "f"]
        assert all(v.dtype == np.float32 for v in floats), f"{piece}: {[v.dtype for v in floats]}"
        assert_right("float32", verdicts(piece, value, gradients, dtype="float32"))


def agrees_on_strict_arrays(operation: Operation, backend: str, every: bool = False) -> None:
    """The reference text on array_api_strict, which has no NumPy extensions: a stand-in for a GPU array library."""
    found = good_pieces(operation)
    for i, piece in enumerate(found if every else one_of_each_kind(found)):
        value, gradients = call(operation, backend, piece, partial(relaid, layout="array_api_strict"), fused=i % 2 == 0)
        for leaf in (*value.values(), *(gradients or {}).values()):
            assert type(leaf).__module__.startswith("array_api_strict"), f"{piece}: {type(leaf)} came back"
        value = {k: np.asarray(v) for k, v in value.items()}
        gradients = None if gradients is None else {k: np.asarray(v) for k, v in gradients.items()}
        assert_right("array_api_strict", verdicts(piece, value, gradients))


SHARED = (agrees_with_golden, agrees_with_exact, agrees_in_every_layout)
