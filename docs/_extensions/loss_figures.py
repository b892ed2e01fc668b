"""The picture on each loss's page: its target, its boundary, its gradients in the plane, drawn by the library itself.

What a page shows follows from the signature: a head gets the target of its logits over the angle, the decision
boundaries of `losses.boundaries` and the field of its gradients among three classes, a loss of a batch what it does to
one row among others. `CURVES` says which constants are drawn; a loss that is not there is drawn with its defaults.
"""

from __future__ import annotations

import importlib
import inspect
from functools import partial
from pathlib import Path
from typing import Any

import loss_scenes
import numpy as np
from drawing import BLUE, BROWN, GREY, caption, draw_family, scenes, small

DRAWN = scenes(loss_scenes)

CURVES: dict[str, tuple[dict[str, Any], ...]] = {
    "arcface": tuple({"boundary": rule} for rule in ("none", "monotonic", "easy", "clip", "identity")),
    "combined_margin": tuple({"m1": a, "m2": b, "m3": c} for a, b, c in ((1.0, 0.3, 0.2), (0.9, 0.4, 0.15))),
    "cosface": tuple({"margin": m} for m in (0.2, 0.35, 0.5)),
    "l_softmax": tuple({"margin": m} for m in (1.0, 2.0, 3.0, 4.0)),
    "sphereface": (*({"margin": m} for m in (1.0, 2.0, 3.0, 4.0)), {"margin": 4.0, "psi": "cosine"}),
}
FIELDS: dict[str, dict[str, Any]] = {
    "contrastive": {"margin": 1.5},
    "sphereface": {"margin": 2.0},
    "l_softmax": {"margin": 2.0},
    "magface": {"lower_norm": 0.5, "upper_norm": 2.5, "regularizer": 0.0},
    "range_loss": {"intra_weight": 1.0, "inter_weight": 1.0, "margin": 3.0},
    "triplet": {"margin": 1.0},
}
"""Constants of the field of gradients, where other ones than the defaults show more."""
MORE = {"scale": 4.0, "bias": 0.0, "t": 0.3, "margins": 0.5}
"""Arguments beyond the first three of a head."""


def _function(module: Any, name: str) -> Any:
    found = getattr(module, name, None)
    return found if inspect.isfunction(found) else None


def _positional(function: Any) -> list[str]:
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind < p.KEYWORD_ONLY]


def _known(function: Any, constants: dict[str, Any]) -> dict[str, Any]:
    """Those of the constants that the function has."""
    has = {p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}
    return {name: value for name, value in constants.items() if name in has}


def kind(module: str) -> str:
    """``head`` or ``batch``, by what the loss of the module takes, "" for others."""
    family, _, name = module.rpartition(".")
    loss = _function(importlib.import_module(f"refengine.{module}"), "loss") if family == "losses" else None
    if loss is None or not hasattr(importlib.import_module(f"refengine.{module}"), "loss_vjp"):
        return ""
    taken = _positional(loss)
    if taken[:3] == ["x", "weight", "labels"] and set(taken[3:]) <= set(MORE):
        return "head"
    return "batch" if taken == ["x", "labels"] else ""


CAPTIONS = {
    "head": "The loss or its target over the angle, decision boundaries where the loss has them, and its gradients.",
    "batch": "The loss of a batch as one row moves, with minus its gradient; the others stay.",
}


def picture(module: str) -> tuple[str, str] | None:
    """The name of a loss's picture in the folder of generated files, and its caption; None where it has none."""
    family, _, name = module.rpartition(".")
    if family == "losses" and name in DRAWN:
        return f"loss_{name}.svg", caption(DRAWN[name])
    kind_ = kind(module)
    return (f"loss_{name}.svg", CAPTIONS[kind_]) if kind_ else None


def _label(constants: dict[str, Any]) -> str:
    return ", ".join(f"{k} = {v:g}" if isinstance(v, float) else f"{k} = {v}" for k, v in constants.items())


def _has_target(module: Any) -> bool:
    logits = _function(module, "logits")
    if logits is None or _positional(logits) not in (["cosine", "labels"], ["cosine", "labels", "scale"]):
        return False
    try:
        logits(np.eye(2), np.arange(2), *[1.0] * (len(_positional(logits)) - 2))
    except ValueError:  # several cosines for each class
        return False
    return True


