#!/usr/bin/env python3
"""Write kernels/iq_grids.c: the code books of the IQ types, from the `gguf` Python package.

usage: make_iq_grids.py [--check]      (--check: compare with what is there, write nothing)

An element of a book is a step of a short ladder (see kernels/iq.h), so an entry packs into 16 bits:
eight steps of two bits or four of three, the first element lowest. Four entries stand in one
64-bit number, the first in the highest digits, so that a line reads from left to right.
"""
import sys
from pathlib import Path

import numpy as np
from gguf.quants import IQ1_S, IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS

OUT = Path(__file__).resolve().parent.parent / "kernels" / "iq_grids.c"
BOOKS = {"IQ1": IQ1_S, "IQ2_XXS": IQ2_XXS, "IQ2_XS": IQ2_XS, "IQ2_S": IQ2_S,
         "IQ3_XXS": IQ3_XXS, "IQ3_S": IQ3_S}

HEAD = """\
/* iq_grids.c - the code books of the IQ types: see iq.h. Written by tests/make_iq_grids.py.
 *
 * An entry is packed into 16 bits: eight steps of two bits, or four of four bits, the first element
 * lowest. R() holds four entries, the first in the highest digits. The compiler turns the steps into
 * the bytes that they stand for.
 */
#include "iq.h"

/* clang-format off */
"""

TAIL = """\
/* ---- from steps to bytes ------------------------------------------------------------------------ */

/* Entry i, 0 to 3, of a number. */
#define ENTRY(row, i) ((row) >> (48 - 16 * (i)) & 0xFFFFull)

/* Eight fields of two bits, four fields of four: one in each byte. */
#define SPREAD2(e)                                                                               \\
    (((e) & 3) | ((e) & 0xCull) << 6 | ((e) & 0x30ull) << 12 | ((e) & 0xC0ull) << 18 |           \\
     ((e) & 0x300ull) << 24 | ((e) & 0xC00ull) << 30 | ((e) & 0x3000ull) << 36 |                 \\
     ((e) & 0xC000ull) << 42)
#define SPREAD4(e) (((e) & 15) | ((e) & 0xF0u) << 4 | ((e) & 0xF00u) << 8 | ((e) & 0xF000u) << 12)

/* The ladders: 0 8 16 (IQ1), 8 25 43 (IQ2), 4 12 .. 52 62 (IQ3_XXS), 1 3 .. 15 (IQ3_S). */
#define BYTES_IQ1(e) (8 * SPREAD2(e))
#define BYTES_IQ2(e) \\
    (0x0808080808080808ull + 17 * SPREAD2(e) + (SPREAD2(e) >> 1 & 0x0101010101010101ull))
#define BYTES_IQ3_XXS(e) \\
    (uint32_t)(0x04040404u + 8 * SPREAD4(e) + ((SPREAD4(e) + 0x01010101u) >> 2 & 0x02020202u))
#define BYTES_IQ3_S(e) (uint32_t)(0x01010101u + 2 * SPREAD4(e))

#define FOUR(bytes, row) \\
    bytes(ENTRY(row, 0)), bytes(ENTRY(row, 1)), bytes(ENTRY(row, 2)), bytes(ENTRY(row, 3))
#define ROW_IQ1(row) FOUR(BYTES_IQ1, row),
#define ROW_IQ2(row) FOUR(BYTES_IQ2, row),
#define ROW_IQ3_XXS(row) FOUR(BYTES_IQ3_XXS, row),
#define ROW_IQ3_S(row) FOUR(BYTES_IQ3_S, row),
#define ROW_STEPS(row) FOUR((uint16_t), row),

const uint64_t iq1_grid[2048] = {IQ1(ROW_IQ1)};
const uint64_t iq2_xxs_grid[256] = {IQ2_XXS(ROW_IQ2)};
const uint64_t iq2_xs_grid[512] = {IQ2_XS(ROW_IQ2)};
const uint64_t iq2_s_grid[1024] = {IQ2_S(ROW_IQ2)};
const uint32_t iq3_xxs_grid[256] = {IQ3_XXS(ROW_IQ3_XXS)};
const uint32_t iq3_s_grid[512] = {IQ3_S(ROW_IQ3_S)};
const uint16_t iq3_xxs_steps[256] = {IQ3_XXS(ROW_STEPS)};
const uint16_t iq3_s_steps[512] = {IQ3_S(ROW_STEPS)};
"""


def entries(kind):
    """The book as 16-bit numbers."""
    kind.init_grid()
    grid = np.asarray(kind.grid).reshape(kind.grid_shape)
    ladder = np.array(kind.grid_map, dtype=np.float32)
    steps = np.abs(grid[..., None] - ladder).argmin(axis=-1)
    assert (ladder[steps] == grid).all()
    width = 16 // grid.shape[1]
    return (steps << (width * np.arange(grid.shape[1]))).sum(axis=1)


def macro(name, kind):
    numbers = entries(kind).reshape(-1, 4)
    rows = ["R(0x" + "".join(f"{n:04X}" for n in four) + ")" for four in numbers]
    lines = [" ".join(rows[i:i + 4]) for i in range(0, len(rows), 4)]
    return f"#define {name}(R) \\\n    " + " \\\n    ".join(lines) + "\n\n"


def main():
    text = HEAD + "".join(macro(name, kind) for name, kind in BOOKS.items()) + TAIL
    if sys.argv[1:] == ["--check"]:
        if OUT.read_text() != text:
            sys.exit(f"{OUT} differs from what the gguf package says")
    else:
        OUT.write_text(text)


main()
