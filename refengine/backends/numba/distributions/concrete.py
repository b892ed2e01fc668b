"""Value and gradients of the concrete log density, one row at a time: that of the logarithms, less their sum."""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import parallel
from refengine.backends.numba.distributions import _concrete
from refengine.backends.numba.distributions._rows import fused_rows, plus, product
from refengine.distributions import concrete as reference
from refengine.distributions.concrete import *


@numba.njit(error_model="numpy", cache=True)
def _kind(x, l, t):
    """Whether the row lies in the support, outside, or is undefined; and where it is 0, or -1."""
    zeros, where, kind = 0, -1, _concrete.INSIDE if _concrete.valid(l, t) else _concrete.UNDEFINED
    for i in range(x.size):
        if math.isnan(x[i]):
            return _concrete.UNDEFINED, -1
        if x[i] == 0.0:
            zeros, where = zeros + 1, i
    for i in range(x.size):
        if kind == _concrete.INSIDE and not 0.0 <= x[i] <= 1.0:
            kind = _concrete.OUTSIDE
    if kind == _concrete.INSIDE and (zeros > 1 or (zeros == 1 and x.size == 1)):
        kind = _concrete.UNDEFINED
    return kind, where


@numba.njit(error_model="numpy", cache=True)
def _on_face(x, l, t, where, dx, dl):
    size = x.size
    high, low = product(t, size - 1.0)
    excess = (high - 1.0) + low
    value, linear = math.lgamma(float(size)) + (size - 1) * math.log(t) - size * l[where], 0.0
    for i in range(size):
        dl[i] = 1.0
        dx[i] = -(t + 1.0) / x[i]
        value += l[i]
        if i != where:
            value -= (t + 1.0) * math.log(x[i])
            linear -= size * math.exp(l[i] - l[where]) / x[i]
    dl[where] = 1.0 - size
    if excess == 0.0:
        dx[where] = linear if t == 1.0 else -math.inf
        return value
    dx[where] = math.inf if excess > 0.0 else -math.inf
    return -dx[where]


@numba.njit(error_model="numpy", cache=True)
def _row(x, l, t, dx, dl, work):
    kind, where = _kind(x, l, t)
    if kind != _concrete.INSIDE:
        slope = math.nan if kind == _concrete.UNDEFINED else 0.0
        dx[:] = slope
        dl[:] = slope
        return (math.nan if kind == _concrete.UNDEFINED else -math.inf), slope
    if where >= 0:
        return _on_face(x, l, t, where, dx, dl), -math.inf
    y = work[3]
    for i in range(x.size):
        y[i] = math.log(x[i])
    value, dt = _concrete.log_density(y, l, t, dl, work), (x.size - 1) / t
    lost = 0.0
    for i in range(x.size):
        value, lost = plus(value, lost, -y[i])
        dt += y[i] * dl[i]
        dx[i] = (t * dl[i] - 1.0) / x[i]
        dl[i] = -dl[i]
    return value + lost, dt


@parallel
def _loop(g, x, l, t, value, dx, dl, dt):
    for i in numba.prange(value.size):
        value[i], slope = _row(x[i], l[i], t[i], dx[i], dl[i], np.empty((4, x.shape[1])))
        dt[i] = g[i] * slope
        dx[i] *= g[i]
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
