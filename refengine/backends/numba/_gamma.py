"""Gamma and digamma in centred form, for scalars: what the kernels of the beta and binomial families share.

With ``m = x - 1/2`` Stirling's series has no term of its own for the half powers (NIST DLMF 5.11.8 with h = 1/2):

    lgamma(m + 1/2) = m log m - m + log(2 pi)/2 + sigma(m),    psi(m + 1/2) = log m + sigma'(m),

so that in a beta function the linear terms cancel to one half. sigma is a table of polynomials up to m = 8
(``python -m validation.tables`` prints it) and its asymptotic series beyond; sigma' is its derivative.
"""

from __future__ import annotations

import math

import numba
import numpy as np

__all__: list[str] = []

_SPLITTER = 2.0**27 + 1
_LARGE = 8.0
_LARGE_DIFFERENCE, _LARGE_TRIGAMMA = 10.0, 12.0  # a derivative takes one more power of the argument
SMALLEST = 0.75  # of the shapes that sigma serves; smaller ones are raised by one
# B_2k(1/2) / 2k for k = 1, 2, ...: psi(m + 1/2) = log m - sum_k ... / m^2k
_CENTRED = np.array(
    [
        -1 / 24,
        7 / 960,
        -31 / 8064,
        127 / 30720,
        -511 / 67584,
        1414477 / 67092480,
        -8191 / 98304,
        118518239 / 267386880,
        -5749691557 / 1882718208,
        91546277357 / 3460300800,
    ]
)
# the same as coefficients of r^0, r^1, ... for r = 1/m: psi(m + 1/2) - log m, and its derivative to m
_DIGAMMA_SERIES = np.zeros(2 * len(_CENTRED) + 1)
_DIGAMMA_SERIES[2::2] = -_CENTRED
_TRIGAMMA_SERIES = np.zeros(2 * len(_CENTRED) + 2)
_TRIGAMMA_SERIES[1] = 1.0
_TRIGAMMA_SERIES[3::2] = 2 * np.arange(1, len(_CENTRED) + 1) * _CENTRED
_ARTANH = np.array([1 / (2 * k + 1) for k in range(1, 18)])
_SIGMA = np.array(
    [
        [
            -0.09026885609994108,
            0.022101522683003853,
            -0.005163482099544909,
            0.001188855428855721,
            -0.0002753399701912112,
            6.495526205449643e-05,
            -1.5714113004658012e-05,
            3.908214585052704e-06,
            -9.989076036597711e-07,
            2.6185411559495465e-07,
            -7.020860426748141e-08,
            1.9199200768654937e-08,
            -5.339884381601262e-09,
            1.5054079541519095e-09,
            -4.3020941570708664e-10,
            1.263935995850551e-10,
            -3.689142371505476e-11,
            9.187945068854533e-12,
            -2.7108923724772414e-12,
            1.5473275641693279e-12,
            -4.665024404779127e-13,
        ],
        [
            -0.05144881528765021,
            0.015057134768878874,
            -0.004250130588319454,
            0.001171973542294314,
            -0.00031878202010955723,
            8.616190042262846e-05,
            -2.326864786100049e-05,
            6.303950072978559e-06,
            -1.7182034243839603e-06,
            4.720337375237972e-07,
            -1.3085612505598548e-07,
            3.662560478691968e-08,
            -1.0350179071641943e-08,
            2.9493593045304476e-09,
            -8.489237339048357e-10,
            2.506286738402228e-10,
            -7.337664015387707e-11,
            1.8300657875079183e-11,
            -5.407550244269872e-12,
            3.091318999591417e-12,
            -9.323698834940822e-13,
        ],
        [
            -0.027136195366919316,
            0.008659613495151368,
            -0.0027165749773050253,
            0.000840221627610305,
            -0.0002569093498069228,
            7.784350564518879e-05,
            -2.3422881700984e-05,
            7.011873480034957e-06,
            -2.0916692823786237e-06,
            6.22592924592197e-07,
            -1.8512470282860722e-07,
            5.5044028543827024e-08,
            -1.6376959564974872e-08,
            4.87269077110569e-09,
            -1.4542775273128217e-09,
            4.4318915861935395e-10,
            -1.329488789413519e-10,
            3.3487150404011615e-11,
            -1.0073371676293749e-11,
            5.9297684325443836e-12,
            -1.8042852906910032e-12,
        ],
        [
            -0.013801796861927592,
            0.004544351977133479,
            -0.0014877886165492289,
            0.0004845099115652154,
            -0.00015700938570131464,
            5.0650621367307737e-05,
            -1.627257434087137e-05,
            5.2085212895165425e-06,
            -1.6616110582366781e-06,
            5.285229434611376e-07,
            -1.676782653226764e-07,
            5.308287534917814e-08,
            -1.6770910615862227e-08,
            5.280067388358001e-09,
            -1.66322892021627e-09,
            5.36164794070563e-10,
            -1.6855834468272335e-10,
            4.277763401403785e-11,
            -1.3433615735355645e-11,
            8.741456293445394e-12,
            -2.7445367440535336e-12,
        ],
        [
            -0.0069332887158612185,
            0.002303722343755865,
            -0.0007642618334168526,
            0.0002531560945358715,
            -8.373050325447917e-05,
            2.7653159788812903e-05,
            -9.11989300015803e-06,
            3.0035728135094525e-06,
            -9.878944641679767e-07,
            3.2450884443569715e-07,
            -1.0646632076553466e-07,
            3.489370785088099e-08,
            -1.1421855921177463e-08,
            3.7251122877735113e-09,
            -1.2168431505618453e-09,
            4.0961744933791367e-10,
            -1.3353621524760856e-10,
            3.356616731128854e-11,
            -1.0935083325599285e-11,
            7.973019130985844e-12,
            -2.5897142988204323e-12,
        ],
    ]
)


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"})
def sigma(m: float) -> tuple[float, float]:
    """``sigma(m)`` and its derivative for m >= 1/4, to a tenth of an ulp of 1."""
    if m >= _LARGE:
        r = 1.0 / m
        u = r * r
        value, slope = 0.0, 0.0
        for k in range(len(_CENTRED) - 1, -1, -1):
            value = value * u + _CENTRED[k] / (2 * k + 1)
            slope = slope * u + _CENTRED[k]
        return value * r, -slope * u
    octave = int(m >= 0.5) + int(m >= 1) + int(m >= 2) + int(m >= 4)
    half = 0.125 * (1 << octave)
    s = m / half - 3.0
    value, slope = _SIGMA[octave, -1], 0.0
    for k in range(_SIGMA.shape[1] - 2, -1, -1):
        slope = slope * s + value
        value = value * s + _SIGMA[octave, k]
    return value, slope / half


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"})
def log1p_minus(t: float) -> float:
    """``log(1 + t) - t`` for abs(t) <= 1/2: log(1 + t) is 2 artanh(r) and t is 2 r / (1 - r), with r = t / (2 + t)."""
    r = t / (2.0 + t)
    u = r * r
    series = 0.0
    for k in range(len(_ARTANH) - 1, -1, -1):
        series = series * u + _ARTANH[k]
    return r * (2.0 * u * series - t)


