from __future__ import annotations

import numpy as np
import pytest

import refengine
from refengine._walk import find
from refengine.golden import operations

OPERATIONS = find()
BACKENDS = [b for b in refengine.backends() if b != "cupy"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``operation`` and ``backend`` range over all that the walk finds; nothing is listed by hand."""
    if "operation" in metafunc.fixturenames:
        metafunc.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS, scope="module")
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", BACKENDS, scope="module")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def pytest_sessionstart() -> None:
    missing = set(OPERATIONS) - set(operations())
    if missing:
        pytest.exit(f"no golden file for {', '.join(sorted(missing))}: python -m validation.generate", returncode=3)
