#!/usr/bin/env python3
"""Beginning a persona of one's own: `personas new`, what `personas check` still wants, and the examples
that help, manual and README show, run as they stand there.
"""
import json
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

from council_model import make_model
from suite import ROOT, case, finish, run

scratch = Path(tempfile.mkdtemp(prefix="persona-files-"))
FOLDER = scratch / "config" / "consilium" / "personas"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {
    "HOME": str(scratch), "XDG_CONFIG_HOME": str(scratch / "config"), "XDG_CACHE_HOME": str(scratch / "cache"),
    "XDG_DATA_HOME": str(scratch / "data")}
MODEL = make_model(scratch / "moe")


def consilium(*words, status=0):
    done = run(*words, env=ENVIRONMENT, check_status=False)
    assert done.returncode == status, (words, done.returncode, done.stdout[-300:], done.stderr[-600:])
    return done.stdout, done.stderr


def refuse(status, says, *words):
    out, err = consilium(*words, status=status)
    assert all(w in err for w in says), err


def beginning():
    with case("new: a persona and its lessons, private; the lessons say what they are, with an example"):
        out, err = consilium("personas", "new", "lawyer")
        persona, lessons = FOLDER / "lawyer.json", FOLDER / "lawyer.lessons.jsonl"
        assert out == f"{persona}\n" and f"{lessons.name} beside it" in err
        assert {stat.S_IMODE(p.stat().st_mode) for p in (persona, lessons)} == {0o600}
        lines = lessons.read_text().splitlines()
        assert all(line.startswith("#") for line in lines)
        examples = [json.loads(line[2:]) for line in lines if line.startswith("# {")]
        assert len(examples) == 1 and list(examples[0]) == ["question", "answer"]
        assert all(len(line) <= 80 for line in lines) and any("consilium train lawyer" in line for line in lines)
    with case("check names what is still the template's, field by field, then the line of the lessons"):
        refuse(3, ["lawyer.json: about, instruction: still", "lawyer.lessons.jsonl:3: still an example"],
               "personas", "check", "lawyer", "-m", MODEL)
        written = json.loads(persona.read_text())
        persona.write_text(json.dumps(written | {"about": "mine"}))
        refuse(3, ["lawyer.json: instruction: still", "still an example"], "personas", "check", "lawyer", "-m", MODEL)
        persona.write_text(json.dumps(written | {"about": "mine", "instruction": "You are exact."}))
        refuse(3, ["lawyer.lessons.jsonl:3: still an example"], "personas", "check", "lawyer", "-m", MODEL)
        lessons.write_text(lessons.read_text().replace("# {", "{", 1))
        assert "1 lesson in" in consilium("personas", "check", "lawyer", "-m", MODEL)[0]
        persona.write_text(json.dumps({k: v for k, v in written.items() if k != "lessons"} | {
            "about": "mine", "instruction": {"en": "You are exact.", "de": written["instruction"]["en"]}}))
        refuse(3, ["instruction: still"], "personas", "check", "lawyer", "-m", MODEL)
    with case("a template asks and answers, and stands in nobody's way"):
        persona.write_text(json.dumps(written))
        lessons.unlink()
        persona.unlink()
        consilium("personas", "new", "lawyer")
        consilium("ask", "hi", "-p", "lawyer", "-m", MODEL, "--max-tokens=2", "--no-save")
        refuse(1, ["lawyer is not compared with", "no effect found"], "personas", "derive", "coder", "-m", MODEL)
    with case("what is there already is never written over"):
        before = (persona.read_bytes(), lessons.read_bytes())
        refuse(1, ["left alone"], "personas", "new", "lawyer")
        refuse(1, ["left alone"], "personas", "new", "lawyer", "--empty")
        assert (persona.read_bytes(), lessons.read_bytes()) == before
        persona.unlink()
        lessons.write_text("mine")
        assert "lessons.jsonl is there already" in consilium("personas", "new", "lawyer")[1]
        assert lessons.read_text() == "mine"


def only_lessons():
    persona, lessons = FOLDER / "nurse.json", FOLDER / "nurse.lessons.jsonl"
    with case("new --lessons: without a persona of that name both are made, and both are named"):
        out, err = consilium("personas", "new", "nurse", "--lessons")
        assert out == f"{persona}\n{lessons}\n" and "consilium train nurse" in err
    with case("for a persona that is there the lessons alone, once; its file need not name them"):
        refuse(1, [f"{lessons} is there already and was left alone"], "personas", "new", "nurse", "--lessons")
        lessons.unlink()
        persona.write_text('{"persona": 1, "name": "nurse"}')
        out, err = consilium("personas", "new", "nurse", "--lessons")
        assert out == f"{lessons}\n" and persona.read_text() == '{"persona": 1, "name": "nurse"}'
        lessons.write_text('{"question": "Is it safe?", "answer": "Ask a doctor."}\n')
        assert "1 lesson in" in consilium("personas", "check", "nurse", "-m", MODEL)[0]
        persona.write_text('{"persona": 1, "name": "nurse", "lessons": {"en": "night.jsonl"}}')
        assert consilium("personas", "new", "nurse", "--lessons")[0] == f"{FOLDER / 'night.jsonl'}\n"
    with case("of one that came with the program without lessons: a copy, and lessons beside it"):
        out, err = consilium("personas", "new", "chair", "--lessons")
        assert out == f"{FOLDER / 'chair.json'}\n{FOLDER / 'chair.lessons.jsonl'}\n"
        assert (FOLDER / "chair.json").read_bytes() == (ROOT / "personas/shipped/chair.json").read_bytes()
    for path in (persona, lessons, FOLDER / "night.jsonl", FOLDER / "chair.json", FOLDER / "chair.lessons.jsonl"):
        path.unlink()


