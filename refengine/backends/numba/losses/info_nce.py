"""InfoNCE on the shared buffer of cosines."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64, check_shape
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._pairs import against_all, against_negatives, cosines, pulled
from refengine.backends.numba.losses._rows import contiguous
from refengine.losses import info_nce as reference
from refengine.losses.info_nce import *


@kernel_of(reference.loss)
def loss(x, labels, *, temperature=0.1, denominator="all", reduction="mean"):
    return _loss(None, x, labels, temperature, denominator, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, labels, *, temperature=0.1, denominator="all", reduction="mean"):
    return _loss(as_float64(np, "g", g), x, labels, temperature, denominator, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, x, labels, *, temperature=0.1, denominator="all", reduction="mean"):
    return _loss(as_float64(np, "g", g), x, labels, temperature, denominator, reduction)


def _loss(g, x, labels, temperature, denominator, reduction):
    _, dtype, x, y = reference._checked(x, labels, temperature, denominator, reduction)
    y, scale, n, by_pair = contiguous(y, np.int64), 1 / temperature, len(x), reduction == "none"
    if g is not None:
        check_shape("g", g, ("N", "N") if by_pair else (), N=n)
    counts = np.unique(y, return_counts=True)[1]
    pairs = int(np.sum(counts * (counts - 1)))
    with np.errstate(all="ignore"):
        c, to_x = cosines(x)
        # one weight and one loss for each pair only where they are asked for
        weights = contiguous(np.ones((n, n)) if g is None else g, np.float64) if by_pair else np.empty((0, 0))
        each = np.ones(n) * (1.0 if g is None or by_pair else g) / (max(pairs, 1) if reduction == "mean" else 1)
        losses, matrix = np.empty(n), np.zeros((n, n) if by_pair else (0, 0))
        rows = against_all if denominator == "all" else against_negatives
        rows(c, y, scale, contiguous(each, np.float64), contiguous(weights, np.float64), by_pair, losses, matrix)
        value = matrix if by_pair else np.sum(losses) / (pairs if reduction == "mean" else 1)
        value = np.asarray(value).astype(dtype, copy=False)[()]
        if g is None:
            return value, ()
        of_each = np.full(n, scale)
        return value, pulled(c, y, of_each, of_each, to_x, dtype)
