"""Writes tests/fixtures/quant.bin: random blocks of every weight type and what the `gguf` Python
package makes of them. Run from the repository root; needs numpy and gguf. The output is committed.

Format, little-endian, until the end of the file:
    u32 ggml type number, u32 elements, u32 bytes
    bytes    blocks
    elements f32 values: their bits are what dequantize_row() must give
then, with 0x80000000 added to the type number, rows for quantize_row() to Q8_0, Q5_0, Q4_0, Q4_1, Q5_1:
    elements f32 values, bytes of blocks

A third of the blocks have ordinary scales, a third subnormal ones, the last third the largest that
keep every element finite. Codes and sub-scales are random bytes; in the types with code books every
entry of the book comes up.
"""
import struct

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

# Byte offsets of the binary16 scales in a block; none for MXFP4, whose exponent is random.
SCALES = {
    T.Q4_0: (0,), T.Q4_1: (0, 2), T.Q5_0: (0,), T.Q5_1: (0, 2), T.Q8_0: (0,), T.IQ4_NL: (0,),
    T.MXFP4: (), T.Q2_K: (80, 82), T.Q3_K: (108,), T.Q4_K: (0, 2), T.Q5_K: (0, 2),
    T.Q6_K: (208,), T.IQ4_XS: (0,), T.F16: (), T.BF16: (), T.F32: (),
    T.IQ1_S: (0,), T.IQ1_M: (), T.IQ2_XXS: (0,), T.IQ2_XS: (0,), T.IQ2_S: (0,), T.IQ3_XXS: (0,),
    T.IQ3_S: (0,),
}
BLOCKS = {1: 96, 32: 24, 256: 6}
# Entries of a code book, and how many a block holds.
BOOKS = {T.IQ1_S: (2048, 32), T.IQ1_M: (2048, 32), T.IQ2_XXS: (256, 32), T.IQ2_XS: (512, 32),
         T.IQ2_S: (1024, 32), T.IQ3_XXS: (256, 64), T.IQ3_S: (512, 64)}


def scale(random, kind):
    sign = random.choice([-1.0, 1.0])
    low, high = [(1e-4, 1e-1), (1e-7, 5e-5), (6e4, 65504.0)][kind]
    return np.float16(sign * random.uniform(low, high))


def put_bits(block, at, width, value):
    """Bits at to at + width of a block, its lowest bit first."""
    bits = np.unpackbits(block, bitorder="little")
    bits[at:at + width] = value >> np.arange(width) & 1
    block[:] = np.packbits(bits, bitorder="little")


def put_entry(block, ggml_type, i, entry):
    """Entry i of a block, wherever the type keeps its bits."""
    if ggml_type == T.IQ2_XS:
        put_bits(block, 16 + 16 * i, 9, entry)
        return
    low = {T.IQ1_M: i, T.IQ2_XXS: 2 + 8 * (i // 4) + i % 4}.get(ggml_type, 2 + i)
    block[low] = entry & 255
    at, width = {T.IQ1_S: (272 + 16 * (i // 4) + 3 * (i % 4), 3), T.IQ1_M: (256 + 4 * i, 3),
                 T.IQ2_S: (528 + 2 * i, 2), T.IQ3_S: (528 + i, 1)}.get(ggml_type, (0, 0))
    if width:
        put_bits(block, at, width, entry >> 8)


def put_every_entry(random, data, ggml_type):
    entries, held = BOOKS[ggml_type]
    order = random.permutation(len(data) * held)
    for entry, place in enumerate(order[:entries]):
        put_entry(data[place // held], ggml_type, place % held, entry)


def put_iq1_m_scale(block, half):
    """A quarter of the scale in the highest four bits of each of four words."""
    bits = int(half.view(np.uint16))
    for i in range(4):
        put_bits(block, 8 * 48 + 16 * i + 12, 4, bits >> 4 * i & 15)


def blocks(random, kind_of_block, ggml_type):
    elements, size = GGML_QUANT_SIZES[ggml_type]
    count = BLOCKS[elements]
    if ggml_type in BOOKS:
        count += BOOKS[ggml_type][0] // BOOKS[ggml_type][1]
    data = random.integers(0, 256, (count, size), dtype=np.uint8)
    for i in range(count):
        for at in SCALES[ggml_type]:
            data[i, at:at + 2] = np.frombuffer(scale(random, kind_of_block(i)).tobytes(), np.uint8)
    if ggml_type in BOOKS:
        put_every_entry(random, data, ggml_type)
    for i in range(count if ggml_type == T.IQ1_M else 0):
        put_iq1_m_scale(data[i], scale(random, kind_of_block(i)))
    if ggml_type == T.MXFP4:
        data[:, 0] = [[126, 130, 119][i % 3] if i > 7 else [0, 1, 2, 3, 100, 127, 250, 251][i]
                      for i in range(count)]
    if ggml_type == T.F16:  # NaN has many bit patterns; test_quant walks through all halves
        exponent = data[:, 1] & 0x7C
        data[exponent == 0x7C, 1] ^= 0x40
    if ggml_type == T.BF16:
        data[(data[:, 1] & 0x7F) == 0x7F, 1] ^= 0x40
    if ggml_type == T.F32:
        data[(data[:, 3] & 0x7F) == 0x7F, 3] ^= 0x40
    return data.reshape(1, count * size), count * elements


def main():
    random = np.random.default_rng(20240607)
    with open("tests/fixtures/quant.bin", "wb") as out:
        for ggml_type in SCALES:
            data, elements = blocks(random, lambda i: i % 3, ggml_type)
            values = dequantize(data, ggml_type).astype(np.float32).reshape(-1)
            assert values.size == elements and np.isfinite(values).all(), ggml_type
            out.write(struct.pack("<III", int(ggml_type), elements, data.size))
            out.write(data.tobytes())
            out.write(values.tobytes())
        rows = random.normal(0, 1, (48, 32)).astype(np.float32)
        rows *= np.exp2(random.integers(-30, 16, (48, 1))).astype(np.float32)
        rows[5] = 0
        rows[6, :] = np.arange(32) * 0.5  # ties
        rows[6, 0] = -127
        rows[7, ::2] = rows[7, 1::2]  # pairs of equal magnitude, of like and unlike signs
        rows[8, ::2] = -rows[8, 1::2]
        for ggml_type in (T.Q8_0, T.Q5_0, T.Q4_0, T.Q4_1, T.Q5_1):
            packed = quantize(rows.reshape(1, -1), ggml_type)
            out.write(struct.pack("<III", 0x80000000 + int(ggml_type), rows.size, packed.size))
            out.write(rows.tobytes())
            out.write(packed.tobytes())


main()
