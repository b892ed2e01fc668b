"""Rings that failed in the cold: draws from a posterior without a closed form, and what they say of the next flight.

``python docs/example/posterior.py`` prints a table; with two names of files, such as ``posterior.svg chains.svg``, it
also draws the posterior with its predictions and the chains. NumPy alone, matplotlib for the pictures.
"""

import sys
import time
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from refengine.samplers import diagnostics, hamiltonian, nuts, pre_drawn, preconditioned_mala, random_walk, run
from refengine.samplers.adaptation import dual_averaging, welford, windows
from refengine.samplers.targets import logistic_regression

# Temperature (Fahrenheit) of 23 flights, and whether a ring of the field joints was damaged (Dalal et al. 1989).
TEMPERATURE = np.array([66, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78, 67, 53, 67, 75, 70, 81, 76, 79, 75, 76, 58])
DAMAGED = np.array([0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1])
COLD, PRIOR_SCALE = 31, 5.0  # the temperature of the last flight of Challenger; the prior of both coefficients
CHAINS, WARM_UP, DRAWS = 4, 500, 2000


def features(temperature):
    """An intercept at 70 degrees and a slope for ten."""
    t = (np.asarray(temperature, dtype=float) - 70) / 10
    return np.stack([np.ones_like(t), t], axis=-1)


def posterior(scale=PRIOR_SCALE):
    """The density of the two coefficients, up to its normaliser, with gradient and Hessian."""
    return logistic_regression.target(features(TEMPERATURE), DAMAGED, np.array(scale))


def probability(coefficients, temperature):
    """Of damage, for coefficients (..., 2) and temperatures (T,): (..., T)."""
    return 1 / (1 + np.exp(-coefficients @ features(temperature).T))


class Sampler(NamedTuple):
    """A module, what its step takes for a metric and a step size, the acceptance it is tuned to, and the draws made."""

    module: object
    given: object
    aim: float
    draws: int = DRAWS
    noise: tuple = ()


SAMPLERS = {
    "random walk": Sampler(random_walk, lambda metric, h: {"scale": h}, 0.234),
    "MALA": Sampler(preconditioned_mala, lambda metric, h: {"factor": np.diag(np.sqrt(metric)), "step_size": h}, 0.574),
    "HMC": Sampler(hamiltonian, lambda metric, h: {"metric": metric, "step_size": h, "steps": 6}, 0.8),
    "NUTS": Sampler(nuts, lambda metric, h: {"metric": metric, "step_size": h}, 0.8, 500, (6,)),
}


def acceptance(info):
    """The probability to accept, of each chain."""
    ratio = getattr(info, "log_accept_ratio", None)
    return info.acceptance if ratio is None else np.exp(np.minimum(np.nan_to_num(ratio, nan=-np.inf), 0))


def warm_up(sampler, target, state, rng, draws=WARM_UP):
    """The state after the warm-up, metric and step size: Stan's windows, the chains tuned together."""
    number = windows.window(np.arange(draws), draws)
    metric, moments, tuner = np.ones(2), welford.init(np.zeros(2)), dual_averaging.init(np.array(0.1))
    for t in range(draws):
        noise = sampler.module.noise(rng, state, *sampler.noise)
        given = sampler.given(metric, float(np.exp(tuner.log_step)))
        state, info = sampler.module.step(state, noise, target, **given)
        tuner = dual_averaging.step(tuner, np.mean(acceptance(info)), target=sampler.aim)
        if 0 < number[t] < number[-1]:
            for position in state.position:
                moments = welford.step(moments, position)
            if number[t + 1] != number[t]:
                metric = np.diag(welford.estimate(moments, shrinkage="stan").covariance)
                moments, tuner = welford.init(np.zeros(2)), dual_averaging.init(np.exp(tuner.log_step_average))
    return state, metric, float(np.exp(tuner.log_step_average))


class Found(NamedTuple):
    """Draws (chain, draw, 2), the step size, gradients evaluated per draw, and the seconds of all."""

    draws: np.ndarray
    step_size: float
    gradients: float
    seconds: float


