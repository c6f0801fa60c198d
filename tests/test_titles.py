#!/usr/bin/env python3
"""Titles of conversations, and deleting one: `transcripts rename`, `transcripts delete`, /title."""
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pexpect

from suite import BINARY, case, finish
from talk_screen import MODEL, Talk, environment, scratch

home = environment("titles")
folder = Path(home["HOME"]) / ".local/share/consilium/transcripts"


def consilium(*words, code=0, **more):
    done = subprocess.run([str(BINARY), *map(str, words)], env=home, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60, **more)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def ask(name, prompt):
    consilium("ask", "-m", MODEL, "--max-tokens=4", "--seed=1", "--merge=none", "-p", "coder", "--session", name, prompt)
    return folder / f"{name}.jsonl"


def listed():
    return {e["id"]: e["title"] for e in json.loads(consilium("transcripts", "list", "--format", "json"))}


alpha = ask("alpha", "Should a town close its library?\nSecond line.")
beta = ask("beta", "What is old?")

with case("without a title a conversation is called by its first words"):
    assert listed() == {"alpha": "Should a town close its library?\u2026", "beta": "What is old?"}, listed()
with case("rename: a record is appended, nothing else changes, and the id stays"):
    before = alpha.read_bytes()
    assert '"alpha" ' not in consilium("transcripts", "rename", "al", "The", "old", "  library \u6771")
    after = alpha.read_bytes()
    assert after.startswith(before)
    (line,) = after[len(before):].splitlines()
    record = json.loads(line)
    assert (record["type"], record["title"], record["n"]) == ("title", "The old library \u6771", record["n"])
    assert listed()["alpha"] == "The old library \u6771"
with case("lists, search and exports call it so"):
    assert "The old library \u6771" in consilium("transcripts")
    assert "title" in consilium("transcripts", "search", "old library")
    assert "# The old library \u6771" in consilium("transcripts", "export", "alpha")
    assert "<title>The old library \u6771" in consilium("transcripts", "export", "alpha", "--to", "html")
    assert json.loads(consilium("transcripts", "export", "alpha", "--to", "json"))["transcript"]["title"] == "The old library \u6771"
with case("the last title counts, an empty one goes back to the first words"):
    consilium("transcripts", "rename", "alpha", "Another")
    assert listed()["alpha"] == "Another"
    assert "Nothing was found" in consilium("transcripts", "search", "\u6771")
    consilium("transcripts", "rename", "alpha", "")
    assert listed()["alpha"] == "Should a town close its library?\u2026"
with case("a renamed conversation replays and goes on"):
    consilium("transcripts", "rename", "alpha", "Another")
    consilium("transcripts", "replay", "alpha")
    ask("alpha", "And then?")
    consilium("transcripts", "replay", "alpha")
    assert listed()["alpha"] == "Another"
with case("what cannot be a title is refused, and nothing is written"):
    size = alpha.stat().st_size
    assert "120 characters" in consilium("transcripts", "rename", "alpha", "x" * 121, code=2)
    assert "cannot be seen" in consilium("transcripts", "rename", "alpha", "a\u202eb", code=2)
    assert "UTF-8" in consilium("transcripts", "rename", "alpha", os.fsdecode(b"a\xffb"), code=2)
    assert "needs ID TITLE" in consilium("transcripts", "rename", "alpha", code=2)
    assert "no session" in consilium("transcripts", "rename", "zeta", "x", code=2)
    assert alpha.stat().st_size == size
with case("a title from a stranger's file sends no control bytes"):
    strange = folder / "strange.jsonl"
    strange.write_text(beta.read_text().replace('"id":"beta"', '"id":"strange"') +
                       '{"type":"title","n":99,"turn":1,"parent":0,"time":1,"title":"\\u001b[31mred"}\n')
    assert "\x1b" not in consilium("transcripts") and "\x1b" not in consilium("transcripts", "export", "strange")
    strange.unlink()
with case("while it is being written it is neither renamed nor deleted"):
    with open(alpha, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        before = alpha.read_bytes()
        assert "being written" in consilium("transcripts", "rename", "alpha", "x", code=1)
        assert "being written" in consilium("transcripts", "delete", "alpha", "--yes", code=1)
        assert alpha.read_bytes() == before
with case("delete asks on a terminal; n, Enter and Ctrl-C leave it; y deletes"):
    for keys, status in (("n\r", 0), ("\r", 0), ("\x03", 130), ("y\r", 0)):
        child = pexpect.spawn(str(BINARY), ["transcripts", "delete", "alp"], env=home, timeout=20, encoding="utf-8")
        child.expect_exact('delete alpha for good ("Another", 2 turns)? [y/N] ')
        child.send(keys)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == status, (keys, child.before, child.exitstatus)
        assert alpha.exists() == (keys != "y\r"), keys
    assert set(listed()) == {"beta"}
    assert "Nothing was found" in consilium("transcripts", "search", "library")
with case("elsewhere --yes must be given; --force is the same"):
    assert "--yes" in consilium("transcripts", "delete", "beta", code=2)
    assert beta.exists()
    (folder / "beta.jsonl.torn-1").write_text("torn")
    gamma = ask("gamma", "One?")
    consilium("transcripts", "delete", "beta", "--force")
    assert not beta.exists() and not (folder / "beta.jsonl.torn-1").exists() and gamma.exists()
    assert set(listed()) == {"gamma"}
with case("an id that is none, or the beginning of several, deletes nothing"):
    ask("gamut", "Two?")
    assert "2 sessions begin" in consilium("transcripts", "delete", "gam", "-y", code=2)
    assert "no session" in consilium("transcripts", "delete", "x", "-y", code=2)
    assert "no session" in consilium("transcripts", "delete", "../gamma", "-y", code=2)
    assert "no session" in consilium("transcripts", "delete", "", "-y", code=2)
    assert set(listed()) == {"gamma", "gamut"}
with case("a file that is no transcript any more can be deleted, a link is left alone"):
    (folder / "broken.jsonl").write_text("nonsense\n")
    consilium("transcripts", "delete", "broken", "--yes")
    assert not (folder / "broken.jsonl").exists()
    (folder / "link.jsonl").symlink_to(gamma)
    consilium("transcripts", "delete", "link", "--yes", code=2)
    assert gamma.exists() and (folder / "link.jsonl").is_symlink()
with case("/title, and /sessions shows it"):
    t = Talk("titles", "--merge", "none")
    assert "nothing was asked" in t.say("/title Mine")
    t.say("Three?")
    assert 'called "My own one"' in t.say("/title My own  one")
    assert "My own one" in t.say("/sessions")
    assert "first words" in t.say("/title default") and "Three?" in t.say("/sessions")
    assert "needs the words" in t.say("/title")
    assert "did you mean /title" in t.say("/rename")
    t.leave()
    t = Talk("titles", "--no-save")
    t.say("Four?")
    assert "not saved" in t.say("/title x")
    t.leave()

shutil.rmtree(scratch, ignore_errors=True)
finish()
