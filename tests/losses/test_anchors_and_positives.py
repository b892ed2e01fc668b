"""Identities of the losses of anchors, of positive pairs and of lists, and pytorch-metric-learning's conventions."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from refengine.losses import (
    angular,
    lifted_structure,
    margin,
    multi_similarity,
    n_pairs,
    nca,
    presets,
    quadruplet,
    ranked_list,
    snr_contrastive,
    softmax,
    sup_con,
    triplet,
    tuplet_margin,
    unified,
)
from tests.differences import slope

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(8, 5)), np.array([0, 1, 0, 2, 1, 0, 3, 2])
TWO_EACH = np.array([0, 1, 2, 3, 3, 2, 1, 0])
ONE = np.array(1.0)
BETA = np.array([0.9, 1.1, 1.3, 1.2])

Case = tuple[Any, str, tuple[Any, ...], dict[str, Any]]
DIRECTIONAL: list[Case] = [
    (multi_similarity, "loss", (), {"base": 0.5}),
    (multi_similarity, "loss", (), {"mining_margin": 0.1}),
    (lifted_structure, "loss", (), {"normalize_x": True}),
    (lifted_structure, "loss_generalized", (), {"normalize_x": True}),
    (margin, "loss", (1.2,), {"nu": 0.1}),
    (angular, "loss", (), {}),
    (nca, "loss", (), {"normalize_x": True}),
    (tuplet_margin, "loss", (), {}),
    (tuplet_margin, "intra_pair_variance", (), {}),
    (quadruplet, "loss", (), {"normalize_x": True}),
    (ranked_list, "loss", (), {}),
    (ranked_list, "loss", (), {"weights": "full", "positive_temperature": 2.0}),
]
OF_PLACES: list[Case] = [
    (lifted_structure, "loss", (), {}),
    (lifted_structure, "loss_generalized", (), {}),
    (margin, "loss", (1.2,), {"normalize_x": False}),
    (nca, "loss", (), {"objective": "errors"}),
    (quadruplet, "loss", (), {}),
    (quadruplet, "loss", (), {"squared": False, "reduction": "nonzero"}),
    (ranked_list, "loss", (), {"normalize_x": False, "alpha": 3.0}),
]


def both(case: Case, x: Any, labels: Any = LABELS) -> tuple[Any, Any]:
    """Value and the cotangent of x."""
    module, name, others, constants = case
    value, (dx, *_) = getattr(module, f"{name}_value_and_vjp")(ONE, x, *others, labels, **constants)
    return value, dx


@pytest.mark.parametrize("case", DIRECTIONAL + OF_PLACES)
def test_rotations_and_reorderings_change_nothing(case: Case) -> None:
    rotation, order = np.linalg.qr(RNG.normal(size=(5, 5)))[0], RNG.permutation(8)
    value, dx = both(case, X)
    turned, dturned = both(case, X @ rotation)
    shuffled, dshuffled = both(case, X[order], LABELS[order] + 7)
    np.testing.assert_allclose([turned, shuffled], value, rtol=1e-12)
    np.testing.assert_allclose(dturned, dx @ rotation, rtol=1e-9, atol=1e-12 * np.abs(dx).max())
    np.testing.assert_allclose(dshuffled, dx[order], rtol=1e-9, atol=1e-12 * np.abs(dx).max())


@pytest.mark.parametrize("case", DIRECTIONAL)
def test_lengths_do_not_matter_to_directions(case: Case) -> None:
    lengths = RNG.uniform(0.5, 3, size=(8, 1))
    value, dx = both(case, X)
    scaled, dscaled = both(case, X * lengths)
    np.testing.assert_allclose(scaled, value, rtol=1e-12)
    np.testing.assert_allclose(dscaled * lengths, dx, rtol=1e-9, atol=1e-12 * np.abs(dx).max())
    np.testing.assert_allclose(np.sum(X * dx, axis=1), 0, atol=1e-13 * np.abs(dx).max())


@pytest.mark.parametrize("case", OF_PLACES)
def test_only_differences_of_places_matter(case: Case) -> None:
    value, dx = both(case, X)
    np.testing.assert_allclose(both(case, X + 3)[0], value, rtol=1e-12)
    np.testing.assert_allclose(dx.sum(axis=0), 0, atol=1e-13 * np.abs(dx).max())


@pytest.mark.parametrize("case", DIRECTIONAL + OF_PLACES)
def test_duplicates_give_finite_gradients(case: Case) -> None:
    x = np.repeat(RNG.normal(size=(3, 5)), 3, axis=0)
    for labels in (np.repeat(np.arange(3), 3), np.arange(9) % 3):
        value, dx = both(case, x, labels)
        assert np.isfinite(value)
        assert np.all(np.isfinite(dx))


@pytest.mark.parametrize("case", DIRECTIONAL + OF_PLACES)
def test_a_step_against_the_gradient_lowers_the_loss(case: Case) -> None:
    value, dx = both(case, X)
    size = np.linalg.norm(dx)
    detached = case[0] is ranked_list and case[3].get("weights") != "full"
    if not detached:
        found = slope(lambda t: both(case, X + t / size * dx)[0], 1e-4)
        np.testing.assert_allclose(found, size, rtol=1e-9)
    assert both(case, X - 1e-6 / size * dx)[0] < value


def test_neighbourhood_components_on_a_sphere_are_sup_con_inside() -> None:
    """-log of a sum of softmaxes, there of 2 s c, here the log of their mean: log |P| apart."""
    value = nca.loss(X, LABELS, scale=2.5, normalize_x=True, reduction="none")
    inside = sup_con.loss(X, LABELS, temperature=0.2, outside=False, reduction="none")
    counts = np.sum(LABELS[:, None] == LABELS, axis=1) - 1
    np.testing.assert_allclose(value, inside - np.log(np.maximum(counts, 1)), rtol=1e-12, atol=1e-15)


def test_expected_errors_are_one_minus_the_probability() -> None:
    p = np.exp(-nca.loss(X, LABELS, reduction="none"))
    np.testing.assert_allclose(nca.loss(X, LABELS, objective="errors", reduction="none"), 1 - p, atol=1e-14)


def test_tuplet_margin_without_slack_and_one_positive_is_unified() -> None:
    value, dx = both((tuplet_margin, "loss", (), {"scale": 16.0, "margin": 0.0}), X, TWO_EACH)
    wanted, (dwanted,) = unified.loss_value_and_vjp(ONE, X, TWO_EACH, gamma=16.0)
    np.testing.assert_allclose(value, wanted, rtol=1e-13)
    np.testing.assert_allclose(dx, dwanted, rtol=1e-10, atol=1e-14)


def test_a_slack_raises_the_loss_of_angles_above_it() -> None:
    without, slack = (tuplet_margin.loss(X, LABELS, margin=m, reduction="none") for m in (0.0, 0.1))
    assert np.all(slack <= without + 1e-15), "an angle counts as less than it is"


def test_wide_mining_takes_every_pair_of_the_anchors_that_have_both_kinds() -> None:
    valid = np.array([np.sum(LABELS == y) > 1 for y in LABELS])
    wide = multi_similarity.loss(X, LABELS, mining_margin=3.0, reduction="none")
    np.testing.assert_array_equal(wide[valid], multi_similarity.loss(X, LABELS, reduction="none")[valid])
    assert np.all(wide[~valid] == 0)
    narrow = multi_similarity.loss(X, LABELS, mining_margin=-3.0, reduction="none")
    assert np.all(narrow == 0)


def test_n_pairs_are_the_softmax_of_the_products_of_the_first_two_rows() -> None:
    a, p = X[[0, 1, 3]], X[[2, 4, 7]]
    wanted = softmax.loss(a @ p.T, np.arange(3), reduction="none")
    np.testing.assert_allclose(n_pairs.loss_pairs(a, p, reduction="none"), wanted, rtol=1e-14)
    batch, (dx,) = n_pairs.loss_value_and_vjp(np.ones(8), X, LABELS, regularization=0.3, reduction="none")
    own, (da, dp) = n_pairs.loss_pairs_value_and_vjp(np.ones(3), a, p, regularization=0.3, reduction="none")
    np.testing.assert_array_equal(batch[[0, 1, 3]], own)
    np.testing.assert_array_equal(dx[[0, 1, 3]], da)
    np.testing.assert_array_equal(dx[[2, 4, 7]], dp)
    assert not np.any(dx[[5, 6]])
    assert not np.any(batch[[2, 4, 5, 6, 7]])


def test_lengths_decide_n_pairs_unless_they_are_taken_out() -> None:
    small, large = (n_pairs.loss(X * factor, LABELS, normalize_x=True) for factor in (1, 10))
    np.testing.assert_allclose(small, large, rtol=1e-14)
    assert n_pairs.loss(10 * X, LABELS) > 10 * n_pairs.loss(X, LABELS)


def test_one_boundary_for_all_is_the_same_for_every_class() -> None:
    for reduction in ("divisor", "sum", "mean"):
        constants: dict[str, Any] = {"nu": 0.2, "reduction": reduction}
        value, (dx, dbeta) = margin.loss_value_and_vjp(ONE, X, 1.1, LABELS, **constants)
        each, (deach, dclass) = margin.loss_value_and_vjp(ONE, X, np.full(4, 1.1), LABELS, **constants)
        np.testing.assert_array_equal(value, each)
        np.testing.assert_array_equal(dx, deach)
        np.testing.assert_allclose(dclass.sum(), dbeta, rtol=1e-13)


def test_pairs_counted_as_in_triplets() -> None:
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    d = np.linalg.norm(unit[:, None] - unit, axis=2)
    found = []
    for a, p, n in permutations(range(8), 3):
        if LABELS[a] == LABELS[p] != LABELS[n]:
            b = BETA[LABELS[a]]
            found += [max(0.0, d[a, p] - b + 0.2), max(0.0, b - d[a, n] + 0.2)]
    terms = np.array(found)
    total = margin.loss(X, BETA, LABELS, counting="triplets", reduction="sum")
    np.testing.assert_allclose(total, terms.sum(), rtol=1e-13)
    value = margin.loss(X, BETA, LABELS, counting="triplets")
    np.testing.assert_allclose(value, terms.sum() / np.sum(terms > 0), rtol=1e-13)


def test_generalised_lifted_structure_is_a_soft_hardest_triplet() -> None:
    d = np.linalg.norm(X[:, None] - X, axis=2)
    losses = lifted_structure.loss_generalized(X, LABELS, margin=2.0, reduction="none")
    for i, y in enumerate(LABELS):
        same = LABELS == y
        p, n = d[i, same & (np.arange(8) != i)], d[i, ~same]
        if p.size:
            hardest = max(0.0, 2.0 + p.max() - n.min())
            assert hardest - 1e-14 <= losses[i] <= hardest + np.log(p.size) + np.log(n.size) + 1e-14


def test_one_positive_pair_and_one_negative_make_lifted_structure_a_squared_triplet() -> None:
    x, labels = X[:3], np.array([0, 0, 1])
    d = [np.linalg.norm(x[i] - x[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    j = d[0] + np.log(np.exp(1 - d[1]) + np.exp(1 - d[2]))
    np.testing.assert_allclose(lifted_structure.loss(x, labels), max(0.0, j) ** 2 / 2, rtol=1e-13)


def test_quadruplets_without_the_others_are_triplets() -> None:
    constants: dict[str, Any] = {"margin": 1.5, "squared": True, "reduction": "sum"}
    value, dx = both((quadruplet, "loss", (), {"other_margin": -1e3, **constants}), X)
    wanted, (dwanted,) = triplet.loss_value_and_vjp(ONE, X, LABELS, **constants)
    np.testing.assert_allclose(value, wanted, rtol=1e-13)
    np.testing.assert_allclose(dx, dwanted, rtol=1e-10, atol=1e-13 * np.abs(dx).max())


def test_ranked_list_between_mean_and_hardest() -> None:
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    d = np.linalg.norm(unit[:, None] - unit, axis=2)
    h = np.where(LABELS[:, None] != LABELS, np.maximum(0, 1.5 - d), 0.0)
    constants: dict[str, Any] = {"alpha": 1.5, "imbalance": 1.0, "reduction": "none"}
    plain = ranked_list.loss(X, LABELS, negative_temperature=0.0, **constants)
    np.testing.assert_allclose(plain, h.sum(axis=1) / np.maximum((h > 0).sum(axis=1), 1), rtol=1e-13)
    hardest = ranked_list.loss(X, LABELS, negative_temperature=1e4, **constants)
    np.testing.assert_allclose(hardest, h.max(axis=1), rtol=1e-12)


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_divisor_of_the_variance_cancels_in_signal_to_noise(ddof: int) -> None:
    d = np.var(X[:, None] - X, axis=2, ddof=ddof) / np.var(X, axis=1, ddof=ddof)[:, None]
    same = LABELS[:, None] == LABELS
    wanted = np.where(same, d, np.maximum(0, 3 - d))
    np.fill_diagonal(wanted, 0)
    np.testing.assert_allclose(
        snr_contrastive.loss(X, LABELS, margin=3.0, reduction="none"), wanted, rtol=1e-12, atol=1e-14
    )
    scaled = snr_contrastive.loss(-7 * X + 2, LABELS, margin=3.0)
    np.testing.assert_allclose(scaled, snr_contrastive.loss(X, LABELS, margin=3.0), rtol=1e-12)


def test_angular_of_a_right_angle_bound_is_four_products() -> None:
    """At 45 degrees f = 4 (a + p) . n - 4 a . p, as the paper's figure of one negative has it."""
    unit = X[:3] / np.linalg.norm(X[:3], axis=1, keepdims=True)
    a, p, n = unit
    value = angular.loss(X[:3], np.array([0, 0, 1]))
    np.testing.assert_allclose(value, np.log1p(np.exp(4 * (a + p) @ n - 4 * a @ p)), rtol=1e-13)


