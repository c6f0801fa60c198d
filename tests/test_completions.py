#!/usr/bin/env python3
"""The completions of bash, zsh and fish, in these shells: names of files are data, whatever they hold;
values, lists and ids are offered."""
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pexpect

from suite import SANITIZED, case, finish, run, skip

scratch = Path(tempfile.mkdtemp(prefix="completions-"))
GOOD = ("lawyer", "judge_2", "x-1")
BAD = ("$(touch PWNED)", "`touch PWNED`", "${x:-$(touch PWNED)}", "a b", "it's", 'a"b', "two\nlines", "*",
       "?", "x;touch PWNED", "x:y:{touch PWNED}", "x[touch PWNED]", "(touch PWNED)", "é", "$HOME", "~",
       "a\\b", "x" * 65, "<(touch PWNED)", "!touch", "a|touch PWNED", "x=$(touch PWNED)", "&touch PWNED&")


def prepare():
    """A home with names that would run something, and the program on the PATH."""
    for folder, ending in (("config/consilium/personas", ".json"),
                           ("data/consilium/transcripts", ".jsonl"), ("work", ".txt")):
        (scratch / folder).mkdir(parents=True)
        for name in GOOD + BAD:
            (scratch / folder / (name + ending).replace("/", "_")).write_text("{}\n")
    (scratch / "config/consilium/personas/lawyer.0123456789abcdef.mask.json").write_text("{}")
    (scratch / "bin").mkdir()
    fake = scratch / "bin" / "consilium"
    fake.write_text("#!/bin/sh\n[ \"$1 $2\" = 'model list' ] || exit 1\n"
                    "printf '%s\\n' 'ollama:tiny:1b    1 GB  yes  x' 'hf:org/name  2 GB yes x' "
                    "'ollama:$(touch PWNED)  1 GB  yes  x'\n")
    fake.chmod(0o755)
    for shell in ("bash", "zsh", "fish"):
        (scratch / f"_consilium.{shell}").write_text(run("manual", shell).stdout)


ENVIRONMENT = {k: v for k, v in os.environ.items() if k in ("LANG", "LC_ALL")} | {
    "HOME": str(scratch), "XDG_CONFIG_HOME": str(scratch / "config"), "TERM": "dumb", "LC_ALL": "C.UTF-8",
    "XDG_DATA_HOME": str(scratch / "data"), "PATH": f"{scratch}/bin:{os.environ['PATH']}"}


def bash(words):
    """What is offered for the last word; words stand as bash's line editor parts them."""
    quoted = " ".join("'" + w.replace("'", "'\\''") + "'" for w in words)
    script = (f"source {scratch}/_consilium.bash; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
              "_consilium; ((${#COMPREPLY[@]})) && printf '%s\\0' \"${COMPREPLY[@]}\"; true")
    done = subprocess.run(["bash", "-c", script], capture_output=True, cwd=scratch / "work",
                          env=ENVIRONMENT, timeout=60)
    assert not done.stderr, done.stderr
    return sorted(done.stdout.decode().split("\0")[:-1])


def fish(line):
    done = subprocess.run(["fish", "-c", f"source {scratch}/_consilium.fish; complete -C {line!r}"],
                          capture_output=True, text=True, cwd=scratch / "work", env=ENVIRONMENT,
                          timeout=60)
    assert not done.stderr, done.stderr
    return sorted(row.split("\t")[0] for row in done.stdout.splitlines())


class Interactive:
    """A shell on a pty: the line after Tab, and what it listed."""

    def __init__(self, shell, start):
        self.child = pexpect.spawn(shell[0], shell[1:], env=ENVIRONMENT, cwd=str(scratch / "work"),
                                   encoding="utf-8", codec_errors="replace", timeout=20,
                                   dimensions=(50, 200))
        self.child.sendline(start + "; PS1='READ''Y> '")
        self.child.expect("READY> ")
        self.wait()

    def wait(self, seconds=0.3):
        text = ""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                text += self.child.read_nonblocking(65536, seconds)
            except pexpect.TIMEOUT:
                break
        return text

    def tab(self, line, twice=False):
        self.child.send(line + "\t")
        text = self.wait()
        if twice:
            self.child.send("\t")
            text += self.wait()
        self.child.send("\x15\x0b")
        self.wait()
        self.child.send("\r")
        self.wait(0.2)
        return text


PERSONAS = sorted(GOOD + ("philosopher", "coder", "critic", "chair"))
CASES = (  # line as fish takes it, what is offered
    ("help to", ["tokenize"]),
    ("ask --merge ", ["auto", "best", "blend", "debate", "none", "synth", "vote"]),
    ("ask --prefill sh", ["shared"]),
    ("ask --only ", sorted([*PERSONAS, "merge"])),
    ("ask --resume ", sorted(GOOD)),
    ("ask --session l", ["lawyer"]),
    ("ask -p ", sorted([*PERSONAS, "auto"])),
    ("trace x -p ", PERSONAS),
    ("ask --mode ", ["auto", "code", "dialog", "off", "think"]),
    ("transcripts show ", sorted(GOOD)),
    ("transcripts export j", ["judge_2"]),
    ("transcripts replay ", sorted(GOOD)),
    ("personas check law", ["lawyer"]),
    ("personas pack law", ["lawyer"]),
    ("train law", ["lawyer"]),
    ("train lawyer --what ", ["blend", "experts", "lora", "router", "verifier"]),
    ("personas show ", PERSONAS),
    ("model inf", ["info"]),
    ("manual ", ["bash", "fish", "man", "zsh"]),
)


