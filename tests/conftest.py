from __future__ import annotations

from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

import refengine
from refengine._walk import Operation, find
from refengine.golden import operations

OPERATIONS = find()
BACKENDS = [b for b in refengine.backends() if b != "cupy"]
PAIRS = [(o, b) for o in OPERATIONS.values() for b in BACKENDS if o.coverage()[b] == "own kernel"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``operation`` and ``backend`` range over all that the walk finds; nothing is listed by hand.

    A backend that shares the reference text of an operation has nothing of its own to test.
    """
    if {"operation", "backend"} <= set(metafunc.fixturenames):
        metafunc.parametrize(("operation", "backend"), PAIRS, ids=[f"{o.path}-{b}" for o, b in PAIRS], scope="module")
    elif "operation" in metafunc.fixturenames:
        metafunc.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS, scope="module")
    elif "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", BACKENDS, scope="module")


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process of several takes all tests of an operation: it compiles and certifies for all of them."""
    for item in items:
        given = getattr(item, "callspec", None)
        operation = next((v for v in given.params.values() if isinstance(v, Operation)), None) if given else None
        if operation is not None:
            item.add_marker(pytest.mark.xdist_group(operation.path))
            sampled = item.get_closest_marker("sampled")
            kernel = given.params.get("backend", "numpy") != "numpy"  # a kernel is always tested
            if sampled and not kernel and crc32(operation.path.encode()) % sampled.args[0]:
                item.add_marker(pytest.mark.slow)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def forget_stale_kernels(tree: Path) -> None:
    """Remove compiled kernels that are older than any kernel's source.

    numba sees a change in the file of a function, not in the files whose functions it calls: a kernel would go on with
    the old text of `_gamma` or `_rows`, and a test of it would say nothing.
    """
    newest = max(file.stat().st_mtime for file in tree.rglob("*.py"))
    for index in tree.rglob("*.nbi"):
        if index.stat().st_mtime < newest:
            index.unlink(missing_ok=True)


def pytest_sessionstart() -> None:
    forget_stale_kernels(Path(refengine.__path__[0]) / "backends" / "numba")
    missing = set(OPERATIONS) - set(operations())
    if missing:
        pytest.exit(f"no golden file for {', '.join(sorted(missing))}: python -m validation.generate", returncode=3)
