"""The fraction of missing information of Hamiltonian Monte Carlo's energies."""

from __future__ import annotations

import numpy as np

from refengine._arrays import as_float64, namespace
from refengine.domains import Array


def bfmi(energy: Array) -> Array:
    r"""The estimated Bayesian fraction of missing information of every chain: below 0.3 momenta explore too slowly.

    .. math:: \frac{\sum_{n=2}^N (E_n - E_{n-1})^2}{\sum_{n=1}^N (E_n - \bar E)^2}

    energy: (C, N); result (C,). nan for constant energies, and where one is nan. Betancourt (2016), Diagnosing
    suboptimal cotangent disintegrations, section 3.

    >>> bfmi([[0.0, 1.0, 0.0, 1.0]]).tolist()
    [3.0]
    """
    xp = namespace(energy)
    energy = as_float64(xp, "energy", energy)
    if energy.ndim != 2:
        raise ValueError(f"energy must have shape (C, N), got {tuple(energy.shape)}")
    with np.errstate(all="ignore"):
        away = energy - xp.mean(energy, axis=1, keepdims=True) if energy.shape[1] else energy
        moved = energy[:, 1:] - energy[:, :-1]
        return xp.sum(moved * moved, axis=1) / xp.sum(away * away, axis=1)
