r"""Elliptical slice sampling: for a normal prior, on the ellipse through the point and a draw of the prior.

Axes: D coordinates, T tries; leading axes are chains. The target is the likelihood alone.

The rotation :math:`(f, \nu) \mapsto (f \cos\theta + \nu \sin\theta, \nu \cos\theta - f \sin\theta)` keeps the prior of
the pair; the bracket that leads from f to f' by the angle :math:`\theta` leads back by :math:`-\theta` with the same
probability, as in ``slice``. So the update is reversible for prior times likelihood.
"""

from __future__ import annotations

from math import pi
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import namespace
from refengine.domains import Array, Indices, Mask, Real, Unit
from refengine.samplers._bracket import Shrunk, shrink, shrink_vjp
from refengine.samplers._chains import (
    LAYOUT,
    cast,
    choose,
    cotangents,
    evaluate,
    inputs,
    normals,
    shape_of,
    shares,
    times,
    uniforms,
)
from refengine.samplers.random_walk import State, init
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import sum_outer

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]


class Noise(NamedTuple):
    """Normals (..., D) for the ellipse; uniforms for level and first angle (...), and further tries (..., T)."""

    normal: Real
    level: Unit
    angle: Unit
    tries: Unit


class Info(NamedTuple):
    """The other point of the ellipse (..., D), the log level, the angle, the number of tries, whether one succeeded."""

    ellipse: Real
    log_level: Real
    angle: Real
    tries: Indices
    accepted: Mask


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def noise(rng: np.random.Generator, state: State, tries: int = 32) -> Noise:
    """Draw the noise of one transition of ``state`` from a NumPy generator.

    >>> noise(np.random.default_rng(0), State(np.zeros((3, 2)), np.zeros(3)), 8).tries.shape
    (3, 8)
    """
    like, shape = state.position, shape_of(state.position)
    level, angle = (uniforms(rng, like, shape[:-1]) for _ in range(2))
    return Noise(normals(rng, like, shape), level, angle, uniforms(rng, like, (*shape[:-1], tries)))


def step(state: State, noise: Noise, target: Target, factor: Real) -> Transition:
    r"""One transition as a pure function of state and noise.

    .. math:: \nu = F z, \qquad \log y = \ell(f) + \log u_0, \qquad \theta = 2 \pi u_1, \qquad
              f' = f \cos\theta + \nu \sin\theta

    if :math:`\ell(f') > \log y`; else :math:`\theta` becomes the lower end of the bracket
    :math:`[\theta - 2\pi, \theta]` if it is below 0, the upper one if not, and the next :math:`\theta = l + v (h - l)`.
    state: position f (..., D), log_density (...), that of the likelihood :math:`\ell`; noise: normal z (..., D), level
    :math:`u_0` and angle :math:`u_1` (...), tries v (..., T); target: the likelihood; factor F: (D, D), the same for
    all chains, with the covariance :math:`F F^\top` of the prior, whose mean is 0. Where none of the T + 1 points
    succeeds, the state stays as it is and ``accepted`` is False. The comparison is strict: nan is outside. Results in
    float64 unless every floating array is float32. Raises ValueError for shapes, TypeError for dtypes. Murray, Adams
    and MacKay (2010), figure 2.

    A quarter of a turn leads to the other point:

    >>> from refengine.samplers.targets import gaussian
    >>> likelihood = gaussian.target([0.0], [[1.0]])
    >>> drawn = Noise(np.array([0.5]), np.array(0.5), np.array(0.25), np.array([0.5]))
    >>> state, info = step(init(np.ones(1), likelihood), drawn, likelihood, np.eye(1))
    >>> round(float(state.position[0]), 12), int(info.tries)
    (0.5, 1)
    """
    _, dtype, *arrays = inputs(_LAYOUT, state=(state, State), noise=(noise, Noise), factor=factor)
    return cast(_step(target, *arrays)[0], dtype)


def step_vjp(g: Transition, state: State, noise: Noise, target: Target, factor: Real) -> tuple[State, Noise, Array]:
    r"""Cotangents of state, noise and factor, all comparisons held fixed.

    With A where a point succeeds and :math:`\bar y = \bar f' + \bar\ell' \nabla\ell(f')` there:

    .. math:: \bar f = \cos\theta\, \bar y + [\neg A]\, \bar f', \qquad
              \bar\nu = \sin\theta\, \bar y + \bar\nu_0, \qquad
              \bar\theta = \bar y \cdot (\nu \cos\theta - f \sin\theta) + \bar\theta_0, \qquad
              \bar z = F^\top \bar\nu, \qquad \bar F = \sum \bar\nu z^\top

    :math:`\bar\ell = \overline{\log y} + [\neg A]\, \bar\ell'` and :math:`\bar u_0 = \overline{\log y} / u_0`.
    Backwards through the bracket as in ``slice.step_vjp``; at its start
    :math:`\bar u_1 = 2 \pi (\bar l + \bar h + \bar\theta_1)` from both ends and the first angle.
    """
    xp, dtype, *arrays = inputs(_LAYOUT, state=(state, State), noise=(noise, Noise), factor=factor)
    x, _, z, u, _, v, factor = arrays
    value, shrunk = _step(target, *arrays)
    g, info = cotangents(g, value), value.info
    new, old = shares(xp, info.accepted, g.state)
    with np.errstate(all="ignore"):
        slope = evaluate(xp, target, "gradient", value.state.position)
        to_y = new.position + times(xp, new.log_density[..., None], slope)
        c, s = xp.cos(info.angle)[..., None], xp.sin(info.angle)[..., None]
        turned = xp.sum(to_y * (info.ellipse * c - x * s), axis=-1) + g.info.angle
        to_angle = xp.where(info.accepted, turned, xp.zeros_like(u))
        to_low, to_high, to_tries, to_first = shrink_vjp(xp, shrunk, v, to_angle, first=True)
        to_ellipse = s * to_y + g.info.ellipse
        to_start = 2 * pi * (to_low + to_high + to_first)
        to_noise = Noise(xp.matmul(to_ellipse, factor), times(xp, g.info.log_level, 1 / u), to_start, to_tries)
        to_factor = sum_outer(xp, to_ellipse, z)
    to_state = State(old.position + c * to_y, old.log_density + g.info.log_level)
    return cast(to_state, dtype), cast(to_noise, dtype), cast(to_factor, dtype)


_LAYOUT = LAYOUT | {"tries": "T"}


def _step(target: Target, *arrays: Array) -> tuple[Transition, Shrunk]:
    x, log_density, z, u, angle, v, factor = arrays
    xp: Any = namespace(x)
    with np.errstate(all="ignore"):
        ellipse = xp.matmul(z, xp.matrix_transpose(factor))
        log_level = log_density + xp.log(u)

        def at(angle: Array) -> Array:
            return x * xp.cos(angle)[..., None] + ellipse * xp.sin(angle)[..., None]

        first = 2 * pi * angle
        shrunk = shrink(
            xp,
            first - 2 * pi,
            first,
            v,
            lambda angle: evaluate(xp, target, "log_density", at(angle)) > log_level,
            first,
        )
        y = at(shrunk.point)
        proposed = evaluate(xp, target, "log_density", y)
    taken = shrunk.taken
    after = State(choose(xp, taken, y, x), choose(xp, taken, proposed, log_density))
    return Transition(after, Info(ellipse, log_level, shrunk.point, shrunk.count, taken)), shrunk
