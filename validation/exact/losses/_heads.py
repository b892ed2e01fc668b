"""What the definitions of the class-level heads share, and the cases that all of them have to meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil, inf, nan
from typing import Any, TypeAlias

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.losses._rows import is_stated, minus_log_softmax, norm, reduce, undefined
from validation.exact.losses.cosine import cosine as cosine_of
from validation.exact.number import Number, acos, cos, detached, number, pi, sin, stated

Target: TypeAlias = Callable[[Number], Any]
Row: TypeAlias = Callable[[int, Any, int], Any]
Extra: TypeAlias = Callable[[int], tuple[Number, ...]]
Options: TypeAlias = Callable[[int, np.random.Generator], dict[str, Any]]
REDUCTIONS = ("mean", "sum", "none")


def logits(cosine: Any, labels: Any, scale: Any, target: Target) -> Any:
    """The target of the label's cosine, the others' cosines, times the scale."""
    z = np.empty(cosine.shape, dtype=object)
    for i, j in np.ndindex(z.shape):
        c = cosine[i, j]
        z[i, j] = undefined(c, number(scale)) if not -1 <= c <= 1 else scale * (target(c) if j == labels[i] else c)
    return z


def loss(
    x: Any, weight: Any, labels: Any, scale: Any, target: Target, reduction: str, zero: str = "nan", clip: float = 0.0
) -> Any:
    """-log softmax of the logits at the label, on directions: `clip` keeps the label's cosine away from 1 and -1."""
    losses = []
    for i, y in enumerate(labels):
        z = np.empty(len(weight), dtype=object)
        for j in range(len(weight)):
            c = cosine_of(x[i], weight[j], zero)
            if is_stated(c, nan):
                z[j] = c
                continue
            low = number(1.0) - clip
            if j == y and clip and abs(c) > low:
                c = detached(-low if c < 0 else low)
            z[j] = scale * (target(at_end(c)) if j == y else c)
        any_nan = any(is_stated(v, nan) for v in z)
        losses.append(undefined(*x[i], *weight.ravel(), number(scale)) if any_nan else minus_log_softmax(z, y))
    return reduce(losses, reduction)


def logits_of_rows(
    cosine: Any, labels: Any, scale: Any, row: Row, extra: Extra = lambda i: (), whole: bool = False
) -> Any:
    """Scale times what ``row(i, c, y)`` makes of the cosines of one row; nan where a cosine is out of range.

    ``extra(i)`` are the arguments that the row depends on besides; a label's cosine out of range spoils the ``whole``
    row where the other logits depend on it.
    """
    z = np.empty(cosine.shape, dtype=object)
    for i, y in enumerate(labels):
        good = [bool(-1 <= c <= 1) for c in cosine[i]]
        values = row(i, [c if ok else Number(0) for c, ok in zip(cosine[i], good, strict=True)], y)
        for j, value in enumerate(values):
            if good[j] and (good[y] or not whole):
                z[i, j] = value if is_stated(value, nan) else scale * value
            else:
                z[i, j] = undefined(cosine[i, j], number(scale), *(extra(i) if j == y or whole else ()))
    return z


def loss_of_rows(
    x: Any,
    weight: Any,
    labels: Any,
    scale: Any,
    row: Row,
    reduction: str,
    zero: str = "nan",
    extra: Extra = lambda i: (),
) -> Any:
    """-log softmax, at the label, of scale times what ``row(i, c, y)`` makes of the cosines of one row."""
    losses = []
    for i, y in enumerate(labels):
        c = [cosine_of(x[i], w, zero) for w in weight]
        z = [stated(nan)] if any(is_stated(v, nan) for v in c) else row(i, [*c[:y], at_end(c[y]), *c[y + 1 :]], y)
        if any(is_stated(v, nan) for v in z):
            losses.append(undefined(*x[i], *weight.ravel(), number(scale), *extra(i)))
        else:
            losses.append(minus_log_softmax(np.array([scale * v for v in z], dtype=object), y))
    return reduce(losses, reduction)


def at_end(c: Number) -> Number:
    """At c = 1 and -1 there is no direction in which the angle grows: the derivative is 0."""
    return detached(c) if abs(c) == 1 else c


