#!/usr/bin/env python3
"""A mask does what it says: logits equal those of transformers with banned router logits at -inf.

fixtures/masks.npz (make_masks.py) holds masks for every architecture, kept and banned, gates
renormalised and not, with the trained and with another number of experts: NMSE <= 1e-6. Then the
command line: masks unite, a number of experts above what they leave is capped, a program that
changes nothing changes no byte, and every way to misname something is refused.
"""
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from suite import BINARY, FIXTURES, MODELS, SANITIZED, case, check, finish, logits, nmse, run

NMSE = 1e-6
TOKENS = 12
MODEL = MODELS / "qwen3_moe"  # 2 layers, 7 experts, 3 a token


def write(folder, value, name="test.mask.json"):
    path = Path(folder) / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def mask(mode, layers, model=None):
    return {"mask": 1, "model": model, "mode": mode, "layers": layers}


def tokens_of(model):
    return np.load(MODELS / model / "ref.npz")["tokens"][:TOKENS]


def against_transformers(scratch):
    stored = np.load(FIXTURES / "masks.npz")
    names = sorted({key.partition("/")[0] for key in stored.files})
    check("all five architectures are there, both ways",
          all(f"{arch}-{mode}" in names for mode in ("keep", "ban") for arch in
              ("qwen3_moe", "qwen2_moe", "mixtral", "olmoe", "granitemoe")))
    worst = 0.0
    for name in names:
        told = json.loads(str(stored[f"{name}/case"]))
        want = stored[f"{name}/logits"]
        options = ["--mask", write(scratch, told["mask"])]
        if told["experts"]:
            options += ["--experts", told["experts"]]
        folder = MODELS / told["model"]
        files = [folder, *MODELS.glob(f"{told['model']}.gguf")]
        for model in files[:1] if SANITIZED else files:
            with case(f"{name}: {model.name}"):
                got = logits(model, tokens_of(told["model"]), scratch, *options)
                plain = np.load(folder / "ref.npz")["logits"][:TOKENS]
                error = nmse(got, want)
                worst = max(worst, error)
                assert error <= NMSE, f"NMSE {error:.1e}"
                assert nmse(got, plain) > 1e-4, "the mask changes nothing"
    print(f"# largest NMSE {worst:.1e}")


def same_bytes(scratch):
    tokens = tokens_of("qwen3_moe")
    plain = logits(MODEL, tokens, scratch)

    def masked(*options):
        return logits(MODEL, tokens, scratch, *options)

    keep_all = write(scratch, mask("keep", {"0-1": "0-6"}))
    with case("keep-all, no ban, strength 1 and the trained k are the plain model, bit for bit"):
        assert (masked("--mask", keep_all) == plain).all()
        assert (masked("--mask", write(scratch, mask("ban", {}))) == plain).all()
        assert (masked("--strength", 1, "--experts", 3) == plain).all()
    one = write(scratch, mask("ban", {"0": "0,3"}), "one.json")
    two = write(scratch, mask("ban", {"0": "5", "1": "0-1"}), "two.json")
    both = write(scratch, mask("ban", {"0": "0,3,5", "1": "0-1"}), "both.json")
    kept = write(scratch, mask("keep", {"0": "1,2,4,6", "1": "2-6"}), "kept.json")
    with case("bans unite; keep and ban are two sides of one mask"):
        got = masked("--mask", one, "--mask", two)
        assert (got != plain).any()
        assert (got == masked("--mask", both)).all() and (got == masked("--mask", kept)).all()
    with case("experts above what the mask leaves are capped to it"):
        few = write(scratch, mask("keep", {"0": "2,4", "1": "1-4"}), "few.json")
        got = masked("--mask", few, "--experts", 4)
        assert (got == masked("--mask", few, "--experts", 7)).all()
        assert (got != masked("--mask", few, "--experts", 2)).any()
    with case("biases lean: none is plain, a great one bans, halves add up"):
        def bias(value, name):
            return write(scratch, mask("bias", {"0-1": {"2": value}}), name)
        assert (masked("--mask", bias(0, "zero.json")) == plain).all()
        whole = masked("--mask", bias(-1e5, "whole.json"))
        assert (whole == masked("--mask", bias(-5e4, "half.json"), "--mask",
                                bias(-5e4, "rest.json"))).all()
        assert (whole != plain).any()
    with case("strength acts on the experts that a program names, 0 silences them"):
        named = write(scratch, mask("keep", {"0-1": "0-6"}), "all.json")
        assert (masked("--mask", named, "--strength", 0.5) != plain).any()
        assert (masked("--mask", one, "--strength", 0.5) == masked("--mask", one)).all()


