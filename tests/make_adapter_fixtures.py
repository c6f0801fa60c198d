#!/usr/bin/env python3
"""Make tests/fixtures/adapters: small adapters for fixtures/models/qwen3_moe, by the programs that
others use: PEFT, and the GGUF writer of llama.cpp (the `gguf` package).

usage: make_adapter_fixtures.py [--check] [OUT]
  --check   remake into a temporary folder and compare with the committed files: adapters byte for
            byte, logits within float noise.

NAME.npz holds tokens int32 [n] and logits f32 [n, vocabulary] that PEFT computed on the model with
the adapter NAME. lora.gguf holds the same updates as the folder `both`.
"""
import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import load_file

from adapter_cases import ALPHA, RANK, logits_of, make, nmse, save

HERE = Path(__file__).resolve().parent / "fixtures"
MODEL, ARCH = HERE / "models" / "qwen3_moe", "qwen3_moe"
TOKENS = [(i * 7 + i // 5) % 67 for i in range(20)]
CASES = {
    "both": {},
    "down": dict(parts=("down_proj",), layers=(1,), r=3, lora_alpha=5.0, use_rslora=True),
    "pattern": dict(layers=(0,), rank_pattern={"experts.down_proj": 2},
                    alpha_pattern={"layers.0.mlp.experts.gate_up_proj": 2.5}),
}


def stacked(tensors, layer, part):
    """A [experts, rank, in] and B [experts, out, rank] of a layer's PEFT tensors."""
    at = f"base_model.model.model.layers.{layer}.mlp.experts."
    at += "base_layer." if part == "gate_up" else ""
    a, b = tensors[at + "lora_A.weight"], tensors[at + "lora_B.weight"]
    experts = a.shape[0] // RANK
    return (a.reshape(experts, RANK, -1),
            np.ascontiguousarray(b.reshape(-1, RANK, experts).transpose(2, 0, 1)))


def write_gguf(path, tensors, layers=2):
    w = gguf.GGUFWriter(str(path), "qwen3moe")
    w.add_type("adapter")
    w.add_string("adapter.type", "lora")
    w.add_float32("adapter.lora.alpha", ALPHA)
    for layer in range(layers):
        up_a, up_b = stacked(tensors, layer, "gate_up")
        down_a, down_b = stacked(tensors, layer, "down")
        half = up_b.shape[1] // 2
        for name, a, b in (("gate", up_a, up_b[:, :half]), ("up", up_a, up_b[:, half:]),
                           ("down", down_a, down_b)):
            at = f"blk.{layer}.ffn_{name}_exps.weight.lora_"
            w.add_tensor(at + "a", np.ascontiguousarray(a))
            w.add_tensor(at + "b", np.ascontiguousarray(b))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_all(out):
    out.mkdir(parents=True, exist_ok=True)
    for name, settings in CASES.items():
        model = make(MODEL, ARCH, name, **settings)
        (out / name).mkdir(exist_ok=True)
        save(model, out / name)
        np.savez_compressed(out / f"{name}.npz", tokens=np.array(TOKENS, "<i4"),
                            logits=logits_of(model, TOKENS).astype("<f4"))
    write_gguf(out / "lora.gguf", load_file(out / "both" / "adapter_model.safetensors"))


def differences(fresh, committed):
    for file in sorted(p.relative_to(fresh) for p in fresh.rglob("*") if p.is_file()):
        if not (committed / file).exists():
            yield f"{file} is not committed"
        elif file.suffix == ".npz":
            error = nmse(np.load(fresh / file)["logits"], np.load(committed / file)["logits"])
            if error > 1e-10:
                yield f"{file}: NMSE {error:.1e}"
        elif (fresh / file).read_bytes() != (committed / file).read_bytes():
            yield f"{file} differs"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("out", nargs="?", type=Path, default=HERE / "adapters")
    given = parser.parse_args()
    if not given.check:
        shutil.rmtree(given.out, ignore_errors=True)
        write_all(given.out)
        return
    with tempfile.TemporaryDirectory() as scratch:
        write_all(Path(scratch))
        faults = list(differences(Path(scratch), given.out))
    print("\n".join(faults))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
