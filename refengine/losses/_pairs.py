"""What the losses on a batch of labelled rows share: which rows make a pair, how far apart they are, reductions.

A loss of pairs is a matrix (N, N), symmetric, 0 on its diagonal: every pair stands there twice. A loss of anchors is
(N,). Everything here is float64; a loss rounds its results to the dtype of its inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from refengine._arrays import as_float64, check_labels, check_shape, promote
from refengine.domains import Array
from refengine.losses._rows import across, direction, one_hot, soft_row, tangent

PAIR_REDUCTIONS = ("none", "sum", "mean", "nonzero")
ANCHOR_REDUCTIONS = ("none", "sum", "mean", "nonzero", "valid_anchor")


def checked_batch(x: Array, labels: Array) -> tuple[Any, Any, Any, Any]:
    """``xp, dtype, x, labels`` of rows (N, D), D >= 1, in float64; a row with a nan or an infinity is all nan."""
    xp, dtype, x = promote(x=x)
    check_shape("x", x, ("N", "D"))
    if x.shape[1] == 0:
        raise ValueError(f"x must have shape (N, D) with D >= 1, got {tuple(x.shape)}")
    y = check_labels("labels", labels, x.shape[0])
    finite = xp.all(xp.isfinite(x), axis=1, keepdims=True)
    return xp, dtype, xp.where(finite, xp.astype(x, xp.float64, copy=False), xp.nan), y


def kinds(xp: Any, y: Array) -> tuple[Any, Any]:
    """``positive, negative``, both (N, N): two rows of one label, two of different labels; no row pairs with itself."""
    same, itself = y[:, None] == y[None, :], _itself(xp, y.shape[0])
    return same & ~itself, ~same


def _itself(xp: Any, n: int) -> Any:
    return xp.arange(n)[:, None] == xp.arange(n)[None, :]


def distances(xp: Any, x: Array, normalize: bool) -> tuple[Any, Callable[[Array], Any]]:
    r"""The distances (N, N), and the map of their cotangent to that of x; no intermediate is larger than that.

    At distance 0 the one-sided derivatives have mean 0, which is what stands there. Between unit vectors at the angle
    theta, d = 2 sin(theta / 2), whose derivative to x_i is -cos(theta / 2) e / |x_i| with e the unit tangent at x_i
    towards x_j.
    """
    n = x.shape[0]
    of_row = _from_unit_row(xp, x) if normalize else _from_row(xp, x)
    d = xp.stack([of_row(i)[0] for i in range(n)]) if n else xp.zeros((0, 0))

    def pull(g: Array) -> Any:
        both = g + g.T
        rows = [xp.sum(both[i, :][:, None] * of_row(i)[1], axis=0) for i in range(n)]
        return xp.stack(rows) if n else x

    return d, pull


def _from_row(xp: Any, x: Array) -> Callable[[int], tuple[Any, Any]]:
    """The map of i to the distances from x_i (N,) and their derivatives to it (N, D)."""

    def of_row(i: int) -> tuple[Any, Any]:
        unit, largest, norm = direction(xp, x[i, :] - x)
        zero = (largest == 0) | (xp.arange(x.shape[0])[:, None] == i)
        return xp.where(zero, 0.0, largest * norm)[:, 0], xp.where(zero, 0.0, unit)

    return of_row


def _from_unit_row(xp: Any, x: Array) -> Callable[[int], tuple[Any, Any]]:
    """The same between unit vectors."""
    unit, largest, norm = direction(xp, x)

    def of_row(i: int) -> tuple[Any, Any]:
        itself = xp.arange(x.shape[0]) == i
        sine, e = tangent(xp, xp.broadcast_to(unit[i, :], x.shape), unit)
        c = unit @ unit[i, :]
        near = c > 0
        half = xp.sqrt((1 + c) / 2)
        d = xp.where(itself, 0.0, xp.where(near, sine / half, xp.sqrt(2 * (1 - c))))
        slope = xp.where(near, half, sine / xp.where(near, 1.0, d))[:, None]
        return d, xp.where(itself[:, None], 0.0, -slope * e / norm[i, :] / largest[i, :])

    return of_row


def cosines(xp: Any, x: Array) -> tuple[Any, tuple[Any, Any, Any]]:
    """The cosines of all pairs (N, N), and the directions from which they came, for `cosines_vjp`."""
    to_x = direction(xp, x)
    return xp.clip(to_x[0] @ to_x[0].T, -1.0, 1.0), to_x


def cosines_vjp(xp: Any, g: Array, to_x: tuple[Any, Any, Any]) -> Any:
    """Cotangent of x from that of the cosines, whose entries on the diagonal are 0."""
    unit, largest, norm = to_x
    return across(xp, (g + g.T) @ unit, unit) / norm / largest


def log_sum_exp(xp: Any, z: Array, mask: Array, above: Callable[[Any], Any] | None = None) -> tuple[Any, Any]:
    """Log of the sum of e^z over the entries of each row that the mask holds, (N, 1), and their softmax, (N, M).

    -inf, and 0 everywhere, where a row holds none. ``above(first)`` gives z less its entry at ``first``, a mask with
    one place in each row, for those who know better than to subtract.
    """
    if z.shape[1] == 0:
        return xp.full((z.shape[0], 1), -xp.inf), z
    kept = xp.where(mask, z, -xp.inf)
    top = xp.max(kept, axis=1, keepdims=True)
    top = xp.where(top == -xp.inf, 0.0, top)
    less = z - top if above is None else above(one_hot(xp, xp.argmax(kept, axis=1), z.shape[1]))
    powers = xp.where(mask, xp.exp(xp.where(mask, less, 0.0)), 0.0)
    total = xp.sum(powers, axis=1, keepdims=True)
    return top + xp.log(total), powers / xp.where(total == 0, 1.0, total)


def softplus(xp: Any, h: Array) -> tuple[Any, Any]:
    """log(1 + e^h) and its derivative, the logistic function; 0 at -inf."""
    small = xp.exp(-xp.abs(h))
    return xp.where(h > 0, h, xp.where(xp.isnan(h), h, 0.0)) + xp.log1p(small), xp.where(h > 0, 1.0, small) / (
        1 + small
    )


def pair_rows(
    xp: Any, p: Array, positive: Array, n: Array, negative: Array, above_p: Any = None, above_n: Any = None
) -> tuple[Any, Any, Any]:
    """``log(1 + sum_i e^{p_i} sum_j e^{n_j})`` of each row (N,), and its derivatives to p and to n, (N, M) each.

    The masks say which entries are positives and negatives; a row that has none of one kind gives 0.
    """
    sum_p, of_p = log_sum_exp(xp, p, positive, above_p)
    sum_n, of_n = log_sum_exp(xp, n, negative, above_n)
    losses, slope = softplus(xp, sum_p + sum_n)
    return losses[:, 0], slope * of_p, slope * of_n


def against_all(xp: Any, c: Array, scale: float) -> tuple[Any, Any, Any]:
    """``losses, top, shares`` of similarities (N, N): minus log of each one's softmax over its row without i itself.

    The losses are the gap to the largest similarity of the row, which ``top`` marks, plus log1p of the other powers.
    """
    n = c.shape[0]
    if n < 2:
        return 0.0 * c, c != c, 0.0 * c
    z = xp.where(_itself(xp, n), -xp.inf, c)
    top = one_hot(xp, xp.argmax(z, axis=1), n)
    gap, rest, shares = soft_row(xp, z, top, scale)
    return xp.where(_itself(xp, n), 0.0, gap + xp.log1p(rest)), top, shares


def against_all_vjp(xp: Any, weights: Array, top: Array, shares: Array, scale: float) -> Any:
    """Cotangent of the similarities for ``sum weights * losses``, with weights 0 where there is no positive.

    W p_a - w_a, with W the sum of the row's weights. At the top, p is 1 less the other shares, which leaves of the
    difference the other weights less W times the other shares.
    """
    n = weights.shape[0]
    total = xp.sum(weights, axis=1, keepdims=True)
    rest = xp.sum(xp.where(top, 0.0, shares), axis=1, keepdims=True)
    others = xp.sum(xp.where(top, 0.0, weights), axis=1, keepdims=True)
    slopes = xp.where(top, others - total * rest, total * shares - weights)
    return xp.where(_itself(xp, n), 0.0, scale * slopes)


def valid_anchors(xp: Any, positive: Array, negative: Array) -> Any:
    """Which rows have a positive and a negative."""
    return xp.any(positive, axis=1) & xp.any(negative, axis=1)


def as_rows(s_p: Array, s_n: Array) -> tuple[Any, Any, Any, Any, tuple[int, ...]]:
    """``xp, dtype, s, positive, shape`` of similarities (..., K) and (..., L): rows s (R, K + L), a mask of K and L.

    A row with a nan or an infinity is all nan.
    """
    xp, dtype, s_p, s_n = promote(s_p=s_p, s_n=s_n)
    if s_p.ndim == 0:
        raise ValueError("s_p must have shape (..., K), got ()")
    *lead, k = s_p.shape
    if s_n.ndim == 0 or tuple(s_n.shape[:-1]) != tuple(lead):
        raise ValueError(f"s_n must have shape ({''.join(f'{n}, ' for n in lead)}L), got {tuple(s_n.shape)}")
    rows = prod(lead)
    s = xp.concat([xp.reshape(s_p, (rows, k)), xp.reshape(s_n, (rows, s_n.shape[-1]))], axis=1)
    s = xp.where(xp.all(xp.isfinite(s), axis=1, keepdims=True), xp.astype(s, xp.float64, copy=False), xp.nan)
    return xp, dtype, s, xp.broadcast_to(xp.arange(s.shape[1])[None, :] < k, s.shape), tuple(lead)


def as_rows_vjp(
    xp: Any, g: Array, dtype: Any, losses: Array, slopes: Array, k: int, shape: tuple[int, ...]
) -> tuple[Any, Any]:
    """Value and cotangents of s_p and s_n from the losses (R,) and the derivatives (R, K + L) of rows."""
    g = as_float64(xp, "g", g)
    check_shape("g", g, shape)
    d = xp.reshape(g, (losses.shape[0], 1)) * slopes
    parts = (xp.reshape(part, (*shape, part.shape[1])) for part in (d[:, :k], d[:, k:]))
    value = xp.astype(xp.reshape(losses, shape), dtype, copy=False)
    return value, tuple(xp.astype(part, dtype, copy=False) for part in parts)


def pair_shares(xp: Any, losses: Array, groups: tuple[Array, ...], reduction: str) -> Any:
    """The weight of each entry of a loss of pairs (N, N) in the result.

    "nonzero" is the mean over the losses that are not 0, of each group by itself, and the sum over the groups.
    """
    n = losses.shape[0]
    if reduction == "nonzero":
        active = [xp.astype(group & ~(losses <= 0), xp.float64) for group in groups]
        return sum(a / xp.maximum(xp.sum(a), xp.asarray(1.0)) for a in active)
    share = {"none": 1.0, "sum": 0.5, "mean": 1 / max(n * (n - 1), 1)}[reduction]
    return xp.where(_itself(xp, n), 0.0, xp.full((n, n), share))


def anchor_shares(xp: Any, losses: Array, valid: Array, reduction: str) -> Any:
    """The weight of each anchor's loss (N,): "valid_anchor" is the mean over those that have what they need."""
    if reduction in ("none", "sum", "mean"):
        return xp.full(losses.shape, 1 / max(losses.shape[0], 1) if reduction == "mean" else 1.0)
    kept = xp.astype(valid if reduction == "valid_anchor" else ~(losses <= 0), xp.float64)
    return kept / xp.maximum(xp.sum(kept), xp.asarray(1.0))


def reduced(xp: Any, losses: Array, shares: Array, reduction: str) -> Any:
    """The losses themselves, or their weighted sum: 0 where nothing has a weight, nan for the mean of nothing."""
    if reduction == "none":
        return losses
    total = xp.sum(xp.where(shares == 0, 0.0, losses * shares))
    empty = losses.shape[0] <= (losses.ndim == 2)
    return total + xp.nan if reduction == "mean" and empty else total


def weighted(xp: Any, g: Array, shares: Array, reduction: str) -> Any:
    """The cotangent of each loss, the transpose of `reduced`."""
    g = as_float64(xp, "g", g)
    n = shares.shape[0]
    check_shape("g", g, ("N", "N")[: shares.ndim] if reduction == "none" else (), N=n)
    return g * shares
