"""Identities between losses of pairs, and what the literature's formulas and its notes disagree on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from refengine.losses import (
    center,
    circle,
    contrastive,
    info_nce,
    marginal,
    range_loss,
    softmax,
    sup_con,
    triplet,
    unified,
)
from refengine.losses.cosine import similarity

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(8, 5)), np.array([0, 1, 0, 2, 1, 0, 3, 2])
TWO_VIEWS = np.array([0, 1, 2, 3, 3, 2, 1, 0])
ONE = np.array(1.0)

DIRECTIONAL: list[tuple[Any, dict[str, Any]]] = [
    (circle, {}),
    (circle, {"weights": "full", "scope": "batch"}),
    (unified, {"gamma": 16.0}),
    (info_nce, {}),
    (info_nce, {"denominator": "negatives"}),
    (sup_con, {}),
    (sup_con, {"outside": False}),
    (marginal, {}),
    (contrastive, {"normalize_x": True}),
    (triplet, {"normalize_x": True, "margin": 1.0}),
]
OF_PLACES: list[tuple[Any, dict[str, Any]]] = [
    (contrastive, {"margin": 4.0}),
    (triplet, {"squared": True}),
    (range_loss, {}),
]


@pytest.mark.parametrize(("loss", "constants"), DIRECTIONAL + OF_PLACES)
def test_rotations_and_reorderings_change_nothing(loss: Any, constants: dict[str, Any]) -> None:
    rotation, order = np.linalg.qr(RNG.normal(size=(5, 5)))[0], RNG.permutation(8)
    value, (dx,) = loss.loss_value_and_vjp(ONE, X, LABELS, **constants)
    turned, (dturned,) = loss.loss_value_and_vjp(ONE, X @ rotation, LABELS, **constants)
    shuffled, (dshuffled,) = loss.loss_value_and_vjp(ONE, X[order], LABELS[order] + 7, **constants)
    np.testing.assert_allclose([turned, shuffled], value, rtol=1e-12)
    np.testing.assert_allclose(dturned, dx @ rotation, rtol=1e-9, atol=1e-12 * np.abs(dx).max())
    np.testing.assert_allclose(dshuffled, dx[order], rtol=1e-9, atol=1e-12 * np.abs(dx).max())


@pytest.mark.parametrize(("loss", "constants"), DIRECTIONAL)
def test_lengths_do_not_matter_to_directions(loss: Any, constants: dict[str, Any]) -> None:
    lengths = RNG.uniform(0.5, 3, size=(8, 1))
    value, (dx,) = loss.loss_value_and_vjp(ONE, X, LABELS, **constants)
    scaled, (dscaled,) = loss.loss_value_and_vjp(ONE, X * lengths, LABELS, **constants)
    np.testing.assert_allclose(scaled, value, rtol=1e-12)
    np.testing.assert_allclose(dscaled * lengths, dx, rtol=1e-9, atol=1e-12 * np.abs(dx).max())
    np.testing.assert_allclose(np.sum(X * dx, axis=1), 0, atol=1e-13 * np.abs(dx).max())


@pytest.mark.parametrize(("loss", "constants"), OF_PLACES)
def test_only_differences_of_places_matter(loss: Any, constants: dict[str, Any]) -> None:
    value, (dx,) = loss.loss_value_and_vjp(ONE, X, LABELS, **constants)
    np.testing.assert_allclose(loss.loss(X + 3, LABELS, **constants), value, rtol=1e-12)
    np.testing.assert_allclose(dx.sum(axis=0), 0, atol=1e-13 * np.abs(dx).max())


def test_one_positive_each_makes_sup_con_info_nce() -> None:
    wanted, (dwanted,) = info_nce.loss_value_and_vjp(ONE, X, TWO_VIEWS)
    for constants in ({"outside": True}, {"outside": False}):
        value, (dx,) = sup_con.loss_value_and_vjp(ONE, X, TWO_VIEWS, **constants)
        np.testing.assert_allclose(value, wanted, rtol=1e-13)
        np.testing.assert_allclose(dx, dwanted, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(info_nce.loss(X, TWO_VIEWS, denominator="negatives"), wanted, rtol=1e-13)
    three = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    assert info_nce.loss(X, three, denominator="negatives") < info_nce.loss(X, three)


def test_inside_is_below_outside() -> None:
    """Jensen: minus the log of a mean is at most the mean of minus the logs."""
    outside, inside = (sup_con.loss(X, LABELS, outside=o, reduction="none") for o in (True, False))
    assert np.all(inside <= outside + 1e-14)


def test_unified_with_one_positive_is_cosface() -> None:
    c = np.clip(RNG.normal(size=6) / 3, -1, 1)
    logits = 32.0 * np.concatenate([c[:1] - 0.35, c[1:]])
    value = unified.loss_similarities(c[:1], c[1:], gamma=32.0, margin=0.35)
    np.testing.assert_allclose(value, softmax.loss(logits[None], np.array([0])), rtol=1e-13)


@pytest.mark.parametrize("gamma", [1.0, 10.0, 1000.0])
def test_unified_tends_to_the_hardest_triplet(gamma: float) -> None:
    for _ in range(20):
        s_p, s_n = RNG.uniform(-1, 1, size=(3,)), RNG.uniform(-1, 1, size=(4,))
        hardest = max(0.0, float(np.max(s_n)) - float(np.min(s_p)) + 0.2)
        gap = float(unified.loss_similarities(s_p, s_n, gamma=gamma, margin=0.2)) / gamma - hardest
        assert 0 <= gap + 1e-15
        assert gap <= np.log(1 + 12) / gamma


def test_circle_boundary_is_a_circle_of_radius_m_times_root_two() -> None:
    margin, angle = 0.25, np.linspace(0, 2 * np.pi, 50)
    s_n, s_p = np.sqrt(2) * margin * np.sin(angle), 1 - np.sqrt(2) * margin * np.cos(angle)
    active = (s_n > -margin) & (s_p < 1 + margin)
    value = circle.loss_similarities(s_p[:, None], s_n[:, None], margin=margin)[active]
    np.testing.assert_allclose(value, np.log(2), rtol=1e-13)


def test_circle_by_class_and_by_anchor_are_circle_of_similarities() -> None:
    weight, y = RNG.normal(size=(4, 5)), LABELS
    c = similarity(X, weight)
    own = np.arange(4) == y[:, None]
    by_row = circle.loss_similarities(c[own][:, None], c[~own].reshape(8, 3), gamma=64.0)
    np.testing.assert_allclose(circle.loss_class(X, weight, y, gamma=64.0, reduction="none"), by_row, rtol=1e-12)
    pairs = similarity(X, X)
    for i, value in enumerate(circle.loss(X, y, reduction="none")):
        same = y == y[i]
        wanted = circle.loss_similarities(pairs[i][same & (np.arange(8) != i)], pairs[i][~same])
        np.testing.assert_allclose(value, wanted, rtol=1e-12)


def test_weights_of_circle_decide_the_gradient_alone() -> None:
    (held, (dheld,)), (full, (dfull,)) = (
        circle.loss_value_and_vjp(ONE, X, LABELS, weights=weights) for weights in ("detached", "full")
    )
    assert held == full
    assert np.linalg.norm(dheld) < 0.9 * np.linalg.norm(dfull)


def test_all_triplets_are_the_triplets() -> None:
    n = range(8)
    found = [(a, p, j) for a in n for p in n for j in n if a != p and LABELS[a] == LABELS[p] and LABELS[a] != LABELS[j]]
    a, p, j = np.array(found).T
    for constants in ({}, {"squared": True}, {"soft": True}):
        batch = triplet.loss(X, LABELS, reduction="none", **constants)
        np.testing.assert_array_equal(batch, triplet.loss_triplets(X[a], X[p], X[j], reduction="none", **constants))
        active = batch[batch > 0]
        np.testing.assert_allclose(triplet.loss(X, LABELS, reduction="nonzero", **constants), active.mean(), rtol=1e-13)


def test_every_row_has_its_own_gradient_to_its_center() -> None:
    """A note that sums x - c over the batch in the derivative to one row writes the derivative of nothing."""
    centers = RNG.normal(size=(4, 5))
    dx, dcenters = center.loss_vjp(ONE, X, centers, LABELS)
    np.testing.assert_array_equal(dx, X - centers[LABELS])
    for rule, divisor in (("paper", 1 + np.bincount(LABELS)), ("autograd", np.ones(4)), ("ema", np.bincount(LABELS))):
        step = centers - center.update(X, centers, LABELS, alpha=0.5, rule=rule)
        np.testing.assert_allclose(step, 0.5 * dcenters / divisor[:, None], rtol=1e-12, atol=1e-15)


def test_center_normalisations() -> None:
    centers = RNG.normal(size=(4, 5))
    total = center.loss(X, centers, LABELS)
    np.testing.assert_allclose(center.loss(X, centers, LABELS, reduction="mean"), total / 8, rtol=1e-14)
    np.testing.assert_allclose(
        center.loss(X, centers, LABELS, reduction="mean", half_factor=False), total / 4, rtol=1e-14
    )


def test_duplicates_give_finite_gradients_everywhere() -> None:
    x = np.repeat(RNG.normal(size=(3, 4)), 3, axis=0)
    for labels in (np.repeat(np.arange(3), 3), np.arange(9) % 3):
        for loss, constants in DIRECTIONAL + OF_PLACES:
            assert np.all(np.isfinite(loss.loss_vjp(ONE, x, labels, **constants)[0])), loss.__name__


def test_reference_of_a_batch_of_triplets_needs_no_cube() -> None:
    x, labels = RNG.normal(size=(200, 8)), RNG.integers(20, size=200)
    value, (dx,) = triplet.loss_value_and_vjp(ONE, x, labels)
    assert np.isfinite(value)
    assert dx.shape == x.shape


def test_contrastive_of_pytorch_metric_learning() -> None:
    """pytorch-metric-learning's contrastive loss, written out."""
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    d = np.linalg.norm(unit[:, None] - unit[None], axis=2)
    same, other = LABELS[:, None] == LABELS, ~np.eye(8, dtype=bool)
    positive, negative = d[same & other], np.maximum(0, 1 - d[~same])
    wanted = positive.mean() + negative[negative > 0].mean()
    constants: dict[str, Any] = {"squared": False, "half_factor": False, "normalize_x": True, "reduction": "nonzero"}
    np.testing.assert_allclose(contrastive.loss(X, LABELS, **constants), wanted, rtol=1e-13)