def _target(axes: Any, module: Any, name: str) -> None:
    """The target of the own class over its angle, in units of the scale."""
    logits = module.logits
    theta = np.linspace(0, np.pi, 721)
    cosine, labels = np.cos(theta)[:, None], np.zeros(721, int)
    more = [1.0] * (len(_positional(logits)) - 2)
    axes.plot(theta, np.cos(theta), color=GREY, linestyle=":", linewidth=1, label="cosine")
    for constants in CURVES.get(name, ({},)):
        found = np.asarray(logits(cosine, labels, *more, **_known(logits, {"scale": 1.0}), **_known(logits, constants)))
        axes.plot(theta, found[:, 0], linewidth=1.3, label=_label(constants) or None)
    axes.set(xlabel="angle to the own class", title="target / scale")
    axes.legend(frameon=False, fontsize=6)


def _rising(axes: Any, module: Any, name: str) -> None:
    """The loss over the angle to the own class, another class at a right angle to it."""
    theta = np.linspace(0, np.pi, 181)
    x, w = np.stack([np.cos(theta), np.sin(theta)], axis=1), np.eye(2)
    axes.plot(theta, _row_losses(module, x, w, np.zeros(181, int), FIELDS.get(name, {})), color=BLUE, linewidth=1.3)
    axes.set(xlabel="angle to the own class", title="loss, another class at 90 degrees")


def _row_losses(module: Any, x: Any, w: Any, labels: Any, constants: dict[str, Any], vjp: bool = False) -> Any:
    more = [np.full(len(x), MORE[n]) if n == "margins" else MORE[n] for n in _positional(module.loss)[3:]]
    constants = _known(module.loss, {"scale": 4.0, "gamma": 8.0, "reduction": "none"}) | _known(module.loss, constants)
    if "reduction" not in constants and len(x) > 1:  # a loss of the whole batch: row by row
        found = [_row_losses(module, row[None], w, labels[:1], constants, vjp) for row in x]
        return np.concatenate(found) if vjp else np.stack(found)
    try:
        return _called(module, x, w, labels, more, constants, vjp)
    except ValueError:  # several vectors for each class
        return _called(module, x, np.stack([w, w], axis=1), labels, more, constants, vjp)


def _called(module: Any, x: Any, w: Any, labels: Any, more: list[Any], constants: dict[str, Any], vjp: bool) -> Any:
    if vjp:
        g = np.ones(len(x)) if "reduction" in constants else np.array(1.0)
        return np.asarray(module.loss_vjp(g, x, w, labels, *more, **constants)[0])
    return np.asarray(module.loss(x, w, labels, *more, **constants))


def _boundary(axes: Any, module: Any, name: str) -> None:
    """Where class 1 and class 2 end in the plane of the two angles, the margin between them."""
    from refengine.losses import boundaries

    function = getattr(boundaries, name)
    theta = np.linspace(0, np.pi, 241)
    one, two = np.meshgrid(theta, theta)
    more = [1.0] * (len(_positional(function)) - 2)
    if "bias" in _positional(function):
        more[-1] = 0.0
    constants = _known(function, FIELDS.get(name, {}))
    of_1, of_2 = (np.asarray(function(a, b, *more, **constants)) for a, b in ((one, two), (two, one)))
    region = (of_1 > 0) * 1.0 - (of_2 > 0) * 1.0
    axes.contourf(one, two, region, levels=[-1.5, -0.5, 0.5, 1.5], colors=["#f3d9c0", "#ffffff", "#cfe0ee"])
    axes.contour(one, two, of_1, levels=[0], colors=[BLUE], linewidths=1)
    axes.contour(one, two, of_2, levels=[0], colors=[BROWN], linewidths=1)
    axes.set(xlabel="angle to class 1", ylabel="angle to class 2", aspect="equal")
    axes.set_title("boundaries" + (f", {_label(constants)}" if constants else ""))


def _arrows(axes: Any, x: Any, value: Any, down: Any) -> None:
    """The loss as colour, and arrows down its gradient, long ones shortened."""
    side = int(len(x) ** 0.5)
    grid = (x[:, 0].reshape(side, side), x[:, 1].reshape(side, side))
    axes.contourf(*grid, value.reshape(side, side), levels=14, cmap="Blues")
    length = np.linalg.norm(down, axis=1, keepdims=True)
    usual = np.quantile(length[np.isfinite(length)], 0.8) or 1.0
    shown = down / np.where(length > 0, length, 1) * np.tanh(length / usual)
    axes.quiver(*x.T, *shown.T, angles="xy", scale_units="xy", scale=3.2, width=0.006, color="0.25")
    axes.set(aspect="equal", xticks=[], yticks=[])


