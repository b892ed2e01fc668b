"""The trapezoidal rule, whose error vanishes geometrically for analytic integrands over the whole line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

AT_A_TIME = 16
"""So many densities or variances are multiplied before a logarithm is taken."""

NEGLIGIBLE = 75.0
"""Where the log density is this far below its maximum the integrand is left out: e^-75 = 3e-33."""


def on_the_line(log_density: Callable[[np.ndarray], np.ndarray], nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and normalised weights of a density that is known up to a constant, with one mode between -100 and 100.

    It has to fall off at least exponentially, and to be wider than a hundredth.
    """
    coarse = np.linspace(-100, 100, 20001)
    with np.errstate(over="ignore", under="ignore"):
        height = log_density(coarse)
        inside = np.flatnonzero(height > height.max() - NEGLIGIBLE)
        x = np.linspace(coarse[inside[0] - 1], coarse[inside[-1] + 1], nodes)
        fine = log_density(x)
        weights = np.exp(fine - fine.max())
    return x, weights / weights.sum()


def over_a_box(
    log_density: Callable[..., np.ndarray], center: Any, spread: Any, nodes: int, reach: float
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Nodes along each axis, as an open mesh, and normalised weights of a density with one mode in several variables.

    The box goes ``reach`` standard deviations to either side; ``center`` and ``spread`` say roughly where it is.
    """
    middle, width = np.asarray(center, float), np.asarray(spread, float)
    for count in (2 * nodes // 3, 2 * nodes // 3, nodes):
        axes = np.ix_(*(m + w * np.linspace(-reach, reach, count) for m, w in zip(middle, width, strict=True)))
        height = log_density(*axes)
        weight = np.exp(height - height.max())
        weight /= weight.sum()
        middle, width = moments_of(axes, weight)
    edges = max(np.max(np.take(height, (0, -1), axis)) for axis in range(height.ndim))
    assert edges < height.max() - 24  # what is cut off is below 1e-10, if the density goes on to fall like a normal one
    return axes, weight


class Moments(NamedTuple):
    """Mean and standard deviation of every parameter."""

    mean: np.ndarray
    sd: np.ndarray


def moments_of(values: Sequence[np.ndarray], weight: np.ndarray) -> Moments:
    """Of arrays that broadcast to the weights, which add up to 1."""
    mean = np.array([np.sum(weight * v) for v in values])
    return Moments(mean, np.sqrt([np.sum(weight * (v - m) ** 2) for v, m in zip(values, mean, strict=True)]))
