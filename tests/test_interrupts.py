#!/usr/bin/env python3
"""What may happen to a conversation at any moment: Ctrl-C, Ctrl-Z, a closed window, kill -9, a large paste, a
second session in the same file, no terminal on one side. Nothing that was reported saved is lost, the
terminal is left as it was found, and the next question works.

The moments are spread over an exchange as it was timed here, so they fall into every phase on a fast
machine and a slow one; what must hold, holds at each of them.
"""
import json
import os
import pty
import re
import signal
import subprocess
import termios
import time

import pexpect

from session_support import (REAL, SLOW, STREAMING, Session, consilium, environment, sane, scratch,
                             settle)
from suite import BINARY, SANITIZED, case, finish
from talk_screen import ARGUMENTS, PROMPT

PATIENT = bool(os.environ.get("PATIENT"))  # long_session.py: every moment
MOMENTS = 30 if REAL else 12
KILLS = 20 if PATIENT else 6
# Long enough that a moment can be hit: the tiny model is quick.
LONG = ("--max-tokens=24" if PATIENT else "--max-tokens=10") if REAL else "--max-tokens=200"


def ask_timed(t):
    """Seconds from Enter to the first token, to the last one and to the prompt."""
    before = t.text().count(" tok")
    start = time.monotonic()
    t.send("How are you?\r")
    t.wait(lambda: t.text().count(" tok") > before, "streaming")
    first = time.monotonic() - start
    t.read(0.05)
    t.wait_prompt()
    return first, time.monotonic() - start


def consistent(t):
    """Each turn of the record is whole, and interrupted answers say so."""
    turns = {}
    for r in t.records():
        turns.setdefault(r.get("turn"), []).append(r)
    for turn, records in turns.items():
        stops = [r["stop"] for r in records if r["type"] == "answer"]
        prompts = [r for r in records if r["type"] == "prompt"]
        assert len(prompts) <= 1 and (len(stops) >= 3 or not prompts), (turn, stops)
    return turns


# ---- Ctrl-C -----------------------------------------------------------------------------------


def press(t, at, total, twice):
    """Asks, presses Ctrl-C at this share of an exchange; what the screen and the record say of it."""
    asked = len(t.records("prompt"))
    mark = t.mark()
    t.send("How are you?\r")
    end = time.monotonic() + at * total
    while time.monotonic() < end:
        assert t.read(min(0.02, max(0.001, end - time.monotonic())))
    t.send("\x03")
    if twice:
        t.send("\x03")
    t.read(0.2)

    def returned():
        """The question was given up while it was read: its text stands in the line again. The second
        of two Ctrl-C may have come too early to empty that line; a third does no harm."""
        return t.rows()[t.screen.cursor.y].endswith("\u203a How are you?")
    t.wait(lambda: t.at_prompt() or returned(), "prompt", 60 * SLOW)
    t.read(0.1)  # the prompt is drawn before the text that returns to it
    if returned():
        t.send("\x03")
    t.wait_prompt(60 * SLOW)
    assert t.child.isalive()
    told = t.raw[mark:].decode(errors="replace")
    prompts = t.records("prompt")
    answers = [a for a in t.records("answer") if a["turn"] == prompts[-1]["turn"]] \
        if len(prompts) > asked else []
    if any(a["stop"] == "interrupted" for a in answers):
        assert "interrupted" in told, told[-600:]
        return "interrupted"
    if not answers:
        return "not asked"
    merges = [m for m in t.records("merge") if m["turn"] == prompts[-1]["turn"]]
    if "the merge was stopped" in told:
        return "merge"
    assert merges, told[-600:]
    return "too late"


def interrupts():
    t = Session("moments", LONG, "--merge=vote")
    _, total = ask_timed(t)
    modes = t.modes()
    met = {}
    with case(f"Ctrl-C at {MOMENTS} moments of an exchange: what was said is kept, and it goes on"):
        for i in range(MOMENTS):
            kind = press(t, i * 1.05 / MOMENTS, total, twice=i % 5 == 4)
            met[kind] = met.get(kind, 0) + 1
        consistent(t)
        print(f"# Ctrl-C met {met}, an exchange takes {total:.1f} s")
        assert met.get("interrupted", 0) >= 3, met
        assert t.modes() == modes, "the keyboard's settings"
    with case("after all of them a question is answered, merged and saved"):
        t.say("/set max-tokens 4")
        said = t.say("Still there?")
        assert " vote" in said and "saved" in said, said
        assert [a["stop"] != "interrupted" for a in t.records("answer")[-3:]] == [True] * 3
    with case("Ctrl-C at the prompt, in a half line, in a search, in a completion, twice: never quits"):
        for typed in ("", "half", "/mer\t", "\x12hello", "\x1b[200~pasted\x1b[201~", "one\x1b\rtwo"):
            t.send(typed)
            t.read(0.1)
            t.send("\x03\x03")
            t.read(0.2)
            t.wait_prompt()
        assert "Ctrl-D" in t.text()
        assert len(t.say("/context")) > 5
    with case("Ctrl-C within a command that computes"):
        t.say("/set max-tokens 100")
        for command in ("/diverge", "/merge synth", "/debate 3", "/retry"):
            for wait in (0, 0.3):
                t.send(command + "\r")
                t.wait_text(command)
                t.read(wait)
                t.send("\x03")
                t.read(0.2)
                t.wait_prompt(60 * SLOW)
        t.say("/set max-tokens 4")
        assert "saved" in t.say("And now?")
    with case("the record of it all is whole, is listed, and resumes"):
        consistent(t)
        status, _ = t.leave()
        assert status == 0
        sane(t.raw)
        (path,) = t.transcripts()
        again = Session("moments", "--max-tokens=4", "--resume", path.stem)
        assert "saved" in again.say("Once more?")
        again.leave()


