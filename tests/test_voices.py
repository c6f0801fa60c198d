#!/usr/bin/env python3
"""`model build-voices`: the built-in's experts from the lessons, the whole way, on short lessons.

A copy of the program stands in a place of its own, with the first lessons of each persona. It makes
the base, trains a few steps, joins: the file loads, the model that the recipe makes of it is SmolLM2
without a mask, where all slices are called, and another model under each, and another run, with another number of threads,
gives the same bytes. Adapters that are there already are joined without training: those of the shipped
experts give the shipped experts.
"""
import json
import os
import shutil
import tempfile
from pathlib import Path

import gguf
import numpy as np

from suite import BINARY, ROOT, SANITIZED, case, check, finish, nmse, run, skip

BASE = ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"
SHIPPED = ROOT / "personas/shipped"
PERSONAS, FIRST, LAYERS, EXPERTS = ("philosopher", "coder", "critic"), 10, 30, 8
NEUTRAL = ROOT / "personas/shipped/neutral.txt"
LESSONS, STEPS = 5, 2
TEXT = "The harbour is quiet in winter. Boats lie under their covers, and gulls stand on the rails."


def place(folder):
    """The program beside a personas/shipped with few lessons; (program, environment, neutral text)."""
    (folder / "build").mkdir(parents=True)
    shutil.copy(BINARY, folder / "build/consilium")
    shipped = folder / "personas/shipped"
    shipped.mkdir(parents=True)
    for name in PERSONAS:
        shutil.copy(SHIPPED / f"{name}.json", shipped)
        lines = (SHIPPED / f"{name}.lessons.jsonl").read_text().splitlines()[:LESSONS]
        (shipped / f"{name}.lessons.jsonl").write_text("\n".join(lines) + "\n")
    neutral = folder / "neutral.txt"
    neutral.write_text("\n--------\n".join([TEXT, *NEUTRAL.read_text().split("\n--------\n")[:2]]))
    env = dict(os.environ, HOME=str(folder), **{f"XDG_{k}_HOME": str(folder / k.lower())
                                              for k in ("CACHE", "CONFIG", "DATA", "STATE")})
    return folder / "build/consilium", env, neutral


def voices(program, env, neutral, out, *more, **options):
    return run("model", "build-voices", "--from", BASE, "--keep-near", neutral, "-o", out, *more, env=env,
               binary=program, timeout=600, **options)


def tensors(path):
    return {t.name: t for t in gguf.GGUFReader(path).tensors}


def values(t):
    return np.array(gguf.quants.dequantize(t.data, t.tensor_type), np.float32)


def write_safetensors(path, arrays):
    header, at = {}, 0
    for name, a in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for a in arrays.values():
            f.write(np.ascontiguousarray(a, "<f4").tobytes())


def write_shipped_adapters(out):
    """The shipped experts as the trainer would have left them."""
    bank = tensors(SHIPPED / "built-in.experts.gguf")
    for p, name in enumerate(PERSONAS):
        own, arrays = slice(EXPERTS * p, EXPERTS * (p + 1)), {}
        for layer in range(FIRST, LAYERS):
            at = f"model.layers.{layer}.mlp."
            arrays[at + "gate.weight"] = values(bank[f"blk.{layer}.ffn_gate_inp.weight"])[own]
            for kind in ("gate", "up", "down"):
                stack = values(bank[f"blk.{layer}.ffn_{kind}_exps.weight"])[own]
                for e in range(EXPERTS):
                    arrays[f"{at}experts.{e}.{kind}_proj.weight"] = stack[e]
        write_safetensors(out / f"{name}.adapter.safetensors", arrays)


def joined(folder):
    program, env, neutral = place(folder / "joined")
    out = folder / "joined/out"
    out.mkdir()
    write_shipped_adapters(out)
    with case("adapters that are there are joined without training"):
        voices(program, env, neutral, out, "--resume")
    ours, theirs = tensors(out / "built-in.experts.gguf"), tensors(SHIPPED / "built-in.experts.gguf")
    check("joined: the tensors of the shipped file", list(ours) == list(theirs), sorted(set(ours) ^ set(theirs)))
    same = [n for n in theirs if "_exps" in n and not np.array_equal(ours[n].data, theirs[n].data)]
    check("joined: the bytes of the shipped experts", not same, same)
    rows = values(ours["blk.20.ffn_gate_inp.weight"]), values(theirs["blk.20.ffn_gate_inp.weight"])
    apart = [a[:EXPERTS] - a[:EXPERTS].mean(0) for a in rows]
    check("joined: a persona's rows keep their distances", np.allclose(*apart, atol=1e-4), np.abs(apart[0] - apart[1]).max())
    with case("joined: a mask for each, of this model, and no other"):
        found = sorted(p.name.split(".")[0] for p in out.glob("*.mask.json"))
        assert found == sorted(PERSONAS), found
        mask = json.loads(next(out.glob("coder.*.mask.json")).read_text())
        assert mask["mode"] == "keep" and mask["layers"] == {"10-29": "8-15"}, mask


