r"""The pieces of :math:`I_\nu(x)` and :math:`R_\nu(x) = I_{\nu+1}(x) / I_\nu(x)` for x >= 0 and real orders.

Two expansions, each of which loses nothing. With :math:`q = x^2/4` the power series (NIST DLMF 10.25.2)

.. math:: I_\nu = \frac{(x/2)^\nu}{\Gamma(\nu+1)} F_{\nu+1}, \quad
          F_b(q) = \sum_k \frac{q^k}{k! (b)_k}, \quad
          R_\nu' = \frac{1}{2(\nu+1)} \frac{1}{F_{\nu+1}^2} \sum_k c_k q^k, \quad
          \frac{c_k}{c_{k-1}} = \frac{2 (2\nu+2k-1)}{k (\nu+k+1) (2\nu+k+1)},

whose terms are all positive (the last from the series of a product, 10.31.3), and the continued fraction 10.33.1 for
R, all of whose terms are positive too. From :math:`s = \sqrt{\nu^2 + x^2} = 32`
on the uniform expansion (10.41.3) in its logarithmic derivative: :math:`y = x R` solves
:math:`x y' = x^2 - y^2 - 2 \nu y`, so with :math:`t = \nu/s, u = t^2`

.. math:: R_\nu = \frac{x}{s} \left(\frac{1}{1+t} + \sum_{k \ge 1} \frac{P_k(u)}{s^k}\right),

with polynomials P that follow from one another; its derivative and its integral have the same form.
"""

from __future__ import annotations

from fractions import Fraction
from math import log, pi
from typing import Any

from refengine._arrays import special_functions
from refengine.domains import Array
from refengine.special._saddle_point import log_quotient, product_minus

LARGE = 32.0  # from this s on the uniform expansion holds
TERMS = 20  # of it
STEPS = 64  # of the continued fraction, for x up to LARGE
SERIES_TERMS = 96  # of the power series, for x up to LARGE

Polynomials = tuple[tuple[float, ...], ...]


def _tables() -> tuple[Polynomials, Polynomials, Polynomials]:
    r"""Coefficients in u of P, of the derivative's and of the integral's polynomials.

    :math:`y_k = (1 - t^2) t^{k-1} P_k(t^2) \nu^{1-k}` and
    :math:`2 y_k / t = t (1 - t^2) y_{k-1}' - \sum_{0<i<k} y_i y_{k-i}` at :math:`\nu = 1`.
    """
    p: list[list[Fraction]] = [[], [Fraction(-1, 2)]]
    for k in range(2, TERMS + 2):
        new = [Fraction(0)] * (k + 1)
        before = p[k - 1]  # t d/dt of (1 - u) t^(k-2) P = t^(k-2) ((k-2) (1-u) P - 2u P + 2u (1-u) P')
        for j, c in enumerate(before):
            new[j] += (k - 2 + 2 * j) * c
            new[j + 1] -= (k + 2 * j) * c
        for i in range(1, k):
            for a, ca in enumerate(p[i]):
                for b, cb in enumerate(p[k - i]):
                    new[a + b] -= ca * cb
                    new[a + b + 1] += ca * cb
        p.append([c / 2 for c in new[:k]])
    slopes, integrals = [], []
    for k in range(1, TERMS + 1):
        slope = [Fraction(0)] * (k + 1)  # u P - (1 - u) (2 u P' + k P)
        for j, c in enumerate(p[k]):
            slope[j] -= (2 * j + k) * c
            slope[j + 1] += (2 * j + k + 1) * c
        slopes.append(slope)
        integrals.append([-c / (k + 2 * j) for j, c in enumerate(p[k + 1])])
    return tuple(tuple(tuple(map(float, row)) for row in rows) for rows in (p[1 : TERMS + 1], slopes, integrals))  # type: ignore[return-value]


RATIO, SLOPE, INTEGRAL = _tables()


def _expansion(table: Polynomials, s: Array, u: Array) -> Array:
    """``sum_k table[k](u) / s^k``, k from 1."""
    total, r = 0.0 * s, 1 / s
    for row in reversed(table):
        inner = 0.0 * u
        for c in reversed(row):
            inner = inner * u + c
        total = (total + inner) * r
    return total


def _hypergeometric(b: Array, q: Array, terms: int = SERIES_TERMS) -> Array:
    """``0F1(; b; q) - 1``."""
    total = 0.0 * (q + b)
    for k in range(terms, 0, -1):
        total = q / ((b + (k - 1)) * k) * (1 + total)
    return total


