"""The beta-binomial distribution as it is written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from math import inf, nan
from typing import Any

import numpy as np
from scipy.special import gammaln, psi

from refengine.distributions import dirichlet_multinomial
from refengine.distributions.beta_binomial import Parameters
from validation.exact.distributions._counts import (
    count,
    distinct,
    draw_modes,
    draw_quantiles,
    draw_tails,
    integers,
    is_nan,
    log_choose,
    positive,
    quantile,
    tail,
    undefined,
    unit,
)
from validation.exact.draws import Draw, decades, short
from validation.exact.number import Number, digamma, lgamma, log, log1p, number, pointwise, stated
from validation.exact.root import root


@pointwise
def log_prob(k: Number, n: Number, a: Number, b: Number) -> Any:
    """log C(n, k) + log B(k + a, n - k + b) - log B(a, b).

    Source: johnson-kemp-kotz-2005, 6.2
    """
    if is_nan(k) or not (count(n) and positive(a) and positive(b)):
        return stated(nan, (a, nan), (b, nan))
    if not (count(k) and k <= n):
        return stated(-inf, (a, 0), (b, 0))
    return log_choose(n, k) + log_beta(k + a, n - k + b) - log_beta(a, b)


def log_beta(a: Number, b: Number) -> Any:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    k: Any
    n: Any
    for _ in range(60):
        n, a, b = int(rng.integers(1, 40)), short(decades(rng, 0.1, 50)), short(decades(rng, 0.1, 50))
        yield Draw({"k": int(rng.integers(0, n + 1)), "n": n, "a": a, "b": b})
    for _ in range(50):
        yield Draw(_typical(rng, decades(rng, 1, 1e5), decades(rng, 1e-2, 1e4), decades(rng, 1e-2, 1e4)), difficulty=2)
    for _ in range(50):
        n, a, b = (decades(rng, 1e5, 1e15) for _ in range(3))
        yield Draw(_typical(rng, n, a, b), flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(25):  # nearly binomial
        n, a, b = decades(rng, 1, 1e3), decades(rng, 1e8, 1e15), decades(rng, 1e8, 1e15)
        yield Draw(_typical(rng, n, a, b), flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(25):  # one shape small, the other huge
        a, b = decades(rng, 0.01, 20), decades(rng, 1e6, 1e15)
        a, b = (a, b) if rng.integers(2) else (b, a)
        yield Draw(_typical(rng, decades(rng, 1, 1e15), a, b), flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(30):  # tiny shapes
        a, b = decades(rng, 1e-300, 1e-3), decades(rng, 1e-12, 1e3)
        a, b = (a, b) if rng.integers(2) else (b, a)
        yield Draw(_typical(rng, decades(rng, 1, 1e9), a, b), flags=("NEAR_POLE",), difficulty=4)
    for _ in range(30):  # tails
        n = int(decades(rng, 2, 1e12))
        draw = {"k": int(rng.integers(0, n + 1)), "n": n, "a": decades(rng, 1e-6, 1e12), "b": decades(rng, 1e-6, 1e12)}
        yield Draw(draw, difficulty=3)
    for _ in range(20):  # one outcome nearly certain: a logarithm next to 0
        n, b = int(decades(rng, 1, 1e6)), decades(rng, 1e8, 1e15)
        a = decades(rng, 1e-20, 1e-2)
        draw = {"k": 0, "n": n, "a": a, "b": b} if rng.integers(2) else {"k": n, "n": n, "a": b, "b": a}
        yield Draw(draw, flags=("NEAR_ROOT",), difficulty=4)
    for switch in (0.5, 0.75, 1.0, 10.0, 12.0):  # where the algorithms of libraries change over
        for near in (np.nextafter(switch, 0), switch, np.nextafter(switch, 99)):
            yield Draw(_typical(rng, 30, float(near), decades(rng, 0.1, 1e3)), flags=("WRONG_BRANCH",), difficulty=3)
    for k, n, a, b in ((3, 7, 5e-324, 1.0), (0, 7, 1e-310, 1e-310), (7, 7, 1e-310, 2.0), (2, 5, 1.0, 1e-310)):
        yield Draw({"k": k, "n": n, "a": a, "b": b}, flags=("SUBNORMAL",), difficulty=5)
    for k, n in ((0, 0), (0, 1), (1, 1), (5, 10)):
        yield Draw({"k": k, "n": n, "a": 1.0, "b": 1.0}, flags=("SUPPORT_EDGE",))
    for k in (6, -1, 0.5, 4.75, inf, -inf):
        yield Draw({"k": k, "n": 5, "a": 1.5, "b": 2.5}, flags=("OUT_OF_SUPPORT",))
    for k, n, a, b in (
        (1, 2, 0.0, 1.0),
        (1, 2, 1.0, -1.0),
        (1, 2, nan, 1.0),
        (1, 2, 1.0, inf),
        (1, -1, 1.0, 1.0),
        (1.0, 2.5, 1.0, 1.0),
        (nan, 2, 1.0, 1.0),
        (1, inf, 1.0, 1.0),
    ):
        yield Draw({"k": k, "n": n, "a": a, "b": b}, result="invalid")
    shapes = {"a": np.array([[0.5], [40.0], [3e7]]), "b": np.array([0.25, 2.0, 1e9, 11.5])}
    yield Draw({"k": np.array(3), "n": np.array(12)} | shapes, flags=("BROADCAST",))
    yield Draw({"k": np.array([[[0]], [[5]]]), "n": np.array(5)} | shapes, flags=("BROADCAST",))


def _typical(rng: np.random.Generator, n: float, a: float, b: float) -> dict[str, Any]:
    p = float(rng.beta(a, b)) if min(a, b) > 1e-3 else float(rng.uniform() < a / (a + b))
    n = int(n)
    k = round(n * p + rng.normal() * np.sqrt(n * p * (1 - p)))
    return {"k": min(max(k, 0), n), "n": n, "a": a, "b": b}


def _valid(n: Number, a: Number, b: Number) -> bool:
    return count(n) and positive(a) and positive(b)


@pointwise
def mean(n: Number, a: Number, b: Number) -> Any:
    """n a / (a + b).

    Source: johnson-kemp-kotz-2005, 6.9.2
    """
    return number(float(n)) * a / (a + b) if _valid(n, a, b) else undefined(a, b)


@pointwise
def variance(n: Number, a: Number, b: Number) -> Any:
    """n a b (a + b + n) / ((a + b)^2 (a + b + 1)).

    Source: johnson-kemp-kotz-2005, 6.9.2
    """
    if not _valid(n, a, b):
        return undefined(a, b)
    n, s = number(float(n)), a + b
    return n * a * b * (s + n) / (s * s * (s + 1))


@integers
def mode(n: Number, a: Number, b: Number) -> int:
    """The count of the largest probability; none where two are equal.

    Source: johnson-kemp-kotz-2005, 6.9.2
    """
    if not _valid(n, a, b):
        return -1
    trials = int(float(n))
    if trials == 0:
        return 0
    if a + b <= 2:  # the probabilities fall and then rise, or do one of them
        return -1 if a == b else trials if a > b else 0
    top = (n + 1) * (a - 1) / (a + b - 2)
    k = math.floor(float(top.ball.floor().mid()))
    if 0 < k <= trials and (n + 1) * (a - 1) == k * (a + b - 2):
        return -1
    return min(max(k, 0), trials)


def point(rng: np.random.Generator, low: float, high: float, sds: float) -> dict[str, Any]:
    return {"n": math.ceil(decades(rng, low, high)), "a": decades(rng, low, high), "b": decades(rng, low, high)}


INVALID = ({"n": -1}, {"n": 2.5}, {"a": 0.0}, {"a": -1.0}, {"a": nan}, {"b": 0.0}, {"b": inf}, {"b": nan})


def draw_mode(rng: np.random.Generator) -> Iterator[Draw]:
    shapes = (0.5, 1.0, 1.5, 3.0, 0.25)
    special = [{"n": n, "a": a, "b": b} for n in (0, 1, 5) for a in shapes for b in shapes]
    yield from draw_modes(rng, point, special, INVALID)


def _probability(low: int, high: int, n: int, a: Number, b: Number) -> Any:
    """The sum of C(n, j) (a)_j (b)_(n-j) / (a + b)_n over j = low, ..., high, with rising factorials."""
    first, second, whole = [number(1)], [number(1)], number(1)
    for j in range(n):
        first.append(first[-1] * (a + j))
        second.append(second[-1] * (b + j))
        whole = whole * (a + b + j)
    return sum(math.comb(n, j) * first[j] * second[n - j] for j in range(low, high + 1)) / whole


def _tail(name: str, k: Number, n: Number, a: Number, b: Number) -> Any:
    if is_nan(k) or not _valid(n, a, b):
        return undefined(a, b)
    trials = int(float(n))

    def inside(k: Number) -> Any:
        below, beyond = (0, int(float(k)), trials, a, b), (int(float(k)) + 1, trials, trials, a, b)
        own, other = (below, beyond) if name.endswith("cdf") else (beyond, below)
        if not name.startswith("log"):
            return _probability(*own)
        rest = _probability(*other)
        return log1p(-rest) if rest < 0.5 else log(_probability(*own))

    return tail(name, k, n, inside, a, b)


@pointwise
def cdf(k: Number, n: Number, a: Number, b: Number) -> Any:
    """The sum of the probabilities up to k.

    Source: johnson-kemp-kotz-2005, 6.9.2
    """
    return _tail("cdf", k, n, a, b)


@pointwise
def sf(k: Number, n: Number, a: Number, b: Number) -> Any:
    """The sum of the probabilities beyond k.

    Source: johnson-kemp-kotz-2005, 6.9.2
    """
    return _tail("sf", k, n, a, b)


@pointwise
def log_cdf(k: Number, n: Number, a: Number, b: Number) -> Any:
    """log F(k).

    Source: johnson-kemp-kotz-2005, 6.9.2
    """
    return _tail("log_cdf", k, n, a, b)


@pointwise
def log_sf(k: Number, n: Number, a: Number, b: Number) -> Any:
    """log(1 - F(k)).

    Source: johnson-kemp-kotz-2005, 6.9.2
    """
    return _tail("log_sf", k, n, a, b)


@integers
def icdf(u: Number, n: Number, a: Number, b: Number) -> int:
    """The smallest count with F(k) >= u.

    Source: devroye-1986, III.2.1
    """
    if is_nan(u) or not (_valid(n, a, b) and unit(u)):
        return -1
    trials = int(float(n))
    if u == 0 or u == 1:
        return 0 if u == 0 else trials
    return quantile(u, lambda k: _probability(0, min(k, trials), trials, a, b), trials // 2)


sample = icdf


def few(rng: np.random.Generator, low: float, high: float, sds: float) -> dict[str, Any]:
    """Few trials, since the definition multiplies factor by factor; any count where far from the mean is asked for."""
    n = int(rng.integers(1, 16)) if rng.integers(40) else 300
    a, b = (decades(rng, max(low / 100, 1e-3), min(high, 1e6)) for _ in range(2))
    p = a / (a + b)
    k = round(n * p + rng.normal() * sds * math.sqrt(n * p * (1 - p)))
    return {"k": min(max(k, 0), n) if sds < 5 else int(rng.integers(0, n)), "n": n, "a": a, "b": b}


TAIL_EDGES = [
    {"k": k, "n": n, "a": a, "b": b}
    for k, n in ((0, 0), (0, 1), (1, 5), (4, 5), (5, 5))
    for a, b in ((1.0, 1.0), (0.5, 1.5), (1e-300, 2.0), (3.0, 1e-8), (1e12, 2e12), (1e-280, 1e-270))
]
TAIL_INVALID = ({"n": -1}, {"n": 2.5}, {"n": inf}, {"a": 0.0}, {"a": nan}, {"b": -1.0}, {"b": inf})
QUANTILES = [{"u": u, "n": n, "a": a, "b": 1.0} for u in (0.0, 0.375, 1.0) for n in (0, 4) for a in (0.5, 1e-300, 1e9)]


def draw_cdf(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_tails(rng, few, TAIL_EDGES, TAIL_INVALID)


draw_sf = draw_log_cdf = draw_log_sf = draw_cdf


def draw_icdf(rng: np.random.Generator, first: str = "u") -> Iterator[Draw]:
    yield from draw_quantiles(rng, few, QUANTILES, TAIL_INVALID, first)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_icdf(rng, "noise")


def maximum_likelihood(data: Any, n: Any) -> Any:
    """Where both scores vanish: sum(psi(x + a) - psi(a)) = sum(psi(n + a + b) - psi(a + b)), the same for n - x and b.

    Source: johnson-kemp-kotz-2005, 6.9.2
    """
    trials = [number(float(v)) for v in np.broadcast_to(n, data.shape)]
    fits = all(-inf < x < inf for x in data) and all(map(count, trials))
    rows = [(number(x), t - x) for x, t in zip(data, trials, strict=True)] if fits else []
    shapes = polya(rows)
    return Parameters(*(shapes or [undefined(*data)] * 2))


def polya(rows: Sequence[Sequence[Number]]) -> list[Any] | None:
    """The shapes of Polya's urn where the probability of the rows of counts is largest; None where it has no maximum.

    The reference's estimate is the guess, which proves nothing; that nothing higher was missed is seen on a grid.
    """
    columns = [list(column) for column in zip(*rows, strict=True)]
    mixed = any(sum(x > 0 for x in row) > 1 for row in rows)
    if not (mixed and all(x >= 0 for row in rows for x in row) and all(sum(c, number(0)) > 0 for c in columns)):
        return None
    counts = np.array([[float(x) for x in row] for row in rows])
    summit = _summit(counts)
    if not _overdispersed(columns, [sum(row, number(0)) for row in rows]) and summit < 1e-9:
        return None
    guess = dirichlet_multinomial.maximum_likelihood(counts)
    if not _height(guess, counts) > summit - 1e-9 * counts.sum():
        raise ArithmeticError(f"{guess} is not where the likelihood of {counts} is largest")
    return _stationary(columns, [number(float(v)) for v in guess])


def _stationary(columns: list[list[Number]], units: list[Number]) -> list[Any]:
    trials = [sum(row, number(0)) for row in zip(*columns, strict=True)]

    def score(unknown: list[Number]) -> list[Any]:
        alpha = [u * t for u, t in zip(units, unknown, strict=True)]
        size = sum(alpha, number(0))
        level = sum(digamma(n + size) for n in trials) - len(trials) * digamma(size)
        return [
            sum(digamma(x + a) for x in column) - len(column) * digamma(a) - level
            for column, a in zip(columns, alpha, strict=True)
        ]

    return [u * t for u, t in zip(units, root(score, [1.0] * len(units)), strict=True)]


def _overdispersed(columns: list[list[Number]], trials: list[Number]) -> bool:
    """Whether sum x (x - 1) / p exceeds sum n (n - 1) for the shares p of all counts, without a quotient."""
    totals = [sum(column, number(0)) for column in columns]
    several = number(0)
    for i, column in enumerate(columns):
        others = math.prod(totals[:i] + totals[i + 1 :], start=number(1))
        several = several + sum(trials, number(0)) * others * sum(x * (x - 1) for x in column)
    return bool(several > math.prod(totals, start=number(1)) * sum(n * (n - 1) for n in trials))


def _summit(counts: np.ndarray) -> float:
    """The largest height over sums of the shapes from 1e-3 to 1e5, shares being climbed to by Minka's iteration."""
    alpha, best = counts.sum(axis=0), -inf
    for size in 10.0 ** np.linspace(5, -3, 33):
        for _ in range(20):
            alpha = alpha * (psi(counts + alpha) - psi(alpha)).sum(axis=0)
            alpha = alpha * (size / alpha.sum())
        best = max(best, _height(alpha, counts))
    return best


