#!/usr/bin/env python3
"""Every fixture that a script made is made again, in a copy of tests/, and must have the same bytes.

(Tiny models, RoPE tables and SmolLM2's figures hold floating-point results of other libraries;
reference_models.py and reference_smollm2.py compare those with tolerances.)
"""
import filecmp
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import tokenizer_reference
from suite import ROOT, case, finish

FIXTURES = ROOT / "tests" / "fixtures"
SCRIPTS = {"make_quantised.py": ["quantised.gguf", "quantised-iq.gguf"],
           "make_quant_fixtures.py": ["quant.bin"],
           "make_chat_fixtures.py": ["chat.json"],
           "make_markdown_fixtures.py": ["markdown.json"],
           "make_jinja_fixtures.py": ["jinja/cases.jsonl"]}


def tokenizers_again():
    """Training a vocabulary breaks ties by chance, so the committed ones are asked again."""
    for path in sorted((FIXTURES / "tokenizers").glob("*/tokenizer.json")):
        with case(f"{path.parent.name}: the library still gives these ids"):
            library = tokenizer_reference.reference(json.loads(path.read_text()))
            for line in (path.parent / "ids.txt").read_text().splitlines():
                text, *ids = line.split(" ")
                got = library.encode(bytes.fromhex(text).decode(), add_special_tokens=False).ids
                assert got == [int(i) for i in ids], bytes.fromhex(text)[:80]


def main():
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "tests"
        shutil.copytree(ROOT / "tests", copy, symlinks=True,
                        ignore=shutil.ignore_patterns("*.c", "__pycache__"))
        (Path(folder) / "build").mkdir()
        (Path(folder) / "build" / "models").symlink_to(ROOT / "build" / "models")
        for script, names in SCRIPTS.items():
            with case(f"{script}: the same bytes again"):
                for name in names:  # what is not written again must be missed
                    (copy / "fixtures" / name).unlink()
                done = subprocess.run([sys.executable, f"tests/{script}"], cwd=folder,
                                      capture_output=True, text=True)
                assert done.returncode == 0, done.stderr[-1500:]
                _, differ, bad = filecmp.cmpfiles(FIXTURES, copy / "fixtures", names, shallow=False)
                assert not differ and not bad, f"other bytes: {differ + bad}"
    with case("make_iq_grids.py: kernels/iq_grids.c holds the books of the gguf package"):
        done = subprocess.run([sys.executable, ROOT / "tests" / "make_iq_grids.py", "--check"],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-1500:]
    tokenizers_again()
    finish()


if __name__ == "__main__":
    main()
