#!/usr/bin/env python3
"""Adapters of all kinds from the file to the logits. Whole experts and rows of the router that stand in
place of the model's compute what a model with them computes, byte for byte; low-rank updates, what the
sum W + scale B A computes, nearly; several add up, each for whom it is given; who has none notices none.
"""
import hashlib
import json
import os
import shutil
import struct
import tempfile
from pathlib import Path

import numpy as np

from council_model import (EXPERT_WIDTH, EXPERTS, LAYERS, WIDTH, make_model, tensors,
                           write_safetensors)
from suite import MODELS, case, finish, run

scratch = Path(tempfile.mkdtemp(prefix="adapters-"))
FOLDER = scratch / "config" / "consilium" / "personas"
FOLDER.mkdir(parents=True)
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {
    "HOME": str(scratch), "XDG_CONFIG_HOME": str(scratch / "config"),
    "XDG_CACHE_HOME": str(scratch / "cache"), "XDG_DATA_HOME": str(scratch / "data")}
MODEL = make_model(scratch / "moe")
BASE = dict(tensors(4))
IDS = ",".join(str(int(i)) for i in np.random.default_rng(5).integers(0, 256, 60))
random = np.random.default_rng(11)
PARTS = {"gate_proj": (EXPERT_WIDTH, WIDTH), "up_proj": (EXPERT_WIDTH, WIDTH),
         "down_proj": (WIDTH, EXPERT_WIDTH)}


def matrix(rows, columns, spread=2.0):
    return (random.standard_normal((rows, columns)) * spread / np.sqrt(columns)).astype("<f4")


def write_adapter(name, named, **metadata):
    path = FOLDER / f"{name}.safetensors"
    header, blobs, at = {"__metadata__": {"adapter": "1"} | metadata}, [], 0
    for key, value in named.items():
        value = np.ascontiguousarray(value, "<f4")
        blobs.append(value.tobytes())
        header[key] = {"dtype": "F32", "shape": list(value.shape),
                       "data_offsets": [at, at + len(blobs[-1])]}
        at += len(blobs[-1])
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    return path


def write_persona(name, **fields):
    (FOLDER / f"{name}.json").write_text(json.dumps({"persona": 1, "name": name} | fields))


def logits(*options, model=MODEL, status=0):
    out = scratch / "logits.bin"
    done = run("logits", "-m", model, "--tokens", IDS, "--output", out, *options, env=ENVIRONMENT,
               check_status=False)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-300:]}"
    return done.stderr if status else out.read_bytes()


def changed_model(name, changes):
    folder = scratch / name
    shutil.copytree(MODEL, folder)
    write_safetensors(folder / "model.safetensors", (BASE | changes).items())
    return folder


def expert(layer, e, part):
    return f"model.layers.{layer}.mlp.experts.{e}.{part}.weight"


def distance(a, b):
    a, b = (np.frombuffer(v, "<f4").astype("f8") for v in (a, b))
    return np.sum((a - b) ** 2) / np.sum(b ** 2)


PLAIN = logits()

# ---- whole experts and rows ------------------------------------------------------------------------

WHOLE = {expert(layer, e, part): matrix(*shape) for layer, e in ((0, 3), (2, 0), (2, 7))
         for part, shape in PARTS.items()}
REPLACED = write_adapter("replaced", {"replaced." + k.removeprefix("model."): v
                                      for k, v in WHOLE.items()})
ROWS = {(layer, e): matrix(1, WIDTH) for layer, e in ((0, 3), (1, 5), (3, 2))}
MOVED = write_adapter("moved", {f"replaced.layers.{layer}.mlp.gate.{e}.weight": v
                                for (layer, e), v in ROWS.items()})


def router_rows():
    out = {}
    for (layer, e), row in ROWS.items():
        key = f"model.layers.{layer}.mlp.gate.weight"
        out[key] = np.array(out.get(key, BASE[key]))
        out[key][e] = row[0]
    return out


with case("replaced experts compute what a model with them computes, byte for byte"):
    got = logits("--adapter", REPLACED)
    assert got == logits(model=changed_model("whole", WHOLE)) and got != PLAIN

