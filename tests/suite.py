"""What the Python suites share: results as TAP lines, running the binary, comparing logits.

A suite prints "ok NAME", "not ok NAME # why" or "ok NAME # SKIP why" for each check and goes on
after a failure; run.py reads these lines from it and from cmocka alike.
"""
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
MODELS = FIXTURES / "models"
BUILD = ROOT / os.environ.get("BUILD", "build")
BINARY = BUILD / "consilium"

SANITIZED = bool(os.environ.get("SANITIZED"))  # a slower build: keep it short

# What runs here keeps its transcripts out of the user's.
_data = tempfile.TemporaryDirectory(prefix="consilium-data-")
os.environ["XDG_DATA_HOME"] = _data.name

failures = 0


def ok(name):
    print(f"ok {name}", flush=True)


def not_ok(name, why):
    global failures
    failures += 1
    text = " ".join(str(why).split())
    print(f"not ok {name} # {text}", flush=True)


def skip(name, why):
    print(f"ok {name} # SKIP {why}", flush=True)


def check(name, condition, why="is false"):
    if condition:
        ok(name)
    else:
        not_ok(name, why)
    return bool(condition)


@contextmanager
def case(name):
    """One check: passes unless its body raises."""
    try:
        yield
    except Exception as fault:  # a suite goes on after any failure
        not_ok(name, f"{type(fault).__name__}: {fault}")
    else:
        ok(name)


def finish():
    sys.exit(1 if failures else 0)


def run(*args, binary=None, timeout=120, check_status=True, **more):
    """Runs the binary; returns the CompletedProcess with text output."""
    done = subprocess.run([str(binary or BINARY), *map(str, args)], capture_output=True, text=True,
                          timeout=timeout, **({"stdin": subprocess.DEVNULL} | more))
    if check_status and done.returncode != 0:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr.strip()[-400:]}")
    return done


def logits(model, tokens, scratch, *options, **more):
    """What `consilium logits` writes: float32 [n, vocabulary]."""
    out = Path(scratch) / "logits.bin"
    run("logits", "-m", model, "--tokens", ",".join(map(str, tokens)), "--output", out, *options,
        **more)
    return np.fromfile(out, "<f4").reshape(len(tokens), -1)


def nmse(got, want):
    """Squared error over squared norm; NaN when anything is NaN, so compare with <=."""
    got, want = got.astype(np.float64), want.astype(np.float64)
    return float(np.sum((got - want) ** 2) / np.sum(want ** 2))


def top1_mistakes(got, want, margin=1e-3):
    """Positions whose best token differs although the reference is sure by more than margin."""
    two = np.sort(want, axis=1)[:, -2:]
    sure = two[:, 1] - two[:, 0] > margin
    return np.flatnonzero(sure & (got.argmax(1) != want.argmax(1))).tolist()
