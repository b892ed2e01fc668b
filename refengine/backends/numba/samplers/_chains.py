"""How a target's functions reach a compiled loop over chains."""

from __future__ import annotations

from importlib import import_module
from math import log
from types import ModuleType
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import is_jitted

from refengine.backends.numba._parallel import parallel
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import as_rows

TREES = ("refengine.backends.numba.samplers.targets.", "refengine.samplers.targets.")


class per_target(parallel):
    """`parallel` for loops that take compiled functions as arguments, which numba's cache on disk cannot tell apart."""

    def __init__(self, loop: Any) -> None:
        self.loop = numba.njit(parallel=True, nogil=True)(loop)


class Compiled(NamedTuple):
    """The functions of a target for one chain, compiled, and the parameters as they take them."""

    log_density: Any
    gradient: Any
    gradient_vjp: Any
    parameters: tuple[Any, ...]


def compiled(target: Target, position: np.ndarray) -> Compiled | None:
    """The target for compiled loops, or None where one of its functions is plain Python.

    Functions compiled by ``numba.njit`` are taken as they are; for those of a built-in target, of either tree, its
    file in this tree has ``chain_<name>`` and ``chain_parameters``, which checks the parameters.
    """
    hessian = target.gradient_vjp or _no_hessian
    functions = [_for_one_chain(f) for f in (target.log_density, target.gradient, hessian)]
    if None in functions:
        return None
    built_in = _file_of(target.log_density)
    parameters = built_in.chain_parameters(position, *target.parameters) if built_in else target.parameters
    log_density, gradient, gradient_vjp = functions
    return Compiled(log_density, gradient, gradient_vjp, tuple(parameters))


def _for_one_chain(function: Any) -> Any:
    if is_jitted(function):
        return function
    built_in = _file_of(function)
    return getattr(built_in, f"chain_{function.__name__}") if built_in else None


def _file_of(function: Any) -> ModuleType | None:
    """The file of this tree that holds the compiled text of a built-in target's function."""
    name = getattr(function, "__module__", None) or ""
    stem = next((name.removeprefix(tree) for tree in TREES if name.startswith(tree)), "")
    return None if is_jitted(function) or not stem else import_module(TREES[0] + stem)


@numba.njit(cache=True)
def _no_hessian(g, position):
    return (g,)


@numba.njit(cache=True)
def accepts(u, log_ratio):
    """Log u < log ratio; the logarithm is taken of positive numbers only."""
    return (log(u) if u > 0 else -np.inf if u == 0 else np.nan) < log_ratio


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
