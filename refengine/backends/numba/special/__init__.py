"""Kernels of refengine.special, exposed as there."""

from refengine._tree import subpackages
from refengine.backends.numba.special.digamma_difference import (
    digamma_difference,
    digamma_difference_value_and_vjp,
    digamma_difference_vjp,
)
from refengine.backends.numba.special.log_beta import log_beta, log_beta_value_and_vjp, log_beta_vjp

__all__ = [
    "digamma_difference",
    "digamma_difference_value_and_vjp",
    "digamma_difference_vjp",
    "log_beta",
    "log_beta_value_and_vjp",
    "log_beta_vjp",
]

__getattr__, __dir__ = subpackages(__name__, otherwise="refengine.special")
