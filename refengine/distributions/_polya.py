r"""Maximum likelihood of Polya's urn: counts k (N, K) of which each row is Dirichlet-multinomial with shapes alpha.

With :math:`A = \sum \alpha_i` and :math:`n = \sum_i k_i` the scores and minus the matrix of second derivatives are

.. math:: S_i = \sum \left( \psi(k_i + \alpha_i) - \psi(\alpha_i) - \psi(n + A) + \psi(A) \right), \qquad
          \operatorname{diag}(P) - c 1 1^T, \qquad
          P_i = \sum \left( \psi'(\alpha_i) - \psi'(k_i + \alpha_i) \right), \quad
          c = \sum \left( \psi'(A) - \psi'(n + A) \right)

and to solve with it is to divide by :math:`E = 1 - c \sum 1/P_i`. For nearly multinomial data, whose A is large, S is
of order 1/A, its mean :math:`D = \sum m_i S_i` over the shares :math:`m = \alpha / A` of order 1/A^2, and E of order
1/A. The way to the optimum uses what is left on paper: with :math:`t_i = (k_i + \alpha_i)/(n + A)/m_i - 1`,
:math:`\beta(x, d) = \psi(x+d) - \psi(x) - \log((x+d)/x)` and :math:`\gamma(x) = \psi'(x) - 1/x`

.. math:: D = \sum \Big( \sum_i m_i (\log(1 + t_i) - t_i + \beta(\alpha_i, k_i)) - \beta(A, n) \Big), \\
          m_i P_i - c = \sum \left( \frac{t_i}{(1 + t_i)(n + A)} + m_i (\gamma(\alpha_i) - \gamma(\alpha_i + k_i))
          - \gamma(A) + \gamma(A + n) \right), \qquad E = \sum_i (m_i P_i - c) / P_i.

Zeros among the counts leave an estimate less to depend on than the number of its terms. So the last steps, and all of
the derivatives, carry twice the digits.
"""

from __future__ import annotations

from typing import Any

from refengine._arrays import special_functions
from refengine.distributions import _twice as twice
from refengine.distributions._twice import Pair, add, quotient, single, total
from refengine.distributions._twice_gamma import digamma_and_trigamma, inverse, minus, times
from refengine.domains import Array
from refengine.special._saddle_point import log1p_minus
from refengine.special._second_difference import beyond_log, trigamma_beyond_fall
from refengine.special.digamma_difference import digamma_difference

_STEPS, _POLISH = 100, 2
_GRID = -4, 13  # powers of 4


def optimum(xp: Any, k: Array) -> Pair | None:
    r"""The shapes (K,) where the likelihood is largest; None where it has no maximum.

    For each A the shares have one optimum, of a concave function. A is sought between the steps of a grid, in each of
    them where D falls through zero: rows of very different n may have several optima, of which the highest one counts.
    The likelihood rises from its multinomial limit where :math:`\sum k_{ri} (k_{ri} - 1) / p_i > \sum n_r (n_r - 1)`
    for the shares p of all counts. This fails by nothing for counts that just fit a multinomial, and is decided with
    twice the digits; where it fails, an optimum may still be above the limit. There is none for urns of one colour
    (each row in one category, A -> 0), nor for a category without counts.
    """
    if not _several(xp, k):
        return None
    excess, scale = _excess(xp, k)
    rising = bool(excess > 1e-28 * scale)
    found = [_within(xp, k, *bracket) for bracket in _brackets(xp, k, rising)]
    if len(found) > 1 or not rising:
        heights = [_height(xp, k, alpha) for alpha in found]
        found = found and [found[heights.index(max(heights))]]
        found = found if rising or (found and max(heights) > 0) else []
    if not found:
        return None
    shapes = single(found[0])
    for _ in range(_POLISH):
        score, slope, common, _ = _equations(xp, k, shapes)
        shapes = add(shapes, _solved(xp, slope, common, score)[0])
    return shapes


