"""The unified loss as the paper writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses._pairs import (
    batch,
    reduce_anchors,
    scaled_rows,
    similarities,
    softplus_of_sums,
    with_labels,
)
from validation.exact.losses._rows import undefined
from validation.exact.number import number

REDUCTIONS = ("mean", "sum", "none", "nonzero", "valid_anchor")


def loss_similarities(s_p: Any, s_n: Any, *, gamma: float, margin: float) -> Any:
    """log[1 + sum_i sum_j e^{gamma (s_n^j - s_p^i + m)}].

    Source: sun-2020, eq. 1
    """
    return over_rows(lambda p, n: _one(p, n, gamma, margin), s_p, s_n)


def over_rows(one: Callable[[Any, Any], Any], s_p: Any, s_n: Any) -> Any:
    """The loss of every row of similarities; nan where one is nan or infinite."""
    result = np.empty(s_p.shape[:-1], dtype=object)
    for i in np.ndindex(result.shape):
        bad = not all(isfinite(float(v)) for v in (*s_p[i], *s_n[i]))
        result[i] = undefined(*s_p[i], *s_n[i]) if bad else one(list(s_p[i]), list(s_n[i]))
    return result


def _one(s_p: list[Any], s_n: list[Any], gamma: Any, margin: Any) -> Any:
    return softplus_of_sums([-number(gamma) * s for s in s_p], [gamma * (s + number(margin)) for s in s_n])


def loss(x: Any, labels: Any, *, gamma: float, margin: float, reduction: str) -> Any:
    """The same for each row with the cosines to the others.

    Source: sun-2020, eq. 1
    """
    return over_anchors(lambda p, n: _one(p, n, gamma, margin), x, labels, reduction)


def over_anchors(one: Callable[[Any, Any], Any], x: Any, labels: Any, reduction: str) -> Any:
    """The loss of every row's similarities to positives and to negatives."""
    s = similarities(x)
    losses, valid = [], []
    for i, y in enumerate(labels):
        s_p = [s[i, j] for j in range(len(x)) if j != i and labels[j] == y]
        s_n = [s[i, j] for j in range(len(x)) if labels[j] != y]
        if any(v.stated for v in (*s_p, *s_n)):
            losses.append(undefined(*x.ravel()))
        else:
            losses.append(one(s_p, s_n))
        valid.append(bool(s_p) and bool(s_n))
    if reduction != "none" and any(v.stated for v in losses):
        return undefined(*x.ravel())
    return reduce_anchors(losses, valid, reduction)