with case("so do replaced rows of the router, and both from two files"):
    assert logits("--adapter", MOVED) == logits(model=changed_model("rows", router_rows()))
    both = changed_model("both", WHOLE | router_rows())
    assert logits("--adapter", MOVED, "--adapter", REPLACED) == logits(model=both)
    ban = scratch / "ban.mask.json"
    ban.write_text(json.dumps({"mask": 1, "model": None, "mode": "ban", "layers": {"0-2": "3,7"}}))
    assert (logits("--adapter", MOVED, "--adapter", REPLACED, "--mask", ban)
            == logits("--mask", ban, model=both))

with case("one matrix of an expert may be replaced alone; of two for the same the later one holds"):
    part = expert(2, 7, "up_proj")
    one = write_adapter("one", {"replaced." + part.removeprefix("model."): WHOLE[part]})
    assert logits("--adapter", one) == logits(model=changed_model("one", {part: WHOLE[part]}))
    assert logits("--adapter", one, "--adapter", REPLACED) == logits("--adapter", REPLACED)

# ---- low-rank updates ------------------------------------------------------------------------------

UPDATED = ((0, 1), (0, 3), (2, 7), (4, 0), (5, 6))


def updates(seed, rank=8, scale=0.5, which=UPDATED, parts=PARTS):
    """The tensors of an adapter, and what they add to each matrix."""
    global random
    random = np.random.default_rng(seed)
    named, delta = {}, {}
    for layer, e in which:
        for part in parts:
            out, into = PARTS[part]
            a, b = matrix(rank, into), matrix(out, rank, 0.7)
            at = expert(layer, e, part).removesuffix("weight")
            named |= {at + "lora_A.weight": a, at + "lora_B.weight": b,
                      at + "lora_scale": np.full((1, 1), scale)}
            delta[at + "weight"] = scale * (b.astype("f8") @ a.astype("f8"))
    return named, delta


def merged(name, *deltas):
    out = {}
    for delta, factor in deltas:
        for key, value in delta.items():
            out[key] = out.get(key, BASE[key].astype("f8")) + factor * value
    return changed_model(name, {k: v.astype("<f4") for k, v in out.items()})


FIRST, FIRST_DELTA = updates(21)
SECOND, SECOND_DELTA = updates(22, rank=3, scale=-1.25, which=((0, 3), (3, 3)), parts=("down_proj",))
A, B = write_adapter("first", FIRST), write_adapter("second", SECOND)

with case("updates compute what the merged weights compute, nearly, and change much"):
    got = logits("--adapter", A)
    assert distance(got, logits(model=merged("first", (FIRST_DELTA, 1)))) < 1e-9
    assert distance(got, PLAIN) > 1e-3

with case("several add up, in any order nearly; a scale multiplies"):
    want = logits(model=merged("sum", (FIRST_DELTA, 0.25), (SECOND_DELTA, 2)))
    assert distance(logits("--adapter", f"{A}:0.25", "--adapter", f"{B}:2"), want) < 1e-9
    assert distance(logits("--adapter", f"{B}:2", "--adapter", f"{A}:.25"), want) < 1e-9

with case("scale 0 is the plain model, byte for byte; so are updates that are all zero"):
    assert logits("--adapter", f"{A}:0") == PLAIN
    nothing = write_adapter("nothing", {k: v * (not k.endswith("lora_B.weight"))
                                        for k, v in FIRST.items()})
    assert logits("--adapter", nothing) == PLAIN

with case("updates of a replaced expert are of the new one, in one file or two"):
    on_whole = {k: (WHOLE | BASE)[k].astype("f8") if k not in WHOLE else WHOLE[k].astype("f8")
                for k in FIRST_DELTA}
    model = changed_model("both-kinds", WHOLE | {
        k: (v + FIRST_DELTA[k]).astype("<f4") for k, v in on_whole.items()})
    want = logits(model=model)
    assert distance(logits("--adapter", A, "--adapter", REPLACED), want) < 1e-9
    both = write_adapter("both", FIRST | {"replaced." + k.removeprefix("model."): v
                                          for k, v in WHOLE.items()})
    assert logits("--adapter", both) == logits("--adapter", REPLACED, "--adapter", A)

