#!/usr/bin/env python3
"""Commands of the conversation on a real pty: masks in the heading, /new, /continue, /edit, /history,
several names, /help by section, and what is said about a command that is none. /set is test_settings.py's.
"""
import json
import os
import re
import shutil
import subprocess
import sys

from suite import BINARY, case, finish
from talk_screen import KEEP, MODEL, Talk, records, replays, scratch


def masks():
    t = Talk("masks", "--merge", "none")
    ban = t.home / "ban.json"
    ban.write_text(KEEP)
    t.say(f"/set mask coder={ban}")
    with case("/mask soften shows its number in the heading, and /mask on takes it back"):
        t.say("/mask soften coder 0.3")
        assert "prompt+mask x0.3" in t.say("hello"), t.text()
        assert "coder          prompt+mask x0.3" in t.say("/personas")
        assert "coder acts by prompt+mask now" in t.say("/mask on coder")
        said = t.say("hello")
        assert "prompt+mask" in said and "x0.3" not in said
        assert "already" in t.say("/mask on coder")
    with case("/mask off and on after soften give the whole mask back"):
        t.say("/mask soften coder 2")
        t.say("/mask off coder")
        assert "coder acts by prompt+mask now" in t.say("/mask on coder")
        t.say("/mask off coder")
        assert "prompt+mask x2" in t.say("/mask soften coder")
    with case("strength stands beside it, 0 is silent, and what was set is not lost by /mask on"):
        t.say("/strength coder 0.5")
        assert "prompt+mask x2 strength 0.5" in t.say("/personas")
        assert "prompt+mask strength 0.5 now" in t.say("/mask on coder")
        t.say("/strength coder 0")
        assert "prompt+mask silent" in t.say("hello")
        t.say("/strength coder 1")
        said = t.say("/personas")
        assert "silent" not in said and "strength" not in said
    with case("0 is no softening: the sentence names /mask off"):
        assert "/mask off coder" in t.say("/mask soften coder 0")
    with case("a mask that leans has nothing to soften, and nobody is told so by the heading"):
        lean = t.home / "lean.json"
        lean.write_text('{"mask":1,"model":null,"mode":"bias","layers":{"2":{"3":1.5}}}')
        t.say(f"/set mask critic={lean}")
        assert "leans already" in t.say("/mask soften critic 0.3")
        assert "x0.3" not in t.say("/personas")
    with case("a resumed session has its softened and its silent masks again"):
        t.say("/mask soften coder 0.3")
        t.say("hello")
        (path,) = t.transcripts()
        assert records(t, "setting")[-1]["softened"] == [{"name": "coder", "value": 0.3}]
        replays(t, path)
        t.leave()
        t = Talk("masks", "--resume", path.stem[:4])
        assert "x0.3" not in t.text()
        t.say(f"/set mask coder={ban}")
        assert "prompt+mask x0.3" in t.say("/personas")
    t.leave()


def names():
    t = Talk("names", "--merge", "none")
    with case("@a @b TEXT and @a,b TEXT ask only these, in one turn"):
        for text in ("@coder @critic One?", "@critic,coder One?", "@critic, @coder One?", "@coder,critic\tOne?"):
            said = t.say(text) if "\t" not in text else None
            if said is None:
                continue
            assert " coder " in said and " critic " in said and "philosopher " not in said, said
            assert records(t, "prompt")[-1]["only"] == "coder,critic"
            assert records(t, "prompt")[-1]["text"] == "One?"
            assert [r["persona"] for r in records(t, "answer")[-2:]] == ["coder", "critic"]
    with case("two who were asked are merged; one is not"):
        t.say("/set merge vote")
        n = len(records(t, "merge"))
        t.say("@coder,critic Two?")
        assert records(t, "merge")[-1]["of"] == ["coder", "critic"], records(t, "merge")
        t.say("@coder, Three?")
        assert records(t, "prompt")[-1]["only"] == "coder", records(t, "prompt")
        assert len(records(t, "merge")) == n + 1, (n, records(t, "merge"))
        t.say("@coder @critic @philosopher All?")
        assert "only" not in records(t, "prompt")[-1], records(t, "prompt")[-1]
    with case("a name that is none asks nobody"):
        n = len(records(t, "prompt"))
        assert "did you mean @critic" in t.say("@coder,crtic Four?")
        assert "nobody here" in t.say("@coder @xyzzy Four?")
        assert "needs something" in t.say("@coder @critic")
        assert len(records(t, "prompt")) == n
    with case("/retry asks them again; the transcript replays; the export says who was asked"):
        t.say("@coder,critic Five?")
        t.say("/retry")
        assert [r["persona"] for r in records(t, "answer")[-2:]] == ["coder", "critic"]
        t.say("/retry critic")
        t.leave()
        (path,) = t.transcripts()
        replays(t, path)
        shown = subprocess.run([str(BINARY), "transcripts", "show", path.stem], env=t.environment,
                               capture_output=True, text=True).stdout
        assert "Only coder,critic were asked." in shown, shown
    with case("--resume remembers who was asked"):
        t = Talk("names", "--resume", path.stem[:4])
        t.say("/retry")
        assert [r["persona"] for r in records(t, "answer")[-2:]] == ["coder", "critic"]
        t.leave()


