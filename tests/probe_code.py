#!/usr/bin/env python3
"""Does the code run that the coder writes, and does it print what it says that it prints?

usage: probe_code.py [--most N] [--answers FILE.jsonl]

The built-in model answers the questions of the coder's held-out lessons (topics that were not taught), greedily and
by the coder's mask alone. Of its answers in Python, printed: how many blocks run to their end, confined as those of
`eval --run-code` are, and how many of the outputs that a comment behind a print states (`print(x)  # 3`, the
form of the lessons) come in that order. Targets: 90 % of blocks, 80 % of stated outputs.
"""
import argparse
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get("BUILD", "build")
BASE = ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"
TAUGHT_BUT_EVERY = 5  # personas/lessons/lessons.h: every fifth topic is held out
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
PROMISE = re.compile(r"^ *print\(.*\)  +# (.+)$", re.M)

# Runs the block with its output in memory; a promise that does not come is a fault like any other.
STATED = """
import contextlib, io
out = io.StringIO()
with contextlib.redirect_stdout(out):
    exec(compile({code!r}, "block", "exec"), {{"__name__": "__main__"}})
said = iter(line.strip() for line in out.getvalue().split("\\n"))
assert all(any(line == promise for line in said) for promise in {promises!r})
"""


def questions():
    text = (ROOT / "personas/shipped/coder.lessons.jsonl").read_text(encoding="utf-8")
    lessons = [json.loads(l) for l in text.splitlines() if l and not l.startswith("#")]
    topics = list(dict.fromkeys(l["topic"] for l in lessons))
    held = set(topics[TAUGHT_BUT_EVERY - 1::TAUGHT_BUT_EVERY])
    return [l["question"] for l in lessons if l["topic"] in held and not l.get("before")]


def answers(asked):
    """What the coder says to each, as `eval` asks it. The key is never looked at."""
    with tempfile.TemporaryDirectory() as folder:
        places = {f"XDG_{n}_HOME": folder for n in ("CACHE", "STATE", "CONFIG", "DATA")}
        def program(*words):
            subprocess.run([BUILD / "consilium", *words], check=True, env=os.environ | places, stdout=subprocess.DEVNULL)
        program("model", "build-default", "--from", BASE)
        path = Path(folder) / "asked.jsonl"
        path.write_text("".join(json.dumps({"kind": "exact", "question": q, "keys": ["-"]}) + "\n" for q in asked))
        program("eval", path, "-p", "coder", "--arms", "coder", "--no-instruction")
        record, = Path(folder, "consilium/eval").glob("asked.*.jsonl")
        found = [json.loads(line) for line in record.read_text().splitlines()]
        return [line["arms"]["coder"]["text"] for line in found if "item" in line]


def passes(program):
    done = subprocess.run([BUILD / "tests/tool_code"], input=program, capture_output=True, text=True, check=True)
    return done.stdout == "passed\n"


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--most", type=int, help="questions (all)")
    ap.add_argument("--answers", type=Path, help="file that keeps the answers (read instead of asking if it exists)")
    a = ap.parse_args()
    asked = questions()[:a.most]
    if a.answers and a.answers.exists():
        texts = [json.loads(line) for line in a.answers.read_text().splitlines()]
    else:
        texts = answers(asked)
        if a.answers:
            a.answers.write_text("".join(json.dumps(t) + "\n" for t in texts))
    blocks = [b for t in texts for b in BLOCK.findall(t)]
    run = [b for b in blocks if passes(b)]
    stating = [b for b in run if PROMISE.search(b)]
    right = [b for b in stating if passes(STATED.format(code=b, promises=[p.strip() for p in PROMISE.findall(b)]))]
    print(f"{len(texts)} answers, {len(blocks)} blocks of Python in {sum('```' in t for t in texts)} of them")
    for name, part, of, goal in (("run to their end", run, blocks, 90), ("print what they state", right, stating, 80)):
        print(f"  {name}: {len(part)} of {len(of)}, {100 * len(part) / max(len(of), 1):.0f} % ({goal})")


if __name__ == "__main__":
    main()
