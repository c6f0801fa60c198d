#!/usr/bin/env python3
"""/routing and /trace on a real pty: what is read again afterwards is what was recorded while it was said."""
import re

import numpy as np
import pyte

from suite import case, finish, run
from talk_screen import MODEL, Talk

ASKED = ["--seed=5", "--max-tokens=20", "--personas=coder,critic", "--control"]
t = Talk("routing", *ASKED, "--merge", "none")

with case("without an answer there is nothing to show"):
    assert "nothing was asked yet" in t.say("/routing")

with case("/routing draws who spoke, tells figures and where they part"):
    t.say("hello there")
    said = t.say("/routing")
    for word in ("coder", "critic", "control", "denied", "entropy"):
        assert word in said, said

with case("/trace writes the routes that `trace` records while it asks"):
    mine, theirs = t.home / "mine.npz", t.home / "theirs.npz"
    assert "wrote" in t.say(f"/trace {mine}")
    run("trace", "hello there", "-m", MODEL, *ASKED, "-o", theirs, env=t.environment)
    a, b = np.load(mine), np.load(theirs)
    assert a.files == b.files and len(a.files) == 27, a.files
    for key in a.files:
        assert a[key].tobytes() == b[key].tobytes(), key

with case("and a page; a file that is there is left alone without !"):
    page = t.home / "routes.html"
    assert "wrote" in t.say(f"/trace {page}")
    assert "<script>" in page.read_text() and "hello there" in page.read_text()
    assert "is there already" in t.say(f"/trace {page}")
    assert "wrote" in t.say(f"/trace {page}!")
    assert "does not end with" in t.say("/trace routes.txt")

with case("the second turn is read with all that it remembers, and goes on unharmed"):
    before = t.say("and now?")
    assert "wrote" in t.say(f"/trace {t.home / 'second.npz'}")
    again = np.load(t.home / "second.npz")
    assert again["coder.prompt"] > np.load(mine)["coder.prompt"]
    assert before

def pictures(text, word):
    """What stands below the last line that has the word three times, in columns of eight experts."""
    lines = text.splitlines()
    y = max(i for i, line in enumerate(lines) if len(re.findall(word, line)) == 3)
    at = [m.start() for m in re.finditer(word, lines[y])]
    return [[line.ljust(120)[x:x + 8] for x in at] for line in lines[y + 1:y + 7]]


live = Talk("live", *ASKED, "--merge", "none", "--max-tokens=1200", NO_COLOR="1")

with case("while nobody watches there is no picture"):
    live.say("hello there")
    assert "experts 0-" not in live.text() and not re.search("[░▒▓█]", live.text())

with case("/routing live: what stands below a complete answer is what /routing draws of it"):
    assert "/routing off" in live.say("/routing live")
    before = len(live.raw)
    mine = pictures(live.say("is it the code?"), "layers 0-5")
    asked = pictures(live.say("/routing"), "coder  |critic  |control")
    assert mine == asked and all(re.search("[▒▓█]", row[0]) for row in mine), (mine, asked)

with case("while answers grow it shows their last tokens"):
    screen = pyte.Screen(120, 200)
    stream, seen = pyte.ByteStream(screen), set()
    for frame in live.raw[before:].split(b"\x1b[?2026h"):
        stream.feed(frame)
        rows = [line for line in screen.display if re.search("[░▒▓█]", line)]
        if any("writing" in line for line in screen.display):
            seen.add("\n".join(rows))
    assert seen - {""} and "\n".join(rows) not in seen, seen

with case("/routing off takes it away, and a blind exchange shows none"):
    assert "not shown" in live.say("/routing off")
    assert "experts 0-7" not in live.say("again?")
    live.say("/routing live")
    live.say("/blind on")
    assert "experts 0-7" not in live.say("and who?")
    assert "/routing live" in live.say("/routing on")
    plain = Talk("plain", *ASKED, "--plain")
    assert "nothing moves" in plain.say("/routing live")

finish()
