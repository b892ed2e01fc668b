r"""Gibbs sampling: every block of coordinates in turn from its distribution given the others.

Axes: D coordinates; leading axes are chains.

Every update keeps the target and is reversible, because it draws from the conditional whatever the block was before. A
scan in random order is reversible too; a sweep in a fixed order is stationary but not reversible: run backwards it is
the sweep in the reverse order. `step` is the sampler of a Gaussian target; `sweep` takes conditionals of any kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_option, namespace
from refengine.distributions._matrix import cholesky, left_lower
from refengine.domains import Array, Mask, Real
from refengine.samplers._chains import LAYOUT, Noise, cast, check_count, cotangents, inputs, noise
from refengine.samplers.sgld import State, init
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import check_target

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp", "sweep"]


class Info(NamedTuple):
    """For every coordinate the mean of its conditional, the old position where it is not updated, and whether it is."""

    conditional_mean: Real
    updated: Mask


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def sweep(
    position: Any, noise: Sequence[Any], conditionals: Sequence[Callable[[Any, Any], Any]], *, scan: str = "systematic"
) -> Any:
    """The position after ``conditionals[b](position, noise[b])`` for every block b, each of which gives a new position.

    ``scan`` "systematic" goes through the blocks in their order, "reverse" from the last to the first, "palindrome"
    there and back, with noise for both ways: 2 B - 1 updates, reversible again. The position may be of any kind, as a
    tuple of parameters. ValueError where the noise has another length.

    Two fair coins that must agree, from the uniform alone: the second one follows the first.

    >>> flip = lambda at, u: (int(u < 0.5), at[1])
    >>> follow = lambda at, u: (at[0], at[0])
    >>> sweep((0, 0), [0.25, 0.75], [flip, follow])
    (1, 1)
    """
    check_option("scan", scan, ("systematic", "reverse", "palindrome"))
    blocks = list(range(len(conditionals)))
    order = {"systematic": blocks, "reverse": blocks[::-1], "palindrome": blocks + blocks[-2::-1]}[scan]
    if len(noise) != len(order):
        raise ValueError(f"noise must hold {len(order)} parts, got {len(noise)}")
    for block, part in zip(order, noise, strict=True):
        position = conditionals[block](position, part)
    return position


def step(state: State, noise: Noise, target: Target, *, scan: str = "systematic", block_size: int = 1) -> Transition:
    r"""One sweep over the blocks of a Gaussian target, or one update of a random block, as a pure function.

    .. math:: x_B' = m_B - P_{BB}^{-1} P_{BR} (x_R - m_R) + L^{-\top} z_B, \qquad P_{BB} = L L^\top

    for the block B of coordinates given the rest R. state: position (..., D); noise: normal z (..., D), uniform u
    (...); target: that of ``targets.gaussian``, with mean m and precision P. Blocks are ``block_size`` coordinates in a
    row, the last one what is left: 1 is a coordinate at a time, D an independent draw. ``scan`` "systematic" updates
    the blocks in their order, "reverse" from the last to the first, and neither looks at u; "random" updates the block
    number :math:`\lfloor u B \rfloor` of B alone. Of P its symmetric part counts; one that is not positive definite
    gives nan. Results in float64 unless every array of state and noise is float32. Raises ValueError for shapes and
    options, TypeError for dtypes and another target. Geman and Geman (1984), section XI; Robert and Casella (2004),
    Monte Carlo Statistical Methods, algorithm A.39.

    With precision [[2, 1], [1, 2]] the mean of one coordinate is minus half the other:

    >>> from refengine.samplers.targets import gaussian
    >>> target = gaussian.target(np.zeros(2), np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> state, info = step(init(np.array([4.0, 1.0])), Noise(np.zeros(2), np.array(0.5)), target)
    >>> state.position.round(12).tolist()
    [-0.5, 0.25]
    """
    _, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise))
    return cast(_step(target, scan, block_size, *arrays), dtype)


def step_vjp(
    g: Transition, state: State, noise: Noise, target: Target, *, scan: str = "systematic", block_size: int = 1
) -> tuple[State, Noise]:
    r"""Cotangents of state and noise: the step is linear in x and z, and piecewise constant in u, which gets zero.

    Through the updates from the last to the first, with :math:`A = P_{BB}^{-1} P_{BR}`, the cotangent
    :math:`\bar\mu_B` of the mean, and :math:`\bar x` that of the position after the update:

    .. math:: \bar z_B = L^{-1} \bar x_B, \qquad \bar x_R \mathrel{-}= A^\top (\bar x_B + \bar\mu_B), \qquad
              \bar x_B = 0
    """
    xp, dtype, *arrays = inputs(LAYOUT, state=(state, State), noise=(noise, Noise))
    x, _, u = arrays
    g = cotangents(g, _step(target, scan, block_size, *arrays))
    blocks = _blocks(xp, target, x.shape[-1], block_size)
    to_x, to_z = g.state.position, xp.zeros_like(x)
    told = g.info.conditional_mean
    with np.errstate(all="ignore"):
        for b, inside, pull, spread, _ in reversed(_order(blocks, scan)):
            chosen = _chosen(xp, scan, u, b, len(blocks), inside)
            to_block = xp.where(inside, to_x, xp.zeros_like(to_x))
            to_mean = to_block + xp.where(inside, told, xp.zeros_like(told))
            to_z = xp.where(chosen, xp.matmul(to_block, spread), to_z)
            rest = xp.where(inside, xp.zeros_like(to_x), to_x) - xp.matmul(to_mean, pull)
            to_x = rest if scan != "random" else xp.where(xp.any(chosen, axis=-1)[..., None], rest, to_x)
        if scan == "random":  # what is not updated is told as its mean
            updated = _updated(xp, u, blocks, x)
            to_x = to_x + xp.where(updated, xp.zeros_like(told), told)
    return cast(State(to_x), dtype), cast(Noise(to_z, xp.zeros_like(u)), dtype)


def check_gaussian(target: Any) -> None:
    """TypeError unless the target is that of ``targets.gaussian``."""
    if not getattr(check_target(target).log_density, "__module__", "").endswith("samplers.targets.gaussian"):
        raise TypeError("target must be that of targets.gaussian: the conditionals of another are not known")


def _blocks(xp: Any, target: Target, size: int, block_size: int) -> list[tuple[Any, ...]]:
    """For each block its number, where it is, P_BB^-1 P_BR and L^-T in the rows of the block, and the mean."""
    check_gaussian(target)
    mean, precision = (xp.astype(xp.asarray(a), xp.float64, copy=False) for a in target.parameters)
    target.log_density(xp.zeros(size), mean, precision)  # checks the shapes
    precision = (precision + xp.matrix_transpose(precision)) / 2
    count, numbers, blocks = check_count("block_size", block_size), xp.arange(size), []
    for b, start in enumerate(range(0, size, count)):
        stop = min(start + count, size)
        inside = (numbers >= start) & (numbers < stop)
        rest = xp.where(inside, xp.zeros_like(precision), precision)[start:stop, :]
        with np.errstate(all="ignore"):
            factor = cholesky(xp, precision[start:stop, start:stop])
            inverse = left_lower(xp, factor, xp.eye(stop - start, dtype=xp.float64))
            pull = xp.matmul(xp.matrix_transpose(inverse), xp.matmul(inverse, rest))
        spread = _padded(xp, xp.matrix_transpose(inverse), start, size)
        blocks.append((b, inside, _padded(xp, pull, start, size, rows_only=True), spread, mean))
    return blocks


def _padded(xp: Any, block: Array, start: int, size: int, rows_only: bool = False) -> Array:
    """The block in a matrix (D, D) of zeros, its first row, and its first column too unless it is as wide as that."""
    height, width = block.shape
    if not rows_only:
        left, right = xp.zeros((height, start)), xp.zeros((height, size - start - width))
        block = xp.concat([left, block, right], axis=1)
    above, below = xp.zeros((start, size)), xp.zeros((size - start - height, size))
    return xp.concat([above, block, below], axis=0)


def _order(blocks: list[Any], scan: str) -> list[Any]:
    check_option("scan", scan, ("systematic", "reverse", "random"))
    return blocks[::-1] if scan == "reverse" else blocks


def _chosen(xp: Any, scan: str, u: Array, b: int, count: int, inside: Array) -> Array:
    """Which coordinates of which chains this update of block b changes."""
    if scan != "random":
        return inside
    return inside & (_index(xp, u, count) == b)[..., None]


def _index(xp: Any, u: Array, count: int) -> Array:
    """The number of the random block, the last one for u = 1."""
    with np.errstate(invalid="ignore"):
        return xp.minimum(xp.floor(u * count), xp.asarray(count - 1.0))


def _updated(xp: Any, u: Array, blocks: list[Any], x: Array) -> Array:
    found = xp.zeros(x.shape, dtype=xp.bool)
    for b, inside, *_ in blocks:
        found = found | _chosen(xp, "random", u, b, len(blocks), inside)
    return found


def _step(target: Target, scan: str, block_size: int, *arrays: Array) -> Transition:
    x, z, u = arrays
    xp: Any = namespace(x)
    blocks = _blocks(xp, target, x.shape[-1], block_size)
    told, updated = x, xp.zeros(x.shape, dtype=xp.bool)
    with np.errstate(all="ignore"):
        for b, inside, pull, spread, mean in _order(blocks, scan):
            chosen = _chosen(xp, scan, u, b, len(blocks), inside)
            conditional = mean - xp.matmul(x - mean, xp.matrix_transpose(pull))
            drawn = conditional + xp.matmul(z, xp.matrix_transpose(spread))
            told, x, updated = xp.where(chosen, conditional, told), xp.where(chosen, drawn, x), updated | chosen
    return Transition(State(x), Info(told, updated))