def slopes(xp: Any, k: Array, shapes: Pair, g: Array) -> Pair:
    r"""``sum_i g_i dalpha_i / dk`` (N, K) at the optimum, by the implicit function theorem.

    With w the solution for g, :math:`w_i \psi'(k_i + \alpha_i) - \psi'(n + A) \sum_j w_j`.
    """
    _, slope, common, trigammas = _equations(xp, k, shapes)
    w, level = _solved(xp, slope, common, single(g))
    own = times(_rows(w, k), _cut(trigammas, slice(None, -1)))
    return add(own, minus(times(_rows(level, k), _cut(trigammas, slice(-1, None)))))


def _several(xp: Any, k: Array) -> bool:
    """Whether these are counts, some row lies in several categories, and each category has some."""
    if not (k.shape[0] and k.shape[1] > 1 and bool(xp.all((k >= 0) & (k < xp.inf)))):
        return False
    mixed = xp.any(xp.sum(xp.astype(k > 0, xp.int64), axis=1) > 1)
    return bool(mixed) and bool(xp.all(xp.sum(k, axis=0) > 0))


def _brackets(xp: Any, k: Array, rising: bool) -> list[tuple[Array, Array, Array]]:
    """Where D is positive, where it is next negative, and the shapes of the former."""
    sizes = 4.0 ** xp.astype(xp.arange(*_GRID), xp.float64)[:, None]
    columns = xp.sum(k, axis=0)
    alphas = _shares(xp, k, sizes * (columns / xp.sum(columns)), sizes, near=1e-3)
    signs = [bool(v > 0) for v in _along(xp, k, alphas)[0]]
    zero, edges = 0.0 * sizes[0, 0], [sizes[i, 0] for i in range(len(signs))]
    found = [] if signs[0] else [(zero, edges[0], alphas[0, :])]
    for i in range(len(signs) - 1):
        if signs[i] and not signs[i + 1]:
            found.append((edges[i], edges[i + 1], alphas[i, :]))
    return [*found, (edges[-1], xp.inf + zero, alphas[-1, :])] if signs[-1] and rising else found


def _within(xp: Any, k: Array, low: Array, high: Array, alpha: Array) -> Array:
    """The optimum with an A in the bracket: Newton's method in log A."""
    at = xp.sum(alpha)
    for _ in range(_STEPS):
        score, bend = _along(xp, k, alpha)
        low, high = (at, high) if bool(score > 0) else (low, at)
        new = at * xp.exp(xp.clip(score / bend / at, -1.4, 1.4))
        if not (bool(bend > 0) and bool(low < new) and bool(new < high)):
            new = 4 * low if bool(xp.isinf(high)) else high / 4 if bool(low == 0) else xp.sqrt(low) * xp.sqrt(high)
        moved, at = abs(float(new / at) - 1), new
        alpha = _shares(xp, k, alpha / xp.sum(alpha) * at, at)
        if moved < 1e-9:
            break
    return alpha


def _height(xp: Any, k: Array, alpha: Array) -> float:
    """The log likelihood above its multinomial limit."""
    lgamma, a, n, size = special_functions(xp).gammaln, alpha + 0.0 * k, xp.sum(k, axis=1), xp.sum(alpha)
    urns = xp.sum(lgamma(k + a) - lgamma(a)) - xp.sum(lgamma(n + size) - lgamma(0.0 * n + size))
    columns = xp.sum(k, axis=0)
    return float(urns - xp.sum(columns * xp.log(columns / xp.sum(columns))))


def _excess(xp: Any, k: Array) -> tuple[Array, Array]:
    """``sum k (k - 1) / p - sum n (n - 1)`` and the second sum."""
    rows = total(xp, single(k))
    n = (rows[0] + rows[1]).T
    pairs, columns = total(xp, twice.product(k.T, k.T - 1)), total(xp, single(k.T))
    several = quotient(pairs, columns)
    several = times(total(xp, (several[0].T, several[1].T)), total(xp, single(n)))
    all_pairs = total(xp, twice.product(n, n - 1))
    return add(several, minus(all_pairs))[0][0, 0], all_pairs[0][0, 0]


def _shares(xp: Any, k: Array, alpha: Array, size: Array, near: float = 1e-8) -> Array:
    """The most probable shapes (..., K) of a given sum (..., 1): all ``sum (psi(k + alpha) - psi(alpha))`` equal."""
    for _ in range(_STEPS):
        a = alpha[..., None, :] + 0.0 * k
        gain, slope = xp.sum(digamma_difference(a, k), axis=-2), _falls(xp, a, k)[0]
        level = (_sum(xp, gain / slope) - (size - _sum(xp, alpha))) / _sum(xp, 1 / slope)
        step = xp.clip((gain - level) / slope / alpha, -0.9, 9.0)
        alpha = alpha * (1 + step)
        alpha = alpha * (size / _sum(xp, alpha))
        if bool(xp.max(xp.abs(step)) < near):
            break
    return alpha


