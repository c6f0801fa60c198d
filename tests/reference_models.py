#!/usr/bin/env python3
"""Are the fixtures right? transformers remakes them, and llama.cpp must say the same.

So that an own GGUF writer and an own reader cannot be wrong together, every f32 GGUF file of
fixtures/models gives in llama.cpp the logits that transformers computed: NMSE <= 1e-5. On the
random quantised files, where no other reference exists, ours and llama.cpp's agree as closely as
8-bit activations allow; so they do on a file of each type that has a code book, embedding and all.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from llama import evaluate, open_model
from make_quantised import BOOKS, write_of_books
from model_cases import CASES
from suite import FIXTURES, MODELS, ROOT, case, check, finish, logits, nmse

LIMIT, QUANTISED_LIMIT = 1e-5, 3e-3


def remade(script, what):
    with case(f"{what} remade: equal to the committed ones"):
        done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True,
                              cwd=ROOT / "tests")
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


QUANTISED = ("quantised.gguf", "quantised-iq.gguf")


def quantised_remade(scratch):
    subprocess.run([sys.executable, "make_quantised.py", scratch], check=True, cwd=ROOT / "tests")
    for name in QUANTISED:
        with case(f"{name} remade: equal to the committed one"):
            assert (Path(scratch) / name).read_bytes() == (FIXTURES / name).read_bytes()


def against_llama(path, scratch):
    ids = [(i * 7 + i // 5) % 67 for i in range(120)]
    error = nmse(logits(path, ids, scratch), evaluate(open_model(path), ids))
    check(f"{path.name}: ours agrees with llama.cpp", error <= QUANTISED_LIMIT,
          f"NMSE {error:.1e}")
    print(f"# {path.name}: NMSE against llama.cpp {error:.1e}")


def types_with_books(scratch):
    for kind in BOOKS[0]:
        path = Path(scratch) / f"{kind.name}.gguf"
        write_of_books(path, [[kind] * 7] * 2, kind, kind)
        against_llama(path, scratch)


def main():
    remade("make_models.py", "tiny models")
    remade("make_rope.py", "RoPE tables")
    remade("make_masks.py", "masks")
    remade("make_council_model.py", "the council's model")
    worst = 0.0
    for name, settings in CASES.items():
        if settings.gguf != "F32":
            continue
        with case(f"{name}.gguf: llama.cpp agrees with transformers"):
            reference = np.load(MODELS / name / "ref.npz")
            got = evaluate(open_model(MODELS / f"{name}.gguf"), reference["tokens"])
            error = nmse(got, reference["logits"])
            worst = max(worst, error)
            assert error <= LIMIT, f"NMSE {error:.1e}"
    print(f"# largest NMSE of llama.cpp {worst:.1e}")
    with tempfile.TemporaryDirectory() as scratch:
        quantised_remade(scratch)
        for name in QUANTISED:
            against_llama(FIXTURES / name, scratch)
        types_with_books(scratch)
    finish()


if __name__ == "__main__":
    main()
