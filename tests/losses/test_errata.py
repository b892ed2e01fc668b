"""The errata of docs/errata.rst, each proved: what is written somewhere, computed so, against what holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refengine.losses import (
    adacos,
    arcface,
    boundaries,
    center,
    circle,
    cosface,
    info_nce,
    l_softmax,
    normface,
    softmax,
    sphereface,
    sup_con,
    triplet,
    unified,
    w_norm_softmax,
)
from refengine.losses.cosine import similarity
from tests.differences import differences

RNG = np.random.default_rng(11)
X, W, Y = RNG.normal(size=(9, 4)), RNG.normal(size=(5, 4)), RNG.integers(5, size=9)
C, HOT = similarity(X, W), np.arange(5) == Y[:, None]
ONE = np.array(1.0)
PAGE = Path(__file__).parents[2] / "docs" / "errata.rst"


def cross_entropy(z: Any, y: Any = Y) -> Any:
    return softmax.loss(z, y)


def test_the_page_names_these_tests_and_no_others() -> None:
    named = set(re.findall(r"``(test_\w+)``", PAGE.read_text("utf-8")))
    here = {name for name in globals() if name.startswith("test_")} - {"test_the_page_names_these_tests_and_no_others"}
    assert named == here


# margins


def test_a_margin_of_every_class_cancels() -> None:
    wanted, slopes = softmax.loss_value_and_vjp(ONE, 64.0 * C, Y)
    for margin in (0.25, 0.5, 1.0):
        value, found = softmax.loss_value_and_vjp(ONE, 64.0 * (C - margin), Y)
        np.testing.assert_allclose(value, wanted, rtol=1e-12)
        np.testing.assert_allclose(found[0], slopes[0], rtol=1e-9, atol=1e-15)
    assert cosface.loss(X, W, Y, margin=0.5) > wanted + 1


def test_an_angular_margin_of_every_class_is_none_on_the_bisector() -> None:
    """cos(m theta_k) for all k: a row between two classes has the loss log 2, whatever m is."""
    x, w = np.array([[np.cos(0.4), np.sin(0.4)]]), np.array([[1.0, 0.0], [np.cos(0.8), np.sin(0.8)]])
    theta = np.arccos(similarity(x, w))
    for margin in (1.0, 2.0, 3.0):
        np.testing.assert_allclose(cross_entropy(np.cos(margin * theta), np.array([0])), np.log(2), rtol=1e-12)
    assert sphereface.loss(x, w, np.array([0]), margin=3.0) > 1.0


def test_cos_of_m_theta_rises_again_beyond_pi_over_m_and_psi_does_not() -> None:
    c, y = np.cos(np.linspace(0, np.pi, 400))[:, None], np.zeros(400, int)
    for margin in (2.0, 3.0, 4.0):
        plain, psi = (
            sphereface.logits(c, y, margin=margin, scale=1.0, psi=kind)[:, 0] for kind in ("cosine", "piecewise")
        )
        assert np.diff(plain).max() > 0
        assert np.diff(psi).max() <= 1e-15


def test_every_class_has_the_length_of_its_own_vector() -> None:
    """With |w_y| in the place of |w_j| softmax is another loss, and so is L-Softmax."""
    lengths, own = np.linalg.norm(W, axis=1), np.linalg.norm(W, axis=1)[Y][:, None]
    size = np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_allclose(cross_entropy(size * lengths * C), cross_entropy(X @ W.T), rtol=1e-12)
    np.testing.assert_allclose(cross_entropy(size * lengths * C), l_softmax.loss(X, W, Y, margin=1.0), rtol=1e-12)
    x = 3 * X
    assert abs(cross_entropy(3 * size * own * C) - cross_entropy(x @ W.T)) > 0.1


def test_class_vectors_of_length_0_would_leave_log_c() -> None:
    """The constraint is |w_j| = 1; with 0 the loss is log C for every row, and nothing can be learnt."""
    np.testing.assert_allclose(cross_entropy(X @ (0 * W).T), np.log(5), rtol=1e-15)
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    np.testing.assert_allclose(cross_entropy(X @ unit.T), w_norm_softmax.loss(X, W, Y), rtol=1e-12)


def test_the_length_of_the_row_moves_the_function_but_not_its_boundary() -> None:
    theta_1, theta_2 = RNG.uniform(0, np.pi / 4, size=(2, 50))
    for short, long in (
        (boundaries.w_norm_softmax(theta_1, theta_2, n) for n in (1.0, 3.0)),
        (boundaries.sphereface(theta_1, theta_2, n) for n in (1.0, 3.0)),
    ):
        np.testing.assert_array_equal(np.sign(short), np.sign(long))
        np.testing.assert_allclose(long, 3 * short, rtol=1e-13)
    assert boundaries.w_norm_softmax(0.7, 0.7, 3.0) == 0


def test_boundaries_of_angles_hold_up_to_where_the_target_stops_falling() -> None:
    """m theta_1 = theta_2 and theta_1 + m = theta_2 have a second branch where the cosine rises again."""
    assert abs(boundaries.arcface(np.pi - 0.1, np.pi - 0.4, margin=0.5)) < 1e-12  # and theta_1 + m is not theta_2
    assert boundaries.arcface(np.pi, np.pi, margin=0.5) > 0  # the row farthest from class 1 belongs to it again
    assert boundaries.arcface(np.pi, np.pi, margin=0.5, boundary="monotonic") < 0
    assert boundaries.sphereface(np.pi / 2, np.pi / 2, 1.0, psi="cosine") > 0
    assert boundaries.sphereface(np.pi / 2, np.pi / 2, 1.0) < 0


def test_rules_beyond_pi_minus_m_jump() -> None:
    m, at = 0.5, np.cos(np.pi - 0.5)
    c, y = np.array([[at + 1e-9], [at - 1e-9], [-1.0]]), np.zeros(3, int)
    found = {
        rule: arcface.logits(c, y, scale=1.0, margin=m, boundary=rule)[:, 0]
        for rule in ("none", "monotonic", "identity", "clip")
    }
    np.testing.assert_allclose(found["none"], [-1, -1, -np.cos(m)], rtol=1e-15)
    np.testing.assert_allclose(found["monotonic"], [-1, c[1, 0] - m * np.sin(m), -1 - m * np.sin(m)], rtol=1e-15)
    np.testing.assert_allclose(found["identity"], [-1, c[1, 0], -1], rtol=1e-15)
    np.testing.assert_allclose(found["clip"], [-1, -1, -1], rtol=1e-15)


def test_the_cosine_of_the_label_in_the_sum_over_the_others_forgets_the_others() -> None:
    """A documentation that prints cos theta_y in the sum over j != y: all C - 1 terms are the same."""
    own = C[HOT]
    printed = -np.log(np.exp(8 * (own - 0.35)) / (np.exp(8 * (own - 0.35)) + 4 * np.exp(8 * own)))
    np.testing.assert_allclose(printed, np.log1p(4 * np.exp(8 * 0.35)), rtol=1e-12)  # a constant
    assert np.ptp(cosface.loss(X, W, Y, scale=8.0, reduction="none")) > 1


# gradients


def test_a_margin_outside_of_the_graph_is_not_differentiated() -> None:
    value, exact = arcface.loss_value_and_vjp(ONE, X, W, Y)
    held, straight = arcface.loss_value_and_vjp(ONE, X, W, Y, gradient="straight_through")
    assert value == held
    slopes = differences(lambda x: float(arcface.loss(x, W, Y)), X)
    np.testing.assert_allclose(exact[0], slopes, rtol=1e-8, atol=1e-9)
    assert np.linalg.norm(straight[0] - slopes) > 0.05 * np.linalg.norm(slopes)


def test_normalised_coefficients_are_the_gradient_of_no_loss() -> None:
    """SphereFace's first code divides both coefficients of d(|x| psi)/dx by their length: the length varies."""

    def coefficients(theta: float, m: float = 4.0) -> Any:
        x, w = np.array([[np.cos(theta), np.sin(theta)]]), np.array([[1.0, 0.0]])
        z = lambda x: float(np.linalg.norm(x) * np.cos(m * np.arctan2(x[0, 1], x[0, 0])))  # noqa: E731
        return np.linalg.solve(np.stack([w[0], x[0]], axis=1), differences(z, x)[0])  # of w and of x

    sizes = [np.linalg.norm(coefficients(theta)) for theta in (0.1, 0.3, 0.5, 0.7)]
    assert max(sizes) > 2 * min(sizes)


