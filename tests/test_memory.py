#!/usr/bin/env python3
"""Models larger than the memory that they may take: the same bytes, a bound that is kept or refused by
name."""
import json
import re
import tempfile
from pathlib import Path

import council_model
from suite import case, check, finish, run

council_model.EXPERT_WIDTH = 1024  # experts that outweigh a batch: 48 of 393 KB
IDS = ",".join(str(i * 7 % 90 + 3) for i in range(40))


def refusal(*args):
    """(status, what is said, the least in GiB that would do)"""
    done = run(*args, "--memory", "0.0001", check_status=False)
    found = re.search(r"fewest that it can run with ([0-9.e+-]+)", done.stderr)
    return done.returncode, done.stderr, found and float(found.group(1))


def bounded(args, name):
    """Runs with the least memory that will do; returns that and what is said."""
    status, said, least = refusal(*args)
    check(f"{name}: too little is refused as a usage error", status == 2 and least, said)
    done = run(*args, "--memory", f"{(least or 0) * 1.02:.9f}", "-v")
    check(f"{name}: told that the model does not fit",
          re.search(r"of [0-9.e+-]+ GiB of experts [0-9.e+-]+ are kept", done.stderr), done.stderr)
    return done


def logits(model, scratch):
    wanted, got = scratch / "wanted", scratch / "got"
    args = ("logits", "-m", model, "--tokens", IDS, "--context", "64", "--output")
    run(*args, wanted)
    bounded((*args, got), "logits")
    check("logits: the same bytes", wanted.read_bytes() == got.read_bytes())


def answers(model):
    args = ("ask", "Which way?", "-m", model, "--seed", "4", "--max-tokens", "12", "--context", "256", "--no-save",
            "--format", "json", "--merge", "none")

    def said(done):
        return [(a["persona"], a["tokens"], a["routing"]) for a in json.loads(done.stdout)["answers"]]
    plain = said(run(*args))
    check("answers of a council: the same tokens and routes", plain == said(bounded(args, "ask")), plain)


def main():
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        model = council_model.make_model(scratch / "model")
        logits(model, scratch)
        answers(model)
    finish()


if __name__ == "__main__":
    main()
