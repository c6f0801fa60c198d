#!/usr/bin/env python3
"""How many experts a token should call: nats a token at other counts, beyond those at the model's own.

usage: probe_width.py [--bytes 24000]

On the built-in model, of which the general experts are slices of a dense block, and on a tiny mixture of
experts that was trained as one (fixtures/specialists/natural), each on text that it has not seen. `make
width-report` calls it.
"""
import argparse
import json
import os
import random
import tempfile
from pathlib import Path

from specialists import document
from suite import FIXTURES, ROOT, run

BASE = ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"
COUNTS = (1, 2, 4, 6, 7, 8, 12, 16)


def nats(model, text, env, *more):
    done = run("perplexity", text, "-m", model, "--format", "json", *more, env=env, timeout=3000)
    return json.loads(done.stdout)["nll"]


def report(name, model, text, env):
    own = json.loads(run("model", "info", "-m", model, "--format", "json", env=env).stdout)["experts_per_token"]
    level = nats(model, text, env)
    row = [(k, nats(model, text, env, "--experts", k) - level if k != own else 0) for k in COUNTS]
    print(f"{name}: {level:.4f} nats a token at its own {own}; "
          + ", ".join(f"{k}: {v:+.4f}" for k, v in row), flush=True)
    return level


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--bytes", type=int, default=24000, help="of prose for the built-in model")
    size = ap.parse_args().bytes
    with tempfile.TemporaryDirectory() as folder:
        env = dict(os.environ, **{f"XDG_{k}_HOME": f"{folder}/{k}" for k in ("CACHE", "CONFIG", "DATA")})
        run("model", "build-default", "--from", BASE, env=env, timeout=600)
        prose, lines = Path(folder) / "prose.txt", Path(folder) / "lines.txt"
        prose.write_bytes((FIXTURES / "text/arnold.txt").read_bytes()[:size])
        lines.write_text("".join(line for _, line in document(random.Random(77), 600)))
        level = report("built-in", "built-in", prose, env)
        print(f"  the dense model that it is cut from: {nats(BASE, prose, env) - level:+.4f}")
        report("natural", FIXTURES / "specialists/natural", lines, env)


main()
