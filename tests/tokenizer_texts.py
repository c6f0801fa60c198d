"""Texts to try tokenizers on: the same list on every machine and every Python.

Characters are drawn from the Unicode 3.2 database that Python carries and from explicit ranges of
later emoji, so that no draw depends on the Unicode version of the Python that runs this.
"""
import random
import unicodedata

OLD = unicodedata.ucd_3_2_0

SCRIPTS = {
    "latin": (0x41, 0x24F), "greek": (0x370, 0x3FF), "cyrillic": (0x400, 0x4FF),
    "armenian": (0x531, 0x587), "hebrew": (0x591, 0x5F4), "arabic": (0x60C, 0x6FF),
    "syriac": (0x700, 0x74A), "devanagari": (0x901, 0x970), "bengali": (0x981, 0x9FA),
    "gurmukhi": (0xA02, 0xA74), "tamil": (0xB82, 0xBF2), "telugu": (0xC01, 0xC6F),
    "thai": (0xE01, 0xE5B), "lao": (0xE81, 0xEDD), "tibetan": (0xF00, 0xFCF),
    "myanmar": (0x1000, 0x1059), "georgian": (0x10A0, 0x10FB), "hangul jamo": (0x1100, 0x11F9),
    "ethiopic": (0x1200, 0x137C), "cherokee": (0x13A0, 0x13F4), "khmer": (0x1780, 0x17E9),
    "mongolian": (0x1800, 0x18A9), "greek extended": (0x1F00, 0x1FFE),
    "punctuation": (0x2000, 0x206F), "currency": (0x20A0, 0x20B1), "symbols": (0x2100, 0x23CE),
    "numbers": (0x2150, 0x2183), "boxes": (0x2500, 0x27BE), "braille": (0x2800, 0x28FF),
    "kana": (0x3041, 0x30FF), "cjk": (0x4E00, 0x9FA5), "cjk a": (0x3400, 0x4DB5),
    "yi": (0xA000, 0xA48C), "hangul": (0xAC00, 0xD7A3), "compatibility": (0xF900, 0xFA2D),
    "arabic forms": (0xFB50, 0xFDFC), "halfwidth": (0xFF01, 0xFFEE), "cjk b": (0x20000, 0x2A6D6),
    "mathematical": (0x1D400, 0x1D7FF), "gothic": (0x10330, 0x1034A),
}
EMOJI = [chr(c) for first, last in ((0x1F300, 0x1F5FF), (0x1F600, 0x1F64F), (0x1F680, 0x1F6C5),
                                    (0x1F910, 0x1F93A), (0x1F947, 0x1F96B))
         for c in range(first, last + 1)]
SEQUENCES = ["👨‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪🇫🇷🇯🇵", "❤️", "1️⃣", "#️⃣", "👩🏿‍🚀", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🧑‍🤝‍🧑", "☎️", "👁️‍🗨️"]
MARKS = [chr(c) for c in range(0x300, 0x34F)] + ["\u0591", "\u05b0", "\u064b", "\u0651", "\u093c",
                                                "\u0e38", "\u302a", "\u3099"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\r", "\n\n", "\v", "\f", "\x1c", "\x1f", "\x85",
          "\xa0", "\u1680", "\u180e", "\u2000", "\u2003", "\u2009", "\u200b", "\u2028", "\u2029",
          "\u202f", "\u205f", "\u3000", "\ufeff", "\u2060", " \n ", "\t\t\t\t", " " * 24, " " * 33]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_start|>system\nyou<|im_end|>\n",
            "<think>", "</think>", "<tool_call>", "<s>", "</s>", "<unk>", "<0x0A>", "<0x41>",
            "[INST]", "<|eot_id|>", "<|begin_of_text|>", "<repo_name>", "<file_sep>", "<empty_output>",
            "|||EMAIL_ADDRESS|||", "<|extra_0|>", "<|", "|>", "<|im_", "<|im_end|", "▁", "▁▁", "Ġ",
            "Ċ", "Ġthe", "âĢĻ"]
# Marks that came after Unicode 9 and one letter with two parts: the library composes without them.
NEWER = ["e\u0898\u0301", "a\u0316\u0898\u0301\u0316", "x\u1abf\u0323\u0301", "o\u0308\u1df6\u0304",
         "\U00011935\U00011930", "\U00011938", "\u0d3b\u0301\u0316", "\U00010f46\u0316\U00010f48\u0301"]
SHORT = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'Re", "'ſ", "’s", "'sa", "''s",
         "'k", "'K"]
