"""The golden chains: every backend goes their way, a changed step does not, and they are made the same again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import refengine
from refengine import golden
from refengine._call import flatten
from refengine.golden import GoldenFormatError
from refengine.golden._chains import CHAINS, parse_chains, path_of_chains
from refengine.golden._text import content
from refengine.golden._validate import validate_sums
from validation.chains import begun, made, plans, positions, serialise

DRAWN, BOUND = 100, 1e-12
MISTAKES = {
    "ghmc": {"on_reject": "keep"},
    "gibbs": {"scan": "reverse"},
    "hamiltonian": {"metric_convention": "mass"},
    "langevin": {"step_size_convention": "half_epsilon"},
    "mala": {"step_size": 0.2500001},
    "metropolis_within_gibbs": {"scan": "reverse"},
    "nuts": {"turn": "position"},
    "sgld": {"temperature": 0.5},
    "slice": {"bracket": "from_point"},
    "stretch": {"a": 3.0},
    "underdamped_langevin": {"metric_convention": "inverse_scale"},
}
SLIPS = {
    "elliptical_slice": ("factor", 1.0 + 2**-20),
    "independence": ("scale", 1.0 + 2**-20),
    "metropolis_hastings": ("noise.log_q_forward", 1.5),
    "parallel_tempering": ("inverse_temperatures", np.array([1.0, 0.5, 1.5])),
    "preconditioned_mala": ("factor", 1.0 + 2**-20),
    "random_walk": ("noise.normal", 1.0 + 2**-20),
}


def far(chain, samplers, draws=DRAWN):
    """How far the chain of these samplers is off at each draw, as a share of the position where that is above 1."""
    noise, copies = chain.noise(), chain.position.shape[1]
    noise = type(noise)(*(leaf[:draws] for leaf in noise))
    result = samplers.run(chain.kernel(samplers), chain.state(), noise, draws, chains=copies)
    off = np.moveaxis(result.posterior["position"], 0, 1) - chain.position[:draws]
    return np.max(np.abs(off) / np.maximum(np.abs(chain.position[:draws]), 1), axis=tuple(range(1, off.ndim)))


def all_chains():
    """The first chain of every sampler in the default run, the others in the long one."""
    for name, planned in plans().items():
        for i, (target, _, _) in enumerate(planned):
            marks = [pytest.mark.slow] if i else []
            yield pytest.param(name, i, id=f"{name}-{target}-{i}", marks=marks)


@pytest.mark.parametrize(("name", "number"), list(all_chains()))
def test_every_backend_goes_the_same_way(name, number, backend):
    samplers, chain = refengine.backend(backend).samplers, golden.chains(name)[number]
    if backend == "numba":
        assert getattr(samplers, name).step is not getattr(refengine.samplers, name).step, "a kernel of its own"
    assert chain.position.shape[0] == DRAWN
    assert np.max(far(chain, samplers)) < BOUND


@pytest.mark.parametrize("name", MISTAKES)
def test_another_step_goes_another_way(name):
    chain = golden.chains(name)[0]
    changed = replace(chain, constants=chain.constants | MISTAKES[name])
    assert np.max(far(changed, refengine.samplers, 60)) > 1e3 * BOUND


def test_no_sampler_is_without_a_mistake():
    assert {*MISTAKES, *SLIPS} == {*plans()}


@pytest.mark.parametrize("name", SLIPS)
def test_another_array_leads_another_way(name):
    chain, (field, factor) = golden.chains(name)[0], SLIPS[name]
    changed = replace(chain, arguments=chain.arguments | {field: chain.arguments[field] * factor})
    assert np.max(far(changed, refengine.samplers, 60)) > 1e3 * BOUND


@pytest.mark.parametrize("name", plans())
def test_chains_are_made_the_same_again(name):
    for salt, (chain, plan) in enumerate(zip(golden.chains(name), plans()[name], strict=True)):
        fresh = begun(name, *plan, salt)
        assert fresh.constants == chain.constants
        assert fresh.arguments.keys() == chain.arguments.keys()
        assert all(np.array_equal(fresh.arguments[k], chain.arguments[k]) for k in chain.arguments)
    assert np.array_equal(positions(fresh, 3), chain.position[:3])


@pytest.mark.parametrize(
    "name", [name if name == "random_walk" else pytest.param(name, marks=pytest.mark.slow) for name in plans()]
)
def test_a_file_is_made_the_same_again(name):
    assert serialise(made(name)) == content(path_of_chains(name)).decode()


@pytest.mark.parametrize("name", plans())
def test_chains_move_and_their_noise_is_in_range(name):
    for chain in golden.chains(name):
        moved = np.any(np.diff(chain.position, axis=0) != 0, axis=-1)
        assert moved.mean() > 0.15
        for path, leaf in flatten(chain.noise(), "noise").items():
            assert leaf.shape[:2] == chain.position.shape[:2], path
            assert np.array_equal(leaf, leaf.astype(np.float32)), path


def test_the_shipped_chains_are_small_and_hashed():
    assert sum(path.stat().st_size for path in CHAINS.iterdir()) < 1e6
    assert {path.name for path in CHAINS.glob("*.gz")} == {f"{name}.json.gz" for name in plans()}
    validate_sums(CHAINS)


def test_an_unknown_sampler_lists_the_choices():
    with pytest.raises(ValueError, match=r"one of elliptical_slice, .*, got 'gibs'"):
        golden.chains("gibs")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda node: node.pop("draw"), "'draw' missing"),
        (lambda node: node.update(schema="refengine-chains/0"), "this reader knows"),
        (lambda node: node.update(numberOfChains=4), "numberOfChains is 4, 3 follow"),
        (lambda node: node["chains"][1].pop("position"), r"chains\[1\]: 'position' missing"),
        (lambda node: node["chains"][0]["position"]["data"].pop(), r"chains\[0\]: shape \[100, 2, 2\] needs"),
        (lambda node: node["chains"][2]["arguments"]["noise.normal"].update(dtype="float16"), "arguments.noise.normal"),
    ],
)
def test_a_broken_file_names_the_place(change, named):
    node = json.loads(content(path_of_chains("mala")))
    change(node)
    with pytest.raises(GoldenFormatError, match=rf"^mala\.json.*{named}"):
        parse_chains(json.dumps(node), "mala.json")


def test_an_altered_file_does_not_pass_its_hash(tmp_path, monkeypatch):
    for name in ("gibbs.json.gz", "SHA256SUMS"):
        (tmp_path / name).write_bytes((CHAINS / name).read_bytes())
    altered = content(CHAINS / "gibbs.json.gz").replace(b'"scan":"reverse"', b'"scan":"random"', 1)
    golden._text.write(tmp_path / "gibbs.json.gz", altered.decode())
    monkeypatch.setattr(golden._chains, "CHAINS", tmp_path)
    with pytest.raises(GoldenFormatError, match="sha256 differs"):
        golden.chains.__wrapped__("gibbs")
