#!/usr/bin/env python3
"""`consilium compare` from end to end, on tiny models of random weights that chat (council_model.py):
a column is what it would be alone, what it is in `ask`, and what a model that had its setting in its own
files would say; its figures are those of numpy.
"""
import base64
import hashlib
import json
import math
import os
import signal
import subprocess
import tempfile
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from council_model import EXPERTS, LAYERS, make_model, other_tokenizer, tensors, write_safetensors
from suite import BINARY, ROOT, case, finish, run
from talk_screen import MODEL as TALK_MODEL
from talk_screen import Talk

scratch = Path(tempfile.mkdtemp(prefix="compare-"))
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {
    "HOME": str(scratch), "XDG_CONFIG_HOME": str(scratch / "config"),
    "XDG_CACHE_HOME": str(scratch / "cache"), "XDG_STATE_HOME": str(scratch / "state")}
MODEL = make_model(scratch / "moe")
OTHER = make_model(scratch / "other", seed=5)
BASE = ["--seed=4", "--max-tokens=12", "--threads=1"]
PROMPT = "Why is the sky blue?"
MASK = scratch / "five.json"
MASK.write_text('{"mask":1,"model":null,"mode":"keep","layers":{"0-5":"0-4"}}')
RULES = scratch / "rules.json"
RULES.write_text('[{"when":{"role":"assistant"},"do":{"k":1},"for":"turn"}]')


def compare(*words, status=0, model=MODEL, prompt=PROMPT, **more):
    done = run("compare", prompt, "-m", model, *BASE, *words, env=ENVIRONMENT, check_status=False, **more)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-400:]}"
    return done


def columns(*sets, words=(), **more):
    given = [w for s in sets for w in ("--set", s)]
    found = json.loads(compare(*given, *words, "--format=json", **more).stdout)
    return {c["name"]: c for c in found["columns"]} | {"": found}


def tokens(found, name):
    return found[name]["answer"]["tokens"]


def altered(name, change=None, weights=None):
    """The model with another config.json, or other tensors."""
    folder = make_model(scratch / name)
    if change:
        config = json.loads((folder / "config.json").read_text())
        config.update(change)
        (folder / "config.json").write_text(json.dumps(config))
    if weights:
        write_safetensors(folder / "model.safetensors", [(n, weights(n, w)) for n, w in tensors(4)])
    return folder


SETS = ["k1:experts=1", "k5:experts=5", "wide:experts=4,norm_width=6", "few:adaptive=1:0.5",
        "quiet:experts=8,tail_gain=0.25", f"masked:mask={MASK}", f"soft:mask={MASK},soften=2", f"ruled:rules={RULES}",
        "cold:temperature=0", "layers:experts=1@0-2+6@3-5", "plain:", "coder:persona=coder,experts=2",
        "long:max_tokens=20", "short:think=off,max_tokens=3,kv=f32"]


def columns_alone():
    together = columns(*SETS)
    with case("a column is what it is alone: the same tokens and losses, in lockstep, apart and by itself"):
        apart = columns(*SETS, words=["--apart"])
        batches = {n: c["batch"] for n, c in together.items() if n}
        assert len(set(batches.values())) == 3, batches
        assert len({c["batch"] for n, c in apart.items() if n}) == len(SETS)
        assert apart[""]["losses"] == together[""]["losses"]
        for word in SETS:
            name = word.split(":")[0]
            alone = columns(word)[name]
            for other in (apart[name], alone):
                assert other["answer"]["tokens"] == together[name]["answer"]["tokens"], name
                assert other["answer"]["text"] == together[name]["answer"]["text"], name
                assert other["loss"] == together[name]["loss"] and other["kl"] == together[name]["kl"], name
        texts = {tuple(c["answer"]["tokens"]) for n, c in together.items() if n}
        assert len(texts) >= 10, f"only {len(texts)} columns differ"
    with case("a rule, a mask, and counts by layer are obeyed"):
        used = {n: c["answer"]["routing"] for n, c in together.items() if n}
        assert used["masked"]["allowed"] == [5] * LAYERS and max(used["masked"]["used"]) <= 5
        assert together["masked"]["answer"]["routing"]["banned_mass"] > 0
        assert max(used["k1"]["used"]) <= 11 and sum(used["k1"]["used"]) < sum(used["k5"]["used"])
        assert tokens(together, "layers") != tokens(together, "k1")
        assert together["plain"]["kl"] == 0 and together["k1"]["kl"] > 0
    with case("two columns of one setting say the same, whatever they are called"):
        same = columns("a:experts=3", "b:", "c:experts=1x", "d:experts=3@0-5", "base")
        assert len({tuple(tokens(same, n)) for n in "abcd"} | {tuple(tokens(same, "base"))}) == 1
        assert all(same[n]["kl"] == 0 for n in "abcd")