PML = presets.pytorch_metric_learning
METRIC_LEARNING: list[tuple[Any, str, str, Any, dict[str, Any]]] = [
    (multi_similarity, "loss", "MultiSimilarityLoss", PML.multi_similarity, {"base": 0.25}),
    (lifted_structure, "loss", "LiftedStructureLoss", PML.lifted_structure, {"neg_margin": 1.5}),
    (
        lifted_structure,
        "loss_generalized",
        "GeneralizedLiftedStructureLoss",
        PML.lifted_structure_generalized,
        {"neg_margin": 0.5, "pos_margin": 0.25},
    ),
    (n_pairs, "loss", "NPairsLoss", PML.n_pairs, {}),
    (angular, "loss", "AngularLoss", PML.angular, {"alpha": 35.0}),
    (nca, "loss", "NCALoss", PML.nca, {"softmax_scale": 2.0}),
    (tuplet_margin, "loss", "TupletMarginLoss", PML.tuplet_margin, {"scale": 16.0}),
    (tuplet_margin, "intra_pair_variance", "IntraPairVarianceLoss", PML.intra_pair_variance, {"neg_eps": 0.1}),
    (snr_contrastive, "loss", "SignalToNoiseRatioContrastiveLoss", PML.snr_contrastive, {"neg_margin": 2.0}),
    (ranked_list, "loss", "RankedListLoss", PML.ranked_list, {"margin": 0.4, "Tn": 4.0}),
]


