"""The supervised contrastive loss as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.losses._pairs import reduce_anchors, similarities
from validation.exact.losses._rows import minus_log_softmax, undefined
from validation.exact.losses.unified import REDUCTIONS, batch_draws, batch_edges
from validation.exact.number import Number, exp, log, number

TEMPERATURES = (0.5, 0.07, 1.0, 0.1)


def loss(x: Any, labels: Any, *, temperature: float, outside: bool, reduction: str) -> Any:
    """Mean over the positives of -log softmax, or -log of the mean over the positives of the softmax.

    Source: khosla-2020, eq. 2 and 3
    """
    c = similarities(x)
    losses, valid = [], []
    for i, y in enumerate(labels):
        others = [a for a in range(len(x)) if a != i]
        p = [k for k, a in enumerate(others) if labels[a] == y]
        valid.append(bool(p))
        if any(c[i, a].stated for a in others):
            losses.append(undefined(*x.ravel()) if p else Number(0))
            continue
        z = np.array([c[i, a] / number(temperature) for a in others], dtype=object)
        if not p:
            losses.append(Number(0))
        elif outside:
            losses.append(sum(minus_log_softmax(z, k) for k in p) / len(p))
        elif len(p) == len(z):
            losses.append(log(number(len(p))) if len(p) > 1 else Number(0))
        else:
            losses.append(-log(sum(exp(z[k]) for k in p) / sum(exp(v) for v in z) / len(p)))
    if reduction != "none" and any(v.stated for v in losses):
        return undefined(*x.ravel())
    return reduce_anchors(losses, valid, reduction)


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (arguments, keywords) in enumerate(batch_draws(rng)):
        constants = {"temperature": TEMPERATURES[i % 4], "outside": i // 2 % 2 == 0, "reduction": REDUCTIONS[i % 5]}
        if i % 3 == 0:
            outside = not constants["outside"]
            keywords = keywords | {"alternatives": {"outside" if outside else "inside": {"outside": outside}}}
        yield Draw(arguments, constants, **keywords)
    for arguments, reduction, keywords in batch_edges(rng):
        constants = {"temperature": 0.5, "outside": True, "reduction": reduction}
        yield Draw(arguments, constants, **keywords)
        yield Draw(arguments, constants | {"outside": False}, **keywords)
