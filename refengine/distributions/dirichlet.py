r"""Dirichlet distribution on the simplex, :math:`f(x; \alpha) = \prod_i x_i^{\alpha_i - 1} / B(\alpha)`.

Points x and shapes alpha lie on the last axis (..., K). With :math:`A = \sum_i \alpha_i`,
:math:`B(\alpha) = \prod_i \Gamma(\alpha_i) / \Gamma(A)`. A float64 row seldom sums to 1: the density is
the formula as it stands, a function of K numbers in [0, 1], whatever their sum, and its gradient is the ambient one.
"""

from __future__ import annotations

from math import lgamma
from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_shape, promote, unbroadcast
from refengine.distributions._concrete import less_share
from refengine.distributions._deviance import bent, beside, shares_vjp, top_and_rest
from refengine.distributions._noise import uniform as noise
from refengine.distributions._rows import every, rows, sum_row
from refengine.distributions._twice import cross, single, total
from refengine.domains import Array, Positive, Unit
from refengine.special._digamma_family import (
    inverse_trigamma_lack,
    log_less_digamma_change,
    stirling_bend,
    trigamma_excess,
    trigamma_excess_fall,
)
from refengine.special._incomplete import incomplete_gamma
from refengine.special._incomplete_inverse import gamma_quantile
from refengine.special._polygamma import trigamma
from refengine.special._saddle_point import (
    log1p_minus,
    log_minus_digamma,
    log_product,
    log_quotient,
    remainder,
    weight,
)
from refengine.special.digamma_difference import _trigamma_fall, digamma_difference

__all__ = [
    "entropy",
    "entropy_vjp",
    "kl_divergence",
    "kl_divergence_vjp",
    "log_prob",
    "log_prob_value_and_vjp",
    "log_prob_vjp",
    "maximum_likelihood",
    "maximum_likelihood_vjp",
    "mean",
    "mean_vjp",
    "mode",
    "mode_vjp",
    "noise",
    "sample",
    "sample_vjp",
    "variance",
    "variance_vjp",
]


def log_prob(x: Unit, alpha: Positive) -> Array:
    r"""Logarithm of the Dirichlet density, accurate to a few ulp for shapes of any size.

    .. math:: \log f(x; \alpha) = \log\Gamma(A) - \sum_i \log\Gamma(\alpha_i) + \sum_i (\alpha_i - 1) \log x_i

    x, alpha: (..., K), leading axes broadcast; result: (...). float32 when every floating array is, else float64, and
    float64 inside. The sum of x is not tested. Where an entry of x is 0, value and gradients are the limits from
    inside: the value is inf for alpha below 1 there, finite at 1, -inf above; nan where two entries disagree. An entry
    outside [0, 1]: -inf and zero gradients. Shapes that are not positive and finite, and nan: nan.

    Loader's saddle point (2000) for K shapes, from which the large terms have been cancelled on paper: A x - alpha is
    computed with twice the digits. Definition: Kotz, Balakrishnan and Johnson (2000), chapter 49.

    >>> round(float(np.exp(log_prob([0.25, 0.75], [2.0, 1.0]))), 15)  # 2 x
    0.5
    >>> round(float(np.exp(log_prob([0.0, 0.5, 0.5], [1.0, 1.0, 1.0]))), 12)
    2.0
    """
    xp, dtype, x, alpha = rows({"x": x, "alpha": alpha})
    with np.errstate(all="ignore"):
        z, a = xp.where(x > 0, x, 1.0), xp.where(_valid(xp, alpha), alpha, 1.0)
        value = xp.where(every(xp, (x >= 0) & (x <= 1)), _saddle_point(xp, xp.where(x > 0, x, 0.0), z, a), -xp.inf)
        value = xp.where(_defined(xp, x, alpha), value + _faces(xp, x, alpha), xp.nan)
        return xp.astype(value[..., 0], dtype, copy=False)


