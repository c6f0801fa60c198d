#!/usr/bin/env python3
"""/set on a real pty: what holds and who said so, what config.json may name, and what a session that is resumed has
again.
"""
import json
import re
import shutil
import subprocess

import numpy as np

from council_model import WIDTH, other_tokenizer, write_safetensors
from suite import BINARY, case, finish, run
from talk_screen import KEEP, MODEL, Talk, environment, records, replays, scratch


# A value for each option that /set takes, as config.json has it, and what /set then tells.
def configuration(home):
    ban = home / "ban.json"
    ban.write_text(KEEP)
    own = home / "own.safetensors"
    at, parts = "model.layers.0.mlp.", (("gate", (4, WIDTH)), ("up", (4, WIDTH)), ("down", (WIDTH, 4)))
    write_safetensors(own, [(at + "gate.weight", np.ones((1, WIDTH), "<f4"))] + [
        (f"{at}experts.0.{part}_proj.weight", np.ones(shape, "<f4")) for part, shape in parts])
    return {
        "personas": ("coder,critic", None), "merge": ("vote", None), "control": ("prompt", None),
        "no-instruction": (True, "on"), "mask": ([f"coder={ban}"], f"coder={ban}"),
        "adapter": ([f"coder={own}"], f"coder={own}"), "experts": ("coder=2", None),
        "strength": ("coder=0.5", None), "prefill": ("own", None), "think": (3, "3"), "raw": (True, "on"),
        "max-tokens": (5, "5"), "loop": ("off", None), "stop": (["END", "STOP"], "END, STOP"),
        "temperature": (0.3, "0.3"), "top-p": (0.8, "0.8"), "top-k": (7, "7"), "min-p": (0.01, "0.01"),
        "repeat-penalty": (1.1, "1.1"), "presence-penalty": (0.1, "0.1"), "frequency-penalty": (0.2, "0.2"),
        "seed": (77, "77"), "overflow": ("stop", None), "view": ("stack", None), "model": (str(MODEL), str(MODEL)),
        "kv": ("f32", None), "context": (512, "512"), "threads": (1, "1"), "backend": ("cpu", None),
        "isa": ("baseline", None), "chat-format": ("zephyr", None),
        "template": (["style=plain"], "style=plain"), "everyone": (True, "on"), "adaptive": ("1:0.1", None),
        "norm-width": ("1x", None), "recall": (400, "400"), "memory": (1.5, "1.5"), "mode": ("off", None),
        "tokenizer": (str(MODEL), str(MODEL)), "max-adapter": (2, "2"),
    }


def told(text):
    """What /set lists: name -> (value, source)."""
    rows = [re.split(r"  +", row.strip()) for row in text.splitlines() if row.startswith("  ")]
    return {row[0]: (row[1], row[2]) for row in rows if len(row) == 3}


