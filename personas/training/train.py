"""Train one persona's experts of the built-in model from its lessons.

usage: train.py SMOLLM2.gguf PERSONA OUT.npz [--epochs 3] [--rate 2e-3] [--batch 4] [--seed 1]

The committed experts were made by the defaults, on two cores that others used too (about 3.7 s of
processor time a step of 4 lessons, 102 steps a persona), in the reference environment
(tests/requirements-reference.txt):

    for p in philosopher coder critic; do train.py SMOLLM2.gguf $p $p.npz & done; wait
    export.py SMOLLM2.gguf philosopher.npz coder.npz critic.npz personas/
    make personas-report

Every epoch is kept as OUT.npz.N.npz. Held-out loss after 3 epochs (plain model): philosopher 3.36
(4.11), coder 2.15 (2.81), critic 3.56 (4.36).

Under its keep-mask a persona's experts never meet another's, so each persona is trained alone, in a
process of its own (two processes of one thread are faster than one of two). Which persona's experts
win when none is masked is settled afterwards, in export.py: adding one vector to all router rows of
a persona changes neither its choice nor its gates under its own mask.

Two losses: cross-entropy of the answer, and a small balance loss among the experts. The layers below
the first expert are frozen and run once. Every fifth lesson (id divisible by 5) is held out.
"""
import argparse
import json
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(__file__))
from smollm2 import CALLED, FIRST, LAYERS, PERSONAS, Chat, Experts, Model, read_model

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BALANCE = 0.01
COMMON, DRAWN = 6144, 2048  # tokens of the vocabulary among a step's choices: the first, most frequent; others


def lessons(name):
    with open(os.path.join(HERE, name + ".lessons.jsonl"), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def held_out(lesson):
    return int(lesson["id"][1:]) % 5 == 0


class Sample:
    """One lesson as ids; h: the residual stream below the first expert layer."""

    def __init__(self, model, chat, lesson):
        prompt = chat.prompt(lesson["question"], lesson.get("before", ()))
        answer = chat.text(lesson["answer"]) + [chat.end]
        self.ids, self.start, self.id = prompt + answer, len(prompt), lesson["id"]
        with torch.no_grad():
            self.h = model.run(model.embed(torch.tensor([self.ids[:-1]])), 0, FIRST)[0]


def batch_loss(model, samples, experts, end=1.0, words=None):
    """Mean cross-entropy of the answers' tokens, and the mask of those positions [1, all]. The token
    that ends an answer counts `end` times. `words` (listed, others): only the listed tokens and a draw
    of the others, which stands for all of them, are among the choices; None: the whole vocabulary."""
    shared = len(os.path.commonprefix([s.ids[:s.start - 1] for s in samples]))
    target = [torch.full((len(s.h),), -1) for s in samples]
    for t, s in zip(target, samples):
        t[s.start - 1:] = torch.tensor(s.ids[s.start:])
    target = torch.cat([t[shared * (i > 0):] for i, t in enumerate(target)])[None]
    x = model.run_packed([s.h for s in samples], shared, experts)
    wanted = target >= 0
    weight = torch.where(target[wanted] == samples[0].ids[-1], end, 1.0)
    if words is None:
        each = F.cross_entropy(model.logits(x[wanted]), target[wanted], reduction="none")
    else:
        listed, others = words
        drawn = others[torch.randint(len(others), (DRAWN,))]
        logits = model.logits(x[wanted], torch.cat((listed, drawn)))
        share = torch.cat((torch.zeros(len(listed)), torch.full((DRAWN,), math.log(len(others) / DRAWN))))
        each = F.cross_entropy(logits + share, torch.searchsorted(listed, target[wanted]), reduction="none")
    return (each * weight).sum() / weight.sum(), wanted


def balance_loss(seen, wanted):
    """Switch's load balance: 1 when all experts are called equally often."""
    total = 0.0
    for _, logits in seen:
        p = logits[wanted].softmax(-1)
        load = torch.zeros_like(p).scatter(-1, p.topk(CALLED, -1).indices, 1 / CALLED).mean(0)
        total = total + p.shape[-1] * (load * p.mean(0)).sum()
    return total / len(seen)


@torch.no_grad()
def evaluate(model, held, experts):
    """Mean loss per answer token."""
    total = count = 0
    held = sorted(held, key=lambda s: len(s.ids))
    for i in range(0, len(held), 8):
        loss, wanted = batch_loss(model, held[i:i + 8], experts)
        total, count = total + float(loss) * int(wanted.sum()), count + int(wanted.sum())
    return total / count


def batches(data, size, rng):
    """Endless batches; neighbours in length share one, for less padding."""
    while True:
        shuffled = sorted(data, key=lambda s: len(s.ids) + rng.normal() * 25)
        groups = [shuffled[i:i + size] for i in range(0, len(shuffled), size)]
        rng.shuffle(groups)
        yield from groups


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("model"), ap.add_argument("persona", choices=PERSONAS), ap.add_argument("out")
    ap.add_argument("--epochs", type=int, default=3), ap.add_argument("--rate", type=float, default=2e-3)
    ap.add_argument("--batch", type=int, default=4), ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--drop", type=float, default=0.1), ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--decay", type=float, default=0.01), ap.add_argument("--end", type=float, default=3)
    ap.add_argument("--start", help="go on from this .npz")
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    weights, tokenizer = read_model(a.model)
    chat, experts, model = Chat(tokenizer), Experts(seed=a.seed, drop=a.drop), Model(weights)
    if a.start:
        experts.load(np.load(a.start))
    data = [Sample(model, chat, l) for l in lessons(a.persona) if not held_out(l)]
    held = [Sample(model, chat, l) for l in lessons(a.persona) if held_out(l)]
    listed = set(range(COMMON)).union(*(s.ids for s in data))
    words = (torch.tensor(sorted(listed)),
             torch.tensor(sorted(set(range(len(weights["token_embd.weight"]))) - listed)))
    epoch = math.ceil(len(data) / a.batch)
    steps = a.epochs * epoch
    optimizer = torch.optim.AdamW(experts.parameters(), lr=a.rate, betas=(0.9, 0.95), weight_decay=a.decay)
    began, source = time.time(), batches(data, a.batch, np.random.default_rng(a.seed))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = a.rate * min(1, (step + 1) / 10) * (0.55 + 0.45 * math.cos(math.pi * step / steps))
        experts.seen = []
        loss, wanted = batch_loss(model, next(source), experts, a.end, words)
        balance = balance_loss(experts.seen, wanted)
        optimizer.zero_grad(set_to_none=True)
        (loss + BALANCE * balance).backward()
        torch.nn.utils.clip_grad_norm_(experts.parameters(), 1.0)
        optimizer.step()
        if step % 5 == 0:
            print(f"{a.persona} step {step}/{steps} loss {loss.item():.3f} balance {balance.item():.3f} "
                  f"{time.time() - began:.0f} s", flush=True)
        if (step + 1) % epoch == 0:
            experts.seen = None
            experts.eval()
            print(f"{a.persona} epoch {(step + 1) // epoch} held out {evaluate(model, held, experts):.3f} "
                  f"control {evaluate(model, held, None) if step < epoch else 0:.3f}", flush=True)
            experts.train()
            np.savez(f"{a.out}", **experts.arrays())
            np.savez(f"{a.out}.{(step + 1) // epoch}.npz", **experts.arrays())


if __name__ == "__main__":
    main()
