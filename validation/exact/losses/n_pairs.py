"""The N-pair loss as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validation.exact.draws import Draw, decades, short
from validation.exact.losses._pairs import vectors, whole, with_labels
from validation.exact.losses._rows import reduce, undefined
from validation.exact.losses.cosine import cosine
from validation.exact.number import Number, exp, log

REDUCTIONS = ("mean", "sum", "none")


def loss_pairs(anchor: Any, positive: Any, *, regularization: Any, normalize_x: bool, reduction: str) -> Any:
    """log(1 + sum_{j != i} e^{a_i . p_j - a_i . p_i}) + (lambda / 4) (|a_i|^2 + |p_i|^2).

    Source: sohn-2016, section 3.2
    """
    return _reduced(_losses(anchor, positive, regularization, normalize_x), (anchor, positive), reduction)


def _reduced(losses: list[Any], rows: tuple[Any, Any], reduction: str) -> Any:
    if reduction != "none" and any(v.stated for v in losses):
        return undefined(*(v for part in rows for v in part.ravel()))
    return reduce(losses, reduction)


def _losses(a: Any, p: Any, regularization: Any, normalize: bool) -> list[Any]:
    n = len(a)
    if not whole(*a, *p) or (normalize and any(all(v == 0 for v in row) for row in (*a, *p))):
        return [undefined(*a.ravel(), *p.ravel())] * n
    s = [[cosine(a[i], p[j]) if normalize else (a[i] * p[j]).sum() for j in range(n)] for i in range(n)]
    found = [log(1 + sum((exp(s[i][j] - s[i][i]) for j in range(n) if j != i), Number(0))) for i in range(n)]
    return [v + regularization * ((a[i] * a[i]).sum() + (p[i] * p[i]).sum()) / 4 for i, v in enumerate(found)]


def loss(x: Any, labels: Any, *, regularization: Any, normalize_x: bool, reduction: str) -> Any:
    """The same for the first two rows of every label.

    Source: sohn-2016, section 3.2
    """
    rows: dict[int, list[int]] = {}
    for i, y in enumerate(labels.tolist()):
        rows.setdefault(y, []).append(i)
    pairs = [found[:2] for found in rows.values() if len(found) > 1]
    a, p = (np.array([x[pair[k]] for pair in pairs], dtype=object) for k in (0, 1))
    losses = _losses(a, p, regularization, normalize_x) if pairs else []
    if reduction != "none":
        return _reduced(losses, (a, p), reduction)
    result = np.array([Number(0)] * len(x), dtype=object)
    for (i, _), v in zip(pairs, losses, strict=True):
        result[i] = v
    return result


def draw_loss_pairs(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(i: int, a: Any, p: Any, **keywords: Any) -> Draw:
        constants: dict[str, Any] = {"regularization": (0.0, 0.002, 0.25)[i // 2 % 3], "normalize_x": i % 4 == 3}
        constants |= {"reduction": REDUCTIONS[i % 3]}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        if i % 7 == 0 and "result" not in keywords:
            other = not constants["normalize_x"]
            keywords["alternatives"] = {"normalized" if other else "unnormalized": {"normalize_x": other}}
        arguments = {"anchor": np.asarray(a, dtype=float), "positive": np.asarray(p, dtype=float)}
        return Draw(arguments, constants, **keywords)

    for i in range(36):
        n, d = int(rng.integers(1, 5)), int(rng.integers(2, 5))
        yield draw(i, vectors(rng, n, d), vectors(rng, n, d))
    for i, size in enumerate((4.0, 16.0, 128.0, 1e4)):
        a, p = size * short(rng.normal(size=(2, 3, 3)))
        yield draw(i, a, p, normalize_x=False, flags=("LARGE_LOGITS", "OVERFLOW_F16"), difficulty=3)
        yield draw(i, a, a, normalize_x=False, flags=("SATURATION",), difficulty=3)
    for i, gap in enumerate((1e-2, 1e-5, 1e-9)):  # almost the same positives, almost the anchor
        for normalize in (False, True):
            a, p = vectors(rng, 3, 3), rng.normal(size=(3, 3))
            p[1:] = p[0] + gap * rng.normal(size=(2, 3))
            yield draw(i, a, p, normalize_x=normalize, flags=("CANCELLATION",), difficulty=4)
            p = a + gap * rng.normal(size=(3, 3))
            yield draw(i, a, p, normalize_x=normalize, flags=("ACOS_AT_ONE", "CANCELLATION"), difficulty=4)
    for i, factor in enumerate((1.0, 4.0, -2.0)):  # parallel
        a = short(rng.normal(size=(3, 3)))
        yield draw(i, a, factor * a, normalize_x=True, flags=("ACOS_AT_ONE",), difficulty=3)
        yield draw(i, a, np.repeat(a[:1], 3, axis=0), normalize_x=i % 2 > 0, flags=("TIE",), difficulty=3)
    for i in range(3):
        a, p = (rng.normal(size=(3, 3)) * decades(rng, 1e-3, 1e2) for _ in range(2))
        yield draw(i, a, p, normalize_x=True, difficulty=2)
    for size in (1e-200, 1e200):
        a, p = rng.normal(size=(2, 2, 3))
        yield draw(0, size * a, p / size, normalize_x=False, regularization=0.0, flags=("OVERFLOW_F32",), difficulty=3)
        yield draw(1, size * a, p / size, normalize_x=True, regularization=0.0, flags=("OVERFLOW_F32",), difficulty=3)
    for i, reduction in enumerate(REDUCTIONS):
        result = "ambiguous" if reduction == "mean" else "required"
        yield draw(i + 1, *np.zeros((2, 0, 2)), reduction=reduction, flags=("EMPTY_ROW",), result=result)
    a, p = short(rng.normal(size=(2, 3, 2)))
    p[1] = 0
    yield draw(1, a, p, normalize_x=False, flags=("ZERO_NORM",))
    yield draw(1, a, p, normalize_x=True, flags=("ZERO_NORM",), result="undefined")
    for bad in (np.nan, np.inf):
        spoilt = p.copy()
        spoilt[1, 0] = bad
        yield draw(1, a, spoilt, normalize_x=False, result="invalid")


def draw_loss(rng: np.random.Generator) -> Iterator[Draw]:
    def draw(i: int, x: Any, labels: Any, **keywords: Any) -> Draw:
        constants: dict[str, Any] = {"regularization": (0.0, 0.002, 0.25)[i // 2 % 3], "normalize_x": i % 4 == 3}
        constants |= {"reduction": REDUCTIONS[i % 3]}
        constants |= {k: keywords.pop(k) for k in list(keywords) if k in constants}
        if i % 7 == 0 and "result" not in keywords:
            other = not constants["normalize_x"]
            keywords["alternatives"] = {"normalized" if other else "unnormalized": {"normalize_x": other}}
        return Draw(with_labels(x, labels), constants, **keywords)

    for i in range(40):
        n, d = int(rng.integers(4, 8)), int(rng.integers(2, 5))
        labels = np.concatenate([[0, 0], rng.integers(3, size=n - 2)])
        yield draw(i, vectors(rng, n, d), rng.permutation(labels))
    for i, labels in enumerate(([0, 0, 1, 1], [7, 3, 3, 7], [1, 0, 1, 1, 1, 0], [0, 0, 0, 0])):
        flags = ("EMPTY_ROW",) if i == 3 else ("SELF_PAIR",)
        yield draw(i, short(rng.normal(size=(len(labels), 3))), labels, flags=flags)
        yield draw(i + 1, 16 * short(rng.normal(size=(len(labels), 3))), labels, flags=("LARGE_LOGITS",), difficulty=3)
    for i, gap in enumerate((1e-2, 1e-5, 1e-9)):
        for normalize in (False, True):
            x = rng.normal(size=(4, 3))
            x[1:] = x[0] + gap * rng.normal(size=(3, 3))
            yield draw(i, x, [0, 0, 1, 1], normalize_x=normalize, flags=("CANCELLATION",), difficulty=4)
    x = short(rng.normal(size=(4, 3)))
    for i, order in enumerate(([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0])):  # duplicates
        yield draw(i, x[order], [0, 0, 1, 1], flags=("ZERO_DISTANCE", "TIE"), difficulty=3)
    for i, reduction in enumerate(REDUCTIONS):
        result = "ambiguous" if reduction == "mean" else "required"
        for labels in ([], [0], [0, 2, 1]):
            x = short(rng.normal(size=(len(labels), 2)))
            yield draw(i + 1, x, labels, reduction=reduction, flags=("EMPTY_ROW",), result=result)
    x = short(rng.normal(size=(5, 2)))
    x[1] = 0
    yield draw(1, x, [0, 0, 1, 1, 1], normalize_x=False, flags=("ZERO_NORM",))
    yield draw(1, x, [0, 0, 1, 1, 1], normalize_x=True, flags=("ZERO_NORM",), result="undefined")
    yield draw(1, x, [0, 2, 1, 1, 0], normalize_x=True, flags=("ZERO_NORM",))
    spoilt = x.copy()
    spoilt[3, 1] = np.nan
    yield draw(1, spoilt, [0, 0, 1, 1, 1], normalize_x=False, result="invalid")
