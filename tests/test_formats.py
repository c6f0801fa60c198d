#!/usr/bin/env python3
"""`model convert` from one format to the other: the same model in both, and nothing half-written."""
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import gguf
import numpy as np
from tokenizers import Tokenizer

import tokenizer_texts
from model_cases import BASE, CASES
from suite import BINARY, FIXTURES, MODELS, SANITIZED, case, finish, logits, nmse, run
from test_surgery import large
from test_tokenizers import encode, ids_of

FAST = Path("/dev/shm")
TOKENIZERS = FIXTURES / "tokenizers"
IDS = [(i * 7 + i // 5) % 67 for i in range(40)]
PAIRS = ("llama", "mixtral", "granitemoe")  # whose rows lie in another order in GGUF: other sums
# Cases of model_cases.py with both formats, and what they vary.
BOTH = [c.name for c in CASES.values() if c.gguf and not c.split]
OF = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
REFUSED = {"qwen3_moe-raw-gates": "norm_topk_prob is false", "qwen2_moe-norm": "norm_topk_prob is true",
           "olmoe-norm": "norm_topk_prob is true", "qwen3_moe-mlp-only": "some layers route",
           "qwen2_moe-sparse-step": "some layers route", "qwen3_moe-yarn-exact": "truncate"}


def convert(source, out, *options, **more):
    return run("model", "convert", source, "-o", out, "--force", *options, **more)


def tensors(path):
    return {t.name: (t.tensor_type, np.array(t.data)) for t in gguf.GGUFReader(path).tensors}


def same_tensors(got, want):
    got, want = tensors(got), tensors(want)
    assert set(got) == set(want), set(got) ^ set(want)
    for name in want:
        assert got[name][0] == want[name][0] and np.array_equal(got[name][1], want[name][1]), name


def info(model):
    said = json.loads(run("model", "info", "-m", model, "--format", "json").stdout)
    for key in ("path", "format", "files", "bytes", "quantization", "types", "tensors"):
        said.pop(key, None)
    return said


def equal(arch, got, want, exact=True):
    if exact and arch not in PAIRS:
        assert np.array_equal(got, want), f"largest difference {np.abs(got - want).max()}"
    assert nmse(got, want) <= 1e-9, f"NMSE {nmse(got, want):.1e}"


def there(scratch):
    """Every fixture directory that GGUF can say, against the file that another writer made of it."""
    for name, one in CASES.items():
        if name in REFUSED or one.layout == "sharded":
            continue
        out, back = scratch / "x.gguf", scratch / "back"
        with case(f"{name}: as GGUF the same logits, and back again; the writer's own tensors"):
            convert(MODELS / name, out)
            want = logits(MODELS / name, IDS, scratch)
            # YaRN with a factor of its own, and Llama 3: one rounding more in an angle
            exact = "attention" not in name and "mscale" not in name and "llama3" not in name
            equal(one.arch, logits(out, IDS, scratch), want, exact)
            convert(out, back, "--to", "safetensors")
            got = logits(back, IDS, scratch)
            equal(one.arch, got, want, exact)
            if name in BOTH and not one.like and OF[one.dtype] == one.gguf:
                same_tensors(out, MODELS / f"{name}.gguf")
            convert(back, scratch / "again.gguf")
            same_tensors(scratch / "again.gguf", out)
            assert info(out)["fingerprint"] == info(MODELS / name)["fingerprint"]
    for name, text in REFUSED.items():
        with case(f"{name}: refused by what GGUF cannot say"):
            (scratch / "x.gguf").unlink(missing_ok=True)
            done = run("model", "convert", MODELS / name, "-o", scratch / "x.gguf", check_status=False)
            assert done.returncode == 2 and text in done.stderr, done.stderr
            assert not (scratch / "x.gguf").exists() and not (scratch / "x.gguf.part").exists()


def back(scratch):
    """Every GGUF fixture as a directory, against the directory that it was made of."""
    for name in BOTH:
        with case(f"{name}.gguf: as a directory the same logits, and back: the same tensors"):
            out = scratch / "folder"
            convert(MODELS / f"{name}.gguf", out, "--to", "safetensors")
            exact = "llama3" not in name
            equal(CASES[name].arch, logits(out, IDS, scratch), logits(MODELS / f"{name}.gguf", IDS, scratch), exact)
            convert(out, scratch / "again.gguf")
            if "llama3" in name:  # divisors are worked out from the parameters, which came of divisors
                continue
            same_tensors(scratch / "again.gguf", MODELS / f"{name}.gguf")
            history = json.loads(gguf.GGUFReader(scratch / "again.gguf").fields["consilium.history"].contents())
            assert [h["done"] for h in history] == ["convert --to safetensors", "convert --to gguf"], history
            assert history[0]["from"] == f"{name}.gguf", history
    with case("a split file; another type on the way"):
        split = MODELS / "qwen3_moe-sharded-00001-of-00003.gguf"
        convert(split, scratch / "folder", "--to", "safetensors")
        equal("qwen3_moe", logits(scratch / "folder", IDS, scratch), logits(split, IDS, scratch))
        assert json.loads((scratch / "folder/config.json").read_text())["torch_dtype"] == "bfloat16"
        convert(scratch / "folder", scratch / "x.gguf", "--type", "f16")
        kinds = {t.tensor_type.name for t in gguf.GGUFReader(scratch / "x.gguf").tensors}
        assert kinds == {"F16", "F32"}, kinds
    with case("blocks: refused without a type, exactly opened with f32"):
        blocks = FIXTURES / "quantised.gguf"
        done = run("model", "convert", blocks, "-o", scratch / "no", "--to", "safetensors", check_status=False)
        assert done.returncode == 2 and "safetensors do not hold" in done.stderr and "f32" in done.stderr, done.stderr
        assert not (scratch / "no").exists() and not (scratch / "no.part").exists()
        convert(blocks, scratch / "folder", "--to", "safetensors", "--type", "f32")
        convert(scratch / "folder", scratch / "x.gguf")
        old, new = tensors(blocks), tensors(scratch / "x.gguf")
        for name, (kind, data) in old.items():
            want = gguf.dequantize(data, kind)
            assert np.array_equal(new[name][1], want), name
    with case("blocks of a directory at once"):
        convert(MODELS.parent / "council", scratch / "x.gguf", "--type", "q8_0")
        written = gguf.GGUFReader(scratch / "x.gguf")
        assert "Q8_0" in {t.tensor_type.name for t in written.tensors}
        assert written.fields["general.file_type"].contents() == gguf.LlamaFileType.MOSTLY_Q8_0


def changed(source, out, drop="", **more):
    """A GGUF file without the tensors whose names hold `drop`, and with other keys."""
    reader = gguf.GGUFReader(source)
    arch = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(out, arch)
    fields = {k: f for k, f in reader.fields.items() if not k.startswith(("GGUF.", "general."))}
    for key, field in fields.items():
        writer.add_key_value(key, field.contents(), field.types[0], field.types[-1] if len(field.types) > 1 else None)
    for key, value in more.items():
        key = f"{arch}.{key.replace('__', '.')}"
        if key in fields:
            writer.kv_data[0].pop(key)
        (writer.add_bool if isinstance(value, bool) else writer.add_uint32)(key, value)
    for t in reader.tensors:
        if not drop or drop not in t.name:
            writer.add_tensor(t.name, np.array(t.data), raw_dtype=t.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def unsaid(scratch):
    """What a config.json has no words for."""
    source, out = scratch / "odd.gguf", scratch / "no"

    def refused(text):
        done = run("model", "convert", source, "-o", out, "--to", "safetensors", check_status=False)
        assert done.returncode == 2 and text in done.stderr, done.stderr
        assert not out.exists() and not out.with_name("no.part").exists()
    with case("refused: some biases without others, a part of a head, gates as they are"):
        changed(MODELS / "llama-bias.gguf", source, drop="attn_output.bias")
        refused("some biases")
        changed(MODELS / "llama.gguf", source, rope__dimension_count=4)
        refused("a part of a head")
        changed(MODELS / "mixtral.gguf", source, expert_weights_norm=False)
        refused("gates do not sum to 1")
    with case("refused: divisors of frequencies that are not Llama 3's"):
        blob = bytearray((MODELS / "llama-llama3.gguf").read_bytes())
        at, = (t.data_offset for t in gguf.GGUFReader(MODELS / "llama-llama3.gguf").tensors if t.name == "rope_freqs.weight")
        blob[at:at + 4] = struct.pack("<f", 2)
        source.write_bytes(blob)
        refused("rope_freqs.weight divides")


def names(scratch):
    """general.name and the history's "from"."""
    snapshot, source = scratch / "models--org--My-Model/snapshots/0123abcd", MODELS / "llama"
    shutil.copytree(source, snapshot)
    for what, place, cwd, name in (
            ("a folder", source, None, "llama"), ("slashes behind it", f"{source}//", None, "llama"),
            ("from inside", ".", source, "llama"), ("a snapshot of the hub's cache", snapshot, None, "My-Model"),
            ("from inside of that", ".", snapshot, "My-Model")):
        with case(f"a model's name in GGUF: {what}"):
            convert(place, scratch / "n.gguf", cwd=cwd)
            fields = gguf.GGUFReader(scratch / "n.gguf").fields
            assert fields["general.name"].contents() == name, fields["general.name"].contents()
            said = json.loads(fields["consilium.history"].contents())
            assert said[-1]["from"] == name, said


# ---- tokenizers ------------------------------------------------------------------------------------

WIDTH = 8
# What GGUF has words for; the others are refused by what it has none for.
SAID = ("gpt2", "llama3", "olmo", "qwen2", "smollm", "sentencepiece")
UNSAID = {"splits": "a space in front", "unknown": "tokenizer", "tekken": "rules that have no name",
          "llama2": "leaves out merges", "mistral": "steps of its own"}


def with_words(scratch, tokenizer):
    """A directory of a layer of qwen3 with this tokenizer: rows of the embedding are more than it has tokens."""
    folder = scratch / f"words-{tokenizer.name}"
    folder.mkdir(exist_ok=True)
    for file in tokenizer.glob("*.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    described = json.loads((tokenizer / "tokenizer.json").read_text())
    count = max([*described["model"]["vocab"].values(), *(t["id"] for t in described["added_tokens"])]) + 1
    ends = [t["id"] for t in described["added_tokens"] if t["special"]][:2]
    config = dict(model_type="qwen3", vocab_size=count + 3, hidden_size=WIDTH, intermediate_size=WIDTH,
                  num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1, head_dim=WIDTH,
                  max_position_embeddings=64, tie_word_embeddings=True, rope_theta=10000.0, eos_token_id=ends)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps({"temperature": 0.25, "top_k": 7}))
    template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    config = folder / "tokenizer_config.json"
    more = json.loads(config.read_text()) if config.exists() else {}
    config.write_text(json.dumps(more | {"chat_template": template}))
    layer = {"input_layernorm": (WIDTH,), "post_attention_layernorm": (WIDTH,)}
    layer |= {f"mlp.{n}_proj": (WIDTH, WIDTH) for n in ("gate", "up", "down")}
    layer |= {f"self_attn.{n}_proj": (WIDTH, WIDTH) for n in "qkvo"} | {f"self_attn.{n}_norm": (WIDTH,) for n in "qk"}
    shapes = {"model.embed_tokens.weight": (count + 3, WIDTH), "model.norm.weight": (WIDTH,)}
    shapes |= {f"model.layers.0.{n}.weight": shape for n, shape in layer.items()}
    rng, table, blob = np.random.default_rng(1), {}, b""
    for name, shape in shapes.items():
        data = rng.standard_normal(shape).astype(np.float32).tobytes()
        table[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    head = json.dumps(table).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + blob)
    return folder


def by_scores(scratch):
    """The same from a GGUF file whose merges are scores: a directory with a tokenizer.json of it."""
    plain, path = scratch / "plain.gguf", scratch / "scores.gguf"
    source = gguf.GGUFReader(TOKENIZERS / "sentencepiece.gguf").fields
    convert(with_words(scratch, TOKENIZERS / "gpt2"), plain, "--no-tokenizer")
    reader, count = gguf.GGUFReader(plain), len(source["tokenizer.ggml.tokens"].data)
    writer = gguf.GGUFWriter(path, "qwen3")
    fields = {k: f for k, f in reader.fields.items() if k.startswith("qwen3.") and "vocab_size" not in k}
    for key, field in (fields | {k: f for k, f in source.items() if k.startswith("tokenizer.")}).items():
        writer.add_key_value(key, field.contents(), field.types[0], field.types[-1] if len(field.types) > 1 else None)
    for t in reader.tensors:
        data = np.array(t.data)
        if t.name == "token_embd.weight":
            data = np.random.default_rng(3).standard_normal((count, WIDTH)).astype(np.float32)
        writer.add_tensor(t.name, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    convert(path, scratch / "scores", "--to", "safetensors")
    config = scratch / "scores/tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"chat_template": "{{ messages[0].content }} m.content"}))
    (scratch / "scores/generation_config.json").write_text(json.dumps({"temperature": 0.25, "top_k": 7}))
    assert encode(scratch / "scores", [b"a text, and one more"]) == encode(path, [b"a text, and one more"])
    return scratch / "scores"


def words(scratch):
    texts = tokenizer_texts.texts(150 if SANITIZED else 400, seed=9)
    raw = [t.encode() for t in texts]
    for name in SAID:
        with case(f"{name}: the tokenizer goes along, and gives the same ids in both"):
            folder = by_scores(scratch) if name == "sentencepiece" else with_words(scratch, TOKENIZERS / name)
            convert(folder, scratch / "w.gguf")
            want = encode(folder, raw)
            assert encode(scratch / "w.gguf", raw) == want
            convert(scratch / "w.gguf", scratch / "w", "--to", "safetensors")
            assert encode(scratch / "w", raw) == want
            library = Tokenizer.from_file(str(scratch / "w/tokenizer.json"))
            for text, line in zip(texts, want):
                ids = library.encode(text, add_special_tokens=False).ids
                special = {t["id"] for t in json.loads(library.to_str())["added_tokens"]}
                if not special & set(ids):  # the library finds them in anybody's text
                    assert ids == ids_of(line), repr(text)
            convert(scratch / "w", scratch / "again.gguf")
            first, second = (gguf.GGUFReader(scratch / f).fields for f in ("w.gguf", "again.gguf"))
            for key in first:
                if not key.startswith("GGUF.") and key not in ("general.name", "consilium.history"):
                    a, b = first[key].contents(), second[key].contents()
                    differ = [i for i, pair in enumerate(zip(a, b)) if pair[0] != pair[1]] if isinstance(a, list) else 0
                    assert a == b, f"{key}: {[(i, a[i], b[i]) for i in differ[:5]] if differ else (a, b)}"
            ends = json.loads((folder / "config.json").read_text())["eos_token_id"]
            if isinstance(ends, list) and len(ends) > 1:
                assert first["tokenizer.ggml.eos_token_ids"].contents() == ends
            assert "m.content" in first["tokenizer.chat_template"].contents()
            said = json.loads((scratch / "w/generation_config.json").read_text())
            assert said["temperature"] == 0.25 and said["top_k"] == 7, said
    with case("lstrip, rstrip and single_word: one line says that they stay behind; nothing where there are none"):
        folder = with_words(scratch, TOKENIZERS / "gpt2")
        assert "lstrip" not in convert(folder, scratch / "w.gguf").stderr
        described = json.loads((folder / "tokenizer.json").read_text())
        described["added_tokens"][0]["lstrip"] = True
        (folder / "tokenizer.json").write_text(json.dumps(described))
        told = [line for line in convert(folder, scratch / "w.gguf").stderr.splitlines() if "lstrip" in line]
        assert len(told) == 1 and "1 added token has" in told[0], told
        assert "lstrip" not in convert(folder, scratch / "w.gguf", "--no-tokenizer").stderr
    with case("two tokens of one text, which tokenizer.json cannot say: refused before a weight is written"):
        last = json.loads((folder / "config.json").read_text())["vocab_size"] - 1
        convert(folder, scratch / "w.gguf")
        blob = (scratch / "w.gguf").read_bytes()
        (scratch / "w.gguf").write_bytes(blob.replace(f"[PAD{last}]".encode(), f"[PAD{last - 1}]".encode()))
        done = run("model", "convert", scratch / "w.gguf", "-o", scratch / "no", "--to", "safetensors", check_status=False)
        assert done.returncode == 2 and "the same text" in done.stderr and "--no-tokenizer" in done.stderr, done.stderr
        assert not (scratch / "no").exists() and not (scratch / "no.part").exists()
    for name, text in UNSAID.items():
        with case(f"{name}: a tokenizer that GGUF has no words for is refused, and can be left out"):
            folder = with_words(scratch, TOKENIZERS / name)
            (scratch / "u.gguf").unlink(missing_ok=True)
            done = run("model", "convert", folder, "-o", scratch / "u.gguf", check_status=False)
            assert done.returncode == 2 and text in done.stderr and "--no-tokenizer" in done.stderr, done.stderr
            assert not (scratch / "u.gguf").exists() and not (scratch / "u.gguf.part").exists()
            convert(folder, scratch / "u.gguf", "--no-tokenizer")
            assert gguf.GGUFReader(scratch / "u.gguf").fields["tokenizer.ggml.model"].contents() == "no_vocab"


# ---- whole or not at all ---------------------------------------------------------------------------

def whole(scratch):
    source, place = scratch / "large.gguf", scratch / "whole"
    place.mkdir()
    large(source)
    folder, out = place / "folder", place / "out.gguf"
    both = ((source, folder, "--to", "safetensors"), (scratch / "kept", out))
    convert(source, scratch / "kept", "--to", "safetensors")

    def complete(path):
        files = [path / "model.safetensors", path / "config.json"] if path == folder else [path]
        return all(f.exists() for f in files) and files[0].stat().st_size > 270e6

    def clear():
        for path in sorted(place.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    if not SANITIZED:
        for one in both:
            with case(f"300 MB to {one[1].name}: a few of memory"):
                process = subprocess.Popen([str(BINARY), "model", "convert", one[0], "-o", *one[1:]],
                                           stdout=subprocess.DEVNULL)
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = status
                assert status == 0 and complete(one[1]) and used.ru_maxrss < 60_000, (status, used.ru_maxrss)
            clear()
    for one in both:
        for delay in (0.02, 0.06, 0.12):
            with case(f"kill -9 after {delay} s: no {one[1].name}, or the whole one"):
                process = subprocess.Popen([str(BINARY), "model", "convert", one[0], "-o", *one[1:]],
                                           stdout=subprocess.DEVNULL)
                time.sleep(delay * (4 if SANITIZED else 1))
                process.kill()
                process.wait()
                assert not one[1].exists() or complete(one[1])
                assert {p.name for p in place.iterdir()} <= {one[1].name, one[1].name + ".part"}
        with case(f"what a killed writer left is in nobody's way: {one[1].name}"):
            convert(*one)
            assert complete(one[1]) and [p.name for p in place.iterdir()] == [one[1].name]
        clear()
        with case(f"a full disk: an error, nothing at its place: {one[1].name}"):
            def small_files():
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (10 << 20, 10 << 20))
            done = run("model", "convert", one[0], "-o", *one[1:], check_status=False, preexec_fn=small_files)
            assert done.returncode == 1 and "cannot be written" in done.stderr, done.stderr
            assert not list(place.iterdir()), list(place.iterdir())
        with case(f"a place that nobody may write to: {one[1].name}"):
            done = run("model", "convert", one[0], "-o", f"/proc/{one[1].name}", *one[2:], check_status=False)
            assert done.returncode == 1 and "/proc/" in done.stderr and done.stderr.count("\n") == 1, done.stderr
        with case(f"Ctrl-C: nothing half-written: {one[1].name}"):
            process = subprocess.Popen([str(BINARY), "model", "convert", one[0], "-o", *one[1:]],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.1 if SANITIZED else 0.03)
            process.send_signal(signal.SIGINT)
            status = process.wait()
            assert (status == 0) == one[1].exists() and (status == 0 or not list(place.iterdir())), status
        clear()


def main():
    with tempfile.TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as name:
        there(Path(name))
        back(Path(name))
        unsaid(Path(name))
        names(Path(name))
        words(Path(name))
        whole(Path(name))
    finish()


if __name__ == "__main__":
    main()
