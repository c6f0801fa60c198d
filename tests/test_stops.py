#!/usr/bin/env python3
"""What ends an answer, with --raw as in a chat; and ids that are no tokens.

A tiny model whose last norm is zero: all logits are equal, so it always says token 0, and the file
decides what token 0 is.
"""
import json
import tempfile
from pathlib import Path

import malformed_base as base
from suite import case, check, finish, run

CONTROL, NORMAL, USER = 3, 1, 4
NONE = 4294967295
ENDS = ["</s>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>",
        "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>", "<eos>",
        "<|end_of_turn|>", "<|END_OF_TURN_TOKEN|>", "<EOT>", "_<EOT>", "▁<EOT>", "<|EOT|>",
        "<｜end▁of▁sentence｜>", "[EOT]", "[EOS]", "<end_of_utterance>", "[|endofturn|]"]
GO_ON = ["<|im_start|>", "<|end_of_role|>", "<|end_header_id|>", "<|fim_middle|>", "<pad>", "<s>",
         "<|eot_id|", "</s> ", "end", "<|assistant|>"]


def model(path, name, kind=CONTROL, keys=(), drop=(), more=()):
    """Token 0 is `name` of that kind; `more` are further control tokens at the end."""
    g = base.base_gguf()
    words = g.key("tokenizer.ggml.tokens")[2][1]
    kinds = g.key("tokenizer.ggml.token_type")[2][1]
    words = [name] + [w if w != name else w + "2" for w in words[1:]] + list(more)
    kinds = [kind] + kinds[1:] + [CONTROL] * len(more)
    g.set("tokenizer.ggml.tokens", base.ARRAY, (base.STRING, words))
    g.set("tokenizer.ggml.token_type", base.ARRAY, (base.I32, kinds))
    for key, value in dict(keys).items():
        g.set(f"tokenizer.ggml.{key}_token_id", base.U32, value)
    for key in drop:
        g.drop(f"tokenizer.ggml.{key}_token_id")
    norm = g.tensor("output_norm.weight")
    norm.data = bytes(len(norm.data))
    path.write_bytes(bytes(g))
    return path


def answer(path, *options):
    done = run("ask", "the inn", "-m", path, "--merge", "none", "-p", "coder", "--no-instruction",
               "--no-save", "--format", "json", "--temperature", "0", "--max-tokens", "3", *options)
    return json.loads(done.stdout)["answers"][0], done.stderr


def ends(path, *options):
    got, _ = answer(path, *options)
    assert (got["stop"], got["tokens"], got["text"]) == ("end", [0], ""), got


def goes_on(path, *options):
    got, _ = answer(path, *options)
    assert got["stop"] == "length" and got["tokens"] == [0, 0, 0], got


def by_name(scratch):
    for options in (["--raw"], []):
        how = "".join(options) or "chat"
        for name in ENDS:
            if name == "<|im_end|>" and not options:
                continue  # the chat format's own
            with case(f"{how}: control token {name}: ends"):
                ends(model(scratch / "a.gguf", name, drop=["eos"] if options else []), *options)
    for name in GO_ON:
        with case(f"--raw: control token {name!r}: goes on"):
            goes_on(model(scratch / "a.gguf", name), "--raw")
    for kind in (NORMAL, USER):
        with case(f"--raw: <|endoftext|> of type {kind}, an ordinary token: goes on"):
            goes_on(model(scratch / "a.gguf", "<|endoftext|>", kind), "--raw")
    with case("gpt-oss: <|end|> between messages goes on, <|return|> ends"):
        more = ["<|return|>", "<|call|>"]
        goes_on(model(scratch / "a.gguf", "<|end|>", more=more), "--raw")
        ends(model(scratch / "a.gguf", "<|return|>", more=["<|end|>", "<|call|>"]), "--raw")


def by_key(scratch):
    for key in ("eos", "eot", "eom"):
        for options in (["--raw"], []):
            with case(f"{''.join(options) or 'chat'}: the key {key}: ends, whatever the type"):
                ends(model(scratch / "a.gguf", "<x>", NORMAL, {key: 0}), *options)
    for ids, kind in (([2, 0], base.I32), ([NONE, 0], base.U32), ([101, 0], base.U32)):
        with case(f"the list eos_token_ids {ids}: each ends"):
            path = model(scratch / "a.gguf", "<x>", NORMAL)
            g = base.read_gguf(path)
            g.set("tokenizer.ggml.eos_token_ids", base.ARRAY, (kind, ids))
            path.write_bytes(bytes(g))
            ends(path, "--raw")
    with case("several keys: each ends"):
        ends(model(scratch / "a.gguf", "<x>", keys={"eos": 2, "eot": 0, "eom": 1}), "--raw")


