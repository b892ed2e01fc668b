r"""Distance-weighted sampling: negatives are drawn so that all distances are equally likely."""

from __future__ import annotations

from typing import Any

from refengine._arrays import check_number, check_option
from refengine.domains import Labels, Real, Unit
from refengine.mining._batch import Triplets, check_uniforms, distances, measured, triplets

__all__ = ["Triplets", "distance_weighted"]

EMPTY = ("drop", "uniform")


def distance_weighted(
    x: Real,
    labels: Labels,
    uniforms: Unit,
    *,
    cutoff: float = 0.5,
    nonzero_loss_cutoff: float = 1.4,
    empty: str = "drop",
) -> Triplets:
    r"""One negative for every positive pair, with a probability inverse to the density of its distance on the sphere.

    .. math:: P(n \mid a) \propto \frac{[y_n \ne y_a] \, [d_{an} < d_{max}]}{q(\max(d_{an}, d_{min}))}, \qquad
              q(d) = d^{D - 2} \Big(1 - \frac{d^2}{4}\Big)^{(D - 3) / 2}

    x: (N, D) finite, of which the directions count, labels: (N,) integers >= 0, uniforms: (N, N) in [0, 1]; result:
    anchor, positive, negative, each (T,) int64, in the order of (a, p): the negative of (a, p) is the first n, in the
    order of the rows, at which the summed probability exceeds u = uniforms[a, p] (for u = 1 the last one that can be
    drawn). :math:`d_{min}` is ``cutoff`` and :math:`d_{max}` ``nonzero_loss_cutoff``, both between 0 and 2. An anchor
    without a negative nearer than that is left out, or draws from all its negatives alike for ``empty="uniform"``.
    Exponentials are taken beside the largest of the anchor's own row: pytorch-metric-learning takes them beside the
    largest of the batch, by which all weights of a row may underflow and the anchor is dropped. It draws the positives
    too, with replacement. Memory O(N^2) beside the result.
    Values that are not finite, rows of zeros, which have no direction, uniforms outside of [0, 1], wrong shapes, labels
    or options are a ValueError, values of a wrong kind a TypeError.
    Source: Wu et al. 2017, section 4.

    >>> x = [[1.0, 0.0, 0.0], [3.0, 4.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    >>> uniforms = [[0.5, 0.5, 0.5, 0.5]] * 4  # d from row 1 to rows 2 and 3: 1.79 and 0.63; from row 0: 2 and 1.41
    >>> [field.tolist() for field in distance_weighted(x, [0, 0, 1, 2], uniforms)]
    [[1], [0], [3]]
    """
    check_option("empty", empty, EMPTY)
    low, high = _cutoff("cutoff", cutoff), _cutoff("nonzero_loss_cutoff", nonzero_loss_cutoff)
    xp, x, y, _ = measured(x, labels, True)
    u = check_uniforms(xp, uniforms, x.shape[0])

    def chosen(i: int, p: Any, negative: Any) -> Any:
        d = distances(xp, x, i, False)
        near = negative & (d < high)
        if not bool(xp.any(near)):
            weights = xp.astype(negative if empty == "uniform" else near, xp.float64)
        else:
            weights = _weights(xp, xp.where(near, xp.maximum(d, xp.asarray(low)), 1.0), near, x.shape[1])
        summed = xp.cumulative_sum(weights)
        last = xp.max(xp.where(weights > 0, xp.arange(x.shape[0]), -1))
        found = summed[None, :] > (xp.take(u[i, :], p) * summed[-1])[:, None]
        return xp.where(xp.any(found, axis=1), xp.argmax(xp.astype(found, xp.int64), axis=1), last)

    return triplets(xp, y, chosen)


def _weights(xp: Any, d: Any, near: Any, dimensions: int) -> Any:
    """1 / q(d), of which the largest is 1; 0 where a row is not near."""
    logs = (2.0 - dimensions) * xp.log(d) - (dimensions - 3) / 2 * xp.log1p(-d * d / 4)
    largest = xp.max(xp.where(near, logs, -xp.inf))
    return xp.where(near, xp.exp(xp.where(near, logs - largest, 0.0)), 0.0)


def _cutoff(name: str, value: Any) -> float:
    if not 0 < check_number(name, value) < 2:
        raise ValueError(f"{name} must lie between 0 and 2, got {value!r}")
    return float(value)
