r"""Regularised incomplete gamma and beta functions of numbers, with derivatives of every order to all arguments.

With the boundary term taken out what remains is an integral over the distance v from the end point,

    P(a, x) = x^a e^{-x} / Gamma(a) I_0,    I_k = int_0^oo (-v)^k e^{-a v - x (e^{-v} - 1)} dv    (t = x e^{-v}),
    I_x(a, b) = x^a y^b / B(a, b) L_00,     L_jk = int_0^oo p^j q^k e^{a p + b q} dv        (logit t = logit x - v),

p = log(t/x), q = log((1-t)/y), and likewise for Q with t = x e^v. Each derivative to a shape is the next integral of
its family; none changes sign. On the side of the mode where the integrand falls, it falls as a concave function and is
entire or analytic in a strip: Gauss-Legendre quadrature with a bound of the integrand on an ellipse is rigorous and
quick for shapes from 8 to 1e15. Smaller shapes have the hypergeometric series
sum_n x^n / (a)_{n+1} and sum_n (a+b)_n / (a)_{n+1} x^n (NIST DLMF 8.11.4 and 8.17.8). The other side is what is
left to 1.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any

from flint import arb, ctx

from validation.exact.number import Number, Undecided, digamma, exp, log, pointwise

SMALL_SHAPE = 8.0
MOST_TERMS = 20_000
NEWTON_STEPS = 20
TINY, HUGE = 1e-300, 1e300  # floats choose intervals and points, balls prove them
_RATIOS = tuple(1.05 * 1.09**i for i in range(28))


@pointwise
def gamma_p(a: Number, x: Number) -> Any:
    """P(a, x), the integral of t^(a-1) e^-t / Gamma(a) from 0 to x, for positive a and x."""
    return exp(_log_gamma_below(a, x)) if _gamma_below(a, x) else 1 - exp(_log_gamma_above(a, x))


@pointwise
def gamma_q(a: Number, x: Number) -> Any:
    """Q(a, x) = 1 - P(a, x)."""
    return 1 - exp(_log_gamma_below(a, x)) if _gamma_below(a, x) else exp(_log_gamma_above(a, x))


@pointwise
def log_gamma_p(a: Number, x: Number) -> Any:
    """log P(a, x)."""
    return _log_gamma_below(a, x) if _gamma_below(a, x) else log1m_exp(_log_gamma_above(a, x))


@pointwise
def log_gamma_q(a: Number, x: Number) -> Any:
    """log Q(a, x)."""
    return log1m_exp(_log_gamma_below(a, x)) if _gamma_below(a, x) else _log_gamma_above(a, x)


def beta_p(a: Any, b: Any, x: Any, y: Any = None) -> Any:
    """I_x(a, b), the integral of t^(a-1) (1-t)^(b-1) / B(a, b) from 0 to x, for positive a, b, x and y = 1 - x.

    ``y`` may be given where 1 - x is known better than by subtraction; derivatives go through x alone.
    """
    return _beta_p(a, b, x, 1 - x if y is None else y)


def beta_q(a: Any, b: Any, x: Any, y: Any = None) -> Any:
    """1 - I_x(a, b); arguments as in `beta_p`."""
    return _beta_q(a, b, x, 1 - x if y is None else y)


def log_beta_p(a: Any, b: Any, x: Any, y: Any = None) -> Any:
    """log I_x(a, b); arguments as in `beta_p`."""
    return _log_beta_p(a, b, x, 1 - x if y is None else y)


def log_beta_q(a: Any, b: Any, x: Any, y: Any = None) -> Any:
    """log(1 - I_x(a, b)); arguments as in `beta_p`."""
    return _log_beta_q(a, b, x, 1 - x if y is None else y)


@pointwise
def _beta_p(a: Number, b: Number, x: Number, y: Number) -> Any:
    return exp(_log_beta_left(a, b, x, y)) if _beta_left(a, b, x, y) else 1 - exp(_log_beta_right(a, b, x, y))


@pointwise
def _beta_q(a: Number, b: Number, x: Number, y: Number) -> Any:
    return 1 - exp(_log_beta_left(a, b, x, y)) if _beta_left(a, b, x, y) else exp(_log_beta_right(a, b, x, y))


@pointwise
def _log_beta_p(a: Number, b: Number, x: Number, y: Number) -> Any:
    return _log_beta_left(a, b, x, y) if _beta_left(a, b, x, y) else log1m_exp(_log_beta_right(a, b, x, y))


@pointwise
def _log_beta_q(a: Number, b: Number, x: Number, y: Number) -> Any:
    return log1m_exp(_log_beta_left(a, b, x, y)) if _beta_left(a, b, x, y) else _log_beta_right(a, b, x, y)


@pointwise
def log1m_exp(z: Number) -> Number:
    """log(1 - e^z) for z < 0."""
    less = -z.ball.expm1()
    value = (-z.ball.exp()).log1p() if z.ball < -1 else less.log()
    return Number(value, [(z, lambda g: g / (1 - exp(-z)))])


def gamma_quantile(a: Number, lower: Number, upper: Number, start: float) -> Number:
    """t with P(a, t) = lower, where upper = 1 - lower; ``start`` is a guess of log t, which proves nothing.

    Newton's operator on log t maps a larger ball into itself; derivatives are those of the implicit function, through
    ``lower`` alone.
    """
    below = math.exp(min(start, 700.0)) <= max(float(a), 1.0)
    ball = _gamma_root(a, log(lower if below else upper).ball, start, -1 if below else 1).exp()

    def by_a(g: Number) -> Any:
        sign = -1 if below else 1
        integrals = (_gamma_integral(k, a, t, sign) for k in (0, 1))
        return g * sign * t * ((log(t) - digamma(a)) * next(integrals) + next(integrals))

    t = Number(ball, [(a, by_a), (lower, lambda g: g * t * exp(-_gamma_scale(a, t)))])
    return t


def beta_quantile(a: Number, b: Number, lower: Number, upper: Number, start: float) -> Number:
    """logit x with I_x(a, b) = lower, where upper = 1 - lower; ``start`` is a guess, which proves nothing.

    As `gamma_quantile`; derivatives to a and through ``lower``, none to b.
    """
    left = _beta_left(a, b, *_from_logit(Number(arb(start))))

    def side(t: Number) -> tuple[Number, ...]:
        x, y = _from_logit(t)
        return (a, b, x, y) if left else (b, a, y, x)

    wanted = log(lower if left else upper).ball

    def tail(t: Any) -> tuple[Any, Any]:
        arguments = side(Number(t))
        integral = _beta_integral(0, 0, *arguments).ball
        return _beta_scale(*arguments).ball + integral.log() - wanted, (1 if left else -1) / integral

    def by_a(g: Number) -> Any:
        arguments, x = side(t), _from_logit(t)[0]
        whole, rest = _beta_integral(0, 0, *arguments), _beta_integral(*((1, 0) if left else (0, 1)), *arguments)
        return g * (-1 if left else 1) * ((log(x) + digamma(a + b) - digamma(a)) * whole + rest)

    t = Number(_root(tail, start), [(a, by_a), (lower, lambda g: g * exp(-_beta_scale(*side(t))))])
    return t


def _from_logit(t: Number) -> tuple[Number, Number]:
    return 1 / (1 + exp(-t)), 1 / (1 + exp(t))


def _gamma_root(a: Number, wanted: Any, start: float, sign: int) -> Any:
    """The ball of log t on which the logarithm of the tail on one side is ``wanted``."""

    def tail(log_t: Any) -> tuple[Any, Any]:
        t = Number(log_t.exp())
        integral = _gamma_integral(0, a, t, sign).ball
        return _gamma_scale(a, t).ball + integral.log() - wanted, -sign / integral

    return _root(tail, start)


def _root(tail: Any, start: float) -> Any:
    """The ball around the zero of ``tail``, which finds the lack of a logarithm and its slope."""
    middle = arb(start)
    for _ in range(NEWTON_STEPS):
        lack, slope = tail(middle)
        step = (lack / slope).mid()
        middle = (middle - step).mid()
        if abs(step) < arb(2) ** (-ctx.prec // 2):
            break
    lack, _ = tail(middle)
    for bits in (ctx.prec - 24, ctx.prec // 2, ctx.prec // 4):
        wide = middle + arb(0, 1) * arb(2) ** -bits
        image = middle - lack / tail(wide)[1]
        if wide.contains_interior(image):
            return image
    raise Undecided("no ball is mapped into itself")


def _gamma_below(a: Number, x: Number) -> bool:
    """Whether P is what is computed first; either answer is right, one is quick."""
    return float(x) <= max(float(a), 1.0)


def _beta_left(a: Number, b: Number, x: Number, y: Number) -> bool:
    """Whether I_x is what is computed first: from the mean to the left, and where a small shape has a short series."""
    p, q, left, right = float(a), float(b), float(x), float(y)
    if max(p, q) < SMALL_SHAPE:
        return left <= 0.5
    below = left * q <= p * right
    if below and q < SMALL_SHAPE and right * (p + q) <= 1:
        return False
    return below or (p < SMALL_SHAPE and left * (p + q) <= 1)


def _log_gamma_below(a: Number, x: Number) -> Any:
    return _gamma_scale(a, x) + log(_gamma_integral(0, a, x, -1))


def _log_gamma_above(a: Number, x: Number) -> Any:
    return _gamma_scale(a, x) + log(_gamma_integral(0, a, x, 1))


def _log_beta_left(a: Number, b: Number, x: Number, y: Number) -> Any:
    return _beta_scale(a, b, x, y) + log(_beta_integral(0, 0, a, b, x, y))


def _log_beta_right(a: Number, b: Number, x: Number, y: Number) -> Any:
    return _log_beta_left(b, a, _rest(x, y), x)


def _gamma_scale(a: Number, x: Number) -> Number:
    """log(x^a e^-x / Gamma(a)), by the mean value theorem where x is a ball: large terms move against each other."""
    p, middle = a.ball, x.ball.mid()
    value = p * middle.log() - middle - p.lgamma() + (p - x.ball) / x.ball * _spread(x.ball)
    return Number(value, [(a, lambda g: g * (log(x) - digamma(a))), (x, lambda g: g * (a - x) / x)])


def _beta_scale(a: Number, b: Number, x: Number, y: Number) -> Number:
    """log(x^a y^b / B(a, b)), on balls around the smaller of x and y by the mean value theorem."""
    p, q = a.ball, b.ball
    if float(x) < float(y):
        left = x.ball.mid()
        right, spread = 1 - left, _spread(x.ball)
    else:
        right = y.ball.mid()
        left, spread = 1 - right, _spread(y.ball)
    value = p * left.log() + q * right.log() + (p + q).lgamma() - p.lgamma() - q.lgamma()
    value += (p * y.ball - q * x.ball) / (x.ball * y.ball) * spread

    def by_x(g: Number) -> Any:
        rest = _rest(x, y)
        return g * (a * rest - b * x) / (x * rest)

    by_shape = [(a, lambda g: g * (log(x) + digamma(a + b) - digamma(a)))]
    by_shape += [(b, lambda g: g * (log(_rest(x, y)) + digamma(a + b) - digamma(b)))]
    return Number(value, [*by_shape, (x, by_x)])


def _spread(ball: Any) -> Any:
    """The ball moved to zero."""
    return arb(0, 1) * ball.rad()


def _rest(x: Number, y: Number) -> Number:
    """y with the derivatives of 1 - x."""
    return Number(y.ball, [(x, lambda g: -g)])


def _gamma_integral(k: int, a: Number, x: Number, sign: int) -> Number:
    """I_k below (sign = -1) or above (sign = 1) x; its derivative to x follows from d/dx (x^a e^-x I_k)."""

    def by_x(g: Number) -> Any:
        slope = (x - a) * _gamma_integral(k, a, x, sign)
        if k == 0:
            return g * (slope - sign) / x
        return g * (slope - k * _gamma_integral(k - 1, a, x, sign)) / x

    ball = _gamma_moments(_Key(a.ball), _Key(x.ball), sign, ctx.prec).moment(k, 0)
    return Number(ball, [(a, lambda g: g * _gamma_integral(k + 1, a, x, sign)), (x, by_x)])


def _beta_integral(j: int, k: int, a: Number, b: Number, x: Number, y: Number) -> Number:
    """L_jk; its derivative to x follows from d/dx (x^a y^b L_jk)."""

    def by_x(g: Number) -> Any:
        rest = _rest(x, y)
        slope = (b * x - a * rest) * _beta_integral(j, k, a, b, x, y)
        if j == 0 and k == 0:
            slope = slope + 1
        if j:
            slope = slope - j * rest * _beta_integral(j - 1, k, a, b, x, y)
        if k:
            slope = slope + k * x * _beta_integral(j, k - 1, a, b, x, y)
        return g * slope / (x * rest)

    ball = _beta_moments(_Key(a.ball), _Key(b.ball), _Key(x.ball), _Key(y.ball), ctx.prec).moment(j, k)
    return Number(
        ball,
        [
            (a, lambda g: g * _beta_integral(j + 1, k, a, b, x, y)),
            (b, lambda g: g * _beta_integral(j, k + 1, a, b, x, y)),
            (x, by_x),
        ],
    )


class _Key:
    """A ball by which results are remembered: arb hashes none but exact ones."""

    def __init__(self, ball: Any):
        self.ball, self.parts = ball, (ball.mid(), ball.rad())

    def __hash__(self) -> int:
        return hash(self.parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.parts == other.parts


@lru_cache(maxsize=64)
def _gamma_moments(a: _Key, x: _Key, sign: int, bits: int) -> Any:
    if sign < 0 and float(a.ball) < 5 * SMALL_SHAPE:
        return _Series(a.ball, None, x.ball)
    return _Quadrature(_GammaSide(a.ball, x.ball, sign))


@lru_cache(maxsize=64)
def _beta_moments(a: _Key, b: _Key, x: _Key, y: _Key, bits: int) -> Any:
    if float(a.ball) < (5 * SMALL_SHAPE if float(x.ball) < 0.7 else SMALL_SHAPE):
        return _Series(a.ball, a.ball + b.ball, x.ball)
    return _Quadrature(_BetaSide(a.ball, b.ball, x.ball, y.ball))


class _GammaSide:
    """The exponent a w - x (e^w - 1) for w = log(t/x) = -v or v."""

    def __init__(self, a: Any, x: Any, sign: int):
        self.a, self.x, self.sign = a, x, sign
        self.float_a, self.float_x = (min(max(float(z), TINY), HUGE) for z in (a, x))

    def at(self, v: Any) -> tuple[Any, Any, Any]:
        """p, q and the exponent."""
        w = v * self.sign
        return w, arb(0), self.a * w - self.x * w.expm1()

    def slope(self, v: Any) -> Any:
        """The derivative of the exponent to v."""
        return self.sign * (self.a - self.x * (v * self.sign).exp())

    def ceiling(self, u: Any, c: Any) -> tuple[Any, Any]:
        """Largest real part of the exponent at real part u and a cosine of the imaginary part of at least c; its slope.

        Concave in u for c >= 0.
        """
        e = c * (u * self.sign).exp()
        return self.sign * self.a * u - self.x * (e - 1), self.sign * (self.a - self.x * e)

    def float_ceiling(self, u: float, c: float) -> float:
        w = min(self.sign * u, 700.0)
        return self.float_a * w - self.float_x * (c * math.expm1(w) + (c - 1))

    def top(self, c: float) -> float:
        """Where the ceiling is highest, about."""
        return self.sign * math.log(self.float_a / (self.float_x * c))


class _BetaSide:
    """The exponent a p + b q = -a v - (a + b) log(y + x e^-v)."""

    def __init__(self, a: Any, b: Any, x: Any, y: Any):
        self.a, self.b, self.x, self.y = a, b, x, y
        self.float = tuple(max(float(z), TINY) for z in (a, b, x, y))

    def at(self, v: Any) -> tuple[Any, Any, Any]:
        q = -(self.x * (-v).expm1()).log1p()
        return q - v, q, self.a * (q - v) + self.b * q

    def slope(self, v: Any) -> Any:
        e = self.x * (-v).exp()
        return (self.a + self.b) * (e / (self.y + e)) - self.a

    def ceiling(self, u: Any, c: Any) -> tuple[Any, Any]:
        e = self.x * (-u).exp()
        square = self.y**2 + 2 * c * self.y * e + e**2
        total = self.a + self.b
        return -self.a * u - total * square.log() / 2, total * e * (c * self.y + e) / square - self.a

    def float_ceiling(self, u: float, c: float) -> float:
        a, b, x, y = self.float
        w, e = -x * math.expm1(-u), x * math.exp(-u)
        less = w * (2 - w) + 2 * y * e * (1 - c)
        square = math.log1p(-less) if less < 0.5 else math.log(max(y * y + 2 * c * y * e + e * e, TINY))
        return -a * u - (a + b) / 2 * square

    def top(self, c: float) -> float:
        a, b, x, y = self.float
        m = (b - a) * c
        root = math.sqrt(m * m + 4 * a * b)
        ratio = 2 * a / (m + root) if m > 0 else (root - m) / (2 * b)
        return math.log(x / y) - math.log(ratio)


class _Quadrature:
    """Gauss-Legendre sums of p^j q^k e^exponent over 0 to ``end``, with bounds of the error and of the rest.

    On an ellipse around the interval |p| and |q| are at most |v|, whose moduli of derivative they have at most 1.
    """

    def __init__(self, side: Any):
        self.side = side
        wanted = (ctx.prec + 16) * math.log(2)
        self.end = _where_below(side, -wanted)
        self.half = arb(self.end) / 2
        ratio, points = self._plan(wanted)
        self.error_scale, self.reach = self._error(ratio, points)
        self.sum = [self._term(x, w) for x, w in _gauss(points, ctx.prec)]
        self.points = points
        self.known: dict[tuple[int, int], Any] = {}

    def _plan(self, wanted: float) -> tuple[float, int]:
        """The ratio of the ellipse that promises the fewest points."""
        side, half = self.side, self.end / 2
        best = (math.inf, 0.0)
        for ratio in _RATIOS:
            short = half * (ratio - 1 / ratio) / 2
            if short < 1.5:
                c, long = math.cos(short), half * (ratio + 1 / ratio) / 2
                u = min(max(side.top(c), half - long), half + long)
                height = max(side.float_ceiling(u, c), 0.0)
                best = min(best, ((wanted + height + 8) / (2 * math.log(ratio)) + 2, ratio))
        if best[0] > 20 * ctx.prec:
            raise Undecided("an incomplete function that takes too many points")
        return best[1], 8 * math.ceil(best[0] / 8)

    def _error(self, ratio: float, points: int) -> tuple[Any, Any]:
        """A bound of the error for j = k = 0 and what each p or q multiplies it by (Trefethen 2013, theorem 19.3)."""
        side, half, r = self.side, self.half, arb(ratio)
        long, short = half * (r + 1 / r) / 2, half * (r - 1 / r) / 2
        c = short.cos()
        if not c >= 0:
            raise Undecided
        low, high = (half - long).lower(), (half + long).upper()
        u = arb(min(max(side.top(float(c)), float(low)), float(high)))
        height, slope = side.ceiling(u, c)
        height = height + (slope * (low - u)).max(slope * (high - u))
        error = half * arb(64) / 15 * height.exp() * r ** (-2 * (points - 1)) / (1 - r**-2)
        return error.abs_upper(), high

    def _term(self, x: Any, w: Any) -> tuple[Any, Any, Any]:
        p, q, exponent = self.side.at(self.half * (1 + x))
        return p, q, exponent.exp() * w

    def moment(self, j: int, k: int) -> Any:
        if (j, k) not in self.known:
            total = sum((w * p**j * q**k for p, q, w in self.sum), arb(0)) * self.half
            error = self.error_scale * self.reach ** (j + k) + self._rest(j + k)
            self.known[j, k] = total + arb(0, 1) * error
        return self.known[j, k]

    def _rest(self, k: int) -> Any:
        """The integral of v^k e^exponent from the end on, below the exponent's tangent."""
        end = arb(self.end)
        fall = -self.side.slope(end)
        if not fall > 0:
            raise Undecided
        powers = sum(math.perm(k, i) * end ** (k - i) / fall ** (i + 1) for i in range(k + 1))
        return (self.side.at(end)[2].exp() * powers).abs_upper()


