"""The normaliser of the LKJ density, whose constant differs between texts, by rigorous integration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from flint import acb, arb, ctx

from refengine.distributions.lkj_cholesky import log_prob


def ball_integral(dimensions: int, power: float) -> float:
    """The integral of (1 - |l|^2)^power over the unit ball: over the radius, times the size of the sphere."""
    sphere = {1: arb(2), 2: 2 * arb.pi(), 3: 4 * arb.pi()}[dimensions]

    def integrand(r: acb, analytic: bool) -> acb:
        return r ** (dimensions - 1) * (1 - r * r).pow(acb(power), analytic=analytic)

    with ctx.workprec(80):
        return float((acb.integral(integrand, 0, 1) * acb(sphere)).real.mid())


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("concentration", [1.0, 1.5, 2.0, 2.5])
def test_density_integrates_to_one(size: int, concentration: float) -> None:
    """Rows are independent: the constant is the product of the integrals of the rows' densities."""
    integrals = [ball_integral(i - 1, concentration - 1 + (size - i) / 2) for i in range(2, size + 1)]
    at_identity = float(log_prob(np.eye(size), concentration))
    assert at_identity == pytest.approx(-sum(map(math.log, integrals)), rel=1e-13, abs=1e-14)


def test_correlation_of_two_is_uniform_at_one() -> None:
    for correlation in (-0.9, 0.0, 0.3):
        factor = [[1.0, 0.0], [correlation, math.sqrt(1 - correlation**2)]]
        assert float(log_prob(factor, 1.0)) == pytest.approx(-math.log(2), rel=1e-15)
