"""nan, infinities, signed zeros, subnormal numbers, points out of the support, parameters out of their domain.

Over all elementwise functions of all distributions, on every on that has text of its own; warnings are errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import refengine
from refengine._walk import Operation
from refengine.domains import Integers, Interval
from refengine.golden import Case, load
from tests import checks
from tests.conftest import PAIRS

DATA = ("x", "k", "u", "noise")
EVERY = [(o, b) for o, b in PAIRS if o.path.startswith("distributions.")]
SCALAR = [(o, b) for o, b in EVERY if checks.elementwise(o)]
BEYOND = {  # what a function says below and above the support
    "log_prob": (-np.inf, -np.inf),
    "cdf": (0.0, 1.0),
    "sf": (1.0, 0.0),
    "log_cdf": (-np.inf, 0.0),
    "log_sf": (0.0, -np.inf),
}


def over(pairs: list[tuple[Operation, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("op", "on"), pairs, ids=[f"{o.path}-{b}" for o, b in pairs])


def ordinary(op: Operation) -> Case:
    """A case of moderate numbers."""
    cases = [c for c in load(op.path).cases if c.result == "required"]
    return min(cases, key=lambda c: (c.difficulty, any(a.ndim for a in c.arguments.values()), c.id))


def answer(op: Operation, on: str, **changed: Any) -> tuple[Any, tuple[Any, ...]]:
    given = {name: array[()] for name, array in ordinary(op).arguments.items()} | changed
    constants = ordinary(op).constants
    function = op.on(on)
    if not op.has_vjp:
        return function(*given.values(), **constants), ()
    value, gradients = refengine.value_and_vjp(function, 1.0, *given.values(), **constants)
    return value, tuple(gradients)


def outside(domain: Any) -> Iterator[float]:
    if isinstance(domain, Integers):
        yield from (v for v in (domain.low - 1.0, domain.high + 1.0) if np.isfinite(v))
    elif isinstance(domain, Interval):
        ends = [v for v in (domain.low, domain.high) if np.isfinite(v)]
        yield from (v for v in (domain.low - 1.0, domain.high + 1.0) if np.isfinite(v))
        yield from ends if not domain.closed else ()


@over(SCALAR)
def test_nan_gives_nan(op: Operation, on: str) -> None:
    if not op.has_vjp:
        pytest.skip("integers cannot say nan")
    for name in op.domains:
        value, gradients = answer(op, on, **{name: np.nan})
        assert all(np.isnan(v) for v in (value, *gradients)), f"{name} = nan: {value}, {gradients}"


@over(SCALAR)
def test_parameters_out_of_their_domain_give_nan(op: Operation, on: str) -> None:
    if not op.has_vjp:
        pytest.skip("integers cannot say nan")
    for name, domain in op.domains.items():
        for wrong in outside(domain) if name not in DATA else ():
            value, gradients = answer(op, on, **{name: wrong})
            assert all(np.isnan(v) for v in (value, *gradients)), f"{name} = {wrong}: {value}, {gradients}"


@over([(o, b) for o, b in SCALAR if o.name in BEYOND])
def test_beyond_the_support(op: Operation, on: str) -> None:
    if op.module.endswith("von_mises"):
        pytest.skip("a circle has no outside")
    below, above = BEYOND[op.name]
    name = next(name for name in DATA if name in op.domains)
    domain = op.domains[name]
    for wrong, expected in ((domain.low - 1.0, below), (domain.high + 1.0, above)):
        value, gradients = answer(op, on, **{name: wrong})
        assert value == expected, f"{name} = {wrong}: {value}"
        assert all(g == 0 for g in gradients), f"{name} = {wrong}: {gradients}"


@over(SCALAR)
def test_the_sign_of_zero_does_not_matter(op: Operation, on: str) -> None:
    for name in op.domains:
        plus, minus = (answer(op, on, **{name: zero}) for zero in (0.0, -0.0))
        np.testing.assert_array_equal(plus[0], minus[0], err_msg=name)
        np.testing.assert_array_equal(plus[1], minus[1], err_msg=name)


@over(SCALAR)
def test_extremes_pass_without_a_warning(op: Operation, on: str) -> None:
    """Whatever they give: the golden files say what is right where a definition can be certified."""
    for name, domain in op.domains.items():
        for value in (5e-324, -5e-324, 1e-310, 1e308, -1e308, np.inf, -np.inf):
            if op.has_vjp or np.isfinite(value):
                answer(op, on, **{name: value if domain.differentiable else np.trunc(value)})


@over([(o, b) for o, b in EVERY if not checks.elementwise(o) and o.name.startswith("log_prob")])
def test_nan_in_one_entry_reaches_the_value(op: Operation, on: str) -> None:
    given = ordinary(op).arguments
    for name in op.differentiable:
        changed = np.array(given[name], dtype=np.float64)
        changed[(0,) * changed.ndim] = np.nan
        args = [changed if other == name else array for other, array in given.items()]
        value = op.on(on)(*args, **ordinary(op).constants)
        assert np.any(np.isnan(value)), name
