#!/usr/bin/env python3
"""Adapters of other programs: PEFT's folders and llama.cpp's GGUF files compute what PEFT computed;
the same updates in any layout, spelling or type are the same adapter, byte for byte; what cannot be
computed, or is broken, is refused by name.
"""
import json
import os
import shutil
import struct
import tempfile
from pathlib import Path

import gguf
import numpy as np

from council_model import EXPERT_WIDTH, EXPERTS, LAYERS, WIDTH, make_model, write_safetensors
from suite import FIXTURES, MODELS, SANITIZED, case, finish, nmse, run

scratch = Path(tempfile.mkdtemp(prefix="adapter-files-"))
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {
    "HOME": str(scratch), "XDG_DATA_HOME": str(scratch / "data")}
ADAPTERS, MODEL = FIXTURES / "adapters", MODELS / "qwen3_moe"
PEFT = "base_model.model.model.layers."
IDS = ",".join(map(str, np.load(ADAPTERS / "both.npz")["tokens"]))


def consilium(*words, status=0, **more):
    done = run(*words, env=ENVIRONMENT, check_status=False, **more)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-400:]}"
    return done.stderr if status else done.stdout


def logits(adapter=None, model=MODEL, ids=IDS):
    out = scratch / "logits.bin"
    consilium("logits", "-m", model, "--tokens", ids, "--output", out,
              *(["--adapter", adapter] if adapter else []))
    return out.read_bytes()


def convert(adapter, name, model=MODEL):
    consilium("personas", "adapter", adapter, "-m", model, "-o", scratch / name)
    return scratch / name


def refused(adapter, *says, model=MODEL, status=3):
    told = consilium("logits", "-m", model, "--tokens", "1,2", "--output", scratch / "logits.bin",
                     "--adapter", adapter, status=status)
    for word in says:
        assert word in told, (word, told)
    return told


def read_tensors(path):
    data = path.read_bytes()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:end])
    return {k: np.frombuffer(data[end + v["data_offsets"][0]:end + v["data_offsets"][1]],
                             "<f4").reshape(v["shape"])
            for k, v in header.items() if k != "__metadata__"}


def write_peft(name, tensors, config=None, **changes):
    """A folder as PEFT writes one."""
    folder = scratch / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    write_safetensors(folder / "adapter_model.safetensors", tensors.items())
    settings = config if config is not None else CONFIG | changes
    (folder / "adapter_config.json").write_text(
        settings if isinstance(settings, str) else json.dumps(settings))
    return folder


def write_gguf(name, tensors, architecture="qwen3moe", kind="adapter", lora="lora", alpha=6.0,
               more=()):
    w = gguf.GGUFWriter(str(scratch / name), architecture)
    w.add_type(kind)
    if lora:
        w.add_string("adapter.type", lora)
    if alpha is not None:
        w.add_float32("adapter.lora.alpha", alpha)
    for key, value in more:
        w.add_string(key, value)
    for key, value in tensors.items():
        raw = gguf.GGMLQuantizationType.Q8_0 if value.dtype == np.uint8 else None
        w.add_tensor(key, np.ascontiguousarray(value), raw_dtype=raw)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return scratch / name


CONFIG = json.loads((ADAPTERS / "both" / "adapter_config.json").read_text())
BOTH = read_tensors(ADAPTERS / "both" / "adapter_model.safetensors")
WIDE, FFN, COUNT, RANK = 40, 20, 7, 4
PLAIN, WANTED = logits(), logits(ADAPTERS / "both")


def of_layer(layer):
    """A and B of gate_up, A and B of down, each [experts, ., .]."""
    out = []
    for at in ("experts.base_layer.", "experts."):
        a, b = (BOTH[f"{PEFT}{layer}.mlp.{at}lora_{side}.weight"] for side in "AB")
        out += [a.reshape(COUNT, RANK, -1), b.reshape(-1, RANK, COUNT).transpose(2, 0, 1)]
    return out


def singles(prefix="", spelled=("gate_proj", "up_proj", "down_proj"), block="mlp"):
    """The same updates, each expert's in tensors of its own."""
    out = {}
    for layer in range(2):
        up_a, up_b, down_a, down_b = of_layer(layer)
        for e in range(COUNT):
            for name, a, b in ((spelled[0], up_a[e], up_b[e][:FFN]),
                               (spelled[1], up_a[e], up_b[e][FFN:]), (spelled[2], down_a[e], down_b[e])):
                at = f"{prefix}layers.{layer}.{block}.experts.{e}.{name}.lora_"
                out |= {at + "A.weight": a, at + "B.weight": b}
    return out


