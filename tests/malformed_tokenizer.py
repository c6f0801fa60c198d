"""K1 to K12: tokenizer.json, and the same faults in GGUF metadata where it can have them."""
import json

from malformed_base import (ALPHABET, ARRAY, F32, I32, MERGES, SPECIALS, STRING, VOCABULARY,
                            base_gguf, tokenizer_json)


def tokenizer(cases, case, expect, change, says=()):
    """tokenizer.json after change(t); change may return bytes to write instead."""
    t = tokenizer_json()
    content = change(t)
    if not isinstance(content, bytes):
        content = json.dumps(t).encode()
    cases.files(case, expect, says, tokenizer__json=content)


def ids(cases):
    def vocab(**words):
        return lambda t: t["model"]["vocab"].update(words)

    tokenizer(cases, "K0-valid", "loads", lambda t: None)
    tokenizer(cases, "K1-gap", "loads", vocab(zz=100))
    tokenizer(cases, "K1-duplicate-id", "refused", vocab(zz=50), "tokenizer.json")
    for name, value in (("2e31", 2**31), ("negative", -1), ("float", 95.5), ("string", "95"),
                        ("null", None), ("2e63", 2**63), ("beyond-rows", 101)):
        tokenizer(cases, f"K1-{name}", "refused" if name != "beyond-rows" else "either",
                  vocab(zz=value))
    tokenizer(cases, "K1-duplicate-text", "refused",
              lambda t: json.dumps(t).replace('"!": 3', '"!": 3, "!": 99').encode(), "twice")


def merges(cases):
    def listed(*items, keep=True):
        def change(t):
            t["model"]["merges"] = (t["model"]["merges"] if keep else []) + list(items)
        return change

    for name, item in (("absent-part", "q zz"), ("absent-result", "q j"), ("no-parts", ""),
                       ("one-part", "th"), ("three-parts", "t h e"), ("number", 7), ("null", None),
                       ("object", {"a": "t"})):
        tokenizer(cases, f"K2-{name}", "refused", listed(item), "merges")
    tokenizer(cases, "K2-duplicate", "either", listed("t h"))
    cycle = {"ab": 95, "ba": 96, "aba": 97}

    def loop(t):
        t["model"]["vocab"].update(cycle)
        t["model"]["merges"] = ["a b", "b a", "ab a", "a ba"]
    tokenizer(cases, "K2-cycle", "loads", loop)
    tokenizer(cases, "K3-mixed", "refused", listed(["t", "e"]), "merges")
    tokenizer(cases, "K3-pairs", "loads", lambda t: t["model"].update(
        merges=[list(pair) for pair in MERGES]))
    tokenizer(cases, "K3-pair-of-three", "refused",
              lambda t: t["model"].update(merges=[["t", "h", "e"]]), "merges")
    if cases.long:
        text = json.dumps(tokenizer_json())
        many = ",".join(['"t h"'] * 10_000_000)
        cases.files("K2-ten-million", "either", tokenizer__json=text.replace(
            '"merges": [', '"merges": [' + many + ",").encode())


def added(cases):
    def more(*contents, **fields):
        def change(t):
            for i, content in enumerate(contents):
                t["added_tokens"].append(dict(
                    {"id": len(VOCABULARY) + i, "content": content, "single_word": False,
                     "lstrip": False, "rstrip": False, "normalized": False, "special": True},
                    **fields))
        return change

    for name, contents in (("empty", [""]), ("mebibyte", ["x" * (1 << 20)]),
                           ("overlap", ["<|a|>", "<|a|><|b|>", "|a|"]), ("space", [" "]),
                           ("twice", ["<|a|>", "<|a|>"])):
        tokenizer(cases, f"K4-{name}", "either", more(*contents))
    tokenizer(cases, "K4-nul", "refused", lambda t: json.dumps(t).replace(
        "<|im_start|>", "a\\u0000b").encode(), ["tokenizer.json", "offset"])
    for key, value in (("id", -1), ("id", 2**31), ("id", "93"), ("content", 7), ("content", None),
                       ("special", "yes")):
        tokenizer(cases, f"K4-{key}-{value}", "refused" if key != "special" else "either",
                  more("<|a|>", **{key: value}))
    tokenizer(cases, "K4-other-id", "refused", more("<|im_end|>"))


