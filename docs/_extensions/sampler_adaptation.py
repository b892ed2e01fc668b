"""Pictures of adaptation and of the diagnostics; the docstring is the caption."""

from __future__ import annotations

from typing import Any

import numpy as np
from drawing import BLUE, BROWN, GREEN, GREY, in_row, small

from refengine.samplers import hamiltonian, random_walk
from refengine.samplers.targets import gaussian

COVARIANCE = np.array([[4.0, 1.8], [1.8, 1.0]])
NARROW = gaussian.target(np.zeros(2), np.linalg.inv(COVARIANCE))


def _finish(figure: Any, *all_axes: Any) -> Any:
    for axes in all_axes:
        small(axes)
    return figure


def _ellipse(axes: Any, covariance: Any, **style: Any) -> None:
    """Two standard deviations of a normal density around 0."""
    angle = np.linspace(0, 2 * np.pi, 181)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    axes.plot(*(2 * np.linalg.cholesky(covariance) @ circle), **style)


def _walked(normal: Any, uniform: Any, proposal: Any, adapt: Any) -> Any:
    """A random walk whose proposals and adaptation are functions of what it has seen: positions and acceptance."""
    state = random_walk.init(np.array([6.0, -6.0]), NARROW)
    for z, u in zip(normal, uniform, strict=True):
        state, info = random_walk.step(state, random_walk.Noise(proposal() @ z, u), NARROW, scale=1.0)
        adapt(state.position, np.exp(np.minimum(info.log_accept_ratio, 0)), z)
        yield state.position


def _drawn(seed: int, draws: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(draws, 2)), rng.uniform(size=draws)


def dual_averaging(pyplot: Any, module: Any) -> Any:
    """The step size of Hamiltonian Monte Carlo over the draws of a warm-up, from two starts, with its weighted average;
    right, the average with the newest step size and with the one before, as BlackJAX has it.
    """
    figure, (steps, averages) = in_row(pyplot, 2, width=3.8)
    for begin, colour in ((0.02, BLUE), (3.0, BROWN)):
        rng, state, found = np.random.default_rng(1), module.init(np.array(begin)), []
        at = hamiltonian.init(np.zeros(2), NARROW)
        for _ in range(200):
            step_size = float(np.exp(state.log_step))
            at, info = hamiltonian.step(
                at, hamiltonian.noise(rng, at), NARROW, np.ones(2), step_size=step_size, steps=3
            )
            acceptance = np.exp(np.minimum(info.log_accept_ratio, 0))
            found.append((step_size, float(acceptance)))
            state = module.step(state, np.nan_to_num(acceptance))
        sizes, acceptances = np.transpose(found)
        path = module.adapt(acceptances, np.array(begin))
        steps.semilogy(sizes, color=colour, linewidth=0.6)
        steps.semilogy(np.exp(path.log_step_average), color=colour, linewidth=1.8, label=f"from {begin:g}")
        before = module.adapt(acceptances, np.array(begin), average="previous")
        averages.semilogy(np.exp(path.log_step_average)[:60], color=colour, linewidth=1.4)
        averages.semilogy(np.exp(before.log_step_average)[:60], color=colour, linewidth=1.4, linestyle=":")
    steps.set(title="step size and its average", xlabel="draw")
    averages.set(title='average; dotted: "previous"', xlabel="draw")
    steps.legend(frameon=False, fontsize=7)
    return _finish(figure, steps, averages)


