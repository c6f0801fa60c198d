#!/usr/bin/env python3
"""A fourth voice on the built-in model from 24 lessons, in figures; and runs interrupted at 30 moments.

For each of --what experts and lora, with defaults alone: how long the training takes, how many of 8 fresh
questions are answered greedily in the voice without an instruction (the mark: an answer begins with "Aye"), how
far the held-out loss lies below the plain model's, and what becomes of neutral text. Words choose parts:
experts, lora, moments.
"""
import json
import random
import re
import sys
import time

from council_model import make_model
from suite import FIXTURES, ROOT, case, check, finish, run
from train_support import SAILOR, Home, events, interrupt, scratch, until

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


def moments(count=30):
    model = make_model(scratch / "moe")
    lessons = scratch / "short.jsonl"
    lessons.write_text("".join(json.dumps({"question": f"Is {i} more?", "answer": f"Aye, {i} and the tide."}) + "\n"
                               for i in range(10)))
    words = ["-m", model, "--layers", "4-5", "--steps", 150, "--near", 0, "--lessons", lessons,
             "--format", "ndjson"]
    whole = Home("whole")
    p = whole.start(*words)
    until(p, lambda e: e["event"] == "step")
    begin = time.monotonic()
    p.communicate()
    assert p.returncode == 0
    total = time.monotonic() - begin
    rng, met = random.Random(11), []
    for i in range(count):
        home = Home(f"moment{i}")
        p = home.start(*words)
        until(p, lambda e: e["event"] == "step")
        time.sleep(rng.random() * total)
        interrupt(p, times=1 + i % 2)
        states, before = home.states(), p.returncode
        done = home.train(*words, *(["--resume"] if states else []))
        met.append((before, bool(states)))
        if not check(f"interrupted at moment {i + 1} of {count}: the same bytes in the end",
                     done.returncode == 0 and home.results() == whole.results()
                     or before == 0 and set(whole.results().items()) <= set(home.results().items()),
                     (before, states, done.stderr[-300:], home.results())):
            break
    print(f"{sum(s for _, s in met)} of {len(met)} left a state, {sum(c == 0 for c, _ in met)} had ended")


parts = sys.argv[1:] or ["experts", "lora", "moments"]
MODEL = None if parts == ["moments"] else built_in()
for kind in ("experts", "lora"):
    if kind in parts:
        with case(f"{kind}: trains"):
            voice(MODEL, kind)
if "moments" in parts:
    moments()
finish()
