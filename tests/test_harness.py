"""The harness bites: mistakes of the kinds that people make are planted, and every shared check must catch each.

A mutant wraps an operation's function, its vjp and its fused pass, and corrupts what they return.

What is left out: an operation without a vjp gets one mutant, another number in its value. Rows off by one are for
results whose rows differ; broadcasting, decades and swapped arguments for elementwise operations. The correction of one
part in 1e9 is put on the last cotangent, and not where that is always 0, as that of uniforms which only decide. A
mutant that changes the truth of no golden case is none. Of every four operations one is tested against all checks in
the default run. And all are mutants of results, not of a text: those of a sampler's text, which may keep every step
plausible and the distribution wrong, are planted in ``tests/samplers``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from refengine._walk import Operation
from refengine.golden import load
from tests import checks

Corruption = Callable[[Any, list[Any], tuple[Any, ...]], tuple[Any, list[Any]]]


def leaves(tree: Any, change: Callable[[np.ndarray], Any]) -> Any:
    """The tree with every floating array changed."""
    if tree is None:
        return None
    if hasattr(tree, "_fields"):
        return type(tree)(*(leaves(field, change) for field in tree))
    array = np.asarray(tree)
    return change(array) if array.dtype.kind == "f" else tree


def wrong_sign(value: Any, gradients: list[Any], args: Any) -> tuple[Any, list[Any]]:
    return value, [leaves(gradients[0], lambda a: -a), *gradients[1:]]


def dropped_term(value: Any, gradients: list[Any], args: Any) -> tuple[Any, list[Any]]:
    """A correction of one part in 1e9, as the second term of a series."""
    return value, [*gradients[:-1], leaves(gradients[-1], lambda a: a * (1 - 1e-9))]


def float32_cast(value: Any, gradients: list[Any], args: Any) -> tuple[Any, list[Any]]:
    def cast(a: np.ndarray) -> Any:
        with np.errstate(all="ignore"):
            return a.astype(np.float32).astype(a.dtype)

    return leaves(value, cast), [leaves(g, cast) for g in gradients]


def off_by_one(value: Any, gradients: list[Any], args: Any) -> tuple[Any, list[Any]]:
    """Also where value or slopes are always 0."""
    return leaves(value, lambda a: a + 1), [leaves(g, lambda a: a + 1) for g in gradients]


def swapped_arguments(value: Any, gradients: list[Any], args: Any) -> tuple[Any, list[Any]]:
    return value, [gradients[1], gradients[0], *gradients[2:]]


def missing_unbroadcast(value: Any, gradients: list[Any], args: Any) -> tuple[Any, list[Any]]:
    return value, [np.broadcast_to(g, np.broadcast_shapes(np.shape(g), np.shape(value))) for g in gradients]


def wrong_in_one_decade(value: Any, gradients: list[Any], args: Any) -> tuple[Any, list[Any]]:
    largest = np.max(np.broadcast_arrays(*[np.abs(np.asarray(a, dtype=float)) for a in args]), axis=0)
    decade = (largest >= 10) & (largest < 100) & np.isfinite(value)
    return value + np.where(decade, 1e-11 * np.abs(value), 0.0), gradients


def off_by_one_row(value: Any, gradients: list[Any], args: Any) -> tuple[Any, list[Any]]:
    return value, [leaves(g, lambda a: np.roll(a, 1, axis=0) if a.ndim else 2 * a) for g in gradients]


def next_index(value: Any, gradients: list[Any], args: Any) -> tuple[Any, list[Any]]:
    if not hasattr(value, "_fields"):
        return np.asarray(value) + 1, gradients
    return type(value)(*(np.asarray(field) + (i == 1) for i, field in enumerate(value))), gradients


EVERYWHERE: tuple[Corruption, ...] = (wrong_sign, dropped_term, float32_cast, off_by_one)
ELEMENTWISE: tuple[Corruption, ...] = (missing_unbroadcast, wrong_in_one_decade, swapped_arguments)


def corruptions(operation: Operation) -> tuple[Corruption, ...]:
    if not operation.has_vjp:
        return (next_index,)
    if not checks.elementwise(operation):
        planned = (*EVERYWHERE, off_by_one_row) if rows_differ(operation) else EVERYWHERE
        planned = planned if last_differs_from_zero(operation) else tuple(c for c in planned if c is not dropped_term)
        single = list(load(operation.path).cases[0].value) == ["value"]
        return tuple(corrupt for corrupt in planned if not single or changes(operation, corrupt))
    planned = (*EVERYWHERE, *(ELEMENTWISE if len(operation.differentiable) > 1 else ELEMENTWISE[:2]))
    return tuple(corrupt for corrupt in planned if changes(operation, corrupt))


def rows_differ(operation: Operation) -> bool:
    """Whether rows off by one would show: those of a function of the mean all have one slope."""
    slopes = [np.asarray(getattr(g, "hi", g)) for c in load(operation.path).cases for g in c.gradients.values()]
    return any(not np.array_equal(np.roll(g, 1, axis=0) if g.ndim else 2 * g, g, equal_nan=True) for g in slopes)


def last_differs_from_zero(operation: Operation) -> bool:
    """Whether the last cotangent is ever above 0: uniforms that only decide have none."""
    last = operation.differentiable[-1].partition(".")[0]
    slopes = [
        g for c in load(operation.path).cases for name, g in c.gradients.items() if name.partition(".")[0] == last
    ]
    return any(np.any(np.asarray(getattr(g, "hi", g)) != 0) for g in slopes)


def changes(operation: Operation, corrupt: Corruption) -> bool:
    """Whether the truth of any case would be another: the sign of a slope that is always 0 would not."""
    for case in load(operation.path).cases:
        truth = [np.asarray(getattr(leaf, "hi", leaf)) for leaf in (*case.value.values(), *case.gradients.values())]
        value, slopes = corrupt(truth[0], truth[1:], tuple(case.arguments.values()))
        if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(truth, [value, *slopes], strict=True)):
            return True
    return False


SUFFIXES = ("", "_vjp", "_value_and_vjp")


def plant(
    monkeypatch: pytest.MonkeyPatch,
    operation: Operation,
    corrupt: Corruption,
    backend: str = "numpy",
    suffixes: tuple[str, ...] = SUFFIXES,
) -> None:
    """Replace function, vjp and fused pass by corrupted ones, or some of them; a call within a call stays as it was."""
    module = import_module(operation.on(backend).__module__)
    running: list[str] = []
    for suffix in suffixes:
        first = int(suffix != "")
        original = getattr(module, operation.name + suffix, None)
        if original is None:
            continue

        @wraps(original)
        def mutant(
            *args: Any, _original: Any = original, _suffix: str = suffix, _first: int = first, **constants: Any
        ) -> Any:
            running.append(_suffix)
            try:
                result = _original(*args, **constants)
            finally:
                running.pop()
            if running:
                return result
            data = args[_first:]
            if _suffix == "":
                blank = [np.zeros(())] * 8
                return corrupt(result, blank, data)[0]
            if _suffix == "_vjp":
                value = operation.function(*data, **constants)
                return tuple(corrupt(value, list(result), data)[1])
            value, gradients = corrupt(result[0], list(result[1]), data)
            return value, tuple(gradients)

        monkeypatch.setattr(module, operation.name + suffix, mutant)


def test_the_golden_cases_catch_every_mutant(operation: Operation, monkeypatch: pytest.MonkeyPatch) -> None:
    catches_every_mutant(checks.agrees_with_golden, operation, monkeypatch)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("check", checks.SHARED[1:], ids=lambda check: check.__name__)
def test_every_shared_check_catches_every_mutant(
    operation: Operation, check: Callable[[Operation, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    catches_every_mutant(check, operation, monkeypatch)


def catches_every_mutant(
    check: Callable[[Operation, str], None], operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for corrupt in corruptions(operation):
        with monkeypatch.context() as patch:
            plant(patch, operation, corrupt)
            assert bites(check, operation), corrupt.__name__


def bites(check: Callable[[Operation, str], None], operation: Operation) -> bool:
    """Whether a check fails; where a few chance points miss what is wrong, all that are drawn decide."""
    try:
        check(operation, "numpy")
        if check is checks.agrees_with_exact:
            checks.agrees_with_exact(operation, "numpy", every=1)
    except AssertionError:
        return True
    return False


@pytest.mark.sampled(4)
def test_the_mutants_are_mutants(operation: Operation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted corruption that changes nothing is no corruption: the checks pass with the identity planted."""
    with monkeypatch.context() as patch:
        plant(patch, operation, lambda value, gradients, args: (value, gradients))
        checks.agrees_with_golden(operation, "numpy")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_mistake_in_one_of_the_three_functions_alone_is_caught(
    operation: Operation, backend: str, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vjp is judged although the fused pass exists, and the fused pass although the vjp does, on every backend."""
    if not hasattr(import_module(operation.on(backend).__module__), operation.name + suffix):
        pytest.skip("no such function")
    corrupt = off_by_one if operation.has_vjp else corruptions(operation)[0]
    with monkeypatch.context() as patch:
        plant(patch, operation, corrupt, backend, (suffix,))
        with pytest.raises(AssertionError):
            checks.agrees_with_golden(operation, backend)
