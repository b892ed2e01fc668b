"""SoftTriple as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses._pairs import distance
from validation.exact.losses._rows import is_stated, minus_log_softmax, reduce, undefined
from validation.exact.losses.cosine import cosine as cosine_of
from validation.exact.number import Number, exp, number, sqrt

REDUCTIONS = ("mean", "sum", "none")


def logits(cosine: Any, labels: Any, *, scale: Any, gamma: Any, margin: Any) -> Any:
    """l (S_c - d [c = y]), S_c the sum of cosines weighted by the softmax of cosines over gamma.

    Source: qian-2019-soft-triple, eq. 7 and 8
    """
    z = np.empty(cosine.shape[:2], dtype=object)
    for i, c in np.ndindex(z.shape):
        if not all(-1 <= v <= 1 for v in cosine[i, c]):
            z[i, c] = undefined(*cosine[i, c])
        else:
            z[i, c] = scale * (_soft(cosine[i, c], gamma) - (margin if c == labels[i] else 0))
    return z


def _soft(c: Any, gamma: Any) -> Any:
    powers = [exp(v / gamma) for v in c]
    return sum(p * v for p, v in zip(powers, c, strict=True)) / sum(powers)


def regularizer(weight: Any, under_root: float = 0.0) -> Any:
    """1 / (C K (K - 1)) sum_c sum_{k < l} sqrt(2 - 2 w_k . w_l).

    Source: qian-2019-soft-triple, eq. 9 and 10
    """
    classes, k, _ = weight.shape
    if any(all(v == 0 for v in w) for centers in weight for w in centers):
        return undefined(*weight.ravel())
    if k == 1:
        return Number(0)

    def apart(v: Any, w: Any) -> Any:
        return sqrt(2 + number(under_root) - 2 * cosine_of(v, w)) if under_root else distance(v, w, True)

    total = sum(apart(c[i], c[j]) for c in weight for j in range(k) for i in range(j))
    return total / (classes * k * (k - 1))


official_regularizer = partial(regularizer, under_root=1e-5)
"""The authors' code adds 1e-5 under the root."""


def loss(
    x: Any,
    weight: Any,
    labels: Any,
    *,
    scale: Any,
    gamma: Any,
    margin: Any,
    tau: Any,
    reduction: str,
    under_root: float = 0.0,
) -> Any:
    """-log(e^{l (S_y - d)} / (e^{l (S_y - d)} + sum_{c != y} e^{l S_c})) + t R.

    Source: qian-2019-soft-triple, eq. 10
    """
    scale, gamma, margin, tau = (number(v) for v in (scale, gamma, margin, tau))
    extra = regularizer(weight, under_root)
    losses = []
    for row, y in zip(x, labels, strict=True):
        c = [[cosine_of(row, w) for w in centers] for centers in weight]
        if any(is_stated(v, nan) for centers in c for v in centers):
            losses.append(undefined(*row, *weight.ravel()))
            continue
        z = np.empty(len(c), dtype=object)
        for j, centers in enumerate(c):
            z[j] = scale * (_soft(centers, gamma) - (margin if j == y else 0))
        losses.append(minus_log_softmax(z, y) + tau * extra)
    if reduction != "none" and is_stated(extra, nan):
        return undefined(*x.ravel(), *weight.ravel())
    return reduce(losses, reduction)