def sample(name, seed=1, draws=None, tuned=WARM_UP):
    """Warm-up and draws of one sampler, from four points that are far apart."""
    sampler, target, rng, start = SAMPLERS[name], posterior(), np.random.default_rng(seed), time.perf_counter()
    state = sampler.module.init(np.array([[-4.0, 2.0], [2.0, -6.0], [2.0, 2.0], [-4.0, -6.0]]), target)
    state, metric, step_size = warm_up(sampler, target, state, rng, tuned)
    count = sampler.draws if draws is None else draws
    noise = pre_drawn(lambda rng, state: sampler.module.noise(rng, state, *sampler.noise), rng, state, count)
    kernel = partial(sampler.module.step, target=target, **sampler.given(metric, step_size))
    result = run(kernel, state, noise, count, chains=CHAINS)
    gradients = {"random walk": 0.0, "MALA": 1.0, "HMC": 6.0}.get(name)
    if gradients is None:
        gradients = float(result.sample_stats["leaves"].mean())
    return Found(result.posterior["position"], step_size, gradients, time.perf_counter() - start)


def quadrature(function, scale=PRIOR_SCALE, size=401):
    """The posterior mean of a function of coefficients (M, 2) by the trapezoidal rule, and the log evidence.

    The density is analytic and below 1e-24 of its height outside the window: the error falls faster than any power of
    the number of points.
    """
    axes = np.linspace(-16, 10, size), np.linspace(-30, 16, size)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    target = posterior(scale)
    log_density = target.log_density(grid, *target.parameters)
    weight = np.exp(log_density - log_density.max())
    cell = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
    mean = np.tensordot(weight, function(grid), axes=(0, 0)) / weight.sum()
    return mean, float(np.log(weight.sum() * cell) + log_density.max())


@cache
def exact():
    """The probability of damage in the cold, given 23 flights."""
    return float(quadrature(lambda b: probability(b, [COLD])[:, 0])[0])


def likeliest():
    """The coefficients of largest likelihood, by Newton's method: a prior as wide as this leaves no trace."""
    target, b = posterior(1e8), np.zeros(2)
    for _ in range(30):
        slope = target.gradient(b, *target.parameters)
        hessian = np.stack([target.gradient_vjp(e, b, *target.parameters)[0] for e in np.eye(2)])
        b = b - np.linalg.solve(hessian, slope)
    return b


def sensitivity(draws):
    """How the prediction depends on the scale of the prior: the covariance of p with the slope of the log density."""
    b = draws.reshape(-1, 2)[::8]
    slopes = [logistic_regression.log_density_vjp(np.array(1.0), x, *posterior().parameters)[2] for x in b]
    return float(np.cov(probability(b, [COLD])[:, 0], slopes)[0, 1])


def facts(found):
    """What a row of the table says, as numbers."""
    p = probability(found.draws, [COLD])[..., 0]
    error = float(diagnostics.mcse_mean(p))
    return {
        "estimate": float(p.mean()),
        "standard error": error,
        "off by": (float(p.mean()) - exact()) / error,
        "R-hat": float(np.max(diagnostics.r_hat(found.draws))),
        "bulk": float(np.min(diagnostics.ess_bulk(found.draws))),
        "tail": float(np.min(diagnostics.ess_tail(found.draws))),
        "gradients": found.gradients,
    }


def compare():
    """Every sampler on the same posterior."""
    return {name: sample(name) for name in SAMPLERS}


HEADER = (
    "sampler",
    "probability at 31",
    "standard error",
    "off by",
    "R-hat",
    "bulk ESS",
    "tail ESS",
    "gradients a draw",
)


