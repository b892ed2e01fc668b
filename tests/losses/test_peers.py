"""Other libraries' losses under the presets that reproduce them, in float64: values and gradients.

pytorch-metric-learning and torch are called; the formulas of the others are written out here with torch. Where a
library is known to differ, the difference is asserted.
"""

from __future__ import annotations

from functools import partial
from math import acos, cos, pi, radians
from typing import Any

import numpy as np
import pytest

from refengine.losses import (
    adacos,
    arcface,
    center,
    circle,
    combined_margin,
    contrastive,
    cosface,
    info_nce,
    l_softmax,
    lifted_structure,
    margin,
    multi_similarity,
    nca,
    normface,
    presets,
    proxy_anchor,
    proxy_nca,
    soft_triple,
    softmax,
    sphereface,
    sub_center_arcface,
    sup_con,
    triplet,
)
from refengine.mining import batch_hard

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")

RNG = np.random.default_rng(4)
X, W, Y = RNG.normal(size=(12, 6)), RNG.normal(size=(5, 6)), RNG.integers(5, size=12)
X[0], X[1] = -2 * W[Y[0]] + 0.05 * RNG.normal(size=6), -W[Y[1]] + 0.3 * RNG.normal(size=6)  # beyond pi - m
ONE = np.array(1.0)


def differentiated(function: Any, *arrays: Any) -> tuple[float, list[Any]]:
    """The value of a function of float64 tensors, and its gradients."""
    tensors = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]
    value = function(*tensors)
    found = torch.autograd.grad(value, tensors, allow_unused=True)
    return value.item(), [np.zeros(t.shape) if g is None else g.numpy() for g, t in zip(found, tensors, strict=True)]


def agree(ours: Any, theirs: tuple[float, list[Any]], rtol: float = 1e-10) -> None:
    (value, gradients), (wanted, slopes) = ours, theirs
    np.testing.assert_allclose(value, wanted, rtol=rtol)
    for got, expected in zip(gradients, slopes, strict=False):  # a learnt scale has one more
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9 * np.abs(expected).max())


def cosines(x: Any, weight: Any) -> Any:
    return torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(weight).T


def with_target(c: Any, target: Any, scale: float) -> Any:
    """Cross-entropy of scaled cosines with another value at the label."""
    hot = torch.nn.functional.one_hot(torch.tensor(Y), c.shape[1]).bool()
    return torch.nn.functional.cross_entropy(scale * torch.where(hot, target(c), c), torch.tensor(Y))


# pytorch-metric-learning


@pytest.fixture(scope="module")
def pml() -> Any:
    return pytest.importorskip("pytorch_metric_learning.losses")


def pml_head(made: Any, weight: Any) -> Any:
    del made.W  # its own parameter
    made.W = weight.T
    return made


PML = presets.pytorch_metric_learning
PML_HEADS = [
    ("ArcFaceLoss", arcface, PML.arcface, {}),
    ("ArcFaceLoss", arcface, PML.arcface, {"margin": 60.0, "scale": 16.0}),
    ("CosFaceLoss", cosface, PML.cosface, {}),
    ("CosFaceLoss", cosface, PML.cosface, {"margin": 0.1, "scale": 8.0}),
    ("SphereFaceLoss", sphereface, PML.sphereface, {}),
    ("SphereFaceLoss", sphereface, PML.sphereface, {"margin": 1.7}),
    ("LargeMarginSoftmaxLoss", l_softmax, PML.l_softmax, {}),
    ("LargeMarginSoftmaxLoss", l_softmax, PML.l_softmax, {"margin": 3}),
    ("NormalizedSoftmaxLoss", normface, PML.normface, {}),
]


@pytest.mark.parametrize(("theirs", "ours", "preset", "arguments"), PML_HEADS)
def test_heads_of_pytorch_metric_learning(pml: Any, theirs: str, ours: Any, preset: Any, arguments: Any) -> None:
    def loss(x: Any, weight: Any) -> Any:
        made = getattr(pml, theirs)(num_classes=5, embedding_size=6, **arguments)
        return pml_head(made, weight)(x, torch.tensor(Y))

    agree(ours.loss_value_and_vjp(ONE, X, W, Y, **preset(**arguments)), differentiated(loss, X, W))