def fresh():
    t = Talk("fresh", "--merge", "none", "--session", "mine")
    with case("/new before anything was asked says so and leaves no file"):
        assert "this conversation is new" in t.say("/new") and not t.transcripts()
    with case("/new: nothing is remembered, the seats stay, the old one is kept and named"):
        t.say("/personas -philosopher")
        t.say("/set temperature 0.1")
        t.say("One?")
        said = t.say("/new")
        assert "mine is kept, /resume mine" in said, said
        assert t.rows()[t.screen.cursor.y].startswith("own 2")
        t.say("Two?")
        old, new = sorted(t.transcripts(), key=lambda p: p.stem != "mine")
        prompt = records(t, "prompt", new)[-1]
        assert (prompt["turn"], prompt["parent"], prompt["text"]) == (1, 0, "Two?")
        setting = [r for r in records(t, "setting", new) if "seats" in r][-1]
        assert setting["personas"] == ["coder", "critic"] and setting["sampling"]["temperature"] == 0.1
        assert len(records(t, "prompt", old)) == 1
        assert "mine goes on" in t.say("/resume mine")
    with case("a blind conversation is blind again, and its transcript says so"):
        t.say("/blind on")
        t.say("Three?")
        t.say("/new")
        said = t.say("Four?")
        assert "blind" in said
        newest = max(t.transcripts(), key=os.path.getmtime)
        assert {"blind": "on"}.items() <= records(t, "setting", newest)[-1].items()
        t.leave()
    with case("a seed that was given stays, one that was drawn is drawn anew; --no-save says what is lost"):
        t = Talk("fresh", "--no-save")
        t.say("One?")
        assert "not saved" in t.say("/new")
        assert "seed is 4" in t.say("/set seed")
        t.leave()
        t = Talk("fresh", "-m", MODEL, "--max-tokens=4", model=False)
        t.say("One?")
        seed = re.search(r"seed is (\d+)", t.say("/set seed"))[1]
        t.say("/new")
        assert re.search(r"seed is (\d+)", t.say("/set seed"))[1] != seed
        t.leave()


def asked(t, seed, tokens):
    """What an answer that is not cut short would be."""
    done = subprocess.run([str(BINARY), "ask", "-m", str(MODEL), f"--seed={seed}", f"--max-tokens={tokens}", "-p",
                           "coder,critic", "--control", "--merge=none", "--no-save", "--format=json", "One?"],
                          env=t.environment, capture_output=True, text=True, check=True)
    return {a["persona"]: a for a in json.loads(done.stdout)["answers"]}


def long_answer(t):
    """A seed under which somebody speaks for 29 tokens at least, and who it is."""
    for seed in range(4, 40):
        for name, answer in asked(t, seed, 29).items():
            if answer["stop"] == "length":
                return seed, name, answer
    raise AssertionError("nobody speaks that long")


