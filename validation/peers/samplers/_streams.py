"""Draws (chains, draws) on which diagnostics are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from validation.peers.samplers._rows import Row, difference

CHAINS, COUNT = 4, 120  # few shapes: jax compiles for each


def autoregressive(correlation: float, count: int = COUNT) -> np.ndarray:
    noise = np.random.default_rng(3).normal(size=(CHAINS, count))
    draws = noise.copy()
    for t in range(1, count):
        draws[:, t] = correlation * draws[:, t - 1] + np.sqrt(1 - correlation**2) * noise[:, t]
    return draws


RNG = np.random.default_rng(5)
EVEN = {
    "independent": RNG.normal(size=(CHAINS, COUNT)),
    "slow": autoregressive(0.5),
    "antithetic": autoregressive(-0.6),
    "heavy": RNG.standard_cauchy(size=(CHAINS, COUNT)),
    "one chain": RNG.normal(size=(1, COUNT)),
}
POSITIVE = {  # correlations to the last lag
    "apart": RNG.normal(size=(CHAINS, COUNT)) + np.arange(CHAINS)[:, None],
    "slowest": autoregressive(0.98),
}
ODD = {"odd": RNG.normal(size=(CHAINS, COUNT + 1)), "slow, odd": autoregressive(0.5, COUNT + 1)}
TIES = {"ties": RNG.integers(0, 5, size=(CHAINS, COUNT)).astype(float)}
CONSTANT = {"constant": np.full((CHAINS, COUNT), 0.25)}


def compare(
    operation: str,
    theirs: Callable[[np.ndarray], Any],
    ours: dict[str, Callable[[np.ndarray], Any]],
    streams: dict[str, np.ndarray],
    why: str = "",
    fewest_chains: int = 1,
) -> Row:
    """One number of each stream."""
    used = [draws for draws in streams.values() if len(draws) >= fewest_chains]
    wanted = np.array([float(np.asarray(theirs(draws))) for draws in used])
    worst = {
        name: difference((np.array([float(function(draws)) for draws in used]), wanted))
        for name, function in ours.items()
    }
    return Row(operation, len(used), worst, why)