official = partial(loss, under_root=1e-5)
"""The same with the authors' regulariser."""


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(c: Any, labels: Any, i: int, **keywords: Any) -> Draw:
        constants = {"scale": (20.0, 8.0, 1.0)[i % 3], "gamma": (0.1, 0.5, 0.0625, 4.0)[i % 4], "margin": 0.01}
        given = {"cosine": np.asarray(c, float), "labels": np.array(labels, dtype=np.int64)}
        return Draw(given, constants | {"margin": (0.01, 0.0, 0.25)[i // 3 % 3]}, **keywords)

    for i in range(44):
        n, c, k = rng.integers(1, 4), rng.integers(1, 4), rng.integers(1, 5)
        yield draw(short(rng.uniform(-0.99, 0.99, size=(n, c, k))), rng.integers(c, size=n), i)
    for i in range(12):
        c = short(rng.uniform(-0.9, 0.9, size=(2, 2, 1)))
        yield draw(np.repeat(c, 3, axis=2), [0, 1], i, flags=("TIE",))
        gap = (1e-3, 1e-8, 1e-15)[i % 3]
        yield draw(np.concatenate([c, c + gap], axis=2), [0, 1], i, flags=("TIE", "CANCELLATION"), difficulty=4)
    yield draw([[[1.0, -1.0], [1.0, 1.0]]], [0], 0, flags=("SATURATION",))
    yield draw([[[0.5, 5e-324], [-0.5, 1e-300]]], [0], 1, flags=("SUBNORMAL",), difficulty=3)
    yield draw([[[0.25, 0.125]]], [0], 2)
    yield draw(np.zeros((0, 2, 2)), [], 0, flags=("EMPTY_ROW",))
    yield draw([[[0.5, 1.5], [0.25, 0.25]]], [0], 0, result="invalid")
    yield draw([[[0.5, nan], [0.25, 0.25]]], [1], 1, result="invalid")


def _weights(rng: np.random.Generator) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Centres: ordinary, nearly and exactly parallel, huge, tiny, zero, one."""
    for i in range(30):
        c, k = rng.integers(1, 4), rng.integers(1, 4)
        d = 3 if k > 2 else 2 + i % 5 // 4  # in the plane two neighbours pull along one line, and cancel
        yield short(rng.normal(size=(c, k, d))), {"flags": ("OVERFLOW_F16",) if i % 2 else ()}
    for gap in (1e-2, 1e-5, 1e-8, 1e-12):  # almost equal, almost opposite
        for sign in (1, -1):
            w = rng.normal(size=(1, 3, 3))
            w[:, 1] = sign * 2 * w[:, 0] + gap * rng.normal(size=(1, 3))
            yield w, {"flags": ("ZERO_DISTANCE", "CANCELLATION"), "difficulty": 4}
    for factor in (1.0, 3.0, 0.5, -2.0):  # exactly parallel
        w = short(rng.normal(size=(2, 2, 3)))
        w[0, 1] = factor * w[0, 0]
        yield w, {"flags": ("ZERO_DISTANCE", "ACOS_AT_ONE"), "difficulty": 3}
    for size in (1e-200, 1e200, 1e300):
        yield rng.normal(size=(2, 2, 3)) * size, {"flags": ("OVERFLOW_F32",), "difficulty": 4}
    for k in (1, 2):
        yield short(rng.normal(size=(1, k, 3))), {"flags": ("SATURATION",)}
    w = short(rng.normal(size=(2, 2, 3)))
    w[1, 0] = 0
    yield w, {"flags": ("ZERO_NORM",), "result": "undefined", "difficulty": 3}


def draw_regularizer(rng: np.random.Generator) -> Iterator[Draw]:
    for weight, keywords in (*_weights(rng), *_weights(rng)):
        others = {} if keywords.get("result") == "undefined" else {"official": official_regularizer}
        yield Draw({"weight": weight}, {}, alternatives=others, **keywords)


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, weight: Any, labels: Any, i: int, **keywords: Any) -> Draw:
        constants = {
            "scale": (20.0, 8.0, 1.0)[i % 3],
            "gamma": (0.1, 0.5)[i % 2],
            "margin": (0.01, 0.25, 0.0)[i // 2 % 3],
        }
        constants |= {"tau": (0.2, 0.0, 1.0)[i // 3 % 3], "reduction": keywords.pop("reduction", REDUCTIONS[i % 3])}
        if keywords.get("result") not in ("undefined", "ambiguous") and constants["tau"]:
            keywords["alternatives"] = {"official": official}
        return Draw({"x": x, "weight": weight, "labels": np.array(labels, dtype=np.int64)}, constants, **keywords)

    for i, (weight, keywords) in enumerate(_weights(rng)):
        weight, n = weight[: 2 if weight.shape[1] > 2 else 3], 1 + i % 2
        x = short(rng.normal(size=(n, weight.shape[2])))
        yield draw(x, weight, rng.integers(len(weight), size=n), i, **keywords)
    for i, gap in enumerate((0.0, 1e-3, 1e-7, 1e-12)):  # rows at their centres, or nearly
        for sign in (1, -1):
            w = short(rng.normal(size=(2, 2, 3)))
            x = sign * 2 * w[:, 0] + gap * rng.normal(size=(2, 3))
            yield draw(x, w, [0, 1], i, flags=("ACOS_AT_ONE", "CANCELLATION"), difficulty=4)
    for i in range(3):
        w = short(rng.normal(size=(2, 2, 3)))
        yield draw(np.zeros((0, 3)), w, [], i, flags=("EMPTY_ROW",), result="required" if i else "ambiguous")
        x = short(rng.normal(size=(2, 3)))
        x[1] = 0
        yield draw(x, w, [0, 1], i, reduction="none", flags=("ZERO_NORM",), result="undefined", difficulty=3)
