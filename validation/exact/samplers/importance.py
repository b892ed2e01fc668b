"""Importance sampling as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers.importance import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, log, pi
from validation.exact.samplers._cases import normals, small_target


def step(noise: Noise, target: Any, loc: Any, scale: Any) -> Transition:
    """w = pi(x) / q(x), x = m + s z.

    Source: robert-casella-2004, section 3.3
    """
    x = loc + scale * noise.normals
    z = (x - loc) / scale
    density = target.log_density(x, *target.parameters)
    log_q = -(z * z / 2 + log(scale) + log(2 * pi()) / 2).sum(axis=-1)
    return Transition(State(x, density - log_q), Info(density, log_q, *weighed(density - log_q)))


def weighed(log_weight: Any) -> tuple[Any, Any, Any]:
    """Normalised weights, the log of the mean weight, the effective number."""
    w = exp(log_weight)
    total = np.asarray(w.sum(axis=-1), dtype=object)
    weights = w * (1 / total[..., None])
    mean = log(total) + -log(w.shape[-1])
    return weights, mean, 1 / np.asarray((weights * weights).sum(axis=-1), dtype=object)


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(64):
        name, parameters, size = small_target(rng, i)
        shape = (*((2,) if i % 6 == 5 else ()), (1, 3, 2, 4)[i % 4], size)
        wide = i >= 40
        scale = np.array([short(decades(rng, *((1e-2, 1e2) if wide else (0.3, 4.0))), 5) for _ in range(size)])
        arguments = {
            "noise.normals": normals(rng, shape) * (4 if wide else 1),
            "loc": short(rng.normal(size=size) * 2, 5),
        }
        flags: tuple[str, ...] = ("HUGE_PARAMETER",) if wide else ()
        if i % 7 == 6:  # weights that are all the same
            arguments["noise.normals"], flags = np.zeros(shape), (*flags, "TIE")
        yield Draw(arguments | {"scale": scale} | parameters, {"target": name}, flags, 1 + len(flags))
