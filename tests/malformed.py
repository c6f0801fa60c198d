#!/usr/bin/env python3
"""Run `model info`, `logits` and `tokenize` over malformed models and judge what comes back.

usage: malformed.py [--long] [PATTERN...]     (cases whose name holds a PATTERN)

Whatever the file: no signal, no sanitizer's finding, no control byte on the terminal, two seconds
of processor time, less than 512 MB (both are not judged in a sanitized build). Refused means exit
3 and a sentence that names the file and what the case demands.
"""
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import make_malformed
from suite import BINARY, check, finish

SANITIZED = bool(os.environ.get("SANITIZED"))
SECONDS, PATIENCE, MEMORY = 2.0, 60, 512 << 20
CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
PEAK = 8 << 30  # address space of a plain build; what a header may ask for is far below


def limit():
    if not SANITIZED:
        resource.setrlimit(resource.RLIMIT_AS, (PEAK, PEAK))


def run(*arguments):
    """(exit status, stdout, stderr, processor seconds, peak bytes)"""
    process = subprocess.Popen([BINARY, *arguments], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limit,
                               env=dict(os.environ, NO_COLOR="1", UBSAN_OPTIONS="halt_on_error=1",
                                        ASAN_OPTIONS="detect_leaks=1:exitcode=99"))
    out, err = [], []
    readers = [threading.Thread(target=lambda to=to, pipe=pipe: to.append(pipe.read()))
               for to, pipe in ((out, process.stdout), (err, process.stderr))]
    for reader in readers:
        reader.start()
    timer = threading.Timer(PATIENCE, process.kill)
    timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    for reader in readers:
        reader.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    return (process.returncode, out[0], err[0], usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss << 10)


def faults(case, command, result, refused):
    """What is wrong with one run; empty when nothing is."""
    status, out, err, seconds, peak = result
    words = err.decode(errors="replace")
    if status < 0:
        yield f"{command}: ended by {signal.Signals(-status).name}: {words[-300:]}"
        return
    accepted = status in (0, 3)
    if case["expect"] == "poisoned" and command == "logits":
        accepted = status == 0 or (status == 1 and "finite" in words)
    if case["expect"] == "either" and "do not fit the context" in words:
        accepted = status == 2
    if not accepted or "Sanitizer" in words or "runtime error" in words:
        yield f"{command}: exit status {status}: {words[-600:]}"
    if refused and status != 3:
        yield f"{command}: was not refused"
    if case["expect"] == "loads" and status != 0:
        yield f"{command}: was refused: {words}"
    if status == 3:
        if case["case"] not in words and case["path"] not in words:
            yield f"{command}: the message does not name the file: {words}"
        for said in case["says"]:
            if said not in words:
                yield f'{command}: "{said}" is not in the message: {words}'
    if CONTROL.search(out) or CONTROL.search(err):
        yield f"{command}: control bytes in the output: {(out + err)[-300:]}"
    if not SANITIZED and seconds > SECONDS:
        yield f"{command}: took {seconds:.1f} s"
    if not SANITIZED and peak > MEMORY:
        yield f"{command}: took {peak >> 20} MiB"


def judge(case, folder):
    """All faults of a case."""
    logits = Path(folder) / (case["case"] + ".logits")
    runs = [("info", ["model", "info", "-m", case["path"]]),
            ("logits", ["logits", "-m", case["path"], "--tokens", "1,2,3", "--output", logits])]
    runs = runs[SANITIZED:]  # logits opens the same way; half the time is worth more there
    if case["case"][0] == "K":
        runs.append(("tokenize", ["tokenize", "-m", case["path"], "the inn\n (thin) q!"]))
    found = []
    for command, arguments in runs:
        result = run(*arguments)
        # without a tokenizer there is nothing to tokenize with, which is no fault of the file's
        allowed = dict(case, expect="either", says=[]) if command == "tokenize" else case
        found += faults(allowed, command, result, allowed["expect"] == "refused")
    if logits.exists():
        logits.unlink()
    return found


def group(case):
    return re.match(r"[A-Z]\d+", case).group()


def main(patterns, long):
    with tempfile.TemporaryDirectory() as folder:
        cases = make_malformed.make(Path(folder) / "models", long, patterns)
        with ThreadPoolExecutor(2) as pool:
            found = dict(zip((c["case"] for c in cases),
                             pool.map(lambda c: judge(c, folder), cases)))
    groups = {}
    for case, wrong in found.items():
        groups.setdefault(group(case), []).append((case, wrong))
    for name, members in groups.items():
        wrong = [f"{case}: {'; '.join(w)}" for case, w in members if w]
        check(f"{name}: {len(members)} files", not wrong, " | ".join(wrong))


if __name__ == "__main__":
    main([a for a in sys.argv[1:] if a != "--long"], "--long" in sys.argv)
    finish()