def log_prob_vjp(g: Array, x: Unit, alpha: Positive) -> tuple[Array, Array]:
    r"""Cotangents of x and alpha.

    .. math:: \partial_{x_i} = \frac{\alpha_i - 1}{x_i}, \qquad
              \partial_{\alpha_i} = \log x_i + \psi(A) - \psi(\alpha_i)
              = \log \frac{x_i A}{\alpha_i} + h(\alpha_i) - h(A), \qquad h(a) = \log a - \psi(a)

    where log x cancels the digammas near the mode; for alpha < 1 first :math:`\psi(a) = \psi(a+1) - 1/a` in both, which
    leaves :math:`1/\alpha_i - 1/A`. On a face x = 0 the limits are inf, 0 or -inf to x for alpha above, at or below
    1, and -inf to alpha.
    """
    xp, dtype, y, a, g = rows({"x": x, "alpha": alpha}, {"g": g})
    with np.errstate(all="ignore"):
        dx = xp.where(a == 1, 0.0, (a - 1) / xp.abs(y))
        da = _shape_slopes(xp, y, xp.where(_valid(xp, a), a, 1.0))
        inside, agree = every(xp, (y >= 0) & (y <= 1)), ~xp.isnan(_faces(xp, y, a))
        good = _defined(xp, y, a) & (agree | ~inside)
        dx, da = (g * xp.where(good, xp.where(inside, slope, 0.0), xp.nan) for slope in (dx, da))
        return unbroadcast(dx, x, dtype), unbroadcast(da, alpha, dtype)


def log_prob_value_and_vjp(g: Array, x: Unit, alpha: Positive) -> tuple[Array, tuple[Array, Array]]:
    """`log_prob` and `log_prob_vjp`, which share little but the arguments here; kernels make one pass of both.

    >>> value, (dx, da) = log_prob_value_and_vjp(1.0, [0.5, 0.5], [1.0, 2.0])
    >>> dx.tolist()
    [0.0, 2.0]
    """
    return log_prob(x, alpha), log_prob_vjp(g, x, alpha)


def entropy(alpha: Positive) -> Array:
    r"""Differential entropy in nats.

    .. math:: H = \log B(\alpha) + (A - K) \psi(A) - \sum_i (\alpha_i - 1) \psi(\alpha_i)

    alpha: (..., K); result: (...). For K = 1, a point: 0. Shapes that are not positive and finite: nan. The leading
    terms of Stirling's series are cancelled on paper. Source: Kotz, Balakrishnan and Johnson (2000), chapter 49.

    >>> float(entropy([1.0, 1.0]))  # uniform on a segment
    0.0
    """
    xp, dtype, alpha = rows({"alpha": alpha})
    with np.errstate(all="ignore"):
        a = xp.where(_valid(xp, alpha), alpha, 1.0)
        size, all_a = a.shape[-1], sum_row(xp, a)
        own = xp.log(a / all_a / weight(xp, a)) + (a - 1) * log_minus_digamma(xp, a) + remainder(xp, a)
        rest = xp.log(weight(xp, all_a)) - (all_a - size) * log_minus_digamma(xp, all_a) - remainder(xp, all_a)
        # near the uniform density the entropy is that of the latter, less the divergence from it
        near = every(xp, (a >= 0.5) & (a <= 2))
        by_divergence = -_divergence(xp, xp.where(near, a, 1.0), 1 + 0 * a) - lgamma(size)
        value = xp.where(near, by_divergence, sum_row(xp, own) + rest) if size > 1 else 0 * rest
        return xp.astype(xp.where(every(xp, _valid(xp, alpha)), value + 0.0, xp.nan)[..., 0], dtype, copy=False)


def entropy_vjp(g: Array, alpha: Positive) -> tuple[Array]:
    r"""Cotangent of alpha, with :math:`c(a) = a \psi'(a) - 1`, which is small for large shapes.

    .. math:: \partial_{\alpha_i} = (A - K) \psi'(A) - (\alpha_i - 1) \psi'(\alpha_i)
              = c(A) - K \psi'(A) - c(\alpha_i) + \psi'(\alpha_i)
    """
    xp, dtype, a, g = rows({"alpha": alpha}, {"g": g})
    with np.errstate(all="ignore"):
        shape = xp.where(_valid(xp, a), a, 1.0)
        size, all_a = a.shape[-1], sum_row(xp, shape)
        own = xp.where(shape < 1, (1 - shape) * trigamma(xp, shape), trigamma(xp, shape) - trigamma_excess(xp, shape))
        whole = xp.where(
            all_a < 1, (all_a - size) * trigamma(xp, all_a), trigamma_excess(xp, all_a) - size * trigamma(xp, all_a)
        )
        # the ones that c leaves out: those of the small shapes are in their own terms
        own = xp.where(shape < 1, own + 1, own)
        whole = xp.where(all_a < 1, whole - 1, whole)
        return (unbroadcast(g * xp.where(every(xp, _valid(xp, a)), own + whole, xp.nan), alpha, dtype),)


