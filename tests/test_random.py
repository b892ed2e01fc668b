"""What is true of the random numbers alone: published answers, other libraries' words, lattice, no bias, streams."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import refengine
from refengine import random
from refengine.distributions import gumbel, normal
from refengine.random import _quantile
from refengine.random.integers import accepted_up_to
from refengine.random.uniform import to_uniform
from validation.exact.random import _random123 as exact
from validation.exact.random import philox as exact_philox
from validation.exact.random import threefry as exact_threefry

# the lines of Random123's kat_vectors: counter, key, answer
KNOWN = {
    "philox": """
    00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8
    ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd
    243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1
    """,
    "threefry": """
    0000000000000000 0000000000000000 0000000000000000 0000000000000000
    0000000000000000 0000000000000000 0000000000000000 0000000000000000
    09218ebde6c85537 55941f5266d86105 4bd25e16282434dc ee29ec846bd2e40b
    ffffffffffffffff ffffffffffffffff ffffffffffffffff ffffffffffffffff
    ffffffffffffffff ffffffffffffffff ffffffffffffffff ffffffffffffffff
    29c24097942bba1b 0371bbfb0f6f4e11 3c231ffa33f83a1c cd29113fde32d168
    243f6a8885a308d3 13198a2e03707344 a4093822299f31d0 082efa98ec4e6c89
    452821e638d01377 be5466cf34e90c6c be5466cf34e90c6c c0ac29b7c97c50dd
    a7e8fde591651bd9 baafd0c30138319b 84a5c1a729e685b9 901d406ccebc1ba4
    """,
}
GENERATORS = {"philox": (2, np.uint32), "threefry": (4, np.uint64)}


@pytest.mark.parametrize("name", KNOWN)
def test_published_answers(name, backend):
    words = np.array([int(word, 16) for word in KNOWN[name].split()], dtype=np.uint64).reshape(3, -1)
    counter, key, answer = np.split(words, [4, words.shape[1] - 4], axis=1)
    np.testing.assert_array_equal(getattr(refengine.backend(backend).random, name)(key, counter), answer)
    definition = {"philox": exact_philox, "threefry": exact_threefry}[name].block
    for k, c, a in zip(key.tolist(), counter.tolist(), answer.tolist(), strict=True):
        assert definition(k, c) == a


def test_the_definition_of_philox_in_64_bits_is_numpys(rng):
    """One text for both sizes: NumPy's generator checks the rounds, which the known answers check for 32 bits."""
    multipliers, weyl = (0xD2E7470EE14C6C93, 0xCA5A826395121157), (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
    for _ in range(5):
        key, counter = ([int(w) for w in rng.integers(2**64, size=n, dtype=np.uint64)] for n in (2, 4))
        number = sum(word << 64 * i for i, word in enumerate(counter))
        theirs = np.random.Philox(counter=number, key=key[0] + (key[1] << 64)).random_raw(4)
        following = (number + 1) % 2**256  # NumPy counts up before it generates
        words = [following >> 64 * i & 2**64 - 1 for i in range(4)]
        assert exact.philox(64, key, words, multipliers, weyl, 10) == theirs.tolist()


def test_the_definition_of_threefry_with_two_words_is_jaxs(rng):
    jax_random = pytest.importorskip("jax.extend.random")
    rotations = ((13,), (15,), (26,), (6,), (17,), (29,), (16,), (24,))
    for _ in range(3):
        key, counter = (rng.integers(2**32, size=2, dtype=np.uint32) for _ in range(2))
        theirs = np.asarray(jax_random.threefry_2x32(key, counter)).tolist()
        assert exact.threefry(32, key.tolist(), counter.tolist(), rotations, 0x1BD11BDA, 20) == theirs


@pytest.mark.parametrize("generator", GENERATORS)
def test_the_bits_are_those_of_the_reference(generator, backend, rng):
    """Also where words do not fit the fast path of a dtype, and for the normal numbers."""
    size, dtype = GENERATORS[generator]
    key, counter = (rng.integers(np.iinfo(dtype).max, size=(50, n), dtype=dtype) for n in (size, 4))
    tree = refengine.backend(backend).random
    for other in (dtype, np.uint64, ">u8"):
        given = key.astype(other), counter.astype(other)
        for name in ("uniform", "normal"):
            got, wanted = (getattr(r, name)(*given, generator=generator) for r in (tree, random))
            assert np.array_equal(got, wanted)
    for low, high in ((0, 10), (-(2**63), 2**63), (-(2**62) - 1, 2**62)):
        got, wanted = (r.integers(key, counter, low=low, high=high, generator=generator) for r in (tree, random))
        assert np.array_equal(got, wanted)


def test_the_lattice_is_open_and_symmetric():
    words = np.array([0, 4095, 4096, 2**63 - 1, 2**63, 2**64 - 4097, 2**64 - 1], dtype=np.uint64)
    u = to_uniform(np, words)
    assert (u * 2.0**53).tolist() == [1, 1, 3, 2**52 - 1, 2**52 + 1, 2**53 - 3, 2**53 - 1]
    assert np.array_equal(u + to_uniform(np, ~words), np.ones(7))


def test_the_quantile_is_right_on_the_whole_lattice(rng):
    ends = 2.0 ** -np.arange(1, 54)
    switch = np.array([np.exp(-2) + k * 2.0**-53 for k in range(-6, 7)])
    u = np.unique(np.round(np.concatenate([ends, 0.5 - ends[1:], switch, rng.uniform(size=200)]) * 2**52))
    u = (np.clip(u, 0, 2**52 - 1) + 0.5) * 2.0**-52
    z = _quantile.quantile(np, np.concatenate([u, 1 - u]))
    assert np.array_equal(z[: len(u)], -z[len(u) :])
    with mpmath.workdps(60):
        exact_z = [mpmath.sqrt(2) * mpmath.erfinv(2 * mpmath.mpf(float(v)) - 1) for v in u]
        units = [abs(float((mpmath.mpf(float(a)) - b) / b)) * 2**53 for a, b in zip(z, exact_z, strict=False)]
    assert max(units) < 6
    assert np.median(units) < 1


@pytest.mark.parametrize("n", [1, 2, 3, 6, 255, 2**32 + 1, 2**63, 2**63 + 1, 2**64 - 1, 2**64])
def test_accepted_words_are_a_whole_multiple(n):
    assert (accepted_up_to(n) + 1) % n == 0
    assert 2**64 - n <= accepted_up_to(n) < 2**64


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_rejected_word_is_replaced_by_the_next_block_s(generator, backend):
    """Of the range 0..2^63 almost half of the words are rejected: a retry must touch no other place."""
    key, counter = random.key(3, generator=generator), random.counters(64, generator=generator)
    n, found = 2**63 + 1, []
    limit = accepted_up_to(n)
    for step in range(30):
        counter[:, 3] = step
        c = getattr(random, generator)(key, counter).astype(np.uint64)
        found.append(c if generator == "threefry" else c[:, ::2] | c[:, 1::2] << 32)
    first = np.argmax(np.array(found) <= limit, axis=0)
    wanted = np.take_along_axis(np.array(found), first[None], axis=0)[0]
    counter[:, 3] = 0
    got = refengine.backend(backend).random.integers(
        key, counter, low=-(2**63) + 5, high=-(2**63) + 5 + n, generator=generator
    )
    assert [[int(v) + 2**63 - 5 for v in row] for row in got] == wanted.astype(object).tolist()
    assert 0.3 < np.mean(first > 0) < 0.7


@pytest.mark.parametrize("generator", GENERATORS)
def test_streams_and_counters_are_all_different(generator):
    keys = [tuple(random.key(seed, stream, generator=generator).tolist()) for seed in range(20) for stream in range(20)]
    assert len(set(keys)) == 400
    start = 2**32 - 3
    rows = random.counters(6, start, generator=generator).astype(object)
    bits = 32 if generator == "philox" else 64
    assert [int(row[0] + (row[1] << bits)) for row in rows] == list(range(start, start + 6))
    assert not rows[:, 2:].any()
    assert random.counters(1, 2**64 - 1, generator=generator).shape == (1, 4)


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_stream_gives_noise_block_after_block(generator):
    key, per_block = random.key(9, generator=generator), 2 if generator == "philox" else 4
    stream = random.Stream(key, generator=generator)
    z, u, n = stream.standard_normal((3, 3)), stream.random(), stream.integers(5, 9, size=2)
    wanted = random.normal(key, random.counters(9, generator=generator), generator=generator).ravel()[:9]
    assert np.array_equal(z.ravel(), wanted)
    assert stream.block == -(-9 // per_block) + 2
    assert u.shape == ()
    assert set(n.tolist()) <= {5, 6, 7, 8}
    assert stream.integers(1, size=(0, 2)).shape == (0, 2)


def test_noise_of_distributions_comes_from_a_stream():
    for module in (normal, gumbel):
        assert module.noise(random.Stream(random.key(1)), (4, 5)).shape == (4, 5)


def test_numbers_look_like_what_they_are_called():
    """No test of quality (the paper has those): a slip in the words' use would show in the first moments."""
    counters = random.counters(20_000)
    u, z = (f(random.key(7), counters).ravel() for f in (random.uniform, random.normal))
    dice = random.integers(random.key(7, 1), counters, low=1, high=7).ravel()
    assert abs(u.mean() - 0.5) < 0.006
    assert abs(u.var() - 1 / 12) < 0.002
    assert abs(z.mean()) < 0.02
    assert abs(z.var() - 1) < 0.03
    assert np.abs(np.bincount(dice)[1:] / 40_000 - 1 / 6).max() < 0.008


BAD = [
    ("philox", ([0, 0, 0], [0] * 4), {}, ValueError, "key"),
    ("philox", ([0, 0], [0, 0, 0]), {}, ValueError, "counter"),
    ("philox", ([0, 0], 5), {}, ValueError, "counter"),
    ("philox", ([0, 2**32], [0] * 4), {}, ValueError, "key"),
    ("philox", ([0, 0], [0, -1, 0, 0]), {}, ValueError, "counter"),
    ("philox", ([0, 0.5], [0] * 4), {}, TypeError, "key"),
    ("philox", ([0, 0], None), {}, TypeError, "counter"),
    ("threefry", ([0, 0], [0] * 4), {}, ValueError, "key"),
    ("threefry", ([2**64, 0, 0, 0], [0] * 4), {}, TypeError, "key"),
    ("uniform", ([0, 0], [0] * 4), {"generator": "mt19937"}, ValueError, "generator"),
    ("normal", ([0, 0], [0] * 4), {"generator": "threefry"}, ValueError, "key"),
    ("integers", ([0, 0], [0] * 4), {"low": 1.0, "high": 2}, TypeError, "low"),
    ("integers", ([0, 0], [0] * 4), {"high": 2**63 + 1}, ValueError, "high"),
]


@pytest.mark.parametrize(("name", "args", "constants", "error", "named"), BAD)
def test_bad_input_is_named(name, args, constants, error, named, backend):
    with pytest.raises(error, match=f"^{named} must"):
        getattr(refengine.backend(backend).random, name)(*args, **constants)


def test_what_does_not_fit_together_is_refused(backend):
    tree = refengine.backend(backend).random
    with pytest.raises(ValueError, match="do not broadcast: key"):
        tree.philox(np.zeros((2, 2), int), np.zeros((3, 4), int))
    with pytest.raises(ValueError, match="low must be below high"):
        tree.integers([0, 0], [0] * 4, low=3, high=3)
    with pytest.raises(ValueError, match="stream must lie in"):
        random.key(0, 2**32)
    with pytest.raises(ValueError, match="start and count"):
        random.counters(2, 2**64 - 1)
