"""Read golden vectors with the standard library alone. Copy this file; it imports nothing of refengine.

>>> from pathlib import Path
>>> case = next(cases(Path(__file__).parent / "data" / "special.log_beta.json.gz"))
>>> case["arguments"]["a"], case["value"][0]
(9.6875, 1.6017779724413779)
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from os import PathLike
from typing import Any


def cases(path: str | PathLike[str]) -> Iterator[dict[str, Any]]:
    """Every case, with the keys of the file, tensors as nested lists and results as nested lists of pairs (hi, lo).

    hi + lo is the truth to about 106 bits. A correct answer y in a dtype of unit round-off u (2**-53 for float64)
    has ``abs((y - hi) - lo) <= k * u * (abs(hi) + condition)`` for a small k, such as 8. Numbers that are exact as
    they stand (integers, booleans) come without lo.
    """
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as file:
        node = json.load(file)
    if node["schema"] != "refengine-golden/1":
        raise ValueError(f"{path}: schema is {node['schema']!r}, this reader knows 'refengine-golden/1'")
    for case in node["cases"]:
        yield {key: _read(value) for key, value in case.items()}


def _read(node: Any) -> Any:
    """Tensors to nested lists, certified numbers to nested pairs, anything else as it is."""
    if not isinstance(node, dict):
        return node
    if node.keys() == {"dtype", "shape", "data"}:
        return _nested(_numbers(node), node["shape"])
    if node.keys() == {"hi", "lo", "radius"}:
        pairs = list(zip(_numbers(node["hi"]), _numbers(node["lo"]), strict=True))
        return _nested(pairs, node["hi"]["shape"])
    return {key: _read(value) for key, value in node.items()}


def _numbers(tensor: dict[str, Any]) -> list[Any]:
    return [float.fromhex(v) if isinstance(v, str) else v for v in tensor["data"]]


def _nested(flat: list[Any], shape: list[int]) -> Any:
    """Row-major numbers as lists in lists; the number itself where there are no axes."""
    if not shape:
        return flat[0]
    step = len(flat) // shape[0] if shape[0] else 0
    return [_nested(flat[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]
