#!/usr/bin/env python3
"""--tokenizer: text by another tokenizer with as many tokens, with a warning, and measured by what does not
depend on it: tokens of a text, loss for each byte."""
import json
import math
import tempfile
from pathlib import Path

import gguf

from suite import FIXTURES, MODELS, case, finish, logits, run

MODEL = FIXTURES / "council"
TEXT = "The code of the user is se code, us code: user code. " * 60


def other(folder, change, config=True):
    """The model's tokenizer, changed; its tokenizer_config.json beside it."""
    folder.mkdir()
    t = json.loads((MODEL / "tokenizer.json").read_text())
    change(t)
    (folder / "tokenizer.json").write_text(json.dumps(t))
    if config:
        (folder / "tokenizer_config.json").write_bytes((MODEL / "tokenizer_config.json").read_bytes())
    return folder / "tokenizer.json"


def without_last_merge(t):
    """The last merge gone, its token renamed: as many tokens, and texts have more of them."""
    last = t["model"]["merges"].pop()
    number = t["model"]["vocab"].pop("".join(last) if isinstance(last, list) else last.replace(" ", ""))
    t["model"]["vocab"]["\u0120\u0120\u0120"] = number


def smaller(t):
    t["added_tokens"].pop()


def ids_of(text, *options):
    return json.loads(run("tokenize", "-m", MODEL, text, *options).stdout)


def measure(path, *options):
    done = run("perplexity", "-m", MODEL, path, "--format", "json", *options)
    return json.loads(done.stdout), done.stderr


def main():
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        changed = other(scratch / "changed", without_last_merge)
        text = scratch / "text"
        text.write_text(TEXT)
        with case("the model's own tokenizer under another name: the same ids, no token differs"):
            for path in (MODEL, MODEL / "tokenizer.json"):
                done = run("tokenize", "-m", MODEL, "user code", "--tokenizer", path)
                assert json.loads(done.stdout) == ids_of("user code")
                assert "0 of 283 tokens differ" in done.stderr, done.stderr
        with case("another one is used, with a warning that counts"):
            done = run("tokenize", "-m", MODEL, "user code", "--tokenizer", changed)
            got, own = json.loads(done.stdout), ids_of("user code")
            assert len(got) == len(own) + 1, (got, own)
            assert "warning" in done.stderr and "1 of 283 tokens differ" in done.stderr, done.stderr
        with case("perplexity: more tokens, and a loss for each byte that can be compared"):
            own, silent = measure(text)
            alternative, told = measure(text, "--tokenizer", changed)
            assert not silent and "differ" in told, (silent, told)
            assert own["text_bytes"] == alternative["text_bytes"] == len(TEXT)
            assert own["text_tokens"] < alternative["text_tokens"]
            for got in (own, alternative):
                assert math.isclose(got["nll_per_byte"], got["nll"] * got["tokens"] / got["bytes"]), got
            line = run("perplexity", "-m", MODEL, text).stdout
            assert f"{own['nll_per_byte']:.6f} a byte" in line and f"{own['text_tokens']} tokens" in line, line
        with case("the ids that it gives are what the model reads"):
            ids = ids_of(TEXT, "--tokenizer", changed)[:512]
            rows = logits(MODEL, ids, scratch)
            nll = sum(math.log(sum(math.exp(float(z) - float(rows[p - 1].max())) for z in rows[p - 1]))
                      + float(rows[p - 1].max()) - float(rows[p - 1][ids[p]]) for p in range(256, 512)) / 256
            text.write_text(TEXT[:1400])
            got, _ = measure(text, "--tokenizer", changed)
            assert got["tokens"] == 256 and abs(got["nll"] - nll) < 1e-4, (got, nll)
        with case("an answer is written by it too"):
            done = run("ask", "user code", "-m", MODEL, "--tokenizer", changed, "-p", "coder", "--merge", "none",
                       "--max-tokens", "4", "--no-save", "--format", "json")
            assert json.loads(done.stdout)["answers"][0]["tokens"], done.stdout
        with case("of a GGUF file without weights"):
            writer = gguf.GGUFWriter(scratch / "v.gguf", "qwen3moe")
            t = json.loads((MODEL / "tokenizer.json").read_text())
            words = sorted(t["model"]["vocab"], key=t["model"]["vocab"].get) + [a["content"] for a in t["added_tokens"]]
            writer.add_tokenizer_model("gpt2")
            writer.add_tokenizer_pre("gpt-2")
            writer.add_token_list(words)
            writer.add_token_types([1] * 280 + [3] * 3)
            writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in t["model"]["merges"]])
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.close()
            assert ids_of("user code", "--tokenizer", scratch / "v.gguf") == ids_of("user code")
        for words, what, path in (("282 tokens", "one token less", other(scratch / "small", smaller, config=False)),
                                  ("No such file", "not there", scratch / "absent.gguf"),
                                  ("no tokenizer", "a model without one", MODELS / "qwen3_moe.gguf"),
                                  ("no tokenizer", "a folder without one", MODELS / "qwen3_moe"),
                                  ("text", "no tokenizer at all", text)):
            with case(f"refused: {what}"):
                done = run("tokenize", "-m", MODEL, "x", "--tokenizer", path, check_status=False)
                assert done.returncode == 3 and words in done.stderr and not done.stdout, done.stderr
                assert done.stderr.count("\n") == 1, done.stderr
    finish()


if __name__ == "__main__":
    main()
