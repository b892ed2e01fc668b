"""Value and gradients of the ExpConcrete log density, one row at a time."""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.distributions import _concrete
from refengine.backends.numba.distributions._rows import fused_rows
from refengine.distributions import exp_concrete as reference
from refengine.distributions.exp_concrete import *


@numba.njit(error_model="numpy", cache=True)
def _kind(y, l, t):
    """Whether the row lies in the support, outside, or is undefined; and how many entries are -inf."""
    lost, kind = 0, _concrete.INSIDE if _concrete.valid(l, t) else _concrete.UNDEFINED
    for i in range(y.size):
        if math.isnan(y[i]):
            return _concrete.UNDEFINED, 0
        lost += 1 if y[i] == -math.inf else 0
    for i in range(y.size):
        if kind == _concrete.INSIDE and y[i] > 0.0:
            kind = _concrete.OUTSIDE
    if kind == _concrete.INSIDE and (lost > 1 or (lost == 1 and y.size == 1)):
        kind = _concrete.UNDEFINED
    return kind, lost


@numba.njit(error_model="numpy", cache=True)
def _row(y, l, t, dy, dl, work):
    kind, lost = _kind(y, l, t)
    if kind != _concrete.INSIDE:
        slope = math.nan if kind == _concrete.UNDEFINED else 0.0
        dy[:] = slope
        dl[:] = slope
        return (math.nan if kind == _concrete.UNDEFINED else -math.inf), slope
    if lost:
        for i in range(y.size):
            dl[i] = 1.0 - y.size if y[i] == -math.inf else 1.0
            dy[i] = -t * dl[i]
        return -math.inf, -math.inf
    value, dt = _concrete.log_density(y, l, t, dl, work), (y.size - 1) / t
    for i in range(y.size):
        dt += y[i] * dl[i]
        dy[i] = t * dl[i]
        dl[i] = -dl[i]
    return value, dt


@parallel
def _loop(g, y, l, t, value, dy, dl, dt):
    for i in numba.prange(value.size):
        value[i], slope = _row(y[i], l[i], t[i], dy[i], dl[i], np.empty((3, y.shape[1])))
        dt[i] = g[i] * slope
        dy[i] *= g[i]
        dl[i] *= g[i]


@kernel_of(reference.log_prob)
def log_prob(x, logits, temperature):
    return log_prob_value_and_vjp(1.0, x, logits, temperature)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, logits, temperature):
    return log_prob_value_and_vjp(g, x, logits, temperature)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, logits, temperature):
    return fused_rows(_loop, g, {"x": x, "logits": logits}, {"temperature": temperature})
