"""Luong's local attention as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.attention._scores import (
    average_of_row,
    is_stated,
    normal,
    other_rules,
    row_draws,
    softmax_of,
    undefined,
    weights_of_row,
)
from validation.exact.draws import Draw, short
from validation.exact.number import Number, detached, exp, number, tanh


def monotonic(
    scores: Any,
    v: Any,
    *,
    half_width: Any = 10.0,
    align_over: str = "window",
    mask: Any = None,
    empty_row: str = "zero",
) -> Any:
    """sum_j softmax_j(S_i) v_j over the words j with |j - i| <= D.

    Source: luong-2015, section 3.2, eq. 7
    """

    def factors(row: tuple[int, ...], j: int) -> Any:
        return number(1) if abs(j - row[-1]) <= float(half_width) else None

    return _over_windows(scores, v, factors, align_over, mask, empty_row)


def predictive(
    scores: Any,
    v: Any,
    q: Any,
    w_position: Any,
    v_position: Any,
    lengths: Any = None,
    *,
    half_width: Any = 10.0,
    sigma: Any = None,
    first: int = 1,
    renormalize: bool = False,
    align_over: str = "window",
    mask: Any = None,
    empty_row: str = "zero",
) -> Any:
    """sum_j softmax_j(S_i) exp(-(s_j - p_i)^2 / (2 sigma^2)) v_j, p_i = L sigmoid(v_p . tanh(W_p q_i)).

    Source: luong-2015, section 3.2, eq. 9 and eq. 10
    """
    batch = np.broadcast_shapes(scores.shape[:-2], v.shape[:-2], q.shape[:-2])
    q = np.broadcast_to(q, (*batch, *q.shape[-2:]))
    lengths = np.broadcast_to(scores.shape[-1] if lengths is None else lengths, batch)
    width = half_width / 2 if sigma is None else sigma
    centres: dict[tuple[int, ...], Any] = {}

    def factors(row: tuple[int, ...], j: int) -> Any:
        length = int(lengths[row[:-1]])
        if j >= length:
            return None
        if row not in centres:
            if any(is_stated(x, np.nan) for x in q[row]):
                return undefined(*q[row], *w_position.ravel(), *v_position)
            u = Number(0)
            for w, p in zip(w_position, v_position, strict=True):
                u = u + p * tanh(sum((a * b for a, b in zip(w, q[row], strict=True)), number(0)))
            centres[row] = length / (1 + exp(-u))
        apart = j + first - centres[row]
        if abs(detached(apart)) > half_width:
            return None
        return exp(-(apart * apart) / (2 * width * width))

    return _over_windows(scores, v, factors, align_over, mask, empty_row, renormalize)


def _over_windows(
    scores: Any, v: Any, factor: Any, align_over: str, mask: Any, empty_row: str, renormalize: bool = False
) -> Any:
    """The average of the values with factors times softmax weights; a factor of None: outside the window."""
    batch = np.broadcast_shapes(scores.shape[:-2], v.shape[:-2])
    queries, keys = scores.shape[-2:]
    mask = np.broadcast_to(np.broadcast_to(True if mask is None else mask, scores.shape), (*batch, queries, keys))
    s, v = np.broadcast_to(scores, (*batch, queries, keys)), np.broadcast_to(v, (*batch, *v.shape[-2:]))
    result = np.empty((*batch, queries, v.shape[-1]), dtype=object)
    for row in np.ndindex((*batch, queries)):
        open_words = [j for j in range(keys) if mask[row][j] and not is_stated(s[row][j], -np.inf)]
        inside = {j: f for j in open_words if (f := factor(row, j)) is not None}
        spanned = open_words if align_over == "sentence" and inside else list(inside)
        p = weights_of_row({j: s[row][j] for j in spanned}, keys, empty_row, softmax_of)
        a = [_product(p[j], inside[j]) if j in inside else p[j] for j in range(keys)]
        if renormalize and inside:
            total = sum((a[j] for j in inside), number(0))
            a = [x / total for x in a]
        result[row] = average_of_row(a, inside, v[row[:-1]], empty_row)
    return result


def _product(p: Any, factor: Any) -> Any:
    return undefined(p, factor) if p.stated or factor.stated else p * factor


def draw_monotonic(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (z, constants, keywords) in enumerate(row_draws(rng)):
        z = np.atleast_2d(z)
        v = normal(rng, *z.shape[:-2], z.shape[-1], 2)
        width = (1.0, 0.0, 2.0, 10.0, 1.5)[i % 5]
        if "FULLY_MASKED" in keywords.get("flags", ()):
            width = 10.0
        span = ("window", "sentence")[i % 3 == 1]
        if not {"result", "alternatives"} & set(keywords):
            other = {"other_span": {"align_over": ("sentence", "window")[i % 3 == 1]}}
            keywords = keywords | {"result": "ambiguous", "alternatives": other}
            keywords["flags"] = (*keywords.get("flags", ()), "AMBIGUOUS_CONVENTION")
        if keywords.get("result") == "invalid":
            width, span = 10.0, "window"
        if "MASKED_NAN" in keywords.get("flags", ()) and "alternatives" in keywords and not np.isfinite(z).all():
            keywords = {k: w for k, w in keywords.items() if k != "alternatives"} | {"result": "required"}
        yield Draw({"scores": z, "v": v}, constants | {"half_width": width, "align_over": span}, **keywords)
    for width in (0.0, 1.0, 2.0):  # past the end of the sentence no word is left
        yield Draw({"scores": normal(rng, 4, 2), "v": normal(rng, 2, 2)}, {"half_width": width}, ("EMPTY_ROW",), 2)
    for poison in (np.nan, np.inf, -np.inf):  # outside the windows of all rows but one
        scores, v = normal(rng, 2, 4), normal(rng, 4, 2)
        scores[:, 3], v[3] = poison, poison
        yield Draw({"scores": scores, "v": v}, {"half_width": 1.0}, ("MASKED_NAN",), 4)
    for shapes in (((2, 3), (2, 3, 2)), ((2, 2, 3), (3, 1))):
        scores, v = (normal(rng, *shape) for shape in shapes)
        yield Draw({"scores": scores, "v": v}, {"half_width": 1.0}, ("BROADCAST",), 2)


def draw_predictive(rng: np.random.Generator) -> Iterator[Draw]:
    def arrays(n: int = 2, m: int = 4, size: float = 1.0, exact: bool = True, shift: float = 0.0) -> dict[str, Any]:
        found = {"scores": normal(rng, n, m, size=size, exact=exact), "v": normal(rng, m, 2, exact=exact)}
        found |= {"q": shift + normal(rng, n, 2, exact=exact), "w_position": normal(rng, 2, 2, exact=exact)}
        return found | {"v_position": normal(rng, 2, exact=exact)}

    for i in range(18):
        constants: dict[str, Any] = {"half_width": (1.0, 2.0, 10.0)[i % 3], "renormalize": i % 4 == 3}
        constants |= {"align_over": ("window", "sentence")[i % 5 == 4]} | ({"sigma": 0.75} if i % 6 == 5 else {})
        change: dict[str, dict[str, Any]] = (
            {"from_zero": {"first": 0}}
            if i % 2
            else {
                "renormalized": {"renormalize": not constants["renormalize"]},
                "other_span": {"align_over": ("sentence", "window")[i % 5 == 4]},
            }
        )
        flags = ("AMBIGUOUS_CONVENTION",)
        yield Draw(arrays(1 + i % 3, 2 + i % 4), constants, flags, 1 + (i > 8), "ambiguous", change)
    for i, size in enumerate((0.01, 0.3, 3.0, 10.0, 30.0, 1e3) * 2):
        flags = ("LARGE_LOGITS",) if size > 20 else ()
        constants = {"half_width": (1.5, 10.0)[i % 2], "renormalize": i % 3 == 2, "first": i % 2}
        yield Draw(arrays(size=size, exact=False), constants, flags, 3)
    for i, shift in enumerate((4.0, -4.0, 30.0, -30.0)):  # the tangents, and with large weights the sigmoid, saturate
        for scale in (1.0, 16.0):
            drawn = arrays(shift=shift)
            drawn["w_position"] = np.abs(drawn["w_position"])
            drawn["v_position"] = drawn["v_position"] * scale
            constants = {"half_width": 2.0, "renormalize": i % 2 == 1}
            yield Draw(drawn, constants, ("SATURATION",), 4)
    for m in (1, 2, 3, 4, 5):  # a centre of exactly m / 2: words on both ends of the window
        drawn = arrays(2, m)
        drawn["v_position" if m % 2 else "q"][:] = 0
        for first in (0, 1):
            constants = {"half_width": (0.5, 1.0)[m % 2 == 0], "first": first}
            yield Draw(drawn, constants, ("KINK", "SUPPORT_EDGE"), 3)
    for sigma in (0.05, 0.2, 5.0):
        drawn = arrays()
        yield Draw(drawn, {"half_width": 3.0, "sigma": sigma, "renormalize": sigma < 0.1}, (), 3)
    for i, lengths in enumerate((1, 2, 3, 4, 0)):
        drawn = arrays() | {"lengths": np.array(lengths)}
        drawn["scores"][:, lengths:], drawn["v"][lengths:] = np.nan, np.nan
        yield Draw(drawn, {"half_width": 2.0, "renormalize": i % 2 == 1}, ("MASKED_NAN",), 4)
    drawn = {name: np.stack([a, a]) if name in ("scores", "v", "q") else a for name, a in arrays().items()}
    yield Draw(drawn | {"lengths": np.array([4, 2])}, {"half_width": 2.0}, ("BROADCAST",), 3)
    drawn = arrays()
    drawn["scores"] = np.stack([drawn["scores"], drawn["scores"][::-1]])
    yield Draw(drawn, {"half_width": 2.0}, ("BROADCAST",), 3)
    for i, rule in enumerate(("zero", "nan", "mean")):
        for renormalize in (False, True):
            constants = {"half_width": 10.0, "empty_row": rule, "renormalize": renormalize}
            constants |= {"mask": np.array([[True, False, True, True], [False] * 4])}
            flags = ("EMPTY_ROW", "FULLY_MASKED")
            yield Draw(arrays(), constants, flags, 3, alternatives=other_rules(rule))
        mask = np.array([[True, True, False, i > 0]])
        yield Draw(arrays(), {"half_width": 3.0, "mask": mask}, (), 2)
    drawn = arrays() | {"v_position": short(normal(rng, 2, size=60.0))}
    yield Draw(drawn, {"half_width": 0.25, "empty_row": "zero"}, ("EMPTY_ROW", "SATURATION"), 3)
    for rest in ({}, {"mask": np.array([[True], [False]]), "empty_row": "mean"}):  # a state that is not a number
        drawn = arrays()
        drawn["q"][1, 0] = np.nan
        known = {"flags": ("MASKED_NAN", "EMPTY_ROW"), "difficulty": 4} if rest else {"result": "invalid"}
        yield Draw(drawn, {"half_width": 2.0} | rest, **known)
