r"""Maximum likelihood for the centre and the scale matrix of a multivariate t distribution of n degrees of freedom.

In the frame of an estimate, :math:`z = L^{-1}(x - m)` with :math:`L L^\top = S`, let :math:`\zeta = (z, 1)` and
:math:`w = (n + D) / (n + z^\top z)`. The score equations say that the mean of :math:`w \zeta \zeta^\top` is the
identity: its last entry, that of w, is so when the others are. A move by the symmetric matrix

.. math:: Y = \begin{pmatrix} E & a \\ a^\top & 0 \end{pmatrix}, \qquad m + L a, \quad L e^E L^\top,

changes minus the mean log likelihood by :math:`\tfrac12 \langle Y, I - \overline{w \zeta \zeta^\top} \rangle` and to
second order by half of :math:`\tfrac12 \overline{w |Y\zeta|^2} - \tfrac1{2(n+D)} \overline{w^2 (\zeta^\top Y\zeta)^2}`.
This is not negative for n >= 1 since :math:`w \zeta^\top \zeta \le n + D`: along such curves in the cone of positive
definite matrices of D + 1 dimensions the function is convex.

Few points of which one lies far out, or all next to a line, determine each other so closely that the cotangents cancel.
Therefore the last step of Newton's method and all that follows it is computed with twice the digits, as columns of
pairs, one for each coordinate.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from refengine.distributions import _matrix
from refengine.distributions import _twice as twice
from refengine.distributions._twice import Pair
from refengine.domains import Array
from refengine.special._saddle_point import sum_error

_STEPS, _HALVINGS, _POLISH, _REFINED = 200, 30, 2, 4
_SINGULAR = 1e-12


class Fit(NamedTuple):
    """The estimate in a unit and from an origin, the factor at which the frame is, and what is left to move.

    In columns of pairs: the data less the centre; z and w, of the frame after the move.
    """

    origin: Array
    unit: Array
    centre: Array
    factor: Array
    spread: Array
    d: list[Pair]
    z: list[Pair]
    w: Pair


def fit(xp: Any, x: Array, n: Array) -> Fit | None:
    """Newton's method from the mean and the covariance; None when the scale matrix becomes singular."""
    rows, size = x.shape
    if rows <= size or not bool(xp.all(xp.isfinite(x)) & (n >= 1) & (n < xp.inf)):
        return None
    origin, unit, y, below = _scaled(xp, x)
    centre, factor = _start(xp, y)
    least = _SINGULAR * xp.abs(_matrix.diagonal(xp, factor))
    if not bool(xp.all(least > _SINGULAR**2)):
        return None
    best = _cost(xp, y, n, centre, factor)
    for _ in range(_STEPS):
        move = _newton(xp, y, n, centre, factor)
        small = bool(xp.max(xp.abs(move)) < 1e-7)
        move = move / xp.maximum(xp.max(xp.abs(move)), 1.0)
        better = False
        for _ in range(_HALVINGS):
            moved = _moved(xp, centre, factor, move)
            cost = _cost(xp, y, n, *moved)
            if better := bool(cost <= best):
                (centre, factor), best = moved, cost
                break
            move = move / 2
        if small or not better or not bool(xp.all(xp.abs(_matrix.diagonal(xp, factor)) > least)):
            break
    for _ in range(_POLISH):
        move = _newton(xp, y, n, centre, factor)
        centre, factor = _moved(xp, centre, factor, move)
    if not bool(xp.all(xp.abs(_matrix.diagonal(xp, factor)) > least) & (xp.max(xp.abs(move)) < 1e-6)):
        return None
    return _finished(xp, origin, unit, (y, below), n, centre, factor)


def estimate(xp: Any, x: Array, found: Fit | None) -> tuple[Array, Array]:
    """The centre and the scale matrix, as weighted means."""
    rows, size = x.shape
    if found is None:
        return xp.full(size, xp.nan), xp.full((size, size), xp.nan)
    means = [[_total(xp, _times(found.w, _times(a, b)))[0] / rows for a in found.d] for b in found.d]
    scale = xp.stack([xp.stack(row) for row in means])
    return found.origin + found.unit * found.centre, scale * _matrix.outer(found.unit, found.unit)


