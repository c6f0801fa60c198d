#!/usr/bin/env python3
"""Make tests/fixtures/models: tiny random models by transformers, with what it computes from them.

usage: make_models.py [--only NAME] [--check] [OUT]
  --check   remake into a temporary folder and compare with the committed files: configuration and
            weights byte for byte, logits within float noise, routes outside near-ties.

ref.npz holds tokens int32 [n], logits f32 [n, vocabulary], moe_layers int32 [m], routes int32
[m, n, k] in rank order, gates f32 [m, n, k] and margins f32 [m, n] (router logit of the last
chosen expert minus that of the first not chosen; inf when all are chosen). All is computed in
float32 with eager attention from the weights as they lie in the files.
"""
import argparse
import json
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from model_cases import BASE, CASES, COMMON
from write_gguf import write_gguf

HERE = Path(__file__).resolve().parent / "fixtures" / "models"


def seed_of(name):
    return zlib.crc32(name.encode())


def config_of(case):
    values = BASE[case.arch] | COMMON | case.change
    values = dict(values)
    theta, scaling = values.pop("rope_theta"), values.pop("rope_scaling", {"rope_type": "default"})
    return AutoConfig.for_model(case.arch, **values,
                                rope_parameters=dict(scaling) | {"rope_theta": theta})


def randomise(model, seed):
    """Weights large enough that logits and routes are far from uniform."""
    g = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=g, dtype=torch.float32)
        if "norm" in name:
            value = 1 + 0.25 * noise
        elif name.endswith("bias"):
            value = 0.3 * noise
        elif "embed_tokens" in name:
            value = 0.6 * noise
        elif name.endswith((".gate.weight", "router.weight")):
            value = 0.5 * noise
        else:
            value = 0.22 * noise
        p.data.copy_(value.to(p.dtype))


def old_spelling(config):
    """config.json as transformers 4 wrote it."""
    config = dict(config)
    rope = dict(config.pop("rope_parameters"))
    config["rope_theta"] = rope.pop("rope_theta")
    kind = rope.pop("rope_type")
    # Both keys were in use: "type" first, "rope_type" since 4.43.
    config["rope_scaling"] = None if kind == "default" else rope | {
        "type" if kind == "yarn" else "rope_type": kind}
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.41.2"
    return config


def save(case, model, folder):
    if case.layout == "fused":
        model.config.save_pretrained(folder)
        state = {k: v.clone().contiguous() for k, v in model.state_dict().items()}
        if model.config.tie_word_embeddings:
            del state["lm_head.weight"]
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        size = "60KB" if case.layout == "sharded" else "5GB"
        model.save_pretrained(folder, max_shard_size=size)
    (folder / "generation_config.json").unlink(missing_ok=True)
    for path in folder.iterdir():
        path.chmod(0o644)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["dtype"] = case.dtype
    if case.old:
        config = old_spelling(config)
    path.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def link_weights(folder, other):
    for path in other.glob("model*"):
        (folder / path.name).unlink(missing_ok=True)
        (folder / path.name).symlink_to(f"../{other.name}/{path.name}")


class Routes:
    """Hooks on every router: choices, gates and margins, computed apart from the model's own."""

    def __init__(self, model):
        self.layers, self.seen = [], []
        for name, module in model.named_modules():
            if type(module).__name__.endswith("Router"):
                self.layers.append(int(name.split(".")[2]))
                module.register_forward_hook(self.hook)

    def hook(self, module, inputs, output):
        h = inputs[0].reshape(-1, module.weight.shape[1]).float()
        z = h @ module.weight.float().T
        k = module.top_k
        order = torch.argsort(z, dim=-1, descending=True, stable=True)
        best = torch.gather(z, 1, order)
        margin = best[:, k - 1] - best[:, k] if k < z.shape[1] else torch.full((len(z),), np.inf)
        ids = output[2]
        assert torch.equal(ids.sort(-1).values, order[:, :k].sort(-1).values)
        self.seen.append((ids, output[1], margin))

    def arrays(self):
        columns = [torch.stack(c).numpy() for c in zip(*self.seen)]
        routes, gates, margins = columns
        return dict(moe_layers=np.array(self.layers, np.int32), routes=routes.astype(np.int32),
                    gates=gates.astype(np.float32), margins=margins.astype(np.float32))


def reference(case, folder, k=None):
    """What transformers computes from the files in folder."""
    change = {"num_experts_per_tok": k} if k else {}
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager",
        **change).eval()
    vocabulary = model.config.vocab_size
    ids = np.random.default_rng(seed_of(case.arch)).integers(0, vocabulary, case.tokens)
    routes = Routes(model)
    with torch.no_grad():
        logits = model(torch.from_numpy(ids)[None]).logits[0].float().numpy()
    out = dict(tokens=ids.astype(np.int32), logits=logits)
    if routes.layers:
        out |= routes.arrays()
    return model, out


def make(case, out):
    folder = out / case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = config_of(case)
    with torch.device("cpu"):
        model = AutoModelForCausalLM.from_config(config)
    randomise(model, seed_of(case.like or case.name))
    save(case, model.to(getattr(torch, case.dtype)), folder)
    if case.like:
        link_weights(folder, out / case.like)
    for k in (None, *case.ks):
        loaded, arrays = reference(case, folder, k)
        np.savez_compressed(folder / (f"ref-k{k}.npz" if k else "ref.npz"), **arrays)
        if k is None and case.gguf:
            write_gguf(loaded, out / f"{case.name}.gguf", case.gguf, case.split)
    std = float(arrays["logits"].std())
    print(f"{case.name:28} logits std {std:5.2f}"
          + (f"  margin min {arrays['margins'].min():.1e}" if "margins" in arrays else ""))


def same_reference(old, new):
    """Complaints about a remade reference; float noise and routes at near-ties are forgiven."""
    for key in old.files:
        if old[key].shape != new[key].shape:
            yield f"{key}: shape {old[key].shape} became {new[key].shape}"
            return
    error = np.sum((old["logits"] - new["logits"]) ** 2.0) / np.sum(old["logits"] ** 2.0)
    if not error <= 1e-11:
        yield f"logits: NMSE {error:.2e}"
    if not np.array_equal(old["tokens"], new["tokens"]):
        yield "tokens differ"
    if "routes" in old.files:
        clear = old["margins"] > 1e-4
        if not np.array_equal(np.sort(old["routes"])[clear], np.sort(new["routes"])[clear]):
            yield "routes differ"


def compare(old, new):
    """Complaints about every file of the remade folder against the committed one."""
    names = {p.relative_to(r) for r in (old, new) for p in r.rglob("*") if not p.is_dir()}
    for name in sorted(names):
        a, b = old / name, new / name
        if not (a.exists() and b.exists()):
            yield f"{name}: {'not committed' if b.exists() else 'not remade'}"
        elif name.suffix == ".npz":
            yield from (f"{name}: {text}" for text in same_reference(np.load(a), np.load(b)))
        elif a.is_symlink() != b.is_symlink() or a.read_bytes() != b.read_bytes():
            yield f"{name}: differs"


def main():
    transformers_logging.disable_progress_bar()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", nargs="?", type=Path, default=HERE)
    parser.add_argument("--only")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    if not args.check:
        for case in CASES.values():
            if not args.only or args.only in case.name:
                make(case, args.out)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        for case in CASES.values():
            make(case, Path(scratch))
        complaints = list(compare(args.out, Path(scratch)))
    print("\n".join(complaints) or f"{len(CASES)} models remade: equal to the committed ones")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
