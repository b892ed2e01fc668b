"""The factors by elimination from the products that define them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.linear_algebra import eliminate, square_root
from validation.exact.number import number, power
from validation.exact.samplers.adaptation._positions import identity


def adapt(acceptance: Any, normal: Any, factor: Any, *, target: Any, exponent: Any) -> Any:
    """S (I + eta (alpha - alpha_*) z z^T / |z|^2) S^T, factored.

    Source: vihola-2012, eq. 1
    """
    acceptance, normal, factor = (np.asarray(a) for a in (acceptance, normal, factor))
    found = np.empty((*normal.shape, normal.shape[-1]), dtype=object)
    for chain in np.ndindex(normal.shape[:-2]):
        s = np.where(np.tri(normal.shape[-1], dtype=bool), factor[chain], number(0))
        for t in range(normal.shape[-2]):
            s = _next(s, acceptance[chain][t], normal[chain][t], t + 1, target, exponent)
            found[chain][t] = s
    return found


def _next(s: Any, alpha: Any, z: Any, m: int, target: Any, exponent: Any) -> Any:
    size = len(z)
    rate = size * power(number(m), -exponent)
    rate = rate if rate < 1 else number(1)
    square = sum((x * x for x in z), start=number(0))
    weight = rate * (alpha - target) / square
    middle = identity(size) + np.outer(z, z) * weight
    factors = eliminate(s @ middle @ s.T)
    assert factors is not None  # 1 + rate (alpha - target) > 0
    return square_root(factors)


def draw_adapt(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(60):
        size, chains = 1 + i % 3, (2,) if i % 7 == 3 else ()
        length = 1 + (i // 3 % 3 if size < 3 and not chains else 0)
        factor = np.tril(short(rng.normal(size=(*chains, size, size)), 5)) * (1 - np.eye(size))
        factor = factor + np.eye(size) * short(decades(rng, 0.1, 10), 4) + np.triu(np.ones((size, size)), 1) * (i % 2)
        normal = short(rng.normal(size=(*chains, length, size)), 6)
        acceptance = short(rng.uniform(0.01, 0.99, size=(*chains, length)))
        flags: tuple[str, ...] = ()
        if i % 6 == 4:
            acceptance, flags = np.full_like(acceptance, float(i % 12 == 4)), ("SATURATION",)
        if i % 6 == 5:
            normal, flags = normal * 10.0 ** int(rng.integers(-120, 120)), ("HUGE_PARAMETER",)
        constants = {} if i % 4 else {"target": 0.5, "exponent": 0.75}
        yield Draw({"acceptance": acceptance, "normal": normal, "factor": factor}, constants, flags, 1 + i % 3)
