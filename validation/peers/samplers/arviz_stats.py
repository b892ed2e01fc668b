"""arviz-stats: its diagnostics of arrays (chain, draw), in NumPy."""

from __future__ import annotations

from functools import partial
from typing import Any

from arviz_stats.base import array_stats

from refengine.samplers import diagnostics as d
from validation.peers.samplers import _streams
from validation.peers.samplers._rows import Compared

ALL = _streams.EVEN | _streams.POSITIVE | _streams.ODD | _streams.TIES | _streams.CONSTANT


def _compared(operation: str, ours: Any, theirs: Any, streams: Any = ALL, chains: int = 1) -> Compared:
    return partial(_streams.compare, operation, theirs, ours, streams, fewest_chains=chains)


VARIED = {name: draws for name, draws in ALL.items() if name not in _streams.CONSTANT}
ROWS: dict[str, Compared] = {
    "rhat": _compared("r_hat", {"": d.r_hat}, array_stats.rhat, chains=2),
    "ess, bulk": _compared("ess_bulk", {"": d.ess_bulk}, partial(array_stats.ess, method="bulk")),
    "ess, tail": _compared("ess_tail", {"": d.ess_tail}, partial(array_stats.ess, method="tail", prob=(0.05, 0.95))),
    "ess, mean": _compared("ess_mean", {"": d.ess_mean}, partial(array_stats.ess, method="mean")),
    "mcse, mean": _compared("mcse_mean", {"": d.mcse_mean}, partial(array_stats.mcse, method="mean")),
    "mcse, sd": _compared(
        "mcse_sd",
        {"effective=squares": partial(d.mcse_sd, effective="squares"), "": d.mcse_sd},
        partial(array_stats.mcse, method="sd"),
        VARIED,
    ),
    "mcse, quantile 0.9": _compared(
        "mcse_quantile",
        {"": partial(d.mcse_quantile, probability=0.9)},
        partial(array_stats.mcse, method="quantile", prob=0.9),
    ),
    "bfmi": _compared(
        "bfmi",
        {"": lambda draws: d.bfmi(draws[:1])[0]},
        lambda draws: array_stats.bfmi(draws[:1])[0],
        VARIED,
    ),
}
