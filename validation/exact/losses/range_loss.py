"""The range loss as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses._pairs import hinge, whole, with_labels
from validation.exact.losses._rows import undefined
from validation.exact.number import Number, sqrt


def loss(
    x: Any,
    labels: Any,
    *,
    k: int,
    margin: float,
    intra_weight: float,
    inter_weight: float,
    at_kink: float = 0.0,
    last: bool = False,
    squared: bool = True,
) -> Any:
    """alpha sum_c k / sum_j 1/D_j + beta [M - min |mean_c - mean_c'|^2]_+.

    Source: zhang-2017-range, section 3.2
    """
    if not whole(*x):
        return undefined(*x.ravel())
    groups = [[x[i] for i, y in enumerate(labels) if y == label] for label in sorted(set(labels.tolist()))]
    intra = sum((_harmonic(rows, k, last, squared) for rows in groups), Number(0))
    means = [sum(rows[1:], rows[0]) / len(rows) for rows in groups]
    apart = _descending(means, last, squared)
    inter = hinge(margin - min_first(apart), at_kink) if apart else Number(0)
    return intra_weight * intra + inter_weight * inter


def _squares(rows: list[Any]) -> list[Any]:
    return [
        ((rows[i] - rows[j]) * (rows[i] - rows[j])).sum() for i in range(len(rows)) for j in range(i + 1, len(rows))
    ]


def _harmonic(rows: list[Any], k: int, last: bool, squared: bool) -> Any:
    found = _descending(rows, last, squared)[:k]
    if not found:
        return Number(0)
    if any(d == 0 for d in found):
        return Number(0)
    return len(found) / sum(1 / d for d in found)


def _descending(rows: list[Any], last: bool, squared: bool) -> list[Any]:
    """Squared distances, the largest first; among equals the first pair first, or the last."""
    left, found = [d if squared else sqrt(d) for d in _squares(rows)], []
    if last:
        left.reverse()
    while left:
        best = 0
        for i in range(1, len(left)):
            if left[i] > left[best]:
                best = i
        found.append(left.pop(best))
    return found


def min_first(descending: list[Any]) -> Any:
    """The smallest of a descending list: the first pair among equals."""
    smallest = len(descending) - 1
    while smallest > 0 and descending[smallest - 1] == descending[smallest]:
        smallest -= 1
    return descending[smallest]


from_the_right = partial(loss, at_kink=1.0)
"""The hinge counts as active where it is exactly 0."""
last_pair = partial(loss, last=True)
"""Between equal distances the last pair is taken."""
unsquared = partial(loss, squared=False)
"""The distances themselves, as several codes have them."""


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, labels: Any, **keywords: Any) -> Draw:
        constants = {"k": 2, "margin": 4.0, "intra_weight": 0.5, "inter_weight": 1.0}
        constants |= {name: keywords.pop(name) for name in list(keywords) if name in constants}
        return Draw(with_labels(x, labels), constants, **keywords)

    def vectors(n: int, d: int) -> Any:
        return short(rng.normal(size=(n, d)))

    for i in range(40):
        n, d = rng.integers(2, 7), rng.integers(1, 4)
        margin, k = short(float(rng.uniform(0.5, 8))), int(rng.integers(1, 4))
        yield draw(vectors(n, d), rng.integers(3, size=n) if i % 4 else np.arange(n) % 2, margin=margin, k=k)
    for i in range(4):  # the paper's constants
        x = vectors(5, 3) * (1, 64)[i % 2]
        keywords = {"flags": ("OVERFLOW_F16", "AMBIGUOUS_CONVENTION"), "alternatives": {"unsquared": unsquared}}
        yield draw(x, [0, 0, 0, 1, 1], margin=2e4, intra_weight=5e-5, inter_weight=1e-4, **keywords)
    for gap in (1e-2, 1e-5, 1e-9, 1e-13):  # one distance much smaller than the other, two means together
        x = rng.normal(size=(3, 2))
        x[1] = x[0] + gap * rng.normal(size=2)
        for labels, k in (([0, 0, 0], 3), ([0, 0, 1], 2), ([0, 1, 2], 1)):
            yield draw(x, labels, k=k, flags=("CANCELLATION", "ZERO_DISTANCE"), difficulty=3)
    x = vectors(4, 2)
    for k in (1, 2, 3):  # duplicates
        yield draw(x[[0, 0, 1]], [0, 0, 0], k=k, flags=("ZERO_DISTANCE",))
        yield draw(x[[0, 0, 0, 1]], [0, 0, 0, 1], k=k, flags=("ZERO_DISTANCE",))
        yield draw(x[[0, 0]], [0, 1], k=k, flags=("ZERO_DISTANCE",))
    ties = {"flags": ("TIE",), "result": "ambiguous", "alternatives": {"last_pair": last_pair}, "difficulty": 3}
    square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    for k in (1, 3):
        yield draw(square, [0, 0, 0, 0], k=k, **ties)
    tie = {"flags": ("TIE",), "difficulty": 2}
    yield draw(square, [0, 0, 0, 0], k=2, **tie)  # both diagonals are taken
    yield draw(np.array([[0.0], [1.0], [2.0]]), [0, 1, 2], flags=("TIE",), result="ambiguous", difficulty=3)
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    kink = {"result": "ambiguous", "alternatives": {"from_the_right": from_the_right}, "difficulty": 3}
    yield draw(x, [0, 1], margin=25.0, flags=("KINK",), **kink)
    yield draw(x, [5, 2], margin=26.0)
    for size in (1e-150, 1e25, 1e140):
        x = size * rng.normal(size=(3, 2))
        yield draw(x, [0, 0, 0], flags=("OVERFLOW_F32",), difficulty=3)
        yield draw(x, [0, 0, 1], flags=("OVERFLOW_F32",), difficulty=3)
    for n in (0, 1):
        yield draw(np.ones((n, 2)), [0] * n, flags=("EMPTY_ROW",))
    yield draw(vectors(3, 2), [0, 1, 2], margin=1e3, flags=("EMPTY_ROW",))
    for bad in (np.nan, np.inf):
        x = vectors(3, 2)
        x[1, 0] = bad
        yield draw(x, [0, 0, 1], result="invalid")
        yield draw(x[:2], [0, 1], result="invalid")
