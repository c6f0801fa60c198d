#!/usr/bin/env python3
"""Groups of personas as a user meets them: files that are refused, every format of `ask`, the record and
its replay, the columns of a conversation. The model is the tiny random one of council_model.py.
"""
import json
import os
import re
import shutil
import subprocess

from suite import BINARY, case, finish, run
from talk_screen import MODEL, Talk, environment, scratch

QUESTION = "Should a town close its old library?"
GROUPS = {
    "team": {"members": ["coder", "critic"], "merge": "vote"},
    "board": {"members": ["philosopher", "team"], "merge": "synth"},
    "arguers": {"members": ["coder", "critic"], "merge": "debate:1"},
    "mixers": {"members": ["coder", "critic"], "merge": "blend"},
    "pair": {"members": ["coder", "critic"], "merge": "none"},
    "ring": {"members": ["coder", "back"]},
    "back": {"members": ["critic", "ring"]},
}


def home(name):
    """A folder with the groups, and what runs there."""
    it = environment(name)
    folder = scratch / name / ".config/consilium/personas"
    folder.mkdir(parents=True, exist_ok=True)
    for group, what in GROUPS.items():
        (folder / f"{group}.json").write_text(json.dumps({"persona": 1, "name": group, "group": what}))
    return it, folder


HOME, FOLDER = home("groups")
HOME.pop("XDG_DATA_HOME", None)


def consilium(*words, status=0):
    done = run(*words, check_status=False, env=HOME)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-300:]}"
    return done


def ask(*words, **more):
    return consilium("ask", QUESTION, "-m", MODEL, "--seed=4", "--max-tokens=12", *words, **more)


def answers(*words):
    """What --format json says: all of it, and its answers by name."""
    whole = json.loads(ask("--format=json", *words).stdout)
    return whole, {a["persona"]: a for a in whole["answers"]}


def refusals():
    with case("a group that is within itself is refused by all names on the way, before a model is opened"):
        done = ask("-p", "ring", status=3)
        assert "ring: back: ring: a group cannot be within itself" in done.stderr, done.stderr
    for text, why in (('{"members":["coder"]}', "group: members: a group has 2 to 256, not 1"),
                      ('{"members":["coder","critic"],"merg":"vote"}', "group: merg: no such field"),
                      ('["coder","critic"]', "group is a list, expected an object"),
                      ('{"members":["coder","nobody"]}', "wrong: no persona nobody")):
        with case(f"refused by field: {why}"):
            (FOLDER / "wrong.json").write_text('{"persona":1,"name":"wrong","group":%s}' % text)
            assert why in ask("-p", "wrong", status=3).stderr
    (FOLDER / "wrong.json").unlink()
    with case("where one pass is wanted a group is refused"):
        for words in (("logits", "--tokens=1,2", "--output", scratch / "x"), ("compare", QUESTION),
                      ("trace", QUESTION)):
            done = consilium(*words, "-m", MODEL, "-p", "team", status=2)
            assert "team is a group of personas, which has no pass of its own" in done.stderr, done.stderr


