"""Whole chains in one compiled loop over noise that is drawn before."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import accumulate, pairwise
from math import prod
from types import ModuleType
from typing import Any, NamedTuple, get_type_hints

import numpy as np

from refengine.backends.numba.samplers._chains import Compiled, compiled, writeable
from refengine.domains import Indices, Mask
from refengine.samplers._chains import cast, cotangents, inputs
from refengine.samplers._leapfrog import metric_vjp


class _Walked(NamedTuple):
    state: Any
    noise: Any
    info: Any
    constants: Any
    target: Compiled | None
    over: tuple[int, ...]
    dtype: Any

    def shaped(self, array: np.ndarray) -> np.ndarray:
        """The chains of the first axis along the axes that were given."""
        return array.reshape((*self.over, *array.shape[1:]))


DTYPES = {Mask: np.bool_, Indices: np.int64}


class Walk:
    """A sampler's transitions in compiled code.

    ``loop(chains, target, state, noise, info, constants, steps=draws)`` walks all chains. Behind its first two axes
    every array has the own axes of its field: those of ``noise`` begin with (draws, chains), those of ``info`` with
    (chains, draws), those of ``state`` with (chains, 1 + draws), the given state first. Transition t of chain b leads
    from ``state[b, t]`` to ``state[b, t + 1]``. ``constants(*shared, **given)`` checks and prepares what the step takes
    behind its target: the shared arrays, in float64, and the constants. ``layout`` is that of
    `refengine.samplers._chains.inputs`, for the fields of the info too; "Info.tries" is the info's where the noise has
    a field of that name. ``check(target, state)`` refuses what the step cannot take.

    A step without a target gives its loop None. One without a state leaves the states before it empty.
    """

    def __init__(
        self,
        reference: ModuleType,
        loop: Callable[..., None],
        constants: Callable[..., Any],
        layout: dict[str, str],
        check: Callable[[Any, Any], None] = lambda target, state: None,
    ):
        self.reference, self.loop, self.constants, self.layout = reference, loop, constants, layout
        self.check = check
        positional = [
            p.name for p in inspect.signature(reference.step).parameters.values() if p.kind is not p.KEYWORD_ONLY
        ]
        self.targeted, self.stateful = "target" in positional, "state" in positional
        self.shared = [name for name in positional if name not in ("state", "noise", "target")]

    def step(self, state: Any, noise: Any, *rest: Any, **given: Any) -> Any:
        """One transition; that of the reference where the target cannot be compiled."""
        found = self._walked(state, noise, None, rest, given)
        if found is None:
            return self.reference.step(*((state, noise) if self.stateful else (noise,)), *rest, **given)
        return cast(self._first(found), found.dtype)

    def run(self, state: Any, noise: Any, *rest: Any, **given: Any) -> tuple[Any, Any, Any] | None:
        """States and infos (chain, draw, ...), and the last state, of noise (draw, chain, ...).

        None where the target cannot be compiled, and in float32: there every step rounds the state.
        """
        found = self._walked(state, type(noise)(*(leaf[0] for leaf in noise)), noise, rest, given)
        if found is None:
            return None
        over = len(found.over)
        after = _each(lambda a: np.moveaxis(found.shaped(a[:, 1:]), over, 1), found.state)
        told = _each(lambda a: np.moveaxis(found.shaped(a), over, 1), found.info)
        last = _each(lambda a: found.shaped(a[:, -1].copy()), found.state)
        return cast(after, found.dtype), cast(told, found.dtype), cast(last, found.dtype)

    def step_and_cotangents(
        self, back: Callable[..., None], g: Any, state: Any, noise: Any, target: Any, *shared: Any, **given: Any
    ) -> tuple[Any, tuple[Any, ...]] | None:
        """One transition with the cotangents of state, noise and, for every chain and in float64, the shared arrays.

        ``back(chains, target, state, noise, info, constants, g, to)`` fills ``to``, zeros at first, from a transition
        that ``loop`` has made; g and to have arrays (chains, ...). None where the target cannot be compiled.
        """
        found = self._walked(state, noise, None, (target, *shared), given)
        if found is None:
            return None
        value, chains = self._first(found), prod(found.over)

        def rows(a: np.ndarray) -> np.ndarray:
            return writeable(a.reshape((chains, *a.shape[len(found.over) :])))

        g = type(value)(*(_each(rows, part) for part in cotangents(g, value)))
        to_state = _each(lambda a: np.zeros_like(a[:, 0]), found.state)
        to_noise = _each(lambda a: np.zeros_like(a[0]), found.noise)
        to = to_state, to_noise, *(np.zeros((chains, *np.shape(a))) for a in shared)
        back(chains, found.target, found.state, found.noise, found.info, found.constants, g, to)
        to_state, to_noise, *rest = (_each(found.shaped, part) for part in to)
        return cast(value, found.dtype), (cast(to_state, found.dtype), cast(to_noise, found.dtype), *rest)

    def _first(self, found: _Walked) -> Any:
        """The transition of a single draw."""
        state, info = (
            _each(lambda a: found.shaped(a[:, 1]), found.state),
            _each(lambda a: found.shaped(a[:, 0]), found.info),
        )
        return self.reference.Transition(state, info)

    def _walked(self, state: Any, first: Any, noise: Any, rest: Any, given: Any) -> _Walked | None:
        """The walk over ``noise``, or over the draw ``first`` alone; None where the reference has to."""
        kinds, named = self.reference, dict(zip(self.shared, rest[self.targeted :], strict=True))
        tuples = {"state": (state, kinds.State)} if self.stateful else {}
        _, dtype, *arrays = inputs(self.layout, **tuples, noise=(first, kinds.Noise), **named)
        if noise is not None and dtype != np.float64:
            return None
        fields = kinds.State._fields * self.stateful + kinds.Noise._fields
        counts = 0, len(fields) - len(kinds.Noise._fields), len(kinds.Noise._fields), len(named)
        before, drawn, shared = (arrays[i:j] for i, j in pairwise(accumulate(counts)))
        target: Any = rest[0] if self.targeted else None
        self.check(target, kinds.State(*before) if self.stateful else None)
        constants = self.constants(*shared, **given)
        target = compiled(target, arrays[0]) if self.targeted else None
        if self.targeted and target is None:
            return None
        over, sizes = self._sizes(dict(zip(fields, (*before, *drawn), strict=True)))
        chains, draws = prod(over), 1 if noise is None else len(noise[0])
        states = self._empty(kinds.State, sizes, chains, draws + 1)
        for whole, leaf in zip(states, before, strict=self.stateful):
            whole[:, 0] = leaf.reshape(whole[:, 0].shape)
        shapes = ((draws, chains, *leaf.shape[len(over) :]) for leaf in drawn)
        leaves = zip(drawn if noise is None else noise, shapes, strict=True)
        noise = kinds.Noise(*(writeable(np.asarray(a, np.float64).reshape(shape)) for a, shape in leaves))
        infos = self._empty(kinds.Info, sizes, chains, draws)
        self.loop(chains, target, states, noise, infos, constants, steps=draws)
        return _Walked(states, noise, infos, constants, target, over, dtype)

    def _sizes(self, fields: dict[str, np.ndarray]) -> tuple[tuple[int, ...], dict[str, int]]:
        """The axes of the chains, and the size that each letter of the layout stands for."""
        sizes: dict[str, int] = {}
        for name, array in fields.items():
            letters = self.layout.get(name, "")
            sizes |= zip(letters, array.shape[array.ndim - len(letters) :], strict=True)
        name, array = next(iter(fields.items()))
        return array.shape[: array.ndim - len(self.layout.get(name, ""))], sizes

    def _empty(self, kind: Any, sizes: dict[str, int], chains: int, draws: int) -> Any:
        hints = get_type_hints(kind, include_extras=True)
        letters = {name: self.layout.get(f"{kind.__name__}.{name}", self.layout.get(name, "")) for name in kind._fields}
        own = {name: [sizes[letter] for letter in letters[name]] for name in kind._fields}
        return kind(
            *(np.empty((chains, draws, *own[name]), DTYPES.get(hints[name], np.float64)) for name in kind._fields)
        )


def _each(function: Callable[[np.ndarray], np.ndarray], arrays: Any) -> Any:
    """The function of each array of a named tuple, or of an array."""
    return type(arrays)(*map(function, arrays)) if hasattr(arrays, "_fields") else function(arrays)


def metric_cotangent(to_w: np.ndarray, metric: Any, convention: str, dtype: Any) -> np.ndarray:
    """The cotangent of the metric from that of the inverse mass of every chain."""
    metric = np.asarray(metric, np.float64)
    return np.asarray(metric_vjp(np, to_w, metric, convention), dtype)
