"""The Dirichlet density as it is written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np
from scipy.special import gammainccinv, gammaincinv, polygamma, psi

from validation.exact.distributions._rows import all_of, dyadic, is_nan, rowwise, shapes, shares, total, vector
from validation.exact.draws import Draw, decades, short
from validation.exact.incomplete import log_gamma_p, log_gamma_q
from validation.exact.number import Number, digamma, exp, lgamma, log, number, stated
from validation.exact.root import root


def is_shape(alpha: Any) -> bool:
    """Whether all shapes are positive and finite."""
    return all(0 < number(a) < inf for a in alpha)


@rowwise("(k),(k)->()")
def log_prob(x: Any, alpha: Any) -> Any:
    """log Gamma(A) - sum_i log Gamma(alpha_i) + sum_i (alpha_i - 1) log x_i; on faces the limits from inside.

    Source: kotz-balakrishnan-johnson-2000, chapter 49
    """
    if not is_shape(alpha) or any(is_nan(v) for v in x):
        return all_of(nan, x, alpha)
    if any(v < 0 or v > 1 for v in x):
        return all_of(-inf, x, alpha)
    if any(v == 0 for v in x):
        return _on_face(x, alpha)
    return normaliser(alpha) + total((a - 1) * log(v) for v, a in zip(x, alpha, strict=True))


def normaliser(alpha: Any) -> Any:
    """-log B(alpha)."""
    return lgamma(total(alpha)) - total(lgamma(a) for a in alpha)


def _on_face(x: Any, alpha: Any) -> Number:
    signs = {1 if a < 1 else -1 for v, a in zip(x, alpha, strict=True) if v == 0 and a != 1}
    if len(signs) == 2:
        return all_of(nan, x, alpha)
    pairs = list(zip(x, alpha, strict=True))
    value = normaliser(alpha) + total((a - 1) * log(v) for v, a in pairs if v > 0)
    slopes: list[Any] = [(v, _slope(a) if v == 0 else (a - 1) / v) for v, a in pairs]
    everything = digamma(total(alpha))
    slopes += [(a, -inf if v == 0 else log(v) + everything - digamma(a)) for v, a in pairs]
    return stated(signs.pop() * inf if signs else value.ball, *slopes)


def _slope(a: Number) -> float:
    return 0.0 if a == 1 else inf if a > 1 else -inf


@rowwise("(k)->()")
def entropy(alpha: Any) -> Any:
    """log B(alpha) + (A - K) psi(A) - sum_i (alpha_i - 1) psi(alpha_i).

    Source: kotz-balakrishnan-johnson-2000, chapter 49
    """
    if not is_shape(alpha):
        return all_of(nan, alpha)
    if len(alpha) == 1:
        return all_of(0.0, alpha, slope=0.0)
    everything = total(alpha)
    own = total((a - 1) * digamma(a) for a in alpha)
    return -normaliser(alpha) + (everything - len(alpha)) * digamma(everything) - own


@rowwise("(k)->(k)")
def mean(alpha: Any) -> Any:
    """alpha_i / A.

    Source: kotz-balakrishnan-johnson-2000, chapter 49
    """
    return vector([a / total(alpha) if is_shape(alpha) else all_of(nan, alpha) for a in alpha])


@rowwise("(k)->(k)")
def variance(alpha: Any) -> Any:
    """alpha_i (A - alpha_i) / (A^2 (A + 1)).

    Source: kotz-balakrishnan-johnson-2000, chapter 49
    """
    if not is_shape(alpha):
        return vector([all_of(nan, alpha) for _ in alpha])
    if len(alpha) == 1:
        return vector([all_of(0.0, alpha, slope=0.0)])
    everything = total(alpha)
    return vector([a * (everything - a) / (everything * everything * (everything + 1)) for a in alpha])


@rowwise("(k)->(k)")
def mode(alpha: Any) -> Any:
    """(alpha_i - 1) / (A - K), where that is the only mode.

    Source: kotz-balakrishnan-johnson-2000, chapter 49
    """
    if not is_shape(alpha) or any(a < 1 for a in alpha) or all(a == 1 for a in alpha):
        return vector([all_of(nan, alpha) for _ in alpha])
    return vector([(a - 1) / (total(alpha) - len(alpha)) for a in alpha])


@rowwise("(k),(k)->()")
def kl_divergence(alpha_p: Any, alpha_q: Any) -> Any:
    """log B(beta) - log B(alpha) + sum_i (alpha_i - beta_i) [psi(alpha_i) - psi(A)].

    Source: penny-2001
    """
    if not (is_shape(alpha_p) and is_shape(alpha_q)):
        return all_of(nan, alpha_p, alpha_q)
    if len(alpha_p) == 1:
        return all_of(0.0, alpha_p, alpha_q, slope=0.0)
    if all(p == q for p, q in zip(alpha_p, alpha_q, strict=True)):
        return all_of(0.0, alpha_p, alpha_q, slope=0.0)
    everything = digamma(total(alpha_p))
    change = total((p - q) * (digamma(p) - everything) for p, q in zip(alpha_p, alpha_q, strict=True))
    return normaliser(alpha_p) - normaliser(alpha_q) + change


@rowwise("(k),(k)->(k)")
def sample(noise: Any, alpha: Any) -> Any:
    """G_i / sum_j G_j where P(alpha_i, G_i) = u_i.

    Source: nist-dlmf, 8.2.4
    """
    if not is_shape(alpha) or not all(0 < number(u) < 1 for u in noise):
        return vector([all_of(nan, noise, alpha) for _ in alpha])
    if len(alpha) == 1:
        return vector([all_of(1.0, noise, alpha, slope=0.0)])
    logs = [_log_quantile(u, a) for u, a in zip(noise, alpha, strict=True)]
    return vector([1 / total(exp(other - own) for other in logs) for own in logs])


def _log_quantile(u: Number, a: Number) -> Any:
    """The logarithm of a gamma quantile, by the smaller tail."""
    if u < 0.5:
        guess = float(gammaincinv(float(a), float(u)))
        start = math.log(guess) if guess > 1e-300 else (math.log(float(u)) + math.lgamma(float(a) + 1)) / float(a)
        return root(lambda t: [log_gamma_p(a, exp(t[0])) - log(u)], [start])[0]
    guess = float(gammainccinv(float(a), 1 - float(u)))
    start = math.log(guess) if guess > 1e-300 else (math.log(float(u)) + math.lgamma(float(a) + 1)) / float(a)
    return root(lambda t: [log_gamma_q(a, exp(t[0])) - log(1 - u)], [start])[0]


def maximum_likelihood(data: Any) -> Any:
    """psi(alpha_i) - psi(A) = mean of log x_i; nan where the maximum does not exist.

    Source: minka-2000, section 1
    """
    n, size = data.shape
    everything = np.ravel(data)
    equal = all(data[j, i] == data[0, i] for i in range(size) for j in range(1, n))
    if n < 2 or size < 2 or not all(0 < v <= 1 for v in everything) or equal:
        return vector([all_of(nan, everything) for _ in range(size)])
    logs = [total(log(v) for v in data[:, i]) / n for i in range(size)]
    if total(exp(v) for v in logs) > 1:
        return vector([all_of(nan, everything) for _ in range(size)])

    def score(alpha: list[Number]) -> list[Any]:
        return [digamma(a) - digamma(total(alpha)) - v for a, v in zip(alpha, logs, strict=True)]

    return vector(root(score, _guess([float(v) for v in logs])))


def _guess(logs: list[float]) -> list[float]:
    """Newton's steps in float64, which prove nothing."""
    c = np.array(logs)
    share = np.exp(c)
    a = np.maximum((c.size - 1) / 2 / max(-math.log(share.sum()), 1e-16) * share / share.sum(), 0.5 / (1 - c))
    for _ in range(200):
        gradient, slope = psi(a.sum()) - psi(a) + c, polygamma(1, a)
        b = (gradient / slope).sum() / ((1 / slope).sum() - 1 / polygamma(1, a.sum()))
        a = a * (1 + np.clip((gradient - b) / slope / a, -0.9, 9.0))
    return [float(v) for v in a]