def with_slope(value: Number, c: Number, slope: Any) -> Number:
    """A value with a derivative that a limit gives."""
    slope = stated(slope) if isinstance(slope, float) and abs(slope) == inf else slope
    return Number(value.ball, [(c, lambda g: g * slope)])


def straight_through(target: Target, gradient: str) -> Target:
    """The same values, with the derivative of the cosine itself."""
    if gradient == "exact":
        return target
    return lambda c: c + (target(detached(c)) - detached(c))


def draw_logits(
    rng: np.random.Generator, options: Options, alternatives: Callable[..., Any] = lambda _: {}, count: int = 40
) -> Iterator[Draw]:
    """Cosines all over the range, at its ends and next to them, out of it, subnormal ones and none."""

    def draw(c: Any, labels: Any, **keywords: Any) -> Draw:
        constants = options(int(rng.integers(1000)), rng) | keywords.pop("constants", {})
        others = {} if keywords.get("result") == "invalid" else alternatives(constants)
        arguments = {"cosine": np.asarray(c, float), "labels": np.array(labels, dtype=np.int64)}
        return Draw(arguments, constants, alternatives=others, **keywords)

    for _ in range(count):
        n, c = rng.integers(1, 5, size=2)
        yield draw(short(rng.uniform(-0.99, 0.99, size=(n, c))), rng.integers(c, size=n))
    for _ in range(6):
        yield draw([[1.0, -1.0], [0.5, -1.0], [-0.5, 1.0]], [0, 1, 1], flags=("ACOS_AT_ONE",), difficulty=4)
        yield draw([[-0.99, 0.5], [0.25, -0.9375], [-0.87, 0.0]], [0, 1, 0], flags=("BEYOND_PI_MINUS_M",), difficulty=2)
    for gap in (1e-3, 1e-6, 1e-10, 2.0**-53):
        for _ in range(2):
            flags = ("ACOS_AT_ONE", "CANCELLATION")
            yield draw([[1 - gap, 0.5], [-1 + gap, 0.5]], [0, 0], flags=flags, difficulty=4)
    yield draw([[1e-300, 0.5], [-1e-300, 5e-324]], [0, 1], flags=("SUBNORMAL",), difficulty=3)
    yield draw([[0.25]], [0])
    yield draw(np.zeros((0, 3)), [], flags=("EMPTY_ROW",))
    yield draw([[1.0000000000000002, 0.5]], [0], flags=("ACOS_AT_ONE",), result="invalid", difficulty=3)
    yield draw([[0.5, nan]], [0], result="invalid")