def logits_of(program, env, tokens, scratch, *options):
    out = scratch / "logits.f32"
    run("logits", *options, "--tokens", ",".join(map(str, tokens)), "-o", out, env=env, binary=program)
    return np.fromfile(out, "<f4").reshape(len(tokens), -1)


def trained(folder):
    made = []
    for number, more in enumerate((["--threads", 1], ["--threads", 2])):
        program, env, neutral = place(folder / f"run{number}")
        out = folder / f"run{number}/out"
        with case(f"lessons, base, {STEPS} steps, join {more}"):
            voices(program, env, neutral, out, "--steps", STEPS, *more)
            made.append((out / "built-in.experts.gguf").read_bytes())
    check("two runs, 1 and 2 threads: the same bytes", len(made) == 2 and made[0] == made[1])
    if made:
        used(program, env, folder, out)


def used(program, env, folder, out):
    """The recipe makes a model of it, and the program runs that as its own."""
    for path in (out / "built-in.experts.gguf", *out.glob("*.mask.json")):
        shutil.copy(path, program.parent.parent / "personas/shipped")
    with case("the built-in model of these experts"):
        run("model", "build-default", "--from", BASE, env=env, binary=program)
    tokens = [1, *json.loads(run("tokenize", TEXT, env=env, binary=program).stdout)]
    plain = logits_of(program, env, tokens, folder)
    dense = logits_of(program, env, tokens, folder, "-m", BASE)
    same = nmse(logits_of(program, env, tokens, folder, "--experts", 8), dense)
    check("unmasked, neutral text, all slices: SmolLM2", same <= 5e-3, f"NMSE {same:.2e}")
    check("fewer: near it", same < nmse(plain, dense) < 0.05, f"NMSE {nmse(plain, dense):.2e}")
    for name in PERSONAS:
        moved = nmse(logits_of(program, env, tokens, folder, "--personas", name), plain)
        check(f"{name}: the mask changes the logits", 1e-7 < moved < 1, f"NMSE {moved:.2e}")


def refused(folder):
    program, env, neutral = place(folder / "refused")
    out = folder / "refused/out"
    for what, words, wanted in (("no base", ["--keep-near", neutral, "-o", out], "--from"),
                                ("no neutral text", ["--from", BASE, "-o", out], "--keep-near")):
        with case(f"refused: {what}"):
            done = run("model", "build-voices", *words, env=env, binary=program, check_status=False)
            assert done.returncode == 2 and wanted in done.stderr, done.stderr
    with case("refused: another model"):
        done = run("model", "build-voices", "--from", ROOT / "tests/fixtures/models/llama.gguf", "--keep-near", neutral,
                   "-o", out, env=env, binary=program, check_status=False)
        assert done.returncode == 3, done.stderr
    with case("refused: an adapter that is no voice"):
        out.mkdir(exist_ok=True)
        for name in PERSONAS:
            write_safetensors(out / f"{name}.adapter.safetensors", {
                "model.layers.10.mlp.gate.weight": np.ones((1, 576), np.float32),
                **{f"model.layers.10.mlp.experts.0.{k}_proj.weight": np.ones((576, 32) if k == "down" else (32, 576), np.float32)
                   for k in ("gate", "up", "down")}})
        done = voices(program, env, neutral, out, "--resume", check_status=False)
        assert done.returncode == 3 and "8 new experts" in done.stderr, done.stderr


if not BASE.exists():
    skip("build-voices", f"{BASE} is not here: .ci/fetch.sh fetches it")
    finish()
with tempfile.TemporaryDirectory() as scratch:
    refused(Path(scratch))
    if not SANITIZED:
        joined(Path(scratch))
        trained(Path(scratch))
finish()
