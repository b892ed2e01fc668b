"""Facts of the heads with sub-centers, hard classes, drawn margins and binary losses: when they are plain heads."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from refengine.losses import (
    arcface,
    cosface,
    cosine,
    curricularface,
    elasticface,
    l_softmax,
    mv_softmax,
    p2s_grad,
    softmax,
    sphereface,
    sphereface2,
    sub_center_arcface,
    w_norm_softmax,
)

RNG = np.random.default_rng(7)
X, W, Y = RNG.normal(size=(6, 5)), RNG.normal(size=(4, 5)), RNG.integers(4, size=6)
APART = np.eye(4, 5)
NEAR = APART[Y] + 0.01 * RNG.normal(size=X.shape)  # rows that no other class is above
S = 16.0
ARC = partial(arcface.loss_value_and_vjp, scale=S, margin=0.4)
COS = partial(cosface.loss_value_and_vjp, scale=S, margin=0.3)


def with_argument(head: Any, argument: Any, **constants: Any) -> Any:
    return lambda g, x, w, y: head(g, x, w, y, argument, **constants)


def one_sub_center(g: Any, x: Any, w: Any, y: Any) -> Any:
    value, (dx, dw) = sub_center_arcface.loss_value_and_vjp(g, x, w[:, None, :], y, scale=S, margin=0.4)
    return value, (dx, dw[:, 0, :])


SAME: dict[str, tuple[Any, Any, Any]] = {
    "one sub-center is ArcFace": (one_sub_center, ARC, X),
    "equal margins are ArcFace": (with_argument(elasticface.loss_value_and_vjp, np.full(6, 0.4), scale=S), ARC, X),
    "equal margins are CosFace": (
        with_argument(elasticface.loss_value_and_vjp, np.full(6, 0.3), scale=S, base="cos"),
        COS,
        X,
    ),
    "MV-softmax with t = 1 is CosFace": (
        partial(mv_softmax.loss_value_and_vjp, scale=S, margin=0.3, t=1.0),
        COS,
        X,
    ),
    "MV-softmax with t = 1 is ArcFace": (
        partial(mv_softmax.loss_value_and_vjp, scale=S, margin=0.4, t=1.0, base="arc", hard_weight="fixed"),
        ARC,
        X,
    ),
    "MV-softmax with t = 1 and an easy margin is ArcFace with one": (
        partial(mv_softmax.loss_value_and_vjp, scale=S, margin=0.4, t=1.0, base="arc", boundary="easy"),
        partial(arcface.loss_value_and_vjp, scale=S, margin=0.4, boundary="easy"),
        X,
    ),
    "MV-softmax without a hard class is CosFace": (
        partial(mv_softmax.loss_value_and_vjp, scale=S, margin=0.3, t=2.0),
        COS,
        NEAR,
    ),
    "CurricularFace without a hard class is ArcFace": (
        with_argument(curricularface.loss_value_and_vjp, 0.7, scale=S, margin=0.4),
        ARC,
        NEAR,
    ),
}


@pytest.mark.parametrize("said", SAME)
def test_heads_that_are_the_same(said: str) -> None:
    head, base, x = SAME[said]
    w = APART if x is NEAR else W
    (value, gradients), (wanted, wanted_gradients) = head(1.0, x, w, Y), base(1.0, x, w, Y)
    np.testing.assert_allclose(value, wanted, rtol=1e-13)
    for got, expected in zip(gradients, wanted_gradients, strict=False):  # one more for an argument
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-14)


def hard_classes(margin: float) -> Any:
    c = cosine.similarity(X, W)
    own = np.take_along_axis(c, Y[:, None], axis=1)
    return c > np.cos(np.arccos(own) + margin), c, np.eye(4, dtype=bool)[Y]


def test_curricularface_is_softmax_of_modulated_cosines() -> None:
    hard, c, hot = hard_classes(0.4)
    assert np.any(hard & ~hot)
    z = np.where(hot, np.cos(np.arccos(c) + 0.4), np.where(hard, c * (0.25 + c), c))
    got = curricularface.loss(X, W, Y, 0.25, scale=S, margin=0.4)
    np.testing.assert_allclose(got, softmax.loss(S * z, Y), rtol=1e-12)


def test_mv_softmax_multiplies_the_exponentials_of_hard_classes() -> None:
    hard, c, hot = hard_classes(0.4)
    weights = np.where(hard & ~hot, np.exp(S * 0.2 * (c + 1)), 1.0)
    e = weights * np.exp(S * np.where(hot, np.cos(np.arccos(c) + 0.4), c))
    wanted = -np.log(e[hot] / e.sum(axis=1))
    got = mv_softmax.loss(X, W, Y, scale=S, margin=0.4, t=1.2, base="arc", reduction="none")
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_the_weight_of_hard_classes_only_adds_to_the_loss() -> None:
    losses = [mv_softmax.loss(X, W, Y, scale=S, t=t, reduction="none") for t in (1.0, 1.1, 1.5)]
    assert np.all(losses[0] <= losses[1])
    assert np.all(losses[1] <= losses[2])


def test_a_curriculum_starts_easy_and_the_two_readings_of_the_average_mirror_each_other() -> None:
    c = cosine.similarity(X, W)
    t, seen = 0.0, []
    for _ in range(300):
        t = float(curricularface.update(c, Y, t, momentum=0.9))
        seen.append(t)
    np.testing.assert_allclose(seen[-1], np.mean(c[np.arange(6), Y]), rtol=1e-12)
    for momentum in (0.0, 0.25, 1.0):
        old = curricularface.update(c, Y, 0.3, momentum=momentum)
        np.testing.assert_allclose(old, curricularface.update(c, Y, 0.3, momentum=1 - momentum, weighs="new"))


def test_the_order_and_the_number_of_far_sub_centers_make_no_difference() -> None:
    far = -10 * X.mean(axis=0) + np.zeros((4, 1, 5))
    best = sub_center_arcface.loss(X, np.stack([W, W], axis=1), Y)
    np.testing.assert_allclose(best, arcface.loss(X, W, Y), rtol=1e-13)
    centers = np.concatenate([W[:, None], RNG.normal(size=(4, 2, 5)), far], axis=1)
    value, (dx, dw) = sub_center_arcface.loss_value_and_vjp(1.0, X, centers, Y)
    order = [2, 0, 3, 1]
    other, (other_dx, other_dw) = sub_center_arcface.loss_value_and_vjp(1.0, X, centers[:, order], Y)
    np.testing.assert_allclose(value, other, rtol=1e-13)
    np.testing.assert_allclose(dx, other_dx, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(dw[:, order], other_dw, rtol=1e-11, atol=1e-14)


def test_of_duplicate_sub_centers_the_first_takes_the_gradient() -> None:
    w = np.round(16 * W)
    for factor in (1.0, 3.0, 0.3125):
        _, (_, dw) = sub_center_arcface.loss_value_and_vjp(1.0, X, np.stack([w, factor * w, w], axis=1), Y, scale=S)
        assert np.all(dw[:, 1:] == 0)
        assert np.all(np.any(dw[:, 0] != 0, axis=1))


def test_a_larger_drawn_margin_costs_more_until_the_angle_reaches_pi() -> None:
    _, (_, _, dm) = elasticface.loss_value_and_vjp(1.0, X, W, Y, np.full(6, 0.3), base="cos")
    assert np.all(dm > 0)
    c = cosine.similarity(X, W)[np.arange(6), Y]
    _, (_, _, dm) = elasticface.loss_value_and_vjp(1.0, X, W, Y, np.pi - np.arccos(c) + 0.1, scale=4.0)
    assert np.all(dm < 0)


def test_sphereface2_is_stationary_in_its_initial_bias() -> None:
    """For perpendicular vectors: the identity that the closed form solves."""
    for classes in (2, 3, 4, 10):
        w, x = np.eye(classes + 1)[:classes], np.eye(classes + 1)[classes:]
        for balance in (0.3, 0.7):
            b = sphereface2.initial_bias(classes, balance=balance)
            _, (_, _, db) = sphereface2.loss_value_and_vjp(1.0, x, w, np.array([0]), b, balance=balance)
            _, (_, _, parts) = sphereface2.loss_value_and_vjp(1.0, x, w[:1], np.array([0]), b, balance=balance)
            np.testing.assert_allclose(db / np.abs(parts), 0, atol=1e-11)


def test_sphereface2_is_a_sum_of_binary_losses() -> None:
    z = sphereface2.logits(cosine.similarity(X, W), Y, 2.0)
    hot = np.eye(4, dtype=bool)[Y]
    wanted = np.sum(np.where(hot, 0.7 * np.logaddexp(0, -z), 0.3 * np.logaddexp(0, z)), axis=1) / 40
    np.testing.assert_allclose(sphereface2.loss(X, W, Y, 2.0, reduction="none"), wanted, rtol=1e-12)
    np.testing.assert_allclose(sphereface2.loss(X, W, Y, 2.0, loss_weight=50.0), 50 * wanted.mean(), rtol=1e-12)


def test_p2s_grad_has_the_gradient_of_the_paper() -> None:
    """Equation 11: the sum over classes of (cos theta - [j = y]) times the gradient of the cosine."""
    value, gradients = p2s_grad.loss_value_and_vjp(1.0, X, W, Y, half_factor=True, reduction="sum")
    c = cosine.similarity(X, W)
    wanted = cosine.similarity_vjp(c - np.eye(4)[Y], X, W)
    for got, expected in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-14)
    mean = p2s_grad.loss(X, W, Y, class_reduction="mean")
    np.testing.assert_allclose(mean, np.mean((c - np.eye(4)[Y]) ** 2), rtol=1e-12)
    np.testing.assert_allclose(value, 2 * 6 * mean, rtol=1e-12)


@pytest.mark.parametrize("name", ["l_softmax", "w_norm_softmax"])
def test_logits_with_lengths_lead_to_the_loss(name: str) -> None:
    """And so do their gradients: a derivative to x is one to the cosines and one to the length."""
    c, row, of_class = cosine.similarity(X, W), np.linalg.norm(X, axis=1), np.linalg.norm(W, axis=1)
    if name == "l_softmax":
        lengths, module = (row, of_class), l_softmax
    else:
        lengths, module = (row,), w_norm_softmax
    value, (dz,) = softmax.loss_value_and_vjp(1.0, module.logits(c, Y, *lengths), Y)
    wanted, (dx, dw) = module.loss_value_and_vjp(1.0, X, W, Y)
    np.testing.assert_allclose(value, wanted, rtol=1e-12)
    dc, *d_lengths = module.logits_vjp(dz, c, Y, *lengths)
    by_angle = cosine.similarity_vjp(dc, X, W)
    np.testing.assert_allclose(by_angle[0] + (d_lengths[0] / row)[:, None] * X, dx, rtol=1e-10, atol=1e-13)
    radial = (d_lengths[1] / of_class)[:, None] * W if len(d_lengths) == 2 else 0.0
    np.testing.assert_allclose(by_angle[1] + radial, dw, rtol=1e-10, atol=1e-13)


def test_annealing_falls_to_its_minimum_and_the_loss_rises_with_it() -> None:
    schedule = sphereface.annealing(np.arange(0, 5000, 100))
    assert np.all(np.diff(schedule) <= 0)
    assert schedule[-1] == 5.0
    losses = [float(sphereface.loss(X, W, Y, annealing=float(a))) for a in schedule[:10]]
    assert np.all(np.diff(losses) > 0)


HEADS = {
    "sub_center": lambda g, x, w, y: sub_center_arcface.loss_value_and_vjp(g, x, np.stack([w, w[::-1]], axis=1), y),
    "mv_softmax": mv_softmax.loss_value_and_vjp,
    "curricularface": with_argument(curricularface.loss_value_and_vjp, 0.25),
    "elasticface": with_argument(elasticface.loss_value_and_vjp, np.linspace(0.3, 0.6, 6)),
    "sphereface2": with_argument(sphereface2.loss_value_and_vjp, 5.0),
    "p2s_grad": p2s_grad.loss_value_and_vjp,
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_know_neither_lengths_nor_the_axes(name: str) -> None:
    value, (dx, *_) = HEADS[name](1.0, X, W, Y)
    longer_value, (longer, *_) = HEADS[name](1.0, 8 * X, W / 4, Y)
    assert value == longer_value
    np.testing.assert_allclose(dx, 8 * longer, rtol=1e-15)
    np.testing.assert_allclose(np.sum(dx * X, axis=1), 0, atol=1e-13)
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))
    turned_value, (turned, *_) = HEADS[name](1.0, X @ turn, W @ turn, Y)
    np.testing.assert_allclose(turned_value, value, rtol=1e-12)
    np.testing.assert_allclose(turned, dx @ turn, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", HEADS)
def test_no_gradient_is_infinite_where_rows_are_their_classes(name: str) -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        x = rng.normal(size=(6, 3)) * 10 ** rng.uniform(-8, 8)
        _, gradients = HEADS[name](1.0, x, x.copy(), np.arange(6))
        assert all(np.all(np.isfinite(g)) for g in gradients)


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: mv_softmax.loss(X, W, Y, t=0.5), ValueError, "t"),
        (lambda: mv_softmax.loss(X, W, Y, margin=2.5), ValueError, "margin"),
        (lambda: mv_softmax.loss(X, W, Y, margin=4.0, base="arc"), ValueError, "margin"),
        (lambda: curricularface.loss(X, W, Y, np.ones(2)), ValueError, "t"),
        (lambda: curricularface.update(np.ones((6, 4)), Y, 0.5, momentum=1.5), ValueError, "momentum"),
        (lambda: elasticface.loss(X, W, Y, np.ones(5)), ValueError, "margins"),
        (lambda: elasticface.loss(X, W, Y, np.ones(6), scale=0), ValueError, "scale"),
        (lambda: sub_center_arcface.loss(X, W, Y), ValueError, "weight"),
        (lambda: sub_center_arcface.loss(X, np.ones((4, 0, 5)), Y), ValueError, "weight"),
        (lambda: sub_center_arcface.logits(np.ones((6, 4)), Y), ValueError, "cosine"),
        (lambda: sphereface2.loss(X, W, Y, np.ones(1)), ValueError, "bias"),
        (lambda: sphereface2.loss(X, W, Y, 0.0, balance=1.5), ValueError, "balance"),
        (lambda: sphereface2.loss(X, W, Y, 0.0, loss_weight=0.0), ValueError, "loss_weight"),
        (lambda: sphereface2.loss(X, W, Y, 0.0, t=0.5), ValueError, "t"),
        (lambda: l_softmax.logits(np.ones((6, 4)), Y, np.ones(6), np.ones(3)), ValueError, "class_lengths"),
        (lambda: w_norm_softmax.logits(np.ones((6, 4)), Y, np.ones(5)), ValueError, "row_lengths"),
        (lambda: sphereface.annealing(3, gamma=-1.0), ValueError, "gamma"),
        (lambda: p2s_grad.loss(X, W, Y, half_factor="yes"), TypeError, "half_factor"),
    ],
)
def test_wrong_arguments_are_named(call: Any, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=f"^{named} must"):
        call()
