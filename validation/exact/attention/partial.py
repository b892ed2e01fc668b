"""Attention to parts of the keys and their merge as they are defined."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.attention.partial import Part
from validation.exact.attention import dot_product
from validation.exact.attention._scores import is_stated, normal
from validation.exact.draws import Draw
from validation.exact.number import exp, log, number, stated


def attention(
    q: Any,
    k: Any,
    v: Any,
    bias: Any = None,
    *,
    keep_mask: Any = None,
    keep_probability: float = 1,
    **constants: Any,
) -> Part:
    """O_i = sum_j softmax_j(S_ij) Z_ij v_j / rho and l_i = log sum_j exp(S_ij), over the attended keys j.

    Source: dao-2023, section 3.1.1
    """
    kept = {"keep_mask": keep_mask, "keep_probability": keep_probability}
    return Part(
        dot_product.attention(q, k, v, bias, **kept, **constants), dot_product.log_sum_exp(q, k, bias, **constants)
    )


def merge(output: Any, log_sum_exp: Any) -> Part:
    """l = log sum_s exp(l_s) and O = sum_s exp(l_s - l) O_s, over the parts s that have keys.

    Source: liu-2023, section 3
    """
    rows, width = log_sum_exp.shape[1:], output.shape[-1]
    values, logs = np.full((*rows, width), number(0), dtype=object), np.full(rows, stated(-inf), dtype=object)
    for row in np.ndindex(*rows):
        parts = [s for s in range(len(log_sum_exp)) if not is_stated(log_sum_exp[(s, *row)], -inf)]
        if parts:
            e = [exp(log_sum_exp[(s, *row)]) for s in parts]
            total = sum(e, number(0))
            logs[row] = log(total)
            for d in range(width):
                terms = (x * output[(s, *row, d)] for s, x in zip(parts, e, strict=True))
                values[(*row, d)] = sum(terms, number(0)) / total
    return Part(values, logs)


def draw_attention(rng: np.random.Generator) -> Iterator[Draw]:
    for draw in dot_product.draw_attention(rng):
        if draw.constants.get("empty_row", "zero") == "zero":
            constants = {name: c for name, c in draw.constants.items() if name != "empty_row"}
            others = {n: c for n, c in draw.alternatives.items() if "empty_row" not in c}
            yield Draw(draw.arguments, constants, draw.flags, draw.difficulty, "required", others)


def draw_merge(rng: np.random.Generator) -> Iterator[Draw]:
    def drawn(shape: tuple[int, ...], width: int, size: float = 1.0, exact: bool = True) -> dict[str, Any]:
        logs = normal(rng, *shape, size=size, exact=exact)
        return {"output": normal(rng, *shape, width, exact=exact), "log_sum_exp": logs}

    for shape in ((2,), (1,), (3, 2), (2, 1, 3), (4, 2)):
        for width in (1, 2):
            for size in (0.3, 3.0):
                yield Draw(drawn(shape, width, size))
    for size in (1e-6, 0.1, 1.0, 10.0, 30.0):
        for _ in range(2):
            yield Draw(drawn((3, 2), 2, size, exact=False), difficulty=2)
    for size in (100.0, 1e4):
        for _ in range(2):
            yield Draw(drawn((3, 2), 2, size), {}, ("LARGE_LOGITS", "SATURATION"), 3)
        level = drawn((2, 2), 2)
        for side in (size, -size):
            yield Draw(level | {"log_sum_exp": side + level["log_sum_exp"]}, {}, ("LARGE_LOGITS",), 4)
    for level in (0.0, -3.0, 64.0, 1e4):
        yield Draw(drawn((3,), 2) | {"log_sum_exp": np.full(3, level)}, {}, ("TIE",), 2)
    for gap in (5.0, 20.0, 36.0, 40.0, 300.0, 700.0):
        yield Draw(drawn((2,), 2) | {"log_sum_exp": np.array([gap, 0.0])}, {}, ("CANCELLATION", "SATURATION"), 4)
    for offset in (0.0, 1e-3, 1e-9):  # log(1/2 + 1/2) and its neighbourhood
        logs = np.array([-np.log(2), -np.log(2) + offset])
        yield Draw(drawn((2,), 1) | {"log_sum_exp": logs}, {}, ("NEAR_ROOT", "CANCELLATION"), 3)
    for poison in (0.5, nan, inf, -inf):  # of a part without keys
        for place in (0, 2):
            arrays = drawn((3, 2), 2)
            arrays["log_sum_exp"][place, 1], arrays["output"][place, 1] = -inf, poison
            yield Draw(arrays, {}, ("EMPTY_ROW",) if poison == 0.5 else ("EMPTY_ROW", "MASKED_NAN"), 3)
    for shape in ((2, 2), (1, 1)):
        arrays = drawn(shape, 2)
        arrays["log_sum_exp"][:, 0], arrays["output"][:, 0] = -inf, 0.0
        yield Draw(arrays, {}, ("EMPTY_ROW", "FULLY_MASKED"), 3)
    yield Draw({"output": np.zeros((0, 2, 1)), "log_sum_exp": np.zeros((0, 2))}, {}, ("EMPTY_ROW",), 2)
    for same in (1.0, 1e3):  # parts with the same average
        yield Draw(drawn((2, 2), 1) | {"output": np.full((2, 2, 1), same)}, {}, ("CANCELLATION", "TIE"), 3)
