"""The ratio of modified Bessel functions, as it is written."""

from __future__ import annotations

from math import nan
from typing import Any

from validation.exact.number import Number, bessel_i, pointwise, stated
from validation.exact.special._orders import draw_orders as draw_bessel_ratio

__all__ = ["bessel_ratio", "draw_bessel_ratio"]


def bessel_ratio(x: Any, order: Any) -> Any:
    """I_{v+1}(x) / I_v(x).

    Source: nist-dlmf, 10.33.1
    """
    return _ratio(x, float(order))


@pointwise
def _ratio(x: Number, order: Number) -> Any:
    if not x >= 0:
        return stated(nan, (x, nan))
    if x == 0:
        return stated(0.0, (x, 1 / (2 * (order + 1))))
    return bessel_i(order + 1, x) / bessel_i(order, x)
