"""Pictures of the samplers that are drawn in a scene of their own; the docstring is the caption."""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np
from drawing import BLUE, BROWN, GREEN, GREY, in_row, small
from sampler_chains import autocorrelation, contours

from refengine.samplers import Target, pre_drawn, random_walk, run
from refengine.samplers.targets import gaussian

STANDARD = gaussian.target([0.0], [[1.0]])
TWO_MODES = Target(
    lambda x: np.logaddexp(-((x[..., 0] + 3) ** 2) / 2 - 0.7, -2 * (x[..., 0] - 3) ** 2),
    lambda x: np.zeros_like(x),  # no step of the pictures asks for it
)
GAMMA = Target(
    lambda x: np.where(x[..., 0] > 0, np.log(np.maximum(x[..., 0], 1e-300)) - x[..., 0], -np.inf),
    lambda x: 1 / x - 1,
)


def _two_modes(x: Any) -> Any:
    """The normalised density."""
    return np.exp(TWO_MODES.log_density(x[..., None])) / (np.sqrt(2 * pi) * (np.exp(-0.7) + 0.5))


def _finish(figure: Any, *all_axes: Any) -> Any:
    for axes in all_axes:
        small(axes)
    return figure


def metropolis_hastings(pyplot: Any, module: Any) -> Any:
    """A walk that multiplies by log-normal numbers, under the density x exp(-x): with the densities of going and
    coming, and with both left out, which samples exp(-x) instead. Left, traces; middle, draws of 200 chains; right,
    their autocorrelation.
    """
    rng, figure, (trace, bars, correlation) = np.random.default_rng(1), *in_row(pyplot, 3)
    begin = module.init(rng.gamma(2.0, size=(200, 1)), GAMMA)
    draws = {}
    for name, known in (("log q told", 1.0), ("left out", 0.0)):
        state, found = begin, []
        for _ in range(300):
            y = state.position * np.exp(0.8 * rng.normal(size=(200, 1)))
            forward, reverse = (-known * np.log(at[:, 0]) for at in (y, state.position))
            noise = module.Noise(y, forward, reverse, rng.uniform(size=200))
            state, _ = module.step(state, noise, GAMMA)
            found.append(state.position)
        draws[name] = np.stack(found, axis=1)
    x = np.linspace(0.01, 8, 300)
    for (name, found), colour in zip(draws.items(), (BLUE, BROWN), strict=True):
        trace.plot(found[0, :, 0], color=colour, linewidth=0.7)
        bars.hist(
            found[:, 50:, 0].ravel(), bins=np.linspace(0, 8, 60), density=True, color=colour, alpha=0.5, label=name
        )
        correlation.plot(autocorrelation(found, 30)[:, 0], color=colour, linewidth=1.3)
    bars.plot(x, x * np.exp(-x), color="0.2", linewidth=1, label="x exp(-x)")
    bars.legend(frameon=False, fontsize=7)
    trace.set(title="traces", xlabel="draw")
    bars.set(title="draws", xlabel="x")
    correlation.set(title="autocorrelation", xlabel="lag")
    return _finish(figure, trace, bars, correlation)


