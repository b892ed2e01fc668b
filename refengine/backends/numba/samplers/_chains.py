"""How a target's functions reach a compiled loop over chains."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from math import log
from types import ModuleType
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types
from numba.extending import is_jitted, overload

from refengine.backends.numba._parallel import shared_out
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import as_rows, check_target

TREES = ("refengine.backends.numba.samplers.targets.", "refengine.samplers.targets.")

STEPS_A_THREAD = 1000
"""Waking a thread costs more than a few steps."""


class loop_over_chains:
    """`shared_out` for loops ``(start, stop, target, ...)`` over the chains, the target as `compiled` gives it or None.

    The type of a built-in target says which functions belong to it, so that its loop is compiled once and cached on
    disk; functions that are handed in cannot be told apart there, and their loop is compiled in each process. So what a
    loop calls with a target is not cached by itself: the built-in loop's file on disk holds its code.
    """

    def __init__(self, loop: Any) -> None:
        self.built_in, self.handed_in = shared_out(loop), shared_out(loop, cached=False)

    def __call__(self, chains: int, target: Compiled | None, *arguments: Any, steps: int = 1) -> None:
        loop = self.handed_in if target is not None and target.built_in is None else self.built_in
        loop(chains, target, *arguments, parts=1 + chains * steps // STEPS_A_THREAD)


class Compiled(NamedTuple):
    """A built-in target, or None and the functions of one chain that were handed in with their parameters."""

    built_in: Any
    log_density: Any
    gradient: Any
    gradient_vjp: Any
    parameters: tuple[Any, ...]


def compiled(target: Target, position: np.ndarray) -> Compiled | None:
    """The target for compiled loops, or None where one of its functions is plain Python.

    A built-in target, of either tree, is what ``compiled`` of its file in this tree makes of checked parameters; its
    functions of one chain are ``chain_<name>`` there. Functions compiled by ``numba.njit`` are taken as they are.
    """
    target = check_target(target)
    functions = (target.log_density, target.gradient, target.gradient_vjp or _no_hessian)
    if all(map(is_jitted, functions)):
        return Compiled(None, *functions, tuple(target.parameters))
    file = _file_of(target.log_density)
    if file is None or any(_file_of(f) is not file for f in functions):
        return None
    return Compiled(file.compiled(position, *target.parameters), None, None, None, ())


def _file_of(function: Any) -> ModuleType | None:
    """The file of this tree that holds the compiled text of a built-in target's function."""
    name = getattr(function, "__module__", None) or ""
    stem = next((name.removeprefix(tree) for tree in TREES if name.startswith(tree)), "")
    if not stem or is_jitted(function) or find_spec(TREES[0] + stem) is None:
        return None
    return import_module(TREES[0] + stem)


def log_density_at(target: Any, position: Any) -> Any:
    """In compiled code: the log density of one chain."""


def gradient_at(target: Any, position: Any) -> Any:
    """In compiled code: its gradient."""


def hessian_product_at(target: Any, g: Any, position: Any) -> Any:
    """In compiled code: the Hessian times g."""


@overload(log_density_at)
def _log_density_at(target, position):
    own = _own(target, "chain_log_density")
    if own is None:
        return lambda target, position: target.log_density(position, *target.parameters)
    return lambda target, position: own(position, target.built_in)


@overload(gradient_at)
def _gradient_at(target, position):
    own = _own(target, "chain_gradient")
    if own is None:
        return lambda target, position: target.gradient(position, *target.parameters)
    return lambda target, position: own(position, target.built_in)


@overload(hessian_product_at)
def _hessian_product_at(target, g, position):
    own = _own(target, "chain_hessian_product")
    if own is None:
        return lambda target, g, position: target.gradient_vjp(g, position, *target.parameters)[0]
    return lambda target, g, position: own(g, position, target.built_in)


def _own(target: Any, name: str) -> Any:
    """The function of that name in the file of a built-in target, by the type of its parameters."""
    built_in = target.types[Compiled._fields.index("built_in")]
    return None if built_in is types.none else getattr(import_module(built_in.instance_class.__module__), name)


@numba.njit(cache=True)
def _no_hessian(g, position, *parameters):
    return (g,)


@numba.njit(cache=True)
def log_of(u):
    """The logarithm: -inf at 0, nan below."""
    return log(u) if u > 0 else -np.inf if u == 0 else np.nan


@numba.njit(cache=True)
def accepts(u, log_ratio):
    """Log u < log ratio."""
    return log_of(u) < log_ratio


@numba.njit(cache=True)
def product(cotangent, factor):
    """0 where the cotangent is 0 even if the factor is infinite or nan."""
    return cotangent * factor if cotangent != 0 else 0.0


def rows(array: np.ndarray) -> np.ndarray:
    """Vectors of all chains as (chains, D), contiguous and writeable, so that one compiled loop serves them all."""
    return writeable(as_rows(np, array))


def line(array: np.ndarray) -> np.ndarray:
    """Scalars of all chains as (chains,)."""
    return writeable(array.reshape(-1))


def writeable(array: np.ndarray) -> np.ndarray:
    """The array, or a copy where it is not contiguous or not writeable: to numba those are other types."""
    contiguous = np.ascontiguousarray(array).reshape(array.shape)
    return contiguous if contiguous.flags.writeable else contiguous.copy()
