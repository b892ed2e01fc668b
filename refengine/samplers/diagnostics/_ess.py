"""Effective sample sizes: how many independent draws would know as much."""

from __future__ import annotations

from math import log10, nan
from typing import Any

from refengine.domains import Array
from refengine.samplers.diagnostics._draws import check_probability, halves, normal_scores, of_each, quantile

CONSTANT = 1e-15


def ess_bulk(draws: Array) -> Array:
    r"""The effective sample size of the normal scores of the draws' ranks: how well their centre is known.

    .. math:: S_{\text{eff}} = \frac{MN}{\hat\tau}, \qquad \hat\tau = \max\Bigl(-1 + 2 \sum_{t=0}^{2k} \hat\rho_t
              + \hat\rho_{2k+1},\; \frac1{\log_{10} MN}\Bigr), \qquad
              \hat\rho_t = 1 - \frac{W - \frac1M \sum_m \hat c_{mt}}{\widehat{\mathrm{var}}^+}

    over M half chains of N draws with autocovariances :math:`\hat c_{mt}` (divisor N), mean variance W, and
    :math:`\widehat{\mathrm{var}}^+ = \frac{N-1}N W` plus the variance of the chains' means. The sum ends before the
    first pair of neighbours whose sum is not positive (Geyer's initial positive sequence), and pairs are made to
    decrease (his monotone sequence). The bound lets antithetic chains know more than as many independent draws, but not
    without end. draws: (C, N, ...); result (...). Vehtari et al. (2021), eq. 9 to 13, section 4.

    Halves that are too short for a pair of correlations: the bound, 8 times the decimal logarithm of 8.

    >>> round(float(ess_bulk([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]])), 3)
    7.225
    """
    return of_each(lambda xp, one: ess(xp, normal_scores(xp, halves(xp, one))), "draws", draws)


def ess_tail(draws: Array, *, probabilities: tuple[float, float] = (0.05, 0.95)) -> Array:
    r"""The smaller one of the effective sample sizes of two quantiles.

    .. math:: \min\bigl(S_{\text{eff}}(I[x \le q_{0.05}]),\; S_{\text{eff}}(I[x \le q_{0.95}])\bigr)

    draws: (C, N, ...); result (...). Vehtari et al. (2021), section 4.3.

    >>> float(ess_tail([[0.0, 0.0, 0.0, 0.0]]))
    4.0
    """
    low, high = (check_probability("probabilities", p) for p in probabilities)
    return of_each(lambda xp, one: min(of_quantile(xp, one, low), of_quantile(xp, one, high)), "draws", draws)


def ess_mean(draws: Array) -> Array:
    """The effective sample size of the draws themselves, for their mean.

    draws: (C, N, ...); result (...). Vehtari et al. (2021), eq. 9 to 13.

    >>> float(ess_mean([[0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]])) > 7
    True
    """
    return of_each(of_mean, "draws", draws)


def ess_quantile(draws: Array, probability: float) -> Array:
    """The effective sample size of the indicator that a draw is not above the quantile.

    draws: (C, N, ...); result (...). Vehtari et al. (2021), section 4.2.

    >>> float(ess_quantile([[0.0, 0.0, 0.0, 0.0]], 0.5))
    4.0
    """
    p = check_probability("probability", probability)
    return of_each(lambda xp, one: of_quantile(xp, one, p), "draws", draws)


def of_mean(xp: Any, draws: Array) -> float:
    return ess(xp, halves(xp, draws))


def of_quantile(xp: Any, draws: Array, probability: float) -> float:
    return of_mean(xp, xp.astype(draws <= quantile(xp, draws, probability), xp.float64))


def ess(xp: Any, chains: Array) -> float:
    """The effective sample size of chains (M, N) as they stand."""
    count, total = int(chains.shape[1]), int(chains.shape[0] * chains.shape[1])
    if float(xp.max(chains)) - float(xp.min(chains)) < CONSTANT:
        return float(total)
    covariance = xp.mean(_autocovariance(xp, chains), axis=0)
    within = float(covariance[0]) * count / (count - 1)
    spread = within * (count - 1) / count
    if chains.shape[0] > 1:
        spread += float(xp.var(xp.mean(chains, axis=1), correction=1))
    rho = [1 - (within - float(c)) / spread if spread else nan for c in covariance]
    time = max(_correlation_time(rho), 1 / log10(total))
    return total / time


def _autocovariance(xp: Any, chains: Array) -> Array:
    """Of every lag, by a transform that is long enough not to wrap."""
    count = chains.shape[1]
    length = 1 << (2 * count - 1).bit_length()
    transformed = xp.fft.rfft(chains - xp.mean(chains, axis=1, keepdims=True), n=length, axis=1)
    power = xp.real(transformed) ** 2 + xp.imag(transformed) ** 2
    return xp.fft.irfft(xp.astype(power, xp.complex128), n=length, axis=1)[:, :count] / count


def _correlation_time(rho: list[float]) -> float:
    """Twice the sum of Geyer's initial monotone sequence, less 1; nan where a correlation is."""
    kept = [1.0, rho[1]] + [0.0] * (len(rho) - 2)
    even, odd, t = 1.0, rho[1], 1
    while t < len(rho) - 3 and even + odd > 0:
        even, odd = rho[t + 1], rho[t + 2]
        if even + odd >= 0:
            kept[t + 1 : t + 3] = even, odd
        t += 2
    end = t - 2
    if even > 0:
        kept[end + 1] = even
    for i in range(1, end - 1, 2):
        if kept[i + 1] + kept[i + 2] > kept[i - 1] + kept[i]:
            kept[i + 1] = kept[i + 2] = (kept[i - 1] + kept[i]) / 2
    if any(r != r for r in kept):
        return nan
    return -1 + 2 * sum(kept[: end + 1]) + kept[end + 1]
