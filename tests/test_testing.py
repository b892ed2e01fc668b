"""The testing kit: it passes what is right, catches what is wrong, and says why."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from refengine import golden
from refengine.attention.dot_product import attention_value_and_vjp
from refengine.golden import Answer, Certified
from refengine.special import log_beta, log_beta_vjp
from refengine.testing import _records, cases, check, report
from refengine.testing._assess import assess
from refengine.testing._judge import judge

pytest_plugins = ["pytester"]
OPERATION = "special.log_beta"


@pytest.fixture(autouse=True)
def _own_records(monkeypatch):
    monkeypatch.setattr(_records, "RECORDS", [])
    monkeypatch.setattr(_records, "EXPECTED_FAILURES", {})


def answer(case):
    return log_beta(**case.arguments), log_beta_vjp(case.cotangent["value"], **case.arguments)


def certified(*numbers):
    hi = np.array(numbers, dtype=np.float64)
    return Certified(hi, np.zeros_like(hi), np.zeros_like(hi))


@pytest.fixture
def case():
    """A case with axes."""
    return cases(OPERATION, flags="BROADCAST")[0]


@pytest.fixture
def kink():
    """A case with two conventions, as at a kink."""
    base = cases(OPERATION)[0]
    return replace(
        base,
        value={"value": certified(1.0, 2.0)},
        gradients={"a": certified(0.5), "b": certified(1.0)},
        condition={"value": np.ones(2)},
        gradient_condition={"a": np.ones(1), "b": np.ones(1)},
        alternatives={
            "straight_through": Answer({"value": certified(1.0, 2.0)}, {"a": certified(0.5), "b": certified(-1.0)}),
            "other": Answer({"value": certified(1.0, 3.0)}, {"a": certified(0.5), "b": certified(1.0)}),
        },
    )


@pytest.mark.parametrize("one", cases(OPERATION))
def test_the_reference_is_right(one):
    assert check(one, *answer(one)).convention == "default"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_low_precision_arguments(dtype):
    found = cases(OPERATION, dtype=dtype)
    assert len(found) > 20
    for one in found:
        assert {str(v.dtype) for v in (*one.arguments.values(), *one.cotangent.values())} == {dtype}
        value, gradients = answer(one)
        check(one, value.astype(dtype), [g.astype(dtype) for g in gradients])


def test_bfloat16_arguments_are_exact_in_it():
    for one in cases(OPERATION, dtype="bfloat16"):
        for array in (*one.arguments.values(), *one.cotangent.values()):
            assert array.dtype == np.float32
            assert not np.any(array.view(np.uint32) & 0xFFFF)


def test_flags_choose():
    assert all("NEAR_ROOT" in one.flags for one in cases(OPERATION, flags="NEAR_ROOT"))
    both = cases(OPERATION, flags=["NEAR_ROOT", "SUBNORMAL"])
    assert len(both) == len(cases(OPERATION, flags="NEAR_ROOT")) + len(cases(OPERATION, flags="SUBNORMAL"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float8"}, "bfloat16"),
        ({"flags": "NO_SUCH"}, "NEAR_ROOT"),
        ({"convention": "no_such"}, "default"),
        ({"flags": "SUBNORMAL", "dtype": "float16"}, "no cases"),
    ],
)
def test_bad_choices_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        cases(OPERATION, **options)


def test_arguments_belong_to_the_test(case):
    case.arguments["a"][...] = 0.0
    assert np.all(cases(OPERATION, flags="BROADCAST")[0].arguments["a"] > 0)


def test_wrong_value(case):
    value, gradients = answer(case)
    value[1, 2] *= 1 + 1e-13
    with pytest.raises(AssertionError, match=r"value\[1, 2\]: expected .* units") as raised:
        check(case, value, gradients)
    assert "BROADCAST: the gradient of a broadcast argument is not summed" in str(raised.value)
    assert case.uid in str(raised.value)
    assert check(case, value, gradients, units=1e4).right


def test_wrong_gradient(case):
    value, (da, db) = answer(case)
    with pytest.raises(AssertionError, match=r"d/db\[\d\]: expected"):
        check(case, value, (da, -db))
    with pytest.raises(AssertionError, match=r"d/da"):
        check(case, value, {"b": db, "a": da + 1e-9})
    check(case, value, {"b": db, "a": da})
    check(case, value)


def test_wrong_shape(case):
    value, (da, db) = answer(case)
    with pytest.raises(AssertionError, match=r"value: shape \(4, 3\) came, \(3, 4\) was expected"):
        check(case, value.T, (da, db))
    with pytest.raises(AssertionError, match=r"d/da: shape \(3, 4\) came, \(3, 1\) was expected"):
        check(case, value, (np.broadcast_to(da, (3, 4)), db))


def test_wrong_number_of_gradients(case):
    value, (da, db) = answer(case)
    with pytest.raises(AssertionError, match="gradient must be a, b, got 3 arrays"):
        check(case, value, (da, db, db))
    with pytest.raises(AssertionError, match="gradient of b is missing"):
        check(case, value, {"a": da})
    with pytest.raises(AssertionError, match="gradient must be a, b, got a, c"):
        check(case, value, {"a": da, "c": db})
    with pytest.raises(AssertionError, match=r"d/db"):
        check(case, value, (da, None))


@pytest.mark.parametrize("wrong", [np.complex128(1), "text", None, [[1.0], [1.0, 2.0]], object(), {}, (), {"z": 1.0}])
def test_no_numbers(case, wrong):
    with pytest.raises(AssertionError, match="value"):
        check(case, wrong)


def test_wrong_dtype(case):
    value, gradients = answer(case)
    with pytest.raises(AssertionError, match="dtype float32 came, float64 was expected"):
        check(case, value.astype(np.float32), gradients)
    with pytest.raises(AssertionError, match=r"[ab]: dtype float32 came"):
        check(case, value, [g.astype(np.float32) for g in gradients])
    check(case, value.astype(np.float32), dtype="float32")


def test_a_wider_dtype_is_judged_as_such():
    one = cases(OPERATION, dtype="float32")[0]
    value, _ = answer(cases(OPERATION)[0])
    check(one, value)
    with pytest.raises(AssertionError):
        check(one, np.float64(np.float32(value)))
    check(one, np.float64(np.float32(value)), dtype="float32")


def test_an_exception_is_an_answer(case):
    with pytest.raises(AssertionError, match="raised ZeroDivisionError: no"):
        check(case, ZeroDivisionError("no"))
    with pytest.raises(AssertionError, match="the gradient raised TypeError"):
        check(case, answer(case)[0], TypeError("no"))


def test_invalid_input():
    one = next(c for c in cases(OPERATION) if c.result == "invalid")
    for right in (np.nan, -np.inf, ValueError("a must be positive")):
        check(one, right)
    with pytest.raises(AssertionError, match="finite for bad input"):
        check(one, 0.0)
    with pytest.raises(AssertionError, match="shape"):
        check(one, [np.nan, np.nan])


def test_undefined():
    one = replace(cases(OPERATION)[0], result="undefined", value={"value": certified(np.nan, 1.0)})
    one = replace(one, condition={"value": np.zeros(2)})
    for right in ([np.nan, 1.0], ArithmeticError()):
        check(one, right)
    for wrong in ([0.5, 1.0], [np.nan, 1.1], [np.inf, 1.0]):
        with pytest.raises(AssertionError):
            check(one, wrong)


def test_required_names_the_convention_that_matches(kink):
    check(kink, [1.0, 2.0], ([0.5], [1.0]))
    with pytest.raises(AssertionError, match="matches 'straight_through', not 'default'"):
        check(kink, [1.0, 2.0], ([0.5], [-1.0]))
    with pytest.raises(AssertionError, match="matches none of 'default', 'straight_through', 'other'"):
        check(kink, [1.0, 2.0], ([0.5], [7.0]))


def test_ambiguous_accepts_any_and_records_which(kink):
    kink = replace(kink, result="ambiguous")
    assert check(kink, [1.0, 2.0], ([0.5], [1.0])).convention == "default"
    assert check(kink, [1.0, 2.0], ([0.5], [-1.0])).convention == "straight_through"
    assert check(kink, [1.0, 3.0], ([0.5], [1.0])).convention == "other"
    with pytest.raises(AssertionError, match="none of"):
        check(kink, [1.0, 3.0], ([0.5], [-1.0]))
    assert report()[0].conventions == {"default": 1, "straight_through": 1, "other": 1}


def test_a_convention_without_a_file(monkeypatch, kink):
    file = replace(golden.load(OPERATION), cases=(kink, *golden.load(OPERATION).cases[1:3]))
    monkeypatch.setattr(golden, "_load", lambda name: file)
    golden.load.cache_clear()
    try:
        found = cases(OPERATION, convention="straight_through")
        check(found[0], [1.0, 2.0], ([0.5], [-1.0]))
        with pytest.raises(AssertionError, match="matches 'default', not 'straight_through'"):
            check(found[0], [1.0, 2.0], ([0.5], [1.0]))
        assert golden.conventions(OPERATION) == ("default", "other", "straight_through")
    finally:
        golden.load.cache_clear()


def test_several_outputs():
    base = cases(OPERATION)[0]
    one = replace(
        base,
        value={"state.position": certified(1.0), "state.accepted": np.array([True]), "energy": certified(2.0)},
        condition={"state.position": np.zeros(1), "energy": np.zeros(1)},
    )
    state = {"position": [1.0], "accepted": [True]}
    for right in (
        (([1.0], [True]), [2.0]),
        ([1.0], [True], [2.0]),
        {"state": state, "energy": [2.0]},
        {"energy": [2.0], "state.position": [1.0], "state.accepted": np.array([1])},
    ):
        assert assess(one, _arrays(right)).right
    assert not assess(one, _arrays(([1.0], [False], [2.0]))).right
    assert "got 2 arrays" in assess(one, _arrays(([1.0], [True]))).explanation
    assert "value of energy is missing" in assess(one, _arrays({"state": state})).explanation


def _arrays(tree):
    if isinstance(tree, dict):
        return {k: _arrays(v) for k, v in tree.items()}
    return tuple(map(_arrays, tree)) if isinstance(tree, tuple) else np.array(tree)


def test_report():
    one, other = cases(OPERATION)[:2]
    check(one, *answer(one))
    with pytest.raises(AssertionError):
        check(other, 0.0)
    (summary,) = report()
    assert (summary.operation, summary.cases, summary.failures, summary.worst > 1e3) == (OPERATION, 2, 1, True)
    assert "2 cases" in str(report())
    assert report().as_dicts()[0]["failures"] == 1
    report(clear=True)
    assert report() == ()


class OnlyDLPack:
    def __init__(self, array):
        self.array, self.dtype = array, array.dtype

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_dlpack(case):
    value, gradients = answer(case)
    check(case, OnlyDLPack(value), [OnlyDLPack(g) for g in gradients])


def test_array_api_strict(case):
    xp = pytest.importorskip("array_api_strict")
    value, gradients = answer(case)
    check(case, xp.asarray(value), [xp.asarray(g) for g in gradients])


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_torch(dtype):
    torch = pytest.importorskip("torch")
    kind = getattr(torch, dtype)
    for one in cases(OPERATION, dtype=dtype)[:20]:
        wide = {k: torch.tensor(v, dtype=torch.float64, requires_grad=True) for k, v in one.arguments.items()}
        value = torch.lgamma(wide["a"]) + torch.lgamma(wide["b"]) - torch.lgamma(wide["a"] + wide["b"])
        gradients = torch.autograd.grad(value, list(wide.values()), retain_graph=True)
        short = [t.to(kind) for t in (value, *gradients)]
        assert short[0].requires_grad
        check(one, short[0], short[1:], units=1000 if dtype == "float64" else 1.01)
        with pytest.raises(AssertionError, match="units"):
            check(one, short[0] * 9 + 900, short[1:])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_jax(dtype):
    jax = pytest.importorskip("jax")
    for one in cases(OPERATION, dtype=dtype)[:5]:
        value, gradients = (jax.numpy.asarray(a, dtype=dtype) for a in (answer(one)[0], np.stack(answer(one)[1])))
        check(one, value, list(gradients))
        with pytest.raises(AssertionError, match="units"):
            check(one, value * 9 + 900)


def test_nothing_heavy_is_imported():
    code = (
        "import sys, refengine.testing, refengine.testing.plugin, json;"
        "heavy = {'torch', 'jax', 'numba', 'matplotlib', 'scipy', 'click', 'rich', 'jsonschema_rs', 'safetensors'};"
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(out) == []


TEST_FILE = """
import pytest
from refengine.special import log_beta
from refengine.testing import cases, check

