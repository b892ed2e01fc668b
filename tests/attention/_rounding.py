"""How far rounding can take attention and its gradients from the truth, to first order in the round-off u.

An inner product of n terms is wrong by at most n u times that of absolute values (Higham 2002, section 3.1); errors of
the scores pass through the softmax, whose weights sum to 1. Every array is a bound entry by entry.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import unbroadcast
from refengine.attention import dot_product

FEW = 8  # roundings of a few elementary functions, one after the other


def bounds(given: dict[str, Any], constants: dict[str, Any], u: float, of_sum: Any = 0.0) -> list[np.ndarray]:
    """Of the value, of dq, dk, dv (and dbias), and of the log-sum-exp.

    ``given`` are g, q, k, v (B, H, Q or K, .) and bias; ``of_sum`` (B, H, Q) is a cotangent of log-sum-exp beside g.
    """
    constants = {name: c for name, c in constants.items() if c is not None}
    g, q, k, v = (np.abs(given[name].astype(np.float64)) for name in "gqkv")
    bias, cap, scale = given.get("bias"), constants.get("softcap", np.inf), q.shape[-1] ** -0.5
    scale = abs(constants.get("scale", scale))
    group, keys = q.shape[1] // k.shape[1], k.shape[2]
    k, v = (np.repeat(a, group, axis=1) for a in (k, v))
    kept = constants.get("keep_mask", True) / np.float64(constants.get("keep_probability", 1))
    scored = {name: c for name, c in constants.items() if name not in ("keep_mask", "keep_probability")}
    p = np.nan_to_num(dot_product.weights(given["q"], given["k"], bias, **scored).astype(np.float64))
    scored.pop("empty_row", None)
    sums = dot_product.log_sum_exp(given["q"], given["k"], bias, **scored)

    score = (
        (q.shape[-1] + FEW) * u * (scale * q @ k.mT + np.abs(0.0 if bias is None else np.nan_to_num(bias, neginf=0.0)))
    )
    of_sums = np.sum(p * score, axis=-1)
    weight = score + of_sums[..., None] + (keys + FEW) * u  # relative to it
    value = (p * kept * (weight + (keys + FEW) * u)) @ v
    dp = (g @ v.mT) * kept
    of_dp = (v.shape[-1] + FEW) * u * dp
    shift = 3 * np.sum(p * dp, axis=-1, keepdims=True)  # the mean, or the best key's dp: at most twice that, and a rest
    of_shift = 3 * np.sum(p * (of_dp + dp * (weight + keys * u)), axis=-1, keepdims=True)
    ds = p * (dp + shift + np.abs(of_sum * np.ones_like(sums))[..., None])
    of_ds = p * (of_dp + of_shift) + ds * (weight + FEW * u)
    du = of_ds + ds * (score / cap + FEW * u)  # the slope of a cap is at most 1, and that of the slope 1 / cap
    rest = np.sum(of_ds, axis=-1, keepdims=True) * np.max(k, axis=-2, keepdims=True)  # what a kernel takes off
    rows = (group * q.shape[2] + FEW) * u
    dq = scale * ((du + (keys + FEW) * u * ds) @ k + rest)
    dk, dv = scale * (du + rows * ds).mT @ q, (p * kept * (weight + rows)).mT @ g
    found = [value, dq, *(a.reshape(a.shape[0], -1, group, *a.shape[2:]).sum(axis=2) for a in (dk, dv))]
    if bias is not None:
        found.append(unbroadcast(du + (FEW * u + ds.size * 2.0**-53) * ds, bias))  # float64 sums
    return [*found, of_sums + (keys + FEW) * u + FEW * u * np.where(np.isinf(sums), 0, np.abs(sums))]


def assert_within(found: Any, wanted: Any, bound: np.ndarray) -> None:
    """Both nan, or both the same infinity, or no further apart than the bound."""
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(np.where(finite, 0.0, found), np.where(finite, 0.0, wanted))
    apart = np.abs(np.where(finite, found, 0.0) - np.where(finite, wanted, 0.0))
    worst = np.max(apart / np.where(apart > 0, bound, 1.0), initial=0.0)
    assert worst <= 1, f"{worst} times the bound"
