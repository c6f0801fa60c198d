#!/usr/bin/env python3
"""What is not to be kept leaves nothing, and what cannot be read to its end stops.

--no-save: no transcript, no history, no file in a temporary folder. Input: a limit on every text, a word
about a pipe that stays silent, histories that are no files.
"""
import os
import stat
import subprocess
import time
from pathlib import Path

from suite import BINARY, SANITIZED, case, finish
from talk_screen import ARGUMENTS, MODEL, Talk, environment, scratch

SECRET = "zanzibar"


def files(*places):
    return [p for place in places for p in Path(place).rglob("*") if not p.is_dir()]


def holding(word, *places):
    return [p for p in files(*places) if p.is_file() and word.encode() in p.read_bytes()]


def private_places():
    """Files where the program puts what lives for a moment only."""
    return {p for place in ("/dev/shm", "/tmp") for p in Path(place).glob("consilium-*/*")}


def text_of(path):
    try:
        return path.read_bytes()
    except OSError:  # somebody else's, or gone
        return b""


def no_save():
    with case("--no-save: nothing of what was typed, edited, asked and exported stays anywhere"):
        temporary, runtime = scratch / "tmp", scratch / "runtime"
        for place in (temporary, runtime):
            place.mkdir()
        editor = scratch / "editor"
        editor.write_text(f"#!/bin/sh\ncp \"$1\" \"$1~\"\necho {SECRET} edited > \"$1\"\n"
                          f"echo \"$1\" > {scratch}/where\nstat -c %a \"$1\" >> {scratch}/where\n")
        editor.chmod(0o755)
        before = private_places()
        t = Talk("secret", "--no-save", EDITOR=str(editor), TMPDIR=str(temporary),
                 XDG_RUNTIME_DIR=str(runtime))
        t.say(f"{SECRET} one")
        t.send("draft \x18\x05")
        t.wait_text(f"{SECRET} edited")
        t.send("\r")
        t.read(0.3)
        t.wait_prompt()
        assert t.say(f"/save {t.home}/kept.md").strip()
        t.send("\x1b[A\x1b[A\x1b[A")
        t.wait_text(f"{SECRET} one")
        t.send("\x05\x15")
        status, _ = t.leave()
        assert status == 0, status
        left = holding(SECRET, t.home, temporary, runtime)
        assert left == [t.home / "kept.md"], left
        assert not files(temporary, runtime) and not list(runtime.iterdir())
        where, mode = (scratch / "where").read_text().split()
        assert where.startswith(str(runtime)) and mode == "600", (where, mode)
        new = [p for p in private_places() - before if SECRET.encode() in text_of(p)]
        assert not new, new
        assert not (t.home / ".local/state").exists() and not (t.home / ".local/share").exists()
    with case("--no-save reads the history of other days, and adds nothing to it"):
        t = Talk("reader")
        t.say("kept of old")
        t.leave()
        assert t.history() == ["kept of old"]
        t = Talk("reader", "--no-save")
        t.say(f"{SECRET} two")
        t.send("\x1b[A\x1b[A")
        t.wait_text("kept of old")
        t.send("\x05\x15")
        t.leave()
        assert t.history() == ["kept of old"]
    with case("no-save in config.json does the same"):
        home = scratch / "configured"
        (home / ".config/consilium").mkdir(parents=True)
        (home / ".config/consilium/config.json").write_text('{"no-save": true}')
        t = Talk("configured")
        t.say(f"{SECRET} three")
        t.leave()
        assert not holding(SECRET, home) and not (home / ".local/state").exists()
    with case("ask --no-save leaves no file at all"):
        home = scratch / "asked"
        subprocess.run([BINARY, "ask", SECRET, *ARGUMENTS, "--no-save"], check=True, capture_output=True,
                       stdin=subprocess.DEVNULL, env=environment("asked"))
        assert not files(home), files(home)


