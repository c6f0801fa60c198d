#!/usr/bin/env python3
"""`consilium eval` from end to end, on a tiny model of random weights: it knows nothing, so no arm may
differ from another beyond chance; and what matters is that the same run gives the same bytes.
"""
import json
import os
import random
import signal
import subprocess
import tempfile
import time
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

with case("Markdown has a table"):
    table = evaluate(MIXED, "--output", scratch / "a.jsonl", "--format=md").stdout
    assert "| control |" in table and "| oracle |" in table and "|---" in table

finish()
