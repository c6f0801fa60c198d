#!/usr/bin/env python3
"""The conversation on a real pty: asking, each command once, Ctrl-C, signals, options.

The full scripted session, the many moments of Ctrl-C and the screens cell by cell have suites of their
own; the prompt is in test_line.py.
"""
import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from suite import BINARY, FIXTURES, ROOT, case, finish, run, skip
from talk_screen import ARGUMENTS, MODEL, Talk, environment, scratch

STREAMING = re.compile(r"\d+ tok\b(?!.*own \d \u203a)", re.S)
CODE = "Here:\n\n```python\nprint(1)\n```\n\nand\n\n```\nsecond\n```\n"


def records(talk, kind=None):
    found = []
    for path in sorted(talk.transcripts(), key=os.path.getmtime):
        for line in path.read_text().rstrip("\n").split("\n")[1:]:
            record = json.loads(line)
            if kind in (None, record["type"]):
                found.append(record)
    return found


def asking():
    t = Talk("asking")
    with case("the greeting: version, model, figures, who speaks, /help, and an example to try"):
        text = t.text()
        assert re.search(r"consilium \d.*6 layers, 8 experts, 3 a token", text), text
        assert "philosopher, coder, critic" in text and "/help" in text and "try: " in text
        assert t.rows()[t.screen.cursor.y] == "own 3 \u203a"
    with case("an empty conversation leaves no file"):
        assert not t.transcripts()
    with case("a question: columns, a merge, figures; it is saved when the prompt returns"):
        said = t.say("Should a town close its library?")
        for part in ("philosopher", "coder", "critic", "vote", "union ", "context ", "saved ", "/pick"):
            assert part in said, (part, said)
        assert [r["type"] for r in records(t) if r["type"] != "setting"] == [
            "prompt", "answer", "answer", "answer", "merge"]
        (path,) = t.transcripts()
        assert f"saved {path.stem[:4]}" in said
    with case("the vote's winner is marked, with what it was picked by and by how much, and not printed again"):
        (vote,) = records(t, "merge")
        rows = said.splitlines()
        at = next(i for i, row in enumerate(rows) if row.startswith(" vote  \u2605 "))
        column = next(row for row in rows if "philosopher  prompt" in row).index(f"{vote['by']}  prompt")
        assert rows[at - 1].rstrip() == " " * column + f"\u2605 {vote['by']}", rows[at - 2:at + 3]
        assert f" vote  \u2605 {vote['by']} 0." in rows[at], rows[at]
        assert "picked by fit to the question" in rows[at], rows[at]
        assert re.match(r" ahead by 0\.\d\d| the answers share little: read each", rows[at + 1]), rows[at + 1]
        assert rows[at + 2].startswith(" union "), rows[at:at + 4]
        alike = [row for row in t.say("/show merge").splitlines()[1:] if row.strip() and "own 3" not in row]
        assert alike
    with case("on the built-in model the heading says what it is, once"):
        cache = scratch / "cache" / "consilium"
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "built-in.gguf").symlink_to(MODEL)
        own = Talk("built-in", "--max-tokens=4", "--seed=4", model=False, XDG_CACHE_HOME=str(cache.parent))
        own.say("hello")
        assert own.text().count("small demonstration model") == 1 and "consilium -m FILE" in own.text()
        own.close()
        assert "demonstration" not in t.text()
    with case("@coder asks one, @cod tells whom there is"):
        said = t.say("@coder And you?")
        assert "coder" in said and "critic  " not in said
        assert records(t, "prompt")[-1]["only"] == "coder"
        assert "did you mean @coder" in t.say("@codr hello")
        assert "needs something" in t.say("@coder")
    with case("/usr/bin is text, //help too; a typo gets its neighbour and asks nothing"):
        n = len(records(t, "prompt"))
        t.say("/usr/bin is a folder")
        t.say("//help")
        asked = [r["text"] for r in records(t, "prompt")[n:]]
        assert asked == ["/usr/bin is a folder", "/help"], asked
        assert "did you mean /vote? /help lists" in t.say("/vot")
        assert "there is no command /xyzzy" in t.say("/xyzzy")
        assert len(records(t, "prompt")) == n + 2
    status, last = t.leave()
    with case("Ctrl-D: status 0, and the command that resumes"):
        assert status == 0
        (path,) = t.transcripts()
        assert last.rstrip().endswith(f"consilium --resume {path.stem[:4]}"), last[-100:]
    with case("--resume goes on, with the past"):
        t = Talk("asking", "--resume", path.stem[:4])
        assert "goes on after 4 turns" in t.text(), t.text()
        assert "try: " not in t.text()
        t.say("and now?")
        assert len(t.transcripts()) == 1 and records(t, "prompt")[-1]["turn"] == 5
        t.leave()
    with case("--session NAME is the id"):
        t = Talk("asking", "--session", "mine")
        t.say("hello")
        assert (t.home / ".local/share/consilium/transcripts/mine.jsonl").exists()
        assert "consilium --resume mine" in t.leave()[1]
    with case("who spoke last speaks again after --resume, unless the command line says who"):
        t = Talk("asking", "--session", "two", "-p", "coder", "--control")
        t.say("/system Be kind.")
        t.say("hello")
        t.leave()
        t = Talk("asking", "--resume", "two")
        assert t.rows()[t.screen.cursor.y].startswith("own 2"), t.text()
        assert "Be kind." in t.say("/system") and "control" in t.say("/personas")
        t.leave()
        t = Talk("asking", "--resume", "two", "-p", "critic")
        assert t.rows()[t.screen.cursor.y].startswith("own 1"), t.text()
        t.leave()
    with case("an instruction from a foreign transcript sends no control bytes"):
        path = t.home / ".local/share/consilium/transcripts/two.jsonl"
        hostile = path.read_text().replace("Be kind.", "Be \\u001b]0;stolen\\u0007kind.")
        path.with_name("three.jsonl").write_text(hostile.replace('"id":"two"', '"id":"three"'))
        t = Talk("asking", "--resume", "three")
        assert "stolen" in t.say("/system") and b"\x1b]0;" not in t.raw, t.raw[-300:]
        t.leave()
    with case("a disk that takes nothing: said once, and the conversation goes on"):
        t = Talk("full", XDG_DATA_HOME="/proc")
        assert "not saved" in t.say("hello")
        assert "not saved" not in t.say("again") and "philosopher" in t.text()
        t.leave()
    with case("--no-save leaves no file"):
        t = Talk("unsaved", "--no-save")
        assert "saved" not in t.say("hello")
        t.say(f"/save {t.home}/all.md")
        assert "hello" in (t.home / "all.md").read_text()
        assert "--resume" not in t.leave()[1] and not t.transcripts()


