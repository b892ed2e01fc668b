r"""Decision boundaries between two classes: what the logit of class 1 has more than that of class 2.

theta_1 and theta_2 are the angles between a row and the two class vectors, in radians, 0 to pi. The margin is that of
class 1, as in training on its rows: the function is positive where a row of class 1 is told from class 2 by more than
the margin, 0 on the boundary, and negative beyond. With the two classes exchanged it gives the boundary of class 2;
between the two lies the margin. Without a margin the two are one.

A difference of cosines is taken as :math:`\cos a - \cos b = 2 \sin\frac{b + a}{2} \sin\frac{b - a}{2}`, which keeps its
digits where the angles are nearly equal. All results are float64 unless every floating array is float32; an angle out
of range, a negative length and what is not finite give nan.
"""

from __future__ import annotations

from math import inf, pi, sin
from typing import Annotated, Any

import numpy as np

from refengine._arrays import check_number, check_option, elementwise
from refengine.distributions._counts import cotangents, result
from refengine.domains import Array, Interval, NonNegative, Real
from refengine.losses._heads import check_range, check_scale
from refengine.losses._psi import PSI
from refengine.losses.arcface import BOUNDARIES

__all__ = [
    "arcface",
    "arcface_vjp",
    "circle",
    "circle_vjp",
    "combined_margin",
    "combined_margin_vjp",
    "cosface",
    "cosface_vjp",
    "l_softmax",
    "l_softmax_vjp",
    "normface",
    "normface_vjp",
    "softmax",
    "softmax_vjp",
    "sphereface",
    "sphereface_vjp",
    "w_norm_softmax",
    "w_norm_softmax_vjp",
]

Angle = Annotated[Array, Interval(0, pi, closed=True)]


def softmax(
    theta_1: Angle, theta_2: Angle, length: NonNegative, length_1: NonNegative, length_2: NonNegative, bias: Real
) -> Array:
    r"""The boundary of softmax: inner products and a bias.

    .. math:: (w_1 - w_2) \cdot x + b_1 - b_2 =
              \|x\| (\|w_1\| \cos\theta_1 - \|w_2\| \cos\theta_2) + b_1 - b_2

    Angles; the lengths of x, of w_1 and of w_2; bias :math:`b_1 - b_2`: all broadcast together.
    Source: Liu et al. 2017 (SphereFace), section 3, table 1.

    >>> round(float(softmax(np.pi / 3, np.pi / 2, 2.0, 3.0, 7.0, -1.0)), 12)  # 2 (3/2 - 0) - 1
    2.0
    """
    xp, dtype, a, b, n, n_1, n_2, bias = elementwise(
        theta_1=theta_1, theta_2=theta_2, length=length, length_1=length_1, length_2=length_2, bias=bias
    )
    with np.errstate(all="ignore"):
        value = n * (n_1 * xp.cos(a) - n_2 * xp.cos(b)) + bias
        return result(xp, dtype, value, _good(a, b, n, n_1, n_2) & (xp.abs(bias) < inf))


def softmax_vjp(
    g: Array,
    theta_1: Angle,
    theta_2: Angle,
    length: NonNegative,
    length_1: NonNegative,
    length_2: NonNegative,
    bias: Real,
) -> tuple[Array, Array, Array, Array, Array, Array]:
    r"""Cotangents: the function is a sum of products.

    :math:`\|x\| (-\|w_1\| \sin\theta_1, \|w_2\| \sin\theta_2)`,
    :math:`\|w_1\| \cos\theta_1 - \|w_2\| \cos\theta_2`, :math:`\|x\| (\cos\theta_1, -\cos\theta_2)`, and 1.
    """
    likes = theta_1, theta_2, length, length_1, length_2, bias
    xp, dtype, g, a, b, n, n_1, n_2, bias = elementwise(
        g=g, theta_1=theta_1, theta_2=theta_2, length=length, length_1=length_1, length_2=length_2, bias=bias
    )
    with np.errstate(all="ignore"):
        c_1, c_2 = xp.cos(a), xp.cos(b)
        slopes = -n * n_1 * xp.sin(a), n * n_2 * xp.sin(b), n_1 * c_1 - n_2 * c_2, n * c_1, -n * c_2, 1.0 + 0 * a
        defined = _good(a, b, n, n_1, n_2) & (xp.abs(bias) < inf)
        return cotangents(g, dtype, defined, *zip(slopes, likes, strict=True))


