r"""Distribution functions on a finite support as sums of the probabilities, with twice the digits.

Probabilities follow from each other by their ratios, from a start outwards; the sums of those up to k and beyond it are
divided by the sum of all. Where a probability underflows its logarithm is that of the first term, of which the others
are multiples. The derivative to a parameter :math:`\theta` with :math:`\partial_\theta \log f(j+1) - \partial_\theta
\log f(j) = 1/h_j` is, with F and G for the sums up to and beyond an index, a sum of terms of one sign:

.. math:: \partial_\theta F(k) = -\sum_i F(\min(i, k)) \, G(\max(i, k)) / h_i.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from refengine.distributions._counts import Tails, bounded
from refengine.distributions._twice import Pair, add, quotient, scaled, total
from refengine.distributions._twice_gamma import minus, times
from refengine.domains import Array

MOST = 10_000  # counts of a support that are summed
_TINY = 1e-270  # below, low parts of pairs begin to underflow


class Sums(NamedTuple):
    """F and G at k; the logarithms of their sums in units of the probabilities at k and k + 1.

    ``below`` and ``beyond`` are F(min(i, k)) and G(max(i, k)) for all i (..., L), ``share_below`` and ``share_beyond``
    the same divided by F(k) and G(k).
    """

    cdf: Array
    sf: Array
    log_below: Array
    log_beyond: Array
    below: Array
    beyond: Array
    share_below: Array
    share_beyond: Array


def summed(xp: Any, up: Pair, down: Pair, mode: Array, k: Array, size: Array) -> Sums:
    """The sums at 0 <= k < size - 1, for a support of that size and ratios f(i)/f(i-1) = up/down (..., L)."""
    at, last, place = k[..., None], size[..., None] - 1, mode[..., None]
    low = _chain(xp, up, down, xp.minimum(at, place), last)
    high = _chain(xp, up, down, xp.maximum(at + 1, place), last)
    is_low = at >= place
    central = xp.where(is_low, low[0], high[0]), xp.where(is_low, low[1], high[1])
    i = _indices(xp, up)
    whole = total(xp, central)
    below, beyond = _cumulated(xp, central, at, 1.0), _cumulated(xp, central, at, -1.0)
    below, beyond = (
        quotient(part, (whole[0] + 0.0 * part[0], whole[1] + 0.0 * part[0]))[0] for part in (below, beyond)
    )
    own_below, own_beyond = _cumulated(xp, low, at, 1.0)[0], _cumulated(xp, high, at, -1.0)[0]
    here = i == at
    at_k = [xp.sum(xp.where(here, part, 0.0), axis=-1) for part in (below, beyond, own_below, own_beyond)]
    return Sums(
        at_k[0],
        at_k[1],
        xp.log(at_k[2]),
        xp.log(at_k[3]),
        below,
        beyond,
        own_below / at_k[2][..., None],
        own_beyond / at_k[3][..., None],
    )


def tails(
    xp: Any, sums: Sums, first: Array, second: Array, before: Array, beyond: Array, defined: Array, **by: Array
) -> Tails:
    """The distribution functions, given log f(k) and log f(k + 1), with the derivatives to parameters of steps 1/h."""
    tiny_cdf, tiny_sf = sums.cdf < _TINY, sums.sf < _TINY
    log_cdf = xp.where(tiny_cdf, first + sums.log_below, xp.log(sums.cdf))
    log_sf = xp.where(tiny_sf, second + sums.log_beyond, xp.log(sums.sf))
    log_cdf, log_sf = (
        xp.where(sums.cdf > 0.5, xp.log1p(-sums.sf), log_cdf),
        xp.where(sums.sf > 0.5, xp.log1p(-sums.cdf), log_sf),
    )
    down = [-xp.sum(sums.share_below * sums.beyond / h, axis=-1) for h in by.values()]
    lift = [xp.sum(sums.below * sums.share_beyond / h, axis=-1) for h in by.values()]
    cdf = [xp.where(sums.cdf < sums.sf, sums.cdf * a, -sums.sf * b) for a, b in zip(down, lift, strict=True)]
    slopes = {"cdf": tuple(cdf), "sf": tuple(-s for s in cdf), "log_cdf": tuple(down), "log_sf": tuple(lift)}
    return bounded(xp, Tails(sums.cdf, sums.sf, log_cdf, log_sf, slopes), before, beyond, defined)


def steps(xp: Any, up: Pair, down: Pair, mode: Array, u: Array, size: Array) -> Array:
    """The smallest index with F >= u; from u = 1/2 on G is compared with 1 - u, which is exact."""
    last, i = size[..., None] - 1, _indices(xp, up)
    chain = _chain(xp, up, down, mode[..., None], last)
    below, beyond = _cumulated(xp, chain, last, 1.0), _cumulated(xp, chain, 0.0 * last - 1, -1.0)
    whole, level = total(xp, chain), xp.where(u < 0.5, u, 1 - u)[..., None]
    lacks = add(scaled((whole[0] + 0.0 * i, whole[1] + 0.0 * i), level + 0.0 * i), minus(below))[0] > 0
    exceeds = add(scaled((whole[0] + 0.0 * i, whole[1] + 0.0 * i), level + 0.0 * i), minus(beyond))[0] < 0
    short = xp.where(u[..., None] < 0.5, lacks, exceeds) & (i < last)
    found = xp.sum(xp.astype(short, xp.float64), axis=-1)
    return xp.where(u == 0, 0.0, xp.where(u == 1, size - 1, found))


def length(xp: Any, size: Array) -> int:
    """How many places the largest support needs; at least two, of which the second may be empty."""
    return max(2, int(xp.max(size))) if prod(size.shape) else 2


def _indices(xp: Any, up: Pair) -> Array:
    return xp.astype(xp.arange(up[0].shape[-1]), xp.float64)


def _chain(xp: Any, up: Pair, down: Pair, start: Array, last: Array) -> Pair:
    """The probabilities in units of the one at ``start``."""
    i = _indices(xp, up)
    rise, fall = quotient(up, down), quotient(down, up)
    climb = _scan(xp, _chosen(xp, (i > start) & (i <= last), rise, 1.0), times, 1.0)
    next_fall = tuple(xp.concat([part[..., 1:], part[..., :1]], axis=-1) for part in fall)
    chosen = _chosen(xp, (i < start) & (i < last), (next_fall[0], next_fall[1]), 1.0)
    descend = _flipped(xp, _scan(xp, _flipped(xp, chosen), times, 1.0))
    on_side = i > start
    chain = xp.where(on_side, climb[0], descend[0]), xp.where(on_side, climb[1], descend[1])
    return _chosen(xp, i <= last, chain, 0.0)


def _cumulated(xp: Any, chain: Pair, at: Array, side: float) -> Pair:
    """For all i the sum up to min(i, k), or for side -1 that beyond max(i, k)."""
    i = _indices(xp, chain)
    if side > 0:
        return _scan(xp, _chosen(xp, i <= at, chain, 0.0), add, 0.0)
    found = _flipped(xp, _scan(xp, _flipped(xp, _chosen(xp, i > at, chain, 0.0)), add, 0.0))
    high, low = (xp.concat([part[..., 1:], 0.0 * part[..., :1]], axis=-1) for part in found)
    return high, low


def _scan(xp: Any, x: Pair, combine: Any, neutral: float) -> Pair:
    """All products, or sums, of the first entries of the last axis."""
    shift, size = 1, x[0].shape[-1]
    while shift < size:
        high, low = (
            xp.concat([0.0 * part[..., :shift] + start, part[..., :-shift]], axis=-1)
            for part, start in zip(x, (neutral, 0.0), strict=True)
        )
        x, shift = combine(x, (high, low)), 2 * shift
    return x


def _chosen(xp: Any, condition: Array, x: Pair, other: float) -> Pair:
    return xp.where(condition, x[0], xp.asarray(other)), xp.where(condition, x[1], 0.0)


def _flipped(xp: Any, x: Pair) -> Pair:
    return xp.flip(x[0], axis=-1), xp.flip(x[1], axis=-1)
