"""TensorFlow Probability on JAX under our names, differentiated by jax; it takes counts as floating numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from tensorflow_probability.python.internal.backend.jax import linalg
from tensorflow_probability.substrates.jax import distributions as d

from validation.peers._on_jax import answers

LOG_PROB: dict[str, Callable[..., Any]] = {
    "bernoulli": lambda k, p: d.Bernoulli(probs=p).log_prob(k),
    "beta": lambda x, a, b: d.Beta(a, b).log_prob(x),
    "beta_binomial": lambda k, n, a, b: d.BetaBinomial(n, a, b).log_prob(k),
    "binomial": lambda k, n, p: d.Binomial(n, probs=p).log_prob(k),
    "categorical": lambda k, p: d.Categorical(probs=p).log_prob(k),
    "cauchy": lambda x, loc, scale: d.Cauchy(loc, scale).log_prob(x),
    "concrete": lambda x, logits, temperature: d.RelaxedOneHotCategorical(temperature, logits=logits).log_prob(x),
    "dirichlet": lambda x, alpha: d.Dirichlet(alpha).log_prob(x),
    "dirichlet_multinomial": lambda k, alpha: d.DirichletMultinomial(k.sum(-1), alpha).log_prob(k),
    "exp_concrete": lambda x, logits, temperature: d.ExpRelaxedOneHotCategorical(temperature, logits=logits).log_prob(
        x
    ),
    "exponential": lambda x, rate: d.Exponential(rate).log_prob(x),
    "gamma": lambda x, concentration, rate: d.Gamma(concentration, rate).log_prob(x),
    "geometric": lambda k, p: d.Geometric(probs=p).log_prob(k),
    "gumbel": lambda x, loc, scale: d.Gumbel(loc, scale).log_prob(x),
    "half_cauchy": lambda x, scale: d.HalfCauchy(jnp.zeros_like(scale), scale).log_prob(x),
    "half_normal": lambda x, scale: d.HalfNormal(scale).log_prob(x),
    "inverse_gamma": lambda x, concentration, rate: d.InverseGamma(concentration, rate).log_prob(x),
    "kumaraswamy": lambda x, a, b: d.Kumaraswamy(a, b).log_prob(x),
    "laplace": lambda x, loc, scale: d.Laplace(loc, scale).log_prob(x),
    "log_normal": lambda x, loc, scale: d.LogNormal(loc, scale).log_prob(x),
    "logistic": lambda x, loc, scale: d.Logistic(loc, scale).log_prob(x),
    "multinomial": lambda k, p: d.Multinomial(k.sum(-1), probs=p).log_prob(k),
    "multivariate_normal": lambda x, mean, covariance: d.MultivariateNormalFullCovariance(mean, covariance).log_prob(x),
    "multivariate_t": lambda x, df, mean, scale_matrix: d.MultivariateStudentTLinearOperator(
        df, mean, linalg.LinearOperatorLowerTriangular(jnp.linalg.cholesky(scale_matrix))
    ).log_prob(x),
    "negative_binomial": lambda k, r, p: d.NegativeBinomial(r, probs=p).log_prob(k),
    "normal": lambda x, loc, scale: d.Normal(loc, scale).log_prob(x),
    "pareto": lambda x, scale, alpha: d.Pareto(alpha, scale).log_prob(x),
    "poisson": lambda k, rate: d.Poisson(rate).log_prob(k),
    "power_spherical": lambda x, mean_direction, concentration: d.PowerSpherical(
        mean_direction, concentration
    ).log_prob(x),
    "relaxed_bernoulli": lambda x, logits, temperature: d.RelaxedBernoulli(temperature, logits=logits).log_prob(x),
    "student_t": lambda x, df, loc, scale: d.StudentT(df, loc, scale).log_prob(x),
    "truncated_normal": lambda x, loc, scale, low, high: d.TruncatedNormal(loc, scale, low, high).log_prob(x),
    "uniform": lambda x, low, high: d.Uniform(low, high).log_prob(x),
    "von_mises": lambda x, loc, concentration: d.VonMises(loc, concentration).log_prob(x),
    "von_mises_fisher": lambda x, mean_direction, concentration: d.VonMisesFisher(
        mean_direction, concentration
    ).log_prob(x),
    "weibull": lambda x, concentration, scale: d.Weibull(concentration, scale).log_prob(x),
    "wishart": lambda x, df, scale_matrix: d.WishartTriL(df, jnp.linalg.cholesky(scale_matrix)).log_prob(x),
}
_answer = answers(LOG_PROB)


def answer(name: str, g: np.ndarray, arguments: dict[str, np.ndarray], floating: tuple[str, ...]) -> tuple[Any, Any]:
    """Value, and its gradients for the cotangent g."""
    counts = name != "categorical"
    arguments = {k: v.astype(np.float64) if counts else v for k, v in arguments.items()}
    return _answer(name, g, arguments, floating)
