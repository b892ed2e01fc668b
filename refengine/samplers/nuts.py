r"""The No-U-Turn sampler: a trajectory that doubles until it turns back, one of its points drawn by its weight.

Axes: D coordinates, J the largest depth, K = 2^J - 1 leaves; leading axes are chains, each with a tree of its own.

Invariance: given the momentum, the tree of :math:`2^j` points is drawn with probability :math:`2^{-j}` from each of its
points, for the rule that stops it looks at all sub-trees that doubling from any point would have met; the choice among
the points leaves the distribution proportional to :math:`e^{-H}` on the tree invariant. Within the new half a point is
kept with its share of the weight so far; between old and new half the new one is preferred, with
:math:`\min(1, W_{new} / W_{old})`, which keeps the distribution too and moves farther.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log, prod
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import check_number, check_option
from refengine.domains import Array, Indices, Mask, Positive, Real, Unit
from refengine.samplers._chains import (
    LAYOUT,
    cast,
    check_positive,
    cotangents,
    evaluate,
    inputs,
    normals,
    shape_of,
    times,
    uniforms,
)
from refengine.samplers._leapfrog import Path, inverse_mass, leapfrog_vjp, metric_vjp
from refengine.samplers.mala import State, init
from refengine.samplers.targets import Target
from refengine.samplers.targets._target import as_rows, check_hessian

__all__ = ["Info", "Noise", "State", "Transition", "init", "noise", "step", "step_vjp"]

TURNS = ("trapezoidal", "momentum_sum", "stan", "position")


class Noise(NamedTuple):
    """Normals (..., D) for the momentum; uniforms for directions and new halves (..., J), and for leaves (..., K)."""

    normal: Real
    directions: Unit
    halves: Unit
    leaves: Unit


class Info(NamedTuple):
    r"""Momentum and energy at the start, energy of the chosen point, log weight of the tree over that of its start.

    ``acceptance`` is the mean of :math:`\min(1, e^{-\Delta H})` over all leaves but the start, those of a half that
    was thrown away too; ``depth`` counts the doublings that became part of the tree, ``leaves`` the steps taken.
    """

    momentum: Real
    energy: Real
    proposal_energy: Real
    log_weight: Real
    acceptance: Unit
    depth: Indices
    leaves: Indices
    turning: Mask
    divergent: Mask


class Transition(NamedTuple):
    """The next state, and what happened on the way."""

    state: State
    info: Info


def noise(rng: np.random.Generator, state: State, max_depth: int = 10) -> Noise:
    """Draw the noise of one transition of ``state`` from a NumPy generator.

    >>> drawn = noise(np.random.default_rng(0), State(np.zeros((3, 2)), np.zeros(3), np.zeros((3, 2))), 4)
    >>> drawn.directions.shape, drawn.leaves.shape
    ((3, 4), (3, 15))
    """
    like, shape = state.position, shape_of(state.position)
    sizes = (max_depth, max_depth, 2**max_depth - 1)
    return Noise(normals(rng, like, shape), *(uniforms(rng, like, (*shape[:-1], size)) for size in sizes))


def step(
    state: State,
    noise: Noise,
    target: Target,
    metric: Positive,
    *,
    step_size: float,
    turn: str = "trapezoidal",
    metric_convention: str = "inverse_mass",
    divergence_threshold: float = 1000.0,
) -> Transition:
    r"""One transition as a pure function of state and noise.

    .. math:: W = \sum_i e^{H_0 - H_i}, \qquad
              P(\text{leaf } i \text{ in its half}) = e^{H_0 - H_i} / W_{half}, \qquad
              P(\text{new half}) = \min(1, W_{new} / W_{old})

    state: position (..., D), log_density (...), gradient (..., D); noise: normal (..., D), directions and halves
    (..., J), leaves (..., K) with :math:`K = 2^J - 1`; metric: (D,), the same for all chains. Doubling number j goes
    forward in time if directions[j] < 1/2, by :math:`2^j` leapfrog steps as in ``hamiltonian.step``. Leaf n, counted
    from 0 over the whole transition, replaces the point kept of its half if leaves[n] is below its share of the weight
    of the half so far; the first one of a half always does. A new half that neither turns nor diverges is taken in, and
    its point kept if halves[j] is below the quotient of the weights. The tree ends at depth J, with a half that is
    thrown away because it diverges (the energy grows by more than ``divergence_threshold`` or is nan) or turns, or when
    the whole tree turns. An interval of the trajectory with ends l and r, :math:`v = w p` and :math:`\rho = \sum p_i`
    turns, according to ``turn``, if for one of its ends

    - "trapezoidal": :math:`v \cdot (\rho - (p_l + p_r) / 2) \le 0` (NumPyro, BlackJAX);
    - "momentum_sum": :math:`v \cdot \rho \le 0` (Betancourt 2017);
    - "stan": the same, or for the first half with the next point, or for the last point of the first with the second
      half;
    - "position": :math:`(q_r - q_l) \cdot p < 0` (Hoffman and Gelman 2014, eq. 1).

    All halves of halves are looked at, as soon as they are complete. Metric, dtypes and errors are as in
    ``hamiltonian.step``. Betancourt (2017), arXiv:1701.02434, section A.3; Hoffman and Gelman (2014), algorithm 3.

    One doubling forward: the leaf is the second point, with the energy 5/8 after 1/2, and it is kept.

    >>> from refengine.samplers.targets import gaussian
    >>> target, ones = gaussian.target([0.0], [[1.0]]), np.ones(1)
    >>> drawn = Noise(ones, np.array([0.25]), np.array([0.5]), np.array([0.5]))
    >>> state, info = step(init(np.zeros(1), target), drawn, target, ones, step_size=1.0)
    >>> state.position.tolist(), float(info.proposal_energy), int(info.depth), bool(info.turning)
    ([1.0], 0.625, 1, False)
    """
    xp, dtype, *arrays = inputs(_LAYOUT, state=(state, State), noise=(noise, Noise), metric=metric)
    w = inverse_mass(xp, arrays.pop(), metric_convention)
    trees = _trees(xp, target, _rule(turn), check_positive("step_size", step_size), divergence_threshold, w, *arrays)
    return cast(_together(xp, [tree.transition() for tree in trees], State(*arrays[:3])), dtype)


def step_vjp(
    g: Transition,
    state: State,
    noise: Noise,
    target: Target,
    metric: Positive,
    *,
    step_size: float,
    turn: str = "trapezoidal",
    metric_convention: str = "inverse_mass",
    divergence_threshold: float = 1000.0,
) -> tuple[State, Noise, Array]:
    r"""Cotangents of state, noise and metric, every decision held fixed: the uniforms get zero.

    Each point of the trajectory has the energy :math:`H_i`; its cotangent collects that of the energy told if it is the
    chosen one, that of :math:`\log W`, which is :math:`-\overline{\log W}\, e^{H_0 - H_i} / W` on the tree, and that of
    the acceptance, :math:`-\bar a\, e^{H_0 - H_i} / n` where :math:`H_i > H_0`; :math:`\bar H_0` gets the opposite of
    both. Then at every point

    .. math:: \bar q_i \mathrel{+}= -\bar H_i \nabla\log\pi(q_i), \qquad \bar p_i \mathrel{+}= \bar H_i w p_i, \qquad
              \bar w \mathrel{+}= \tfrac12 \bar H_i p_i (p_i - p_0)

    (the way of w to :math:`\tfrac12 |z + \sqrt w (p_i - p_0)|^2`, z held) and backwards along both arms of the
    trajectory to its start, as in ``hamiltonian.step_vjp``.
    """
    xp, dtype, *arrays = inputs(_LAYOUT, state=(state, State), noise=(noise, Noise), metric=metric)
    metric = arrays.pop()
    w, epsilon = inverse_mass(xp, metric, metric_convention), check_positive("step_size", step_size)
    check_hessian(target)
    trees = _trees(xp, target, _rule(turn), epsilon, divergence_threshold, w, *arrays)
    g = cotangents(g, _together(xp, [tree.transition() for tree in trees], State(*arrays[:3])))
    rows = [_row(xp, g, i, len(trees)) for i in range(len(trees))]
    with np.errstate(all="ignore"):
        parts = [tree.pulled_back(row) for tree, row in zip(trees, rows, strict=True)]
    if not parts:
        nowhere = _nowhere(xp, arrays[0].shape[-1]).state
        parts = [(*nowhere, nowhere.position, nowhere.position)]
    to_x, to_density, to_slope, to_z, to_w = (
        _over(xp, list(leaf), arrays[1].shape) for leaf in zip(*parts, strict=True)
    )
    silent = (xp.zeros_like(a) for a in arrays[4:])
    to_metric = metric_vjp(xp, to_w, metric, metric_convention)
    return cast(State(to_x, to_density, to_slope), dtype), cast(Noise(to_z, *silent), dtype), cast(to_metric, dtype)


_LAYOUT = LAYOUT | {"directions": "J", "halves": "J", "leaves": "K"}


class _Tree:
    """The trajectory of one chain: two arms that grow from the start, and what was decided."""

    def __init__(
        self, xp: Any, target: Target, epsilon: float, w: Array, x: Array, density: Array, slope: Array, z: Array
    ):
        self.xp, self.target, self.epsilon, self.w, self.z = xp, target, epsilon, w, z
        self.p0 = z / xp.sqrt(w)
        self.densities = {0: density}
        self.arms: dict[int, tuple[list[Any], ...]] = {sign: ([x], [slope], [], [xp.zeros_like(x)]) for sign in (1, -1)}
        self.weights: dict[int, Any] = {0: xp.zeros_like(density)}
        self.chosen, self.left, self.right, self.depth = 0, 0, 0, 0
        self.turning = self.divergent = False

    def at(self, i: int, part: int) -> Array:
        """Position (0), gradient (1) or kick (3) of point i."""
        return self.arms[1 if i >= 0 else -1][part][abs(i)]

    def momentum(self, i: int) -> Array:
        return self.p0 + self.at(i, 3)

    def grow(self, sign: int) -> int:
        """One more point at an end; its number."""
        positions, slopes, halves, kicks = self.arms[sign]
        h = sign * self.epsilon
        kick = kicks[-1] + h / 2 * slopes[-1]
        halves.append(self.p0 + kick)
        positions.append(positions[-1] + h * self.w * halves[-1])
        slopes.append(evaluate(self.xp, self.target, "gradient", positions[-1]))
        kicks.append(kick + h / 2 * slopes[-1])
        i = sign * len(halves)
        self.densities[i] = evaluate(self.xp, self.target, "log_density", positions[-1])
        growth = self.xp.sum(self.w * kicks[-1] * (self.p0 + kicks[-1] / 2))
        weight = (self.densities[i] - self.densities[0]) - growth
        self.weights[i] = self.xp.where(self.xp.isnan(weight), -self.xp.inf, weight)
        return i

    def energy(self, i: int) -> Array:
        p = self.momentum(i)
        return self.xp.sum(self.w * p * p) / 2 - self.densities[i]

    def log_weight(self, points: range) -> Array:
        """By log(1 + the rest) over the largest, which may be all that counts."""
        highest = max(points, key=lambda i: float(self.weights[i]))
        top = self.weights[highest]
        if not float(top) > -inf:
            return top
        rest = sum((self.xp.exp(self.weights[i] - top) for i in points if i != highest), self.xp.zeros_like(top))
        return top + self.xp.log1p(rest)

    @property
    def points(self) -> range:
        return range(self.left, self.right + 1)

    @property
    def acceptance(self) -> Array:
        leaves = [self.xp.minimum(self.xp.exp(v), self.xp.ones_like(v)) for i, v in self.weights.items() if i]
        return self.xp.mean(self.xp.stack(leaves))

    def transition(self) -> Transition:
        xp, i = self.xp, self.chosen
        with np.errstate(all="ignore"):
            state = State(self.at(i, 0), self.densities[i], self.at(i, 1))
            reals = self.p0, self.energy(0), self.energy(i), self.log_weight(self.points), self.acceptance
        counts = (xp.asarray(n, dtype=xp.int64) for n in (self.depth, len(self.weights) - 1))
        return Transition(state, Info(*reals, *counts, *(xp.asarray(b) for b in (self.turning, self.divergent))))

    def pulled_back(self, g: Transition) -> tuple[Array, ...]:
        """Cotangents of position, log density, gradient, normals and w."""
        xp, told = self.xp, g.info
        zero, total, count = xp.zeros_like(self.densities[0]), self.log_weight(self.points), len(self.weights) - 1
        energies = dict.fromkeys(self.weights, zero)
        energies[0] = energies[0] + told.energy
        energies[self.chosen] = energies[self.chosen] + told.proposal_energy
        for i, weight in list(self.weights.items())[1:]:  # that of the start is 0 whatever the inputs
            share = told.log_weight * xp.exp(weight - total) if self.left <= i <= self.right else zero
            share = share + (told.acceptance * xp.exp(weight) / count if float(weight) < 0 else zero)
            energies[i], energies[0] = energies[i] - share, energies[0] + share
        seeds, to_w = {}, xp.zeros_like(self.w)
        for i, energy in energies.items():
            direct = (g.state.position, g.state.log_density, g.state.gradient) if i == self.chosen else (0, zero, 0)
            p = self.momentum(i)
            to_density = direct[1] - energy
            slope = times(xp, xp.broadcast_to(to_density, p.shape), self.at(i, 1)) if i else 0 * p
            seeds[i] = direct[0] + slope, direct[2] + 0 * p, 0 * p, energy * self.w * p
            to_w = to_w + energy * p * self.at(i, 3) / 2
            if not i:
                to_start = to_density
        to_x, to_slope, other, energy = seeds[0]
        to_p = other + energy
        for sign, (positions, slopes, halves, kicks) in self.arms.items():
            own = {abs(i): seed for i, seed in seeds.items() if i * sign > 0}
            path = Path(positions, slopes, halves, kicks[-1])
            more = leapfrog_vjp(xp, self.target, path, self.w, sign * self.epsilon, own)
            before = to_x, to_slope, to_p, to_w, other
            to_x, to_slope, to_p, to_w, other = (a + b for a, b in zip(before, more, strict=True))
        to_p, other = to_p + told.momentum, other + told.momentum
        return to_x, to_start, to_slope, to_p / xp.sqrt(self.w), to_w - other * self.p0 / self.w / 2


Turns = Callable[[_Tree, int, int], bool]


def _rule(turn: str) -> Turns:
    """Whether the points l to r turn."""
    check_option("turn", turn, TURNS)

    def momentum_sum(tree: _Tree, low: int, high: int) -> bool:
        xp = tree.xp
        ends = tree.momentum(low), tree.momentum(high)
        total = sum((tree.momentum(i) for i in range(low + 1, high)), xp.zeros_like(tree.p0))
        total = total + (ends[0] + ends[1]) * (0.5 if turn == "trapezoidal" else 1.0)
        return any(not float(xp.sum(tree.w * p * total)) > 0 for p in ends)

    def stan(tree: _Tree, low: int, high: int) -> bool:
        middle = low + (high - low) // 2
        return any(momentum_sum(tree, *ends) for ends in ((low, high), (low, middle + 1), (middle, high)))

    def position(tree: _Tree, low: int, high: int) -> bool:
        apart = tree.at(high, 0) - tree.at(low, 0)
        return any(not float(tree.xp.sum(apart * tree.momentum(i))) >= 0 for i in (low, high))

    return {"stan": stan, "position": position}.get(turn, momentum_sum)


def check_leaves(directions: Array, leaves: Array) -> None:
    """ValueError unless there is a uniform for every leaf that so many doublings can make."""
    depth = directions.shape[-1]
    if leaves.shape[-1] != 2**depth - 1 or not depth:
        raise ValueError(f"noise.leaves must have shape (..., 2^J - 1) for J = {depth} > 0, got {leaves.shape}")


def _trees(
    xp: Any, target: Target, turns: Turns, epsilon: float, threshold: float, w: Array, *arrays: Array
) -> list[_Tree]:
    x, density, slope, z, directions, halves, leaves = arrays
    check_leaves(directions, leaves)
    limit = check_number("divergence_threshold", threshold)
    density = xp.reshape(density, (-1,))
    x, slope, z, directions, halves, leaves = (as_rows(xp, a) for a in (x, slope, z, directions, halves, leaves))
    found = []
    for row in range(density.shape[0]):
        with np.errstate(all="ignore"):
            tree = _Tree(xp, target, epsilon, w, x[row, ...], density[row, ...], slope[row, ...], z[row, ...])
            _grow(tree, turns, limit, *(_numbers(a[row, ...]) for a in (directions, halves, leaves)))
        found.append(tree)
    return found


def _numbers(row: Array) -> list[float]:
    return [float(row[i]) for i in range(row.shape[0])]


def _grow(
    tree: _Tree, turns: Turns, threshold: float, directions: list[float], halves: list[float], leaves: list[float]
) -> None:
    """Double until the tree turns, diverges or is as deep as it may be."""
    for depth, (way, u) in enumerate(zip(directions, halves, strict=True)):
        sign = 1 if way < 0.5 else -1
        new = _half(tree, sign, depth, turns, threshold, leaves)
        if new is None:
            return
        points, kept = new
        if _log(u) < float(tree.log_weight(points) - tree.log_weight(tree.points)):
            tree.chosen = kept
        tree.left, tree.right, tree.depth = min(tree.left, points[0]), max(tree.right, points[-1]), depth + 1
        if turns(tree, tree.left, tree.right):
            tree.turning = True
            return


def _half(
    tree: _Tree, sign: int, depth: int, turns: Turns, threshold: float, leaves: list[float]
) -> tuple[range, int] | None:
    """The points of a new half in the order of time and the one kept; None where it turns or diverges."""
    kept, start = 0, tree.right if sign > 0 else tree.left
    for made in range(1, 2**depth + 1):
        i = tree.grow(sign)
        points = range(min(start + sign, i), max(start + sign, i) + 1)
        if not float(tree.weights[i]) >= -threshold:
            tree.divergent = True
            return None
        if made == 1 or _log(leaves[len(tree.weights) - 2]) < float(tree.weights[i] - tree.log_weight(points)):
            kept = i
        for size in (2**level for level in range(1, depth + 1) if made % 2**level == 0):
            low, high = sorted((i - sign * (size - 1), i))
            if turns(tree, low, high):
                tree.turning = True
                return None
    return points, kept


def _log(u: float) -> float:
    return log(u) if u > 0 else -inf


def _together(xp: Any, transitions: list[Transition], like: State) -> Transition:
    """The transitions of all chains in arrays, the chains being those of the state."""
    over, size = like.log_density.shape, like.position.shape[-1]
    states, told = zip(*(transitions or [_nowhere(xp, size)]), strict=True)

    def stacked(part: Any) -> Any:
        return (_over(xp, list(leaf), over) for leaf in zip(*part, strict=True))

    return Transition(State(*stacked(states)), Info(*stacked(told)))


def _over(xp: Any, leaves: list[Array], over: tuple[int, ...]) -> Array:
    """One array of all chains from one each; of no chains from one whose shape it gets."""
    return xp.reshape(xp.stack(leaves)[: prod(over), ...], over + leaves[0].shape)


def _nowhere(xp: Any, size: int) -> Transition:
    """Zeros like the transition of a chain."""
    zero, vector = xp.zeros((), dtype=xp.float64), xp.zeros(size, dtype=xp.float64)
    count, no = xp.zeros((), dtype=xp.int64), xp.zeros((), dtype=xp.bool)
    info = Info(vector, zero, zero, zero, zero, count, count, no, no)
    return Transition(State(vector, zero, vector), info)


def _row(xp: Any, g: Transition, i: int, count: int) -> Transition:
    """The cotangents of one chain."""
    size = g.state.position.shape[-1]
    vectors = ("position", "gradient", "momentum")

    def of(field: str, leaf: Array) -> Array:
        return xp.reshape(leaf, (count, size) if field in vectors else (count,))[i, ...]

    def row(part: Any) -> Any:
        return part._replace(**{f: of(f, leaf) for f, leaf in part._asdict().items()})

    return Transition(row(g.state), row(g.info))