def l_softmax(
    theta_1: Angle,
    theta_2: Angle,
    length: NonNegative,
    length_1: NonNegative,
    length_2: NonNegative,
    *,
    margin: float = 4.0,
) -> Array:
    r"""The boundary of L-Softmax.

    .. math:: \|x\| (\|w_1\| \psi(\theta_1) - \|w_2\| \cos\theta_2)

    Angles; the lengths of x, of w_1 and of w_2: all broadcast together. psi: see `sphereface`; m >= 1.
    Source: Liu et al. 2016 (L-Softmax), section 3.

    >>> round(float(l_softmax(np.pi / 2, np.pi / 2, 2.0, 3.0, 7.0, margin=2.0)), 12)  # psi(pi / 2) = -1
    -6.0
    """
    _check_psi(margin, "piecewise")
    xp, dtype, a, b, n, n_1, n_2 = elementwise(
        theta_1=theta_1, theta_2=theta_2, length=length, length_1=length_1, length_2=length_2
    )
    with np.errstate(all="ignore"):
        angle, k, _ = _pieces(xp, a, margin)
        value = n * (n_1 * (xp.cos(angle) - 2 * k) - n_2 * xp.cos(b))
        return result(xp, dtype, value, _good(a, b, n, n_1, n_2))


def l_softmax_vjp(
    g: Array,
    theta_1: Angle,
    theta_2: Angle,
    length: NonNegative,
    length_1: NonNegative,
    length_2: NonNegative,
    *,
    margin: float = 4.0,
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of the angles and lengths, with :math:`-\psi' = m |\sin(m \theta)|`."""
    _check_psi(margin, "piecewise")
    likes = theta_1, theta_2, length, length_1, length_2
    xp, dtype, g, a, b, n, n_1, n_2 = elementwise(
        g=g, theta_1=theta_1, theta_2=theta_2, length=length, length_1=length_1, length_2=length_2
    )
    with np.errstate(all="ignore"):
        angle, k, fall = _pieces(xp, a, margin)
        psi, c = xp.cos(angle) - 2 * k, xp.cos(b)
        slopes = -n * n_1 * fall, n * n_2 * xp.sin(b), n_1 * psi - n_2 * c, n * psi, -n * c
        return cotangents(g, dtype, _good(a, b, n, n_1, n_2), *zip(slopes, likes, strict=True))


def w_norm_softmax(theta_1: Angle, theta_2: Angle, length: NonNegative) -> Array:
    r"""The boundary of softmax with class vectors of length 1: the bisector, whatever the length of x.

    .. math:: \|x\| (\cos\theta_1 - \cos\theta_2)

    Angles and the length of x: all broadcast together. A text that drops the length has the same boundary.
    Source: Liu et al. 2017 (SphereFace), section 3, table 1.

    >>> round(float(w_norm_softmax(np.pi / 3, np.pi / 2, 4.0)), 12)
    2.0
    """
    return _scaled(theta_1, theta_2, length, 1.0, "piecewise")


def w_norm_softmax_vjp(g: Array, theta_1: Angle, theta_2: Angle, length: NonNegative) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`\|x\| (-\sin\theta_1, \sin\theta_2)` and :math:`\cos\theta_1 - \cos\theta_2`."""
    return _scaled_vjp(g, theta_1, theta_2, length, 1.0, "piecewise")


def sphereface(
    theta_1: Angle, theta_2: Angle, length: NonNegative, *, margin: float = 4.0, psi: str = "piecewise"
) -> Array:
    r"""The boundary of SphereFace.

    .. math:: \|x\| (\psi(\theta_1) - \cos\theta_2), \qquad
              \psi(\theta) = (-1)^k \cos(m \theta) - 2k, \quad \theta \in [k \pi / m, (k + 1) \pi / m]

    Angles and the length of x, for which a fixed scale may stand: all broadcast together. m >= 1. For
    :math:`\theta_1 \le \pi / m` the boundary is :math:`m \theta_1 = \theta_2`. ``psi="cosine"`` has
    :math:`\cos(m \theta)` at every angle: beyond pi / m rows far from class 1 count as its own again.
    Source: Liu et al. 2017 (SphereFace), section 3, table 1.

    >>> round(float(sphereface(np.pi / 8, np.pi / 2, 3.0)), 12) + 0.0  # 4 pi / 8 = pi / 2
    0.0
    """
    return _scaled(theta_1, theta_2, length, margin, psi)


def sphereface_vjp(
    g: Array, theta_1: Angle, theta_2: Angle, length: NonNegative, *, margin: float = 4.0, psi: str = "piecewise"
) -> tuple[Array, Array, Array]:
    r"""Cotangents: :math:`\|x\| (\psi'(\theta_1), \sin\theta_2)` and :math:`\psi(\theta_1) - \cos\theta_2`.

    :math:`-\psi' = m |\sin(m \theta)|`, or :math:`m \sin(m \theta)` for the cosine.
    """
    return _scaled_vjp(g, theta_1, theta_2, length, margin, psi)


def normface(theta_1: Angle, theta_2: Angle, *, scale: float = 64.0) -> Array:
    r"""The boundary of NormFace and of every head on cosines without a margin: the bisector.

    .. math:: s (\cos\theta_1 - \cos\theta_2)

    Angles: broadcast together. scale s > 0. Source: Wang et al. 2018 (CosFace), section 3.

    >>> round(float(normface(np.pi / 3, np.pi / 2, scale=4.0)), 12)
    2.0
    """
    return _margins(theta_1, theta_2, scale, 1.0, 0.0, 0.0, "none")


def normface_vjp(g: Array, theta_1: Angle, theta_2: Angle, *, scale: float = 64.0) -> tuple[Array, Array]:
    r"""Cotangents of the angles: :math:`s (-\sin\theta_1, \sin\theta_2)`."""
    return _margins_vjp(g, theta_1, theta_2, scale, 1.0, 0.0, 0.0, "none")


def cosface(theta_1: Angle, theta_2: Angle, *, scale: float = 64.0, margin: float = 0.35) -> Array:
    r"""The boundary of CosFace: a constant gap between the cosines.

    .. math:: s (\cos\theta_1 - m - \cos\theta_2)

    Angles: broadcast together. scale s > 0, m from 0 to 2. Source: Wang et al. 2018 (CosFace), section 3.

    >>> round(float(cosface(np.pi / 3, np.pi / 2, scale=4.0, margin=0.25)), 12)
    1.0
    """
    check_range("margin", margin, 0, 2)
    return _margins(theta_1, theta_2, scale, 1.0, 0.0, margin, "none")


def cosface_vjp(
    g: Array, theta_1: Angle, theta_2: Angle, *, scale: float = 64.0, margin: float = 0.35
) -> tuple[Array, Array]:
    r"""Cotangents of the angles: :math:`s (-\sin\theta_1, \sin\theta_2)`, whatever the margin."""
    check_range("margin", margin, 0, 2)
    return _margins_vjp(g, theta_1, theta_2, scale, 1.0, 0.0, margin, "none")


def arcface(
    theta_1: Angle, theta_2: Angle, *, scale: float = 64.0, margin: float = 0.5, boundary: str = "none"
) -> Array:
    r"""The boundary of ArcFace: a constant gap between the angles.

    .. math:: s (\cos(\theta_1 + m) - \cos\theta_2)

    Angles: broadcast together. scale s > 0, m from 0 to pi. The boundary is :math:`\theta_1 + m = \theta_2`, which is
    all of it for :math:`\theta_1 \le \pi - m` only; what holds beyond is said by the rule ``boundary``, see
    `refengine.losses.arcface.logits`. Source: Deng et al. 2019 (ArcFace), section 2.

    >>> round(float(arcface(np.pi / 6, np.pi / 2, scale=4.0, margin=np.pi / 6)), 12)
    2.0
    """
    _check_arcface(margin, boundary)
    return _margins(theta_1, theta_2, scale, 1.0, margin, 0.0, boundary)


def arcface_vjp(
    g: Array,
    theta_1: Angle,
    theta_2: Angle,
    *,
    scale: float = 64.0,
    margin: float = 0.5,
    boundary: str = "none",
) -> tuple[Array, Array]:
    r"""Cotangents of the angles: :math:`s (-\sin(\theta_1 + m), \sin\theta_2)`.

    Where a boundary rule takes the cosine itself :math:`\sin\theta_1` stands for :math:`\sin(\theta_1 + m)`, and 0
    where it clips.
    """
    _check_arcface(margin, boundary)
    return _margins_vjp(g, theta_1, theta_2, scale, 1.0, margin, 0.0, boundary)


def combined_margin(
    theta_1: Angle, theta_2: Angle, *, scale: float = 64.0, m1: float = 1.0, m2: float = 0.5, m3: float = 0.0
) -> Array:
    r"""The boundary of the combined margin.

    .. math:: s (\cos(m_1 \theta_1 + m_2) - m_3 - \cos\theta_2)

    Angles: broadcast together. scale s > 0, m1 > 0, m2 from -pi to pi, m3 finite. Beyond
    :math:`m_1 \theta_1 + m_2 = \pi` the cosine rises again. Source: Deng et al. 2019 (ArcFace), eq. 4.

    >>> round(float(combined_margin(np.pi / 6, np.pi / 2, scale=4.0, m1=1.0, m2=np.pi / 6, m3=0.25)), 12)
    1.0
    """
    _check_combined(m1, m2, m3)
    return _margins(theta_1, theta_2, scale, m1, m2, m3, "none")


def combined_margin_vjp(
    g: Array,
    theta_1: Angle,
    theta_2: Angle,
    *,
    scale: float = 64.0,
    m1: float = 1.0,
    m2: float = 0.5,
    m3: float = 0.0,
) -> tuple[Array, Array]:
    r"""Cotangents of the angles: :math:`s (-m_1 \sin(m_1 \theta_1 + m_2), \sin\theta_2)`."""
    _check_combined(m1, m2, m3)
    return _margins_vjp(g, theta_1, theta_2, scale, m1, m2, m3, "none")


def circle(theta_1: Angle, theta_2: Angle, *, gamma: float = 256.0, margin: float = 0.25) -> Array:
    r"""The boundary of circle loss, of the cosines with the own and with another class.

    .. math:: \gamma [s_n + m]_+ (m - s_n) + \gamma (1 + m - s_p) (s_p - 1 + m)
              = \gamma (2 m^2 - (1 - s_p)^2 - s_n^2), \qquad s_p = \cos\theta_1, \; s_n = \cos\theta_2

    Angles: broadcast together. gamma > 0, m >= 0. The right side, a circle around (1, 0) in the plane of the
    similarities, holds for :math:`s_n > -m`; below, the weight of the negative is 0, as is its logit.
    Source: Sun et al. 2020, eq. 9.

    >>> round(float(circle(np.pi / 3, np.pi / 2, gamma=4.0, margin=0.5)), 12)  # 4 (1/2 - 1/4 - 0)
    1.0
    """
    _check_circle(gamma, margin)
    xp, dtype, a, b = elementwise(theta_1=theta_1, theta_2=theta_2)
    with np.errstate(all="ignore"):
        u, s_n = 2 * xp.sin(a / 2) ** 2, xp.cos(b)
        value = (margin - u) * (margin + u) + xp.where(s_n > -margin, (margin - s_n) * (margin + s_n), 0 * s_n)
        return result(xp, dtype, gamma * value, _good(a, b))


def circle_vjp(
    g: Array, theta_1: Angle, theta_2: Angle, *, gamma: float = 256.0, margin: float = 0.25
) -> tuple[Array, Array]:
    r"""Cotangents of the angles, of the function as it stands, weights included.

    :math:`-2 \gamma (1 - s_p) \sin\theta_1`, and :math:`2 \gamma s_n \sin\theta_2` where :math:`s_n > -m`, else 0.
    """
    _check_circle(gamma, margin)
    likes = theta_1, theta_2
    xp, dtype, g, a, b = elementwise(g=g, theta_1=theta_1, theta_2=theta_2)
    with np.errstate(all="ignore"):
        s_n = xp.cos(b)
        to_n = xp.where(s_n > -margin, 2 * gamma * s_n * xp.sin(b), 0 * s_n)
        slopes = -4 * gamma * xp.sin(a / 2) ** 2 * xp.sin(a), to_n
        return cotangents(g, dtype, _good(a, b), *zip(slopes, likes, strict=True))


def _good(a: Array, b: Array, *lengths: Array) -> Any:
    """Where the angles and the lengths are what they should be."""
    good = (a >= 0) & (a <= pi) & (b >= 0) & (b <= pi)
    for n in lengths:
        good = good & (n >= 0) & (n < inf)
    return good


def _fold(xp: Any, angle: Array) -> tuple[Any, Any]:
    """The angle in 0..pi with the same cosine, and the sign of its sine."""
    turns = xp.floor(angle / (2 * pi))
    angle = angle - 2 * pi * turns
    angle = xp.where(angle < 0, -angle, angle)
    beyond = angle > pi
    return xp.where(beyond, 2 * pi - angle, angle), xp.where(beyond, -1.0, 1.0 + 0 * angle)


def _pieces(xp: Any, a: Array, margin: float) -> tuple[Any, Any, Any]:
    """``angle, k, fall``: psi is cos(angle) - 2 k, and falls with the slope ``fall``."""
    k = xp.clip(xp.floor(margin * a / pi), 0.0, None)
    angle = margin * a - k * pi
    angle = xp.where(angle > 0, angle, 0 * angle)
    return angle, k, margin * xp.sin(angle)


def _gap(xp: Any, angle: Array, b: Array, k: Array) -> Any:
    """cos(angle) - 2 k - cos(b)."""
    above = 2 * xp.sin((b + angle) / 2) * xp.sin((b - angle) / 2)
    below = -2 * (xp.sin(angle / 2) ** 2 + xp.cos(b / 2) ** 2 + (k - 1))
    return xp.where(k > 0, below, above)


def _psi(xp: Any, a: Array, margin: float, psi: str) -> tuple[Any, Any, Any]:
    if psi == "piecewise":
        return _pieces(xp, a, margin)
    angle, sign = _fold(xp, margin * a)
    return angle, 0 * a, margin * sign * xp.sin(angle)


def _scaled(theta_1: Array, theta_2: Array, length: Array, margin: float, psi: str) -> Any:
    _check_psi(margin, psi)
    xp, dtype, a, b, n = elementwise(theta_1=theta_1, theta_2=theta_2, length=length)
    with np.errstate(all="ignore"):
        angle, k, _ = _psi(xp, a, margin, psi)
        return result(xp, dtype, n * _gap(xp, angle, b, k), _good(a, b, n))


def _scaled_vjp(g: Array, theta_1: Array, theta_2: Array, length: Array, margin: float, psi: str) -> tuple[Array, ...]:
    _check_psi(margin, psi)
    likes = theta_1, theta_2, length
    xp, dtype, g, a, b, n = elementwise(g=g, theta_1=theta_1, theta_2=theta_2, length=length)
    with np.errstate(all="ignore"):
        angle, k, fall = _psi(xp, a, margin, psi)
        slopes = -n * fall, n * xp.sin(b), _gap(xp, angle, b, k)
        return cotangents(g, dtype, _good(a, b, n), *zip(slopes, likes, strict=True))


def _shifted(xp: Any, a: Array, m1: float, m2: float, boundary: str) -> tuple[Any, Any, Any]:
    """``angle, less, fall``: the target is cos(angle) - less, by the rule beyond pi - m."""
    angle, sign = _fold(xp, m1 * a + m2)
    fall, less = m1 * sign * xp.sin(angle), 0 * a
    if boundary == "none" or m2 == 0:
        return angle, less, fall
    holds = a <= pi / 2 if boundary == "easy" else a < pi - m2
    if boundary == "clip":
        return xp.where(holds, angle, pi + 0 * a), less, xp.where(holds, fall, 0 * a)
    less = xp.where(holds, less, m2 * float(sin(m2)) if boundary == "monotonic" else 0.0)
    return xp.where(holds, angle, a), less, xp.where(holds, fall, xp.sin(a))


def _margins(theta_1: Array, theta_2: Array, scale: float, m1: float, m2: float, m3: float, boundary: str) -> Any:
    check_scale(scale)
    xp, dtype, a, b = elementwise(theta_1=theta_1, theta_2=theta_2)
    with np.errstate(all="ignore"):
        angle, less, _ = _shifted(xp, a, m1, m2, boundary)
        return result(xp, dtype, scale * (_gap(xp, angle, b, 0 * a) - (less + m3)), _good(a, b))


def _margins_vjp(
    g: Array, theta_1: Array, theta_2: Array, scale: float, m1: float, m2: float, m3: float, boundary: str
) -> tuple[Array, ...]:
    check_scale(scale)
    likes = theta_1, theta_2
    xp, dtype, g, a, b = elementwise(g=g, theta_1=theta_1, theta_2=theta_2)
    with np.errstate(all="ignore"):
        _, _, fall = _shifted(xp, a, m1, m2, boundary)
        return cotangents(g, dtype, _good(a, b), *zip((-scale * fall, scale * xp.sin(b)), likes, strict=True))


def _check_psi(margin: float, psi: str) -> None:
    check_option("psi", psi, PSI)
    if not 1 <= check_number("margin", margin) < inf:
        raise ValueError(f"margin must be finite and at least 1, got {margin!r}")


def _check_arcface(margin: float, boundary: str) -> None:
    check_option("boundary", boundary, BOUNDARIES)
    check_range("margin", margin, 0, pi)


def _check_combined(m1: float, m2: float, m3: float) -> None:
    check_scale(m1, "m1")
    check_range("m2", m2, -pi, pi)
    check_range("m3", m3, -inf, inf)


def _check_circle(gamma: float, margin: float) -> None:
    check_scale(gamma, "gamma")
    check_range("margin", margin, 0, inf)
