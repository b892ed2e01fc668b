"""Runs whose chains are walked in compiled code."""

from __future__ import annotations

import inspect
import sys
from functools import partial
from typing import Any

import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers._walk import Walk
from refengine.samplers import _run as reference
from refengine.samplers._run import Result

STEPS_A_TURN = 200_000
"""Steps of all chains between two moves of the bar."""


@kernel_of(reference.run)
def run(kernel, state, noise, draws, *, chains, progress=True):
    draws, chains = reference.counts(state, noise, draws, chains)
    walk, filled = _walk_of(kernel)
    if walk is None or not draws or not chains:
        return reference.run(kernel, state, noise, draws, chains=chains, progress=progress)
    states, infos, turn = [], [], max(1, STEPS_A_TURN // chains)
    with reference.bar(draws, progress) as advance:
        for t in range(0, draws, turn):
            part = type(noise)(*(leaf[t : t + turn] for leaf in noise))
            found = walk.run(state, part, *filled[0], **filled[1])
            if found is None:  # at the first turn if at all
                break
            states.append(found[0])
            infos.append(found[1])
            state = found[2]
            advance(len(part[0]))
    if not states:
        return reference.run(kernel, state, noise, draws, chains=chains, progress=progress)
    return Result(*reference.by_name(_joined(states), _joined(infos)), state)


def _walk_of(kernel: Any) -> tuple[Any, Any]:
    """The walk of a kernel that is a `partial` of a step of this tree, and what is filled in; else None."""
    own = vars(sys.modules.get(getattr(getattr(kernel, "func", None), "__module__", ""), sys))
    walk = own.get("walk")
    if (
        not isinstance(kernel, partial)
        or not isinstance(walk, Walk)
        or kernel.func is not own.get("step")
        or kernel.args
    ):
        return None, None
    bound = inspect.signature(kernel.func).bind(None, None, **kernel.keywords)
    bound.apply_defaults()
    return walk, (bound.args[2:], bound.kwargs)


def _joined(parts: list[Any]) -> Any:
    return (
        type(parts[0])(*(np.concatenate(leaves, axis=1) for leaves in zip(*parts, strict=True)))
        if parts[1:]
        else parts[0]
    )
