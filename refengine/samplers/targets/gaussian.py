r"""The Gaussian density with a precision matrix, without its normalising constant.

Axes: D coordinates; leading axes are chains.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refengine._arrays import check_shape, promote
from refengine.domains import Array, Real
from refengine.samplers.targets._target import Target, check_position, cotangent, over_chains, sum_outer

__all__ = ["gradient", "gradient_vjp", "log_density", "log_density_vjp", "target"]


def target(mean: Real, precision: Real) -> Target:
    """The density as a sampler takes it; mean (D,), precision (D, D).

    >>> target([0.0], [[2.0]]).parameters
    ([0.0], [[2.0]])
    """
    return Target(log_density, gradient, gradient_vjp, (mean, precision))


def log_density(position: Real, mean: Real, precision: Real) -> Array:
    r"""Logarithm of the Gaussian density up to a constant that does not depend on the position.

    .. math:: L(x; m, P) = -\tfrac12 (x - m)^\top P (x - m)

    position: (..., D); mean: (D,); precision: (D, D); the result has shape (...). The normaliser
    :math:`\tfrac12 \log\det P - \tfrac D2 \log 2\pi` is left out: acceptance ratios do not see it. P is taken as it
    comes, D * D independent entries; the quadratic form sees only its symmetric part, and whether P is positive
    definite is not checked. Result in float64 unless every floating argument is float32. Raises ValueError for other
    shapes, TypeError for other dtypes. Bishop (2006), Pattern Recognition and Machine Learning, eq. 2.43.

    >>> float(log_density([1.0, 2.0], [0.0, 0.0], [[2.0, 0.0], [0.0, 1.0]]))
    -3.0
    """
    xp, dtype, offset, symmetric = _parts(position, mean, precision)
    with np.errstate(all="ignore"):
        return xp.astype(-xp.sum(offset * xp.matmul(offset, symmetric), axis=-1) / 2, dtype, copy=False)


def log_density_vjp(g: Array, position: Real, mean: Real, precision: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of position, mean and precision.

    With :math:`r = x - m` and :math:`S = (P + P^\top) / 2`, from
    :math:`d(r^\top P r) = 2 r^\top S\, dr + r^\top dP\, r`:

    .. math:: \bar x = -g S r, \qquad \bar m = g S r, \qquad \bar P = -\tfrac g2 r r^\top

    mean and precision are shared by all chains, so their cotangents are sums over the leading axes.
    """
    xp, dtype, offset, symmetric = _parts(position, mean, precision)
    g = cotangent(xp, g, offset.shape[:-1])[..., None]
    with np.errstate(all="ignore"):
        to_position = -g * xp.matmul(offset, symmetric)
        cotangents = to_position, -over_chains(xp, to_position), -sum_outer(xp, offset, g * offset) / 2
    a, b, c = (xp.astype(array, dtype, copy=False) for array in cotangents)
    return a, b, c


def gradient(position: Real, mean: Real, precision: Real) -> Array:
    r"""Gradient of `log_density` to the position.

    .. math:: \nabla_x L = -\tfrac12 (P + P^\top)(x - m)

    position: (..., D); mean: (D,); precision: (D, D); the result has the shape of the position. dtypes and
    errors as in `log_density`. Source: the derivative of Bishop 2006, eq. 2.43, without its normaliser.

    >>> gradient([1.0, 2.0], [0.0, 0.0], [[2.0, 0.0], [0.0, 1.0]]).tolist()
    [-2.0, -2.0]
    """
    xp, dtype, offset, symmetric = _parts(position, mean, precision)
    with np.errstate(all="ignore"):
        return xp.astype(-xp.matmul(offset, symmetric), dtype, copy=False)


def gradient_vjp(g: Array, position: Real, mean: Real, precision: Real) -> tuple[Array, Array, Array]:
    r"""Cotangents of position (the Hessian times g), mean and precision.

    From :math:`\langle g, \nabla L \rangle = -\tfrac12 \sum_{ij} (g_i r_j + g_j r_i) P_{ij}`, with :math:`r = x - m`:

    .. math:: \bar x = -S g, \qquad \bar m = S g, \qquad \bar P = -\tfrac12 (g r^\top + r g^\top)
    """
    xp, dtype, offset, symmetric = _parts(position, mean, precision)
    g = cotangent(xp, g, offset.shape)
    with np.errstate(all="ignore"):
        to_position, outer = -xp.matmul(g, symmetric), sum_outer(xp, g, offset)
        cotangents = to_position, -over_chains(xp, to_position), -(outer + xp.matrix_transpose(outer)) / 2
    a, b, c = (xp.astype(array, dtype, copy=False) for array in cotangents)
    return a, b, c


def checked(position: Array, mean: Array, precision: Array) -> tuple[Any, ...]:
    """``xp, dtype`` and the arguments in float64, their shapes checked."""
    xp, dtype, *arrays = promote(position=position, mean=mean, precision=precision)
    check_position(arrays[0])
    check_shape("mean", arrays[1], ("D",), D=arrays[0].shape[-1])
    check_shape("precision", arrays[2], ("D", "D"), D=arrays[0].shape[-1])
    return xp, dtype, *(xp.astype(a, xp.float64, copy=False) for a in arrays)


def _parts(position: Array, mean: Array, precision: Array) -> tuple[Any, Any, Array, Array]:
    """``xp, dtype, x - m, S``, the latter two in float64."""
    xp, dtype, position, mean, precision = checked(position, mean, precision)
    with np.errstate(all="ignore"):
        return xp, dtype, position - mean, (precision + xp.matrix_transpose(precision)) / 2
