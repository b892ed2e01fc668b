"""The concrete distribution as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.distributions.concrete import Parameters
from refengine.distributions.concrete import maximum_likelihood as fitted
from validation.exact.distributions import exp_concrete
from validation.exact.distributions._rows import all_of, dyadic, rowwise, shares, softmax, total, vector
from validation.exact.distributions.exp_concrete import gumbels, is_valid, log_shares, possible
from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, exp, lgamma, log, number, stated
from validation.exact.root import held_root


@rowwise("(k),(k),()->()")
def log_prob(x: Any, logits: Any, temperature: Any) -> Any:
    """log (K-1)! + (K-1) log t + sum_i [log softmax(l - t log x)_i - log x_i]; at one x_i = 0 the limits.

    Source: maddison-2017, section 3.1
    """
    t, size = temperature, len(x)
    everything = np.array([*x, *logits, t], dtype=object)
    if not is_valid(x, logits, temperature=t):
        return all_of(nan, everything)
    if any(v < 0 or v > 1 for v in x):
        return all_of(-inf, everything)
    zeros = [i for i in range(size) if x[i] == 0]
    if len(zeros) > 1 or (zeros and size == 1):
        return all_of(nan, everything)
    if zeros:
        return _on_face(x, logits, t, zeros[0])
    y = [log(v) for v in x]
    return lgamma(number(size)) + (size - 1) * log(t) + log_shares(y, logits, t) - total(y)


def _on_face(x: Any, l: Any, t: Any, i: int) -> Number:
    size, others = len(x), [j for j in range(len(x)) if j != i]
    excess = (size - 1) * t - 1
    value, slope = number(-inf), number(inf)
    if excess < 0:
        value, slope = number(inf), number(-inf)
    if excess == 0:
        value = lgamma(number(size)) + (size - 1) * log(t) + (1 - size) * l[i]
        value = value + total(l[j] - (t + 1) * log(x[j]) for j in others)
        slope = -size * total(exp(l[j] - l[i]) / x[j] for j in others) if t == 1 else number(-inf)
    slopes: list[Any] = [(x[j], slope if j == i else (-t - 1) / x[j]) for j in range(size)]
    slopes += [(l[j], 1 - size if j == i else 1) for j in range(size)]
    return stated(value.ball, *slopes, (t, -inf))


@rowwise("(k),(k),()->()")
def outside(x: Any, logits: Any, temperature: Any) -> Any:
    """The convention that a point off the simplex, or on a face, lies outside the support."""
    return all_of(-inf, x, logits, np.array([temperature], dtype=object))


@rowwise("(k),(k),()->(k)")
def sample(noise: Any, logits: Any, temperature: Any) -> Any:
    """softmax((l - log(-log u)) / t).

    Source: maddison-2017, section 3.1
    """
    if not possible(noise, logits, temperature):
        return vector([all_of(nan, np.array([*noise, *logits, temperature], dtype=object)) for _ in noise])
    if len(noise) == 1:
        return vector([Number(1)])
    w = gumbels(noise, logits, temperature)
    return vector([1 / total(exp(b - a) for b in w) for a in w])


def maximum_likelihood(data: Any) -> Parameters:
    """Where the scores vanish: sum_n s_ni = N / K and sum_ni (K s_ni - 1) v_ni = N (K - 1) for s the softmax of v.

    The logits are fixed by sum e^l = 1.

    Source: maddison-2017, section 3.1
    """
    rows, size = data.shape
    inside = all(0 < x <= 1 for x in data.ravel())
    first = data[0] if rows else []
    if not inside or all(x[i] * first[0] == x[0] * first[i] for x in data for i in range(size)):
        missing = [all_of(nan, data) for _ in range(size + 1)]
        return Parameters(vector(missing[:size]), missing[size])
    y = log(data)
    base, steps = y[0], [row - y[0] for row in y]

    def score(unknowns: list[Number]) -> list[Any]:
        # shifts are one unit away from 0; the last is held, as the scores know no constant
        *shifts, t = unknowns
        m = vector([*(u - 1 for u in shifts), number(0)])
        means, spread = [number(-rows) for _ in range(size - 1)], number(-rows * (size - 1))
        for step in steps:
            v = m - t * step
            e = [size * share - 1 for share in softmax(v)]
            means = [a + b for a, b in zip(means, e[:-1], strict=True)]
            spread = spread + total(a * b for a, b in zip(e, v, strict=True))
        return [a + rows for a in means] + [spread]

    guess = fitted(np.array(data, dtype=np.float64))  # proves nothing
    t = float(guess.temperature)
    m = guess.logits - t * np.array([float(b) for b in base])
    *shifts, t = held_root(score, [*(float(v) for v in m[:-1] - m[-1] + 1), t])
    logits = vector([*(u - 1 for u in shifts), number(0)]) + t * base
    constant = log(total(exp(l) for l in logits))
    return Parameters(vector([l - constant for l in logits]), t)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(x: Any, l: Any, t: Any, **keywords: Any) -> Draw:
        return Draw({"x": np.asarray(x), "logits": np.asarray(l), "temperature": np.asarray(t)}, **keywords)

    for size in (1, 2, 3, 5, 9):
        for _ in range(6):
            yield draw(dyadic(rng, size), short(rng.normal(size=size)), short(decades(rng, 0.1, 4)))
    for _ in range(10):
        x = shares(rng, 4, 0.3)
        yield draw(x, rng.normal(size=4) * decades(rng, 0.1, 10), decades(rng, 0.01, 100), difficulty=2)
    for scale in (1e-300, 1e-12, 1e-6, 1e-3):  # nearly equal entries: K s - 1 cancels
        x = np.full(4, 0.25) * (1 + scale * rng.normal(size=4))
        yield draw(x, rng.normal(size=4) * scale, 1.25, flags=("CANCELLATION", "NEAR_ROOT"), difficulty=4)
    for t in (1e-8, 1e-3, 1e3, 1e8):
        yield draw(shares(rng, 3), rng.normal(size=3), t, flags=("HUGE_PARAMETER",), difficulty=3)
    for tiny in (5e-324, 1e-310, 1e-300, 1e-20, 2.0**-53):
        flags = ("SUBNORMAL", "SATURATION") if tiny < 1e-307 else ("SATURATION",)
        for t in (0.25, 0.5, 2.0):
            yield draw([tiny, 0.25, 0.75], [0.25, 1.0, -0.5], t, flags=flags, difficulty=3)
    for gap in (37.0, 700.0, 1e6):
        yield draw([0.25, 0.25, 0.5], [gap, 0.5, -gap], 0.75, flags=("LARGE_LOGITS",), difficulty=3)
    flags = ("SUPPORT_EDGE", "AMBIGUOUS_CONVENTION")
    for x, t in (([0.0, 0.25, 0.75], 0.25), ([0.0, 0.25, 0.75], 0.5), ([0.0, 0.25, 0.75], 2.0), ([0.0, 1.0], 1.0)):
        l = [0.5, 1.0, -0.25][: len(x)]
        yield draw(x, l, t, flags=flags, result="ambiguous", alternatives={"open_support": outside})
    for t in (1 / 3, np.nextafter(1 / 3, 1)):  # just below and above the finite limit: the product rounds to 1
        yield draw([0.25, 0.0, 0.25, 0.5], [0.5, 1.0, -0.25, 0.0], t, flags=("SUPPORT_EDGE",), difficulty=4)
    yield draw([0.0, 0.0, 1.0], [0.5, 1.0, -0.25], 0.5, flags=("SUPPORT_EDGE",), result="undefined")
    for x in ([0.25, 0.25, 0.25], [0.5, 0.75, 1.0]):
        flags = ("OUT_OF_SUPPORT", "AMBIGUOUS_CONVENTION")
        others = {"simplex_only": outside}
        yield draw(x, [0.5, 1.0, -0.25], 0.5, flags=flags, result="ambiguous", alternatives=others)
    for bad in (-0.5, 1.5, inf):
        yield draw([0.5, bad], [0.5, 1.0], 0.5, flags=("OUT_OF_SUPPORT",))
    for v, l, t in (
        (nan, 0.5, 1.0),
        (0.5, nan, 1.0),
        (0.5, inf, 1.0),
        (0.5, 0.5, 0.0),
        (0.5, 0.5, -1.0),
        (0.5, 0.5, inf),
    ):
        yield draw([0.5, v], [0.5, l], t, result="invalid")
    x = np.stack([dyadic(rng, 3) for _ in range(2)])
    yield draw(x[:, None, :], short(rng.normal(size=(2, 3))), [0.5, 2.0], flags=("BROADCAST",))
    yield draw(shares(rng, 20), rng.normal(size=20), 0.7, difficulty=2)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from exp_concrete.draw_sample(rng)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    """Relaxed one-hot rows: in the middle, in the corners, next to one corner, nearly equal."""

    def rows(count: int, size: int, spread: float, shift: Any = 0.0) -> Any:
        w = rng.gumbel(size=(count, size)) * spread + shift
        w = np.exp(w - w.max(axis=-1, keepdims=True))
        return w / w.sum(axis=-1, keepdims=True)

    def shape(least: int = 2) -> tuple[int, int]:
        return int(rng.integers(least, 6)), int(rng.integers(2, 4))

    for _ in range(24):
        data = rows(*shape(), decades(rng, 0.2, 3))
        yield Draw({"data": np.clip(np.round(data * 256), 1, 255) / 256})
    for _ in range(14):  # steep: in the corners
        yield Draw({"data": rows(*shape(), decades(rng, 3, 8))}, flags=("SATURATION",), difficulty=3)
    for _ in range(10):  # all next to one corner
        count, size = shape()
        shift = np.append(0.0, np.log([decades(rng, 1e-250, 1e-3) for _ in range(size - 1)]))
        yield Draw({"data": rows(count, size, decades(rng, 0.1, 2), shift)}, flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(10):  # nearly equal
        count, size = shape()
        data = rows(count, size, decades(rng, 1e-9, 1e-3), 2 * rng.normal(size=size))
        yield Draw({"data": data}, flags=("CANCELLATION",), difficulty=4)
    for _ in range(4):
        data = np.array([dyadic(rng, 3) for _ in range(3)])
        yield Draw({"data": np.concatenate([data, data[:1]])}, flags=("TIE",))
    yield Draw({"data": rows(10, 4, 1.0)}, difficulty=2)
    yield Draw({"data": np.array([[2.0**-60, 1.0], [0.25, 0.75], [0.5, 0.5]])}, flags=("SATURATION",))
    good = [0.25, 0.75]
    for bad in ([-0.25, 1.25], [0.0, 1.0], [0.5, 2.0], [nan, 0.5], good, [0.125, 0.375]):
        yield Draw({"data": np.array([good, bad])}, result="invalid")
    for data in (np.array([good]), np.ones((2, 1)), np.zeros((0, 2))):
        yield Draw({"data": data}, result="invalid")
