r"""Quantiles of the gamma and beta distributions on float64 arrays: SciPy's guess, then Newton's steps on logarithms.

On log x or logit x the logarithm of either tail has the slope `Incomplete.lower_rate` or ``-upper_rate``, so a step
keeps relative accuracy however small the quantile or the tail is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import special_functions
from refengine.domains import Array
from refengine.special._incomplete import Incomplete, incomplete_beta, incomplete_gamma

_MOST_STEPS = 12
_LONGEST = 5.0  # of a step in log x
_SETTLED = 1e-8  # of the last step, in the logarithm of the tail: the next one would be its square
_TINY = 2.0**-1022


def gamma_quantile(xp: Any, a: Array, lower: Array, upper: Array) -> Array:
    """Quantile x with P(a, x) = lower, where upper = 1 - lower and the smaller of the two is taken as exact.

    0 at lower = 0, inf at upper = 0; nan for shapes and probabilities out of their domains.
    """
    a, lower, upper = xp.broadcast_arrays(*(xp.asarray(z) for z in (a, lower, upper)))
    inside = (a > 0) & (a < xp.inf) & (lower > 0) & (upper > 0)
    p, low, high = (xp.where(inside, z, s) for z, s in ((a, 1.0), (lower, 0.5), (upper, 0.5)))
    with np.errstate(all="ignore"):
        functions = special_functions(xp)
        x = xp.where(low < high, functions.gammaincinv(p, low), functions.gammainccinv(p, high))
        power = xp.exp((xp.log(low) + _log_factorial(xp, p)) / p)  # where e^-t is 1
        underflows = power < _TINY
        x = xp.where(underflows, 1.0, xp.where((x >= _TINY) & (x < xp.inf), x, power))
        done = low != low
        for _ in range(_MOST_STEPS):
            step, settled = _step(xp, incomplete_gamma(xp, p, x), low, high)
            step, done = xp.where(done, 0.0, step), done | settled  # none depends on how long others take
            x = x + x * xp.expm1(step)
            if bool(xp.all(done | underflows)):
                break
        x = xp.where(underflows, power, x)
    return _with_ends(xp, x, inside, a, lower, upper, (0.0, xp.inf))


def beta_quantile(xp: Any, a: Array, b: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Quantile x and 1 - x, each to its own last bits, with I_x(a, b) = lower; arguments as in `gamma_quantile`."""
    a, b, lower, upper = xp.broadcast_arrays(*(xp.asarray(z) for z in (a, b, lower, upper)))
    inside = (a > 0) & (a < xp.inf) & (b > 0) & (b < xp.inf) & (lower > 0) & (upper > 0)
    p, q, low, high = (xp.where(inside, z, s) for z, s in ((a, 1.0), (b, 1.0), (lower, 0.5), (upper, 0.5)))
    with np.errstate(all="ignore"):
        functions = special_functions(xp)
        x, y = functions.betaincinv(p, q, low), functions.betaincinv(q, p, high)
        left = xp.where(low < high, x < 1, y == 1)  # the inverse of the small tail, unless it rounds to 1
        x, y = xp.where(left, x, 1 - y), xp.where(left, 1 - x, y)
        done = low != low
        for _ in range(_MOST_STEPS):
            x, y = (xp.clip(z, _TINY, 1.0) for z in (x, y))
            step, settled = _step(xp, incomplete_beta(xp, p, q, x, y), low, high)
            step, done = xp.where(done, 0.0, step), done | settled  # none depends on how long others take
            odds = xp.exp(step) * x / y
            short = xp.abs(step) < 1e-8  # its square is beyond the last bit
            x = xp.where(short, x + x * y * step, odds / (1 + odds))
            y = xp.where(short, y - x * y * step, 1 / (1 + odds))
            if bool(xp.all(settled | (x < _TINY) | (y < _TINY))):
                break
    ends = ((0.0, 1.0), (1.0, 0.0))
    x, y = (_with_ends(xp, z, inside, a * b, lower, upper, end) for z, end in zip((x, y), ends, strict=True))
    return x, y


def _log_factorial(xp: Any, a: Array) -> Array:
    return special_functions(xp).gammaln(a + 1)


def gamma_remainder(xp: Any, found: Incomplete, lower: Array, upper: Array) -> Array:
    """What rounding took from the logarithm of a quantile, given the function there."""
    return _step(xp, found, lower, upper)[0]


def _step(xp: Any, found: Incomplete, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Newton's step in log x or logit x, and whether it is short enough to be the last one."""
    left = lower < upper
    lack = xp.where(left, xp.log(lower) - found.log_lower, found.log_upper - xp.log(upper))
    step = lack / xp.where(left, found.lower_rate, found.upper_rate)
    step = xp.clip(xp.where(xp.isnan(step), 0.0, step), -_LONGEST, _LONGEST)
    return step, xp.abs(lack) <= _SETTLED


def _with_ends(
    xp: Any, x: Array, inside: Array, shape: Array, lower: Array, upper: Array, ends: tuple[float, float]
) -> Array:
    edge = xp.where(lower == 0, ends[0], xp.where(upper == 0, xp.asarray(ends[1]), xp.nan))
    edge = xp.where((shape > 0) & (shape < xp.inf), edge, xp.nan)
    return xp.where(inside, x, edge)
