r"""Mean and covariance of normal vectors under a normal-inverse-Wishart prior:
:math:`x_i \sim N(\mu, \Sigma)`, :math:`\mu \mid \Sigma \sim N(\mathrm{mean}, \Sigma / \kappa)`,
:math:`\Sigma \sim \mathrm{InvWishart}(\mathrm{df}, \Psi)`.

Data: x (..., N, D); prior: mean (..., D), kappa and df (...), scale_matrix (..., D, D). Axes before these are
independent problems. kappa counts observations: the prior of the mean is worth as many as that. The symmetric part of
the scale matrix counts, so that its gradient is symmetric. No data, N = 0, leave the prior.

kappa that is not positive, df that is not above D - 1, infinite ones, a scale matrix that is not positive definite, and
data or mean that are not finite: nan. Results are float32 when every floating array is, else float64, and float64
inside. Shapes that do not fit are a ValueError.

Where no more than D rows leave the scale matrix to decide, gradients to the data lose digits with its ratio to the
scatter: they are certified down to 2^-12.

Below, :math:`d = \bar x - \mathrm{mean}` and :math:`c_i = x_i - \mathrm{mean}'`.
"""

from __future__ import annotations

from math import pi
from typing import Any, NamedTuple

import numpy as np

from refengine._arrays import promote, unbroadcast
from refengine.distributions._matrix import (
    cholesky,
    diagonal,
    inverse,
    left_lower,
    left_upper,
    outer,
    solve_lower,
    solve_upper,
    sum_of_logs,
    symmetric,
    times,
    transposed,
)
from refengine.domains import Array, Positive, Real
from refengine.estimation._evidence import log_rise
from refengine.estimation._problem import cotangent, cotangents
from refengine.special._saddle_point import log1p_minus
from refengine.special.digamma_difference import digamma_difference

__all__ = [
    "Estimate",
    "Parameters",
    "log_evidence",
    "log_evidence_vjp",
    "maximum_a_posteriori",
    "maximum_a_posteriori_vjp",
    "maximum_likelihood",
    "maximum_likelihood_vjp",
    "posterior",
    "posterior_vjp",
    "predictive_log_prob",
    "predictive_log_prob_vjp",
]


class Parameters(NamedTuple):
    """Parameters of a normal-inverse-Wishart distribution: mean (..., D), kappa, df (...), scale_matrix (..., D, D)."""

    mean: Real
    kappa: Positive
    df: Positive
    scale_matrix: Real


class Estimate(NamedTuple):
    """Mean (..., D) and covariance (..., D, D) of the observations."""

    mean: Real
    covariance: Real


class _Update(NamedTuple):
    """What data do to a scale matrix: the new factor, log det(new / old), old inverse less new, and the last step."""

    factor: Array
    log_growth: Array
    drop: Array
    last: Array


def posterior(x: Real, mean: Real, kappa: Positive, df: Positive, scale_matrix: Real) -> Parameters:
    r"""Parameters of the posterior normal-inverse-Wishart distribution.

    .. math:: \mathrm{mean}' = \frac{\kappa\,\mathrm{mean} + N \bar x}{\kappa'}, \quad \kappa' = \kappa + N, \quad
              \mathrm{df}' = \mathrm{df} + N, \quad
              \Psi' = \Psi + \sum_i (x_i - \bar x)(x_i - \bar x)^\top + \frac{\kappa N}{\kappa'} d d^\top

    x: (..., N, D); mean: (..., D); kappa, df: (...); scale_matrix: (..., D, D); the fields of the result: (..., D),
    (...), (...), (..., D, D). Murphy (2007), eq. 254-257.

    >>> after = posterior([[3.0], [5.0]], [0.0], 2.0, 2.0, [[1.0]])
    >>> after.mean.tolist(), float(after.kappa), float(after.df), after.scale_matrix.tolist()
    ([2.0], 4.0, 4.0, [[19.0]])
    """
    xp, dtype, *arrays = _checked(x, mean, kappa, df, scale_matrix)
    with np.errstate(all="ignore"):
        return Parameters(*(xp.astype(p, dtype, copy=False) for p in _posterior(xp, *arrays)))


