r"""The logarithm of the gamma function on the positive axis."""

from __future__ import annotations

from math import log, pi

import numpy as np

from refengine._arrays import elementwise, special_functions, unbroadcast
from refengine.domains import Array, Positive
from refengine.special._saddle_point import stirling_error

__all__ = ["lgamma", "lgamma_value_and_vjp", "lgamma_vjp"]

_ONE_MINUS_EULER = 0.42278433509846713
# (-1)^k (zeta(k) - 1) / k for k = 2, 3, ...  (NIST DLMF 5.7.3)
_AROUND_TWO = (
    *(0.3224670334241132, -0.0673523010531981, 0.020580808427784546, -0.007385551028673986, 0.0028905103307415234),
    *(-0.001192753911703261, 0.0005096695247430425, -0.00022315475845357939, 9.945751278180853e-05),
    *(-4.492623673813314e-05, 2.050721277567069e-05, -9.439488275268397e-06, 4.374866789907488e-06),
    *(-2.039215753801366e-06, 9.55141213040742e-07, -4.492469198764566e-07, 2.1207184805554665e-07),
    *(-1.0043224823968099e-07, 4.7698101693639804e-08, -2.2711094608943164e-08, 1.0838659214896955e-08),
    *(-5.183475041970047e-09, 2.4836745438024785e-09, -1.1921401405860912e-09, 5.731367241678862e-10),
)


def lgamma(x: Positive) -> Array:
    r"""Logarithm of the gamma function, to a few ulp for every x > 0, also next to its zeros 1 and 2.

    .. math:: \log\Gamma(x) = \log \int_0^\infty t^{x-1} e^{-t} \, dt

    x: any shape, which the result has (nothing to broadcast). float32 for float32, else float64, and float64 inside.
    Outside x > 0: nan.

    Written here because SciPy's ``gammaln`` has no correct digit next to 1. Up to 3.5 the Taylor series at 2 (NIST
    DLMF 5.7.3) and the recurrence, both in the exact distance to a whole number; beyond it Stirling's series.

    >>> float(lgamma(1.0)), float(lgamma(2.0))
    (0.0, 0.0)
    >>> round(float(lgamma(0.5)), 15)  # log(pi) / 2
    0.5723649429247
    """
    xp, dtype, x = elementwise(x=x)
    with np.errstate(all="ignore"):
        value = xp.where(x < 3.5, _near(xp, xp.minimum(x, 3.5)), _far(xp, xp.maximum(x, 3.5)))
        return xp.astype(xp.where(x > 0, value, xp.nan), dtype, copy=False)


def lgamma_vjp(g: Array, x: Positive) -> tuple[Array]:
    r"""Cotangent of x: the derivative is digamma, :math:`\partial_x \log\Gamma(x) = \psi(x)`."""
    xp, dtype, g, x1 = elementwise(g=g, x=x)
    with np.errstate(all="ignore"):
        slope = xp.where(x1 > 0, special_functions(xp).digamma(xp.where(x1 > 0, x1, 1.0)), xp.nan)
        return (unbroadcast(g * slope, x, dtype),)


def lgamma_value_and_vjp(g: Array, x: Positive) -> tuple[Array, tuple[Array]]:
    """`lgamma` and `lgamma_vjp`; kernels make one pass of both.

    >>> float(lgamma_value_and_vjp(1.0, 2.0)[0])
    0.0
    """
    return lgamma(x), lgamma_vjp(g, x)


def _near(xp: Array, x: Array) -> Array:
    whole = sum((xp.astype(edge < x, x.dtype) for edge in (1.5, 2.5)), xp.astype(x >= 0.5, x.dtype))
    s = x - whole
    series = 0.0 * s
    for c in reversed(_AROUND_TWO):
        series = c + series * s
    around = s * (_ONE_MINUS_EULER + s * series)  # lgamma(2 + s)
    below = xp.log1p(s) + xp.where(whole == 0, xp.log(x), 0.0)
    return around + xp.where(whole == 3, xp.log(x - 1), xp.where(whole == 2, 0.0, -below))


def _far(xp: Array, x: Array) -> Array:
    return (x - 0.5) * (xp.log(x) - 1) + ((log(2 * pi) - 1) / 2 + stirling_error(xp, x))
