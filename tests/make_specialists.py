#!/usr/bin/env python3
"""Train tests/fixtures/specialists: two tiny mixtures of experts whose experts have specialised.

usage: make_specialists.py [--steps N] [--seed N] [FOLDER] [natural|planted]

Both are qwen3_moe, 8 layers of 32 experts, 4 a token, trained from scratch on the four domains of
specialists.py with AdamW and a fixed seed, and saved in bf16.
  natural: nothing but a balance loss over the whole batch; experts take to domains by themselves, as far
           as they like. Nothing makes the routers decide: a small bias moves them, too.
  planted: in layers 1 to 5 each domain has three experts of its own (planted_experts()). A token of a
           domain calls these and one of four that all share, balanced within each domain; the
           routers learn it from the choice that was forced on them, and choose for themselves in the
           last quarter.
Prints held-out loss by domain, and how far routing tells the domains apart.
"""
import argparse
import json
import math
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from council_model import SPECIALS, TEMPLATE, byte_alphabet, tokenizer
from specialists import DOMAINS, LAYERS, MAKERS, PLANTED, QUESTIONS, document, planted_experts, shared_experts

OUT = Path(__file__).resolve().parent / "fixtures" / "specialists"
WIDTH, HEADS, KV_HEADS, HEAD, EXPERTS, CALLED, FFN = 64, 4, 2, 16, 32, 4, 16
VOCABULARY, WINDOW, BATCH, EPS = 512, 128, 16, 1e-6
STEPS, SEED = {"natural": 1500, "planted": 1250}, 20261130
TURN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


# ---- text ---------------------------------------------------------------------------------------

def make_tokenizer(folder):
    """A byte-level BPE of the domains' own text."""
    r = random.Random(20261130)
    texts = [line for _ in range(1500) for _, line in document(r, 4)] + list(QUESTIONS)
    maker = Tokenizer(models.BPE())
    maker.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    maker.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIALS), initial_alphabet=sorted(byte_alphabet()),
        show_progress=False))
    model = json.loads(maker.to_str())["model"]
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(
        json.dumps(tokenizer(model["vocab"], merges, SPECIALS), ensure_ascii=False) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "Qwen2Tokenizer", "add_bos_token": False, "bos_token": None,
         "eos_token": SPECIALS[2], "chat_template": TEMPLATE.replace("\\n", "\n")}) + "\n")
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def pieces(r):
    """[(domain or None, text)] of one document or one chat."""
    if r.random() < 0.6:
        return document(r, r.randrange(6, 12))
    domain, count = r.choice(DOMAINS), r.randrange(2, 5)
    answer = "".join(MAKERS[domain](r) + "\n" for _ in range(count)).rstrip()
    return [(None, TURN.format(r.choice(QUESTIONS))), (domain, answer), (None, "<|im_end|>\n")]


def windows(words, r, count):
    """ids, domains [count, WINDOW + 1]; a position's domain is that of the token it reads, -1 = none."""
    ids, whose = [], []
    while len(ids) < count * (WINDOW + 1):
        for domain, text in pieces(r):
            part = words.encode(text).ids
            ids += part
            whose += [DOMAINS.index(domain) if domain else -1] * len(part)
    shape = (count, WINDOW + 1)
    end = count * (WINDOW + 1)
    return torch.tensor(ids[:end]).view(shape), torch.tensor(whose[:end]).view(shape)


# ---- the model ----------------------------------------------------------------------------------

def parameters():
    """By name, as qwen3_moe has them; experts stacked."""
    p = {"model.embed_tokens.weight": torch.randn(VOCABULARY, WIDTH) * 0.5}

    def matrix(*shape, scale=1.0):
        return torch.randn(*shape) * scale / math.sqrt(shape[-1])

    for i in range(LAYERS):
        at = f"model.layers.{i}."
        for name in ("input_layernorm", "post_attention_layernorm"):
            p[f"{at}{name}.weight"] = torch.ones(WIDTH)
        for name in ("q_norm", "k_norm"):
            p[f"{at}self_attn.{name}.weight"] = torch.ones(HEAD)
        for name, rows in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
            p[f"{at}self_attn.{name}_proj.weight"] = matrix(rows * HEAD, WIDTH)
        p[at + "self_attn.o_proj.weight"] = matrix(WIDTH, HEADS * HEAD, scale=0.3)
        p[at + "mlp.gate.weight"] = matrix(EXPERTS, WIDTH, scale=0.5)
        p[at + "gate"] = matrix(EXPERTS, FFN, WIDTH)
        p[at + "up"] = matrix(EXPERTS, FFN, WIDTH)
        p[at + "down"] = matrix(EXPERTS, WIDTH, FFN, scale=0.5)
    p["model.norm.weight"] = torch.ones(WIDTH)
    p["lm_head.weight"] = matrix(VOCABULARY, WIDTH, scale=0.3)
    return {name: value.requires_grad_() for name, value in p.items()}


def norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * weight


def rotate(x, cosine, sine):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cosine - b * sine, b * cosine + a * sine), -1)


def attention(p, at, x):
    n, length = x.shape[:2]
    angle = torch.outer(torch.arange(length), 1e4 ** (-torch.arange(0, HEAD, 2) / HEAD))
    cosine, sine = angle.cos(), angle.sin()

    def heads(name, count):
        return F.linear(x, p[f"{at}self_attn.{name}_proj.weight"]).view(n, length, count, HEAD).transpose(1, 2)

    q = rotate(norm(heads("q", HEADS), p[at + "self_attn.q_norm.weight"]), cosine, sine)
    k = rotate(norm(heads("k", KV_HEADS), p[at + "self_attn.k_norm.weight"]), cosine, sine)
    out = F.scaled_dot_product_attention(q, k, heads("v", KV_HEADS), is_causal=True, enable_gqa=True)
    return F.linear(out.transpose(1, 2).reshape(n, length, -1), p[at + "self_attn.o_proj.weight"])


def experts(p, at, x, chosen, gates):
    """x [rows, WIDTH]; pairs sorted by expert, so that each is one product of its rows."""
    order = chosen.flatten().argsort(stable=True)
    rows, counts = order // CALLED, torch.bincount(chosen.flatten(), minlength=EXPERTS).tolist()
    parts = x[rows].split(counts)
    made = [F.linear(F.silu(F.linear(part, g)) * F.linear(part, u), d) for part, g, u, d in
            zip(parts, p[at + "gate"].unbind(), p[at + "up"].unbind(), p[at + "down"].unbind())]
    return torch.zeros_like(x).index_add(0, rows, torch.cat(made) * gates.flatten()[order, None])


def planted_choice(z, whose, layer):
    """The experts forced on each row, and what the router is to learn of it (a loss)."""
    owner = torch.full((EXPERTS,), len(DOMAINS))
    for d in range(len(DOMAINS)):
        owner[planted_experts(layer, d)] = d
    shared = torch.zeros(EXPERTS, dtype=torch.bool)
    shared[shared_experts(layer)] = True
    own = owner[None] == whose[:, None]
    open_ = (owner < len(DOMAINS))[None] & (whose < 0)[:, None]  # of no domain: whatever is planted
    first = z.masked_fill(~(own | open_), -1e9).topk(CALLED - 1).indices
    second = z.masked_fill(~shared, -1e9).topk(1).indices
    known = whose >= 0
    best_other = z.masked_fill(own | shared, -1e9).max(-1).values
    worst_own = z.masked_fill(~own, 1e9).min(-1).values
    best_shared = z.masked_fill(~shared, -1e9).max(-1).values
    second_shared = z.masked_fill(~shared, -1e9).topk(2).values[:, 1]
    loss = (F.relu(1.5 + best_other - worst_own) + F.relu(1.5 + best_other - best_shared) +
            F.relu(1 + second_shared - worst_own))[known].mean()
    for d in range(len(DOMAINS)):  # the shared ones alike in every domain
        rows = whose == d
        if rows.any():
            share = z[rows][:, shared].softmax(-1)
            calls = F.one_hot(share.argmax(-1), share.shape[1]).double().mean(0)
            loss = loss + share.shape[1] * (calls * share.mean(0)).sum() / len(DOMAINS)
    return torch.cat((first, second), -1), loss


def forward(p, ids, whose=None, plant="no", trace=None):
    """Logits and the routers' loss. plant: no, force (the choice is forced), teach (only the loss)."""
    x, extra = F.embedding(ids, p["model.embed_tokens.weight"]), torch.zeros(())
    for i in range(LAYERS):
        at = f"model.layers.{i}."
        x = x + attention(p, at, norm(x, p[at + "input_layernorm.weight"]))
        h = norm(x, p[at + "post_attention_layernorm.weight"]).flatten(0, 1)
        z = F.linear(h, p[at + "mlp.gate.weight"])
        chosen = z.topk(CALLED).indices
        if plant != "no" and i in PLANTED:
            forced, loss = planted_choice(z, whose.flatten(), i)
            chosen, extra = forced if plant == "force" else chosen, extra + 0.2 * loss
        else:
            calls = torch.bincount(chosen.flatten(), minlength=EXPERTS) / chosen.numel()
            share = z.softmax(-1)
            extra = extra + 0.004 * EXPERTS * (calls * share.mean(0)).sum()
        gates = z.softmax(-1).gather(-1, chosen)
        if trace is not None:
            trace.append(chosen)
        x = x + experts(p, at, h, chosen, gates / gates.sum(-1, keepdim=True)).view_as(x)
    return F.linear(norm(x, p["model.norm.weight"]), p["lm_head.weight"]), extra


