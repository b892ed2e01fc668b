"""Facts of every operation, written once over the walk. Anything missing is a failure that names it."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import refengine
from refengine._call import bind, cotangents_by_name, unflatten
from refengine._walk import Operation
from refengine.golden import load
from tests import checks
from validation.generate import definition_of, draws


def test_has_vjp_unless_its_results_are_indices(operation: Operation) -> None:
    floating = any(not isinstance(leaf, np.ndarray) for leaf in load(operation.path).cases[0].value.values())
    assert operation.has_vjp == (floating and bool(operation.differentiable)), "counts alone have no derivative"


def test_signatures_agree(operation: Operation) -> None:
    module = import_module(operation.function.__module__)
    own = list(inspect.signature(operation.function).parameters.items())
    for suffix in ("_vjp", "_value_and_vjp"):
        vjp = getattr(module, operation.name + suffix, None)
        if vjp is not None:
            first, *rest = inspect.signature(vjp).parameters.items()
            assert first[0] == "g"
            assert [(n, p.kind, p.default) for n, p in rest] == [(n, p.kind, p.default) for n, p in own]
            assert operation.name + suffix in module.__all__


def test_every_array_has_a_domain(operation: Operation) -> None:
    unknown = [name for name, domains in operation.parameters.items() if domains is None and name != "target"]
    assert not unknown, f"no domain in the annotation of {', '.join(unknown)}"


def test_docstring_says_what_a_reader_needs(operation: Operation) -> None:
    doc = inspect.getdoc(operation.function) or ""
    module = import_module(operation.function.__module__)
    assert ">>>" in doc, "a doctested example"
    assert ".. math::" in doc, "the definition"
    shapes = re.search(r"\((\.\.\., )?[A-Z]\w*(, [A-Z]\w*)*,?\)|broadcast", doc)
    assert shapes, "the shapes"
    assert re.search(r"eq\.|equation|section|algorithm|DLMF|\(\d{4}\)", doc, re.I), "the source with its equation"
    if operation.has_vjp:
        derivation = inspect.getdoc(getattr(module, f"{operation.name}_vjp")) or ""
        assert "math::" in derivation or ":math:" in derivation, "the derivation in the vjp's docstring"


def test_golden_file_is_up_to_date(operation: Operation) -> None:
    """The definition's hash stands in the file, and the first and last cases come out again bit by bit."""
    file = load(operation.path)
    assert file.definition == definition_of(operation), "python -m validation.generate"
    planned = draws(operation)
    assert len(planned) == len(file.cases)
    from refengine.golden._format import encode_case
    from validation.generate import certified_case

    for i in (0, len(planned) - 1):
        assert encode_case(certified_case(operation, planned[i], i)) == encode_case(file.cases[i])


def test_enough_cases_and_traps(operation: Operation) -> None:
    cases = load(operation.path).cases
    assert len(cases) >= (200 if checks.elementwise(operation) else 60)
    named = {flag for case in cases for flag in case.flags if not flag.startswith("EXACT_")}
    assert len(named) >= 2, "trap flags"
    assert len({case.uid for case in cases}) == len(cases), "two cases are the same"


@pytest.mark.sampled(4)
def test_agrees_with_exact_tier_at_new_points(operation: Operation, backend: str) -> None:
    checks.agrees_with_exact(operation, backend)


@pytest.mark.slow
@pytest.mark.parametrize("salt", ["one", "two", "three", "four", "five"])
def test_agrees_with_exact_tier_at_many_new_points(operation: Operation, backend: str, salt: str) -> None:
    checks.agrees_with_exact(operation, backend, salt, every=1 if checks.elementwise(operation) else 5)


def test_vjp_is_linear_in_the_cotangent(operation: Operation, backend: str) -> None:
    """Twice the cotangent gives twice the result, to the bit."""
    if not operation.has_vjp:
        pytest.skip("results are indices")
    tree, function = refengine.backend(backend).__name__, operation.on(backend)
    vjp = getattr(import_module(function.__module__), f"{operation.name}_vjp")
    found = checks.good_pieces(operation)
    for piece in found[:: max(1, len(found) // 10)]:
        args, keywords = bind(operation, dict(piece.arguments), piece.constants, tree)
        value = function(*args, **keywords)
        once, twice = (
            cotangents_by_name(
                operation,
                piece.arguments,
                vjp(unflatten(value, {k: factor * g for k, g in piece.cotangent.items()}), *args, **keywords),
            )
            for factor in (1.0, 2.0)
        )
        for name, gradient in once.items():
            with np.errstate(over="ignore"):
                doubled = 2 * np.asarray(gradient)
            normal = ~(np.abs(doubled) < 1e-300)
            np.testing.assert_array_equal(np.asarray(twice[name])[normal], doubled[normal], err_msg=f"{piece} {name}")


def test_wrong_options_are_named(operation: Operation, backend: str) -> None:
    case = load(operation.path).cases[0]
    tree = refengine.backend(backend).__name__
    for name, default in operation.constants.items():
        if isinstance(default, str):
            args, keywords = bind(operation, dict(case.arguments), case.constants | {name: "no-such-choice"}, tree)
            with pytest.raises(ValueError, match=f"{name} must be one of .*{re.escape(repr(default))}"):
                operation.on(backend)(*args, **keywords)


def test_arguments_that_hold_no_numbers_are_named(operation: Operation, backend: str) -> None:
    case = load(operation.path).cases[0]
    tree = refengine.backend(backend).__name__
    for name in operation.differentiable:
        if name in case.arguments and "." not in name:
            wrong = np.full(case.arguments[name].shape, "a", dtype=object)
            args, keywords = bind(operation, dict(case.arguments) | {name: wrong}, case.constants, tree)
            with pytest.raises(TypeError, match=f"{name} must hold"):
                operation.on(backend)(*args, **keywords)


def test_no_operation_is_listed_anywhere_by_hand() -> None:
    """The walk is the only list: every reference file below a family belongs to an operation or is private."""
    from refengine._walk import NOT_FAMILIES, find

    root = Path(refengine.__path__[0])
    owned = {o.function.__module__ for o in find().values()}
    for path in root.glob("*/**/*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] in NOT_FAMILIES or any(p.startswith("_") for p in parts):
            continue
        assert "refengine." + ".".join(parts) in owned, f"{path} holds no operation"