BAD: list[tuple[Any, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    (contrastive.loss, (X, LABELS), {"margin": "1"}, TypeError, "margin"),
    (contrastive.loss, (X, LABELS), {"squared": "no"}, TypeError, "squared"),
    (contrastive.loss, (X, LABELS), {"reduction": "valid_anchor"}, ValueError, "reduction"),
    (contrastive.loss, (X, LABELS[:3]), {}, ValueError, "labels"),
    (contrastive.loss, (X, LABELS / 2), {}, TypeError, "labels"),
    (contrastive.loss, (np.ones((8, 0)), LABELS), {}, ValueError, "x"),
    (contrastive.loss_vjp, (np.ones(8), X, LABELS), {"reduction": "none"}, ValueError, "g"),
    (center.loss, (X, np.ones((2, 5)), LABELS), {}, ValueError, "labels"),
    (center.loss, (X, np.ones((4, 3)), LABELS), {}, ValueError, "centers"),
    (center.update, (X, np.ones((4, 5)), LABELS), {"alpha": None}, TypeError, "alpha"),
    (circle.loss, (X, LABELS), {"gamma": 0.0}, ValueError, "gamma"),
    (circle.loss, (X, LABELS), {"margin": np.inf}, ValueError, "margin"),
    (circle.loss_similarities, (np.ones((2, 3)), np.ones((3, 3))), {}, ValueError, "s_n"),
    (circle.loss_similarities, (0.5, np.ones(3)), {}, ValueError, "s_p"),
    (circle.loss_class, (X, np.ones((0, 5)), LABELS), {}, ValueError, "weight"),
    (unified.loss, (X, LABELS), {"margin": -0.1}, ValueError, "margin"),
    (range_loss.loss, (X, LABELS), {"k": 0}, ValueError, "k"),
    (range_loss.loss, (X, LABELS), {"k": 1.5}, ValueError, "k"),
    (info_nce.loss, (X, LABELS), {"temperature": 0.0}, ValueError, "temperature"),
    (sup_con.loss, (X, LABELS), {"outside": 1}, TypeError, "outside"),
    (triplet.loss, (X, LABELS), {"soft": 0}, TypeError, "soft"),
]


@pytest.mark.parametrize(("function", "args", "constants", "error", "named"), BAD)
def test_bad_input_is_named(
    function: Any, args: tuple[Any, ...], constants: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=f"^{named} must"):
        function(*args, **constants)
