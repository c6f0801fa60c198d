#!/usr/bin/env python3
"""Chat templates: the ids of rendered conversations against transformers' own rendering.

Every template that comes with llama.cpp (in the source package of llama-cpp-python, fetched by version
and hash) and every one of fixtures/templates, each in all conversations of chat_cases.py: equal, or
refused on both sides.
"""
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from types import SimpleNamespace

import chat_cases
from suite import BUILD, FIXTURES, ROOT, check, finish
from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast

VERSION = "0.3.36"
HASH = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
MARK = re.compile(r"<[|\uff5c][^<>\n'\"{}]{1,40}[|\uff5c]>|\[/?[A-Z_]{3,30}\]|</?s>|<(?:start|end)_of_turn>"
                  r"|<\|?[a-z_]+\|?>|</[a-z_]+>")


def published():
    """name -> text of the templates in the source package."""
    folder = ROOT / "build" / f"llama_cpp_python-{VERSION}"
    source = folder.with_suffix(folder.suffix + ".tar.gz")
    if not source.exists():
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
            wanted.write(f"llama-cpp-python=={VERSION} --hash=sha256:{HASH}\n")
            wanted.flush()
            subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                            "--disable-pip-version-check", "--no-binary=llama-cpp-python",
                            "--require-hashes", "--dest", source.parent, "-r", wanted.name], check=True)
    with tarfile.open(source) as archive:
        names = [m for m in archive.getnames()
                 if "/vendor/llama.cpp/models/templates/" in m and m.endswith(".jinja")]
        return {Path(n).stem: archive.extractfile(n).read().decode() for n in sorted(names)}


def marks_of(template):
    """What its vocabulary would have as tokens of their own, thoughts aside."""
    found = [m for m in dict.fromkeys(MARK.findall(template))
             if "think" not in m.lower() and m not in chat_cases.SPECIAL]
    return chat_cases.SPECIAL + found[:200]


def judge(tool, scratch, kind, templates):
    cases = list(chat_cases.conversations())
    totals = [0, 0, 0]
    for name, text in templates.items():
        equal = refused = 0
        different = []
        for thoughts in (True, False):
            vocabulary = chat_cases.Vocabulary(marks_of(text), thoughts)
            folder = chat_cases.Folder(scratch / f"{name}-{thoughts}", vocabulary)
            mine = [c for c in cases if chat_cases.thoughtful(c) != thoughts]
            e, r, d = chat_cases.compare(tool, folder, vocabulary, text, mine)
            equal, refused, different = equal + e, refused + r, different + d
        totals = [a + b for a, b in zip(totals, (equal, refused, len(different)))]
        why = ""
        if different:
            case, ours, theirs = different[0]
            why = f"{len(different)} of {len(cases)}; first: {case[0]}: {show(vocabulary, ours)} AND NOT " \
                  f"{show(vocabulary, theirs)}"
        check(f"{name}: {equal} equal, {refused} refused on both sides", not different, why)
    check(f"{kind}: {len(templates)} templates in {len(cases)} conversations each: {totals[0]} equal, "
          f"{totals[1]} refused on both sides, {totals[2]} different", totals[2] == 0)


# How the marks of a vocabulary may be matched: (content, options, special).
FLAGS = [("<|im_start|>", {}, True), ("<|im_end|>", {"rstrip": True}, True), ("[INST]", {"lstrip": True}, True),
         ("[/INST]", {"lstrip": True, "rstrip": True}, True), ("<|user|>", {"normalized": True}, True),
         ("<|assistant|>", {"normalized": True, "rstrip": True}, True), ("<|system|>", {"single_word": True}, True),
         ("<think>", {"normalized": True}, False), ("</think>", {"normalized": False, "lstrip": True}, False)]
PLAIN = ["plain-chatml", "mistral-first", "mistral-v3", "tinyllama", "olmoe", "qwen3", "opens-thought"]


def judge_tokenizers(tool, scratch):
    """Real vocabularies of every kind, with marks matched in every way, against apply_chat_template."""
    cases = [c for c in chat_cases.conversations()
             if not chat_cases.thoughtful(c) and c[0] not in ("look-alikes", "a thought apart")]
    for path in sorted((FIXTURES / "tokenizers").glob("*/tokenizer.json")):
        for kind in ("flags", "plain"):
            library = Tokenizer.from_str(path.read_text())
            library.add_special_tokens([AddedToken(c, special=True, **(o if kind == "flags" else {}))
                                        for c, o, special in FLAGS if special])
            library.add_tokens([AddedToken(c, **(o if kind == "flags" else {"normalized": False}))
                                for c, o, special in FLAGS if not special])
            library.add_special_tokens(["<|begin|>", "<|endoftext|>"])
            fast = PreTrainedTokenizerFast(tokenizer_object=library, bos_token=chat_cases.BOS,
                                           eos_token=chat_cases.EOS)
            vocabulary = SimpleNamespace(tokenizer=fast.backend_tokenizer)
            folder = chat_cases.Folder(scratch / path.parent.name / kind, vocabulary)
            equal, different = 0, []
            for name in PLAIN:
                template = (chat_cases.TEMPLATES / f"{name}.jinja").read_bytes().decode()
                for case, ours in zip(cases, folder.ask(tool, template, cases), strict=True):
                    theirs = apply(fast, template, case)
                    if ours == theirs or (theirs is None and isinstance(ours, str)):
                        equal += 1
                    else:
                        different.append(f"{name}, {case[0]}: {ours} AND NOT {theirs}")
            check(f"vocabulary {path.parent.name}, {kind}: {equal} conversations as apply_chat_template",
                  not different, f"{len(different)}; {different[:1]}"[:900])


def apply(fast, template, case):
    _, messages, reply, think = case
    try:
        return fast.apply_chat_template(
            messages, chat_template=template, tokenize=True, return_dict=False, add_generation_prompt=reply,
            **chat_cases.thinking_variables(template, think, None))
    except Exception:
        return None


def show(vocabulary, ids):
    if isinstance(ids, str):
        return ids
    return json.dumps(vocabulary.tokenizer.decode(ids, skip_special_tokens=False), ensure_ascii=False)[-700:]


def main():
    tool = BUILD / "tests" / "tool_chat"
    only = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="consilium-templates-") as scratch:
        own = {p.stem: p.read_text() for p in sorted(chat_cases.TEMPLATES.glob("*.jinja"))}
        theirs = published()
        if only:
            own, theirs = ({n: t for n, t in d.items() if n in only} for d in (own, theirs))
        judge(tool, Path(scratch) / "own", "own", own)
        judge(tool, Path(scratch) / "published", "published", theirs)
        if not only:
            judge_tokenizers(tool, Path(scratch) / "vocabularies")
    finish()


main()
