#!/usr/bin/env python3
"""`consilium trace --dump`: activations by name, as numpy computes them from the same weights."""
import json
import os
import struct
import tempfile
from pathlib import Path

import numpy as np

from suite import FIXTURES, MODELS, case, finish, run

scratch = Path(tempfile.mkdtemp(prefix="dump-"))
MODEL = FIXTURES / "council"
FAST = ["-m", MODEL, "--threads=1", "--kv=f32"]
os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_CACHE_HOME"] = str(scratch / "nothing")
KINDS = ("attn_norm q k v heads attn_out attn_sum ffn_norm router experts_out ffn_out out").split()
NAMES = {"embed", "norm"} | {f"blk.{i}.{kind}" for i in (0, 1) for kind in KINDS}
TEXT = scratch / "text.txt"
TEXT.write_text("the code is the code, and a lock is a lock\n")
KEEP = scratch / "keep.mask.json"
KEEP.write_text('{"mask":1,"model":null,"mode":"keep","layers":{"0":"0-3","1":"2-5"}}')


def trace(*words, status=0, **more):
    done = run("trace", *words, *FAST, check_status=False, **more)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-300:]}"
    return done


def read(folder):
    return {f.stem: np.load(f) for f in (scratch / folder).iterdir()}


def weights():
    data = (MODEL / "model.safetensors").read_bytes()
    size, = struct.unpack("<Q", data[:8])
    types = {"F16": "<f2", "F32": "<f4"}
    return {name: np.frombuffer(data[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]],
                                types[t["dtype"]]).reshape(t["shape"]).astype(np.float64)
            for name, t in json.loads(data[8:8 + size]).items() if name != "__metadata__"}


def norm(x, weight):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * weight


