#!/usr/bin/env python3
"""Promise 1 on tiny models: logits and routes equal those of transformers.

Each CASE/ref.npz says what transformers computed from the same weights (make_models.py). The
directory and, where there is one, CASE.gguf must give it: NMSE <= 1e-6, the same best token
wherever the reference is sure by 1e-3, the same set of experts wherever its margin is over 1e-4.
"""
import json
import subprocess
import sys
import tempfile

import numpy as np

from suite import BUILD, MODELS, case, check, finish, logits, nmse, run, top1_mistakes

NMSE = 1e-6
ROUTES = BUILD / "tests" / "tool_routes"


def files_of(folder):
    """The directory itself and the GGUF files with the same weights."""
    yield folder
    yield from MODELS.glob(f"{folder.name}.gguf")
    yield from MODELS.glob(f"{folder.name}-00001-of-*.gguf")


def references(folder):
    """(experts per token or 0 for the trained number, what transformers says)."""
    for path in sorted(folder.glob("ref*.npz")):
        k = path.stem.partition("-k")[2]
        yield int(k or 0), np.load(path)


def check_info(folder):
    info = json.loads(run("model", "info", "-m", folder, "--format", "json").stdout)
    config = json.loads((folder / "config.json").read_text())
    assert info["architecture"] == config["model_type"], info["architecture"]
    assert info["layers"] == config["num_hidden_layers"], info["layers"]


def check_logits(model, k, reference, scratch):
    options = ("--experts", k) if k else ()
    got = logits(model, reference["tokens"], scratch, *options)
    want = reference["logits"]
    assert got.shape == want.shape, f"shape {got.shape}, not {want.shape}"
    error = nmse(got, want)
    assert error <= NMSE, f"NMSE {error:.2e} > {NMSE:.0e}"
    mistakes = top1_mistakes(got, want)
    assert not mistakes, f"best token differs at positions {mistakes}"
    return error


def check_routes(model, k, reference):
    tokens = ",".join(map(str, reference["tokens"]))
    done = subprocess.run([ROUTES, model, str(k), tokens], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    seen = {(r["layer"], r["position"]): r for r in map(json.loads, done.stdout.splitlines())}
    layers, count = reference["moe_layers"].tolist(), len(reference["tokens"])
    assert set(seen) == {(l, p) for l in layers for p in range(count)}, "layers or positions differ"
    for i, layer in enumerate(layers):
        for position in range(count):
            row = seen[layer, position]
            ids = [e for e in row["ids"] if e >= 0]  # -1 is an empty slot
            if reference["margins"][i, position] <= 1e-4:
                continue
            want = reference["routes"][i, position].tolist()
            assert sorted(ids) == sorted(want), \
                f"layer {layer}, token {position}: experts {ids}, not {want}"
            gates = dict(zip(want, reference["gates"][i, position]))
            worst = max(abs(gates[e] - g) for e, g in zip(ids, row["gates"]))
            assert worst <= 1e-4, f"layer {layer}, token {position}: a gate is off by {worst:.1e}"


def main():
    worst = 0.0
    folders = sorted(p.parent for p in MODELS.glob("*/ref.npz"))
    check("fixtures are there", len(folders) > 50, f"{len(folders)} cases in {MODELS}")
    with tempfile.TemporaryDirectory() as scratch:
        for folder in folders:
            if sys.argv[1:] and not any(word in folder.name for word in sys.argv[1:]):
                continue
            with case(f"{folder.name}: model info"):
                check_info(folder)
            for model in files_of(folder):
                for k, reference in references(folder):
                    name = f"{model.name}{f' with {k} experts' if k else ''}"
                    with case(f"{name}: logits"):
                        worst = max(worst, check_logits(model, k, reference, scratch))
                    if "routes" in reference:
                        with case(f"{name}: routes"):
                            check_routes(model, k, reference)
    print(f"# largest NMSE {worst:.1e}")
    finish()


if __name__ == "__main__":
    main()
