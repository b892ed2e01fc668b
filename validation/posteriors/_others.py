"""Exact moments of the other posteriors."""

from __future__ import annotations

from math import exp, sqrt

import numpy as np

from validation.posteriors._quadrature import Moments, on_the_line

REACH = 5.3
"""The plane is stretched by sinh, so that its tails are reached: sinh(5.3) = 100 standard deviations at the mode."""


def eight_schools(outcomes: np.ndarray, errors: np.ndarray, nodes: int = 1000) -> Moments:
    """Of mu, tau and the effects: given tau, mu and each effect are normal."""

    def given(spread: np.ndarray) -> tuple[np.ndarray, ...]:
        total = errors**2 + np.exp(2 * spread)[:, None]
        precision = 1 / 25 + (1 / total).sum(axis=1)
        return total, precision, (outcomes / total).sum(axis=1) / precision

    def log_density(spread: np.ndarray) -> np.ndarray:
        total, precision, mu = given(spread)
        squares = ((outcomes - mu[:, None]) ** 2 / total).sum(axis=1) + mu**2 / 25
        prior = spread - np.log1p(np.exp(2 * spread) / 25)
        result: np.ndarray = prior - (np.log(total).sum(axis=1) + squares + np.log(precision)) / 2
        return result

    spread, weight = on_the_line(log_density, nodes)
    total, precision, mu = given(spread)
    tau, share = np.exp(spread), np.exp(2 * spread)[:, None] / total
    effect = share * outcomes + (1 - share) * mu[:, None]
    variance = share * errors**2 + (1 - share) ** 2 / precision[:, None]
    best = np.column_stack([mu, tau, effect])
    left = np.column_stack([1 / precision, np.zeros_like(tau), variance])
    mean = weight @ best
    return Moments(mean, np.sqrt(weight @ ((best - mean) ** 2 + left)))


def logistic(features: np.ndarray, outcomes: np.ndarray, scale: float, nodes: int = 160) -> Moments:
    """Of two coefficients, by the trapezoidal rule over the plane in coordinates where the mode is round."""
    sign = 2 * outcomes - 1.0

    def log_density(beta: np.ndarray) -> np.ndarray:
        margin = sign * (beta @ features.T)
        result: np.ndarray = -np.logaddexp(0, -margin).sum(axis=-1) - (beta**2).sum(axis=-1) / (2 * scale**2)
        return result

    mode = np.zeros(2)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-features @ mode))
        curvature = (features.T * (chance * (1 - chance))) @ features + np.eye(2) / scale**2
        mode = mode + np.linalg.solve(curvature, features.T @ (outcomes - chance) - mode / scale**2)
    round_to = np.linalg.inv(np.linalg.cholesky(curvature)).T
    line = np.linspace(-REACH, REACH, nodes)
    grid = np.sinh(np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)) @ round_to.T
    height = np.stack([log_density(mode + row) for row in grid])
    edge = max(side.max() for side in (height[0], height[-1], height[:, 0], height[:, -1]))
    assert edge < height.max() - 45  # nothing of the density is cut off
    weight = np.exp(height - height.max()) * np.cosh(line) * np.cosh(line)[:, None]
    weight /= weight.sum()
    offset = np.tensordot(weight, grid, axes=2)
    return Moments(mode + offset, np.sqrt(np.tensordot(weight, (grid - offset) ** 2, axes=2)))


def gaussian(mean: np.ndarray, precision: np.ndarray) -> Moments:
    """Of the coordinates."""
    return Moments(mean, np.sqrt(np.diag(np.linalg.inv(precision))))


def banana(bend: float, scale: float, size: int) -> Moments:
    """Of the coordinates: the second is a normal one less bend (x^2 - scale^2)."""
    return Moments(np.zeros(size), np.array([scale, sqrt(1 + 2 * bend**2 * scale**4), *[1.0] * (size - 2)]))


def funnel(scale: float, size: int) -> Moments:
    """Of the coordinates: the variance of all but the first is the mean of a log-normal variable."""
    return Moments(np.zeros(size), np.array([scale, *[exp(scale**2 / 4)] * (size - 1)]))
