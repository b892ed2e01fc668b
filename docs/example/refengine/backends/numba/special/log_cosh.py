"""log cosh x = -log(1 - tanh² x) / 2 near 0, which shares nothing with the reference but the name."""

from math import exp, log, log1p, tanh

import numba
import numpy as np

from refengine._arrays import promote, unbroadcast
from refengine.backends._kernel import kernel_of
from refengine.backends.numba._parallel import flat, parallel
from refengine.special import log_cosh as reference
from refengine.special.log_cosh import *


@numba.njit(cache=True)
def point(x):
    """Value and derivative."""
    slope = tanh(x)
    if abs(x) < 0.5:
        return -log1p(-slope * slope) / 2, slope
    return abs(x) + log((1 + exp(-2 * abs(x))) / 2), slope


@parallel
def loop(g, x, value, dx):
    for i in numba.prange(x.size):
        value[i], slope = point(x[i])
        dx[i] = g[i] * slope


def run(g, x):
    _, dtype, g1, x1 = promote(g=g, x=x)
    shape, (gs, xs) = flat(g1, x1)
    value, dx = np.empty_like(xs), np.empty_like(xs)
    loop(gs, xs, value, dx)
    return value.reshape(shape).astype(dtype), unbroadcast(dx.reshape(shape), x, dtype)


@kernel_of(reference.log_cosh)
def log_cosh(x):
    return run(np.float32(1), x)[0]


@kernel_of(reference.log_cosh_vjp)
def log_cosh_vjp(g, x):
    return (run(g, x)[1],)
