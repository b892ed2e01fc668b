"""The picture on each attention module's page, drawn by the library itself; its docstring is the caption.

A module is drawn by the function of its name in one of the files below; one without has no picture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attention_draws
import attention_maps
import attention_positions
import attention_weights
from drawing import caption, draw_family, scenes

FILES = (attention_draws, attention_maps, attention_positions, attention_weights)
DRAWN: dict[str, Callable[..., Any]] = {name: f for file in FILES for name, f in scenes(file).items()}


def picture(module: str) -> tuple[str, str] | None:
    """The name of a module's picture in the folder of generated files, and its caption; None where it has none."""
    family, _, name = module.rpartition(".")
    return (f"attention_{name}.svg", caption(DRAWN[name])) if family == "attention" and name in DRAWN else None


def draw_all(app: Any) -> None:
    """Draw every picture that does not exist yet or is older than what it is drawn from."""
    draw_family("attention", "attention", DRAWN)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", draw_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
