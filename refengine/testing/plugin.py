"""The pytest plugin: names for cases, a marker, expected failures by uid, and a summary of all checks.

``pytest --refengine-xfail FILE`` (or ``refengine_xfail = FILE`` in the ini file) reads one uid a line, with the reason
after ``#``. Tests with such a case must fail: one that passes is an error, so that the list cannot grow old.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from refengine.golden import Case
from refengine.testing import _records
from refengine.testing._cases import readable

_COLLECTED: set[str] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("refengine_xfail", "file with the uids of golden cases that are expected to fail", default="")
    parser.getgroup("refengine").addoption(
        "--refengine-xfail", metavar="FILE", help="file with the uids of golden cases that are expected to fail"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "refengine: checks a certified case; set on every test that has one")
    _COLLECTED.clear()
    _records.EXPECTED_FAILURES.clear()
    named = config.getoption("--refengine-xfail")
    path = Path(named) if named else config.rootpath / str(config.getini("refengine_xfail") or ".")
    if named or config.getini("refengine_xfail"):
        _records.EXPECTED_FAILURES.update(_expected_failures(path))


def _expected_failures(path: Path) -> dict[str, str]:
    """Reasons by uid; a line that is neither is an error that names it."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise pytest.UsageError(f"refengine_xfail: {error}") from None
    found = {}
    for number, line in enumerate(lines, 1):
        uid, _, reason = (part.strip() for part in line.partition("#"))
        if uid and not re.fullmatch("[0-9a-f]{16}", uid):
            raise pytest.UsageError(f"{path}:{number}: a uid has 16 hexadecimal digits, got {uid!r}")
        if uid:
            found[uid] = reason or "listed in refengine_xfail"
    return found


def pytest_make_parametrize_id(val: Any) -> str | None:
    return readable(val) if isinstance(val, Case) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        values = getattr(item, "callspec", None)
        for case in (v for v in values.params.values() if isinstance(v, Case)) if values else ():
            item.add_marker("refengine")
            _COLLECTED.add(case.uid)
            if case.uid in _records.EXPECTED_FAILURES:
                item.add_marker(pytest.mark.xfail(reason=_records.EXPECTED_FAILURES[case.uid], strict=True))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under pytest-xdist a worker sends what it saw to the process that prints."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["refengine"] = [list(vars(r).values()) for r in _records.RECORDS]
        output["refengine_collected"] = sorted(_COLLECTED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    sent = getattr(node, "workeroutput", {})
    _records.RECORDS.extend(_records.Record(*fields) for fields in sent.get("refengine", ()))
    _COLLECTED.update(sent.get("refengine_collected", ()))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    summaries: Iterable[_records.Summary] = _records.report()
    absent = len(_records.EXPECTED_FAILURES.keys() - _COLLECTED) if _COLLECTED else 0
    if summaries or absent:
        terminalreporter.section("refengine: checks against certified values")
    for summary in summaries:
        terminalreporter.write_line(str(summary), red=bool(summary.failures))
    if absent:
        terminalreporter.write_line(f"{absent} uids of the expected-failure list belong to no collected test")
