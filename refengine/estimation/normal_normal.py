r"""Mean of normal data of known variance under a normal prior: :math:`x_i \sim N(\mu, v)`,
:math:`\mu \sim N(\mathrm{loc}, \mathrm{scale}^2)`.

Data: x (..., N); prior: loc, scale (...); the known variance v of one observation (...). Axes before N are independent
problems. No data, N = 0, leave the prior.

scale and variance that are not positive and finite, and data or loc that are not finite: nan. Results are float32 when
every floating array is, else float64, and float64 inside. Shapes that do not broadcast are a ValueError.
"""

from __future__ import annotations

from math import pi
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import elementwise, promote, unbroadcast
from refengine.domains import Array, Positive, Real
from refengine.estimation._problem import cotangent, cotangents, mean_of, per_row, problem, to_every
from refengine.estimation._spread import deviation

__all__ = [
    "Parameters",
    "log_evidence",
    "log_evidence_vjp",
    "maximum_a_posteriori",
    "maximum_a_posteriori_vjp",
    "maximum_likelihood",
    "maximum_likelihood_vjp",
    "posterior",
    "posterior_vjp",
    "predictive_log_prob",
    "predictive_log_prob_vjp",
    "predictive_standard_deviation",
    "predictive_standard_deviation_vjp",
]


class Parameters(NamedTuple):
    """Mean and standard deviation of a normal distribution, each (...)."""

    loc: Real
    scale: Positive


class _Posterior(NamedTuple):
    """What the functions share: T = v + N s^2, the shares of prior and data in the mean, and the mean."""

    total: Array
    prior_share: Array
    datum_share: Array
    loc: Array
    scale: Array


def posterior(x: Real, loc: Real, scale: Positive, variance: Positive) -> Parameters:
    r"""Mean and standard deviation of the posterior normal distribution.

    .. math:: \mathrm{loc}' = \frac{v\,\mathrm{loc} + s^2 \sum_i x_i}{v + N s^2}, \qquad
              s' = s \sqrt{\frac{v}{v + N s^2}}

    x: (..., N); loc, scale s, variance v: (...); the fields of the result: (...). Gelman et al., Bayesian Data Analysis
    (2013), eq. 2.11 and 2.12.

    >>> after = posterior([3.0, 5.0], 0.0, 1.0, 2.0)
    >>> float(after.loc), float(after.scale)**2
    (2.0, 0.5000000000000001)
    """
    xp, dtype, *arrays = _checked(x, loc, scale, variance)
    with np.errstate(all="ignore"):
        after = _posterior(xp, *arrays)
        return Parameters(*(xp.astype(p, dtype, copy=False) for p in (after.loc, after.scale)))


