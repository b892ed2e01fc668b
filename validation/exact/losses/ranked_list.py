"""The ranked list loss as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses._pairs import with_labels
from validation.exact.losses._positives import ANCHOR_REDUCTIONS, distances, edges, over_anchors, places
from validation.exact.number import Number, exp, number


def loss(
    x: Any,
    labels: Any,
    *,
    alpha: Any,
    margin: Any,
    positive_temperature: Any,
    negative_temperature: Any,
    imbalance: Any,
    weights: str,
    normalize_x: bool,
    reduction: str,
    inclusive: bool = False,
    added: float = 0.0,
) -> Any:
    """(1 - lambda) mean_w [d_p - (alpha - m)]_+ + lambda mean_w [alpha - d_n]_+, weights e^{T h}.

    Source: wang-2019-ranked-list, section 3
    """
    alpha, margin = number(alpha), number(margin)

    def mean(hinges: list[Any], temperature: Any) -> Any:
        found = [h for h in hinges if h > 0 or (inclusive and h == 0)]
        if not found:
            return Number(0)
        w = [exp(temperature * h) for h in found]
        total = sum(w) + number(added) * len(x)
        value = sum(v * h for v, h in zip(w, found, strict=True)) / total
        if weights == "full":
            return value
        # the derivative takes the weights for constants; how well it is known depends on them
        return Number(value.ball, [(h, lambda g, v=v: g * v / total) for v, h in zip(w, found, strict=True)])

    def one(d_p: list[Any], d_n: list[Any]) -> Any:
        if added:
            d_n = [d for d in d_n if d > 0]
        positive = mean([d - (alpha - margin) for d in d_p], positive_temperature)
        return (1 - imbalance) * positive + imbalance * mean([alpha - d for d in d_n], negative_temperature)

    return over_anchors(one, distances(x, normalize_x), x, labels, reduction)


inclusive = partial(loss, inclusive=True)
"""A pair exactly at its threshold counts in the denominator."""
metric_learning = partial(loss, added=1e-5)
"""pytorch-metric-learning: 1e-5 for every row in the denominators, no negatives at distance 0."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(arguments: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        constants: dict[str, Any] = {"alpha": 1.2, "margin": 0.4, "positive_temperature": 0.0}
        constants |= {"negative_temperature": 10.0, "imbalance": 0.5, "weights": "detached", "normalize_x": True}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        return Draw(arguments, constants | {"reduction": reduction}, **keywords)

    for i, (arguments, normalize, keywords) in enumerate(places(rng, None, most=4)):
        constants: dict[str, Any] = {"alpha": (1.2, 1.5, 2.0)[i % 3], "margin": (0.4, 0.75)[i % 2]}
        constants |= {"positive_temperature": (0.0, 2.0)[i // 3 % 2], "negative_temperature": (10.0, 0.0, 4.0)[i % 3]}
        constants |= {"imbalance": (0.5, 0.25)[i // 5 % 2], "weights": ("detached", "full")[i // 4 % 2]}
        if i % 6 == 0:
            other = ("detached", "full")[constants["weights"] == "detached"]
            keywords = keywords | {"alternatives": {other: {"weights": other}}}
        elif constants["weights"] == "full" and normalize:
            keywords = keywords | {"alternatives": {"pytorch_metric_learning": metric_learning}}
        yield draw(arguments, ANCHOR_REDUCTIONS[i // 2 % 5], **constants, normalize_x=normalize, **keywords)
    line = with_labels([[0.0], [0.5], [1.5], [1.0]], [0, 0, 1, 1])  # distances of the negatives: 1.5, 1; 1, 0.5
    keywords: dict[str, Any] = {"flags": ("KINK",), "result": "ambiguous", "difficulty": 3, "normalize_x": False}
    for alpha, margin in ((1.5, 0.5), (1.0, 0.5)):
        alternatives = {"inclusive": inclusive}
        yield draw(line, "none", alpha=alpha, margin=margin, alternatives=alternatives, **keywords)
    for temperature in (100.0, 1e3):
        x = with_labels(short(rng.normal(size=(4, 3))), [0, 0, 1, 1])
        yield draw(x, negative_temperature=temperature, flags=("LARGE_LOGITS", "OVERFLOW_F16"), difficulty=3)
    for size in (1e-200, 1e200):
        x = with_labels(size * rng.normal(size=(4, 3)), [0, 0, 1, 1])
        yield draw(x, alpha=1.75, flags=("OVERFLOW_F32",), difficulty=3)
    x = with_labels(short(rng.normal(size=(4, 3))), [0, 0, 1, 1])
    yield draw(x, "nonzero", alpha=0.0, margin=-3.0, flags=("SATURATION",))
    for arguments, normalize, keywords in edges(rng, None):
        for reduction in ANCHOR_REDUCTIONS if len(arguments["labels"]) < 2 else ("mean", "none"):
            extra = {"result": "ambiguous"} if not len(arguments["labels"]) and reduction == "mean" else {}
            yield draw(arguments, reduction, normalize_x=normalize, **(keywords | extra))
