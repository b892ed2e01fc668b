r"""Von Mises-Fisher distribution on the unit sphere, :math:`f(x; \mu, \kappa) \propto e^{\kappa \mu \cdot x}`.

With :math:`\nu = D/2 - 1` and :math:`A_D = I_{\nu+1} / I_\nu`, the mean of the cosine :math:`\mu \cdot x`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import as_float64, check_shape, namespace, promote, unbroadcast
from refengine.distributions import _directions
from refengine.distributions._angle import Family
from refengine.distributions._directions import Noise, Turned, arguments, back, cotangent, log_area, noise
from refengine.domains import Array, NonNegative, Real
from refengine.special._bessel import Pieces
from refengine.special.stirling_error import stirling_error

__all__ = [
    "Noise",
    "Parameters",
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
]

NEWTON_STEPS = 8


def log_prob(x: Real, mean_direction: Real, concentration: NonNegative) -> Array:
    r"""Logarithm of the von Mises-Fisher density with respect to the area of the sphere.

    .. math:: \log f(x; \mu, \kappa) = \kappa \, \mu \cdot x + \nu \log\kappa
              - \tfrac{D}{2} \log 2\pi - \log I_\nu(\kappa)

    x, mean_direction: (..., D) with D >= 2, concentration: (...); the axes before the last broadcast together and are
    those of the result. float32 when every floating array is, else float64, and float64 inside. Unit vectors are taken
    as they come: the formula is evaluated off the sphere too, and nothing is normalised. Concentration 0 is the
    uniform distribution, exactly. A negative or infinite concentration, and nan: nan. Other shapes are a ValueError.

    Computed as :math:`\kappa \, \mu \cdot x - \log {}_0F_1(; D/2; \kappa^2/4) - \log(\text{area})`, in which nothing
    overflows or cancels for a small concentration: SciPy's density is infinite there in many dimensions.
    Mardia and Jupp (2000), eq. 9.3.4.

    >>> x, mu = np.array([0.6, 0.8, 0.0]), np.array([0.0, 1.0, 0.0])
    >>> round(float(log_prob(x, mu, 0.0)), 12)  # -log(4 pi)
    -2.531024246969
    """
    xp, dtype, x, mu, kappa = arguments(x=x, mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        k = _defined(xp, kappa)
        value = k * xp.sum(x * mu, axis=-1) - (log_normaliser(xp, k, x.shape[-1]) + log_area(x.shape[-1]))
        return xp.astype(value, dtype, copy=False)


def log_prob_vjp(g: Array, x: Real, mean_direction: Real, concentration: NonNegative) -> tuple[Array, Array, Array]:
    r"""Cotangents of x, mean_direction and concentration.

    .. math:: \partial_x = \kappa \mu, \qquad \partial_\mu = \kappa x, \qquad
              \partial_\kappa = \mu \cdot x - A_D(\kappa)

    the derivatives of the formula in all of space (ambient), since :math:`(\log(\kappa^{-\nu} I_\nu))' = A_D`. The
    tangent convention, which named alternatives give, is their part across the vector:
    :math:`\kappa (x - (\mu \cdot x) \mu)` for the mean direction.
    """
    like = (x, mean_direction, concentration)
    xp, dtype, x1, mu, kappa = arguments(x=x, mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        k = _defined(xp, kappa)
        cosine = xp.sum(x1 * mu, axis=-1)
        g = cotangent(g, cosine, k)
        dk = g * (cosine - mean_cosine(xp, k, x1.shape[-1]))
        weight = g * xp.where(xp.isnan(cosine), xp.nan, k)
        return back(weight, mu, like[0], dtype), back(weight, x1, like[1], dtype), unbroadcast(dk, like[2], dtype)


def log_prob_value_and_vjp(
    g: Array, x: Real, mean_direction: Real, concentration: NonNegative
) -> tuple[Array, tuple[Array, Array, Array]]:
    """`log_prob` and `log_prob_vjp`; kernels make one pass of both.

    >>> value, (dx, dmu, dk) = log_prob_value_and_vjp(1.0, np.array([0.6, 0.8]), np.array([0.0, 1.0]), 0.0)
    >>> dx.tolist(), float(dk)
    ([0.0, 0.0], 0.8)
    """
    return (
        log_prob(x, mean_direction, concentration),
        log_prob_vjp(g, x, mean_direction, concentration),
    )


class Parameters(NamedTuple):
    """What `maximum_likelihood` estimates."""

    mean_direction: Real
    concentration: NonNegative


def entropy(mean_direction: Real, concentration: NonNegative) -> Array:
    r"""Differential entropy with respect to the area of the sphere; at concentration 0 the logarithm of the area.

    .. math:: H = \log(\text{area}) + \log {}_0F_1(; D/2; \kappa^2/4) - \kappa A_D(\kappa)

    mean_direction: (..., D), which only says D; concentration: (...); the result has the shape of the axes before the
    last, broadcast. A negative or infinite concentration, and nan: nan. From Mardia and Jupp (2000), eq. 9.3.4; the
    linear terms of the two functions of the concentration are cancelled on paper.

    >>> round(float(entropy(np.array([0.0, 0.0, 1.0]), 0.0)), 12)  # log(4 pi)
    2.531024246969
    """
    xp, dtype, mu, kappa = arguments(mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        part = _pieces(xp, _defined(xp, kappa), mu.shape[-1]).entropy_part(_stirling(mu.shape[-1]))
        value = part + log_area(mu.shape[-1]) + 0.0 * xp.sum(mu, axis=-1)
        return xp.astype(value, dtype, copy=False)


def entropy_vjp(g: Array, mean_direction: Real, concentration: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents: 0 to mean_direction, and to the concentration :math:`\partial_\kappa H = -\kappa A_D'(\kappa)`."""
    like = (mean_direction, concentration)
    xp, dtype, mu, kappa = arguments(mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        k, nothing = _defined(xp, kappa), 0.0 * xp.sum(mu, axis=-1)
        g = cotangent(g, nothing, k)
        dk = g * (nothing - k * _pieces(xp, k, mu.shape[-1]).ratio_slope())
        return back(0.0 * dk, xp.ones_like(mu), like[0], dtype), unbroadcast(dk, like[1], dtype)


def mean(mean_direction: Real, concentration: NonNegative) -> Array:
    r"""Mean of x in space, shorter than a unit vector.

    .. math:: E[x] = A_D(\kappa) \mu

    mean_direction: (..., D), concentration: (...), broadcast; the result is (..., D). A negative or infinite
    concentration, and nan: nan. Mardia and Jupp (2000), eq. 9.3.7.

    >>> mean(np.array([0.0, 1.0]), 0.0).tolist()
    [0.0, 0.0]
    """
    xp, dtype, mu, kappa = arguments(mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        ratio = mean_cosine(xp, _defined(xp, kappa), mu.shape[-1]) + 0.0 * xp.sum(mu, axis=-1)
        return xp.astype(ratio[..., None] * mu, dtype, copy=False)


def mean_vjp(g: Array, mean_direction: Real, concentration: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents: :math:`\bar\mu = A_D \bar g`, :math:`\bar\kappa = A_D'(\kappa) \, \mu \cdot \bar g`."""
    like = (mean_direction, concentration)
    xp, dtype, mu, kappa = arguments(mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        k, pieces = _defined(xp, kappa), _pieces(xp, _defined(xp, kappa), mu.shape[-1])
        g = as_float64(xp, "g", g)
        dk = xp.sum(g * mu, axis=-1) * pieces.ratio_slope()
        spread = pieces.ratio() + 0.0 * k + 0.0 * xp.sum(mu, axis=-1)
        return back(spread, g, like[0], dtype), unbroadcast(dk, like[1], dtype)


def mode(mean_direction: Real, concentration: NonNegative) -> Array:
    r"""Where the density is largest, the mean direction; at concentration 0 that is everywhere: nan.

    .. math:: \arg\max_x \mu \cdot x = \mu

    mean_direction: (..., D) with D >= 2, concentration: (...), broadcast; the result is (..., D), the mean direction as
    it comes. A concentration that is negative or infinite, and nan: nan. Mardia and Jupp (2000), section 9.3.2.

    >>> mode(np.array([0.6, 0.8]), 2.0).tolist()
    [0.6, 0.8]
    """
    return _directions.mode(mean_direction, concentration)


def mode_vjp(g: Array, mean_direction: Real, concentration: NonNegative) -> tuple[Array, Array]:
    r"""Cotangents: :math:`\bar\mu = g, \bar\kappa = 0`, nan where there is no mode."""
    return _directions.mode_vjp(g, mean_direction, concentration)


def sample(noise: Noise, mean_direction: Real, concentration: NonNegative) -> Array:
    r"""Unit vectors from uniform and normal noise.

    .. math:: x = t \mu + \sqrt{1 - t^2} \, v, \qquad F(t; \kappa) = u, \qquad
              v = \frac{z - (\mu \cdot z) \mu}{\|z - (\mu \cdot z) \mu\|}

    where F is the distribution function of the cosine, whose density is proportional to
    :math:`e^{\kappa t} (1 - t^2)^{(D-3)/2}`. noise: uniform u, (...), and standard normals z, (..., D);
    mean_direction: (..., D) with D >= 2; concentration: (...); the axes before the last broadcast together, and the
    result is (..., D). The mean direction is taken as it comes. A negative or infinite concentration, noise that is
    infinite or not in (0, 1), and nan: nan. Tested for D to 32 and concentrations to 1e6. Mardia and Jupp (2000),
    eq. 9.3.12, with a quantile in place of rejection.

    >>> sample(Noise(0.5, [3.0, 4.0, 0.0]), [1.0, 0.0, 0.0], 0.0).round(12).tolist()
    [0.0, 1.0, 0.0]
    """
    return _directions.sample(_turned, noise, mean_direction, concentration)


def sample_vjp(g: Array, noise: Noise, mean_direction: Real, concentration: NonNegative) -> tuple[Noise, Array, Array]:
    r"""Pathwise cotangents of noise, mean_direction and concentration.

    With :math:`t = \cos\theta`, w the part of z across the mean direction, and
    :math:`\bar w = \sin\theta \, (g - (g \cdot v) v) / \|w\|`:

    .. math::
        \bar\theta = g \cdot (\cos\theta \, v - \sin\theta \, \mu), \quad \bar z = \bar w - (\bar w \cdot \mu) \mu,
        \quad \bar\mu = \cos\theta \, g - (\mu \cdot z) \bar w - (\bar w \cdot \mu) z

    where :math:`\bar z` is 0 for D = 2: v is one of two directions then. For the angle, whose density f is proportional
    to :math:`h = e^{\kappa\cos\theta} \sin^{D-2}\theta`, by the implicit function theorem

    .. math:: \partial_u \theta = -\frac1{f(\theta)}, \qquad
              \partial_\kappa \theta = -\frac1{h(\theta)} \int_0^\theta (\cos\phi - A_D(\kappa)) h(\phi) \, d\phi
    """
    return _directions.sample_vjp(g, _turned, noise, mean_direction, concentration)


def kl_divergence(
    mean_direction_p: Real, concentration_p: NonNegative, mean_direction_q: Real, concentration_q: NonNegative
) -> Array:
    r"""Kullback-Leibler divergence of q from p.

    .. math:: D(p \| q) = \log\frac{F(\kappa_q)}{F(\kappa_p)} + A_D(\kappa_p)
              (\kappa_p - \kappa_q \, \mu_p \cdot \mu_q), \qquad F(\kappa) = {}_0F_1(; D/2; \kappa^2/4)

    mean_direction_p, mean_direction_q: (..., D), concentration_p, concentration_q: (...), broadcast; the result is
    (...). Nothing is normalised. A concentration that is negative or infinite, and nan: nan. The expectation of the
    difference of two log densities, Mardia and Jupp (2000), eq. 9.3.4.

    >>> mu = np.array([0.0, 1.0])
    >>> float(kl_divergence(mu, 0.0, mu, 0.0))
    0.0
    """
    xp, dtype, p, kp, q, kq, d = _pair(mean_direction_p, concentration_p, mean_direction_q, concentration_q)
    with np.errstate(all="ignore"):
        cosine = xp.sum(p * q, axis=-1)
        pieces = _pieces(xp, kp, d)
        part = log_normaliser(xp, kq, d) - kq * pieces.ratio() * cosine
        return xp.astype(part - pieces.entropy_part(_stirling(d)), dtype, copy=False)


def kl_divergence_vjp(
    g: Array,
    mean_direction_p: Real,
    concentration_p: NonNegative,
    mean_direction_q: Real,
    concentration_q: NonNegative,
) -> tuple[Array, Array, Array, Array]:
    r"""Cotangents in the order of the arguments.

    .. math::
        \partial_{\mu_p} = -\kappa_q A_p \mu_q, \quad
        \partial_{\kappa_p} = A_p' (\kappa_p - \kappa_q \mu_p \cdot \mu_q), \quad
        \partial_{\mu_q} = -\kappa_q A_p \mu_p, \quad
        \partial_{\kappa_q} = A_q - A_p \, \mu_p \cdot \mu_q
    """
    like = (mean_direction_p, concentration_p, mean_direction_q, concentration_q)
    xp, dtype, p, kp, q, kq, d = _pair(*like)
    with np.errstate(all="ignore"):
        cosine = xp.sum(p * q, axis=-1)
        pieces, ratio_q = _pieces(xp, kp, d), mean_cosine(xp, kq, d)
        g = cotangent(g, cosine, kp, kq)
        ratio = pieces.ratio() + 0.0 * cosine
        weight = -g * (kq * ratio)
        dp, dq = g * (pieces.ratio_slope() * (kp - kq * cosine)), g * (ratio_q - ratio * cosine)
        return (
            back(weight, q, like[0], dtype),
            unbroadcast(dp, like[1], dtype),
            back(weight, p, like[2], dtype),
            unbroadcast(dq, like[3], dtype),
        )


def maximum_likelihood(data: Real) -> Parameters:
    r"""The estimates that maximise the likelihood of unit vectors.

    .. math:: \hat\mu = \bar x / \|\bar x\|, \qquad A_D(\hat\kappa) = \|\bar x\|, \qquad \bar x = \tfrac1N \sum_i x_i

    data: (N, D) with D >= 2, taken as they come. The concentration is found by Newton's iteration from the
    approximation of Banerjee et al. (2005), eq. 4.4. nan where there is no estimate: no data, a mean of length 0 or of
    length 1 or more (all data equal). Other shapes are a ValueError. Mardia and Jupp (2000), eq. 10.3.1 and 10.3.2.

    >>> found = maximum_likelihood(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    >>> round(float(found.concentration), 12)
    2.245581167793
    """
    xp, dtype, _, direction, _, kappa = _fitted(data)
    return Parameters(xp.astype(direction, dtype, copy=False), xp.astype(kappa, dtype, copy=False))


def maximum_likelihood_vjp(g: Parameters, data: Real) -> tuple[Array]:
    r"""Cotangent of the data, with :math:`r = \|\bar x\|`, by the implicit function theorem for the concentration.

    .. math:: \bar x_i = \frac1N \left(\frac{(I - \hat\mu \hat\mu^T) g_\mu}{r}
              + \frac{g_\kappa}{A_D'(\hat\kappa)} \hat\mu\right)
    """
    xp, dtype, x, direction, length, kappa = _fitted(data)
    with np.errstate(all="ignore"):
        g_mu, g_kappa = as_float64(xp, "g", g.mean_direction), as_float64(xp, "g", g.concentration)
        across = (g_mu - xp.sum(g_mu * direction) * direction) / length
        along = g_kappa / _pieces(xp, kappa, x.shape[-1]).ratio_slope() * direction
        each = (across + along) / max(x.shape[0], 1)
        return (xp.astype(xp.zeros_like(x) + each, dtype, copy=False),)


def _turned(xp: Any, u: Array, kappa: Array, dimensions: int) -> Turned:
    half, by_uniform, by_kappa = Family(xp, kappa, dimensions).quantile(u)
    return Turned(*half, by_uniform, by_kappa)


def _fitted(data: Array) -> tuple[Any, ...]:
    xp, dtype, x = promote(data=data)
    check_shape("data", x, ("N", "D"))
    if x.shape[1] < 2:
        raise ValueError(f"data must have shape (N, D) with D >= 2, got {tuple(x.shape)}")
    x = xp.astype(x, xp.float64, copy=False)
    with np.errstate(all="ignore"):
        center = xp.sum(x, axis=0) / (x.shape[0] or xp.nan)
        length = xp.sqrt(xp.sum(center * center))
        length = xp.where((length > 0) & (length < 1), length, xp.nan)
        kappa = length * (x.shape[1] - length * length) / ((1 - length) * (1 + length))
        for _ in range(NEWTON_STEPS):
            pieces = _pieces(xp, kappa, x.shape[1])
            step = (pieces.ratio() - length) / pieces.ratio_slope()
            kappa = xp.maximum(kappa - step, kappa / 2)
        return xp, dtype, x, center / length, length, kappa


def _pair(p: Array, kappa_p: Array, q: Array, kappa_q: Array) -> tuple[Any, ...]:
    xp, dtype, a, b, total = arguments(
        mean_direction_p=p, mean_direction_q=q, concentration_p=namespace(p, q, kappa_p, kappa_q).asarray(kappa_p)
    )
    _, other, _, kq = arguments(mean_direction_q=q, concentration_q=kappa_q)
    dtype = dtype if dtype == other else xp.float64
    np.broadcast_shapes(a.shape[:-1], b.shape[:-1], total.shape, kq.shape)
    return xp, dtype, a, _defined(xp, total), b, _defined(xp, kq), a.shape[-1]


def _defined(xp: Array, kappa: Array) -> Array:
    return xp.where((kappa >= 0) & (kappa < xp.inf), kappa, xp.nan)


def _order(xp: Array, kappa: Array, dimensions: int) -> Array:
    return dimensions / 2 - 1 + xp.zeros_like(kappa)


def _pieces(xp: Array, kappa: Array, dimensions: int) -> Pieces:
    return Pieces(xp, kappa, _order(xp, kappa, dimensions))


def _stirling(dimensions: int) -> float:
    return float(stirling_error(dimensions / 2 - 1)) if dimensions > 2 else 0.0


def log_normaliser(xp: Array, kappa: Array, dimensions: int) -> Array:
    r""":math:`\log {}_0F_1(; D/2; \kappa^2/4)`, the logarithm of the mean of :math:`e^{\kappa t}` over the sphere."""
    return _pieces(xp, kappa, dimensions).log_hypergeometric(_stirling(dimensions))


def mean_cosine(xp: Array, kappa: Array, dimensions: int) -> Array:
    r""":math:`A_D(\kappa)`."""
    return _pieces(xp, kappa, dimensions).ratio()
