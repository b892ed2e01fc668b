"""What the extensions that draw the pages' pictures share: the folder, reproducible files, and when to draw anew."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "_generated"
GREY, BLUE, BROWN, GREEN = "0.6", "#1f5f8b", "#c0702a", "#4d8a3a"


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


def in_row(pyplot: Any, count: int, width: float = 3.0, height: float = 2.7) -> tuple[Any, Any]:
    """A figure of panels beside each other, and the panels."""
    figure, axes = pyplot.subplots(1, count, figsize=(width * count, height), layout="constrained", squeeze=False)
    return figure, axes[0]


def plot_curves(axes: Any, x: Any, curves: dict[str, Any], title: str, **labels: str) -> None:
    """Curves over x with their names."""
    for name, y in curves.items():
        axes.plot(x, y, linewidth=1.3, label=name)
    axes.set(title=title, **labels)
    axes.legend(frameon=False, fontsize=6)
    small(axes)


def scenes(file: Any) -> dict[str, Callable[..., Any]]:
    """The functions of (pyplot, module) that a file defines, by the name of the module that they draw."""
    own = {name: f for name, f in vars(file).items() if getattr(f, "__module__", "") == file.__name__}
    return {name: f for name, f in own.items() if list(inspect.signature(f).parameters) == ["pyplot", "module"]}


def draw_family(family: str, prefix: str, functions: dict[str, Callable[..., Any]]) -> None:
    """Draw the modules that a family has and for which there is a function of (pyplot, module)."""
    files = tuple(Path(importlib.import_module(f"refengine.{family}").__path__[0]).glob("*.py"))
    for name in sorted({file.stem for file in files} & set(functions)):
        module, function = importlib.import_module(f"refengine.{family}.{name}"), functions[name]
        source = inspect.getsourcefile(getattr(function, "func", function))
        draw(f"{prefix}_{name}.svg", (*files, source), partial(function, module=module))