def formats():
    with case("json: members, then the group with its merge, then the outer merge of both"):
        whole, by = answers("-p", "philosopher,team", "--merge=vote", "--control")
        assert list(by) == ["philosopher", "team/coder", "team/critic", "control", "team"], list(by)
        team = by["team"]
        assert team["acts_by"] == "group" and team["tokens"] == [] and "merge" not in by["team/coder"]
        within = team["merge"]
        assert within["method"] == "vote" and within["of"] == ["team/coder", "team/critic"]
        assert team["text"] == by[within["by"]]["text"] and team["stop"] == by[within["by"]]["stop"]
        assert abs(sum(within["shares"]) - 1) < 1e-9
        shares, names = whole["merge"]["shares"], list(by)
        joined = {names[i] for i, s in enumerate(shares) if s is not None}
        assert joined == {"philosopher", "team"}, joined
    with case("a member answers as it does in another group of that name, whoever sits beside it"):
        alone = answers("-p", "team")[1]
        for name in ("team/coder", "team/critic"):
            assert alone[name]["tokens"] == by[name]["tokens"]
        assert alone["team"]["merge"]["scores"] == team["merge"]["scores"]
    with case("groups within groups; every way of joining"):
        by = answers("-p", "board,arguers,mixers", "--merge=none")[1]
        assert list(by)[-4:] == ["board/team", "board", "arguers", "mixers"], list(by)
        assert by["board"]["merge"]["of"] == ["board/philosopher", "board/team"]
        assert by["arguers"]["merge"]["method"] == "debate" and len(by["arguers"]["merge"]["revised"]) == 2
        assert by["mixers"]["merge"]["method"] == "blend" and by["mixers"]["tokens"]
    with case("merge none: the members sit beside the others, and there is no answer of the group"):
        whole, by = answers("-p", "pair,philosopher", "--merge=vote")
        assert list(by) == ["pair/coder", "pair/critic", "philosopher"], list(by)
        assert None not in whole["merge"]["shares"]
    with case("text: the group says whose answer it takes; --only prints it, or a member, alone"):
        text = ask("-p", "philosopher,team").stdout
        at = re.search(r"^team \(group\)\nthe answer of (team/\w+), above$", text, re.M)
        assert at and text.index("team/critic (") < at.start() < text.index("merged ("), text
        alone, whose = (re.sub(r"\\x[0-9a-f]{2}", "\ufffd", ask("-p", "philosopher,team", f"--only={name}", "--no-save")
                               .stdout.strip()) for name in ("team", at[1]))
        assert alone == whose and alone, (alone, whose)
        assert "is not among those who answer" in ask("-p", "team", "--only=team/cook", status=2).stderr
    with case("md and ndjson tell it too"):
        md = ask("-p", "philosopher,team", "--format=md").stdout
        assert re.search(r"^## team\n\nThe answer of team/\w+, above\.\n\n\*vote: ", md, re.M), md
        events = [json.loads(line) for line in ask("-p", "team,coder", "--format=ndjson").stdout.splitlines()]
        told = [e["answer"]["persona"] for e in events if e["event"] == "answer"]
        assert told[-1] == "team" and sorted(told) == ["coder", "team", "team/coder", "team/critic"], told
        assert {e["persona"] for e in events if e["event"] == "token"} == set(told) - {"team"}
    with case("options for a persona, or for a group, reach the members"):
        by = answers("-p", "team,philosopher", "--experts", "coder=3,team=2")[1]
        assert by["team/critic"]["acts_by"].endswith("experts 2"), by["team/critic"]["acts_by"]
        assert "experts" not in by["philosopher"]["acts_by"]
    with case("everyone: the experts of all members"):
        assert "everyone" in answers("-p", "team,philosopher", "--everyone", "--merge=none")[1]


def record():
    with case("the record is replayed, members and merges, and is exported"):
        whole = json.loads(ask("-p", "board,arguers,mixers", "--format=json").stdout)
        name = whole["session"]
        done = consilium("transcripts", "replay", name)
        assert "11 answers of 1 turn" in done.stdout and "all equal" in done.stdout, done.stdout
        shown = consilium("transcripts", "show", name).stdout
        assert re.search(r"^board/team\n.*\ngroup, vote: ", shown, re.M | re.S), shown
        for form in ("md", "html", "json"):
            assert "board/team" in consilium("transcripts", "export", name, "--to", form).stdout
    path = next((scratch / "groups/.local/share/consilium/transcripts").glob(f"{name}.jsonl"))
    lines = path.read_text().splitlines()
    with case("a score that was not so is found by the replay"):
        changed = []
        for line in lines:
            r = json.loads(line)
            if r.get("persona") == "board/team":
                r["merge"]["scores"][0][1] += 1e-9
            changed.append(json.dumps(r))
        path.write_text("\n".join(changed) + "\n")
        done = consilium("transcripts", "replay", name, status=1)
        assert "board/team: its members' answers are joined otherwise" in done.stdout, done.stdout
        path.write_text("\n".join(lines) + "\n")
    with case("a group that is another one today is told"):
        team = FOLDER / "team.json"
        kept = team.read_text()
        team.write_text(kept.replace('"vote"', '"synth"'))
        done = run("transcripts", "replay", name, check_status=False, env=HOME)
        team.write_text(kept)
        assert done.returncode == 1 and "a group had other members or another merge" in done.stderr, done.stderr
    with case("a question goes on in the session: members remember their own answers"):
        ask("--resume", name, "--format=json")
        assert "all equal" in consilium("transcripts", "replay", name).stdout


