"""Unified loss on the shared buffer of cosines."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._pairs import Batch
from refengine.losses import unified as reference
from refengine.losses._pairs import anchor_shares, reduced, softplus, weighted
from refengine.losses.unified import *


@kernel_of(reference.loss)
def loss(x, labels, *, gamma=80.0, margin=0.0, reduction="mean"):
    return _loss(None, x, labels, gamma, margin, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, labels, *, gamma=80.0, margin=0.0, reduction="mean"):
    return _loss(as_float64(np, "g", g), x, labels, gamma, margin, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, x, labels, *, gamma=80.0, margin=0.0, reduction="mean"):
    return _loss(as_float64(np, "g", g), x, labels, gamma, margin, reduction)


def _loss(g, x, labels, gamma, margin, reduction):
    _, dtype, x, y = reference._checked(x, labels, gamma, margin, reduction)
    batch = Batch(x, y, dtype)
    with np.errstate(all="ignore"):
        tops, sums = batch.two_sums(gamma, -1.0, gamma)
        valid = np.all(sums != 0, axis=1)
        h = gamma * (tops[:, 1] + tops[:, 0] + margin) + np.log(sums[:, 1]) + np.log(sums[:, 0])
        losses, sigma = softplus(np, h)
        shares = anchor_shares(np, losses, valid, reduction)
        value = np.asarray(reduced(np, losses, shares, reduction)).astype(dtype, copy=False)[()]
        if g is None:
            return value, ()
        rows = weighted(np, g, shares, reduction) * gamma * sigma
        return value, batch.pulled(-rows / sums[:, 0], rows / sums[:, 1])