# ---- training -----------------------------------------------------------------------------------

def train(p, words, planted, steps):
    r = random.Random(7)
    torch.set_flush_denormal(True)  # an expert that is seldom called has gradients next to nothing
    adam = torch.optim.AdamW(p.values(), lr=4e-3, betas=(0.9, 0.98), weight_decay=0.01)
    start = time.time()
    for step in range(steps):
        rate = 4e-3 * min(1, (step + 1) / 100) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in adam.param_groups:
            group["lr"] = rate
        plant = "no" if not planted else "force" if step < 0.75 * steps else "teach"
        ids, whose = windows(words, r, BATCH)
        logits, extra = forward(p, ids[:, :-1], whose[:, :-1], plant)
        loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        adam.zero_grad()
        (loss + extra).backward()
        torch.nn.utils.clip_grad_norm_(p.values(), 1.0)
        adam.step()
        if step % 50 == 0 or step == steps - 1:
            print(f"  step {step}: loss {loss:.3f}, routers {extra:.3f}, {time.time() - start:.0f} s", flush=True)


@torch.no_grad()
def report(p, words):
    ids, whose = windows(words, random.Random(11), 200)
    trace = []
    logits, _ = forward(p, ids[:, :-1], trace=trace)
    losses = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    next_, now = whose[:, 1:].flatten(), whose[:, :-1].flatten()
    for d, name in enumerate(DOMAINS):
        print(f"  {name}: {losses[(next_ == d) & (now == d)].mean():.3f} nats a token")
    for i in range(LAYERS):
        share = torch.stack([torch.bincount(trace[i][now == d].flatten(), minlength=EXPERTS).double()
                             for d in range(len(DOMAINS))])
        share /= share.sum(1, keepdim=True)
        mean = share.mean(0)
        spread = (share * (share.clamp_min(1e-9) / mean.clamp_min(1e-9)).log()).sum(1).mean()
        print(f"  layer {i}: routing tells {spread:.2f} of {math.log(len(DOMAINS)):.2f} nats about the domain, "
              f"least used expert {mean.min():.4f}")


def save(p, folder):
    out = {}
    for name, value in p.items():
        value = value.detach().bfloat16()
        at, kind = name.rsplit(".", 1)
        if kind in ("gate", "up", "down") and value.dim() == 3:
            for e in range(EXPERTS):
                out[f"{at}.mlp.experts.{e}.{kind}_proj.weight"] = value[e].clone()
        else:
            out[name] = value
    save_file(out, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(
        {"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "attention_bias": False,
         "decoder_sparse_step": 1, "dtype": "bfloat16", "eos_token_id": VOCABULARY - 1, "head_dim": HEAD,
         "hidden_act": "silu", "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH,
         "max_position_embeddings": 1024, "mlp_only_layers": [], "moe_intermediate_size": FFN,
         "norm_topk_prob": True, "num_attention_heads": HEADS, "num_experts": EXPERTS,
         "num_experts_per_tok": CALLED, "num_hidden_layers": LAYERS, "num_key_value_heads": KV_HEADS,
         "rms_norm_eps": EPS, "rope_theta": 10000.0, "sliding_window": None,
         "tie_word_embeddings": False, "use_sliding_window": False, "vocab_size": VOCABULARY}) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("folder", nargs="?", type=Path, default=OUT)
    parser.add_argument("which", nargs="*", default=["natural", "planted"])
    args = parser.parse_args()
    for which in args.which:
        print(which)
        folder = args.folder / which
        words = make_tokenizer(folder)
        torch.manual_seed(args.seed)
        p = parameters()
        train(p, words, which == "planted", args.steps or STEPS[which])
        with torch.no_grad():  # what is saved is what is measured
            for value in p.values():
                value.copy_(value.bfloat16().float())
        report(p, words)
        save(p, folder)


if __name__ == "__main__":
    main()
