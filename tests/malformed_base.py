"""The valid tiny model that every malformed case differs from in one thing, in all its forms.

Its weights are those of fixtures/models/qwen3_moe; a byte-level tokenizer with a handful of merges
and a ChatML template is added here, because those fixtures have none. `Gguf`, `Safetensors` and
`Directory` hold the model taken apart; each writes itself back with whatever was changed, sizes and
counts being computed only where a case has not overridden them.
"""
import copy
import json
import os
import struct
from pathlib import Path

MODELS = Path(__file__).resolve().parent / "fixtures" / "models"
HF, GGUF, SHARDED = (MODELS / "qwen3_moe", MODELS / "qwen3_moe.gguf", MODELS / "qwen3_moe-sharded")

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
SCALARS = {U8: "<B", I8: "<b", U16: "<H", I16: "<h", U32: "<I", I32: "<i", F32: "<f", BOOL: "<B",
           U64: "<Q", I64: "<q", F64: "<d"}


class Raw(bytes):
    """Bytes that go into a file as they are, where a value or a number is due."""


# ---- the tokenizer ------------------------------------------------------------------------------

ALPHABET = [chr(c) for c in range(33, 127) if chr(c) not in "$%&^`|~@{}"] + ["Ġ", "Ċ"]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = [("t", "h"), ("Ġ", "th"), ("Ġth", "e"), ("i", "n")]
VOCABULARY = {text: i for i, text in
              enumerate(SPECIALS + ALPHABET + ["".join(pair) for pair in MERGES])}
TEMPLATE = ("{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}"
            "{% endfor %}{{ '<|im_start|>assistant\n' if add_generation_prompt }}")
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
           r"\s*[\r\n]+|\s+(?!\S)|\s+")


def tokenizer_json():
    added = [{"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, text in enumerate(SPECIALS)]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated",
             "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
             "use_regex": False}]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
                    "use_regex": False},
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False, "vocab": dict(VOCABULARY),
                  "merges": [" ".join(pair) for pair in MERGES]}}


def tokenizer_metadata():
    """The same tokenizer as GGUF keys: (key, type, value)."""
    words = sorted(VOCABULARY, key=VOCABULARY.get)
    kinds = [3] * len(SPECIALS) + [1] * (len(words) - len(SPECIALS))
    return [("tokenizer.ggml.model", STRING, "gpt2"), ("tokenizer.ggml.pre", STRING, "qwen2"),
            ("tokenizer.ggml.tokens", ARRAY, (STRING, words)),
            ("tokenizer.ggml.token_type", ARRAY, (I32, kinds)),
            ("tokenizer.ggml.merges", ARRAY, (STRING, [" ".join(pair) for pair in MERGES])),
            ("tokenizer.ggml.bos_token_id", U32, 1), ("tokenizer.ggml.eos_token_id", U32, 2),
            ("tokenizer.chat_template", STRING, TEMPLATE)]


# ---- GGUF ---------------------------------------------------------------------------------------

def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def number(layout, value):
    """A number, or bytes that stand for it."""
    return value if isinstance(value, Raw) else struct.pack(layout, value)


def value_bytes(kind, value):
    if isinstance(value, Raw):
        return value
    if kind == STRING:
        return string(value)
    if kind == ARRAY:
        element, items = value
        return struct.pack("<IQ", element, len(items)) + b"".join(
            value_bytes(element, item) for item in items)
    return struct.pack(SCALARS[kind], value)


class Tensor:
    def __init__(self, name, dims, kind, data):
        self.name, self.dims, self.kind, self.data = name, dims, kind, data
        self.offset = self.count = None  # overrides