def stacks(kinds=("gate", "up", "down"), layers=range(2)):
    out = {}
    for layer in layers:
        up_a, up_b, down_a, down_b = of_layer(layer)
        parts = {"gate": (up_a, up_b[:, :FFN]), "up": (up_a, up_b[:, FFN:]), "down": (down_a, down_b),
                 "gate_up": (up_a, up_b)}
        for kind in kinds:
            at = f"blk.{layer}.ffn_{kind}_exps.weight.lora_"
            out |= {at + "a": parts[kind][0], at + "b": parts[kind][1]}
    return out


# ---- what they compute -----------------------------------------------------------------------------

for name in ("both", "down", "pattern"):
    with case(f"PEFT's folder {name}: the logits that PEFT computed"):
        reference = np.load(ADAPTERS / f"{name}.npz")["logits"]
        got = np.frombuffer(logits(ADAPTERS / name), "<f4").reshape(reference.shape)
        assert nmse(got, reference) <= 1e-6 and nmse(got, np.frombuffer(
            PLAIN, "<f4").reshape(got.shape)) > 1e-3, nmse(got, reference)

with case("llama.cpp's GGUF of the same updates: the same logits, byte for byte; on the GGUF model too"):
    assert logits(ADAPTERS / "lora.gguf") == WANTED
    assert logits(ADAPTERS / "lora.gguf", MODELS / "qwen3_moe.gguf") == logits(
        ADAPTERS / "both", MODELS / "qwen3_moe.gguf")

with case("the file in PEFT's folder is as good as the folder, from elsewhere too"):
    assert logits(ADAPTERS / "both" / "adapter_model.safetensors") == WANTED
    consilium("logits", "-m", MODEL, "--tokens", IDS, "--output", scratch / "logits.bin", "--adapter",
              "adapter_model.safetensors", cwd=ADAPTERS / "both")
    assert (scratch / "logits.bin").read_bytes() == WANTED

# ---- other layouts of the same ---------------------------------------------------------------------


def swapped(parts=("experts.base_layer.", "experts.")):
    """Rows for columns, as PEFT before 0.19.1 had it: A' = B^T and B' = A^T of each expert."""
    out = {}
    for layer in range(2):
        made = dict(zip(("experts.base_layer.", "experts."), (of_layer(layer)[:2], of_layer(layer)[2:])))
        for at in parts:
            a, b = made[at]
            key = f"{PEFT}{layer}.mlp.{at if len(parts) > 1 else 'experts.'}lora_"
            out[key + "A.weight"] = b.transpose(0, 2, 1).reshape(COUNT * RANK, -1)
            out[key + "B.weight"] = a.transpose(2, 1, 0).reshape(-1, RANK * COUNT)
    return {k: np.ascontiguousarray(v) for k, v in out.items()}


with case("each expert in tensors of its own: vLLM's, with any prefix and spelling"):
    for prefix in ("", "model.", "base_model.model.", "base_model.model.model."):
        assert logits(write_peft("vllm", singles(prefix))) == WANTED, prefix
    assert logits(write_peft("mixtral", singles(spelled=("w1", "w3", "w2"),
                                                block="block_sparse_moe"))) == WANTED

with case("the swapped layout of older PEFT is told by the shapes of both parameters"):
    assert logits(write_peft("swapped", swapped())) == WANTED
    assert logits(write_peft("swapped", swapped(), peft_version="0.21.2")) == WANTED

with case("with one parameter the version tells"):
    down = {f"{PEFT}{layer}.mlp.experts.lora_{side}.weight":
            BOTH[f"{PEFT}{layer}.mlp.experts.lora_{side}.weight"] for layer in (0, 1) for side in "AB"}
    one = {"target_parameters": ["mlp.experts.down_proj"]}
    want = logits(write_peft("down-now", down, **one))
    assert want not in (PLAIN, WANTED)
    for version in ("0.18.0", "0.19.0"):
        old = write_peft("down-old", swapped(("experts.",)), **one, peft_version=version)
        assert logits(old) == want, version
    refused(write_peft("down-wrong", swapped(("experts.",)), **one), "20 wide", "40 wide")

with case("a square one without a version is refused, with what to do"):
    square = {f"{PEFT}0.mlp.experts.lora_A.weight": np.ones((COUNT * RANK, WIDE), "<f4"),
              f"{PEFT}0.mlp.experts.lora_B.weight": np.ones((WIDE, COUNT * RANK), "<f4")}
    config = CONFIG | {"target_parameters": ["mlp.experts.gate_up_proj"]}
    del config["peft_version"]
    refused(write_peft("square", square, config), "square", "peft_version", "0.19.1")
    logits(write_peft("square", square, config | {"peft_version": "0.20.0"}))

