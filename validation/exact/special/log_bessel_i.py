"""The logarithm of the modified Bessel function, as it is written."""

from __future__ import annotations

from math import inf, nan
from typing import Any

from validation.exact.number import Number, bessel_i, log, pointwise, stated
from validation.exact.special._orders import draw_orders as draw_log_bessel_i

__all__ = ["draw_log_bessel_i", "log_bessel_i"]


def log_bessel_i(x: Any, order: Any) -> Any:
    """log I_v(x).

    Source: nist-dlmf, 10.25.2
    """
    return _log(x, float(order))


@pointwise
def _log(x: Number, order: Number) -> Any:
    if not x >= 0:
        return stated(nan, (x, nan))
    if x == 0:
        return stated(0.0, (x, 0)) if order == 0 else stated(-inf, (x, inf))
    return log(bessel_i(order, x))
