"""The ExpConcrete distribution as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.distributions._rows import all_of, rowwise, total, vector
from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, exp, lgamma, log, number, stated


def is_valid(*rows: Any, temperature: Any) -> bool:
    """Whether there is no nan, the last row (logits) is finite and the temperature positive."""
    entries = [float(v) for row in rows for v in row]
    finite = all(abs(float(v)) < inf for v in rows[-1])
    return bool(not any(v != v for v in entries) and finite and 0 < number(temperature) < inf)


@rowwise("(k),(k),()->()")
def log_prob(x: Any, logits: Any, temperature: Any) -> Any:
    """log (K-1)! + (K-1) log t + sum_i log softmax(l - t x)_i; at one x_i = -inf the limits.

    Source: maddison-2017, appendix C
    """
    t, size = temperature, len(x)
    everything = np.array([*x, *logits, t], dtype=object)
    if not is_valid(x, logits, temperature=t):
        return all_of(nan, everything)
    if any(float(v) > 0 for v in x):
        return all_of(-inf, everything)
    lost = [i for i in range(size) if float(x[i]) == -inf]
    if len(lost) > 1 or (lost and size == 1):
        return all_of(nan, everything)
    if lost:
        e = [size - 1 if i == lost[0] else -1 for i in range(size)]
        return stated(
            -inf,
            *((v, t * c) for v, c in zip(x, e, strict=True)),
            *zip(logits, (-c for c in e), strict=True),
            (t, -inf),
        )
    return lgamma(number(size)) + (size - 1) * log(t) + log_shares(x, logits, t)


def log_shares(y: Any, l: Any, t: Any) -> Any:
    """The sum of the logarithms of softmax(l - t y)."""
    if len(y) == 1:
        return Number(0)
    v = [a - t * b for a, b in zip(l, y, strict=True)]
    largest = v[int(np.argmax([float(w) for w in v]))]
    return total(w - largest for w in v) - len(v) * log(total(exp(w - largest) for w in v))


@rowwise("(k),(k),()->(k)")
def sample(noise: Any, logits: Any, temperature: Any) -> Any:
    """log softmax((l - log(-log u)) / t).

    Source: maddison-2017, appendix C
    """
    if not possible(noise, logits, temperature):
        return vector([all_of(nan, np.array([*noise, *logits, temperature], dtype=object)) for _ in noise])
    if len(noise) == 1:
        return vector([Number(0)])
    w = gumbels(noise, logits, temperature)
    return vector([-log(total(exp(b - a) for b in w)) for a in w])


def possible(noise: Any, logits: Any, temperature: Any) -> bool:
    return is_valid(noise, logits, temperature=temperature) and all(0 < u < 1 for u in noise)


def gumbels(noise: Any, logits: Any, temperature: Any) -> list[Any]:
    return [(a - log(-log(u))) / temperature for u, a in zip(noise, logits, strict=True)]


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5, 9):
        for _ in range(6):
            l, t = short(rng.normal(size=size)), short(decades(rng, 0.1, 4))
            yield Draw({"x": short(_point(rng, l, t)), "logits": l, "temperature": np.array(t)})
    for _ in range(10):
        l, t = rng.normal(size=4) * decades(rng, 0.1, 10), decades(rng, 0.01, 100)
        yield Draw({"x": _point(rng, l, t), "logits": l, "temperature": np.array(t)}, difficulty=2)
    for scale in (1e-300, 1e-12, 1e-6, 1e-3):  # nearly equal entries: K s - 1 cancels
        x, l = -np.abs(rng.normal(size=3)) * scale, rng.normal(size=3) * scale
        flags = ("CANCELLATION", "NEAR_ROOT")
        yield Draw({"x": x, "logits": l, "temperature": np.array(1.25)}, flags=flags, difficulty=4)
    for t in (1e-8, 1e-3, 1e3, 1e8):
        l = rng.normal(size=3)
        x = _point(rng, l, min(max(t, 0.01), 100))
        yield Draw({"x": x, "logits": l, "temperature": np.array(t)}, flags=("HUGE_PARAMETER",), difficulty=3)
    for gap in (37.0, 100.0, 700.0, 1000.0, 1e6):
        x = np.array([-gap, -1e-17, -gap - 2])
        flags = ("SATURATION", "LARGE_LOGITS")
        yield Draw(
            {"x": x, "logits": np.array([0.25, 1.0, -0.5]), "temperature": np.array(0.5)}, flags=flags, difficulty=3
        )
        l = np.array([gap, 0.5, -gap])
        arguments = {"x": np.array([-0.5, -1.5, -2.0]), "logits": l, "temperature": np.array(0.75)}
        yield Draw(arguments, flags=flags, difficulty=3)
    for t in (0.25, 0.5, 2.0):
        x = np.array([-inf, -0.5, -1.0])
        arguments = {"x": x, "logits": np.array([0.5, 1.0, -0.25]), "temperature": np.array(t)}
        yield Draw(arguments, flags=("SUPPORT_EDGE",), difficulty=3)
    x = np.array([-inf, -inf, 0.0])
    arguments = {"x": x, "logits": np.array([0.5, 1.0, -0.25]), "temperature": np.array(0.5)}
    yield Draw(arguments, flags=("SUPPORT_EDGE",), result="undefined")
    for bad in (0.5, 5e-324, inf):
        arguments = {"x": np.array([-0.5, bad]), "logits": np.array([0.5, 1.0]), "temperature": np.array(0.5)}
        yield Draw(arguments, flags=("OUT_OF_SUPPORT",))
    for x, l, t in (
        (nan, 0.5, 1.0),
        (-1.0, nan, 1.0),
        (-1.0, inf, 1.0),
        (-1.0, 0.5, 0.0),
        (-1.0, 0.5, -1.0),
        (-1.0, 0.5, inf),
        (-1.0, 0.5, nan),
    ):
        yield Draw(
            {"x": np.array([-0.5, x]), "logits": np.array([0.5, l]), "temperature": np.array(t)}, result="invalid"
        )
    l = short(rng.normal(size=(2, 3)))
    x = np.stack([_point(rng, l[0], 1.0) for _ in range(2)])
    yield Draw({"x": x[:, None, :], "logits": l, "temperature": np.array([0.5, 2.0])}, flags=("BROADCAST",))
    l = rng.normal(size=20)
    yield Draw({"x": _point(rng, l, 0.7), "logits": l, "temperature": np.array(0.7)}, difficulty=2)


def _point(rng: np.random.Generator, l: np.ndarray, t: float) -> np.ndarray:
    w = (l + rng.gumbel(size=l.size)) / t
    return np.asarray(np.minimum(w - w.max() - np.log(np.exp(w - w.max()).sum()), -0.0))


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(u: Any, l: Any, t: Any, **keywords: Any) -> Draw:
        return Draw({"noise": np.asarray(u), "logits": np.asarray(l), "temperature": np.asarray(t)}, **keywords)

    for size in (1, 2, 3, 5, 9):
        for _ in range(7):
            u = short(rng.uniform(0.02, 0.98, size=size))
            yield draw(u, short(rng.normal(size=size)), short(decades(rng, 0.1, 4)))
    for _ in range(8):
        yield draw(rng.uniform(size=4), rng.normal(size=4) * 5, decades(rng, 0.05, 100), difficulty=2)
    for t in (1e-3, 1e-2, 1e3, 1e6):
        yield draw(rng.uniform(size=3), rng.normal(size=3), t, flags=("HUGE_PARAMETER", "SATURATION"), difficulty=3)
    for u in (2.0**-53, 1 - 2.0**-53, 1e-300, 0.5):
        yield draw([u, 0.25, 0.75], rng.normal(size=3), 1.0, flags=("SATURATION",), difficulty=3)
        yield draw([u, 0.25, 0.75], rng.normal(size=3), 0.3, flags=("SATURATION",), difficulty=3)
    for u in (0.0, 1.0, -0.5, nan):
        yield draw([0.5, u], [0.5, 0.25], 0.5, result="invalid")
    for l, t in ((inf, 1.0), (nan, 1.0), (0.5, 0.0), (0.5, nan), (0.5, -1.0), (0.5, inf)):
        yield draw([0.5, 0.25], [0.5, l], t, result="invalid")
    yield draw(rng.uniform(size=(2, 1, 3)), rng.normal(size=(2, 3)), [0.5, 2.0], flags=("BROADCAST",))
    yield draw(rng.uniform(size=6), rng.normal(size=6), 0.5, difficulty=2)