def similarity_draws(rng: np.random.Generator) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Arguments and keywords of cases of losses of similarities.

    Drawn so that no share of a softmax is subnormal at gamma 256: the gradient is a multiple of it.
    """

    def arguments(s_p: Any, s_n: Any) -> dict[str, Any]:
        return {"s_p": np.asarray(s_p, dtype=float), "s_n": np.asarray(s_n, dtype=float)}

    for _ in range(30):
        k, l = rng.integers(1, 6, size=2)
        yield arguments(short(rng.uniform(-0.5, 1, k)), short(rng.uniform(-1, 0.9, l))), {}
    for _ in range(10):
        r, k, l = rng.integers(1, 4, size=3)
        yield arguments(rng.uniform(-0.5, 1, (r, k)), rng.uniform(-1, 1, (r, l))), {"difficulty": 2}
    for shape in ((2, 0), (0, 3), (0, 0)):
        yield arguments(np.ones(shape[0]) / 2, np.ones(shape[1]) / 4), {"flags": ("EMPTY_ROW",)}
    yield arguments(np.zeros((2, 0)), short(rng.uniform(size=(2, 3)))), {"flags": ("EMPTY_ROW",)}
    yield arguments(np.zeros((0, 2)), np.zeros((0, 3))), {"flags": ("EMPTY_ROW",)}
    for p, n in ((1.0, -1.0), (0.96875, -0.75), (0.875, 0.0)):
        yield arguments([p, p - 0.0625], [n, n + 0.03125]), {"flags": ("SATURATION",), "difficulty": 3}
        yield arguments([n, n + 0.03125], [p - 0.0625, p]), {"flags": ("LARGE_LOGITS", "OVERFLOW_F16"), "difficulty": 2}
    yield arguments([0.5, 0.5, 0.5], [0.25, 0.25]), {"flags": ("TIE",)}
    yield arguments([[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]), {"flags": ("TIE",)}
    yield arguments([[0.5, np.nan], [0.5, 0.25]], [[0.25], [0.5]]), {"result": "invalid"}
    yield arguments([0.5, 0.25], [np.inf]), {"result": "invalid"}


def batch_draws(rng: np.random.Generator) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Arguments and keywords of cases of losses of the cosines in a batch."""
    for _ in range(40):
        n, d = rng.integers(3, 6), rng.integers(2, 5)
        yield batch(rng, n, d), {}
    for _ in range(4):
        yield with_labels(scaled_rows(rng, 4, 3), [0, 0, 1, 1]), {"difficulty": 2}
    for gap in (1e-2, 1e-5, 1e-9, 1e-13):  # almost duplicates, almost opposite
        x = rng.normal(size=(4, 3))
        x[1], x[3] = 2 * x[0] + gap * rng.normal(size=3), -x[2] + gap * rng.normal(size=3)
        for labels in ([0, 0, 1, 1], [0, 1, 1, 0]):
            yield with_labels(x, labels), {"flags": ("ACOS_AT_ONE", "CANCELLATION"), "difficulty": 4}
    for factor in (1.0, 4.0, -2.0):  # exactly parallel
        x = short(rng.normal(size=(4, 3)))
        x[1] = factor * x[0]
        for labels in ([0, 0, 1, 1], [0, 1, 1, 0]):
            yield with_labels(x, labels), {"flags": ("ACOS_AT_ONE", "ZERO_DISTANCE"), "difficulty": 3}
    for size in (1e-200, 1e200):
        yield with_labels(size * rng.normal(size=(3, 3)), [0, 0, 1]), {"flags": ("OVERFLOW_F32",), "difficulty": 3}
    yield with_labels(short(rng.normal(size=(4, 2))), [5, 5, 5, 5]), {"flags": ("EMPTY_ROW",)}
    yield with_labels(short(rng.normal(size=(3, 2))), [2, 0, 1]), {"flags": ("EMPTY_ROW",)}
    yield with_labels(short(rng.normal(size=(4, 3))), [2, 0, 1, 2]), {"flags": ("EMPTY_ROW",)}


def batch_edges(rng: np.random.Generator) -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
    """The same with the reduction: nothing in the batch, no direction."""
    for reduction in REDUCTIONS:
        result = "ambiguous" if reduction == "mean" else "required"
        yield with_labels(np.zeros((0, 2)), []), reduction, {"flags": ("EMPTY_ROW",), "result": result}
        yield with_labels([[1.0, 2.0]], [0]), reduction, {"flags": ("EMPTY_ROW",)}
    x = short(rng.normal(size=(3, 2)))
    x[1] = 0
    for reduction in ("mean", "none"):
        yield with_labels(x, [0, 0, 1]), reduction, {"flags": ("ZERO_NORM",), "result": "undefined"}
    x = short(rng.normal(size=(3, 2)))
    x[0, 1] = np.nan
    yield with_labels(x, [0, 0, 1]), "nonzero", {"result": "invalid"}


def draw_loss_similarities(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (arguments, keywords) in enumerate(similarity_draws(rng)):
        constants = {"gamma": (1.0, 16.0, 80.0, 256.0)[i % 4], "margin": (0.0, 0.25, 0.4)[i % 3]}
        yield Draw(arguments, constants, **keywords)
    for i, (arguments, keywords) in enumerate(similarity_draws(rng)):
        if "flags" in keywords:
            yield Draw(arguments, {"gamma": (80.0, 8.0)[i % 2], "margin": (0.25, 0.0)[i % 2]}, **keywords)


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (arguments, keywords) in enumerate(batch_draws(rng)):
        constants = {"gamma": (1.0, 16.0, 80.0, 256.0)[i % 4], "margin": (0.0, 0.25, 0.4)[i % 3]}
        yield Draw(arguments, constants | {"reduction": REDUCTIONS[i % 5]}, **keywords)
    for arguments, reduction, keywords in batch_edges(rng):
        yield Draw(arguments, {"gamma": 16.0, "margin": 0.25, "reduction": reduction}, **keywords)
