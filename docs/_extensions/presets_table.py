"""The tables of the presets, made from the presets themselves: of losses one for each library, of attention one."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from refengine import attention, losses

GENERATED = Path(__file__).parents[1] / "_generated"  # not .rst: other pages are made and unmade by name


def _constants(function: Any) -> str:
    """What a preset gives with the library's defaults, or what it asks for."""
    needed = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    if needed:
        return f"asks for {', '.join(f'``{name}``' for name in needed)}"
    shown = (f"{k} = {v:.4g}" if isinstance(v, float) else f"{k} = {v}" for k, v in function().items())
    return ", ".join(f"``{text}``" for text in shown)


def _table(functions: list[Any], prefix: str) -> list[str]:
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 30 35 35", ""]
    lines += ["   * - Preset", "     - It is", "     - Constants"]
    for function in functions:
        said = (inspect.getdoc(function) or "").replace("\n", "\n       ")
        lines += [f"   * - ``{prefix}{function.__name__}``", f"     - {said}", f"     - {_constants(function)}"]
    return lines


def _library(name: str) -> str:
    module = getattr(losses.presets, name)
    public = [f for f in vars(module).values() if inspect.isfunction(f) and not f.__name__.startswith("_")]
    return "\n".join([name, "-" * len(name), "", inspect.getdoc(module) or "", "", *_table(public, f"{name}.")]) + "\n"


def write(app: Any) -> None:
    """Write the tables where they have changed."""
    frameworks = [getattr(attention.presets, name) for name in attention.presets.__all__]
    made = {"presets": "\n".join(map(_library, losses.presets.__all__))}
    made["attention_presets"] = "\n".join(_table(frameworks, "")) + "\n"
    GENERATED.mkdir(exist_ok=True)
    for name, text in made.items():
        target = GENERATED / f"{name}.txt"
        if not target.exists() or target.read_text("utf-8") != text:
            target.write_text(text, "utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
