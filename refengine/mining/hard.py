r"""Hard mining: the triplets whose negative is no farther than the positive."""

from __future__ import annotations

from refengine._arrays import check_switch
from refengine.domains import Labels, Real
from refengine.mining._batch import Triplets, by_gap

__all__ = ["Triplets", "hard"]


def hard(x: Real, labels: Labels, *, normalize_x: bool = False, inclusive: bool = True) -> Triplets:
    r"""All hard triplets of a batch.

    .. math:: T = \{(a, p, n): a \ne p,\; y_a = y_p \ne y_n,\; d(x_a, x_n) \le d(x_a, x_p)\}

    x: (N, D) finite, labels: (N,) integers >= 0; result: anchor, positive, negative, each (T,) int64, in the order of
    (a, p, n). Equal distances are hard, as in pytorch-metric-learning (between unit vectors: ``normalize_x=True``) and
    as the complement of FaceNet's strict d(a, p) < d(a, n); ``inclusive=False`` leaves them out. The hardest triplet of
    each anchor is :func:`refengine.mining.batch_hard`. No triplet: empty arrays. Decided by squared distances in
    float64 from differences of rows, 0 for duplicates. Memory O(N^2) beside the result.
    Values that are not finite, rows of zeros that ought to be normalised, wrong shapes or labels are a ValueError,
    values of a wrong kind a TypeError.
    Source: Schroff et al. 2015, section 3.2.

    >>> [field.tolist() for field in hard([[0.0], [1.0], [2.0]], [0, 0, 1])]  # row 1 lies in the middle
    [[1], [0], [2]]
    """
    check_switch("inclusive", inclusive)
    return by_gap(x, labels, True, normalize_x, 0.0, lambda gap, _: gap <= 0 if inclusive else gap < 0)
