r"""Counts, or shapes, against shares: the sum :math:`\sum_i a_i \log(1 + t_i)` whose first order terms are known.

After Loader, "Fast and accurate computation of binomial probabilities" (2000), for any number of categories.
"""

from __future__ import annotations

from typing import Any

from refengine.distributions._rows import largest, sum_row
from refengine.distributions._twice import Pair, cross, settled, single, total
from refengine.domains import Array
from refengine.special._saddle_point import log1p_minus


def bent(xp: Any, a: Array, e: Array, log_share: Array) -> Array:
    r""":math:`a \log(1 + t) - e \le 0` for :math:`t = e / a`, a > 0; ``log_share`` is log(1 + t) for where t < -1/2."""
    t = xp.minimum(e / a, xp.asarray(1e300))
    near = xp.abs(t) <= 0.5
    far = a * xp.where(t > -0.5, xp.log1p(xp.maximum(t, xp.asarray(-0.5))), log_share) - e
    return xp.where(near, a * log1p_minus(xp, xp.where(near, t, 0.0)), far)


def exponentials(xp: Any, z: Array) -> tuple[Pair, Array]:
    """``exp(z - shift)`` as pairs, and the shift (..., 1) that keeps the largest finite.

    Where z is small the exponential is 1 and a small number: what z says is kept even where all exponentials are nearly
    equal. There the shift must be 0; it is needed only where the logits' own rounding is larger than all that.
    """
    top = xp.max(z, axis=-1, keepdims=True)
    shift = xp.where(xp.abs(top) < 500, 0.0, top)
    v = z - shift
    small = xp.abs(v) < 0.5
    one = xp.astype(small, xp.float64)
    part = xp.where(small, xp.expm1(xp.where(small, v, 0.0)), xp.exp(v))
    return _pair(xp, one, part), shift


def _pair(xp: Any, one: Array, part: Array) -> Pair:
    high, low = settled(one, xp.where(one > 0, part, 0.0))
    return xp.where(one > 0, high, part), low


def against(xp: Any, k: Array, n: Array, w: Pair) -> tuple[Array, Array, Pair]:
    r"""``e, outside, s``: :math:`e_i = n w_i / s - k_i` for :math:`s = \sum w`, and n times the share of all k = 0."""
    s = total(xp, w)
    e = cross(w, single(n + 0 * k), single(k), (s[0] + 0 * k, s[1] + 0 * k)) / s[0]
    outside = n * (sum_row(xp, xp.where(k > 0, 0.0, w[0])) / s[0])
    return xp.where((k == n) & (n > 0), -outside, e), outside, s


def top_and_rest(xp: Any, a: Array) -> tuple[Array, Array, Pair]:
    """Which entry is the largest, for each entry the sum of the others without cancellation, and the sum of all."""
    top, a_total = largest(xp, a), total(xp, single(a))
    others = total(xp, single(xp.where(top, 0.0, a)))[0]
    return top, xp.where(top, others, (a_total[0] - a) + a_total[1]), a_total


def beside(xp: Any, terms: Array, top: Array) -> Array:
    """For each entry the sum of all the others; ``top`` marks an entry that may outweigh them."""
    return xp.where(top, sum_row(xp, xp.where(top, 0.0, terms)), sum_row(xp, terms) - terms)


def shares_vjp(xp: Any, g: Array, a: Array) -> Array:
    r"""The cotangent of a, given that of a / A: :math:`(g_i r_i - \sum_{j \ne i} g_j a_j) / A^2`, where r is A - a."""
    top, rest, (all_a, _) = top_and_rest(xp, a)
    return (g * (rest / all_a) - beside(xp, g * (a / all_a), top)) / all_a
