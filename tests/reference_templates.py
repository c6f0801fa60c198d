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

import chat_cases
from suite import BUILD, ROOT, check, finish

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
    finish()


main()
