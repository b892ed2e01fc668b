"""A package whose modules are imported when they are first named: nothing is registered, nothing heavy is loaded."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def subpackages(package: str, otherwise: str = "") -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` that import a package's modules when they are first named.

    A name that the package lacks is looked up in the package ``otherwise``: that is how a backend's tree
    falls back on the reference.
    """

    def getattribute(name: str) -> Any:
        full = f"{package}.{name}"
        if not name.startswith("_"):
            try:
                return import_module(full)
            except ModuleNotFoundError as error:
                if error.name != full:
                    raise
        if otherwise and not name.startswith("_"):
            return getattr(import_module(otherwise), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def directory() -> list[str]:
        names = {info.name for info in pkgutil.iter_modules(sys.modules[package].__path__)}
        names |= set(dir(import_module(otherwise)) if otherwise else vars(sys.modules[package]))
        return sorted(name for name in names if not name.startswith("_"))

    return getattribute, directory
