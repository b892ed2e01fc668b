"""The exact tier itself: enclosures, derivatives, rounding, and what it refuses to certify."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

from validation.exact import number as exact
from validation.exact.certify import NotCertified, certify
from validation.exact.number import Undecided, gradient, lift, variable, working_precision


def value_of(definition, **inputs):
    found = certify(lambda given: definition(**given), {k: np.asarray(v) for k, v in inputs.items()}, None)
    return found.value["value"]


def test_hi_and_lo_are_the_truth_to_106_bits():
    mpmath = pytest.importorskip("mpmath")
    found = value_of(lambda x: exact.lgamma(x), x=2.5)
    with mpmath.workdps(60):
        truth = mpmath.loggamma(mpmath.mpf(2.5))
        assert float(found.hi) == float(truth)
        assert abs(mpmath.mpf(float(found.hi)) + mpmath.mpf(float(found.lo)) - truth) <= float(found.radius)
    assert float(found.radius) < 2.0**-106 * float(found.hi)


def test_precision_grows_until_cancellation_is_overcome():
    found = value_of(lambda x: (x + 1e300) - 1e300, x=1.0)
    assert (float(found.hi), float(found.lo)) == (1.0, 0.0)
    found = value_of(lambda x: exact.lgamma(x + 1) - exact.lgamma(x), x=1e300)
    assert float(found.hi) == np.log(1e300)


def test_a_zero_that_no_ball_can_prove_rounds_to_zero():
    found = value_of(lambda x: exact.exp(exact.log(x)) - x, x=3.0)
    assert float(found.hi) == 0.0
    assert float(found.radius) < 1e-300


def test_ties_go_to_the_even_neighbour():
    half = 2.0**-53
    assert float(value_of(lambda x: 1 + x * exact.sqrt(x) ** 2 / x, x=half).hi) == 1.0
    assert float(value_of(lambda x: 1 + 2.0**-52 + x * exact.sqrt(x) ** 2 / x, x=half).hi) == 1 + 2.0**-51


def test_what_cannot_be_certified_is_an_error_that_says_so():
    with pytest.raises(NotCertified, match=r"not certified with \d+ bits: a comparison"):
        value_of(lambda x: x if exact.exp(exact.log(x)) > x else -x, x=3.0)
    with pytest.raises(NotCertified, match="value has no finite enclosure"):
        value_of(lambda x: exact.log(x - x), x=1.0)


@pytest.mark.parametrize(
    ("function", "at"),
    [
        (exact.exp, 0.7),
        (exact.log, 0.7),
        (exact.sqrt, 0.7),
        (exact.sin, 0.7),
        (exact.cos, 0.7),
        (exact.tanh, 0.7),
        (exact.acos, 0.7),
        (exact.lgamma, 2.7),
        (exact.digamma, 2.7),
        (lambda x: x**5, 0.7),
        (lambda x: 1 / x, 0.7),
        (lambda x: 3 - abs(-x) * x, 0.7),
    ],
)
def test_first_and_second_derivatives_against_quotients_of_differences(function, at):
    """Differences at 400 bits: they share no rule with the tape."""
    with working_precision(400):
        x, h = variable(at), exact.number(2.0**-60)
        first = gradient([function(x)], [1], [x])[0]
        second = gradient([first], [1], [x])[0]
        up, down = function(x + h), function(x - h)
        assert abs(float((up - down) / (2 * h) - first)) < 1e-30
        assert abs(float((up - 2 * function(x) + down) / (h * h) - second)) < 1e-30


def test_condition_counts_every_input():
    found = certify(lambda given: given["x"] - given["y"], {"x": np.asarray(3.0), "y": np.asarray(2.0)}, None)
    assert float(found.condition["value"]) == 5.0


def test_gradients_are_weighted_by_the_cotangent():
    inputs = {"x": np.array([1.0, 2.0])}
    found = certify(lambda given: given["x"] * given["x"], inputs, {"value": np.array([10.0, -1.0])})
    assert found.gradients["x"].hi.tolist() == [20.0, -4.0]


def test_overlapping_balls_are_not_compared():
    with working_precision(64):
        third = variable(1.0) / 3
        with pytest.raises(Undecided):
            assert third * 3 < 1
        assert third < 1
        assert not third > 1


def test_stated_values_carry_stated_slopes():
    x = variable(0.0)
    edge = exact.stated(-inf, (x, inf))
    assert float(edge) == -inf
    assert float(gradient([edge], [2.0], [x])[0]) == inf
    assert np.isnan(float(exact.number(nan) + 1))


def test_arrays_of_numbers_broadcast_and_multiply():
    with working_precision(128):
        a, b = lift(np.array([[1.0, 2.0], [3.0, 4.0]])), lift(np.array([5.0, 6.0]))
        assert [float(v) for v in a @ b] == [17.0, 39.0]
        assert [float(v) for v in (2 / a - b).ravel()] == [-3.0, -5.0, 2 / 3 - 5, -5.5]
