#!/usr/bin/env python3
"""What people name with -m and what they get: the model they meant, or a sentence that says what
happened and what to do; and what an Ollama name brings beside the weights.

Every refusal is exit 3 and one line that names the file. Names against trees of files are tested in
test_sources.c; here they pass through the commands.
"""
import hashlib
import io
import json
import os
import struct
import tempfile
import zipfile
from pathlib import Path

import malformed_base as base
from suite import case, check, finish, run

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 4976698672\n"
HTML = b"\n<!DOCTYPE html><html><head><title>Sign in</title></head></html>"


def zipped(name):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr(name, b"x" * 100)
    return out.getvalue()


# name: (bytes, words)
GGUF_FILES = {
    "pointer": (LFS, ["Git LFS pointer", "4976698672", "git lfs pull"]),
    "page": (HTML, ["a web page", "download it again"]),
    "page with a mark": (b"\xef\xbb\xbf<html>", ["a web page"]),
    "answer": (b'{"error":"Repository not found"}', ['text ("{"error"', "a server"]),
    "entry": (b"Entry not found", ['text ("Entry not found")']),
    "evil": (b"Entry \xc2\x9b5m not found", ["5m not found"]),
    "empty": (b"", ["the file is empty"]),
    "zeros": (bytes(5000), ["begins with zeros"]),
    "torch zip": (zipped("archive/data.pkl"), ["PyTorch checkpoint", "can run code"]),
    "zip": (zipped("model.gguf"), ["a zip archive"]),
    "pickle": (b"\x80\x02}q\x00.", ["PyTorch checkpoint"]),
    "ggml": (b"lmgg" + bytes(100), ["GGML", "GGUF"]),
    "ggjt": (b"tjgg\3\0\0\0" + bytes(100), ["GGML"]),
    "gzip": (b"\x1f\x8b\x08" + bytes(100), ["gzip"]),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), ["HDF5"]),
    "safetensors": (struct.pack("<Q", 2) + b"{}" + bytes(8), ["a safetensors file", "folder"]),
    "nonsense": (b"\x01\x02\x03\x04" * 20, ["no GGUF file"]),
}


def refused(model, *words, status=3):
    done = run("model", "info", "-m", model, check_status=False)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr}"
    for word in words:
        assert word in done.stderr, f"{word!r} is not in {done.stderr!r}"
    assert done.stderr.count("\n") == 1, done.stderr
    assert all(c.isprintable() for c in done.stderr.strip()), done.stderr
    return done.stderr


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def files(scratch):
    for name, (content, words) in GGUF_FILES.items():
        with case(f"{name} in the place of a GGUF: told"):
            refused(put(scratch / "x.gguf", content), "x.gguf", *words)
    for name in ("pointer", "page", "answer", "empty", "pickle", "zeros"):
        with case(f"{name} in the place of weights: told"):
            d = base.Directory()
            d.files["model.safetensors"] = GGUF_FILES[name][0]
            d.write(scratch / f"w-{name}")
            refused(scratch / f"w-{name}", "model.safetensors", *GGUF_FILES[name][1][:1])
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        for kind in ("pointer", "page", "empty"):
            with case(f"{kind} in the place of {name}: told"):
                d = base.Directory()
                d.files[name] = GGUF_FILES[kind][0]
                d.write(scratch / f"{kind}-{name}")
                said = refused(scratch / f"{kind}-{name}", name, GGUF_FILES[kind][1][0])
                assert "as JSON does" not in said, said
    with case("a GGUF file in the place of weights: told"):
        d = base.Directory()
        d.files["model.safetensors"] = bytes(base.base_gguf())
        d.write(scratch / "w-gguf")
        refused(scratch / "w-gguf", "a GGUF file", "-m")


