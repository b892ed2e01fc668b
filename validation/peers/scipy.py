"""SciPy's log densities under our names; it has no gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

HAS_GRADIENTS = False
LOG_PROB: dict[str, Callable[..., Any]] = {
    "bernoulli": lambda k, p: stats.bernoulli.logpmf(k, p),
    "beta": lambda x, a, b: stats.beta.logpdf(x, a, b),
    "beta_binomial": lambda k, n, a, b: stats.betabinom.logpmf(k, n, a, b),
    "binomial": lambda k, n, p: stats.binom.logpmf(k, n, p),
    "cauchy": lambda x, loc, scale: stats.cauchy.logpdf(x, loc, scale),
    "dirichlet": lambda x, alpha: stats.dirichlet.logpdf(x, alpha),
    "dirichlet_multinomial": lambda k, alpha: stats.dirichlet_multinomial.logpmf(k, alpha, k.sum(-1)),
    "exponential": lambda x, rate: stats.expon.logpdf(x, 0, 1 / rate),
    "gamma": lambda x, concentration, rate: stats.gamma.logpdf(x, concentration, 0, 1 / rate),
    "geometric": lambda k, p: stats.geom.logpmf(k + 1, p),
    "gumbel": lambda x, loc, scale: stats.gumbel_r.logpdf(x, loc, scale),
    "half_cauchy": lambda x, scale: stats.halfcauchy.logpdf(x, 0, scale),
    "half_normal": lambda x, scale: stats.halfnorm.logpdf(x, 0, scale),
    "hypergeometric": lambda k, population, successes, draws: stats.hypergeom.logpmf(k, population, successes, draws),
    "inverse_gamma": lambda x, concentration, rate: stats.invgamma.logpdf(x, concentration, 0, rate),
    "inverse_wishart": lambda x, df, scale_matrix: stats.invwishart.logpdf(x, float(df), scale_matrix),
    "laplace": lambda x, loc, scale: stats.laplace.logpdf(x, loc, scale),
    "log_normal": lambda x, loc, scale: stats.lognorm.logpdf(x, scale, 0, np.exp(loc)),
    "logistic": lambda x, loc, scale: stats.logistic.logpdf(x, loc, scale),
    "multinomial": lambda k, p: stats.multinomial.logpmf(k, k.sum(-1), p),
    "multivariate_normal": lambda x, mean, covariance: stats.multivariate_normal.logpdf(x, mean, covariance),
    "multivariate_t": lambda x, df, mean, scale_matrix: stats.multivariate_t.logpdf(x, mean, scale_matrix, float(df)),
    "negative_binomial": lambda k, r, p: stats.nbinom.logpmf(k, r, 1 - p),
    "normal": lambda x, loc, scale: stats.norm.logpdf(x, loc, scale),
    "pareto": lambda x, scale, alpha: stats.pareto.logpdf(x, alpha, 0, scale),
    "poisson": lambda k, rate: stats.poisson.logpmf(k, rate),
    "student_t": lambda x, df, loc, scale: stats.t.logpdf(x, df, loc, scale),
    "truncated_normal": lambda x, loc, scale, low, high: stats.truncnorm.logpdf(
        x, (low - loc) / scale, (high - loc) / scale, loc, scale
    ),
    "uniform": lambda x, low, high: stats.uniform.logpdf(x, low, high - low),
    "von_mises": lambda x, loc, concentration: stats.vonmises.logpdf(x, concentration, loc),
    "von_mises_fisher": np.vectorize(
        lambda x, mean_direction, concentration: stats.vonmises_fisher.logpdf(x, mean_direction, float(concentration)),
        signature="(d),(d),()->()",
    ),
    "weibull": lambda x, concentration, scale: stats.weibull_min.logpdf(x, concentration, 0, scale),
    "wishart": lambda x, df, scale_matrix: stats.wishart.logpdf(x, float(df), scale_matrix),
}


def answer(name: str, g: np.ndarray, arguments: dict[str, np.ndarray], floating: tuple[str, ...]) -> tuple[Any, None]:
    """The value; no gradients."""
    with np.errstate(all="ignore"):
        return LOG_PROB[name](**arguments), None
