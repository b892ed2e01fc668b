"""Neighbourhood components analysis as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades
from validation.exact.losses._pairs import with_labels
from validation.exact.losses._positives import ANCHOR_REDUCTIONS, distances, edges, over_anchors, places
from validation.exact.number import Number, exp, log


def loss(x: Any, labels: Any, *, scale: Any, objective: str, normalize_x: bool, reduction: str) -> Any:
    """-log(sum_p e^{-s d_p^2} / sum_k e^{-s d_k^2}), or 1 minus that quotient.

    Source: goldberger-2004, section 2
    """

    def one(d_p: list[Any], d_n: list[Any]) -> Any:
        p, n = (sum((exp(-scale * d) for d in found), Number(0)) for found in (d_p, d_n))
        if not d_n:
            return Number(0)
        return n / (p + n) if objective == "errors" else log(1 + n / p)

    return over_anchors(one, distances(x, normalize_x, squared=True), x, labels, reduction, positives_only=True)


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(i: int, arguments: Any, reduction: str, **keywords: Any) -> Draw:
        constants: dict[str, Any] = {"scale": (1.0, 0.5, 4.0)[i % 3], "objective": ("log", "errors")[i % 5 > 2]}
        constants |= {"normalize_x": False}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        if i % 6 == 0 and "result" not in keywords:
            other = ("log", "errors")[constants["objective"] == "log"]
            keywords["alternatives"] = {other: {"objective": other}}
        return Draw(arguments, constants | {"reduction": reduction}, **keywords)

    for i, (arguments, normalize, keywords) in enumerate(places(rng, None)):
        yield draw(i, arguments, ANCHOR_REDUCTIONS[i // 2 % 5], normalize_x=normalize, **keywords)
    for i in range(8):  # an anchor far from the others, whose distances are nearly equal; all far from the origin
        x = rng.normal(size=(4, 3))
        far = decades(rng, 10, 1e4)
        x[0] = x[0] * far if i % 2 else x[0]
        x = x if i % 2 else x + far
        yield draw(i, with_labels(x, [0, 0, 1, 1]), "sum", objective="log", flags=("CANCELLATION",), difficulty=4)
    for gap in (5.0, 18.0, 26.0):  # certain, and certainly wrong
        x = [[0.0, 0.25], [0.5, 0.0], [gap, 0.0], [gap, 0.75]]
        for labels, flags in (([0, 0, 1, 1], ("SATURATION",)), ([0, 1, 1, 0], ("LARGE_LOGITS", "OVERFLOW_F16"))):
            for objective in ("log", "errors"):
                keywords: dict[str, Any] = {"objective": objective, "flags": flags, "difficulty": 3}
                yield draw(1, with_labels(x, labels), "mean", scale=1.0, **keywords)
    for size in (1e-150, 1e140):
        x = size * rng.normal(size=(4, 3))
        yield draw(1, with_labels(x, [0, 0, 1, 1]), "mean", flags=("OVERFLOW_F32",), difficulty=4)
    for arguments, normalize, keywords in edges(rng, None):
        for reduction in ANCHOR_REDUCTIONS if len(arguments["labels"]) < 2 else ("mean", "none"):
            extra = {"result": "ambiguous"} if not len(arguments["labels"]) and reduction == "mean" else {}
            yield draw(1, arguments, reduction, normalize_x=normalize, **(keywords | extra))
