#!/usr/bin/env python3
"""Make tests/fixtures/masks.npz: what transformers computes when experts are banned.

usage: make_masks.py [--check] [OUT]
  --check   remake and compare with the committed file: logits within float noise.

A ban is done to the reference from outside: a hook behind each router's linear map sets the logits
of the banned experts to -inf, and what follows is transformers' own code. Every architecture is
tried with a ban and with a keep mask, with and without norm_topk_prob where it has that switch, and
with another number of experts a token. Masks are drawn anew for each layer and written here both
ways, as the mask file says them; the tokens are those of fixtures/models/NAME/ref.npz.

The file holds, for each case, NAME/masks (JSON: mask, experts per token or 0) and NAME/logits f32.
"""
import argparse
import json
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from suite import FIXTURES, MODELS, nmse

OUT = FIXTURES / "masks.npz"
TOKENS = 12
# Model and its experts per token: the second says nothing about norm_topk_prob unless it is there.
CASES = {"qwen3_moe": 4, "qwen3_moe-raw-gates": 2, "qwen2_moe": 3, "qwen2_moe-norm": 1,
         "mixtral": 1, "olmoe": 2, "olmoe-norm": 4, "granitemoe": 2,
         "qwen3_moe-mlp-only": 0, "qwen2_moe-sparse-step": 0}


def routers(model):
    """(layer, router) for every layer with experts."""
    for name, module in model.named_modules():
        if type(module).__name__.endswith("Router"):
            yield int(name.split(".")[2]), module


def draw(name, layers, experts, least):
    """{layer: banned experts}, leaving at least `least` and banning at least one."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    return {layer: sorted(random.permutation(experts)[:random.integers(
        (experts - least + 1) // 2, experts - least + 1)].tolist()) for layer in layers}


def mask_file(mode, banned, experts):
    """The mask as a mask file says it; keep names what a ban leaves."""
    listed = {layer: [e for e in range(experts) if (e in ban) == (mode == "ban")]
              for layer, ban in banned.items()}
    return {"mask": 1, "model": None, "mode": mode,
            "layers": {str(k): ",".join(map(str, v)) for k, v in listed.items()}}


class Bans:
    """Replaces the router's linear map so that banned logits are -inf."""

    def __init__(self, banned):
        self.banned, self.linear, self.calls = banned, torch.nn.functional.linear, 0
        self.layer = None

    def __call__(self, h, weight, bias=None):
        z = self.linear(h, weight, bias)
        if self.layer is not None:
            self.calls += 1
            z[..., self.banned[self.layer]] = -float("inf")
        return z

    def hook(self, layer, module):
        """Only what the router itself computes is touched; a linear module inside it too."""
        def before(_, __):
            self.layer = layer

        def after(_, __, ___):
            self.layer = None

        module.register_forward_pre_hook(before)
        module.register_forward_hook(after)


def compute(folder, tokens, banned, k):
    change = {"num_experts_per_tok": k} if k else {}
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager",
        **change).eval()
    bans, seen = Bans(banned), 0
    for layer, module in routers(model):
        bans.hook(layer, module)
        seen += 1
    torch.nn.functional.linear = bans
    try:
        with torch.no_grad():
            logits = model(torch.from_numpy(tokens.astype(np.int64))[None]).logits[0].float().numpy()
    finally:
        torch.nn.functional.linear = bans.linear
    assert bans.calls == seen > 0, f"{bans.calls} router maps in {seen} routers"
    return logits


def make():
    out = {}
    for name, more in CASES.items():
        folder = MODELS / name
        config = json.loads((folder / "config.json").read_text())
        reference = np.load(folder / "ref.npz")
        tokens, layers = reference["tokens"][:TOKENS], reference["moe_layers"].tolist()
        experts = config.get("num_experts") or config["num_local_experts"]
        trained = config["num_experts_per_tok"]
        for mode in ("keep", "ban"):
            for k in sorted({0, more}):
                case = f"{name}-{mode}{f'-k{k}' if k else ''}"
                banned = draw(case, layers, experts, k or trained)
                out[f"{case}/case"] = np.array(json.dumps(
                    {"model": name, "experts": k, "mask": mask_file(mode, banned, experts)}))
                out[f"{case}/logits"] = compute(folder, tokens, banned, k)
                print(f"{case:34} bans {list(banned.values())}", file=sys.stderr)
    return out


def main():
    transformers_logging.disable_progress_bar()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", nargs="?", type=Path, default=OUT)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    made = make()
    if not args.check:
        np.savez_compressed(args.out, **made)
        return 0
    old = np.load(args.out)
    wrong = sorted(set(old.files) ^ set(made))
    for key in set(old.files) & set(made):
        same = (str(old[key]) == str(made[key]) if key.endswith("/case")
                else nmse(made[key], old[key]) <= 1e-11)
        wrong += [] if same else [key]
    print("\n".join(wrong) or f"{len(made) // 2} masks remade: equal to the committed ones")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
