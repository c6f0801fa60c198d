#!/usr/bin/env python3
"""/train and /untrain on a real pty: the real command learns beside the conversation, two steps long."""
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from suite import BINARY, ROOT, case, finish
from talk_screen import MODEL, Talk

STEPS = ["--steps=2", "--layers=4-5", "--experts=1"]


def last(text):
    return " ".join(text.split())


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def children(pid):
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def trainer(t):
    """The process that learns, beside the broker's."""
    return children(children(t.child.pid)[0])


def begin(name, *words, **more):
    t = Talk(name, "-p", "nurse,critic", "--merge", "none", *words, wait=False, **more)
    folder = t.home / ".config/consilium/personas"
    if not folder.exists():  # the program ended: nurse was not there yet
        t.close()
        folder.mkdir(parents=True)
        (folder / "nurse.json").write_text('{"persona": 1, "name": "nurse", "instruction": "Be calm."}')
        lines = (ROOT / "personas/shipped/critic.lessons.jsonl").read_text().splitlines(True)
        (folder / "nurse.lessons.jsonl").write_text("".join(lines[:10]))
        t = Talk(name, "-p", "nurse,critic", "--merge", "none", *words, wait=False, **more)
    t.wait_prompt()
    return t, folder


def made(folder):
    return sorted(p.name for p in folder.glob("nurse.*") if ".adapter." in p.name or ".mask." in p.name)


def wait_end(t, says):
    """Until it is told, while nobody types; returns all that came behind the command."""
    for _ in range(600):
        t.read(0.2)
        said = last(t.text().rsplit("\u203a /train", 1)[-1])
        if says in said or "was not trained" in said:
            t.wait_prompt()
            return said
    raise AssertionError(t.text()[-800:])


t, FOLDER = begin("train")
with case("nothing is trained unasked; what cannot be is told before anything starts"):
    assert "nobody is being trained" in last(t.say("/train"))
    assert "nobody is being trained" in last(t.say("/train stop"))
    assert "no lessons" in last(t.say("/train chair"))
    for words, says in (("--steps=x", "--steps"), ("--stepz=2", "unknown option"), ("-m x", "--model is the conversation's"),
                        ("--format=ndjson", "--format is"), ("--no-sandbox", "--no-sandbox is"), ("more", "one argument")):
        said = last(t.say(f"/train nurse {words}"))
        assert says in said, said
    good = (FOLDER / "nurse.lessons.jsonl").read_text()
    (FOLDER / "nurse.lessons.jsonl").write_text(good + '{"question": "Q"}\n[]\n')
    said = last(t.say("/train nurse"))
    assert "nurse.lessons.jsonl:11: answer: missing" in said and ":12: must be an object" in said, said
    (FOLDER / "nurse.lessons.jsonl").write_text(good)
    assert not made(FOLDER) and not trainer(t)

with case("it learns beside the conversation, at the lowest priority and out of Ctrl-C's reach"):
    said = last(t.say("/train nurse --steps=2000 --layers=4-5 --experts=1"))
    assert "training nurse beside the conversation" in said, said
    (pid,) = trainer(t)
    assert os.sched_getscheduler(pid) == os.SCHED_IDLE and os.getpriority(os.PRIO_PROCESS, pid) == 19
    assert os.getpgid(pid) == pid != os.getpgid(t.child.pid)
    assert "training nurse" in t.rows()[t.screen.cursor.y]
    t.send("\x03")
    t.read(0.3)
    said = last(t.say("Who is there?"))  # answers come meanwhile, and nothing is printed into them
    assert "nurse" in said and "critic" in said and "loss" not in said, said
    assert within(60, lambda: " of 2000, loss " in last(t.say("/train"))), t.text()[-600:]
    assert "is being trained; /train stop" in last(t.say("/train critic"))
    assert not (FOLDER / "critic.json").exists()

with case("/train stop keeps what there is, or says that there is nothing yet"):
    assert "keeps what there is" in last(t.say("/train stop"))
    said = wait_end(t, "was trained in part")
    assert "nurse was" in said and not trainer(t), said
    assert "training" not in t.rows()[t.screen.cursor.y]
    assert "nurse was" in last(t.say("/train"))