def posterior_vjp(
    g: Parameters, x: Real, mean: Real, kappa: Positive, df: Positive, scale_matrix: Real
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of x, mean, kappa, df and scale_matrix; g may hold None for a field without cotangent.

    With the cotangents m of mean' and G of :math:`\Psi'`, and :math:`\mathrm{mean}' - \mathrm{mean} = N d / \kappa'`:

    .. math:: \bar x_i = \frac{m}{\kappa'} + (G + G^\top) c_i, \quad
              \overline{\mathrm{mean}} = \frac\kappa{\kappa'} [m - N (G + G^\top) d], \quad
              \bar\kappa = \bar\kappa' - \frac{N}{\kappa'^2} m^\top d + \Bigl(\frac{N}{\kappa'}\Bigr)^2 d^\top G d,
              \quad \bar\Psi = \frac{G + G^\top}2
    """
    xp, dtype, *arrays = _checked(x, mean, kappa, df, scale_matrix)
    with np.errstate(all="ignore"):
        after = _posterior(xp, *arrays)
        to = cotangents(xp, g, *(p.shape for p in after))
        return _back(xp, dtype, to, after, arrays, x, mean, kappa, df, scale_matrix)


def log_evidence(x: Real, mean: Real, kappa: Positive, df: Positive, scale_matrix: Real) -> Array:
    r"""Logarithm of the density of the data, mean and covariance integrated out.

    .. math:: \log p(x) = -\frac{N D}2 \log \pi + \log\frac{\Gamma_D(\mathrm{df}' / 2)}{\Gamma_D(\mathrm{df} / 2)}
              + \frac{\mathrm{df}}2 \log |\Psi| - \frac{\mathrm{df}'}2 \log |\Psi'| + \frac D2 \log\frac\kappa{\kappa'}

    with the parameters of `posterior` and :math:`\Gamma_D(a) = \pi^{D (D-1) / 4} \prod_{j<D} \Gamma(a - j / 2)`.
    x: (..., N, D); mean: (..., D); kappa, df: (...); scale_matrix: (..., D, D); result (...). N = 0: log 1 = 0.

    :math:`\log |\Psi'| - \log |\Psi|` is a sum of logarithms of 1 + t, one for each row of a factor of the scatter, by
    which the Cholesky factor is updated without a subtraction. Murphy (2007), eq. 266.

    >>> round(float(log_evidence([[0.0]], [0.0], 1.0, 2.0, [[2.0]])), 12), round(-float(np.log(4)), 12)
    (-1.38629436112, -1.38629436112)
    """
    xp, dtype, *arrays = _checked(x, mean, kappa, df, scale_matrix)
    with np.errstate(all="ignore"):
        update = _updated(xp, cholesky(xp, arrays[4]), _scatter(xp, *arrays[:3]))
        return xp.astype(_log_evidence(xp, arrays[0].shape[-2], update, *arrays[2:4]), dtype, copy=False)


def log_evidence_vjp(
    g: Array, x: Real, mean: Real, kappa: Positive, df: Positive, scale_matrix: Real
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of x, mean, kappa, df and scale_matrix.

    With :math:`t = \frac{\kappa N}{\kappa'} d^\top (\Psi + S)^{-1} d`, S the scatter around the data's own mean:

    .. math:: \partial_{x_i} = -\mathrm{df}' \Psi'^{-1} c_i, \quad
              \partial_\mathrm{mean} = \mathrm{df}' \frac{\kappa N}{\kappa'} \Psi'^{-1} d, \quad
              \partial_\kappa = \frac{N}{2 \kappa \kappa'} \frac{D - (\mathrm{df}' - D) t}{1 + t},

    .. math:: \partial_\mathrm{df} = \frac12 \sum_{j<D} \Bigl[\psi\Bigl(\frac{\mathrm{df}' - j}2\Bigr)
              - \psi\Bigl(\frac{\mathrm{df} - j}2\Bigr)\Bigr] - \frac12 \log \frac{|\Psi'|}{|\Psi|}, \quad
              \partial_\Psi = \frac{\mathrm{df}}2 (\Psi^{-1} - \Psi'^{-1}) - \frac N2 \Psi'^{-1}

    where the difference of inverses is a sum of outer products, one for each row of the factor of the scatter.
    """
    xp, dtype, *arrays = _checked(x, mean, kappa, df, scale_matrix)
    with np.errstate(all="ignore"):
        factor, n = cholesky(xp, arrays[4]), arrays[0].shape[-2]
        update = _updated(xp, factor, _scatter(xp, *arrays[:3]))
        g = cotangent(xp, g, update.log_growth.shape)
        to_kappa, to_df, to_psi = _evidence_slopes(xp, n, update, *arrays[2:4])
        rows, total = _solved_rows(xp, factor, update, _posterior(xp, *arrays), *arrays[:3])
        weight = g * (arrays[3] + n)
        slopes = -times(weight, rows), _scaled(weight, total), g * to_kappa, g * to_df, times(g, to_psi)
        to_x, to_mean, to_kappa, to_df, to_psi = _each(slopes, (x, mean, kappa, df, scale_matrix), dtype)
        return to_x, to_mean, to_kappa, to_df, to_psi


def maximum_likelihood(x: Real) -> Estimate:
    r"""Mean and covariance that make the data most probable.

    .. math:: \hat\mu = \bar x = \frac1N \sum_i x_i, \qquad
              \hat\Sigma = \frac1N \sum_i (x_i - \bar x) (x_i - \bar x)^\top

    x: (..., N, D); the fields of the result: (..., D), (..., D, D). N <= D observations have no estimate, since the
    density has no bound: nan. Whether more of them lie in a plane is not examined. Murphy (2007), section 8.

    >>> estimate = maximum_likelihood([[3.0], [5.0]])
    >>> estimate.mean.tolist(), estimate.covariance.tolist()
    ([4.0], [[1.0]])
    """
    xp, dtype, x = _data(x)
    with np.errstate(all="ignore"):
        centre, size = _mean(xp, x), _rows_or_nan(x)
        centred = x - centre[..., None, :]
        estimates = centre + 0.0 * size, xp.matmul(transposed(xp, centred), centred) / size
        return Estimate(*(xp.astype(v, dtype, copy=False) for v in estimates))


def maximum_likelihood_vjp(g: Estimate, x: Real) -> tuple[Array]:
    r"""Cotangent of the data.

    .. math:: \bar x_i = \frac1N \bigl[\bar\mu + (G + G^\top) (x_i - \bar x)\bigr]

    with the cotangent G of the covariance.
    """
    xp, dtype, x1 = _data(x)
    with np.errstate(all="ignore"):
        centre, size = _mean(xp, x1), _rows_or_nan(x1)
        to_mean, to_covariance = cotangents(xp, g, centre.shape, (*centre.shape, centre.shape[-1]))
        both = to_covariance + transposed(xp, to_covariance)
        to_x = to_mean[..., None, :] + xp.matmul(x1 - centre[..., None, :], both)
        return (unbroadcast(to_x / size, x, dtype),)


def maximum_a_posteriori(x: Real, mean: Real, kappa: Positive, df: Positive, scale_matrix: Real) -> Estimate:
    r"""The joint mode of the posterior density of mean and covariance.

    .. math:: \hat\mu = \mathrm{mean}', \qquad \hat\Sigma = \frac{\Psi'}{\mathrm{df}' + D + 2}

    with the parameters of `posterior`. x: (..., N, D); mean: (..., D); kappa, df: (...); scale_matrix: (..., D, D); the
    fields of the result: (..., D), (..., D, D). It is the mode of the density in mean and covariance together; the mode
    of the covariance alone would be :math:`\Psi' / (\mathrm{df}' + D + 1)`. Murphy (2007), section 9.

    >>> estimate = maximum_a_posteriori([[3.0], [5.0]], [0.0], 2.0, 2.0, [[1.0]])
    >>> estimate.mean.tolist(), estimate.covariance.tolist()
    ([2.0], [[2.7142857142857144]])
    """
    xp, dtype, *arrays = _checked(x, mean, kappa, df, scale_matrix)
    with np.errstate(all="ignore"):
        after = _posterior(xp, *arrays)
        divisor = after.df + (after.mean.shape[-1] + 2)
        estimates = after.mean, after.scale_matrix / divisor[..., None, None]
        return Estimate(*(xp.astype(v, dtype, copy=False) for v in estimates))


def maximum_a_posteriori_vjp(
    g: Estimate, x: Real, mean: Real, kappa: Positive, df: Positive, scale_matrix: Real
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Cotangents of x, mean, kappa, df and scale_matrix.

    With the cotangent G of the covariance, :math:`\Psi'` has :math:`G / (\mathrm{df}' + D + 2)` and df' has
    :math:`-\langle G, \hat\Sigma \rangle / (\mathrm{df}' + D + 2)`; from there as in `posterior_vjp`.
    """
    xp, dtype, *arrays = _checked(x, mean, kappa, df, scale_matrix)
    with np.errstate(all="ignore"):
        after = _posterior(xp, *arrays)
        divisor = after.df + (after.mean.shape[-1] + 2)
        to_mean, to_covariance = cotangents(xp, g, after.mean.shape, after.scale_matrix.shape)
        to_psi = to_covariance / divisor[..., None, None]
        to_df = -xp.sum(to_psi * after.scale_matrix, axis=(-2, -1)) / divisor
        to = to_mean, 0.0 * after.kappa, to_df, to_psi
        return _back(xp, dtype, to, after, arrays, x, mean, kappa, df, scale_matrix)


def predictive_log_prob(new: Real, x: Real, mean: Real, kappa: Positive, df: Positive, scale_matrix: Real) -> Array:
    r"""Logarithm of the density of a new observation given the data.

    .. math:: p(x^* \mid x) = \mathrm{t}_{\nu}\Bigl(x^*;\; \mathrm{mean}',
              \frac{\kappa' + 1}{\kappa'\, \nu} \Psi'\Bigr), \qquad \nu = \mathrm{df}' - D + 1

    with the parameters of `posterior`. new: (..., D), whose leading axes broadcast with the problems, each row a
    prediction of its own; x: (..., N, D); mean: (..., D); kappa, df: (...); scale_matrix: (..., D, D); result (...).
    A multivariate Student density; Murphy (2007), eq. 258.

    >>> value = predictive_log_prob([0.0], np.zeros((0, 1)), [0.0], 1.0, 2.0, [[2.0]])
    >>> round(float(value), 12), round(-float(np.log(4)), 12)
    (-1.38629436112, -1.38629436112)
    """
    xp, dtype, new, arrays = _before_prediction(new, x, mean, kappa, df, scale_matrix)
    with np.errstate(all="ignore"):
        before, _, _, _, update = _one_more(xp, new, arrays, cholesky(xp, arrays[4]))
        return xp.astype(_log_evidence(xp, 1, update, before.kappa, before.df), dtype, copy=False)


def predictive_log_prob_vjp(
    g: Array, new: Real, x: Real, mean: Real, kappa: Positive, df: Positive, scale_matrix: Real
) -> tuple[Array, Array, Array, Array, Array, Array]:
    r"""Cotangents of new, x, mean, kappa, df and scale_matrix.

    Those of the evidence of the new observation at the posterior's parameters, as in `log_evidence_vjp` with
    :math:`N = 1`, and from there as in `posterior_vjp`.
    """
    xp, dtype, new1, arrays = _before_prediction(new, x, mean, kappa, df, scale_matrix)
    with np.errstate(all="ignore"):
        factor, n = cholesky(xp, arrays[4]), arrays[0].shape[-2]
        before, row, u, first, update = _one_more(xp, new1, arrays, factor)
        g = cotangent(xp, g, update.log_growth.shape)
        to_kappa, to_df, to_psi = _evidence_slopes(xp, 1, update, before.kappa, before.df)
        rows, total = _solved_rows(xp, factor, first, before, *arrays[:3])
        weight, offset = (before.df + 1) / (1 + update.last), _offset(xp, *arrays[:3])
        to_new = -_scaled(g * weight * xp.sqrt(before.kappa / (before.kappa + 1)), u)
        along = xp.sum(row * total, axis=-1)
        to_x = times(weight, outer(_applied(xp, rows, row), u)) - rows
        spread = weight * (along / arrays[2]) ** 2 - n / before.kappa / arrays[2] * xp.sum(offset * total, axis=-1)
        slopes = (
            to_new,
            -(to_new / before.kappa[..., None])[..., None, :] + times(g, to_x),
            -_scaled(arrays[2] / before.kappa, to_new) - _scaled(g, _scaled(weight * along, u) - total),
            g * (to_kappa + spread / 2) + n / before.kappa**2 * xp.sum(to_new * offset, axis=-1),
            g * to_df,
            times(g, to_psi),
        )
        to_new, to_x, to_mean, to_kappa, to_df, to_psi = _each(slopes, (new, x, mean, kappa, df, scale_matrix), dtype)
        return to_new, to_x, to_mean, to_kappa, to_df, to_psi


def _data(x: Array) -> tuple[Any, Any, Array]:
    xp, dtype, x = promote(x=x)
    if x.ndim < 2 or x.shape[-1] == 0:
        raise ValueError(f"x must have shape (..., N, D) with D >= 1, got {tuple(x.shape)}")
    x = xp.astype(x, xp.float64, copy=False)
    return xp, dtype, xp.where(xp.all(xp.isfinite(x), axis=(-2, -1), keepdims=True), x, xp.nan)


_AXES = {"x": "ND", "new": "D", "mean": "D", "kappa": "", "df": "", "scale_matrix": "DD"}


def _promoted(**arguments: Array) -> tuple[Any, Any, dict[str, Any]]:
    """``xp, dtype`` and the arguments in float64 by name, of fitting shapes."""
    xp, dtype, *arrays = promote(**arguments)
    by_name = dict(zip(arguments, arrays, strict=True))
    size, leads = max(by_name["x"].shape[-1:] or (0,)), []
    for name, array in by_name.items():
        axes = _AXES[name]
        wanted = tuple(size if axis == "D" else None for axis in axes)
        own = tuple(array.shape[array.ndim - len(axes) :]) if array.ndim >= len(axes) else None
        if size == 0 or own is None or any(w not in (None, o) for w, o in zip(wanted, own, strict=True)):
            letters = ", ".join(["...", *axes])
            raise ValueError(f"{name} must have shape ({letters}) with D = {max(size, 1)}, got {tuple(array.shape)}")
        leads.append(array.shape[: array.ndim - len(axes)])
    try:
        np.broadcast_shapes(*leads)
    except ValueError:
        shapes = ", ".join(f"{name} {tuple(a.shape)}" for name, a in by_name.items())
        raise ValueError(f"leading axes do not broadcast: {shapes}") from None
    return xp, dtype, {name: xp.astype(a, xp.float64, copy=False) for name, a in by_name.items()}


def _checked(x: Array, mean: Array, kappa: Array, df: Array, scale_matrix: Array) -> tuple[Any, ...]:
    """``xp, dtype, x, mean, kappa, df, Psi``; kappa, df and Psi are nan for a problem without an answer."""
    xp, dtype, a = _promoted(x=x, mean=mean, kappa=kappa, df=df, scale_matrix=scale_matrix)
    return xp, dtype, *_valid(xp, **a)


def _valid(xp: Any, x: Array, mean: Array, kappa: Array, df: Array, scale_matrix: Array) -> tuple[Array, ...]:
    with np.errstate(all="ignore"):
        psi = symmetric(xp, scale_matrix)
        good = (kappa > 0) & (kappa < xp.inf) & (df > mean.shape[-1] - 1) & (df < xp.inf)
        good = good & xp.all(xp.isfinite(x), axis=(-2, -1)) & xp.all(xp.isfinite(mean), axis=-1)
        known = xp.where(good & xp.isfinite(cholesky(xp, psi)[..., 0, 0]), xp.asarray(0.0), xp.nan)
        return x, mean, kappa + known, df + known, psi + known[..., None, None]


def _before_prediction(new: Array, *arguments: Array) -> tuple[Any, ...]:
    names = ("x", "mean", "kappa", "df", "scale_matrix")
    xp, dtype, a = _promoted(new=new, **dict(zip(names, arguments, strict=True)))
    new = a.pop("new")
    return xp, dtype, xp.where(xp.isfinite(new), new, xp.nan), _valid(xp, **a)


def _scaled(numbers: Array, vectors: Array) -> Array:
    return numbers[..., None] * vectors


def _applied(xp: Any, matrix: Array, vector: Array) -> Array:
    return xp.matmul(matrix, vector[..., None])[..., 0]


def _mean(xp: Any, x: Array) -> Array:
    """The mean row, corrected by the mean of what is left; 0 of nothing."""
    n = max(x.shape[-2], 1)
    mean = xp.sum(x, axis=-2) / n
    return mean + xp.sum(x - mean[..., None, :], axis=-2) / n


def _rows_or_nan(x: Array) -> float:
    return float(x.shape[-2]) if x.shape[-2] > x.shape[-1] else float("nan")


def _offset(xp: Any, x: Array, mean: Array, kappa: Array) -> Array:
    """D."""
    return _mean(xp, x) - mean + 0.0 * kappa[..., None]


def _centred(xp: Any, x: Array, mean: Array, kappa: Array) -> Array:
    """C."""
    n = x.shape[-2]
    shares = times(kappa / (kappa + n), 1.0), times(n / (kappa + n), 1.0)
    return shares[0] * (x - mean[..., None, :]) + shares[1] * (x - _mean(xp, x)[..., None, :])


def _posterior(xp: Any, x: Array, mean: Array, kappa: Array, df: Array, psi: Array) -> Parameters:
    n = x.shape[-2]
    own, offset = x - _mean(xp, x)[..., None, :], _offset(xp, x, mean, kappa)
    scatter = xp.matmul(transposed(xp, own), own) + times(n * (kappa / (kappa + n)), outer(offset, offset))
    after = (_scaled(kappa, mean) + xp.sum(x, axis=-2)) / (kappa + n)[..., None]
    return Parameters(after, kappa + n, df + n, psi + scatter)


def _scatter(xp: Any, x: Array, mean: Array, kappa: Array) -> list[Array]:
    """Rows whose outer products add up to what the data add to the scale matrix; that of the mean is the last."""
    n, size = x.shape[-2:]
    own = x - _mean(xp, x)[..., None, :]
    own = xp.linalg.qr(own, mode="reduced")[1] if n > size else own
    offset = _offset(xp, x, mean, kappa)
    return [*(own[..., i, :] for i in range(own.shape[-2])), _scaled(xp.sqrt(n * (kappa / (kappa + n))), offset)]


def _updated(xp: Any, factor: Array, rows: list[Array]) -> _Update:
    """``L L^T + sum_r r r^T``, row by row: with w = L^-1 r and t_j = 1 + w_1^2 + ... + w_j^2, ``I + w w^T = C C^T`` for
    C_jj = sqrt(t_j / t_(j-1)) and, below it, C_ij = w_i w_j / sqrt(t_j t_(j-1)).
    """
    growth, drop, step = 0.0 * factor[..., 0, 0], 0.0 * factor, 0.0 * factor[..., 0, 0]
    for row in rows:
        w = solve_lower(xp, factor, row + 0.0 * factor[..., 0])
        u = solve_upper(xp, factor, w)
        sums = xp.cumulative_sum(w * w, axis=-1)
        before, now = 1 + _shifted(xp, sums), 1 + sums
        step = sums[..., -1]
        below = xp.tril(outer(w, w / xp.sqrt(now * before)), k=-1)
        ratio = xp.sqrt(now / before)[..., None, :]
        factor = xp.matmul(factor, below) + factor * ratio
        growth, drop = growth + xp.log1p(step), drop + outer(u, u) / (1 + step)[..., None, None]
    return _Update(factor, growth, drop, step)


def _shifted(xp: Any, sums: Array) -> Array:
    return xp.concat([xp.zeros_like(sums[..., :1]), sums[..., :-1]], axis=-1)


def _shapes(xp: Any, df: Array, size: int) -> Array:
    """The D arguments of the multivariate gamma function, (..., D)."""
    return (df[..., None] - xp.arange(size, dtype=xp.float64)) / 2


def _log_evidence(xp: Any, n: int, update: _Update, kappa: Array, df: Array) -> Array:
    size, h = update.factor.shape[-1], n / 2
    a = _shapes(xp, df + 0.0 * update.log_growth, size)
    diagonals = diagonal(xp, update.factor)
    value = h * sum_of_logs(xp, (a + h) / (pi * diagonals) / diagonals)
    value = value + xp.sum(a * log1p_minus(xp, h / a) + log_rise(xp, a, h + 0.0 * a), axis=-1)
    return value - df * update.log_growth / 2 - size * xp.log1p(n / kappa) / 2


def _evidence_slopes(xp: Any, n: int, update: _Update, kappa: Array, df: Array) -> tuple[Array, Array, Array]:
    """Derivatives to kappa, df and Psi."""
    size, t = update.factor.shape[-1], update.last
    to_kappa = n / kappa / (kappa + n) / 2 * ((size - ((df - size) + n) * t) / (1 + t))
    rise = xp.sum(digamma_difference(_shapes(xp, df + 0.0 * t, size), n / 2), axis=-1)
    to_psi = times(df / 2, update.drop) - n / 2 * inverse(xp, update.factor)
    return to_kappa, (rise - update.log_growth) / 2, to_psi


def _solved(xp: Any, factor: Array, psi: Array, vectors: Array) -> Array:
    """``Psi^-1 v`` for rows v, refined once: then it is exact for a matrix whose every entry is off by a rounding."""

    def solve(rows: Array) -> Array:
        return solve_upper(xp, factor[..., None, :, :], solve_lower(xp, factor[..., None, :, :], rows))

    found = solve(vectors)
    return found + solve(vectors - xp.matmul(found, psi))


def _lost(xp: Any, update: _Update, n: int, kappa: Array) -> Array:
    """Whether the rows leave a direction in which only Psi counts, so that it may be lost in Psi'."""
    size = update.factor.shape[-1]
    if n != size:
        return xp.full(update.last.shape, 0 < n < size)
    return (update.log_growth > 4 * size) & (kappa < 0.01)


def _solved_rows(
    xp: Any, prior: Array, update: _Update, after: Parameters, x: Array, mean: Array, kappa: Array
) -> tuple[Array, Array]:
    """``Psi'^-1 c_i``, and their sum, from the factor of Psi and its update."""
    n, size = x.shape[-2:]
    offset = _scaled(n * (kappa / (kappa + n)), _offset(xp, x, mean, kappa))
    both = xp.concat([_centred(xp, x, mean, kappa), offset[..., None, :]], axis=-2)
    found = _solved(xp, update.factor, after.scale_matrix, both)
    rows, total = found[..., :-1, :], found[..., -1, :]
    if 0 < n <= size:
        narrow = _lost(xp, update, n, kappa)[..., None]
        few_rows, few_total = _solved_few(xp, prior, x, mean, kappa)
        rows, total = xp.where(narrow[..., None], few_rows, rows), xp.where(narrow, few_total, total)
    return rows, total


def _solved_few(xp: Any, prior: Array, x: Array, mean: Array, kappa: Array) -> tuple[Array, Array]:
    """The same for few rows, which leave directions in which Psi' is as narrow as Psi and c_i has no part.

    With A^T A = I - 1 1^T / kappa', R = A (x - mean) and W = R L^-T, the rows are A^T (I + W W^T)^-1 W L^-1, where
    I + W W^T is the square of a triangle by which [W, I] becomes orthogonal.
    """
    mixing, sums = _mixing(xp, x.shape[-2], kappa)
    w = solve_lower(xp, prior[..., None, :, :], xp.matmul(mixing, x - mean[..., None, :]))
    one = xp.broadcast_to(xp.eye(w.shape[-2], dtype=w.dtype), (*w.shape[:-1], w.shape[-2]))
    inner = transposed(xp, xp.linalg.qr(xp.concat([transposed(xp, w), one], axis=-2), mode="reduced")[1])
    found = left_upper(xp, inner, left_lower(xp, inner, w))
    rest = (w - xp.matmul(w, xp.matmul(transposed(xp, w), found))) - found
    found = found + left_upper(xp, inner, left_lower(xp, inner, rest))
    solved = solve_upper(xp, prior[..., None, :, :], found)
    return xp.matmul(transposed(xp, mixing), solved), xp.sum(solved * sums[..., None], axis=-2)


def _mixing(xp: Any, n: int, kappa: Array) -> tuple[Array, Array]:
    """A, lower triangular: its row t takes the mean of the prior and of all earlier rows from row t; and A 1."""
    earlier = kappa[..., None] + xp.arange(n, dtype=xp.float64)
    weights = xp.sqrt(earlier / (earlier + 1))
    below = xp.tril(xp.ones((n, n), dtype=xp.float64), k=-1)
    mixing = weights[..., None] * (xp.eye(n, dtype=xp.float64) - below / earlier[..., None])
    return mixing, weights * (kappa[..., None] / earlier)


def _one_more(
    xp: Any, new: Array, arrays: tuple[Array, ...], factor: Array
) -> tuple[Parameters, Array, Array, _Update, _Update]:
    """The posterior; the row r that one new observation adds; Psi'^-1 r; what data, then r, do to the factor."""
    before = _posterior(xp, *arrays)
    first = _updated(xp, factor, _scatter(xp, *arrays[:3]))
    row = _scaled(xp.sqrt(before.kappa / (before.kappa + 1)), new - before.mean)
    second = _updated(xp, first.factor + 0.0 * row[..., None], [row])
    plain = solve_upper(xp, first.factor, solve_lower(xp, first.factor, row))
    refined = _solved(xp, first.factor, before.scale_matrix, row[..., None, :])[..., 0, :]
    u = xp.where(_lost(xp, first, arrays[0].shape[-2], arrays[2])[..., None], plain, refined)
    return before, row, u, first, second._replace(drop=outer(u, u) / (1 + second.last)[..., None, None])


def _each(slopes: Any, given: Any, dtype: Any) -> Any:
    return tuple(unbroadcast(slope, like, dtype) for slope, like in zip(slopes, given, strict=True))


def _back(
    xp: Any, dtype: Any, to: Any, after: Parameters, arrays: Any, *given: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """Cotangents of the arguments from those of the posterior's parameters."""
    to_mean, to_kappa, to_df, to_psi = to
    x, mean, kappa, *_ = arrays
    n, offset = x.shape[-2], _offset(xp, x, mean, kappa)
    both = to_psi + transposed(xp, to_psi)
    turned = _applied(xp, both, offset)
    share = n / after.kappa
    slopes = (
        (to_mean / after.kappa[..., None])[..., None, :] + xp.matmul(_centred(xp, x, mean, kappa), both),
        _scaled(kappa / after.kappa, to_mean - n * turned),
        to_kappa
        - share / after.kappa * xp.sum(to_mean * offset, axis=-1)
        + share * share * xp.sum(offset * turned, axis=-1) / 2,
        to_df + 0.0 * after.df,
        both / 2 + 0.0 * after.scale_matrix,
    )
    to_x, to_mean, to_kappa, to_df, to_psi = _each(slopes, given, dtype)
    return to_x, to_mean, to_kappa, to_df, to_psi