PML_BATCHES = [
    ("CircleLoss", circle, PML.circle, {}),
    ("CircleLoss", circle, PML.circle, {"m": 0.25, "gamma": 32}),
    ("ContrastiveLoss", contrastive, PML.contrastive, {}),
    ("ContrastiveLoss", contrastive, PML.contrastive, {"pos_margin": 0.2, "neg_margin": 1.3}),
    ("TripletMarginLoss", triplet, PML.triplet, {}),
    ("TripletMarginLoss", triplet, PML.triplet, {"margin": 0.0, "smooth_loss": True}),
    ("NTXentLoss", info_nce, PML.info_nce, {}),
    ("NTXentLoss", info_nce, PML.info_nce, {"temperature": 0.5}),
    ("SupConLoss", sup_con, PML.sup_con, {}),
    ("SupConLoss", sup_con, PML.sup_con, {"temperature": 0.5}),
    ("MultiSimilarityLoss", multi_similarity, PML.multi_similarity, {}),
    ("MultiSimilarityLoss", multi_similarity, PML.multi_similarity, {"alpha": 3.0, "beta": 10.0, "base": 0.2}),
    ("NCALoss", nca, PML.nca, {"softmax_scale": 3.0}),
    ("LiftedStructureLoss", lifted_structure, PML.lifted_structure, {}),
    ("LiftedStructureLoss", lifted_structure, PML.lifted_structure, {"neg_margin": 0.7, "pos_margin": 0.2}),
]


@pytest.mark.parametrize(("theirs", "ours", "preset", "arguments"), PML_BATCHES)
def test_losses_of_batches_of_pytorch_metric_learning(
    pml: Any, theirs: str, ours: Any, preset: Any, arguments: Any
) -> None:
    made = getattr(pml, theirs)(**arguments)
    agree(
        ours.loss_value_and_vjp(ONE, X, Y, **preset(**arguments)),
        differentiated(lambda x: made(x, torch.tensor(Y)), X),
    )


@pytest.mark.parametrize(
    ("theirs", "ours", "preset", "parameter"),
    [
        ("ProxyNCALoss", proxy_nca, PML.proxy_nca(softmax_scale=3.0), "proxies"),
        ("ProxyAnchorLoss", proxy_anchor, PML.proxy_anchor(), "proxies"),
    ],
)
def test_proxies_of_pytorch_metric_learning(pml: Any, theirs: str, ours: Any, preset: Any, parameter: str) -> None:
    arguments = {"softmax_scale": 3.0} if ours is proxy_nca else {}

    def loss(x: Any, weight: Any) -> Any:
        made = getattr(pml, theirs)(num_classes=5, embedding_size=6, **arguments)
        delattr(made, parameter)
        setattr(made, parameter, weight)
        return made(x, torch.tensor(Y))

    agree(ours.loss_value_and_vjp(ONE, X, W, Y, **preset), differentiated(loss, X, W))


@pytest.mark.parametrize(
    ("theirs", "ours", "preset", "parameter", "count"),
    [
        ("SoftTripleLoss", soft_triple, PML.soft_triple(), "fc", "centers_per_class"),
        ("SubCenterArcFaceLoss", sub_center_arcface, PML.sub_center_arcface(), "W", "sub_centers"),
    ],
)
def test_several_vectors_of_a_class_of_pytorch_metric_learning(
    pml: Any, theirs: str, ours: Any, preset: Any, parameter: str, count: str
) -> None:
    weight = np.random.default_rng(5).normal(size=(5, 3, 6))

    def loss(x: Any, weight: Any) -> Any:
        made = getattr(pml, theirs)(num_classes=5, embedding_size=6, **{count: 3})
        delattr(made, parameter)
        setattr(made, parameter, weight.reshape(15, 6).T)
        return made(x, torch.tensor(Y))

    agree(ours.loss_value_and_vjp(ONE, X, weight, Y, **preset), differentiated(loss, X, weight))


