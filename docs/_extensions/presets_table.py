"""The tables of `refengine.losses.presets`, one for each library, made from the presets themselves."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from refengine.losses import presets

TARGET = Path(__file__).parents[1] / "_generated" / "presets.txt"  # not .rst: other pages are made and unmade by name


def _constants(function: Any) -> str:
    """What a preset gives with the library's defaults, or what it asks for."""
    needed = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    if needed:
        return f"asks for {', '.join(f'``{name}``' for name in needed)}"
    shown = (f"{k} = {v:.4g}" if isinstance(v, float) else f"{k} = {v}" for k, v in function().items())
    return ", ".join(f"``{text}``" for text in shown)


def _table(library: str) -> str:
    module = getattr(presets, library)
    lines = [library, "-" * len(library), "", inspect.getdoc(module) or "", ""]
    lines += [".. list-table::", "   :header-rows: 1", "   :widths: 30 35 35", ""]
    lines += ["   * - Preset", "     - It is", "     - Constants"]
    own = (f for f in vars(module).values() if inspect.isfunction(f) and not f.__name__.startswith("_"))
    for function in own:
        said = (inspect.getdoc(function) or "").replace("\n", "\n       ")
        lines += [f"   * - ``{library}.{function.__name__}``", f"     - {said}", f"     - {_constants(function)}"]
    return "\n".join(lines) + "\n"


def write(app: Any) -> None:
    """Write the tables where they have changed."""
    made = "\n".join(map(_table, presets.__all__))
    TARGET.parent.mkdir(exist_ok=True)
    if not TARGET.exists() or TARGET.read_text("utf-8") != made:
        TARGET.write_text(made, "utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
