"""Sampling without replacement as it is defined."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.attention._choices import logits as rows_of_logits
from validation.exact.attention._choices import open_positions, order, spoilt, unit
from validation.exact.distributions._rows import all_of, rowwise, total, vector
from validation.exact.draws import Draw, short
from validation.exact.number import Number, exp, log


def sample(logits: Any, u: Any, *, k: int) -> Any:
    """The k largest z_i - log(-log u_i), in their order.

    Source: kool-2019-beams, section 2.3
    """

    @rowwise("(n),(n)->(k)")
    def places(z: Any, v: Any) -> Any:
        at = open_positions(z)
        found = order(z, v) if at and unit([v[i] for i in at]) else []
        return vector([*found, *[-1] * k][:k])

    return np.asarray(places(logits, u)).astype(np.int64)


@rowwise("(n),(k)->()")
def log_prob(logits: Any, indices: Any) -> Any:
    """sum_j log of the share of s_j among what the draws before it have left.

    Source: kool-2019-beams, section 2.3
    """
    left = open_positions(logits)
    if not left:
        return all_of(nan, logits)
    value = Number(0)
    for s in map(int, indices):
        if s not in left:
            return all_of(-inf, logits)
        if len(left) > 1:
            value = value - log(total(exp(logits[i] - logits[s]) if i != s else Number(1) for i in left))
        left.remove(s)
    return value


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (z, why) in enumerate(rows_of_logits(rng)):
        u = rng.uniform(size=(2, z.size))
        yield Draw({"logits": z, "u": np.where(z > -inf, u, nan)}, {"k": 1 + i % z.size}, **why)
    for z, u in (([0.5, 0.5], [0.25, 0.25]), ([0.0, 1.0, 1.0], [0.5] * 3), ([-inf, 1.0, 1.0], [0.75] * 3)):
        yield Draw({"logits": np.array(z), "u": np.array(u)}, {"k": 2}, flags=("TIE",), difficulty=3)
    for u in (2.0**-53, 1e-300, 1 - 2.0**-53):
        arguments = {"logits": np.array([0.5, 0.0, 0.25]), "u": np.array([u, 0.5, 0.25])}
        yield Draw(arguments, {"k": 3}, flags=("SATURATION",), difficulty=3)
    for u in (0.0, 1.0, -0.5, nan):
        yield Draw({"logits": np.zeros(2), "u": np.array([0.5, u])}, {"k": 1}, result="invalid")
    for z in spoilt([0.5, 1.0]):
        yield Draw({"logits": z, "u": np.full(2, 0.5)}, {"k": 2}, flags=("FULLY_MASKED",), result="undefined")
    arguments = {"logits": short(rng.normal(size=(2, 1, 3))), "u": rng.uniform(size=(2, 3))}
    yield Draw(arguments, {"k": 2}, flags=("BROADCAST",))


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (z, why) in enumerate(rows_of_logits(rng)):
        places = rng.permutation(z.size)
        if i % 2:
            places = places[np.argsort(~(z[places] > -inf), kind="stable")]
        yield Draw({"logits": z, "indices": places[: 1 + i % z.size]}, **why)
    for places in ([0, 0], [3], [-1], [1, 2, 1], [0, 1, 2, 0]):
        yield Draw({"logits": np.array([0.5, 1.0, -0.25]), "indices": np.array(places)}, flags=("OUT_OF_SUPPORT",))
    yield Draw({"logits": np.array([0.5, 1.0]), "indices": np.zeros(0, dtype=np.int64)}, flags=("EMPTY_ROW",))
    for gap in (30.0, 40.0, 300.0):
        for places in ([0, 1, 2], [2, 1, 0], [1]):
            z = np.array([gap, 0.5, -gap])
            yield Draw({"logits": z, "indices": np.array(places)}, flags=("SATURATION",), difficulty=3)
    arguments = {"logits": short(rng.normal(size=(2, 1, 3))), "indices": np.array([[0, 2], [1, 0]])}
    yield Draw(arguments, flags=("BROADCAST",))
    for z in spoilt([0.5, 1.0]):
        yield Draw({"logits": z, "indices": np.array([0, 1])}, flags=("FULLY_MASKED",), result="undefined")
