r"""The direction of largest likelihood in the power spherical family, whatever the concentration.

It maximises :math:`h(\mu) = \sum_n \log(1 + \mu \cdot x_n)` on the unit sphere; h is concave, but the sphere is not
convex: on the circle h has one maximum between any two neighbouring points opposite to data, where it is -inf. Let
:math:`\nabla h(\mu) = \lambda \mu` on the sphere, :math:`\lambda = \sum_n c_n / (1 + c_n)` with
:math:`c_n = \mu \cdot x_n`. If :math:`\lambda > 0`, these are the conditions of Karush, Kuhn and Tucker for the
largest h on the whole ball, so that no other direction is as likely: h would be constant between two such, and its
gradient 0 at a point inside, towards which it falls from :math:`\mu`. There is such a direction, and exactly one, if
and only if h has no maximum inside the ball, where :math:`\sum_n x_n / (1 + \mu \cdot x_n) = 0`. If it has, the
likelihood may have many maxima on the sphere: the data are so scattered that no direction is called the estimate.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from refengine.distributions import _matrix
from refengine.domains import Array

_LAST, _SHRINK, _STEPS, _HALVINGS, _POLISH = 1e-9, 0.2, 40, 30, 6


class Direction(NamedTuple):
    r"""The direction, its cosines with the data, and the factor of minus the second derivatives across it.

    The latter are :math:`P A P + \lambda P + \mu \mu^\top` for :math:`P = I - \mu \mu^\top` and
    :math:`A = \sum_n x_n x_n^\top / (1 + c_n)^2`. nan where there is no estimate.
    """

    mu: Array
    cosines: Array
    factor: Array


def direction(xp: Any, x: Array) -> Direction:
    """Newton's method: inside the ball with a barrier that is lowered to nothing, at last on the sphere."""
    fine = x.shape[0] > 0 and bool(xp.all(xp.isfinite(x)) & xp.any(x != x[:1, :]))
    mu, barrier = xp.sum(0.0 * x, axis=0), 1.0
    while fine and barrier > _LAST:
        barrier = barrier * _SHRINK
        mu = _centred(xp, x, mu, barrier)
    mu = mu / _length(xp, mu) if fine else mu * xp.nan
    for _ in range(_POLISH):
        found, pull, _ = _at(xp, x, mu)
        mu = mu + solved(xp, found.factor, pull)
        mu = mu / _length(xp, mu)
    found, pull, outwards = _at(xp, x, mu)
    if bool((outwards > 0) & (_length(xp, pull) <= 1e-9 * x.shape[0])):
        return found
    return Direction(*(part * xp.nan for part in found))


def solved(xp: Any, factor: Array, b: Array) -> Array:
    return _matrix.solve_upper(xp, factor, _matrix.solve_lower(xp, factor, b))


def _centred(xp: Any, x: Array, mu: Array, barrier: float) -> Array:
    """The maximum of the mean of the logarithms and ``barrier log(1 - |mu|^2)``, roughly."""
    one, best = xp.eye(x.shape[1], dtype=x.dtype), _lifted(xp, x, mu, barrier)
    for _ in range(_STEPS):
        w, rest = 1 / (1 + xp.sum(x * mu, axis=-1)), 1 - xp.sum(mu * mu)
        slope = xp.sum(x * w[:, None], axis=0) / x.shape[0] - 2 * barrier / rest * mu
        bend = _squares(xp, x * w[:, None]) / x.shape[0] + 2 * barrier / rest * one
        bend = bend + 4 * barrier / rest / rest * _matrix.outer(mu, mu)
        step = solved(xp, _matrix.cholesky(xp, bend), slope)
        gain = xp.sum(step * slope)
        for _ in range(_HALVINGS):
            height = _lifted(xp, x, mu + step, barrier)
            if bool(height >= best):
                mu, best = mu + step, height
                break
            step = step / 2
        if not bool(gain > 1e-3 * barrier):
            break
    return mu


def _lifted(xp: Any, x: Array, mu: Array, barrier: float) -> Array:
    return xp.sum(xp.log1p(xp.sum(x * mu, axis=-1))) / x.shape[0] + barrier * xp.log(1 - xp.sum(mu * mu))


def _at(xp: Any, x: Array, mu: Array) -> tuple[Direction, Array, Array]:
    """What belongs to a point of the sphere, the slope across it, and lambda."""
    cosines = xp.sum(x * mu, axis=-1)
    w, along = 1 / (1 + cosines), cosines / (1 + cosines)
    across = (x - cosines[:, None] * mu) * w[:, None]
    line = _matrix.outer(mu, mu)
    outwards = xp.sum(along)
    bend = _squares(xp, across) + outwards * (xp.eye(x.shape[1], dtype=x.dtype) - line) + line
    return Direction(mu, cosines, _matrix.cholesky(xp, bend)), xp.sum(across, axis=0), outwards


def _squares(xp: Any, x: Array) -> Array:
    return xp.matmul(_matrix.transposed(xp, x), x)


def _length(xp: Any, v: Array) -> Array:
    return xp.sqrt(xp.sum(v * v))
