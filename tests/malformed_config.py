"""C1 to C9: config.json and generation_config.json with values that do not suit."""
import json

from malformed_base import Raw, base_config

# The limits of engine/formats/config_hf.c, for the values at and around them.
MOST = {"vocab_size": 1 << 24, "hidden_size": 1 << 20, "intermediate_size": 1 << 24,
        "num_hidden_layers": 1024, "num_attention_heads": 1 << 16, "num_key_value_heads": 1 << 16,
        "head_dim": 1 << 16, "max_position_embeddings": 1 << 30, "num_local_experts": 4096,
        "num_experts_per_tok": 4096, "moe_intermediate_size": 1 << 24,
        "decoder_sparse_step": 1 << 30, "rms_norm_eps": 1, "bos_token_id": 100,
        "eos_token_id": 100}
# What may also be null, or any positive number, without a difference to this model.
NULLABLE = {"num_key_value_heads", "head_dim", "bos_token_id", "eos_token_id"}
HARMLESS = {"intermediate_size", "max_position_embeddings", "bos_token_id", "eos_token_id",
            "rms_norm_eps", "num_experts_per_tok", "decoder_sparse_step"}


def text_of(config):
    """JSON text; Raw values stand as they are."""
    raw = {k: v for k, v in config.items() if isinstance(v, Raw)}
    text = json.dumps({k: f"@{k}@" if k in raw else v for k, v in config.items()})
    for key, value in raw.items():
        text = text.replace(f'"@{key}@"', value.decode())
    return text.encode()


def config(cases, case, expect, says=(), drop=(), **fields):
    content = dict(base_config(), **fields)
    for key in drop:
        content.pop(key, None)
    cases.files(case, expect, says, config__json=text_of(content))


def numbers(cases):
    """C1: each number of config.json with each of the 14 values."""
    for key, most in MOST.items():
        values = {"missing": None, "0": 0, "minus-1": -1, "1": 1, "max-1": most - 1, "max": most,
                  "max+1": most + 1, "2e31": 2**31, "2e63": 2**63, "1e400": Raw(b"1e400"),
                  "string": "8", "list": [8], "null": None, "half": 0.5}
        for name, value in values.items():
            case = f"C1-{key}-{name}"
            refused = name in ("minus-1", "2e63", "1e400", "string") or (
                name in ("max+1", "2e31") and key != "rms_norm_eps")
            if key in ("bos_token_id", "eos_token_id"):  # beyond the vocabulary is none
                refused = name in ("1e400", "string", "half")
            if name == "list":
                refused = key != "eos_token_id"
            if name == "half":
                refused = key != "rms_norm_eps"
            if name == "0":
                refused = key not in ("bos_token_id", "eos_token_id")
            if name == "null" and key not in NULLABLE:
                refused = True
            drop = [key] if name == "missing" else []
            expect = "refused" if refused else "either"
            config(cases, case, expect, [key] if refused else [], drop, **{key: value})


def pairs(cases):
    config(cases, "C2-heads-not-divisible", "refused", "key/value heads", num_key_value_heads=4)
    config(cases, "C2-more-kv-heads", "refused", "key/value heads", num_key_value_heads=12)
    for value in (11, 0, 2**31, 1):
        config(cases, f"C2-head-dim-{value}", "refused", head_dim=value)
    config(cases, "C3-no-experts", "refused", "num_local_experts", num_local_experts=0)
    for value in (0, 8, -1):
        config(cases, f"C3-top-k-{value}", "refused", ["expert"], num_experts_per_tok=value)
    config(cases, "C3-top-k-all", "loads", num_experts_per_tok=7)
    config(cases, "C3-experts-not-rows", "refused", num_local_experts=5)
    config(cases, "C3-experts-twice", "refused", num_local_experts=7, num_experts=9)
    config(cases, "C4-cache-wraps-64", "refused", "cache", num_hidden_layers=1024,
           max_position_embeddings=1 << 30, num_attention_heads=4096, num_key_value_heads=4096,
           head_dim=4096)
    config(cases, "C4-cache-beyond-32", "loads", max_position_embeddings=1 << 26)


