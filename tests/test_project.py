"""The project's furniture: what an import costs, what the documents promise, what the sources cite."""

import doctest
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import refengine
from refengine import golden
from refengine._verify import run_case
from refengine._walk import Operation, find
from refengine.golden import DATA
from tests.conftest import forget_stale_kernels

ROOT = Path(__file__).parents[1]
KEYS = re.findall(r"^@\w+\{\s*([^,\s]+)\s*,", (ROOT / "docs/references.bib").read_text("utf-8"), re.M)
OPERATIONS = find()
TEXT = {".py", ".rst", ".md", ".toml", ".cfg", ".yaml", ".yml", ".bib", ".json", ".css", ""}
TEST_COMMAND = (
    "python -m venv .venv && . .venv/bin/activate && pip install -e '.[test,peers]' cupy-cuda12x && pytest -n auto"
)


def in_a_new_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout


def sources() -> list[Path]:
    """Every text file of the project; caches, builds and environments are not part of it."""
    folders = ("refengine", "validation", "tests", "docs", ".ci")
    skip = {"__pycache__", "_build", "_generated", "reference"}
    found = [p for p in ROOT.iterdir() if p.is_file()]
    found += [p for folder in folders for p in (ROOT / folder).rglob("*") if p.is_file()]
    return [p for p in found if p.suffix in TEXT and not skip & set(p.relative_to(ROOT).parts) and p.name != ".git"]


@pytest.mark.parametrize("heavy", ["numba", "cupy", "matplotlib", "torch", "jax", "flint", "scipy.stats", "click"])
def test_import_leaves_heavy_packages_alone(heavy):
    assert in_a_new_process(f"import refengine, sys; print({heavy!r} in sys.modules)").strip() == "False"


def test_import_is_quick():
    code = "import time, numpy; t = time.process_time(); import refengine; print(time.process_time() - t)"
    assert min(float(in_a_new_process(code)) for _ in range(3)) < 0.3


def test_version_is_the_changelogs():
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert versions[0] == refengine.__version__


def test_readme_and_ci_run_the_same_command():
    block = re.search(r"<!-- test-command -->\s*```\w*\n(.+?)\n```", (ROOT / "README.md").read_text("utf-8"), re.S)
    assert block is not None
    assert block[1] == TEST_COMMAND
    script = (ROOT / ".ci/run").read_text("utf-8")
    assert "/<!-- test-command -->/" in script  # CI runs the line that it reads there
    assert 'eval "$command"' in script


def test_no_file_names_a_place_on_somebodys_machine():
    private = re.compile(r"(?<![\w.}\-])/(?:" + "|".join(("home", "Users", "root", "work", "opt", "mnt")) + r")/\w")
    named = {str(p.relative_to(ROOT)): m[0] for p in sources() if (m := private.search(p.read_text("utf-8")))}
    assert not named


def test_bibliography_keys_are_unique():
    assert sorted(KEYS) == sorted(set(KEYS))


def test_bibliography_entries_are_closed():
    entries = re.split(r"^@", (ROOT / "docs/references.bib").read_text("utf-8"), flags=re.M)
    assert [entry.splitlines()[0] for entry in entries[1:] if entry.count("{") != entry.count("}")] == []


def test_golden_files_cite_known_works():
    cited = {name: golden.header(name)["definition"]["reference"] for name in golden.operations()}
    assert {name: key for name, key in cited.items() if key not in KEYS} == {}


@pytest.mark.parametrize("name", golden.operations())
def test_golden_files_are_those_of_their_definitions(name):
    from validation.generate import definition_of

    header = golden.header(name)
    said, now = header["definition"], definition_of(OPERATIONS[header["operation"]])
    assert said == now, f"run: python -m validation.generate {header['operation']}"


def test_definitions_and_pages_cite_known_works():
    definition, page = re.compile(r"^\s*Source: ([\w-]+)", re.M), re.compile(r":cite(?::\w+)?:`([^`]+)`")
    unknown = set()
    for path in sources():
        cite = page if path.suffix == ".rst" else definition if "exact" in path.parts else None
        keys = ",".join(cite.findall(path.read_text("utf-8"))).split(",") if cite else []
        unknown |= {f"{path.name}: {key.strip()}" for key in keys if key and key.strip() not in KEYS}
    assert unknown == set()


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.rst")), ids=lambda page: page.stem)
def test_examples_in_the_documentation(page):
    assert doctest.testfile(str(page), module_relative=False, encoding="utf-8").failed == 0


def test_documentation_asks_the_network_for_nothing():
    remote = re.compile(r"https?://[^\s\"']+\.(?:js|css|woff2?)")
    files = [ROOT / "docs/conf.py", *(ROOT / "docs").rglob("*.css"), *(ROOT / "docs/_extensions").glob("*.py")]
    assert [p.name for p in files if remote.search(p.read_text("utf-8"))] == []
    assert "intersphinx" not in (ROOT / "docs/conf.py").read_text("utf-8")


def test_worked_example_meets_the_bar(monkeypatch, backend):
    """The files of docs/adding_an_operation.rst, put where that page says, found and judged like any other."""
    from validation.exact import special as definitions
    from validation.generate import certified_case, definition_of, draws

    example = ROOT / "docs/example"
    kernels = importlib.import_module("refengine.backends.numba.special")
    for package in (refengine.special, definitions, kernels):
        place = example / package.__name__.replace(".", "/")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(place)])
    names = [f"{p.__name__}.log_cosh" for p in (refengine.special, definitions, kernels)]
    try:
        reference = importlib.import_module(names[0])
        operation = Operation("special.log_cosh.log_cosh", reference.log_cosh)
        assert definition_of(operation)["reference"] == "nist-dlmf"
        assert operation.on(backend) is (
            reference.log_cosh if backend == "numpy" else importlib.import_module(names[2]).log_cosh
        )
        cases = [certified_case(operation, draw, i) for i, draw in enumerate(draws(operation))]
        assert len(cases) >= 200
        assert {str(c): v.worst for c in cases if not (v := run_case(operation, backend, c)).worst <= 8} == {}
        assert doctest.testmod(reference).failed == 0
    finally:
        for name in names:
            sys.modules.pop(name, None)
            package = sys.modules[name.rpartition(".")[0]]
            vars(package).pop("log_cosh", None)


def test_compiled_kernels_older_than_a_source_are_forgotten(tmp_path):
    for name, time in (("before.nbi", 1), ("_gamma.py", 2), ("after.nbi", 3)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time, time))
    forget_stale_kernels(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["_gamma.py", "after.nbi"]


def test_shipped_data_stays_small():
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 40e6
