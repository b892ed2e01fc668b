r"""Relaxed Bernoulli distribution on (0, 1), the binary concrete one.

:math:`X = \sigma((l + \Lambda) / t)` for logits l, temperature t and logistic noise :math:`\Lambda`. With
:math:`y = \log(x / (1-x))` and :math:`v = t y - l`, the distribution function is :math:`\sigma(v)`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_shape, elementwise, unbroadcast
from refengine.distributions import logistic
from refengine.distributions._noise import uniform as noise
from refengine.domains import Array, Positive, Real, Unit
from refengine.special._saddle_point import log_quotient

__all__ = [
    "Parameters",
    "cdf",
    "cdf_vjp",
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
    "noise",
    "sample",
    "sample_vjp",
    "sf",
    "sf_vjp",
]


class Parameters(NamedTuple):
    """The two parameters, as `maximum_likelihood` estimates them."""

    logits: Real
    temperature: Positive


def log_prob(x: Unit, logits: Real, temperature: Positive) -> Array:
    r"""Logarithm of the density.

    .. math:: \log f(x; l, t) = \log t + l - t y - 2 \log(1 + e^{l - t y}) - \log x - \log(1-x), \qquad
              y = \log \frac{x}{1-x}

    x, logits, temperature: broadcast together; the result has the broadcast shape. float32 when every floating array
    is, else float64, and float64 inside. At 0 the limits from inside: -l for t = 1, inf for t < 1, -inf for t > 1; at 1
    likewise with the sign of l changed. x outside [0, 1]: -inf and zero gradients. Infinite logits, a temperature
    that is not positive and finite, and nan: nan. Source: Maddison, Mnih and Teh (2017), appendix B.

    >>> round(float(log_prob(0.5, 0.0, 1.0)), 15)  # uniform
    0.0
    """
    xp, dtype, x, l, t = elementwise(x=x, logits=logits, temperature=temperature)
    with np.errstate(all="ignore"):
        z, a, s = _inner(xp, x, l, t)
        u = xp.abs(a - s * _logit(xp, z))
        value = log_quotient(xp, s, z, 1 / (1 - z)) - u - 2 * xp.log1p(xp.exp(-u))
        edge = xp.where(t == 1, xp.where(x == 0, -l, l), xp.sign(1 - t) * xp.inf)
        value = xp.where((x > 0) & (x < 1), value, xp.where((x == 0) | (x == 1), edge, -xp.inf))
        return _result(xp, value, x, l, t, dtype)


def log_prob_vjp(g: Array, x: Unit, logits: Real, temperature: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, logits and temperature, with :math:`h = \tanh((l - t y) / 2)`.

    .. math:: \partial_l = -h, \qquad \partial_t = \frac{1}{t} + y h, \qquad
              \partial_x = \frac{t h - (1 - 2x)}{x (1-x)}

    On the edges the limits: :math:`\mp 1` to l, -inf to t, and to x :math:`\mp 2 (e^{\mp l} - 1)` for t = 1, else
    infinite, towards the larger density.
    """
    xp, dtype, g, x1, l, t = elementwise(g=g, x=x, logits=logits, temperature=temperature)
    with np.errstate(all="ignore"):
        z, a, s = _inner(xp, x1, l, t)
        y = _logit(xp, z)
        h = xp.tanh((a - s * y) / 2)
        side = 2 * xp.astype(x1 < 0.5, xp.float64) - 1
        on_edge, off = (x1 == 0) | (x1 == 1), (x1 < 0) | (x1 > 1)
        steep = xp.where(t == 1, -2 * xp.expm1(-side * l), xp.sign(t - 1) * xp.inf)
        dx = xp.where(on_edge, side * steep, (s * h - (1 - 2 * z)) / (1 - z) / z)
        dl, dt = xp.where(on_edge, -side, -h), xp.where(on_edge, -xp.inf, 1 / s + y * h)
        return _cotangents(xp, g, (dx, dl, dt), off, (x1, l, t), (x, logits, temperature), dtype)


def log_prob_value_and_vjp(
    g: Array, x: Unit, logits: Real, temperature: Positive
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dl, dt) = log_prob_value_and_vjp(1.0, 0.5, 0.0, 1.0)
    >>> float(dx), float(dl) + 0.0, float(dt)
    (0.0, 0.0, 1.0)
    """
    return log_prob(x, logits, temperature), log_prob_vjp(g, x, logits, temperature)


def cdf(x: Unit, logits: Real, temperature: Positive) -> Array:
    r"""Distribution function, :math:`P(X \le x)`.

    .. math:: F(x; l, t) = \sigma(t y - l), \qquad y = \log \frac{x}{1-x}

    x, logits, temperature: broadcast together. 0 below 0 and 1 above 1. Invalid parameters: nan.
    Source: Maddison, Mnih and Teh (2017), appendix B.

    >>> float(cdf(0.5, 0.0, 2.0))
    0.5
    """
    xp, dtype, x, l, t = elementwise(x=x, logits=logits, temperature=temperature)
    with np.errstate(all="ignore"):
        return _result(xp, _sigmoid(xp, _v(xp, x, l, t)), x, l, t, dtype)


def cdf_vjp(g: Array, x: Unit, logits: Real, temperature: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: with :math:`s = \sigma(v) \sigma(-v)`, :math:`\partial_l = -s`, :math:`\partial_t = y s`,
    :math:`\partial_x = t s / (x (1-x))`, the density; on the edges its limit.
    """
    return _slopes(g, x, logits, temperature, lambda xp, v: _sigmoid(xp, v) * _sigmoid(xp, -v), 1.0)


