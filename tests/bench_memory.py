#!/usr/bin/env python3
"""Times a model in less memory than it weighs: experts read as they are called against the mapped file.

usage: bench_memory.py MODEL [--limit GIB] [--rounds N]      (limit: half of the file)

`consilium bench` runs in a control group of its own with that limit, in turns with and without --memory 0
(which maps whatever the size); before each run the page cache drops the file. Printed for each: tokens a
second, GiB read from the disk, page faults that read. Needs a control group that may be made (root, or a
delegated one); on a busy machine look at the bytes.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from suite import BINARY


def parent_group():
    """(folder of this process's memory group, file of its limit)"""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, kinds, name = line.split(":", 2)
        one = "memory" in kinds.split(",")
        root = Path("/sys/fs/cgroup/memory" if one else "/sys/fs/cgroup") / name.lstrip("/")
        limit = "memory.limit_in_bytes" if one else "memory.max"
        if (one or not kinds) and root.is_dir() and (one or "memory" in (root / "cgroup.subtree_control").read_text()):
            return root, limit
    raise SystemExit("no memory control group here")


@contextmanager
def limited(gib):
    """A group with that limit; yields what a child calls to enter it."""
    root, name = parent_group()
    group = Path(tempfile.mkdtemp(prefix="consilium-", dir=root))
    try:
        (group / name).write_text(str(int(gib * 2**30)))
        yield lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
    finally:
        group.rmdir()


def drop(model):
    with open(model, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(model, gib, *more):
    drop(model)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with limited(gib) as enter:
        done = subprocess.run([BINARY, "bench", "-m", model, "--passes", "1", "--prompt", "8", "--generate", "32",
                               "--context", "256", "--format", "json", *more], stdout=subprocess.PIPE, text=True,
                              preexec_fn=enter, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (json.loads(done.stdout)["runs"][0]["decode_tps"], (after.ru_inblock - before.ru_inblock) / 2**21,
            after.ru_majflt - before.ru_majflt)


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("model", type=Path)
    asked.add_argument("--limit", type=float)
    asked.add_argument("--rounds", type=int, default=2)
    asked = asked.parse_args()
    limit = asked.limit or asked.model.stat().st_size / 2**31
    print(f"{asked.model.name} in {limit:.2f} GiB\n{'':8}  {'tok/s':>7}  {'GiB read':>8}  {'faults':>7}")
    for _ in range(asked.rounds):
        for name, more in (("pool", ()), ("mapped", ("--memory", "0"))):
            speed, read, faults = measure(asked.model, limit, *more)
            print(f"{name:8}  {speed:7.2f}  {read:8.2f}  {faults:7d}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
