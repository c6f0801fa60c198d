#!/usr/bin/env python3
"""/routing and /trace on a real pty: what is read again afterwards is what was recorded while it was said."""
import numpy as np

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

finish()
