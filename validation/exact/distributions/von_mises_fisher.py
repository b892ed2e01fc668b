"""The von Mises-Fisher density as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any, NamedTuple

import numpy as np

from validation.exact.distributions import _angle, _directions
from validation.exact.distributions._directions import (
    close,
    dot,
    draw_directions,
    draw_parameters,
    inverse_mean_cosine,
    over_rows,
    over_vectors,
    unit,
)
from validation.exact.draws import Draw, decades, short
from validation.exact.number import (
    Number,
    bessel_i,
    cos,
    hypergeometric_0f1,
    lgamma,
    log,
    number,
    pi,
    sin,
    sqrt,
    stated,
)
from validation.exact.root import root


def log_prob(x: Any, mean_direction: Any, concentration: Any) -> Any:
    """kappa mu . x - log(area * mean of exp(kappa mu . x) over the sphere).

    Source: mardia-jupp-2000, eq. 9.3.4
    """
    return over_rows(_density)(x, mean_direction, concentration)


def _density(cosine: Number, concentration: Number, dimensions: int) -> Any:
    return concentration * cosine - log_total(concentration, dimensions)


def log_total(concentration: Number, dimensions: int) -> Any:
    """The logarithm of the integral of exp(kappa mu . x) over the sphere."""
    half = number(dimensions) / 2
    order = half - 1
    if concentration == 0:
        mean = log(hypergeometric_0f1(half, concentration * concentration / 4))
        return mean + log(number(2)) + half * log(pi()) - lgamma(half)
    return half * log(2 * pi()) + log(bessel_i(order, concentration)) - order * log(concentration)


def mean_cosine(concentration: Number, dimensions: int) -> Any:
    """I_{D/2} / I_{D/2-1}."""
    if concentration == 0:
        return concentration / dimensions
    order = number(dimensions) / 2 - 1
    return bessel_i(order + 1, concentration) / bessel_i(order, concentration)


def entropy(mean_direction: Any, concentration: Any) -> Any:
    """The mean of -log f: log_total - kappa A.

    Source: mardia-jupp-2000, eq. 9.3.4
    """
    return over_vectors(lambda _, k, d: log_total(k, d) - k * mean_cosine(k, d), mean_direction, concentration)


def mean(mean_direction: Any, concentration: Any) -> Any:
    """A mu.

    Source: mardia-jupp-2000, eq. 9.3.7
    """
    return over_vectors(lambda mu, k, d: mean_cosine(k, d) * mu, mean_direction, concentration)


def mode(mean_direction: Any, concentration: Any) -> Any:
    """The mean direction.

    Source: mardia-jupp-2000, section 9.3.2
    """
    return _directions.mode(mean_direction, concentration)


def sample(noise: Any, mean_direction: Any, concentration: Any) -> Any:
    """t mu + sqrt(1 - t^2) v with the cosine of the angle that is exceeded with probability u.

    Source: mardia-jupp-2000, eq. 9.3.12
    """
    return _angle.sample(_turned, noise, mean_direction, concentration)


def _turned(u: Number, kappa: Number, dimensions: int) -> Any:
    angle = _angle.quantile(u, kappa, dimensions)
    return cos(angle), sin(angle)


def kl_divergence(mean_direction_p: Any, concentration_p: Any, mean_direction_q: Any, concentration_q: Any) -> Any:
    """The mean under p of log p - log q: C(q) - C(p) + A(p) mu_p . (kappa_p mu_p - kappa_q mu_q), C = log_total.

    Source: mardia-jupp-2000, eq. 9.3.4
    """
    d = mean_direction_p.shape[-1]
    if any(v.stated for v in (*mean_direction_p, *mean_direction_q, concentration_p, concentration_q)) or (
        concentration_p < 0 or concentration_q < 0
    ):
        every = (*mean_direction_p, *mean_direction_q, concentration_p, concentration_q)
        return stated(nan, *((v, nan) for v in every))
    cosine = dot(mean_direction_p, mean_direction_q)
    gap = mean_cosine(concentration_p, d) * (concentration_p - concentration_q * cosine)
    return log_total(concentration_q, d) - log_total(concentration_p, d) + gap


class Parameters(NamedTuple):
    """As in the reference."""

    mean_direction: Any
    concentration: Any


def maximum_likelihood(data: Any) -> Any:
    """The mean direction, and the root of A(kappa) = |mean|.

    Source: mardia-jupp-2000, eq. 10.3.1 and 10.3.2
    """
    n, d = data.shape
    every = [v for v in data.ravel()]
    if n and not any(v.stated for v in every):
        center = data.sum(axis=0) / n
        square = dot(center, center)
        if 0 < square < 1:
            length = sqrt(square)
            kappa = root(lambda t: [mean_cosine(t[0], d) - length], [inverse_mean_cosine(float(length), d)])[0]
            return Parameters(np.array([c / length for c in center], dtype=object), kappa)
    nothing = [stated(nan, *((v, nan) for v in every)) for _ in range(d + 1)]
    return Parameters(np.array(nothing[:d], dtype=object), nothing[d])


def draw_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_directions(rng, log_prob)


def draw_entropy(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_parameters(rng)


def draw_mean(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_parameters(rng)


def draw_mode(rng: np.random.Generator) -> Iterator[Draw]:
    yield from draw_parameters(rng)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _angle.draw_sample(rng)


def draw_kl_divergence(rng: np.random.Generator) -> Iterator[Draw]:
    def case(d: int, kp: float, kq: float, apart: float) -> dict[str, Any]:
        p = unit(rng, d)
        q = p + apart * rng.normal(size=d)
        q = q / np.linalg.norm(q)
        return {"mean_direction_p": p, "concentration_p": kp, "mean_direction_q": q, "concentration_q": kq}

    for i in range(24):
        d = (2, 3, 5)[i % 3]
        yield Draw(case(d, short(decades(rng, 0.1, 50)), short(decades(rng, 0.1, 50)), 1.0))
    for i in range(16):
        d = (2, 3, 16, 4)[i % 4]
        yield Draw(
            case(d, decades(rng, 1e-6, 1e9), decades(rng, 1e-6, 1e9), 0.3), flags=("HUGE_PARAMETER",), difficulty=3
        )
    for i in range(12):  # nearly the same distribution
        k, gap = decades(rng, 0.1, 1e6), decades(rng, 1e-12, 1e-2)
        yield Draw(case((2, 3, 8)[i % 3], k, k * (1 + gap), gap), flags=("CANCELLATION",), difficulty=4)
    for d, k in ((128, 20.0), (128, 1e4), (512, 100.0)):
        yield Draw(case(d, k, 2 * k, 0.01), flags=("HUGE_PARAMETER",), difficulty=4)
    for kp, kq in ((0.0, 0.0), (0.0, 2.0), (3.0, 0.0)):
        yield Draw(case(3, kp, kq, 1.0), flags=("SATURATION",))
    for kp, kq in ((-1.0, 1.0), (1.0, -1.0), (nan, 1.0), (1.0, nan)):
        yield Draw(case(3, kp, kq, 1.0), result="invalid")


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    def data(n: int, d: int, k: float) -> Any:
        return close(rng, unit(rng, d), np.full(n, k))

    for i in range(28):
        yield Draw({"data": data(int(rng.integers(2, 8)), (2, 3, 4, 8)[i % 4], decades(rng, 0.3, 30))})
    for i in range(20):
        d, k = (2, 3, 16)[i % 3], decades(rng, 10, 1e6)
        yield Draw({"data": data(5, d, k)}, flags=("SATURATION",), difficulty=3)
    for _ in range(8):  # nearly uniform
        x = unit(rng, 3, 3)
        yield Draw({"data": np.concatenate([x, -x[:, ::-1], 0.9 * x[:1]])}, flags=("NEAR_ROOT",), difficulty=3)
    for d, k in ((32, 50.0), (32, 3e3)):
        yield Draw({"data": data(3, d, k)}, flags=("HUGE_PARAMETER",), difficulty=4)
    yield Draw({"data": np.array([[0.6, 0.8], [0.6, 0.8]])}, flags=("SATURATION",), result="invalid")
    yield Draw({"data": np.array([[0.0, 1.0], [0.0, -1.0]])}, flags=("ZERO_NORM",), result="invalid")
    yield Draw({"data": np.zeros((0, 3))}, flags=("EMPTY_ROW",), result="invalid")
    yield Draw({"data": np.array([[0.6, 0.8], [nan, 0.8]])}, result="invalid")
