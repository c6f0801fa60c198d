#!/usr/bin/env python3
"""Personas as one file: `personas pack` and `personas add`, from machine to machine, and what strangers
may put into such a file. Nothing is written unless all of it is as it should be.
"""
import hashlib
import io
import json
import os
import shutil
import stat
import struct
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np

import interrupted
from council_model import EXPERT_WIDTH, LAYERS, WIDTH, make_model, write_safetensors
from suite import ROOT, case, finish, run

scratch = Path(tempfile.mkdtemp(prefix="pack-"))
MODEL = make_model(scratch / "moe")
SHIPPED = ROOT / "personas/shipped"


def machine(name):
    """A user's folders, and the environment that names them."""
    home = scratch / name
    home.mkdir(exist_ok=True)
    return home / "config/consilium/personas", {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {
        "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data")}


HERE, MINE = machine("here")
THERE, THEIRS = machine("there")
HERE.mkdir(parents=True)


def consilium(*words, env=MINE, status=0):
    done = run(*words, env=env, check_status=False)
    assert done.returncode == status, (words, done.returncode, done.stdout[-300:], done.stderr[-600:])
    return done.stdout, done.stderr


def fingerprint():
    return json.loads(consilium("model", "info", "-m", MODEL, "--format=json")[0])["fingerprint"]


FP = fingerprint()[:16]


def adapter(path, seed=1):
    random = np.random.default_rng(seed)
    named = {}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}.mlp."
        for name, rows, columns in (("gate.weight", 1, WIDTH), ("experts.0.gate_proj.weight", EXPERT_WIDTH, WIDTH),
                                    ("experts.0.up_proj.weight", EXPERT_WIDTH, WIDTH),
                                    ("experts.0.down_proj.weight", WIDTH, EXPERT_WIDTH)):
            named[at + name] = random.standard_normal((rows, columns)).astype("<f4")
    write_safetensors(path, named.items())


def make_nurse():
    (HERE / "nurse.json").write_text(json.dumps({
        "persona": 1, "name": "nurse", "instruction": "Be calm.", "lessons": "night.jsonl",
        "adapters": [{"file": "shared.safetensors", "scale": 1}]}))
    (HERE / "night.jsonl").write_text('{"question": "Q?", "answer": "A."}\n' * 3)
    (HERE / f"nurse.{FP}.mask.json").write_text(json.dumps(
        {"mask": 1, "model": fingerprint(), "mode": "ban", "layers": {"0": "1"}}))
    (HERE / "nurse.0000000000000000.mask.json").write_text('{"mask":1,"model":null,"mode":"ban","layers":{}}')
    adapter(HERE / "shared.safetensors")
    (HERE / "nurse.notes.txt").write_text("mine alone")


def there():
    return {p.name: p.read_bytes() for p in THERE.iterdir()} if THERE.exists() else {}


# ---- from here to there ----------------------------------------------------------------------------


