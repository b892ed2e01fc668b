"""pytorch-metric-learning 2.9.0, with its default distances and reducers.

Its losses of batches are means over the losses that are not 0. Rows that stand exactly on their class's vector give it
gradients that are not finite; a positive pair of probability below the smallest normal number a capped loss.
"""

from __future__ import annotations

from math import radians
from typing import Any


def arcface(*, margin: float = 28.6, scale: float = 64.0) -> dict[str, Any]:
    """``ArcFaceLoss`` as `refengine.losses.arcface.loss`; its margin is in degrees."""
    return {"scale": scale, "margin": radians(margin), "boundary": "monotonic"}


def cosface(*, margin: float = 0.35, scale: float = 64.0) -> dict[str, Any]:
    """``CosFaceLoss`` as `refengine.losses.cosface.loss`."""
    return {"scale": scale, "margin": margin}


def sphereface(*, margin: float = 4, scale: float = 1.0) -> dict[str, Any]:
    """``SphereFaceLoss`` as `refengine.losses.sphereface.loss`; it cuts the margin to a whole number.

    Its scale multiplies the length of each row: for another than 1, multiply the rows.
    """
    return {"margin": float(int(margin)), "annealing": 0.0, "scale": None} | _only("scale", scale, 1.0)


def l_softmax(*, margin: float = 4, scale: float = 1.0) -> dict[str, Any]:
    """``LargeMarginSoftmaxLoss`` as `refengine.losses.l_softmax.loss`; it cuts the margin to a whole number."""
    return {"margin": float(int(margin)), "annealing": 0.0} | _only("scale", scale, 1.0)


def normface(*, temperature: float = 0.05) -> dict[str, Any]:
    """``NormalizedSoftmaxLoss`` as `refengine.losses.normface.loss`."""
    return {"scale": 1 / temperature}


def circle(*, m: float = 0.4, gamma: float = 80.0) -> dict[str, Any]:
    """``CircleLoss`` as `refengine.losses.circle.loss`."""
    return {"gamma": gamma, "margin": m, "weights": "detached", "scope": "anchor", "reduction": "nonzero"}


def contrastive(*, pos_margin: float = 0.0, neg_margin: float = 1.0) -> dict[str, Any]:
    """``ContrastiveLoss`` as `refengine.losses.contrastive.loss`: neither squared nor halved."""
    constants = {"margin": neg_margin, "positive_margin": pos_margin, "squared": False, "half_factor": False}
    return constants | {"normalize_x": True, "reduction": "nonzero"}


def triplet(*, margin: float = 0.05, smooth_loss: bool = False) -> dict[str, Any]:
    """``TripletMarginLoss`` as `refengine.losses.triplet.loss`; its smooth loss has the margin inside of the softplus.

    For the smooth loss margin must be 0 here.
    """
    constants = {"margin": margin, "squared": False, "soft": smooth_loss, "normalize_x": True, "reduction": "nonzero"}
    return constants | (_only("margin", margin, 0.0) if smooth_loss else {})


def info_nce(*, temperature: float = 0.07) -> dict[str, Any]:
    """``NTXentLoss`` as `refengine.losses.info_nce.loss`: the denominator has no other positives."""
    return {"temperature": temperature, "denominator": "negatives", "reduction": "mean"}


def sup_con(*, temperature: float = 0.1) -> dict[str, Any]:
    """``SupConLoss`` as `refengine.losses.sup_con.loss`; a batch without negatives gives 0 there."""
    return {"temperature": temperature, "outside": True, "reduction": "nonzero"}


def _only(name: str, value: float, possible: float) -> dict[str, Any]:
    if value != possible:
        raise ValueError(f"{name} must be {possible:g}, which is what the loss here has, got {value!r}")
    return {}
