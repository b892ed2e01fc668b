"""Calls as a stranger makes them: every error is typed and names the argument, nan stays nan, on every backend."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import refengine
from refengine._walk import Operation
from refengine.golden import load
from tests import checks

X, W, Y = np.ones((3, 2)), np.eye(2), np.array([0, 1, 0])
Q, K, V = np.ones((2, 3, 4)), np.ones((2, 5, 4)), np.ones((2, 5, 6))

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ("losses.arcface.loss", (X, W, Y), {"scale": "64"}, TypeError, "scale"),
    ("losses.arcface.loss", (X, W, Y), {"scale": None}, TypeError, "scale"),
    ("losses.arcface.loss", (X, W, Y), {"scale": np.ones(2)}, TypeError, "scale"),
    ("losses.arcface.loss", (X, W, Y), {"scale": np.inf}, ValueError, "scale"),
    ("losses.arcface.loss", (X, W, Y), {"margin": "a"}, TypeError, "margin"),
    ("losses.arcface.loss", (X, W, Y), {"margin": 28.6}, ValueError, "margin"),
    ("losses.arcface.loss", (X, W, Y), {"reduction": np.array(["sum", "mean"])}, ValueError, "reduction"),
    ("losses.arcface.loss", (X, np.ones((0, 2)), Y), {}, ValueError, "weight"),
    ("losses.arcface.loss_vjp", (None, X, W, Y), {}, TypeError, "g"),
    ("losses.arcface.logits_vjp", (None, X, Y), {}, TypeError, "g"),
    ("losses.softmax.loss_vjp", (None, X, Y), {}, TypeError, "g"),
    ("losses.softmax.cross_entropy_vjp", ("1", X, X), {}, TypeError, "g"),
    ("losses.cosine.similarity_vjp", (None, X, W), {}, TypeError, "g"),
    ("losses.triplet.loss_triplets", (X, X, X), {"margin": None}, TypeError, "margin"),
    ("losses.triplet.loss_triplets", (X, X, X), {"margin": np.ones(3)}, TypeError, "margin"),
    ("losses.triplet.loss_triplets", (X, X, X), {"squared": "no"}, TypeError, "squared"),
    ("losses.triplet.loss_triplets_vjp", (1j, X, X, X), {}, TypeError, "g"),
    ("attention.dot_product.attention", (Q, None, V), {}, TypeError, "k"),
    ("attention.dot_product.attention", (Q, K, V), {"causal": "yes"}, TypeError, "causal"),
    ("attention.dot_product.attention", (Q, K, V), {"window": 3}, ValueError, "window"),
    ("attention.dot_product.attention", (Q, K, V), {"window": (1.5, 0)}, ValueError, "window"),
    ("attention.dot_product.attention", (Q, K, V), {"scale": "1"}, TypeError, "scale"),
    ("attention.dot_product.attention", (Q, K, V), {"softcap": np.inf}, ValueError, "softcap"),
    ("attention.dot_product.attention", (Q, K, V), {"keep_probability": "1"}, TypeError, "keep_probability"),
    ("attention.dot_product.attention_vjp", (None, Q, K, V), {}, TypeError, "g"),
    ("attention.dot_product.log_sum_exp_vjp", (None, Q, K), {}, TypeError, "g"),
    ("samplers.random_walk.step", (None, None, None), {"scale": 1.0}, TypeError, "state"),
]


@pytest.mark.parametrize(("path", "args", "constants", "error", "named"), CALLS)
def test_bad_input_is_named(
    backend: str, path: str, args: tuple[Any, ...], constants: dict[str, Any], error: type[Exception], named: str
) -> None:
    function: Any = refengine.backend(backend)
    for name in path.split("."):
        function = getattr(function, name)
    with pytest.raises(error, match=f"^{named} must"):
        function(*args, **constants)


def test_the_state_of_another_sampler_is_refused(backend: str) -> None:
    samplers = refengine.backend(backend).samplers
    target = samplers.targets.gaussian.target([0.0], [[1.0]])
    state = samplers.random_walk.init(np.zeros((3, 1)), target)
    noise = samplers.random_walk.noise(np.random.default_rng(0), state)
    with pytest.raises(TypeError, match=r"^state must be a State of position, log_density, gradient"):
        samplers.mala.step(state, noise, target, step_size=0.5)


@pytest.mark.parametrize("shape", [(1,), (1, 1), (0,)])
def test_a_lone_element_beside_scalars_gives_no_warning(
    operation: Operation, backend: str, shape: tuple[int, ...]
) -> None:
    """Broadcast arrays of one element or none are contiguous, and NumPy warns of writing to them."""
    if not checks.elementwise(operation):
        pytest.skip("not elementwise")
    case = load(operation.path).cases[0]
    first, *rest = case.arguments.values()
    function = partial(operation.on(backend), **case.constants)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = function(np.full(shape, first), *rest)
        if operation.has_vjp:
            given = np.ones(shape), np.full(shape, first), *rest
            value, _ = refengine.value_and_vjp(operation.on(backend), *given, **case.constants)
    assert value.shape == shape


def _spoilt(operation: Operation) -> list[Any]:
    """A few ordinary cases, each with one nan in one floating argument."""
    cases = [c for c in load(operation.path).cases if c.result == "required" and not set(c.flags) - _EXACT]
    spoilt = []
    for case in cases[:: max(1, len(cases) // 8)]:
        for name, array in case.arguments.items():
            if array.dtype.kind == "f" and array.size:
                changed = array.copy()
                changed.reshape(-1)[len(spoilt) % array.size] = np.nan
                spoilt.append((case, case.arguments | {name: changed}))
    return spoilt


_EXACT = {"EXACT_F32", "EXACT_F16", "EXACT_BF16"}


def test_nan_goes_where_the_reference_lets_it_go(operation: Operation, backend: str) -> None:
    """A kernel whose min, max or branch passes over nan would invent a number."""
    if backend == "numpy" or operation.path.startswith("mining."):
        pytest.skip("the reference itself, or refuses nan")
    for case, arguments in _spoilt(operation):
        changed = replace(case, arguments=arguments)
        here, there = (checks.call(operation, name, changed, np.array) for name in (backend, "numpy"))
        for got, wanted in zip(here, there, strict=True):
            for name, leaf in (wanted or {}).items():
                same = np.isnan(np.asarray(leaf, float)) == np.isnan(np.asarray(got[name], float))
                assert np.all(same), f"{case}: {name} is {got[name]}, the reference says {leaf}"
