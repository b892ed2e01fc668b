"""The exponential of the tiles and of the losses' rows, against mpmath."""

from __future__ import annotations

from typing import Any

import mpmath
import numba
import numpy as np
import pytest

from refengine.backends.numba._exponential import fall


@numba.njit
def exponentials(x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = fall(x[i])


def found(x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    exponentials(x, out)
    return out


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_within_one_unit_in_the_last_place(dtype: Any) -> None:
    """Over decades, beside every multiple of log(2) / 2, where another power of 2 begins, and down to subnormals."""
    rng, lowest = np.random.default_rng(0), np.log(np.float64(np.finfo(dtype).smallest_subnormal))
    decades = -(10.0 ** rng.uniform(-20, np.log10(-lowest), 2000))
    switches = np.arange(0, lowest, -np.log(2) / 2)
    beside = np.concatenate([np.nextafter(switches.astype(dtype), dtype(end)) for end in (-np.inf, 0)])
    x = np.concatenate([decades.astype(dtype), switches.astype(dtype), beside])
    for at, got in zip(x.tolist(), found(x), strict=True):
        with mpmath.workprec(200):
            error = abs(mpmath.exp(at) - mpmath.mpf(float(got)))
        assert error <= float(np.spacing(got)), f"exp({at}) = {got}"


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_ends(dtype: Any) -> None:
    x = np.array([0.0, -0.0, -np.inf, -1e30, -1e5, np.nan], dtype)
    np.testing.assert_array_equal(found(x), np.array([1, 1, 0, 0, 0, np.nan], dtype))