def robbins_monro(pyplot: Any, module: Any) -> Any:
    """The scale of a random walk from three starts, and the mean acceptance so far; dotted, the one aimed at."""
    figure, (scales, means) = in_row(pyplot, 2, width=3.8)
    for begin, colour in ((0.01, BLUE), (1.0, BROWN), (100.0, GREEN)):
        rng, state, found = np.random.default_rng(2), module.init(np.array(begin)), []
        at = random_walk.init(np.zeros(2), NARROW)
        for _ in range(300):
            scale = float(np.exp(state.log_scale))
            at, info = random_walk.step(at, random_walk.noise(rng, at), NARROW, scale=scale)
            acceptance = np.exp(np.minimum(info.log_accept_ratio, 0))
            found.append((scale, float(acceptance)))
            state = module.step(state, acceptance)
        sizes, acceptances = np.transpose(found)
        scales.loglog(np.arange(1, 301), sizes, color=colour, linewidth=1.0)
        means.semilogx(np.arange(1, 301), np.cumsum(acceptances) / np.arange(1, 301), color=colour, linewidth=1.2)
    means.axhline(0.234, color=GREY, linestyle=":")
    scales.set(title="scale", xlabel="draw")
    means.set(title="mean acceptance", xlabel="draw", ylim=(0, 1))
    return _finish(figure, scales, means)


def _learnt(pyplot: Any, draws: Any, covariances: dict[int, Any], truth: Any) -> Any:
    figure, (plane, trace) = in_row(pyplot, 2, width=3.8)
    plane.plot(*draws.T, ".", color=GREY, markersize=2, alpha=0.5)
    for (n, found), colour in zip(covariances.items(), (GREEN, BROWN, BLUE), strict=True):
        _ellipse(plane, found, color=colour, linewidth=1.4, label=f"after {n}")
    _ellipse(plane, truth, color="0.2", linestyle=":", linewidth=1.2)
    plane.legend(frameon=False, fontsize=7)
    plane.set(title="what is proposed, 2 standard deviations", xlim=(-9, 9), ylim=(-8, 6))
    trace.plot(draws[:, 0], color=BLUE, linewidth=0.7)
    trace.set(title="first coordinate", xlabel="draw")
    return _finish(figure, plane, trace)


def adaptive_covariance(pyplot: Any, module: Any) -> Any:
    """A random walk that proposes with the covariance of its past, from a start far out; dotted, 5.76 / D times the
    covariance of the target. The start stays in the covariance for a long time.
    """
    moments, shapes, draws = module.init(np.zeros(2)), {}, []

    def adapt(position: Any, acceptance: Any, z: Any) -> None:
        nonlocal moments
        moments = module.step(moments, position)
        if len(draws) + 1 in (30, 150, 1000):
            shapes[len(draws) + 1] = module.covariance(moments)

    def proposal() -> Any:
        return np.linalg.cholesky(module.covariance(moments)) if len(draws) > 20 else np.eye(2)

    for position in _walked(*_drawn(3, 1000), proposal, adapt):
        draws.append(position)
    return _learnt(pyplot, np.stack(draws), shapes, 2.88 * COVARIANCE)


def robust_adaptive_metropolis(pyplot: Any, module: Any) -> Any:
    """A random walk whose factor grows along steps that are accepted more often than aimed at and shrinks along others;
    dotted, 5.76 / D times the covariance of the target.
    """
    state, shapes, draws = module.init(np.eye(2)), {}, []

    def adapt(position: Any, acceptance: Any, z: Any) -> None:
        nonlocal state
        state = module.step(state, acceptance, z)
        if len(draws) + 1 in (30, 150, 1000):
            shapes[len(draws) + 1] = state.factor @ state.factor.T

    for position in _walked(*_drawn(4, 1000), lambda: state.factor, adapt):
        draws.append(position)
    return _learnt(pyplot, np.stack(draws), shapes, 2.88 * COVARIANCE)


def welford(pyplot: Any, module: Any) -> Any:
    """The estimates of the two variances and of the covariance over the number of draws, and with Stan's shrinkage
    towards a small multiple of the identity; dotted, the truth.
    """
    counts = np.unique(np.geomspace(2, 300, 70).astype(int))
    x = np.random.default_rng(5).multivariate_normal(np.zeros(2), COVARIANCE, size=300)
    figure, all_axes = in_row(pyplot, 2, width=3.8)
    for axes, shrinkage in zip(all_axes, ("none", "stan"), strict=True):
        found = np.stack([module.adapt(x[:n], shrinkage=shrinkage).covariance for n in counts])
        for (i, j), colour in (((0, 0), BLUE), ((1, 1), BROWN), ((0, 1), GREEN)):
            axes.semilogx(counts, found[:, i, j], color=colour, linewidth=1.2, label=f"[{i}, {j}]")
            axes.axhline(COVARIANCE[i, j], color=colour, linestyle=":", linewidth=1)
        axes.set(title=f'shrinkage "{shrinkage}"', xlabel="draws", ylim=(-1, 7))
    all_axes[0].legend(frameon=False, fontsize=7)
    return _finish(figure, *all_axes)


