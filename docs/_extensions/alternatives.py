"""The table of conventions: where libraries mean different things, what each named convention answers.

It is read from the golden files, one row for each operation and set of conventions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from refengine.golden._text import content, names, path_of

TARGET = Path(__file__).parents[1] / "_generated" / "alternatives.rst"
LARGEST = 6  # numbers that a cell may hold


def numbers(tensor: dict[str, Any]) -> list[Any]:
    """The flat numbers of a tensor, or of the rounded part of a certified one."""
    tensor = tensor.get("hi", tensor)
    return [float.fromhex(v) if isinstance(v, str) else v for v in tensor["data"]]


def text(tensor: dict[str, Any]) -> str:
    """Short enough for a cell."""
    flat = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in numbers(tensor)]
    return flat[0] if not tensor.get("hi", tensor)["shape"] else f"[{', '.join(flat)}]"


def answer(node: dict[str, Any]) -> str:
    """Value and gradients of an answer."""
    values = {"": node["value"]} if {"hi", "data"} & node["value"].keys() else node["value"]
    parts = [text(v) if not name else f"{name} {text(v)}" for name, v in values.items()]
    return ", ".join(parts + [f"d/d{name} {text(v)}" for name, v in node["gradients"].items()])


def small(case: dict[str, Any]) -> bool:
    """Whether every argument of a case fits a cell."""
    return all(len(numbers(a)) <= LARGEST for a in case["arguments"].values())


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Operation, arguments, our answer, the others' answers."""
    for name in names():
        raw = content(path_of(name)).decode()
        if raw.count('"alternatives":{}') == raw.count('"alternatives":'):
            continue
        seen = set()
        for case in json.loads(raw)["cases"]:
            others = case["alternatives"]
            key = tuple(sorted(others))
            if not others or key in seen or not small(case):
                continue
            seen.add(key)
            given = [f"{k} = {text(v)}" for k, v in case["arguments"].items()]
            given += [f"{k} = {v}" for k, v in case["constants"].items() if isinstance(v, str | bool | int | float)]
            said = "; ".join(f"**{other}** {answer(node)}" for other, node in others.items())
            yield name, ", ".join(given), answer(case), said


def write(app: Any) -> None:
    """Write the table as a list-table."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 22 22 22 34", ""]
    for row in (("Operation", "Arguments", "Answer", "Other conventions"), *((f"``{r[0]}``", *r[1:]) for r in rows())):
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)]
    made = "\n".join(lines) + "\n"
    TARGET.parent.mkdir(exist_ok=True)
    if not TARGET.exists() or TARGET.read_text("utf-8") != made:
        TARGET.write_text(made, "utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
