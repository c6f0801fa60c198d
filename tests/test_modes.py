#!/usr/bin/env python3
"""Modes, and the choice of a persona, as people use them: auto is right on at least nine of ten prompts that were set aside; a mode is the
options that it stands for, byte for byte, and gives way to those that were asked for; its tags are no part of
the prompt; a broken file is refused by file and field. The model is a tiny random one that chats.
"""
import json
import os
import subprocess
import tempfile
from pathlib import Path

from council_model import make_model
from suite import ROOT, case, finish, run
from talk_screen import MODEL as TALK_MODEL
from talk_screen import Talk

LEAST = 0.9
scratch = Path(tempfile.mkdtemp(prefix="modes-"))
HOME = {"HOME": str(scratch / "home"), "XDG_CONFIG_HOME": str(scratch / "config"),
        "XDG_CACHE_HOME": str(scratch / "cache")}
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | HOME
OWN = scratch / "config/consilium/modes"
SHIPPED = ROOT / "personas/shipped/modes"
MODEL = make_model(scratch / "moe")  # 3 experts a token


def modes(*words, status=0):
    done = run("modes", *words, check_status=False, env=ENVIRONMENT)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-300:]}"
    return done.stdout, done.stderr


def ask(*words, status=0, **more):
    done = run("ask", *words, "-m", MODEL, "--format=json", "--seed=4", check_status=False,
               env=ENVIRONMENT, **({"stdin": subprocess.DEVNULL} | more))
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-300:]}"
    return (json.loads(done.stdout) if status == 0 else None), done.stderr


def same(a, b):
    """All but what a clock says."""
    assert a["prompt"] == b["prompt"]
    assert [(x["persona"], x["tokens"], x["acts_by"]) for x in a["answers"]] == \
           [(x["persona"], x["tokens"], x["acts_by"]) for x in b["answers"]]
    assert (a["merge"] or {}).get("method") == (b["merge"] or {}).get("method")


def write(name, value):
    OWN.mkdir(parents=True, exist_ok=True)
    (OWN / f"{name}.json").write_text(value if isinstance(value, str) else json.dumps(value))


