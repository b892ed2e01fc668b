r"""Batch-all mining: the triplets whose hinge is active."""

from __future__ import annotations

from refengine._arrays import check_switch
from refengine.domains import Labels, Real
from refengine.mining._batch import Triplets, by_gap

__all__ = ["Triplets", "batch_all"]


def batch_all(
    x: Real,
    labels: Labels,
    *,
    margin: float = 0.2,
    squared: bool = False,
    normalize_x: bool = False,
    inclusive: bool = False,
) -> Triplets:
    r"""All triplets of a batch that violate the margin.

    .. math:: T = \{(a, p, n): a \ne p,\; y_a = y_p \ne y_n,\; d(x_a, x_n) - d(x_a, x_p) < m\}

    x: (N, D) finite, labels: (N,) integers >= 0; result: anchor, positive, negative, each (T,) int64, in the order of
    (a, p, n). These are the triplets over which "batch all" averages when it leaves zeros out. ``inclusive=True`` takes
    the kink as well, a gap of exactly m, as pytorch-metric-learning does ("all" of its TripletMarginMiner, between unit
    vectors: ``normalize_x=True``); sentence-transformers counts losses above 1e-16. ``squared=True`` compares squared
    distances. margin >= 0, inf for all triplets. No triplet: empty arrays. Decided by distances in float64 from
    differences of rows, 0 for duplicates. Memory O(N^2) beside the result.
    Values that are not finite, rows of zeros that ought to be normalised, wrong shapes, labels or margins are a
    ValueError, values of a wrong kind a TypeError.
    Source: Hermans et al. 2017, section 2.

    >>> triplets = batch_all([[0.0], [1.0], [1.5]], [0, 0, 1], margin=0.5)  # gaps 0.5 and -0.5
    >>> [field.tolist() for field in triplets]
    [[1], [0], [2]]
    """
    check_switch("inclusive", inclusive)
    return by_gap(x, labels, squared, normalize_x, margin, lambda gap, m: gap <= m if inclusive else gap < m)
