"""NormFace: the shared kernel of the heads, without a margin; the scale's derivative comes from the rows' gradient."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._heads import COSFACE, loss_and_vjp
from refengine.losses import normface as reference
from refengine.losses.normface import *


@kernel_of(reference.loss)
def loss(x, weight, labels, scale, *, reduction="mean"):
    return _loss(None, x, weight, labels, scale, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, weight, labels, scale, *, reduction="mean"):
    return loss_value_and_vjp(g, x, weight, labels, scale, reduction=reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, x, weight, labels, scale, *, reduction="mean"):
    return _loss(as_float64(np, "g", g), x, weight, labels, scale, reduction)


def _loss(g, x, weight, labels, scale, reduction):
    x, weight, scale = reference._checked_rows(x, weight, scale)
    return loss_and_vjp(g, x, weight, labels, float(scale), COSFACE, (0,), "exact", reduction, to_scale=True)
