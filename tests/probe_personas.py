#!/usr/bin/env python3
"""What the built-in personas' experts do, in figures: persona by mask against persona by prompt.

usage: probe_personas.py [--only losses,answers,ranks,removal] [--answers FILE.json]

Printed, each with the target that it is held to:
  losses   nats per answer token on the held-out lessons (of topics that were not taught) of each
           persona, under each persona's mask, under none (control), and under none with the persona's
           instruction as the system message; and one lesson of each through the program, which must
           agree
  neutral  perplexity of neutral text without a mask, against the dense base
  answers  20 fresh questions to `consilium ask`, greedy, no penalty, at most 120 tokens: words'
           4-grams that repeat, answers that end by themselves, and the persona's mark: a code block,
           a question, a word of fixtures/critic_words.txt
  ranks    given only an answer, the base model scores the 20 questions (log-likelihood of the
           question after it, less that without it): how often the right one comes first
  removal  with the general experts banned, loss on a persona's lessons when a persona's experts are
           taken away too, against 20 random removals of as many in every layer

Answers, perplexity and the parity check come from build/consilium, the rest is computed in torch on
the built-in model as the program makes it. `make personas-report` calls it.
"""
import argparse
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from smollm2_torch import (EXPERTS, FIRST, LAYERS, PERSONAS, Chat, Experts, Model, Sample, evaluate, held_out, lessons,
                           load_joined, read_model)

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
ALL = EXPERTS * len(PERSONAS)  # the general experts come behind these


def lines(name):
    text = (FIXTURES / name).read_text(encoding="utf-8").splitlines()
    return [l.strip() for l in text if l.strip() and not l.startswith("#")]


def instruction(name):
    given = json.loads((ROOT / "personas/shipped" / f"{name}.json").read_text(encoding="utf-8"))["instruction"]
    return given["en"] if isinstance(given, dict) else given