def cotangents(
    xp: Any, x: Array, found: Fit | None, n: Array, to_centre: Array, to_scale: Array
) -> tuple[Array, Array]:
    r"""Those of the data and of n, by the implicit function theorem.

    The inverse Y of the second derivatives times the cotangents in the frame is 2B and a smaller part, as the mean of
    :math:`w \zeta \zeta^\top` is the identity. With :math:`d_k = x_k - m`, :math:`a_k = S^{-1} d_k` and
    :math:`f_k = \zeta_k^\top Y \zeta_k`, to which 2B contributes :math:`2 (d_k^\top g_S d_k + g_m^\top d_k)`,

    .. math:: \bar x_k = \frac{w_k}N \left( 2 g_S d_k + g_m + \frac1{n+D} \left[ \frac1N \sum_l w_l^2 f_l
              (\zeta_l^\top \zeta_k) a_l - w_k f_k a_k \right] \right),
              \qquad \bar n = \frac1{2N} \sum_k \frac{z_k^\top z_k - D}{(n + z_k^\top z_k)^2} \, f_k
    """
    rows, size = x.shape
    if found is None:
        return x * xp.nan, xp.asarray(xp.nan, dtype=x.dtype)
    d, z, w = found.d, found.z, found.w
    to_centre = to_centre * found.unit
    to_scale = _matrix.symmetric(xp, to_scale) * _matrix.outer(found.unit, found.unit)
    own = [twice.single(to_centre[i] + 0 * w[0]) for i in range(size)]
    turned = [_sum([twice.scaled(d[j], 2 * to_scale[i, j] + 0 * w[0]) for j in range(size)]) for i in range(size)]
    form = _sum([_times(d[i], twice.add(turned[i], _doubled(own[i]))) for i in range(size)])  # of 2B
    f = twice.add(form, _rest(xp, n, z, w, form))
    weight = _times(w, f)
    a = _upper_solved(found.factor, found.spread, z)
    zeta, scale = [*z, _ones(w)], _above(n, size, w)
    pulls = []
    for i in range(size):
        each = _times(_times(w, weight), a[i])
        mixed = [_total(xp, _times(each, c)) for c in zeta]
        bent = _sum([_times(_spread(m, w), c) for m, c in zip(mixed, zeta, strict=True)])
        bent = twice.quotient(bent, twice.single(rows + 0 * w[0]))
        bent = twice.quotient(twice.add(bent, _minus(_times(weight, a[i]))), scale)
        pull = _times(w, twice.add(twice.add(turned[i], own[i]), bent))
        pulls.append(pull[0] / rows / found.unit[i])
    q = _sum([twice.square(c) for c in z])
    below = twice.add(twice.single(n + 0 * w[0]), q)
    lack = twice.quotient(twice.quotient(twice.add(q, twice.single(0 * w[0] - size)), below), below)
    return xp.stack(pulls, axis=-1), _total(xp, _times(lack, f))[0] / (2 * rows)


def _rest(xp: Any, n: Array, z: list[Pair], w: Pair, form: Pair) -> Pair:
    r"""What Y less 2B contributes to f: the same equations with the mean of :math:`w^2 f \zeta\zeta^\top` over n + D.

    Their matrix is half the identity less a mean; its inverse in float64 is refined to twice the digits.
    """
    rows, size = w[0].shape[0], len(z)
    pairs, zeta = _pairs(size), [*z, _ones(w)]
    squares = [_times(zeta[i], zeta[j]) for i, j in pairs]
    squares = [s if i == j else _doubled(s) for s, (i, j) in zip(squares, pairs, strict=True)]
    heavy, scale = _times(w, w), _above(n, size, w)

    def pushed(u: Pair) -> list[Pair]:
        load = twice.quotient(_times(heavy, u), scale)
        return [_total(xp, _times(load, s)) for s in squares]

    high = xp.stack([c[0] for c in z], axis=-1)
    factor = _matrix.cholesky(xp, _bends(xp, _basis(xp, size, high), high, w[0], n))
    wanted = pushed(form)
    found = [twice.single(0 * t[0]) for t in wanted]
    spread = twice.single(0 * w[0])
    for _ in range(_REFINED):
        given = pushed(spread)
        left = []
        for t, r, u, (i, j) in zip(wanted, found, given, pairs, strict=True):
            own = twice.scaled(r, (1 if i == j else 2) * rows + 0 * r[0])
            left.append(twice.add(twice.add(t, u), _minus(own))[0] / (2 * rows))
        step = _matrix.solve_upper(xp, factor, _matrix.solve_lower(xp, factor, xp.stack(left)))
        found = [twice.add(r, twice.single(step[k])) for k, r in enumerate(found)]
        spread = _sum([_times(_spread(r, w), s) for r, s in zip(found, squares, strict=True)])
    return spread


