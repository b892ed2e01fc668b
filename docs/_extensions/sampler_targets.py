"""Pictures of the targets: contours of their densities; the docstring is the caption."""

from __future__ import annotations

from typing import Any

import numpy as np
from drawing import BLUE, BROWN, in_row, small
from sampler_chains import contours

SCHOOLS = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0], [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]
LINE = np.stack([np.ones(8), np.linspace(-1, 1, 8)], axis=1)


def _contours(pyplot: Any, panels: dict[str, tuple[Any, Any]], **labels: Any) -> Any:
    """A panel for each target and window."""
    figure, all_axes = in_row(pyplot, len(panels))
    for axes, (title, (target, window)) in zip(all_axes, panels.items(), strict=True):
        contours(axes, lambda x, target=target: target.log_density(x, *target.parameters), window)
        axes.set(title=title, **labels)
        small(axes)
    return figure


def gaussian(pyplot: Any, module: Any) -> Any:
    """The density for three precision matrices; the first one is that of independent coordinates."""
    matrices = [[1.0, 0.0], [0.0, 1.0]], [[1.0, -0.8], [-0.8, 1.0]], [[4.0, 1.0], [1.0, 0.5]]
    window = ((-3.5, 3.5), (-3.5, 3.5))
    return _contours(pyplot, {f"precision {m}": (module.target(np.zeros(2), np.array(m)), window) for m in matrices})


def banana(pyplot: Any, module: Any) -> Any:
    """The density for three bends: the same normal density, its second coordinate moved by the first one's square."""
    shapes = (0.0, 2.0), (0.3, 2.0), (1.0, 1.5)
    window = ((-5, 5), (-7, 4))
    return _contours(pyplot, {f"bend {b:g}, scale {s:g}": (module.target(b, s), window) for b, s in shapes})


def funnel(pyplot: Any, module: Any) -> Any:
    """The density of the log variance and one coordinate. The narrower the neck, the smaller a step must be there."""
    panels = {f"scale {s:g}": (module.target(s), ((-9, 9), (-9, 9))) for s in (0.7, 1.5, 3.0)}
    return _contours(pyplot, panels, xlabel="log variance", ylabel="coordinate")


def linear_regression(pyplot: Any, module: Any) -> Any:
    """The posterior density of intercept and slope for eight points on a line, at three values of the noise; right, the
    slope and the logarithm of the noise, the intercept held.
    """
    y = np.array([-1.4, -0.6, -0.9, 0.2, 0.1, 1.1, 0.9, 1.8])
    target = module.target(LINE, y, np.array(2.0))
    figure, all_axes = in_row(pyplot, 3)

    def at(x: Any, noise: float) -> Any:
        return np.concatenate([x, np.full((*x.shape[:-1], 1), np.log(noise))], axis=-1)

    def held(x: Any) -> Any:
        return np.concatenate([np.full((*x.shape[:-1], 1), y.mean()), x], axis=-1)

    for axes, noise in zip(all_axes, (0.3, 1.0), strict=False):
        contours(axes, lambda x, noise=noise: target.log_density(at(x, noise), *target.parameters), ((-2, 2), (-1, 4)))
        axes.set(title=f"noise {noise:g}", xlabel="intercept", ylabel="slope")
    contours(all_axes[2], lambda x: target.log_density(held(x), *target.parameters), ((-1, 4), (-2.5, 2)))
    all_axes[2].set(title="intercept held", xlabel="slope", ylabel="log noise")
    for axes in all_axes:
        small(axes)
    return figure


def logistic_regression(pyplot: Any, module: Any) -> Any:
    """The posterior density of intercept and slope: outcomes that overlap, the same with a wide prior, and outcomes
    that a threshold separates, of which the prior alone keeps the slope finite.
    """
    overlap, apart = [0, 0, 1, 0, 1, 0, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1]
    window = ((-4, 4), (-2, 8))
    panels = {
        "outcomes overlap, prior scale 2": (module.target(3 * LINE, overlap, np.array(2.0)), window),
        "prior scale 10": (module.target(3 * LINE, overlap, np.array(10.0)), window),
        "separated, prior scale 10": (module.target(3 * LINE, apart, np.array(10.0)), window),
    }
    return _contours(pyplot, panels, xlabel="intercept", ylabel="slope")