with case("a banned expert with an update never runs: the update changes nothing"):
    ban = scratch / "all.mask.json"
    ban.write_text(json.dumps({"mask": 1, "model": None, "mode": "ban", "layers": {
        str(layer): ",".join(str(e) for at, e in UPDATED if at == layer)
        for layer in {at for at, _ in UPDATED}}}))
    assert logits("--adapter", A, "--mask", ban) == logits("--mask", ban)

# ---- whom they concern -----------------------------------------------------------------------------

FP = json.loads(run("model", "info", "-m", MODEL, "--format=json", env=ENVIRONMENT).stdout)["fingerprint"]


def answers(*words):
    done = run("ask", "Is it ever right to lie?", "-m", MODEL, "--format=json", "--max-tokens=12",
               "--seed=4", "--merge=none", *words, env=ENVIRONMENT)
    return {a["persona"]: a["tokens"] for a in json.loads(done.stdout)["answers"]}


for persona in ("anna", "bert", "carl"):
    write_persona(persona)
write_persona("dora", adapters=["first.safetensors", {"file": "second.safetensors", "scale": 2}])

with case("a persona's file names several, with scales"):
    assert logits("--personas", "dora") == logits("--adapter", A, "--adapter", f"{B}:2")

with case("what was trained for a persona on this model is found beside it, and comes first"):
    trained = FOLDER / f"bert.{FP[:16]}.adapter.safetensors"
    shutil.copyfile(A, trained)
    assert logits("--personas", "bert") == logits("--adapter", A)
    assert logits("--personas", "bert", "--adapter", B) == logits("--adapter", A, "--adapter", B)
    shutil.move(trained, FOLDER / f"bert.{'0' * 16}.adapter.safetensors")
    assert logits("--personas", "bert") == PLAIN

with case("show names what was trained, and a copy takes it along"):
    shipped = FOLDER / f"coder.{FP[:16]}.adapter.safetensors"
    cached = scratch / "cache/consilium/masks" / shipped.name
    cached.parent.mkdir(parents=True)
    shutil.copyfile(A, cached)
    seen = run("personas", "show", "coder", "--format=json", env=ENVIRONMENT).stdout
    assert json.loads(seen)["trained"] == [{"model": FP[:16], "path": str(cached)}], seen
    assert FP[:16] in run("personas", "show", "coder", env=ENVIRONMENT).stdout
    run("personas", "new", "coder", env=ENVIRONMENT)
    assert shipped.read_bytes() == A.read_bytes()
    run("personas", "show", "dora", env=ENVIRONMENT).stdout.index("second.safetensors")

with case("in one batch each has its own, as alone, and the control what the plain model says"):
    options = ("-p", "anna,bert,carl,dora", "--control", "--adapter", f"anna={A}",
               "--adapter", f"bert={B}", "--adapter", f"bert={REPLACED}")
    together = answers(*options)
    for name in ("anna", "bert", "carl", "dora"):
        own = [w for w in options[4:] if w.startswith(name + "=")]
        alone = answers("-p", name, *(w for o in own for w in ("--adapter", o)))
        assert together[name] == alone[name], name
    assert together["control"] == answers("-p", "carl", "--control")["control"]
    assert len({tuple(t) for t in together.values()}) >= 4, together

with case("without a name an adapter is for every pass but control"):
    seen = answers("-p", "anna,carl", "--control", "--adapter", A)
    assert seen["anna"] == answers("-p", "anna", "--adapter", f"anna={A}")["anna"]
    assert seen["control"] == answers("-p", "carl", "--control")["control"]

with case("added experts of several files are numbered in the order of the list"):
    def added(name, seed, count):
        global random
        random = np.random.default_rng(seed)
        named = {}
        for layer in (1, 4):
            named[f"model.layers.{layer}.mlp.gate.weight"] = matrix(count, WIDTH, 3)
            named |= {expert(layer, e, part): matrix(*shape) for e in range(count)
                      for part, shape in PARTS.items()}
        return write_adapter(name, named)
    x, y = added("x", 31, 2), added("y", 32, 1)

    def banned(experts):
        mask = scratch / "numbers.mask.json"
        mask.write_text(json.dumps({"mask": 1, "model": None, "mode": "ban",
                                    "layers": {"1,4": experts}}))
        return "--mask", mask
    assert logits("--adapter", x, "--adapter", y, *banned(f"{EXPERTS}-{EXPERTS + 1}")) == (
        logits("--adapter", y))
    assert logits("--adapter", x, "--adapter", y, *banned(str(EXPERTS + 2))) == (
        logits("--adapter", x))
    assert "expert" in logits("--adapter", x, "--adapter", y, *banned(str(EXPERTS + 3)), status=3)

