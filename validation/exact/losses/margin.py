"""The margin loss as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses._pairs import hinge, with_labels
from validation.exact.losses._positives import distances, edges, places
from validation.exact.losses._rows import undefined
from validation.exact.number import Number, number, stated

REDUCTIONS = ("divisor", "mean", "sum", "none")
COUNTS = ("pairs", "triplets")


def loss(
    x: Any,
    beta: Any,
    labels: Any,
    *,
    margin: Any,
    nu: Any,
    normalize_x: bool,
    counting: str,
    reduction: str,
    at_kink: float = 0.0,
    summed: bool = False,
) -> Any:
    """[alpha + y_ij (d_ij - beta_i)]_+ + nu beta_i.

    Source: wu-2017, section 4.2
    """
    n, d = len(x), distances(x, normalize_x)
    boundary = [number(beta) if np.ndim(beta) == 0 else beta[y] for y in labels]
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    if d is None or any(not np.isfinite(float(v)) for v in np.ravel(beta)):
        bad = undefined(*x.ravel(), *np.ravel(beta))
        return _matrix(n, dict.fromkeys(pairs, bad)) if reduction == "none" else bad
    hinges = {}
    for i, j in pairs:
        away = d[i, j] - boundary[i]
        hinges[i, j] = hinge(margin + (away if labels[i] == labels[j] else -away), at_kink)
    if reduction == "none":
        return _matrix(n, {(i, j): h + nu * boundary[i] for (i, j), h in hinges.items()})
    count = {pair: 1 for pair in pairs}
    if counting == "triplets":
        for i, j in pairs:
            count[i, j] = sum(k != i and (labels[k] == labels[i]) != (labels[j] == labels[i]) for k in range(n))
    total, rest = (
        sum((c * v for c, v in zip(count.values(), values, strict=True)), Number(0))
        for values in (hinges.values(), [boundary[i] for i, _ in pairs])
    )
    every = sum(count.values())
    if reduction == "sum":
        return total + nu * rest
    if not every:
        return stated(nan) if reduction == "mean" else Number(0)
    if reduction == "mean":
        return (total + nu * rest) / every
    active = sum(c for c, h in zip(count.values(), hinges.values(), strict=True) if h > 0) or 1
    return total / active + nu * rest / (active if summed else every)


def _matrix(n: int, found: dict[tuple[int, int], Any]) -> Any:
    result = np.empty((n, n), dtype=object)
    for pair in np.ndindex(n, n):
        result[pair] = found.get(pair, Number(0))
    return result


from_the_right = partial(loss, at_kink=1.0)
"""The hinge counts as active where it is exactly 0."""
summed = partial(loss, summed=True)
"""The authors' code: the sum of nu beta over the pairs goes through the divisor too."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(arguments: Any, reduction: str = "divisor", **keywords: Any) -> Draw:
        constants = {"margin": 0.2, "nu": 0.0, "normalize_x": True, "counting": "pairs"}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        beta = np.asarray(keywords.pop("beta", 1.2))
        return Draw(
            {"x": arguments["x"], "beta": beta, "labels": arguments["labels"]},
            constants | {"reduction": reduction},
            **keywords,
        )

    for i, (arguments, normalize, keywords) in enumerate(places(rng, None)):
        beta = short(rng.uniform(0.5, 1.5, size=() if i % 3 == 0 else int(max(arguments["labels"])) + 1 + i % 2))
        constants = {"nu": (0.0, 0.25)[i // 3 % 2], "counting": COUNTS[i // 8 % 2], "margin": (0.2, 0.5)[i % 2]}
        if i % 5 == 1 and constants["nu"]:
            keywords = keywords | {"alternatives": {"summed": summed}}
        yield draw(arguments, REDUCTIONS[i // 2 % 4], beta=beta, **constants, normalize_x=normalize, **keywords)
    for i in range(4):  # pytorch-metric-learning
        x = with_labels(short(rng.normal(size=(5, 3))), [0, 0, 1, 1, 0])
        yield draw(x, margin=(0.2, 0.4)[i % 2], counting="triplets", nu=0.125 * i)
    line = with_labels([[0.0], [3.0], [5.0]], [0, 0, 1])  # distances 3, 5, 2; exactly at the hinges
    kinks: dict[str, Any] = {"flags": ("KINK",), "result": "ambiguous", "difficulty": 3, "normalize_x": False}
    kinks |= {"alternatives": {"from_the_right": from_the_right}}
    for reduction in ("sum", "divisor"):
        yield draw(line, reduction, beta=4.0, margin=1.0, **kinks)
    for beta, flags in ((-5.0, ("SATURATION",)), (9.0, ("SATURATION",)), (1e5, ("HUGE_PARAMETER",))):
        x = with_labels(short(rng.normal(size=(4, 3))), [0, 0, 1, 1])
        yield draw(x, "divisor", beta=beta, nu=0.5, flags=flags, difficulty=2)
    for size in (1e-200, 1e200):
        x = with_labels(size * rng.normal(size=(3, 3)), [0, 0, 1])
        yield draw(x, "mean", beta=size, margin=size, normalize_x=False, flags=("OVERFLOW_F32",), difficulty=3)
        yield draw(x, "mean", beta=0.75, flags=("OVERFLOW_F32",), difficulty=3)
    for arguments, normalize, keywords in edges(rng, None):
        few = len(arguments["labels"]) < 2
        for reduction in REDUCTIONS if few else ("divisor", "none"):
            extra = {"result": "ambiguous"} if few and reduction == "mean" else {}
            yield draw(arguments, reduction, nu=0.5, normalize_x=normalize, **(keywords | extra))
    x = with_labels(short(rng.normal(size=(3, 3))), [0, 0, 1])
    yield draw(x, "sum", beta=[0.5, np.nan], nu=0.5, result="invalid")
