#!/usr/bin/env python3
"""The prompt on a real pty: editing, several lines, pastes, history, completion, the editor, signals."""
import json
import os
import signal
import stat
import time

from suite import SANITIZED, case, finish
from talk_screen import Talk, scratch

BEGIN, END = "\x1b[200~", "\x1b[201~"


def prompts_of(talk):
    """What was asked, from the transcripts."""
    found = []
    for path in sorted(talk.transcripts(), key=os.path.getmtime):
        for line in filter(None, path.read_text().split("\n")):
            record = json.loads(line)
            if record.get("type") == "prompt":
                found.append(record["text"])
    return found


def lines():
    t = Talk("lines")
    with case("Alt-Enter, Ctrl-J and a backslash at the end begin a new line"):
        for newline in ("\x1b\r", "\n", "\\\r"):
            t.send("one")
            t.wait_text("one")
            t.send(newline)
            time.sleep(0.2)
            t.say("two")
        assert prompts_of(t) == ["one\ntwo"] * 3, prompts_of(t)
    with case("a line feed that comes with its text is Enter"):
        t.send("by a program\n")
        t.wait_text("by a program")
        t.read(0.1)
        t.wait_prompt()
        assert prompts_of(t)[-1] == "by a program"
    with case("two backslashes at the end are text"):
        t.say("end\\\\")
        assert prompts_of(t)[-1] == "end\\\\"
    with case("history: 0600, an entry a prompt, newlines escaped, no repeats"):
        kept = t.history()
        assert kept == ["one\\ntwo", "by a program", "end\\\\\\\\"], kept
        mode = stat.S_IMODE(os.stat(t.home / ".local/state/consilium/history").st_mode)
        assert mode == 0o600, oct(mode)
    with case("a line that begins with a space is text, and not kept"):
        t.say(" /help me")
        assert prompts_of(t)[-1] == " /help me" and len(t.history()) == 3
    status, last = t.leave()
    with case("Ctrl-D leaves and tells how to resume"):
        assert status == 0 and "consilium --resume " in last.splitlines()[-1], last[-200:]
    t = Talk("lines")
    with case("the next run has the history: arrows, and Ctrl-R"):
        t.send("\x1b[A")
        t.wait_text("end\\\\")
        t.send("\x15\x12two")
        t.wait_text("(reverse-i-search)")
        t.wait_text("two")
        t.send("\r")
        t.read(0.1)
        t.wait_prompt()
        assert prompts_of(t)[-1] == "one\ntwo", prompts_of(t)
    t.leave()
    with case("CONSILIUM_NOHISTORY keeps nothing"):
        t = Talk("nothing", CONSILIUM_NOHISTORY="1")
        t.say("secret")
        t.leave()
        assert not t.history() and not t.transcripts()


def pastes():
    t = Talk("pastes")
    with case("a paste is never submitted; its newlines stay"):
        t.send(f"{BEGIN}first\rsecond\nthird\r{END}")
        t.wait_text("third")
        time.sleep(0.3)
        t.read(0.1)
        assert not prompts_of(t)
        t.say("end")
        assert prompts_of(t) == ["first\nsecond\nthird\nend"], prompts_of(t)
    with case("a long paste stands as a note and is sent whole"):
        text = "\n".join(f"line {i}" for i in range(40))
        t.send(f"{BEGIN}{text}{END}")
        t.wait_text("[pasted text 1: ")
        t.say(" why?")
        assert prompts_of(t)[-1] == text + " why?", prompts_of(t)[-1][:80]
    with case("a note can be taken out again"):
        t.send(f"{BEGIN}{text}{END}")
        t.wait_text("40 lines]")
        t.send("\x15")
        time.sleep(0.2)
        t.say("no paste")
        assert prompts_of(t)[-1] == "no paste"
    size = (1 if SANITIZED else 10) << 20
    with case("a paste of 10 MB is there within seconds, and can be edited at once"):
        block = ("x" * 63 + "\r") * (size // 64)
        start = time.monotonic()
        data, at = f"{BEGIN}{block}{END}".encode(), 0
        fd = t.child.child_fd
        os.set_blocking(fd, False)
        while at < len(data):
            try:
                at += os.write(fd, data[at:at + 65536])
            except BlockingIOError:
                t.read(0.001)
        os.set_blocking(fd, True)
        t.wait_text("[pasted text")
        took = time.monotonic() - start
        assert took < 15, f"{took:.1f} s"
        before = time.monotonic()
        t.send("a" * 50)
        t.wait_text("a" * 50)
        assert time.monotonic() - before < 2
        print(f"# 10 MB paste: {took:.1f} s")
    with case("what is too long is refused with both counts, and nothing is asked"):
        t.send("\x15")
        time.sleep(0.2)
        t.send(f"{BEGIN}{'long ' * 4000}{END}")
        t.wait_text("[pasted text")
        t.say("?")
        assert "4096" in t.text() and "tokens" in t.text()
        assert prompts_of(t)[-1] == "no paste"
    t.leave()


def keys():
    editor = scratch / "editor.sh"
    editor.write_text("#!/bin/sh\nprintf 'edited\\nby hand\\n' > \"$1\"\n")
    editor.chmod(0o755)
    t = Talk("keys", EDITOR=str(editor))
    with case("Ctrl-X Ctrl-E edits the line in $EDITOR and sends nothing"):
        t.send("draft\x18\x05")
        t.wait_text("by hand")
        assert not prompts_of(t)
        t.say("!")
        assert prompts_of(t) == ["edited\nby hand!"], prompts_of(t)
    with case("Tab completes commands, choices, seats, personas, files and sessions"):
        (t.home / "notes.txt").write_text("x")
        for typed, shown in (("/contex\t", "/context "), ("/context me\t", "/context merged "),
                             ("@phil\t", "@philosopher "), ("/pick cod\t", "/pick coder "),
                             ("/personas +cha\t", "/personas +chair "), ("/personas au\t", "/personas auto "),
                             (f"/file {t.home}/not\t", "notes.txt"), ("/set max-t\t", "max-tokens "),
                             (f"/resume {t.transcripts()[0].stem[:3]}\t", t.transcripts()[0].stem)):
            t.send(typed)
            t.wait(lambda: t.rows()[t.screen.cursor.y].endswith(shown.strip()), shown, 10)
            t.send("\x15")
            t.wait_prompt()
    with case("Ctrl-C with text clears the line, at an empty prompt it tells how to leave"):
        t.send("half a line")
        t.wait_text("half a line")
        t.send("\x03")
        t.wait_prompt()
        t.send("\x03")
        t.wait_text("Ctrl-D")
        t.wait_prompt()
        assert len(prompts_of(t)) == 1
        assert "1 file" in t.say(f"/file {t.home}/notes.txt") and "no files" in t.say("/file off")
    with case("a resize is followed"):
        t.screen.resize(30, 60)
        t.child.setwinsize(30, 60)
        t.say("narrow")
        assert prompts_of(t)[-1] == "narrow"
    with case("Ctrl-Z stops the program, and it comes back"):
        t.child.kill(signal.SIGTSTP)
        time.sleep(0.3)
        t.child.kill(signal.SIGCONT)
        time.sleep(0.3)
        t.say("after")
        assert prompts_of(t)[-1] == "after"
    t.leave()
    with case("no UTF-8: the prompt is plain"):
        t = Talk("plain", LC_ALL="C", wait=False)
        t.wait(lambda: "own 3 >" in t.text(), "a prompt of ASCII")
        assert "\u203a" not in t.text()
        t.close()


lines()
pastes()
keys()
finish()
