"""rotary-embedding-torch: pairs of neighbours; its frequencies are float32, here brought to float64."""

from __future__ import annotations

from typing import Any

import torch
from rotary_embedding_torch import RotaryEmbedding, apply_rotary_emb

from validation.peers._table import NotOffered

FRAMEWORK = "torch"


def rotate(x: Any, positions: Any, *, base: float = 10000.0) -> Any:
    if not x.numel():
        raise NotOffered("nothing to turn")
    made = RotaryEmbedding(x.shape[-1], theta=base).double()
    angles = made(torch.broadcast_to(positions, x.shape[:-1]).reshape(-1))
    return apply_rotary_emb(angles, x.reshape(-1, x.shape[-1])).reshape(x.shape)


ANSWERS = {"attention.rotary.rotate": {"RotaryEmbedding": rotate}}
