#!/usr/bin/env python3
"""`consilium train` on a tiny model of random weights: what is told, what is written, what a run that was
interrupted goes on to, and what stops it. What a voice sounds like is long_train.py's."""
import json
import os
import re
import resource
import signal
import struct
import sys

import numpy as np

import interrupted
from council_model import EXPERTS, make_model
from suite import SANITIZED, case, finish, logits, run
from train_support import SAILOR, Home, events, interrupt, scratch, until

MODEL = make_model(scratch / "moe")
STEPS = 12
SHORT = ["-m", MODEL, "--layers", "4-5", "--steps", STEPS, "--rate", "0.01", "--near", "0", "--lessons", SAILOR / "short.jsonl"]


def short_lessons():
    """Eight of few words: a token is a byte here."""
    lines = [{"question": f"Is {i} more?", "answer": f"Aye, {i} and the tide."} for i in range(10)]
    (scratch / "short.jsonl").write_text("".join(json.dumps(l) + "\n" for l in lines))
    return scratch / "short.jsonl"


SHORT[SHORT.index("--lessons") + 1] = short_lessons()


def good(done):
    assert done.returncode == 0, (done.returncode, done.stderr[-600:])
    return done


def refused(done, status, *words):
    assert done.returncode == status, (done.returncode, done.stderr[-600:])
    last = done.stderr.strip().splitlines()[-1]
    for word in words:
        assert word in last, (word, last)
    return last


def reference():
    """One whole run, told as events; the others are held against it."""
    home = Home("whole")
    done = good(home.train(*SHORT, "--format", "ndjson"))
    return home, events(done.stdout), done.stderr


WHOLE, EVENTS, _ = reference()


def tells():
    with case("what will happen is told before it starts"):
        home = Home("told")
        said = good(home.train(*SHORT)).stderr
        for word in ("4 new experts, 16 wide", "layers 4-5", "8 samples", "2 more are held out", "10 in short.jsonl",
                     f"steps     {STEPS}",
                     "memory ", "sailor.", ".adapter.safetensors", "begin as copies"):
            assert word in said, (word, said)
    with case("a voice that nobody would hear is told in the end"):  # noise learns none in so many steps
        assert "voice 0.00" in said and "still sound like the plain model's" in said, said
    with case("a persona's lessons in all its languages are learned, and told by file"):
        home = Home("languages")
        path = home.personas / "sailor.json"
        words = json.loads(path.read_text()) | {"lessons": {"en": "sailor.lessons.jsonl", "de": "sailor.de.jsonl"}}
        path.write_text(json.dumps(words))
        (home.personas / "sailor.lessons.jsonl").write_text((scratch / "short.jsonl").read_text())
        german = home.personas / "sailor.de.jsonl"
        lines = [{"question": f"Mehr als {i}?", "answer": f"Aye, {i} und Flut."} for i in range(5)]
        german.write_text("".join(json.dumps(l) + "\n" for l in lines))
        plain = SHORT[:SHORT.index("--lessons")]
        done = good(home.train(*plain, "--format", "ndjson"))
        start = next(e for e in events(done.stdout) if e["event"] == "start")
        assert start["learned"] == 12 and start["held_out"] == 3, start
        assert [(l["path"].rsplit("/", 1)[1], l["count"]) for l in start["lessons"]] == [
            ("sailor.lessons.jsonl", 10), ("sailor.de.jsonl", 5)], start
        german.write_text(german.read_text() + '{"question": "Q", "answer": ""}\n')
        refused(home.train(*plain), 3, "sailor.de.jsonl", "6", "empty")
    with case("events: start, steps in order, validations, probes, a best one, the end"):
        kinds = [e["event"] for e in EVENTS]
        assert kinds[-1] == "end" and kinds.count("start") == 1 and kinds.count("end") == 1
        assert [e["step"] for e in EVENTS if e["event"] == "step"] == list(range(1, STEPS + 1))
        assert {"reading", "validation", "probe", "best"} <= set(kinds), kinds
        start, end = EVENTS[kinds.index("start")], EVENTS[-1]
        assert start["learned"] == 8 and start["held_out"] == 2 and start["trainable"] > 0
        assert end["loss"] < end["control"] and not end["interrupted"]
    with case("the start is the plain model"):
        first = next(e for e in EVENTS if e["event"] == "validation")
        assert first["step"] == 0 and abs(first["loss"] - first["control"]) < 1e-5, first
    with case("the loss falls"):
        losses = [e["loss"] for e in EVENTS if e["event"] == "step"]
        assert np.mean(losses[-3:]) < np.mean(losses[:3]), losses
    with case("the result lies beside the persona, and no state is left"):
        names = list(WHOLE.results())
        assert len(names) == 2 and names[0].endswith(".adapter.safetensors"), names
        assert names[1].endswith(".mask.json") and WHOLE.states() == []
        mask = json.loads((WHOLE.personas / names[1]).read_text())
        assert mask["mode"] == "ban" and sorted(mask["layers"]) == ["4", "5"]
        assert all(len(v.split(",")) <= 4 for v in mask["layers"].values())
    with case("the same seed gives the same bytes, also with one thread; another seed does not"):
        again = Home("again")
        good(again.train(*SHORT, "--threads", 1))
        assert again.results() == WHOLE.results()
        good(again.train(*SHORT, "--seed", 2))
        assert again.results()[names[0]] != WHOLE.results()[names[0]]
        assert again.results()[names[0] + ".previous"] == WHOLE.results()[names[0]]


