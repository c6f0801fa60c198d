#!/usr/bin/env python3
"""The program as scripts and people meet it: every command on tiny models, exit statuses, streams,
signals, and what strangers' files may not do to a terminal.

The model with text is fixtures/models/qwen3_moe with a tokenizer for printable ASCII made here, so
that each character (or one of a few merges) is a token, and with room for 4096 of them.
"""
import json
import math
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pexpect

from suite import BINARY, FIXTURES, MODELS, case, check, finish, logits, run

TEXT_SIZE = 2048
WORDS = "the theory that there is a thing to hear is not hers, it is theirs; ask them then. "
COMMANDS = ["ask", "model build-default", "model build-voices", "personas list", "personas show", "personas new",
            "personas derive", "personas check", "transcripts list", "transcripts show", "transcripts stats",
            "transcripts search", "transcripts export", "model info", "model list", "tokenize", "logits", "perplexity", "bench"]
# ESC and BEL, a C1 byte, a right-to-left override, a tag: what must not reach a terminal.
EVIL = b"\x1b]52;c;aGk=\x07\x1b[31m\xc2\x9b5m\xe2\x80\xae\xf3\xa0\x81\x81"


def byte_alphabet():
    """GPT-2's printable stand-ins for bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {}, 0
    for byte in range(256):
        table[byte] = chr(byte) if byte in plain else chr(256 + extra)
        extra += byte not in plain
    return table


def write_tokenizer(folder):
    alphabet = byte_alphabet()
    vocabulary = {alphabet[b]: i for i, b in enumerate([10, *range(32, 127)])}
    merges = [("t", "h"), ("th", "e"), (alphabet[32], "the")]
    for left, right in merges:
        vocabulary[left + right] = len(vocabulary)
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                          "use_regex": True},
        "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True,
                                            "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary,
                  "merges": [list(pair) for pair in merges]}}))
    return vocabulary


def make_model(folder, context=4096):
    """A copy of the tiny qwen3_moe with a tokenizer. Returns its vocabulary."""
    folder.mkdir(parents=True)
    config = json.loads((MODELS / "qwen3_moe" / "config.json").read_text())
    config["max_position_embeddings"] = context
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(
        (MODELS / "qwen3_moe" / "model.safetensors").read_bytes())
    return write_tokenizer(folder)


def tool(*args, **more):
    """The program whatever its exit status, output as bytes."""
    return subprocess.run([BINARY, *map(os.fspath, map(str, args))], timeout=120,
                          **({"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                              "stderr": subprocess.PIPE} | more))


def refuse(status, says, *args, **more):
    """The program ends with `status`, prints nothing, and its complaint says all of `says`."""
    done = tool(*args, **more)
    text = done.stderr.decode()
    assert done.returncode == status, f"exit {done.returncode}: {text}"
    assert not done.stdout, f"printed {done.stdout[:80]}"
    for words in [says] if isinstance(says, str) else says:
        assert words in text, f"{text!r} does not say {words!r}"
    return text


def harmless(output):
    """No control byte but newline, tab and a pty's carriage return before a newline."""
    text = output.replace(b"\r\n", b"\n").decode()
    bad = [c for c in text if (c < " " and c not in "\n\t") or "\x7f" <= c <= "\x9f"
           or c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
           or 0xE0000 <= ord(c) <= 0xE007F]
    assert not bad, f"{bad[0]!r} in {text[:200]!r}"


def on_terminal(*args, **environment):
    """What a terminal receives; and the exit status."""
    child = pexpect.spawn(str(BINARY), list(map(str, args)), timeout=120, dimensions=(24, 80),
                          env=os.environ | {"TERM": "xterm-256color"} | environment)
    child.expect(pexpect.EOF)
    child.close()
    return child.before, child.exitstatus


# ---- asking for help --------------------------------------------------------------------------


