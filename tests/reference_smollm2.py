#!/usr/bin/env python3
"""Is fixtures/smollm2.json what llama.cpp says today?"""
import subprocess
import sys

from suite import ROOT, case, finish

with case("SmolLM2's figures remade: equal to the committed ones"):
    done = subprocess.run([sys.executable, "make_smollm2.py", "--check"], capture_output=True,
                          text=True, cwd=ROOT / "tests")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
finish()
