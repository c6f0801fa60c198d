#!/usr/bin/env python3
"""Are the fixtures right? transformers remakes them, and llama.cpp must say the same.

So that an own GGUF writer and an own reader cannot be wrong together, every f32 GGUF file of
fixtures/models gives in llama.cpp the logits that transformers computed: NMSE <= 1e-5. On the
random quantised file, where no other reference exists, ours and llama.cpp's agree as closely as
8-bit activations allow.
"""
import subprocess
import sys
import tempfile

import numpy as np

from llama import evaluate, open_model
from model_cases import CASES
from suite import FIXTURES, MODELS, ROOT, case, check, finish, logits, nmse

LIMIT, QUANTISED_LIMIT = 1e-5, 3e-3


def remade(script, what):
    with case(f"{what} remade: equal to the committed ones"):
        done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True,
                              cwd=ROOT / "tests")
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def quantised_remade(scratch):
    made = f"{scratch}/quantised.gguf"
    with case("quantised.gguf remade: equal to the committed one"):
        subprocess.run([sys.executable, "make_quantised.py", made], check=True, cwd=ROOT / "tests")
        with open(made, "rb") as new, open(FIXTURES / "quantised.gguf", "rb") as old:
            assert new.read() == old.read(), "bytes differ"


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
        ids = [(i * 7 + i // 5) % 67 for i in range(120)]
        path = FIXTURES / "quantised.gguf"
        error = nmse(logits(path, ids, scratch), evaluate(open_model(path), ids))
        check("quantised.gguf: ours agrees with llama.cpp", error <= QUANTISED_LIMIT,
              f"NMSE {error:.1e}")
        print(f"# quantised.gguf: NMSE against llama.cpp {error:.1e}")
    finish()


if __name__ == "__main__":
    main()
