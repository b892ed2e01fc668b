r"""Semi-hard mining: negatives that are farther than the positive, but within the margin."""

from __future__ import annotations

from typing import Any

from refengine._arrays import check_option, check_switch
from refengine.domains import Labels, Real, Unit
from refengine.mining._batch import (
    TIE_RULES,
    Triplets,
    check_margin,
    check_uniforms,
    distances,
    gaps,
    measured,
    threshold,
    triplets,
)

__all__ = ["Triplets", "semi_hard"]

SELECTIONS = ("nearest", "random", "all")
OTHERWISE = ("drop", "farthest")


def semi_hard(
    x: Real,
    labels: Labels,
    uniforms: Unit | None = None,
    *,
    margin: float = 0.2,
    selection: str = "nearest",
    otherwise: str = "drop",
    squared: bool = False,
    normalize_x: bool = False,
    inclusive: bool = False,
    tie_rule: str = "lowest_index",
) -> Triplets:
    r"""Semi-hard negatives for every positive pair of a batch.

    .. math:: S(a, p) = \{n: y_n \ne y_a,\; 0 < d(x_a, x_n) - d(x_a, x_p) < m\}, \qquad
              n(a, p) = \arg\min_{n \in S(a, p)} d(x_a, x_n)

    x: (N, D) finite, labels: (N,) integers >= 0; result: anchor, positive, negative, each (T,) int64, in the order of
    (a, p, n). ``selection`` takes of S(a, p) the "nearest", of equals the one with the lowest index; "all"; or at
    "random" the one at place floor(u K) of K in their order, with u = uniforms[a, p], uniforms: (N, N) (the last for
    u = 1). Where S is empty, ``otherwise`` says whether to "drop" the pair or to take the "farthest" negative. Equal
    distances are hard, not semi-hard; ``inclusive=True`` takes a gap of exactly m.
    FaceNet asks for squared distances of unit vectors (``squared=True, normalize_x=True``). TensorFlow Addons and
    sentence-transformers have no upper end and fall back: ``margin=inf, otherwise="farthest"``.
    pytorch-metric-learning takes ``selection="all", normalize_x=True, inclusive=True``. margin >= 0. No triplet: empty
    arrays. Decided by distances in float64 from differences of rows, 0 for duplicates. Memory O(N^2) beside the result.
    Values that are not finite, rows of zeros that ought to be normalised, wrong shapes, labels, margins or options, and
    uniforms that are missing, not wanted or not in [0, 1] are a ValueError, values of a wrong kind a TypeError.
    Source: Schroff et al. 2015, section 3.2, eq. 4.

    >>> x = [[0.0], [1.0], [1.25], [9.0]]  # gaps 0.25 and 8 for anchor 0, -0.75 and 7 for anchor 1
    >>> [field.tolist() for field in semi_hard(x, [0, 0, 1, 2], margin=1.0)]
    [[0], [1], [2]]
    >>> [field.tolist() for field in semi_hard(x, [0, 0, 1, 2], margin=1.0, otherwise="farthest")]
    [[0, 1], [1, 0], [2, 3]]
    """
    for name, value, choices in (
        ("selection", selection, SELECTIONS),
        ("otherwise", otherwise, OTHERWISE),
        ("tie_rule", tie_rule, TIE_RULES),
    ):
        check_option(name, value, choices)
    check_switch("squared", squared)
    check_switch("inclusive", inclusive)
    margin = check_margin("margin", margin)
    xp, x, y, size = measured(x, labels, normalize_x)
    if (uniforms is None) == (selection == "random"):
        raise ValueError("uniforms must be given for selection='random', and for no other")
    u = None if uniforms is None else check_uniforms(xp, uniforms, x.shape[0])
    limit = threshold(margin, size, squared)

    def chosen(i: int, p: Any, negative: Any) -> Any:
        d = distances(xp, x, i, squared)
        gap = gaps(xp, d, p)
        found = negative[None, :] & (gap > 0) & (gap <= limit if inclusive else gap < limit)
        some = xp.any(found, axis=1)
        farthest = xp.argmax(xp.where(negative, d, -1.0)) if otherwise == "farthest" else -1
        if selection == "all":
            return found | (~some[:, None] & (xp.arange(x.shape[0]) == farthest)[None, :])
        one = (
            xp.argmin(xp.where(found, d[None, :], xp.inf), axis=1) if u is None else _at(xp, found, xp.take(u[i, :], p))
        )
        return xp.where(some, one, farthest)

    return triplets(xp, y, chosen)


def _at(xp: Any, found: Any, u: Any) -> Any:
    """Of each row of a mask (K, N) the index that the uniform (K,) falls on."""
    counted = xp.cumulative_sum(xp.astype(found, xp.int64), axis=1)
    total = counted[:, -1]
    place = xp.minimum(xp.astype(xp.floor(u * xp.astype(total, xp.float64)), xp.int64), total - 1)
    return xp.argmax(xp.astype(counted > place[:, None], xp.int64), axis=1)
