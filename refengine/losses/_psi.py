r"""The target functions of SphereFace and L-Softmax."""

from __future__ import annotations

from math import ceil, inf, pi
from typing import Any

from refengine._arrays import check_number, check_option
from refengine.losses._heads import Target, check_range, multiple_angle, plain, with_gradient

PSI = ("piecewise", "cosine")


def psi_target(margin: float, annealing: float, psi: str, gradient: str) -> Target:
    r""":math:`(\lambda \cos\theta + \psi(\theta)) / (1 + \lambda)`.

    :math:`\psi = (-1)^k \cos(m \theta) - 2k` on :math:`[k \pi / m, (k + 1) \pi / m]`, or :math:`\cos(m \theta)`.
    The pieces meet with value and slope: :math:`-\psi' = m |\sin(m \theta)|`.
    """
    check_option("psi", psi, PSI)
    check_range("annealing", annealing, 0, inf)
    if not 1 <= check_number("margin", margin) < inf:
        raise ValueError(f"margin must be finite and at least 1, got {margin!r}")

    def target(xp: Any, c: Any, sine: Any) -> tuple[Any, ...]:
        if margin == 1:
            return plain(xp, c, sine)
        value, fall, slope = multiple_angle(xp, c, sine, margin, 0.0)
        if psi == "piecewise":
            k = xp.clip(xp.floor(margin * xp.atan2(sine, c) / pi), 0.0, ceil(margin) - 1.0)
            value = xp.where(k % 2 == 0, value, -value) - 2 * k
            fall, slope = xp.abs(fall), xp.abs(slope)
        new, old = 1 / (1 + annealing), annealing / (1 + annealing)
        return new * value + old * c, new * fall + old * sine, new * slope + old, new * (value - slope * c)

    return with_gradient(target, gradient)
