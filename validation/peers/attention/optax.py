"""optax's projection onto the simplex, which is sparsemax; what is masked is -inf."""

from __future__ import annotations

from typing import Any

import jax
from jax import numpy as jnp
from optax import projections

from validation.peers._table import NotOffered

FRAMEWORK = "jax"


def sparsemax(z: Any, *, mask: Any = None) -> Any:
    if not z.size:
        raise NotOffered("rows of at least one")
    rows = (z if mask is None else jnp.where(mask, z, -jnp.inf)).reshape((-1, z.shape[-1]))
    return jax.vmap(projections.projection_simplex)(rows).reshape(z.shape)


ANSWERS = {"attention.sparsemax.sparsemax": {"projection_simplex": sparsemax}}
