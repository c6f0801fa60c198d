"""Join the trained personas' experts into personas/shipped/built-in.experts.gguf, with their masks.

usage: export.py SMOLLM2.gguf PHILOSOPHER.npz CODER.npz CRITIC.npz OUT_FOLDER [--strength 1]

The router of the joined model has 32 rows: 8 for each persona and 8 general ones. Two things are
settled here, in closed form, and neither changes a persona under its own mask, because a vector
added to all rows of a persona moves all its logits alike:

  - who wins among the personas when the general experts are banned. At each layer a ridge
    regression tells from the router's input whose answer is being written (hidden states: each
    persona's training lessons under its own mask); its three directions are added to the rows.
  - that the general experts, whose output is zero, win whenever nothing is banned. A direction g
    with g.x near 1 for every token is fitted (ridge, towards 1, tokens that fall short weighing more,
    on the plain model's states of neutral.txt and some lessons) and scaled until even the least g.x
    exceeds every persona's logit. So the model without a mask is SmolLM2 itself, but for rare tokens
    in text unlike what was fitted.

Everything is deterministic: same inputs, same file.
"""
import argparse
import hashlib
import json
import os
import sys

import gguf
import numpy as np
import torch

sys.path.insert(0, os.path.dirname(__file__))
from smollm2 import CALLED, EXPERTS, FIRST, LAYERS, NARROW, PERSONAS, WIDTH, Chat, Experts, Model, read_model
from train import HERE, Sample, held_out, lessons

RECIPE, GENERAL = 2, 8
LEAD, ROUNDS, SHORT = 30.0, 6, 30.0  # weight of a first token (one of a kind: attention's sink), and see even_direction
CONTRAST = 12.0  # logits between the right persona and the others where the regression is sure
TYPES = {"gate": gguf.GGMLQuantizationType.Q5_0, "up": gguf.GGMLQuantizationType.Q5_0,
         "down": gguf.GGMLQuantizationType.Q8_0}


@torch.no_grad()
def states(model, ids, experts, first=0):
    """Router inputs [layer][token, D] of the tokens from `first` on."""
    seen = []

    def spy(layer, x):
        seen.append(x[0, first:])
        return experts(layer, x) if experts is not None else torch.zeros_like(x)
    model.run(model.embed(torch.tensor([ids])), 0, LAYERS, spy)
    return seen


class Gram:
    """Sums for ridge regressions of y on x at every layer."""

    def __init__(self, outputs):
        self.xx = torch.zeros(LAYERS - FIRST, WIDTH, WIDTH, dtype=torch.float64)
        self.xy = torch.zeros(LAYERS - FIRST, WIDTH, outputs, dtype=torch.float64)

    def add(self, seen, y):
        for i, x in enumerate(seen):
            x = x.double()
            self.xx[i] += x.T @ x
            self.xy[i] += x.T @ y.expand(len(x), -1).double()

    def solve(self, ridge):
        out = []  # [layer, D, outputs]
        for xx, xy in zip(self.xx.numpy(), self.xy.numpy()):
            out.append(np.linalg.solve(xx + ridge * xx.trace() / WIDTH * np.eye(WIDTH), xy))
        return torch.from_numpy(np.stack(out).astype(np.float32))


def neutral(tokenizer):
    """Token ids of neutral.txt in windows of 256: prose, code, data and scripts that must stay plain."""
    with open(os.path.join(os.path.dirname(__file__), "neutral.txt"), encoding="utf-8") as f:
        texts = [tokenizer.encode(t, add_special_tokens=False).ids for t in f.read().split("\n--------\n")]
    return [t[at:at + 256] for t in texts for at in range(0, len(t), 256)]


def persona_rows(model, chat, trained, most):
    """[layers, 32, D] router rows, the general ones still zero."""
    contrast = Gram(len(PERSONAS))
    for p, name in enumerate(PERSONAS):
        target = torch.full((len(PERSONAS),), -1.0) / len(PERSONAS)
        target[p] += 1
        for lesson in [l for l in lessons(name) if not held_out(l)][:most]:
            s = Sample(model, chat, lesson)
            contrast.add(states(model, s.ids, trained[p], s.start - 1), target)
    tell = contrast.solve(1e-3)
    rows = torch.zeros(LAYERS - FIRST, EXPERTS * len(PERSONAS) + GENERAL, WIDTH)
    for i in range(LAYERS - FIRST):
        for p in range(len(PERSONAS)):
            own = trained[p].router[i].detach()
            rows[i, p * EXPERTS:(p + 1) * EXPERTS] = own - own.mean(0) + CONTRAST * tell[i, :, p]
    return rows


def even_direction(x, weight):
    """g [D] with x g near 1: ridge, then again and again with more weight on tokens that fall short,
    since it is the least x g that decides."""
    asked = weight
    for _ in range(ROUNDS):
        scaled = x * asked[:, None]
        gram = (x.T @ scaled).double()
        ridge = 1e-5 * gram.trace() / WIDTH * torch.eye(WIDTH, dtype=torch.float64)
        g = torch.linalg.solve(gram + ridge, scaled.sum(0).double()).float()
        asked = weight * torch.where(x @ g < 1, SHORT, 1.0)
    return g


