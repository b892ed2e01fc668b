"""Exact moments of a mixture of two normals."""

from __future__ import annotations

import numpy as np

from validation.posteriors._quadrature import AT_A_TIME, Moments, moments_of, over_a_box


def normal_mixture(values: np.ndarray, around: tuple[np.ndarray, np.ndarray], nodes: int = 24) -> Moments:
    """Of both means, both scales and the share of the first, to 1e-7 standard deviations.

    ``around`` says roughly where the means, the logs of the scales and the logit of the share are, and how widely: the
    means so far apart that their order is certain.
    """

    def log_density(*mesh: np.ndarray) -> np.ndarray:
        lower, upper, small, large, logit = mesh
        odds = np.exp(logit.ravel())
        second = [_bump(v, upper[0, ..., 0], large[0, ..., 0])[:, 0] for v in values]
        height = np.empty(np.broadcast_shapes(*(x.shape for x in mesh)))
        for i, mean in enumerate(lower.ravel()):
            for j, log_scale in enumerate(small.ravel()):
                first = odds * _bump(values[:, None], mean, log_scale)
                height[i, :, j] = _log_product(first, second)
        priors = -(lower**2 + upper**2 + np.exp(2 * small) + np.exp(2 * large)) / 8 + small + large
        result: np.ndarray = height + priors + 5 * logit - (10 + values.size) * np.logaddexp(0, logit)
        return result

    (lower, upper, small, large, logit), weight = over_a_box(log_density, *around, nodes=nodes, reach=9)
    return moments_of((lower, upper, np.exp(small), np.exp(large), 1 / (1 + np.exp(-logit))), weight)


def _bump(value: np.ndarray, mean: np.ndarray, log_scale: np.ndarray) -> np.ndarray:
    """A normal density but for its constant."""
    result: np.ndarray = np.exp(-(((value - mean) / np.exp(log_scale)) ** 2) / 2 - log_scale)
    return result


def _log_product(first: np.ndarray, second: list[np.ndarray]) -> np.ndarray:
    """The sum over n of log(first[n] + second[n]), the axis of first behind those of second."""
    total = np.zeros(())
    with np.errstate(divide="ignore"):
        for start in range(0, len(second), AT_A_TIME):
            product = np.ones(())
            for a, b in zip(first[start : start + AT_A_TIME], second[start : start + AT_A_TIME], strict=True):
                product = product * (a + b[..., None])
            total = total + np.log(product)
    return total