def test_margin_loss_of_pytorch_metric_learning(pml: Any) -> None:
    made = pml.MarginLoss(margin=0.3)
    beta = np.array(np.float32(1.2), dtype=np.float64)  # its beta is a float32
    value, (dx, _) = margin.loss_value_and_vjp(ONE, X, beta, Y, **PML.margin(margin=0.3))
    agree((value, (dx,)), differentiated(lambda x: made(x, torch.tensor(Y)), X))


def test_pytorch_metric_learning_has_no_gradient_where_rows_are_their_classes(pml: Any) -> None:
    """Known deviation: the derivative of acos at 1."""

    def loss(x: Any, weight: Any) -> Any:
        return pml_head(pml.ArcFaceLoss(num_classes=5, embedding_size=6), weight)(x, torch.arange(5))

    bad = 0
    for seed in range(40):
        w = np.random.default_rng(seed).normal(size=(5, 6))
        bad += not np.isfinite(differentiated(loss, w, w)[1][0]).all()
        _, gradients = arcface.loss_value_and_vjp(ONE, w, w, np.arange(5), **PML.arcface())
        assert all(np.isfinite(g).all() for g in gradients)
    assert bad > 20


def test_pytorch_metric_learning_caps_nt_xent(pml: Any) -> None:
    """Known deviation: the smallest normal number is added to the probability."""
    x, y = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 0, 1])
    capped = differentiated(lambda x: pml.NTXentLoss(temperature=1e-3)(x, y), x)[0]
    exact = info_nce.loss(
        x,
        y.numpy(),
        **PML.info_nce(temperature=1e-3),
    )
    np.testing.assert_allclose(exact, (2000 + np.log(2)) / 2, rtol=1e-15)  # of the two pairs
    np.testing.assert_allclose(capped, (-np.log(np.finfo(float).tiny) + np.log(2)) / 2, rtol=1e-15)


def test_pytorch_metric_learning_has_no_sup_con_without_negatives(pml: Any) -> None:
    """Known deviation: with one label in the batch it returns 0, though the paper's denominator holds the positives."""
    y = np.zeros(12, int)
    assert differentiated(lambda x: pml.SupConLoss()(x, torch.tensor(y)), X)[0] == 0
    assert sup_con.loss(X, y, **PML.sup_con()) > np.log(11)


def test_presets_refuse_what_no_constant_can_say() -> None:
    for refused in (
        lambda: PML.sphereface(scale=30.0),
        lambda: PML.triplet(margin=0.1, smooth_loss=True),
        lambda: presets.insightface.combined_margin(m1=1.35, m2=0.0),
        lambda: presets.sup_contrast.sup_con(temperature=0.1),
    ):
        with pytest.raises(ValueError, match=r"must be|raises|times"):
            refused()


# torch


def test_cross_entropy_of_torch() -> None:
    z = RNG.normal(size=(12, 5)) * 4
    theirs = differentiated(lambda z: torch.nn.functional.cross_entropy(z, torch.tensor(Y)), z)
    agree(softmax.loss_value_and_vjp(ONE, z, Y, **presets.torch.softmax()), theirs)


def test_triplet_margin_loss_of_torch_adds_an_eps_to_every_component() -> None:
    a, p, n = RNG.normal(size=(3, 7, 4))
    constants = presets.torch.triplet(margin=2.0)
    for eps, close in ((0.0, True), (1e-6, False)):
        loss = partial(torch.nn.functional.triplet_margin_loss, margin=2.0, eps=eps)
        value, slopes = differentiated(loss, a, p, n)
        ours = triplet.loss_triplets(a, p, n, **constants)
        assert bool(np.isclose(ours, value, rtol=1e-13)) == close
        moved = triplet.loss_triplets_value_and_vjp(ONE, a + eps, p, n, **constants)
        np.testing.assert_allclose(moved[0], value, rtol=1e-13)
        for got, expected in zip(moved[1], slopes, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-13)


# insightface, opensphere, FaceX-Zoo, face.evoLVe, Paddle: heads on cosines


def held(c: Any, target: Any) -> Any:
    """The target's value with the cosine's own gradient: what an update outside of the graph leaves."""
    return c + (target - c).detach()


