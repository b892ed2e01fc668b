"""The combined margin: the shared kernel of the heads."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._heads import COMBINED, logits_and_vjp, loss_and_vjp
from refengine.losses import combined_margin as reference
from refengine.losses.combined_margin import *
from refengine.losses.combined_margin import _target as check_constants


@kernel_of(reference.logits)
def logits(cosine, labels, *, scale=64.0, m1=1.0, m2=0.5, m3=0.0, gradient="exact"):
    return _logits(None, cosine, labels, scale, m1, m2, m3, gradient)[0]


@kernel_of(reference.logits_vjp)
def logits_vjp(g, cosine, labels, *, scale=64.0, m1=1.0, m2=0.5, m3=0.0, gradient="exact"):
    return _logits(as_float64(np, "g", g), cosine, labels, scale, m1, m2, m3, gradient)[1]


@kernel_of(reference.logits_value_and_vjp)
def logits_value_and_vjp(g, cosine, labels, *, scale=64.0, m1=1.0, m2=0.5, m3=0.0, gradient="exact"):
    return _logits(as_float64(np, "g", g), cosine, labels, scale, m1, m2, m3, gradient)


def _logits(g, cosine, labels, scale, m1, m2, m3, gradient):
    check_constants(scale, m1, m2, m3, gradient)
    return logits_and_vjp(g, cosine, labels, scale, COMBINED, (m1, m2, m3), gradient)


@kernel_of(reference.loss)
def loss(x, weight, labels, *, scale=64.0, m1=1.0, m2=0.5, m3=0.0, gradient="exact", reduction="mean"):
    return _loss(None, x, weight, labels, scale, m1, m2, m3, gradient, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, weight, labels, *, scale=64.0, m1=1.0, m2=0.5, m3=0.0, gradient="exact", reduction="mean"):
    return _loss(as_float64(np, "g", g), x, weight, labels, scale, m1, m2, m3, gradient, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, x, weight, labels, *, scale=64.0, m1=1.0, m2=0.5, m3=0.0, gradient="exact", reduction="mean"):
    return _loss(as_float64(np, "g", g), x, weight, labels, scale, m1, m2, m3, gradient, reduction)


def _loss(g, x, weight, labels, scale, m1, m2, m3, gradient, reduction):
    check_constants(scale, m1, m2, m3, gradient)
    return loss_and_vjp(g, x, weight, labels, scale, COMBINED, (m1, m2, m3), gradient, reduction)
