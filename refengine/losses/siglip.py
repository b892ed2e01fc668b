r"""Sigmoid loss for pairs of images and texts: every pair is a decision of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_option, check_shape, check_switch, promote
from refengine.domains import Array, Positive, Real
from refengine.losses._pairs import softplus
from refengine.losses._rows import across, direction

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]

REDUCTIONS = ("none", "sum", "mean", "mean_over_pairs")


def loss(
    image: Real, text: Real, temperature: Positive, bias: Real, *, normalize: bool = True, reduction: str = "mean"
) -> Array:
    r"""Logistic loss of every image with every text, of which only those in the same place match.

    .. math:: L = \frac{1}{N} \sum_{i=1}^{N} \sum_{j=1}^{N} \log\big(1 + e^{-z_{ij} (t \, c_{ij} + b)}\big), \qquad
              c_{ij} = \frac{x_i \cdot y_j}{\|x_i\| \, \|y_j\|}, \qquad z_{ij} = 2 [i = j] - 1

    image x and text y: (N, D), D >= 1; temperature t > 0 and bias b: (), both learnt. t multiplies: the paper learns
    its logarithm, of which the cotangent is t times that of t, and starts from t = 10, b = -10. Its equation prints
    the bias with the other sign than its algorithm, which is this one. Result (N, N) for reduction "none", else ();
    float64 unless all are float32. "mean" divides the sum over all pairs by N, as the paper does; "mean_over_pairs" by
    N^2, as a mean of binary cross-entropies does. ``normalize=False`` takes inner products of the rows as they are.
    t <= 0 or a nan or infinity in t or b makes everything nan; a row of zeros to be normalised, or with a nan or an
    infinity, its pairs. No rows: the means are nan, the sum 0. Wrong shapes or reductions are a ValueError, values of a
    wrong kind a TypeError.
    Source: Zhai et al. 2023, algorithm 1.

    >>> x = np.array([[2.0, 0.0], [0.0, 3.0]])  # cosines 1 and 0
    >>> losses = loss(x, x, 10.0, -10.0, reduction="none")
    >>> bool(np.isclose(losses[0, 0], np.log(2))), bool(np.isclose(losses[0, 1], np.log1p(np.exp(-10))))
    (True, True)
    """
    xp, dtype, x, y, t, b = _checked(image, text, temperature, bias, normalize, reduction)
    with np.errstate(all="ignore"):
        losses, _, _ = _pairs(xp, x, y, t, b, normalize)
        return xp.astype(_reduced(xp, losses, reduction), dtype, copy=False)


def loss_vjp(
    g: Array,
    image: Real,
    text: Real,
    temperature: Positive,
    bias: Real,
    *,
    normalize: bool = True,
    reduction: str = "mean",
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of image, text, temperature, bias.

    With the logistic function sigma and the weight :math:`w_{ij}` of a pair in the result,

    .. math:: G_{ij} = -w_{ij} \, z_{ij} \, \sigma\big(-z_{ij} (t \, c_{ij} + b)\big), \qquad
              \bar t = \sum_{ij} G_{ij} c_{ij}, \qquad \bar b = \sum_{ij} G_{ij}, \qquad
              \bar x_i = \frac{t \, (I - \hat x_i \hat x_i^T) \sum_j G_{ij} \hat y_j}{\|x_i\|}

    and :math:`\bar y` in the same way; without normalisation :math:`\bar x_i = t \sum_j G_{ij} y_j`.
    """
    return loss_value_and_vjp(g, image, text, temperature, bias, normalize=normalize, reduction=reduction)[1]


def loss_value_and_vjp(
    g: Array,
    image: Real,
    text: Real,
    temperature: Positive,
    bias: Real,
    *,
    normalize: bool = True,
    reduction: str = "mean",
) -> tuple[Array, tuple[Array, Array, Array, Array]]:
    """``loss`` and its vjp from the same cosines."""
    xp, dtype, x, y, t, b = _checked(image, text, temperature, bias, normalize, reduction)
    n = x.shape[0]
    g = as_float64(xp, "g", g)
    check_shape("g", g, ("N", "N") if reduction == "none" else (), N=n)
    with np.errstate(all="ignore"):
        losses, parts, (c, to_x, to_y) = _pairs(xp, x, y, t, b, normalize)
        g = g / _divisor(n, reduction)
        # slopes near 1 and -1 may cancel: whole numbers first
        db = [xp.sum(g * part) if reduction == "none" else g * xp.sum(part) for part in parts]
        slopes = g * (parts[0] + parts[1])
        dx, dy = t * (slopes @ to_y[0]), t * (slopes.T @ to_x[0])
        if normalize:
            dx, dy = (across(xp, d, u) / norm / most for d, (u, most, norm) in ((dx, to_x), (dy, to_y)))
        value = _reduced(xp, losses, reduction)
        results = (value, dx, dy, xp.sum(slopes * c), db[0] + db[1])
        value, *cotangents = (xp.astype(part, dtype, copy=False) for part in results)
        return value, tuple(cotangents)


def _pairs(xp: Any, x: Array, y: Array, t: Array, b: Array, normalize: bool) -> tuple[Any, Any, Any]:
    """Losses (N, N); their derivatives to the logits as whole numbers and rests; cosines and whence they came."""
    to_x, to_y = (direction(xp, v) if normalize else (v, 1.0, 1.0) for v in (x, y))
    c = to_x[0] @ to_y[0].T
    c = xp.clip(c, -1.0, 1.0) if normalize else c
    z = 2 * xp.eye(x.shape[0], dtype=xp.float64) - 1
    h = -z * (t * c + b)
    small = xp.exp(-xp.abs(h))
    rest = small / (1 + small)
    parts = xp.where(h > 0, -z, 0.0), xp.where(h > 0, z * rest, -z * rest)
    return softplus(xp, h)[0], parts, (c, to_x, to_y)


def _divisor(n: int, reduction: str) -> float:
    return {"mean": max(n, 1), "mean_over_pairs": max(n * n, 1)}.get(reduction, 1.0)


def _reduced(xp: Any, losses: Array, reduction: str) -> Any:
    if reduction == "none":
        return losses
    n = losses.shape[0]
    total = xp.sum(losses) / _divisor(n, reduction)
    return total + xp.nan if n == 0 and reduction != "sum" else total


def _checked(
    image: Array, text: Array, temperature: Array, bias: Array, normalize: bool, reduction: str
) -> tuple[Any, ...]:
    check_option("reduction", reduction, REDUCTIONS)
    check_switch("normalize", normalize)
    xp, dtype, x, y, t, b = promote(image=image, text=text, temperature=temperature, bias=bias)
    check_shape("image", x, ("N", "D"))
    check_shape("text", y, ("N", "D"), N=x.shape[0], D=x.shape[1])
    check_shape("temperature", t, ())
    check_shape("bias", b, ())
    if x.shape[1] == 0:
        raise ValueError(f"image must have shape (N, D) with D >= 1, got {tuple(x.shape)}")
    x, y, t, b = (xp.astype(v, xp.float64, copy=False) for v in (x, y, t, b))
    x, y = (xp.where(xp.all(xp.isfinite(v), axis=1, keepdims=True), v, xp.nan) for v in (x, y))
    fine = xp.isfinite(t) & xp.isfinite(b) & (t > 0)
    return xp, dtype, x, y, xp.where(fine, t, xp.nan), xp.where(fine, b, xp.nan)