def folder(path, generation, **config):
    """The valid directory with a zero norm and these files; token 0 is <|endoftext|>, renamed."""
    d = base.Directory()
    s = base.base_safetensors()
    begin, end = s.entry("model.norm.weight")["data_offsets"]
    s.data = s.data[:begin] + bytes(end - begin) + s.data[end:]
    d.files["model.safetensors"] = bytes(s)
    d.files["config.json"] = json.dumps(base.base_config() | config).encode()
    d.files["generation_config.json"] = (None if generation is None else
                                        json.dumps(generation).encode())
    for name in ("tokenizer.json", "tokenizer_config.json"):
        d.files[name] = d.files[name].replace(b"<|endoftext|>", b"<x>")
    d.write(path)
    return path


def hugging_face(scratch):
    for i, (generation, config) in enumerate([
            ({"eos_token_id": [2, 0]}, {}), ({"eos_token_id": 0}, {"eos_token_id": 2}),
            (None, {"eos_token_id": [1, 0]}), (None, {"eos_token_id": 0}),
            ({"eos_token_id": [NONE, 500, 0]}, {})]):
        with case(f"Hugging Face, {generation}, {config}: ends"):
            ends(folder(scratch / f"e{i}", generation, **config), "--raw")
    for i, generation in enumerate([{"eos_token_id": [2]}, {"eos_token_id": NONE}, {}]):
        with case(f"Hugging Face, {generation}: goes on"):
            goes_on(folder(scratch / f"g{i}", generation), "--raw")


FIELDS = ["bos", "eos", "eot", "eom", "unknown", "padding", "seperator", "cls", "mask", "fim_pad"]
USED = FIELDS[:5]


def no_tokens(scratch):
    for field in FIELDS:
        with case(f"{field} is 4294967295: none, without a word"):
            path = model(scratch / "a.gguf", "<x>", keys={field: NONE})
            got, told = answer(path, "--raw", "-v")
            assert got["stop"] == "length" and "token_id" not in told, (got["stop"], told)
        for beyond in (95, 101, 4294967294):
            with case(f"{field} is {beyond}, no token: a warning, and none"):
                path = model(scratch / "a.gguf", "<x>", keys={field: beyond})
                got, told = answer(path, "--raw", *([] if field in USED else ["-v"]))
                words = f"tokenizer.ggml.{field}_token_id is {beyond}, and there are"
                assert got["stop"] == "length", got
                assert told.count(words) == 1 and "counts as none" in told, told
    with case("a padding that is no token is nobody's business without -v"):
        _, told = answer(model(scratch / "a.gguf", "<x>", keys={"padding": 101}), "--raw")
        assert "padding" not in told, told


def info(scratch):
    path = model(scratch / "a.gguf", "<|endoftext|>")
    stops = json.loads(run("model", "info", "-m", path, "--format", "json").stdout)["tokenizer"]
    check("model info lists what ends an answer", sorted(stops["stops"]) == [0, 2], stops)


def rule(scratch):
    """tokenizer.ggml.pre names the rule by which text is split; files older than it do not."""
    def told(pre, *command, tokenizer="gpt2"):
        g = base.base_gguf()
        g.drop("tokenizer.ggml.pre")
        if pre is not None:
            g.set("tokenizer.ggml.pre", base.STRING, pre)
        if tokenizer != "gpt2":
            g.set("tokenizer.ggml.model", base.STRING, tokenizer)
        path = scratch / "a.gguf"
        path.write_bytes(bytes(g))
        done = run(*command, "-m", path)
        return [line for line in done.stderr.splitlines() if "tokenizer.ggml.pre" in line]

    for command in (("tokenize", "the inn"), ("model", "info"),
                    ("ask", "the", "--no-save", "-p", "coder", "--max-tokens", "1")):
        with case(f"{command[0]}: no tokenizer.ggml.pre: one warning that names the rule"):
            lines = told(None, *command)
            assert len(lines) == 1 and lines[0].startswith("warning: "), lines
            assert 'by the rule "default"' in lines[0] and "a.gguf" in lines[0], lines
    for pre in ("qwen2", "default"):
        with case(f"tokenizer.ggml.pre {pre}: no word"):
            assert told(pre, "tokenize", "the inn") == []
    with case("-q: no word"):
        assert told(None, "tokenize", "-q", "the inn") == []
    with case("a model without a tokenizer: no word"):
        assert told(None, "model", "info", tokenizer="no_vocab") == []


def main():
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for part in (by_name, by_key, hugging_face, no_tokens, info, rule):
            part(scratch)
    finish()


if __name__ == "__main__":
    main()
