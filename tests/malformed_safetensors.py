"""S1 to S18: safetensors files and indexes that are broken."""
import json
import math
import struct

from malformed_base import Directory, Raw, base_config, base_safetensors, sharded_directory

FIRST = "lm_head.weight"  # the first tensor of the file; model.embed_tokens.weight follows it
SECOND = "model.embed_tokens.weight"


def model(cases, case, content, expect, says=()):
    """A directory whose model.safetensors is `content`."""
    cases.files(case, expect, says, model__safetensors=bytes(content))


def changed(cases, case, expect, change, says=()):
    s = base_safetensors()
    change(s)
    model(cases, case, s, expect, says)


def framing(cases):
    s = base_safetensors()
    whole, text = bytes(s), s.header()
    cases.directory("S0-valid", Directory(), "loads")
    for name, content in (("empty", b""), ("seven-bytes", whole[:7]), ("length-0", bytes(8)),
                          ("length-1", struct.pack("<Q", 1) + b"{")):
        model(cases, f"S1-{name}", content, "refused", "offset")
    for length in (100000001, 2**63, 2**64 - 1, len(whole) - 7):
        changed(cases, f"S2-length-{length}", "refused",
                lambda s, n=length: setattr(s, "length", n), ["offset 0", "length"])
    for name, content in (("utf8", text[:-1] + b',"\xff":1}'), ("text", b"hello"), ("list", b"[]"),
                          ("leading-space", b" " + text), ("bom", b"\xef\xbb\xbf" + text),
                          ("trailing-text", text + b"x"), ("trailing-object", text + b"{}"),
                          ("open", text[:-1]), ("null", b"null")):
        changed(cases, f"S3-{name}", "refused", lambda s, t=content: setattr(s, "text", t), "offset")
    changed(cases, "S3-trailing-spaces", "loads", lambda s: setattr(s, "padding", b" " * 13))


def raw_entry(s, text):
    """Replaces the first entry's value by JSON text."""
    s.entries = [(k, Raw(text.encode()) if k == FIRST else v) for k, v in s.entries]


def entries(cases):
    fields = base_safetensors().entry(FIRST)
    begin, end = fields["data_offsets"]
    for name, offsets in (("begin-beyond-end", [end, begin]), ("negative", [-1, end]),
                          ("exponent", Raw(b"[0,1.616e4]")), ("exponent-3", Raw(b"[1e3,16160]")),
                          ("fraction", Raw(b"[0.5,16160]")), ("point-zero", Raw(b"[0.0,16160]")),
                          ("string", ["0", end]), ("three", [begin, end, end]), ("one", [begin]),
                          ("none", []), ("object", {}), ("null", None),
                          ("huge", Raw(b"[0,18446744073709551616]"))):
        text = offsets.decode() if isinstance(offsets, Raw) else json.dumps(offsets)
        changed(cases, f"S4-offsets-{name}", "refused", lambda s, t=text: raw_entry(
            s, '{"dtype":"F32","shape":[101,40],"data_offsets":' + t + "}"), "offset")
    for missing in ("dtype", "shape", "data_offsets"):
        left = {k: v for k, v in fields.items() if k != missing}
        changed(cases, f"S4-no-{missing}", "refused",
                lambda s, v=left: raw_entry(s, json.dumps(v)), "offset")
    changed(cases, "S4-unknown-field", "refused", lambda s: s.change(FIRST, strides=[1]), "strides")
    changed(cases, "S4-no-object", "refused", lambda s: raw_entry(s, "[]"), "offset")

    def shared(s):
        s.entries += [(f"copy.{i}", dict(fields)) for i in range(10)]
    changed(cases, "S5-same-bytes", "refused", shared, "copy.")


