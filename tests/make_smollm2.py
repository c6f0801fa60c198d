#!/usr/bin/env python3
"""Make tests/fixtures/smollm2.json: what llama.cpp says of SmolLM2-135M-Instruct (Q4_1).

usage: make_smollm2.py [--check]        (needs llama-cpp-python and build/models, see .ci/fetch.sh)

perplexity: all whole windows of 512 tokens of fixtures/text/arnold.txt, each read alone without
BOS; tokens 256..511 of a window are scored; nll is the mean in nats, nlls the mean of each window.
greedy: for some prompts in the model's chat format, 200 tokens (or until the answer ends), each the
most likely one, with its logit's lead over the second: where the lead is small another engine may
rightly differ.
The KV cache is f32; llama.cpp rounds activations to 8 bits, as every engine must for such weights.
"""
import argparse
import hashlib
import json
import sys
from pathlib import Path

import llama_cpp
import numpy as np

from llama import evaluate, open_model

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "build" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
TEXT = ROOT / "tests" / "fixtures" / "text" / "arnold.txt"
OUT = ROOT / "tests" / "fixtures" / "smollm2.json"
WINDOW, LENGTH = 512, 200
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
PROMPTS = ("Name the planets of the solar system and say something about each.",
           "Write a short story about a lighthouse keeper and a storm.",
           "Explain how a bicycle stays upright.",
           "def fibonacci(n):\n    # return the n-th Fibonacci number\n",
           "Translate into Spanish: The library closes at eight o'clock.")


def ids_hash(ids):
    return hashlib.sha256(np.array(ids, "<i4").tobytes()).hexdigest()


def perplexity(model):
    ids = model.tokenize(TEXT.read_bytes(), add_bos=False, special=False)
    nlls = []
    for start in range(0, len(ids) - WINDOW + 1, WINDOW):
        window = ids[start:start + WINDOW]
        logits = evaluate(model, window)[WINDOW // 2 - 1:-1].astype(np.float64)
        best = logits.max(1, keepdims=True)
        log_sum = best[:, 0] + np.log(np.exp(logits - best).sum(1))
        scored = logits[np.arange(len(logits)), window[WINDOW // 2:]]
        nlls.append(round(float(np.mean(log_sum - scored)), 6))
    return dict(text=TEXT.name, tokens=len(ids), ids_sha256=ids_hash(ids),
                nll=round(float(np.mean(nlls)), 6), nlls=nlls)


def greedy(model, prompt):
    text = (f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{prompt}<|im_end|>\n"
            "<|im_start|>assistant\n")
    ids = model.tokenize(text.encode(), add_bos=False, special=True)
    tokens, leads = [], []
    model.reset()
    model.eval(ids)
    for _ in range(LENGTH):
        logits = model.scores[model.n_tokens - 1]
        second, first = np.argsort(logits)[-2:]
        tokens.append(int(first))
        leads.append(round(float(logits[first] - logits[second]), 4))
        if first == model.token_eos():
            break
        model.eval([int(first)])
    return dict(prompt=ids, tokens=tokens, leads=leads)


def make():
    model = open_model(MODEL, WINDOW)
    return dict(model=MODEL.name, llama_cpp_python=llama_cpp.__version__,
                perplexity=perplexity(model), greedy=[greedy(model, p) for p in PROMPTS])


def complaints(old, new):
    """Differences that another processor or thread count cannot explain."""
    for key in ("text", "tokens", "ids_sha256"):
        if old["perplexity"][key] != new["perplexity"][key]:
            yield f"perplexity: {key} differs"
    if not abs(old["perplexity"]["nll"] - new["perplexity"]["nll"]) < 5e-4:
        yield f"nll {old['perplexity']['nll']} became {new['perplexity']['nll']}"
    for i, (a, b) in enumerate(zip(old["greedy"], new["greedy"], strict=True)):
        differ = np.flatnonzero(np.array(a["tokens"]) != np.array(b["tokens"]))
        if a["prompt"] != b["prompt"] or (len(differ) and a["leads"][differ[0]] > 0.05):
            yield f"prompt {i}: token {differ[:1]} differs"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true")
    made = make()
    if not parser.parse_args().check:
        OUT.write_text(json.dumps(made) + "\n")
        return 0
    faults = list(complaints(json.loads(OUT.read_text()), made))
    print("\n".join(faults) or "llama.cpp says what is committed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
