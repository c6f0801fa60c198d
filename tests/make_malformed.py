#!/usr/bin/env python3
"""Write the malformed models: each differs in one thing from one valid tiny model.

usage: make_malformed.py DIRECTORY [--long]

DIRECTORY gets one file or folder a case and manifest.json, a list of
    {"case": "G14-wraps-to-zero", "path": "..", "expect": "refused", "says": [".."]}
"expect" is "refused" (exit 3, the message holds the file and every word of "says"), "loads" (info
and logits work), "either" (one of the two, but nothing else) or "poisoned" (loads; numbers that are
not finite may end the run with exit 1 and a sentence that says so). The letters and numbers are the threat list's:
G = GGUF, S = safetensors, C = config.json, K = tokenizer, J = any JSON file. --long adds those
that take more than 100 MB or many seconds.
"""
import json
import os
import sys
from pathlib import Path

import malformed_config
import malformed_gguf
import malformed_json
import malformed_safetensors
import malformed_tokenizer
from malformed_base import Directory


class Cases:
    """Collects cases and writes them."""

    def __init__(self, root, long, patterns):
        self.root, self.long, self.patterns, self.manifest = root, long, patterns, []

    def wanted(self, case):
        return not self.patterns or any(p in case for p in self.patterns)

    def add(self, case, path, expect, says=()):
        if not self.wanted(case):
            return
        says = [says] if isinstance(says, str) else list(says)
        assert expect in ("refused", "loads", "either", "poisoned")
        assert case not in {c["case"] for c in self.manifest}, case
        self.manifest.append({"case": case, "path": str(path), "expect": expect, "says": says})

    def file(self, case, content, expect, says=(), suffix=".gguf"):
        """A model that is one file."""
        path = self.root / (case + suffix)
        if self.wanted(case):
            path.write_bytes(bytes(content))
        self.add(case, path, expect, says)

    def directory(self, case, directory, expect, says=()):
        """A model that is a Directory."""
        path = self.root / case
        if self.wanted(case):
            directory.write(path)
        self.add(case, path, expect, says)

    def files(self, case, expect, says=(), **contents):
        """The valid Directory with some files replaced: name__json=bytes (__ for the dot)."""
        directory = Directory()
        for name, content in contents.items():
            directory.files[name.replace("__", ".")] = content
        self.directory(case, directory, expect, says)


def make(root, long=False, patterns=()):
    """Writes the cases whose names hold a pattern (all without patterns); returns the manifest."""
    root = Path(root).resolve()
    root.mkdir(parents=True)
    cases = Cases(root, long, patterns)
    for part in (malformed_gguf, malformed_safetensors, malformed_config, malformed_tokenizer,
                 malformed_json):
        part.make(cases)
    (root / "manifest.json").write_text(json.dumps(cases.manifest, indent=1))
    return cases.manifest


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--long"]
    if len(arguments) != 1 or os.path.exists(arguments[0]):
        sys.exit(__doc__)
    print(len(make(arguments[0], "--long" in sys.argv)), "cases")
