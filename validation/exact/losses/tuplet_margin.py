"""The tuplet margin loss and the variance within pairs as the paper writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.losses._pairs import hinge, with_labels
from validation.exact.losses._positives import REDUCTIONS, cosines, edges, over_positives
from validation.exact.losses._rows import parallel, undefined
from validation.exact.losses.unified import batch_draws
from validation.exact.number import Number, cos, exp, log, number, sin, sqrt


def loss(x: Any, labels: Any, *, scale: Any, margin: Any, reduction: str) -> Any:
    """log(1 + sum_n e^{s (cos theta_an - cos(theta_ap - beta))}).

    Source: yu-2019, section 3
    """
    c = cosines(x)
    margin = number(margin)

    def one(a: int, p: int) -> Any:
        negatives = [c[a, n] for n in range(len(x)) if labels[n] != labels[a]]
        if not negatives:
            return Number(0)
        turned = c[a, p] * cos(margin)
        if not parallel(x[a], x[p]):
            turned = turned + sqrt(1 - c[a, p] * c[a, p]) * sin(margin)
        return log(1 + sum(exp(scale * (v - turned)) for v in negatives))

    return over_positives(one, x, labels, reduction, c is None, ordered=True)


def intra_pair_variance(x: Any, labels: Any, *, positive_epsilon: Any, negative_epsilon: Any, reduction: str) -> Any:
    """mean [(1 - eps) mean(c_p) - c_p]_+^2 + mean [c_n - (1 + eps) mean(c_n)]_+^2.

    Source: yu-2019, section 3
    """
    c, n = cosines(x), len(x)
    pairs = [(i, j) for j in range(n) for i in range(j)]
    squares = {}
    for same in (True, False):
        group = [pair for pair in pairs if (labels[pair[0]] == labels[pair[1]]) == same]
        if c is None or not group:
            squares |= dict.fromkeys(group, undefined(*x.ravel()))
            continue
        mean = sum(c[pair] for pair in group) / len(group)
        for pair in group:
            h = (1 - positive_epsilon) * mean - c[pair] if same else c[pair] - (1 + negative_epsilon) * mean
            h = hinge(h)
            squares[pair] = h * h
    if reduction == "none":
        result = np.empty((n, n), dtype=object)
        for i, j in np.ndindex(n, n):
            result[i, j] = squares.get((min(i, j), max(i, j)), Number(0))
        return result
    if any(v.stated for v in squares.values()):
        return undefined(*x.ravel())
    total = Number(0)
    for same in (True, False):
        group = [v for (i, j), v in squares.items() if (labels[i] == labels[j]) == same]
        if group:
            total = total + sum(group) / (len(group) if reduction == "mean" else 1)
    return total


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(arguments: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        constants = {"scale": 64.0, "margin": 0.1}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        few = len(set(arguments["labels"].tolist())) == len(arguments["labels"])
        if few and reduction == "mean":
            keywords |= {"result": "ambiguous"}
        return Draw(arguments, constants | {"reduction": reduction}, **keywords)

    for i, (arguments, keywords) in enumerate(batch_draws(rng)):
        constants = {"scale": (64.0, 16.0, 4.0, 32.0)[i % 4], "margin": (0.1, 0.0, 0.5)[i % 3]}
        if i % 9 == 0:
            other = {"no_slack": {"margin": 0.0}}
            keywords = keywords | ({"alternatives": other} if constants["margin"] else {})
        yield draw(arguments, REDUCTIONS[i // 2 % 4], **constants, **keywords)
    for arguments, _, keywords in edges(rng, True):
        for reduction in REDUCTIONS if len(arguments["labels"]) < 2 else ("mean", "none"):
            yield draw(arguments, reduction, **keywords)


def draw_intra_pair_variance(rng: np.random.Generator) -> Iterator[Draw]:
    reductions = ("mean", "sum", "none")

    def draw(arguments: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        constants = {"positive_epsilon": 0.01, "negative_epsilon": 0.01}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        return Draw(arguments, constants | {"reduction": reduction}, **keywords)

    # four rows or more: where a kind has two pairs alone, their two directions all but cancel in the gradient, which
    # leaves the errors of unit vectors along themselves, and those no condition number counts
    larger = [case for case in batch_draws(rng) if len(case[0]["labels"]) > 3 or "flags" in case[1]]
    for i, (arguments, keywords) in enumerate(larger):
        constants = {"positive_epsilon": (0.01, 0.125, 0.25)[i % 3], "negative_epsilon": (0.01, 0.5)[i % 2]}
        yield draw(arguments, reductions[i // 2 % 3], **constants, **keywords)
    for spread in (1e-1, 1e-3, 1e-5):  # all cosines almost 1
        x = np.array([1.0, -0.5, 0.75]) + spread * rng.normal(size=(5, 3))
        constants = {"positive_epsilon": spread**2 / 8, "negative_epsilon": spread**2 / 4}
        yield draw(with_labels(x, [0, 0, 0, 1, 1]), **constants, flags=("CANCELLATION",), difficulty=4)
    for arguments, _, keywords in edges(rng, True):
        for reduction in reductions if len(arguments["labels"]) < 2 else ("mean", "none"):
            yield draw(arguments, reduction, **keywords)
