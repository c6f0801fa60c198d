#!/usr/bin/env python3
"""`consilium model export`: a pruned checkpoint is the whole model under its mask, bit for bit; what a
checkpoint cannot say is refused by its name."""
import json
import os
import tempfile
from pathlib import Path

import gguf
import numpy as np

from suite import FIXTURES, MODELS, ROOT, case, finish, logits, run

BASE = ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"
FAST = Path("/dev/shm")
IDS = [(i * 7 + i // 5) % 67 for i in range(40)]
# experts, kept in each of the two layers
MOE = {"qwen3_moe": (7, ("0-2,5", "1,3,4,6")), "qwen2_moe": (6, ("1,2,4", "0,3,5")), "mixtral": (5, ("0,4", "1,2")),
       "olmoe": (9, ("0-4", "4-8")), "granitemoe": (6, ("1-4", "0,2,3,5"))}


def mask(path, mode, layers):
    path.write_text(json.dumps({"mask": 1, "model": None, "mode": mode, "layers": layers}))
    return path


def numbers(text):
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def export(model, out, *options, **more):
    return run("model", "export", "-m", model, "-o", out, "--force", *options, **more)


def same(name, model, out, scratch, *options):
    whole, pruned = logits(model, IDS, scratch, *options), logits(out, IDS, scratch)
    plain = logits(model, IDS, scratch)
    assert np.array_equal(whole, pruned), f"{name}: {np.abs(whole - pruned).max()}"
    assert not np.array_equal(whole, plain), f"{name}: the mask does nothing"


def tiny(scratch):
    for name, (n, kept) in MOE.items():
        keep = mask(scratch / "keep.json", "keep", dict(enumerate(kept)))
        for model in (MODELS / f"{name}.gguf", MODELS / name):
            out = scratch / ("pruned.gguf" if model.suffix else "pruned")
            with case(f"{model.name}: the pruned model is the mask, bit for bit"):
                done = export(model, out, "--mask", keep)
                count = len(list(numbers(kept[0])))
                assert f"{count} of {n} experts" in done.stderr, done.stderr
                same(name, model, out, scratch, "--mask", keep)
                info = json.loads(run("model", "info", "-m", out, "--format", "json").stdout)
                assert info["experts"] == count, info
        with case(f"{name}: a ban, and fewer experts a token"):
            ban = mask(scratch / "ban.json", "ban", {"0": "0", "1": f"{n - 1}"})
            export(MODELS / f"{name}.gguf", scratch / "pruned.gguf", "--mask", ban, "--experts", "1")
            same(name, MODELS / f"{name}.gguf", scratch / "pruned.gguf", scratch, "--mask", ban, "--experts", "1")
    with case("quantised: the codes of the kept experts, as they are"):
        model = FIXTURES / "quantised.gguf"
        reader = {t.name: t.data for t in gguf.GGUFReader(model).tensors}
        experts = reader["blk.0.ffn_gate_inp.weight"].shape[0]
        ban = mask(scratch / "ban.json", "ban", {"0-1": f"{experts - 1}"})
        export(model, scratch / "pruned.gguf", "--mask", ban)
        same("quantised", model, scratch / "pruned.gguf", scratch, "--mask", ban)
        for t in gguf.GGUFReader(scratch / "pruned.gguf").tensors:
            want = reader[t.name][:experts - 1] if "_exps" in t.name or "gate_inp" in t.name else reader[t.name]
            assert np.array_equal(t.data, want), t.name
    with case("its history says what it is"):
        field = gguf.GGUFReader(scratch / "pruned.gguf").fields["consilium.history"]
        said = json.loads(field.contents())
        assert said[0]["done"] == f"export --mask {scratch / 'ban.json'}" and len(said[0]["fingerprint"]) == 64, said


def built_in(scratch):
    env = dict(os.environ, XDG_CACHE_HOME=str(scratch / "cache"), XDG_CONFIG_HOME=str(scratch / "config"))
    run("model", "build-default", "--from", BASE, env=env, timeout=300)
    model = scratch / "cache/consilium/built-in.gguf"
    ids = json.loads(run("tokenize", "Should a town close its old library?", env=env).stdout)
    for persona in ("coder", "critic"):
        with case(f"the built-in's {persona} as a model of its own: the same logits, bit for bit"):
            out = scratch / f"{persona}.gguf"
            done = run("model", "export", "--persona", persona, "-o", out, env=env)
            whole = logits(model, ids, scratch, "--personas", persona, env=env)
            pruned = logits(out, ids, scratch, env=env)
            assert np.array_equal(whole, pruned), np.abs(whole - pruned).max()
            assert not np.array_equal(whole, logits(model, ids, scratch, env=env))
            info = json.loads(run("model", "info", "-m", out, "--format", "json", env=env).stdout)
            assert info["experts"] < 32 and out.stat().st_size < model.stat().st_size, done.stderr
            print(f"# {persona}: {info['experts']} experts, {out.stat().st_size / 1e6:.0f} of "
                  f"{model.stat().st_size / 1e6:.0f} MB")
    with case("and it speaks"):
        said = run("ask", "Hello", "-m", scratch / "coder.gguf", "-p", "coder", "--no-save", "--merge", "none",
                   "--max-tokens", "8", "--seed", "1", env=env).stdout
        assert said.strip()
    return env


def refused(scratch, words, status, *texts, model=MODELS / "qwen3_moe.gguf", env=None):
    done = run("model", "export", "-m", model, "-o", scratch / "no.gguf", *words, check_status=False, env=env)
    assert done.returncode == status, (done.returncode, done.stderr)
    for text in texts:
        assert text in done.stderr, done.stderr
    assert not (scratch / "no.gguf").exists() and not (scratch / "no.gguf.part").exists()


def persona(env, name, router):
    place = Path(env["XDG_CONFIG_HOME"]) / "consilium/personas"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.json").write_text(json.dumps({"persona": 1, "name": name, "router": router}))


def refusals(scratch, env):
    with case("refused: layers that keep another number of experts"):
        uneven = mask(scratch / "m.json", "keep", {"0": "0-3", "1": "0-4"})
        refused(scratch, ["--mask", uneven], 2, "4 of 7 experts in layer 0 and 5 in layer 1")
        half = mask(scratch / "m.json", "keep", {"0": "0-3"})
        refused(scratch, ["--mask", half], 2, "4 of 7 experts in layer 0 and 7 in layer 1")
    with case("refused by name: a bias"):
        bias = mask(scratch / "m.json", "bias", {"0": {"1": 1.5}})
        refused(scratch, ["--mask", bias], 2, "bias", "layer 0")
    keep = mask(scratch / "keep.json", "keep", {"0-1": "0-3"})
    for name, router, text in (
            ("ruler", {"rules": [{"when": {"tag": "x"}, "layers": "0", "do": {"ban": "1"}, "for": "turn"}]}, "rules"),
            ("cutter", {"adaptive": {"min": 1, "ratio": 0.5}}, "adaptively"),
            ("wide", {"norm_width": 4}, "renormalises"),
            ("tail", {"experts_per_token": 4, "tail_gain": 0.5}, "gain on the ranks")):
        with case(f"refused by name: {text}"):
            persona(env, name, router)
            refused(scratch, ["--persona", name, "--mask", keep], 2, text, env=env, model=FIXTURES / "council")
    with case("refused by name: an adapter"):
        adapter = next((FIXTURES / "adapters").glob("*.safetensors"), None)
        done = run("model", "export", "-m", MODELS / "qwen3_moe.gguf", "-o", scratch / "no.gguf", "--mask", keep,
                   "--adapter", adapter, check_status=False, env=env)
        assert done.returncode in (2, 3) and not (scratch / "no.gguf").exists(), done.stderr
    with case("refused: nobody, no program, a dense model, no output, two personas"):
        refused(scratch, [], 2, "nothing to export")
        refused(scratch, ["--persona", "nobody-here"], 3, "nobody-here")
        refused(scratch, ["--mask", keep], 3, "dense", model=MODELS / "llama.gguf")
        done = run("model", "export", "-m", MODELS / "qwen3_moe.gguf", "--mask", keep, check_status=False)
        assert done.returncode == 2 and "-o PATH" in done.stderr, done.stderr
        refused(scratch, ["--persona", "coder,critic"], 2, "one persona")
        refused(scratch, ["--mask", mask(scratch / "m.json", "keep", {"0-1": "0,1"})], 3, "layer 0")


def main():
    with tempfile.TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as name:
        scratch = Path(name)
        tiny(scratch)
        env = built_in(scratch)
        refusals(scratch, env)
    finish()


if __name__ == "__main__":
    main()
