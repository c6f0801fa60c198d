#!/usr/bin/env python3
"""`ask` on a terminal: the columns of the conversation; --plain, pipes and other formats as ever."""
import json
import os
import re
import shutil
import subprocess
import time

from suite import BINARY, case, finish
from talk_screen import MODEL, Talk, environment, scratch

QUESTION = "Should a town close its library?"


def ask(name, *words, **more):
    return Talk(name, "ask", *words, wait=False, **more)


def ended(t, timeout=60):
    """Everything there was on the screen, and the exit status."""
    end = time.monotonic() + timeout
    while t.read(0.1):
        assert time.monotonic() < end, t.text()
    t.child.close()
    return t.text(), t.child.exitstatus


def records(t, kind):
    (path,) = t.transcripts()
    return [r for r in map(json.loads, path.read_text().rstrip("\n").split("\n")[1:]) if r["type"] == kind]


def columns():
    for width, bars in ((120, 2), (100, 2), (90, 0)):
        with case(f"{width} columns: {'side by side' if bars else 'one below the other'}"):
            t = ask(f"columns-{width}", QUESTION, columns=width)
            text, status = ended(t)
            assert status == 0, text
            (head,) = [row for row in text.splitlines() if "philosopher  prompt" in row]
            assert head.count("\u2502") == bars, text
            assert ("critic  prompt" in head) == bool(bars)
            assert "12 tok" in text and "vote" in text and "seed 4" in text and "saved " in text, text
            assert "coder (" not in text and b"\x1b[?2026h" in t.raw
            assert len(records(t, "answer")) == 3 and len(records(t, "merge")) == 1
    with case("they grow: something is repainted before all is said"):
        t = ask("grow", QUESTION, "--max-tokens=200", columns=120)
        text, status = ended(t)
        assert status == 0 and t.raw.count(b"\x1b[?2026h") >= 2
    with case("--view stack and config.json's view are obeyed"):
        t = ask("stack", QUESTION, "--view=stack")
        assert "\u2502" not in ended(t)[0]
        t = ask("stack", QUESTION, "--view=cols", "--merge=none", columns=60)
        assert "\u2502" in ended(t)[0]
    with case("experts that were asked for stand in the heading"):
        assert "experts 4" in ended(ask("experts", QUESTION, "--experts=4", "--merge=none"))[0]


def else_as_ever():
    with case("--plain: each answer whole under its heading, no sequence that moves"):
        t = ask("plain", QUESTION, "--plain", "--merge=none", "--no-color")
        text, status = ended(t)
        assert status == 0 and "coder (prompt)" in text and "\u2502" not in text
        assert not re.search(rb"\x1b\[[0-9;?]*[A-HJKhl]", t.raw), t.raw
    with case("TERM=dumb, --only and other formats move nothing on standard output"):
        for words, more in (((), {"TERM": "dumb"}), (("--only", "coder"), {}), (("--format", "json"), {}),
                            (("--format", "md"), {}), (("--format", "ndjson"), {})):
            t = ask("dumb", QUESTION, "--no-save", "--merge=none", *words, **more)
            text, status = ended(t)
            assert status == 0 and "\u2502" not in text and b"\x1b[?2026h" not in t.raw, (words, text)
    with case("a pipe gets the same bytes as with --plain"):
        def piped(*words):
            done = subprocess.run([str(BINARY), "ask", "-m", str(MODEL), "--seed=4", "--max-tokens=12", "--no-save",
                                   QUESTION, *words], env=environment("pipe"), capture_output=True, check=True)
            return done.stdout
        assert piped() == piped("--plain") and b"\x1b" not in piped() and b"coder (prompt)" in piped()
    with case("standard input may be a pipe while answers grow on the terminal"):
        t = Talk("stdin", "-c", f"echo more words | {BINARY} ask -m {MODEL} --seed=4 --max-tokens=12 '{QUESTION}'",
                 wait=False, model=False, program="/bin/sh")
        text, status = ended(t)
        assert status == 0 and "philosopher  prompt" in text and "\u2502" in text, text
        assert "more words" in records(t, "prompt")[0]["text"]


def signals():
    long = f"{QUESTION}{' word' * 600}"
    with case("Ctrl-C: what was said stands there, marked; status 130, the keyboard as it was"):
        command = f"{BINARY} ask -m {MODEL} --seed=4 --max-tokens=1500 --loop=off --merge=none '{long}'"
        t = Talk("interrupt", "-c", f"trap : INT; {command}; echo status $?; stty -a", wait=False, model=False,
                 program="/bin/sh")
        # The heading has two lines between columns; the third stands beside the first words.
        t.wait(lambda: t.text().count("\u2502") > 2, "the first words", 60)
        t.send("\x03")
        text, _ = ended(t)
        assert "status 130" in text and "interrupted" in text, text
        assert re.search(r"(?<!-)icanon", text) and re.search(r"(?<!-)echo\b", text), text
        assert {r["stop"] for r in records(t, "answer")} & {"interrupted"}
    with case("a resize in mid-stream: another layout, and every answer is there"):
        t = ask("resize", long, "--merge=none", columns=120)
        t.wait(lambda: "philosopher  prompt" in t.text(), "columns")
        t.child.setwinsize(40, 80)
        text, status = ended(t)
        assert status == 0, text
        assert len(records(t, "answer")) == 3, text


for part in (columns, else_as_ever, signals):
    part()
shutil.rmtree(scratch, ignore_errors=True)
finish()
