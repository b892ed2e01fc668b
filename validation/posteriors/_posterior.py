"""What is known of a posterior, and the maps that several of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from validation.posteriors._quadrature import Moments


class Posterior(NamedTuple):
    """``target(targets)`` makes the density from a backend's module of targets, ``start`` and ``width`` say where it is
    (both only roughly), ``parameters(position)`` maps (..., D) to the named parameters (..., P)."""

    name: str
    names: tuple[str, ...]
    target: Callable[[Any], Any]
    start: np.ndarray
    width: np.ndarray
    parameters: Callable[[np.ndarray], np.ndarray]
    moments: Callable[..., Moments]


def noise_last(position: np.ndarray) -> np.ndarray:
    return np.concatenate([position[..., :-1], np.exp(position[..., -1:])], axis=-1)


def made(name: str, *rest: Any) -> Any:
    """The target of that name, from a backend's module of targets, which comes last."""
    *given, targets = rest
    return getattr(targets, name).target(*given)


def as_it_is(position: np.ndarray) -> np.ndarray:
    return position


def standard(column: np.ndarray) -> np.ndarray:
    result: np.ndarray = (column - column.mean()) / column.std(ddof=1)
    return result
