r"""Unit vectors in the last axis: shapes, products, and what the densities on the sphere share."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from refengine._arrays import as_float64, promote, unbroadcast
from refengine.distributions import _noise
from refengine.domains import Array, Real, Unit


def arguments(**given: Array) -> tuple[Any, Any, *tuple[Any, ...]]:
    """``xp, dtype, *vectors, concentration`` in float64. ValueError unless the vectors share their last axis, D >= 2.

    ``given`` are one or two arrays of vectors and, last, the concentration, which broadcasts with their other axes.
    """
    xp, dtype, *arrays = promote(**given)
    *names, _ = given
    sizes = {tuple(a.shape[-1:]) for a in arrays[:-1]}
    if len(sizes) != 1 or sizes == {()} or min(sizes)[0] < 2:
        shapes = " and ".join(f"{n} {tuple(a.shape)}" for n, a in zip(names, arrays, strict=False))
        raise ValueError(f"{names[0]} must have shape (..., D) with D >= 2, the same D everywhere, got {shapes}")
    try:
        np.broadcast_shapes(*(a.shape[:-1] for a in arrays[:-1]), arrays[-1].shape)
    except ValueError:
        shapes = ", ".join(f"{n} {tuple(a.shape)}" for n, a in zip(given, arrays, strict=True))
        raise ValueError(f"shapes do not broadcast: {shapes}") from None
    return xp, dtype, *(xp.astype(a, xp.float64, copy=False) for a in arrays)


def cotangent(g: Array, *batches: Array) -> Any:
    """The cotangent of a batch of numbers in float64, broadcast to the shape of the batch."""
    xp, _, *_ = promote(g=g)
    shape = np.broadcast_shapes(*(tuple(b.shape) for b in batches))
    return xp.broadcast_to(as_float64(xp, "g", g), shape)


def back(weight: Array, vector: Array, like: Array, dtype: Any) -> Array:
    """``weight[..., None] * vector`` summed to the shape of ``like``."""
    return unbroadcast(weight[..., None] * vector, like, dtype)


@cache
def log_area(dimensions: int) -> float:
    """The logarithm of the area of the unit sphere in D dimensions, 2 pi^(D/2) / Gamma(D/2), rounded once."""
    with localcontext(prec=40):
        two_pi = 2 * Decimal("3.14159265358979323846264338327950288419716939937510")
        area, start = (Decimal(2), 1) if dimensions % 2 else (two_pi, 2)
        for n in range(start, dimensions, 2):
            area *= two_pi / n
        return float(area.ln())


class Noise(NamedTuple):
    """What `sample` is made of: a uniform number for the cosine, and normal ones for the direction across the mean."""

    uniform: Unit
    normal: Real


class Turned(NamedTuple):
    """An angle to the mean direction, by sine and cosine of its half; its slopes to the uniform number and kappa."""

    sine: Array
    cosine: Array
    by_uniform: Array
    by_concentration: Array


Quantile: TypeAlias = Callable[..., Turned]
"""``turned(xp, uniform, concentration, dimensions)``, arrays of one axis."""


def noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Noise:
    """Standard normals of that shape, (..., D), and uniforms in (0, 1), (...).

    >>> noise(np.random.default_rng(0), (5, 3)).uniform.shape
    (5,)
    """
    return Noise(_noise.uniform(rng, shape[:-1]), _noise.normal(rng, shape))


def sample(quantile: Quantile, noise: Noise, mean_direction: Array, concentration: Array) -> Array:
    """``cos(angle) mu + sin(angle) v``, see `von_mises_fisher.sample`."""
    xp, dtype, _, _, mu, _, found, across, _ = _placed(quantile, noise, mean_direction, concentration)
    with np.errstate(all="ignore"):
        sine, cosine = _whole(found)
        return xp.astype(cosine * mu + sine * across, dtype, copy=False)


def sample_vjp(
    g: Array, quantile: Quantile, noise: Noise, mean_direction: Array, concentration: Array
) -> tuple[Noise, Array, Array]:
    """See `von_mises_fisher.sample_vjp`."""
    like = (*noise, mean_direction, concentration)
    xp, dtype, _, z, mu, _, found, v, length = _placed(quantile, noise, mean_direction, concentration)
    with np.errstate(all="ignore"):
        sine, cosine = _whole(found)
        g = cotangent(g, v)
        turn = xp.sum(g * (cosine * v - sine * mu), axis=-1)
        to_across = sine * (g - _dot(xp, g, v) * v) / length
        along = _dot(xp, to_across, mu)
        to_mu = cosine * g - _dot(xp, z, mu) * to_across - along * z
        to_normal = to_across - along * mu if mu.shape[-1] > 2 else 0.0 * to_across
        to_noise = Noise(unbroadcast(turn * found.by_uniform, like[0], dtype), unbroadcast(to_normal, like[1], dtype))
        to_kappa = turn * found.by_concentration
        return to_noise, unbroadcast(to_mu, like[2], dtype), unbroadcast(to_kappa, like[3], dtype)


def _placed(quantile: Quantile, noise: Noise, mean_direction: Array, concentration: Array) -> tuple[Any, ...]:
    """``xp, dtype``, the broadcast arguments, the angle, and the normals' unit vector and length across the mean."""
    given = {"uniform": noise[0], "normal": noise[1], "mean_direction": mean_direction, "concentration": concentration}
    xp, dtype, u, *others = promote(**given)
    _, _, z, mu, kappa = arguments(**dict(zip(list(given)[1:], others, strict=True)))
    try:
        shape = np.broadcast_shapes(u.shape, z.shape[:-1], mu.shape[:-1], kappa.shape)
    except ValueError:
        raise ValueError(f"uniform {tuple(u.shape)} does not broadcast with normal {tuple(z.shape)}") from None
    d = z.shape[-1]
    z, mu = (xp.broadcast_to(a, (*shape, d)) for a in (z, mu))
    u, kappa = (xp.broadcast_to(xp.astype(a, xp.float64, copy=False), shape) for a in (u, kappa))
    with np.errstate(all="ignore"):
        good = (u > 0) & (u < 1) & (kappa >= 0) & (kappa < xp.inf) & xp.all(xp.isfinite(z) & xp.isfinite(mu), axis=-1)
        flat = (xp.reshape(xp.where(good, a, safe), (-1,)) for a, safe in ((u, 0.5), (kappa, 1.0)))
        found = Turned._make(xp.where(good, xp.reshape(a, shape), xp.nan) for a in quantile(xp, *flat, d))
        across = z - _dot(xp, z, mu) * mu
        largest = xp.max(xp.abs(across), axis=-1, keepdims=True)
        across = across / largest
        length = xp.sqrt(_dot(xp, across, across))
        return xp, dtype, u, z, mu, kappa, found, across / length, length * largest


