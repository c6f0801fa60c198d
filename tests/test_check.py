#!/usr/bin/env python3
"""`personas check --measure`: figures against numpy on what `logits` writes, and verdicts on a model whose
experts are planted: in four of its layers one expert makes the letter a likelier, another b.
"""
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from council_model import (EXPERT_WIDTH, EXPERTS, LAYERS, WIDTH, make_model, tensors,
                           write_safetensors)
from suite import BINARY, case, finish, logits, run

scratch = Path(tempfile.mkdtemp(prefix="check-"))
FOLDER = scratch / "config" / "consilium" / "personas"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {
    "HOME": str(scratch), "XDG_CONFIG_HOME": str(scratch / "config"),
    "XDG_CACHE_HOME": str(scratch / "cache")}
PLANTED, FOR_A, FOR_B = range(1, 5), 2, 6  # layers; in layer i expert (i + FOR_A) % EXPERTS is for a


def planted_model(folder):
    """Experts do nothing but what is planted: up = gate, so that silu(gate) * up is above 0 for any
    input, and down points at the letter's row of the output."""
    make_model(folder)
    named = dict(tensors(4))
    head = named["lm_head.weight"]
    for i in range(LAYERS):
        for e in range(EXPERTS):
            at = f"model.layers.{i}.mlp.experts.{e}."
            towards = {(i + FOR_A) % EXPERTS: "a", (i + FOR_B) % EXPERTS: "b"}.get(e)
            named[at + "up_proj.weight"] = named[at + "gate_proj.weight"]
            row = head[ord(towards)] if towards and i in PLANTED else np.zeros(WIDTH, "<f4")
            down = np.outer(row / max(np.linalg.norm(row), 1), np.full(EXPERT_WIDTH, 1.0))
            named[at + "down_proj.weight"] = down.astype("<f4")
    write_safetensors(folder / "model.safetensors", named.items())
    return folder


def text_of(name, letter, size=1500):
    """Words of few letters, most of them this one."""
    random = np.random.default_rng(ord(letter))
    path = scratch / name
    letters = random.choice([letter, "c", "d", " "], size, p=[0.6, 0.15, 0.15, 0.1])
    path.write_text("".join(letters))
    return path


MODEL = planted_model(scratch / "planted")
OWN, OTHER = text_of("own.txt", "a"), text_of("other.txt", "b")
FINGERPRINT = json.loads(run("model", "info", "-m", MODEL, "--format=json").stdout)["fingerprint"]


def persona(name, mode=None, layers=None, **fields):
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps({"persona": 1, "name": name} | fields))
    if not layers:
        return None
    path = FOLDER / f"{name}.{FINGERPRINT[:16]}.mask.json"
    path.write_text(json.dumps({"mask": 1, "model": FINGERPRINT, "mode": mode, "layers": layers}))
    return path


def check(*words, status=0):
    done = run("personas", "check", *words, "-m", MODEL, env=ENVIRONMENT, check_status=False)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-400:]}"
    return done


def measured(*words):
    return json.loads(check(*words, "--format=json").stdout)["measured"]


# ---- numpy ------------------------------------------------------------------------------------


def ids_of(path):
    return json.loads(run("tokenize", "-m", MODEL, "-f", path).stdout)


def log_softmax(z):
    z = z.astype(np.float64)
    z = z - z.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def reference(ids, mask, most):
    """Loss of control and program, KL mean and p99, top-1 agreement: windows of 256 tokens."""
    rows = []
    for at in range(0, len(ids), 256):
        part = ids[at:at + 256][:most - len(rows) + 1]
        if len(part) < 2:
            break
        p, q = (log_softmax(logits(MODEL, part, scratch, *o)[:-1]) for o in ([], ["--mask", mask]))
        target = np.array(part[1:])
        each = np.arange(len(target))
        rows += zip(-p[each, target], -q[each, target], (np.exp(p) * (p - q)).sum(1),
                    p.argmax(1) == q.argmax(1))
    control, program, kl, same = (np.array(c, float) for c in zip(*rows))
    return len(rows), control.mean(), program.mean(), kl.mean(), np.quantile(kl, 0.99), same.mean()