def spread(of, most):
    """`most` of them, evenly from first to last; None: all."""
    n = len(of)
    return of if most is None or most >= n else [of[i * n // most] for i in range(most)]


class Bank:
    """The 32 experts under a mask: allowed [layers, 32] or None."""

    def __init__(self, path):
        self.experts = load_joined(path)
        self.count = self.experts.count

    def under(self, allowed):
        def run(layer, x):
            self.experts.allowed = allowed
            return self.experts(layer, x)
        return run

    def keep(self, p):
        """Under the persona's mask its eight experts are all there is, so the others are not computed."""
        own = {k: a[:, p * EXPERTS:(p + 1) * EXPERTS] for k, a in self.experts.arrays().items()}
        return Experts(EXPERTS, self.experts.shared).load(own).eval()

    def compete(self, without=None):
        """General experts banned, and those that `without` [layers, 8] names."""
        allowed = torch.ones(LAYERS - FIRST, self.count, dtype=torch.bool)
        allowed[:, ALL:] = False
        if without is not None:
            allowed.scatter_(1, without, False)
        return self.under(allowed)


class Program:
    """build/consilium with a cache of its own that holds the built-in model of today."""

    def __init__(self, folder, base):
        self.folder, self.base = Path(folder), base
        self.env = dict(os.environ, **{f"XDG_{k}_HOME": str(self.folder / k.lower())
                                       for k in ("CACHE", "CONFIG", "DATA")})
        self.run("model", "build-default", "--from", base)

    def run(self, *arguments, text=None):
        return subprocess.run([ROOT / "build/consilium", *map(str, arguments)], input=text, env=self.env, check=True,
                              capture_output=True, encoding="utf-8").stdout

    def loss(self, name, sample):
        """Nats per answer token of one lesson under the persona's mask."""
        out = self.folder / "logits.f32"
        self.run("logits", "--tokens", ",".join(map(str, sample.ids[:-1])), "-o", out, "--personas", name)
        logits = torch.from_numpy(np.fromfile(out, "<f4")).reshape(len(sample.ids) - 1, -1)[sample.start - 1:]
        return float(torch.nn.functional.cross_entropy(logits, torch.tensor(sample.ids[sample.start:])))

    def perplexity(self, *model):
        return json.loads(self.run("perplexity", FIXTURES / "text/short.txt", "--format", "json", *model))["ppl"]

    def answers(self):
        """{"NAME by mask": [..], "NAME by prompt": [..]}: each persona's program alone, and the plain
        model with the persona's instruction as its system message."""
        out = {}
        for question in lines("fresh_questions.txt"):
            given = json.loads(self.run("ask", "-", "--control=prompt", "--temperature", 0, "--max-tokens", 120,
                                        "--merge", "none", "--format", "json", text=question))
            for a in given["answers"]:
                name = a["persona"].split(":")[0]
                out.setdefault(f"{name} by {a['acts_by']}", []).append(
                    {"question": question, "text": a["text"], "ended": a["stop"] == "end", "stop": a["stop"]})
        return out


class Probe:
    def __init__(self, base, experts, threads, program, most=None):
        self.program = program
        torch.set_num_threads(threads)
        weights, self.tokenizer = read_model(base)
        self.chat, self.model, self.bank = Chat(self.tokenizer), Model(weights), Bank(experts)
        self.tests = {}
        for p in PERSONAS:
            of = lessons(p)
            held = held_out(of)
            self.tests[p] = spread([l for l in of if l["id"] in held], most)
        self.held = {p: [Sample(self.model, self.chat, l) for l in self.tests[p]] for p in PERSONAS}

    # ---- losses ------------------------------------------------------------------------------

    def prompted(self, name):
        chat, before = self.chat, self.chat.prompt
        chat.prompt = lambda q, b=(): before(q, b, instruction(name))
        samples = [Sample(self.model, chat, l) for l in self.tests[name]]
        chat.prompt = before
        return samples

    def losses(self):
        for name in PERSONAS:
            sample = self.held[name][0]
            ours = evaluate(self.model, [sample], self.bank.keep(PERSONAS.index(name)))
            theirs = self.program.loss(name, sample)
            print(f"parity: {name} {sample.id}: torch {ours:.3f}, consilium {theirs:.3f}")
            assert abs(ours - theirs) < 0.02, "what torch computes is not the model that answers"  # bf16 products
        print(f"losses: nats per token of {len(self.held[name])} held-out answers\n" + " " * 14
              + "".join(f"{n:>13s}" for n in (*PERSONAS, "control", "by prompt")))
        for p, name in enumerate(PERSONAS):
            row = [evaluate(self.model, self.held[name], self.bank.keep(q)) for q in range(len(PERSONAS))]
            control = evaluate(self.model, self.held[name], self.bank.under(None))
            prompt = evaluate(self.model, self.prompted(name), None)
            others = min(v for q, v in enumerate(row) if q != p) - row[p]
            print(f"  {name:12s}" + "".join(f"{v:13.3f}" for v in (*row, control, prompt)))
            print(f"  {'':12s} below control {control - row[p]:.2f} (target 0.90), below the nearest other "
                  f"{others:.2f} (0.55), by prompt {control - prompt:.2f}", flush=True)

    # ---- ranks -------------------------------------------------------------------------------

    @torch.no_grad()
    def question_scores(self, answer, questions):
        """log P(question | a user who shows the answer and asks for its question), per question."""
        asked = f"Here is an answer:\n\n{answer}\n\nWhat was the question?" if answer else "Ask a question."
        prompt = self.chat.prompt(asked)
        tails = [self.chat.text(q) for q in questions]
        cache = {}
        h = self.model.run(self.model.embed(torch.tensor([prompt])), 0, LAYERS, None, 0, cache)
        first = self.model.logits(h[:, -1:]).log_softmax(-1)
        out = torch.zeros(len(tails))
        for few in ([i for i, t in enumerate(tails) if len(t) < 30], [i for i, t in enumerate(tails) if len(t) >= 30]):
            if few:
                out[few] = self.tail_scores([tails[i] for i in few], cache, first, len(prompt))
        return out

    def tail_scores(self, tails, cache, first, past):
        """Log-likelihood of each tail behind `past` cached positions; first [1, 1, V]: what comes next there."""
        longest = max(map(len, tails))
        ids = torch.tensor([t + [0] * (longest - len(t)) for t in tails])
        cache = {n: tuple(t.expand(len(tails), -1, -1, -1) for t in kv) for n, kv in cache.items()}
        k = torch.arange(past + longest)
        mask = (k[None] <= torch.arange(past, past + longest)[:, None])[None, None]
        h = self.model.run(self.model.embed(ids), 0, LAYERS, None, past, cache, mask)
        after = self.model.logits(h[:, :-1]).log_softmax(-1)
        every = torch.cat((first.expand(len(tails), -1, -1), after), 1).gather(-1, ids[..., None])[..., 0]
        return torch.stack([every[i, :len(t)].sum() for i, t in enumerate(tails)])

    def ranks(self, answers):
        questions = lines("fresh_questions.txt")
        prior, out = self.question_scores("", questions), {}
        for who, given in answers.items():
            out[who] = sum(int((self.question_scores(a["text"], questions) - prior).argmax()) == i
                           for i, a in enumerate(given))
            print(f"  ranks: {who}: {out[who]} of {len(given)}", flush=True)
        return out

    # ---- removal -----------------------------------------------------------------------------

    def removal(self, most, rounds):
        print(f"removal: general experts banned, {most} held-out lessons each; nats lost")
        whole = lambda p: torch.arange(p * EXPERTS, (p + 1) * EXPERTS).expand(LAYERS - FIRST, -1)
        rng = np.random.default_rng(5)
        draw = lambda: torch.stack([torch.from_numpy(rng.permutation(ALL)[:EXPERTS]) for _ in range(FIRST, LAYERS)])
        random = [draw() for _ in range(rounds)]
        for p, name in enumerate(PERSONAS):
            held = self.held[name][:most]
            base = evaluate(self.model, held, self.bank.compete())
            lost = [evaluate(self.model, held, self.bank.compete(whole(q))) - base for q in range(len(PERSONAS))]
            chance = [evaluate(self.model, held, self.bank.compete(r)) - base for r in random]
            kept = evaluate(self.model, held, self.bank.keep(p))
            print(f"  {name:12s} all 24: {base:.3f} (own mask {kept:.3f}); without "
                  + ", ".join(f"{q} {v:+.3f}" for q, v in zip(PERSONAS, lost))
                  + f"; 20 random: 95th percentile {np.percentile(chance, 95):+.3f}", flush=True)
            yield name, lost


MARKS = {"philosopher": ("a question", lambda t, w: "?" in t), "coder": ("code", lambda t, w: "```" in t),
         "critic": ("a fault word", lambda t, w: bool(w.search(t)))}


def figures(answers):
    words = re.compile(r"\b(" + "|".join(map(re.escape, lines("critic_words.txt"))) + r")\b", re.I)
    for who, given in answers.items():
        grams = repeats = 0
        for a in given:
            split = a["text"].split()
            every = [tuple(split[i:i + 4]) for i in range(len(split) - 3)]
            grams, repeats = grams + len(every), repeats + len(every) - len(set(every))
        what, test = MARKS[who.split()[0]]
        print(f"  {who:22s} repeated 4-grams {100 * repeats / max(grams, 1):4.1f} % (3), ended "
              f"{sum(a['ended'] for a in given):2d} of {len(given)} (19), with {what} "
              f"{sum(test(a['text'], words) for a in given):2d} (17), words "
              f"{np.mean([len(a['text'].split()) for a in given]):.0f}")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--base", default=str(ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"))
    ap.add_argument("--only", default="losses,neutral,answers,ranks,removal")
    ap.add_argument("--lessons", type=int, help="held-out lessons of each persona (all)")
    ap.add_argument("--answers", help="file that keeps the answers (read instead of speaking if it exists)")
    ap.add_argument("--removal-lessons", type=int, default=10), ap.add_argument("--threads", type=int, default=2)
    a = ap.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(a, Program(folder, a.base))


def report(a, program):
    only, began = a.only.split(","), time.time()
    probe = Probe(a.base, program.folder / "cache/consilium/built-in.gguf", a.threads, program, a.lessons)
    if "losses" in only:
        probe.losses()
    if "neutral" in only:
        ours, base = program.perplexity(), program.perplexity("-m", a.base)
        print(f"neutral: perplexity {ours:.3f}, dense base {base:.3f}, {100 * (ours / base - 1):+.2f} % (within 2)",
              flush=True)
    if "answers" in only or "ranks" in only:
        kept = Path(a.answers) if a.answers else None
        answers = json.loads(kept.read_text()) if kept and kept.exists() else program.answers()
        if kept:
            kept.write_text(json.dumps(answers, indent=1, ensure_ascii=False))
        print("answers: 20 fresh questions, greedy, at most 120 tokens")
        figures(answers)
        if "ranks" in only:
            probe.ranks(answers)
    if "removal" in only:
        hurt = dict(probe.removal(a.removal_lessons, 20))
        for p, name in enumerate(PERSONAS):
            others = max(hurt[n][p] for n in PERSONAS if n != name)
            print(f"  removing {name}: own {hurt[name][p]:+.3f}, worst other {others:+.3f} (at most a third)")
    print(f"{time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