def as_ask():
    with case("a persona's column is its answer in ask, the plain one that of the control"):
        done = run("ask", PROMPT, "-m", MODEL, *BASE, "-p", "coder", "--experts=2", "--control", "--merge=none",
                   "--prefill=own", "--no-save", "--format=json", env=ENVIRONMENT)
        coder, control = json.loads(done.stdout)["answers"]
        mine = columns("x:persona=coder,experts=2", "y:", words=["--prefill=own"])
        assert tokens(mine, "x") == coder["tokens"] and mine["x"]["answer"]["text"] == coder["text"]
        assert tokens(mine, "y") == control["tokens"]
        assert mine["x"]["answer"]["acts_by"] == coder["acts_by"]
    with case("-p puts personas before the columns of --set"):
        found = columns("z:experts=1", words=["-p", "coder,critic"])[""]
        assert [c["name"] for c in found["columns"]] == ["coder", "critic", "z"]


def as_files():
    """What a tweak does is what a file with that value does, byte for byte."""
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}
    llama3 = {"rope_type": "llama3", "factor": 2.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 4096}
    cases = {"theta": ("rope_theta=500000", {"rope_theta": 500000.0}),
             "yarn": ("rope_scaling=yarn:4", {"rope_scaling": yarn, "max_position_embeddings": 16384}),
             "auto": ("rope_scaling=yarn:auto,positions=16384",
                      {"rope_scaling": yarn, "max_position_embeddings": 16384}),
             "linear": ("rope_scaling=linear:2", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
             "llama3": ("rope_scaling=llama3:2", {"rope_scaling": llama3})}
    found = columns(*[f"{name}:{words}" for name, (words, _) in cases.items()], "plain:")
    for name, (_, change) in cases.items():
        with case(f"{name}: the tweak is the file's own value"):
            mine = columns("plain:", model=altered(name, change))
            assert tokens(mine, "plain") == tokens(found, name)
            assert found[name]["kl"] > 1e-6 and tokens(found, "plain") != []

    def silent(name, weight):
        out = name.startswith("model.layers.2.") and ("o_proj" in name or "down_proj" in name)
        return np.zeros_like(weight) if out else weight

    with case("a layer that is skipped adds nothing: as one whose outputs are zero"):
        skipped = columns("s:skip=2", "all:")
        assert tokens(columns("all:", model=altered("silent", weights=silent)), "all") == tokens(skipped, "s")
        assert skipped["s"]["answer"]["routing"]["used"][2] == 0 < skipped["s"]["kl"]
    with case("another model is a column as it is by itself, with losses where the vocabulary is one"):
        both = columns(f"there:model={OTHER}", "here:")
        assert tokens(both, "there") == tokens(columns("there:", model=OTHER), "there")
        assert both[""]["one_vocabulary"] and both["there"]["kl"] == 0
        assert all(isinstance(x, float) for row in both[""]["losses"] for x in row)


def log_softmax(z):
    z = z.astype(np.float64)
    z -= z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def figures():
    def read(ids, *words):
        out = scratch / "logits"
        run("logits", "-m", MODEL, "--tokens", ",".join(map(str, ids)), "--output", out, "--threads=1", *words,
            env=ENVIRONMENT)
        return log_softmax(np.fromfile(out, "<f4").reshape(len(ids), -1))

    with case("losses and divergence are those of the logits"):
        words = {"k1": ["--experts=1"], "k5": ["--experts=5"], "plain": []}
        found = columns("k1:experts=1,kv=f32", "k5:experts=5,kv=f32", "plain:kv=f32")
        chat = scratch / "chat.json"
        chat.write_text(json.dumps([{"role": "user", "content": PROMPT}]))
        prompt = json.loads(run("tokenize", "-m", MODEL, "--messages", chat, env=ENVIRONMENT).stdout)
        names = [c["name"] for c in found[""]["columns"]]
        assert found["k1"]["answer"]["prompt_tokens"] == len(prompt)
        for j, of in enumerate(names):
            ids = tokens(found, of)
            rows = slice(len(prompt) - 1, len(prompt) + len(ids) - 1)
            p = {n: read(prompt + ids, *words[n])[rows] for n in names}
            for i, name in enumerate(names):
                loss = -p[name][np.arange(len(ids)), ids].mean()
                assert abs(loss - found[""]["losses"][i][j]) < 1e-6, (name, of, loss)
            kl = (np.exp(p["plain"]) * (p["plain"] - p[of])).sum(axis=1).mean()
            assert abs(kl - found[of]["kl"]) < 1e-6, (of, kl, found[of]["kl"])
        assert math.isclose(found["k1"]["foreign_loss"],
                            np.mean([found[""]["losses"][i][0] for i in (1, 2)]), rel_tol=1e-9)
    with case("text and Markdown hold every column once, and the text its table"):
        for style in ("text", "md"):
            done = compare("--set", "k1:experts=1", "--set", "5", "--format", style)
            assert "tokens" in done.stdout and "KL" in done.stdout and "seed 4" in done.stderr
        assert compare().stdout.count("\n  smart ") == 2  # table and matrix
    with case("JSON names its version, the model and each column's setting"):
        found = columns("a:experts=2,top-p=0.5", "extreme")[""]
        assert found["consilium"] == found["compare"] == 1 and found["prompt"] == PROMPT
        assert found["model"]["experts"] == EXPERTS
        assert found["columns"][0]["setting"] == "experts=2,top-p=0.5"
        assert found["columns"][1]["context"] == 131072


def as_it_is():
    with case("a column that comes to the model's own setting says so, another does not"):
        own = ["own:experts=3", "too:experts=3,norm_width=3", "one:experts=1x", "kept:mask=" + str(scratch / "all.json")]
        (scratch / "all.json").write_text('{"mask":1,"model":null,"mode":"keep","layers":{"0-5":"0-7"}}')
        other = ["k1:experts=1", "cold:temperature=0", "short:max_tokens=3", "far:rope_theta=5000", "wide:experts=3,norm_width=6",
                 "coder:persona=coder,instruction=off,experts=3"]
        found = columns(*own, *other)
        for name in [s.split(":")[0] for s in own]:
            assert found[name]["as_it_is"] and found[name]["kl"] == 0, name
        assert not any(found[s.split(":")[0]]["as_it_is"] for s in other)
        said = compare(*[w for s in own + other for w in ("--set", s)], "--format=md").stdout
        assert said.count("| as it is |") == len(own), said


def printable(name, weight):
    """A model that at temperature 0 writes printable ASCII alone."""
    if name == "lm_head.weight":
        weight = weight.copy()
        weight[[i for i in range(len(weight)) if not 32 <= i < 127]] = 0
    return weight


def tokenizers():
    model = altered("printable", weights=printable)
    said = columns("own:kv=f32,temperature=0", model=model)
    pairs = [*dict.fromkeys(s[i:i + 2] for s in (a["answer"]["text"] for n, a in said.items() if n)
                            for i in range(0, len(s) - 1, 3) if s[i:i + 2].isalnum())][:6]
    folder = other_tokenizer(scratch / "pairs", pairs)
    chat = scratch / "chat.json"
    chat.write_text(json.dumps([{"role": "user", "content": PROMPT}]))

    def encode(*words):
        return json.loads(run("tokenize", "-m", model, *words, env=ENVIRONMENT).stdout)

    with case("where tokenizers differ: nats a byte of all texts, as each cuts them, and bytes a token"):
        assert pairs
        found = columns("own:kv=f32,temperature=0", f"pairs:kv=f32,temperature=0,tokenizer={folder}", model=model)
        names, by = ["own", "pairs"], {"own": [], "pairs": ["--tokenizer", folder]}
        texts = [found[n]["answer"]["text"] for n in names]
        assert found[""]["loss_by"] == "byte" and not found[""]["one_vocabulary"] and all(texts)
        for i, name in enumerate(names):
            prompt = encode("--messages", chat, *by[name])
            cut = [encode(text, *by[name]) for text in texts]
            assert found[name]["text_tokens"] == sum(map(len, cut))
            assert found[name]["text_bytes"] == sum(len(s.encode()) for s in texts)
            for j, ids in enumerate(cut):
                out = scratch / "logits"
                run("logits", "-m", model, "--tokens", ",".join(map(str, prompt + ids)), "--output", out, "--threads=1",
                    env=ENVIRONMENT)
                p = log_softmax(np.fromfile(out, "<f4").reshape(len(prompt + ids), -1))
                loss = -p[np.arange(len(prompt) - 1, len(prompt + ids) - 1), ids].sum() / len(texts[j].encode())
                assert abs(loss - found[""]["losses"][i][j]) < 1e-6, (name, j, loss, found[""]["losses"][i][j])
            assert found[name]["kl"] == 0
        assert found["own"]["text_tokens"] == found["own"]["text_bytes"] > found["pairs"]["text_tokens"]
        words = ["--set", "own:temperature=0", "--set", f"pairs:temperature=0,tokenizer={folder}"]
        for style, head in (("text", " B/token\n"), ("md", "| B/token |")):
            shown = compare(*words, "--format", style, model=model).stdout
            assert head in shown and "nats a byte" in shown and "1.00" in shown, shown
    with case("in one vocabulary nothing of it; a tokenizer that does not fit is refused"):
        assert "B/token" not in compare("--set", "1", "--set", "5").stdout
        t = json.loads((folder / "tokenizer.json").read_text())
        t["added_tokens"] = t["added_tokens"][:1] + [t["added_tokens"][2] | {"id": 257}]
        (folder / "tokenizer.json").write_text(json.dumps(t))
        said = compare("--set", f"a:tokenizer={folder}", status=3, model=model).stderr
        assert "258 tokens" in said, said


def refusals():
    with case("what no column can be is refused by name, with status 2"):
        bad = {"a:depth=2": "depth", "a:experts=0": "experts", "a:experts=9": "experts", "a:experts=2@9": "layer",
               "a:experts=2@": "experts", "a:experts=-1": "experts", "a:adaptive=2": "adaptive", "a:mask=": "mask",
               "a:experts": "KEY=VALUE", "nobody": "preset", "a b:experts=2": "column", ":experts=2": "column",
               "a:preset=huge": "preset", "a:skip=0-5": "no layer", "a:skip=7": "layer", "a:rope_theta=0.5": "theta",
               "a:rope_scaling=ntk:4": "rope_scaling", "a:rope_scaling=yarn:-1": "rope_scaling",
               "a:rope_scaling=yarn:nan": "rope_scaling", "a:context=9999": "context", "a:top_p=2": "top-p",
               "a:temperature=x": "temperature", "a:think=maybe": "think", "a:loop=1": "loop", "a:kv=f8": "kv",
               "a:seed=-1": "seed", "a:instruction=loud": "instruction", "a:max_tokens=1e99": "max_tokens",
               "a:norm_width=2,experts=3": "norm_width", "a:strength=5": "strength", "a:experts=nanx": "experts",
               "a:tail_gain=inf": "tail_gain", "": "column", "a:experts=2,4": "KEY=VALUE"}
        for word, says in bad.items():
            done = run("compare", PROMPT, "-m", MODEL, *BASE, "--set", word, env=ENVIRONMENT, check_status=False)
            assert done.returncode in (2, 3) and says in done.stderr, (word, done.returncode, done.stderr[-200:])
            assert not done.stdout, word
    with case("two columns of one name, too many, and a file that is not there are refused"):
        compare("--set", "a:experts=1", "--set", "a:experts=2", status=2)
        compare(*[w for i in range(17) for w in ("--set", f"c{i}:experts=1")], status=2)
        compare("--set", "a:mask=nowhere.json", status=3)
        compare("--set", "a:model=nowhere.gguf", status=3)
        compare("--set", "a:persona=nobody", status=3)
    with case("a prompt that fits one column alone is answered by that one, with status 4"):
        done = compare("--set", "small:context=16", "--set", "large:", "--format=json", status=4)
        small, large = json.loads(done.stdout)["columns"]
        assert small["answer"]["stop"] == "error" and large["answer"]["tokens"] and "context" in done.stderr
    with case("it needs a prompt"):
        done = run("compare", "-m", MODEL, env=ENVIRONMENT, check_status=False)
        assert done.returncode == 2 and "PROMPT" in done.stderr


def everyone():
    masks = {}
    for name, experts in {"coder": "0-3", "critic": "2-5", "philosopher": "5-7"}.items():
        masks[name] = scratch / f"{name}.mask.json"
        masks[name].write_text(json.dumps({"mask": 1, "model": None, "mode": "keep", "layers": {"0-5": experts}}))

    def ask(*words, status=0):
        done = run("ask", PROMPT, "-m", MODEL, *BASE, "--format=json", "--everyone", *words, env=ENVIRONMENT,
                   check_status=False)
        assert done.returncode == status, done.stderr[-300:]
        return {a["persona"]: a for a in json.loads(done.stdout)["answers"]} | {"": json.loads(done.stdout)}

    with case("everyone of one persona is that persona: the same tokens, under masks, counts and instruction"):
        for words in ([], ["--mask", f"coder={masks['coder']}"], ["--experts=2"], ["--no-instruction"],
                      ["--mask", f"coder={masks['critic']}", "--experts=coder=2", "--temperature=1.5"]):
            one = ask("-p", "coder", "--no-save", *words)
            assert one["everyone"]["tokens"] == one["coder"]["tokens"], words
            assert one["everyone"]["acts_by"] == one["coder"]["acts_by"] and len(one["coder"]["tokens"]) > 3
    with case("everyone of three may call what any may, as many as all call, beside them and the merge"):
        words = [w for n, m in masks.items() for w in ("--mask", f"{n}={m}")]
        three = ask("-p", "coder,critic,philosopher", "--session=everyone", "--merge=vote", *words)
        assert three["everyone"]["routing"]["allowed"] == [EXPERTS] * LAYERS
        assert max(three["everyone"]["routing"]["used"]) == EXPERTS  # 9 are asked for
        assert three["everyone"]["tokens"] != three["coder"]["tokens"]
        assert three[""]["merge"]["by"] in ("coder", "critic", "philosopher")
        assert len(three[""]["merge"]["scores"]) == 4 and three[""]["merge"]["scores"][3] == [None] * 4
    with case("a session with everyone replays, and goes on with everyone"):
        run("transcripts", "replay", "everyone", "--threads=1", env=ENVIRONMENT)
        done = run("ask", "And then?", "-m", MODEL, "--threads=1", "--max-tokens=4", "--resume=everyone", "--format=json",
                   env=ENVIRONMENT)
        assert [a["persona"] for a in json.loads(done.stdout)["answers"]] == \
            ["coder", "critic", "philosopher", "everyone"]
    with case("everyone is a column of compare, the same as in ask"):
        found = columns(words=["-p", "coder,critic", "--everyone"])
        asked = ask("-p", "coder,critic", "--no-save", "--merge=none", "--prefill=own")
        for name in ("coder", "critic", "everyone"):
            assert tokens(found, name) == asked[name]["tokens"], name
        assert tokens(columns("x:everyone=coder+critic"), "x") == tokens(found, "everyone")
    with case("--only everyone prints that answer; a persona of that name, and nobody, are refused"):
        said = [run("ask", PROMPT, "-m", MODEL, *BASE, "-p", "coder", "--everyone", f"--only={name}", "--no-save",
                    env=ENVIRONMENT).stdout for name in ("everyone", "coder")]
        assert said[0] == said[1] != ""
        done = run("ask", PROMPT, "-m", MODEL, "--only=everyone", "--no-save", env=ENVIRONMENT, check_status=False)
        assert done.returncode == 2


SET = [{"id": "a", "level": "one", "question": "What is it?"},
       {"id": "b", "level": "two", "before": [["I am Pim.", "Hello."]], "question": "Who am I?", "facts": ["Pim", "q"]},
       {"level": "two", "question": "Go on.", "facts": ["zebra"]}]


def write_set(name, items):
    path = scratch / name
    path.write_text("# a comment\n\n" + "".join(json.dumps(i) + "\n" for i in items))
    return path


def compare_set(path, *words, status=0):
    done = run("compare", "--file", path, "-m", MODEL, *BASE, *words, env=ENVIRONMENT, check_status=False)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-400:]}"
    return done


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.policy, self.style, self.open = [], "", "", ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.open = tag
        assert not any(k.startswith("on") or k in ("src", "href", "style") for k, _ in attributes), attributes
        values = dict(attributes)
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]

    def handle_data(self, data):
        self.style += data if self.open == "style" else ""

    def handle_endtag(self, tag):
        self.open = ""


