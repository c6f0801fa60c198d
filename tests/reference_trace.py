#!/usr/bin/env python3
"""What `consilium trace --tensorboard` writes, read by TensorBoard itself: tags, steps and values are those of
the arrays."""
import os
import tempfile
from pathlib import Path

import numpy as np

from suite import FIXTURES, case, finish, run

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

scratch = Path(tempfile.mkdtemp(prefix="events-"))
os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_CACHE_HOME"] = str(scratch / "nothing")
run("trace", "Is it the code?", "--seed=5", "--max-tokens=24", "--control", "--personas=coder", "-m",
    FIXTURES / "council", "-o", scratch / "a.npz", "--tensorboard", scratch / "runs")
arrays = np.load(scratch / "a.npz")

for name in ("coder", "control"):
    with case(f"TensorBoard reads the run of {name}"):
        path, = (scratch / "runs" / name).iterdir()
        values, versions = {}, []
        for event in EventFileLoader(str(path)).Load():
            versions += [event.file_version] if event.HasField("file_version") else []
            for value in event.summary.value:
                got = value.tensor.float_val[0] if value.HasField("tensor") else value.simple_value
                values.setdefault(value.tag, []).append((event.step, got))
        assert versions == ["brain.Event:2"], versions
        for tag, field in (("routing/entropy", "entropy"), ("routing/banned_mass", "banned")):
            want = arrays[f"{name}.{field}"].mean(1)
            assert [s for s, _ in values[tag]] == list(range(len(want)))
            assert np.allclose([v for _, v in values[tag]], want, atol=1e-6), tag
        assert set(values) == {"routing/" + t for t in ("entropy", "margin", "banned_mass", "denied", "experts_so_far")}

finish()
