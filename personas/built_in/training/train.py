"""Train one persona's experts of the built-in model from its lessons.

usage: train.py SMOLLM2.gguf PERSONA OUT.npz [--epochs 3] [--rate 2e-3] [--batch 4] [--seed 1]

The committed experts were made in two runs a persona, one thread each (about 3 s of processor time a
step of 4 lessons, 54 steps an epoch), in the reference environment (tests/requirements-reference.txt):

    train.py SMOLLM2.gguf philosopher p.npz --epochs 5
    train.py SMOLLM2.gguf philosopher philosopher.npz --start p.npz --epochs 3 --stop 1 --repeat 0.4
    train.py SMOLLM2.gguf coder c.npz --epochs 5 --stop 2
    train.py SMOLLM2.gguf coder d.npz --start c.npz --epochs 2 --stop 1 --repeat 0.4
    train.py SMOLLM2.gguf coder coder.npz --start d.npz --epochs 1 --rate 1e-3 --repeat 0.4
    train.py SMOLLM2.gguf critic k.npz --epochs 4 --stop 2
    train.py SMOLLM2.gguf critic critic.npz --start k.npz --epochs 4 --stop 3 --repeat 0.4
    export.py SMOLLM2.gguf philosopher.npz coder.npz critic.npz personas/shipped/shipped/
    make personas-report

Every epoch is kept as OUT.npz.N.npz. The first run learns the voice, but greedy answers still circle:
one answer in two never ended. The second run teaches to leave a loop: it shows lessons in which a
sentence, clause or line is said twice, learns what follows, and learns against the repetition. One
epoch of it took the philosopher's repeated 4-grams from 21 % to 4 % on questions of other topics. It also
learns by heart: held-out loss rises after its first epochs, so that is where the runs stop.

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
import re
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(__file__))
from smollm2 import CALLED, FIRST, LAYERS, PERSONAS, Chat, Experts, Model, read_model

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../shipped")
BALANCE = 0.01
COMMON, DRAWN = 6144, 2048  # tokens of the vocabulary among a step's choices: the first, most frequent; others


def lessons(name):
    with open(os.path.join(HERE, name + ".lessons.jsonl"), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def held_out(lesson):
    return int(lesson["id"][1:]) % 5 == 0


def repeat_sentence(answer, rng):
    """The answer with one of its sentences or clauses, or lines where it holds code, said twice in a
    row, and the span of the repetition."""
    sentence, clause, line = r"[^\s][^.?!\n]+[.?!]*", r"[^\s][^,;:.?!\n]+[,;:.?!]*", r"(?m)^[^`\n]+$"
    unit = line if "```" in answer else clause if rng.random() < 0.5 else sentence
    spans = [m.span() for m in re.finditer(unit, answer) if m.group().count(" ") > 2]
    if not spans:
        return answer, None
    start, end = spans[rng.integers(len(spans))]
    again = ("\n" if "```" in answer else " ") + answer[start:end]
    return answer[:end] + again + answer[end:], (end, end + len(again))


class Sample:
    """One lesson as ids; h: the residual stream below the first expert layer; again: the positions in
    ids of a sentence that is repeated (rng given), else empty."""

    def __init__(self, model, chat, lesson, rng=None):
        prompt = chat.prompt(lesson["question"], lesson.get("before", ()))
        text, span = repeat_sentence(lesson["answer"], rng) if rng else (lesson["answer"], None)
        coded = chat.tokenizer.encode(text, add_special_tokens=False)
        self.ids, self.start, self.id = prompt + coded.ids + [chat.end], len(prompt), lesson["id"]
        self.again = [len(prompt) + i for i, (at, _) in enumerate(coded.offsets) if span and span[0] <= at < span[1]]
        with torch.no_grad():
            self.h = model.run(model.embed(torch.tensor([self.ids[:-1]])), 0, FIRST)[0]


def batch_loss(model, samples, experts, end=1.0, words=None):
    """Mean cross-entropy of the answers' tokens, and the mask of those positions [1, all]. The token
    that ends an answer counts `end` times. `words` (listed, others): only the listed tokens and a draw
    of the others, which stands for all of them, are among the choices; None: the whole vocabulary.
    Repeated sentences are not to be learned but to be left: from their third token on they count by
    -log(1 - p), and what follows them by its cross-entropy."""
    shared = len(os.path.commonprefix([s.ids[:s.start - 1] for s in samples]))
    target = [torch.full((len(s.h),), -1) for s in samples]
    kind = [torch.zeros(len(s.h)) for s in samples]  # weight; below 0: a repetition's
    for t, k, s in zip(target, kind, samples):
        t[s.start - 1:] = torch.tensor(s.ids[s.start:])
        k[s.start - 1:] = 1
        k[-1] = end
        k[[at - 1 for at in s.again[:2]]] = 0
        k[[at - 1 for at in s.again[2:]]] = -1
    pack = lambda rows: torch.cat([r[shared * (i > 0):] for i, r in enumerate(rows)])[None]
    target, kind = pack(target), pack(kind)
    x = model.run_packed([s.h for s in samples], shared, experts)
    wanted = target >= 0
    target, kind = target[wanted], kind[wanted]
    if words is None:
        each = F.cross_entropy(model.logits(x[wanted]), target, reduction="none")
    else:
        listed, others = words
        drawn = others[torch.randint(len(others), (DRAWN,))]
        logits = model.logits(x[wanted], torch.cat((listed, drawn)))
        share = torch.cat((torch.zeros(len(listed)), torch.full((DRAWN,), math.log(len(others) / DRAWN))))
        each = F.cross_entropy(logits + share, torch.searchsorted(listed, target), reduction="none")
    leave = -torch.log1p(-torch.exp(-each).clamp_max(0.9999))
    return (torch.where(kind < 0, leave, each * kind)).sum() / kind.clamp_min(0).sum(), wanted


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


def batches(data, size, rng, repeated=None, share=0.0):
    """Endless batches of lessons of like length. Each epoch a `share` of the lessons is given a repeated
    sentence, and keeps it until its turn comes again; so the share grows."""
    while True:
        data = [s if rng.random() >= share else repeated(s) for s in data] if share else data
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
    ap.add_argument("--repeat", type=float, default=0, help="share of the lessons that say a sentence twice")
    ap.add_argument("--start", help="go on from this .npz"), ap.add_argument("--stop", type=int, help="after this epoch")
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    weights, tokenizer = read_model(a.model)
    chat, experts, model = Chat(tokenizer), Experts(seed=a.seed, drop=a.drop), Model(weights)
    if a.start:
        experts.load(np.load(a.start))
    learned = {l["id"]: l for l in lessons(a.persona) if not held_out(l)}
    data = [Sample(model, chat, l) for l in learned.values()]
    held = [Sample(model, chat, l) for l in lessons(a.persona) if held_out(l)]
    listed = set(range(COMMON)).union(*(s.ids for s in data))
    words = (torch.tensor(sorted(listed)),
             torch.tensor(sorted(set(range(len(weights["token_embd.weight"]))) - listed)))
    epoch = math.ceil(len(data) / a.batch)
    steps = a.epochs * epoch
    optimizer = torch.optim.AdamW(experts.parameters(), lr=a.rate, betas=(0.9, 0.95), weight_decay=a.decay)
    rng = np.random.default_rng(a.seed)
    repeated = lambda s: Sample(model, chat, learned[s.id], rng)
    began, source = time.time(), batches(data, a.batch, rng, repeated, a.repeat)
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
            if (step + 1) // epoch == a.stop:
                break


if __name__ == "__main__":
    main()
