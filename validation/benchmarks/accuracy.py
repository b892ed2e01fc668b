"""``python -m validation.benchmarks accuracy FAMILY``: every library on the same golden cases, in units of error.

The unit is ``u * (|f| + cond)``; a case counts as wrong beyond 8, or where a library raises. Judged is the convention
that a library comes closest to; a named one stands at the end of the line. Libraries that are not installed are
left out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

import refengine
from refengine._call import bind, cotangents_by_name, flatten, unflatten
from refengine._stack import Stack
from refengine._walk import BACKENDS, Operation, find
from refengine.golden import Case
from validation.peers._judged import Score, score

LIBRARIES = ("scipy", "torch", "jax", "numpyro", "tfp")
HEAD = (
    f"{'':55} {'values':^25}   {'gradients':^25}\n"
    f"{'operation':44} {'library':10} {'median':>9} {'worst':>9} {'wrong':>5}   {'median':>9} {'worst':>9} {'wrong':>5}"
)


def run(family: str) -> Iterator[Score]:
    """The log densities of a family: refengine on its backends, then each library that has them."""
    peers = dict(_installed())
    for path, operation in find().items():
        if path.startswith(f"{family}.") and operation.name == "log_prob":
            for backend in BACKENDS:
                if backend in refengine.backends():
                    yield score(path, backend, partial(_own, operation, backend))
            name = operation.module.rpartition(".")[2]
            for library, module in peers.items():
                if name in module.LOG_PROB:
                    answer = partial(_peer, module.answer, name, operation)
                    yield score(path, library, answer, slopes=getattr(module, "HAS_GRADIENTS", True))


def _installed() -> Iterator[tuple[str, Any]]:
    for library in LIBRARIES:
        try:
            yield library, import_module(f"validation.peers.{library}")
        except ImportError as error:
            print(f"{library} is left out: {error}", file=sys.stderr)


def _own(operation: Operation, backend: str, piece: Stack | Case) -> tuple[Any, Any]:
    args, constants = bind(operation, dict(piece.arguments), piece.constants, refengine.backend(backend).__name__)
    function = operation.on(backend)
    value = function(*args, **constants)
    if not operation.has_vjp:
        return flatten(value)["value"], None
    g = unflatten(value, piece.cotangent)
    _, gradients = refengine.value_and_vjp(function, g, *args, **constants)
    return value, cotangents_by_name(operation, piece.arguments, gradients)


def _peer(answer: Callable[..., Any], name: str, operation: Operation, piece: Stack | Case) -> tuple[Any, Any]:
    return answer(name, piece.cotangent.get("value", np.ones(())), piece.arguments, operation.differentiable)


def main(families: list[str]) -> int:
    """Print the table; nothing is judged here."""
    for family in families:
        print(HEAD)
        for row in run(family):
            print(row, flush=True)
    return 0
