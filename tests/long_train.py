#!/usr/bin/env python3
"""A fourth voice on the built-in model from 24 lessons, in figures.

For each of --what experts and lora, with defaults alone: how long the training takes, how many of 8 fresh
questions are answered greedily in the voice without an instruction (the mark: an answer begins with "Aye"), how
far the held-out loss lies below the plain model's, and what becomes of neutral text. Words choose parts:
experts, lora.
"""
import json
import re
import sys
import time

from suite import FIXTURES, ROOT, case, check, finish, run
from train_support import SAILOR, Home, events

BASE = ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"
MARK = re.compile(r"\s*Aye\b")
NEUTRAL = FIXTURES / "text" / "short.txt"
QUESTIONS = (SAILOR / "sailor.questions.txt").read_text().splitlines()
SECONDS, VOICED, GAIN, NEUTRAL_MOST = 120, 7, 0.35, 1.02
ACTS_BY = {"experts": {"mask+adapter"}, "lora": {"adapter"}}  # updates of the model's own need no mask


def built_in():
    maker = Home("maker")
    done = maker.run("model", "build-default", "--from", BASE)
    assert done.returncode == 0, done.stderr
    return maker.path / ".cache/consilium/built-in.gguf"


def answer(home, question):
    done = home.run("ask", question, "-p", "sailor", "--temperature", 0, "--max-tokens", 120, "--merge", "none",
                    "--no-save", "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["answers"][0]


def perplexity(home, *who):
    done = home.run("perplexity", NEUTRAL, "--format", "json", *who)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def voice(model, what):
    home = Home(f"voice-{what}", built_in=model)
    begin = time.monotonic()
    done = home.train("--what", what, "--format", "ndjson", timeout=1200)
    seconds = time.monotonic() - begin
    assert done.returncode == 0, done.stderr
    end = events(done.stdout)[-1]
    answers = [answer(home, q) for q in QUESTIONS]
    voiced = sum(bool(MARK.match(a["text"])) for a in answers)
    ended = sum(a["stop"] == "end" for a in answers)
    plain, own = perplexity(home), perplexity(home, "-p", "sailor")
    gain, ratio = end["control"] - end["loss"], own["ppl"] / plain["ppl"]
    print(f"{what}: {seconds:.0f} s, step {end['step']}, held out {end['loss']:.3f} against {end['control']:.3f} "
          f"({gain:+.3f}), voice {end['voice']:.2f}, {voiced} of {len(answers)} fresh answers marked, {ended} "
          f"end; neutral perplexity {own['ppl']:.2f} against {plain['ppl']:.2f} ({100 * (ratio - 1):+.1f} %)")
    for q, a in zip(QUESTIONS, answers):
        print(f"    {q} {a['text'][:100]!r}")
    kinds = {a["acts_by"] for a in answers}
    check(f"{what}: without an instruction", kinds == ACTS_BY[what], kinds)
    check(f"{what}: at least {VOICED} of {len(answers)} fresh answers carry the mark", voiced >= VOICED, voiced)
    check(f"{what}: held-out loss at least {GAIN} below the plain model's", gain >= GAIN, gain)
    check(f"{what}: neutral text within 2 %", ratio <= NEUTRAL_MOST, ratio)
    check(f"{what}: in under {SECONDS} s", seconds < SECONDS, seconds)


MODEL = built_in()
for kind in sys.argv[1:] or ["experts", "lora"]:
    with case(f"{kind}: trains"):
        voice(MODEL, kind)
finish()
