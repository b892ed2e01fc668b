r"""Luong's local attention: a window of the source, at the target's own position or at a predicted one."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option, check_shape, check_switch, promote, unbroadcast
from refengine.attention._arguments import check_cotangent, check_lengths, check_mask
from refengine.attention._scores import Weights, average, average_backward, check_axis, check_batch, to_scores, weigh
from refengine.domains import Array, Count, Mask, Real

__all__ = [
    "monotonic",
    "monotonic_value_and_vjp",
    "monotonic_vjp",
    "predictive",
    "predictive_value_and_vjp",
    "predictive_vjp",
]

SPANS = ("window", "sentence")


def monotonic(
    scores: Real,
    v: Real,
    *,
    half_width: float = 10.0,
    align_over: str = "window",
    mask: Mask | None = None,
    empty_row: str = "zero",
) -> Array:
    r"""Local-m: target word i looks at the source words around position i.

    .. math:: c_i = \sum_{|j - i| \le D} a_{ij} v_j, \qquad
        a_{ij} = \frac{e^{S_{ij}}}{\sum_{|l - i| \le D} e^{S_{il}}}

    scores (..., Q, K), such as those of `refengine.attention.luong`, v (..., K, V); batch axes broadcast; the result
    has shape (..., Q, V), float64 unless both are float32. ``half_width`` is D; the window includes its ends and is
    clipped at those of the sentence. ``align_over="sentence"`` takes the softmax over all words before the window cuts
    it. ``mask`` (True = attend) broadcasts to the scores. What is masked, or outside the window that is taken, is left
    out and may hold nan. A row without any word gives 0, nan or the mean of all values as ``empty_row`` says ("zero",
    "nan", "mean"), or a ValueError ("error"). Definition: Luong et al. 2015, section 3.2, eq. 7.

    >>> monotonic(np.zeros((2, 3)), np.array([[1.0], [2.0], [6.0]]), half_width=1)
    array([[1.5],
           [3. ]])
    """
    xp, dtype, a, mask = _checked(mask, half_width, align_over, scores=scores, v=v)
    with np.errstate(all="ignore"):
        weights, _ = _monotonic(xp, a, mask, half_width, align_over, empty_row)
        return xp.astype(average(weights, a["v"], empty_row), dtype, copy=False)


def monotonic_vjp(
    g: Array,
    scores: Real,
    v: Real,
    *,
    half_width: float = 10.0,
    align_over: str = "window",
    mask: Mask | None = None,
    empty_row: str = "zero",
) -> tuple[Array, Array]:
    r"""Cotangents of scores and v.

    With the window's indicator :math:`w_{ij}`, P the softmax over the window, or over the sentence, and a = w P,

    .. math:: \bar v_j = \sum_i a_{ij} G_i, \qquad \bar a_{ij} = G_i \cdot v_j, \qquad
        \bar S_{ij} = P_{ij} \Big(w_{ij} \bar a_{ij} - \sum_l P_{il} w_{il} \bar a_{il}\Big)

    Over the window words outside it have cotangents of exactly 0; so have all scores of empty rows.
    """
    constants: dict[str, Any] = {"half_width": half_width, "align_over": align_over}
    return monotonic_value_and_vjp(g, scores, v, **constants, mask=mask, empty_row=empty_row)[1]


def monotonic_value_and_vjp(
    g: Array,
    scores: Real,
    v: Real,
    *,
    half_width: float = 10.0,
    align_over: str = "window",
    mask: Mask | None = None,
    empty_row: str = "zero",
) -> tuple[Array, tuple[Array, Array]]:
    """`monotonic` and its cotangents from the same weights."""
    xp, dtype, a, mask = _checked(mask, half_width, align_over, scores=scores, v=v, g=g)
    with np.errstate(all="ignore"):
        weights, aligned = _monotonic(xp, a, mask, half_width, align_over, empty_row)
        value = average(weights, a["v"], empty_row)
        check_cotangent(a["g"], tuple(value.shape))
        dp, dv = average_backward(weights, a["g"], a["v"])
        cotangents = unbroadcast(to_scores(aligned, dp), a["scores"], dtype), unbroadcast(dv, a["v"], dtype)
        return xp.astype(value, dtype, copy=False), cotangents


def predictive(
    scores: Real,
    v: Real,
    q: Real,
    w_position: Real,
    v_position: Real,
    lengths: Count | None = None,
    *,
    half_width: float = 10.0,
    sigma: float | None = None,
    first: int = 1,
    renormalize: bool = False,
    align_over: str = "window",
    mask: Mask | None = None,
    empty_row: str = "zero",
) -> Array:
    r"""Local-p: target word i looks at the source words around a position that its state predicts.

    .. math:: c_i = \sum_{|s_j - p_i| \le D} a_{ij} v_j, \qquad
        a_{ij} = P_{ij} \exp\Big(-\frac{(s_j - p_i)^2}{2 \sigma^2}\Big), \qquad
        p_i = L \, \operatorname{sigmoid}\bigl(v_p \cdot \tanh(W_p q_i)\bigr)

    scores (..., Q, K), v (..., K, V), q (..., Q, D), w_position (A, D), v_position (A,); lengths (...) of the
    sentences, which is L and beyond which nothing is attended: without it all K words count. The result has shape
    (..., Q, V), float64 unless every array is float32. P is the softmax of the scores over the words of the window, or
    over the sentence with ``align_over="sentence"``. ``half_width`` is D > 0; ``sigma=None`` means D / 2. The centre
    is a real number, the window includes its ends and is clipped at those of the sentence. Word j is at
    :math:`s_j = j + first`: the paper counts from 1. ``renormalize=True`` divides a by its sum; the paper does not.

    ``mask`` (True = attend) broadcasts to the scores. What is masked or outside the window is left out and may hold
    nan. A row without any word gives 0, nan or the mean of all K values as ``empty_row`` says ("zero", "nan", "mean"),
    or a ValueError ("error"). Definition: Luong et al. 2015, section 3.2, eq. 9 and eq. 10.

    >>> zero = np.zeros((1, 1))
    >>> c = predictive(np.zeros((1, 3)), np.ones((3, 1)), zero, zero, np.zeros(1), half_width=1)  # centre 3 / 2
    >>> bool(np.isclose(c[0, 0], np.exp(-0.5)))  # words 1 and 2, both at a distance of sigma
    True
    """
    options = half_width, sigma, first, renormalize, align_over
    xp, dtype, a, mask = _checked_predictive(mask, options, lengths, scores, v, q, w_position, v_position)
    with np.errstate(all="ignore"):
        weights, *_ = _predicted(xp, a, mask, options, empty_row)
        return xp.astype(average(weights, a["v"], empty_row), dtype, copy=False)


def predictive_vjp(
    g: Array,
    scores: Real,
    v: Real,
    q: Real,
    w_position: Real,
    v_position: Real,
    lengths: Count | None = None,
    *,
    half_width: float = 10.0,
    sigma: float | None = None,
    first: int = 1,
    renormalize: bool = False,
    align_over: str = "window",
    mask: Mask | None = None,
    empty_row: str = "zero",
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of scores, v, q, w_position and v_position, the window held.

    With E the Gaussian factors, a = P E, :math:`\bar a_{ij} = G_i \cdot v_j`, and the softmax as in `monotonic_vjp`,

    .. math:: \bar P_{ij} = \bar a_{ij} E_{ij}, \qquad
        \bar p_i = \sum_j \bar a_{ij} a_{ij} \frac{s_j - p_i}{\sigma^2}, \qquad
        \bar u_i = \bar p_i \, L \, \operatorname{sigmoid}(u_i) \operatorname{sigmoid}(-u_i)

    for :math:`u_i = v_p \cdot t_i`, :math:`t_i = \tanh(W_p q_i)`, and with :math:`z_i = \bar u_i v_p \odot (1 - t_i^2)`

    .. math:: \bar v_p = \sum_i \bar u_i t_i, \qquad \bar W_p = \sum_i z_i q_i^T, \qquad \bar q_i = W_p^T z_i

    Renormalised, :math:`b = a / \sum a`, first :math:`\bar a_{ij} \leftarrow (\bar b_{ij} - \sum_l b_{il} \bar b_{il})
    / \sum_l a_{il}`. Where a word enters or leaves the window the result jumps; the jump is no part of the gradient.
    Empty rows have gradients of exactly 0 in scores and q.
    """
    constants: dict[str, Any] = {"half_width": half_width, "sigma": sigma, "first": first, "renormalize": renormalize}
    constants |= {"align_over": align_over, "mask": mask, "empty_row": empty_row}
    return predictive_value_and_vjp(g, scores, v, q, w_position, v_position, lengths, **constants)[1]