def _height(alpha: np.ndarray, counts: np.ndarray) -> float:
    """The log likelihood above its multinomial limit."""
    n, columns, size = counts.sum(axis=1), counts.sum(axis=0), alpha.sum()
    urns = (gammaln(counts + alpha) - gammaln(alpha)).sum() - (gammaln(n + size) - gammaln(size)).sum()
    return float(urns - (columns * np.log(columns / n.sum())).sum())


@distinct
def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    data: Any
    for _ in range(24):
        a, b, n = decades(rng, 0.1, 20), decades(rng, 0.1, 20), rng.integers(2, 30, size=int(rng.integers(3, 6)))
        yield Draw({"data": rng.binomial(n, rng.beta(a, b, size=n.size)) * 1.0, "n": n}, difficulty=2)
    for _ in range(8):  # the same trials
        n, p = int(rng.integers(2, 15)), rng.beta(decades(rng, 0.3, 3), decades(rng, 0.3, 3), size=4)
        yield Draw({"data": rng.binomial(n, p) * 1.0, "n": np.array(n)}, difficulty=1)
    for _ in range(10):  # nearly binomial: what decides is a difference
        n, p = rng.integers(20, 60, size=5), float(rng.uniform(0.2, 0.8))
        yield Draw({"data": rng.binomial(n, p) * 1.0, "n": n}, flags=("NEAR_ROOT", "CANCELLATION"), difficulty=4)
    for _ in range(6):  # large counts
        n, p = rng.integers(10**5, 10**7, size=4), rng.beta(decades(rng, 0.5, 100), decades(rng, 0.5, 100), size=4)
        yield Draw({"data": rng.binomial(n, p) * 1.0, "n": n}, flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(4):  # rare successes
        n, p = rng.integers(10**4, 10**5, size=4), rng.gamma(decades(rng, 0.5, 3), 1e-4, size=4)
        yield Draw({"data": rng.binomial(n, p) * 1.0, "n": n}, flags=("TINY_P",), difficulty=4)
    for _ in range(5):  # real numbers take the place of counts
        n = rng.integers(5, 20, size=5)
        yield Draw({"data": np.round(n * rng.beta(1, 1.5, size=5) * 16) / 16, "n": n})
    for successes, n in (
        ([0, 1, 0, 186], [1, 1, 1, 200]),
        ([1, 2, 153, 1, 0], [2, 2, 200, 5, 2]),
        ([4, 0, 3], [5, 1, 90]),
    ):
        data = {"data": np.array(successes) * 1.0, "n": np.array(n)}
        yield Draw(
            data, flags=("WRONG_BRANCH",), difficulty=4
        )  # a maximum far from the binomial limit, itself a maximum
    for data, n in (([0.0, 4.0], 4), ([2.0, 2.0], 4), ([0.0, 0.0], 4), ([3.0, 3.0], 3), ([1.0], 2), ([1.0, 0.0], 1)):
        yield Draw({"data": np.array(data), "n": np.array(n)}, flags=("SUPPORT_EDGE",))
    yield Draw({"data": np.array([0.0, 1.0, 1.0, 2.0]), "n": np.array(2)}, flags=("TIE",))  # just binomial
    for data, n in (([], 3), ([nan, 1.0], 3), ([-1.0, 1.0], 3), ([4.0, 0.0], 3), ([1.0, 0.0], -1), ([1.0, 0.5], 2.5)):
        yield Draw({"data": np.array(data), "n": np.array(n)}, result="invalid")
