"""The table of tiny models: every architecture, and every switch that changes numbers.

A case is a Hugging Face directory tests/fixtures/models/NAME with config.json, weights and ref.npz
(what transformers computed from exactly these files), and perhaps a NAME.gguf with the same
weights. Dimensions are odd on purpose: no width is a multiple of 32, key and value heads are fewer
than query heads, the vocabulary is prime. Cases that differ from another only in config.json share
its weights by a link.
"""
from dataclasses import dataclass, field


@dataclass
class Case:
    name: str
    arch: str
    change: dict = field(default_factory=dict)  # config values beside BASE[arch]
    like: str = ""        # share the weights of this case
    dtype: str = "float32"
    layout: str = "hf"    # hf: as save_pretrained writes it; fused, sharded
    old: bool = False     # the older spelling of config.json
    tokens: int = 28
    ks: tuple = ()        # further experts per token: ref-kN.npz
    gguf: str = ""        # "F32", "F16", "BF16": also write NAME.gguf
    split: int = 0        # tensors per file of a split GGUF


BASE = {
    "qwen3_moe": dict(vocab_size=101, hidden_size=40, num_hidden_layers=2, num_attention_heads=6,
                      num_key_value_heads=2, head_dim=12, intermediate_size=28,
                      moe_intermediate_size=20, num_experts=7, num_experts_per_tok=3,
                      norm_topk_prob=True, rope_theta=10000.0, rms_norm_eps=1e-6),
    "qwen2_moe": dict(vocab_size=97, hidden_size=42, num_hidden_layers=2, num_attention_heads=3,
                      num_key_value_heads=1, intermediate_size=30, moe_intermediate_size=18,
                      shared_expert_intermediate_size=26, num_experts=6, num_experts_per_tok=2,
                      norm_topk_prob=False, qkv_bias=True, rope_theta=1000000.0),
    "mixtral": dict(vocab_size=103, hidden_size=44, num_hidden_layers=2, num_attention_heads=4,
                    num_key_value_heads=2, head_dim=10, intermediate_size=22, num_local_experts=5,
                    num_experts_per_tok=2, rope_theta=1000000.0, sliding_window=None),
    "olmoe": dict(vocab_size=107, hidden_size=36, num_hidden_layers=2, num_attention_heads=3,
                  num_key_value_heads=3, intermediate_size=18, num_experts=9, num_experts_per_tok=3,
                  norm_topk_prob=False, clip_qkv=None, rope_theta=10000.0),
    "granitemoe": dict(vocab_size=109, hidden_size=48, num_hidden_layers=2, num_attention_heads=6,
                       num_key_value_heads=3, intermediate_size=20, num_local_experts=6,
                       num_experts_per_tok=3, embedding_multiplier=3.5, logits_scaling=2.5,
                       residual_multiplier=0.4, attention_multiplier=0.2,
                       tie_word_embeddings=True, rope_theta=10000.0),
    "llama": dict(vocab_size=113, hidden_size=48, num_hidden_layers=2, num_attention_heads=6,
                  num_key_value_heads=2, intermediate_size=56, rope_theta=10000.0),
    "qwen2": dict(vocab_size=127, hidden_size=42, num_hidden_layers=2, num_attention_heads=3,
                  num_key_value_heads=1, intermediate_size=50, tie_word_embeddings=True,
                  rope_theta=1000000.0),
    "qwen3": dict(vocab_size=131, hidden_size=40, num_hidden_layers=2, num_attention_heads=5,
                  num_key_value_heads=1, head_dim=12, intermediate_size=48,
                  tie_word_embeddings=True, rope_theta=1000000.0),
}

# What every case has: no token ids that could lie outside the tiny vocabulary.
COMMON = dict(max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0)

YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32)


def rope(theta=10000.0, **scaling):
    """A change of config that scales RoPE; contexts in these files are 4 x 32 positions."""
    return dict(rope_theta=theta, rope_scaling=scaling, max_position_embeddings=128)


