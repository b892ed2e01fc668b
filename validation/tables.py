"""The tables of `refengine.backends.numba._gamma`, from ball arithmetic: ``python -m validation.tables``.

In [1/4, 1/2), [1/2, 1), [1, 2), [2, 4) and [4, 8): the polynomial in ``s = (m - middle) / half width`` that
interpolates ``sigma(m) = lgamma(m + 1/2) - m log m + m - log(2 pi)/2`` at Chebyshev's nodes.
"""

from __future__ import annotations

from flint import arb, arb_poly, ctx

DEGREE = 20
OCTAVES = (0.25, 0.5, 1.0, 2.0, 4.0)


def sigma(m: arb) -> arb:
    return (m + arb("0.5")).lgamma() - m * m.log() + m - (2 * arb.pi()).log() / 2


def interpolant(low: float, degree: int = DEGREE) -> list[float]:
    """Coefficients in s, from the constant one up."""
    middle, half = arb(low) * 1.5, arb(low) / 2
    nodes = [((2 * i + 1) * arb.pi() / (2 * degree + 2)).cos() for i in range(degree + 1)]
    table = arb_poly.interpolate(nodes, [sigma(middle + half * s) for s in nodes])
    return [float(c) for c in table.coeffs()]


def main() -> None:
    with ctx.workprec(600):
        for low in OCTAVES:
            print(f"# {low:g} <= m < {2 * low:g}", *(f"{c!r}," for c in interpolant(low)), sep="\n")


if __name__ == "__main__":
    main()
