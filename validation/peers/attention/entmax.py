"""entmax's sparse weights, differentiated by its own backward passes; what is masked is -inf."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import entmax
import torch

FRAMEWORK = "torch"


def weights(z: Any, *, mask: Any = None, call: Any) -> Any:
    return call(z if mask is None else torch.where(mask, z, -math.inf), dim=-1)


def bisected(z: Any, alpha: Any, *, mask: Any = None) -> Any:
    return weights(z, mask=mask, call=partial(entmax.entmax_bisect, alpha=alpha[..., None]))


ANSWERS = {
    "attention.sparsemax.sparsemax": {
        "sparsemax": partial(weights, call=entmax.sparsemax),
        "sparsemax_bisect": partial(weights, call=entmax.sparsemax_bisect),
    },
    "attention.entmax.entmax": {"entmax15": partial(weights, call=entmax.entmax15), "entmax_bisect": bisected},
}
