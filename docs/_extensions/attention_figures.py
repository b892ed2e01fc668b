"""The picture on each attention module's page, drawn by the library itself; its docstring is the caption.

A module is drawn by the function of its name here; one without has no picture.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from drawing import BLUE, BROWN, GREY, caption, draw_family, small

QUERIES, KEYS = 8, 12


def _sentences() -> tuple[Any, Any]:
    """States of a target and of a source sentence whose words are about in the same order."""
    rng = np.random.default_rng(4)
    frequencies = np.array([0.12, 0.21, 0.37, 0.6])
    q, k = (np.arange(n)[:, None] * step * frequencies for n, step in ((QUERIES, 11 / 7), (KEYS, 1.0)))
    q, k = (np.concatenate([np.cos(x), np.sin(x)], axis=1) for x in (q, k))
    return 1.6 * q + 0.3 * rng.normal(size=q.shape), k + 0.35 * rng.normal(size=k.shape)


def _row(pyplot: Any, count: int, height: float = 2.7, width: float = 2.5) -> tuple[Any, Any]:
    figure, axes = pyplot.subplots(1, count, figsize=(width * count, height), layout="constrained", squeeze=False)
    return figure, axes[0]


def _maps(pyplot: Any, panels: dict[str, Any], width: float = 2.5, height: float = 2.3, **options: Any) -> Any:
    """Matrices of queries by keys beside each other."""
    figure, all_axes = _row(pyplot, len(panels), height, width)
    for axes, (title, matrix) in zip(all_axes, panels.items(), strict=True):
        _map(axes, matrix, title, **options)
    return figure


def _map(axes: Any, matrix: Any, title: str, **options: Any) -> None:
    axes.imshow(matrix, **{"cmap": "Blues", "vmin": 0, "vmax": 1, "aspect": "auto"} | options)
    axes.set(title=title, xlabel="key", ylabel="query")
    small(axes)


def _curves(axes: Any, x: Any, curves: dict[str, Any], title: str, **labels: str) -> None:
    for name, y in curves.items():
        axes.plot(x, y, linewidth=1.3, label=name)
    axes.set(title=title, **labels)
    axes.legend(frameon=False, fontsize=6)
    small(axes)


def additive(pyplot: Any, module: Any) -> Any:
    """Weights for states of one number, the position: two tanh units with biases make a score that is large where
    query and key agree, and the gain of the normalised vector says how much so.
    """
    q, k = np.linspace(0, KEYS - 1, QUERIES)[:, None], np.arange(KEYS)[:, None] * 1.0
    one = np.ones((2, 1))
    panels = {}
    for gain in (1.0, 4.0, 16.0):
        bump = {"w_score": np.array([1.0, -1.0]), "bias": np.array([1.5, -1.5]), "gain": gain}
        panels[f"gain {gain:g}"] = module.attention(q, k, np.eye(KEYS), one, -one, **bump)
    return _maps(pyplot, panels)


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
    return _maps(pyplot, panels, cmap="RdBu", vmin=-2, vmax=2, width=2.2)


def baselines(pyplot: Any, module: Any) -> Any:
    """The variance of the score-function estimate over the baseline, dotted the optimal one and dashed the mean reward.
    Where one position is nearly certain the optimal baseline is far from the mean.
    """
    f = np.array([-2.0, -1.0, -0.5])
    figure, all_axes = _row(pyplot, 3)
    grid = np.linspace(-3, 1, 201)
    for axes, z in zip(all_axes, ([0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [5.0, 0.0, 0.0]), strict=True):
        axes.semilogy(grid, module.variance(z, f, grid), color=BLUE, linewidth=1.4)
        p = np.exp(z) / np.sum(np.exp(z))
        axes.axvline(float(module.optimal(z, f)), color=BROWN, linestyle=":")
        axes.axvline(float(p @ f), color=GREY, linestyle="--", linewidth=1)
        axes.set(xlabel="baseline", title="p = " + ", ".join(f"{v:.2g}" for v in p))
        small(axes)
    all_axes[0].set_ylabel("variance; f = -2, -1, -1/2", fontsize=8)
    return figure


def control_variates(pyplot: Any, module: Any) -> Any:
    """The variance of REBAR over the weight of its control variate, from 4000 draws; the lines are exact, those of the
    score function without a baseline and with the best one.
    """
    from refengine.attention import baselines as exact

    f, scales = np.array([1.5, -0.25, 2.0]), np.linspace(0, 1.6, 17)
    figure, all_axes = _row(pyplot, 2, width=3.4)
    u, v = np.random.default_rng(3).uniform(size=(2, 4000, 3))
    for axes, z in zip(all_axes, (np.array([0.5, -1.0, 0.25]), np.array([3.0, -1.0, 0.25])), strict=True):
        for temperature in (0.1, 0.5, 2.0):
            spread = [
                np.sum(np.var(module.rebar(z, u, v, f, temperature=temperature, scale=scale), axis=0))
                for scale in scales
            ]
            axes.plot(scales, spread, linewidth=1.3, label=f"temperature {temperature:g}")
        axes.axhline(float(exact.variance(z, f, 0.0)), color=GREY, linestyle=":", label="no baseline")
        axes.axhline(
            float(exact.variance(z, f, exact.optimal(z, f))), color=GREY, linestyle="--", label="best baseline"
        )
        axes.set(xlabel="scale", title="p = " + ", ".join(f"{p:.2g}" for p in np.exp(z) / np.sum(np.exp(z))), ylim=0)
        small(axes)
    all_axes[0].set_ylabel("variance", fontsize=8)
    all_axes[0].legend(frameon=False, fontsize=6)
    return figure


def dot_product(pyplot: Any, module: Any) -> Any:
    """Which of nine keys each of six queries attends to; last, nine queries on six keys: three empty rows."""
    q, k = np.zeros((1, 6, 1)), np.zeros((1, 9, 1))
    rules: dict[str, dict[str, Any]] = {
        'causal, "top_left"': {"causal": True},
        'causal, "bottom_right"': {"causal": True, "alignment": "bottom_right"},
        'window (2, 0), "top_left"': {"window": (2, 0)},
        'window (1, 1), "bottom_right"': {"window": (1, 1), "alignment": "bottom_right"},
    }
    panels = {title: module.weights(q, k, **rule)[0] > 0 for title, rule in rules.items()}
    few = module.weights(np.zeros((1, 9, 1)), np.zeros((1, 6, 1)), causal=True, alignment="bottom_right")[0] > 0
    panels['9 on 6, causal, "bottom_right"'] = few
    figure = _maps(pyplot, panels, width=2.05, height=2.0, vmax=1.6)
    for axes in figure.axes:
        axes.set_xticks(np.arange(-0.5, 9), minor=True)
        axes.set_yticks(np.arange(-0.5, 9), minor=True)
        axes.grid(which="minor", color="0.85", linewidth=0.5)
        axes.set(aspect="equal", xlim=(-0.5, axes.images[0].get_array().shape[1] - 0.5))
        axes.set_ylim(axes.images[0].get_array().shape[0] - 0.5, -0.5)
        axes.title.set_fontsize(7)
    return figure


ORDERS = (1.0, 1.25, 1.5, 2.0)


def entmax(pyplot: Any, module: Any) -> Any:
    """From softmax (alpha = 1) to sparsemax (alpha = 2). Left: the first weight of the scores (t, 0) and its slope;
    middle: a row of scores; right: how many weights of (a, b, 0) are not 0 at alpha = 3/2.
    """
    functions = {f"alpha = {a:g}": partial(module.entmax, alpha=a) for a in ORDERS}
    slopes = {name: lambda g, z, a=a: module.entmax_vjp(g, z, a)[0] for name, a in zip(functions, ORDERS, strict=True)}
    return _sparse(pyplot, functions, slopes, partial(module.entmax, alpha=1.5))


def sparsemax(pyplot: Any, module: Any) -> Any:
    """Sparsemax beside softmax and entmax of order 3/2. Left: the first weight of the scores (t, 0) and its slope;
    middle: a row of scores; right: how many weights of (a, b, 0) are not 0.
    """
    from refengine.attention import entmax, softmax

    functions = {"sparsemax": module.sparsemax, "entmax, 3/2": entmax.entmax, "softmax": softmax.softmax}
    backwards = (module.sparsemax_vjp, entmax.entmax_vjp, softmax.softmax_vjp)
    slopes = {name: lambda g, z, f=f: f(g, z)[0] for name, f in zip(functions, backwards, strict=True)}
    return _sparse(pyplot, functions, slopes, module.sparsemax)


def _sparse(pyplot: Any, functions: dict[str, Any], slopes: dict[str, Any], counted: Callable[..., Any]) -> Any:
    figure, (values, derivatives, row, support) = _row(pyplot, 4, width=2.3)
    t = np.linspace(-3, 3, 601)
    two = np.stack([t, np.zeros_like(t)], axis=1)
    first = np.broadcast_to([1.0, 0.0], two.shape)
    _curves(values, t, {name: f(two)[:, 0] for name, f in functions.items()}, "weight of t against 0", xlabel="t")
    _curves(derivatives, t, {name: f(first, two)[:, 0] for name, f in slopes.items()}, "its derivative", xlabel="t")
    derivatives.get_legend().remove()
    z = np.array([1.4, 1.1, 0.6, 0.3, -0.2, -0.9])
    for i, f in enumerate(functions.values()):
        row.bar(np.arange(6) + (i + 0.5) * 0.8 / len(functions) - 0.4, f(z), 0.8 / len(functions))
    row.set(title="weights of six scores", xticks=range(6), xticklabels=[f"{v:g}" for v in z])
    a, b = np.meshgrid(np.linspace(-3, 3, 301), np.linspace(-3, 3, 301))
    count = np.sum(counted(np.stack([a, b, 0 * a], axis=-1)) > 0, axis=-1)
    support.contourf(a, b, count, levels=[0.5, 1.5, 2.5, 3.5], colors=["#dfe9f2", "#93b8d6", BLUE])
    for text, place in (("3", (0, 0)), ("1", (2.5, -2.3)), ("1", (-2.3, 2.5)), ("1", (-2.5, -2.5)), ("2", (2.4, 2.4))):
        support.text(*place, text, fontsize=8, color="w" if text == "3" else "k", ha="center", va="center")
    support.set(xlabel="a", ylabel="b", aspect="equal", title="weights that are not 0")
    for axes in (row, support):
        small(axes)
    return figure


def softmax(pyplot: Any, module: Any) -> Any:
    """Softmax of the same six scores times a growing factor: from the mean to the largest alone, never 0."""
    z = np.array([1.4, 1.1, 0.6, 0.3, -0.2, -0.9])
    figure, all_axes = _row(pyplot, 4, height=2.2, width=2.2)
    for axes, factor in zip(all_axes, (0.3, 1.0, 3.0, 10.0), strict=True):
        axes.bar(np.arange(6), module.softmax(factor * z), color=BLUE)
        axes.set(title=f"times {factor:g}", ylim=(0, 1), xticks=range(6), xticklabels=[f"{v:g}" for v in z])
        small(axes)
    return figure


def _corners(y: Any) -> tuple[Any, Any]:
    """Where points of the simplex of three lie on paper."""
    return y[..., 1] + y[..., 2] / 2, np.sqrt(0.75) * y[..., 2]


def gumbel_softmax(pyplot: Any, module: Any) -> Any:
    """300 relaxed choices among three positions of probabilities 0.6, 0.3, 0.1 (lower left, lower right, top)."""
    temperatures = (2.0, 1.0, 0.5, 0.1)
    u = module.noise(np.random.default_rng(0), (300, 3))
    figure, all_axes = _row(pyplot, len(temperatures), height=2.2, width=2.2)
    for axes, temperature in zip(all_axes, temperatures, strict=True):
        axes.plot(*_corners(np.eye(3)[[0, 1, 2, 0]]), color=GREY, linewidth=0.8)
        y = module.sample(np.log([0.6, 0.3, 0.1]), u, temperature=temperature)
        axes.scatter(*_corners(y), s=4, c=np.array([BLUE, BROWN, "#4d8a3a"])[np.argmax(y, axis=1)], alpha=0.6)
        axes.set(aspect="equal", title=f"temperature {temperature:g}", xticks=[], yticks=[])
        small(axes)
    return figure


def gumbel_top_k(pyplot: Any, module: Any) -> Any:
    """Forty draws of three different positions among ten, darker the earlier, and how often each is among them."""
    z = np.array([2.0, 1.2, 0.8, 0.4, 0.0, -0.4, -0.8, -1.2, -2.0, -np.inf])
    places = module.sample(z, module.noise(np.random.default_rng(0), (4000, 10)), k=3)
    figure, (drawn, share) = _row(pyplot, 2, height=2.6, width=3.6)
    for order, colour in enumerate(("#123c5a", "#4d8fc0", "#b9d5ea")):
        drawn.plot(np.arange(40), places[:40, order], "s", color=colour, markersize=4)
    drawn.set(xlabel="draw", ylabel="position", ylim=(9.5, -0.5))
    counts = [np.bincount(places[:, order], minlength=10) / len(places) for order in range(3)]
    for order, colour in enumerate(("#123c5a", "#4d8fc0", "#b9d5ea")):
        below = np.sum(counts[:order], axis=0)
        share.barh(np.arange(10), counts[order], left=below, color=colour, label=("first", "second", "third")[order])
    share.set(xlabel="share of 4000 draws", ylim=(9.5, -0.5), yticks=[])
    share.legend(frameon=False, fontsize=7)
    for axes in (drawn, share):
        small(axes)
    return figure


def hard(pyplot: Any, module: Any) -> Any:
    """The weights of soft attention, three draws of hard attention with these probabilities, and the share of 1000."""
    from refengine.attention import luong

    q, k = _sentences()
    scores = luong.score_dot(q, k)
    p = luong.attention(q, k, np.eye(KEYS))
    rng = np.random.default_rng(2)
    figure = _maps(
        pyplot, {"probabilities": p, "three draws": 0.35 * p, "share of 1000 draws": _shares(module, scores)}
    )
    for height, colour in ((-0.25, BROWN), (0.0, "#4d8a3a"), (0.25, "k")):
        places = module.sample(scores, module.noise(rng, (QUERIES,)))
        figure.axes[1].plot(places, np.arange(QUERIES) + height, "o", color=colour, markersize=3)
    return figure


def _shares(module: Any, scores: Any) -> Any:
    u = module.noise(np.random.default_rng(1), (1000, QUERIES))
    return np.mean(module.sample(scores, u)[..., None] == np.arange(KEYS), axis=0)


def leave_one_out(pyplot: Any, module: Any) -> Any:
    """The variance of the mean of M score-function estimates, enumerated: without a baseline, with the mean reward as
    an (unknown) baseline, and with the mean of the other rewards.
    """
    from refengine.attention import baselines, hard

    f, samples = np.array([-2.0, -1.0, -0.5]), (2, 3, 4, 5)
    figure, all_axes = _row(pyplot, 2, width=3.4)
    for axes, z in zip(all_axes, (np.zeros(3), np.array([2.0, 0.0, 0.0])), strict=True):
        p = np.exp(z) / np.sum(np.exp(z))
        mean, middle = hard.expected_vjp(1.0, z, f)[0], np.cumsum(p) - p / 2
        found = []
        for m in samples:
            s = np.array(list(product(range(3), repeat=m)))
            apart = module.score_function(z, middle[s], f[s]) - mean
            found.append(np.sum(np.prod(p[s], axis=1) * np.sum(apart**2, axis=1)))
        for name, b in (("no baseline", 0.0), ("mean reward", float(p @ f))):
            axes.semilogy(samples, [float(baselines.variance(z, f, b)) / m for m in samples], "o-", label=name)
        axes.semilogy(samples, found, "o-", label="leave one out")
        axes.set(xlabel="M", title="p = " + ", ".join(f"{v:.2g}" for v in p), xticks=samples)
        small(axes)
    all_axes[0].set_ylabel("variance; f = -2, -1, -1/2", fontsize=8)
    all_axes[0].legend(frameon=False, fontsize=7)
    return figure


def _position_weights(q: Any) -> tuple[Any, Any]:
    """w_position and v_position that put the centres along the diagonal, slower at the ends."""
    share = (np.arange(QUERIES) + 0.5) / QUERIES
    units = np.arctanh(np.log(share / (1 - share)) / 4)
    return (np.linalg.pinv(q) @ units)[None], np.array([4.0])


def local(pyplot: Any, module: Any) -> Any:
    """The same scores under global attention, local-m and local-p with a window of two words on either side; crosses
    are the centres. Of the weights of local-p only the renormalised ones add up to 1.
    """
    from refengine.attention import luong

    q, k = _sentences()
    scores, v, position = luong.score_dot(q, k), np.eye(KEYS), _position_weights(q)
    panels = {
        "global": luong.attention(q, k, v),
        "local-m": module.monotonic(scores, v, half_width=2),
        "local-p": module.predictive(scores, v, q, *position, half_width=2),
        "local-p, renormalised": module.predictive(scores, v, q, *position, half_width=2, renormalize=True),
    }
    figure = _maps(pyplot, panels, width=2.2)
    w, heights = position
    centres = KEYS / (1 + np.exp(-np.tanh(q @ w.T) @ heights))
    for axes in figure.axes[2:]:
        axes.plot(centres - 1, np.arange(QUERIES), "x", color=BROWN, markersize=4)
    figure.axes[1].plot(np.arange(QUERIES), np.arange(QUERIES), "x", color=BROWN, markersize=4)
    return figure


def luong(pyplot: Any, module: Any) -> Any:
    """Global weights of the same states by the scores dot, general (with a random matrix near the unit matrix) and
    concat (with random weights), and by the position alone.
    """
    q, k = _sentences()
    rng = np.random.default_rng(1)
    v, width = np.eye(KEYS), q.shape[1]
    general = np.eye(width) + 0.3 * rng.normal(size=(width, width))
    first = rng.normal(size=(24, width)) / 2
    concat = {"weight": np.concatenate([first, -first], axis=1), "w_score": rng.normal(size=24)}
    places = 0.8 * k + 0.2 * rng.normal(size=k.shape)
    panels = {
        "dot": module.attention(q, k, v),
        "general": module.attention(q, k, v, general, score="general"),
        "concat": module.attention(q, k, v, **concat, score="concat"),
        "location": module.location_weights(q, places),
    }
    return _maps(pyplot, panels, width=2.2)


def multi_head(pyplot: Any, module: Any) -> Any:
    """Four heads with projections of their own, two of which share the keys of a head: what each gives to the keys."""
    q, k = _sentences()
    rng = np.random.default_rng(0)
    width = q.shape[1]
    w_query = np.eye(width) + 0.5 * rng.normal(size=(4, width, width))
    w_key = 2 * (np.eye(width) + 0.5 * rng.normal(size=(2, width, width)))
    w_value = np.broadcast_to(np.eye(KEYS), (2, KEYS, KEYS))
    panels = {}
    for head in range(4):
        w_output = np.zeros((KEYS, 4, KEYS))
        w_output[:, head] = np.eye(KEYS)
        found = module.attention(q, k, np.eye(KEYS), w_query, w_key, w_value, w_output)
        panels[f"head {head}, keys of head {head // 2}"] = found
    return _maps(pyplot, panels, width=2.2)


def paths(pyplot: Any, module: Any) -> Any:
    """A tree of three steps among two positions. Lines are as wide as their path is probable, the cotangents of the
    leaves; colours are the derivatives to the logits, blue where more probability would raise the expectation.
    """
    logits = np.array([[0.5, -0.5], [1.0, 0.0], [-1.0, 0.5], [0.0, 2.0], [0.3, 0.0], [0.0, 0.0], [1.0, -1.5]])
    f = np.array([-1.0, 2.0, 0.5, 1.0, -2.0, 0.0, 3.0, 1.0])
    slopes, leaves = module.expected_tree_vjp(1.0, logits, f)
    figure, (axes,) = _row(pyplot, 1, height=3.0, width=6.4)
    top = np.max(np.abs(slopes))
    for level in range(3):
        reached = leaves.reshape(2 ** (level + 1), -1).sum(axis=1)
        for child, chance in enumerate(reached):
            node = 2**level - 1 + child // 2
            places = [(child // 2 + 0.5) / 2**level, (child + 0.5) / 2 ** (level + 1)]
            slope = slopes[node, child % 2] / top
            colour = BLUE if slope > 0 else BROWN
            axes.plot(
                [level, level + 1], places, color=colour, linewidth=0.5 + 12 * chance, alpha=0.25 + 0.75 * abs(slope)
            )
    for leaf, value in enumerate(f):
        axes.text(3.04, (leaf + 0.5) / 8, f"f = {value:g}, {leaves[leaf]:.0%}", fontsize=7, va="center")
    value = float(module.expected_tree(logits, f))
    axes.set(xlim=(-0.1, 3.7), xticks=range(4), yticks=[], xlabel="steps", title=f"expectation {value:.3f}")
    small(axes)
    return figure


def relative_position(pyplot: Any, module: Any) -> Any:
    """Left: T5's bucket of a distance, in both directions and in the decoder; middle: a table of T5 as the bias of a
    head; right: the rows of a table of Shaw's that pairs of query and key use, clipped at a distance of 3.
    """
    figure, (buckets, bias, shaw) = _row(pyplot, 3, width=2.9)
    away = np.arange(-150, 151)
    both = module.t5_buckets(queries=151, keys=301)[150]
    past = module.t5_buckets(queries=151, keys=301, bidirectional=False)[150]
    _curves(buckets, away, {"bidirectional": both, "decoder": past}, "bucket", xlabel="key minus query")
    table = np.array([[2.0, 1.5, 1.0, 0.5, 0.0, -0.5, -1.0, -1.5, 2.0, 1.0, 0.5, 0.0, -0.5, -1.0, -1.5, -2.0]]).T
    _map(bias, module.t5_bias(table, queries=24, keys=24, max_distance=16)[0], "bias", cmap="RdBu", vmin=-2, vmax=2)
    rows = module.shaw_scores(np.ones((8, 1)), np.arange(-3.0, 4.0)[:, None], keys=8)
    _map(shaw, rows, "clipped distance", cmap="RdBu", vmin=-4, vmax=4)
    for (i, j), value in np.ndenumerate(rows):
        shaw.text(j, i, f"{value:g}", fontsize=6, ha="center", va="center")
    return figure


def rotary(pyplot: Any, module: Any) -> Any:
    """Left: the cosine of the angle by which each pair of 32 features is turned; right: the product of a query and a
    key that were equal before they were turned, over their distance: the same wherever they stand.
    """
    width, last = 32, 128
    figure, (angles, products) = _row(pyplot, 2, height=2.6, width=3.6)
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
    _curves(products, positions, curves, "product of equal vectors", xlabel="distance")
    small(angles)
    return figure


def self_attention(pyplot: Any, module: Any) -> Any:
    """Weights of one head in a batch of three sequences, of 9, 6 and 3 tokens, all and causal: padding is not looked at
    and looks at nothing.
    """
    rng = np.random.default_rng(1)
    length, width, lengths = 9, 6, (9, 6, 3)
    words = rng.normal(size=(3, length, width))
    x = np.concatenate([words, np.broadcast_to(np.eye(length), (3, length, length))], axis=2)
    w_query = np.eye(width + length)[:width]
    w_value = np.eye(width + length)[width:]
    w_output = np.eye(length)[:, None, :]
    panels = {}
    for causal in (False, True):
        weights = (w_query[None], w_query[None], w_value[None], w_output)
        found = module.attention(x, *weights, lengths=np.array(lengths), causal=causal)
        panels |= {f"{n} tokens" + ", causal" * causal: found[i] for i, n in enumerate(lengths)}
    figure = _maps(pyplot, panels, width=1.7, height=1.9)
    for axes in figure.axes:
        axes.set(xticks=[0, 4, 8], yticks=[0, 4, 8])
    return figure


def soft(pyplot: Any, module: Any) -> Any:
    """Left: weights of 10 locations in six steps; middle: the attention that each location gets over all steps, which
    the doubly stochastic penalty draws to 1; right: minus the gradient of the penalty to the weights.
    """
    rng = np.random.default_rng(3)
    scores = np.array([1.8, 1.2, 0.0, 0.4, -1.0, 0.0, 0.8, -0.5, 0.0, -1.5]) + 0.9 * rng.normal(size=(6, 10))
    alpha = module.context(scores, np.eye(10))
    figure, (weights, sums, slopes) = _row(pyplot, 3, height=2.4, width=2.9)
    _map(weights, alpha, "weights", vmax=0.6)
    sums.bar(np.arange(10), alpha.sum(axis=0), color=BLUE)
    sums.axhline(1, color=GREY, linestyle=":")
    sums.set(title=f"sums; the penalty is {float(module.doubly_stochastic_penalty(alpha)):.2f}", xlabel="location")
    _map(slopes, -module.doubly_stochastic_penalty_vjp(1.0, alpha)[0], "-gradient", cmap="RdBu", vmin=-2, vmax=2)
    for axes in (weights, slopes):
        axes.set(xlabel="location", ylabel="step")
    small(sums)
    return figure


def xu(pyplot: Any, module: Any) -> Any:
    """Left: the moving-average baseline behind log-likelihoods that rise; right: the objective of two positions over
    the difference of their logits: the entropy keeps its maximum, the dot, finite.
    """
    figure, (average, objective) = _row(pyplot, 2, width=3.6)
    rng = np.random.default_rng(0)
    rewards = -2.3 * np.exp(-np.arange(120) / 40) - 0.2 + 0.25 * rng.normal(size=120)
    average.plot(rewards, ".", color=GREY, markersize=3, label="log-likelihood")
    for decay in (0.9, 0.99):
        baseline, found = 0.0, []
        for reward in rewards:
            baseline = float(module.moving_average(baseline, reward, decay=decay))
            found.append(baseline)
        average.plot(found, linewidth=1.3, label=f"decay {decay:g}")
    average.set(xlabel="batch", title="baseline")
    average.legend(frameon=False, fontsize=7)
    t = np.linspace(-3, 12, 301)
    logits = np.stack([t, np.zeros_like(t)], axis=1)
    for weight in (0.0, 0.1, 0.3, 1.0):
        value = module.objective(logits, np.array([-0.5, -1.5]), entropy_weight=weight)
        (line,) = objective.plot(t, value, linewidth=1.3, label=f"entropy weight {weight:g}")
        if weight:
            objective.plot(t[np.argmax(value)], value.max(), "o", markersize=4, color=line.get_color())
    objective.set(xlabel="difference of the logits", title="objective")
    objective.legend(frameon=False, fontsize=7)
    for axes in (average, objective):
        small(axes)
    return figure


DRAWN: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        additive,
        alibi,
        baselines,
        control_variates,
        dot_product,
        entmax,
        gumbel_softmax,
        gumbel_top_k,
        hard,
        leave_one_out,
        local,
        luong,
        multi_head,
        paths,
        relative_position,
        rotary,
        self_attention,
        soft,
        softmax,
        sparsemax,
        xu,
    )
}


def picture(module: str) -> tuple[str, str] | None:
    """The name of a module's picture in the folder of generated files, and its caption; None where it has none."""
    family, _, name = module.rpartition(".")
    return (f"attention_{name}.svg", caption(DRAWN[name])) if family == "attention" and name in DRAWN else None


def draw_all(app: Any) -> None:
    """Draw every picture that does not exist yet or is older than what it is drawn from."""
    draw_family("attention", "attention", DRAWN, __file__)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", draw_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
