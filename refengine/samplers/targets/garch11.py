r"""The posterior density of a GARCH(1, 1) series, the garch11 model of posteriordb.

Axes: T values of a series; the 4 coordinates are the mean, the log of the least variance, the logit of the share of the
last square, and the logit of what the last variance takes of the rest; leading axes are chains.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_shape, promote
from refengine.domains import Array, Positive, Real
from refengine.samplers.targets._target import Target, check_position, cotangent, over_chains

__all__ = ["gradient", "gradient_vjp", "log_density", "log_density_vjp", "target"]


def target(series: Real, first_scale: Positive) -> Target:
    """The density as a sampler takes it; series (T,), first_scale () the standard deviation of its first value.

    >>> target([1.0, 2.0], 0.5).parameters
    ([1.0, 2.0], 0.5)
    """
    return Target(log_density, gradient, gradient_vjp, (series, first_scale))


def log_density(position: Real, series: Real, first_scale: Positive) -> Array:
    r"""Logarithm of the likelihood times the Jacobians of the coordinates, up to a constant; all priors are flat.

    .. math:: L(\mu, a, b, c; y, s) = -\frac12 \sum_t \Bigl( \log h_t + \frac{(y_t - \mu)^2}{h_t} \Bigr)
              + a + \log \alpha_1 (1 - \alpha_1)^2 + \log \kappa (1 - \kappa)

    .. math:: h_1 = s^2, \quad h_t = \alpha_0 + \alpha_1 (y_{t-1} - \mu)^2 + \beta_1 h_{t-1}, \qquad
              \alpha_0 = e^a, \quad \alpha_1 = \frac1{1 + e^{-b}}, \quad \kappa = \frac1{1 + e^{-c}}, \quad
              \beta_1 = (1 - \alpha_1) \kappa

    position: :math:`\mu, a, b, c`, (..., D) with D = 4; series: (T,); first_scale s: (); the result has shape (...).
    first_scale at or below 0: nan. Result in float64 unless every floating argument is float32. Raises ValueError for
    other shapes, TypeError for other dtypes. Bollerslev (1986), Journal of Econometrics 31, eq. 1 and 5, with the
    priors of posteriordb.

    One value: a normal density, and the Jacobians :math:`1 \cdot 1/8 \cdot 1/4`.

    >>> round(float(log_density(np.zeros(4), [1.0], 1.0)) + 0.5 + np.log(32).item(), 12)
    0.0
    """
    xp, dtype, q, y, scale = checked(position, series, first_scale)
    with np.errstate(all="ignore"):
        path = _Path(xp, q, y, scale)
        each = (xp.log(h) + r * r / h for h, r in zip(path.h, path.r, strict=True))
        shares = 3 * _surprise(xp, q[2]) + 2 * q[2] + 2 * _surprise(xp, q[3]) + q[3]
        return xp.astype(q[1] - shares - sum(each, path.zero) / 2 + path.zero, dtype, copy=False)


def log_density_vjp(g: Array, position: Real, series: Real, first_scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of position, series and first_scale, the latter two summed over the chains.

    With the cotangents A of the variances, see `gradient`:

    .. math:: \bar q = g \nabla L, \qquad
              \bar y_t = \sum g \Bigl( 2 \alpha_1 r_t A_{t+1} - \frac{r_t}{h_t} \Bigr), \qquad \bar s = \sum 2 g s A_1
    """
    xp, dtype, q, y, scale = checked(position, series, first_scale)
    g = cotangent(xp, g, q[0].shape) + 0 * scale
    with np.errstate(all="ignore"):
        path = _Path(xp, q, y, scale)
        to_series = [g * v for v in path.to_residuals()]
        to_scale = xp.sum(2 * scale * g * path.a[0]) if path.a else 0 * scale
        return _cast(xp, dtype, g[..., None] * path.gradient(), to_series, to_scale)


def gradient(position: Real, series: Real, first_scale: Positive) -> Array:
    r"""Gradient of `log_density` to the position.

    With the residuals r and the cotangents of the variances, from the last to the first,
    :math:`A_t = \tfrac12 (r_t^2 / h_t - 1) / h_t + \beta_1 A_{t+1}`, the sums over t > 1

    .. math:: G_0 = \sum A_t, \qquad G_1 = \sum A_t r_{t-1}^2, \qquad G_2 = \sum A_t h_{t-1}

    .. math:: \frac{\partial L}{\partial \mu} = \sum_{t \ge 1} \frac{r_t}{h_t} - 2 \alpha_1 \sum A_t r_{t-1}, \qquad
              \frac{\partial L}{\partial a} = \alpha_0 G_0 + 1

    .. math:: \frac{\partial L}{\partial b} = \alpha_1 (1 - \alpha_1) G_1 - \beta_1 \alpha_1 G_2 + 1 - 3 \alpha_1,
              \qquad \frac{\partial L}{\partial c} = \beta_1 (1 - \kappa) G_2 + 1 - 2 \kappa

    position: (..., D) with D = 4; series: (T,); first_scale: (); the result has the shape of the position. dtypes,
    edges and errors as in `log_density`. Terms that cancel leave their own rounding: :math:`\alpha_0 G_0 + 1` where the
    variances hardly move and T is 3. Source: the derivative of Bollerslev (1986), eq. 5.

    >>> gradient(np.zeros(4), [1.0], 1.0).tolist()
    [1.0, 1.0, -0.5, 0.0]
    """
    xp, dtype, q, y, scale = checked(position, series, first_scale)
    with np.errstate(all="ignore"):
        return xp.astype(_Path(xp, q, y, scale).gradient(), dtype, copy=False)