def eight_schools(pyplot: Any, module: Any) -> Any:
    """Left, the posterior density of mean and log spread, the effects integrated out (given these they are normal);
    middle and right, the log spread and a school's effect as the sampler sees it, and as it is meant.
    """
    y, sigma = (np.array(v) for v in SCHOOLS)
    target = module.target(y, sigma)
    figure, all_axes = in_row(pyplot, 3)

    def marginal(x: Any, first: Any = None) -> Any:
        """Over the effects, or over those after the first."""
        mu, spread = x[..., :1], x[..., 1:]
        precision = 1 + np.exp(2 * spread) / sigma**2
        eta = np.exp(spread) * (y - mu) / sigma**2 / precision
        if first is not None:
            eta[..., 0], precision[..., 0] = first, 1.0
        at = np.concatenate([mu, spread, eta], axis=-1)
        return target.log_density(at, *target.parameters) - np.sum(np.log(precision), axis=-1) / 2

    def seen(x: Any) -> Any:
        at = np.stack([np.full(x.shape[:-1], 5.0), x[..., 0]], axis=-1)
        return marginal(at, x[..., 1])

    def meant(x: Any) -> Any:
        return seen(np.stack([x[..., 0], (x[..., 1] - 5) / np.exp(x[..., 0])], axis=-1)) - x[..., 0]

    contours(all_axes[0], marginal, ((-10, 20), (-4, 4)))
    contours(all_axes[1], seen, ((-4, 4), (-4, 4)))
    contours(all_axes[2], meant, ((-4, 4), (-15, 35)))
    all_axes[0].set(title="mean and log spread", xlabel="mean", ylabel="log spread")
    all_axes[1].set(title="standardised, mean 5", xlabel="log spread", ylabel="first school")
    all_axes[2].set(title="effect, mean 5", xlabel="log spread", ylabel="first school")
    for axes in all_axes:
        small(axes)
    return figure


def finite(pyplot: Any, module: Any) -> Any:
    """Weights of seven states, normalised, and the matrix of a walk to the neighbours that keeps them, from the ratios
    of the library's log densities.
    """
    weights = np.log([1.0, 3.0, 6.0, 4.0, 1.0, 2.0, 5.0])
    target, states = module.target(weights), np.arange(7)
    value = np.asarray(target.log_density(states[:, None].astype(float), weights))
    figure, (bars, walk) = in_row(pyplot, 2)
    bars.bar(states, np.exp(value) / np.sum(np.exp(value)), color=BLUE, alpha=0.7)
    matrix = np.where(abs(states[:, None] - states) == 1, np.exp(np.minimum(value - value[:, None], 0)) / 2, 0.0)
    matrix += np.diag(1 - matrix.sum(axis=1))
    walk.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
    bars.plot(states, np.linalg.matrix_power(matrix, 200)[0], "o", color=BROWN, markersize=4)
    bars.set(title="weights; dots: the walk after 200 steps", xlabel="state")
    walk.set(title="probability of a move", xlabel="to", ylabel="from")
    for axes in (bars, walk):
        small(axes)
    return figure


def _slices(pyplot: Any, target: Any, held: Any, panels: list[tuple[tuple[int, str], tuple[int, str], Any]]) -> Any:
    """A panel for each pair of coordinates and their names, the others held where they are."""
    figure, all_axes = in_row(pyplot, len(panels))
    for axes, ((i, across), (j, up), window) in zip(all_axes, panels, strict=True):

        def at(x: Any, i: int = i, j: int = j) -> Any:
            position = np.broadcast_to(np.asarray(held, float), (*x.shape[:-1], len(held))).copy()
            position[..., i], position[..., j] = x[..., 0], x[..., 1]
            return target.log_density(position, *target.parameters)

        contours(axes, at, window)
        axes.plot(held[i], held[j], "+", color=BROWN)
        axes.set(xlabel=across, ylabel=up)
        small(axes)
    return figure


