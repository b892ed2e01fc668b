"""Pictures of samplers that are chains: the walk on the contours of its target, a trace, the autocorrelation.

`SETUPS` says what each is drawn with; the kernels are those of the golden chains.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from drawing import BLUE, BROWN, GREY, in_row, small

from refengine.golden._chains import kernel_of
from refengine.samplers import Target, pre_drawn, run
from refengine.samplers.targets import banana

BEND, SPREAD, LAGS = 0.5, 1.5, 40
TWISTED = banana.target(BEND, SPREAD)
WINDOW = (-4.5, 4.5), (-8.0, 4.0)


def _ridge(x: Any) -> Any:
    return x[..., 1] + BEND * (x[..., 0] ** 2 - SPREAD**2)


LIKELIHOOD = Target(
    lambda x: -(_ridge(x) ** 2) / 2,
    lambda x: -_ridge(x)[..., None] * np.stack([2 * BEND * x[..., 0], np.ones(x.shape[:-1])], axis=-1),
)
"""The likelihood that makes a posterior density of nearly the same form with the prior of `PRIOR`."""
PRIOR = np.diag([SPREAD, 4.0])


class Setup(NamedTuple):
    """Arrays and constants of the step, and how many chains and draws tell the autocorrelation."""

    given: dict[str, Any]
    constants: dict[str, Any]
    chains: int = 60
    draws: int = 250
    shown: int = 60


SETUPS = {
    "elliptical_slice": Setup({"factor": PRIOR}, {}, draws=150),
    "ghmc": Setup({"metric": np.ones(2)}, {"step_size": 0.35, "persistence": 0.9, "steps": 1}),
    "hamiltonian": Setup({"metric": np.ones(2)}, {"step_size": 0.25, "steps": 10}, draws=150, shown=12),
    "independence": Setup({"loc": np.array([0.0, -0.5]), "scale": np.array([2.0, 2.5])}, {}),
    "langevin": Setup({}, {"step_size": 0.1}),
    "mala": Setup({}, {"step_size": 0.3}),
    "metropolis_within_gibbs": Setup({"scale": np.array([1.5, 2.0])}, {}),
    "nuts": Setup({"metric": np.ones(2)}, {"step_size": 0.4}, chains=2, draws=100, shown=25),
    "preconditioned_mala": Setup({"factor": np.array([[1.5, 0.0], [0.0, 1.0]])}, {"step_size": 0.3}),
    "random_walk": Setup({}, {"scale": 1.5}),
    "slice": Setup({"width": np.array([2.0, 2.0])}, {}, draws=60, shown=30),
    "stretch": Setup({}, {}, chains=4),
    "underdamped_langevin": Setup({"metric": np.ones(2)}, {"step_size": 0.3, "friction": 1.0}),
}


def caption(name: str) -> str:
    """What the picture of a chain shows."""
    given, constants, *_ = SETUPS[name]
    said = [f"``{k}`` {np.ndarray.tolist(v)}" for k, v in given.items()] + [
        f"``{k}`` {v}" for k, v in constants.items()
    ]
    target = "the twisted normal density" if name != "elliptical_slice" else "prior times likelihood"
    drawn = f" Drawn with {', '.join(said)}." if said else ""
    return f"Draws on the contours of {target}, the trace of a chain, the autocorrelation of both coordinates.{drawn}"


def contours(axes: Any, log_density: Any, window: Any = WINDOW, count: int = 121) -> None:
    """Where the density falls to shares of its height."""
    x, y = np.meshgrid(*(np.linspace(*ends, count) for ends in window))
    value = np.asarray(log_density(np.stack([x, y], axis=-1)))
    axes.contourf(x, y, value - np.nanmax(value), levels=[-8, -4.5, -3, -2, -1, -0.3, 0], cmap="Blues", alpha=0.7)
    axes.set(xlim=window[0], ylim=window[1])


def begun(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Draws of the twisted density itself, to begin with."""
    x, r = SPREAD * rng.normal(size=shape), rng.normal(size=shape)
    return np.stack([x, r - BEND * (x**2 - SPREAD**2)], axis=-1)


