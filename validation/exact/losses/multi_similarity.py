"""The multi-similarity loss as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.losses._positives import ANCHOR_REDUCTIONS as REDUCTIONS
from validation.exact.losses._positives import cosines, over_anchors
from validation.exact.losses.unified import batch_draws, batch_edges
from validation.exact.number import Number, exp, log


def loss(x: Any, labels: Any, *, alpha: Any, beta: Any, base: Any, mining_margin: Any, reduction: str) -> Any:
    """(1/alpha) log(1 + sum_p e^{-alpha (c_p - base)}) + (1/beta) log(1 + sum_n e^{beta (c_n - base)}).

    Source: wang-2019-multi-similarity, section 4
    """

    def one(s_p: list[Any], s_n: list[Any]) -> Any:
        if mining_margin is not None:
            if not s_p or not s_n:
                return Number(0)
            s_p, s_n = (
                [p for p in s_p if any(p - mining_margin < n for n in s_n)],
                [n for n in s_n if any(n + mining_margin > p for p in s_p)],
            )
        return _soft(-alpha, s_p, base) / alpha + _soft(beta, s_n, base) / beta

    return over_anchors(one, cosines(x), x, labels, reduction)


def _soft(factor: Any, similarities: list[Any], base: Any) -> Any:
    if not similarities:
        return Number(0)
    return log(1 + sum(exp(factor * (s - base)) for s in similarities))


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (arguments, keywords) in enumerate(batch_draws(rng)):
        constants: dict[str, Any] = {"alpha": (2.0, 1.0, 18.0)[i % 3], "beta": (50.0, 20.0, 75.0, 40.0)[i % 4]}
        constants |= {"base": (1.0, 0.5)[i % 2], "mining_margin": (None, 0.1, None, 0.25)[i // 2 % 4]}
        if i % 3 == 0:
            other = 1.5 - constants["base"]
            keywords = keywords | {"alternatives": {"base_of_the_code" if other < 1 else "base": {"base": other}}}
        yield Draw(arguments, constants | {"reduction": REDUCTIONS[i % 5]}, **keywords)
    for arguments, reduction, keywords in batch_edges(rng):
        constants = {"alpha": 2.0, "beta": 50.0, "base": 0.5, "mining_margin": None, "reduction": reduction}
        yield Draw(arguments, constants, **keywords)
        if len(arguments["labels"]) == 3:
            yield Draw(arguments, constants | {"mining_margin": 0.1}, **keywords)
