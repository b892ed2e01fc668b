"""A number of the exact tier: a ball (a rigorous enclosure) that remembers how it was made.

`gradient` walks back through that history. The walk itself computes with numbers, so gradients have gradients, and
the condition number of a gradient comes from the same code as the gradient.

Numbers live in NumPy object arrays, so that a definition reads like its paper: ``x @ weight.T``, ``exp(z).sum()``.
A comparison that a ball cannot decide raises `Undecided`, and the definition is evaluated again with more bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import numpy as np
from flint import arb, ctx


class Undecided(ArithmeticError):
    """The balls overlap: more bits are needed before the comparison has an answer."""


class Number:
    """A ball, and the numbers that it was computed from, each with the map of a cotangent back to it.

    ``ball`` is a Python float for the values that no ball encloses: nan, inf and -inf that a definition states.
    """

    __slots__ = ("ball", "parents", "tracked")
    __array_priority__ = 100

    def __init__(
        self, ball: Any, parents: Sequence[tuple[Number, Callable[[Number], Any]]] = (), variable: bool = False
    ):
        stated = isinstance(ball, float) and not math.isfinite(ball)
        self.ball = ball if stated or isinstance(ball, arb) else arb(ball)
        self.parents = tuple(pair for pair in parents if pair[0].tracked)
        self.tracked = variable or bool(self.parents)

    @property
    def stated(self) -> bool:
        """Whether this is a nan or an infinity that a definition states."""
        return isinstance(self.ball, float)

    def __float__(self) -> float:
        return float(self.ball)

    def __repr__(self) -> str:
        return f"Number({self.ball})"

    def __neg__(self) -> Number:
        return Number(-self.ball, [(self, lambda g: -g)])

    def __add__(self, other: Any) -> Any:
        return _binary(self, other, lambda a, b: a + b, lambda a, b: [(a, lambda g: g), (b, lambda g: g)])

    def __sub__(self, other: Any) -> Any:
        return _binary(self, other, lambda a, b: a - b, lambda a, b: [(a, lambda g: g), (b, lambda g: -g)])

    def __mul__(self, other: Any) -> Any:
        return _binary(self, other, lambda a, b: a * b, lambda a, b: [(a, lambda g: g * b), (b, lambda g: g * a)])

    def __truediv__(self, other: Any) -> Any:
        return _binary(
            self, other, lambda a, b: a / b, lambda a, b: [(a, lambda g: g / b), (b, lambda g: -(g * a) / (b * b))]
        )

    def __radd__(self, other: Any) -> Any:
        return self + other

    def __rmul__(self, other: Any) -> Any:
        return self * other

    def __rsub__(self, other: Any) -> Any:
        return number(other) - self

    def __rtruediv__(self, other: Any) -> Any:
        return number(other) / self

    def __pow__(self, n: int) -> Any:
        if n == 0:
            return Number(1)
        return Number(self.ball**n, [(self, lambda g: g * n * self ** (n - 1))])

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __lt__(self, other: Any) -> bool:
        return _compare(self, other, lambda a, b: a < b, lambda a, b: a >= b)

    def __le__(self, other: Any) -> bool:
        return _compare(self, other, lambda a, b: a <= b, lambda a, b: a > b)

    def __gt__(self, other: Any) -> bool:
        return _compare(self, other, lambda a, b: a > b, lambda a, b: a <= b)

    def __ge__(self, other: Any) -> bool:
        return _compare(self, other, lambda a, b: a >= b, lambda a, b: a < b)

    def __eq__(self, other: object) -> bool:
        return _compare(self, other, lambda a, b: a == b, lambda a, b: a != b)

    __hash__ = object.__hash__


def number(value: Any) -> Number:
    """The number that a Python, NumPy or exact value is, exactly."""
    if isinstance(value, Number):
        return value
    return Number(value if isinstance(value, arb | float) else int(value) if int(value) == value else float(value))


def variable(value: float) -> Number:
    """An input, to which derivatives are taken."""
    return Number(float(value), variable=True)


def lift(array: Any, variables: bool = True) -> Any:
    """A float array as numbers of the same shape: an object array, or one `Number` for a 0-d array."""
    array = np.asarray(array)
    make = variable if variables else (lambda value: number(float(value)))
    if array.ndim == 0:
        return make(array.item())
    lifted = np.empty(array.shape, dtype=object)
    lifted.reshape(-1)[:] = [make(v) for v in array.reshape(-1).tolist()]
    return lifted


def _binary(a: Any, b: Any, on_balls: Callable[..., Any], parents: Callable[..., Any]) -> Any:
    if isinstance(b, np.ndarray):
        return NotImplemented
    a, b = number(a), number(b)
    if a.stated or b.stated:
        with np.errstate(all="ignore"):
            return Number(float(on_balls(np.float64(float(a)), np.float64(float(b)))))
    return Number(on_balls(a.ball, b.ball), parents(a, b) if a.tracked or b.tracked else ())


def _compare(a: Any, b: Any, yes: Callable[..., bool], no: Callable[..., bool]) -> bool:
    left, right = number(a).ball, number(b).ball
    if isinstance(left, float) or isinstance(right, float):
        return bool(yes(float(left), float(right)))
    if yes(left, right):
        return True
    if no(left, right):
        return False
    raise Undecided


def _elementwise(function: Callable[..., Number]) -> Callable[..., Any]:
    over_arrays = np.frompyfunc(lambda *a: function(*map(number, a)), function.__code__.co_argcount, 1)

    @wraps(function)
    def apply(*arguments: Any) -> Any:
        with np.errstate(invalid="ignore"):  # NumPy reports the nans that definitions state
            return over_arrays(*arguments)

    return apply


pointwise = _elementwise
"""A definition on numbers, applied to every element of broadcast arrays."""


@_elementwise
def exp(x: Number) -> Number:
    return Number(x.ball.exp(), [(x, lambda g: g * exp(x))])


@_elementwise
def log(x: Number) -> Number:
    return Number(x.ball.log(), [(x, lambda g: g / x)])


@_elementwise
def log1p(x: Number) -> Number:
    """log(1 + x), which for a tiny x needs no more bits than log."""
    return Number(x.ball.log1p(), [(x, lambda g: g / (1 + x))])


@_elementwise
def sqrt(x: Number) -> Number:
    return Number(x.ball.sqrt(), [(x, lambda g: g / (2 * sqrt(x)))])


@_elementwise
def sin(x: Number) -> Number:
    return Number(x.ball.sin(), [(x, lambda g: g * cos(x))])


@_elementwise
def cos(x: Number) -> Number:
    return Number(x.ball.cos(), [(x, lambda g: -(g * sin(x)))])


@_elementwise
def tanh(x: Number) -> Number:
    return Number(x.ball.tanh(), [(x, lambda g: g * (1 - tanh(x) * tanh(x)))])


@_elementwise
def acos(x: Number) -> Number:
    return Number(x.ball.acos(), [(x, lambda g: -g / sqrt(1 - x * x))])


@_elementwise
def atan(x: Number) -> Number:
    return Number(x.ball.atan(), [(x, lambda g: g / (1 + x * x))])


@_elementwise
def erfc(x: Number) -> Number:
    return Number(x.ball.erfc(), [(x, lambda g: -2 * g * exp(-x * x) / sqrt(pi()))])


@_elementwise
def power(x: Number, y: Number) -> Number:
    """x^y for x > 0."""
    return exp(y * log(x))


@_elementwise
def lgamma(x: Number) -> Number:
    return Number(x.ball.lgamma(), [(x, lambda g: g * digamma(x))])


@_elementwise
def digamma(x: Number) -> Number:
    return Number(x.ball.digamma(), [(x, lambda g: g * polygamma(1, x))])


def polygamma(n: int, x: Number) -> Number:
    """The n-th derivative of digamma, n >= 1: (-1)^(n+1) n! zeta(n+1, x)."""
    sign = (-1) ** (n + 1) * math.factorial(n)
    return Number(sign * arb(n + 1).zeta(x.ball), [(x, lambda g: g * polygamma(n + 1, x))])


def hypergeometric_u(a: Any, b: Any, x: Number) -> Number:
    """Tricomi's confluent hypergeometric function for x > 0; its parameters are held."""
    a, b = number(a), number(b)
    return Number(x.ball.hypgeom_u(a.ball, b.ball), [(x, lambda g: -(g * a) * hypergeometric_u(a + 1, b + 1, x))])