@pytest.mark.parametrize(("module", "name", "theirs", "preset", "arguments"), METRIC_LEARNING)
def test_presets_of_pytorch_metric_learning(
    module: Any, name: str, theirs: str, preset: Any, arguments: dict[str, Any]
) -> None:
    """On unit vectors, as its angular loss normalises all but the negatives, and so on the tangents alone."""
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    value, dx = both((module, name, (), preset(**arguments)), unit, TWO_EACH)
    other, gradient = of_torch(theirs, unit, TWO_EACH, **arguments)
    rtol = 1e-3 if module is ranked_list else 1e-12  # it adds 1e-5 for every row to the denominators
    np.testing.assert_allclose(value, other, rtol=rtol)
    gradient = gradient - np.sum(gradient * unit, axis=1, keepdims=True) * unit
    np.testing.assert_allclose(dx, gradient, rtol=1e3 * rtol, atol=rtol * np.abs(dx).max())


def of_torch(name: str, x: Any, labels: Any, **arguments: Any) -> tuple[float, Any]:
    """Value and gradient of one of its losses."""
    torch = pytest.importorskip("torch")
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    leaf = torch.tensor(np.asarray(x, dtype=float), requires_grad=True)
    value = getattr(losses, name)(**arguments)(leaf, torch.tensor(labels))
    value.backward()
    return value.item(), leaf.grad.numpy()


