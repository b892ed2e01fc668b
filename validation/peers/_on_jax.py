"""Log densities written in jax: value, and its gradients for a cotangent by jax.grad, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)


def answers(log_prob: dict[str, Callable[..., Any]]) -> Callable[..., tuple[Any, Any]]:
    """``answer(name, g, arguments, floating)`` for a library's table of log densities."""

    def answer(
        name: str, g: np.ndarray, arguments: dict[str, np.ndarray], floating: tuple[str, ...]
    ) -> tuple[Any, Any]:
        known = {k: jax.numpy.asarray(v) for k, v in arguments.items()}

        def total(chosen: dict[str, Any]) -> Any:
            value = log_prob[name](**{**known, **chosen})
            return (g * value).sum(), value

        chosen = {k: known[k] for k in floating}
        if not chosen:
            return np.asarray(total({})[1]), {}
        try:
            gradients, value = jax.grad(total, has_aux=True)(chosen)
        except TypeError:  # a function that jax cannot differentiate still has a value
            gradients, value = {k: jax.numpy.full_like(v, jax.numpy.nan) for k, v in chosen.items()}, total(chosen)[1]
        return np.asarray(value), {k: np.asarray(v) for k, v in gradients.items()}

    return answer
