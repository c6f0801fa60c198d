"""Write a transformers model as GGUF: names, metadata and row order as llama.cpp expects them.

Own converter on top of gguf.GGUFWriter, for the tiny models of make_models.py. llama-architecture
files (llama, mixtral, granitemoe) store the rows of Q and K so that the two halves of a rotation
lie side by side; every other architecture keeps the Hugging Face order.
"""
import math

import gguf
import numpy as np

ARCHS = {"qwen3_moe": "qwen3moe", "qwen2_moe": "qwen2moe", "mixtral": "llama", "olmoe": "olmoe",
         "granitemoe": "granitemoe", "llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
PERMUTED = ("llama", "mixtral", "granitemoe")

# Hugging Face name inside a layer -> GGUF name inside a block.
NAMES = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm.weight": "attn_q_norm.weight",
    "self_attn.k_norm.weight": "attn_k_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "mlp.gate.weight": "ffn_gate_inp.weight",
    "block_sparse_moe.router.weight": "ffn_gate_inp.weight",
    "mlp.shared_expert.gate_proj.weight": "ffn_gate_shexp.weight",
    "mlp.shared_expert.up_proj.weight": "ffn_up_shexp.weight",
    "mlp.shared_expert.down_proj.weight": "ffn_down_shexp.weight",
    "mlp.shared_expert_gate.weight": "ffn_gate_inp_shexp.weight",
}
OUTER = {"model.embed_tokens.weight": "token_embd.weight",
         "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}


def permute(rows, heads):
    """[heads * dim, ...]: row j of a head and row j + dim/2 become rows 2j and 2j + 1."""
    dim = rows.shape[0] // heads
    return rows.reshape(heads, 2, dim // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def tensors(model):
    """Yields (GGUF name, float32 array) in file order."""
    config = model.config
    for name, value in model.state_dict().items():
        value = value.float().numpy()
        if name in OUTER:
            if name == "lm_head.weight" and config.tie_word_embeddings:
                continue
            yield OUTER[name], value
            continue
        _, _, layer, inner = name.split(".", 3)
        block = f"blk.{layer}."
        if inner.endswith("experts.gate_up_proj"):  # [experts, gate rows then up rows, width]
            half = value.shape[1] // 2
            yield block + "ffn_gate_exps.weight", value[:, :half]
            yield block + "ffn_up_exps.weight", value[:, half:]
        elif inner.endswith("experts.down_proj"):
            yield block + "ffn_down_exps.weight", value
        elif inner in NAMES:
            yield block + NAMES[inner], value[0] if "shared_expert_gate" in inner else value
        else:
            stem, kind = inner.rsplit(".", 1)
            if config.model_type in PERMUTED and stem.endswith(("q_proj", "k_proj")):
                query = stem.endswith("q_proj")
                heads = config.num_attention_heads if query else config.num_key_value_heads
                value = permute(value, heads)
            yield f"{block}{NAMES[stem]}.{kind}", value


def rope_factors(parameters, dim):
    """llama3 scaling as GGUF stores it: one divisor for each frequency (arXiv 2407.21783)."""
    frequency = 1.0 / parameters["rope_theta"] ** (np.arange(0, dim, 2) / dim)
    context = parameters["original_max_position_embeddings"]
    low, high = parameters["low_freq_factor"], parameters["high_freq_factor"]
    factors = []
    for wave in 2 * math.pi / frequency:
        smooth = (context / wave - low) / (high - low)
        smooth = min(max(smooth, 0.0), 1.0)
        factors.append(1.0 / (smooth + (1.0 - smooth) / parameters["factor"]))
    return np.array(factors, np.float32)


def metadata(writer, config, head_dim):
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_tokenizer_model("no_vocab")
    writer.add_rope_dimension_count(head_dim)
    experts = getattr(config, "num_experts", None) or getattr(config, "num_local_experts", None)
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
    if config.model_type in ("qwen3_moe", "qwen2_moe"):
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    if config.model_type == "qwen2_moe":
        writer.add_expert_shared_feed_forward_length(config.shared_expert_intermediate_size)
    if config.model_type == "granitemoe":
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_logit_scale(config.logits_scaling)


def rope_metadata(writer, parameters):
    writer.add_rope_freq_base(parameters["rope_theta"])
    kind = parameters.get("rope_type", "default")
    if kind in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
        writer.add_rope_scaling_factor(parameters["factor"])
    if kind == "yarn":
        writer.add_rope_scaling_orig_ctx_len(parameters["original_max_position_embeddings"])


def write_gguf(model, path, kind="F32", split=0):
    """kind: the type of the matrices (F32, F16, BF16); vectors and routers stay F32."""
    config = model.config
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    parameters = config.rope_parameters
    writer = gguf.GGUFWriter(path, ARCHS[config.model_type], split_max_tensors=split)
    metadata(writer, config, dim)
    rope_metadata(writer, parameters)
    target = gguf.GGMLQuantizationType[kind]
    if parameters.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", rope_factors(parameters, dim))
    for name, value in tensors(model):
        value = np.ascontiguousarray(value)
        if value.ndim == 1 or "ffn_gate_inp" in name or kind == "F32":
            writer.add_tensor(name, value)
        else:
            writer.add_tensor(name, gguf.quantize(value, target), raw_dtype=target)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
