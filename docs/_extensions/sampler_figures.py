"""The picture on each page of the samplers, their targets, adaptation and diagnostics, drawn by the library itself.

A module is drawn by the function of its name in one of the files below, a chain by its setup; one without has no
picture.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import sampler_adaptation
import sampler_chains
import sampler_scenes
import sampler_targets
from drawing import caption, draw, draw_family, scenes

CHAINS = {name: partial(sampler_chains.figure, name=name) for name in sampler_chains.SETUPS}
DRAWN: dict[str, dict[str, Callable[..., Any]]] = {
    "samplers": CHAINS | scenes(sampler_scenes),
    "samplers.targets": scenes(sampler_targets),
    "samplers.adaptation": scenes(sampler_adaptation),
}
DIAGNOSTICS = sampler_adaptation.diagnostics


def picture(module: str) -> tuple[str, str] | None:
    """The name of a module's picture in the folder of generated files, and its caption; None where it has none."""
    family, _, name = module.rpartition(".")
    if module == "samplers.diagnostics":
        return "samplers_diagnostics.svg", caption(DIAGNOSTICS)
    if name not in DRAWN.get(family, {}):
        return None
    said = sampler_chains.caption(name) if name in CHAINS and family == "samplers" else caption(DRAWN[family][name])
    return f"{family.replace('.', '_')}_{name}.svg", said


def draw_all(app: Any) -> None:
    """Draw every picture that does not exist yet or is older than what it is drawn from."""
    for family, functions in DRAWN.items():
        draw_family(family, family.replace(".", "_"), functions)
    module = importlib.import_module("refengine.samplers.diagnostics")
    files = Path(module.__path__[0]).glob("*.py")
    draw("samplers_diagnostics.svg", (*files, sampler_adaptation.__file__), partial(DIAGNOSTICS, module=module))


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", draw_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
