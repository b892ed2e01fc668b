r"""The stretch move of an ensemble: a walker moves along the line through a walker of the other half.

Axes: W walkers, D coordinates; leading axes are ensembles.

The factor has the density :math:`\propto 1 / \sqrt z` on [1/a, a], for which :math:`z\, g(z) = g(1/z)`: the way back by
1/z has the same density. The map of the walker along the line has the Jacobian :math:`z^{D-1}` besides, which the ratio
holds. Each half moves given the other, so that both updates are reversible; one after the other they keep the target.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_number, namespace
from refengine.domains import Array, Mask, Real, Unit
from refengine.samplers._chains import (
    accept,
    cast,
    choose,
    cotangents,
    evaluate,
    inputs,
    shape_of,
    shares,
    times,
    uniforms,
)
from refengine.samplers.random_walk import State, init
from refengine.samplers.targets import Target

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]


class Noise(NamedTuple):
    """Uniforms of every walker (..., W) for the factor, for the partner in the other half, and for the decision."""

    stretch: Unit
    partner: Unit
    uniform: Unit


class Info(NamedTuple):
    """For every walker (..., W) the factor, the proposal (..., W, D), its log density, log ratio and the decision."""

    factor: Real
    proposals: Real
    log_densities: Real
    log_accept_ratio: Real
    accepted: Mask


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def noise(rng: np.random.Generator, state: State) -> Noise:
    """Draw the noise of one transition of ``state`` from a NumPy generator.

    >>> noise(np.random.default_rng(0), State(np.zeros((4, 2)), np.zeros(4))).partner.shape
    (4,)
    """
    shape = shape_of(state.position)[:-1]
    return Noise(*(uniforms(rng, state.position, shape) for _ in Noise._fields))


def step(state: State, noise: Noise, target: Target, *, a: float = 2.0) -> Transition:
    r"""One move of all walkers, half after half, as a pure function of state and noise.

    .. math:: z = \frac{((a - 1) u_1 + 1)^2}{a}, \qquad y = c - z (c - x), \qquad
              \log r = (D - 1) \log z + \log\pi(y) - \log\pi(x)

    where c is the walker number :math:`\lfloor u_2 W / 2 \rfloor` of the other half, and :math:`x' = y` if
    :math:`\log u < \log r`. state: position (..., W, D), log_density (..., W); noise: stretch :math:`u_1`, partner
    :math:`u_2` and uniform u, all (..., W). The first half of the walkers moves towards the second one as it was, then
    the second half towards the first one as it is. (emcee shuffles the walkers into the halves before every move.) W is
    even; with fewer than 2 D walkers the ensemble may stay in a subspace. The comparison is strict: a nan ratio and a
    proposal of density 0 reject, u = 0 accepts every other one. Results in float64 unless every array of state and
    noise is float32. Raises ValueError for shapes and an a that is not above 1, TypeError for dtypes. Goodman and Weare
    (2010), Communications in Applied Mathematics and Computational Science 5, eq. 7 to 9.

    With the smallest factor 1/2 the first walker comes half way to the second one, which then stays:

    >>> from refengine.samplers.targets import gaussian
    >>> target = gaussian.target([0.0], [[1.0]])
    >>> drawn = Noise(np.array([0.0, 0.5]), np.zeros(2), np.array([0.5, 1.0]))
    >>> state, info = step(init(np.array([[1.0], [0.0]]), target), drawn, target)
    >>> info.factor.tolist(), state.position.tolist()
    ([0.5, 1.125], [[0.5], [0.0]])
    """
    _, dtype, *arrays = inputs(_LAYOUT, state=(state, State), noise=(noise, Noise))
    return cast(_step(target, limit(a), *arrays)[0], dtype)


def step_vjp(g: Transition, state: State, noise: Noise, target: Target, *, a: float = 2.0) -> tuple[State, Noise]:
    r"""Cotangents of state and noise, partners and decisions held fixed.

    For each walker of the second half, then of the first, with the cotangents of what is told of it and the decision A:

    .. math:: \bar y = \bar y_0 + [A]\, \bar x' + (\bar\ell_y + \bar r + [A]\, \bar\ell') \nabla\log\pi(y), \qquad
              \bar x = z \bar y + [\neg A]\, \bar x', \qquad \bar c \mathrel{+}= (1 - z) \bar y

    .. math:: \bar z = \bar z_0 - \bar y \cdot (c - x) + (D - 1) \bar r / z, \qquad
              \bar u_1 = \frac{2 (a - 1) ((a - 1) u_1 + 1)}{a}\, \bar z, \qquad
              \bar\ell = [\neg A]\, \bar\ell' - \bar r
    """
    xp, dtype, *arrays = inputs(_LAYOUT, state=(state, State), noise=(noise, Noise))
    a, u = limit(a), arrays[2]
    value, moves = _step(target, a, *arrays)
    g = cotangents(g, value)
    states, told = _halves(g.state), _halves(g.info)
    with np.errstate(all="ignore"):
        late, to_first, to_z = _pulled_back(xp, target, states[1], told[1], moves[1])
        ahead = states[0]._replace(position=states[0].position + to_first)
        early, to_second, to_y = _pulled_back(xp, target, ahead, told[0], moves[0])
        late = late._replace(position=late.position + to_second)
        to_stretch = xp.concat([to_y, to_z], axis=-1) * (2 * (a - 1) * ((a - 1) * u + 1) / a)
    to_noise = Noise(to_stretch, xp.zeros_like(u), xp.zeros_like(u))
    return cast(_joined(xp, early, late), dtype), cast(to_noise, dtype)


_LAYOUT = {
    "position": "WD", "log_density": "W", "stretch": "W", "partner": "W", "uniform": "W"
}  # fmt: skip


def check_walkers(position: Array) -> None:
    """ValueError unless the walkers make two halves."""
    if position.shape[-2] % 2 or not position.shape[-2]:
        raise ValueError(f"state.position must have shape (..., W, D) with an even W > 0, got {position.shape}")


def limit(a: float) -> float:
    """The largest factor. ValueError unless it is above 1."""
    number = check_number("a", a)
    if not number > 1:
        raise ValueError(f"a must be above 1, got {a!r}")
    return number


class _Move(NamedTuple):
    """One half on its way: where it is, the partners, who they are, and what happened."""

    position: Array
    center: Array
    picked: Array
    told: Info


def _halves(fields: Any) -> list[Any]:
    """The tuple for the first half of the walkers, and for the second."""
    half = fields[-1].shape[-1] // 2
    parts = []
    for part in (slice(None, half), slice(half, None)):
        cut = (
            a[..., part, :] if name in ("position", "proposals") else a[..., part]
            for name, a in fields._asdict().items()
        )
        parts.append(type(fields)(*cut))
    return parts


def _joined(xp: Any, early: Any, late: Any) -> Any:
    """The inverse of `_halves`."""
    pairs = zip(early._fields, early, late, strict=True)
    axes = {"position": -2, "proposals": -2}
    return type(early)(*(xp.concat([a, b], axis=axes.get(name, -1)) for name, a, b in pairs))


def _step(target: Target, a: float, *arrays: Array) -> tuple[Transition, list[_Move]]:
    xp: Any = namespace(arrays[0])
    check_walkers(arrays[0])
    states, noises = _halves(State(*arrays[:2])), _halves(Noise(*arrays[2:]))
    early, first = _moved(xp, target, a, states[0], states[1].position, noises[0])
    late, second = _moved(xp, target, a, states[1], early.position, noises[1])
    return Transition(_joined(xp, early, late), _joined(xp, first.told, second.told)), [first, second]


def _moved(xp: Any, target: Target, a: float, state: State, others: Array, noise: Noise) -> tuple[State, _Move]:
    """One half moves towards the others."""
    x, log_density = state
    count = others.shape[-2]
    with np.errstate(all="ignore"):
        number = xp.minimum(xp.floor(noise.partner * count), xp.asarray(count - 1.0))
        picked = number[..., None] == xp.astype(xp.arange(count), xp.float64)
        center = xp.sum(xp.where(picked[..., None], others[..., None, :, :], xp.zeros_like(x[..., None, :])), axis=-2)
        z = ((a - 1) * noise.stretch + 1) ** 2 / a
        y = center - z[..., None] * (center - x)
        proposed = evaluate(xp, target, "log_density", y)
        ratio = (x.shape[-1] - 1) * xp.log(z) + (proposed - log_density)
        accepted = accept(xp, noise.uniform, ratio)
    after = State(choose(xp, accepted, y, x), choose(xp, accepted, proposed, log_density))
    return after, _Move(x, center, picked, Info(z, y, proposed, ratio, accepted))


def _pulled_back(xp: Any, target: Target, g: State, told: Info, move: _Move) -> tuple[State, Array, Array]:
    """Cotangents of the half that moves, of the others' positions, and of the factors."""
    new, old = shares(xp, move.told.accepted, g)
    z, ratio = move.told.factor, told.log_accept_ratio
    to_density = new.log_density + told.log_densities + ratio
    to_y = new.position + told.proposals
    to_y = to_y + times(xp, to_density[..., None], evaluate(xp, target, "gradient", move.told.proposals))
    to_center = (1 - z)[..., None] * to_y
    spread = xp.where(move.picked[..., None], to_center[..., None, :], xp.zeros_like(to_center[..., None, :]))
    to_z = told.factor - xp.sum(to_y * (move.center - move.position), axis=-1)
    to_z = to_z + (move.position.shape[-1] - 1) * ratio / z
    to_state = State(old.position + z[..., None] * to_y, old.log_density - ratio)
    return to_state, xp.sum(spread, axis=-3), to_z