def predictive_value_and_vjp(
    g: Array,
    scores: Real,
    v: Real,
    q: Real,
    w_position: Real,
    v_position: Real,
    lengths: Count | None = None,
    *,
    half_width: float = 10.0,
    sigma: float | None = None,
    first: int = 1,
    renormalize: bool = False,
    align_over: str = "window",
    mask: Mask | None = None,
    empty_row: str = "zero",
) -> tuple[Array, tuple[Array, Array, Array, Array, Array]]:
    """`predictive` and its cotangents from the same weights."""
    options = half_width, sigma, first, renormalize, align_over
    xp, dtype, a, mask = _checked_predictive(mask, options, lengths, scores, v, q, w_position, v_position, g)
    with np.errstate(all="ignore"):
        weights, aligned, gauss, apart, pull = _predicted(xp, a, mask, options, empty_row)
        value = average(weights, a["v"], empty_row)
        check_cotangent(a["g"], tuple(value.shape))
        da, dv = average_backward(weights, a["g"], a["v"])
        inside = weights.rows.attended
        da = xp.where(inside, da, 0.0)
        p = xp.where(inside, weights.p, 0.0)
        if renormalize:  # shift of the centre and scale of the scores leave the sum of the weights at 1
            for _ in range(2):
                da = xp.where(inside, da - xp.sum(p * da, axis=-1, keepdims=True), 0.0)
            mean = xp.sum(p * apart, axis=-1, keepdims=True)
            to_centre, ds = p * da * (apart - mean), xp.where(inside, p * da, 0.0)
        else:
            to_centre, ds = p * da * apart, to_scores(aligned, da * gauss)
        dp = xp.sum(xp.where(inside, to_centre, 0.0), axis=-1) / _sigma(half_width, sigma) ** 2
        dq, dw_position, dv_position = pull(dp)
        found = {"scores": ds, "v": dv, "q": dq, "w_position": dw_position, "v_position": dv_position}
        ds, dv, dq, dw, dvp = (unbroadcast(d, a[name], dtype) for name, d in found.items())
        return xp.astype(value, dtype, copy=False), (ds, dv, dq, dw, dvp)


