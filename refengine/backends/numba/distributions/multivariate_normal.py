"""Value and gradients of the multivariate normal log density in one pass, in its three forms."""

from __future__ import annotations

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.distributions._elliptical import CHOLESKY, COVARIANCE, PRECISION, value_and_vjp
from refengine.distributions import multivariate_normal as reference
from refengine.distributions.multivariate_normal import *


@kernel_of(reference.log_prob)
def log_prob(x, mean, covariance):
    return log_prob_value_and_vjp(1.0, x, mean, covariance)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, mean, covariance):
    return log_prob_value_and_vjp(g, x, mean, covariance)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, mean, covariance):
    value, found = value_and_vjp(COVARIANCE, g, x, mean, covariance=covariance)
    return value, (found["x"], found["mean"], found["covariance"])


@kernel_of(reference.log_prob_cholesky)
def log_prob_cholesky(x, mean, cholesky):
    return log_prob_cholesky_value_and_vjp(1.0, x, mean, cholesky)[0]


@kernel_of(reference.log_prob_cholesky_vjp)
def log_prob_cholesky_vjp(g, x, mean, cholesky):
    return log_prob_cholesky_value_and_vjp(g, x, mean, cholesky)[1]


@kernel_of(reference.log_prob_cholesky_value_and_vjp)
def log_prob_cholesky_value_and_vjp(g, x, mean, cholesky):
    value, found = value_and_vjp(CHOLESKY, g, x, mean, cholesky=cholesky)
    return value, (found["x"], found["mean"], found["cholesky"])


@kernel_of(reference.log_prob_precision)
def log_prob_precision(x, mean, precision):
    return log_prob_precision_value_and_vjp(1.0, x, mean, precision)[0]


@kernel_of(reference.log_prob_precision_vjp)
def log_prob_precision_vjp(g, x, mean, precision):
    return log_prob_precision_value_and_vjp(g, x, mean, precision)[1]


@kernel_of(reference.log_prob_precision_value_and_vjp)
def log_prob_precision_value_and_vjp(g, x, mean, precision):
    value, found = value_and_vjp(PRECISION, g, x, mean, precision=precision)
    return value, (found["x"], found["mean"], found["precision"])
