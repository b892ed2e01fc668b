"""AdaCos: the scales as the paper defines them, with the angles themselves."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np
from flint import arb
from scipy.optimize import brentq, minimize_scalar

from validation.exact.draws import Draw, decades, short
from validation.exact.losses import _heads
from validation.exact.losses._rows import is_stated, reduce, undefined
from validation.exact.losses.cosine import cosine as cosine_of
from validation.exact.number import Number, acos, cos, detached, exp, log, number, pi, pointwise, sin, sqrt, stated
from validation.exact.root import root


@pointwise
def fixed_scale(classes: Number) -> Any:
    """sqrt(2) log(C - 1).

    Source: zhang-2019-adacos, section 3
    """
    n = float(classes)
    if not (2 <= n < inf and n == int(n)):
        return stated(nan)
    return sqrt(number(2)) * log(number(n) - 1) if n > 2 else Number(0)


@pointwise
def exact_scale(others: Number, angle: Number) -> Any:
    """The larger root s of s sin^2(theta) (B - e^{s cos(theta)}) = cos(theta) (B + e^{s cos(theta)}).

    Source: zhang-2019-adacos, section 3
    """
    start = _guess(float(others), float(angle))
    if start is None:
        return undefined(others, angle)

    def equation(t: list[Number]) -> list[Any]:
        e = exp(t[0] * cos(angle)) / others
        return [t[0] * sin(angle) * sin(angle) * (1 - e) - cos(angle) * (1 + e)]

    return root(equation, [start])[0]


def _guess(b: float, angle: float) -> float | None:
    """A first value; None where there is no root, of which the cases keep away by more than rounding."""
    if not (1 < b < inf and 0 < angle < np.pi / 2):
        return None

    def excess(s: float) -> float:
        return float(s * np.sin(angle) ** 2 * np.tanh((np.log(b) - s * np.cos(angle)) / 2) - np.cos(angle))

    end = float(np.log(b) / np.cos(angle))
    top = minimize_scalar(lambda s: -excess(s), bounds=(0, end), method="bounded").x
    return float(brentq(excess, top, end)) if excess(top) > 0 else None


def dynamic_scale(cosine: Any, labels: Any, previous_scale: Any, *, median_scope: str, median_even: str) -> Any:
    """log((1 / N) sum_i sum_{k != y_i} e^{s c_ik}) / cos(min(pi / 4, median angle)).

    Source: zhang-2019-adacos, section 3
    """
    usable = 0 <= previous_scale < inf and all(-1 <= v <= 1 for v in cosine.ravel())
    if not usable or len(cosine) == 0:
        return undefined(previous_scale, *cosine.ravel())
    hot = np.arange(cosine.shape[1])[None, :] == np.asarray(labels)[:, None]
    b = sum(exp(previous_scale * v) for v in cosine[~hot]) / len(cosine)
    chosen = list(cosine.ravel() if median_scope == "all" else cosine[hot])
    # by the middles of the balls, from the smallest angle: exact for exact cosines
    order = sorted(range(len(chosen)), key=lambda i: _Falling(number(chosen[i]).ball.mid()))
    first, second = chosen[order[(len(chosen) - 1) // 2]], chosen[order[len(chosen) // 2]]
    if median_even == "lower" or number(first).ball.overlaps(number(second).ball):
        second = first if median_even == "lower" else second
        d = _widened((first + second) / 2, chosen)
    elif abs(first) == 1:
        d = Number(cos((acos(first) + acos(second)) / 2).ball, _at_one(first, second))
    else:
        d = cos((acos(_widened(first, chosen)) + acos(_widened(second, chosen))) / 2)
    return log(b) / (d if d > 1 / sqrt(number(2)) else cos(pi() / 4))


class _Falling:
    def __init__(self, middle: Any):
        self.middle = middle

    def __lt__(self, other: _Falling) -> bool:
        return bool(self.middle > other.middle)


def _at_one(first: Number, second: Number) -> Any:
    """The derivatives of the cosine of the mean of the angle 0 and another."""
    half = acos(second) / 2
    return [(first, lambda g: g * stated(inf)), (second, lambda g: g * sin(half) / (2 * sin(2 * half)))]


def _widened(c: Number, chosen: list[Any]) -> Number:
    """A median moves no farther than the values do: a ball of the widest radius holds it whatever the order is."""
    radius = max((number(v).ball.rad() for v in chosen), key=float)
    return c if radius == 0 else c + Number(arb(0, radius))


def loss(
    x: Any,
    weight: Any,
    labels: Any,
    *,
    mode: str,
    previous_scale: float | None,
    median_scope: str,
    median_even: str,
    scale_timing: str,
    reduction: str,
) -> Any:
    """-log(e^{s cos theta_y} / sum_j e^{s cos theta_j}), s held.

    Source: zhang-2019-adacos, section 3
    """
    s: Any = fixed_scale(number(float(len(weight)))) if previous_scale is None or mode == "fixed" else previous_scale
    if mode == "dynamic" and scale_timing == "before" and len(x):
        c = np.empty((len(x), len(weight)), dtype=object)
        for i, j in np.ndindex(c.shape):
            c[i, j] = cosine_of(x[i], weight[j])
        if any(is_stated(v, nan) for v in c.ravel()):
            return reduce([undefined(*x.ravel(), *weight.ravel()) for _ in x], reduction)
        for i, j in np.ndindex(c.shape):
            c[i, j] = detached(c[i, j])
        s = dynamic_scale(c, labels, s, median_scope=median_scope, median_even=median_even)
    return _heads.loss(x, weight, labels, s, lambda c: c, reduction)


def draw_fixed_scale(rng: np.random.Generator) -> Iterator[Draw]:
    for n in range(2, 120):
        yield Draw({"classes": n}, flags=("NEAR_ROOT",) if n < 4 else ())
    for _ in range(90):
        yield Draw({"classes": 2 + int(decades(rng, 100, 1e15))}, flags=("HUGE_PARAMETER",))
    for value in (1, 0, -4, 2.5, nan, inf):
        yield Draw({"classes": value}, result="invalid")
    yield Draw({"classes": np.array([[2, 10], [100, 85000]])}, flags=("BROADCAST",))


def draw_exact_scale(rng: np.random.Generator) -> Iterator[Draw]:
    for i in range(210):
        huge = i % 3 == 2
        b, angle = decades(rng, 1e3, 1e15) if huge else decades(rng, 60, 1e3), float(rng.uniform(0.75, 1.5))
        values = {"others": b, "angle": angle} if i % 2 else {"others": short(b), "angle": short(angle)}
        yield Draw(values, flags=("HUGE_PARAMETER",) if huge else (), difficulty=1 + i % 2)
    for b in (99.0, 999.0, 9999.0, 99999.0):
        yield Draw({"others": b, "angle": float(np.pi / 4)})
        yield Draw({"others": b, "angle": 1.5625}, flags=("NEAR_POLE",), difficulty=3)
    for b, angle in ((9.0, 0.785), (2.0, 0.5), (1e6, 0.0625), (1.5, 0.25)):
        yield Draw({"others": b, "angle": angle}, flags=("WRONG_BRANCH",), result="undefined")
    for b, angle in ((1.0, 1.0), (-2.0, 1.0), (nan, 1.0), (99.0, 0.0), (99.0, 2.0), (99.0, nan), (inf, 1.0)):
        yield Draw({"others": b, "angle": angle}, result="invalid")
    yield Draw({"others": np.array([[100.0], [1000.0]]), "angle": np.array([0.875, 1.0, 1.25])}, flags=("BROADCAST",))


def draw_dynamic_scale(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(c: Any, labels: Any, previous: float, scope: str, even: str, **keywords: Any) -> Draw:
        arguments = {"cosine": np.asarray(c, float), "labels": np.array(labels, dtype=np.int64)}
        constants = {"median_scope": scope, "median_even": even}
        others: dict[str, Any] = {}
        if keywords.get("result") != "invalid":
            others["all"] = {"median_scope": "all" if scope == "target" else "target"}
            others["mean"] = {"median_even": "mean" if even == "lower" else "lower"}
        return Draw(arguments | {"previous_scale": previous}, constants, alternatives=others, **keywords)

    kinds = [(scope, even) for scope in ("target", "all") for even in ("lower", "mean")]
    for i in range(48):
        n, c = rng.integers(1, 6), rng.integers(2, 5)
        labels = rng.integers(c, size=n)
        cosine = rng.uniform(-0.9, 0.9, size=(n, c))
        if i % 2:  # the median angle lies below pi / 4
            cosine[np.arange(n), labels] = rng.uniform(0.72, 0.99, size=n)
            cosine = cosine if i % 4 == 1 else np.abs(cosine) * 0.2 + 0.75
        yield draw(short(cosine), labels, short(decades(rng, 0.5, 80)), *kinds[i // 2 % 4])
    for i, previous in enumerate((1e-9, 1e-3, 200.0, 1000.0, 0.0, 1e4)):
        cosine = short(rng.uniform(-0.9, 0.95, size=(3, 4)))
        yield draw(cosine, [0, 1, 3], previous, *kinds[i % 4], flags=("OVERFLOW_F32", "LARGE_LOGITS"), difficulty=2)
        cosine = cosine[:, :2]
        yield draw(cosine, [0, 1, 1], previous, *kinds[i % 4], flags=("CANCELLATION",), difficulty=3)
    for scope, even in kinds:  # equal angles; angles of 0 and pi; one row; no row
        yield draw([[0.875, 0.5], [0.875, 0.25], [0.75, 0.5], [0.875, 0.0]], [0] * 4, 8.0, scope, even, flags=("TIE",))
        yield draw([[1.0, -1.0], [1.0, 0.5]], [0, 0], 8.0, scope, even, flags=("ACOS_AT_ONE",), difficulty=3)
        yield draw([[1.0, -1.0], [0.75, 1.0]], [0, 0], 8.0, scope, even, flags=("ACOS_AT_ONE",), difficulty=4)
        yield draw([[0.9375, -0.25]], [0], 16.0, scope, even)
        yield draw(np.zeros((0, 3)), [], 16.0, scope, even, flags=("EMPTY_ROW",), result="undefined")
    yield draw([[1.25, 0.5]], [0], 8.0, "target", "lower", result="invalid")
    yield draw([[nan, 0.5]], [1], 8.0, "target", "lower", result="invalid")
    for previous in (-1.0, nan):
        yield draw([[0.5, 0.25]], [0], previous, "target", "lower", result="invalid")


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def options(i: int, rng: np.random.Generator) -> dict[str, Any]:
        return {
            "mode": "fixed" if i % 3 == 0 else "dynamic",
            "previous_scale": (None, 30.0, 8.0)[i // 3 % 3],
            "median_scope": "all" if i % 5 == 1 else "target",
            "median_even": "mean" if i % 4 == 1 else "lower",
            "scale_timing": "after" if i % 7 == 2 else "before",
        }

    for draw in _heads.draw_loss(rng, options, count=36):
        if len(draw.arguments["weight"]) > 1:
            yield draw
