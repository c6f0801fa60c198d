#!/usr/bin/env python3
"""Make tests/fixtures/tokenizers: tiny vocabularies of every family, with the reference's ids.

usage: make_tokenizer_fixtures.py [FOLDER]     (needs tokenizers, sentencepiece and gguf)

NAME/tokenizer.json is trained here on the texts of tokenizer_texts.py; NAME.gguf holds the same
vocabulary as GGUF metadata where a name in tokenizer.ggml.pre stands for its rules. NAME/ids.txt has
one text a line: its bytes in hexadecimal, then its ids from the `tokenizers` library (for
sentencepiece.gguf: from the sentencepiece library).
"""
import io
import json
import sys
from pathlib import Path

import gguf
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, trainers
from tokenizers import pre_tokenizers as pre
from tokenizers.processors import TemplateProcessing

import tokenizer_reference as reference
import tokenizer_texts

TRAINING = tokenizer_texts.texts(1200, seed=7)
TEXTS = tokenizer_texts.texts(1500, seed=11)[::7]

CL100K = reference.QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
BYTES = dict(add_prefix_space=False, use_regex=False)


def special(content):
    return AddedToken(content, special=True, normalized=False)


def split(pattern, behavior="isolated", invert=False):
    return pre.Split(Regex(pattern), behavior, invert)


def train(tokenizer, size, alphabet=None, specials=(), **more):
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, special_tokens=list(specials),
                                  initial_alphabet=sorted(alphabet or []), **more)
    # A vocabulary with U+0000 could not be written: consilium's JSON has none.
    tokenizer.train_from_iterator([t.replace("\0", "") for t in TRAINING], trainer)
    return tokenizer


def byte_level(pre_tokenizer, normalizer=None, size=420, drop=(), specials=("<|endoftext|>",)):
    """A trained byte-level tokenizer; the bytes in `drop` have no token."""
    t = Tokenizer(models.BPE())
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre_tokenizer
    t.decoder = decoders.ByteLevel()
    write = reference.alphabet()
    train(t, size, alphabet=write.values(), specials=[special(s) for s in specials])
    if not drop:
        return json.loads(t.to_str())
    gone = {write[b] for b in drop}
    described = json.loads(t.to_str())
    model = described["model"]
    model["vocab"] = {t: i for t, i in model["vocab"].items() if not gone & set(t)}
    model["vocab"] = {t: i for i, t in enumerate(model["vocab"])}
    model["merges"] = [m for m in model["merges"] if not gone & set("".join(m))]
    return described


