#!/usr/bin/env python3
"""A persona's own experts, from the file to the logits: a persona that brings three experts computes
what a model computes that has them, byte for byte; nobody else computes anything else; and a file
that does not fit is refused by file, tensor and offset.
"""
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

OWN = 3
scratch = Path(tempfile.mkdtemp(prefix="own-experts-"))
FOLDER = scratch / "config" / "consilium" / "personas"
FILE = FOLDER / "guest.experts.safetensors"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {
    "HOME": str(scratch), "XDG_CONFIG_HOME": str(scratch / "config"),
    "XDG_CACHE_HOME": str(scratch / "cache")}
MODEL = make_model(scratch / "moe")
IDS = [int(i) for i in np.random.default_rng(5).integers(0, 256, 60)]


def own_tensors(layers, seed=6, count=OWN, ffn=EXPERT_WIDTH, width=WIDTH):
    random = np.random.default_rng(seed)

    def matrix(rows, columns):
        return (random.standard_normal((rows, columns)) * 2 / np.sqrt(columns)).astype("<f4")

    out = {}
    for layer in layers:
        at = f"model.layers.{layer}.mlp."
        out[at + "gate.weight"] = matrix(count, width)
        for e in range(count):
            out[f"{at}experts.{e}.gate_proj.weight"] = matrix(ffn, width)
            out[f"{at}experts.{e}.up_proj.weight"] = matrix(ffn, width)
            out[f"{at}experts.{e}.down_proj.weight"] = matrix(width, ffn)
    return out


def write(name="guest", file=FILE, **fields):
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(
        {"persona": 1, "name": name, "experts": file.name} | fields))


def logits(model, *options):
    out = scratch / "logits.bin"
    run("logits", "-m", model, "--tokens", ",".join(map(str, IDS)), "--output", out, *options,
        env=ENVIRONMENT)
    return out.read_bytes()


def larger_model(own):
    """The model of make_model with OWN more experts in every layer."""
    folder = scratch / "larger"
    shutil.copytree(MODEL, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_experts": EXPERTS + OWN}))
    named = dict(tensors(4))
    for name, value in own.items():
        layer, rest = name.split(".mlp.")
        if rest == "gate.weight":
            named[name] = np.concatenate([named[name], value])
        else:
            _, e, part = rest.split(".", 2)
            named[f"{layer}.mlp.experts.{EXPERTS + int(e)}.{part}"] = value
    write_safetensors(folder / "model.safetensors", named.items())
    return folder


# ---- what they compute -----------------------------------------------------------------------------

EVERYWHERE = own_tensors(range(LAYERS))
write()
write_safetensors(FILE, EVERYWHERE.items())

with case("a guest with own experts computes what a larger model computes, byte for byte"):
    guest = logits(MODEL, "--personas", "guest")
    assert guest == logits(larger_model(EVERYWHERE))
    assert guest != logits(MODEL)

with case("a bias and more experts a token reach them too, as in the larger model"):
    mask = scratch / "lean.mask.json"
    mask.write_text(json.dumps({"mask": 1, "model": None, "mode": "bias",
                                "layers": {f"0-{LAYERS - 1}": {str(EXPERTS + 1): 2.5, "0": -1}}}))
    options = ("--mask", mask, "--experts", "5")
    assert logits(MODEL, "--personas", "guest", *options) == logits(scratch / "larger", *options)

with case("experts of another width, type and place are taken as they are"):
    wide = own_tensors([1, 4], seed=7, count=2, ffn=40)
    halves = {k: v.astype("<f2") for k, v in wide.items()}
    file = FOLDER / "wide.experts.safetensors"
    header, blobs, at = {}, [], 0
    for k, v in halves.items():
        blobs.append(v.tobytes())
        header[k] = {"dtype": "F16", "shape": list(v.shape), "data_offsets": [at, at + len(blobs[-1])]}
        at += len(blobs[-1])
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    write("wide", file)
    assert logits(MODEL, "--personas", "wide") != logits(MODEL)


# ---- in a batch ------------------------------------------------------------------------------------

def answers(*words):
    done = run("ask", "Is it ever right to lie?", "-m", MODEL, "--format=json", "--max-tokens=12",
               "--seed=4", "--merge=none", *words, env=ENVIRONMENT)
    return {a["persona"]: a for a in json.loads(done.stdout)["answers"]}


with case("in a council everybody says what they say alone, and the control what the plain model says"):
    together = answers("-p", "guest,wide,coder", "--control")
    assert together["guest"]["acts_by"] == "adapter"
    for name in ("guest", "wide", "coder"):
        assert answers("-p", name)[name]["tokens"] == together[name]["tokens"], name
    plain = answers("-p", "coder", "--control")["control"]
    for key in ("tokens", "routing"):
        assert together["control"][key] == plain[key], key
    assert together["guest"]["routing"]["allowed"] == [EXPERTS + OWN] * LAYERS
    assert together["wide"]["routing"]["allowed"][:2] == [EXPERTS, EXPERTS + 2]
    assert together["control"]["routing"]["allowed"] == [EXPERTS] * LAYERS


# ---- check and show --------------------------------------------------------------------------------

def personas(*words, status=0):
    done = run("personas", *words, env=ENVIRONMENT, check_status=False)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-300:]}"
    return done.stdout, done.stderr


