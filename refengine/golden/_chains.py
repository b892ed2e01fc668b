"""Chains with the noise of every step: a hundred draws of a sampler that any implementation can repeat."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from refengine._call import unflatten
from refengine.golden._case import GoldenFormatError
from refengine.golden._strict import decoded, from_json, members, place
from refengine.golden._tensor import decode_tensor
from refengine.golden._text import decoded_text, plain_name
from refengine.golden._validate import check_hash

CHAINS = Path(__file__).parent / "chain_data"
SCHEMA = "refengine-chains/1"
HEADER = ("schema", "sampler", "draw", "positions", "generator", "numberOfChains", "chains")
CHAIN = ("target", "arguments", "constants", "position")

Module = Callable[[str], Any]
"""The module of a sampler by its name, in one of the trees."""


class Ladder(NamedTuple):
    """The noise of one draw of parallel tempering: the walk of every replica, then the even and the odd exchanges."""

    normal: Any
    uniform: Any
    even: Any
    odd: Any


@dataclass(frozen=True)
class Chain:
    """Chains of one sampler under one target: how they begin, the noise of all their draws, and where they went.

    ``arguments`` are arrays by name: ``state.position`` (chains, ..., D) and what else the first state needs, the noise
    (draws, chains, ...), the target's parameters, and what the step takes besides. ``position`` (draws, chains, ..., D)
    is the position after every draw: the exact one, every step in ball arithmetic without a rounding on the way,
    rounded once. ``draw`` says in words what a draw is.
    """

    sampler: str
    draw: str
    target: str
    arguments: dict[str, np.ndarray]
    constants: dict[str, Any]
    position: np.ndarray

    def state(self) -> Any:
        """The first state, as ``init`` of the sampler makes it."""
        start = {k.removeprefix("state."): v for k, v in self.arguments.items() if k.startswith("state.")}
        sampler, given = _module_of("refengine.samplers")(self.sampler), (start.pop("position"),)
        takes_target = "target" in inspect.signature(sampler.init).parameters
        return sampler.init(*given, *((self.built_target(),) if takes_target else ()), **start)

    def noise(self) -> Any:
        """The noise of all draws along a first axis, as ``samplers.run`` takes it."""
        kind = noise_of(_module_of("refengine.samplers")(self.sampler))
        return unflatten(kind(*kind._fields), self.arguments, "noise")

    def built_target(self) -> Any:
        """The target with its parameters."""
        module = import_module(f"refengine.samplers.targets.{self.target}")
        return module.target(*(self.arguments[f"target.{p}"] for p in inspect.signature(module.target).parameters))

    def kernel(self, samplers: Any = None) -> Callable[[Any, Any], Any]:
        """One draw as ``samplers.run`` takes it, by the samplers of a backend, NumPy's unless said.

        >>> from refengine import golden
        >>> from refengine.samplers import run
        >>> chain = golden.chains("random_walk")[0]
        >>> result = run(chain.kernel(), chain.state(), chain.noise(), 100, chains=2)
        >>> bool(np.allclose(np.moveaxis(result.posterior["position"], 0, 1), chain.position, rtol=1e-12))
        True
        """
        module = _module_of("refengine.samplers") if samplers is None else lambda name: getattr(samplers, name)
        given = {k: v for k, v in self.arguments.items() if "." not in k}
        return kernel_of(module, self.sampler, self.built_target(), given, self.constants)


def _module_of(tree: str) -> Module:
    return lambda name: import_module(f"{tree}.{name}")


def noise_of(sampler: Any) -> Any:
    """The NamedTuple of a chain's noise."""
    return Ladder if sampler.__name__.endswith(".parallel_tempering") else sampler.Noise


DRAWS = {
    "metropolis_hastings": "one step; the proposals are part of the noise, with their log densities",
    "parallel_tempering": "a random walk of every replica under its tempered density, the even exchanges, the odd ones",
    "sgld": "one step with the gradient of the target at the position",
    "slice": "one step along each coordinate in turn, the noise of coordinate d at index d behind the chains",
}
"""What a draw is where it is not one step and nothing else."""