def rows(found):
    """The table: `off by` in standard errors, effective sample sizes of all draws."""
    for name, sampled in found.items():
        f = facts(sampled)
        yield (
            f"{name}, {sampled.draws.shape[0]} x {sampled.draws.shape[1]}",
            f"{f['estimate']:.4f}",
            f"{f['standard error']:.4f}",
            f"{f['off by']:+.1f}",
            f"{f['R-hat']:.3f}",
            f"{f['bulk']:.0f}",
            f"{f['tail']:.0f}",
            f"{f['gradients']:.1f}",
        )
    yield "quadrature", f"{exact():.4f}", "", "", "", "", "", ""


def draw(path, found):
    """The posterior with draws, and the probability of damage over the temperature."""
    from matplotlib import pyplot

    figure, (plane, curve) = pyplot.subplots(1, 2, figsize=(7.6, 3.4), layout="constrained")
    target, draws = posterior(), found["HMC"].draws.reshape(-1, 2)
    a, b = np.meshgrid(np.linspace(-5, 2, 161), np.linspace(-8, 1.5, 161))
    value = target.log_density(np.stack([a, b], axis=-1), *target.parameters)
    plane.contourf(a, b, value - value.max(), levels=[-8, -4.5, -3, -2, -1, -0.3, 0], cmap="Blues", alpha=0.7)
    plane.plot(*draws[::20].T, ".", color="#c0702a", markersize=2)
    plane.plot(*likeliest(), "*", color="0.15", markersize=9)
    plane.set(xlabel="intercept, at 70 degrees", ylabel="slope, for 10 degrees", title="posterior, draws of HMC")
    t = np.linspace(25, 85, 121)
    p = probability(draws[::4], t)
    curve.fill_between(t, *np.quantile(p, [0.05, 0.95], axis=0), color="#1f5f8b", alpha=0.2, linewidth=0)
    curve.plot(t, p.mean(axis=0), color="#1f5f8b", linewidth=1.6, label="posterior predictive")
    curve.plot(t, quadrature(lambda b: probability(b, t))[0], ":", color="0.1", linewidth=1, label="quadrature")
    curve.plot(t, probability(likeliest(), t), color="#c0702a", linewidth=1.1, label="largest likelihood")
    curve.plot(TEMPERATURE, DAMAGED, "o", color="0.15", markersize=3)
    curve.axvline(COLD, color="0.6", linewidth=0.8)
    curve.set(xlabel="temperature, degrees Fahrenheit", title="probability of damage")
    curve.legend(frameon=False, fontsize=7)
    _save(pyplot, figure, path, plane, curve)


def draw_chains(path, found):
    """A trace of each sampler, and how the error of the estimate falls as draws are made."""
    from matplotlib import pyplot

    figure, (trace, error) = pyplot.subplots(1, 2, figsize=(7.6, 3.4), layout="constrained")
    truth = exact()
    for i, (name, sampled) in enumerate(found.items()):
        p = probability(sampled.draws, [COLD])[..., 0]
        trace.plot(sampled.draws[0, :300, 1] - 9 * i, linewidth=0.6, label=name)
        counts = np.unique(np.geomspace(20, p.shape[1], 25).astype(int))
        errors = [float(diagnostics.mcse_mean(p[:, :n])) for n in counts]
        (line,) = error.loglog(CHAINS * counts, errors, linewidth=1.4, label=f"{name}")
        off = [abs(float(p[:, :n].mean()) - truth) for n in counts]
        error.loglog(CHAINS * counts, off, ":", linewidth=1, color=line.get_color())
    trace.set(xlabel="draw", yticks=[], title="slope, one chain each")
    error.set(xlabel="draws", title="standard error; dotted, the error itself")
    error.legend(frameon=False, fontsize=7)
    _save(pyplot, figure, path, trace, error)


def _save(pyplot, figure, path, *all_axes):
    for axes in all_axes:
        axes.title.set_fontsize(9)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def main():
    found = compare()
    print(*(f"{word:>18}" for word in HEADER))
    for row in rows(found):
        print(*(f"{word:>18}" for word in row))
    print(f"{sum(sampled.seconds for sampled in found.values()):.1f} s")
    for path, picture in zip(sys.argv[1:], (draw, draw_chains), strict=False):
        picture(path, found)


if __name__ == "__main__":
    main()
