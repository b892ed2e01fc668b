"""The command line: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from click.testing import CliRunner

import refengine
from refengine import golden
from refengine._walk import find
from refengine.cli._foreign import Target, prepared
from refengine.cli.commands import cli
from refengine.testing import cases

OPERATION = "special.log_beta"
COUNT = golden.header(OPERATION)["numberOfCases"]

MINE = """
import numpy as np
from refengine.special import log_beta

def right(a, b):
    return log_beta(a, b)

def keywords(*, first, second, offset=0.0):
    return log_beta(first, second) + offset

def reciprocal(one_over_a, b):
    return log_beta(1 / one_over_a, b)

def float32(a, b):
    return np.float64(np.float32(log_beta(a, b)))

def short(a, b):
    return log_beta(a, b).astype(np.float32)

def raising(a, b):
    if np.any(a > 40):
        raise RuntimeError("too large")
    return log_beta(a, b)

def nonsense(a, b):
    return {0: None, 1: "text", 2: [1, 2], 3: object(), 4: lambda: 0}[int(np.sum(a) * 8) % 5]

def impure(a, b):
    value = log_beta(a, b)
    a += 1
    return value

def printing(a, b):
    print("a line among the results")
    return log_beta(a, b)

def leaving(a, b):
    raise SystemExit(0)

def unprintable(a, b):
    raise RuntimeError("\\ud800 [/b]")

class Family:
    @staticmethod
    def log_beta(a, b):
        return log_beta(a, b)

not_a_function = 3
"""

TORCH = """
import torch
from refengine.special import log_beta, log_beta_vjp

class LogBeta(torch.autograd.Function):
    sign = 1
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return torch.as_tensor(log_beta(a.numpy(), b.numpy()))
    @staticmethod
    def backward(ctx, g):
        a, b = (t.numpy() for t in ctx.saved_tensors)
        da, db = log_beta_vjp(g.numpy(), a, b)
        return torch.as_tensor(da), LogBeta.sign * torch.as_tensor(db)

def right(a, b):
    LogBeta.sign = 1
    return LogBeta.apply(a, b)

def wrong_sign(a, b):
    LogBeta.sign = -1
    return LogBeta.apply(a, b)

def detached(a, b):
    return right(a, b).detach()

def wrong_shape(a, b):
    return right(a, b).reshape(-1)
"""

JAX = """
import jax
import numpy as np
from refengine.special import log_beta, log_beta_vjp

@jax.custom_vjp
def right(a, b):
    return jax.numpy.asarray(log_beta(np.asarray(a), np.asarray(b)))

def backward(inputs, g):
    return tuple(map(jax.numpy.asarray, log_beta_vjp(np.asarray(g), *map(np.asarray, inputs))))

right.defvjp(lambda a, b: (right(a, b), (a, b)), backward)

