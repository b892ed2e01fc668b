"""Adaptive rejection sampling, hull by hull."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np

import refengine
from refengine.samplers.adaptive_rejection import Info, Noise, State, Transition
from refengine.samplers.adaptive_rejection import init as start
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, log, number, stated
from validation.exact.samplers._cases import uniforms
from validation.exact.samplers._metropolis import accepted
from validation.exact.samplers.targets import gaussian, logistic_regression


def step(state: State, noise: Noise, target: Any, *, lower: float = -inf, upper: float = inf) -> Transition:
    """Tangents above, chords below.

    Source: gilks-wild-1992, eq. 1
    """
    chains, count = np.shape(state.abscissae)[:-1], np.shape(state.abscissae)[-1]
    after = np.empty((3, *chains, count + 1), dtype=object)
    told = np.empty((5, *chains), dtype=object)
    for chain in np.ndindex(chains):
        x, h, slope = (field[chain] for field in state)
        z = [lower]
        for k in range(count - 1):
            rise = h[k + 1] - h[k] - slope[k + 1] * (x[k + 1] - x[k])
            z.append(x[k] + rise / (slope[k] - slope[k + 1]))
        z.append(upper)
        heights = [[_exp_hull(h[k] + (end - x[k]) * slope[k]) for end in z[k : k + 2]] for k in range(count)]
        masses = [(high - low) / s for (low, high), s in zip(heights, slope, strict=True)]
        wanted = number(np.asarray(noise.place)[chain]) * sum(masses, number(0))
        j = 0
        while j < count - 1 and not masses[j] > wanted:
            wanted, j = wanted - masses[j], j + 1
        draw = x[j] + (log(heights[j][0] + wanted * slope[j]) - h[j]) / slope[j]
        hull = h[j] + (draw - x[j]) * slope[j]
        place = sum(bool(draw > point) for point in x)
        chord = stated(-inf)
        if 0 < place < count:
            a, b = place - 1, place
            chord = ((x[b] - draw) * h[a] + (draw - x[a]) * h[b]) / (x[b] - x[a])
        at = np.array([draw], dtype=object)
        density, there = number(target.log_density(at, *target.parameters)), target.gradient(at, *target.parameters)[0]
        for i, (old, new) in enumerate(((x, draw), (h, density), (slope, there))):
            after[(i, *chain)] = [*old[:place], new, *old[place:]]
        told[(slice(None), *chain)] = [draw, hull, chord, density, density - hull]
    decision = np.asarray(accepted(noise.uniform, told[4]))
    squeezed = np.asarray(accepted(noise.uniform, told[2] - told[1]))
    return Transition(State(*after), Info(*told, decision, squeezed))


def _exp_hull(height: Any) -> Any:
    """0 at an infinite end."""
    return number(0) if number(height).stated else exp(height)


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    made = 0
    while made < 64:
        name = ("gaussian", "logistic_regression")[made % 2]
        parameters = (
            gaussian.draw_parameters(rng, 1) if made % 2 == 0 else logistic_regression.draw_parameters(rng, 3, 1)
        )
        target = getattr(refengine.samplers.targets, name).target(**parameters)
        count, chains = 2 + made % 3, ((), (2,), ())[made % 3]
        wide = made >= 44
        x = np.sort(short(rng.normal(size=(*chains, count)) * (decades(rng, 0.5, 8) if wide else 2.0), 5), axis=-1)
        state = start(x, target)
        bounded, slope = made % 5 == 4, state.gradient
        constants = {"lower": float(np.floor(x.min() - 1)), "upper": float(np.ceil(x.max() + 2))} if bounded else {}
        hull = bounded or (np.all(slope[..., 0] > 0.05) and np.all(slope[..., -1] < -0.05))
        if not hull or np.any(np.abs(slope) < 0.05) or np.any(np.diff(x) < 0.25) or np.any(np.diff(slope) > -0.05):
            continue
        made += 1
        flags: tuple[str, ...] = ("HUGE_PARAMETER",) if wide else ()
        noise = {"place": uniforms(rng, chains), "uniform": uniforms(rng, chains)}
        if made % 8 == 7:
            noise["uniform"], flags = np.zeros(chains), (*flags, "ZERO_LOG_ZERO")
        if made % 8 == 3:  # far out in a tail
            noise["place"], flags = np.full(chains, (1 - 2.0**-40, 2.0**-60)[made // 8 % 2]), (*flags, "TINY_P")
        arguments = {f"state.{k}": v for k, v in state._asdict().items()}
        if made % 8 == 5:  # a hull that is higher at one point: its heights are inputs
            lift = np.zeros(x.shape)
            lift[..., 0] = 2.0**-6
            arguments["state.log_density"], flags = arguments["state.log_density"] + lift, (*flags, "CARRIED_STATE")
        arguments |= {f"noise.{k}": np.asarray(v) for k, v in noise.items()}
        arguments |= {f"target.{k}": v for k, v in parameters.items()}
        yield Draw(arguments, {"target": name, **constants}, flags, 1 + len(flags))
