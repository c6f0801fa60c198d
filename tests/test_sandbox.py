#!/usr/bin/env python3
"""A conversation in its sandbox: all that the user asks for works, and the process itself has no rights left.

test_sandbox.c tries what a confined process can still reach; here the program is looked at from outside.
"""
import os
import signal
import time
from pathlib import Path

from suite import case, finish
from talk_screen import MODEL, Talk, scratch


def status(pid, field):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return line.split()[1]
    return None


def children(pid):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if status(entry.name, "PPid") == str(pid):
                found.append(int(entry.name))
        except OSError:
            pass  # it has ended
    return found


def gone(pid):
    return not Path(f"/proc/{pid}").exists() or status(pid, "State") == "Z"


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def tools(name):
    """An editor and a clipboard that keep what they are given."""
    folder = scratch / name / "bin"
    folder.mkdir(parents=True)
    for program, text in (("editor", 'cat "$1" > "$HOME/edited"; echo from the editor > "$1"'),
                          ("wl-copy", 'cat > "$HOME/copied"')):
        (folder / program).write_text(f"#!/bin/sh\n{text}\n")
        (folder / program).chmod(0o755)
    runtime = scratch / name / "runtime"
    runtime.mkdir()
    return {"EDITOR": "editor", "WAYLAND_DISPLAY": "here", "TMUX": "", "STY": "",
            "XDG_RUNTIME_DIR": str(runtime)}


def last_words(t, text):
    return " ".join(t.say(text).split())


def use(t, home):
    """Each way out, as the user goes it."""
    t.say("one")
    assert "wrote" in last_words(t, f"/save {home}/talk.md") and (home / "talk.md").exists()
    assert "is there already" in last_words(t, f"/save {home}/talk.md")
    before = (home / "talk.md").stat().st_ino
    assert "wrote" in last_words(t, f"/save {home}/talk.md!")
    assert (home / "talk.md").stat().st_ino != before
    assert "wrote" in last_words(t, f"/save {home}/talk.json")
    t.send("draft \x18\x05")
    t.wait_text("from the editor")
    assert (home / "edited").read_text() == "draft \n" or (home / "edited").read_text() == "draft "
    t.send("\r")
    t.read(0.2)
    t.wait_prompt()
    assert "by wl-copy" in last_words(t, "/copy coder") and (home / "copied").stat().st_size
    (home / "note.txt").write_text("a note")
    assert "note.txt" in last_words(t, f"/file {home}/note.txt")
    last_words(t, "two")
    last_words(t, f"/model {MODEL}")
    assert "coder" in last_words(t, "/personas edit coder")
    assert (home / ".config/consilium/personas/coder.json").read_text() == "from the editor\n"
    t.say("/sessions")


def threads(pid, field):
    return {status(f"{pid}/task/{task.name}", field)
            for task in Path(f"/proc/{pid}/task").iterdir()}


for words in ((), ("--no-save",), ("--no-sandbox",)):
    name = "use" + "".join(words)
    with case(f"/save, the editor, /copy, /file, /model and /personas edit work {' '.join(words)}"):
        t = Talk(name, "-p", "coder", "--merge", "none", *words, **tools(name))
        use(t, t.home)
        (broker,) = children(t.child.pid)  # and no zombie beside it
        confined = "--no-sandbox" not in words
        assert threads(t.child.pid, "Seccomp") == {"2" if confined else "0"}
        assert threads(t.child.pid, "NoNewPrivs") == {"1" if confined else "0"}
        assert status(broker, "Seccomp") == "0"
        assert status(broker, "NoNewPrivs") == ("1" if confined else "0")
        code, _ = t.leave()
        assert code == 0 and gone(broker), code
        assert not list((t.home / "runtime").iterdir())
        saved = "--no-save" not in words
        assert bool(t.transcripts()) == saved and bool(t.history()) == saved

with case("kill -9 takes the broker and its folder along, and leaves no lock"):
    t = Talk("killed", **tools("killed"))
    t.say("one")
    (broker,) = children(t.child.pid)
    inode = t.transcripts()[0].stat().st_ino
    assert list((t.home / "runtime").iterdir())
    os.kill(t.child.pid, signal.SIGKILL)
    assert within(5, lambda: gone(broker)), "the broker goes on"
    assert not list((t.home / "runtime").iterdir())
    assert f":{inode} " not in Path("/proc/locks").read_text()

with case("a save that waits for its reader ends with Ctrl-C, and the broker that is killed is told"):
    t = Talk("pipe", **tools("pipe"))
    t.say("one")
    os.mkfifo(t.home / "pipe.md")
    t.send(f"/save {t.home}/pipe.md\r")
    t.read(0.5)
    t.send("\x03")
    t.wait_prompt()
    assert "wrote" in last_words(t, f"/save {t.home}/after.md")
    os.kill(children(t.child.pid)[0], signal.SIGKILL)
    assert "has ended" in last_words(t, f"/save {t.home}/never.md")
    assert t.leave()[0] == 0 and not (t.home / "never.md").exists()

with case("-v tells what holds"):
    t = Talk("told", "-v")
    assert "no programs" in t.text() and "second process" in t.text(), t.text()[-400:]
    t.leave()

finish()