def help_and_usage():
    for name in COMMANDS:
        with case(f"{name} --help"):
            done = run(*name.split(), "--help")
            assert done.stdout.startswith(f"Usage: consilium {name}") and not done.stderr
            assert max(map(len, done.stdout.splitlines())) <= 80
    with case("--help names every command, --version says one line"):
        overview = run("--help").stdout
        assert "consilium -m FILE" in "".join(overview.splitlines()[:4]), overview[:300]
        assert all(f"  {name} " in overview for name in COMMANDS)
        assert re.fullmatch(r"consilium \d+\.\d+\.\d+\n", run("--version").stdout)
        assert run("-V").stdout == run("ask", "-V").stdout == run("--version").stdout
    with case("help is --help, help COMMAND is COMMAND --help"):
        assert run("help").stdout == overview
        assert all(run("help", *name.split()).stdout == run(*name.split(), "--help").stdout for name in COMMANDS)
        assert run("help", "model").stdout == run("model", "--help").stdout
        refuse(2, ['unknown command "tokenise"', 'did you mean "tokenize"?'], "help", "tokenise")
        refuse(2, 'did you mean "help"?', "hlep")
    with case("no command: a short help on stderr, status 2"):
        done = tool()
        assert done.returncode == 2 and not done.stdout
        assert all(name.encode() in done.stderr for name in COMMANDS)
    with case("usage errors end with 2 and say what would be right"):
        refuse(2, ["tokenise", 'did you mean "tokenize"?', "--help"], "tokenise", "x")
        refuse(2, "did you mean --threads?", "bench", "--thread", 2)
        refuse(2, ["--threads", "0", "1..1024"], "bench", "--threads", 0)
        refuse(2, ["--kv", "f8", "f16|f32|q8_0"], "bench", "--kv=f8")
        refuse(2, "belongs to: personas check, logits", "perplexity", "--tokens", "1", "x")
        refuse(2, "perplexity needs FILE", "perplexity")
    with case("an empty text is no file, folder or model"):
        refuse(2, '--output: "" names no FILE', "transcripts", "export", "x", "-o", "")
        refuse(2, '--output: "" names no FILE', "logits", "--tokens=1", "--output=")
        refuse(2, '--file: "" names no FILE', "tokenize", "-f", "")
        refuse(2, '--mask: "coder=" names no FILE', "ask", "hi", "--mask", "coder=")
        refuse(2, '--model: "" names no MODEL', "bench", "-m", "")
        refuse(2, '--safetensors: "" names no DIR', "model", "build-default", "--safetensors", "")
        refuse(2, 'perplexity: "" names no FILE', "perplexity", "")
        refuse(2, "unknown command", "advise", "x")
        refuse(2, ["--experts", "x"], "logits", "--tokens", "1", "--output", "x", "--experts=x")
        refuse(2, "tokenize needs TEXT", "tokenize")
        refuse(2, "--output", "logits", "--tokens", "1")
        refuse(2, "--tokens", "logits", "--output", "x")


def no_model(scratch):
    nowhere = os.environ | {"HOME": str(scratch), "XDG_CACHE_HOME": ""}
    with case("without a model: status 3 and the command that builds one"):
        for args in (["tokenize", "x"], ["model", "info"], ["bench"],
                     ["logits", "--tokens=1", "--output=/dev/null"]):
            refuse(3, "consilium model build-default", *args, env=nowhere)
    with case("the built-in model is taken from the cache folder when it is there"):
        cache = scratch / "cache" / "consilium"
        cache.mkdir(parents=True)
        (cache / "built-in.gguf").symlink_to(MODELS / "qwen3_moe.gguf")
        found = os.environ | {"XDG_CACHE_HOME": str(scratch / "cache")}
        info = json.loads(run("model", "info", "--format=json", env=found).stdout)
        assert info["architecture"] == "qwen3_moe"
        assert "built-in" in run("model", "list", env=found).stdout
        (cache / "built-in.gguf").unlink()
    with case("a model that is not there or none at all: status 3"):
        refuse(3, "nowhere.gguf", "model", "info", "-m", scratch / "nowhere.gguf")
        (scratch / "junk.gguf").write_bytes(b"not a model at all" * 10)
        refuse(3, "junk.gguf", "model", "info", "-m", scratch / "junk.gguf")


