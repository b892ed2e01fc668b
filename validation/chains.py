"""Make the golden chains: ``python -m validation.chains [SAMPLER...]`` (all when none is named).

The same bytes on every run: noise comes from a generator keyed by the sampler's name. A chain is made in ball
arithmetic from its first state to its last, with more bits until every decision is certain and every position rounds to
one float64.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import flint
import numpy as np

import refengine
from refengine._call import flatten, unflatten
from refengine.golden._chains import CHAINS, DRAWS, SCHEMA, Chain, Ladder, kernel_of, noise_of, path_of_chains
from refengine.golden._tensor import encode_tensor
from refengine.golden._text import plain_name, sha256
from refengine.golden._text import write as write_text
from refengine.samplers import pre_drawn
from validation.exact.draws import short
from validation.exact.number import Number, Undecided, lift, number, working_precision

DRAWN, COPIES, BITS = 100, 2, 24
FIRST_BITS, LAST_BITS = 512, 2**14
EXACT = "exact steps in ball arithmetic, rounded once to float64"
TARGETS: dict[str, dict[str, Any]] = {
    "gaussian": {"mean": np.array([1.0, -2.0]), "precision": np.array([[2.0, 0.5], [0.5, 1.0]])},
    "banana": {"bend": np.array(0.25), "scale": np.array(1.5)},
    "logistic_regression": {
        "features": np.array([[1, x] for x in (-2.0, -1.5, -0.75, -0.25, 0.5, 1.0, 1.75, 2.25)]),
        "outcomes": np.array([0, 0, 1, 0, 1, 0, 1, 1]),
        "prior_scale": np.array(2.0),
    },
}
METRIC = {"metric": np.array([0.75, 1.25])}
SCANS = ({}, {"scan": "reverse"}, {"scan": "random"}, {"block_size": 2})


def plans() -> dict[str, list[tuple[str, dict[str, Any], dict[str, Any]]]]:
    """For every sampler target, arrays and constants of its chains."""
    every = tuple(TARGETS)

    def on(arrays: dict[str, Any], constants: dict[str, Any], targets: tuple[str, ...] = every) -> list[Any]:
        return [(target, arrays, constants) for target in targets]

    q = {"loc": np.array([0.5, -1.0]), "scale": np.array([1.5, 2.0])}
    return {
        "elliptical_slice": on({"factor": np.array([[1.5, 0.0], [0.5, 1.0]])}, {}),
        "ghmc": on(METRIC, {"step_size": 0.5, "persistence": 0.75, "steps": 2}),
        "gibbs": [("gaussian", {}, constants) for constants in SCANS],
        "hamiltonian": on(METRIC, {"step_size": 0.375, "steps": 5}),
        "independence": on(q, {}),
        "langevin": on({}, {"step_size": 0.125}),
        "mala": on({}, {"step_size": 0.25}),
        "metropolis_hastings": on({}, {}),
        "metropolis_within_gibbs": on({"scale": np.array([1.0, 2.0])}, {}),
        "nuts": on(METRIC, {"step_size": 0.375}),
        "parallel_tempering": on({"inverse_temperatures": np.array([1.0, 0.5, 0.25])}, {"scale": 1.25}),
        "preconditioned_mala": on({"factor": np.array([[0.75, 0.0], [-0.25, 1.25]])}, {"step_size": 0.25}),
        "random_walk": on({}, {"scale": 1.0}),
        "sgld": on({}, {"step_size": 0.25, "step_size_convention": "half_epsilon"}),
        "slice": on({"width": np.array([1.0, 2.0])}, {"max_steps": 4}),
        "stretch": on({}, {"a": 2.0}),
        "underdamped_langevin": on(METRIC, {"step_size": 0.375, "friction": 1.0}),
    }


def begun(sampler: str, target: str, arrays: dict[str, Any], constants: dict[str, Any], salt: int) -> Chain:
    """A chain without its positions: the first state, and noise of 24 bits, which float32 holds too."""
    seed = int.from_bytes(hashlib.sha256(f"{sampler} {target} {salt}".encode()).digest()[:8], "big")
    rng, module = np.random.default_rng(seed), import_module(f"refengine.samplers.{sampler}")
    walkers = {"stretch": (4,), "parallel_tempering": (3,)}.get(sampler, ())
    arguments = {"state.position": short(rng.normal(size=(COPIES, *walkers, 2)) * 2, 4)}
    if "momentum" in module.State._fields:
        arguments["state.momentum"] = short(rng.normal(size=(COPIES, 2)), 4)
    arguments |= {f"target.{k}": v for k, v in TARGETS[target].items()} | arrays
    chain = Chain(sampler, DRAWS.get(sampler, "one step"), target, arguments, constants, np.empty(0))
    return replace(chain, arguments=arguments | dict(_noise(rng, chain, module)))


def _noise(rng: np.random.Generator, chain: Chain, module: Any) -> Iterator[tuple[str, Any]]:
    """The noise of all draws by name; uniforms stay inside (0, 1)."""
    state = chain.state()
    drawn = MAKERS.get(chain.sampler, _usual)(rng, chain, module, state)
    for name, leaf in flatten(drawn, "noise").items():
        array = short(np.asarray(leaf), BITS)
        assert name.startswith(("noise.normal", "noise.proposal", "noise.log_q")) or (0 < array.min() < array.max() < 1)
        yield name, array


def _usual(rng: Any, chain: Chain, module: Any, state: Any) -> Any:
    return pre_drawn(module.noise, rng, state, DRAWN)


def _shallow(rng: Any, chain: Chain, module: Any, state: Any) -> Any:
    """Trees of at most 2^4 points, at most 6 tries."""
    return pre_drawn(
        lambda rng, state: module.noise(rng, state, 4 if chain.sampler == "nuts" else 6), rng, state, DRAWN
    )


def _axes(rng: Any, chain: Chain, module: Any, state: Any) -> Any:
    """As many uniforms again for every coordinate."""
    wide = state._replace(position=np.zeros((COPIES, 2, 2)))
    return pre_drawn(lambda rng, state: module.noise(rng, state, 6), rng, wide, DRAWN)


def _replicas(rng: Any, chain: Chain, module: Any, state: Any) -> Any:
    shape = (DRAWN, *state.position.shape[:-1])
    return Ladder(
        rng.normal(size=(*shape, 2)), *(rng.uniform(size=s) for s in (shape, (*shape[:2], 1), (*shape[:2], 1)))
    )


def _proposals(rng: Any, chain: Chain, module: Any, state: Any) -> Any:
    """From N(0.75 x, 1.5^2), which has a direction; it depends on where the chain is, so that the chain is run."""

    def log_q(y: Any, x: Any) -> Any:
        return -np.sum((y - 0.75 * x) ** 2, axis=-1) / 4.5

    found, kernel = [], chain.kernel()
    for _ in range(DRAWN):
        given = module.noise(rng, state, lambda rng, x: short(0.75 * x + 1.5 * rng.normal(size=x.shape), BITS), log_q)
        found.append(type(given)(*(short(leaf, BITS) for leaf in given)))
        state, _ = kernel(state, found[-1])
    return type(given)(*(np.stack(leaves) for leaves in zip(*found, strict=True)))


MAKERS: dict[str, Callable[..., Any]] = {
    "elliptical_slice": _shallow,
    "metropolis_hastings": _proposals,
    "nuts": _shallow,
    "parallel_tempering": _replicas,
    "slice": _axes,
}


def positions(chain: Chain, draws: int = DRAWN) -> np.ndarray:
    """The exact positions after each of the first draws, rounded."""
    bits = FIRST_BITS
    while bits <= LAST_BITS:
        try:
            with working_precision(bits):
                return _attempt(chain, draws)
        except Undecided:
            bits *= 2
    raise ArithmeticError(f"{chain.sampler} on {chain.target}: not certain with {LAST_BITS} bits")


def _attempt(chain: Chain, draws: int) -> np.ndarray:
    known = {k: lift(v, variables=False) if v.dtype.kind == "f" else v for k, v in chain.arguments.items()}
    targets = import_module(f"validation.exact.samplers.targets.{chain.target}")
    target = targets.target(*(known[f"target.{p}"] for p in inspect.signature(targets.target).parameters))
    target = target._replace(gradient=_without_history(target.gradient))
    sampler = import_module(f"refengine.samplers.{chain.sampler}")
    at = known["state.position"]
    carried = {f: getattr(target, f)(at, *target.parameters) for f in ("log_density", "gradient")}
    state = sampler.State(*({**carried, **_state(known)}[field] for field in sampler.State._fields))
    given = {k: v for k, v in known.items() if "." not in k}
    module = lambda name: import_module(f"validation.exact.samplers.{name}")  # noqa: E731
    kernel = kernel_of(module, chain.sampler, target, given, chain.constants)
    kind, found = noise_of(sampler), []
    for t in range(draws):
        drawn = {k: v[t] for k, v in known.items() if k.startswith("noise.")}
        state, _ = kernel(state, unflatten(kind(*kind._fields), drawn, "noise"))
        found.append(_rounded(state.position))
    return np.stack(found)


def _without_history(gradient: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient, which the definitions derive by the position, of numbers that forget how they were made."""
    forget = np.frompyfunc(lambda x: Number(number(x).ball), 1, 1)
    to_variables = np.frompyfunc(lambda x: Number(number(x).ball, variable=True), 1, 1)
    return lambda position, *parameters: forget(gradient(to_variables(position), *parameters))


