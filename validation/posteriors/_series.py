"""Exact moments of two models of time series, arma11 and garch11, by products of rules on the line."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from validation.posteriors._quadrature import AT_A_TIME, Moments, moments_of, over_a_box


def arma11(series: np.ndarray, around: tuple[np.ndarray, np.ndarray], nodes: int = 60) -> Moments:
    r"""Of the constant, both coefficients and the noise.

    The errors are :math:`e_t = u_t - \mu w_t` where u and w depend on the coefficients alone, so that :math:`\mu` is
    normal given the others, and what is left is an integral over three numbers. ``around`` says roughly where they are
    (the coefficients, the log of the noise), and how widely: all of it where :math:`|\theta| < 1`.
    """

    def sums(phi: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, ...]:
        u, w = series[0] + 0 * phi * theta, 1 + phi + 0 * theta
        uu, uw, ww = u * u, u * w, w * w
        for before, now in pairwise(series):
            u, w = now - phi * before - theta * u, 1 - theta * w
            uu, uw, ww = uu + u * u, uw + u * w, ww + w * w
        return uu, uw, ww

    def given(phi: np.ndarray, theta: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, ...]:
        uu, uw, ww = sums(phi, theta)
        tight = np.exp(-2 * noise)
        precision = ww * tight + 1 / 100
        return uu * tight, precision, uw * tight / precision

    def log_density(phi: np.ndarray, theta: np.ndarray, noise: np.ndarray) -> np.ndarray:
        squares, precision, mu = given(phi, theta, noise)
        prior = -(phi**2 + theta**2) / 8 - np.log1p(np.exp(2 * noise) / 2.5**2)
        result: np.ndarray = prior - (len(series) - 1) * noise - (squares - precision * mu**2 + np.log(precision)) / 2
        return result

    (phi, theta, noise), weight = over_a_box(log_density, *around, nodes=nodes, reach=10)
    _, precision, mu = given(phi, theta, noise)
    mean, sd = moments_of((mu, phi, theta, np.exp(noise)), weight)
    sd[0] = np.hypot(sd[0], np.sqrt(np.sum(weight / precision)))
    return Moments(mean, sd)


def garch11(series: np.ndarray, first_scale: float, around: tuple[float, float], nodes: int = 32) -> Moments:
    r"""Of :math:`\mu, \alpha_0, \alpha_1, \beta_1`; ``around`` gives the mean of the first and its standard deviation.

    By the trapezoidal rule along :math:`\mu` and Gauss and Legendre's along :math:`\alpha_0` up to 9,
    :math:`\alpha_1` and :math:`\beta_1 / (1 - \alpha_1)`.
    """
    mu = around[0] + around[1] * np.linspace(-11, 11, nodes)
    (alpha_0, by_0), (alpha_1, by_1), (share, by_share) = map(_rule, (3 * nodes // 2, 4 * nodes // 5, nodes), (9, 1, 1))
    squares = (series[:, None] - mu) ** 2
    height = np.empty((alpha_1.size, share.size, alpha_0.size, mu.size))
    for slab, a in zip(height, alpha_1, strict=True):
        h, ratios, product = np.full(slab.shape, first_scale**2), np.zeros(slab.shape), np.ones(slab.shape)
        slab[:] = 0
        for t, square in enumerate(squares, 1):
            product *= h
            ratios += square / h
            h *= (1 - a) * share[:, None, None]
            h += alpha_0[:, None] + a * square
            if t % AT_A_TIME == 0 or t == len(squares):
                slab -= np.log(product) / 2
                product[:] = 1
        slab -= ratios / 2
    a, b, c, _ = np.ix_(alpha_1, share, alpha_0, mu)
    weight = np.exp(height - height.max()) * (by_1 * (1 - alpha_1))[:, None, None, None]
    weight *= by_share[:, None, None] * by_0[:, None]
    weight /= weight.sum()
    beyond = [np.sum(weight[..., k]) for k in (0, -1)] + [np.sum(weight[:, :, -1]) / by_0[-1]]
    assert max(beyond) < 1e-11  # nothing of the density is cut off
    return moments_of((mu, c, a, (1 - a) * b), weight)


def _rule(nodes: int, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss and Legendre's nodes and weights between 0 and length."""
    x, weight = np.polynomial.legendre.leggauss(nodes)
    return length * (x + 1) / 2, length * weight / 2
