"""What the libraries on jax share: a target in both languages, chains with their keys, the noise of keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from refengine.samplers.targets import banana

jax.config.update("jax_enable_x64", True)

BEND, SCALE, SIZE = 0.3, 1.5, 3
TARGET = banana.target(BEND, SCALE)
START = np.array([0.5, -0.2, 0.3])
METRIC = np.array([1.6, 0.7, 1.1])


def log_density(x: Any) -> Any:
    """The same target in jax."""
    ridge = x[1] + BEND * (x[0] ** 2 - SCALE**2)
    return -((x[0] / SCALE) ** 2 + (ridge**2 + jnp.sum(x[2:] ** 2))) / 2


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """In a hurry: what runs once is not worth optimisation."""
    options = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(function, compiler_options=options)


def chain(step: Callable[[Any, Any], tuple[Any, Any]], state: Any, count: int = 300) -> tuple[Any, Any, Any, Any]:
    """Keys, the states before and after every step, and what the steps told, the steps along the first axis."""
    keys = jax.random.split(jax.random.key(7), count)

    def once(state: Any, key: Any) -> tuple[Any, Any]:
        after, told = step(key, state)
        return after, (state, after, told)

    _, found = compiled(lambda: jax.lax.scan(once, state, keys))()
    return keys, *jax.tree.map(np.asarray, found)


def drawn(noise: Callable[[Any], Any], keys: Any) -> Any:
    """The noise of every key, as NumPy arrays."""
    return jax.tree.map(np.array, compiled(jax.vmap(noise))(keys))


def normal_and_uniform(key: Any, split: Callable[[Any], Any] = jax.random.split) -> tuple[Any, Any]:
    """That of proposals by the first of two keys, which the second one decides on."""
    first, second = split(key)
    return jax.random.normal(first, (SIZE,)), jax.random.uniform(second)