def nothing_ran():
    found = [p for p in scratch.rglob("PWNED")]
    assert not found, found


def test_bash():
    for line, wanted in CASES:
        with case(f"bash: consilium {line}"):
            got = bash(["consilium", *line.split(" ")])
            assert got == wanted, got
    for words, wanted in ((["ask", "-p", "coder,j"], ["coder,judge_2"]),
                          (["ask", "--personas", "=", "coder,critic,l"], ["coder,critic,lawyer"]),
                          (["ask", "-p", "coder,"],
                           sorted("coder," + p for p in PERSONAS if p != "coder")),
                          (["ask", "--control", "="], ["mask", "none", "prompt"]),
                          (["ask", "--kv", "=", "q"], ["q8_0"]),
                          (["-p", "coder", "as"], ["ask"]),
                          (["-m", "ollama", ":", "x", "ask", "--merge", "v"], ["vote"]),
                          (["ask", "-m", "ollama", ":"], ["tiny:1b"]),
                          (["ask", "-m", "hf"], ["hf:org/name"]),
                          (["ask", "--resume", "$(touch PWNED)"], []),
                          (["ask", "--resume", "`touch PWNED`"], []),
                          (["ask", "-f", "lawy"], ["lawyer.txt"]),
                          (["ask", "--adapter", "lawy"], ["lawyer.txt"]),
                          (["model", "export", "-o", "lawy"], ["lawyer.txt"]),
                          (["transcripts", "export", "x", "--to", ""], ["html", "json", "md"]),
                          (["ask", "-f", "$(touch PWNED)"], [])):
        with case(f"bash: {' '.join(words)!r}"):
            got = bash(["consilium", *words])
            assert got == wanted, got
    with case("bash: files are offered by their names, whatever they are"):
        got = bash(["consilium", "ask", "-f", ""])
        assert got == sorted(p.name for p in (scratch / "work").iterdir()), got
    with case("bash, at a prompt: Tab inserts, lists, and runs nothing"):
        shell = Interactive(["bash", "--norc", "--noprofile", "-i"], f"source {scratch}/_consilium.bash")
        for line, wanted in (("--personas coder,law", "--personas coder,lawyer"),
                             ("--resume l", "--resume lawyer"), ("-m ollama:ti", "-m ollama:tiny:1b")):
            text = shell.tab("consilium ask " + line)
            assert wanted in text, text
        for line in ("consilium ask -f ", "consilium ask -f '$(", "consilium -m ", "consilium ask -f x"):
            shell.tab(line, twice=True)
    with case("bash: nothing ran"):
        nothing_ran()


def test_zsh():
    start = (f"cp {scratch}/_consilium.zsh {scratch}/_consilium; fpath=({scratch} $fpath); autoload -Uz compinit; "
             "compinit -u -D; zstyle ':completion:*' list-colors ''; LISTMAX=1000")
    shell = Interactive(["zsh", "-f", "-i"], start)
    for line, wanted in CASES:
        with case(f"zsh: consilium {line}"):
            text = shell.tab("consilium " + line, twice=True)
            if len(wanted) == 1:
                assert line.rsplit(" ", 1)[0] + " " + wanted[0] in text, text
            else:
                assert all(w in text for w in wanted), text
            assert "touch" not in text and "mask.json" not in text, text
    for line, wanted in (("ask -p coder,j", "coder,judge_2"), ("ask --personas=coder,critic,l", "lawyer"),
                         ("ask --control=pr", "--control=prompt"), ("ask -m ollama:t", "ollama:tiny:1b"),
                         ("ask -f lawy", "lawyer.txt"), ("ask --adapter lawy", "lawyer.txt")):
        with case(f"zsh: consilium {line}"):
            text = shell.tab("consilium " + line)
            assert wanted in text.replace("\\", ""), text
    with case("zsh: files of any name, and nothing ran"):
        for line in ("ask -f ", "ask -f x", "-m ", "transcripts show x", "ask --mask "):
            shell.tab("consilium " + line, twice=True)
        nothing_ran()


def test_fish():
    for line, wanted in CASES:
        with case(f"fish: consilium {line}"):
            got = fish("consilium " + line)
            assert got == wanted, got
    for line, wanted in (("ask -p coder,j", ["coder,judge_2"]), ("ask -m ollama:", ["ollama:tiny:1b"]),
                         ("ask -f lawy", ["lawyer.txt"]), ("ask --adapter lawy", ["lawyer.txt"]),
                         ("ask --control=pr", ["--control=prompt"]), ("ask --control=m", ["--control=mask"])):
        with case(f"fish: consilium {line}"):
            got = fish("consilium " + line)
            assert wanted[0] in got, got
    with case("fish: nothing ran"):
        nothing_ran()


prepare()
for name, test in (("bash", test_bash), ("zsh", test_zsh), ("fish", test_fish)):
    if SANITIZED and name != "bash":
        continue  # the scripts are the same
    if shutil.which(name):
        test()
    else:
        skip(f"{name} completes", f"{name} is not installed")
finish()
