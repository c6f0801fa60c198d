#!/usr/bin/env python3
"""Write the random file that `make bench` times: Qwen3-30B-A3B's shape with fewer layers, Q4_K.

usage: make_timing_model.py OUT [--layers 12] [--type IQ2_XS]      (12 layers of Q4_K: 4.6 GB)

With --type all matrices are of that type; without it, the output matrix is Q6_K, as in usual files.

Weights have a spread of about 0.02, so routes are near uniform: the worst case for caches and for
the number of distinct experts that several passes touch. Every expert has bytes of its own.
"""
import argparse
import os

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

from make_quantised import SCALES, random_blocks
from make_sparse import start


def write_timing_model(path, layers=12, kinds=(T.Q4_K, T.Q6_K)):
    rng = np.random.default_rng(5)
    part = f"{path}.part"
    writer, listed = start(part, layers, *kinds)
    pools = {kind: random_blocks(rng, (64, 256, 256), kind, 0.02) for kind in kinds}
    for name, shape, kind in listed:
        if kind == T.F32:
            flat = len(shape) == 1
            data = np.ones(shape) if flat else 0.02 * rng.standard_normal(shape)
            writer.write_tensor_data(data.astype(np.float32))
            continue
        block, size = gguf.GGML_QUANT_SIZES[kind]
        pool = pools[kind].reshape(-1, size)  # blocks, drawn anew for every tensor
        count = int(np.prod(shape)) // block
        starts = rng.integers(0, len(pool) - 512, -(-count // 512))
        data = np.concatenate([pool[s:s + 512] for s in starts])[:count]
        writer.write_tensor_data(data.reshape(*shape[:-1], -1))
    writer.close()
    os.replace(part, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--type", choices=[kind.name for kind in SCALES])
    args = parser.parse_args()
    write_timing_model(args.out, args.layers, *([[T[args.type]] * 2] if args.type else []))
