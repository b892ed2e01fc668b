"""L-Softmax: the shared kernel of the heads, on the lengths of rows and class vectors."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64
from refengine.backends._kernel import kernel_of
from refengine.backends.numba.losses._heads import SPHEREFACE, loss_and_vjp
from refengine.losses import l_softmax as reference
from refengine.losses._psi import psi_target as check_constants
from refengine.losses.l_softmax import *


@kernel_of(reference.loss)
def loss(x, weight, labels, *, margin=4.0, annealing=0.0, gradient="exact", reduction="mean"):
    return _loss(None, x, weight, labels, margin, annealing, gradient, reduction)[0]


@kernel_of(reference.loss_vjp)
def loss_vjp(g, x, weight, labels, *, margin=4.0, annealing=0.0, gradient="exact", reduction="mean"):
    return _loss(as_float64(np, "g", g), x, weight, labels, margin, annealing, gradient, reduction)[1]


@kernel_of(reference.loss_value_and_vjp)
def loss_value_and_vjp(g, x, weight, labels, *, margin=4.0, annealing=0.0, gradient="exact", reduction="mean"):
    return _loss(as_float64(np, "g", g), x, weight, labels, margin, annealing, gradient, reduction)


def _loss(g, x, weight, labels, margin, annealing, gradient, reduction):
    check_constants(margin, annealing, "piecewise", gradient)
    constants = margin, annealing, False
    return loss_and_vjp(g, x, weight, labels, None, SPHEREFACE, constants, gradient, reduction, weight_length=True)