def gradient_vjp(g: Array, position: Real, series: Real, first_scale: Positive) -> tuple[Array, Array, Array]:
    r"""Cotangents of position (the Hessian times g), series and first_scale, the latter two summed over the chains.

    Along g the parameters change by :math:`\dot\alpha_0 = g_a \alpha_0`, :math:`\dot\alpha_1 = g_b \alpha_1
    (1 - \alpha_1)`, :math:`\dot\beta_1 = \beta_1 k`, :math:`k = (1 - \kappa) g_c - \alpha_1 g_b`, the residuals by
    :math:`-g_\mu`, the variances by :math:`\dot h_1 = 0`, :math:`\dot h_t = \dot\alpha_0 + \dot\alpha_1 r_{t-1}^2
    - 2 \alpha_1 g_\mu r_{t-1} + \dot\beta_1 h_{t-1} + \beta_1 \dot h_{t-1}`. In
    :math:`\langle g, \nabla L \rangle = \sum_t (\tfrac12 (r_t^2 / h_t - 1) \dot h_t + r_t g_\mu) / h_t + \dots` the
    cotangents of :math:`\dot h` are the A of `gradient`, those of h and r

    .. math:: C_t = \frac{\dot h_t (\tfrac12 - r_t^2 / h_t) - r_t g_\mu}{h_t^2} + \beta_1 C_{t+1}
              + \dot\beta_1 A_{t+1}, \qquad
              \bar r_t = \frac{r_t \dot h_t / h_t + g_\mu}{h_t} + 2 \alpha_1 r_t C_{t+1}
              + 2 (\dot\alpha_1 r_t - \alpha_1 g_\mu) A_{t+1}

    so that :math:`\bar\mu = -\sum \bar r_t`, :math:`\bar y_t = \bar r_t`, :math:`\bar s = 2 s C_1`. With the sums over
    t > 1 :math:`K_0 = \sum C_t`, :math:`K_1 = \sum (C_t r_{t-1}^2 - 2 A_t r_{t-1} g_\mu)` and
    :math:`K_2 = \sum (C_t h_{t-1} + A_t \dot h_{t-1})`, and :math:`v = \alpha_1 (1 - \alpha_1)`,

    .. math:: \bar a = \alpha_0 (K_0 + g_a G_0), \qquad
              \bar b = v (K_1 + (1 - 2 \alpha_1) g_b G_1 - 3 g_b) - \beta_1 (\alpha_1 K_2 + (\alpha_1 k + v g_b) G_2)

    .. math:: \bar c = (1 - \kappa) (\beta_1 K_2 + \beta_1 (k - \kappa g_c) G_2 - 2 \kappa g_c)
    """
    xp, dtype, q, y, scale = checked(position, series, first_scale)
    g = cotangent(xp, g, (*q[0].shape, 4)) + 0 * scale
    with np.errstate(all="ignore"):
        path = _Path(xp, q, y, scale)
        to_position, to_series, to_scale = path.pulled_back(*(g[..., i] for i in range(4)))
        return _cast(xp, dtype, to_position, to_series, to_scale)


