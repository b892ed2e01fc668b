"""The angular loss as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import pi
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses._pairs import with_labels
from validation.exact.losses._positives import REDUCTIONS, between, cosines, edges, over_positives
from validation.exact.losses._rows import norm
from validation.exact.losses.unified import batch_draws
from validation.exact.number import Number, cos, exp, log, number, sin

DEGREES_40 = 0.6981317007977318


def loss(
    x: Any, labels: Any, *, alpha: Any, normalize_x: bool, reduction: str, lengths_of_negatives: bool = False
) -> Any:
    """log(1 + sum_n e^{4 tan^2(alpha) (a + p) . n - 2 (1 + tan^2(alpha)) a . p}).

    Source: wang-2017-angular, section 3
    """
    s = cosines(x) if normalize_x else between(x, lambda u, v: (u * v).sum())
    tangent = sin(number(alpha)) / cos(number(alpha))
    t = tangent * tangent

    def one(a: int, p: int) -> Any:
        negatives = [n for n in range(len(x)) if labels[n] != labels[a]]
        if not negatives:
            return Number(0)
        return log(1 + sum(exp(length(n) * 4 * t * (s[a, n] + s[p, n]) - 2 * (1 + t) * s[a, p]) for n in negatives))

    def length(n: int) -> Any:
        return norm(x[n]) if lengths_of_negatives else Number(1)

    return over_positives(one, x, labels, reduction, s is None)


metric_learning = partial(loss, lengths_of_negatives=True)
"""pytorch-metric-learning normalises the anchors and the positives, but not the negatives."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(arguments: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        constants = {"alpha": pi / 4, "normalize_x": True}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        return Draw(arguments, constants | {"reduction": reduction}, **keywords)

    for i, (arguments, keywords) in enumerate(batch_draws(rng)):
        alpha = (pi / 4, DEGREES_40, 0.25, 0.875, 0.0)[i % 5]
        labels = arguments["labels"].tolist()
        if i % 7 == 1:
            other = {"alpha": DEGREES_40 if alpha != DEGREES_40 else pi / 4}
            keywords = keywords | {"alternatives": {"degrees_40" if alpha != DEGREES_40 else "degrees_45": other}}
        elif i % 8 == 4 and not keywords:
            keywords = {"alternatives": {"pytorch_metric_learning": metric_learning}}
        reduction = REDUCTIONS[i // 2 % 4]
        if len(set(labels)) == len(labels) and reduction == "mean":
            keywords = keywords | {"result": "ambiguous", "alternatives": {}}
        huge = "OVERFLOW_F32" in keywords.get("flags", ())
        yield draw(arguments, reduction, alpha=alpha, normalize_x=huge or i % 4 < 2, **keywords)
    for size, flags in ((8.0, ("LARGE_LOGITS", "OVERFLOW_F16")), (3.0, ("LARGE_LOGITS",))):
        x = size * short(rng.normal(size=(4, 3)))
        yield draw(with_labels(x, [0, 0, 1, 1]), normalize_x=False, flags=flags, difficulty=3)
    x = [[4.0, 0.5], [5.0, -0.25], [-3.0, 0.25], [-5.0, 1.0]]
    yield draw(with_labels(x, [0, 0, 1, 1]), normalize_x=False, flags=("SATURATION",), difficulty=3)
    for arguments, normalize, keywords in edges(rng, True):
        for reduction in REDUCTIONS if len(arguments["labels"]) < 2 else ("mean", "none"):
            few = len(set(arguments["labels"].tolist())) == len(arguments["labels"])
            extra = {"result": "ambiguous"} if few and reduction == "mean" else {}
            yield draw(arguments, reduction, normalize_x=normalize, **(keywords | extra))
