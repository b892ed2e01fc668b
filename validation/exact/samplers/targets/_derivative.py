"""The gradient of a log density, by automatic differentiation of its definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from validation.exact.number import gradient, number


def derivative(log_density: Callable[..., Any], position: Any, *parameters: Any) -> Any:
    """Chain by chain; numbers that can be differentiated again."""
    result = np.empty(np.shape(position), dtype=object)
    for chain in np.ndindex(np.shape(position)[:-1]):
        coordinates = [number(x) for x in position[chain]]
        density = log_density(position[chain], *parameters)
        result[chain] = gradient([number(density)], [1], coordinates)
    return result