def _monotonic(
    xp: Any, a: dict[str, Any], mask: Any, half_width: float, align_over: str, empty_row: str
) -> tuple[Weights, Weights]:
    """The weights of the average, and those of the softmax."""
    queries, keys = a["scores"].shape[-2:]
    away = xp.abs(xp.arange(keys)[None, :] - xp.arange(queries)[:, None])
    window = xp.astype(away, xp.float64) <= float(half_width)
    return _cut(xp, a["scores"], window, mask, align_over, empty_row)


def _cut(xp: Any, scores: Any, window: Any, mask: Any, align_over: str, empty_row: str) -> tuple[Weights, Weights]:
    inside = xp.broadcast_to(window if mask is None else window & mask, np.broadcast_shapes(window.shape, scores.shape))
    within = weigh(scores, inside, empty_row)
    if align_over == "window":
        return within, within
    aligned = weigh(scores, mask, "zero")
    return within._replace(p=xp.where(within.rows.attended, aligned.p, within.p)), aligned


def _predicted(
    xp: Any, a: dict[str, Any], mask: Any, options: tuple[Any, ...], empty_row: str
) -> tuple[Weights, Weights, Any, Any, Any]:
    """Weights of the average, of the softmax, Gaussian factors, distances from the centre, and the way back from it."""
    half_width, sigma, first, renormalize, align_over = options
    keys, lengths = a["scores"].shape[-1], a["lengths"]
    end, rest, pull = _centre(xp, a["q"], a["w_position"], a["v_position"], lengths)
    apart = (xp.astype(xp.arange(keys), xp.float64) + first - end[..., None]) - rest[..., None]
    within = xp.arange(keys) < lengths[..., None, None]
    mask = within if mask is None else within & mask
    weights, aligned = _cut(xp, a["scores"], ~(xp.abs(apart) > float(half_width)), mask, align_over, empty_row)
    exponent = -(apart * apart) / (2 * _sigma(half_width, sigma) ** 2)
    inside = weights.rows.attended
    if renormalize:
        scores = xp.where(inside, xp.where(inside, a["scores"], 0.0) + exponent, -xp.inf)
        weights = weigh(scores, None, empty_row)
        return weights, weights, None, apart, pull
    gauss = xp.exp(exponent)
    return weights._replace(p=xp.where(inside, weights.p * gauss, weights.p)), aligned, gauss, apart, pull


