"""What tiles are made with, in float32 and float64: a matrix product that adds.

It is written here and not left to a BLAS: tiles are so small that a BLAS spends half of its time on copies
into its own layout, and it may start threads of its own. A block of the result, 4 rows by up to 3 vectors, stays in
registers while the sum runs; every element is a sum in the order of its index, whatever the number of threads.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from refengine.backends.numba._exponential import contracted


def _block(rows: int, vectors: int) -> Any:
    """``c[i:i+rows, j:j+width] += a[i:i+rows] @ b[:, j:j+width]``, where the width is that of so many vectors."""

    @intrinsic
    def add_block(_, c, a, b, i, j):
        def generate(context, builder, signature, arguments):
            given = zip(signature.args[:3], arguments, strict=False)
            arrays = [context.make_array(kind)(context, builder, array) for kind, array in given]
            real, size = context.get_data_type(c.dtype), c.dtype.bitwidth // 8
            vector, lanes = ir.VectorType(real, 32 // size), ir.VectorType(ir.IntType(32), 32 // size)
            (c_row, c_column), (a_row, a_column), (b_row, b_column) = (
                cgutils.unpack_tuple(builder, array.strides, 2) for array in arrays
            )

            def further(pointer, by, times=None):
                return builder.gep(pointer, [by if times is None else builder.mul(by, times)])

            _, _, _, i, j = arguments
            starts = [builder.bitcast(array.data, ir.IntType(8).as_pointer()) for array in arrays]
            c_rows = [further(further(starts[0], c_row, i), c_column, j)]
            a_rows = [further(starts[1], a_row, i)]
            b_start = further(starts[2], b_column, j)
            for _ in range(rows - 1):
                c_rows.append(further(c_rows[-1], c_row))
                a_rows.append(further(a_rows[-1], a_row))

            def load(pointer, kind):
                found = builder.load(builder.bitcast(pointer, kind.as_pointer()))
                found.align = size
                return found

            bytes_of_vectors = [ir.Constant(ir.IntType(64), 32 * v) for v in range(vectors)]
            sums = [
                [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(vectors)]
                for _ in range(rows)
            ]
            with cgutils.for_range(builder, builder.extract_value(arrays[1].shape, 1)) as loop:
                row = further(b_start, b_row, loop.index)
                of_b = [load(further(row, by), vector) for by in bytes_of_vectors]
                for of_row, start in zip(sums, a_rows, strict=True):
                    number = load(further(start, a_column, loop.index), real)
                    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.IntType(32)(0))
                    of_a = builder.shuffle_vector(first, first, ir.Constant(lanes, None))
                    for total, value in zip(of_row, of_b, strict=True):
                        term = builder.fmul(of_a, value, flags=("contract",))
                        builder.store(builder.fadd(builder.load(total), term, flags=("contract",)), total)
            for of_row, start in zip(sums, c_rows, strict=True):
                for total, by in zip(of_row, bytes_of_vectors, strict=True):
                    place = further(start, by)
                    value = builder.fadd(load(place, vector), builder.load(total))
                    builder.store(value, builder.bitcast(place, vector.as_pointer())).align = size
            return context.get_dummy_value()

        return types.void(c, a, b, i, j), generate

    return add_block


_four_by_3, _four_by_2, _four_by_1 = (_block(4, vectors) for vectors in (3, 2, 1))
_one_by_3, _one_by_2, _one_by_1 = (_block(1, vectors) for vectors in (3, 2, 1))


@contracted
def accumulate(c: Any, a: Any, b: Any) -> None:
    """``c += a @ b``; the rows of b and c are in C order, a in any."""
    (rows, columns), lanes = c.shape, 32 // c.itemsize
    fours, j = rows - rows % 4, 0
    while columns - j >= lanes:
        if columns - j >= 3 * lanes:
            for i in range(0, fours, 4):
                _four_by_3(c, a, b, i, j)
            for i in range(fours, rows):
                _one_by_3(c, a, b, i, j)
            j += 3 * lanes
        elif columns - j >= 2 * lanes:
            for i in range(0, fours, 4):
                _four_by_2(c, a, b, i, j)
            for i in range(fours, rows):
                _one_by_2(c, a, b, i, j)
            j += 2 * lanes
        else:
            for i in range(0, fours, 4):
                _four_by_1(c, a, b, i, j)
            for i in range(fours, rows):
                _one_by_1(c, a, b, i, j)
            j += lanes
    for column in range(j, columns):
        for i in range(rows):
            total = c.dtype.type(0)
            for d in range(a.shape[1]):
                total += a[i, d] * b[d, column]
            c[i, column] += total


@contracted
def transpose(out: Any, x: Any, factor: Any) -> None:
    """``out = factor * x.T``."""
    for r in range(x.shape[0]):
        for d in range(x.shape[1]):
            out[d, r] = factor * x[r, d]