def mean(alpha: Positive) -> Array:
    r"""Mean.

    .. math:: \operatorname{E} x_i = \frac{\alpha_i}{A}

    alpha: (..., K); result: (..., K). Shapes that are not positive and finite: nan.
    Source: Kotz, Balakrishnan and Johnson (2000), chapter 49.

    >>> mean([1.0, 3.0]).tolist()
    [0.25, 0.75]
    """
    xp, dtype, a = rows({"alpha": alpha})
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(every(xp, _valid(xp, a)), a / sum_row(xp, a), xp.nan), dtype, copy=False)


def mean_vjp(g: Array, alpha: Positive) -> tuple[Array]:
    r"""Cotangent of alpha: :math:`(g_i - \sum_j g_j \alpha_j / A) / A`."""
    xp, dtype, a, g = rows({"alpha": alpha, "g": g})
    with np.errstate(all="ignore"):
        return (unbroadcast(xp.where(every(xp, _valid(xp, a)), shares_vjp(xp, g, a), xp.nan), alpha, dtype),)


def variance(alpha: Positive) -> Array:
    r"""Variance of each entry.

    .. math:: \operatorname{var} x_i = \frac{\alpha_i (A - \alpha_i)}{A^2 (A + 1)}

    alpha: (..., K); result: (..., K). Shapes that are not positive and finite: nan.
    Source: Kotz, Balakrishnan and Johnson (2000), chapter 49.

    >>> variance([1.0, 1.0]).tolist()
    [0.08333333333333333, 0.08333333333333333]
    """
    xp, dtype, a = rows({"alpha": alpha})
    with np.errstate(all="ignore"):
        _, rest, (all_a, _) = top_and_rest(xp, a)
        value = (a / all_a) * (rest / all_a) / (all_a + 1)
        return xp.astype(xp.where(every(xp, _valid(xp, a)), value, xp.nan), dtype, copy=False)


def variance_vjp(g: Array, alpha: Positive) -> tuple[Array]:
    r"""Cotangent of alpha, with :math:`r_i = A - \alpha_i`, whose derivative to every other shape is 1.

    .. math:: \frac{g_i r_i + \sum_{j \ne i} g_j \alpha_j}{A^2 (A + 1)}
              - \Bigl(\frac{2}{A} + \frac{1}{A+1}\Bigr) \sum_j g_j v_j
    """
    xp, dtype, a, g = rows({"alpha": alpha, "g": g})
    with np.errstate(all="ignore"):
        top, rest, (all_a, _) = top_and_rest(xp, a)
        own, others = g * (rest / all_a), beside(xp, g * (a / all_a), top)
        shrink = (2 / all_a + 1 / (all_a + 1)) * sum_row(xp, g * (a / all_a) * (rest / all_a))
        slope = ((own + others) / all_a - shrink) / (all_a + 1)
        return (unbroadcast(xp.where(every(xp, _valid(xp, a)), slope, xp.nan), alpha, dtype),)


def mode(alpha: Positive) -> Array:
    r"""Mode, where there is exactly one.

    .. math:: x_i = \frac{\alpha_i - 1}{A - K}

    alpha: (..., K); result: (..., K). It exists for shapes from 1 on that are not all 1; otherwise (a plateau, infinite
    density on a face) and for shapes that are not positive and finite: nan.
    Source: Kotz, Balakrishnan and Johnson (2000), chapter 49.

    >>> mode([2.0, 4.0]).tolist()
    [0.25, 0.75]
    """
    xp, dtype, a = rows({"alpha": alpha})
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(_unimodal(xp, a), (a - 1) / sum_row(xp, a - 1), xp.nan), dtype, copy=False)


def mode_vjp(g: Array, alpha: Positive) -> tuple[Array]:
    r"""Cotangent of alpha: :math:`(g_i - \sum_j g_j x_j) / (A - K)`; for a shape of 1 the limit from above."""
    xp, dtype, a, g = rows({"alpha": alpha, "g": g})
    with np.errstate(all="ignore"):
        slope = shares_vjp(xp, g, xp.where(_unimodal(xp, a), a - 1, 1.0))
        return (unbroadcast(xp.where(_unimodal(xp, a), slope, xp.nan), alpha, dtype),)


