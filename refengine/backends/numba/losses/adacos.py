"""AdaCos: the shared kernel of the heads, without a margin, at the scale that the reference finds."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._heads import COSFACE, loss_and_vjp
from refengine.losses import adacos as reference
from refengine.losses.adacos import *


@kernel_of(reference.loss)
def loss(
    x,
    weight,
    labels,
    *,
    mode="fixed",
    previous_scale=None,
    median_scope="target",
    median_even="lower",
    scale_timing="before",
    reduction="mean",
):
    options = mode, previous_scale, median_scope, median_even, scale_timing
    return _loss(None, x, weight, labels, options, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(
    g,
    x,
    weight,
    labels,
    *,
    mode="fixed",
    previous_scale=None,
    median_scope="target",
    median_even="lower",
    scale_timing="before",
    reduction="mean",
):
    options = mode, previous_scale, median_scope, median_even, scale_timing
    return _loss(as_float64(np, "g", g), x, weight, labels, options, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(
    g,
    x,
    weight,
    labels,
    *,
    mode="fixed",
    previous_scale=None,
    median_scope="target",
    median_even="lower",
    scale_timing="before",
    reduction="mean",
):
    options = mode, previous_scale, median_scope, median_even, scale_timing
    return _loss(as_float64(np, "g", g), x, weight, labels, options, reduction)


def _loss(g, x, weight, labels, options, reduction):
    x, weight, scale, sign = reference._batch_scale(x, weight, labels, options, reduction)
    turned = weight if sign > 0 else -weight
    value, found = loss_and_vjp(g, x, turned, labels, float(scale), COSFACE, (0,), "exact", reduction)
    return value, (found[0], found[1] if sign > 0 else -found[1]) if found else ()
