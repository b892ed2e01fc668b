"""Parts of attention over blocks of keys merge to the attention over all of them, in value and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import refengine
from refengine.attention import dot_product
from tests.attention._rounding import assert_within, bounds

BACKENDS = [refengine.backend("numpy").attention.ring, refengine.backend("numba").attention.ring]
QUERIES, KEYS = 70, 131


def arrays(queries: int = QUERIES, dtype: Any = np.float64) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    shapes = {"g": (4, queries, 3), "q": (4, queries, 8), "k": (2, KEYS, 8), "v": (2, KEYS, 3), "bias": (queries, KEYS)}
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def blocks(cuts: tuple[int, ...]) -> list[slice]:
    return [slice(a, b) for a, b in zip((0, *cuts), (*cuts, KEYS), strict=True)]


def merged_value_and_vjp(module: Any, cuts: tuple[int, ...], given: dict[str, Any], constants: dict[str, Any]) -> Any:
    """Each block forward, the merge, its way back, and each block back: dk and dv side by side, dq summed."""
    g, q, k, v, bias = given.values()
    calls = []
    for block in blocks(cuts):
        at = {"place": -block.start, "mask": constants["mask"][..., block]}
        call = (q, k[:, block], v[:, block], bias[:, block]), constants | at
        calls.append(call)
    parts = [module.part(*arguments, **keywords) for arguments, keywords in calls]
    stacked = [np.stack(field) for field in zip(*parts, strict=True)]
    of_merged = both_cotangents(g)
    value, cotangents = module.merge_value_and_vjp(of_merged, *stacked)
    back = [
        module.part_vjp(module.Partial(*of_part), *arguments, **keywords)
        for of_part, (arguments, keywords) in zip(zip(*cotangents, strict=True), calls, strict=True)
    ]
    dq, dk, dv, dbias = zip(*back, strict=True)
    return value, (sum(dq), np.concat(dk, axis=1), np.concat(dv, axis=1), np.concat(dbias, axis=1))


def both_cotangents(g: Any) -> tuple[Any, Any]:
    """Of the output, and one of the log-sum-exp."""
    return g, np.cos(np.arange(g[..., 0].size, dtype=g.dtype)).reshape(g.shape[:-1])


@pytest.mark.parametrize("module", BACKENDS)
@pytest.mark.parametrize("cuts", [(), (1,), (64,), (7, 8, 100), (65, 65, 130)])  # also a block without keys
@pytest.mark.parametrize(
    "constants", [{}, {"causal": True, "scale": 0.7}, {"window": (40, 3), "softcap": 2.0, "keep_probability": 0.8}]
)
def test_any_split_merges_to_the_whole(module: Any, cuts: tuple[int, ...], constants: dict[str, Any]) -> None:
    given = arrays()
    mask = np.random.default_rng(1).random((QUERIES, KEYS)) < 0.8
    mask[3] = False  # a query that no block answers
    constants = constants | {"mask": mask}
    of_sum = both_cotangents(given["g"])[1]
    rest = {name: given[name] for name in ("q", "k", "v", "bias")}
    value, wanted = dot_product.attention_value_and_vjp(**given, **constants)
    of_scores = {name: c for name, c in constants.items() if name != "keep_probability"}
    sums = dot_product.log_sum_exp(rest["q"], rest["k"], rest["bias"], **of_scores)
    dq, dk, dbias = dot_product.log_sum_exp_vjp(of_sum, rest["q"], rest["k"], rest["bias"], **of_scores)
    wanted = (wanted[0] + dq, wanted[1] + dk, wanted[2], wanted[3] + dbias)
    (output, log_sum_exp), found = merged_value_and_vjp(module, cuts, given, constants)
    np.testing.assert_allclose(output, value, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(log_sum_exp, sums, rtol=1e-14, atol=1e-14)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("module", BACKENDS)
@pytest.mark.parametrize("constants", [{"place": -3}, {"causal": True, "place": 9, "softcap": 2.0}, {"scale": 2e7}])
def test_a_part_of_float32_arrays_is_as_good_as_float32_can_be(module: Any, constants: dict[str, Any]) -> None:
    """Of so many pairs a kernel multiplies tiles in float32, unless a large scale could overflow there."""
    given = arrays(150, np.float32)
    given["q"] *= np.float32(2e-7 if "scale" in constants else 1)
    g, of_sum = both_cotangents(given["g"])
    wide = {name: a.astype(np.float64) for name, a in given.items()}
    given.pop("g")
    found = module.part_value_and_vjp((g, of_sum), **given, **constants)
    true = BACKENDS[0].part_value_and_vjp((wide.pop("g"), of_sum.astype(np.float64)), **wide, **constants)
    sees = {"mask": np.arange(KEYS) <= np.arange(150)[:, None] + 9} if "causal" in constants else {}
    sees |= {name: c for name, c in constants.items() if name in ("scale", "softcap")}
    batched = {name: a if name == "bias" else a[None] for name, a in (given | {"g": g}).items()}
    value, *others, sums = bounds(batched, sees, 2.0**-24, of_sum[None])
    for a, b, apart in zip(found[0], true[0], (value[0], sums[0]), strict=True):
        assert a.dtype == np.float32
        assert_within(a, b, apart)
    for a, b, apart in zip(found[1], true[1], others, strict=True):
        assert_within(a, b, apart.reshape(b.shape))


@pytest.mark.parametrize("module", BACKENDS)
def test_merges_may_be_grouped_in_any_way(module: Any) -> None:
    rng = np.random.default_rng(2)
    output, sums = rng.normal(size=(4, 5, 3)), 30 * rng.normal(size=(4, 5))
    sums[:2, 0] = -np.inf
    whole = module.merge(output, sums)
    pairs = [module.merge(output[i : i + 2], sums[i : i + 2]) for i in (2, 0)]
    for a, b in zip(module.merge(*(np.stack(field) for field in zip(*pairs, strict=True))), whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


@pytest.mark.parametrize("module", BACKENDS)
def test_an_output_that_is_nan_shows_in_every_weight_unless_its_part_is_empty(module: Any) -> None:
    output, sums = np.array([[[np.nan]], [[2.0]]]), np.array([[1.0], [0.5]])
    g = module.Partial(np.ones((1, 1)), np.ones(1))
    for of_nan in (1.0, 0.0):  # the best part, and not
        sums[0] = of_nan
        value, (_, dsums) = module.merge_value_and_vjp(g, output, sums)
        assert np.isnan(value.output).all()
        assert np.isnan(dsums).all()
    value, (_, dsums) = module.merge_value_and_vjp(g, output[:1], sums[:1])
    assert np.isnan(dsums).all()
    sums[0] = -np.inf
    value, (doutput, dsums) = module.merge_value_and_vjp(g, output, sums)
    assert value.output.item() == 2
    np.testing.assert_array_equal(doutput.ravel(), [0, 1])
    np.testing.assert_array_equal(dsums.ravel(), [0, 1])


@pytest.mark.parametrize("module", BACKENDS)
def test_errors_name_the_argument(module: Any) -> None:
    given = arrays()
    with pytest.raises(TypeError, match="place must be an integer"):
        module.part(given["q"], given["k"], given["v"], place=0.5)
    with pytest.raises(ValueError, match=r"g.log_sum_exp must have the shape of the result \(4, 70\)"):
        module.part_vjp((given["g"], given["g"]), given["q"], given["k"], given["v"])
    with pytest.raises(ValueError, match=r"log_sum_exp must have the shape \(4, 70\) of output without V"):
        module.merge(given["g"], given["g"])
    with pytest.raises(ValueError, match=r"output must have shape \(P, ..., V\)"):
        module.merge(np.ones(3), np.ones(3))
