#!/usr/bin/env python3
"""What `edit`, `model export` and `model convert` write loads in transformers and llama.cpp, and they
compute what this program computes: a pruned export the logits of its mask, NMSE at most 1e-6. Blocks
of 256 lose no more than those of ggml's own quantiser."""
import ctypes
import tempfile
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import torch
from transformers import AutoModelForCausalLM

from llama import evaluate, open_model
from suite import FIXTURES, MODELS, case, finish, logits, nmse, run
from model_cases import CASES
from test_pruned import IDS, MOE, mask

LIMIT, QUANTISED_LIMIT = 1e-6, 3e-3
SHORT_LIMIT = 1e-3  # llama.cpp rounds activations to the type of the weights
# Every architecture, and what the two formats say in different words.
FORMATS = ("qwen3_moe", "qwen2_moe", "mixtral", "olmoe", "granitemoe", "llama", "qwen2", "qwen3", "llama-all-biases",
           "granitemoe-fused", "qwen3_moe-fused", "mixtral-linear", "llama-llama3", "qwen3_moe-yarn", "qwen2_moe-bf16")
WIDE = ("q6_k", "q5_k", "q4_k", "q3_k", "q2_k")
worst = {}


def close(what, got, want, limit=LIMIT):
    error = nmse(got, want)
    worst[what] = max(worst.get(what, 0), error)
    assert error <= limit, f"NMSE {error:.1e}"


def by_transformers(folder):
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager",
        output_loading_info=True)
    assert not any(info.values()), info
    with torch.no_grad():
        return model(torch.tensor([IDS])).logits[0].numpy()


def by_ggml(values, kind):
    """A matrix in a type of ggml, by its own quantiser, without an importance matrix."""
    quantise = llama_cpp.llama_cpp._lib.ggml_quantize_chunk
    quantise.restype = ctypes.c_size_t
    quantise.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]
    rows, cols = values.shape
    values = np.ascontiguousarray(values, np.float32)
    out = np.zeros((rows, gguf.quant_shape_to_byte_shape((cols,), kind)[0]), np.uint8)
    assert quantise(kind, values.ctypes.data, out.ctypes.data, 0, rows, cols, None) == out.size
    return out


def errors(scratch):
    """Root mean square of what blocks of 256 lose, ours by ggml's, on distributions that weights have."""
    rng = np.random.default_rng(4)
    shape = (64, 512)
    kinds = {"normal": rng.standard_normal(shape), "laplace": rng.laplace(size=shape), "t4": rng.standard_t(4, shape),
             "uniform": rng.random(shape), "small": 1e-3 * rng.standard_normal(shape),
             "outliers": rng.standard_normal(shape) * np.where(rng.random(shape) < 0.01, 20, 1)}
    model = one_matrix(scratch / "plain.gguf", {n: v.astype(np.float32) for n, v in kinds.items()})
    for kind in WIDE:
        ggml = gguf.GGMLQuantizationType[kind.upper()]
        run("model", "convert", model, "-o", scratch / "k.gguf", "--type", kind, "--force")
        ours = {t.name: t.data for t in gguf.GGUFReader(scratch / "k.gguf").tensors}
        ratios = {}
        for layer, (name, values) in enumerate(kinds.items()):
            values = values.astype(np.float32)
            with case(f"{kind}, {name}: no more is lost than by ggml's quantiser"):
                left, right = (np.sqrt(np.mean((gguf.dequantize(x, ggml) - values) ** 2.0))
                               for x in (ours[f"blk.{layer}.attn_q.weight"], by_ggml(values, ggml)))
                ratios[name] = left / right
                assert left <= 1.005 * right, f"{left:.6f} against {right:.6f}"
        print(f"# {kind}: error by ggml's " + ", ".join(f"{n} {r:.3f}" for n, r in ratios.items()))


