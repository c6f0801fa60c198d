#!/usr/bin/env python3
"""Write a GGUF of the shape of Qwen3-30B-A3B in Q4_K, whose weights are a hole in the file.

usage: make_sparse.py OUT [--layers 48]

The header is whole and valid, 17 GB of weights are one hole: it opens on any disk, and shows what
opening costs. Running it would give zeros.
"""
import argparse

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

WIDTH, FFN, HEADS, KV_HEADS, HEAD_DIM, EXPERTS, USED, VOCAB = 2048, 768, 32, 4, 128, 128, 8, 151936


def tensors(layers, kind=T.Q4_K, output=T.Q6_K):
    """(name, shape, type) of every tensor."""
    yield "token_embd.weight", (VOCAB, WIDTH), kind
    yield "output_norm.weight", (WIDTH,), T.F32
    yield "output.weight", (VOCAB, WIDTH), output
    for layer in range(layers):
        block = f"blk.{layer}."
        yield block + "attn_norm.weight", (WIDTH,), T.F32
        yield block + "attn_q.weight", (HEADS * HEAD_DIM, WIDTH), kind
        yield block + "attn_k.weight", (KV_HEADS * HEAD_DIM, WIDTH), kind
        yield block + "attn_v.weight", (KV_HEADS * HEAD_DIM, WIDTH), kind
        yield block + "attn_output.weight", (WIDTH, HEADS * HEAD_DIM), kind
        yield block + "attn_q_norm.weight", (HEAD_DIM,), T.F32
        yield block + "attn_k_norm.weight", (HEAD_DIM,), T.F32
        yield block + "ffn_norm.weight", (WIDTH,), T.F32
        yield block + "ffn_gate_inp.weight", (EXPERTS, WIDTH), T.F32
        yield block + "ffn_gate_exps.weight", (EXPERTS, FFN, WIDTH), kind
        yield block + "ffn_up_exps.weight", (EXPERTS, FFN, WIDTH), kind
        yield block + "ffn_down_exps.weight", (EXPERTS, WIDTH, FFN), kind


def start(path, layers, *kinds):
    """A writer whose header, metadata and tensor table are on disk, and its tensors."""
    writer = gguf.GGUFWriter(path, "qwen3moe")
    writer.add_block_count(layers)
    writer.add_context_length(40960)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(6144)
    writer.add_expert_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_expert_count(EXPERTS)
    writer.add_expert_used_count(USED)
    writer.add_vocab_size(VOCAB)
    writer.add_tokenizer_model("no_vocab")
    listed = list(tensors(layers, *kinds))
    for name, shape, kind in listed:
        block, size = gguf.GGML_QUANT_SIZES[kind]
        count = int(np.prod(shape)) // block * size
        if kind == T.F32:
            writer.add_tensor_info(name, shape, np.dtype(np.float32), count)
        else:
            stored = (*shape[:-1], shape[-1] // block * size)
            writer.add_tensor_info(name, stored, np.dtype(np.uint8), count, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    return writer, listed


def write_sparse(path, layers=48):
    """Returns the size of the file in bytes."""
    writer, listed = start(path, layers)
    writer.close()
    with open(path, "r+b") as file:
        end = file.seek(0, 2)
        end += -end % 32
        for _, shape, kind in listed:
            block, size = gguf.GGML_QUANT_SIZES[kind]
            count = int(np.prod(shape)) // block * size
            end += count + -count % 32
        file.truncate(end)
    return end


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out")
    parser.add_argument("--layers", type=int, default=48)
    args = parser.parse_args()
    print(write_sparse(args.out, args.layers), "bytes")
