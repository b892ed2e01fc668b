"""Pictures of hard attention: what is drawn, and how far the estimates of the gradient scatter."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from attention_maps import KEYS, QUERIES, maps, sentences
from drawing import BLUE, BROWN, GREEN, GREY, in_row, small


def baselines(pyplot: Any, module: Any) -> Any:
    """The variance of the score-function estimate over the baseline, dotted the optimal one and dashed the mean reward.
    Where one position is nearly certain the optimal baseline is far from the mean.
    """
    f = np.array([-2.0, -1.0, -0.5])
    figure, all_axes = in_row(pyplot, 3)
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
    figure, all_axes = in_row(pyplot, 2, width=3.4)
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


def _corners(y: Any) -> tuple[Any, Any]:
    """Where points of the simplex of three lie on paper."""
    return y[..., 1] + y[..., 2] / 2, np.sqrt(0.75) * y[..., 2]


def gumbel_softmax(pyplot: Any, module: Any) -> Any:
    """300 relaxed choices among three positions of probabilities 0.6, 0.3, 0.1 (lower left, lower right, top)."""
    temperatures = (2.0, 1.0, 0.5, 0.1)
    u = module.noise(np.random.default_rng(0), (300, 3))
    figure, all_axes = in_row(pyplot, len(temperatures), height=2.2, width=2.2)
    for axes, temperature in zip(all_axes, temperatures, strict=True):
        axes.plot(*_corners(np.eye(3)[[0, 1, 2, 0]]), color=GREY, linewidth=0.8)
        y = module.sample(np.log([0.6, 0.3, 0.1]), u, temperature=temperature)
        axes.scatter(*_corners(y), s=4, c=np.array([BLUE, BROWN, GREEN])[np.argmax(y, axis=1)], alpha=0.6)
        axes.set(aspect="equal", title=f"temperature {temperature:g}", xticks=[], yticks=[])
        small(axes)
    return figure


def gumbel_top_k(pyplot: Any, module: Any) -> Any:
    """Forty draws of three different positions among ten, darker the earlier, and how often each is among them."""
    z = np.array([2.0, 1.2, 0.8, 0.4, 0.0, -0.4, -0.8, -1.2, -2.0, -np.inf])
    places = module.sample(z, module.noise(np.random.default_rng(0), (4000, 10)), k=3)
    colours = ("#123c5a", "#4d8fc0", "#b9d5ea")
    figure, (drawn, share) = in_row(pyplot, 2, height=2.6, width=3.6)
    for order, colour in enumerate(colours):
        drawn.plot(np.arange(40), places[:40, order], "s", color=colour, markersize=4)
    drawn.set(xlabel="draw", ylabel="position", ylim=(9.5, -0.5))
    counts = [np.bincount(places[:, order], minlength=10) / len(places) for order in range(3)]
    for order, colour in enumerate(colours):
        below = np.sum(counts[:order], axis=0)
        share.barh(np.arange(10), counts[order], left=below, color=colour, label=("first", "second", "third")[order])
    share.set(xlabel="share of 4000 draws", ylim=(9.5, -0.5), yticks=[])
    share.legend(frameon=False, fontsize=7)
    for axes in (drawn, share):
        small(axes)
    return figure


def _shares(module: Any, scores: Any) -> Any:
    u = module.noise(np.random.default_rng(1), (1000, QUERIES))
    return np.mean(module.sample(scores, u)[..., None] == np.arange(KEYS), axis=0)


def hard(pyplot: Any, module: Any) -> Any:
    """The weights of soft attention, three draws of hard attention with these probabilities, and the share of 1000."""
    from refengine.attention import luong

    q, k = sentences()
    scores = luong.score_dot(q, k)
    p = luong.attention(q, k, np.eye(KEYS))
    rng = np.random.default_rng(2)
    figure = maps(pyplot, {"probabilities": p, "three draws": 0.35 * p, "share of 1000 draws": _shares(module, scores)})
    for height, colour in ((-0.25, BROWN), (0.0, GREEN), (0.25, "k")):
        places = module.sample(scores, module.noise(rng, (QUERIES,)))
        figure.axes[1].plot(places, np.arange(QUERIES) + height, "o", color=colour, markersize=3)
    return figure


def leave_one_out(pyplot: Any, module: Any) -> Any:
    """The variance of the mean of M score-function estimates, enumerated: without a baseline, with the mean reward as
    an (unknown) baseline, and with the mean of the other rewards.
    """
    from refengine.attention import baselines, hard

    f, samples = np.array([-2.0, -1.0, -0.5]), (2, 3, 4, 5)
    figure, all_axes = in_row(pyplot, 2, width=3.4)
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


def paths(pyplot: Any, module: Any) -> Any:
    """A tree of three steps among two positions. Lines are as wide as their path is probable, the cotangents of the
    leaves; colours are the derivatives to the logits, blue where more probability would raise the expectation.
    """
    logits = np.array([[0.5, -0.5], [1.0, 0.0], [-1.0, 0.5], [0.0, 2.0], [0.3, 0.0], [0.0, 0.0], [1.0, -1.5]])
    f = np.array([-1.0, 2.0, 0.5, 1.0, -2.0, 0.0, 3.0, 1.0])
    slopes, leaves = module.expected_tree_vjp(1.0, logits, f)
    figure, (axes,) = in_row(pyplot, 1, height=3.0, width=6.4)
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


def xu(pyplot: Any, module: Any) -> Any:
    """Left: the moving-average baseline behind log-likelihoods that rise; right: the objective of two positions over
    the difference of their logits: the entropy keeps its maximum, the dot, finite.
    """
    figure, (average, objective) = in_row(pyplot, 2, width=3.6)
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
