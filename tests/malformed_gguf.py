"""G1 to G34: GGUF files that are broken, and the special files that a path may name."""
import os
import struct

from malformed_base import (ARRAY, BOOL, F32, I32, STRING, U16, U32, U64, U8, Raw, base_gguf,
                            string)

ESCAPE = "\x1b]52;c;AAAA\x07"


def u32(v):
    return Raw(struct.pack("<I", v % 2**32))


def u64(v):
    return Raw(struct.pack("<Q", v % 2**64))


def changed(cases, case, expect, change, says=()):
    """The base after change(g)."""
    g = base_gguf()
    change(g)
    cases.file(case, g, expect, says)


def header(cases):
    whole = bytes(base_gguf())
    cases.file("G0-valid", whole, "loads")
    cases.file("G1-empty", b"", "refused", "offset 0")
    cases.file("G2-magic-only", b"GGUF", "refused", "offset 4")
    changed(cases, "G3-bad-magic", "refused", lambda g: setattr(g, "magic", b"FUGG"), "offset 0")
    for version in (0, 1, 4, 2**31):
        changed(cases, f"G4-version-{version}", "refused",
                lambda g, v=version: setattr(g, "version", v), ["offset 4", "version"])
    changed(cases, "G4-version-2", "loads", lambda g: setattr(g, "version", 2))
    changed(cases, "G5-byte-swapped", "refused", lambda g: setattr(g, "version", 0x03000000),
            "byte-swapped")
    g = base_gguf()
    for letter, field, present in (("G6", "n_tensors", len(g.tensors)),
                                   ("G7", "n_keys", len(g.keys))):
        for count in (2**64 - 1, 2**63, 2**32, present + 1, present - 1):
            changed(cases, f"{letter}-{field}-{count}", "refused",
                    lambda g, f=field, c=count: setattr(g, f, u64(c)), "offset")


def with_key(name, kind=U32, value=1):
    """Puts one more key in front of the others."""
    return lambda g: g.keys.insert(0, (name, kind, value))


def keys(cases):
    changed(cases, "G8-empty-key", "refused", with_key(""), "empty")
    size = len(bytes(base_gguf()))
    for length in (2**64 - 1, 2**63, 65536, size + 1):
        changed(cases, f"G9-key-length-{length}", "refused",
                with_key(Raw(struct.pack("<Q", length) + b"k" * 64)), ["offset 24", "length"])
    changed(cases, "G9-key-length-65535", "loads", with_key("k" * 65535))
    for name, text in (("nul", b"a\0b"), ("escape", ESCAPE.encode()), ("utf8", b"a\xff\xfe")):
        changed(cases, f"G10-key-{name}", "refused", with_key(text), "printable")
    changed(cases, "G11-duplicate-key", "refused", with_key("general.architecture", STRING, "x"),
            "appears twice")
    for kind in (13, 255, -1):
        changed(cases, f"G12-value-type-{kind}", "refused", with_key("k", u32(kind), Raw(b"\0" * 8)),
                ["k", "no type"])


