#!/usr/bin/env python3
"""/copy: what gets into the clipboard, by which way, and what is said about it."""
import base64
import re

from suite import case, finish
from talk_screen import Talk, scratch

QUIET = ("--seed", "3", "-p", "coder", "--merge", "none", "--max-tokens", "400")
OSC = rb"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07"


def wait_prompt(t):
    t.wait(lambda: t.rows()[t.screen.cursor.y] == "own 1 \u203a", "prompt")


def say(t, text):
    wait_prompt(t)
    before = len(t.raw)
    t.send(text)
    t.wait(lambda: t.rows()[t.screen.cursor.y].endswith(text), "echo")
    t.send("\r")
    t.read(0.1)
    wait_prompt(t)
    return t.raw[before:]


def open_talk(name, programs=(), **more):
    """An answer of random bytes, and programs that keep what they are given."""
    folder = scratch / name / "bin"
    folder.mkdir(parents=True)
    for program, status in dict(programs).items():
        path = folder / program
        path.write_text(f'#!/bin/sh\necho "$@" > {folder}/{program}.words\n'
                        f'[ "{status}" = 0 ] && cat > {folder}/{program}.text\nexit {status}\n')
        path.chmod(0o755)
    t = Talk(name, *QUIET, wait=False, **({"STY": "", "TMUX": ""} | more))
    say(t, "one")
    return t, folder


def harmless(payload):
    text = payload.decode()  # UTF-8, whole
    assert len(text) > 100, text
    assert all(c in "\n\t" or not (c < " " or "\x7f" <= c < "\xa0") for c in text), text
    return text


def told(t, said, *words):
    plain = " ".join(said.decode(errors="replace").split())
    assert all(w in plain for w in words), plain[-400:]
    return plain


with case("OSC 52: no control byte in the payload, and told as sent, no more"):
    t, _ = open_talk("osc", TERM_PROGRAM="WezTerm")
    said = say(t, "/copy coder")
    (payload,) = re.findall(OSC, said)
    harmless(base64.b64decode(payload, validate=True))
    plain = told(t, said, "sent", "to the terminal by OSC 52", "is not known")
    assert "copied" not in plain
    t.leave()
with case("tmux that is there: its own buffer, and no sequence"):
    t, folder = open_talk("tmux", {"tmux": 0}, TMUX="/tmp/nowhere,1,0", TERM="tmux-256color")
    said = say(t, "/copy coder")
    harmless((folder / "tmux.text").read_bytes())
    assert (folder / "tmux.words").read_text().split() == ["load-buffer", "-w", "-"]
    told(t, said, "into tmux's buffer", "tmux was asked")
    assert b"52;c" not in said
    t.leave()
with case("tmux that cannot be reached: wrapped, every ESC doubled"):
    t, folder = open_talk("tmux-gone", {"tmux": 1}, TMUX="/tmp/nowhere,1,0", TERM="tmux-256color")
    said = say(t, "/copy coder")
    (payload,) = re.findall(rb"\x1bPtmux;\x1b" + OSC + rb"\x1b\\", said)
    harmless(base64.b64decode(payload, validate=True))
    told(t, said, "through tmux by OSC 52", "is not known")
    t.leave()
with case("screen: passed on in strings that its oldest version takes"):
    t, _ = open_talk("screen", STY="1.pts-0", TERM="screen-256color")
    said = say(t, "/copy coder")
    parts = re.findall(rb"\x1bP(.*?)\x1b\\", said, re.S)
    assert len(parts) > 1 and all(len(p) <= 252 for p in parts), len(parts)
    (payload,) = re.findall(OSC, b"".join(parts))
    harmless(base64.b64decode(payload, validate=True))
    told(t, said, "through screen by OSC 52", "is not known")
    t.leave()
with case("a program that failed copied nothing, and nothing of the kind is said"):
    t, _ = open_talk("failing", {"xclip": 1, "wl-copy": 3}, DISPLAY=":0", WAYLAND_DISPLAY="w")
    said = say(t, "/copy coder")
    told(t, said, "no way to the clipboard")
    assert b"copied" not in said and b"52;c" not in said
    t.leave()
with case("a program that took it is named"):
    t, folder = open_talk("program", {"xclip": 0, "wl-copy": 3}, DISPLAY=":0", WAYLAND_DISPLAY="w")
    told(t, say(t, "/copy coder"), "copied", "by xclip")
    harmless((folder / "xclip.text").read_bytes())
    t.leave()
with case("TERM=dumb gets no sequence"):
    t, _ = open_talk("dumb", TERM="dumb", TERM_PROGRAM="WezTerm")
    said = say(t, "/copy coder")
    told(t, said, "no way to the clipboard")
    assert b"\x1b" not in said
    t.leave()
finish()
