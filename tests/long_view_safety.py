#!/usr/bin/env python3
"""Ten million random byte streams through the view: nothing but its own sequences comes out.

usage: long_view_safety.py [STREAMS]
"""
import os
import subprocess
import sys

from suite import BUILD, case, finish

STREAMS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
TEST = BUILD / "tests" / "test_view_safety"
workers = os.cpu_count() or 1


def start(worker):
    environment = dict(os.environ, STREAMS=str(STREAMS // workers), SEED=str(1000 + worker))
    return subprocess.Popen([str(TEST)], env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


with case(f"{STREAMS} random streams give text and the view's own sequences"):
    children = [start(w) for w in range(workers)]
    outputs = [child.communicate()[0] for child in children]
    assert not any(child.returncode for child in children), "\n".join(outputs)[-2000:]
finish()
