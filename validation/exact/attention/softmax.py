"""The softmax as it is defined: exponentials over their sum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.attention._scores import over_rows, row_draws, softmax_of
from validation.exact.draws import Draw


def softmax(z: Any, *, mask: Any = None, empty_row: str = "zero") -> Any:
    """p_i = exp(z_i) / sum_j exp(z_j), over the attended entries.

    Source: vaswani-2017, eq. 1
    """
    return over_rows(z, mask, empty_row, softmax_of)


def draw_softmax(rng: np.random.Generator) -> Iterator[Draw]:
    for z, constants, keywords in row_draws(rng):
        yield Draw({"z": z}, constants, **keywords)