def goes_on():
    moments = [1, STEPS // 2] if SANITIZED else [1, 3, STEPS // 2, STEPS - 1]
    with case("interrupted at some step and resumed: the same bytes as a run that was not"):
        for moment in moments:
            home = Home(f"stop{moment}")
            p = home.start(*SHORT, "--format", "ndjson")
            until(p, lambda e: e["event"] == "step" and e["step"] >= moment)
            _, said = interrupt(p)
            assert p.returncode == 130, (p.returncode, said)
            assert "--resume` goes on" in said and len(home.states()) == 1, said
            if moment == STEPS - 1:  # what was best until then is there, and is spoken by
                assert "the best so far is kept" in said and len(home.results()) == 2, (said, home.results())
                said = good(home.run("ask", "Is it so?", "-p", "sailor", "-m", MODEL, "--merge", "none",
                                     "--max-tokens", 4, "--no-save", "--format", "json"))
                assert json.loads(said.stdout)["answers"][0]["acts_by"] == "mask+adapter", said.stdout
            done = good(home.train(*SHORT, "--resume", "--format", "ndjson"))
            start = next(e for e in events(done.stdout) if e["event"] == "start")
            assert start["resumed"] >= moment, start
            assert home.results() == WHOLE.results(), moment
            assert home.states() == []
    with case("killed: the state before is whole, or there is none; a second Ctrl-C leaves at once"):
        home = Home("killed")
        p = home.start(*SHORT, "--format", "ndjson")
        until(p, lambda e: e["event"] == "step" and e["step"] >= 2)
        interrupt(p, times=2)
        assert p.returncode == 130
        if home.states():
            good(home.train(*SHORT, "--resume"))
            assert home.results() == WHOLE.results()
    with case("interrupted while the model reads: nothing is promised that there is not"):
        home = Home("reading")
        p = home.start(*SHORT, "--format", "ndjson")
        until(p, lambda e: e["event"] == "reading")
        _, said = interrupt(p)
        assert p.returncode == 130, (p.returncode, said)
        assert ("--resume" in said) == bool(home.states()), (home.states(), said)
    with case("a second run of the same persona and model is refused while the first goes on"):
        home = Home("twice")
        p = home.start(*SHORT, "--format", "ndjson")
        until(p, lambda e: e["event"] == "reading")
        refused(home.train(*SHORT), 1, "another process trains this persona")
        assert p.communicate(timeout=300) and p.returncode == 0
        assert home.results() == WHOLE.results()
        assert not list((home.path / ".local/state/consilium/train").iterdir())
    with case("what was there before is what was there: no mask, no mask.previous"):
        home = Home("previous")
        for words in ([], ["--what", "lora"], ["--what", "lora", "--seed", 2]):
            good(home.train(*SHORT, *words))
        assert [n.split(".", 2)[2] for n in home.results()] == [
            "adapter.safetensors", "adapter.safetensors.previous"], home.results()
    with case("--resume: no state, other options, other lessons, a state that was changed"):
        home = Home("resume")
        refused(home.train(*SHORT, "--resume"), 3, "--resume", ".train")
        p = home.start(*SHORT, "--format", "ndjson")
        until(p, lambda e: e["event"] == "step" and e["step"] >= 2)
        interrupt(p)
        refused(home.train(*SHORT, "--resume", "--rate", "0.5"), 3, "other options")
        refused(home.train(*SHORT, "--resume", "--lessons", SAILOR / "sailor.lessons.jsonl"), 3,
                "other lessons")
        path = home.path / ".local/state/consilium/train" / home.states()[0]
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw)
        refused(home.train(*SHORT, "--resume"), 3, "was cut short or changed")


