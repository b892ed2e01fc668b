r"""Exact moments of a linear regression, and the coordinates in which it is sampled.

Given the noise the coefficients are normal. With :math:`X = Q R` and the eigenvectors U of the prior precision of
:math:`R \beta`, the coefficients :math:`\phi = U^\top R \beta` are then independent, with precision
:math:`1 / \sigma^2 + p_k`, and what is left is an integral over :math:`\log \sigma`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from validation.posteriors._quadrature import Moments, on_the_line


class Regression(NamedTuple):
    """y = X beta + noise; beta ~ N(prior_mean, 1 / prior_precision), flat where that is 0; the log prior of sigma."""

    features: np.ndarray
    outcomes: np.ndarray
    prior_mean: np.ndarray
    prior_precision: np.ndarray
    log_prior: Callable[[np.ndarray], Any]

    def independent(self) -> tuple[np.ndarray, ...]:
        """The map from phi to beta, least squares estimate, prior mean and prior precision of phi."""
        q, r = np.linalg.qr(self.features)
        inverse = np.linalg.inv(r)
        p, u = np.linalg.eigh(inverse.T * self.prior_precision @ inverse)
        return inverse @ u, u.T @ (q.T @ self.outcomes), u.T @ (r @ self.prior_mean), np.maximum(p, 0.0)

    def moments(self, nodes: int = 500) -> Moments:
        """Of the coefficients and of the noise."""
        to_beta, fit, mean, p = self.independent()
        miss = self.outcomes - self.features @ (to_beta @ fit)
        rows, rest = len(miss), miss @ miss

        def given(noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            with np.errstate(over="ignore"):
                tight = np.exp(-2 * noise)
            precision = tight[:, None] + p
            best = (tight[:, None] * fit + p * mean) / precision
            return tight, precision, best

        def log_density(noise: np.ndarray) -> np.ndarray:
            tight, precision, best = given(noise)
            squares = rest * tight + tight * ((fit - best) ** 2).sum(axis=1) + (p * (best - mean) ** 2).sum(axis=1)
            marginal = -(rows - 1) * noise - squares / 2 - np.log(precision).sum(axis=1) / 2
            result: np.ndarray = marginal + self.log_prior(np.exp(noise))
            return np.where(np.isnan(result), -np.inf, result)

        noise, weight = on_the_line(log_density, nodes)
        _, precision, best = given(noise)
        phi = weight @ best
        apart = best - phi
        covariance = (apart * weight[:, None]).T @ apart + np.diag(weight @ (1 / precision))
        sigma = np.exp(noise - noise.mean())
        middle = weight @ sigma
        spread = np.sqrt(weight @ (sigma - middle) ** 2)
        scale = np.exp(noise.mean())
        deviations = np.sqrt(np.diag(to_beta @ covariance @ to_beta.T))
        return Moments(np.append(to_beta @ phi, scale * middle), np.append(deviations, scale * spread))


def half_cauchy(rate: float) -> Callable[[np.ndarray], Any]:
    """The log prior of the noise with the scale 1 / rate; flat for the rate 0."""
    return lambda sigma: -np.log1p((rate * sigma) ** 2)


def half_normal(scale: float) -> Callable[[np.ndarray], Any]:
    """The log prior of the noise."""
    return lambda sigma: -((sigma / scale) ** 2) / 2