def turns():
    t = Talk("turns", "--merge", "none")
    with case("commands that need an exchange say so, and ask nothing"):
        for command in ("/merge", "/vote", "/debate", "/blend", "/pick coder", "/retry", "/undo",
                        "/diverge", "/show coder", "/copy coder", "/save x.md", "/fork"):
            assert "nothing was asked yet" in t.say(command), command
        assert not t.transcripts()
    t.say("First question")
    with case("/merge, /vote, /debate, /blend, /merge by NAME of A,B"):
        assert "vote" in t.say("/vote")
        assert "debate" in t.say("/debate 1")
        assert "blend" in t.say("/blend coder=.6 critic=.4")
        shown = t.say("/merge synth by coder of philosopher,critic")
        merges = records(t, "merge")
        stop = merges[-1]["stop"]  # one that was cut says so
        assert re.search(r"synth +by coder +[\d.]+ m?s" + ("" if stop == "end" else " · " + stop), shown), (stop, shown)
        assert [m["method"] for m in merges] == ["vote", "debate", "blend", "synth"]
        assert merges[2]["of"] == ["coder", "critic"] and merges[3]["by"] == "coder"
        assert merges[3]["of"] == ["philosopher", "critic"]
        assert "neither by nor of" in t.say("/merge vote with coder")
    with case("/pick records who was best"):
        assert "picked critic" in t.say("/pick crit")
        assert records(t, "pick")[-1]["name"] == "critic"
        assert "did not answer" in t.say("/pick nobody")
    with case("/context is in the prompt and in the record"):
        t.send("/context picked\r")
        t.wait_text("picked 3 \u203a")
        t.say("Second")
        assert records(t, "prompt")[-1]["context"] == "picked"
        t.send("/context own\r")
        t.wait_prompt()
    with case("/retry NAME seed=N answers again and keeps the old one"):
        t.say("/retry coder seed=99")
        again = records(t, "answer")[-1]
        assert (again["persona"], again["turn"], again["seed"]) == ("coder", 2, 99), again
        assert len([a for a in records(t, "answer") if a["turn"] == 2]) == 4
        t.say("/retry")
        assert len([a for a in records(t, "answer") if a["turn"] == 2]) == 7
    with case("/undo forgets the turn, /diverge compares what is left"):
        assert "forgotten: Second" in t.say("/undo")
        assert records(t)[-1]["type"] == "undo"
        assert "nats" in t.say("/diverge")
    with case("/file puts a file behind the next prompt"):
        (t.home / "a note.txt").write_text("from the file\n")
        assert "1 file" in t.say(f"/file {t.home}/a note.txt")
        assert "/file off takes it out" in t.say("/file")
        t.say("Read this")
        assert records(t, "prompt")[-1]["text"] == "Read this\n\nfrom the file"
        assert "cannot read" in t.say("/file /nowhere/at/all")
    with case("/fork goes on in a new session with the same past"):
        before = len(t.transcripts())
        assert "from here on in" in t.say("/fork")
        t.say("in the fork")
        assert len(t.transcripts()) == before + 1
        newest = max(t.transcripts(), key=os.path.getmtime)
        texts = [json.loads(line).get("text") for line in newest.read_text().rstrip("\n").split("\n")
                 if '"type":"prompt"' in line]
        assert texts == ["First question", "Second", "Read this\n\nfrom the file",
                         "in the fork"], texts  # the second is undone in both
        assert newest.read_text().count('"type":"undo"') == 1
    with case("/sessions, /search, /stats, /resume"):
        assert "First question" in t.say("/sessions")
        assert "fork" in t.say("/search fork")
        assert "here: " in t.say("/stats")
        other = min(t.transcripts(), key=os.path.getmtime)
        assert "goes on after" in t.say(f"/resume {other.stem[:6]}")
        assert "no transcript" in t.say("/resume zzz").lower() or "zzz" in t.text()
    t.leave()