with case("check says how many there are and where"):
    text, _ = personas("check", "guest", "-m", MODEL)
    assert f"{OWN} own experts in layers 0-{LAYERS - 1}: " in text, text
    assert f"all {EXPERTS + OWN}" in text
    seen = json.loads(personas("check", "wide", "-m", MODEL, "--format=json")[0])
    assert seen["own_experts"] == {"experts": 2, "layers": "1,4",
                                   "path": str(FOLDER / "wide.experts.safetensors")}
    assert [r["layers"] for r in seen["allowed"]] == ["0", "1", "2-3", "4", "5"]
    assert json.loads(personas("check", "coder", "--format=json", "-m", MODEL)[0])["own_experts"] is None


# ---- refusals --------------------------------------------------------------------------------------

def refuse(named, *says, model=True):
    """Both ask and check refuse, with file and what else is to be said."""
    if isinstance(named, dict):
        write_safetensors(FILE, named.items())
    else:
        FILE.write_bytes(named)
    done = run("ask", "x", "-p", "guest", "-m", MODEL, env=ENVIRONMENT, check_status=False)
    assert done.returncode == 3 and not done.stdout, done
    for word in (str(FILE), *says):
        assert word in done.stderr, (word, done.stderr)
    personas("check", "guest", "-m", MODEL, status=3)
    if not model:
        assert str(FILE) in personas("check", "guest", status=3)[1]


GOOD = own_tensors([0, 2], count=2)
AT = "model.layers.2.mlp."


def changed(name, value):
    return GOOD | {name: value}


def offset_of(name, cell=0):
    """Where a value of GOOD's file lies."""
    data = FILE.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    return 8 + length + header[name]["data_offsets"][0] + 4 * cell


def without(name):
    return {k: v for k, v in GOOD.items() if k != name}


SPOILT = np.array(GOOD[AT + "experts.1.up_proj.weight"])
SPOILT[3, 5] = np.nan
LOUD = np.array(GOOD[AT + "gate.weight"])
LOUD[1, 1] = np.inf
CASES = {
    "a matrix that is missing": (without(AT + "experts.1.up_proj.weight"),
                                 "experts.1.up_proj.weight is missing"),
    "a router that is missing": (without(AT + "gate.weight"), "without a router row", AT),
    "an expert without a router row": (
        changed(AT + "experts.2.up_proj.weight", GOOD[AT + "experts.1.up_proj.weight"]),
        "experts.2.up_proj.weight", "without a router row"),
    "a layer with fewer experts": (changed(AT + "gate.weight", GOOD[AT + "gate.weight"][:1]),
                                   AT + "experts.1.", "without a router row"),
    "a matrix of another shape": (
        changed(AT + "experts.0.down_proj.weight", np.ones((WIDTH, 15), "<f4")),
        "experts.0.down_proj.weight", "[32, 15]", "[32, 16]"),
    "a router that is no matrix": (changed(AT + "gate.weight", np.ones(WIDTH, "<f4")),
                                   "is no matrix"),
    "a router without rows": (changed(AT + "gate.weight", np.ones((0, WIDTH), "<f4")),
                              "is no matrix"),
    "a tensor that has no business there": (
        changed("model.layers.2.self_attn.q_proj.weight", np.ones((2, 2), "<f4")),
        "model.layers.2.self_attn.q_proj.weight", "is no router row"),
    "a name that is not quite one": (changed(AT + "experts.01.up_proj.weight", SPOILT),
                                     "is no router row"),
    "a value that is no number": (changed(AT + "experts.1.up_proj.weight", SPOILT),
                                  "experts.1.up_proj.weight", "[3, 5] is not finite", "offset "),
    "a value that no weight has": (changed(AT + "experts.1.up_proj.weight", np.where(SPOILT == SPOILT, SPOILT, 1e20)),
                                   "[3, 5] is 1e+20, beyond 65504", "offset "),
    "an infinite row of the router": (changed(AT + "gate.weight", LOUD), "[1, 1] is not finite"),
    "no tensor at all": ({}, "holds no tensor"),
    "no safetensors": (b"not safetensors", "offset 0", "no weights"),
    "the beginning of a GGUF file": (b"GGUF", "offset 4", "download probably stopped"),
    "a file of more than 64 MiB": (b"\0" * ((64 << 20) + 1), "67108865 bytes", "at most 64 MiB", "--max-adapter"),
}
for name, (content, *says) in CASES.items():
    with case(f"refused: {name}"):
        refuse(content, *says, model=False)