@rowwise("(k),(k)->()")
def outside(x: Any, alpha: Any) -> Any:
    """The convention that a point off the simplex, or on a face, lies outside the support."""
    return all_of(-inf, x, alpha)


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5, 9):
        for _ in range(6):
            yield Draw({"x": dyadic(rng, size), "alpha": shapes(rng, size, 0.1, 50, rounded=True)})
    for _ in range(12):
        alpha = shapes(rng, int(rng.integers(2, 6)), 0.05, 1e4)
        yield Draw({"x": near(rng, alpha), "alpha": alpha}, difficulty=2)
    for _ in range(20):
        alpha = shapes(rng, int(rng.integers(2, 6)), 1e5, 1e15)
        yield Draw({"x": near(rng, alpha), "alpha": alpha}, flags=("HUGE_PARAMETER", "CANCELLATION"), difficulty=4)
    for _ in range(10):  # small and huge shapes together
        alpha = np.concatenate([shapes(rng, 2, 1e-3, 20), shapes(rng, 2, 1e6, 1e15)])
        yield Draw({"x": near(rng, alpha), "alpha": alpha}, flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(8):  # tiny shapes: log(alpha / x) must not be the difference of two logarithms
        alpha = shapes(rng, 3, 1e-300, 1e-3)
        x = np.clip(alpha * np.exp(rng.normal(size=3)), 1e-320, 1)
        yield Draw({"x": x, "alpha": alpha}, flags=("NEAR_POLE",), difficulty=4)
    for _ in range(8):
        alpha = shapes(rng, 3, 1e-8, 1e-2)
        yield Draw({"x": shares(rng, 3, 0.1), "alpha": alpha}, flags=("NEAR_POLE",), difficulty=3)
    for _ in range(8):  # far from the mode
        yield Draw({"x": shares(rng, 4, 0.05), "alpha": shapes(rng, 4, 0.1, 1e6)}, difficulty=3)
    for switch in (0.5, 0.75, 1.0, 2.0, 8.0, 12.0):  # where the algorithms of libraries change over
        for a in (np.nextafter(switch, 0), switch, np.nextafter(switch, 99)):
            alpha = np.array([a, 1.25, decades(rng, 0.1, 1e6)])
            yield Draw({"x": near(rng, alpha), "alpha": alpha}, flags=("WRONG_BRANCH",), difficulty=3)
    for tiny in (5e-324, 1e-310, 1e-20, 2.0**-53):
        x = np.array([tiny, 0.25, 0.75])
        flags = ("SUBNORMAL",) if tiny < 1e-307 else ("SUPPORT_EDGE",)
        yield Draw({"x": x, "alpha": np.array([0.5, 1.0, 2.5])}, flags=flags, difficulty=3)
        yield Draw({"x": x, "alpha": np.array([2.5, 0.25, 1.0])}, flags=flags, difficulty=3)
    for size, low, high in ((60, 0.01, 100), (60, 1e6, 1e15), (1000, 1e-2, 1e12)):
        alpha = shapes(rng, size, low, high)
        yield Draw({"x": near(rng, alpha), "alpha": alpha}, difficulty=4)
    for alpha in ([1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [2.0, 3.0, 0.5], [1.0, 0.5, 4.0]):
        flags = ("SUPPORT_EDGE", "AMBIGUOUS_CONVENTION")
        arguments = {"x": np.array([0.0, 0.5, 0.5]), "alpha": np.array(alpha)}
        yield Draw(arguments, flags=flags, result="ambiguous", alternatives={"open_support": outside})
    arguments = {"x": np.array([0.0, 0.0, 1.0]), "alpha": np.array([1.0, 2.0, 3.0])}
    yield Draw(arguments, flags=("SUPPORT_EDGE",), difficulty=3)
    arguments = {"x": np.array([0.0, 0.0, 1.0]), "alpha": np.array([0.5, 2.0, 3.0])}
    yield Draw(arguments, flags=("SUPPORT_EDGE",), result="undefined")
    for x in ([0.25, 0.25, 0.25], [0.5, 0.5, 0.75], [1.0, 1.0, 1.0]):
        for alpha in ([2.0, 2.0, 2.0], [0.5, 4.0, 1e6]):
            arguments = {"x": np.array(x), "alpha": np.array(alpha)}
            flags = ("OUT_OF_SUPPORT", "AMBIGUOUS_CONVENTION")
            yield Draw(arguments, flags=flags, result="ambiguous", alternatives={"simplex_only": outside})
    for bad in (-0.25, 1.25, -5e-324, inf, -inf):
        yield Draw({"x": np.array([0.5, bad]), "alpha": np.array([2.0, 1.5])}, flags=("OUT_OF_SUPPORT",))
    for x, a in ((0.5, -1.0), (0.5, 0.0), (nan, 2.0), (0.5, nan), (0.5, inf), (-1.0, 0.0)):
        yield Draw({"x": np.array([0.5, x]), "alpha": np.array([1.5, a])}, result="invalid")
    x = np.stack([dyadic(rng, 3), dyadic(rng, 3)])
    yield Draw({"x": x, "alpha": shapes(rng, 9, 0.3, 100).reshape(3, 1, 3)}, flags=("BROADCAST",))


def near(rng: np.random.Generator, alpha: np.ndarray) -> np.ndarray:
    """A point within a few standard deviations of the mean, as far as rounding lets it."""
    mean = alpha / alpha.sum()
    x = mean * (1 + rng.normal(size=alpha.size) / np.sqrt(1 + alpha))
    x = np.where(x > 0, x, mean * rng.uniform(0.01, 1, size=alpha.size))
    return np.asarray(np.minimum(x / x.sum(), 1.0))


def _draw_alpha(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5, 9):
        for _ in range(6):
            yield Draw({"alpha": shapes(rng, size, 0.1, 50, rounded=True)})
    for low, high, flags in (
        (1e-3, 1e4, ()),
        (1e5, 1e15, ("HUGE_PARAMETER", "CANCELLATION")),
        (1e-8, 1e-2, ("NEAR_POLE",)),
        (1e-8, 1e15, ("HUGE_PARAMETER",)),
    ):
        for size in (2, 2, 3, 4, 5):
            yield Draw({"alpha": shapes(rng, size, low, high)}, flags=flags, difficulty=3)
    for a in ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [1.0, 1.0, 4.0], [1.0, 1.0 + 2.0**-52], [2.0, 0.5]):
        yield Draw({"alpha": np.array(a)}, flags=("SUPPORT_EDGE",))
    for a in (np.nextafter(1, 0), 12.0, np.nextafter(12, 0), np.nextafter(8, 0)):
        yield Draw({"alpha": np.array([a, 1.5, 3.0])}, flags=("WRONG_BRANCH",), difficulty=3)
    for bad in (0.0, -1.0, inf, nan):
        yield Draw({"alpha": np.array([1.5, bad])}, result="invalid")
    yield Draw({"alpha": shapes(rng, 6, 0.5, 20).reshape(2, 3)})
    yield Draw({"alpha": shapes(rng, 40, 0.1, 1e6)}, difficulty=3)


def draw_entropy(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw_alpha(rng)


def draw_mean(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw_alpha(rng)


def draw_variance(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw_alpha(rng)


def draw_mode(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draw_alpha(rng)
    for size in (2, 3, 5):
        for high in (2.0, 100.0, 1e15):
            alpha = 1 + shapes(rng, size, 1e-9, high)
            yield Draw({"alpha": alpha}, flags=("CANCELLATION",), difficulty=2)


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (1, 2, 3, 5):
        for _ in range(6):
            p, q = shapes(rng, size, 0.1, 50, rounded=True), shapes(rng, size, 0.1, 50, rounded=True)
            yield Draw({"alpha_p": p, "alpha_q": q})
    for low, high, flags in (
        (1e-3, 1e4, ()),
        (1e5, 1e15, ("HUGE_PARAMETER", "CANCELLATION")),
        (1e-8, 1e-2, ("NEAR_POLE",)),
        (1e-8, 1e15, ("HUGE_PARAMETER",)),
    ):
        for size in (2, 3, 4):
            p, q = shapes(rng, size, low, high), shapes(rng, size, low, high)
            yield Draw({"alpha_p": p, "alpha_q": q}, flags=flags, difficulty=3)
    for low, high in ((0.1, 10.0), (1e-8, 1e-2), (10.0, 1e4), (1e6, 1e15), (1e-3, 1e12)):  # nearly equal
        for step in (1e-14, 1e-9, 1e-4, 1e-1):
            p = shapes(rng, 3, low, high)
            q = p * (1 + step * rng.normal(size=3))
            flags = ("CANCELLATION", "NEAR_ROOT")
            yield Draw({"alpha_p": p, "alpha_q": q}, flags=flags, difficulty=4)
    for factor in (1 + 1e-9, 1.25, 1e3):  # the same mean, another concentration
        for scale in (1.0, 1e3, 1e12):
            p = shapes(rng, 3, scale, 4 * scale, rounded=True)
            yield Draw({"alpha_p": p, "alpha_q": p * factor}, flags=("CANCELLATION",), difficulty=4)
    p = np.array([1e15, 1.0])
    yield Draw({"alpha_p": p, "alpha_q": p * np.array([1 + 1e-12, 1.0])}, flags=("HUGE_PARAMETER",), difficulty=5)
    yield Draw({"alpha_p": np.array([2.0, 3.0]), "alpha_q": np.array([2.0, 3.0])}, flags=("NEAR_ROOT",))
    for bad in (0.0, -1.0, inf, nan):
        yield Draw({"alpha_p": np.array([1.5, bad]), "alpha_q": np.array([1.5, 2.0])}, result="invalid")
        yield Draw({"alpha_p": np.array([1.5, 2.0]), "alpha_q": np.array([1.5, bad])}, result="invalid")
    p, q = shapes(rng, 6, 0.5, 20).reshape(2, 1, 3), shapes(rng, 9, 0.5, 20).reshape(3, 3)
    yield Draw({"alpha_p": p, "alpha_q": q}, flags=("BROADCAST",))
    yield Draw({"alpha_p": shapes(rng, 20, 0.1, 100), "alpha_q": shapes(rng, 20, 0.1, 100)}, difficulty=3)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    for size in (2, 3, 4):
        for n in (2, 3, 5, 8):
            for _ in range(3):
                yield Draw({"data": np.stack([dyadic(rng, size) for _ in range(n)])})
    for low, high, flags in ((0.1, 10.0, ()), (10.0, 1e4, ("CANCELLATION",)), (0.02, 0.2, ("NEAR_POLE",))):
        for size in (2, 3):
            for _ in range(2):
                alpha = shapes(rng, size, low, high)
                x = np.maximum(
                    np.stack([near(rng, alpha) if low > 1 else shares(rng, size, low) for _ in range(4)]), 1e-290
                )
                yield Draw({"data": x}, flags=flags, difficulty=3)
    for spread_of in (1e-2, 1e-4):
        x = np.array([[0.25, 0.75]] * 3) * (1 + spread_of * np.array([[1.0], [0.0], [-1.0]]) * np.array([[3.0, -1.0]]))
        yield Draw({"data": x}, flags=("HUGE_PARAMETER",), difficulty=4)
    for x in ([[0.25, 0.5], [0.125, 0.5]], [[1e-3, 1e-3], [0.25, 0.5]]):
        yield Draw({"data": np.array(x)}, flags=("OUT_OF_SUPPORT", "AMBIGUOUS_CONVENTION"), difficulty=2)
    yield Draw({"data": np.array([[0.75, 0.75], [0.5, 1.0]])}, flags=("OUT_OF_SUPPORT",), result="undefined")
    for x in ([[0.25, 0.75]], [[0.25, 0.75], [0.25, 0.75]], [[1.0], [1.0]], [[0.5], [0.25]], [[0.0, 1.0], [0.5, 0.5]]):
        yield Draw({"data": np.array(x)}, flags=("EMPTY_ROW",), result="undefined")
    yield Draw({"data": np.zeros((0, 2))}, flags=("EMPTY_ROW",), result="undefined")
    for bad in (-0.25, 1.25, nan):
        yield Draw({"data": np.array([[0.5, bad], [0.5, 0.5]])}, result="invalid")


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(u: Any, a: Any, **keywords: Any) -> Draw:
        return Draw({"noise": np.asarray(u), "alpha": np.asarray(a)}, **keywords)

    yield draw([0.25], [1.5])
    for size in (2, 2, 3):
        for _ in range(11):
            u = np.asarray(short(rng.uniform(0.02, 0.98, size=size)))
            yield draw(u, shapes(rng, size, 0.1, 50, rounded=True))
    for _ in range(5):  # variates that underflow
        yield draw(rng.uniform(size=2), shapes(rng, 2, 1e-4, 1e-2), flags=("NEAR_POLE",), difficulty=4)
    for _ in range(5):
        yield draw(rng.uniform(size=2), shapes(rng, 2, 1e3, 1e8), flags=("HUGE_PARAMETER",), difficulty=4)
    for _ in range(4):
        yield draw(rng.uniform(size=2), [decades(rng, 0.01, 1), decades(rng, 10, 1e5)], difficulty=3)
    for u in (2.0**-53, 1 - 2.0**-53, 1e-12):
        yield draw([u, 0.5], shapes(rng, 2, 0.2, 20), flags=("SATURATION",), difficulty=3)
    for u in (0.0, 1.0, -0.5, nan):
        yield draw([0.5, u], [1.5, 2.0], result="invalid")
    for a in (0.0, -1.0, inf, nan):
        yield draw([0.5, 0.25], [1.5, a], result="invalid")
    yield draw(rng.uniform(size=(2, 1, 2)), shapes(rng, 4, 0.5, 20).reshape(2, 2), flags=("BROADCAST",))