CODE = ["for (int i = 0; i < n; i++) {\n\tx[i] += 3;\n}\n", "def f(x):\n    return x**2\n\n",
        "SELECT * FROM t WHERE a='b' -- c\n", "<div class=\"a\">&nbsp;</div>\r\n", "a->b.c::d<e>(f&&g)",
        "#include <stdio.h>\n#define A(x) ((x)+1)\n", "{\"k\": [1, 2.5e-3, null, \"\\u00e9\"]}",
        "$ ls -la | grep '^d' > /dev/null 2>&1", "x = 0xDEADBEEF; y = 1_000_000", "\\begin{align}",
        "https://example.org/a/b?c=d&e=%20f#g", "~~~```python\n```", "====----____****++++"]
WORDS = ("the The THE of and to in is that it was for on are with as his they at be this from have "
         "or by one had not but what all were when we there can an your which their said if do "
         "will each about how up out them then she many some so these would other into has more "
         "consilium philosopher tokenizer Straße naïve café Ångström İstanbul ǅ ﬁne Москва "
         "東京 서울 Việt Nam ελληνικά العربية हिन्दी ไทย don't I'll we've SHOUTING camelCase "
         "snake_case kebab-case ALLCAPS123 x86_64 v1.2.3").split()


def old(first, last):
    return [chr(c) for c in range(first, last + 1) if OLD.category(chr(c)) not in ("Cn", "Cs", "Co")]


def number(draw):
    n = str(draw.randrange(10 ** draw.randrange(1, 13)))
    return draw.choice([n, "-" + n, n + "." + n, "0" * 7 + n, "٣" + n, n + "²½Ⅷ", "1,234,567", "3.14e-10"])


def piece(draw, scripts):
    kind = draw.randrange(13)
    if kind <= 2:
        return " ".join(draw.choices(WORDS, k=draw.randrange(1, 8)))
    if kind == 3:
        return draw.choice(SPACES) * draw.choice([1, 1, 1, 2, 5])
    if kind == 4:
        return number(draw)
    if kind == 5:
        return draw.choice(CODE)
    if kind == 6:
        return draw.choice(SPECIALS)
    if kind == 7:
        return draw.choice(WORDS) + draw.choice(SHORT) + draw.choice(["", " ", "x"])
    if kind == 8:
        return "".join(draw.choices(EMOJI, k=draw.randrange(1, 4))) + draw.choice(SEQUENCES)
    if kind == 9:
        base = draw.choice(["a", "e", "ö", "ὰ", "क", "가", "ᄀ", "1", " ", ""])
        return base + "".join(draw.choices(MARKS, k=draw.randrange(1, 7)))
    if kind == 10:
        return draw.choice(["\0", "\x01\x02", "\x7f", "\x1b[31m", "\0\0a", "\ufffd", "\U0010ffff", "\ue000"])
    if kind == 11:
        return draw.choice(".,;:!?-_/\\'\"()[]{}<>@#$%^&*+=|~`…—“”") * draw.randrange(1, 6)
    return "".join(draw.choices(scripts[draw.choice(sorted(scripts))], k=draw.randrange(1, 20)))


def texts(count=5000, seed=20260101):
    """count texts; the first ones are every list above by itself, then random mixtures."""
    draw = random.Random(seed)
    scripts = {name: old(*span) for name, span in SCRIPTS.items()}
    out = [""] + SPACES + SPECIALS + SHORT + CODE + SEQUENCES + MARKS + NEWER + WORDS
    out += [f"a{s}b" for s in SPACES + SPECIALS] + [f" {s} 1{s}" for s in SHORT + MARKS]
    out += [c * n for c in "A .\n1中é" for n in (2, 3, 7, 64, 300)]
    while len(out) < count:
        out.append("".join(piece(draw, scripts) for _ in range(draw.randrange(1, 9))))
    return out[:count]


def characters(step=64):
    """Every assigned character of Unicode 3.2 and the emoji, `step` to a text, between letters."""
    all_of_them = [chr(c) for c in range(0x110000)
                   if OLD.category(chr(c)) not in ("Cn", "Cs", "Co")] + EMOJI
    for i in range(0, len(all_of_them), step):
        yield "a".join(all_of_them[i:i + step])


# Text that is no UTF-8, with the offset of its first bad byte.
BROKEN = [(b"\x80", 0), (b"ab\xc3", 2), (b"\xc0\x80", 0), (b"abc\xed\xa0\x80", 3), (b"\xf4\x90\x80\x80", 0),
          (b"\xe0\x80\xaf", 0), (b"\xf5a", 0), (b"ok \xe2\x82", 3), (b"\xe2\x82\xac\xff", 3),
          (b"x" * 1000 + b"\xfe", 1000), (b"\xf0\x9f\x98\x80\xf0\x9f\x98", 4), (b"12345678\x80", 8)]