def _grid(side: int) -> Any:
    """Points of the plane beside its middle, where nothing has a direction."""
    line = np.linspace(-1.9, 1.9, side) + 0.013
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def _classes(axes: Any, module: Any, name: str) -> None:
    x, angle = _grid(20), np.deg2rad([80.0, 200.0, 320.0])
    weight = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    labels, constants = np.zeros(len(x), int), FIELDS.get(name, {})
    value = _row_losses(module, x, weight, labels, constants)
    _arrows(axes, x, value, -_row_losses(module, x, weight, labels, constants, vjp=True))
    for i, w in enumerate(weight):
        axes.plot([0, w[0]], [0, w[1]], color=BLUE if i == 0 else BROWN, linewidth=2)
    axes.set_title("loss of a row of the blue class; -gradient")


OTHERS = np.array([[1.1, 0.5], [0.5, 1.2], [-0.9, 0.8], [-0.6, -1.1], [0.9, -0.9]])
LABELS = np.array([0, 0, 0, 1, 1, 2])


def _moving(axes: Any, module: Any, name: str) -> None:
    """One row goes over the plane; the others, two of them of its label, stay."""
    x, constants = _grid(17), _known(module.loss, {"gamma": 8.0, "temperature": 0.5} | FIELDS.get(name, {}))
    found = []
    for row in x:
        batch = np.concatenate([row[None], OTHERS])
        value, (slopes,) = module.loss_value_and_vjp(np.array(1.0), batch, LABELS, **constants)
        found.append((float(value), slopes[0]))
    value, slopes = (np.array(v) for v in zip(*found, strict=True))
    _arrows(axes, x, np.nan_to_num(value), -np.nan_to_num(slopes))
    for label, marker, colour in ((0, "o", BLUE), (1, "s", BROWN), (2, "^", BROWN)):
        axes.plot(*OTHERS[LABELS[1:] == label].T, marker, color=colour, markersize=6)
    axes.set_title("loss where a blue row stands; -gradient")


def _along(axes: Any, module: Any, name: str) -> None:
    """The loss and its slope as the row goes around the circle through its positives."""
    angle, constants = np.linspace(-np.pi, np.pi, 181), _known(module.loss, FIELDS.get(name, {}))
    values = []
    for a in angle:
        batch = np.concatenate([1.25 * np.array([[np.cos(a), np.sin(a)]]), OTHERS])
        values.append(float(module.loss(batch, LABELS, **constants)))
    axes.plot(angle, values, color=BLUE, linewidth=1.3)
    for row, label in zip(OTHERS, LABELS[1:], strict=True):
        axes.axvline(np.arctan2(row[1], row[0]), color=BLUE if label == 0 else BROWN, linestyle=":", linewidth=1)
    title = "loss along the circle; dotted: the others"
    axes.set(xlabel="angle of the row", title=title + (f"\n{_label(constants)}" if constants else ""))


def _plane(axes: Any, module: Any, name: str) -> None:
    """The loss of one positive and one negative similarity, with the line where it is log 2."""
    function = module.loss_similarities
    s_n, s_p = np.meshgrid(np.linspace(-0.5, 1, 121), np.linspace(-0.2, 1.2, 121))
    value = np.asarray(function(s_p[..., None], s_n[..., None], **_known(function, {"gamma": 16.0})))
    axes.contourf(s_n, s_p, value, levels=14, cmap="Blues")
    axes.contour(s_n, s_p, value, levels=[np.log(2)], colors=[BROWN], linewidths=1.4)
    if hasattr(module, "boundary_radius"):
        r, angle = float(module.boundary_radius(0.25)), np.linspace(0, 2 * np.pi, 200)
        axes.plot(r * np.cos(angle), 1 + r * np.sin(angle), color="0.3", linestyle=":", linewidth=1)
    axes.set(xlabel="s_n", ylabel="s_p", title="one pair of similarities; the boundary")


def _figure(pyplot: Any, module: Any, name: str, kind_: str) -> Any:
    from refengine.losses import boundaries

    if kind_ == "head":
        panels = [_target if _has_target(module) else _rising, *[_boundary] * hasattr(boundaries, name), _classes]
    else:
        panels = [*[_plane] * hasattr(module, "loss_similarities"), _along, _moving]
    figure, all_axes = pyplot.subplots(1, len(panels), figsize=(3.0 * len(panels), 2.9), layout="constrained")
    for axes, panel in zip(all_axes, panels, strict=True):
        panel(axes, module, name)
        small(axes)
    return figure


def draw_all(app: Any) -> None:
    """Draw every picture that does not exist yet or is older than what it is drawn from."""
    package = Path(importlib.import_module("refengine.losses").__path__[0])
    names = [file.stem for file in sorted(package.glob("[!_]*.py")) if kind(f"losses.{file.stem}")]
    by_kind = {name: partial(_figure, name=name, kind_=kind(f"losses.{name}")) for name in names}
    draw_family("losses", "loss", by_kind | DRAWN)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", draw_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