def cut(scratch):
    whole = bytes(base.base_gguf())
    for size in (len(whole) - 1, len(whole) - 9000):
        with case(f"GGUF cut to {size} bytes: how many are missing"):
            refused(put(scratch / "cut.gguf", whole[:size]), f"{size} bytes of {len(whole)}",
                    f"{len(whole) - size} are missing", "download probably stopped")
    for size in (30, 1000, 3000):
        with case(f"GGUF cut to {size} bytes, inside its header"):
            refused(put(scratch / "cut.gguf", whole[:size]), "download probably stopped")
    whole = (base.HF / "model.safetensors").read_bytes()
    for size in (len(whole) - 1, len(whole) // 2):
        with case(f"safetensors cut to {size} bytes: how many are missing"):
            d = base.Directory()
            d.files["model.safetensors"] = whole[:size]
            d.write(scratch / f"cut{size}")
            refused(scratch / f"cut{size}", f"{size} bytes of {len(whole)}",
                    f"{len(whole) - size} are missing")
    with case("safetensors cut inside its header"):
        d = base.Directory()
        d.files["model.safetensors"] = whole[:100]
        d.write(scratch / "cut-header")
        refused(scratch / "cut-header", "download probably stopped")
    for name in ("config.json", "tokenizer.json", "generation_config.json"):
        with case(f"{name} cut short"):
            d = base.Directory()
            d.files[name] = d.files[name][:len(d.files[name]) // 2]
            d.write(scratch / f"cut-{name}")
            refused(scratch / f"cut-{name}", name, "does not end as JSON does", "probably stopped")
    with case("a shard that is not there; one that is under way"):
        d = base.sharded_directory()
        del d.files["model-00002-of-00002.safetensors"]
        d.write(scratch / "shards")
        refused(scratch / "shards", "model-00002-of-00002.safetensors", "is not there, which the index")
        put(scratch / "shards" / "model-00002-of-00002.safetensors.incomplete", b"x")
        refused(scratch / "shards", "its download has not finished")
    with case("aria2 reserves the whole file: its note beside it tells"):
        put(scratch / "a.gguf", bytes(base.base_gguf()))
        put(scratch / "a.gguf.aria2", b"x")
        refused(scratch / "a.gguf", "has not finished", "a.gguf.aria2")
    with case("a name that ends in .part"):
        refused(put(scratch / "b.gguf.part", bytes(base.base_gguf())), "has not finished")


def kinds(scratch):
    """GGUF files that are no model by themselves."""
    for key, value, words in (("general.type", "adapter", "LoRA adapter"),
                              ("general.type", "mmproj", "the vision part"),
                              ("general.architecture", "clip", "the vision part"),
                              ("general.type", "imatrix", "importance matrix")):
        with case(f"{key} {value}: told"):
            g = base.base_gguf()
            g.set(key, base.STRING, value)
            refused(put(scratch / "k.gguf", bytes(g)), words)
    with case("a vocabulary without weights: told"):
        g = base.base_gguf()
        g.tensors = []
        refused(put(scratch / "k.gguf", bytes(g)), "a vocabulary without weights")


def templates(scratch):
    with case("a chat template that cannot be used: the file is named once"):
        g = base.base_gguf()
        g.set("tokenizer.chat_template", base.STRING, "{{ messages")
        path = put(scratch / "t.gguf", bytes(g))
        done = run("ask", "hi", "-m", path, "--no-save", check_status=False)
        assert done.returncode == 3 and done.stderr.count(str(path)) == 1, done.stderr


def quantised(scratch):
    for i, (config, word) in enumerate([
            ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "FP8"),
            ({"quant_method": "awq", "bits": 4}, "AWQ"), ({"quant_method": "gptq"}, "GPTQ"),
            ({"quant_method": "bitsandbytes"}, "bitsandbytes"),
            ({"quant_method": "compressed-tensors"}, "compressed-tensors"),
            ({"quant_method": "mxfp4"}, "MXFP4"), ({"quant_method": "brandnew"}, "brandnew")]):
        with case(f"{word}: named, with what to use instead"):
            d = base.Directory()
            d.files["config.json"] = json.dumps(
                base.base_config() | {"quantization_config": config}).encode()
            d.write(scratch / f"q{i}")
            refused(scratch / f"q{i}", "config.json", f"quantised with {word} (", "GGUF", "BF16")


# ---- Ollama ---------------------------------------------------------------------------------------

def layer(home, kind, content):
    digest = hashlib.sha256(content).hexdigest()
    put(home / ".ollama/models/blobs" / f"sha256-{digest}", content)
    return {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digest}"}


def manifest(home, name, **layers):
    put(home / ".ollama/models/manifests/registry.ollama.ai/library" / name,
        json.dumps({"layers": [layer(home, k, v) for k, v in layers.items()]}).encode())


def ask(home, *options, **more):
    """(the setting that the transcript keeps, standard error)"""
    data = Path(tempfile.mkdtemp(dir=home))
    done = run("ask", "the inn", "--merge", "none", "--max-tokens", "2", "--session", "s", *options,
               env=os.environ | {"HOME": str(home), "XDG_DATA_HOME": str(data),
                                 "XDG_CONFIG_HOME": str(home / "config"),
                                 "XDG_CACHE_HOME": str(home / "cache")}, **more)
    lines = (data / "consilium/transcripts/s.jsonl").read_text().rstrip("\n").split("\n")
    return next(r for r in map(json.loads, lines) if r.get("type") == "setting"), done.stderr


def ollama(home):
    model = bytes(base.base_gguf())
    manifest(home, "plain/latest", model=model, license=b"MIT")
    manifest(home, "mario/1b", model=model, system=b"You are Mario.", template=b"{{ .Prompt }}",
             params=json.dumps({"temperature": 0.25, "top_k": 7, "top_p": 0.5, "min_p": 0.1,
                                "repeat_penalty": 1.5, "stop": ["User:"], "num_ctx": 128,
                                "seed": 42, "mirostat": 1}).encode(), messages=b"[]")
    manifest(home, "tuned/latest", model=model, adapter=b"GGUF")
    env = os.environ | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}

    def seats(record):
        return {s["name"]: s for s in record["seats"]}

    with case("ollama:plain: nothing to tell"):
        record, told = ask(home, "-m", "ollama:plain", "-p", "coder", "--no-instruction")
        assert "Modelfile" not in told and seats(record)["coder"]["instruction"] is None, told
    with case("SYSTEM is said where a persona gives no instruction; one line tells it"):
        record, told = ask(home, "-m", "ollama:mario:1b", "-p", "coder", "--no-instruction",
                           "--control")
        assert seats(record)["coder"]["instruction"] == "You are Mario.", record
        line = [text for text in told.splitlines() if "Modelfile" in text]
        assert len(line) == 1 and "SYSTEM" in line[0] and "temperature" in line[0], told
        assert "not used: MESSAGE, PARAMETER mirostat" in line[0], told
    with case("PARAMETERs are defaults: sampling, stop, context, seed"):
        assert seats(record)["coder"]["sampling"]["temperature"] == 0.2, "its own wins"
        s = seats(record)["control"]["sampling"]
        assert (s["temperature"], s["top_k"], s["top_p"], s["min_p"], s["repeat_penalty"]) == \
            (0.25, 7, 0.5, 0.1, 1.5), s
        assert (record["stops"], record["context"]) == (["User:"], 128), record
        assert str(record["seed"]) == "42" and "seed 42" in told, (record["seed"], told)
    with case("a flag wins over a PARAMETER, and a persona's instruction over SYSTEM"):
        record, _ = ask(home, "-m", "mario:1b", "-p", "coder", "--control", "--temperature", "0",
                        "--stop", "x", "--context", "200", "--seed", "7")
        told = seats(record)
        assert "Mario" not in told["coder"]["instruction"], told
        assert told["control"]["instruction"] == "You are Mario.", told
        assert told["control"]["sampling"]["temperature"] == 0, told
        assert (record["stops"], record["context"], str(record["seed"])) == (["x"], 200, "7")
    with case("a session that goes on is given the wishes again, by the name"):
        data = Path(tempfile.mkdtemp(dir=home))
        for _ in range(2):
            named = ["-m", "mario:1b"] if not list(data.iterdir()) else []
            run("ask", "the inn", "--merge", "none", "--max-tokens", "2", "--session", "s", "-p",
                "coder", "--no-instruction", "--control", *named, env=env | {"XDG_DATA_HOME": str(data)})
        text = (data / "consilium/transcripts/s.jsonl").read_text()
        kept = [r for r in map(json.loads, text.rstrip("\n").split("\n")) if r.get("type") == "setting"]
        assert {r["model"]["name"] for r in kept} == {"ollama:mario:1b"}, kept
        assert {seats(r)["control"]["instruction"] for r in kept} == {"You are Mario."}, kept
    with case("--raw has no system message"):
        record, _ = ask(home, "-m", "mario:1b", "-p", "coder", "--no-instruction", "--raw")
        assert seats(record)["coder"]["instruction"] is None, record
    with case("an ADAPTER is refused, by any name, and in the list"):
        for name in ("ollama:tuned", "tuned", "tuned:latest"):
            done = run("ask", "hi", "-m", name, env=env, check_status=False)
            assert done.returncode == 3 and "has an ADAPTER (LoRA)" in done.stderr, done.stderr
        found = json.loads(run("model", "list", "--format", "json", env=env).stdout)["models"]
        by_name = {m["name"]: m for m in found}
        assert not by_name["ollama:tuned:latest"]["runnable"], found
        assert "ADAPTER" in by_name["ollama:tuned:latest"]["problem"], found
        assert by_name["ollama:mario:1b"]["runnable"], found
    with case("a tag that is not there: the tags that are"):
        for name in ("ollama:mario", "mario", "ollama:mario:7b"):
            done = run("model", "info", "-m", name, env=env, check_status=False)
            assert done.returncode == 3 and "ollama:mario:1b" in done.stderr, done.stderr


