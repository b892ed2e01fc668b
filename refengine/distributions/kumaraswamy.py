r"""Kumaraswamy distribution on (0, 1), :math:`F(x; a, b) = 1 - (1 - x^a)^b`.

With :math:`t = a \log x \le 0`, :math:`\ell = \log(1 - e^t)` and :math:`s = 1/(e^{-t} - 1) = x^a / (1 - x^a)` every
derivative goes through :math:`\partial_x \ell = -a s/x` and :math:`\partial_a \ell = -s \log x`.

Every function broadcasts its arguments; float32 when every floating array is, else float64, and float64 inside. Shapes
that are not positive and finite, and nan: nan, with nan gradients. The edges 0 and 1 have the limits from inside the
support.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_shape, elementwise, promote
from refengine.distributions._noise import uniform as noise
from refengine.distributions._pointwise import both, cotangents, flat, positive, value
from refengine.distributions._tails import EULER, expm1_minus_over, log1mexp, over_expm1, trigamma_minus
from refengine.domains import Array, Positive, Unit
from refengine.special._gauss_legendre import POINTS, WEIGHTS
from refengine.special._saddle_point import log1p_minus, log_minus_digamma, stirling_error
from refengine.special.digamma_difference import _trigamma_fall, digamma_difference, digamma_difference_vjp
from refengine.special.lgamma import lgamma

__all__ = [
    "Parameters",
    "cdf",
    "cdf_vjp",
    "entropy",
    "entropy_vjp",
    "icdf",
    "icdf_vjp",
    "log_cdf",
    "log_cdf_vjp",
    "log_prob",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
    "log_sf",
    "log_sf_vjp",
    "maximum_likelihood",
    "maximum_likelihood_vjp",
    "mean",
    "mean_vjp",
    "mode",
    "mode_vjp",
    "noise",
    "sample",
    "sample_vjp",
    "sf",
    "sf_vjp",
    "variance",
    "variance_vjp",
]


class Parameters(NamedTuple):
    """The two shapes."""

    a: Positive
    b: Positive


def log_prob(x: Unit, a: Positive, b: Positive) -> Array:
    r"""Logarithm of the density.

    .. math:: \log f(x; a, b) = \log(a b) + (a-1) \log x + (b-1) \log(1 - x^a) = \log\frac{a b s}{x} + b \ell

    x, a, b: broadcast together. At 0: inf, log b or -inf for a below, at or above 1; at 1 likewise with log a by b.
    Kumaraswamy (1980).

    >>> round(float(log_prob(0.25, 2.0, 1.0)), 12)  # log(1/2)
    -0.69314718056
    """
    return value(_log_prob, x=x, a=a, b=b)


def log_prob_vjp(g: Array, x: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, a and b.

    .. math:: \partial_x = \frac{a (1 - (b-1) s) - 1}{x}, \qquad \partial_a = \frac1a + (1 - (b-1) s) \log x,
              \qquad \partial_b = \frac1b + \ell

    On the edges the limits: to a -inf at 0 and b/a at 1, to b 1/b at 0 and -inf at 1.
    """
    return cotangents(_log_prob, g, x=x, a=a, b=b)


def log_prob_value_and_vjp(g: Array, x: Unit, a: Positive, b: Positive) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, da, db) = log_prob_value_and_vjp(1.0, 0.5, 1.0, 1.0)
    >>> float(value) + 0.0, float(dx)
    (0.0, 0.0)
    """
    return both(_log_prob, g, x=x, a=a, b=b)


def cdf(x: Unit, a: Positive, b: Positive) -> Array:
    r"""Probability of at most x.

    .. math:: F(x; a, b) = 1 - (1 - x^a)^b = 1 - e^{b \ell}

    x, a, b: broadcast together. 0 below the support, 1 above it. Kumaraswamy (1980).

    >>> float(cdf(0.5, 1.0, 2.0))
    0.75
    """
    return value(_cdf, x=x, a=a, b=b)


def cdf_vjp(g: Array, x: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, a and b: :math:`e^{b \ell} (a b s / x, b s \log x, -\ell)`."""
    return cotangents(_cdf, g, x=x, a=a, b=b)


