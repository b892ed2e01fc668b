"""The Dirichlet-multinomial probability as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.distributions._rows import all_of, is_nan, is_whole, rowwise, shapes, total, vector
from validation.exact.distributions.beta_binomial import polya
from validation.exact.distributions.dirichlet import is_shape
from validation.exact.distributions.multinomial import counts_near
from validation.exact.draws import Draw, decades
from validation.exact.number import Number, lgamma, log, number


@rowwise("(k),(k)->()")
def log_prob(k: Any, alpha: Any) -> Any:
    """log n! Gamma(A) / Gamma(A + n) + sum_i log Gamma(alpha_i + k_i) / (k_i! Gamma(alpha_i)).

    Source: johnson-kotz-balakrishnan-1997, chapter 35
    """
    if not is_shape(alpha) or any(is_nan(v) for v in k):
        return all_of(nan, alpha)
    if not all(is_whole(v) for v in k):
        return all_of(-inf, alpha)
    if len(alpha) == 1:
        return all_of(0.0, alpha, slope=0.0)
    counts = [number(v) for v in k]
    n, everything = total(counts), total(alpha)
    return (
        lgamma(n + 1)
        + _rising(everything, n, -1)
        + total(_rising(a, c, 1) - lgamma(c + 1) for c, a in zip(counts, alpha, strict=True) if c > 0)
    )


def _rising(a: Any, count: Any, sign: int) -> Any:
    """sign * log of a (a + 1) ... (a + count - 1), factor by factor where there are few."""
    if count <= 3:
        return sign * total(log(a + j) for j in range(int(float(count))))
    return sign * (lgamma(a + count) - lgamma(a))


@rowwise("(),(k)->(k)")
def mean(n: Any, alpha: Any) -> Any:
    """n alpha_i / A.

    Source: johnson-kotz-balakrishnan-1997, chapter 35
    """
    if not (is_shape(alpha) and is_whole(n)):
        return vector([all_of(nan, alpha) for _ in alpha])
    return vector([number(n) * a / total(alpha) for a in alpha])


@rowwise("(),(k)->(k)")
def variance(n: Any, alpha: Any) -> Any:
    """n m_i (1 - m_i) (A + n) / (A + 1) for m = alpha / A.

    Source: johnson-kotz-balakrishnan-1997, chapter 35
    """
    if not (is_shape(alpha) and is_whole(n)):
        return vector([all_of(nan, alpha) for _ in alpha])
    if len(alpha) == 1:
        return vector([all_of(0.0, alpha, slope=0.0)])
    whole, n = total(alpha), number(n)
    return vector([n * (a / whole) * (1 - a / whole) * (whole + n) / (whole + 1) for a in alpha])


def sample(noise: Any, alpha: Any) -> Any:
    """Draw by draw, the smallest i with u_j (A + j) < (alpha_1 + k_1) + ... + (alpha_i + k_i).

    Source: devroye-1986, section III.2
    """

    @rowwise("(n),(k)->(k)")
    def urn(u: Any, shapes_of: Any) -> Any:
        if not is_shape(shapes_of) or not all(0 < number(v) < 1 for v in u):
            return vector([-1] * len(shapes_of))
        content = [number(a) for a in shapes_of]
        for v in u:
            point, below = number(v) * total(content), Number(0)
            for i in range(len(content)):
                below = below + content[i]
                if point < below:
                    content[i] = content[i] + 1
                    break
        return vector([round(float(c - number(a))) for c, a in zip(content, shapes_of, strict=True)])

    return np.asarray(urn(noise, alpha)).astype(np.int64)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5, 9):
        for i in range(6):
            alpha = shapes(rng, size, 0.1, 50, rounded=True)
            k = _counts(rng, int(rng.integers(1, 40)), alpha)
            yield Draw({"k": k if i % 3 == 2 else k.astype(np.int64), "alpha": alpha})
    for _ in range(20):
        alpha = shapes(rng, int(rng.integers(2, 6)), 0.01, 1e4)
        yield Draw({"k": _counts(rng, int(decades(rng, 1, 1e5)), alpha), "alpha": alpha}, difficulty=2)
    for _ in range(16):  # nearly a multinomial
        alpha = shapes(rng, int(rng.integers(2, 5)), 1e5, 1e15)
        k = _counts(rng, int(decades(rng, 1, 1e5)), alpha)
        yield Draw({"k": k, "alpha": alpha}, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(16):
        alpha = shapes(rng, int(rng.integers(2, 5)), 1e-3, 1e15)
        k = _counts(rng, int(decades(rng, 1e6, 1e15)), alpha)
        yield Draw({"k": k, "alpha": alpha}, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(14):  # all in one category
        alpha = shapes(rng, 3, 1e-8, 1e15)
        k = np.zeros(3)
        k[int(np.argmax(alpha)) if rng.integers(4) else 0] = int(decades(rng, 1, 1e12))
        yield Draw({"k": k, "alpha": alpha}, flags=("NEAR_ROOT",), difficulty=4)
    for _ in range(8):
        alpha = shapes(rng, 3, 1e-300, 1e-3)
        yield Draw({"k": rng.integers(0, 9, size=3), "alpha": alpha}, flags=("NEAR_POLE",), difficulty=4)
    for _ in range(8):  # far from the mode
        alpha = shapes(rng, 4, 1e-2, 1e6)
        yield Draw({"k": rng.integers(0, 2000, size=4), "alpha": alpha}, difficulty=3)
    for switch in (0.75, 1.0, 12.0, 14.0):
        for a in (np.nextafter(switch, 0), switch, np.nextafter(switch, 99)):
            alpha = np.array([a, decades(rng, 0.1, 1e3)])
            yield Draw({"k": np.array([3, 20]), "alpha": alpha}, flags=("WRONG_BRANCH",), difficulty=3)
    for n in (1, 12, 16, 17, 18):  # where kernels stop multiplying factor by factor
        alpha = shapes(rng, 2, 0.1, 100)
        yield Draw({"k": np.array([n - n // 3, n // 3]), "alpha": alpha}, flags=("WRONG_BRANCH",), difficulty=2)
    yield Draw({"k": np.zeros(3, dtype=np.int64), "alpha": np.array([0.5, 1.0, 2.0])}, flags=("ZERO_LOG_ZERO",))
    yield Draw({"k": np.array([2, 0]), "alpha": np.array([5e-324, 1.5])}, flags=("SUBNORMAL",), difficulty=5)
    for k in ([-1, 3], [0.5, 1.5], [2, inf]):
        yield Draw({"k": np.array(k), "alpha": np.array([0.5, 0.5])}, flags=("OUT_OF_SUPPORT",))
    for k, a in ((2, -0.5), (2, 0.0), (2, inf), (2, nan), (nan, 0.5), (-1, 0.0)):
        yield Draw({"k": np.array([1, k]), "alpha": np.array([0.5, a])}, result="invalid")
    alpha = shapes(rng, 6, 0.3, 100).reshape(3, 1, 2)
    yield Draw({"k": np.array([[1, 2], [0, 9]]), "alpha": alpha}, flags=("BROADCAST",))
    alpha = shapes(rng, 60, 0.01, 1e4)
    yield Draw({"k": _counts(rng, 1000, alpha), "alpha": alpha}, difficulty=3)


def _counts(rng: np.random.Generator, n: int, alpha: np.ndarray) -> np.ndarray:
    p = rng.gamma(alpha) + 1e-300
    return counts_near(rng, n, p / p.sum())


def _draw_n_and_alpha(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5, 9):
        for _ in range(7):
            alpha = shapes(rng, size, 0.1, 50, rounded=True)
            yield Draw({"n": np.array(int(decades(rng, 1, 1000))), "alpha": alpha})
    for _ in range(12):
        n = np.array([int(decades(rng, 1, 1e15)) for _ in range(2)])
        yield Draw({"n": n, "alpha": shapes(rng, 3, 1e-8, 1e15)}, flags=("HUGE_PARAMETER",), difficulty=2)
    for n in (0, 1):
        yield Draw({"n": np.array(n), "alpha": np.array([0.5, 2.0])}, flags=("ZERO_LOG_ZERO",))
    for n, a in ((-1, 0.5), (1.5, 0.5), (nan, 0.5), (inf, 0.5), (3, -0.5), (3, nan), (3, 0.0), (3, inf)):
        yield Draw({"n": np.array(n), "alpha": np.array([a, 0.5])}, result="invalid")
    for _ in range(3):
        alpha = shapes(rng, 6, 0.1, 10).reshape(2, 3)
        yield Draw({"n": np.array([[1], [40]]), "alpha": alpha}, flags=("BROADCAST",))


def draw_mean(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw_n_and_alpha(rng)


def draw_variance(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw_n_and_alpha(rng)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(u: Any, a: Any, **keywords: Any) -> Draw:
        return Draw({"noise": np.asarray(u), "alpha": np.asarray(a)}, **keywords)

    for size in (1, 2, 3, 5):
        for n in (1, 3, 8, 20):
            yield draw(rng.uniform(size=n), shapes(rng, size, 0.1, 50, rounded=True))
            yield draw(rng.uniform(size=(2, n)), shapes(rng, size, 1e-8, 1e3), difficulty=2)
    for _ in range(8):
        yield draw(rng.uniform(size=6), shapes(rng, 3, 1e-300, 1e-3), flags=("NEAR_POLE",), difficulty=3)
        yield draw(rng.uniform(size=6), shapes(rng, 3, 1e5, 1e15), flags=("HUGE_PARAMETER",), difficulty=3)
    for u in ([0.5, 0.5, 0.5], [0.25, 0.25], [0.75, 0.5, 0.25, 0.625]):  # on the steps themselves
        yield draw(u, [1.0, 1.0], flags=("TIE",), difficulty=3)
        yield draw(u, [0.25, 0.5, 0.25], flags=("TIE",), difficulty=3)
    for u in (2.0**-53, 1 - 2.0**-53):
        yield draw([u, 0.5], [0.5, 1.5], flags=("SATURATION",))
    yield draw(np.zeros(0), [0.5, 1.5], flags=("EMPTY_ROW",))
    for u, a in ((0.0, 1.0), (1.0, 1.0), (nan, 1.0), (0.5, 0.0), (0.5, -1.0), (0.5, nan), (0.5, inf)):
        yield draw([0.5, u], [1.5, a], result="invalid")


def maximum_likelihood(data: Any) -> Any:
    """sum(psi(x_i + alpha_i) - psi(alpha_i)) = sum(psi(n + A) - psi(A)); nan where there is no maximum.

    Source: minka-2000, section 3
    """
    finite = all(-inf < x < inf for x in np.ravel(data))
    shapes = polya([[number(x) for x in row] for row in data]) if finite and data.shape[1] > 1 else None
    return vector(shapes or [all_of(nan, np.ravel(data)) for _ in range(data.shape[1])])


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    def urns(n: Any, alpha: Any, **keywords: Any) -> Draw:
        return Draw({"data": np.array([rng.multinomial(m, rng.dirichlet(alpha)) for m in n]) * 1.0}, **keywords)

    for size in (2,) * 16 + (3,) * 10 + (4,) * 2:
        yield urns(rng.integers(2, 30, size=int(rng.integers(3, 5))), shapes(rng, size, 0.2, 20), difficulty=2)
    for size in (2, 3) * 4:  # nearly multinomial: what decides is a difference
        flags = ("NEAR_ROOT", "CANCELLATION")
        yield urns(rng.integers(20, 60, size=4), 1e8 * shapes(rng, size, 1, 4), flags=flags, difficulty=4)
    for size in (2, 2, 2, 3, 3):  # large counts
        n = rng.integers(10**5, 10**7, size=3)
        yield urns(n, shapes(rng, size, 0.5, 100), flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(4):  # rare colours
        n = rng.integers(10**3, 10**5, size=4)
        yield urns(n, np.array([decades(rng, 0.5, 3), decades(rng, 1e2, 1e4)]), flags=("TINY_P",), difficulty=4)
    for _ in range(4):  # real numbers take the place of counts
        yield Draw({"data": np.round(rng.gamma(1.5, 4.0, size=(3, 3)) * 16) / 16})
    rows: Any
    for rows in ([[4, 0], [0, 4]], [[2, 2], [2, 2]], [[3, 0], [1, 0]], [[1, 2]], [[3], [5]], [[1, 0], [0, 1]]):
        yield Draw({"data": np.array(rows) * 1.0}, flags=("SUPPORT_EDGE",))
    yield Draw({"data": np.array([[0.0, 2.0], [1.0, 1.0], [1.0, 1.0], [2.0, 0.0]])}, flags=("TIE",))  # just multinomial
    for rows in ([[1, nan], [3, 0]], [[1, -1], [3, 0]], [[1, inf], [3, 0]]):
        yield Draw({"data": np.array(rows) * 1.0}, result="invalid")
    yield Draw({"data": np.zeros((0, 2))}, result="invalid")
