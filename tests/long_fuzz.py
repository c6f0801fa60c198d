#!/usr/bin/env python3
"""Run every fuzzer of the parsers on 100,000 inputs, seeded with the tiny models, the personas that
ship and a transcript.

usage: long_fuzz.py [RUNS] [PARSER...]

Expects the fuzzers in $BUILD-fuzz/tests (make fuzzers with FUZZ=1 SANITIZE=1 CC=clang). A crash, a
sanitizer's finding, an input above 5 s (a chat template: 1 s) or above 2 GiB of memory fails; the
input is left in $BUILD-fuzz/findings.
"""
import json
import re
import struct
import subprocess
import sys
from pathlib import Path

from suite import BUILD, MODELS, ROOT, case, finish, skip
from tokenizer_reference import QWEN2

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
PERSONAS = ROOT / "personas/shipped"
FUZZ = BUILD if (BUILD / "tests" / "fuzz_json").exists() else BUILD.with_name(BUILD.name + "-fuzz")
PARSERS = ["json", "gguf", "safetensors", "config", "chat", "tokenizer", "transcript", "persona",
           "mask", "rules", "lessons", "adapter", "pack", "state", "jinja", "markdown"]


RULES = (b'[{"when":{"token":[1,5]},"layers":"0-1","do":{"force":"3"},"for":"token"},'
         b'{"when":{"tag":"<code>"},"do":{"keep":"0-6"},"for":"turn"},'
         b'{"when":{"pattern":"[a-m]+ (x|y)"},"do":{"ban":"1","bias":{"2":1.5}},"for":"7"},'
         b'{"when":{"role":"assistant"},"layers":"1","do":{"force":"6","k":4}}]')
PERSONA = (b'{"persona":1,"name":"judge","about":"x","instruction":{"en":"Judge.","ru":"."},'
           b'"sampling":{"temperature":0.2,"top_p":0.95,"top_k":40,"min_p":0.1,"repeat_penalty":1.1,'
           b'"presence_penalty":0.5,"frequency_penalty":-0.5},"router":{"mode":"bias",'
           b'"experts_per_token":8,"norm_width":8,"tail_gain":0.5,"strength":1.0,'
           b'"adaptive":{"min":4,"ratio":0.2},"rules":' + RULES + b'},'
           b'"lessons":"judge.lessons.jsonl","experts":"judge.experts.safetensors","color":"green"}')


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


def own_adapter():
    """u16 bytes of data and the header of an adapter with a part of every kind."""
    at, fields = 0, {"__metadata__": {"adapter": "1", "model": "0" * 64, "steps": "7", "seed": "1"}}
    for name, shape in (("model.layers.0.mlp.gate.weight", [1, 4]),
                        ("model.layers.0.mlp.experts.0.gate_proj.weight", [3, 4]),
                        ("model.layers.0.mlp.experts.0.up_proj.weight", [3, 4]),
                        ("model.layers.0.mlp.experts.0.down_proj.weight", [4, 3]),
                        ("replaced.layers.0.mlp.experts.2.up_proj.weight", [3, 4]),
                        ("replaced.layers.1.mlp.gate.5.weight", [1, 4]),
                        ("model.layers.1.mlp.experts.3.down_proj.lora_A.weight", [2, 3]),
                        ("model.layers.1.mlp.experts.3.down_proj.lora_B.weight", [4, 2]),
                        ("model.layers.1.mlp.experts.3.down_proj.lora_scale", [1, 1])):
        end = at + 4 * shape[0] * shape[1]
        fields[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, end]}
        at = end
    return struct.pack("<H", at) + json.dumps(fields).encode()


def state(best):
    """A state of training of two numbers, without its checksum."""
    figures = {"train": 1, "model": "0" * 64, "samples": "1" * 16, "options": "2" * 16, "step": 2, "steps": 9,
               "seconds": 1.5, "control": 3.5, "count": 2, "saved": best, "checks": [[0, 3.5, -1, 0, 0, 0]],
               "losses": [3.25, 3]}
    figures |= {"best": [0, 3.5, 0.5, 3, 2, 1]} if best else {}
    text = json.dumps(figures).encode()
    return b"CONSTRN1" + struct.pack("<Q", len(text)) + text + b"\0" * (4 * 2 * (4 if best else 3))


