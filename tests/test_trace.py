#!/usr/bin/env python3
"""`consilium trace` from end to end: the formats say the same, numpy reads them, and they are what the
program does anyway: answers those of `ask`, choices those that the engine is told one by one."""
import base64
import json
import os
import struct
import tempfile
from pathlib import Path

import numpy as np

from suite import BUILD, FIXTURES, MODELS, case, finish, run

scratch = Path(tempfile.mkdtemp(prefix="trace-"))
MODEL = FIXTURES / "council"
FAST = ["-m", MODEL, "--threads=1"]
ASKED = ["Is it the code?", "--seed=5", "--max-tokens=24", "--control", "--personas=coder,critic"]
KEEP = scratch / "keep.mask.json"
KEEP.write_text('{"mask":1,"model":null,"mode":"keep","layers":{"0":"0-3","1":"2-5"}}')
ASKED += ["--mask", f"coder={KEEP}"]
os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_CACHE_HOME"] = str(scratch / "nothing")


def trace(*words, status=0):
    done = run("trace", *words, *FAST, check_status=False)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-300:]}"
    return done


def read(name):
    """The arrays of an npz, by track."""
    tracks = {}
    with np.load(scratch / name) as z:
        for key in z.files:
            track, field = key.rsplit(".", 1)
            tracks.setdefault(track, {})[field] = z[key]
    return tracks


files = [scratch / f"a.{end}" for end in ("npz", "jsonl", "json")]
shown = trace(*ASKED, *(x for f in files for x in ("-o", f))).stdout
tracks = read("a.npz")
lines = [json.loads(x) for x in files[1].read_text().splitlines()]

with case("numpy reads the archive, and every array has its shape"):
    assert list(tracks) == ["coder", "critic", "control"], list(tracks)
    for name, t in tracks.items():
        n = len(t["experts"])
        assert t["tokens"].dtype == np.int32 and t["prompt"].shape == () and n == len(t["tokens"]) - 1
        for field in ("experts", "wanted", "gates", "shares"):
            assert t[field].shape == (n, 2, 3), (name, field, t[field].shape)
        for field in ("margin", "entropy", "banned"):
            assert t[field].shape == (n, 2) and t[field].dtype == np.float32
        assert np.isfinite(t["entropy"]).all() and ((0 <= t["banned"]) & (t["banned"] <= 1)).all()

with case("answers are those of ask, token for token"):
    asked = json.loads(run("ask", *ASKED, *FAST, "--no-save", "--merge=none", "--prefill=own",
                           "--format=json").stdout)
    for answer in asked["answers"]:
        t = tracks[answer["persona"]]
        assert t["tokens"][t["prompt"]:].tolist() == answer["tokens"], answer["persona"]
        assert int(t["prompt"]) == answer["prompt_tokens"]

with case("choices of the plain model are those that the engine is told"):
    t = tracks["control"]
    told = run(MODEL, 0, ",".join(map(str, t["tokens"][:-1])), binary=BUILD / "tests/tool_routes").stdout
    for line in map(json.loads, told.splitlines()):
        at = line["position"], line["layer"]
        assert t["experts"][at].tolist() == line["ids"]
        assert np.allclose(t["gates"][at], line["gates"], atol=2e-3), (at, line["gates"], t["gates"][at])

with case("a mask denies, and others stand in; without one nobody is denied"):
    assert (tracks["control"]["experts"] == tracks["control"]["wanted"]).all()
    coder = tracks["coder"]["experts"]
    assert (coder[:, 0] <= 3).all() and (coder[:, 1] >= 2).all() and (coder[:, 1] <= 5).all()
    assert (tracks["coder"]["wanted"][:, 0] > 3).any()

with case("the lines of JSONL say what the arrays say"):
    assert lines[0]["trace"] == 1 and lines[0]["model"]["experts"] == 8 and lines[0]["prompt"] == ASKED[0]
    heads = lines[1:4]
    assert [h["name"] for h in heads] == list(tracks)
    cells = 0
    for c in lines[4:]:
        t = tracks[heads[c["track"]]["name"]]
        at = c["token"], c["layer"]
        assert t["experts"][at][t["experts"][at] >= 0].tolist() == c["experts"]
        assert np.float32(c["entropy"]) == t["entropy"][at] and np.float32(c["banned"]) == t["banned"][at]
        assert c["margin"] is None or np.float32(c["margin"]) == t["margin"][at]
        wanted = dict(zip(t["wanted"][at].tolist(), t["shares"][at].tolist()))
        assert {e: s for e, s in wanted.items() if e not in c["experts"]} == \
            {e: float(np.float32(s)) for e, s in c["denied"]}
        assert [e for e, _ in c["instead"]] == [e for e in c["experts"] if e not in wanted]
        cells += 1
    assert cells == sum(2 * len(t["experts"]) for t in tracks.values())
    for h in heads:
        assert len(h["pieces"]) == len(h["tokens"]) and h["tokens"] == tracks[h["name"]]["tokens"].tolist()