def test_arcface_of_insightface_has_the_gradient_of_the_cosine() -> None:
    theirs = differentiated(
        lambda x, w: with_target(cosines(x, w), lambda c: held(c, torch.cos(torch.acos(c) + 0.5)), 64.0), X, W
    )
    constants = presets.insightface.arcface()
    agree(arcface.loss_value_and_vjp(ONE, X, W, Y, **constants), theirs)
    exact = arcface.loss_value_and_vjp(ONE, X, W, Y, **constants | {"gradient": "exact"})[1][0]
    apart = np.linalg.norm(exact - theirs[1][0]) / np.linalg.norm(exact)
    assert apart > 0.05  # it is not a gradient of the loss that is printed


@pytest.mark.parametrize(
    "margins", [(1.0, 0.5, 0.0), (1.0, 0.3, 0.2), (0.9, 0.4, 0.15), (1.0, 0.0, 0.4), (1.0, 0.0, 0.0)]
)
def test_combined_margin_of_insightface(margins: tuple[float, float, float]) -> None:
    m1, m2, m3 = margins

    def target(c: Any) -> Any:
        return c - m3 if m3 > 0 else held(c, torch.cos(torch.acos(c) + m2))

    theirs = differentiated(lambda x, w: with_target(cosines(x, w), target, 64.0), X, W)
    constants = presets.insightface.combined_margin(m1=m1, m2=m2, m3=m3)
    agree(combined_margin.loss_value_and_vjp(ONE, X, W, Y, **constants), theirs)
    full = differentiated(
        lambda x, w: with_target(cosines(x, w), lambda c: torch.cos(m1 * torch.acos(c) + m2) - m3, 64.0), X, W
    )
    mxnet = presets.insightface.combined_margin_mxnet(m1=m1, m2=m2, m3=m3)
    agree(combined_margin.loss_value_and_vjp(ONE, X, W, Y, **mxnet), full)
    if m3 > 0 and m2 > 0:  # known deviation: m1 and m2 are left out
        agree(cosface.loss_value_and_vjp(ONE, X, W, Y, scale=64.0, margin=m3), theirs)
        assert not np.isclose(theirs[0], full[0], rtol=0.05)
    paddle = presets.paddle.combined_margin(margin1=m1, margin2=m2, margin3=m3)
    c = np.clip(RNG.normal(size=(12, 5)) / 3, -0.95, 0.95)
    z = combined_margin.logits(c, Y, **paddle)
    np.testing.assert_allclose(z[np.arange(12), Y], 64 * (np.cos(m1 * np.arccos(c[np.arange(12), Y]) + m2) - m3))


@pytest.mark.parametrize("library", ["insightface", "facex_zoo", "opensphere", "face_evolve"])
def test_cosface(library: str) -> None:
    constants = getattr(presets, library).cosface()
    theirs = differentiated(
        lambda x, w: with_target(cosines(x, w), lambda c: c - constants["margin"], constants["scale"]), X, W
    )
    agree(cosface.loss_value_and_vjp(ONE, X, W, Y, **constants), theirs)


def rule(c: Any, m: float, below: Any, holds: Any) -> Any:
    return torch.where(holds, c * np.cos(m) - torch.sqrt(1 - c * c) * np.sin(m), below)


@pytest.mark.parametrize(
    ("constants", "target"),
    [
        (presets.facex_zoo.arcface(), lambda c: rule(c, 0.35, c, c > cos(pi - 0.35))),
        (presets.face_evolve.arcface(), lambda c: rule(c, 0.5, c - 0.5 * np.sin(pi - 0.5), c > cos(pi - 0.5))),
        (presets.face_evolve.arcface(easy_margin=True), lambda c: rule(c, 0.5, c, c > 0)),
        (presets.open_metric_learning.arcface(), lambda c: rule(c, 0.5, c - 0.5 * np.sin(0.5), c > cos(pi - 0.5))),
        (presets.tensorflow_similarity.arcface(), lambda c: torch.cos(torch.acos(c) + 0.5)),
    ],
)
def test_rules_of_arcface_beyond_pi_minus_m(constants: Any, target: Any) -> None:
    theirs = differentiated(lambda x, w: with_target(cosines(x, w), target, constants["scale"]), X, W)
    agree(arcface.loss_value_and_vjp(ONE, X, W, Y, **constants), theirs)


