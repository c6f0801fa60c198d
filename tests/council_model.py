"""A tiny mixture of experts that can chat: qwen3_moe, 6 layers of 8 experts, 3 a token, random
weights, a byte tokenizer and the ChatML template. Its words are noise, but every option that `ask`
has means something to it, and an answer takes milliseconds.

Same seed, same bytes: tests may compare what it says.
"""
import json
import struct

import numpy as np

LAYERS, EXPERTS, CALLED, WIDTH, HEADS, KV_HEADS, HEAD, EXPERT_WIDTH = 6, 8, 3, 32, 4, 2, 8, 16
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = ("{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\\n' ~ m.content ~ '<|im_end|>\\n' }}"
            "{% endfor %}{{ '<|im_start|>assistant\\n' if add_generation_prompt }}")


def byte_alphabet():
    """GPT-2's printable stand-ins for bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = [], 0
    for byte in range(256):
        table.append(chr(byte) if byte in plain else chr(256 + extra))
        extra += byte not in plain
    return table


def tokenizer(vocabulary, merges, specials):
    """tokenizer.json of a byte-level BPE; the specials' ids follow the vocabulary's."""
    added = [{"id": len(vocabulary) + i, "content": text, "single_word": False, "lstrip": False,
              "rstrip": False, "normalized": False, "special": True}
             for i, text in enumerate(specials)]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
             "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": None, "pre_tokenizer": level, "post_processor": None, "decoder": level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary,
                      "merges": merges}}


def write_tokenizer(folder, chat):
    file = tokenizer({letter: i for i, letter in enumerate(byte_alphabet())}, [], SPECIALS)
    added = file["added_tokens"]
    (folder / "tokenizer.json").write_text(json.dumps(file))
    config = {"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|im_end|>",
              "bos_token": None, "added_tokens_decoder": {
                  str(a["id"]): {k: a[k] for k in a if k != "id"} for a in added}}
    if chat:
        config["chat_template"] = TEMPLATE
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def other_tokenizer(folder, pairs):
    """As many tokens, but pairs of letters in the place of some bytes that are no ASCII."""
    folder.mkdir()
    write_tokenizer(folder, True)
    file = json.loads((folder / "tokenizer.json").read_text())
    words = {i: word for word, i in file["model"]["vocab"].items()} | {200 + i: pair for i, pair in enumerate(pairs)}
    file["model"] |= {"vocab": {word: i for i, word in words.items()}, "merges": [f"{a} {b}" for a, b in pairs]}
    (folder / "tokenizer.json").write_text(json.dumps(file))
    return folder


def tensors(seed):
    random = np.random.default_rng(seed)

    def matrix(rows, columns, scale=1.0):
        return (random.standard_normal((rows, columns)) * scale / np.sqrt(columns)).astype("<f4")

    ones = np.ones(WIDTH, "<f4")
    rows = 256 + len(SPECIALS)
    yield "model.embed_tokens.weight", matrix(rows, WIDTH, 4)
    for i in range(LAYERS):
        at = f"model.layers.{i}."
        yield at + "input_layernorm.weight", ones
        yield at + "post_attention_layernorm.weight", ones
        yield at + "self_attn.q_norm.weight", np.ones(HEAD, "<f4")
        yield at + "self_attn.k_norm.weight", np.ones(HEAD, "<f4")
        yield at + "self_attn.q_proj.weight", matrix(HEADS * HEAD, WIDTH)
        yield at + "self_attn.k_proj.weight", matrix(KV_HEADS * HEAD, WIDTH)
        yield at + "self_attn.v_proj.weight", matrix(KV_HEADS * HEAD, WIDTH)
        yield at + "self_attn.o_proj.weight", matrix(WIDTH, HEADS * HEAD)
        yield at + "mlp.gate.weight", matrix(EXPERTS, WIDTH, 2)
        for e in range(EXPERTS):
            yield f"{at}mlp.experts.{e}.gate_proj.weight", matrix(EXPERT_WIDTH, WIDTH, 2)
            yield f"{at}mlp.experts.{e}.up_proj.weight", matrix(EXPERT_WIDTH, WIDTH, 2)
            yield f"{at}mlp.experts.{e}.down_proj.weight", matrix(WIDTH, EXPERT_WIDTH, 2)
    yield "model.norm.weight", ones
    yield "lm_head.weight", matrix(rows, WIDTH, 3)


def write_safetensors(path, named):
    header, blobs, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name, value in named:
        blob = value.tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape),
                        "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def make_model(folder, chat=True, context=4096, seed=4):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS, "head_dim": HEAD, "intermediate_size": 48,
        "moe_intermediate_size": EXPERT_WIDTH, "num_experts": EXPERTS,
        "num_experts_per_tok": CALLED, "norm_topk_prob": True, "decoder_sparse_step": 1,
        "mlp_only_layers": [], "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "max_position_embeddings": context, "tie_word_embeddings": False, "attention_bias": False,
        "eos_token_id": 258, "vocab_size": 256 + len(SPECIALS)}))
    write_safetensors(folder / "model.safetensors", tensors(seed))
    write_tokenizer(folder, chat)
    return folder
