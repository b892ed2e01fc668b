"""Barlow Twins as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.losses._pairs import whole
from validation.exact.losses._rows import undefined
from validation.exact.losses._views import view_draws, without_variance
from validation.exact.losses.cosine import cosine
from validation.exact.number import Number, number, sqrt

CODE = {"off_diagonal": 0.0051, "epsilon": 1e-5}


def loss(x: Any, y: Any, *, off_diagonal: Any, epsilon: Any) -> Any:
    """sum_i (1 - C_ii)^2 + lambda sum_{i != j} C_ij^2.

    Source: zbontar-2021, eq. 1 and eq. 2
    """
    n, d = x.shape
    if n == 0 or not whole(*x, *y):
        return undefined(*x.ravel(), *y.ravel())
    # N times the centred columns: no division, so that parallel ones are known to be so
    a, b = ([np.array([n * v - column.sum() for v in column]) for column in view.T] for view in (x, y))

    def correlation(u: Any, v: Any) -> Any:
        if epsilon == 0:
            return cosine(u, v)
        u_variance, v_variance = ((w * w).sum() / n**3 for w in (u, v))
        return (u * v).sum() / n**3 / (sqrt(u_variance + epsilon) * sqrt(v_variance + epsilon))

    c = [[correlation(u, v) for v in b] for u in a]
    if any(v.stated for row in c for v in row):
        return undefined(*x.ravel(), *y.ravel())
    on = sum(((1 - c[i][i]) * (1 - c[i][i]) for i in range(d)), Number(0))
    off = sum((c[i][j] * c[i][j] for i in range(d) for j in range(d) if i != j), Number(0))
    return on + number(off_diagonal) * off


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, y: Any, keywords: Any, **constants: Any) -> Draw:
        return Draw({"x": x, "y": y}, {"off_diagonal": 0.005, "epsilon": 0.0} | constants, **keywords)

    for i, (x, y, keywords) in enumerate(view_draws(rng)):
        own: dict[str, Any] = ({}, CODE, {"off_diagonal": 0.125}, {"off_diagonal": 0.5, "epsilon": 0.25})[i % 4]
        if i % 4 == 0:
            keywords = keywords | {"result": "ambiguous", "alternatives": {"batch_norm": CODE}}
            keywords["flags"] = (*keywords.get("flags", ()), "AMBIGUOUS_CONVENTION")
        yield draw(x, y, keywords, **own)
    for x, y, keywords in without_variance(rng):
        yield draw(x, y, keywords | {"result": "undefined"})
        result = "required" if len(x) else "undefined"
        for own in (CODE, {"epsilon": 0.5}):
            yield draw(x, y, keywords | {"result": result}, **own)
    yield draw(np.array([[1.0], [np.nan]]), np.array([[1.0], [2.0]]), {"result": "invalid"})
