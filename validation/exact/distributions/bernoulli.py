"""The Bernoulli distribution as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.distributions._counts import is_nan, unit
from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, exp, log, number, pointwise, stated


@pointwise
def log_prob(k: Number, p: Number) -> Any:
    """k log p + (1 - k) log(1 - p), 0 log 0 = 0; at 0 and 1 the slope from inside.

    Source: bishop-2006, 2.2
    """
    if is_nan(k, p) or not unit(p):
        return stated(nan, (p, nan))
    if k == 1:
        return log(p) if p > 0 else stated(-inf, (p, inf))
    if k == 0:
        return log(1 - p) if p < 1 else stated(-inf, (p, -inf))
    return stated(-inf, (p, 0))


@pointwise
def zero_slope(k: Number, p: Number) -> Any:
    """The convention that an impossible event has no slope."""
    return stated(-inf, (p, 0))


@pointwise
def clamped(k: Number, p: Number) -> Any:
    """The convention that a probability of exactly 0 or 1 is moved inside by 2^-52, where it does not move on."""
    eps = number(2.0**-52)
    return Number(log_prob(k, eps if p == 0 else 1 - eps).ball)


PROBABILITIES = (1e-20, 1e-100, 1e-300, 1e-310, 5e-324, 2.0**-53, 1e-8, 1 - 2.0**-53, 1 - 2.0**-24, 0.5)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(70):
        yield Draw({"k": i % 2, "p": short(rng.uniform(0.01, 0.99))})
    for i in range(60):
        yield Draw({"k": i % 2, "p": decades(rng, 1e-6, 1)}, difficulty=2)
    for i in range(30):
        yield Draw({"k": i % 2, "p": decades(rng, 1e-300, 1e-6)}, flags=("TINY_P",), difficulty=3)
    for i in range(30):
        yield Draw({"k": i % 2, "p": 1 - decades(rng, 1e-15, 1e-2)}, flags=("SATURATION",), difficulty=3)
    for p in PROBABILITIES:
        for k in (0.0, 1.0):
            flags = ("SUBNORMAL", "TINY_P") if p < 1e-307 else ("SATURATION",)
            yield Draw({"k": k, "p": p}, flags=flags, difficulty=3)
    for k, p in ((0, 0.0), (1, 1.0)):
        yield Draw({"k": k, "p": p}, flags=("ZERO_LOG_ZERO",))
    for k, p in ((1, 0.0), (0, 1.0)):
        conventions = {"zero_slope": zero_slope, "clamped": clamped}
        flags = ("SATURATION", "AMBIGUOUS_CONVENTION")
        yield Draw({"k": k, "p": p}, flags=flags, result="ambiguous", alternatives=conventions)
    for k in (2, -1, 0.5, inf, -inf, 5e-324):
        yield Draw({"k": k, "p": 0.5}, flags=("OUT_OF_SUPPORT",))
    for k, p in ((1, -0.5), (1, 1.5), (0, nan), (nan, 0.5), (0.5, nan)):
        yield Draw({"k": k, "p": p}, result="invalid")
    yield Draw({"k": np.array([[0], [1]]), "p": np.array([0.25, 0.5, 0.75])}, flags=("BROADCAST",))
    yield Draw({"k": np.array([1, 0, 1, 1]), "p": np.array(0.625)}, flags=("BROADCAST",))


@pointwise
def log_prob_logits(k: Number, logits: Number) -> Any:
    """k l - log(1 + exp(l)).

    Source: bishop-2006, 2.2 and 4.59
    """
    if is_nan(k, logits):
        return stated(nan, (logits, nan))
    if not (k == 0 or k == 1):
        return stated(-inf, (logits, 0))
    if logits.stated:
        certain = (k == 1) == (logits > 0)
        return stated(0.0, (logits, 0)) if certain else stated(-inf, (logits, 1 if k == 1 else -1))
    return -log(1 + exp(-logits if k == 1 else logits))


def draw_log_prob_logits(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(80):
        yield Draw({"k": i % 2, "logits": short(rng.normal() * 3)})
    for i in range(60):
        sign = rng.choice([-1, 1])
        yield Draw({"k": i % 2, "logits": sign * decades(rng, 1e-20, 1)}, flags=("CANCELLATION",), difficulty=2)
    for i in range(50):
        sign = rng.choice([-1, 1])
        yield Draw({"k": i % 2, "logits": sign * decades(rng, 1, 1e5)}, flags=("SATURATION",), difficulty=3)
    for logits in (0.0, 1e5, -1e5, 36.7, -36.8, 709.9, -709.9, 745.2, -745.2, inf, -inf):
        for k in (0, 1):
            yield Draw({"k": k, "logits": logits}, flags=("LARGE_LOGITS",), difficulty=3)
    for k in (2, -1, 0.5):
        yield Draw({"k": k, "logits": 0.25}, flags=("OUT_OF_SUPPORT",))
    for k, logits in ((1, nan), (nan, 0.5)):
        yield Draw({"k": k, "logits": logits}, result="invalid")
    yield Draw({"k": np.array([[0], [1]]), "logits": np.array([0.25, -0.5, 7.5])}, flags=("BROADCAST",))
    yield Draw({"k": np.array([1, 0, 1, 1]), "logits": np.array(0.625)}, flags=("BROADCAST",))
