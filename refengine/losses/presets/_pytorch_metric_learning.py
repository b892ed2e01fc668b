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


def multi_similarity(*, alpha: float = 2.0, beta: float = 50.0, base: float = 0.5) -> dict[str, Any]:
    """``MultiSimilarityLoss`` as `refengine.losses.multi_similarity.loss`, without its miner."""
    return {"alpha": alpha, "beta": beta, "base": base, "mining_margin": None, "reduction": "mean"}


def nca(*, softmax_scale: float = 1.0) -> dict[str, Any]:
    """``NCALoss`` as `refengine.losses.nca.loss`; an anchor whose probability underflows is left out there."""
    return {"scale": softmax_scale, "objective": "log", "normalize_x": True, "reduction": "valid_anchor"}


def lifted_structure(*, neg_margin: float = 1.0, pos_margin: float = 0.0) -> dict[str, Any]:
    """``LiftedStructureLoss`` as `refengine.losses.lifted_structure.loss`; a positive margin is taken from both."""
    return {"margin": neg_margin - pos_margin, "half_factor": True, "normalize_x": True, "reduction": "mean"}


def margin(*, margin: float = 0.2, nu: float = 0.0) -> dict[str, Any]:
    """``MarginLoss`` as `refengine.losses.margin.loss`, whose beta is an argument: 1.2 there."""
    return {"margin": margin, "normalize_x": True, "counting": "triplets", "reduction": "divisor"} | _only(
        "nu", nu, 0.0
    )


def lifted_structure_generalized(*, neg_margin: float = 1.0, pos_margin: float = 0.0) -> dict[str, Any]:
    """``GeneralizedLiftedStructureLoss`` as `refengine.losses.lifted_structure.loss_generalized`.

    An anchor without positives or without negatives has a loss there: the log of an empty sum counts as 0.
    """
    return {"margin": neg_margin - pos_margin, "normalize_x": True, "reduction": "mean"}


def n_pairs() -> dict[str, Any]:
    """``NPairsLoss`` as `refengine.losses.n_pairs.loss`: unit vectors, though the paper's are not."""
    return {"regularization": 0.0, "normalize_x": True, "reduction": "mean"}


def angular(*, alpha: float = 40.0) -> dict[str, Any]:
    """``AngularLoss`` as `refengine.losses.angular.loss`, for unit vectors; its angle is in degrees.

    It normalises anchors and positives, but not the negatives.
    """
    return {"alpha": radians(alpha), "normalize_x": True, "reduction": "mean"}


def tuplet_margin(*, margin: float = 5.73, scale: float = 64.0) -> dict[str, Any]:
    """``TupletMarginLoss`` as `refengine.losses.tuplet_margin.loss`; its margin is in degrees.

    Parallel rows of one label give it gradients that are not finite.
    """
    return {"scale": scale, "margin": radians(margin), "reduction": "mean"}


def intra_pair_variance(*, pos_eps: float = 0.01, neg_eps: float = 0.01) -> dict[str, Any]:
    """``IntraPairVarianceLoss`` as `refengine.losses.tuplet_margin.intra_pair_variance`."""
    return {"positive_epsilon": pos_eps, "negative_epsilon": neg_eps, "reduction": "mean"}


def snr_contrastive(*, pos_margin: float = 0.0, neg_margin: float = 1.0) -> dict[str, Any]:
    """``SignalToNoiseRatioContrastiveLoss`` as `refengine.losses.snr_contrastive.loss`."""
    margins = {"margin": neg_margin, "positive_margin": pos_margin}
    return margins | {"squared": False, "normalize_x": True, "reduction": "nonzero"}


def ranked_list(
    *, margin: float, Tn: float, imbalance: float = 0.5, alpha: float | None = None, Tp: float = 0.0
) -> dict[str, Any]:
    """``RankedListLoss`` as `refengine.losses.ranked_list.loss`, to about 1e-5: what it adds to the denominators.

    It leaves out negatives at distance 0.
    """
    constants: dict[str, Any] = {"alpha": 1 + margin / 2 if alpha is None else alpha, "margin": margin}
    constants |= {"positive_temperature": Tp, "negative_temperature": Tn, "imbalance": imbalance}
    return constants | {"weights": "full", "normalize_x": True, "reduction": "mean"}


def proxy_nca(*, softmax_scale: float = 1.0) -> dict[str, Any]:
    """``ProxyNCALoss`` as `refengine.losses.proxy_nca.loss`: the own proxy stands in the denominator."""
    return {"scale": softmax_scale, "include_positive": True}


def proxy_anchor(*, margin: float = 0.1, alpha: float = 32.0) -> dict[str, Any]:
    """``ProxyAnchorLoss`` as `refengine.losses.proxy_anchor.loss`."""
    return {"scale": alpha, "margin": margin}


def soft_triple(*, la: float = 20.0, gamma: float = 0.1, margin: float = 0.01) -> dict[str, Any]:
    """``SoftTripleLoss`` as `refengine.losses.soft_triple.loss`, without its regularizer of centres."""
    return {"scale": la, "gamma": gamma, "margin": margin, "tau": 0.0}


def sub_center_arcface(*, margin: float = 28.6, scale: float = 64.0) -> dict[str, Any]:
    """``SubCenterArcFaceLoss`` as `refengine.losses.sub_center_arcface.loss`; its margin is in degrees."""
    return arcface(margin=margin, scale=scale)


def _only(name: str, value: float, possible: float) -> dict[str, Any]:
    if value != possible:
        raise ValueError(f"{name} must be {possible:g}, which is what the loss here has, got {value!r}")
    return {}
