r"""Maximum likelihood in a family of a location and a scale: Newton's method, and derivatives by the implicit function.

With :math:`\psi = -(\log f)'` of the standard density and :math:`z = (x - m)/s` the score equations are

.. math:: \sum_i \psi(z_i) = 0, \qquad \sum_i z_i \psi(z_i) = N.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from refengine._arrays import check_shape, elementwise
from refengine.distributions._location_scale import Function, Parameters
from refengine.domains import Array

Score: TypeAlias = Callable[[Any, Array], tuple[Array, Array, Array]]
"""``psi``, its derivative w, and ``v = psi + z w``, the derivative of z psi: far out the sum may cancel."""

_STEPS, _HALVINGS, _POLISH = 200, 40, 3


Residuals: TypeAlias = Callable[[Any, Array, Array, Array], tuple[Array, Array]]
"""Both equations' left sides less their right sides at (y, m, s), where plain sums of psi would not be exact enough."""


def sums(score: Score) -> Residuals:
    """The residuals as plain sums of the scores."""

    def of(xp: Any, y: Array, m: Array, s: Array) -> tuple[Array, Array]:
        z = (y - m) / s
        psi, _, _ = score(xp, z)
        return xp.sum(psi), xp.sum(z * psi) - y.shape[0]

    return of


def fit(
    log_density: Function, score: Score, data: Array, *, most: float = 1.0, residuals: Residuals | None = None
) -> Parameters:
    """The estimate; nan where ``most`` of the data or more are one number, for no data and for data not finite."""
    xp, dtype, x = elementwise(data=data)
    with np.errstate(all="ignore"):
        (middle, spread), (m, s), _ = solved(xp, log_density, score, x, most, residuals)
        loc, scale = middle + spread * m, spread * s
        return Parameters(xp.astype(loc, dtype, copy=False), xp.astype(scale, dtype, copy=False))


def fit_vjp(
    log_density: Function,
    score: Score,
    g: Parameters,
    data: Array,
    *,
    most: float = 1.0,
    residuals: Residuals | None = None,
) -> tuple[Array]:
    r"""Cotangent of the data.

    The equations' slopes to m, s and x_i have the weights :math:`w = \psi'` and :math:`v = \psi + z w`; centred at
    :math:`\bar z = \sum w z / \sum w` they are triangular, and :math:`\sum v (z - \bar z) = N + \sum w (z - \bar z)^2`.
    """
    xp, dtype, g_loc, g_scale, x = elementwise(g=g[0], g_scale=g[1], data=data)
    with np.errstate(all="ignore"):
        *_, z = solved(xp, log_density, score, x, most, residuals)
        _, w, v = score(xp, z)
        total = xp.sum(w)
        centre = xp.sum(w * z) / total
        away = z - centre
        by_scale = (v - centre * w) / (z.shape[0] + xp.sum(w * away * away))
        slope = g_loc * (w / total) + (g_scale - g_loc * centre) * by_scale
        return (xp.astype(slope, dtype, copy=False),)


def solved(xp: Any, log_density: Function, score: Score, x: Array, most: float, residuals: Residuals | None) -> Any:
    """A unit of the data, the estimate in this unit, and z, which the rounding of a large location would spoil."""
    check_shape("data", x, ("N",))
    if not (x.shape[0] and bool(xp.all(xp.isfinite(x))) and largest_tie(xp, x) < most * x.shape[0]):
        nan = xp.asarray(xp.nan, dtype=xp.float64)
        return (nan, nan), (nan, nan), x * xp.nan
    middle, spread = _start(xp, x)
    y = (x - middle) / spread
    m, s = _newton(xp, log_density, score, residuals or sums(score), y)
    return (middle, spread), (m, s), (y - m) / s


def largest_tie(xp: Any, x: Array) -> int:
    """How often the most frequent number occurs."""
    ordered = xp.sort(x)
    first = xp.searchsorted(ordered, ordered, side="left")
    return int(xp.max(xp.searchsorted(ordered, ordered, side="right") - first))


def _start(xp: Any, x: Array) -> tuple[Array, Array]:
    """A point in the middle of the data and a typical distance from it, neither of which moves with an outlier."""
    middle = xp.sort(x)[x.shape[0] // 2]
    distances = xp.sort(xp.abs(x - middle))
    above = distances[distances > 0]
    return middle, xp.maximum(distances[x.shape[0] // 2], above[0])


def _newton(xp: Any, log_density: Function, score: Score, residuals: Residuals, y: Array) -> tuple[Array, Array]:
    """Newton's method in (m, log s); a step is halved until the likelihood grows, at last there are full steps."""
    m, s = xp.zeros_like(y[0]), xp.ones_like(y[0])
    best = _cost(xp, log_density, y, m, s)
    for _ in range(_STEPS):
        dm, ds = _step(xp, score, sums(score), y, m, s)
        for _ in range(_HALVINGS):
            m1, s1 = m + s * dm, s * xp.exp(ds)
            cost = _cost(xp, log_density, y, m1, s1)
            if bool(cost <= best):
                break
            dm, ds = dm / 2, ds / 2
        small = bool(xp.abs(dm) + xp.abs(ds) < 1e-7)
        if bool(cost <= best):
            m, s, best = m1, s1, cost
        if small:
            break
    for _ in range(_POLISH):
        dm, ds = _step(xp, score, residuals, y, m, s)
        m, s = m + s * dm, s * (1 + ds)
    return m, s


def _cost(xp: Any, log_density: Function, y: Array, m: Array, s: Array) -> Array:
    return y.shape[0] * xp.log(s) - xp.sum(log_density(xp, (y - m) / s))


def _step(xp: Any, score: Score, residuals: Residuals, y: Array, m: Array, s: Array) -> tuple[Array, Array]:
    """Newton's step for m in units of s and for log s; along the gradient where the likelihood is not concave."""
    z = (y - m) / s
    _, w, v = score(xp, z)
    down, narrow = residuals(xp, y, m, s)
    ww, wz, zz = xp.sum(w), xp.sum(v), xp.sum(z * v)
    determinant = ww * zz - wz * wz
    concave = (ww > 0) & (determinant > 0)
    dm = xp.where(concave, (zz * down - wz * narrow) / determinant, down / y.shape[0])
    ds = xp.where(concave, (ww * narrow - wz * down) / determinant, narrow / y.shape[0])
    return xp.clip(dm, -4.0, 4.0), xp.clip(ds, -2.0, 2.0)