def seeds(parser):
    """(name, bytes) of valid inputs."""
    if parser == "chat":
        text = "<|a|> a <b>  b<|a <b>\u00e9 e\u0301<|a|>".encode()
        yield from ((f"turns of {n + 1}", bytes([n]) + text) for n in range(9))
    if parser == "jinja":
        # not splitlines: a template may hold a line separator of another kind
        lines = (MODELS.parent / "jinja" / "cases.jsonl").read_text(encoding="utf-8").split("\n")
        for number, line in enumerate(filter(None, lines[1:])):
            yield f"case-{number}", json.loads(line)["template"].encode()
    if parser == "markdown":
        for number, entry in enumerate(json.loads((MODELS.parent / "markdown.json").read_text())["blocks"]):
            yield f"text-{number}", entry["text"].encode()
    if parser == "tokenizer":  # the first byte says what the rest is
        for file in sorted((MODELS.parent / "tokenizers").rglob("*.*")):
            if file.name == "tokenizer.json":
                yield file.parent.name + ".json", b"\x02" + file.read_bytes()
            elif file.suffix == ".gguf":
                yield file.name, b"\x00" + file.read_bytes()
        yield "pattern", b"\x01" + QWEN2.encode() + b"\0Hello  world 123\r\n\t don't"
    if parser == "transcript":
        lines = (MODELS.parent / "transcripts" / "library.jsonl").read_bytes().splitlines(True)
        yield "whole", b"".join(lines)
        yield "first turn", b"".join(lines[:7])
        yield "torn", b"".join(lines)[:-30]
    if parser in ("persona", "rules"):
        for file in sorted(PERSONAS.glob("*.json")):
            if ".mask." not in file.name:
                yield file.stem, file.read_bytes() if parser == "persona" else RULES
        yield "all fields", PERSONA
    if parser == "mask":
        for file in sorted(PERSONAS.glob("*.mask.json")):
            yield file.stem, file.read_bytes()
        yield "bias", b'{"mask":1,"model":null,"mode":"bias","layers":{"12":{"7":1.5,"3":-2}}}'
        yield "ban", b'{"mask":1,"mode":"ban","layers":{"0-3":"0-12","4":"1,5,50-59"}}'
    if parser == "lessons":
        for file in sorted(PERSONAS.glob("*.lessons*.jsonl")):
            yield file.stem, b"".join(file.read_bytes().splitlines(True)[:20])
    if parser == "adapter":
        folder = MODELS.parent / "adapters"
        yield "gguf", b"\0\0\0" + (folder / "lora.gguf").read_bytes()
        for name in ("both", "down", "pattern"):
            config = json.dumps(json.loads((folder / name / "adapter_config.json").read_text())).encode()
            file = folder / name / "adapter_model.safetensors"
            front, header = struct.pack("<H", len(config)) + config, header_of(file)
            data = struct.pack("<H", file.stat().st_size - 8 - len(header) & 0xffff)
            yield name, b"\0" + front + file.read_bytes()
            yield name + "-header", b"\1" + front + data + header
        yield "own", b"\1\0\0" + own_adapter()
    if parser == "state":
        for best in (False, True):
            yield f"state-{best}", state(best)
    if parser == "pack":
        for persona in ("coder", "critic"):
            files = [PERSONAS / f"{persona}.json", *sorted(PERSONAS.glob(f"{persona}.*.mask.json"))]
            files = [(f.name, f.read_bytes()) for f in files]
            files += [(f.name, b"".join(f.read_bytes().splitlines(True)[:3]))
                      for f in sorted(PERSONAS.glob(f"{persona}.lessons*.jsonl"))]
            yield persona, b"\x01" + b"".join(b"%s\n%d\n%s" % (n.encode(), len(t), t) for n, t in files)
            done = subprocess.run([BUILD / "consilium", "personas", "pack", persona, "-o", FUZZ / "seed.zip",
                                   "--force"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if done.returncode == 0:
                yield persona + ".zip", b"\x00" + (FUZZ / "seed.zip").read_bytes()
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
    corpus, findings = (FUZZ / "corpus" / parser).resolve(), (FUZZ / "findings").resolve()
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    for name, data in seeds(parser):
        (corpus / name).write_bytes(data)
    done = subprocess.run(
        [(FUZZ / "tests" / f"fuzz_{parser}").resolve(), f"-runs={RUNS}", "-seed=1",
         f"-timeout={1 if parser == 'jinja' else 5}",
         "-rss_limit_mb=2048",
         f"-max_len={16384 if parser == 'transcript' else 262144}", "-print_final_stats=1",
         f"-artifact_prefix={findings}/{parser}-", corpus],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
    text = done.stdout.decode(errors="replace")
    if done.returncode:
        raise AssertionError(text[-2000:])
    told = dict(re.findall(r"^stat::(\w+): *(\d+)$", text, re.MULTILINE))
    print(f"# {parser}: {told['number_of_executed_units']} inputs, 0 findings, the slowest "
          f"{told['slowest_unit_time_sec']} s, {told['peak_rss_mb']} MB at most")


for parser in sys.argv[2:] or PARSERS:
    if not (FUZZ / "tests" / f"fuzz_{parser}").exists():
        skip(f"fuzz {parser}", "the fuzzer is not built")
        continue
    with case(f"fuzz {parser}"):
        fuzz(parser)
finish()