def psi(c: Any, m: float) -> Any:
    theta = torch.acos(c)
    k = torch.floor(m * theta / pi)
    return (1 - 2 * torch.remainder(k, 2)) * torch.cos(m * theta) - 2 * k


@pytest.mark.parametrize(
    ("module", "constants", "target"),
    [
        (arcface, presets.opensphere.arcface(), lambda c: torch.cos(torch.clamp(torch.acos(c) + 0.5, 1e-5, pi))),
        (sphereface, presets.opensphere.sphereface(), lambda c: psi(c, 1.5)),
        (normface, presets.opensphere.normface(), lambda c: c),
    ],
)
def test_opensphere_does_not_project_the_gradient_of_class_vectors(module: Any, constants: Any, target: Any) -> None:
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    value, (dx, dw) = differentiated(
        lambda x, w: with_target(
            torch.nn.functional.normalize(x) @ w.T, lambda c: held(c, target(c)), constants["scale"]
        ),
        X,
        unit,
    )
    projected = dw - np.sum(dw * unit, axis=1, keepdims=True) * unit
    assert np.linalg.norm(projected - dw) > 0.1 * np.linalg.norm(dw)  # known deviation
    agree(module.loss_value_and_vjp(ONE, X, unit, Y, **constants), (value, [dx, projected]))


def test_sphereface_of_face_evolve() -> None:
    constants = presets.face_evolve.sphereface(iteration=1000, m=3)
    share = 1 / (1 + constants["annealing"])
    hot = torch.nn.functional.one_hot(torch.tensor(Y), 5).bool()

    def loss(x: Any, w: Any) -> Any:
        c = cosines(x, w)
        z = torch.where(hot, c + share * (psi(c, 3.0) - c), c) * torch.linalg.norm(x, dim=1, keepdim=True)
        return torch.nn.functional.cross_entropy(z, torch.tensor(Y))

    agree(sphereface.loss_value_and_vjp(ONE, X, W, Y, **constants), differentiated(loss, X, W))
    assert presets.face_evolve.sphereface(iteration=10**6)["annealing"] == 5


# circle, AdaCos, center, SupCon, triplets


def circle_logits(s: Any, positive: Any, m: float, gamma: float) -> Any:
    a = torch.clamp(torch.where(positive, 1 + m - s, s + m), min=0).detach()
    return gamma * a * torch.where(positive, s - (1 - m), s - m)


@pytest.mark.parametrize(
    "preset", [presets.facex_zoo.circle_class(), presets.tinyzeamays.circle_class(m=0.3, gamma=32.0)]
)
def test_circle_by_class(preset: Any) -> None:
    hot = torch.nn.functional.one_hot(torch.tensor(Y), 5).bool()
    theirs = differentiated(
        lambda x, w: torch.nn.functional.cross_entropy(
            circle_logits(cosines(x, w), hot, preset["margin"], preset["gamma"]), torch.tensor(Y)
        ),
        X,
        W,
    )
    agree(circle.loss_class_value_and_vjp(ONE, X, W, Y, **preset), theirs)


def test_circle_of_all_pairs() -> None:
    same = torch.tensor(Y[:, None] == Y[None, :])
    upper = torch.ones(12, 12).triu(1).bool()

    def loss(x: Any) -> Any:
        z = circle_logits(cosines(x, x), same, 0.25, 32.0)
        return torch.nn.functional.softplus(torch.logsumexp(z[~same & upper], 0) + torch.logsumexp(-z[same & upper], 0))

    agree(
        circle.loss_value_and_vjp(ONE, X, Y, **presets.tinyzeamays.circle(m=0.25, gamma=32.0)), differentiated(loss, X)
    )