with case("the array is what SGLang returns: base64 of int32 [tokens, layers, k]"):
    for answer in json.loads(files[2].read_text())["answers"]:
        t = tracks[answer["persona"]]
        got = np.frombuffer(base64.b64decode(answer["meta_info"]["routed_experts"]), "<i4")
        assert answer["shape"] == list(t["experts"].shape)
        assert (got.reshape(answer["shape"]) == t["experts"]).all()
        assert answer["input_ids"] + answer["output_ids"] == t["tokens"].tolist()

with case("figures are those of the arrays"):
    lines_of = shown.splitlines()
    head = next(i for i, x in enumerate(lines_of) if x.split()[:1] == ["tokens"])
    for line in lines_of[head + 1:head + 4]:
        name, tokens, experts, denied, banned, entropy = line.split()
        t = tracks[name]
        used = np.mean([len(set(t["experts"][:, layer].ravel().tolist()) - {-1}) for layer in (0, 1)])
        lost = np.mean([[w not in e for w in wanted] for e, wanted in
                        zip(t["experts"].reshape(-1, 3), t["wanted"].reshape(-1, 3))])
        assert int(tokens) == len(t["experts"]) and abs(float(experts) - used) < 0.051
        assert abs(float(denied[:-1]) - 100 * lost) < 0.051
        assert abs(float(banned[:-1]) - 100 * t["banned"].mean()) < 0.051
        assert abs(float(entropy) - t["entropy"].mean()) < 0.0051

with case("a text is read under the program of each"):
    text = scratch / "a text.txt"
    text.write_text("the code is the code\n")
    trace("--text", text, "--text", text, "-p", "coder", "--control", "-o", scratch / "t.npz")
    got = read("t.npz")
    assert list(got) == ["coder@a_text.txt", "control@a_text.txt", "coder@a_text.txt.2", "control@a_text.txt.2"]
    ids = json.loads(run("tokenize", "-m", MODEL, "the code is the code\n").stdout)
    assert all(t["tokens"].tolist() == ids and len(t["experts"]) == len(ids) for t in got.values())

with case("--lessons: what each persona's held-out lessons say, as far as N tokens, under the program of each"):
    own = scratch / "config" / "consilium" / "personas"
    own.mkdir(parents=True)
    said = {"sailor": [f"aye {i} the code" for i in range(6)], "baker": ["the bread is the bread", "and is"]}
    for name, answers in said.items():
        (own / f"{name}.json").write_text(json.dumps({"persona": 1, "name": name}))
        (own / f"{name}.lessons.jsonl").write_text(
            "".join(json.dumps({"question": f"Q{i}?", "answer": a}) + "\n" for i, a in enumerate(answers)))
    (own / "mute.json").write_text('{"persona":1,"name":"mute"}')
    home = os.environ | {"XDG_CONFIG_HOME": str(scratch / "config")}
    texts = {"sailor": said["sailor"][4] + "\n\n", "baker": "".join(a + "\n\n" for a in said["baker"])}
    for most in (5, 256):
        done = run("trace", f"--lessons={most}" if most == 5 else "--lessons", "-p", "sailor,baker,mute", "--control", *FAST, "-o",
                   scratch / "l.npz", "--force", env=home)
        got = read("l.npz")
        assert list(got) == [f"{who}@{text}.lessons" for text in said for who in ("sailor", "baker", "mute", "control")]
        assert "mute has no lessons" in done.stderr
        for text, words in texts.items():
            ids = json.loads(run("tokenize", "-m", MODEL, words).stdout)[:most]
            assert all(t["tokens"].tolist() == ids and len(t["experts"]) == len(ids)
                       for key, t in got.items() if f"@{text}." in key), (text, ids)
    for words, status, why in ((["--lessons=0"], 2, "no whole number"), (["--lessons=1x"], 2, "no whole number"),
                               (["--lessons", "-p", "mute"], 3, "nobody who speaks has lessons")):
        done = run("trace", *words, *FAST, env=home, check_status=False)
        assert done.returncode == status and why in done.stderr, (words, done.stderr)