def round_trip():
    make_nurse()
    pack = scratch / "nurse.zip"
    with case("pack: one file with all that belongs to it; what is not its own stays; the same bytes again"):
        out, err = consilium("personas", "pack", "nurse", "-o", pack)
        assert out == f"{pack}\n" and "3 lessons, 2 masks, 1 adapter" in err, err
        assert zipfile.ZipFile(pack).namelist() == [
            "MANIFEST", "nurse.json", "nurse.0000000000000000.mask.json", f"nurse.{FP}.mask.json",
            "nurse.night.jsonl", "nurse.shared.safetensors"]
        first = pack.read_bytes()
        assert "left alone" in consilium("personas", "pack", "nurse", "-o", pack, status=1)[1]
        consilium("personas", "pack", "nurse", "-o", pack, "--force")
        assert pack.read_bytes() == first
    with case("add: it speaks there as here, says what it is for and what it acts by"):
        out, err = consilium("personas", "add", pack, "-m", MODEL, env=THEIRS)
        assert out == f"{THERE / 'nurse.json'}\n"
        assert f"made for model {FP}, the one at hand" in err and "made for model 0000000000000000\n" in err
        assert "acts by prompt+mask" in err, err
        assert (THERE / f"nurse.{FP}.mask.json").read_bytes() == (HERE / f"nurse.{FP}.mask.json").read_bytes()
        ask = ["ask", "Who is ill?", "-p", "nurse", "-m", MODEL, "--max-tokens=8", "--seed=1", "--no-save", "--only=nurse"]
        assert consilium(*ask)[0] == consilium(*ask, env=THEIRS)[0]
        assert "in order" in consilium("personas", "check", "nurse", "-m", MODEL, env=THEIRS)[0]
    with case("packed there it is the same bytes as here"):
        again = scratch / "again.zip"
        consilium("personas", "pack", "nurse", "-o", again, env=THEIRS)
        assert zipfile.ZipFile(again).read("nurse.night.jsonl") == zipfile.ZipFile(pack).read("nurse.night.jsonl")
        more = scratch / "more.zip"
        shutil.copy(again, more)
        consilium("personas", "add", more, "--force", env=THEIRS)
        consilium("personas", "pack", "nurse", "-o", more, "--force", env=THEIRS)
        assert again.read_bytes() == more.read_bytes()
    with case("an adapter that PEFT wrote, as a folder or as its file, is packed as one file that says the same"):
        tensors = {}
        random = np.random.default_rng(5)
        for side, shape in (("A", (4, WIDTH)), ("B", (EXPERT_WIDTH, 4))):
            for matrix in ("gate_proj", "up_proj"):
                tensors[f"base_model.model.model.layers.1.mlp.experts.0.{matrix}.lora_{side}.weight"] = (
                    random.standard_normal(shape).astype("<f4"))
        config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["gate_proj", "up_proj"]}
        ask = ["ask", "Who is ill?", "-m", MODEL, "--max-tokens=8", "--seed=1", "--no-save", "--format=json"]
        for persona, file in (("folder", "made"), ("file", "made/adapter_model.safetensors")):
            place = HERE / ("made" if persona == "folder" else "")
            place.mkdir(exist_ok=True)
            write_safetensors(place / "adapter_model.safetensors", tensors.items())
            (place / "adapter_config.json").write_text(json.dumps(config))
            (HERE / f"{persona}.json").write_text(json.dumps({
                "persona": 1, "name": persona, "instruction": "Be calm.",
                "adapters": [{"file": file.rsplit("/", 1)[-1], "scale": 2}]}))
            out = scratch / f"{persona}.zip"
            consilium("personas", "pack", persona, "-o", out)
            assert len(zipfile.ZipFile(out).namelist()) == 3, zipfile.ZipFile(out).namelist()
            first = out.read_bytes()
            consilium("personas", "pack", persona, "-o", out, "--force")
            assert out.read_bytes() == first
            consilium("personas", "add", out, env=THEIRS)
            here, there_ = (json.loads(consilium(*ask, "-p", persona, "--only", persona, env=env)[0])["answers"][0]
                            for env in (MINE, THEIRS))
            assert here["acts_by"] == there_["acts_by"] == "prompt+adapter", here
            assert here["tokens"] == there_["tokens"]
            for name in (HERE / "adapter_config.json", *THERE.glob(f"{persona}.*")):
                name.unlink(missing_ok=True)
    with case("what is there is left alone, all of it; --force writes over; --as takes another name"):
        (THERE / "nurse.night.jsonl").write_text("mine")
        before = there()
        assert "left alone" in consilium("personas", "add", pack, env=THEIRS, status=1)[1]
        assert there() == before
        consilium("personas", "add", pack, "--force", env=THEIRS)
        assert (THERE / "nurse.night.jsonl").read_bytes() == (HERE / "night.jsonl").read_bytes()
        consilium("personas", "add", pack, "--as", "matron", env=THEIRS)
        assert json.loads((THERE / "matron.json").read_text())["lessons"] == "matron.night.jsonl"
        assert "in order" in consilium("personas", "check", "matron", "-m", MODEL, env=THEIRS)[0]
        assert all(stat.S_ISREG(p.stat().st_mode) for p in THERE.iterdir()) and not list(THERE.glob("*.part"))
        for name in ("../x", "merge", "a b"):
            consilium("personas", "add", pack, "--as", name, env=THEIRS, status=2)
    with case("one that came with the program can be given away; without a model at hand too"):
        out, err = consilium("personas", "pack", "coder", "-o", scratch / "coder.zip")
        count = sum(len(p.read_text().splitlines()) for p in SHIPPED.glob("coder.lessons*.jsonl"))
        assert f"coder: {count} lessons, 1 mask" in err, err
        assert "acts by" not in consilium("personas", "add", scratch / "coder.zip", env=THEIRS)[1]
        for path in SHIPPED.glob("coder.*"):
            assert (THERE / path.name).read_bytes() == path.read_bytes(), path
    with case("without -o it is NAME.zip here; a persona that is not in order is not packed"):
        work = scratch / "work"
        work.mkdir()
        done = run("personas", "pack", "nurse", env=MINE, cwd=work)
        assert done.stdout == "nurse.zip\n" and (work / "nurse.zip").exists()
        (HERE / "night.jsonl").write_text('{"question": "Q?"}\n')
        assert "nurse.night.jsonl:1: answer: missing" in consilium(
            "personas", "pack", "nurse", "-o", scratch / "bad.zip", status=3)[1]
        assert not (scratch / "bad.zip").exists()
        consilium("personas", "pack", "nobody", "-o", scratch / "bad.zip", status=3)
    shutil.rmtree(THERE)


