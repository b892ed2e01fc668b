"""Solutions of equations as numbers: enclosed by interval Newton, differentiated through the equations themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flint import arb, arb_mat, ctx

from validation.exact.number import Number, Undecided, gradient, number

STEPS = 100


def root(equations: Callable[[list[Number]], Sequence[Any]], start: Sequence[float]) -> list[Number]:
    """The solution next to ``start`` of ``equations(unknowns) = 0``, with derivatives to all that the equations use.

    ``start`` is a guess and proves nothing. The ball that comes out contains exactly one solution (Newton's operator
    maps a larger ball into itself). Two more steps of Newton, whose history is kept, make first and second derivatives
    those of the implicit function. Raises `Undecided` where the precision in force does not suffice.
    """
    middle = _polished(equations, [arb(s) for s in start])
    enclosed = _enclosed(equations, middle)
    unknowns = [Number(ball, variable=True) for ball in enclosed]
    for _ in range(2):
        values, slopes = _linearised(equations, unknowns)
        unknowns = [x - step for x, step in zip(unknowns, _eliminate(slopes, values), strict=True)]
    return unknowns


def held_root(equations: Callable[[list[Number]], Sequence[Any]], start: Sequence[float]) -> list[Number]:
    """`root` for several unknowns, at a fraction of the cost: the inverse slopes are held, without a history.

    Two steps give the first and second derivatives of the implicit function all the same: after the first one the
    values have no first derivative left, so that nothing of the inverse's enters the second. They are no longer right
    for a third.
    """
    enclosed = _enclosed(equations, _polished(equations, [arb(s) for s in start]))
    inverse, unknowns = _inverse(equations, enclosed), [Number(ball) for ball in enclosed]
    for _ in range(2):
        values = [number(v) for v in equations(unknowns)]
        unknowns = [_followed(*each, values) for each in zip(enclosed, unknowns, inverse, strict=True)]
    return unknowns


def _followed(ball: Any, unknown: Number, row: list[Any], values: list[Number]) -> Number:
    """The unknown less a row of the inverse slopes times the values, whose ball is known already."""
    steps = [(v, lambda g, a=a: -(g * a)) for v, a in zip(values, map(number, row), strict=True)]
    return Number(ball, [(unknown, lambda g: g), *steps])


def _inverse(equations: Any, enclosed: list[Any]) -> list[list[Any]]:
    """The inverse of the slopes, as balls without a history."""
    _, slopes = _linearised(equations, [Number(ball, variable=True) for ball in enclosed])
    size = len(slopes)
    try:
        found = arb_mat([[s.ball for s in row] for row in slopes]).solve(arb_mat(size, size, 1))
    except ZeroDivisionError:
        raise Undecided("a slope that may vanish") from None
    return [[found[i, j] for j in range(size)] for i in range(size)]


def _linearised(equations: Any, unknowns: list[Number]) -> tuple[list[Number], list[list[Number]]]:
    values = [number(v) for v in equations(unknowns)]
    return values, [gradient([v], [1], unknowns) for v in values]


def _polished(equations: Any, middle: list[Any]) -> list[Any]:
    """Newton on midpoints, until a step is below the precision in force."""
    for _ in range(STEPS):
        values, slopes = _linearised(equations, [Number(m, variable=True) for m in middle])
        try:
            step = _solved(slopes, values)
        except ZeroDivisionError:
            raise Undecided("a slope that may vanish") from None
        middle = [arb((m - s).mid()) for m, s in zip(middle, step, strict=True)]
        if all(abs(s.mid()) <= abs(m) * arb(2) ** (16 - ctx.prec // 2) for s, m in zip(step, middle, strict=True)):
            return middle
    raise Undecided("Newton's iteration does not settle")


def _enclosed(equations: Any, middle: list[Any]) -> list[Any]:
    """Balls that contain one solution: middle - slopes(balls)^-1 values(middle) lies inside the balls."""
    values, _ = _linearised(equations, [Number(m, variable=True) for m in middle])
    width = ctx.prec // 2
    while width > 20:
        wide = [m + (abs(m) * arb(2) ** -width) * arb(0, 1) for m in middle]
        _, slopes = _linearised(equations, [Number(w, variable=True) for w in wide])
        try:
            image = [m - s for m, s in zip(middle, _solved(slopes, values), strict=True)]
        except ZeroDivisionError:
            image = []
        if image and all(w.contains_interior(i) for w, i in zip(wide, image, strict=True)):
            return image
        width -= max(8, width // 4)
    raise Undecided("no ball is mapped into itself")


def _solved(slopes: list[list[Number]], values: list[Number]) -> list[Any]:
    """``slopes^-1 values`` on balls."""
    found = arb_mat([[s.ball for s in row] for row in slopes]).solve(arb_mat([[v.ball] for v in values]))
    return [found[i, 0] for i in range(len(values))]


def _eliminate(rows: list[list[Number]], right: list[Number]) -> list[Number]:
    """``rows^-1 right`` on numbers, whose history it keeps; the largest pivot of each column."""
    n, rows, right = len(right), [list(r) for r in rows], list(right)
    for k in range(n):
        best = max(range(k, n), key=lambda i: abs(float(rows[i][k].ball.mid())))
        rows[k], rows[best], right[k], right[best] = rows[best], rows[k], right[best], right[k]
        for i in range(k + 1, n):
            factor = rows[i][k] / rows[k][k]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
            right[i] = right[i] - factor * right[k]
    found: list[Any] = [None] * n
    for k in reversed(range(n)):
        rest = right[k]
        for j in range(k + 1, n):
            rest = rest - rows[k][j] * found[j]
        found[k] = rest / rows[k][k]
    return found
