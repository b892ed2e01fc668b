"""Identities of the losses of ranks, of histograms and of two views, and their formulas written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from refengine.losses import barlow_twins, fast_ap, histogram, siglip, smooth_ap, vicreg

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(9, 4)), np.array([0, 1, 0, 2, 1, 0, 3, 2, 1])
VIEWS = RNG.normal(size=(7, 3)), RNG.normal(size=(7, 3))
ONE = np.array(1.0)
UNIT = X / np.linalg.norm(X, axis=1, keepdims=True)
C = UNIT @ UNIT.T
SAME, OTHER = LABELS[:, None] == LABELS, ~np.eye(9, dtype=bool)

OF_BATCHES: list[tuple[Any, dict[str, Any]]] = [
    (histogram, {"bins": 7}),
    (histogram, {}),
    (fast_ap, {}),
    (fast_ap, {"bins": 5, "reduction": "sum"}),
    (smooth_ap, {"temperature": 0.1}),
    (smooth_ap, {"temperature": 0.05, "include_self": True}),
]


@pytest.mark.parametrize(("loss", "constants"), OF_BATCHES)
def test_rotations_reorderings_and_lengths_change_nothing(loss: Any, constants: dict[str, Any]) -> None:
    rotation, order = np.linalg.qr(RNG.normal(size=(4, 4)))[0], RNG.permutation(9)
    lengths = RNG.uniform(0.5, 3, size=(9, 1))
    value, (dx,) = loss.loss_value_and_vjp(ONE, X, LABELS, **constants)
    turned, (dturned,) = loss.loss_value_and_vjp(ONE, X @ rotation, LABELS, **constants)
    shuffled, (dshuffled,) = loss.loss_value_and_vjp(ONE, X[order], LABELS[order] + 7, **constants)
    scaled, (dscaled,) = loss.loss_value_and_vjp(ONE, X * lengths, LABELS, **constants)
    close: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-12 * np.abs(dx).max()}
    np.testing.assert_allclose([turned, shuffled, scaled], value, rtol=1e-12)
    np.testing.assert_allclose(dturned, dx @ rotation, **close)
    np.testing.assert_allclose(dshuffled, dx[order], **close)
    np.testing.assert_allclose(dscaled * lengths, dx, **close)
    np.testing.assert_allclose(np.sum(X * dx, axis=1), 0, atol=1e-13 * np.abs(dx).max())


def triangles(positions: Any, bins: int) -> Any:
    return np.maximum(0, 1 - np.abs(positions - np.arange(bins + 1)))


@pytest.mark.parametrize("bins", [1, 2, 10, 100])
def test_histograms_written_out(bins: int) -> None:
    place = (1 + C[..., None]) * bins / 2
    h_p, h_n = (triangles(place[mask], bins).mean(axis=0) for mask in (SAME & OTHER, ~SAME))
    np.testing.assert_allclose(histogram.loss(X, LABELS, bins=bins), np.sum(h_n * np.cumsum(h_p)), rtol=1e-12)


def test_fine_histograms_count_pairs_out_of_order() -> None:
    """Of all pairs of a positive and a negative pair, in how many the negative one is the more similar."""
    p, n = C[SAME & OTHER], C[~SAME]
    wanted = np.mean(n[:, None] > p[None, :])
    np.testing.assert_allclose(histogram.loss(X, LABELS, bins=100_000), wanted, rtol=1e-12)


@pytest.mark.parametrize("bins", [1, 4, 10, 33])
def test_fast_ap_written_out(bins: int) -> None:
    pulse = triangles((1 - C[..., None]) * bins / 2, bins)
    h_p, h = (np.sum(pulse * mask[..., None], axis=1) for mask in (SAME & OTHER, OTHER))
    total = np.cumsum(h, axis=1)
    ratio = np.divide(h_p * np.cumsum(h_p, axis=1), total, out=np.zeros_like(total), where=total > 0)
    count = np.sum(SAME & OTHER, axis=1)
    wanted = np.where(count > 0, 1 - ratio.sum(axis=1) / np.maximum(count, 1), 0)
    np.testing.assert_allclose(fast_ap.loss(X, LABELS, bins=bins, reduction="none"), wanted, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("include_self", [False, True])
def test_cold_smooth_ap_is_average_precision(include_self: bool) -> None:
    found = smooth_ap.loss(X, LABELS, temperature=1e-6, include_self=include_self, reduction="none")
    for k, value in enumerate(found):
        others = [int(j) for j in np.argsort(-C[k]) if include_self or j != k]
        hits = np.array([LABELS[j] == LABELS[k] for j in others])
        precision = np.cumsum(hits) / (1 + np.arange(len(hits)))
        wanted = 1 - precision[hits].mean() if hits.any() else 0.0
        np.testing.assert_allclose(value, wanted, atol=1e-12)


def test_a_perfect_ranking_costs_nothing() -> None:
    x = np.repeat(np.eye(3), 2, axis=0)
    labels = np.repeat(np.arange(3), 2)
    for found in (histogram.loss(x, labels), fast_ap.loss(x, labels), smooth_ap.loss(x, labels, temperature=1e-3)):
        assert float(found) == pytest.approx(0, abs=1e-200)


def test_duplicates_give_finite_gradients_everywhere() -> None:
    x = np.repeat(RNG.normal(size=(3, 4)), 3, axis=0)
    for labels in (np.repeat(np.arange(3), 3), np.arange(9) % 3):
        for loss, constants in OF_BATCHES:
            assert np.all(np.isfinite(loss.loss_vjp(ONE, x, labels, **constants)[0])), loss.__name__


def test_a_cosine_of_one_has_a_bin() -> None:
    """The node behind the last interval: an index out of bounds in more than one implementation."""
    x = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert np.isfinite(histogram.loss(x, np.array([0, 0, 1, 1])))
    assert np.isfinite(fast_ap.loss(x, np.array([0, 0, 1, 1])))


def test_sigmoid_losses_are_binary_cross_entropies() -> None:
    image, text = VIEWS
    c = np.array([[u @ v / np.linalg.norm(u) / np.linalg.norm(v) for v in text] for u in image])
    p = 1 / (1 + np.exp(-(4.0 * c - 1.0)))
    wanted = -np.log(np.where(np.eye(7) > 0, p, 1 - p))
    np.testing.assert_allclose(siglip.loss(image, text, 4.0, -1.0, reduction="none"), wanted, rtol=1e-12)
    np.testing.assert_allclose(siglip.loss(image, text, 4.0, -1.0), wanted.sum() / 7, rtol=1e-12)
    np.testing.assert_allclose(
        siglip.loss(image, text, 4.0, -1.0, reduction="mean_over_pairs"), wanted.mean(), rtol=1e-12
    )


def test_sigmoid_loss_takes_images_and_texts_alike() -> None:
    image, text = VIEWS
    value, (dx, dy, dt, db) = siglip.loss_value_and_vjp(ONE, image, text, 10.0, -5.0)
    swapped, (ey, ex, et, eb) = siglip.loss_value_and_vjp(ONE, text, image, 10.0, -5.0)
    np.testing.assert_allclose([swapped, et, eb], [value, dt, db], rtol=1e-12)
    np.testing.assert_allclose(ex, dx, rtol=1e-9)
    np.testing.assert_allclose(ey, dy, rtol=1e-9)
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in VIEWS]
    np.testing.assert_allclose(siglip.loss(*unit, 10.0, -5.0, normalize=False), value, rtol=1e-12)


def test_a_bias_alone_finds_the_share_of_matches() -> None:
    """Where nothing is to be told apart, the best bias is the log-odds of a match, 1 of N."""
    x = np.ones((5, 2))
    db = siglip.loss_vjp(ONE, x, x, 1e-300, -np.log(4.0))[3]
    assert abs(db) < 1e-15


def test_vicreg_forgets_where_the_views_are() -> None:
    x, y = VIEWS
    only = {"invariance": 0.0}
    value, (dx, dy) = vicreg.loss_value_and_vjp(ONE, x, y, **only)
    moved, (ex, ey) = vicreg.loss_value_and_vjp(ONE, x + 3, y - 2, **only)
    np.testing.assert_allclose(moved, value, rtol=1e-12)
    np.testing.assert_allclose([ex, ey], [dx, dy], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(dx.sum(axis=0), 0, atol=1e-13)


def test_vicreg_of_the_paper_and_of_its_code() -> None:
    x, y = VIEWS
    apart = np.sum((x - y) ** 2)
    deviation, squares = [], []
    for view in VIEWS:
        covariance = np.cov(view.T)
        deviation.append(np.maximum(0, 1 - np.sqrt(np.diag(covariance) + 1e-4)).mean())
        squares.append((np.sum(covariance**2) - np.sum(np.diag(covariance) ** 2)) / 3)
    paper = 25 * apart / 7 + 25 * sum(deviation) + sum(squares)
    code = 25 * apart / 21 + 25 * sum(deviation) / 2 + sum(squares)
    np.testing.assert_allclose(vicreg.loss(x, y), paper, rtol=1e-12)
    np.testing.assert_allclose(vicreg.loss(x, y, invariance_mean="entries", half_factor=True), code, rtol=1e-12)


def test_white_views_that_agree_are_perfect() -> None:
    x = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    assert float(vicreg.loss(x, x)) == 0
    assert float(barlow_twins.loss(x, x)) == 0


def test_barlow_twins_sees_correlations_alone() -> None:
    x, y = VIEWS
    c = np.corrcoef(x.T, y.T)[:3, 3:]
    wanted = np.sum((1 - np.diag(c)) ** 2) + 0.005 * (np.sum(c**2) - np.sum(np.diag(c) ** 2))
    np.testing.assert_allclose(barlow_twins.loss(x, y), wanted, rtol=1e-12)
    scale, shift = RNG.uniform(0.5, 2, size=3), RNG.normal(size=3)
    np.testing.assert_allclose(barlow_twins.loss(x * scale + shift, y), wanted, rtol=1e-12)
    dx, dy = barlow_twins.loss_vjp(ONE, x, y)
    np.testing.assert_allclose(np.sum(dx * x, axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(dx.sum(axis=0), 0, atol=1e-14)
    ey, ex = barlow_twins.loss_vjp(ONE, y, x)
    np.testing.assert_allclose([ex, ey], [dx, dy], rtol=1e-10, atol=1e-15)


def test_two_rows_always_correlate() -> None:
    for _ in range(5):
        x, y = RNG.normal(size=(2, 2, 3))
        value, cotangents = barlow_twins.loss_value_and_vjp(ONE, x, y, off_diagonal=0.0)
        np.testing.assert_allclose(value, 4 * np.sum((x[0] - x[1]) * (y[0] - y[1]) < 0), rtol=1e-14, atol=1e-30)
        assert not np.any(cotangents)


def test_features_that_do_not_vary() -> None:
    x, y = (v.copy() for v in VIEWS)
    x[:, 1] = 0.1
    assert np.isnan(barlow_twins.loss(x, y))
    assert np.all(np.isfinite(barlow_twins.loss_vjp(ONE, x, y, epsilon=1e-5)))
    assert np.all(np.isfinite(vicreg.loss_vjp(ONE, x, y, epsilon=0.0)))


BAD: list[tuple[Any, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    (histogram.loss, (X, LABELS), {"bins": 0}, ValueError, "bins"),
    (histogram.loss, (X, LABELS), {"bins": 10.0}, ValueError, "bins"),
    (histogram.loss_vjp, (np.ones(9), X, LABELS), {}, ValueError, "g"),
    (fast_ap.loss, (X, LABELS), {"bins": True}, ValueError, "bins"),
    (fast_ap.loss, (X, LABELS[:3]), {}, ValueError, "labels"),
    (smooth_ap.loss, (X, LABELS), {"temperature": 0.0}, ValueError, "temperature"),
    (smooth_ap.loss, (X, LABELS), {"include_self": 1}, TypeError, "include_self"),
    (siglip.loss, (X, X[:3], 1.0, 0.0), {}, ValueError, "text"),
    (siglip.loss, (X, X, np.ones(2), 0.0), {}, ValueError, "temperature"),
    (siglip.loss, (X, X, 1.0, np.ones(1)), {}, ValueError, "bias"),
    (siglip.loss, (X[:, :0], X[:, :0], 1.0, 0.0), {}, ValueError, "image"),
    (siglip.loss, (X, X, 1.0, 0.0), {"normalize": "no"}, TypeError, "normalize"),
    (siglip.loss_vjp, (np.ones(9), X, X, 1.0, 0.0), {"reduction": "none"}, ValueError, "g"),
    (vicreg.loss, (X, X[:, :2]), {}, ValueError, "y"),
    (vicreg.loss, (X[:, :0], X[:, :0]), {}, ValueError, "x"),
    (vicreg.loss, (X, X), {"epsilon": -1.0}, ValueError, "epsilon"),
    (vicreg.loss, (X, X), {"ddof": 2}, ValueError, "ddof"),
    (vicreg.loss, (X, X), {"gamma": "1"}, TypeError, "gamma"),
    (vicreg.loss, (X, X), {"half_factor": 1}, TypeError, "half_factor"),
    (barlow_twins.loss, (X, X), {"epsilon": np.nan}, ValueError, "epsilon"),
    (barlow_twins.loss, (X, X), {"off_diagonal": None}, TypeError, "off_diagonal"),
    (barlow_twins.loss_vjp, (np.ones(3), X, X), {}, ValueError, "g"),
]


@pytest.mark.parametrize(("function", "args", "constants", "error", "named"), BAD)
def test_bad_input_is_named(
    function: Any, args: tuple[Any, ...], constants: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=f"^{named} must"):
        function(*args, **constants)