with case("a run to its end is told in one line; /train use seats it"):
    for path in FOLDER.glob("nurse.*.*"):
        if ".lessons." not in path.name:
            path.unlink()
    assert "training nurse" in last(t.say(f"/train nurse {' '.join(STEPS)}"))
    said = wait_end(t, "nurse is trained")
    assert "nurse is trained, held out" in said and "/train use nurse takes it" in said, said
    assert "is trained, best at step" in last(t.say("/train"))
    assert len(made(FOLDER)) == 2, made(FOLDER)
    said = last(t.say("/train use nurse"))
    assert "nurse acts by prompt+mask+adapter now" in said, said
    t.say("And now?")

for typed, columns in (("", 120), ("half a quest\u00e9", 120), ("a line that is longer than the screen " * 3, 60)):
    with case(f"the end is told at once while a prompt with {len(typed)} characters waits at {columns} columns"):
        w, _ = begin("news", columns=columns)
        w.say(f"/train nurse {' '.join(STEPS)}")
        w.send(typed)
        w.wait_text("nurse is trained, held out")
        w.wait(lambda: "training nurse" not in w.text().rsplit("is trained", 1)[1], "a prompt without it")
        w.read(0.3)
        rows = w.rows()
        told = next(i for i, r in enumerate(rows) if r.startswith("nurse is trained"))
        assert sum("nurse is trained" in r for r in rows) == 1, rows
        line = "".join(rows[told + (2 if columns < 80 else 1):]).strip()  # it is folded where it must be
        assert line.replace(" ", "") == f"own 2 \u203a {typed}".replace(" ", ""), (line, rows)
        assert not any("quest" in r or "longer" in r for r in rows[:told]), rows
        w.send("\x05 and more\r")  # what was typed can still be edited and sent
        w.wait_text("and more")
        w.wait_prompt()
        assert "nurse is trained" not in w.text().rsplit("and more", 1)[1]
        w.close()

with case("on a screen of 20 by 24 the end is told between words, once, above a whole prompt"):
    w, _ = begin("tiny", columns=20, rows=24)
    w.say(f"/train nurse {' '.join(STEPS)}")
    w.send("half a quest")
    w.wait(lambda: "is trained, held" in last(w.text()), "the news")
    w.wait(lambda: "training" not in last(w.text()).rsplit("is trained", 1)[1], "a prompt without it")
    w.read(0.3)
    text = last(w.text())
    assert text.count("nurse is trained") == 1, text
    end = text.rsplit("nurse is trained, ", 1)[1]
    assert re.fullmatch(r"held out [\d.]+ \(plain [\d.]+\): /train use nurse takes it own 2 \u203a half a quest", end), end
    w.send(" and more\r")
    w.wait(lambda: "half a quest and more" in last(w.text()), "what was typed")
    w.wait_prompt()
    w.close()

with case("/untrain says what would go, and does it with yes; then it is as it was"):
    said = last(t.say("/untrain nurse"))
    assert "nothing was trained before: /untrain nurse yes" in said and len(made(FOLDER)) == 2, said
    said = last(t.say("/untrain nurse yes"))
    assert "what was trained for nurse is gone" in said and "nurse acts by prompt now" in said, said
    assert not made(FOLDER)
    assert "nobody is being trained" in last(t.say("/train"))  # a result that is gone cannot be taken
    assert "nothing was trained for nurse" in last(t.say("/untrain nurse"))
    assert "no persona" in last(t.say("/untrain nobody"))

with case("leaving stops it, keeps its state, and leaves no process"):
    t.say("/train nurse --steps=2000 --layers=4-5 --experts=1")
    (pid,) = trainer(t)
    assert within(60, lambda: " of 2000, loss " in last(t.say("/train")))
    status, text = t.leave()
    assert status == 0 and not Path(f"/proc/{pid}").exists()
    command = re.search(r"`consilium (train nurse [^`]* --resume)` goes on", last(text))
    assert command, text[-500:]

with case("the command that was told goes on where it was"):
    go = subprocess.Popen([str(BINARY), *command[1].split(), "--format=ndjson"], env=t.environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    start = json.loads(go.stdout.readline())
    go.send_signal(signal.SIGINT)
    go.communicate(timeout=60)
    assert start["event"] == "start" and start["resumed"] > 0 and go.returncode == 130, (start, go.returncode)

with case("kill -9 of the conversation ends it too"):
    t, _ = begin("train")
    t.say("/train nurse --steps=2000 --layers=4-5 --experts=1 --seed=2")
    (pid,) = trainer(t)
    os.kill(t.child.pid, signal.SIGKILL)
    assert within(30, lambda: not Path(f"/proc/{pid}").exists()), "it goes on"
    t.close()

finish()