# ---- tokenize ---------------------------------------------------------------------------------


def tokenize(model, vocabulary, scratch):
    def ids(*args, **more):
        return json.loads(run("tokenize", "-m", model, *args, **more).stdout)

    with case("tokenize takes TEXT, --file and standard input"):
        want = [vocabulary["\u0120the"], vocabulary["o"], vocabulary["\u010a"]]
        (scratch / "text").write_text(" theo\n")
        assert ids(" theo\n") == want
        assert ids("--file", scratch / "text") == want
        assert ids("-f", "-", stdin=open(scratch / "text")) == want
        assert ids("-", stdin=open(scratch / "text")) == want
        assert ids("--file", "/dev/stdin", stdin=open(scratch / "text")) == want
        assert ids("") == [] and ids("--file", "/dev/null") == []
    with case("bytes without a token are counted on stderr, not with -q"):
        (scratch / "text").write_bytes(b"a\0b\xc3\xa9")
        done = run("tokenize", "-m", model, "--file", scratch / "text")
        assert json.loads(done.stdout) == [vocabulary["a"], vocabulary["b"]]
        assert "3 bytes" in done.stderr
        assert not run("tokenize", "-q", "-m", model, "--file", scratch / "text").stderr
    with case("invalid UTF-8: status 2 and the offset"):
        (scratch / "text").write_bytes(b"abc\xff")
        refuse(2, "3", "tokenize", "-m", model, "--file", scratch / "text")
    with case("a file that cannot be read: status 1; a model without tokenizer: 3"):
        refuse(1, "nofile", "tokenize", "-m", model, "--file", scratch / "nofile")
        refuse(3, "tokenizer", "tokenize", "-m", MODELS / "qwen3_moe.gguf", "x")
    with case("TEXT and --file together: status 2"):
        refuse(2, "not both", "tokenize", "-m", model, "--file", "x", "y")


# ---- logits -----------------------------------------------------------------------------------


def logits_command(model, scratch):
    tokens = [5, 9, 100, 0, 42]
    want = logits(model, tokens, scratch)
    arguments = ["logits", "-m", model, "--tokens", ",".join(map(str, tokens)), "--output"]
    check("logits: one row for each token", want.shape == (5, 101) and np.isfinite(want).all())
    with case("logits are written in place: links, modes and pipes stay what they are"):
        target, link = scratch / "target", scratch / "link"
        target.write_bytes(b"x" * 100000)
        target.chmod(0o640)
        link.symlink_to(target)
        inode = target.stat().st_ino
        run(*arguments, link)
        assert link.is_symlink() and target.stat().st_ino == inode
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        assert (np.fromfile(target, "<f4").reshape(5, -1) == want).all()
        assert (np.frombuffer(tool(*arguments, "-").stdout, "<f4").reshape(5, -1) == want).all()
        fifo, got = scratch / "fifo", []
        os.mkfifo(fifo)
        reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
        reader.start()
        run(*arguments, fifo)
        reader.join()
        assert got[0] == want.tobytes()
    with case("a full device: status 1"):
        refuse(1, "No space left", *arguments, "/dev/full")
    with case("ids outside the vocabulary: status 2, the output untouched"):
        kept = scratch / "kept"
        kept.write_text("kept")
        refuse(2, ["--tokens", "101", "0..100"], "logits", "-m", model, "--tokens", "1,101",
               "--output", kept)
        assert kept.read_text() == "kept"
    with case("more tokens than the context: status 2 and both counts"):
        many = ",".join(["1"] * 9)
        refuse(2, ["9", "8"], "logits", "-m", model, "--context", 8, "--tokens", many, "-o", "-")
        refuse(2, ["5000", "1..4096"], "logits", "-m", model, "--context", 5000, "--tokens", 1,
               "-o", "-")
    with case("--experts changes the numbers, and is refused by name where it cannot be"):
        other = logits(model, tokens, scratch, "--experts", 1)
        same = logits(model, tokens, scratch, "--experts", 3)
        assert (same == want).all() and (other != want).any()
        refuse(2, ["--experts", "8", "7"], *arguments, "-", "--experts", 8)
        refuse(3, "dense", "logits", "-m", MODELS / "llama", "--tokens=1", "-o", "-",
               "--experts=2")


