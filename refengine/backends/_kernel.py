"""What holds the trees together: packages found by name, and kernels bound to the reference that they implement."""

from __future__ import annotations

import inspect
import pkgutil
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar, cast, get_type_hints

F = TypeVar("F", bound=Callable[..., Any])


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


def kernel_of(reference: F) -> Callable[[Callable[..., Any]], F]:
    """Mark a backend's function as the kernel of ``reference``: same arguments, same documentation, same static type.

    Raises TypeError at import where the argument names, their order, their kinds or the defaults differ.
    """

    def adopt(kernel: Callable[..., Any]) -> F:
        wanted, got = (
            [(p.name, p.kind, p.default) for p in inspect.signature(f).parameters.values()] for f in (reference, kernel)
        )
        if wanted != got:
            raise TypeError(f"{kernel.__module__}.{kernel.__name__} takes {got}, its reference takes {wanted}")
        kernel.__doc__ = reference.__doc__
        kernel.__annotations__ = get_type_hints(reference, include_extras=True)
        return cast("F", kernel)

    return adopt
