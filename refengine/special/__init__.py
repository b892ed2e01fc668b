"""Special functions to a few ulp, with their derivatives; each file holds the function that it is named after."""

from refengine.special.digamma_difference import (
    digamma_difference,
    digamma_difference_value_and_vjp,
    digamma_difference_vjp,
)
from refengine.special.log_beta import log_beta, log_beta_value_and_vjp, log_beta_vjp

__all__ = [
    "digamma_difference",
    "digamma_difference_value_and_vjp",
    "digamma_difference_vjp",
    "log_beta",
    "log_beta_value_and_vjp",
    "log_beta_vjp",
]
