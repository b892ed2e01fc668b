"""Noise for `sample`: drawn here and nowhere else, so that sampling itself is a pure function."""

from __future__ import annotations

import numpy as np

from refengine.domains import Array


def uniform(rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Array:
    """Uniform numbers in the open interval (0, 1): odd multiples of 2^-53, so that neither end is ever drawn.

    rng: a NumPy generator; shape: that of the result, float64.

    >>> uniform(np.random.default_rng(0), (2, 3)).shape
    (2, 3)
    """
    return (rng.integers(0, 2**52, size=shape) * 2 + 1) * 2.0**-53


def normal(rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Array:
    """Independent standard normal numbers.

    rng: a NumPy generator; shape: that of the result, float64.

    >>> normal(np.random.default_rng(0), (4,)).shape
    (4,)
    """
    return rng.standard_normal(shape)
