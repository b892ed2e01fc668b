"""Deaths by the kick of a horse: one data set, estimated in the three ways, with what each predicts.

``python docs/example/estimation.py`` prints the numbers; the documentation draws its figure with `draw`.
"""

import sys

import numpy as np
from scipy import optimize, stats

from refengine.estimation import gamma_poisson, monte_carlo

# Deaths in 14 corps of the Prussian army, 1875 to 1894 (von Bortkiewicz 1898); one row a corps, one column a year.
DEATHS = np.array(
    [
        [0, 2, 2, 1, 0, 0, 1, 1, 0, 3, 0, 2, 1, 0, 0, 1, 0, 1, 0, 1],  # Guards
        [0, 0, 0, 2, 0, 3, 0, 2, 0, 0, 0, 1, 1, 1, 0, 2, 0, 3, 1, 0],  # I
        [0, 0, 0, 2, 0, 2, 0, 0, 1, 1, 0, 0, 2, 1, 1, 0, 0, 2, 0, 0],  # II
        [0, 0, 0, 1, 1, 1, 2, 0, 2, 0, 0, 0, 1, 0, 1, 2, 1, 0, 0, 0],  # III
        [0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0],  # IV
        [0, 0, 0, 0, 2, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1, 0],  # V
        [0, 0, 1, 0, 2, 0, 0, 1, 2, 0, 1, 1, 3, 1, 1, 1, 0, 3, 0, 0],  # VI
        [1, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0, 2, 0, 0, 2, 1, 0, 2, 0],  # VII
        [1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 1],  # VIII
        [0, 0, 0, 0, 0, 2, 1, 1, 1, 0, 2, 1, 1, 0, 1, 2, 0, 1, 0, 0],  # IX
        [0, 0, 1, 1, 0, 1, 0, 2, 0, 2, 0, 0, 0, 0, 2, 1, 3, 0, 1, 1],  # X
        [0, 0, 0, 0, 2, 4, 0, 1, 3, 0, 1, 1, 1, 1, 2, 1, 3, 1, 3, 1],  # XI
        [1, 1, 2, 1, 1, 3, 0, 4, 0, 1, 0, 3, 2, 1, 0, 2, 1, 1, 0, 0],  # XIV
        [0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 2, 2, 0, 0, 0, 0],  # XV
    ]
)
PRIOR = {"concentration": 2.0, "rate": 2.0}  # one death a year on average, worth two observations
DRAWS = 4000


def compare(counts, new=0, seed=0):
    """The three estimates of the rate, with intervals, and their probabilities of a new count."""
    counts = np.ravel(counts)
    after = gamma_poisson.posterior(counts, **PRIOR)
    events, size = counts.sum(), counts.size
    best, mode = gamma_poisson.maximum_likelihood(counts), gamma_poisson.maximum_a_posteriori(counts, **PRIOR)
    theta = np.random.default_rng(seed).gamma(after.concentration, 1 / after.rate, size=DRAWS)
    sampled = monte_carlo.predictive(lambda rate: stats.poisson.logpmf(new, rate), theta)
    exact = np.exp(gamma_poisson.predictive_log_prob(new, counts, **PRIOR))
    return {
        "maximum likelihood": float(best),
        "maximum a posteriori": float(mode),
        "posterior mean": float(after.concentration / after.rate),
        "confidence interval": stats.chi2.ppf([0.025, 0.975], [2 * events, 2 * events + 2]) / (2 * size),
        "credible interval": stats.gamma.ppf([0.025, 0.975], after.concentration, scale=1 / after.rate),
        "prediction, likelihood": float(stats.poisson.pmf(new, best)),
        "prediction, a posteriori": float(stats.poisson.pmf(new, mode)),
        "prediction, Bayesian": float(exact),
        "prediction, Monte Carlo": float(np.exp(sampled.log_prob)),
        "its standard error": float(sampled.standard_error * np.exp(sampled.log_prob)),
    }


def fit_prior(counts):
    """The prior that makes the data of all corps, each with a rate of its own, most probable: a climb by gradients."""

    def negative(logs):
        prior = np.exp(logs)
        value = gamma_poisson.log_evidence(counts, *prior)
        slopes = gamma_poisson.log_evidence_vjp(np.ones(len(counts)), counts, *prior)
        return -np.sum(value), -np.array(slopes) * prior

    found = optimize.minimize(negative, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-9})
    return np.exp(found.x), -found.fun


def influence(counts):
    """What one more death in one observation does to the mode of the posterior."""
    return gamma_poisson.maximum_a_posteriori_vjp(1.0, np.ravel(counts), **PRIOR)[0][0]


def draw(path):
    """Rates that the first year and all years leave possible, and what they predict."""
    from matplotlib import pyplot

    figure, (rates, counts) = pyplot.subplots(1, 2, figsize=(7.6, 3.4), layout="constrained")
    grid, new = np.linspace(0.001, 2.5, 600), np.arange(6)
    parts = {"prior": (np.zeros(0, int), "0.6"), "1875": (DEATHS[:, 0], "#e29a3b"), "1875-94": (DEATHS, "#1f5f8b")}
    for i, (name, (data, colour)) in enumerate(parts.items()):
        after = gamma_poisson.posterior(np.ravel(data), **PRIOR)
        rates.plot(grid, stats.gamma.pdf(grid, after.concentration, scale=1 / after.rate), color=colour, label=name)
        bayes = np.exp(gamma_poisson.predictive_log_prob(new, np.ravel(data), **PRIOR))
        counts.bar(new + 0.25 * (i - 1), bayes, 0.22, color=colour)
        if data.size:
            best = gamma_poisson.maximum_likelihood(np.ravel(data))
            rates.axvline(best, color=colour, linestyle=":")
            counts.plot(new + 0.25 * (i - 1), stats.poisson.pmf(new, best), "o", color="k", markersize=3)
    rates.set(xlabel="deaths per corps and year", title="density of the rate; dotted: maximum likelihood", ylim=0)
    counts.set(xlabel="deaths", title="predicted; points: by maximum likelihood")
    rates.legend(frameon=False)
    for axes in (rates, counts):
        axes.title.set_fontsize(9)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def main():
    for name, counts in (("1875, 14 observations", DEATHS[:, 0]), ("1875 to 1894, 280 observations", DEATHS)):
        print(name)
        for label, value in compare(counts).items():
            print(f"  {label:26}{np.array2string(np.asarray(value), precision=5)}")
        print(f"  {'one more death, mode':26}{influence(counts):.5f}")
    (concentration, rate), value = fit_prior(DEATHS)
    print(f"prior of the corps' own rates: gamma({concentration:.3f}, {rate:.3f}), log evidence {value:.3f}")


if __name__ == "__main__":
    sys.exit(main())
