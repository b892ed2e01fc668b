"""From a definition to certified numbers: precision doubles until every output and gradient is one float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb

from refengine._call import flatten
from refengine.golden import Certified
from validation.exact.number import Number, Undecided, gradient, in_order, lift, number, working_precision

FIRST_BITS = 128
LAST_BITS = 2**15
RELATIVE_BITS = 110
MANY_OUTPUTS, LONG_HISTORY = 16, 50_000  # beyond these, condition numbers are computed in float64
ROWS_AT_ONCE = 256
TIE_BITS = 2000  # a ball this narrow around the middle of two float64 is a tie: either is the truth correctly rounded


class NotCertified(ArithmeticError):
    """No float64 could be proved right within `LAST_BITS` bits."""


@dataclass(frozen=True)
class Certificate:
    """Every output and every gradient of one case, each with its condition number ``sum_i |x_i df/dx_i|``."""

    value: dict[str, Certified | np.ndarray]
    gradients: dict[str, Certified]
    condition: dict[str, np.ndarray]
    gradient_condition: dict[str, np.ndarray]
    bits: int


def certify(
    definition: Callable[..., Any], inputs: dict[str, np.ndarray], cotangent: dict[str, np.ndarray] | None, **fixed: Any
) -> Certificate:
    """Evaluate ``definition(inputs, **fixed)`` and the gradient of ``sum cotangent * outputs`` to every input.

    ``inputs`` are the differentiable arrays by name; the definition gets them as numbers. Outputs that hold no
    numbers (indices, decisions) are returned as they are. ``cotangent=None`` asks for no gradients.
    Raises `NotCertified` with the name of what resisted.
    """
    bits, obstacle = FIRST_BITS, ""
    while bits <= LAST_BITS:
        with working_precision(bits):
            try:
                return _attempt(definition, inputs, cotangent, fixed, bits)
            except (Undecided, NotCertified) as error:
                obstacle = str(error) or "a comparison of overlapping balls"
        bits *= 2
    raise NotCertified(f"not certified with {LAST_BITS} bits: {obstacle}")


def _attempt(definition: Any, inputs: Any, cotangent: Any, fixed: Any, bits: int) -> Certificate:
    lifted = {name: lift(array) for name, array in inputs.items()}
    leaves = [x for array in lifted.values() for x in np.ravel(array)]
    outputs = {name: np.asarray(v) for name, v in flatten(definition(lifted, **fixed)).items()}
    numbers = {name: v for name, v in outputs.items() if v.dtype == object}
    value = {name: _round(name, v) if name in numbers else v for name, v in outputs.items()}
    condition = {name: _condition(v, leaves) for name, v in numbers.items()}
    if cotangent is None:
        return Certificate(value, {}, condition, {}, bits)
    seeds = {name: np.asarray(lift(cotangent[name])) for name in numbers}
    flat_outputs = [number(y) for v in numbers.values() for y in v.ravel()]
    flat_seeds = [g for v in seeds.values() for g in v.ravel()]
    flat_gradients = gradient(flat_outputs, flat_seeds, leaves)
    gradients, gradient_condition, start = {}, {}, 0
    for name, array in inputs.items():
        block = np.empty(np.shape(array), dtype=object)
        block.reshape(-1)[:] = flat_gradients[start : start + block.size]
        start += block.size
        gradients[name] = _round(f"the gradient to {name}", block)
        gradient_condition[name] = _condition(block, leaves + flat_seeds)
    return Certificate(value, gradients, condition, gradient_condition, bits)


def _round(name: str, array: np.ndarray) -> Certified:
    """Round every ball, or say which one is still too wide."""
    parts = np.array([_round_one(name, number(v)) for v in array.ravel()], dtype=np.float64).reshape(-1, 3)
    hi, lo, radius = (np.ascontiguousarray(parts[:, i]).reshape(array.shape) for i in range(3))
    return Certified(hi, lo, radius)


def _round_one(name: str, x: Number) -> tuple[float, float, float]:
    if x.stated:
        return float(x.ball), 0.0, 0.0
    ball = x.ball
    if ball.is_nan() or not ball.is_finite():
        raise NotCertified(f"{name} has no finite enclosure")
    hi = float(ball.lower())
    if hi != float(ball.upper()) and ball.rel_accuracy_bits() < TIE_BITS:
        raise NotCertified(f"{name} = {ball.str(25)} rounds to two numbers")
    if math.isinf(hi):
        return hi, 0.0, 0.0
    hi += 0.0  # the lower end of a ball around zero rounds to -0
    if hi != 0 and ball.rel_accuracy_bits() < RELATIVE_BITS:
        raise NotCertified(f"{name} = {ball.str(25)} has {ball.rel_accuracy_bits()} certified bits")
    rest = ball - arb(hi)
    if hi + float(rest.mid()) != hi:  # a tie: the even neighbour
        hi += float(rest.mid())
        rest = ball - arb(hi)
    lo = float(rest.mid())
    radius = float((rest - arb(lo)).abs_upper())
    return hi, lo, radius if radius == 0 else math.nextafter(radius, math.inf)


def _condition(outputs: np.ndarray, leaves: list[Number]) -> np.ndarray:
    """``sum_i |x_i df/dx_i|`` of every output, rounded; 0 where the derivative is stated, not computed."""
    result = np.zeros(outputs.shape)
    tracked = [(i, y) for i, y in enumerate(map(number, outputs.ravel())) if y.tracked and not y.stated]
    if len(tracked) > MANY_OUTPUTS:
        history = in_order([y for _, y in tracked])
        if len(tracked) * len(history) > LONG_HISTORY:
            found = _condition_in_float64([y for _, y in tracked], leaves, history)
            if np.all(np.isfinite(found)):
                result.reshape(-1)[[i for i, _ in tracked]] = found
                return result
    for i, output in tracked:
        terms = zip(gradient([output], [1], leaves), leaves, strict=True)
        total = sum((abs(d.ball * x.ball) for d, x in terms if not (d.stated or x.stated)), arb(0))
        result.reshape(-1)[i] = float(total.mid()) if total.is_finite() else 0.0
    return result


def _condition_in_float64(outputs: list[Number], leaves: list[Number], history: list[Number]) -> np.ndarray:
    """The same for many outputs at once: one walk back carries the derivatives of all of them, as float64."""
    one = number(1)
    steps = [(id(y), [(id(x), float(back(one))) for x, back in y.parents]) for y in reversed(history)]
    result = np.zeros(len(outputs))
    with np.errstate(all="ignore"):
        for start in range(0, len(outputs), ROWS_AT_ONCE):
            block = outputs[start : start + ROWS_AT_ONCE]
            sums: dict[int, Any] = {id(x): 0.0 for x in leaves}
            for row, output in zip(np.eye(len(block)), block, strict=True):
                sums[id(output)] = sums.get(id(output), 0.0) + row
            for node, parents in steps:
                arrived = sums.get(node) if not parents else sums.pop(node, None)
                for parent, slope in parents if arrived is not None else ():
                    sums[parent] = sums[parent] + slope * arrived if parent in sums else slope * arrived
            terms = (np.abs(sums[id(x)] * float(x)) for x in leaves if not x.stated)
            result[start : start + len(block)] = sum(terms, np.zeros(len(block)))
    return result
