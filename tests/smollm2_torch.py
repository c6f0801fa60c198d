"""SmolLM2-135M in plain torch, and the built-in model that the recipe makes of it: what the built-in
model is measured with, beside the program (probe_personas.py).

The weights come straight from the GGUF files, dequantised by the `gguf` package, so what is measured
has the numbers that the engine sees. In the upper layers of the built-in model a shared expert (its gate
is 1/2) and routed ones stand where the dense feed-forward block was:

    y = shared(x) / 2 + sum over the chosen experts of gate_e * down_e (silu(gate_e x) * up_e x)

Shapes: T tokens, D = 576, E experts of width F = 32. Queries and keys keep the row order of the
file (pairs rotate together), which is why rope() rotates neighbours.
"""
import json
import math
from pathlib import Path

import gguf
import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
FIRST, LAYERS, WIDTH, HEADS, KV, HEAD = 10, 30, 576, 9, 3, 64
EXPERTS, CALLED, NARROW = 8, 7, 32  # per persona; called per token; ffn width of one expert
PERSONAS = ("philosopher", "coder", "critic")
GENERAL = 8  # experts behind the personas': slices of the dense block
SHIPPED = Path(__file__).resolve().parent.parent / "personas/shipped"


def read_model(path):
    """(tensors by name in f32, Tokenizer) of the GGUF file."""
    reader = gguf.GGUFReader(path)
    weights = {t.name: torch.from_numpy(np.array(gguf.quants.dequantize(t.data, t.tensor_type), np.float32))
               for t in reader.tensors}
    field = lambda name: reader.fields[name].contents()
    vocabulary = {text: i for i, text in enumerate(field("tokenizer.ggml.tokens"))}
    merges = [tuple(m.split(" ")) for m in field("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return weights, tokenizer


class Chat:
    """The model's ChatML: markers by id, contents as plain text."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.start, self.end = (tokenizer.token_to_id(t) for t in ("<|im_start|>", "<|im_end|>"))

    def text(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def message(self, role, text):
        return [self.start] + self.text(role + "\n" + text) + [self.end] + self.text("\n")

    def prompt(self, question, before=(), system=SYSTEM):
        ids = self.message("system", system)
        for m in before:
            ids += self.message(m["role"], m["text"])
        return ids + self.message("user", question) + [self.start] + self.text("assistant\n")


def rope(x, positions):
    """x [B, heads, T, HEAD]; neighbours 2j, 2j+1 rotate by position * theta^(-2j/HEAD)."""
    angle = positions[:, None] * (100000.0 ** (-torch.arange(0, HEAD, 2) / HEAD))
    c, s = angle.cos(), angle.sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * c - b * s, a * s + b * c), -1).flatten(-2)


def linear(x, weight):
    """x @ weight.T with the product in bf16: on a CPU three times as fast, and near enough."""
    return (x.bfloat16() @ weight.bfloat16().T).float()


def norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * weight


class Experts(torch.nn.Module):
    """The feed-forward block of each layer from FIRST on: `count` routed experts, their router, and the
    shared expert, [gate, up, down] by layer.

    forward() is what qwen2_moe does without norm_topk_prob: of the softmax over all allowed experts the
    CALLED largest are gates. All experts are computed and most gates are zero.
    """

    def __init__(self, count, shared):
        super().__init__()
        self.count, self.allowed, self.shared = count, None, shared
        each = lambda *shape: torch.nn.ParameterList([torch.zeros(*shape) for _ in range(LAYERS - FIRST)])
        self.router, self.down = each(count, WIDTH), each(WIDTH, count * NARROW)
        self.gate, self.up = each(count * NARROW, WIDTH), each(count * NARROW, WIDTH)

    def forward(self, layer, x):
        """x [.., D], normed -> [.., D]."""
        i = layer - FIRST
        logits = x @ self.router[i].T
        if self.allowed is not None:
            logits = logits.masked_fill(~self.allowed[i], -math.inf)
        top = logits.softmax(-1).topk(CALLED, -1)
        gates = torch.zeros_like(logits).scatter(-1, top.indices, top.values)
        h = F.silu(linear(x, self.gate[i])) * linear(x, self.up[i])
        routed = linear((h.unflatten(-1, (self.count, NARROW)) * gates[..., None]).flatten(-2), self.down[i])
        gate, up, down = self.shared[i]
        return linear(F.silu(linear(x, gate)) * linear(x, up), down) / 2 + routed

    def arrays(self):
        """numpy arrays as the engine stores them: [layers, experts, ...]."""
        stack = lambda ps, *shape: np.stack([p.detach().numpy() for p in ps]).reshape(-1, self.count, *shape)
        down = np.stack([p.detach().numpy() for p in self.down]).reshape(-1, WIDTH, self.count, NARROW)
        return {"router": stack(self.router, WIDTH), "gate": stack(self.gate, NARROW, WIDTH),
                "up": stack(self.up, NARROW, WIDTH), "down": np.ascontiguousarray(down.transpose(0, 2, 1, 3))}

    @torch.no_grad()
    def load(self, arrays):
        """The inverse of arrays()."""
        for i in range(LAYERS - FIRST):
            get = lambda name: torch.from_numpy(np.array(arrays[name][i], np.float32))
            self.router[i].copy_(get("router"))
            self.gate[i].copy_(get("gate").flatten(0, 1))
            self.up[i].copy_(get("up").flatten(0, 1))
            self.down[i].copy_(get("down").permute(1, 0, 2).flatten(1))
        return self


class Model:
    def __init__(self, weights):
        self.w = dict(weights)
        for name, t in weights.items():
            if t.dim() == 2 and name != "token_embd.weight":
                self.w[name] = t.bfloat16()
        self.w["output"] = weights["token_embd.weight"].bfloat16()

    def layer(self, n, x, positions, cache=None, experts=None, mask=None):
        w = lambda name: self.w[f"blk.{n}.{name}.weight"]
        h = norm(x, w("attn_norm"))
        heads = lambda t, k: t.unflatten(-1, (k, HEAD)).transpose(1, 2)
        q = rope(heads(linear(h, w("attn_q")), HEADS), positions)
        k = rope(heads(linear(h, w("attn_k")), KV), positions)
        v = heads(linear(h, w("attn_v")), KV)
        if cache is not None:
            if n in cache:
                k, v = torch.cat((cache[n][0], k), 2), torch.cat((cache[n][1], v), 2)
            cache[n] = (k, v)
        repeat = lambda t: t.repeat_interleave(HEADS // KV, 1)
        attend = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask, is_causal=mask is None)
        k, v = repeat(k), repeat(v)
        a = attend(q, k, v)
        x = x + linear(a.transpose(1, 2).flatten(-2), w("attn_output"))
        h = norm(x, w("ffn_norm"))
        if n >= FIRST and experts is not None:
            return x + experts(n, h)
        return x + linear(F.silu(linear(h, w("ffn_gate"))) * linear(h, w("ffn_up")), w("ffn_down"))

    def run(self, x, first, last, experts=None, start=0, cache=None, mask=None):
        """The residual stream x [B, T, D] through layers first..last-1; experts None: the dense model."""
        positions = torch.arange(start, start + x.shape[1])
        for n in range(first, last):
            x = self.layer(n, x, positions, cache, experts, mask)
        return x

    def embed(self, ids):
        return self.w["token_embd.weight"][ids]

    def logits(self, x, words=None):
        """[.., vocabulary], or only for the token ids `words`."""
        output = self.w["output"] if words is None else self.w["output"][words]
        return linear(norm(x, self.w["output_norm.weight"]), output)


def lessons(name):
    return [json.loads(line) for line in (SHIPPED / f"{name}.lessons.jsonl").read_text(encoding="utf-8").splitlines()]


def held_out(of):
    """Ids of the lessons whose topic is held out, as in training: every fifth topic, as they are first met."""
    topics = list(dict.fromkeys(lesson["topic"] for lesson in of))
    return {lesson["id"] for lesson in of if topics.index(lesson["topic"]) % 5 == 4}


class Sample:
    """One lesson as ids; start: where its answer begins; h: the residual stream below the first expert layer."""

    def __init__(self, model, chat, lesson):
        prompt = chat.prompt(lesson["question"], lesson.get("before", ()))
        self.ids, self.start, self.id = prompt + chat.text(lesson["answer"]) + [chat.end], len(prompt), lesson["id"]
        with torch.no_grad():
            self.h = model.run(model.embed(torch.tensor([self.ids[:-1]])), 0, FIRST)[0]


@torch.no_grad()
def evaluate(model, samples, experts):
    """Mean loss per answer token, in nats."""
    total = count = 0
    for s in samples:
        x = model.run(s.h[None], FIRST, LAYERS, experts)[0, s.start - 1:]
        total += float(F.cross_entropy(model.logits(x), torch.tensor(s.ids[s.start:]), reduction="sum"))
        count += len(s.ids) - s.start
    return total / count


def load_joined(path):
    """The blocks of a built-in model, from its GGUF, quantised values included."""
    tensors = {t.name: t for t in gguf.GGUFReader(path).tensors}

    def get(i, name):
        t = tensors[f"blk.{i}.{name}.weight"]
        return np.array(gguf.quants.dequantize(t.data, t.tensor_type), np.float32)
    stack = lambda name: [get(i, name) for i in range(FIRST, LAYERS)]
    shared = [[torch.from_numpy(get(i, f"ffn_{m}_shexp")).bfloat16() for m in ("gate", "up", "down")]
              for i in range(FIRST, LAYERS)]
    return Experts(EXPERTS * len(PERSONAS) + GENERAL, shared).load({
        "router": stack("ffn_gate_inp"), "gate": stack("ffn_gate_exps"), "up": stack("ffn_up_exps"),
        "down": stack("ffn_down_exps")}).eval()
