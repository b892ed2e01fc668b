"""Rotary position embedding as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.attention._scores import normal
from validation.exact.draws import Draw
from validation.exact.number import cos, number, power, sin


def rotate(x: Any, positions: Any, *, base: Any = 10000.0, layout: str = "interleaved") -> Any:
    """Pairs of features turned by m theta_i, theta_i = base^(-2 i / D).

    Source: su-2021, eq. 15 and eq. 34
    """
    width = x.shape[-1]
    m = np.broadcast_to(np.asarray(positions, dtype=object), x.shape[:-1])
    result = np.empty(x.shape, dtype=object)
    for row in np.ndindex(x.shape[:-1]):
        for i in range(width // 2):
            a, b = (i, i + width // 2) if layout == "half" else (2 * i, 2 * i + 1)
            angle = m[row] * power(number(base), number(-2 * i) / width)
            c, s = cos(angle), sin(angle)
            result[(*row, a)] = x[row][a] * c - x[row][b] * s
            result[(*row, b)] = x[row][a] * s + x[row][b] * c
    return result


def draw_rotate(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(i: int, x: Any, positions: Any, flags: Any = (), difficulty: int = 1, **constants: Any) -> Draw:
        layout = ("interleaved", "half")[i % 2]
        if x.shape[-1] < 4:  # of one pair there is one layout
            return Draw({"x": x, "positions": positions}, constants | {"layout": layout}, flags, difficulty)
        other = {("half", "interleaved")[i % 2]: {"layout": ("half", "interleaved")[i % 2]}}
        flags = (*flags, "AMBIGUOUS_CONVENTION")
        rest = constants | {"layout": layout}
        return Draw({"x": x, "positions": positions}, rest, flags, difficulty, "ambiguous", other)

    for i in range(24):
        length, width = 1 + i % 3, (2, 4, 6)[i // 2 % 3]
        yield draw(i, normal(rng, length, width, exact=i < 12), np.arange(float(length)))
    for i, late in enumerate((1e3, 131071.0, 1e6, 2.0**31, 2.0**53 - 1, 1e15, 1e22)):
        for j in (0, 1):
            positions = np.array([late, late + 1.0 if late < 1e15 else -late])
            yield draw(i + j, normal(rng, 2, 4), positions, ("HUGE_PARAMETER",), 4)
    for i, base in enumerate((500000.0, 1e6, 10.0, 1.0, 2.5, 0.5)):
        yield draw(i, normal(rng, 3, (4, 8)[i % 2]), np.array([0.0, 7.0, -1.0]), (), 2, base=base)
    for i, positions in enumerate(([0.5, 1.25], [-3.0, 0.1], [1e-8, 1e-300], [0.0, 0.0], [np.pi, np.pi / 2])):
        yield draw(i, normal(rng, 2, 4), np.array(positions), ("NEAR_ROOT",), 3)
    for i, (shape, of_positions) in enumerate(
        (((2, 3, 4), (3,)), ((2, 3, 4), (2, 1)), ((3, 4), ()), ((2, 1, 2, 2), (2,)))
    ):
        yield draw(i, normal(rng, *shape), normal(rng, *of_positions, size=8.0), ("BROADCAST",), 2)
    for i, size in enumerate((1e-300, 1e300, 1e-160, 1e6)):
        x = size * normal(rng, 2, 4)
        yield draw(i, x, np.array([1.0, 300.0]), ("OVERFLOW_F32",) if size > 1e40 else (), 3)
    for shape in ((0, 4), (2, 0)):
        yield draw(0, np.zeros(shape), np.arange(float(shape[0])), ("EMPTY_ROW",), 2)
    for i, gap in enumerate((1e-3, 1e-9)):  # a turn by which one component nearly vanishes
        yield draw(i, np.array([[np.sin(1.0) + gap, np.cos(1.0), 1.0, 0.0]]), np.array([1.0]), ("CANCELLATION",), 4)