def seats():
    t = Talk("seats", EDITOR="true")
    with case("/personas: who speaks; + and -"):
        assert "these speak" in t.say("/personas")
        t.send("/personas +chair -coder\r")
        t.wait_text("own 3 \u203a")
        t.wait_prompt()
        t.send("/personas coder\r")
        t.wait_text("own 1 \u203a")
        t.send("/personas philosopher coder critic\r")
        t.wait_prompt()
        assert "no persona" in t.say("/personas +nobody") or "nobody" in t.text()
    with case("/personas edit NAME opens the editor on a copy of one's own, and seats it"):
        editor = scratch / "shout.sh"
        editor.write_text("#!/bin/sh\nsed -i 's/\"about\": *\"[^\"]*\"/\"about\": \"changed\"/' \"$1\"\n")
        editor.chmod(0o755)
        t.leave()
        t = Talk("seats", EDITOR=str(editor))
        assert "coder speaks as" in t.say("/personas edit coder")
        own = t.home / ".config/consilium/personas/coder.json"
        assert json.loads(own.read_text())["about"] == "changed"
    with case("a persona that the editor broke is refused, and the old one goes on"):
        editor.write_text("#!/bin/sh\necho '{' > \"$1\"\n")
        assert "the old coder goes on" in t.say("/personas edit coder")
        own.unlink()
        t.say("still here?")
    with case("/control, /experts, /strength, /think, /system"):
        assert "control" in t.say("/control on")
        assert records(t, "answer") and "experts 4" in t.say("/experts 4")
        assert "experts 2" in t.say("/experts coder=2")
        t.say("/strength coder 1.1")
        assert "coder=1.1" in t.say("/strength")
        assert "knows no thinking" in t.say("/think 16")
        assert "no thinking" in t.say("/think off")
        t.say("/system Answer in verse.")
        assert "Answer in verse." in t.say("/system")
        t.say("Now?")
        setting = [r for r in records(t, "setting") if "seats" in r][-1]
        told = [s["instruction"] for s in setting["seats"]]
        assert len(told) == 4 and all(s.startswith("Answer in verse.") for s in told), told
        assert "/control needs" in t.say("/control")
        t.say("/control off")
    with case("/set: a list, a value, back to the default, and what is wrong"):
        assert "max-tokens" in t.say("/set")
        t.say("/set temperature 0.3")
        assert "0.3" in t.say("/set temperature")
        t.say("/set temperature default")
        assert "persona" in t.say("/set temperature")
        assert "outside" in t.say("/set temperature 1000")
        assert "did you mean /set top-k" in t.say("/set topk 3")
        t.say("/set loop off")
        assert "off" in t.say("/set loop") and "whole number" in t.say("/set loop 0")
        t.say("/set max-tokens 3")
        t.say("Short?")
        assert len(records(t, "answer")[-1]["tokens"]) <= 3
        assert "settled" in t.say("/set resume abc")
        t.say("/set stop END")
        assert "END" in t.say("/set stop")
    with case("/mask show, off, on, soften, diff"):
        ban = t.home / "ban.json"
        ban.write_text('{"mask":1,"model":null,"mode":"ban","layers":{"1-4":"0-1"}}')
        t.say(f"/set mask coder={ban}")
        assert "6 of 8 experts" in t.say("/mask show coder")
        said = t.say("/mask show")
        assert all(f"{name} acts by" in said for name in ("philosopher", "coder", "critic")), said
        assert "of the experts in common" in t.say("/mask diff coder critic")
        said = t.say("/mask diff coder")
        assert said.count("of the experts in common") == 2, said
        said = t.say("/mask soften coder 1")
        assert "lean" in said, said
        t.say("/mask soften coder off")
        assert "coder acts by prompt now" in t.say("/mask off coder")
        assert "coder acts by prompt+mask strength 1.1 now" in t.say("/mask on coder")
        assert "already" in t.say("/mask on coder")
        assert "show, on, off" in t.say("/mask what")
    with case("/model tells, switches and keeps the conversation"):
        assert "6 layers" in t.say("/model")
        assert "6 layers" in t.say(f"/model {MODEL}")
        assert "cannot" in t.say("/model /nowhere") or "nowhere" in t.text()
        assert "build-default" in t.say("/model built-in")  # it has not been built here
        (t.home / ".cache/consilium").mkdir(parents=True, exist_ok=True)
        (t.home / ".cache/consilium/built-in.gguf").symlink_to(MODEL)
        assert "built-in model: 6 layers" in t.say("/model built-in")
        (t.home / "mine").symlink_to(MODEL)
        assert "mine: 6 layers" in t.say("/model ~/mine")
        t.say("/context")
        t.say("still the same past?")
        assert records(t, "prompt")[-1]["parent"] > 0
    t.leave()


