#!/usr/bin/env python3
"""Run suites that print TAP lines (cmocka or suite.py), collect the results, say what failed.

usage: run.py [--results DIR] [--label TEXT] [--must-fail] SUITE...
       run.py --total DIR

A suite is a program, or a .py file for the interpreter in $PYTHON. Each leaves DIR/NAME.txt: its
lines "ok NAME", "not ok NAME # why", "ok NAME # SKIP why". Output is shown only when something
failed; skips are always shown. A suite that dies, runs past its time or prints no result counts as
a failure. Lines "# ..." of a Python suite are figures and are shown. --must-fail turns one suite
around: the negative control of a test.
What a suite leaves below its $TMPDIR, a folder of its own, goes when it has passed; of one that failed it
stays, and is named.
--total adds up everything in DIR and ends with "N passed, N failed"; what was skipped stands above.
"""
import argparse
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LINE = re.compile(r"^(ok|not ok)\b(?: \d+)?(?: -)? ?(.*)$")
WHOLE = "the suite as a whole"
LIMIT = 1200  # seconds for one suite


def results_of(output):
    """TAP lines as (status, name, why); cmocka writes a skip as `not ok 3 # SKIP name`."""
    for line in output.splitlines():
        match = LINE.match(line)
        if not match:
            continue
        status, rest = match.groups()
        name, _, why = (part.strip() for part in rest.partition("#"))
        if why.upper().startswith("SKIP"):
            why = why[4:].strip()
            yield ("skip", name or why, why if name else "")
        else:
            yield (status, name, why)


def make_scratch():
    """A folder for one suite, of a short name: sockets lie in it, whose paths end at 107 bytes, and screens
    show paths."""
    return tempfile.mkdtemp(prefix="t-")


def remove_scratch(top):
    """Whatever modes its folders were left in."""
    for place, folders, _ in os.walk(top):
        for path in (os.path.join(place, name) for name in folders):
            if not os.path.islink(path):
                os.chmod(path, stat.S_IRWXU)
    shutil.rmtree(top, ignore_errors=True)
    if os.path.exists(top):
        print(f"    {top} could not be removed", flush=True)


def run_suite(command, scratch):
    """(results, output, seconds)"""
    start = time.monotonic()
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", PYTHONDONTWRITEBYTECODE="1", TMPDIR=scratch)
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=LIMIT, env=environment)
        output, fate = done.stdout, f"exit status {done.returncode}" if done.returncode else ""
    except subprocess.TimeoutExpired as fault:
        output, fate = fault.stdout or b"", f"ran past {LIMIT} s"
    except OSError as fault:
        output, fate = b"", str(fault)
    output = output.decode(errors="replace")
    results = list(results_of(output))
    if fate and not any(status == "not ok" for status, _, _ in results):
        results.append(("not ok", WHOLE, fate))
    if not results:
        results.append(("not ok", WHOLE, "printed no result"))
    return results, output, time.monotonic() - start


def turned(results):
    """The one result of a negative control: a check must fail, dying does not count."""
    if any(status == "not ok" and name != WHOLE for status, name, _ in results):
        return [("ok", "the planted fault is found", "")]
    return [("not ok", "the planted fault is found", "no check failed")]


def count(results):
    return {s: sum(r[0] == s for r in results) for s in ("ok", "not ok", "skip")}


def show(label, results, output, seconds, notes):
    n = count(results)
    note = f", {n['skip']} skipped" if n["skip"] else ""
    print(f"{label:34} {n['ok']:4} passed, {n['not ok']} failed{note}  ({seconds:.1f} s)",
          flush=True)
    for status, name, why in results:
        if status == "skip":
            print(f"    SKIPPED {name} {why}")
    for line in output.splitlines() if notes else ():
        if line.startswith("# "):
            print(f"    {line}")
    if n["not ok"]:
        print("".join(f"    | {line}\n" for line in output.splitlines()[-120:]), end="", flush=True)


def total(folder):
    everything = []
    for path in sorted(folder.glob("*.txt")):
        everything += [(path.stem, *r) for r in results_of(path.read_text())]
    n = count([r[1:] for r in everything])
    for suite, status, name, why in everything:
        if status == "not ok":
            print(f"FAILED {suite}: {name}{f' ({why})' if why else ''}")
    if n["skip"]:
        print(f"{n['skip']} skipped", flush=True)
    print(f"{n['ok']} passed, {n['not ok']} failed", flush=True)
    return 1 if n["not ok"] or not n["ok"] else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("build/results"))
    parser.add_argument("--label", default="")
    parser.add_argument("--must-fail", action="store_true")
    parser.add_argument("--total", type=Path)
    parser.add_argument("suites", nargs="*")
    args = parser.parse_args()
    if args.total:
        return total(args.total)
    args.results.mkdir(parents=True, exist_ok=True)
    for suite in args.suites:
        name = args.label + Path(suite).name  # test_x and test_x.py may both be there
        python = [os.environ.get("PYTHON", sys.executable)] if suite.endswith(".py") else []
        scratch = make_scratch()
        results, output, seconds = run_suite([*python, suite], scratch)
        if args.must_fail:
            results = turned(results)
        show(name, results, output, seconds, notes=bool(python))
        if count(results)["not ok"]:
            print(f"    its files: {scratch}", flush=True)
        else:
            remove_scratch(scratch)
        words = {"skip": "ok {} # SKIP {}", "ok": "ok {}", "not ok": "not ok {} # {}"}
        (args.results / f"{name}.txt").write_text(
            "".join(words[s].format(n, w) + "\n" for s, n, w in results))
    return 0  # the total decides


if __name__ == "__main__":
    sys.exit(main())
