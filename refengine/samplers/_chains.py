"""What the transitions share: noise, checked arrays of chains, the decision, and cotangents of a transition."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log, pi
from typing import Any, NamedTuple, TypeVar

import numpy as np

from refengine._arrays import check_number, namespace, promote
from refengine.domains import Array, Real, Unit
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import check_target

T = TypeVar("T")

LAYOUT = dict.fromkeys(("position", "gradient", "normal", "momentum", "proposal"), "D") | {
    "loc": "!D", "scale": "!D", "metric": "!D", "direction": "!D", "factor": "!DD"
}  # fmt: skip
"""The axes of fields and arguments by name, as `inputs` takes them."""


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
    like, shape = state.position, shape_of(state.position)
    return Noise(normals(rng, like, shape), uniforms(rng, like, shape[:-1]))


def shape_of(array: Array) -> tuple[int, ...]:
    """The shape of an array or number."""
    return tuple(promote(position=array)[2].shape)


def normals(rng: np.random.Generator, like: Array, shape: tuple[int, ...]) -> Array:
    """Standard normals in the dtype of ``like``."""
    xp, dtype, _ = promote(position=like)
    return xp.asarray(rng.standard_normal(shape), dtype=dtype)


def uniforms(rng: np.random.Generator, like: Array, shape: tuple[int, ...]) -> Array:
    """Uniforms in the dtype of ``like`` that never reach 0 or 1."""
    xp, dtype, _ = promote(position=like)
    bits = 23 if dtype == xp.float32 else 52  # a midpoint between two multiples of 2**-bits is exact in the dtype
    return xp.asarray((rng.integers(2**bits, size=shape) + 0.5) * 2.0**-bits, dtype=dtype)


def chains(state: Any, noise: Any, of: Any, noise_of: Any = Noise) -> tuple[Any, ...]:
    """``xp, dtype, *arrays``: the fields of state and noise in float64, their shapes checked against the position's.

    TypeError unless the state is made like ``of``: the states of two samplers are easily exchanged.
    """
    return inputs(LAYOUT, state=(state, of), noise=(noise, noise_of))


def inputs(layout: dict[str, str], **given: Any) -> tuple[Any, ...]:
    """``xp, dtype, *arrays``: every array and every field of the tuples in float64, with their shapes checked.

    A tuple comes with its kind, as ``state=(state, State)``. ``layout`` gives the axes of a field as letters behind the
    axes of the chains, which the first array fixes; "!D" has no axes of chains, a field without letters has no others.
    N counts a sample, of which there is at least one.
    """
    fields: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, tuple) and len(value) == 2 and hasattr(value[1], "_fields"):
            value, kind = value
            if getattr(value, "_fields", None) != kind._fields:
                raise TypeError(
                    f"{name} must be a {kind.__name__} of {', '.join(kind._fields)}, got {type(value).__name__}"
                )
            fields |= {f"{name}.{field}": leaf for field, leaf in value._asdict().items()}
        else:
            fields[name] = value
    xp, dtype, *arrays = promote(**fields)
    _check_axes(layout, dict(zip(fields, arrays, strict=True)))
    return xp, dtype, *(xp.astype(a, xp.float64, copy=False) for a in arrays)


def _check_axes(layout: dict[str, str], fields: dict[str, Any]) -> None:
    sizes: dict[str, int] = {}
    over: tuple[int, ...] | None = None
    for name, array in fields.items():
        letters, shape = layout.get(name.rpartition(".")[2], ""), tuple(array.shape)
        shared, letters = letters.startswith("!"), letters.removeprefix("!")
        rank = len(letters)
        said = ", ".join((() if shared else ("...",)) + tuple(letters))
        if over is None:
            if len(shape) < rank:
                raise ValueError(f"{name} must have shape ({said}), got {shape}")
            over = shape[: len(shape) - rank]
        free = shape[len(shape) - rank :] if len(shape) >= rank else (0,) * rank
        for letter, size in zip(letters, free, strict=True):
            if letter == "N" and "N" not in sizes and not size:
                raise ValueError(f"{name} must have shape ({said}) with N > 0, got {shape}")
            sizes.setdefault(letter, size)
        wanted = (() if shared else over) + tuple(sizes[letter] for letter in letters)
        if shape != wanted:
            raise ValueError(f"{name} must have shape ({said}) = {wanted}, got {shape}")


def check_positive(name: str, value: float) -> float:
    """The value as a float. ValueError unless it is positive and finite."""
    number = check_number(name, value)
    if not 0 < number < inf:
        raise ValueError(f"{name} must be a positive number, got {value!r}")
    return number


def check_not_negative(name: str, value: float) -> float:
    """The value as a float. ValueError unless it is at least 0 and finite."""
    number = check_number(name, value)
    if not 0 <= number < inf:
        raise ValueError(f"{name} must be at least 0 and finite, got {value!r}")
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


def shares(xp: Any, accepted: Array, onwards: T) -> tuple[T, T]:
    """The cotangents of the next state: what goes to the proposed state, and what to the current one."""
    leaves: Any = onwards
    zeros = [xp.zeros_like(leaf) for leaf in leaves]
    new = type(leaves)(*(choose(xp, accepted, leaf, zero) for leaf, zero in zip(leaves, zeros, strict=True)))
    old = type(leaves)(*(choose(xp, accepted, zero, leaf) for leaf, zero in zip(leaves, zeros, strict=True)))
    return new, old


def check_count(name: str, value: Any, least: int = 1) -> int:
    """The value as an int. ValueError unless it is a whole number of at least ``least``."""
    number = check_number(name, value)
    if not (least <= number < inf and number == int(number)):
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(number)


def positive(xp: Any, scale: Array) -> Array:
    """The scale, nan where it is not positive."""
    return xp.where(scale > 0, scale, xp.nan)


def normal_log_q(xp: Any, z: Array, scale: Array) -> Array:
    """The log density at m + s z (..., D) of the normal distribution with mean m and standard deviations s (D,)."""
    return -xp.sum(z * z, axis=-1) / 2 - xp.sum(xp.log(scale)) - z.shape[-1] * log(2 * pi) / 2


def times(xp: Any, cotangent: Array, factor: Array) -> Array:
    """The product, 0 where the cotangent is 0 even if the factor is infinite or nan."""
    return xp.where(cotangent == 0, xp.zeros_like(cotangent), cotangent * factor)


def cast(tree: T, dtype: Any) -> T:
    """The floating arrays of nested tuples in ``dtype``."""
    result: T = mapped(lambda leaf: namespace(leaf).astype(leaf, _own(leaf, dtype), copy=False), tree)
    return result


def _own(leaf: Array, dtype: Any) -> Any:
    return dtype if namespace(leaf).isdtype(leaf.dtype, "real floating") else leaf.dtype


def mapped(function: Callable[[Array], Array], tree: Any) -> Any:
    """The function of every array of nested tuples."""
    return type(tree)(*(mapped(function, leaf) for leaf in tree)) if hasattr(tree, "_fields") else function(tree)


def cotangents(g: Any, like: T) -> T:
    """The cotangents of a result in float64, zeros where ``g`` holds None. ValueError for another shape."""
    result: T = _cotangents(g, like, "g")
    return result


def _cotangents(g: Any, like: Any, name: str) -> Any:
    if hasattr(like, "_fields"):
        pairs = zip(like._fields, [None] * len(like) if g is None else g, like, strict=True)
        return type(like)(*(_cotangents(leaf, part, f"{name}.{field}") for field, leaf, part in pairs))
    xp = namespace(like)
    if g is None or not xp.isdtype(like.dtype, "real floating"):
        return xp.zeros(like.shape, dtype=xp.float64)
    array = promote(**{name: g})[2]
    if tuple(array.shape) != tuple(like.shape):
        raise ValueError(f"{name} must have shape {tuple(like.shape)}, got {tuple(array.shape)}")
    return xp.astype(array, xp.float64, copy=False)
