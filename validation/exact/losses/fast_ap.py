"""FastAP as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.losses._pairs import reduce_anchors, similarities
from validation.exact.losses._ranks import at_nodes, cases, directed, histogram
from validation.exact.losses._rows import undefined
from validation.exact.losses.unified import REDUCTIONS, batch_edges
from validation.exact.number import Number

BINS = (10, 4, 7, 1)


def loss(x: Any, labels: Any, *, bins: int, reduction: str, at_node: str = "right") -> Any:
    """1 - (1 / N+) sum_r h+_r H+_r / H_r over the nodes of triangular bins of squared distances.

    Source: cakir-2019, section 3.2
    """
    n = len(x)
    if not directed(x):
        bad = [undefined(*x.ravel()) for _ in range(n)]
        return np.array(bad, dtype=object) if reduction == "none" else bad[0]
    c = similarities(x)

    def one(i: int) -> Any:
        groups = [[j for j in range(n) if j != i and (labels[j] == labels[i]) == same] for same in (True, False)]
        if not groups[0]:
            return Number(0)
        h_p, h_n = (histogram([(2 - 2 * c[i, j]) * bins / 4 for j in group], bins, at_node) for group in groups)
        precision, sum_p, sum_all, perfect = Number(0), Number(0), Number(0), True
        for r in range(bins + 1):
            sum_p, sum_all = sum_p + h_p[r], sum_all + h_p[r] + h_n[r]
            if h_p[r].tracked and sum_all > 0:
                precision = precision + h_p[r] * sum_p / sum_all
                perfect = not any(h.tracked for h in h_n[: r + 1])
        return Number(0) if perfect else 1 - precision / len(groups[0])  # no negative before the last positive

    valid = [any(labels[j] == labels[i] and j != i for j in range(n)) for i in range(n)]
    return reduce_anchors([one(i) for i in range(n)], valid, reduction)


flat_at_nodes = partial(loss, at_node="none")
"""Automatic differentiation of max(0, 1 - |t|), whose slope is 0 at 0 and at 1."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (arguments, keywords) in enumerate([*cases(rng)]):
        constants = {"bins": BINS[i % 4] if i % 8 else 25, "reduction": REDUCTIONS[i % 5]}
        labels = arguments["labels"].tolist()
        if constants["reduction"] == "mean" and any(labels.count(y) == 1 for y in labels):
            other = {"pytorch_metric_learning": {"reduction": "valid_anchor"}}
            flags = (*keywords.get("flags", ()), "AMBIGUOUS_CONVENTION")
            keywords = keywords | {"result": "ambiguous", "alternatives": other, "flags": flags}
        yield Draw(arguments, constants, **keywords)
    for arguments, reduction, keywords in batch_edges(rng):
        yield Draw(arguments, {"bins": 10, "reduction": reduction}, **keywords)
    for bins in (10, 2):
        for i, (arguments, keywords) in enumerate(at_nodes(rng)):
            other = {"result": "ambiguous", "alternatives": {"flat_at_nodes": flat_at_nodes}}
            yield Draw(arguments, {"bins": bins, "reduction": REDUCTIONS[i % 5]}, **keywords, **other)