def _where_below(side: Any, depth: float) -> float:
    """About where a falling exponent has come down to ``depth``."""
    low, high = 1e-320, 1e4
    for _ in range(64):
        middle = math.sqrt(low) * math.sqrt(high)
        low, high = (low, middle) if side.float_ceiling(middle, 1.0) < depth else (middle, high)
    return high


@cache
def _gauss(points: int, bits: int) -> list[tuple[Any, Any]]:
    return [arb.legendre_p_root(points, i, weight=True) for i in range(points)]


class _Series:
    """Taylor coefficients of sum_n (s)_n x^n / (a)_{n+1} to s and a (without s: of sum_n x^n / (a)_{n+1}).

    p^j q^k is d^j/da d^k/db, where s = a + b: d/da = d/ds + d/da at fixed s.
    """

    def __init__(self, a: Any, s: Any, x: Any):
        self.a, self.s, self.x, self.order = a, s, x, -1
        self.table: dict[tuple[int, int], Any] = {}

    def moment(self, j: int, k: int) -> Any:
        if j + k > self.order:
            order = max(j + k, 2)
            self.table, self.order = self._taylor(order), order
        if self.s is None:
            return self.table[0, j] * math.factorial(j)
        return sum(
            math.comb(j, i) * self.table[k + i, j - i] * (math.factorial(k + i) * math.factorial(j - i))
            for i in range(j + 1)
        )

    def _taylor(self, order: int) -> dict[tuple[int, int], Any]:
        """Coefficients of s^i a^l, i + l <= order: rising[i] and falling[l] belong to (s)_n x^n and 1/(a)_{n+1}."""
        a, s, x = self.a, self.s, self.x
        degrees = [(i, m) for i in range(order + 1 if s is not None else 1) for m in range(order + 1 - i)]
        rising = [arb(1)] + [arb(0)] * order
        falling = [(-1) ** m / a ** (m + 1) for m in range(order + 1)]
        total = {d: arb(0) for d in degrees}
        enough = arb(2) ** -(ctx.prec + 10)
        for n in range(MOST_TERMS):
            for i, m in degrees:
                total[i, m] += rising[i] * falling[m]
            if n % 8 == 7:
                ratio = self._ratio(n)
                if ratio < 0.999 and rising[0] * falling[0] < enough * (1 - ratio) * total[0, 0]:
                    break
            inverse = 1 / (a + (n + 1))
            falling[0] = falling[0] * inverse
            for m in range(1, order + 1):
                falling[m] = (falling[m] - falling[m - 1]) * inverse
            if s is None:
                rising[0] = rising[0] * x
            else:
                factor = s + n
                for i in range(order, 0, -1):
                    rising[i] = (rising[i] * factor + rising[i - 1]) * x
                rising[0] = rising[0] * factor * x
        else:
            raise Undecided("a hypergeometric series of too many terms")
        error = self._rest(n, rising, falling)
        step = self._radius()
        return {(i, m): t + arb(0, 1) * error / step ** (i + m) for (i, m), t in total.items()}

    def _ratio(self, n: int) -> float:
        """About how fast the terms fall from the n-th on."""
        return float(self._majorant(n, arb(0)))

    def _radius(self) -> Any:
        """Within this distance of a and s, Cauchy's estimate bounds the coefficients of the rest."""
        return arb(min(float(self.a), 1.0)) / 2

    def _majorant(self, n: int, step: Any) -> Any:
        """No ratio of later terms is larger, up to ``step`` away from a and s."""
        below = self.a + (n + 1) - step
        if self.s is None:
            return self.x / below
        return self.x * ((self.s + n + step) / below).max(1)

    def _rest(self, n: int, rising: list[Any], falling: list[Any]) -> Any:
        """The terms after the n-th: a geometric series, times how much (s + step)_n / (a - step)_{n+1} has grown.

        log(1 + z) <= z, and -log(1 - z) <= 1.4 z up to z = 1/2; the coefficients hold the sums of 1/(s+j), 1/(a+j).
        """
        step = self._radius()
        ratio = self._majorant(n, step)
        if not (ratio < 1 and step <= self.a * 0.51 and falling[0] > 0):
            raise Undecided
        growth = arb(7) / 5 * -falling[1] / falling[0]
        if self.s is not None and n > 0:
            growth += rising[1] / rising[0]
        return (rising[0] * falling[0] * (step * growth).exp() * ratio / (1 - ratio)).abs_upper()
