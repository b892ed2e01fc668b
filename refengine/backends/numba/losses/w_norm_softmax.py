"""W-norm softmax: the shared kernel of the heads, without a margin, on the lengths of the rows."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._heads import COSFACE, loss_and_vjp
from refengine.losses import w_norm_softmax as reference
from refengine.losses.w_norm_softmax import *


@kernel_of(reference.loss)
def loss(x, weight, labels, *, reduction="mean"):
    return loss_and_vjp(None, x, weight, labels, None, COSFACE, (0,), "exact", reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, weight, labels, *, reduction="mean"):
    return loss_value_and_vjp(g, x, weight, labels, reduction=reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, x, weight, labels, *, reduction="mean"):
    return loss_and_vjp(as_float64(np, "g", g), x, weight, labels, None, COSFACE, (0,), "exact", reduction)
