"""What the suites of whole conversations share: the built-in model, what a transcript holds, frames.

A sanitized build takes the tiny random model of council_model.py instead: 30 layers would take
minutes there.
"""
import json
import os
import re
import subprocess
import termios

import pyte

from suite import BINARY, ROOT, SANITIZED, run
from talk_screen import ARGUMENTS, Talk, environment, scratch

SLOW = 6 if SANITIZED else 3  # bounds on time are for a machine that is busy with other things
BASE = ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"
CACHE = scratch / "cache"
REAL = not SANITIZED and BASE.exists()
NAMES = ["philosopher", "coder", "critic"]
STREAMING = re.compile(r"\d+ tok\b")

if REAL:
    run("model", "build-default", "--from", BASE, env=dict(os.environ, XDG_CACHE_HOME=str(CACHE)))
# An answer of the tiny model takes milliseconds: where it must take a while, it is long.
WORDS = ["--seed=4"] if REAL else ARGUMENTS[:2] + ["--seed=4"]


def settle(**more):
    return {"XDG_CACHE_HOME": str(CACHE)} | more


class Session(Talk):
    """A conversation with the built-in model, and what it left on the disk."""

    def __init__(self, name, *arguments, **more):
        more = {"model": False} | settle(**more)
        super().__init__(name, *WORDS, *arguments, **more)

    def records(self, *kinds, name=None):
        """Records of the transcripts, oldest file first."""
        found = []
        for path in sorted(self.transcripts(), key=os.path.getmtime):
            if name and not path.stem.startswith(name):
                continue
            for line in path.read_bytes().split(b"\n"):
                if line.strip():
                    record = json.loads(line)
                    if "type" in record and (not kinds or record["type"] in kinds):
                        found.append(record)
        return found

    def mark(self):
        """From here on: frames_since(mark) and text_since(mark)."""
        return len(self.raw)

    def frames_since(self, mark):
        """The screen as text after each repaint."""
        screen = pyte.Screen(self.screen.columns, self.screen.lines)
        stream = pyte.ByteStream(screen)
        for piece in re.split(rb"(?<=\x1b\[\?2026l)", self.raw[mark:]):
            stream.feed(piece)
            yield [line.rstrip() for line in screen.display]

    def modes(self):
        """The keyboard's settings, as `stty -a` tells them."""
        return termios.tcgetattr(self.child.child_fd)

    def end(self):
        """Reads to the end; the exit status, or minus the signal."""
        while self.read(0.2):
            pass
        self.child.close()
        return self.child.exitstatus if self.child.signalstatus is None else -self.child.signalstatus


def consilium(session, *words, **more):
    return subprocess.run([str(BINARY), *map(str, words)], env=session.environment, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=300, **more)


def letters(text):
    return re.sub(r"\W", "", text)


def sane(raw):
    """What a terminal was told last: no bracketed paste, the cursor to be seen, no update open."""
    for on, off in ((b"\x1b[?2004h", b"\x1b[?2004l"), (b"\x1b[?25l", b"\x1b[?25h"),
                    (b"\x1b[?2026h", b"\x1b[?2026l")):
        assert raw.rfind(on) <= raw.rfind(off), f"{on!r} was left on"
    assert b"\x1b[?1049h" not in raw, "the alternate screen"


__all__ = ["CACHE", "NAMES", "REAL", "SLOW", "STREAMING", "Session", "consilium", "environment",
           "letters", "sane", "scratch", "settle"]