def log_cdf(x: Unit, a: Positive, b: Positive) -> Array:
    r"""Logarithm of the probability of at most x.

    .. math:: \log F(x; a, b) = \log(1 - e^{b \ell})

    x, a, b: broadcast together. -inf up to 0, 0 from 1 on. Kumaraswamy (1980).

    >>> round(float(log_cdf(1e-300, 2.0, 1.0)) / 2)  # log of x^2
    -691
    """
    return value(_log_cdf, x=x, a=a, b=b)


def log_cdf_vjp(g: Array, x: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, a and b: :math:`(a b s / x, b s \log x, -\ell) / (e^{-b \ell} - 1)`.

    :math:`b s / (e^{-b\ell} - 1)` is the product of :math:`-b\ell/(e^{-b\ell} - 1)` and :math:`s/(-\ell)`, both 1 at 0.
    """
    return cotangents(_log_cdf, g, x=x, a=a, b=b)


def sf(x: Unit, a: Positive, b: Positive) -> Array:
    r"""Probability of more than x.

    .. math:: 1 - F(x; a, b) = (1 - x^a)^b = e^{b \ell}

    x, a, b: broadcast together. 1 below the support, 0 above it. Kumaraswamy (1980).

    >>> float(sf(0.5, 1.0, 2.0))
    0.25
    """
    return value(_sf, x=x, a=a, b=b)


def sf_vjp(g: Array, x: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, a and b: :math:`-e^{b \ell} (a b s / x, b s \log x, -\ell)`."""
    return cotangents(_sf, g, x=x, a=a, b=b)


def log_sf(x: Unit, a: Positive, b: Positive) -> Array:
    r"""Logarithm of the probability of more than x.

    .. math:: \log(1 - F(x; a, b)) = b \log(1 - x^a) = b \ell

    x, a, b: broadcast together. 0 below the support, -inf above it. Kumaraswamy (1980).

    >>> round(float(log_sf(0.5, 1.0, 2.0)), 12)  # -log 4
    -1.38629436112
    """
    return value(_log_sf, x=x, a=a, b=b)


def log_sf_vjp(g: Array, x: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, a and b: :math:`-(a b s / x, b s \log x, -\ell)`."""
    return cotangents(_log_sf, g, x=x, a=a, b=b)


def icdf(u: Unit, a: Positive, b: Positive) -> Array:
    r"""The point with probability u of at most it.

    .. math:: F^{-1}(u; a, b) = (1 - (1-u)^{1/b})^{1/a}

    u, a, b: broadcast together. 0 and 1 at u = 0 and 1, nan outside [0, 1]. Kumaraswamy (1980).

    >>> round(float(icdf(0.75, 1.0, 2.0)), 12)
    0.5
    """
    return value(_icdf, u=u, a=a, b=b)


def icdf_vjp(g: Array, u: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of u, a and b, with :math:`q = -\log(1-u), r = (q/b) / (e^{q/b} - 1), t = \log(1 - e^{-q/b})`.

    .. math:: \partial_u = \frac{x r}{a q (1-u)}, \qquad \partial_a = -\frac{x t}{a^2}, \qquad
              \partial_b = -\frac{x r}{a b}
    """
    return cotangents(_icdf, g, u=u, a=a, b=b)


def sample(noise: Unit, a: Positive, b: Positive) -> Array:
    r"""A random number made of a uniform one: `icdf` of the noise.

    .. math:: x = (1 - (1-u)^{1/b})^{1/a}

    noise, a, b: broadcast together; noise is uniform on (0, 1). Kumaraswamy (1980).

    >>> round(float(sample(0.75, 1.0, 2.0)), 12)
    0.5
    """
    elementwise(noise=noise, a=a, b=b)  # errors name the noise
    return icdf(noise, a, b)


def sample_vjp(g: Array, noise: Unit, a: Positive, b: Positive) -> tuple[Array, Array, Array]:
    """Cotangents of noise, a and b along the path, those of `icdf`: :math:`x` moves with each."""
    elementwise(noise=noise, a=a, b=b)  # errors name the noise
    return icdf_vjp(g, noise, a, b)


def entropy(a: Positive, b: Positive) -> Array:
    r"""Differential entropy.

    .. math:: H = 1 - 1/b + (1 - 1/a) H_b - \log(a b), \qquad H_b = \psi(b+1) + \gamma

    a, b: broadcast together. Near a = b = 1, where it vanishes, it is written in 1/a - 1, 1/b - 1 and H_b - 1.
    Jones, "Kumaraswamy's distribution" (2009).

    >>> float(entropy(1.0, 1.0))
    0.0
    """
    return value(_entropy, a=a, b=b)


def entropy_vjp(g: Array, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b: :math:`(H_b/a - 1)/a` and :math:`(\psi'(b) - 1/b) - \psi'(b+1)/a`."""
    return cotangents(_entropy, g, a=a, b=b)


def mean(a: Positive, b: Positive) -> Array:
    r"""Expectation.

    .. math:: E[x] = b \, B(1 + 1/a, b)

    a, b: broadcast together. Jones, "Kumaraswamy's distribution" (2009).

    >>> round(float(mean(1.0, 3.0)), 12)  # that of a beta distribution with shapes 1 and 3
    0.25
    """
    return value(_mean, a=a, b=b)


def mean_vjp(g: Array, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b.

    .. math:: \partial_a = E[x] \, \frac{\psi(1 + 1/a + b) - \psi(1 + 1/a)}{a^2}, \qquad
              \partial_b = -E[x] (\psi(1 + b + 1/a) - \psi(1 + b))
    """
    return cotangents(_mean, g, a=a, b=b)


def variance(a: Positive, b: Positive) -> Array:
    r"""Variance.

    .. math:: \operatorname{Var}(x) = b \, B(1 + 2/a, b) - (b \, B(1 + 1/a, b))^2 = E[x^2] (1 - e^{-L}), \qquad
              L = \log\frac{E[x^2]}{E[x]^2}

    a, b: broadcast together. L is a second difference of :math:`\log\Gamma(1 + s) - \log\Gamma(1 + b + s)` in s with
    step r = 1/a, for r to 8 the integral of :math:`\psi'(1 + s) - \psi'(1 + b + s) > 0`, weighted by a triangle. Jones,
    "Kumaraswamy's distribution" (2009).

    >>> round(float(variance(1.0, 1.0)) * 12, 12)
    1.0
    """
    return value(_variance, a=a, b=b)


def variance_vjp(g: Array, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b, with r = 1/a, :math:`d(x, y) = \psi(x + y) - \psi(x)` and L as in `variance`.

    .. math:: \partial_a &= -2 r^2 E[x^2] \left(e^{-L} (d(1+r, b) - d(1+2r, b)) - (1 - e^{-L}) d(1+2r, b)\right) \\
              \partial_b &= E[x^2] \left(e^{-L} (d(1+b, r) - d(1+b+r, r)) - (1 - e^{-L}) d(1+b, 2r)\right)

    The differences of d are integrals of differences of trigammas, where they would cancel.
    """
    return cotangents(_variance, g, a=a, b=b)


def mode(a: Positive, b: Positive) -> Array:
    r"""Where the density is largest.

    .. math:: \left(\frac{a - 1}{a b - 1}\right)^{1/a} \text{ for } a, b \ge 1

    a, b: broadcast together. nan where a or b is below 1 or both are 1: at an edge, at both, or everywhere. Jones
    (2009).

    >>> round(float(mode(2.0, 2.0)) ** 2, 12)  # 1/3
    0.333333333333
    """
    return value(_mode, a=a, b=b)


def mode_vjp(g: Array, a: Positive, b: Positive) -> tuple[Array, Array]:
    r"""Cotangents of a and b; m is the mode, :math:`a b - 1 = (a-1) b + (b-1)`.

    .. math:: \partial_a = \frac{m}{a} \left(\frac{b-1}{(a-1)(ab-1)} - \log m\right), \qquad
              \partial_b = -\frac{m}{a b - 1}
    """
    return cotangents(_mode, g, a=a, b=b)


def maximum_likelihood(data: Unit) -> Parameters:
    r"""The shapes that make the data most probable.

    .. math:: \frac1a + \frac1N \sum_i (1 - (b-1) s_i) \log x_i = 0, \qquad \frac1b = -\frac1N \sum_i \log(1 - x_i^a)

    data: (N,). Newton's method on log a inside a bracket, b eliminated. nan where there is no estimate: all data equal,
    fewer than two, one outside (0, 1). Jones (2009), section 7.

    >>> a, b = maximum_likelihood([0.2, 0.5, 0.6, 0.7])
    >>> round(float(np.sum(np.log1p(-(np.asarray([0.2, 0.5, 0.6, 0.7]) ** a)))) * float(b), 9)
    -4.0
    """
    xp, dtype, x = promote(data=data)
    check_shape("data", x, ("N",))
    with np.errstate(all="ignore"):
        found = _fit(xp, xp.astype(x, xp.float64, copy=False))
        return Parameters(*(xp.astype(p, dtype, copy=False) for p in found))


def maximum_likelihood_vjp(g: Parameters, data: Unit) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem.

    With :math:`y = \log x` the estimates solve :math:`u = 1/a + \overline{(1 - (b-1) s) y} = 0` and
    :math:`v = 1/b + \bar\ell = 0`. From v,
    :math:`\partial_{y_i} b = -b^2 (\overline{s y} \, \partial_{y_i} a + a s_i/N)`,
    and with y = c + o around :math:`c = \overline{s y} / \bar s`, where the large terms of u cancel by
    :math:`1 - b \bar s = b \, \overline{\log(1+s) - s}` (b times the average of l is -1),

    .. math:: N W \partial_{y_i} a = 1 - (b-1) s (1 + a (1+s) o) + a s c (1 - b (1 - b \bar s) - (b-1) s), \quad
              W = \frac{1}{a^2} + (b-1) \overline{s (1+s) y^2} - (b \, \overline{s y})^2
    """
    xp, dtype, x, da, db = promote(data=data, a=g[0], b=g[1])
    check_shape("data", x, ("N",))
    x, da, db = (xp.astype(v, xp.float64, copy=False) for v in (x, da, db))
    with np.errstate(all="ignore"):
        a, b = _fit(xp, x)
        y, size = xp.log(x), max(x.shape[0], 1)
        s = 1 / xp.expm1(-a * y)
        weight = xp.sum(s) / size
        c = xp.sum(s * y) / size / weight
        off = y - c
        lack = b * (xp.sum(log1p_minus(xp, s)) / size)
        square = c * c * ((b - 1) * xp.sum(s * s) / size - weight + b * weight * lack)
        square = square + (b - 1) * (2 * c * xp.sum(s * s * off) + xp.sum(s * (1 + s) * off * off)) / size
        whole = 1 / (a * a) + square  # b^2 det J
        moved = 1 - (b - 1) * s * (1 + a * (1 + s) * off) + a * s * c * (1 - b * lack - (b - 1) * s)  # whole times
        by_a = moved / whole  # d a / d (y / N)
        by_b = -b * b * (weight * c * by_a + a * s)
        return (xp.astype((da * by_a + db * by_b) / size / x, dtype, copy=False),)


def _pieces(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, ...]:
    """Where defined, x or 1/2, log x, t, minus l, s."""
    inner = (x > 0) & (x < 1)
    x = xp.where(inner, x, 0.5)
    y = xp.log(x)
    t = xp.where(a > 0, a, 1.0) * y
    minus = -xp.where(t > -0.5, xp.log(-xp.expm1(t)), xp.log1p(-xp.exp(t)))
    return positive(xp, a, b), x, y, t, minus, 1 / xp.expm1(-t)


def _ends(xp: Any, x: Array, low: tuple[Any, ...], high: tuple[Any, ...], results: tuple[Array, ...]) -> Any:
    """The results, but those of the edges on the edges."""
    return tuple(xp.where(x == 0, e, xp.where(x == 1, f, r)) for e, f, r in zip(low, high, results, strict=True))


def _log_prob(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, ...]:
    defined, z, y, t, minus, s = _pieces(xp, x, a, b)
    product = a * s * b / z
    fits = (product > 1e-290) & (product < 1e290) & (s > 1e-290)
    logs = xp.log(a) + xp.log(b) + (t + minus) - y
    found = xp.where(fits, xp.log(xp.where(fits, product, 1.0)), logs) - b * minus
    steep = 1 - (b - 1) * s
    near = xp.where(t > -1, -t, 1.0)  # where 1/a and s log x cancel if b is small
    slow = (b * xp.exp(-near) + expm1_minus_over(xp, -near)) * (near / -xp.expm1(-near)) / a
    results = found, (a * steep - 1) / z, xp.where(t > -1, slow, 1 / a + steep * y), 1 / b - minus
    low_edge, high_edge = xp.sign(1 - a) * xp.inf, xp.sign(1 - b) * xp.inf
    low = xp.where(a == 1, xp.log(b), low_edge), xp.where(a == 1, 1 - b, -low_edge), -xp.inf, 1 / b
    high = xp.where(b == 1, xp.log(a), high_edge), xp.where(b == 1, a - 1, high_edge), b / a, -xp.inf
    return defined, *flat(xp, (x < 0) | (x > 1), -xp.inf, _ends(xp, x, low, high, results))


def _along(xp: Any, x: Array, a: Array, b: Array, parts: tuple[Array, ...], rest: Array) -> tuple[Array, ...]:
    """Slopes of ``-b l`` times exp(-rest), with those of the edges."""
    _, z, y, t, minus, _ = parts
    half = xp.exp(t / 2) * xp.exp(-rest / 2)
    over = -1 / xp.expm1(t) * half
    slopes = a * half / z * (b * over), half * y * (b * over), minus * xp.exp(-rest)
    low = xp.where(a == 1, b, xp.where(a > 1, xp.asarray(0.0), xp.inf)), 0.0, 0.0
    return low, slopes


def _cdf(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, ...]:
    parts = _pieces(xp, x, a, b)
    w = b * parts[4]
    low, slopes = _along(xp, x, a, b, parts, w)
    high = xp.where(b == 1, a, xp.where(b > 1, xp.asarray(0.0), xp.inf)), 0.0, 0.0
    results = _ends(xp, x, (0.0, *low), (1.0, *high), (-xp.expm1(-w), *slopes))
    return parts[0], *flat(xp, (x < 0) | (x > 1), xp.where(x < 0, xp.asarray(0.0), 1.0), results)


def _sf(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, ...]:
    parts = _pieces(xp, x, a, b)
    w = b * parts[4]
    low, slopes = _along(xp, x, a, b, parts, w)
    high = xp.where(b == 1, a, xp.where(b > 1, xp.asarray(0.0), xp.inf)), 0.0, 0.0
    results = _ends(xp, x, (0.0, *low), (1.0, *high), (-xp.expm1(-w), *slopes))
    results = xp.where(x == 0, 1.0, xp.where(x == 1, 0.0, xp.exp(-w))), *(0.0 - r for r in results[1:])
    return parts[0], *flat(xp, (x < 0) | (x > 1), xp.where(x < 0, xp.asarray(1.0), 0.0), results)


def _log_sf(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, ...]:
    parts = _pieces(xp, x, a, b)
    w = b * parts[4]
    low, slopes = _along(xp, x, a, b, parts, 0.0 * w)
    results = _ends(xp, x, (0.0, *low), (xp.inf, xp.inf, -b / a, xp.inf), (w, *slopes))
    results = tuple(0.0 - r for r in results)
    return parts[0], *flat(xp, (x < 0) | (x > 1), xp.where(x < 0, xp.asarray(0.0), -xp.inf), results)


def _log_cdf(xp: Any, x: Array, a: Array, b: Array) -> tuple[Array, ...]:
    defined, z, y, t, minus, s = _pieces(xp, x, a, b)
    w = b * minus
    tiny = minus < 1e-290
    share = over_expm1(xp, w)
    rise = share * xp.where(tiny, 1.0, s / xp.where(tiny, 1.0, minus))
    found = log1mexp(xp, w, xp.log(b) + xp.where(tiny, t, xp.log(minus)))
    high = 0.0, xp.where(b == 1, a, xp.where(b > 1, xp.asarray(0.0), xp.inf)), 0.0, 0.0
    results = _ends(xp, x, (-xp.inf, xp.inf, -xp.inf, 1 / b), high, (found, a * rise / z, rise * y, share / b))
    return defined, *flat(xp, (x < 0) | (x > 1), xp.where(x < 0, xp.asarray(-xp.inf), 0.0), results)


def _icdf(xp: Any, u: Array, a: Array, b: Array) -> tuple[Array, ...]:
    inner = (u > 0) & (u < 1)
    v = xp.where(inner, u, 0.5)
    q = -xp.log1p(-v)
    w = q / b
    t = log1mexp(xp, w, xp.log(q) - xp.log(b))
    share = over_expm1(xp, w)
    half = xp.exp(t / a / 2)
    x = half * half
    results = x, half * share / a / q * half / (1 - v), -half * t / a / a * half, -half * share / a / b * half
    low = 0.0, xp.where(a == 1, 1 / b, xp.where(a > 1, xp.asarray(xp.inf), 0.0)), 0.0, 0.0
    high = 1.0, xp.where(b == 1, 1 / a, xp.where(b > 1, xp.asarray(xp.inf), 0.0)), 0.0, 0.0
    return positive(xp, a, b) & (u >= 0) & (u <= 1), *_ends(xp, u, low, high, results)


def _entropy(xp: Any, a: Array, b: Array) -> tuple[Array, ...]:
    harmonic = digamma_difference(xp.ones_like(b), b)
    less = xp.where(b >= 1, xp.asarray(1.0), -1.0) * digamma_difference(
        xp.where(b >= 1, 2.0, b + 1), xp.abs(b - 1)
    )  # H_b - 1
    p, q = (1 - a) / a, (1 - b) / b
    near = (xp.abs(a - 1) < 0.5) & (xp.abs(b - 1) < 0.5)
    close = log1p_minus(xp, xp.where(near, p, 0.0)) + log1p_minus(xp, xp.where(near, q, 0.0)) - p * less
    level = xp.where(b >= 1, EULER - log_minus_digamma(xp, b + 1) + xp.log1p(1 / b), harmonic - xp.log(b))
    found = xp.where(near, close, 1 - 1 / b + level - harmonic / a - xp.log(a))
    by_a = xp.where(near, less / a + p, harmonic / a - 1) / a
    curve = digamma_difference_vjp(xp.ones_like(b), b, xp.ones_like(b))[1]  # psi'(b + 1)
    return positive(xp, a, b), found, by_a, trigamma_minus(xp, b) - curve / a


def _log_mean(xp: Any, r: Array, b: Array) -> Array:
    """Logarithm of Gamma(1 + r) Gamma(1 + b) / Gamma(1 + r + b): the step from the larger by Stirling's formula."""
    step, start = xp.minimum(r, b), 1 + xp.maximum(r, b)
    t = step / start
    near = t <= 0.5
    bend = start * xp.where(near, log1p_minus(xp, xp.where(near, t, 0.0)), xp.log1p(t) - t)
    errors = stirling_error(xp, start + step) - stirling_error(xp, start)
    return lgamma(1 + step) - (bend + step * xp.log(start + step) - xp.log1p(t) / 2 + errors)


def _mean(xp: Any, a: Array, b: Array) -> tuple[Array, ...]:
    defined = positive(xp, a, b)
    a, b = xp.where(defined, a, 1.0), xp.where(defined, b, 1.0)
    r = 1 / a
    found = xp.exp(_log_mean(xp, r, b))
    rise = xp.where((r > 1e100) & (b < 1e80), b, r * digamma_difference(1 + r, b))  # which may underflow over r
    return defined, found, found * rise * r, -found * digamma_difference(1 + b, r)


def _variance(xp: Any, a: Array, b: Array) -> tuple[Array, ...]:
    defined = positive(xp, a, b)
    a, b = xp.where(defined, a, 1.0), xp.where(defined, b, 1.0)
    r = 1 / a
    close = r <= 8
    square, log_ratio = xp.exp(_log_mean(xp, 2 * r, b)), _log_square_ratio(xp, r, b)
    kept, rest = xp.exp(-log_ratio), -xp.expm1(-log_ratio)
    s = xp.where(close, r, 1.0)
    huge = (r > 1e20) & (b < 1e-20 * r)  # where the difference may underflow over r
    out = xp.where(huge, b / 2, r * digamma_difference(1 + 2 * r, b))
    fall = xp.where(huge, b / 2, r * (digamma_difference(1 + r, b) - digamma_difference(1 + 2 * r, b)))
    fall = xp.where(close, s * s * _mean_of(lambda t: _trigamma_fall(xp, 1 + s + s * t, b)), fall)
    by_a = -2 * square * (kept * fall - rest * out) * r
    near = r <= 8 * (1 + b)
    s = xp.where(near, r, 1.0)
    bend = digamma_difference(1 + b, r) - digamma_difference(1 + b + r, r)
    bend = xp.where(near, s * _mean_of(lambda t: _trigamma_fall(xp, 1 + b + s * t, s)), bend)
    by_b = square * (kept * bend - rest * digamma_difference(1 + b, 2 * r))
    return defined, square * rest, by_a, by_b


def _log_square_ratio(xp: Any, r: Array, b: Array) -> Array:
    """The logarithm of E[x^2] over E[x]^2, positive."""
    s, c = xp.where(r <= 8, r, 1.0), xp.where(b <= 8, b, 1.0)
    up = _mean_of(lambda t: t * _trigamma_fall(xp, 1 + s * t, b))
    down = _mean_of(lambda t: (1 - t) * _trigamma_fall(xp, 1 + s + s * t, b))
    flat = c * _mean_of(lambda t: digamma_difference(1 + c * t, r) - digamma_difference(1 + r + c * t, r))
    far = _log_mean(xp, 2 * r, b) - 2 * _log_mean(xp, r, b)
    return xp.where(r <= 8, s * s * (up + down), xp.where(b <= 8, flat, far))


def _mean_of(f: Any) -> Any:
    """The integral from 0 to 1."""
    total: Any = 0.0
    for point, share in zip(POINTS, WEIGHTS, strict=True):
        total = total + share * f(point)
    return total


def _mode(xp: Any, a: Array, b: Array) -> tuple[Array, ...]:
    defined = positive(xp, a, b) & (a >= 1) & (b >= 1) & ((a > 1) | (b > 1))
    rest = (a - 1) * b + (b - 1)
    share = xp.where(a > 1, (a - 1) / rest, 1.0)
    log_share = xp.where(share < 0.5, xp.log(share), xp.log1p((1 - b) * a / rest))
    found = xp.where(a > 1, xp.exp(log_share / a), 0.0)
    by_a = xp.where(a > 1, found * ((b - 1) / rest / (a - 1) - log_share / a) / a, 1 / (b - 1))
    return defined, found, by_a, -found / rest


def _fit(xp: Any, x: Array) -> tuple[Array, Array]:
    size = x.shape[0]
    if size < 2 or not bool(xp.all((x > 0) & (x < 1))) or not bool(xp.min(x) < xp.max(x)):
        return xp.asarray(xp.nan), xp.asarray(xp.nan)
    y = xp.log(x)
    low, high, a = xp.asarray(0.0), xp.asarray(xp.inf), xp.asarray(1.0)
    b = a
    for _ in range(200):
        s = 1 / xp.expm1(-a * y)
        b = -1 / xp.mean(xp.where(a * y > -0.5, xp.log(-xp.expm1(a * y)), xp.log1p(-xp.exp(a * y))))
        score = 1 / a + xp.mean((1 - (b - 1) * s) * y)
        slope = b * xp.mean(s * y)
        curve = -1 / (a * a) - (b - 1) * xp.mean(s * (1 + s) * y * y) + slope * slope
        low, high = (a, high) if bool(score > 0) else (low, a)
        trial = a - score / curve
        if not bool((trial > low) & (trial < high)):
            trial = xp.minimum((low + high) / 2, 4 * a)
        moved, a = xp.abs(trial - a), trial
        if bool(moved <= 2e-16 * a):
            break
    return a, b
