"""torch.distributions under our names, differentiated by autograd; arguments are not validated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import distributions as d

d.Distribution.set_default_validate_args(False)

LOG_PROB: dict[str, Callable[..., Any]] = {
    "bernoulli": lambda k, p: d.Bernoulli(p).log_prob(k),
    "beta": lambda x, a, b: d.Beta(a, b).log_prob(x),
    "binomial": lambda k, n, p: d.Binomial(n, p).log_prob(k),
    "categorical": lambda k, p: d.Categorical(p).log_prob(k),
    "cauchy": lambda x, loc, scale: d.Cauchy(loc, scale).log_prob(x),
    "concrete": lambda x, logits, temperature: d.RelaxedOneHotCategorical(temperature, logits=logits).log_prob(x),
    "dirichlet": lambda x, alpha: d.Dirichlet(alpha).log_prob(x),
    "exponential": lambda x, rate: d.Exponential(rate).log_prob(x),
    "gamma": lambda x, concentration, rate: d.Gamma(concentration, rate).log_prob(x),
    "geometric": lambda k, p: d.Geometric(p).log_prob(k),
    "gumbel": lambda x, loc, scale: d.Gumbel(loc, scale).log_prob(x),
    "half_cauchy": lambda x, scale: d.HalfCauchy(scale).log_prob(x),
    "half_normal": lambda x, scale: d.HalfNormal(scale).log_prob(x),
    "inverse_gamma": lambda x, concentration, rate: d.InverseGamma(concentration, rate).log_prob(x),
    "kumaraswamy": lambda x, a, b: d.Kumaraswamy(a, b).log_prob(x),
    "laplace": lambda x, loc, scale: d.Laplace(loc, scale).log_prob(x),
    "log_normal": lambda x, loc, scale: d.LogNormal(loc, scale).log_prob(x),
    "logistic": lambda x, loc, scale: d.TransformedDistribution(
        d.Uniform(torch.zeros_like(loc), torch.ones_like(loc)),
        [d.SigmoidTransform().inv, d.AffineTransform(loc, scale)],
    ).log_prob(x),
    "multinomial": lambda k, p: d.Multinomial(int(k.sum()), p).log_prob(k),
    "multivariate_normal": lambda x, mean, covariance: d.MultivariateNormal(mean, covariance).log_prob(x),
    "negative_binomial": lambda k, r, p: d.NegativeBinomial(r, p).log_prob(k),
    "normal": lambda x, loc, scale: d.Normal(loc, scale).log_prob(x),
    "pareto": lambda x, scale, alpha: d.Pareto(scale, alpha).log_prob(x),
    "poisson": lambda k, rate: d.Poisson(rate).log_prob(k),
    "relaxed_bernoulli": lambda x, logits, temperature: d.RelaxedBernoulli(temperature, logits=logits).log_prob(x),
    "student_t": lambda x, df, loc, scale: d.StudentT(df, loc, scale).log_prob(x),
    "uniform": lambda x, low, high: d.Uniform(low, high).log_prob(x),
    "von_mises": lambda x, loc, concentration: d.VonMises(loc, concentration).log_prob(x),
    "weibull": lambda x, concentration, scale: d.Weibull(scale, concentration).log_prob(x),
    "wishart": lambda x, df, scale_matrix: d.Wishart(df, covariance_matrix=scale_matrix).log_prob(x),
}


def answer(name: str, g: np.ndarray, arguments: dict[str, np.ndarray], floating: tuple[str, ...]) -> tuple[Any, Any]:
    """Value, and its gradients for the cotangent g."""
    tensors = {k: torch.tensor(v, dtype=torch.float64, requires_grad=k in floating) for k, v in arguments.items()}
    if name == "categorical":
        tensors["k"] = torch.tensor(arguments["k"])
    value = LOG_PROB[name](**tensors)
    wanted = [tensors[k] for k in floating]
    if not wanted:
        return value.numpy(), {}
    found = torch.autograd.grad((torch.tensor(g) * value).sum(), wanted, allow_unused=True)
    zeros = (torch.zeros_like(t) if slope is None else slope for slope, t in zip(found, wanted, strict=True))
    return value.detach().numpy(), dict(zip(floating, (slope.numpy() for slope in zeros), strict=True))
