#!/usr/bin/env python3
"""The built-in model as `model build-default --safetensors` writes it: transformers loads it, agrees
with `logits` on it, and its tokenizer and chat template agree with ours."""
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from suite import ROOT, case, check, finish, logits, nmse, run, top1_mistakes

BASE = ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"
TEXTS = ["Is it ever right to lie?", "def f(x):\n    return x ** 2  # 1234 times", "Café, naïve — 15 °C",
         "Добрый вечер! Кто говорит?", " \t\n  spaces  and\n\n\nlines"]


with tempfile.TemporaryDirectory() as folder:
    env = dict(os.environ, XDG_CACHE_HOME=str(Path(folder) / "cache"))
    directory = Path(folder) / "hf"
    run("model", "build-default", "--from", BASE, "--safetensors", directory, env=env, timeout=300)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    for text in TEXTS:
        with case(f"tokens as transformers': {text[:16]!r}"):
            ours = json.loads(run("tokenize", text, "-m", directory).stdout)
            theirs = tokenizer.encode(text, add_special_tokens=False)
            assert ours == theirs == json.loads(run("tokenize", text, env=env).stdout), (ours, theirs)
    chat = tokenizer.apply_chat_template([{"role": "user", "content": TEXTS[0]}], tokenize=False,
                                         add_generation_prompt=True)
    check("chat template as the base's", chat.startswith("<|im_start|>system\nYou are a helpful AI"), chat)
    model, info = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32,
                                                       output_loading_info=True)
    check("transformers finds every weight, and no other", not any(info.values()), info)
    tokens = tokenizer.encode(chat + "It depends on what we mean by lying.", add_special_tokens=False)

    def compare(model, *experts):
        """(ours, transformers') logits."""
        with torch.no_grad():
            want = model(torch.tensor([tokens])).logits[0].numpy()
        return logits(directory, tokens, folder, *experts), want
    # All slices called there is nothing to choose, so what is left is rounding.
    whole = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, num_experts_per_tok=8)
    got, want = compare(whole, "--experts", 8)
    check("8 experts: logits as transformers'", nmse(got, want) <= 1e-6, f"NMSE {nmse(got, want):.2e}")
    check("8 experts: the same best tokens", not top1_mistakes(got, want), top1_mistakes(got, want))
    # With seven, rounding now and then chooses between two slices that have as much to say.
    got, want = compare(model)
    apart = ((got - want)**2).sum(1) / (want**2).sum(1)
    check("logits as transformers', at half of the tokens to rounding", np.median(apart) <= 1e-6, f"{np.median(apart):.2e}")
    check("and nowhere far from them", nmse(got, want) <= 1e-4, f"NMSE {nmse(got, want):.2e}")
    check("the same best tokens", not top1_mistakes(got, want), top1_mistakes(got, want))
finish()
