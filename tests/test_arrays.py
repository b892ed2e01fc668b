"""The small helpers and the top-level functions."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import refengine
from refengine import special
from refengine._arrays import check_labels, check_shape, elementwise, promote, unbroadcast
from refengine.backends._kernel import kernel_of


def test_promotion() -> None:
    single, double = np.float32([1, 2]), np.float64([1, 2])
    assert promote(x=single)[1] == np.float32
    assert promote(x=single, a=2.0)[1] == np.float32
    assert promote(x=single, a=np.array([1, 2]))[1] == np.float32
    assert promote(x=single, a=double)[1] == np.float64
    assert promote(x=1, a=2.0)[1] == np.float64
    assert promote(x=np.float16([1]))[1] == np.float64
    assert promote(x=np.array([1]))[1] == np.float64
    assert elementwise(x=single)[2].dtype == np.float64


@pytest.mark.parametrize("wrong", ["a", None, 1j, np.array([1j]), np.array(["a"]), object()])
def test_what_is_no_number_is_named(wrong: object) -> None:
    with pytest.raises(TypeError, match="b must hold real numbers, got"):
        promote(a=1.0, b=wrong)


def test_shapes_and_labels_are_named() -> None:
    with pytest.raises(ValueError, match=r"shapes do not broadcast: a \(2,\), b \(3,\)"):
        special.log_beta(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match=r"w must have shape \(C, D\) with D = 3, got \(4, 2\)"):
        check_shape("w", np.ones((4, 2)), ("C", "D"), D=3)
    with pytest.raises(TypeError, match="labels must hold integers, got float64"):
        check_labels("labels", np.ones(3), 3, 2)
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.1, got 2"):
        check_labels("labels", np.array([0, 2]), 2, 2)
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.1, got -1"):
        check_labels("labels", np.array([0, -1]), 2, 2)


def test_unbroadcast() -> None:
    g = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(unbroadcast(g, np.ones((3, 1))), g.sum(axis=(0, 2))[:, None])
    assert unbroadcast(g, 1.0) == g.sum()
    assert unbroadcast(g, np.ones((2, 3, 4))) is g or np.array_equal(unbroadcast(g, np.ones((2, 3, 4))), g)


def test_kernels_must_take_the_arguments_of_their_reference() -> None:
    with pytest.raises(TypeError, match="its reference takes"):

        @kernel_of(special.log_beta)
        def log_beta(b: float, a: float) -> float:
            return a


def test_value_and_grad_wants_a_scalar() -> None:
    value, gradients = refengine.value_and_grad(special.log_beta, 2.0, 3.0)
    assert float(value) == pytest.approx(-np.log(12), rel=1e-15)
    assert len(gradients) == 2
    with pytest.raises(ValueError, match=r"value_and_grad needs a scalar result, log_beta gave shape \(2,\)"):
        refengine.value_and_grad(special.log_beta, np.ones(2), 1.0)
    with pytest.raises(TypeError, match="has no vjp"):
        refengine.value_and_vjp(refengine.mining.batch_hard, 1.0, np.ones((2, 2)), np.array([0, 1]))


def test_names_that_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="no_such_family"):
        refengine.no_such_family  # noqa: B018
    assert "log_beta" in dir(refengine.special)
    assert {"special", "losses", "golden"} <= set(dir(refengine))


def test_backends_stays_a_function_after_its_package_is_imported() -> None:
    code = "import refengine; from refengine.backends.numba import special; print(refengine.backends()[:1])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "('numpy',)"
