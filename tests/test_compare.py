#!/usr/bin/env python3
"""`consilium compare` from end to end, on tiny models of random weights that chat (council_model.py):
a column is what it would be alone, what it is in `ask`, and what a model that had its setting in its own
files would say; its figures are those of numpy.
"""
import json
import math
import os
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import council_model
from council_model import EXPERTS, LAYERS, make_model, tensors, write_safetensors
from suite import case, finish, run

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
               "a:tail_gain=inf": "tail_gain", "": "column", "a:experts=2,,": "KEY=VALUE"}
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


columns_alone()
as_ask()
as_files()
figures()
refusals()
finish()
