"""The text of `refengine.backends.numba._polynomials`, from ball arithmetic: ``python -m validation.tables``.

``sigma(m) = lgamma(m + 1/2) - m log m + m - log(2 pi)/2`` and its derivative, for ``r = 1/m`` in (0, 4], as
``-r P(r) / Q(r)`` and ``r^2 P(r) / Q(r)``: each quotient interpolates at Chebyshev's nodes, drawn towards r = 0,
where the function is least smooth. The error is below 4e-18, and no sum of P or Q cancels. By the same method
``(lgamma(2 + s) / s - lgamma'(2)) / s`` for abs(s) <= 1/2, ``digamma(1 + s) / (1 + s - root)`` for s in [0, 1] and
``exp(z^2) erfc(z) / r`` for ``r = 1 / (1 + z)`` in (0, 1/2]; and for ``r = 1/m`` in (0, 4/3], with ``m = y - 1/4``, the
quotients by r^2 of ``log(Gamma(y + 1/2) / Gamma(y) / sqrt(m))`` and of its derivative to y, less 1/(2y).
``(artanh(x) - x) / x^3`` for abs(x) <= 1/3 is a polynomial in x^2.
"""

from __future__ import annotations

from collections.abc import Callable

from flint import arb, arb_mat, ctx

HEAD = '''"""Polynomials of the kernels, printed by ``python -m validation.tables``."""

import numba

__all__: list[str] = []'''
DECORATOR = '@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)'
ARTANH_TERMS = 11
DEGREE = 11
LARGEST = 4  # 1 / m for the smallest m that is served
PULL = 3  # how strongly the nodes are drawn to r = 0; of several tried, the one with the least error


def sigma(m: arb) -> arb:
    return (m + arb("0.5")).lgamma() - m * m.log() + m - (2 * arb.pi()).log() / 2


def slope(m: arb) -> arb:
    return (m + arb("0.5")).digamma() - m.log()


def around_two(s: arb) -> arb:
    return ((2 + s).lgamma() / s - 1 + arb.const_euler()) / s


def root() -> arb:
    """The zero of digamma, by Newton's iteration."""
    x = arb(1.4616321449683623)
    for _ in range(5):
        x = arb((x - x.digamma() / arb(2).zeta(x)).mid())
    return x


def around_root(s: arb) -> arb:
    return (1 + s).digamma() / (1 + s - root())


def scaled_tail(r: arb) -> arb:
    z = 1 / r - 1
    return (z * z).hypgeom_u(arb(0.5), arb(0.5)) / (arb.pi().sqrt() * r)


def half_step(r: arb) -> arb:
    y = 1 / r + arb("0.25")
    return ((y + arb("0.5")).lgamma() - y.lgamma() + r.log() / 2) / r**2


def half_step_slope(r: arb) -> arb:
    y = 1 / r + arb("0.25")
    return ((y + arb("0.5")).digamma() - y.digamma() - 1 / (2 * y)) / r**2


def artanh_rest(u: arb) -> arb:
    x = u.sqrt()
    return (x.atanh() - x) / x**3


def nodes(count: int, low: float, high: float, pull: int) -> list[arb]:
    """Chebyshev's nodes between low and high, drawn towards low."""
    cosines = [((2 * i + 1) * arb.pi() / (2 * count)).cos() for i in range(count)]
    return [low + (high - low) * (1 + v) / ((1 + v) + pull * (1 - v)) for v in cosines]


def polynomial(f: Callable[[arb], arb], terms: int, high: float) -> list[float]:
    points = nodes(terms, 0, high, 1)
    rows = [[u**k for k in range(terms)] for u in points]
    return [float(c) for c in arb_mat(rows).solve(arb_mat([[f(u)] for u in points])).entries()]


def quotient(
    f: Callable[[arb], arb],
    degree: int = DEGREE,
    low: float = 0,
    high: float = LARGEST,
    pull: int = PULL,
) -> tuple[list[float], list[float]]:
    """The coefficients of P and Q, from the constant up, with Q(0) = 1: the solution of P - f Q = 0 at the nodes."""
    points = nodes(2 * degree + 1, low, high, pull)
    rows = [[r**k for k in range(degree + 1)] + [-f(r) * r**k for k in range(1, degree + 1)] for r in points]
    solved = arb_mat(rows).solve(arb_mat([[f(r)] for r in points])).entries()
    coefficients = [float(c) for c in solved]
    return coefficients[: degree + 1], [1.0, *coefficients[degree + 1 :]]


def function(name: str, coefficients: list[float]) -> str:
    """Two Horner schemes in r^2, written out: whether LLVM unrolls a loop, and so vectorises, hangs on the caller."""
    *pairs, odd, even = [repr(c) for c in reversed(coefficients)]
    first, second = ("even", "odd") if len(coefficients) % 2 else ("odd", "even")
    lines = ["    s = r * r", f"    {first} = {pairs[0]}", f"    {second} = {pairs[1]}"]
    for k, c in enumerate(pairs[2:]):
        which = (first, second)[k % 2]
        lines.append(f"    {which} = {which} * s + {c}")
    lines += [f"    odd = odd * s + {odd}", f"    even = even * s + {even}", "    return odd * r + even"]
    return "\n".join([DECORATOR, f"def {name}(r: float) -> float:", *lines])


def main() -> None:
    with ctx.workprec(600):
        tables = [*quotient(lambda r: -sigma(1 / r) / r), *quotient(lambda r: slope(1 / r) / r**2)]
        more = [*quotient(around_two, 7, -0.5, 0.53125, 1), *quotient(around_root, 9, 0, 1, 1)]
        more += quotient(scaled_tail, 11, 0, 0.5, 2)
        more += [*quotient(half_step, 9, 0, 4 / 3), *quotient(half_step_slope, 9, 0, 4 / 3)]
        tables.append(polynomial(artanh_rest, ARTANH_TERMS, 1 / 9))
    names = ("sigma_above", "sigma_below", "slope_above", "slope_below", "artanh_rest")
    names += ("two_above", "two_below", "root_above", "root_below", "tail_above", "tail_below")
    names += ("half_step_above", "half_step_below", "half_step_slope_above", "half_step_slope_below")
    print(HEAD, *map(function, names, tables + more), sep="\n\n\n")


if __name__ == "__main__":
    main()
