"""The objective and the learning rule of Xu et al. as they write them."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.domains import Interval
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
from validation.exact.attention._choices import (
    logits as rows_of_logits,
)
from validation.exact.attention.hard import with_values
from validation.exact.distributions._rows import all_of, rowwise, total, vector
from validation.exact.draws import Draw, decades, short, spread
from validation.exact.number import Number, log, number, pointwise, stated

WEIGHTS = ((1.0, 0.002), (0.5, 0.25), (1.0, 1.0), (2.0, 0.0), (0.0, 1.0))


@rowwise("(k),(k)->()")
def _bound(logits: Any, log_likelihood: Any, reward_weight: Any, entropy_weight: Any) -> Any:
    at, p = open_positions(logits), probabilities(logits)
    if not at or not finite([log_likelihood[i] for i in at]):
        return all_of(nan, logits, log_likelihood)
    entropy = -total(p[i] * log(p[i]) for i in at) if len(at) > 1 else Number(0)
    return number(reward_weight) * total(p[i] * log_likelihood[i] for i in at) + number(entropy_weight) * entropy


def objective(logits: Any, log_likelihood: Any, *, reward_weight: Any, entropy_weight: Any) -> Any:
    """lambda_r sum_i p_i l_i + lambda_e H.

    Source: xu-2015, section 4.1
    """
    return _bound(logits, log_likelihood, reward_weight=reward_weight, entropy_weight=entropy_weight)


@rowwise("(k),(),(),(),()->(k)")
def _rule(z: Any, u: Any, l: Any, b: Any, coin: Any, reward_weight: Any, entropy_weight: Any) -> Any:
    at, p = open_positions(z), probabilities(z)
    if not (at and unit(u) and finite(l, b)):
        return undefined_row(len(z), z, [u, l, b])
    logs = {i: log(p[i]) if len(at) > 1 else Number(0) for i in at}
    entropy = -total(p[i] * logs[i] for i in at)
    slope = vector([-(p[i] * (logs[i] + entropy)) if i in at else Number(0) for i in range(len(z))])
    first = vector([Number(0)] * len(z)) if coin else (number(l) - b) * score(p, inverse(z, u))
    return number(reward_weight) * first + number(entropy_weight) * slope


def learning_rule(
    logits: Any,
    u: Any,
    log_likelihood: Any,
    baseline: Any,
    coin: Any,
    *,
    reward_weight: Any,
    entropy_weight: Any,
) -> Any:
    """lambda_r (l - b) (s - p) + lambda_e dH/dz, with s the drawn one-hot vector, or p where the coin says so.

    Source: xu-2015, section 4.1
    """
    weights = {"reward_weight": reward_weight, "entropy_weight": entropy_weight}
    return _rule(logits, u, log_likelihood, baseline, coin, **weights)


@pointwise
def _average(b: Any, l: Any, decay: Any) -> Any:
    if not finite(b, l):
        return stated(nan, (b, nan), (l, nan))
    return decay * b + (1 - decay) * l


def moving_average(baseline: Any, log_likelihood: Any, *, decay: Any = 0.9) -> Any:
    """rho b + (1 - rho) l.

    Source: xu-2015, section 4.1
    """
    return _average(baseline, log_likelihood, number(decay))


def draw_objective(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (arguments, why) in enumerate(with_values(rng, "log_likelihood")):
        constants = dict(zip(("reward_weight", "entropy_weight"), WEIGHTS[i % 5], strict=True))
        yield Draw(arguments, constants, **why)


def draw_learning_rule(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(i: int, z: Any, u: Any, l: Any, b: Any, coin: Any, **why: Any) -> Draw:
        arguments = {"logits": z, "u": u, "log_likelihood": l, "baseline": b, "coin": coin}
        constants = dict(zip(("reward_weight", "entropy_weight"), WEIGHTS[i % 5], strict=True))
        return Draw({name: np.asarray(v) for name, v in arguments.items()}, constants, **why)

    for i, (z, why) in enumerate(rows_of_logits(rng)):
        l, b = short(-np.abs(rng.normal(size=(2, 2))) * 3)
        yield draw(i, z, rng.uniform(size=2), l, b if i % 4 else 0.0, rng.random(2) < 0.4, **why)
    for gap in (1e-3, 1e-9, 1e-15):
        yield draw(0, short(rng.normal(size=3)), 0.5, -1 - gap, -1.0, False, flags=("CANCELLATION",), difficulty=3)
    z = short(rng.normal(size=(2, 1, 3)))
    yield draw(2, z, rng.uniform(size=2), -0.5, -1.5, np.array([[True], [False]]), flags=("BROADCAST",))
    for z in spoilt([0.5, 1.0]):
        yield draw(0, z, 0.5, -1.0, -0.5, False, flags=("FULLY_MASKED",), result="undefined")
    for u, l, b in ((0.0, -1.0, -1.0), (1.0, -1.0, -1.0), (nan, -1.0, -1.0), (0.5, -inf, -1.0), (0.5, -1.0, nan)):
        yield draw(1, np.zeros(2), u, l, b, False, result="invalid")


def draw_moving_average(rng: np.random.Generator) -> Iterator[Draw]:
    yield from spread(rng, {"baseline": Interval(), "log_likelihood": Interval()}, ranges={}, count=180)
    for decay in (0.0, 0.1, 0.5, 0.99, 1.0):
        for _ in range(6):
            b, l = -decades(rng, 1e-3, 1e3), -decades(rng, 1e-3, 1e3)
            yield Draw({"baseline": b, "log_likelihood": l}, {"decay": decay}, difficulty=2)
    for i in range(10):  # of both signs: the terms cancel
        b = short(decades(rng, 0.1, 10))
        arguments = {"baseline": b, "log_likelihood": -9 * b * (1 + 10.0 ** -(i + 3))}
        yield Draw(arguments, flags=("CANCELLATION",), difficulty=3)
    for bad in (inf, -inf):
        yield Draw({"baseline": bad, "log_likelihood": 1.0}, result="invalid")
        yield Draw({"baseline": 1.0, "log_likelihood": bad}, result="invalid")