def draw_loss(
    rng: np.random.Generator,
    options: Options,
    alternatives: Callable[..., Any] = lambda _: {},
    *,
    near_axis: bool = True,
    huge: tuple[tuple[float, float], ...] = ((1e300, 1e-300), (1e-200, 1e200), (1e30, 1e30)),
    clipped: Any = None,
    zero: Any = None,
    arguments: Callable[..., dict[str, Any]] = lambda rng: {},
    count: int = 30,
) -> Iterator[Draw]:
    """Rows and classes: ordinary, nearly and exactly parallel, duplicated, huge, zero, one class, no row."""
    turn = 0

    def draw(x: Any, w: Any, labels: Any, reduction: str = "mean", **keywords: Any) -> Draw:
        nonlocal turn
        turn += 1
        constants = options(turn, rng) | {"reduction": reduction} | keywords.pop("constants", {})
        others = alternatives(constants) | keywords.pop("alternatives", {})
        given = {"x": np.asarray(x, float), "weight": np.asarray(w, float), "labels": np.array(labels, dtype=np.int64)}
        return Draw(given | arguments(rng), constants, alternatives=others, **keywords)

    def vectors(n: int, d: int) -> Any:
        return short(rng.normal(size=(n, d)))

    for i in range(count):
        n, c, d = rng.integers(1, 4), rng.integers(1, 5), rng.integers(2, 5)
        flags = ("OVERFLOW_F16",) if i % 2 else ()
        yield draw(vectors(n, d), vectors(c, d), rng.integers(c, size=n), REDUCTIONS[i % 3], flags=flags)
    for i in range(6):  # the second row lies nearly opposite to its class, the first nearly along it
        x, w = vectors(3, 3), vectors(3, 3)
        w[1], w[0] = -x[1] + short(0.125 * rng.normal(size=3)), 2 * x[0] + short(0.0625 * rng.normal(size=3))
        flags = ("BEYOND_PI_MINUS_M", "SATURATION")
        yield draw(x, w, [0, 1, 2], REDUCTIONS[i % 3], flags=flags, difficulty=2)
    for gap in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-13):  # almost a duplicate, almost opposite
        x, w = rng.normal(size=(2, 3)), rng.normal(size=(3, 3))
        w[0], w[1] = 2 * x[0] + gap * rng.normal(size=3), -x[1] + gap * rng.normal(size=3)
        yield draw(x, w, [0, 1], "none", flags=("ACOS_AT_ONE", "CANCELLATION"), difficulty=4)
    for tilt in (1e-2, 1e-5, 1e-9) if near_axis else ():  # almost along an axis
        x, w = np.array([[1.0, tilt, -2 * tilt]]), np.array([[1.0, 3 * tilt, tilt], [0.25, 1.0, 0.5]])
        yield draw(x, w, [0], flags=("ACOS_AT_ONE", "CANCELLATION"), difficulty=5)
        yield draw(x, [w[0], [tilt, 1.0, -tilt]], [1], flags=("CANCELLATION",), difficulty=5)
    for i, factor in enumerate((1.0, 3.0, -2.0, -0.1875)):  # exactly parallel to the own class
        x, w = vectors(2, 3), vectors(3, 3)
        w[0] = factor * x[0]
        yield draw(
            x,
            w,
            [0, 1],
            "none" if i % 2 else "mean",
            flags=("ACOS_AT_ONE",) + (("BEYOND_PI_MINUS_M",) if factor < 0 else ()),
            difficulty=4,
            result="ambiguous",
            alternatives={} if clipped is None else {"clipped": clipped},
        )
    x, w = vectors(2, 3), vectors(3, 3)
    w[2] = 3 * x[0]  # parallel to another class: nothing is ambiguous
    yield draw(x, w, [0, 1], flags=("ACOS_AT_ONE",), difficulty=3)
    w = vectors(2, 4)
    yield draw(np.repeat(vectors(1, 4), 3, axis=0), w, [0, 0, 1], "sum", flags=("ZERO_DISTANCE",))
    yield draw(vectors(2, 4), np.repeat(w[:1], 3, axis=0), [0, 2], "sum", flags=("TIE",), difficulty=2)
    for size_x, size_w in huge:
        x, w = rng.normal(size=(2, 3)) * size_x, rng.normal(size=(3, 3)) * size_w
        yield draw(x, w, [0, 2], flags=("OVERFLOW_F32",), difficulty=4)
    for reduction in REDUCTIONS:
        yield draw(vectors(2, 3), vectors(1, 3), [0, 0], reduction, flags=("SATURATION",))
        result = "ambiguous" if reduction == "mean" else "required"
        yield draw(np.zeros((0, 3)), vectors(2, 3), [], reduction, flags=("EMPTY_ROW",), result=result)
    nothing = np.zeros((1, 3))
    for x, w in (
        (np.concatenate([vectors(1, 3), nothing]), vectors(2, 3)),
        (vectors(2, 3), np.concatenate([nothing, vectors(1, 3)])),
    ):
        yield draw(
            x,
            w,
            [1, 0],
            "none",
            flags=("ZERO_NORM",),
            difficulty=3,
            result="ambiguous",
            alternatives={} if zero is None else {"zero": zero},
        )
    yield draw([[2.0], [-1.0]], [[3.0], [-0.5]], [0, 0], flags=("ACOS_AT_ONE",), difficulty=3, result="ambiguous")