# ---- what strangers pack ---------------------------------------------------------------------------

PERSONA = {"persona": 1, "name": "guest", "lessons": "guest.lessons.jsonl"}
GOOD = {"guest.json": json.dumps(PERSONA).encode(),
        "guest.lessons.jsonl": b'{"question": "Q?", "answer": "A."}\n'}


def manifest_of(files, **fields):
    listed = [{"name": n, "bytes": len(b), "sha256": hashlib.sha256(b).hexdigest()} for n, b in files.items()]
    return {"pack": 1, "persona": "guest", "files": listed} | fields


def archive(files, manifest=None, method=zipfile.ZIP_STORED, also=()):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        if manifest is not False:
            z.writestr("MANIFEST", json.dumps(manifest_of(files) if manifest is None else manifest))
        for name, content in [*files.items(), *also]:
            z.writestr(name, content)
    return out.getvalue()


def refused(says, data):
    (scratch / "stranger.zip").write_bytes(data)
    err = consilium("personas", "add", scratch / "stranger.zip", env=THEIRS, status=3)[1]
    assert all(word in err for word in says), err
    assert not there(), there()
    assert not (scratch / "x").exists() and not (THERE.parent / "x").exists()


def link(name, target):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info, target


def changed(**fields):
    return json.dumps(PERSONA | fields).encode()


