"""Normal numbers as roots of the distribution function."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from flint import arb
from scipy import special

from validation.exact.draws import Draw
from validation.exact.number import Number, erfc, number, sqrt
from validation.exact.random import _random123 as random123
from validation.exact.random._streams import block64
from validation.exact.random.uniform import fraction, of_both
from validation.exact.root import root


def quantile(word: int) -> Number:
    """Where erfc(-z / sqrt 2) / 2 = u, from the nearer side."""
    u = fraction(word)
    sign, small = (1, u) if 2 * u < 1 else (-1, 1 - u)
    exact = number(arb(small.numerator)) / small.denominator
    z = root(lambda t: [erfc(-t[0] / sqrt(number(2))) / 2 - exact], [float(special.ndtri(float(small)))])[0]
    return z if sign > 0 else -z


def normal(key: Any, counter: Any, *, generator: str = "philox") -> np.ndarray:
    """The quantile of a uniform number.

    Source: devroye-1986, section II.2
    """
    words = random123.over_blocks(key, counter, block64(generator))
    found = np.empty(words.shape, dtype=object)
    found.reshape(-1)[:] = [quantile(w) for w in words.ravel()]
    return found


def draw_normal(rng: np.random.Generator) -> Iterator[Draw]:
    yield from of_both(rng)
