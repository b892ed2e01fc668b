"""Multi-similarity loss on the shared buffer of cosines."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._pairs import Batch
from refengine.losses import multi_similarity as reference
from refengine.losses._pairs import anchor_shares, reduced, softplus, weighted
from refengine.losses.multi_similarity import *


@kernel_of(reference.loss)
def loss(x, labels, *, alpha=2.0, beta=50.0, base=1.0, mining_margin=None, reduction="mean"):
    return _loss(None, x, labels, alpha, beta, base, mining_margin, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, labels, *, alpha=2.0, beta=50.0, base=1.0, mining_margin=None, reduction="mean"):
    return _loss(as_float64(np, "g", g), x, labels, alpha, beta, base, mining_margin, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, x, labels, *, alpha=2.0, beta=50.0, base=1.0, mining_margin=None, reduction="mean"):
    return _loss(as_float64(np, "g", g), x, labels, alpha, beta, base, mining_margin, reduction)


def _loss(g, x, labels, alpha, beta, base, mining_margin, reduction):
    _, dtype, x, y = reference._checked(x, labels, alpha, beta, base, mining_margin, reduction)
    batch, mining = Batch(x, y, dtype), np.nan if mining_margin is None else mining_margin
    counts = batch.positives
    with np.errstate(all="ignore"):
        tops, sums = batch.two_sums(alpha, -1.0, beta, mining)
        pull, slope_p = softplus(np, alpha * (tops[:, 0] + base) + np.log(sums[:, 0]))
        push, slope_n = softplus(np, beta * (tops[:, 1] - base) + np.log(sums[:, 1]))
        losses = pull / alpha + push / beta
        shares = anchor_shares(np, losses, (counts > 0) & (counts < len(x) - 1), reduction)
        value = np.asarray(reduced(np, losses, shares, reduction)).astype(dtype, copy=False)[()]
        if g is None:
            return value, ()
        of_p, of_n = weighted(np, g, shares, reduction) / np.where(sums == 0, 1.0, sums).T
        return value, batch.pulled(-slope_p * of_p, slope_n * of_n)
