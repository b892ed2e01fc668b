"""The worked examples of the documentation, as modules."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType


def example(name: str) -> ModuleType:
    """``docs/example/<name>.py``, executed anew."""
    path = Path(__file__).parents[1] / "docs" / "example" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