with case("old names of Granite's parameters"):
    named = {k.replace("mlp.experts.base_layer.", "block_sparse_moe.input_linear.")
             .replace("mlp.experts.", "block_sparse_moe.output_linear."): v for k, v in BOTH.items()}
    assert logits(write_peft("granite", named)) == WANTED

with case("GGUF: gate and up in one tensor, only some of the tensors, alpha 0"):
    assert logits(write_gguf("fused.gguf", stacks(("gate_up", "down")))) == WANTED
    some = logits(write_gguf("some.gguf", stacks(("down",))))
    assert some == want
    assert logits(write_gguf("zero.gguf", stacks(), alpha=0.0)) == logits(
        write_peft("scale-1", BOTH, lora_alpha=RANK))

with case("halves: what F16 and BF16 hold is computed as the same numbers in F32"):
    halves = {k: v.astype("<f2") for k, v in stacks().items()}
    assert logits(write_gguf("f16.gguf", halves)) == logits(
        write_gguf("f32.gguf", {k: v.astype("<f4") for k, v in halves.items()})) != WANTED

with case("a router saved whole is taken row by row"):
    weight = np.random.default_rng(3).standard_normal((COUNT, WIDE)).astype("<f4")
    router = write_peft("router", BOTH | {f"{PEFT}1.mlp.gate.weight": weight})
    assert logits(router) not in (WANTED, PLAIN)
    assert f"{COUNT} router rows in layers 1" in consilium("personas", "adapter", router)

# ---- round trips -----------------------------------------------------------------------------------

with case("own, PEFT and GGUF in any order: the same adapter, byte for byte"):
    own = convert(ADAPTERS / "both", "own.safetensors")
    folder, file = convert(own, "made-peft"), convert(own, "made.gguf")
    assert logits(own) == logits(folder) == logits(file) == WANTED
    again = convert(convert(file, "again-peft"), "again.safetensors")
    assert again.read_bytes() == own.read_bytes()

with case("updates of single experts, of other ranks and with an A for gate and one for up"):
    random = np.random.default_rng(9)
    mixed, header = {}, {"adapter": "1"}
    for layer, e, part, rank in ((0, 2, "gate", 3), (0, 2, "up", 2), (0, 5, "up", 4), (1, 0, "down", 1)):
        shape = (WIDE, FFN) if part == "down" else (FFN, WIDE)
        at = f"model.layers.{layer}.mlp.experts.{e}.{part}_proj.lora_"
        mixed |= {at + "A.weight": random.standard_normal((rank, shape[1])).astype("<f4"),
                  at + "B.weight": random.standard_normal((shape[0], rank)).astype("<f4"),
                  at + "scale": np.full((1, 1), 0.375, "<f4")}
    source = scratch / "mixed.safetensors"
    write_safetensors(source, mixed.items())
    data = source.read_bytes()
    text = json.dumps(json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
                      | {"__metadata__": header}).encode()
    source.write_bytes(struct.pack("<Q", len(text)) + text
                       + data[8 + struct.unpack("<Q", data[:8])[0]:])
    want = logits(source)
    assert want != PLAIN
    for name in ("mixed-peft", "mixed.gguf"):
        made = convert(source, name)
        assert logits(made) == want, name
        assert "4 low-rank updates of rank 1 to 4 in layers 0-1" in consilium("personas", "adapter", made)

with case("what PEFT and GGUF cannot say stays in one's own format, and is told"):
    for name in ("no-peft", "no.gguf"):
        told = consilium("personas", "adapter", router, "-m", MODEL, "-o", scratch / name, status=2)
        assert "router rows" in told and "low-rank updates alone" in told, told
        assert not (scratch / name).exists()
    assert logits(convert(router, "router.safetensors")) == logits(router)

with case("a file that is there is not written over, a folder never"):
    assert "--force" in consilium("personas", "adapter", own, "-m", MODEL, "-o", file, status=2)
    consilium("personas", "adapter", own, "-m", MODEL, "-o", file, "--force")
    assert "exists already" in consilium("personas", "adapter", own, "-m", MODEL, "-o", folder,
                                         "--force", status=2)
    assert not list(scratch.glob("*.part"))

