"""VICReg as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw
from validation.exact.losses._pairs import hinge, whole
from validation.exact.losses._rows import undefined
from validation.exact.losses._views import view_draws, without_variance
from validation.exact.number import Number, number, sqrt

CODE = {"invariance_mean": "entries", "half_factor": True}
DEFAULTS = {
    "invariance": 25.0,
    "variance": 25.0,
    "covariance": 1.0,
    "gamma": 1.0,
    "epsilon": 1e-4,
    "invariance_mean": "rows",
    "half_factor": False,
    "ddof": 1,
}


def loss(
    x: Any,
    y: Any,
    *,
    invariance: Any,
    variance: Any,
    covariance: Any,
    gamma: Any,
    epsilon: Any,
    invariance_mean: str,
    half_factor: bool,
    ddof: int,
    at_kink: float = 0.0,
) -> Any:
    """lambda s(x, y) + mu (v(x) + v(y)) + nu (c(x) + c(y)).

    Source: bardes-2022, eq. 1 to eq. 6
    """
    n, d = x.shape
    if not whole(*x, *y) or n <= ddof:
        return undefined(*x.ravel(), *y.ravel())
    total = number(invariance) * ((x - y) ** 2).sum() / (n * d if invariance_mean == "entries" else n)
    for view in (x, y):
        columns = [np.array([v - column.sum() / n for v in column]) for column in view.T]
        c = [[(u * v).sum() / (n - ddof) for v in columns] for u in columns]
        v = Number(0)
        for j in range(d):
            flat = all(w == view[0, j] for w in view[:, j])
            if flat and epsilon == 0:
                s = Number(0)  # the smallest, from which it grows on all sides alike
            else:
                s = sqrt((Number(0, [(c[j][j], lambda g: g * 0)]) if flat else c[j][j]) + epsilon)
            v = v + hinge(number(gamma) - s, at_kink)
        total = total + number(variance) * v / (2 * d if half_factor else d)
        off = sum((c[j][k] * c[j][k] for j in range(d) for k in range(d) if j != k), Number(0))
        total = total + number(covariance) * off / d
    return total


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, y: Any, keywords: Any, **constants: Any) -> Draw:
        return Draw({"x": x, "y": y}, DEFAULTS | constants, **keywords)

    for i, (x, y, keywords) in enumerate(view_draws(rng)):
        own: dict[str, Any] = CODE if i % 4 == 1 else {"ddof": 0} if i % 4 == 2 else {}
        if i % 4 == 3:
            own = {"invariance": 1.0, "variance": 8.0, "covariance": 4.0, "gamma": 2.0, "epsilon": 0.0}
        if i % 4 == 0:
            alternatives = {"pytorch_metric_learning": CODE}
            keywords = keywords | {"result": "ambiguous", "alternatives": alternatives}
            keywords["flags"] = (*keywords.get("flags", ()), "AMBIGUOUS_CONVENTION")
        yield draw(x, y, keywords, **own)
    for x, y, keywords in without_variance(rng):
        for own in ({}, {"epsilon": 0.0}, {"ddof": 0}):
            undefined_here = len(x) <= own.get("ddof", 1)
            yield draw(x, y, keywords | ({"result": "undefined"} if undefined_here else {}), **own)
    x = np.array([[0.0, 1.0], [2.0, 4.0], [1.0, -1.0]])
    kink = {"flags": ("KINK",), "result": "ambiguous", "difficulty": 3}
    yield draw(x, x[::-1], kink | {"alternatives": {"from_the_left": from_the_left}}, epsilon=0.0)
    yield draw(x * np.nan, x, {"result": "invalid"})


def from_the_left(*args: Any, **constants: Any) -> Any:
    """The hinge counts as active where it is exactly 0."""
    return loss(*args, **constants, at_kink=1.0)
