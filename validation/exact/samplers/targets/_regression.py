"""Cases of a linear regression whose last coordinate is the logarithm of the noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short

Parameters = Callable[[np.random.Generator, int, int], dict[str, Any]]


def regressions(rng: np.random.Generator, parameters: Parameters, wide: str, smallest: float) -> Iterator[Draw]:
    """Shapes, then the scalar parameter ``wide`` from ``smallest`` to 1000, then outcomes that are nearly explained."""
    for i in range(40):
        size, chains = i % 3, ((), (3,), (), (1, 2))[i // 3 % 4]
        position = short(rng.normal(size=(*chains, size + 1)) * decades(rng, 0.1, 2), 5)
        yield Draw({"position": position, **parameters(rng, 1 + i % 4, size)})
    for i in range(14):
        position = rng.normal(size=2 + i % 2) * decades(rng, 1e-2, 5)
        given = parameters(rng, 2 + i % 3, 1 + i % 2) | {wide: decades(rng, smallest, 1e3)}
        yield Draw({"position": position, **given}, flags=("HUGE_PARAMETER",), difficulty=3)
    for _ in range(8):
        given = parameters(rng, 2, 1)
        beta = short(rng.normal(), 5)
        given["outcomes"] = given["features"][:, 0] * beta * (1 + decades(rng, 1e-12, 1e-3))
        position = np.array([beta, -decades(rng, 0.1, 20)])
        yield Draw({"position": position, **given}, flags=("CANCELLATION",), difficulty=4)
