r"""Standard normal numbers."""

from __future__ import annotations

from refengine.domains import Array
from refengine.random._quantile import quantile
from refengine.random._words import Words, check_generator, checked
from refengine.random.uniform import to_uniform, words

__all__ = ["normal"]


def normal(key: Words, counter: Words, *, generator: str = "philox") -> Array:
    r"""The standard normal numbers of one block, by the inverse of the distribution function.

    .. math:: z_i = \Phi^{-1}(u_i)

    of the numbers that :func:`refengine.random.uniform` gives for the same arguments, from -8.2095 to 8.2095: one
    number from each word, no pairs, no rejection, and as monotone in the word as u is. key: (..., 2) or (..., 4),
    counter: (..., 4), their leading axes broadcast; result (..., 2) or (..., 4), float64. For 0.135 < u < 0.865 the
    quantile is made of sums and products and its bits are the same everywhere; beyond, it is SciPy's, or the array
    library's own, whose logarithm may differ in the last place. NumPy and numba share all bits.
    Source: Devroye (1986), Non-Uniform Random Variate Generation, section II.2.

    >>> round(float(normal([0, 0], [0, 0, 0, 0])[0]), 12)
    1.177591239054
    """
    check_generator(generator)
    xp, keys, counters = checked(generator, key, counter)
    return quantile(xp, to_uniform(xp, words(xp, generator, keys, counters)))
