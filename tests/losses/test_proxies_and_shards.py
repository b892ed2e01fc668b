"""Facts of the heads with margins by length, of the proxy losses, and of classes in parts."""

from __future__ import annotations

import tracemalloc
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import refengine
from refengine.losses import (
    adacos,
    adaface,
    arcface,
    circle,
    combined_margin,
    cosface,
    curricularface,
    elasticface,
    l_softmax,
    magface,
    mv_softmax,
    normface,
    partial_fc,
    proxy_anchor,
    proxy_nca,
    sharded,
    soft_triple,
    softmax,
    sphereface,
    sub_center_arcface,
    w_norm_softmax,
)
from refengine.losses._heads import Head
from tests.differences import slope

RNG = np.random.default_rng(0)
N, C, D = 7, 11, 5
X, W, Y = RNG.normal(size=(N, D)), RNG.normal(size=(C, D)), RNG.integers(C, size=N)
S = 16.0


def quality(value: float) -> dict[str, float]:
    """Statistics of lengths beside which every row of unit length has this quality."""
    return {"h": 1.0, "eps": 0.0, "mean": 1.0 - value, "deviation": 1.0}


UNIT = X / np.linalg.norm(X, axis=1, keepdims=True)
SAME = {
    "MagFace with one margin and no regulariser is ArcFace": (
        partial(magface.loss_value_and_vjp, scale=S, lower_margin=0.4, upper_margin=0.4, regularizer=0.0),
        partial(arcface.loss_value_and_vjp, scale=S, margin=0.4),
    ),
    "so it is beyond pi - m": (
        partial(
            magface.loss_value_and_vjp,
            scale=S,
            lower_margin=1.4,
            upper_margin=1.4,
            regularizer=0.0,
            boundary="monotonic",
        ),
        partial(arcface.loss_value_and_vjp, scale=S, margin=1.4, boundary="monotonic"),
    ),
    "AdaFace at quality 0 is CosFace": (
        partial(adaface.loss_value_and_vjp, scale=S, margin=0.4, h=0.0),
        partial(cosface.loss_value_and_vjp, scale=S, margin=0.4),
    ),
    "AdaFace at quality -1 is ArcFace": (
        partial(adaface.loss_value_and_vjp, scale=S, margin=0.4, **quality(-1.0)),
        partial(arcface.loss_value_and_vjp, scale=S, margin=0.4),
    ),
    "AdaFace at quality 1 is a combined margin": (
        partial(adaface.loss_value_and_vjp, scale=S, margin=0.4, **quality(1.0)),
        partial(combined_margin.loss_value_and_vjp, scale=S, m1=1.0, m2=-0.4, m3=0.8),
    ),
    "Proxy-NCA with the positive is NormFace at twice the scale": (
        partial(proxy_nca.loss_value_and_vjp, scale=4.0, include_positive=True),
        partial(normface.loss_value_and_vjp, scale=8.0),
    ),
    "SoftTriple with one centre is CosFace": (
        lambda g, x, w, y: _squeezed(
            soft_triple.loss_value_and_vjp(g, x, w[:, None, :], y, scale=S, margin=0.25, tau=3.0)
        ),
        partial(cosface.loss_value_and_vjp, scale=S, margin=0.25),
    ),
    "Partial FC with all classes is the combined margin": (
        lambda g, x, w, y: partial_fc.loss_value_and_vjp(g, x, w, y, np.arange(C), scale=S, m2=0.3),
        partial(combined_margin.loss_value_and_vjp, scale=S, m2=0.3),
    ),
}


def _squeezed(found: Any) -> Any:
    value, (dx, dw) = found
    return value, (dx, dw[:, 0, :])


@pytest.mark.parametrize("said", SAME)
def test_heads_that_are_the_same(said: str) -> None:
    (value, gradients), (wanted, wanted_gradients) = (head(1.0, UNIT, W, Y) for head in SAME[said])
    np.testing.assert_allclose(value, wanted, rtol=1e-13)
    for got, expected in zip(gradients, wanted_gradients, strict=False):  # a learnt scale has one more
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-13)


def test_magface_moves_the_length_and_adaface_does_not() -> None:
    x = 2 * X / np.linalg.norm(X, axis=1, keepdims=True)
    inside: dict[str, Any] = {"lower_norm": 1.0, "upper_norm": 3.0, "scale": S, "regularizer": 0.0}
    outside = inside | {"lower_norm": 2.5}
    along = [np.sum(magface.loss_vjp(1.0, x, W, Y, **c)[0] * x, axis=1) for c in (inside, outside)]
    assert np.all(along[0] > 1e-6), "a larger margin costs more"
    np.testing.assert_allclose(along[1], 0, atol=1e-14)
    np.testing.assert_allclose(np.sum(adaface.loss_vjp(1.0, X, W, Y)[0] * X, axis=1), 0, atol=1e-14)


