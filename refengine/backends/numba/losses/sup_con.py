"""Supervised contrastive loss on the shared buffer of cosines."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._pairs import Batch
from refengine.losses import sup_con as reference
from refengine.losses._pairs import anchor_shares, reduced, softplus, weighted
from refengine.losses.sup_con import *


@kernel_of(reference.loss)
def loss(x, labels, *, temperature=0.1, outside=True, reduction="mean"):
    return _loss(None, x, labels, temperature, outside, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, labels, *, temperature=0.1, outside=True, reduction="mean"):
    return _loss(as_float64(np, "g", g), x, labels, temperature, outside, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, x, labels, *, temperature=0.1, outside=True, reduction="mean"):
    return _loss(as_float64(np, "g", g), x, labels, temperature, outside, reduction)


def _loss(g, x, labels, temperature, outside, reduction):
    _, dtype, x, y = reference._checked(x, labels, temperature, outside, reduction)
    scale, batch = 1 / temperature, Batch(x, y, dtype)
    counts = batch.positives
    with np.errstate(all="ignore"):
        if outside:
            each = 1 / np.maximum(counts, 1)
            losses = each * batch.against("all", scale, each)
            of_p = of_n = np.full(len(x), scale)
        else:
            tops, sums = batch.two_sums(scale, 1.0, scale)
            h = scale * (tops[:, 1] - tops[:, 0]) + np.log(sums[:, 1]) - np.log(sums[:, 0])
            value, sigma = softplus(np, np.where(counts > 0, h, -np.inf))
            losses = np.where(counts > 0, value + np.log(counts), 0.0)
            of_p, of_n = (sign * scale * sigma / part for sign, part in ((-1.0, sums[:, 0]), (1.0, sums[:, 1])))
        shares = anchor_shares(np, losses, counts > 0, reduction)
        value = np.asarray(reduced(np, losses, shares, reduction)).astype(dtype, copy=False)[()]
        if g is None:
            return value, ()
        rows = weighted(np, g, shares, reduction)
        return value, batch.pulled(rows * of_p, rows * of_n)