def kl_divergence(alpha_p: Positive, alpha_q: Positive) -> Array:
    r"""Kullback-Leibler divergence of two Dirichlet distributions.

    .. math:: \log \frac{B(\beta)}{B(\alpha)} + \sum_i (\alpha_i - \beta_i) [\psi(\alpha_i) - \psi(A)]

    alpha_p (alpha), alpha_q (beta): (..., K), leading axes broadcast; result: (...). Shapes that are not positive and
    finite: nan. It is the sum over i, less the same of A and B, of how much log-gamma bends from alpha to beta: with
    log-gamma in Stirling's parts, those of x log x become minus the sum of :math:`\beta_i [\log(1 + t_i) - t_i]`
    for :math:`t_i = \alpha_i B / (\beta_i A) - 1`, and nothing cancels for nearly equal shapes of any size.
    Source: Penny (2001).

    >>> round(float(kl_divergence([1.0, 1.0], [2.0, 1.0])), 12)  # 1 - log(2)
    0.30685281944
    """
    xp, dtype, p, q = rows({"alpha_p": alpha_p, "alpha_q": alpha_q})
    with np.errstate(all="ignore"):
        valid = every(xp, _valid(xp, p) & _valid(xp, q))
        p, q = xp.where(valid, p, 1.0), xp.where(valid, q, 1.0)
        value = _divergence(xp, p, q)
        return xp.astype(xp.where(valid, value, xp.nan)[..., 0], dtype, copy=False)


def kl_divergence_vjp(g: Array, alpha_p: Positive, alpha_q: Positive) -> tuple[Array, Array]:
    r"""Cotangents of alpha and beta.

    .. math:: \partial_{\alpha_i} = (\alpha_i - \beta_i) \psi'(\alpha_i) - (A - B) \psi'(A), \qquad
              \partial_{\beta_i} = \psi(\beta_i) - \psi(\alpha_i) - \psi(B) + \psi(A)

    the latter as one logarithm, of :math:`\beta_i A / (\alpha_i B)`, and differences of :math:`\log x - \psi(x)`.
    """
    xp, dtype, p, q, g = rows({"alpha_p": alpha_p, "alpha_q": alpha_q}, {"g": g})
    with np.errstate(all="ignore"):
        valid = every(xp, _valid(xp, p) & _valid(xp, q))
        p, q = xp.where(valid, p, 1.0), xp.where(valid, q, 1.0)
        e, all_p, all_q, change = _against(xp, p, q)
        dp = _slopes_to_first(xp, p, q, all_p, all_q, change)
        t = -e / p * (all_p / all_q)
        logs = xp.where(t > -0.5, xp.log1p(xp.maximum(t, xp.asarray(-0.5))), log_quotient(xp, q, p, all_p / all_q))
        rest = log_less_digamma_change(xp, p, q, q - p) - log_less_digamma_change(xp, all_p, all_q, change)
        (_, rest_p, _), (_, rest_q, _) = top_and_rest(xp, p), top_and_rest(xp, q)
        apart = (p > all_p / 2) & (xp.abs(q - p) > p / 2)
        dq = xp.where(apart, digamma_difference(p, rest_p) - digamma_difference(q, rest_q), logs + rest)
        dp, dq = (g * xp.where(valid, slope, xp.nan) for slope in (dp, dq))
        return unbroadcast(dp, alpha_p, dtype), unbroadcast(dq, alpha_q, dtype)


def sample(noise: Unit, alpha: Positive) -> Array:
    r"""A point of the simplex from K uniform numbers: gamma variates by inversion, over their sum.

    .. math:: x_i = \frac{G_i}{\sum_j G_j}, \qquad P(\alpha_i, G_i) = u_i

    noise: (..., K), uniform in (0, 1); alpha: (..., K), leading axes broadcast; result: (..., K). The variates stay
    logarithms until the end: those of small shapes, which underflow, keep their proportions. Noise outside (0, 1),
    shapes that are not positive and finite: nan. P is the regularised incomplete gamma function, NIST DLMF 8.2.4.

    >>> sample([0.5, 0.5], [1.0, 1.0]).tolist()
    [0.5, 0.5]
    """
    xp, dtype, u, a = rows({"noise": noise, "alpha": alpha})
    with np.errstate(all="ignore"):
        good = _drawable(xp, u, a)
        logs, _, _ = _log_gammas(xp, xp.where(good, u, 0.5), xp.where(good, a, 1.0))
        return xp.astype(xp.where(good, _softmax(xp, logs), xp.nan), dtype, copy=False)


