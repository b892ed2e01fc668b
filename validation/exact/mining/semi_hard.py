"""Semi-hard mining by comparing exact gaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import floor, inf
from typing import Any

import numpy as np

from refengine.mining import Triplets
from validation.exact.draws import Draw
from validation.exact.mining._batch import as_triplets, farther, gap, gap_draws, negatives_of, positives_of

SELECTIONS = ("nearest", "random", "all")
TFA = {"margin": inf, "otherwise": "farthest", "selection": "nearest"}
PML = {"selection": "all", "inclusive": True, "otherwise": "drop"}


def semi_hard(
    x: Any,
    labels: Any,
    uniforms: Any = None,
    *,
    margin: Any,
    selection: str,
    otherwise: str,
    squared: bool,
    normalize_x: bool,
    inclusive: bool,
    tie_rule: str,
) -> Triplets:
    """The nearest n with 0 < d_an - d_ap < m, one at random or all; else none or the farthest.

    Source: schroff-2015-facenet, section 3.2
    """

    def first(a: int, rows: list[int], sign: int) -> int:
        best = rows[0]
        for n in rows[1:]:
            best = n if sign * farther(x, a, n, best, normalize_x) > 0 else best
        return best

    def inside(a: int, p: int, n: int) -> bool:
        d = gap(x, a, p, n, squared, normalize_x)
        return bool(d > 0 and (d <= margin if inclusive else d < margin))

    rows: list[tuple[int, int, int]] = []
    for a in range(len(labels)):
        for p in positives_of(labels, a):
            found = [n for n in negatives_of(labels, a) if inside(a, p, n)]
            if not found and otherwise == "farthest" and negatives_of(labels, a):
                found = [first(a, negatives_of(labels, a), 1)]
            elif found and selection == "nearest":
                found = [first(a, found, -1)]
            elif found and selection == "random":
                found = [found[min(floor(float(uniforms[a, p]) * len(found)), len(found) - 1)]]
            rows += [(a, p, n) for n in found]
    return as_triplets(rows)


def draw_semi_hard(rng: np.random.Generator) -> Iterator[Draw]:
    def constants(i: int, margin: float, normalize: bool) -> Any:
        given = {
            "margin": inf if i % 7 == 3 else margin,
            "selection": SELECTIONS[i % 3],
            "otherwise": ("drop", "farthest")[i // 3 % 2],
            "squared": i // 2 % 2 > 0,
            "normalize_x": normalize,
            "inclusive": i % 5 == 0,
            "tie_rule": "lowest_index",
        }
        others = {"tensorflow_addons": TFA, "pytorch_metric_learning": PML}
        return given, others if given["selection"] != "random" else {}

    for draw in gap_draws(rng, (1.0, 2.0), constants):
        n = len(draw.arguments["labels"])
        if draw.constants["selection"] == "random":
            u = np.where(rng.uniform(size=(n, n)) < 0.1, rng.choice([0.0, 1.0], size=(n, n)), rng.uniform(size=(n, n)))
            yield replace(draw, arguments=draw.arguments | {"uniforms": u})
        else:
            yield draw
