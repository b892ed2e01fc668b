"""CosFace: the shared kernel of the heads, with the margin on the cosine."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._heads import COSFACE, logits_and_vjp, loss_and_vjp
from refengine.losses import cosface as reference
from refengine.losses.cosface import *
from refengine.losses.cosface import _target as check_constants


@kernel_of(reference.logits)
def logits(cosine, labels, *, scale=64.0, margin=0.35):
    return _logits(None, cosine, labels, scale, margin)[0]


@kernel_of(reference.logits_vjp)
def logits_vjp(g, cosine, labels, *, scale=64.0, margin=0.35):
    return _logits(as_float64(np, "g", g), cosine, labels, scale, margin)[1]


@kernel_of(reference.logits_value_and_vjp)
def logits_value_and_vjp(g, cosine, labels, *, scale=64.0, margin=0.35):
    return _logits(as_float64(np, "g", g), cosine, labels, scale, margin)


def _logits(g, cosine, labels, scale, margin):
    check_constants(scale, margin)
    return logits_and_vjp(g, cosine, labels, scale, COSFACE, (margin,), "exact")


@kernel_of(reference.loss)
def loss(x, weight, labels, *, scale=64.0, margin=0.35, reduction="mean"):
    return _loss(None, x, weight, labels, scale, margin, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, weight, labels, *, scale=64.0, margin=0.35, reduction="mean"):
    return _loss(as_float64(np, "g", g), x, weight, labels, scale, margin, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, x, weight, labels, *, scale=64.0, margin=0.35, reduction="mean"):
    return _loss(as_float64(np, "g", g), x, weight, labels, scale, margin, reduction)


def _loss(g, x, weight, labels, scale, margin, reduction):
    check_constants(scale, margin)
    return loss_and_vjp(g, x, weight, labels, scale, COSFACE, (margin,), "exact", reduction)
