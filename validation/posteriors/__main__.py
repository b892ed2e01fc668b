"""``python -m validation.posteriors [PATTERN...]`` samples posteriors whose moments are known by HMC, NUTS and MALA.

MALA comes with and without the variances of the warm-up. For each posterior and sampler it prints the largest \\|z\\|
over all parameters, z being (estimate - exact) / MCSE of a mean or of a variance, and the smallest effective sample
size. Exit status 1 if any is beyond the bound that correct samplers exceed once in a thousand of such runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from fnmatch import fnmatch
from functools import cache
from statistics import NormalDist

import numpy as np

from validation.posteriors.known import posteriors
from validation.posteriors.sample import PLANS, score

FALSE_ALARM = 1e-3
"""The probability that all is right and the exit status is 1 all the same (Bonferroni's inequality)."""


def bound(comparisons: int) -> float:
    """The \\|z\\| that any of so many standard normal numbers exceeds with probability `FALSE_ALARM` at most."""
    return NormalDist().inv_cdf(1 - FALSE_ALARM / (2 * comparisons))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m validation.posteriors", description=str(__doc__).partition("\n")[0]
    )
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="such as kidiq*; all by default")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    chosen = [p for p in posteriors() if not asked.patterns or any(fnmatch(p.name, a) for a in asked.patterns)]
    if not chosen:
        parser.error("no posterior has such a name")
    limit = bound(sum(2 * len(PLANS) * len(p.names) for p in chosen))
    print(f"{'max |z|, ESS':48}" + "".join(f"{name:>20}" for name in PLANS))
    began, worst = time.perf_counter(), 0.0
    for i, posterior in enumerate(chosen):
        posterior = posterior._replace(moments=cache(posterior.moments))  # some are integrals in five dimensions
        line = f"{posterior.name:44} {len(posterior.names):>3}"
        for j, (sampler, plan) in enumerate(PLANS.items()):
            found = score(posterior, sampler, plan, np.random.default_rng((asked.seed, i, j)))
            line += f"{found.worst:>11.2f}{' !' if not found.worst <= limit else '  '}{found.effective:>7.0f}"
            worst = max(worst, found.worst)
        print(line, flush=True)
    print(f"{len(chosen)} posteriors, largest |z| {worst:.2f}, bound {limit:.2f}, {time.perf_counter() - began:.0f} s")
    return 0 if worst <= limit else 1


if __name__ == "__main__":
    sys.exit(main())
