"""What engine/train computes, in torch on transformers' own models: losses, gradients, AdamW steps.

A Learner is a transformers model whose routed blocks run under a spec: experts that are added, trained
whole, updated by LoRA, and router rows. What is learned is one flat tensor `theta`, in the order of
engine/train/trainable.h, so gradients are compared as vectors. A spec is a dict:

    {"first": 0, "last": 2, "rank": 3, "alpha": 6,
     "layers": {1: {"added": 2, "width": 16, "whole": [0], "lora": {"3": ["gate", "down"]}, "rows": [0, 3]}}}
"""
import torch
import torch.nn.functional as F

MATRICES = ("gate", "up", "down")


def routed_block(layer):
    """The module of a decoder layer that holds router and experts, or None."""
    for block in layer.modules():
        if hasattr(block, "experts") and hasattr(block, "router" if hasattr(block, "router") else "gate"):
            return block
    return None


class Learner:
    def __init__(self, model, spec, renormalise, allowed=None, k=None):
        """allowed: {layer: experts that may be called}; k: experts a token, None = the trained."""
        self.model, self.spec, self.renormalise = model.eval().requires_grad_(False), spec, renormalise
        self.allowed, self.k, self.seen = allowed or {}, k, []
        self.layers = model.model.layers
        self.places, self.count, self.of = {}, 0, {}
        for n in range(spec["first"], spec["last"]):
            block = routed_block(self.layers[n])
            if block is None:
                continue
            self.of[n] = block
            self.lay_out(n, spec["layers"].get(n, {}))
            block.forward = lambda x, n=n: self.block(n, x)
        self.theta = torch.zeros(self.count, requires_grad=True)

    # ---- the flat order -----------------------------------------------------------------------

    def lay_out(self, n, s):
        block = self.of[n]
        experts, _, width = block.experts.gate_up_proj.shape
        model_ffn = block.experts.down_proj.shape[-1]
        for e in range(experts + s.get("added", 0)):
            added = e >= experts
            ffn = s.get("width") or model_ffn if added else model_ffn
            shapes = {"gate": (ffn, width), "up": (ffn, width), "down": (width, ffn)}
            if added or e in s.get("whole", ()):
                for m in MATRICES:
                    self.place((n, e, m), shapes[m])
            for m in MATRICES:
                if m in s.get("lora", {}).get(str(e), ()):
                    out, inside = shapes[m]
                    self.place((n, e, m, "a"), (self.spec["rank"], inside))
                    self.place((n, e, m, "b"), (out, self.spec["rank"]))
            if added or e in s.get("rows", ()):
                self.place((n, e, "row"), (1, width))

    def place(self, key, shape):
        self.places[key] = (self.count, shape)
        self.count += shape[0] * shape[1]

    def view(self, key):
        if key not in self.places:
            return None
        at, (rows, cols) = self.places[key]
        return self.theta[at:at + rows * cols].view(rows, cols)

    @torch.no_grad()
    def start(self, seed, noise=0.15):
        """Values that exercise everything: the model's own with noise, A and B both away from zero."""
        g = torch.Generator().manual_seed(seed)
        for key, (at, shape) in self.places.items():
            n, e, what = key[:3]
            value = torch.randn(shape, generator=g) * noise
            base = self.base(n, e, what) if len(key) == 3 else None
            if base is not None:
                value = base + value
            self.theta[at:at + shape[0] * shape[1]] = value.flatten()

    def base(self, n, e, what):
        block = self.of[n]
        if e >= len(block.experts.gate_up_proj):
            return None
        if what == "row":
            return self.router(n).weight[e:e + 1]
        if what == "down":
            return block.experts.down_proj[e]
        return block.experts.gate_up_proj[e].chunk(2)[what == "up"]

    def router(self, n):
        block = self.of[n]
        return block.router if hasattr(block, "router") else block.gate

    # ---- the routed block -----------------------------------------------------------------------

    def matrix(self, n, e, what):
        own = self.view((n, e, what))
        value = own if own is not None else self.base(n, e, what)
        a, b = self.view((n, e, what, "a")), self.view((n, e, what, "b"))
        return value if a is None else value + self.spec["alpha"] / self.spec["rank"] * (b @ a)

    def rows(self, n):
        experts = len(self.router(n).weight) + self.spec["layers"].get(n, {}).get("added", 0)
        own = [self.view((n, e, "row")) for e in range(experts)]
        return torch.cat([self.base(n, e, "row") if r is None else r for e, r in enumerate(own)])

    def block(self, n, x):
        block, h = self.of[n], x.reshape(-1, x.shape[-1])
        logits = h @ self.rows(n).T
        self.seen.append((n, logits))
        if n in self.allowed:
            barred = torch.ones(logits.shape[-1], dtype=torch.bool)
            barred[self.allowed[n]] = False
            logits = logits.masked_fill(barred, -torch.inf)
        p = logits.softmax(-1)
        k = self.k or self.router(n).top_k
        chosen = logits.topk(k, -1).indices
        gates = p.gather(-1, chosen)
        if self.renormalise:
            gates = gates / gates.sum(-1, keepdim=True)
        out = torch.zeros_like(h)
        for e in chosen.unique().tolist():
            token, slot = torch.where(chosen == e)
            one = h[token]
            y = F.silu(one @ self.matrix(n, e, "gate").T) * (one @ self.matrix(n, e, "up").T)
            out = out.index_add(0, token, y @ self.matrix(n, e, "down").T * gates[token, slot, None])
        if hasattr(block, "shared_expert"):
            out = out + torch.sigmoid(block.shared_expert_gate(h)) * block.shared_expert(h)
        return out.view_as(x)

    # ---- losses -----------------------------------------------------------------------------------

    def balance(self, wanted):
        """Switch's load balance over the layers of which a router row learns."""
        each = []
        for (n, logits), _ in zip(self.seen, range(10 ** 9)):
            if not any(key[0] == n and key[2] == "row" for key in self.places):
                continue
            z = logits[wanted]
            if n in self.allowed:
                barred = torch.ones(z.shape[-1], dtype=torch.bool)
                barred[self.allowed[n]] = False
                z = z.masked_fill(barred, -torch.inf)
            k = self.k or self.router(n).top_k
            p = z.softmax(-1)
            load = torch.zeros_like(p).scatter(-1, z.topk(k, -1).indices, 1 / k).mean(0)
            experts = len(self.allowed[n]) if n in self.allowed else p.shape[-1]
            each.append(experts * (load * p.mean(0)).sum())
        return sum(each) / len(each) if each else torch.zeros(())

    def loss(self, sequences, plain=None, near=0.0, balance=0.0):
        """sequences: (ids, weights); plain: their plain logits, for KL(plain || trained).
        The parts of net.h's net_losses, and what the gradient is of."""
        parts = dict(cross_entropy=0.0, against=0.0, near=0.0)
        seen, normaliser = [], sum(float(w) for _, ws in sequences for w in ws[:-1] if w > 0) or 1.0
        for i, (ids, weights) in enumerate(sequences):
            self.seen = []
            logits = self.model(torch.tensor([ids])).logits[0]
            w = torch.tensor(weights, dtype=torch.float32)
            w[-1] = 0
            lp = logits.log_softmax(-1)
            each = -lp[:-1].gather(-1, torch.tensor(ids[1:])[:, None])[:, 0]
            parts["cross_entropy"] = parts["cross_entropy"] + (each * w[:-1].clamp_min(0)).sum()
            leave = -torch.log1p(-torch.exp(-each))
            parts["against"] = parts["against"] + (leave * (-w[:-1]).clamp_min(0)).sum()
            if plain is not None:
                q = plain[i].log_softmax(-1)
                parts["near"] = parts["near"] + near * (q.exp() * (q - lp)).sum()
            seen.append(([s for s in self.seen], w != 0))
        self.seen = [(n, torch.cat([s[j][1] for s, _ in seen])) for j, (n, _) in enumerate(seen[0][0])]
        even = self.balance(torch.cat([w for _, w in seen]))
        total = sum(parts.values()) / normaliser + balance * even
        return total, {k: float(torch.as_tensor(v).detach()) for k, v in parts.items()} | {"balance": float(even.detach()), "normaliser": normaliser}

    def step(self, optimizer, *args, clip=0.0, **more):
        optimizer.zero_grad()
        total, parts = self.loss(*args, **more)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_([self.theta], clip or 1e30)
        optimizer.step()
        return float(total.detach()), parts, float(norm)