def _whole(found: Turned) -> tuple[Array, Array]:
    sine, cosine = 2 * found.sine * found.cosine, (found.cosine - found.sine) * (found.cosine + found.sine)
    return sine[..., None], cosine[..., None]


def _dot(xp: Any, x: Array, y: Array) -> Array:
    return xp.sum(x * y, axis=-1, keepdims=True)


def mode(mean_direction: Array, concentration: Array) -> Array:
    """The mean direction as it comes, nan for a concentration that is not positive and finite."""
    xp, dtype, mu, kappa = arguments(mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        return xp.astype(mu + _unless_positive(xp, mu, kappa)[..., None], dtype, copy=False)


def mode_vjp(g: Array, mean_direction: Array, concentration: Array) -> tuple[Array, Array]:
    """The cotangent to the mean direction, 0 to the concentration."""
    like = (mean_direction, concentration)
    xp, dtype, mu, kappa = arguments(mean_direction=mean_direction, concentration=concentration)
    with np.errstate(all="ignore"):
        nothing = _unless_positive(xp, mu, kappa)
        g = cotangent(g, nothing[..., None] + mu)
        return unbroadcast(g + nothing[..., None], like[0], dtype), unbroadcast(nothing, like[1], dtype)


def _unless_positive(xp: Any, mu: Array, kappa: Array) -> Array:
    """0 where there is one mode, else nan."""
    return xp.where((kappa > 0) & (kappa < xp.inf), 0.0 * xp.sum(mu, axis=-1), xp.nan)
