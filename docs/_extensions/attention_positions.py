"""Pictures of attention: what the distance of a key does to its score."""

from __future__ import annotations

from typing import Any

import numpy as np
from attention_maps import maps, one_map
from drawing import in_row, plot_curves, small


def alibi(pyplot: Any, module: Any) -> Any:
    """The bias of two of four heads, by the paper's line, by its absolute value, and counted from the last key."""
    slopes = np.array(module.slopes(4))
    size = {"queries": 6, "keys": 9}
    signed = module.bias(slopes, **size)
    panels = {
        f"head 1, slope {slopes[0]:g}": signed[0],
        f"head 2, slope {slopes[1]:g}": signed[1],
        'distance="absolute"': module.bias(slopes, **size, distance="absolute")[0],
        'alignment="bottom_right"': module.bias(slopes, **size, alignment="bottom_right")[0],
    }
    return maps(pyplot, panels, cmap="RdBu", vmin=-2, vmax=2, width=2.2)


def relative_position(pyplot: Any, module: Any) -> Any:
    """Left: T5's bucket of a distance, in both directions and in the decoder; middle: a table of T5 as the bias of a
    head; right: the rows of a table of Shaw's that pairs of query and key use, clipped at a distance of 3.
    """
    figure, (buckets, bias, shaw) = in_row(pyplot, 3, width=2.9)
    away = np.arange(-150, 151)
    both = module.t5_buckets(queries=151, keys=301)[150]
    past = module.t5_buckets(queries=151, keys=301, bidirectional=False)[150]
    plot_curves(buckets, away, {"bidirectional": both, "decoder": past}, "bucket", xlabel="key minus query")
    table = np.array([[2.0, 1.5, 1.0, 0.5, 0.0, -0.5, -1.0, -1.5, 2.0, 1.0, 0.5, 0.0, -0.5, -1.0, -1.5, -2.0]]).T
    one_map(bias, module.t5_bias(table, queries=24, keys=24, max_distance=16)[0], "bias", cmap="RdBu", vmin=-2, vmax=2)
    rows = module.shaw_scores(np.ones((8, 1)), np.arange(-3.0, 4.0)[:, None], keys=8)
    one_map(shaw, rows, "clipped distance", cmap="RdBu", vmin=-4, vmax=4)
    for (i, j), value in np.ndenumerate(rows):
        shaw.text(j, i, f"{value:g}", fontsize=6, ha="center", va="center")
    return figure


def rotary(pyplot: Any, module: Any) -> Any:
    """Left: the cosine of the angle by which each pair of 32 features is turned; right: the product of a query and a
    key that were equal before they were turned, over their distance: the same wherever they stand.
    """
    width, last = 32, 128
    figure, (angles, products) = in_row(pyplot, 2, height=2.6, width=3.6)
    positions = np.arange(last)
    pairs = np.broadcast_to(np.arange(width) % 2 == 0, (last, width)) * 1.0
    turned = module.rotate(pairs, positions)
    angles.imshow(turned[:, ::2].T, cmap="RdBu", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    angles.set(xlabel="position", ylabel="pair of features", title="cosine of the angle")
    one = np.ones((last, width)) / np.sqrt(width)
    curves = {}
    for base in (100.0, 10_000.0):
        start = module.rotate(one[:1], np.array([1000.0]), base=base)
        curves[f"base {base:g}"] = module.rotate(one, 1000.0 + positions, base=base) @ start[0]
    plot_curves(products, positions, curves, "product of equal vectors", xlabel="distance")
    small(angles)
    return figure