def test_pytorch_metric_learning_does_not_normalise_the_negatives_of_angular() -> None:
    """Known deviation: lengths change the loss of unit vectors."""
    one, ten = (of_torch("AngularLoss", factor * X, TWO_EACH)[0] for factor in (1, 10))
    assert abs(ten - one) > 0.1
    one, ten = (float(angular.loss(factor * X, TWO_EACH, **PML.angular())) for factor in (1, 10))
    assert abs(ten - one) < 1e-13


def test_pytorch_metric_learning_leaves_the_worst_negatives_of_ranked_list_out() -> None:
    """Known deviation: four rows of two labels in one place have no loss, though no negative could be nearer."""
    x, labels = np.ones((4, 2)), np.array([0, 0, 1, 1])
    constants = {"margin": 0.4, "Tn": 4.0}
    value, gradient = of_torch("RankedListLoss", x, labels, **constants)
    assert value == 0
    assert not np.any(gradient)
    np.testing.assert_allclose(ranked_list.loss(x, labels, **PML.ranked_list(**constants)), 0.6, rtol=1e-14)


def test_pytorch_metric_learning_has_no_gradient_for_parallel_tuplets() -> None:
    """Known deviation: the derivative of acos at 1."""
    bad = 0
    for _ in range(20):
        x = RNG.normal(size=(4, 8))
        x[1] = x[0]
        bad += not np.all(np.isfinite(of_torch("TupletMarginLoss", x, np.array([0, 0, 1, 1]))[1]))
        assert np.all(np.isfinite(tuplet_margin.loss_vjp(ONE, x, np.array([0, 0, 1, 1]))[0]))
    assert bad > 0


