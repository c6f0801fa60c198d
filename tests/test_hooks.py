#!/usr/bin/env python3
"""A router as code: compiled here against consilium_router.h, as a user would, and handed over by --router. One that
says nothing, or what was there anyway, is the plain model byte for byte; one that bans what a mask bans is that
mask, one that calls two experts is --experts 2; none calls what a mask forbids. What it must not do is told by
layer; a file of another version, or none at all, is refused; nothing loads one but the command line.
"""
import ctypes
import json
import os
import subprocess
import tempfile
from pathlib import Path

from council_model import make_model
from suite import MODELS, ROOT, SANITIZED, case, finish, run

scratch = Path(tempfile.mkdtemp(prefix="hooks-"))
HOME = {"HOME": str(scratch / "home"), "XDG_CONFIG_HOME": str(scratch / "config"),
        "XDG_DATA_HOME": str(scratch / "data"), "XDG_CACHE_HOME": str(scratch / "cache")}
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | HOME
MODEL = MODELS / "qwen3_moe"  # 2 layers, 7 experts, 3 a token
TOKENS = "1,5,9,2,7,7,3,11,4,8"


def build(name, source="trial.c", *flags):
    out = scratch / f"{name}.so"
    subprocess.run([*os.environ.get("CC", "cc").split(), "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror",
                    "-shared", "-fPIC", f"-I{ROOT}/engine/routing", *flags,
                    ROOT / "tests/routers" / source, "-o", out], check=True)
    return out


def trial(what):
    return build(what, "trial.c", f"-D{what}")


def logits(*options, model=MODEL, status=0):
    out = scratch / "logits.bin"
    done = run("logits", "-m", model, "--tokens", TOKENS, "--output", out, *options,
               check_status=False, env=ENVIRONMENT)
    assert done.returncode == status, f"exit {done.returncode}: {done.stderr[-300:]}"
    return out.read_bytes() if status == 0 else done.stderr


def mask(name, banned):
    path = scratch / f"{name}.mask.json"
    path.write_text(json.dumps({"mask": 1, "model": None, "mode": "ban", "layers": {"0-1": banned}}))
    return path


def equality():
    plain = logits()
    for what in ("NOTHING", "SAME"):
        with case(f"{what}: the plain model, byte for byte"):
            assert logits("--router", trial(what)) == plain
    with case("BAN: the mask that bans the same"):
        assert logits("--router", trial("BAN")) == logits("--mask", mask("two", "1,3")) != plain
    with case("TWO: --experts 2"):
        assert logits("--router", trial("TWO")) == logits("--experts", 2) != plain
    with case("FREE: what a mask forbids stays forbidden"):
        one = mask("one", "1")
        assert logits("--router", trial("FREE"), "--mask", one) == logits("--mask", one)
        assert logits("--router", trial("FREE")) != plain
    with case("FIRST: shown what the router reads and says; the same at any thread count"):
        first = trial("FIRST")
        assert logits("--router", first, "--threads", 1) == logits("--router", first, "--threads", 3) != plain


def refusals():
    for what, why in (("NAN_BIAS", "layer 0: the bias of expert 0 is no finite number"),
                      ("MANY", "layer 0: 6 experts called; 1 to 3 can be"),
                      ("NONE", "layer 0 is left with 0 experts and 3 are called"),
                      ("GIVES_UP", "gave up in layer 0 at position 0")):
        with case(f"{what} is told"):
            said = logits("--router", trial(what), status=1)
            assert f"router trial{' ' if what == 'GIVES_UP' else ': '}{why}" in said, said
    text = scratch / "text.so"
    text.write_text("no program")
    empty = scratch / "empty.so"
    subprocess.run([*os.environ.get("CC", "cc").split(), "-shared", "-fPIC", "-x", "c", "/dev/null", "-o", empty],
                   check=True)
    for path, why in ((build("old", "trial.c", "-DNOTHING", "-DABI=7"), "written against version 7"),
                      (text, "no shared object"), (scratch / "no.so", "cannot read it"),
                      (empty, "exports no consilium_router_plugin"), (scratch, "cannot read it")):
        with case(f"{path.name}: {why}"):
            said = logits("--router", path, status=3)
            assert f"--router: {path}: {why}" in said, said
    with case("a dense model has nothing to route"):
        assert "dense" in logits("--router", trial("NOTHING"), model=MODELS / "llama", status=3)
    with case("config.json cannot name one"):
        config = scratch / "config/consilium/config.json"
        config.parent.mkdir(parents=True)
        config.write_text(json.dumps({"router": str(trial("NOTHING"))}))
        said = run("ask", "Hi", "-m", MODEL, check_status=False, env=ENVIRONMENT)
        assert said.returncode == 2 and "router: belongs on a command line" in said.stderr, said.stderr
        config.unlink()