def prompts(name):
    lines = (SHIPPED / f"prompts.{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def accuracy():
    sets = {name: prompts(name) for name in ("dev", "held")}
    with case("the set is 140 prompts to choose rules on and 60 set aside, none in both"):
        assert [len(sets[n]) for n in ("dev", "held")] == [140, 60]
        assert len({p["prompt"] for s in sets.values() for p in s}) == 200
        assert all(sum(p["mode"] == m for p in sets["held"]) == 20 for m in ("code", "think", "dialog"))
    for name, rows in sets.items():
        with case(f"auto takes {LEAST} of the {name} prompts as labelled"):
            told = json.loads(modes("check", name, "--format=json")[0])
            assert told["prompts"] == len(rows)
            assert told["right"] == sum(told["taken"][m][m] for m in told["taken"])
            assert told["accuracy"] >= LEAST, told
    with case("check says what is wrong with a line"):
        bad = scratch / "bad.jsonl"
        bad.write_text('{"mode": "code", "prompt": "x"}\n{"mode": "poetry", "prompt": "x"}\n')
        assert f"{bad}:2: mode: there is none called \"poetry\"" in modes("check", bad, status=3)[1]


def equality():
    write("mine", {"mode": 1, "name": "mine", "personas": ["coder", "critic"], "merge": "none",
                   "experts": "0.7x", "norm_width": "1x", "adaptive": {"min": 1, "ratio": 0.9}, "budget": 7, "sampling": {"temperature": 0.5},
                   "deep": {"experts": 3, "budget": 9}})
    as_options = ["--personas=coder,critic", "--merge=none", "--temperature=0.5", "--norm-width=3", "--adaptive=1:0.9"]
    with case("a mode is the options that it stands for"):
        same(ask("Hi", "--mode=mine")[0], ask("Hi", *as_options, "--experts=2", "--max-tokens=7")[0])
    with case("a depth is what it changes, and its tag is not asked"):
        deep, said = ask("Hi #deep", "--mode=mine")
        same(deep, ask("Hi", *as_options, "--experts=3", "--max-tokens=9")[0])
        assert "mode mine, deep: #deep" in said
    with case("what was asked for wins over it"):
        same(ask("Hi", "--mode=mine", "--personas=critic", "--experts=1", "--temperature=0",
                 "--max-tokens=5", "--norm-width=2", "--adaptive=1:0")[0],
             ask("Hi", "--personas=critic", "--merge=none", "--norm-width=2", "--adaptive=1:0", "--experts=1", "--temperature=0",
                 "--max-tokens=5")[0])
    with case("it wins over config.json, where it may stand too"):
        config = scratch / "config/consilium/config.json"
        config.write_text(json.dumps({"mode": "mine", "max-tokens": 30, "merge": "vote"}))
        same(ask("Hi")[0], ask("Hi", "--mode=off", *as_options, "--experts=2", "--max-tokens=7")[0])
        config.unlink()
    with case("the widths act"):
        both = [ask("Hi", "--experts=2", "--temperature=0", "--max-tokens=9", *more)[0]["answers"][0]["tokens"]
                for more in ([], ["--norm-width=1x"], ["--norm-width=3"], ["--adaptive=1:1"], ["--experts=1"])]
        assert both[1] == both[2] != both[0] and both[3] != both[0], both
        for bad in ("--norm-width=0", "--norm-width=x", "--adaptive=2", "--adaptive=0:1", "--adaptive=1:2"):
            assert bad[2:].split("=")[0] in ask("Hi", bad, status=2)[1]
    with case("experts by layer: the same from a mode, from --experts, in compare, and in replay; multiples too"):
        write("deep", {"mode": 1, "name": "deep", "personas": ["coder"], "merge": "none", "budget": 9,
                       "layers": {"0-2": 1, "3,4": "2x"}, "fast": {"layers": {"0": 2}, "experts": "1x"}})
        as_layers = ["-p", "coder", "--merge=none", "--max-tokens=9"]
        got = ask("Hi", "--mode=deep")[0]
        same(got, ask("Hi", *as_layers, "--experts=1@0-2+6@3,4")[0])
        same(ask("Hi #fast", "--mode=deep")[0], ask("Hi", *as_layers, "--experts=3+2@0")[0])
        assert got["answers"][0]["acts_by"] == "prompt+experts by layer", got["answers"][0]["acts_by"]
        column = run("compare", "Hi", "-m", MODEL, "--seed=4", "--max-tokens=9", "--format=json",
                     "--set", "x:persona=coder,experts=1@0-2+6@3+6@4", env=ENVIRONMENT).stdout
        assert json.loads(column)["columns"][0]["answer"]["tokens"] == got["answers"][0]["tokens"]
        ask("Hi", "--mode=deep", "--session=deep", "--norm-width=6")
        ask("And?", "--session=wide", "-p", "coder", "--merge=none", "--max-tokens=9", "--norm-width=6", "--adaptive=1:0.4")
        for name in ("deep", "wide"):
            done = run("transcripts", "replay", name, env=ENVIRONMENT, check_status=False)
            assert done.returncode == 0 and "all equal" in done.stdout, (name, done.stdout, done.stderr)
        for bad, says in (("1@0-9", "layer 9"), ("1@", "layer"), ("x@0", "x"), ("1@0+2@0", "twice"), ("0@1", "1..")):
            assert says in ask("Hi", f"--experts={bad}", status=2)[1], bad
        (OWN / "deep.json").unlink()
    with case("off is as if there were no modes"):
        same(ask("Hi #deep", "--mode=off", "--max-tokens=4")[0], ask("Hi #deep", "--max-tokens=4")[0])
    with case("auto says which and why"):
        got, said = ask("#code #fast Hi", "--mode=auto", "--max-tokens=4")
        assert "mode code, fast: #code, #fast" in said and got["prompt"] == "Hi"
        assert [a["persona"] for a in got["answers"]] == ["coder", "critic"]


def personas():
    """--personas auto: by tags, words and marks; the model here has no persona's experts."""
    sets = {name: prompts(f"personas-{name}") for name in ("dev", "held")}
    with case("the sets of prompts for personas: twenty for each, none in both"):
        who = ("coder", "philosopher", "critic")
        assert all(sum(p["persona"] == w for p in s) == 20 for s in sets.values() for w in who)
        assert len({p["prompt"] for s in sets.values() for p in s}) == 120
    for name, least in (("dev", 0.9), ("held", 0.8)):
        with case(f"the words in the personas' files take {least} of the {name} prompts as labelled"):
            told = json.loads(modes("check", f"personas-{name}", "--format=json")[0])
            assert told["prompts"] == 60 and told["accuracy"] >= least, told
            assert told["right"] == sum(told["taken"][m][m] for m in told["taken"])
    with case("a set of both modes and personas is refused by line and field"):
        bad = scratch / "mixed.jsonl"
        bad.write_text('{"persona": "coder", "prompt": "x"}\n{"mode": "code", "prompt": "x"}\n')
        assert f"{bad}:2: persona: missing" in modes("check", bad, status=3)[1]
        bad.write_text('{"persona": "nobody", "prompt": "x"}\n')
        assert "no persona nobody" in modes("check", bad, status=3)[1]
    with case("auto is the persona that it says, which alone answers"):
        few = ["--max-tokens=5", "--experts=coder=2,critic=1"]
        got, said = ask("Write a Python program.", "--personas=auto", *few)
        assert 'persona coder: "program*", "python"' in said, said
        assert got["chosen"] == {"persona": "coder", "why": '"program*", "python", "write a"'}, got["chosen"]
        assert "chosen" not in ask("Hi", "--personas=coder", "--max-tokens=2")[0]
        events = run("ask", "#critic Hi", "-p", "auto", "-m", MODEL, "--format=ndjson", "--max-tokens=2", env=ENVIRONMENT,
                     stdin=subprocess.DEVNULL).stdout
        assert json.loads(events.splitlines()[0])["chosen"] == {"persona": "critic", "why": "#critic"}
        same(got, ask("Write a Python program.", "--personas=coder", "--max-tokens=5", "--experts=coder=2")[0])
        same(ask("#critic Hi", "-p", "auto", *few)[0],
             ask("Hi", "--personas=critic", "--max-tokens=5", "--experts=critic=1")[0])
    with case("among those that are named; a persona of one's own has words of its own"):
        own = scratch / "config/consilium/personas"
        own.mkdir(parents=True)
        lawyer = {"persona": 1, "name": "lawyer", "auto": {"words": {"clause*": 3}, "tags": ["#law"]}}
        (own / "lawyer.json").write_text(json.dumps(lawyer))
        for prompt, who in (("Read the clauses.", "lawyer"), ("Hi #law", "lawyer"), ("python", "coder"),
                            ("Hm.", "coder")):
            got, said = ask(prompt, "--personas=auto:coder,lawyer", "--max-tokens=2")
            assert [a["persona"] for a in got["answers"]] == [who] and f"persona {who}: " in said, said
        assert "nothing in the prompt" in said
    with case("a mode and a persona may both be chosen"):
        got, said = ask("#think #coder Hi", "--mode=auto", "--personas=auto", "--max-tokens=2")
        assert "mode think: #think" in said and "persona coder: #coder" in said and got["prompt"] == "Hi"
        assert [a["persona"] for a in got["answers"]] == ["coder"]
    with case("what cannot be chosen is refused"):
        assert "the prompt says who" in ask("Hi", "-p", "auto", "--only=coder", status=2)[1]
        assert "no persona nobody" in ask("Hi", "-p", "auto:coder,nobody", status=3)[1]
        assert "no persona's name" in ask("Hi", "-p", "auto:", status=2)[1]
        assert "no persona's name" in ask("Hi", "-p", "coder,auto", status=2)[1]


def refusals():
    with case("a mode that is not there is told with those that are"):
        assert "there are: code, dialog, mine, think" in ask("Hi", "--mode=no", status=3)[1]
    with case("a broken file is refused by file and field, and auto does not pass it over"):
        write("bad", '{"mode": 1, "name": "bad", "experts": "many"}')
        for word in ("bad", "auto"):
            said = ask("Hi", f"--mode={word}", status=3)[1]
            assert f"{OWN}/bad.json: experts: \"many\"" in said, said
        assert "left out" in modes("list")[1]
        ask("Hi", "--mode=mine")
        for layers, says in (({}, "at least one"), ({"0-x": 1}, "list of layers"), ({"0-3": 1, "3": 2}, "layer 3 stands twice"),
                             ({"0": 0}, "0"), ({"0": "many"}, "multiple"), ([], "layers")):
            write("bad", {"mode": 1, "name": "bad", "layers": layers})
            said = ask("Hi", "--mode=bad", status=3)[1]
            assert f"{OWN}/bad.json: " in said and says in said, said
        (OWN / "bad.json").unlink()
    with case("a persona that a mode names and nobody has is told"):
        write("lost", {"mode": 1, "name": "lost", "personas": ["nobody"]})
        assert "no persona nobody" in ask("Hi", "--mode=lost", status=3)[1]
        (OWN / "lost.json").unlink()


def listing():
    with case("modes lists the user's own and what came with the program"):
        names = [m["name"] for m in json.loads(modes("list", "--format=json")[0])]
        assert names == ["code", "dialog", "mine", "think"], names
    with case("modes show is the file"):
        assert modes("show", "code")[0] == (SHIPPED / "code.json").read_text()


def in_a_conversation():
    """Of two modes each weighs the experts of one persona: auto takes there what `modes check --profile` takes."""
    t = Talk("live", "--mode=auto", wait=False)
    t.close()
    place = t.home / ".config/consilium"
    for folder in ("personas", "modes"):
        (place / folder).mkdir(parents=True)
    mark = json.loads(run("model", "info", "-m", TALK_MODEL, "--format=json").stdout)["fingerprint"][:16]
    for i, name in enumerate(("coder", "critic")):
        (place / f"personas/{name}.json").write_text(json.dumps({"persona": 1, "name": name}))
        (place / f"personas/{name}.{mark}.mask.json").write_text(json.dumps(
            {"mask": 1, "model": None, "mode": "keep", "layers": {"0-5": f"{4 * i}-{4 * i + 3}"}}))
        (place / f"modes/{'ab'[i]}.json").write_text(json.dumps(
            {"mode": 1, "name": "ab"[i], "experts": i + 1, "auto": {"bias": 100, "personas": {name: 100}}}))
    asked = ["fox and dog", "0 1 2 3 4 5 6 7", "Zzz zz zzz!", "a b c d e f", "the code is the code"]
    found = {}
    for prompt in asked:
        path = scratch / "one.jsonl"
        path.write_text(json.dumps({"prompt": prompt, "mode": "a"}) + "\n")
        done = run("modes", "check", path, "--profile", "-m", TALK_MODEL, "--format=json", env=t.environment)
        found[prompt] = "ab"[1 - json.loads(done.stdout)["right"]]
    with case("auto in a conversation goes by whose experts the model calls, and says so"):
        assert len(set(found.values())) == 2, found
        t = Talk("live", "--mode=auto")
        for prompt in asked:
            said = t.say(prompt)
            who = {"a": "coder", "b": "critic"}[found[prompt]]
            assert f"mode {found[prompt]}: it calls {who}'s experts" in said, (prompt, found[prompt], said)
            assert "the experts that" not in said
    with case("a tag is enough, and another model is listened to anew"):
        assert "mode code: #code" in t.say("#code hello")
        t.say(f"/model {TALK_MODEL}")
        assert f"mode {found[asked[0]]}: " in t.say(asked[0])
        t.say("/mode off")
        assert "mode " not in t.say(asked[0])
        assert t.leave()[0] == 0


accuracy()
equality()
in_a_conversation()
personas()
refusals()
listing()
finish()