def further():
    home = Talk("further", "--no-save")
    home.leave()
    seed, name, whole = long_answer(home)
    other = "critic" if name == "coder" else "coder"
    who = ("--merge", "none", "--max-tokens=12", f"--seed={seed}", "-p", "coder,critic", "--control")
    t = Talk("further", *who)
    with case("/continue: the same tokens as an answer that was never cut"):
        said = t.say("One?")
        assert "/continue " in said, said  # the last line says what can be done
        first = {r["persona"]: r for r in records(t, "answer")}[name]
        assert first["stop"] == "length" and len(first["tokens"]) == 12
        t.say(f"/continue {name}")
        grown = records(t, "answer")[-1]
        assert grown["persona"] == name and grown["continued"] == 12 and grown["seed"] == first["seed"]
        assert grown["tokens"][:12] == first["tokens"] and len(grown["tokens"]) == 24
        said = t.say(f"/continue {name} 5")
        longer = records(t, "answer")[-1]
        assert longer["continued"] == 24 and longer["tokens"] == whole["tokens"], (longer, whole)
        assert longer["text"] == whole["text"]
        assert "29 tok" in said, said
    with case("figures count it once"):
        said = t.say("/stats")
        assert "1 turn, 3 answers," in said, said
        model = json.loads(subprocess.run([str(BINARY), "transcripts", "stats", "--format=json"], env=t.environment,
                                          capture_output=True, text=True, check=True).stdout)["models"][0]
        rest = sum(len(r["tokens"]) for r in records(t, "answer")[:3] if r["persona"] != name)
        assert (model["answers"], model["tokens"]) == (3, rest + 29), model
    with case("what follows remembers the whole answer"):
        n = records(t, "answer")[-1]["prompt_tokens"]
        t.say("Two?")
        (again,) = [r for r in records(t, "answer") if r["persona"] == name and r["turn"] == 2]
        assert again["prompt_tokens"] > n + 29
    with case("what cannot be continued is told, and nothing is added"):
        n = len(records(t, "answer"))
        assert "did not answer" in t.say("/continue nobody")
        assert "1..1048576" in t.say(f"/continue {name} 0") and "1..1048576" in t.say(f"/continue {name} x")
        assert "is for answers" in t.say("/continue merge")
        assert len(records(t, "answer")) == n
    with case("an answer that ended by itself has nothing to continue"):
        t.say("/set max-tokens 900")
        for i in range(30):
            t.say(f"@{other} Three, {i}?")
            stop = records(t, "answer")[-1]["stop"]
            wanted = {"end": "nothing to continue", "loop": "repeating itself", "length": "context"}[stop]
            n = len(records(t, "answer"))
            assert wanted in t.say(f"/continue {other}"), t.text()[-500:]
            assert stop == "length" or "nothing to continue" in t.say("/continue")
            if stop == "end":
                break
        assert stop == "end" and len(records(t, "answer")) == n
    with case("it goes on under another setting, too"):
        t.say("/set max-tokens 3")
        t.say("Four?")
        while "length" not in [r["stop"] for r in records(t, "answer")[-3:]]:
            t.say("Four?")
        cut = [r for r in records(t, "answer")[-3:] if r["stop"] == "length"][0]["persona"]
        t.say("/set temperature 0.3")
        t.say("/set no-instruction on")
        t.say(f"/continue {cut} 6")
        assert records(t, "answer")[-1].get("continued") == 3, t.text()[-1500:]
        t.say(f"/retry {cut} seed=9")
        if records(t, "answer")[-1]["stop"] == "length":
            t.say(f"/continue {cut} 4")
            assert records(t, "answer")[-1]["seed"] == 9
    t.leave()
    (path,) = t.transcripts()
    with case("a transcript with answers that went on replays, resumes and goes on"):
        replays(t, path)
        t = Talk("further", *who, "--session", "other")
        t.say("One?")
        t.leave()
        t = Talk("further", "--resume", "other", "-p", "coder,critic", "--control")
        t.say(f"/continue {name} 3")
        path = path.with_name("other.jsonl")
        assert records(t, "answer", path)[-1]["tokens"] == whole["tokens"][:15]
        t.leave()
        replays(t, path)
    with case("an answer that Ctrl-C cut goes on as well"):
        lines = path.read_text().rstrip("\n").split("\n")
        for i, line in enumerate(lines):
            if '"type":"answer"' in line:
                lines[i] = line.replace('"stop":"length"', '"stop":"interrupted"')
        path.with_name("stopped.jsonl").write_text("\n".join(lines).replace('"id":"other"', '"id":"stopped"') + "\n")
        t = Talk("further", "--resume", "stopped", "-p", "coder,critic", "--control", "--merge", "none")
        t.say(f"/continue {name} 2")
        assert records(t, "answer", path.with_name("stopped.jsonl"))[-1]["tokens"] == whole["tokens"][:17]
        t.leave()
    with case("an answer that another model wrote cannot go on"):
        lines = path.read_text().rstrip("\n").split("\n")
        for i, line in enumerate(lines):
            if '"type":"answer"' in line:
                lines[i] = json.dumps(json.loads(line) | {"text": "quite another text"})
        path.with_name("strange.jsonl").write_text(
            "\n".join(lines).replace('"id":"other"', '"id":"strange"') + "\n")
        t = Talk("further", "--resume", "strange", "-p", "coder,critic", "--control")
        said = t.say(f"/continue {name}")
        assert "another model" in said, said
        t.leave()


