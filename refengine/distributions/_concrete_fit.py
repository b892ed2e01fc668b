r"""Maximum likelihood for the concrete distributions, from the logarithms of their quotients by one in the middle.

For :math:`d_n = y_n - c` and :math:`m = l - t c` minus the log likelihood is, up to a constant,

.. math:: \sum_n \Bigl[ K \log \sum_i e^{v_{ni}} - \sum_i v_{ni} \Bigr] - N (K-1) \log t, \qquad v_n = m - t d_n,

a convex function of m and t. In a direction (a, b) with b > 0 it grows in the end like the sum over n of
:math:`K \max_i w_{ni} - \sum_i w_{ni}` for :math:`w_n = a - b d_n`, which is positive unless all :math:`w_n` are
constant vectors, that is unless the data are equal on the simplex; for b = 0 unless a is constant; and for t to 0 the
last term grows. So there is exactly one minimum, up to a constant in m, if and only if the data are not all equal.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from refengine._arrays import check_shape, promote
from refengine.distributions import _matrix
from refengine.domains import Array

_STEPS, _HALVINGS, _POLISH = 100, 40, 2
_SEEN = 1e-14  # differences below this share are roundings


class Fit(NamedTuple):
    """m, and t times a unit of the differences d, which are in this unit; nan where there is no estimate."""

    m: Array
    t: Array
    d: Array
    unit: Array


def observed(data: Array) -> tuple[Any, Any, Array]:
    """``xp, dtype, data`` in float64, (N, K) with K >= 1."""
    xp, dtype, x = promote(data=data)
    check_shape("data", x, ("N", "K"), K=max(1, x.shape[-1] if x.ndim else 1))
    return xp, dtype, xp.astype(x, xp.float64, copy=False)


def middle(xp: Any, y: Array) -> int:
    """The row next to the median, so that no outlier spoils the differences of the others."""
    y = y - y[:, -1:]
    away = xp.abs(y - xp.sort(y, axis=0)[y.shape[0] // 2, :])
    return int(xp.argmin(xp.sum(away, axis=-1)))


def fit(xp: Any, d: Array) -> Fit:
    """The estimate by Newton's method: halved steps until the likelihood grows, at last full ones."""
    size = d.shape[-1]
    widths = xp.max(d, axis=-1) - xp.min(d, axis=-1)
    unit = xp.max(widths) if d.shape[0] else xp.asarray(0.0)
    if not (size > 1 and bool((unit > 0) & (unit < xp.inf)) and bool(unit > _SEEN * xp.max(xp.abs(d)))):
        return Fit(d[0, :] * xp.nan if d.shape[0] else xp.full(size, xp.nan), unit * xp.nan, d * xp.nan, unit)
    d = d / unit
    m, t = xp.sum(d, axis=0) / d.shape[0], xp.asarray(1.0)
    best = _cost(xp, m, t, d)
    for _ in range(_STEPS):
        dm, dt = _step(xp, m, t, d)
        small = bool(xp.max(xp.abs(dm)) + xp.abs(dt / t) < 1e-7)
        for _ in range(_HALVINGS):
            cost = _cost(xp, m + dm, t + dt, d)
            if bool(cost <= best):
                m, t, best = m + dm, t + dt, cost
                break
            dm, dt = dm / 2, dt / 2
        if small:
            break
    for _ in range(_POLISH):
        dm, dt = _step(xp, m, t, d)
        m, t = m + dm, t + dt
    return Fit(m, t, d, unit)


def cotangent(xp: Any, found: Fit, to_m: Array, to_t: Array) -> Array:
    r"""That of y for cotangents of m, whose entries add up to 0, and of t, by the implicit function theorem.

    With (a, b) the inverse of the second derivatives times the cotangents, and means weighted by
    :math:`s_n = \operatorname{softmax} v_n`,

    .. math:: \bar y_{ni} = K t s_{ni} (a_i - \bar a_n) - b \left( 1 - K s_{ni} + K t s_{ni} (d_{ni} - \bar d_n) \right)
    """
    m, t, d, unit = found
    size, s = d.shape[-1], _softmax(xp, m - t * d)
    a, b = _solved(xp, s, t, d, to_m, to_t / unit)
    weight = size * t * s
    return (weight * _less_mean(xp, s, a + 0 * d) - b * (1 - size * s + weight * _less_mean(xp, s, d))) / unit


def normalised(xp: Any, l: Array) -> tuple[Array, Array]:
    """Logits whose exponentials add up to 1, and these."""
    gap = l - xp.max(l)
    top = xp.arange(l.shape[-1]) == xp.argmax(l)
    rest = xp.sum(xp.where(top, 0.0, xp.exp(gap)))
    return gap - xp.log1p(rest), xp.exp(gap) / (1 + rest)


def _cost(xp: Any, m: Array, t: Array, d: Array) -> Array:
    v = m - t * d
    top = xp.max(v, axis=-1, keepdims=True)
    each = d.shape[-1] * xp.log(xp.sum(xp.exp(v - top), axis=-1)) - xp.sum(v - top, axis=-1)
    return xp.sum(each) - d.shape[0] * (d.shape[-1] - 1) * xp.log(t)


def _step(xp: Any, m: Array, t: Array, d: Array) -> tuple[Array, Array]:
    s = _softmax(xp, m - t * d)
    e = 1 - d.shape[-1] * s
    return _solved(xp, s, t, d, xp.sum(e, axis=0), d.shape[0] * (d.shape[-1] - 1) / t - xp.sum(e * d))


def _solved(xp: Any, s: Array, t: Array, d: Array, to_m: Array, to_t: Array) -> tuple[Array, Array]:
    """The inverse of the second derivatives, made regular for a constant in m, times a vector."""
    rows, size = d.shape
    away = _less_mean(xp, s, d)
    corner = xp.sum(s, axis=0) * xp.eye(size, dtype=s.dtype) - xp.matmul(_matrix.transposed(xp, s), s)
    side = -size * xp.sum(s * away, axis=0)
    below = rows * (size - 1) / t / t + size * xp.sum(s * away * away)
    left = xp.concat([size * corner + rows / size, side[None, :]], axis=0)
    right = xp.concat([side, xp.reshape(below, (1,))], axis=0)
    factor = _matrix.cholesky(xp, xp.concat([left, right[:, None]], axis=-1))
    vector = xp.concat([to_m, xp.reshape(to_t, (1,))], axis=0)
    found = _matrix.solve_upper(xp, factor, _matrix.solve_lower(xp, factor, vector))
    return found[:size], found[size]


def _softmax(xp: Any, v: Array) -> Array:
    w = xp.exp(v - xp.max(v, axis=-1, keepdims=True))
    return w / xp.sum(w, axis=-1, keepdims=True)


def _less_mean(xp: Any, s: Array, x: Array) -> Array:
    return x - xp.sum(s * x, axis=-1, keepdims=True)