def test_each_row_has_its_own_difference_to_its_center() -> None:
    centers, value = W, lambda x: float(center.loss(x, W, Y))
    dx, _ = center.loss_vjp(ONE, X, centers, Y)
    np.testing.assert_allclose(dx, differences(value, X), rtol=1e-10, atol=1e-10)
    summed = np.broadcast_to(np.mean(X - centers[Y], axis=0), X.shape)  # what is written: a sum over the batch
    assert np.linalg.norm(summed - dx) > 0.5 * np.linalg.norm(dx)


def test_a_center_moves_by_the_rows_of_its_class() -> None:
    """The step is written as alpha / m sum_i (x_i - y_i): of the labels, for every class, without the count."""
    found = center.update(X, W, Y, alpha=0.5)
    written = W + 0.5 / len(X) * np.sum(X - Y[:, None], axis=0)
    absent = np.bincount(Y, minlength=5) == 0
    np.testing.assert_array_equal(found[absent], W[absent])
    for j in np.unique(Y):
        mine = X[Y == j]
        np.testing.assert_allclose(W[j] - found[j], 0.5 * np.sum(W[j] - mine, axis=0) / (1 + len(mine)), rtol=1e-12)
    assert np.linalg.norm(written - found) > 1


def test_center_loss_is_half_a_sum() -> None:
    half = np.sum((X - W[Y]) ** 2) / 2
    np.testing.assert_allclose(center.loss(X, W, Y), half, rtol=1e-13)
    np.testing.assert_allclose(center.loss(X, W, Y, reduction="mean"), half / len(X), rtol=1e-13)
    np.testing.assert_allclose(center.loss(X, W, Y, half_factor=False, reduction="mean"), 2 * half / len(X), rtol=1e-13)