def one_matrix(path, matrices, width=512, heads=1):
    """A model of a layer for each matrix [64, 512], which is its query; all else is next to nothing."""
    writer = gguf.GGUFWriter(path, "qwen3")
    for add, value in ((writer.add_block_count, len(matrices)), (writer.add_context_length, 64),
                       (writer.add_embedding_length, width), (writer.add_feed_forward_length, 256),
                       (writer.add_head_count, heads), (writer.add_head_count_kv, heads), (writer.add_key_length, 64),
                       (writer.add_value_length, 64), (writer.add_layer_norm_rms_eps, 1e-6)):
        add(value)
    writer.add_tokenizer_model("no_vocab")
    ones = {"token_embd.weight": (8, width), "output_norm.weight": (width,)}
    for layer, values in enumerate(matrices.values()):
        writer.add_tensor(f"blk.{layer}.attn_q.weight", values)
        for name, shape in (("attn_norm", (width,)), ("attn_k", (64, width)), ("attn_v", (64, width)),
                            ("attn_output", (width, 64)), ("attn_q_norm", (64,)), ("attn_k_norm", (64,)),
                            ("ffn_norm", (width,)), ("ffn_gate", (256, width)), ("ffn_up", (256, width)),
                            ("ffn_down", (width, 256))):
            ones[f"blk.{layer}.{name}.weight"] = shape
    for name, shape in ones.items():
        writer.add_tensor(name, np.ones(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def main():
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for arch, (n, kept) in MOE.items():
            keep = mask(scratch / "keep.json", "keep", dict(enumerate(kept)))
            with case(f"{arch}: the pruned folder in transformers"):
                want = logits(MODELS / arch, IDS, scratch, "--mask", keep)
                run("model", "export", "-m", MODELS / arch, "--mask", keep, "-o", scratch / arch)
                close("transformers", by_transformers(scratch / arch), want)
            with case(f"{arch}: the pruned GGUF in llama.cpp"):
                model = MODELS / f"{arch}.gguf"
                want = logits(model, IDS, scratch, "--mask", keep)
                run("model", "export", "-m", model, "--mask", keep, "-o", scratch / f"{arch}.gguf")
                close("llama.cpp", evaluate(open_model(scratch / f"{arch}.gguf"), IDS), want)
            with case(f"{arch}: an edited model in both"):
                # a copy ties with its original, and who wins is each program's affair: so a mean of two
                words = ("swap", "*:0", "*:1", "insert", f"*:{n}", "*:2", "average", f"*:{n},0", "scale", "*:1", "0.5")
                run("edit", MODELS / arch, "-o", scratch / f"{arch}-e", *words)
                run("edit", MODELS / f"{arch}.gguf", "-o", scratch / f"{arch}-e.gguf", *words)
                want = logits(scratch / f"{arch}-e", IDS, scratch)
                close("transformers", by_transformers(scratch / f"{arch}-e"), want)
                close("llama.cpp", evaluate(open_model(scratch / f"{arch}-e.gguf"), IDS), want)
        for kind in ("q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "bf16", *WIDE):
            with case(f"a file in {kind} in llama.cpp"):
                out = scratch / f"{kind}.gguf"
                run("model", "convert", FIXTURES / "quantised.gguf", "-o", out, "--type", kind)
                close("llama.cpp, quantised", evaluate(open_model(out), IDS), logits(out, IDS, scratch), QUANTISED_LIMIT)
        for one in CASES.values():
            if one.name not in FORMATS:
                continue
            with case(f"{one.name}: the directory as GGUF in llama.cpp, and that as a directory in transformers"):
                want = logits(MODELS / one.name, IDS, scratch)
                run("model", "convert", MODELS / one.name, "-o", scratch / "c.gguf", "--force")
                full = one.dtype == "float32"
                close(f"llama.cpp, converted{'' if full else ', 16 bit'}",
                      evaluate(open_model(scratch / "c.gguf"), IDS), want, LIMIT if full else SHORT_LIMIT)
                run("model", "convert", scratch / "c.gguf", "-o", scratch / "c", "--to", "safetensors", "--force")
                close("transformers, converted", by_transformers(scratch / "c"), want)
        errors(scratch)
    for what, error in worst.items():
        print(f"# {what}: largest NMSE {error:.1e}")
    finish()


if __name__ == "__main__":
    main()
