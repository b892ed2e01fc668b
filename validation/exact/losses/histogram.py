"""The histogram loss as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from math import nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.losses._pairs import similarities
from validation.exact.losses._ranks import at_nodes, cases, directed, histogram
from validation.exact.losses._rows import undefined
from validation.exact.losses.unified import batch_edges
from validation.exact.number import Number, stated

BINS = (10, 4, 7, 25)


def loss(x: Any, labels: Any, *, bins: int, empty: str, at_node: str = "right") -> Any:
    """sum_r h-_r sum_{q <= r} h+_q over the nodes of triangular bins of cosines.

    Source: ustinova-2016, eq. 1 to eq. 4
    """
    if not directed(x):
        return undefined(*x.ravel())
    c, n = similarities(x), range(len(x))
    groups = [
        [(1 + c[i, j]) * bins / 2 for i in n for j in n if i < j and (labels[i] == labels[j]) == s] for s in (1, 0)
    ]
    if not all(groups):
        return stated(nan) if empty == "nan" else Number(0)
    h_p, h_n = ([v / len(group) for v in histogram(group, bins, at_node)] for group in groups)
    total, up_to = Number(0), Number(0)
    for r in range(bins + 1):
        up_to = up_to + h_p[r]
        total = total + h_n[r] * up_to
    return total


from_the_left = partial(loss, at_node="left")
"""The other one-sided derivative at the nodes."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    edges = ((arguments, keywords) for arguments, _, keywords in batch_edges(rng))
    for i, (arguments, keywords) in enumerate(chain(cases(rng), edges)):
        kinds = [a == b for k, a in enumerate(arguments["labels"]) for b in arguments["labels"][:k]]
        constants = {"bins": BINS[i % 4] if i % 9 else 100, "empty": ("nan", "zero")[i % 5 == 0]}
        if len(set(kinds)) < 2 and keywords.get("result", "ambiguous") == "ambiguous":
            other = {"zero": {"empty": "zero"}} if constants["empty"] == "nan" else {"undefined": {"empty": "nan"}}
            keywords = keywords | {"result": "ambiguous", "alternatives": other}
        yield Draw(arguments, constants, **keywords)
    for bins in (10, 2):
        for arguments, keywords in at_nodes(rng):
            other = {"result": "ambiguous", "alternatives": {"from_the_left": from_the_left}}
            yield Draw(arguments, {"bins": bins, "empty": "nan"}, **keywords, **other)