def bessel_i(order: Any, x: Number) -> Number:
    """The modified Bessel function of the first kind for x > 0; the order is held."""
    order = number(order)

    def slope(g: Any) -> Any:
        return g * (bessel_i(order + 1, x) + order / x * bessel_i(order, x))

    return Number(x.ball.bessel_i(order.ball), [(x, slope)])


def hypergeometric_0f1(b: Any, x: Number) -> Number:
    """The confluent limit function; its parameter is held."""
    b = number(b)
    return Number(x.ball.hypgeom_0f1(b.ball), [(x, lambda g: g / b * hypergeometric_0f1(b + 1, x))])


def pi() -> Number:
    """The circle constant to the precision in force."""
    return Number(arb.pi())


def largest(values: Iterable[Any]) -> Any:
    """The largest number; the first one where several are equal."""
    best, *rest = values
    for value in rest:
        best = value if value > best else best
    return best


def detached(x: Number) -> Number:
    """The same value, treated as a constant by `gradient`."""
    return Number(x.ball)


def stated(value: float, *parents: tuple[Number, float | Number]) -> Number:
    """A value at an edge, with the derivatives that the convention states: ``stated(-inf, (x, inf), (a, -inf))``."""
    return Number(value, [(x, lambda g, slope=slope: g * slope) for x, slope in parents])


def gradient(outputs: Sequence[Number], cotangents: Sequence[Any], inputs: Sequence[Number]) -> list[Number]:
    """``sum_o cotangent_o * d output_o / d input_i`` for every input, as numbers that have derivatives themselves."""
    sums: dict[int, Number] = {}
    for output, cotangent in zip(outputs, cotangents, strict=True):
        sums[id(output)] = sums[id(output)] + cotangent if id(output) in sums else number(cotangent)
    for node in reversed(in_order(outputs)):
        arrived = sums.get(id(node))
        if arrived is not None:
            for parent, back in node.parents:
                part = back(arrived)
                sums[id(parent)] = sums[id(parent)] + part if id(parent) in sums else part
    return [sums.get(id(x), Number(0)) for x in inputs]


def in_order(outputs: Sequence[Number]) -> list[Number]:
    """Every number in the history of the outputs, each after the ones that it was computed from."""
    order: list[Number] = []
    seen: set[int] = set()
    stack = [(output, False) for output in outputs]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((parent, False) for parent, _ in node.parents)
    return order


def working_precision(bits: int) -> Any:
    """A context in which balls carry ``bits`` bits."""
    return ctx.workprec(bits)
