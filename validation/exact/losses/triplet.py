"""The triplet loss as the papers write it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.losses._pairs import (
    batch,
    distance,
    hinge,
    reduce_anchors,
    scaled_rows,
    squared_distance,
    with_labels,
)
from validation.exact.losses._rows import norm, reduce, undefined
from validation.exact.number import Number, exp, log, number, stated

REDUCTIONS = ("mean", "sum", "none")


def loss_triplets(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    margin: float,
    squared: bool,
    soft: bool,
    reduction: str,
    at_kink: float = 0.0,
    shift: float = 0.0,
    soft_margin: bool = False,
) -> Any:
    """max(0, d(a, p) - d(a, n) + m), or log(1 + e^{d(a, p) - d(a, n)}).

    Source: schroff-2015-facenet, section 3.1
    """

    def distance(u: Any) -> Any:
        u = u + shift
        if squared:
            return (u * u).sum()
        return norm(u) if any(v != 0 for v in u) else Number(0)  # the kink of the distance: gradient 0

    def one(a: Any, p: Any, n: Any) -> Any:
        difference = distance(a - p) - distance(a - n)
        if soft:
            return log(1 + exp(difference + margin if soft_margin else difference))
        h = difference + number(margin)
        if h == 0:
            return Number(0, [(h, lambda g: g * at_kink)])
        return h if h > 0 else Number(0)

    rows = [one(a, p, n) for a, p, n in zip(anchor, positive, negative, strict=True)]
    return reduce(rows, reduction)


def loss(
    x: Any,
    labels: Any,
    *,
    margin: float,
    squared: bool,
    soft: bool,
    normalize_x: bool,
    reduction: str,
    at_kink: float = 0.0,
) -> Any:
    """The same over all triplets of a batch.

    Source: hermans-2017, section 2
    """
    measure = squared_distance if squared else distance
    losses = []
    n = len(x)
    for a in range(n):
        for i in range(n):
            for j in range(n):
                if i == a or labels[i] != labels[a] or labels[j] == labels[a]:
                    continue
                d_p, d_n = measure(x[a], x[i], normalize_x), measure(x[a], x[j], normalize_x)
                if d_p.stated or d_n.stated:
                    losses.append(undefined(*x[a], *x[i], *x[j]))
                else:
                    losses.append(log(1 + exp(d_p - d_n)) if soft else hinge(d_p - d_n + number(margin), at_kink))
    if reduction != "none" and any(v.stated for v in losses):
        share = number(1) / (1 if reduction == "sum" else len(losses))
        return stated(nan, *((v, share) for v in losses))  # the other triplets keep their gradients
    return reduce_anchors(losses, [], reduction)


batch_from_the_right = partial(loss, at_kink=1.0)
"""The hinge counts as active where it is exactly 0."""
shifted = partial(loss_triplets, shift=1e-6)
"""torch.nn.functional.triplet_margin_loss: 1e-6 is added to every component of the differences."""
from_the_right = partial(loss_triplets, at_kink=1.0)
"""The hinge counts as active where it is exactly 0."""
midpoint = partial(loss_triplets, at_kink=0.5)
"""Half the gradient at the kink."""
soft_with_margin = partial(loss_triplets, soft_margin=True)
"""The margin stays inside of the softplus, as in pytorch-metric-learning."""


def draw_loss_triplets(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(a: Any, p: Any, n: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        constants = {k: keywords.pop(k, v) for k, v in (("margin", 0.2), ("squared", False), ("soft", False))}
        vectors = {"anchor": a, "positive": p, "negative": n}
        if constants["soft"]:
            keywords["alternatives"] = {"margin_inside": soft_with_margin}
        return Draw(
            {k: np.asarray(v, dtype=float) for k, v in vectors.items()},
            constants | {"reduction": reduction},
            **keywords,
        )

    for i in range(48):
        t, d = rng.integers(1, 5, size=2)
        yield draw(
            *short(rng.normal(size=(3, t, d))),
            REDUCTIONS[i % 3],
            margin=short(float(rng.uniform(0.05, 2))),
            squared=bool(i % 2),
            soft=bool(i // 2 % 2),
        )
    for i in range(24):  # far from the origin or from the anchor: the distances are nearly equal
        squared, soft = bool(i % 2), bool(i // 2 % 2)
        a, p, n = rng.normal(size=(3, 2, 3))
        far = decades(rng, 10, 1e6)
        a, p, n = (a * far, p, n) if i < 12 else (a, p + far, n + far)
        soft = soft and (far < 1e3 or not squared)
        yield draw(a, p, n, "sum", squared=squared, soft=soft, flags=("CANCELLATION",), difficulty=4)
    for tilt in (1e-2, 1e-5, 1e-9):  # both almost along an axis
        a, p, n = [[0.5, 0.0, 0.0]], [[1.5, tilt, -tilt]], [[1.75, -tilt, 3 * tilt]]
        yield draw(a, p, n, margin=0.5, flags=("CANCELLATION",), difficulty=5)
        yield draw(p, n, a, soft=True, flags=("CANCELLATION",), difficulty=5)
    for gap in (10.0, 40.0, 700.0, 1e5):  # softplus: underflows on one side, overflows on the other
        a, p, n = [[0.0, 0.0]], [[0.25, gap]], [[0.5, 0.5]]
        yield draw(a, p, n, soft=True, flags=("LARGE_LOGITS", "OVERFLOW_F16"), difficulty=2)
        if gap < 1e4:
            yield draw(a, n, p, soft=True, flags=("SATURATION",), difficulty=3)
    for size in (1e-200, 1e160, 1e300):
        a, p, n = rng.normal(size=(3, 2, 3)) * size
        yield draw(a, p, n, flags=("OVERFLOW_F32",), difficulty=4)
    kinks = {"from_the_right": from_the_right, "midpoint": midpoint}
    for squared, p, n in ((False, [[3.0, 4.0]], [[0.0, 7.0]]), (True, [[1.0, 2.0]], [[0.0, 3.0]])):
        margin = 2.0 if not squared else 4.0
        keywords = {"flags": ("KINK",), "result": "ambiguous", "alternatives": kinks, "difficulty": 3}
        yield draw([[0.0, 0.0]], p, n, margin=margin, squared=squared, **keywords)
    a, x, y = short(rng.normal(size=(3, 2, 3)))
    duplicates = {"torch": shifted}
    for soft in (False, True):
        for p, n in ((a, x), (x, a), (a, a)):
            yield draw(
                a,
                p,
                n,
                margin=4.0,
                soft=soft,
                flags=("ZERO_DISTANCE",),
                result="ambiguous",
                difficulty=3,
                alternatives=duplicates,
            )
    yield draw(a, a, x, squared=True, margin=8.0, flags=("ZERO_DISTANCE",))
    yield draw(a, x, x, margin=0.25, flags=("TIE",))
    yield draw(a, x, y, margin=0.0, reduction="none")
    for reduction in REDUCTIONS:
        result = "ambiguous" if reduction == "mean" else "required"
        yield draw(*np.zeros((3, 0, 2)), reduction, flags=("EMPTY_ROW",), result=result)


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    reductions = ("mean", "sum", "none", "nonzero")

    def draw(arguments: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        constants = {"margin": 0.2, "squared": False, "soft": False, "normalize_x": False}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        return Draw(arguments, constants | {"reduction": reduction}, **keywords)

    for i in range(44):
        yield draw(
            batch(rng, rng.integers(3, 6), rng.integers(2, 4)),
            reductions[i % 4],
            margin=short(float(rng.uniform(0.05, 2))),
            squared=i // 2 % 2 > 0,
            soft=i % 3 == 2,
            normalize_x=i // 4 % 2 > 0,
        )
    for i, gap in enumerate((1e-2, 1e-5, 1e-9)):  # almost duplicates, almost opposite
        for normalize in (False, True):
            x = rng.normal(size=(4, 3))
            x[1], x[3] = (2 if normalize else 1) * x[0] + gap * rng.normal(size=3), -x[2] + gap * rng.normal(size=3)
            keywords: dict[str, Any] = {"flags": ("ZERO_DISTANCE", "CANCELLATION"), "difficulty": 4}
            for labels in ([0, 0, 1, 1], [0, 1, 1, 0]):
                yield draw(
                    with_labels(x, labels), reductions[i], squared=i == 1, normalize_x=normalize, margin=2.0, **keywords
                )
    for squared in (True, False):  # duplicates
        for normalize, factor in ((False, 1.0), (True, 4.0), (True, -2.0)):
            x = short(rng.normal(size=(3, 3)))
            x[1] = factor * x[0]
            for labels in ([0, 0, 1], [0, 1, 1]):
                yield draw(
                    with_labels(x, labels),
                    "sum",
                    squared=squared,
                    normalize_x=normalize,
                    margin=8.0,
                    flags=("ZERO_DISTANCE",),
                )
    x = with_labels([[0.0, 0.0], [3.0, 4.0], [0.0, 7.0]], [0, 0, 1])  # exactly at the hinge
    kinks = {"from_the_right": batch_from_the_right}
    for reduction in ("sum", "nonzero"):
        yield draw(x, reduction, margin=2.0, flags=("KINK",), result="ambiguous", alternatives=kinks, difficulty=3)
    for size in (1e-200, 1e200):
        yield draw(with_labels(size * rng.normal(size=(3, 2)), [0, 0, 1]), flags=("OVERFLOW_F32",), difficulty=3)
    yield draw(with_labels(scaled_rows(rng, 4, 3), [0, 0, 1, 1]), normalize_x=True, difficulty=2)
    for reduction in reductions:
        result = "ambiguous" if reduction == "mean" else "required"
        for labels in ([], [0], [0, 0], [0, 1]):
            x = with_labels(np.ones((len(labels), 2)), labels)
            yield draw(x, reduction, flags=("EMPTY_ROW",), result=result)
    x = short(rng.normal(size=(4, 2)))
    x[1] = 0
    yield draw(with_labels(x, [0, 0, 1, 1]), flags=("ZERO_NORM",))
    for reduction in ("mean", "none"):
        x[3, 0] = np.nan
        labels = [0, 0, 1, 2]
        yield draw(
            with_labels(x[:3], labels[:3]), reduction, normalize_x=True, flags=("ZERO_NORM",), result="undefined"
        )
        yield draw(with_labels(x, labels), reduction, result="invalid")
