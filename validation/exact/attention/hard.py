"""Hard attention as it is defined: sums over all positions."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from validation.exact.attention._choices import (
    finite,
    inverse,
    open_positions,
    order,
    probabilities,
    score,
    spoilt,
    undefined_row,
    unit,
)
from validation.exact.attention._choices import (
    logits as rows_of_logits,
)
from validation.exact.distributions import categorical
from validation.exact.distributions._rows import all_of, rowwise, total
from validation.exact.draws import Draw, decades, short
from validation.exact.number import exp, log, number


def sample(logits: Any, u: Any) -> Any:
    """The smallest i with u sum_j e^z_j < sum_{j <= i} e^z_j.

    Source: devroye-1986, section III.2
    """

    @rowwise("(k),()->()")
    def place(z: Any, v: Any) -> int:
        return inverse(z, v) if open_positions(z) and unit(v) else -1

    return np.asarray(place(logits, u)).astype(np.int64)


def sample_gumbel_max(logits: Any, u: Any) -> Any:
    """argmax_i z_i - log(-log u_i), the first of several.

    Source: maddison-2014, section 2
    """

    @rowwise("(k),(k)->()")
    def place(z: Any, v: Any) -> int:
        at = open_positions(z)
        return order(z, v)[0] if at and unit([v[i] for i in at]) else -1

    return np.asarray(place(logits, u)).astype(np.int64)


@rowwise("(k),(k)->()")
def expected(logits: Any, f: Any) -> Any:
    """sum_i p_i f_i.

    Source: xu-2015, section 4.1
    """
    at, p = open_positions(logits), probabilities(logits)
    if not at or not finite([f[i] for i in at]):
        return all_of(nan, logits, f)
    return total(p[i] * f[i] for i in at)


@rowwise("(k),(),(),()->(k)")
def score_function(logits: Any, u: Any, reward: Any, baseline: Any) -> Any:
    """(r - b) (e_s - p), for the position s that u chooses.

    Source: williams-1992, eq. 2
    """
    if not (open_positions(logits) and unit(u) and finite(reward, baseline)):
        return undefined_row(len(logits), logits, [u, reward, baseline])
    return (number(reward) - baseline) * score(probabilities(logits), inverse(logits, u))


@rowwise("(k),(k)->()")
def marginal_log_likelihood(logits: Any, log_likelihood: Any) -> Any:
    """log sum_i p_i e^l_i; -inf with zero derivatives where every l is -inf.

    Source: deng-2018, eq. 1
    """
    at, l = open_positions(logits), log_likelihood
    if not at or not all(float(l[i]) < inf for i in at):
        return all_of(nan, logits, l)
    possible = [i for i in at if float(l[i]) > -inf]
    if not possible:
        return all_of(-inf, logits, l)
    if len(at) == 1:
        return number(l[at[0]])
    p = probabilities(logits)
    return log(total(p[i] * exp(l[i]) for i in possible))


def entropy(logits: Any) -> Any:
    """-sum_i p_i log p_i.

    Source: cover-thomas-2006, eq. 2.1
    """
    return categorical.entropy_logits(logits)


def draw_sample(rng: np.random.Generator) -> Iterator[Draw]:
    for z, why in rows_of_logits(rng):
        yield Draw({"logits": z, "u": rng.uniform(size=2)}, **why)
    steps = np.array([0.25, 0.5, 0.75])
    for z in ([0.0, 0.0], [0.0] * 4, [0.0, -inf, 0.0], [-inf, 0.0, 0.0]):  # on the steps themselves
        yield Draw({"logits": np.array(z), "u": steps}, flags=("TIE",), difficulty=3)
        yield Draw({"logits": np.array(z), "u": np.nextafter(steps, 0)}, flags=("TIE",), difficulty=3)
    for u in (2.0**-53, 1e-300, 5e-324, 1 - 2.0**-53):
        yield Draw(
            {"logits": np.array([-inf, -40.0, 0.0, -inf]), "u": np.array(u)}, flags=("SATURATION",), difficulty=3
        )
    for u in (0.0, 1.0, -0.5, nan):
        yield Draw({"logits": np.zeros(2), "u": np.array(u)}, result="invalid")
    for z in spoilt([0.5, 1.0]):
        yield Draw({"logits": z, "u": np.array(0.5)}, flags=("FULLY_MASKED",), result="undefined")
    yield Draw({"logits": short(rng.normal(size=(2, 1, 3))), "u": rng.uniform(size=4)}, flags=("BROADCAST",))


def draw_sample_gumbel_max(rng: np.random.Generator) -> Iterator[Draw]:
    for z, why in rows_of_logits(rng):
        u = rng.uniform(size=(2, z.size))
        yield Draw({"logits": z, "u": np.where(z > -inf, u, nan)}, **why)
    for z, u in (([0.5, 0.5], [0.25, 0.25]), ([0.0, 1.0, 1.0], [0.5] * 3), ([-inf, 1.0, 1.0], [0.75] * 3)):
        yield Draw({"logits": np.array(z), "u": np.array(u)}, flags=("TIE",), difficulty=3)
    for u in (2.0**-53, 1e-300, 5e-324, 1 - 2.0**-53):  # Gumbel noise from -6.6 to 36.7
        yield Draw({"logits": np.array([0.5, 0.0]), "u": np.array([u, 0.5])}, flags=("SATURATION",), difficulty=3)
    for u in (0.0, 1.0, -0.5, nan):
        yield Draw({"logits": np.zeros(2), "u": np.array([0.5, u])}, result="invalid")
    for z in spoilt([0.5, 1.0]):
        yield Draw({"logits": z, "u": np.full(2, 0.5)}, flags=("FULLY_MASKED",), result="undefined")
    arguments = {"logits": short(rng.normal(size=(2, 1, 3))), "u": rng.uniform(size=(2, 3))}
    yield Draw(arguments, flags=("BROADCAST",))


def with_values(
    rng: np.random.Generator, name: str = "f", closed: float = nan
) -> Iterator[tuple[dict[str, np.ndarray], dict[str, Any]]]:
    """Logits with a value for each position: ordinary, nearly equal, large; ``closed`` where none can be chosen."""
    for i, (z, why) in enumerate(rows_of_logits(rng)):
        f = short(rng.normal(size=z.size) * 2)
        if i % 5 == 1 and why.get("difficulty", 1) > 1:
            f, why = 3.0 + 1e-9 * rng.normal(size=z.size), why | {"flags": (*why.get("flags", ()), "CANCELLATION")}
        yield {"logits": z, name: np.where(z > -inf, f, closed)}, why
    for size in (1e-200, 1e-20, 1e8, 1e200):
        f = size * rng.normal(size=3)
        yield {"logits": rng.normal(size=3), name: f}, {"flags": ("OVERFLOW_F32",), "difficulty": 3}
    f = np.full(3, 0.75)
    yield {"logits": short(rng.normal(size=3)), name: f}, {"flags": ("TIE",)}
    two = short(rng.normal(size=(2, 1, 3))), short(rng.normal(size=(2, 3)))
    yield {"logits": two[0], name: two[1]}, {"flags": ("BROADCAST",)}
    for z in spoilt([0.5, 1.0]):
        yield {"logits": z, name: np.ones(2)}, {"flags": ("FULLY_MASKED",), "result": "undefined"}
    for bad in (nan, inf):
        yield {"logits": np.zeros(2), name: np.array([0.5, bad])}, {"result": "invalid"}


def draw_expected(rng: np.random.Generator) -> Iterator[Draw]:
    for arguments, why in with_values(rng):
        yield Draw(arguments, **why)


def draw_score_function(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(z: Any, u: Any, r: Any, b: Any, **why: Any) -> Draw:
        return Draw({"logits": z, "u": np.asarray(u), "reward": np.asarray(r), "baseline": np.asarray(b)}, **why)

    for i, (z, why) in enumerate(rows_of_logits(rng)):
        r, b = short(rng.normal(size=(2, 2)))
        u = np.array([2.0**-30, 1 - 2.0**-30]) if i % 3 == 0 else rng.uniform(size=2)
        yield draw(z, u, r, b if i % 4 else 0.0, **why)
    for gap in (1e-3, 1e-9, 1e-15):
        yield draw(short(rng.normal(size=3)), 0.5, 1 + gap, 1.0, flags=("CANCELLATION",), difficulty=3)
    yield draw(short(rng.normal(size=3)), 0.25, 1.5, 1.5, flags=("TIE",))
    z = short(rng.normal(size=(2, 1, 3)))
    yield draw(z, rng.uniform(size=2), 0.5, short(rng.normal(size=(2, 1))), flags=("BROADCAST",))
    for z in spoilt([0.5, 1.0]):
        yield draw(z, 0.5, 1.0, 0.5, flags=("FULLY_MASKED",), result="undefined")
    for u, r, b in ((0.0, 1.0, 1.0), (1.0, 1.0, 1.0), (nan, 1.0, 1.0), (0.5, inf, 1.0), (0.5, 1.0, nan)):
        yield draw(np.zeros(2), u, r, b, result="invalid")


def draw_marginal_log_likelihood(rng: np.random.Generator) -> Iterator[Draw]:
    for arguments, why in with_values(rng, "log_likelihood"):
        if not np.any(np.abs(arguments["log_likelihood"]) > 1e5):
            yield Draw(arguments, **why)
    for scale in (1e-300, 1e-12, 1e-3, 30.0, 300.0, 1000.0):
        arguments = {"logits": rng.normal(size=3), "log_likelihood": scale * rng.normal(size=3)}
        yield Draw(arguments, flags=("CANCELLATION",) if scale < 1 else ("LARGE_LOGITS",), difficulty=3)
    for gap in (5.0, 40.0, 300.0, 700.0, 900.0):  # the likelihood against the prior
        for excess in (-10.0, -0.25, 0.0, 0.25, 10.0):
            arguments = {"logits": np.array([gap, 0.0]), "log_likelihood": np.array([0.5, gap + excess])}
            yield Draw(arguments, flags=("SATURATION",), difficulty=4)
    for l in ([-inf, 0.5], [-3.0, -inf], [-inf, -inf]):
        yield Draw({"logits": np.array([0.5, 1.0]), "log_likelihood": np.array(l)}, flags=("ZERO_LOG_ZERO",))
    l = np.array([-inf, 0.5, nan])
    yield Draw({"logits": np.array([0.5, 1.0, -inf]), "log_likelihood": l}, flags=("MASKED_NAN",), difficulty=4)
    yield Draw({"logits": np.zeros(2), "log_likelihood": np.array([-decades(rng, 1, 9), nan])}, result="invalid")


def draw_entropy(rng: np.random.Generator) -> Iterator[Draw]:
    yield from categorical.draw_entropy_logits(rng)
    for z, why in rows_of_logits(rng):
        yield Draw({"logits": z}, **why)