with case("a conversation that ran with adapters can be replayed, and only with them"):
    run("ask", "Why?", "-m", MODEL, "-p", "anna,carl", "--adapter", f"anna={A}:0.5", "--seed=4",
        "--max-tokens=6", "--merge=none", "--session", "kept", env=ENVIRONMENT)
    replay = ("transcripts", "replay", "kept", "-m", MODEL)
    assert "all equal" in run(*replay, env=ENVIRONMENT).stdout
    kept = A.read_bytes()
    shutil.copyfile(B, A)
    done = run(*replay, env=ENVIRONMENT, check_status=False)
    assert "all equal" not in done.stdout, done
    was, now = (hashlib.sha256(b).hexdigest() for b in (kept, B.read_bytes()))
    assert f"{A}: another file than was recorded: SHA-256 {now[:16]}, then {was[:16]}" in " ".join(done.stderr.split())
    A.write_bytes(kept)
    assert "another file" not in run(*replay, env=ENVIRONMENT).stderr
    file = next(scratch.rglob("kept.jsonl"))
    setting = next(r for r in map(json.loads, file.read_text().splitlines()) if "adapters" in r)
    assert setting["adapters"] == [{"name": "anna", "path": str(A), "hash": was, "scale": 0.5}], setting

with case("a mask that is another file than was recorded is named, too"):
    mask = scratch / "kept.mask.json"
    mask.write_text(json.dumps({"mask": 1, "model": None, "mode": "ban", "layers": {"1": "0"}}))
    run("ask", "Why?", "-m", MODEL, "-p", "anna", "--mask", mask, "--seed=4", "--max-tokens=6", "--merge=none",
        "--session", "masked", env=ENVIRONMENT)
    replay = ("transcripts", "replay", "masked", "-m", MODEL)
    assert "all equal" in run(*replay, env=ENVIRONMENT).stdout
    mask.write_text(json.dumps({"mask": 1, "model": None, "mode": "ban", "layers": {"1": "1"}}))
    done = run(*replay, env=ENVIRONMENT, check_status=False)
    assert f"{mask}: another file than was recorded" in " ".join(done.stderr.split()), done.stderr

# ---- refusals --------------------------------------------------------------------------------------

with case("another model's adapter is refused by file, with both fingerprints"):
    other = write_adapter("other", FIRST, model="ab" * 32)
    told = logits("--adapter", other, status=3)
    assert str(other) in told and "ab" * 32 in told and FP in told, told
    write_adapter("other", FIRST, model=FP)
    assert logits("--adapter", other) == logits("--adapter", A)

with case("a scale is for updates alone, and within reason"):
    assert str(REPLACED) in logits("--adapter", f"{REPLACED}:0.5", status=2)
    logits("--adapter", f"{A}:1e3", status=3)  # no number of that spelling: a file's name
    assert str(A) in logits("--adapter", f"{A}:1000", status=2)

with case("a dense model has no place for one that was asked for"):
    done = run("logits", "-m", MODELS / "llama", "--tokens", "1,2", "--output", scratch / "out",
               "--adapter", A, env=ENVIRONMENT, check_status=False)
    assert done.returncode == 3 and "dense" in done.stderr, done.stderr

with case("a persona's list is checked by field"):
    for bad in ([7], [{"scale": 1}], [{"file": "first.safetensors", "size": 1}], ["../first"],
                [{"file": "first.safetensors", "scale": 1000}], "first.safetensors"):
        write_persona("evan", adapters=bad)
        assert "adapters" in logits("--personas", "evan", status=3), bad
    write_persona("evan", adapters=["missing.safetensors"])
    assert "missing.safetensors" in logits("--personas", "evan", status=3)
    write_persona("evan", adapters=[{"file": "replaced.safetensors", "scale": 2}])
    logits("--personas", "evan", status=3)

with case("more than a pass takes is refused"):
    assert "at most 16" in logits(*["--adapter", A] * 17, status=2)

shutil.rmtree(scratch)
finish()
