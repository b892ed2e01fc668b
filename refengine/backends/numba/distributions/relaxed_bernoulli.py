"""Value and gradients of the relaxed Bernoulli log density in one pass.

With the odds ``o = x / (1 - x)`` and ``u = (l - t log o) / 2`` the density is ``t / (4 x (1-x) cosh(u)^2)``, and
``2 log(2 cosh u) = 2 |u| + 2 log(1 + exp(-2 |u|))``.
"""

from __future__ import annotations

import math

import numba

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import fused, parallel
from refengine.distributions import relaxed_bernoulli as reference
from refengine.distributions.relaxed_bernoulli import *


@numba.njit(error_model="numpy", cache=True)
def _on_edge(x, l, t):
    """The limits at 0; those at 1 are the same with the signs of l and of the direction changed."""
    side = 1.0 if x == 0.0 else -1.0
    if t == 1.0:
        return -side * l, -2.0 * side * math.expm1(-side * l), -side, -math.inf
    return (math.inf if t < 1.0 else -math.inf), (-side if t < 1.0 else side) * math.inf, -side, -math.inf


@numba.njit(error_model="numpy", cache=True)
def _pointwise(x, l, t):
    if not (abs(l) < math.inf and 0.0 < t < math.inf) or math.isnan(x):
        return math.nan, math.nan, math.nan, math.nan
    if not 0.0 < x < 1.0:
        return _on_edge(x, l, t) if x == 0.0 or x == 1.0 else (-math.inf, 0.0, 0.0, 0.0)
    rest = 1.0 - x
    log_odds = math.log1p((x - rest) / rest) if 0.25 < x < 0.75 else math.log(x) - math.log1p(-x)
    u = 0.5 * (l - t * log_odds)
    h = math.tanh(u)
    value = _gamma.log_quotient(t / rest, x) - 2.0 * (abs(u) + math.log1p(math.exp(-2.0 * abs(u))))
    return value, (t * h + (x - rest)) / rest / x, -h, 1.0 / t + log_odds * h


@parallel
def _loop(g, x, l, t, value, dx, dl, dt):
    for i in numba.prange(x.size):
        value[i], by_x, by_l, by_t = _pointwise(x[i], l[i], t[i])
        dx[i], dl[i], dt[i] = g[i] * by_x, g[i] * by_l, g[i] * by_t


@kernel_of(reference.log_prob)
def log_prob(x, logits, temperature):
    return log_prob_value_and_vjp(1.0, x, logits, temperature)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, logits, temperature):
    return log_prob_value_and_vjp(g, x, logits, temperature)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, logits, temperature):
    arguments = {"x": x, "logits": logits, "temperature": temperature}
    return fused(_loop, tuple(arguments), g, **arguments)
