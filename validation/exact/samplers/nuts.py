"""The No-U-Turn sampler, by recursion over halves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refengine.samplers import nuts as sampler
from refengine.samplers.nuts import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, log, number, sqrt
from validation.exact.samplers._cases import METRICS, cases, draw_metric, inverse_mass, normals, small_target, uniforms
from validation.exact.samplers._hamiltonian import energy, leapfrog

TURNS = ("trapezoidal", "momentum_sum", "stan", "position")


def step(
    state: State,
    noise: Noise,
    target: Any,
    metric: Any,
    *,
    step_size: float,
    turn: str = "trapezoidal",
    metric_convention: str = "inverse_mass",
    divergence_threshold: float = 1000.0,
) -> Transition:
    """Doubling with multinomial weights; the new half is preferred.

    Source: betancourt-2017, section A.3
    """
    w = inverse_mass(metric, metric_convention)
    chains = np.shape(state.log_density)
    leaves = np.empty((len(State._fields) + len(Info._fields), *chains), dtype=object)
    vectors = {name: np.empty(np.shape(state.position), dtype=object) for name in ("position", "gradient", "momentum")}
    names = (*State._fields, *Info._fields)
    for chain in np.ndindex(chains):
        start = tuple(np.asarray(field)[chain] for field in state)
        drawn = tuple(np.asarray(field)[chain] for field in noise)
        found = _chain(start, drawn, target, w, number(step_size), turn, divergence_threshold)
        for i, (name, leaf) in enumerate(zip(names, found, strict=True)):
            if name in vectors:
                vectors[name][chain] = leaf
            else:
                leaves[(i, *chain)] = leaf
    kinds = {"depth": np.int64, "leaves": np.int64, "turning": bool, "divergent": bool}
    told = [
        vectors[name] if name in vectors else np.asarray(leaves[i], dtype=kinds.get(name, object))
        for i, name in enumerate(names)
    ]
    return Transition(State(*told[:3]), Info(*told[3:]))


def _chain(start: Any, drawn: Any, target: Any, w: Any, h: Any, turn: str, threshold: float) -> tuple[Any, ...]:
    q, log_density, gradient = start
    z, directions, halves, uniform = drawn
    p = z / sqrt(w)
    first = (q, p, gradient, log_density, energy(log_density, p, w))
    leaves: list[Any] = []

    def advance(point: Any, sign: int) -> Any:
        y, momentum, slope = leapfrog(target, point[0], point[1], point[2], w, sign * h, 1)
        density = target.log_density(y, *target.parameters)
        leaves.append((y, momentum, slope, density, energy(density, momentum, w)))
        return leaves[-1]

    def build(edge: Any, sign: int, depth: int) -> tuple[list[Any], str]:
        """Points in the order in which they were made, and why there are no more."""
        if depth == 0:
            point = advance(edge, sign)
            return [point], "divergent" if point[4] - first[4] > threshold else ""
        near, why = build(edge, sign, depth - 1)
        if why:
            return near, why
        far, why = build(near[-1], sign, depth - 1)
        points = near + far
        return points, why or ("turning" if _turns(points[::sign], w, turn) else "")

    tree, chosen, why, depth = [first], first, "", 0
    while not why and depth < len(directions):
        sign = 1 if directions[depth] < 0.5 else -1
        made = len(leaves)
        points, why = build(tree[-1] if sign > 0 else tree[0], sign, depth)
        if not why:
            kept = points[0]
            for n in range(1, len(points)):
                if _below(uniform[made + n], _weight(points[n : n + 1], first) / _weight(points[: n + 1], first)):
                    kept = points[n]
            if _below(halves[depth], _weight(points, first) / _weight(tree, first)):
                chosen = kept
            tree, depth = (tree + points if sign > 0 else points[::-1] + tree), depth + 1
            why = "turning" if _turns(tree, w, turn) else ""
    rises = [leaf[4] - first[4] for leaf in leaves]
    acceptance = sum((exp(-r) if r > 0 else number(1) for r in rises), number(0)) / len(leaves)
    told = p, first[4], chosen[4], log(_weight(tree, first)), acceptance, depth, len(leaves)
    return chosen[0], chosen[3], chosen[2], *told, why == "turning", why == "divergent"


def _weight(points: Any, first: Any) -> Any:
    return sum((exp(first[4] - point[4]) for point in points), number(0))


def _below(u: Any, quotient: Any) -> bool:
    return bool(number(u) < quotient)


def _turns(points: list[Any], w: Any, turn: str) -> bool:
    """Points in the order of time."""
    if turn == "stan":
        half = len(points) // 2
        return any(_turns(part, w, "momentum_sum") for part in (points, points[: half + 1], points[half - 1 :]))
    ends = [points[0], points[-1]]
    if turn == "position":
        apart = ends[1][0] - ends[0][0]
        return any(number((apart * end[1]).sum()) < 0 for end in ends)
    total = sum((point[1] for point in points[1:]), points[0][1])
    if turn == "trapezoidal":
        total = total - (ends[0][1] + ends[1][1]) / 2
    return any(number((w * end[1] * total).sum()) <= 0 for end in ends)


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    def constants(rng: np.random.Generator, i: int) -> dict[str, Any]:
        given = {"step_size": short(decades(rng, 0.1, 1.5), 3), "turn": TURNS[i % 4]}
        return given | {"metric_convention": METRICS[i % 3]}

    def noise(rng: np.random.Generator, position: Any) -> dict[str, Any]:
        chains, depth = (
            position.shape[:-1],
            1 if position.size > 2 else 2 if position.size > 1 else int(rng.integers(1, 4)),
        )
        drawn = {"directions": depth, "halves": depth, "leaves": 2**depth - 1}
        return {"normal": normals(rng, position.shape)} | {k: uniforms(rng, (*chains, n)) for k, n in drawn.items()}

    wide = [{"step_size": decades(rng, *h), "turn": TURNS[i]} for h in ((1e-4, 1e-2), (10.0, 1e3)) for i in range(4)]

    def target(rng: np.random.Generator, i: int) -> tuple[str, dict[str, Any], int]:
        return small_target(rng, i % 8)  # at most two coordinates

    yield from cases(rng, sampler, constants, wide, noise, draw_metric, target=target)