def sample_vjp(g: Array, noise: Unit, alpha: Positive) -> tuple[Array, Array]:
    r"""Cotangents of noise and alpha, by the implicit function theorem for the inversion.

    .. math:: b_i = x_i \Bigl(g_i - \sum_j g_j x_j\Bigr), \qquad
              \partial_{u_i} = b_i \frac{\partial \log G_i}{\partial u_i}
              = \frac{b_i}{G_i \, p(G_i)}, \qquad
              \partial_{\alpha_i} = b_i \frac{\partial \log G_i}{\partial \alpha_i}
              = -\frac{b_i}{G_i \, p(G_i)} \frac{\partial P(\alpha_i, G_i)}{\partial \alpha_i}
    """
    xp, dtype, u, a, g = rows({"noise": noise, "alpha": alpha, "g": g})
    with np.errstate(all="ignore"):
        good = _drawable(xp, u, a)
        logs, by_u, by_a = _log_gammas(xp, xp.where(good, u, 0.5), xp.where(good, a, 1.0))
        x = _softmax(xp, logs)
        back = x * less_share(xp, g, x, g * x)
        du, da = (xp.where(good, back * slope, xp.nan) for slope in (by_u, by_a))
        return unbroadcast(du, noise, dtype), unbroadcast(da, alpha, dtype)


def maximum_likelihood(data: Unit) -> Array:
    r"""The shapes that make observed points most probable.

    .. math:: \psi(\hat\alpha_i) - \psi(\hat A) = \frac{1}{N} \sum_j \log x_{ji}

    data: (N, K); result: (K,). Newton's steps on the K equations, each at the cost of the diagonal, until nothing
    changes. The maximum exists, and is unique, where all entries are positive, K > 1 and the geometric means of the
    columns sum to less than 1; otherwise (one row, equal rows, no rows, an entry outside (0, 1]): nan. The rows' sums
    are not tested. Source: Minka (2000), section 1.

    >>> maximum_likelihood([[0.25, 0.75], [0.75, 0.25]]).round(6).tolist()
    [1.953895, 1.953895]
    """
    xp, dtype, x, good = observed(data)
    with np.errstate(all="ignore"):
        return xp.astype(xp.where(good, _optimum(xp, x, good), xp.nan), dtype, copy=False)


def maximum_likelihood_vjp(g: Array, data: Unit) -> tuple[Array]:
    r"""Cotangent of the data, by the implicit function theorem for the equations of `maximum_likelihood`.

    .. math:: \partial_{x_{ji}} = \frac{c_i}{N x_{ji}}, \qquad c_i = \frac{g_i - b}{\psi'(\hat\alpha_i)}, \qquad
              b = \frac{\sum_i g_i / \psi'(\hat\alpha_i)}{\sum_i 1 / \psi'(\hat\alpha_i) - 1 / \psi'(\hat A)}

    where the denominator, which nears :math:`-(K-1)/2`, is a sum of :math:`1/\psi'(a) - a`.
    """
    xp, _, g = promote(g=g)
    xp, dtype, x, good = observed(data)
    with np.errstate(all="ignore"):
        a = _optimum(xp, x, good)
        c = newton(xp, as_float64(xp, "g", g), a)
        slope = c[None, :] / x / x.shape[0]
        return (xp.astype(xp.where(good, slope, xp.nan), dtype, copy=False),)


def _valid(xp: Any, alpha: Array) -> Array:
    return (alpha > 0) & (alpha < xp.inf)


def _defined(xp: Any, x: Array, alpha: Array) -> Array:
    return every(xp, _valid(xp, alpha) & ~xp.isnan(x))


def _faces(xp: Any, x: Array, alpha: Array) -> Array:
    """(..., 1): 0 inside, the infinite limit on a face, nan where two faces disagree or a shape is nan."""
    inside = every(xp, (x >= 0) & (x <= 1))
    at = xp.where((x == 0) & (alpha != 1) & inside, xp.sign(1 - alpha) * xp.inf, 0.0)
    return sum_row(xp, at)