def test_magface_slope_by_length_is_a_difference_quotient() -> None:
    at = partial(magface.loss, weight=W, labels=Y, lower_norm=1.0, upper_norm=4.0, scale=S, reduction="none")
    x = 2 * UNIT
    dx, _ = magface.loss_vjp(np.ones(N), x, W, Y, lower_norm=1.0, upper_norm=4.0, scale=S, reduction="none")
    quotient = slope(lambda t: at(x * (1 + t)), 1e-3)
    np.testing.assert_allclose(np.sum(dx * x, axis=1), quotient, rtol=1e-10, atol=1e-11)


def test_the_bound_of_magface_makes_the_loss_fall_at_the_lower_end() -> None:
    published: dict[str, float] = {"lower_norm": 10.0, "upper_norm": 110.0, "lower_margin": 0.45, "upper_margin": 0.8}
    bound = float(magface.lambda_bound(*published.values(), 64.0))
    assert 20 < bound < 35, "FaceX-Zoo's weight lies below it, the paper's above"
    slope = 64.0 * (0.8 - 0.45) / 100  # sin(theta + m) = 1, and the label has no probability
    assert abs(bound * (1 / 10**2 - 1 / 110**2) / slope - 1) < 1e-12


def test_adaface_statistics_of_a_batch_are_an_update_with_all_weight() -> None:
    norms = np.linalg.norm(X, axis=1)
    batch = adaface.update(norms, 0.0, 0.0, ema_weight_on_new=1.0)
    np.testing.assert_allclose([float(v) for v in batch], [norms.mean(), norms.std(ddof=1)], rtol=1e-14)
    given = adaface.loss(X, W, Y, mean=float(batch.mean), deviation=float(batch.deviation))
    np.testing.assert_allclose(given, adaface.loss(X, W, Y), rtol=1e-13)
    assert [float(v) for v in adaface.update(norms, 3.0, 2.0, ema_weight_on_new=0.0)] == [3.0, 2.0]


def test_adaface_logits_at_the_quality_of_the_rows_give_the_loss() -> None:
    norms = np.linalg.norm(X, axis=1)
    batch = adaface.update(norms, 0.0, 0.0, ema_weight_on_new=1.0)
    q = adaface.quality(norms, *batch)
    z = adaface.logits(np.clip(UNIT @ (W / np.linalg.norm(W, axis=1, keepdims=True)).T, -1, 1), Y, q)
    losses = np.log(np.sum(np.exp(z - z[np.arange(N), Y][:, None]), axis=1))
    np.testing.assert_allclose(adaface.loss(X, W, Y, reduction="none"), losses, rtol=1e-11)


def test_proxy_nca_without_the_positive_is_below_the_loss_with_it() -> None:
    """log(a + b) - log b: the difference of the two is the softplus of the paper's loss."""
    paper = proxy_nca.loss(X, W, Y, reduction="none")
    other = proxy_nca.loss(X, W, Y, include_positive=True, reduction="none")
    assert np.all(proxy_nca.loss(W, W, np.arange(C), scale=8.0, reduction="none") < 0)
    np.testing.assert_allclose(other, np.log1p(np.exp(paper)), rtol=1e-13)
    with pytest.raises(ValueError, match=r"^weight must have shape .* C >= 2"):
        proxy_nca.loss(X, W[:1], np.zeros(N, int))


