"""Value and gradients of the wishart log density in one pass."""

from __future__ import annotations

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.distributions._wishart import value_and_vjp
from refengine.distributions import wishart as reference
from refengine.distributions.wishart import *


@kernel_of(reference.log_prob)
def log_prob(x, df, scale_matrix):
    return log_prob_value_and_vjp(1.0, x, df, scale_matrix)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, df, scale_matrix):
    return log_prob_value_and_vjp(g, x, df, scale_matrix)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, df, scale_matrix):
    return value_and_vjp(False, g, x, df, scale_matrix)