def _saddle_point(xp: Any, x: Array, z: Array, a: Array) -> Array:
    """The value, with the logarithms of z and the excess of x: on a face x is 0 and z is 1, where alpha is 1."""
    one, all_a, all_x = single(1 + 0 * a), total(xp, single(a)), total(xp, single(x))
    wide = (all_a[0] + 0 * a, all_a[1] + 0 * a)
    e = cross(single(x), wide, single(a), one)
    deviance = xp.where(x > 0, bent(xp, a, e, log_product(xp, z, all_a[0] / a)), a * xp.log(all_a[0] / a) - e)
    off = all_a[0] * ((all_x[0] - 1) + all_x[1])
    density = log_quotient(xp, weight(xp, a), z, 1 + 0 * a) - remainder(xp, a)
    return sum_row(xp, deviance + density) + off - (xp.log(weight(xp, all_a[0])) - remainder(xp, all_a[0]))


def _shape_slopes(xp: Any, x: Array, a: Array) -> Array:
    _, rest, (all_a, _) = top_and_rest(xp, a)
    steep = a < 1
    p, q = xp.where(steep, a + 1, a), xp.where(steep, all_a + 1, all_a)
    slope = log_product(xp, x, q / p) + (log_minus_digamma(xp, p) - log_minus_digamma(xp, q))
    return slope + xp.where(steep, rest / all_a / a, 0.0)


def _drawable(xp: Any, u: Array, a: Array) -> Array:
    return every(xp, _valid(xp, a) & (u > 0) & (u < 1))


def _softmax(xp: Any, z: Array) -> Array:
    weight_of = xp.exp(z - xp.max(z, axis=-1, keepdims=True))
    return weight_of / sum_row(xp, weight_of)


def _log_gammas(xp: Any, u: Array, a: Array) -> tuple[Array, Array, Array]:
    """Logarithms of gamma quantiles, and their derivatives to u and a; far below 1, P(a, x) is x^a / Gamma(a + 1)."""
    x = gamma_quantile(xp, a, u, 1 - u)
    tiny = x < 1e-20
    z = xp.where(tiny, 1.0, x)
    found = incomplete_gamma(xp, a, z)
    level = xp.log(u) + remainder(xp, a) + xp.where(a < 1, a * xp.log(a) - a, 0.0)  # of log(u a!), for small a
    # what rounding the quantile took, in its logarithm: a density of large shape changes by more than an ulp over it
    lack = xp.where(u < 0.5, xp.log(u) - found.log_lower, found.log_upper - xp.log1p(-u))
    step = lack / xp.where(u < 0.5, found.lower_rate, found.upper_rate)
    logs = xp.where(tiny, level / a, xp.log(z) + step)
    by_u = xp.where(tiny, 1 / a / u, xp.exp((z - a) * step) / found.mass)
    by_a = xp.where(tiny, (log1p_digamma(xp, a) - level / a) / a, -found.drifts[0])
    return logs, by_u, by_a


def log1p_digamma(xp: Any, a: Array) -> Array:
    """The digamma of a + 1."""
    return xp.log1p(a) - log_minus_digamma(xp, a + 1)


def _unimodal(xp: Any, a: Array) -> Array:
    return every(xp, (a >= 1) & (a < xp.inf)) & xp.any(a > 1, axis=-1, keepdims=True)


def _against(xp: Any, p: Array, q: Array) -> tuple[Array, Array, Array, Array]:
    """``p B / A - q``, the sums A of p and B of q, and B - A."""
    all_p, all_q = total(xp, single(p)), total(xp, single(q))
    wide_p, wide_q = ((s[0] + 0 * p, s[1] + 0 * p) for s in (all_p, all_q))
    e = cross(single(p), wide_q, single(q), wide_p) / all_p[0]
    return e, all_p[0], all_q[0], (all_q[0] - all_p[0]) + (all_q[1] - all_p[1])


def _bend_of_half(xp: Any, p: Array, q: Array, d: Array) -> Array:
    """How much ``-log(x) / 2`` bends from p to q."""
    t = d / p
    return (
        -xp.where(t > -0.5, log1p_minus(xp, xp.maximum(t, xp.asarray(-0.5))), log_quotient(xp, q, p, 1 + 0 * t) - t) / 2
    )


