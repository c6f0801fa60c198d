#!/usr/bin/env python3
"""No tensor of a file is left out in silence: it is used, or listed under -v, or refuses the model.

The tiny models of fixtures/models with one tensor more, in both formats. A tensor that would change
numbers is refused by its name; one that cannot is passed over, and the logits are the same bytes as
without it.
"""
import json
import os
import struct
import tempfile
from pathlib import Path

import malformed_base as base
from suite import MODELS, case, finish, logits, nmse, run

TOKENS = [1, 5, 9, 33, 70, 96, 3]
F32 = 0


def gguf_with(path, source, tensors, keys=()):
    """source with float32 tensors {name: dims in file order} of ones, and further keys."""
    g = base.read_gguf(MODELS / source)
    for name, (dims, value) in tensors.items():
        n = 1
        for d in dims:
            n *= d
        g.tensors.append(base.Tensor(name, dims, F32, struct.pack("<f", value) * n))
    for key in keys:
        g.set(*key)
    path.write_bytes(bytes(g))
    return path


def folder_with(path, source, tensors, config=()):
    """The directory `source` with float32 tensors {name: (shape, value)} more."""
    path.mkdir()
    values = json.loads((MODELS / source / "config.json").read_text()) | dict(config)
    (path / "config.json").write_text(json.dumps(values))
    s = base.Safetensors((MODELS / source / "model.safetensors").read_bytes())
    for name, (shape, value) in tensors.items():
        n = 1
        for d in shape:
            n *= d
        begin = len(s.data)
        s.data += value if isinstance(value, bytes) else struct.pack("<f", value) * n
        s.entries.append((name, {"dtype": "F32", "shape": shape,
                                 "data_offsets": [begin, len(s.data)]}))
    (path / "model.safetensors").write_bytes(bytes(s))
    return path


def refused(model, *words):
    """By `model info`, by what computes, and in the list of models: as one sentence."""
    for command in (("model", "info"), ("logits", "--tokens", "1", "--output", "/dev/null")):
        done = run(*command, "-m", model, check_status=False)
        assert done.returncode == 3, f"{command[0]}: exit {done.returncode}: {done.stderr}"
        for word in (str(model), *words):
            assert word in done.stderr, f"{command[0]}: {word!r} is not in {done.stderr!r}"
        assert done.stderr.count("\n") == 1, done.stderr


def same_as(scratch, model, plain, *words):
    """Loads, says so under -v alone, and computes the same bytes as the plain model."""
    quiet = run("model", "info", "-m", model)
    assert quiet.stderr == "", quiet.stderr
    told = run("model", "info", "-v", "-m", model).stderr
    for word in words:
        assert word in told, f"{word!r} is not in {told!r}"
    got, want = (logits(m, TOKENS, scratch) for m in (model, plain))
    assert got.tobytes() == want.tobytes(), f"NMSE {nmse(got, want):.1e}"


# name: (dims, words of the refusal); qwen3_moe has 2 layers of width 40, 6 heads, 7 experts
GGUF_REFUSED = {
    "blk.0.ffn_gate_inp.bias": ([7], "which experts are chosen"),
    "blk.1.exp_probs_b.bias": ([7], "which experts are chosen"),
    "blk.0.attn_sinks.weight": ([6], "every head's attention"),
    "blk.0.ffn_gate_shexp.weight": ([40, 20], "shared expert"),
    "blk.0.ffn_gate_exps.scale": ([7], "scales"),
    "blk.0.attn_q.scale": ([1], "scales"),
    "blk.0.attn_q.input_scale": ([1], "quantisation"),
    "blk.0.ffn_gate_exps.bias": ([20, 7], "a bias"),
    "blk.0.ffn_down.bias": ([40], "a bias"),
    "blk.0.ffn_gate.weight": ([40, 20], "not known"),
    "blk.0.ffn_gate_up_exps.bias": ([40, 7], "a bias"),
    "blk.0.attn_norm.bias": ([40], "normalises"),
    "blk.0.attn_norm_2.weight": ([40], "normalises"),
    "blk.0.post_attention_norm.weight": ([40], "normalises"),
    "blk.0.layer_output_norm.weight": ([40], "normalises"),
    "output.bias": ([101], "a bias"),
    "output_norm.bias": ([40], "normalises"),
    "token_embd_norm.weight": ([40], "normalises"),
    "position_embd.weight": ([40, 256], "positions"),
    "token_types.weight": ([40, 2], "not known"),
    "rope_factors_long.weight": ([6], "rotary"),
    "cls.output.weight": ([40, 2], "classifier"),
    "blk.0.attn_q.weight.lora_a": ([40, 2], "adapter"),
    "blk.2.attn_norm.weight": ([40], "layer 2, and the configuration says 2 layers"),
    "blk.0.ffn_gate.0.weight": ([40, 20], "not known"),
    "something.else": ([3], "not known"),
}

