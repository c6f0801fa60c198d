"""SmolLM2-135M in plain torch, with residual experts in its upper layers.

The weights come straight from the GGUF file, dequantised by the `gguf` package, so training sees the
numbers that the engine will see. Everything of the base model is frozen; the experts add to the
output of the dense feed-forward block, which stays:

    y = ffn(x) + sum over the chosen experts of gate_e * down_e (silu(gate_e x) * up_e x)

Shapes: T tokens, D = 576, E experts of width F = 32. Queries and keys keep the row order of the
file (pairs rotate together), which is why rope() rotates neighbours.
"""
import math

import gguf
import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
FIRST, LAYERS, WIDTH, HEADS, KV, HEAD = 10, 30, 576, 9, 3, 64
EXPERTS, CALLED, NARROW = 8, 4, 32  # per persona; called per token; ffn width of one expert
PERSONAS = ("philosopher", "coder", "critic")


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
    """x @ weight.T with the product in bf16: on a CPU three times as fast, near enough to train."""
    return (x.bfloat16() @ weight.bfloat16().T).float()


def norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * weight


class Experts(torch.nn.Module):
    """Routed experts for each layer from FIRST on: `count` of them, and their router.

    forward() is what qwen2_moe does with norm_topk_prob: the CALLED largest router logits among the
    allowed experts, their softmax as gates. All experts are computed and most gates are zero.
    """

    def __init__(self, count=EXPERTS, seed=1, drop=0.0):
        super().__init__()
        self.count, self.drop, self.allowed, self.seen = count, drop, None, None
        g = torch.Generator().manual_seed(seed)
        draw = lambda *shape: torch.nn.Parameter(torch.randn(*shape, generator=g) * 0.02)
        each = lambda make: torch.nn.ParameterList([make() for _ in range(LAYERS - FIRST)])
        self.router = each(lambda: draw(count, WIDTH))
        self.gate = each(lambda: draw(count * NARROW, WIDTH))
        self.up = each(lambda: draw(count * NARROW, WIDTH))
        self.down = each(lambda: torch.nn.Parameter(torch.zeros(WIDTH, count * NARROW)))

    def forward(self, layer, x):
        """x [.., D], normed -> what the chosen experts add to the feed-forward block."""
        i = layer - FIRST
        logits = x @ self.router[i].T
        if self.allowed is not None:
            logits = logits.masked_fill(~self.allowed[i], -math.inf)
        top = logits.topk(CALLED, -1)
        gates = torch.zeros_like(logits).scatter(-1, top.indices, top.values.softmax(-1))
        if self.seen is not None:
            self.seen.append((x, logits))
        h = F.silu(linear(x, self.gate[i])) * linear(x, self.up[i])
        h = F.dropout(h, self.drop, self.training)
        return linear((h.unflatten(-1, (self.count, NARROW)) * gates[..., None]).flatten(-2), self.down[i])

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

    def layer(self, n, x, positions, cache=None, experts=None, mask=None, rows=None):
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
        if rows is None:
            a = attend(q, k, v)
        else:
            a = torch.cat([attend(q[:, :, at], k[:, :, at], v[:, :, at])[:, :, seen:] for at, seen in rows], 2)
        x = x + linear(a.transpose(1, 2).flatten(-2), w("attn_output"))
        h = norm(x, w("ffn_norm"))
        y = linear(F.silu(linear(h, w("ffn_gate"))) * linear(h, w("ffn_up")), w("ffn_down"))
        if n >= FIRST and experts is not None:
            y = y + experts(n, h)
        return x + y

    def run(self, x, first, last, experts=None, start=0, cache=None, mask=None):
        """The residual stream x [B, T, D] through layers first..last-1; experts None: the dense model."""
        positions = torch.arange(start, start + x.shape[1])
        for n in range(first, last):
            x = self.layer(n, x, positions, cache, experts, mask)
        return x

    def run_packed(self, texts, shared, experts=None):
        """Texts' residual streams [T, D] at FIRST through the layers above, as one row of tokens
        [1, all, D] in which the first `shared` tokens, equal in all texts, come once."""
        x = torch.cat([texts[0]] + [t[shared:] for t in texts[1:]])[None]
        head, at, rows = torch.arange(shared), len(texts[0]), [(torch.arange(len(texts[0])), 0)]
        positions = [torch.arange(len(texts[0]))]
        for t in texts[1:]:
            own = len(t) - shared
            rows.append((torch.cat((head, torch.arange(at, at + own))), shared))
            positions.append(torch.arange(shared, len(t)))
            at += own
        positions = torch.cat(positions)
        for n in range(FIRST, LAYERS):
            x = self.layer(n, x, positions, None, experts, rows=rows)
        return x

    def embed(self, ids):
        return self.w["token_embd.weight"][ids]

    def logits(self, x, words=None):
        """[.., vocabulary], or only for the token ids `words`."""
        output = self.w["output"] if words is None else self.w["output"][words]
        return linear(norm(x, self.w["output_norm.weight"]), output)

    @torch.no_grad()
    def answers(self, prompts, end, experts=None, most=120):
        """Greedy continuations of the prompts, all at once: (ids without the end token, ended)."""
        longest, n = max(map(len, prompts)), len(prompts)
        pad = torch.tensor([longest - len(p) for p in prompts])  # on the left: RoPE is relative
        ids = torch.tensor([[0] * (longest - len(p)) + list(p) for p in prompts])
        out, open_, cache, at = [[] for _ in prompts], [True] * n, {}, 0
        while True:
            q, k = torch.arange(at, at + ids.shape[1]), torch.arange(at + ids.shape[1])
            mask = (k[None, None] <= q[None, :, None]) & (k[None, None] >= pad[:, None, None])
            mask |= (k[None, None] == q[None, :, None])  # padding sees itself
            h = self.run(self.embed(ids), 0, LAYERS, experts, at, cache, mask[:, None])
            at += ids.shape[1]
            best = self.logits(h[:, -1]).argmax(-1)
            for i, token in enumerate(best.tolist()):
                if open_[i] and token != end:
                    out[i].append(token)
                open_[i] = open_[i] and token != end and len(out[i]) < most
            if not any(open_):
                return [(o, len(o) < most) for o in out]
            ids = best[:, None]