with case("refused: numbers that are no floats"):
    write_safetensors(FILE, GOOD.items())
    FILE.write_bytes(FILE.read_bytes().replace(b'"F32"', b'"I32"', 1))
    refuse(FILE.read_bytes(), "F32, F16 or BF16", model=False)

with case("refused: a value is told by its offset"):
    write_safetensors(FILE, changed(AT + "experts.1.up_proj.weight", SPOILT).items())
    where = offset_of(AT + "experts.1.up_proj.weight", 3 * WIDTH + 5)
    refuse(FILE.read_bytes(), f"offset {where}")

with case("refused: a layer that the model lacks, or has no experts in, or another width"):
    refuse(own_tensors([LAYERS]), f"layer {LAYERS}: the model has layers 0 to 5")
    refuse({k: v[:, :16] if v.shape[1] == WIDTH else v[:16] for k, v in GOOD.items()},
           "for a model 16 wide, this one is 32 wide")

with case("refused: a layer that has no experts in this model"):
    write_safetensors(FILE, own_tensors([0], width=40).items())
    done = run("logits", "-m", MODELS / "qwen3_moe-mlp-only", "--tokens", "1", "--output",
               scratch / "out", "-p", "guest", env=ENVIRONMENT, check_status=False)
    assert done.returncode == 3 and "the model has no experts" in done.stderr, done.stderr

with case("a dense model says that they have no place in it"):
    done = run("logits", "-m", MODELS / "llama", "--tokens", "1,2", "--output", scratch / "out",
               "-p", "guest", env=ENVIRONMENT)
    assert "have no place in it" in done.stderr

with case("whatever is done to its header or its length, a file is taken or refused, within 2 s"):
    write_safetensors(FILE, own_tensors([1], count=1, ffn=4).items())
    good, random = FILE.read_bytes(), np.random.default_rng(8)
    end = 8 + struct.unpack("<Q", good[:8])[0]
    for _ in range(40):
        bad = bytearray(good)
        for at in random.integers(0, end, 1 + random.integers(3)):
            bad[at] = random.choice([*b'09{}[]",:-', 0, 255, random.integers(256)])
        FILE.write_bytes(bad[:random.integers(1, len(bad))] if random.random() < 0.2 else bad)
        done = run("personas", "check", "guest", env=ENVIRONMENT, check_status=False, timeout=2)
        assert done.returncode in (0, 3), (done.returncode, done.stderr[-300:])
        assert done.returncode == 0 or str(FILE) in done.stderr, done.stderr

with case("--max-adapter lets a larger file in, and keeps a smaller one out"):
    write_safetensors(FILE, own_tensors([0], count=8, ffn=1024).items())
    size = FILE.stat().st_size
    assert 3 << 20 < size < 4 << 20, size
    words = ["ask", "x", "-p", "guest", "-m", MODEL, "--max-tokens=1", "--merge=none", "--no-save"]
    for most, status in ((3, 3), (4, 0)):
        for command in (words, ["personas", "check", "guest", "-m", MODEL], ["personas", "adapter", FILE]):
            done = run(*command, f"--max-adapter={most}", env=ENVIRONMENT, check_status=False)
            assert done.returncode == status and (f"{size} bytes" in done.stderr) == (status > 0), done

with case("refused: a file that is not there"):
    FILE.unlink()
    done = run("ask", "x", "-p", "guest", "-m", MODEL, env=ENVIRONMENT, check_status=False)
    assert done.returncode == 3 and str(FILE) in done.stderr

shutil.rmtree(scratch)
finish()
