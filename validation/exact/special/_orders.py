"""Cases of Bessel functions: orders to 2048, arguments from 1e-300 to 1e15."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan

import numpy as np

from validation.exact.draws import Draw, decades, short

ORDERS = (0.0, 0.5, 1.0, 1.5, 2.0, 7.25, 15.5, 31.0, 31.9, 32.0, 33.0, 63.0, 255.0, 2047.0)


def draw_orders(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(60):
        yield Draw(
            {"x": short(decades(rng, 0.05, 50))}, {"order": ORDERS[i % 7] if i % 2 else short(rng.uniform(0, 20))}
        )
    for i in range(50):
        yield Draw({"x": decades(rng, 1e-3, 1e4)}, {"order": ORDERS[i % 14]}, difficulty=2)
    for _ in range(30):  # the transition, where neither order nor x is large against the other
        order = decades(rng, 1.0, 2048.0)
        yield Draw({"x": order * decades(rng, 0.1, 10.0)}, {"order": order}, difficulty=3)
    for _ in range(20):
        x = decades(rng, 1e4, 1e15)
        yield Draw({"x": x}, {"order": rng.uniform(0, 2048)}, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for i in range(20):
        x = decades(rng, 1e-300, 1e-3)
        yield Draw({"x": x}, {"order": ORDERS[i % 14]}, flags=("NEAR_POLE", "CANCELLATION"), difficulty=4)
    for order in (0.0, 8.0, 31.0, 100.0):  # where the expansions of libraries change over
        for switch in (8.0, 30.0, 32.0, 700.0):
            for x in (np.nextafter(switch, 0), np.nextafter(switch, 999)):
                yield Draw({"x": float(x)}, {"order": order}, flags=("WRONG_BRANCH",), difficulty=3)
    for x in (0.0, 5e-324, 1e-310):
        for order in (0.0, 1.0, 50.0):
            yield Draw({"x": x}, {"order": order}, flags=("SUBNORMAL",) if x else ("SUPPORT_EDGE",), difficulty=3)
    for x in (-1.0, nan, -inf):
        yield Draw({"x": x}, {"order": 0.5}, result="invalid")
    yield Draw({"x": np.array([[0.25, 2.0], [40.0, 3e5]])}, {"order": 3.5})
