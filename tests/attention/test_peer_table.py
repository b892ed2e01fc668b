"""The table of what other libraries answer: planted peers, right and wrong, are told apart."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from refengine._walk import Operation
from refengine.attention.softmax import softmax
from validation.peers import _table
from validation.peers._table import NotOffered, ask

OPERATION = Operation("attention.softmax.softmax", softmax)


def test_a_right_peer_agrees_everywhere() -> None:
    row = ask(OPERATION, "right", softmax)
    assert row.counts("values") == Counter({"agree": 71})
    assert not row.counts("gradients")
    assert row.left_out == 0


def test_a_wrong_peer_is_wrong() -> None:
    def planted(z: Any, *, mask: Any = None, empty_row: str = "zero") -> Any:
        return 1.01 * softmax(z, mask=mask, empty_row=empty_row)

    counts = ask(OPERATION, "wrong", planted).counts("values")
    assert counts["wrong"] > 50
    assert counts["agree"] < 20  # zeros, and where an error is right


def test_single_precision_has_a_column_of_its_own() -> None:
    def planted(z: Any, *, mask: Any = None, empty_row: str = "zero") -> Any:
        return softmax(z, mask=mask, empty_row=empty_row).astype(np.float32)

    counts = ask(OPERATION, "single", planted).counts("values")
    assert counts["single"] > 40
    assert counts["wrong"] < 10  # weights that a float32 cannot hold


def test_what_a_peer_lacks_is_left_out_and_conventions_are_named() -> None:
    def planted(z: Any, *, mask: Any = None) -> Any:
        if z.ndim > 2:
            raise NotOffered("matrices only")
        return softmax(z, mask=mask, empty_row="mean")

    row = ask(OPERATION, "mean", planted)
    assert row.left_out > 1
    assert set(row.counts("values")) == {"agree", "mean"}
    assert row.counts("values")["mean"] == 6  # of nine cases with an empty row three ask for the mean


def test_a_planted_gradient_is_wrong_and_its_value_agrees() -> None:
    torch = pytest.importorskip("torch")

    def right(z: Any) -> Any:
        return torch.softmax(z, -1)

    def planted(z: Any) -> Any:
        p = torch.softmax(z, -1)
        return 2 * p - p.detach()

    good, bad = ask(OPERATION, "right", right, "torch"), ask(OPERATION, "planted", planted, "torch")
    assert good.counts("gradients")["agree"] > 40
    assert bad.counts("values") == good.counts("values")
    assert bad.counts("gradients")["wrong"] > 40


def test_what_is_raised_is_told() -> None:
    def planted(z: Any) -> Any:
        raise RuntimeError("no kernel")

    row = ask(OPERATION, "raises", planted)
    assert row.counts("values")["raised"] > 40
    assert any("no kernel" in line for line in row.stories())


def test_a_family_is_a_folder_and_a_missing_library_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "absent.py").write_text("import no_such_library\n")
    (tmp_path / "numpy.py").write_text(
        "from refengine.attention.softmax import softmax\n"
        "FRAMEWORK = ''\n"
        "ANSWERS = {'attention.softmax.softmax': {'softmax': softmax}}\n"
    )
    family = ModuleType("family_of_the_test")
    family.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, family.__name__, family)
    assert _table.main(family, [], verbose=True) == 0
    printed = capsys.readouterr().out
    assert f"numpy {np.__version__}" in printed
    assert "not installed: no_such_library" in printed
    assert "values agree" in printed
