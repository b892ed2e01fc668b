"""Value and gradient of the von Mises-Fisher log density in one pass over the vectors."""

from __future__ import annotations

import math

import numba
import numpy as np

from refengine.backends._kernel import kernel_of
from refengine.backends.numba import _bessel, _gamma
from refengine.backends.numba._parallel import parallel, sealed
from refengine.backends.numba.distributions._directions import pass_over_rows
from refengine.distributions import von_mises_fisher as reference
from refengine.distributions._directions import log_area
from refengine.distributions.von_mises_fisher import *


@parallel
def _parts(kappa, order, area, value, slope):
    stirling = _gamma.stirling_error(order)[0] if order > 0.0 else 0.0
    for i in numba.prange(kappa.size):
        if math.isnan(kappa[i]):
            value[i] = slope[i] = math.nan
        else:
            value[i] = -_bessel.log_hypergeometric(kappa[i], order, stirling) - area
            slope[i] = -_bessel.ratio(kappa[i], order)


def _normaliser(kappa, dimensions):
    value, slope = np.empty(kappa.size), np.empty(kappa.size)
    _parts(sealed(kappa).reshape(-1), dimensions / 2 - 1, log_area(dimensions), value, slope)
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
    return pass_over_rows(_normaliser, False, g, **given)