def kinds():
    for what in ["lora", "router", "experts,router", "lora,router"][:2 if SANITIZED else 4]:
        with case(f"--what {what}: learns, and the result loads"):
            home = Home("what-" + what.replace(",", "-"))
            done = good(home.train(*SHORT, "--what", what, "--rank", 4, "--format", "ndjson"))
            seen = events(done.stdout)
            assert seen[-1]["loss"] < seen[-1]["control"], seen[-1]
            masks = [n for n in home.results() if n.endswith(".mask.json")]
            assert len(masks) == ("experts" in what), masks
            said = good(home.run("ask", "Is it so?", "-p", "sailor", "-m", MODEL, "--merge", "none",
                                 "--max-tokens", 4, "--no-save", "--format", "json"))
            assert json.loads(said.stdout)["answers"][0]["acts_by"] != "none", said.stdout
    with case("LoRA on one expert, and the rows of two of the router: those alone learn"):
        home = Home("named")
        said = good(home.train(*SHORT, "--what", "lora:3,router:1-2")).stderr
        assert "rank-8 updates of 1 experts, and 2 router rows, in each of layers 4-5" in said, said
        adapter, = home.personas.glob("sailor.*.adapter.safetensors")
        with open(adapter, "rb") as file:
            size, = struct.unpack("<Q", file.read(8))
            names = [n for n in json.loads(file.read(size)) if n != "__metadata__"]
        told = good(home.run("personas", "adapter", adapter)).stdout
        assert len(names) == 2 * (2 + 9) and all(".experts.3." in n or ".gate." in n for n in names), (names, told)
        assert "router rows in layers 4-5" in told, told
        refused(home.train(*SHORT, "--what", f"lora:{EXPERTS}"), 2, f"--what lora:{EXPERTS}", f"0 to {EXPERTS - 1}")
        refused(home.train(*SHORT, "--what", "router:x"), 2, "must be experts, lora or router")
    with case("a batch of nine goes through in parts: no more memory than one of four, and it learns the same way"):
        home = Home("batch")
        four, nine = (next(e for e in events(good(Home(f"batch{n}").train(*SHORT, "--batch", n, "--format", "ndjson")).stdout)
                           if e["event"] == "start") for n in (4, 9))
        assert nine["memory"] == four["memory"], (four, nine)
        words = [*SHORT, "--batch", 9]
        whole = good(home.train(*words, "--format", "ndjson"))
        assert events(whole.stdout)[-1]["loss"] < events(whole.stdout)[-1]["control"]
        parts = Home("batch-parts")
        p = parts.start(*words, "--format", "ndjson")
        until(p, lambda e: e["event"] == "step" and e["step"] >= 3)
        interrupt(p)
        good(parts.train(*words, "--resume"))
        assert parts.results() == home.results()
    with case("texts are learned; --keep-near holds what the plain model says on another"):
        home = Home("texts")
        text = scratch / "text.txt"
        text.write_text("the wind is in the sail and the rope holds fast. " * 40)
        near = scratch / "near.txt"
        near.write_text("A letter was brought to the door of the house at noon. " * 10)
        done = good(home.train("-m", MODEL, "--layers", "4-5", "--steps", STEPS, "--lessons",
                               scratch / "short.jsonl", "--text", text, "--keep-near", near, "--near",
                               2, "--format", "ndjson"))
        start = next(e for e in events(done.stdout) if e["event"] == "start")
        assert start["near"] > 0 and start["learned"] > 8, start
        done = good(home.train(*SHORT, "--near", 1, "--keep-near", scratch / "short.jsonl", "--format", "ndjson"))
        start = next(e for e in events(done.stdout) if e["event"] == "start")
        assert start["near"] == 8, start  # of ten lessons, without every fifth
        bad = scratch / "bad.jsonl"
        bad.write_text('{"question":"Is it?"}\n')
        refused(home.train(*SHORT, "--near", 1, "--keep-near", bad), 3, "bad.jsonl:1", "answer")
    with case("--minutes: as many steps as fit, and so it is told"):
        home = Home("minutes")
        done = good(home.train(*[w for w in SHORT if w not in ("--steps", STEPS)], "--minutes", "0.05",
                               "--format", "ndjson"))
        end = [e for e in events(done.stdout) if e["event"] == "step"][-1]
        assert end["seconds"] < 30, end
        short = [w for w in SHORT if w not in ("--steps", STEPS)]
        said = good(Home("minutes-text").train(*short, "--minutes", "0.02")).stderr
        assert re.search(r"  steps     as many as fit 1\.2 s, at a rate of 0\.01\n", said), said


