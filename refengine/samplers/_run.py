"""Whole chains from noise that is drawn before: one step after another, and the draws as named arrays."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from operator import index
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import namespace
from refengine.domains import Array
from refengine.samplers._chains import mapped

PATIENCE = 1.0
"""Seconds after which a run on a terminal shows a bar."""


class Result(NamedTuple):
    """What a run leaves: arrays (chain, draw, ...) by name, and the state from which another run goes on.

    ``posterior`` holds the positions, ``sample_stats`` the other fields of the states and those of the steps' Info. A
    field of Info by the name of one of the state is called ``info.<name>``, as ``info.momentum`` of GHMC, the momentum
    that the trajectory starts with, beside the state's ``momentum``.
    """

    posterior: dict[str, Array]
    sample_stats: dict[str, Array]
    state: Any


def pre_drawn(noise: Callable[..., Any], rng: np.random.Generator, state: Any, draws: int) -> Any:
    """The noise of a whole run: what ``noise(rng, state)`` of the sampler gives, ``draws`` times, along a first axis.

    >>> from refengine.samplers import random_walk
    >>> state = random_walk.State(np.zeros((3, 2)), np.zeros(3))
    >>> pre_drawn(random_walk.noise, np.random.default_rng(0), state, 5).normal.shape
    (5, 3, 2)
    """
    if _count("draws", draws) == 0:
        return mapped(lambda leaf: namespace(leaf).stack([leaf])[:0], noise(rng, state))
    return _stacked([noise(rng, state) for _ in range(draws)], axis=0)


def run(
    kernel: Callable[[Any, Any], Any], state: Any, noise: Any, draws: int, *, chains: int, progress: bool = True
) -> Result:
    """Chains of ``draws`` transitions, a pure function of the first state and the noise.

    ``kernel(state, noise)`` gives the next state and what happened on the way, as a sampler's ``step`` does with its
    target and constants filled in. Every array of the state has the chains as its first axis, every array of the noise
    the draws and then the chains: `pre_drawn` makes one with a sampler's ``noise``. All draws are kept, the first state
    is not among them. A run that takes long shows a bar on a terminal (with the extra ``cli``); ``progress=False``
    forbids it. Raises ValueError for arrays without those axes.

    A walk that accepts everything adds up its noise:

    >>> from functools import partial
    >>> from refengine.samplers import Target, random_walk
    >>> flat = Target(lambda x: 0.0 * x[..., 0], lambda x: 0.0 * x)
    >>> state = random_walk.init(np.zeros((1, 1)), flat)
    >>> noise = random_walk.Noise(np.ones((3, 1, 1)), np.full((3, 1), 0.5))
    >>> result = run(partial(random_walk.step, target=flat, scale=1.0), state, noise, 3, chains=1)
    >>> result.posterior["position"][0, :, 0].tolist()
    [1.0, 2.0, 3.0]
    """
    draws, chains = counts(state, noise, draws, chains)
    states, infos = [], []
    with bar(draws, progress) as advance:
        for t in range(draws):
            state, info = kernel(state, _at(noise, t))
            states.append(state)
            infos.append(info)
            advance(1)
    return Result(*_named(states, infos), state)


def to_arviz(result: Result) -> Any:
    """The result as ArviZ takes it: a DataTree of arviz-base 0.1 or later, or the InferenceData of ArviZ before 1.

    The log density is called lp there, as ArviZ's schema has it. ImportError where neither is installed.
    """
    groups = {"posterior": result.posterior, "sample_stats": dict(result.sample_stats)}
    if "log_density" in groups["sample_stats"]:
        groups["sample_stats"]["lp"] = groups["sample_stats"].pop("log_density")
    if find_spec("arviz_base") is not None:
        return import_module("arviz_base").from_dict(groups)
    if find_spec("arviz") is not None:
        return import_module("arviz").from_dict(**groups)
    raise ImportError("to_arviz needs arviz-base: pip install arviz-base")


def _named(states: list[Any], infos: list[Any]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Arrays (chain, draw, ...) of the positions, and of all else."""
    return by_name(_stacked(states, axis=1), _stacked(infos, axis=1)) if states else ({}, {})


def by_name(states: Any, infos: Any) -> tuple[dict[str, Array], dict[str, Array]]:
    """The fields of the states and infos of a whole run: the positions, and all else."""
    found = _leaves(states)
    found |= {f"info.{name}" if name in found else name: draws for name, draws in _leaves(infos).items()}
    return {"position": found.pop("position")} if "position" in found else {}, found


def _leaves(tree: Any, name: str = "") -> dict[str, Array]:
    """Arrays by the names of their fields, those of nested tuples with dots."""
    if not hasattr(tree, "_fields"):
        return {name: tree}
    prefix = f"{name}." if name else ""
    return {k: v for field in tree._fields for k, v in _leaves(getattr(tree, field), prefix + field).items()}


def _stacked(trees: list[Any], axis: int) -> Any:
    """Trees of the same make as one, their arrays along a new axis."""
    first = trees[0]
    if hasattr(first, "_fields"):
        return type(first)(*(_stacked(list(leaves), axis) for leaves in zip(*trees, strict=True)))
    xp = namespace(first)
    return xp.stack([xp.asarray(leaf) for leaf in trees], axis=axis)


def _at(noise: Any, t: int) -> Any:
    return mapped(lambda leaf: leaf[t, ...], noise)


def counts(state: Any, noise: Any, draws: Any, chains: Any) -> tuple[int, int]:
    """Draws and chains as ints. TypeError or ValueError where they are none, or state and noise lack their axes."""
    draws, chains = _count("draws", draws), _count("chains", chains)
    _check_axes("state", state, (chains,), "chains")
    _check_axes("noise", noise, (draws, chains), "draws, chains")
    return draws, chains


def _check_axes(name: str, tree: Any, axes: tuple[int, ...], letters: str) -> None:
    """ValueError unless every array of the tree begins with the axes."""
    for leaf_name, leaf in _leaves(tree, name).items():
        shape = tuple(getattr(leaf, "shape", ()))
        if shape[: len(axes)] != axes:
            raise ValueError(f"{leaf_name} must have shape ({letters}, ...) = {axes}, got {shape}")


def _count(name: str, value: Any) -> int:
    try:
        count = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if count < 0:
        raise ValueError(f"{name} must not be negative, got {count}")
    return count


@contextmanager
def bar(total: int, wanted: bool) -> Iterator[Callable[[int], None]]:
    """A function to be called with the draws just made; once the run turns out to be long, it shows a bar."""
    if not (wanted and sys.stderr.isatty() and find_spec("rich")):
        yield lambda made: None
        return
    rich, progress = import_module("rich.console"), import_module("rich.progress")
    start, done, seen = time.monotonic(), 0, 0.0
    shown = progress.Progress(console=rich.Console(stderr=True), transient=True)
    task = shown.add_task("draws", total=total)

    def advance(made: int) -> None:
        nonlocal done, seen
        done, now = done + made, time.monotonic()
        if now - start > PATIENCE and now - seen > 0.1:
            seen = now
            shown.start()
            shown.update(task, completed=done)

    try:
        yield advance
    finally:
        shown.stop()
