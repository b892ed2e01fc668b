"""What the extensions that draw the pages' pictures share: the folder, reproducible files, and when to draw anew."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "_generated"
GREY, BLUE, BROWN = "0.6", "#1f5f8b", "#c0702a"


def pyplot() -> Any:
    """matplotlib, set so that the same picture is the same file."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "refengine"
    from matplotlib import pyplot

    return pyplot


def made_before(target: Path, sources: Iterable[Any]) -> bool:
    """Whether a file exists and is newer than everything from which it is made."""
    return target.exists() and target.stat().st_mtime > max(Path(str(file)).stat().st_mtime for file in sources)


def draw(name: str, sources: Iterable[Any], figure: Callable[[Any], Any]) -> None:
    """Write a picture to the folder of generated files, unless it is newer than its sources."""
    target = FOLDER / name
    if made_before(target, (*sources, __file__)):
        return
    FOLDER.mkdir(exist_ok=True)
    plt = pyplot()
    drawn = figure(plt)
    drawn.savefig(target, metadata={"Date": None})
    plt.close(drawn)


def small(axes: Any) -> None:
    """Type of a size that fits several panels in one row."""
    for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
        text.set_fontsize(8)
    axes.tick_params(which="both", labelsize=7)


def caption(function: Any) -> str:
    """The docstring of a function that draws, in one line."""
    return " ".join((inspect.getdoc(function) or "").split())


def draw_family(family: str, prefix: str, functions: dict[str, Callable[..., Any]], source: str) -> None:
    """Draw the modules that a family has and for which there is a function of (pyplot, module)."""
    files = tuple(Path(importlib.import_module(f"refengine.{family}").__path__[0]).glob("*.py"))
    for name in sorted({file.stem for file in files} & set(functions)):
        module = importlib.import_module(f"refengine.{family}.{name}")
        draw(f"{prefix}_{name}.svg", (*files, source), partial(functions[name], module=module))
