"""Other libraries' samplers step by step: what is known of them, and planted rows that are told apart."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from refengine.samplers import mala, random_walk
from refengine.samplers.targets import gaussian
from validation.peers.samplers import _rows
from validation.peers.samplers._rows import Row, difference

TARGET = gaussian.target(np.zeros(2), np.eye(2))


def peer_of(name):
    pytest.importorskip(name)
    return pytest.importorskip(f"validation.peers.samplers.{name}").ROWS


def test_a_planted_walk_differs_from_the_first_step_on():
    """A proposal scaled by its variance, and a ratio with its sign turned."""
    rng = np.random.default_rng(0)
    state = random_walk.init(rng.normal(size=(50, 2)), TARGET)
    noise = random_walk.noise(rng, state)
    ours, info = random_walk.step(state, noise, TARGET, scale=0.5)
    right = state.position + 0.5 * noise.normal
    assert difference((info.proposal, right)) <= _rows.LIMIT
    assert difference((info.proposal, state.position + 0.25 * noise.normal)) > 0.01
    turned = np.log(noise.uniform) < -info.log_accept_ratio
    assert difference((info.accepted, turned)) == np.inf
    assert difference((ours.position, np.where(turned[:, None], right, state.position))) > 0.01


def test_differences_are_relative_to_the_step_and_kinds_are_told_apart():
    assert difference((np.array([[1.0, 1e-9], [0.0, 0.0]]), np.array([[1.0, 2e-9], [0.0, 0.0]]))) == pytest.approx(1e-9)
    assert difference((np.array([1e-30]), np.array([2e-30]))) == 0.5
    assert difference((np.array([np.nan, 1.0]), np.array([np.nan, 1.0]))) == 0
    assert difference((np.array([np.nan]), np.array([1.0]))) == np.inf
    assert difference((np.array([1.0]), np.array([np.inf]))) == np.inf
    assert difference((np.array([1, 2]), np.array([1, 3]))) == np.inf
    assert difference((np.zeros((2, 1)), np.zeros(2))) == np.inf


def test_a_verdict_names_the_convention_that_fits():
    assert Row("a", 1, {"": 0.0, "b=c": 0.0}).verdict == "agrees"
    assert Row("a", 1, {"": 0.5, "b=c": 1e-15}).verdict == "matches b=c"
    assert Row("a", 1, {"": 0.5, "b=c": 1e-3}).verdict == "differs"
    assert "matches b=c (our default: 0.5): why" in str(Row("a", 1, {"": 0.5, "b=c": 1e-15}, "why"))


def test_the_table_names_what_is_missing(tmp_path, monkeypatch, capsys):
    (tmp_path / "absent.py").write_text("import no_such_library\n")
    (tmp_path / "numpy.py").write_text(
        "from validation.peers.samplers._rows import Row\nROWS = {'planted': lambda: Row('mala.step', 3, {'': 0.25})}\n"
    )
    family = ModuleType("samplers_of_the_test")
    family.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, family.__name__, family)
    assert _rows.main(family, ["plant"], verbose=True) == 0
    printed = capsys.readouterr().out
    assert "not installed: no_such_library" in printed
    assert "differs" in printed
    assert "default: 0.25" in printed
    assert [name for name, _ in _rows.rows(family, ["stretch"])] == []


@pytest.mark.parametrize(
    ("peer", "what", "verdict"),
    [
        ("emcee", "moves.StretchMove", "agrees"),
        ("arviz_stats", "ess, bulk", "agrees"),
        ("blackjax", "mala", "agrees"),
        ("blackjax", "dual_averaging_adaptation", "matches average=previous"),
        ("numpyro", "dual_averaging", "agrees"),
        ("numpyro", "HMC", "agrees"),
    ],
)
def test_what_is_known_of_other_libraries(peer, what, verdict):
    row = peer_of(peer)[what]()
    assert row.verdict == verdict, str(row)
    assert row.steps > 5


def test_the_average_of_the_step_size_lags_in_blackjax_alone():
    """Hoffman and Gelman's first average is the first step size computed, log 10 eps_0 - (delta - alpha) / 0.55."""
    adaptation = pytest.importorskip("blackjax.adaptation.step_size")
    init, update, _ = adaptation.dual_averaging_adaptation(0.8)
    state = update(init(0.5), 0.75)
    first = np.log(5) - 0.05 / 11 / 0.05
    assert float(state.log_step_size) == pytest.approx(first, rel=1e-14)
    assert float(state.log_step_size_avg) == pytest.approx(np.log(0.5), rel=1e-14)


def test_a_step_under_another_noise_differs():
    """The comparison sees one wrong uniform in a step."""
    rng = np.random.default_rng(1)
    state = mala.init(rng.normal(size=(20, 2)), TARGET)
    noise = mala.noise(rng, state)
    after, info = mala.step(state, noise, TARGET, step_size=1.5)
    flipped = noise.uniform.copy()
    flipped[3] = 1.0 if info.accepted[3] else 0.0
    other, _ = mala.step(state, noise._replace(uniform=flipped), TARGET, step_size=1.5)
    assert difference((other.position, after.position)) > 1e-3


def test_every_peer_has_rows():
    names = {path.stem for path in Path(_rows.__file__).parent.glob("*.py") if not path.stem.startswith("_")}
    assert names == {"arviz_stats", "blackjax", "emcee", "numpyro"}
