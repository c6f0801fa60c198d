#!/usr/bin/env python3
"""The check of layers bites: one include is planted in a small tree, and it is named. And README, which
tells where to begin reading, names every room and no file that is not there."""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from check_layers import ROOMS
from suite import ROOT, check, finish

CLEAN = {
    "kernels/error.h": "",
    "kernels/quant.h": "error.h",
    "kernels/quant.c": "quant.h",
    "kernels/cpu/dot.h": "../quant.h",
    "kernels/cpu/dot_sets.h": "dot.h",
    "kernels/cpu/dot.c": "dot.h dot_sets.h",
    "engine/base/buf.h": "../../kernels/error.h",
    "engine/run/engine.h": "../base/buf.h ../../kernels/quant.h",
    "repl/cli/commands.h": "",
    "repl/cli/command_ask.c": "commands.h ../../engine/run/engine.h",
}


def verdict(planted):
    """Exit status and output of the check over CLEAN with further includes: file -> headers."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in {**CLEAN, **planted}:
            path = Path(scratch) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            headers = f"{CLEAN.get(name, '')} {planted.get(name, '')}".split()
            path.write_text("".join(f'#include "{h}"\n' for h in headers))
        done = subprocess.run([sys.executable, ROOT / "tests/check_layers.py", scratch],
                              capture_output=True, text=True)
        return done.returncode, done.stdout.strip()


def refused(name, planted, words):
    status, said = verdict(planted)
    check(name, status == 1 and words in said, (status, said))


def readme_is_true():
    words = re.findall(r"`([^`\n ]+)`", (ROOT / "README.md").read_text())
    tops = {room.split("/")[0] for room in ROOMS} | {"tests"}
    there = [path.relative_to(ROOT).as_posix() for top in tops for path in (ROOT / top).rglob("*")]
    files = [w for w in words if re.fullmatch(r"[\w/]+\.(h|c|py)", w)]
    gone = [w for w in files if not any(("/" + path).endswith("/" + w) for path in there)]
    check("README names files that are there", len(files) > 100 and not gone, gone)
    missing = [room for room in ROOMS if room not in words]
    check("README tells of every room", not missing, missing)


def main():
    readme_is_true()
    check("a tree that keeps the arrows passes", verdict({}) == (0, ""), verdict({}))
    refused("upward between the large rooms", {"engine/base/buf.c": "../../repl/cli/commands.h"},
            "engine/base/buf.c includes repl/cli/commands.h")
    refused("upward inside one", {"engine/base/buf.c": "../run/engine.h"},
            "engine/base/buf.c includes engine/run/engine.h")
    refused("what is common includes a device", {"kernels/quant.c": "cpu/dot.h"},
            "kernels/quant.c includes kernels/cpu/dot.h")
    refused("a circle of rooms", {"kernels/error.c": "cpu/pool.h"},
            "circle of rooms: kernels kernels/cpu")
    refused("a circle of headers", {"kernels/error.h": "quant.h"},
            "circle of modules: kernels/error kernels/quant")
    refused("a circle through sources of modules",
            {"kernels/iq.h": "quant.h", "kernels/quant_rows.c": "iq.h"},
            "circle of modules: kernels/iq kernels/quant")
    refused("a folder that is no room", {"engine/gpu/device.c": "../base/buf.h"},
            "engine/gpu is no room")
    finish()


if __name__ == "__main__":
    main()
