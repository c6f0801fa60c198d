#!/usr/bin/env python3
"""`personas`: finding, showing, beginning, checking persona files, and deriving masks, on the tiny
model of council_model.py. Every refusal names file and field.
"""
import json
import os
import stat
import struct
import tempfile
from pathlib import Path

from council_model import EXPERTS, LAYERS, make_model, tensors, write_safetensors
from suite import MODELS, ROOT, case, finish, run

SHIPPED = ["chair", "coder", "critic", "philosopher"]
scratch = Path(tempfile.mkdtemp(prefix="personas-"))
FOLDER = scratch / "config" / "consilium" / "personas"
MASKS = scratch / "cache" / "consilium" / "masks"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {
    "HOME": str(scratch), "XDG_CONFIG_HOME": str(scratch / "config"),
    "XDG_CACHE_HOME": str(scratch / "cache")}
MODEL = make_model(scratch / "moe")


def personas(*words, status=0):
    done = run("personas", *words, env=ENVIRONMENT, check_status=False)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-300:]}"
    return done.stdout, done.stderr


def refuse(status, says, *words):
    out, err = personas(*words, status=status)
    assert not out and all(w in err for w in says), (words, err)


def write(file, **fields):
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{file}.json"
    path.write_text(json.dumps({"persona": 1, "name": file} | fields))
    return path


def listed(*words):
    return {p["name"]: p for p in json.loads(personas("list", "--format=json", *words)[0])}


def fingerprint():
    info = run("model", "info", "-m", MODEL, "--format=json", env=ENVIRONMENT)
    return json.loads(info.stdout)["fingerprint"]


# ---- list, show, new --------------------------------------------------------------------------


def looking():
    with case("list: the shipped ones, sorted; `personas` alone is the same"):
        assert list(listed()) == SHIPPED
        assert personas()[0] == personas("list")[0]
        assert all(p["path"] == str(ROOT / "personas/shipped" / f"{n}.json") and not p["problem"]
                   and p["acts_by"] is None for n, p in listed().items())
    with case("list with a model says what each acts by"):
        assert {p["acts_by"] for p in listed("-m", MODEL).values()} == {"prompt"}
        assert "prompt" in personas("list", "-m", MODEL)[0]
    with case("new writes a persona and its lessons, private, once"):
        out, err = personas("new", "lawyer")
        path = FOLDER / "lawyer.json"
        assert out == f"{path}\n" and "personas check lawyer" in err
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(FOLDER.stat().st_mode) == 0o700
        assert json.loads(path.read_text())["name"] == "lawyer"
        refuse(3, ["lawyer.json", "about, instruction"], "check", "lawyer", "-m", MODEL)
        before = path.read_bytes()
        refuse(1, ["left alone"], "new", "lawyer")
        assert path.read_bytes() == before
        run("ask", "hi", "-p", "lawyer", "-m", MODEL, "--max-tokens=2", env=ENVIRONMENT)
    with case("new follows no link and takes no bad name"):
        (FOLDER / "trap.json").symlink_to(scratch / "elsewhere")
        refuse(1, ["left alone"], "new", "trap")
        assert not (scratch / "elsewhere").exists()
        (FOLDER / "trap.json").unlink()
        for name in ("", "../x", "a/b", "control", "merge", "none", "x" * 65, "a b", "é"):
            refuse(2, ["name"], "new", name)
    with case("the user's own comes before the shipped one of that name"):
        write("coder", about="mine")
        assert listed()["coder"]["about"] == "mine"
        (FOLDER / "coder.json").unlink()
    with case("show: everything, as text and as json"):
        shown = json.loads(personas("show", "coder", "--format=json")[0])
        file = json.loads((ROOT / "personas/shipped" / "coder.json").read_text())
        assert {k: shown[k] for k in file} == file and len(shown["masks"]) == 1
        text = personas("show", "coder")[0]
        assert file["instruction"]["ru"] in text and "temperature 0.2" in text
        write("ruled", router={"strength": 0.5, "rules": [
            {"when": {"token": [5]}, "do": {"ban": "0-1"}, "for": "token"}]})
        text = personas("show", "ruled")[0]
        assert "strength 0.5" in text and '{"when":{"token":[5]}' in text
        write("asked", auto={"tags": ["#law"], "words": {"clause*": 3}, "bias": -0.5})
        text = personas("show", "asked")[0]
        assert 'auto        tags ["#law"], words {"clause*":3}, bias -0.5' in text, text
        (FOLDER / "asked.json").unlink()
        refuse(3, ["nobody", "coder"], "show", "nobody")
    with case("a broken file is listed with its fault and hides no other"):
        write("broken", sampling={"temperature": "hot"})
        all_of_them = listed("-m", MODEL)
        assert "temperature" in all_of_them["broken"]["problem"]
        assert all_of_them["coder"]["problem"] is None
        assert "broken" in personas("list")[0]
        (FOLDER / "broken.json").unlink()
    with case("control bytes in a persona do not reach the terminal"):
        write("evil", about="a\x1b]52;c;aGk=\x07b", instruction="\x9b31m\u202e")
        for words in (["list"], ["show", "evil"], ["list", "--format=json"],
                      ["show", "evil", "--format=json"]):
            out = personas(*words)[0]
            assert not [c for c in out if (c < " " and c != "\n") or "\x7f" <= c <= "\x9f"
                        or c == "\u202e"], out
        (FOLDER / "evil.json").unlink()


