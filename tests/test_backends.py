"""Every operation on every backend in every layout, dtype and array library."""

from __future__ import annotations

import ast
import inspect
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import refengine
from refengine._call import flatten
from refengine._walk import NOT_FAMILIES, Operation
from refengine.golden import load
from tests import checks


def test_golden(operation: Operation, backend: str) -> None:
    errors = checks.agrees_with_golden(operation, backend)
    assert np.median(errors) <= 1


@pytest.mark.sampled(4)
def test_layouts(operation: Operation, backend: str) -> None:
    checks.agrees_in_every_layout(operation, backend)


def test_float32(operation: Operation, backend: str) -> None:
    checks.agrees_in_float32(operation, backend)


@pytest.mark.sampled(4)
def test_array_api_strict(operation: Operation) -> None:
    checks.agrees_on_strict_arrays(operation, "numpy")


@pytest.mark.slow
def test_array_api_strict_in_every_case(operation: Operation) -> None:
    checks.agrees_on_strict_arrays(operation, "numpy", every=True)


def _stacked(operation: Operation) -> tuple[list[np.ndarray], np.ndarray]:
    cases = [
        c for c in load(operation.path).cases if all(a.ndim == 0 for a in c.arguments.values()) and not c.constants
    ]
    arguments = [np.stack([c.arguments[name] for c in cases]) for name in operation.domains]
    return arguments, np.stack([getattr(c.value["value"], "hi", c.value["value"]) for c in cases])


def test_many_points_at_once(operation: Operation, backend: str) -> None:
    """Elementwise operations on vectors, columns against rows, and nothing at all."""
    if not checks.elementwise(operation) or all(case.constants for case in load(operation.path).cases):
        pytest.skip("not elementwise, or never without constants")
    function, (arguments, truth) = operation.on(backend), _stacked(operation)
    value = function(*arguments)
    some = range(0, len(truth), 8)
    one_by_one = np.array([function(*(a[i] for a in arguments)) for i in some])
    np.testing.assert_allclose(value[some], one_by_one, rtol=1e-15, atol=0)
    empty = [a[:0] for a in arguments]
    assert function(*empty).shape == (0,)
    if operation.has_vjp:
        _, gradients = refengine.value_and_vjp(function, np.zeros(0), *empty)
        assert all(g.shape == (0,) for g in gradients)
    first, *rest = (a[:40] for a in arguments)
    if rest:
        grid = function(first[:, None], *(a[None, :] for a in rest))
        assert grid.shape == (40, 40)
        np.testing.assert_allclose(np.diagonal(grid), value[:40], rtol=1e-15, atol=0)
        with pytest.raises(ValueError, match="do not broadcast"):
            function(np.zeros(2), *(np.zeros(3) for _ in rest))


def test_broadcast_cotangents_are_summed(operation: Operation, backend: str) -> None:
    if not (checks.elementwise(operation) and operation.has_vjp):
        pytest.skip("not elementwise, or no vjp")
    if not all(default is not inspect.Parameter.empty for default in operation.constants.values()):
        pytest.skip("a constant has no default")
    arguments, _ = _stacked(operation)
    some = max(2, int(1300 ** (1 / len(arguments))))  # in all directions
    arguments = [a[:some] for a in arguments]
    columns = [a.reshape((-1,) + (1,) * (len(arguments) - 1 - i)) for i, a in enumerate(arguments)]
    full = [np.ascontiguousarray(a) for a in np.broadcast_arrays(*columns)]
    g = np.linspace(-1, 1, full[0].size).reshape(full[0].shape)
    _, summed = refengine.value_and_vjp(operation.on(backend), g, *columns)
    _, plain = refengine.value_and_vjp(operation.on(backend), g, *full)
    floating = [c for c, name in zip(columns, operation.domains, strict=True) if name in operation.differentiable]
    for column, got, part in zip(floating, summed, plain, strict=True):
        shape = (1,) * (part.ndim - column.ndim) + column.shape
        with np.errstate(invalid="ignore"):
            expected = part.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1)).reshape(column.shape)
        largest = np.max(np.abs(part), initial=0.0, where=np.isfinite(part))
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12 * largest)


@pytest.mark.sampled(4)
def test_eight_threads_give_the_bits_of_one(operation: Operation, backend: str) -> None:
    required = [c for c in load(operation.path).cases if c.result == "required"]
    cases = required[:: max(1, len(required) // 8)]

    def bits(case: object) -> list[bytes]:
        value, gradients = checks.call(operation, backend, case, lambda a: a)  # type: ignore[arg-type]
        return [np.asarray(v).tobytes() for v in (*value.values(), *(gradients or {}).values())]

    alone = [bits(case) for case in cases]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(bits, cases)) == alone


def _namespace_names(tree: ast.AST, holder: str) -> set[str]:
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == holder
    }


def reference_files() -> list[Path]:
    root = Path(refengine.__path__[0])
    return [p for p in root.glob("*/**/*.py") if p.relative_to(root).parts[0] not in NOT_FAMILIES]


@pytest.mark.filterwarnings("ignore")
def test_every_name_of_the_reference_exists_in_cupy() -> None:
    pytest.importorskip("cupy", reason="CuPy is not installed: pip install cupy-cuda12x (no GPU is needed)")
    from array_api_compat import cupy as xp
    from cupyx.scipy import special

    for path in [*reference_files(), Path(refengine.__path__[0]) / "_arrays.py"]:
        tree = ast.parse(path.read_text("utf-8"))
        missing = {name for name in _namespace_names(tree, "xp") if not hasattr(xp, name)}
        calls = (n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Call))
        scipy_names = {n.attr for n in calls if getattr(n.value.func, "id", "") == "special_functions"}
        missing |= {name for name in scipy_names if not hasattr(special, name)}
        assert not missing, f"{path}: CuPy has no {', '.join(sorted(missing))}"


def test_reference_text_calls_numpy_only_for_error_state() -> None:
    """What is not in the array API would not run on CuPy arrays."""
    allowed = {"errstate", "broadcast_shapes", "shape", "random"}
    used = {path: _namespace_names(ast.parse(path.read_text("utf-8")), "np") - allowed for path in reference_files()}
    assert not {str(path): names for path, names in used.items() if names}


@pytest.mark.gpu
def test_golden_on_cupy(operation: Operation) -> None:
    if "cupy" not in refengine.backends():
        pytest.skip("no CUDA device answers")
    checks.agrees_with_golden(operation, "cupy")


def test_unknown_and_unavailable_backends() -> None:
    with pytest.raises(ValueError, match="'numpy', 'numba', 'cupy', got 'jax'"):
        refengine.backend("jax")
    if "cupy" not in refengine.backends():
        with pytest.raises(ImportError, match="cupy"):
            refengine.backend("cupy")


def test_coverage_is_read_from_the_tree() -> None:
    table = refengine.operations()
    assert table["special.log_beta"]["numba"] == "own kernel"
    assert set(flatten(table["special.log_beta"])) == {"value"}


def test_backend_trees_have_every_name() -> None:
    """A backend's tree answers for all families, with kernels or with the shared text."""
    for name in set(refengine.backends()) - {"cupy"}:
        tree = refengine.backend(name)
        assert callable(tree.special.log_beta)
        assert callable(tree.losses.arcface.loss)
        assert tree.samplers.mala.State is refengine.samplers.mala.State
