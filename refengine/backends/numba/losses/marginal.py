"""Marginal loss: the shared pass over all pairs."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._distances import MARGINAL, loss_and_vjp
from refengine.losses import marginal as reference
from refengine.losses.marginal import *


@kernel_of(reference.loss)
def loss(x, labels, *, threshold=1.2, margin=0.3, normalize_x=True, reduction="mean"):
    return _loss(None, x, labels, threshold, margin, normalize_x, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, labels, *, threshold=1.2, margin=0.3, normalize_x=True, reduction="mean"):
    return _loss(as_float64(np, "g", g), x, labels, threshold, margin, normalize_x, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, x, labels, *, threshold=1.2, margin=0.3, normalize_x=True, reduction="mean"):
    return _loss(as_float64(np, "g", g), x, labels, threshold, margin, normalize_x, reduction)


def _loss(g, x, labels, threshold, margin, normalize_x, reduction):
    _, dtype, x, y = reference._checked(x, labels, threshold, margin, normalize_x, reduction)
    constants = threshold, margin
    return loss_and_vjp(g, dtype, x, y, MARGINAL, constants, normalize_x, reduction)