def half_cauchy_regression(pyplot: Any, module: Any) -> Any:
    """Eight points on a line, flat priors of intercept and slope; two coordinates at a time, the others held at the
    cross.
    """
    y = np.array([-1.4, -0.6, -0.9, 0.2, 0.1, 1.1, 0.9, 1.8])
    beta, (squares,), *_ = np.linalg.lstsq(LINE, y)
    target = module.target(LINE, y, np.zeros(2), np.zeros((2, 2)), 0.4)
    held = [*beta, np.log(np.sqrt(squares / 6))]
    return _slices(
        pyplot,
        target,
        held,
        [
            ((0, "intercept"), (1, "slope"), ((-0.7, 1.0), (0.5, 2.6))),
            ((1, "slope"), (2, "log noise"), ((0, 3), (-2, 0.5))),
        ],
    )


def _series(count: int, step: Any) -> Any:
    """Values one after another, from the last value and a standard normal."""
    noise, values = np.random.default_rng(6).normal(size=count), [0.0]
    for z in noise:
        values.append(step(values[-1], z))
    return np.array(values[1:])


def autoregression(pyplot: Any, module: Any) -> Any:
    """Sixty values of a series of order 1, read as one of order 2; two coordinates at a time, the others held at the
    cross, where the series was made.
    """
    target = module.target(_series(60, lambda last, z: 0.2 + 0.6 * last + 0.5 * z))
    coefficients = (1, "coefficient of lag 1"), (2, "coefficient of lag 2")
    return _slices(
        pyplot,
        target,
        [0.2, 0.6, 0.0, np.log(0.5)],
        [
            (*coefficients, ((0, 1.2), (-0.6, 0.6))),
            ((0, "constant"), (1, "coefficient of lag 1"), ((-0.2, 0.6), (0.2, 1.0))),
        ],
    )


def arma11(pyplot: Any, module: Any) -> Any:
    """Sixty values of an autoregression without a moving average; two coordinates at a time, the others held at the
    cross, where the series was made. What one coefficient explains the other can explain too.
    """
    target = module.target(_series(60, lambda last, z: 0.2 + 0.6 * last + 0.5 * z))
    return _slices(
        pyplot,
        target,
        [0.2, 0.6, 0.0, np.log(0.5)],
        [
            ((1, "coefficient of the value"), (2, "coefficient of the error"), ((0, 1.2), (-0.8, 0.8))),
            ((0, "constant"), (3, "log noise"), ((-0.2, 0.6), (-1.2, 0.0))),
        ],
    )


def garch11(pyplot: Any, module: Any) -> Any:
    """Three hundred values whose variance is 0.1 + 0.4 of the last square + 0.4 of the last variance; two coordinates
    at a time, the others held at the cross, where the series was made.
    """
    noise, values, variance = np.random.default_rng(6).normal(size=300), [], 0.5
    for z in noise:
        values.append(np.sqrt(variance) * z)
        variance = 0.1 + 0.4 * values[-1] ** 2 + 0.4 * variance
    held = [0.0, np.log(0.1), np.log(0.4 / 0.6), np.log(2.0)]
    return _slices(
        pyplot,
        module.target(np.array(values), np.sqrt(0.5)),
        held,
        [
            ((1, "log of the least variance"), (2, "logit of the square's share"), ((-3.5, -1), (-2, 3))),
            ((2, "logit of the square's share"), (3, "logit of the rest's share"), ((-2, 3), (-1, 2.5))),
        ],
    )


def normal_mixture(pyplot: Any, module: Any) -> Any:
    """Thirty values around -1 and thirty around 1.5; two coordinates at a time, the others held at the cross, where the
    values were made.
    """
    rng = np.random.default_rng(6)
    values = np.concatenate([rng.normal(-1, 0.8, size=30), rng.normal(1.5, 0.5, size=30)])
    return _slices(
        pyplot,
        module.target(values),
        [-1.0, np.log(2.5), np.log(0.8), np.log(0.5), 0.0],
        [
            ((0, "lower mean"), (1, "log distance"), ((-1.8, -0.2), (0.5, 1.3))),
            ((2, "log of the lower scale"), (3, "log of the upper scale"), ((-1, 0.6), (-1.4, 0.2))),
        ],
    )