# ---- check ------------------------------------------------------------------------------------


def checking():
    with case("check without a model looks at the files and says so"):
        out, err = personas("check", "critic")
        assert "1225 lessons" in out and "no model at hand" in err
    with case("check tells rules that rest: the adapter that they ask for is not there"):
        act = {"do": {"k": 2}}
        write("waits", instruction="x", router={"rules": [{"when": {"adapter": "math"}, **act}, {"when": {"adapter": False}, **act},
                                                         {"when": {"adapter": True, "token": [5]}, **act}]})
        text = personas("check", "waits", "-m", MODEL)[0]
        assert "3 rules" in text and "without rules[0], rules[2]: " in text, text
        assert json.loads(personas("check", "waits", "-m", MODEL, "--format=json")[0])["resting_rules"] == [0, 2]
        assert json.loads(personas("check", "critic", "-m", MODEL, "--format=json")[0])["resting_rules"] == []
        (FOLDER / "waits.json").unlink()
    with case("check names file and field"):
        rules = {"when": {"pattern": "(("}, "do": {"ban": "0"}}
        bad = [({"sampling": {"temperature": -1}}, ["temperature"]),
               ({"sampling": {"temprature": 1}}, ["temprature"]), ({"colour": "red"}, ["colour"]),
               ({"color": "mauve"}, ["color", "mauve"]), ({"persona": 2}, ["persona"]),
               ({"router": {"mode": "soft"}}, ["mode", "soft"]),
               ({"router": {"tail_gain": 2}}, ["tail_gain"]),
               ({"router": {"adaptive": {"min": 2}}}, ["adaptive", "ratio"]),
               ({"router": {"rules": [rules]}}, ["pattern"]),
               ({"router": {"rules": [{"when": {"token": [1]}, "do": {"fly": 1}}]}}, ["fly"]),
               ({"lessons": "../x.jsonl"}, ["lessons", "../x"]), ({"name": "other"}, ["other"]),
               ({"lessons": "none.jsonl"}, ["none.jsonl"])]
        for fields, says in bad:
            path = write("bad", **fields)
            refuse(3, says + ([str(path)] if says != ["none.jsonl"] else []), "check", "bad")
        for text in ("{", "[]", '{"persona":1,"name":"bad"} x', '{"persona":1,"persona":1}'):
            (FOLDER / "bad.json").write_text(text)
            refuse(3, [str(FOLDER / "bad.json")], "check", "bad")
        (FOLDER / "bad.json").unlink()
    with case("check names the line of a bad lesson"):
        write("pupil", lessons="pupil.jsonl")
        good = {"id": "a", "form": "why", "question": "Why?", "answer": "So."}
        turn = {"role": "user", "text": "x"}
        bad = [({"id": "b", "question": "Q"}, [":2: answer: missing"]), (good, ["id", "twice"]),
               (good | {"id": "b", "answer": ""}, [":2: ", "answer", "empty"]),
               (good | {"id": "b", "answer": 5}, [":2: ", "answer"]),
               (good | {"id": "b", "anwser": "x"}, [":2: ", "anwser"]),
               (good | {"id": "b", "before": [turn]}, [":2: ", "before", "assistant"]),
               (good | {"id": "b", "before": [turn, turn]}, [":2: ", "before", "assistant"]),
               (good | {"id": "b", "before": [{"role": "user"}]}, [":2: ", "before", "text"]),
               ("not json", [":2: ", "offset"]), ([], [":2: ", "object"])]
        path = FOLDER / "pupil.jsonl"
        for line, says in bad:
            second = line if isinstance(line, str) else json.dumps(line)
            path.write_text(json.dumps(good) + "\n" + second + "\n")
            refuse(3, says + [str(path)], "check", "pupil")
        path.write_text("\n")
        refuse(3, ["no lesson"], "check", "pupil")
        path.write_bytes(json.dumps(good).encode() + b"\n\xff\n")
        refuse(3, [":2: "], "check", "pupil")
        path.write_text(json.dumps(good) + "\n\n" + json.dumps(good | {"id": "b"}))
        assert "2 lessons" in personas("check", "pupil")[0]
        (FOLDER / "pupil.json").unlink()
    with case("check holds masks and rules against the model"):
        own = fingerprint()
        path = write("masked", router={"rules": [
            {"when": {"token": [5]}, "do": {"force": "2"}, "layers": "1"}]})
        mask = FOLDER / f"masked.{own[:16]}.mask.json"
        mask.write_text(json.dumps({"mask": 1, "model": own, "mode": "keep",
                                    "layers": {"0-1": "0-3", "3": "0,2,4,6"}}))
        checked = json.loads(personas("check", "masked", "-m", MODEL, "--format=json")[0])
        assert checked["acts_by"] == "mask" and checked["mask"] == str(mask)
        assert checked["allowed"] == [
            {"layers": "0-1", "allowed": 4, "experts": "0-3"},
            {"layers": "2", "allowed": EXPERTS, "experts": f"all {EXPERTS}"},
            {"layers": "3", "allowed": 4, "experts": "0,2,4,6"},
            {"layers": "4-5", "allowed": EXPERTS, "experts": f"all {EXPERTS}"}]
        text = personas("check", "masked", "-m", MODEL)[0]
        assert "layers 0-1" in text and "4 experts: 0-3" in text and str(mask) in text
        shown = json.loads(personas("show", "masked", "--format=json")[0])
        assert shown["masks"] == [{"model": own[:16], "mode": "keep", "path": str(mask)}]
        for layers, says in ({"0-9": "0-3"}, ["layer"]), ({"0": "0-99"}, ["expert"]), \
                ({"0": "0-1"}, ["layer 0"]):
            mask.write_text(json.dumps({"mask": 1, "model": own, "mode": "keep",
                                        "layers": layers}))
            refuse(3, says + ["masked"], "check", "masked", "-m", MODEL)
        mask.write_text(json.dumps({"mask": 1, "model": "0" * 64, "mode": "keep", "layers": {}}))
        refuse(3, [str(mask), "0000"], "check", "masked", "-m", MODEL)
        mask.unlink()
        write("masked", router={"rules": [
            {"when": {"token": [5]}, "do": {"force": "2"}, "layers": "77"}]})
        refuse(3, ["masked", "77"], "check", "masked", "-m", MODEL)
        path.unlink()


