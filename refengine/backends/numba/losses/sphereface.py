"""SphereFace: the shared kernel of the heads, on the lengths of the rows or on a scale."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._heads import SPHEREFACE, logits_and_vjp, loss_and_vjp
from refengine.losses import sphereface as reference
from refengine.losses._heads import check_scale
from refengine.losses._psi import psi_target as check_constants
from refengine.losses.sphereface import *


@kernel_of(reference.logits)
def logits(cosine, labels, *, margin=4.0, annealing=0.0, scale=64.0, psi="piecewise", gradient="exact"):
    return _logits(None, cosine, labels, margin, annealing, scale, psi, gradient)[0]


@kernel_of(reference.logits_vjp)
def logits_vjp(g, cosine, labels, *, margin=4.0, annealing=0.0, scale=64.0, psi="piecewise", gradient="exact"):
    return _logits(as_float64(np, "g", g), cosine, labels, margin, annealing, scale, psi, gradient)[1]


@kernel_of(reference.logits_value_and_vjp)
def logits_value_and_vjp(
    g, cosine, labels, *, margin=4.0, annealing=0.0, scale=64.0, psi="piecewise", gradient="exact"
):
    return _logits(as_float64(np, "g", g), cosine, labels, margin, annealing, scale, psi, gradient)


def _logits(g, cosine, labels, margin, annealing, scale, psi, gradient):
    check_scale(scale)
    check_constants(margin, annealing, psi, gradient)
    constants = margin, annealing, psi == "cosine"
    return logits_and_vjp(g, cosine, labels, scale, SPHEREFACE, constants, gradient)


@kernel_of(reference.loss)
def loss(
    x,
    weight,
    labels,
    *,
    margin=4.0,
    annealing=0.0,
    scale=None,
    psi="piecewise",
    gradient="exact",
    reduction="mean",
):
    return _loss(None, x, weight, labels, margin, annealing, scale, psi, gradient, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(
    g,
    x,
    weight,
    labels,
    *,
    margin=4.0,
    annealing=0.0,
    scale=None,
    psi="piecewise",
    gradient="exact",
    reduction="mean",
):
    return _loss(as_float64(np, "g", g), x, weight, labels, margin, annealing, scale, psi, gradient, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(
    g,
    x,
    weight,
    labels,
    *,
    margin=4.0,
    annealing=0.0,
    scale=None,
    psi="piecewise",
    gradient="exact",
    reduction="mean",
):
    return _loss(as_float64(np, "g", g), x, weight, labels, margin, annealing, scale, psi, gradient, reduction)


def _loss(g, x, weight, labels, margin, annealing, scale, psi, gradient, reduction):
    if scale is not None:
        check_scale(scale)
    check_constants(margin, annealing, psi, gradient)
    constants = margin, annealing, psi == "cosine"
    return loss_and_vjp(g, x, weight, labels, scale, SPHEREFACE, constants, gradient, reduction)
