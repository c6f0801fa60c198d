#!/usr/bin/env python3
"""`consilium eval` from end to end, on a tiny model of random weights: it knows nothing, so no arm may
differ from another beyond chance; and what matters is that the same run gives the same bytes.
"""
import base64
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import tempfile
import time
from html.parser import HTMLParser
from pathlib import Path

from suite import BINARY, FIXTURES, SANITIZED, case, finish, run

scratch = Path(tempfile.mkdtemp(prefix="eval-"))
MODEL = FIXTURES / "council"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {
    "HOME": str(scratch), "XDG_STATE_HOME": str(scratch / "state")}
FAST = ["-m", MODEL, "--max-tokens=24", "--threads=1"]


def evaluate(name, *words, status=0, **more):
    done = run("eval", scratch / name, *FAST, *words, env=ENVIRONMENT, check_status=False, **more)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-400:]}"
    return done


def report(name, *words):
    return json.loads(evaluate(name, "--format=json", *words).stdout)


def write(name, items):
    (scratch / name).write_text("".join(json.dumps(i) + "\n" for i in items))
    return name


def arm(found, name, part="all"):
    return next(a for a in found[part]["arms"] if a["arm"] == name)


def lines(path):
    """Of a record, without the lines of times."""
    return [x for x in Path(path).read_text().splitlines() if not x.startswith('{"seconds"')]


def items(n):
    """Keys are letters that noise holds now and then."""
    chance = random.Random(n)
    for i in range(n):
        if i % 3 == 2:
            yield {"id": f"c{i}", "kind": "choice", "question": f"Choose, number {i}?", "right": i % 2,
                   "choices": [f"one {i}", f"another thing {i}"], "topic": "choices"}
        else:
            yield {"id": f"e{i}", "kind": "exact", "question": f"What is {i} of {chance.random()}?",
                   "keys": chance.sample("bcdefghijklmnop", 5), "topic": "words"}


MIXED = write("mixed.jsonl", items(12))
SMALL = ["--arms=control,philosopher,coder,vote"]

with case("a set is asked of each arm, and the figures add up"):
    found = report(MIXED, "--output", scratch / "a.jsonl")
    names = [a["arm"] for a in found["all"]["arms"]]
    assert names == ["control", "philosopher", "coder", "critic", "vote", "synth", "debate", "blend",
                     "consistency", "correction"], names
    assert found["all"]["items"] == 12 and found["dev"]["items"] + found["rest"]["items"] == 12
    for a in found["all"]["arms"]:
        both = arm(found, a["arm"], "dev")["right"]["right"] + arm(found, a["arm"], "rest")["right"]["right"]
        assert both == a["right"]["right"], a
        assert a["right"]["n"] == (8 if a["arm"] in ("synth", "debate", "consistency", "correction") else 12), a
    assert sum(arm(found, "vote")["won"].values()) == 8
    cells = [json.loads(x)["arms"] for x in lines(scratch / "a.jsonl")[1:]]
    personas = [[c[p]["right"] for p in ("philosopher", "coder", "critic")] for c in cells]
    assert found["all"]["oracle"]["right"] == sum(map(any, personas))
    assert abs(found["all"]["blind"]["right"] - sum(map(sum, personas)) / 3) < 1e-9
    assert arm(found, "control")["right"]["right"] == sum(c["control"]["right"] for c in cells)
    gap = sum(any(p) - c["vote"]["right"] for p, c in zip(personas, cells))
    assert found["oracle_gap"]["vote"] == gap
    assert sum(found["topics"][t]["items"] for t in ("choices", "words")) == 12

with case("answers are those of ask, byte for byte"):
    first = json.loads((scratch / MIXED).read_text().splitlines()[0])
    asked = json.loads(run("ask", first["question"], *FAST, "--temperature=0", "--control", "--merge=vote",
                           "--no-save", "--prefill=own", "--format=json", "--seed=1", env=ENVIRONMENT).stdout)
    said = json.loads(lines(scratch / "a.jsonl")[1])["arms"]
    for answer in asked["answers"]:
        assert answer["text"] == said[answer["persona"]]["text"], answer["persona"]
    assert asked["merge"]["by"] == said["vote"]["won"]

