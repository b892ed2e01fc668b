"""What hard attention shares: probabilities of the positions, the one that noise chooses, and the score.

Logits lie on the last axis (..., K). A logit of -inf is a position that is never chosen: what stands there in another
argument is left out, and its gradient is exactly 0. Everything here is float64.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from refengine._arrays import unbroadcast
from refengine.distributions._categories import first_above
from refengine.distributions._deviance import exponentials
from refengine.distributions._rows import every, largest, sum_row
from refengine.domains import Array


class Shares(NamedTuple):
    """The softmax p of logits, 1 - p without cancellation, log p, logits less the largest; open places, good rows."""

    p: Any
    rest: Any
    log_p: Any
    gap: Any
    open: Any
    good: Any


def shares(xp: Any, z: Array) -> Shares:
    """Of every row of logits. A row is good unless it holds nan or inf, or -inf alone."""
    good = every(xp, z < xp.inf) & xp.any(z > -xp.inf, axis=-1, keepdims=True)
    gap = z - xp.max(z, axis=-1, keepdims=True)
    weight, top = xp.exp(gap), largest(xp, z)
    others = sum_row(xp, xp.where(top, 0.0, weight))
    p = weight / (1 + others)
    return Shares(p, xp.where(top, others / (1 + others), 1 - p), gap - xp.log1p(others), gap, z > -xp.inf, good)


def at_open(xp: Any, s: Shares, v: Array) -> tuple[Any, Any]:
    """``v, good``: 0 where a position is closed, and whether the row's others are finite."""
    v = xp.where(s.open, v, 0.0)
    return v, s.good & every(xp, xp.isfinite(v))


def centred(xp: Any, p: Array, v: Array) -> Array:
    """``v - sum p v``. The second time takes off what rounding left of the first, where one p is nearly 1."""
    for _ in range(2):
        v = v - sum_row(xp, p * v)
    return v


def softmax_vjp(xp: Any, p: Array, dp: Array) -> Array:
    """The cotangent of the logits, given that of their softmax."""
    return p * centred(xp, p, dp)


def inverse(xp: Any, z: Array, u: Array) -> Array:
    """(...): the first position whose cumulative probability exceeds u (..., 1); sums with twice the digits."""
    return first_above(xp, u, exponentials(xp, z)[0])


def chosen(xp: Any, s: Shares, z: Array, u: Array) -> tuple[Any, Any]:
    """``hot, good``: booleans (..., K), true at the position that u (..., 1) chooses; good rows have 0 < u < 1."""
    return xp.arange(z.shape[-1]) == inverse(xp, z, u)[..., None], s.good & (u > 0) & (u < 1)


def score(xp: Any, s: Shares, hot: Array) -> Array:
    """The derivative of the chosen position's log-probability to the logits."""
    return xp.where(hot, s.rest, -s.p)


def score_vjp(xp: Any, s: Shares, hot: Array, weight: Array, g: Array) -> tuple[Any, Any]:
    """Cotangents of the logits and of the weight (..., 1), for ``weight * score``."""
    above = centred(xp, s.p, xp.where(s.open, g, 0.0))
    return -weight * s.p * above, sum_row(xp, xp.where(hot, above, 0.0))


def gumbels(xp: Any, z: Array, u: Array) -> Array:
    """The logits with Gumbel noise, made of uniform numbers of the same shape."""
    return z - xp.log(-xp.log(u))


def gumbels_good(xp: Any, s: Shares, u: Array) -> Array:
    """(..., 1): whether logits and noise of a row are valid, the latter where a position is open."""
    return s.good & every(xp, ~s.open | ((u > 0) & (u < 1)))


def handed_back(xp: Any, good: Array, dtype: Any, *pairs: tuple[Array, Array]) -> tuple[Any, ...]:
    """Cotangents (..., K) in the shapes of their arguments, nan in rows that are not good."""
    return tuple(unbroadcast(xp.where(good, cotangent, xp.nan), like, dtype) for cotangent, like in pairs)


def number_back(xp: Any, good: Array, dtype: Any, cotangent: Array, like: Array) -> Any:
    """The same for a number of each row, whose cotangent is (..., 1)."""
    return unbroadcast(xp.where(good, cotangent, xp.nan)[..., 0], like, dtype)