def cover(cases):
    def insert(s, count):
        """Moves all data but the first tensor's by `count` bytes."""
        at = s.entry(FIRST)["data_offsets"][1]
        for name, fields in s.entries:
            if name not in (FIRST, "__metadata__"):
                s.change(name, data_offsets=[o + count for o in fields["data_offsets"]])
        s.data = s.data[:at] + bytes(count) + s.data[at:] if count > 0 else s.data[:at + count] + s.data[at:]
    changed(cases, "S6-hole", "refused", lambda s: insert(s, 1), SECOND)
    changed(cases, "S6-overlap", "refused", lambda s: insert(s, -1), SECOND)
    changed(cases, "S6-byte-short", "refused", lambda s: setattr(s, "data", s.data[:-1]), "offset")
    changed(cases, "S6-byte-more", "refused", lambda s: setattr(s, "data", s.data + b"\0"), "offset")
    zip_end = b"PK\5\6" + bytes(18) + b"polyglot tail"
    changed(cases, "S7-polyglot", "refused", lambda s: setattr(s, "data", s.data + zip_end), "offset")
    for name, shape in (("shape", [2, 2**64 - 2]), ("bytes", [2, 2**63 - 1])):
        changed(cases, f"S8-{name}-wraps", "refused",
                lambda s, v=shape: s.change(FIRST, shape=v), FIRST)


def extra(name, fields):
    return lambda s: s.entries.append((name, fields))


def shapes(cases):
    total = len(base_safetensors().data)

    def scalar(s):
        s.entries.append(("mtp.extra", {"dtype": "F32", "shape": [], "data_offsets": [total, total + 4]}))
        s.data += bytes(4)
    changed(cases, "S9-scalar", "loads", scalar)
    for name, shape in (("empty", [0]), ("empty-row", [2, 0])):
        changed(cases, f"S9-{name}", "loads", extra(
            "mtp.extra", {"dtype": "F32", "shape": shape, "data_offsets": [total, total]}))
    changed(cases, "S9-65-dims", "refused", lambda s: s.change(FIRST, shape=[1] * 63 + [101, 40]),
            "offset")
    changed(cases, "S9-needed-scalar", "refused",
            lambda s: s.change(FIRST, shape=[101 * 40]), FIRST)
    for kind in ("F4", "f32", "float32", "", 7, None):
        changed(cases, f"S10-dtype-{kind}", "refused", lambda s, k=kind: s.change(FIRST, dtype=k),
                "dtype")

    def eight_bits(s):
        begin = s.entry(FIRST)["data_offsets"][0]
        s.change(FIRST, dtype="F8_E4M3", shape=[101, 160], data_offsets=[begin, begin + 16160])
    changed(cases, "S10-F8-needed", "refused", eight_bits, FIRST)
    changed(cases, "S10-I32-needed", "refused", lambda s: s.change(FIRST, dtype="I32"),
            [FIRST, "I32"])

    def unused(s):
        s.entries.append(("mtp.extra", {"dtype": "I64", "shape": [1], "data_offsets": [total, total + 8]}))
        s.data += bytes(8)
    changed(cases, "S10-I64-unused", "loads", unused)
    changed(cases, "S11-shape", "refused", lambda s: s.change(FIRST, shape=[101, 41]), FIRST)
    changed(cases, "S12-duplicate-name", "refused",
            extra(FIRST, base_safetensors().entry(FIRST)), "twice")
    for name, text in (("duplicate", b'{"a":"1","a":"2"}'), ("number", b'{"a":1}'),
                       ("object", b'{"a":{}}'), ("list", b"[]")):
        def change(s, t=text):
            s.entries = [(k, Raw(t) if k == "__metadata__" else v) for k, v in s.entries]
        changed(cases, f"S12-metadata-{name}", "refused", change, "offset")