def strangers():
    with case("a good one made by another program, packed tight, is taken"):
        (scratch / "stranger.zip").write_bytes(archive(GOOD, method=zipfile.ZIP_DEFLATED))
        consilium("personas", "add", scratch / "stranger.zip", env=THEIRS)
        assert there() == GOOD
        shutil.rmtree(THERE)
    with case("names that lead elsewhere, folders, links and names twice are refused"):
        for name in ("../x", "/tmp/x", "a/../../x", "guest.d/x", "guest.d/", "..", "guest.\x1b[2J", "guest\\x"):
            refused(["no plain file"], archive(GOOD, also=[(name, b"x")]))
        refused(["no plain file"], archive(GOOD, also=[link("guest.link", "/etc/passwd")]))
        refused(["no plain file"], archive(GOOD, also=[("guest.extra", b"1")]).replace(b"guest.extra", b"guest.json\0"))
        out = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as z:
            warnings.simplefilter("ignore")
            z.writestr("MANIFEST", json.dumps(manifest_of(GOOD)))
            for name, content in [*GOOD.items(), ("guest.json", changed(about="other"))]:
                z.writestr(name, content)
        refused(["guest.json", "twice"], out.getvalue())
    with case("files of another persona, or no part of one, are refused"):
        for name in ("coder.json", "guest", "guest2.json", "GUEST.json", "guest.", "guest.exe", "guest.0.mask.json",
                     "guest.xyz4567890abcdef.mask.json", "MANIFEST2"):
            refused([name], archive(GOOD | {name: b"{}"}))
        refused(["evil.jsonl", "not in it"], archive(GOOD | {"guest.json": changed(lessons="evil.jsonl")}))
        refused(["lessons", "plain file name"], archive(GOOD | {"guest.json": changed(lessons="../../x")}))
        refused(["its name is other"], archive(GOOD | {"guest.json": changed(name="other")}))
        refused(["no guest.json"], archive({"guest.lessons.jsonl": GOOD["guest.lessons.jsonl"]}))
    with case("the manifest says what there is: names, sizes, digests; no field that is not known"):
        whole = manifest_of(GOOD)
        first = whole["files"][0]
        for says, manifest in [
                (["no MANIFEST", "no packed persona"], False), (["pack"], []), (["\"pack\""], whole | {"pack": 2}),
                (["extra"], whole | {"extra": 1}), (["persona"], whole | {"persona": "../x"}),
                (["persona"], whole | {"persona": "merge"}), (["files"], whole | {"files": {}}),
                (["lists 1 files"], whole | {"files": [first]}), (["lists 3 files"], whole | {"files": whole["files"] + [first]}),
                (["guest.json", "bytes"], whole | {"files": [first | {"bytes": 5}, whole["files"][1]]}),
                (["not the file that was packed"], whole | {"files": [first | {"sha256": "0" * 64}, whole["files"][1]]}),
                (["needs name"], whole | {"files": [{"name": "guest.json"}, whole["files"][1]]})]:
            refused(says, archive(GOOD, manifest))
    with case("every file inside is read by its own reader before any is written"):
        for says, files in [
                (["guest.json", "no such field"], {"guest.json": changed(evil=1)}),
                (["guest.json", "offset"], {"guest.json": b"{"}),
                (["guest.lessons.jsonl:1: answer"], {"guest.lessons.jsonl": b'{"question": "Q"}'}),
                (["guest.lessons.jsonl", "no lesson"], {"guest.lessons.jsonl": b"# none"}),
                (["mask.json", "layers"], {f"guest.{FP}.mask.json": b'{"mask":1,"mode":"ban","layers":7}'}),
                (["mask.json", "different models"], {f"guest.{FP}.mask.json": json.dumps(
                    {"mask": 1, "model": "f" * 64, "mode": "ban", "layers": {}}).encode()}),
                (["adapter.safetensors"], {f"guest.{FP}.adapter.safetensors": b"\0" * 64}),
                (["guest.e.safetensors"], {"guest.json": changed(experts="guest.e.safetensors"),
                                           "guest.e.safetensors": b"GGUF" + bytes(40)})]:
            refused(says, archive(GOOD | files))
    with case("bombs, too many files and broken archives are refused at once"):
        bomb = archive(GOOD | {"guest.lessons.jsonl": b"#" * (40 << 20)}, method=zipfile.ZIP_DEFLATED)
        assert len(bomb) < 1 << 20
        refused(["guest.lessons.jsonl", "more than a file of lessons"], bomb)
        large = bytearray(archive(GOOD, method=zipfile.ZIP_DEFLATED))
        at = large.rfind(b"PK\1\2")
        large[at + 24:at + 28] = struct.pack("<I", 0xfffffff0)
        refused(["unpacked it has"], bytes(large))
        large[at + 24:at + 28] = struct.pack("<I", 20)
        refused(["cannot be unpacked"], bytes(large))
        refused(["files; a pack has at most"], archive(GOOD | {f"guest.{i}": b"" for i in range(300)}))
        good = archive(GOOD)
        for n in (0, 1, 22, len(good) // 2, len(good) - 1):
            refused(["stranger.zip"], good[:n])
        refused(["checksum"], good.replace(b'"A."', b'"B."'))
        locked = bytearray(good)
        locked[locked.rfind(b"PK\1\2") + 8] |= 1
        refused(["encrypted"], bytes(locked))
        refused(["no end of a zip archive"], b"GGUF" + bytes(100))
        consilium("personas", "add", scratch / "none.zip", env=THEIRS, status=3)
        consilium("personas", "add", scratch, env=THEIRS, status=3)
    with case("a link in the user's folder is not followed"):
        THERE.mkdir(parents=True, exist_ok=True)
        (THERE / "guest.json").symlink_to(scratch / "x")
        (scratch / "stranger.zip").write_bytes(archive(GOOD))
        for force in ([], ["--force"]):
            consilium("personas", "add", scratch / "stranger.zip", *force, env=THEIRS, status=1)
        assert not (scratch / "x").exists() and len(list(THERE.iterdir())) == 1


round_trip()
strangers()
interrupted.pack(scratch / "pack", 6)
interrupted.add(scratch / "add", 6)
shutil.rmtree(scratch, ignore_errors=True)
finish()
