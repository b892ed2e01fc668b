"""Sparsemax by its closed form: scores less a threshold, where they are above it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from validation.exact.attention._scores import normal, over_rows, row_draws
from validation.exact.draws import Draw
from validation.exact.number import number


def sparsemax(z: Any, *, mask: Any = None, empty_row: str = "zero", edge: bool = False) -> Any:
    """p = max(0, z - tau), where the weights sum to 1.

    Source: martins-2016, eq. 2 and eq. 3
    """
    return over_rows(z, mask, empty_row, partial(_projected, edge=edge))


def edge_in_support(*args: Any, **constants: Any) -> Any:
    """An entry with weight exactly 0 on the threshold counts as part of the support."""
    return sparsemax(*args, **constants, edge=True)


def _projected(z: dict[int, Any], edge: bool) -> dict[int, Any]:
    support = []
    for i in z:
        excess = sum((z[j] - z[i] for j in z if z[j] > z[i]), number(0))
        if excess < 1 or (edge and excess == 1):
            support.append(i)
    tau = (sum((z[i] for i in support), number(0)) - 1) / len(support)
    return {i: z[i] - tau for i in support}


def edge_draws() -> Iterator[tuple[np.ndarray, tuple[str, ...]]]:
    """Entries on the edge of the support, and a last bit on either side of it."""
    for row in ([0.0, -1.0], [0.5, -0.5, -2.0], [0.25, -0.5, 0.0], [1.0, 1.0, 0.5], [3.0, 2.0, 2.0]):
        yield np.array(row), ("KINK", "TIE")
    for row in ([0.3, -0.7], [0.1, -0.9], [0.7, 0.3, 0.0], [0.2, -0.8, -0.8], [0.9, -0.1, -3.0], [1.1, 0.1]):
        yield np.array(row), ("CANCELLATION",)
    for below in (0.0, -1.0, -4.0):
        for sign in (-1.0, 1.0):
            yield np.array([below, np.nextafter(below - 1, sign * np.inf)]), ("CANCELLATION",)
    for size in (1e-17, 1e-30, 5e-324):
        yield np.array([size, -1.0, -2.0]), ("CANCELLATION",)
        yield np.array([-size, -1.0, -2.0]), ("CANCELLATION",)


def draw_sparsemax(rng: np.random.Generator) -> Iterator[Draw]:
    for z, constants, keywords in row_draws(rng):
        yield Draw({"z": z}, constants, **keywords)
    for z, flags in edge_draws():
        chosen = {"result": "ambiguous", "alternatives": {"edge_in_support": edge_in_support}}
        yield Draw({"z": z}, flags=flags, difficulty=5, **(chosen if "KINK" in flags else {}))
    yield Draw({"z": normal(rng, 2, 40, size=0.1)}, difficulty=2)
