"""The autoregression as a regression on its lags, whose functions of one chain serve it."""

from __future__ import annotations

from refengine.backends._kernel import kernel_of
from refengine.backends.numba.samplers.targets import half_cauchy_regression as regression
from refengine.backends.numba.samplers.targets._loops import densities, gradients
from refengine.samplers.targets import Target
from refengine.samplers.targets import autoregression as reference
from refengine.samplers.targets.autoregression import *


@kernel_of(reference.target)
def target(series):
    return Target(log_density, gradient, gradient_vjp, (series,))


@kernel_of(reference.log_density)
def log_density(position, series):
    return densities(*_checked(position, series))


@kernel_of(reference.gradient)
def gradient(position, series):
    return gradients(*_checked(position, series))


def compiled(position, series):
    """This target for a loop over chains."""
    return _checked(position, series)[2]


def _checked(position, series):
    _, dtype, position, *rest = reference.checked(position, series)
    return dtype, position, regression.compiled(position, *rest)