with case("a written adapter names its model, and no other model takes it"):
    mark = json.loads(consilium("model", "info", "-m", MODEL, "--format=json"))["fingerprint"]
    for made in (own, folder, file):
        assert mark in consilium("personas", "adapter", made)
        told = refused(made, "another model", mark, model=MODELS / "qwen3_moe-bias")
        assert len(told.split("fingerprint")[1]) > 64

with case("Q8_0: as the numbers that it stands for"):
    council = make_model(scratch / "council")
    random = np.random.default_rng(2)
    a = random.standard_normal((EXPERTS, 2, WIDTH)).astype("<f4") / 6
    b = random.standard_normal((EXPERTS, EXPERT_WIDTH, 2)).astype("<f4")
    packed = gguf.quants.quantize(a, gguf.GGMLQuantizationType.Q8_0)
    at = f"blk.{LAYERS - 1}.ffn_up_exps.weight.lora_"
    eight = write_gguf("q8.gguf", {at + "a": packed, at + "b": b})
    plain = gguf.quants.dequantize(packed, gguf.GGMLQuantizationType.Q8_0)
    same = write_gguf("q8-f32.gguf", {at + "a": plain.astype("<f4"), at + "b": b})
    assert logits(eight, council) == logits(same, council) != logits(None, council)

# ---- refusals --------------------------------------------------------------------------------------

with case("refused by field: what is no plain LoRA"):
    for field, value, word in (
            ("peft_type", "LOHA", "LOHA"), ("use_dora", True, "DoRA"), ("fan_in_fan_out", True, "fan_in"),
            ("bias", "all", "biases"), ("lora_bias", True, "lora_bias"), ("use_qalora", True, "QALoRA"),
            ("layer_replication", [[0, 1]], "layer_replication"), ("r", 0, "r is 0"), ("r", 5000, "r is 5000"),
            ("r", 3, "multiple of the rank 3"), ("lora_alpha", "x", "lora_alpha"),
            ("lora_alpha", 1e300, "lora_alpha"), ("init_lora_weights", "pissa_niter_4", "pissa"),
            ("alora_invocation_tokens", [1], "aLoRA"), ("rank_pattern", {"down.*": 2}, "down.*"),
            ("rank_pattern", {"down_proj": -1}, "a rank"), ("alpha_pattern", {"x": None}, "an alpha"),
            ("rank_pattern", [], "rank_pattern"), ("target_parameters", "x", "target_parameters")):
        told = refused(write_peft("bad", BOTH, **{field: value}), word)
        assert "adapter_" in told, told

with case("refused by name: updates of other weights than experts"):
    more = {f"{PEFT}0.self_attn.{part}_proj.lora_{side}.weight": np.ones((2, 2), "<f4")
            for part in "qkv" for side in "AB"}
    refused(write_peft("bad", BOTH | more), "6 tensors", "self_attn.q_proj", "self_attn.v_proj")
    refused(write_peft("bad", BOTH | {f"{PEFT}0.mlp.gate.lora_A.weight": np.ones((2, WIDE), "<f4")}),
            "1 tensors", "mlp.gate")
    refused(write_gguf("bad.gguf", stacks() | {"blk.0.attn_q.weight.lora_a": np.ones((2, 40), "<f4")}),
            "blk.0.attn_q.weight.lora_a", "ffn_gate_exps")

with case("refused: PEFT tensors that do not belong together"):
    key = PEFT + "1.mlp.experts.lora_A.weight"
    for tensors, *says in (
            ({k: v for k, v in BOTH.items() if k != key}, "layer 1", "lora_B without lora_A"),
            ({k: v for k, v in BOTH.items() if "1.mlp.experts.lora" not in k}, "layer 1", "base_layer"),
            (BOTH | {key: np.ones((COUNT * RANK, 19), "<f4")}, "layer 1", "do not suit"),
            (BOTH | {key: np.ones(COUNT * RANK, "<f4")}, key, "no matrix"),
            (BOTH | {key: np.full((COUNT * RANK, FFN), np.nan, "<f4")}, key, "[0, 0] is not finite"),
            (BOTH | {PEFT + "1.block_sparse_moe.output_linear.lora_A.weight": BOTH[key],
                     PEFT + "1.block_sparse_moe.output_linear.lora_B.weight": BOTH[key]}, "two names"),
            (singles() | {"layers.0.mlp.experts.0.up_proj.lora_B.weight": np.ones((FFN, 3), "<f4")},
             "layer 0", "rank"),
            ({k: v for k, v in singles().items() if "layers.1.mlp.experts.6.down_proj.lora_A" not in k},
             "experts.6.down_proj.lora_A.weight is missing"),
            (singles() | {k: v for k, v in singles("model.").items() if "0.mlp.experts.3.up" in k},
             "expert 3", "twice")):
        refused(write_peft("bad", tensors), *says)
    refused(write_peft("bad", {k: v for k, v in BOTH.items() if "base_layer" not in k},
                       target_parameters=None), "target_parameters", "gate_up_proj", "down_proj")

