r"""Easy mining: the triplets that keep the margin."""

from __future__ import annotations

from refengine._arrays import check_switch
from refengine.domains import Labels, Real
from refengine.mining._batch import Triplets, by_gap

__all__ = ["Triplets", "easy"]


def easy(
    x: Real,
    labels: Labels,
    *,
    margin: float = 0.2,
    squared: bool = False,
    normalize_x: bool = False,
    inclusive: bool = False,
) -> Triplets:
    r"""All easy triplets of a batch, whose hinge is not active.

    .. math:: T = \{(a, p, n): a \ne p,\; y_a = y_p \ne y_n,\; d(x_a, x_n) - d(x_a, x_p) > m\}

    x: (N, D) finite, labels: (N,) integers >= 0; result: anchor, positive, negative, each (T,) int64, in the order of
    (a, p, n). The kink, a gap of exactly m, is left out, as in pytorch-metric-learning (between unit vectors:
    ``normalize_x=True``), unless ``inclusive=True``: :func:`refengine.mining.batch_all` with the other choice is the
    complement. ``squared=True`` compares squared distances. margin >= 0. No triplet: empty arrays. Decided by distances
    in float64 from differences of rows, 0 for duplicates. Memory O(N^2) beside the result.
    Values that are not finite, rows of zeros that ought to be normalised, wrong shapes, labels or margins are a
    ValueError, values of a wrong kind a TypeError.
    Source: Schroff et al. 2015, section 3.2.

    >>> triplets = easy([[0.0], [1.0], [3.0]], [0, 0, 1], margin=1.0)  # gaps 2 and 1
    >>> [field.tolist() for field in triplets]
    [[0], [1], [2]]
    """
    check_switch("inclusive", inclusive)
    return by_gap(x, labels, squared, normalize_x, margin, lambda gap, m: gap >= m if inclusive else gap > m)