# ---- Ctrl-Z -----------------------------------------------------------------------------------


def suspended():
    env = environment("jobs", **settle())
    with case("Ctrl-Z and fg, at the prompt and while answers stream, under a shell"):
        words = ["-m", ARGUMENTS[1]] if not REAL else []
        shell = pexpect.spawn("bash", ["--norc", "--noprofile"], env=env | {"PS1": "shell> "},
                              dimensions=(40, 120), timeout=60 * SLOW, cwd=env["HOME"])
        shell.expect("shell> ")
        shell.sendline("stty -a > before; echo ready")
        shell.expect("ready")
        command = " ".join([str(BINARY), *words, "--seed=4", LONG, "--merge=none", "--no-save"])
        shell.sendline(command)
        shell.expect(PROMPT.encode())
        for typed in ("half a li", "How are you?\r"):
            shell.send(typed)
            shell.expect("half a li" if "half" in typed else r"\d+ tok")
            shell.send("\x1a")
            shell.expect("Stopped")
            shell.expect("shell> ")
            shell.sendline("stty -a > stopped; cmp before stopped && echo same")
            shell.expect("[\r\n]same")
            shell.sendline("fg")
            if "half" in typed:
                shell.expect("half a li")
                shell.send("\x15")
        shell.expect(PROMPT.encode())
        shell.send("\x04")
        shell.expect("shell> ")
        shell.sendline("stty -a > after; cmp before after && echo same")
        shell.expect("[\r\n]same")
        shell.close(force=True)


# ---- the end, by others -----------------------------------------------------------------------


def ended_by(name, number, seed):
    """A session that is ended while answers stream; how its answers stopped."""
    t = Session(f"{name}{seed}", "--max-tokens=400", "--merge=none", f"--seed={seed}")
    t.send("How are you?\r")
    t.wait(lambda: STREAMING.search("\n".join(t.rows())), "streaming")
    t.send("\x1c") if number == signal.SIGQUIT else t.child.kill(number)
    end = time.monotonic() + 20 * SLOW
    while t.read(0.1) and time.monotonic() < end:
        pass
    local = t.modes()[3]
    for flag in (termios.ICANON, termios.ECHO, termios.ISIG):
        assert local & flag, hex(local)
    status = t.end()
    assert status in (-number, -signal.SIGTERM), status
    sane(t.raw)
    return [a["stop"] for a in t.records("answer")]


def closed_window(seed):
    t = Session(f"window{seed}", "--max-tokens=400", "--merge=none", f"--seed={seed}")
    t.send("How are you?\r")
    t.wait(lambda: STREAMING.search("\n".join(t.rows())), "streaming")
    pid = t.child.pid
    os.close(t.child.child_fd)
    end = time.monotonic() + 20 * SLOW
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        assert time.monotonic() < end, "it goes on without a window"
        time.sleep(0.05)
    return [a["stop"] for a in t.records("answer")]


def hits(attempt):
    """Answers of the tiny model may end on their own before they are met: whatever the moment, all are
    kept; and within some seeds one is met that was being written."""
    for seed in range(4, 14):
        stops = attempt(seed)
        assert len(stops) == 3, stops
        if "interrupted" in stops:
            return
    raise AssertionError("no answer was met while it was written")


def ended():
    for name, number in (("SIGTERM", signal.SIGTERM), ("SIGHUP", signal.SIGHUP),
                         ("Ctrl-\\", signal.SIGQUIT)):
        with case(f"{name} while answers stream: what was said is saved, the status is a signal's"):
            hits(lambda seed: ended_by(name, number, seed))
    with case("the window is closed while answers stream: saved, and the process ends"):
        hits(closed_window)