def editing():
    t = Talk("editing", "--merge", "none")
    with case("/edit before anything was asked"):
        assert "nothing was asked" in t.say("/edit")
    t.say("What is old?")
    with case("/edit: the question stands in the line; what is sent takes its place"):
        t.send("/edit\r")
        t.wait(lambda: t.rows()[t.screen.cursor.y].endswith("\u203a What is old?"), "the question")
        t.send("\x7f and new?\r")
        t.read(0.1)
        t.wait_prompt()
        prompts = records(t, "prompt")
        assert [p["text"] for p in prompts] == ["What is old?", "What is old and new?"]
        assert prompts[1]["parent"] == 0
        assert [r["type"] for r in records(t) if r["type"] in ("prompt", "undo")] == ["prompt", "undo", "prompt"]
    with case("Ctrl-C, an empty line and a command leave the turn"):
        for keys in ("\x03", "\x15\r", "\x15/context\r"):
            t.send("/edit\r")
            t.wait(lambda: t.rows()[t.screen.cursor.y].endswith("new?"), "the question")
            t.send(keys)
            t.read(0.1)
            t.wait_prompt()
        t.say("And then?")
        prompts = records(t, "prompt")
        assert prompts[-1]["parent"] == prompts[-2]["n"], prompts[-1]
        assert len(records(t, "undo")) == 1
    with case("a question that is refused leaves the old turn"):
        t.say("/set overflow stop")
        t.say("/set context 200")
        t.send("/edit\r")
        t.wait(lambda: t.rows()[t.screen.cursor.y].endswith("then?"), "the question")
        t.send(" long" * 150 + "\r")
        t.read(0.1)
        t.wait_prompt()
        assert len(records(t, "undo")) == 1
        assert "And then?" in t.say("/history")
        t.say("/set context default")
    with case("whom it was for, and a slash that is text, stand there as they were typed"):
        for typed in ("@coder,critic Who?", "//help me", "/usr/bin?"):
            t.say(typed)
            t.send("/edit\r")
            t.wait(lambda: t.rows()[t.screen.cursor.y].endswith("\u203a " + typed), typed)
            t.send("\r")
            t.read(0.1)
            t.wait_prompt()
            last = records(t, "prompt")[-1]
            assert last["text"] == typed.removeprefix("@coder,critic ").replace("//", "/"), last
        assert records(t, "prompt")[-5]["only"] == "coder,critic"
    with case("several lines stand there as several, also where the first would be a command"):
        for first in ("Two", "/save x", "@coder Two"):
            t.send(f"{first}\x1b\rlines\r")
            t.read(0.1)
            t.wait_prompt()
            t.send("/edit\r")
            t.wait(lambda: t.rows()[t.screen.cursor.y].endswith("lines"), "the question")
            t.send(", really\r")
            t.read(0.1)
            t.wait_prompt()
            asked, again = records(t, "prompt")[-2:]
            assert again["text"] == asked["text"] + ", really", (asked, again)
            assert asked["text"].endswith("\nlines") and asked.get("only") == again.get("only")
    with case("a question too long for the line stands there as a note, and is sent whole"):
        long = "word " * 300
        t.send("\x1b[200~" + long + "\x1b[201~ end?\r")
        t.read(0.1)
        t.wait_prompt()
        t.send("/edit\r")
        t.wait(lambda: "pasted text" in t.rows()[t.screen.cursor.y] or "end?" in t.rows()[t.screen.cursor.y], "it")
        t.send(" now\r")
        t.read(0.1)
        t.wait_prompt()
        asked, again = records(t, "prompt")[-2:]
        assert again["text"] == asked["text"] + " now" and len(again["text"]) > 1400
    t.leave()
    with case("it replays"):
        (path,) = t.transcripts()
        replays(t, path)


