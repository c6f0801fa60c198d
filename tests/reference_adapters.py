#!/usr/bin/env python3
"""Adapters and the programs that others use, on the tiny model of every mixture of experts.

What PEFT makes loads here, what is written here loads in PEFT and, as GGUF, in llama.cpp, and all
compute the same logits: NMSE <= 1e-6. Whole experts and router rows are held against transformers.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import llama_cpp
import numpy as np
import torch
from safetensors.numpy import save_file

from adapter_cases import MOE, block, load, logits_of, make, open_peft, save
from llama import evaluate
from suite import MODELS, ROOT, case, finish, nmse, run

LIMIT = 1e-6
IDS = [(i * 7 + i // 5) % 67 for i in range(60)]
SETTINGS = {
    "both": {},
    "gate_up in layer 1": dict(parts=("gate_up_proj",), layers=(1,), r=3, lora_alpha=2),
    "down, rslora": dict(parts=("down_proj",), r=5, use_rslora=True),
    "patterns": dict(rank_pattern={"experts.down_proj": 2},
                     alpha_pattern={"layers.0.BLOCK.experts.gate_up_proj": 2.5}),
}
worst = {}


def close(what, got, wanted):
    error = nmse(got, wanted)
    worst[what] = max(worst.get(what, 0), error)
    assert error <= LIMIT, f"{what}: NMSE {error:.1e}"


def ours(model, scratch, *options):
    out = scratch / "logits.bin"
    run("logits", "-m", model, "--tokens", ",".join(map(str, IDS)), "--output", out, *options)
    return np.frombuffer(out.read_bytes(), "<f4").reshape(len(IDS), -1)


def convert(adapter, model, target):
    run("personas", "adapter", adapter, "-m", model, "-o", target)
    return target


def in_llama(model, adapter):
    return evaluate(llama_cpp.Llama(str(model), n_ctx=128, n_batch=128, logits_all=True, verbose=False,
                                    n_threads=2, n_threads_batch=2, type_k=0, type_v=0,
                                    lora_path=str(adapter)), IDS)


def settings_of(arch, settings):
    return json.loads(json.dumps(settings).replace("BLOCK", block(arch)))


def peft_and_back(arch, name, settings, scratch):
    base, at = MODELS / arch, scratch / f"{arch}-{name}"
    at.mkdir()
    model = make(base, arch, name, **settings)
    save(model, at)
    wanted = logits_of(model, IDS)
    with case(f"{arch}, {name}: PEFT's adapter computes here what it computes there"):
        assert nmse(logits_of(load(base), IDS), wanted) > 1e-4
        close("PEFT's adapters here", ours(base, scratch, "--adapter", at), wanted)
    own = convert(at, base, scratch / f"{arch}-{name}.safetensors")
    with case(f"{arch}, {name}: what is written here loads in PEFT"):
        close("ours in PEFT", logits_of(open_peft(base, convert(own, base, scratch / f"{arch}-{name}-made")),
                                        IDS), wanted)
    with case(f"{arch}, {name}: and as GGUF in llama.cpp"):
        if name == "patterns":  # two scales: GGUF has one
            done = run("personas", "adapter", own, "-m", base, "-o", scratch / "no.gguf",
                       check_status=False)
            assert done.returncode == 2 and "scales" in done.stderr, done.stderr
        else:
            file = convert(own, base, scratch / f"{arch}-{name}.gguf")
            close("ours in llama.cpp", in_llama(f"{base}.gguf", file), wanted)


def matrix(random, rows, columns):
    return (random.standard_normal((rows, columns)) * 0.4).astype("<f4")


def few_experts(arch, scratch):
    """Updates of some experts alone, of other ranks, gate and up with an A each."""
    base, random = MODELS / arch, np.random.default_rng(len(arch))
    experts = load(base).model.layers[1].get_submodule(block(arch)).experts
    width, ffn = experts.down_proj.shape[1:]
    named = {}
    for layer, e, part, rank in ((0, 1, "gate", 3), (0, 1, "up", 2), (0, 3, "up", 4), (1, 2, "down", 1)):
        rows, columns = (width, ffn) if part == "down" else (ffn, width)
        at = f"model.layers.{layer}.mlp.experts.{e}.{part}_proj.lora_"
        named |= {at + "A.weight": matrix(random, rank, columns),
                  at + "B.weight": matrix(random, rows, rank),
                  at + "scale": np.full((1, 1), 0.75, "<f4")}
    own = scratch / f"{arch}-few.safetensors"
    save_file(named, own, {"adapter": "1"})
    model = load(base)
    for key, a in named.items():
        if key.endswith("lora_A.weight"):
            _, _, layer, _, _, e, part, _, _ = key.split(".")
            delta = torch.tensor(0.75 * named[key.replace("lora_A", "lora_B")] @ a)
            to = model.model.layers[int(layer)].get_submodule(block(arch)).experts
            first = {"gate_proj": 0, "up_proj": int(ffn), "down_proj": 0}[part]
            weights = to.down_proj if part == "down_proj" else to.gate_up_proj
            weights.data[int(e), first:first + delta.shape[0]] += delta
    wanted = logits_of(model, IDS)
    with case(f"{arch}: updates of some experts are the merged weights; in PEFT and llama.cpp too"):
        close("single updates here", ours(base, scratch, "--adapter", own), wanted)
        close("ours in PEFT", logits_of(open_peft(base, convert(own, base, scratch / f"{arch}-few")), IDS),
              wanted)
        close("ours in llama.cpp", in_llama(f"{base}.gguf", convert(own, base, scratch / f"{arch}-few.gguf")),
              wanted)


def whole_parts(arch, scratch):
    """Whole matrices and router rows in place of the model's."""
    base, random = MODELS / arch, np.random.default_rng(len(arch) + 1)
    model = load(base)
    width, ffn = model.model.layers[1].get_submodule(block(arch)).experts.down_proj.shape[1:]
    up, down, row = matrix(random, ffn, width), matrix(random, width, ffn), matrix(random, 1, width)
    own = scratch / f"{arch}-whole.safetensors"
    save_file({"replaced.layers.0.mlp.experts.2.up_proj.weight": up,
               "replaced.layers.1.mlp.experts.0.down_proj.weight": down,
               "replaced.layers.1.mlp.gate.1.weight": row}, own, {"adapter": "1"})
    moe = [layer.get_submodule(block(arch)) for layer in model.model.layers]
    moe[0].experts.gate_up_proj.data[2, ffn:] = torch.tensor(up)
    moe[1].experts.down_proj.data[0] = torch.tensor(down)
    router = moe[1].router if arch == "granitemoe" else moe[1].gate
    router.weight.data[1] = torch.tensor(row[0])
    with case(f"{arch}: replaced matrices and router rows are those of the changed model"):
        close("replaced parts here", ours(base, scratch, "--adapter", own), logits_of(model, IDS))


def main():
    with case("the fixtures remade: equal to the committed ones"):
        done = subprocess.run([sys.executable, "make_adapter_fixtures.py", "--check"],
                              capture_output=True, text=True, cwd=ROOT / "tests")
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    with tempfile.TemporaryDirectory() as scratch:
        for arch in MOE:
            for name, settings in SETTINGS.items():
                peft_and_back(arch, name, settings_of(arch, settings), Path(scratch))
            few_experts(arch, Path(scratch))
            whole_parts(arch, Path(scratch))
    for what, error in worst.items():
        print(f"# {what}: largest NMSE {error:.1e}")
    finish()


if __name__ == "__main__":
    main()