def shards(cases):
    index_name = "model.safetensors.index.json"
    part = "model-00001-of-00002.safetensors"

    def index(cases, case, change, expect="refused", says=()):
        d = sharded_directory()
        content = json.loads(d.files[index_name])
        other = change(content["weight_map"], d)
        content = content if other is None else other
        d.files[index_name] = json.dumps(content).encode()
        cases.directory(case, d, expect, says)

    index(cases, "S13-valid", lambda m, d: None, "loads")
    index(cases, "S13-same-shard-twice",
          lambda m, d: d.files.update({"model-00002-of-00002.safetensors": d.files[part]}),
          says="twice")
    index(cases, "S13-in-no-shard", lambda m, d: m.update({"absent.weight": part}),
          says="absent.weight")
    name = next(iter(json.loads(sharded_directory().files[index_name])["weight_map"]))
    other = {part: "model-00002-of-00002.safetensors"}
    index(cases, "S13-in-the-other-shard",
          lambda m, d: m.update({name: other.get(m[name], part)}), says=name)
    index(cases, "S13-shard-missing",
          lambda m, d: d.files.update({"model-00002-of-00002.safetensors": None}),
          says="model-00002-of-00002.safetensors")
    index(cases, "S13-empty-map", lambda m, d: m.clear(), says="weight_map")
    index(cases, "S13-no-map", lambda m, d: {"metadata": {}}, says="weight_map")
    index(cases, "S13-map-is-list", lambda m, d: {"weight_map": []}, says="weight_map")
    index(cases, "S13-index-is-list", lambda m, d: [], expect="refused", says="weight_map")
    for number, target in enumerate(("/etc/passwd", "../S0-valid/model.safetensors", "a/b", "", ".",
                                     "..", "/dev/zero", "x" * 5000, "\x1b]52;c;A\x07", 7, None)):
        index(cases, f"S14-name-{number}", lambda m, d, t=target: m.update({name: t}),
              says="weight_map" if number not in (8,) else ())
    d = sharded_directory()
    d.files[index_name] = d.files[index_name].replace(part.encode(), b"a\\u0000b", 1)
    cases.directory("S14-name-nul", d, "refused", index_name)


def wrong_shapes(cases):
    def reshaped(name, shape):
        return lambda s: s.change(name, shape=shape)

    changed(cases, "S15-transposed", "refused", reshaped(SECOND, [40, 101]), SECOND)
    for case, key, value in (("vocabulary-more", "vocab_size", 102), ("vocabulary-less", "vocab_size", 100),
                             ("width-more", "hidden_size", 42), ("heads-more", "num_attention_heads", 8),
                             ("experts-more", "num_local_experts", 8),
                             ("experts-less", "num_local_experts", 6),
                             ("expert-width", "moe_intermediate_size", 21),
                             ("layers-more", "num_hidden_layers", 3), ("head-dim", "head_dim", 14)):
        config = dict(base_config(), **{key: value})
        cases.files(f"S15-{case}", "refused", config__json=json.dumps(config).encode())
    cases.files("S15-layers-less", "either",
                config__json=json.dumps(dict(base_config(), num_hidden_layers=1)).encode())


def values(cases):
    """Not a number, and infinities: the file is well-formed; the numbers come out as they are."""
    for name in ("model.embed_tokens.weight", "model.layers.0.input_layernorm.weight",
                 "model.layers.0.mlp.gate.weight", "model.layers.1.mlp.experts.3.down_proj.weight",
                 "lm_head.weight"):
        for word, value in (("nan", math.nan), ("inf", math.inf), ("minus-inf", -math.inf),
                            ("denormal", 1e-42)):
            def poison(s, n=name, v=value):
                at = s.entry(n)["data_offsets"][0]
                s.data = s.data[:at] + struct.pack("<f", v) * 8 + s.data[at + 32:]
            changed(cases, f"S17-{name}-{word}", "poisoned", poison)
    changed(cases, "S18-misaligned", "loads", lambda s: setattr(
        s, "padding", b" " * (1 + (8 - len(s.header()) % 8))))


def long_header(cases):
    if cases.long:
        parts = ",".join('"tensor.%078d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i
                         for i in range(720000))
        text = ("{" + parts + "}").encode()
        assert 95_000_000 < len(text) < 100_000_000
        model(cases, "S16-many-tensors", struct.pack("<Q", len(text)) + text, "refused")
    parts = ",".join('"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i
                     for i in range(100000))
    text = ("{" + parts + "}").encode()
    model(cases, "S16-100000-tensors", struct.pack("<Q", len(text)) + text, "refused")


def make(cases):
    for part in (framing, entries, cover, shapes, shards, wrong_shapes, values, long_header):
        part(cases)
