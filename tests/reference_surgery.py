#!/usr/bin/env python3
"""What `edit`, `model export` and `model convert` write loads in transformers and llama.cpp, and they
compute what this program computes: a pruned export the logits of its mask, NMSE at most 1e-6."""
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from llama import evaluate, open_model
from suite import FIXTURES, MODELS, case, finish, logits, nmse, run
from test_pruned import IDS, MOE, mask

LIMIT, QUANTISED_LIMIT = 1e-6, 3e-3
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
        for kind in ("q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "bf16"):
            with case(f"a file in {kind} in llama.cpp"):
                out = scratch / f"{kind}.gguf"
                run("model", "convert", FIXTURES / "quantised.gguf", "-o", out, "--type", kind)
                close("llama.cpp, quantised", evaluate(open_model(out), IDS), logits(out, IDS, scratch), QUANTISED_LIMIT)
    for what, error in worst.items():
        print(f"# {what}: largest NMSE {error:.1e}")
    finish()


if __name__ == "__main__":
    main()
