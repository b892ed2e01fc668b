"""ALiBi as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.attention._scores import normal
from validation.exact.draws import Draw
from validation.exact.number import number


def bias(slopes: Any, *, queries: int, keys: int, alignment: str = "top_left", distance: str = "signed") -> Any:
    """-m_h (i - j).

    Source: press-2022, section 3
    """
    result = np.empty((*slopes.shape, queries, keys), dtype=object)
    for *h, i, j in np.ndindex(result.shape):
        back = i + (keys - queries if alignment == "bottom_right" else 0) - j
        result[(*h, i, j)] = -slopes[tuple(h)] * number(abs(back) if distance == "absolute" else back)
    return result


def draw_bias(rng: np.random.Generator) -> Iterator[Draw]:
    shapes = ((1, 1, 1), (2, 3, 3), (1, 2, 4), (4, 4, 2), (3, 1, 5), (2, 3, 2), (1, 5, 5), (2, 4, 1))
    for i in range(56):
        heads, queries, keys = shapes[i % 8]
        alignment = ("top_left", "bottom_right")[i // 8 % 2]
        distance = ("signed", "absolute")[i // 16 % 2]
        slopes = 2.0 ** (-8 * np.arange(1, heads + 1) / heads) if i % 3 else normal(rng, heads, exact=i < 20)
        constants: dict[str, Any] = {"queries": queries, "keys": keys, "alignment": alignment, "distance": distance}
        other = {"other_distance": {"distance": ("absolute", "signed")[i // 16 % 2]}}
        if queries != keys:
            other["other_alignment"] = {"alignment": ("bottom_right", "top_left")[i // 8 % 2]}
        flags = ("ALIGNMENT", "AMBIGUOUS_CONVENTION") if queries != keys else ("AMBIGUOUS_CONVENTION",)
        yield Draw({"slopes": slopes}, constants, flags, 1 + i // 16, "ambiguous", other)
    for i, slopes in enumerate((1e-300, 1e300, 5e-324, 0.0, -0.5, 1.0)):
        constants = {"queries": 3, "keys": 2 + i % 3}
        yield Draw({"slopes": np.array([slopes, 0.5])}, constants, ("SUBNORMAL",) if slopes == 5e-324 else (), 3)
    for shape in ((2, 2), (1, 3), (0,), (2, 0)):
        yield Draw({"slopes": normal(rng, *shape)}, {"queries": 2, "keys": 3}, ("BROADCAST",), 2)
    for queries, keys in ((0, 2), (2, 0)):
        yield Draw({"slopes": normal(rng, 2)}, {"queries": queries, "keys": keys}, ("EMPTY_ROW",), 2)
