"""The picture on each distribution's page: its density over parameters, drawn by the library itself.

A page without an entry in `CURVES` and without a function in `MAPS` has no picture.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from drawing import draw


@dataclass(frozen=True)
class Curves:
    """Densities of one variable: where, and the parameters of each curve."""

    low: float
    high: float
    parameters: tuple[dict[str, float], ...]
    counts: bool = False


def _each(*names: str) -> Callable[..., tuple[dict[str, float], ...]]:
    return lambda *values: tuple(dict(zip(names, v, strict=True)) for v in values)


_LOCATION = _each("loc", "scale")((0.0, 1.0), (0.0, 2.0), (1.5, 0.5))
_SHAPE_RATE = _each("concentration", "rate")
CURVES: dict[str, Curves] = {
    "bernoulli": Curves(0, 1, _each("p")((0.2,), (0.5,), (0.9,)), counts=True),
    "beta": Curves(0, 1, _each("a", "b")((0.5, 0.5), (1.0, 3.0), (2.0, 5.0), (8.0, 4.0))),
    "beta_binomial": Curves(0, 20, _each("n", "a", "b")((20, 0.7, 0.7), (20, 2.0, 5.0), (20, 30.0, 30.0)), counts=True),
    "binomial": Curves(0, 20, _each("n", "p")((20, 0.1), (20, 0.5), (20, 0.8)), counts=True),
    "cauchy": Curves(-6, 6, _LOCATION),
    "exponential": Curves(0, 4, _each("rate")((0.5,), (1.0,), (2.0,))),
    "gamma": Curves(0, 8, _SHAPE_RATE((0.5, 1.0), (1.0, 1.0), (3.0, 1.0), (9.0, 2.0))),
    "geometric": Curves(0, 12, _each("p")((0.2,), (0.5,), (0.8,)), counts=True),
    "gumbel": Curves(-4, 8, _LOCATION),
    "half_cauchy": Curves(0, 6, _each("scale")((0.5,), (1.0,), (2.0,))),
    "half_normal": Curves(0, 5, _each("scale")((0.5,), (1.0,), (2.0,))),
    "hypergeometric": Curves(
        0, 20, _each("population", "successes", "draws")((50, 10, 20), (50, 25, 20), (500, 250, 20)), counts=True
    ),
    "inverse_gamma": Curves(0, 4, _SHAPE_RATE((1.0, 1.0), (2.0, 1.0), (3.0, 3.0))),
    "kumaraswamy": Curves(0, 1, _each("a", "b")((0.5, 0.5), (1.0, 3.0), (2.0, 5.0), (5.0, 2.0))),
    "laplace": Curves(-6, 6, _LOCATION),
    "log_normal": Curves(0, 5, _each("loc", "scale")((0.0, 0.25), (0.0, 0.5), (0.0, 1.0))),
    "logistic": Curves(-8, 8, _LOCATION),
    "negative_binomial": Curves(0, 25, _each("r", "p")((1.0, 0.5), (5.0, 0.5), (5.0, 0.7)), counts=True),
    "normal": Curves(-5, 5, _LOCATION),
    "pareto": Curves(0, 5, _each("scale", "alpha")((1.0, 1.0), (1.0, 2.0), (1.0, 4.0))),
    "poisson": Curves(0, 20, _each("rate")((1.0,), (4.0,), (10.0,)), counts=True),
    "relaxed_bernoulli": Curves(0, 1, _each("logits", "temperature")((0.0, 0.3), (0.0, 1.0), (1.0, 0.5), (1.0, 2.0))),
    "student_t": Curves(-6, 6, _each("df", "loc", "scale")((1.0, 0.0, 1.0), (3.0, 0.0, 1.0), (30.0, 0.0, 1.0))),
    "truncated_normal": Curves(
        -3,
        3,
        _each("loc", "scale", "low", "high")((0.0, 1.0, -2.0, 2.0), (1.0, 1.0, -2.0, 2.0), (-3.0, 1.0, -2.0, 2.0)),
    ),
    "uniform": Curves(-1, 4, _each("low", "high")((0.0, 1.0), (0.0, 3.0), (1.0, 1.5))),
    "von_mises": Curves(-np.pi, np.pi, _each("loc", "concentration")((0.0, 0.0), (0.0, 1.0), (0.0, 8.0), (1.0, 4.0))),
    "weibull": Curves(0, 3, _each("concentration", "scale")((0.7, 1.0), (1.0, 1.0), (1.5, 1.0), (5.0, 1.0))),
}


def _curves(pyplot: Any, module: Any, curves: Curves) -> Any:
    figure, axes = pyplot.subplots(figsize=(6.4, 3.0), layout="constrained")
    data = "k" if curves.counts else "x"
    grid = np.arange(curves.low, curves.high + 1) if curves.counts else np.linspace(curves.low, curves.high, 801)
    top = 0.0
    for parameters in curves.parameters:
        label = ", ".join(f"{name} = {value:g}" for name, value in parameters.items())
        density = np.exp(module.log_prob(grid, **parameters))
        inside = density[np.isfinite(density)]
        top = max(top, float(np.quantile(inside, 0.985)), float(inside[len(inside) // 2]))
        axes.plot(grid, density, "o-" if curves.counts else "-", markersize=3, linewidth=1.4, label=label)
    if not curves.counts:
        axes.set_ylim(0, 1.15 * top)
    axes.set(xlabel=data, ylabel="probability" if curves.counts else "density")
    axes.legend(frameon=False, fontsize=8)
    return figure


def _panels(pyplot: Any, titles: list[str], density: Callable[[int], tuple[Any, Any, Any]]) -> Any:
    figure, all_axes = pyplot.subplots(1, len(titles), figsize=(2.4 * len(titles), 2.6), layout="constrained")
    for i, axes in enumerate(np.ravel(all_axes)):
        axes.contourf(*density(i), levels=12, cmap="Blues")
        axes.set_title(titles[i], fontsize=8)
        axes.set_aspect("equal")
        axes.tick_params(labelsize=7)
    return figure


def _simplex(count: int = 121) -> tuple[Any, Any, Any]:
    """A grid of points of the triangle, with the place of each on paper; nan outside."""
    a, b = np.meshgrid(np.linspace(0, 1, count), np.linspace(0, np.sqrt(0.75), count))
    third = b / np.sqrt(0.75)
    second = a - third / 2
    p = np.stack([1 - second - third, second, third], axis=-1)
    return a, b, np.where(np.min(p, axis=-1, keepdims=True) > 1e-3, p, np.nan)


def _on_simplex(pyplot: Any, titles: list[str], log_prob: Callable[[int, Any], Any]) -> Any:
    a, b, p = _simplex()
    inside = ~np.isnan(p[..., 0])

    def density(i: int) -> tuple[Any, Any, Any]:
        found = np.full(inside.shape, np.nan)
        found[inside] = np.exp(np.minimum(log_prob(i, p[inside] / p[inside].sum(axis=-1, keepdims=True)), 6))
        return a, b, found

    return _panels(pyplot, titles, density)


def dirichlet(pyplot: Any, module: Any) -> Any:
    alphas = [[0.9, 0.9, 0.9], [2.0, 2.0, 2.0], [8.0, 4.0, 2.0]]
    return _on_simplex(pyplot, [f"alpha = {a}" for a in alphas], lambda i, p: module.log_prob(p, np.array(alphas[i])))


def concrete(pyplot: Any, module: Any) -> Any:
    temperatures = [0.5, 1.0, 2.0]
    logits = np.array([0.5, 0.0, -0.5])
    return _on_simplex(
        pyplot, [f"temperature {t}" for t in temperatures], lambda i, p: module.log_prob(p, logits, temperatures[i])
    )


def exp_concrete(pyplot: Any, module: Any) -> Any:
    temperatures = [0.5, 1.0, 2.0]
    logits = np.array([0.5, 0.0, -0.5])
    return _on_simplex(
        pyplot,
        [f"temperature {t}, over exp x" for t in temperatures],
        lambda i, p: module.log_prob(np.log(p), logits, temperatures[i]),
    )


def _over_counts(pyplot: Any, titles: list[str], n: int, log_prob: Callable[[int, Any], Any]) -> Any:
    first, second = np.meshgrid(np.arange(n + 1), np.arange(n + 1))
    k = np.stack([first, second, n - first - second], axis=-1)
    inside = k[..., 2] >= 0

    figure, all_axes = pyplot.subplots(1, len(titles), figsize=(2.4 * len(titles), 2.6), layout="constrained")
    for i, axes in enumerate(np.ravel(all_axes)):
        found = np.full(inside.shape, np.nan)
        found[inside] = np.exp(log_prob(i, k[inside]))
        axes.imshow(found, origin="lower", cmap="Blues")
        axes.set_title(titles[i], fontsize=8)
        axes.set(xlabel="k[0]", ylabel="k[1]")
        axes.tick_params(labelsize=7)
    return figure


def multinomial(pyplot: Any, module: Any) -> Any:
    ps = [[0.3, 0.3, 0.4], [0.1, 0.2, 0.7], [0.05, 0.6, 0.35]]
    return _over_counts(pyplot, [f"n = 20, p = {p}" for p in ps], 20, lambda i, k: module.log_prob(k, np.array(ps[i])))


def dirichlet_multinomial(pyplot: Any, module: Any) -> Any:
    alphas = [[1.0, 1.0, 1.0], [6.0, 6.0, 6.0], [0.8, 2.0, 5.0]]
    return _over_counts(
        pyplot, [f"n = 20, alpha = {a}" for a in alphas], 20, lambda i, k: module.log_prob(k, np.array(alphas[i]))
    )


def categorical(pyplot: Any, module: Any) -> Any:
    figure, axes = pyplot.subplots(figsize=(6.4, 2.6), layout="constrained")
    for i, p in enumerate(([0.25, 0.25, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1], [0.05, 0.15, 0.3, 0.5])):
        axes.bar(
            np.arange(4) + 0.25 * (i - 1), np.exp(module.log_prob(np.arange(4), np.array(p))), 0.22, label=f"p = {p}"
        )
    axes.set(xlabel="k", ylabel="probability", xticks=range(4))
    axes.legend(frameon=False, fontsize=8)
    return figure


def _plane(pyplot: Any, titles: list[str], log_prob: Callable[[int, Any], Any]) -> Any:
    x, y = np.meshgrid(np.linspace(-3, 3, 121), np.linspace(-3, 3, 121))
    return _panels(pyplot, titles, lambda i: (x, y, np.exp(log_prob(i, np.stack([x, y], axis=-1)))))


_MATRICES = [np.eye(2), np.array([[1.0, 0.8], [0.8, 1.0]]), np.array([[0.3, -0.2], [-0.2, 1.5]])]


def multivariate_normal(pyplot: Any, module: Any) -> Any:
    titles = [f"covariance {m.tolist()}" for m in _MATRICES]
    return _plane(pyplot, titles, lambda i, x: module.log_prob(x, np.zeros(2), _MATRICES[i]))


def multivariate_t(pyplot: Any, module: Any) -> Any:
    titles = [f"df {df:g}" for df in (1.0, 3.0, 30.0)]
    return _plane(pyplot, titles, lambda i, x: module.log_prob(x, (1.0, 3.0, 30.0)[i], np.zeros(2), _MATRICES[1]))


def _over(pyplot: Any, label: str, grid: Any, curves: dict[str, Any]) -> Any:
    figure, axes = pyplot.subplots(figsize=(6.4, 3.0), layout="constrained")
    for name, log_density in curves.items():
        axes.plot(grid, np.exp(log_density), linewidth=1.4, label=name)
    axes.set(xlabel=label, ylabel="density")
    axes.legend(frameon=False, fontsize=8)
    return figure


def _scaled(t: Any) -> Any:
    return t[:, None, None] * np.array([[1.0, 0.3], [0.3, 1.0]])


def wishart(pyplot: Any, module: Any) -> Any:
    t = np.linspace(0.05, 14, 400)
    curves = {f"df = {df:g}": module.log_prob(_scaled(t), df, np.eye(2)) for df in (3.0, 5.0, 9.0)}
    return _over(pyplot, "t, for the matrix t [[1, 0.3], [0.3, 1]]", t, curves)


def inverse_wishart(pyplot: Any, module: Any) -> Any:
    t = np.linspace(0.03, 1.2, 400)
    curves = {f"df = {df:g}": module.log_prob(_scaled(t), df, np.eye(2)) for df in (3.0, 5.0, 9.0)}
    return _over(pyplot, "t, for the matrix t [[1, 0.3], [0.3, 1]]", t, curves)


def lkj_cholesky(pyplot: Any, module: Any) -> Any:
    r = np.linspace(-0.999, 0.999, 401)
    zero, one = np.zeros_like(r), np.ones_like(r)
    x = np.stack([np.stack([one, zero], -1), np.stack([r, np.sqrt(1 - r * r)], -1)], -2)
    curves = {f"concentration = {c:g}": module.log_prob(x, c) for c in (0.7, 1.0, 2.0, 8.0)}
    return _over(pyplot, "the entry below the diagonal of a 2 x 2 factor", r, curves)


def _around_circle(module: Any, concentrations: tuple[float, ...]) -> tuple[Any, dict[str, Any]]:
    angle = np.linspace(0, np.pi, 400)
    x = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=-1)
    pole = np.array([1.0, 0.0, 0.0])
    return angle, {f"concentration = {c:g}": module.log_prob(x, pole, c) for c in concentrations}


def von_mises_fisher(pyplot: Any, module: Any) -> Any:
    return _over(pyplot, "angle from the mean direction, on the sphere", *_around_circle(module, (0.0, 1.0, 5.0, 20.0)))


def power_spherical(pyplot: Any, module: Any) -> Any:
    return _over(pyplot, "angle from the mean direction, on the sphere", *_around_circle(module, (0.0, 1.0, 5.0, 20.0)))


MAPS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        categorical,
        concrete,
        dirichlet,
        dirichlet_multinomial,
        exp_concrete,
        inverse_wishart,
        lkj_cholesky,
        multinomial,
        multivariate_normal,
        multivariate_t,
        power_spherical,
        von_mises_fisher,
        wishart,
    )
}


def picture(module: str) -> tuple[str, str] | None:
    """The name of a distribution's picture in the generated files, and its caption; None where it has none."""
    family, _, name = module.rpartition(".")
    if family != "distributions" or (name not in CURVES and name not in MAPS):
        return None
    return f"density_{name}.svg", "The density, or the probabilities of counts, for several parameters."


def draw_all(app: Any) -> None:
    """Draw every picture that does not exist yet or is older than what it is drawn from."""
    for name in sorted({*CURVES, *MAPS}):
        module = importlib.import_module(f"refengine.distributions.{name}")

        def figure(pyplot: Any, name: str = name, module: Any = module) -> Any:
            return _curves(pyplot, module, CURVES[name]) if name in CURVES else MAPS[name](pyplot, module)

        draw(f"density_{name}.svg", (module.__file__, __file__), figure)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", draw_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