# ---- derive -----------------------------------------------------------------------------------


def deriving():
    """What it finds is in test_specialists.py: here experts are random, and mean nothing."""
    with case("derive finds no effect in experts that mean nothing: told, nothing written, status 1"):
        done = run("personas", "derive", "coder", "-m", MODEL, env=ENVIRONMENT, check_status=False)
        assert done.returncode == 1 and not done.stdout, done
        assert "coder: no effect found: " in done.stderr and "of 2 others" in done.stderr, done
        assert not MASKS.exists() or not list(MASKS.iterdir())
    with case("--text takes texts instead of lessons, and needs enough of them"):
        (FOLDER / "lawyer.json").exists() or personas("new", "lawyer")
        refuse(3, ["lawyer.lessons.jsonl", ":3: ", "still an example"], "derive", "lawyer", "-m", MODEL)
        (scratch / "c.txt").write_text("short")
        refuse(2, ["lawyer: 1 lessons or pieces", "too few"], "derive", "lawyer", "-m", MODEL, "--text",
               scratch / "c.txt")
        (scratch / "bad.txt").write_bytes(b"ok \xff")
        refuse(2, ["bad.txt", "UTF-8"], "derive", "lawyer", "-m", MODEL, "--text",
               scratch / "bad.txt")
    with case("derive refuses what cannot be: a dense model, itself, nobody, two names"):
        refuse(3, ["dense"], "derive", "coder", "-m", MODELS / "qwen3.gguf")
        refuse(2, ["--against", "itself"], "derive", "coder", "-m", MODEL, "--against", "coder")
        refuse(3, ["nobody"], "derive", "nobody", "-m", MODEL)
        refuse(3, ["nobody"], "derive", "coder", "-m", MODEL, "--against", "nobody")
        refuse(2, ["coder,critic"], "derive", "coder", "critic", "-m", MODEL)
        refuse(2, ["twice"], "derive", "coder,coder", "-m", MODEL)
        refuse(2, ["one NAME"], "derive", "coder,critic", "-m", MODEL, "--text", scratch / "c.txt")
        refuse(2, ["--coverage", "keep"], "derive", "coder", "-m", MODEL, "--mode", "ban", "--coverage", "0.9")
        refuse(3, ["chair.json", "mode"], "derive", "chair", "-m", MODEL)
        mute = make_model(scratch / "mute", chat=False)
        refuse(3, ["chat format"], "derive", "coder", "-m", mute)
    with case("derive --import makes masks of a ranking and of a steering file"):
        bias = {(2, 3): 1.5, (4, 1): -2.0}
        (scratch / "steer.bin").write_bytes(struct.pack(
            f"<{LAYERS * 8}f", *(bias.get((n, e), 0.0) for n in range(LAYERS) for e in range(8))))
        out, err = personas("derive", "coder", "-m", MODEL, "--import", scratch / "steer.bin")
        mask = MASKS / f"coder.{fingerprint()[:16]}.mask.json"
        assert out == f"{mask}\n" and "2 experts in 2 layers" in err and "nobody has measured" in err, err
        assert json.loads(mask.read_text())["layers"] == {"2": {"3": 1.5}, "4": {"1": -2}}
        (scratch / "rank.jsonl").write_text("".join(json.dumps({
            "layer": layer, "expert": 5, "risk_diff": -0.1 * layer, "risk_diff_abs": 0.1 * layer}) + "\n"
            for layer in range(LAYERS)))
        personas("derive", "coder", "-m", MODEL, "--import", scratch / "rank.jsonl", "--most", "2")
        assert json.loads(mask.read_text())["layers"] == {"4": {"5": -100}, "5": {"5": -100}}
        refuse(3, ["c.txt", "5 bytes"], "derive", "coder", "-m", MODEL, "--import", scratch / "c.txt")
        refuse(2, ["one NAME"], "derive", "-m", MODEL, "--import", scratch / "steer.bin")
    with case("with it the persona acts by prompt and mask, and ask obeys it"):
        assert listed("-m", MODEL)["coder"]["acts_by"] == "prompt+mask"
        def answer(*words):
            done = run("ask", "hello", "-m", MODEL, "-p", "coder", "--format=json", "--seed=4",
                       "--max-tokens=16", "--temperature=0", *words, env=ENVIRONMENT)
            return json.loads(done.stdout)["answers"][0]
        with_mask = answer()
        mask.rename(mask.with_suffix(".away"))
        without = answer()
        mask.with_suffix(".away").rename(mask)
        assert with_mask["acts_by"] == "prompt+mask" and without["acts_by"] == "prompt"
        assert with_mask["tokens"] != without["tokens"]
    with case("derive leaves a model alone that is made for pools, and says so"):
        refuse(1, ["no effect found", "made for pools", "masks stay"], "derive", "coder", "-m",
               pool_model(scratch / "pools"))
    with case("ask never derives unasked: it names the command"):
        for path in MASKS.iterdir():
            path.unlink()
        done = run("ask", "hello", "-m", MODEL, "--max-tokens=2", env=ENVIRONMENT)
        assert "personas derive" in done.stderr and not list(MASKS.iterdir())


