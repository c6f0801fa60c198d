#!/usr/bin/env python3
"""`consilium edit`: what numpy makes of the same experts, byte for byte; files whole or not at all."""
import json
import os
import resource
import signal
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

from suite import BINARY, FIXTURES, MODELS, SANITIZED, case, check, finish, logits, nmse, run

MOE = {"qwen3_moe": 7, "qwen2_moe": 6, "mixtral": 5, "olmoe": 9, "granitemoe": 6}
BLOCKS_FOLDER = FIXTURES / "council"  # rows of 32
QUANTISED = [FIXTURES / "quantised.gguf", FIXTURES / "quantised-iq.gguf"]
FAST = Path("/dev/shm")  # where flushing a file costs nothing
IDS = [(i * 7 + i // 5) % 67 for i in range(40)]
STACKS = ("ffn_gate_inp", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps")


def edit(source, out, *words, **more):
    """A factor below zero stands behind --."""
    flags = [w for w in words if w.startswith("--")]
    return run("edit", source, "-o", out, "--force", *flags, "--", *(w for w in words if w not in flags), **more)


def read(path):
    """(tensors by name, raw bytes as the file has them; metadata by key)"""
    reader = gguf.GGUFReader(path)
    tensors = {t.name: (t.tensor_type, np.array(t.data)) for t in reader.tensors}
    fields = {k: f.contents() for k, f in reader.fields.items() if not k.startswith("GGUF.")}
    return tensors, fields


def layers_of(path):
    return range(next(v for k, v in read(path)[1].items() if k.endswith(".block_count")))


def stacks(tensors, layer):
    return {s: tensors[f"blk.{layer}.{s}.weight"][1] for s in STACKS}


def history(fields):
    return [h["done"] for h in json.loads(fields.get("consilium.history", "[]"))]


# ---- verbs ----------------------------------------------------------------------------------------

def others_same(before, after, changed):
    (old, old_fields), (new, new_fields) = before, after
    assert list(old) == list(new), "names or order of tensors"
    for name in old:
        if name not in changed:
            assert old[name][0] == new[name][0] and np.array_equal(old[name][1], new[name][1]), name
    same = {k: v for k, v in old_fields.items() if not k.endswith("expert_count")}
    assert {k: v for k, v in new_fields.items() if k in same} == same
    more = set(new_fields) - set(old_fields)
    assert more <= {"consilium.history"}, more


def verb(source, scratch, words, change, layers=(0, 1)):
    """change(name of the stack, [experts, ...]) gives what it should be."""
    before = read(source)
    edit(source, scratch / "v.gguf", *words)
    after = read(scratch / "v.gguf")
    others_same(before, after, {f"blk.{l}.{s}.weight" for l in layers for s in STACKS})
    for layer in layers:
        old, new = stacks(before[0], layer), stacks(after[0], layer)
        for name in STACKS:
            want = change(name, old[name])
            assert np.array_equal(want, new[name]), f"layer {layer}, {name}"
    n = new["ffn_gate_inp"].shape[0]
    count = next(v for k, v in after[1].items() if k.endswith("expert_count"))
    assert count == n, (count, n)
    assert history(after[1]) == [" ".join(words)], history(after[1])


def rows(*order):
    return lambda name, x: x[list(order)]


def with_zeros(at):
    return lambda name, x: np.insert(x, at, 0, axis=0)


def scaled(expert, factor):
    def change(name, x):
        x = x.copy()
        if name == "ffn_down_exps":
            x[expert] *= np.float32(factor)
        return x
    return change


def averaged(first, *rest):
    def change(name, x):
        x, third = x.copy(), np.float32(1) / np.float32(1 + len(rest))
        total = third * x[first]
        for e in rest:
            total = total + third * x[e]
        x[first] = total
        return x
    return change


def verbs(scratch):
    model = MODELS / "qwen3_moe.gguf"
    table = {
        "copy *:2 *:5": rows(0, 1, 2, 3, 4, 2, 6),
        "replace *:0 *:6": rows(6, 1, 2, 3, 4, 5, 6),
        "insert *:3 *:1": rows(0, 1, 2, 1, 3, 4, 5, 6),
        "insert *:7": with_zeros(7),
        "insert 0-1:7,8 0-1:6,0": rows(0, 1, 2, 3, 4, 5, 6, 6, 0),
        "drop *:0,4-5": rows(1, 2, 3, 6),
        "swap *:1,2 *:4,3": rows(0, 4, 3, 2, 1, 5, 6),
        "scale *:3 -0.3": scaled(3, -0.3),
        "average *:4,0,6": averaged(4, 0, 6),
        "drop *:0 drop *:0 insert *:5 *:4": rows(2, 3, 4, 5, 6, 6),
    }
    for words, change in table.items():
        with case(words):
            verb(model, scratch, words.split(), change)
    with case("one expert for many; another layer's"):
        before = read(model)[0]
        edit(model, scratch / "v.gguf", "copy", "0:3", "1:0,2")
        after = read(scratch / "v.gguf")[0]
        for s in STACKS:
            want = stacks(before, 1)[s].copy()
            want[[0, 2]] = stacks(before, 0)[s][3]
            assert np.array_equal(stacks(after, 1)[s], want), s
            assert np.array_equal(stacks(after, 0)[s], stacks(before, 0)[s]), s
    with case("an expert of another file, of another type"):
        donor = MODELS / "qwen3_moe-f16-gguf.gguf"
        edit(model, scratch / "v.gguf", "replace", "0:2", f"{donor}:1:5")
        old, new = read(donor)[0], read(scratch / "v.gguf")[0]
        for s in STACKS:
            assert np.array_equal(stacks(new, 0)[s][2], stacks(old, 1)[s][5].astype(np.float32)), s
    for path in QUANTISED:
        with case(f"{path.name}: experts of every type are moved as they are"):
            verb(path, scratch, ["swap", "*:0", "*:1", "insert", "*:2", "*:0"], 
                 lambda name, x: x[[1, 0, 1, *range(2, len(x))]], layers_of(path))
        with case(f"{path.name}: half as loud: every scale is halved, no code changes"):
            edit(path, scratch / "v.gguf", "scale", "*:1", "0.5")
            for layer in layers_of(path):
                name = f"blk.{layer}.ffn_down_exps.weight"
                kind, old = read(path)[0][name]
                new = read(scratch / "v.gguf")[0][name][1]
                want = gguf.dequantize(old, kind)
                want[1] *= np.float32(0.5)
                got = gguf.dequantize(new, kind)
                assert np.array_equal(got, want) or nmse(got, want) < 1e-9, f"{kind}: {nmse(got, want)}"


def undone(scratch):
    for name, n in MOE.items():
        model = MODELS / f"{name}.gguf"
        out, back = scratch / "out.gguf", scratch / "back.gguf"
        with case(f"{name}: verbs that cancel out give the same bytes"):
            edit(model, out, "swap", "*:0", "*:1", "swap", "*:1", "*:0", "insert", f"*:{n}", "drop", f"*:{n}")
            assert out.read_bytes() == model.read_bytes()
        with case(f"{name}: insert, and drop from that file: the original bytes"):
            edit(model, out, "insert", "*:2", "*:0", "--no-history")
            assert out.read_bytes() != model.read_bytes()
            edit(out, back, "drop", "*:2", "--no-history")
            assert back.read_bytes() == model.read_bytes()
        with case(f"{name}: with its history nothing but that is more"):
            edit(model, out, "insert", "*:2", "*:0")
            edit(out, back, "drop", "*:2")
            others_same(read(model), read(back), ())
            assert history(read(back)[1]) == ["insert *:2 *:0", "drop *:2"]
        with case(f"{name}: experts in another order: the same logits"):
            edit(model, out, "swap", "*:0", f"*:{n - 1}", "swap", "0:1", "0:2")
            error = nmse(logits(out, IDS, scratch), logits(model, IDS, scratch))
            assert error <= 1e-10, f"NMSE {error:.1e}"
    with case("a split file becomes one"):
        split = MODELS / "qwen3_moe-sharded-00001-of-00003.gguf"
        edit(split, scratch / "one.gguf", "swap", "0:0", "0:1", "swap", "0:0", "0:1")
        fields = read(scratch / "one.gguf")[1]
        assert not any(k.startswith("split.") for k in fields), fields
        got, want = logits(scratch / "one.gguf", IDS, scratch), logits(split, IDS, scratch)
        assert np.array_equal(got, want)


# ---- folders of safetensors -----------------------------------------------------------------------

def metadata(path):
    with open(path / "model.safetensors", "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(size))["__metadata__"]


def count_of(config):
    return config.get("num_experts", config.get("num_local_experts"))


def folders(scratch):
    for name, n in MOE.items():
        source, out, back = MODELS / name, scratch / "out", scratch / "back"
        with case(f"{name}: a folder: insert, and drop from that: the original bytes"):
            edit(source, out, "insert", "*:1", "*:0", "--no-history")
            config = json.loads((out / "config.json").read_text())
            assert count_of(config) == n + 1, config
            edit(out, back, "drop", "*:1", "--no-history")
            for file in ("config.json", "model.safetensors"):
                assert (back / file).read_bytes() == (source / file).read_bytes(), file
        with case(f"{name}: a folder: the same logits as of the GGUF that was edited alike"):
            words = ("swap", "0:0", "1:1", "copy", "*:2", "*:0", "insert", "*:2")
            edit(source, out, *words)
            edit(MODELS / f"{name}.gguf", scratch / "v.gguf", *words)
            error = nmse(logits(out, IDS, scratch), logits(scratch / "v.gguf", IDS, scratch))
            assert error <= 1e-10, f"NMSE {error:.1e}"
            assert history(metadata(out)) == [" ".join(words)]
    for name in ("qwen3_moe-fused", "granitemoe-fused", "olmoe-fused"):
        with case(f"{name}: experts that lie in one tensor"):
            fused = MODELS / f"{name}"
            edit(fused, scratch / "out", "swap", "*:0", "*:2", "--no-history")
            edit(scratch / "out", scratch / "back", "swap", "*:0", "*:2", "--no-history")
            assert (scratch / "back/model.safetensors").read_bytes() == (fused / "model.safetensors").read_bytes()
            error = nmse(logits(scratch / "out", IDS, scratch), logits(fused, IDS, scratch))
            assert error <= 1e-9, f"NMSE {error:.1e}"
    with case("shards become one file, all else goes along"):
        sharded = MODELS / "qwen3_moe-sharded"
        edit(sharded, scratch / "out", "swap", "*:0", "*:1", "swap", "*:0", "*:1")
        assert {p.name for p in (scratch / "out").iterdir()} == {"config.json", "model.safetensors"}
        assert np.array_equal(logits(scratch / "out", IDS, scratch), logits(sharded, IDS, scratch))
    with case("a folder that is there is left alone; with --force it is replaced whole"):
        out = scratch / "out"
        done = run("edit", MODELS / "qwen3_moe", "-o", out, "swap", "0:0", "0:1", check_status=False)
        assert done.returncode == 1 and "--force" in done.stderr, done.stderr
        (out / "sub").mkdir()
        done = run("edit", MODELS / "qwen3_moe", "-o", out, "--force", "swap", "0:0", "0:1", check_status=False)
        assert done.returncode == 2 and "not replaced" in done.stderr, done.stderr
        (out / "sub").rmdir()
        (out / "old.txt").write_text("old")
        (scratch / "out.part").mkdir(exist_ok=True)
        (scratch / "out.part" / "model.safetensors.part").write_text("what a killed writer left")
        edit(MODELS / "qwen3_moe", out, "swap", "0:0", "0:1")
        assert {p.name for p in out.iterdir()} == {"config.json", "model.safetensors"}
        assert not (scratch / "out.part").exists()
    with case("a folder on a full disk: an error, nothing at its place"):
        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
        done = run("edit", MODELS / "qwen3_moe", "-o", scratch / "full", "swap", "0:0", "0:1", check_status=False,
                   preexec_fn=small_files)
        assert done.returncode == 1 and "cannot be written" in done.stderr, done.stderr
        assert not (scratch / "full").exists() and not (scratch / "full.part").exists()


# ---- other types ----------------------------------------------------------------------------------

TYPES = {"f32": T.F32, "f16": T.F16, "bf16": T.BF16, "q8_0": T.Q8_0, "q5_1": T.Q5_1, "q5_0": T.Q5_0, "q4_1": T.Q4_1,
         "q4_0": T.Q4_0}


# The root of the squared error over that of the squares, on random weights of one normal distribution.
WIDE = {"q6_k": 0.0175, "q5_k": 0.036, "q4_k": 0.072, "q3_k": 0.147, "q2_k": 0.27}


def convert(source, out, kind, **more):
    return run("model", "convert", source, "-o", out, "--type", kind, "--force", **more)


def types(scratch):
    """Every matrix as the gguf package quantises it; routers and vectors as they were."""
    for source in QUANTISED:
        old = read(source)[0]
        for kind, want in TYPES.items():
            with case(f"{source.name} as {kind}: as the gguf package writes it"):
                convert(source, scratch / "c.gguf", kind)
                new, fields = read(scratch / "c.gguf")
                assert list(old) == list(new)
                for name, (was, data) in old.items():
                    matrix = data.ndim >= 2 and "ffn_gate_inp" not in name
                    assert new[name][0] == (want if matrix else was), (name, new[name][0])
                    values = gguf.dequantize(data, was) if was > 1 else data.astype(np.float32)
                    expected = gguf.quantize(values, want) if matrix and was != want else data
                    same = np.array_equal(expected.view(np.uint8), new[name][1].view(np.uint8))
                    if not same and matrix:  # the least of a block of zeros may be +0 or -0
                        same = np.array_equal(gguf.dequantize(expected, want), gguf.dequantize(new[name][1], want))
                    assert same, f"{name}: {was.name}"
                assert history(fields) == [f"convert --type {kind}"]
    source = QUANTISED[0]
    old = read(source)[0]
    for kind, limit in WIDE.items():
        with case(f"{source.name} as {kind}: as the gguf package reads it, near to what it was"):
            convert(source, scratch / "c.gguf", kind)
            new = read(scratch / "c.gguf")[0]
            changed = 0
            for name, (was, data) in old.items():
                if new[name][0] == was:
                    assert np.array_equal(data, new[name][1]), name
                    continue
                assert new[name][0] == T[kind.upper()], (name, new[name][0])
                values = gguf.dequantize(data, was) if was > 1 else data.astype(np.float32)
                error = nmse(gguf.dequantize(*new[name][::-1]), values) ** 0.5
                assert error <= 1.5 * limit, f"{name}: {was.name}, {error:.4f}"
                changed += 1
            assert changed >= 10, changed
            convert(source, scratch / "d.gguf", kind)
            assert (scratch / "d.gguf").read_bytes() == (scratch / "c.gguf").read_bytes()
    with case("a number that a type cannot hold: refused by its tensor, nothing written"):
        for bad, kind in ((1e6, "f16"), (float("nan"), "bf16"), (float("inf"), "q4_k"), (1e9, "q8_0")):
            spoilt = scratch / "spoilt"
            spoilt.mkdir(exist_ok=True)
            path = MODELS / "qwen3_moe.gguf" if kind == "f16" else FIXTURES / "quantised.gguf"
            if kind in ("q4_k", "q8_0", "bf16"):
                convert(path, scratch / "s.gguf", "f32")
                path = scratch / "s.gguf"
            raw = bytearray(path.read_bytes())
            tensor = next(t for t in gguf.GGUFReader(path).tensors if t.name == "blk.0.attn_q.weight")
            struct.pack_into("<f", raw, int(tensor.data_offset) + 4, bad)
            (spoilt / "x.gguf").write_bytes(raw)
            done = run("model", "convert", spoilt / "x.gguf", "-o", spoilt / "y.gguf", "--type", kind, check_status=False)
            assert done.returncode == 1 and "blk.0.attn_q.weight" in done.stderr, done.stderr
            assert kind.upper() in done.stderr and [p.name for p in spoilt.iterdir()] == ["x.gguf"], done.stderr
    with case("rows that do not divide into blocks keep their type, and it is told"):
        done = convert(MODELS / "qwen3_moe.gguf", scratch / "c.gguf", "q8_0")
        assert "keep their type" in done.stderr, done.stderr
        assert np.array_equal(logits(scratch / "c.gguf", IDS, scratch), logits(MODELS / "qwen3_moe.gguf", IDS, scratch))
    with case("types by the tensors' names: each as if it alone had been asked for, the last that fits counts"):
        source, rest = QUANTISED[0], ["--tensor-type", "*_exps.weight=q8_0", "--tensor-type", "output.weight=f16",
                                      "--tensor-type", "blk.0.ffn_down*=q5_0"]
        alone = {}
        for kind in ("q4_0", "q8_0", "f16", "q5_0"):
            convert(source, scratch / "c.gguf", kind)
            alone[kind] = read(scratch / "c.gguf")[0]
        old = read(source)[0]
        for base in ("q4_0", None):
            run("model", "convert", source, "-o", scratch / "c.gguf", "--force", *(["--type", base] if base else []), *rest)
            new, fields = read(scratch / "c.gguf")
            seen = set()
            for name, (was, data) in old.items():
                kind = ("q5_0" if name.startswith("blk.0.ffn_down") else "f16" if name == "output.weight" else
                        "q8_0" if name.endswith("_exps.weight") else base)
                want = alone[kind][name] if kind else (was, data)
                assert new[name][0] == want[0] and np.array_equal(new[name][1], want[1]), (name, kind, new[name][0])
                seen.add(kind)
            assert seen == {"q5_0", "f16", "q8_0", base}, seen
            assert history(fields) == ["convert" + (f" --type {base}" if base else "") + "".join(
                f" {w}" for w in rest)], history(fields)
        run("model", "convert", MODELS / "qwen3_moe", "-o", scratch / "mixed", "--force", "--type", "f32", "--tensor-type",
            "*.experts.*=bf16")
        bank = json.loads(b"".join([(scratch / "mixed/model.safetensors").read_bytes()[8:][:struct.unpack(
            "<Q", (scratch / "mixed/model.safetensors").read_bytes()[:8])[0]]]))
        kinds = {("experts" in name, tensor["dtype"]) for name, tensor in bank.items() if len(tensor.get("shape", [])) > 1}
        assert kinds == {(True, "BF16"), (False, "F32")}, kinds
        for word, text in (("x", "no PATTERN=TYPE"), ("=f16", "no PATTERN=TYPE"), ("a=q9", "no PATTERN=TYPE"),
                           ("blk.9.*=f16", "no matrix is called"), ("*_norm.weight=f16", "no matrix is called")):
            done = run("model", "convert", source, "-o", scratch / "no.gguf", "--tensor-type", word, check_status=False)
            assert done.returncode == 2 and text in done.stderr and not (scratch / "no.gguf").exists(), done.stderr
    with case("a folder in bf16: config.json says so; back in f32 the same numbers"):
        convert(MODELS / "qwen3_moe", scratch / "half", "bf16")
        config = json.loads((scratch / "half/config.json").read_text())
        assert config["dtype"] == "bfloat16", config
        convert(scratch / "half", scratch / "whole", "f32")
        got, want = logits(scratch / "whole", IDS, scratch), logits(scratch / "half", IDS, scratch)
        assert nmse(got, want) <= 1e-5, nmse(got, want)
        assert history(metadata(scratch / "whole")) == ["convert --type bf16", "convert --type f32"]
    with case("a dense model too"):
        convert(MODELS / "llama.gguf", scratch / "c.gguf", "f16")
        assert nmse(logits(scratch / "c.gguf", IDS, scratch), logits(MODELS / "llama.gguf", IDS, scratch)) <= 1e-5
    with case("refused: safetensors hold no blocks, no type, no output"):
        for words, status, text in ((["--type", "q8_0"], 2, "safetensors do not hold"), ([], 2, "needs --type"),
                                    (["--type", "q9"], 2, "q9")):
            done = run("model", "convert", BLOCKS_FOLDER, "-o", scratch / "no", *words, check_status=False)
            assert done.returncode == status and text in done.stderr, done.stderr
            assert not (scratch / "no").exists() and not (scratch / "no.part").exists()


# ---- refusals -------------------------------------------------------------------------------------

REFUSED = [
    (["swap", "0:1", "drop", "0:2"], 2, "swap needs A B"), (["fly", "0:1"], 2, "no verb"), (["drop", "0:1", "0:2"], 2, "2 words"),
    (["drop", "3"], 2, "no LAYERS:EXPERTS"), (["drop", ":"], 2, "no LAYERS"), (["drop", "0:"], 2, "no LAYERS"),
    (["drop", ":0"], 2, "no LAYERS"), (["drop", "0:1,"], 2, "no LAYERS"), (["drop", "0:3-1"], 2, "no LAYERS"),
    (["drop", "0:-1"], 2, "no LAYERS"), (["drop", "0:1x"], 2, "no LAYERS"), (["drop", "0,:1"], 2, "no LAYERS"),
    (["drop", "0:99999999999999999999"], 2, "no LAYERS"), (["drop", "**:1"], 2, "no LAYERS"),
    (["drop", "0:7"], 2, "layer 0 has experts 0 to 6"), (["drop", "2:0"], 2, "beyond the model's last"),
    (["drop", "0:1"], 2, "layer 0 would have 6 experts and layer 1 7"),
    (["drop", "*:0-4"], 2, "would have 2 experts; this model calls 3"), (["drop", "0:1,1"], 2, "twice"),
    (["insert", "*:9"], 2, "gap"), (["insert", "*:4096"], 2, "has experts 0 to 6"),
    (["insert", "*:7", "*:99"], 2, "has experts 0 to 6"), (["copy", "0:1,2", "0:3"], 2, "cannot become"),
    (["copy", "0:1", "x.gguf:0:1"], 2, "another file, which stays"), (["swap", "0:1", "0:2,3"], 2, "one expert"),
    (["scale", "0:1", "loud"], 2, "no factor"), (["scale", "0:1", "1e9"], 2, "no factor"),
    (["scale", "0:1", "nan"], 2, "no factor"), (["scale", "0:1", "inf"], 2, "no factor"),
    (["average", "0:1"], 2, "two or more"),
    (["replace", "0:1", "absent.gguf:0:1"], 3, "absent.gguf"), (["replace", "0:1", ":0:1"], 3, ""),
    (["replace", "0:1", "{llama}:0:1"], 3, "do not fit"), (["replace", "0:1", "{olmoe}:0:1"], 3, "do not fit"),
    (["average", "*:0,1"], 2, "not written", "quantised-iq.gguf"), (["drop", "\x1b[2J:1"], 2, "\\x1b[2J:1"),
]


def refused(source, out, words, status, text):
    done = run("edit", source, "-o", out, *words, check_status=False)
    assert done.returncode == status and text in done.stderr, (done.returncode, done.stderr)
    assert done.stderr.count("\n") == 1 and "\x1b" not in done.stderr, done.stderr
    left = [p for p in out.parent.iterdir()]
    assert not left, left


def refusals(scratch):
    place = scratch / "refused"
    place.mkdir()
    names = {n: str(MODELS / f"{n}.gguf") for n in ("llama", "olmoe")}
    for words, status, text, *source in REFUSED:
        with case(f"refused: {' '.join(words)!r}"):
            model = FIXTURES / source[0] if source else MODELS / "qwen3_moe.gguf"
            refused(model, place / "x.gguf", [w.format(**names) for w in words], status, text)
    with case("refused: a dense model, no output, a file that is there, no model"):
        refused(MODELS / "llama.gguf", place / "x.gguf", ["drop", "0:1"], 3, "dense")
        done = run("edit", MODELS / "qwen3_moe.gguf", "drop", "0:1", check_status=False)
        assert done.returncode == 2 and "-o FILE" in done.stderr, done.stderr
        kept = scratch / "kept"
        kept.write_bytes(b"mine")
        done = run("edit", MODELS / "qwen3_moe.gguf", "-o", kept, "swap", "0:1", "0:2", check_status=False)
        assert done.returncode == 1 and "--force" in done.stderr and kept.read_bytes() == b"mine", done.stderr
        broken = scratch / "broken.gguf"
        broken.write_bytes((MODELS / "qwen3_moe.gguf").read_bytes()[:100_000])
        refused(broken, place / "x.gguf", ["swap", "0:1", "0:2"], 3, "missing")
    with case("refused: a history that is none"):
        writer = gguf.GGUFWriter(scratch / "h.gguf", "qwen3moe")
        tensors, fields = read(MODELS / "qwen3_moe.gguf")
        reader = gguf.GGUFReader(MODELS / "qwen3_moe.gguf")
        for key, field in reader.fields.items():
            if key.startswith("qwen3moe."):
                writer.add_key_value(key, field.contents(), field.types[0])
        writer.add_string("consilium.history", '{"done":')
        for name, (_, data) in tensors.items():
            writer.add_tensor(name, data)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        refused(scratch / "h.gguf", place / "x.gguf", ["swap", "0:1", "0:2"], 3, "consilium.history")
        whole = scratch / "h.gguf"
        whole.write_bytes(whole.read_bytes().replace(b'{"done":', b'{"d": 1}'))
        refused(whole, place / "x.gguf", ["swap", "0:1", "0:2"], 3, "consilium.history is no array")


# ---- whole or not at all --------------------------------------------------------------------------

def large(path, layers=2, experts=24, width=1024, ffn=512):
    """A model of 300 MB, all holes but its routers."""
    writer = gguf.GGUFWriter(path, "qwen3moe")
    for add, value in ((writer.add_block_count, layers), (writer.add_context_length, 64),
                       (writer.add_embedding_length, width), (writer.add_feed_forward_length, ffn),
                       (writer.add_expert_feed_forward_length, ffn), (writer.add_head_count, 4),
                       (writer.add_head_count_kv, 1), (writer.add_key_length, 16), (writer.add_value_length, 16),
                       (writer.add_layer_norm_rms_eps, 1e-6), (writer.add_expert_count, experts),
                       (writer.add_expert_used_count, 2), (writer.add_vocab_size, 64)):
        add(value)
    writer.add_tokenizer_model("no_vocab")
    shapes = {"token_embd.weight": (64, width), "output_norm.weight": (width,)}
    for layer in range(layers):
        for name, shape in (("attn_norm", (width,)), ("attn_q", (64, width)), ("attn_k", (16, width)),
                            ("attn_v", (16, width)), ("attn_output", (width, 64)), ("attn_q_norm", (16,)),
                            ("attn_k_norm", (16,)), ("ffn_norm", (width,)), ("ffn_gate_inp", (experts, width)),
                            ("ffn_gate_exps", (experts, ffn, width)), ("ffn_up_exps", (experts, ffn, width)),
                            ("ffn_down_exps", (experts, width, ffn))):
            shapes[f"blk.{layer}.{name}.weight"] = shape
    size = 0
    for name, shape in shapes.items():
        writer.add_tensor_info(name, shape, np.dtype(np.float32), 4 * int(np.prod(shape)))
        size += 4 * int(np.prod(shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with open(path, "r+b") as file:
        end = file.seek(0, 2)
        file.truncate(end + -end % 32 + size)


def whole(scratch):
    source, place = scratch / "large.gguf", scratch / "whole"
    place.mkdir()
    large(source)
    out = place / "out.gguf"
    words = ("edit", source, "-o", out, "--force", "drop", "*:0")
    if not SANITIZED:
        with case("300 MB: a few of memory"):
            process = subprocess.Popen([str(BINARY), *map(str, words)], stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = status
            assert status == 0 and out.stat().st_size > 270e6, status
            assert used.ru_maxrss < 60_000, f"{used.ru_maxrss} KiB"
            print(f"# {out.stat().st_size / 1e6:.0f} MB written with {used.ru_maxrss / 1024:.0f} MiB of memory")
        out.unlink()
    for delay in (0.02, 0.06, 0.12):
        with case(f"kill -9 after {delay} s: no file, or the whole one"):
            process = subprocess.Popen([str(BINARY), *map(str, words)], stdout=subprocess.DEVNULL)
            time.sleep(delay * (4 if SANITIZED else 1))
            process.kill()
            process.wait()
            assert not out.exists() or out.stat().st_size > 270e6
            assert {p.name for p in place.iterdir()} <= {"out.gguf", "out.gguf.part"}
            out.unlink(missing_ok=True)
    for name, sent in (("Ctrl-C", signal.SIGINT), ("SIGTERM", signal.SIGTERM)):
        with case(f"{name}: nothing half-written at its place"):
            process = subprocess.Popen([str(BINARY), *map(str, words)], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(0.1 if SANITIZED else 0.03)
            process.send_signal(sent)
            status = process.wait()
            assert (status == 0) == out.exists(), status
            assert status != 130 or not list(place.iterdir()), list(place.iterdir())
            out.unlink(missing_ok=True)
    with case("a full disk: an error, the old file stays, no part"):
        out.write_bytes(b"old")

        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (10 << 20, 10 << 20))
        done = run(*words, check_status=False, preexec_fn=small_files)
        assert done.returncode == 1 and "cannot be written" in done.stderr, done.stderr
        assert out.read_bytes() == b"old" and [p.name for p in place.iterdir()] == ["out.gguf"]
    with case("over its own source: the new file, whole"):
        small = scratch / "self.gguf"
        small.write_bytes((MODELS / "qwen3_moe.gguf").read_bytes())
        edit(small, small, "drop", "*:6")
        assert read(small)[1]["qwen3moe.expert_count"] == 6


def main():
    with tempfile.TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as name:
        verbs(Path(name))
        folders(Path(name))
        types(Path(name))
        undone(Path(name))
        refusals(Path(name))
    with tempfile.TemporaryDirectory() as name:
        whole(Path(name))
    finish()


if __name__ == "__main__":
    main()
