r"""Leapfrog trajectories, their adjoint, and the metric of the momentum.

A trajectory of L steps of size :math:`\epsilon` with the inverse mass w of every coordinate is

.. math:: p_{i+1/2} = p_i + \tfrac\epsilon2 g(q_i), \qquad q_{i+1} = q_i + \epsilon w p_{i+1/2}, \qquad
          p_{i+1} = p_{i+1/2} + \tfrac\epsilon2 g(q_{i+1})

Every part shears: q moves by a function of p alone or the other way round, so that each has the Jacobian determinant 1.
Run from :math:`(q_L, -p_L)` the steps lead back to :math:`(q_0, -p_0)`. With the sign of the momentum flipped at the
end the trajectory is an involution that keeps volume, hence a symmetric proposal.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_option
from refengine.domains import Array
from refengine.samplers._chains import evaluate, times
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import over_chains

METRICS = ("inverse_mass", "mass", "inverse_scale")
"""What the numbers of a metric are: w, 1 / w, or the square root of w."""


class Path(NamedTuple):
    """Positions and gradients at the L + 1 points, momenta half way, and the whole change of the momentum."""

    positions: list[Array]
    gradients: list[Array]
    halves: list[Array]
    kick: Array


class Flight(NamedTuple):
    """What a trajectory leads to; the momentum as it arrives, not flipped."""

    position: Array
    log_density: Array
    gradient: Array
    momentum: Array
    energy: Array
    final_energy: Array
    log_ratio: Array


def inverse_mass(xp: Any, metric: Array, convention: str) -> Array:
    """w, nan where the metric is not positive."""
    check_option("metric_convention", convention, METRICS)
    metric = xp.where(metric > 0, metric, xp.nan)
    return {"inverse_mass": lambda m: m, "mass": lambda m: 1 / m, "inverse_scale": lambda m: m * m}[convention](metric)


def metric_vjp(xp: Any, to_inverse: Array, metric: Array, convention: str) -> Array:
    """The cotangent of the metric from that of w of every chain, summed over the chains."""
    with np.errstate(all="ignore"):
        total = over_chains(xp, to_inverse)
        slope = {"inverse_mass": 1.0 + 0 * metric, "mass": -1 / (metric * metric), "inverse_scale": 2 * metric}
        return total * slope[convention]


def leapfrog(xp: Any, target: Target, x: Array, slope: Array, p: Array, w: Array, epsilon: float, steps: int) -> Path:
    """A trajectory from x with the gradient there; a negative epsilon runs back."""
    positions, gradients, halves, kick = [x], [slope], [], xp.zeros_like(p)
    for _ in range(steps):
        kick = kick + epsilon / 2 * gradients[-1]
        halves.append(p + kick)
        positions.append(positions[-1] + epsilon * w * halves[-1])
        gradients.append(evaluate(xp, target, "gradient", positions[-1]))
        kick = kick + epsilon / 2 * gradients[-1]
    return Path(positions, gradients, halves, kick)


Seed = tuple[Array, Array, Array, Array]
"""Cotangents that arrive at a point: of position, gradient, momentum, and of the momentum by way of the energy."""


def leapfrog_vjp(
    xp: Any, target: Target, path: Path, w: Array, epsilon: float, seeds: dict[int, Seed]
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of position, gradient, momentum and w from those of the points in ``seeds``, by their index.

    Backwards from the last point, with what a seed says added at each:
    :math:`\bar g \mathrel{+}= \tfrac\epsilon2 \bar p`, :math:`\bar q \mathrel{+}= H(q) \bar g`,
    :math:`\bar p \mathrel{+}= \epsilon w \bar q`, :math:`\bar w \mathrel{+}= \epsilon p_{i+1/2} \bar q`,
    :math:`\bar g = \tfrac\epsilon2 \bar p`. The last result is the part of the momentum's that is not by way of
    energies.
    """
    nothing = xp.zeros_like(path.kick)
    to_x, to_slope, to_p, to_w, other = nothing, nothing, nothing, nothing, nothing
    for i in range(len(path.halves), -1, -1):
        if i in seeds:
            x, slope, p, energy = seeds[i]
            to_x, to_slope, to_p, other = to_x + x, to_slope + slope, to_p + (p + energy), other + p
        if i:
            to_slope = to_slope + epsilon / 2 * to_p
            to_x = to_x + evaluate(xp, target, "gradient_vjp", path.positions[i], to_slope)
            pushed = epsilon * w * to_x
            to_p, other, to_w = to_p + pushed, other + pushed, to_w + epsilon * path.halves[i - 1] * to_x
            to_slope = epsilon / 2 * to_p
    return to_x, to_slope, to_p, to_w, other


def fly(xp: Any, target: Target, log_density: Array, path: Path, p: Array, w: Array) -> Flight:
    r"""The end of a path, its energies H = -log density + p' W p / 2, and -dH with no difference of kinetic energies.

    With the kick k the kinetic energy grows by :math:`\sum_d w_d k_d (p_d + k_d / 2)`.
    """
    y, momentum = path.positions[-1], p + path.kick
    proposed = evaluate(xp, target, "log_density", y)
    energy = xp.sum(w * p * p, axis=-1) / 2 - log_density
    final = xp.sum(w * momentum * momentum, axis=-1) / 2 - proposed
    log_ratio = (proposed - log_density) - xp.sum(w * path.kick * (p + path.kick / 2), axis=-1)
    log_ratio = xp.where(proposed == -xp.inf, proposed, log_ratio)
    return Flight(y, proposed, path.gradients[-1], momentum, energy, final, log_ratio)


def fly_vjp(
    xp: Any, g: Flight, target: Target, flight: Flight, path: Path, p: Array, w: Array, epsilon: float, fresh: bool
) -> tuple[Array, Array, Array, Array, Array, Array]:
    r"""Cotangents of position, log density, gradient, momentum and w (of every chain); the part that ends the last one.

    As derivatives :math:`\log r = H_0 - H_L`. With :math:`\bar H_0, \bar H_L` so completed:
    :math:`\bar\ell_0 = -\bar H_0`, :math:`\bar\ell_L \mathrel{-}= \bar H_L`,
    :math:`\bar p_i \mathrel{+}= \bar H_i w p_i`, :math:`\bar w \mathrel{+}= \tfrac12 \bar H_i p_i^2`; the rest is the
    adjoint of the trajectory. Where :math:`p_0 = z / \sqrt w` is ``fresh``, the kinetic energy at a kick k from it is
    :math:`\tfrac12 |z + \sqrt w k|^2`, whose slope :math:`\tfrac12 p k` to w takes the place of two that nearly cancel;
    w then gets :math:`-\tfrac12 \bar p p_0 / w` of the last result alone, which is the part not by way of energies.
    """
    first, last = (leaf[..., None] for leaf in (g.energy + g.log_ratio, g.final_energy - g.log_ratio))
    to_density = g.log_density[..., None] - last
    end = g.position + times(xp, to_density, flight.gradient), g.gradient, g.momentum, last * w * flight.momentum
    start = 0 * p, 0 * p, 0 * p, first * w * p
    seeds = {len(path.halves): end, 0: start}
    to_x, to_slope, to_p, to_w, other = leapfrog_vjp(xp, target, path, w, epsilon, seeds)
    if fresh:
        to_w = to_w + last * flight.momentum * path.kick / 2
    else:
        to_w = to_w + (first * p * p + last * flight.momentum * flight.momentum) / 2
    return to_x, -first[..., 0], to_slope, to_p, to_w, other if fresh else to_p
