"""Soft attention as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.attention._scores import (
    average_of_row,
    booleans,
    is_stated,
    normal,
    row_draws,
    softmax_of,
    undefined,
    weights_of_row,
)
from validation.exact.draws import Draw, short
from validation.exact.number import number


def context(scores: Any, v: Any, gate: Any = None, *, mask: Any = None, empty_row: str = "zero") -> Any:
    """beta_t sum_i softmax_i(e_t) a_i, over the attended locations i.

    Source: xu-2015, eq. 4 to eq. 6, eq. 13, section 4.2.1
    """
    batch = np.broadcast_shapes(scores.shape[:-2], v.shape[:-2])
    steps, keys = scores.shape[-2:]
    attend = np.broadcast_to(np.broadcast_to(True if mask is None else mask, scores.shape), (*batch, steps, keys))
    e, a = np.broadcast_to(scores, (*batch, steps, keys)), np.broadcast_to(v, (*batch, *v.shape[-2:]))
    beta = np.broadcast_to(np.asarray(number(1.0) if gate is None else gate, dtype=object), (*batch, steps))
    result = np.empty((*batch, steps, v.shape[-1]), dtype=object)
    for row in np.ndindex((*batch, steps)):
        own = {j: e[row][j] for j in range(keys) if attend[row][j] and not is_stated(e[row][j], -np.inf)}
        weights = weights_of_row(own, keys, empty_row, softmax_of)
        mean = average_of_row(weights, own, a[row[:-1]], empty_row)
        for d, m in enumerate(mean):
            result[(*row, d)] = undefined(m, beta[row]) if m.stated else beta[row] * m
    return result


def doubly_stochastic_penalty(alpha: Any, *, strength: Any = 1.0, target: Any = 1.0, mask: Any = None) -> Any:
    """lambda sum_i (theta - sum_t alpha_ti)^2.

    Source: xu-2015, eq. 14
    """
    steps = np.broadcast_to(True if mask is None else mask, alpha.shape[:-1])
    result = np.empty(alpha.shape[:-2], dtype=object)
    for b in np.ndindex(result.shape):
        counted = [alpha[b][t] for t in range(alpha.shape[-2]) if steps[b][t]]
        sums = [sum((row[i] for row in counted), number(0)) for i in range(alpha.shape[-1])]
        result[b] = strength * sum(((target - s) ** 2 for s in sums), number(0))
    return result if result.shape else result[()]


def draw_context(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (z, constants, keywords) in enumerate(row_draws(rng)):
        z = np.atleast_2d(z)
        steps, keys = z.shape[-2:]
        v = normal(rng, *z.shape[:-2], keys, 2)
        mask = constants.get("mask")
        if "MASKED_NAN" in keywords.get("flags", ()) and mask is not None and mask.all(axis=0)[0]:
            mask = None
        if i % 3 == 1 and "result" not in keywords:
            yield Draw(
                {"scores": z, "v": v, "gate": short(rng.random((*z.shape[:-2], steps)), 6)}, constants, **keywords
            )
        else:
            yield Draw({"scores": z, "v": v}, constants, **keywords)
    for poison in (np.nan, np.inf, -np.inf):  # annotations that no step attends to
        v = normal(rng, 3, 2)
        v[1] = poison
        rest: dict[str, Any] = {"flags": ("MASKED_NAN",), "difficulty": 4}
        yield Draw({"scores": normal(rng, 2, 3), "v": v}, {"mask": np.array([True, False, True])}, **rest)
        scores = normal(rng, 2, 3)
        scores[:, 1] = -np.inf
        yield Draw({"scores": scores, "v": v, "gate": np.array([0.5, 0.25])}, **rest)
    for shapes in (
        ((2, 3), (2, 3, 2), (2,)),
        ((2, 1, 3), (3, 1), (2, 1)),
        ((2, 3), (3, 3), ()),
        ((1, 2, 2), (3, 2, 1), (1,)),
    ):
        scores, v, gate = (normal(rng, *shape) for shape in shapes)
        yield Draw({"scores": scores, "v": v, "gate": gate}, flags=("BROADCAST",), difficulty=2)


def draw_doubly_stochastic_penalty(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(alpha: Any, constants: Any, i: int, flags: Any = (), **keywords: Any) -> Draw:
        if i % 4 == 0 and constants.get("target", 1.0) == 1.0:
            keywords |= {"result": "ambiguous", "alternatives": {"sixteen_of_196": {"target": 16 / 196}}}
            flags = (*flags, "AMBIGUOUS_CONVENTION")
        return Draw({"alpha": alpha}, constants, flags=flags, **keywords)

    for i in range(42):
        shape = ((3, 2), (2, 4), (1, 3), (2, 2, 3), (5, 2), (4, 1))[i % 6]
        alpha = rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])
        alpha = short(alpha, 6) if i % 2 else alpha
        constants: dict[str, Any] = {} if i % 3 else {"strength": (0.5, 0.25, 2.0)[i // 3 % 3]}
        constants |= {"target": (0.5, 3 / 2, 0.0)[i // 5 % 3]} if i % 5 == 3 else {}
        yield draw(alpha, constants, i)
    for i, gap in enumerate((1e-3, 1e-8, 1e-15, 0.0, 1e-12, 1e-6)):  # sums next to 1
        alpha = np.array([[0.25, 0.5], [0.75 - gap, 0.5 + gap]])
        yield draw(alpha, {}, i, ("CANCELLATION", "NEAR_ROOT"), difficulty=4)
    for i, shape in enumerate(((3,), (1,), (2, 3), (2, 1), (3,), (2, 3))):
        alpha = rng.dirichlet(np.ones(2), size=(2, 3))
        yield draw(alpha, {"mask": booleans(rng, *shape)}, i, difficulty=2)
    for i, poison in enumerate((np.nan, np.inf, -np.inf)):  # padded steps
        alpha = rng.dirichlet(np.ones(3), size=3)
        alpha[2] = poison
        yield draw(alpha, {"mask": np.array([True, True, False])}, i, ("MASKED_NAN",), difficulty=4)
        yield draw(alpha[None], {"mask": np.array([[True, False, False]]), "strength": 0.5}, i, ("MASKED_NAN",))
    for i, shape in enumerate(((0, 3), (2, 0), (2, 0, 3), (0, 2, 3))):
        yield draw(np.zeros(shape), {}, i, ("EMPTY_ROW",), difficulty=2)
    yield draw(rng.dirichlet(np.ones(3), size=2), {"mask": np.array([False, False])}, 1, ("EMPTY_ROW", "FULLY_MASKED"))
    for size in (1e3, 1e100, 1e-100):
        yield draw(size * normal(rng, 2, 3), {}, 1, ("OVERFLOW_F32",) if size > 1e40 else (), difficulty=3)