def sf(x: Unit, logits: Real, temperature: Positive) -> Array:
    r"""Survival function, with relative accuracy in the upper tail.

    .. math:: 1 - F(x; l, t) = \sigma(l - t y), \qquad y = \log \frac{x}{1-x}

    x, logits, temperature: broadcast together. 1 below 0 and 0 above 1. Otherwise as `cdf`.
    Source: Maddison, Mnih and Teh (2017), appendix B.

    >>> float(sf(0.5, 0.0, 2.0))
    0.5
    """
    xp, dtype, x, l, t = elementwise(x=x, logits=logits, temperature=temperature)
    with np.errstate(all="ignore"):
        return _result(xp, _sigmoid(xp, -_v(xp, x, l, t)), x, l, t, dtype)


def sf_vjp(g: Array, x: Unit, logits: Real, temperature: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: those of `cdf` with the other sign, :math:`\partial_l = s`, and so on."""
    return _slopes(g, x, logits, temperature, lambda xp, v: _sigmoid(xp, v) * _sigmoid(xp, -v), -1.0)


def log_cdf(x: Unit, logits: Real, temperature: Positive) -> Array:
    r"""Logarithm of the distribution function.

    .. math:: \log F(x; l, t) = -\log(1 + e^{l - t y}), \qquad y = \log \frac{x}{1-x}

    x, logits, temperature: broadcast together. -inf up to 0, 0 from 1 on. Otherwise as `cdf`.
    Source: Maddison, Mnih and Teh (2017), appendix B.

    >>> round(float(log_cdf(0.5, 0.0, 2.0)), 12)  # -log(2)
    -0.69314718056
    """
    xp, dtype, x, l, t = elementwise(x=x, logits=logits, temperature=temperature)
    with np.errstate(all="ignore"):
        return _result(xp, _log_sigmoid(xp, _v(xp, x, l, t)), x, l, t, dtype)


def log_cdf_vjp(g: Array, x: Unit, logits: Real, temperature: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: with :math:`s = \sigma(-v)`, :math:`\partial_l = -s`, :math:`\partial_t = y s`,
    :math:`\partial_x = t s / (x (1-x))`; limits on the edges.
    """
    return _slopes(g, x, logits, temperature, lambda xp, v: _sigmoid(xp, -v), 1.0)


def log_sf(x: Unit, logits: Real, temperature: Positive) -> Array:
    r"""Logarithm of the survival function.

    .. math:: \log(1 - F(x; l, t)) = -\log(1 + e^{t y - l}), \qquad y = \log \frac{x}{1-x}

    x, logits, temperature: broadcast together. 0 up to 0, -inf from 1 on. Otherwise as `cdf`.
    Source: Maddison, Mnih and Teh (2017), appendix B.

    >>> round(float(log_sf(0.5, 0.0, 2.0)), 12)  # -log(2)
    -0.69314718056
    """
    xp, dtype, x, l, t = elementwise(x=x, logits=logits, temperature=temperature)
    with np.errstate(all="ignore"):
        return _result(xp, _log_sigmoid(xp, -_v(xp, x, l, t)), x, l, t, dtype)


def log_sf_vjp(g: Array, x: Unit, logits: Real, temperature: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents: with :math:`s = \sigma(v)`, :math:`\partial_l = s`, :math:`\partial_t = -y s`,
    :math:`\partial_x = -t s / (x (1-x))`; limits on the edges.
    """
    return _slopes(g, x, logits, temperature, lambda xp, v: _sigmoid(xp, v), -1.0)


def icdf(u: Unit, logits: Real, temperature: Positive) -> Array:
    r"""Quantile function.

    .. math:: F^{-1}(u; l, t) = \sigma\Bigl(\frac{l + \log(u / (1-u))}{t}\Bigr)

    u, logits, temperature: broadcast together. 0 and 1 at u = 0 and 1; u outside [0, 1] and invalid parameters: nan.
    Source: Maddison, Mnih and Teh (2017), appendix B.

    >>> float(icdf(0.5, 0.0, 2.0))
    0.5
    """
    return _quantile(logits, temperature, u=u)


def icdf_vjp(g: Array, u: Unit, logits: Real, temperature: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of u, logits and temperature, with w the argument of sigma and :math:`s = \sigma(w) \sigma(-w)`.

    .. math:: \partial_u = \frac{s}{t \, u (1-u)}, \qquad \partial_l = \frac{s}{t}, \qquad \partial_t = -\frac{w s}{t}
    """
    return _quantile_vjp(g, logits, temperature, u=u)


def sample(noise: Unit, logits: Real, temperature: Positive) -> Array:
    r"""A relaxed bit from one uniform number, by inversion: logistic noise, shifted, scaled and squashed.

    .. math:: x = \sigma\Bigl(\frac{l + \log(u / (1-u))}{t}\Bigr)

    noise: uniform in (0, 1); noise, logits, temperature: broadcast together; noise outside [0, 1] and invalid
    parameters: nan. Source: Maddison, Mnih and Teh (2017), appendix B.

    >>> float(sample(0.5, 0.0, 2.0))
    0.5
    """
    return _quantile(logits, temperature, noise=noise)


def sample_vjp(g: Array, noise: Unit, logits: Real, temperature: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of noise, logits and temperature, with w the argument of sigma and :math:`s = \sigma(w) \sigma(-w)`.

    .. math:: \partial_u = \frac{s}{t \, u (1-u)}, \qquad \partial_l = \frac{s}{t}, \qquad \partial_t = -\frac{w s}{t}
    """
    return _quantile_vjp(g, logits, temperature, noise=noise)


def maximum_likelihood(data: Unit) -> Parameters:
    r"""Logits and temperature of largest likelihood.

    .. math:: \hat l = \frac{m}{s}, \qquad \hat t = \frac1s

    for the location m and the scale s that `refengine.distributions.logistic.maximum_likelihood` finds for
    :math:`y_i = \log(x_i / (1 - x_i))`, which have the logistic distribution with :math:`m = l/t` and :math:`s = 1/t`.

    data: (N,). nan where there is no estimate: all data equal, fewer than two, one outside (0, 1). Found for the
    differences of y to one in the middle, which the rounding of y would spoil. Maddison, Mnih and Teh (2017), appendix
    B; Johnson et al. (1995), chapter 23.

    >>> found = maximum_likelihood([0.25, 0.5, 0.75])
    >>> round(float(found.logits), 12) + 0.0
    0.0
    """
    xp, dtype, x = elementwise(data=data)
    with np.errstate(all="ignore"):
        level, steps = _log_odds(xp, x)
        m, s = logistic.maximum_likelihood(steps)
        return Parameters(*(xp.astype(v, dtype, copy=False) for v in ((level + m) / s, 1 / s)))


def maximum_likelihood_vjp(g: Parameters, data: Unit) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem for m and s.

    .. math:: g_m = \frac{g_l}{s}, \qquad g_s = -\frac{g_l \, m + g_t}{s^2}, \qquad
              \frac{d y}{d x} = \frac{1}{x (1 - x)}
    """
    xp, dtype, g_logits, g_temperature, x = elementwise(logits=g[0], temperature=g[1], data=data)
    with np.errstate(all="ignore"):
        level, steps = _log_odds(xp, x)
        m, s = logistic.maximum_likelihood(steps)
        to_loc, to_scale = g_logits / s, -(g_logits * ((level + m) / s) + g_temperature / s) / s
        (slope,) = logistic.maximum_likelihood_vjp(logistic.Parameters(to_loc, to_scale), steps)
        return (xp.astype(slope / x / (1 - x), dtype, copy=False),)


def _log_odds(xp: Any, x: Array) -> tuple[Array, Array]:
    """Those of the datum in the middle, and how much larger the others' are; nan where one is not in (0, 1)."""
    check_shape("data", x, ("N",))
    if not (x.shape[0] and bool(xp.all((x > 0) & (x < 1)))):
        return xp.asarray(xp.nan), x * xp.nan
    middle = xp.sort(x)[x.shape[0] // 2]
    ratio = (x - middle) / middle / (1 - x)  # of odds, less 1
    near = xp.abs(ratio) < 0.5
    far = log_quotient(xp, x, middle + 0.0 * x, (1 - middle) / (1 - x))
    return _logit(xp, middle), xp.where(near, xp.log1p(xp.where(near, ratio, 0.0)), far)


def _valid(xp: Any, x: Array, l: Array, t: Array) -> Array:
    return (xp.abs(l) < xp.inf) & (t > 0) & (t < xp.inf) & ~xp.isnan(x)


def _result(xp: Any, value: Array, x: Array, l: Array, t: Array, dtype: Any) -> Array:
    return xp.astype(xp.where(_valid(xp, x, l, t), value, xp.nan), dtype, copy=False)


def _inner(xp: Any, x: Array, l: Array, t: Array) -> tuple[Array, Array, Array]:
    """The arguments, replaced by harmless ones where they are not inside their domains."""
    valid = _valid(xp, x, l, t)
    return xp.where((x > 0) & (x < 1), x, 0.5), xp.where(valid, l, 0.0), xp.where(valid, t, 1.0)


def _logit(xp: Any, x: Array) -> Array:
    near = (x > 0.25) & (x < 0.75)
    z = xp.where(near, x, 0.5)
    return xp.where(near, xp.log1p((2 * z - 1) / (1 - z)), xp.log(x) - xp.log1p(-x))


def _v(xp: Any, x: Array, l: Array, t: Array) -> Array:
    """``t logit(x) - l``, infinite from the edges on."""
    z, a, s = _inner(xp, x, l, t)
    return xp.where(x <= 0, -xp.inf, xp.where(x >= 1, xp.inf, s * _logit(xp, z) - a))


def _sigmoid(xp: Any, v: Array) -> Array:
    e = xp.exp(-xp.abs(v))
    return xp.where(v < 0, e, 1.0) / (1 + e)


def _log_sigmoid(xp: Any, v: Array) -> Array:
    return xp.where(v < 0, v, 0.0) - xp.log1p(xp.exp(-xp.abs(v)))


def _slopes(g: Array, x: Array, logits: Array, temperature: Array, outer: Any, sign: float) -> tuple[Any, Any, Any]:
    """Cotangents of a function of ``v = t y - l`` whose derivative is ``sign * outer(v)``, with the edges' limits."""
    xp, dtype, g, x1, l, t = elementwise(g=g, x=x, logits=logits, temperature=temperature)
    with np.errstate(all="ignore"):
        z, _, s = _inner(xp, x1, l, t)
        y, slope = _logit(xp, z), outer(xp, _v(xp, x1, l, t))
        side = 2 * xp.astype(x1 < 0.5, xp.float64) - 1
        off, edge = (x1 < 0) | (x1 > 1), (x1 == 0) | (x1 == 1)
        flat = xp.where(t < 1, xp.inf, xp.where(t > 1, 0.0, xp.exp(-side * l)))
        dx = xp.where(edge, xp.where(slope == 0, flat, xp.inf), s * slope / z / (1 - z))
        dt = xp.where(edge, xp.where(slope == 0, 0.0, -side * xp.inf), y * slope)
        slopes = (sign * dx, -sign * slope, sign * dt)
        return _cotangents(xp, g, slopes, off, (x1, l, t), (x, logits, temperature), dtype)


def _quantile(logits: Array, temperature: Array, **uniform: Array) -> Array:
    xp, dtype, u, l, t = elementwise(**uniform, logits=logits, temperature=temperature)
    with np.errstate(all="ignore"):
        value = _sigmoid(xp, (l + _logit(xp, u)) / t)
        return _result(xp, xp.where((u >= 0) & (u <= 1), value, xp.nan), u, l, t, dtype)


def _quantile_vjp(g: Array, logits: Array, temperature: Array, **uniform: Array) -> tuple[Any, Any, Any]:
    xp, dtype, g, u, l, t = elementwise(g=g, **uniform, logits=logits, temperature=temperature)
    with np.errstate(all="ignore"):
        z, a, s = _inner(xp, u, l, t)
        w = (a + _logit(xp, z)) / s
        slope = _sigmoid(xp, w) * _sigmoid(xp, -w) / s
        spread = xp.where(xp.abs(w) < 600, slope / z / (1 - z), xp.exp(-xp.abs(w) - xp.log(z) - xp.log1p(-z)) / s)
        side = 2 * xp.astype(u < 0.5, xp.float64) - 1
        at_edge = xp.where(t > 1, xp.inf, xp.where(t < 1, 0.0, xp.exp(side * l)))
        edge, off = (u == 0) | (u == 1), (u < 0) | (u > 1)
        slopes = (
            xp.where(edge, at_edge, spread),
            xp.where(edge, 0.0, slope),
            xp.where(edge | (slope == 0), 0.0, -w * slope),
        )
        slopes = tuple(xp.where(off, xp.nan, d) for d in slopes)
        (name,) = uniform
        return _cotangents(xp, g, slopes, off & ~off, (u, l, t), (uniform[name], logits, temperature), dtype)


def _cotangents(
    xp: Any, g: Array, slopes: Any, off: Array, checked: Any, arguments: Any, dtype: Any
) -> tuple[Any, Any, Any]:
    valid = _valid(xp, *checked)
    dx, dl, dt = (
        unbroadcast(g * xp.where(valid, xp.where(off, 0.0, slope), xp.nan), argument, dtype)
        for slope, argument in zip(slopes, arguments, strict=True)
    )
    return dx, dl, dt
