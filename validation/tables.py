"""The text of `refengine.backends.numba._polynomials`, from ball arithmetic: ``python -m validation.tables``.

``sigma(m) = lgamma(m + 1/2) - m log m + m - log(2 pi)/2`` and its derivative, for ``r = 1/m`` in (0, 4], as
``-r P(r) / Q(r)`` and ``r^2 P(r) / Q(r)``: each quotient interpolates at Chebyshev's nodes, drawn towards r = 0,
where the function is least smooth. The error is below 4e-18, and no sum of P or Q cancels. By the same method
``(lgamma(2 + s) / s - lgamma'(2)) / s`` for abs(s) <= 1/2, ``digamma(1 + s) / (1 + s - root)`` for s in [0, 1] and
``exp(z^2) erfc(z) / r`` for ``r = 1 / (1 + z)`` in (0, 1/2].
"""

from __future__ import annotations

from collections.abc import Callable

from flint import arb, arb_mat, ctx

HEAD = '''"""Polynomials of the kernels, printed by ``python -m validation.tables``."""

import numba

__all__: list[str] = []'''
DECORATOR = '@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)'
ARTANH_TERMS = 17  # of (artanh(x) - x) / x^3 in x^2, for abs(x) <= 1/3
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


def quotient(
    f: Callable[[arb], arb],
    degree: int = DEGREE,
    low: float = 0,
    high: float = LARGEST,
    pull: int = PULL,
) -> tuple[list[float], list[float]]:
    """The coefficients of P and Q, from the constant up, with Q(0) = 1: the solution of P - f Q = 0 at the nodes."""
    count = 2 * degree + 1
    nodes = [((2 * i + 1) * arb.pi() / (2 * count)).cos() for i in range(count)]
    points = [low + (high - low) * (1 + v) / ((1 + v) + pull * (1 - v)) for v in nodes]
    rows = [[r**k for k in range(degree + 1)] + [-f(r) * r**k for k in range(1, degree + 1)] for r in points]
    solved = arb_mat(rows).solve(arb_mat([[f(r)] for r in points])).entries()
    coefficients = [float(c) for c in solved]
    return coefficients[: degree + 1], [1.0, *coefficients[degree + 1 :]]


def function(name: str, coefficients: list[float]) -> str:
    """Horner's scheme, written out: whether LLVM unrolls a loop, and so uses the vector unit, hangs on the caller."""
    *pairs, last = [repr(c) for c in reversed(coefficients)]
    lines = [f"    p = {pairs[0]}"] + [f"    p = p * r + {c}" for c in pairs[1:]] + [f"    return p * r + {last}"]
    return "\n".join([DECORATOR, f"def {name}(r: float) -> float:", *lines])


def main() -> None:
    with ctx.workprec(600):
        tables = [*quotient(lambda r: -sigma(1 / r) / r), *quotient(lambda r: slope(1 / r) / r**2)]
        more = [*quotient(around_two, 7, -0.5, 0.53125, 1), *quotient(around_root, 9, 0, 1, 1)]
        more += quotient(scaled_tail, 11, 0, 0.5, 2)
    tables.append([1 / (2 * k + 1) for k in range(1, ARTANH_TERMS + 1)])
    names = ("sigma_above", "sigma_below", "slope_above", "slope_below", "artanh_rest")
    names += ("two_above", "two_below", "root_above", "root_below", "tail_above", "tail_below")
    print(HEAD, *map(function, names, tables + more), sep="\n\n\n")


if __name__ == "__main__":
    main()
