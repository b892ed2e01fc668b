"""Bayes' theorem for normal vectors and a normal-inverse-Wishart prior, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from refengine.estimation.normal_inverse_wishart import Estimate, Parameters
from validation.exact.distributions._matrices import covariance_like
from validation.exact.draws import Draw, short
from validation.exact.estimation._problems import distinct, each, finite, positive, sized, sizes, total, undefined
from validation.exact.linear_algebra import eliminate, form, log_det, symmetric
from validation.exact.number import Number, lgamma, log, number, pi


def posterior(x: Any, mean: Any, kappa: Any, df: Any, scale_matrix: Any) -> Parameters:
    """The squares completed: Psi' = Psi + sum x x^T + kappa m m^T - kappa' m' m'^T.

    Source: murphy-2007, eq. 254-257
    """
    return _each(_posterior, x, mean, kappa, df, scale_matrix)


def _posterior(x: Any, mean: Any, kappa: Number, df: Number, scale: Any) -> Parameters:
    size = len(mean)
    psi = symmetric(scale) if finite(scale) else None
    known = psi is not None and positive(kappa) and size - 1 < df < inf and finite(x, mean)
    if not known or eliminate(psi) is None:
        nothing = undefined(x, mean, kappa, df, scale)
        return Parameters(_filled(nothing, size), nothing, nothing, _filled(nothing, size, size))
    more = kappa + len(x)
    after = (1 / more) * (kappa * mean + _sum_of(x, size))
    squares = kappa * _outer(mean, mean) - more * _outer(after, after)
    for row in x:
        squares = squares + _outer(row, row)
    return Parameters(after, more, df + len(x), psi + squares)


def log_evidence(x: Any, mean: Any, kappa: Any, df: Any, scale_matrix: Any) -> Any:
    """Likelihood times prior over posterior, all at mean 0 and covariance I.

    Source: murphy-2007, eq. 266
    """
    return _each(_log_evidence, x, mean, kappa, df, scale_matrix)


def _log_evidence(x: Any, mean: Any, kappa: Number, df: Number, scale: Any) -> Any:
    after = _posterior(x, mean, kappa, df, scale)
    if after.kappa.stated:
        return undefined(x, mean, kappa, df, scale)
    if len(x) == 0:
        return Number(0)
    likelihood = -(total([v * v for v in np.ravel(x)]) + np.size(x) * log(2 * pi())) / 2
    return likelihood + _log_prior(mean, kappa, df, symmetric(scale)) - _log_prior(*after)


def _log_prior(mean: Any, kappa: Number, df: Number, psi: Any) -> Any:
    """The density at mean 0 and covariance I."""
    size = len(mean)
    normal = (size * log(kappa / (2 * pi())) - kappa * total([m * m for m in mean])) / 2
    gammas = total([lgamma((df - j) / 2) for j in range(size)]) + log(pi()) * size * (size - 1) / 4
    factors = eliminate(psi)
    assert factors is not None
    wishart = df / 2 * (log_det(factors) - size * log(number(2))) - gammas - total(np.diagonal(psi)) / 2
    return normal + wishart


def maximum_likelihood(x: Any) -> Estimate:
    """Mean, and mean outer product around it.

    Source: murphy-2007, section 8
    """
    return each(_maximum_likelihood, (x, 2))


def _maximum_likelihood(x: Any) -> Estimate:
    rows, size = np.shape(x)
    if not finite(x) or rows <= size:
        return Estimate(_filled(undefined(x), size), _filled(undefined(x), size, size))
    mean = _sum_of(x, size) / rows
    return Estimate(
        mean, sum((_outer(row - mean, row - mean) for row in x[1:]), _outer(x[0] - mean, x[0] - mean)) / rows
    )


def maximum_a_posteriori(x: Any, mean: Any, kappa: Any, df: Any, scale_matrix: Any) -> Estimate:
    """mean' and Psi' / (df' + D + 2), where the joint density is largest.

    Source: murphy-2007, section 9
    """
    return _each(lambda *problem: _mode(*problem, 2), x, mean, kappa, df, scale_matrix)


def marginal(x: Any, mean: Any, kappa: Any, df: Any, scale_matrix: Any) -> Estimate:
    """The mode of the covariance alone, the mean integrated out: Psi' / (df' + D + 1)."""
    return _each(lambda *problem: _mode(*problem, 1), x, mean, kappa, df, scale_matrix)


def _mode(x: Any, mean: Any, kappa: Number, df: Number, scale: Any, more: int) -> Estimate:
    after = _posterior(x, mean, kappa, df, scale)
    if after.kappa.stated:
        return Estimate(after.mean, after.scale_matrix)
    return Estimate(after.mean, (1 / (after.df + (len(mean) + more))) * after.scale_matrix)


def predictive_log_prob(new: Any, x: Any, mean: Any, kappa: Any, df: Any, scale_matrix: Any) -> Any:
    """The multivariate Student density.

    Source: murphy-2007, eq. 258
    """

    def one(new: Any, *problem: Any) -> Any:
        after, size = _posterior(*problem), len(new)
        if after.kappa.stated or not finite(new):
            return undefined(new, *problem)
        factors = eliminate(after.scale_matrix)
        assert factors is not None
        nu, factor = after.df - (size - 1), (after.kappa + 1) / after.kappa
        value = lgamma((nu + size) / 2) - lgamma(nu / 2) - (size * log(pi() * factor) + log_det(factors)) / 2
        return value - (nu + size) / 2 * log(1 + form(factors, new - after.mean) / factor)

    return each(one, (new, 1), (x, 2), (mean, 1), (kappa, 0), (df, 0), (scale_matrix, 2))


def _each(definition: Any, x: Any, mean: Any, kappa: Any, df: Any, scale_matrix: Any) -> Any:
    return each(definition, (x, 2), (mean, 1), (kappa, 0), (df, 0), (scale_matrix, 2))


def _sum_of(rows: Any, size: int) -> Any:
    columns = np.empty(size, dtype=object)
    columns[:] = [total([row[j] for row in rows]) for j in range(size)]
    return columns


def _outer(u: Any, v: Any) -> Any:
    return u[:, None] * v[None, :]


def _filled(value: Any, *shape: int) -> Any:
    array = np.empty(shape, dtype=object)
    array.reshape(-1)[:] = [value] * array.size
    return array


def _draws(rng: np.random.Generator, new: bool = False, prior: bool = True) -> Iterator[Draw]:
    dimensions = iter((1, 2, 2, 3, 2, 1, 3) * 100)

    def parameters(low: float, high: float, lead: Any) -> dict[str, Any]:
        size, low, high = next(dimensions), max(low, 1e-10), min(high, 1e10)
        df = size - 1 + sized(rng, low, high, lead)
        unit = np.asarray(df) if high > 1e4 else np.ones(lead)
        matrices = np.array([covariance_like(rng, size) for _ in range(int(np.prod(lead)))])
        psi = matrices.reshape(*lead, size, size) * 2.0 ** np.round(np.log2(unit))[..., None, None]
        mean = short(rng.normal(size=(*lead, size)) * 2, 6)
        return {"mean": mean, "kappa": sized(rng, low, high, lead), "df": df, "scale_matrix": psi}

    def draw(lead: Any, rows: int, given: dict[str, Any], spread: float = 1.5, **keywords: Any) -> Draw:
        size = given["mean"].shape[-1]
        centre = given["mean"][..., None, :]
        x = short(centre + spread * rng.normal(size=(*lead, rows, size)), 8)
        ahead = {"new": short(centre[..., 0, :] + spread * rng.normal(size=(*lead, size)), 8)} if new else {}
        return Draw(ahead | {"x": x} | (given if prior else {}), **keywords)

    most = 6 if prior else 30
    for lead, rows, given, keywords in sizes(rng, parameters):
        yield draw(lead, min(rows, most), given, **keywords)
    for i in range(6):  # far from the origin: the mean square less the squared mean has no digits
        given = parameters(0.3, 10.0, ())
        size = len(given["mean"])
        x = 10.0 ** (2 + i) + rng.normal(size=(2 + i % 3, size))
        ahead = {"new": x[0] + 0.5} if new else {}
        given["mean"] = np.full(size, 10.0 ** (2 + i))
        yield Draw(ahead | {"x": x} | (given if prior else {}), flags=("CANCELLATION",), difficulty=4)
    for i in range(6):  # a prior much narrower or much wider than the data, fewer rows than dimensions
        given = parameters(0.3, 10.0, ()) | {"kappa": (1e-3, 1e3)[i % 2]}
        given["scale_matrix"] = given["scale_matrix"] * (2.0**-12, 2.0**12)[i // 2 % 2]
        yield draw((), 1 + i % 3, given, flags=("HUGE_PARAMETER",), difficulty=4)
    for i in range(4):  # nearly singular, and in very different units
        units = 2.0 ** np.array([-12, 0, 14])
        psi = covariance_like(rng, 3, 10.0 ** (2 * i)) * units[:, None] * units
        given = {"mean": np.zeros(3), "kappa": 1.5, "df": 4.0 + i, "scale_matrix": psi}
        x = short(rng.normal(size=(2 + i, 3)) * units)
        ahead = {"new": short(rng.normal(size=3) * units)} if new else {}
        yield Draw(ahead | {"x": x} | (given if prior else {}), flags=("CANCELLATION",), difficulty=4)
    good = {"mean": np.array([0.5, 1.0]), "kappa": 2.0, "df": 3.5, "scale_matrix": np.array([[2.0, 0.5], [0.5, 1.0]])}
    if prior:
        many = good | {"kappa": np.array([[1.5], [2.5]]), "df": np.array([2.0, 3.0])}
        yield draw((2, 2), 2, many, flags=("BROADCAST",))
        lower = good | {"scale_matrix": np.array([[2.0, 0.0], [1.0, 1.0]])}  # not symmetric: its symmetric part counts
        yield draw((), 3, lower, flags=("AMBIGUOUS_CONVENTION",))
    ahead, x = {"new": np.array([0.5, 1.0])} if new else {}, np.array([[0.5, 1.0]] * 3)
    yield Draw(ahead | {"x": x} | (good if prior else {}), flags=("ZERO_DISTANCE",))
    wrong: list[tuple[str, Any]] = [("kappa", 0.0), ("df", 1.0), ("df", inf), ("mean", np.array([nan, 0.0]))]
    wrong += [
        ("scale_matrix", np.array(m))
        for m in ([[1.0, 2.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]], [[nan, 0.0], [0.0, 1.0]])
    ]
    for name, value in wrong if prior else []:
        yield Draw(ahead | {"x": x} | good | {name: value}, result="invalid")
    spoilt = np.array([[0.5, inf], [1.0, 2.0], [0.0, 1.0]])
    yield Draw(ahead | {"x": spoilt} | (good if prior else {}), result="invalid")


def draw_posterior(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)


def draw_log_evidence(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)


def draw_maximum_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    yield from distinct(_draws(rng, prior=False))


def draw_maximum_a_posteriori(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng)
    for i in range(3):
        size = 1 + i % 2
        given = {"mean": np.zeros(size), "kappa": 1.0 + i, "df": 2.5, "scale_matrix": covariance_like(rng, size)}
        flags, conventions = ("AMBIGUOUS_CONVENTION",), {"marginal": marginal}
        yield Draw(
            {"x": short(rng.normal(size=(2 * i, size)))} | given,
            flags=flags,
            result="ambiguous",
            alternatives=conventions,
        )


def draw_predictive_log_prob(rng: np.random.Generator) -> Iterator[Draw]:
    yield from _draws(rng, new=True)