def standing_alone():
    t = Talk("alone", "--merge", "none")
    with case("a sentence that begins as a command without arguments is not taken for it"):
        t.say("@coder One?")
        n = len(records(t, "prompt"))
        for name in ("undo", "new", "vote", "diverge", "fork", "sessions", "stats", "quit"):
            said = t.say(f"/{name} ideas for the garden")
            assert f"/{name} stands alone" in said and f"//{name}" in said, said
        assert len(t.transcripts()) == 1 and len(records(t, "prompt")) == n
        assert "One?" in t.say("/history"), "undone"
    t.leave()


def looking_back():
    t = Talk("history", "--merge", "none", columns=80)
    with case("/history [N]: the last questions with their numbers and how the answers began"):
        assert "nothing was asked" in t.say("/history")
        for i in range(12):
            t.say(f"@coder Question {i + 1} \u6771\u4eac " + "words " * 30)
        said = t.say("/history")
        assert "Question 3 " in said and "Question 2 " not in said and "  12  @coder Question 12" in said
        assert said.count("coder: ") == 10
        assert all(len(row) < 80 for row in said.splitlines())
        said = t.say("/history 2")
        assert "Question 11" in said and "Question 10" not in said
        t.say("\x1b[200~@coder Two\nlines\x1b[201~")
        said = t.say("/history 1")
        assert "  13  @coder Two lines" in said and "x0a" not in said, said
        t.say("/undo")
        t.say("/undo")
        said = t.say("/history 1")
        assert "Question 11" in said and "Question 12" not in said
        assert "1..1000000" in t.say("/history 0") and "1..1000000" in t.say("/history x")
    t.leave()


def helping():
    t = Talk("helping", columns=80, rows=24)
    with case("/help and each of its sections fit a screen of 24 lines"):
        for what in ("", "asking", "merging", "voices", "screen", "record"):
            t.say("/history")  # whatever stood there before
            said = t.say(f"/help {what}".rstrip())
            rows = t.rows()
            assert any(row.endswith(f"/help {what}".rstrip()) for row in rows), (what, rows)
            assert len(said.splitlines()) <= 24, (what, said)
    with case("/help all has every command, /help NAME one, and a name that is none its neighbour"):
        said = t.say("/help all")
        assert all(f"  /{name}" in said for name in ("continue", "mask", "fork", "quit"))
        assert "cut short" in t.say("/help continue")
        assert "did you mean /save" in t.say("/help export")
    with case("Tab completes sections"):
        t.send("/help mer\t")
        t.wait(lambda: t.rows()[t.screen.cursor.y].rstrip().endswith("merg"), "merg")
        t.send("\x15")
        t.wait_prompt()
    with case("what /save says about a file that is there can be done"):
        t.say("One?")
        path = t.home / "all.md"
        t.say(f"/save {path}")
        said = "".join(t.say(f"/save {path}").split())  # wherever its lines end
        assert f"/save{path}!writesoverit" in said and "--force" not in said
        assert "wrote" in t.say(f"/save {path}!")
    t.leave()


for part in (masks, names, fresh, further, editing, standing_alone, looking_back, helping):
    if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
        part()
shutil.rmtree(scratch, ignore_errors=True)
finish()