def council():
    model = make_model(scratch / "moe")
    first = trial("FIRST")

    def ask(*words):
        return json.loads(run("ask", "Is the old library a good place to think?", "-m", model, "--seed=4",
                              "--max-tokens=8", "--merge=none", "--prefill=own", "--format=json", *words,
                              env=ENVIRONMENT).stdout)

    with case("code routes in the sandbox, and the heading says so"):
        plain, routed = ask("--no-save"), ask("--router", first, "--session=mine")
        assert all("router" in a["acts_by"] for a in routed["answers"]), routed["answers"]
        assert [a["tokens"] for a in plain["answers"]] != [a["tokens"] for a in routed["answers"]]
    with case("a pass is the same alone and in lockstep"):
        alone = ask("--router", first, "--personas=critic", "--no-save")
        assert alone["answers"][0]["tokens"] == routed["answers"][2]["tokens"]
    with case("the control has none"):
        pair = ask("--router", first, "--personas=critic", "--control", "--no-save")
        bare = ask("--personas=critic", "--control", "--no-save")
        assert pair["answers"][1]["tokens"] == bare["answers"][1]["tokens"]
        assert "router" not in pair["answers"][1]["acts_by"]
    with case("the record names it, and a replay loads nothing"):
        record = next((scratch / "data").rglob("mine.jsonl")).read_text()
        assert str(first) in record
        done = run("transcripts", "replay", "mine", check_status=False, env=ENVIRONMENT)
        assert done.returncode == 1 and "recorded under router program" in done.stdout + done.stderr


class Model(ctypes.Structure):
    _fields_ = [("layers", ctypes.c_int), ("experts", ctypes.c_int), ("k", ctypes.c_int), ("width", ctypes.c_int),
                ("vocabulary", ctypes.c_int), ("fingerprint", ctypes.c_char_p), ("piece", ctypes.c_void_p),
                ("model", ctypes.c_void_p)]


class Token(ctypes.Structure):
    _fields_ = [("layer", ctypes.c_int), ("position", ctypes.c_int), ("token", ctypes.c_int),
                ("previous", ctypes.c_int), ("x", ctypes.c_void_p), ("logits", ctypes.c_void_p)]


class Selection(ctypes.Structure):
    _fields_ = [("experts", ctypes.c_int), ("bias", ctypes.POINTER(ctypes.c_float)),
                ("allowed", ctypes.POINTER(ctypes.c_ubyte)), ("k", ctypes.c_int)]


class Router(ctypes.Structure):
    _fields_ = [("abi", ctypes.c_int), ("name", ctypes.c_char_p), ("most", ctypes.c_int),
                ("open", ctypes.c_void_p), ("close", ctypes.c_void_p), ("select", ctypes.c_void_p)]


PIECE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_ulong))
OPEN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Model), ctypes.POINTER(ctypes.c_void_p),
                        ctypes.c_char_p, ctypes.c_ulong)
CLOSE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
SELECT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Token), ctypes.POINTER(Selection))


def example():
    """The interface as another language sees it: the example's choice for words that are handed to it."""
    words = [b" the", b" walking", b" quickly", b" library", b"ing", b" 42", b" The"]
    classes = [0, 1, 2, 3, None, None, 0]
    kept = [ctypes.create_string_buffer(w) for w in words]

    def piece(_model, token, length):
        length[0] = len(words[token])
        return ctypes.addressof(kept[token])

    library = ctypes.CDLL(str(build("parts_of_speech", "parts_of_speech.c")))
    r = Router.in_dll(library, "consilium_router_plugin")
    callback = PIECE(piece)
    model = Model(2, 8, 2, 16, len(words), b"", ctypes.cast(callback, ctypes.c_void_p), None)
    state = ctypes.c_void_p()
    with case("the example deals experts out to parts of speech"):
        assert (r.abi, r.name) == (1, b"parts of speech")
        assert OPEN(r.open)(ctypes.byref(model), ctypes.byref(state), None, 0) == 0
        for token, wanted in enumerate(classes):
            bias, allowed = (ctypes.c_float * 8)(), (ctypes.c_ubyte * 8)(*[1] * 8)
            chosen = Selection(8, bias, allowed, 2)
            said = SELECT(r.select)(state, ctypes.byref(Token(0, 0, token, -1, None, None)),
                                    ctypes.byref(chosen))
            assert said == (wanted is not None), words[token]
            assert list(bias) == [2.0 if wanted == e // 2 else 0.0 for e in range(8)], words[token]
            assert list(allowed) == [1] * 8 and chosen.k == 2
        CLOSE(r.close)(state)
    with case("it refuses a model with fewer experts than classes"):
        small = Model(2, 3, 1, 16, 1, b"", ctypes.cast(callback, ctypes.c_void_p), None)
        why = ctypes.create_string_buffer(128)
        assert OPEN(r.open)(ctypes.byref(small), ctypes.byref(state), why, 128) == -1
        assert why.value == b"needs a model of four experts or more"


equality()
refusals()
example()
if not SANITIZED:
    council()
finish()
