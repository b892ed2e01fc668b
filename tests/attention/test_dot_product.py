"""Facts of dot-product attention that the golden cases are too small, or too finite, to hold."""

from __future__ import annotations

import warnings
from math import inf, nan
from typing import Any

import numba
import numpy as np
import pytest

import refengine
from refengine._walk import find
from refengine.attention import dot_product as reference
from refengine.backends.numba.attention import _sweeps
from tests.attention._rounding import assert_within, bounds
from validation.exact.draws import Draw
from validation.generate import certified_case

BACKENDS = [refengine.backend("numpy").attention.dot_product, refengine.backend("numba").attention.dot_product]
KERNEL = BACKENDS[1]
pytestmark = pytest.mark.xdist_group("attention.dot_product.attention")  # one process compiles for all


def arrays(heads: int, key_heads: int, queries: int, keys: int, width: int, value_width: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(queries * keys)
    shapes = {
        "g": (2, heads, queries, value_width),
        "q": (2, heads, queries, width),
        "k": (2, key_heads, keys, width),
        "v": (2, key_heads, keys, value_width),
    }
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


@pytest.fixture(params=["weights kept", "weights made twice"])
def sweeps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of the kernel, whatever the number of keys; with a cap, or a mean of all values, it has one."""
    if request.param == "weights made twice":
        monkeypatch.setattr(_sweeps, "STRIP", 0)


@pytest.mark.usefixtures("sweeps")
@pytest.mark.parametrize("bias_shape", [None, (4, 150, 131), (131,), (150, 1), (2, 1, 1, 131)])
@pytest.mark.parametrize(
    "constants",
    [
        {},
        {"softcap": 2.0, "softcap_order": "after_bias", "query_mask": np.arange(150) % 7 > 0},
        {"causal": True, "alignment": "bottom_right", "empty_row": "mean"},
        {"causal": True, "window": (70, 5), "softcap": 3.0},
        {"window": (None, 3), "scale": 2.0, "alignment": "bottom_right", "empty_row": "nan"},
        {"causal": True, "query_mask": np.arange(150) % 7 > 0},
    ],
)
@pytest.mark.parametrize(("dtype", "share"), [(np.float64, 1e-14), (np.float32, 5e-6)])
def test_tiles_of_the_kernel_fit_together(
    constants: dict[str, Any], bias_shape: tuple[int, ...] | None, dtype: Any, share: float
) -> None:
    rng = np.random.default_rng(0)
    given = {name: a.astype(dtype) for name, a in arrays(4, 2, 150, 131, 16, 24).items()}
    given |= {} if bias_shape is None else {"bias": rng.normal(size=bias_shape).astype(dtype)}
    constants = constants | {"mask": rng.random((2, 1, 150, 131)) < 0.9}
    constants |= {"keep_mask": rng.random((150, 131)) < 0.8, "keep_probability": 0.8}
    (value, wanted), (own_value, own) = (b.attention_value_and_vjp(**given, **constants) for b in (reference, KERNEL))
    *bound, _ = bounds(given, constants, float(np.finfo(dtype).eps))  # 2 u: both round
    for a, b, apart in zip((own_value, *own), (value, *wanted), bound, strict=True):
        assert_within(a, b, apart)
        np.testing.assert_allclose(a, b, rtol=0, atol=share * float(np.nanmax(np.abs(b))))


@pytest.mark.usefixtures("sweeps")
def test_the_kernel_gives_the_same_bits_for_any_thread_count() -> None:
    given, threads = arrays(2, 1, 100, 130, 200, 5), numba.get_num_threads()
    results = []
    try:
        for count in sorted({1, threads}):
            numba.set_num_threads(count)
            value, cotangents = KERNEL.attention_value_and_vjp(**given)
            results.append([value, *cotangents])
    finally:
        numba.set_num_threads(threads)
    for a, b in zip(results[0], results[-1], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("keys", "kept"), [(2730, True), (2731, False)])
def test_a_task_keeps_a_mebibyte_of_weights_at_most(monkeypatch: pytest.MonkeyPatch, keys: int, kept: bool) -> None:
    launched = []
    for name in ("there_and_back", "backward"):
        monkeypatch.setattr(_sweeps, name, lambda *_, name=name: launched.append(name))
    given = arrays(1, 1, 3, keys, 2, 2)
    KERNEL.attention_value_and_vjp(**given)
    assert launched[:1] == ["there_and_back" if kept else "backward"]


@pytest.mark.usefixtures("sweeps")
def test_the_kernel_multiplies_float32_in_float32_and_loses_no_more_than_that() -> None:
    given = {name: a.astype(np.float32) for name, a in arrays(4, 2, 300, 500, 64, 33).items()}
    wide = {name: a.astype(np.float64) for name, a in given.items()}
    value, wanted = reference.attention_value_and_vjp(**wide)
    own_value, own = KERNEL.attention_value_and_vjp(**given)
    *bound, _ = bounds(given, {}, 2.0**-24)
    for a, b, apart in zip((own_value, *own), (value, *wanted), bound, strict=True):
        assert a.dtype == np.float32
        assert_within(a, b, apart)
        np.testing.assert_allclose(a, b, rtol=0, atol=16 * 2**-24 * float(np.max(np.abs(b))))
    # its sums are no sums of float64: were they, only the last rounding would be left
    narrow = [bool(np.any(a != np.float32(b))) for a, b in zip((own_value, *own), (value, *wanted), strict=True)]
    assert all(narrow)


@pytest.mark.parametrize(
    ("sizes", "constants"),
    [
        ({"q": 1e25, "k": 1e-25}, {}),
        ({"q": 1e-4, "k": 1e-4, "g": 1e-30}, {"scale": 1e8}),
        ({"q": 1e-4, "k": 1e-4, "g": 1e-30}, {"scale": -3e6, "keep_probability": 0.125}),
        ({"v": 1e-20, "g": 1e-20}, {"keep_probability": 1e-20}),
    ],
)
def test_float32_that_could_overflow_is_multiplied_in_float64(
    sizes: dict[str, float], constants: dict[str, Any]
) -> None:
    given = {name: np.float32(sizes.get(name, 1)) * np.float32(a) for name, a in arrays(1, 1, 130, 130, 2, 2).items()}
    wide = {name: a.astype(np.float64) for name, a in given.items()}
    value, wanted = reference.attention_value_and_vjp(**wide, **constants)
    own_value, own = KERNEL.attention_value_and_vjp(**given, **constants)
    *bound, _ = bounds(wide, constants, 2 * 2.0**-53)
    for a, b, apart in zip((own_value, *own), (value, *wanted), bound, strict=True):
        assert_within(a, b, apart + 2.0**-24 * np.abs(b) + 2.0**-150)


@pytest.mark.parametrize("path", ["dot_product", "ring"])
def test_no_warning_escapes_where_a_result_overflows(path: str) -> None:
    module = getattr(refengine.backend("numba").attention, path)
    given = {name: np.float32(a) for name, a in arrays(1, 1, 3, 4, 2, 2).items()}
    g, q, k, v = (given[name] for name in "gqkv")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if path == "ring":
            sums = module.part(1e30 * q, 1e30 * k, v).log_sum_exp
            (value, _), found = module.part_value_and_vjp((g, g[..., 0]), q, k, 1e30 * v, keep_probability=1e-10)
        else:
            sums = module.log_sum_exp(1e30 * q, 1e30 * k)
            value, found = module.attention_value_and_vjp(g, q, k, 1e30 * v, keep_probability=1e-10)
    assert all(np.isinf(a).all() for a in (sums, value))
    assert np.isinf(found[0]).any()


@pytest.mark.parametrize("module", BACKENDS)
def test_the_error_rule_names_the_first_empty_row(module: Any) -> None:
    given = arrays(2, 2, 3, 3, 2, 2)
    mask = np.ones((2, 2, 3, 3), dtype=bool)
    mask[1, 0, 2] = mask[1, 1, 0] = False
    with pytest.raises(ValueError, match=r"batch \(1,\), head 0, query 2 has none"):
        module.attention(given["q"], given["k"], given["v"], mask=mask, empty_row="error")


POISONED = {
    "a query before a masked key": ({"q": [[nan], [1.0]]}, {"mask": np.array([[1, 0], [1, 1]], bool)}),
    "a query before later keys": ({"q": [[nan], [1.0]]}, {"causal": True}),
    "a key beside a large score": ({"k": [[1e17], [nan], [0.0], [0.0]]}, {}),
    "a key before a masked one": (
        {"k": [[1.0], [nan], [1e17], [0.0]]},
        {"mask": np.array([[1, 1, 0, 1]], bool)},
    ),
    "an infinite score": ({"k": [[1.0], [inf], [0.0]]}, {"causal": True, "alignment": "bottom_right"}),
}


@pytest.mark.usefixtures("sweeps")
@pytest.mark.parametrize("large", [1.0, 1e15, 1e18])
@pytest.mark.parametrize("name", POISONED)
def test_an_attended_nan_goes_as_far_as_in_the_reference(name: str, large: float) -> None:
    change, constants = POISONED[name]
    given = {key: np.array(value)[None] for key, value in change.items()}
    queries, keys = given.get("q", np.ones((1, 2, 1))).shape[1], given.get("k", np.ones((1, 2, 1))).shape[1]
    given = {"q": np.ones((1, queries, 1)), "k": np.ones((1, keys, 1))} | given
    given |= {"g": np.ones((1, queries, 1)), "v": np.arange(1.0, keys + 1).reshape(1, keys, 1)}
    given["k"] = given["k"] * large
    value, wanted = reference.attention_value_and_vjp(**given, **constants)
    own_value, own = KERNEL.attention_value_and_vjp(**given, **constants)
    for a, b in zip((own_value, *own), (value, *wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("module", BACKENDS)
def test_an_attended_nan_stays_in_its_row(module: Any) -> None:
    given = arrays(1, 1, 3, 3, 2, 2)
    given["v"][:, :, 2] = np.nan
    value, (dq, dk, dv) = module.attention_value_and_vjp(**given, causal=True)
    assert np.isfinite(value[:, :, :2]).all()
    assert np.isnan(value[:, :, 2]).all()
    assert np.isfinite(dq[:, :, :2]).all()
    assert np.isfinite(dv).all()
    given["g"][:, :, 2] = 0
    assert np.isfinite(module.attention_vjp(**given, causal=True, window=(0, 0))[1][:, :, :2]).all()


@pytest.mark.parametrize("module", BACKENDS)
def test_drop_out_hides_a_value_that_is_nan_but_no_score(module: Any) -> None:
    given, keep = arrays(1, 1, 3, 3, 2, 2), np.zeros((3, 3), dtype=bool)
    given["v"][:] = np.nan
    assert not module.attention(given["q"], given["k"], given["v"], keep_mask=keep).any()
    given["q"][:, :, 1, 0] = np.nan
    value = module.attention(given["q"], given["k"], given["v"], keep_mask=keep)
    assert np.isnan(value[:, :, 1]).all()
    assert not value[:, :, [0, 2]].any()


@pytest.mark.parametrize("module", BACKENDS)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"k": np.ones((2, 3, 3, 2))}, ValueError, "k must have H_kv heads"),
        ({"k": np.ones((2, 2, 3, 5))}, ValueError, "k must have shape"),
        ({"v": np.ones((2, 2, 4, 2))}, ValueError, "v must have shape"),
        ({"q": np.ones((3, 2))}, ValueError, "q must have shape"),
        ({"v": np.ones((3, 2, 3, 2))}, ValueError, "batch axes"),
        ({"bias": np.ones((4, 3))}, ValueError, "bias must broadcast"),
        ({"mask": np.ones((3, 3))}, TypeError, "mask must hold booleans"),
        ({"keep_mask": np.ones((2, 3), dtype=bool)}, ValueError, "keep_mask must broadcast"),
        ({"alignment": "left"}, ValueError, "alignment must be one of"),
        ({"empty_row": "skip"}, ValueError, "empty_row must be one of"),
        ({"window": (-1, 0)}, ValueError, "window must be"),
        ({"softcap": 0.0}, ValueError, "softcap must be positive"),
        ({"keep_probability": 0.0}, ValueError, "keep_probability must lie"),
    ],
)
def test_errors_name_the_argument(module: Any, change: dict[str, Any], error: type[Exception], message: str) -> None:
    given = arrays(2, 2, 3, 3, 2, 2)
    with pytest.raises(error, match=message):
        module.attention(**{name: given[name] for name in "qkv"} | change)


@pytest.mark.parametrize("module", BACKENDS)
def test_the_cotangent_has_the_shape_of_the_result(module: Any) -> None:
    given = arrays(2, 2, 3, 3, 2, 2)
    with pytest.raises(ValueError, match="g must have the shape"):
        module.attention_vjp(given["g"][:, :, :2], given["q"], given["k"], given["v"])


@pytest.mark.parametrize("module", BACKENDS)
@pytest.mark.parametrize("gap", [720.0, 740.0, 744.0])
def test_gradients_through_subnormal_weights_are_as_good_as_such_weights_can_be(module: Any, gap: float) -> None:
    """Beyond a gap of 708 no golden case: there a kernel exceeds the bar of 8 units, by 421 at 740.

    The weight exp(-gap) is a subnormal number, wrong by up to one of its smallest steps, and a key magnifies that. The
    bound is that and no more: relative accuracy is lost, absolute accuracy is not.
    """
    operation = find()["attention.dot_product.log_sum_exp"]
    draw = Draw({"q": np.ones((1, 1, 1)), "k": np.array([[[0.0], [-gap]]])}, {"scale": 1.0})
    case, (q, k) = certified_case(operation, draw, 0), draw.arguments.values()
    dq, dk = module.log_sum_exp_vjp(case.cotangent["value"], q, k, scale=1.0)
    step, g = 2.0**-1074, float(np.max(np.abs(case.cotangent["value"])))
    assert np.all(np.abs(dq - case.gradients["q"].hi) <= (1 + g) * (gap + 1) * step)
    assert np.all(np.abs(dk - case.gradients["k"].hi) <= np.maximum(2**-52 * np.abs(dk), (1 + g) * step))