def figures():
    mask = persona("measured", "ban", {"0-5": "0,3"})
    with case("loss, KL, top-1 of both sides are numpy's within 1e-5"):
        m = measured("measured", "--text", OWN, "--text", OTHER, "--tokens=700")
        assert [p["name"] for p in m["programs"]] == ["control", "measured"]
        for side, path in (("own", OWN), ("other", OTHER)):
            tokens, *want = reference(ids_of(path), mask, 700)
            control, program = (p[side] for p in m["programs"])
            got = [control["loss"], program["loss"], program["kl"], program["kl_p99"],
                   program["top1"]]
            assert m[side]["tokens"] == tokens == 700, (tokens, m[side])
            assert np.abs(np.subtract(got, want)).max() < 1e-5, (got, want)
            assert (control["kl"], control["top1"], control["banned_mass"]) == (0, 1, 0)
            assert 0.1 < program["banned_mass"] < 0.9
    with case("gains, gap and null belong together; the same figures come again"):
        control, program = m["programs"]
        gain = {s: control[s]["loss"] - program[s]["loss"] for s in ("own", "other")}
        for side, value in gain.items():
            i = m["gain"][side]
            assert abs(i["value"] - value) < 1e-9 and i["low"] < value < i["high"]
        assert abs(m["gap"]["value"] - gain["own"] + gain["other"]) < 1e-9
        null = m["null"]
        assert len(null["gaps"]) == 20 and null["gaps"] == sorted(null["gaps"])
        assert abs(null["median"] - np.median(null["gaps"])) < 1e-12
        assert abs(null["p95"] - np.quantile(null["gaps"], 0.95)) < 1e-12
        assert m == measured("measured", "--text", OWN, "--text", OTHER, "--tokens=700")


# ---- verdicts ---------------------------------------------------------------------------------


def towards(letter, nats):
    at = {"a": FOR_A, "b": FOR_B}[letter]
    return {str(i): {str((i + at) % EXPERTS): nats} for i in PLANTED}


def verdict(name, *more):
    return measured(name, "--text", OWN, "--text", OTHER, "--tokens=500", *more)


def verdicts():
    with case("a program that calls the experts of its own texts acts"):
        persona("steers", "bias", towards("a", 3))
        m = verdict("steers")
        assert m["verdict"] == "acts" and m["gap"]["low"] > 0, m["sentence"]
        assert m["gap"]["value"] > m["null"]["p95"] and m["sentence"].startswith("acts: its own")
    with case("one that calls those of the others harms"):
        persona("errs", "bias", towards("b", 3))
        m = verdict("errs")
        assert m["verdict"] == "harms" and m["gain"]["own"]["high"] < -0.05, m["sentence"]
        assert "lose" in m["sentence"]
    with case("one that calls experts without a say has no effect"):
        persona("mumbles", "bias", {str(i): {str((i + 1) % EXPERTS): 0.3} for i in PLANTED})
        m = verdict("mumbles")
        assert m["verdict"] == "no effect", m["sentence"]
    with case("a persona without a program has no effect, and no null"):
        persona("plain", instruction="Be plain.")
        m = verdict("plain")
        assert m["verdict"] == "no effect" and m["null"] is None and m["gap"]["value"] == 0
        assert m["programs"][1]["own"]["kl"] == 0
        assert m["answers"]["control"] == m["answers"]["program"]
    with case("without others the gain on its own texts decides"):
        m = measured("steers", "--text", OWN, "--tokens=500")
        assert m["verdict"] == "acts" and m["other"] is None and m["gain"]["other"] is None
        assert m["gap"] == m["gain"]["own"] and m["programs"][1]["other"] is None
    with case("fewer experts alone: no null to deal out, still a verdict"):
        persona("few", router={"experts_per_token": 1})
        m = verdict("few")
        assert m["null"] is None and m["verdict"] in ("acts", "no effect", "harms")


