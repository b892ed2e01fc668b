"""Value and gradients of the multivariate t log density in one pass."""

from __future__ import annotations

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.distributions._elliptical import COVARIANCE, value_and_vjp
from refengine.distributions import multivariate_t as reference
from refengine.distributions.multivariate_t import *


@kernel_of(reference.log_prob)
def log_prob(x, df, mean, scale_matrix):
    return log_prob_value_and_vjp(1.0, x, df, mean, scale_matrix)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, df, mean, scale_matrix):
    return log_prob_value_and_vjp(g, x, df, mean, scale_matrix)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, df, mean, scale_matrix):
    value, found = value_and_vjp(COVARIANCE, g, x, mean, df=df, scale_matrix=scale_matrix)
    return value, (found["x"], found["df"], found["mean"], found["scale_matrix"])
