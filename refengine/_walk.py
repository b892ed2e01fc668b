"""The walk that finds every operation. Nothing is registered: the path is the key."""

from __future__ import annotations

import inspect
import pkgutil
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module, util
from typing import Any

import refengine
from refengine.domains import Array, Booleans, Domain, Integers, Interval

BACKENDS = ("numpy", "numba", "cupy")
NOT_FAMILIES = ("backends", "cli", "golden", "testing")


def domains_of(annotation: Any, name: str) -> dict[str, Domain] | None:
    """The named domains in an annotation: one for an array, several for a NamedTuple of arrays, None otherwise."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        annotation = next(a for a in typing.get_args(annotation) if a is not type(None))
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, Interval | Integers | Booleans):
            return {name: extra}
    fields = (
        [
            domains_of(hint, f"{name}.{field}")
            for field, hint in typing.get_type_hints(annotation, include_extras=True).items()
        ]
        if hasattr(annotation, "_fields")
        else [None]
    )
    return {k: v for field in fields for k, v in (field or {}).items()} if None not in fields else None


@dataclass(frozen=True)
class Operation:
    """One public function of the reference, with its domains and its implementations."""

    path: str
    function: Callable[..., Any]

    @property
    def module(self) -> str:
        """The file's dotted path below the package, the same in every tree."""
        return self.function.__module__.removeprefix("refengine.")

    @property
    def name(self) -> str:
        return self.function.__name__

    @cached_property
    def parameters(self) -> dict[str, dict[str, Domain] | None]:
        """Positional parameters, each with the domains of its arrays (None: not made of arrays, a target)."""
        hints = typing.get_type_hints(self.function, include_extras=True)
        positional = [p.name for p in inspect.signature(self.function).parameters.values() if p.kind < p.KEYWORD_ONLY]
        return {name: domains_of(hints.get(name), name) for name in positional}

    @cached_property
    def domains(self) -> dict[str, Domain]:
        """Every array among the arguments by name; fields of a tuple as ``state.position``."""
        return {name: domain for group in self.parameters.values() for name, domain in (group or {}).items()}

    @cached_property
    def constants(self) -> dict[str, Any]:
        """Keyword-only constants with their defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    @property
    def differentiable(self) -> tuple[str, ...]:
        """The arrays that have a cotangent, in order."""
        return tuple(name for name, domain in self.domains.items() if domain.differentiable)

    @property
    def has_vjp(self) -> bool:
        return hasattr(import_module(self.function.__module__), f"{self.name}_vjp")

    def on(self, backend: str) -> Callable[..., Any]:
        """This operation's function on a backend."""
        tree = refengine.backend(backend).__name__
        try:
            module = import_module(f"{tree}.{self.module}")
        except ModuleNotFoundError as error:
            if not f"{tree}.{self.module}".startswith(str(error.name)):
                raise
            return self.function
        return typing.cast("Callable[..., Any]", getattr(module, self.name))

    def coverage(self) -> dict[str, str]:
        """For each backend "own kernel" or "shared text"; read from the source tree, so no backend is imported."""
        return {
            name: "own kernel" if name == "numpy" or self.name in _kernels(name, self.module) else "shared text"
            for name in BACKENDS
        }


def _kernels(backend: str, module: str) -> set[str]:
    """Names that a backend's file defines itself."""
    path = refengine.__path__[0] + f"/backends/{backend}/" + module.replace(".", "/") + ".py"
    spec = util.spec_from_file_location(module, path)
    try:
        code = typing.cast("Any", spec).loader.get_code(module)
    except OSError:
        return set()
    return {const.co_name for const in code.co_consts if inspect.iscode(const)}


def modules() -> Iterator[types.ModuleType]:
    """Every module of every family."""
    for family in pkgutil.iter_modules(refengine.__path__):
        if family.ispkg and family.name not in NOT_FAMILIES:
            package = import_module(f"refengine.{family.name}")
            for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
                if not info.ispkg:
                    yield import_module(info.name)


def _is_operation(function: Any, module: types.ModuleType) -> bool:
    if not inspect.isfunction(function) or function.__name__.endswith("_vjp"):
        return False
    if hasattr(module, f"{function.__name__}_vjp"):
        return True
    hints = typing.get_type_hints(function, include_extras=True)
    result = hints.pop("return", None)
    positional = [p for p in inspect.signature(function).parameters.values() if p.kind < p.KEYWORD_ONLY]
    arrays = all(domains_of(hints.get(p.name), p.name) for p in positional)
    return bool(positional) and arrays and (result is Array or domains_of(result, "result") is not None)


def find() -> dict[str, Operation]:
    """Every operation by its dotted path: public functions from arrays to arrays, and all that have a vjp."""
    found = {}
    for module in modules():
        for name in getattr(module, "__all__", ()):
            function = getattr(module, name)
            if _is_operation(function, module):
                package, _, file = module.__name__.removeprefix("refengine.").rpartition(".")
                exposed = getattr(import_module(f"refengine.{package}"), file) is function
                path = f"{package}.{name}" if exposed else f"{package}.{file}.{name}"
                found[path] = Operation(path, function)
    return found
