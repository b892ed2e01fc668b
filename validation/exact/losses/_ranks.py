"""What the definitions of the losses of ranks and histograms share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.losses._pairs import batch, whole, with_labels
from validation.exact.losses.unified import batch_draws
from validation.exact.number import Number


def directed(x: Any) -> bool:
    """Whether every row has a direction."""
    return whole(*x) and all(any(v != 0 for v in row) for row in x)


def triangles(t: Any, bins: int, at_node: str = "right") -> dict[int, Any]:
    """The weights max(0, 1 - |t - r|) of the nodes r that are not 0, and the next one with its slope.

    ``at_node`` says which one-sided derivative holds where t is a node: "right", "left" or "none", which is 0.
    """
    r = max(k for k in range(bins) if k == 0 or t >= k)
    if at_node == "left" and r > 0 and t == r:
        return {r - 1: r - t, r: 1 + (t - r)}
    if at_node == "none" and t == r:
        return {r: Number(1)}
    return {r: 1 - (t - r), r + 1: t - r}


def histogram(positions: list[Any], bins: int, at_node: str = "right") -> list[Any]:
    """The sum of the triangles of all positions at the nodes 0..bins."""
    h: list[Any] = [Number(0)] * (bins + 1)
    for t in positions:
        for r, weight in triangles(t, bins, at_node).items():
            h[r] = h[r] + weight
    return h


def at_nodes(rng: np.random.Generator) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Right angles: cosines of exactly 0, a node for an even number of bins."""
    flags = {"flags": ("KINK", "TIE"), "difficulty": 3}
    right = np.array([[1.0, 2.0], [-2.0, 1.0], [3.0, 1.0], [2.0, 4.0], [-1.0, 3.0]])
    for labels in ([0, 0, 1, 1, 1], [0, 1, 1, 0, 0], [0, 1, 0, 1, 0]):
        yield with_labels(right, labels), flags
    yield with_labels(np.eye(3)[[0, 1, 2, 0]], [0, 0, 1, 1]), flags
    yield with_labels([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], [0, 0, 1, 1]), flags


def cases(rng: np.random.Generator) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The special cases of losses of cosines, and generic ones, with larger classes and more of them.

    Those have D >= 3: in the plane two rows are often almost parallel and at right angles to a third, and gradients
    that are differences of their directions are worse than their condition numbers say.
    """
    yield batch(rng, 5, 3, 2), {}
    for case in batch_draws(rng):
        if case[1]:
            yield case
    for i in range(21):
        yield batch(rng, int(rng.integers(3, 5)), int(rng.integers(3, 5)), 2 + i % 2), {}
    for n, classes in ((4, 1), (5, 3), (6, 4)):
        yield batch(rng, n, 3, classes), {}