def test_a_larger_batch_needs_no_cube() -> None:
    x, labels = RNG.normal(size=(96, 8)), RNG.integers(24, size=96)
    for case in DIRECTIONAL + OF_PLACES:
        value, dx = both(case, x, labels)
        assert np.isfinite(value)
        assert dx.shape == x.shape


BAD: list[tuple[Any, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    (multi_similarity.loss, (X, LABELS), {"alpha": 0.0}, ValueError, "alpha"),
    (multi_similarity.loss, (X, LABELS), {"beta": np.inf}, ValueError, "beta"),
    (multi_similarity.loss, (X, LABELS), {"mining_margin": "0.1"}, TypeError, "mining_margin"),
    (lifted_structure.loss, (X, LABELS), {"reduction": "valid_anchor"}, ValueError, "reduction"),
    (lifted_structure.loss, (X, LABELS), {"half_factor": 1}, TypeError, "half_factor"),
    (lifted_structure.loss_generalized, (X, LABELS[:3]), {}, ValueError, "labels"),
    (margin.loss, (X, np.ones((2, 2)), LABELS), {}, ValueError, "beta"),
    (margin.loss, (X, np.ones(2), LABELS), {}, ValueError, "labels"),
    (margin.loss, (X, "1.2", LABELS), {}, TypeError, "beta"),
    (margin.loss, (X, 1.2, LABELS), {"counting": "quadruplets"}, ValueError, "counting"),
    (n_pairs.loss, (X, LABELS), {"reduction": "nonzero"}, ValueError, "reduction"),
    (n_pairs.loss_pairs, (X, X[:3]), {}, ValueError, "positive"),
    (n_pairs.loss_pairs, (np.ones((3, 0)), np.ones((3, 0))), {}, ValueError, "anchor"),
    (angular.loss, (X, LABELS), {"alpha": 40.0}, ValueError, "alpha"),
    (nca.loss, (X, LABELS), {"scale": -1.0}, ValueError, "scale"),
    (nca.loss, (X, LABELS), {"objective": "squared"}, ValueError, "objective"),
    (tuplet_margin.loss, (X, LABELS), {"scale": 0.0}, ValueError, "scale"),
    (tuplet_margin.intra_pair_variance, (X, LABELS), {"positive_epsilon": None}, TypeError, "positive_epsilon"),
    (snr_contrastive.loss, (X, LABELS / 2), {}, TypeError, "labels"),
    (quadruplet.loss, (X, LABELS), {"reduction": "none"}, ValueError, "reduction"),
    (quadruplet.loss_vjp, (np.ones(2), X, LABELS), {}, ValueError, "g"),
    (ranked_list.loss, (X, LABELS), {"imbalance": 1.5}, ValueError, "imbalance"),
    (ranked_list.loss, (X, LABELS), {"weights": "paper"}, ValueError, "weights"),
]


@pytest.mark.parametrize(("function", "args", "constants", "error", "named"), BAD)
def test_bad_input_is_named(
    function: Any, args: tuple[Any, ...], constants: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=f"^{named} must"):
        function(*args, **constants)