@numba.njit(error_model="numpy", cache=True)
def log_quotient(x: float, y: float) -> float:
    """``log(x / y)`` for positive numbers of any size."""
    quotient = x / y
    return math.log(quotient) if 1e-290 < quotient < 1e290 else math.log(x) - math.log(y)


@numba.njit(error_model="numpy", cache=True)
def log_share(t: float, x: float, ratio: float) -> float:
    """``log(x * ratio)``, given ``t = x * ratio - 1`` without cancellation."""
    if t > -0.5:
        return math.log1p(t)
    return math.log(x * ratio) if x > 1e-290 else math.log(x * 2.0**54 * ratio) - 54 * math.log(2.0)


@numba.njit(error_model="numpy", cache=True)
def two_sum(x: float, y: float) -> tuple[float, float]:
    """``x + y`` rounded, and what rounding took (Knuth)."""
    s = x + y
    rest = s - x
    return s, (x - (s - rest)) + (y - rest)


@numba.njit(error_model="numpy", cache=True)
def minus_product(z: float, x: float, y: float, y_low: float) -> float:
    """``z - x (y + y_low)`` for 0 <= x <= 1, rounded about once (Veltkamp's split, Dekker's product)."""
    if y > 1e290:
        return 1e30 * minus_product(z * 1e-30, x, y * 1e-30, y_low * 1e-30)
    high = x * y
    c, d = _SPLITTER * x, _SPLITTER * y
    x_high, y_high = c - (c - x), d - (d - y)
    x_rest, y_rest = x - x_high, y - y_high
    low = ((x_high * y_high - high) + x_high * y_rest + x_rest * y_high) + x_rest * y_rest
    return (z - high) - (low + x * y_low)


@numba.njit(error_model="numpy", cache=True)
def divided_difference(coefficients: np.ndarray, r: float, q: float) -> float:
    """``(p(r) - p(q)) / (r - q)`` for the polynomial p, by Horner's scheme."""
    value, slope = 0.0, 0.0
    for k in range(len(coefficients) - 1, -1, -1):
        slope = slope * q + value
        value = value * r + coefficients[k]
    return slope


@numba.njit(error_model="numpy", cache=True)
def digamma_difference(x: float, d: float) -> float:
    """``psi(x + d) - psi(x)`` for x > 0, d >= 0.

    While x is small the terms d / (y (y + d)) are added as one fraction: its numerator and denominator only grow.
    """
    total = 0.0
    if x < 1.0:
        total = d / (x + d) / x
        x += 1.0
    if x < _LARGE_DIFFERENCE:
        c = 1.0 / (x + d)
        numerator, denominator, k = 0.0, 1.0, 0.0
        while x + k < _LARGE_DIFFERENCE:
            term = (x + k) * (1.0 + k * c)
            numerator = numerator * term + denominator
            denominator *= term
            k += 1.0
        total += numerator / denominator * (d * c)
        x += k
    m = x - 0.5
    r, q = 1.0 / m, 1.0 / (m + d)
    if d > 1e300:
        return total + (math.log(d) - math.log(m)) - r * divided_difference(_DIGAMMA_SERIES, r, 0.0)
    return total + math.log1p(d / m) - d * r * q * divided_difference(_DIGAMMA_SERIES, r, q)


@numba.njit(error_model="numpy", cache=True)
def trigamma(x: float) -> float:
    """``psi'(x)`` for x > 0."""
    total = 0.0
    while x < _LARGE_TRIGAMMA:
        total += 1.0 / x / x
        x += 1.0
    return total + divided_difference(_TRIGAMMA_SERIES, 1.0 / (x - 0.5), 0.0) / (x - 0.5)


@numba.njit(error_model="numpy", cache=True)
def trigamma_fall(x: float, d: float) -> float:
    """``psi'(x) - psi'(x + d)`` for x > 0, d >= 0: a sum of differences of squares, each as a product."""
    total = 0.0
    while x < _LARGE_TRIGAMMA:
        total += (d / x / (x + d)) * (1.0 / x + 1.0 / (x + d))
        x += 1.0
    m = x - 0.5
    r, q = 1.0 / m, 1.0 / (m + d)
    return total + (d * r * q) * divided_difference(_TRIGAMMA_SERIES, r, q)
