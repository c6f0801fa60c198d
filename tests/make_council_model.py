#!/usr/bin/env python3
"""Make tests/fixtures/council: a tiny random mixture of experts that can be talked to; and
tests/fixtures/thinker: the same weights with a vocabulary and a template that open a thought.

usage: make_council_model.py [--check] [FOLDER]     both models in FOLDER, default tests/fixtures
  --check   remake into a temporary folder and compare with the committed files, byte for byte.

qwen3_moe, 2 layers, 8 experts of which 3 a token, ChatML, and a byte-level BPE tokenizer with every
byte, a few English merges and the three special tokens, so that any text can be read and written.
It speaks noise. The output row of <|im_end|> is louder than the others, so that answers end, and
each at its own length. Weights are float16 from a
fixed seed: the same bytes each time.
"""
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from council_model import SPECIALS, byte_alphabet, tokenizer
from council_model import TEMPLATE as CHATML

OUT = Path(__file__).resolve().parent / "fixtures"
MERGES = ["t h", "th e", "Ġ the", "Ġ a", "i n", "o n", "e r", "a n", "Ġa n", "Ġan d", "o r", "e n",
          "i s", "Ġ is", "y e", "ye s", "n o", "c o", "co d", "cod e", ". Ċ", "s e", "u s", "us er"]
TEMPLATE = CHATML.replace("\\n", "\n")
# The thinker's marks take the places of the last two merges, so that all other ids stay.
MARKS = ["<think>", "</think>"]
OPENING = TEMPLATE.replace("assistant\n'", "assistant\n<think>\n'")
WIDTH, LAYERS, HEADS, KV_HEADS, HEAD_DIM, EXPERTS, FFN = 32, 2, 4, 2, 8, 8, 12


def vocabulary(merges):
    words = byte_alphabet() + [m.replace(" ", "") for m in merges]
    return {word: i for i, word in enumerate(words)}


def config(size):
    end = size - 1
    return {"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe",
            "attention_bias": False, "decoder_sparse_step": 1, "dtype": "float16",
            "eos_token_id": end, "head_dim": HEAD_DIM, "hidden_act": "silu", "hidden_size": WIDTH,
            "intermediate_size": 2 * WIDTH, "max_position_embeddings": 2048, "mlp_only_layers": [],
            "moe_intermediate_size": FFN, "norm_topk_prob": True, "num_attention_heads": HEADS,
            "num_experts": EXPERTS, "num_experts_per_tok": 3, "num_hidden_layers": LAYERS,
            "num_key_value_heads": KV_HEADS, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
            "sliding_window": None, "tie_word_embeddings": False, "use_sliding_window": False,
            "vocab_size": size}


def weights(size):
    random = np.random.RandomState(20261122)

    def matrix(rows, cols, scale):
        return (scale * random.randn(rows, cols)).astype(np.float16)

    def norm(n):
        return (1 + 0.2 * random.randn(n)).astype(np.float16)

    out = {"model.embed_tokens.weight": matrix(size, WIDTH, 0.6)}
    for i in range(LAYERS):
        block = f"model.layers.{i}."
        out[block + "input_layernorm.weight"] = norm(WIDTH)
        out[block + "post_attention_layernorm.weight"] = norm(WIDTH)
        for name, rows in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
            out[f"{block}self_attn.{name}_proj.weight"] = matrix(rows * HEAD_DIM, WIDTH, 0.3)
        out[block + "self_attn.o_proj.weight"] = matrix(WIDTH, HEADS * HEAD_DIM, 0.3)
        out[block + "self_attn.q_norm.weight"] = norm(HEAD_DIM)
        out[block + "self_attn.k_norm.weight"] = norm(HEAD_DIM)
        out[block + "mlp.gate.weight"] = matrix(EXPERTS, WIDTH, 0.5)
        for e in range(EXPERTS):
            for name, shape in (("gate", (FFN, WIDTH)), ("up", (FFN, WIDTH)),
                                ("down", (WIDTH, FFN))):
                out[f"{block}mlp.experts.{e}.{name}_proj.weight"] = matrix(*shape, 0.45)
    out["model.norm.weight"] = norm(WIDTH)
    head = matrix(size, WIDTH, 0.25)
    head[size - 1] *= 1.6
    out["lm_head.weight"] = head
    return out


def write_words(out, merges, special, template):
    words = tokenizer(vocabulary(merges), merges, special)
    settings = {"add_bos_token": False, "bos_token": None, "eos_token": SPECIALS[2],
                "chat_template": template, "tokenizer_class": "Qwen2Tokenizer"}
    for name, value in (("tokenizer.json", words), ("tokenizer_config.json", settings)):
        (out / name).write_text(json.dumps(value, ensure_ascii=False) + "\n")


def make(out):
    council, thinker = out / "council", out / "thinker"
    size = len(vocabulary(MERGES)) + len(SPECIALS)
    for folder in (council, thinker):
        folder.mkdir(parents=True, exist_ok=True)
    (council / "config.json").write_text(json.dumps(config(size)) + "\n")
    save_file(weights(size), council / "model.safetensors", metadata={"format": "pt"})
    write_words(council, MERGES, SPECIALS, TEMPLATE)
    write_words(thinker, MERGES[:-2], MARKS + SPECIALS, OPENING)
    for name in ("config.json", "model.safetensors"):
        (thinker / name).unlink(missing_ok=True)
        (thinker / name).symlink_to(Path("..") / "council" / name)


def main():
    if sys.argv[1:2] != ["--check"]:
        make(Path(sys.argv[1]) if sys.argv[1:] else OUT)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        make(Path(scratch))
        different = [str(p.relative_to(scratch)) for p in Path(scratch).glob("*/*")
                     if p.read_bytes() != (OUT / p.relative_to(scratch)).read_bytes()]
    print("differ: " + ", ".join(different) if different else "equal to the committed one")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