def test_the_softmax_of_the_positives_in_circle_loss_falls_with_their_similarity() -> None:
    s_p, s_n = np.array([0.2, 0.7]), np.array([0.1, 0.3, -0.1])
    gamma, m = 8.0, 0.25
    to_p, _ = circle.loss_similarities_vjp(ONE, s_p, s_n, gamma=gamma, margin=m)
    alpha = 1 + m - s_p
    held = lambda s: float(  # noqa: E731
        np.log1p(np.sum(np.exp(gamma * (s_n + m) * (s_n - m))) * np.sum(np.exp(-gamma * alpha * (s - 1 + m))))
    )
    np.testing.assert_allclose(to_p, differences(held, s_p), rtol=1e-10)
    logits = -gamma * alpha * (s_p - 1 + m)
    z = 1 - np.exp(-held(s_p))
    for sign, right in ((1, True), (-1, False)):  # softmax of the logits, and of minus the logits as printed
        share = np.exp(sign * logits) / np.sum(np.exp(sign * logits))
        assert np.allclose(to_p, -gamma * z * share * alpha) == right


def test_weights_of_circle_loss_are_held_or_not() -> None:
    value, (held,) = circle.loss_value_and_vjp(ONE, X, Y)
    same, (full,) = circle.loss_value_and_vjp(ONE, X, Y, weights="full")
    assert value == same
    np.testing.assert_allclose(full, differences(lambda x: float(circle.loss(x, Y)), X), rtol=1e-8, atol=1e-9)
    assert np.linalg.norm(held) < 0.9 * np.linalg.norm(full)


def test_circle_loss_without_its_softplus_is_not_a_loss() -> None:
    s_p, s_n = np.array([0.95]), np.array([-0.2])
    bare = 80 * 0.05 * (-0.2 - 0.25) - 80 * 0.3 * (0.95 - 0.75)
    assert bare < -5
    np.testing.assert_allclose(circle.loss_similarities(s_p, s_n), np.log1p(np.exp(bare)), rtol=1e-12)


# scales and bounds


def test_the_bound_of_normface_needs_room_for_a_simplex() -> None:
    """Attained for C <= D + 1 by the simplex; four classes in the plane stay above it at their best, the square."""
    square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    corner = np.eye(4) - 0.25
    bound = normface.lower_bound(4, 2.0)
    np.testing.assert_allclose(normface.loss(corner, corner, np.arange(4), 2.0), bound, rtol=1e-12)
    assert normface.loss(square, square, np.arange(4), 2.0) > bound + 0.05