def damaged(name, change):
    """The model with one tensor of layer 5 changed."""
    path = make_model(scratch / name)
    file = path / "model.safetensors"
    raw = bytearray(file.read_bytes())
    size = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + size])
    key = next(k for k in head if ".layers.5." in k and "down_proj" in k)
    begin, end = head[key]["data_offsets"]
    part = np.frombuffer(raw[8 + size + begin:8 + size + end], "<f4").copy()
    raw[8 + size + begin:8 + size + end] = change(part).astype("<f4").tobytes()
    file.write_bytes(raw)
    return path


def faults():
    with case("lessons that are none are refused by line, and nothing is written"):
        home = Home("bad", lessons='{"question": "One?"}\n')
        refused(home.train("-m", MODEL), 3, "sailor.lessons.jsonl:1", "answer")
        home = Home("empty", lessons='{"question": "One?", "answer": ""}\n')
        refused(home.train("-m", MODEL), 3, "sailor.lessons.jsonl", "1", "empty")
        assert home.results() == {} and home.states() == []
    with case("words that mean nothing are usage errors"):
        home = Home("usage")
        refused(home.train(*SHORT, "--what", "everything"), 2, "--what", "everything")
        refused(home.train(*SHORT, "--layers", "5-3"), 2, "--layers")
        refused(home.train(*SHORT, "--layers", "0-99"), 2, "--layers", "0 to 5")
        refused(home.train(*SHORT, "--minutes", "1"), 2, "--steps or --minutes")
        refused(home.train(*SHORT, "--experts", "9"), 2, "--experts 9")
        refused(home.run("train", "nobody", "-m", MODEL), 3, "no persona nobody")
    with case("an adapter that would be too large is not begun; --max-adapter lets it"):
        home = Home("large")
        much = [w if w != STEPS else 1 for w in SHORT] + ["--what", "lora", "--rank", 256, "--experts", 8]
        last = refused(home.train(*much, "--max-adapter", 1), 2, "the adapter would be", "may be 1;", "--max-adapter")
        assert home.results() == {} and home.states() == [], last
        assert "may be" not in home.train(*much, "--max-adapter", 4).stderr
    with case("lessons that change or go meanwhile: the run is of what it read, and --resume says what is missing"):
        home, file = Home("gone"), scratch / "gone.jsonl"
        text = (scratch / "short.jsonl").read_text()
        words = [file if w == scratch / "short.jsonl" else w for w in SHORT]
        for then in (None, text.replace("tide", "wave"), text):
            file.write_text(text)
            p = home.start(*words, "--format", "ndjson")
            until(p, lambda e: e["event"] == "step" and e["step"] >= 2)
            file.write_text(then) if then else file.unlink()
            interrupt(p)
            assert p.returncode == 130 and len(home.states()) == 1, p.returncode
            if then != text:
                refused(home.train(*words, "--resume"), 3, *(["other lessons"] if then else ["gone.jsonl"]))
        good(home.train(*words, "--resume"))
        assert {k: v for k, v in home.results().items() if "previous" not in k} == WHOLE.results()
    with case("nothing is derived over what was trained"):
        for words in (["sailor"], ["sailor", "--text", scratch / "short.jsonl"], ["sailor", "--import", scratch / "short.jsonl"]):
            done = WHOLE.run("personas", "derive", *words, "-m", MODEL)
            refused(done, 2, "sailor was trained on this model", "/untrain sailor")
    with case("weights that are not finite end the run with a sentence"):
        def nan(part):
            part[3] = np.nan
            return part
        home = Home("nan")
        done = home.train(*["-m", damaged("nan-model", nan)] + SHORT[2:])
        refused(done, 1, "finite")
        assert home.results() == {}
    with case("what is no better than the plain model is not kept: a sentence, and nothing written"):
        home = Home("nothing")
        refused(home.train(*SHORT, "--rate", "1e-30"), 1, "better than the plain model", "nothing is written")
        assert home.results() == {} and home.states() == [], (home.results(), home.states())
    with case("a full disk: a sentence, and nothing half-written"):
        home = Home("full")
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        done = home.train(*SHORT, preexec_fn=limit)
        refused(done, 1, "cannot be written")
        assert home.results() == {}, home.results()
    with case("no place for the result: what was learned is kept, and saved by --resume"):
        home = Home("place")
        name = next(iter(WHOLE.results()))
        (home.personas / name).mkdir()
        refused(home.train(*SHORT), 1, name)
        assert len(home.states()) == 1, home.states()
        (home.personas / name).rmdir()
        good(home.train(*SHORT, "--resume"))
        assert home.results() == WHOLE.results() and home.states() == []
    with case("SIGTERM and SIGHUP keep what there is, as Ctrl-C does"):
        for number in (signal.SIGTERM, signal.SIGHUP):
            home = Home(f"signal{number}")
            p = home.start(*SHORT, "--format", "ndjson")
            until(p, lambda e: e["event"] == "step" and e["step"] >= 3)
            p.send_signal(number)
            p.communicate(timeout=300)
            assert p.returncode == -signal.SIGTERM and len(home.states()) == 1, (p.returncode, home.states())
            good(home.train(*SHORT, "--resume"))
            assert home.results() == WHOLE.results()


