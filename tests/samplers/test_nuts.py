"""The No-U-Turn sampler on the points of one trajectory: its trees and choices against a recursive definition.

Given the momentum the sampler moves on the points of one leapfrog trajectory, numbered by the steps from its start: a
countable state space, on which the definition is summed exactly.
"""

from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest

from refengine.samplers import _leapfrog, nuts
from refengine.samplers.targets import logistic_regression
from tests.samplers.calls import mutant

DEPTH, REACH = 3, 2**3 - 1
TARGET = logistic_regression.target(np.array([[2.0, 0.5], [-0.5, 3.0], [1.5, -1.0]]), np.array([1, 0, 1]), 0.8)
METRIC = np.array([0.7, 1.6])
TURNS = ("trapezoidal", "momentum_sum", "stan", "position")
ORBITS = [(0.15, [0.4, -0.3], [0.8, 0.5]), (1.15, [-0.5, -0.3], [1.6, 0.2]), (1.02, [0.9, 0.3], [-0.4, -0.2])]
"""Step size, position, momentum: short steps; four rules of four minds; halves that turn inside and not as a whole."""


class Orbit(NamedTuple):
    """Positions, momenta and weights exp(H_0 - H_i) of the points -2 REACH ... 2 REACH."""

    epsilon: float
    q: dict[int, Any]
    p: dict[int, Any]
    weight: dict[int, float]


@cache
def orbit(number):
    epsilon, q, p = ORBITS[number]
    points = {}
    for sign in (1, -1):
        at, momentum = np.array(q), np.array(p)
        for i in range(2 * REACH + 1):
            points[sign * i] = at, momentum
            slope = TARGET.gradient(at, *TARGET.parameters)
            path = _leapfrog.leapfrog(np, TARGET, at, slope, momentum, METRIC, sign * epsilon, 1)
            at, momentum = path.positions[-1], momentum + path.kick
    energy = {i: np.sum(METRIC * b * b) / 2 - TARGET.log_density(a, *TARGET.parameters) for i, (a, b) in points.items()}
    weight = {i: float(np.exp(energy[0] - e)) for i, e in energy.items()}
    return Orbit(epsilon, {i: a for i, (a, _) in points.items()}, {i: b for i, (_, b) in points.items()}, weight)


def turns(on, points, turn):
    """Whether an interval of the trajectory turns, by the formulas of the documentation."""
    low, high = points[0], points[-1]
    if turn == "position":
        return any((on.q[high] - on.q[low]) @ on.p[i] < 0 for i in (low, high))
    if turn == "stan":
        half = len(points) // 2
        return any(turns(on, part, "momentum_sum") for part in (points, points[: half + 1], points[half - 1 :]))
    rho = sum(on.p[i] for i in points)
    if turn == "trapezoidal":
        rho = rho - (on.p[low] + on.p[high]) / 2
    return any((METRIC * on.p[i]) @ rho <= 0 for i in (low, high))


def turns_inside(on, points, turn):
    """Whether any of the binary sub-trees of a half turns."""
    if len(points) == 1:
        return False
    half = len(points) // 2
    inside = turns_inside(on, points[:half], turn) or turns_inside(on, points[half:], turn)
    return inside or turns(on, points, turn)


def tree(on, start, directions, turn, inside=turns_inside):
    """The halves in their order, each in the order in which it grows, and whether the tree turns."""
    halves, points = [[start]], [start]
    for depth, forward in enumerate(directions):
        new = [points[-1] + k + 1 if forward else points[0] - k - 1 for k in range(2**depth)]
        if inside(on, sorted(new), turn):
            return halves, True
        halves, points = [*halves, new], sorted(points + new)
        if turns(on, points, turn):
            return halves, True
    return halves, False


def chances(on, halves):
    """The probability that each point is the next one: multinomial in a half, biased between the halves."""
    found, total = {halves[0][0]: 1.0}, on.weight[halves[0][0]]
    for half in halves[1:]:
        mass = sum(on.weight[i] for i in half)
        taken = min(1.0, mass / total)
        found = {i: chance * (1 - taken) for i, chance in found.items()}
        found |= {i: taken * on.weight[i] / mass for i in half}
        total += mass
    return found


def kernel(on, turn, inside=turns_inside):
    """K(i, j) for all starts i from which the point j of 0 ... REACH, or the reverse, can be reached."""
    size, ways = 2 * REACH + 1, list(product([True, False], repeat=DEPTH))
    found = np.zeros((2 * REACH + size, 2 * REACH + size))
    for i in range(-REACH, REACH + 1):
        for directions in ways:
            halves, _ = tree(on, i, directions, turn, inside)
            for j, chance in chances(on, halves).items():
                found[i + 2 * REACH, j + 2 * REACH] += chance / len(ways)
    return found


