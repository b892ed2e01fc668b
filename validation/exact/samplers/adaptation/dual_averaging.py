"""Dual averaging by sums over the whole stream."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from refengine.samplers.adaptation.dual_averaging import Course
from validation.exact.draws import Draw, decades, short
from validation.exact.number import log, number, sqrt
from validation.exact.samplers.adaptation._streams import acceptances, powers


def adapt(
    acceptance: Any, step_size: Any, *, target: Any, gamma: Any, t0: Any, kappa: Any, average: str = "new"
) -> Course:
    """The error is the sum of all errors over m + t0; the average weighs every iterate by what later ones left of it.

    Source: hoffman-gelman-2014, algorithm 5
    """
    acceptance, start = np.asarray(acceptance), np.asarray(log(step_size))
    count = acceptance.shape[-1]
    error = np.stack([(target - acceptance[..., :m]).sum(-1) * (1 / (m + t0)) for m in range(1, count + 1)], axis=-1)
    roots = np.array([sqrt(number(m)) for m in range(1, count + 1)], dtype=object)
    x = np.asarray(start + log(number(10)))[..., None] - roots * (1 / gamma) * error
    used = x if average == "new" else np.concatenate([start[..., None], x[..., :-1]], axis=-1)
    eta = powers(count, -kappa)
    rows = []
    for m in range(1, count + 1):
        weights = [eta[i] * prod((1 - later for later in eta[i + 1 : m]), start=number(1)) for i in range(m)]
        rows.append((used[..., :m] * np.array(weights, dtype=object)).sum(-1))
    return Course(x, np.stack(rows, axis=-1), error)


def draw_adapt(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (acceptance, flags) in enumerate(acceptances(rng, 48)):
        start = short(np.array([decades(rng, 1e-3, 10) for _ in range(acceptance[..., 0].size)]))
        arguments = {"acceptance": acceptance, "step_size": np.reshape(start, acceptance.shape[:-1])}
        constants: dict[str, Any] = {} if i % 3 else {"target": 0.65, "gamma": 0.1, "t0": 5.0, "kappa": 0.5}
        average, other = ("new", "previous") if i % 4 else ("previous", "new")
        constants |= {"average": "previous"} if average == "previous" else {}
        alternatives = {"blackjax" if other == "previous" else "hoffman_gelman": {"average": other}}
        yield Draw(arguments, constants, (*flags, "AMBIGUOUS_CONVENTION"), 2, alternatives=alternatives)
    for start in (5e-324, 1e-300, 1e300, 0.1):  # 0.1: the logarithm of 10 eps_0 is next to 0
        flags = ("SUBNORMAL",) if start < 1e-310 else ("HUGE_PARAMETER",) if start != 0.1 else ("NEAR_ROOT",)
        arguments = {"acceptance": np.array([0.8, 0.75, 0.9]), "step_size": np.array(start)}
        yield Draw(arguments, {}, flags, 3)
