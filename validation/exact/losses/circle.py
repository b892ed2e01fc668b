"""The circle loss as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses._pairs import similarities, softplus_of_sums
from validation.exact.losses._rows import reduce, undefined
from validation.exact.losses.unified import batch_draws, batch_edges, over_anchors, over_rows, similarity_draws
from validation.exact.number import Number, number, pointwise, sqrt

REDUCTIONS = ("mean", "sum", "none", "nonzero", "valid_anchor")
WEIGHTS = ("detached", "full")


def _one(s_p: list[Any], s_n: list[Any], gamma: Any, margin: Any, weights: str, at_edge: bool = False) -> Any:
    gamma, m = number(gamma), number(margin)

    def logit(sign: int, s: Number, alpha: Any, delta: Any) -> Any:
        if not (alpha > 0 or (at_edge and alpha == 0)):
            return Number(0)
        if weights == "full":
            return sign * gamma * alpha * (s - delta)
        # the derivative takes alpha for a constant; how well that derivative is known depends on alpha
        parents = [(s, lambda g: g * sign * gamma * alpha), (gamma, lambda g: g * sign * alpha * (s - delta))]
        return Number((sign * gamma * alpha * (s - delta)).ball, [*parents, (m, lambda g: -g * gamma * alpha)])

    positive = [logit(-1, s, 1 + m - s, 1 - m) for s in s_p]
    negative = [logit(1, s, s + m, m) for s in s_n]
    return softplus_of_sums(positive, negative)


def loss_similarities(s_p: Any, s_n: Any, *, gamma: float, margin: float, weights: str, at_edge: bool = False) -> Any:
    """log[1 + sum_j e^{gamma alpha_n (s_n - Delta_n)} sum_i e^{-gamma alpha_p (s_p - Delta_p)}].

    Source: sun-2020, eq. 6
    """
    return over_rows(lambda p, n: _one(p, n, gamma, margin, weights, at_edge), s_p, s_n)


active_at_the_edge = partial(loss_similarities, at_edge=True)
"""A weight that is exactly 0 still has its slope."""


def loss(x: Any, labels: Any, *, gamma: float, margin: float, weights: str, scope: str, reduction: str) -> Any:
    """The same of the cosines of each row, or of all pairs.

    Source: sun-2020, eq. 6
    """
    if scope == "anchor":
        return over_anchors(lambda p, n: _one(p, n, gamma, margin, weights), x, labels, reduction)
    s = similarities(x)
    pairs = [(i, j) for j in range(len(x)) for i in range(j)]
    s_p = [s[i, j] for i, j in pairs if labels[i] == labels[j]]
    s_n = [s[i, j] for i, j in pairs if labels[i] != labels[j]]
    bad = any(v.stated for v in (*s_p, *s_n))
    value = undefined(*x.ravel()) if bad else _one(s_p, s_n, gamma, margin, weights)
    return np.array([value]) if reduction == "none" else value


def loss_class(x: Any, weight: Any, labels: Any, *, gamma: float, margin: float, weights: str, reduction: str) -> Any:
    """The same of the cosines with class vectors: the own class is the only positive.

    Source: sun-2020, eq. 6
    """
    c = similarities(x, weight)
    losses = []
    for i, y in enumerate(labels):
        if any(v.stated for v in c[i]):
            losses.append(undefined(*x[i], *weight.ravel()))
        else:
            losses.append(_one([c[i, y]], [v for j, v in enumerate(c[i]) if j != y], gamma, margin, weights))
    return reduce(losses, reduction)


@pointwise
def boundary_radius(margin: Number) -> Any:
    """sqrt(2) m.

    Source: sun-2020, eq. 9
    """
    return sqrt(number(2)) * margin if 0 <= margin < inf else undefined(margin)


def _constants(i: int, full: bool) -> dict[str, Any]:
    gamma, margin = ((80.0, 0.25), (80.0, 0.4), (256.0, 0.25), (8.0, 0.5), (1.0, 0.0))[i % 5]
    return {"gamma": gamma, "margin": margin, "weights": WEIGHTS[full]}


def _other(i: int, constants: dict[str, Any], keywords: dict[str, Any]) -> dict[str, Any]:
    """Every third case tells the other gradient."""
    if i % 3 or keywords.get("result"):
        return keywords
    other = WEIGHTS[constants["weights"] == "detached"]
    return keywords | {"alternatives": {other: {"weights": other}}}


def draw_loss_similarities(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (arguments, keywords) in enumerate(similarity_draws(rng)):
        constants = _constants(i, i // 5 % 2 > 0)
        yield Draw(arguments, constants, **_other(i, constants, keywords))
    for full in (False, True):
        for s_p, s_n in (([1.5, 0.5], [0.25]), ([0.5], [-0.75, 0.125]), ([2.0], [-1.0])):  # weights of 0
            arguments = {"s_p": np.array(s_p), "s_n": np.array(s_n)}
            yield Draw(arguments, _constants(0, full), flags=("SATURATION",), difficulty=2)
        for s_p, s_n in (([1.25, 0.5], [0.25]), ([0.5], [-0.25, 0.125])):  # exactly at the edge
            arguments = {"s_p": np.array(s_p), "s_n": np.array(s_n)}
            ambiguous = {"result": "ambiguous", "alternatives": {"active_at_the_edge": active_at_the_edge}}
            yield Draw(arguments, _constants(0, full), flags=("KINK",), difficulty=3, **(ambiguous if full else {}))
        for gap in (1e-3, 1e-9, 1e-14):  # next to the edge, next to the optimum
            arguments = {"s_p": np.array([1 - gap, 1.25 - gap]), "s_n": np.array([gap, gap - 0.25])}
            yield Draw(arguments, _constants(0, full), flags=("CANCELLATION",), difficulty=4)


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (arguments, keywords) in enumerate(batch_draws(rng)):
        constants = _constants(i, i // 5 % 2 > 0)
        scope = {"scope": "batch" if i % 4 == 3 else "anchor", "reduction": REDUCTIONS[i // 2 % 5]}
        yield Draw(arguments, constants | scope, **_other(i, constants, keywords))
    for arguments, reduction, keywords in batch_edges(rng):
        yield Draw(arguments, _constants(0, False) | {"scope": "anchor", "reduction": reduction}, **keywords)
        if len(arguments["labels"]) == 3:
            yield Draw(arguments, _constants(0, False) | {"scope": "batch", "reduction": reduction}, **keywords)


def draw_loss_class(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(i: int, x: Any, w: Any, labels: Any, **keywords: Any) -> Draw:
        constants = _constants(i, i // 5 % 2 > 0)
        reduction = keywords.pop("reduction", REDUCTIONS[i % 3])
        arguments = {"x": x, "weight": w, "labels": np.array(labels, dtype=np.int64)}
        return Draw(arguments, constants | {"reduction": reduction}, **_other(i, constants, keywords))

    def vectors(n: int, d: int) -> Any:
        return short(rng.normal(size=(n, d)))

    for i in range(40):
        n, c, d = rng.integers(1, 5), rng.integers(1, 5), rng.integers(2, 5)
        yield draw(i, vectors(n, d), vectors(c, d), rng.integers(c, size=n))
    for i, gap in enumerate((1e-2, 1e-4, 1e-6, 1e-9, 1e-13)):  # almost a duplicate, almost opposite
        for full in (0, 5):
            x, w = rng.normal(size=(2, 3)), rng.normal(size=(3, 3))
            w[0], w[1] = 2 * x[0] + gap * rng.normal(size=3), -x[1] + gap * rng.normal(size=3)
            yield draw(i + full, x, w, [0, 1], flags=("ACOS_AT_ONE", "CANCELLATION"), difficulty=4)
    for i, factor in enumerate((1.0, 3.0, -2.0, -0.1875)):  # exactly parallel
        for full in (0, 5):
            x, w = vectors(2, 3), vectors(3, 3)
            w[0] = factor * x[0]
            yield draw(i + full, x, w, [0, 1], flags=("ACOS_AT_ONE",), difficulty=3)
            yield draw(i + full, x, w, [1, 2], flags=("ACOS_AT_ONE",), difficulty=3)
    for i, size in enumerate((1e-200, 1e200)):
        yield draw(i, vectors(2, 3) * size, vectors(3, 3) / size, [0, 2], flags=("OVERFLOW_F32",), difficulty=3)
    yield draw(0, vectors(2, 4), np.repeat(vectors(1, 4), 3, axis=0), [0, 2], flags=("TIE",))
    for i, reduction in enumerate(("mean", "sum", "none")):
        result = "ambiguous" if reduction == "mean" else "required"
        x = np.zeros((0, 3))
        yield draw(1, x, vectors(2, 3), [], reduction=reduction, flags=("EMPTY_ROW",), result=result)
        yield draw(i, vectors(2, 3), vectors(1, 3), [0, 0], reduction=reduction, flags=("SATURATION",))
    zero = np.zeros((1, 3))
    for x, w in (
        (np.concatenate([vectors(1, 3), zero]), vectors(2, 3)),
        (vectors(2, 3), np.concatenate([zero, vectors(1, 3)])),
    ):
        yield draw(1, x, w, [1, 0], reduction="none", flags=("ZERO_NORM",), result="undefined")
