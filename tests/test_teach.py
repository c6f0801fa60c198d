#!/usr/bin/env python3
"""/teach on a real pty: what is kept as a lesson, where, and what is no lesson."""
import json
import stat

from suite import ROOT, case, finish, run
from talk_screen import MODEL, Talk

SHIPPED = ROOT / "personas/shipped"
EDITOR = "sh -c 'printf \"edited by hand\\n\" > \"$0\"'"


def last(text):
    return " ".join(text.split())


def lessons(folder, name):
    path = folder / f"{name}.lessons.jsonl"
    return [json.loads(x) for x in path.read_text().splitlines() if x and not x.startswith("#")]


COUNT = len(lessons(SHIPPED, "coder"))
t = Talk("teach", "-p", "coder,critic", "--merge", "none", "--max-tokens=1", VISUAL=EDITOR)
FOLDER = t.home / ".config/consilium/personas"

with case("before anything was asked there is nothing to teach; a name is needed"):
    assert "asked" in last(t.say("/teach coder"))
    assert "/teach NAME" in t.say("/teach")
    assert not FOLDER.exists()

with case("an answer that broke off is refused, and nothing is copied or written"):
    t.say("What is a mask?")  # one token of noise: it ends by length
    said = last(t.say("/teach coder"))
    assert "broke off (length)" in said and "/teach coder edit" in said, said
    assert not FOLDER.exists() or not list(FOLDER.iterdir())

with case("/teach NAME TEXT: a copy of the shipped persona, the line behind its lessons, the count"):
    said = last(t.say("/teach coder A mask says which \"experts\" may run.  It has 32 bits."))
    assert f"kept: coder has {COUNT + 1} lessons now" in said and "train coder" in said, said
    kept = FOLDER / "coder.lessons.jsonl"
    before = (SHIPPED / "coder.lessons.jsonl").read_bytes()
    assert kept.read_bytes().startswith(before)
    assert json.loads(kept.read_bytes()[len(before):]) == {
        "question": "What is a mask?", "answer": "A mask says which \"experts\" may run.  It has 32 bits."}
    assert (FOLDER / "coder.json").read_bytes() == (SHIPPED / "coder.json").read_bytes()
    assert list(FOLDER.glob("coder.*.mask.json"))

with case("edit: what the editor leaves is the answer; a picked answer stands before the persona's own"):
    said = last(t.say("/teach coder edit"))
    assert f"kept: coder has {COUNT + 2} lessons" in said, said
    assert lessons(FOLDER, "coder")[-1]["answer"] == "edited by hand"
    t.say("/pick critic")
    said = last(t.say("/teach coder"))
    assert "the answer of critic broke off" in said, said

with case("a persona of one's own without lessons gets a file, private; one that does not speak here too"):
    (FOLDER / "nurse.json").write_text('{"persona": 1, "name": "nurse"}')
    said = last(t.say("/teach nurse Rest, and drink."))
    assert "kept: nurse has 1 lesson now; about 24 make a voice" in said, said
    assert lessons(FOLDER, "nurse") == [{"question": "What is a mask?", "answer": "Rest, and drink."}]
    assert stat.S_IMODE((FOLDER / "nurse.lessons.jsonl").stat().st_mode) == 0o600
    assert "no persona" in last(t.say("/teach nobody So."))
    assert "no persona's name" in last(t.say("/teach ../x So."))

with case("what its file of lessons names is where it goes; wrong lines in it are told, and stay"):
    (FOLDER / "nurse.json").write_text('{"persona": 1, "name": "nurse", "lessons": {"en": "day.jsonl", "ru": "ru.jsonl"}}')
    (FOLDER / "day.jsonl").write_text('# my own\n{"question": "Q"}')
    said = last(t.say("/teach nurse Rest."))
    assert "kept in" in said and "day.jsonl:2: answer: missing" in said, said
    assert (FOLDER / "day.jsonl").read_text().startswith('# my own\n{"question": "Q"}\n{"question"')
    t.say("Что такое маска?")
    assert "kept: nurse has 1 lesson" in last(t.say("/teach nurse Ткань."))
    assert json.loads((FOLDER / "ru.jsonl").read_text())["question"] == "Что такое маска?"

with case("blind columns must be picked first"):
    t.say("/blind on")
    t.say("Who?")
    assert "/pick one of them" in last(t.say("/teach coder"))
    t.say("/pick A")
    assert "broke off" in last(t.say("/teach coder"))

with case("a disk that is full: it is told, and the file is as it was"):
    (FOLDER / "full.json").write_text('{"persona": 1, "name": "full"}')
    (FOLDER / "full.lessons.jsonl").symlink_to("/dev/full")
    assert "cannot write" in last(t.say("/teach full So."))

with case("what was taught is what train and check read; the transcript knows nothing of it"):
    t.leave()
    out = run("personas", "check", "coder", "-m", MODEL, env=t.environment).stdout
    assert f"{COUNT + 2} lessons" in out, out
    (path,) = t.transcripts()
    assert "edited by hand" not in path.read_text()

with case("an answer that ended by itself is kept as it stands"):
    t = Talk("whole", "-p", "coder", "--merge", "none", "--stop", " ", "--stop", "e")
    for question in ("One?", "Two?", "Three?", "Four?", "Five?"):
        t.say(question)
        said = last(t.say("/teach coder"))
        if f"kept: coder has {COUNT + 1}" in said:
            break
    else:
        raise AssertionError(said)
    (path,) = t.transcripts()
    answers = [json.loads(x) for x in path.read_text().splitlines()[1:]]
    text = [r for r in answers if r["type"] == "answer"][-1]["text"]
    kept = lessons(t.home / ".config/consilium/personas", "coder")[-1]
    assert kept["question"] == question and kept["answer"] == text.replace("\0", "\ufffd"), (kept, text)
    t.leave()

finish()