def _cases():
    moe = {"qwen3_moe": (1, 2, 5), "qwen2_moe": (1, 4), "mixtral": (1, 3), "olmoe": (1, 6),
           "granitemoe": (1, 2, 5)}
    for arch in BASE:
        yield Case(arch, arch, gguf="F32", ks=moe.get(arch, ()))
        yield Case(arch + "-bf16", arch, dtype="bfloat16")

    # Number formats of the weights.
    yield Case("qwen3_moe-f16", "qwen3_moe", dtype="float16")
    yield Case("qwen2_moe-bf16-gguf", "qwen2_moe", like="qwen2_moe-bf16", dtype="bfloat16",
               gguf="BF16")
    yield Case("qwen3_moe-f16-gguf", "qwen3_moe", like="qwen3_moe-f16", dtype="float16", gguf="F16")

    # Routing switches.
    yield Case("qwen3_moe-raw-gates", "qwen3_moe", dict(norm_topk_prob=False), like="qwen3_moe")
    yield Case("qwen2_moe-norm", "qwen2_moe", dict(norm_topk_prob=True), like="qwen2_moe")
    yield Case("olmoe-norm", "olmoe", dict(norm_topk_prob=True), like="olmoe")
    yield Case("qwen3_moe-mlp-only", "qwen3_moe",
               dict(num_hidden_layers=3, mlp_only_layers=[0, 2]), dtype="bfloat16")
    yield Case("qwen2_moe-sparse-step", "qwen2_moe",
               dict(num_hidden_layers=4, decoder_sparse_step=2, mlp_only_layers=[3]),
               dtype="bfloat16")

    # Attention switches. One layer shows them.
    one = dict(num_hidden_layers=1)
    yield Case("qwen3_moe-bias", "qwen3_moe", dict(attention_bias=True) | one, dtype="bfloat16")
    yield Case("qwen3-bias", "qwen3", dict(attention_bias=True) | one, dtype="bfloat16")
    yield Case("llama-bias", "llama", dict(attention_bias=True) | one, gguf="F32")
    yield Case("llama-mlp-bias", "llama", dict(mlp_bias=True) | one, dtype="bfloat16", gguf="F32")
    yield Case("llama-all-biases", "llama", dict(attention_bias=True, mlp_bias=True), gguf="F32")
    yield Case("olmoe-gqa", "olmoe", dict(num_attention_heads=6, num_key_value_heads=2) | one,
               dtype="bfloat16")
    yield Case("olmoe-bias", "olmoe", dict(attention_bias=True) | one, dtype="bfloat16")
    yield Case("granitemoe-bias", "granitemoe", dict(attention_bias=True) | one, dtype="bfloat16")
    yield Case("qwen2_moe-no-bias", "qwen2_moe", dict(qkv_bias=False) | one, dtype="bfloat16")
    yield Case("llama-head-dim", "llama", dict(head_dim=14) | one, dtype="bfloat16")

    # Embeddings tied and not.
    yield Case("qwen3_moe-tied", "qwen3_moe", dict(tie_word_embeddings=True) | one,
               dtype="bfloat16")
    yield Case("llama-tied", "llama", dict(tie_word_embeddings=True) | one,
               dtype="bfloat16")
    yield Case("granitemoe-untied", "granitemoe", dict(tie_word_embeddings=False) | one,
               dtype="bfloat16")
    yield Case("qwen2-untied", "qwen2", dict(tie_word_embeddings=False) | one, dtype="bfloat16")

    # Dormant fields change nothing.
    yield Case("qwen3_moe-dormant-window", "qwen3_moe",
               dict(sliding_window=4, use_sliding_window=False), like="qwen3_moe")

    # RoPE.
    yield Case("qwen3-linear", "qwen3", rope(rope_type="linear", factor=3.0), like="qwen3",
               tokens=100, gguf="")
    yield Case("mixtral-linear", "mixtral", rope(rope_type="linear", factor=2.5) | one, tokens=60,
               gguf="F32")
    llama3 = rope(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=32)
    yield Case("llama-llama3", "llama", llama3 | one, tokens=100, gguf="F32")
    yield Case("qwen3_moe-llama3", "qwen3_moe", llama3, like="qwen3_moe", tokens=100)
    yield Case("qwen3_moe-yarn", "qwen3_moe", rope(**YARN) | one, tokens=120, gguf="F32")
    yield Case("qwen3_moe-yarn-attention", "qwen3_moe", rope(**YARN, attention_factor=1.3),
               like="qwen3_moe", tokens=60)
    yield Case("qwen3_moe-yarn-mscale", "qwen3_moe",
               rope(**YARN, mscale=0.8, mscale_all_dim=0.3), like="qwen3_moe", tokens=60)
    yield Case("qwen3_moe-yarn-betas", "qwen3_moe",
               rope(**YARN, beta_fast=1.0, beta_slow=0.1), like="qwen3_moe", tokens=60)
    yield Case("qwen3_moe-yarn-exact", "qwen3_moe", rope(**YARN, truncate=False), like="qwen3_moe",
               tokens=60)
    yield Case("qwen2-yarn", "qwen2", rope(1000000.0, **YARN), like="qwen2", tokens=120, old=True)
    yield Case("llama-yarn", "llama", rope(**YARN) | one, tokens=120, gguf="F32")
    yield Case("granitemoe-yarn", "granitemoe", rope(**YARN), like="granitemoe", tokens=60)

    # Spellings and shapes of the files.
    for arch in ("mixtral", "granitemoe", "olmoe", "llama"):
        yield Case(arch + "-old", arch, like=arch, old=True)
    yield Case("qwen3_moe-old", "qwen3_moe", rope(**YARN), like="qwen3_moe", old=True, tokens=60)
    yield Case("llama-llama3-old", "llama", llama3 | one, like="llama-llama3", old=True,
               tokens=60)
    for arch in ("qwen3_moe", "qwen2_moe", "mixtral", "olmoe", "granitemoe"):
        yield Case(arch + "-fused", arch, change=one, layout="fused", dtype="bfloat16")
    yield Case("qwen3_moe-sharded", "qwen3_moe", layout="sharded", dtype="bfloat16", gguf="BF16",
               split=9)


CASES = {c.name: c for c in _cases()}
