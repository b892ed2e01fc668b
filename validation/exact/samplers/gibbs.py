"""Gibbs sampling of a Gaussian density, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from typing import Any

import numpy as np

from refengine.samplers.gibbs import Info, Noise, State, Transition
from validation.exact.draws import Draw, decades, short
from validation.exact.linear_algebra import eliminate, solve, square_root, symmetric
from validation.exact.number import lift
from validation.exact.samplers._cases import CHAINS, normals, usual
from validation.exact.samplers.targets import gaussian


def step(state: State, noise: Noise, target: Any, *, scan: str = "systematic", block_size: int = 1) -> Transition:
    """x_B is normal with mean m_B + S_BR S_RR^-1 (x_R - m_R) and covariance S_BB - S_BR S_RR^-1 S_RB, S = P^-1.

    Source: robert-casella-2004, algorithm A.39
    """
    mean, precision = target.parameters
    size = len(mean)
    covariance = solve(_factors(symmetric(precision)), np.asarray(lift(np.eye(size), variables=False)))
    blocks = [range(start, min(start + block_size, size)) for start in range(0, size, block_size)]
    after, told = np.array(state.position, dtype=object), np.array(state.position, dtype=object)
    updated = np.zeros(after.shape, dtype=bool)
    for chain in np.ndindex(after.shape[:-1]):
        order = blocks[::-1] if scan == "reverse" else blocks
        if scan == "random":
            order = [blocks[min(floor(float(np.asarray(noise.uniform)[chain]) * len(blocks)), len(blocks) - 1)]]
        x = after[chain]
        for block in order:
            center, drawn = _conditional(x, np.asarray(noise.normal)[chain], mean, covariance, block)
            for i, j in enumerate(block):
                told[chain][j], x[j], updated[chain][j] = center[i], drawn[i], True
    return Transition(State(after), Info(told, updated))


def _conditional(x: Any, z: Any, mean: Any, covariance: Any, block: range) -> tuple[Any, Any]:
    """The mean of the block given the rest, and the draw that the normals make."""
    rest = [r for r in range(len(mean)) if r not in block]
    own, cross = covariance[np.ix_(block, block)], covariance[np.ix_(rest, block)]
    center = mean[block]
    if rest:
        others = _factors(covariance[np.ix_(rest, rest)])
        center = center + solve(others, x[rest] - mean[rest]) @ cross
        own = own - cross.T @ solve(others, cross)
    # an upper triangular square root, as that from the last coordinate to the first
    root = square_root(_factors(own[::-1, ::-1]))[::-1, ::-1]
    return center, center + root @ z[block]


def _factors(matrix: Any) -> Any:
    factors = eliminate(matrix)
    assert factors is not None  # the precisions drawn are positive definite
    return factors


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