def personas(scratch):
    """One persona's program, found in the search path, with a mask of its own."""
    config = Path(scratch) / "config"
    folder = config / "consilium" / "personas"
    folder.mkdir(parents=True)
    environment = {"env": os.environ | {"XDG_CONFIG_HOME": str(config)}}
    tokens = tokens_of("qwen3_moe")
    info = json.loads(run("model", "info", "-m", MODEL, "--format", "json").stdout)
    write(folder, {"persona": 1, "name": "thin", "router": {"experts_per_token": 5}}, "thin.json")
    with case("a persona may call more experts than the model was trained for"):
        got = logits(MODEL, tokens, scratch, "--personas", "thin", "-q", **environment)
        assert (got == logits(MODEL, tokens, scratch, "--experts", 5)).all()
        got = logits(MODEL, tokens, scratch, "-p", "thin", "--experts", 2, "-q", **environment)
        assert (got == logits(MODEL, tokens, scratch, "--experts", 2)).all()
    own = mask("ban", {"1": "0,1"}, info["fingerprint"])
    write(folder, own, f"thin.{info['fingerprint'][:16]}.mask.json")
    with case("its mask for this model is found by the fingerprint"):
        got = logits(MODEL, tokens, scratch, "--personas", "thin", **environment)
        assert (got == logits(MODEL, tokens, scratch, "--experts", 5, "--mask",
                              write(scratch, own))).all()


def failing(scratch):
    """A rule's pattern that gives up ends its own pass alone."""
    config = Path(scratch) / "failing"
    folder = config / "consilium" / "personas"
    folder.mkdir(parents=True)
    environment = {"env": os.environ | {"XDG_CONFIG_HOME": str(config)}}
    rules = [{"when": {"pattern": "(x|xx)+[^x]"}, "do": {"k": 2}}]
    write(folder, {"persona": 1, "name": "stuck", "router": {"rules": rules}}, "stuck.json")
    arguments = ["ask", "-m", FIXTURES / "council", "why " + 50 * "x", "--seed=1", "--max-tokens=20",
                 "--format=json", "--merge=vote", "-q"]
    with case("a pass that fails does not hide the others: status 4, their answers and a vote"):
        done = run(*arguments, "--personas=coder,stuck,critic", check_status=False, **environment)
        assert done.returncode == 4, f"exit {done.returncode}: {done.stderr}"
        told = json.loads(done.stdout)
        assert [a["stop"] == "error" for a in told["answers"]] == [False, True, False]
        assert "rules[0]" in told["answers"][1]["error"] and "stuck" in done.stderr
        alone = json.loads(run(*arguments, "--personas=coder,critic", **environment).stdout)
        assert [a["tokens"] for a in alone["answers"]] == [
            a["tokens"] for a in told["answers"] if a["persona"] != "stuck"]
        assert told["merge"]["by"] in ("coder", "critic")
        assert told["merge"]["scores"][1] == [None, None, None]
    with case("alone, it fails: status 1"):
        done = run(*arguments, "--personas=stuck", check_status=False, **environment)
        assert done.returncode == 1 and "rules[0]" in done.stderr and not done.stdout, done


def refused(scratch, status, says, *options, model=MODEL):
    done = run("logits", "-m", model, "--tokens", "1,2", "-o", "-", *options, check_status=False,
               errors="replace")
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr}"
    assert not done.stdout
    for words in [says] if isinstance(says, str) else says:
        assert words in done.stderr, f"{done.stderr!r} does not say {words!r}"