def _state(known: dict[str, Any]) -> dict[str, Any]:
    return {k.removeprefix("state."): v for k, v in known.items() if k.startswith("state.")}


def _rounded(position: Any) -> np.ndarray:
    """Undecided where a ball rounds to two numbers."""
    balls = [number(x).ball for x in np.ravel(position)]
    ends = np.array([[float(b.lower()), float(b.upper())] for b in balls])
    if np.any(ends[:, 0] != ends[:, 1]) or not np.all(np.isfinite(ends)):
        raise Undecided
    return (ends[:, 0] + 0.0).reshape(np.shape(position))


def made(sampler: str) -> list[Chain]:
    """All chains of a sampler."""
    planned = [begun(sampler, *plan, salt) for salt, plan in enumerate(plans()[sampler])]
    return [replace(chain, position=positions(chain)) for chain in planned]


def serialise(found: list[Chain]) -> str:
    """The text of a file: canonical key order, one chain a line, LF."""
    header = {
        "schema": SCHEMA,
        "sampler": found[0].sampler,
        "draw": found[0].draw,
        "positions": EXACT,
        "generator": {"refengine": refengine.__version__, "python-flint": flint.__version__},
        "numberOfChains": len(found),
    }
    lines = [
        json.dumps(
            {
                "target": chain.target,
                "arguments": {k: encode_tensor(v) for k, v in chain.arguments.items()},
                "constants": chain.constants,
                "position": encode_tensor(chain.position),
            },
            separators=(",", ":"),
            allow_nan=False,
        )
        for chain in found
    ]
    return json.dumps(header, indent=1)[:-2] + ',\n "chains": [\n' + ",\n".join(lines) + "\n ]\n}\n"


def generate(names: list[str]) -> None:
    """Write the files of the samplers named, and the hashes of all."""
    unknown = set(names) - plans().keys()
    if unknown:
        raise SystemExit(f"no chains of {', '.join(sorted(unknown))}; there are {', '.join(plans())}")
    CHAINS.mkdir(exist_ok=True)
    for sampler in names or plans():
        found = made(sampler)
        write_text(path_of_chains(sampler), serialise(found))
        print(f"{sampler}: {len(found)} chains of {DRAWN} draws", flush=True)
    lines = [f"{sha256(path)}  {plain_name(path)}\n" for path in sorted(CHAINS.glob("*.json.gz"))]
    (CHAINS / "SHA256SUMS").write_text("".join(lines), "utf-8", newline="\n")


if __name__ == "__main__":
    generate(sys.argv[1:])
