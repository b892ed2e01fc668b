r"""Mean and variance of normal data under a normal-inverse-gamma prior:
:math:`x_i \sim N(\mu, \sigma^2)`, :math:`\mu \mid \sigma^2 \sim N(\mathrm{loc}, \sigma^2 / \kappa)`,
:math:`\sigma^2 \sim \mathrm{InvGamma}(\mathrm{concentration}, \mathrm{rate})`.

Data: x (..., N); prior: loc, kappa, concentration, rate (...). Axes before N are independent problems. kappa counts
observations: the prior of the mean is worth as many as that. No data, N = 0, leave the prior.

kappa, concentration and rate that are not positive and finite, and data or loc that are not finite: nan. Results are
float32 when every floating array is, else float64, and float64 inside. Shapes that do not broadcast are a ValueError.
"""

from __future__ import annotations

from math import log, pi
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import elementwise, promote, unbroadcast
from refengine.domains import Array, Positive, Real
from refengine.estimation._evidence import log_rise, shape_slope
from refengine.estimation._problem import cotangent, cotangents, mean_of, per_row, problem
from refengine.special._saddle_point import log1p_minus

__all__ = [
    "Estimate",
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
]


class Parameters(NamedTuple):
    """Parameters of a normal-inverse-gamma distribution, each (...)."""

    loc: Real
    kappa: Positive
    concentration: Positive
    rate: Positive


class Estimate(NamedTuple):
    """Mean and variance of the observations, each (...)."""

    loc: Real
    variance: Positive


def posterior(x: Real, loc: Real, kappa: Positive, concentration: Positive, rate: Positive) -> Parameters:
    r"""Parameters of the posterior normal-inverse-gamma distribution.

    .. math:: \mathrm{loc}' = \frac{\kappa\,\mathrm{loc} + N \bar x}{\kappa'}, \quad \kappa' = \kappa + N, \quad
              a' = a + \frac N2, \quad
              b' = b + Q,

    .. math:: Q = \frac12 \sum_i (x_i - \bar x)^2 + \frac{\kappa N}{2 \kappa'} (\bar x - \mathrm{loc})^2

    x: (..., N); loc, kappa, concentration a, rate b: (...); the fields of the result: (...). Murphy (2007), eq.
    197-200.

    >>> after = posterior([3.0, 5.0], 0.0, 2.0, 1.0, 0.5)
    >>> [float(p) for p in after]
    [2.0, 4.0, 2.0, 9.5]
    """
    xp, dtype, *arrays = _checked(x, loc, kappa, concentration, rate)
    with np.errstate(all="ignore"):
        return Parameters(*(xp.astype(p, dtype, copy=False) for p in _posterior(xp, *arrays)))


