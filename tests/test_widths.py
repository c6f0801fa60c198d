#!/usr/bin/env python3
"""On a terminal of any width lines end between words, and numbers keep their units; a pipe gets the
text as it is. Ctrl-C at the prompt leaves whole lines and a prompt below them."""
import re
import subprocess
import unicodedata

import pexpect

from suite import BINARY, SANITIZED, case, finish
from talk_screen import MODEL, Talk, environment

WIDTHS = (80, 33) if SANITIZED else (80, 61, 40, 33, 24)
UNITS = r"(s|ms|tok|tok/s|t/s|tokens|tokens/s|%|nats|layers|experts|turns?|answers?|bytes|GiB|MiB|KiB)"


def plain(raw):
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", raw)
    return re.sub(r"[^\n]*\r(?!\n)", "", text.replace("\r\n", "\n"))


def cells(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in line)


def check_lines(text, width):
    for line in text.split("\n"):
        assert cells(line) <= width or len(line.split()) == 1, (width, line)
    for line, after in zip(text.split("\n"), text.split("\n")[1:]):
        assert not (re.search(r"(^|\s)[\d.,]+$", line) and re.match(rf"\s*{UNITS}\b", after)), (line, after)


def on_terminal(home, words, width, **more):
    child = pexpect.spawn(str(BINARY), words, env=environment(home, **more), dimensions=(40, width),
                          encoding="utf-8", timeout=60)
    child.expect(pexpect.EOF)
    child.close()
    return plain(child.before)


def in_pipe(home, words):
    done = subprocess.run([str(BINARY), *words], env=environment(home), capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


def figures_aside(text):
    return sorted(re.sub(r"[\d:.-]*\d", "#", text.replace("[", "").replace("]", "")).split())


def commands():
    asked = ["ask", "A question of several words", "-m", str(MODEL), "--seed", "5", "--max-tokens", "60"]
    for words in (asked, [*asked, "--session", "of_another_name"], ["transcripts"], ["transcripts", "stats"],
                  ["transcripts", "search", "question"], ["transcripts", "show", "of_another_name"],
                  ["personas", "list", "-m", str(MODEL)], ["personas", "check", "coder", "-m", str(MODEL)],
                  ["model", "info", "-m", str(MODEL)], ["ask", "--help"], ["--help"],
                  ["ask", "x", "-p", "somebody_who_is_not_here"], ["ask", "x", "-m", "/no/such/model/here.gguf"],
                  ["transcripts", "show", "nowhere"], ["ask", "x", "--temperature", "hot and cold"]):
        name = " ".join(w for w in words if "/" not in w)
        with case(f"{name[:60]}: the same words on a terminal of any width"):
            want = in_pipe("commands", words)
            for width in WIDTHS:
                for more in ({"TERM": "dumb"},) if words[0] == "ask" and "-m" in words else \
                        ({}, {"TERM": "dumb"}):
                    got = on_terminal("commands", words, width, **more)
                    check_lines(got, width)
                    if words[0] != "ask" and words[1:2] != ["show"]:  # answers are random bytes
                        assert figures_aside(got) == figures_aside(want), (width, got, want)
    with case("JSON and documents are left alone"):
        for words in (["ask", "x", "-m", str(MODEL), "--format", "json", "--seed", "5", "-q", "--no-save"],
                      ["manual", "bash"]):
            child = pexpect.spawn(str(BINARY), words, env=environment("commands"), dimensions=(40, 40),
                                  encoding="utf-8", timeout=60)
            child.expect(pexpect.EOF)
            got = child.before.replace("\r\n", "\n")
            want = in_pipe("commands", words)
            assert re.sub(r"[\d.e-]+", "#", got) == re.sub(r"[\d.e-]+", "#", want)


def conversation(term):
    for width in WIDTHS:
        t = Talk(f"talk{width}{term}", "--max-tokens", "30", columns=width, wait=False, TERM=term)

        def prompt():
            row = t.rows()[t.screen.cursor.y]
            return row == "own 3 \u203a"

        t.wait(prompt, "prompt")
        for line in ("A question of several words", "/stats", "/search question", "/diverge", "/context",
                     "/pick nobody_of_this_name", "/nonsense", "/set", "/undo", "/help copy", "/personas",
                     "/merge nothing of the kind"):
            with case(f"{term}, {width} columns: {line}"):
                t.raw = b""
                t.send(line + "\r")
                t.read(0.1)
                t.wait(prompt, "prompt")
                text = plain(t.raw.decode(errors="replace"))
                if term == "dumb" or line[0] == "/":
                    check_lines(text.split("\n", 2)[-1], width)
                for row in t.rows():
                    assert not re.search(r"\b\d[\d.]*$", row) or cells(row) <= width
        t.leave()


commands()
conversation("dumb")
conversation("xterm-256color")
finish()