def make_clipboard(name):
    fake = scratch / name / "bin"
    fake.mkdir(parents=True)
    xclip = fake / "xclip"
    xclip.write_text(f"#!/bin/sh\ncat > {scratch}/clipboard\n")
    xclip.chmod(0o755)


def showing():
    make_clipboard("showing")
    t = Talk("showing", DISPLAY=":0")
    with case("/view cols, stack, focus NAME, auto"):
        t.say("one")
        for view in ("stack", "focus coder", "cols", "auto"):
            assert f"view {view}" in t.say(f"/view {view}")
            t.say("again")
        assert "none of cols" in t.say("/view sideways")
        assert "does not speak" in t.say("/view focus nobody")
    with case("/show gives the answer whole"):
        t.say("/show coder")
        t.say("/show merge")
        assert "did not answer" in t.say("/show nobody")
    with case("/copy by xclip, and says so"):
        answer = next(a for a in reversed(records(t, "answer")[-3:]) if a["text"].strip())
        assert "by xclip" in t.say(f"/copy {answer['persona']}")
        letters = re.findall(r"[A-Za-z]{3,}", answer["text"])
        assert all(w in (scratch / "clipboard").read_text() for w in letters)
        assert "no code block 2" in t.say("/copy coder.2")
    with case("/save writes Markdown, HTML and JSON, and never over a file by itself"):
        for ending in ("md", "html", "json"):
            path = t.home / f"talk.{ending}"
            assert "wrote" in t.say(f"/save {path}")
            assert path.stat().st_size > 200
        json.loads((t.home / "talk.json").read_text())
        again = t.say(f"/save {t.home}/talk.md")
        assert "wrote" not in again and "talk.md" in again, again
        assert "wrote" in t.say(f"/save {t.home}/talk.md!")
        assert "no answer holds a code block" in t.say("/save x.py")
    with case("/blind shuffles, hides names until the pick, and then tells"):
        assert "A, B, C" in t.say("/blind on")
        said = t.say("Who is who?")
        assert "who was best?" in said and "philosopher" not in said, said
        assert "philosopher" not in t.say("/show A")
        again = t.say("/retry B")
        assert not any(n in again for n in ("philosopher", "coder", "critic")), again
        told = t.say("/pick B")
        assert re.search(r"A was \w+, B was (\w+), C was \w+", told), told
        assert records(t, "pick")[-1]["name"] == re.search(r"B was (\w+)", told)[1]
        t.say("/blind off")
    with case("/help all lists every command, /help NAME tells all"):
        listed = t.say("/help all")
        for name in re.findall(r"^  /(\w+)", listed, re.M):
            assert f"/{name}" in t.say(f"/help {name}")
        assert len(set(re.findall(r"^  /(\w+)", listed, re.M))) >= 30
    with case("/quit leaves"):
        t.send("/quit\r")
        while t.read(0.2):
            pass
        t.child.close()
        assert t.child.exitstatus == 0
    with case("OSC 52 where the terminal takes it"):
        t = Talk("osc", TERM_PROGRAM="WezTerm", model=True)
        t.say("one")
        told = t.say("/copy coder")
        assert "by OSC 52" in told, told
        found = re.search(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", t.raw)
        assert found and base64.b64decode(found[1])
        t.leave()


def common_code():
    """Texts from fixtures/markdown.json, with nothing left open behind any, and the code in them."""
    cases = json.loads((FIXTURES / "markdown.json").read_text())["blocks"]
    named = ("```a``` is code\n```", "- ```c\n  red\n  ```\n- blue")
    for case in [c for c in cases if c["text"].startswith(named)] + cases[::4]:
        if all(b["closed"] for b in case["blocks"]):
            yield case["text"] + "\n\nwords\n\n", [b["code"] for b in case["blocks"]]


def code():
    """Answers with code, from a transcript: /copy NAME.2 and /save coder.py."""
    texts, blocks = zip(*common_code())
    make_clipboard("code")
    t = Talk("code", "--merge", "none")
    t.say("Write")
    (path,) = t.transcripts()
    t.leave()
    lines = [json.loads(line) for line in path.read_text().rstrip("\n").split("\n")]
    for line in lines:
        if line.get("persona") == "coder":
            line["text"] = CODE + "\nwords\n\n" + "".join(texts)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with case("/save coder.py writes the first code block, NAME.2 is the second"):
        t = Talk("code", "--resume", path.stem, DISPLAY=":0")
        assert "wrote" in t.say(f"/save {t.home}/coder.py")
        assert (t.home / "coder.py").read_text() == "print(1)\n"
        assert "wrote" in t.say(f"/save {t.home}/b.txt coder.2")
        assert (t.home / "b.txt").read_text() == "second\n"
        assert "is there already" in t.say(f"/save {t.home}/b.txt coder.1")
    with case("/save and /copy take the code that CommonMark finds"):
        wanted = sum(blocks, [])
        for number, text in enumerate(wanted, 3):
            assert "wrote" in t.say(f"/save {t.home}/{number}.txt coder.{number}")
            assert (t.home / f"{number}.txt").read_text() == text, (number, text)
            assert "by xclip" in t.say(f"/copy coder.{number}")
            assert (scratch / "clipboard").read_text() == text, (number, text)
        assert len(wanted) > 8 and "no code block" in t.say(f"/copy coder.{len(wanted) + 3}")
        t.leave()


def stopping():
    slow = ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"  # the tiny model is done at once
    if not slow.exists():
        skip("Ctrl-C and SIGTERM while answers stream", f"{slow} is not here")
        return
    t = Talk("stopping", "-m", slow, "--max-tokens=300", "--seed=4", "--merge=none", model=False)
    with case("Ctrl-C stops the answers, keeps what was said, and the prompt stands again"):
        t.send("Tell me much\r")
        t.wait(lambda: STREAMING.search(t.text()), "streaming")
        t.send("\x03")
        t.wait_prompt()
        stops = [a["stop"] for a in records(t, "answer")]
        assert "interrupted" in stops and len(stops) == 3, stops
    with case("Ctrl-C while the prompt is read: no turn is left, and its text returns to the line"):
        (t.home / "more.txt").write_text("a file that stays attached")
        t.say(f"/file {t.home}/more.txt")
        asked, long = len(records(t, "prompt")), "Nothing at all, or much? " * 60
        t.send(long + "the end\r")
        t.wait_text("prefill")
        t.send("\x03")
        t.wait(lambda: t.rows()[t.screen.cursor.y].endswith("the end"), "the text in the line")
        assert len(records(t, "prompt")) == asked and "interrupted" in t.text()
        t.send("\x15\x03")
        t.wait_prompt()
        t.say("Short?")
        assert len(records(t, "prompt")) == asked + 1
        assert "stays attached" in records(t, "prompt")[-1]["text"]
        t.say("/undo")
    with case("/merge works on what was said"):
        t.say("/vote")
        assert records(t, "merge")[-1]["method"] == "vote"
    with case("in focus the first Ctrl-C stops that column only, the second all"):
        t.say("/view focus coder")
        t.send("Once more\r")
        t.wait_text("Once more")
        t.wait(lambda: STREAMING.search(t.text().split("Once more")[-1]), "streaming")
        t.send("\x03")
        time.sleep(0.1)
        t.read(0.05)
        t.send("\x03")
        t.wait_prompt()
        last = {a["persona"]: a for a in records(t, "answer") if a["turn"] == records(t, "prompt")[-1]["turn"]}
        stops = {k: (v["stop"], len(v["tokens"])) for k, v in last.items()}
        assert "interrupted" in {stop for stop, _ in stops.values()}, stops
        stopped = {k: n for k, (stop, n) in stops.items() if stop == "interrupted"}  # others ended by themselves
        assert "coder" not in stopped or stopped["coder"] == min(stopped.values()), stops
    with case("what is typed while answers stream is the next prompt"):
        t.say("/view auto")
        t.say("/set max-tokens 8")
        t.send("First\r")
        t.wait(lambda: STREAMING.search(t.text()), "streaming")
        t.send("/pick coder\r")
        t.wait_text("picked coder")
        t.wait_prompt()
    with case("a debate streams its revisions; Ctrl-C keeps those so far, in the record and for /show"):
        t.send("/debate 3\r")
        t.wait(lambda: re.search(r"round 1 ", t.text()) and STREAMING.search(t.text().split("round 1")[-1]),
               "revisions")
        t.read(1)
        t.send("\x03")
        t.wait_text("no vote)")
        t.wait_prompt()
        debate = records(t, "merge")[-1]
        assert debate["method"] == "debate" and debate["stop"] == "interrupted" and debate["winner"] == -1
        words = [revised["text"].split() for revised in debate["revised"]]
        shown = t.say("/show coder").split()
        assert len(words) == 3 and all(word in shown for word in words[debate["of"].index("coder")])
        assert "stopped before its vote" in t.say("/show merge")
        t.say(f"/save {t.home}/debate.html")
        assert "no vote" in (t.home / "debate.html").read_text()
        for what in ("show", "replay"):
            done = subprocess.run([BINARY, "transcripts", what, t.transcripts()[-1].stem],
                                  env=t.environment, capture_output=True, text=True)
            assert done.returncode == 0, done
    with case("Ctrl-C stops a merge; the answers are there, and it can be tried again"):
        t.send("/merge synth by chair\r")
        t.wait(lambda: re.search("synth  (writing|at work)", t.text()), "a synthesis")
        t.send("\x03")
        t.wait_prompt()
        t.say("/show coder")
    with case("a vote says how far it is and how long it takes; Ctrl-C skips it"):
        t.say("/set max-tokens 150")
        t.say("/set loop off")
        t.say("Write a long story about the sea.")
        seen = set()

        def judging():
            seen.update(re.findall(r"vote  judging (\d+) %(?: · \d+(?:\.\d)? s left)? · Ctrl-C skips", t.text()))
            return seen
        t.send("/vote\r")
        t.wait(judging, "how far the vote is")
        t.send("\x03")
        t.wait_text("the merge was stopped")
        t.wait_prompt()
        t.say("/show coder")
    with case("SIGTERM: saved, the terminal restored, status 143"):
        t.say("/set max-tokens 300")
        t.send("Last words\r")
        t.wait(lambda: STREAMING.search(t.text().split("Last words")[-1]), "streaming")
        t.child.kill(signal.SIGTERM)
        while t.read(0.2):
            pass
        t.child.close()
        assert t.child.signalstatus == signal.SIGTERM or t.child.exitstatus == 143
        assert records(t, "prompt")[-1]["text"] == "Last words"
    with case("SIGHUP at the prompt ends quietly"):
        t = Talk("hangup")
        t.child.kill(signal.SIGHUP)
        while t.read(0.2):
            pass
        t.child.close()
        assert not t.child.isalive()


def elsewhere():
    with case("--plain and TERM=dumb move nothing"):
        for name, words, more in (("plain", ["--plain"], {}), ("dumb", [], {"TERM": "dumb"})):
            t = Talk(name, *words, **more)
            t.say("hello")
            assert b"\x1b[?2026" not in t.raw and b"\x1b[2K" not in t.raw
            t.leave()
    with case("ask --plain has no moving line"):
        t = Talk("plain", "ask", "hello", "--plain", "--merge=none", wait=False)
        while t.read(0.2):
            pass
        t.child.close()
        assert t.child.exitstatus == 0 and b"\x1b[K" not in t.raw, t.raw
    with case("NO_COLOR: no colours at all"):
        t = Talk("nocolor", NO_COLOR="1")
        t.say("hello")
        assert not re.search(rb"\x1b\[[0-9;]*[1-9][0-9;]*m", t.raw)
        t.leave()
    with case("without a terminal there is no conversation: a usage error, or ask"):
        done = run("talk", check_status=False, env=environment("none"))
        assert done.returncode == 2 and "terminal" in done.stderr
        done = run(*ARGUMENTS, "--format=json", "--only=coder", input="hi", stdin=None,
                   env=environment("none"))
        assert json.loads(done.stdout)["prompt"] == "hi"
    with case("an unknown option, a missing model: status 2 and 3"):
        t = Talk("wrong", "--tokens=1", wait=False)
        while t.read(0.2):
            pass
        t.child.close()
        assert t.child.exitstatus == 2 and "talk takes no --tokens" in t.text(), t.text()
        t = Talk("wrong", "-m", "/nowhere", model=False, wait=False)
        while t.read(0.2):
            pass
        t.child.close()
        assert t.child.exitstatus == 3, t.text()


PARTS = [asking, turns, seats, showing, code, stopping, elsewhere]
for part in PARTS:
    if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
        part()
finish()
