"""Mean and variance of the score-function estimate as they are defined."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from validation.exact.attention._choices import finite, open_positions, probabilities, score
from validation.exact.attention.hard import with_values
from validation.exact.distributions._rows import all_of, rowwise, total
from validation.exact.draws import Draw, short
from validation.exact.number import number


@rowwise("(k),(k),()->()")
def variance(logits: Any, f: Any, baseline: Any) -> Any:
    """sum_i p_i |g_i|^2 - |sum_i p_i g_i|^2 for g_i = (f_i - b)(e_i - p).

    Source: greensmith-2004, section 4
    """
    at, p = open_positions(logits), probabilities(logits)
    if not at or not finite([f[i] for i in at], baseline):
        return all_of(nan, logits, f, [baseline])
    estimates = {i: (number(f[i]) - baseline) * score(p, i) for i in at}
    mean = sum(p[i] * g for i, g in estimates.items())
    return total(p[i] * (g * g).sum() for i, g in estimates.items()) - (mean * mean).sum()


@rowwise("(k),(k)->()")
def optimal(logits: Any, f: Any) -> Any:
    """sum_i p_i |e_i - p|^2 f_i / sum_i p_i |e_i - p|^2.

    Source: greensmith-2004, section 4
    """
    at, p = open_positions(logits), probabilities(logits)
    if len(at) < 2 or not finite([f[i] for i in at]):
        return all_of(nan, logits, f)
    a = {i: p[i] * (score(p, i) * score(p, i)).sum() for i in at}
    return total(a[i] * f[i] for i in at) / total(a.values())


def draw_variance(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (arguments, why) in enumerate(with_values(rng)):
        if not np.any(np.abs(arguments["f"]) > 1e100):
            b = short(rng.normal(size=arguments["f"].shape[:-1])) * (i % 4 > 0)
            yield Draw(arguments | {"baseline": np.asarray(b)}, **why)
    for z, f in (([0.0, 0.0], [1.0, 3.0]), ([0.5, -1.0], [1.0, 3.0]), ([30.0, 0.0], [-2.0, 1.0])):
        best = float(optimal(np.array(z), np.array(f)).item())
        for step in (0.0, 1e-12, 1e-6, 1e-2):  # for two positions the least variance is 0
            arguments = {"logits": np.array(z), "f": np.array(f), "baseline": np.array(best + step)}
            yield Draw(arguments, flags=("NEAR_ROOT", "CANCELLATION"), difficulty=5)
    for i, scale in enumerate((1e-8, 1e-3, 0.1, 1.0, 10.0, 50.0)):  # a baseline far from all f
        for size in (2, 3, 4):
            arguments = {"logits": scale * rng.normal(size=size), "f": rng.normal(size=size)}
            b = np.array((1e3, -30.0)[i % 2])
            yield Draw(arguments | {"baseline": b}, flags=("CANCELLATION",), difficulty=4)
    for b in (nan, np.inf):
        yield Draw({"logits": np.zeros(2), "f": np.ones(2), "baseline": np.array(b)}, result="invalid")


def draw_optimal(rng: np.random.Generator) -> Iterator[Draw]:
    for arguments, why in with_values(rng):
        alone = np.sum(arguments["logits"] > -np.inf, axis=-1).min() == 1
        yield Draw(arguments, **why | ({"result": "undefined"} if alone else {}))
    for gap in (500.0, 740.0, 1000.0, 1e4):
        for where in range(3):
            z, f = np.array([0.5, 0.25, -1.0]), short(rng.normal(size=3))
            z[where] += gap
            yield Draw({"logits": z, "f": f}, flags=("SATURATION", "LARGE_LOGITS"), difficulty=5)
