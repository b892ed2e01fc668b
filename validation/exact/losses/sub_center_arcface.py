"""Sub-center ArcFace: ArcFace with, of each class, the vector at the smallest angle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from math import nan
from typing import Any

import numpy as np

from validation.exact.draws import Draw, short
from validation.exact.losses import _heads, arcface
from validation.exact.losses._rows import reduce, undefined
from validation.exact.number import Number


def logits(
    cosine: Any, labels: Any, *, scale: float, margin: float, boundary: str, gradient: str, shared: bool = False
) -> Any:
    """s cos(theta_y + m) for the label's class, s cos(theta_j) for the others, cos theta_j = max_k cos theta_jk.

    Source: deng-2020-sub-center, section 3
    """
    c = np.empty(cosine.shape[:2], dtype=object)
    good = np.ones(c.shape, dtype=bool)
    for i, j in np.ndindex(c.shape):
        good[i, j] = all(-1 <= v <= 1 for v in cosine[i, j])
        c[i, j] = _largest(cosine[i, j], shared) if good[i, j] else Number(0)
    z = arcface.logits(c, labels, scale=scale, margin=margin, boundary=boundary, gradient=gradient)
    for i, j in zip(*np.nonzero(~good), strict=True):
        z[i, j] = undefined(*cosine[i, j])
    return z


shared_at_tie = partial(logits, shared=True)
"""Equal cosines share the gradient, as in JAX and TensorFlow."""


def _largest(values: Any, shared: bool) -> Any:
    best = values[0]
    for v in values[1:]:
        best = v if v > best else best
    tied = [v for v in values if v == best]
    return sum(tied, Number(0)) / len(tied) if shared else best


def loss(
    x: Any,
    weight: Any,
    labels: Any,
    *,
    scale: float,
    margin: float,
    boundary: str,
    gradient: str,
    reduction: str,
    last: bool = False,
    clip: float = 0.0,
) -> Any:
    """-log(e^{s cos(theta_y + m)} / (e^{s cos(theta_y + m)} + sum_{j != y} e^{s cos theta_j})), at the nearest.

    Source: deng-2020-sub-center, section 3
    """
    constants: dict[str, Any] = {"scale": scale, "margin": margin, "boundary": boundary, "gradient": gradient}
    losses = []
    for i in range(len(labels)):
        if any(all(v == 0 for v in w) for w in [x[i], *weight.reshape(-1, x.shape[1])]):
            losses.append(undefined(*x[i], *weight.ravel()))
            continue
        nearest = np.array([_nearest(x[i], centers, last) for centers in weight], dtype=object)
        losses += list(arcface.loss(x[i : i + 1], nearest, labels[i : i + 1], **constants, reduction="none", clip=clip))
    return reduce(losses, reduction)


last_at_tie = partial(loss, last=True)
"""Of equal cosines the one with the highest index counts."""

clipped = partial(loss, clip=1e-7)
"""The cosine is clipped to 1e-7 within [-1, 1] before acos, and its gradient is 0 there."""


def _nearest(x: Any, centers: Any, last: bool) -> Any:
    best = centers[0]
    for w in centers[1:]:
        at, to_beat = _signed_square(x, w) * (best * best).sum(), _signed_square(x, best) * (w * w).sum()
        best = w if at > to_beat or (last and at == to_beat) else best
    return best


def _signed_square(x: Any, w: Any) -> Any:
    """(x . w) |x . w|: with |x| in common, the order of cosines without a root, so that a tie is decided."""
    inner = (x * w).sum()
    return inner * abs(inner)


def _options(i: int, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "scale": float(rng.choice([1.0, 8.0, 30.0, 64.0])),
        "margin": short(float(rng.uniform(0.05, 1.2))),
        "boundary": arcface.BOUNDARIES[i % 5],
        "gradient": "straight_through" if i % 4 == 3 else "exact",
    }


def _others(constants: dict[str, Any]) -> dict[str, dict[str, Any]]:
    gradient = "exact" if constants["gradient"] == "straight_through" else "straight_through"
    boundary = "none" if constants["boundary"] == "monotonic" else "monotonic"
    return {gradient: {"gradient": gradient}, boundary: {"boundary": boundary}}


def draw_logits(rng: np.random.Generator) -> Iterator[Draw]:
    for i, draw in enumerate(_heads.draw_logits(rng, _options, _others)):
        given, k = draw.arguments["cosine"], 1 + i % 3
        c = np.repeat(given[:, :, None], k, axis=2)
        if draw.result != "invalid":
            for lower in range(1, k):  # the drawn cosine is the largest of its class, at any place
                c[:, :, lower] = np.maximum(-1, c[:, :, 0] - short(np.abs(rng.normal(size=given.shape))))
            c = rng.permuted(c, axis=2)
        yield replace(draw, arguments=draw.arguments | {"cosine": c})
    constants = {"scale": 16.0, "margin": 0.25, "boundary": "none", "gradient": "exact"}
    c = np.array([[[0.5, 0.5, 0.25], [0.125, -0.5, 0.125]], [[-0.5, 0.75, 0.75], [0.0, 0.0, 0.0]]])
    yield Draw(
        {"cosine": c, "labels": np.array([0, 1])},
        constants,
        flags=("TIE",),
        difficulty=3,
        alternatives={"shared_at_tie": shared_at_tie},
    )
    close = np.array([[[0.5, 0.5 + 2.0**-53], [0.25, 0.25 - 2.0**-54]]])
    yield Draw({"cosine": close, "labels": np.array([0])}, constants, flags=("WRONG_BRANCH",), difficulty=3)
    for wrong in (1.5, nan):
        c = np.array([[[0.5, wrong], [0.25, 0.125]], [[0.25, 0.5], [0.5, wrong]]])
        yield Draw({"cosine": c, "labels": np.array([0, 0])}, constants, result="invalid")


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    for i, draw in enumerate(_heads.draw_loss(rng, _options, _others, clipped=clipped, count=30)):
        w = draw.arguments["weight"]
        size = np.abs(w).max() if w.any() else 1.0
        more = short(rng.normal(size=(i % 3, *w.shape))) * (size if "OVERFLOW_F32" in draw.flags else 1.0)
        centers = np.concatenate([w[None], more]) if i % 2 else np.concatenate([more, w[None]])
        yield replace(draw, arguments=draw.arguments | {"weight": np.moveaxis(centers, 0, 1).copy()})
    x, w = short(rng.normal(size=(2, 3))), short(rng.normal(size=(2, 1, 3)))
    duplicates = np.concatenate([w, 3 * w, w], axis=1)
    mirrored = np.array([[[3.0, 4.0], [3.0, -4.0]], [[-1.0, 2.0], [-2.0, -4.0]]])
    constants = {"scale": 16.0, "margin": 0.25, "boundary": "none", "gradient": "exact", "reduction": "sum"}
    for rows, centers in ((x, duplicates), (x, duplicates[:, ::-1]), (np.array([[2.0, 0.0]]), mirrored)):
        for gradient in ("exact", "straight_through"):
            yield Draw(
                {"x": rows, "weight": centers.copy(), "labels": np.arange(len(rows))},
                constants | {"gradient": gradient},
                flags=("TIE",),
                difficulty=3,
                alternatives={"last_at_tie": last_at_tie},
            )
