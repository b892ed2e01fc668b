"""Pictures of attention: who looks at whom, for sentences that are about in the same order."""

from __future__ import annotations

from typing import Any

import numpy as np
from drawing import BLUE, BROWN, GREY, in_row, small

QUERIES, KEYS = 8, 12


def sentences() -> tuple[Any, Any]:
    """States of a target and of a source sentence whose words are about in the same order."""
    rng = np.random.default_rng(4)
    frequencies = np.array([0.12, 0.21, 0.37, 0.6])
    q, k = (np.arange(n)[:, None] * step * frequencies for n, step in ((QUERIES, 11 / 7), (KEYS, 1.0)))
    q, k = (np.concatenate([np.cos(x), np.sin(x)], axis=1) for x in (q, k))
    return 1.6 * q + 0.3 * rng.normal(size=q.shape), k + 0.35 * rng.normal(size=k.shape)


def maps(pyplot: Any, panels: dict[str, Any], width: float = 2.5, height: float = 2.3, **options: Any) -> Any:
    """Matrices of queries by keys beside each other."""
    figure, all_axes = in_row(pyplot, len(panels), height, width)
    for axes, (title, matrix) in zip(all_axes, panels.items(), strict=True):
        one_map(axes, matrix, title, **options)
    return figure


def one_map(axes: Any, matrix: Any, title: str, **options: Any) -> None:
    axes.imshow(matrix, **{"cmap": "Blues", "vmin": 0, "vmax": 1, "aspect": "auto"} | options)
    axes.set(title=title, xlabel="key", ylabel="query")
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
    return maps(pyplot, panels)


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
    figure = maps(pyplot, panels, width=2.05, height=2.0, vmax=1.6)
    for axes in figure.axes:
        axes.set_xticks(np.arange(-0.5, 9), minor=True)
        axes.set_yticks(np.arange(-0.5, 9), minor=True)
        axes.grid(which="minor", color="0.85", linewidth=0.5)
        axes.set(aspect="equal", xlim=(-0.5, axes.images[0].get_array().shape[1] - 0.5))
        axes.set_ylim(axes.images[0].get_array().shape[0] - 0.5, -0.5)
        axes.title.set_fontsize(7)
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

    q, k = sentences()
    scores, v, position = luong.score_dot(q, k), np.eye(KEYS), _position_weights(q)
    panels = {
        "global": luong.attention(q, k, v),
        "local-m": module.monotonic(scores, v, half_width=2),
        "local-p": module.predictive(scores, v, q, *position, half_width=2),
        "local-p, renormalised": module.predictive(scores, v, q, *position, half_width=2, renormalize=True),
    }
    figure = maps(pyplot, panels, width=2.2)
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
    q, k = sentences()
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
    return maps(pyplot, panels, width=2.2)


def multi_head(pyplot: Any, module: Any) -> Any:
    """Four heads with projections of their own, two of which share the keys of a head: what each gives to the keys."""
    q, k = sentences()
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
    return maps(pyplot, panels, width=2.2)


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
    figure = maps(pyplot, panels, width=1.7, height=1.9)
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
    figure, (weights, sums, slopes) = in_row(pyplot, 3, height=2.4, width=2.9)
    one_map(weights, alpha, "weights", vmax=0.6)
    sums.bar(np.arange(10), alpha.sum(axis=0), color=BLUE)
    sums.axhline(1, color=GREY, linestyle=":")
    sums.set(title=f"sums; the penalty is {float(module.doubly_stochastic_penalty(alpha)):.2f}", xlabel="location")
    one_map(slopes, -module.doubly_stochastic_penalty_vjp(1.0, alpha)[0], "-gradient", cmap="RdBu", vmin=-2, vmax=2)
    for axes in (weights, slopes):
        axes.set(xlabel="location", ylabel="step")
    small(sums)
    return figure