# ---- perplexity -------------------------------------------------------------------------------


def nll_of(model, ids, scratch, *options):
    """The definition, from the program's own logits."""
    total, count = 0.0, 0
    for start in range(0, len(ids) - 511, 512):
        window = ids[start:start + 512]
        rows = logits(model, window, scratch, *options).astype(np.float64)
        for p in range(256, 512):
            row = rows[p - 1]
            total += np.log(np.exp(row - row.max()).sum()) + row.max() - row[window[p]]
            count += 1
    return total / count, count


def perplexity(model, scratch):
    text = scratch / "text"
    text.write_text((WORDS * 40)[:TEXT_SIZE])
    ids = json.loads(run("tokenize", "-m", model, "--file", text).stdout)
    with case("perplexity is the mean nll of positions 256..511 of whole windows"):
        got = json.loads(run("perplexity", "-m", model, text, "--format", "json").stdout)
        nll, count = nll_of(model, ids, scratch)
        assert list(got) == ["nll", "tokens", "ppl", "bytes", "nll_per_byte", "text_tokens", "text_bytes"]
        assert got["text_tokens"] == len(ids) and got["text_bytes"] == text.stat().st_size
        assert 0 < got["bytes"] <= got["text_bytes"]
        assert math.isclose(got["nll_per_byte"] * got["bytes"], got["nll"] * got["tokens"])
        assert got["tokens"] == count == 256 * (len(ids) // 512) and len(ids) % 512
        assert abs(got["nll"] - nll) < 1e-9 and math.isclose(got["ppl"], math.exp(nll))
    with case("perplexity reads standard input, takes --experts and prints for people"):
        plain = run("perplexity", "-m", model, text).stdout
        assert run("perplexity", "-m", model, "-", stdin=open(text)).stdout == plain
        assert plain.startswith("perplexity ") and plain.count("\n") == 1
        one = json.loads(run("perplexity", "-m", model, text, "--experts=1",
                             "--format=json").stdout)
        assert abs(one["nll"] - nll_of(model, ids, scratch, "--experts=1")[0]) < 1e-9
    with case("too short a text, too small a context: status 2; no tokenizer: 3"):
        (scratch / "short").write_text("abc")
        refuse(2, ["3", "512"], "perplexity", "-m", model, scratch / "short")
        refuse(2, ["256", "512"], "perplexity", "-m", model, text, "--context=256")
        refuse(3, "tokenizer", "perplexity", "-m", MODELS / "qwen3_moe.gguf", text)
        refuse(1, "No such file", "perplexity", "-m", model, scratch / "nofile")


# ---- bench and model info ---------------------------------------------------------------------


def bench(model):
    with case("bench: json with every field, one run for each number of passes"):
        got = json.loads(run("bench", "-m", model, "--prompt=16", "--generate=4", "--passes=1,3",
                             "--threads=2", "--format=json").stdout)
        assert got["model"] == str(model) and got["threads"] == 2 and got["dram_gbps"] > 0.1
        assert [r["passes"] for r in got["runs"]] == [1, 3]
        for r in got["runs"]:
            assert min(r["prefill_tps"], r["decode_tps"], r["share_of_dram"]) > 0
            assert 0 < r["share_of_apart"] < 100
    with case("bench counts the bytes of a step: weights, distinct experts, keys and values"):
        info = json.loads(run("model", "info", "-m", model, "--format=json").stdout)
        one, three = got["runs"]
        position = json.loads(run("model", "info", "-m", model, "--context=64",
                                  "--format=json").stdout)["kv_bytes"]["f16"] / 64
        kv = position * (16 + 2.5)
        assert abs(one["bytes_per_step"] - info["bytes_per_token"] - kv) <= 1
        assert one["experts_per_step"] == info["moe_layers"] * info["experts_per_token"]
        assert one["experts_per_step"] < three["experts_per_step"] <= info["moe_layers"] * 7
        assert one["union_experts_per_step"] == info["experts_per_token"]
        union = three["union_experts_per_step"] * info["moe_layers"]
        assert abs(union - three["experts_per_step"]) < 1e-6
        expert = 3 * 40 * 20 * 4
        more = (three["experts_per_step"] - one["experts_per_step"]) * expert
        assert abs(three["bytes_per_step"] - one["bytes_per_step"] - more - 2 * kv) <= 2
    with case("bench --depth: keys and values of what stands before are read too, and nothing else changes"):
        deep = json.loads(run("bench", "-m", model, "--depth=24", "--prompt=16", "--generate=4", "--passes=1,3",
                              "--format=json").stdout)
        assert deep["depth"] == 24 and got["depth"] == 0
        for shallow, r in zip(got["runs"], deep["runs"]):
            more = r["bytes_per_step"] - shallow["bytes_per_step"] - position * 24 * r["passes"]
            assert abs(more - (r["experts_per_step"] - shallow["experts_per_step"]) * expert) <= 2, more
        assert "behind 24 tokens: 8 tokens read" in run("bench", "-m", model, "--depth=24", "--prompt=8", "--generate=2",
                                                        "--passes=1").stdout
        refuse(2, ["--depth", "28", "24"], "bench", "-m", model, "--depth=8", "--prompt=16", "--generate=4", "--context=24")
    with case("bench --profile: the parts make up the whole, and read what a step reads"):
        run_once = json.loads(run("bench", "-m", model, "--prompt=16", "--generate=4", "--passes=1", "--profile",
                                  "--format=json").stdout)["runs"][0]
        for phase, steps in (("prefill", 1), ("decode", 4)):
            got_phase = run_once["profile"][phase]
            parts = {p["part"]: p for p in got_phase["parts"]}
            assert got_phase["steps"] == steps
            assert abs(sum(p["seconds"] for p in parts.values()) - got_phase["seconds"]) < 1e-9
            assert {"q k v", "o", "router", "experts", "attention", "output matrix", "norms", "between ops"} <= set(parts)
            assert "other products" not in parts
        assert parts["experts"]["bytes"] == 4 * one["experts_per_step"] * expert
        # Left out are norms and other single rows, which stay in the caches.
        assert 0.9 < sum(p["bytes"] for p in parts.values()) / 4 / one["bytes_per_step"] <= 1.01
        table = run("bench", "-m", model, "--prompt=8", "--generate=2", "--passes=2", "--profile").stdout
        assert "2 passes, reading 8 tokens each" in table and "2 passes, a step of writing" in table
    with case("bench: a table for people; a context that is too small"):
        table = run("bench", "-m", model, "--prompt=8", "--generate=2", "--passes=1,2").stdout
        lines = table.splitlines()
        assert len({len(line) for line in lines[-3:]}) == 1, "columns do not line up"
        refuse(2, ["--prompt", "20", "16"], "bench", "-m", model, "--prompt=16", "--generate=4",
               "--context=16")
    with case("bench --dry-run: the same bytes without a GPU, and each GPU's least time"):
        paper = json.loads(run("bench", "-m", model, "--backend=cuda", "--dry-run", "--prompt=16",
                               "--generate=4", "--passes=1,3", "--format=json").stdout)
        first, third = paper["steps"]
        assert abs(first["bytes"] - one["bytes_per_step"]) <= 8
        assert first["launches"] == third["launches"] > 2 * 20 and first["bytes"] < third["bytes"]
        for step in paper["steps"]:
            assert abs(sum(p["bytes"] for p in step["parts"]) - step["bytes"]) <= 8
            assert sum(p["launches"] for p in step["parts"]) == step["launches"]
            for gpu in step["gpus"]:
                assert abs(gpu["bytes_ms"] - step["bytes"] / gpu["gbps"] * 1e-6) < 1e-9
                assert abs(gpu["step_ms"] - gpu["bytes_ms"] -
                           step["launches"] * paper["launch_us"] * 1e-3) < 1e-9
                assert gpu["fits"] and 0 < gpu["share_of_bandwidth"] < 1
        table = run("bench", "-m", model, "--dry-run", "--passes=3").stdout
        assert "3 passes" in table and "H200" in table and "no GPU was asked" in table


def model_info(model):
    with case("model info: every dimension as the configuration says"):
        info = json.loads(run("model", "info", "-m", model, "--format=json").stdout)
        want = {"path": str(model), "architecture": "qwen3_moe", "layers": 2, "width": 40,
                "heads": 6, "kv_heads": 2, "head_dim": 12, "vocabulary": 101, "context": 4096,
                "experts": 7, "experts_per_token": 3, "expert_width": 20, "shared_width": 0,
                "moe_layers": 2, "kv_context": 4096, "kv": "f16", "chat_format": None}
        assert {k: info[k] for k in want} == want, info
        assert re.fullmatch("[0-9a-f]{64}", info["fingerprint"])
        assert info["rope"]["kind"] == "plain" and info["rope"]["theta"] == 10000
        assert info["tokenizer"]["tokens"] == 99
        assert sum(t["bytes"] for t in info["types"].values()) == info["weight_bytes"]
    with case("model info --gpu: the plan of a GPU's memory, whether it fits, and what would"):
        def plan(*words):
            return json.loads(run("model", "info", "-m", model, "--format=json", *words).stdout)["gpu"]
        gpu = plan("--gpu=4090")
        assert [c["name"] for c in gpu["cards"]] == ["RTX 4090"] and gpu["cards"][0]["fits"], gpu
        assert gpu["bytes"] == sum(gpu[k + "_bytes"] for k in ("weight", "expert", "kv", "work"))
        assert gpu["weight_bytes"] + gpu["expert_bytes"] >= info["weight_bytes"] and gpu["passes"] == 3
        assert len(plan("--backend=cuda")["cards"]) == 6
        small = plan("--gpu=0.004", "--context=4096")["cards"][0]
        assert not small["fits"] and 0 < small["would_fit"]["context"] < 4096, small
        least = plan("--gpu=0.004", f"--context={small['would_fit']['context']}")["cards"][0]
        assert least["fits"], least
        said = run("model", "info", "-m", model, "--gpu=0.004", "--context=4096").stdout
        assert f"would fit: a context of {small['would_fit']['context']} tokens" in said, said
        refuse(2, ["--gpu", "RTX 4090"], "model", "info", "-m", model, "--gpu=7000 XT")
    with case("model info: keys and values take 2 sides x layers x heads x width x type"):
        numbers = 2 * 2 * 2 * 12 * 4096
        assert info["kv_bytes"] == {"f16": 2 * numbers, "f32": 4 * numbers, "q8_0": None}
        refuse(2, "q8_0", "logits", "-m", model, "--kv=q8_0", "--tokens=1", "-o", "-")
    with case("model info for people says the same; the fingerprint is that of the GGUF file"):
        text = run("model", "info", "-m", model).stdout
        for words in ("qwen3_moe", "7 in each of 2 layers", info["fingerprint"], str(model)):
            assert words in text, text
        gguf = json.loads(run("model", "info", "-m", MODELS / "qwen3_moe.gguf",
                              "--format=json").stdout)
        assert gguf["fingerprint"] == info["fingerprint"] and gguf["tokenizer"] is None
        assert run("model", "-m", model).stdout == text
    with case("-v tells of settings that are not known; a chat format that is not, is refused"):
        config = model / "config.json"
        known = config.read_text()
        config.write_text(known.replace("{", '{"frobnicate": 1, ', 1))
        assert "frobnicate" in run("model", "info", "-v", "-m", model).stderr
        assert not run("model", "info", "-m", model).stderr
        config.write_text(known)
        refuse(2, ["nonsense", "chatml"], "model", "info", "-m", model, "--chat-format=nonsense")
    with case("--context and --kv say what memory is asked about"):
        small = json.loads(run("model", "info", "-m", model, "--context=128", "--kv=f32",
                               "--format=json").stdout)
        assert small["kv"] == "f32" and small["kv_bytes"]["f16"] * 32 == info["kv_bytes"]["f16"]


def model_list(scratch):
    hub = scratch / "hub"
    for name, revision in (("Good", "1" * 40), ("Broken", "2" * 40)):
        snapshot = hub / f"models--Org--{name}" / "snapshots" / revision
        make_model(snapshot)
        (hub / f"models--Org--{name}" / "refs").mkdir()
        (hub / f"models--Org--{name}" / "refs" / "main").write_text(revision)
    config = snapshot / "config.json"
    config.write_text(config.read_text().replace("qwen3_moe", "qwen9\\u001b[31m_moe"))
    places = os.environ | {"HOME": str(scratch), "HF_HUB_CACHE": str(hub), "OLLAMA_MODELS": "",
                           "XDG_CACHE_HOME": str(scratch)}
    with case("model list: what is found, runnable or why not"):
        models = json.loads(run("model", "list", "--format=json", env=places).stdout)["models"]
        good, broken = (next(m for m in models if m["name"] == f"hf:Org/{name}")
                        for name in ("Good", "Broken"))
        assert good["runnable"] and good["architecture"] == "qwen3_moe" and good["experts"] == 7
        assert good["bytes"] > 200_000 and good["problem"] is None
        assert not broken["runnable"] and "qwen9" in broken["problem"]
        table = run("model", "list", env=places).stdout
        assert re.search(r"hf:Org/Good +[0-9.]+ KiB +yes +qwen3_moe, 2 layers, 3 of 7", table)
        assert re.search(r"hf:Org/Broken +[0-9.]+ KiB +no +.*qwen9", table)
        harmless(table.encode())
    with case("a name of the list is what -m takes"):
        info = json.loads(run("model", "info", "-m", "hf:Org/Good", "--format=json",
                              env=places).stdout)
        assert info["path"].endswith("1" * 40)
        refuse(3, "Org/None", "model", "info", "-m", "hf:Org/None", env=places)
    with case("model list where there is nothing: a note, status 0"):
        nothing = places | {"HF_HUB_CACHE": str(scratch / "none"), "HOME": str(scratch / "none"),
                            "XDG_CACHE_HOME": str(scratch / "none")}
        done = run("model", "list", env=nothing)
        assert not done.stdout and "No models" in done.stderr
        assert json.loads(run("model", "list", "--format=json", env=nothing).stdout) == \
            {"models": []}


# ---- streams, signals, terminals --------------------------------------------------------------


def streams(model):
    tokens = ["tokenize", "-m", model, "abc"]
    with case("a full or closed standard output: status 1 and a sentence"):
        for args in (tokens, ["--help"], ["model", "info", "-m", model]):
            done = tool(*args, stdout=open("/dev/full", "wb"))
            assert done.returncode == 1 and b"No space left" in done.stderr
        line = f"exec '{BINARY}' --version >&-"
        done = subprocess.run(["sh", "-c", line], stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == 1 and b"standard output" in done.stderr
    with case("a reader that has gone: no word on stderr"):
        for args in (tokens, ["--help"]):
            reader, writer = os.pipe()
            os.close(reader)
            done = tool(*args, stdout=writer)
            os.close(writer)
            assert done.returncode == -signal.SIGPIPE and not done.stderr
    with case("a pipe to --output that breaks is an error with a sentence"):
        reader, writer = os.pipe()
        os.close(reader)
        done = tool("logits", "-m", model, "--tokens=1", "-o", f"/dev/fd/{writer}",
                    pass_fds=[writer])
        os.close(writer)
        assert done.returncode == 1 and b"Broken pipe" in done.stderr
    with case("closed streams are never taken for files"):
        line = f"exec '{BINARY}' tokenize -m '{model}' abc <&- 2>&-"
        done = subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE, timeout=60)
        assert done.returncode == 0 and len(json.loads(done.stdout)) == 3


def interrupts(model, scratch):
    big = scratch / "big"
    big.write_text(WORDS * 8000)
    with case("Ctrl-C ends perplexity: status 130 and no result"):
        child = pexpect.spawn(str(BINARY), ["perplexity", "-m", str(model), str(big)], timeout=60,
                              env=os.environ | {"TERM": "xterm"}, dimensions=(24, 80))
        child.expect("of [0-9]+ windows")
        child.sendintr()
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 130, child.exitstatus
        assert b"interrupted" in child.before and b"nll" not in child.before
    with case("Ctrl-C ends a read that waits"):
        fifo = scratch / "endless"
        os.mkfifo(fifo)
        child = subprocess.Popen([BINARY, "tokenize", "-m", model, "--file", fifo],
                                 stderr=subprocess.PIPE)
        with open(fifo, "wb"):  # returns when the program has opened its side
            child.send_signal(signal.SIGINT)
            _, complaint = child.communicate(timeout=60)
        assert child.returncode == 130 and b"interrupted" in complaint, child.returncode
    with case("a model cut short while it runs: a sentence and status 1, no core"):
        folder = scratch / "cut"
        make_model(folder)
        child = pexpect.spawn(str(BINARY), ["perplexity", "-m", str(folder), str(big)],
                              timeout=60, env=os.environ | {"TERM": "xterm"})
        child.expect("of [0-9]+ windows")
        os.truncate(folder / "model.safetensors", 4096)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 1 and b"consilium:" in child.before, child.before[-200:]


def terminals(model, scratch):
    info = ["model", "info", "-m", model]
    with case("colour on a terminal only, and not when it is unwanted"):
        assert b"\x1b[1m" in on_terminal(*info)[0]
        assert b"\x1b" not in tool(*info).stdout
        for change in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            output, _ = on_terminal("-q", *info, **change)
            assert b"\x1b" not in output, change
        assert b"\x1b" not in on_terminal(*info, "-q", "--no-color")[0]
        assert b"\x1b[1m" in on_terminal(*info, NO_COLOR="")[0]
    evil = Path(os.fsdecode(os.fsencode(scratch) + b"/evil" + EVIL))
    make_model(evil)
    with case("a file's name cannot send control bytes: text, json, errors, progress"):
        for args in (["model", "info", "-m", evil], ["model", "info", "-m", evil, "--format=json"],
                     ["model", "info", "-m", str(evil) + "x"],
                     ["bench", "-m", evil, "--prompt=2", "--generate=1", "--passes=1"],
                     ["tokenize", "-m", model, "--file", str(evil) + "y"]):
            for done in (tool(*args),):
                harmless(done.stdout + done.stderr)
            output, _ = on_terminal(*args, "-q", "--no-color")
            harmless(output)
        path = json.loads(tool("model", "info", "-m", evil, "--format=json").stdout)["path"]
        assert path == str(evil), "json must keep the value"
    with case("a file's metadata cannot either"):
        good = (MODELS / "qwen3_moe.gguf").read_bytes()
        bad = scratch / "bad.gguf"
        for name in (b"\x1b[31mred", b"\xe2\x80\xaeabcde", b"\xc2\x9b\r\n\x07\0ab"):
            bad.write_bytes(good.replace(b"qwen3moe", name, 1))
            done = tool("model", "info", "-m", bad)
            assert done.returncode == 3, done
            harmless(done.stderr)
            assert done.stderr.count(b"\n") == 1, "one line stays one line"


def main():
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        model = scratch / "model"
        vocabulary = make_model(model)
        help_and_usage()
        no_model(scratch)
        tokenize(model, vocabulary, scratch)
        logits_command(model, scratch)
        perplexity(model, scratch)
        bench(model)
        model_info(model)
        model_list(scratch)
        streams(model)
        interrupts(model, scratch)
        terminals(model, scratch)
    finish()


if __name__ == "__main__":
    main()