def histories():
    odd = scratch / "odd"

    def told(name, make):
        path = scratch / name / ".local/state/consilium/history"
        path.parent.mkdir(parents=True)
        make(path)
        t = Talk(name)
        text = t.say("hello")
        assert "philosopher" in text and "the history" in t.text() and "ignored" in t.text(), t.text()
        assert t.say("hello again").count("ignored") == 0
        assert t.leave()[0] == 0
        return path

    with case("a history that is a pipe, a folder or a device is ignored, and that is said"):
        path = told("pipe", os.mkfifo)
        assert stat.S_ISFIFO(path.stat().st_mode)
        told("folder", Path.mkdir)
        told("zero", lambda path: path.symlink_to("/dev/zero"))
        told("terminal", lambda path: path.symlink_to("/dev/tty"))
    with case("so is a link to nothing; one to a file is the history"):
        path = told("nothing", lambda path: path.symlink_to(odd))
        assert not odd.exists() and path.is_symlink()
        (scratch / "elsewhere").write_text("from elsewhere\n")
        path = scratch / "linked/.local/state/consilium/history"
        path.parent.mkdir(parents=True)
        path.symlink_to(scratch / "elsewhere")
        t = Talk("linked")
        t.say("hello")
        t.leave()
        assert (scratch / "elsewhere").read_text() == "from elsewhere\nhello\n"


def run(*words, stdin=subprocess.DEVNULL, status=2, timeout=60):
    done = subprocess.run([BINARY, *map(str, words)], stdin=stdin, capture_output=True, text=True,
                          timeout=timeout, env=environment("input"))
    assert done.returncode == status, (words, done.returncode, done.stderr[-300:])
    return done.stderr


def limits():
    small = ["--max-input=1"]
    commands = [(["ask", "-", *ARGUMENTS, "--no-save"], None), (["ask", "x", *ARGUMENTS, "--no-save"], None),
                (["tokenize", "-", "-m", MODEL], None), (["perplexity", "-", "-m", MODEL], None),
                (["ask", "x", "-f", "/dev/zero", *ARGUMENTS, "--no-save"], "/dev/zero"),
                (["tokenize", "--file", "/dev/zero", "-m", MODEL], "/dev/zero"),
                (["perplexity", "/dev/zero", "-m", MODEL], "/dev/zero")]
    with case("input without an end stops at a limit: a pipe, a device, for each command"):
        for words, name in commands:
            yes = subprocess.Popen(["yes", "words"], stdout=subprocess.PIPE)
            err = run(*words, *small, stdin=yes.stdout if not name else subprocess.DEVNULL)
            yes.stdout.close()
            yes.wait()
            assert f"{name or 'standard input'} holds more than 1 MiB" in err and "--max-input" in err, err
    with case("64 MiB unless told otherwise; a large file is told by its size, unread"):
        large = scratch / "large"
        with open(large, "wb") as file:
            file.truncate((64 << 20) + 1)
        start = time.monotonic()
        for words in (["tokenize", "--file", large, "-m", MODEL], ["perplexity", large, "-m", MODEL],
                      ["ask", "x", "-f", large, *ARGUMENTS, "--no-save"]):
            assert "more than 64 MiB" in run(*words)
        assert time.monotonic() - start < (20 if SANITIZED else 5)
        os.truncate(large, (1 << 20) + 1)
        assert "more than 1 MiB" in run("tokenize", "--file", large, "-m", MODEL, *small)
        os.truncate(large, 1 << 20)
        run("tokenize", "--file", large, "-m", MODEL, *small, status=0)
        run("tokenize", "x", "-m", MODEL, "--max-input=0")


def silence():
    with case("ask PROMPT below a pipe that stays open says after a second what it waits for"):
        read, write = os.pipe()
        start = time.monotonic()
        child = subprocess.Popen([BINARY, "ask", "hello", *ARGUMENTS, "--no-save"], stdin=read,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 env=environment("silent"))
        line = child.stderr.readline()
        waited = time.monotonic() - start
        assert "waiting for standard input" in line and "</dev/null" in line, line
        assert 0.9 < waited < 10, waited
        time.sleep(1.5)
        os.write(write, b"more")
        os.close(write)
        out, err = child.communicate(timeout=60)
        assert child.returncode == 0 and "waiting" not in err and out, err
        os.close(read)
    with case("input that comes at once brings no such word"):
        for given in ("", "words"):
            done = subprocess.run([BINARY, "ask", "hello", *ARGUMENTS, "--no-save"], input=given, text=True,
                                  capture_output=True, env=environment("silent"), timeout=60)
            assert done.returncode == 0 and "waiting" not in done.stderr, done.stderr


no_save()
histories()
limits()
silence()
finish()