# ---- names ----------------------------------------------------------------------------------------

def names(home):
    env = os.environ | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"),
                        "XDG_CONFIG_HOME": str(home / "config")}

    def info(*options):
        done = run("model", "info", "--format", "json", *options, env=env, check_status=False)
        return json.loads(done.stdout)["path"] if done.returncode == 0 else done.stderr

    with case("-m built-in before it is built: the command that builds it"):
        assert "build-default" in info("-m", "built-in")
    built_in = put(home / "cache/consilium/built-in.gguf", bytes(base.base_gguf()))
    mine = put(home / "models/x.gguf", bytes(base.base_gguf()))
    check("-m built-in: the model that the list calls so", info("-m", "built-in") == str(built_in))
    check("no -m: the same", info() == str(built_in))
    check("-m ~/x: of the home folder", info("-m", "~/models/x.gguf") == str(mine))
    check("-m ~/folder with one GGUF", info("-m", "~/models") == str(mine))
    refusal = info("-m", "~nobody-of-that-name/x.gguf")
    check("-m ~user/x of nobody: refused", "~nobody-of-that-name/x.gguf" in refusal, refusal)
    for name, want in (("~/models/x.gguf", mine), ("built-in", built_in)):
        put(home / "config/consilium/config.json", json.dumps({"model": name}).encode())
        check(f'config.json {{"model": "{name}"}}', info() == str(want), info())
    put(home / "config/consilium/config.json", b'{"model": "~/models/x.gguf"}')
    check("-m built-in wins over config.json", info("-m", "built-in") == str(built_in))
    (home / "config/consilium/config.json").unlink()
    with case("ask -m built-in calls it the built-in model"):
        done = run("ask", "the", "-m", "built-in", "--no-save", "-p", "coder", "--max-tokens", "1",
                   "--merge", "none", "--format", "json", env=env)
        assert json.loads(done.stdout)["model"]["path"] == str(built_in), done.stdout
    with case("a name that is nothing: what was looked at, and the command that lists"):
        told = info("-m", "gemma9:1b")
        for word in ("Ollama", "Hugging Face", "LM Studio", "consilium model list", "downloaded"):
            assert word in told, told


def main():
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for part in (files, cut, kinds, templates, quantised):
            part(scratch)
        for part in (ollama, names):
            home = Path(tempfile.mkdtemp(dir=scratch))
            part(home)
    finish()


if __name__ == "__main__":
    main()
