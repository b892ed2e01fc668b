"""Every posterior by four samplers, and how far the estimates are from the truth in units of their standard error."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import refengine
from refengine.samplers import diagnostics
from refengine.samplers.adaptation import dual_averaging, welford
from validation.posteriors._posterior import Posterior


class Plan(NamedTuple):
    """Chains, draws of the warm-up and draws that are kept."""

    chains: int
    warm_up: int
    draws: int


PLANS = {"hamiltonian": Plan(64, 120, 250), "nuts": Plan(32, 120, 200)}
PLANS |= dict.fromkeys(("mala", "preconditioned_mala"), Plan(64, 180, 600))
ACCEPTANCE = {"hamiltonian": 0.9, "nuts": 0.85, "mala": 0.8, "preconditioned_mala": 0.8}
"""Above the usual values: where the noise is small the steps have to be, or a chain stays there for long."""
DEPTH = 6
"""Of a tree: 63 points."""
LENGTH = 1.7
"""Of a trajectory, in standard deviations: near a quarter of a period neither x nor x^2 comes back."""


class Score(NamedTuple):
    """What a run found: z-scores of means and of variances (P,) each, seconds, the smallest effective sample size."""

    means: np.ndarray
    variances: np.ndarray
    seconds: float
    effective: float

    @property
    def worst(self) -> float:
        """The largest |z|; infinite where one is nan."""
        sizes = np.abs([*self.means, *self.variances])
        return float("inf") if np.isnan(sizes).any() else float(sizes.max())


def score(posterior: Posterior, sampler: str, plan: Plan, rng: np.random.Generator, backend: str = "numba") -> Score:
    """Warm up from around the start, run, and compare."""
    truth, began = posterior.moments(), time.perf_counter()
    samplers = refengine.backend(backend).samplers
    module, target = getattr(samplers, sampler), posterior.target(samplers.targets)
    spread = rng.standard_normal((plan.chains, posterior.start.size))
    state = module.init(posterior.start + posterior.width * spread, target)
    noise = partial(module.noise, max_depth=DEPTH) if sampler == "nuts" else module.noise
    kernel, state = _warmed_up(sampler, module, target, noise, state, posterior.width, plan, rng)
    drawn = samplers.pre_drawn(noise, rng, state, plan.draws)
    run = samplers.run(kernel, state, drawn, plan.draws, chains=plan.chains, progress=False)
    found = posterior.parameters(run.posterior["position"])
    away = (found - truth.mean) / truth.sd  # unit variance, so that no diagnostic meets tiny numbers
    squares = away**2 - 1
    z = [np.mean(x, axis=(0, 1)) / diagnostics.mcse_mean(x) for x in (away, squares)]
    effective = min(float(np.min(diagnostics.ess_mean(x))) for x in (away, squares))
    return Score(z[0], z[1], time.perf_counter() - began, effective)


def _warmed_up(
    sampler: str,
    module: Any,
    target: Any,
    noise: Callable[..., Any],
    state: Any,
    width: np.ndarray,
    plan: Plan,
    rng: np.random.Generator,
) -> tuple[Callable[[Any, Any], Any], Any]:
    """The kernel with a step size by dual averaging and the variances of the warm-up's draws as inverse masses."""
    metric = width**2
    step_size = 0.3 * (float(np.min(metric)) if sampler == "mala" else 1.0)
    for window in range(3):
        adapted, moments = dual_averaging.init(step_size), welford.init(state.position)
        for _ in range(plan.warm_up // 3):
            step_size = float(np.exp(adapted.log_step))
            state, info = _kernel(sampler, module, target, metric, step_size)(state, noise(rng, state))
            adapted = dual_averaging.step(adapted, _acceptance(info), target=ACCEPTANCE[sampler])
            moments = welford.step(moments, state.position)
        step_size = float(np.exp(adapted.log_step_average))
        if window < 2:
            within = np.mean(welford.estimate(moments).covariance, axis=0)
            metric = np.diag(within).copy()
    return _kernel(sampler, module, target, metric, step_size), state


def _kernel(sampler: str, module: Any, target: Any, metric: np.ndarray, step_size: float) -> Callable[..., Any]:
    if sampler == "mala":
        return partial(module.step, target=target, step_size=step_size)
    if sampler == "preconditioned_mala":
        return partial(module.step, target=target, factor=np.diag(np.sqrt(metric)), step_size=step_size)
    if sampler == "nuts":
        return partial(module.step, target=target, metric=metric, step_size=step_size)
    steps = min(max(round(LENGTH / step_size), 1), 50)
    return partial(module.step, target=target, metric=metric, step_size=step_size, steps=steps)


def _acceptance(info: Any) -> float:
    """The mean probability of acceptance over the chains."""
    if hasattr(info, "acceptance"):
        return float(np.mean(info.acceptance))
    ratio = np.nan_to_num(np.asarray(info.log_accept_ratio), nan=-np.inf)
    return float(np.mean(np.exp(np.minimum(ratio, 0.0))))
