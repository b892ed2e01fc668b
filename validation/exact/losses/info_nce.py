"""InfoNCE as the papers write it."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.losses._pairs import similarities
from validation.exact.losses._rows import minus_log_softmax, undefined
from validation.exact.losses.unified import batch_draws, batch_edges
from validation.exact.number import Number, number, stated

REDUCTIONS = ("mean", "sum", "none")
DENOMINATORS = ("all", "negatives")
TEMPERATURES = (0.5, 0.07, 1.0, 0.1)


def loss(x: Any, labels: Any, *, temperature: float, denominator: str, reduction: str) -> Any:
    """-log(e^{c_ip / T} / sum_{a != i} e^{c_ia / T}) over the ordered positive pairs.

    Source: chen-2020-simclr, eq. 1
    """
    c = similarities(x)
    n = len(x)
    losses = np.empty((n, n), dtype=object)
    pairs = [(i, p) for i in range(n) for p in range(n) if i != p and labels[i] == labels[p]]
    for i, p in np.ndindex(losses.shape):
        losses[i, p] = Number(0)
    for i, p in pairs:
        kept = [a for a in range(n) if a != i and (denominator == "all" or a == p or labels[a] != labels[i])]
        if any(c[i, a].stated for a in range(n) if a != i):
            losses[i, p] = undefined(*x.ravel())
        else:
            losses[i, p] = minus_log_softmax(np.array([c[i, a] / number(temperature) for a in kept]), kept.index(p))
    if reduction == "none":
        return losses
    if not pairs:
        return stated(nan) if reduction == "mean" else Number(0)
    if any(losses[pair].stated for pair in pairs):
        return undefined(*x.ravel())
    total = sum(losses[pair] for pair in pairs)
    return total / len(pairs) if reduction == "mean" else total


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (arguments, keywords) in enumerate(batch_draws(rng)):
        constants = {"temperature": TEMPERATURES[i % 4], "denominator": DENOMINATORS[i // 2 % 2]}
        if i % 3 == 0:
            other = DENOMINATORS[i // 2 % 2 == 0]
            keywords = keywords | {"alternatives": {other: {"denominator": other}}}
        if len(set(arguments["labels"].tolist())) == len(arguments["labels"]):
            keywords = keywords | {"result": "ambiguous"}
        yield Draw(arguments, constants | {"reduction": REDUCTIONS[i % 3]}, **keywords)
    for arguments, reduction, keywords in batch_edges(rng):
        if reduction in REDUCTIONS:
            if len(arguments["labels"]) == 1 and reduction == "mean":
                keywords = keywords | {"result": "ambiguous"}
            constants = {"temperature": 0.5, "denominator": "all", "reduction": reduction}
            yield Draw(arguments, constants, **keywords)
            yield Draw(arguments, constants | {"denominator": "negatives"}, **keywords)
