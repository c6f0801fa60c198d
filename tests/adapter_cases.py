"""Adapters by real PEFT for the tiny models, for the fixtures and for `make test-reference`.

Weights are random and large enough that logits move; seeds come from names, so the same file is made
anywhere.
"""
import json
import zlib

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

MOE = ("qwen3_moe", "qwen2_moe", "mixtral", "olmoe", "granitemoe")
RANK, ALPHA = 4, 6
transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()


def block(arch):
    return "block_sparse_moe" if arch == "granitemoe" else "mlp"


def load(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                 attn_implementation="eager",
                                                 experts_implementation="eager")
    return model.eval()


def logits_of(model, tokens):
    with torch.no_grad():
        return model(torch.tensor([[int(t) for t in tokens]])).logits[0].numpy()


def randomise(model, seed, scale=0.15):
    g = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        if "lora_" in name:
            p.data.copy_(scale * torch.randn(p.shape, generator=g))


def make(folder, arch, seed="", parts=("gate_up_proj", "down_proj"), layers=None, **more):
    """A PeftModel with random updates of the experts."""
    at = block(arch) + ".experts."
    names = [at + p for p in parts] if layers is None else [
        f"layers.{layer}.{at}{p}" for layer in layers for p in parts]
    config = LoraConfig(**({"r": RANK, "lora_alpha": ALPHA, "target_modules": [],
                            "target_parameters": names, "task_type": "CAUSAL_LM"} | more))
    model = get_peft_model(load(folder), config)
    randomise(model, zlib.crc32(f"{arch}{seed}".encode()))
    return model.eval()


def open_peft(folder, adapter):
    return PeftModel.from_pretrained(load(folder), str(adapter)).eval()


def save(model, folder):
    """What save_pretrained writes, without its card."""
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text())
    config["base_model_name_or_path"] = None
    for key in ("target_parameters", "target_modules"):  # sets, in any order
        if isinstance(config.get(key), list):
            config[key] = sorted(config[key])
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def nmse(x, y):
    x, y = np.asarray(x, "f8"), np.asarray(y, "f8")
    return float(((x - y) ** 2).sum() / (y ** 2).sum())
