"""How a target that numba has compiled reaches the shared text, which takes arrays of chains."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np
from numba.extending import is_jitted

from refengine.backends.numba.samplers._chains import rows
from refengine.samplers.targets._target import check_target

F = TypeVar("F", bound=Callable[..., Any])


def by_chain(function: F) -> F:
    """The function, its argument ``target`` taken chain by chain where numba has compiled it."""
    signature = inspect.signature(function)

    @wraps(function)
    def taken(*args: Any, **constants: Any) -> Any:
        bound = signature.bind(*args, **constants)
        bound.arguments["target"] = _for_arrays(bound.arguments["target"])
        return function(*bound.args, **bound.kwargs)

    return cast("F", taken)


def _for_arrays(target: Any) -> Any:
    functions: Any = check_target(target)[:3]
    density, gradient, product = functions

    def log_density(position: np.ndarray, *more: Any) -> np.ndarray:
        return np.array([density(x, *more) for x in rows(position)]).reshape(position.shape[:-1])

    def gradient_of(position: np.ndarray, *more: Any) -> np.ndarray:
        return np.array([gradient(x, *more) for x in rows(position)]).reshape(position.shape)

    def gradient_vjp(g: np.ndarray, position: np.ndarray, *more: Any) -> tuple[np.ndarray, ...]:
        found = [product(h, x, *more)[0] for h, x in zip(rows(g), rows(position), strict=True)]
        return (np.array(found).reshape(position.shape),)

    made: dict[str, Any] = {"log_density": log_density, "gradient": gradient_of, "gradient_vjp": gradient_vjp}
    return target._replace(**{name: new for name, new in made.items() if is_jitted(getattr(target, name))})