def uniforms_for(on, halves, point):
    """Uniforms just inside the decisions that lead to a point, of halves and of leaves, and which of them decided."""
    of_halves, of_leaves = np.full(DEPTH, 0.5), np.full(2**DEPTH - 1, 0.5)
    leaf, total, around = 0, on.weight[halves[0][0]], 1e-9
    for depth, half in enumerate(halves[1:]):
        mass, holds = 0.0, point in half
        for place, i in enumerate(half):
            mass += on.weight[i]
            share = on.weight[i] / mass
            wanted = i == point or (holds and place < half.index(point))
            of_leaves[leaf + place] = share * (1 - around) if wanted else share + around * (1 - share)
        taken = min(1.0, mass / total)
        after = any(point in later for later in halves[depth + 2 :])
        of_halves[depth] = taken * (1 - around) if holds or after else taken + around
        leaf, total = leaf + len(half), total + mass
    return of_halves, of_leaves


@pytest.mark.parametrize("number", range(len(ORBITS)))
@pytest.mark.parametrize("turn", TURNS)
def test_trees_and_thresholds_are_those_of_the_definition(turn, number):
    """For every direction and every point: uniforms at 1e-9 of their thresholds, on the side that leads there."""
    on, wanted, normals, directions, halves, leaves = orbit(number), [], [], [], [], []
    for way in product([True, False], repeat=DEPTH):
        grown, turning = tree(on, 0, way, turn)
        for point, chance in chances(on, grown).items():
            if chance:
                of_halves, of_leaves = uniforms_for(on, grown, point)
                wanted.append((point, len(grown) - 1, turning))
                directions.append(np.where(way, 0.5 - 1e-9, 0.5))
                halves.append(of_halves)
                leaves.append(of_leaves)
    x = np.broadcast_to(on.q[0], (len(wanted), 2))
    normals = np.broadcast_to(on.p[0] * np.sqrt(METRIC), x.shape)
    noise = nuts.Noise(normals, *(np.array(u) for u in (directions, halves, leaves)))
    after, info = nuts.step(nuts.init(x, TARGET), noise, TARGET, METRIC, step_size=on.epsilon, turn=turn)
    np.testing.assert_allclose(after.position, [on.q[point] for point, _, _ in wanted], rtol=1e-11, atol=1e-12)
    assert info.depth.tolist() == [depth for _, depth, _ in wanted]
    assert info.turning.tolist() == [turning for _, _, turning in wanted]


def go_through_all_orbits():
    for number, turn in product(reversed(range(len(ORBITS))), TURNS):
        test_trees_and_thresholds_are_those_of_the_definition(turn, number)


def test_the_rules_differ():
    trees = [[tree(orbit(1), 0, way, turn) for way in product([True, False], repeat=DEPTH)] for turn in TURNS]
    assert all(a != b for i, a in enumerate(trees) for b in trees[:i])


@pytest.mark.parametrize("number", range(len(ORBITS)))
@pytest.mark.parametrize("turn", TURNS)
def test_a_tree_is_found_from_each_of_its_points(turn, number):
    """By one choice of directions, so that the probability 2^-depth is the same for all: the orbits are balanced."""
    on = orbit(number)
    for way in product([True, False], repeat=DEPTH):
        halves, _ = tree(on, 0, way, turn)
        points = sorted(i for half in halves for i in half)
        for i in points:
            grown = [tree(on, i, ways, turn)[0] for ways in product([True, False], repeat=len(halves) - 1)]
            assert sum(sorted(j for half in found for j in half) == points for found in grown) == 1


@pytest.mark.parametrize("number", range(len(ORBITS)))
@pytest.mark.parametrize("turn", TURNS)
def test_the_choice_on_a_trajectory_is_balanced(turn, number):
    on = orbit(number)
    found = kernel(on, turn)
    weight = np.array([on.weight.get(i, 0.0) for i in range(-2 * REACH, 2 * REACH + 1)])
    weight = np.pad(weight, (0, len(found) - len(weight)))
    flow = weight[:, None] * found
    inner = slice(REACH, 3 * REACH + 1)  # all starts that were summed over
    assert np.abs(flow - flow.T)[inner, inner].max() < 1e-14
    assert abs(flow[:, 2 * REACH].sum() / weight[2 * REACH] - 1) < 1e-14  # point 0 has all of its starts


def stationarity(on, turn, inside):
    found = kernel(on, turn, inside)
    return abs(sum(on.weight[i] * found[i + 2 * REACH, 2 * REACH] for i in range(-REACH, REACH + 1)) / on.weight[0] - 1)


def test_halves_of_halves_must_be_looked_at():
    """Without them a tree that a start inside it would not have met is drawn from one side alone."""
    errors = [stationarity(orbit(n), turn, lambda on, points, turn: False) for n in range(3) for turn in TURNS]
    assert max(errors) > 1e-2


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (
            "tree.log_weight(points) - tree.log_weight(tree.points)",
            "tree.log_weight(tree.points) - tree.log_weight(points)",
        ),
        ("tree.weights[i] - tree.log_weight(points))", "tree.weights[i])"),
        ("sign = 1 if way < 0.5 else -1", "sign = 1"),
        ("if made % 2**level == 0", "if level == depth and made == 2**level"),
    ],
    ids=["weights_swapped", "share_without_its_sum", "forward_alone", "halves_of_halves"],
)
def test_planted_mistakes_of_trees_are_found(right, wrong, monkeypatch):
    monkeypatch.setattr("tests.samplers.test_nuts.nuts", mutant(nuts, right, wrong))
    with pytest.raises(AssertionError):
        go_through_all_orbits()
