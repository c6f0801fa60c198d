#!/usr/bin/env python3
"""A conversation of 200 turns in a small context: memory stays within the keys and values, what leaves the
memory is told and recorded, `/set overflow stop` makes it an error. Then every moment of
test_interrupts.py.
"""
import os
import re
import runpy
import sys
from pathlib import Path

from session_support import REAL, Session
from suite import case

TURNS = 200


def resident(t):
    """Bytes of the process's memory that no file backs."""
    text = Path(f"/proc/{t.child.pid}/status").read_text()
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", text).group(1))


def many_turns():
    t = Session("many", "--max-tokens=2", "--context=256", "--merge=none")
    sizes = []
    with case(f"{TURNS} turns: memory does not grow once the context was full"):
        for i in range(TURNS):
            t.send(f"Number {i}?\r")
            t.wait_text(f"Number {i}?")
            t.read(0.05)
            t.wait_prompt(300)
            sizes.append(resident(t))
        early, late = sizes[TURNS // 4], sizes[-1]
        print(f"# anonymous memory after {TURNS // 4} turns {early >> 10} KiB, after {TURNS} "
              f"{late >> 10} KiB")
        assert late - early < 4 << 20, (early, late)
    with case("what was forgotten is told in a line, and in the record"):
        notes = [r["forgot"] for r in t.records("setting") if "forgot" in r]
        told = t.text().count("no longer remembered")
        assert len(notes) >= 3 and told == len(notes), (told, notes)
        ends = [tuple(map(int, n.split("-"))) for n in notes]
        assert all(b[0] == a[1] + 1 for a, b in zip(ends, ends[1:])), notes
    with case("/set overflow stop: an error with both counts, and no turn"):
        t.say("/set overflow stop")
        before = len(t.records("prompt"))
        said = ""
        for i in range(60):
            said = t.say("word " * 20)
            if "256" in said and "tokens" in said and "saved" not in said:
                break
        else:
            raise AssertionError(said)
        assert len(t.records("prompt")) == before + i
    t.leave()


if REAL:
    many_turns()
    os.environ["PATIENT"] = "1"
    runpy.run_path(str(Path(__file__).with_name("test_interrupts.py")), run_name="__main__")
else:
    print("ok 200 turns and every moment # SKIP the built-in model is not here")
sys.exit(0)
