"""J1 to J7: texts that are not JSON, in each of the files that hold JSON."""
from malformed_base import sharded_directory

FILES = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
         "model.safetensors.index.json"]

# What goes in place of the whole text: J1, J2, J4, J5, J7.
WHOLE = {
    "J1-empty": b"", "J1-space": b" \n", "J1-word": b"nul", "J1-open": b'{"a":1',
    "J1-comma": b'{"a":1,}', "J1-single-quotes": b"{'a':1}", "J1-comment": b"{/**/}",
    "J1-two": b"{}{}", "J1-tail": b"{} x", "J1-control": b'{"a":"\n"}', "J1-nul": b'{"a":1}\0',
    "J2-arrays": b"[" * 100000, "J2-objects": b'{"a":' * 100000,
    "J4-backslash": b'{"a":"\\', "J4-unicode": b'{"a":"\\u12', "J4-two-bytes": b'{"a":"\xc2',
    "J4-four-bytes": b'{"a":"\xf0',
    "J5-surrogate": b'{"a":"\\ud800"}', "J5-swapped": b'{"a":"\\udc00\\ud800"}',
    "J5-cesu": b'{"a":"\xed\xa0\xbd\xed\xb8\x80"}', "J5-overlong": b'{"a":"\xc0\x80"}',
    "J5-beyond": b'{"a":"\xf4\x90\x80\x80"}', "J5-nul": b'{"a":"\\u0000"}',
    "J7-utf16": '{"a":1}'.encode("utf-16"), "J7-bom": b"\xef\xbb\xbf{}",
}

# What goes behind the first brace of a valid text: J3, J6.
INSERTED = {
    "J3-long-number": b'"n":' + b"7" * (10 << 20) + b",", "J3-plus": b'"n":+1,',
    "J3-exponent": b'"n":1E+,', "J3-hex": b'"n":0x1,', "J3-nan": b'"n":NaN,', "J3-zero": b'"n":01,',
    "J6-duplicate": b'"d":1,"d":2,', "J6-escaped-duplicate": b'"d":1,"\\u0064":2,',
}
ALLOWED = {"J3-minus-zero": b'"n":-0,', "J3-large": b'"n":1e999,'}
LARGE = {"J6-long-key": b'"' + b"k" * (64 << 20) + b'":1,'}


def contents(directory, name):
    content = directory.files[name]
    return content if isinstance(content, bytes) else content.read_bytes()


def broken(cases, case, name, change, expect, says):
    d = sharded_directory()
    d.files[name] = change(contents(d, name))
    cases.directory(f"{case}-{name.split('.json')[0]}", d, expect, says)


def make(cases):
    cases.directory("J0-valid", sharded_directory(), "loads")
    for name in FILES:
        for case, text in WHOLE.items():
            broken(cases, case, name, lambda old, t=text: t, "refused", [name, "offset"])
        for case, text in INSERTED.items():
            broken(cases, case, name, lambda old, t=text: old.replace(b"{", b"{" + t, 1),
                   "refused", [name] if case == "J3-long-number" else [name, "offset"])
        for case, text in ALLOWED.items():
            broken(cases, case, name, lambda old, t=text: old.replace(b"{", b"{" + t, 1), "loads", [])
    many = b",".join(b'"%07d":0' % i for i in range(300000)) + b","
    for name in ("tokenizer_config.json", "tokenizer.json"):
        broken(cases, "J6-many-keys", name, lambda old: old.replace(b"{", b"{" + many, 1), "either", [])
        if cases.long:
            for case, text in LARGE.items():
                broken(cases, case, name, lambda old, t=text: old.replace(b"{", b"{" + t, 1),
                       "either", [])
