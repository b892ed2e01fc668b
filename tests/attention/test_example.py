"""The lines of digits in the documentation: the gradients of every reader, and that they learn, on made images."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from refengine.attention import baselines, hard, leave_one_out
from tests import examples
from tests.differences import slope


@pytest.fixture(scope="module")
def example() -> Any:
    return examples.example("attention")


def made(count: int = 40) -> tuple[Any, Any]:
    """Images of ten kinds with some noise, and their labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 10
    return (rng.uniform(size=(10, 8, 8)) > 0.5)[labels] + 0.1 * rng.normal(size=(count, 8, 8)), labels


def one_digit(example: Any, columns: int = 18) -> tuple[dict[str, Any], Any, Any]:
    """A narrow line with one digit in it, and parameters of a reader that has learnt a little."""
    p = example.begin()
    places = (columns - 8) // 2 + 1
    p |= {"place": p["place"][:places], "query": 4 * p["query"][:1]}
    images, labels = made()
    pixels = np.zeros((1, 8, columns))
    pixels[0, :, 4:12] = images[3]
    return p, pixels, labels[3:4, None]


@pytest.mark.parametrize("name", ["soft", "local-p", "hard, all places"])
def test_the_step_has_the_gradient_of_its_value(example: Any, name: str) -> None:
    rng, p = np.random.default_rng(1), example.begin()
    pixels, labels, _ = example.lines(rng, *made(), 2)
    _, gradients = example.step(name, p, pixels, labels, None, 0.0)
    assert set(gradients) >= {"encode", "shift", "key", "query", "decode", "prior"}
    for key, g in gradients.items():
        along = rng.normal(size=g.shape)

        def value(t: float, key: str = key, along: Any = along) -> Any:
            return example.step(name, p | {key: p[key] + t * along}, pixels, labels, None, 0.0)[0]

        assert np.sum(g * along) == pytest.approx(slope(value, 1e-4), rel=1e-8, abs=1e-10)


@pytest.mark.parametrize(("name", "draws"), [("hard", 1), ("hard, baseline", 1), ("hard, 4 draws", 2)])
@pytest.mark.parametrize("baseline", [0.0, -7.5])
def test_draws_have_the_gradient_of_all_places_on_average(example: Any, name: str, draws: int, baseline: float) -> None:
    p, pixels, labels = one_digit(example)
    share = example.weights("hard", p, pixels)[0, 0]
    middle = np.cumsum(share) - share / 2
    _, exact = example.step("hard, all places", p, pixels, labels, None, 0.0)
    found = dict.fromkeys(exact, 0.0)
    for s in product(range(share.size), repeat=draws):
        _, g = example.step(name, p, pixels, labels, middle[None, None, list(s)], baseline)
        for key in found:
            found[key] = found[key] + np.prod(share[list(s)]) * g[key]
    for key, g in exact.items():
        np.testing.assert_allclose(found[key], g, rtol=0, atol=1e-13, err_msg=key)


@pytest.mark.parametrize("draws", [2, 3, 4])
def test_the_variance_of_draws_is_that_of_their_enumeration(example: Any, draws: int) -> None:
    share, l = np.array([0.5, 0.125, 0.375]), np.array([-0.25, -2.0, -1.0])
    z, middle = np.log(share), np.cumsum(share) - share / 2
    mean = hard.expected_vjp(1.0, z, l)[0]
    found = 0.0
    for s in product(range(3), repeat=draws):
        estimate = leave_one_out.score_function(z, middle[list(s)], l[list(s)])
        found += np.prod(share[list(s)]) * np.sum((estimate - mean) ** 2)
    assert example.of_draws(share, l, draws) == pytest.approx(found, rel=1e-13)


def test_what_is_drawn_of_the_variances(example: Any) -> None:
    p, pixels, labels = one_digit(example)
    found = example.variances(p, pixels, labels, -2.0)
    assert found["optimal baseline"] == min(found[name] for name in found if name not in ("4 draws", "gradient"))
    _, features, scores = example.encode("hard", p, pixels)
    l = example.likelihoods(p, features, labels)[0]
    assert found["moving average"] == pytest.approx(float(baselines.variance(scores, l, -2.0).mean()), rel=1e-14)


def test_a_short_run_learns(example: Any) -> None:
    images, labels = made()
    pixels, y, _ = example.lines(np.random.default_rng(2), images, labels, 20)
    begun = example.begin()
    learnt = example.train("local-p", begun, images, labels, steps=30)
    before, after = (example.step("local-p", p, pixels, y, None, 0.0)[0] for p in (begun, learnt))
    assert after > 0.85 * before  # log-likelihoods, below 0