def posterior_vjp(
    g: Parameters, x: Real, loc: Real, kappa: Positive, concentration: Positive, rate: Positive
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of x, loc, kappa, concentration and rate; g may hold None for a field without cotangent.

    With :math:`d = \bar x - \mathrm{loc}`, for which :math:`\mathrm{loc} - \mathrm{loc}' = -N d / \kappa'`:

    .. math:: \partial_{x_i} \mathrm{loc}' = \frac1{\kappa'}, \quad \partial_\mathrm{loc} = \frac\kappa{\kappa'}, \quad
              \partial_\kappa = -\frac{N d}{\kappa'^2}; \qquad
              \partial_{x_i} b' = x_i - \mathrm{loc}', \quad \partial_\mathrm{loc} = -\frac{\kappa N d}{\kappa'}, \quad
              \partial_\kappa = \frac12 \Bigl(\frac{N d}{\kappa'}\Bigr)^2
    """
    xp, dtype, *arrays = _checked(x, loc, kappa, concentration, rate)
    with np.errstate(all="ignore"):
        after = _posterior(xp, *arrays)
        to = cotangents(xp, g, *(after.loc.shape,) * 4)
        return _back(xp, dtype, to, after, arrays, x, loc, kappa, concentration, rate)


def log_evidence(x: Real, loc: Real, kappa: Positive, concentration: Positive, rate: Positive) -> Array:
    r"""Logarithm of the density of the data, mean and variance integrated out.

    .. math:: \log p(x) = \log \frac{\Gamma(a')}{\Gamma(a)} + a \log b - a' \log b' + \frac12 \log\frac\kappa{\kappa'}
              - \frac N2 \log 2 \pi

    with a' and b' of `posterior`. x: (..., N); loc, kappa, concentration a, rate b: (...); result (...). N = 0:
    log 1 = 0.

    With h = N / 2 and :math:`e = (h b - a Q) / b'` Stirling's leading terms cancel on paper and leave
    :math:`h \log\frac{a'}{2 \pi b'} - \frac{a' Q}{b'} + a [\log(1 + \frac ea) - \frac ea]` and small corrections.
    Murphy (2007), eq. 203.

    >>> round(float(log_evidence([0.0], 0.0, 1.0, 1.0, 1.0)), 12), round(-float(np.log(4)), 12)
    (-1.38629436112, -1.38629436112)
    """
    xp, dtype, *arrays = _checked(x, loc, kappa, concentration, rate)
    with np.errstate(all="ignore"):
        parts, after = _squares(xp, *arrays[:3]), _posterior(xp, *arrays)
        return xp.astype(_log_evidence(xp, arrays[0].shape[-1], parts, after, *arrays[2:]), dtype, copy=False)


def log_evidence_vjp(
    g: Array, x: Real, loc: Real, kappa: Positive, concentration: Positive, rate: Positive
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of x, loc, kappa, concentration and rate.

    With d, e and h as above, :math:`l(a) = \log a - \psi(a)`, :math:`\tau = a' / b'`, the posterior precision, and
    :math:`q = \kappa N d^2 / (2 \kappa')`, the part of Q that comes from the mean:

    .. math:: \partial_{x_i} = -\tau (x_i - \mathrm{loc}'), \quad
              \partial_\mathrm{loc} = \tau \frac{\kappa N d}{\kappa'}, \quad
              \partial_\kappa = \frac{N}{\kappa \kappa'} \Bigl(\frac12 - \tau q\Bigr)
              = \frac{N}{\kappa \kappa'} \frac{(b + Q - q) / 2 - (a + (N - 1) / 2) q}{b'}, \quad
              \partial_a = \log\Bigl(1 + \frac ea\Bigr) + l(a) - l(a'), \quad \partial_b = -\frac eb
    """
    xp, dtype, *arrays = _checked(x, loc, kappa, concentration, rate)
    with np.errstate(all="ignore"):
        parts, after = _squares(xp, *arrays[:3]), _posterior(xp, *arrays)
        g = cotangent(xp, g, after.loc.shape)
        to_kappa, to_a, to_b = _evidence_slopes(xp, arrays[0].shape[-1], parts, after, *arrays[2:])
        zero = 0.0 * after.loc
        by_rate = zero, zero, zero, -g * after.concentration / after.rate
        to_x, to_loc = _back(xp, dtype, by_rate, after, arrays, x, loc, None, None, None)
        return (
            to_x,
            to_loc,
            unbroadcast(g * to_kappa, kappa, dtype),
            unbroadcast(g * to_a, concentration, dtype),
            unbroadcast(g * to_b, rate, dtype),
        )


def maximum_likelihood(x: Real) -> Estimate:
    r"""Mean and variance that make the data most probable.

    .. math:: \hat\mu = \bar x = \frac1N \sum_i x_i, \qquad \hat\sigma^2 = \frac1N \sum_i (x_i - \bar x)^2

    x: (..., N); the fields of the result: (...). Equal observations, as a single one, have no estimate (the density has
    no bound where the variance goes to 0), and no observations neither: nan. Murphy (2007), eq. 4 and 6.

    >>> [float(v) for v in maximum_likelihood([3.0, 5.0])]
    [4.0, 1.0]
    """
    xp, dtype, x = _data(x)
    with np.errstate(all="ignore"):
        mean, centred, size = _centred(xp, x)
        estimates = mean + 0.0 * size, xp.sum(centred * centred, axis=-1) / size
        return Estimate(*(xp.astype(v, dtype, copy=False) for v in estimates))


def maximum_likelihood_vjp(g: Estimate, x: Real) -> tuple[Array]:
    r"""Cotangent of the data.

    .. math:: \bar x_i = \frac1N \bigl[\bar\mu + 2 \bar v (x_i - \bar x)\bigr]
    """
    xp, dtype, x1 = _data(x)
    with np.errstate(all="ignore"):
        _, centred, size = _centred(xp, x1)
        to_mean, to_variance = cotangents(xp, g, size.shape, size.shape)
        return (unbroadcast(per_row(to_mean / size) + 2 * per_row(to_variance / size) * centred, x, dtype),)


def maximum_a_posteriori(x: Real, loc: Real, kappa: Positive, concentration: Positive, rate: Positive) -> Estimate:
    r"""The joint mode of the posterior density of mean and variance.

    .. math:: \hat\mu = \mathrm{loc}', \qquad \hat\sigma^2 = \frac{b'}{a' + 3/2}

    with the parameters of `posterior`. x: (..., N); loc, kappa, concentration a, rate b: (...); the fields of the
    result: (...). It is the mode of the density in mean and variance together; the mode of the variance alone would be
    :math:`b' / (a' + 1)`. Murphy (2007), section 6.

    >>> [float(v) for v in maximum_a_posteriori([3.0, 5.0], 0.0, 2.0, 1.0, 0.5)]
    [2.0, 2.7142857142857144]
    """
    xp, dtype, *arrays = _checked(x, loc, kappa, concentration, rate)
    with np.errstate(all="ignore"):
        after = _posterior(xp, *arrays)
        estimates = after.loc, after.rate / (after.concentration + 1.5)
        return Estimate(*(xp.astype(v, dtype, copy=False) for v in estimates))


def maximum_a_posteriori_vjp(
    g: Estimate, x: Real, loc: Real, kappa: Positive, concentration: Positive, rate: Positive
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of x, loc, kappa, concentration and rate.

    .. math:: \partial_{b'} \hat\sigma^2 = \frac1{a' + 3/2}, \qquad
              \partial_{a'} \hat\sigma^2 = -\frac{\hat\sigma^2}{a' + 3/2}

    and from there as in `posterior_vjp`.
    """
    xp, dtype, *arrays = _checked(x, loc, kappa, concentration, rate)
    with np.errstate(all="ignore"):
        after = _posterior(xp, *arrays)
        to_loc, to_variance = cotangents(xp, g, after.loc.shape, after.loc.shape)
        to_b = to_variance / (after.concentration + 1.5)
        to = to_loc, 0.0 * to_loc, -to_b * (after.rate / (after.concentration + 1.5)), to_b
        return _back(xp, dtype, to, after, arrays, x, loc, kappa, concentration, rate)


def predictive_log_prob(
    new: Real, x: Real, loc: Real, kappa: Positive, concentration: Positive, rate: Positive
) -> Array:
    r"""Logarithm of the density of a new observation given the data.

    .. math:: \log p(x^* \mid x) = \log \frac{\Gamma(a' + \frac12)}{\Gamma(a')} - \frac12 \log
              \frac{2 \pi b' (\kappa' + 1)}{\kappa'} - \Bigl(a' + \frac12\Bigr) \log
              \Bigl(1 + \frac{\kappa' (x^* - \mathrm{loc}')^2}
              {2 b' (\kappa' + 1)}\Bigr)

    with the parameters of `posterior`. new: real numbers that broadcast with the problems (...), each a prediction of
    its own; x: (..., N); loc, kappa, concentration, rate: (...). A Student distribution of 2a' degrees of freedom;
    Murphy (2007), eq. 206.

    >>> round(float(predictive_log_prob(0.0, [], 0.0, 1.0, 1.0, 1.0)), 12), round(-float(np.log(4)), 12)
    (-1.38629436112, -1.38629436112)
    """
    xp, dtype, new, arrays = _before_prediction(new, x, loc, kappa, concentration, rate)
    with np.errstate(all="ignore"):
        before = _posterior(xp, *arrays)
        parts, after = _one_more(xp, new, before)
        return xp.astype(_log_evidence(xp, 1, parts, after, *before[1:]), dtype, copy=False)


def predictive_log_prob_vjp(
    g: Array, new: Real, x: Real, loc: Real, kappa: Positive, concentration: Positive, rate: Positive
) -> tuple[Array, Array, Array, Array, Array, Array]:
    r"""Cotangents of new, x, loc, kappa, concentration and rate.

    Those of the evidence of the new observation at the posterior's parameters, as in `log_evidence_vjp` with
    :math:`N = 1`, and from there as in `posterior_vjp`.
    """
    xp, dtype, new1, arrays = _before_prediction(new, x, loc, kappa, concentration, rate)
    with np.errstate(all="ignore"):
        before = _posterior(xp, *arrays)
        parts, after = _one_more(xp, new1, before)
        g = cotangent(xp, g, after.loc.shape)
        slopes = (g * s for s in _evidence_slopes(xp, 1, parts, after, *before[1:]))
        to_new = -g * (after.concentration / after.rate) * (before.kappa / after.kappa) * (new1 - before.loc)
        back = _back(xp, dtype, (-to_new, *slopes), before, arrays, x, loc, kappa, concentration, rate)
        return unbroadcast(to_new, new, dtype), *back


def _finite(xp: Any, x: Array) -> Array:
    return xp.where(xp.isfinite(x), x, xp.nan)


def _data(x: Array) -> tuple[Any, Any, Array]:
    xp, dtype, x = problem("x", x=x)
    return xp, dtype, _finite(xp, x)


def _checked(x: Array, loc: Array, kappa: Array, concentration: Array, rate: Array) -> tuple[Any, ...]:
    """``xp, dtype, x, loc, kappa, a, b``, nan for values outside their domains, each with the problems' own shape."""
    names = {"loc": loc, "kappa": kappa, "concentration": concentration, "rate": rate}
    xp, dtype, x, loc, *others = problem("x", x=x, **names)
    others = [xp.where((p > 0) & (p < xp.inf), p, xp.nan) for p in others]
    return xp, dtype, _finite(xp, x), _finite(xp, loc), *others


def _centred(xp: Any, x: Array) -> tuple[Array, Array, Array]:
    """Mean, deviations from it, and the number of observations, nan where there is no variance."""
    mean = mean_of(xp, x)
    centred = x - per_row(mean)
    varied = xp.any(x != x[..., :1], axis=-1) if x.shape[-1] else xp.zeros(mean.shape, dtype=xp.bool)
    return mean, centred, xp.where(varied, 0.0 * mean + x.shape[-1], xp.nan)


def _squares(xp: Any, x: Array, loc: Array, kappa: Array) -> tuple[Array, Array]:
    """Q - q and q: what the data add to the rate around their own mean, and by its distance from loc."""
    n, mean = x.shape[-1], mean_of(xp, x)
    own = xp.sum((x - per_row(mean)) ** 2, axis=-1) / 2
    return own, n * (kappa / (kappa + n)) * (mean - loc) ** 2 / 2


def _posterior(xp: Any, x: Array, loc: Array, kappa: Array, a: Array, b: Array) -> Parameters:
    n = x.shape[-1]
    known = 0.0 * (xp.sum(x, axis=-1) + loc + kappa + a + b)
    own, moved = _squares(xp, x, loc, kappa)
    after = (kappa * loc + xp.sum(x, axis=-1)) / (kappa + n), kappa + n, a + n / 2, b + (own + moved)
    return Parameters(*(p + known for p in after))


def _one_more(xp: Any, new: Array, before: Parameters) -> tuple[tuple[Array, Array], Parameters]:
    """Q - q and q of one new observation, and the posterior that it leads to."""
    offset = new - before.loc
    moved = before.kappa / (before.kappa + 1) * offset * offset / 2
    after = (0.0 * offset, before.kappa + 1, before.concentration + 0.5, before.rate + moved)
    return (0.0 * moved, moved), Parameters(*(p + 0.0 * moved for p in after))


def _before_prediction(new: Array, *arguments: Array) -> tuple[Any, ...]:
    names = ("x", "loc", "kappa", "concentration", "rate")
    xp, dtype, *_ = promote(new=new, **dict(zip(names, arguments, strict=True)))
    _, _, *arrays = _checked(*arguments)
    with np.errstate(all="ignore"):
        _, _, new, _ = elementwise(new=new, posterior=_posterior(xp, *arrays).loc)
    return xp, dtype, _finite(xp, new), arrays


def _excess(n: int, parts: tuple[Array, Array], after: Parameters, a: Array, b: Array) -> Array:
    return n / 2 * (b / after.rate) - a * (sum(parts) / after.rate)


def _log_evidence(
    xp: Any, n: int, parts: tuple[Array, Array], after: Parameters, kappa: Array, a: Array, b: Array
) -> Array:
    h = xp.full(after.rate.shape, n / 2)
    e = _excess(n, parts, after, a, b)
    small = xp.where(e / a > -0.5, log1p_minus(xp, e / a), xp.log((after.concentration / a) * (b / after.rate)) - e / a)
    value = h * (xp.log(after.concentration / after.rate) - log(2 * pi))
    value = value - after.concentration * (sum(parts) / after.rate) + a * small + log_rise(xp, a, h)
    return value - xp.log1p(n / kappa) / 2 if n else 0.0 * after.rate


def _evidence_slopes(
    xp: Any, n: int, parts: tuple[Array, Array], after: Parameters, kappa: Array, a: Array, b: Array
) -> tuple[Array, Array, Array]:
    """Derivatives to kappa, a and b."""
    h, e, (own, moved) = xp.full(after.rate.shape, n / 2), _excess(n, parts, after, a, b), parts
    excess = ((b + own) / 2 - (a + (n - 1) / 2) * moved) / after.rate
    to_a = shape_slope(xp, a, h, e, (own + moved) / b)
    return n / kappa / (kappa + n) * excess, to_a, -e / b


def _back(xp: Any, dtype: Any, to: Any, after: Parameters, arrays: Any, *given: Array) -> tuple[Array, ...]:
    """Cotangents of the arguments from those of the posterior's parameters."""
    to_loc, to_kappa, to_a, to_b = to
    x, loc, kappa, *_ = arrays
    n = x.shape[-1]
    mean = mean_of(xp, x)
    step = (mean - loc) / after.kappa  # (loc' - loc) / n
    shares = per_row(kappa / after.kappa), per_row(n / after.kappa)
    centred = shares[0] * (x - per_row(loc + 0.0 * step)) + shares[1] * (x - per_row(mean))  # x - loc'
    cotangents = (
        per_row(to_loc / after.kappa) + per_row(to_b) * centred,
        (to_loc / after.kappa - to_b * n * step) * kappa,
        to_kappa - to_loc * n * step / after.kappa + to_b * (n * step) ** 2 / 2,
        to_a + 0.0 * after.loc,
        to_b + 0.0 * after.loc,
    )
    return tuple(unbroadcast(c, like, dtype) for c, like in zip(cotangents, given, strict=True) if like is not None)