def rope(cases):
    for name, value in (("0", 0), ("minus-1", -1), ("text", "NaN"), ("1e400", Raw(b"1e400")),
                        ("1", 1), ("nan", Raw(b"NaN"))):
        config(cases, f"C5-theta-{name}", "refused", "rope_theta" if name != "nan" else "offset",
               ["rope_parameters"], rope_theta=value)
        config(cases, f"C5-nested-theta-{name}", "refused",
               "rope_theta" if name != "nan" else "offset",
               rope_parameters=Raw(b'{"rope_type":"default","rope_theta":%s}' % (
                   value if isinstance(value, Raw) else json.dumps(value).encode())))
    for kind in ("dynamic", "longrope", "proportional", "su", "", 7):
        config(cases, f"C5-type-{kind}", "refused", "type",
               rope_scaling={"type": kind, "factor": 2.0})
    for kind in ("linear", "yarn", "llama3"):
        for name, factor in (("0", 0), ("minus-1", -1), ("string", "2"), ("1e400", Raw(b"1e400"))):
            text = factor.decode() if isinstance(factor, Raw) else json.dumps(factor)
            config(cases, f"C5-{kind}-factor-{name}", "refused", "factor", rope_scaling=Raw(
                b'{"rope_type":"%s","factor":%s,"low_freq_factor":1,"high_freq_factor":4}' % (
                    kind.encode(), text.encode())))
    config(cases, "C5-llama3-no-factors", "refused", "low_freq_factor",
           rope_scaling={"rope_type": "llama3", "factor": 8})
    config(cases, "C5-llama3-equal-factors", "refused", "high_freq_factor", rope_scaling={
        "rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4})
    config(cases, "C5-linear", "loads", rope_scaling={"type": "linear", "factor": 2.0})
    config(cases, "C5-scaling-list", "refused", "rope_scaling", rope_scaling=[1])
    config(cases, "C5-partial", "refused", "partial_rotary_factor", partial_rotary_factor=0.5)
    for name, value in (("0", 0), ("minus-1", -1), ("2", 2), ("null", None)):
        config(cases, f"C5-eps-{name}", "refused", "rms_norm_eps", rms_norm_eps=value)


def tokens(cases):
    config(cases, "C6-vocabulary-more", "refused", vocab_size=102)
    config(cases, "C6-vocabulary-less", "refused", vocab_size=100)
    for name, value in (("string", "2"), ("half", 0.5), ("many", [2] * 10000), ("nested", [[2]]), ("object", {"id": 2})):
        config(cases, f"C7-eos-{name}", "refused", "eos_token_id", eos_token_id=value)
        cases.files(f"C7-generation-eos-{name}", "refused",
                    ["generation_config.json", "eos_token_id"],
                    generation_config__json=json.dumps({"eos_token_id": value}).encode())
    for name, value in (("none", 4294967295), ("vocabulary", 101), ("minus-1", -1), ("far", 2**62),
                        ("list", [2, 0, 100]), ("some-beyond", [2, 101, -1])):
        config(cases, f"C7-eos-{name}", "loads", eos_token_id=value)
        cases.files(f"C7-generation-eos-{name}", "loads",
                    generation_config__json=json.dumps({"eos_token_id": value}).encode())
    for key, value in (("temperature", -1), ("temperature", "hot"), ("top_p", 0), ("top_p", 2),
                       ("top_k", -1), ("top_k", 0.5), ("min_p", 2), ("repetition_penalty", 0),
                       ("temperature", Raw(b"1e400"))):
        text = value.decode() if isinstance(value, Raw) else json.dumps(value)
        cases.files(f"C7-{key}-{text.strip(chr(34))}", "refused", ["generation_config.json", key],
                    generation_config__json=f'{{"{key}": {text}}}'.encode())
    cases.files("C7-no-generation", "loads", generation_config__json=None)


def switches(cases):
    for name, value in (("unknown", "gpt_oss"), ("granite", "granite"), ("escape", "\x1b[31m"),
                        ("number", 7), ("long", "x" * 100000), ("null", None)):
        config(cases, f"C8-type-{name}", "refused", "model_type", model_type=value)
    config(cases, "C8-type-missing", "refused", "model_type", ["model_type"])
    config(cases, "C8-auto-map", "loads", auto_map={"AutoModel": "evil--code.Model"})
    config(cases, "C8-unknown-key", "loads", **{"some_new_key": {"a": [1]}})
    config(cases, "C9-tied-with-other-head", "loads", tie_word_embeddings=True)
    for key, value in (("hidden_act", "gelu"), ("quantization_config", {"quant_method": "gptq"}),
                       ("attention_bias", True), ("norm_topk_prob", "yes"), ("use_sliding_window", 1)):
        config(cases, f"C9-{key}", "refused", key if key != "attention_bias" else (), **{key: value})
    config(cases, "C9-window", "refused", "sliding_window", use_sliding_window=True,
           sliding_window=32)
    config(cases, "C9-wide-window", "loads", use_sliding_window=True, sliding_window=256)
    config(cases, "C9-layer-types", "refused", "sliding_window",
           layer_types=["full_attention", "sliding_attention"], sliding_window=32)
    config(cases, "C9-layer-types-unknown", "refused", "layer_types", layer_types=["mamba", 7])
    for name, value in (("beyond", [5000]), ("text", ["0"]), ("negative", [-1]), ("number", 1)):
        config(cases, f"C9-mlp-only-{name}", "refused", "mlp_only_layers", mlp_only_layers=value)


def make(cases):
    for part in (numbers, pairs, rope, tokens, switches):
        part(cases)