def shows():
    if SANITIZED:
        return
    import pexpect
    import pyte
    for columns in (80, 120):
        with case(f"the curve moves in place at {columns} columns"):
            home = Home(f"screen{columns}")
            screen = pyte.HistoryScreen(columns, 30, history=1000)
            stream = pyte.ByteStream(screen)
            child = pexpect.spawn(home.command()[0], [str(w) for w in home.command("train", "sailor", *SHORT)[1:]],
                                  env=home.environment, dimensions=(30, columns), timeout=60)
            while True:
                try:
                    stream.feed(child.read_nonblocking(1 << 16, 60))
                except pexpect.EOF:
                    break
            rows = [line.rstrip() for line in screen.display]
            all_rows = ["".join(line[x].data for x in range(columns)).rstrip()
                        for line in screen.history.top] + rows
            first = next(i for i, r in enumerate(all_rows) if r.startswith("training sailor on"))
            last = next(i for i, r in enumerate(all_rows) if r.startswith("  in  "))
            plan = all_rows[first + 1:last]
            assert all(r.startswith("  ") and r[12] != " " and r[11] == " " for r in plan), plan
            text = "\n".join(rows)
            assert text.count("held out") >= 2 and text.count("step 12/12") == 1, text
            assert "\u25cb" in text and "\u2605" in text and "\u2502" in text, text
            assert any(re.search("[\u2801-\u28ff]", r) for r in rows), text
    with case("in ASCII where the locale has no UTF-8, and as lines without a terminal"):
        home = Home("ascii")
        home.environment["LC_ALL"] = "en_US.ISO-8859-1"
        said = good(home.train(*SHORT)).stderr
        assert said.isascii() and re.search(r"step 12/12, loss [\d.]+, held out", said), said


def inserted():
    """An expert is put into the file, and that one alone learns, in its place."""
    ours = ["--what", f"experts:{EXPERTS}", *SHORT[2:]]
    for what, words in (("a copy", ["*:0"]), ("zeros", [])):
        with case(f"an expert that was inserted as {what} learns"):
            home, plus = Home(f"inserted-{len(words)}"), scratch / f"plus-{len(words)}"
            run("edit", MODEL, "-o", plus, "insert", f"*:{EXPERTS}", *words)
            before = (plus / "model.safetensors").read_bytes()
            said = good(home.train("-m", plus, *ours)).stderr
            assert "1 of the model's experts, and 1 router rows" in said, said
            assert (plus / "model.safetensors").read_bytes() == before
            adapter, = home.personas.glob("sailor.*.adapter.safetensors")
            told = good(home.run("personas", "adapter", adapter)).stdout
            assert "2 replaced experts in layers 4-5" in told and "2 router rows in layers 4-5" in told, told
            assert not list(home.personas.glob("*.mask.json"))
            with open(adapter, "rb") as file:
                size, = struct.unpack("<Q", file.read(8))
                header, data = json.loads(file.read(size)), file.read()
            tensors = {k: v for k, v in header.items() if k != "__metadata__"}
            for name, t in tensors.items():
                values = np.frombuffer(data[slice(*t["data_offsets"])], "<f2" if t["dtype"] == "F16" else "<f4")
                assert np.abs(values.astype(np.float64)).max() > 0, f"{name} has learned nothing"
            tokens = [1, 5, 9, 40, 66, 101, 33]
            plain = logits(plus, tokens, scratch)
            own = logits(plus, tokens, scratch, "--personas", "sailor", env=home.environment)
            assert not np.array_equal(plain, own), "the persona calls the plain expert"
    with case("refused: an expert beyond the model's; with others together"):
        home = Home("inserted-refused")
        for what, word in ((f"experts:{EXPERTS}", f"0 to {EXPERTS - 1}"), ("experts:3,lora", "learn alone"),
                           ("experts:", "must be experts"), ("experts:5-3", "must be experts"), ("experts:x", "must be experts")):
            done = home.train("-m", MODEL, "--what", what, *SHORT[2:])
            refused(done, 2, word)


inserted()
tells()
goes_on()
kinds()
faults()
interrupted.train(scratch / "interrupted", 2 if SANITIZED else 4)
shows()
finish()
