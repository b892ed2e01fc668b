r"""VICReg: two views agree, every feature varies, and no two features say the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import as_float64, check_number, check_option, check_shape, check_switch
from refengine.domains import Array, Real
from refengine.losses._views import centred, checked_views

__all__ = ["loss", "loss_value_and_vjp", "loss_vjp"]

MEANS = ("rows", "entries")


def loss(
    x: Real,
    y: Real,
    *,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
    gamma: float = 1.0,
    epsilon: float = 1e-4,
    invariance_mean: str = "rows",
    half_factor: bool = False,
    ddof: int = 1,
) -> Array:
    r"""Invariance, variance and covariance terms of two views of a batch.

    .. math:: L = \frac{\lambda}{N} \sum_i \|x_i - y_i\|^2 + \mu \, (v(x) + v(y)) + \nu \, (c(x) + c(y))

    .. math:: v(x) = \frac1D \sum_j \max\big(0,\; \gamma - \sqrt{C_{jj} + \varepsilon}\big), \qquad
              c(x) = \frac1D \sum_{j \ne k} C_{jk}^2, \qquad
              C = \frac{1}{N - 1} \sum_i (x_i - \bar x)(x_i - \bar x)^T

    x, y: (N, D), D >= 1, row i of both from the same sample; result (), float64 unless both are float32. lambda, mu, nu
    are ``invariance``, ``variance``, ``covariance``. The paper's equations are the defaults; its code, and
    pytorch-metric-learning, have ``invariance_mean="entries"``, the mean over all N D squares, and
    ``half_factor=True``, the mean of v(x) and v(y) instead of their sum. ``ddof=0`` divides covariances by N. The hinge
    has slope 0 at its kink. epsilon >= 0; with 0 a feature that does not vary has gradient 0 there. N <= ddof: nan, for
    there is no variance. A nan or an infinity makes everything nan. Wrong shapes, options or ddof are a ValueError,
    values of a wrong kind a TypeError.
    Source: Bardes et al. 2022, eq. 1 to eq. 6.

    >>> x, y = np.array([[0.0], [2.0]]), np.array([[0.0], [1.0]])  # variances 2 and 1/2, squares 0 and 1
    >>> bool(np.isclose(loss(x, y, epsilon=0.0), 25 / 2 + 25 * (1 - np.sqrt(0.5))))
    True
    """
    constants = (invariance, variance, covariance, gamma, epsilon, invariance_mean, half_factor, ddof)
    xp, dtype, x, y, weights = _checked(x, y, *constants)
    with np.errstate(all="ignore"):
        value = _invariance(xp, x, y, weights[0])[0]
        for view in (x, y):
            value = value + _spread(xp, view, *weights[1:], gamma, epsilon, ddof)[0]
        return xp.astype(value, dtype, copy=False)


def loss_vjp(
    g: Array,
    x: Real,
    y: Real,
    *,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
    gamma: float = 1.0,
    epsilon: float = 1e-4,
    invariance_mean: str = "rows",
    half_factor: bool = False,
    ddof: int = 1,
) -> tuple[Array, Array]:
    r"""Cotangents of x and y.

    With :math:`\tilde x` the centred rows and C without its diagonal :math:`C^\circ`,

    .. math:: \frac{\partial L}{\partial x_{ij}} = \frac{2 \lambda}{N} (x_{ij} - y_{ij})
              - \frac{\mu}{D (N - 1)} \, \frac{[s_j < \gamma]}{s_j} \, \tilde x_{ij}
              + \frac{4 \nu}{D (N - 1)} (\tilde x \, C^\circ)_{ij}, \qquad s_j = \sqrt{C_{jj} + \varepsilon}

    The columns of :math:`\tilde x` sum to 0, so that the derivative of the mean has nothing to take away.
    """
    constants: dict[str, Any] = {"invariance": invariance, "variance": variance, "covariance": covariance}
    constants |= {"gamma": gamma, "epsilon": epsilon, "invariance_mean": invariance_mean}
    return loss_value_and_vjp(g, x, y, **constants, half_factor=half_factor, ddof=ddof)[1]


def loss_value_and_vjp(
    g: Array,
    x: Real,
    y: Real,
    *,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
    gamma: float = 1.0,
    epsilon: float = 1e-4,
    invariance_mean: str = "rows",
    half_factor: bool = False,
    ddof: int = 1,
) -> tuple[Array, tuple[Array, Array]]:
    """``loss`` and its vjp from the same covariances."""
    constants = (invariance, variance, covariance, gamma, epsilon, invariance_mean, half_factor, ddof)
    xp, dtype, x, y, weights = _checked(x, y, *constants)
    g = as_float64(xp, "g", g)
    check_shape("g", g, ())
    with np.errstate(all="ignore"):
        value, apart = _invariance(xp, x, y, weights[0])
        cotangents = []
        for view, sign in ((x, 1.0), (y, -1.0)):
            part, slope = _spread(xp, view, *weights[1:], gamma, epsilon, ddof)
            value = value + part
            cotangents.append(xp.astype(g * (sign * apart + slope), dtype, copy=False))
        return xp.astype(value, dtype, copy=False), (cotangents[0], cotangents[1])


def _invariance(xp: Any, x: Array, y: Array, weight: float) -> tuple[Any, Any]:
    """The weighted sum of squared differences, and its derivative to x."""
    apart = x - y
    return weight * xp.sum(apart * apart), 2 * weight * apart


def _spread(
    xp: Any, x: Array, variance: float, covariance: float, gamma: float, epsilon: float, ddof: int
) -> tuple[Any, Any]:
    """The weighted variance and covariance terms of one view, and their derivative to it."""
    (n, d), c = x.shape, centred(xp, x)
    if n <= ddof:
        return xp.asarray(xp.nan), xp.full((n, d), xp.nan)
    matrix = (c @ c.T) / (n - ddof)
    diagonal = xp.arange(d)[:, None] == xp.arange(d)[None, :]
    s = xp.sqrt(xp.sum(c * c, axis=1) / (n - ddof) + epsilon)
    off = xp.where(diagonal, 0.0, matrix)
    hinge = gamma - s
    value = variance * xp.sum(xp.where(hinge <= 0, 0.0, hinge)) + covariance * xp.sum(off * off)
    pull = xp.where((hinge <= 0) | (s == 0), 0.0, variance / s)
    slope = (4 * covariance * (off @ c) - pull[:, None] * c) / (n - ddof)
    return value, slope.T


def _checked(
    x: Array,
    y: Array,
    invariance: float,
    variance: float,
    covariance: float,
    gamma: float,
    epsilon: float,
    invariance_mean: str,
    half_factor: bool,
    ddof: int,
) -> tuple[Any, Any, Any, Any, tuple[float, float, float]]:
    """The views, and the weights of the three sums."""
    check_option("invariance_mean", invariance_mean, MEANS)
    check_switch("half_factor", half_factor)
    for name, value in (("invariance", invariance), ("variance", variance), ("covariance", covariance)):
        check_number(name, value)
    check_number("gamma", gamma)
    if not check_number("epsilon", epsilon) >= 0:
        raise ValueError(f"epsilon must be at least 0, got {epsilon!r}")
    if ddof not in (0, 1):
        raise ValueError(f"ddof must be 0 or 1, got {ddof!r}")
    xp, dtype, x, y = checked_views(x, y)
    n, d = x.shape
    entries = max(n, 1) * (d if invariance_mean == "entries" else 1)
    return xp, dtype, x, y, (invariance / entries, variance / d / (2 if half_factor else 1), covariance / d)
