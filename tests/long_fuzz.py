#!/usr/bin/env python3
"""Run every fuzzer of the parsers on 100,000 inputs, seeded with the tiny models.

usage: long_fuzz.py [RUNS]

Expects the fuzzers in $BUILD-fuzz/tests (make fuzzers with FUZZ=1 SANITIZE=1 CC=clang). A crash, a
sanitizer's finding, an input above 5 s or above 2 GiB of memory fails; the input is left in
$BUILD-fuzz/findings.
"""
import json
import struct
import subprocess
import sys
from pathlib import Path

from suite import BUILD, MODELS, case, finish, skip
from tokenizer_reference import QWEN2

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
FUZZ = BUILD if (BUILD / "tests" / "fuzz_json").exists() else BUILD.with_name(BUILD.name + "-fuzz")
PARSERS = ["json", "gguf", "safetensors", "config", "chat", "tokenizer"]


def header_of(file):
    """The JSON header of a safetensors file, without its padding."""
    data = file.read_bytes()
    return data[8:8 + struct.unpack("<Q", data[:8])[0]].rstrip()


def shrunk(header):
    """The same tensors with shapes of one element, so that a seed is small."""
    fields, at = {}, 0
    for name, tensor in json.loads(header).items():
        if name != "__metadata__" and len(fields) < 6:
            size = {"F32": 4, "F16": 2, "BF16": 2}[tensor["dtype"]]
            fields[name] = dict(tensor, shape=[1] * len(tensor["shape"]),
                                data_offsets=[at, at + size])
            at += size
    return b"\x01" + struct.pack("<H", at) + json.dumps(fields).encode()


def seeds(parser):
    """(name, bytes) of valid inputs."""
    if parser == "chat":
        known = json.loads((MODELS.parent / "chat.json").read_text())["known"]
        yield from ((one["name"], one["template"].encode()) for one in known)
    if parser == "tokenizer":  # the first byte says what the rest is
        for file in sorted((MODELS.parent / "tokenizers").rglob("*.*")):
            if file.name == "tokenizer.json":
                yield file.parent.name + ".json", b"\x02" + file.read_bytes()
            elif file.suffix == ".gguf":
                yield file.name, b"\x00" + file.read_bytes()
        yield "pattern", b"\x01" + QWEN2.encode() + b"\0Hello  world 123\r\n\t don't"
    for model in sorted(MODELS.iterdir()):
        if parser == "gguf" and model.suffix == ".gguf":
            yield model.stem, model.read_bytes()
        elif parser == "safetensors" and (model / "model.safetensors").exists():
            yield model.name, b"\x00" + (model / "model.safetensors").read_bytes()
            yield model.name + "-small", shrunk(header_of(model / "model.safetensors"))
        elif parser in ("json", "config") and model.is_dir():
            generation = model / "generation_config.json"
            tail = b"\0" + generation.read_bytes() if generation.exists() else b""
            yield model.name, (model / "config.json").read_bytes() + (
                tail if parser == "config" else b"")


def fuzz(parser):
    corpus, findings = FUZZ / "corpus" / parser, FUZZ / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    for name, data in seeds(parser):
        (corpus / name).write_bytes(data)
    done = subprocess.run(
        [FUZZ / "tests" / f"fuzz_{parser}", f"-runs={RUNS}", "-seed=1", "-timeout=5",
         "-rss_limit_mb=2048", "-max_len=262144", "-print_final_stats=1",
         f"-artifact_prefix={findings}/{parser}-", corpus],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = done.stdout.decode(errors="replace")
    if done.returncode:
        raise AssertionError(text[-2000:])
    executed = [line.split()[-1] for line in text.splitlines() if "number_of_executed_units" in line]
    print(f"# {parser}: {executed[0]} inputs, 0 findings")


for parser in PARSERS:
    if not (FUZZ / "tests" / f"fuzz_{parser}").exists():
        skip(f"fuzz {parser}", "the fuzzer is not built")
        continue
    with case(f"fuzz {parser}"):
        fuzz(parser)
finish()
