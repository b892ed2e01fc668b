"""The geometry of leapfrog trajectories: they come back, keep volume, and keep the symplectic form."""

import numpy as np
import pytest

from refengine.samplers import _leapfrog
from refengine.samplers.targets import logistic_regression

LOGISTIC = logistic_regression.target(np.array([[1.0, 0.5], [-0.5, 2.0], [1.5, -1.0]]), np.array([1, 0, 1]), 1.5)


def test_leapfrog_comes_back():
    rng = np.random.default_rng(0)
    q, p, w = rng.normal(size=(5, 2)), rng.normal(size=(5, 2)), np.array([0.5, 2.0])
    run = {"target": LOGISTIC, "w": w, "epsilon": 0.3, "steps": 7}
    there = _leapfrog.leapfrog(np, x=q, slope=LOGISTIC.gradient(q, *LOGISTIC.parameters), p=p, **run)
    back = _leapfrog.leapfrog(np, x=there.positions[-1], slope=there.gradients[-1], p=-(p + there.kick), **run)
    np.testing.assert_allclose(back.positions[-1], q, atol=1e-13)
    np.testing.assert_allclose(-(p + there.kick) + back.kick, -p, atol=1e-13)


def test_leapfrog_keeps_volume_and_the_symplectic_form():
    """The Jacobian of (q, p) from the cotangents of four unit vectors, the gradient at the start a function of q."""
    q, p, w = np.array([0.4, -1.0]), np.array([0.7, 0.2]), np.array([0.5, 2.0])
    slope = LOGISTIC.gradient(q, *LOGISTIC.parameters)
    path = _leapfrog.leapfrog(np, LOGISTIC, q, slope, p, w, 0.4, 5)
    rows = []
    for unit in np.eye(4):
        seeds = {5: (unit[:2], np.zeros(2), unit[2:], np.zeros(2))}
        to_q, to_slope, to_p, _, _ = _leapfrog.leapfrog_vjp(np, LOGISTIC, path, w, 0.4, seeds)
        rows.append([*(to_q + LOGISTIC.gradient_vjp(to_slope, q, *LOGISTIC.parameters)[0]), *to_p])
    jacobian, form = np.array(rows), np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])
    assert np.linalg.det(jacobian) == pytest.approx(1, abs=1e-13)
    np.testing.assert_allclose(jacobian.T @ form @ jacobian, form, atol=1e-13)
