"""Mean and standard error of exponentials, as they are written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.estimation.monte_carlo import Estimate
from validation.exact.draws import Draw, decades, short
from validation.exact.estimation._problems import each, everywhere, total, undefined
from validation.exact.number import Number, exp, log, sqrt, stated


def log_mean(log_prob: Any) -> Estimate:
    """log of the mean of exp(l), and the standard error of that mean over the mean.

    Source: gelman-2013, section 10.5
    """
    return each(_log_mean, (np.moveaxis(np.asarray(log_prob, dtype=object), 0, -1), 1))


def _log_mean(values: Any) -> Estimate:
    size, finite = len(values), [v for v in values if not v.stated]
    if size == 0 or any(v.stated and float(v) != -inf for v in values):
        return Estimate(undefined(values), undefined(values))
    if not finite:
        return Estimate(everywhere(-inf, nan, values), undefined(values))
    shares = [exp(v) for v in finite]
    mean = total(shares) / size
    if len(finite) == size and all(v == values[0] for v in values):
        error = stated(nan, *((v, nan) for v in values)) if size == 1 else Number(0)
        return Estimate(log(mean), error)
    squares = total([(share - mean) ** 2 for share in shares]) + (size - len(finite)) * mean * mean
    return Estimate(log(mean), sqrt(squares / (size * (size - 1))) / mean)


def draw_log_mean(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(30):
        shape = (2 + i % 7, *((), (3,), (), (2, 2))[i % 4])
        yield Draw({"log_prob": short(rng.normal(size=shape) * decades(rng, 0.1, 4))})
    for i in range(10):
        yield Draw({"log_prob": rng.normal(size=(2 + i, *((), (2,))[i % 2])) * decades(rng, 1e-3, 30)}, difficulty=2)
    for i in range(10):  # far below the range of float64, or far above
        far = decades(rng, 800, 1e6) * (-1.0) ** i
        yield Draw({"log_prob": far + rng.normal(size=2 + i)}, flags=("LARGE_LOGITS", "OVERFLOW_F32"), difficulty=3)
    for i in range(8):  # nearly equal
        l = -3.0 + decades(rng, 1e-12, 1e-3) * rng.normal(size=3 + i)
        yield Draw({"log_prob": l}, flags=("CANCELLATION",), difficulty=4)
    for i in range(4):  # one draw has all the weight
        yield Draw({"log_prob": np.array([0.5, -30.0, -40.0 * (i + 1), -800.0])}, flags=("SATURATION",), difficulty=3)
    for i in range(4):  # a mean of one
        l = rng.normal(size=4 + i) * 0.3
        yield Draw({"log_prob": l - np.log(np.mean(np.exp(l)))}, flags=("NEAR_ROOT",), difficulty=4)
    for l in ([-inf, 0.5], [-inf, -inf, 1.0, 0.25], [[-inf, 1.0], [0.5, -inf], [0.25, -2.0]]):
        yield Draw({"log_prob": np.array(l)}, flags=("ZERO_LOG_ZERO",), difficulty=2)
    for l in ([0.75, 0.75], [0.0] * 5, [-1000.5] * 3):
        yield Draw({"log_prob": np.array(l)}, flags=("KINK", "TIE"), difficulty=2)
    for l in ([-inf, -inf], [0.5], [[0.5, -1.0]]):
        yield Draw({"log_prob": np.array(l)}, flags=("EMPTY_ROW",), result="undefined")
    yield Draw({"log_prob": np.zeros((0, 2))}, flags=("EMPTY_ROW",), result="undefined")
    yield Draw({"log_prob": rng.normal(size=200) * 2}, difficulty=2)
    for l in ([0.5, nan], [0.5, inf]):
        yield Draw({"log_prob": np.array(l)}, result="invalid")
