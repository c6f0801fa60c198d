#!/usr/bin/env python3
"""Make random qwen3moe models with a matrix of every weight type: tests/fixtures/quantised.gguf and
quantised-iq.gguf, whose types have code books (and rows of 256).

usage: make_quantised.py [FOLDER]

Types that the gguf package can quantise get normal random weights; for the others (K and IQ types,
MXFP4) the blocks are random bytes with scales set so that the weights have the wanted spread.
Routers are random and sharp, so that routes differ from token to token. There is no reference for
these files but llama.cpp; they show that bytes do not depend on threads, chunks or batches.
"""
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

EXPERTS, USED, VOCAB, KV_HEADS, HEAD_DIM, WIDTH = 5, 2, 67, 1, 64, 256
FIXTURES = Path(__file__).resolve().parent / "fixtures"

# Byte offset and form of the scales in a block, for types that can only be dequantised.
SCALES = {T.Q2_K: ((80, "h"), (82, "h")), T.Q3_K: ((108, "h"),), T.Q4_K: ((0, "h"), (2, "h")),
          T.Q5_K: ((0, "h"), (2, "h")), T.Q6_K: ((208, "h"),), T.IQ4_NL: ((0, "h"),),
          T.IQ4_XS: ((0, "h"),), T.MXFP4: ((0, "e"),), T.IQ1_S: ((0, "h"),), T.IQ1_M: ((48, "q"),),
          T.IQ2_XXS: ((0, "h"),), T.IQ2_XS: ((0, "h"),), T.IQ2_S: ((0, "h"),),
          T.IQ3_XXS: ((0, "h"),), T.IQ3_S: ((0, "h"),)}

# The matrices of each layer: query, key, value, output, gate, up, down.
LAYERS = ((T.Q4_K, T.Q6_K, T.Q2_K, T.Q8_0, T.Q3_K, T.Q5_K, T.Q4_1),
          (T.IQ4_XS, T.Q4_0, T.Q5_0, T.Q5_1, T.MXFP4, T.Q4_K, T.IQ4_NL))
BOOKS = ((T.IQ1_S, T.IQ1_M, T.IQ2_S, T.IQ3_S, T.IQ2_XS, T.IQ2_XXS, T.IQ3_XXS),)


def tensors(heads, ffn, experts):
    """(name, shape) of the matrices of a layer."""
    return (("attn_q", (heads * HEAD_DIM, WIDTH)), ("attn_k", (KV_HEADS * HEAD_DIM, WIDTH)),
            ("attn_v", (KV_HEADS * HEAD_DIM, WIDTH)), ("attn_output", (WIDTH, heads * HEAD_DIM)),
            ("ffn_gate_exps", (experts, ffn, WIDTH)), ("ffn_up_exps", (experts, ffn, WIDTH)),
            ("ffn_down_exps", (experts, WIDTH, ffn)))


def put_scale(raw, offset, form, scale):
    """In all blocks: a half, a half cut into the highest bits of four words, or an exponent."""
    half = np.float16(scale)
    if form == "h":
        raw[:, offset:offset + 2] = np.frombuffer(half.tobytes(), np.uint8)
    elif form == "q":
        quarters = int(half.view(np.uint16)) >> 4 * np.arange(4) & 15
        high = raw[:, offset + 1:offset + 8:2]
        high[:] = high & 15 | (quarters << 4).astype(np.uint8)
    else:  # a power of two, stored with bias 127
        raw[:, offset] = 127 + round(np.log2(scale))


def random_blocks(rng, shape, kind, spread):
    """uint8 [..., bytes of a row]: random quants, scales chosen by looking at the spread."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    raw = rng.integers(0, 256, (int(np.prod(shape)) // block, size), dtype=np.uint8)
    scale = 1.0
    for _ in range(2):  # with unit scales first, then corrected
        for offset, form in SCALES[kind]:
            put_scale(raw, offset, form, scale)
        scale = spread / float(np.std(gguf.dequantize(raw, kind)))
    return raw.reshape(*shape[:-1], shape[-1] // block * size)


def matrix(rng, shape, kind, spread=0.08):
    if kind in SCALES:
        return random_blocks(rng, shape, kind, spread)
    return gguf.quantize((rng.standard_normal(shape) * spread).astype(np.float32), kind)


def write_model(path, rng, layers, embedding, output, heads=3, ffn=32, experts=EXPERTS):
    """layers: the types of `tensors` in each."""
    writer = gguf.GGUFWriter(path, "qwen3moe")
    writer.add_block_count(len(layers))
    writer.add_context_length(2048)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(ffn)
    writer.add_expert_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_expert_count(experts)
    writer.add_expert_used_count(USED)
    writer.add_vocab_size(VOCAB)
    writer.add_tokenizer_model("no_vocab")

    def vector(name, length):
        writer.add_tensor(name, (1 + 0.2 * rng.standard_normal(length)).astype(np.float32))

    def add(name, shape, kind, spread=0.08):
        writer.add_tensor(name, matrix(rng, shape, kind, spread), raw_dtype=kind)

    add("token_embd.weight", (VOCAB, WIDTH), embedding, 0.5)
    vector("output_norm.weight", WIDTH)
    add("output.weight", (VOCAB, WIDTH), output)
    for layer, kinds in enumerate(layers):
        block = f"blk.{layer}."
        for name, length in (("attn_norm", WIDTH), ("attn_q_norm", HEAD_DIM),
                             ("attn_k_norm", HEAD_DIM), ("ffn_norm", WIDTH)):
            vector(f"{block}{name}.weight", length)
        router = rng.standard_normal((experts, WIDTH)) * 0.2
        writer.add_tensor(block + "ffn_gate_inp.weight", router.astype(np.float32))
        for (name, shape), kind in zip(tensors(heads, ffn, experts), kinds):
            add(f"{block}{name}.weight", shape, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_of_books(path, layers=BOOKS, embedding=T.IQ3_S, output=T.IQ2_S):
    """Rows of 256 everywhere, since such types have no smaller blocks."""
    write_model(path, np.random.default_rng(12), layers, embedding, output, 4, 256, 3)


def main():
    folder = Path(sys.argv[1]) if sys.argv[1:] else FIXTURES
    write_model(folder / "quantised.gguf", np.random.default_rng(11), LAYERS, T.Q8_0, T.Q6_K)
    write_of_books(folder / "quantised-iq.gguf")


if __name__ == "__main__":
    main()