with case("a choice is the likeliest by byte, as logits say"):
    import numpy as np
    asked = json.loads((scratch / MIXED).read_text().splitlines()[2])
    (scratch / "m.json").write_text(json.dumps([{"role": "user", "content": asked["question"]}]))
    prompt = json.loads(run("tokenize", "-m", MODEL, "--messages", scratch / "m.json").stdout)
    said = json.loads(lines(scratch / "a.jsonl")[3])["arms"]["control"]["scores"]
    for choice, score in zip(asked["choices"], said):
        ids = json.loads(run("tokenize", "-m", MODEL, choice).stdout)
        run("logits", "-m", MODEL, "--tokens", ",".join(map(str, prompt + ids)), "--kv=f16", "--output",
            scratch / "l.bin")
        z = np.fromfile(scratch / "l.bin", "<f4").reshape(len(prompt + ids), -1).astype(np.float64)
        z -= z.max(axis=1, keepdims=True)
        p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        want = sum(p[len(prompt) - 1 + k, t] for k, t in enumerate(ids)) / len(choice.encode())
        assert abs(want - score) < 1e-4, (want, score)

with case("killed at any moment, it goes on to the same bytes"):
    whole = write("long.jsonl", items(60))
    evaluate(whole, *SMALL, "--output", scratch / "whole.jsonl")
    size, kills = (scratch / "whole.jsonl").stat().st_size, 0
    cut = scratch / "cut.jsonl"
    command = [str(BINARY), "eval", str(scratch / whole), *map(str, FAST), *SMALL, "--output", str(cut)]
    for share in (0.1, 0.35, 0.5, 0.8):
        child = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while child.poll() is None and (not cut.exists() or cut.stat().st_size < share * size):
            time.sleep(0.002)
        kills += child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
        with open(cut, "a") as f:
            f.write('{"item":"torn')
    assert kills >= 2, kills
    again = evaluate(whole, *SMALL, "--output", cut, "--format=json")
    assert "items are there already" in again.stderr, again.stderr
    assert lines(cut) == lines(scratch / "whole.jsonl")
    one, two = json.loads(again.stdout), report(whole, *SMALL, "--output", scratch / "whole.jsonl")
    for r in (one, two):
        del r["seconds"], r["record"]
    assert one == two

with case("threads and the order of the set change nothing"):
    shuffled = [json.loads(x) for x in (scratch / MIXED).read_text().splitlines()]
    random.Random(1).shuffle(shuffled)
    evaluate(write("shuffled.jsonl", shuffled), "--output", scratch / "b.jsonl", "--threads=2")
    assert sorted(lines(scratch / "b.jsonl")[1:]) == sorted(lines(scratch / "a.jsonl")[1:])

