"""What test_train.py and long_train.py share: homes with a persona in them, and runs of `consilium train`."""
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from suite import BINARY, FIXTURES

scratch = Path(tempfile.mkdtemp(prefix="train-"))
SAILOR = FIXTURES / "train"


class Home:
    """A user with the persona `sailor` in the configuration."""

    def __init__(self, name, lessons=None, built_in=None):
        self.path = scratch / name
        self.personas = self.path / ".config/consilium/personas"
        self.personas.mkdir(parents=True)
        shutil.copy(SAILOR / "sailor.json", self.personas)
        text = (SAILOR / "sailor.lessons.jsonl").read_text() if lessons is None else lessons
        (self.personas / "sailor.lessons.jsonl").write_text(text)
        if built_in:
            cache = self.path / ".cache/consilium"
            cache.mkdir(parents=True)
            os.symlink(built_in, cache / "built-in.gguf")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
        self.environment |= {"HOME": str(self.path), "LC_ALL": "C.UTF-8", "TERM": "xterm"}

    def command(self, *words):
        return [str(BINARY), *map(str, words)]

    def run(self, *words, timeout=300, **more):
        return subprocess.run(self.command(*words), env=self.environment, capture_output=True, text=True,
                              timeout=timeout, stdin=subprocess.DEVNULL, **more)

    def train(self, *words, **more):
        return self.run("train", "sailor", *words, **more)

    def start(self, *words):
        """A run that is never more than two lines ahead of who reads it, however fast the machine: its pipe has room
        for one packet, and a packet is a line."""
        ours, its = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
        fcntl.fcntl(its, fcntl.F_SETPIPE_SZ, 4096)
        process = subprocess.Popen(self.command("train", "sailor", *words), env=self.environment, text=True,
                                   stdout=its, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        os.close(its)
        process.stdout = os.fdopen(ours)
        return process

    def results(self):
        """Name of each file that was written beside the persona, and the hash of its bytes."""
        return {f.name: hashlib.sha256(f.read_bytes()).hexdigest()[:16]
                for f in sorted(self.personas.iterdir())
                if f.name not in ("sailor.json", "sailor.lessons.jsonl")}

    def states(self):
        folder = self.path / ".local/state/consilium/train"
        return sorted(f.name for f in folder.glob("*.train")) if folder.is_dir() else []


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def until(process, condition):
    """Reads lines of ndjson until one fulfils the condition; all that were read. A line is a moment of the run."""
    seen = []
    for line in process.stdout:
        seen.append(json.loads(line))
        if condition(seen[-1]):
            break
    return seen


def interrupt(process, times=1, pause=0.0):
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(pause)
    return process.communicate(timeout=300)
