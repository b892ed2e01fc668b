"""Value and gradient of the power spherical log density in one pass over the vectors."""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _gamma
from refengine.backends.numba._parallel import parallel, sealed
from refengine.backends.numba.distributions._directions import pass_over_rows
from refengine.distributions import power_spherical as reference
from refengine.distributions._directions import log_area
from refengine.distributions.power_spherical import *


@parallel
def _parts(kappa, beta, area, value, slope):
    # with c = 2 beta: log Gamma(c + k) - log Gamma(c) less the same of beta, Stirling's large terms cancelled
    still = _gamma.stirling_error(2.0 * beta)[0] - _gamma.stirling_error(beta)[0]
    for i in numba.prange(kappa.size):
        k = kappa[i]
        if math.isnan(k):
            value[i] = slope[i] = math.nan
        else:
            moved = _gamma.stirling_error(2.0 * beta + k)[0] - _gamma.stirling_error(beta + k)[0]
            powers = (2.0 * beta - 0.5) * math.log1p(0.5 * k / beta) - (beta - 0.5) * math.log1p(k / beta)
            value[i] = powers + k * math.log1p(beta / (beta + k)) + (moved - still) - area
            slope[i] = _gamma.digamma_difference(beta + k, beta)


def _normaliser(kappa, dimensions):
    value, slope = np.empty(kappa.size), np.empty(kappa.size)
    _parts(sealed(kappa).reshape(-1), (dimensions - 1) / 2, log_area(dimensions), value, slope)
    return [value.reshape(kappa.shape), slope.reshape(kappa.shape)]


@kernel_of(reference.log_prob)
def log_prob(x, mean_direction, concentration):
    return log_prob_value_and_vjp(1.0, x, mean_direction, concentration)[0]


@kernel_of(reference.log_prob_vjp)
def log_prob_vjp(g, x, mean_direction, concentration):
    return log_prob_value_and_vjp(g, x, mean_direction, concentration)[1]


@kernel_of(reference.log_prob_value_and_vjp)
def log_prob_value_and_vjp(g, x, mean_direction, concentration):
    given = {"x": x, "mean_direction": mean_direction, "concentration": concentration}
    return pass_over_rows(_normaliser, True, g, **given)