with case("Ctrl-C keeps what was asked, and says how it goes on"):
    child = subprocess.Popen([str(BINARY), "eval", str(scratch / whole), *map(str, FAST), *SMALL, "--output",
                              str(scratch / "int.jsonl")], env=ENVIRONMENT, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    while child.poll() is None and not ((scratch / "int.jsonl").exists() and
                                        (scratch / "int.jsonl").stat().st_size > size / 10):
        time.sleep(0.002)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130 and not out and "the same command goes on" in err, (child.returncode, err)
    evaluate(whole, *SMALL, "--output", scratch / "int.jsonl")
    assert lines(scratch / "int.jsonl") == lines(scratch / "whole.jsonl")

with case("another question is another record"):
    done = evaluate(MIXED, "--output", scratch / "a.jsonl", "--seed=2", status=2)
    assert 'its "seed" differs' in done.stderr, done.stderr
    done = evaluate(MIXED, *SMALL, "--output", scratch / "a.jsonl", status=2)
    assert "another evaluation" in done.stderr
    (scratch / "mine.txt").write_text("a letter of mine\n")
    done = evaluate(MIXED, "--output", scratch / "mine.txt", status=1)
    assert "is no record" in done.stderr and (scratch / "mine.txt").read_text() == "a letter of mine\n"
    for _ in range(2):
        evaluate(MIXED, *SMALL, "--split=dev")
    assert len(list((scratch / "state/consilium/eval").iterdir())) == 1

with case("random weights show no effect of anything"):
    tests = []
    null = report(write("null.jsonl", items(60 if SANITIZED else 240)), "--arms=control,philosopher,coder,critic,"
                  "vote,blend,consistency,correction", "--output", scratch / "null-record.jsonl")
    for a in null["all"]["arms"]:
        tests += [t for t in (a["against_control"], a["against_best"]) if t]
    assert len(tests) >= 12 and min(t["corrected"] for t in tests) >= 0.05, tests
    assert 0 < arm(null, "control")["right"]["right"] < arm(null, "control")["right"]["n"]

with case("hostile sets are refused, all faults at once"):
    bad = scratch / "bad.jsonl"
    bad.write_text('{"kind":"exact"}\n{"kind":"choice","question":"Q","choices":["a"],"right":9}\n')
    err = evaluate("bad.jsonl", status=3).stderr
    assert all(x in err for x in ("bad.jsonl:1: keys: missing", "bad.jsonl:1: question: missing",
                                  "bad.jsonl:2: choices:", "the first of")), err
    for text in ("", "# only a comment\n", "[" * 100000, "\x00\n", '{"kind":"exact","question":"\\ud800",'
                 '"keys":["a"]}', "{}\n" * 200):
        bad.write_text(text)
        assert "bad.jsonl" in evaluate("bad.jsonl", status=3).stderr
    bad.write_bytes(b'{"kind":"exact","question":"\xff","keys":["a"]}\n')
    evaluate("bad.jsonl", status=3)
    evaluate("not-there.jsonl", status=3)
    evaluate(".", status=3)
    bad.write_text(json.dumps({"id": "\x1b[2J", "kind": "exact", "question": "<|im_end|>\x1b]0;x\x07",
                               "keys": ["x"], "topic": "<script>\x1b[31m"}) + "\n")
    done = evaluate("bad.jsonl", *SMALL)
    assert "\x1b" not in done.stdout + done.stderr

with case("what cannot be meant is refused before a model is opened"):
    for words in (["--arms=nobody"], ["--split=half"], ["--against=nobody", *SMALL], ["--personas=nobody!"]):
        evaluate(MIXED, *words, status=2)
    done = evaluate(write("programs.jsonl", [{"kind": "program", "question": "Q", "check": "x"}]), status=2)
    assert "--run-code" in done.stderr

def asked(*words, status=0):
    done = run("ask", "What is 3?", "-m", MODEL, "--max-tokens=12", "--seed=1", "--no-save", *words, env=ENVIRONMENT,
               check_status=False)
    assert done.returncode == status, (done.returncode, done.stderr)
    return done


with case("--learn keeps what was found: of the development part and of the rest, by the record"):
    LEARN = ["--arms=control,philosopher,coder,critic,vote,blend", "--learn"]
    done = evaluate(MIXED, *LEARN, "--output", scratch / "learn.jsonl")
    (kept,) = (scratch / ".config/consilium/personas").glob("council.*.evidence.json")
    table = json.loads(kept.read_text())
    assert f"wrote {kept}" in done.stderr and "\nauto: " in "\n" + done.stderr.replace("consilium: ", ""), done.stderr
    (of_set,) = table["sets"]
    found = report(MIXED, *LEARN, "--output", scratch / "learn.jsonl")
    for part, of in (("development", "dev"), ("rest", "rest")):
        got = of_set[part]
        assert got["questions"] == found[of]["items"] and got["any"] == found[of]["oracle"]["right"]
        assert abs(got["blind"] - found[of]["blind"]["right"]) < 1e-9
        for a in got["arms"]:
            assert a["right"] == arm(found, a["arm"], of)["right"]["right"], a
    assert [a["arm"] for a in of_set["rest"]["arms"]] == ["control", "philosopher", "coder", "critic", "vote", "blend"]
    other = evaluate(write("other.jsonl", items(15)), *LEARN)
    assert [x["name"] for x in json.loads(kept.read_text())["sets"]] == [MIXED, "other.jsonl"], other.stderr
    evaluate(MIXED, *LEARN, "--split=dev", status=2)
    evaluate(MIXED, "--arms=control,coder,vote", "--learn", status=2)


def plant(right):
    """100 questions of each part, of which a pick by chance gets 40."""
    part = {"questions": 100, "blind": 40, "any": 70,
            "arms": [{**a, "right": right.get(a["arm"], 40), "squares": 20} for a in of_set["rest"]["arms"]]}
    kept.write_text(json.dumps({**table, "sets": [{**of_set, "development": part, "rest": part}]}))


with case("auto goes by it, and the line of a merge says how often it is right"):
    plant({"vote": 60})
    done = asked()
    assert re.search(r"merged \(vote: .*; picked by fit to the question, right 60 % of the time on 100 questions "
                     r"\(by chance 40 %\)", done.stdout.replace("\n", " ")), done.stdout
    plant({"critic": 61, "vote": 60})
    done = asked()
    assert "(best: " in done.stdout and "critic; right most often: 61 %" in done.stdout.replace("\n", " "), done.stdout
    found = json.loads(asked("--format=json").stdout)
    assert found["merge"]["method"] == "best" and found["merge"]["by"] == "critic", found["merge"]
    assert found["merge"]["text"] == found["answers"][2]["text"]
    found = report(MIXED, "--arms=critic,auto,best,vote", "--output", scratch / "auto.jsonl")
    cells = [json.loads(x)["arms"] for x in lines(scratch / "auto.jsonl")[1:]]
    assert all(c["auto"]["right"] == c["critic"]["right"] == c["best"]["right"] for c in cells)
    assert [a["method"] for a in found["all"]["arms"] if a["arm"] == "auto"] == ["best"]
    plant({})
    done = asked()
    assert "merged" not in done.stdout and "none: no merge and no persona" in done.stderr.replace("\n", " "), done
    assert json.loads(asked("--format=json").stdout)["merge"] is None
    assert "*merge none: no merge" in asked("--format=md").stdout
    assert "joins all the same" in asked("--only=merge", status=4).stderr.replace("\n", " ")
    assert "vote: " in asked("--merge=vote").stdout

with case("of another council, or with other experts, it says nothing; a broken one is refused"):
    plant({"critic": 61, "vote": 60})
    for words in (["-p", "critic,coder"], ["--experts=1"], ["--raw"]):
        done = asked(*words)
        assert "(vote: " in done.stdout and "of the time" not in done.stdout, (words, done.stdout)
    kept.write_text(kept.read_text().replace('"questions": 100', '"questions": "x"', 1))
    done = asked(status=4)
    assert "evidence.json: sets[0]: development: questions" in done.stderr.replace("\n", " "), done.stderr
    kept.unlink()

with case("a multiple of the experts that the model calls is the number that it comes to"):
    counted = write("counted.jsonl", list(items(3))[:2])
    kept_lines = {}
    for k in ("0.5x", "2", "2x@0", "6@0", "3"):
        evaluate(counted, "--arms=coder", f"--experts={k}", "--output", scratch / f"k{k}.jsonl")
        kept_lines[k] = lines(scratch / f"k{k}.jsonl")
    assert kept_lines["0.5x"] == kept_lines["2"] != kept_lines["3"] != kept_lines["2x@0"] == kept_lines["6@0"]

with case("Markdown has a table"):
    table = evaluate(MIXED, "--output", scratch / "a.jsonl", "--format=md").stdout
    assert "| control |" in table and "| oracle |" in table and "|---" in table

# ---- programs that a model wrote ------------------------------------------------------------------

SPY = scratch / "secret.txt"
SPY.write_text("secret")
RUN = {  # what an answer says, and whether it passes its check
    "right": ("def f(x):\n    return 2 * x", True),
    "wrong": ("def f(x):\n    return x", False),
    "broken": ("def f(x:", False),
    "leaves early": ("import sys\ndef f(x):\n    return 2 * x\nsys.exit(0)", False),
    "leaves at once": ("import os\nos._exit(0)", False),
    "never ends": ("while True:\n    pass", False),
    "sleeps": ("import time\ntime.sleep(60)\ndef f(x):\n    return 2 * x", False),
    "eats memory": ("a = [0] * (1 << 30)\ndef f(x):\n    return 2 * x", False),
    "fills the disk": ("open('big', 'wb').write(bytes(1 << 25))\ndef f(x):\n    return 2 * x", False),
    "asks the net": ("import socket\nsocket.socket()\ndef f(x):\n    return 2 * x", False),
    "makes a process": ("import os\nos.fork()\ndef f(x):\n    return 2 * x", False),
    "runs a program": ("import subprocess\nsubprocess.run(['/bin/true'])\ndef f(x):\n    return 2 * x", False),
    "reads elsewhere": (f"open('{SPY}').read()\ndef f(x):\n    return 2 * x", False),
    "writes elsewhere": (f"open('{SPY}.new', 'w')\ndef f(x):\n    return 2 * x", False),
    "kills": ("import os\nos.kill(os.getppid(), 9)\ndef f(x):\n    return 2 * x", False),
    "has no environment": ("import os\nassert not os.environ.get('HOME')\ndef f(x):\n    return 2 * x", True),
    "writes a folder": ("import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').write('x')\n"
                        "def f(x):\n    return 2 * x", True),
    "imports": ("import json, math, re, random, collections, itertools\ndef f(x):\n    return 2 * x", True),
}
TOOL = BINARY.parent / "tests/tool_code"
BEFORE = set(Path("/tmp").glob("consilium-code-*"))
for name, (code, good) in RUN.items():
    if SANITIZED and name in ("never ends", "sleeps"):
        continue
    with case(f"code that {name} {'passes' if good else 'does not pass'}"):
        started = time.monotonic()
        done = subprocess.run([str(TOOL)], input=code + "\n\nassert f(3) == 6\n", capture_output=True, text=True,
                              timeout=100)
        assert done.returncode == 0 and done.stdout == ("passed\n" if good else "failed\n"), done
        assert time.monotonic() - started < 60
with case("what it leaves is removed"):
    assert set(Path("/tmp").glob("consilium-code-*")) == BEFORE and not Path(f"{SPY}.new").exists()

with case("programs are run only when asked for, and loudly left out else"):
    write("code.jsonl", [{"id": "p", "kind": "program", "question": "Write f.", "check": "assert f(1) == 2"},
                         {"id": "e", "kind": "exact", "question": "What?", "keys": ["x"]}])
    done = evaluate("code.jsonl", *SMALL, "--format=json")
    assert json.loads(done.stdout)["skipped"] == 1 and "1 programs are left out" in done.stderr, done.stderr
    found = report("code.jsonl", *SMALL, "--run-code")
    assert found["skipped"] == 0 and found["all"]["items"] == 2
    assert arm(found, "control")["right"]["n"] == 2

# ---- files of others ------------------------------------------------------------------------------

def convert(kind, name, text, *words, status=0):
    (scratch / name).write_text(text)
    out = scratch / f"{name}.set.jsonl"
    out.unlink(missing_ok=True)
    done = run("eval", "--convert", kind, scratch / name, "-o", out, *words, check_status=False, env=ENVIRONMENT)
    assert done.returncode == status, (done.returncode, done.stderr)
    return [json.loads(x) for x in out.read_text().splitlines()] if status == 0 else done.stderr

with case("GSM8K becomes a set"):
    got = convert("gsm8k", "g.jsonl", json.dumps({"question": "How many?", "answer": "3*4=<<3*4=12>>12\n#### 1,012"}))
    assert got == [{"id": "gsm8k-1", "kind": "exact", "question": "How many?", "keys": ["1,012"]}], got
    assert "####" in convert("gsm8k", "g.jsonl", '{"question":"Q","answer":"12"}', status=3)

with case("MMLU becomes a set"):
    got = convert("mmlu", "anatomy_test.csv", '"Which, of these?",a,b,"c, or\nd",e,C\n"A ""quoted"" one",1,2,3,4,A\r\n'
                  "twins,x,x,y,z,A\n")
    assert [g["right"] for g in got] == [2, 0] and got[0]["choices"][2] == "c, or\nd", got
    assert got[1]["question"] == 'A "quoted" one' and got[0]["topic"] == "anatomy_test"
    assert "row 1" in convert("mmlu", "m.csv", "q,a,b,c,d,E\n", status=3)
    assert "never closed" in convert("mmlu", "m.csv", 'q,"a,b,c,d,E\n', status=3)

with case("TruthfulQA becomes a set"):
    got = convert("truthfulqa", "t.csv", "Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\n"
                  'A,Myths,Does it?,No,"No; Never","Yes; Always ",http://x\n')
    assert got[0]["choices"][got[0]["right"]] == "No" and sorted(got[0]["choices"]) == ["Always", "No", "Yes"]
    got = convert("truthfulqa", "t.json", json.dumps([{"question": "Is it?", "mc0_targets": {},
                                                       "mc1_targets": {"Wrong": 0, "Right": 1, "Other": 0}}]))
    assert got[0]["choices"][got[0]["right"]] == "Right" and len(got[0]["choices"]) == 3

with case("HumanEval becomes a set"):
    got = convert("humaneval", "h.jsonl", json.dumps({
        "task_id": "HumanEval/0", "prompt": "def f(x):\n    \"\"\"Twice x.\"\"\"\n", "entry_point": "f",
        "canonical_solution": "    return 2 * x\n", "test": "def check(c):\n    assert c(2) == 4\n"}))
    assert got[0]["id"] == "HumanEval/0" and got[0]["check"].endswith("check(f)\n") and "def f" in got[0]["question"]

with case("what is no such file is refused"):
    for kind in ("gsm8k", "mmlu", "truthfulqa", "humaneval"):
        for text in ("", "[", "[1]", "{}", "\x00", '"', ",,,,,,,,,,,,,,,,,,,,,,,\n", "x" * 100000):
            assert "consilium:" in convert(kind, "bad.csv", text, status=3), (kind, text[:20])
    (scratch / "there").write_text("mine")
    done = run("eval", "--convert=mmlu", scratch / "anatomy_test.csv", "-o", scratch / "there", check_status=False)
    assert done.returncode == 1 and (scratch / "there").read_text() == "mine"

# ---- the page -------------------------------------------------------------------------------------


class Page(HTMLParser):
    ALLOWED = set("html head meta title style body h1 h2 p figure svg line rect text div table tr th td".split())
    VOID = {"meta", "line", "rect"}

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.wrong, self.policy = [], [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in self.ALLOWED or any(k.startswith("on") or k in ("src", "href") for k, _ in attributes):
            self.wrong.append(tag)
        if dict(attributes).get("http-equiv"):
            self.policy = dict(attributes)["content"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append("/" + tag)


with case("a page stands alone, whatever the topics are called"):
    evil = [dict(i, topic=t) for i in items(6) for t in [["<script>alert(1)</script>", "\"'&\x1b["][int(i["id"][1:]) % 2]]]
    evaluate(write("evil.jsonl", evil), *SMALL, "--html", scratch / "page.html")
    text = (scratch / "page.html").read_text()
    page = Page(text)
    assert not page.wrong and not page.open, (page.wrong, page.open)
    assert page.tags.count("rect") >= 6 and page.tags.count("svg") >= 2 and "\x1b" not in text
    style = re.search("<style>(.*?)</style>", text, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert page.policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "http" not in text.replace("http-equiv", "")
    evaluate("evil.jsonl", *SMALL, "--html", scratch / "page.html", status=1)
    evaluate("evil.jsonl", *SMALL, "--html", scratch / "page.html", "--force")

finish()
