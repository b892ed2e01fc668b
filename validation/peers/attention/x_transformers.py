"""x-transformers' biases of relative positions, whose queries end with the keys; differentiated by torch."""

from __future__ import annotations

from typing import Any

import torch
from x_transformers import x_transformers

from validation.peers._table import NotOffered

FRAMEWORK = "torch"


def t5_bias(
    table: Any,
    *,
    queries: int,
    keys: int,
    bidirectional: bool = True,
    max_distance: int = 128,
    alignment: str = "top_left",
) -> Any:
    _check(queries, keys, alignment)
    made = x_transformers.RelativePositionBias(1, not bidirectional, len(table), max_distance, table.shape[1])
    return torch.func.functional_call(made, {"relative_attention_bias.weight": table}, (queries, keys))


def alibi(slopes: Any, *, queries: int, keys: int, alignment: str = "top_left", distance: str = "signed") -> Any:
    _check(queries, keys, alignment)
    if slopes.ndim != 1 or distance == "signed":
        raise NotOffered("one slope for a head, distances without sign")
    made = x_transformers.AlibiPositionalBias(len(slopes))
    return torch.func.functional_call(made, {"slopes": slopes[:, None, None]}, (queries, keys))


def _check(queries: int, keys: int, alignment: str) -> None:
    if alignment == "top_left" and queries != keys:
        raise NotOffered("queries that start with the keys")


ANSWERS = {
    "attention.relative_position.t5_bias": {"RelativePositionBias": t5_bias},
    "attention.alibi.bias": {"AlibiPositionalBias": alibi},
}
