"""The logarithm of the scale as a sum over the whole stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.number import log
from validation.exact.samplers.adaptation._streams import acceptances, powers


def adapt(acceptance: Any, scale: Any, *, target: Any, gain: Any, exponent: Any) -> Any:
    """log s_0 + the sum of c i^-kappa (alpha_i - alpha_*).

    Source: andrieu-thoms-2008, eq. 20
    """
    acceptance, start = np.asarray(acceptance), np.asarray(log(scale))
    count = acceptance.shape[-1]
    weights = np.array(powers(count, -exponent), dtype=object)
    moved = (acceptance + (-target)) * weights * gain
    return np.stack([start + moved[..., :m].sum(-1) for m in range(1, count + 1)], axis=-1)


def draw_adapt(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (acceptance, flags) in enumerate(acceptances(rng, 48)):
        start = short(np.array([decades(rng, 1e-3, 10) for _ in range(acceptance[..., 0].size)]))
        arguments = {"acceptance": acceptance, "scale": np.reshape(start, acceptance.shape[:-1])}
        constants = {} if i % 3 else {"target": 0.44, "gain": 2.0, "exponent": 1.0}
        yield Draw(arguments, constants if i % 5 else {"target": 0.574}, flags)
    for start in (5e-324, 1e-300, 1e300, 1.0 + 2.0**-40):
        flags = ("SUBNORMAL",) if start < 1e-310 else ("HUGE_PARAMETER",) if abs(start - 1) > 1e-9 else ("NEAR_ROOT",)
        arguments = {"acceptance": np.array([0.234, 0.25, 0.5]), "scale": np.array(start)}
        yield Draw(arguments, {}, flags, 3)
