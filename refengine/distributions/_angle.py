r"""The angle between a direction and the mean direction of an exponential family on the sphere.

Its density is proportional to :math:`h(\theta) = e^{\kappa \cos\theta} \sin^p \theta` on (0, pi), with p = D - 2. Both
tails are Gauss-Legendre sums of :math:`h(\theta + d) / h(\theta)`, whose logarithm

.. math:: -2 \kappa \sin\tfrac d2 \sin(\theta + \tfrac d2)
          + p \log\left(1 + \frac{2 \sin\frac d2 \cos(\theta + \frac d2)}{\sin\theta}\right)

does not cancel, up to where it is -40; and so is the total, on both sides of the mode. The angle is held as sine and
cosine of its half, so that neither 1 - t nor 1 + t of its cosine t loses digits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from refengine._arrays import special_functions
from refengine.domains import Array
from refengine.special._gauss_legendre import POINTS, WEIGHTS

_DEPTH = 40.0
_FARTHEST = 24.0  # standard deviations
_HALVINGS = 14
_MOST_STEPS = 24
_SETTLED = 1e-9  # of the last step: the next one would be its square


class Half(NamedTuple):
    """Sine and cosine of half the angle."""

    sine: Array
    cosine: Array

    @property
    def whole(self) -> tuple[Array, Array]:
        """Sine and cosine of the angle."""
        return 2 * self.sine * self.cosine, (self.cosine - self.sine) * (self.cosine + self.sine)


class Tail(NamedTuple):
    """One tail of the angle: whether it is the lower one, its probability, and what its slopes are made of.

    ``integral`` is the probability over the density, ``total`` one over the density, and ``drift`` the derivative of
    the lower tail to the concentration over the density.
    """

    lower: Array
    probability: Array
    integral: Array
    total: Array
    drift: Array


class Family:
    """The angles in D dimensions for an array of concentrations (n,), with what does not depend on the angle."""

    def __init__(self, xp: Any, kappa: Array, dimensions: int) -> None:
        self.xp, self.kappa, self.power = xp, kappa, dimensions - 2
        root = xp.hypot(2 * kappa, self.power + 0.0 * kappa)
        flat = root == 0
        cosine = xp.where(flat, 1.0, 2 * kappa / (self.power + xp.where(flat, 1.0, root)))
        versine = xp.where(flat, 0.0, 2 * self.power / ((self.power + root) * (1 + cosine)))
        self.mode = Half(xp.sqrt(versine / 2), xp.sqrt((1 + cosine) / 2))
        square = versine * (1 + cosine)
        bend = kappa * cosine + (self.power / square if self.power else 0.0)
        self.farthest = xp.where(flat, 4.0, _FARTHEST / xp.sqrt(bend))
        self.ends = self._end(self.mode, -1.0), self._end(self.mode, 1.0)
        self.versine = 0.0 * kappa
        sums = [self._sum(self.mode, 0.0 * kappa, end) for end in self.ends]
        self.versine = (sums[0][1] + sums[1][1]) / (sums[0][0] + sums[1][0])

    def tail(self, half: Half) -> Tail:
        """The tail from an angle to the side away from the mean of the cosine."""
        xp = self.xp
        lower = 2 * half.sine * half.sine <= self.versine
        sign = 1 - 2 * xp.astype(lower, xp.float64)
        integral, drift = self._sum(half, 0.0 * self.kappa, self._end(half, sign))
        to_mode = self.mode.sine * half.cosine - self.mode.cosine * half.sine
        shift = 2 * xp.atan2(to_mode, self.mode.cosine * half.cosine + self.mode.sine * half.sine)
        total = sum(self._sum(half, shift, end)[0] for end in self.ends)
        return Tail(lower, integral / total, integral, total, sign * drift)

    def quantile(self, upper: Array) -> tuple[Half, Array, Array]:
        """Where the probability of a larger angle is ``upper``, and its derivatives to ``upper`` and kappa.

        Newton's steps on the logarithm of a tail, over log tan(angle / 2). The density there is the given probability
        of the tail over its integral, so that the rounding of the angle does not show in it.
        """
        xp, half = self.xp, self._guess(upper)
        settled = xp.isnan(upper)
        for _ in range(_MOST_STEPS):
            tail = self.tail(half)
            wanted = xp.where(tail.lower, 1 - upper, upper)
            lack = xp.log1p((wanted - tail.probability) / tail.probability) * tail.integral / half.whole[0]
            step = xp.clip(xp.where(tail.lower, lack, -lack), -2.0, 2.0)
            moved = _turned(xp, half, step)  # what has settled stays: no number depends on its company
            half = Half(*(xp.where(settled, old, new) for old, new in zip(half, moved, strict=True)))
            settled = settled | (xp.abs(step) <= _SETTLED) | xp.isnan(step)
            if bool(xp.all(settled)):
                break
        tail = self.tail(half)
        return half, -tail.integral / xp.where(tail.lower, 1 - upper, upper), -tail.drift

    def _guess(self, upper: Array) -> Half:
        """The envelope of Wood (1994), of which tan^2(angle / 2) is a multiple of the odds of a symmetric beta variate.

        Where the concentration is large, kappa (1 - cos) is nearly a gamma variate.
        """
        xp, n, special = self.xp, self.power + 1.0, special_functions(self.xp)
        shape = n / 2 + 0.0 * upper
        z = special.betaincinv(shape, shape, xp.minimum(upper, 1 - upper))
        odds = xp.where(upper < 0.5, (1 - z) / z, z / (1 - z))
        square = odds * n / (2 * self.kappa + xp.hypot(2 * self.kappa, n + 0.0 * shape))
        versine = special.gammainccinv(shape, upper) / self.kappa
        other = versine / (2 - versine)
        square = xp.where((other > 0) & (other < xp.minimum(square, 20.0)), other, square)
        return _turned(xp, Half(0.0 * square + 1, 0.0 * square + 1), xp.log(square) / 2)

    def _rise(self, half: Half, d: Array) -> Array:
        """``log h(theta + d) - log h(theta)``; ``d`` (n,) or (n, nodes)."""
        xp, kappa, (s, c) = self.xp, self.kappa, half.whole
        if d.ndim == 2:
            kappa, s, c = kappa[:, None], s[:, None], c[:, None]
        sine, cosine = xp.sin(d / 2), xp.cos(d / 2)
        value = -2 * (kappa * sine) * (s * cosine + c * sine)
        if self.power == 0:
            return value
        change = 2 * sine * (c * cosine - s * sine) / s
        return value + self.power * xp.log1p(xp.clip(change, -1.0, xp.inf))

    def _end(self, half: Half, sign: Any) -> Array:
        """How far, with its sign, a tail reaches before it is negligible."""
        xp = self.xp
        sign = sign + 0.0 * self.kappa
        room = 2 * xp.where(sign > 0, xp.atan2(half.cosine, half.sine), xp.atan2(half.sine, half.cosine))
        room = xp.minimum(room, self.farthest)
        low, high = 0.0 * room, room
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            deep = self._rise(half, sign * middle) < -_DEPTH
            low, high = xp.where(deep, low, middle), xp.where(deep, middle, high)
        return sign * high

    def _sum(self, half: Half, shift: Array, end: Array) -> tuple[Array, Array]:
        """The integrals of h and of its product with 1 - cos less the mean of that, over h at ``half``."""
        xp = self.xp
        d = shift[:, None] + end[:, None] * xp.asarray(POINTS)
        terms = xp.asarray(WEIGHTS) * xp.exp(self._rise(half, d))
        sine = half.sine[:, None] * xp.cos(d / 2) + half.cosine[:, None] * xp.sin(d / 2)
        reach = xp.abs(end)
        lack = 2 * sine * sine - self.versine[:, None]
        sums = (reach * xp.sum(t, axis=-1) for t in (terms, terms * lack))
        plain, weighted = (xp.where(reach > 0, t, 0.0 * reach) for t in sums)
        return plain, weighted


def _turned(xp: Any, half: Half, step: Array) -> Half:
    """The logarithm of the tangent increased by ``step``."""
    sine = xp.where(xp.abs(step) < 0.5, half.sine + half.sine * xp.expm1(step), half.sine * xp.exp(step))
    length = xp.hypot(sine, half.cosine)
    return Half(sine / length, half.cosine / length)