# ---- what a persona acts by ---------------------------------------------------------------------


def pool_model(folder):
    """Experts 4 to 7 of each layer have no output, and win wherever nothing is masked: every token has a
    large first component, which their rows of the router look at."""
    make_model(folder)
    named = dict(tensors(4))
    named["model.embed_tokens.weight"][:, 0] = 40
    for i in range(LAYERS):
        at = f"model.layers.{i}.mlp."
        named[at + "gate.weight"][:, 0] = [-4] * 4 + [4] * 4
        for e in range(EXPERTS):
            named[f"{at}experts.{e}.down_proj.weight"] *= e < 4
    write_safetensors(folder / "model.safetensors", named.items())
    return folder


def acting():
    model = pool_model(scratch / "pool")
    info = run("model", "info", "-m", model, "--format=json", env=ENVIRONMENT)
    digits = json.loads(info.stdout)["fingerprint"]
    mask = FOLDER / f"acting.{digits[:16]}.mask.json"

    def acts(mode, experts, by, **fields):
        write("acting", **fields)
        layers = {f"0-{LAYERS - 1}": experts}
        mask.write_text(json.dumps({"mask": 1, "model": digits, "mode": mode, "layers": layers}))
        told = json.loads(personas("check", "acting", "-m", model, "--format=json")[0])["acts_by"]
        assert told == by, (mode, experts, told)

    with case("a mask that speaks of nil experts alone is none, and an instruction then prompt"):
        acts("bias", {"4": 2, "6": -2}, "none")
        acts("bias", {"5": 1.5}, "prompt", instruction="Be brief.")
        acts("ban", "7", "none")
    with case("one that lets others in, or speaks of them, is a mask"):
        acts("bias", {str(e): -200 for e in range(4, 8)}, "mask")
        acts("ban", "4-7", "mask")
        acts("bias", {"1": 0.5}, "mask")
        acts("keep", "0-3", "mask", instruction="Be brief.")
    with case("list, ask and the transcript say the same"):
        acts("bias", {"4": 2}, "prompt", instruction="Be brief.")
        assert listed("-m", model)["acting"]["acts_by"] == "prompt"
        write("few", router={"experts_per_token": 1}, instruction="Be brief.")
        line = next(l for l in personas("list", "-m", model)[0].splitlines() if l.startswith("few"))
        assert " prompt+experts 1 " in line, line
        done = run("ask", "hi", "-p", "acting,few", "-m", model, "--max-tokens=2", "--session=told",
                   "--format=json", env=ENVIRONMENT)
        by = [a["acts_by"] for a in json.loads(done.stdout)["answers"]]
        assert by == ["prompt", "prompt+experts 1"], by
        text = run("transcripts", "show", "told", env=ENVIRONMENT).stdout
        assert "prompt+experts 1, " in text, text
    for name in ("acting", "few"):
        (FOLDER / f"{name}.json").unlink()
    mask.unlink()


def main():
    looking()
    checking()
    acting()
    deriving()
    finish()


if __name__ == "__main__":
    main()
