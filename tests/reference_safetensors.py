#!/usr/bin/env python3
"""The safetensors library and safetensors_read() judge the same 10,000 mutated files.

Where the two disagree, ours must be the stricter and its reason one of those that safetensors.h
names: a key that comes twice (the library takes the last), an unknown field of a tensor (the
library passes it over), more than four dimensions, white space before the header.
"""
import json
import random
import re
import struct
import subprocess

import safetensors
from suite import BUILD, check, finish

FILES = 10_000
PIECES = [b"{", b"}", b"[", b"]", b",", b":", b"0", b"1", b"-1", b"1.0", b"1e1", b"null", b"true",
          b'"F32"', b'"F8_E4M3"', b'"I8"', b'"shape"', b'"dtype"', b'"x"', b" ", b"\n", b"\\u0041",
          b"18446744073709551615", b"\xff", b"\0"]
STRICTER = ("appears twice", "unknown field", "a list of more than 4 numbers",
            "does not begin with")


def valid(random):
    """Header and size of the data of a valid file with five tensors."""
    at, header = 0, {"__metadata__": {"format": "pt"}}
    for i in range(5):
        kind, size = random.choice([("F32", 4), ("BF16", 2), ("I64", 8), ("F16", 2)])
        shape = random.choice([[1], [2, 1], [], [3], [0], [2, 0], [1, 1, 1, 1, 1]])
        for length in shape:
            size *= length
        header[f"t{i}"] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    return bytearray(json.dumps(header, separators=random.choice([(",", ":"), (", ", ": ")])).encode()), at


def mutate(random, text):
    """One change somewhere; returns by how many bytes the data is to grow."""
    at, kind = random.randrange(len(text)), random.randrange(6)
    if kind == 0:
        text[at] = random.randrange(256)
    elif kind == 1:
        del text[at:at + random.randrange(1, 4)]
    elif kind == 2:
        text[at:at] = random.choice(PIECES)
    elif kind == 3:
        number = random.choice(list(re.finditer(rb"\d+", text)))
        text[number.start():number.end()] = b"%d" % (
            int(number.group()) + random.choice([-1, 1, 2, 4, -4, 8]))
    elif kind == 4:
        text[at:at] = text[at // 2:at // 2 + 40]
    else:
        return random.choice([-1, 1])
    return 0


def file(random):
    text, data = valid(random)
    for _ in range(random.choice([0, 1, 1, 1, 2, 3])):
        data += mutate(random, text)
    length = len(text) + random.choice([0] * 20 + [1, -1])
    return struct.pack("<Q", length) + bytes(text) + bytes(max(data, 0))


def reference(content):
    try:
        safetensors.deserialize(content)
        return True
    except safetensors.SafetensorError:
        return False


def main():
    chance = random.Random(20)
    files = [file(chance) for _ in range(FILES)]
    done = subprocess.run([BUILD / "tests" / "tool_safetensors"], stdout=subprocess.PIPE, check=True,
                          input=b"".join(struct.pack("<Q", len(f)) + f for f in files))
    ours = done.stdout.decode().splitlines()
    theirs = [reference(f) for f in files]
    check("every file was judged", len(ours) == FILES, f"{len(ours)} of {FILES}")
    check("both kinds occur", FILES / 10 < sum(theirs) < FILES * 9 / 10, sum(theirs))
    looser = [f for f, a, b in zip(files, ours, theirs) if a == "accepted" and not b]
    check("we accept nothing that the library refuses", not looser, looser[:1])
    stricter = [a for a, b in zip(ours, theirs) if a != "accepted" and b]
    odd = [a for a in stricter if not any(reason in a for reason in STRICTER)]
    check(f"we refuse {len(stricter)} that it accepts, for known reasons", not odd, odd[:1])


main()
finish()
