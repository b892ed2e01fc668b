"""The estimates of several samples as they are defined."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.attention._choices import (
    finite,
    inverse,
    open_positions,
    probabilities,
    score,
    spoilt,
    undefined_row,
    unit,
)
from validation.exact.attention._choices import logits as rows_of_logits
from validation.exact.distributions._rows import rowwise, total, vector
from validation.exact.draws import Draw, short
from validation.exact.number import Number, exp, log, number


@rowwise("(k),(m),(m)->(k)")
def score_function(logits: Any, u: Any, reward: Any) -> Any:
    """sum_{m < j} (r_m - r_j) (e_{s_m} - e_{s_j}) / (M (M - 1)).

    Source: mnih-rezende-2016, section 2
    """
    u, reward = np.broadcast_arrays(u, reward)
    if not (open_positions(logits) and unit(u) and finite(reward)):
        return undefined_row(len(logits), logits, u, reward)
    place, count = [inverse(logits, v) for v in u], len(u)
    found = [Number(0)] * len(logits)
    for m in range(count):
        for j in range(m):
            if place[m] != place[j]:
                step = number(reward[m]) - reward[j]
                found[place[m]] = found[place[m]] + step
                found[place[j]] = found[place[j]] - step
    return vector([v / (count * (count - 1)) for v in found])


@rowwise("(k),(m),(m)->(k)")
def vimco(logits: Any, u: Any, log_likelihood: Any) -> Any:
    """sum_m (L - L_-m) (e_{s_m} - p), with the logarithms of M-term means.

    Source: mnih-rezende-2016, section 2
    """
    u, l = np.broadcast_arrays(u, log_likelihood)
    if not (open_positions(logits) and unit(u) and finite(l)):
        return undefined_row(len(logits), logits, u, l)
    p, count = probabilities(logits), len(u)
    found = vector([Number(0)] * len(logits))
    for m in range(count):
        others = [l[j] for j in range(count) if j != m]
        replaced = total(exp(v) for v in others) + exp(total(others) / (count - 1))
        gain = _log_ratio(l, m, others, replaced)
        found = found + gain * score(p, inverse(logits, u[m]))
    return found


def _log_ratio(l: Any, m: int, others: Any, replaced: Any) -> Any:
    if all(float(v) == float(l[m]) for v in others):  # exactly 0, which balls around logarithms do not show
        return total(number(l[m]) - v for v in others) / (len(l) * len(others))
    return log(total(exp(v) for v in l) / replaced)


def draw_samples(rng: np.random.Generator, name: str) -> Iterator[Draw]:
    def draw(z: Any, u: Any, v: Any, **why: Any) -> Draw:
        return Draw({"logits": np.asarray(z), "u": np.asarray(u), name: np.asarray(v)}, **why)

    for i, (z, why) in enumerate(rows_of_logits(rng)):
        count = 2 + i % 3
        v = short(rng.normal(size=count) * 2)
        yield draw(z, rng.uniform(size=count), v, **why)
    for step in (1e-3, 1e-9, 1e-15):  # nearly equal rewards
        v = 1 + step * np.array([0.5, -1.0, 2.0])
        yield draw(short(rng.normal(size=2)), [0.01, 0.5, 0.99], v, flags=("CANCELLATION",), difficulty=4)
    for size in (1e-9, 30.0, 300.0, 800.0):
        for _ in range(2):
            v = size * rng.normal(size=3)
            flags = ("LARGE_LOGITS",) if size > 1 else ("CANCELLATION",)
            yield draw(short(rng.normal(size=3)), rng.uniform(size=3), v, flags=flags, difficulty=3)
    yield draw(np.zeros(2), [0.25, 0.5, 0.75], [0.5, 0.5, 0.5], flags=("TIE",), difficulty=3)
    yield draw(np.zeros(2), [0.25, 0.75], [0.5, 0.5], flags=("TIE",), difficulty=3)
    z = short(rng.normal(size=(2, 1, 3)))
    yield draw(z, rng.uniform(size=(2, 2)), short(rng.normal(size=2)), flags=("BROADCAST",))
    yield draw(z[0], rng.uniform(size=3), short(rng.normal(size=(2, 3))), flags=("BROADCAST",))
    for bad in spoilt([0.5, 1.0]):
        yield draw(bad, [0.5, 0.25], [1.0, 0.5], flags=("FULLY_MASKED",), result="undefined")
    for u, v in ((0.0, 1.0), (1.0, 1.0), (nan, 1.0), (0.5, inf), (0.5, nan)):
        yield draw(np.zeros(2), [0.25, u], [0.5, v], result="invalid")


def draw_score_function(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_samples(rng, "reward")


def draw_vimco(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_samples(rng, "log_likelihood")
