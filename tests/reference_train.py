#!/usr/bin/env python3
"""Training against torch: losses and gradients on tiny models of all five MoE architectures, then steps.

The same numbers are learned from the same start by engine/train (tests/tool_train.c) and by torch on
transformers' own models (train_reference.py): added and whole experts, LoRA, router rows, with
cross-entropy, a repetition learned against, nearness to the plain model and balance. Every matrix's
gradient agrees within 1e-4 of its norm; over 50 steps of AdamW each loss stays within 1 %.
"""
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from suite import BUILD, MODELS, case, check, finish
from train_reference import Learner

RENORMALISE = {"qwen3_moe": True, "qwen2_moe": False, "mixtral": True, "olmoe": False, "granitemoe": True}
NEAR, BALANCE, STEPS = 0.3, 0.05, 50
GRADIENT, LOSS = 1e-4, 0.01
EVERYTHING = {
    0: {"whole": [1], "rows": [0, 3], "lora": {"0": ["gate", "up", "down"]}},
    1: {"added": 2, "width": 16, "whole": [0], "rows": [1, 2], "lora": {"3": ["gate", "down"], "2": ["up"]}},
}
SPECS = {
    "everything": dict(first=0, last=2, rank=3, alpha=6, layers=EVERYTHING),
    "the upper layer": dict(first=1, last=2, rank=3, alpha=6, layers={1: EVERYTHING[1]}),
    "LoRA alone": dict(first=0, last=2, rank=4, alpha=4, layers={
        n: {"lora": {str(e): ["gate", "up", "down"] for e in range(4)}} for n in range(2)}),
    "routers alone": dict(first=0, last=2, rank=1, alpha=1, layers={n: {"rows": [0, 1, 2, 3, 4]} for n in range(2)}),
}


def load(name):
    return AutoModelForCausalLM.from_pretrained(MODELS / name, dtype=torch.float32,
                                                attn_implementation="eager", experts_implementation="eager")


def texts(vocabulary):
    """Two texts with one beginning: its tokens are not learned, then some are, and three are left."""
    rng = np.random.default_rng(3)
    head = rng.integers(0, vocabulary, 6).tolist()
    for n in (14, 11):
        yield head + rng.integers(0, vocabulary, n).tolist(), [0.0] * 6 + [1.0] * (n - 5) + [-1.0] * 3 + [2.0] * 2


def call_tool(scratch, values, **settings):
    scratch = Path(scratch)
    values.astype("<f4").tofile(scratch / "start.f32")
    out = {"values": str(scratch / "start.f32"), "gradients": str(scratch / "grads.f32"), "out": str(scratch / "end.f32")}
    (scratch / "case.json").write_text(json.dumps(settings | out))
    done = subprocess.run([BUILD / "tests/tool_train", scratch / "case.json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), np.fromfile(out["gradients"], "<f4"), np.fromfile(out["out"], "<f4")


def for_tool(spec):
    layers = {str(n): {k: v for k, v in s.items() if k not in ("lora", "width")}
              | ({"lora": {e: " ".join(m) for e, m in s["lora"].items()}} if "lora" in s else {})
              for n, s in spec["layers"].items()}
    return dict(first=spec["first"], last=spec["last"], rank=spec["rank"], alpha=spec["alpha"], added_width=16,
                layers=layers)


def compare_parts(told, total, parts):
    for key, want in [("total", total)] + list(parts.items()):
        if key != "normaliser":
            got = told[key]
            assert abs(got - want) <= 1e-4 * max(1, abs(want)), f"{key}: {got} for {want}"


def compare_gradients(learner, order, got, want):
    """The worst relative error of a matrix."""
    assert [o["at"] for o in order] == [at for at, _ in learner.places.values()], "another order"
    worst = 0.0
    for key, (at, (rows, cols)) in learner.places.items():
        a, b = got[at:at + rows * cols].astype(float), want[at:at + rows * cols].astype(float)
        size = max(np.linalg.norm(b), 1e-6 * np.linalg.norm(want))
        error = np.linalg.norm(a - b) / size
        assert error <= GRADIENT, f"{key}: relative error {error:.1e}"
        worst = max(worst, error)
    return worst


def run_case(arch, spec, scratch, keep=None, k=None, steps=0):
    plain = load(arch)
    sequences = list(texts(plain.config.vocab_size))
    with torch.no_grad():
        plain = [plain(torch.tensor([ids])).logits[0] for ids, _ in sequences]
    learner = Learner(load(arch), spec, RENORMALISE[arch], k=k,
                      allowed={n: keep for n in spec["layers"]} if keep else None)
    learner.start(seed=7)
    settings = dict(model=str(MODELS / arch), balance=BALANCE, threads=2, steps=steps, rate=3e-3, clip=1.0, decay=0.01,
                    sequences=[{"ids": i, "weight": w, "near": NEAR} for i, w in sequences]) | for_tool(spec)
    settings |= {"keep": keep} if keep else {}
    settings |= {"k": k} if k else {}
    told, gradients, _ = call_tool(scratch, learner.theta.detach().numpy(), **settings)
    more = dict(plain=plain, near=NEAR, balance=BALANCE)
    total, parts = learner.loss(sequences, **more)
    total.backward()
    compare_parts(told["losses"][0], float(total.detach()), parts)
    worst = compare_gradients(learner, told["order"], gradients, learner.theta.grad.numpy())
    if not steps:
        return worst
    optimizer = torch.optim.AdamW([learner.theta], lr=3e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.01)
    losses = [learner.step(optimizer, sequences, clip=1.0, **more)[0] for _ in range(steps)]
    ours = [one["total"] for one in told["losses"]]
    apart = max(abs(a - b) / abs(b) for a, b in zip(ours, losses))
    assert apart <= LOSS, f"losses part by {apart:.1%}"
    assert losses[-1] < 0.9 * losses[0], "nothing was learned"
    return apart


def main():
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(1)
    worst, apart = 0.0, 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for arch in RENORMALISE:
            for name, spec in SPECS.items():
                with case(f"{arch}: gradients of {name} as torch's"):
                    worst = max(worst, run_case(arch, spec, scratch))
            with case(f"{arch}: gradients under a mask and another k as torch's"):
                worst = max(worst, run_case(arch, SPECS["everything"], scratch, keep=[0, 1, 3, 4], k=1))
            with case(f"{arch}: {STEPS} steps follow torch's"):
                apart = max(apart, run_case(arch, SPECS["everything"], scratch, steps=STEPS))
    print(f"# largest relative error of a gradient {worst:.1e}; losses of {STEPS} steps part by {apart:.1e} at most")
    check("all was compared", worst > 0 and apart > 0)
    finish()


if __name__ == "__main__":
    main()
