#!/usr/bin/env python3
"""The check of layers bites: one include is planted in a small tree, and it is named."""
import subprocess
import sys
import tempfile
from pathlib import Path

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


def main():
    check("a tree that keeps the arrows passes", verdict({}) == (0, ""), verdict({}))
    refused("upward between the large rooms", {"engine/base/buf.c": "../../repl/cli/commands.h"},
            "engine/base/buf.c includes repl/cli/commands.h")
    refused("upward inside one", {"engine/base/buf.c": "../run/engine.h"},
            "engine/base/buf.c includes engine/run/engine.h")
    refused("what is common includes a device", {"kernels/quant.c": "cpu/dot.h"},
            "kernels/quant.c includes kernels/cpu/dot.h")
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