def add(described, content, **more):
    ids = list(described["model"]["vocab"].values()) + [t["id"] for t in described["added_tokens"]]
    described["added_tokens"].append(
        {"id": max(ids) + 1, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": False} | more)


def gpt2():
    return byte_level(pre.ByteLevel(add_prefix_space=False))


def smollm():
    digits = pre.Sequence([pre.Digits(individual_digits=True), pre.ByteLevel(add_prefix_space=False)])
    return byte_level(digits, drop=[0x00, 0x01, 0xF5, 0xF4], specials=["<|endoftext|>", "<|im_start|>"])


def llama3():
    """Whole words that no merge makes are tokens too: ignore_merges decides."""
    d = byte_level(pre.Sequence([split(CL100K), pre.ByteLevel(**BYTES)]), specials=["<|eot_id|>"])
    for word in ("Ġphilosopher", "consilium", "Ġtokenizer", "123", "Ċ"):
        d["model"]["vocab"].setdefault(word, len(d["model"]["vocab"]))
    d["model"]["ignore_merges"] = True
    add(d, "<|begin_of_text|>", special=True)
    bos = d["added_tokens"][-1]
    d["post_processor"] = {"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
        {"type": "TemplateProcessing",
         "single": [{"SpecialToken": {"id": bos["content"], "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
         "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
         "special_tokens": {bos["content"]: {"id": bos["content"], "ids": [bos["id"]],
                                             "tokens": [bos["content"]]}}}]}
    return d


def qwen2():
    d = byte_level(pre.Sequence([split(reference.QWEN2), pre.ByteLevel(**BYTES)]), normalizers.NFC(),
                   specials=["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    for content in ("<think>", "</think>", "<tool_call>"):
        add(d, content)
    d["model"]["merges"] = [" ".join(m) for m in d["model"]["merges"]]  # the older way to write them
    return d


def olmo():
    d = byte_level(pre.ByteLevel(add_prefix_space=False), normalizers.NFC(), specials=["<|padding|>"])
    for n in (24, 5, 2, 3, 8):
        add(d, " " * n, normalized=True)
    add(d, "\t\t")
    add(d, "|||EMAIL_ADDRESS|||")
    return d


def tekken():
    return byte_level(pre.Sequence([split(TEKKEN), pre.ByteLevel(**BYTES)]), specials=["<s>", "[INST]"])


def splits():
    """Behaviors, inversion, literal patterns, {n,m}+ and a prefix space, which few models use."""
    return byte_level(pre.Sequence([
        split(r"\p{N}{1,3}+", "merged_with_previous"), pre.Split("the", "merged_with_next", False),
        split(r"[^\p{L}\s]+", "contiguous", True), split(r"\r\n", "removed"), pre.Digits(False),
        split(r"(?=x)|\p{Han}"), pre.ByteLevel(add_prefix_space=True)]))


def spm(described_by, byte_fallback, unknown, fuse, specials=("<unk>", "<s>", "</s>"), **more):
    """SentencePiece-style: characters, U+2581 for a space."""
    t = Tokenizer(models.BPE(unk_token=unknown, fuse_unk=fuse, byte_fallback=byte_fallback))
    described_by(t)
    names = [*specials] + ([f"<0x{b:02X}>" for b in range(256)] if byte_fallback else [])
    train(t, 1100, specials=names, limit_alphabet=300, max_token_length=12, **more)
    described = json.loads(t.to_str())
    described["added_tokens"] = [a for a in described["added_tokens"] if a["content"] in specials]
    return described


def llama2():
    def stages(t):
        t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                       decoders.Fuse(), decoders.Strip(" ", 1, 0)])
        t.post_processor = TemplateProcessing("<s> $A", "<s> $A <s> $B", [("<s>", 1)])
    return spm(stages, True, "<unk>", True)


def mistral():
    def stages(t):
        t.pre_tokenizer = pre.Metaspace("▁", "first", split=False)
        t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                       decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return spm(stages, True, "<unk>", True)


def unknown():
    """No bytes to fall back to: one unknown token for each character."""
    def stages(t):
        t.pre_tokenizer = pre.Metaspace("▁", "always", split=True)
        t.decoder = decoders.Metaspace("▁", "always")
    return spm(stages, False, "<unk>", False)


def sentencepiece_gguf(path, texts):
    """A GGUF file with scores; its ids come from the sentencepiece library."""
    model = io.BytesIO()
    lines = [line for text in TRAINING for line in text.split("\n")
             if line.strip() and all("\t" <= c < "\u0500" for c in line)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=800, model_type="bpe",
        byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        add_dummy_prefix=True, character_coverage=0.99, split_digits=True, max_sentencepiece_length=10,
        allow_whitespace_only_pieces=True, minloglevel=2)
    sp = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    count = sp.get_piece_size()
    kinds = [2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 1
             for i in range(count)]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([sp.id_to_piece(i) for i in range(count)])
    writer.add_token_scores([sp.get_score(i) for i in range(count)])
    writer.add_token_types(kinds)
    for name, value in (("bos", 1), ("eos", 2), ("unknown", 0)):
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return [sp.encode(t) for t in texts]


def write_ids(path, texts, ids):
    path.write_text("".join(t.encode().hex() + "".join(f" {i}" for i in row) + "\n"
                            for t, row in zip(texts, ids)))


PRE = {"gpt2": "gpt-2", "smollm": "smollm", "llama3": "llama-bpe", "qwen2": "qwen2", "olmo": "olmo"}


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "fixtures/tokenizers")
    for make in (gpt2, smollm, llama3, qwen2, olmo, tekken, splits, llama2, mistral, unknown):
        name = make.__name__
        described = make()
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "tokenizer.json").write_text(
            json.dumps(described, ensure_ascii=False, separators=(",", ":")) + "\n")
        wanted = reference.reference(described)
        write_ids(folder / name / "ids.txt", TEXTS,
                  [wanted.encode(t, add_special_tokens=False).ids for t in TEXTS])
        if name in PRE:
            reference.write_gguf(folder / f"{name}.gguf", described, PRE[name])
    (folder / "sentencepiece").mkdir(exist_ok=True)
    # The library ends its text at a NUL.
    texts = [t for t in TEXTS if "\0" not in t]
    ids = sentencepiece_gguf(folder / "sentencepiece.gguf", texts)
    write_ids(folder / "sentencepiece" / "ids.txt", texts, ids)
    (folder / "llama3" / "tokenizer_config.json").write_text(json.dumps(
        {"bos_token": "<|begin_of_text|>", "eos_token": {"content": "<|eot_id|>"}}) + "\n")


if __name__ == "__main__":
    main()
