"""Expectations over all paths as they are defined: a sum over the paths."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.attention._choices import finite, open_positions, probabilities
from validation.exact.distributions._rows import all_of, total
from validation.exact.draws import Draw, short
from validation.exact.number import Number


def expected(logits: Any, f: Any) -> Any:
    """sum over paths of prod_t p_t(s_t) f(s).

    Source: xu-2015, section 4.1
    """
    steps, k = logits.shape
    return _over_paths(logits, f, steps, k, lambda before: len(before))


def expected_tree(logits: Any, f: Any) -> Any:
    """sum over paths of prod_t p(s_t | s_1 ... s_{t-1}) f(s).

    Source: xu-2015, section 4.1
    """

    def node(before: tuple[int, ...]) -> int:
        n = 0
        for i in before:
            n = n * k + 1 + i
        return n

    k, steps, left = logits.shape[1], 0, len(logits)
    while left > 0:
        left, steps = left - k**steps, steps + 1
    return _over_paths(logits, f, steps, k, node)


def _over_paths(logits: Any, f: Any, steps: int, k: int, node: Any) -> Any:
    """A path is possible if no step of it has a logit of -inf; a node counts if it is on the way of a path."""
    p = {n: probabilities(row) for n, row in enumerate(logits) if open_positions(row)}
    terms, reached = [], {0}
    for t in range(steps):
        for before in product(range(k), repeat=t):
            if node(before) in p and all(before[j] in open_positions(logits[node(before[:j])]) for j in range(t)):
                reached |= {node((*before, i)) for i in open_positions(logits[node(before)]) if t + 1 < steps}
    if any(n not in p for n in reached):
        return all_of(nan, logits, f)
    for path, value in zip(product(range(k), repeat=steps), f, strict=True):
        nodes = [node(path[:t]) for t in range(steps)]
        if all(n in p and i in open_positions(logits[n]) for n, i in zip(nodes, path, strict=True)):
            if not finite(value):
                return all_of(nan, logits, f)
            chance = Number(1)
            for n, i in zip(nodes, path, strict=True):
                chance = chance * p[n][i]
            terms.append(chance * value)
    return total(terms)


def _draws(rng: np.random.Generator, tree: bool) -> Iterator[Draw]:
    def rows(steps: int, k: int) -> int:
        return sum(k**t for t in range(steps)) if tree else steps

    def draw(z: Any, f: Any, **why: Any) -> Draw:
        return Draw({"logits": np.asarray(z), "f": np.asarray(f)}, **why)

    sizes = ((1, 1), (1, 3), (2, 2), (2, 3), (3, 2), (3, 1), (1, 5))
    for i in range(42):
        steps, k = sizes[i % 7]
        yield draw(short(rng.normal(size=(rows(steps, k), k))), short(rng.normal(size=k**steps) * 2))
    for i, scale in enumerate((1e-9, 1e-3, 3.0, 10.0, 30.0, 100.0)):
        steps, k = ((2, 2), (2, 3))[i % 2]
        z, f = scale * rng.normal(size=(rows(steps, k), k)), rng.normal(size=k**steps)
        flags = ("SATURATION", "LARGE_LOGITS") if scale > 1 else ("CANCELLATION",)
        yield draw(z, f, flags=flags, difficulty=3)
        yield draw(z, 3 + 1e-9 * f, flags=("CANCELLATION",), difficulty=4)
    for steps, k in ((2, 2), (3, 2), (2, 3)):
        f = short(rng.normal(size=k**steps))
        yield draw(np.zeros((rows(steps, k), k)), f, flags=("TIE",))
        z = short(rng.normal(size=(rows(steps, k), k)))
        z[0, 0] = -inf
        f[: k ** (steps - 1)] = nan
        if tree:
            z[1] = nan  # nothing comes there
        yield draw(z, f, flags=("MASKED_NAN",), difficulty=4)
    for bad in (nan, inf):
        z = short(rng.normal(size=(rows(2, 2), 2)))
        yield draw(z, [0.5, bad, 1.0, 2.0], result="invalid")
        z[-1, 1] = bad
        yield draw(z, [0.5, 0.25, 1.0, 2.0], result="invalid")
    z = np.zeros((rows(2, 2), 2))
    z[1] = -inf
    yield draw(z, np.ones(4), flags=("FULLY_MASKED",), result="undefined")


def draw_expected(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, tree=False)


def draw_expected_tree(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, tree=True)