@pytest.mark.parametrize("case", cases("special.log_beta")[:4])
def test_log_beta(case):
    check(case, log_beta(**case.arguments) * (1.5 if case.id == 2 else 1.0))
"""


@pytest.fixture
def project(pytester):
    pytester.makepyfile(test_it=TEST_FILE)
    pytester.makeini("[pytest]\naddopts = --strict-markers --strict-config -p no:cacheprovider\n")
    return pytester


def uids():
    return [one.uid for one in cases(OPERATION)[:4]]


def test_plugin_names_and_sums(project):
    result = project.runpytest_subprocess("-v")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            f"*test_log_beta?special.log_beta-{uids()[0]}? PASSED*",
            "*refengine: checks against certified values*",
            "special.log_beta: 4 cases, worst *, 1 failed; matched default 3",
        ]
    )
    project.runpytest_subprocess("-m", "refengine").assert_outcomes(passed=3, failed=1)


def test_plugin_expected_failures(project):
    project.makefile(".txt", known=f"# what we know\n\n{uids()[1]}  # the tail is wrong\n")
    result = project.runpytest_subprocess("--refengine-xfail", "known.txt", "-rx")
    result.assert_outcomes(passed=3, xfailed=1)
    result.stdout.fnmatch_lines(["special.log_beta: 4 cases, * 0 failed, 1 expected to*", "*the tail is wrong*"])
    assert result.ret == 0


def test_plugin_expected_failures_are_strict(project):
    project.makefile(".txt", known=f"{uids()[1]}\n{uids()[2]}\n{'0' * 16}\n")
    project.makeini("[pytest]\nrefengine_xfail = known.txt\n")
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=2, xfailed=1, failed=1)
    result.stdout.fnmatch_lines(["*XPASS(strict)*", "1 uids of the expected-failure list belong to no collected test"])


@pytest.mark.parametrize(
    ("content", "message"), [("xyz\n", "*known.txt:1: a uid has 16*'xyz'*"), (None, "*No such file*")]
)
def test_plugin_bad_list(project, content, message):
    if content:
        project.makefile(".txt", known=content)
    result = project.runpytest_subprocess("--refengine-xfail", "known.txt")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_plugin_under_xdist(project):
    pytest.importorskip("xdist")
    result = project.runpytest_subprocess("-n", "1")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["special.log_beta: 4 cases, *1 failed*"])


def test_an_alternative_is_not_judged_by_a_condition_of_0() -> None:
    """A key that the default masks has condition 0 there; the alternative, which attends to it, rounds."""
    for case in cases("attention.dot_product.attention", flags="ALIGNMENT"):
        for name, answer in case.alternatives.items():
            if name in ("top_left", "bottom_right"):
                constants = case.constants | {"alignment": name}
                value, cotangents = attention_value_and_vjp(case.cotangent["value"], **case.arguments, **constants)
                nudged = [np.nextafter(c, np.inf) for c in cotangents]
                verdict = judge(case, {"value": value}, dict(zip(case.gradients, nudged, strict=True)), answer)
                assert verdict.worst <= 8, (case, name, verdict)
