"""Energy and leapfrog as they are written."""

from __future__ import annotations

from typing import Any

import numpy as np

from validation.exact.number import number


def leapfrog(target: Any, q: Any, p: Any, gradient: Any, w: Any, step_size: Any, steps: int) -> tuple[Any, Any, Any]:
    """Position, momentum and gradient after ``steps`` steps from q with the gradient there."""
    h = number(step_size)
    for _ in range(steps):
        p = p + gradient * h / 2
        q = q + w * p * h
        gradient = target.gradient(q, *target.parameters)
        p = p + gradient * h / 2
    return q, p, gradient


def energy(log_density: Any, p: Any, w: Any) -> Any:
    """-log density + p' W p / 2."""
    return (w * p * p).sum(axis=-1) / 2 - log_density


def divergent(log_ratio: Any, threshold: float) -> np.ndarray:
    """Whether the energy grows by more than the threshold."""
    return np.array([not number(r) >= -threshold for r in np.ravel(log_ratio)]).reshape(np.shape(log_ratio))