def rope(x):
    half = x.shape[-1] // 2
    angle = np.arange(len(x))[:, None] / 10000.0 ** (np.arange(half) * 2 / x.shape[-1])
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def layer(w, i, x, out, allowed):
    """One layer of qwen3_moe (Qwen3MoeDecoderLayer of transformers), every step of it kept in out."""
    n, at = len(x), f"model.layers.{i}."
    keep = lambda kind, y: out.setdefault(f"blk.{i}.{kind}", y.reshape(n, -1))
    h = keep("attn_norm", norm(x, w[at + "input_layernorm.weight"]))
    head = lambda m: (h @ w[f"{at}self_attn.{m}_proj.weight"].T).reshape(n, -1, 8)
    q = rope(norm(head("q"), w[at + "self_attn.q_norm.weight"]))
    k = rope(norm(head("k"), w[at + "self_attn.k_norm.weight"]))
    v = head("v")
    keep("q", q), keep("k", k), keep("v", v)
    each = []
    for j in range(q.shape[1]):
        z = q[:, j] @ k[:, j // 2].T / np.sqrt(8)
        each.append(softmax(np.where(np.tri(n, dtype=bool), z, -np.inf)) @ v[:, j // 2])
    heads = keep("heads", np.stack(each, 1))
    x = keep("attn_sum", x + keep("attn_out", heads @ w[at + "self_attn.o_proj.weight"].T))
    h = keep("ffn_norm", norm(x, w[at + "post_attention_layernorm.weight"]))
    z = keep("router", h @ w[at + "mlp.gate.weight"].T)
    y = np.zeros_like(x)
    for t in range(n):
        ranked = [e for e in np.argsort(-z[t], kind="stable") if e in allowed][:3]
        gates = softmax(z[t])[ranked]
        for e, gate in zip(ranked, gates / gates.sum()):
            m = f"{at}mlp.experts.{e}."
            a = w[m + "gate_proj.weight"] @ h[t]
            y[t] += gate * (w[m + "down_proj.weight"] @ (a / (1 + np.exp(-a)) * (w[m + "up_proj.weight"] @ h[t])))
    keep("experts_out", y), keep("ffn_out", y)
    return keep("out", x + y)


def compute(ids, allowed):
    w, out = weights(), {}
    x = out["embed"] = w["model.embed_tokens.weight"][ids]
    for i in (0, 1):
        x = layer(w, i, x, out, allowed[i])
    out["norm"] = norm(x, w["model.norm.weight"])
    return out


def same(got, want):
    assert set(got) == set(want), set(got) ^ set(want)
    for name, a in got.items():
        assert a.dtype == np.float32 and a.shape == want[name].shape, (name, a.shape, want[name].shape)
        error = np.abs(a - want[name]).max() / np.abs(want[name]).max()
        assert error < 2e-5, (name, error)


ids = json.loads(run("tokenize", "-m", MODEL, TEXT.read_text()).stdout)
ALL = set(range(8))

with case("every activation of every layer is what numpy computes of the same weights"):
    trace("--text", TEXT, "-p", "coder", "--control", "--dump=*", "--dump-to", scratch / "all",
          "--mask", f"coder={KEEP}", "--strength", "coder=1")
    plain = read("all/control@text.txt")
    assert set(plain) == NAMES, set(plain) ^ NAMES
    same(plain, compute(ids, [ALL, ALL]))

with case("a persona's are those under its mask: the same up to the first choice, others behind it"):
    masked = read("all/coder@text.txt")
    same(masked, compute(ids, [range(0, 4), range(2, 6)]))
    for name in ("embed", "blk.0.router", "blk.0.attn_out"):
        assert (masked[name] == plain[name]).all(), name
    assert not (masked["blk.0.out"] == plain["blk.0.out"]).all()

with case("patterns and lists; the same bytes at any thread count, alone and in company"):
    trace("--text", TEXT, "-p", "coder", "--dump", "blk.1.attn_out,norm", "--dump=blk.[0]*.router",
          "--dump=norm", "--dump-to", scratch / "few", "--mask", f"coder={KEEP}", "--strength", "coder=1",
          "--threads=2")
    few = read("few/coder@text.txt")
    assert set(few) == {"blk.1.attn_out", "blk.0.router", "norm"}, set(few)
    for name in few:
        assert few[name].tobytes() == masked[name].tobytes(), name

with case("of an answer all tokens that were read: the router's are those that chose"):
    trace("Is it the code?", "--seed=5", "--max-tokens=24", "-p", "coder,critic", "--control",
          "--dump=blk.*.router", "--dump-to", scratch / "asked", "-o", scratch / "a.npz")
    with np.load(scratch / "a.npz") as z:
        for name in ("coder", "critic", "control"):
            got = read(f"asked/{name}")
            wanted = z[f"{name}.wanted"]
            assert len(wanted) == len(z[f"{name}.tokens"]) - 1
            for i in (0, 1):
                order = np.argsort(-got[f"blk.{i}.router"], axis=1, kind="stable")[:, :3]
                assert (order == wanted[:, i]).all(), (name, i)

with case("a file that is there stays, without --force; wrong names are refused with those there are"):
    again = ["--text", TEXT, "-p", "coder", "--dump=norm", "--dump-to", scratch / "few"]
    assert "norm.npy" in trace(*again, status=1).stderr
    trace(*again, "--force")
    for name in ("blk.2.attn_out", "blk.0.attn_outs", "blk.0.ffn_hidden", "", "norm,"):
        said = trace("x", "--dump", name, status=2).stderr
        for word in ("--dump: no activation is called", "embed, norm, and blk.0. to blk.1.", "attn_out"):
            assert word in said, (name, said)
    assert "--dump-to needs --dump" in trace("x", "--dump-to", scratch, status=2).stderr

with case("without --dump-to they go into ./activations, the sandbox notwithstanding"):
    (scratch / "here").mkdir()
    trace("--text", TEXT, "-p", "coder", "--dump=embed", cwd=scratch / "here")
    assert np.load(scratch / "here/activations/coder@text.txt/embed.npy").shape == (len(ids), 32)

finish()
