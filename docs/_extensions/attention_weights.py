"""Pictures of attention: from scores to weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from drawing import BLUE, in_row, plot_curves, small

ORDERS = (1.0, 1.25, 1.5, 2.0)
SCORES = np.array([1.4, 1.1, 0.6, 0.3, -0.2, -0.9])


def _sparse(pyplot: Any, functions: dict[str, Any], slopes: dict[str, Any], counted: Callable[..., Any]) -> Any:
    figure, (values, derivatives, row, support) = in_row(pyplot, 4, width=2.3)
    t = np.linspace(-3, 3, 601)
    two = np.stack([t, np.zeros_like(t)], axis=1)
    first = np.broadcast_to([1.0, 0.0], two.shape)
    plot_curves(values, t, {name: f(two)[:, 0] for name, f in functions.items()}, "weight of t against 0", xlabel="t")
    plot_curves(derivatives, t, {name: f(first, two)[:, 0] for name, f in slopes.items()}, "its derivative", xlabel="t")
    derivatives.get_legend().remove()
    for i, f in enumerate(functions.values()):
        row.bar(np.arange(6) + (i + 0.5) * 0.8 / len(functions) - 0.4, f(SCORES), 0.8 / len(functions))
    row.set(title="weights of six scores", xticks=range(6), xticklabels=[f"{v:g}" for v in SCORES])
    a, b = np.meshgrid(np.linspace(-3, 3, 301), np.linspace(-3, 3, 301))
    count = np.sum(counted(np.stack([a, b, 0 * a], axis=-1)) > 0, axis=-1)
    support.contourf(a, b, count, levels=[0.5, 1.5, 2.5, 3.5], colors=["#dfe9f2", "#93b8d6", BLUE])
    for text, place in (("3", (0, 0)), ("1", (2.5, -2.3)), ("1", (-2.3, 2.5)), ("1", (-2.5, -2.5)), ("2", (2.4, 2.4))):
        support.text(*place, text, fontsize=8, color="w" if text == "3" else "k", ha="center", va="center")
    support.set(xlabel="a", ylabel="b", aspect="equal", title="weights that are not 0")
    for axes in (row, support):
        small(axes)
    return figure


def entmax(pyplot: Any, module: Any) -> Any:
    """From softmax (alpha = 1) to sparsemax (alpha = 2). Left: the first weight of the scores (t, 0) and its slope;
    middle: a row of scores; right: how many weights of (a, b, 0) are not 0 at alpha = 3/2.
    """
    functions = {f"alpha = {a:g}": partial(module.entmax, alpha=a) for a in ORDERS}
    slopes = {name: lambda g, z, a=a: module.entmax_vjp(g, z, a)[0] for name, a in zip(functions, ORDERS, strict=True)}
    return _sparse(pyplot, functions, slopes, partial(module.entmax, alpha=1.5))


def softmax(pyplot: Any, module: Any) -> Any:
    """Softmax of the same six scores times a growing factor: from the mean to the largest alone, never 0."""
    figure, all_axes = in_row(pyplot, 4, height=2.2, width=2.2)
    for axes, factor in zip(all_axes, (0.3, 1.0, 3.0, 10.0), strict=True):
        axes.bar(np.arange(6), module.softmax(factor * SCORES), color=BLUE)
        axes.set(title=f"times {factor:g}", ylim=(0, 1), xticks=range(6), xticklabels=[f"{v:g}" for v in SCORES])
        small(axes)
    return figure


def sparsemax(pyplot: Any, module: Any) -> Any:
    """Sparsemax beside softmax and entmax of order 3/2. Left: the first weight of the scores (t, 0) and its slope;
    middle: a row of scores; right: how many weights of (a, b, 0) are not 0.
    """
    from refengine.attention import entmax, softmax

    functions = {"sparsemax": module.sparsemax, "entmax, 3/2": entmax.entmax, "softmax": softmax.softmax}
    backwards = (module.sparsemax_vjp, entmax.entmax_vjp, softmax.softmax_vjp)
    slopes = {name: lambda g, z, f=f: f(g, z)[0] for name, f in zip(functions, backwards, strict=True)}
    return _sparse(pyplot, functions, slopes, module.sparsemax)