def windows(pyplot: Any, module: Any) -> Any:
    """The windows of a warm-up over its draws, for three lengths and both schedules: the step size alone in the first
    and the last one (pale), the metric too between them.
    """
    figure, (axes,) = in_row(pyplot, 1, width=7.6)
    labels = []
    for row, (draws, schedule) in enumerate((n, s) for n in (1000, 180, 120) for s in ("stan", "numpyro")):
        number = module.window(np.arange(draws), draws, schedule=schedule)
        for n in np.unique(number):
            inside = np.flatnonzero(number == n)
            outer = n in (0, number.max())
            share = inside[0] / draws, (inside[-1] + 1 - inside[0]) / draws
            axes.barh(row, share[1], left=share[0], color=GREY if outer else (BLUE, BROWN)[n % 2], alpha=0.6)
            if share[1] > 0.04:
                axes.text(share[0] + share[1] / 2, row, str(len(inside)), ha="center", va="center", fontsize=7)
        labels.append(f"{draws}, {schedule}")
    axes.set(yticks=range(len(labels)), yticklabels=labels, xlabel="share of the warm-up", xlim=(0, 1))
    axes.invert_yaxis()
    return _finish(figure, axes)


def _autoregressive(rng: Any, rho: float, shape: tuple[int, int]) -> Any:
    z, x = rng.normal(size=shape), np.empty(shape)
    x[:, 0] = z[:, 0]
    for t in range(1, shape[1]):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho * rho) * z[:, t]
    return x


def diagnostics(pyplot: Any, module: Any) -> Any:
    """Left and middle, rank plots: how often the draws of each of four chains fall into twenty equal parts of the ranks
    of all, for chains that agree and for one that is off by half a standard deviation; dotted, the mean. Right,
    effective sample sizes of a chain with autocorrelation 0.9 from one draw to the next as it grows, against the exact
    share of its mean.
    """
    rng, figure, (good, bad, growth) = np.random.default_rng(6), *in_row(pyplot, 3)
    x = _autoregressive(rng, 0.5, (4, 1000))
    moved = x + np.array([0.5, 0.0, 0.0, 0.0])[:, None]
    for axes, draws, name in ((good, x, "agree"), (bad, moved, "one is off")):
        ranks = np.argsort(np.argsort(draws.ravel())).reshape(draws.shape)
        for chain in ranks:
            axes.step(np.arange(20), np.histogram(chain, bins=20, range=(0, 4000))[0], where="mid", linewidth=1.1)
        axes.axhline(50, color=GREY, linestyle=":")
        axes.set(title=f"{name}: R-hat {float(module.r_hat(draws)):.3f}", xlabel="part of the ranks", ylim=(0, 110))
    slow, counts = _autoregressive(rng, 0.9, (4, 2000)), np.arange(50, 2001, 75)
    for name, colour in (("ess_bulk", BLUE), ("ess_tail", BROWN), ("ess_mean", GREEN)):
        found = [float(getattr(module, name)(slow[:, :n])) for n in counts]
        growth.plot(4 * counts, found, color=colour, linewidth=1.3, label=name)
    growth.plot(4 * counts, 4 * counts * 0.1 / 1.9, color=GREY, linestyle=":")
    growth.set(title="effective sample size", xlabel="draws")
    growth.legend(frameon=False, fontsize=7)
    return _finish(figure, good, bad, growth)