GGUF_HARMLESS = {
    "blk.0.attn_rot_embd.weight": ([6], "rotary frequencies"),
    "blk.2.nextn.eh_proj.weight": ([80, 40], "predicts further tokens"),
    "v.patch_embd.weight": ([4, 4], "vision"),
    "mm.0.weight": ([4, 4], "vision"),
}


def gguf(scratch):
    plain = MODELS / "qwen3_moe.gguf"
    for name, (dims, word) in GGUF_REFUSED.items():
        with case(f"GGUF, {name}: refused"):
            refused(gguf_with(scratch / "a.gguf", plain.name, {name: (dims, 1)}), name, word)
    for name, (dims, word) in GGUF_HARMLESS.items():
        with case(f"GGUF, {name}: passed over, under -v"):
            model = gguf_with(scratch / "a.gguf", plain.name, {name: (dims, 1)})
            same_as(scratch, model, plain, name, word)
    with case("GGUF, biases of zeros: passed over, under -v"):
        model = gguf_with(scratch / "a.gguf", plain.name,
                          {"blk.0.ffn_gate_inp.bias": ([7], 0), "output.bias": ([101], 0)})
        same_as(scratch, model, plain, "blk.0.ffn_gate_inp.bias and 1 more", "a bias of zeros")
    with case("GGUF, several: the first is named, the others are counted"):
        model = gguf_with(scratch / "a.gguf", plain.name,
                          {f"blk.{i}.attn_sinks.weight": ([6], 1) for i in range(2)} |
                          {"blk.0.attn_rot_embd.weight": ([6], 1)})
        refused(model, "blk.0.attn_sinks.weight", "so are 1 more")
    with case("GGUF, a whole layer that predicts further tokens: passed over"):
        extra = {"blk.2.nextn.eh_proj.weight": ([80, 40], 1), "blk.2.attn_norm.weight": ([40], 1),
                 "blk.2.nextn.enorm.weight": ([40], 1)}
        model = gguf_with(scratch / "a.gguf", plain.name, extra)
        same_as(scratch, model, plain, "blk.2.nextn.eh_proj.weight and 2 more")
    with case("GGUF, the same counted by block_count: passed over"):
        model = gguf_with(scratch / "a.gguf", plain.name, extra,
                          [("qwen3moe.block_count", base.U32, 3),
                           ("qwen3moe.nextn_predict_layers", base.U32, 1)])
        same_as(scratch, model, plain, "blk.2.nextn.eh_proj.weight and 2 more")
    with case("GGUF, rope_freqs.weight: used"):
        model = gguf_with(scratch / "a.gguf", plain.name, {"rope_freqs.weight": ([6], 3)})
        assert nmse(*(logits(m, TOKENS, scratch) for m in (model, plain))) > 1e-4


def gguf_biases(scratch):
    """A bias that stands in one layer alone is used there, as llama.cpp does."""
    plain = MODELS / "llama.gguf"
    for name, n in (("attn_q", 48), ("attn_v", 16), ("attn_output", 48), ("ffn_gate", 56),
                    ("ffn_up", 56), ("ffn_down", 48)):
        with case(f"GGUF, llama, blk.1.{name}.bias alone: used"):
            model = gguf_with(scratch / "a.gguf", plain.name, {f"blk.1.{name}.bias": ([n], 0.5)})
            got, want = (logits(m, TOKENS, scratch) for m in (model, plain))
            assert nmse(got, want) > 1e-4, nmse(got, want)
    with case("GGUF, qwen2, blk.0.ffn_up.bias: refused"):
        refused(gguf_with(scratch / "a.gguf", "qwen2.gguf", {"blk.0.ffn_up.bias": ([50], 1)}),
                "blk.0.ffn_up.bias")
    with case("GGUF, mixtral, blk.0.ffn_up_exps.bias: refused"):
        refused(gguf_with(scratch / "a.gguf", "mixtral.gguf",
                          {"blk.0.ffn_up_exps.bias": ([22, 5], 1)}), "blk.0.ffn_up_exps.bias")


