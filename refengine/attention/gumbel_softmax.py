r"""Gumbel-softmax: a relaxed choice of position, and the straight-through one-hot vector made of it.

Logits z and uniform noise u lie on the last axis (..., K). For logits of -inf and bad rows see
`refengine.attention.hard`; the distribution of the relaxed vector is `refengine.distributions.concrete`.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from refengine._arrays import check_number, check_option, check_switch
from refengine.attention._choices import Shares, gumbels, gumbels_good, handed_back, shares, softmax_vjp
from refengine.distributions._noise import uniform as noise
from refengine.distributions._rows import largest, rows
from refengine.domains import Array, Real, Unit

__all__ = ["noise", "sample", "sample_value_and_vjp", "sample_vjp"]

GRADIENTS = ("straight_through", "exact")


def sample(
    logits: Real, u: Unit, *, temperature: float, hard: bool = False, gradient: str = "straight_through"
) -> Array:
    r"""A vector near a corner of the simplex, or with ``hard=True`` the corner itself.

    .. math:: y = \operatorname{softmax}\Bigl(\frac{z + G}{\tau}\Bigr), \qquad G_i = -\log(-\log u_i), \qquad
              \text{hard: } [i = \operatorname{argmax}_j y_j]

    logits, u: (..., K), leading axes broadcast; result: (..., K), float64 unless both are float32. temperature
    :math:`\tau` is a positive number. ``hard=True`` gives exact zeros and a one, at the first of several largest; its
    ``gradient`` is "straight_through", that of the relaxed vector, or "exact": 0. torch's ``y_hard - y.detach() + y``
    is the same: 1 - y + y rounds to 1. u is not clipped: 0, 1 and what lies outside give nan; it is not read at a logit
    of -inf, where the result is 0.
    Source: Jang, Gu and Poole 2017, eq. 2 and section 2.2.

    >>> sample([0.0, 0.0], [0.5, 0.5], temperature=1.0).tolist()
    [0.5, 0.5]
    >>> sample([0.0, 1.0], [0.5, 0.5], temperature=0.5, hard=True).tolist()
    [0.0, 1.0]
    """
    _check(temperature, hard, gradient)
    xp, dtype, z, u = rows({"logits": logits, "u": u})
    with np.errstate(all="ignore"):
        y, good, w = _relaxed(xp, z, u, temperature)
        value = xp.astype(largest(xp, w), xp.float64) if hard else y.p
        return xp.astype(xp.where(good, value, xp.nan), dtype, copy=False)


def sample_vjp(
    g: Array, logits: Real, u: Unit, *, temperature: float, hard: bool = False, gradient: str = "straight_through"
) -> tuple[Array, Array]:
    r"""Cotangents of logits and noise.

    .. math:: \bar z_i = \frac{y_i}{\tau} \Bigl(g_i - \sum_j y_j g_j\Bigr), \qquad
              \bar u_i = \frac{\bar z_i}{-u_i \log u_i}

    The same for a hard sample, or 0 with ``gradient="exact"``: a step function has no other derivative.
    """
    _check(temperature, hard, gradient)
    xp, dtype, z, u_, g = rows({"logits": logits, "u": u, "g": g})
    with np.errstate(all="ignore"):
        y, good, _ = _relaxed(xp, z, u_, temperature)
        dz = softmax_vjp(xp, y.p, xp.where(y.open, g, 0.0)) / temperature
        dz = 0 * dz if hard and gradient == "exact" else dz
        du = xp.where(z > -xp.inf, dz / (-u_ * xp.log(u_)), 0.0)
        return handed_back(xp, good, dtype, (dz, logits), (du, u))


def sample_value_and_vjp(
    g: Array, logits: Real, u: Unit, *, temperature: float, hard: bool = False, gradient: str = "straight_through"
) -> tuple[Array, tuple[Array, Array]]:
    """`sample` and `sample_vjp`."""
    constants: dict[str, Any] = {"temperature": temperature, "hard": hard, "gradient": gradient}
    return sample(logits, u, **constants), sample_vjp(g, logits, u, **constants)


def _relaxed(xp: Any, z: Array, u: Array, temperature: float) -> tuple[Shares, Array, Array]:
    """The softmax, the good rows, and its arguments."""
    s = shares(xp, z)
    w = xp.where(s.open, gumbels(xp, z, xp.where(s.open, u, 0.5)) / temperature, -xp.inf)
    return shares(xp, w), gumbels_good(xp, s, u), w


def _check(temperature: float, hard: bool, gradient: str) -> None:
    check_switch("hard", hard)
    check_option("gradient", gradient, GRADIENTS)
    if not 0 < check_number("temperature", temperature) < inf:
        raise ValueError(f"temperature must be positive and finite, got {temperature!r}")