def _finished(xp: Any, origin: Array, unit: Array, y: Pair, n: Array, centre: Array, factor: Array) -> Fit:
    """Newton's last move, from residuals with twice the digits; z is moved with the frame."""
    rows, size = y[0].shape
    d = [twice.add((y[0][:, i], y[1][:, i]), twice.single(0 * y[0][:, i] - centre[i])) for i in range(size)]
    z = _lower_solved(factor, d)
    w = _weights(n, z)
    zeta, lack = [*z, _ones(w)], []
    for i, j in _pairs(size):
        total = _total(xp, _times(w, _times(zeta[i], zeta[j])))
        rest = twice.add(twice.single(0 * total[0] + (rows if i == j else 0)), _minus(total))[0] / rows
        lack.append(rest / 2 if i == j else rest)
    high = xp.stack([c[0] for c in z], axis=-1)
    basis = _basis(xp, size, high)
    move = -_solved(xp, _bends(xp, basis, high, w[0], n), xp.stack(lack))
    spread = xp.sum(move[size:, None, None] * basis[size:, :size, :size], axis=0) / 2
    shift = xp.matmul(factor, move[:size])
    change = xp.matmul(high, spread) + move[:size]
    z = [twice.add(c, twice.single(-change[:, i])) for i, c in enumerate(z)]
    d = [twice.add(c, twice.single(0 * c[0] - shift[i])) for i, c in enumerate(d)]
    return Fit(origin, unit, centre + shift, factor, spread, d, z, _weights(n, z))


def _pairs(size: int) -> list[tuple[int, int]]:
    return [(size, i) for i in range(size)] + [(i, j) for i in range(size) for j in range(i + 1)]


def _above(n: Array, size: int, like: Pair) -> Pair:
    """The sum of n and D, exactly."""
    n = n + 0 * like[0]
    return n + size, sum_error(n, size + 0 * n)


def _weights(n: Array, z: list[Pair]) -> Pair:
    below = twice.add(twice.single(n + 0 * z[0][0]), _sum([twice.square(c) for c in z]))
    return twice.quotient(_above(n, len(z), z[0]), below)


def _lower_solved(factor: Array, b: list[Pair]) -> list[Pair]:
    found: list[Pair] = []
    for i, c in enumerate(b):
        for j in range(i):
            c = twice.add(c, _minus(twice.scaled(found[j], factor[i, j] + 0 * c[0])))
        found.append(twice.quotient(c, twice.single(factor[i, i] + 0 * c[0])))
    return found


def _upper_solved(factor: Array, spread: Array, z: list[Pair]) -> list[Pair]:
    """``L^-T (1 + spread)^-1 z``, spread a last move."""
    size, found = len(z), list(z)
    for i in reversed(range(size)):
        c = z[i]
        for j in range(size):
            c = twice.add(c, _minus(twice.scaled(z[j], spread[i, j] + 0 * c[0])))
        for j in range(i + 1, size):
            c = twice.add(c, _minus(twice.scaled(found[j], factor[j, i] + 0 * c[0])))
        found[i] = twice.quotient(c, twice.single(factor[i, i] + 0 * c[0]))
    return found


def _times(x: Pair, y: Pair) -> Pair:
    high, low = twice.product(x[0], y[0])
    return twice.settled(high, low + (x[0] * y[1] + x[1] * y[0]))


def _sum(terms: list[Pair]) -> Pair:
    first, *others = terms
    for term in others:
        first = twice.add(first, term)
    return first


def _total(xp: Any, x: Pair) -> Pair:
    """The sum over the rows, a number."""
    high, low = twice.total(xp, x)
    return high[0], low[0]


def _spread(x: Pair, like: Pair) -> Pair:
    return x[0] + 0 * like[0], x[1] + 0 * like[0]


def _minus(x: Pair) -> Pair:
    return -x[0], -x[1]


def _doubled(x: Pair) -> Pair:
    return 2 * x[0], 2 * x[1]


def _ones(like: Pair) -> Pair:
    return 1 + 0 * like[0], 0 * like[0]