def arrays(cases):
    nested = struct.pack("<IQ", ARRAY, 1) * 10000 + struct.pack("<IQB", U8, 1, 0)
    changed(cases, "G13-nested-arrays", "refused", with_key("k", ARRAY, Raw(nested)),
            "array of arrays")
    changed(cases, "G13-element-type-13", "refused",
            with_key("k", ARRAY, Raw(struct.pack("<IQ", 13, 1) + b"\0" * 8)), "no type")
    changed(cases, "G13-count-wraps", "refused",
            with_key("k", ARRAY, Raw(struct.pack("<IQ", U64, 2**62) + b"\0" * 8)), "k")
    changed(cases, "G13-count-wraps-to-eight", "refused",
            with_key("k", ARRAY, Raw(struct.pack("<IQ", U64, 2**61 + 1) + b"\0" * 8)), "k")
    changed(cases, "G13-strings-beyond-file", "refused",
            with_key("k", ARRAY, Raw(struct.pack("<IQ", STRING, 2**26))), "k")
    changed(cases, "G13-array-empty", "loads", with_key("k", ARRAY, (U8, [])))
    changed(cases, "G13-bool-of-two", "refused", with_key("k", BOOL, 2), "boolean")
    header_only = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + string("k")
    cases.file("G27-string-beyond-file", header_only + struct.pack("<IQ", STRING, 2**31) + b"x" * 40,
               "refused", ["offset", "k"])
    count = (16 << 20) // 18
    many = b"".join(struct.pack("<Q5sIB", 5, b"%05x" % i, U8, 0) for i in range(count))
    cases.file("G28-many-keys", b"GGUF" + struct.pack("<IQQ", 3, 0, count) + many, "refused",
               "number of keys")
    most = b"".join(struct.pack("<Q5sIB", 5, b"%05x" % i, U8, 0) for i in range(65536))
    cases.file("G28-most-keys", b"GGUF" + struct.pack("<IQQ", 3, 0, 65536) + most, "refused",
               "general.architecture")


