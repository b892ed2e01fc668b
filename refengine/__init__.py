"""A reference engine: operations with hand-derived gradients, certified against exact definitions.

``refengine.losses.arcface.loss`` is the NumPy reference; ``refengine.backend("numba")`` is a package with the same
tree of compiled kernels. Families are imported when first used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import refengine.backends  # noqa: F401 - first, or its later import would take the name from the function below
from refengine._tree import subpackages

__version__ = "0.1.0"
__all__ = ["backend", "backends", "operations", "value_and_grad", "value_and_vjp"]

__getattr__, __dir__ = subpackages(__name__)


def backend(name: str) -> Any:
    """The package that holds the operations of backend ``"numpy"``, ``"numba"`` or ``"cupy"``.

    A value, not global state: ``rf = refengine.backend("numba"); rf.losses.arcface.loss(x, weight, labels)``.

    Raises ValueError for an unknown name; ImportError that names the extra, or says that no device answers, where the
    backend cannot run.
    """
    needs = {"numpy": ("numpy", ""), "numba": ("numba", "numba"), "cupy": ("cupy", "cuda12")}
    if name not in needs:
        raise ValueError(f"backend must be one of {', '.join(map(repr, needs))}, got {name!r}")
    requirement, extra = needs[name]
    if find_spec(requirement) is None:
        raise ImportError(f"backend {name!r} needs {requirement}: pip install 'refengine[{extra}]'")
    if name == "cupy" and not import_module("refengine.backends.cupy").available():
        raise ImportError("backend 'cupy' needs a CUDA device, and none answers")
    return sys.modules[__name__] if name == "numpy" else import_module(f"refengine.backends.{name}")


def backends() -> tuple[str, ...]:
    """The names of the backends that can run here."""

    def runs(name: str) -> bool:
        try:
            backend(name)
        except ImportError:
            return False
        return True

    return tuple(name for name in ("numpy", "numba", "cupy") if runs(name))


def operations() -> dict[str, dict[str, str]]:
    """Every operation's dotted path, each with its backends: "own kernel" or "shared text".

    >>> operations()["special.log_beta"]["numpy"]
    'own kernel'
    """
    return {path: operation.coverage() for path, operation in import_module("refengine._walk").find().items()}


def value_and_vjp(f: Callable[..., Any], g: Any, *args: Any, **constants: Any) -> tuple[Any, tuple[Any, ...]]:
    """``(f(*args), f_vjp(g, *args))``, in one pass where the module of ``f`` has ``f_value_and_vjp``.

    >>> from refengine.special import log_beta
    >>> value, (da, db) = value_and_vjp(log_beta, 1.0, 1.0, 1.0)
    >>> float(da), float(db)
    (-1.0, -1.0)
    """
    module = import_module(f.__module__)
    fused = getattr(module, f"{f.__name__}_value_and_vjp", None)
    if fused is not None:
        value, cotangents = fused(g, *args, **constants)
        return value, tuple(cotangents)
    vjp = getattr(module, f"{f.__name__}_vjp", None)
    if vjp is None:
        raise TypeError(f"{f.__module__}.{f.__name__} has no vjp")
    return f(*args, **constants), tuple(vjp(g, *args, **constants))


def value_and_grad(f: Callable[..., Any], *args: Any, **constants: Any) -> tuple[Any, tuple[Any, ...]]:
    """`value_and_vjp` with cotangent 1, for a scalar result. ValueError if the result has axes.

    >>> from refengine.special import log_beta
    >>> float(value_and_grad(log_beta, 2.0, 1.0)[0])
    -0.6931471805599453
    """
    value, cotangents = value_and_vjp(f, 1.0, *args, **constants)
    if getattr(value, "shape", ()) != ():
        raise ValueError(f"value_and_grad needs a scalar result, {f.__name__} gave shape {value.shape}")
    return value, cotangents