def adapters():
    """A persona that brings an expert for a in each planted layer: the model's own with another row."""
    named = dict(tensors(4))
    added = {}
    for i in PLANTED:
        at, head = f"model.layers.{i}.mlp.", named["lm_head.weight"][ord("a")]
        gate = named[f"{at}experts.0.gate_proj.weight"]
        down = np.outer(head / np.linalg.norm(head), np.full(EXPERT_WIDTH, 1.0))
        added |= {at + "gate.weight": np.zeros((1, WIDTH), "<f4"),
                  at + "experts.0.gate_proj.weight": gate, at + "experts.0.up_proj.weight": gate,
                  at + "experts.0.down_proj.weight": down.astype("<f4")}
    write_safetensors(FOLDER / "guest.safetensors", added.items())
    with case("an adapter alone acts, and is called adapter; there is nothing to deal out"):
        persona("guest", experts="guest.safetensors")
        assert json.loads(check("guest", "--format=json").stdout)["acts_by"] == "adapter"
        m = verdict("guest")
        assert m["verdict"] == "acts" and m["null"] is None, m["sentence"]
    with case("with a mask besides, random programs keep the adapter and deal out the mask"):
        persona("guest", "ban", {str(i): f"{(i + FOR_A) % EXPERTS}" for i in PLANTED},
                experts="guest.safetensors")
        assert json.loads(check("guest", "--format=json").stdout)["acts_by"] == "mask+adapter"
        null = verdict("guest")["null"]
        assert len(set(null["gaps"])) > 1 and null["median"] > 0, null


# ---- lessons, others, the square --------------------------------------------------------------


def teach(name, letter, count=24):
    random = np.random.default_rng(count)
    lines = [{"id": f"q{i + 1:03}", "form": "why", "question": f"Why {i}?",
              "answer": "".join(random.choice([letter, "c", " "], 40, p=[0.7, 0.2, 0.1])).strip()}
             for i in range(count)]
    (FOLDER / f"{name}.jsonl").write_text("".join(json.dumps(l) + "\n" for l in lines))


def lessons():
    teach("steers", "a")
    teach("errs", "b")
    persona("steers", "bias", towards("a", 3), lessons="steers.jsonl", instruction="Say a.")
    persona("errs", "bias", towards("b", 3), lessons="errs.jsonl")
    with case("its lessons are its own, those of --against the others'; every fifth of them"):
        m = measured("steers", "--against=errs")
        assert m["own"] == {"from": "its lessons", "samples": 4, "tokens": m["own"]["tokens"]}
        assert m["other"]["from"] == "the lessons of errs" and m["other"]["samples"] == 4
        assert [p["name"] for p in m["programs"]] == ["control", "steers", "errs"]
        assert m["verdict"] == "acts", m["sentence"]
        own = [p["own"]["loss"] for p in m["programs"]]
        other = [p["other"]["loss"] for p in m["programs"]]
        assert own[1] < own[0] < own[2] and other[2] < other[0] < other[1]
    with case("the square: instruction by program, on the lessons"):
        square = m["square"]
        assert square["plain"] == m["programs"][0]["own"]["loss"]
        assert square["program"] == m["programs"][1]["own"]["loss"]
        assert square["prompt"] != square["plain"] and square["prompt_program"] < square["prompt"]
        assert verdict("errs")["square"] is None  # it has no instruction
    with case("greedy answers are counted"):
        for a in (m["answers"]["control"], m["answers"]["program"]):
            assert a["answers"] == 4 and 0 <= a["finished"] + a["looped"] <= 4
            assert 0 <= a["repeated"] <= 1
    with case("the table fits 80 columns and says what JSON says"):
        done = check("steers", "--against=errs")
        assert "steers is in order" in done.stdout and "acts by prompt+mask" in done.stdout
        # what stands above the figures are paths and lists of experts
        table = done.stdout[done.stdout.index("  own "):].splitlines()
        assert max(map(len, table)) <= 80, max(table, key=len)
        text = " ".join(done.stdout.split())
        assert m["sentence"] in text and re.search(rf"gap {m['gap']['value']:.3f} \[", text)
        assert re.search(rf"steers {own[1]:.3f} {other[1]:.3f} ", text), text
    with case("without --measure, --text, --against or --tokens nothing is measured"):
        assert json.loads(check("steers", "--format=json").stdout)["measured"] is None
        assert "gap" not in check("steers").stdout


