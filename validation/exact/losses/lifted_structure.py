"""The lifted structure losses as the papers write them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses._pairs import hinge, with_labels
from validation.exact.losses._positives import (
    ANCHOR_REDUCTIONS,
    REDUCTIONS,
    distances,
    edges,
    over_anchors,
    over_positives,
    places,
)
from validation.exact.number import Number, exp, log


def loss(x: Any, labels: Any, *, margin: Any, half_factor: bool, normalize_x: bool, reduction: str) -> Any:
    """(1/2) max(0, log(sum_k e^{m - d_ik} + sum_l e^{m - d_jl}) + d_ij)^2.

    Source: song-2016, section 4
    """
    d = distances(x, normalize_x)
    negatives = [[k for k in range(len(x)) if labels[k] != y] for y in labels]

    def one(i: int, j: int) -> Any:
        terms = [exp(margin - d[i, k]) for k in negatives[i]] + [exp(margin - d[j, l]) for l in negatives[j]]
        if not terms:
            return Number(0)
        h = hinge(log(sum(terms)) + d[i, j])
        return h * h / (2 if half_factor else 1)

    return over_positives(one, x, labels, reduction, d is None)


def loss_generalized(
    x: Any,
    labels: Any,
    *,
    margin: Any,
    normalize_x: bool,
    reduction: str,
    at_kink: float = 0.0,
    empty_is_zero: bool = False,
) -> Any:
    """[log sum_p e^{d_p} + log sum_n e^{m - d_n}]_+.

    Source: hermans-2017, section 2
    """

    def one(d_p: list[Any], d_n: list[Any]) -> Any:
        if not (d_p and d_n) and not empty_is_zero:
            return Number(0)
        terms = [_log_sum(found) for found in (d_p, [margin - v for v in d_n]) if found]
        return hinge(sum(terms, Number(0)), at_kink)

    return over_anchors(one, distances(x, normalize_x), x, labels, reduction)


def _log_sum(values: list[Any]) -> Any:
    return log(sum(exp(v) for v in values)) if len(values) > 1 else values[0]


from_the_right = partial(loss_generalized, at_kink=1.0)
"""The hinge counts as active where it is exactly 0."""
empty_is_zero = partial(loss_generalized, empty_is_zero=True)
"""pytorch-metric-learning: the log of an empty sum is 0."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(arguments: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        constants = {"margin": 1.0, "half_factor": True, "normalize_x": False}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        return Draw(arguments, constants | {"reduction": reduction}, **keywords)

    for i, (arguments, normalize, keywords) in enumerate(places(rng, None)):
        constants = {"margin": short(float(rng.uniform(0.25, 2))), "half_factor": i % 5 > 0}
        yield draw(arguments, REDUCTIONS[i // 2 % 4], **constants, normalize_x=normalize, **keywords)
    for margin in (-4.0, -1.5, 30.0):  # most hinges 0, all active
        x = with_labels(short(rng.normal(size=(4, 3))), [0, 0, 1, 1])
        for reduction in ("sum", "nonzero"):
            yield draw(x, reduction, margin=margin, flags=("SATURATION",), difficulty=2)
    line = with_labels([[0.0], [3.0], [1.5]], [0, 0, 1])
    yield draw(line, "sum", margin=-1.5, flags=("TIE",), difficulty=2)
    for size in (1e-150, 64.0, 4096.0):
        x = with_labels(size * short(rng.normal(size=(4, 2))), [0, 0, 1, 1])
        yield draw(x, margin=float(min(size, 1e3)), flags=("LARGE_LOGITS", "OVERFLOW_F16"), difficulty=3)
    for arguments, normalize, keywords in edges(rng, None):
        for reduction in REDUCTIONS if len(arguments["labels"]) < 2 else ("mean", "none"):
            few = len(set(arguments["labels"].tolist())) == len(arguments["labels"])
            extra = {"result": "ambiguous"} if few and reduction == "mean" else {}
            yield draw(arguments, reduction, normalize_x=normalize, **(keywords | extra))


def draw_loss_generalized(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(arguments: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        constants = {"margin": 1.0, "normalize_x": False}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        if keywords.get("flags") == ("EMPTY_ROW",) and len(arguments["labels"]) > 1:
            keywords["alternatives"] = {"empty_is_zero": empty_is_zero}
        return Draw(arguments, constants | {"reduction": reduction}, **keywords)

    for i, (arguments, normalize, keywords) in enumerate(places(rng, None)):
        margin = short(float(rng.uniform(0.25, 2)))
        yield draw(arguments, ANCHOR_REDUCTIONS[i // 2 % 5], margin=margin, normalize_x=normalize, **keywords)
    for margin in (-4.0, -1.5, 30.0):  # most hinges 0, all active
        x = with_labels(short(rng.normal(size=(4, 3))), [0, 0, 1, 1])
        for reduction in ("sum", "nonzero"):
            yield draw(x, reduction, margin=margin, flags=("SATURATION",), difficulty=2)
    line = with_labels([[0.0], [3.0], [4.0]], [0, 0, 1])  # one positive, one negative each: exactly at the hinge
    kinks = {"from_the_right": from_the_right}
    for reduction in ("sum", "nonzero"):
        yield draw(line, reduction, flags=("KINK",), result="ambiguous", alternatives=kinks, difficulty=3)
    for size in (1e-150, 64.0, 4096.0):
        x = with_labels(size * short(rng.normal(size=(4, 2))), [0, 0, 1, 1])
        yield draw(x, margin=float(min(size, 1e3)), flags=("LARGE_LOGITS", "OVERFLOW_F16"), difficulty=3)
    for arguments, normalize, keywords in edges(rng, None):
        for reduction in ANCHOR_REDUCTIONS if len(arguments["labels"]) < 2 else ("mean", "none"):
            extra = {"result": "ambiguous"} if not len(arguments["labels"]) and reduction == "mean" else {}
            yield draw(arguments, reduction, normalize_x=normalize, **(keywords | extra))