def posterior_vjp(
    g: Parameters, x: Real, loc: Real, scale: Positive, variance: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of x, loc, scale and variance; g may hold None for a field without cotangent.

    With :math:`T = v + N s^2` and the shares :math:`w = v / T`, :math:`u = s^2 / T`, for which w + N u = 1, and
    :math:`\delta = \sum_i (x_i - \mathrm{loc})`:

    .. math:: \partial_{x_i} \mathrm{loc}' = u, \quad \partial_\mathrm{loc} = w, \quad
              \partial_s = \frac{2 s w}{T}\,\delta, \quad \partial_v = -\frac uT\,\delta; \qquad
              \partial_s s' = w \sqrt w, \quad \partial_v s' = \frac{N u s'}{2 v}
    """
    xp, dtype, *arrays = _checked(x, loc, scale, variance)
    with np.errstate(all="ignore"):
        after = _posterior(xp, *arrays)
        to_loc, to_scale = cotangents(xp, g, after.loc.shape, after.loc.shape)
        _s, v, n = arrays[2], arrays[3], arrays[0].shape[-1]
        to_s = to_scale * after.prior_share * xp.sqrt(after.prior_share)
        to_v = to_scale * n * after.datum_share * after.scale / v / 2
        return _from_loc(xp, dtype, after, to_loc, to_s, to_v, arrays, x, loc, scale, variance)


def log_evidence(x: Real, loc: Real, scale: Positive, variance: Positive) -> Array:
    r"""Logarithm of the density of the data, the mean integrated out.

    .. math:: \log p(x) = -\frac N2 \log 2 \pi v - \frac12 \log\frac Tv - \frac1{2v} \sum_i (x_i - \bar x)^2
              - \frac{N (\bar x - \mathrm{loc})^2}{2 T}, \qquad T = v + N s^2

    x: (..., N); loc, scale s, variance v: (...); result (...). N = 0: log 1 = 0. A normal distribution with covariance
    :math:`v I + s^2 1 1^\top`. Murphy (2007), eq. 42.

    >>> float(log_evidence([0.0], 0.0, 1.0, 1.0)), round(-float(np.log(4 * np.pi)) / 2, 12)
    (-1.2655121234846454, -1.265512123485)
    """
    xp, dtype, x, loc, s, v = _checked(x, loc, scale, variance)
    with np.errstate(all="ignore"):
        n = x.shape[-1]
        deviation, squares, total = _moments(xp, x, loc, s, v)
        value = -n * xp.log(2 * pi * v) / 2 - xp.log1p(n * s * s / v) / 2
        value = value - squares / v / 2 - n * deviation * deviation / total / 2
        return xp.astype(value, dtype, copy=False)


def log_evidence_vjp(
    g: Array, x: Real, loc: Real, scale: Positive, variance: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of x, loc, scale and variance.

    With :math:`d = \bar x - \mathrm{loc}` and :math:`S = \sum_i (x_i - \bar x)^2`:

    .. math:: \partial_{x_i} = -\frac{x_i - \mathrm{loc}}{T} - \frac{N s^2 (x_i - \bar x)}{v T}, \quad
              \partial_\mathrm{loc} = \frac{N d}{T}, \quad
              \partial_s = \frac{N s}{T} \Bigl(\frac{N d^2}{T} - 1\Bigr), \quad
              \partial_v = \frac1{2v} \Bigl(\frac Sv - (N - 1)\Bigr) + \frac1{2T} \Bigl(\frac{N d^2}{T} - 1\Bigr)
    """
    xp, dtype, x1, loc1, s, v = _checked(x, loc, scale, variance)
    with np.errstate(all="ignore"):
        n = x1.shape[-1]
        d, squares, total = _moments(xp, x1, loc1, s, v)
        g = cotangent(xp, g, d.shape)
        excess = n * d * d / total - 1
        from_loc, from_mean = x1 - per_row(loc1 + 0.0 * d), x1 - per_row(mean_of(xp, x1))
        to_x = -per_row(g) * (from_loc / per_row(total) + from_mean * per_row(n * s * s / v / total))
        to_v = ((squares / v - (n - 1)) / v + excess / total) / 2
        to_v = to_v if n else xp.zeros_like(to_v) + xp.where(xp.isnan(total), xp.asarray(xp.nan), 0.0)
        return (
            unbroadcast(to_x, x, dtype),
            unbroadcast(g * n * d / total, loc, dtype),
            unbroadcast(g * (n * s / total) * excess, scale, dtype),
            unbroadcast(g * to_v, variance, dtype),
        )


def maximum_likelihood(x: Real) -> Array:
    r"""The mean that makes the data most probable, whatever their variance.

    .. math:: \hat\mu = \frac1N \sum_i x_i

    x: (..., N); result (...). No data: nan. Murphy (2007), eq. 4.

    >>> float(maximum_likelihood([3.0, 5.0]))
    4.0
    """
    xp, dtype, x = problem("x", x=x)
    with np.errstate(all="ignore"):
        return xp.astype(xp.sum(_finite(xp, x), axis=-1) / (x.shape[-1] or xp.nan), dtype, copy=False)


def maximum_likelihood_vjp(g: Array, x: Real) -> tuple[Array]:
    r"""Cotangent of the data, :math:`\bar x_i = g / N`."""
    xp, dtype, x1 = problem("x", x=x)
    with np.errstate(all="ignore"):
        g = cotangent(xp, g, x1.shape[:-1]) + 0.0 * xp.sum(_finite(xp, x1), axis=-1)
        return (to_every(xp, g / (x1.shape[-1] or xp.nan), x1.shape[-1], x, dtype),)


def maximum_a_posteriori(x: Real, loc: Real, scale: Positive, variance: Positive) -> Array:
    r"""The mode of the posterior density, which is its mean.

    .. math:: \hat\mu = \frac{v\,\mathrm{loc} + s^2 \sum_i x_i}{v + N s^2}

    x: (..., N); loc, scale s, variance v: (...); result (...). Gelman et al. (2013), eq. 2.12.

    >>> float(maximum_a_posteriori([3.0, 5.0], 0.0, 1.0, 2.0))
    2.0
    """
    return posterior(x, loc, scale, variance).loc


def maximum_a_posteriori_vjp(
    g: Array, x: Real, loc: Real, scale: Positive, variance: Positive
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents of x, loc, scale and variance: those of :math:`\mathrm{loc}'` in `posterior_vjp`."""
    return posterior_vjp(Parameters(g, None), x, loc, scale, variance)


def predictive_log_prob(new: Real, x: Real, loc: Real, scale: Positive, variance: Positive) -> Array:
    r"""Logarithm of the density of a new observation given the data.

    .. math:: \log p(x^* \mid x) = -\frac12 \log 2 \pi P - \frac{(x^* - \mathrm{loc}')^2}{2 P}, \qquad P = v + s'^2

    with loc' and s' of `posterior`. new: real numbers that broadcast with the problems (...), each a prediction of its
    own; x: (..., N); loc, scale s, variance v: (...). Gelman et al. (2013), section 2.5.

    >>> round(float(predictive_log_prob(2.0, [3.0, 5.0], 0.0, 1.0, 2.0)), 12), round(-float(np.log(5 * np.pi)) / 2, 12)
    (-1.377083899142, -1.377083899142)
    """
    xp, dtype, new, arrays = _before_prediction(new, x, loc, scale, variance)
    with np.errstate(all="ignore"):
        after = _posterior(xp, *arrays)
        spread = arrays[3] + after.scale * after.scale
        return xp.astype(-xp.log(2 * pi * spread) / 2 - (new - after.loc) ** 2 / spread / 2, dtype, copy=False)


def predictive_log_prob_vjp(
    g: Array, new: Real, x: Real, loc: Real, scale: Positive, variance: Positive
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of new, x, loc, scale and variance.

    With :math:`r = x^* - \mathrm{loc}'`, :math:`\partial_{x^*} = -r / P = -\partial_{\mathrm{loc}'}` and
    :math:`\partial_P = (r^2 / P - 1) / (2 P)`; on to the arguments as in `posterior_vjp`, and

    .. math:: \partial_s P = 2 s w^2, \qquad \partial_v P = 1 + N u^2
    """
    xp, dtype, new1, arrays = _before_prediction(new, x, loc, scale, variance)
    with np.errstate(all="ignore"):
        after, n = _posterior(xp, *arrays), arrays[0].shape[-1]
        spread = arrays[3] + after.scale * after.scale
        rest = new1 - after.loc
        g = cotangent(xp, g, rest.shape)
        to_spread = g * (rest * rest / spread - 1) / spread / 2
        to_s = to_spread * 2 * arrays[2] * after.prior_share * after.prior_share
        to_v = to_spread * (1 + n * after.datum_share * after.datum_share)
        back = _from_loc(xp, dtype, after, g * rest / spread, to_s, to_v, arrays, x, loc, scale, variance)
        return unbroadcast(-g * rest / spread, new, dtype), *back


def predictive_standard_deviation(new: Real, x: Real, loc: Real, scale: Positive, variance: Positive) -> Array:
    r"""Standard deviation of the density of a new observation under the posterior, relative to its mean.

    .. math:: \frac{\mathrm{sd}[p(x^* \mid \mu)]}{E[p(x^* \mid \mu)]} = \sqrt{e^\rho - 1}, \qquad
              \rho = -\frac12 \log\Bigl(1 - \frac{q^2}{P^2}\Bigr) + \frac{q\, r^2}{P (P + q)}, \quad
              q = s'^2, \; P = v + q, \; r = x^* - \mathrm{loc}'

    with loc' and s' of `posterior`. Over the square root of S it is the exact standard error of a mean over S draws;
    `monte_carlo.predictive <refengine.estimation.monte_carlo.predictive>` estimates it. Arguments broadcast as in
    `predictive_log_prob`. By completing the square in the integral of :math:`p^2`, which has the variance v / 2; Gelman
    et al. (2013), section 2.5.

    >>> round(float(predictive_standard_deviation(0.0, [], 0.0, 1.0, 1.0)) ** 2, 12), round(2 / 3**0.5 - 1, 12)
    (0.154700538379, 0.154700538379)
    """
    xp, dtype, new, arrays = _before_prediction(new, x, loc, scale, variance)
    with np.errstate(all="ignore"):
        return xp.astype(deviation(xp, _rho(xp, new, _posterior(xp, *arrays), arrays[3])[0])[0], dtype, copy=False)


def predictive_standard_deviation_vjp(
    g: Array, new: Real, x: Real, loc: Real, scale: Positive, variance: Positive
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of new, x, loc, scale and variance.

    With M = P + q = v + 2q, and q and v independent:

    .. math:: \partial_r \rho = \frac{2 q r}{P M}, \quad
              \partial_q \rho = \frac{q}{P M} + \frac{r^2 (v^2 - 2 q^2)}{P^2 M^2}, \quad
              \partial_v \rho = -\frac{q^2}{v P M} - \frac{q r^2 (P + M)}{P^2 M^2}

    :math:`\partial \sqrt{e^\rho - 1} = e^\rho \partial \rho / (2 \sqrt{e^\rho - 1})`,
    :math:`q = s'^2` has :math:`\partial_s q = 2 s w^2` and :math:`\partial_v q = N u^2`, and the rest is as in
    `posterior_vjp`.
    """
    xp, dtype, new1, arrays = _before_prediction(new, x, loc, scale, variance)
    with np.errstate(all="ignore"):
        after, n = _posterior(xp, *arrays), arrays[0].shape[-1]
        rho, to_r, to_q, to_v = _rho(xp, new1, after, arrays[3])
        slope = deviation(xp, rho)[1]
        g = cotangent(xp, g, slope.shape) * slope
        to_s = g * to_q * 2 * arrays[2] * after.prior_share * after.prior_share
        to_v = g * (to_v + to_q * n * after.datum_share * after.datum_share)
        back = _from_loc(xp, dtype, after, -g * to_r, to_s, to_v, arrays, x, loc, scale, variance)
        return unbroadcast(g * to_r, new, dtype), *back


def _rho(xp: Any, new: Array, after: _Posterior, v: Array) -> tuple[Array, Array, Array, Array]:
    """Rho and its derivatives to r, q and v."""
    q = after.scale * after.scale
    total, more, r = v + q, v + 2 * q, new - after.loc
    share, square = q / total, r * r / total / more
    to_q = share / more + square * ((v / total) * (v / more) - 2 * share * (q / more))
    to_v = -share * (q / v / more) - square * q * (1 / total + 1 / more)
    width = xp.where(share < 0.7, -xp.log1p(-share * share), xp.log((total / v) * (total / more))) / 2
    return width + q * square, 2 * share * r / more, to_q, to_v


def _finite(xp: Any, x: Array) -> Array:
    return xp.where(xp.isfinite(x), x, xp.nan)


def _checked(x: Array, loc: Array, scale: Array, variance: Array) -> tuple[Any, Any, *tuple[Any, ...]]:
    """``xp, dtype, x, loc, s, v``, nan for values outside their domains."""
    xp, dtype, x, loc, s, v = problem("x", x=x, loc=loc, scale=scale, variance=variance)
    s, v = (xp.where((p > 0) & (p < xp.inf), p, xp.nan) for p in (s, v))
    return xp, dtype, _finite(xp, x), _finite(xp, loc), s, v


def _moments(xp: Any, x: Array, loc: Array, s: Array, v: Array) -> tuple[Array, Array, Array]:
    """Mean less loc, sum of squares around the mean, v + N s^2; nan of all where one is undefined."""
    n, mean = x.shape[-1], mean_of(xp, x)
    squares = xp.sum((x - per_row(mean)) ** 2, axis=-1)
    total = v + n * s * s + 0.0 * (mean + loc)
    return mean - loc + 0.0 * total, squares + 0.0 * total, total


def _posterior(xp: Any, x: Array, loc: Array, s: Array, v: Array) -> _Posterior:
    n = x.shape[-1]
    total = v + n * s * s + 0.0 * (xp.sum(x, axis=-1) + loc)
    prior, datum = v / total, s * s / total
    return _Posterior(total, prior, datum, prior * loc + datum * xp.sum(x, axis=-1), s * xp.sqrt(prior))


def _from_loc(
    xp: Any,
    dtype: Any,
    after: _Posterior,
    to_loc: Array,
    to_s: Array,
    to_v: Array,
    arrays: Any,
    *given: Array,
) -> tuple[Array, Array, Array, Array]:
    """Cotangents of the arguments from that of the posterior's mean, and what s and v have from elsewhere."""
    x, loc, s, _ = arrays
    surplus = xp.sum(x - per_row(loc + 0.0 * after.total), axis=-1) / after.total
    to_s = to_s + to_loc * 2 * s * after.prior_share * surplus
    to_v = to_v - to_loc * after.datum_share * surplus
    return (
        to_every(xp, to_loc * after.datum_share, x.shape[-1], given[0], dtype),
        unbroadcast(to_loc * after.prior_share, given[1], dtype),
        unbroadcast(to_s, given[2], dtype),
        unbroadcast(to_v, given[3], dtype),
    )


def _before_prediction(new: Array, *arguments: Array) -> tuple[Any, ...]:
    names = ("x", "loc", "scale", "variance")
    xp, dtype, *_ = promote(new=new, **dict(zip(names, arguments, strict=True)))
    _, _, *arrays = _checked(*arguments)
    lead = xp.sum(arrays[0], axis=-1) + arrays[1] + arrays[2] + arrays[3]
    _, _, new, _ = elementwise(new=new, posterior=lead)
    return xp, dtype, _finite(xp, new), arrays
