#!/usr/bin/env python3
"""`personas derive`, `pack`, `add` and `train`, each stopped at 30 moments by Ctrl-C, two of them, SIGTERM and SIGKILL:
what was there is there, or what was to come is, whole; the next run leaves nothing of the one before.

usage: long_moments.py [derive|pack|add|train]..
"""
import sys
import tempfile
from pathlib import Path

import interrupted

COUNT, EXPERTS = 30, 150  # so many that writing takes a while
PARTS = {"derive": lambda place: interrupted.derive(place, COUNT), "pack": lambda place: interrupted.pack(place, COUNT, EXPERTS),
         "add": lambda place: interrupted.add(place, COUNT, EXPERTS), "train": lambda place: interrupted.train(place, COUNT)}

with tempfile.TemporaryDirectory() as folder:
    for part in sys.argv[1:] or PARTS:
        (Path(folder) / part).mkdir()
        PARTS[part](Path(folder) / part)
interrupted.finish()
