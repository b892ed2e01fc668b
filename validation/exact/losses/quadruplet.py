"""The quadruplet loss as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses._pairs import hinge, vectors, with_labels
from validation.exact.losses._positives import distances, edges, places
from validation.exact.losses._rows import undefined
from validation.exact.number import Number, number

REDUCTIONS = ("mean", "sum", "nonzero")


def loss(
    x: Any,
    labels: Any,
    *,
    margin: Any,
    other_margin: Any,
    squared: bool,
    normalize_x: bool,
    reduction: str,
    at_kink: float = 0.0,
) -> Any:
    """sum_ijk [d_ij^2 - d_ik^2 + alpha_1]_+ + sum_ijkl [d_ij^2 - d_lk^2 + alpha_2]_+.

    Source: chen-2017, section 3
    """
    d = distances(x, normalize_x, squared)
    if d is None:
        return undefined(*x.ravel())
    everyone = range(len(x))
    triplets, quadruplets = [], []
    for i, j in [(i, j) for i in everyone for j in everyone if i != j and labels[i] == labels[j]]:
        for k in [k for k in everyone if labels[k] != labels[i]]:
            triplets.append(hinge(d[i, j] - d[i, k] + number(margin), at_kink))
            for l in [l for l in everyone if labels[l] not in (labels[i], labels[k])]:
                quadruplets.append(hinge(d[i, j] - d[l, k] + number(other_margin), at_kink))
    total = Number(0)
    for terms in (triplets, quadruplets):
        kept = [v for v in terms if v > 0] if reduction == "nonzero" else terms
        if kept:
            total = total + sum(kept) / (1 if reduction == "sum" else len(kept))
    return total


from_the_right = partial(loss, at_kink=1.0)
"""The hinge counts as active where it is exactly 0."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(arguments: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        constants = {"margin": 1.0, "other_margin": 0.5, "squared": True, "normalize_x": False}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        return Draw(arguments, constants | {"reduction": reduction}, **keywords)

    for i in range(36):
        normalize = i // 2 % 2 > 0
        labels = rng.permutation([0, 0, 1, 2, int(rng.integers(3))][: 4 + i % 2])
        x = with_labels(vectors(rng, len(labels), int(rng.integers(2, 4)) + normalize), labels)
        constants = {"margin": short(float(rng.uniform(0.25, 2))), "other_margin": short(float(rng.uniform(0.25, 2)))}
        keywords = {"alternatives": {"unsquared": {"squared": False}}} if i % 12 == 0 else {}
        yield draw(x, REDUCTIONS[i % 3], **constants, squared=i % 4 != 3, normalize_x=normalize, **keywords)
    for i, (arguments, normalize, keywords) in enumerate(places(rng, None, ordinary=6)):
        if len(set(arguments["labels"].tolist())) == 2:  # two rows that are alike stay, the last one is another
            arguments["labels"][-1] = 7
        constants = {"margin": (1.0, 3.0)[i % 2], "squared": i // 2 % 2 > 0, "normalize_x": normalize}
        yield draw(arguments, REDUCTIONS[i % 3], **constants, **keywords)
    line = with_labels([[0.0], [3.0], [4.0], [8.0]], [0, 0, 1, 2])  # 3 - 4 + 1, and 3 - 4 + 1 of the others
    kinks: dict[str, Any] = {
        "flags": ("KINK",),
        "result": "ambiguous",
        "alternatives": {"from_the_right": from_the_right},
    }
    for reduction in ("sum", "nonzero"):
        yield draw(line, reduction, margin=1.0, other_margin=1.0, squared=False, difficulty=3, **kinks)
    for margin, flags in ((-40.0, ("SATURATION",)), (1e3, ("HUGE_PARAMETER",))):
        x = with_labels(short(rng.normal(size=(4, 3))), [0, 0, 1, 2])
        yield draw(x, "nonzero", margin=margin, other_margin=margin / 2, flags=flags, difficulty=2)
    for size in (1e-150, 1e150):
        x = with_labels(size * rng.normal(size=(4, 3)), [0, 0, 1, 2])
        yield draw(x, squared=False, margin=size, other_margin=size / 2, flags=("OVERFLOW_F32",), difficulty=3)
        yield draw(x, margin=1.0, normalize_x=True, flags=("OVERFLOW_F32",), difficulty=3)
    for arguments, normalize, keywords in edges(rng, None):
        for reduction in REDUCTIONS if len(arguments["labels"]) < 2 else ("mean", "sum"):
            yield draw(arguments, reduction, normalize_x=normalize, **keywords)