def fallback(cases):
    """K5: byte tokens of SentencePiece-style BPE."""
    def family(words):
        def change(t):
            t["model"]["byte_fallback"] = True
            t["model"]["vocab"] = {w: i for i, w in enumerate(words)}
            t["model"]["merges"] = []
            t["model"]["unk_token"] = "<unk>"
            t["pre_tokenizer"] = None
            t["normalizer"] = {"type": "Sequence", "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
            t["decoder"] = {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"}, {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
        return change

    base = SPECIALS + ["<unk>", "▁", "a", "b"]
    for text in ("<0x-1>", "<0xZZ>", "<0x100>", "<0x>", "<0x4", "<0x41>"):
        tokenizer(cases, f"K5-{text.strip('<>')}", "either", family(base + [text]))
    tokenizer(cases, "K5-no-bytes", "either", family(base))

    def gguf_bytes(cases, text):
        g = base_gguf()
        words = ["<unk>", "<s>", "</s>", text, "▁", "a", "b"]
        g.set("tokenizer.ggml.model", STRING, "llama")
        g.set("tokenizer.ggml.pre", STRING, "default")
        g.set("tokenizer.ggml.tokens", ARRAY, (STRING, words))
        g.set("tokenizer.ggml.scores", ARRAY, (F32, [0.0] * len(words)))
        g.set("tokenizer.ggml.token_type", ARRAY, (I32, [2, 3, 3, 6, 1, 1, 1]))
        g.drop("tokenizer.ggml.merges")
        cases.file(f"K5-gguf-{text.strip('<>')}", g, "either")
    for text in ("<0x-1>", "<0xZZ>", "<0x100>", "<0x41>"):
        gguf_bytes(cases, text)


def texts(cases):
    def replaced(old, new):
        return lambda t: json.dumps(t).encode().replace(old, new, 1)

    for name, new in (("utf8", b'"\xff": 3'), ("surrogate", b'"\\ud800": 3'),
                      ("nul", b'"\\u0000": 3')):
        tokenizer(cases, f"K6-{name}", "refused", replaced(b'"!": 3', new),
                  ["tokenizer.json", "offset"])
    g = base_gguf()
    words = list(g.key("tokenizer.ggml.tokens")[2][1])
    for name, text in (("utf8", b"\xff\xfe"), ("nul", b"a\0b"), ("empty", b""),
                       ("long", b"x" * (1 << 20))):
        g = base_gguf()
        g.set("tokenizer.ggml.tokens", ARRAY, (STRING, words[:-1] + [text]))
        cases.file(f"K6-gguf-{name}", g, "either")


def patterns(cases):
    def split(regex):
        def change(t):
            t["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {"Regex": regex}
        return change

    for name, regex, expect in (
            ("nested-plus", "(a+)+$", "either"), ("alternation", "(?:a|aa)*b", "either"),
            ("code-unit", r"\C", "either"), ("parens", "(" * 300 + "a" + ")" * 300, "either"),
            ("long", "a" * 70000, "either"), ("recursion", "(?R)", "either"),
            ("callout", "(?C)", "either"), ("limit", "(*LIMIT_MATCH=1)a", "either"),
            ("empty", "", "either"), ("matches-empty", "a*", "either"),
            ("unknown-property", r"\p{Xyz}", "refused"), ("unbalanced", "(a", "refused"),
            ("bad-range", "[z-a]", "refused"), ("utf-off", "(*NO_UTF_CHECK)a", "either"),
            ("accept", "(*ACCEPT)", "either"), ("backreference", r"(a)\9", "either"),
            ("lookbehind", "(?<=a+)b", "either")):
        tokenizer(cases, f"K7-{name}", expect, split(regex))
    tokenizer(cases, "K7-number", "refused", split(7))


def stages(cases):
    for key, value in (("normalizer", {"type": "Unheard"}), ("normalizer", {}), ("normalizer", "NFC"),
                       ("pre_tokenizer", {"type": "Unheard"}), ("pre_tokenizer", [1]),
                       ("decoder", {"type": "Unheard"})):
        tokenizer(cases, f"K8-{key}-{json.dumps(value)[:6].strip('{}[]: ' + chr(34)) or 'empty'}"
                  f"-{'object' if value == {} else type(value).__name__}", "refused",
                  lambda t, k=key, v=value: t.update({k: v}))
    tokenizer(cases, "K8-model", "refused", lambda t: t["model"].update(type="Unigram"), "Unigram")
    tokenizer(cases, "K8-model-missing", "refused", lambda t: t.pop("model") and None, "model")
    tokenizer(cases, "K8-model-list", "refused", lambda t: t.update(model=[]), "model")
    g = base_gguf()
    g.set("tokenizer.ggml.pre", STRING, "unheard-of")
    cases.file("K8-gguf-pre", g, "refused", "unheard-of")
    g = base_gguf()
    g.set("tokenizer.ggml.model", STRING, "unheard-of")
    cases.file("K8-gguf-model", g, "refused", "unheard-of")

    def nested(t):
        text = json.dumps(t)
        deep = '{"type":"Sequence","normalizers":[' * 10000 + '{"type":"NFC"}' + "]}" * 10000
        return text.replace('{"type": "NFC"}', deep).encode()
    tokenizer(cases, "K10-nested", "refused", nested, ["tokenizer.json", "nested"])


def sizes(cases):
    cases.files("K11-no-bos", "loads", tokenizer_config__json=b"{}")
    cases.files("K11-no-tokenizer", "loads", tokenizer__json=None)
    cases.files("K11-no-config", "loads", tokenizer_config__json=None)
    tokenizer(cases, "K11-unk-missing", "refused",
              lambda t: t["model"].update(unk_token="<unheard>"))
    tokenizer(cases, "K11-bytes-missing", "loads", lambda t: t["model"].update(
        vocab={w: i for w, i in VOCABULARY.items() if w != ALPHABET[0]}))
    tokenizer(cases, "K12-empty", "either", lambda t: t["model"].update(vocab={}, merges=[]))
    tokenizer(cases, "K12-one", "either",
              lambda t: t["model"].update(vocab={"a": 3}, merges=[]))
    for name, words in (("empty", []), ("one", ["a"])):
        g = base_gguf()
        g.set("tokenizer.ggml.tokens", ARRAY, (STRING, words))
        g.set("tokenizer.ggml.token_type", ARRAY, (I32, [1] * len(words)))
        g.set("tokenizer.ggml.merges", ARRAY, (STRING, []))
        cases.file(f"K12-gguf-{name}", g, "either")
    if cases.long:
        words = b",".join(b'"w%x":%d' % (i, i) for i in range(3, 16 << 20))
        cases.files("K12-16-million", "refused", "tokenizer.json", tokenizer__json=json.dumps(
            tokenizer_json()).encode().replace(b'"vocab": {', b'"vocab": {' + words + b",", 1))


def make(cases):
    for part in (ids, merges, added, fallback, texts, patterns, stages, sizes):
        part(cases)