def gibbs(pyplot: Any, module: Any) -> Any:
    """A normal density with correlation 0.9: the sweeps go in steps along the axes; traces and autocorrelation of the
    scans, a random one counted by its single updates.
    """
    covariance = np.array([[1.0, 0.9], [0.9, 1.0]])
    target = gaussian.target(np.zeros(2), np.linalg.inv(covariance))
    rng, figure, (plane, trace, correlation) = np.random.default_rng(2), *in_row(pyplot, 3)
    begin = module.init(rng.multivariate_normal(np.zeros(2), covariance, size=60))
    contours(plane, lambda x: target.log_density(x, *target.parameters), ((-3.2, 3.2), (-3.2, 3.2)))
    for (scan, block), colour in zip(
        (("systematic", 1), ("random", 1), ("systematic", 2)), (BLUE, BROWN, GREEN), strict=True
    ):
        noise = pre_drawn(module.noise, rng, begin, 200)
        found = run(
            lambda s, z, scan=scan, block=block: module.step(s, z, target, scan=scan, block_size=block),
            begin, noise, 200, chains=60, progress=False,
        ).posterior["position"]  # fmt: skip
        label = f"{scan}, blocks of {block}"
        correlation.plot(autocorrelation(found, 40)[:, 0], color=colour, linewidth=1.3, label=label)
        if block == 1:
            trace.plot(found[0, :200, 0], color=colour, linewidth=0.7)
        if label == "systematic, blocks of 1":
            corners = np.stack([found[0, 1:25], found[0, :24]])
            steps = np.stack([found[0, :24], np.stack([corners[0, :, 0], corners[1, :, 1]], axis=-1)], axis=1)
            plane.plot(*steps.reshape(-1, 2).T, "-", color=BROWN, linewidth=0.8)
            plane.plot(*found[0, :25].T, "o", color="0.15", markersize=3)
    plane.set(title="25 sweeps")
    trace.set(title="first coordinate", xlabel="draw")
    correlation.set(title="autocorrelation", xlabel="lag")
    correlation.legend(frameon=False, fontsize=7)
    return _finish(figure, plane, trace, correlation)


def sgld(pyplot: Any, module: Any) -> Any:
    """A standard normal density and a gradient with noise of standard deviation 2: the trace, its autocorrelation, and
    draws of 200 chains, which scatter too widely by what step and noise add; dotted, the density.
    """
    rng, figure, (trace, bars, correlation) = np.random.default_rng(3), *in_row(pyplot, 3)
    x = np.linspace(-5, 5, 300)
    for step_size, colour in ((0.5, BROWN), (0.05, BLUE)):
        state, found = module.init(rng.normal(size=(200, 1))), []
        for _ in range(300):
            gradient = -state.position + 2 * rng.normal(size=(200, 1))
            state, _ = module.step(state, module.noise(rng, state), gradient, step_size=step_size)
            found.append(state.position)
        draws = np.stack(found, axis=1)
        label = f"step_size = {step_size:g}"
        trace.plot(draws[0, :200, 0], color=colour, linewidth=0.7)
        bars.hist(
            draws[:, 50:].ravel(), bins=np.linspace(-5, 5, 70), density=True, color=colour, alpha=0.5, label=label
        )
        correlation.plot(autocorrelation(draws, 40)[:, 0], color=colour, linewidth=1.3)
    bars.plot(x, np.exp(-x * x / 2) / np.sqrt(2 * pi), color="0.2", linestyle=":", linewidth=1)
    bars.legend(frameon=False, fontsize=7)
    trace.set(title="traces", xlabel="draw")
    bars.set(title="draws")
    correlation.set(title="autocorrelation", xlabel="lag")
    return _finish(figure, trace, bars, correlation)


def parallel_tempering(pyplot: Any, module: Any) -> Any:
    """Two modes that a walk of step 1 does not leave: the trace of the walk alone, that of the coldest of five replicas
    which also exchange, and the draws of both.
    """
    rng, count, draws = np.random.default_rng(4), 5, 700
    figure, (alone, cold, bars) = in_row(pyplot, 3)
    beta = 0.35 ** np.arange(count)
    state = module.init(np.full((count, 1), -3.0), TWO_MODES)
    lone, found = random_walk.init(np.array([-3.0]), TWO_MODES), []
    warm = TWO_MODES._replace(log_density=lambda x: beta * TWO_MODES.log_density(x))
    for t in range(draws):
        begun = random_walk.State(state.position, beta * state.log_density)
        moved, _ = random_walk.step(begun, random_walk.noise(rng, begun), warm, scale=1.0)
        state = module.init(moved.position, TWO_MODES)
        schedule = ("even", "odd")[t % 2]
        state, _ = module.step(state, module.noise(rng, state, schedule), beta, schedule=schedule)
        lone, _ = random_walk.step(lone, random_walk.noise(rng, lone), TWO_MODES, scale=1.0)
        found.append((lone.position[0], state.position[0, 0]))
    x, both = np.linspace(-7, 6, 300), np.array(found)
    for axes, d, colour, name in ((alone, 0, BROWN, "one walk"), (cold, 1, BLUE, "coldest replica")):
        axes.plot(both[:, d], color=colour, linewidth=0.6)
        axes.set(title=name, xlabel="draw", ylim=(-7, 6))
        bars.hist(both[:, d], bins=np.linspace(-7, 6, 60), density=True, color=colour, alpha=0.5)
    bars.plot(x, _two_modes(x), color="0.2", linewidth=1)
    bars.set(title="draws and the density")
    return _finish(figure, alone, cold, bars)


