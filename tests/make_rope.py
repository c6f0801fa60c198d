#!/usr/bin/env python3
"""Make tests/fixtures/rope.json: transformers' RoPE at the far end of long contexts.

usage: make_rope.py [--check]

Tiny models see a few hundred positions; a context of 131,072 shows what f32 rounding of the
frequencies does to an angle. For the real configurations of the supported families: the
frequencies, and the cosines and sines at some positions.
"""
import json
import sys
from pathlib import Path

import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

OUT = Path(__file__).resolve().parent / "fixtures" / "rope.json"
POSITIONS = [1, 1023, 40959, 131071]

# name: (elements of a head, theta, context, scaling)
CASES = {
    "SmolLM2": (64, 100000.0, 8192, {}),
    "OLMoE": (128, 10000.0, 4096, {}),
    "Qwen3-30B-A3B": (128, 1000000.0, 40960, {}),
    "Qwen3-30B-A3B with YaRN": (128, 1000000.0, 131072, dict(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=32768)),
    "YaRN, own attention factor, no rounding": (128, 10000000.0, 131072, dict(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=32768, truncate=False,
        attention_factor=1.25)),
    "Llama 3.1": (128, 500000.0, 131072, dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=8192)),
    "Llama 3.2": (64, 500000.0, 131072, dict(
        rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=8192)),
    "linear": (80, 10000.0, 131072, dict(rope_type="linear", factor=3.0)),
}


def made():
    for name, (dim, theta, context, scaling) in CASES.items():
        config = LlamaConfig(hidden_size=dim, num_attention_heads=1, head_dim=dim,
                             max_position_embeddings=context,
                             rope_parameters={"rope_type": "default"} | scaling
                             | {"rope_theta": theta})
        rope = LlamaRotaryEmbedding(config)
        cosines, sines = rope(torch.zeros(1), torch.tensor([POSITIONS]))
        half = dim // 2
        yield dict(name=name, dim=dim, theta=theta, frequencies=rope.inv_freq.tolist(),
                   cosines=cosines[0, :, :half].tolist(), sines=sines[0, :, :half].tolist(),
                   **scaling | {"attention_factor": rope.attention_scaling})


def main():
    text = json.dumps(dict(positions=POSITIONS, cases=list(made()))) + "\n"
    if "--check" not in sys.argv:
        OUT.write_text(text)
        return 0
    old, new = json.loads(OUT.read_text()), json.loads(text)
    for a, b in zip(old["cases"], new["cases"], strict=True):
        for key in ("cosines", "sines"):
            if not torch.allclose(torch.tensor(a[key]), torch.tensor(b[key]), atol=1e-6, rtol=0):
                print(f"{a['name']}: {key} differ")
                return 1
    print("RoPE tables remade: equal to the committed ones")
    return 0


if __name__ == "__main__":
    sys.exit(main())