def _centre(xp: Any, q: Any, w_position: Any, v_position: Any, lengths: Any) -> tuple[Any, Any, Any]:
    """The nearer end of the sentence, how far the predicted positions (..., Q) are past it, and the map of their
    cotangents to q, w_position and v_position.

    Of L sigmoid(u) next to L nothing would be left of the distance from the last word.
    """
    z = xp.matmul(q, xp.matrix_transpose(w_position))
    t, near = xp.tanh(z), xp.exp(-2 * xp.abs(z))
    u = xp.sum(v_position * t, axis=-1)
    small = xp.exp(-xp.abs(u))
    share = small / (1 + small)
    length = xp.astype(lengths, xp.float64)[..., None]

    def pull(dp: Any) -> tuple[Any, Any, Any]:
        moves = (dp != 0)[..., None]  # a state whose word attends to nothing may be nan
        du = xp.where(moves, (dp * length * share / (1 + small))[..., None], 0.0)
        dz = xp.where(moves, du * v_position * 4 * near / (1 + near) ** 2, 0.0)
        dw_position = xp.matmul(xp.matrix_transpose(dz), xp.where(moves, q, 0.0))
        return xp.matmul(dz, w_position), dw_position, xp.sum(xp.where(moves, du * t, 0.0), axis=-2)

    return xp.where(u >= 0, length, 0.0), xp.where(u >= 0, -length * share, length * share), pull


def _sigma(half_width: float, sigma: float | None) -> float:
    return float(half_width) / 2 if sigma is None else float(sigma)


def _checked(mask: Any, half_width: Any, align_over: Any, **arguments: Any) -> Any:
    """``xp, dtype, arrays, mask``, the arrays in float64."""
    check_option("align_over", align_over, SPANS)
    if not 0 <= check_number("half_width", half_width) < inf:
        raise ValueError(f"half_width must be at least 0 and finite, got {half_width!r}")
    xp, dtype, *given = promote(**arguments)
    a = {name: xp.astype(v, xp.float64, copy=False) for name, v in zip(arguments, given, strict=True)}
    check_batch(**{name: a[name] for name in ("scores", "v", "q") if name in a})
    check_axis("v", a["v"], -2, a["scores"].shape[-1], "K", "scores")
    return xp, dtype, a, check_mask(xp, mask, tuple(a["scores"].shape), "(..., Q, K)")


def _checked_predictive(mask: Any, options: tuple[Any, ...], lengths: Any, *arrays: Any) -> Any:
    half_width, sigma, first, renormalize, align_over = options
    names = ("scores", "v", "q", "w_position", "v_position", "g")
    xp, dtype, a, mask = _checked(mask, half_width, align_over, **dict(zip(names, arrays, strict=False)))
    if not _sigma(half_width, None if sigma is None else check_number("sigma", sigma)) > 0:
        raise ValueError(f"half_width and sigma must be positive, got {half_width!r} and {sigma!r}")
    if first not in (0, 1):
        raise ValueError(f"first must be 0 or 1, got {first!r}")
    check_switch("renormalize", renormalize)
    check_axis("q", a["q"], -2, a["scores"].shape[-2], "Q", "scores")
    check_shape("w_position", a["w_position"], ("A", "D"), D=a["q"].shape[-1])
    check_shape("v_position", a["v_position"], ("A",), A=a["w_position"].shape[0])
    batch = check_batch(**{name: a[name] for name in ("scores", "v", "q")})
    a["lengths"] = check_lengths(xp, lengths, batch, a["scores"].shape[-1])
    return xp, dtype, a, mask
