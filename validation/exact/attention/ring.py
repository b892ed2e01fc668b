"""Attention over a block of keys with its normaliser, and the merge of blocks: plain exponentials over their sum."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.attention.ring import Partial
from validation.exact.attention import dot_product
from validation.exact.attention._scores import seen, softmax_of, undefined, weights_of_row
from validation.exact.draws import Draw, short
from validation.exact.number import exp, log, number, stated


def part(q: Any, k: Any, v: Any, bias: Any = None, **constants: Any) -> Partial:
    """O_i = sum_j softmax_j(S_ij) Z_ij v_j / rho and l_i = log sum_j exp(S_ij), over the attended keys j.

    Source: dao-2023, section 3.1.1
    """
    keys, queries, place = k.shape[-2], q.shape[-2], constants.pop("place", 0)
    of_softmax = {name: constants.pop(name) for name in ("keep_mask", "keep_probability") if name in constants}
    near = seen(queries, keys, place, constants.pop("causal", False), constants.pop("window", None))
    mask = constants.pop("mask", None)
    constants["mask"] = near if mask is None else near & mask
    output = dot_product.attention(q, k, v, bias, **constants, **of_softmax)
    return Partial(output, dot_product.log_sum_exp(q, k, bias, **constants))


def merge(output: Any, log_sum_exp: Any) -> Partial:
    """O = sum_p exp(l_p) O_p / sum_p exp(l_p) and l = log sum_p exp(l_p), over the parts that saw a key.

    Source: dao-2023, section 3.1.1; over several machines liu-2023
    """
    parts, *rows, width = output.shape
    outputs, sums = np.empty((*rows, width), dtype=object), np.empty(tuple(rows), dtype=object)
    for row in np.ndindex(*rows):
        scores = {p: log_sum_exp[(p, *row)] for p in range(parts)}
        attended = {p: s for p, s in scores.items() if float(s) != -inf}
        bad = not all(np.isfinite(float(s)) for s in attended.values())
        weights = weights_of_row(scores, parts, "zero", softmax_of)
        for d in range(width):
            values = [output[(p, *row, d)] for p in attended]
            terms = [weights[p] * x for p, x in zip(attended, values, strict=True)]
            outputs[(*row, d)] = undefined(*attended.values(), *values) if bad else sum(terms, number(0))
        if bad:
            sums[row] = undefined(*attended.values())
        else:
            sums[row] = log(sum((exp(s) for s in attended.values()), number(0))) if attended else stated(-inf)
    return Partial(outputs, sums)


def draw_part(rng: np.random.Generator) -> Iterator[Draw]:
    """The cases of attention, of which every second block lies elsewhere in the sentence."""
    for i, draw in enumerate(dot_product.draw_attention(rng)):
        constants = dict(draw.constants)
        rule, alignment = constants.pop("empty_row", "zero"), constants.pop("alignment", "top_left")
        queries, keys = draw.arguments["q"].shape[-2], draw.arguments["k"].shape[-2]
        if rule == "zero" and constants.keys().isdisjoint(("query_mask", "softcap_order")) and (keys or i % 2):
            if constants.get("causal") or "window" in constants:
                moved = 0 if "MASKED_NAN" in draw.flags else i % 2
                constants["place"] = (keys - queries if alignment == "bottom_right" else 0) + moved
            yield Draw(draw.arguments, constants, draw.flags, draw.difficulty)
    for place in (-4, -2, -1, 1, 2):
        arrays = {name: short(rng.normal(size=(1, n, 2)), 6) for name, n in (("q", 3), ("k", 2), ("v", 2))}
        flags = ("ALIGNMENT", "EMPTY_ROW") if place < 0 else ("ALIGNMENT",)
        yield Draw(arrays, {"causal": True, "place": place}, flags, difficulty=2)
        yield Draw(arrays, {"window": (1, 1), "place": place}, ("ALIGNMENT", "EMPTY_ROW"), difficulty=2)
    for shape in ((1,), (2, 1), ()):  # a bias that is one number for all keys moves the log-sum-exp alone
        arrays = {name: short(rng.normal(size=(1, n, 2)), 6) for name, n in (("q", 2), ("k", 3), ("v", 3))}
        yield Draw(arrays | {"bias": short(rng.normal(size=shape), 6)}, flags=("BROADCAST",), difficulty=3)


def draw_merge(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(parts: int, rows: tuple[int, ...], sums: Any = None, width: int = 2, **keywords: Any) -> Draw:
        output = short(rng.normal(size=(parts, *rows, width)), 6)
        sums = short(4 * rng.normal(size=(parts, *rows)), 6) if sums is None else np.asarray(sums, dtype=float)
        return Draw({"output": output, "log_sum_exp": sums}, **keywords)

    for i in range(20):
        yield draw(1 + i % 4, ((), (1,), (2,), (1, 2))[i // 5], width=1 + i % 3)
    for i in range(6):  # of any digits
        output, sums = rng.normal(size=(3, 2, 2)), 10.0 ** (i - 3) * rng.normal(size=(3, 2))
        yield Draw({"output": output, "log_sum_exp": sums}, difficulty=2)
    for top in (0.0, 1e4, -1e4, 2.0**-20):
        yield draw(3, (1,), [[top]] * 3, flags=("TIE", "LARGE_LOGITS") if abs(top) > 1 else ("TIE",), difficulty=2)
        yield draw(2, (1,), [[top], [top + 0.25]], flags=("LARGE_LOGITS",) if abs(top) > 1 else (), difficulty=2)
    for gap in (5.0, 20.0, 36.0, 40.0, 100.0, 300.0):
        for top in (0.0, 500.0):
            yield draw(
                3, (1,), [[top - gap], [top], [top - gap - 1]], flags=("SATURATION", "CANCELLATION"), difficulty=4
            )
    for gap in (1e3, 1e5, 1e300):  # nothing is left of the lower part
        yield draw(2, (1,), [[gap], [-gap]], flags=("LARGE_LOGITS", "SATURATION"), difficulty=3)
    for rows in ([[-inf], [0.5]], [[0.5], [-inf], [1.5]], [[-inf]], [[-inf], [-inf]], [[-inf, 2.0], [-inf, 1.0]]):
        yield draw(len(rows), (len(rows[0]),), rows, flags=("EMPTY_ROW",), difficulty=3)
        hard = draw(len(rows), (len(rows[0]),), rows, flags=("EMPTY_ROW", "MASKED_NAN"), difficulty=4)
        hard.arguments["output"][np.isneginf(hard.arguments["log_sum_exp"])] = (nan, inf)
        yield hard
    yield draw(0, (2,), flags=("EMPTY_ROW",), difficulty=3)
    yield draw(2, (0,), difficulty=2)
    yield draw(2, (2,), width=0, difficulty=2)
    for offset in (0.0, 1e-3, 1e-9):  # log(1/2 + 1/2) and its neighbourhood
        yield draw(2, (1,), [[-np.log(2)], [-np.log(2) + offset]], flags=("NEAR_ROOT",), difficulty=3)
    for gap in (20.0, 40.0, 300.0, 700.0):  # log(1 + e^-gap)
        yield draw(2, (1,), [[0.0], [-gap]], flags=("CANCELLATION",), difficulty=3)
    for size in (1e3, 1e8):  # averages with much in common
        common = draw(3, (2,), flags=("CANCELLATION",), difficulty=4)
        common.arguments["output"][:] += size
        yield common
    for bad in (nan, inf):
        yield draw(2, (2,), [[bad, 1.0], [0.5, 2.0]], result="invalid")