class _Path:
    """Residuals r, variances h and their cotangents a along the series; the parameters as they enter."""

    def __init__(self, xp: Any, q: Any, y: Array, scale: Array) -> None:
        mu, log_least, last, rest = q
        self.xp, self.scale, self.zero = xp, scale, 0 * mu + 0 * scale
        self.alpha0, self.alpha1, self.kappa = xp.exp(log_least), _share(xp, last), _share(xp, rest)
        self.left, self.other = _share(xp, -last), _share(xp, -rest)
        self.beta, self.tilt = self.left * self.kappa, xp.tanh(rest / 2)  # 2 kappa - 1
        self.r = [y[t] - mu for t in range(y.shape[0])]
        self.h: list[Any] = []
        for t in range(y.shape[0]):
            if t:
                self.h.append(self.alpha0 + self.alpha1 * self.r[t - 1] ** 2 + self.beta * self.h[-1])
            else:
                self.h.append(scale * scale + self.zero)
        self.a: list[Any] = []
        for h, r in zip(self.h[::-1], self.r[::-1], strict=True):
            z = r / xp.sqrt(h)
            own = (z - 1) * (z + 1) / h / 2
            self.a.insert(0, own + self.beta * self.a[0] if self.a else own)

    def sums(self, weights: list[Any], values: list[Any]) -> Any:
        """Of a weight times the value before it."""
        return sum((w * v for w, v in zip(weights[1:], values[:-1], strict=True)), self.zero)

    def to_residuals(self) -> list[Any]:
        ahead = [*self.a[1:], self.zero]
        return [2 * self.alpha1 * r * b - r / h for r, h, b in zip(self.r, self.h, ahead, strict=False)]

    @property
    def levels(self) -> tuple[Any, Any, Any]:
        squares = [r * r for r in self.r]
        ones = [1.0] * len(self.r)
        return self.sums(self.a, ones), self.sums(self.a, squares), self.sums(self.a, self.h)

    def gradient(self) -> Any:
        g0, g1, g2 = self.levels
        parts = (
            -sum(self.to_residuals(), self.zero),
            self.alpha0 * g0 + 1,
            self.alpha1 * (self.left * g1 - self.beta * g2) + (self.left - 2 * self.alpha1),
            self.beta * self.other * g2 - self.tilt,
        )
        return self.xp.stack(parts, axis=-1) + self.zero[..., None]

    def pulled_back(self, mu: Any, least: Any, last: Any, rest: Any) -> tuple[Any, list[Any], Any]:
        """What arrives at position, series and scale, from what arrives at the gradient."""
        v, k = self.alpha1 * self.left, self.other * rest - self.alpha1 * last
        change: list[Any] = []
        for t in range(len(self.r)):
            r, h = self.r[t - 1], self.h[t - 1]
            own = least * self.alpha0 + last * v * r * r - 2 * self.alpha1 * mu * r + self.beta * k * h
            change.append(own + self.beta * change[-1] if t else self.zero)
        c: list[Any] = []
        to_r: list[Any] = []
        for t in reversed(range(len(self.r))):
            r, h, d = self.r[t], self.h[t], change[t]
            c_next, a_next = (c[0], self.a[t + 1]) if c else (self.zero, self.zero)
            to_r.insert(
                0, (r * d / h + mu) / h + 2 * self.alpha1 * r * c_next + 2 * (last * v * r - self.alpha1 * mu) * a_next
            )
            c.insert(0, (d * (0.5 - r * r / h) - r * mu) / h / h + self.beta * (c_next + k * a_next))
        g0, g1, g2 = self.levels
        k0 = self.sums(c, [1.0] * len(c))
        k1 = self.sums(c, [r * r for r in self.r]) - 2 * mu * self.sums(self.a, self.r)
        k2 = self.sums(c, self.h) + self.sums(self.a, change)
        slope = self.left - self.alpha1
        parts = (
            -sum(to_r, self.zero),
            self.alpha0 * (k0 + least * g0),
            v * (k1 + slope * last * g1 - 3 * last)
            - self.beta * (self.alpha1 * k2 + (self.alpha1 * k + v * last) * g2),
            self.other * (self.beta * (k2 + (k - self.kappa * rest) * g2) - 2 * self.kappa * rest),
        )
        to_scale = self.xp.sum(2 * self.scale * c[0]) if c else 0 * self.scale
        return self.xp.stack(parts, axis=-1) + self.zero[..., None], to_r, to_scale


def checked(position: Array, series: Array, first_scale: Array) -> tuple[Any, ...]:
    """``xp, dtype, (mu, a, b, c), y, s`` in float64, nan for a bad scale."""
    xp, dtype, position, series, scale = promote(position=position, series=series, first_scale=first_scale)
    check_position(position)
    if position.shape[-1] != 4:
        raise ValueError(f"position must have shape (..., 4), got {tuple(position.shape)}")
    check_shape("series", series, ("T",))
    check_shape("first_scale", scale, ())
    position, series, scale = (xp.astype(a, xp.float64, copy=False) for a in (position, series, scale))
    return xp, dtype, tuple(position[..., i] for i in range(4)), series, xp.where(scale > 0, scale, xp.nan)


def _share(xp: Any, u: Array) -> Array:
    """1 / (1 + e^-u)."""
    e = xp.exp(-xp.abs(u))
    return xp.where(u > 0, 1 / (1 + e), e / (1 + e))


def _surprise(xp: Any, u: Array) -> Array:
    """log(1 + e^-u)."""
    return xp.logaddexp(xp.zeros_like(u), -u)


def _cast(xp: Any, dtype: Any, to_position: Array, to_series: list[Any], to_scale: Any) -> tuple[Array, Array, Array]:
    line = xp.stack(to_series, axis=-1) if to_series else xp.zeros((1, 0), dtype=xp.float64)
    a, b, c = (xp.astype(xp.asarray(v), dtype, copy=False) for v in (to_position, over_chains(xp, line), to_scale))
    return a, b, c
