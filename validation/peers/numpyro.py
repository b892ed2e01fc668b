"""numpyro.distributions under our names, differentiated by jax.

Arguments are not validated: subnormals would be refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from numpyro import distributions as d

from validation.peers._on_jax import answers

d.Distribution.set_default_validate_args(False)

LOG_PROB: dict[str, Callable[..., Any]] = {
    "bernoulli": lambda k, p: d.BernoulliProbs(p).log_prob(k),
    "beta": lambda x, a, b: d.Beta(a, b).log_prob(x),
    "beta_binomial": lambda k, n, a, b: d.BetaBinomial(a, b, n).log_prob(k),
    "binomial": lambda k, n, p: d.BinomialProbs(p, n).log_prob(k),
    "categorical": lambda k, p: d.CategoricalProbs(p).log_prob(k),
    "cauchy": lambda x, loc, scale: d.Cauchy(loc, scale).log_prob(x),
    "dirichlet": lambda x, alpha: d.Dirichlet(alpha).log_prob(x),
    "dirichlet_multinomial": lambda k, alpha: d.DirichletMultinomial(alpha, k.sum(-1)).log_prob(k),
    "exponential": lambda x, rate: d.Exponential(rate).log_prob(x),
    "gamma": lambda x, concentration, rate: d.Gamma(concentration, rate).log_prob(x),
    "geometric": lambda k, p: d.GeometricProbs(p).log_prob(k),
    "gumbel": lambda x, loc, scale: d.Gumbel(loc, scale).log_prob(x),
    "half_cauchy": lambda x, scale: d.HalfCauchy(scale).log_prob(x),
    "half_normal": lambda x, scale: d.HalfNormal(scale).log_prob(x),
    "inverse_gamma": lambda x, concentration, rate: d.InverseGamma(concentration, rate).log_prob(x),
    "kumaraswamy": lambda x, a, b: d.Kumaraswamy(a, b).log_prob(x),
    "laplace": lambda x, loc, scale: d.Laplace(loc, scale).log_prob(x),
    "log_normal": lambda x, loc, scale: d.LogNormal(loc, scale).log_prob(x),
    "logistic": lambda x, loc, scale: d.Logistic(loc, scale).log_prob(x),
    "multinomial": lambda k, p: d.MultinomialProbs(p, k.sum(-1)).log_prob(k),
    "multivariate_normal": lambda x, mean, covariance: d.MultivariateNormal(mean, covariance).log_prob(x),
    "multivariate_t": lambda x, df, mean, scale_matrix: d.MultivariateStudentT(
        df, mean, jnp.linalg.cholesky(scale_matrix)
    ).log_prob(x),
    "negative_binomial": lambda k, r, p: d.NegativeBinomialProbs(r, p).log_prob(k),
    "normal": lambda x, loc, scale: d.Normal(loc, scale).log_prob(x),
    "pareto": lambda x, scale, alpha: d.Pareto(scale, alpha).log_prob(x),
    "poisson": lambda k, rate: d.Poisson(rate).log_prob(k),
    "relaxed_bernoulli": lambda x, logits, temperature: d.RelaxedBernoulliLogits(temperature, logits).log_prob(x),
    "student_t": lambda x, df, loc, scale: d.StudentT(df, loc, scale).log_prob(x),
    "truncated_normal": lambda x, loc, scale, low, high: d.TruncatedNormal(loc, scale, low=low, high=high).log_prob(x),
    "uniform": lambda x, low, high: d.Uniform(low, high).log_prob(x),
    "von_mises": lambda x, loc, concentration: d.VonMises(loc, concentration).log_prob(x),
    "weibull": lambda x, concentration, scale: d.Weibull(scale, concentration).log_prob(x),
    "wishart": lambda x, df, scale_matrix: d.Wishart(df, scale_matrix).log_prob(x),
}
answer = answers(LOG_PROB)
