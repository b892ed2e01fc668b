"""What the transitions share: noise, checked arrays of chains, the decision, and cotangents of a transition."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple, TypeVar

import numpy as np

from refengine._arrays import check_number, namespace, promote
from refengine.domains import Array, Real, Unit
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import check_target

T = TypeVar("T")

VECTORS = ("position", "gradient", "normal")
"""The fields that have the axis of coordinates; the others have the axes of the chains alone."""


class Noise(NamedTuple):
    """The randomness of one transition: standard normals (..., D) for the proposal, uniforms (...) for the decision."""

    normal: Real
    uniform: Unit


def noise(rng: np.random.Generator, state: Any) -> Noise:
    """Draw the noise of one transition of ``state`` from a NumPy generator; the uniforms never reach 0 or 1.

    >>> from refengine.samplers import random_walk
    >>> state = random_walk.State(np.zeros((3, 2)), np.zeros(3))
    >>> drawn = noise(np.random.default_rng(0), state)
    >>> drawn.normal.shape, drawn.uniform.shape
    ((3, 2), (3,))
    """
    xp, dtype, position = promote(position=state.position)
    bits = 23 if dtype == xp.float32 else 52  # a midpoint between two multiples of 2**-bits is exact in the dtype
    uniform = (rng.integers(2**bits, size=position.shape[:-1]) + 0.5) * 2.0**-bits
    return Noise(xp.asarray(rng.standard_normal(position.shape), dtype=dtype), xp.asarray(uniform, dtype=dtype))


def chains(state: Any, noise: Noise, of: Any) -> tuple[Any, ...]:
    """``xp, dtype, *arrays``: the fields of state and noise in float64, their shapes checked against the position's.

    TypeError unless the state is made like ``of``: the states of two samplers are easily exchanged.
    """
    for name, given, kind in (("state", state, of), ("noise", noise, Noise)):
        if getattr(given, "_fields", None) != kind._fields:
            raise TypeError(
                f"{name} must be a {kind.__name__} of {', '.join(kind._fields)}, got {type(given).__name__}"
            )
    fields = {f"state.{k}": v for k, v in state._asdict().items()} | {
        f"noise.{k}": v for k, v in noise._asdict().items()
    }
    xp, dtype, *arrays = promote(**fields)
    shape = tuple(arrays[0].shape)
    if not shape:
        raise ValueError("state.position must have shape (..., D), got ()")
    for name, array in zip(fields, arrays, strict=True):
        vector = name.partition(".")[2] in VECTORS
        wanted = shape if vector else shape[:-1]
        if tuple(array.shape) != wanted:
            letters = "(..., D)" if vector else "(...)"
            raise ValueError(f"{name} must have shape {letters} = {wanted}, got {tuple(array.shape)}")
    return xp, dtype, *(xp.astype(a, xp.float64, copy=False) for a in arrays)


def check_positive(name: str, value: float) -> float:
    """The value as a float. ValueError unless it is positive and finite."""
    number = check_number(name, value)
    if not 0 < number < inf:
        raise ValueError(f"{name} must be a positive number, got {value!r}")
    return number


def evaluate(xp: Any, target: Target, name: str, position: Array, *before: Array) -> Array:
    """A function of the target at a position, in float64.

    TypeError unless the target is a Target; ValueError where its result has the wrong shape.
    """
    result = getattr(check_target(target), name)(*before, position, *target.parameters)
    result = result[0] if name == "gradient_vjp" else result
    wanted = tuple(position.shape[:-1] if name == "log_density" else position.shape)
    if tuple(np.shape(result) if not hasattr(result, "shape") else result.shape) != wanted:
        raise ValueError(
            f"target.{name} must give shape {wanted} for a position {position.shape}, got {np.shape(result)}"
        )
    return xp.astype(xp.asarray(result), xp.float64, copy=False)


def accept(xp: Any, uniform: Array, log_ratio: Array) -> Array:
    """Whether log u < log ratio: strictly, so that nan rejects, and a ratio of 0 rejects whatever u."""
    with np.errstate(all="ignore"):
        return xp.log(uniform) < log_ratio


def choose(xp: Any, accepted: Array, proposed: Array, current: Array) -> Array:
    """The proposed value of the chains that accept, the current one of those that do not."""
    return xp.where(accepted if accepted.ndim == proposed.ndim else accepted[..., None], proposed, current)


def times(xp: Any, cotangent: Array, factor: Array) -> Array:
    """The product, 0 where the cotangent is 0 even if the factor is infinite or nan."""
    return xp.where(cotangent == 0, xp.zeros_like(cotangent), cotangent * factor)


def cast(tree: T, dtype: Any) -> T:
    """The floating arrays of nested tuples in ``dtype``."""
    result: T = _mapped(lambda leaf: namespace(leaf).astype(leaf, _own(leaf, dtype), copy=False), tree)
    return result


def _own(leaf: Array, dtype: Any) -> Any:
    return leaf.dtype if namespace(leaf).isdtype(leaf.dtype, "bool") else dtype


def _mapped(function: Callable[..., Any], node: Any) -> Any:
    return type(node)(*(_mapped(function, leaf) for leaf in node)) if hasattr(node, "_fields") else function(node)


def cotangents(g: Any, like: T) -> T:
    """The cotangents of a result in float64, zeros where ``g`` holds None. ValueError for another shape."""
    result: T = _cotangents(g, like, "g")
    return result


def _cotangents(g: Any, like: Any, name: str) -> Any:
    if hasattr(like, "_fields"):
        pairs = zip(like._fields, [None] * len(like) if g is None else g, like, strict=True)
        return type(like)(*(_cotangents(leaf, part, f"{name}.{field}") for field, leaf, part in pairs))
    xp = namespace(like)
    if g is None or xp.isdtype(like.dtype, "bool"):
        return xp.zeros(like.shape, dtype=xp.float64)
    array = promote(**{name: g})[2]
    if tuple(array.shape) != tuple(like.shape):
        raise ValueError(f"{name} must have shape {tuple(like.shape)}, got {tuple(array.shape)}")
    return xp.astype(array, xp.float64, copy=False)