def rejection(pyplot: Any, module: Any) -> Any:
    """Tries under the bound M q, the brown ones above the density rejected; draws of many chains; how many tries each
    took.
    """
    rng, figure, (plane, bars, tries) = np.random.default_rng(5), *in_row(pyplot, 3)
    state, loc, scale, bound = module.init(np.zeros((4000, 1)), TWO_MODES), np.zeros(1), np.full(1, 4.0), log(14.0)
    state, info = module.step(state, module.noise(rng, state, 30), TWO_MODES, loc, scale, log_bound=bound)
    assert np.max(info.log_accept_ratio) <= 0, "M q lies above the density"
    x = np.linspace(-8, 8, 400)
    q = np.exp(-((x / 4) ** 2) / 2) / (4 * np.sqrt(2 * pi))
    plane.plot(x, 14 * q, color=GREY, linewidth=1, label="M q")
    plane.plot(x, np.exp(TWO_MODES.log_density(x[:, None])), color="0.2", linewidth=1, label="density")
    y = info.proposals[:200, :4, 0]
    height = 14 * np.exp(info.log_q[:200, :4]) * rng.uniform(size=y.shape)
    under = height < np.exp(info.log_densities[:200, :4])
    plane.plot(y[under], height[under], ".", color=BLUE, markersize=2)
    plane.plot(y[~under], height[~under], ".", color=BROWN, markersize=2)
    plane.legend(frameon=False, fontsize=7)
    plane.set(title="tries")
    bars.hist(state.position[info.accepted, 0], bins=60, density=True, color=BLUE, alpha=0.6)
    bars.plot(x, _two_modes(x), color="0.2", linewidth=1)
    bars.set(title="draws")
    tries.hist(info.tries, bins=np.arange(0.5, 20), color=BLUE, alpha=0.6)
    tries.set(title="tries for a draw")
    return _finish(figure, plane, bars, tries)


def adaptive_rejection(pyplot: Any, module: Any) -> Any:
    """The hull and the chords of a standard normal log density, at first and after two and six tries; a dot is a point
    of the hull.
    """
    figure, all_axes = in_row(pyplot, 3)
    rng, state, made = np.random.default_rng(6), module.init(np.array([-1.5, 0.7]), STANDARD), 0
    x = np.linspace(-3.5, 3.5, 500)
    for axes, tries in zip(all_axes, (0, 2, 6), strict=True):
        while made < tries:
            state, made = module.step(state, module.noise(rng, state), STANDARD)[0], made + 1
        a, h, slope = state
        axes.plot(x, -x * x / 2, color="0.2", linewidth=1)
        axes.plot(x, np.min(h + slope * (x[:, None] - a), axis=1), color=BROWN, linewidth=1.2)
        axes.plot(a, h, "-o", color=BLUE, linewidth=1.2, markersize=4)
        axes.set(xlim=(-3.7, 3.7), ylim=(-6.5, 1.5), title=f"{len(a)} points")
    return _finish(figure, *all_axes)


