"""What the arguments of dot-product attention must be, checked once for every function and backend."""

from __future__ import annotations

from math import inf, sqrt
from operator import index
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_number, check_option, check_switch, namespace, promote
from refengine.domains import Array

ALIGNMENTS = ("top_left", "bottom_right")
SOFTCAP_ORDERS = ("before_bias", "after_bias")
EMPTY_ROWS = ("zero", "nan", "mean", "error")


class Options(NamedTuple):
    """The constants of an attention function, under their public names."""

    mask: Array | None = None
    causal: bool = False
    alignment: str = "top_left"
    window: tuple[int | None, int | None] | None = None
    scale: float | None = None
    softcap: float | None = None
    empty_row: str = "zero"
    keep_mask: Array | None = None
    keep_probability: float = 1
    query_mask: Array | None = None
    softcap_order: str = "before_bias"


class Checked(NamedTuple):
    """Promoted arrays (None: not given), the scale, and the shape (..., H, Q, K) of the scores.

    The mask lets a query that ``query_mask`` leaves out attend to nothing.
    """

    xp: Any
    dtype: Any
    arrays: dict[str, Any]
    mask: Any
    query_mask: Any
    keep_mask: Any
    scale: float
    shape: tuple[int, ...]


def check(options: Options, **arguments: Array | None) -> Checked:
    """Promote q, k and what else is given; TypeError or ValueError that names the argument at fault."""
    names = [name for name, a in arguments.items() if a is not None or name != "bias"]
    xp, dtype, *given = promote(**{name: arguments[name] for name in names})
    arrays: dict[str, Any] = dict.fromkeys(arguments) | dict(zip(names, given, strict=True))
    shape = _scores_shape({name: tuple(arrays[name].shape) for name in ("q", "k", "v") if name in names})
    _check_constants(options)
    if arrays.get("bias") is not None:
        check_broadcasts("bias", arrays["bias"], shape, "(..., H, Q, K)")
    mask, keep_mask = (
        check_mask(xp, getattr(options, name), shape, "(..., H, Q, K)", name) for name in ("mask", "keep_mask")
    )
    query_mask = check_mask(xp, options.query_mask, shape[:-1], "(..., H, Q)", "query_mask")
    if query_mask is not None:
        mask = query_mask[..., None] if mask is None else mask & query_mask[..., None]
    width = arrays["q"].shape[-1]
    scale = float(options.scale) if options.scale is not None else 1 / sqrt(width) if width else 1.0
    return Checked(xp, dtype, arrays, mask, query_mask, keep_mask, scale, shape)


def check_cotangent(g: Array, expected: tuple[int, ...]) -> None:
    """ValueError unless the cotangent has the shape of the result."""
    if tuple(g.shape) != expected:
        raise ValueError(f"g must have the shape of the result {expected}, got {tuple(g.shape)}")


def check_mask(xp: Any, mask: Any, shape: tuple[int, ...], letters: str, name: str = "mask") -> Any:
    """The mask as an array, or None. TypeError or ValueError that names it."""
    if mask is None:
        return None
    array = xp.asarray(mask)
    if not xp.isdtype(array.dtype, "bool"):
        raise TypeError(f"{name} must hold booleans (True: attend), got {array.dtype}")
    check_broadcasts(name, array, shape, letters)
    return array


def check_broadcasts(name: str, array: Any, shape: tuple[int, ...], letters: str) -> None:
    """ValueError unless the array broadcasts to the shape, which the letters name."""
    try:
        fits = np.broadcast_shapes(tuple(array.shape), shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{name} must broadcast to {letters} = {shape}, got {tuple(array.shape)}")


def check_lengths(xp: Any, lengths: Any, batch: tuple[int, ...], keys: int) -> Any:
    """The lengths of the sentences; all keys where none are given."""
    found = xp.asarray(keys if lengths is None else lengths)
    if not xp.isdtype(found.dtype, "integral"):
        raise TypeError(f"lengths must hold integers, got {found.dtype}")
    check_broadcasts("lengths", found, batch, "the batch axes (...)")
    if lengths is not None and bool(xp.any((found < 0) | (found > keys))):
        raise ValueError(f"lengths must lie in 0..{keys}")
    return found


def check_no_empty_row(empty: Any) -> None:
    """ValueError that names the first query that attends to no key."""
    if namespace(empty).any(empty):
        *batch, h, i = first_of(empty)
        where = f"batch {tuple(batch)}, " if batch else ""
        raise ValueError(
            f"every query must attend to a key with empty_row='error': {where}head {h}, query {i} has none"
        )


def first_of(chosen: Any) -> tuple[int, ...]:
    """The index of the first True, in C order."""
    xp = namespace(chosen)
    place: list[int] = []
    rest = int(xp.argmax(xp.astype(xp.reshape(chosen, (-1,)), xp.int64)))
    for size in reversed(chosen.shape):
        rest, index = divmod(rest, size)
        place.append(index)
    return tuple(reversed(place))


def _scores_shape(shapes: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    letters = {"q": "(..., H, Q, D)", "k": "(..., H_kv, K, D)", "v": "(..., H_kv, K, V)"}
    for name, shape in shapes.items():
        if len(shape) < 3:
            raise ValueError(f"{name} must have shape {letters[name]}, got {shape}")
    q, k = shapes["q"], shapes["k"]
    if k[-1] != q[-1]:
        raise ValueError(f"k must have shape {letters['k']} with D = {q[-1]} as in q {q}, got {k}")
    if q[-3] % k[-3] if k[-3] else q[-3]:
        raise ValueError(f"k must have H_kv heads that divide the H = {q[-3]} heads of q, got H_kv = {k[-3]}")
    if "v" in shapes and shapes["v"][-3:-1] != k[-3:-1]:
        raise ValueError(f"v must have shape {letters['v']} with H_kv, K = {k[-3:-1]} as in k, got {shapes['v']}")
    try:
        batch = np.broadcast_shapes(*(shape[:-3] for shape in shapes.values()))
    except ValueError:
        raise ValueError(f"batch axes do not broadcast: {', '.join(f'{n} {s}' for n, s in shapes.items())}") from None
    return (*batch, *q[-3:-1], k[-2])


def _check_constants(options: Options) -> None:
    check_option("alignment", options.alignment, ALIGNMENTS)
    check_option("empty_row", options.empty_row, EMPTY_ROWS)
    check_option("softcap_order", options.softcap_order, SOFTCAP_ORDERS)
    check_switch("causal", options.causal)
    if options.scale is not None:
        check_number("scale", options.scale)
    if options.softcap is not None and not 0 < check_number("softcap", options.softcap) < inf:
        raise ValueError(f"softcap must be positive and finite or None, got {options.softcap}")
    if not 0 < check_number("keep_probability", options.keep_probability) <= 1:
        raise ValueError(f"keep_probability must lie in (0, 1], got {options.keep_probability}")
    if options.window is not None:
        sides = options.window if isinstance(options.window, tuple | list) else ()
        if len(sides) != 2 or not all(map(_is_count, sides)):
            raise ValueError(f"window must be (left, right), each a count of keys >= 0 or None, got {options.window}")


def _is_count(side: Any) -> bool:
    whole = hasattr(side, "__index__") and not isinstance(side, bool)
    return side is None or (whole and index(side) >= 0)
