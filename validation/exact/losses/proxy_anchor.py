"""Proxy-Anchor as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses import _heads
from validation.exact.losses._rows import is_stated, undefined
from validation.exact.losses.cosine import cosine as cosine_of
from validation.exact.number import Number, exp, log, number


def loss(x: Any, weight: Any, labels: Any, *, scale: Any, margin: Any, every_proxy: bool = False) -> Any:
    """1/|P+| sum_{p in P+} log(1 + sum e^{-a (s - d)}) + 1/|P| sum_p log(1 + sum e^{a (s + d)}).

    Source: kim-2020-proxy-anchor, eq. 4
    """
    if len(x) == 0:
        return Number(0)
    c = [[cosine_of(row, w) for w in weight] for row in x]
    if any(is_stated(v, nan) for row in c for v in row):
        return undefined(*x.ravel(), *weight.ravel())
    margin = number(margin)
    present = [j for j in range(len(weight)) if j in list(labels)]
    rows = range(len(x))
    pull = sum(
        (log(1 + sum(exp(-scale * (c[i][j] - margin)) for i in rows if labels[i] == j)) for j in present), Number(0)
    )
    push = sum(
        (
            log(number(1) + sum(exp(scale * (c[i][j] + margin)) for i in rows if labels[i] != j))
            for j in range(len(weight))
        ),
        Number(0),
    )
    return pull / (len(weight) if every_proxy else len(present)) + push / len(weight)


every_proxy = partial(loss, every_proxy=True)
"""Both sums are divided by the number of all proxies."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def options(i: int, rng: np.random.Generator) -> dict[str, Any]:
        return {"scale": (32.0, 8.0, 1.0, 64.0)[i % 4], "margin": (0.1, 0.25, 0.0)[i % 3]}

    for draw in _heads.draw_loss(rng, options, lambda _: {"every_proxy": every_proxy}, count=40):
        constants = {k: v for k, v in draw.constants.items() if k != "reduction"}
        result = "required" if "EMPTY_ROW" in draw.flags else draw.result
        yield Draw(draw.arguments, constants, draw.flags, draw.difficulty, result, draw.alternatives)
    for labels in ([0, 0, 0], [2, 2, 0]):  # classes without rows, classes without others
        x, w = short(rng.normal(size=(3, 3))), short(rng.normal(size=(3, 3)))
        given = {"x": x, "weight": w, "labels": np.array(labels)}
        yield Draw(given, options(0, rng), flags=("EMPTY_ROW",), alternatives={"every_proxy": every_proxy})
