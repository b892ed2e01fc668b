"""How the miners relate to each other and to the losses that they serve, and what they refuse."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import refengine
from refengine import mining
from refengine.losses import contrastive, triplet

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(12, 3)), RNG.integers(3, size=12)
LATTICE = RNG.integers(-2, 3, size=(12, 2)).astype(float)
U = RNG.uniform(size=(12, 12))


def rows(found: Any) -> list[tuple[int, ...]]:
    return [tuple(map(int, row)) for row in np.stack(found, axis=1)]


@pytest.mark.parametrize("x", [X, LATTICE])
@pytest.mark.parametrize("constants", [{}, {"squared": True}])
def test_every_triplet_is_hard_semi_hard_or_easy(x: Any, constants: dict[str, Any]) -> None:
    for inclusive in (False, True):
        kinds = (
            mining.hard(x, LABELS),
            mining.semi_hard(x, LABELS, margin=1.0, selection="all", inclusive=inclusive, **constants),
            mining.easy(x, LABELS, margin=1.0, inclusive=not inclusive, **constants),
        )
        parts = [rows(kind) for kind in kinds]
        assert all(parts[::2])
        assert sorted(itertools.chain(*parts)) == rows(mining.all_triplets(LABELS))
        violating = mining.batch_all(x, LABELS, margin=1.0, inclusive=inclusive, **constants)
        assert sorted(parts[0] + parts[1]) == rows(violating)


def test_equals_are_hard_unless_strict() -> None:
    assert len(mining.hard(LATTICE, LABELS).anchor) > len(mining.hard(LATTICE, LABELS, inclusive=False).anchor)


def test_batch_all_is_where_the_triplet_loss_is_active() -> None:
    losses = triplet.loss(X, LABELS, margin=0.5, reduction="none")
    everything = rows(mining.all_triplets(LABELS))
    assert rows(mining.batch_all(X, LABELS, margin=0.5)) == [
        t for t, v in zip(everything, losses, strict=True) if v > 0
    ]
    assert rows(mining.batch_all(X, LABELS, margin=math.inf)) == everything


def test_pair_margin_is_where_the_contrastive_loss_is_active() -> None:
    losses = contrastive.loss(
        X, LABELS, margin=1.5, positive_margin=0.75, squared=False, normalize_x=True, reduction="none"
    )
    found = mining.pair_margin(X, LABELS, positive_margin=0.75, negative_margin=1.5)
    assert sorted(rows(found[:2]) + rows(found[2:])) == [tuple(map(int, at)) for at in np.argwhere(losses > 0)]


def test_the_hardest_triplet_of_an_anchor_is_among_its_triplets() -> None:
    hardest = rows(mining.batch_hard(X, LABELS))
    assert set(hardest) <= set(rows(mining.all_triplets(LABELS)))
    found = set(rows(mining.hard(X, LABELS)))
    for a, p, n in hardest:
        assert ((a, p, n) in found) == any(t[0] == a for t in found)


def test_selections_of_semi_hard_negatives() -> None:
    every = rows(mining.semi_hard(X, LABELS, margin=1.0, selection="all"))
    nearest = rows(mining.semi_hard(X, LABELS, margin=1.0))
    drawn = rows(mining.semi_hard(X, LABELS, U, margin=1.0, selection="random"))
    pairs = sorted({t[:2] for t in every})
    assert [t[:2] for t in nearest] == [t[:2] for t in drawn] == pairs
    for a, p, n in nearest:
        d = {k: np.linalg.norm(X[a] - X[k]) for b, q, k in every if (b, q) == (a, p)}
        assert n == min(d, key=lambda k: d[k])
    assert set(drawn) <= set(every)
    for u, end in ((0.0, 0), (1.0, -1)):
        ends = rows(mining.semi_hard(X, LABELS, np.full((12, 12), u), margin=1.0, selection="random"))
        assert ends == [[t for t in every if t[:2] == pair][end] for pair in pairs]
    with_far = mining.semi_hard(X, LABELS, margin=0.1, otherwise="farthest")
    assert rows(with_far[:2]) == sorted({t[:2] for t in rows(mining.all_triplets(LABELS))})


def test_pairs_come_in_both_orders_or_once() -> None:
    both, once = mining.all_pairs(LABELS), mining.all_pairs(LABELS, ordered=False)
    for i in (0, 2):
        half = rows(once[i : i + 2])
        assert rows(both[i : i + 2]) == sorted(half + [(b, a) for a, b in half])
    assert len(both.positive) + len(both.negative) == 12 * 11


def test_a_wide_epsilon_takes_every_pair_and_none_takes_those_out_of_order() -> None:
    everything = mining.all_pairs(LABELS)
    for got, wanted in zip(mining.multi_similarity(X, LABELS, epsilon=2.5), everything, strict=True):
        np.testing.assert_array_equal(got, wanted)
    apart = np.repeat(np.eye(3), 4, axis=0) + 0.01 * RNG.normal(size=(12, 3))
    assert all(v.shape == (0,) for v in mining.multi_similarity(apart, np.repeat(np.arange(3), 4)))


def test_angles_grow_with_the_distance_of_the_pair() -> None:
    counts = [len(mining.angular(X, LABELS, angle=a).anchor) for a in (0.01, 0.4, 0.8, 1.5)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == len(mining.all_triplets(LABELS).anchor)


def test_distance_weights_are_those_of_the_paper() -> None:
    """The share of a fine grid of uniforms that falls on each negative is its probability."""
    x = RNG.normal(size=(6, 4))
    x[4] = -x[0]
    labels, grid = np.array([0, 0, 1, 1, 2, 2]), (np.arange(2000) + 0.5) / 2000
    drawn = [mining.distance_weighted(x, labels, np.full((6, 6), u)) for u in grid]
    negatives = np.array([int(t.negative[0]) for t in drawn])
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    d = np.maximum(np.linalg.norm(unit - unit[0], axis=1), 0.5)
    weights = np.where((labels != 0) & (d < 1.4), 1 / (d**2 * np.sqrt(1 - np.minimum(d, 1.9) ** 2 / 4)), 0)
    shares = np.bincount(negatives, minlength=6) / 2000
    np.testing.assert_allclose(shares, weights / weights.sum(), rtol=0, atol=1 / 2000)


def test_every_row_keeps_a_weight_in_many_dimensions() -> None:
    """Beside the largest weight of the whole batch, those of an anchor whose negatives are far would underflow."""
    x = RNG.normal(size=(8, 2048))
    x[4:] += 3 * RNG.normal(size=2048)
    labels = np.arange(8) // 2
    near = mining.distance_weighted(x, labels, np.full((8, 8), 0.5), nonzero_loss_cutoff=1.9)
    assert near.anchor.tolist() == list(range(8))


def test_miners_do_not_look_at_lengths_where_directions_count() -> None:
    lengths = 2.0 ** RNG.integers(-40, 40, size=(12, 1))
    calls: list[Any] = [
        lambda x: mining.multi_similarity(x, LABELS),
        lambda x: mining.pair_margin(x, LABELS),
        lambda x: mining.angular(x, LABELS),
        lambda x: mining.distance_weighted(x, LABELS, U),
        lambda x: mining.semi_hard(x, LABELS, normalize_x=True),
        lambda x: mining.hard(x, LABELS, normalize_x=True),
    ]
    for call in calls:
        for one, other in zip(call(X), call(X * lengths), strict=True):
            np.testing.assert_array_equal(one, other)


def test_margins_grow_with_the_rows() -> None:
    for scale in (2.0**-900, 2.0**900):
        one = mining.batch_all(LATTICE, LABELS, margin=1.0)
        other = mining.batch_all(LATTICE * scale, LABELS, margin=scale)
        assert rows(one) == rows(other)
    # a margin far below a rounding error still tells equals from hard ones
    assert rows(mining.semi_hard(LATTICE, LABELS, margin=5e-324, selection="all")) == []
    assert rows(mining.batch_all(LATTICE * 2.0**900, LABELS, margin=5e-324)) == rows(mining.hard(LATTICE, LABELS))


def test_the_result_alone_is_large() -> None:
    x, labels = RNG.normal(size=(300, 4)), RNG.integers(150, size=300)
    assert mining.semi_hard(x, labels).anchor.shape == mining.semi_hard(x, labels).negative.shape


def test_every_miner_stands_in_every_backend(backend: str) -> None:
    tree = refengine.backend(backend).mining
    for name in mining.__all__:
        assert getattr(tree, name).__name__ == name


BAD: list[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ("all_pairs", ([[0, 1]],), {}, ValueError, "labels"),
    ("all_pairs", (np.int64(3),), {}, ValueError, "labels"),
    ("all_pairs", ([0, 1],), {"ordered": "no"}, TypeError, "ordered"),
    ("all_triplets", ([0.5, 1.0],), {}, TypeError, "labels"),
    ("all_triplets", ([-1, 1],), {}, ValueError, "labels"),
    ("batch_all", (X, LABELS), {"margin": -0.1}, ValueError, "margin"),
    ("batch_all", (X, LABELS), {"margin": "1"}, TypeError, "margin"),
    ("batch_all", (X, LABELS[:3]), {}, ValueError, "labels"),
    ("easy", (X * math.inf, LABELS), {}, ValueError, "x"),
    ("hard", (X, LABELS), {"inclusive": 1}, TypeError, "inclusive"),
    ("hard", (np.zeros((12, 3)), LABELS), {"normalize_x": True}, ValueError, "x"),
    ("hard", (np.zeros((12, 0)), LABELS), {"normalize_x": True}, ValueError, "x"),
    ("semi_hard", (X, LABELS), {"selection": "random"}, ValueError, "uniforms"),
    ("semi_hard", (X, LABELS, U), {}, ValueError, "uniforms"),
    ("semi_hard", (X, LABELS, U + 1), {"selection": "random"}, ValueError, "uniforms"),
    ("semi_hard", (X, LABELS, U[:3]), {"selection": "random"}, ValueError, "uniforms"),
    ("multi_similarity", (X, LABELS), {"epsilon": math.nan}, ValueError, "epsilon"),
    ("pair_margin", (X, LABELS), {"negative_margin": -1.0}, ValueError, "negative_margin"),
    ("angular", (X, LABELS), {"angle": 20.0}, ValueError, "angle"),
    ("distance_weighted", (X, LABELS, U), {"cutoff": 0.0}, ValueError, "cutoff"),
    ("distance_weighted", (X, LABELS, U), {"nonzero_loss_cutoff": 2.0}, ValueError, "nonzero_loss_cutoff"),
    ("distance_weighted", (X, LABELS, U), {"empty": "nan"}, ValueError, "empty"),
    ("distance_weighted", (X, LABELS, U * math.nan), {}, ValueError, "uniforms"),
]


@pytest.mark.parametrize(("name", "args", "constants", "error", "named"), BAD)
def test_bad_input_is_named(
    name: str, args: tuple[Any, ...], constants: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=f"^{named} must"):
        getattr(mining, name)(*args, **constants)
