"""Gibbs sampling of a Gaussian density, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from typing import Any

import numpy as np

from refengine.samplers.gibbs import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.number import sqrt
from validation.exact.samplers._cases import CHAINS, normals, usual
from validation.exact.samplers.targets import gaussian


def step(state: State, noise: Noise, target: Any, *, scan: str = "systematic", block_size: int = 1) -> Transition:
    """x_B from the normal distribution with mean m_B - P_BB^-1 P_BR (x_R - m_R) and precision P_BB.

    Source: robert-casella-2004, algorithm A.39
    """
    mean, precision = target.parameters
    precision = (precision + precision.T) / 2
    size = len(mean)
    blocks = [range(start, min(start + block_size, size)) for start in range(0, size, block_size)]
    after, told = np.array(state.position, dtype=object), np.array(state.position, dtype=object)
    updated = np.zeros(after.shape, dtype=bool)
    for chain in np.ndindex(after.shape[:-1]):
        order = blocks[::-1] if scan == "reverse" else blocks
        if scan == "random":
            order = [blocks[min(floor(float(np.asarray(noise.uniform)[chain]) * len(blocks)), len(blocks) - 1)]]
        x = after[chain]
        for block in order:
            center, drawn = _conditional(x, np.asarray(noise.normal)[chain], mean, precision, block)
            for i, j in enumerate(block):
                told[chain][j], x[j], updated[chain][j] = center[i], drawn[i], True
    return Transition(State(after), Info(told, updated))


def _conditional(x: Any, z: Any, mean: Any, precision: Any, block: range) -> tuple[list[Any], list[Any]]:
    """The mean of the block given the rest, and the draw that the normals make."""
    rest = [r for r in range(len(mean)) if r not in block]
    lower = _cholesky([[precision[i, j] for j in block] for i in block])
    pulls = [sum((precision[i, r] * (x[r] - mean[r]) for r in rest), 0) for i in block]
    center = [mean[i] - pull for i, pull in zip(block, _upper(lower, _lower(lower, pulls)), strict=True)]
    return center, [c + spread for c, spread in zip(center, _upper(lower, [z[i] for i in block]), strict=True)]


def _cholesky(matrix: list[list[Any]]) -> list[list[Any]]:
    lower: list[list[Any]] = []
    for i, row in enumerate(matrix):
        lower.append([])
        for j in range(i + 1):
            rest = row[j] - sum((lower[i][k] * lower[j][k] for k in range(j)), 0)
            lower[i].append(sqrt(rest) if i == j else rest / lower[j][j])
    return lower


def _lower(lower: list[list[Any]], right: list[Any]) -> list[Any]:
    """L^-1 times a vector."""
    found: list[Any] = []
    for i, r in enumerate(right):
        found.append((r - sum((lower[i][k] * found[k] for k in range(i)), 0)) / lower[i][i])
    return found


def _upper(lower: list[list[Any]], right: list[Any]) -> list[Any]:
    """L^-T times a vector."""
    size = len(right)
    found: list[Any] = [0] * size
    for i in range(size - 1, -1, -1):
        found[i] = (right[i] - sum((lower[k][i] * found[k] for k in range(i + 1, size)), 0)) / lower[i][i]
    return found


def draw_step(rng: np.random.Generator) -> Iterator[Draw]:
    scans = ("systematic", "reverse", "random")
    for i in range(66):
        size, wide = 1 + i % 3, i >= 48
        parameters = gaussian.draw_parameters(rng, size, spread=1.5 if wide else 0.5)
        position = short(rng.normal(size=(*CHAINS[i // 3 % 4], size)) * (decades(rng, 1e-3, 1e3) if wide else 2), 5)
        constants = {"scan": scans[i % 3 if i % 2 else 2 - i // 7 % 3], "block_size": 1 + i // 3 % 3}
        noise = usual(rng, position)
        flags: tuple[str, ...] = ("HUGE_PARAMETER",) if wide else ()
        if i % 8 == 7:  # the first block and the last one
            noise, flags = noise | {"uniform": np.full(position.shape[:-1], i // 8 % 2)}, (*flags, "SUPPORT_EDGE")
        others = {s: {"scan": s} for s in scans if s != constants["scan"]} if i < 9 else {}
        flags = (*flags, "AMBIGUOUS_CONVENTION") if others else flags
        given = {f"target.{k}": v for k, v in parameters.items()}
        yield _case(given, position, noise, constants, flags, others)
    for correlation in (0.999, -0.999, 1 - 2.0**-20):
        precision = np.array([[1.0, correlation], [correlation, 1.0]])
        for block_size in (1, 2):
            given = {"target.mean": np.array([0.25, -0.5]), "target.precision": precision}
            position = short(rng.normal(size=2), 5)
            noise = {"normal": normals(rng, (2,)), "uniform": 0.5}
            yield _case(given, position, noise, {"block_size": block_size}, ("CANCELLATION",), {})


def _case(given: Any, position: Any, noise: Any, constants: Any, flags: Any, others: Any) -> Draw:
    arguments = {"state.position": position, **{f"noise.{k}": np.asarray(v) for k, v in noise.items()}, **given}
    return Draw(arguments, {"target": "gaussian", **constants}, flags, 1 + len(flags), alternatives=others)
