"""The first step size: doubled or halved until the acceptance of one step crosses a threshold."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isnan, log
from typing import Any

from refengine.samplers._chains import check_positive
from refengine.samplers.adaptation._stream import check_between


def reasonable_step_size(
    log_accept_ratio: Callable[[float], Any], step_size: float = 1.0, *, threshold: float = 0.5
) -> float:
    r"""The first step size, of step_size times powers of two, whose acceptance lies across the threshold.

    .. math:: \epsilon \leftarrow 2^a \epsilon \quad\text{while}\quad a \log r(\epsilon) > a \log\theta, \qquad
              a = \begin{cases} 1 & \log r(\epsilon_0) > \log\theta \\ -1 & \text{else} \end{cases}

    ``log_accept_ratio(step_size)`` is that of one step from one state with one noise, as the samplers' Info has it; nan
    counts as minus infinity. ``threshold`` is 0.5 in Hoffman and Gelman (2014), algorithm 4, and 0.8 in Stan and
    NumPyro. ValueError where no power of two crosses it: the density is flat, or 0 at all that is proposed.

    From 1 a leapfrog step with error 8 eps^3 is halved twice, to an error of 1/8:

    >>> reasonable_step_size(lambda eps: -8 * eps**3)
    0.25
    """
    check_between("threshold", threshold, 0, 1)
    step_size = check_positive("step_size", step_size)

    def excess(eps: float) -> float:
        ratio = float(log_accept_ratio(eps))
        return -inf if isnan(ratio) else ratio - log(threshold)

    found = excess(step_size)
    a = 1 if found > 0 else -1
    while a * found > 0:
        step_size *= 2.0**a
        if not 0 < step_size < inf:
            raise ValueError(f"log_accept_ratio must cross log({threshold:g}) for some step size")
        found = excess(step_size)
    return step_size
