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

from refengine.backends.numba._parallel import parallel
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import as_rows, check_target

TREES = ("refengine.backends.numba.samplers.targets.", "refengine.samplers.targets.")

CHAINS_A_THREAD = 1000


class loop_over_chains:
    """`parallel` for loops that begin with the arguments of `log_density_at`, as `compiled` gives them.

    The type of a built-in target says which functions belong to it, so that its loop is compiled once and cached on
    disk; functions that are handed in cannot be told apart there, and their loop is compiled in each process.
    """

    def __init__(self, loop: Any) -> None:
        self.built_in, self.handed_in = parallel(loop), parallel(loop)
        self.handed_in.loop = numba.njit(parallel=True, nogil=True)(loop)

    def __call__(self, chains: int, target: Any, *arguments: Any) -> Any:
        threads = numba.get_num_threads()
        numba.set_num_threads(
            min(threads, 1 + chains // CHAINS_A_THREAD)
        )  # waking a thread costs more than a few steps
        try:
            return (self.handed_in if target is None else self.built_in)(target, *arguments)
        finally:
            numba.set_num_threads(threads)


class Compiled(NamedTuple):
    """A built-in target, or the functions of one chain that were handed in with their parameters."""

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


def log_density_at(built_in: Any, function: Any, parameters: Any, position: Any) -> Any:
    """In compiled code: the log density of one chain."""


def gradient_at(built_in: Any, function: Any, parameters: Any, position: Any) -> Any:
    """In compiled code: its gradient."""


def hessian_product_at(built_in: Any, function: Any, parameters: Any, g: Any, position: Any) -> Any:
    """In compiled code: the Hessian times g."""


@overload(log_density_at)
def _log_density_at(built_in, function, parameters, position):
    if built_in is types.none:
        return lambda built_in, function, parameters, position: function(position, *parameters)
    chain = import_module(built_in.instance_class.__module__).chain_log_density
    return lambda built_in, function, parameters, position: chain(position, built_in)


@overload(gradient_at)
def _gradient_at(built_in, function, parameters, position):
    if built_in is types.none:
        return lambda built_in, function, parameters, position: function(position, *parameters)
    chain = import_module(built_in.instance_class.__module__).chain_gradient
    return lambda built_in, function, parameters, position: chain(position, built_in)


@overload(hessian_product_at)
def _hessian_product_at(built_in, function, parameters, g, position):
    if built_in is types.none:
        return lambda built_in, function, parameters, g, position: function(g, position, *parameters)[0]
    chain = import_module(built_in.instance_class.__module__).chain_hessian_product
    return lambda built_in, function, parameters, g, position: chain(g, position, built_in)


@numba.njit(cache=True)
def _no_hessian(g, position, *parameters):
    return (g,)


@numba.njit(cache=True)
def accepts(u, log_ratio):
    """Log u < log ratio; the logarithm is taken of positive numbers only."""
    return (log(u) if u > 0 else -np.inf if u == 0 else np.nan) < log_ratio


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
