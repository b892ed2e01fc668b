"""Whether chains have converged, and how much their draws know: the numbers of arviz-stats, to rounding.

Draws come as (C, N, ...): C chains, N draws of each, and the axes of the quantity, each element of which is judged by
itself; the result has those axes. Everywhere:

- Each chain is split into its first and its last N // 2 draws; the middle one of an odd number is left out of what
  needs halves.
- nan if any draw is nan, if there are fewer than 4 draws a chain, and (`r_hat` alone) if there is but one chain.
- Draws whose range is below 1e-15 count as constant: the effective sample size is then the number of draws in the
  halves, `r_hat` 0 / 0 = nan, a standard error of the mean 0. The bound is absolute, as in arviz-stats: scale draws
  that small before they are judged.
- Ranks of equal draws are their average.

Source: Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Bayesian Analysis 16, 667-718, whose equations the
functions cite. No derivatives: ranks and the length of the sum of autocorrelations jump.
"""

from refengine.samplers.diagnostics._bfmi import bfmi
from refengine.samplers.diagnostics._ess import ess_bulk, ess_mean, ess_quantile, ess_tail
from refengine.samplers.diagnostics._mcse import mcse_mean, mcse_quantile, mcse_sd
from refengine.samplers.diagnostics._r_hat import r_hat

__all__ = [
    "bfmi",
    "ess_bulk",
    "ess_mean",
    "ess_quantile",
    "ess_tail",
    "mcse_mean",
    "mcse_quantile",
    "mcse_sd",
    "r_hat",
]
