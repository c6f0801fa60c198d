"""A conversation on a pty, and the screen that it draws: what test_line.py and test_talk.py share.

The model is the tiny random one of council_model.py: what it says is noise, and takes milliseconds.
"""
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pexpect
import pyte

from council_model import make_model
from suite import BINARY

scratch = Path(tempfile.mkdtemp(prefix="talk-"))
MODEL = make_model(scratch / "moe")
ARGUMENTS = ["-m", str(MODEL), "--max-tokens=12", "--seed=4"]
PROMPT = "\u203a "
KEEP = '{"mask":1,"model":null,"mode":"ban","layers":{"1-4":"0-1"}}'

# What nohup or a job without a terminal ignores, children would ignore too, as they should; here the
# end of a terminal is tried out.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def environment(name, **more):
    """A home of its own for each test."""
    home = scratch / name
    home.mkdir(exist_ok=True)
    kept = {k: v for k, v in os.environ.items()
            if not k.startswith("XDG_") and k not in ("NO_COLOR", "EDITOR", "VISUAL", "DISPLAY",
                                                      "WAYLAND_DISPLAY", "TERM_PROGRAM", "TMUX", "STY")}
    return kept | {"HOME": str(home), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8",
                   "PATH": f"{home}/bin:{os.environ['PATH']}"} | more


class Talk:
    def __init__(self, name, *arguments, columns=120, rows=40, model=True, wait=True,
                 program=BINARY, **more):
        self.home = scratch / name
        self.environment = environment(name, **more)
        self.screen = pyte.HistoryScreen(columns, rows, history=20000, ratio=0.5)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        words = [*(ARGUMENTS if model else []), *map(str, arguments)]
        self.child = pexpect.spawn(str(program), words, env=self.environment,
                                   dimensions=(rows, columns), timeout=30)
        if wait:
            self.wait_prompt()

    # -- reading

    def read(self, seconds):
        """What comes within the time; False when the program has ended."""
        try:
            data = self.child.read_nonblocking(1 << 16, seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self.stream.feed(data)
        return True

    def rows(self):
        return [line.rstrip() for line in self.screen.display]

    def text(self):
        """Everything from the first line on, scrolled off or not."""
        gone = ["".join(row[x].data for x in range(self.screen.columns)).rstrip()
                for row in self.screen.history.top]
        return "\n".join(gone + self.rows())

    def at_prompt(self):
        row = self.rows()[self.screen.cursor.y]
        return row.endswith(PROMPT.rstrip()) and self.screen.cursor.x == len(row) + 1

    def wait(self, condition, what, timeout=60):
        end = time.monotonic() + timeout
        while not condition():
            alive = self.read(0.05)
            assert time.monotonic() < end, f"no {what} within {timeout} s:\n" + self.text()[-1500:]
            assert alive or condition(), f"ended before {what}:\n" + self.text()[-1500:]

    def wait_prompt(self, timeout=60):
        self.wait(self.at_prompt, "prompt", timeout)

    def wait_text(self, text, timeout=60):
        self.wait(lambda: text in self.text(), repr(text), timeout)

    # -- typing

    def send(self, text):
        self.child.send(text)

    def say(self, text):
        """A line and Enter; returns what it brought, once the prompt stands again."""
        before = len(self.text().rstrip())
        self.send(text)
        self.wait(lambda: not self.at_prompt(), "echo")
        self.send("\r")
        self.read(0.05)
        self.wait_prompt()
        return self.text().rstrip()[before:]

    def leave(self):
        """Ctrl-D; returns (exit status, last words)."""
        self.send("\x04")
        while self.read(0.2):
            pass
        self.child.close()
        return self.child.exitstatus, self.text()

    def close(self):
        self.child.close(force=True)

    # -- files

    def transcripts(self):
        return sorted((self.home / ".local/share/consilium/transcripts").glob("*.jsonl"))

    def history(self):
        path = self.home / ".local/state/consilium/history"
        return path.read_text().splitlines() if path.exists() else []


def records(talk, kind=None, path=None):
    """Of one transcript, or of all, oldest first."""
    found = []
    for path in [path] if path else sorted(talk.transcripts(), key=os.path.getmtime):
        for line in path.read_text().rstrip("\n").split("\n")[1:]:
            record = json.loads(line)
            if kind in (None, record["type"]):
                found.append(record)
    return found


def replays(talk, path):
    done = subprocess.run([str(BINARY), "transcripts", "replay", path.stem], env=talk.environment,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "cannot be replayed" not in done.stderr, done.stderr
    return done.stdout + done.stderr