BAD_MASKS = {
    "": "offset",
    "{": "offset",
    "[]": '"mask": 1',
    '{"mask":2,"mode":"ban","layers":{}}': '"mask": 1',
    '{"mask":1,"mode":"ban","mode":"keep","layers":{}}': "mode",
    '{"mask":1,"mode":"kill","layers":{}}': "mode",
    '{"mask":1,"mode":"ban"}': "layers",
    '{"mask":1,"mode":"ban","layers":{"0":1}}': "layers",
    '{"mask":1,"mode":"ban","layers":{"0":"1-"}}': ["layers", "expert"],
    '{"mask":1,"mode":"ban","layers":{"x":"1"}}': 'mask.json: layers: "x" is no list of layers',
    '{"mask":1,"mode":"ban","layers":{"0":"7"}}': ["layers", "experts 0 to 6"],
    '{"mask":1,"mode":"ban","layers":{"2":"1"}}': 'mask.json: layers: "2": the model has layers 0 to 1',
    '{"mask":1,"mode":"ban","layers":{"0":"1","0-1":"2"}}': ["layers", "named twice"],
    '{"mask":1,"mode":"ban","layers":{"1":"0-4"}}': ["layer 1", "2 experts", "3"],
    '{"mask":1,"mode":"ban","layers":{"1":"0-6"}}': "layer 1",
    '{"mask":1,"mode":"bias","layers":{"0":{"1":1e999}}}': "",
    '{"mask":1,"mode":"bias","layers":{"0":{"1":null}}}': ["layers", "expert"],
    '{"mask":1,"mode":"bias","layers":{"0":"1"}}': ["layers", "bias"],
    '{"mask":1,"mode":"ban","layers":{},"model":"12"}': "model",
    '{"mask":1,"mode":"ban","layers":{},"model":"' + "0" * 64 + '"}': "made for model",
    '{"mask":1,"mode":"ban","layers":{"%n%s\\u001b]52;\\u202e":"1"}}': "layers",
}


def refusals(scratch):
    with case("masks that are none, or not this model's: status 3, file and field"):
        for text, says in BAD_MASKS.items():
            path = write(scratch, text, "bad.mask.json")
            refused(scratch, 3, ["bad.mask.json", *([says] if isinstance(says, str) else says)],
                    "--mask", path)
    with case("a mask that is not there, is a folder, or is no text"):
        refused(scratch, 3, "nowhere.json", "--mask", "nowhere.json")
        refused(scratch, 3, str(scratch), "--mask", scratch)
        path = Path(scratch) / "raw.json"
        path.write_bytes(b'{"mask":1,"mode":"\xff\x00"}')
        refused(scratch, 3, "raw.json", "--mask", path)
    good = write(scratch, mask("ban", {"0": "1"}))
    with case("a dense model has nothing to route: status 3"):
        for option in (["--mask", good], ["--experts", 2], ["--strength", 0.5]):
            refused(scratch, 3, "dense", *option, model=MODELS / "llama")
    with case("numbers and names out of place: status 2"):
        for option, value in (("--experts", "0"), ("--experts", "x"), ("--experts", ""),
                              ("--experts", "2.5"), ("--experts", "8"), ("--strength", "-1"),
                              ("--strength", "4.5"), ("--strength", "nan")):
            refused(scratch, 2, option, f"{option}={value}")
        refused(scratch, 2, "x", "--experts", "x=2")
        refused(scratch, 2, "x", "--mask", f"x={good}")
        refused(scratch, 2, "--personas", "--personas", "coder,critic")
        refused(scratch, 2, "name", "--personas", "../coder")
        refused(scratch, 3, "nobody", "--personas", "nobody")
    with case("perplexity takes them too"):
        done = run("perplexity", "-m", MODEL, FIXTURES / "text" / "short.txt", "--experts", 9,
                   check_status=False)
        assert done.returncode in (2, 3)
        assert all(word in run("perplexity", "--help").stdout
                   for word in ("--mask", "--experts", "--strength", "--personas"))


def main():
    with tempfile.TemporaryDirectory() as scratch:
        against_transformers(scratch)
        same_bytes(scratch)
        personas(scratch)
        failing(scratch)
        refusals(scratch)
    finish()


if __name__ == "__main__":
    main()
