r""":math:`\alpha`-entmax: a family of weights from softmax, :math:`\alpha = 1`, to sparsemax, :math:`\alpha = 2`."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np

from refengine._arrays import promote, unbroadcast
from refengine.attention._arguments import check_broadcasts, check_cotangent, check_mask
from refengine.attention._rows import Rows
from refengine.attention._scores import rows_of_scores
from refengine.attention._sparse import filled, shifted, support_of_sparsemax
from refengine.domains import Array, Interval, Mask, Real

__all__ = ["entmax", "entmax_vjp"]

Order = Annotated[Array, Interval(1, 2, closed=True)]
STEPS = 200
TERMS = 54


def entmax(z: Real, alpha: Order = 1.5, *, mask: Mask | None = None, empty_row: str = "zero") -> Array:
    r"""Weights that maximise their product with the scores plus their Tsallis entropy of order alpha.

    .. math:: p_i = \big[(\alpha - 1) z_i - \tau\big]_+^{1 / (\alpha - 1)}, \qquad
        \tau \text{ such that } \sum_i p_i = 1

    z: (..., K); alpha, in 1..2, broadcasts to its rows (...): one order for all, or one a head; ``mask`` (True =
    attend) broadcasts to z. The result has the shape of z, float64 unless z and alpha are float32. alpha = 1 is the
    limit, softmax; alpha = 2 is sparsemax, with its support; an alpha outside 1..2 or nan makes its rows nan. What is
    not attended (masked, -inf) is left out and exactly 0. A row without attended entries is 0, nan or 1 / K as
    ``empty_row`` says ("zero", "nan", "mean"), or a ValueError ("error"). An attended nan or +inf makes its row nan.
    Definition: Peters et al. 2019, section 3.1.

    >>> entmax(np.array([0.5, 0.5, -3.0]))
    array([0.5, 0.5, 0. ])
    """
    xp, dtype, z, alpha, mask = _checked(z, alpha, mask)
    with np.errstate(all="ignore"):
        rows = rows_of_scores(z, mask, empty_row)
        return xp.astype(filled(xp, rows, _solved(xp, rows, alpha).p, empty_row), dtype, copy=False)


def entmax_vjp(
    g: Array, z: Real, alpha: Order = 1.5, *, mask: Mask | None = None, empty_row: str = "zero"
) -> tuple[Array, Array]:
    r"""Cotangents of z and alpha.

    With :math:`a = \alpha - 1` and :math:`q_i = p_i^{1 - a}` on the support, 0 elsewhere, the condition that the
    weights sum to 1 gives

    .. math:: \bar z_i = q_i c_i, \qquad c_i = g_i - \frac{\sum_j q_j g_j}{\sum_j q_j}

    For alpha write :math:`p_i = b_i^{1/a}`, :math:`b_i = b_0 + a d_i`, with :math:`b_0` of the largest score and
    :math:`d_i` the distance from it. Then :math:`\bar\alpha = \sum_i q_i c_i r_i` with
    :math:`r_i = (a x_i - b_i \log b_i) / a^2`, :math:`a x_i = b_i - 1`. As :math:`\sum_i q_i c_i = 0`, a
    constant may be taken off r, and the difference from its value at the largest score has terms of one sign:

    .. math:: r_i - r_0 = -\frac{d_i^2}{b_0} M\Big(\frac{-a d_i}{b_0}\Big) - d_i \log p_0, \qquad
        M(s) = \frac{s + (1 - s) \log(1 - s)}{s^2} = \sum_{n \ge 2} \frac{s^{n-2}}{n (n - 1)}

    Nothing is divided by :math:`\alpha - 1`. At alpha = 2 the support is that of sparsemax, an entry exactly on the
    edge does not belong to it, and the derivative to alpha holds the support. Empty rows have gradients exactly 0.
    """
    xp, dtype, z, alpha, mask, g = _checked(z, alpha, mask, g)
    with np.errstate(all="ignore"):
        rows = rows_of_scores(z, mask, empty_row)
        s = _solved(xp, rows, alpha)
        above = xp.where(rows.attended, g, 0.0)
        share = s.q / xp.sum(s.q, axis=-1, keepdims=True)
        for _ in range(2):  # the second time takes off what rounding left of the first
            above = above - xp.sum(share * above, axis=-1, keepdims=True)
        dz = xp.where(rows.attended, s.q * above, 0.0)
        dalpha = xp.where(rows.empty[..., 0], 0.0, xp.sum(dz * xp.where(rows.attended, s.r, 0.0), axis=-1))
        return xp.astype(dz, dtype, copy=False), unbroadcast(dalpha, alpha, dtype)


class _Solution(NamedTuple):
    """Weights, their slopes q, and r, all of the attended entries."""

    p: Any
    q: Any
    r: Any


def _solved(xp: Any, rows: Rows, alpha: Any) -> _Solution:
    """The weights by their ratios to the largest, whose base is b0; support and slopes with them."""
    d, first = shifted(xp, rows)
    a = xp.where((alpha >= 1) & (alpha <= 2), alpha - 1, xp.nan)
    a = xp.broadcast_to(a, d.shape[:-1])[..., None]
    support = support_of_sparsemax(xp, rows)
    count = xp.sum(xp.astype(support, xp.float64), axis=-1, keepdims=True)
    projected = (1 - xp.sum(xp.where(support, d, 0.0), axis=-1, keepdims=True)) / count
    b0 = xp.where(a == 1, projected, 1 - a * _threshold(xp, d, rows.attended, a))
    e = a * d / b0
    support = xp.where(a == 1, support, rows.attended & ~(e <= -1))
    logs = xp.where(a > 0, xp.log1p(xp.where(e < -1, -1.0, e)) / a, d + 0 * a)
    ratios = xp.where(support, xp.exp(logs), 0.0 * logs)
    rest = xp.sum(xp.where(first, 0.0, xp.where(support, ratios, 0.0)), axis=-1, keepdims=True)
    log_p0 = -xp.log1p(rest)
    q = xp.where(support, xp.where(a == 1, 1.0, xp.exp((1 - a) * (log_p0 + logs))), 0.0)
    r = -(d * d / b0) * _second_difference(xp, -e) - d * log_p0
    return _Solution(xp.where(support, ratios / (1 + rest), 0.0), q, xp.where(support, r, 0.0))


def _threshold(xp: Any, d: Any, attended: Any, a: Any) -> Any:
    """How far above the largest score the weight would be 1: Newton from below, as the sum is convex in it."""
    t = xp.zeros_like(d[..., :1]) if d.shape[-1] else xp.zeros((*d.shape[:-1], 1))
    for _ in range(STEPS):
        y = a * (d - t)
        inside = attended & (y > -1)
        logs = xp.where(inside, xp.where(a > 0, xp.log1p(y) / a, d - t), 0.0)
        p = xp.where(inside, xp.exp(logs), 0.0)
        q = xp.where(inside, xp.exp((1 - a) * logs), 0.0)
        step = (xp.sum(p, axis=-1, keepdims=True) - 1) / xp.sum(q, axis=-1, keepdims=True)
        t = t + step
        if not xp.any(step > 2.0**-53 * t):
            break
    return t


def _second_difference(xp: Any, s: Any) -> Any:
    """``(s + (1 - s) log(1 - s)) / s^2`` for s in [0, 1], by its series below 1/2."""
    s = xp.where(s > 1, 1.0, s)
    near, series = xp.where(s < 0.5, s, 0.0), 0 * s
    for n in range(TERMS, 1, -1):
        series = series * near + 1 / (n * (n - 1))
    rest = 1 - s
    far = (s + xp.where(rest > 0, rest * xp.log(xp.where(rest > 0, rest, 1.0)), 0.0)) / (s * s)
    return xp.where(s < 0.5, series, far)


def _checked(z: Array, alpha: Array, mask: Any, *g: Array) -> Any:
    """``xp, dtype, z, alpha, mask``, and g where it is given; float64."""
    xp, dtype, *given = promote(**dict(zip(("z", "alpha", "g"), (z, alpha, *g), strict=False)))
    z, alpha, *cotangents = (xp.astype(v, xp.float64, copy=False) for v in given)
    if z.ndim < 1:
        raise ValueError(f"z must have shape (..., K), got {tuple(z.shape)}")
    for cotangent in cotangents:
        check_cotangent(cotangent, tuple(z.shape))
    check_broadcasts("alpha", alpha, tuple(z.shape[:-1]), "the rows (...) of z")
    return xp, dtype, z, alpha, check_mask(xp, mask, tuple(z.shape), "(..., K)"), *cotangents