def _scaled(xp: Any, x: Array) -> tuple[Array, Array, Array, Array]:
    """A point in the middle, powers of two near the coordinates' largest differences to it, and the differences."""
    median = xp.sort(x, axis=0)[x.shape[0] // 2, :]
    away = xp.abs(x / 2 - median / 2)
    origin = x[int(xp.argmin(xp.sum(away / xp.max(away, axis=0), axis=-1))), :]
    largest = xp.max(xp.abs(x - origin), axis=0)
    unit = 2.0 ** xp.clip(xp.round(xp.log2(largest)), -1000.0, 1000.0)
    return origin, unit, (x - origin) / unit, sum_error(x, -origin + 0 * x) / unit


def _start(xp: Any, y: Array) -> tuple[Array, Array]:
    """The mean and a factor of the covariance; where the points lie in a plane, to rounding, its diagonal has a 0."""
    centre = xp.sum(y, axis=0) / y.shape[0]
    _, upper = xp.linalg.qr(y - centre)
    return centre, _matrix.transposed(xp, upper) / y.shape[0] ** 0.5


def _weighted(xp: Any, y: Array, n: Array, centre: Array, factor: Array) -> tuple[Array, Array]:
    z = _matrix.solve_lower(xp, factor, y - centre)
    return z, (n + y.shape[1]) / (n + xp.sum(z * z, axis=-1))


def _cost(xp: Any, y: Array, n: Array, centre: Array, factor: Array) -> Array:
    z, _ = _weighted(xp, y, n, centre, factor)
    spread = xp.sum(xp.log1p(xp.sum(z * z, axis=-1) / n)) / y.shape[0]
    return xp.sum(xp.log(xp.abs(_matrix.diagonal(xp, factor)))) + (n + y.shape[1]) / 2 * spread


def _newton(xp: Any, y: Array, n: Array, centre: Array, factor: Array) -> Array:
    """Newton's move in the coordinates of `_basis`."""
    z, w = _weighted(xp, y, n, centre, factor)
    zeta, basis = _extended(xp, z), _basis(xp, z.shape[1], z)
    rest = xp.eye(zeta.shape[1], dtype=z.dtype) - xp.matmul(xp.matrix_transpose(w[:, None] * zeta), zeta) / z.shape[0]
    return -_solved(xp, _bends(xp, basis, z, w, n), xp.sum(basis * rest, axis=(-2, -1)) / 2)


def _moved(xp: Any, centre: Array, factor: Array, move: Array) -> tuple[Array, Array]:
    """``m + L a`` and the factor of ``L (1 + E/2)^2 L^T``."""
    size = centre.shape[0]
    parts = move[size:, None, None] * _basis(xp, size, factor)[size:, :size, :size]
    change = xp.eye(size, dtype=factor.dtype) + xp.sum(parts, axis=0) / 2
    root = _matrix.cholesky(xp, _matrix.with_transpose(xp, change))
    return centre + xp.matmul(factor, move[:size]), xp.matmul(factor, root)


def _extended(xp: Any, z: Array) -> Array:
    return xp.concat([z, xp.ones_like(z[:, :1])], axis=-1)


def _basis(xp: Any, size: int, like: Array) -> Array:
    """Symmetric matrices of size + 1: those of a, and those of the lower triangle of E."""
    one = xp.eye(size + 1, dtype=like.dtype)
    found = []
    for i, j in _pairs(size):
        half = _matrix.outer(one[i, :], one[j, :])
        found.append(half if i == j else half + xp.matrix_transpose(half))
    return xp.stack(found)


def _bends(xp: Any, basis: Array, z: Array, w: Array, n: Array) -> Array:
    """The second derivatives in the coordinates of the basis."""
    zeta, count = _extended(xp, z), basis.shape[0]
    turned = xp.matmul(zeta, basis)  # (basis, rows, size + 1)
    forms = xp.sum(turned * zeta, axis=-1) * w
    flat = xp.reshape(turned * xp.sqrt(w)[:, None], (count, -1))
    square = _matrix.with_transpose(xp, flat) - _matrix.with_transpose(xp, forms) / (n + z.shape[1])
    return square / (2 * z.shape[0])


def _solved(xp: Any, bends: Array, b: Array) -> Array:
    factor = _matrix.cholesky(xp, bends)
    return _matrix.solve_upper(xp, factor, _matrix.solve_lower(xp, factor, b))