def tensors(cases):
    """The first tensor, or a fake one behind the others, gets odd dimensions or types."""
    def first(**fields):
        def change(g):
            for field, value in fields.items():
                setattr(g.tensors[0], field, value)
        return change

    def resized(*dims):
        return first(dims=[u64(d) for d in dims])

    for case, dims in (("G14-wraps-to-zero", (2**32, 2**32)), ("G15-wraps-negative", (2**31, 2**32)),
                       ("G17-dim-0", (0, 101)), ("G17-dim-minus-1", (2**64 - 1, 101)),
                       ("G17-dim-max", (2**63 - 1, 1)), ("G18-pad-wraps", ((2**64 - 1) // 4,)),
                       ("G18-pad-wraps-exactly", (2**62 - 1,))):
        changed(cases, case, "refused", resized(*dims), ["token_embd.weight"])
    for count in (0, 5, 2**32 - 1):
        changed(cases, f"G16-dims-{count}", "refused", first(count=u32(count)),
                ["token_embd.weight", "dimensions"])

    def sum_wraps(g):
        for i, name in enumerate(("huge.0", "huge.1")):
            g.tensors.append(type(g.tensors[0])(name, [u64(0x7FFFFFFFFFFFFFC0)], 24, b""))
            g.tensors[-1].offset = u64(sum(g.aligned(len(t.data)) for t in g.tensors) +
                                       i * 0x7FFFFFFFFFFFFFC0)
    changed(cases, "G19-sum-wraps", "refused", sum_wraps, "huge.")
    for kind in (4, 5, 255, -1):
        changed(cases, f"G20-type-{kind}", "refused", first(kind=u32(kind)), "unknown type")
    changed(cases, "G20-type-unreadable", "refused", first(kind=u32(24), data=bytes(101 * 40)),
            ["I8", "token_embd.weight"])
    changed(cases, "G21-part-of-a-block", "refused", first(kind=u32(8)), "blocks of 32")
    for name, kind in (("IQ2_XXS", 16), ("IQ2_XS", 17), ("IQ3_XXS", 18), ("IQ1_S", 19), ("IQ3_S", 21),
                       ("IQ2_S", 22), ("IQ1_M", 29)):
        changed(cases, f"G21-part-of-a-block-{name}", "refused", first(kind=u32(kind)),
                [name, "blocks of 256"])


def names(cases):
    def named(name):
        def change(g):
            g.tensors.append(type(g.tensors[0])(name, [1], 0, b"\0" * 4))
        return change

    changed(cases, "G22-name-63", "refused", named("n" * 63), "would be left out")
    changed(cases, "G22-name-64", "refused", named("n" * 64), "would be left out")
    changed(cases, "G22-name-65", "refused", named("n" * 65), "65")
    changed(cases, "G22-name-empty", "refused", named(""), "empty")
    changed(cases, "G22-name-duplicate", "refused", named("token_embd.weight"), "appears twice")
    changed(cases, "G22-name-escape", "refused", named(ESCAPE), "printable")


def offsets(cases):
    def second(offset):
        return lambda g: setattr(g.tensors[1], "offset", offset)

    at = base_gguf().aligned(len(base_gguf().tensors[0].data))
    for name, offset in (("max", 2**64 - 1), ("unaligned", at + 1), ("overlap", 0),
                         ("gap", at + 32), ("back", at - 32)):
        changed(cases, f"G23-offset-{name}", "refused", second(u64(offset)), ["offset", "attn_q"])

    def swapped(g):
        g.tensors[1].offset, g.tensors[2].offset = u64(at + g.aligned(len(g.tensors[1].data))), u64(at)
    changed(cases, "G23-out-of-order", "refused", swapped, "attn_q")
    whole = bytes(base_gguf())
    header_size = base_gguf().aligned(len(base_gguf().header()))
    for name, size in (("one", len(whole) - 1), ("half", header_size + (len(whole) - header_size) // 2),
                       ("data", header_size), ("padding", len(base_gguf().header()))):
        cases.file(f"G24-cut-{name}", whole[:size], "refused", "offset")
    cases.file("G25-one-byte-more", whole + b"\0", "loads")
    cases.file("G25-mebibyte-more", whole + bytes(1 << 20), "refused", "follow the last tensor")


def alignment(cases):
    for value in (0, 13, 2**31, 2**32 - 1):
        changed(cases, f"G26-alignment-{value}", "refused",
                lambda g, v=value: g.keys.append(("general.alignment", U32, v)),
                "general.alignment")

    def one(g):
        g.alignment = 1
        g.keys.append(("general.alignment", U32, 1))
    changed(cases, "G26-alignment-1", "loads", one)
    changed(cases, "G26-alignment-i32", "refused",
            lambda g: g.keys.append(("general.alignment", I32, 32)), "general.alignment")
    changed(cases, "G26-alignment-string", "refused",
            lambda g: g.keys.append(("general.alignment", STRING, "32")), "general.alignment")


def metadata(cases):
    arch = "general.architecture"
    changed(cases, "G29-missing", "refused", lambda g: g.drop(arch), [arch, "missing"])
    changed(cases, "G29-number", "refused", lambda g: g.set(arch, U32, 7), arch)
    for name, text in (("long", "a" * (1 << 20)), ("path", "../../x"), ("format", "%n%s%n%s"),
                       ("escape", ESCAPE), ("empty", ""), ("nul", "qwen3moe\0")):
        changed(cases, f"G29-{name}", "refused", lambda g, t=text: g.set(arch, STRING, t), arch)
    key = "qwen3moe.block_count"
    for value in (0, 3, 513, 2**32 - 1):
        changed(cases, f"G30-block-count-{value}", "refused",
                lambda g, v=value: g.set(key, U32, v),
                [] if value in (3, 513) else [key, str(value)])
    changed(cases, "G30-block-count-string", "refused", lambda g: g.set(key, STRING, "2"), key)
    changed(cases, "G30-block-count-array", "refused", lambda g: g.set(key, ARRAY, (U32, [2])), key)
    for name, kind, value in (("eps-zero", F32, 0.0), ("eps-nan", F32, float("nan")),
                              ("eps-string", STRING, "1e-6")):
        changed(cases, f"G30-{name}", "refused", lambda g, k=kind, v=value: g.set(
            "qwen3moe.attention.layer_norm_rms_epsilon", k, v), "layer_norm_rms_epsilon")
    for suffix in ("context_length", "embedding_length", "attention.head_count",
                   "attention.head_count_kv", "attention.key_length", "expert_count",
                   "expert_used_count", "expert_feed_forward_length", "rope.dimension_count"):
        for value in (0, 1, 2**31, 2**32 - 1):
            changed(cases, f"G30-{suffix}-{value}", "either",
                    lambda g, s=suffix, v=value: g.set(f"qwen3moe.{s}", U32, v))
        changed(cases, f"G30-{suffix}-u64", "refused",
                lambda g, s=suffix: g.set(f"qwen3moe.{s}", U64, 2**64 - 1), suffix)


def splits(cases):
    """Two files; the first is named, the second may be missing or wrong."""
    def write(case, expect, says, first=(0, 2), second=(1, 2), drop_second=False, same=False):
        base, folder = base_gguf(), cases.root / case
        folder.mkdir()
        for part, (number, count) in enumerate((first, second)):
            g = base.copy()
            g.tensors = base.tensors[:5] if part == 0 or same else base.tensors[5:]
            g.keys = base.keys if part == 0 else []
            g.keys = g.keys + [("split.no", U16, number), ("split.count", U16, count),
                               ("split.tensors.count", I32, len(base.tensors))]
            if part == 0 or not drop_second:
                (folder / f"m-{part + 1:05}-of-00002.gguf").write_bytes(bytes(g))
        cases.add(case, folder / "m-00001-of-00002.gguf", expect, says)

    write("G31-valid", "loads", [])
    write("G31-count-65535", "refused", "split", first=(0, 65535))
    write("G31-count-other", "refused", "00003", first=(0, 3))
    write("G31-number-beyond", "refused", "split.no", first=(2, 2))
    write("G31-second-of-wrong-number", "refused", "split.no", second=(0, 2))
    write("G31-second-missing", "refused", "m-00002-of-00002.gguf", drop_second=True)
    write("G31-second-is-first", "refused", "appears twice", same=True)
    case = "G31-second-named"
    write(case + "-files", "loads", [])
    cases.add(case, cases.root / (case + "-files") / "m-00002-of-00002.gguf", "refused",
              "m-00001-of-00002.gguf")


def vocabularies(cases):
    words = base_gguf().key("tokenizer.ggml.tokens")[2][1]
    n, types = len(words), "tokenizer.ggml.token_type"
    for name, value in (("u8", (U8, [1] * n)), ("shorter", (I32, [1] * (n - 1))),
                        ("longer", (I32, [1] * (n + 1))), ("strings", (STRING, ["1"] * n)),
                        ("f32", (F32, [1.0] * n))):
        changed(cases, f"G32-types-{name}", "refused",
                lambda g, v=value: g.set(types, ARRAY, v), types)

    def llama(scores):
        def change(g):
            g.set("tokenizer.ggml.model", STRING, "llama")
            g.set("tokenizer.ggml.scores", ARRAY, scores)
        return change
    for name, value in (("u8", (U8, [1] * n)), ("shorter", (F32, [0.0] * (n - 1))),
                        ("longer", (F32, [0.0] * (n + 1)))):
        changed(cases, f"G32-scores-{name}", "refused", llama(value), "tokenizer.ggml")
    changed(cases, "G32-tokens-beyond-rows", "refused",
            lambda g: g.set("tokenizer.ggml.tokens", ARRAY,
                            (STRING, words + [f"x{i}" for i in range(102 - n)])), "tokens")


def special_files(cases):
    root = cases.root
    os.mkfifo(root / "G33-fifo.gguf")
    cases.add("G33-fifo", root / "G33-fifo.gguf", "refused", "not a regular file")
    (root / "G33-directory").mkdir()
    cases.add("G33-directory", root / "G33-directory", "refused", "config.json")
    cases.add("G33-dev-zero", "/dev/zero", "refused", "not a regular file")
    os.symlink("G33-loop.gguf", root / "G33-loop.gguf")
    cases.add("G33-loop", root / "G33-loop.gguf", "refused")
    cases.add("G33-absent", root / "G33-absent.gguf", "refused", "no such file")
    if os.geteuid() != 0:  # root may read everything
        (root / "G33-unreadable.gguf").write_bytes(bytes(base_gguf()))
        (root / "G33-unreadable.gguf").chmod(0)
        cases.add("G33-unreadable", root / "G33-unreadable.gguf", "refused", "Permission denied")


def make(cases):
    for part in (header, keys, arrays, tensors, names, offsets, alignment, metadata, splits,
                 vocabularies, special_files):
        part(cases)
