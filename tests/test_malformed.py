#!/usr/bin/env python3
"""The malformed models of at most 100 MB: see make_malformed.py and malformed.py.

And one case that no file can hold: a model replaced by another while it is opened (G34)."""
import json
import os
import shutil
import tempfile
import threading
from pathlib import Path

import malformed
from suite import MODELS, case, finish, run

ROUNDS = 60


def fingerprint(path):
    """Without the sandbox: it lets in the file that bore the name when it was entered, and no other."""
    return json.loads(run("model", "info", "--no-sandbox", "-m", path, "--format", "json").stdout)["fingerprint"]


def replaced_while_opened():
    """Two models take turns behind one name; what is opened is one of them, whole."""
    sources = [MODELS / "mixtral.gguf", MODELS / "llama.gguf"]
    either = {fingerprint(source) for source in sources}
    assert len(either) == 2
    with tempfile.TemporaryDirectory() as scratch:
        name, spare = Path(scratch) / "model.gguf", Path(scratch) / "next.gguf"
        shutil.copy(sources[0], name)
        over = threading.Event()

        def replace():
            turn = 0
            while not over.is_set():
                turn += 1
                shutil.copy(sources[turn % 2], spare)
                os.replace(spare, name)

        thread = threading.Thread(target=replace)
        thread.start()
        try:
            seen = {fingerprint(name) for _ in range(ROUNDS)}
        finally:
            over.set()
            thread.join()
    assert seen <= either, seen - either
    assert len(seen) == 2, "the model was never replaced between two looks"


malformed.main([], long=False)
with case("G34: a model replaced while it is opened is one model or the other"):
    replaced_while_opened()
finish()
