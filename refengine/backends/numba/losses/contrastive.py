"""Contrastive loss: the shared pass over all pairs."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._distances import CONTRASTIVE, loss_and_vjp
from refengine.losses import contrastive as reference
from refengine.losses.contrastive import *


@kernel_of(reference.loss)
def loss(
    x,
    labels,
    *,
    margin=1.0,
    positive_margin=0.0,
    squared=True,
    half_factor=True,
    normalize_x=False,
    reduction="mean",
):
    constants = margin, positive_margin, squared, half_factor, normalize_x, reduction
    return _loss(None, x, labels, *constants)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(
    g,
    x,
    labels,
    *,
    margin=1.0,
    positive_margin=0.0,
    squared=True,
    half_factor=True,
    normalize_x=False,
    reduction="mean",
):
    constants = margin, positive_margin, squared, half_factor, normalize_x, reduction
    return _loss(as_float64(np, "g", g), x, labels, *constants)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(
    g,
    x,
    labels,
    *,
    margin=1.0,
    positive_margin=0.0,
    squared=True,
    half_factor=True,
    normalize_x=False,
    reduction="mean",
):
    constants = margin, positive_margin, squared, half_factor, normalize_x, reduction
    return _loss(as_float64(np, "g", g), x, labels, *constants)


def _loss(g, x, labels, *constants):
    _, dtype, x, y = reference._checked(x, labels, *constants)
    margin, positive_margin, squared, half_factor, normalize_x, reduction = constants
    constants = margin, positive_margin, squared, 0.5 if half_factor else 1.0
    return loss_and_vjp(g, dtype, x, y, CONTRASTIVE, constants, normalize_x, reduction)