def test_the_largest_margin_of_cosface_depends_on_the_dimension() -> None:
    assert cosface.margin_bound(2, 2) == cosface.margin_bound(2, 5) == 2
    square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    np.testing.assert_allclose(1 - np.sort(similarity(square, square), axis=1)[:, -2], cosface.margin_bound(4, 2))
    assert cosface.margin_bound(4, 2) < cosface.margin_bound(4, 3)


def test_log_b_over_cos_is_only_near_the_steepest_slope() -> None:
    def slope(s: float, others: float, theta: float) -> float:
        p = lambda t: 1 / (1 + others * np.exp(-s * np.cos(t)))  # noqa: E731
        return float(p(theta + 1e-4) - 2 * p(theta) + p(theta - 1e-4)) / 1e-8

    exact, near = float(adacos.exact_scale(999.0, np.pi / 4)), float(adacos.fixed_scale(1000))
    assert abs(slope(exact, 999.0, np.pi / 4)) < 1e-4 < 0.1 < abs(slope(near, 999.0, np.pi / 4))
    assert np.isnan(adacos.exact_scale(9.0, np.pi / 4))  # ten classes: there is none


def test_adacos_averages_over_rows_and_takes_a_median_of_the_labels() -> None:
    scale = float(adacos.dynamic_scale(C, Y, 6.0))
    others = np.sum(np.where(HOT, 0.0, np.exp(6.0 * C))) / len(C)  # over the rows, not over the N (C - 1) pairs
    median = np.sort(np.arccos(C[HOT]))[(len(C) - 1) // 2]
    np.testing.assert_allclose(scale, np.log(others) / np.cos(min(np.pi / 4, median)), rtol=1e-12)


# pairs


def test_the_unified_loss_tends_to_the_hardest_of_all_triplets() -> None:
    s_p, s_n = np.array([0.9, 0.3]), np.array([0.5, -0.2, 0.1])
    limit = float(unified.loss_similarities(s_p, s_n, gamma=1e4, margin=0.1)) / 1e4
    hardest = max(0, np.max(s_n[None, :] - s_p[:, None] + 0.1))
    assert -1e-15 <= limit - hardest <= np.log(1 + s_p.size * s_n.size) / 1e4
    assert abs(limit - max(0, np.max(s_n) - s_p[0] + 0.1)) > 0.2  # over j alone, with the first positive


def test_positives_belong_to_the_denominator_of_sup_con() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2, 1])
    z, same = similarity(X, X) / 0.1, (labels[:, None] == labels[None, :]) & ~np.eye(9, dtype=bool)
    powers = np.where(np.eye(9, dtype=bool), 0.0, np.exp(z))
    by_pair = -(z - np.log(powers.sum(axis=1, keepdims=True)))
    wanted = np.sum(np.where(same, by_pair, 0), axis=1) / same.sum(axis=1)
    np.testing.assert_allclose(sup_con.loss(X, labels, reduction="none"), wanted, rtol=1e-10)
    both = [float(info_nce.loss(X, labels, denominator=d)) for d in ("all", "negatives")]
    assert both[1] < both[0] - 0.01


def test_two_distances_are_two_losses() -> None:
    """Triplet margins of 0.2 on squared and on plain distances, of unit vectors or not, are four losses."""
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2, 1])
    values = {float(triplet.loss(X, labels, squared=s, normalize_x=n)) for s in (False, True) for n in (False, True)}
    assert len({round(v, 2) for v in values}) == 4


# numbers


def test_a_probability_held_above_1e_30_stops_the_loss_at_69() -> None:
    z = np.array([[-64.0, 64.0]])
    np.testing.assert_allclose(softmax.loss(z, np.array([0])), 128.0, rtol=1e-15)
    held = -np.log(np.maximum(np.exp(z[:, 0] - z.max()) / np.sum(np.exp(z - z.max())), 1e-30))
    np.testing.assert_allclose(held, 30 * np.log(10), rtol=1e-15)


@pytest.mark.parametrize("eps", [1e-7, 1e-5, 1e-3])
def test_a_clamped_cosine_moves_the_value(eps: float) -> None:
    exact = float(arcface.logits(np.array([[1.0]]), np.array([0]), scale=1.0)[0, 0])
    np.testing.assert_allclose(exact, np.cos(0.5), rtol=1e-15)
    moved = np.cos(np.arccos(1 - eps) + 0.5)
    np.testing.assert_allclose(exact - moved, np.sin(0.5) * np.sqrt(2 * eps), rtol=0.2)
