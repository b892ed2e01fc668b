r"""Histogram loss: the chance that a negative pair is more similar than a positive one, from soft histograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_option, check_shape
from refengine.domains import Array, Labels, Real
from refengine.losses._pairs import checked_batch, cosines_vjp, kinds
from refengine.losses._ranks import all_cosines, check_bins, nodes, triangular, undefined

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]

EMPTY = ("nan", "zero")


def loss(x: Real, labels: Labels, *, bins: int = 100, empty: str = "nan") -> Array:
    r"""Overlap of the histograms of positive and of negative cosines.

    .. math:: L = \sum_{r=0}^{R} h^-_r \sum_{q=0}^{r} h^+_q, \qquad
              h^\pm_r = \frac{1}{|P^\pm|} \sum_{(i, j) \in P^\pm} \max\Big(0,\; 1 - \frac{|c_{ij} - t_r|}{\Delta}\Big),
              \qquad t_r = -1 + r \Delta, \quad \Delta = \frac2R

    x: (N, D), D >= 1, labels: (N,) integers; result (), float64 unless x is float32. :math:`P^+` holds the pairs of one
    label, each once, :math:`P^-` those of different labels, c are cosines, R is ``bins``, of which there are R + 1
    nodes (the paper counts nodes). A batch without positive or without negative pairs has no histogram: the loss is
    nan, with gradient 0, or 0 for ``empty="zero"`` (pytorch-metric-learning, which fails for a cosine of exactly 1).
    A row of zeros, a nan or an infinity makes everything nan. Memory O(N^2 D).
    Wrong shapes, labels, bins or options are a ValueError, values of a wrong kind a TypeError.
    Source: Ustinova and Lempitsky 2016, eq. 1 to eq. 4.

    >>> x = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> [float(loss(x, np.array(y), bins=2)) for y in ([0, 0, 1, 2], [1, 2, 0, 0])]  # positive at 1, at -1
    [0.0, 1.0]
    """
    xp, dtype, x, y = _checked(x, labels, bins, empty)
    with np.errstate(all="ignore"):
        return xp.astype(_overlap(xp, all_cosines(xp, x), y, bins, empty)[0], dtype, copy=False)


def loss_vjp(g: Array, x: Real, labels: Labels, *, bins: int = 100, empty: str = "nan") -> tuple[Array]:
    r"""Cotangent of x.

    A pair in the interval from :math:`t_r` to :math:`t_{r+1}` moves weight from one node to the next as its cosine
    grows, at the rate :math:`1 / \Delta`. Of the cumulative sums only the one at r or r + 1 changes:

    .. math:: \frac{\partial L}{\partial c_{ij}} = -\frac{h^-_r}{\Delta \, |P^+|} \; \text{ for a positive pair}, \qquad
              \frac{\partial L}{\partial c_{ij}} = \frac{h^+_{r+1}}{\Delta \, |P^-|} \; \text{ for a negative one}

    carried through the cosines as in `refengine.losses.info_nce`. The loss has kinks where a cosine lies at a node:
    there the derivative is the one to the right.
    """
    return loss_value_and_vjp(g, x, labels, bins=bins, empty=empty)[1]


def loss_value_and_vjp(
    g: Array, x: Real, labels: Labels, *, bins: int = 100, empty: str = "nan"
) -> tuple[Array, tuple[Array]]:
    """``loss`` and its vjp from the same histograms."""
    xp, dtype, x, y = _checked(x, labels, bins, empty)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ())
    with np.errstate(all="ignore"):
        found = all_cosines(xp, x)
        value, slopes = _overlap(xp, found, y, bins, empty)
        dx = cosines_vjp(xp, g * slopes, found.directions)
        return xp.astype(value, dtype, copy=False), (xp.astype(dx, dtype, copy=False),)


def _overlap(xp: Any, found: Any, y: Array, bins: int, empty: str) -> tuple[Any, Any]:
    """The loss, and its derivatives to the cosines (N, N), in which every pair stands twice."""
    groups = kinds(xp, y)
    counts = [float(xp.sum(xp.astype(group, xp.float64))) for group in groups]
    if 0 in counts:
        return xp.asarray(xp.nan if empty == "nan" else 0.0) + undefined(xp, found), xp.zeros(found.c.shape)
    place = triangular(xp, found, bins, falling=False)
    at_nodes = [
        [xp.sum(xp.where(group, weights, 0.0)) / count for group, count in zip(groups, counts, strict=True)]
        for weights in nodes(xp, place, bins)
    ]
    h_p, h_n = (xp.stack(list(h)) for h in zip(*at_nodes, strict=True))
    shape, low = found.c.shape, xp.reshape(place.low, (-1,))
    to_p, to_n = -xp.take(h_n, low) / counts[0], xp.take(h_p, low + 1) / counts[1]
    slopes = xp.where(groups[0], xp.reshape(to_p, shape), xp.where(groups[1], xp.reshape(to_n, shape), 0.0))
    return xp.sum(h_n * xp.cumulative_sum(h_p)) + undefined(xp, found), bins / 2 * slopes


def _checked(x: Array, labels: Array, bins: int, empty: str) -> tuple[Any, Any, Any, Any]:
    check_option("empty", empty, EMPTY)
    check_bins(bins)
    return checked_batch(x, labels)