def importance(pyplot: Any, module: Any) -> Any:
    """Draws of a proposal with their weights as area, for one that fits and for one that is too narrow; right, the
    share of the draws that the effective sample size is, over the standard deviation of the proposal.
    """
    rng, figure, all_axes = np.random.default_rng(7), *in_row(pyplot, 3)
    target, loc = gaussian.target(np.zeros(2), np.array([[2.0, -1.0], [-1.0, 1.0]])), np.zeros(2)
    for axes, size in zip(all_axes, (1.8, 0.6), strict=False):
        state, info = module.step(module.noise(rng, loc, 300), target, loc, np.full(2, size))
        contours(axes, lambda x: target.log_density(x, *target.parameters), ((-4, 4), (-4.5, 4.5)))
        axes.scatter(*state.position.T, s=1500 * info.weights, color=BROWN, alpha=0.6, linewidths=0)
        axes.set(title=f"scale {size:g}: effective size {float(info.effective_size):.0f} of 300")
    sizes, drawn = np.linspace(0.4, 5, 40), module.noise(rng, loc, 20_000)
    shares = [float(module.step(drawn, target, loc, np.full(2, s))[1].effective_size) / 20_000 for s in sizes]
    all_axes[2].plot(sizes, shares, color=BLUE, linewidth=1.3)
    all_axes[2].set(xlabel="scale of the proposal", title="effective share", ylim=0)
    return _finish(figure, *all_axes)


def sir(pyplot: Any, module: Any) -> Any:
    """Twelve weighed draws and how many offspring of twelve each gets, in 2000 repetitions: the mean is the weight
    under every scheme, the spread, drawn as bars of one standard deviation, is not.
    """
    rng, figure, all_axes = np.random.default_rng(8), *in_row(pyplot, 3)
    weights = rng.gamma(0.7, size=12)
    weights /= weights.sum()
    state = module.State(np.arange(12.0)[:, None] + np.zeros((2000, 1, 1)), np.log(weights) + np.zeros((2000, 1)))
    for axes, scheme in zip(all_axes, ("multinomial", "stratified", "systematic"), strict=True):
        _, info = module.step(state, module.noise(rng, state, 12), scheme=scheme)
        counts = np.sum(info.ancestors[:, :, None] == np.arange(12), axis=1)
        axes.bar(np.arange(12), 12 * weights, color=BLUE, alpha=0.5)
        axes.errorbar(np.arange(12), counts.mean(axis=0), counts.std(axis=0), fmt="o", color=BROWN, markersize=3)
        axes.set(title=scheme, xlabel="draw", ylim=(-0.5, 5))
    all_axes[0].set_ylabel("offspring", fontsize=8)
    return _finish(figure, *all_axes)


def smc(pyplot: Any, module: Any) -> Any:
    """Particles from a standard normal prior to a likelihood on a ring, at three inverse temperatures; the area of a
    dot is its weight.
    """
    ring = Target(
        lambda x: -8 * (np.sqrt(np.sum(x**2, axis=-1)) - 1.5) ** 2 + 1.5 * x[..., 0], lambda x: np.zeros_like(x)
    )
    rng, figure, all_axes = np.random.default_rng(9), *in_row(pyplot, 3)
    state, ladder = module.init(rng.normal(size=(400, 2)), ring), np.linspace(0, 1, 13) ** 2
    shown = iter(all_axes)
    for i, after in enumerate(ladder):
        if i:
            state, _ = module.step(state, module.noise(rng, state), ring, before=ladder[i - 1], after=after, scale=0.4)
        if i in (0, 6, 12):
            axes = next(shown)
            contours(
                axes,
                lambda x, after=after: after * ring.log_density(x) - np.sum(x**2, axis=-1) / 2,
                ((-3, 3), (-3, 3)),
            )
            axes.scatter(*state.position.T, s=1600 * np.exp(state.log_weight), color=BROWN, alpha=0.6, linewidths=0)
            axes.set(title=f"inverse temperature {after:g}", aspect="equal")
    return _finish(figure, *all_axes)
