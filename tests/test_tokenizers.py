#!/usr/bin/env python3
"""Real vocabularies: ids equal to the `tokenizers` library on 5,000 texts, text restored, time linear.

The library runs the models' own tokenizer.json; consilium reads that file and the GGUF form of it.
"""
import json
import os
import resource
import struct
import subprocess
import tempfile
from pathlib import Path

from tokenizers.normalizers import NFC

import tokenizer_reference as reference
import tokenizer_texts
from suite import BUILD, FIXTURES, ROOT, case, finish

TOOL = BUILD / "tests" / "tool_tokenize"
MODELS = ROOT / "build" / "models"
SANITIZED = bool(os.environ.get("SANITIZED"))
COUNT = 500 if SANITIZED else 5000


def encode(model, texts, *options):
    """The tool's answer to each text (bytes): one line each."""
    blob = b"".join(struct.pack("<I", len(t)) + t for t in texts)
    done = subprocess.run([TOOL, model, *options], input=blob, capture_output=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr.decode()[-300:]}")
    lines = done.stdout.decode().split("\n")[:-1]
    if len(lines) != len(texts):
        raise RuntimeError(f"{len(lines)} answers to {len(texts)} texts")
    return lines


def ids_of(line):
    if line.startswith("error"):
        raise RuntimeError(line)
    return [int(i) for i in line.partition("|")[0].split()]


def compare(model, wanted, texts):
    for text, line in zip(texts, encode(model, [t.encode() for t in texts])):
        want = wanted.encode(text, add_special_tokens=False).ids
        if ids_of(line) != want:
            raise RuntimeError(f"{text!r}: {ids_of(line)[:40]}, reference {want[:40]}")


def restored(model, texts, normal, lost=()):
    """Pieces joined are the text (normalized), but for bytes that the vocabulary cannot write."""
    for text, line in zip(texts, encode(model, [t.encode() for t in texts], "decode")):
        want = bytes(b for b in (NFC().normalize_str(text) if normal else text).encode()
                     if b not in lost)
        if bytes.fromhex(line) != want:
            raise RuntimeError(f"{text!r}: {bytes.fromhex(line)[:60]}")


def no_special(model, specials, contents):
    """Every special token's text, in many places, never becomes its id."""
    around = ["{}", "a{}b", " {} ", "\n{}\n", "{0}{0}", "<{}>", "x {}", "1{}1", "{}\0", "é{}日"]
    texts = [form.format(c) for c in contents for form in around]
    for text, line in zip(texts, encode(model, [t.encode() for t in texts])):
        if specials & set(ids_of(line)):
            raise RuntimeError(f"{text!r} became a special token")


def broken_text(model):
    texts = [text for text, _ in tokenizer_texts.BROKEN]
    for (text, offset), line in zip(tokenizer_texts.BROKEN, encode(model, texts)):
        if not line.startswith("error: ") or f"byte {offset} " not in line:
            raise RuntimeError(f"{text!r}: {line}")


RUNS = {"A": "A", "space": " ", "dot": ".", "newline": "\n", "CJK": "中", "mark": "\u0301",
        "two marks": "\u0301\u0316", "digit": "7", "emoji": "👩‍🚀", "NUL": "\0", "spaced": "a ",
        "word": "hello world, ", "not quite blank": "  x", "U+180E": "\u180e", "quote": "'"}


def seconds(model, text):
    """Processor time: other programs on the machine do not count, though they do slow it down."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ids_of(encode(model, [text])[0])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


SLACK = 0.15  # seconds


def linear(model, run, empty):
    """1 MiB of one thing under 2 s; twice the text takes at most 2.5 times the time.

    The doubling is measured from 2 MiB on: both sizes are then beyond the processor's caches, and
    what remains is the algorithm. SLACK is what reading the vocabulary varies by from run to run.
    On a busy machine a measurement can be too long, so the shortest of up to five counts; no number
    of them makes quadratic time pass.
    """
    one = (run.encode() * (1 << 20))[:1 << 20].decode(errors="ignore").encode()
    first = once = twice = 1e9
    for _ in range(5):
        first = min(first, seconds(model, one) - empty)
        once = min(once, max(seconds(model, 2 * one) - empty, 0))
        twice = min(twice, seconds(model, 4 * one) - empty)
        if first < 2 and twice <= 2.5 * once + SLACK:
            return
    raise RuntimeError(f"{first:.2f} s for 1 MiB, {once:.2f} s for 2 MiB, {twice:.2f} s for 4 MiB")


def check_all(name, model, described, normal, lost=()):
    wanted = reference.reference(described)
    specials = {t["id"] for t in described["added_tokens"]}
    contents = [t["content"] for t in described["added_tokens"]]
    texts = tokenizer_texts.texts(COUNT)
    with case(f"{name}: {COUNT} texts have the reference's ids"):
        compare(model, wanted, texts)
    with case(f"{name}: every character of Unicode 3.2"):
        compare(model, wanted, list(tokenizer_texts.characters())[::8 if SANITIZED else 1])
    with case(f"{name}: pieces restore the text"):
        restored(model, texts, normal, lost)
    with case(f"{name}: text never becomes a special token"):
        no_special(model, specials, contents)
    with case(f"{name}: broken UTF-8 is refused with its offset"):
        broken_text(model)


def check_time(name, model):
    resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    empty = min(seconds(model, b"") for _ in range(3))
    for label, run in RUNS.items():
        with case(f"{name}: 1 MiB of {label} in linear time"):
            linear(model, run, empty)


def check_fixtures():
    """More texts than the ids committed with the fixtures, and their GGUF forms."""
    texts = tokenizer_texts.texts(COUNT // 5, seed=5)
    for file in sorted(FIXTURES.glob("tokenizers/*/tokenizer.json")):
        folder = file.parent
        wanted = reference.reference(json.loads(file.read_text()))
        for model in (folder, folder.with_suffix(".gguf")):
            if model.exists():
                with case(f"fixture {model.name}: {len(texts)} texts have the reference's ids"):
                    compare(model, wanted, texts)


def main():
    check_fixtures()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        path = MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"
        smollm2 = reference.smollm2(path)
        missing = {b for b, c in reference.alphabet().items() if c not in smollm2["model"]["vocab"]}
        check_all("SmolLM2, GGUF", path, smollm2, False, missing)
        (scratch / "smollm2").mkdir()
        (scratch / "smollm2" / "tokenizer.json").write_text(json.dumps(smollm2))
        check_all("SmolLM2, tokenizer.json", scratch / "smollm2", smollm2, False, missing)

        qwen = reference.qwen(MODELS / "qwen.tiktoken")
        (scratch / "qwen").mkdir()
        (scratch / "qwen" / "tokenizer.json").write_text(json.dumps(qwen))
        check_all("Qwen, tokenizer.json", scratch / "qwen", qwen, True)
        reference.write_gguf(scratch / "qwen.gguf", qwen, "qwen2")
        check_all("Qwen, GGUF", scratch / "qwen.gguf", qwen, True)
        if not SANITIZED:
            check_time("SmolLM2", path)
            check_time("Qwen", scratch / "qwen.gguf")
            check_time("SentencePiece", FIXTURES / "tokenizers" / "sentencepiece.gguf")
    finish()


if __name__ == "__main__":
    main()