@pytest.mark.parametrize("module", [proxy_anchor, proxy_nca])
def test_proxies_and_rows_turn_together(module: Any) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(D, D)))
    value, gradients = module.loss_value_and_vjp(1.0, X, W, Y)
    other, turned = module.loss_value_and_vjp(1.0, 8 * X @ turn, W @ turn / 4, Y)
    np.testing.assert_allclose(other, value, rtol=1e-12)
    for got, wanted, factor, along in zip(turned, gradients, (8, 0.25), (X, W), strict=True):
        np.testing.assert_allclose(factor * got, wanted @ turn, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(np.sum(wanted * along, axis=1), 0, atol=1e-13)


def test_proxy_anchor_with_one_row_and_one_class_apart() -> None:
    """One row, two proxies at right angles: both logarithms by hand."""
    x, w = np.array([[1.0, 0.0]]), np.eye(2)
    wanted = np.log1p(np.exp(-32 * 0.9)) + np.log1p(np.exp(32 * 0.1)) / 2
    np.testing.assert_allclose(proxy_anchor.loss(x, w, np.array([0])), wanted, rtol=1e-14)


def test_soft_triple_takes_the_nearest_centre_for_a_small_gamma() -> None:
    c = np.random.default_rng(3).uniform(-1, 1, size=(4, 3, 6))
    z = soft_triple.logits(c, np.zeros(4, int), scale=1.0, gamma=1e-4, margin=0.0)
    np.testing.assert_allclose(z, c.max(axis=2), rtol=1e-12)
    z = soft_triple.logits(c, np.zeros(4, int), scale=1.0, gamma=1e9, margin=0.0)
    np.testing.assert_allclose(z, c.mean(axis=2) + c.var(axis=2) / 1e9, rtol=0, atol=1e-15)
    same = np.repeat(W[:, None, :], 3, axis=1)
    assert soft_triple.regularizer(same) == 0
    assert soft_triple.regularizer(same[:, :1]) == 0


HEADS = {
    "arcface": (arcface.head(scale=S, margin=0.4), partial(arcface.loss_value_and_vjp, scale=S, margin=0.4)),
    "arcface, straight through": (
        arcface.head(boundary="monotonic", gradient="straight_through"),
        partial(arcface.loss_value_and_vjp, boundary="monotonic", gradient="straight_through"),
    ),
    "cosface": (cosface.head(), cosface.loss_value_and_vjp),
    "combined": (
        combined_margin.head(scale=S, m1=0.9, m2=0.4, m3=0.15),
        partial(combined_margin.loss_value_and_vjp, scale=S, m1=0.9, m2=0.4, m3=0.15),
    ),
    "normface": (normface.head(scale=S), partial(normface.loss_value_and_vjp, scale=S)),
    "sphereface": (sphereface.head(), sphereface.loss_value_and_vjp),
    "sphereface on a scale": (
        sphereface.head(margin=1.7, annealing=1.0, scale=S, psi="cosine"),
        partial(sphereface.loss_value_and_vjp, margin=1.7, annealing=1.0, scale=S, psi="cosine"),
    ),
}
WIDE = RNG.normal(size=(C, 3, D))
MARGINS = RNG.normal(0.4, 0.1, size=N)
MV: dict[str, Any] = {"scale": S, "margin": 0.3, "base": "arc", "hard_weight": "fixed", "boundary": "easy"}
BY_NORM: dict[str, Any] = {"scale": S, "lower_norm": 1.5, "upper_norm": 3.0}


def given(loss_value_and_vjp: Any, argument: Any, **constants: Any) -> Any:
    """An unsharded loss with an argument after the labels."""
    return lambda g, x, w, y, **reduction: loss_value_and_vjp(g, x, w, y, argument, **constants, **reduction)


def curricular(t: float) -> Any:
    return curricularface.head(np.asarray(t), scale=S), given(curricularface.loss_value_and_vjp, t, scale=S)


BESIDE: dict[str, Any] = {  # heads whose logits, denominators or rows need more than the target
    "w_norm_softmax": (w_norm_softmax.head(), w_norm_softmax.loss_value_and_vjp),
    "l_softmax": (l_softmax.head(), l_softmax.loss_value_and_vjp),
    "l_softmax, annealed": (
        l_softmax.head(margin=2.5, annealing=1.0),
        partial(l_softmax.loss_value_and_vjp, margin=2.5, annealing=1.0),
    ),
    "adacos": (adacos.head(C), adacos.loss_value_and_vjp),
    "elasticface": (
        elasticface.head(MARGINS, scale=S),
        given(elasticface.loss_value_and_vjp, MARGINS, scale=S),
    ),
    "elasticface, cos": (
        elasticface.head(MARGINS, scale=S, base="cos"),
        given(elasticface.loss_value_and_vjp, MARGINS, scale=S, base="cos"),
    ),
    "adaface": (adaface.head(scale=S), partial(adaface.loss_value_and_vjp, scale=S)),
    "adaface, clipped": (
        adaface.head(mean=2.0, deviation=0.25, boundary="clip", clip_cos=0.3),
        partial(adaface.loss_value_and_vjp, mean=2.0, deviation=0.25, boundary="clip", clip_cos=0.3),
    ),
    "magface": (magface.head(**BY_NORM), partial(magface.loss_value_and_vjp, **BY_NORM)),
    "magface, monotonic": (
        magface.head(**BY_NORM, boundary="monotonic", regularizer=2.0),
        partial(magface.loss_value_and_vjp, **BY_NORM, boundary="monotonic", regularizer=2.0),
    ),
    "sub_center_arcface": (
        sub_center_arcface.head(scale=S),
        partial(sub_center_arcface.loss_value_and_vjp, scale=S),
    ),
    "mv_softmax": (mv_softmax.head(), mv_softmax.loss_value_and_vjp),
    "mv_softmax, fixed": (mv_softmax.head(**MV), partial(mv_softmax.loss_value_and_vjp, **MV)),
    "curricularface": curricular(0.3),
    "proxy_nca": (proxy_nca.head(scale=3.0), partial(proxy_nca.loss_value_and_vjp, scale=3.0)),
    "proxy_nca, with the positive": (
        proxy_nca.head(include_positive=True),
        partial(proxy_nca.loss_value_and_vjp, include_positive=True),
    ),
    "circle": (circle.head(gamma=S), partial(circle.loss_class_value_and_vjp, gamma=S)),
    "circle, full": (
        circle.head(gamma=S, margin=0.4, weights="full"),
        partial(circle.loss_class_value_and_vjp, gamma=S, margin=0.4, weights="full"),
    ),
}


# two of them have kernels; of the shared text one is enough
TREES = [("numpy", said) for said in BESIDE]
TREES += [("numba", said) for said in ("w_norm_softmax", "adacos", "magface")]


def vectors(said: str) -> Any:
    return WIDE if said == "sub_center_arcface" else W


CUTS = [[0, 4, 4, C], [], [1], [C - 1], [4, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [2, 9]]


def shards_of(backend: str) -> Any:
    return refengine.backend(backend).losses.sharded


def on(backend: str, whole: Any) -> Any:
    """The unsharded head's own kernel: rows along their classes have a tangent of rounding errors, each its own."""
    whole = partial(whole)
    name = whole.func.__module__.rpartition(".")[2]
    return partial(getattr(refengine.backend(backend).losses, name).loss_value_and_vjp, **whole.keywords)


def in_shards(
    backend: str, head: Head, cuts: list[int], g: Any, x: Any, w: Any, y: Any, reduction: str = "mean"
) -> Any:
    """The loss and its gradients as machines would compute them, each with its shard."""
    sharded, ends = shards_of(backend), [0, *cuts, len(w)]
    shards = [(start, w[start:end]) for start, end in pairwise(ends)]
    told = None
    if head.by_label:
        told = np.max([sharded.label_angles(x, part, y, start=start) for start, part in shards], axis=0)
    merged = sharded.merge([sharded.sums(x, part, y, head, start=start, label_angles=told) for start, part in shards])
    options = {"label_angles": told, "reduction": reduction}
    found = [sharded.gradients(g, x, part, y, head, merged, start=start, **options) for start, part in shards]
    of_x, of_w, *others = zip(*found, strict=True)
    value = sharded.loss_of_head(merged, x, head, reduction=reduction)
    if head.with_label and head.penalty is None:
        np.testing.assert_array_equal(value, sharded.loss(merged, reduction=reduction))
    return value, (sum(of_x), np.concatenate(of_w), *(sum(parts) for parts in others))


def agree(found: Any, wanted: Any) -> None:
    (value, gradients), (wanted_value, wanted_gradients) = found, wanted
    np.testing.assert_allclose(value, wanted_value, rtol=2e-14)
    for got, expected in zip(gradients, wanted_gradients[: len(gradients)], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=2e-14 * np.max(np.abs(expected), initial=1.0))


@pytest.mark.parametrize("said", HEADS)
@pytest.mark.parametrize("cuts", CUTS, ids=str)
def test_shards_give_what_the_whole_gives(backend: str, said: str, cuts: list[int]) -> None:
    head, whole = HEADS[said]
    agree(in_shards(backend, head, cuts, 1.0, X, W, Y), whole(1.0, X, W, Y))
    g = RNG.normal(size=N)
    agree(in_shards(backend, head, cuts, g, X, W, Y, reduction="none"), whole(g, X, W, Y, reduction="none"))


@pytest.mark.parametrize(("tree", "said"), TREES)
@pytest.mark.parametrize("cuts", CUTS, ids=str)
def test_shards_of_heads_that_need_more_than_a_target(tree: str, said: str, cuts: list[int]) -> None:
    (head, whole), w = BESIDE[said], vectors(said)
    wanted = whole(1.0, X, w, Y)
    found = in_shards(tree, head, cuts, 1.0, X, w, Y)
    assert len(found[1]) == len(wanted[1]), "a cotangent for each of the loss's arguments"
    agree(found, wanted)
    g = RNG.normal(size=N)
    agree(in_shards(tree, head, cuts, g, X, w, Y, reduction="none"), whole(g, X, w, Y, reduction="none"))


@pytest.mark.parametrize(("tree", "said"), TREES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_blocks_of_heads_that_need_more_than_a_target(tree: str, said: str, dtype: Any) -> None:
    (head, whole), sharded = BESIDE[said], shards_of(tree)
    x, w = X.astype(dtype), vectors(said).astype(dtype)
    value, found = sharded.gradients_in_blocks(1.0, x, w, Y, head, block=4)
    assert {part.dtype for part in (value, *found)} == {np.dtype(dtype)}
    assert sharded.loss_in_blocks(x, w, Y, head, block=4) == value
    wanted, expected = whole(1.0, x, w, Y)
    units = 1e-13 if dtype == np.float64 else 2**-23  # float64, rounded once a block
    np.testing.assert_allclose(value, wanted, rtol=units)
    for got, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, right, rtol=units, atol=units * np.max(np.abs(right)))


@pytest.mark.parametrize("said", BESIDE)
def test_shards_keep_singular_points_of_all_heads(said: str) -> None:
    """Rows along their classes, or opposite to them, at both ends of a cut; and one that shares its shard with none."""
    (head, whole), w = BESIDE[said], vectors(said)
    axis = w if w.ndim == 2 else w[:, 1]
    x = np.concatenate([axis[[0, 4, 4]], -axis[[2]], axis[[7]] + 1e-9 * X[0], 5 * X[:1], axis[[C - 1]]])
    y = np.array([0, 4, 2, 2, 7, 3, C - 1])
    for cuts in ([3, 8], [C - 1]):
        found = in_shards("numpy", head, cuts, np.ones(N), x, w, y, reduction="none")
        agree(found, whole(np.ones(N), x, w, y, reduction="none"))
        assert all(np.all(np.isfinite(part)) for part in found[1])


@pytest.mark.parametrize("said", BESIDE)
@pytest.mark.parametrize("zeros", ["row", "class", "own class", "row and its class"])
def test_vectors_without_direction_in_blocks_of_all_heads(said: str, zeros: str) -> None:
    head, whole = BESIDE[said]
    x, w = X.copy(), vectors(said).copy()
    x[1] *= "row" not in zeros
    w[Y[1] if "its" in zeros or "own" in zeros else np.setdiff1d(np.arange(C), Y)[0]] *= "class" not in zeros
    value, found = sharded.gradients_in_blocks(np.ones(N), x, w, Y, head, block=4, reduction="none")
    wanted, expected = whole(np.ones(N), x, w, Y, reduction="none")
    for got, right in zip((value, *found), (wanted, *expected), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("cuts", [[4], [1, 1, 7]], ids=str)
def test_partial_fc_whose_shards_sample_for_themselves(cuts: list[int]) -> None:
    ends, uniforms = [0, *cuts, C], RNG.uniform(size=C)
    sampled = [
        first + partial_fc.sample(Y[(first <= Y) & (end > Y)] - first, uniforms[first:end], rate=0.5)
        for first, end in pairwise(ends)
        if end > first
    ]
    kept = np.concatenate(sampled)
    sizes = np.cumsum([len(part) for part in sampled])[:-1].tolist()
    value, (wanted_x, wanted_w) = partial_fc.loss_value_and_vjp(1.0, X, W, Y, kept, scale=S)
    found = in_shards("numpy", combined_margin.head(scale=S), sizes, 1.0, X, W[kept], np.searchsorted(kept, Y))
    agree(found, (value, (wanted_x, wanted_w[kept])))


def test_inner_products_with_a_bias_in_shards(backend: str) -> None:
    bias = RNG.normal(size=C)
    x, w = np.column_stack([X, np.ones(N)]), np.column_stack([W, bias])
    value, (dx, dw) = in_shards(backend, l_softmax.head(margin=1.0), [3, 5], 1.0, x, w, Y)
    wanted, (dz,) = softmax.loss_value_and_vjp(1.0, X @ W.T + bias, Y)
    agree((value, (dx[:, :D], dw)), (wanted, (dz @ W, np.column_stack([dz.T @ X, dz.sum(axis=0)]))))


@pytest.mark.parametrize("said", HEADS)
def test_shards_keep_singular_points(backend: str, said: str) -> None:
    """Rows along their classes, opposite to them, saturated losses of 1e-20 and of 100."""
    head, whole = HEADS[said][0], on(backend, HEADS[said][1])
    x = np.concatenate([W[[0, 4]] * 3, -W[[2]], W[[7]] + 1e-9 * X[0], 5 * X[:1]])
    y = np.array([0, 4, 2, 7, 3])
    for reduction, g in (("none", np.ones(5)), ("sum", 1.0)):
        in_blocks = shards_of(backend).gradients_in_blocks(g, x, W, y, head, block=4, reduction=reduction)
        for found in in_shards(backend, head, [3, 8], g, x, W, y, reduction=reduction), in_blocks:
            agree(found, whole(g, x, W, y, reduction=reduction))
            assert all(np.all(np.isfinite(part)) for part in found[1])


@pytest.mark.parametrize("said", ["normface", "sphereface"])
@pytest.mark.parametrize("zeros", ["row", "class", "own class", "row and its class"])
def test_blocks_of_vectors_without_direction(backend: str, said: str, zeros: str) -> None:
    head, whole = HEADS[said]
    x, w = X.copy(), W.copy()
    x[1] *= "row" not in zeros
    w[Y[1] if "its" in zeros or "own" in zeros else np.setdiff1d(np.arange(C), Y)[0]] *= "class" not in zeros
    value, found = shards_of(backend).gradients_in_blocks(np.ones(N), x, w, Y, head, block=4, reduction="none")
    wanted, expected = whole(np.ones(N), x, w, Y, reduction="none")
    assert np.isnan(value).any() == (zeros != "row" or said == "normface")
    for got, right in zip((value, *found), (wanted, *expected[:2]), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("said", HEADS)
@pytest.mark.parametrize("size", [1e-200, 1e-40, 1e160])
def test_blocks_of_lengths_whose_squares_are_no_numbers(backend: str, said: str, size: float) -> None:
    head, whole = HEADS[said]
    w = W * np.where(np.arange(C) % 3 == 0, size, 1.0)[:, None]
    agree_each(shards_of(backend).gradients_in_blocks(1.0, X, w, Y, head, block=4), whole(1.0, X, w, Y))


def agree_each(found: Any, wanted: Any) -> None:
    """Every class vector's cotangent on its own scale."""
    (value, (dx, dw)), (wanted_value, (wanted_x, wanted_w, *_)) = found, wanted
    np.testing.assert_allclose(value, wanted_value, rtol=2e-14)
    np.testing.assert_allclose(dx, wanted_x, rtol=1e-11, atol=2e-14 * np.max(np.abs(wanted_x)))
    largest = np.max(np.abs(wanted_w), axis=1, keepdims=True)
    np.testing.assert_allclose(dw / largest, wanted_w / largest, rtol=1e-11, atol=1e-12)


def test_one_class_alone_has_no_loss(backend: str) -> None:
    head, _ = HEADS["arcface"]
    value, (dx, dw) = in_shards(backend, head, [], 1.0, X, W[:1], np.zeros(N, int))
    assert value == 0
    assert not dx.any()
    assert not dw.any()


def test_merging_is_associative(backend: str) -> None:
    head, _ = HEADS["cosface"]
    a, b, c = (shards_of(backend).sums(X, W[i : i + 3], Y, head, start=i) for i in (0, 3, 6))
    merge = sharded.merge
    for one, other in zip(merge([merge([a, b]), c]), merge([c, merge([b, a])]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-15)


@pytest.mark.parametrize("said", HEADS)
@pytest.mark.parametrize("block", [1, 3, 4, 11, 100])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_blocks_give_what_the_whole_gives(backend: str, said: str, block: int, dtype: Any) -> None:
    (head, whole), sharded = HEADS[said], shards_of(backend)
    x, w = X.astype(dtype), W.astype(dtype)
    value, (dx, dw) = sharded.gradients_in_blocks(1.0, x, w, Y, head, block=block)
    assert value.dtype == dx.dtype == dw.dtype == dtype
    wanted, (wanted_x, wanted_w, *_) = whole(1.0, x, w, Y)
    units = 1e-13 if dtype == np.float64 else 2e-6 if backend == "numba" else 2**-23  # what is float64 is rounded
    np.testing.assert_allclose(value, wanted, rtol=units)
    for got, right in ((dx, wanted_x), (dw, wanted_w)):
        np.testing.assert_allclose(got, right, rtol=16 * units, atol=units)
    assert sharded.loss_in_blocks(x, w, Y, head, block=block) == value


def test_blocks_of_no_rows_and_of_other_layouts(backend: str) -> None:
    (head, whole), sharded = HEADS["arcface"], shards_of(backend)
    value, (dx, dw) = sharded.gradients_in_blocks(1.0, X[:0], W, Y[:0], head, block=4, reduction="sum")
    assert value == 0
    assert dx.shape == (0, D)
    assert not dw.any()
    layouts = np.asfortranarray(X), np.repeat(W, 2, axis=0)[::2]
    agree(sharded.gradients_in_blocks(1.0, *layouts, Y.astype(np.int32), head, block=4), whole(1.0, X, W, Y))


def test_a_head_without_a_kernel_has_the_shared_text() -> None:
    head = HEADS["arcface"][0]._replace(name="")
    for given in (head, head._replace(name="arcface", weight_length=True)):
        found = shards_of("numba").gradients_in_blocks(1.0, X, W, Y, given, block=4)
        wanted = sharded.gradients_in_blocks(1.0, X, W, Y, given, block=4)
        for got, expected in zip((found[0], *found[1]), (wanted[0], *wanted[1]), strict=True):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("said", ["sphereface", *BESIDE])
def test_blocks_of_strict_arrays(said: str) -> None:
    """Nothing beyond the array API: a stand-in for another array library."""
    import array_api_strict as other

    w, head = vectors(said), (HEADS | BESIDE)[said][0]
    wanted = sharded.gradients_in_blocks(1.0, X, w, Y, head, block=4)
    if said.startswith("elasticface"):
        head = elasticface.head(other.asarray(MARGINS), scale=S, base="cos" if "cos" in said else "arc")
    elif said == "curricularface":
        head = curricularface.head(other.asarray(0.3), scale=S)
    found = sharded.gradients_in_blocks(1.0, other.asarray(X), other.asarray(w), other.asarray(Y), head, block=4)
    for got, expected in zip((found[0], *found[1]), (wanted[0], *wanted[1]), strict=True):
        assert isinstance(got, type(other.asarray(0.0)))
        np.testing.assert_array_equal(np.asarray(got), expected)


def peak(function: Any) -> int:
    """The most bytes that a call holds at once: the least of five calls, since other threads allocate meanwhile."""

    def once() -> int:
        tracemalloc.start()
        function()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    return min(once() for _ in range(5))


def test_blocks_need_memory_for_a_block_of_classes(backend: str) -> None:
    rng, sharded = np.random.default_rng(0), shards_of(backend)
    n, d, block = 32, 4, 128
    x, head = rng.normal(size=(n, d)), arcface.head()
    few, many = (rng.normal(size=(c, d)) for c in (4096, 16384))
    y = rng.integers(4096, size=n)
    sharded.gradients_in_blocks(1.0, x, few, y, head, block=block)  # compiles
    found = [peak(partial(sharded.loss_in_blocks, x, w, y, head, block=block)) for w in (few, many)]
    assert found[1] < 1.1 * found[0], "the number of classes makes no difference"
    buffers = (16 if backend == "numpy" else 1) * 8 * n * block + 64 * 1024
    assert found[1] < buffers
    assert found[1] < peak(partial(arcface.loss, x, many, y)) / 20
    backward = peak(partial(sharded.gradients_in_blocks, 1.0, x, many, y, head, block=block))
    assert backward < many.nbytes + buffers, "the gradient itself and a block"
    one_shard = [partial(shards_of("numba").sums, x, np.concatenate([many] * k), y, head) for k in (1, 4)]
    if backend == "numba":
        assert peak(one_shard[1]) < 1.1 * peak(one_shard[0]), "a shard is taken in blocks, too"


def test_a_share_of_the_classes_keeps_every_label() -> None:
    rng = np.random.default_rng(5)
    for rate in (0.1, 0.5, 1.0):
        labels, uniforms = rng.integers(40, size=6), rng.uniform(size=40)
        kept = partial_fc.sample(labels, uniforms, rate=rate)
        assert np.isin(labels, kept).all()
        assert len(kept) == max(int(rate * 40), len(np.unique(labels)))
        others = np.setdiff1d(np.arange(40), labels)
        left, right = np.isin(others, kept), uniforms[others]
        assert np.max(right[~left], initial=0) <= np.min(right[left], initial=1)
    assert partial_fc.sample([3], np.zeros(4), rate=1.0).tolist() == [0, 1, 2, 3]


def test_classes_that_are_not_sampled_neither_count_nor_move() -> None:
    kept = np.unique(np.concatenate([Y, [0, 3]]))
    value, (_, dw) = partial_fc.loss_value_and_vjp(1.0, X, W, Y, kept)
    rest = np.setdiff1d(np.arange(C), kept)
    assert not dw[rest].any()
    spoilt = W.copy()
    spoilt[rest] = np.nan
    assert partial_fc.loss(X, spoilt, Y, kept) == value
    assert value <= combined_margin.loss(X, W, Y)


@pytest.mark.parametrize(
    ("function", "args", "constants", "error", "named"),
    [
        (magface.loss, (X, W, Y), {"upper_norm": 10.0}, ValueError, "upper_norm"),
        (magface.loss, (X, W, Y), {"lower_margin": 0.9}, ValueError, "upper_margin"),
        (magface.loss, (X, W, Y), {"regularizer": -1.0}, ValueError, "regularizer"),
        (adaface.loss, (X, W, Y), {"ddof": 2}, ValueError, "ddof"),
        (adaface.loss, (X, W, Y), {"mean": "1"}, TypeError, "mean"),
        (adaface.loss, (X, W, Y), {"clip_cos": -1e-3}, ValueError, "clip_cos"),
        (adaface.update, (np.ones(3), 1.0, 1.0), {"ema_weight_on_new": 1.5}, ValueError, "ema_weight_on_new"),
        (adaface.update, (np.ones(3), np.ones(2), 1.0), {}, ValueError, "mean"),
        (proxy_nca.loss, (X, W, Y), {"include_positive": 1}, TypeError, "include_positive"),
        (proxy_anchor.loss, (X, W, Y), {"margin": -0.1}, ValueError, "margin"),
        (soft_triple.loss, (X, W, Y), {}, ValueError, "weight"),
        (soft_triple.loss, (X, W[:, None, :], Y), {"gamma": 0.0}, ValueError, "gamma"),
        (partial_fc.sample, (Y, np.ones(C)), {"rate": 0.0}, ValueError, "rate"),
        (partial_fc.sample, (Y, 2 * np.ones(C)), {}, ValueError, "uniforms"),
        (partial_fc.loss, (X, W, Y, Y), {}, ValueError, "sampled"),
        (partial_fc.loss, (X, W, Y, np.array([0])), {}, ValueError, "sampled"),
        (sharded.sums, (X, W, Y, arcface.loss), {}, TypeError, "head"),
        (sharded.sums, (X, W, Y, arcface.head()), {"start": -1}, ValueError, "start"),
        (sharded.sums, (X, W, Y, mv_softmax.head()), {}, ValueError, "label_angles"),
        (sharded.sums, (X, W, Y, mv_softmax.head()), {"label_angles": np.ones((N, 3))}, ValueError, "label_angles"),
        (sharded.sums, (X, W, Y, elasticface.head(np.ones(3))), {}, ValueError, "margins"),
        (sharded.sums, (X, W, Y, sub_center_arcface.head()), {}, ValueError, "weight"),
        (sharded.sums, (X, WIDE[:, :0], Y, sub_center_arcface.head()), {}, ValueError, "weight"),
        (sharded.loss_in_blocks, (X, WIDE[:0], Y, sub_center_arcface.head()), {}, ValueError, "weight"),
        (adacos.head, (1,), {}, ValueError, "classes"),
        (sharded.loss_in_blocks, (X, W, Y, arcface.head()), {"block": 0}, ValueError, "block"),
        (sharded.loss_in_blocks, (X, W, Y + C, arcface.head()), {}, ValueError, "labels"),
        (sharded.loss_in_blocks, (X, W[:0], Y, arcface.head()), {}, ValueError, "weight"),
        (shards_of("numba").sums, (X, W, Y, arcface.loss), {}, TypeError, "head"),
        (shards_of("numba").sums, (X, W, Y, arcface.head()), {"start": -1}, ValueError, "start"),
        (shards_of("numba").loss_in_blocks, (X, W, Y, arcface.head()), {"block": True}, ValueError, "block"),
        (shards_of("numba").loss_in_blocks, (X, W, Y + C, arcface.head()), {}, ValueError, "labels"),
        (shards_of("numba").loss_in_blocks, (X, W[:0], Y, arcface.head()), {}, ValueError, "weight"),
        (
            shards_of("numba").gradients,
            (1.0, X, W, Y, arcface.head(), sharded.Sums(*np.ones((3, N - 1)))),
            {},
            ValueError,
            "maximum",
        ),
    ],
)
def test_what_is_out_of_range_is_named(
    function: Any, args: Any, constants: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=f"^{named} must"):
        function(*args, **constants)


def test_a_label_that_no_shard_holds_costs_everything(backend: str) -> None:
    merged = shards_of(backend).sums(X, W, np.full(N, C), arcface.head())
    assert sharded.loss(merged) == np.inf