def files():
    with case("personas list, show, check and new know groups"):
        listed = {p["name"]: p for p in json.loads(consilium("personas", "list", "--format=json").stdout)}
        assert listed["team"]["acts_by"] == "group" and "cannot be within itself" in listed["ring"]["problem"]
        assert "members" in consilium("personas", "show", "team").stdout
        done = consilium("personas", "check", "board", "-m", MODEL).stdout
        assert re.search(r"^  board +synth of board/philosopher, board/team$", done, re.M), done
        assert "a group cannot be within itself" in consilium("personas", "check", "ring", status=3).stderr
        consilium("personas", "new", "trio", "coder,critic,philosopher")
        assert "trio/critic" in answers("-p", "trio")[1]
        assert "no persona nobody" in consilium("personas", "new", "bad", "coder,nobody", status=3).stderr
        assert not (FOLDER / "bad.json").exists()
        assert "pack its members" in consilium("personas", "pack", "team", "-o", scratch / "x.zip", status=2).stderr


def conversation():
    home("talk")
    t = Talk("talk", "-p", "philosopher,team")
    with case("a conversation: members in columns, below them how the group joined them, then the merge"):
        t.say(QUESTION)
        t.wait_text("saved")
        text = t.text()
        assert re.search(r"philosopher .*\u2502 team/coder .*\u2502 team/critic ", text), text
        group, outer = text.index("team \u00b7 vote  \u2605 team/"), text.rindex("\n vote  \u2605")
        assert group < outer, text
    with case("/show, /pick, /personas and /merge know it"):
        t.say("/show team")
        t.say("/pick team")
        t.wait_text("picked team")
        t.say("/personas")
        t.wait_text("vote of team/coder, team/critic")
    with case("a member is given anew, and the group with it; it goes on only by its members"):
        t.say("/retry team/critic")
        t.wait(lambda: t.text().count("team \u00b7 vote") == 2, "the group joined anew")
        t.say("/continue team")
        t.wait_text("team is a group: its members may go on, as team/coder")
    with case("@team asks its members, /debate leaves its answer as it is"):
        t.say("@team Why?")
        t.wait(lambda: t.text().count("team \u00b7 vote") == 3, "the group's answer")
        t.say("How?")
        t.wait(lambda: t.text().count("team \u00b7 vote") == 4, "an answer of all")
        t.say("/debate")
        t.wait(lambda: re.search(r"debate  \u2605", t.text()), "the debate")
        assert "philosopher  round 1" in t.text() and "team/coder  round 1" not in t.text()
    t.leave()
    with case("all of the conversation is replayed"):
        path = t.transcripts()[0]
        done = subprocess.run([BINARY, "transcripts", "replay", path.stem], env=t.environment,
                              capture_output=True, text=True)
        assert done.returncode == 0 and "all equal" in done.stdout, done.stdout + done.stderr
        kinds = [json.loads(line).get("persona") for line in path.read_text().splitlines()]
        assert kinds.count("team") == 4


for part in (refusals, formats, record, files, conversation):
    part()
shutil.rmtree(scratch, ignore_errors=True)
finish()
