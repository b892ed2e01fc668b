"""InfoNCE on the shared buffer of cosines."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64, check_shape
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._pairs import Batch
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
    scale, n, by_pair, batch = 1 / temperature, len(x), reduction == "none", Batch(x, y, dtype)
    if g is not None:
        check_shape("g", g, ("N", "N") if by_pair else (), N=n)
    pairs = int(np.sum(batch.positives))
    with np.errstate(all="ignore"):
        # one weight and one loss for each pair only where they are asked for
        weights = (np.ones((n, n)) if g is None else g) if by_pair else None
        each = np.full(n, 1 / max(pairs, 1) if reduction == "mean" else 1.0)
        losses = batch.against(denominator, scale, each, weights)
        value = losses if by_pair else np.sum(losses) / (pairs if reduction == "mean" else 1)
        value = np.asarray(value).astype(dtype, copy=False)[()]
        if g is None:
            return value, ()
        of_each = np.full(n, scale if by_pair else scale * g)
        return value, batch.pulled(of_each, of_each)
