"""Facts that tie the class-level heads to each other, and their bounds to their losses."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from refengine.losses import (
    adacos,
    arcface,
    combined_margin,
    cosface,
    l_softmax,
    normface,
    softmax,
    sphereface,
    w_norm_softmax,
)

RNG = np.random.default_rng(0)
X, W, Y = RNG.normal(size=(7, 5)), RNG.normal(size=(4, 5)), RNG.integers(4, size=7)
S = 16.0
SAME = {
    "combined (1, 0, m3) is CosFace": (
        partial(combined_margin.loss_value_and_vjp, scale=S, m1=1.0, m2=0.0, m3=0.3),
        partial(cosface.loss_value_and_vjp, scale=S, margin=0.3),
    ),
    "combined (1, m2, 0) is ArcFace": (
        partial(combined_margin.loss_value_and_vjp, scale=S, m1=1.0, m2=0.4, m3=0.0),
        partial(arcface.loss_value_and_vjp, scale=S, margin=0.4),
    ),
    "combined (m1, 0, 0) is SphereFace with the plain cosine": (
        partial(combined_margin.loss_value_and_vjp, scale=S, m1=1.35, m2=0.0, m3=0.0),
        partial(sphereface.loss_value_and_vjp, scale=S, margin=1.35, psi="cosine"),
    ),
    "CosFace without a margin is NormFace": (
        partial(cosface.loss_value_and_vjp, scale=S, margin=0.0),
        partial(normface.loss_value_and_vjp, scale=S),
    ),
    "ArcFace without a margin is NormFace": (
        partial(arcface.loss_value_and_vjp, scale=S, margin=0.0, boundary="clip"),
        partial(normface.loss_value_and_vjp, scale=S),
    ),
    "SphereFace with m = 1 is the W-norm softmax": (
        partial(sphereface.loss_value_and_vjp, margin=1.0),
        w_norm_softmax.loss_value_and_vjp,
    ),
    "much annealing leaves the W-norm softmax": (
        partial(sphereface.loss_value_and_vjp, margin=4.0, annealing=1e16),
        w_norm_softmax.loss_value_and_vjp,
    ),
    "AdaCos with a fixed scale is NormFace": (
        adacos.loss_value_and_vjp,
        partial(normface.loss_value_and_vjp, scale=float(adacos.fixed_scale(len(W)))),
    ),
    "AdaCos with the batch's scale is NormFace with it": (
        partial(adacos.loss_value_and_vjp, mode="dynamic", previous_scale=9.0),
        lambda *a: normface.loss_value_and_vjp(*a, scale=_dynamic(9.0)),
    ),
}


def _unit(v: Any) -> Any:
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def _dynamic(previous: float) -> float:
    return float(adacos.dynamic_scale(_unit(X) @ _unit(W).T, Y, previous))


@pytest.mark.parametrize("said", SAME)
def test_heads_that_are_the_same(said: str) -> None:
    (value, gradients), (wanted, wanted_gradients) = (head(1.0, X, W, Y) for head in SAME[said])
    np.testing.assert_allclose(value, wanted, rtol=1e-13)
    for got, expected in zip(gradients, wanted_gradients, strict=False):  # a learnt scale has one more
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-14)


def test_a_margin_taken_from_every_class_has_no_effect() -> None:
    """An erratum: some texts subtract m in the whole denominator, which is the loss without any margin."""
    z = S * (_unit(X) @ _unit(W).T)
    np.testing.assert_allclose(softmax.loss(z - S * 0.35, Y), normface.loss(X, W, Y, S), rtol=1e-13)
    assert cosface.loss(X, W, Y, scale=S) > normface.loss(X, W, Y, S)


def test_l_softmax_with_m_1_is_softmax_of_inner_products() -> None:
    value, (dx, dw) = l_softmax.loss_value_and_vjp(1.0, X, W, Y, margin=1.0)
    wanted, (dz,) = softmax.loss_value_and_vjp(1.0, X @ W.T, Y)
    np.testing.assert_allclose(value, wanted, rtol=1e-13)
    np.testing.assert_allclose(dx, dz @ W, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(dw, dz.T @ X, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("module", [cosface, combined_margin, arcface, adacos])
def test_normalised_heads_do_not_know_lengths(module: Any) -> None:
    value, (dx, dw) = module.loss_value_and_vjp(1.0, X, W, Y)
    other, (longer, _) = module.loss_value_and_vjp(1.0, 8 * X, W / 4, Y)
    assert value == other
    np.testing.assert_allclose(dx, 8 * longer, rtol=1e-15)
    for gradient, along in ((dx, X), (dw, W)):
        np.testing.assert_allclose(np.sum(gradient * along, axis=1), 0, atol=1e-13)


@pytest.mark.parametrize("module", [cosface, combined_margin, sphereface, l_softmax, w_norm_softmax])
def test_a_rotation_of_everything_turns_the_gradients(module: Any) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))
    value, gradients = module.loss_value_and_vjp(1.0, X, W, Y)
    turned_value, turned = module.loss_value_and_vjp(1.0, X @ turn, W @ turn, Y)
    np.testing.assert_allclose(turned_value, value, rtol=1e-12)
    for got, wanted in zip(turned, gradients, strict=True):
        np.testing.assert_allclose(got, wanted @ turn, rtol=1e-10, atol=1e-12)


def test_psi_falls_from_1_to_1_minus_2m_without_jumps() -> None:
    theta = np.linspace(0, np.pi, 2001)
    for margin in (1.0, 1.5, 2.0, 3.0, 4.0):
        z = sphereface.logits(np.cos(theta)[:, None], np.zeros(2001, int), margin=margin, scale=1.0)[:, 0]
        assert z[0] == 1
        assert np.all(np.diff(z) <= 1e-15)
        assert np.all(-np.diff(z) <= margin * np.pi / 2000)
        assert margin % 1 or abs(z[-1] - (1 - 2 * margin)) < 1e-14


def simplex(classes: int) -> Any:
    """The corners of a regular simplex."""
    return np.eye(classes) - 1 / classes


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_bound_of_normface_is_attained_at_the_corners_of_a_simplex(classes: int) -> None:
    w, y = simplex(classes), np.arange(classes)
    np.testing.assert_allclose(normface.loss(w, w, y, 4.0), normface.lower_bound(classes, 4.0), rtol=1e-12)
    scale = float(cosface.scale_bound(classes, 0.9))
    np.testing.assert_allclose(normface.lower_bound(classes, scale), -np.log(0.9), rtol=1e-12)
    gaps = 1 - (_unit(w) @ _unit(w).T)[~np.eye(classes, dtype=bool)]
    np.testing.assert_allclose(
        gaps, float(cosface.margin_bound(classes, classes - 1 if classes > 3 else 3)), rtol=1e-12
    )


def test_no_gradient_is_infinite_where_rows_are_their_classes() -> None:
    rng = np.random.default_rng(2)
    for _ in range(300):
        x = rng.normal(size=(4, 3)) * 10 ** rng.uniform(-8, 8)
        for module in (cosface, combined_margin, sphereface, l_softmax, adacos):
            _, gradients = module.loss_value_and_vjp(1.0, x, x.copy(), np.arange(4))
            assert all(np.all(np.isfinite(g)) for g in gradients), module.__name__


@pytest.mark.parametrize(
    ("module", "constants", "error", "named"),
    [
        (cosface, {"margin": 2.5}, ValueError, "margin"),
        (cosface, {"scale": "64"}, TypeError, "scale"),
        (combined_margin, {"m1": 0.0}, ValueError, "m1"),
        (combined_margin, {"m2": 28.6}, ValueError, "m2"),
        (combined_margin, {"m3": np.nan}, ValueError, "m3"),
        (sphereface, {"margin": 0.5}, ValueError, "margin"),
        (sphereface, {"annealing": -1.0}, ValueError, "annealing"),
        (sphereface, {"scale": 0.0}, ValueError, "scale"),
        (l_softmax, {"margin": None}, TypeError, "margin"),
        (normface, {"scale": np.ones(2)}, ValueError, "scale"),
        (adacos, {"mode": "dynamic", "previous_scale": -1.0}, ValueError, "previous_scale"),
    ],
)
def test_constants_out_of_range_are_named(module: Any, constants: Any, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=f"^{named} must"):
        module.loss(X, W, Y, **constants)


def test_adacos_wants_two_classes() -> None:
    with pytest.raises(ValueError, match=r"^weight must have shape .* with C >= 2"):
        adacos.loss(X, W[:1], np.zeros(7, int))