def test_adacos_of_facex_zoo_takes_the_lower_median_of_the_labels_angles() -> None:
    def loss(x: Any, w: Any) -> Any:
        c = cosines(x, w)
        with torch.no_grad():
            hot = torch.nn.functional.one_hot(torch.tensor(Y), 5).bool()
            b = torch.where(hot, 0.0, torch.exp(7.0 * c)).sum() / len(c)
            median = torch.median(torch.acos(c[hot]))
            scale = torch.log(b) / torch.cos(torch.clamp(median, max=pi / 4))
        return torch.nn.functional.cross_entropy(scale * c, torch.tensor(Y))

    agree(
        adacos.loss_value_and_vjp(ONE, X, W, Y, **presets.facex_zoo.adacos(previous_scale=7.0)),
        differentiated(loss, X, W),
    )


def test_center_loss_of_pytorch_center_loss_adds_a_tiny_number_for_every_other_class() -> None:
    hot = torch.nn.functional.one_hot(torch.tensor(Y), 5)

    def loss(x: Any, centers: Any) -> Any:
        square = ((x[:, None, :] - centers[None, :, :]) ** 2).sum(2)
        return torch.clamp(square * hot, 1e-12, 1e12).sum() / len(x)

    theirs = differentiated(loss, X, W)
    agree(center.loss_value_and_vjp(ONE, X, W, Y, **presets.pytorch_center_loss.center()), theirs)
    at_centers = differentiated(loss, W[Y], W)
    np.testing.assert_allclose(at_centers[0], 5e-12, rtol=1e-12)  # known deviation: 0 where every row is its center
    step = W - center.update(X, W, Y, **presets.pytorch_center_loss.center_update(alpha=0.5))
    np.testing.assert_allclose(step, 0.5 * theirs[1][1] * len(X) / 2, rtol=1e-10, atol=1e-13)


def test_sup_con_of_sup_contrast() -> None:
    same = torch.tensor((Y[:, None] == Y[None, :]) & ~np.eye(12, dtype=bool)).double()

    def loss(x: Any) -> Any:
        z = cosines(x, x) / 0.07
        log_p = z - torch.logsumexp(z.masked_fill(torch.eye(12).bool(), -torch.inf), 1, keepdim=True)
        return -((same * log_p).sum(1) / same.sum(1)).mean()

    assert np.all(np.bincount(Y)[Y] > 1)
    agree(sup_con.loss_value_and_vjp(ONE, X, Y, **presets.sup_contrast.sup_con()), differentiated(loss, X), rtol=1e-9)


def test_triplets_of_sentence_transformers_and_tensorflow_addons() -> None:
    d = np.linalg.norm(X[:, None] - X[None, :], axis=2)
    all_of_them = [
        max(0.0, d[a, p] - d[a, n] + 5.0)
        for a in range(12)
        for p in range(12)
        for n in range(12)
        if a != p and Y[a] == Y[p] and Y[a] != Y[n]
    ]
    mean = np.mean([v for v in all_of_them if v > 1e-16])
    np.testing.assert_allclose(
        triplet.loss(X, Y, **presets.sentence_transformers.batch_all_triplet()), mean, rtol=1e-12
    )
    same = (Y[:, None] == Y[None, :]) & ~np.eye(12, dtype=bool)
    other = Y[:, None] != Y[None, :]
    for metric, power in (("L_1", 1), ("L_2", 2)):
        hardest = np.max(np.where(same, d**power, 0), axis=1) - np.min(np.where(other, d**power, np.inf), axis=1)
        chosen = batch_hard(X, Y)
        got = triplet.loss_triplets(
            *(X[i] for i in chosen), **presets.tensorflow_addons.triplet_hard(distance_metric=metric)
        )
        np.testing.assert_allclose(got, np.mean(np.maximum(hardest + 1.0, 0)), rtol=1e-12)


def test_contrastive_of_tensorflow_addons() -> None:
    i, j = np.triu_indices(12, 1)
    d, same = np.linalg.norm(X[i] - X[j], axis=1), Y[i] == Y[j]
    wanted = np.mean(np.where(same, d**2, np.maximum(2.0 - d, 0) ** 2))
    got = contrastive.loss(X, Y, **presets.tensorflow_addons.contrastive(margin=2.0))
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_degrees_become_radians() -> None:
    assert PML.arcface()["margin"] == radians(28.6)
    assert acos(cos(PML.arcface(margin=180.0)["margin"])) == pi