def killed():
    """kill -9 at a share of a scripted session; every "saved" on the screen is in the file."""
    lines = ["How are you?\r", "/pick coder\r", "/retry critic\r", "And then?\r"]
    total = None
    with case(f"kill -9 at {KILLS} moments: what was reported saved is there, and --resume goes on"):
        for i in range(-1, KILLS):
            t = Session(f"kill{i}", "--max-tokens=4", "--merge=vote")
            start = time.monotonic()
            for line in lines:
                said = t.text().count(PROMPT.strip())
                t.send(line)
                while total is None or time.monotonic() - start < total * (i + 1) / KILLS:
                    t.read(0.02)
                    if t.text().count(PROMPT.strip()) > said and t.at_prompt():
                        break
            if total is None:
                total = time.monotonic() - start
                t.leave()
                continue
            t.child.kill(signal.SIGKILL)
            t.end()
            saved = t.text().count("saved ")
            picked = t.text().count("picked coder")
            (path,) = t.transcripts() or [None]
            assert path or not saved
            if not path:
                continue
            text = path.read_bytes().split(b"\n")
            whole = [json.loads(line) for line in text[:-1] if line.startswith(b'{"type"')]
            kinds = [r["type"] for r in whole]
            assert kinds.count("merge") >= saved and kinds.count("pick") >= picked, (kinds, saved)
            assert not saved or kinds.count("answer") >= 3
            again = Session(f"kill{i}", "--max-tokens=2", "--merge=none", "--resume", path.stem)
            assert "saved" in again.say("Still there?")
            again.leave()
            for line in filter(None, path.read_text().split("\n")):
                json.loads(line)


# ---- beside the terminal ----------------------------------------------------------------------


def locked():
    with case("a second session in the same file is refused by a sentence, and harms nothing"):
        t = Session("lock", "--max-tokens=4", "--merge=none")
        t.say("hello")
        (path,) = t.transcripts()
        before = path.read_bytes()
        other = Session("lock", "--resume", path.stem, wait=False)
        assert other.end() == 1
        assert "is being written by process" in other.text(), other.text()
        assert path.read_bytes() == before
        assert "saved" in t.say("and on")
        t.leave()


def plain():
    with case("--plain, TERM=dumb, NO_COLOR with either: no escape byte but the prompt's, linear"):
        for name, words, more in (("plain", ["--plain"], {"NO_COLOR": "1", "TERM": "dumb"}),
                                  ("dumb", [], {"TERM": "dumb"}), ("plain2", ["--plain"], {})):
            t = Session(name, "--max-tokens=6", "--merge=vote", *words, **more)
            mark = t.mark()
            t.say("hello")
            t.say("/diverge")
            raw = t.raw[mark:]
            t.leave()
            raw = re.sub(rb"\x1b\[\?2004[hl]\r?", b"", raw) if "TERM" not in more else raw
            assert not re.search(rb"\x1b\[\??[0-9;]*[ABCDEFGHJKSThl]", raw), raw[-400:]
            if more:
                assert b"\x1b" not in raw, raw[-400:]
            answers = [raw.find(n) for n in (b"philosopher", b"coder", b"critic")]
            assert answers == sorted(answers) and -1 not in answers
    with case("standard output a pipe, a terminal to type at: the answers go down the pipe, no escapes"):
        master, slave = pty.openpty()
        words = ["-m", ARGUMENTS[1]] if not REAL else []
        child = subprocess.Popen([BINARY, *words, "--max-tokens=4", "--merge=none", "--seed=4"],
                                 stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env=environment("pipe", **settle()), start_new_session=True)
        os.close(slave)
        os.write(master, b"hello\r/quit\r")
        out, err = child.communicate(timeout=60 * SLOW)
        os.close(master)
        assert child.returncode == 0, (child.returncode, err[-300:])
        assert b"philosopher" in out and b"\x1b" not in out, out[-300:]
    with case("standard input closed, or no terminal: a sentence and status 2, never a hang"):
        done = subprocess.run(["bash", "-c", f"exec {BINARY} talk <&-"], capture_output=True, text=True,
                              env=environment("closed", **settle()), timeout=60)
        assert done.returncode == 2 and "terminal" in done.stderr, (done.returncode, done.stderr)


def pasted():
    size = (1 if SANITIZED else 10) << 20
    with case(f"a paste of {size >> 20} MB into the prompt is one entry, within seconds, and asks nothing"):
        t = Session("paste", "--max-tokens=4", "--merge=none")
        data, at = b"\x1b[200~" + b"all work and no play\r" * (size // 21) + b"\x1b[201~", 0
        start = time.monotonic()
        os.set_blocking(t.child.child_fd, False)
        while at < len(data):
            try:
                at += os.write(t.child.child_fd, data[at:at + 65536])
            except BlockingIOError:
                t.read(0.001)
        os.set_blocking(t.child.child_fd, True)
        t.wait_text("[pasted text 1: ")
        print(f"# {size >> 20} MB pasted in {time.monotonic() - start:.1f} s")
        assert not t.records() and not t.history()
        t.send("\x03")
        t.wait_prompt()
        assert "saved" in t.say("hello")
        assert [r["text"] for r in t.records("prompt")] == ["hello"]
        t.leave()


interrupts()
suspended()
ended()
killed()
locked()
plain()
pasted()
finish()