def _divergence(xp: Any, p: Array, q: Array) -> Array:
    e, all_p, all_q, change = _against(xp, p, q)
    main = -bent(xp, q, e, log_quotient(xp, p, q, all_q / all_p))  # p B / (q A) - 1 is e / q
    own = _bend_of_half(xp, p, q, q - p) + stirling_bend(xp, p, q, q - p)
    whole = _bend_of_half(xp, all_p, all_q, change) + stirling_bend(xp, all_p, all_q, change)
    return sum_row(xp, main + own) - whole if p.shape[-1] > 1 else 0 * whole


def _slopes_to_first(xp: Any, p: Array, q: Array, all_p: Array, all_q: Array, change: Array) -> Array:
    """``(p - q) psi'(p) - (A - B) psi'(A)``, less what both have in common where shapes shrink or one outweighs all."""
    top, rest, _ = top_and_rest(xp, p)
    d, slope, whole = q - p, trigamma(xp, p), trigamma(xp, all_p)
    plain = change * whole - d * slope
    shrunk = trigamma_excess(xp, p) - trigamma_excess(xp, all_p) - q * slope + all_q * whole
    far = (d < -p / 2) & (change < -all_p / 2)
    fall = _trigamma_fall(xp, p, rest)
    outweighs = xp.where(
        far,
        trigamma_excess_fall(xp, p, rest) - q * fall + beside(xp, q, top) * whole,
        beside(xp, d, top) * whole - d * fall,
    )
    return xp.where(top & (p > all_p / 2), outweighs, xp.where(far, shrunk, plain))


def observed(data: Array) -> tuple[Any, Any, Array, Array]:
    """``xp, dtype, x, good``: the data in float64, harmless where the maximum does not exist, and whether it does."""
    xp, dtype, x = promote(data=data)
    check_shape("data", x, ("N", "K"))
    x = xp.astype(x, xp.float64, copy=False)
    with np.errstate(all="ignore"):
        if x.shape[0] < 2 or x.shape[1] < 2:
            return xp, dtype, 0.5 + 0 * x, xp.asarray(False)
        inside = xp.all((x > 0) & (x <= 1)) & ~xp.all(x == x[:1, :])
        z = xp.where(inside, x, 0.5)
        gap = 1 - xp.sum(xp.exp(xp.mean(xp.log(z), axis=0)))
        return xp, dtype, z, inside & (gap > 0)


def newton(xp: Any, g: Array, a: Array) -> Array:
    """``M^-1 g`` for ``M = diag(psi'(a)) - psi'(A)``, minus the matrix of second derivatives."""
    slope, all_a = trigamma(xp, a), xp.sum(a)
    lack = inverse_trigamma_lack(xp, all_a) - xp.sum(inverse_trigamma_lack(xp, a))
    # beside one shape that outweighs the others: 1/psi'(a) - 1/psi'(A) of that one is a difference of trigammas
    top, rest, _ = top_and_rest(xp, a)
    fall = _trigamma_fall(xp, a, rest) / slope / trigamma(xp, all_a)
    few = xp.sum(xp.where(top, -fall, 1 / slope))
    return (g - xp.sum(g / slope) / xp.where(xp.sum(xp.where(top, 0.0, a)) < 1, few, lack)) / slope


def _optimum(xp: Any, x: Array, good: Array) -> Array:
    """The root of the score; steps may not change a shape by more than a factor of ten."""
    if not bool(good):
        return 1 + 0 * xp.sum(x, axis=0)
    logs = xp.mean(xp.log(x), axis=0)
    size, share = x.shape[1], xp.exp(logs)
    all_a = (size - 1) / 2 / xp.maximum(-xp.log(xp.sum(share)), xp.asarray(1e-16))
    a = xp.maximum(all_a * share / xp.sum(share), 0.5 / (1 - logs))
    best = xp.inf
    for _ in range(200):
        score = xp.mean(log_product(xp, x, (xp.sum(a) / a)[None, :]), axis=0)
        score = score + log_minus_digamma(xp, a) - log_minus_digamma(xp, xp.sum(a))
        step = xp.clip(newton(xp, score, a) / a, -0.9, 9.0)
        a, size_of_step = a * (1 + step), float(xp.max(xp.abs(step)))
        if size_of_step < 1e-15 or (size_of_step < 1e-9 and size_of_step >= best):
            break
        best = size_of_step
    return a