def languages():
    """Lessons of several files: both sides in the same languages, told."""
    both = {"en": "{}.jsonl", "ru": "{}.ru.jsonl"}
    for name, letters in (("dual", "a\u0430"), ("other", "b\u0431")):
        for end, letter in zip(("", ".ru"), letters):
            teach(name + end, letter)
        persona(name, "bias", towards("ab"[name == "other"], 3), lessons={k: v.format(name) for k, v in both.items()})

    def tokens(*words):
        m = measured("dual", *words)
        return m["own"], m["other"]

    with case("check: lessons in several languages, as many tokens of each, the others' in the same"):
        own, other = tokens("--against=other", "--tokens=200")
        assert own["from"] == "its lessons in en, ru" and own["tokens"] == other["tokens"] == 200, (own, other)
        assert other["from"] == "the lessons of other in en, ru", other
        each = [tokens("--against=other", f"--lang={lang}")[0] for lang in both]
        assert [e["from"] for e in each] == ["its lessons in en", "its lessons in ru"], each
        assert sum(e["tokens"] for e in each) == tokens("--against=other")[0]["tokens"] > 200, each
    with case("check: a file that names no language is read beside the like; nobody is compared across"):
        own, other = tokens("--against=errs")
        assert own["from"] == "its lessons in en" and other["from"] == "the lessons of errs in en", (own, other)
        done = check("dual", "--lang=ru", "--measure")
        assert "the lessons of errs are not read: it has none in ru" in done.stderr, done.stderr
        assert "its lessons in ru" in done.stdout and "the lessons of coder, critic in ru" in done.stdout, done.stdout
        assert "--lang ru: errs has no lessons in it" in check("dual", "--lang=ru", "--against=errs", status=2).stderr
        assert "--lang de" in check("dual", "--lang=de", "--measure", status=2).stderr
    with case("derive reads the same languages, and says which"):
        for words, want in (([], "en, ru"), (["--lang=ru"], "ru")):
            done = run("personas", "derive", "dual", "--against=other", "-m", MODEL, "--format=json", *words,
                       env=ENVIRONMENT, check_status=False)
            assert f"lessons are read in {want}\n" in done.stderr, done.stderr
            assert json.loads(done.stdout)["languages"] == want, done.stdout
        done = run("personas", "derive", "steers", "--against=errs", "-m", MODEL, "--format=json", env=ENVIRONMENT,
                   check_status=False)
        assert "lessons are read" not in done.stderr and json.loads(done.stdout)["languages"] is None, done


def refusals():
    with case("what cannot be measured is refused by name"):
        def refuse(status, says, *words):
            err = check(*words, status=status).stderr
            assert all(w in err for w in says), err
        refuse(3, ["plain.json", "lessons", "--text"], "plain", "--measure")
        refuse(1, ["gone.txt"], "steers", "--text", scratch / "gone.txt")
        refuse(2, ["--against", "itself"], "steers", "--against=steers")
        refuse(3, ["nobody"], "steers", "--against=nobody")
        refuse(2, ["--tokens"], "steers", "--tokens=0")
        (scratch / "empty.txt").write_text("")
        refuse(2, ["empty.txt"], "steers", "--text", scratch / "empty.txt")
        (scratch / "bad.txt").write_bytes(b"a\xff")
        refuse(2, ["bad.txt"], "steers", "--text", scratch / "bad.txt")
    with case("Ctrl-C ends it with 130 and prints nothing"):
        long = text_of("long.txt", "a", 60000)
        child = subprocess.Popen(
            [BINARY, "personas", "check", "steers", "-m", MODEL, "--text", long, "--tokens=50000"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        assert child.returncode == 130 and not out, (child.returncode, out, err)


def main():
    figures()
    verdicts()
    adapters()
    lessons()
    languages()
    refusals()
    finish()


if __name__ == "__main__":
    main()
