r"""Angular mining: triplets whose negative sees the positive pair under a wide angle."""

from __future__ import annotations

import math
from typing import Any

from refengine._arrays import check_number
from refengine.domains import Labels, Real
from refengine.mining._batch import Triplets, measured, squares, triplets

__all__ = ["Triplets", "angular"]


def angular(x: Real, labels: Labels, *, angle: float = math.radians(20.0), normalize_x: bool = True) -> Triplets:
    r"""All triplets of a batch whose angle at the negative is above a threshold.

    .. math:: T = \Big\{(a, p, n): \arctan \frac{\|x_a - x_p\|}{2 \, \|x_n - x_c\|} > \alpha\Big\}, \qquad
              x_c = \frac{x_a + x_p}{2}

    over the triplets with a != p, y_a = y_p, y_n other. x: (N, D) finite, labels: (N,) integers >= 0; result: anchor,
    positive, negative, each (T,) int64, in the order of (a, p, n). The angle, in radians between 0 and pi / 2, is 20
    degrees in pytorch-metric-learning's AngularMiner, which measures between the rows as they came
    (``normalize_x=False``), although it asks for a distance of unit vectors. The centre is that of the chord, also
    between unit vectors. The inequality is strict. A negative at the centre sees pi / 2; duplicates are seen under 0,
    from wherever. No triplet: empty arrays. Decided by distances in float64. Memory O(N^2) beside the result.
    Values that are not finite, rows of zeros that ought to be normalised, wrong shapes, labels or angles are a
    ValueError, values of a wrong kind a TypeError.
    Source: Wang et al. 2017, section 3.2.

    >>> x = [[-1.0, 0.0], [1.0, 0.0], [0.0, 0.5], [0.0, 5.0]]  # angles 1.11, 0.20 and twice 0.66
    >>> [field.tolist() for field in angular(x, [0, 0, 1, 1], angle=0.78, normalize_x=False)]
    [[0, 1], [1, 0], [2, 2]]
    """
    if not 0 < check_number("angle", angle) < math.pi / 2:
        raise ValueError(f"angle must lie between 0 and pi / 2, got {angle!r}")
    xp, x, y, _ = measured(x, labels, normalize_x)
    tangent = math.tan(angle)

    def chosen(i: int, p: Any, negative: Any) -> Any:
        chord = xp.sqrt(xp.take(squares(xp, x, i), p))[:, None]
        # squares of twice the distance from each centre, from differences
        away = [xp.sum(((x - x[i, :]) + (x - x[int(j), :])) ** 2, axis=1) for j in p]
        return negative[None, :] & (chord > tangent * xp.sqrt(xp.stack(away)))

    return triplets(xp, y, chosen)
