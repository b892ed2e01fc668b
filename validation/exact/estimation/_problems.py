"""What the definitions of conjugate pairs share: problems side by side, and cases of every size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, number, stated

SIZES = (1, 2, 3, 5, 0, 8, 1, 12, 4, 30)


def each(definition: Callable[..., Any], *arrays: tuple[Any, int]) -> Any:
    """The definition of one problem, over the leading axes of (array, own axes), which broadcast."""
    known = [(np.asarray(array, dtype=object), rank) for array, rank in arrays]
    leads = [a.shape[: a.ndim - rank] for a, rank in known]
    lead = np.broadcast_shapes(*leads)
    spread = [np.broadcast_to(a, lead + a.shape[a.ndim - rank :]) for a, rank in known]
    if not lead:
        return definition(*(a[()] for a in spread))
    found = {index: definition(*(a[index] for a in spread)) for index in np.ndindex(*lead)}
    return _stacked(list(found.values()), lead)


def _stacked(results: list[Any], lead: tuple[int, ...]) -> Any:
    first = results[0]
    if hasattr(first, "_fields"):
        return type(first)(*(_stacked([r[i] for r in results], lead) for i in range(len(first))))
    inner = np.shape(first)
    array = np.empty((*lead, *inner), dtype=object)
    for index, result in zip(np.ndindex(*lead), results, strict=True):
        array[index] = result
    return array


def total(values: Any) -> Any:
    """The sum, 0 of nothing."""
    return sum((number(v) for v in np.ravel(values)), Number(0))


def everywhere(value: float, slope: float, *arrays: Any) -> Number:
    """A stated value with the same stated derivative to every element."""
    return stated(value, *((number(x), slope) for array in arrays for x in np.ravel(array)))


def undefined(*arrays: Any) -> Number:
    return everywhere(nan, nan, *arrays)


def positive(*parameters: Any) -> bool:
    """Whether all are positive and finite."""
    return all(0 < number(p) < inf for p in parameters)


def whole(count: Any) -> bool:
    """Whether it is a whole number >= 0."""
    value = float(count)
    return 0 <= value < inf and value == int(value)


def sizes(
    rng: np.random.Generator, prior: Callable[..., dict[str, Any]]
) -> Iterator[tuple[Any, int, dict[str, Any], dict[str, Any]]]:
    """``leading axes, observations, prior, keywords of the Draw``: what all cases of counts and numbers are made of.

    Moderate priors, priors over decades, huge and tiny ones; one problem or several side by side. ``prior(low, high,
    lead)`` draws one whose sizes lie between the two, ``lead`` its axes.
    """
    for i in range(40):
        lead = ((), (), (2,), (), (3,))[i % 5]
        yield lead, SIZES[i % len(SIZES)], prior(0.25, 20.0, lead if i % 2 else ()), {}
    for i in range(10):
        yield (), SIZES[i], prior(1e-3, 1e4, ()), {"difficulty": 2}
    for i in range(10):
        lead = ((), (2,))[i % 2]
        yield lead, SIZES[i], prior(1e5, 1e15, lead), {"flags": ("HUGE_PARAMETER", "CANCELLATION"), "difficulty": 4}
    for i in range(8):
        yield (), SIZES[i], prior(1e-300, 1e-3, ()), {"flags": ("NEAR_POLE",), "difficulty": 4}
    yield (), 200, prior(0.25, 20.0, ()), {"difficulty": 3}


def sized(rng: np.random.Generator, low: float, high: float, lead: Any) -> Any:
    """Positive numbers over decades, of few bits where they are moderate."""
    values = np.array([decades(rng, low, high) for _ in range(int(np.prod(lead)))]).reshape(lead)
    values = values if lead else float(values)
    return short(values) if low >= 0.1 and high <= 100 else values


def finite(*arrays: Any) -> bool:
    """Whether every element is."""
    return all(-inf < number(x) < inf for array in arrays for x in np.ravel(np.asarray(array, dtype=object)))


def certified_spread(draws: Iterator[Draw], *prior: str) -> Iterator[Draw]:
    """The cases whose posterior has shapes from 1/2 to 1e5 or so, for which a standard deviation is certified."""
    for draw in draws:
        shapes = np.concatenate([np.ravel(draw.arguments[name]) for name in prior])
        counts = sum(float(np.sum(v)) for k, v in draw.arguments.items() if k in ("k", "n", "counts"))
        if not (np.min(shapes) < 0.5 or np.max(shapes) > min(1e4, 1e3 * np.min(shapes)) or counts > 1e5):
            yield draw


def distinct(draws: Iterator[Draw]) -> Iterator[Draw]:
    """Each case once: without a prior, many are the same."""
    seen = set()
    for draw in draws:
        arrays = {name: np.asarray(array) for name, array in draw.arguments.items()}
        key = tuple((name, a.shape, a.dtype.str, a.tobytes()) for name, a in arrays.items())
        if key not in seen:
            seen.add(key)
            yield draw