with case("refused: a LoRA without its configuration, or one that is no JSON"):
    alone = scratch / "alone.safetensors"
    shutil.copyfile(ADAPTERS / "both" / "adapter_model.safetensors", alone)
    refused(alone, "adapter_config.json", "lora_alpha")
    refused(write_peft("bad", BOTH, '{"peft_type":"LORA","r":4,"r":4}'), "adapter_config.json", "offset")
    refused(write_peft("bad", BOTH, "[]"), "adapter_config.json")
    empty = scratch / "empty"
    empty.mkdir()
    refused(empty, "adapter_model.safetensors")
    (empty / "adapter_model.bin").write_bytes(b"PK")
    refused(empty, "adapter_model.bin", "safetensors")

with case("refused: GGUF files that are no LoRA of this model's kind"):
    refused(write_gguf("bad.gguf", stacks(), "olmoe"), "olmoe", "qwen3moe")
    refused(write_gguf("bad.gguf", stacks(), kind="model"), "general.type", "adapter")
    refused(write_gguf("bad.gguf", stacks(), lora="x"), "adapter.type")
    refused(write_gguf("bad.gguf", stacks(), alpha=None), "adapter.lora.alpha")
    refused(write_gguf("bad.gguf", stacks(), alpha=float("nan")), "adapter.lora.alpha")
    refused(write_gguf("bad.gguf", stacks(), more=[("consilium.model", "x")]), "fingerprint")
    refused(write_gguf("bad.gguf", {}), "no tensor")
    refused(write_gguf("bad.gguf", {k: v for k, v in stacks().items() if k[-1] == "a"}), "is missing")
    down = "blk.0.ffn_down_exps.weight.lora_"
    for change, word in (({down + "a": np.ones((6, RANK, FFN), "<f4")}, "experts"),
                         ({down + "a": np.ones((COUNT, 3, FFN), "<f4")}, "rank"),
                         ({down + "b": np.ones((COUNT, WIDE + 1, RANK), "<f4")}, "width"),
                         ({down + "b": np.full((COUNT, WIDE, RANK), np.inf, "<f4")}, "[0, 0, 0] is not finite"),
                         ({down + "b": np.ones(8, "<f4")}, "dimensions")):
        refused(write_gguf("bad.gguf", stacks() | change), word)
    refused(MODELS / "qwen3_moe.gguf", "general.type")

with case("a model named with an adapter's path says where adapters go"):
    for path in (ADAPTERS / "both", ADAPTERS / "lora.gguf"):
        told = consilium("logits", "-m", path, "--tokens", "1", "--output", scratch / "x", status=3)
        assert "--adapter" in told, told

with case("an update that is zero everywhere is the plain model"):
    zero = {k: v * ("lora_A" in k) for k, v in BOTH.items()}
    assert logits(write_peft("zero", zero)) == PLAIN

with case("a scale is for updates: of router rows and whole experts it is refused"):
    refused(f"{router}:0.5", "a scale of 0.5", status=2)
    refused(f"{ADAPTERS / 'both'}:1000", "1000", status=2)

with case("whatever is done to a header or a length, a file is taken or refused, within 2 s"):
    random = np.random.default_rng(8)
    for path in (ADAPTERS / "lora.gguf", ADAPTERS / "both" / "adapter_model.safetensors",
                 ADAPTERS / "both" / "adapter_config.json"):
        good = path.read_bytes()
        for _ in range(8 if SANITIZED else 25):
            bad = bytearray(good)
            for at in random.integers(0, min(len(good), 1200), 1 + random.integers(3)):
                bad[at] = random.choice([*b'09{}[]",:-', 0, 255, random.integers(256)])
            target = scratch / "broken"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(ADAPTERS / "both", target)
            (target / path.name).write_bytes(
                bad[:random.integers(1, len(bad))] if random.random() < 0.3 else bad)
            named = target / path.name if path.suffix == ".gguf" else target
            done = run("personas", "adapter", named, env=ENVIRONMENT, check_status=False, timeout=20)
            assert done.returncode in (0, 3), (done.returncode, done.stderr[-300:])
            assert done.returncode == 0 or str(target) in done.stderr, done.stderr

shutil.rmtree(scratch)
finish()