def all_faults():
    with case("a file of lessons with faults: all are told, file:line: field: what, and nothing is done"):
        consilium("personas", "new", "judge", "--empty")
        (FOLDER / "judge.json").write_text('{"persona": 1, "name": "judge"}')
        path = FOLDER / "judge.lessons.jsonl"
        good = {"question": "Who?", "answer": "Him."}
        path.write_text("\n".join(json.dumps(o) for o in (good, {"question": "Q"}, good | {"id": 7}, good)) + "\n{\n")
        for words in (["personas", "check"], ["personas", "derive"], ["train"]):
            out, err = consilium(*words, "judge", "-m", MODEL, "-q", status=3)
            lines = err.splitlines()
            assert not out and [x.split(": ")[0] for x in lines[:3]] == [f"{path}:{n}" for n in (2, 3, 5)], err
            assert lines[-1] == f"consilium: {path}: the 3 faults above; nothing was done", err
        path.write_text("[]\n" * 30)
        err = consilium("personas", "check", "judge", "-m", MODEL, status=3)[1]
        assert "\nand 10 more\n" in err and err.count("must be an object") == 20
        for file in FOLDER.glob("judge*"):
            file.unlink()


def shipped():
    with case("new NAME of one that came with the program copies it, masks and lessons too, and says so"):
        out, err = consilium("personas", "new", "critic")
        copy, original = FOLDER / "critic.json", ROOT / "personas/shipped" / "critic.json"
        assert out == f"{copy}\n" and "is a copy of the critic that came with the program" in err
        assert copy.read_bytes() == original.read_bytes()
        for path in (ROOT / "personas/shipped").glob("critic.*"):
            assert (FOLDER / path.name).read_bytes() == path.read_bytes(), path
        assert "in order" in consilium("personas", "check", "critic", "-m", MODEL)[0]
        refuse(1, ["left alone"], "personas", "new", "critic")
    with case("a file that the user has beside it stays"):
        (FOLDER / "philosopher.lessons.jsonl").write_text("mine")
        consilium("personas", "new", "philosopher")
        assert (FOLDER / "philosopher.lessons.jsonl").read_text() == "mine"
    with case("--empty begins a bare one, and says what it comes before"):
        out, err = consilium("personas", "new", "coder", "--empty")
        assert "comes before the persona of that name" in err
        refuse(3, ["coder.json: about, instruction: still"], "personas", "check", "coder", "-m", MODEL)
        shown = json.loads(consilium("personas", "list", "--format=json")[0])
        assert [p["path"] for p in shown if p["name"] == "coder"] == [str(FOLDER / "coder.json")]


# ---- the examples, as people read them --------------------------------------------------------


def blocks(text, indent):
    """Runs of indented lines."""
    found, run_of = [], []
    for line in text.splitlines() + [""]:
        if line.startswith(indent) and line.strip():
            run_of.append(line[len(indent):])
        elif run_of:
            found.append("\n".join(run_of))
            run_of = []
    return found


def examples_in(text, indent):
    all_of = blocks(text, indent)
    persona = next(b for b in all_of if '"persona": 1' in b)
    mask = next(b for b in all_of if '"mask": 1' in b)
    rule = next(b for b in all_of if b.startswith('{"when"'))
    lessons = next(b for b in all_of if b.startswith('{"question"'))
    return persona, mask, rule, lessons


def examples():
    from_help = examples_in(consilium("personas", "--help")[0], "  ")
    with case("README, manual and both helps show the same examples"):
        assert examples_in(consilium("personas", "new", "--help")[0], "  ") == from_help
        assert examples_in((ROOT / "README.md").read_text(), "    ") == from_help
        page = consilium("manual", "man")[0].replace("\\-", "-").replace("\\(ga", "`").replace("\\(aq", "'")
        assert all(text in page for text in from_help)
    with case("they work: check reads persona, rule and lessons, ask obeys the mask"):
        persona, mask, rule, lessons = from_help
        whole = json.loads(persona)
        assert whole["name"] == "lawyer" and json.loads(mask)["mask"] == 1
        for path in FOLDER.glob("lawyer*"):
            path.unlink()
        (FOLDER / "lawyer.json").write_text(persona.replace('"rules": []', f'"rules": [{rule}]'))
        (FOLDER / "lawyer.lessons.jsonl").write_text(lessons + "\n")
        (scratch / "lawyer.mask.json").write_text(mask)
        out, err = consilium("personas", "check", "lawyer", "-m", MODEL)
        assert "3 lessons" in out and "1 rule" in out
        answer = json.loads(consilium("ask", "hi", "-p", "lawyer", "-m", MODEL, "--max-tokens=3", "--no-save",
                                      "--format=json", "--mask", f"lawyer={scratch / 'lawyer.mask.json'}")[0])
        assert answer["answers"][0]["routing"]["allowed"] == [7, 7, 7, 7, 5, 8], answer["answers"][0]["routing"]


beginning()
only_lessons()
all_faults()
shipped()
examples()
shutil.rmtree(scratch, ignore_errors=True)
finish()
