#!/usr/bin/env python3
"""Adapters merged into a model's file: `model export --bake` and `edit .. bake ADAPTER` compute what the model
computes with them, byte for byte where whole matrices change, and within the rounding of F32 where updates
are added."""
import json
import os
import shutil
import struct
import tempfile
from pathlib import Path

import gguf
import numpy as np

from council_model import EXPERT_WIDTH, EXPERTS, LAYERS, WIDTH, make_model
from suite import FIXTURES, MODELS, case, finish, nmse, run
from suite import logits as logits_of

scratch = Path(tempfile.mkdtemp(prefix="bake-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
FOLDER = scratch / "config" / "consilium" / "personas"
FOLDER.mkdir(parents=True)
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {
    "HOME": str(scratch), "XDG_CONFIG_HOME": str(scratch / "config"),
    "XDG_CACHE_HOME": str(scratch / "cache"), "XDG_DATA_HOME": str(scratch / "data")}
MODEL = make_model(scratch / "moe")
FILE = scratch / "moe.gguf"
IDS = [int(i) for i in np.random.default_rng(5).integers(0, 256, 60)]
PARTS = {"gate_proj": (EXPERT_WIDTH, WIDTH), "up_proj": (EXPERT_WIDTH, WIDTH), "down_proj": (WIDTH, EXPERT_WIDTH)}
random = np.random.default_rng(11)


def matrix(rows, columns, spread=2.0):
    return (random.standard_normal((rows, columns)) * spread / np.sqrt(columns)).astype("<f4")


def write_adapter(name, named):
    path = FOLDER / f"{name}.safetensors"
    header, blobs, at = {"__metadata__": {"adapter": "1"}}, [], 0
    for key, value in named.items():
        value = np.ascontiguousarray(value, "<f4")
        blobs.append(value.tobytes())
        header[key] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [at, at + len(blobs[-1])]}
        at += len(blobs[-1])
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    return path


def logits(model, *options):
    return logits_of(model, IDS, scratch, *options, env=ENVIRONMENT)


def expert(layer, e, part):
    return f"layers.{layer}.mlp.experts.{e}.{part}"


def added(count, ffn=EXPERT_WIDTH, layers=range(LAYERS)):
    """Experts of its own, with rows of the router."""
    shapes = {"gate_proj": (ffn, WIDTH), "up_proj": (ffn, WIDTH), "down_proj": (WIDTH, ffn)}
    out = {f"model.layers.{layer}.mlp.gate.weight": matrix(count, WIDTH) for layer in layers}
    return out | {f"model.{expert(layer, e, part)}.weight": matrix(*shape)
                  for layer in layers for e in range(count) for part, shape in shapes.items()}


def updates(rank, which, scale=0.5):
    out = {}
    for layer, e in which:
        for part, (rows, columns) in PARTS.items():
            at = f"model.{expert(layer, e, part)}."
            out |= {at + "lora_A.weight": matrix(rank, columns), at + "lora_B.weight": matrix(rows, rank, 0.7),
                    at + "lora_scale": np.full((1, 1), scale)}
    return out


WHOLE = write_adapter("whole", {f"replaced.{expert(layer, e, part)}.weight": matrix(*shape)
                                for layer, e in ((0, 3), (2, 0), (2, 7)) for part, shape in PARTS.items()})
ROWS = write_adapter("rows", {f"replaced.layers.{layer}.mlp.gate.{e}.weight": matrix(1, WIDTH)
                              for layer, e in ((0, 3), (1, 5))})
MORE = write_adapter("more", added(3))
THIN = write_adapter("thin", added(2, ffn=8))
LOW = write_adapter("low", updates(8, ((0, 1), (0, 3), (2, 7), (5, 6))))
LOWER = write_adapter("lower", updates(3, ((0, 3), (4, 4)), -1.25))
EXACT = {"whole experts": [WHOLE], "rows of the router": [ROWS], "further experts": [MORE], "all of them": [WHOLE, ROWS, MORE]}
NEAR = {"narrower experts": [THIN], "low-rank updates": [LOW], "several, of replaced ones too": [LOW, WHOLE, LOWER, MORE]}


def same(got, want, exact):
    assert np.array_equal(got, want) if exact else nmse(got, want) <= 1e-10, f"NMSE {nmse(got, want):.1e}"


def both():
    run("model", "convert", MODEL, "-o", FILE, env=ENVIRONMENT)
    for source, out in ((MODEL, scratch / "baked"), (FILE, scratch / "baked.gguf")):
        for kinds, exact in ((EXACT, True), (NEAR, False)):
            for what, files in kinds.items():
                given = [w for f in files for w in ("--adapter", f)]
                want = logits(source, *given)
                assert not np.array_equal(want, logits(source))
                with case(f"{source.name}: {what}: exported with --bake"):
                    run("model", "export", "-m", source, *given, "--bake", "-o", out, "--force", env=ENVIRONMENT)
                    same(logits(out), want, exact)
                with case(f"{source.name}: {what}: baked by edit, the same file"):
                    words = [w for f in files for w in ("bake", f)]
                    other = out.with_name("edited" + out.suffix)
                    run("edit", source, "-o", other, "--force", *words, env=ENVIRONMENT)
                    same(logits(other), want, exact)


def together():
    with case("a persona with a mask and an adapter, as a model of its own"):
        mask = scratch / "keep.mask.json"
        mask.write_text(json.dumps({"mask": 1, "model": None, "mode": "keep", "layers": {f"0-{LAYERS - 1}": "0-4,8-10"}}))
        (FOLDER / "guest.json").write_text(json.dumps({"persona": 1, "name": "guest", "adapters": [
            "more.safetensors", {"file": "low.safetensors", "scale": 2}]}))
        given = ("--mask", mask)
        run("model", "export", "-m", MODEL, "--persona", "guest", *given, "--bake", "-o", scratch / "guest.f", env=ENVIRONMENT)
        same(logits(scratch / "guest.f"), logits(MODEL, "--personas", "guest", *given), False)
        info = json.loads(run("model", "info", "-m", scratch / "guest.f", "--format", "json").stdout)
        assert info["experts"] == 8, info
    with case("a scale, and verbs before and behind"):
        run("edit", MODEL, "-o", scratch / "e", "--force", "bake", LOW, "0.25", "bake", LOWER, "2", "swap", "*:0", "*:1", "swap",
            "*:0", "*:1", env=ENVIRONMENT)
        same(logits(scratch / "e"), logits(MODEL, "--adapter", f"{LOW}:0.25", "--adapter", f"{LOWER}:2"), False)
    with case("its history says what was merged"):
        run("edit", FILE, "-o", scratch / "e.gguf", "--force", "bake", LOW, "0.25")
        said = json.loads(gguf.GGUFReader(scratch / "e.gguf").fields["consilium.history"].contents())
        assert said[-1]["done"] == f"bake {LOW} 0.25", said
    with case("an inserted expert that learned stays in its place"):
        run("edit", MODEL, "-o", scratch / "plus", "insert", f"*:{EXPERTS}", "*:0", env=ENVIRONMENT)
        learned = write_adapter("learned", {f"replaced.{expert(3, EXPERTS, part)}.weight": matrix(*shape)
                                            for part, shape in PARTS.items()})
        run("edit", scratch / "plus", "-o", scratch / "taught", "bake", learned, env=ENVIRONMENT)
        same(logits(scratch / "taught"), logits(scratch / "plus", "--adapter", learned), True)
    with case("PEFT's and GGUF's own files, into blocks as well"):
        for name in ("both", "lora.gguf"):
            adapter, out = FIXTURES / "adapters" / name, scratch / "p.gguf"
            for kind, limit in (("f32", 1e-10), ("bf16", 1e-2)):
                run("model", "convert", MODELS / "qwen3_moe", "-o", scratch / "q.gguf", "--type", kind, "--force")
                run("edit", scratch / "q.gguf", "-o", out, "--force", "bake", adapter)
                ids = [i % 97 for i in IDS]
                got, want = logits_of(out, ids, scratch), logits_of(scratch / "q.gguf", ids, scratch, "--adapter", adapter)
                assert nmse(got, want) <= limit, f"{name}, {kind}: NMSE {nmse(got, want):.1e}"


def refused(status, text, *words):
    done = run(*words, "-o", scratch / "no", check_status=False, env=ENVIRONMENT)
    assert done.returncode == status and text in done.stderr, (done.returncode, done.stderr)
    assert not (scratch / "no").exists() and not (scratch / "no.part").exists()


def refusals():
    with case("refused: an adapter without --bake; one that is wider; layers of other numbers"):
        refused(2, "--bake", "model", "export", "-m", MODEL, "--adapter", LOW)
        wide = write_adapter("wide", added(1, ffn=40))
        refused(2, "40 wide", "edit", MODEL, "bake", wide)
        some = write_adapter("some", added(1, layers=[1]))
        refused(2, "layer 0 would have 8 experts and layer 1 9", "edit", MODEL, "bake", some)
        refused(2, "layer", "model", "export", "-m", MODEL, "--adapter", some, "--bake")
    with case("a layer that computes nothing is cut to the others' number; one that an update woke up is not"):
        run("edit", MODEL, "-o", scratch / "silent", "scale", "3:0-7", "0", env=ENVIRONMENT)
        woken = write_adapter("woken", updates(2, ((3, 7),)))
        few = scratch / "few.mask.json"
        few.write_text(json.dumps({"mask": 1, "model": None, "mode": "keep", "layers": {"0-2": "0-3", f"4-{LAYERS - 1}": "0-3"}}))
        words = ("model", "export", "-m", scratch / "silent", "--mask", few)
        run(*words, "-o", scratch / "few.f", env=ENVIRONMENT)
        same(logits(scratch / "few.f"), logits(scratch / "silent", "--mask", few), True)
        refused(2, "4 of 8 experts in layer 0 and 8 in layer 3", *words, "--adapter", woken, "--bake")
    with case("--max-adapter lets a larger one in, and keeps a smaller one out"):
        heavy = write_adapter("heavy", updates(2000, ((0, 1),)))
        assert 1 << 20 < heavy.stat().st_size < 2 << 20, heavy.stat().st_size
        refused(3, "--max-adapter", "edit", MODEL, "bake", heavy, "--max-adapter", "1")
        run("edit", MODEL, "-o", scratch / "heavy.f", "bake", heavy, "--max-adapter", "2", env=ENVIRONMENT)
    with case("refused: no file, a broken one, another model's, a sum, words that are none"):
        refused(3, "absent", "edit", MODEL, "bake", scratch / "absent")
        broken = scratch / "broken.safetensors"
        broken.write_bytes(LOW.read_bytes()[:500])
        refused(3, "broken", "edit", MODEL, "bake", broken)
        refused(3, "wide", "edit", MODELS / "qwen3_moe", "bake", LOW)
        refused(2, "a sum already", "edit", MODEL, "average", "0:3,4", "bake", LOW)
        refused(2, "no scale", "edit", MODEL, "bake", LOW, "loud")
        refused(2, "100", "edit", MODEL, "bake", LOW, "1e9")


both()
together()
refusals()
shutil.rmtree(scratch)
finish()
