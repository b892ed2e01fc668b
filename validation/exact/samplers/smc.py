"""Tempered sequential Monte Carlo as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import smc as sampler
from refengine.samplers.smc import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, log, number
from validation.exact.samplers._cases import case, normals, small_target, uniforms
from validation.exact.samplers._metropolis import accepted, choose
from validation.exact.samplers.importance import weighed
from validation.exact.samplers.sir import ancestors


def step(
    state: State,
    noise: Noise,
    target: Any,
    *,
    before: float,
    after: float,
    scale: float,
    threshold: float = 0.5,
    scheme: str = "systematic",
) -> Transition:
    """Weights times l(x)^(after - before), resampling, a random walk at the new temperature.

    Source: del-moral-2006, eq. 31
    """
    start, end, size = number(before), number(after), number(scale)
    log_w = state.log_weight + state.log_density * (end - start)
    weights, _, effective = weighed(log_w)
    systems, count = np.shape(log_w)[:-1], np.shape(log_w)[-1]
    chosen = ancestors(weights, noise.resampling, scheme, "right")
    x, density = np.array(state.position, dtype=object), np.array(state.log_density, dtype=object)
    weight, evidence = np.empty(np.shape(log_w), dtype=object), np.empty(systems, dtype=object)
    resampled = np.empty(systems, dtype=bool)
    for system in np.ndindex(systems):
        total = log(exp(np.asarray(log_w)[system]).sum())
        evidence[system] = number(np.asarray(state.log_evidence)[system]) + total
        resampled[system] = bool(number(np.asarray(effective)[system]) < number(threshold) * count)
        if resampled[system]:
            x[system], density[system] = x[system][chosen[system]], density[system][chosen[system]]
            weight[system] = [-log(number(count))] * count
        else:
            chosen[system] = np.arange(count)
            weight[system] = [w - total for w in log_w[system]]
    y = x + noise.normals * size
    proposed = target.log_density(y, *target.parameters)
    prior = (x * x).sum(axis=-1) - (y * y).sum(axis=-1)
    ratio = (proposed - density) * end + prior / 2
    decision = accepted(noise.uniforms, ratio)
    then = State(choose(decision, y, x), choose(decision, proposed, density), weight, evidence)
    return Transition(then, Info(weights, effective, chosen, resampled, y, proposed, ratio, decision))


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    schemes = ("systematic", "stratified", "multinomial")
    for i in range(64):
        name, parameters, size = small_target(rng, i)
        particles = (*((1,) if i % 6 == 5 else ()), (1, 2, 3, 2)[i // 2 % 4])
        wide = i >= 40
        ends = sorted(short(rng.uniform(0, 1, size=2), 5).tolist())
        constants = {
            "before": ends[0],
            "after": ends[1],
            "scale": short(decades(rng, *((1e-3, 30.0) if wide else (0.2, 2.0))), 4),
            "threshold": (0.0, 0.5, 0.875, 2.0)[i % 4],
            "scheme": schemes[i // 4 % 3],
        }
        noise = {
            "resampling": uniforms(rng, particles),
            "normals": normals(rng, (*particles, size)),
            "uniforms": uniforms(rng, particles),
        }
        flags: tuple[str, ...] = ("HUGE_PARAMETER",) if wide else ()
        if i % 8 == 7:
            noise["uniforms"], flags = np.zeros(particles), (*flags, "ZERO_LOG_ZERO")
        position = short(rng.normal(size=(*particles, size)) * (4 if wide else 1), 4)
        plain = case(sampler, name, parameters, position, noise, constants, flags=flags, difficulty=1 + len(flags))
        if i % 4 == 3:
            weight = short(np.log(rng.dirichlet(np.ones(particles[-1]), size=particles[:-1])), 8)
            carried = {"state.log_weight": weight, "state.log_evidence": short(rng.normal(size=particles[:-1]), 5)}
            plain = Draw(plain.arguments | carried, plain.constants, (*plain.flags, "CARRIED_STATE"), 3)
        yield plain