def general_rows(model, chat, tokenizer, rows, most):
    """Fills in the general experts' rows."""
    ids = neutral(tokenizer)
    ids += [Sample(model, chat, l).ids for p in PERSONAS for l in lessons(p)[:most] if not held_out(l)
            and int(l["id"][1:]) % 4 == 1]
    kept = [states(model, text, None) for text in ids]
    weight = torch.ones(sum(map(len, ids)))
    weight[np.cumsum([0] + [len(text) for text in ids[:-1]])] = LEAD
    noise = torch.randn(rows.shape, generator=torch.Generator().manual_seed(7)) * 0.01
    for i in range(LAYERS - FIRST):
        x = torch.cat([seen[i] for seen in kept])
        g = even_direction(x, weight)
        high, level = (x @ rows[i, :-GENERAL].T).amax(-1), x @ g
        gain = 2 * float((high / level.clamp_min(0.05)).amax())
        rows[i, -GENERAL:] = g * gain + noise[i, -GENERAL:]
        print(f"layer {i + FIRST}: g.x {float(level.min()):.3f} to {float(level.max()):.3f}, "
              f"persona logits up to {float(high.max()):.1f}, general x {gain:.1f}", flush=True)
    return rows


def write(folder, rows, trained, strength):
    path = os.path.join(folder, "built-in.experts.gguf")
    w = gguf.GGUFWriter(path, "consilium-experts")
    w.add_string("general.name", "experts of the built-in model")
    w.add_string("general.license", "apache-2.0")
    w.add_array("consilium.personas", list(PERSONAS))
    for key, value in (("recipe", RECIPE), ("first_layer", FIRST), ("layers", LAYERS - FIRST),
                       ("persona_experts", EXPERTS * len(PERSONAS)), ("general_experts", GENERAL),
                       ("experts_per_token", CALLED), ("expert_width", NARROW), ("width", WIDTH)):
        w.add_uint32("consilium." + key, value)
    arrays = [t.arrays() for t in trained]
    for i in range(LAYERS - FIRST):
        w.add_tensor(f"blk.{i + FIRST}.ffn_gate_inp.weight", rows[i].numpy())
        for kind, ggml in TYPES.items():
            values = np.concatenate([a[kind][i] for a in arrays])
            if kind == "down":
                values = values * strength
            w.add_tensor(f"blk.{i + FIRST}.ffn_{kind}_exps.weight", gguf.quants.quantize(values, ggml),
                         raw_dtype=ggml)
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()
    return path


def fingerprint(rows):
    """SHA-256 over the routers in bf16, as engine/routing/fingerprint.h says."""
    return hashlib.sha256(rows.bfloat16().view(torch.int16).numpy().tobytes()).hexdigest()


def write_masks(folder, mark):
    for name in os.listdir(folder):
        if name.endswith(".mask.json") and name.split(".")[0] in PERSONAS:
            os.remove(os.path.join(folder, name))
    for p, name in enumerate(PERSONAS):
        mask = {"mask": 1, "model": mark, "mode": "keep",
                "layers": {f"{FIRST}-{LAYERS - 1}": f"{p * EXPERTS}-{(p + 1) * EXPERTS - 1}"}}
        with open(os.path.join(folder, f"{name}.{mark[:16]}.mask.json"), "w") as f:
            json.dump(mask, f, indent=1)
            f.write("\n")


def load_joined(path):
    """The file as a 32-expert bank in torch, its quantised values included."""
    tensors = {t.name: t for t in gguf.GGUFReader(path).tensors}
    get = lambda i, name: gguf.quants.dequantize(*(lambda t: (t.data, t.tensor_type))(
        tensors[f"blk.{i}.{name}.weight"]))
    zero = lambda a: np.concatenate([a, np.zeros((GENERAL, *a.shape[1:]), np.float32)])
    stack = lambda name, pad: [pad(np.array(get(i, name), np.float32)) for i in range(FIRST, LAYERS)]
    return Experts(EXPERTS * len(PERSONAS) + GENERAL).load({
        "router": stack("ffn_gate_inp", lambda a: a), "gate": stack("ffn_gate_exps", zero),
        "up": stack("ffn_up_exps", zero), "down": stack("ffn_down_exps", zero)}).eval()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("model"), ap.add_argument("trained", nargs=len(PERSONAS)), ap.add_argument("folder")
    ap.add_argument("--strength", type=float, default=1), ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--lessons", type=int, default=24, help="of each persona, for the regressions")
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    weights, tokenizer = read_model(a.model)
    trained = [Experts().load(np.load(path)).eval() for path in a.trained]
    model, chat = Model(weights), Chat(tokenizer)
    rows = persona_rows(model, chat, trained, a.lessons)
    rows = general_rows(model, chat, tokenizer, rows, a.lessons)
    path = write(a.folder, rows, trained, a.strength)
    write_masks(a.folder, fingerprint(rows))
    print("wrote", path, os.path.getsize(path), "bytes, fingerprint", fingerprint(rows))


if __name__ == "__main__":
    main()
