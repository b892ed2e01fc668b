"""Log densities of a million points, value and all gradients, against the faster of torch and jax."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import jax
import numpy as np
import torch

from refengine.backends.numba.distributions import binomial, gamma, normal, student_t, von_mises_fisher
from validation.benchmarks._compare import Comparison, available_threads, compare, seconds, set_threads
from validation.peers import jax as jax_peer
from validation.peers import torch as torch_peer

POINTS = 10**6
ROWS, FEATURES = 10**5, 512


def run() -> Iterator[Comparison]:
    """Parameters over three decades, data where the density is."""
    rng = np.random.default_rng(0)
    loc, scale = rng.normal(size=POINTS), _decades(rng, 0.1, 100)
    z = rng.normal(size=POINTS)
    yield _against("normal", normal, ("x", "loc", "scale"), (loc + scale * z, loc, scale), 0.6, only="jax")
    shape, rate = _decades(rng, 0.1, 100), _decades(rng, 0.1, 100)
    yield _against(
        "gamma", gamma, ("x", "concentration", "rate"), (np.maximum(rng.gamma(shape), 1e-300) / rate, shape, rate), 0.3
    )
    df = _decades(rng, 0.5, 500)
    yield _against("student_t", student_t, ("x", "df", "loc", "scale"), (loc + scale * z, df, loc, scale), 0.3)
    n, p = np.ceil(_decades(rng, 1, 1000)), rng.uniform(0.01, 0.99, POINTS)
    yield _against("binomial", binomial, ("k", "n", "p"), (rng.binomial(n.astype(int), p).astype(float), n, p), 0.3)
    yield from _directions(rng)


def _decades(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    return np.asarray(np.exp(rng.uniform(np.log(low), np.log(high), POINTS)))


def _against(
    name: str, ours: Any, names: tuple[str, ...], arrays: tuple[np.ndarray, ...], limit: float, only: str = ""
) -> Comparison:
    """The faster peer is found first, in the same process; then it and ours take turns."""
    set_threads(available_threads())
    floating = tuple(n for n in names if n not in ("k", "n"))
    peers = {"torch": _torch(name, names, arrays, floating), "jax": _jax(name, names, arrays, floating)}
    best = {}
    for library, call in peers.items():
        call()
        best[library] = min(seconds(call) for _ in range(3))
    library = only or min(best, key=best.__getitem__)
    return compare(
        f"{name}.log_prob, {POINTS} points",
        partial(ours.log_prob_value_and_vjp, 1.0, *arrays),
        peers[library],
        peer=library,
        limit=limit,
        floor=partial(_floor, arrays),
    )


def _torch(name: str, names: Any, arrays: Any, floating: tuple[str, ...]) -> Callable[[], Any]:
    tensors = {n: torch.tensor(a, requires_grad=n in floating) for n, a in zip(names, arrays, strict=True)}

    def call() -> Any:
        value = torch_peer.LOG_PROB[name](**tensors)
        return value, torch.autograd.grad(value.sum(), [tensors[n] for n in floating])

    return call


def _jax(name: str, names: Any, arrays: Any, floating: tuple[str, ...]) -> Callable[[], Any]:
    known = {n: jax.numpy.asarray(a) for n, a in zip(names, arrays, strict=True)}

    def total(chosen: dict[str, Any], rest: dict[str, Any]) -> Any:
        value = jax_peer.LOG_PROB[name](**chosen, **rest)
        return value.sum(), value

    compiled = jax.jit(jax.grad(total, has_aux=True))
    chosen = {n: known[n] for n in floating}
    rest = {n: known[n] for n in names if n not in floating}
    return lambda: jax.block_until_ready(compiled(chosen, rest))


def _floor(arrays: tuple[np.ndarray, ...]) -> Any:
    """Every argument read, value and slopes written, one logarithm."""
    return np.log(np.abs(arrays[0])), *(a + 1.0 for a in arrays)


def _directions(rng: np.random.Generator) -> Iterator[Comparison]:
    """Von Mises and Fisher's density, against each library that has it."""
    x = rng.normal(size=(ROWS, FEATURES))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    mean, concentration = x[0].copy(), np.exp(rng.uniform(0, 8, ROWS))
    ours = partial(von_mises_fisher.log_prob_value_and_vjp, 1.0, x, mean, concentration)
    try:
        tfp = import_module("validation.peers.tfp")
    except ImportError:
        tfp = None
    if tfp is not None:

        def total(arguments: Any) -> Any:
            value = tfp.LOG_PROB["von_mises_fisher"](*arguments)
            return value.sum(), value

        compiled = jax.jit(jax.grad(total, has_aux=True))
        known = tuple(jax.numpy.asarray(a) for a in (x, mean, concentration))
        yield compare(
            f"von_mises_fisher.log_prob, {ROWS} rows of {FEATURES}",
            ours,
            lambda: jax.block_until_ready(compiled(known)),
            peer="tfp",
            rounds=5,
        )
    one = partial(import_module("scipy.stats").vonmises_fisher.logpdf, x, mean, 900.0)
    yield compare(
        f"von_mises_fisher.log_prob, {ROWS} rows of {FEATURES}, value alone, one concentration",
        partial(von_mises_fisher.log_prob, x, mean, 900.0),
        one,
        peer="scipy",
        rounds=5,
    )
