"""Entmax as it is defined: a root for the threshold, and powers of what lies above it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.attention._scores import normal, over_rows, row_draws, undefined
from validation.exact.attention.sparsemax import edge_draws
from validation.exact.draws import Draw
from validation.exact.number import exp, largest, log, number, power
from validation.exact.root import root


def entmax(z: Any, alpha: Any = 1.5, *, mask: Any = None, empty_row: str = "zero") -> Any:
    """p_i = [(alpha - 1) z_i - tau]_+^{1 / (alpha - 1)}, where the weights sum to 1.

    Source: peters-2019, section 3.1
    """
    return over_rows(z, mask, empty_row, _weights, alpha)


def _weights(z: dict[int, Any], alpha: Any) -> dict[int, Any]:
    if not 1 <= float(alpha) <= 2:
        return dict.fromkeys(z, undefined(*z.values(), alpha))
    a, top = alpha - 1, largest(z.values())
    support = [i for i in z if _excess([z[j] - z[i] for j in z if z[j] > z[i]], a) < 1]
    if len(support) == 1:
        return {support[0]: number(1)}

    def powers(t: Any) -> list[Any]:
        return [_power(z[i] - top - t, a) for i in support]

    # the sum is convex and falls: Newton from the largest score comes from below, where no base is negative
    found = powers(root(lambda t: [sum(powers(t[0]), number(-1))], [0.0])[0])
    return dict(zip(support, found, strict=True))


def _power(x: Any, a: Any) -> Any:
    """(1 + a x)^{1/a}; at a = 0 its limit e^x, with the terms that carry the first two derivatives."""
    if a == 0:
        return exp(x - a * x * x / 2 + a * a * x * x * x / 3)
    return exp(log(1 + a * x) / a)


def _excess(above: list[Any], a: Any) -> Any:
    """What the larger entries would sum to with the threshold at this one; whole exponents need no logarithm."""
    if a == 0:
        return number(0)
    n = 1 / float(a)
    if n == round(n) and float(a) * n == 1 and n < 100:
        return sum(((a * d) ** round(n) for d in above), number(0))
    return sum((power(a * d, 1 / a) for d in above), number(0))


ORDERS = (1.5, 1.25, 2.0, 1.0, 1.75, 1.1, 1.5, 1.3, 1.9, 1.0 + 1e-6, 1.001, 1.6)


def draw_entmax(rng: np.random.Generator) -> Iterator[Draw]:
    for i, (z, constants, keywords) in enumerate(row_draws(rng)):
        alpha: Any = ORDERS[i % len(ORDERS)]
        if z.ndim > 1 and i % 5 == 4:
            alpha = np.resize(ORDERS, z.shape[:-1])
            keywords = keywords | {"flags": (*keywords.get("flags", ()), "BROADCAST")}
        yield Draw({"z": z, "alpha": alpha}, constants, **keywords)
    for alpha in (1.0, 1.0 + 2.0**-52, 1 + 1e-12, 1 + 1e-4, 1.01, 1.2, 1.4, 1.8, 1.99, 2 - 2.0**-52, 2.0):
        rest: dict[str, Any] = {"flags": ("WRONG_BRANCH", "CANCELLATION"), "difficulty": 4}
        yield Draw({"z": normal(rng, 4), "alpha": alpha}, **rest)
        yield Draw({"z": normal(rng, 3, size=0.01, exact=False), "alpha": alpha}, **rest)
        yield Draw({"z": np.array([0.5, 0.5, 0.5]), "alpha": alpha}, flags=("TIE",), difficulty=3)
    for i, (z, flags) in enumerate(edge_draws()):
        yield Draw(
            {"z": z, "alpha": 2.0}, flags=flags, difficulty=5, result="ambiguous" if "KINK" in flags else "required"
        )
        yield Draw({"z": (2 * z, 4 * z)[i % 2], "alpha": (1.5, 1.25)[i % 2]}, flags=flags, difficulty=5)
    for alpha in (0.5, 2.5, np.nan):
        yield Draw({"z": normal(rng, 3), "alpha": alpha}, result="invalid")
