r"""The factor that makes a normal vector one of Student's, :math:`r = \sqrt{n / \chi^2_n}`, from a uniform number.

With :math:`h = n/2, P(h, \gamma) = u` it is :math:`\sqrt{h/\gamma}`, and by the implicit function theorem

.. math:: \frac{\partial r}{\partial u} = -\frac{r}{2 \gamma p(\gamma)}, \qquad
          \frac{\partial r}{\partial h} = \frac r2 E, \quad E = \frac1h + \frac{P_h}{\gamma p(\gamma)}.

For large h the terms of E cancel. With the integrals of `refengine.special._incomplete`, for which
:math:`\int_0^\infty e^{-D} D' dv = 1`,

.. math:: E = \pm \int_0^\infty e^{-D(v)} \left[ \log h - \psi(h) - f(s) \right] dv, \qquad
          s = \log(\gamma/h) \mp v, \quad f(s) = e^s - 1 - s,

upper signs below the mode: both terms are of the order of E itself, which is :math:`h^{-3/2}`.
"""

from __future__ import annotations

from typing import Any

from refengine._arrays import special_functions
from refengine.distributions.dirichlet import log1p_digamma
from refengine.domains import Array
from refengine.special._gauss_legendre import POINTS
from refengine.special._incomplete import excess_of_exponential, gamma_terms, incomplete_gamma
from refengine.special._incomplete_inverse import gamma_quantile, gamma_remainder
from refengine.special._saddle_point import log_minus_digamma

_LARGE = 8  # from here on the integrals are those of the shape itself
_TINY = 2.0**-1022


def student_factor(xp: Any, h: Array, u: Array) -> tuple[Array, Array, Array]:
    """The factor r with its slopes to u and h, for 0 < u < 1 and positive h."""
    h, u = xp.broadcast_arrays(h, u)
    g = gamma_quantile(xp, h, u, 1 - u)
    tiny = g < _TINY  # where P(h, g) is g^h / h!
    z = xp.where(tiny, h, g)
    found = incomplete_gamma(xp, h, z)
    step = gamma_remainder(xp, found, u, 1 - u)  # what rounding took from log g
    t = (z - h) / h
    log_t = xp.where(xp.abs(t) <= 0.5, xp.log1p(xp.where(xp.abs(t) <= 0.5, t, 0.0)), xp.log(z / h))
    c = log_minus_digamma(xp, h)
    excess = xp.where(h < _LARGE, 1 / h + found.drifts[0], _excess(xp, h, z, log_t, c))
    excess = excess + step * (c - excess_of_exponential(xp, log_t) + excess * (z - h))
    level = (xp.log(u) + special_functions(xp).gammaln(h + 1)) / h
    r = xp.where(tiny, xp.sqrt(h) * xp.exp(-level / 2), xp.sqrt(h / z))
    by_u = xp.where(tiny, 1 / h / u, xp.exp((z - h) * step) / found.mass)
    excess = xp.where(tiny, (1 + level - log1p_digamma(xp, h)) / h, excess)
    return r, -r / 2 * by_u, r / 2 * excess


def _excess(xp: Any, h: Array, g: Array, log_t: Array, c: Array) -> Array:
    shape = h.shape
    h, g, log_t, c = (
        xp.reshape(xp.where(h < _LARGE, s, a), (-1,)) for a, s in ((h, 9.0), (g, 9.0), (log_t, 0.0), (c, 0.0))
    )
    sign = xp.where(g <= h, -1.0, xp.ones_like(h))
    end, terms = gamma_terms(xp, xp.abs(h - g), g, sign)
    s = log_t[:, None] + (sign * end)[:, None] * xp.asarray(POINTS)
    total = end * xp.sum(terms * (c[:, None] - excess_of_exponential(xp, s)), axis=-1)
    return xp.reshape(-sign * total, shape)
