"""Resampling by the inverse distribution function of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers.sir import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import detached, number
from validation.exact.samplers._cases import uniforms
from validation.exact.samplers.importance import weighed


def step(state: State, noise: Noise, *, scheme: str = "multinomial", side: str = "right") -> Transition:
    """The draw at which the sum of the weights passes the uniform.

    Source: robert-casella-2004, chapter 14
    """
    weights, mean, effective = weighed(state.log_weight)
    chosen = ancestors(weights, noise.uniforms, scheme, side)
    position = np.empty((*chosen.shape, np.shape(state.position)[-1]), dtype=object)
    log_weight = np.empty(chosen.shape, dtype=object)
    for at in np.ndindex(chosen.shape):
        position[at] = state.position[(*at[:-1], chosen[at])]
        log_weight[at] = np.asarray(mean)[at[:-1]]
    return Transition(State(position, log_weight), Info(weights, chosen, effective))


def ancestors(weights: Any, uniform: Any, scheme: str, side: str) -> np.ndarray:
    """Which draw each of the offspring is."""
    chosen = np.empty(np.shape(uniform), dtype=np.int64)
    count = chosen.shape[-1]
    for at in np.ndindex(chosen.shape):
        u = detached(number(uniform[(*at[:-1], 0 if scheme == "systematic" else at[-1])]))
        v = u if scheme == "multinomial" else (u + at[-1]) / count
        total, found = number(0), len(weights[at[:-1]]) - 1
        for n, weight in enumerate(weights[at[:-1]][:-1]):
            total = total + detached(weight)
            if total > v or (side == "left" and total >= v):
                found = n
                break
        chosen[at] = found
    return chosen


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    schemes = ("multinomial", "stratified", "systematic")
    for i in range(64):
        size, count = 1 + i % 4, 1 + i // 4 % 4
        over = (2,) if i % 6 == 5 else ()
        spread, flags = (1.0, ()) if i < 40 else (decades(rng, 10, 300), ("HUGE_PARAMETER",))
        scheme, u = schemes[i % 3], uniforms(rng, (*over, count))
        marks: tuple[str, ...] = flags
        if i % 8 == 7 and scheme == "multinomial":
            u, marks = np.full((*over, count), i // 8 % 2), (*marks, "SUPPORT_EDGE")
        others = {s: {"scheme": s} for s in schemes if s != scheme} if i < 9 else {}
        marks = (*marks, "AMBIGUOUS_CONVENTION") if others else marks
        arguments = {
            "state.position": short(rng.normal(size=(*over, size, 1 + i % 3)), 5),
            "state.log_weight": short(rng.normal(size=(*over, size)) * spread, 6),
            "noise.uniforms": u,
        }
        constants = {"scheme": scheme, "side": ("right", "left")[i // 2 % 2]}
        yield Draw(arguments, constants, marks, 1 + len(marks), alternatives=others)