def kernel_of(
    module: Module, sampler: str, target: Any, given: dict[str, Any], constants: dict[str, Any]
) -> Callable[[Any, Any], Any]:
    """One draw, in the arithmetic of the modules that ``module`` gives."""
    make: Any = {"parallel_tempering": _ladder, "sgld": _with_gradient, "slice": _along_axes}.get(sampler, _plain)
    draw: Callable[[Any, Any], Any] = make(module, sampler, target, given, constants)
    return draw


def _plain(module: Module, sampler: str, target: Any, given: Any, constants: Any) -> Any:
    """As a partial, from which a backend sees the step and compiles whole chains of it."""
    return partial(module(sampler).step, target=target, **given, **constants)


def _with_gradient(module: Module, sampler: str, target: Any, given: Any, constants: Any) -> Any:
    step = module(sampler).step
    return lambda state, noise: step(state, noise, target.gradient(state.position, *target.parameters), **constants)


def _along_axes(module: Module, sampler: str, target: Any, given: Any, constants: Any) -> Any:
    step, directions = module(sampler).step, np.diag(given["width"])

    def draw(state: Any, noise: Any) -> Any:
        for d, direction in enumerate(directions):
            part = type(noise)(*(leaf[:, d] for leaf in noise))
            state, info = step(state, part, target, direction, **constants)
        return state, info

    return draw


def _ladder(module: Module, sampler: str, target: Any, given: Any, constants: Any) -> Any:
    walk, exchange, beta = module("random_walk"), module(sampler), given["inverse_temperatures"]
    warm = target._replace(log_density=lambda x, *parameters: beta * target.log_density(x, *parameters))

    def draw(state: Any, noise: Any) -> Any:
        begun = walk.State(state.position, beta * state.log_density)
        moved, _ = walk.step(begun, walk.Noise(noise.normal, noise.uniform), warm, **constants)
        state = walk.State(moved.position, target.log_density(moved.position, *target.parameters))
        for schedule in ("even", "odd"):
            part = exchange.Noise(getattr(noise, schedule))
            state, info = exchange.step(state, part, beta, schedule=schedule)
        return state, info

    return draw


def path_of_chains(sampler: str) -> Path:
    """The shipped file of a sampler."""
    return CHAINS / f"{sampler}.json.gz"


@cache
def chains(sampler: str) -> tuple[Chain, ...]:
    """Chains of 100 draws of a sampler, with all their noise: replay them and compare the positions draw by draw.

    Raises ValueError that lists the choices for a sampler without chains, `GoldenFormatError` that names the place for
    a file that is truncated or altered.

    >>> [(chain.target, chain.position.shape) for chain in chains("mala")]
    [('gaussian', (100, 2, 2)), ('banana', (100, 2, 2)), ('logistic_regression', (100, 2, 2))]
    """
    names = sorted(path.name.removesuffix(".json.gz") for path in CHAINS.glob("*.json.gz"))
    if sampler not in names:
        raise ValueError(f"sampler must be one of {', '.join(names)}, got {sampler!r}")
    path = path_of_chains(sampler)
    found = parse_chains(decoded_text(path), plain_name(path))
    check_hash(path)
    return found


def parse_chains(text: str, name: str) -> tuple[Chain, ...]:
    """The chains of a file; GoldenFormatError names ``name`` and the place."""
    try:
        node = from_json(text)
    except (ValueError, RecursionError) as error:
        raise GoldenFormatError(f"{name}: {error}") from None
    with place(name):
        members(node, HEADER)
        if node["schema"] != SCHEMA:
            raise ValueError(f"schema is {node['schema']!r}, this reader knows {SCHEMA!r}")
        if node["numberOfChains"] != len(node["chains"]):
            raise ValueError(f"numberOfChains is {node['numberOfChains']}, {len(node['chains'])} follow")
        found = []
        for i, part in enumerate(node["chains"]):
            with place(f"chains[{i}]"):
                found.append(_decode_chain(part, node))
        return tuple(found)


def _decode_chain(node: Any, header: Any) -> Chain:
    members(node, CHAIN)
    return Chain(
        sampler=header["sampler"],
        draw=header["draw"],
        target=node["target"],
        arguments=decoded(node["arguments"], decode_tensor, "arguments"),
        constants=dict(members(node["constants"])),
        position=decode_tensor(node["position"]),
    )