LAYER = "model.layers.0."
HF_REFUSED = {
    LAYER + "self_attn.q_proj.bias": ([72], "a bias that this architecture, as configured"),
    LAYER + "self_attn.o_proj.bias": ([40], "a bias"),
    LAYER + "mlp.gate.bias": ([7], "which experts are chosen"),
    LAYER + "mlp.gate.e_score_correction_bias": ([7], "which experts are chosen"),
    LAYER + "self_attn.sinks": ([6], "every head's attention"),
    LAYER + "mlp.shared_expert.gate_proj.weight": ([20, 40], "shared expert"),
    LAYER + "self_attn.q_proj.lora_A.weight": ([2, 40], "adapter"),
    LAYER + "self_attn.q_proj.weight_scale": ([1], "quantisation that is not read (FP8"),
    LAYER + "self_attn.q_proj.input_scale": ([1], "quantisation"),
    LAYER + "post_feedforward_layernorm.weight": ([40], "normalises"),
    "model.layers.2.input_layernorm.weight": ([40], "layer 2, and the configuration says 2"),
    "score.weight": ([2, 40], "classifier"),
    "lm_head.bias": ([101], "a bias"),
    "model.\x1b[2Jnew": ([1], "not known"),
    "x" * 3000: ([1], "not known"),
}
HF_HARMLESS = {
    "model.rotary_emb.inv_freq": ([6], "rotary frequencies"),
    LAYER + "self_attn.rotary_emb.inv_freq": ([6], "rotary frequencies"),
    LAYER + "self_attn.masked_bias": ([1], "causal mask"),
    "mtp.fc.weight": ([40, 80], "predicts further tokens"),
    "model.layers.2.eh_proj.weight": ([40, 80], "predicts further tokens"),
    "v_head.summary.weight": ([1, 40], "value head"),
}


def safetensors(scratch):
    plain = MODELS / "qwen3_moe"
    for i, (name, (shape, word)) in enumerate(HF_REFUSED.items()):
        with case(f"safetensors, {name[:60]!r}: refused"):
            shown = name if name.isprintable() and len(name) < 80 else name[:6]
            refused(folder_with(scratch / f"r{i}", plain.name, {name: (shape, 1)}), shown, word)
    for i, (name, (shape, word)) in enumerate(HF_HARMLESS.items()):
        with case(f"safetensors, {name}: passed over, under -v"):
            model = folder_with(scratch / f"h{i}", plain.name, {name: (shape, 1)})
            same_as(scratch, model, plain, name, word)
    with case("safetensors, a copy of the tied embedding: passed over, under -v"):
        s = base.Safetensors((MODELS / "granitemoe" / "model.safetensors").read_bytes())
        begin, end = s.entry("model.embed_tokens.weight")["data_offsets"]
        model = folder_with(scratch / "tied", "granitemoe",
                            {"lm_head.weight": ([109, 48], s.data[begin:end])})
        same_as(scratch, model, MODELS / "granitemoe", "lm_head.weight", "the same as the embedding")
    with case("safetensors, MLP biases that the configuration does not want: refused"):
        refused(folder_with(scratch / "mlp", "llama-mlp-bias", {}, {"mlp_bias": False}),
                "model.layers.0.mlp.down_proj.bias", "so are 2 more")
    with case("safetensors, GPTQ without a word in config.json: named"):
        path = folder_with(scratch / "gptq", plain.name, {})
        s = base.Safetensors((path / "model.safetensors").read_bytes())
        s.entries = [(n.replace("q_proj.weight", "q_proj.qweight"), e) for n, e in s.entries]
        (path / "model.safetensors").write_bytes(bytes(s))
        refused(path, "q_proj.weight is missing", "q_proj.qweight", "GPTQ or AWQ", "GGUF")


def listed(scratch):
    """`model list` says beforehand that such a model does not run."""
    with case("model list: not runnable, and why"):
        folder = scratch / "home" / ".lmstudio" / "models" / "pub" / "one"
        folder.mkdir(parents=True)
        gguf_with(folder / "a.gguf", "qwen3_moe.gguf", {"blk.0.attn_sinks.weight": ([6], 1)})
        env = {**os.environ, "HOME": str(scratch / "home"),
               "XDG_CACHE_HOME": str(scratch / "home" / "cache")}
        found = json.loads(run("model", "list", "--format", "json", env=env).stdout)["models"]
        assert [m["runnable"] for m in found] == [False], found
        assert "blk.0.attn_sinks.weight" in found[0]["problem"], found


def main():
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        gguf(scratch)
        gguf_biases(scratch)
        safetensors(scratch)
        listed(scratch)
    finish()


if __name__ == "__main__":
    main()
