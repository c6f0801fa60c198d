#!/usr/bin/env python3
"""Speed of training against torch: the same job in turn, two threads, and the memory ours takes.

usage: bench_train.py [--rounds 3] [--steps 4]

The job: four of the coder's lessons, the built-in model's layers 10 to 29, eight added experts of width
32 a layer with their router rows, the whole vocabulary. Both hold the frozen weights in f32, start from
cached hidden states, and take AdamW steps; torch runs the lessons as one padded batch. Printed: seconds
a step of both, the ratio (below 1: ours is faster), and the largest memory of our process.
"""
import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import smollm2_torch as reference
from smollm2_torch import EXPERTS, FIRST, LAYERS, Chat, Experts, Model, Sample, lessons, read_model
from suite import BUILD, ROOT, run

SHARED = 1280  # width of the shared expert
SMOLLM2 = ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"


def samples(count):
    weights, tokenizer = read_model(str(SMOLLM2))
    model, chat = Model(weights), Chat(tokenizer)
    model.w = {name: t.float() for name, t in model.w.items()}
    reference.linear = lambda x, weight: x @ weight.T
    return model, [Sample(model, chat, l) for l in lessons("coder")[:count]]


class Torch:
    def __init__(self, model, data):
        longest = max(len(s.h) for s in data)
        pad = lambda t, value: F.pad(t, (0, 0) * (t.dim() - 1) + (0, longest - len(t)), value=value)
        block = lambda i, m: model.w[f"blk.{i}.ffn_{m}.weight"]
        shared = [(block(i, "gate")[:SHARED], block(i, "up")[:SHARED], block(i, "down")[:, :SHARED])
                  for i in range(FIRST, LAYERS)]
        self.model, self.experts = model, Experts(EXPERTS, shared)
        for p in self.experts.parameters():
            torch.nn.init.normal_(p, std=0.02)
        self.experts.requires_grad_(True)
        self.h = torch.stack([pad(s.h, 0.0) for s in data])
        target = [torch.tensor([-100] * (s.start - 1) + s.ids[s.start:]) for s in data]
        self.target = torch.stack([pad(t, -100) for t in target])
        self.optimizer = torch.optim.AdamW(self.experts.parameters(), lr=1e-3, betas=(0.9, 0.95))

    def steps(self, n):
        wanted = self.target >= 0
        for _ in range(n):
            x = self.model.run(self.h, FIRST, LAYERS, self.experts)
            loss = F.cross_entropy(self.model.logits(x[wanted]), self.target[wanted])
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.experts.parameters(), 1.0)
            self.optimizer.step()


def ours(scratch, model, data, steps):
    """Seconds of one step: its time is that of the run's steps alone."""
    layers = {str(n): {"added": 8} for n in range(FIRST, LAYERS)}
    case = dict(model=str(model), threads=2, first=FIRST, last=LAYERS, layers=layers, added_width=32, steps=steps,
                keep=list(range(32, 40)), rate=1e-3, clip=1.0,
                sequences=[{"ids": s.ids, "weight": [0.0] * (s.start - 1) + [1.0] * (len(s.ids) - s.start) + [0.0]}
                           for s in data])
    path = Path(scratch) / "case.json"
    path.write_text(json.dumps(case))
    tool = subprocess.Popen([BUILD / "tests/tool_train", path], stdout=subprocess.PIPE, text=True)
    most = 0.0
    while tool.poll() is None:
        status = Path(f"/proc/{tool.pid}/status").read_text()
        most = max([most] + [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")])
        time.sleep(0.1)
    told = json.loads(tool.stdout.read())
    return told["seconds"] / len(told["losses"]), told, most


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--rounds", type=int, default=3), ap.add_argument("--steps", type=int, default=4)
    a = ap.parse_args()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as scratch:
        built_in = Path(scratch) / "built-in.gguf"
        run("model", "build-default", "--from", SMOLLM2, env={"XDG_CACHE_HOME": scratch, "PATH": "/usr/bin:/bin"}, timeout=300)
        (Path(scratch) / "consilium/built-in.gguf").rename(built_in)
        model, data = samples(4)
        theirs, ratios = Torch(model, data), []
        theirs.steps(1)
        for i in range(a.rounds):
            began = time.monotonic()
            theirs.steps(a.steps)
            their = (time.monotonic() - began) / a.steps
            own, told, memory = ours(scratch, built_in, data, a.steps)
            ratios.append(own / their)
            print(f"round {i + 1}: ours {own:.2f} s a step, torch {their:.2f} s, ratio {own / their:.2f}", flush=True)
        print(f"{sum(len(s.h) for s in data)} tokens a step ({told['rows']} computed); "
              f"ratio {statistics.median(ratios):.2f} (median), memory {memory:.0f} MiB")


if __name__ == "__main__":
    main()