with case("the same on standard output, and at another thread count"):
    again = run("trace", *ASKED, "-m", MODEL, "--threads=2", "--format=ndjson").stdout
    assert again == files[1].read_text()

CRC = [0] * 256
for n in range(256):
    CRC[n] = n
    for _ in range(8):
        CRC[n] = CRC[n] >> 1 ^ (0x82f63b78 if CRC[n] & 1 else 0)


def masked(data):
    crc = 0xffffffff
    for byte in data:
        crc = CRC[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xffffffff
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


def fields(data):
    """(field, value) of a protobuf message: integers, and bytes for all else."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 128:
                return value
    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(key & 7) or varint()
        yield key >> 3, data[at:at + size]
        at += size


def events(path):
    """{tag: [(step, value)]} of an event file, every checksum looked at."""
    data, at, out = path.read_bytes(), 0, {}
    while at < len(data):
        size, crc = struct.unpack("<QI", data[at:at + 12])
        body = data[at + 12:at + 12 + size]
        assert masked(data[at:at + 8]) == crc and masked(body) == struct.unpack("<I", data[at + 12 + size:at + 16 + size])[0]
        at += 16 + size
        event = dict(fields(body))
        if not out and 3 in event:
            assert event[3] == b"brain.Event:2"
        for number, summary in fields(event.get(5, b"")):
            value = dict(fields(summary))
            out.setdefault(value[1].decode(), []).append((event.get(2, 0), struct.unpack("<f", value[2])[0]))
    return out


with case("TensorBoard's event files: whole records, and the means of the arrays"):
    assert masked(b"123456789") == ((0xe3069283 >> 15 | 0xe3069283 << 17) + 0xa282ead8) & 0xffffffff
    trace(*ASKED, "--tensorboard", scratch / "runs")
    for name, t in tracks.items():
        found, = (scratch / "runs" / name).iterdir()
        assert found.name.startswith("events.out.tfevents.")
        got = events(found)
        assert [s for s, _ in got["routing/entropy"]] == list(range(len(t["experts"])))
        for tag, field in (("entropy", "entropy"), ("banned_mass", "banned")):
            assert np.allclose([v for _, v in got["routing/" + tag]], t[field].mean(1), atol=1e-6), tag
        lost = [np.mean([w not in e for e, wanted in zip(x, y) for w in wanted]) for x, y in zip(t["experts"], t["wanted"])]
        assert np.allclose([v for _, v in got["routing/denied"]], lost, atol=1e-6)

with case("pictures stand side by side, in what the terminal may show"):
    wide = trace(*ASKED).stdout.splitlines()
    assert wide[0].split() == ["coder", "critic", "control"], wide[0]
    assert len(wide[1]) == 4 + 3 * 8 + 2 * 2 and set(wide[1][4:]) <= set(" ░▒▓█"), wide[1]
    plain = run("trace", *ASKED, *FAST, env=os.environ | {"LC_ALL": "en_US.ISO-8859-1"}).stdout.splitlines()
    assert set(plain[1][4:]) <= set(" .:-=+*#%@"), plain[1]
    assert any("part at token" in x for x in wide) and "\033" not in "".join(wide)

with case("what cannot be is refused, before a model is opened or by its own words"):
    for words, status, why in ((["x", "-o", scratch / "a.txt"], 2, "does not end with .html"),
                               (["x", "-o", files[0]], 1, "is there already"),
                               ([], 2, "needs a PROMPT"), ([""], 2, "the prompt is empty"),
                               (["--text", scratch / "none"], 1, "none")):
        assert why in trace(*words, status=status).stderr, (words, why)
    (scratch / "empty").write_text("")
    assert "the text is empty" in trace("--text", scratch / "empty", status=2).stderr
    dense = next(m for m in sorted(MODELS.iterdir()) if "llama" in m.name)
    assert "a dense model routes nothing" in run("trace", "x", "-m", dense, check_status=False).stderr
    trace(*ASKED, "-o", files[0], "--force")

finish()