def autocorrelation(draws: Any, lags: int) -> Any:
    """Of draws (chains, draws, D), at lags from 0 on, as means over all chains."""
    away = draws - np.mean(draws, axis=(0, 1))
    count = draws.shape[1]
    found = [np.mean(away[:, : count - k] * away[:, k:], axis=(0, 1)) for k in range(lags + 1)]
    return np.stack(found) / found[0]


def positions(module: Any, name: str, setup: Setup, target: Any, seed: int = 4) -> Any:
    """Of so many chains (chains, draws, ..., D), after as many draws again as are shown."""
    rng = np.random.default_rng(seed)
    position = begun(rng, (setup.chains, *((20,) if name == "stretch" else ())))
    more = (0.5 * rng.normal(size=position.shape),) if "momentum" in module.State._fields else ()
    state = module.init(position, target, *more)
    like = state._replace(position=np.zeros((setup.chains, 2, 2))) if name == "slice" else state
    options = {"nuts": (5,), "slice": (12,), "elliptical_slice": (12,)}.get(name, ())
    noise = pre_drawn(lambda rng, state: module.noise(rng, state, *options), rng, like, setup.draws)
    kernel = kernel_of(_module, name, target, setup.given, setup.constants)
    return run(kernel, state, noise, setup.draws, chains=setup.chains, progress=False).posterior["position"]


def _module(name: str) -> Any:
    return import_module(f"refengine.samplers.{name}")


def _trajectories(axes: Any, module: Any, setup: Setup, draws: Any) -> None:
    """A step with fewer leapfrog steps and the same noise ends earlier on the same trajectory."""
    rng, start = np.random.default_rng(5), draws[0]
    for _ in range(setup.shown):
        state, path = module.init(start, TWISTED), [start]
        noise = module.noise(rng, state)
        for steps in range(1, setup.constants["steps"] + 1):
            after, info = module.step(state, noise, TWISTED, **setup.given, **setup.constants | {"steps": steps})
            path.append(info.proposal)
        start = after.position
        axes.plot(*np.transpose(path), color=BROWN, linewidth=0.8)
        axes.plot(*start, "o", color="0.15", markersize=3)


def figure(pyplot: Any, module: Any, name: str) -> Any:
    """The three panels."""
    setup = SETUPS[name]
    target = LIKELIHOOD if name == "elliptical_slice" else TWISTED
    found = positions(module, name, setup, target)
    one = found[0, :, 0] if name == "stretch" else found[0]
    drawn, (plane, trace, correlation) = in_row(pyplot, 3)
    prior = -(np.diag(PRIOR) ** -2.0) / 2 if name == "elliptical_slice" else np.zeros(2)
    contours(plane, lambda x: target.log_density(x, *target.parameters) + np.sum(prior * x**2, axis=-1))
    if name == "hamiltonian":
        _trajectories(plane, module, setup, one)
    else:
        plane.plot(*one[: setup.shown].T, "-o", color=BROWN, linewidth=0.6, markersize=2)
    plane.set(title=f"{setup.shown} draws")
    trace.plot(one[:, 0], color=BLUE, linewidth=0.7)
    trace.set(title="first coordinate", xlabel="draw")
    flat = found if found.ndim == 3 else np.moveaxis(found, 2, 1).reshape(-1, setup.draws, 2)
    lags = min(LAGS, setup.draws // 5)
    for d, colour in enumerate((BLUE, BROWN)):
        correlation.plot(autocorrelation(flat, lags)[:, d], color=colour, linewidth=1.3, label=f"coordinate {d + 1}")
    correlation.axhline(0, color=GREY, linewidth=0.8)
    correlation.set(title="autocorrelation", xlabel="lag", ylim=(-0.6, 1.02))
    correlation.legend(frameon=False, fontsize=7)
    for axes in (plane, trace, correlation):
        small(axes)
    return drawn