def whole_sets():
    path = write_set("set.jsonl", SET)
    words = ["--set", "k1:experts=1", "--set", "k5:experts=5,temperature=0"]
    page = scratch / "page.html"
    found = json.loads(compare_set(path, *words, "--format=json", "--html", page).stdout)
    with case("a set's answers are those of its questions asked one by one"):
        assert found["consilium"] == found["compare_set"] == 1 and found["asked"] == 3
        assert [i["id"] for i in found["items"]] == ["a", "b", "5"] and found["items"][1]["level"] == "two"
        for at, question in ((0, "What is it?"), (2, "Go on.")):
            alone = columns("k1:experts=1", "k5:experts=5,temperature=0", prompt=question)
            for a in found["items"][at]["answers"]:
                assert a["text"] == alone[a["column"]]["answer"]["text"]
                assert a["foreign_loss"] == alone[a["column"]]["foreign_loss"]
                assert a["kl"] == alone[a["column"]]["kl"]
    with case("its figures are those of its answers"):
        for i, column in enumerate(found["columns"]):
            answers = [item["answers"][i] for item in found["items"]]
            every = column["all"]
            assert every["finished"]["n"] == sum(a["stop"] == "end" for a in answers)
            assert every["cut"]["n"] == sum(a["stop"] == "length" for a in answers) and every["cut"]["of"] == 3
            assert math.isclose(every["tokens"]["mean"], np.mean([a["tokens"] for a in answers]))
            assert math.isclose(every["kl"]["mean"], np.mean([a["kl"] for a in answers]))
            assert every["kl"]["low"] <= every["kl"]["mean"] <= every["kl"]["high"]
            assert every["recall"]["of"] == 3 and every["recall"]["n"] == sum(a["recalled"] for a in answers)
            assert list(column["levels"]) == ["one", "two"]
            assert column["levels"]["two"]["tokens"]["n"] == 2
    with case("the same run gives the same report but for its seconds"):
        def still(o):
            return {k: still(v) for k, v in o.items() if k not in ("seconds", "seconds_to_finish")} \
                if isinstance(o, dict) else [still(v) for v in o] if isinstance(o, list) else o
        assert still(json.loads(compare_set(path, *words, "--format=json").stdout)) == still(found)
    with case("text and Markdown have every figure, by level too; the page runs nothing"):
        text = compare_set(path, *words).stdout
        assert text.count("linked sentences") == 3 and "level two" in text and text.count("recalled") >= 3
        assert max(map(len, text.split("linked:")[0].splitlines())) <= 118
        assert compare_set(path, *words, "--format=md").stdout.count("| finished |") == 3
        parsed = Page()
        parsed.feed(page.read_text())
        hashed = base64.b64encode(hashlib.sha256(parsed.style.encode()).digest()).decode()
        assert f"'sha256-{hashed}'" in parsed.policy and parsed.policy.startswith("default-src 'none'")
        assert "script" not in parsed.tags and parsed.tags.count("svg") >= 12
        compare_set(path, *words, "--html", page, status=1)  # it is there
    with case("all faults of a set are told at once, and nothing is asked"):
        bad = write_set("bad.jsonl", [{"question": ""}, {"question": "x", "fact": ["y"]}, {"question": "x", "before": ["y"]},
                                      {"question": "x", "facts": [3]}, {"question": "x", "guide": 0}, {"id": "a", "question": "x"},
                                      {"id": "a", "question": "y"}])
        done = compare_set(bad, status=3)
        for says in (":3: question", ":4: fact: no such field", ":5: before", ":6: facts", ":7: guide", ":9: id"):
            assert says in done.stderr, (says, done.stderr)
        compare_set(write_set("empty.jsonl", []), status=3)
        compare_set(scratch / "nowhere.jsonl", status=3)
        compare_set("nosuchset", status=3)
        done = run("compare", "x", "--file", path, "-m", MODEL, env=ENVIRONMENT, check_status=False)
        assert done.returncode == 2
    with case("the sets that come with the program are whole: 40 simple, 40 dialogues, 40 of philosophy"):
        for name, many in {"simple": 40, "dialogue": 40, "philosophy": 40, "guide": 5, "chew": 8}.items():
            lines = [json.loads(s) for s in (ROOT / f"personas/shipped/prompts/{name}.jsonl").read_text().splitlines()]
            assert len(lines) == many == len({s["question"] for s in lines}) and {s["level"] for s in lines} == {name}
            for item in lines:
                early = json.dumps(item.get("before", "")).lower()
                assert item.get("guide") or all(f.lower() in early for f in item.get("facts", [])), item
        found = json.loads(compare_set("chew", "--set", "k1:experts=1,max_tokens=1", "--format=json").stdout)
        assert found["questions"] == 8 and found["set"] == "chew.jsonl"
    with case("a guide is as long as was asked, fits those columns that have the positions, and is the same text"):
        guide = write_set("guide.jsonl", [{"guide": 5000, "question": "Who?", "facts": ["Marlow"]}])
        found = json.loads(compare_set(guide, "--set", "short:max_tokens=2", "--set", "far:positions=16384,context=16384,max_tokens=2",
                                       "--format=json").stdout)
        short, far = found["items"][0]["answers"]
        assert short["stop"] == "error" and "context" in short["failure"]
        assert far["stop"] == "length" and 5000 <= far["prompt_tokens"] < 6000
    with case("Ctrl-C ends a set with the report of what was asked whole"):
        many = write_set("many.jsonl", [{"question": f"What is {i}?"} for i in range(2000)])
        child = subprocess.Popen([str(BINARY), "compare", "--file", str(many), "-m", str(MODEL), *BASE, *words, "--format=json"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=ENVIRONMENT, text=True)
        time.sleep(3)
        child.send_signal(signal.SIGINT)
        out, told = child.communicate(timeout=120)
        assert child.returncode == 130, told
        assert 0 < json.loads(out)["asked"] < 2000


def in_a_conversation():
    t = Talk("compare", "--merge", "none", "-p", "coder")
    t.say("hello")

    def rows(text):
        """The table's lines by column: tokens, end, losses, KL, experts."""
        found = {}
        for line in text.splitlines():
            cells = line.split()
            if len(cells) >= 10 and cells[1].isdigit():
                found[cells[0]] = [cells[1], *cells[4:9]]
        return found

    with case("/compare asks the last question of this model in several ways, as the command does"):
        said = rows(t.say("/compare 1 5 cold:experts=8,temperature=0"))
        alone = run("compare", "hello", "-m", TALK_MODEL, "--seed=4", "--max-tokens=12", "--set", "1", "--set", "5",
                    "--set", "cold:experts=8,temperature=0", env=ENVIRONMENT)
        assert set(said) == {"1", "5", "cold"} and said == rows(alone.stdout), (said, rows(alone.stdout))
    with case("another question stands behind --; what is no column is refused, and the conversation goes on"):
        assert set(rows(t.say("/compare 2 -- What else?"))) == {"2"}
        assert "needs columns" in t.say("/compare")
        assert "no setting" in t.say("/compare a:depth=2")
        assert "consilium compare" in t.say("/compare a:skip=1")
        assert "coder" in t.say("again")
    with case("nothing of a comparison is recorded"):
        lines = [json.loads(s) for s in t.transcripts()[0].read_text().splitlines()[1:]]
        assert [r["type"] for r in lines].count("prompt") == 2
    t.close()


columns_alone()
as_ask()
as_files()
figures()
as_it_is()
tokenizers()
refusals()
everyone()
whole_sets()
in_a_conversation()
finish()
