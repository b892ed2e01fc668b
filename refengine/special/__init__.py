"""Special functions to a few ulp, with their derivatives; each file holds the function that it is named after."""

from refengine.special.bessel_ratio import bessel_ratio, bessel_ratio_value_and_vjp, bessel_ratio_vjp
from refengine.special.binomial_deviance import (
    binomial_deviance,
    binomial_deviance_value_and_vjp,
    binomial_deviance_vjp,
)
from refengine.special.digamma import digamma, digamma_value_and_vjp, digamma_vjp
from refengine.special.digamma_difference import (
    digamma_difference,
    digamma_difference_value_and_vjp,
    digamma_difference_vjp,
)
from refengine.special.lgamma import lgamma, lgamma_value_and_vjp, lgamma_vjp
from refengine.special.log1mexp import log1mexp, log1mexp_value_and_vjp, log1mexp_vjp
from refengine.special.log_bessel_i import log_bessel_i, log_bessel_i_value_and_vjp, log_bessel_i_vjp
from refengine.special.log_beta import log_beta, log_beta_value_and_vjp, log_beta_vjp
from refengine.special.log_ndtr import log_ndtr, log_ndtr_value_and_vjp, log_ndtr_vjp
from refengine.special.regularized_beta import (
    log_regularized_beta,
    log_regularized_beta_complement,
    log_regularized_beta_complement_vjp,
    log_regularized_beta_vjp,
    regularized_beta,
    regularized_beta_complement,
    regularized_beta_complement_vjp,
    regularized_beta_vjp,
)
from refengine.special.regularized_gamma import (
    log_regularized_gamma_p,
    log_regularized_gamma_p_vjp,
    log_regularized_gamma_q,
    log_regularized_gamma_q_vjp,
    regularized_gamma_p,
    regularized_gamma_p_vjp,
    regularized_gamma_q,
    regularized_gamma_q_vjp,
)
from refengine.special.stirling_error import stirling_error, stirling_error_value_and_vjp, stirling_error_vjp
from refengine.special.trigamma import trigamma, trigamma_value_and_vjp, trigamma_vjp

__all__ = [
    "bessel_ratio",
    "bessel_ratio_value_and_vjp",
    "bessel_ratio_vjp",
    "binomial_deviance",
    "binomial_deviance_value_and_vjp",
    "binomial_deviance_vjp",
    "digamma",
    "digamma_difference",
    "digamma_difference_value_and_vjp",
    "digamma_difference_vjp",
    "digamma_value_and_vjp",
    "digamma_vjp",
    "lgamma",
    "lgamma_value_and_vjp",
    "lgamma_vjp",
    "log1mexp",
    "log1mexp_value_and_vjp",
    "log1mexp_vjp",
    "log_bessel_i",
    "log_bessel_i_value_and_vjp",
    "log_bessel_i_vjp",
    "log_beta",
    "log_beta_value_and_vjp",
    "log_beta_vjp",
    "log_ndtr",
    "log_ndtr_value_and_vjp",
    "log_ndtr_vjp",
    "log_regularized_beta",
    "log_regularized_beta_complement",
    "log_regularized_beta_complement_vjp",
    "log_regularized_beta_vjp",
    "log_regularized_gamma_p",
    "log_regularized_gamma_p_vjp",
    "log_regularized_gamma_q",
    "log_regularized_gamma_q_vjp",
    "regularized_beta",
    "regularized_beta_complement",
    "regularized_beta_complement_vjp",
    "regularized_beta_vjp",
    "regularized_gamma_p",
    "regularized_gamma_p_vjp",
    "regularized_gamma_q",
    "regularized_gamma_q_vjp",
    "stirling_error",
    "stirling_error_value_and_vjp",
    "stirling_error_vjp",
    "trigamma",
    "trigamma_value_and_vjp",
    "trigamma_vjp",
]
