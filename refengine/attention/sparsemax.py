"""Sparsemax: the Euclidean projection of scores onto the simplex, which leaves most weights exactly 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine.attention._rows import Rows
from refengine.attention._scores import rows_of_scores
from refengine.attention._sparse import filled, shifted, support_of_sparsemax
from refengine.attention.softmax import checked
from refengine.domains import Array, Mask, Real

__all__ = ["sparsemax", "sparsemax_vjp"]


def sparsemax(z: Real, *, mask: Mask | None = None, empty_row: str = "zero") -> Array:
    r"""The point of the simplex that is nearest to the scores.

    .. math:: p = \operatorname*{arg\,min}_{p \in \Delta} \|p - z\|^2 = \max(0, z - \tau), \qquad
        \tau = \frac{\sum_{j \in \Omega} z_j - 1}{|\Omega|}, \qquad
        \Omega = \Big\{i : \sum_j \max(0, z_j - z_i) < 1\Big\}

    z: (..., K), ``mask`` (True = attend) broadcasts to it; the result has the shape of z, float64 unless z is float32.
    Which entries belong to the support :math:`\Omega` is decided in twice the working precision, so that an entry
    whose weight is below rounding still counts. What is not attended (masked, -inf) is left out and exactly 0. A row
    without attended entries is 0, nan or 1 / K as ``empty_row`` says ("zero", "nan", "mean"), or a ValueError
    ("error"). An attended nan or +inf makes its row nan. Definition: Martins and Astudillo 2016, eq. 2 and eq. 3.

    >>> sparsemax(np.array([1.0, 0.5, -1.0]))
    array([0.75, 0.25, 0.  ])
    """
    xp, dtype, z, mask = checked(z, mask)
    with np.errstate(all="ignore"):
        rows = rows_of_scores(z, mask, empty_row)
        return xp.astype(filled(xp, rows, _weights(xp, rows)[0], empty_row), dtype, copy=False)


def sparsemax_vjp(g: Array, z: Real, *, mask: Mask | None = None, empty_row: str = "zero") -> tuple[Array]:
    r"""Cotangent of z.

    On the support the weights are :math:`z_i - \tau` with the mean of :math:`z - 1 / |\Omega|` as :math:`\tau`, so

    .. math:: \bar z_i = [i \in \Omega] \Big(g_i - \frac{1}{|\Omega|} \sum_{j \in \Omega} g_j\Big)

    Where an entry lies exactly on the edge, :math:`z_i = \tau`, its weight is 0 and it does not belong to the support:
    the derivative is the one for a slightly smaller :math:`z_i`. Exactly 0 in empty rows under every rule.
    """
    xp, dtype, z, mask, g = checked(z, mask, g)
    with np.errstate(all="ignore"):
        rows = rows_of_scores(z, mask, empty_row)
        p, support = _weights(xp, rows)
        above, count = xp.where(support, g, 0.0), xp.sum(xp.astype(support, xp.float64), axis=-1, keepdims=True)
        for _ in range(2):  # the second time takes off what rounding left of the first
            above = xp.where(support, above - xp.sum(above, axis=-1, keepdims=True) / count, 0.0)
        return (xp.astype(xp.where(rows.attended, above + 0 * p, 0.0), dtype, copy=False),)


def _weights(xp: Any, rows: Rows) -> tuple[Any, Any]:
    """The weights, and the support."""
    support = support_of_sparsemax(xp, rows)
    below, _ = shifted(xp, rows)
    count = xp.sum(xp.astype(support, xp.float64), axis=-1, keepdims=True)
    tau = (xp.sum(xp.where(support, below, 0.0), axis=-1, keepdims=True) - 1) / count
    p = xp.where(support, below - tau, 0.0 * below + 0.0)
    return xp.where(p < 0, 0.0, p), support
