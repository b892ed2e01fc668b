"""Masks of frameworks as masks and biases here."""

from __future__ import annotations

from typing import Any

from refengine._arrays import namespace


def of_scores(attn_mask: Any) -> dict[str, Any]:
    """A boolean mask (True: attend) as ``mask``, one that is added to the scores as ``bias``."""
    if attn_mask is None:
        return {}
    array = namespace(attn_mask).asarray(attn_mask)
    return {"mask" if namespace(array).isdtype(array.dtype, "bool") else "bias": array}


def inverted(attn_mask: Any) -> dict[str, Any]:
    """`of_scores` of a mask in which True stands for what is masked."""
    return {name: ~array if name == "mask" else array for name, array in of_scores(attn_mask).items()}


def both(*masks: Any) -> dict[str, Any]:
    """``mask`` where all of those that are given attend."""
    given = [mask for mask in masks if mask is not None]
    if not given:
        return {}
    found = given[0]
    for mask in given[1:]:
        found = found & mask
    return {"mask": found}


def within(lengths: Any, size: int | None, name: str) -> Any:
    """(B, size), True before the length of each sequence; None without lengths."""
    if lengths is None:
        return None
    if size is None:
        raise ValueError(f"{name} must say how long the padded sequences are")
    xp = namespace(lengths)
    return xp.arange(size) < xp.asarray(lengths)[..., None]


def sides(left: int, right: int) -> tuple[int | None, int | None] | None:
    """A window in which -1 stands for no limit."""
    found = (None if left < 0 else left, None if right < 0 else right)
    return None if found == (None, None) else found