def _along(xp: Any, k: Array, alpha: Array) -> tuple[Array, Array]:
    """D (...), and minus its derivative to A where the shares follow, ``E / sum(1 / P)``."""
    a, (size, lost) = alpha[..., None, :] + 0.0 * k, total(xp, single(alpha[..., None, :]))
    n, wide = xp.sum(k, axis=1, keepdims=True) + 0.0 * size, (size + 0.0 * a, lost + 0.0 * a)
    m, whole, counts = a / size, size + 0.0 * n, k + 0.0 * a
    t = twice.cross(single(counts), wide, single(a), single(n + 0.0 * a)) / (n + size) / a
    x, near = (k + a) / (n + size), xp.abs(t) <= 0.5
    bent = xp.where(near, log1p_minus(xp, xp.where(near, t, 0.0)), xp.log(x / m) - t)
    score = xp.sum(m * (bent + beyond_log(xp, a, counts)), axis=(-2, -1)) - xp.sum(
        beyond_log(xp, whole, n), axis=(-2, -1)
    )
    slope, fall = _falls(xp, a, k)
    rest = m * t / x / (n + size) + m * fall - trigamma_beyond_fall(xp, whole, n)
    return score, xp.sum(xp.sum(rest, axis=-2) / slope, axis=-1) / xp.sum(1 / slope, axis=-1)


def _falls(xp: Any, a: Array, k: Array) -> tuple[Array, Array]:
    """P, and of its terms what exceeds the falls of 1/x."""
    fall = trigamma_beyond_fall(xp, a, k)
    return xp.sum(k / (a + k) / a + fall, axis=-2), fall


def _sum(xp: Any, x: Array) -> Array:
    return xp.sum(x, axis=-1, keepdims=True)


def _equations(xp: Any, k: Array, shapes: Pair) -> tuple[Pair, Pair, Pair, Pair]:
    """S (K,), P (K,), c (1,), and the trigammas (N, K + 1) of ``k + alpha`` and ``n + A``."""
    counts, alpha = _joined(xp, single(k)), _joined(xp, shapes)
    y = add(counts, _rows(alpha, counts[0]))
    digammas, trigammas = digamma_and_trigamma(xp, y)
    start, steep = digamma_and_trigamma(xp, alpha)
    gain = _columns(xp, add(digammas, minus(_rows(start, counts[0]))))
    fall = _columns(xp, add(_rows(steep, counts[0]), minus(trigammas)))
    own, last = slice(None, -1), slice(-1, None)
    return add(_cut(gain, own), minus(_cut(gain, last))), _cut(fall, own), _cut(fall, last), trigammas


def _solved(xp: Any, slope: Pair, common: Pair, right: Pair) -> tuple[Pair, Pair]:
    """``w = (diag(P) - c 1 1^T)^-1 right`` (K,), and its sum (1,)."""
    down = inverse(slope)
    lack = minus(times(common, total(xp, down)))
    lack = add((0.0 * lack[0] + 1, 0.0 * lack[1]), lack)
    level = quotient(total(xp, times(right, down)), lack)
    return times(add(right, _rows(times(common, level), right[0])), down), level


def _joined(xp: Any, x: Pair) -> Pair:
    """The numbers and, after them, their sum."""
    whole = total(xp, x)
    return xp.concat([x[0], whole[0]], axis=-1), xp.concat([x[1], whole[1]], axis=-1)


def _columns(xp: Any, x: Pair) -> Pair:
    """The sums over the rows."""
    high, low = total(xp, (x[0].T, x[1].T))
    return high[:, 0], low[:, 0]


def _rows(x: Pair, like: Array) -> Pair:
    return x[0] + 0.0 * like, x[1] + 0.0 * like


def _cut(x: Pair, columns: slice) -> Pair:
    return x[0][..., columns], x[1][..., columns]
