"""Smooth-AP as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.losses._pairs import reduce_anchors, similarities
from validation.exact.losses._ranks import at_nodes, cases, directed
from validation.exact.losses._rows import undefined
from validation.exact.losses.unified import REDUCTIONS, batch_edges
from validation.exact.number import Number, exp, number

TEMPERATURES = (0.1, 0.01, 1.0, 0.05)


def loss(x: Any, labels: Any, *, temperature: Any, include_self: bool, reduction: str) -> Any:
    """1 - (1 / |P|) sum_i (1 + sum_P G(D_ij)) / (1 + sum_P G(D_ij) + sum_N G(D_ij)).

    Source: brown-2020, section 3
    """
    n = len(x)
    if not directed(x):
        bad = [undefined(*x.ravel()) for _ in range(n)]
        return np.array(bad, dtype=object) if reduction == "none" else bad[0]
    c = similarities(x)
    for i in range(n):
        c[i, i] = Number(1)

    def sigmoid(u: Any) -> Any:
        return 1 / (1 + exp(-u / number(temperature)))

    def positives(k: int) -> list[int]:
        return [j for j in range(n) if labels[j] == labels[k] and (include_self or j != k)]

    def one(k: int) -> Any:
        p, losses = positives(k), Number(0)
        if len({*labels}) == 1:
            return losses  # no negatives
        for i in p:
            ahead = 1 + sum((sigmoid(c[k, j] - c[k, i]) for j in p if j != i), Number(0))
            others = sum((sigmoid(c[k, j] - c[k, i]) for j in range(n) if labels[j] != labels[k]), Number(0))
            losses = losses + (1 - ahead / (ahead + others))
        return losses / len(p) if p else losses

    return reduce_anchors([one(k) for k in range(n)], [bool(positives(k)) for k in range(n)], reduction)


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (arguments, keywords) in enumerate([*cases(rng), *at_nodes(rng)]):
        keywords = keywords | ({"flags": ("TIE",)} if "KINK" in keywords.get("flags", ()) else {})
        constants = {"temperature": TEMPERATURES[i % 4], "include_self": i % 3 == 2, "reduction": REDUCTIONS[i % 5]}
        if i % 6 == 0:
            other = {"with_query": {"include_self": not constants["include_self"], "reduction": "mean"}}
            flags = (*keywords.get("flags", ()), "AMBIGUOUS_CONVENTION")
            keywords = keywords | {"result": "ambiguous", "alternatives": other, "flags": flags}
            constants["reduction"] = "mean"
        yield Draw(arguments, constants, **keywords)
    for arguments, reduction, keywords in batch_edges(rng):
        yield Draw(arguments, {"temperature": 0.1, "include_self": False, "reduction": reduction}, **keywords)