def nonsense(a, b):
    return "text"
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in a directory with files of the user; the result of click."""
    for name, text in {"mine": MINE, "my_torch": TORCH, "my_jax": JAX}.items():
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(0)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def invoke(*arguments, exit_code=0, color=False):
        result = CliRunner().invoke(cli, list(map(str, arguments)), color=color)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == exit_code, result.output
        return result

    return invoke


@pytest.fixture
def check(run):
    """Check a target; the parsed JSON."""

    def invoke(target, *options, exit_code=0):
        result = run("check", target, "--operation", OPERATION, "--json", *options, exit_code=exit_code)
        return json.loads(result.stdout)

    return invoke


def test_version(run):
    assert refengine.__version__ in run("--version").output


def test_module_runs_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "refengine", "list", "--json"], capture_output=True, text=True, check=True
    )
    rows = json.loads(done.stdout)["operations"]
    assert {"operation": OPERATION, "numpy": "own kernel"}.items() <= next(
        row for row in rows if row["operation"] == OPERATION
    ).items()


def test_missing_extra_is_named(tmp_path):
    (tmp_path / "click.py").write_text("raise ModuleNotFoundError('No module named click', name='click')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from refengine.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == "refengine: the command line needs click: pip install 'refengine[cli]'"


def test_verify(run, tmp_path):
    result = run("verify", "--backend", "numpy", "--operation", OPERATION, "--report", "out.html")
    assert result.stdout.startswith("passed")
    assert f"1 of 1 passed, {COUNT} cases" in result.stdout
    page = (tmp_path / "out.html").read_text("utf-8")
    assert OPERATION in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page


def test_verify_json_and_report(run, tmp_path):
    result = run("verify", "--backend", "numpy", "--operation", "special.log_bet*", "--json", "--report", "out.json")
    said = json.loads(result.stdout)
    assert said == json.loads((tmp_path / "out.json").read_text("utf-8"))
    (row,) = said["outcomes"]
    assert (row["operation"], row["backend"], row["status"], row["cases"]) == (OPERATION, "numpy", "passed", COUNT)
    assert 0 < row["median"] < row["worst"] <= said["limit"]


def test_verify_fails_when_an_operation_is_wrong(run, monkeypatch):
    from refengine._walk import Operation

    right = Operation.on

    def wrong(self, backend):
        def function(*args, **constants):
            return right(self, backend)(*args, **constants) * (1 + 1e-13)

        function.__module__, function.__name__ = self.function.__module__, self.name
        return function

    monkeypatch.setattr(Operation, "on", wrong)
    result = run("verify", "--backend", "numpy", "--operation", OPERATION, exit_code=1)
    assert result.stdout.startswith("failed")
    assert "0 of 1 passed" in result.stdout


def test_verify_without_truth_fails(run, monkeypatch):
    def load(path):
        raise golden.GoldenFormatError("special.log_beta.json: line 3 is odd")

    monkeypatch.setattr("refengine._verify.load", load)
    result = run("verify", "--backend", "numpy", "--operation", OPERATION, exit_code=1)
    assert "line 3 is odd" in result.stdout


def test_verify_names_what_is_missing(run):
    if "cupy" not in refengine.backends():
        assert "cupy" in run("verify", "--backend", "cupy", exit_code=1).stderr
    assert "'nummy'" in run("verify", "--backend", "nummy", exit_code=2).stderr
    near = run("verify", "--operation", "special.log_bta", exit_code=2).stderr
    assert "close to it: special.log_beta" in near
    assert "must end in .json or .html" in run("verify", "--report", "x.txt", exit_code=2).stderr


def test_unavailable_backend_names_the_extra(run, monkeypatch):
    monkeypatch.setattr(refengine, "find_spec", lambda name: None)
    assert "pip install 'refengine[numba]'" in run("verify", "--backend", "numba", exit_code=1).stderr


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("mine:right", ()),
        ("mine:Family.log_beta", ()),
        ("mine:impure", ()),
        ("mine:keywords", ("--arguments", "first={a}, second={b}, offset=0.0")),
        ("mine:right", ("--arguments", "{b},{a}")),
        ("mine:right", ("--arguments", "{a},b={b}")),
        ("mine:right", ("--dtype", "float32")),
    ],
)
def test_check_right(check, target, options):
    said = check(target, *options)
    assert said["passed"]
    assert said["right"] == said["total"] == len(said["cases"]) > 50
    assert said["worst"] <= 8
    assert said["conventions"] == {"default": said["total"]}


def test_expressions_may_stand_in_arguments(check):
    said = check("mine:reciprocal", "--arguments", "1/{a},{b}", "--dtype", "float32", "--units", "1e6")
    assert said["right"] > 0.9 * said["total"]


def test_check_wrong(check):
    said = check("mine:float32", exit_code=1)
    assert said["wrong"] > 100
    assert said["raised"] == 0
    worst = said["worst_case"]
    assert worst["case"].startswith(OPERATION)
    assert "expected" in worst["explanation"]
    assert {row["status"] for row in said["cases"]} == {"right", "wrong"}
    assert not check("mine:short", exit_code=1)["passed"]
    assert check("mine:short", "--dtype", "float32")["passed"]


def test_check_raising(check):
    said = check("mine:raising", exit_code=1)
    assert said["raised"] > 0
    assert said["right"] > 0
    row = next(row for row in said["cases"] if row["status"] == "raised")
    assert row["explanation"] == "raised RuntimeError: too large"


def test_check_of_what_prints_or_leaves(run, check):
    result = run("check", "mine:printing", "--operation", OPERATION, "--json")
    assert json.loads(result.stdout)["passed"]
    assert "a line among the results" in result.stderr
    said = check("mine:leaving", exit_code=1)
    assert said["raised"] > 0.9 * said["total"]  # for bad input an exception is right


def test_check_of_what_cannot_be_printed(run, tmp_path):
    command = [sys.executable, "-m", "refengine", "check", "mine:unprintable", "--operation", OPERATION]
    done = subprocess.run([*command, "--report", "out.html"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert r"RuntimeError: \ud800 [/b]" in done.stdout
    assert r"RuntimeError: \ud800 [/b]" in (tmp_path / "out.html").read_text("utf-8")
    said = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, check=False).stdout)
    assert said["raised"] > 0


def test_check_nonsense(check):
    said = check("mine:nonsense", exit_code=1)
    assert said["wrong"] + said["right"] == said["total"]
    assert any("array of numbers, got str" in row["explanation"] for row in said["cases"])
    assert any("shape" in row["explanation"] for row in said["cases"])


def test_check_scipy_in_words(run, tmp_path):
    pytest.importorskip("scipy")
    command = ("check", "scipy.special:betaln", "--operation", OPERATION)
    result = run(*command, "--report", "out.html", exit_code=1)
    assert f"{COUNT} cases:" in result.stdout
    assert "worst case: special.log_beta" in result.stdout
    page = (tmp_path / "out.html").read_text("utf-8")
    assert page.count("<tr") == COUNT + 1
    assert "scipy.special:betaln against special.log_beta" in page
    assert run(*command, "-v", exit_code=1).stdout.count("right ") >= 100


@pytest.mark.parametrize(
    ("target", "explanation"),
    [("right", ""), ("wrong_sign", "d/db"), ("detached", "d/d"), ("wrong_shape", "shape")],
)
def test_check_torch_gradients(check, target, explanation):
    pytest.importorskip("torch")
    said = check(f"my_torch:{target}", "--gradient", "torch", exit_code=1 if explanation else 0)
    assert any(explanation in row["explanation"] for row in said["cases"])
    assert said["raised"] == 0


@pytest.fixture
def two_outputs():
    """sum and product of 2 and 3, with the cotangents 1 and 10: the gradients are 1 + 10 * 3 and 1 + 10 * 2."""

    def exact(x):
        return golden.Certified(np.array(float(x)), np.array(0.0), np.array(0.0))

    return replace(
        cases(OPERATION)[0],
        arguments={"a": np.array(2.0), "b": np.array(3.0)},
        constants={},
        value={"sum": exact(5), "product": exact(6), "both_positive": np.array(True)},
        cotangent={"sum": np.array(1.0), "product": np.array(10.0)},
        gradients={"a": exact(31), "b": exact(21)},
        condition={"sum": np.array(5.0), "product": np.array(12.0)},
        gradient_condition={"a": np.array(30.0), "b": np.array(20.0)},
        alternatives={},
        result="required",
    )


@pytest.mark.parametrize("framework", ["torch", "jax"])
@pytest.mark.parametrize(
    ("function", "explanation"),
    [
        (lambda a, b: (a + b, a * b, (a > 0) & (b > 0)), ""),
        (lambda a, b: {"product": a * b, "both_positive": (a > 0) & (b > 0), "sum": a + b}, ""),
        (lambda a, b: (a + b, a * b), "value must be sum, product, both_positive, got 2 arrays"),
        (lambda a, b: {"sum": a + b, "product": a * b}, "value of both_positive is missing"),
        (lambda a, b: (a + b, a * b + a, a > 0), "d/da: expected 31.0, got 41.0"),
    ],
)
def test_gradients_of_several_outputs(two_outputs, framework, function, explanation):
    pytest.importorskip(framework)
    target = Target(function, find()[OPERATION], framework, gradient=True)
    with prepared(framework, "float64"):
        assessment = target.assess(two_outputs, 8.0)
    assert assessment.status == ("wrong" if explanation else "right"), assessment.explanation
    assert explanation in assessment.explanation


def test_an_output_without_a_path_counts_as_constant(two_outputs):
    pytest.importorskip("torch")
    target = Target(lambda a, b: (a + b, (a * b).detach(), a > 0), find()[OPERATION], "torch", gradient=True)
    assessment = target.assess(two_outputs, 8.0)
    assert "d/da: expected 31.0, got 1.0" in assessment.explanation


def test_check_torch_low_precision(check):
    pytest.importorskip("torch")
    said = check("torch:add", "--dtype", "bfloat16", exit_code=1)
    assert said["total"] > 50
    assert said["wrong"] > 50


def test_check_jax(check):
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    hard = [option for flag in ("NEAR_ROOT", "WRONG_BRANCH") for option in ("--flag", flag)]
    said = check("jax.scipy.special:betaln", "--gradient", "jax", *hard, exit_code=1)
    assert said["right"] + said["wrong"] == said["total"] == len(cases(OPERATION, flags=hard[1::2]))
    assert said["wrong"] > 5
    assert any("d/da" in row["explanation"] and "float64" in row["explanation"] for row in said["cases"])
    assert jax.config.jax_enable_x64 == before
    assert check("my_jax:right", "--gradient", "jax", *hard)["passed"]
    assert check("my_jax:right", "--gradient", "jax", "--dtype", "float32")["passed"]
    assert check("my_jax:nonsense", "--gradient", "jax", *hard, exit_code=1)["right"] == 0


def test_frameworks_get_their_own_arrays(check):
    pytest.importorskip("jax")
    assert check("jax.scipy.special:betaln", exit_code=1)["right"] > 100


@pytest.mark.parametrize(
    ("target", "options", "message", "code"),
    [
        ("mine", (), "package.module:attribute", 2),
        ("mine:no_such", (), "mine has no attribute 'no_such'", 2),
        ("mine:not_a_function", (), "cannot be called: int", 2),
        ("no_such_module:f", (), "No module named 'no_such_module'", 1),
        ("broken:f", (), "ZeroDivisionError", 1),
        ("leaving:f", (), "cannot import leaving: SystemExit: 0", 1),
        ("mine:right", ("--arguments", "{a},{z}"), "names z; the operation has a, b", 2),
        ("mine:right", ("--arguments", "{a},,{b}"), "must read like the arguments of a call", 2),
        ("mine:right", ("--arguments", "{a},{b c}"), "must read like the arguments of a call", 2),
        ("mine:right", ("--report", "nowhere/out.json"), "there is no directory 'nowhere'", 2),
        ("mine:right", ("--convention", "no_such"), "convention must be one of default", 2),
        ("mine:right", ("--dtype", "bfloat16"), "NumPy has no bfloat16", 2),
        ("mine:right", ("--dtype", "float8"), "float8", 2),
    ],
)
def test_check_says_what_is_wrong_with_the_question(run, target, options, message, code):
    result = run("check", target, "--operation", OPERATION, *options, exit_code=code)
    assert message in " ".join(result.stderr.split())


def test_unknown_operation_lists_near_names(run):
    for command in (("show", "special.logbeta"), ("check", "mine:right", "--operation", "special.logbeta")):
        said = run(*command, exit_code=2).stderr
        assert "close to it: special.log_beta" in said
        assert "choices: " in said


def test_help_has_no_stray_characters(run):
    text = run("check", "--help").stdout
    assert {c for c in text if not c.isprintable()} == {"\n"}
    assert "    return torch.distributions.Beta(a, b, validate_args=False).log_prob(x)\n\n" in text


def test_colour_is_for_terminals_that_want_it(run, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    command = ("check", "mine:raising", "--operation", OPERATION)
    assert "\x1b[31m" in run(*command, exit_code=1, color=True).stdout
    assert "\x1b" not in run(*command, exit_code=1).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run(*command, exit_code=1, color=True).stdout


def test_a_closed_pipe_is_no_error():
    command = [sys.executable, "-m", "refengine", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""


def test_list(run):
    lines = run("list").stdout.splitlines()
    assert any(line.split()[0] == OPERATION and line.split()[-1] == str(COUNT) for line in lines)
    assert lines[-1].endswith("golden cases")


def test_show(run):
    text = run("show", OPERATION).stdout
    for part in (
        r"\log B(a, b)",
        "a: (0, inf)",
        "nist-dlmf, 5.12.1",
        f"NEAR_ROOT: {len(cases(OPERATION, flags='NEAR_ROOT'))}",
        "conventions: default",
    ):
        assert part in text
    said = json.loads(run("show", OPERATION, "--json").stdout)
    assert said["gradients"] == ["a", "b"]
    assert sum(said["results"].values()) == said["cases"] == COUNT


def test_golden_export_and_validate(run, tmp_path, monkeypatch):
    assert "files in out" in run("golden", "export", "out", "--format", "json").stdout
    path = tmp_path / "out" / f"{OPERATION}.json"
    assert "1 of 1 files passed" in run("golden", "validate", path).stdout
    path.write_text(path.read_text("utf-8")[:5000], "utf-8")
    said = json.loads(run("golden", "validate", path, "--json", exit_code=1).stdout)
    assert not said["passed"]
    assert "special.log_beta.json: " in said["files"][0]["said"]


def test_golden_validate_everything(run, tmp_path, monkeypatch):
    golden.export(tmp_path / "data", "json", [OPERATION])
    (tmp_path / "data" / "schema.json").unlink()
    monkeypatch.setattr(golden, "DATA", tmp_path / "data")
    assert "1 of 1 files passed" in run("golden", "validate").stdout
    (tmp_path / "data" / "other.json").write_text("{}")
    said = run("golden", "validate", exit_code=1).stdout
    assert "other.json" in said
    assert "SHA256SUMS" in said
