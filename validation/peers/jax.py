"""jax.scipy.stats under our names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jax.scipy import stats

from validation.peers._on_jax import answers

LOG_PROB: dict[str, Callable[..., Any]] = {
    "bernoulli": lambda k, p: stats.bernoulli.logpmf(k, p),
    "beta": lambda x, a, b: stats.beta.logpdf(x, a, b),
    "beta_binomial": lambda k, n, a, b: stats.betabinom.logpmf(k, n, a, b),
    "binomial": lambda k, n, p: stats.binom.logpmf(k, n, p),
    "cauchy": lambda x, loc, scale: stats.cauchy.logpdf(x, loc, scale),
    "dirichlet": lambda x, alpha: stats.dirichlet.logpdf(x, alpha),
    "exponential": lambda x, rate: stats.expon.logpdf(x, 0, 1 / rate),
    "gamma": lambda x, concentration, rate: stats.gamma.logpdf(x, concentration, 0, 1 / rate),
    "geometric": lambda k, p: stats.geom.logpmf(k + 1, p),
    "gumbel": lambda x, loc, scale: stats.gumbel_r.logpdf(x, loc, scale),
    "laplace": lambda x, loc, scale: stats.laplace.logpdf(x, loc, scale),
    "logistic": lambda x, loc, scale: stats.logistic.logpdf(x, loc, scale),
    "multinomial": lambda k, p: stats.multinomial.logpmf(k, k.sum(-1), p),
    "multivariate_normal": lambda x, mean, covariance: stats.multivariate_normal.logpdf(x, mean, covariance),
    "negative_binomial": lambda k, r, p: stats.nbinom.logpmf(k, r, 1 - p),
    "normal": lambda x, loc, scale: stats.norm.logpdf(x, loc, scale),
    "pareto": lambda x, scale, alpha: stats.pareto.logpdf(x, alpha, 0, scale),
    "poisson": lambda k, rate: stats.poisson.logpmf(k, rate),
    "student_t": lambda x, df, loc, scale: stats.t.logpdf(x, df, loc, scale),
    "truncated_normal": lambda x, loc, scale, low, high: stats.truncnorm.logpdf(
        x, (low - loc) / scale, (high - loc) / scale, loc, scale
    ),
    "uniform": lambda x, low, high: stats.uniform.logpdf(x, low, high - low),
    "von_mises": lambda x, loc, concentration: stats.vonmises.logpdf(x - loc, concentration),
}
answer = answers(LOG_PROB)