class Pieces:
    """Arguments sorted into the two expansions, each clipped to where the other is taken."""

    def __init__(self, xp: Any, x: Array, order: Array) -> None:
        self.xp, self.x, self.order = xp, x, order
        scale = xp.maximum(x, order)  # the squares may overflow
        scale = xp.where((scale > 0) & (scale < xp.inf), scale, 1.0)
        self.s = scale * xp.sqrt((x / scale) * (x / scale) + (order / scale) * (order / scale))
        self.far = self.s >= LARGE
        self.near_x, self.near_order = xp.minimum(x, LARGE), xp.minimum(order, LARGE)
        self.far_s = xp.where(self.far, self.s, LARGE)
        self.t = xp.where(self.far, order / self.far_s, 0.5)

    def ratio(self) -> Array:
        x, order = self.near_x, self.near_order
        near = 0.0 * (x + order)
        for k in range(STEPS, 0, -1):
            near = x / (2 * (order + k) + x * near)
        far = self.x / self.far_s * (1 / (1 + self.t) + _expansion(RATIO, self.far_s, self.t * self.t))
        return self.xp.where(self.far, far, near)

    def ratio_slope(self) -> Array:
        x, order = self.near_x, self.near_order
        q = x * x / 4
        total = 0.0 * (q + order)
        for k in range(SERIES_TERMS, 0, -1):
            total = 2 * q * (2 * order + (2 * k - 1)) / ((order + (k + 1)) * (2 * order + (k + 1)) * k) * (1 + total)
        near = (1 + total) / (1 + _hypergeometric(order + 1, q)) ** 2 / (2 * (order + 1))
        far = (self.t / (1 + self.t) + _expansion(SLOPE, self.far_s, self.t * self.t)) / self.far_s
        return self.xp.where(self.far, far, near)

    def far_log(self) -> Array:
        """The logarithm of I where s is large."""
        xp, s = self.xp, self.far_s
        order = xp.where(self.far, self.order, 0.0)
        x = xp.where(self.far, self.x, LARGE)
        power = order * log_quotient(xp, x, order + s, xp.ones_like(s))
        power = xp.where(order > 0, power, 0.0)
        return s + power - xp.log(2 * pi * s) / 2 + _expansion(INTEGRAL, s, self.t * self.t)

    def log_series(self) -> Array:
        """``log F_{order+1}(x^2 / 4)`` by the power series, for x <= 32 or x^2 <= 4 (order + 1)."""
        q = self.xp.minimum(self.x * self.x / 4, LARGE * LARGE / 4 + self.order)
        return self.xp.log1p(_hypergeometric(self.order + 1, q))

    def log_hypergeometric(self, stirling: Array) -> Array:
        """``log F_{order+1}(x^2 / 4)`` anywhere; ``stirling`` is Stirling's error of the order, where that is > 0."""
        xp, s = self.xp, self.far_s
        zero = self.order == 0
        n = xp.where(zero, 1.0, self.order)
        gap = self.x / (s + n) * self.x  # s - n
        far = gap - n * xp.log1p(gap / n / 2) - xp.log(s / n) / 2 + stirling
        far = xp.where(zero, s - (log(2 * pi) + xp.log(s)) / 2, far) + _expansion(INTEGRAL, s, self.t * self.t)
        series = (~self.far) | (self.x * self.x <= 4 * (self.order + 1))
        return xp.where(series, self.log_series(), far)

    def entropy_part(self, stirling: Array) -> Array:
        """``log F_{order+1}(x^2 / 4) - x R``, of which the linear terms cancel on paper; ``stirling`` as above."""
        xp, s = self.xp, self.far_s
        zero = self.order == 0
        n = xp.where(zero, 1.0, self.order)
        x = xp.where(self.far, self.x, 0.0)
        powers = -n * xp.log1p(x / (s + n) * x / n / 2) - xp.log(s / n) / 2 + stirling
        powers = xp.where(zero, -(log(2 * pi) + xp.log(s)) / 2, powers)
        u = self.t * self.t
        far = powers + _expansion(INTEGRAL, s, u) - x * (x / s) * _expansion(RATIO, s, u)
        x, order = self.near_x, self.near_order
        ratio, slope = self.ratio(), self.ratio_slope()
        series = _hypergeometric(order + 1, x * x / 4)
        lack = (slope + (2 * order + 1) * ratio / xp.where(x > 0, x, 1.0)) / (1 + ratio)  # 1 - R
        square = xp.where(x > 1e-100, x * x, 1.0)
        lost = product_minus(xp, x, x, x * x) / square * (x * ratio / 2)  # what rounding x^2 took from log F
        near = xp.where(x < 4, xp.log1p(series) - x * ratio, xp.log((1 + series) * xp.exp(-x)) + x * lack) + lost
        circle = zero & (x >= 1)
        bessel = special_functions(xp).i0e(xp.where(circle, x, 1.0))
        near = xp.where(circle, xp.log(bessel) + x * lack, near)
        return xp.where(self.far, far, near)