class Gguf:
    def __init__(self):
        self.magic, self.version, self.alignment = b"GGUF", 3, 32
        self.keys, self.tensors = [], []
        self.n_keys = self.n_tensors = None  # overrides
        self.tail = b""

    def key(self, name):
        return next(k for k in self.keys if k[0] == name)

    def set(self, name, kind, value):
        """Replaces or appends a key."""
        for i, k in enumerate(self.keys):
            if k[0] == name:
                self.keys[i] = (name, kind, value)
                return
        self.keys.append((name, kind, value))

    def drop(self, name):
        self.keys = [k for k in self.keys if k[0] != name]

    def tensor(self, name):
        return next(t for t in self.tensors if t.name == name)

    def aligned(self, size):
        step = max(self.alignment, 1)
        return (size + step - 1) // step * step

    def header(self):
        out = [self.magic, number("<I", self.version),
               number("<Q", len(self.tensors) if self.n_tensors is None else self.n_tensors),
               number("<Q", len(self.keys) if self.n_keys is None else self.n_keys)]
        for name, kind, value in self.keys:
            out += [name if isinstance(name, Raw) else string(name), number("<I", kind),
                    value_bytes(kind, value)]
        at = 0
        for t in self.tensors:
            out += [t.name if isinstance(t.name, Raw) else string(t.name),
                    number("<I", len(t.dims) if t.count is None else t.count),
                    b"".join(number("<Q", d) for d in t.dims), number("<I", t.kind),
                    number("<Q", at if t.offset is None else t.offset)]
            at += self.aligned(len(t.data))
        return b"".join(out)

    def data(self):
        return b"".join(t.data.ljust(self.aligned(len(t.data)), b"\0") for t in self.tensors)

    def __bytes__(self):
        header = self.header()
        return header.ljust(self.aligned(len(header)), b"\0") + self.data() + self.tail

    def copy(self):
        other = copy.copy(self)
        other.keys = list(self.keys)
        other.tensors = [copy.copy(t) for t in self.tensors]
        return other


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        value = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return value[0]

    def string(self):
        n = self.take("<Q")
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            element, n = self.take("<I"), self.take("<Q")
            return element, [self.value(element) for _ in range(n)]
        return self.take(SCALARS[kind])


def read_gguf(path):
    """A whole, valid file taken apart."""
    r, g = _Reader(Path(path).read_bytes()), Gguf()
    r.at = 4
    g.version = r.take("<I")
    n_tensors, n_keys = r.take("<Q"), r.take("<Q")
    for _ in range(n_keys):
        name = r.string()
        kind = r.take("<I")
        g.keys.append((name, kind, r.value(kind)))
    entries = []
    for _ in range(n_tensors):
        name = r.string()
        dims = [r.take("<Q") for _ in range(r.take("<I"))]
        entries.append((name, dims, r.take("<I"), r.take("<Q")))
    start = g.aligned(r.at)
    ends = [e[3] for e in entries[1:]] + [len(r.data) - start]
    for (name, dims, kind, offset), end in zip(entries, ends):
        size = 4
        for d in dims:
            size *= d
        assert kind == 0 and offset + size <= end
        g.tensors.append(Tensor(name, dims, kind, r.data[start + offset:start + offset + size]))
    return g


def base_gguf():
    g = read_gguf(GGUF)
    for name, kind, value in tokenizer_metadata():
        g.set(name, kind, value)
    return g


# ---- safetensors --------------------------------------------------------------------------------

class Safetensors:
    """entries: list of (name, fields), so that a name can come twice; text overrides all of them."""

    def __init__(self, data):
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + size])
        self.entries = list(header.items())
        self.data = data[8 + size:]
        self.length = self.text = None
        self.padding = b""

    def entry(self, name):
        return next(fields for key, fields in self.entries if key == name)

    def change(self, name, **fields):
        self.entries = [(k, dict(v, **fields)) if k == name else (k, v) for k, v in self.entries]

    def header(self):
        if self.text is not None:
            return self.text
        parts = (json.dumps(k) + ":" + (v.decode() if isinstance(v, Raw) else json.dumps(v))
                 for k, v in self.entries)
        return ("{" + ",".join(parts) + "}").encode() + self.padding

    def __bytes__(self):
        header = self.header()
        length = len(header) if self.length is None else self.length
        return struct.pack("<Q", length) + header + self.data

    def copy(self):
        other = copy.copy(self)
        other.entries = [(k, copy.deepcopy(v)) for k, v in self.entries]
        return other


def base_safetensors():
    return Safetensors((HF / "model.safetensors").read_bytes())


# ---- a Hugging Face directory -------------------------------------------------------------------

def base_config():
    return json.loads((HF / "config.json").read_text())


class Directory:
    """Files of a model directory; bytes, or a Path that is linked to instead of copied."""

    def __init__(self):
        self.files = {
            "config.json": json.dumps(base_config(), indent=1).encode(),
            "generation_config.json": b'{"bos_token_id": 1, "eos_token_id": [2], "top_k": 20}',
            "tokenizer.json": json.dumps(tokenizer_json()).encode(),
            "tokenizer_config.json": json.dumps(
                {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>",
                 "chat_template": TEMPLATE}).encode(),
            "model.safetensors": HF / "model.safetensors"}

    def write(self, path):
        path.mkdir(parents=True)
        for name, content in self.files.items():
            if isinstance(content, Path):
                os.symlink(content, path / name)
            elif content is not None:
                (path / name).write_bytes(bytes(content))


def sharded_directory():
    d = Directory()
    d.files["config.json"] = SHARDED / "config.json"
    del d.files["model.safetensors"]
    for name in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"):
        d.files[name] = SHARDED / name
    d.files["model.safetensors.index.json"] = (SHARDED / "model.safetensors.index.json").read_bytes()
    return d