def settings():
    t = Talk("settings", columns=160)
    with case("/set tells what holds and who said so"):
        rows = told(t.say("/set"))
        assert rows["seed"] == ("4", "command line") and rows["max-tokens"] == ("12", "command line")
        assert rows["merge"] == ("auto", "default") and rows["kv"] == ("f16", "default")
        assert rows["context"] == ("4096", "default") and rows["experts"] == ("3", "model")
        assert rows["personas"] == ("philosopher,coder,critic", "default")
        assert rows["temperature"][0].count("0.2") == 1 and "persona" in rows["temperature"][1]
        assert rows["max-adapter"] == ("64", "default") and int(rows["threads"][0]) >= 1 and rows["view"] == ("auto", "default")
        assert not [name for name, row in rows.items() if row[0] == "default"], rows
    with case("what commands change is told there too; `default` takes it back, source and all"):
        t.say("/experts 2")
        t.say("/set temperature 0.1")
        t.say("/personas -critic")
        t.say("/view focus coder")
        t.say("/merge none")
        t.say("/set seed 9")
        rows = told(t.say("/set"))
        assert rows["experts"] == ("2", "/set") and rows["temperature"] == ("0.1", "/set")
        assert rows["personas"] == ("philosopher,coder", "/set") and rows["view"] == ("focus coder", "/set")
        assert rows["merge"] == ("none", "/set")
        assert "seed is 4 (command line)" in t.say("/set seed default")
        t.say("/set experts default")
        assert told(t.say("/set"))["experts"] == ("3", "model")
    with case("a name that is none gets its neighbour; one of another command is told so"):
        assert "did you mean /set top-k?" in t.say("/set topk 3") and "/set top-k?" in t.say("/set topk")
        assert "no option of a conversation" in t.say("/set format json")
        assert "settled" in t.say("/set plain on") and "settled" in t.say("/set plain")
        assert 'view: "colz" is none of' in t.say("/set view colz") and "--view" not in t.text()
    names = list(told(t.say("/set")))
    t.leave()
    values = configuration(t.home)
    path = t.home / ".config/consilium/config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with case("every option that /set takes may stand in config.json, and acts"):
        wanted = set(names) - {"router"}  # which runs code: the command line and /set alone may name one
        assert wanted == set(values), f"a value for each of {wanted ^ set(values)} belongs above"
        path.write_text(json.dumps({name: value for name, (value, _) in values.items()}))
        t = Talk("settings", model=False, columns=160)
        rows = told(t.say("/set"))
        assert rows["temperature"] == ("0.3, coder 0.2, coder:prompt 0.2, critic 0.5, critic:prompt 0.5",
                                       "config.json, persona")  # 0.3: the column of everyone
        for name, (value, shown) in values.items():
            if name in ("temperature", "top-p"):
                continue  # both personas bring their own, and a persona wins over config.json
            assert rows[name] == (shown or value, "config.json"), (name, rows[name])
        assert "view stack" in t.say("/view")
        t.leave()
        path.write_text("{}")
    with case("a flag wins over config.json, /set over both"):
        path.write_text('{"view": "cols", "temperature": 0.3, "max-tokens": 5}')
        t = Talk("settings", "--view", "stack", "--temperature=0.4", columns=160)
        rows = told(t.say("/set"))
        assert rows["view"] == ("stack", "command line") and rows["temperature"] == ("0.4", "command line")
        t.say("/set temperature 0.6")
        assert told(t.say("/set"))["temperature"] == ("0.6", "/set")
        t.leave()
    with case("a key that is none is refused with its neighbour, a value that is none with its key"):
        for text, wanted in (('{"veiw": "cols"}', "did you mean view?"), ('{"view": "colz"}', "none of auto|cols"),
                             ('{"view": 3}', "view")):
            path.write_text(text)
            done = subprocess.run([str(BINARY), "ask", "-m", str(MODEL), "x"], env=t.environment,
                                  capture_output=True, text=True)
            assert done.returncode == 2 and wanted in done.stderr and "config.json" in done.stderr, done.stderr
        path.write_text("{}")
    with case("a resumed session has the variables of its template again, unless others are given"):
        def variables():
            return [r["template"] for r in records(t, "setting", t.transcripts()[-1]) if "seats" in r]
        t = Talk("variables", "--session", "styled", "--template", "style=plain", "-p", "coder")
        t.say("Styled?")
        t.leave()
        t = Talk("variables", "--resume", "styled", "-p", "critic")
        assert told(t.say("/set"))["template"] == ("style=plain", "session")
        t.say("Still?")
        assert variables() == [["style=plain"], ["style=plain"]], variables()
        t.say("/new")
        t.leave()
        replays(t, t.transcripts()[-1])
        t = Talk("variables", "--resume", "styled", "--template", "style=odd")
        assert told(t.say("/set"))["template"] == ("style=odd", "command line")
        t.leave()
        t = Talk("variables")
        assert told(t.say("/set"))["template"] == ("none", "default")
        t.say("/resume styled")
        assert told(t.say("/set"))["template"] == ("style=plain", "session")
        t.leave()
    with case("a resumed session has its tokenizer again, and replays by it; a changed one is told"):
        other = other_tokenizer(scratch / "pairs", ["th", "er", "an", "qw", "XY"])
        def tokenizers():
            return [r.get("tokenizer", {}).get("path") for r in records(t, "setting", t.transcripts()[-1]) if "seats" in r]
        t = Talk("tokenizer", "--session", "pairs", "--tokenizer", other, "-p", "coder")
        t.say("the other one")
        t.leave()
        t = Talk("tokenizer", "--resume", "pairs", "-p", "critic")
        assert told(t.say("/set"))["tokenizer"] == (str(other), "session"), t.text()
        t.say("the same one")
        t.leave()
        assert tokenizers() == [str(other)] * 2, tokenizers()
        replays(t, t.transcripts()[-1])
        ask = ["ask", "and now?", "-m", MODEL, "--max-tokens=3", "--seed=4", "--resume=pairs", "--merge=none", "--format=json"]
        said = json.loads(run(*ask, env=t.environment).stdout)
        assert tokenizers() == [str(other)] * 3 and said["answers"][0]["persona"] == "critic", tokenizers()
        bare = ["transcripts", "replay", "pairs", "-m", MODEL]
        done = run(*bare, env=t.environment, check_status=False)
        assert done.returncode == 1 and "the model's own tokenizer" in done.stderr, done.stderr
        t = Talk("tokenizer", "-p", "coder")
        t.say("before")
        t.say("/resume pairs")
        assert told(t.say("/set"))["tokenizer"] == (str(other), "session")
        assert t.say("/set tokenizer default") and told(t.say("/set"))["tokenizer"][1] == "default"
        t.say("with the model's own")
        t.leave()
        assert tokenizers()[-1] is None, tokenizers()
        (other / "tokenizer.json").write_text((other / "tokenizer.json").read_text() + "\n")
        done = run("transcripts", "replay", "pairs", env=t.environment, check_status=False)
        assert "another file than was recorded" in done.stderr, done.stderr
        (other / "tokenizer.json").unlink()
        done = run("transcripts", "replay", "pairs", env=t.environment, check_status=False)
        assert done.returncode == 3 and str(other) in done.stderr, done.stderr
    with case("a resumed session has its mode again, in `ask` too; one that is gone is told and left out"):
        modes = scratch / "modes/.config/consilium/modes"
        modes.mkdir(parents=True)
        mine = {"mode": 1, "name": "mine", "personas": ["coder"], "merge": "none", "experts": 1, "budget": 4}
        (modes / "mine.json").write_text(json.dumps(mine))
        def settings():
            return [(r.get("mode"), r["experts"]) for r in records(t, "setting", t.transcripts()[-1]) if "seats" in r]
        one = [{"name": None, "value": 1}]
        t = Talk("modes", "--session", "quick")
        t.say("before")
        t.say("/mode mine")
        t.say("hello")
        t.leave()
        assert settings() == [(None, []), ("mine", one)], settings()
        t = Talk("modes", "--resume", "quick")
        assert told(t.say("/set"))["mode"] == ("mine", "session")
        t.say("again")
        assert settings()[1:] == [("mine", one)] * (len(settings()) - 1), settings()
        assert told(t.say("/set"))["experts"] == ("1", "mode"), t.text()
        t.leave()
        ask = ["ask", "hi", "-m", MODEL, "--seed=4", "--resume=quick", "--format=json"]
        said = json.loads(run(*ask, env=t.environment).stdout)
        assert [a["persona"] for a in said["answers"]] == ["coder"] and len(said["answers"][0]["tokens"]) <= 4
        t = Talk("modes", "--resume", "quick", "--mode", "off")
        assert told(t.say("/set"))["mode"] == ("off", "command line")
        t.leave()
        replays(t, t.transcripts()[-1])
        (modes / "mine.json").unlink()
        t = Talk("modes", "--resume", "quick")
        assert "the mode of then is left out" in t.text() and "mine" in t.text()
        assert told(t.say("/set"))["mode"][1] == "default"
        assert "coder" in t.say("goes on")
        t.leave()
    with case("a resumed session tells who spoke there"):
        t = Talk("settings", "-p", "coder", "--session", "one")
        t.say("hello")
        t.leave()
        t = Talk("settings", "--resume", "one")
        assert "personas is coder (session)" in t.say("/set personas")
        t.leave()


settings()
shutil.rmtree(scratch, ignore_errors=True)
finish()