def loss_with_lengths(
    x: Any, weight: Any, labels: Any, target: Target, reduction: str, weight_length: bool = False
) -> Any:
    """-log softmax, at the label, of inner products with the class vectors or their directions.

    The label's is |x| (and |w|) times the target of the angle; zero vectors have the inner product itself.
    """
    losses = []
    for i, y in enumerate(labels):
        z = np.empty(len(weight), dtype=object)
        for j, w in enumerate(weight):
            no_class = all(v == 0 for v in w)
            if no_class and not weight_length:
                z[j] = stated(nan)
                continue
            z[j] = (x[i] * w).sum() if weight_length else (x[i] * w).sum() / norm(w)
            if j == y and not no_class and any(v != 0 for v in x[i]):
                amplitude = norm(x[i]) * norm(w) if weight_length else norm(x[i])
                z[j] = amplitude * target(at_end(cosine_of(x[i], w)))
        any_nan = any(is_stated(v, nan) for v in z)
        losses.append(undefined(*x[i], *weight.ravel()) if any_nan else minus_log_softmax(z, y))
    return reduce(losses, reduction)


def logits_with_lengths(cosine: Any, labels: Any, lengths: tuple[Any, ...], target: Target) -> Any:
    """The target of the label's cosine, the others' cosines, times the lengths of the rows (and of the classes)."""
    z = np.empty(cosine.shape, dtype=object)
    for i, j in np.ndindex(z.shape):
        c, sizes = cosine[i, j], [lengths[0][i], *(a[j] for a in lengths[1:])]
        if not -1 <= c <= 1 or not all(0 <= a < inf for a in sizes):
            z[i, j] = undefined(c, *sizes)
            continue
        nothing = any(a == 0 for a in sizes)  # no angle makes a difference
        value: Any = detached(c) if nothing else c
        value = target(value) if j == labels[i] else value
        for a in sizes:
            value = a * value
        z[i, j] = value
    return z


def with_lengths(draws: Iterator[Draw], rng: np.random.Generator, names: tuple[str, ...]) -> Iterator[Draw]:
    """The same cosines with lengths of rows (and classes): ordinary, none, many decades, bad ones."""
    turn = 0
    for draw in draws:
        turn += 1
        low, high = (1e-150, 1e150) if turn % 5 == 0 else (0.1, 30.0)
        sizes = dict(zip(names, draw.arguments["cosine"].shape, strict=False))
        given = {name: np.array([decades(rng, low, high) for _ in range(n)]) for name, n in sizes.items()}
        given = given if turn % 5 == 0 else {name: short(a) for name, a in given.items()}
        flags = draw.flags
        if turn % 7 == 3 and given[names[-1]].size:
            given[names[-1]][0], flags = 0.0, (*flags, "ZERO_NORM")
        yield replace(draw, arguments=draw.arguments | given, flags=flags)
        if turn < 4 and given[names[-1]].size:
            wrong = given[names[-1]].copy()
            wrong[-1] = (-1.0, inf, nan)[turn - 1]
            yield replace(
                draw, arguments=draw.arguments | given | {names[-1]: wrong}, result="invalid", alternatives={}
            )


def psi_target(c: Number, margin: Any, annealing: Any, psi: str) -> Any:
    """(lambda cos theta + psi(theta)) / (1 + lambda), psi = (-1)^k cos(m theta) - 2k on [k pi / m, (k + 1) pi / m]."""
    m = number(margin)
    at_margin = float(m)
    if psi == "piecewise":
        k = sum(c <= _meeting(j, m) for j in range(1, ceil(at_margin)))
        sign, below = (-1) ** k, 2 * k
    else:
        sign, below = 1, 0
    if at_margin == 1:
        value: Any = c
    elif abs(c) == 1 and c.tracked:  # cos(m theta) is even around both ends for a whole m
        if c == 1 or at_margin == int(at_margin):
            slope: Any = m * m * (1 if c == 1 else -((-1) ** int(at_margin)))
        else:
            slope = inf if sin(m * acos(c)) > 0 else -inf
        value = with_slope(cos(m * acos(c)), c, slope)
    else:
        value = cos(m * acos(c))
    return (annealing * c + sign * value - below) / (1 + number(annealing))


def _meeting(k: int, m: Number) -> Number:
    """cos(k pi / m), exactly where it is rational, so that points there are decided."""
    rational = {1 / 2: Number(0), 1 / 3: number(0.5), 2 / 3: number(-0.5)}
    return rational.get(k / float(m), cos(k * pi() / m))
