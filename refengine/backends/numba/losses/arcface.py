"""ArcFace: the shared kernel of the heads, with the margin in the angle."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._heads import ARCFACE, logits_and_vjp, loss_and_vjp
from refengine.losses import arcface as reference
from refengine.losses.arcface import *
from refengine.losses.arcface import BOUNDARIES, _check_constants


@kernel_of(reference.logits)
def logits(cosine, labels, *, scale=64.0, margin=0.5, boundary="none", gradient="exact"):
    return _logits(None, cosine, labels, scale, margin, boundary, gradient)[0]


@kernel_of(reference.logits_vjp)
def logits_vjp(g, cosine, labels, *, scale=64.0, margin=0.5, boundary="none", gradient="exact"):
    return _logits(as_float64(np, "g", g), cosine, labels, scale, margin, boundary, gradient)[1]


@kernel_of(reference.logits_value_and_vjp)
def logits_value_and_vjp(g, cosine, labels, *, scale=64.0, margin=0.5, boundary="none", gradient="exact"):
    return _logits(as_float64(np, "g", g), cosine, labels, scale, margin, boundary, gradient)


def _logits(g, cosine, labels, scale, margin, boundary, gradient):
    _check_constants(scale, margin, boundary, gradient)
    constants = margin, BOUNDARIES.index(boundary)
    return logits_and_vjp(g, cosine, labels, scale, ARCFACE, constants, gradient)


@kernel_of(reference.loss)
def loss(x, weight, labels, *, scale=64.0, margin=0.5, boundary="none", gradient="exact", reduction="mean"):
    return _loss(None, x, weight, labels, scale, margin, boundary, gradient, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, weight, labels, *, scale=64.0, margin=0.5, boundary="none", gradient="exact", reduction="mean"):
    return _loss(as_float64(np, "g", g), x, weight, labels, scale, margin, boundary, gradient, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(
    g, x, weight, labels, *, scale=64.0, margin=0.5, boundary="none", gradient="exact", reduction="mean"
):
    return _loss(as_float64(np, "g", g), x, weight, labels, scale, margin, boundary, gradient, reduction)


def _loss(g, x, weight, labels, scale, margin, boundary, gradient, reduction):
    _check_constants(scale, margin, boundary, gradient)
    constants = margin, BOUNDARIES.index(boundary)
    return loss_and_vjp(g, x, weight, labels, scale, ARCFACE, constants, gradient, reduction)
